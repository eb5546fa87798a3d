/* Errors: one shape from the bottom to the edge.  Layer base; any thread.
 *
 * A function that can fail returns bool and takes `struct su_err *err` last.
 * True: done, every output set.  False: nothing changed, err filled.  The
 * message is written where the fault is known, in words for the user; a caller
 * may prefix it; only an edge (HTTP reply, run record, main) logs it, once.
 * err is never NULL. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>

enum su_code {
    SU_INVALID,     /* what was asked makes no sense */
    SU_NOT_FOUND,   /* no such thing (for this tenant) */
    SU_CONFLICT,    /* somebody else's change came first */
    SU_DENIED,      /* known, but not allowed */
    SU_LIMIT,       /* past a limit that the message names */
    SU_TIMEOUT,     /* not done in time */
    SU_CANCELLED,   /* stopped on request */
    SU_UNAVAILABLE, /* try again later */
    SU_INTERNAL,    /* our fault, or the machine's */
    SU_CODE_COUNT
};

struct su_err {
    enum su_code code;
    const char *slug;   /* static; NULL for the code's own: the problem's type */
    char field[96];     /* offending field or JSON pointer, or "" */
    char message[512];  /* what was wrong, and where */
    char hint[256];     /* what to do, or "" */
};

/* What a problem type means at the edges.  One row per slug. */
struct su_problem {
    const char *slug, *title;
    enum su_code code;
    int http_status;
    bool is_retryable;
};

/* Fill err and return false, so that `return su_fail(err, …)` reads well. */
bool su_fail(struct su_err *err, enum su_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool su_fail_field(struct su_err *err, enum su_code code, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* As su_fail, of a problem type listed in su_problems (e.g. "precondition-failed"). */
bool su_fail_slug(struct su_err *err, const char *slug, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* From errno: message is "<text>: <strerror>"; ENOSPC/EDQUOT become the slug
 * "insufficient-storage", ENOENT not found, EACCES/EPERM denied. */
bool su_fail_errno(struct su_err *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Say what to do about it; returns false. */
bool su_hint(struct su_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Put "<text>: " before the message; returns false. */
bool su_prefix(struct su_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The row for err (by slug, else by code); never NULL. */
const struct su_problem *su_problem_of(const struct su_err *err);
const char *su_code_name(enum su_code code);

/* Our own promises: checked in production, never used on input. */
#define su_assert(condition) \
    ((condition) ? (void)0 : su_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void su_assert_failed(const char *condition, const char *file, int line);
