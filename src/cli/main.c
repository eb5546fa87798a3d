/* suricate: finds the subcommand, runs it, says what went wrong.  Layer cli; main thread. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/exit_status.h"
#include "cli/help.h"
#include "cli/output.h"

static void print_line(const char *label, const char *text)
{
    if (!*text)
        return;
    fputs(label, stderr);
    output_text(stderr, text);
    fputc('\n', stderr);
}

/* With --json the problem itself, as the server sends it. */
static void print_problem(const struct su_err *err)
{
    SU_AUTO_JSON json_t *problem = json_object();
    const struct su_problem *row = su_problem_of(err);
    SU_AUTO_FREE char *type = su_format("/problems/%s", row->slug);
    json_object_set_new(problem, "type", json_string(type));
    json_object_set_new(problem, "title", json_string(row->title));
    json_object_set_new(problem, "detail", su_json_text_or_null(err->message));
    if (*err->field)
        json_object_set_new(problem, "field", su_json_text_or_null(err->field));
    if (*err->hint)
        json_object_set_new(problem, "hint", su_json_text_or_null(err->hint));
    SU_AUTO_FREE char *text = su_json_text_flags(problem, JSON_INDENT(2));
    fprintf(stderr, "%s\n", text);
}

static void print_error(struct invocation *in, const struct su_err *err)
{
    const json_t *problem = in ? invocation_problem(in) : NULL;
    if (in && invocation_wants_json(in) && problem) {
        SU_AUTO_FREE char *text = su_json_text_flags(problem, JSON_INDENT(2));
        fprintf(stderr, "%s\n", text);
    } else if (in && invocation_wants_json(in)) {
        print_problem(err);
    } else {
        print_line("suricate: ", err->message);
        if (*err->field && !strstr(err->message, err->field))
            print_line("  field: ", err->field);
        print_line("  hint: ", err->hint);
    }
}

static int no_such_command(const char *word)
{
    fputs("suricate: there is no command \"", stderr);
    output_text(stderr, word);
    fputs("\"\n  hint: suricate help lists them\n", stderr);
    return EXIT_USAGE;
}

/* A first word alone, as in "suricate recipe": say what can follow. */
static int incomplete(int argc, char **argv)
{
    for (const struct command_group *group = command_groups; group->title; group++) {
        for (const struct command *row = group->commands; row->name; row++) {
            size_t len = strlen(argv[1]);
            if (strncmp(row->name, argv[1], len) == 0 && row->name[len] == ' ') {
                bool is_asked = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
                help_overview(is_asked ? stdout : stderr, argv[1]);
                return is_asked ? EXIT_DONE : EXIT_USAGE;
            }
        }
    }
    return no_such_command(argv[1]);
}

static int run_command(const struct command *command, int argc, char **argv, int words)
{
    struct su_err err = {.code = SU_INTERNAL};
    struct invocation *in = NULL;
    int status = COMMAND_FAILED;
    if (invocation_parse(command, argc, argv, words, &in, &err)) {
        if (invocation_has(in, "help")) {
            help_command(stdout, command);
            status = EXIT_DONE;
        } else {
            status = command->run(in, &err);
        }
    }
    if (status == COMMAND_FAILED) {
        print_error(in, &err);
        status = (int)exit_status_of(&err);
    }
    invocation_free(in);
    if (fflush(stdout) != 0 && status == EXIT_DONE) {
        fputs("suricate: standard output could not be written\n", stderr);
        status = EXIT_TROUBLE;
    }
    return status;
}

int main(int argc, char **argv)
{
    int words = 0;
    if (argc < 2) {
        help_overview(stderr, NULL);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        help_overview(stdout, NULL);
        return EXIT_DONE;
    }
    char version[] = "version";
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    const struct command *command = command_find(argc, argv, &words);
    if (!command)
        return incomplete(argc, argv);
    if (command->main)
        return command->main(argc - words, argv + words);
    return run_command(command, argc, argv, words);
}
