/* A notebook's parameters: find, check, inject.  Layer interact; pure, any thread. */
#include "parameters.h"

#include <string.h>

#include "notebook.h"
#include "python.h"

/* ---- finding ---- */

/* One logical line `target[: annotation] = value  # comment`. */
struct statement { struct su_str target, annotation, value, comment; };

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static size_t skip_blanks(struct su_str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at]))
        at++;
    return at;
}

/* From `at`, the offset where scanning stops: at a byte of `stops` outside brackets and strings, at the logical
 * line's end, or at a comment outside brackets. */
static size_t scan(struct su_str text, size_t at, const char *stops)
{
    int depth = 0;
    while (at < text.len) {
        char c = text.ptr[at];
        if (c == '"' || c == '\'') {
            bool is_closed;
            at += python_string_length((struct su_str){text.ptr + at, text.len - at}, &is_closed);
            continue;
        }
        if (depth == 0 && (c == '\n' || c == '#' || (c && strchr(stops, c))))
            return at;
        if (c == '#') {
            while (at < text.len && text.ptr[at] != '\n')
                at++;
            continue;
        }
        if (c == '\\' && at + 1 < text.len)
            at++;
        else if (c == '(' || c == '[' || c == '{')
            depth++;
        else if ((c == ')' || c == ']' || c == '}') && depth > 0)
            depth--;
        at++;
    }
    return at < text.len ? at : text.len;
}

static struct su_str slice(struct su_str text, size_t from, size_t to)
{
    return su_str_trim((struct su_str){text.ptr + from, to - from});
}

/* Reads the logical line at *at and moves behind it; true when it is an assignment to one name. */
static bool read_statement(struct su_str text, size_t *at, struct statement *ret)
{
    size_t start = *at, name_end = start;
    while (name_end < text.len && python_is_name_byte(text.ptr[name_end]))
        name_end++;
    bool is_name = name_end > start && !(text.ptr[start] >= '0' && text.ptr[start] <= '9');
    size_t mark = skip_blanks(text, name_end);
    struct statement s = {.target = slice(text, start, name_end)};
    if (is_name && mark < text.len && text.ptr[mark] == ':') {
        size_t equal = scan(text, mark + 1, "=");
        s.annotation = slice(text, mark + 1, equal);
        mark = equal;
    }
    bool is_assignment =
        is_name && mark < text.len && text.ptr[mark] == '=' && (mark + 1 >= text.len || text.ptr[mark + 1] != '=');
    size_t value_start = is_assignment ? mark + 1 : start;
    size_t end = scan(text, value_start, "");
    s.value = slice(text, value_start, end);
    size_t line_end = end;
    while (line_end < text.len && text.ptr[line_end] != '\n')
        line_end++;
    if (end < line_end)
        s.comment = slice(text, end + 1, line_end);
    *at = line_end + 1;
    *ret = s;
    return is_assignment && s.value.len > 0;
}

/* "Optional[str]", "'float'", "int | None" → the type's name, and whether null is taken. */
static const char *type_of_annotation(struct su_str text, bool *ret_optional)
{
    text = su_str_trim(text);
    if (text.len >= 2 && (text.ptr[0] == '"' || text.ptr[0] == '\'') && text.ptr[text.len - 1] == text.ptr[0])
        text = su_str_trim((struct su_str){text.ptr + 1, text.len - 2});
    struct su_str left, right;
    if (su_str_cut(text, '|', &left, &right) && !memchr(left.ptr, '[', left.len)) {
        left = su_str_trim(left);
        right = su_str_trim(right);
        bool left_none = su_str_equal(left, SU_STR("None")), right_none = su_str_equal(right, SU_STR("None"));
        *ret_optional |= left_none || right_none;
        if (left_none || right_none)
            return type_of_annotation(left_none ? right : left, ret_optional);
        return "any";
    }
    if (su_str_starts(text, SU_STR("typing.")))
        text = (struct su_str){text.ptr + 7, text.len - 7};
    if (su_str_starts(text, SU_STR("Optional[")) && su_str_ends(text, SU_STR("]"))) {
        *ret_optional = true;
        return type_of_annotation((struct su_str){text.ptr + 9, text.len - 10}, ret_optional);
    }
    static const struct { const char *name, *type;
    } known[] = {
        {"str", "str"},       {"int", "int"},   {"float", "float"}, {"bool", "bool"},
        {"list", "list"},     {"List", "list"}, {"tuple", "list"},  {"Tuple", "list"},
        {"Sequence", "list"}, {"dict", "dict"}, {"Dict", "dict"},   {"Mapping", "dict"},
    };
    su_str_cut(text, '[', &left, &right);
    for (size_t i = 0; i < SU_COUNT(known); i++) {
        if (su_str_equal(left, su_str_of(known[i].name)))
            return known[i].type;
    }
    return "any";
}

static const char *type_of_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "dict";
    case JSON_ARRAY: return "list";
    case JSON_STRING: return "str";
    case JSON_INTEGER: return "int";
    case JSON_REAL: return "float";
    case JSON_TRUE:
    case JSON_FALSE: return "bool";
    case JSON_NULL: break;
    }
    return "any";
}

/* Splits "type: T help" off the comment. */
static struct su_str comment_help(struct su_str comment, struct su_str *ret_type)
{
    if (!su_str_starts(comment, SU_STR("type:")))
        return comment;
    struct su_str rest = su_str_trim((struct su_str){comment.ptr + 5, comment.len - 5});
    size_t n = 0;
    while (n < rest.len && !is_blank(rest.ptr[n]))
        n++;
    *ret_type = (struct su_str){rest.ptr, n};
    return su_str_trim((struct su_str){rest.ptr + n, rest.len - n});
}

static json_t *describe(const struct statement *s)
{
    json_t *value = NULL;
    bool is_literal = python_parse(s->value, &value);
    struct su_str type_comment = {"", 0};
    struct su_str help = comment_help(s->comment, &type_comment);
    bool is_optional = is_literal && json_is_null(value);
    const char *type = is_literal ? type_of_value(value) : "any";
    if (s->annotation.len || type_comment.len)
        type = type_of_annotation(s->annotation.len ? s->annotation : type_comment, &is_optional);
    json_t *parameter =
        json_pack("{s:s%, s:s, s:b, s:o, s:s%}", "name", s->target.ptr, s->target.len, "type", type, "optional",
                  is_optional, "default", is_literal ? value : json_null(), "help", help.len ? help.ptr : "", help.len);
    if (parameter && !is_literal)
        json_object_set_new(parameter, "default_text", json_stringn(s->value.ptr, s->value.len));
    return parameter;
}

static void add_parameter(json_t *list, json_t *parameter)
{
    const char *name = su_json_string(parameter, "name", "");
    size_t i;
    json_t *each;
    json_array_foreach(list, i, each) {
        if (strcmp(su_json_string(each, "name", ""), name) == 0) {
            json_array_set_new(list, i, parameter);
            return;
        }
    }
    if (json_array_size(list) < PARAMETERS_MAX)
        json_array_append_new(list, parameter);
    else
        json_decref(parameter);
}

json_t *parameters_discover(const json_t *notebook)
{
    json_t *list = json_array();
    int index = notebook_find_tag(notebook, "parameters");
    const json_t *cell = index < 0 ? NULL : json_array_get(json_object_get(notebook, "cells"), (size_t)index);
    if (cell == NULL || !notebook_cell_is_code(cell))
        return list;
    const json_t *source = json_object_get(cell, "source");
    struct su_str text = {json_string_value(source), json_string_length(source)};
    for (size_t at = 0; at < text.len;) {
        struct statement statement;
        json_t *parameter;
        if (read_statement(text, &at, &statement) && (parameter = describe(&statement)))
            add_parameter(list, parameter);
    }
    return list;
}

/* ---- checking ---- */

static const json_t *find_parameter(const json_t *declared, const char *name)
{
    size_t i;
    json_t *each;
    json_array_foreach(declared, i, each) {
        if (strcmp(su_json_string(each, "name", ""), name) == 0)
            return each;
    }
    return NULL;
}

static bool unknown_parameter(const json_t *declared, const char *name, struct su_err *err)
{
    char field[96];
    snprintf(field, sizeof field, "/parameters/%.80s", name);
    if (json_array_size(declared) == 0) {
        su_fail_field(err, SU_INVALID, field, "the notebook takes no parameters, but \"%.100s\" was given", name);
        return su_hint(err, "tag the cell that holds the defaults `parameters`");
    }
    SU_AUTO_BUF struct su_buf names = SU_BUF(8192);
    size_t i;
    json_t *each;
    json_array_foreach(declared, i, each)
        su_buf_addf(&names, "%s%s", i ? ", " : "", su_json_string(each, "name", ""));
    su_fail_field(err, SU_INVALID, field, "the notebook has no parameter \"%.100s\"; it takes: %.300s", name,
                  su_buf_str(&names).ptr);
    return su_hint(err, "use one of the names above, or add it to the cell tagged `parameters`");
}

static bool fits_type(const char *type, const json_t *value)
{
    double whole;
    if (strcmp(type, "int") == 0)
        return json_is_integer(value) || (json_is_real(value) && __builtin_modf(json_real_value(value), &whole) == 0 &&
                                          __builtin_fabs(whole) < 9e15);
    if (strcmp(type, "float") == 0)
        return json_is_number(value);
    return strcmp(type, "any") == 0 || (strcmp(type_of_value(value), type) == 0 && !json_is_null(value));
}

/* The value in the declared type: 3.0 for an int is 3, 3 for a float is 3.0. */
static json_t *converted(const char *type, json_t *value)
{
    if (strcmp(type, "int") == 0 && json_is_real(value))
        return json_integer((json_int_t)json_real_value(value));
    if (strcmp(type, "float") == 0 && json_is_integer(value))
        return json_real((double)json_integer_value(value));
    return json_incref(value);
}

static bool wrong_type(const json_t *parameter, const json_t *value, struct su_err *err)
{
    char field[96], example[64];
    const char *name = su_json_string(parameter, "name", ""), *type = su_json_string(parameter, "type", "any");
    SU_AUTO_FREE char *text = su_json_text(value);
    SU_AUTO_FREE char *by_default = su_json_text(json_object_get(parameter, "default"));
    snprintf(field, sizeof field, "/parameters/%.80s", name);
    snprintf(example, sizeof example, "%.60s", by_default);
    su_fail_field(err, SU_INVALID, field, "parameter \"%.100s\" is of type %s%s, was %.100s", name, type,
        su_json_bool(parameter, "optional", false) ? " or null" : "", text);
    return su_hint(err, "give a value like its default, %s", example);
}

bool parameters_check(const json_t *declared, const json_t *given, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *values = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)given, name, value) {
        const json_t *parameter = find_parameter(declared, name);
        if (parameter == NULL)
            return unknown_parameter(declared, name, err);
        const char *type = su_json_string(parameter, "type", "any");
        bool is_null_fine = json_is_null(value) && su_json_bool(parameter, "optional", false);
        if (!is_null_fine && !fits_type(type, value))
            return wrong_type(parameter, value, err);
        json_object_set_new(values, name, is_null_fine ? json_null() : converted(type, value));
    }
    *ret = su_take(values);
    return true;
}

/* ---- injecting ---- */

static json_t *injected_cell(const json_t *values)
{
    SU_AUTO_BUF struct su_buf source = SU_BUF(NOTEBOOK_BYTES_MAX);
    su_buf_adds(&source, "# Parameters\n");
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, name, value) {
        su_buf_addf(&source, "%s = ", name);
        python_write(&source, value);
        su_buf_addc(&source, '\n');
    }
    return notebook_code_cell(su_buf_str(&source), "injected-parameters");
}

void parameters_inject(json_t *notebook, const json_t *values)
{
    json_t *cells = json_object_get(notebook, "cells");
    int injected = notebook_find_tag(notebook, "injected-parameters");
    bool has_values = values && json_object_size(values) > 0;
    if (injected >= 0 && has_values) {
        json_array_set_new(cells, (size_t)injected, injected_cell(values));
    } else if (injected >= 0) {
        json_array_remove(cells, (size_t)injected);
    } else if (has_values) {
        int parameters = notebook_find_tag(notebook, "parameters");
        json_array_insert_new(cells, parameters < 0 ? 0 : (size_t)parameters + 1, injected_cell(values));
    }
}
