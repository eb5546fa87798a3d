/* A turn of a watch: what windows have closed, and the commit.  See watch.h and watch_private.h.  Layer act; threads "watches-N".
 *
 * A turn goes through at most WINDOWS_PER_TURN windows, and commits the decisions and the position together.  One without
 * decisions commits its position only now and then: going through its windows again makes the same state. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "model.h"
#include "watch_decisions.h"
#include "watch_private.h"

static const double DRIFT_ENTER = 0.8, DRIFT_LEAVE = 0.65;
enum { WINDOWS_PER_TURN = 512, RETRY_MS = 1000, CHECKPOINT_MS = 60 * 1000 };

/* --- beginning ----------------------------------------------------------------------- */

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

static bool read_models(struct watch_worker *worker, struct su_err *err)
{
    struct watch_model *models;
    size_t count;
    STORE_READ(worker->watches->store, db);
    if (!watch_models_load(db, worker->number, &models, &count, err))
        return false;
    SU_LOCKED(&worker->lock);
    free(worker->model_changes);
    worker->model_changes = models;
    worker->model_count = count;
    return true;
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
    return read_models(worker, err);
}

static bool load_models(struct watch_worker *worker, struct su_err *err)
{
    return read_models(worker, err) && (worker->definition->model == NULL || worker->model_count > 0 || note_model(worker, worker->base_us, err));
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
    worker->model_next = watch_models_at(worker->model_changes, worker->model_count, start_us, &version);
    if (!watch_policies(db, worker->tenant, worker->definition, policies, err)
        || !watch_detector(worker->watches, worker->tenant, worker->definition, version, &detector, err))
        return false;
    *ret = watch_engine_new(worker->definition, &detector, policies, &ops);
    watch_engine_set_from(*ret, worker->from_us);
    return true;
}

/* An engine as it was at the newest checkpoint; *ret NULL: there is none that fits. */
static bool engine_of_checkpoint(struct watch_worker *worker, struct sql *db, struct watch_engine **ret, struct su_err *err)
{
    int64_t next_us;
    char sha256[SU_SHA256_HEX];
    bool fits;
    *ret = NULL;
    if (!watch_checkpoint_find(db, worker->number, INT64_MAX, &next_us, sha256, err))
        return false;
    if (next_us == INT64_MIN)
        return true;
    /* A model that is used from next_us on was not in use yet. */
    if (!make_engine(worker, db, next_us - 1, ret, err))
        return false;
    bool is_read = watch_checkpoint_load(worker->watches, sha256, *ret, &fits, err);
    if (!is_read || !fits)
        watch_engine_free(su_take(*ret));
    return is_read;
}

/* From the newest checkpoint, or from the beginning. */
static bool begin_engine(struct watch_worker *worker, struct su_err *err)
{
    struct watch_engine *engine;
    STORE_READ(worker->watches->store, db);
    if (!engine_of_checkpoint(worker, db, &engine, err) || (engine == NULL && !make_engine(worker, db, worker->base_us, &engine, err)))
        return false;
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

void watch_drop_engine(struct watch_worker *worker)
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
                                            .committed_us = worker->committed_us,
                                            .keys = (int64_t)watch_keys_count(watch_engine_keys(worker->engine))};
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

/* So many windows from where the next message is: years without any are one step. */
static bool limit_turn(const struct watch_pass *pass, struct sql *db, int64_t begin_us, int64_t *last_us, struct su_err *err)
{
    const struct window_spec spec = watch_windows(pass->definition, pass->stream);
    struct window next;
    bool is_found;
    if (!window_next(streams_logs(pass->watches->streams), db, pass->stream->log, &spec, begin_us, 0, &next, &is_found, err))
        return false;
    int64_t from = is_found && next.start_us > begin_us ? next.start_us : begin_us, slide = window_slide(&spec);
    if ((*last_us - from) / slide > WINDOWS_PER_TURN)
        *last_us = from + WINDOWS_PER_TURN * slide;
    return true;
}

static bool go_through(struct watch_worker *worker, const struct stream *stream, struct sql *db, bool *ret_more, struct su_err *err)
{
    const struct window_spec spec = watch_windows(worker->definition, stream);
    int64_t slide = window_slide(&spec), begin_us = watch_engine_next(worker->engine), high_us;
    struct watch_pass pass = {.watches = worker->watches, .tenant = worker->tenant, .stream = stream, .definition = worker->definition,
                              .engine = worker->engine, .base_us = worker->base_us, .models = worker->model_changes,
                              .model_count = worker->model_count, .model_next = worker->model_next};
    uint64_t end;
    if (!log_end(db, stream->log, &end, &high_us, err) || (begin_us == INT64_MIN && !watch_pass_begin(&pass, db, &begin_us, err)))
        return false;
    SU_LOCKED(&worker->lock);
    worker->high_us = high_us;
    int64_t last = panes_last_closed(&spec, high_us);
    *ret_more = begin_us != INT64_MIN && last > begin_us && (last - begin_us) / slide > WINDOWS_PER_TURN;
    if (begin_us == INT64_MIN || last < begin_us)
        return true;
    if (*ret_more && !limit_turn(&pass, db, begin_us, &last, err))
        return false;
    bool ok = watch_pass_to(&pass, db, last, err);
    worker->model_next = pass.model_next;
    return ok;
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
        watch_drop_engine(worker);
        watch_say(worker, "waiting", "its stream does not exist");
        return true;
    }
    watch_listen_to(worker, stream->topic);
    if (worker->engine && worker->stream_id != stream->id)
        watch_drop_engine(worker);
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
    if ((!pending_is_empty(worker->pending) || (now - worker->committed_ms > WATCH_COMMIT_MS && watch_engine_next(worker->engine) != worker->committed_us))
        && !commit(worker, stream, err))
        return false;
    if (now - worker->checkpoint_ms > CHECKPOINT_MS && !checkpoint(worker, stream, err))
        return false;
    look_for_drift(worker);
    watch_say(worker, *ret_more ? "catching up" : "running", "");
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
    watch_drop_engine(worker);        /* what it had gone through without a commit is gone through again */
    worker->is_stopped = is_lasting(why);
    worker->retry_ms = worker->is_stopped ? 0 : su_mono_ms() + RETRY_MS;
    watch_say(worker, worker->is_stopped ? "stopped" : "waiting", message);
    if (!worker->is_stopped)
        return;
    struct stopping stopping = {worker->number, worker->generation, message};
    struct su_err err;
    su_log_error("watch.stopped", why, su_kv_text("watch", worker->name));
    if (!store_write(worker->watches->store, stop_job, &stopping, &err))
        su_log_error("watch.stop_failed", &err, su_kv_text("watch", worker->name));
}

void watch_run_turn(struct watch_worker *worker)
{
    struct su_err err;
    bool has_more = false;
    worker->retry_ms = 0;
    if (!worker->definition->is_enabled)
        watch_say(worker, "paused", "");
    else if (!turn(worker, &has_more, &err))
        fail(worker, &err);
    if (!has_more)
        return;
    SU_LOCKED(&worker->watches->lock);
    worker->is_due = true;
}

void watch_save(struct watch_worker *worker)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct su_err err;
    if (worker->engine && stream_get(worker->watches->streams, worker->tenant, worker->definition->stream, &stream, &err)
        && stream->id == worker->stream_id && !(commit(worker, stream, &err) && checkpoint(worker, stream, &err)))
        su_log_error("watch.checkpoint", &err, su_kv_text("watch", worker->name));
}
