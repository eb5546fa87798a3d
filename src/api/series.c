/* GET /v1/streams/{name}/series: what a chart draws, once or followed by WebSocket.  Layer api; workers, and for
 * WebSockets the thread "sockets".
 *
 * The first answer is made on a worker.  A follower keeps its buckets and reads on from where it was, at most ten times
 * a second.  Buckets of all charts together take at most limits.series_bytes. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/series.h"
#include "base/clock.h"
#include "limits.h"
#include "streams_private.h"

enum { PACE_MS = 100, POINTS = 1200, POINTS_MIN = 10, KEYS = 12 };
#define TEXT_MAX ((size_t)128 << 20)
#define TIME_MAX_MS 253402300799999.0

struct charting {
    struct stream *stream;
    struct series_spec spec;
    struct series *series;
    char *first;                /* the text to begin with; NULL: it was taken */
    uint64_t held;              /* of held_bytes */
};

static _Atomic uint64_t held_bytes;

static void charting_free(void *state)
{
    struct charting *charting = state;
    atomic_fetch_sub(&held_bytes, charting->held);
    series_free(charting->series);
    for (size_t i = 0; i < charting->spec.field_count; i++)
        free(charting->spec.fields[i]);
    free(charting->spec.by);
    free(charting->first);
    stream_unref(charting->stream);
    free(charting);
}
static void charting_free_pointer(struct charting **charting)
{
    if (*charting)
        charting_free(*charting);
}

/* ------------------------------------------------------------------ question */

static bool read_path(struct su_str text, const char *field, char **ret, struct su_err *err)
{
    text = su_str_trim(text);
    if (text.len == 0 || text.len > STREAM_KEY_MAX)
        return su_fail_field(err, SU_INVALID, field, "%s must name a field, with 1 to %d bytes", field, STREAM_KEY_MAX);
    *ret = su_strndup(text.ptr, text.len);
    return true;
}

static bool read_fields(const char *given, struct series_spec *spec, struct su_err *err)
{
    struct su_str head, tail = su_str_of(given);
    for (bool is_more = given != NULL; is_more; spec->field_count++) {
        if (spec->field_count == SERIES_FIELDS_MAX)
            return su_fail_field(err, SU_INVALID, "field", "field: at most %d fields", SERIES_FIELDS_MAX);
        is_more = su_str_cut(tail, ',', &head, &tail);
        if (!read_path(head, "field", &spec->fields[spec->field_count], err))
            return false;
    }
    return given || su_fail_field(err, SU_INVALID, "field", "field is missing: which numbers?");
}

/* Milliseconds since 1970, RFC 3339, or a duration before the newest event. */
static bool read_time(const char *given, const char *field, int64_t high_us, int64_t *ret_us, struct su_err *err)
{
    uint64_t before_ms;
    int64_t at_ms;
    char *end;
    if (!given)
        return true;
    double ms = strtod(given, &end);
    if (*given && *end == '\0' && ms >= -TIME_MAX_MS && ms <= TIME_MAX_MS)
        *ret_us = (int64_t)(ms * 1000);
    else if (su_time_parse(su_str_of(given), &at_ms))
        *ret_us = at_ms * 1000;
    else if (su_str_duration_ms(su_str_of(given), &before_ms) && before_ms <= (uint64_t)TIME_MAX_MS)
        *ret_us = high_us == INT64_MIN ? *ret_us : high_us - (int64_t)before_ms * 1000;
    else
        return su_fail_field(err, SU_INVALID, field,
                             "%s must be milliseconds since 1970, a time like 2013-09-05T20:30:00Z or a duration like 60s, was \"%.64s\"",
                             field, given);
    return true;
}

static bool read_range(const struct request *request, struct series_spec *spec, int64_t high_us, struct su_err *err)
{
    const char *from = request_query(request, "from"), *to = request_query(request, "to"), *last = request_query(request, "last");
    uint64_t last_ms;
    spec->from_us = INT64_MIN;
    spec->to_us = INT64_MAX;
    if (last && (from || to))
        return su_fail_field(err, SU_INVALID, "last", "last does not go with from and to: give one or the other");
    if (last && (!su_str_duration_ms(su_str_of(last), &last_ms) || last_ms == 0 || last_ms > (uint64_t)TIME_MAX_MS))
        return su_fail_field(err, SU_INVALID, "last", "last must be a duration like 60s, 5m or 2h, was \"%.64s\"", last);
    if (last)
        spec->last_us = (int64_t)last_ms * 1000;
    return read_time(from, "from", high_us, &spec->from_us, err) && read_time(to, "to", high_us, &spec->to_us, err) &&
           (spec->from_us < spec->to_us || su_fail_field(err, SU_INVALID, "to", "to must be later than from"));
}

static bool hold(struct charting *charting, const struct limits *limits, struct su_err *err)
{
    uint64_t bytes = series_bytes(&charting->spec), before = atomic_fetch_add(&held_bytes, bytes);
    charting->held = bytes;
    if (before + bytes <= limits->series_bytes)
        return true;
    su_fail_slug(err, "too-many-requests", "limits.series_bytes: charts with %llu bytes are open already, this one needs %llu",
                 (unsigned long long)before, (unsigned long long)bytes);
    return su_hint(err, "ask for fewer points or keys, or close a chart");
}

static bool read_question(const struct request *request, struct charting *charting, struct log_extent *extent, struct su_err *err)
{
    struct series_spec *spec = &charting->spec;
    const char *by = request_query(request, "by");
    int64_t points = POINTS, keys = KEYS;
    if (!read_fields(request_query(request, "field"), spec, err) || (by && !read_path(su_str_of(by), "by", &spec->by, err)) ||
        !request_query_int(request, "points", POINTS_MIN, SERIES_POINTS_MAX, &points, err) ||
        !request_query_int(request, "keys", 1, SERIES_KEYS_MAX, &keys, err))
        return false;
    spec->points = (uint32_t)points;
    spec->keys_max = (uint32_t)keys;
    struct streams *streams = request_services(request)->streams;
    STORE_READ(streams_store(streams), db);
    return log_extent(db, charting->stream->log, extent, err) && read_range(request, spec, extent->high_us, err);
}

/* -------------------------------------------------------------------- answers */

static bool fill(struct request *request, void *state, struct su_buf *out)
{
    struct charting *charting = state;
    STREAM_AUTO struct stream *stream = NULL;
    struct su_err err;
    if (charting->first) {
        su_buf_adds(out, charting->first);
        free(su_take(charting->first));
        return true;
    }
    struct streams *streams = request_services(request)->streams;
    if (!stream_get(streams, charting->stream->tenant, charting->stream->name, &stream, &err) || stream->log != charting->stream->log ||
        !series_read(charting->series, streams, stream, &err))
        return false;
    series_text(charting->series, false, out);
    return true;
}

static const struct event_source socket_source = {.fill = fill, .close = charting_free, .pace_ms = PACE_MS};

static bool answer(struct request *request, struct reply *reply, struct su_err *err)
{
    __attribute__((cleanup(charting_free_pointer))) struct charting *charting = su_alloc(sizeof *charting);
    SU_AUTO_BUF struct su_buf out = SU_BUF(TEXT_MAX);
    const struct services *services = request_services(request);
    struct log_extent extent;
    size_t len;
    if (!streams_find(request, &charting->stream, err) || !read_question(request, charting, &extent, err) ||
        !hold(charting, services->limits, err))
        return false;
    charting->series = series_new(&charting->spec, extent.low_us, extent.high_us);
    if (!series_read(charting->series, services->streams, charting->stream, err))
        return false;
    series_text(charting->series, true, &out);
    char *text = su_buf_take(&out, &len);
    if (!text)
        return su_fail(err, SU_LIMIT, "the answer has more than %zu bytes; ask for fewer points or keys", TEXT_MAX);
    if (!request_wants_socket(request)) {
        reply_take(reply, 200, "application/json", text, len);
        return true;
    }
    charting->first = text;
    const char *topic = charting->stream->topic;
    reply_socket(request, reply, &socket_source, su_take(charting), topic);
    return true;
}

static void get_series(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!answer(request, reply, &err))
        reply_error(reply, &err);
}

/* ---------------------------------------------------------------------- table */

static const struct query_field query[] = {
    {"field", QUERY_TEXT, "The numbers: fields by path, separated by commas, at most 8"},
    {"by", QUERY_TEXT, "A series for each value of this field; _key: the messages' key"},
    {"from", QUERY_TEXT, "Where to begin: milliseconds since 1970, RFC 3339 time, or duration before the newest message; absent: all"},
    {"to", QUERY_TEXT, "The same; where to stop, exclusive"},
    {"last", QUERY_DURATION, "So much up to the newest message, instead of from and to"},
    {"points", QUERY_INT, "Buckets of a series, 10 to 5,000; absent: 1,200"},
    {"keys", QUERY_INT, "Series of a field, 1 to 50, the most frequent keys; absent: 12"},
    {NULL, QUERY_TEXT, NULL}};

const struct route series_routes[] = {
    {.method = "GET", .path = "/v1/streams/{name*}/series", .scope = SCOPE_STREAMS_READ, .handle = get_series, .flags = ROUTE_RUN_TOKEN,
     .query = query, .summary = "Least, greatest and last value per bucket of time, for charts; followed by WebSocket",
     .response = "{fields, by, from, to, step_ms, next, messages, keys_left_out, series}"},
    ROUTE_END};
