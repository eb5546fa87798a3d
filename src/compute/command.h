/* One program in a sandbox, run to its end: for actions that run a command.  Layer compute; any thread, which waits.
 *
 * bubblewrap shows it a read-only system, its own file, an empty home and nothing else: no network, no process, no
 * other file, none of the server's environment.  Memory, CPU time, file sizes and its time are
 * limited; whatever it leaves running ends with it. */
#pragma once
#include <stdint.h>
#include "base/json.h"

struct compute;
enum { COMMAND_OUTPUT_MAX = 16 * 1024, COMMAND_ARGUMENTS_MAX = 64 };

struct command_run {
    const char *path;               /* the program, absolute */
    const json_t *arguments;        /* texts */
    const json_t *environment;      /* "NAME=value" texts, beside PATH, HOME and LANG */
    struct su_str input;            /* its standard input */
    int64_t time_ms;
    uint64_t memory_bytes;
    bool (*is_cancelled)(void *arg);    /* asked some times a second; true ends it.  May be NULL */
    void *arg;
};
struct command_end {
    int status;                     /* its exit status, 128 and more: ended by a signal */
    bool is_timeout, is_cancelled, is_cut /* there was more output */;
    char *output;                   /* what it wrote, both ways; the caller's */
};
/* False: it could not be run at all. */
bool compute_command(struct compute *compute, const struct command_run *run, struct command_end *ret, struct su_err *err);
