/* /v1/silences, /v1/switch and what a person says about a decision.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include "act/approval.h"
#include "act/decision.h"
#include "act/silence.h"
#include "handler.h"
#include "routes.h"

static struct store *store(const struct request *request) { return request_services(request)->store; }
static struct su_bus *bus(const struct request *request) { return request_services(request)->bus; }

/* --- silences --------------------------------------------------------------------- */

static void post_silence(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *silence;
    if (silence_make(store(request), bus(request), request_tenant(request), request_json(request), request_identity(request)->user, &silence, &err))
        reply_json(reply, 201, silence);
    else
        reply_error(reply, &err);
}

static void list_silences(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    const char *ended = request_query(request, "ended");
    if (silence_list(store(request), request_tenant(request), ended && strcmp(ended, "true") == 0, &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void delete_silence(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (silence_end(store(request), bus(request), request_tenant(request), request_param(request, "id"), request_identity(request)->user, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* --- the switch --------------------------------------------------------------------- */

struct switch_body { const char *actions, *reason; };
static const struct su_field switch_fields[] = {
    SU_FIELD(struct switch_body, actions, SU_FIELD_TEXT, .is_required = true, .help = "running, or stopped: nothing leaves any more, decisions wait"),
    SU_FIELD(struct switch_body, reason, SU_FIELD_TEXT, .max = APPROVAL_REASON_MAX, .help = "Why, for people"), SU_FIELD_END};

static bool set_switch(struct request *request, json_t **ret, struct su_err *err)
{
    struct switch_body body = {0};
    if (!request_bind(request, switch_fields, &body, err))
        return false;
    bool is_stopped = strcmp(body.actions, "stopped") == 0;
    if (!is_stopped && strcmp(body.actions, "running") != 0)
        return su_fail_field(err, SU_INVALID, "/actions", "actions: must be running or stopped, was \"%.20s\"", body.actions);
    return switch_put(store(request), bus(request), request_tenant(request), is_stopped, body.reason, request_identity(request)->user, ret, err);
}

static void put_switch(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *state;
    if (set_switch(request, &state, &err))
        reply_json(reply, 200, state);
    else
        reply_error(reply, &err);
}

static void get_switch(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *state;
    if (switch_get(store(request), request_tenant(request), &state, &err))
        reply_json(reply, 200, state);
    else
        reply_error(reply, &err);
}

/* --- about a decision ----------------------------------------------------------------- */

struct word { const char *reason; };
static const struct su_field word_fields[] = {
    SU_FIELD(struct word, reason, SU_FIELD_TEXT, .max = APPROVAL_REASON_MAX, .help = "Why, for people"), SU_FIELD_END};

static void say(struct request *request, struct reply *reply, enum approval what)
{
    struct su_err err;
    struct word word = {0};
    json_t *decision;
    const struct identity *who = request_identity(request);
    struct approval_said said = {.tenant = who->tenant, .id = request_param(request, "id"), .user = who->user, .said = what};
    if (!request_bind(request, word_fields, &word, &err)) {
        reply_error(reply, &err);
        return;
    }
    said.reason = word.reason;
    if (approval_say(store(request), bus(request), &said, &err) && decision_get(store(request), who->tenant, said.id, &decision, &err))
        reply_json(reply, 200, decision);
    else
        reply_error(reply, &err);
}

static void post_approve(struct request *request, struct reply *reply) { say(request, reply, APPROVAL_YES); }
static void post_reject(struct request *request, struct reply *reply) { say(request, reply, APPROVAL_NO); }
static void post_resend(struct request *request, struct reply *reply) { say(request, reply, APPROVAL_AGAIN); }

static const struct query_field silences_query[] = {{"ended", QUERY_BOOL, "true: those that ended in the last 30 days too"}, {NULL, QUERY_TEXT, NULL}};

const struct route silences_routes[] = {
    {"GET", "/v1/silences", SCOPE_STREAMS_READ, list_silences, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .query = silences_query,
     .summary = "List silences", .response = "Silences, the next to end first"},
    {"POST", "/v1/silences", SCOPE_ACTIONS_WRITE, post_silence, BODY_JSON, .summary = "Silence what matches until a time, once or every week",
     .request = silence_fields, .response = "The silence", .success = 201},
    {"DELETE", "/v1/silences/{id}", SCOPE_ACTIONS_WRITE, delete_silence, .summary = "End a silence now", .response = "Nothing", .success = 204},
    {"GET", "/v1/switch", SCOPE_STREAMS_READ, get_switch, .flags = ROUTE_RUN_TOKEN, .summary = "Do actions leave?",
     .response = "actions: running or stopped; reason, changed_at, changed_by"},
    {"PUT", "/v1/switch", SCOPE_ACTIONS_WRITE, put_switch, BODY_JSON, .summary = "The kill switch: stop all actions, or let them go on",
     .request = switch_fields, .response = "The switch"},
    {"POST", "/v1/decisions/{id}/approve", SCOPE_ACTIONS_WRITE, post_approve, BODY_JSON, ROUTE_BODY_OPTIONAL, .summary = "Say yes to a held decision",
     .request = word_fields, .response = "The decision"},
    {"POST", "/v1/decisions/{id}/reject", SCOPE_ACTIONS_WRITE, post_reject, BODY_JSON, ROUTE_BODY_OPTIONAL, .summary = "Say no to a held decision",
     .request = word_fields, .response = "The decision"},
    {"POST", "/v1/decisions/{id}/resend", SCOPE_ACTIONS_WRITE, post_resend, BODY_JSON, ROUTE_BODY_OPTIONAL,
     .summary = "Send a dead letter once more, under its old key", .request = word_fields, .response = "The decision"},
    ROUTE_END};
