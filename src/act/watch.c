/* Watches, their definitions: see watch.h.  Layer act; jobs on the writer thread. */
#include "watch.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "aggregate/object.h"
#include "base/clock.h"
#include "watch_private.h"

const struct store_migration watch_migrations[] = {
    {"watch", 1,
     "CREATE TABLE watches (number INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL,"
     "  generation INTEGER NOT NULL, stream_name TEXT NOT NULL, stream INTEGER NOT NULL DEFAULT 0, base_us INTEGER NOT NULL,"
     "  from_us INTEGER NOT NULL, next_us INTEGER NOT NULL, since_us INTEGER NOT NULL, keep_from INTEGER NOT NULL DEFAULT 0, stopped TEXT,"
     "  created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL) STRICT;"
     "CREATE UNIQUE INDEX watches_by_name ON watches (tenant, name);"
     "CREATE INDEX watches_by_stream ON watches (stream);"
     "CREATE TABLE watch_models (watch INTEGER NOT NULL, from_us INTEGER NOT NULL, version INTEGER NOT NULL,"
     "  PRIMARY KEY (watch, from_us)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE watch_checkpoints (watch INTEGER NOT NULL, next_us INTEGER NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,"
     "  offset INTEGER NOT NULL, saved_ms INTEGER NOT NULL, PRIMARY KEY (watch, next_us)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* --- rows ---------------------------------------------------------------------------- */

void watch_row_done(struct watch_row *row)
{
    free(row->tenant);
    free(row->name);
    free(row->definition);
    free(row->stopped);
    free(row->created_by);
    free(row->changed_by);
    *row = (struct watch_row){0};
}

#define ROW_COLUMNS \
    "number, tenant, name, definition, generation, stream, base_us, from_us, next_us, since_us, stopped, created_ms, created_by, changed_ms, changed_by"

static void read_row(struct sql_row *row, struct watch_row *ret)
{
    *ret = (struct watch_row){
        .number = sql_col_int(row, 0), .tenant = su_strdup(sql_col_text(row, 1)), .name = su_strdup(sql_col_text(row, 2)),
        .definition = su_strdup(sql_col_text(row, 3)), .generation = sql_col_int(row, 4), .stream = sql_col_int(row, 5),
        .base_us = sql_col_int(row, 6), .from_us = sql_col_int(row, 7), .next_us = sql_col_int(row, 8), .since_us = sql_col_int(row, 9),
        .stopped = su_strdup(sql_col_text(row, 10)), .created_ms = sql_col_int(row, 11), .created_by = su_strdup(sql_col_text(row, 12)),
        .changed_ms = sql_col_int(row, 13), .changed_by = su_strdup(sql_col_text(row, 14))};
}

bool watch_row_load(struct sql *db, const char *tenant, const char *name, struct watch_row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " ROW_COLUMNS " FROM watches WHERE tenant = ?1 AND name = ?2", sql_text(tenant), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE) {
        su_fail(err, SU_NOT_FOUND, "there is no watch \"%.128s\"", name);
        return su_hint(err, "Make it: PUT /v1/watches/%.100s with {\"stream\": \"…\"}.", name);
    }
    if (next == SQL_ROW)
        read_row(row, ret);
    return next == SQL_ROW;
}

bool watch_row_load_number(struct sql *db, int64_t number, struct watch_row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " ROW_COLUMNS " FROM watches WHERE number = ?1", sql_int(number));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the watch is gone");
    if (next == SQL_ROW)
        read_row(row, ret);
    return next == SQL_ROW;
}

/* --- where it begins -------------------------------------------------------------------- */

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference;
    return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

/* The first window that is judged when it begins as "from" says; INT64_MIN: with the first message. */
static bool place(struct watches *watches, const char *tenant, const struct watch_definition *d, int64_t *ret_from, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    uint64_t next;
    int64_t high_us, ms;
    *ret_from = INT64_MIN;
    if (strcmp(d->from, "earliest") == 0)
        return true;
    if (!stream_get(watches->streams, tenant, d->stream, &stream, err))
        return err->code == SU_NOT_FOUND;       /* it waits until there is such a stream */
    const struct window_spec spec = watch_windows(d, stream);
    STORE_READ(watches->store, db);
    if (!log_end(db, stream->log, &next, &high_us, err))
        return false;
    if (su_time_parse(su_str_of(d->from), &ms))
        *ret_from = panes_start(&spec, ms * 1000);
    else if (high_us != INT64_MIN)
        *ret_from = panes_last_closed(&spec, high_us) + window_slide(&spec);
    return true;
}

/* --- changing --------------------------------------------------------------------------------- */

struct putting {
    struct watches *watches;
    const char *tenant, *name, *user, *if_match, *if_none_match;
    struct watch_definition *definition;
    const char *text;
    int64_t place_us;
    bool is_new;
};

static void etag_of(const struct watch_row *row, char ret[static 48])
{
    snprintf(ret, 48, "w%lld-%lld", (long long)row->number, (long long)row->generation);
}

static bool check_actions(struct sql *db, const struct putting *put, struct su_err *err)
{
    struct scale_policy policies[WATCH_ACTIONS_MAX];
    for (size_t i = 0; i < put->definition->action_count; i++) {
        SU_AUTO_JSON json_t *action = NULL;
        if (!action_load(db, put->tenant, put->definition->actions[i].action, &action, err)) {
            snprintf(err->field, sizeof err->field, "/actions/%zu/action", i);
            return false;
        }
    }
    return watch_policies(db, put->tenant, put->definition, policies, err);
}

static bool insert(struct sql *db, const struct putting *put, const struct watch_row *before, struct su_err *err)
{
    int64_t now = su_now_ms(), from = put->place_us, base = minus(from, put->definition->learn_us);
    return sql_run(db, err,
                   "INSERT INTO watches (tenant, name, definition, generation, stream_name, base_us, from_us, next_us, since_us, created_ms,"
                   " created_by, changed_ms, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7, ?8, ?9, ?10, ?11)",
                   sql_text(put->tenant), sql_text(put->name), sql_text(put->text), sql_int(before ? before->generation + 1 : 1),
                   sql_text(put->definition->stream), sql_int(from == INT64_MIN ? INT64_MIN : base), sql_int(from),
                   sql_int(before ? before->created_ms : now), sql_text(before ? before->created_by : put->user), sql_int(now), sql_text(put->user));
}

static bool forget(struct sql *db, const struct watch_row *row, struct su_err *err)
{
    return watch_checkpoints_drop(db, row->tenant, row->number, err)
        && sql_run(db, err, "DELETE FROM watch_models WHERE watch = ?1", sql_int(row->number));
}

/* The same learning under other rules: it goes on where it is.  Else it learns anew and goes on deciding from there. */
static bool change(struct sql *db, const struct putting *put, const struct watch_row *before, const struct watch_definition *old, struct su_err *err)
{
    bool is_same = watch_definition_learns_same(old, put->definition);
    int64_t from = old->is_enabled ? before->next_us : put->place_us;
    if (!sql_run(db, err,
                 "UPDATE watches SET definition = ?2, generation = generation + 1, stream_name = ?3, stopped = NULL, changed_ms = ?4,"
                 " changed_by = ?5, since_us = next_us WHERE number = ?1",
                 sql_int(before->number), sql_text(put->text), sql_text(put->definition->stream), sql_int(su_now_ms()), sql_text(put->user)))
        return false;
    if (is_same && old->is_enabled)
        return true;
    int64_t base = from == INT64_MIN ? INT64_MIN : minus(from, put->definition->learn_us);
    return forget(db, before, err)
        && sql_run(db, err, "UPDATE watches SET base_us = ?2, from_us = ?3, next_us = ?3, since_us = ?3, stream = 0, keep_from = 0 WHERE number = ?1",
                   sql_int(before->number), sql_int(base), sql_int(from));
}

static bool replace(struct sql *db, const struct putting *put, const struct watch_row *before, struct su_err *err)
{
    WATCH_AUTO_DEFINITION struct watch_definition old = {0};
    SU_AUTO_JSON json_t *given = NULL;
    if (!su_json_parse(su_str_of(before->definition), "definition", &given, err) || !watch_definition_read(given, &old, err))
        return false;
    if (strcmp(old.from, put->definition->from) == 0)
        return change(db, put, before, &old, err);
    return forget(db, before, err) && sql_run(db, err, "DELETE FROM watches WHERE number = ?1", sql_int(before->number))
        && insert(db, put, before, err);
}

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    struct putting *put = arg;
    WATCH_AUTO_ROW struct watch_row before = {0};
    char etag[48] = "";
    int64_t count;
    struct su_err why;
    put->is_new = !watch_row_load(db, put->tenant, put->name, &before, &why);
    if (put->is_new && why.code != SU_NOT_FOUND) {
        *err = why;
        return false;
    }
    if (!put->is_new)
        etag_of(&before, etag);
    if (put->if_match && (put->is_new || !object_etag_matches(put->if_match, etag)))
        return su_fail_slug(err, "precondition-failed", "watch \"%.128s\" was changed in the meantime", put->name);
    if (put->if_none_match && !put->is_new && object_etag_matches(put->if_none_match, etag))
        return su_fail_slug(err, "precondition-failed", "there is a watch \"%.128s\" already", put->name);
    if (!check_actions(db, put, err) || !sql_get_int(db, 0, &count, err, "SELECT count(*) FROM watches WHERE tenant = ?1", sql_text(put->tenant)))
        return false;
    if (put->is_new && count >= WATCHES_MAX)
        return su_fail(err, SU_LIMIT, "there are %d watches, the most there may be; delete some first", WATCHES_MAX);
    return put->is_new ? insert(db, put, NULL, err) : replace(db, put, &before, err);
}

static bool check_name(const char *name, struct su_err *err)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
            return su_fail_field(err, SU_INVALID, "name", "a watch's name has letters, digits, - _ and . only, was \"%.128s\"", name);
    return (len > 0 && len <= WATCH_NAME_MAX)
        || su_fail_field(err, SU_INVALID, "name", "a watch's name has 1..%d bytes, was %zu", WATCH_NAME_MAX, len);
}

static void tell(struct watches *watches, const char *tenant, const char *event, const char *name, const char *user)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", name, "user", user);
    su_bus_publish(watches->bus, topic, event, detail);
    watches_changed(watches);
}

bool watch_put(struct watches *watches, const char *tenant, const char *name, const json_t *given, const char *if_match,
               const char *if_none_match, const char *user, json_t **ret, bool *ret_is_new, struct su_err *err)
{
    WATCH_AUTO_DEFINITION struct watch_definition definition = {0};
    struct putting put = {.watches = watches, .tenant = tenant, .name = name, .user = user, .if_match = if_match, .if_none_match = if_none_match,
                          .definition = &definition};
    if (!check_name(name, err) || !watch_definition_read(given, &definition, err) || !place(watches, tenant, &definition, &put.place_us, err))
        return false;
    SU_AUTO_FREE char *text = su_json_text(definition.given);
    put.text = text;
    if (!store_write(watches->store, put_job, &put, err))
        return false;
    *ret_is_new = put.is_new;
    tell(watches, tenant, "watch.changed", name, user);
    return watch_get(watches, tenant, name, ret, err);
}

static bool delete_job(struct sql *db, void *arg, struct su_err *err)
{
    struct putting *put = arg;
    WATCH_AUTO_ROW struct watch_row row = {0};
    return watch_row_load(db, put->tenant, put->name, &row, err) && forget(db, &row, err)
        && sql_run(db, err, "DELETE FROM watches WHERE number = ?1", sql_int(row.number));
}

bool watch_delete(struct watches *watches, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    struct putting put = {.tenant = tenant, .name = name};
    if (!store_write(watches->store, delete_job, &put, err))
        return false;
    tell(watches, tenant, "watch.deleted", name, user);
    return true;
}

/* --- reading -------------------------------------------------------------------------------------- */

static json_t *time_json(int64_t at_us)
{
    char text[SU_TIME_TEXT_US];
    return at_us == INT64_MIN ? json_null() : json_string(su_time_text_us(at_us, text));
}

static void add_state(json_t *into, const char *state, const char *error)
{
    json_object_set_new(into, "state", json_string(state));
    json_object_set_new(into, "error", su_json_text_or_null(error && *error ? error : NULL));
}

static void add_engine(json_t *into, const struct watch_worker *worker)
{
    struct watch_engine_totals totals = {0};
    int64_t version = 0, next = worker->engine ? worker->shown_us : INT64_MIN;
    double lag_s = worker->high_us == INT64_MIN || next == INT64_MIN || worker->high_us < next ? 0 : (double)(worker->high_us - next) / 1e6;
    if (worker->engine)
        watch_engine_totals(worker->engine, &totals);
    watch_models_at(worker->model_changes, worker->model_count, next, &version);
    json_object_set_new(into, "code", worker->engine ? json_string(watch_engine_code(worker->engine)) : json_null());
    json_object_set_new(into, "position", json_pack("{s:o}", "window_start", time_json(next)));
    json_object_set_new(into, "lag", json_pack("{s:f}", "seconds", lag_s));
    json_object_set_new(into, "keys", json_integer((json_int_t)totals.keys));
    json_object_set_new(into, "firing", json_integer((json_int_t)totals.firing));
    json_object_set_new(into, "worst", json_string(watch_level_name(totals.worst)));
    json_object_set_new(into, "unwatched", json_integer((json_int_t)totals.unwatched));
    json_object_set_new(into, "mean_score", worker->engine ? json_real(totals.mean_score) : json_null());
    json_object_set_new(into, "differing", json_integer((json_int_t)worker->differing));
    json_object_set_new(into, "model", version == 0 ? json_null()
                        : json_pack("{s:s, s:I}", "name", worker->definition->model ? worker->definition->model : "", "version", (json_int_t)version));
}

static json_t *row_json(struct watches *watches, const struct watch_row *row)
{
    static const struct watch_worker none = {.high_us = INT64_MIN, .shown_us = INT64_MIN};
    char etag[48], created[SU_TIME_TEXT], changed[SU_TIME_TEXT];
    etag_of(row, etag);
    json_t *definition = json_loads(row->definition, JSON_ALLOW_NUL, NULL);
    json_t *json = json_pack("{s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:s}", "name", row->name, "definition", definition ? definition : json_null(),
                             "created_at", su_time_text(row->created_ms, created), "created_by", row->created_by, "changed_at",
                             su_time_text(row->changed_ms, changed), "changed_by", row->changed_by, "version", (json_int_t)row->generation,
                             "etag", etag);
    WATCH_AUTO_WORKER struct watch_worker *worker = watches_find(watches, row->tenant, row->name);
    if (worker == NULL || worker->number != row->number) {
        add_engine(json, &none);
        add_state(json, row->stopped ? "stopped" : "starting", row->stopped);
        return json;
    }
    SU_LOCKED(&worker->lock);
    add_engine(json, worker);
    add_state(json, worker->state, worker->message);
    return json;
}

bool watch_get(struct watches *watches, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    WATCH_AUTO_ROW struct watch_row row = {0};
    {
        STORE_READ(watches->store, db);
        if (!watch_row_load(db, tenant, name, &row, err))
            return false;
    }
    *ret = row_json(watches, &row);
    return true;
}

bool watch_list(struct watches *watches, const char *tenant, json_t **ret_items, struct su_err *err)
{
    SU_AUTO_JSON json_t *items = json_array();
    STORE_READ(watches->store, db);
    SQL_AUTO_END struct sql_row *at = sql_query(db, err, "SELECT " ROW_COLUMNS " FROM watches WHERE tenant = ?1 ORDER BY name", sql_text(tenant));
    enum sql_next next = SQL_ERROR;
    while (at && (next = sql_step(at, err)) == SQL_ROW) {
        WATCH_AUTO_ROW struct watch_row row;
        read_row(at, &row);
        json_array_append_new(items, row_json(watches, &row));
    }
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

bool watch_totals(struct watches *watches, const char *tenant, struct watch_totals *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *items = NULL;
    size_t i;
    json_t *item;
    if (!watch_list(watches, tenant, &items, err))
        return false;
    *ret = (struct watch_totals){.watches = (int64_t)json_array_size(items)};
    json_array_foreach (items, i, item) {
        double lag_s = su_json_number(json_object_get(item, "lag"), "seconds", 0);
        enum watch_level worst = WATCH_OK;
        while (worst < WATCH_CRITICAL && strcmp(watch_level_name(worst), su_json_string(item, "worst", "ok")) != 0)
            worst++;
        ret->stopped += strcmp(su_json_string(item, "state", ""), "stopped") == 0;
        ret->keys += su_json_int(item, "keys", 0);
        ret->firing += su_json_int(item, "firing", 0);
        ret->lag_ms_max = lag_s * 1000 > (double)ret->lag_ms_max ? (int64_t)(lag_s * 1000) : ret->lag_ms_max;
        ret->worst = worst > ret->worst ? worst : ret->worst;
    }
    return true;
}

/* --- keys ---------------------------------------------------------------------------------------------- */

static json_t *slot_json(const char *name, const struct watch_slot *slot)
{
    const struct watch_key *machine = &slot->machine;
    bool is_open = watch_is_open(machine);
    json_t *key = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:o, s:o, s:b}", "key", name, "state",
                            watch_state_name((enum watch_state)machine->state), "level", watch_level_name((enum watch_level)machine->level),
                            "is_warm", (int)slot->last.is_warm, "is_open", (int)is_open, "episode", (json_int_t)machine->episode, "opened_at",
                            is_open ? time_json(machine->opened_us) : json_null(), "first_at",
                            machine->has_messages ? time_json(machine->first_us) : json_null(), "last_at",
                            machine->has_messages ? time_json(machine->last_us) : json_null(), "is_flapping", (int)machine->is_flapping);
    watch_verdict_add(key, &slot->last);
    return key;
}

struct named { const char *name; size_t index; };
static int by_name(const void *a, const void *b) { return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name); }

static bool is_wanted(const struct watch_key_list *list, const char *name, const struct watch_key *machine)
{
    return (list->cursor == NULL || strcmp(name, list->cursor) > 0) && (list->part == NULL || strstr(name, list->part) != NULL)
        && (list->state == NULL || (strcmp(list->state, "open") == 0 ? watch_is_open(machine)
                                    : strcmp(list->state, watch_state_name((enum watch_state)machine->state)) == 0));
}

static void list_keys(const struct watch_keys *keys, const struct watch_key_list *list, json_t *items, char **ret_next)
{
    size_t count = 0;
    SU_AUTO_FREE struct named *found = su_alloc((watch_keys_count(keys) + 1) * sizeof *found);
    for (size_t i = 0; i < watch_keys_count(keys); i++)
        if (is_wanted(list, watch_keys_name(keys, i), &watch_keys_at(keys, i)->machine))
            found[count++] = (struct named){watch_keys_name(keys, i), i};
    qsort(found, count, sizeof *found, by_name);
    for (size_t i = 0; i < count && i < list->limit; i++)
        json_array_append_new(items, slot_json(found[i].name, watch_keys_at(keys, found[i].index)));
    *ret_next = count > list->limit && list->limit > 0 ? su_strdup(found[list->limit - 1].name) : NULL;
}

bool watch_key_list(struct watches *watches, const struct watch_key_list *list, json_t **ret_items, char **ret_next, struct su_err *err)
{
    WATCH_AUTO_ROW struct watch_row row = {0};
    {
        STORE_READ(watches->store, db);
        if (!watch_row_load(db, list->tenant, list->name, &row, err))
            return false;
    }
    WATCH_AUTO_WORKER struct watch_worker *worker = watches_find(watches, list->tenant, list->name);
    *ret_items = json_array();
    *ret_next = NULL;
    if (worker == NULL)
        return true;
    SU_LOCKED(&worker->lock);
    if (worker->engine)
        list_keys(watch_engine_keys(worker->engine), list, *ret_items, ret_next);
    return true;
}

/* --- the service -------------------------------------------------------------------------------------------- */

static bool removed(struct sql *db, void *arg, const struct stream *stream, bool force, struct su_err *err)
{
    int64_t count;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM watches WHERE tenant = ?1 AND stream_name = ?2 AND stopped IS NULL",
                     sql_text(stream->tenant), sql_text(stream->name)))
        return false;
    if (count > 0 && !force)
        return su_fail(err, SU_CONFLICT, "stream \"%.128s\" is watched by %lld watches; delete them first, or force it", stream->name,
                       (long long)count);
    return sql_run(db, err, "DELETE FROM watch_models WHERE watch IN (SELECT number FROM watches WHERE stream = ?1)", sql_int(stream->id));
}

static bool floor_of(struct sql *db, void *arg, const struct stream *stream, uint64_t *ret, struct su_err *err)
{
    int64_t least;
    if (!sql_get_int(db, INT64_MAX, &least, err,
                     "SELECT coalesce(min(keep_from), 9223372036854775807) FROM watches WHERE stream = ?1 AND stopped IS NULL"
                     " AND keep_from > 0 AND definition ->> 'enabled' = 1",
                     sql_int(stream->id)))
        return false;
    *ret = least == INT64_MAX ? UINT64_MAX : (uint64_t)least;
    return true;
}

bool watches_open(struct streams *streams, struct models *models, struct watches **ret, struct su_err *err)
{
    struct watches *watches = su_alloc(sizeof *watches);
    *watches = (struct watches){.streams = streams, .store = streams_store(streams), .bus = streams_bus(streams), .models = models};
    su_lock_init(&watches->lock);
    streams_on_delete(streams, removed, watches);
    streams_add_floor(streams, floor_of, watches);
    if (!watches_run_start(watches, err)) {
        watches_close(watches);
        return false;
    }
    *ret = watches;
    return true;
}

void watches_close(struct watches *watches)
{
    if (watches == NULL)
        return;
    watches_run_stop(watches);
    su_lock_done(&watches->lock);
    free(watches);
}
