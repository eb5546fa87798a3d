/* Derived streams: see derived.h.  The thread "derived", its workers and their positions.  Layer aggregate. */
#include "derived_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { RETRY_MS = 1000 };

const struct store_migration derived_migrations[] = {
    {"derived", 1,
     /* stopped_version: of the definition that a fault has stopped; 0: none. */
     "CREATE TABLE derived_positions (stream INTEGER PRIMARY KEY, parent INTEGER NOT NULL, start_us INTEGER NOT NULL, "
     "offset INTEGER NOT NULL,"
     "  stopped_version INTEGER NOT NULL DEFAULT 0) STRICT;"
     "CREATE INDEX derived_positions_parent ON derived_positions (parent);"},
    {.module = NULL}};

struct deriveds {
    struct streams *streams;
    struct derived_shared shared;
    struct su_thread thread;
    struct su_bus_subscription *definitions;
    struct worker **workers; /* the thread's */
    size_t worker_count;
};

/* -------------------------------------------------------------- positions */

static bool read_position(struct worker *worker, const struct stream *parent, struct sql *db, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT start_us, offset FROM derived_positions WHERE stream = ?1 AND parent = ?2",
                  sql_int(worker->stream->id), sql_int(parent->id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    worker->start_us = next == SQL_ROW ? sql_col_int(row, 0) : INT64_MIN;
    worker->parent_id = parent->id;
    return true;
}

bool derived_keep_position(struct sql *db, void *arg, const struct stream_appended *appended, struct su_err *err)
{
    const struct position *position = arg;
    return sql_run(
        db, err,
        "INSERT INTO derived_positions (stream, parent, start_us, offset) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (stream) "
        "DO UPDATE SET "
        "parent = excluded.parent, start_us = excluded.start_us, offset = excluded.offset, stopped_version = 0",
        sql_int(position->stream), sql_int(position->parent), sql_int(position->start_us),
        sql_int((int64_t)position->offset));
}

struct stopping {
    int64_t stream, parent, version;
};

static bool stop_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct stopping *stopping = arg;
    return sql_run(
        db, err,
        "INSERT INTO derived_positions (stream, parent, start_us, offset, stopped_version) VALUES (?1, ?2, ?3, 0, ?4) "
        "ON CONFLICT (stream) DO UPDATE SET stopped_version = excluded.stopped_version",
        sql_int(stopping->stream), sql_int(stopping->parent), sql_int(INT64_MIN), sql_int(stopping->version));
}

static bool removed(struct sql *db, void *arg, const struct stream *stream, bool force, struct su_err *err)
{
    return sql_run(db, err, "DELETE FROM derived_positions WHERE stream = ?1", sql_int(stream->id));
}

static bool floor_of(struct sql *db, void *arg, const struct stream *stream, uint64_t *ret, struct su_err *err)
{
    int64_t least;
    if (!sql_get_int(db, INT64_MAX, &least, err,
                     "SELECT coalesce(min(offset), 9223372036854775807) FROM derived_positions WHERE parent = ?1 AND "
                     "stopped_version = 0 AND start_us > ?2",
                     sql_int(stream->id), sql_int(INT64_MIN)))
        return false;
    *ret = least == INT64_MAX ? UINT64_MAX : (uint64_t)least;
    return true;
}

/* ----------------------------------------------------------------- workers */

static void wake_worker(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct worker *worker = arg;
    SU_LOCKED(&worker->deriveds->lock);
    worker->is_due = true;
    su_wake(&worker->deriveds->lock);
}

static void wake_all(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct derived_shared *shared = arg;
    SU_LOCKED(&shared->lock);
    shared->has_changed = true;
    su_wake(&shared->lock);
}

bool derived_goes_on(struct worker *worker, struct su_err *err)
{
    SU_LOCKED(&worker->deriveds->lock);
    return !worker->deriveds->is_closing || su_fail(err, SU_CANCELLED, "the server ends");
}

static void follow(struct worker *worker, const char *topic)
{
    if (worker->topic && strcmp(worker->topic, topic) == 0)
        return;
    su_bus_unsubscribe(worker->deriveds->bus, worker->subscription);
    free(worker->topic);
    worker->topic = su_strdup(topic);
    worker->subscription = su_bus_subscribe(worker->deriveds->bus, topic, wake_worker, worker);
}

static void say(struct worker *worker, const char *state, const char *message)
{
    bool is_same = worker->state && strcmp(worker->state, state) == 0 && strcmp(worker->message, message) == 0;
    if (!is_same) {
        free(worker->message);
        worker->state = state;
        worker->message = su_strdup(message);
        su_time_text(su_now_ms(), worker->since);
    }
    char start[SU_TIME_TEXT_US];
    json_t *status = json_pack("{s:s, s:s, s:s}", "state", state, "message", message, "since", worker->since);
    if (worker->start_us != INT64_MIN)
        json_object_set_new(status, "window_start", json_string(su_time_text_us(worker->start_us, start)));
    stream_status(worker->deriveds->streams, worker->stream, status);
}

static void worker_free(struct worker *worker)
{
    su_bus_unsubscribe(worker->deriveds->bus, worker->subscription);
    stream_unref(worker->stream);
    derived_definition_done(&worker->definition);
    free(worker->topic);
    free(worker->message);
    free(worker);
}

/* A fault that trying again does not mend stops the stream. */
static bool is_lasting(const struct su_err *why)
{
    if (why->slug && (strcmp(why->slug, "backpressure") == 0 || strcmp(why->slug, "rate-limited") == 0))
        return false;
    return why->code == SU_INVALID || why->code == SU_NOT_FOUND || why->code == SU_LIMIT || why->code == SU_TIMEOUT ||
           why->code == SU_DENIED;
}

static void stop(struct worker *worker, const struct su_err *why)
{
    struct stopping stopping = {worker->stream->id, worker->parent_id, worker->stream->version};
    struct su_err err;
    worker->is_stopped = true;
    SU_AUTO_FREE char *message = su_format("%s%s%s", why->message, *why->hint ? ": " : "", why->hint);
    say(worker, "stopped", message);
    su_log_error("derived.stopped", why, su_kv_text("stream", worker->stream->name));
    if (!store_write(streams_store(worker->deriveds->streams), stop_job, &stopping, &err))
        su_log_error("derived.stop_failed", &err, su_kv_text("stream", worker->stream->name));
}

static void fail(struct worker *worker, const struct su_err *why)
{
    if (is_lasting(why)) {
        stop(worker, why);
        return;
    }
    say(worker, "retrying", why->message);
    worker->retry_ms = su_mono_ms() + RETRY_MS;
}

/* One turn: what is closed by now, up to a batch. *ret_more: there is more at once. */
static bool turn(struct worker *worker, bool *ret_more, struct su_err *err)
{
    struct streams *streams = worker->deriveds->streams;
    STREAM_AUTO struct stream *parent = NULL;
    *ret_more = false;
    if (!stream_get(streams, worker->stream->tenant, worker->definition.from, &parent, err)) {
        if (err->code != SU_NOT_FOUND)
            return false;
        say(worker, "waiting", "its parent does not exist");
        return true;
    }
    follow(worker, parent->topic);
    STORE_READ(streams_store(streams), db);
    if (worker->parent_id != parent->id && !read_position(worker, parent, db, err))
        return false;
    if (!derived_compute(worker, parent, db, ret_more, err))
        return false;
    say(worker, "running", *ret_more ? "catching up" : "");
    return true;
}

static void run_worker(struct worker *worker)
{
    struct su_err err;
    bool has_more = false;
    worker->retry_ms = 0;
    if (worker->stream->is_paused)
        say(worker, "paused", "");
    else if (!turn(worker, &has_more, &err))
        fail(worker, &err);
    if (!has_more)
        return;
    SU_LOCKED(&worker->deriveds->lock);
    worker->is_due = true;
}

/* -------------------------------------------------------------- the thread */

struct gathering {
    struct deriveds *deriveds;
    struct worker **workers;
    size_t count, capacity;
};

static struct worker *find_worker(struct deriveds *deriveds, const struct stream *stream)
{
    for (size_t i = 0; i < deriveds->worker_count; i++) {
        struct worker *worker = deriveds->workers[i];
        if (worker && worker->stream->id == stream->id && worker->stream->version == stream->version) {
            deriveds->workers[i] = NULL;
            return worker;
        }
    }
    return NULL;
}

static bool gather(void *arg, struct stream *stream)
{
    struct gathering *gathering = arg;
    struct worker *worker = find_worker(gathering->deriveds, stream);
    if (gathering->count == gathering->capacity) {
        gathering->capacity = gathering->capacity ? 2 * gathering->capacity : 16;
        gathering->workers = su_realloc(gathering->workers, gathering->capacity * sizeof(struct worker *));
    }
    if (worker)
        stream_unref(stream);
    else {
        struct su_err err;
        worker = su_alloc(sizeof *worker);
        worker->deriveds = &gathering->deriveds->shared;
        worker->stream = stream;
        worker->start_us = INT64_MIN;
        if (!derived_definition_read(stream->source_json, &worker->definition, &err))
            stop(worker, &err);
    }
    worker->is_due = true;
    gathering->workers[gathering->count++] = worker;
    return true;
}

static void reload(struct deriveds *deriveds)
{
    struct gathering gathering = {.deriveds = deriveds};
    struct su_err err;
    bool is_read = stream_each(deriveds->streams, STREAM_DERIVED, gather, &gathering, &err);
    if (!is_read)
        su_log_error("derived.reload_failed", &err);
    for (size_t i = 0; i < deriveds->worker_count; i++)
        if (deriveds->workers[i])
            worker_free(deriveds->workers[i]);
    free(deriveds->workers);
    deriveds->workers = gathering.workers;
    deriveds->worker_count = gathering.count;
}

/* Waits until there is something to do; false: the end. */
static bool wait_for_work(struct deriveds *deriveds, bool *ret_changed)
{
    SU_LOCKED(&deriveds->shared.lock);
    for (;;) {
        int64_t retry_ms = INT64_MAX;
        bool is_due = deriveds->shared.has_changed;
        for (size_t i = 0; i < deriveds->worker_count && !is_due; i++) {
            const struct worker *worker = deriveds->workers[i];
            is_due = worker->is_due && !worker->is_stopped && !worker->retry_ms;
            if (worker->retry_ms && worker->retry_ms < retry_ms)
                retry_ms = worker->retry_ms;
        }
        if (deriveds->shared.is_closing)
            return false;
        *ret_changed = deriveds->shared.has_changed;
        deriveds->shared.has_changed = false;
        if (is_due || retry_ms <= su_mono_ms())
            return true;
        if (retry_ms == INT64_MAX)
            su_wait(&deriveds->shared.lock);
        else
            su_wait_until(&deriveds->shared.lock, retry_ms);
    }
}

static bool take_due(struct worker *worker)
{
    SU_LOCKED(&worker->deriveds->lock);
    bool is_due = !worker->is_stopped && (worker->retry_ms ? worker->retry_ms <= su_mono_ms() : worker->is_due);
    if (is_due)
        worker->is_due = false;
    return is_due && !worker->deriveds->is_closing;
}

static void run(void *arg)
{
    struct deriveds *deriveds = arg;
    bool has_changed;
    while (wait_for_work(deriveds, &has_changed)) {
        if (has_changed)
            reload(deriveds);
        for (size_t i = 0; i < deriveds->worker_count; i++)
            if (take_due(deriveds->workers[i]))
                run_worker(deriveds->workers[i]);
    }
}

bool deriveds_open(const struct question_sources *sources, const struct deriveds_options *options,
                   struct deriveds **ret, struct su_err *err)
{
    struct deriveds *deriveds = su_alloc(sizeof *deriveds);
    struct streams *streams = sources->streams;
    deriveds->streams = streams;
    deriveds->shared =
        (struct derived_shared){.streams = streams, .sources = *sources, .bus = streams_bus(streams), .has_changed = true};
    if (options)
        deriveds->shared.options = *options;
    su_lock_init(&deriveds->shared.lock);
    streams_on_delete(streams, removed, deriveds);
    streams_add_floor(streams, floor_of, deriveds);
    deriveds->definitions = su_bus_subscribe(deriveds->shared.bus, "streams", wake_all, &deriveds->shared);
    su_thread_start(&deriveds->thread, "derived", run, deriveds);
    *ret = deriveds;
    return true;
}

void deriveds_close(struct deriveds *deriveds)
{
    if (!deriveds)
        return;
    su_bus_unsubscribe(deriveds->shared.bus, deriveds->definitions);
    su_lock(&deriveds->shared.lock);
    deriveds->shared.is_closing = true;
    su_wake(&deriveds->shared.lock);
    su_unlock(&deriveds->shared.lock);
    su_thread_join(&deriveds->thread);
    for (size_t i = 0; i < deriveds->worker_count; i++)
        worker_free(deriveds->workers[i]);
    free(deriveds->workers);
    su_lock_done(&deriveds->shared.lock);
    free(deriveds);
}
