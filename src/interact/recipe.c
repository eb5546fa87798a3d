/* A recipe's declaration: check it, describe it, hold it against a table.  Layer interact; pure, any thread. */
#include "recipe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "notebook.h"
#include "parameters.h"

enum { CATEGORY_DISTINCT_MAX = 50 };     /* a column with no more values than that can serve as a category */

/* The types of columns a declaration may ask for, and what of a preview they take: one row each. */
static bool is_integer(const char *type, const json_t *column) { (void)column; return strcmp(type, "integer") == 0; }
static bool is_number(const char *type, const json_t *column)
{
    (void)column;
    return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
}
static bool is_boolean(const char *type, const json_t *column) { (void)column; return strcmp(type, "boolean") == 0; }
static bool is_datetime(const char *type, const json_t *column) { (void)column; return strcmp(type, "datetime") == 0; }
static bool is_text(const char *type, const json_t *column) { (void)column; return strcmp(type, "text") == 0; }
static bool is_anything(const char *type, const json_t *column) { (void)type; (void)column; return true; }
static bool is_category(const char *type, const json_t *column)
{
    int64_t distinct = su_json_int(column, "distinct", INT64_MAX);
    return is_text(type, column) || is_boolean(type, column) ||
           (strcmp(type, "empty") != 0 && distinct <= CATEGORY_DISTINCT_MAX);
}

static const struct column_type {
    const char *name;
    bool (*takes)(const char *type, const json_t *column);
} column_types[] = {
    {"integer", is_integer},   {"number", is_number}, {"numeric", is_number},    {"boolean", is_boolean},
    {"datetime", is_datetime}, {"text", is_text},     {"category", is_category}, {"any", is_anything},
};

static const struct column_type *find_type(const char *name)
{
    for (size_t i = 0; i < SU_COUNT(column_types); i++) {
        if (strcmp(column_types[i].name, name) == 0)
            return &column_types[i];
    }
    return NULL;
}

/* ---- the check ---- */

#define PLACE "/metadata/suricate/recipe"

static bool wrong(struct su_err *err, const char *where, const char *what)
{
    char field[96];
    snprintf(field, sizeof field, "%s%s", PLACE, where);
    su_fail_field(err, SU_INVALID, field, "not a recipe: metadata.suricate.recipe%s: %s", where, what);
    return su_hint(err, "docs/recipes.md shows a complete declaration");
}

bool recipe_name_check(const char *name, struct su_err *err)
{
    size_t len = strlen(name);
    bool is_fine = len > 0 && len <= RECIPE_NAME_MAX && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len &&
                   name[0] != '-';
    return is_fine || wrong(err, "/name", "must be 1 to 100 of a-z, 0-9 and -");
}

static bool check_texts(const json_t *declaration, struct su_err *err)
{
    static const char *const keys[] = {"name", "title", "version", "author", "licence"};
    for (size_t i = 0; i < SU_COUNT(keys); i++) {
        char where[32];
        snprintf(where, sizeof where, "/%s", keys[i]);
        const char *text = su_json_string(declaration, keys[i], NULL);
        if (text == NULL || text[0] == 0)
            return wrong(err, where, "missing (a text)");
        if (strlen(text) > 500)
            return wrong(err, where, "longer than 500 bytes");
    }
    const json_t *summary = json_object_get(declaration, "summary");
    return summary == NULL || json_is_string(summary) || wrong(err, "/summary", "must be a text");
}

static bool check_columns(const json_t *columns, struct su_err *err)
{
    if (!json_is_array(columns) || json_array_size(columns) == 0 || json_array_size(columns) > RECIPE_COLUMNS_MAX)
        return wrong(err, "/input/any_of/columns", "must be a list of 1 to 256 columns");
    size_t i;
    json_t *column;
    json_array_foreach(columns, i, column) {
        if (su_json_string(column, "name", "")[0] == 0)
            return wrong(err, "/input/any_of/columns", "each column needs a name");
        if (find_type(su_json_string(column, "type", "any")) == NULL)
            return wrong(err, "/input/any_of/columns",
                         "type must be integer, number, numeric, boolean, datetime, text, category or any");
    }
    return true;
}

static bool check_counts(const json_t *counts, struct su_err *err)
{
    const char *type;
    json_t *count;
    if (!json_is_object(counts) || json_object_size(counts) == 0)
        return wrong(err, "/input/any_of/at_least", "must be an object of types and counts");
    json_object_foreach((json_t *)(uintptr_t)counts, type, count) {
        if (find_type(type) == NULL)
            return wrong(err, "/input/any_of/at_least",
                         "types are integer, number, numeric, boolean, datetime, text, category and any");
        if (!json_is_integer(count) || json_integer_value(count) < 0 || json_integer_value(count) > RECIPE_COLUMNS_MAX)
            return wrong(err, "/input/any_of/at_least", "counts are whole numbers from 0 to 256");
    }
    return true;
}

static bool check_input(const json_t *declaration, struct su_err *err)
{
    const json_t *ways = json_object_get(json_object_get(declaration, "input"), "any_of");
    if (!json_is_array(ways) || json_array_size(ways) == 0 || json_array_size(ways) > RECIPE_WAYS_MAX)
        return wrong(err, "/input/any_of", "must be a list of 1 to 32 ways a table may look");
    size_t i;
    json_t *way;
    json_array_foreach(ways, i, way) {
        const json_t *columns = json_object_get(way, "columns"), *counts = json_object_get(way, "at_least");
        if (columns == NULL && counts == NULL)
            return wrong(err, "/input/any_of", "each way has \"columns\" or \"at_least\"");
        if ((columns && !check_columns(columns, err)) || (counts && !check_counts(counts, err)))
            return false;
    }
    return true;
}

static const json_t *find_named(const json_t *list, const char *name)
{
    size_t i;
    json_t *each;
    json_array_foreach(list, i, each) {
        if (strcmp(su_json_string(each, "name", ""), name) == 0)
            return each;
    }
    return NULL;
}

bool recipe_check(const json_t *notebook, const json_t **ret, struct su_err *err)
{
    const json_t *declaration =
        json_object_get(json_object_get(json_object_get(notebook, "metadata"), "suricate"), "recipe");
    if (!json_is_object(declaration))
        return wrong(err, "", "missing: the notebook declares no input");
    if (!check_texts(declaration, err) || !recipe_name_check(su_json_string(declaration, "name", ""), err) ||
        !check_input(declaration, err) || !notebook_check_kernel(notebook, err))
        return false;
    SU_AUTO_JSON json_t *parameters = parameters_discover(notebook);
    if (find_named(parameters, "object") == NULL) {
        su_fail_field(err, SU_INVALID, "/cells",
                      "not a recipe: the cell tagged `parameters` has no parameter `object`");
        return su_hint(err, "begin it with a line like  object: str = \"table.csv\"  # the table");
    }
    *ret = declaration;
    return true;
}

json_t *recipe_info(const json_t *declaration, const json_t *parameters)
{
    static const char *const keys[] = {"name", "title", "summary", "version", "author", "licence", "input"};
    json_t *info = json_object();
    for (size_t i = 0; i < SU_COUNT(keys); i++) {
        json_t *value = json_object_get(declaration, keys[i]);
        json_object_set_new(info, keys[i], value ? json_deep_copy(value) : json_string(""));
    }
    json_t *shown = json_array();
    size_t i;
    json_t *parameter;
    json_array_foreach(parameters, i, parameter) {
        if (strcmp(su_json_string(parameter, "name", ""), "object") != 0)
            json_array_append(shown, parameter);
    }
    json_object_set_new(info, "parameters", shown);
    return info;
}

/* ---- the fit ---- */

/* How far a way is from fitting, and why: the nearest one's reason is told. */
struct miss { int count; char text[256]; };

__attribute__((format(printf, 2, 3))) static void add_miss(struct miss *miss, const char *format, ...)
{
    size_t at = strlen(miss->text);
    const char *comma = miss->count++ ? ", " : "";
    if (at + 3 > sizeof miss->text)
        return;
    memcpy(miss->text + at, comma, strlen(comma) + 1);
    at += strlen(comma);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(miss->text + at, sizeof miss->text - at, format, arguments);
    va_end(arguments);
}

static void miss_columns(const json_t *wanted, const json_t *columns, struct miss *miss)
{
    size_t i;
    json_t *want;
    json_array_foreach(wanted, i, want) {
        const char *name = su_json_string(want, "name", ""), *type = su_json_string(want, "type", "any");
        const json_t *column = find_named(columns, name);
        const struct column_type *rule = find_type(type);
        if (column == NULL)
            add_miss(miss, "no column \"%.60s\" (%s)", name, type);
        else if (rule && !rule->takes(su_json_string(column, "type", ""), column))
            add_miss(miss, "column \"%.60s\" is not %s", name, type);
    }
}

static void miss_counts(const json_t *wanted, const json_t *columns, struct miss *miss)
{
    const char *type;
    json_t *count, *column;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)wanted, type, count) {
        const struct column_type *rule = find_type(type);
        json_int_t found = 0;
        json_array_foreach(columns, i, column)
            found += rule && rule->takes(su_json_string(column, "type", ""), column);
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(count));
        if (found < json_integer_value(count))
            add_miss(miss, "fewer than %s columns of type %s", number, type);
    }
}

bool recipe_fits(const json_t *input, const json_t *preview, char *reason, size_t size)
{
    const json_t *columns = json_object_get(preview, "columns");
    struct miss nearest = {.count = INT32_MAX};
    size_t i;
    json_t *way;
    if (json_array_size(columns) == 0) {
        snprintf(reason, size, "it is not a table");
        return false;
    }
    json_array_foreach(json_object_get(input, "any_of"), i, way) {
        struct miss miss = {0};
        miss_columns(json_object_get(way, "columns"), columns, &miss);
        miss_counts(json_object_get(way, "at_least"), columns, &miss);
        if (miss.count == 0)
            return true;
        if (miss.count < nearest.count)
            nearest = miss;
    }
    snprintf(reason, size, "%s", nearest.text);
    size_t len = strlen(reason);
    while (len > 0 && !su_utf8_valid((struct su_str){reason, len}))
        reason[--len] = 0;
    return false;
}
