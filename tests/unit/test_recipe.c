/* A recipe's declaration: what is complete, and which tables fit. */
#include "check.h"

#include "interact/notebook.h"
#include "interact/recipe.h"

#define GOOD                                                                                                           \
    "{\"name\":\"my-recipe\",\"title\":\"T\",\"version\":\"1\",\"author\":\"A\",\"licence\":\"L\",\"input\":{\"any_"   \
    "of\":[{\"columns\":[{\"name\":\"x\",\"type\":\"numeric\"}]}]}}"

static json_t *notebook_of(const char *declaration, const char *parameters)
{
    json_t *notebook =
        json_pack("{s:i, s:i, s:{s:{}}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "suricate", "cells");
    json_object_set_new(json_object_get(json_object_get(notebook, "metadata"), "suricate"), "recipe",
                        json_loads(declaration, JSON_DECODE_ANY, NULL));
    json_array_append_new(json_object_get(notebook, "cells"), notebook_code_cell(su_str_of(parameters), "parameters"));
    return notebook;
}

static void a_complete_declaration_is_taken(void **state)
{
    struct su_err err;
    const json_t *declaration;
    SU_AUTO_JSON json_t *notebook = notebook_of(GOOD, "object = ''\nk = 3  # how many");
    check_ok(recipe_check(notebook, &declaration, &err));
    SU_AUTO_JSON json_t *parameters = json_loads("[{\"name\":\"object\"},{\"name\":\"k\"}]", 0, NULL);
    SU_AUTO_JSON json_t *info = recipe_info(declaration, parameters);
    assert_string_equal(su_json_string(info, "name", ""), "my-recipe");
    assert_int_equal(json_array_size(json_object_get(info, "parameters")), 1);
}

static void what_is_missing_is_named(void **state)
{
    static const struct { const char *declaration, *parameters, *part;
    } rows[] = {
        {"null", "object = ''", "declares no input"},
        {"{\"name\":\"x\"}", "object = ''", "/title: missing"},
        {"{\"name\":\"A "
         "b\",\"title\":\"T\",\"version\":\"1\",\"author\":\"A\",\"licence\":\"L\",\"input\":{\"any_of\":[{\"at_"
         "least\":{\"text\":1}}]}}",
         "object = ''", "/name: must be"},
        {"{\"name\":\"a\",\"title\":\"T\",\"version\":\"1\",\"author\":\"A\",\"licence\":\"L\",\"input\":{}}",
         "object = ''", "/input/any_of"},
        {"{\"name\":\"a\",\"title\":\"T\",\"version\":\"1\",\"author\":\"A\",\"licence\":\"L\",\"input\":{\"any_of\":[{"
         "}]}}",
         "object = ''", "\"columns\" or \"at_least\""},
        {"{\"name\":\"a\",\"title\":\"T\",\"version\":\"1\",\"author\":\"A\",\"licence\":\"L\",\"input\":{\"any_of\":[{"
         "\"columns\":[{\"name\":\"x\",\"type\":\"colour\"}]}]}}",
         "object = ''", "type must be"},
        {"{\"name\":\"a\",\"title\":\"T\",\"version\":\"1\",\"author\":\"A\",\"licence\":\"L\",\"input\":{\"any_of\":[{"
         "\"at_least\":{\"text\":-1}}]}}",
         "object = ''", "whole numbers"},
        {GOOD, "table = ''", "no parameter `object`"},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct su_err err = {0};
        const json_t *declaration;
        SU_AUTO_JSON json_t *notebook = notebook_of(rows[i].declaration, rows[i].parameters);
        check_fails(recipe_check(notebook, &declaration, &err), SU_INVALID, rows[i].part);
        assert_true(err.field[0] && err.hint[0]);
    }
}

static void a_table_fits_by_names_and_types_or_by_counts(void **state)
{
    static const struct { const char *input, *columns; bool fits; const char *reason;
    } rows[] = {
        {"[{\"columns\":[{\"name\":\"x\",\"type\":\"number\"}]}]", "[{\"name\":\"x\",\"type\":\"integer\"}]", true, ""},
        {"[{\"columns\":[{\"name\":\"x\",\"type\":\"integer\"}]}]", "[{\"name\":\"x\",\"type\":\"number\"}]", false,
         "column \"x\" is not integer"},
        {"[{\"columns\":[{\"name\":\"x\",\"type\":\"text\"}]}]", "[{\"name\":\"y\",\"type\":\"text\"}]", false,
         "no column \"x\" (text)"},
        {"[{\"columns\":[{\"name\":\"x\"}]}]", "[{\"name\":\"x\",\"type\":\"empty\"}]", true, ""},
        {"[{\"at_least\":{\"text\":1,\"numeric\":2}}]",
         "[{\"name\":\"a\",\"type\":\"text\"},{\"name\":\"b\",\"type\":\"integer\"},{\"name\":\"c\",\"type\":"
         "\"number\"}]",
         true, ""},
        {"[{\"at_least\":{\"text\":1,\"numeric\":2}}]",
         "[{\"name\":\"a\",\"type\":\"text\"},{\"name\":\"b\",\"type\":\"integer\"}]", false,
         "fewer than 2 columns of type numeric"},
        {"[{\"at_least\":{\"category\":1}}]", "[{\"name\":\"a\",\"type\":\"integer\",\"distinct\":4}]", true, ""},
        {"[{\"at_least\":{\"category\":1}}]", "[{\"name\":\"a\",\"type\":\"integer\",\"distinct\":4000}]", false,
         "category"},
        {"[{\"columns\":[{\"name\":\"p\"},{\"name\":\"q\"}]},{\"columns\":[{\"name\":\"r\"}]}]",
         "[{\"name\":\"z\",\"type\":\"text\"}]", false, "no column \"r\""},
        {"[{\"columns\":[{\"name\":\"x\"}]}]", "[]", false, "not a table"},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        char reason[256] = "";
        SU_AUTO_JSON json_t *input = json_pack("{s:o}", "any_of", json_loads(rows[i].input, 0, NULL));
        SU_AUTO_JSON json_t *preview = json_pack("{s:o}", "columns", json_loads(rows[i].columns, 0, NULL));
        if (recipe_fits(input, preview, reason, sizeof reason) != rows[i].fits)
            fail_msg("row %zu: %s", i, reason);
        assert_non_null(strstr(reason, rows[i].reason));
    }
}

static void a_long_reason_is_cut_between_characters(void **state)
{
    SU_AUTO_JSON json_t *columns = json_array();
    for (int i = 0; i < 60; i++)
        json_array_append_new(columns, json_pack("{s:s}", "name", "\xc3\xa9\xc3\xa9\xc3\xa9"));
    SU_AUTO_JSON json_t *input = json_pack("{s:[{s:O}]}", "any_of", "columns", columns);
    SU_AUTO_JSON json_t *preview = json_loads("{\"columns\":[{\"name\":\"a\",\"type\":\"text\"}]}", 0, NULL);
    char reason[101];
    assert_false(recipe_fits(input, preview, reason, sizeof reason));
    assert_true(su_utf8_valid(su_str_of(reason)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_complete_declaration_is_taken),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_table_fits_by_names_and_types_or_by_counts),
        cmocka_unit_test(a_long_reason_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
