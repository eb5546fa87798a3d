/* What a roll-up is asked to compute: names of aggregates and keys, read.  Layer aggregate; pure. */
#include "rollup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_BYTES = 512, NAME_MAX_BYTES = 600 };

static const struct {
    const char *name;
    enum rollup_function function;
    double percent;
    bool may_be_empty, has_percent;
} functions[] = {
    {"count", ROLLUP_COUNT, 0, true, false},        {"sum", ROLLUP_SUM, 0, false, false},
    {"avg", ROLLUP_AVG, 0, false, false},           {"min", ROLLUP_MIN, 0, false, false},
    {"max", ROLLUP_MAX, 0, false, false},           {"stddev", ROLLUP_STDDEV, 0, false, false},
    {"variance", ROLLUP_VARIANCE, 0, false, false}, {"median", ROLLUP_PERCENTILE, 50, false, false},
    {"p50", ROLLUP_PERCENTILE, 50, false, false},   {"p95", ROLLUP_PERCENTILE, 95, false, false},
    {"p99", ROLLUP_PERCENTILE, 99, false, false},   {"percentile", ROLLUP_PERCENTILE, 0, false, true},
    {"first", ROLLUP_FIRST, 0, false, false},       {"last", ROLLUP_LAST, 0, false, false},
    {"rate", ROLLUP_RATE, 0, true, false},
};

void rollup_spec_done(struct rollup_spec *spec)
{
    for (size_t i = 0; i < spec->by_count; i++)
        free(spec->by[i]);
    for (size_t i = 0; i < spec->count; i++) {
        free(spec->aggregates[i].name);
        free(spec->aggregates[i].field);
    }
    *spec = (struct rollup_spec){0};
}

static bool check_path(const char *what, struct su_str path, struct su_err *err)
{
    if (path.len == 0 || path.len > PATH_MAX_BYTES)
        return su_fail_field(err, SU_INVALID, what, "%s: a field's path must have 1..%d bytes, has %zu", what,
                             PATH_MAX_BYTES, path.len);
    return su_utf8_valid(path) || su_fail_field(err, SU_INVALID, what, "%s: a field's path must be UTF-8", what);
}

bool rollup_spec_by(struct rollup_spec *spec, struct su_str path, struct su_err *err)
{
    path = su_str_trim(path);
    if (!check_path("by", path, err))
        return false;
    if (spec->by_count == ROLLUP_KEYS_MAX)
        return su_fail_field(err, SU_LIMIT, "by", "by: at most %d fields", ROLLUP_KEYS_MAX);
    for (size_t i = 0; i < spec->by_count; i++)
        if (su_str_equal(su_str_of(spec->by[i]), path))
            return su_fail_field(err, SU_INVALID, "by", "by: \"%.*s\" stands there twice", (int)path.len, path.ptr);
    spec->by[spec->by_count++] = su_strndup(path.ptr, path.len);
    return true;
}

static bool fail_form(struct su_str text, struct su_err *err)
{
    su_fail_field(err, SU_INVALID, "aggregates", "aggregates: \"%.*s\" must be like sum(field)",
                  (int)(text.len < 64 ? text.len : 64), text.ptr);
    return su_hint(
        err, "count, sum, avg, min, max, stddev, variance, p50, p95, p99, percentile(field, p), first, last, rate");
}

/* The name before the bracket, as a row of functions. */
static bool find_function(struct su_str name, size_t *ret, struct su_err *err)
{
    for (size_t i = 0; i < SU_COUNT(functions); i++)
        if (su_str_equal(su_str_of(functions[i].name), name)) {
            *ret = i;
            return true;
        }
    su_fail_field(err, SU_INVALID, "aggregates", "aggregates: there is no function \"%.*s\"",
                  (int)(name.len < 64 ? name.len : 64), name.ptr);
    return su_hint(
        err, "count, sum, avg, min, max, stddev, variance, p50, p95, p99, percentile(field, p), first, last, rate");
}

/* "lat, 99.9": the number after the last comma. */
static bool take_percent(struct su_str *inner, double *ret, struct su_err *err)
{
    size_t at = inner->len;
    while (at > 0 && inner->ptr[at - 1] != ',')
        at--;
    char number[32];
    struct su_str text = su_str_trim((struct su_str){inner->ptr + at, inner->len - at});
    char *end = number;
    if (at > 0 && text.len > 0 && text.len < sizeof number) {
        memcpy(number, text.ptr, text.len);
        number[text.len] = '\0';
        *ret = strtod(number, &end);
    }
    if (end == number || *end != '\0' || !(*ret >= 0 && *ret <= 100))
        return su_fail_field(err, SU_INVALID, "aggregates",
                             "aggregates: percentile(field, p): p must be a number from 0 to 100");
    *inner = su_str_trim((struct su_str){inner->ptr, at - 1});
    return true;
}

static bool is_name_taken(const struct rollup_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->count; i++)
        if (strcmp(spec->aggregates[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < spec->by_count; i++)
        if (strcmp(spec->by[i], name) == 0)
            return true;
    return false;
}

bool rollup_spec_add(struct rollup_spec *spec, const char *name, struct su_str text, struct su_err *err)
{
    struct su_str function, inner;
    size_t row = 0;
    text = su_str_trim(text);
    if (spec->count == ROLLUP_AGGREGATES_MAX)
        return su_fail_field(err, SU_LIMIT, "aggregates", "aggregates: at most %d", ROLLUP_AGGREGATES_MAX);
    if (!su_str_cut(text, '(', &function, &inner) || inner.len == 0 || inner.ptr[inner.len - 1] != ')')
        return fail_form(text, err);
    inner = su_str_trim((struct su_str){inner.ptr, inner.len - 1});
    if (!find_function(su_str_trim(function), &row, err))
        return false;
    struct rollup_aggregate made = {.function = functions[row].function, .percent = functions[row].percent};
    if (functions[row].has_percent && !take_percent(&inner, &made.percent, err))
        return false;
    bool is_empty = inner.len == 0 || su_str_equal(inner, SU_STR("*"));
    if (is_empty && !functions[row].may_be_empty)
        return su_fail_field(err, SU_INVALID, "aggregates", "aggregates: %s() needs a field: %s(field)",
                             functions[row].name, functions[row].name);
    if (!is_empty && !check_path("aggregates", inner, err))
        return false;
    SU_AUTO_FREE char *own = name ? su_strdup(name) : su_strndup(text.ptr, text.len);
    if (strlen(own) == 0 || strlen(own) > NAME_MAX_BYTES || !su_utf8_valid(su_str_of(own)))
        return su_fail_field(err, SU_INVALID, "aggregates", "aggregates: a name must be 1..%d bytes of UTF-8",
                             NAME_MAX_BYTES);
    if (is_name_taken(spec, own))
        return su_fail_field(err, SU_INVALID, "aggregates", "aggregates: \"%.128s\" stands there twice", own);
    made.name = su_take(own);
    made.field = is_empty ? NULL : su_strndup(inner.ptr, inner.len);
    spec->aggregates[spec->count++] = made;
    return true;
}

/* Up to the next comma outside of brackets. */
static struct su_str next_item(struct su_str *rest)
{
    int depth = 0;
    size_t at = 0;
    for (; at < rest->len && (rest->ptr[at] != ',' || depth > 0); at++)
        depth += (rest->ptr[at] == '(') - (rest->ptr[at] == ')');
    struct su_str item = {rest->ptr, at};
    size_t used = at < rest->len ? at + 1 : at;
    *rest = (struct su_str){rest->ptr + used, rest->len - used};
    return item;
}

bool rollup_spec_read(struct rollup_spec *spec, struct su_str aggregates, struct su_str by, struct su_err *err)
{
    while (by.len)
        if (!rollup_spec_by(spec, next_item(&by), err))
            return false;
    if (su_str_trim(aggregates).len == 0)
        return su_fail_field(err, SU_INVALID, "aggregates", "aggregates: at least one, like count() or sum(field)");
    while (aggregates.len)
        if (!rollup_spec_add(spec, NULL, next_item(&aggregates), err))
            return false;
    return true;
}
