/* The router: from method and path to a route of the tables.  Layer api; pure. */
#pragma once
#include "handler.h"
#include "uri.h"

enum { ROUTE_PARAMS_MAX = 4, ROUTE_ALLOW_SIZE = 64 };
struct route_params { struct { const char *name; size_t name_len; struct su_str value; } items[ROUTE_PARAMS_MAX]; size_t count; };

struct router;
/* tables: lists of routes, ended by NULL; borrowed for ever. */
struct router *router_new(const struct route *const *tables);
void router_free(struct router *router);

/* A route without parameters whose path is, byte by byte, `path`; NULL: ask router_find. */
const struct route *router_find_plain(const struct router *router, const char *method, struct su_str path);
/* The route for a request (HEAD finds GET).  Fails with not-found,
 * method-not-allowed (ret_allow then holds the Allow header) or a bad name.
 * Literal segments win over parameters, parameters over the greedy rest; segments
 * may follow the rest ("/v1/streams/{name*}/messages"), and the longest such tail wins. */
bool router_find(const struct router *router, struct su_arena *arena, const char *method, const struct uri_path *path,
                 const struct route **ret, struct route_params *ret_params, char ret_allow[static ROUTE_ALLOW_SIZE], struct su_err *err);
/* Every route in table order; NULL past the end. */
const struct route *router_at(const struct router *router, size_t index);
