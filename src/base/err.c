/* Errors: see err.h.  Layer base; any thread. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first row of each code is what a bare su_fail means. */
static const struct su_problem problems[] = {
    {"invalid", "The request makes no sense", SU_INVALID, 400, false},
    {"not-found", "No such thing", SU_NOT_FOUND, 404, false},
    {"conflict", "Somebody else's change came first", SU_CONFLICT, 409, false},
    {"forbidden", "Not allowed", SU_DENIED, 403, false},
    {"limit", "Past a limit", SU_LIMIT, 413, false},
    {"timeout", "Not done in time", SU_TIMEOUT, 504, true},
    {"cancelled", "Stopped on request", SU_CANCELLED, 409, false},
    {"unavailable", "Not available right now", SU_UNAVAILABLE, 503, true},
    {"internal", "Something went wrong inside Suricate", SU_INTERNAL, 500, false},
    {"precondition-failed", "The thing has changed", SU_CONFLICT, 412, false},
    {"idempotency-mismatch", "The key was used for another request", SU_CONFLICT, 422, false},
    {"unauthorized", "Who are you?", SU_DENIED, 401, false},
    {"method-not-allowed", "Not with this method", SU_INVALID, 405, false},
    {"not-acceptable", "Not in this form", SU_INVALID, 406, false},
    {"request-timeout", "The request came too slowly", SU_TIMEOUT, 408, true},
    {"length-required", "The length is missing", SU_INVALID, 411, false},
    {"uri-too-long", "The address is too long", SU_LIMIT, 414, false},
    {"unsupported-type", "Not a type that is read here", SU_INVALID, 415, false},
    {"not-columnar", "No table that can be columns", SU_INVALID, 422, false},
    {"range-not-satisfiable", "Past the end", SU_INVALID, 416, false},
    {"headers-too-large", "The headers are too large", SU_LIMIT, 431, false},
    {"too-many-requests", "Too many requests", SU_LIMIT, 429, true},
    {"insufficient-storage", "The disk is full", SU_LIMIT, 507, true},
    {"backpressure", "The disk can't keep up", SU_LIMIT, 429, true},
    {"rate-limited", "Faster than the stream's limit", SU_LIMIT, 429, true},
    {"batch-full", "The batch is full", SU_LIMIT, 413, false},
    {"fenced", "Another holder has taken over", SU_CONFLICT, 409, false},
    {"unprocessable", "Some of it can't be taken", SU_INVALID, 422, false},
    {"has-dependants", "Others depend on it", SU_CONFLICT, 409, false},
};

const struct su_problem *su_problem_of(const struct su_err *err)
{
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        if (err->slug ? strcmp(problems[i].slug, err->slug) == 0 : problems[i].code == err->code)
            return &problems[i];
    return &problems[SU_INTERNAL];
}

const char *su_code_name(enum su_code code)
{
    static const char *const names[SU_CODE_COUNT] = {
        "invalid", "not_found", "conflict", "denied", "limit", "timeout", "cancelled", "unavailable", "internal"};
    return code < SU_CODE_COUNT ? names[code] : "internal";
}

static void fill(struct su_err *err, enum su_code code, const char *slug, const char *field,
                 const char *format, va_list args)
{
    /* The arguments may point into *err, so write the new text beside the old one first. */
    char message[sizeof err->message];
    vsnprintf(message, sizeof message, format, args);
    char kept_field[sizeof err->field];
    snprintf(kept_field, sizeof kept_field, "%s", field);
    *err = (struct su_err){.code = code, .slug = slug};
    memcpy(err->message, message, sizeof message);
    memcpy(err->field, kept_field, sizeof kept_field);
}

bool su_fail(struct su_err *err, enum su_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, NULL, "", format, args);
    va_end(args);
    return false;
}

bool su_fail_field(struct su_err *err, enum su_code code, const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(err, code, NULL, field, format, args);
    va_end(args);
    return false;
}

bool su_fail_slug(struct su_err *err, const char *slug, const char *format, ...)
{
    struct su_err probe = {.slug = slug};
    va_list args;
    va_start(args, format);
    fill(err, su_problem_of(&probe)->code, slug, "", format, args);
    va_end(args);
    return false;
}

static enum su_code code_of_errno(int number)
{
    switch (number) {
    case ENOENT: case ESRCH: return SU_NOT_FOUND;
    case EACCES: case EPERM: return SU_DENIED;
    case ENOSPC: case EDQUOT: case EFBIG: case EMFILE: case ENFILE: return SU_LIMIT;
    case ETIMEDOUT: return SU_TIMEOUT;
    case ECONNREFUSED: case EAGAIN: return SU_UNAVAILABLE;
    default: return SU_INTERNAL;
    }
}

bool su_fail_errno(struct su_err *err, int error_number, const char *format, ...)
{
    bool is_full = error_number == ENOSPC || error_number == EDQUOT;
    va_list args;
    va_start(args, format);
    fill(err, code_of_errno(error_number), is_full ? "insufficient-storage" : NULL, "", format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(error_number));
    if (is_full)
        su_hint(err, "free some space on the server's disk; nothing needs a restart");
    return false;
}

bool su_hint(struct su_err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return false;
}

bool su_prefix(struct su_err *err, const char *format, ...)
{
    char text[sizeof err->message];
    va_list args;
    va_start(args, format);
    int used = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, ": %s", err->message);
    memcpy(err->message, text, sizeof text);
    return false;
}

void su_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "{\"level\":\"fatal\",\"event\":\"assertion\",\"condition\":\"%s\",\"at\":\"%s:%d\"}\n",
            condition, file, line);
    abort();
}
