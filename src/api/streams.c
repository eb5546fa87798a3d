/* /v1/streams: definitions of the tenant's streams, and what can be said about them.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>

#include "aggregate/consumer.h"
#include "connections.h"
#include "streams_private.h"

struct streams *streams_service(const struct request *request, struct su_err *err)
{
    struct streams *streams = request_services(request)->streams;
    if (!streams)
        su_fail(err, SU_UNAVAILABLE, "streams are not there yet");
    return streams;
}

bool streams_find(const struct request *request, struct stream **ret, struct su_err *err)
{
    struct streams *streams = streams_service(request, err);
    return streams && stream_get(streams, request_tenant(request), request_param(request, "name"), ret, err);
}

enum item_body streams_body(const struct stream *stream) { return stream->format == STREAM_TEXT ? ITEM_BODY_TEXT : ITEM_BODY_JSON; }

bool streams_cursor(const struct request *request, struct stream *stream, struct stream_cursor *ret, struct su_err *err)
{
    struct streams *streams = request_services(request)->streams;
    STORE_READ(streams_store(streams), db);
    *ret = (struct stream_cursor){.streams = streams, .log = stream->log};
    return stream_range(streams, stream, db, request_query(request, "from"), request_query(request, "to"), request_query(request, "last"),
                        &ret->range, err);
}

/* ------------------------------------------------------------ definitions */

static bool reply_stream(struct request *request, struct reply *reply, struct stream *stream, int status, struct su_err *err)
{
    json_t *json;
    if (!stream_json(request_services(request)->streams, stream, &json, err))
        return false;
    reply_json(reply, status, json);
    reply_etag(reply, stream->etag);
    return true;
}

static bool put(struct request *request, struct reply *reply, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct streams *streams = streams_service(request, err);
    const char *match, *none_match;
    bool is_new;
    return streams && request_conditions(request, &match, &none_match, err) &&
           connection_allowed(request, json_object_get(request_json(request), "source"), err) &&
           stream_put(streams, request_tenant(request), request_param(request, "name"), request_json(request), match, none_match,
                      request_identity(request)->user, &stream, &is_new, err) &&
           reply_stream(request, reply, stream, is_new ? 201 : 200, err);
}

static void put_stream(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!put(request, reply, &err))
        reply_error(reply, &err);
}

static void get_stream(struct request *request, struct reply *reply)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct su_err err;
    if (!streams_find(request, &stream, &err) || !reply_stream(request, reply, stream, 200, &err))
        reply_error(reply, &err);
}

static bool query_bool(const struct request *request, const char *name, bool *ret, struct su_err *err)
{
    const char *given = request_query(request, name);
    *ret = given && strcmp(given, "true") == 0;
    return !given || *ret || strcmp(given, "false") == 0 ||
           su_fail_field(err, SU_INVALID, name, "%s: must be true or false, was \"%.32s\"", name, given);
}

static bool delete(struct request *request, struct su_err *err)
{
    struct streams *streams = streams_service(request, err);
    const char *match, *none_match;
    bool force;
    return streams && query_bool(request, "force", &force, err) && request_conditions(request, &match, &none_match, err) &&
           stream_delete(streams, request_tenant(request), request_param(request, "name"), match, force, request_identity(request)->user, err);
}

static void delete_stream(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (delete(request, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

static void list_streams(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct streams *streams = streams_service(request, &err);
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    size_t limit;
    if (streams && request_limit(request, &limit, &err) &&
        stream_list(streams, request_tenant(request), request_query(request, "prefix"), request_query(request, "q"),
                    request_query(request, "cursor"), limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

/* ---------------------------------------------------- what it is made of */

/* stream_json without what it was told to be, and who follows it. */
static bool stats(struct request *request, struct reply *reply, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    json_t *json;
    if (!streams_find(request, &stream, err) || !stream_json(request_services(request)->streams, stream, &json, err))
        return false;
    static const char *const left_out[] = {"definition", "schema", "version", "created_at", "created_by"};
    for (size_t i = 0; i < SU_COUNT(left_out); i++)
        json_object_del(json, left_out[i]);
    struct consumers *consumers = request_services(request)->consumers;
    json_t *followers = NULL;
    if (consumers && !consumer_list(consumers, stream, &followers, err)) {
        json_decref(json);
        return false;
    }
    json_object_set_new(json, "consumers", followers ? followers : json_array());
    reply_json(reply, 200, json);
    return true;
}

static void get_stats(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!stats(request, reply, &err))
        reply_error(reply, &err);
}

static bool verify(struct request *request, struct reply *reply, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    if (!streams_find(request, &stream, err))
        return false;
    struct streams *streams = request_services(request)->streams;
    STORE_READ(streams_store(streams), db);
    struct log_extent extent;
    json_t *damaged;
    if (!log_extent(db, stream->log, &extent, err) || !log_verify(streams_logs(streams), db, stream->log, &damaged, err))
        return false;
    reply_json(reply, 200, json_pack("{s:s, s:{s:I, s:I}, s:b, s:o}", "name", stream->name, "offsets", "first", (json_int_t)extent.first, "next",
                                     (json_int_t)extent.next, "is_whole", !json_array_size(damaged), "damaged", damaged));
    return true;
}

static void get_verify(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!verify(request, reply, &err))
        reply_error(reply, &err);
}

/* ----------------------------------------------------------- dead letters */

static bool dead_letters(struct request *request, struct reply *reply, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    int64_t from = 0, limit = 100;
    if (!request_query_int(request, "from", 0, INT64_MAX, &from, err) || !request_query_int(request, "limit", 1, 1000, &limit, err) ||
        !streams_find(request, &stream, err))
        return false;
    struct streams *streams = request_services(request)->streams;
    struct stream_cursor cursor = {.streams = streams, .log = stream->dead_log, .range = {(uint64_t)from, INT64_MAX, INT64_MIN, INT64_MAX}};
    STORE_READ(streams_store(streams), db);
    struct log_extent extent;
    if (!log_extent(db, stream->dead_log, &extent, err))
        return false;
    if (cursor.range.from < extent.first)
        cursor.range.from = extent.first;
    return streams_reply_page(&cursor, ITEM_BODY_DEAD, (size_t)limit, reply, err);
}

static void get_dead_letters(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!dead_letters(request, reply, &err))
        reply_error(reply, &err);
}

static bool empty_dead_letters(struct request *request, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct log_retention all = {.before_us = INT64_MAX};
    int64_t high_us;
    uint64_t removed;
    if (!streams_find(request, &stream, err))
        return false;
    struct streams *streams = request_services(request)->streams;
    {
        STORE_READ(streams_store(streams), db);
        if (!log_end(db, stream->dead_log, &all.floor, &high_us, err))
            return false;
    }
    return log_retain(streams_logs(streams), stream->dead_log, &all, &removed, err);
}

static void delete_dead_letters(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (empty_dead_letters(request, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* ------------------------------------------------------------------ table */

static const struct su_field definition_fields[] = {
    {.name = "source", .type = SU_FIELD_OBJECT, .help = "Where messages come from: {\"kind\": push, amqp or derived, …}; absent: push"},
    {.name = "format", .type = SU_FIELD_TEXT, .help = "json, ndjson or text; absent: json"},
    {.name = "time", .type = SU_FIELD_OBJECT, .help = "Where event time stands: {\"field\", \"format\": auto, s, ms, us, ns or rfc3339}; absent: arrival"},
    {.name = "key", .type = SU_FIELD_TEXT, .help = "Path of the field that is the key"},
    {.name = "delay", .type = SU_FIELD_TEXT, .help = "How long windows wait for late messages; absent: 0s"},
    {.name = "skew", .type = SU_FIELD_TEXT, .help = "How far event time may be ahead of arrival; absent: 1m"},
    {.name = "idle", .type = SU_FIELD_TEXT, .help = "Quiet for so long, event time goes on without messages; absent: never"},
    {.name = "retention", .type = SU_FIELD_OBJECT, .help = "What is kept: {\"age\", \"bytes\", \"messages\"}"},
    {.name = "limits", .type = SU_FIELD_OBJECT, .help = "{\"message_bytes\", \"messages_per_s\"}"},
    {.name = "paused", .type = SU_FIELD_BOOL, .help = "Takes no messages for now"},
    {.name = "description", .type = SU_FIELD_TEXT, .help = "For people"},
    SU_FIELD_END};

static const struct query_field list_query[] = {{"prefix", QUERY_TEXT, "Names that begin with this"},
    {"q", QUERY_TEXT, "Names that hold this, in either case"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field delete_query[] = {
    {"force", QUERY_BOOL, "Even if consumers follow it or streams derive from it"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field messages_query[] = {
    {"from", QUERY_TEXT, "Offset, earliest, latest, RFC 3339 time, or duration before the newest message (60s)"},
    {"to", QUERY_TEXT, "The same; where to stop, exclusive"},
    {"last", QUERY_DURATION, "So much before the newest message, instead of from and to"},
    {"limit", QUERY_INT, "Messages of a page, 1 to 10,000; absent: 100"},
    {"format", QUERY_TEXT, "json (a page), ndjson or csv (all of the range)"},
    {"body", QUERY_TEXT, "raw: only the bodies, with ndjson"},
    {NULL, QUERY_TEXT, NULL}};
static const struct query_field tail_query[] = {
    {"from", QUERY_TEXT, "latest, earliest, offset, RFC 3339 time, or duration before the newest message (60s)"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field dead_query[] = {
    {"from", QUERY_INT, "Offset among the dead letters"}, {"limit", QUERY_INT, "1 to 1,000; absent: 100"}, {NULL, QUERY_TEXT, NULL}};

const struct route streams_routes[] = {
    {.method = "GET", .path = "/v1/streams", .scope = SCOPE_STREAMS_READ, .handle = list_streams, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN,
     .query = list_query, .summary = "List streams by name", .response = "Streams as GET of one gives them"},
    {.method = "PUT", .path = "/v1/streams/{name*}", .scope = SCOPE_STREAMS_WRITE, .handle = put_stream, .body = BODY_JSON,
     .flags = ROUTE_RUN_TOKEN, .request = definition_fields, .summary = "Define a stream, or change its definition",
     .response = "The stream; 200 when it was there before", .success = 201},
    {.method = "GET", .path = "/v1/streams/{name*}", .scope = SCOPE_STREAMS_READ, .handle = get_stream, .flags = ROUTE_RUN_TOKEN,
     .summary = "A stream's definition, schema and state", .response = "The stream"},
    {.method = "DELETE", .path = "/v1/streams/{name*}", .scope = SCOPE_STREAMS_WRITE, .handle = delete_stream, .flags = ROUTE_RUN_TOKEN,
     .query = delete_query, .summary = "Delete a stream with all its messages", .response = "Nothing", .success = 204},
    {.method = "POST", .path = "/v1/streams/{name*}/messages", .scope = SCOPE_STREAMS_WRITE, .body = BODY_STREAM,
     .flags = ROUTE_RUN_TOKEN | ROUTE_NO_IDEMPOTENCY, .upload = &streams_push_ops, .summary = "Append messages, all or none",
     .response = "{first, next, count, repeated} once they are on disk"},
    {.method = "GET", .path = "/v1/streams/{name*}/messages", .scope = SCOPE_STREAMS_READ, .handle = streams_get_messages,
     .flags = ROUTE_RUN_TOKEN, .query = messages_query, .summary = "Read messages by offset or time",
     .response = "{items, next}, or all of the range as NDJSON or CSV"},
    {.method = "GET", .path = "/v1/streams/{name*}/tail", .scope = SCOPE_STREAMS_READ, .handle = streams_get_tail, .flags = ROUTE_RUN_TOKEN,
     .query = tail_query, .summary = "Follow a stream from any offset on",
     .response = "events message, damaged, gone, reset, deleted; ids are offsets", .response_type = "text/event-stream"},
    {.method = "GET", .path = "/v1/streams/{name*}/stats", .scope = SCOPE_STREAMS_READ, .handle = get_stats, .flags = ROUTE_RUN_TOKEN,
     .summary = "Offsets, sizes and rates", .response = "The figures"},
    {.method = "GET", .path = "/v1/streams/{name*}/verify", .scope = SCOPE_STREAMS_READ, .handle = get_verify,
     .summary = "Read every block and say which are damaged", .response = "{offsets, is_whole, damaged}"},
    {.method = "GET", .path = "/v1/streams/{name*}/dead-letters", .scope = SCOPE_STREAMS_READ, .handle = get_dead_letters,
     .flags = ROUTE_RUN_TOKEN, .query = dead_query, .summary = "Messages that could not be taken, with the reason", .response = "{items, next}"},
    {.method = "DELETE", .path = "/v1/streams/{name*}/dead-letters", .scope = SCOPE_STREAMS_WRITE, .handle = delete_dead_letters,
     .summary = "Forget the dead letters", .response = "Nothing", .success = 204},
    ROUTE_END};
