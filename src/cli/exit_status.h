/* What the command line's exit status says.  Layer cli; any thread.
 *
 * One table: the help text, the man page and docs/cli.md are printed from it,
 * so scripts can rely on it. */
#pragma once
#include "base/err.h"

enum exit_status {
    EXIT_DONE = 0,
    EXIT_RUN_FAILED = 1,    /* everything worked, and the answer is no */
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_DENIED = 4,
    EXIT_CONFLICT = 5,
    EXIT_LIMIT = 6,
    EXIT_UNREACHABLE = 7,
    EXIT_TIMEOUT = 8,
    EXIT_TROUBLE = 9,
};

struct exit_meaning { enum exit_status status; const char *meaning; };
/* Ends with a NULL meaning. */
extern const struct exit_meaning exit_meanings[];

enum exit_status exit_status_of(const struct su_err *err);
