/* help, version: help for people at a terminal.  Layer cli; main thread. */
#include "cli/help.h"

#include <string.h>

#include "cli/groups.h"
#include "cli/manual.h"

static bool begins_with(const struct command *command, const char *word)
{
    return !word || (strncmp(command->name, word, strlen(word)) == 0 &&
                     (command->name[strlen(word)] == ' ' || !command->name[strlen(word)]));
}

void help_overview(FILE *to, const char *first_word)
{
    if (!first_word)
        fputs("usage: suricate COMMAND [ARGUMENTS] [OPTIONS]\n\n"
              "An analytics server: put a file, run a recipe or a notebook on it, get the answer.\n", to);
    for (const struct command_group *group = command_groups; group->title; group++) {
        if (!first_word && *group->title)
            fprintf(to, "\n%s\n", group->title);
        for (const struct command *row = group->commands; row->name; row++)
            if (begins_with(row, first_word))
                fprintf(to, "  %-21s %s\n", row->name, row->summary);
    }
    fputs(first_word ? "\nsuricate help COMMAND says more about one.\n"
                     : "\nsuricate help COMMAND says more about one. Every command takes --json, --url and --data.\n", to);
}

static void print_options(FILE *to, const struct option_spec *options)
{
    for (; options && options->name; options++) {
        char flag[64], letter[8] = "    ";
        if (options->letter)
            snprintf(letter, sizeof letter, "-%c, ", options->letter);
        snprintf(flag, sizeof flag, "--%s%s%s", options->name, options->value ? " " : "", options->value ? options->value : "");
        fprintf(to, "  %s%-24s %s\n", letter, flag, options->help);
    }
}

static void print_indented(FILE *to, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        fprintf(to, "  %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

void help_command(FILE *to, const struct command *command)
{
    fprintf(to, "usage: suricate %s%s%s%s\n\n%s.\n", command->name, command->arguments ? " " : "",
            command->arguments ? command->arguments : "",
            command->options && command->options->name ? " [OPTIONS]" : "", command->summary);
    if (command->details)
        fprintf(to, "%s\n", command->details);
    if (command->options && command->options->name) {
        fputs("\noptions:\n", to);
        print_options(to, command->options);
    }
    if (!command->main) {
        fputs("\noptions of every command:\n", to);
        print_options(to, command_common_options);
    }
    if (command->example) {
        fputs("\nfor example:\n", to);
        print_indented(to, command->example);
    }
}

static bool has_prefix(const char *word)
{
    for (const struct command_group *group = command_groups; group->title; group++)
        for (const struct command *row = group->commands; row->name; row++)
            if (begins_with(row, word))
                return true;
    return false;
}

static int run_help(struct invocation *in, struct su_err *err)
{
    if (invocation_has(in, "man"))
        manual_man(stdout);
    else if (invocation_has(in, "completion"))
        manual_completion(stdout);
    else if (invocation_has(in, "markdown"))
        manual_markdown(stdout);
    else if (!invocation_count(in))
        help_overview(stdout, NULL);
    else {
        char *words[] = {NULL, (char *)(uintptr_t)invocation_argument(in, 0), (char *)(uintptr_t)invocation_argument(in, 1), NULL};
        int used = 0;
        const struct command *command = command_find(1 + invocation_count(in), words, &used);
        if (command) {
            help_command(stdout, command);
        } else if (has_prefix(words[1])) {
            help_overview(stdout, words[1]);
        } else {
            su_fail(err, SU_INVALID, "there is no command \"%s\"", words[1]);
            su_hint(err, "suricate help lists them");
            return COMMAND_FAILED;
        }
    }
    return EXIT_DONE;
}

static int run_version(struct invocation *in, struct su_err *err)
{
    (void)err;
    printf(invocation_wants_json(in) ? "{\"version\": \"%s\"}\n" : "suricate %s\n", SURICATE_VERSION);
    return EXIT_DONE;
}

static const struct option_spec help_options[] = {
    {.name = "man", .help = "print the man page (roff)"},
    {.name = "completion", .help = "print the completion for bash"},
    {.name = "markdown", .help = "print the reference of all commands"},
    {.name = NULL},
};

const struct command help_commands[] = {
    {.name = "help", .arguments = "[COMMAND]", .summary = "explain a command, or list them all",
     .example = "source <(suricate help --completion)", .options = help_options, .arguments_max = 2, .run = run_help},
    {.name = "version", .summary = "print the version", .run = run_version},
    {.name = NULL},
};
