/* /v1/replays: tables that the server sends into streams.  Layer api; handlers run on workers. */
#include "aggregate/replay.h"

#include <stdlib.h>

#include "handler.h"
#include "routes.h"

struct replay_body { const char *object, *stream, *time; double speed; bool loop; };
static const struct su_field replay_fields[] = {
    SU_FIELD(struct replay_body, object, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = OBJECT_NAME_MAX, .help = "The table: CSV, NDJSON or JSON"),
    SU_FIELD(struct replay_body, stream, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = OBJECT_NAME_MAX,
             .help = "Where its rows go; made when there is none of that name"),
    SU_FIELD(struct replay_body, time, SU_FIELD_TEXT, .min = 1, .max = STREAM_KEY_MAX, .help = "The column of times; absent: found"),
    SU_FIELD(struct replay_body, speed, SU_FIELD_NUMBER, .help = "So many times as fast as it was; absent: all of it within about a minute"),
    SU_FIELD(struct replay_body, loop, SU_FIELD_BOOL, .help = "From the beginning again at the end, with times that go on"),
    SU_FIELD_END};

static struct replays *service(const struct request *request) { return request_services(request)->replays; }

static bool start(struct request *request, json_t **ret, struct su_err *err)
{
    const struct identity *who = request_identity(request);
    struct replay_body body = {0};
    if (!(who->scopes & 1u << SCOPE_OBJECTS_READ))
        return su_fail(err, SU_DENIED, "reading the table needs the scope objects:read");
    if (!request_bind(request, replay_fields, &body, err))
        return false;
    if (json_object_get(request_json(request), "speed") && !(body.speed > 0))
        return su_fail_field(err, SU_INVALID, "/speed", "speed must be above 0");
    const struct replay_start what = {.tenant = who->tenant, .user = who->user, .object = body.object, .stream = body.stream,
                                      .time = body.time, .speed = body.speed, .is_loop = body.loop};
    return replay_start(service(request), &what, ret, err);
}

static void post_replay(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *replay;
    if (!start(request, &replay, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Location", "/v1/replays/%s", su_json_string(replay, "id", ""));
    reply_json(reply, 201, replay);
}

static void list_replays(struct request *request, struct reply *reply)
{
    struct su_err err;
    size_t limit;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    if (request_limit(request, &limit, &err) &&
        replay_list(service(request), request_tenant(request), request_query(request, "cursor"), limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void get_replay(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *replay;
    if (replay_get(service(request), request_tenant(request), request_param(request, "id"), &replay, &err))
        reply_json(reply, 200, replay);
    else
        reply_error(reply, &err);
}

static void delete_replay(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (replay_delete(service(request), request_tenant(request), request_param(request, "id"), &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

const struct route replays_routes[] = {
    {.method = "POST", .path = "/v1/replays", .scope = SCOPE_STREAMS_WRITE, .handle = post_replay, .body = BODY_JSON, .flags = ROUTE_RUN_TOKEN,
     .request = replay_fields, .success = 201, .summary = "Send a table into a stream at its own pace", .response = "The replay"},
    {.method = "GET", .path = "/v1/replays", .scope = SCOPE_STREAMS_READ, .handle = list_replays, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN,
     .summary = "List replays, newest first", .response = "Replays"},
    {.method = "GET", .path = "/v1/replays/{id}", .scope = SCOPE_STREAMS_READ, .handle = get_replay, .flags = ROUTE_RUN_TOKEN,
     .summary = "How far a replay is", .response = "The replay"},
    {.method = "DELETE", .path = "/v1/replays/{id}", .scope = SCOPE_STREAMS_WRITE, .handle = delete_replay, .flags = ROUTE_RUN_TOKEN,
     .summary = "Stop a replay, or forget one that has ended", .response = "Nothing", .success = 204},
    ROUTE_END};
