/* What the command line's exit status says.  Layer cli; any thread. */
#include "cli/exit_status.h"

#include <stddef.h>

const struct exit_meaning exit_meanings[] = {
    {EXIT_DONE, "done; with --wait: the run succeeded"},
    {EXIT_RUN_FAILED, "the run did not succeed, or doctor found something missing"},
    {EXIT_USAGE, "wrong use: an unknown command or option, or a value the server finds invalid"},
    {EXIT_NOT_FOUND, "no such object, notebook, run, recipe, stream, user, token or file"},
    {EXIT_DENIED, "not allowed: no token, a wrong or expired one, or one without the scope"},
    {EXIT_CONFLICT, "somebody else's change came first, or the name is taken"},
    {EXIT_LIMIT, "past a limit, which the message names"},
    {EXIT_UNREACHABLE, "no server answers, or it is not ready"},
    {EXIT_TIMEOUT, "not done in time"},
    {EXIT_TROUBLE, "an error of the server or of this machine (disk, memory)"},
    {EXIT_DONE, NULL},
};

static const enum exit_status by_code[SU_CODE_COUNT] = {
    [SU_INVALID] = EXIT_USAGE,     [SU_NOT_FOUND] = EXIT_NOT_FOUND, [SU_CONFLICT] = EXIT_CONFLICT,
    [SU_DENIED] = EXIT_DENIED,     [SU_LIMIT] = EXIT_LIMIT,         [SU_TIMEOUT] = EXIT_TIMEOUT,
    [SU_CANCELLED] = EXIT_TROUBLE, [SU_UNAVAILABLE] = EXIT_UNREACHABLE, [SU_INTERNAL] = EXIT_TROUBLE,
};

enum exit_status exit_status_of(const struct su_err *err)
{
    su_assert(err->code < SU_CODE_COUNT);
    return by_code[err->code];
}
