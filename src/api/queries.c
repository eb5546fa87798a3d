/* /v1/query, /v1/streams/{name}/query and …/windows: questions over streams and objects.  Layer api; handlers run on
 * workers. */
#include <stdlib.h>
#include <string.h>

#include "aggregate/pane_cache.h"
#include "aggregate/panes.h"
#include "aggregate/question.h"
#include "answer.h"
#include "base/clock.h"
#include "limits.h"
#include "routes.h"

/* --------------------------------------------------------------------- SQL */

struct query_body {
    const char *sql, *from, *to, *last;
    json_t *objects;
};
static const struct su_field query_fields[] = {
    SU_FIELD(struct query_body, sql, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 65536,
             .help = "One SELECT statement"),
    SU_FIELD(struct query_body, from, SU_FIELD_TEXT,
             .help = "Of each stream: an offset, earliest, an RFC 3339 time or a duration"),
    SU_FIELD(struct query_body, to, SU_FIELD_TEXT, .help = "Up to there, itself not included"),
    SU_FIELD(struct query_body, last, SU_FIELD_TEXT,
             .help = "Instead: a duration before each stream's largest event time, like 60s"),
    SU_FIELD(struct query_body, objects, SU_FIELD_LIST, .max = 64, .help = "Objects that may be asked; left out: any"),
    SU_FIELD_END};

static bool may(const struct request *request, enum scope scope)
{
    return (request_identity(request)->scopes & 1u << scope) != 0;
}

static bool fill(struct answer *answer, struct query *query, struct su_err *err)
{
    enum query_next next;
    for (size_t i = 0; i < query_columns(query); i++)
        answer_column(answer, query_column(query, i));
    while ((next = query_step(query, err)) == QUERY_ROW)
        for (size_t i = 0; i < query_columns(query); i++) {
            struct block_value value = query_value(query, i);
            answer_value(answer, &value);
        }
    return next == QUERY_DONE;
}

static json_t *describe(struct asking *asking)
{
    struct query *query = question_query(asking);
    json_t *tables = json_array();
    for (size_t i = 0; i < query_tables(query); i++)
        json_array_append_new(tables, json_string(query_table(query, i)));
    json_t *more = json_pack("{s:b, s:o}", "truncated", (int)query_is_truncated(query), "tables", tables);
    if (question_damage(asking))
        json_object_set_new(more, "damaged", su_json_text_or_null(question_damage(asking)));
    return more;
}

static bool ask(struct request *request, struct reply *reply, struct stream *stream, struct su_err *err)
{
    const struct services *services = request_services(request);
    const struct limits *limits = services->limits;
    struct query_body body = {0};
    enum answer_format format;
    if (!request_bind(request, query_fields, &body, err) || !answer_format_read(request, &format, err))
        return false;
    const struct question question = {.tenant = request_tenant(request),
                                      .sql = body.sql,
                                      .from = body.from,
                                      .to = body.to,
                                      .last = body.last,
                                      .stream = stream,
                                      .objects = body.objects,
                                      .has_objects = may(request, SCOPE_OBJECTS_READ),
                                      .has_streams = may(request, SCOPE_STREAMS_READ),
                                      .time_ms = (int64_t)limits->query_s * 1000,
                                      .memory_bytes = limits->query_memory_bytes,
                                      .rows_max = limits->query_rows,
                                      .bytes_max = limits->query_bytes};
    const struct question_sources sources = {services->streams, services->objects, services->tables};
    QUESTION_AUTO struct asking *asking = NULL;
    ANSWER_AUTO struct answer answer;
    answer_init(&answer, format, 2 * limits->query_bytes + (1 << 20));
    if (!question_ask(&sources, &question, &asking, err) || !fill(&answer, question_query(asking), err))
        return false;
    answer_reply(&answer, reply, describe(asking));
    if (query_is_truncated(question_query(asking)))
        reply_header(reply, "X-Suricate-Truncated", "true");
    return true;
}

static void post_query(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!ask(request, reply, NULL, &err))
        reply_error(reply, &err);
}

static bool find(const struct request *request, struct stream **ret, struct su_err *err)
{
    return stream_get(request_services(request)->streams, request_tenant(request), request_param(request, "name"), ret,
                      err);
}

static void post_stream_query(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    if (!find(request, &stream, &err) || !ask(request, reply, stream, &err))
        reply_error(reply, &err);
}

/* ----------------------------------------------------------------- windows */

struct rolling {
    struct request *request;
    struct stream *stream;
    struct sql *db;
    struct window_spec window;
    struct rollup_spec spec;
    struct answer answer;
    struct panes_range range;
    int64_t closed_to_us; /* starts before are closed */
    struct su_buf key;
    bool is_truncated;
    struct pane_text *texts; /* of closed windows read now: places in answer.text until they are kept */
    size_t *places;
    size_t count, capacity;
};

static void rolling_done(struct rolling *rolling)
{
    rollup_spec_done(&rolling->spec);
    answer_done(&rolling->answer);
    su_buf_done(&rolling->key);
    free(rolling->texts);
    free(rolling->places);
}

static void add_columns(struct rolling *rolling)
{
    answer_column(&rolling->answer, "window_start");
    answer_column(&rolling->answer, "window_end");
    for (size_t i = 0; i < rolling->spec.by_count; i++)
        answer_column(&rolling->answer, rolling->spec.by[i]);
    for (size_t i = 0; i < rolling->spec.count; i++)
        answer_column(&rolling->answer, rolling->spec.aggregates[i].name);
    answer_column(&rolling->answer, "closed");
}

static bool read_spec(struct rolling *rolling, struct su_err *err)
{
    const struct request *request = rolling->request;
    const char *every = request_query(request, "every"), *slide = request_query(request, "slide"),
               *by = request_query(request, "by");
    const char *aggregates = request_query(request, "agg");
    answer_init(&rolling->answer, ANSWER_JSON, 2 * request_services(request)->limits->query_bytes + (1 << 20));
    if (!answer_format_read(request, &rolling->answer.format, err) ||
        !window_spec_read(every, slide, rolling->stream->delay_us, &rolling->window, err) ||
        !rollup_spec_read(&rolling->spec, su_str_of(aggregates ? aggregates : "count()"), su_str_of(by), err))
        return false;
    rolling->answer.has_kinds = false;
    rolling->key = SU_BUF(1 << 20);
    su_buf_addf(&rolling->key, "%lld %lld %lld %lld %d\n%s\n%s", (long long)rolling->stream->id,
                (long long)rolling->window.every_us, (long long)rolling->window.slide_us,
                (long long)rolling->window.delay_us, (int)rolling->answer.format, by ? by : "",
                aggregates ? aggregates : "");
    add_columns(rolling);
    return true;
}

/* Which windows: those that share a moment with the range. */
static bool read_range(struct rolling *rolling, struct su_err *err)
{
    struct streams *streams = request_services(rolling->request)->streams;
    const struct request *request = rolling->request;
    struct log_range range;
    struct log_extent extent;
    if (!stream_range(streams, rolling->stream, rolling->db, request_query(request, "from"),
                      request_query(request, "to"), request_query(request, "last"), &range, err) ||
        !log_extent(rolling->db, rolling->stream->log, &extent, err))
        return false;
    if ((range.time_from_us == INT64_MIN && range.from > extent.first) ||
        (range.time_to_us == INT64_MAX && range.to < extent.next))
        return su_fail_field(err, SU_INVALID, "from",
                             "from, to: windows are stretches of event time: give times, not offsets");
    int64_t low_us = range.time_from_us > extent.low_us ? range.time_from_us : extent.low_us;
    int64_t to_us = extent.high_us == INT64_MIN ? INT64_MIN : extent.high_us + 1;
    to_us = range.time_to_us < to_us ? range.time_to_us : to_us;
    rolling->range = (struct panes_range){.with_open = true};
    if (extent.first == extent.next || low_us >= to_us)
        return true; /* from 0 to 0: none */
    rolling->range.start_from_us = panes_start(&rolling->window, low_us - rolling->window.every_us + 1);
    rolling->range.start_to_us = to_us;
    int64_t last_us = panes_last_closed(&rolling->window, extent.high_us),
            slide_us = window_slide(&rolling->window);
    rolling->closed_to_us = last_us == INT64_MIN ? INT64_MIN : last_us + slide_us;
    if (rolling->closed_to_us > to_us)
        rolling->closed_to_us = panes_start(&rolling->window, to_us);
    return true;
}

static void keep_place(struct rolling *rolling, const struct pane *pane, size_t from)
{
    if (rolling->count == rolling->capacity) {
        rolling->capacity = rolling->capacity ? 2 * rolling->capacity : 64;
        rolling->texts = su_realloc(rolling->texts, rolling->capacity * sizeof *rolling->texts);
        rolling->places = su_realloc(rolling->places, rolling->capacity * sizeof *rolling->places);
    }
    rolling->places[rolling->count] = from;
    rolling->texts[rolling->count++] =
        (struct pane_text){pane->start_us, pane->rows, {NULL, rolling->answer.text.len - from}};
}

static bool add_pane(void *arg, const struct pane *pane, struct su_err *err)
{
    struct rolling *rolling = arg;
    size_t from = rolling->answer.text.len;
    char start[SU_TIME_TEXT_US], end[SU_TIME_TEXT_US];
    const struct block_value bounds[] = {
        {.kind = BLOCK_TEXT, .text = su_str_of(su_time_text_us(pane->start_us, start))},
        {.kind = BLOCK_TEXT, .text = su_str_of(su_time_text_us(pane->end_us, end))}};
    const struct block_value closed = {.kind = BLOCK_BOOL, .integer = pane->is_closed};
    if (rolling->answer.rows + pane->rows > request_services(rolling->request)->limits->query_rows) {
        rolling->is_truncated = true;
        return su_fail(err, SU_LIMIT, "the answer has too many rows");
    }
    for (size_t row = 0; row < pane->rows; row++) {
        answer_value(&rolling->answer, &bounds[0]);
        answer_value(&rolling->answer, &bounds[1]);
        for (size_t i = 0; i < rolling->spec.by_count; i++) {
            struct block_value value = rollup_key(pane->rollup, pane->groups, row, i);
            answer_value(&rolling->answer, &value);
        }
        for (size_t i = 0; i < rolling->spec.count; i++) {
            struct block_value value = rollup_value(pane->rollup, pane->groups, row, i);
            answer_value(&rolling->answer, &value);
        }
        answer_value(&rolling->answer, &closed);
    }
    if (pane->is_closed)
        keep_place(rolling, pane, from);
    return true;
}

static void keep_closed(struct rolling *rolling, struct pane_cache *cache, int64_t from_us)
{
    for (size_t i = 0; i < rolling->count; i++)
        rolling->texts[i].text.ptr = rolling->answer.text.ptr + rolling->places[i];
    if (!rolling->answer.text.failed)
        pane_cache_add(cache, su_buf_str(&rolling->key), from_us, rolling->closed_to_us, rolling->texts,
                       rolling->count);
}

/* What is kept first, then what must be read. */
static bool roll(struct rolling *rolling, char **ret_damage, struct su_err *err)
{
    const struct services *services = request_services(rolling->request);
    SU_AUTO_BUF struct su_buf text = SU_BUF(rolling->answer.text.max);
    struct panes_range range = rolling->range;
    uint64_t rows;
    if (range.start_from_us < rolling->closed_to_us)
        pane_cache_find(services->panes, su_buf_str(&rolling->key), range.start_from_us, rolling->closed_to_us, &text,
                        &range.start_from_us, &rows);
    else
        rows = 0;
    answer_add_text(&rolling->answer, su_buf_str(&text), rows);
    const struct rollup_limits limits = {.groups_max = (uint32_t)services->limits->window_groups};
    int64_t read_from_us = range.start_from_us;
    if (range.start_from_us >= range.start_to_us)
        return true;
    bool is_read = panes_read(streams_logs(services->streams), rolling->db, rolling->stream->log, &rolling->window,
                              &rolling->spec, &limits, &range, add_pane, rolling, ret_damage, err);
    if (is_read && !*ret_damage)
        keep_closed(rolling, services->panes, read_from_us);
    return is_read || rolling->is_truncated;
}

static bool get_rolled(struct rolling *rolling, struct reply *reply, struct su_err *err)
{
    SU_AUTO_FREE char *damage = NULL;
    if (!find(rolling->request, &rolling->stream, err))
        return false;
    STORE_READ(streams_store(request_services(rolling->request)->streams), db);
    rolling->db = db;
    if (!read_spec(rolling, err) || !read_range(rolling, err) || !roll(rolling, &damage, err))
        return false;
    json_t *more = json_pack("{s:b}", "truncated", (int)rolling->is_truncated);
    if (damage)
        json_object_set_new(more, "damaged", su_json_text_or_null(damage));
    answer_reply(&rolling->answer, reply, more);
    if (rolling->is_truncated)
        reply_header(reply, "X-Suricate-Truncated", "true");
    return true;
}

static void get_windows(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct rolling rolling = {.request = request};
    if (!get_rolled(&rolling, reply, &err))
        reply_error(reply, &err);
    stream_unref(rolling.stream);
    rolling_done(&rolling);
}

static const struct query_field format_query[] = {{"format", QUERY_TEXT, "json, ndjson or csv"}, {.name = NULL}};
static const struct query_field windows_query[] = {
    {"every", QUERY_TEXT, "Length of a window, like 10s"},
    {"slide", QUERY_TEXT, "From one window's start to the next"},
    {"by", QUERY_TEXT, "Fields to group by, with commas between"},
    {"agg", QUERY_TEXT, "Aggregates, like sum(count),p95(lat); left out: count()"},
    {"from", QUERY_TEXT, "An RFC 3339 time, earliest, or a duration before the largest event time"},
    {"to", QUERY_TEXT, "Up to this time"},
    {"last", QUERY_TEXT, "Instead: a duration before the largest event time"},
    {"format", QUERY_TEXT, "json, ndjson or csv"},
    {.name = NULL}};

const struct route queries_routes[] = {{.method = "POST",
                                        .path = "/v1/query",
                                        .scope = SCOPE_STREAMS_READ,
                                        .handle = post_query,
                                        .body = BODY_JSON,
                                        .flags = ROUTE_RUN_TOKEN,
                                        .query = format_query,
                                        .request = query_fields,
                                        .summary = "Ask streams and objects in SQL",
                                        .response = "Columns and rows"},
                                       {.method = "POST",
                                        .path = "/v1/streams/{name*}/query",
                                        .scope = SCOPE_STREAMS_READ,
                                        .handle = post_stream_query,
                                        .body = BODY_JSON,
                                        .flags = ROUTE_RUN_TOKEN,
                                        .query = format_query,
                                        .request = query_fields,
                                        .summary = "Ask one stream in SQL",
                                        .response = "Columns and rows"},
                                       {.method = "GET",
                                        .path = "/v1/streams/{name*}/windows",
                                        .scope = SCOPE_STREAMS_READ,
                                        .handle = get_windows,
                                        .flags = ROUTE_RUN_TOKEN,
                                        .query = windows_query,
                                        .summary = "Roll-ups: aggregates per window and key",
                                        .response = "Columns and rows"},
                                       ROUTE_END};
