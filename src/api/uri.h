/* Addresses: percent-decoding, paths and query strings.  Layer api; pure.
 *
 * A path is split at `/` first and each segment is decoded once after that, so
 * that what is checked is what is used. */
#pragma once
#include "base/err.h"
#include "base/str.h"

enum { URI_SEGMENTS_MAX = 64, URI_QUERY_MAX = 24, URI_NAME_MAX = 512 };

struct su_arena;

/* Decoded text, NUL-terminated, in the arena.  Refuses a `%` without two hex
 * digits, NUL and control characters, and what is not UTF-8.  `plus_is_space`
 * for query strings.  `what` is the field named in the error. */
bool uri_decode(struct su_arena *arena, struct su_str text, bool plus_is_space, const char *what, struct su_str *ret, struct su_err *err);

/* Segments of an absolute path, decoded. */
struct uri_path { struct su_str segments[URI_SEGMENTS_MAX]; size_t count; };
bool uri_path_parse(struct su_arena *arena, struct su_str path, struct uri_path *ret, struct su_err *err);
/* segments[from…] joined by `/` as one name: refuses empty, `.` and `..` segments and more than URI_NAME_MAX bytes. */
bool uri_path_name(struct su_arena *arena, const struct uri_path *path, size_t from, size_t to, const char *what,
                   struct su_str *ret, struct su_err *err);

/* Parameters of a query string, decoded, in order.  Refuses repeated names. */
struct uri_query { struct uri_query_item { struct su_str name, value; } *items; size_t count; };
bool uri_query_parse(struct su_arena *arena, struct su_str query, struct uri_query *ret, struct su_err *err);
const char *uri_query_get(const struct uri_query *query, const char *name);
