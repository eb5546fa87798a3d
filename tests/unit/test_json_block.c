/* JSON to columns: every kind of value, every kind of bad text. */
#include "check.h"

#include "aggregate/json_block.h"

static struct su_err err;

struct fixture { struct json_parser *parser; struct block_builder *builder; };

static int fixture_make(void **state)
{
    struct fixture *f = su_alloc(sizeof *f);
    f->parser = json_parser_new();
    f->builder = block_builder_new(NULL);
    *state = f;
    return 0;
}

static int fixture_free(void **state)
{
    struct fixture *f = *state;
    json_parser_free(f->parser);
    block_builder_free(f->builder);
    free(f);
    return 0;
}

/* The text in memory of exactly its size, so that a sanitizer sees a byte read past it. */
static bool read_row(struct fixture *f, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + !len);
    memcpy(copy, text, len);
    block_drop(f->builder);
    block_begin(f->builder);
    bool is_done = json_parser_row(f->parser, (struct su_str){copy, len}, f->builder, &err);
    free(copy);
    return is_done;
}

static struct block_value value_at(struct fixture *f, const char *path) { return block_row_value(f->builder, su_str_of(path)); }

static void assert_text_at(struct fixture *f, const char *path, enum block_kind kind, const char *text)
{
    struct block_value value = value_at(f, path);
    assert_int_equal(value.kind, kind);
    if (!su_str_equal(value.text, su_str_of(text)))
        fail_msg("%s: \"%.*s\" instead of \"%s\"", path, (int)value.text.len, value.text.ptr, text);
}

static void members_become_fields_by_path(void **state)
{
    struct fixture *f = *state;
    check_ok(read_row(f, " {\"ts\": 1700000000.25, \"n\":-7, \"ok\":true, \"none\":null, \"comm\":\"ssh\\u00e4\\n\", "
                         "\"user\":{\"name\":\"ada\",\"ids\":[1, {\"a\":[\"]\"]} ]  }, \"empty\":{}, \"last\":[] }\n"));
    assert_true(value_at(f, "ts").number == 1700000000.25);
    assert_int_equal(value_at(f, "n").integer, -7);
    assert_int_equal(value_at(f, "ok").kind, BLOCK_BOOL);
    assert_int_equal(value_at(f, "none").kind, 0);
    assert_text_at(f, "comm", BLOCK_TEXT, "sshä\n");
    assert_text_at(f, "user.name", BLOCK_TEXT, "ada");
    assert_text_at(f, "user.ids", BLOCK_JSON, "[1, {\"a\":[\"]\"]} ]");
    assert_text_at(f, "last", BLOCK_JSON, "[]");
    assert_int_equal(value_at(f, "user").kind, 0);
}

static void any_other_value_is_the_field_value(void **state)
{
    struct fixture *f = *state;
    check_ok(read_row(f, "12"));
    assert_int_equal(value_at(f, "value").integer, 12);
    check_ok(read_row(f, " \"a\\\"b\" "));
    assert_text_at(f, "value", BLOCK_TEXT, "a\"b");
    check_ok(read_row(f, "[1,[2]] "));
    assert_text_at(f, "value", BLOCK_JSON, "[1,[2]]");
    check_ok(read_row(f, "null"));
    assert_int_equal(value_at(f, "value").kind, 0);
    check_ok(read_row(f, "false"));
    assert_int_equal(value_at(f, "value").kind, BLOCK_BOOL);
}

static void integers_that_do_not_fit_become_floats(void **state)
{
    struct fixture *f = *state;
    check_ok(read_row(f, "{\"a\":9223372036854775807,\"b\":9223372036854775808,\"c\":-123456789012345678901234567890,\"d\":1e3}"));
    assert_int_equal(value_at(f, "a").integer, INT64_MAX);
    assert_true(value_at(f, "b").number == 9223372036854775808.0);
    assert_true(value_at(f, "c").number == -123456789012345678901234567890.0);
    assert_true(value_at(f, "d").number == 1000);
}

static void bad_texts_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "", "  ", "{", "}", "{\"a\":1", "{\"a\":}", "{\"a\" 1}", "{\"a\":1,}", "{,}", "{a:1}", "{\"a\":1} x", "{\"a\":1}{}", "{\"a\":1}]",
        "1 2", "1,2", "[1],[2]", "1]", "[1", "[1,]", "[,1]", "[1 2]", "\"a", "\"a\" 1", "'a'", "nul", "nulll", "tru", "truee", "NaN", "-NaN", "Infinity",
        "{\"a\":NaN}", "{\"a\":nulL}", "{\"a\":falsy}", "{\"a\":01}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":+1}", "{\"a\":1e}", "{\"a\":-}",
        "{\"a\":1e999}", "{\"a\":0123456789012345678901234567890}", "{\"a\":12345678901234567890123x}", "{\"a\":\"\\x\"}", "{\"a\":\"\\u12\"}",
        "{\"a\":\"\xff\"}", "{\"a\":\"\n\"}", "{\"a\":[1,}", "{\"a\":[tru]}", "{\"a\":[\"\\q\"]}", "{\"a\":[1,2],\"b\":[}", "{\"a\":{\"b\":}}", "{1:2}",
        "{\"a\":1,\"b\"}", "{null:1}", "[]]", "{}}", "{\"\\ud800\":1}", "]", ",", ":", "\"a\":1", "/* */1", "{\"a\":1}\x01"};
    for (size_t i = 0; i < SU_COUNT(bad); i++) {
        if (read_row(f, bad[i]))
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(err.code, SU_INVALID);
        block_drop(f->builder);
    }
    check_fails(read_row(f, "{\"abc\":1,\"d\":tru}"), SU_INVALID, "near byte 13");
}

static void nesting_has_a_limit(void **state)
{
    struct fixture *f = *state;
    for (int depth = 60; depth < 70; depth++)
        for (int is_list = 0; is_list < 2; is_list++) {
            SU_AUTO_BUF struct su_buf text = SU_BUF(4096);
            for (int i = 0; i < depth; i++)
                su_buf_adds(&text, is_list ? "[" : "{\"a\":");
            su_buf_adds(&text, is_list ? "" : "1");
            for (int i = 0; i < depth; i++)
                su_buf_adds(&text, is_list ? "]" : "}");
            assert_int_equal(read_row(f, text.ptr), depth <= 64);
            block_drop(f->builder);
        }
}

static void large_and_small_messages_take_turns(void **state)
{
    struct fixture *f = *state;
    for (size_t size = 1; size < 3000000; size = size * 3 + 1) {
        SU_AUTO_BUF struct su_buf text = SU_BUF(1 << 24);
        su_buf_adds(&text, "{\"a\":\"");
        for (size_t i = 0; i < size; i++)
            su_buf_addc(&text, (char)('a' + i % 26));
        su_buf_adds(&text, "\\t\"}");
        check_ok(read_row(f, text.ptr));
        assert_int_equal(value_at(f, "a").text.len, size + 1);
        check_ok(read_row(f, "{\"a\":\"x\"}"));
        assert_text_at(f, "a", BLOCK_TEXT, "x");
    }
}

/* --- elements ------------------------------------------------------------- */

static bool join(void *arg, struct su_str element, struct su_err *error)
{
    struct su_buf *buf = arg;
    su_buf_add(buf, element.ptr, element.len);
    su_buf_addc(buf, ';');
    return element.len != 4 || su_fail(error, SU_CONFLICT, "stopped");
}

static void a_list_is_taken_apart(void **state)
{
    struct fixture *f = *state;
    SU_AUTO_BUF struct su_buf out = SU_BUF(4096);
    check_ok(json_parser_elements(f->parser, SU_STR(" [ {\"a\":\"],\\\"\"} , [1,2],3 ,\"x\"] "), join, &out, &err));
    assert_string_equal(out.ptr, "{\"a\":\"],\\\"\"};[1,2];3;\"x\";");
    check_ok(json_parser_elements(f->parser, SU_STR("[ ]"), join, &out, &err));
    check_fails(json_parser_elements(f->parser, SU_STR("[1,2222,3]"), join, &out, &err), SU_CONFLICT, "stopped");
    static const char *const bad[] = {"", "{}", "[", "[1", "[1,", "[1,]", "[,]", "[1]2", "[\"a]", "[}]", "[\"\\"};
    for (size_t i = 0; i < SU_COUNT(bad); i++)
        if (json_parser_elements(f->parser, su_str_of(bad[i]), join, &out, &err))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(members_become_fields_by_path, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(any_other_value_is_the_field_value, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(integers_that_do_not_fit_become_floats, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(bad_texts_are_refused, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(nesting_has_a_limit, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(large_and_small_messages_take_turns, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(a_list_is_taken_apart, fixture_make, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
