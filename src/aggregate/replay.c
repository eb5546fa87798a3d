/* Replays: see replay.h.  Layer aggregate; the thread "replays" sends, rows are written on the writer thread. */
#include "replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "replay_private.h"

enum { RETRY_MS = 1000, STEP_MS = 50, BATCH_ROWS = 5000, WHOLE_S = 60, KEPT = 100, RUNNING = 16 };
#define ROW_MAX ((size_t)16 << 20)
#define SPEED_MAX 1e12

const struct store_migration replay_migrations[] = {
    {"replay", 1,
     "CREATE TABLE replays (tenant TEXT NOT NULL, id TEXT NOT NULL, object TEXT NOT NULL, version INTEGER NOT NULL, stream TEXT NOT NULL,"
     "  time TEXT, speed REAL NOT NULL, is_loop INTEGER NOT NULL, state TEXT NOT NULL, message TEXT, rows INTEGER NOT NULL,"
     "  sent INTEGER NOT NULL DEFAULT 0, rounds INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0, user TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, ended_ms INTEGER, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX replays_running ON replays (state) WHERE state = 'running';"},
    {.module = NULL}};

/* One that runs; the thread's. */
struct replay {
    struct replay *next;
    char *tenant, *id, *object, *stream, *time;
    int64_t version, rounds, sent, refused;
    double speed;
    bool is_loop, is_over;
    struct replay_table *table;     /* NULL: not opened yet */
    int64_t began_us;               /* monotonic: when the first row of this round was due */
    int64_t due_us;                 /* monotonic: when there is something to do */
};

struct replays {
    struct streams *streams;
    struct objects *objects;
    struct tables *tables;
    uint64_t running_max;
    struct su_lock lock;            /* both below */
    bool has_changed, is_closing;
    struct replay *running;         /* the thread's */
    struct su_thread thread;
};

static struct store *store_of(const struct replays *replays) { return streams_store(replays->streams); }

static int64_t mono_us(void) { return su_mono_ns() / 1000; }

static void replay_free(struct replay *replay)
{
    replay_table_close(replay->table);
    free(replay->tenant);
    free(replay->id);
    free(replay->object);
    free(replay->stream);
    free(replay->time);
    free(replay);
}

static void announce(struct replays *replays, const char *tenant, const char *event, const char *id, const char *object, const char *stream,
                     const char *state)
{
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s, s:s}", "id", id, "object", object, "stream", stream, "state", state);
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    su_bus_publish(streams_bus(replays->streams), topic, event, detail);
}

/* ---------------------------------------------------------------------- pace */

/* Microseconds from a round's first row to this one; the row after the last begins the next round. */
static int64_t due_after(const struct replay_table *table, double speed, uint64_t row)
{
    double us = replay_table_column(table) ? (double)replay_table_since_us(table, row)
                                           : (double)row * WHOLE_S * 1e6 / (double)replay_table_rows(table);
    us /= speed;
    return us < 9e15 ? (int64_t)us : INT64_MAX / 4;
}

static double standard_speed(const struct replay_table *table)
{
    double s = (double)replay_table_since_us(table, replay_table_rows(table) - 1) / 1e6;
    return s > WHOLE_S ? s / WHOLE_S : 1;
}

/* ------------------------------------------------------------------- sending */

struct progress { const struct replay *replay; int64_t sent, rounds, refused; const char *state; };

/* With the rows' append: so far it has come.  Somebody may have stopped it meanwhile: then nothing is appended. */
static bool keep_progress(struct sql *db, void *arg, const struct stream_appended *appended, struct su_err *err)
{
    const struct progress *progress = arg;
    bool has_ended = strcmp(progress->state, "running") != 0;
    if (!sql_run(db, err,
                 "UPDATE replays SET sent = ?3, rounds = ?4, refused = ?5, state = ?6, ended_ms = ?7"
                 " WHERE tenant = ?1 AND id = ?2 AND state = 'running'",
                 sql_text(progress->replay->tenant), sql_text(progress->replay->id), sql_int(progress->sent), sql_int(progress->rounds),
                 sql_int(progress->refused), sql_text(progress->state), has_ended ? sql_int(su_now_ms()) : sql_null()))
        return false;
    return sql_changes(db) == 1 || su_fail(err, SU_CANCELLED, "the replay was stopped");
}

static bool open_table(struct replays *replays, struct replay *replay, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    const struct object_key key = {.tenant = replay->tenant, .kind = OBJECT_DATA, .name = replay->object, .version = replay->version};
    if (replay->table)
        return true;
    if (!object_get(replays->objects, &key, &info, err) ||
        !replay_table_open(replays->tables, replay->tenant, &info, replay->time, &replay->table, err))
        return false;
    replay->began_us = mono_us() - due_after(replay->table, replay->speed, (uint64_t)replay->sent);
    return true;
}

/* Rows that are due, up to a batch. */
static bool add_rows(struct replay *replay, struct stream_writer *writer, struct progress *progress, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(ROW_MAX);
    const int64_t rows = (int64_t)replay_table_rows(replay->table), now = mono_us();
    int64_t shift_us = replay->rounds * replay_table_since_us(replay->table, (uint64_t)rows);
    while (progress->sent < rows && progress->sent - replay->sent < BATCH_ROWS &&
           replay->began_us + due_after(replay->table, replay->speed, (uint64_t)progress->sent) <= now) {
        struct su_err why;
        su_buf_clear(&text);
        replay_table_text(replay->table, (uint64_t)progress->sent, shift_us, &text);
        const struct stream_arrival arrival = {.body = su_buf_str(&text)};
        if (text.failed || !stream_writer_add_one(writer, &arrival, &why)) {
            if (text.failed)
                su_fail(&why, SU_LIMIT, "a row of more than %zu bytes", ROW_MAX);
            if (why.slug && strcmp(why.slug, "batch-full") == 0)
                return true;
            if (why.code != SU_INVALID && why.code != SU_LIMIT)
                return *err = why, false;
            progress->refused++;
            if (!text.failed && !stream_writer_add_dead(writer, &arrival, &why, err))
                return false;
        }
        progress->sent++;
    }
    return true;
}

static void took(struct replay *replay, const struct progress *progress)
{
    replay->sent = progress->sent;
    replay->refused = progress->refused;
    if (progress->rounds > replay->rounds)
        replay->began_us += due_after(replay->table, replay->speed, replay_table_rows(replay->table));
    replay->rounds = progress->rounds;
    replay->is_over = strcmp(progress->state, "running") != 0;
    int64_t due = replay->began_us + due_after(replay->table, replay->speed, (uint64_t)replay->sent), soon = mono_us() + STEP_MS * 1000;
    replay->due_us = due > soon ? due : soon;
}

static bool send_due(struct replays *replays, struct replay *replay, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct progress progress = {replay, replay->sent, replay->rounds, replay->refused, "running"};
    const struct stream_commit commit = {.also = keep_progress, .also_arg = &progress};
    struct stream_appended appended;
    if (!open_table(replays, replay, err) || !stream_get(replays->streams, replay->tenant, replay->stream, &stream, err))
        return false;
    if (stream->source != STREAM_PUSH)
        return su_fail(err, SU_CONFLICT, "the stream \"%.128s\" gets its messages from its source now", stream->name);
    if (!stream_writer_open(replays->streams, stream, &writer, err) || !add_rows(replay, writer, &progress, err))
        return false;
    if (progress.sent == (int64_t)replay_table_rows(replay->table)) {
        progress.rounds++;
        progress.state = replay->is_loop ? "running" : "done";
        progress.sent = replay->is_loop ? 0 : progress.sent;
    }
    if (!stream_writer_commit(writer, &commit, &appended, err))
        return false;
    took(replay, &progress);
    if (replay->is_over)
        announce(replays, replay->tenant, "replay.ended", replay->id, replay->object, replay->stream, progress.state);
    return true;
}

/* ------------------------------------------------------------------- its end */

struct ending { const char *tenant, *id, *state, *message; bool is_changed; };

static bool end_job(struct sql *db, void *arg, struct su_err *err)
{
    struct ending *ending = arg;
    if (!sql_run(db, err, "UPDATE replays SET state = ?3, message = ?4, ended_ms = ?5 WHERE tenant = ?1 AND id = ?2 AND state = 'running'",
                 sql_text(ending->tenant), sql_text(ending->id), sql_text(ending->state), sql_text(ending->message), sql_int(su_now_ms())))
        return false;
    ending->is_changed = sql_changes(db) == 1;
    return true;
}

static bool is_passing(const struct su_err *why)
{
    return why->code == SU_UNAVAILABLE || why->code == SU_TIMEOUT ||
           (why->slug && (strcmp(why->slug, "backpressure") == 0 || strcmp(why->slug, "rate-limited") == 0));
}

static void fail(struct replays *replays, struct replay *replay, const struct su_err *why)
{
    struct ending ending = {replay->tenant, replay->id, "failed", why->message, false};
    struct su_err err;
    if (is_passing(why)) {
        replay->due_us = mono_us() + RETRY_MS * 1000;
        return;
    }
    replay->is_over = true;
    if (why->code == SU_CANCELLED)
        return;
    su_log_error("replay.failed", why, su_kv_text("id", replay->id), su_kv_text("stream", replay->stream));
    if (!store_write(store_of(replays), end_job, &ending, &err))
        su_log_error("replay.end_failed", &err, su_kv_text("id", replay->id));
    announce(replays, replay->tenant, "replay.ended", replay->id, replay->object, replay->stream, "failed");
}

/* ---------------------------------------------------------------- the thread */

#define COLUMNS "id, object, version, stream, time, speed, is_loop, state, message, rows, sent, rounds, refused, user, created_ms, ended_ms"

static struct replay *known(struct replays *replays, const char *tenant, const char *id)
{
    for (struct replay *replay = replays->running; replay; replay = replay->next)
        if (strcmp(replay->id, id) == 0 && strcmp(replay->tenant, tenant) == 0)
            return replay;
    return NULL;
}

/* Those that run and are not known yet.  One that was stopped ends by itself at its next append. */
static bool reload(struct replays *replays, struct su_err *err)
{
    STORE_READ(store_of(replays), db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " COLUMNS ", tenant FROM replays WHERE state = 'running'");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        const char *tenant = sql_col_text(row, 16), *id = sql_col_text(row, 0);
        if (known(replays, tenant, id))
            continue;
        struct replay *replay = su_alloc(sizeof *replay);
        *replay = (struct replay){
            .next = replays->running, .tenant = su_strdup(tenant), .id = su_strdup(id), .object = su_strdup(sql_col_text(row, 1)),
            .version = sql_col_int(row, 2), .stream = su_strdup(sql_col_text(row, 3)), .time = su_strdup(sql_col_text(row, 4)),
            .speed = sql_col_real(row, 5), .is_loop = sql_col_int(row, 6) != 0, .sent = sql_col_int(row, 10),
            .rounds = sql_col_int(row, 11), .refused = sql_col_int(row, 12)};
        replays->running = replay;
    }
    return next == SQL_DONE;
}

static void send_all(struct replays *replays)
{
    for (struct replay **at = &replays->running; *at;) {
        struct replay *replay = *at;
        struct su_err err;
        if (replay->due_us <= mono_us() && !send_due(replays, replay, &err))
            fail(replays, replay, &err);
        if (!replay->is_over) {
            at = &replay->next;
            continue;
        }
        *at = replay->next;
        replay_free(replay);
    }
}

/* False: the end. */
static bool wait_for_work(struct replays *replays)
{
    int64_t due_us = INT64_MAX;
    for (const struct replay *replay = replays->running; replay; replay = replay->next)
        due_us = replay->due_us < due_us ? replay->due_us : due_us;
    SU_LOCKED(&replays->lock);
    while (!replays->has_changed && !replays->is_closing && due_us > mono_us())
        if (due_us == INT64_MAX)
            su_wait(&replays->lock);
        else
            su_wait_until(&replays->lock, due_us / 1000 + 1);
    return !replays->is_closing;
}

static void replays_main(void *arg)
{
    struct replays *replays = arg;
    while (wait_for_work(replays)) {
        struct su_err err;
        su_lock(&replays->lock);
        bool has_changed = replays->has_changed;
        replays->has_changed = false;
        su_unlock(&replays->lock);
        if (has_changed && !reload(replays, &err))
            su_log_error("replays.reload_failed", &err);
        send_all(replays);
    }
}

static void wake(struct replays *replays)
{
    SU_LOCKED(&replays->lock);
    replays->has_changed = true;
    su_wake(&replays->lock);
}

bool replays_open(struct streams *streams, struct objects *objects, struct tables *tables, const struct replays_options *options,
                  struct replays **ret, struct su_err *err)
{
    struct replays *replays = su_alloc(sizeof *replays);
    *replays = (struct replays){.streams = streams, .objects = objects, .tables = tables, .has_changed = true,
                                .running_max = options && options->running_max ? options->running_max : RUNNING};
    su_lock_init(&replays->lock);
    su_thread_start(&replays->thread, "replays", replays_main, replays);
    *ret = replays;
    return true;
}

void replays_close(struct replays *replays)
{
    if (!replays)
        return;
    su_lock(&replays->lock);
    replays->is_closing = true;
    su_wake(&replays->lock);
    su_unlock(&replays->lock);
    su_thread_join(&replays->thread);
    for (struct replay *next; replays->running; replays->running = next) {
        next = replays->running->next;
        replay_free(replays->running);
    }
    su_lock_done(&replays->lock);
    free(replays);
}

/* ------------------------------------------------------------------ starting */

static bool make_stream(struct replays *replays, const struct replay_start *start, const char *column, struct stream **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *definition = json_pack("{s:{s:s}, s:s}", "source", "kind", "push", "idle", "1s");
    if (column)
        json_object_set_new(definition, "time", json_pack("{s:s}", "field", column));
    return stream_put(replays->streams, start->tenant, start->stream, definition, NULL, "*", start->user, ret, NULL, err);
}

/* The stream as it is, or made; one that takes its time from elsewhere is not what was meant. */
static bool prepare_stream(struct replays *replays, const struct replay_start *start, const char *column, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    if (!stream_get(replays->streams, start->tenant, start->stream, &stream, err))
        return err->code == SU_NOT_FOUND && make_stream(replays, start, column, &stream, err);
    if (stream->source != STREAM_PUSH)
        return su_fail(err, SU_CONFLICT, "the stream \"%.128s\" gets its messages from its source, %s", stream->name,
                       stream_source_name(stream->source));
    if (!stream->time_field || (column && strcmp(stream->time_field, column) == 0))
        return true;
    su_fail(err, SU_CONFLICT, "the stream \"%.128s\" takes its time from \"%.128s\", the table %s%.128s%s", stream->name, stream->time_field,
            column ? "from \"" : "has none", column ? column : "", column ? "\"" : "");
    return su_hint(err, "replay it as another stream");
}

struct inserting {
    const struct replay_start *start;
    const char *id, *column;
    int64_t version, rows;
    double speed;
    uint64_t running_max;
};

static bool insert_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct inserting *inserting = arg;
    const struct replay_start *start = inserting->start;
    int64_t running;
    if (!sql_get_int(db, 0, &running, err, "SELECT count(*) FROM replays WHERE state = 'running'"))
        return false;
    if ((uint64_t)running >= inserting->running_max) {
        su_fail_slug(err, "too-many-requests", "limits.replays: %lld replays are running already", (long long)running);
        return su_hint(err, "stop one, or come again when one is done");
    }
    return sql_run(db, err,
                   "INSERT INTO replays (tenant, id, object, version, stream, time, speed, is_loop, state, rows, user, created_ms)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'running', ?9, ?10, ?11)",
                   sql_text(start->tenant), sql_text(inserting->id), sql_text(start->object), sql_int(inserting->version),
                   sql_text(start->stream), sql_text(inserting->column), sql_real(inserting->speed), sql_int(start->is_loop),
                   sql_int(inserting->rows), sql_text(start->user), sql_int(su_now_ms())) &&
           sql_run(db, err,
                   "DELETE FROM replays WHERE tenant = ?1 AND state <> 'running' AND id NOT IN"
                   " (SELECT id FROM replays WHERE tenant = ?1 AND state <> 'running' ORDER BY id DESC LIMIT ?2)",
                   sql_text(start->tenant), sql_int(KEPT));
}

bool replay_start(struct replays *replays, const struct replay_start *start, json_t **ret, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    REPLAY_AUTO_TABLE struct replay_table *table = NULL;
    const struct object_key key = {.tenant = start->tenant, .kind = OBJECT_DATA, .name = start->object};
    char id[SU_ID_SIZE];
    if (start->speed != 0 && !(start->speed > 0 && start->speed <= SPEED_MAX))
        return su_fail_field(err, SU_INVALID, "/speed", "speed must be above 0 and at most 1e12");
    if (!object_get(replays->objects, &key, &info, err) ||
        !replay_table_open(replays->tables, start->tenant, &info, start->time, &table, err) ||
        !prepare_stream(replays, start, replay_table_column(table), err))
        return false;
    struct inserting inserting = {.start = start, .id = su_id(id), .column = replay_table_column(table), .version = info.version,
                                  .rows = (int64_t)replay_table_rows(table), .running_max = replays->running_max,
                                  .speed = start->speed > 0 ? start->speed : standard_speed(table)};
    if (!store_write(store_of(replays), insert_job, &inserting, err) || !replay_get(replays, start->tenant, id, ret, err))
        return false;
    announce(replays, start->tenant, "replay.started", id, start->object, start->stream, "running");
    wake(replays);
    return true;
}

/* ------------------------------------------------------------- telling of it */

static json_t *time_json(struct sql_row *row, int column)
{
    char text[SU_TIME_TEXT];
    return sql_col_is_null(row, column) ? json_null() : json_string(su_time_text(sql_col_int(row, column), text));
}

static json_t *row_json(struct sql_row *row)
{
    return json_pack("{s:o, s:o, s:I, s:o, s:o, s:f, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "id",
                     su_json_text_or_null(sql_col_text(row, 0)), "object", su_json_text_or_null(sql_col_text(row, 1)), "version",
                     (json_int_t)sql_col_int(row, 2), "stream", su_json_text_or_null(sql_col_text(row, 3)), "time",
                     su_json_text_or_null(sql_col_text(row, 4)), "speed", sql_col_real(row, 5), "loop", sql_col_int(row, 6) != 0, "state",
                     su_json_text_or_null(sql_col_text(row, 7)), "message", su_json_text_or_null(sql_col_text(row, 8)), "rows",
                     (json_int_t)sql_col_int(row, 9), "sent", (json_int_t)sql_col_int(row, 10), "rounds", (json_int_t)sql_col_int(row, 11),
                     "refused", (json_int_t)sql_col_int(row, 12), "user", su_json_text_or_null(sql_col_text(row, 13)), "created_at",
                     time_json(row, 14), "ended_at", time_json(row, 15));
}

bool replay_get(struct replays *replays, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    STORE_READ(store_of(replays), db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " COLUMNS " FROM replays WHERE tenant = ?1 AND id = ?2", sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no replay %.32s", id);
    if (next == SQL_ROW)
        *ret = row_json(row);
    return next == SQL_ROW;
}

bool replay_list(struct replays *replays, const char *tenant, const char *cursor, size_t limit, json_t **ret_items, char **ret_next,
                 struct su_err *err)
{
    STORE_READ(store_of(replays), db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT " COLUMNS " FROM replays WHERE tenant = ?1 AND (?2 = '' OR id < ?2) ORDER BY id DESC LIMIT ?3", sql_text(tenant),
        sql_text(cursor ? cursor : ""), sql_int((int64_t)limit + 1));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW && json_array_size(items) < limit)
        json_array_append_new(items, row_json(row));
    if (next == SQL_ERROR)
        return false;
    *ret_next = next == SQL_ROW ? su_strdup(su_json_string(json_array_get(items, json_array_size(items) - 1), "id", "")) : NULL;
    *ret_items = su_take(items);
    return true;
}

static bool forget_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct ending *ending = arg;
    return sql_run(db, err, "DELETE FROM replays WHERE tenant = ?1 AND id = ?2 AND state <> 'running'", sql_text(ending->tenant),
                   sql_text(ending->id));
}

bool replay_delete(struct replays *replays, const char *tenant, const char *id, struct su_err *err)
{
    struct ending ending = {tenant, id, "stopped", NULL, false};
    SU_AUTO_JSON json_t *json = NULL;
    if (!replay_get(replays, tenant, id, &json, err) || !store_write(store_of(replays), end_job, &ending, err))
        return false;
    if (!ending.is_changed)
        return store_write(store_of(replays), forget_job, &ending, err);
    announce(replays, tenant, "replay.ended", id, su_json_string(json, "object", ""), su_json_string(json, "stream", ""), "stopped");
    return true;
}
