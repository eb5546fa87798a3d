/* /v1/detectors: the kinds there are, and scoring rows with one.  Layer api; handlers run on workers.
 *
 * The rows are scored by the code that a watch runs, from an empty state or a model, one after the other; nothing is kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "act/detector.h"
#include "base/clock.h"
#include "routes.h"

enum { ROWS_MAX = 100000, BODY_BYTES_MAX = 8 << 20, ANSWER_BYTES_MAX = 64 << 20, ROW_US = 1000000 };

struct score_body { json_t *parameters, *model, *times, *values, *messages; int64_t learn; };
static const struct su_field score_fields[] = {
    SU_FIELD(struct score_body, parameters, SU_FIELD_OBJECT, .help = "As GET /v1/detectors lists them for the kind"),
    SU_FIELD(struct score_body, model, SU_FIELD_OBJECT, .help = "A model of this kind to begin with"),
    SU_FIELD(struct score_body, times, SU_FIELD_LIST, .help = "Of each row: RFC 3339, or microseconds since 1970; left out: a second apart"),
    SU_FIELD(struct score_body, values, SU_FIELD_LIST, .is_required = true,
             .help = "Rows: each a number, or a list of as many as the first has; null: missing; at most 100,000"),
    SU_FIELD(struct score_body, messages, SU_FIELD_LIST, .help = "Of each row: how many messages it stands for; left out: 1, or 0 where all is missing"),
    SU_FIELD(struct score_body, learn, SU_FIELD_INT, .min = 0, .max = ROWS_MAX, .help = "So many rows are learned from, the rest only scored; left out: all"),
    SU_FIELD_END};

static void get_detectors(struct request *request, struct reply *reply) { reply_list(reply, detector_kinds(), NULL); }

/* ------------------------------------------------------------------- reading */

static bool fail_at(struct su_err *err, const char *field, size_t row, const char *what)
{
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/%s/%zu", field, row);
    return su_fail_field(err, SU_INVALID, pointer, "%s: row %zu %s", field, row, what);
}

static bool read_number(const json_t *value, double *ret)
{
    *ret = json_is_number(value) ? json_number_value(value) : NAN;
    return json_is_number(value) || json_is_null(value);
}

static bool read_values(const json_t *row, size_t at, size_t dimensions, double *ret, struct su_err *err)
{
    if (!json_is_array(row))
        return (dimensions == 1 && read_number(row, &ret[0])) || fail_at(err, "values", at, "must be a list of numbers, like the first");
    if (json_array_size(row) != dimensions)
        return fail_at(err, "values", at, "has not as many numbers as the first");
    for (size_t i = 0; i < dimensions; i++)
        if (!read_number(json_array_get(row, i), &ret[i]))
            return fail_at(err, "values", at, "must hold numbers and nulls only");
    return true;
}

static bool read_time(const json_t *times, size_t at, int64_t *ret, struct su_err *err)
{
    const json_t *time = json_array_get(times, at);
    int64_t at_ms;
    if (!times)
        *ret = (int64_t)at * ROW_US;
    else if (json_is_integer(time))
        *ret = json_integer_value(time);
    else if (json_is_string(time) && su_time_parse(su_str_of(json_string_value(time)), &at_ms))
        *ret = at_ms * 1000;
    else
        return fail_at(err, "times", at, "must be a time like 2013-09-05T20:30:00Z or whole microseconds since 1970");
    return true;
}

static bool read_messages(const json_t *messages, size_t at, const double *values, size_t dimensions, uint64_t *ret, struct su_err *err)
{
    const json_t *count = json_array_get(messages, at);
    *ret = 0;
    for (size_t i = 0; !messages && i < dimensions; i++)
        *ret |= isfinite(values[i]) != 0;
    if (!messages)
        return true;
    *ret = (uint64_t)json_integer_value(count);
    return (json_is_integer(count) && json_integer_value(count) >= 0) || fail_at(err, "messages", at, "must be a whole number from 0");
}

static bool check_lengths(const struct score_body *body, struct su_err *err)
{
    size_t rows = json_array_size(body->values);
    if (rows > ROWS_MAX) {
        su_fail_field(err, SU_LIMIT, "/values", "values: %zu rows are more than %d", rows, ROWS_MAX);
        return su_hint(err, "send a part, or let a watch do it");
    }
    if (body->times && json_array_size(body->times) != rows)
        return su_fail_field(err, SU_INVALID, "/times", "times: %zu for %zu rows", json_array_size(body->times), rows);
    return !body->messages || json_array_size(body->messages) == rows ||
           su_fail_field(err, SU_INVALID, "/messages", "messages: %zu for %zu rows", json_array_size(body->messages), rows);
}

/* ------------------------------------------------------------------- answering */

enum column { SCORES, VALUES, EXPECTED, LOW, HIGH, WARM, DIMENSIONS, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = {"scores", "values", "expected", "low", "high", "warm", "dimensions"};
struct columns { struct su_buf texts[COLUMN_COUNT]; };

static void columns_done(struct columns *columns)
{
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        su_buf_done(&columns->texts[i]);
}

static void add_verdict(struct columns *columns, const struct detector_verdict *verdict)
{
    const double numbers[] = {verdict->score, verdict->value, verdict->expected, verdict->low, verdict->high};
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        if (columns->texts[i].len)
            su_buf_addc(&columns->texts[i], ',');
    for (size_t i = 0; i < SU_COUNT(numbers); i++)
        su_json_add_number(&columns->texts[i], numbers[i]);
    su_buf_adds(&columns->texts[WARM], verdict->is_warm ? "true" : "false");
    if (verdict->dimension < 0)
        su_buf_adds(&columns->texts[DIMENSIONS], "null");
    else
        su_buf_addf(&columns->texts[DIMENSIONS], "%d", verdict->dimension);
}

static bool score_rows(const struct score_body *body, const struct detector *detector, size_t dimensions, void *state,
                       struct columns *columns, struct su_err *err)
{
    double values[DETECTOR_DIMENSIONS_MAX];
    struct detector_point point = {.values = values};
    struct detector_verdict verdict;
    size_t rows = json_array_size(body->values);
    for (size_t at = 0; at < rows; at++) {
        if (!read_values(json_array_get(body->values, at), at, dimensions, values, err) || !read_time(body->times, at, &point.time_us, err) ||
            !read_messages(body->messages, at, values, dimensions, &point.messages, err))
            return false;
        point.may_learn = at < (size_t)body->learn;
        detector_update(detector, state, &point, &verdict);
        add_verdict(columns, &verdict);
    }
    return true;
}

static bool answer(struct reply *reply, const struct detector *detector, const void *state, struct columns *columns, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf out = SU_BUF(ANSWER_BYTES_MAX);
    SU_AUTO_JSON json_t *model = detector_model(detector, state);
    SU_AUTO_FREE char *model_text = model ? su_json_text(model) : NULL;
    size_t len;
    su_buf_addf(&out, "{\"code\":\"%s\"", detector_code(detector));
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        struct su_str text = su_buf_str(&columns->texts[i]);
        su_buf_addf(&out, ",\"%s\":[", column_names[i]);
        su_buf_add(&out, text.ptr, text.len);
        su_buf_addc(&out, ']');
        out.failed |= columns->texts[i].failed;
    }
    su_buf_adds(&out, ",\"model\":");
    su_buf_adds(&out, model_text ? model_text : "null");
    su_buf_addc(&out, '}');
    char *text = su_buf_take(&out, &len);
    if (!text)
        return su_fail(err, SU_LIMIT, "the answer has more than %d bytes; send fewer rows", ANSWER_BYTES_MAX);
    reply_take(reply, 200, "application/json", text, len);
    return true;
}

static bool score(struct request *request, struct reply *reply, struct su_err *err)
{
    struct score_body body = {.learn = ROWS_MAX};
    DETECTOR_AUTO struct detector *detector = NULL;
    SU_CLEANUP(columns_done) struct columns columns;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        columns.texts[i] = SU_BUF(ANSWER_BYTES_MAX);
    if (!request_bind(request, score_fields, &body, err) || !check_lengths(&body, err))
        return false;
    const json_t *first = json_array_get(body.values, 0);
    size_t dimensions = json_is_array(first) ? json_array_size(first) : 1;
    if (!detector_new(request_param(request, "kind"), body.parameters, body.model, dimensions, &detector, err)) {
        if (strcmp(err->field, "/kind") == 0)
            err->code = SU_NOT_FOUND;   /* here the kind is in the address */
        return false;
    }
    SU_AUTO_FREE void *state = su_alloc(detector_state_bytes(detector));
    detector_begin(detector, state);
    return score_rows(&body, detector, dimensions, state, &columns, err) && answer(reply, detector, state, &columns, err);
}

static void post_score(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!score(request, reply, &err))
        reply_error(reply, &err);
}

const struct route detectors_routes[] = {
    {.method = "GET", .path = "/v1/detectors", .scope = SCOPE_STREAMS_READ, .handle = get_detectors, .flags = ROUTE_RUN_TOKEN | ROUTE_LIST,
     .summary = "The kinds of detectors there are, with their parameters",
     .response = "items: name, version, summary, source, cost, is_multivariate, parameters"},
    {.method = "POST", .path = "/v1/detectors/{kind}/score", .scope = SCOPE_STREAMS_READ, .handle = post_score, .body = BODY_JSON,
     .flags = ROUTE_RUN_TOKEN | ROUTE_NO_IDEMPOTENCY, .body_max = BODY_BYTES_MAX, .request = score_fields,
     .summary = "Score rows with a detector, as a watch would",
     .response = "{code, scores, values, expected, low, high, warm, dimensions, model}"},
    ROUTE_END};
