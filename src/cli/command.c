/* Subcommands: finding the row and reading its options.  Layer cli; main thread. */
#include "cli/command.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/connection.h"

enum { OPTIONS_MAX = 40, LONG_BASE = 1000 };

const struct option_spec command_common_options[] = {
    {.name = "url", .value = "URL", .help = "the server (default: $SURICATE_URL, else the local one)"},
    {.name = "data", .value = "DIR", .help = "data folder of the local server (default: $SURICATE_DATA)"},
    {.name = "json", .help = "print JSON, for scripts"},
    {.name = "quiet", .letter = 'q', .help = "no progress and no remarks"},
    {.name = "help", .letter = 'h', .help = "show this help"},
    {.name = NULL},
};

struct given { const char *name, *value; };

struct invocation {
    const struct command *command;
    struct given *options;
    size_t option_count;
    char **arguments;
    int argument_count;
    struct client *client;
};

static bool words_match(const char *name, int argc, char **argv, int *ret_words)
{
    const char *space = strchr(name, ' ');
    if (!space) {
        *ret_words = 1;
        return argc > 1 && strcmp(argv[1], name) == 0;
    }
    *ret_words = 2;
    return argc > 2 && strlen(argv[1]) == (size_t)(space - name) &&
           memcmp(argv[1], name, (size_t)(space - name)) == 0 && strcmp(argv[2], space + 1) == 0;
}

const struct command *command_find(int argc, char **argv, int *ret_words)
{
    const struct command *found = NULL;
    int found_words = 0;
    for (const struct command_group *group = command_groups; group->title; group++) {
        for (const struct command *row = group->commands; row->name; row++) {
            int words = 0;
            if (words_match(row->name, argc, argv, &words) && words > found_words) {
                found = row;
                found_words = words;
            }
        }
    }
    if (found)
        *ret_words = found_words;
    return found;
}

/* getopt_long's tables, made from our rows. */
struct parser {
    struct option longs[OPTIONS_MAX + 1];
    const struct option_spec *specs[OPTIONS_MAX];
    char shorts[2 * OPTIONS_MAX + 3];
    int count;
};

static void parser_add(struct parser *parser, const struct option_spec *specs)
{
    for (; specs && specs->name; specs++) {
        su_assert(parser->count < OPTIONS_MAX);
        int at = parser->count++;
        parser->specs[at] = specs;
        parser->longs[at] = (struct option){.name = specs->name, .val = LONG_BASE + at,
                                            .has_arg = specs->value ? required_argument : no_argument};
        size_t end = strlen(parser->shorts);
        if (specs->letter)
            parser->shorts[end++] = specs->letter;
        if (specs->letter && specs->value)
            parser->shorts[end] = ':';
    }
}

static const struct option_spec *parser_spec(const struct parser *parser, int code)
{
    if (code >= LONG_BASE && code < LONG_BASE + parser->count)
        return parser->specs[code - LONG_BASE];
    for (int i = 0; i < parser->count; i++)
        if (code != 0 && parser->specs[i]->letter == code)
            return parser->specs[i];
    return NULL;
}

static bool fail_option(const struct command *command, int code, char **argv, struct su_err *err)
{
    const char *given = argv[optind - 1];
    if (code == ':')
        su_fail(err, SU_INVALID, "%s needs a value", given);
    else if (optopt && optopt < LONG_BASE)
        su_fail(err, SU_INVALID, "unknown option -%c", optopt);
    else
        su_fail(err, SU_INVALID, "unknown option %s", given);
    return su_hint(err, "see: suricate help %s", command->name);
}

static bool read_options(struct invocation *in, const struct parser *parser, int argc, char **argv,
                         struct su_err *err)
{
    in->options = su_alloc((size_t)argc * sizeof *in->options);
    optind = 0;     /* glibc: start over */
    opterr = 0;
    for (;;) {
        int code = getopt_long(argc, argv, parser->shorts, parser->longs, NULL);
        if (code == -1)
            break;
        const struct option_spec *spec = parser_spec(parser, code);
        if (!spec)
            return fail_option(in->command, code, argv, err);
        in->options[in->option_count++] = (struct given){spec->name, optarg ? optarg : ""};
    }
    in->arguments = argv + optind;
    in->argument_count = argc - optind;
    return true;
}

static bool check_arguments(const struct invocation *in, struct su_err *err)
{
    const struct command *command = in->command;
    if (invocation_has(in, "help"))
        return true;
    if (in->argument_count < command->arguments_min)
        su_fail(err, SU_INVALID, "%s: something is missing", command->name);
    else if (in->argument_count > command->arguments_max)
        su_fail(err, SU_INVALID, "%s: \"%s\" is one argument too many", command->name,
                in->arguments[command->arguments_max]);
    else
        return true;
    return su_hint(err, "usage: suricate %s %s", command->name, command->arguments ? command->arguments : "");
}

bool invocation_parse(const struct command *command, int argc, char **argv, int words,
                      struct invocation **ret, struct su_err *err)
{
    su_assert(words >= 1 && words < argc + 1);
    struct parser parser = {.shorts = ":"};
    parser_add(&parser, command->options);
    parser_add(&parser, command_common_options);
    struct invocation *in = su_alloc(sizeof *in);
    in->command = command;
    if (!read_options(in, &parser, argc - words, argv + words, err) || !check_arguments(in, err)) {
        invocation_free(in);
        return false;
    }
    *ret = in;
    return true;
}

void invocation_free(struct invocation *in)
{
    if (!in)
        return;
    client_close(in->client);
    free(in->options);
    free(in);
}

const struct command *invocation_command(const struct invocation *in) { return in->command; }

int invocation_count(const struct invocation *in) { return in->argument_count; }

const char *invocation_argument(const struct invocation *in, int at)
{
    return at < in->argument_count ? in->arguments[at] : NULL;
}

const char *invocation_option(const struct invocation *in, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < in->option_count; i++)
        if (strcmp(in->options[i].name, name) == 0)
            value = in->options[i].value;
    return value;
}

bool invocation_has(const struct invocation *in, const char *name) { return invocation_option(in, name) != NULL; }

bool invocation_each(const struct invocation *in, size_t at, const char **ret_name, const char **ret_value)
{
    if (at >= in->option_count)
        return false;
    *ret_name = in->options[at].name;
    *ret_value = in->options[at].value;
    return true;
}

bool invocation_number(const struct invocation *in, const char *name, uint64_t min, uint64_t max,
                       uint64_t *ret, struct su_err *err)
{
    const char *text = invocation_option(in, name);
    uint64_t value = 0;
    if (!text)
        return true;
    if (!su_str_u64(su_str_of(text), max, &value) || value < min)
        return su_fail(err, SU_INVALID, "--%s must be a number from %llu to %llu, was \"%s\"", name,
                       (unsigned long long)min, (unsigned long long)max, text);
    *ret = value;
    return true;
}

bool invocation_wants_json(const struct invocation *in) { return invocation_has(in, "json"); }

bool invocation_is_quiet(const struct invocation *in) { return invocation_has(in, "quiet"); }

bool invocation_client_new(const struct invocation *in, struct client **ret, struct su_err *err)
{
    return connection_open(invocation_option(in, "url"), invocation_option(in, "data"), ret, err);
}

bool invocation_client(struct invocation *in, struct client **ret, struct su_err *err)
{
    if (!in->client && !invocation_client_new(in, &in->client, err))
        return false;
    *ret = in->client;
    return true;
}

const json_t *invocation_problem(const struct invocation *in) { return in->client ? client_problem(in->client) : NULL; }
