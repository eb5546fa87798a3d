/* Reading, checking, upgrading and writing notebooks. */
#include "check.h"

#include "interact/notebook.h"

#define CODE_CELL                                                                                                      \
    "{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":[\"x = "                                          \
    "1\\n\",\"x\"],\"outputs\":[],\"execution_count\":null}"
#define NOTEBOOK(cells) "{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{},\"cells\":[" cells "]}"

static json_t *parse(const char *text)
{
    struct su_err err;
    json_t *notebook = NULL;
    check_ok(notebook_parse(su_str_of(text), &notebook, &err));
    return notebook;
}

static void writes_what_nbformat_writes(void **state)
{
    SU_AUTO_JSON json_t *notebook = parse(NOTEBOOK(CODE_CELL));
    SU_AUTO_FREE char *text = notebook_text(notebook, NULL);
    assert_string_equal(text, "{\n \"cells\": [\n  {\n   \"cell_type\": \"code\",\n   \"execution_count\": null,\n   "
                              "\"id\": \"a\",\n   \"metadata\": {},\n"
                              "   \"outputs\": [],\n   \"source\": [\n    \"x = 1\\n\",\n    \"x\"\n   ]\n  }\n ],\n "
                              "\"metadata\": {},\n \"nbformat\": 4,\n"
                              " \"nbformat_minor\": 5\n}\n");
}

static void a_second_write_changes_nothing(void **state)
{
    SU_AUTO_JSON json_t *once =
        parse(NOTEBOOK("{\"cell_type\":\"markdown\",\"id\":\"m\",\"metadata\":{\"n\":[1.0,1e16,0.1,-2.5e-7,1e22,123456."
                       "75]},\"source\":\"\\u00e9\\u2028\\u0001\\\"\\r\\nb\\rc\"}"));
    SU_AUTO_FREE char *first = notebook_text(once, NULL);
    SU_AUTO_JSON json_t *twice = parse(first);
    SU_AUTO_FREE char *second = notebook_text(twice, NULL);
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "1.0,\n     1e+16,\n     0.1,\n     -2.5e-07,\n     1e+22,\n     123456.75"));
    assert_non_null(strstr(first, "\"\xc3\xa9\xe2\x80\xa8\",\n    \"\\u0001\\\"\\r\\n\",\n    \"b\\r\",\n    \"c\""));
}

static void older_minors_get_ids_and_the_new_minor(void **state)
{
    SU_AUTO_JSON json_t *notebook =
        parse("{\"nbformat\":4,\"nbformat_minor\":2,\"metadata\":{\"orig_nbformat\":3,\"mine\":7},\"cells\":["
              "{\"cell_type\":\"markdown\",\"metadata\":{\"trusted\":true},\"source\":[]},{\"cell_type\":\"raw\","
              "\"metadata\":{},\"source\":\"x\"}]}");
    json_t *cells = json_object_get(notebook, "cells"), *metadata = json_object_get(notebook, "metadata");
    assert_int_equal(su_json_int(notebook, "nbformat_minor", 0), 5);
    assert_int_equal(strlen(su_json_string(json_array_get(cells, 0), "id", "")), 8);
    assert_string_not_equal(su_json_string(json_array_get(cells, 0), "id", ""),
                            su_json_string(json_array_get(cells, 1), "id", ""));
    assert_null(json_object_get(metadata, "orig_nbformat"));
    assert_int_equal(su_json_int(metadata, "mine", 0), 7);
    assert_null(json_object_get(json_object_get(json_array_get(cells, 0), "metadata"), "trusted"));
}

static void the_first_of_two_equal_ids_keeps_it(void **state)
{
    SU_AUTO_JSON json_t *notebook = parse(NOTEBOOK(CODE_CELL "," CODE_CELL));
    json_t *cells = json_object_get(notebook, "cells");
    assert_string_equal(su_json_string(json_array_get(cells, 0), "id", ""), "a");
    assert_string_not_equal(su_json_string(json_array_get(cells, 1), "id", ""), "a");
}

static void version_three_is_converted(void **state)
{
    SU_AUTO_JSON json_t *notebook =
        parse("{\"nbformat\":3,\"nbformat_minor\":0,\"metadata\":{\"name\":\"old\"},\"worksheets\":[{\"cells\":["
              "{\"cell_type\":\"heading\",\"level\":2,\"metadata\":{},\"source\":[\"Title\"]},"
              "{\"cell_type\":\"code\",\"language\":\"python\",\"metadata\":{},\"input\":[\"1+1\"],\"prompt_number\":3,"
              "\"collapsed\":false,\"outputs\":["
              "{\"output_type\":\"pyout\",\"prompt_number\":3,\"text\":[\"2\"],\"metadata\":{}},"
              "{\"output_type\":\"stream\",\"stream\":\"stderr\",\"text\":\"w\"},"
              "{\"output_type\":\"pyerr\",\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[\"t\"]}]}]}]}");
    json_t *cells = json_object_get(notebook, "cells");
    assert_string_equal(su_json_string(json_array_get(cells, 0), "source", ""), "## Title");
    json_t *outputs = json_object_get(json_array_get(cells, 1), "outputs");
    assert_string_equal(su_json_string(json_array_get(outputs, 0), "output_type", ""), "execute_result");
    assert_string_equal(su_json_string(json_object_get(json_array_get(outputs, 0), "data"), "text/plain", ""), "2");
    assert_string_equal(su_json_string(json_array_get(outputs, 1), "name", ""), "stderr");
    assert_string_equal(su_json_string(json_array_get(outputs, 2), "output_type", ""), "error");
}

static void refusals_point_at_the_place(void **state)
{
    static const struct { const char *text, *field, *part;
    } rows[] = {
        {"[]", "/", "JSON object"},
        {"{\"cells\":[]}", "/nbformat", "missing"},
        {"{\"nbformat\":5,\"nbformat_minor\":0,\"metadata\":{},\"cells\":[]}", "/nbformat", "5 is not supported"},
        {"{\"nbformat\":2,\"worksheets\":[]}", "/nbformat", "2 is not supported"},
        {"{\"nbformat\":4,\"nbformat_minor\":5,\"cells\":[]}", "/metadata", "missing"},
        {"{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{},\"cells\":{}}", "/cells", "list of cells"},
        {"{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{},\"cells\":[],\"x\":1}", "/x", "not a key"},
        {NOTEBOOK("3"), "/cells/0", "object"},
        {NOTEBOOK("{\"cell_type\":\"poem\"}"), "/cells/0/cell_type", "code, markdown or raw"},
        {NOTEBOOK("{\"cell_type\":\"code\",\"id\":\"a b\"}"), "/cells/0/id", "1 to 64"},
        {NOTEBOOK(CODE_CELL
                  ",{\"cell_type\":\"markdown\",\"id\":\"b\",\"metadata\":{\"tags\":[\"a,b\"]},\"source\":\"\"}"),
         "/cells/1/metadata/tags", "comma"},
        {NOTEBOOK("{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":7,\"outputs\":[],\"execution_"
                  "count\":null}"),
         "/cells/0/source", "string"},
        {NOTEBOOK("{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":\"\",\"execution_count\":null,"
                  "\"outputs\":[{\"output_type\":\"smell\"}]}"),
         "/cells/0/outputs/0/output_type", "stream"},
        {NOTEBOOK("{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":\"\",\"execution_count\":-1,"
                  "\"outputs\":[]}"),
         "/cells/0/execution_count", "whole number"},
        {NOTEBOOK(
             "{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":\"\",\"execution_count\":1,\"outputs\":["
             "{\"output_type\":\"display_data\",\"metadata\":{},\"data\":{\"text/plain\":1}}]}"),
         "/cells/0/outputs/0/data/text/plain", "string"},
        {"{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{\"kernelspec\":{\"name\":\"x\"}},\"cells\":[]}",
         "/metadata/kernelspec/display_name", "missing"},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct su_err err = {0};
        SU_AUTO_JSON json_t *notebook = NULL;
        check_fails(notebook_parse(su_str_of(rows[i].text), &notebook, &err), SU_INVALID, rows[i].part);
        assert_string_equal(err.field, rows[i].field);
        assert_true(err.hint[0]);
    }
}

static void nesting_past_the_limit_is_refused(void **state)
{
    struct su_err err;
    SU_AUTO_BUF struct su_buf text = SU_BUF(100000);
    su_buf_adds(&text, "{\"nbformat\":4,\"metadata\":");
    for (int i = 0; i < 10000; i++)
        su_buf_adds(&text, "[");
    SU_AUTO_JSON json_t *notebook = NULL;
    check_fails(notebook_parse(su_buf_str(&text), &notebook, &err), SU_LIMIT, "nested deeper");
}

static void json_types_stay_json_and_text_types_are_split(void **state)
{
    SU_AUTO_JSON json_t *notebook =
        parse(NOTEBOOK("{\"cell_type\":\"code\",\"id\":\"a\",\"metadata\":{},\"source\":\"\",\"execution_count\":1,"
                       "\"outputs\":[{\"output_type\":\"display_data\",\"metadata\":{},"
                       "\"data\":{\"application/json\":[\"a\",\"b\"],\"application/vnd.x+json\":{\"k\":null},\"image/"
                       "png\":\"QUJD\\nQUJD\\n\",\"image/svg+xml\":[\"<svg>\\n\",\"</svg>\"],"
                       "\"text/html\":\"<b>\\n</b>\"}}]}"));
    SU_AUTO_FREE char *text = notebook_text(notebook, NULL);
    assert_non_null(strstr(text, "\"application/json\": [\n       \"a\",\n       \"b\"\n      ]"));
    assert_non_null(strstr(text, "\"image/png\": \"QUJD\\nQUJD\\n\""));
    assert_non_null(strstr(text, "\"image/svg+xml\": [\n       \"<svg>\\n\",\n       \"</svg>\"\n      ]"));
    assert_non_null(strstr(text, "\"text/html\": [\n       \"<b>\\n\",\n       \"</b>\"\n      ]"));
}

static void another_kernel_is_refused_by_name(void **state)
{
    struct su_err err;
    SU_AUTO_JSON json_t *r = parse("{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{\"kernelspec\":{\"name\":\"ir\","
                                   "\"display_name\":\"R\",\"language\":\"R\"}},\"cells\":[]}");
    check_fails(notebook_check_kernel(r, &err), SU_INVALID, "kernel \"ir\"");
    SU_AUTO_JSON json_t *none = parse(NOTEBOOK(""));
    check_ok(notebook_check_kernel(none, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_nbformat_writes),
        cmocka_unit_test(a_second_write_changes_nothing),
        cmocka_unit_test(older_minors_get_ids_and_the_new_minor),
        cmocka_unit_test(the_first_of_two_equal_ids_keeps_it),
        cmocka_unit_test(version_three_is_converted),
        cmocka_unit_test(refusals_point_at_the_place),
        cmocka_unit_test(nesting_past_the_limit_is_refused),
        cmocka_unit_test(json_types_stay_json_and_text_types_are_split),
        cmocka_unit_test(another_kernel_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
