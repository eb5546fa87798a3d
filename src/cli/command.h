/* Subcommands: the rows that describe them and one call of one of them.
 * Layer cli; main thread.
 *
 * A command is a row: its name ("put", "recipe run"), what it takes, its help
 * and its function.  Parsing, help, man page, completion and docs/cli.md all
 * read the same rows (table.c lists the groups). */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/json.h"

struct client;
struct invocation;
struct resource;

struct option_spec {
    const char *name;       /* long name, without dashes; NULL ends the list */
    char letter;            /* short name or 0 */
    const char *value;      /* what its value is called; NULL: a switch */
    const char *help;
    bool is_repeated;       /* may be given several times */
};

/* A function's answer when err says what went wrong; else an exit status. */
enum { COMMAND_FAILED = -1 };
typedef int command_fn(struct invocation *in, struct su_err *err);

struct command {
    const char *name;               /* one or two words; NULL ends the list */
    const char *arguments;          /* as in usage: "FILE [NAME]"; NULL: none */
    const char *summary;            /* one line */
    const char *details;            /* paragraphs, or NULL */
    const char *example;            /* shell lines, or NULL */
    const struct option_spec *options;  /* or NULL */
    int arguments_min, arguments_max;
    command_fn *run;
    const struct resource *resource;    /* for the functions of resource.h, or NULL */
    int (*main)(int argc, char **argv); /* parses its own options (serve) */
};

/* Options every command takes. */
extern const struct option_spec command_common_options[];
/* Every group of commands in the order of the help; ends with NULL. */
struct command_group { const char *title; const struct command *commands; };
extern const struct command_group command_groups[];

/* The row for the words at argv[1…]; ret_words is how many of them name it. NULL when none does. */
const struct command *command_find(int argc, char **argv, int *ret_words);

/* Parse argv after `words` words of name. argv is permuted and must outlive the invocation. */
bool invocation_parse(const struct command *command, int argc, char **argv, int words,
                      struct invocation **ret, struct su_err *err);
void invocation_free(struct invocation *in);

const struct command *invocation_command(const struct invocation *in);
int invocation_count(const struct invocation *in);                   /* positional arguments */
const char *invocation_argument(const struct invocation *in, int at); /* NULL past the end */
/* Last value of an option, or NULL; a switch that was given has the value "". */
const char *invocation_option(const struct invocation *in, const char *name);
bool invocation_has(const struct invocation *in, const char *name);
/* Every option in the order given: at counts from 0; false past the end. */
bool invocation_each(const struct invocation *in, size_t at, const char **ret_name, const char **ret_value);
/* Options whose value must be a number in [min,max]; absent: ret unchanged. */
bool invocation_number(const struct invocation *in, const char *name, uint64_t min, uint64_t max,
                       uint64_t *ret, struct su_err *err);
bool invocation_wants_json(const struct invocation *in);
bool invocation_is_quiet(const struct invocation *in);
/* The server this call speaks to; found on first use. Borrowed. */
bool invocation_client(struct invocation *in, struct client **ret, struct su_err *err);
/* A second connection to the same server, the caller's. */
bool invocation_client_new(const struct invocation *in, struct client **ret, struct su_err *err);
/* The server's own words about the last failure, or NULL. */
const json_t *invocation_problem(const struct invocation *in);
