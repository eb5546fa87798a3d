/* A watch's worker: what is in memory of it, and its definition.  See watch_private.h.  Layer act. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "watch_decisions.h"
#include "watch_private.h"

void watch_worker_unref(struct watch_worker *worker)
{
    if (worker == NULL || atomic_fetch_sub(&worker->references, 1) > 1)
        return;
    watch_engine_free(worker->engine);
    pending_free(worker->pending);
    if (worker->definition)
        watch_definition_done(worker->definition);
    free(worker->definition);
    free(worker->tenant);
    free(worker->name);
    free(worker->topic);
    free(worker->message);
    free(worker->model_changes);
    su_lock_done(&worker->lock);
    free(worker);
}

struct watch_worker *watch_worker_ref(struct watch_worker *worker)
{
    if (worker)
        atomic_fetch_add(&worker->references, 1);
    return worker;
}

void watch_say(struct watch_worker *worker, const char *state, const char *message)
{
    SU_LOCKED(&worker->lock);
    if (worker->state == state && strcmp(worker->message, message) == 0)
        return;
    free(worker->message);
    worker->state = state;
    worker->message = su_strdup(message);
}

static void wake(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct watch_worker *worker = arg;
    SU_LOCKED(&worker->watches->lock);
    worker->is_due = true;
    su_wake(&worker->watches->lock);
}

static void wake_model(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct watch_worker *worker = arg;
    SU_LOCKED(&worker->watches->lock);
    worker->has_model_changed = worker->is_due = true;
    su_wake(&worker->watches->lock);
}

struct watch_worker *watch_worker_new(struct watches *watches, const struct watch_row *row)
{
    struct watch_worker *worker = su_alloc(sizeof *worker);
    *worker = (struct watch_worker){.watches = watches, .references = 1, .number = row->number, .tenant = su_strdup(row->tenant),
                                    .name = su_strdup(row->name), .generation = row->generation, .is_due = true, .high_us = INT64_MIN, .shown_us = INT64_MIN,
                                    .state = "starting", .message = su_strdup(""), .pending = pending_new()};
    su_lock_init(&worker->lock);
    worker->models = su_bus_subscribe(watches->bus, "models", wake_model, worker);
    return worker;
}

void watch_worker_end(struct watch_worker *worker)
{
    su_bus_unsubscribe(worker->watches->bus, worker->appends);
    su_bus_unsubscribe(worker->watches->bus, worker->models);
    worker->appends = worker->models = NULL;
}

void watch_listen_to(struct watch_worker *worker, const char *topic)
{
    if (worker->topic && strcmp(worker->topic, topic) == 0)
        return;
    su_bus_unsubscribe(worker->watches->bus, worker->appends);
    free(worker->topic);
    worker->topic = su_strdup(topic);
    worker->appends = su_bus_subscribe(worker->watches->bus, topic, wake, worker);
}

/* --- its definition -------------------------------------------------------------------- */

static bool read_definition(const struct watch_row *row, struct watch_definition *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *given = NULL;
    return su_json_parse(su_str_of(row->definition), "definition", &given, err) && watch_definition_read(given, ret, err);
}

static void set_definition(struct watch_worker *worker, struct watch_definition *definition)
{
    struct watch_definition *made = su_alloc(sizeof *made), *before = worker->definition;
    *made = *definition;
    *definition = (struct watch_definition){0};
    SU_LOCKED(&worker->lock);
    worker->definition = made;
    if (worker->engine)
        watch_engine_set_definition(worker->engine, made, NULL);
    if (before)
        watch_definition_done(before);
    free(before);
}

static bool since_job(struct sql *db, void *arg, struct su_err *err)
{
    const int64_t *what = arg;
    return sql_run(db, err, "UPDATE watches SET next_us = ?2, since_us = ?2 WHERE number = ?1 AND generation = ?3", sql_int(what[0]), sql_int(what[1]),
                   sql_int(what[2]));
}

/* It learns the same under other rules: they hold from the next window on, and a checkpoint of this moment says what is known there. */
static void go_on(struct watch_worker *worker)
{
    struct su_err err;
    int64_t what[] = {worker->number, watch_engine_next(worker->engine), worker->generation};
    watch_save(worker);
    if (what[1] != INT64_MIN && !store_write(worker->watches->store, since_job, what, &err))
        su_log_error("watch.definition", &err, su_kv_text("watch", worker->name));
}

void watch_take_definition(struct watch_worker *worker, const struct watch_row *row)
{
    WATCH_AUTO_DEFINITION struct watch_definition definition = {0};
    const struct watch_definition *before = worker->definition;
    struct su_err err;
    worker->generation = row->generation;
    worker->is_stopped = row->stopped != NULL;
    if (!read_definition(row, &definition, &err)) {
        definition = (struct watch_definition){.given = json_object(), .stream = su_strdup(""), .is_enabled = false};
        worker->is_stopped = true;
        watch_say(worker, "stopped", err.message);
    } else if (row->stopped)
        watch_say(worker, "stopped", row->stopped);
    if (worker->engine && before->is_enabled && definition.is_enabled && watch_definition_learns_same(before, &definition))
        go_on(worker);
    watch_drop_engine(worker);
    set_definition(worker, &definition);
}
