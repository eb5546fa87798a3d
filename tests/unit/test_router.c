/* Addresses and routes: split, then decoded once, then matched. */
#include "check.h"

#include "api/limits.h"
#include "api/router.h"

static void handle(struct request *request, struct reply *reply) {}

static const struct route things[] = {
    {"GET", "/v1/things", SCOPE_ANY, handle}, {"GET", "/v1/things/{name*}", SCOPE_ANY, handle},
    {"PUT", "/v1/things/{name*}", SCOPE_ANY, handle}, ROUTE_END};
static const struct route runs[] = {
    {"GET", "/v1/runs/{id}", SCOPE_ANY, handle}, {"GET", "/v1/runs/all", SCOPE_ANY, handle},
    {"POST", "/v1/runs/{id}/cancel", SCOPE_ANY, handle}, {"GET", "/v1/runs/{id}/figures/{file}", SCOPE_ANY, handle}, ROUTE_END};
static const struct route logs[] = {
    {"GET", "/v1/logs/{name*}", SCOPE_ANY, handle}, {"DELETE", "/v1/logs/{name*}", SCOPE_ANY, handle},
    {"POST", "/v1/logs/{name*}/messages", SCOPE_ANY, handle}, {"GET", "/v1/logs/{name*}/messages", SCOPE_ANY, handle},
    {"PUT", "/v1/logs/{name*}/readers/{reader}", SCOPE_ANY, handle},
    {"POST", "/v1/logs/{name*}/readers/{reader}/seek", SCOPE_ANY, handle}, ROUTE_END};
static const struct route *const tables[] = {things, runs, logs, NULL};

struct found { const struct route *route; struct route_params params; char allow[ROUTE_ALLOW_SIZE]; struct su_arena *arena; };

static bool find(const char *method, const char *path, struct found *found, struct su_err *err)
{
    struct router *router = router_new(tables);
    struct uri_path segments;
    *found = (struct found){.arena = su_arena_new()};
    bool is_found = uri_path_parse(found->arena, su_str_of(path), &segments, err) &&
                    router_find(router, found->arena, method, &segments, &found->route, &found->params, found->allow, err);
    router_free(router);
    return is_found;
}

static void expect_param(const struct found *found, size_t at, const char *value)
{
    assert_true(at < found->params.count);
    assert_string_equal(found->params.items[at].value.ptr, value);
}

static void paths_find_their_routes(void **state)
{
    static const struct { const char *method, *path, *route, *params[2]; } rows[] = {
        {"GET", "/v1/things", "/v1/things", {NULL, NULL}},
        {"HEAD", "/v1/things", "/v1/things", {NULL, NULL}},
        {"GET", "/v1/things/a", "/v1/things/{name*}", {"a", NULL}},
        {"PUT", "/v1/things/a/b/c.csv", "/v1/things/{name*}", {"a/b/c.csv", NULL}},
        {"GET", "/v1/things/a%2Fb", "/v1/things/{name*}", {"a/b", NULL}},
        {"GET", "/v1/things/%25", "/v1/things/{name*}", {"%", NULL}},
        {"GET", "/v1/things/a+b", "/v1/things/{name*}", {"a+b", NULL}},
        {"GET", "/v1/things/%C3%A9", "/v1/things/{name*}", {"\303\251", NULL}},
        {"GET", "/v1/runs/x", "/v1/runs/{id}", {"x", NULL}},
        {"GET", "/v1/runs/all", "/v1/runs/all", {NULL, NULL}},
        {"GET", "/v1/runs/{id}", "/v1/runs/{id}", {"{id}", NULL}},
        {"GET", "/v1/logs/a/b", "/v1/logs/{name*}", {"a/b", NULL}},
        {"GET", "/v1/logs/a/messages", "/v1/logs/{name*}/messages", {"a", NULL}},
        {"HEAD", "/v1/logs/a/b%2Fc/messages", "/v1/logs/{name*}/messages", {"a/b/c", NULL}},
        {"GET", "/v1/logs/messages", "/v1/logs/{name*}", {"messages", NULL}},
        {"GET", "/v1/logs/messages/messages", "/v1/logs/{name*}/messages", {"messages", NULL}},
        {"PUT", "/v1/logs/a/readers/r", "/v1/logs/{name*}/readers/{reader}", {"a", "r"}},
        {"PUT", "/v1/logs/a/readers/messages", "/v1/logs/{name*}/readers/{reader}", {"a", "messages"}},
        {"POST", "/v1/logs/a/b/readers/r/seek", "/v1/logs/{name*}/readers/{reader}/seek", {"a/b", "r"}},
        {"POST", "/v1/logs/a/readers/b/readers/r/seek", "/v1/logs/{name*}/readers/{reader}/seek", {"a/readers/b", "r"}},
        {"GET", "/v1/runs/x/figures/y.svg", "/v1/runs/{id}/figures/{file}", {"x", "y.svg"}},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct su_err err = {0};
        struct found found;
        check_ok(find(rows[i].method, rows[i].path, &found, &err));
        assert_string_equal(found.route->path, rows[i].route);
        for (size_t j = 0; j < 2 && rows[i].params[j]; j++)
            expect_param(&found, j, rows[i].params[j]);
        su_arena_free(found.arena);
    }
}

static void odd_names_are_refused(void **state)
{
    static const char *const paths[] = {
        "/v1/things/", "/v1/things/a/", "/v1/things//a", "/v1/things/..", "/v1/things/a/../b", "/v1/things/%2e%2e/b", "/v1/things/.",
        "/v1/things/a%2f..%2fb", "/v1/things/a%00", "/v1/things/a%0a", "/v1/things/%ff", "/v1/things/%", "/v1/things/%1",
        "/v1/things/%g0", "/v1/runs/a%2fb", "v1/things", ""};
    for (size_t i = 0; i < SU_COUNT(paths); i++) {
        struct su_err err = {0};
        struct found found;
        if (find("GET", paths[i], &found, &err))
            fail_msg("%s was accepted", paths[i]);
        assert_int_equal(err.code, SU_INVALID);
        assert_true(*err.field);
        su_arena_free(found.arena);
    }
}

static void a_name_has_a_limit(void **state)
{
    char path[16 + URI_NAME_MAX + 2] = "/v1/things/";
    struct su_err err = {0};
    struct found found;
    memset(path + 11, 'a', URI_NAME_MAX);
    check_ok(find("GET", path, &found, &err));
    su_arena_free(found.arena);
    path[11 + URI_NAME_MAX] = 'a';
    check_fails(find("GET", path, &found, &err), SU_LIMIT, "longer than");
    su_arena_free(found.arena);
}

static void other_methods_are_told(void **state)
{
    struct su_err err = {0};
    struct found found;
    check_fails(find("DELETE", "/v1/things/a", &found, &err), SU_INVALID, "GET, HEAD, PUT");
    assert_string_equal(found.allow, "GET, HEAD, PUT");
    assert_int_equal(su_problem_of(&err)->http_status, 405);
    su_arena_free(found.arena);
    check_fails(find("GET", "/v1/runs/x/cancel", &found, &err), SU_INVALID, "POST");
    assert_string_equal(found.allow, "POST");
    su_arena_free(found.arena);
    check_fails(find("GET", "/v2", &found, &err), SU_NOT_FOUND, "nothing");
    assert_string_equal(found.allow, "");
    su_arena_free(found.arena);
}

static void what_follows_the_rest_has_methods_of_its_own(void **state)
{
    struct su_err err = {0};
    struct found found;
    check_fails(find("DELETE", "/v1/logs/a/messages", &found, &err), SU_INVALID, "POST, GET, HEAD");
    assert_string_equal(found.allow, "POST, GET, HEAD");
    su_arena_free(found.arena);
    check_fails(find("GET", "/v1/logs/a/readers/r", &found, &err), SU_INVALID, "PUT");
    assert_string_equal(found.allow, "PUT");
    su_arena_free(found.arena);
}

static void plain_paths_are_found_byte_by_byte(void **state)
{
    struct router *router = router_new(tables);
    assert_ptr_equal(router_find_plain(router, "GET", SU_STR("/v1/things")), &things[0]);
    assert_ptr_equal(router_find_plain(router, "HEAD", SU_STR("/v1/things")), &things[0]);
    assert_null(router_find_plain(router, "PUT", SU_STR("/v1/things")));
    assert_null(router_find_plain(router, "GET", SU_STR("/v1/things/{name*}")));
    assert_null(router_find_plain(router, "GET", SU_STR("/v1/thing%73")));
    router_free(router);
}

static void queries_are_decoded_and_not_repeated(void **state)
{
    struct su_arena *arena = su_arena_new();
    struct su_err err = {0};
    struct uri_query query;
    check_ok(uri_query_parse(arena, SU_STR("a=1&b=x+y%26z&c&&d="), &query, &err));
    assert_string_equal(uri_query_get(&query, "b"), "x y&z");
    assert_string_equal(uri_query_get(&query, "c"), "");
    assert_string_equal(uri_query_get(&query, "d"), "");
    assert_null(uri_query_get(&query, "e"));
    check_fails(uri_query_parse(arena, SU_STR("a=1&a=2"), &query, &err), SU_INVALID, "twice");
    check_fails(uri_query_parse(arena, SU_STR("a=%zz"), &query, &err), SU_INVALID, "hexadecimal");
    check_ok(uri_query_parse(arena, SU_STR(""), &query, &err));
    assert_int_equal(query.count, 0);
    su_arena_free(arena);
}

static void limits_have_ranges_and_units(void **state)
{
    struct limits limits;
    struct su_err err = {0};
    limits_init(&limits);
    assert_int_equal(limits.json_bytes, 1024 * 1024);
    check_ok(limits_set(&limits, "json_bytes", "2MiB", &err));
    assert_int_equal(limits.json_bytes, 2 * 1024 * 1024);
    check_fails(limits_set(&limits, "json_bytes", "1", &err), SU_INVALID, "1024..");
    check_fails(limits_set(&limits, "json_bytes", "99999999999999999999GiB", &err), SU_INVALID, "json_bytes");
    check_fails(limits_set(&limits, "nothing", "1", &err), SU_INVALID, "no limit named");
    for (const struct limit_row *row = limits_table; row->name; row++)
        assert_true(row->min <= row->standard && row->standard <= row->max && *row->help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_find_their_routes), cmocka_unit_test(odd_names_are_refused), cmocka_unit_test(a_name_has_a_limit),
        cmocka_unit_test(other_methods_are_told), cmocka_unit_test(what_follows_the_rest_has_methods_of_its_own),
        cmocka_unit_test(plain_paths_are_found_byte_by_byte),
        cmocka_unit_test(queries_are_decoded_and_not_repeated), cmocka_unit_test(limits_have_ranges_and_units)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
