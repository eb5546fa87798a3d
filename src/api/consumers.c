/* /v1/streams/{name}/consumers: following a stream window by window.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include "act/iteration.h"
#include "act/model.h"
#include "aggregate/consumer.h"
#include "handler.h"
#include "routes.h"

static struct consumers *service(const struct request *request) { return request_services(request)->consumers; }
static const char *consumer_of(const struct request *request) { return request_param(request, "consumer"); }

static bool stream_of(struct request *request, struct stream **ret, struct su_err *err)
{
    return stream_get(request_services(request)->streams, request_tenant(request), request_param(request, "name"), ret, err);
}

static void put_consumer(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    json_t *consumer;
    bool is_new;
    if (stream_of(request, &stream, &err)
        && consumer_put(service(request), stream, consumer_of(request), request_json(request), request_identity(request)->user, &consumer, &is_new, &err))
        reply_json(reply, is_new ? 201 : 200, consumer);
    else
        reply_error(reply, &err);
}

static void list_consumers(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    json_t *items;
    if (stream_of(request, &stream, &err) && consumer_list(service(request), stream, &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void get_consumer(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    json_t *consumer;
    if (stream_of(request, &stream, &err) && consumer_get(service(request), stream, consumer_of(request), &consumer, &err))
        reply_json(reply, 200, consumer);
    else
        reply_error(reply, &err);
}

static void delete_consumer(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    if (stream_of(request, &stream, &err) && consumer_delete(service(request), stream, consumer_of(request), &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

static void reply_epoch(struct reply *reply, int64_t epoch)
{
    reply_json(reply, 200, json_pack("{s:I}", "epoch", (json_int_t)epoch));
}

static void post_claim(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    int64_t epoch;
    const struct identity *identity = request_identity(request);
    const char *who = identity->run[0] ? su_arena_format(request_arena(request), "run %s", identity->run) : identity->user;
    if (stream_of(request, &stream, &err) && consumer_claim(service(request), stream, consumer_of(request), who, &epoch, &err))
        reply_epoch(reply, epoch);
    else
        reply_error(reply, &err);
}

struct seek_body { const char *to; };
static const struct su_field seek_fields[] = {
    SU_FIELD(struct seek_body, to, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 64, .help = "earliest, latest, an offset or a time"),
    SU_FIELD_END};

static void post_seek(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    struct seek_body body = {0};
    int64_t epoch;
    if (stream_of(request, &stream, &err) && request_bind(request, seek_fields, &body, &err)
        && consumer_seek(service(request), stream, consumer_of(request), body.to, &epoch, &err))
        reply_epoch(reply, epoch);
    else
        reply_error(reply, &err);
}

/* --- windows ------------------------------------------------------------------- */

static json_t *offer_json(const struct stream *stream, const char *name, const struct consumer_offer *offer)
{
    return json_pack("{s:o, s:o, s:I}", "window", consumer_window_json(&offer->window), "manifest", consumer_manifest(stream, name, offer),
                     "iteration", (json_int_t)offer->iteration);
}

/* Which window a run has in its hands now. */
static void tell_offer(struct request *request, const struct stream *stream, const char *name, const struct consumer_offer *offer)
{
    const struct identity *who = request_identity(request);
    if (who->run[0] == '\0')
        return;
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "tenant", who->tenant, "run", who->run, "stream", stream->name,
                                            "consumer", name, "iteration", (json_int_t)offer->iteration, "window",
                                            consumer_window_json(&offer->window));
    su_bus_publish(request_services(request)->bus, "run-consumed", "window.offered", detail);
}

/* Which version of each named model is live, as the window is handed out: what the follower is to use for it. */
static bool live_models(struct request *request, const char *names, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *models = json_object();
    struct su_str rest = su_str_of(names), name, tail;
    bool has_more = rest.len > 0;
    STORE_READ(request_services(request)->store, db);
    while (has_more) {
        int64_t version;
        has_more = su_str_cut(rest, ',', &name, &tail);
        rest = tail;
        if (json_object_size(models) == ITERATION_MODELS_MAX)
            return su_fail_field(err, SU_LIMIT, "models", "models: at most %d", ITERATION_MODELS_MAX);
        const char *text = model_bare_name(su_arena_strndup(request_arena(request), name.ptr, name.len));
        if (!model_live(db, request_tenant(request), text, &version, err))
            return false;
        json_object_set_new(models, text, version > 0 ? json_integer(version) : json_null());
    }
    *ret = su_take(models);
    return true;
}

static void reply_offer(struct request *request, struct reply *reply, const struct stream *stream, const struct consumer_offer *offer)
{
    struct su_err err;
    const char *names = request_query(request, "models"), *name = consumer_of(request);
    json_t *models = NULL;
    if (names && !live_models(request, names, &models, &err)) {
        reply_error(reply, &err);
        return;
    }
    tell_offer(request, stream, name, offer);
    json_t *answer = offer_json(stream, name, offer);
    if (models)
        json_object_set_new(answer, "models", models);
    reply_json(reply, 200, answer);
}

static void get_next(struct request *request, struct reply *reply)
{
    struct su_err err;
    STREAM_AUTO struct stream *stream = NULL;
    struct consumer_offer offer;
    int64_t epoch = 0;
    bool is_found;
    const char *name = consumer_of(request);
    if (!stream_of(request, &stream, &err) || !request_query_int(request, "epoch", 1, INT64_MAX, &epoch, &err)
        || !consumer_next(service(request), stream, name, epoch, &offer, &is_found, &err))
        reply_error(reply, &err);
    else if (is_found)
        reply_offer(request, reply, stream, &offer);
    else if (!reply_park(request, reply, stream->topic))
        reply_empty(reply, 204);
}

struct commit_body { int64_t epoch; json_t *window, *decisions, *models, *used; };
static const struct su_field commit_fields[] = {
    SU_FIELD(struct commit_body, epoch, SU_FIELD_INT, .is_required = true, .min = 1, .max = 9007199254740991, .help = "As claim gave it"),
    SU_FIELD(struct commit_body, window, SU_FIELD_OBJECT, .is_required = true, .help = "start_us and revision of the window, as next gave them"),
    SU_FIELD(struct commit_body, decisions, SU_FIELD_LIST, .help = "action, parameters, reason of each"),
    SU_FIELD(struct commit_body, models, SU_FIELD_LIST, .help = "name, content (base64), format, kind, stage, metrics, metadata of each"),
    SU_FIELD(struct commit_body, used, SU_FIELD_LIST, .help = "name and version of the models that the decisions were made with"),
    SU_FIELD_END};

/* The window's name; what else next said of it may stand there too. */
static bool window_of(const json_t *window, struct iteration *ret, struct su_err *err)
{
    const json_t *start = json_object_get(window, "start_us"), *revision = json_object_get(window, "revision");
    if (!json_is_integer(start) || (revision != NULL && !json_is_integer(revision)))
        return su_fail_field(err, SU_INVALID, "/window", "window: needs start_us, a whole number, and may have revision");
    ret->start_us = json_integer_value(start);
    ret->revision = json_integer_value(revision);
    return true;
}

static bool commit(struct request *request, json_t **ret, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct commit_body body = {0};
    const struct identity *who = request_identity(request);
    if (!stream_of(request, &stream, err) || !request_bind(request, commit_fields, &body, err))
        return false;
    const char *code;
    if (!request_code(request, &code, err))
        return false;
    struct iteration iteration = {.stream = stream, .consumer = consumer_of(request), .user = who->user, .run = who->run[0] ? who->run : NULL,
                                  .code = code, .epoch = body.epoch, .decisions = body.decisions, .models = body.models, .used = body.used};
    return window_of(body.window, &iteration, err) && iteration_commit(request_services(request)->iterations, &iteration, ret, err);
}

static void post_commit(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *answer;
    if (commit(request, &answer, &err))
        reply_json(reply, 200, answer);
    else
        reply_error(reply, &err);
}

static const struct query_field next_query[] = {
    {"epoch", QUERY_INT, "As claim gave it"}, {"models", QUERY_TEXT, "Names, with commas: tell which version of each is live"}, {NULL, QUERY_TEXT, NULL}};

const struct route consumers_routes[] = {
    {"GET", "/v1/streams/{name*}/consumers", SCOPE_STREAMS_READ, list_consumers, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN,
     .summary = "List a stream's consumers", .response = "Consumers with position and lag"},
    {"PUT", "/v1/streams/{name*}/consumers/{consumer}", SCOPE_STREAMS_WRITE, put_consumer, BODY_JSON, .flags = ROUTE_RUN_TOKEN,
     .summary = "Make a consumer or change its window", .request = consumer_fields, .response = "The consumer; 201 when it is new"},
    {"GET", "/v1/streams/{name*}/consumers/{consumer}", SCOPE_STREAMS_READ, get_consumer, .flags = ROUTE_RUN_TOKEN,
     .summary = "A consumer's window, position, lag and holder", .response = "The consumer"},
    {"DELETE", "/v1/streams/{name*}/consumers/{consumer}", SCOPE_STREAMS_WRITE, delete_consumer,
     .summary = "Delete a consumer", .response = "Nothing", .success = 204},
    {"POST", "/v1/streams/{name*}/consumers/{consumer}/claim", SCOPE_STREAMS_WRITE, post_claim, BODY_JSON,
     .flags = ROUTE_RUN_TOKEN | ROUTE_BODY_OPTIONAL | ROUTE_NO_IDEMPOTENCY,
     .summary = "Take a consumer over: only this epoch may go on", .response = "The epoch"},
    {"GET", "/v1/streams/{name*}/consumers/{consumer}/next", SCOPE_STREAMS_READ, get_next,
     .flags = ROUTE_RUN_TOKEN | ROUTE_WAIT, .query = next_query,
     .summary = "The next closed window", .response = "Window, manifest and iteration; 204 when none has closed in time"},
    {"POST", "/v1/streams/{name*}/consumers/{consumer}/commit", SCOPE_STREAMS_WRITE, post_commit, BODY_JSON,
     .flags = ROUTE_RUN_TOKEN, .body_max = ITERATION_BODY_MAX,
     .summary = "Commit a window with its decisions and models, all or nothing", .request = commit_fields,
     .response = "Iteration, ids of the decisions, versions of the models"},
    {"POST", "/v1/streams/{name*}/consumers/{consumer}/seek", SCOPE_STREAMS_WRITE, post_seek, BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY,
     .summary = "Go on from elsewhere", .request = seek_fields, .response = "The new epoch"},
    ROUTE_END};
