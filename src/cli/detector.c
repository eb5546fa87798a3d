/* detector: what can be put on a stream, tried on a table.  Layer cli; main thread. */
#include <string.h>

#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"
#include "cli/rows.h"

enum { FIELDS_MAX = 32 };
struct fields { const char *names[FIELDS_MAX]; size_t count; };

/* Those named by --field, else every column of numbers in the first row but that of the times. */
static bool choose_fields(const struct invocation *in, const json_t *first, struct fields *fields, struct su_err *err)
{
    const char *option, *name, *time = invocation_option(in, "time");
    json_t *value;
    for (size_t at = 0; invocation_each(in, at, &option, &name); at++)
        if (strcmp(option, "field") == 0 && fields->count < FIELDS_MAX)
            fields->names[fields->count++] = name;
    if (fields->count)
        return true;
    json_object_foreach((json_t *)(uintptr_t)first, name, value)
        if (json_is_number(value) && (!time || strcmp(time, name) != 0) && fields->count < FIELDS_MAX)
            fields->names[fields->count++] = name;
    return fields->count || su_fail(err, SU_INVALID, "the first row holds no number; name columns with --field");
}

/* Rows × fields; what is no number is missing. */
static json_t *make_values(const json_t *rows, const struct fields *fields)
{
    size_t i;
    json_t *row, *values = json_array();
    json_array_foreach(rows, i, row) {
        json_t *point = json_array();
        for (size_t k = 0; k < fields->count; k++) {
            json_t *value = definition_get(row, fields->names[k]);
            json_array_append_new(point, json_is_number(value) ? json_incref(value) : json_null());
        }
        json_array_append_new(values, point);
    }
    return values;
}

static const struct definition_setting settings[] = {
    {"parameter", "parameters", DEFINITION_PAIRS},
    {NULL, NULL},
};

static bool build(const struct invocation *in, json_t *body, struct su_err *err)
{
    const char *time = invocation_option(in, "time");
    struct fields fields = {.count = 0};
    SU_AUTO_JSON json_t *rows = NULL;
    json_t *row;
    size_t i;
    if (!definition_options(in, settings, body, err) || !rows_read(invocation_argument(in, 1), &rows, err) ||
        !choose_fields(in, json_array_get(rows, 0), &fields, err))
        return false;
    json_object_set_new(body, "values", make_values(rows, &fields));
    if (!time)
        return true;
    json_t *times = json_array();
    json_object_set_new(body, "times", times);
    json_array_foreach(rows, i, row) {
        json_t *at = definition_get(row, time);
        if (!at)
            return su_fail(err, SU_INVALID, "row %zu has no \"%s\"", i + 1, time);
        json_array_append(times, at);
    }
    return true;
}

static void print_scores(const json_t *answer)
{
    static const char *const members[] = {"values", "scores", "expected", "low", "high"};
    static const char *const titles[] = {"ROW", "VALUE", "SCORE", "NORMAL", "LOW", "HIGH"};
    struct output_table *table = output_table_new(SU_COUNT(titles), titles);
    for (size_t column = 0; column < SU_COUNT(titles); column++)
        output_table_right(table, column);
    for (size_t row = 0; row < json_array_size(json_object_get(answer, "scores")); row++) {
        output_table_addf(table, "%zu", row + 1);
        for (size_t i = 0; i < SU_COUNT(members); i++) {
            const json_t *value = json_array_get(json_object_get(answer, members[i]), row);
            if (json_is_number(value))
                output_table_addf(table, "%.6g", json_number_value(value));
            else
                output_table_add(table, "");
        }
    }
    output_table_print(table, stdout);
    output_table_free(table);
}

static int run_score(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_FREE char *path = resource_path("/v1/detectors", invocation_argument(in, 0), "/score");
    return build(in, body, err) ? resource_send(in, "POST", path, body, print_scores, err) : COMMAND_FAILED;
}

static const struct pages_view view = {
    .none = "no detectors",
    .cells = {{"KIND", "name"}, {"VERSION", "version", PAGES_NUMBER},
              {"WHAT IT DOES", "summary"}, {"COST", "cost"}}};
static const struct resource detectors = {.noun = "detector", .path = "/v1/detectors", .view = &view};

static const struct option_spec score_options[] = {
    {.name = "field", .value = "NAME", .help = "a column to judge (default: every column of numbers)", .is_repeated = true},
    {.name = "time", .value = "NAME", .help = "the column that says when a row was"},
    {.name = "parameter", .letter = 'p', .value = "NAME=VALUE", .help = "a parameter of the detector", .is_repeated = true},
    {.name = NULL},
};

const struct command detector_commands[] = {
    {.name = "detector ls", .summary = "list the kinds of detectors", .run = resource_run_ls, .resource = &detectors},
    {.name = "detector score", .arguments = "KIND FILE", .summary = "score the rows of a table, one after the other",
     .details = "FILE is CSV, NDJSON or JSON (- is standard input, NDJSON). Each row is scored with what was learned before it,\n"
                "by the code that watches run.",
     .example = "suricate detector score seasonal latency.csv --time at --field p99",
     .options = score_options, .arguments_min = 2, .arguments_max = 2, .run = run_score},
    {.name = NULL},
};
