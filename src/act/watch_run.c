/* Watches at work: the threads, turns, commits.  See watch.h and watch_private.h.  Layer act; threads "watches-N".
 *
 * A turn of a watch goes through what windows have closed, at most WINDOWS_PER_TURN, and commits the decisions and the
 * position together.  A turn without decisions commits its position only now and then: going through its windows again makes the
 * same state. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "model.h"
#include "watch_decisions.h"
#include "watch_private.h"

static const double DRIFT_ENTER = 0.8, DRIFT_LEAVE = 0.65;
enum { WINDOWS_PER_TURN = 512, RETRY_MS = 1000, COMMIT_MS = 5000, CHECKPOINT_MS = 60 * 1000 };

/* --- workers ------------------------------------------------------------------------ */

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

static struct watch_worker *worker_ref(struct watch_worker *worker)
{
    if (worker)
        atomic_fetch_add(&worker->references, 1);
    return worker;
}

struct watch_worker *watches_find(struct watches *watches, const char *tenant, const char *name)
{
    SU_LOCKED(&watches->lock);
    for (size_t i = 0; i < watches->worker_count; i++) {
        struct watch_worker *worker = watches->workers[i];
        if (strcmp(worker->name, name) == 0 && strcmp(worker->tenant, tenant) == 0)
            return worker_ref(worker);
    }
    return NULL;
}

static void say(struct watch_worker *worker, const char *state, const char *message)
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

static struct watch_worker *worker_new(struct watches *watches, const struct watch_row *row)
{
    struct watch_worker *worker = su_alloc(sizeof *worker);
    *worker = (struct watch_worker){.watches = watches, .references = 1, .number = row->number, .tenant = su_strdup(row->tenant),
                                    .name = su_strdup(row->name), .generation = row->generation, .is_due = true, .high_us = INT64_MIN, .shown_us = INT64_MIN,
                                    .state = "starting", .message = su_strdup(""), .pending = pending_new()};
    su_lock_init(&worker->lock);
    worker->models = su_bus_subscribe(watches->bus, "models", wake_model, worker);
    return worker;
}

static void worker_end(struct watch_worker *worker)
{
    su_bus_unsubscribe(worker->watches->bus, worker->appends);
    su_bus_unsubscribe(worker->watches->bus, worker->models);
    worker->appends = worker->models = NULL;
}

static void listen_to(struct watch_worker *worker, const char *topic)
{
    if (worker->topic && strcmp(worker->topic, topic) == 0)
        return;
    su_bus_unsubscribe(worker->watches->bus, worker->appends);
    free(worker->topic);
    worker->topic = su_strdup(topic);
    worker->appends = su_bus_subscribe(worker->watches->bus, topic, wake, worker);
}

/* --- beginning ----------------------------------------------------------------------- */

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

struct binding { const struct watch_row *row; int64_t stream; };

/* Positions are about one stream: another one of that name is begun from its start. */
static bool bind_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct binding *binding = arg;
    const struct watch_row *row = binding->row;
    if (row->stream == 0)
        return sql_run(db, err, "UPDATE watches SET stream = ?2 WHERE number = ?1", sql_int(row->number), sql_int(binding->stream));
    return watch_checkpoints_drop(db, row->tenant, row->number, err)
        && sql_run(db, err, "DELETE FROM watch_models WHERE watch = ?1", sql_int(row->number))
        && sql_run(db, err, "UPDATE watches SET stream = ?2, base_us = ?3, from_us = ?3, next_us = ?3, since_us = ?3, keep_from = 0 WHERE number = ?1",
                   sql_int(row->number), sql_int(binding->stream), sql_int(INT64_MIN));
}

static bool load_row(struct watch_worker *worker, const struct stream *stream, struct watch_row *ret, struct su_err *err)
{
    for (;;) {
        {
            STORE_READ(worker->watches->store, db);
            if (!watch_row_load_number(db, worker->number, ret, err))
                return false;
        }
        if (ret->stream == stream->id)
            return true;
        struct binding binding = {ret, stream->id};
        bool is_bound = store_write(worker->watches->store, bind_job, &binding, err);
        watch_row_done(ret);
        if (!is_bound)
            return false;
    }
}

static bool note_model_job(struct sql *db, void *arg, struct su_err *err)
{
    const int64_t *what = arg;
    return sql_run(db, err, "INSERT OR REPLACE INTO watch_models (watch, from_us, version) VALUES (?1, ?2, ?3)", sql_int(what[0]), sql_int(what[1]),
                   sql_int(what[2]));
}

/* The version that is live now is used from start_us on, and that is written down first. */
static bool note_model(struct watch_worker *worker, int64_t start_us, struct su_err *err)
{
    int64_t live, used;
    {
        STORE_READ(worker->watches->store, db);
        if (!watch_live_model(worker->watches, db, worker->tenant, worker->definition, &live, err))
            return false;
    }
    watch_models_at(worker->model_changes, worker->model_count, INT64_MAX, &used);
    if (live == used)
        return true;
    int64_t what[] = {worker->number, start_us, live};
    if (!store_write(worker->watches->store, note_model_job, what, err))
        return false;
    STORE_READ(worker->watches->store, db);
    struct watch_model *models;
    size_t count;
    if (!watch_models_load(db, worker->number, &models, &count, err))
        return false;
    SU_LOCKED(&worker->lock);
    free(worker->model_changes);
    worker->model_changes = models;
    worker->model_count = count;
    return true;
}

static bool load_models(struct watch_worker *worker, struct su_err *err)
{
    free(worker->model_changes);
    worker->model_changes = NULL;
    worker->model_count = 0;
    if (worker->definition->model == NULL)
        return true;
    {
        STORE_READ(worker->watches->store, db);
        if (!watch_models_load(db, worker->number, &worker->model_changes, &worker->model_count, err))
            return false;
    }
    return worker->model_count > 0 || note_model(worker, worker->base_us, err);
}

static bool keep_decision(void *arg, const struct watch_emitted *emitted, struct su_err *err)
{
    struct watch_worker *worker = arg;
    return pending_add(worker->pending, worker->number, emitted, err);
}

static bool make_engine(struct watch_worker *worker, struct sql *db, int64_t start_us, struct watch_engine **ret, struct su_err *err)
{
    struct scale_policy policies[WATCH_ACTIONS_MAX];
    struct detector *detector;
    int64_t version;
    const struct watch_engine_ops ops = {.emit = keep_decision, .arg = worker};
    watch_models_at(worker->model_changes, worker->model_count, start_us, &version);
    if (!watch_policies(db, worker->tenant, worker->definition, policies, err)
        || !watch_detector(worker->watches, worker->tenant, worker->definition, version, &detector, err))
        return false;
    *ret = watch_engine_new(worker->definition, &detector, policies, &ops);
    watch_engine_set_from(*ret, worker->from_us);
    return true;
}

/* From the newest checkpoint, or from the beginning. */
static bool begin_engine(struct watch_worker *worker, struct su_err *err)
{
    struct watch_engine *engine = NULL;
    bool is_found = false;
    STORE_READ(worker->watches->store, db);
    if (!make_engine(worker, db, worker->committed_us == INT64_MIN ? worker->base_us : worker->committed_us, &engine, err))
        return false;
    if (!watch_checkpoint_load(worker->watches, db, worker->number, INT64_MAX, engine, &is_found, err)) {
        watch_engine_free(engine);
        return false;
    }
    if (!is_found) {
        watch_engine_free(engine);
        if (!make_engine(worker, db, worker->base_us, &engine, err))
            return false;
    }
    worker->checkpoint_us = watch_engine_next(engine);
    worker->checkpoint_ms = worker->committed_ms = su_mono_ms();
    SU_LOCKED(&worker->lock);
    worker->engine = engine;
    worker->shown_us = worker->committed_us;
    return true;
}

static bool begin(struct watch_worker *worker, const struct stream *stream, struct su_err *err)
{
    WATCH_AUTO_ROW struct watch_row row = {0};
    if (!load_row(worker, stream, &row, err))
        return false;
    worker->stream_id = stream->id;
    worker->base_us = row.base_us;
    worker->from_us = row.from_us;
    worker->committed_us = row.next_us;
    return load_models(worker, err) && begin_engine(worker, err);
}

static void drop_engine(struct watch_worker *worker)
{
    SU_LOCKED(&worker->lock);
    watch_engine_free(su_take(worker->engine));
    pending_clear(worker->pending);
}

/* --- commits ------------------------------------------------------------------------------ */

struct committing { struct watch_worker *worker; const struct stream *stream; int64_t next_us; bool is_moved; };

static bool commit_job(struct sql *db, void *arg, struct su_err *err)
{
    struct committing *c = arg;
    struct watch_worker *worker = c->worker;
    if (!sql_run(db, err, "UPDATE watches SET next_us = ?2 WHERE number = ?1 AND generation = ?3", sql_int(worker->number), sql_int(c->next_us),
                 sql_int(worker->generation)))
        return false;
    c->is_moved = sql_changes(db) > 0;      /* else the definition has changed: what was decided under the old one is not wanted any more */
    return !c->is_moved || pending_insert(db, worker->pending, err);
}

static bool commit(struct watch_worker *worker, const struct stream *stream, struct su_err *err)
{
    struct committing c = {.worker = worker, .stream = stream, .next_us = watch_engine_next(worker->engine)};
    const struct pending_context context = {.watches = worker->watches, .stream = stream, .tenant = worker->tenant, .watch = worker->name,
                                            .definition = worker->definition, .code = watch_engine_code(worker->engine),
                                            .models = worker->model_changes, .model_count = worker->model_count,
                                            .committed_us = worker->committed_us};
    if (!pending_prepare(worker->pending, &context, &worker->differing, err) || !store_write(worker->watches->store, commit_job, &c, err))
        return false;
    if (c.is_moved)
        pending_tell(worker->pending, &context);
    pending_clear(worker->pending);
    worker->committed_us = c.next_us;
    worker->committed_ms = su_mono_ms();
    return true;
}

static bool checkpoint(struct watch_worker *worker, const struct stream *stream, struct su_err *err)
{
    const struct watch_checkpoint what = {worker->number, worker->generation, worker->tenant, stream, worker->engine};
    int64_t next = watch_engine_next(worker->engine);
    worker->checkpoint_ms = su_mono_ms();
    if (next == INT64_MIN || next == worker->checkpoint_us)
        return true;
    if (!watch_checkpoint_save(worker->watches, &what, err))
        return false;
    worker->checkpoint_us = next;
    return true;
}

/* --- a turn ---------------------------------------------------------------------------------- */

static bool go_through(struct watch_worker *worker, const struct stream *stream, struct sql *db, bool *ret_more, struct su_err *err)
{
    const struct window_spec spec = watch_windows(worker->definition, stream);
    int64_t slide = spec.slide_us ? spec.slide_us : spec.every_us, next = watch_engine_next(worker->engine), version;
    uint64_t end;
    int64_t high_us;
    if (!log_end(db, stream->log, &end, &high_us, err))
        return false;
    SU_LOCKED(&worker->lock);
    worker->high_us = high_us;
    int64_t last = panes_last_closed(&spec, high_us), begin_us = next == INT64_MIN ? worker->base_us : next;
    *ret_more = begin_us != INT64_MIN && last > begin_us && (last - begin_us) / slide > WINDOWS_PER_TURN;
    if (last == INT64_MIN || (next != INT64_MIN && last < next))
        return true;
    if (*ret_more)
        last = begin_us + WINDOWS_PER_TURN * slide;
    struct watch_pass pass = {.watches = worker->watches, .tenant = worker->tenant, .stream = stream, .definition = worker->definition,
                              .engine = worker->engine, .base_us = worker->base_us, .models = worker->model_changes,
                              .model_count = worker->model_count};
    pass.model_next = watch_models_at(worker->model_changes, worker->model_count, begin_us, &version);
    return watch_pass_to(&pass, db, last, err);
}

static bool look_at_model(struct watch_worker *worker, struct su_err *err)
{
    bool has_changed;
    {
        SU_LOCKED(&worker->watches->lock);
        has_changed = worker->has_model_changed;
        worker->has_model_changed = false;
    }
    int64_t next = watch_engine_next(worker->engine);
    if (!has_changed || worker->definition->model == NULL || next == INT64_MIN)
        return true;
    struct su_err why;
    if (note_model(worker, next, &why))
        return true;
    return why.code == SU_UNAVAILABLE || (*err = why, false);
}

/* A score is a rank among what was learned, so on more of the same scores average a half. */
static void look_for_drift(struct watch_worker *worker)
{
    struct watch_engine_totals totals;
    struct su_err err;
    struct model_drift drift = {.tenant = worker->tenant, .name = worker->definition->model, .stream = worker->definition->stream, .watch = worker->name};
    if (worker->definition->model == NULL)
        return;
    watch_engine_totals(worker->engine, &totals);
    if (worker->has_drifted)
        worker->has_drifted = totals.mean_score > DRIFT_LEAVE;
    else if (totals.mean_score > DRIFT_ENTER && totals.scored >= WATCH_SCORE_WINDOWS) {
        worker->has_drifted = true;
        drift.score = totals.mean_score;
        watch_models_at(worker->model_changes, worker->model_count, watch_engine_next(worker->engine), &drift.version);
        if (!model_drifted(worker->watches->models, &drift, &err))
            su_log_error("watch.drift", &err, su_kv_text("watch", worker->name));
    }
}

static bool turn(struct watch_worker *worker, bool *ret_more, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    if (!stream_get(worker->watches->streams, worker->tenant, worker->definition->stream, &stream, err)) {
        if (err->code != SU_NOT_FOUND)
            return false;
        drop_engine(worker);
        say(worker, "waiting", "its stream does not exist");
        return true;
    }
    listen_to(worker, stream->topic);
    if (worker->engine && worker->stream_id != stream->id)
        drop_engine(worker);
    if (worker->engine == NULL && !begin(worker, stream, err))
        return false;
    if (!look_at_model(worker, err))
        return false;
    {
        STORE_READ(worker->watches->store, db);
        if (!go_through(worker, stream, db, ret_more, err))
            return false;
    }
    int64_t now = su_mono_ms();
    if ((!pending_is_empty(worker->pending) || (now - worker->committed_ms > COMMIT_MS && watch_engine_next(worker->engine) != worker->committed_us))
        && !commit(worker, stream, err))
        return false;
    if (now - worker->checkpoint_ms > CHECKPOINT_MS && !checkpoint(worker, stream, err))
        return false;
    look_for_drift(worker);
    say(worker, *ret_more ? "catching up" : "running", "");
    SU_LOCKED(&worker->lock);
    worker->shown_us = watch_engine_next(worker->engine);
    return true;
}

/* A fault that trying again does not mend stops the watch until its definition changes. */
static bool is_lasting(const struct su_err *why)
{
    return why->code == SU_INVALID || why->code == SU_NOT_FOUND || why->code == SU_DENIED || (why->code == SU_LIMIT && why->slug == NULL);
}

struct stopping { int64_t number, generation; const char *message; };

static bool stop_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct stopping *stopping = arg;
    return sql_run(db, err, "UPDATE watches SET stopped = ?2 WHERE number = ?1 AND generation = ?3", sql_int(stopping->number),
                   sql_text(stopping->message), sql_int(stopping->generation));
}

static void fail(struct watch_worker *worker, const struct su_err *why)
{
    SU_AUTO_FREE char *message = su_format("%s%s%s", why->message, *why->hint ? ": " : "", why->hint);
    drop_engine(worker);        /* what it had gone through without a commit is gone through again */
    worker->is_stopped = is_lasting(why);
    worker->retry_ms = worker->is_stopped ? 0 : su_mono_ms() + RETRY_MS;
    say(worker, worker->is_stopped ? "stopped" : "waiting", message);
    if (!worker->is_stopped)
        return;
    struct stopping stopping = {worker->number, worker->generation, message};
    struct su_err err;
    su_log_error("watch.stopped", why, su_kv_text("watch", worker->name));
    if (!store_write(worker->watches->store, stop_job, &stopping, &err))
        su_log_error("watch.stop_failed", &err, su_kv_text("watch", worker->name));
}

static void run_worker(struct watch_worker *worker)
{
    struct su_err err;
    bool has_more = false;
    worker->retry_ms = 0;
    if (!worker->definition->is_enabled)
        say(worker, "paused", "");
    else if (!turn(worker, &has_more, &err))
        fail(worker, &err);
    if (!has_more)
        return;
    SU_LOCKED(&worker->watches->lock);
    worker->is_due = true;
}

/* --- the threads --------------------------------------------------------------------------------- */

static void save(struct watch_worker *worker)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct su_err err;
    if (worker->engine && stream_get(worker->watches->streams, worker->tenant, worker->definition->stream, &stream, &err)
        && stream->id == worker->stream_id && !(commit(worker, stream, &err) && checkpoint(worker, stream, &err)))
        su_log_error("watch.checkpoint", &err, su_kv_text("watch", worker->name));
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
    save(worker);
    if (what[1] != INT64_MIN && !store_write(worker->watches->store, since_job, what, &err))
        su_log_error("watch.definition", &err, su_kv_text("watch", worker->name));
}

static void take_definition(struct watch_worker *worker, const struct watch_row *row)
{
    WATCH_AUTO_DEFINITION struct watch_definition definition = {0};
    const struct watch_definition *before = worker->definition;
    struct su_err err;
    worker->generation = row->generation;
    worker->is_stopped = row->stopped != NULL;
    if (!read_definition(row, &definition, &err)) {
        definition = (struct watch_definition){.given = json_object(), .stream = su_strdup(""), .is_enabled = false};
        worker->is_stopped = true;
        say(worker, "stopped", err.message);
    } else if (row->stopped)
        say(worker, "stopped", row->stopped);
    if (worker->engine && before->is_enabled && definition.is_enabled && watch_definition_learns_same(before, &definition))
        go_on(worker);
    drop_engine(worker);
    set_definition(worker, &definition);
}

static struct watch_worker *known(struct watches *watches, int64_t number)
{
    for (size_t i = 0; i < watches->worker_count; i++)
        if (watches->workers[i]->number == number)
            return watches->workers[i];
    return NULL;
}

/* Locked. */
static void add_worker(struct watches *watches, struct watch_worker *worker)
{
    if (watches->worker_count == watches->worker_capacity) {
        watches->worker_capacity = watches->worker_capacity ? watches->worker_capacity * 2 : 16;
        watches->workers = su_realloc(watches->workers, watches->worker_capacity * sizeof *watches->workers);
    }
    watches->workers[watches->worker_count++] = worker;
}

static bool is_mine(int64_t number, size_t thread) { return (size_t)number % WATCH_THREADS == thread; }

static void reload_one(struct watches *watches, int64_t number)
{
    WATCH_AUTO_ROW struct watch_row row = {0};
    struct su_err err;
    {
        STORE_READ(watches->store, db);
        if (!watch_row_load_number(db, number, &row, &err))
            return;
    }
    su_lock(&watches->lock);
    struct watch_worker *worker = known(watches, number);
    su_unlock(&watches->lock);
    bool is_new = worker == NULL;
    if (is_new)
        worker = worker_new(watches, &row);
    if (is_new || worker->generation != row.generation)
        take_definition(worker, &row);
    SU_LOCKED(&watches->lock);
    worker->is_due = true;
    if (is_new)
        add_worker(watches, worker);
}

static bool list_numbers(struct watches *watches, size_t thread, int64_t **ret, size_t *ret_count, struct su_err *err)
{
    size_t count = 0, capacity = 64;
    SU_AUTO_FREE int64_t *numbers = su_alloc(capacity * sizeof *numbers);
    STORE_READ(watches->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT number FROM watches");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        if (!is_mine(sql_col_int(row, 0), thread))
            continue;
        if (count == capacity)
            numbers = su_realloc(numbers, (capacity *= 2) * sizeof *numbers);
        numbers[count++] = sql_col_int(row, 0);
    }
    if (next != SQL_DONE)
        return false;
    *ret = su_take(numbers);
    *ret_count = count;
    return true;
}

/* The workers of rows that are gone leave the list. */
static void end_gone(struct watches *watches, size_t thread, const int64_t *numbers, size_t count)
{
    for (size_t i = 0;;) {
        struct watch_worker *gone = NULL;
        su_lock(&watches->lock);
        for (; i < watches->worker_count && gone == NULL; i++) {
            bool is_there = !is_mine(watches->workers[i]->number, thread);
            for (size_t j = 0; j < count && !is_there; j++)
                is_there = numbers[j] == watches->workers[i]->number;
            if (is_there)
                continue;
            gone = watches->workers[i];
            watches->workers[i--] = watches->workers[--watches->worker_count];
        }
        su_unlock(&watches->lock);
        if (gone == NULL)
            return;
        worker_end(gone);
        watch_worker_unref(gone);
    }
}

static void reload(struct watches *watches, size_t thread)
{
    SU_AUTO_FREE int64_t *numbers = NULL;
    size_t count = 0;
    struct su_err err;
    if (!list_numbers(watches, thread, &numbers, &count, &err)) {
        su_log_error("watches.reload", &err);
        return;
    }
    end_gone(watches, thread, numbers, count);
    for (size_t i = 0; i < count; i++)
        reload_one(watches, numbers[i]);
}

/* Locked: a worker of this thread's with something to do; else *wake_ms is when there will be. */
static struct watch_worker *next_due(struct watches *watches, size_t thread, int64_t *wake_ms)
{
    int64_t now = su_mono_ms();
    *wake_ms = now + COMMIT_MS;
    for (size_t i = 0; i < watches->worker_count; i++) {
        struct watch_worker *worker = watches->workers[i];
        if (!is_mine(worker->number, thread) || worker->is_stopped)
            continue;
        bool is_uncommitted = worker->engine && watch_engine_next(worker->engine) != worker->committed_us;
        if (worker->retry_ms ? worker->retry_ms <= now : worker->is_due || (is_uncommitted && now - worker->committed_ms > COMMIT_MS)) {
            worker->is_due = false;
            return worker;
        }
        if (worker->retry_ms && worker->retry_ms < *wake_ms)
            *wake_ms = worker->retry_ms;
    }
    return NULL;
}

/* Waits for work; false: the end.  *ret NULL: the definitions have changed. */
static bool wait_for_work(struct watches *watches, size_t thread, struct watch_worker **ret)
{
    SU_LOCKED(&watches->lock);
    for (;;) {
        int64_t wake_ms;
        if (watches->is_closing)
            return false;
        *ret = NULL;
        if (watches->has_changed[thread]) {
            watches->has_changed[thread] = false;
            return true;
        }
        *ret = next_due(watches, thread, &wake_ms);
        if (*ret)
            return true;
        if (watches->worker_count == 0)
            su_wait(&watches->lock);
        else
            su_wait_until(&watches->lock, wake_ms);
    }
}

static void save_mine(struct watches *watches, size_t thread)
{
    for (size_t i = 0;; i++) {
        su_lock(&watches->lock);
        WATCH_AUTO_WORKER struct watch_worker *worker = worker_ref(i < watches->worker_count ? watches->workers[i] : NULL);
        su_unlock(&watches->lock);
        if (worker == NULL)
            return;
        if (is_mine(worker->number, thread))
            save(worker);
    }
}

struct starting { struct watches *watches; size_t thread; };

static void run(void *arg)
{
    struct starting *starting = arg;
    struct watches *watches = starting->watches;
    size_t thread = starting->thread;
    struct watch_worker *worker;
    free(starting);
    while (wait_for_work(watches, thread, &worker)) {
        if (worker == NULL)
            reload(watches, thread);
        else
            run_worker(worker);
    }
    save_mine(watches, thread);
}

void watches_changed(struct watches *watches)
{
    SU_LOCKED(&watches->lock);
    for (size_t i = 0; i < WATCH_THREADS; i++)
        watches->has_changed[i] = true;
    su_wake(&watches->lock);
}

static void definitions_changed(void *arg, const char *topic, const char *event, const json_t *detail) { watches_changed(arg); }

bool watches_run_start(struct watches *watches, struct su_err *err)
{
    watches->definitions = su_bus_subscribe(watches->bus, "streams", definitions_changed, watches);
    watches_changed(watches);
    for (size_t i = 0; i < WATCH_THREADS; i++) {
        struct starting *starting = su_alloc(sizeof *starting);
        *starting = (struct starting){watches, i};
        char name[16];
        snprintf(name, sizeof name, "watches-%zu", i);
        su_thread_start(&watches->threads[i], name, run, starting);
    }
    return true;
}

void watches_run_stop(struct watches *watches)
{
    su_bus_unsubscribe(watches->bus, watches->definitions);
    su_lock(&watches->lock);
    watches->is_closing = true;
    su_wake(&watches->lock);
    su_unlock(&watches->lock);
    for (size_t i = 0; i < WATCH_THREADS; i++)
        su_thread_join(&watches->threads[i]);
    for (size_t i = 0; i < watches->worker_count; i++) {
        worker_end(watches->workers[i]);
        watch_worker_unref(watches->workers[i]);
    }
    free(watches->workers);
}
