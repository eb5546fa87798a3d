/* /v1/overview: the four concepts in numbers.  Layer api; the handler runs on a worker. */
#include <stdlib.h>
#include <string.h>
#include "act/action.h"
#include "act/decision.h"
#include "act/trigger.h"
#include "act/watch.h"
#include "aggregate/object.h"
#include "aggregate/stream.h"
#include "handler.h"
#include "interact/documents.h"
#include "interact/recipes.h"
#include "interact/run.h"
#include "routes.h"

enum { FAILURES_MAX = 10 };

static json_t *numbers(const uint64_t *values, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    return list;
}

/* Into the common list, with where it is to be looked at. */
static void add_failures(json_t *failures, json_t *items, const char *kind, const char *base, const char *member)
{
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item) {
        const char *id = su_json_string(item, member, NULL);
        json_array_append_new(failures, json_pack("{s:s, s:s, s:s, s:s, s:o}", "at", su_json_string(item, "at", ""), "kind", kind, "name",
                                                  su_json_string(item, "name", ""), "message", su_json_string(item, "message", ""),
                                                  "href", id ? json_sprintf("%s%s", base, id) : json_string("/processing")));
    }
}

static bool add_aggregate(const struct services *services, const char *tenant, json_t *overview, json_t *failures, struct su_err *err)
{
    int64_t objects, bytes;
    struct stream_totals totals;
    if (!object_totals(services->objects, tenant, OBJECT_DATA, &objects, &bytes, err) || !stream_totals(services->streams, tenant, &totals, err))
        return false;
    add_failures(failures, totals.failing, "stream", "/data/streams/", "name");
    json_object_set_new(overview, "aggregate",
                        json_pack("{s:I, s:I, s:I, s:I, s:o, s:o}", "objects", (json_int_t)objects, "object_bytes", (json_int_t)bytes,
                                  "streams", (json_int_t)totals.streams, "messages", (json_int_t)totals.messages, "messages_per_s",
                                  numbers(totals.per_s, STREAM_TOTAL_SECONDS), "failing", totals.failing));
    return true;
}

/* Open notebooks, their kernels, and the memory of those that told it (-1: none did). */
struct open_totals { size_t open, kernels; int64_t memory_bytes; };

static struct open_totals open_totals(const struct services *services, const char *tenant)
{
    struct open_totals totals = {.memory_bytes = -1};
    if (!services->documents)
        return totals;
    SU_AUTO_JSON json_t *items = documents_list(services->documents, tenant);
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item) {
        const json_t *kernel = json_object_get(item, "kernel");
        int64_t memory = su_json_int(kernel, "memory_bytes", -1);
        totals.open++;
        totals.kernels += strcmp(su_json_string(kernel, "state", "none"), "none") != 0;
        if (memory >= 0)
            totals.memory_bytes = memory + (totals.memory_bytes > 0 ? totals.memory_bytes : 0);
    }
    return totals;
}

static bool add_interact(const struct services *services, const char *tenant, json_t *overview, const struct open_totals *open, struct su_err *err)
{
    int64_t notebooks, bytes;
    json_t *recipes;
    if (!object_totals(services->objects, tenant, OBJECT_NOTEBOOK, &notebooks, &bytes, err) ||
        !recipes_list(services->recipes, tenant, NULL, &recipes, err))
        return false;
    json_object_set_new(overview, "interact", json_pack("{s:I, s:I, s:I}", "notebooks", (json_int_t)notebooks, "open", (json_int_t)open->open,
                                                        "recipes", (json_int_t)json_array_size(recipes)));
    json_decref(recipes);
    return true;
}

static bool add_compute(const struct services *services, const char *tenant, json_t *overview, json_t *failures,
                        const struct open_totals *open, struct su_err *err)
{
    struct run_totals totals;
    if (!run_totals(services->runs, tenant, &totals, err))
        return false;
    add_failures(failures, totals.failures, "run", "/runs/", "run");
    json_decref(totals.failures);
    json_object_set_new(overview, "compute",
                        json_pack("{s:I, s:I, s:I, s:I, s:o, s:I, s:I, s:o}", "queued", (json_int_t)totals.queued, "running",
                                  (json_int_t)totals.running, "following", (json_int_t)totals.following, "kernels",
                                  (json_int_t)(totals.running + (int64_t)open->kernels), "memory_bytes",
                                  open->memory_bytes < 0 ? json_null() : json_integer(open->memory_bytes), "finished_1h", (json_int_t)totals.finished_1h,
                                  "failed_1h", (json_int_t)totals.failed_1h, "runs_per_m", numbers(totals.per_m, RUN_TOTAL_MINUTES)));
    return true;
}

static bool add_act(const struct services *services, const char *tenant, json_t *overview, json_t *failures, struct su_err *err)
{
    struct decision_totals totals;
    struct watch_totals watches;
    struct trigger_totals triggers;
    json_t *actions;
    if (!action_list(services->actions, tenant, &actions, err))
        return false;
    size_t count = json_array_size(actions);
    json_decref(actions);
    if (!watch_totals(services->watches, tenant, &watches, err) || !decision_totals(services->store, tenant, &totals, err))
        return false;
    add_failures(failures, totals.failures, "delivery", "/processing/decisions/", "id");
    json_decref(totals.failures);
    if (!trigger_totals(services->triggers, tenant, &triggers, err))
        return false;
    json_object_set_new(overview, "act",
                        json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "actions", (json_int_t)count, "watches",
                                  (json_int_t)watches.watches, "firing", (json_int_t)watches.firing, "worst", watch_level_name(watches.worst),
                                  "triggers", (json_int_t)triggers.triggers, "triggers_stopped", (json_int_t)triggers.stopped, "decisions_24h",
                                  (json_int_t)totals.decisions_24h, "held", (json_int_t)totals.held, "waiting", (json_int_t)totals.waiting, "failed",
                                  (json_int_t)totals.failed, "decisions_per_m",
                                  numbers(totals.per_m, DECISION_TOTAL_MINUTES)));
    return true;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(su_json_string(*(json_t *const *)b, "at", ""), su_json_string(*(json_t *const *)a, "at", ""));
}

static json_t *newest(json_t *failures)
{
    size_t count = json_array_size(failures);
    SU_AUTO_FREE json_t **items = su_alloc((count + 1) * sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(failures, i);
    qsort(items, count, sizeof *items, newest_first);
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < FAILURES_MAX; i++)
        json_array_append(list, items[i]);
    return list;
}

static void get_overview(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct services *services = request_services(request);
    const char *tenant = request_tenant(request);
    SU_AUTO_JSON json_t *overview = json_object(), *failures = json_array();
    const struct open_totals open = open_totals(services, tenant);
    if (!add_aggregate(services, tenant, overview, failures, &err) || !add_interact(services, tenant, overview, &open, &err) ||
        !add_compute(services, tenant, overview, failures, &open, &err) || !add_act(services, tenant, overview, failures, &err)) {
        reply_error(reply, &err);
        return;
    }
    json_object_set_new(overview, "failures", newest(failures));
    reply_json(reply, 200, json_incref(overview));
}

const struct route overview_routes[] = {
    {"GET", "/v1/overview", SCOPE_ANY, get_overview, .summary = "The four concepts in numbers",
     .response = "aggregate, interact, compute, act: counts and rates; failures: the last ten, newest first"},
    ROUTE_END};
