/* Triggers' rows: definitions, where each stands, and what waits in their queues.  Layer act. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "aggregate/stream.h"
#include "base/clock.h"
#include "decision.h"
#include "interact/run.h"
#include "trigger_private.h"

const struct store_migration trigger_migrations[] = {
    {"trigger", 1,
     "CREATE TABLE triggers (tenant TEXT NOT NULL, name TEXT NOT NULL, definition TEXT NOT NULL, version INTEGER NOT NULL,"
     "  created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL, secret_hash BLOB,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"
     "CREATE UNIQUE INDEX triggers_by_secret ON triggers (secret_hash) WHERE secret_hash IS NOT NULL;"
     /* Small, because every firing writes it. */
     "CREATE TABLE trigger_states (tenant TEXT NOT NULL, name TEXT NOT NULL, generation TEXT NOT NULL, since_us INTEGER NOT NULL,"
     "  stream INTEGER NOT NULL, offset INTEGER NOT NULL, looked_us INTEGER NOT NULL, fired INTEGER NOT NULL, dropped INTEGER NOT NULL,"
     "  skipped INTEGER NOT NULL, missed INTEGER NOT NULL, last_fired_ms INTEGER NOT NULL, last_dropped_ms INTEGER NOT NULL,"
     "  rate_start_ms INTEGER NOT NULL, rate_count INTEGER NOT NULL, active TEXT NOT NULL, error TEXT, is_stopped INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX trigger_states_by_stream ON trigger_states (stream);"
     "CREATE TABLE trigger_queue (number INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL,"
     "  queued_ms INTEGER NOT NULL, firing TEXT NOT NULL) STRICT;"
     "CREATE UNIQUE INDEX trigger_queue_by_trigger ON trigger_queue (tenant, name, id);"},
    {NULL, 0, NULL},
};

bool trigger_name_check(const char *name, struct su_err *err)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
            return su_fail_field(err, SU_INVALID, "name", "a trigger's name has letters, digits, - _ and . only, was \"%.128s\"", name);
    if (len == 0 || len > TRIGGER_NAME_MAX)
        return su_fail_field(err, SU_INVALID, "name", "a trigger's name has 1..%d bytes, was %zu", TRIGGER_NAME_MAX, len);
    return true;
}

void trigger_row_done(struct trigger_row *row)
{
    char *texts[] = {row->tenant, row->name, row->generation, row->changed_by, row->created_by, row->error};
    for (size_t i = 0; i < SU_COUNT(texts); i++)
        free(texts[i]);
    json_decref(row->definition);
    *row = (struct trigger_row){0};
}

/* --- reading ---------------------------------------------------------------------------------- */

#define TRIGGER_COLUMNS                                                                                                     \
    "t.tenant, t.name, t.definition, t.version, t.created_ms, t.created_by, t.changed_ms, t.changed_by, t.secret_hash IS NOT NULL," \
    " s.generation, s.since_us, s.stream, s.offset, s.looked_us, s.fired, s.dropped, s.skipped, s.missed, s.last_fired_ms,"   \
    " s.last_dropped_ms, s.rate_start_ms, s.rate_count, s.active, s.error, s.is_stopped,"                                     \
    " (SELECT count(*) FROM trigger_queue q WHERE q.tenant = t.tenant AND q.name = t.name)"                                   \
    " FROM triggers t JOIN trigger_states s ON s.tenant = t.tenant AND s.name = t.name"

static void read_row(struct sql_row *row, struct trigger_row *ret)
{
    *ret = (struct trigger_row){
        .tenant = su_strdup(sql_col_text(row, 0)), .name = su_strdup(sql_col_text(row, 1)),
        .definition = json_loads(sql_col_text(row, 2), JSON_ALLOW_NUL, NULL), .version = sql_col_int(row, 3),
        .created_ms = sql_col_int(row, 4), .created_by = su_strdup(sql_col_text(row, 5)), .changed_ms = sql_col_int(row, 6),
        .changed_by = su_strdup(sql_col_text(row, 7)), .has_secret = sql_col_int(row, 8), .generation = su_strdup(sql_col_text(row, 9)),
        .since_us = sql_col_int(row, 10), .stream = sql_col_int(row, 11), .offset = sql_col_int(row, 12), .looked_us = sql_col_int(row, 13),
        .fired = sql_col_int(row, 14), .dropped = sql_col_int(row, 15), .skipped = sql_col_int(row, 16), .missed = sql_col_int(row, 17),
        .last_fired_ms = sql_col_int(row, 18), .last_dropped_ms = sql_col_int(row, 19), .rate_start_ms = sql_col_int(row, 20),
        .rate_count = sql_col_int(row, 21), .error = su_strdup(sql_col_text(row, 23)), .is_stopped = sql_col_int(row, 24),
        .queued = sql_col_int(row, 25)};
    snprintf(ret->active, sizeof ret->active, "%s", sql_col_text(row, 22));
    su_assert(ret->definition != NULL);
}

bool trigger_load(struct sql *db, const char *tenant, const char *name, struct trigger_row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " TRIGGER_COLUMNS " WHERE t.tenant = ?1 AND t.name = ?2", sql_text(tenant), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no trigger \"%.128s\"", name);
    if (next == SQL_ERROR)
        return false;
    read_row(row, ret);
    return true;
}

bool trigger_each(struct sql *db, const char *tenant, void (*each)(void *arg, struct trigger_row *row), void *arg, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " TRIGGER_COLUMNS " WHERE ?1 IS NULL OR t.tenant = ?1 ORDER BY t.tenant, t.name", sql_text(tenant));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        struct trigger_row found;
        read_row(row, &found);
        each(arg, &found);
    }
    return next == SQL_DONE;
}

bool trigger_keep(struct sql *db, const struct trigger_row *row, struct su_err *err)
{
    return sql_run(db, err,
                   "INSERT OR REPLACE INTO trigger_states (tenant, name, generation, since_us, stream, offset, looked_us, fired, dropped,"
                   " skipped, missed, last_fired_ms, last_dropped_ms, rate_start_ms, rate_count, active, error, is_stopped)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
                   sql_text(row->tenant), sql_text(row->name), sql_text(row->generation), sql_int(row->since_us), sql_int(row->stream),
                   sql_int(row->offset), sql_int(row->looked_us), sql_int(row->fired), sql_int(row->dropped), sql_int(row->skipped),
                   sql_int(row->missed), sql_int(row->last_fired_ms), sql_int(row->last_dropped_ms), sql_int(row->rate_start_ms),
                   sql_int(row->rate_count), sql_text(row->active), sql_text(row->error), sql_int(row->is_stopped));
}

/* --- as JSON ------------------------------------------------------------------------------------ */

static json_t *time_or_null(int64_t at_ms)
{
    char text[SU_TIME_TEXT];
    return at_ms > 0 ? json_string(su_time_text(at_ms, text)) : json_null();
}

static json_t *next_at(const struct trigger_definition *definition, const struct trigger_row *row)
{
    if (definition->kind != TRIGGER_CRON || !definition->is_enabled || row->is_stopped)
        return json_null();
    int64_t now_us = su_now_us();
    int64_t next_us = cron_next(&definition->cron, definition->zone, row->looked_us > now_us ? row->looked_us : now_us);
    return next_us == INT64_MAX ? json_null() : time_or_null(next_us / 1000);
}

/* The run that is under way, or null. */
static json_t *under_way(struct sql *db, const struct trigger_row *row, bool *ret_working)
{
    struct su_err err;
    char run[SU_ID_SIZE] = "";
    bool is_open = false, is_final = true;
    *ret_working = row->queued > 0;
    if (row->active[0] == '\0' || !decision_is_open(db, row->tenant, row->active, &is_open, &err)
        || !run_of_decision(db, row->tenant, row->active, run, &is_final, &err) || (!is_open && is_final))
        return json_null();
    *ret_working = true;
    return json_pack("{s:s, s:o}", "decision", row->active, "run", run[0] ? json_string(run) : json_null());
}

json_t *trigger_row_json(struct triggers *triggers, struct sql *db, const struct trigger_row *row)
{
    struct su_err err;
    TRIGGER_AUTO_DEFINITION struct trigger_definition definition = {0};
    bool is_read = trigger_definition_read(row->definition, &definition, &err), is_working;
    json_t *active = under_way(db, row, &is_working);
    const char *state = row->is_stopped ? "stopped" : is_read && !definition.is_enabled ? "paused" : is_working ? "working" : "waiting";
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:I, s:o, s:s, s:o, s:s}", "name", row->name, "kind",
        is_read ? trigger_kind_name(definition.kind) : "", "state", state, "error",
        su_json_text_or_null(row->error ? row->error : is_read ? NULL : err.message), "next_at", is_read ? next_at(&definition, row) : json_null(),
        "last_fired", time_or_null(row->last_fired_ms), "fired", (json_int_t)row->fired, "dropped", (json_int_t)row->dropped, "skipped",
        (json_int_t)row->skipped, "missed", (json_int_t)row->missed, "queued", (json_int_t)row->queued, "last_dropped",
        time_or_null(row->last_dropped_ms), "under_way", active, "has_secret_url", row->has_secret, "version", (json_int_t)row->version,
        "created_at", time_or_null(row->created_ms), "created_by", row->created_by, "changed_at", time_or_null(row->changed_ms), "changed_by",
        row->changed_by);
    json_object_set_new(json, "position", is_read && definition.stream
                                              ? json_pack("{s:s, s:I}", "stream", definition.stream, "offset", (json_int_t)row->offset)
                                              : json_null());
    json_object_update_missing(json, row->definition);
    (void)triggers;
    return json;
}
