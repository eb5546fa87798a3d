/* The router: see router.h.  Layer api; pure.
 *
 * A few dozen routes: their patterns are split once, and a request compares its
 * segments with each candidate of the same shape.  The best match is the one
 * whose first different segment is the more literal.  What follows a greedy
 * parameter is matched from the end of the path; the longest such tail wins,
 * for all methods alike: what is under an address is decided before its method. */
#include "router.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERN_SEGMENTS_MAX = 8, NO_GREEDY = PATTERN_SEGMENTS_MAX };
enum part_kind { PART_GREEDY, PART_PARAM, PART_LITERAL };
struct part { enum part_kind kind; struct su_str text; };
struct pattern {
    const struct route *route;
    struct su_str plain; /* the path when it has no parameters */
    struct part parts[PATTERN_SEGMENTS_MAX];
    size_t count, greedy;   /* which part is greedy; NO_GREEDY */
};
struct router { struct pattern *patterns; size_t count; };

static struct part part_of(struct su_str segment)
{
    if (segment.len < 2 || segment.ptr[0] != '{')
        return (struct part){PART_LITERAL, segment};
    bool is_greedy = segment.ptr[segment.len - 2] == '*';
    return (struct part){is_greedy ? PART_GREEDY : PART_PARAM, {segment.ptr + 1, segment.len - (is_greedy ? 3 : 2)}};
}

static void pattern_init(struct pattern *pattern, const struct route *route)
{
    pattern->route = route;
    pattern->count = 0;
    pattern->greedy = NO_GREEDY;
    pattern->plain = strchr(route->path, '{') ? (struct su_str){NULL, SIZE_MAX} : su_str_of(route->path);
    struct su_str rest = su_str_of(route->path + 1), segment;
    for (bool more = true; more;) {
        more = su_str_cut(rest, '/', &segment, &rest);
        su_assert(pattern->count < PATTERN_SEGMENTS_MAX);
        pattern->parts[pattern->count] = part_of(segment);
        if (pattern->parts[pattern->count].kind == PART_GREEDY) {
            su_assert(pattern->greedy == NO_GREEDY);
            pattern->greedy = pattern->count;
        }
        pattern->count++;
    }
}

struct router *router_new(const struct route *const *tables)
{
    struct router *router = su_alloc(sizeof *router);
    for (size_t i = 0; tables[i]; i++)
        for (const struct route *route = tables[i]; route->method; route++)
            router->count++;
    router->patterns = su_alloc((router->count + 1) * sizeof *router->patterns);
    size_t at = 0;
    for (size_t i = 0; tables[i]; i++)
        for (const struct route *route = tables[i]; route->method; route++)
            pattern_init(&router->patterns[at++], route);
    return router;
}

void router_free(struct router *router)
{
    if (!router)
        return;
    free(router->patterns);
    free(router);
}

const struct route *router_at(const struct router *router, size_t index)
{
    return index < router->count ? router->patterns[index].route : NULL;
}

static bool pattern_fits(const struct pattern *pattern, const struct uri_path *path)
{
    bool has_rest = pattern->greedy < pattern->count;
    if (has_rest ? path->count < pattern->count : path->count != pattern->count)
        return false;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct part *part = &pattern->parts[i];
        size_t at = i > pattern->greedy ? path->count - pattern->count + i : i;
        if (part->kind == PART_LITERAL && !su_str_equal(part->text, path->segments[at]))
            return false;
    }
    return true;
}

/* More than 0 when a is the more literal of two patterns that fit. */
static int pattern_compare(const struct pattern *a, const struct pattern *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (a->parts[i].kind != b->parts[i].kind)
            return a->parts[i].kind > b->parts[i].kind ? 1 : -1;
        if (a->parts[i].kind == PART_GREEDY && a->count != b->count)
            return a->count > b->count ? 1 : -1;
    }
    return 0;
}

static bool fill_params(const struct pattern *pattern, struct su_arena *arena, const struct uri_path *path,
                        struct route_params *ret, struct su_err *err)
{
    ret->count = 0;
    for (size_t i = 0; i < pattern->count; i++) {
        const struct part *part = &pattern->parts[i];
        if (part->kind == PART_LITERAL)
            continue;
        char what[64];
        size_t what_len = part->text.len < sizeof what - 1 ? part->text.len : sizeof what - 1;
        memcpy(what, part->text.ptr, what_len);
        what[what_len] = '\0';
        struct su_str value;
        size_t extra = path->count - pattern->count;    /* segments a greedy part takes beyond its first */
        size_t from = i > pattern->greedy ? i + extra : i;
        if (!uri_path_name(arena, path, from, from + 1 + (part->kind == PART_GREEDY ? extra : 0), what, &value, err))
            return false;
        if (part->kind == PART_PARAM && memchr(value.ptr, '/', value.len))
            return su_fail_field(err, SU_INVALID, what, "%s: must not hold a /", what);
        su_assert(ret->count < ROUTE_PARAMS_MAX);
        ret->items[ret->count].name = part->text.ptr;
        ret->items[ret->count].name_len = part->text.len;
        ret->items[ret->count++].value = value;
    }
    return true;
}

static void allow_add(char allow[static ROUTE_ALLOW_SIZE], const char *method)
{
    if (strstr(allow, method))
        return;
    size_t used = strlen(allow);
    const char *head = strcmp(method, "GET") == 0 ? ", HEAD" : "";
    size_t needed = strlen(method) + strlen(head) + (used ? 2 : 0);
    if (used + needed >= ROUTE_ALLOW_SIZE)
        return;
    struct su_buf text = SU_BUF(ROUTE_ALLOW_SIZE);
    su_buf_addf(&text, "%s%s%s%s", allow, used ? ", " : "", method, head);
    memcpy(allow, text.ptr, text.len);
    allow[text.len] = '\0';
    su_buf_done(&text);
}

const struct route *router_find_plain(const struct router *router, const char *method, struct su_str path)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < router->count; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (pattern->plain.len == path.len && memcmp(pattern->plain.ptr, path.ptr, path.len) == 0 && strcmp(pattern->route->method, wanted) == 0)
            return pattern->route;
    }
    return NULL;
}

/* The best of those that fit, whatever their method. */
static const struct pattern *best_of(const struct router *router, const struct uri_path *path)
{
    const struct pattern *best = NULL;
    for (size_t i = 0; i < router->count; i++)
        if (pattern_fits(&router->patterns[i], path) && (!best || pattern_compare(&router->patterns[i], best) > 0))
            best = &router->patterns[i];
    return best;
}

static bool has_tail(const struct pattern *pattern) { return pattern->greedy + 1 < pattern->count; }

/* May it answer for an address whose best pattern is `best`? */
static bool pattern_serves(const struct pattern *pattern, const struct pattern *best, const struct uri_path *path)
{
    return pattern_fits(pattern, path) && (!has_tail(best) || pattern_compare(pattern, best) == 0);
}

bool router_find(const struct router *router, struct su_arena *arena, const char *method, const struct uri_path *path,
                 const struct route **ret, struct route_params *ret_params, char ret_allow[static ROUTE_ALLOW_SIZE], struct su_err *err)
{
    const struct pattern *shape = best_of(router, path), *best = NULL;
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    ret_allow[0] = '\0';
    for (size_t i = 0; shape && i < router->count; i++) {
        const struct pattern *pattern = &router->patterns[i];
        if (pattern_serves(pattern, shape, path) && strcmp(pattern->route->method, wanted) == 0 && (!best || pattern_compare(pattern, best) > 0))
            best = pattern;
    }
    for (size_t i = 0; shape && !best && i < router->count; i++)
        if (pattern_serves(&router->patterns[i], shape, path))
            allow_add(ret_allow, router->patterns[i].route->method);
    if (!best && ret_allow[0])
        return su_fail_slug(err, "method-not-allowed", "%.16s is not possible here; allowed: %s", method, ret_allow);
    if (!best)
        return su_fail(err, SU_NOT_FOUND, "there is nothing at this address") ||
               su_hint(err, "GET /v1/openapi.json lists every address");
    if (!fill_params(best, arena, path, ret_params, err))
        return false;
    *ret = best->route;
    return true;
}
