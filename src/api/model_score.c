/* POST /v1/models/{name}/score: rows, or a stretch of a stream, judged by a model.  Layer api; handlers run on workers.
 *
 * Native kinds are scored here, by the code that watches run.  A scikit-learn estimator is loaded where foreign code runs
 * anyway, in a kernel: a run of a small notebook, whose result is the answer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "act/model_score.h"
#include "base/hash.h"
#include "interact/run.h"
#include "routes.h"
#include "streams_private.h"

enum { BODY_MAX = 32 << 20, NOTEBOOK_MAX = 4096, ANSWER_MAX = 32 << 20, ROW_US = 1000000, FIELD_MAX = 256 };

/* The parameters cell takes the order as it came; the package does the rest. */
static const char notebook_text[] =
    "{\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{\"kernelspec\":{\"name\":\"python3\",\"display_name\":\"Python 3\",\"language\":\"python\"}},"
    "\"cells\":[{\"cell_type\":\"code\",\"id\":\"order\",\"metadata\":{\"tags\":[\"parameters\"]},\"execution_count\":null,\"outputs\":[],"
    "\"source\":\"order = {}\"},{\"cell_type\":\"code\",\"id\":\"score\",\"metadata\":{},\"execution_count\":null,\"outputs\":[],"
    "\"source\":\"from suricate import _score, result\\n\\nresult(_score.fulfil(order))\"}]}";

struct score_body { int64_t version; json_t *rows, *times, *fields, *from, *to; const char *stream, *last; };
static const struct su_field score_fields[] = {
    SU_FIELD(struct score_body, version, SU_FIELD_INT, .min = 1, .max = 9007199254740991, .help = "Absent: the live one"),
    SU_FIELD(struct score_body, rows, SU_FIELD_LIST, .help = "Objects, or lists of numbers; at most 100,000"),
    SU_FIELD(struct score_body, times, SU_FIELD_LIST, .help = "Of each row, microseconds since 1970; absent: a second apart"),
    SU_FIELD(struct score_body, stream, SU_FIELD_TEXT, .min = 1, .max = STREAM_KEY_MAX, .help = "Instead of rows: a stream's messages"),
    SU_FIELD(struct score_body, from, SU_FIELD_ANY, .help = "… from there: an offset, earliest or a time"),
    SU_FIELD(struct score_body, to, SU_FIELD_ANY, .help = "… up to there (excluded)"),
    SU_FIELD(struct score_body, last, SU_FIELD_TEXT, .min = 1, .max = 64, .help = "… instead: so far back from the newest message"),
    SU_FIELD(struct score_body, fields, SU_FIELD_LIST, .help = "Which fields, in the model's order; absent: those of the first row"),
    SU_FIELD_END};

/* What is to be scored, by what. */
struct scoring {
    struct request *request;
    struct score_body body;
    json_t *model;                      /* the version */
    const char *fields[DETECTOR_DIMENSIONS_MAX];
    size_t dimensions;
    bool has_names;                     /* rows are objects */
    struct model_scorer *scorer;
    struct su_buf scores, values, times;
    size_t rows;
};

static struct models *service(const struct request *request) { return request_services(request)->models; }
static const char *name_of(const struct request *request) { return model_bare_name(request_param(request, "name")); }
static bool may(const struct request *request, enum scope scope) { return (request_identity(request)->scopes & 1u << scope) != 0; }

static void scoring_done(struct scoring *scoring)
{
    model_scorer_close(scoring->scorer);
    json_decref(scoring->model);
    su_buf_done(&scoring->scores);
    su_buf_done(&scoring->values);
    su_buf_done(&scoring->times);
}

/* --- the question ----------------------------------------------------------------------- */

static bool check_body(const struct score_body *body, struct su_err *err)
{
    if ((body->rows != NULL) == (body->stream != NULL))
        return su_fail_field(err, SU_INVALID, "/rows", "rows or stream: exactly one of them is needed");
    if (body->rows && (body->from || body->to || body->last))
        return su_fail_field(err, SU_INVALID, "/from", "from, to and last go with stream, not with rows");
    if (body->times && (!body->rows || json_array_size(body->times) != json_array_size(body->rows)))
        return su_fail_field(err, SU_INVALID, "/times", "times: go with rows, one for each");
    if (json_array_size(body->rows) > MODEL_SCORE_ROWS_MAX)
        return su_fail_field(err, SU_LIMIT, "/rows", "rows: at most %d, were %zu", MODEL_SCORE_ROWS_MAX, json_array_size(body->rows));
    return true;
}

static bool read_question(struct request *request, struct scoring *ret, struct su_err *err)
{
    char which[24] = "live";
    ret->request = request;
    if (!request_bind(request, score_fields, &ret->body, err) || !check_body(&ret->body, err))
        return false;
    if (ret->body.version > 0)
        snprintf(which, sizeof which, "%lld", (long long)ret->body.version);
    return model_version(service(request), request_tenant(request), name_of(request), which, &ret->model, err);
}

static bool add_field(struct scoring *scoring, const char *name, struct su_err *err)
{
    if (name == NULL || *name == '\0' || strlen(name) > FIELD_MAX)
        return su_fail_field(err, SU_INVALID, "/fields", "fields: a list of names with 1..%d bytes each", FIELD_MAX);
    if (scoring->dimensions == DETECTOR_DIMENSIONS_MAX)
        return su_fail_field(err, SU_LIMIT, "/fields", "fields: a native model takes at most %d", DETECTOR_DIMENSIONS_MAX);
    scoring->fields[scoring->dimensions++] = name;
    return true;
}

/* The fields that are given, or else those of the first row. */
static bool choose_fields(struct scoring *scoring, struct su_err *err)
{
    const struct score_body *body = &scoring->body;
    json_t *first = json_array_get(body->rows, 0), *item;
    size_t i;
    const char *key;
    scoring->has_names = body->stream != NULL || json_is_object(first);
    json_array_foreach (body->fields, i, item)
        if (!add_field(scoring, json_string_value(item), err))
            return false;
    if (!body->fields && json_is_object(first)) {
        json_object_foreach (first, key, item)
            if (!add_field(scoring, key, err))
                return false;
    }
    if (!scoring->has_names)
        scoring->dimensions = json_is_array(first) ? json_array_size(first) : first ? 1 : 0;
    if (scoring->dimensions > 0 || (body->rows && json_array_size(body->rows) == 0))
        return true;
    return su_fail_field(err, SU_INVALID, "/fields", "fields: which of the stream's? A list of names, in the model's order");
}

/* --- native kinds ------------------------------------------------------------------------- */

static void add_number(struct su_buf *out, double value)
{
    if (out->len > 0)
        su_buf_addc(out, ',');
    su_json_add_number(out, value);
}

static void add_point(struct scoring *scoring, int64_t time_us, const double *values)
{
    struct detector_verdict verdict;
    model_scorer_add(scoring->scorer, time_us, values, &verdict);
    add_number(&scoring->scores, verdict.score);
    add_number(&scoring->values, verdict.value);
    su_buf_addf(&scoring->times, "%s%lld", scoring->times.len > 0 ? "," : "", (long long)time_us);
    scoring->rows++;
}

static bool fail_row(struct su_err *err, size_t row, const char *what, const char *field)
{
    char pointer[sizeof err->field];
    snprintf(pointer, sizeof pointer, "/rows/%zu", row);
    return su_fail_field(err, SU_INVALID, pointer, "rows[%zu]: %s%.100s", row, what, field);
}

static bool read_row(const struct scoring *scoring, size_t at, double *ret, struct su_err *err)
{
    const json_t *row = json_array_get(scoring->body.rows, at);
    if (scoring->has_names ? !json_is_object(row) : json_is_array(row) && json_array_size(row) != scoring->dimensions)
        return fail_row(err, at, scoring->has_names ? "must be an object, like the first" : "has not as many values as the first", "");
    for (size_t i = 0; i < scoring->dimensions; i++) {
        const json_t *value = scoring->has_names ? json_object_get(row, scoring->fields[i]) : json_is_array(row) ? json_array_get(row, i) : row;
        if (value == NULL)
            return fail_row(err, at, "has no field ", scoring->fields[i]);
        if (!json_is_number(value) && !json_is_null(value))
            return fail_row(err, at, "must hold numbers and nulls only", "");
        ret[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
    return true;
}

static bool score_rows(struct scoring *scoring, struct su_err *err)
{
    double values[DETECTOR_DIMENSIONS_MAX];
    for (size_t at = 0; at < json_array_size(scoring->body.rows); at++) {
        const json_t *time = json_array_get(scoring->body.times, at);
        if (time != NULL && !json_is_integer(time))
            return su_fail_field(err, SU_INVALID, "/times", "times: whole microseconds since 1970");
        if (!read_row(scoring, at, values, err))
            return false;
        add_point(scoring, time ? json_integer_value(time) : (int64_t)at * ROW_US, values);
    }
    return true;
}

static double number_of(const struct item *item, const char *path)
{
    const struct block_column *column = block_field_column(item->block, su_str_of(path), 0);
    if (column == NULL || block_is_null(column, item->row) || (column->kind != BLOCK_INT && column->kind != BLOCK_FLOAT))
        return NAN;
    return block_float(column, item->row);
}

static enum item_verdict take(void *arg, const struct item *item, struct su_err *err)
{
    struct scoring *scoring = arg;
    double values[DETECTOR_DIMENSIONS_MAX];
    if (item->kind != ITEM_MESSAGE)
        return ITEM_NEXT;
    if (scoring->rows == MODEL_SCORE_ROWS_MAX) {
        su_fail_field(err, SU_LIMIT, "/from", "the stretch has more than %d messages; ask for a shorter one", MODEL_SCORE_ROWS_MAX);
        return ITEM_TOO_MUCH;
    }
    for (size_t i = 0; i < scoring->dimensions; i++)
        values[i] = number_of(item, scoring->fields[i]);
    add_point(scoring, item->time ? block_int(item->time, item->row) : 0, values);
    return ITEM_NEXT;
}

/* An offset may be a number. */
static const char *place_of(struct request *request, const json_t *given)
{
    if (json_is_integer(given))
        return su_arena_format(request_arena(request), "%lld", (long long)json_integer_value(given));
    return json_string_value(given);
}

static bool score_stream(struct scoring *scoring, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct request *request = scoring->request;
    const struct score_body *body = &scoring->body;
    struct streams *streams = request_services(request)->streams;
    struct stream_cursor cursor = {.streams = streams};
    bool is_end = false;
    if (!may(request, SCOPE_STREAMS_READ))
        return su_fail(err, SU_DENIED, "reading the stream needs the scope streams:read");
    if (!stream_get(streams, request_tenant(request), body->stream, &stream, err))
        return false;
    cursor.log = stream->log;
    {
        STORE_READ(request_services(request)->store, db);
        if (!stream_range(streams, stream, db, place_of(request, body->from), place_of(request, body->to), body->last, &cursor.range, err))
            return false;
    }
    while (!is_end)
        if (!stream_read_on(&cursor, &(struct item_taker){take, scoring}, &is_end, err))
            return false;
    return true;
}

static bool reply_scores(struct scoring *scoring, struct reply *reply, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf out = SU_BUF(ANSWER_MAX);
    size_t len;
    su_buf_addf(&out, "{\"version\":%lld,\"kind\":\"%s\"", (long long)su_json_int(scoring->model, "version", 0),
                su_json_string(scoring->model, "kind", ""));
    if (scoring->scorer)
        su_buf_addf(&out, ",\"code\":\"%s\"", model_scorer_code(scoring->scorer));
    const struct { const char *name; struct su_buf *items; } lists[] = {{"scores", &scoring->scores}, {"values", &scoring->values}, {"times", &scoring->times}};
    for (size_t i = 0; i < SU_COUNT(lists); i++) {
        struct su_str items = su_buf_str(lists[i].items);
        su_buf_addf(&out, ",\"%s\":[", lists[i].name);
        su_buf_add(&out, items.ptr, items.len);
        su_buf_addc(&out, ']');
        out.failed |= lists[i].items->failed;
    }
    su_buf_addc(&out, '}');
    char *text = su_buf_take(&out, &len);
    if (text == NULL)
        return su_fail(err, SU_LIMIT, "the answer has more than %d bytes; score fewer rows", ANSWER_MAX);
    reply_take(reply, 200, "application/json", text, len);
    return true;
}

static bool score_natively(struct scoring *scoring, struct reply *reply, struct su_err *err)
{
    struct request *request = scoring->request;
    scoring->scores = scoring->values = scoring->times = SU_BUF(ANSWER_MAX);
    if (!choose_fields(scoring, err))
        return false;
    if (scoring->dimensions == 0)           /* no rows */
        return reply_scores(scoring, reply, err);
    return model_scorer_open(service(request), request_tenant(request), name_of(request), su_json_int(scoring->model, "version", 0),
                             su_json_string(scoring->model, "kind", ""), scoring->dimensions, &scoring->scorer, err)
        && (scoring->body.stream ? score_stream(scoring, err) : score_rows(scoring, err)) && reply_scores(scoring, reply, err);
}

/* --- in a kernel ----------------------------------------------------------------------------- */

static void source_of(struct run_source *ret)
{
    uint8_t digest[SU_SHA256_SIZE];
    *ret = (struct run_source){.notebook = su_strdup("score a model"), .text = SU_BUF(NOTEBOOK_MAX)};
    su_buf_adds(&ret->text, notebook_text);
    su_sha256_of(ret->text.ptr, ret->text.len, digest);
    su_hex(digest, sizeof digest, ret->sha256);
}

static bool start_run(struct scoring *scoring, char id[static SU_ID_SIZE], struct su_err *err)
{
    struct request *request = scoring->request;
    const struct identity *who = request_identity(request);
    struct runs *runs = request_services(request)->runs;
    RUN_AUTO_SOURCE struct run_source source = {0};
    if (who->run[0])
        return su_fail(err, SU_DENIED, "a notebook scores by itself: s.load_model(\"%.100s\") and call it, or s.score", name_of(request));
    if (!may(request, SCOPE_RUNS_WRITE) || (scoring->body.stream && !may(request, SCOPE_STREAMS_READ)))
        return su_fail(err, SU_DENIED, "scoring a scikit-learn model runs a notebook: it needs the scope runs:write, and streams:read for a stream");
    if (runs == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server runs no notebooks, and a scikit-learn model needs one");
    SU_AUTO_JSON json_t *order = json_copy(request_json(request));
    json_object_set_new(order, "model", json_string(name_of(request)));
    json_object_set(order, "version", json_object_get(scoring->model, "version"));
    SU_AUTO_JSON json_t *parameters = json_pack("{s:O}", "order", order);
    SU_AUTO_FREE char *label = su_format("score %.150s", name_of(request));
    source_of(&source);
    const struct run_options options = {.parameters = parameters, .label = label};
    return run_create(runs, who->tenant, who->user, &source, &options, id, err);
}

/* What the run's end means: its result, or an error in the words of the package. */
static void reply_result(struct reply *reply, const json_t *run)
{
    struct su_err err;
    json_t *result = json_object_get(run, "result"), *error = json_object_get(run, "error");
    if (strcmp(su_json_string(run, "state", ""), "succeeded") == 0 && json_is_object(result)) {
        reply_json(reply, 200, json_incref(result));
        return;
    }
    const char *name = su_json_string(error, "ename", "");
    if (strcmp(name, "Invalid") == 0)
        su_fail(&err, SU_INVALID, "%.400s", su_json_string(error, "evalue", ""));
    else
        su_fail(&err, strcmp(name, "Denied") == 0 ? SU_DENIED : SU_INVALID, "the model could not score: %s%s%.400s", name, *name ? ": " : "",
                *name ? su_json_string(error, "evalue", "") : su_json_string(run, "reason", su_json_string(run, "state", "")));
    su_hint(&err, "GET /v1/runs/%s has the whole story.", su_json_string(run, "id", ""));
    reply_error(reply, &err);
}

static void reply_run(struct request *request, struct reply *reply, const char *id)
{
    struct su_err err;
    SU_AUTO_JSON json_t *run = NULL;
    bool is_final;
    char topic[64];
    snprintf(topic, sizeof topic, "run-state/%.40s", id);
    if (!run_get(request_services(request)->runs, request_tenant(request), id, &run, &is_final, &err)) {
        reply_error(reply, &err);
    } else if (is_final) {
        reply_result(reply, run);
    } else if (!reply_park(request, reply, topic)) {
        reply_header(reply, "Location", "/v1/runs/%s", id);
        reply_json(reply, 202, json_pack("{s:s, s:s}", "run", id, "state", su_json_string(run, "state", "")));
    }
}

/* --- the route ------------------------------------------------------------------------------------ */

static bool check_kind(const struct scoring *scoring, bool *ret_native, struct su_err *err)
{
    const char *format = su_json_string(scoring->model, "format", ""), *kind = su_json_string(scoring->model, "kind", "");
    *ret_native = strcmp(format, "json") == 0 && model_kind_is_native(kind);
    if (*ret_native || strcmp(format, "skops") == 0)
        return true;
    su_fail(err, SU_INVALID, "version %lld of the model \"%.200s\" is of kind %.64s in format %s: only native kinds in JSON and scikit-learn are scored",
            (long long)su_json_int(scoring->model, "version", 0), name_of(scoring->request), kind, format);
    return su_hint(err, "GET /v1/detectors lists the native kinds; save with kind to say that it is one.");
}

static void post_score(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_CLEANUP(scoring_done) struct scoring scoring = {0};
    char id[SU_ID_SIZE];
    bool is_native;
    if (request_kept(request) != NULL) {
        reply_run(request, reply, request_kept(request));
        return;
    }
    bool ok = read_question(request, &scoring, &err) && check_kind(&scoring, &is_native, &err)
           && (is_native ? score_natively(&scoring, reply, &err) : start_run(&scoring, id, &err));
    if (!ok) {
        reply_error(reply, &err);
    } else if (!is_native) {
        request_keep(request, id);
        reply_run(request, reply, id);
    }
}

const struct route model_score_routes[] = {
    {"POST", "/v1/models/{name*}/score", SCOPE_OBJECTS_READ, post_score, BODY_JSON, .flags = ROUTE_RUN_TOKEN | ROUTE_WAIT, .body_max = BODY_MAX,
     .summary = "Score rows or a stretch of a stream", .request = score_fields,
     .response = "version, kind, scores; 202 with the run when a kernel is still at it"},
    ROUTE_END};
