/* Filters: see filter.h.  Layer act; pure. */
#include "filter.h"
#include <stdlib.h>
#include <string.h>

enum operator { OP_IS, OP_ABOVE, OP_AT_LEAST, OP_BELOW, OP_AT_MOST, OP_IN, OP_NOT, OP_PREFIX, OP_EXISTS, OP_COUNT };
static const char *const operator_names[OP_COUNT] = {"is", "above", "at_least", "below", "at_most", "in", "not", "prefix", "exists"};

struct condition { const char *path; enum operator operator; const json_t *value; };
struct filter { json_t *where; struct condition conditions[FILTER_CONDITIONS_MAX]; size_t count; };

/* A field's columns: as a number or text, as true or false, as JSON; any may be absent. */
struct columns { const struct block_column *scalar, *truth, *json; };
struct filter_rows { const struct filter *filter; struct columns columns[FILTER_CONDITIONS_MAX]; };

/* --- reading -------------------------------------------------------------------------- */

static bool fail(const char *field, const char *path, const char *why, struct su_err *err)
{
    snprintf(err->field, sizeof err->field, "%s/%.48s", field, path);
    char where[sizeof err->field];
    memcpy(where, err->field, sizeof where);
    return su_fail_field(err, SU_INVALID, where, "%s: %s", where + (*where == '/'), why);
}

static bool is_scalar(const json_t *value) { return !json_is_object(value) && !json_is_array(value); }

static bool is_scalars(const json_t *value)
{
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)(uintptr_t)value, i, item)
        if (!is_scalar(item))
            return false;
    return json_array_size(value) <= FILTER_VALUES_MAX;
}

static bool fits(enum operator operator, const json_t *value)
{
    switch (operator) {
    case OP_IS: return is_scalar(value);
    case OP_ABOVE: case OP_AT_LEAST: case OP_BELOW: case OP_AT_MOST: return json_is_number(value);
    case OP_IN: return json_is_array(value) && is_scalars(value);
    case OP_NOT: return is_scalar(value) || is_scalars(value);
    case OP_PREFIX: return json_is_string(value);
    case OP_EXISTS: return json_is_boolean(value);
    case OP_COUNT: break;
    }
    return false;
}

static bool operator_of(const char *name, enum operator *ret)
{
    for (*ret = OP_ABOVE; *ret < OP_COUNT; (*ret)++)
        if (strcmp(operator_names[*ret], name) == 0)
            return true;
    return false;
}

static bool add(struct filter *filter, const char *field, const char *path, enum operator operator, const json_t *value, struct su_err *err)
{
    static const char *const wants[OP_COUNT] = {
        "is a text, a number, true, false or null; or an object with conditions", "above takes a number", "at_least takes a number",
        "below takes a number", "at_most takes a number", "in takes a list of at most 1000 values", "not takes a value or a list of values",
        "prefix takes a text", "exists takes true or false"};
    if (filter->count == FILTER_CONDITIONS_MAX)
        return fail(field, path, "there are more than 32 conditions", err);
    if (*path == '\0' || strlen(path) > FILTER_FIELD_MAX)
        return fail(field, path, "a field's path has 1..256 bytes", err);
    if (!fits(operator, value))
        return fail(field, path, wants[operator], err);
    filter->conditions[filter->count++] = (struct condition){path, operator, value};
    return true;
}

static bool add_field(struct filter *filter, const char *field, const char *path, const json_t *wanted, struct su_err *err)
{
    const char *name;
    json_t *value;
    enum operator operator;
    if (!json_is_object(wanted))
        return add(filter, field, path, OP_IS, wanted, err);
    json_object_foreach ((json_t *)(uintptr_t)wanted, name, value)
        if (!operator_of(name, &operator))
            return fail(field, path, "the conditions are above, at_least, below, at_most, in, not, prefix and exists", err);
        else if (!add(filter, field, path, operator, value, err))
            return false;
    return true;
}

bool filter_new(const json_t *where, const char *field, struct filter **ret, struct su_err *err)
{
    struct filter *filter = su_alloc(sizeof *filter);
    const char *path;
    json_t *wanted;
    bool is_fine = where == NULL || json_is_object(where) || su_fail_field(err, SU_INVALID, field, "%s: is an object", field + (*field == '/'));
    filter->where = where && is_fine ? json_deep_copy(where) : json_object();
    json_object_foreach (filter->where, path, wanted)
        is_fine = is_fine && add_field(filter, field, path, wanted, err);
    if (!is_fine) {
        filter_free(filter);
        return false;
    }
    *ret = filter;
    return true;
}

void filter_free(struct filter *filter)
{
    if (filter == NULL)
        return;
    json_decref(filter->where);
    free(filter);
}

/* --- rows ------------------------------------------------------------------------------- */

struct filter_rows *filter_rows_new(const struct filter *filter, const struct block *block)
{
    struct filter_rows *rows = su_alloc(sizeof *rows);
    rows->filter = filter;
    for (size_t i = 0; i < filter->count; i++) {
        struct su_str path = su_str_of(filter->conditions[i].path);
        struct columns *columns = &rows->columns[i];
        if (su_str_equal(path, SU_STR("_key"))) {
            columns->scalar = block_role_column(block, BLOCK_KEY);
            continue;
        }
        columns->scalar = block_field_column(block, path, 0);
        columns->truth = block_field_column(block, path, BLOCK_BOOL);
        columns->json = block_field_column(block, path, BLOCK_JSON);
    }
    return rows;
}

void filter_rows_free(struct filter_rows *rows) { free(rows); }

static struct block_value value_of(const struct columns *columns, uint32_t row)
{
    const struct block_column *const tried[] = {columns->scalar, columns->truth, columns->json};
    for (size_t i = 0; i < SU_COUNT(tried); i++)
        if (tried[i] && !block_is_null(tried[i], row))
            return block_value(tried[i], row);
    return (struct block_value){0};
}

enum { NUMBER_TEXT_MAX = 32 };

/* As a number; false when it is none. */
static bool number_of(const struct block_value *value, double *ret)
{
    char text[NUMBER_TEXT_MAX + 1], *end;
    if (value->kind == BLOCK_INT || value->kind == BLOCK_FLOAT) {
        *ret = value->kind == BLOCK_INT ? (double)value->integer : value->number;
        return true;
    }
    if (value->kind != BLOCK_TEXT || value->text.len == 0 || value->text.len > NUMBER_TEXT_MAX || !strchr("-.0123456789", value->text.ptr[0]))
        return false;
    memcpy(text, value->text.ptr, value->text.len);
    text[value->text.len] = '\0';
    *ret = strtod(text, &end);
    return *end == '\0' && strpbrk(text, "xXpPnN") == NULL;
}

static bool equals_number(const struct block_value *value, const json_t *wanted)
{
    double number;
    if (json_is_integer(wanted) && value->kind == BLOCK_INT)
        return value->integer == json_integer_value(wanted);
    return number_of(value, &number) && number == json_number_value(wanted);
}

static bool equals_text(const struct block_value *value, struct su_str wanted)
{
    const struct block_value as_value = {.kind = BLOCK_TEXT, .text = wanted};
    double number, wanted_number;
    if (value->kind == BLOCK_TEXT)
        return su_str_equal(value->text, wanted);
    return number_of(value, &number) && number_of(&as_value, &wanted_number) && number == wanted_number;
}

static bool equals(const struct block_value *value, const json_t *wanted)
{
    if (json_is_null(wanted))
        return value->kind == 0;
    if (json_is_boolean(wanted))
        return value->kind == BLOCK_BOOL && (value->integer != 0) == json_is_true(wanted);
    return json_is_number(wanted) ? equals_number(value, wanted)
                                  : equals_text(value, (struct su_str){json_string_value(wanted), json_string_length(wanted)});
}

static bool is_among(const struct block_value *value, const json_t *wanted)
{
    size_t i;
    json_t *item;
    if (!json_is_array(wanted))
        return equals(value, wanted);
    json_array_foreach ((json_t *)(uintptr_t)wanted, i, item)
        if (equals(value, item))
            return true;
    return false;
}

static bool holds(const struct condition *condition, const struct block_value *value)
{
    double bound = json_number_value(condition->value), number;
    switch (condition->operator) {
    case OP_IS: return equals(value, condition->value);
    case OP_ABOVE: return number_of(value, &number) && number > bound;
    case OP_AT_LEAST: return number_of(value, &number) && number >= bound;
    case OP_BELOW: return number_of(value, &number) && number < bound;
    case OP_AT_MOST: return number_of(value, &number) && number <= bound;
    case OP_IN: return is_among(value, condition->value);
    case OP_NOT: return !is_among(value, condition->value);
    case OP_PREFIX: return value->kind == BLOCK_TEXT && su_str_starts(value->text, su_str_of(json_string_value(condition->value)));
    case OP_EXISTS: return (value->kind != 0) == json_is_true(condition->value);
    case OP_COUNT: break;
    }
    return false;
}

bool filter_takes(const struct filter_rows *rows, uint32_t row)
{
    for (size_t i = 0; i < rows->filter->count; i++) {
        struct block_value value = value_of(&rows->columns[i], row);
        if (!holds(&rows->filter->conditions[i], &value))
            return false;
    }
    return true;
}
