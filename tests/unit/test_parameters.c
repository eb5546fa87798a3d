/* Parameters: found in a cell, checked, injected; Python literals both ways. */
#include "check.h"

#include "interact/notebook.h"
#include "interact/parameters.h"
#include "interact/python.h"

static json_t *notebook_of(const char *source)
{
    json_t *notebook = json_pack("{s:i, s:i, s:{}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "cells");
    json_array_append_new(json_object_get(notebook, "cells"), notebook_code_cell(su_str_of(source), "parameters"));
    json_array_append_new(json_object_get(notebook, "cells"), notebook_code_cell(SU_STR("print(1)"), NULL));
    return notebook;
}

static const json_t *named(const json_t *list, const char *name)
{
    size_t i;
    json_t *each;
    json_array_foreach(list, i, each)
        if (strcmp(su_json_string(each, "name", ""), name) == 0)
            return each;
    fail_msg("no parameter %s", name);
    return NULL;
}

static void check_one(const json_t *list, const char *name, const char *type, const char *value, const char *help)
{
    const json_t *parameter = named(list, name);
    SU_AUTO_FREE char *text = su_json_text(json_object_get(parameter, "default"));
    assert_string_equal(su_json_string(parameter, "type", ""), type);
    assert_string_equal(text, value);
    assert_string_equal(su_json_string(parameter, "help", ""), help);
}

static void finds_every_form_of_line(void **state)
{
    SU_AUTO_JSON json_t *notebook = notebook_of(
        "# a comment\n"
        "import os\n"
        "passer = \"P.Manning\"  # who throws\n"
        "game: str = None  # type: int the game = one of many\n"
        "clusters: int = 3\n"
        "share = 0.5 # type: float part, from 0\n"
        "is_deep = True\n"
        "names: 'List[str]' = [\"a#b\", 'c',  # inside\n   \"d\"]\n"
        "options = {\"x\": [1, -2.5e3], 'y': None}\n"
        "limit: Optional[int] = None\n"
        "either: float | None = 2.0\n"
        "text = '''two\nlines = 1'''\n"
        "today = datetime.now()  # computed\n"
        "x == 3\n"
        "a.b = 4\n"
        "    indented = 5\n"
        "%matplotlib inline\n"
        "pair = (1, 2)\n"
        "joined = ('a'\n  'b')\n");
    SU_AUTO_JSON json_t *list = parameters_discover(notebook);
    check_one(list, "passer", "str", "\"P.Manning\"", "who throws");
    check_one(list, "game", "str", "null", "the game = one of many");
    check_one(list, "clusters", "int", "3", "");
    check_one(list, "share", "float", "0.5", "part, from 0");
    check_one(list, "is_deep", "bool", "true", "");
    check_one(list, "names", "list", "[\"a#b\",\"c\",\"d\"]", "");
    check_one(list, "options", "dict", "{\"x\":[1,-2500.0],\"y\":null}", "");
    check_one(list, "limit", "int", "null", "");
    check_one(list, "either", "float", "2.0", "");
    check_one(list, "text", "str", "\"two\\nlines = 1\"", "");
    check_one(list, "today", "any", "null", "computed");
    check_one(list, "pair", "list", "[1,2]", "");
    check_one(list, "joined", "str", "\"ab\"", "");
    assert_true(su_json_bool(named(list, "game"), "optional", false));
    assert_true(su_json_bool(named(list, "limit"), "optional", false));
    assert_true(su_json_bool(named(list, "either"), "optional", false));
    assert_string_equal(su_json_string(named(list, "today"), "default_text", ""), "datetime.now()");
    assert_int_equal(json_array_size(list), 13);
}

static void literals_are_read_as_python_reads_them(void **state)
{
    static const struct { const char *text, *json;
    } good[] = {
        {"0x1F", "31"},
        {"1_000", "1000"},
        {"-7", "-7"},
        {"+.5", "0.5"},
        {"1e3", "1000.0"},
        {"r'a\\n'", "\"a\\\\n\""},
        {"'\\x41\\u00e9\\101\\\n'", "\"A\xc3\xa9"
                                    "A\""},
        {"'it''s'", "\"its\""},
        {"(1,)", "[1]"},
        {"(1)", "1"},
        {"()", "[]"},
        {"[ ]", "[]"},
        {"{}", "{}"},
        {"[1, 2, ]", "[1,2]"},
        {"{'a': 1, }", "{\"a\":1}"},
        {"\"\"\"a\"b\"\"\"", "\"a\\\"b\""},
        {"''", "\"\""},
    };
    static const char *const bad[] = {"",
                                      "x",
                                      "1 + 1",
                                      "f'a'",
                                      "b'a'",
                                      "{1, 2}",
                                      "{1: 2}",
                                      "[1 2]",
                                      "'a",
                                      "017",
                                      "1j",
                                      "[",
                                      "9223372036854775808",
                                      "True1",
                                      "float('nan')",
                                      "1e999",
                                      "{'a' 1}",
                                      "lambda: 1",
                                      "r",
                                      "'\\ud800'",
                                      "-",
                                      "'''a''"};
    for (size_t i = 0; i < SU_COUNT(good); i++) {
        SU_AUTO_JSON json_t *value = NULL;
        if (!python_parse(su_str_of(good[i].text), &value))
            fail_msg("%s was refused", good[i].text);
        SU_AUTO_FREE char *text = su_json_text(value);
        assert_string_equal(text, good[i].json);
    }
    for (size_t i = 0; i < SU_COUNT(bad); i++) {
        SU_AUTO_JSON json_t *value = NULL;
        if (python_parse(su_str_of(bad[i]), &value))
            fail_msg("%s was taken", bad[i]);
    }
}

static void literals_are_written_as_papermill_writes_them(void **state)
{
    SU_AUTO_JSON json_t *value =
        json_pack("{s:s, s:[i,f,b,n], s:{}}", "text", "a\"b\\\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\x88\x01", "list", -3,
                  0.25, 1, "dict");
    SU_AUTO_BUF struct su_buf out = SU_BUF(1000);
    python_write(&out, value);
    assert_string_equal(
        su_buf_str(&out).ptr,
        "{\"text\": \"a\\\"b\\\\\\n\\xe9\\u20ac\\U0001f3c8\\x01\", \"list\": [-3, 0.25, True, None], \"dict\": {}}");
    SU_AUTO_JSON json_t *back = NULL;
    assert_true(python_parse(su_buf_str(&out), &back));
    assert_true(json_equal(value, back));
}

static bool check_given(const char *source, const char *given, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *notebook = notebook_of(source);
    SU_AUTO_JSON json_t *declared = parameters_discover(notebook);
    SU_AUTO_JSON json_t *values = json_loads(given, 0, NULL);
    assert_non_null(values);
    return parameters_check(declared, values, ret, err);
}

static void values_of_the_wrong_type_are_refused_by_name(void **state)
{
    static const struct { const char *source, *given, *part;
    } rows[] = {
        {"n = 3", "{\"n\":\"3\"}", "\"n\" is of type int"},
        {"n = 3", "{\"n\":2.5}", "was 2.5"},
        {"n = 3", "{\"n\":true}", "type int"},
        {"n = 3", "{\"n\":null}", "type int"},
        {"f = 1.0", "{\"f\":\"x\"}", "type float"},
        {"s = ''", "{\"s\":1}", "type str"},
        {"b = True", "{\"b\":1}", "type bool"},
        {"l = []", "{\"l\":{}}", "type list"},
        {"d = {}", "{\"d\":[]}", "type dict"},
        {"o: int = None", "{\"o\":\"x\"}", "int or null"},
        {"passer = ''\ngame = 1", "{\"paser\":\"x\"}", "it takes: passer, game"},
        {"print()", "{\"x\":1}", "takes no parameters"},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct su_err err = {0};
        SU_AUTO_JSON json_t *values = NULL;
        check_fails(check_given(rows[i].source, rows[i].given, &values, &err), SU_INVALID, rows[i].part);
        assert_memory_equal(err.field, "/parameters/", 12);
    }
}

static void fitting_values_are_converted(void **state)
{
    struct su_err err;
    SU_AUTO_JSON json_t *values = NULL;
    check_ok(check_given("n = 3\nf = 1.5\no: str = None\nx = compute()", "{\"n\":4.0,\"f\":2,\"o\":null,\"x\":[1]}",
                         &values, &err));
    SU_AUTO_FREE char *text = su_json_text(values);
    assert_string_equal(text, "{\"n\":4,\"f\":2.0,\"o\":null,\"x\":[1]}");
}

static const char *source_at(const json_t *notebook, size_t index)
{
    return su_json_string(json_array_get(json_object_get(notebook, "cells"), index), "source", "");
}

static void injection_follows_the_parameters_cell_and_replaces_an_old_one(void **state)
{
    SU_AUTO_JSON json_t *notebook = notebook_of("n = 3");
    SU_AUTO_JSON json_t *values = json_pack("{s:i, s:s}", "n", 4, "s", "x");
    parameters_inject(notebook, values);
    assert_string_equal(source_at(notebook, 1), "# Parameters\nn = 4\ns = \"x\"\n");
    assert_true(notebook_cell_has_tag(json_array_get(json_object_get(notebook, "cells"), 1), "injected-parameters"));
    SU_AUTO_JSON json_t *other = json_pack("{s:i}", "n", 5);
    parameters_inject(notebook, other);
    assert_string_equal(source_at(notebook, 1), "# Parameters\nn = 5\n");
    assert_string_equal(source_at(notebook, 2), "print(1)");
    parameters_inject(notebook, NULL);
    assert_string_equal(source_at(notebook, 1), "print(1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_form_of_line),
        cmocka_unit_test(literals_are_read_as_python_reads_them),
        cmocka_unit_test(literals_are_written_as_papermill_writes_them),
        cmocka_unit_test(values_of_the_wrong_type_are_refused_by_name),
        cmocka_unit_test(fitting_values_are_converted),
        cmocka_unit_test(injection_follows_the_parameters_cell_and_replaces_an_old_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
