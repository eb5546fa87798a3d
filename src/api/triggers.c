/* /v1/triggers and /v1/hooks: what starts runs and actions by itself.  Layer api; handlers run on workers. */
#include <string.h>
#include "act/trigger.h"
#include "act/trigger_definition.h"
#include "handler.h"
#include "routes.h"
#include "server.h"

enum { HOOK_BODY_MAX = 64 * 1024 };

static struct triggers *service(const struct request *request) { return request_services(request)->triggers; }
static const char *trigger_name(const struct request *request) { return request_param(request, "name"); }

static void put_trigger(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *trigger;
    bool is_new;
    const struct identity *who = request_identity(request);
    if (trigger_put(service(request), who->tenant, trigger_name(request), request_json(request), who->user, &trigger, &is_new, &err))
        reply_json(reply, is_new ? 201 : 200, trigger);
    else
        reply_error(reply, &err);
}

static void get_trigger(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *trigger;
    if (trigger_get(service(request), request_tenant(request), trigger_name(request), &trigger, &err))
        reply_json(reply, 200, trigger);
    else
        reply_error(reply, &err);
}

static void list_triggers(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    if (trigger_list(service(request), request_tenant(request), &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void delete_trigger(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct identity *who = request_identity(request);
    if (trigger_delete(service(request), who->tenant, trigger_name(request), who->user, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

static void list_firings(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    size_t limit;
    SU_AUTO_FREE char *next = NULL;
    if (request_limit(request, &limit, &err)
        && trigger_firings(service(request), request_tenant(request), trigger_name(request), request_query(request, "cursor"), limit, &items,
                           &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

/* --- calls -------------------------------------------------------------------------- */

struct call { json_t *parameters; };
static const struct su_field call_fields[] = {
    SU_FIELD(struct call, parameters, SU_FIELD_OBJECT, .help = "For what starts; templates see them as event.parameters"), SU_FIELD_END};

static void post_fire(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *answer;
    struct call given = {0};
    const struct identity *who = request_identity(request);
    struct trigger_call call = {.tenant = who->tenant, .name = trigger_name(request), .user = who->user};
    if (!request_bind(request, call_fields, &given, &err)) {
        reply_error(reply, &err);
        return;
    }
    call.parameters = given.parameters;
    if (trigger_fire(service(request), &call, &answer, &err))
        reply_json(reply, 202, answer);
    else
        reply_error(reply, &err);
}

static void post_secret(struct request *request, struct reply *reply)
{
    struct su_err err;
    char secret[TRIGGER_SECRET_SIZE];
    const struct identity *who = request_identity(request);
    if (!trigger_secret_new(service(request), who->tenant, trigger_name(request), who->user, secret, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Cache-Control", "no-store");
    reply_json(reply, 201, json_pack("{s:o, s:o}", "path", json_sprintf("/v1/hooks/%s", secret), "url",
                                     json_sprintf("%s/v1/hooks/%s", server_url(request_services(request)->server), secret)));
}

static void delete_secret(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct identity *who = request_identity(request);
    if (trigger_secret_end(service(request), who->tenant, trigger_name(request), who->user, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* A caller that sends the same again after an unclear answer says so by its key: its own, or a webhook's id. */
static const char *key_of(const struct request *request)
{
    const char *key = request_header(request, "Idempotency-Key");
    return key ? key : request_header(request, "webhook-id");
}

static void post_hook(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *answer;
    const char *key = key_of(request);
    const struct trigger_call call = {.key = key, .parameters = request_json(request)};
    if (key && (*key == '\0' || strlen(key) > TRIGGER_KEY_MAX)) {
        su_fail_field(&err, SU_INVALID, "Idempotency-Key", "Idempotency-Key: must have 1 to %d characters", TRIGGER_KEY_MAX);
        reply_error(reply, &err);
        return;
    }
    if (trigger_fire_secret(service(request), request_param(request, "secret"), &call, &answer, &err))
        reply_json(reply, 202, answer);
    else
        reply_error(reply, &err);
}

const struct route triggers_routes[] = {
    {"GET", "/v1/triggers", SCOPE_STREAMS_READ, list_triggers, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .summary = "List triggers",
     .response = "Triggers"},
    {"PUT", "/v1/triggers/{name}", SCOPE_ACTIONS_WRITE, put_trigger, BODY_JSON, .summary = "Make or change a trigger",
     .request = trigger_fields, .response = "The trigger; 201 when it is new"},
    {"GET", "/v1/triggers/{name}", SCOPE_STREAMS_READ, get_trigger, .flags = ROUTE_RUN_TOKEN, .summary = "A trigger and where it stands",
     .response = "The trigger"},
    {"DELETE", "/v1/triggers/{name}", SCOPE_ACTIONS_WRITE, delete_trigger, .summary = "Delete a trigger and what waits in its queue",
     .response = "Nothing", .success = 204},
    {"GET", "/v1/triggers/{name}/firings", SCOPE_STREAMS_READ, list_firings, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN,
     .summary = "When it fired and what came of it: those that wait, then the newest", .response = "Firings"},
    {"POST", "/v1/triggers/{name}/fire", SCOPE_ACTIONS_WRITE, post_fire, BODY_JSON, .flags = ROUTE_BODY_OPTIONAL, .body_max = HOOK_BODY_MAX + 1024,
     .summary = "Fire it now", .request = call_fields, .response = "The firing", .success = 202},
    {"POST", "/v1/triggers/{name}/secret-url", SCOPE_ACTIONS_WRITE, post_secret, .flags = ROUTE_NO_IDEMPOTENCY,
     .summary = "A new secret address that fires it; the one before ends", .response = "The address, shown this once", .success = 201},
    {"DELETE", "/v1/triggers/{name}/secret-url", SCOPE_ACTIONS_WRITE, delete_secret, .summary = "End its secret address", .response = "Nothing",
     .success = 204},
    {"POST", "/v1/hooks/{secret}", SCOPE_OPEN, post_hook, BODY_JSON, .flags = ROUTE_BODY_OPTIONAL | ROUTE_NO_IDEMPOTENCY, .body_max = HOOK_BODY_MAX,
     .summary = "Fire the trigger of this secret address; the body is its parameters", .response = "The firing", .success = 202},
    ROUTE_END};
