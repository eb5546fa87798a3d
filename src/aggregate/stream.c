/* Streams: definitions, looking up, changing, deleting.  Layer aggregate; see stream.h.
 *
 * Tables: `streams` (a row per stream, with its definition and schema) and
 * `stream_batches` (idempotency keys of appended batches).  Definitions in use
 * are cached by a hash of their name; a change empties its slot. */
#include "stream.h"
#include <inttypes.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "object.h"
#include "stream_private.h"

const struct store_migration stream_migrations[] = {
    {"stream", 1,
     "CREATE TABLE streams (id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, name TEXT NOT NULL, version "
     "INTEGER NOT NULL,"
     "  definition TEXT NOT NULL, source TEXT NOT NULL, log INTEGER NOT NULL, dead_log INTEGER NOT NULL,"
     "  schema TEXT NOT NULL DEFAULT '{}', schema_version INTEGER NOT NULL DEFAULT 0, created_ms INTEGER NOT NULL,"
     "  created_by TEXT NOT NULL, UNIQUE (tenant, name)) STRICT;"
     "CREATE INDEX streams_by_source ON streams (source, id);"
     "CREATE TABLE stream_batches (stream INTEGER NOT NULL, key TEXT NOT NULL, first INTEGER NOT NULL, count INTEGER "
     "NOT NULL,"
     "  at_ms INTEGER NOT NULL, PRIMARY KEY (stream, key)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX stream_batches_by_age ON stream_batches (at_ms);"},
    {NULL, 0, NULL},
};

const char *stream_source_name(enum stream_source source)
{
    static const char *const names[STREAM_SOURCE_COUNT] = {"push", "amqp", "derived", "system"};
    su_assert(source < STREAM_SOURCE_COUNT);
    return names[source];
}

/* --- one stream --------------------------------------------------------- */

struct stream *stream_ref(struct stream *stream)
{
    atomic_fetch_add(&stream->references, 1);
    return stream;
}

void stream_unref(struct stream *stream)
{
    if (!stream || atomic_fetch_sub(&stream->references, 1) != 1)
        return;
    free(stream->tenant);
    free(stream->name);
    free(stream->topic);
    free(stream->created_by);
    free(stream->time_field);
    free(stream->key_field);
    json_decref(stream->definition);
    free(stream);
}

/* Columns of a row: id, tenant, name, version, definition, source, log, dead_log, created_ms, created_by. */
#define STREAM_COLUMNS "id, tenant, name, version, definition, source, log, dead_log, created_ms, created_by"

static bool of_row(struct sql_row *row, struct stream **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *definition = NULL;
    STREAM_AUTO struct stream *stream = su_alloc(sizeof *stream);
    stream->references = 1;
    if (!su_json_parse(sql_col_str(row, 4), "definition", &definition, err) ||
        !stream_definition_read(definition, stream, err))
        return su_prefix(err, "stream \"%s\"", sql_col_text(row, 2));
    stream->id = sql_col_int(row, 0);
    stream->tenant = su_strdup(sql_col_text(row, 1));
    stream->name = su_strdup(sql_col_text(row, 2));
    stream->topic = su_format("stream/%s/%s", stream->tenant, stream->name);
    stream->version = sql_col_int(row, 3);
    if (strcmp(sql_col_text(row, 5), "system") == 0) {
        stream->source = STREAM_SYSTEM;
        json_object_set_new(stream->source_json, "kind", json_string("system"));
    }
    stream->log = sql_col_int(row, 6);
    stream->dead_log = sql_col_int(row, 7);
    stream->created_ms = sql_col_int(row, 8);
    stream->created_by = su_strdup(sql_col_text(row, 9));
    snprintf(stream->etag, sizeof stream->etag, "s%" PRId64 "-%" PRId64, stream->id, stream->version);
    *ret = su_take(stream);
    return true;
}

static bool no_stream(struct su_err *err, const char *name)
{
    su_fail(err, SU_NOT_FOUND, "there is no stream \"%s\"", name);
    return su_hint(err, "suricate stream ls lists them; suricate stream create makes one");
}

static bool read_stream(struct sql *db, const char *tenant, const char *name, struct stream **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " STREAM_COLUMNS " FROM streams WHERE tenant = ?1 AND name = ?2", sql_text(tenant),
                  sql_text(name));
    switch (row ? sql_step(row, err) : SQL_ERROR) {
    case SQL_ROW:
        return of_row(row, ret, err);
    case SQL_DONE:
        return no_stream(err, name);
    case SQL_ERROR:
        break;
    }
    return false;
}

/* --- the cache ----------------------------------------------------------- */

static struct stream **slot(struct streams *streams, const char *tenant, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = tenant; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    hash = (hash ^ '/') * 16777619u;
    for (const char *at = name; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    return &streams->cache[(hash ^ hash >> 16) % STREAM_CACHE];
}

static struct stream *cached(struct streams *streams, const char *tenant, const char *name, uint64_t *ret_generation)
{
    SU_LOCKED(&streams->lock);
    struct stream *found = *slot(streams, tenant, name);
    *ret_generation = streams->generation;
    return found && strcmp(found->name, name) == 0 && strcmp(found->tenant, tenant) == 0 ? stream_ref(found) : NULL;
}

static void keep(struct streams *streams, struct stream *stream, uint64_t generation)
{
    SU_LOCKED(&streams->lock);
    if (streams->generation != generation)
        return;
    struct stream **at = slot(streams, stream->tenant, stream->name);
    stream_unref(*at);
    *at = stream_ref(stream);
}

/* After a change was committed: nobody gets the old one any more. */
static void forget(struct streams *streams, const char *tenant, const char *name)
{
    SU_LOCKED(&streams->lock);
    streams->generation++;
    struct stream **at = slot(streams, tenant, name);
    stream_unref(*at);
    *at = NULL;
}

bool stream_get(struct streams *streams, const char *tenant, const char *name, struct stream **ret, struct su_err *err)
{
    uint64_t generation;
    struct stream *stream = cached(streams, tenant, name, &generation);
    if (!stream) {
        STORE_READ(streams->store, db);
        if (!read_stream(db, tenant, name, &stream, err))
            return false;
        keep(streams, stream, generation);
    }
    *ret = stream;
    return true;
}

/* --- changing ------------------------------------------------------------- */

struct putting {
    struct streams *streams;
    const char *tenant, *name, *if_match, *if_none_match, *user;
    struct stream *stream; /* the new definition */
    bool is_new;
    int64_t changed_ms;
};

static bool check_conditions(const struct putting *put, const struct stream *present, struct su_err *err)
{
    if (put->if_none_match && present && object_etag_matches(put->if_none_match, present->etag))
        return su_fail_slug(err, "precondition-failed", "the stream \"%s\" exists already", put->name);
    if (put->if_match && (!present || !object_etag_matches(put->if_match, present->etag)))
        return su_fail_slug(err, "precondition-failed", "the stream \"%s\" has changed meanwhile", put->name);
    return true;
}

static bool insert(struct sql *db, struct putting *put, const char *text, struct su_err *err)
{
    int64_t count;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM streams WHERE tenant = ?1", sql_text(put->tenant)))
        return false;
    if ((uint64_t)count >= put->streams->options.streams_max)
        return su_fail(err, SU_LIMIT, "streams: at most %" PRIu64 " of one tenant", put->streams->options.streams_max);
    struct stream *stream = put->stream;
    if (!log_new(db, put->tenant, &stream->log, err) || !log_new(db, put->tenant, &stream->dead_log, err) ||
        !sql_run(
            db, err,
            "INSERT INTO streams (tenant, name, version, definition, source, log, dead_log, created_ms, created_by)"
            " VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7, ?8)",
            sql_text(put->tenant), sql_text(put->name), sql_text(text), sql_text(stream_source_name(stream->source)),
            sql_int(stream->log), sql_int(stream->dead_log), sql_int(put->changed_ms), sql_text(put->user)))
        return false;
    put->is_new = true;
    return true;
}

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    struct putting *put = arg;
    STREAM_AUTO struct stream *present = NULL;
    if (!read_stream(db, put->tenant, put->name, &present, err) && err->code != SU_NOT_FOUND)
        return false;
    if (!check_conditions(put, present, err))
        return false;
    SU_AUTO_FREE char *text = su_json_text(put->stream->definition);
    if (!present)
        return insert(db, put, text, err);
    if (present->source != put->stream->source)
        return su_fail_field(err, SU_CONFLICT, "/source/kind",
                             "a stream keeps its kind of source (%s): delete it first, or make another one",
                             stream_source_name(present->source));
    if (json_equal(present->definition, put->stream->definition))
        return true;
    return sql_run(db, err, "UPDATE streams SET definition = ?1, version = version + 1 WHERE id = ?2", sql_text(text),
                   sql_int(present->id));
}

static void announce(struct streams *streams, const char *event, const char *tenant, const char *name, const char *user)
{
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", name, "user", user);
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    su_bus_publish(streams->bus, topic, event, detail);
    su_bus_publish(streams->bus, "streams", event, detail);
}

static bool put_stream(struct streams *streams, struct putting *put, struct stream **ret, struct su_err *err)
{
    put->streams = streams;
    put->changed_ms = su_now_ms();
    if (!store_write(streams->store, put_job, put, err))
        return false;
    forget(streams, put->tenant, put->name);
    return stream_get(streams, put->tenant, put->name, ret, err);
}

static void apply_live(struct streams *streams, struct stream *stream)
{
    SU_LOCKED(&streams->lock);
    struct live *live = stream_live(streams, stream);
    stream_unref(live->stream);
    live->stream = stream_ref(stream);
    live->retained_ms = 0;
    stream_due(streams, su_mono_ms());
}

bool stream_put(struct streams *streams, const char *tenant, const char *name, const json_t *definition,
                const char *if_match, const char *if_none_match, const char *user, struct stream **ret,
                bool *ret_is_new, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = su_alloc(sizeof *stream);
    stream->references = 1;
    if (!stream_name_check(name, false, err) || !stream_definition_read(definition, stream, err))
        return false;
    if (stream->message_bytes > streams->options.message_bytes)
        return su_fail_field(err, SU_INVALID, "/limits/message_bytes",
                             "limits.message_bytes: this server takes at most %" PRIu64 " bytes",
                             streams->options.message_bytes);
    struct putting put = {.tenant = tenant,
                          .name = name,
                          .if_match = if_match,
                          .if_none_match = if_none_match,
                          .user = user,
                          .stream = stream};
    if (!put_stream(streams, &put, ret, err))
        return false;
    if (!put.is_new)
        apply_live(streams, *ret);
    announce(streams, put.is_new ? "stream.created" : "stream.changed", tenant, name, user);
    if (ret_is_new)
        *ret_is_new = put.is_new;
    return true;
}

bool stream_by_id(struct streams *streams, int64_t id, struct stream **ret, struct su_err *err)
{
    SU_AUTO_FREE char *tenant = NULL, *name = NULL;
    {
        STORE_READ(streams->store, db);
        SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT tenant, name FROM streams WHERE id = ?1", sql_int(id));
        enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
        if (next == SQL_DONE)
            return su_fail(err, SU_NOT_FOUND, "the stream is gone");
        if (next == SQL_ERROR)
            return false;
        tenant = su_strdup(sql_col_text(row, 0));
        name = su_strdup(sql_col_text(row, 1));
    }
    return stream_get(streams, tenant, name, ret, err);
}

bool stream_make(struct streams *streams, const char *tenant, const char *name, const json_t *definition,
                 const char *user, struct stream **ret, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = su_alloc(sizeof *stream);
    stream->references = 1;
    if (!stream_name_check(name, true, err) || !stream_definition_read(definition, stream, err))
        return false;
    stream->source = STREAM_SYSTEM;
    struct putting put = {.tenant = tenant, .name = name, .if_none_match = "*", .user = user, .stream = stream};
    return put_stream(streams, &put, ret, err);
}

/* --- deleting -------------------------------------------------------------- */

struct removing {
    struct streams *streams;
    const char *tenant, *name, *if_match;
    bool force;
    struct stream *stream;
};

static bool refuse_parent(struct sql *db, const struct stream *stream, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT name FROM streams WHERE source = 'derived' AND tenant = ?1 "
                                                 "AND definition ->> '$.source.from' = ?2 LIMIT 1",
                                                 sql_text(stream->tenant), sql_text(stream->name));
    switch (row ? sql_step(row, err) : SQL_ERROR) {
    case SQL_ROW:
        su_fail_slug(err, "has-dependants", "the stream \"%s\" is derived from \"%s\"", sql_col_text(row, 0),
                     stream->name);
        return su_hint(err, "delete that one first, or say force=true");
    case SQL_DONE:
        return true;
    case SQL_ERROR:
        break;
    }
    return false;
}

static bool remove_job(struct sql *db, void *arg, struct su_err *err)
{
    struct removing *removing = arg;
    struct streams *streams = removing->streams;
    if (!read_stream(db, removing->tenant, removing->name, &removing->stream, err))
        return false;
    struct stream *stream = removing->stream;
    if (removing->if_match && !object_etag_matches(removing->if_match, stream->etag))
        return su_fail_slug(err, "precondition-failed", "the stream \"%s\" has changed meanwhile", stream->name);
    if (!removing->force && !refuse_parent(db, stream, err))
        return false;
    for (size_t i = 0; i < streams->hook_count; i++)
        if (!streams->hooks[i].removed(db, streams->hooks[i].arg, stream, removing->force, err))
            return false;
    return log_remove(streams->logs, db, stream->log, err) && log_remove(streams->logs, db, stream->dead_log, err) &&
           sql_run(db, err, "DELETE FROM stream_batches WHERE stream = ?1", sql_int(stream->id)) &&
           sql_run(db, err, "DELETE FROM streams WHERE id = ?1", sql_int(stream->id));
}

static void live_free(struct live *live)
{
    json_decref(live->schema);
    json_decref(live->status);
    stream_unref(live->stream);
    stream_ids_free(live->ids);
    free(live->topic);
    free(live);
}

static int by_id(const void *a, const void *b)
{
    const struct live *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static void drop_live(struct streams *streams, int64_t id)
{
    SU_LOCKED(&streams->lock);
    struct live wanted = {.id = id}, **found = tfind(&wanted, &streams->lives, by_id);
    if (!found)
        return;
    struct live *live = *found;
    tdelete(live, &streams->lives, by_id);
    live_free(live);
}

bool stream_delete(struct streams *streams, const char *tenant, const char *name, const char *if_match, bool force,
                   const char *user, struct su_err *err)
{
    struct removing removing = {streams, tenant, name, if_match, force, NULL};
    bool is_gone = store_write(streams->store, remove_job, &removing, err);
    STREAM_AUTO struct stream *stream = removing.stream;
    if (!is_gone)
        return false;
    forget(streams, tenant, name);
    drop_live(streams, stream->id);
    announce(streams, "stream.deleted", tenant, name, user);
    stream_tell(streams, stream);
    return true;
}

void streams_on_delete(struct streams *streams,
                       bool (*removed)(struct sql *, void *, const struct stream *, bool, struct su_err *), void *arg)
{
    su_assert(streams->hook_count < STREAM_HOOKS);
    streams->hooks[streams->hook_count++] = (struct stream_hook){removed, arg};
}

void streams_add_floor(struct streams *streams, stream_floor_fn *floor, void *arg)
{
    SU_LOCKED(&streams->lock);
    su_assert(streams->floor_count < STREAM_HOOKS);
    streams->floors[streams->floor_count].floor = floor;
    streams->floors[streams->floor_count++].arg = arg;
}

/* --- listing ---------------------------------------------------------------- */

bool stream_list(struct streams *streams, const char *tenant, const char *prefix, const char *part, const char *cursor,
                 size_t limit, json_t **ret_items, char **ret_next, struct su_err *err)
{
    STORE_READ(streams->store, db);
    SU_AUTO_JSON json_t *items = json_array();
    SU_AUTO_FREE char *next = NULL;
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT " STREAM_COLUMNS " FROM streams WHERE tenant = ?1 AND name > ?2 AND substr(name, 1, length(?3)) = ?3"
        " AND (?5 = '' OR instr(lower(name), lower(?5)) > 0) ORDER BY name LIMIT ?4",
        sql_text(tenant), sql_text(cursor ? cursor : ""), sql_text(prefix ? prefix : ""), sql_int((int64_t)limit + 1),
        sql_text(part ? part : ""));
    enum sql_next step = row ? SQL_ROW : SQL_ERROR;
    while (step != SQL_ERROR && (step = sql_step(row, err)) == SQL_ROW) {
        if (json_array_size(items) == limit) {
            next = su_strdup(su_json_string(json_array_get(items, limit - 1), "name", ""));
            break;
        }
        STREAM_AUTO struct stream *stream = NULL;
        json_t *item;
        if (!of_row(row, &stream, err) || !stream_json(streams, stream, &item, err))
            return false;
        json_array_append_new(items, item);
    }
    if (step == SQL_ERROR)
        return false;
    *ret_items = su_take(items);
    *ret_next = su_take(next);
    return true;
}

bool stream_each(struct streams *streams, enum stream_source source, bool (*each)(void *arg, struct stream *stream),
                 void *arg, struct su_err *err)
{
    STORE_READ(streams->store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " STREAM_COLUMNS " FROM streams WHERE source = ?1 ORDER BY id",
                  sql_text(stream_source_name(source)));
    enum sql_next step = row ? SQL_ROW : SQL_ERROR;
    while (step != SQL_ERROR && (step = sql_step(row, err)) == SQL_ROW) {
        STREAM_AUTO struct stream *stream = NULL;
        if (!of_row(row, &stream, err))
            return false;
        if (!each(arg, stream_ref(stream)))
            break;
    }
    return step != SQL_ERROR;
}

/* --- describing --------------------------------------------------------------- */

static void add_rates(const struct live *live, json_t *json)
{
    int64_t now = su_mono_ms() / 1000;
    uint64_t messages = 0, bytes = 0;
    for (size_t i = 0; i < STREAM_RATE_SECONDS; i++)
        if (live->rate[i].second >= now - STREAM_RATE_SECONDS && live->rate[i].second < now) {
            messages += live->rate[i].messages;
            bytes += live->rate[i].bytes;
        }
    json_object_set_new(json, "rates",
                        json_pack("{s:f, s:f}", "messages_per_s", (double)messages / STREAM_RATE_SECONDS, "bytes_per_s",
                                  (double)bytes / STREAM_RATE_SECONDS));
    json_object_set_new(json, "since_start",
                        json_pack("{s:I, s:I, s:I, s:I}", "messages", (json_int_t)live->messages, "bytes",
                                  (json_int_t)live->bytes, "dead_letters", (json_int_t)live->dead, "clamped",
                                  (json_int_t)live->clamped));
}

static void add_live(struct streams *streams, const struct stream *stream, json_t *json)
{
    SU_LOCKED(&streams->lock);
    const struct live *live = stream_live(streams, stream);
    add_rates(live, json);
    json_object_set_new(json, "source",
                        live->status ? json_deep_copy(live->status) : json_pack("{s:s}", "state", "ready"));
    const char *state = live->status ? su_json_string(live->status, "state", "ready") : "ready";
    json_object_set_new(json, "state", json_string(stream->is_paused ? "paused" : state));
}

static json_t *time_json(int64_t us)
{
    char text[SU_TIME_TEXT_US];
    return us == INT64_MIN || us == INT64_MAX ? json_null() : json_string(su_time_text_us(us, text));
}

bool stream_schema(struct streams *streams, const struct stream *stream, struct sql *db, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *schema = NULL;
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT schema, schema_version FROM streams WHERE id = ?1", sql_int(stream->id));
    enum sql_next step = row ? sql_step(row, err) : SQL_ERROR;
    if (step == SQL_DONE)
        return no_stream(err, stream->name);
    if (step == SQL_ERROR || !su_json_parse(sql_col_str(row, 0), "schema", &schema, err))
        return false;
    *ret = stream_schema_json(schema, sql_col_int(row, 1));
    return true;
}

bool stream_json(struct streams *streams, struct stream *stream, json_t **ret, struct su_err *err)
{
    STORE_READ(streams->store, db);
    struct log_extent extent, dead;
    SU_AUTO_JSON json_t *schema = NULL;
    char created[SU_TIME_TEXT];
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT schema, schema_version FROM streams WHERE id = ?1", sql_int(stream->id));
    enum sql_next step = row ? sql_step(row, err) : SQL_ERROR;
    if (step == SQL_DONE)
        return no_stream(err, stream->name);
    if (step == SQL_ERROR || !su_json_parse(sql_col_str(row, 0), "schema", &schema, err) ||
        !log_extent(db, stream->log, &extent, err) || !log_extent(db, stream->dead_log, &dead, err))
        return false;
    bool is_empty = extent.first == extent.next;
    json_t *json =
        json_pack("{s:s, s:O, s:I, s:s, s:s, s:{s:I, s:I}, s:{s:o, s:o}, s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:o}",
                  "name", stream->name, "definition", stream->definition, "version", (json_int_t)stream->version,
                  "created_at", su_time_text(stream->created_ms, created), "created_by", stream->created_by, "offsets",
                  "first", (json_int_t)extent.first, "next", (json_int_t)extent.next, "time", "low",
                  time_json(is_empty ? INT64_MIN : extent.low_us), "high", time_json(extent.high_us), "messages",
                  (json_int_t)(extent.next - extent.first), "dead_letters", (json_int_t)(dead.next - dead.first),
                  "stored", "head_bytes", (json_int_t)extent.head_bytes, "head_messages", (json_int_t)extent.head_rows,
                  "sealed_bytes", (json_int_t)extent.sealed_bytes, "sealed_messages", (json_int_t)extent.sealed_rows,
                  "schema", stream_schema_json(schema, sql_col_int(row, 1)));
    add_live(streams, stream, json);
    *ret = json;
    return true;
}

/* --- what goes on in this process ------------------------------------------- */

struct live *stream_live(struct streams *streams, const struct stream *stream)
{
    struct live wanted = {.id = stream->id}, **found = tfind(&wanted, &streams->lives, by_id);
    if (found)
        return *found;
    struct live *live = su_alloc(sizeof *live);
    live->id = stream->id;
    live->topic = su_strdup(stream->topic);
    live->tokens = (double)stream->messages_per_s;
    tsearch(live, &streams->lives, by_id);
    return live;
}

void stream_status(struct streams *streams, const struct stream *stream, json_t *status)
{
    SU_LOCKED(&streams->lock);
    struct live *live = stream_live(streams, stream);
    json_decref(live->status);
    live->status = status;
}

void stream_tell(struct streams *streams, const struct stream *stream)
{
    su_bus_publish(streams->bus, stream->topic, "append", NULL);
}

int64_t stream_now_us(struct streams *streams)
{
    SU_LOCKED(&streams->lock);
    return su_steady_now(&streams->clock);
}

struct logs *streams_logs(struct streams *streams) { return streams->logs; }
struct store *streams_store(struct streams *streams) { return streams->store; }
struct su_bus *streams_bus(struct streams *streams) { return streams->bus; }

/* --- the service ------------------------------------------------------------- */

bool streams_open(struct store *store, struct logs *logs, struct su_bus *bus, const struct streams_options *options,
                  struct streams **ret, struct su_err *err)
{
    struct streams *streams = su_alloc(sizeof *streams);
    *streams = (struct streams){
        .store = store, .logs = logs, .bus = bus, .options = options ? *options : (struct streams_options){0}};
    if (!streams->options.message_bytes)
        streams->options.message_bytes = 1 << 20;
    if (!streams->options.queued_bytes)
        streams->options.queued_bytes = 32 << 20;
    if (!streams->options.streams_max)
        streams->options.streams_max = 100000;
    su_lock_init(&streams->lock);
    streams->events = events_queue_new();
    su_thread_start(&streams->thread, "streams", stream_upkeep, streams);
    streams->subscription = su_bus_subscribe(bus, NULL, events_queue_take, streams);
    if (streams->options.has_promises && !events_queue_resume(streams, err)) {
        streams_close(streams);
        return false;
    }
    *ret = streams;
    return true;
}

static void free_node(void *node) { live_free(node); }

void streams_close(struct streams *streams)
{
    if (!streams)
        return;
    su_bus_unsubscribe(streams->bus, streams->subscription);
    su_lock(&streams->lock);
    streams->is_closing = true;
    su_wake(&streams->lock);
    su_unlock(&streams->lock);
    su_thread_join(&streams->thread);
    for (size_t i = 0; i < STREAM_CACHE; i++)
        stream_unref(streams->cache[i]);
    while (streams->pool_count)
        stream_writer_destroy(streams->pool[--streams->pool_count]);
    tdestroy(streams->lives, free_node);
    stream_rates_free(streams->rates);
    events_queue_free(streams->events);
    su_lock_done(&streams->lock);
    free(streams);
}
