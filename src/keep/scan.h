/* A kernel's JSON, made safe to pass on without building a tree of it.  Layer keep; pure.
 *
 * Kernels are not trusted: what they send is copied through scan_clean, which
 * accepts JSON up to a depth and repairs what Python lets through and strict
 * readers refuse (invalid UTF-8, lone surrogates, NUL, NaN, numbers past double). */
#pragma once
#include "base/str.h"

enum { SCAN_DEPTH_MAX = 200 };

/* Append text's one JSON value to out: no white space, valid UTF-8, every number
 * finite.  False: not JSON, too deep, or out is full; out then holds a part. */
bool scan_clean(struct su_str text, struct su_buf *out);
/* The value of a member of an object that scan_clean wrote, as it stands there.
 * The first of several; false when absent or when object is none. */
bool scan_member(struct su_str object, const char *key, struct su_str *ret);
/* A string's characters between the quotes, escapes as they stand; empty for other values. */
struct su_str scan_inside(struct su_str value);
/* How much of `inside` (from scan_inside) fits in max bytes without cutting an escape, a
 * surrogate pair or a UTF-8 sequence; max must be at least 12. */
size_t scan_cut(struct su_str inside, size_t max);
