/* What a query may call: SQLite's own functions by an allow-list, and aggregates that it lacks.  Layer store.
 *
 * All are functions of their arguments in the order of rows, so answers repeat. */
#include "query_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "block_order.h"

/* Sorted, for bsearch.  Not printf and format: a width of 2^31 is a step that no time limit reaches. */
static const char *const allowed[] = {
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first",
    "first_value",
    "floor",

    "glob",
    "group_concat",
    "hex",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_tree",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "median",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "p50",
    "p95",
    "p99",
    "percent_rank",
    "percentile",
    "pi",
    "pow",
    "power",

    "quote",
    "radians",
    "rank",
    "rate",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "stddev",
    "strftime",
    "substr",
    "substring",
    "sum",
    "tan",
    "tanh",
    "time",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
    "variance",
    "zeroblob",
};

static int by_name(const void *key, const void *row) { return sqlite3_stricmp(key, *(const char *const *)row); }

bool query_function_is_allowed(const char *name)
{
    return bsearch(name, allowed, SU_COUNT(allowed), sizeof *allowed, by_name) != NULL;
}

/* Numbers, and texts that are one: NULL and others do not count. */
static bool number_of(sqlite3_value *value, double *ret)
{
    int type = sqlite3_value_numeric_type(value);
    if (type != SQLITE_INTEGER && type != SQLITE_FLOAT)
        return false;
    *ret = sqlite3_value_double(value);
    return true;
}

/* ----------------------------------------------------- spread, by Welford */

struct spread {
    int64_t count;
    double mean, squares;
};

static void spread_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct spread *spread = sqlite3_aggregate_context(context, sizeof *spread);
    double number;
    if (!spread || !number_of(values[0], &number))
        return;
    double off = number - spread->mean;
    spread->mean += off / (double)++spread->count;
    spread->squares += off * (number - spread->mean);
}

static void variance_end(sqlite3_context *context)
{
    const struct spread *spread = sqlite3_aggregate_context(context, 0);
    if (spread && spread->count > 1)
        sqlite3_result_double(context, spread->squares / (double)(spread->count - 1));
}

static void stddev_end(sqlite3_context *context)
{
    const struct spread *spread = sqlite3_aggregate_context(context, 0);
    if (spread && spread->count > 1)
        sqlite3_result_double(context, sqrt(spread->squares / (double)(spread->count - 1)));
}

/* ------------------------------------------- percentiles, of all the values */

struct values {
    double *items;
    uint64_t count, capacity;
    double percent;
    bool is_set, has_failed;
};

static void keep(sqlite3_context *context, sqlite3_value *value, double percent)
{
    struct values *values = sqlite3_aggregate_context(context, sizeof *values);
    double number;
    if (!values || values->has_failed)
        return;
    values->percent = percent;
    if (!number_of(value, &number))
        return;
    if (values->count == values->capacity) {
        uint64_t capacity = values->capacity ? 2 * values->capacity : 64;
        double *items = sqlite3_realloc64(values->items, capacity * sizeof *items);
        if (!items) {
            values->has_failed = true;
            sqlite3_result_error_nomem(context);
            return;
        }
        values->items = items;
        values->capacity = capacity;
    }
    values->items[values->count++] = number;
}

static void named_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    keep(context, values[0], *(const double *)sqlite3_user_data(context));
}

static void percentile_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    double percent;
    if (!number_of(values[1], &percent) || !(percent >= 0 && percent <= 100))
        sqlite3_result_error(context, "percentile(x, p): p must be a number from 0 to 100", -1);
    else
        keep(context, values[0], percent);
}

static void percentile_end(sqlite3_context *context)
{
    struct values *values = sqlite3_aggregate_context(context, 0);
    if (!values)
        return;
    if (values->count && !values->has_failed)
        sqlite3_result_double(context, block_percentile(values->items, values->count, values->percent));
    sqlite3_free(values->items);
    values->items = NULL;
}

/* --------------------------------------------------------- first and last */

struct held {
    sqlite3_value *value;
};

static void first_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct held *held = sqlite3_aggregate_context(context, sizeof *held);
    if (held && !held->value && sqlite3_value_type(values[0]) != SQLITE_NULL)
        held->value = sqlite3_value_dup(values[0]);
}

static void last_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct held *held = sqlite3_aggregate_context(context, sizeof *held);
    if (!held || sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    sqlite3_value_free(held->value);
    held->value = sqlite3_value_dup(values[0]);
}

static void held_end(sqlite3_context *context)
{
    struct held *held = sqlite3_aggregate_context(context, 0);
    if (!held || !held->value)
        return;
    sqlite3_result_value(context, held->value);
    sqlite3_value_free(held->value);
    held->value = NULL;
}

/* ------------------------------------------------------------------- rate */

struct amount {
    double sum;
};

static void rate_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct amount *amount = sqlite3_aggregate_context(context, sizeof *amount);
    double number = 1;
    if (amount && (count == 0 || number_of(values[0], &number)))
        amount->sum += number;
}

static void rate_end(sqlite3_context *context)
{
    const struct query *query = sqlite3_user_data(context);
    const struct amount *amount = sqlite3_aggregate_context(context, 0);
    int64_t window_us = query->options.window_us ? *query->options.window_us : 0;
    if (window_us <= 0)
        sqlite3_result_error(context, "rate() is per second of the range asked for: give last, or from and to as times",
                             -1);
    else
        sqlite3_result_double(context, amount ? amount->sum * 1e6 / (double)window_us : 0);
}

/* -------------------------------------------------------------------- all */

typedef void step_fn(sqlite3_context *, int, sqlite3_value **);
typedef void end_fn(sqlite3_context *);
static const double half = 50, most = 95, nearly_all = 99;

bool query_functions_add(struct query *query, struct su_err *err)
{
    const struct {
        const char *name;
        int count;
        step_fn *step;
        end_fn *end;
        const void *data;
    } rows[] = {
        {"stddev", 1, spread_step, stddev_end, NULL},
        {"variance", 1, spread_step, variance_end, NULL},
        {"median", 1, named_step, percentile_end, &half},
        {"p50", 1, named_step, percentile_end, &half},
        {"p95", 1, named_step, percentile_end, &most},
        {"p99", 1, named_step, percentile_end, &nearly_all},
        {"percentile", 2, percentile_step, percentile_end, NULL},
        {"first", 1, first_step, held_end, NULL},
        {"last", 1, last_step, held_end, NULL},
        {"rate", 1, rate_step, rate_end, query},
        {"rate", 0, rate_step, rate_end, query},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        if (sqlite3_create_function_v2(
                query->handle, rows[i].name, rows[i].count, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
                (void *)(uintptr_t)rows[i].data, NULL, rows[i].step, rows[i].end, NULL) != SQLITE_OK)
            return su_fail(err, SU_INTERNAL, "function %s: %s", rows[i].name, sqlite3_errmsg(query->handle));
    return true;
}
