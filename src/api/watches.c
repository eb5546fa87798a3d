/* /v1/watches and /v1/backtests: detectors on streams, what they see, and what they would have seen.  Layer api; handlers run on workers. */
#include "act/watch.h"
#include <stdlib.h>
#include <string.h>
#include "handler.h"
#include "routes.h"

static struct watches *service(const struct request *request) { return request_services(request)->watches; }
static const char *name_of(const struct request *request) { return request_param(request, "name"); }

static void reply_watch(struct reply *reply, int status, json_t *watch)
{
    reply_etag(reply, su_json_string(watch, "etag", ""));
    reply_json(reply, status, watch);
}

static void put_watch(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *watch;
    bool is_new;
    const char *if_match, *if_none_match;
    const struct identity *who = request_identity(request);
    if (request_conditions(request, &if_match, &if_none_match, &err)
        && watch_put(service(request), who->tenant, name_of(request), request_json(request), if_match, if_none_match, who->user, &watch,
                     &is_new, &err))
        reply_watch(reply, is_new ? 201 : 200, watch);
    else
        reply_error(reply, &err);
}

static void get_watch(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *watch;
    if (watch_get(service(request), request_tenant(request), name_of(request), &watch, &err))
        reply_watch(reply, 200, watch);
    else
        reply_error(reply, &err);
}

static void list_watches(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    if (watch_list(service(request), request_tenant(request), &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void delete_watch(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct identity *who = request_identity(request);
    if (watch_delete(service(request), who->tenant, name_of(request), who->user, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

static void list_keys(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    struct watch_key_list list = {.tenant = request_tenant(request), .name = name_of(request), .state = request_query(request, "state"),
                                  .part = request_query(request, "part"), .cursor = request_query(request, "cursor")};
    if (request_limit(request, &list.limit, &err) && watch_key_list(service(request), &list, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void get_scores(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_JSON json_t *tested = NULL;
    const struct watch_backtest what = {.tenant = request_tenant(request), .name = name_of(request), .from = request_query(request, "from"),
                                        .to = request_query(request, "to"), .last = request_query(request, "last"),
                                        .key = request_query(request, "key"), .with_scores = true};
    if (watch_backtest(service(request), &what, &tested, &err))
        reply_json(reply, 200, json_incref(json_object_get(tested, "scores")));
    else
        reply_error(reply, &err);
}

struct asked { const char *watch, *from, *to, *last, *key; json_t *definition; int64_t model_version; bool scores; };
#define RANGE_FIELDS                                                                                                                        \
    SU_FIELD(struct asked, from, SU_FIELD_TEXT, .max = 64, .help = "Event time or offset where it begins"),                                 \
    SU_FIELD(struct asked, to, SU_FIELD_TEXT, .max = 64, .help = "Where it ends"),                                                          \
    SU_FIELD(struct asked, last, SU_FIELD_TEXT, .max = 32, .help = "Instead: so much up to the newest message"),                            \
    SU_FIELD(struct asked, key, SU_FIELD_TEXT, .max = 1024, .help = "The key whose scores are wanted"),                                     \
    SU_FIELD(struct asked, definition, SU_FIELD_OBJECT, .help = "Members that replace the watch's own; all of one where no watch is named"), \
    SU_FIELD(struct asked, model_version, SU_FIELD_INT, .min = 1, .max = 1e15, .help = "Another version of its model"),                     \
    SU_FIELD(struct asked, scores, SU_FIELD_BOOL, .help = "Values and scores of one key too")
static const struct su_field watch_backtest_fields[] = {RANGE_FIELDS, SU_FIELD_END};
static const struct su_field backtest_fields[] = {
    SU_FIELD(struct asked, watch, SU_FIELD_TEXT, .min = 1, .max = WATCH_NAME_MAX, .help = "The watch; else definition says all"), RANGE_FIELDS, SU_FIELD_END};

static void test(struct request *request, struct reply *reply, const char *name, const struct su_field *fields)
{
    struct su_err err;
    struct asked asked = {.watch = name};
    json_t *tested;
    if (!request_bind(request, fields, &asked, &err)) {
        reply_error(reply, &err);
        return;
    }
    const struct watch_backtest what = {.tenant = request_tenant(request), .name = asked.watch, .from = asked.from, .to = asked.to,
                                        .last = asked.last, .key = asked.key, .definition = asked.definition,
                                        .model_version = asked.model_version, .with_scores = asked.scores, .with_decisions = true};
    if (watch_backtest(service(request), &what, &tested, &err))
        reply_json(reply, 200, tested);
    else
        reply_error(reply, &err);
}

static void backtest_watch(struct request *request, struct reply *reply) { test(request, reply, name_of(request), watch_backtest_fields); }
static void backtest(struct request *request, struct reply *reply) { test(request, reply, NULL, backtest_fields); }

static const struct query_field keys_query[] = {
    {"state", QUERY_TEXT, "warming, ok, pending, firing, cooling, nodata, or open: inside an episode"},
    {"part", QUERY_TEXT, "Only keys that hold this text"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field scores_query[] = {
    {"key", QUERY_TEXT, "The key; none for a watch without by"}, {"from", QUERY_TEXT, "Event time or offset where it begins"},
    {"to", QUERY_TEXT, "Where it ends"}, {"last", QUERY_TEXT, "Instead: so much up to the newest message, such as 1h"}, {NULL, QUERY_TEXT, NULL}};

const struct route watches_routes[] = {
    {"GET", "/v1/watches", SCOPE_STREAMS_READ, list_watches, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .summary = "List watches",
     .response = "Watches with their states"},
    {"PUT", "/v1/watches/{name}", SCOPE_ACTIONS_WRITE, put_watch, BODY_JSON, .summary = "Make or change a watch", .request = watch_fields,
     .response = "The watch; 201 when it is new"},
    {"GET", "/v1/watches/{name}", SCOPE_STREAMS_READ, get_watch, .flags = ROUTE_RUN_TOKEN, .summary = "A watch: definition, state, lag, keys",
     .response = "The watch"},
    {"DELETE", "/v1/watches/{name}", SCOPE_ACTIONS_WRITE, delete_watch, .summary = "Delete a watch; its decisions stay", .response = "Nothing",
     .success = 204},
    {"GET", "/v1/watches/{name}/keys", SCOPE_STREAMS_READ, list_keys, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .query = keys_query,
     .summary = "Its keys as they are now", .response = "Keys with state, level and last verdict"},
    {"GET", "/v1/watches/{name}/scores", SCOPE_STREAMS_READ, get_scores, .flags = ROUTE_RUN_TOKEN, .query = scores_query,
     .summary = "Values and scores of a key, window by window", .response = "Columns: times (µs), values, scores, expected, low, high, levels"},
    {"POST", "/v1/watches/{name}/backtest", SCOPE_STREAMS_READ, backtest_watch, BODY_JSON, .flags = ROUTE_RUN_TOKEN | ROUTE_BODY_OPTIONAL,
     .summary = "What the watch would have decided over a range", .request = watch_backtest_fields,
     .response = "Decisions, and how they compare with those that were made"},
    {"POST", "/v1/backtests", SCOPE_STREAMS_READ, backtest, BODY_JSON, .flags = ROUTE_RUN_TOKEN,
     .summary = "What a watch that may not exist yet would have decided", .request = backtest_fields, .response = "Decisions"},
    ROUTE_END};
