/* What a turn of a watch decided: see watch_decisions.h.  Layer act. */
#include "watch_decisions.h"
#include <stdlib.h>
#include <string.h>
#include "aggregate/promise.h"
#include "base/clock.h"
#include "base/log.h"
#include "decision.h"

enum { PENDING_MAX = 200000 };

struct item {
    char id[SU_ID_SIZE];
    char *key, *action, *reason;
    const char *event, *level;      /* static */
    enum watch_level from, to;
    json_t *parameters, *grounds, *models;
    int64_t start_us, end_us;
    struct window window;
    bool is_new;
};

struct pending {
    struct item *items;
    size_t count, capacity;
    const struct pending_context *context;      /* of the commit under way */
};

struct pending *pending_new(void) { return su_alloc(sizeof(struct pending)); }
bool pending_is_empty(const struct pending *pending) { return pending->count == 0; }

static void item_done(struct item *item)
{
    free(item->key);
    free(item->action);
    free(item->reason);
    json_decref(item->parameters);
    json_decref(item->grounds);
    json_decref(item->models);
}

void pending_clear(struct pending *pending)
{
    for (size_t i = 0; i < pending->count; i++)
        item_done(&pending->items[i]);
    pending->count = 0;
}

void pending_free(struct pending *pending)
{
    if (pending == NULL)
        return;
    pending_clear(pending);
    free(pending->items);
    free(pending);
}

bool pending_add(struct pending *pending, int64_t number, const struct watch_emitted *emitted, struct su_err *err)
{
    if (pending->count == PENDING_MAX)
        return su_fail(err, SU_LIMIT, "more than %d decisions at once; let the watch group them", PENDING_MAX);
    if (pending->count == pending->capacity) {
        pending->capacity = pending->capacity ? pending->capacity * 2 : 16;
        pending->items = su_realloc(pending->items, pending->capacity * sizeof *pending->items);
    }
    struct item *item = &pending->items[pending->count++];
    *item = (struct item){.key = su_strdup(emitted->key), .action = emitted->action ? su_strdup(emitted->action->action) : NULL,
                          .reason = su_strdup(emitted->reason), .event = emitted->event, .level = watch_level_name(emitted->to),
                          .from = emitted->from, .to = emitted->to, .parameters = json_incref((json_t *)(uintptr_t)emitted->parameters),
                          .grounds = json_incref((json_t *)(uintptr_t)emitted->grounds), .start_us = emitted->start_us, .end_us = emitted->end_us};
    watch_decision_id(number, emitted, item->id);
    return true;
}

/* --- before the commit ------------------------------------------------------------------ */

static bool was_made(struct sql *db, const char *tenant, const char *id, bool *ret, struct su_err *err)
{
    int64_t found;
    if (!sql_get_int(db, 0, &found, err, "SELECT 1 FROM decisions WHERE tenant = ?1 AND id = ?2", sql_text(tenant), sql_text(id)))
        return false;
    *ret = found != 0;
    return true;
}

/* Of the windows gone through again: each decision must be there. */
static bool compare(struct pending *pending, const struct pending_context *context, struct sql *db, uint64_t *differing, struct su_err *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < pending->count; i++) {
        struct item *item = &pending->items[i];
        bool is_there;
        if (context->committed_us == INT64_MIN || item->start_us >= context->committed_us) {
            pending->items[kept++] = *item;
            continue;
        }
        if (!was_made(db, context->tenant, item->id, &is_there, err))
            return false;
        if (!is_there && (*differing)++ == 0)
            su_log(SU_LOG_WARNING, "watch.differs", su_kv_text("watch", context->watch), su_kv_text("key", item->key), su_kv_int("window", item->start_us));
        item_done(item);
    }
    pending->count = kept;
    return true;
}

static bool find_window(struct pending *pending, size_t index, const struct pending_context *context, struct sql *db, struct su_err *err)
{
    struct item *item = &pending->items[index];
    const struct window_spec spec = watch_windows(context->definition, context->stream);
    bool is_found;
    if (index > 0 && pending->items[index - 1].start_us == item->start_us) {
        item->window = pending->items[index - 1].window;
        return true;
    }
    if (!window_at(streams_logs(context->watches->streams), db, context->stream->log, &spec, item->start_us, 0, &item->window, &is_found, err))
        return false;
    if (!is_found)
        item->window = (struct window){.start_us = item->start_us, .end_us = item->end_us};
    return true;
}

static json_t *models_of(const struct pending_context *context, int64_t start_us)
{
    int64_t version;
    if (context->definition->model == NULL)
        return NULL;
    watch_models_at(context->models, context->model_count, start_us, &version);
    return json_pack("[{s:s, s:I}]", "name", context->definition->model, "version", (json_int_t)version);
}

bool pending_prepare(struct pending *pending, const struct pending_context *context, uint64_t *differing, struct su_err *err)
{
    STORE_READ(context->watches->store, db);
    pending->context = context;
    if (!compare(pending, context, db, differing, err))
        return false;
    for (size_t i = 0; i < pending->count; i++) {
        if (!find_window(pending, i, context, db, err))
            return false;
        pending->items[i].models = models_of(context, pending->items[i].start_us);
    }
    return true;
}

/* --- the commit and after ------------------------------------------------------------------ */

/* What episodes begin and end with, for those who wait for it; NULL: neither. */
static const char *anomaly_event(const struct item *item)
{
    bool is_end = strcmp(item->event, "resolved") == 0 || (strcmp(item->event, "steady") == 0 && item->to == WATCH_OK);
    return strcmp(item->event, "opened") == 0 ? "anomaly.opened" : is_end ? "anomaly.resolved" : NULL;
}

static json_t *detail_of(const struct pending_context *context, const struct item *item)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "watch", context->watch, "key", item->key, "level", item->level, "decision", item->id,
                     "stream", context->stream->name, "step", item->event, "action", su_json_text_or_null(item->action));
}

/* A trigger may wait for it: it is told even if the server ends before it could. */
static bool promise(struct sql *db, const struct pending_context *context, const struct item *item, struct su_err *err)
{
    const char *anomaly = anomaly_event(item);
    SU_AUTO_JSON json_t *detail = anomaly && item->is_new ? detail_of(context, item) : NULL;
    return detail == NULL || event_promise(db, context->tenant, anomaly, detail, err);
}

bool pending_insert(struct sql *db, struct pending *pending, struct su_err *err)
{
    const struct pending_context *context = pending->context;
    SU_AUTO_FREE char *user = su_format("watch %s", context->watch);
    for (size_t i = 0; i < pending->count; i++) {
        struct item *item = &pending->items[i];
        char id[SU_ID_SIZE];
        const struct decision decision = {
            .tenant = context->tenant, .user = user, .reason = item->reason, .id = item->id, .stream = context->stream->name,
            .watch = context->watch, .key = item->key, .event = item->event, .level = item->level, .action = item->action,
            .parameters = item->parameters, .grounds = item->grounds, .models = item->models, .code = context->code, .window = item->window,
            .is_dry = context->definition->is_dry, .keys = context->keys};
        if (!decision_insert(db, &decision, id, &item->is_new, err) || !promise(db, context, item, err))
            return false;
    }
    return true;
}

void pending_tell(const struct pending *pending, const struct pending_context *context)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", context->tenant);
    size_t told = 0;
    for (size_t i = 0; i < pending->count; i++) {
        const struct item *item = &pending->items[i];
        if (!item->is_new)
            continue;
        SU_AUTO_JSON json_t *detail = detail_of(context, item);
        const char *anomaly = anomaly_event(item);
        told++;
        su_bus_publish(context->watches->bus, topic, "decision.made", detail);
        if (anomaly)
            su_bus_publish(context->watches->bus, topic, anomaly, detail);
    }
    if (told > 0)
        su_bus_publish(context->watches->bus, "decisions", "made", NULL);
}

json_t *watch_emitted_json(int64_t number, const struct watch_emitted *emitted)
{
    char id[SU_ID_SIZE], start[SU_TIME_TEXT_US], end[SU_TIME_TEXT_US];
    watch_decision_id(number, emitted, id);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O, s:O, s:s, s:{s:s, s:s, s:I, s:I}}", "id", id, "key", emitted->key, "event", emitted->event,
                     "level", watch_level_name(emitted->to), "from_level", watch_level_name(emitted->from), "action",
                     emitted->action ? emitted->action->action : "", "parameters", emitted->parameters ? emitted->parameters : json_null(),
                     "grounds", emitted->grounds ? emitted->grounds : json_null(), "reason", emitted->reason, "window", "start",
                     su_time_text_us(emitted->start_us, start), "end", su_time_text_us(emitted->end_us, end), "start_us",
                     (json_int_t)emitted->start_us, "end_us", (json_int_t)emitted->end_us);
}
