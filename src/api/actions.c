/* /v1/actions and /v1/decisions: where decisions go, and which there were.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include "act/action.h"
#include "act/approval.h"
#include "act/decision.h"
#include "base/clock.h"
#include "act/delivery.h"
#include "handler.h"
#include "routes.h"

static struct actions *service(const struct request *request) { return request_services(request)->actions; }

static void put_action(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *action;
    bool is_new;
    const struct identity *who = request_identity(request);
    if (action_put(service(request), who->tenant, request_param(request, "name"), request_json(request), who->user, &action, &is_new, &err))
        reply_json(reply, is_new ? 201 : 200, action);
    else
        reply_error(reply, &err);
}

static void get_action(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *action;
    if (action_get(service(request), request_tenant(request), request_param(request, "name"), &action, &err))
        reply_json(reply, 200, action);
    else
        reply_error(reply, &err);
}

static void list_actions(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    if (action_list(service(request), request_tenant(request), &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void delete_action(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct identity *who = request_identity(request);
    if (action_delete(service(request), who->tenant, request_param(request, "name"), who->user, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

struct test_body { json_t *decision; };
static const struct su_field test_fields[] = {
    SU_FIELD(struct test_body, decision, SU_FIELD_OBJECT, .help = "Members of the sample that are to differ from the standard one"), SU_FIELD_END};

/* A stopped switch holds for samples too. */
static bool check_running(struct request *request, struct su_err *err)
{
    SU_AUTO_FREE char *reason = NULL;
    bool is_stopped;
    STORE_READ(request_services(request)->store, db);
    if (!switch_is_stopped(db, request_tenant(request), &is_stopped, &reason, err))
        return false;
    return !is_stopped || su_fail(err, SU_CONFLICT, "all actions are stopped: %s", reason);
}

/* Sends a sample the first time; comes back when it is over. */
static bool test(struct request *request, struct reply *reply, struct su_err *err)
{
    struct delivery *delivery = request_services(request)->delivery;
    const char *tenant = request_tenant(request), *name = request_param(request, "name");
    struct test_body body = {0};
    char id[SU_ID_SIZE];
    SU_AUTO_JSON json_t *action = NULL;
    if (!request_bind(request, test_fields, &body, err))
        return false;
    if (request_kept(request) == NULL) {
        if (!check_running(request, err) || !action_get(service(request), tenant, name, &action, err)
            || !delivery_test(delivery, tenant, name, body.decision, id, err))
            return false;
        request_keep(request, id);
    }
    SU_AUTO_FREE char *topic = su_format("action-test/%s", request_kept(request));
    json_t *result = delivery_test_result(delivery, tenant, request_kept(request));
    if (result)
        reply_json(reply, 200, result);
    else if (!reply_park(request, reply, topic))
        return su_fail(err, SU_TIMEOUT, "the action was not done in the time that you wait; it goes on");
    return true;
}

static void post_test(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!test(request, reply, &err))
        reply_error(reply, &err);
}

/* A time of the query in milliseconds; 0: it is not there. */
static bool query_time(const struct request *request, const char *name, int64_t *ret_ms, struct su_err *err)
{
    const char *given = request_query(request, name);
    *ret_ms = 0;
    return given == NULL || su_time_parse(su_str_of(given), ret_ms)
           || su_fail_field(err, SU_INVALID, name, "%s: must be a time like 2026-01-31T12:00:00Z, was \"%.40s\"", name, given);
}

static void list_decisions(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    struct decision_list list = {
        .tenant = request_tenant(request), .stream = request_query(request, "stream"), .consumer = request_query(request, "consumer"),
        .action = request_query(request, "action"), .run = request_query(request, "run"), .state = request_query(request, "state"),
        .watch = request_query(request, "watch"), .key = request_query(request, "key"), .trigger = request_query(request, "trigger"),
        .id = request_query(request, "id"), .cursor = request_query(request, "cursor")};
    if (request_limit(request, &list.limit, &err) && query_time(request, "from", &list.decided_from_ms, &err)
        && query_time(request, "to", &list.decided_to_ms, &err) && decision_list(request_services(request)->store, &list, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void get_decision(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *decision;
    if (decision_get(request_services(request)->store, request_tenant(request), request_param(request, "id"), &decision, &err))
        reply_json(reply, 200, decision);
    else
        reply_error(reply, &err);
}

static const struct query_field decisions_query[] = {
    {"stream", QUERY_TEXT, "Only about this stream"}, {"consumer", QUERY_TEXT, "Only by this consumer"},
    {"action", QUERY_TEXT, "Only for this action"},   {"run", QUERY_TEXT, "Only by this run"},
    {"watch", QUERY_TEXT, "Only by this watch"},      {"key", QUERY_TEXT, "Only about this key of it"},
    {"trigger", QUERY_TEXT, "Only by this trigger"},  {"id", QUERY_TEXT, "Only those whose id begins so"},
    {"from", QUERY_TEXT, "Only made at this time or later (RFC 3339)"}, {"to", QUERY_TEXT, "Only made before this time"},
    {"state", QUERY_TEXT, "pending, held, stopped, sent, failed, expired or noted"}, {NULL, QUERY_TEXT, NULL}};

const struct route actions_routes[] = {
    {"GET", "/v1/actions", SCOPE_STREAMS_READ, list_actions, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .summary = "List actions",
     .response = "Actions"},
    {"PUT", "/v1/actions/{name}", SCOPE_ACTIONS_WRITE, put_action, BODY_JSON, .summary = "Make or change an action",
     .request_schema = action_schema, .response = "The action; 201 when it is new"},
    {"GET", "/v1/actions/{name}", SCOPE_STREAMS_READ, get_action, .flags = ROUTE_RUN_TOKEN, .summary = "An action's target",
     .response = "The action"},
    {"DELETE", "/v1/actions/{name}", SCOPE_ACTIONS_WRITE, delete_action, .summary = "Delete an action; what waits for it fails",
     .response = "Nothing", .success = 204},
    {"POST", "/v1/actions/{name}/test", SCOPE_ACTIONS_WRITE, post_test, BODY_JSON, ROUTE_BODY_OPTIONAL | ROUTE_WAIT | ROUTE_WAIT_STANDARD,
     .summary = "Send a sample, marked as a test, and see what comes of it", .request = test_fields,
     .response = "outcome: sent, retry or failed; status, took_ms, error, answer"},
    {"GET", "/v1/decisions", SCOPE_STREAMS_READ, list_decisions, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .query = decisions_query,
     .summary = "Decisions and their delivery, newest first", .response = "Decisions"},
    {"GET", "/v1/decisions/{id}", SCOPE_STREAMS_READ, get_decision, .flags = ROUTE_RUN_TOKEN, .summary = "One decision",
     .response = "The decision with its grounds and its delivery"},
    ROUTE_END};
