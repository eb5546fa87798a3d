/* Templates: what goes where, of which type, and what is said when it can't. */
#include "check.h"
#include "act/template.h"

static const char values_text[] =
    "{\"key\": \"web-1\", \"level\": null, \"grounds\": {\"value\": 3.5, \"values\": [1, 2], \"avg(lat)\": 7}, "
    "\"parameters\": {\"n\": 3, \"on\": true, \"a.b\": \"dotted\", \"list\": [1, \"x\"]}}";

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (value == NULL)
        fail_msg("no JSON: %s", text);
    return value;
}

static void check_fills(const char *template, const char *wanted)
{
    struct su_err err;
    SU_AUTO_JSON json_t *values = parse(values_text), *given = parse(template), *expected = parse(wanted), *filled = NULL;
    check_ok(template_check(given, "/template", &err));
    check_ok(template_fill(given, values, &filled, &err));
    SU_AUTO_FREE char *text = su_json_text(filled);
    if (!json_equal(filled, expected))
        fail_msg("%s gave %s", template, text);
}

static void check_refuses(const char *template, enum su_code code, const char *part)
{
    struct su_err err;
    SU_AUTO_JSON json_t *values = parse(values_text), *given = parse(template), *filled = NULL;
    check_fails(template_fill(given, values, &filled, &err), code, part);
}

static void a_place_alone_keeps_its_type(void **state)
{
    check_fills("{\"n\": \"{{ parameters.n }}\", \"on\": \"{{parameters.on}}\", \"list\": \"{{ parameters.list }}\", \"null\": \"{{ level }}\"}",
                "{\"n\": 3, \"on\": true, \"list\": [1, \"x\"], \"null\": null}");
    check_fills("[\"{{ key }}\", 1, null, {\"deep\": [\"{{ grounds.values.1 }}\"]}]", "[\"web-1\", 1, null, {\"deep\": [2]}]");
}

static void a_place_in_a_text_becomes_text(void **state)
{
    check_fills("\"{{ key }} has {{ grounds.value }} of {{ parameters.list }}!\"", "\"web-1 has 3.5 of [1,\\\"x\\\"]!\"");
    check_fills("\"no places } at all {\"", "\"no places } at all {\"");
}

static void names_may_be_quoted_and_braces_written(void **state)
{
    check_fills("\"{{ parameters.\\\"a.b\\\" }}\"", "\"dotted\"");
    check_fills("\"{{ grounds.avg(lat) }}\"", "7");
    check_fills("\"{{ \\\"{{ key }}\\\" }} is {{ key }}\"", "\"{{ key }} is web-1\"");
}

static void a_default_stands_in_for_what_is_missing_or_null(void **state)
{
    check_fills("[\"{{ nothing | 5 }}\", \"{{ level | \\\"a | b }}\\\" }}\", \"{{ nothing.at.all | plain text }}\", \"{{ nothing | null }}\"]",
                "[5, \"a | b }}\", \"plain text\", null]");
    check_fills("\"{{ key | other }}\"", "\"web-1\"");
    check_fills("\"<{{ nothing | }}>\"", "\"<>\"");
}

static void what_is_missing_is_named(void **state)
{
    check_refuses("{\"a\": \"{{ parameters.m }}\"}", SU_INVALID, "{{ parameters.m }}: there is no such field");
    check_refuses("\"{{ grounds.values.2 }}\"", SU_INVALID, "grounds.values.2");
    check_refuses("\"{{ key.more }}\"", SU_INVALID, "key.more");
}

static void what_is_no_place_is_refused(void **state)
{
    struct su_err err;
    static const char *const broken[] = {"\"{{ key\"", "\"{{ }}\"", "\"{{ a..b }}\"", "\"{{ a. }}\"", "\"{{ a b }}\"", "\"{{ \\\"a }}\"", "\"{{ {{ a }} }}\""};
    for (size_t i = 0; i < SU_COUNT(broken); i++) {
        SU_AUTO_JSON json_t *given = parse(broken[i]);
        check_fails(template_check(given, "/body", &err), SU_INVALID, "body: ");
        assert_string_equal(err.field, "/body");
    }
}

static void a_template_can_not_grow_without_bound(void **state)
{
    struct su_err err;
    SU_AUTO_JSON json_t *values = json_object(), *list = json_array(), *many = json_array(), *filled = NULL;
    SU_AUTO_FREE char *long_text = su_alloc(100001);
    memset(long_text, 'x', 100000);
    json_object_set_new(values, "long", json_string(long_text));
    for (int i = 0; i < 3; i++)
        json_array_append_new(list, json_string("{{ long }}"));
    check_fails(template_fill(list, values, &filled, &err), SU_LIMIT, "longer than");
    for (int i = 0; i <= TEMPLATE_PLACES_MAX; i++)
        json_array_append_new(many, json_string("{{ \"\" }}"));
    check_fails(template_fill(many, values, &filled, &err), SU_LIMIT, "places");
    json_t *deep = json_string("{{ long }}");
    for (int i = 0; i <= TEMPLATE_DEPTH_MAX; i++)
        deep = json_pack("[o]", deep);
    check_fails(template_check(deep, "/body", &err), SU_LIMIT, "deep");
    json_decref(deep);
}

static void a_text_is_filled_as_text(void **state)
{
    struct su_err err;
    SU_AUTO_JSON json_t *values = parse(values_text);
    SU_AUTO_FREE char *text = NULL;
    check_ok(template_fill_text("{{ parameters.n }}", values, &text, &err));
    assert_string_equal(text, "3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_alone_keeps_its_type),
        cmocka_unit_test(a_place_in_a_text_becomes_text),
        cmocka_unit_test(names_may_be_quoted_and_braces_written),
        cmocka_unit_test(a_default_stands_in_for_what_is_missing_or_null),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(what_is_no_place_is_refused),
        cmocka_unit_test(a_template_can_not_grow_without_bound),
        cmocka_unit_test(a_text_is_filled_as_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
