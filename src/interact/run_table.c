/* Rows of runs: the tables `runs`, `run_figures`, `run_touches`.  Layer interact; jobs on the writer thread, reads on
 * any. */
#include <stdlib.h>
#include <string.h>

#include "aggregate/blobref.h"
#include "base/clock.h"
#include "run_private.h"

const struct store_migration run_migrations[] = {
    {"run", 1,
     "CREATE TABLE runs (tenant TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',"
     "  notebook TEXT NOT NULL, notebook_version INTEGER NOT NULL, source_sha256 TEXT NOT NULL,"
     "  recipe TEXT, recipe_version TEXT, object TEXT, label TEXT, user TEXT NOT NULL, replay_of TEXT,"
     "  network INTEGER NOT NULL, retries INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 1, cancel INTEGER NOT "
     "NULL DEFAULT 0,"
     "  created_ms INTEGER NOT NULL, started_ms INTEGER, ended_ms INTEGER,"
     "  cells_total INTEGER NOT NULL DEFAULT 0, cells_done INTEGER NOT NULL DEFAULT 0, fraction REAL NOT NULL DEFAULT "
     "0, progress TEXT NOT NULL DEFAULT '',"
     "  executed_sha256 TEXT, executed_bytes INTEGER, limits TEXT NOT NULL, environment TEXT, server_version TEXT, "
     "cost TEXT,"
     "  parameters TEXT NOT NULL, error TEXT, result TEXT, log TEXT,"
     "  PRIMARY KEY (tenant, id)) STRICT;"
     "CREATE INDEX runs_by_state ON runs (tenant, state, id);"
     "CREATE INDEX runs_by_recipe ON runs (tenant, recipe, id) WHERE recipe IS NOT NULL;"
     "CREATE INDEX runs_by_notebook ON runs (tenant, notebook, id);"
     "CREATE INDEX runs_open ON runs (id) WHERE state IN ('queued', 'starting', 'running');"
     "CREATE TABLE run_figures (tenant TEXT NOT NULL, run TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, "
     "type TEXT NOT NULL,"
     "  cell TEXT NOT NULL, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (tenant, run, number)) STRICT, "
     "WITHOUT ROWID;"
     "CREATE TABLE run_touches (tenant TEXT NOT NULL, run TEXT NOT NULL, mode TEXT NOT NULL, name TEXT NOT NULL, "
     "version INTEGER NOT NULL,"
     "  sha256 TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, run, mode, name, version)) STRICT, WITHOUT "
     "ROWID;"},
    /* What a run read of a stream: the least offset and the one after the largest; a run that follows reads on for ever. */
    {"run-streams", 1,
     "CREATE TABLE run_streams (tenant TEXT NOT NULL, run TEXT NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, "
     "next INTEGER NOT NULL,"
     "  at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, run, stream)) STRICT, WITHOUT ROWID;"},
    {"run", 2,
     "ALTER TABLE runs ADD COLUMN follow INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE runs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE runs ADD COLUMN due_ms INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE runs ADD COLUMN last_error TEXT;"
     "CREATE TABLE run_consumed (tenant TEXT NOT NULL, run TEXT NOT NULL, stream TEXT NOT NULL, consumer TEXT NOT NULL,"
     "  first INTEGER NOT NULL, next INTEGER NOT NULL, windows INTEGER NOT NULL, decisions INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, run, stream, consumer)) STRICT, WITHOUT ROWID;"},
    {"run", 3,
     "ALTER TABLE runs ADD COLUMN last_error_ms INTEGER;"
     "ALTER TABLE runs ADD COLUMN last_window TEXT;"},
    {"run", 4,
     "ALTER TABLE runs ADD COLUMN decision TEXT;"
     "CREATE UNIQUE INDEX runs_by_decision ON runs (tenant, decision) WHERE decision IS NOT NULL;"},
    {NULL, 0, NULL},
};

void run_source_done(struct run_source *source)
{
    free(source->notebook);
    free(source->recipe);
    free(source->recipe_version);
    free(source->object);
    su_buf_done(&source->text);
}

void run_row_done(struct run_row *row)
{
    free(row->tenant);
    free(row->id);
    free(row->user);
    free(row->notebook);
    free(row->recipe);
    free(row->object);
    free(row->replay_of);
    json_decref(row->parameters);
    json_decref(row->limits);
}

static json_t *json_col(struct sql_row *row, int column)
{
    const char *text = sql_col_text(row, column);
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
    return value ? value : json_null();
}

static bool no_such_run(const char *id, struct su_err *err)
{
    su_fail(err, SU_NOT_FOUND, "there is no run %.40s", id);
    return su_hint(err, "GET /v1/runs lists the runs");
}

bool run_table_get(struct sql *db, const char *tenant, const char *id, struct run_row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT user, notebook, recipe, object, replay_of, source_sha256, "
                                                 "state, attempt, retries, created_ms, started_ms, network, cancel,"
                                                 " parameters, limits, follow, failures FROM runs WHERE tenant = ?1 AND id = ?2",
                                                 sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next != SQL_ROW)
        return next == SQL_DONE ? no_such_run(id, err) : false;
    *ret = (struct run_row){.tenant = su_strdup(tenant),
                            .id = su_strdup(id),
                            .user = su_strdup(sql_col_text(row, 0)),
                            .notebook = su_strdup(sql_col_text(row, 1)),
                            .recipe = su_strdup(sql_col_text(row, 2)),
                            .object = su_strdup(sql_col_text(row, 3)),
                            .replay_of = su_strdup(sql_col_text(row, 4)),
                            .attempt = sql_col_int(row, 7),
                            .retries = sql_col_int(row, 8),
                            .created_ms = sql_col_int(row, 9),
                            .started_ms = sql_col_int(row, 10),
                            .is_network = sql_col_int(row, 11),
                            .is_cancelled = sql_col_int(row, 12),
                            .parameters = json_col(row, 13),
                            .limits = json_col(row, 14),
                            .is_follow = sql_col_int(row, 15),
                            .failures = sql_col_int(row, 16)};
    snprintf(ret->source_sha256, sizeof ret->source_sha256, "%s", sql_col_text(row, 5));
    if (!run_state_parse(sql_col_text(row, 6), &ret->state))
        ret->state = RUN_INTERRUPTED;
    return true;
}

bool run_table_open_runs(struct sql *db, run_table_fn *each, void *arg, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
        "SELECT tenant, id, state, attempt, follow, due_ms FROM runs WHERE state IN ('queued', 'starting', 'running') ORDER BY id");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        struct run_open run = {.tenant = sql_col_text(row, 0), .id = sql_col_text(row, 1), .attempt = sql_col_int(row, 3),
                               .is_follow = sql_col_int(row, 4) != 0, .due_ms = sql_col_int(row, 5)};
        if (run_state_parse(sql_col_text(row, 2), &run.state))
            each(arg, &run);
    }
    return next == SQL_DONE;
}

/* ---- as JSON ---- */

#define JSON_COLUMNS                                                                                                   \
    "id, state, reason, notebook, notebook_version, source_sha256, recipe, recipe_version, object, label, replay_of, " \
    "network, retries, attempt,"                                                                                       \
    " created_ms, started_ms, ended_ms, cells_total, cells_done, fraction, progress, limits, cost, parameters, "       \
    "error, result, user, follow, last_error, last_error_ms, last_window, decision"
enum {
    COL_ID,
    COL_STATE,
    COL_REASON,
    COL_NOTEBOOK,
    COL_VERSION,
    COL_SHA256,
    COL_RECIPE,
    COL_RECIPE_VERSION,
    COL_OBJECT,
    COL_LABEL,
    COL_REPLAY,
    COL_NETWORK,
    COL_RETRIES,
    COL_ATTEMPT,
    COL_CREATED,
    COL_STARTED,
    COL_ENDED,
    COL_TOTAL,
    COL_DONE,
    COL_FRACTION,
    COL_PROGRESS,
    COL_LIMITS,
    COL_COST,
    COL_PARAMETERS,
    COL_ERROR,
    COL_RESULT,
    COL_USER,
    COL_FOLLOW,
    COL_LAST_ERROR,
    COL_LAST_ERROR_MS,
    COL_LAST_WINDOW,
    COL_DECISION,
};

static json_t *time_col(struct sql_row *row, int column)
{
    char text[SU_TIME_TEXT];
    return sql_col_is_null(row, column) ? json_null() : json_string(su_time_text(sql_col_int(row, column), text));
}

static json_t *text_col(struct sql_row *row, int column) { return su_json_text_or_null(sql_col_text(row, column)); }

static json_t *recipe_col(struct sql_row *row)
{
    if (sql_col_is_null(row, COL_RECIPE))
        return json_null();
    return json_pack("{s:o, s:o}", "name", text_col(row, COL_RECIPE), "version", text_col(row, COL_RECIPE_VERSION));
}

static json_t *duration_col(struct sql_row *row)
{
    if (sql_col_is_null(row, COL_STARTED) || sql_col_is_null(row, COL_ENDED))
        return json_null();
    return json_real((double)(sql_col_int(row, COL_ENDED) - sql_col_int(row, COL_STARTED)) / 1000.0);
}

static json_t *notebook_col(struct sql_row *row)
{
    return json_pack("{s:o, s:I, s:o}", "name", text_col(row, COL_NOTEBOOK), "version",
                     (json_int_t)sql_col_int(row, COL_VERSION), "sha256", text_col(row, COL_SHA256));
}

static json_t *progress_col(struct sql_row *row)
{
    return json_pack("{s:I, s:I, s:f, s:o}", "cells_total", (json_int_t)sql_col_int(row, COL_TOTAL), "cells_done",
                     (json_int_t)sql_col_int(row, COL_DONE), "fraction", sql_col_real(row, COL_FRACTION), "text",
                     text_col(row, COL_PROGRESS));
}

static json_t *row_json(struct sql_row *row)
{
    json_t *run = json_object();
    const struct { const char *key; json_t *value;
    } members[] = {
        {"id", text_col(row, COL_ID)},
        {"state", text_col(row, COL_STATE)},
        {"reason", text_col(row, COL_REASON)},
        {"notebook", notebook_col(row)},
        {"recipe", recipe_col(row)},
        {"object", text_col(row, COL_OBJECT)},
        {"label", text_col(row, COL_LABEL)},
        {"user", text_col(row, COL_USER)},
        {"replay_of", text_col(row, COL_REPLAY)},
        {"decision", text_col(row, COL_DECISION)},
        {"parameters", json_col(row, COL_PARAMETERS)},
        {"limits", json_col(row, COL_LIMITS)},
        {"network", json_boolean(sql_col_int(row, COL_NETWORK))},
        {"retries", json_integer(sql_col_int(row, COL_RETRIES))},
        {"attempt", json_integer(sql_col_int(row, COL_ATTEMPT))},
        {"follow", json_boolean(sql_col_int(row, COL_FOLLOW))},
        {"restarts", json_integer(sql_col_int(row, COL_ATTEMPT) - 1)},
        {"last_error", text_col(row, COL_LAST_ERROR)},
        {"last_error_at", time_col(row, COL_LAST_ERROR_MS)},
        {"last_error_window", json_col(row, COL_LAST_WINDOW)},
        {"followed", json_array()},
        {"pace", json_null()},
        {"progress", progress_col(row)},
        {"created_at", time_col(row, COL_CREATED)},
        {"started_at", time_col(row, COL_STARTED)},
        {"ended_at", time_col(row, COL_ENDED)},
        {"duration_s", duration_col(row)},
        {"result", json_col(row, COL_RESULT)},
        {"figures", json_array()},
        {"error", json_col(row, COL_ERROR)},
        {"cost", json_col(row, COL_COST)},
    };
    for (size_t i = 0; i < SU_COUNT(members); i++)
        json_object_set_new(run, members[i].key, members[i].value);
    return run;
}

static bool add_figures(struct sql *db, const char *tenant, json_t *run, struct su_err *err)
{
    const char *id = su_json_string(run, "id", "");
    json_t *figures = json_object_get(run, "figures");
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT name, type, cell, bytes FROM run_figures WHERE tenant = ?1 AND run = ?2 ORDER BY number",
        sql_text(tenant), sql_text(id));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        SU_AUTO_FREE char *href = su_format("/v1/runs/%s/figures/%s", id, sql_col_text(row, 0));
        json_array_append_new(figures, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", sql_col_text(row, 0), "type",
                                                 sql_col_text(row, 1), "cell", sql_col_text(row, 2), "bytes",
                                                 (json_int_t)sql_col_int(row, 3), "href", href));
    }
    return next == SQL_DONE;
}

/* Which windows it committed, for lineages and runs alike. */
static bool add_consumed(struct sql *db, const char *tenant, const char *id, json_t *into, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT stream, consumer, first, next, windows, decisions FROM run_consumed"
                                                 " WHERE tenant = ?1 AND run = ?2 ORDER BY stream, consumer",
                                                 sql_text(tenant), sql_text(id));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(json_object_get(into, "followed"),
                              json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "stream", sql_col_text(row, 0), "consumer", sql_col_text(row, 1),
                                        "from", (json_int_t)sql_col_int(row, 2), "to", (json_int_t)sql_col_int(row, 3), "windows",
                                        (json_int_t)sql_col_int(row, 4), "decisions", (json_int_t)sql_col_int(row, 5)));
    return next == SQL_DONE;
}

/* What stands in tables of its own. */
static bool add_rest(struct sql *db, const char *tenant, json_t *run, struct su_err *err)
{
    return add_figures(db, tenant, run, err)
        && (!json_is_true(json_object_get(run, "follow")) || add_consumed(db, tenant, su_json_string(run, "id", ""), run, err));
}

bool run_table_json(struct sql *db, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *run = NULL;
    {
        SQL_AUTO_END struct sql_row *row = sql_query(
            db, err, "SELECT " JSON_COLUMNS " FROM runs WHERE tenant = ?1 AND id = ?2", sql_text(tenant), sql_text(id));
        enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
        if (next != SQL_ROW)
            return next == SQL_DONE ? no_such_run(id, err) : false;
        run = row_json(row);
    }
    if (!add_rest(db, tenant, run, err))
        return false;
    *ret = su_take(run);
    return true;
}

bool run_table_list(struct sql *db, const struct run_list *list, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *items = json_array();
    {
        SQL_AUTO_END struct sql_row *row =
            sql_query(db, err,
                      "SELECT " JSON_COLUMNS
                      " FROM runs WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR notebook = ?3)"
                      " AND (?4 IS NULL OR recipe = ?4) AND (?5 IS NULL OR id < ?5) AND (?7 = 0 OR follow = (?7 = 1)) ORDER BY id DESC LIMIT ?6",
                      sql_text(list->tenant), sql_text(list->state), sql_text(list->notebook), sql_text(list->recipe),
                      sql_text(list->cursor), sql_int((int64_t)list->limit), sql_int(list->kind));
        enum sql_next next = SQL_ERROR;
        while (row && (next = sql_step(row, err)) == SQL_ROW)
            json_array_append_new(items, row_json(row));
        if (next != SQL_DONE)
            return false;
    }
    size_t i;
    json_t *run;
    json_array_foreach(items, i, run) {
        if (!add_rest(db, list->tenant, run, err))
            return false;
    }
    *ret = su_take(items);
    return true;
}

static bool add_touches(struct sql *db, const char *tenant, const char *id, json_t *lineage, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT mode, name, version, sha256 FROM run_touches WHERE tenant = "
                                                 "?1 AND run = ?2 ORDER BY at_ms, name, version",
                                                 sql_text(tenant), sql_text(id));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        const char *mode = sql_col_text(row, 0);
        if (strcmp(mode, "fetch") == 0)
            json_array_append_new(json_object_get(lineage, "fetches"),
                json_pack("{s:s, s:s}", "url", sql_col_text(row, 1), "sha256", sql_col_text(row, 3)));
        else
            json_array_append_new(json_object_get(lineage, strcmp(mode, "read") == 0 ? "reads" : "writes"),
                                  json_pack("{s:s, s:I, s:s}", "object", sql_col_text(row, 1), "version",
                                            (json_int_t)sql_col_int(row, 2), "sha256", sql_col_text(row, 3)));
    }
    return next == SQL_DONE;
}

static bool add_streams(struct sql *db, const char *tenant, const char *id, json_t *lineage, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT stream, first, next FROM run_streams WHERE tenant = ?1 AND run = ?2 ORDER BY at_ms, stream", sql_text(tenant),
        sql_text(id));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(json_object_get(lineage, "streams"),
                              json_pack("{s:s, s:I, s:I}", "stream", sql_col_text(row, 0), "from", (json_int_t)sql_col_int(row, 1), "to",
                                        (json_int_t)sql_col_int(row, 2)));
    return next == SQL_DONE;
}

bool run_table_lineage(struct sql *db, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *lineage = NULL;
    {
        SQL_AUTO_END struct sql_row *row =
            sql_query(db, err,
                      "SELECT notebook, notebook_version, source_sha256, recipe, recipe_version, parameters, "
                      "environment, server_version, user, replay_of, executed_sha256"
                      " FROM runs WHERE tenant = ?1 AND id = ?2",
                      sql_text(tenant), sql_text(id));
        enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
        if (next != SQL_ROW)
            return next == SQL_DONE ? no_such_run(id, err) : false;
        lineage = json_pack(
            "{s:s, s:{s:o, s:I, s:o}, s:o, s:o, s:o, s:o, s:[], s:[], s:[], s:[], s:[], s:o, s:o, s:o}", "run", id, "notebook",
            "name", text_col(row, 0), "version", (json_int_t)sql_col_int(row, 1), "sha256", text_col(row, 2), "recipe",
            sql_col_is_null(row, 3) ? json_null()
                                    : json_pack("{s:o, s:o}", "name", text_col(row, 3), "version", text_col(row, 4)),
            "parameters", json_col(row, 5), "environment", json_col(row, 6), "server_version", text_col(row, 7),
            "reads", "writes", "fetches", "streams", "followed", "user", text_col(row, 8), "replay_of", text_col(row, 9), "executed_sha256",
            text_col(row, 10));
    }
    if (!add_touches(db, tenant, id, lineage, err) || !add_streams(db, tenant, id, lineage, err) ||
        !add_consumed(db, tenant, id, lineage, err))
        return false;
    *ret = su_take(lineage);
    return true;
}

bool run_table_text(struct sql *db, const char *tenant, const char *id, const char *column, char **ret,
                    struct su_err *err)
{
    bool is_log = strcmp(column, "log") == 0;
    SQL_AUTO_END struct sql_row *row =
        is_log
            ? sql_query(db, err, "SELECT log FROM runs WHERE tenant = ?1 AND id = ?2", sql_text(tenant), sql_text(id))
            : sql_query(db, err, "SELECT executed_sha256 FROM runs WHERE tenant = ?1 AND id = ?2", sql_text(tenant),
                        sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next != SQL_ROW)
        return next == SQL_DONE ? no_such_run(id, err) : false;
    *ret = su_strdup(sql_col_text(row, 0));
    return true;
}

bool run_of_decision(struct sql *db, const char *tenant, const char *decision, char ret_id[static SU_ID_SIZE], bool *ret_final,
                     struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT id, state FROM runs WHERE tenant = ?1 AND decision = ?2", sql_text(tenant),
                                                 sql_text(decision));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    enum run_state state = RUN_INTERRUPTED;
    if (next == SQL_ERROR)
        return false;
    snprintf(ret_id, SU_ID_SIZE, "%s", next == SQL_ROW ? sql_col_text(row, 0) : "");
    *ret_final = next != SQL_ROW || !run_state_parse(sql_col_text(row, 1), &state) || run_state_is_final(state);
    return true;
}

/* ---- writing: all inside jobs ---- */

static bool find_known(struct sql *db, struct run_insert *n, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT id FROM runs WHERE tenant = ?1 AND decision = ?2", sql_text(n->tenant),
                                                 sql_text(n->options->decision));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW)
        snprintf(n->known, sizeof n->known, "%s", sql_col_text(row, 0));
    return next != SQL_ERROR;
}

bool run_table_insert(struct sql *db, struct run_insert *n, struct su_err *err)
{
    n->known[0] = '\0';
    if (n->options->decision && (!find_known(db, n, err) || n->known[0]))
        return n->known[0] != '\0';
    SU_AUTO_FREE char *holder = su_format("run/%s/source", n->id);
    const struct run_source *source = n->source;
    return sql_run(db, err,
                   "INSERT INTO runs (tenant, id, state, notebook, notebook_version, source_sha256, recipe, "
                   "recipe_version, object, label, user, replay_of,"
                   " network, retries, created_ms, limits, parameters, follow, decision)"
                   " VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
                   sql_text(n->tenant), sql_text(n->id), sql_text(source->notebook), sql_int(source->version),
                   sql_text(source->sha256), sql_text(source->recipe), sql_text(source->recipe_version),
                   sql_text(source->object), sql_text(n->options->label), sql_text(n->user),
                   sql_text(n->options->replay_of), sql_int(n->options->network), sql_int(n->options->retries),
                   sql_int(n->created_ms), sql_text(n->limits), sql_text(n->parameters), sql_int(n->options->follow),
                   sql_text(n->options->decision)) &&
           blobref_hold(db, n->tenant, holder, source->sha256, err);
}

static bool insert_figure(struct sql *db, const struct run_ending *e, size_t number, struct su_err *err)
{
    const struct run_figure_row *figure = &e->figures[number];
    SU_AUTO_FREE char *holder = su_format("run/%s/%s", e->id, figure->name);
    return sql_run(db, err,
                   "INSERT OR REPLACE INTO run_figures (tenant, run, number, name, type, cell, bytes, sha256) VALUES "
                   "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                   sql_text(e->tenant), sql_text(e->id), sql_int((int64_t)number), sql_text(figure->name),
                   sql_text(figure->type), sql_text(figure->cell), sql_int((int64_t)figure->bytes),
                   sql_text(figure->sha256)) &&
           blobref_hold(db, e->tenant, holder, figure->sha256, err);
}

bool run_table_end(struct sql *db, const struct run_ending *e, struct su_err *err)
{
    bool has_notebook = e->executed_sha256[0];
    bool ok = sql_run(db, err,
                      "UPDATE runs SET state = ?3, reason = ?4, started_ms = ?5, ended_ms = ?6, cells_total = ?7, "
                      "cells_done = ?8, fraction = ?9, progress = ?10,"
                      " result = ?11, error = ?12, cost = ?13, log = ?14, environment = ?15, server_version = ?16, "
                      "executed_sha256 = ?17, executed_bytes = ?18"
                      " WHERE tenant = ?1 AND id = ?2 AND state IN ('queued', 'starting', 'running')",
                      sql_text(e->tenant), sql_text(e->id), sql_text(run_state_name(e->state)), sql_text(e->reason),
                      e->started_ms ? sql_int(e->started_ms) : sql_null(), sql_int(e->ended_ms),
                      sql_int(e->progress.cells_total), sql_int(e->progress.cells_done), sql_real(e->progress.fraction),
                      sql_text(e->progress.text ? e->progress.text : ""), sql_text(e->result), sql_text(e->error),
                      sql_text(e->cost), sql_text(e->log), sql_text(e->environment), sql_text(SURICATE_VERSION),
                      has_notebook ? sql_text(e->executed_sha256) : sql_null(),
                      has_notebook ? sql_int((int64_t)e->executed_bytes) : sql_null());
    if (!ok || sql_changes(db) == 0)
        return ok;
    for (size_t i = 0; i < e->n_figures; i++) {
        if (!insert_figure(db, e, i, err))
            return false;
    }
    SU_AUTO_FREE char *holder = su_format("run/%s/notebook", e->id);
    return !has_notebook || blobref_hold(db, e->tenant, holder, e->executed_sha256, err);
}

bool run_table_state(struct sql *db, const char *tenant, const char *id, enum run_state state, int64_t started_ms,
                     struct su_err *err)
{
    return sql_run(db, err,
                   "UPDATE runs SET state = ?3, started_ms = ?4 WHERE tenant = ?1 AND id = ?2 AND state IN ('queued', "
                   "'starting', 'running')",
                   sql_text(tenant), sql_text(id), sql_text(run_state_name(state)),
                   started_ms ? sql_int(started_ms) : sql_null());
}

bool run_table_again(struct sql *db, const struct run_again *again, struct su_err *err)
{
    return sql_run(db, err,
                   "UPDATE runs SET state = 'queued', started_ms = NULL, attempt = ?3, failures = ?4, due_ms = ?5, last_error = ?6,"
                   " last_error_ms = ?7, last_window = ?8"
                   " WHERE tenant = ?1 AND id = ?2 AND state IN ('queued', 'starting', 'running')",
                   sql_text(again->tenant), sql_text(again->id), sql_int(again->attempt), sql_int(again->failures),
                   sql_int(again->due_ms), sql_text(again->last_error), sql_int(again->at_ms), sql_text(again->last_window));
}

bool run_table_consumed(struct sql *db, const struct run_consumed *c, struct su_err *err)
{
    return sql_run(db, err,
                   "INSERT INTO run_consumed (tenant, run, stream, consumer, first, next, windows, decisions)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7) ON CONFLICT DO UPDATE SET first = min(first, ?5), next = max(next, ?6),"
                   " windows = windows + 1, decisions = decisions + ?7",
                   sql_text(c->tenant), sql_text(c->run), sql_text(c->stream), sql_text(c->consumer), sql_int(c->from), sql_int(c->to),
                   sql_int(c->decisions));
}

bool run_table_cancel(struct sql *db, const char *tenant, const char *id, bool *ret, struct su_err *err)
{
    if (!sql_run(
            db, err,
            "UPDATE runs SET cancel = 1 WHERE tenant = ?1 AND id = ?2 AND state IN ('queued', 'starting', 'running')",
            sql_text(tenant), sql_text(id)))
        return false;
    *ret = sql_changes(db) > 0;
    return true;
}

bool run_table_touch(struct sql *db, const struct run_touch *t, struct su_err *err)
{
    return sql_run(db, err,
                   "INSERT OR IGNORE INTO run_touches (tenant, run, mode, name, version, sha256, at_ms) VALUES (?1, "
                   "?2, ?3, ?4, ?5, ?6, ?7)",
                   sql_text(t->tenant), sql_text(t->run), sql_text(t->mode), sql_text(t->name), sql_int(t->version),
                   sql_text(t->sha256), sql_int(t->at_ms));
}

bool run_table_stream(struct sql *db, const struct run_touch *t, struct su_err *err)
{
    return sql_run(db, err,
                   "INSERT INTO run_streams (tenant, run, stream, first, next, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO "
                   "UPDATE SET first = min(first, excluded.first), next = max(next, excluded.next)",
                   sql_text(t->tenant), sql_text(t->run), sql_text(t->name), sql_int(t->version), sql_int(t->next), sql_int(t->at_ms));
}
