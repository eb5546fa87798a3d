/* The parser's limits and the binder tables. */
#include "check.h"

#include "base/json.h"

struct limits { int64_t time_s; double share; bool network; const char *label; json_t *tags; };

static const struct su_field fields[] = {
    SU_FIELD(struct limits, time_s, SU_FIELD_INT, .is_required = true, .min = 1, .max = 3600),
    SU_FIELD(struct limits, share, SU_FIELD_NUMBER, .min = 0, .max = 1),
    SU_FIELD(struct limits, network, SU_FIELD_BOOL),
    SU_FIELD(struct limits, label, SU_FIELD_TEXT, .min = 1, .max = 8),
    SU_FIELD(struct limits, tags, SU_FIELD_TEXTS, .min = 0, .max = 2),
    SU_FIELD_END,
};

static bool bind(const char *text, struct limits *limits, struct su_err *err)
{
    static json_t *value;
    json_decref(value);
    value = NULL;
    return su_json_parse(su_str_of(text), "body", &value, err) && su_json_bind(value, fields, limits, err);
}

static void parser_refuses_what_we_refuse(void **state)
{
    static const struct { const char *text; enum su_code code; const char *part; } rows[] = {
        {"", SU_INVALID, "body: not valid JSON"},
        {"{\"a\":1,\"a\":2}", SU_INVALID, "duplicate"},
        {"[1e999]", SU_INVALID, "real number overflow"},
        {"[1] x", SU_INVALID, "end of file expected"},
        {"[\"\xff\"]", SU_INVALID, "decode byte 0xff"},
    };
    struct su_err err;
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        SU_AUTO_JSON json_t *value = NULL;
        check_fails(su_json_parse(su_str_of(rows[i].text), "body", &value, &err), rows[i].code, rows[i].part);
    }
}

static void parser_refuses_ten_thousand_levels_by_name(void **state)
{
    struct su_err err;
    SU_AUTO_BUF struct su_buf text = SU_BUF(20000);
    for (int i = 0; i < 10000; i++)
        su_buf_addc(&text, '[');
    SU_AUTO_JSON json_t *value = NULL;
    check_fails(su_json_parse(su_buf_str(&text), "body", &value, &err), SU_LIMIT, "deeper than 64 levels");
}

static void brackets_in_texts_are_not_depth(void **state)
{
    struct su_err err;
    SU_AUTO_BUF struct su_buf text = SU_BUF(20000);
    su_buf_adds(&text, "\"\\\"");
    for (int i = 0; i < 1000; i++)
        su_buf_addc(&text, '[');
    su_buf_adds(&text, "\"");
    SU_AUTO_JSON json_t *value = NULL;
    check_ok(su_json_parse(su_buf_str(&text), "body", &value, &err));
}

static void binder_fills_members_and_keeps_defaults(void **state)
{
    struct su_err err;
    struct limits limits = {.share = 0.5};
    check_ok(bind("{\"time_s\":60,\"network\":true,\"label\":\"x\",\"tags\":[\"a\"]}", &limits, &err));
    assert_int_equal(limits.time_s, 60);
    assert_true(limits.network);
    assert_float_equal(limits.share, 0.5, 0);
    assert_string_equal(limits.label, "x");
    assert_int_equal(json_array_size(limits.tags), 1);
}

static void binder_points_at_the_field(void **state)
{
    static const struct { const char *text, *field, *part; } rows[] = {
        {"{}", "/time_s", "missing"},
        {"{\"time_s\":0}", "/time_s", "must be 1 to 3600, was 0"},
        {"{\"time_s\":\"1\"}", "/time_s", "whole number"},
        {"{\"time_s\":1,\"other\":1}", "/other", "unknown field"},
        {"{\"time_s\":1,\"label\":\"123456789\"}", "/label", "8 bytes"},
        {"{\"time_s\":1,\"tags\":[1]}", "/tags", "list of texts"},
        {"[]", "", "JSON object"},
    };
    struct su_err err;
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct limits limits = {0};
        check_fails(bind(rows[i].text, &limits, &err), SU_INVALID, rows[i].part);
        assert_string_equal(err.field, rows[i].field);
    }
}

static void schema_tells_types_and_what_is_required(void **state)
{
    SU_AUTO_JSON json_t *schema = su_json_schema(fields);
    assert_string_equal(su_json_string(json_object_get(json_object_get(schema, "properties"), "label"), "type", ""), "string");
    assert_int_equal(json_array_size(json_object_get(schema, "required")), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser_refuses_what_we_refuse),
        cmocka_unit_test(parser_refuses_ten_thousand_levels_by_name),
        cmocka_unit_test(brackets_in_texts_are_not_depth),
        cmocka_unit_test(binder_fills_members_and_keeps_defaults),
        cmocka_unit_test(binder_points_at_the_field),
        cmocka_unit_test(schema_tells_types_and_what_is_required),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
