/* What can be asked about runs: the row, with what is happening now laid over it.  Layer interact; any thread. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "notebook.h"
#include "run_private.h"
#include "store/blob.h"

/* A run under way that has not ended: its reference, or NULL. */
static struct live *find_under_way(struct runs *runs, const char *tenant, const char *id)
{
    struct live *live = runs_find(runs, tenant, id);
    if (live == NULL)
        return NULL;
    su_lock(&live->lock);
    bool is_over = run_state_is_final(live->state) || live->state == RUN_QUEUED;
    su_unlock(&live->lock);
    if (!is_over)
        return live;
    runs_unref(runs, live);
    return NULL;
}

/* ---- the run itself ---- */

static json_t *progress_json(const struct recorder_progress *p)
{
    return json_pack("{s:i, s:i, s:f, s:s}", "cells_total", p->cells_total, "cells_done", p->cells_done, "fraction",
                     p->fraction, "text", p->text);
}

static void lay_over(struct live *live, json_t *run)
{
    char started[SU_TIME_TEXT];
    SU_LOCKED(&live->lock);
    json_object_set_new(run, "state", json_string(run_state_name(live->state)));
    json_object_set_new(run, "attempt", json_integer(live->attempt));
    json_object_set_new(run, "restarts", json_integer(live->attempt - 1));
    if (live->started_ms)
        json_object_set_new(run, "started_at", json_string(su_time_text(live->started_ms, started)));
    if (live->recorder == NULL || live->executed)
        return;
    struct recorder_progress progress = recorder_progress(live->recorder);
    const json_t *result = recorder_result(live->recorder), *error = recorder_error(live->recorder);
    json_object_set_new(run, "progress", progress_json(&progress));
    if (result)
        json_object_set(run, "result", (json_t *)(uintptr_t)result);
    if (error)
        json_object_set_new(run, "error", json_copy((json_t *)(uintptr_t)error));
}

/* The live part is looked at first: a run that ends in between is then read as ended. */
static bool get_now(struct runs *runs, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    struct live *live = find_under_way(runs, tenant, id);
    STORE_READ(runs->store, db);
    bool ok = run_table_json(db, tenant, id, ret, err);
    enum run_state state;
    if (ok && live && run_state_parse(su_json_string(*ret, "state", ""), &state) && !run_state_is_final(state))
        lay_over(live, *ret);
    if (ok && json_is_null(json_object_get(*ret, "ended_at")))
        json_object_set_new(*ret, "pace", runs_pace(runs, tenant, id, true));
    runs_unref(runs, live);
    return ok;
}

bool run_get(struct runs *runs, const char *tenant, const char *id, json_t **ret, bool *ret_final, struct su_err *err)
{
    json_t *run = NULL;
    enum run_state state;
    if (!get_now(runs, tenant, id, &run, err))
        return false;
    if (ret_final)
        *ret_final = run_state_parse(su_json_string(run, "state", ""), &state) && run_state_is_final(state);
    *ret = run;
    return true;
}

bool run_list(struct runs *runs, const struct run_list *list, json_t **ret_items, char **ret_next, struct su_err *err)
{
    enum run_state state;
    if (list->state && !run_state_parse(list->state, &state)) {
        su_fail_field(err, SU_INVALID, "state", "there is no state \"%.40s\"", list->state);
        return su_hint(
            err, "queued, starting, running, succeeded, failed, cancelled, timed_out, out_of_memory, interrupted");
    }
    struct run_list more = *list;
    more.limit++;
    SU_AUTO_JSON json_t *items = NULL;
    {
        STORE_READ(runs->store, db);
        if (!run_table_list(db, &more, &items, err))
            return false;
    }
    *ret_next = NULL;
    if (json_array_size(items) > list->limit) {
        json_array_remove(items, list->limit);
        *ret_next = su_strdup(su_json_string(json_array_get(items, list->limit - 1), "id", ""));
    }
    size_t i;
    json_t *run;
    json_array_foreach(items, i, run) {
        struct live *live = find_under_way(runs, list->tenant, su_json_string(run, "id", ""));
        if (live && json_is_null(json_object_get(run, "ended_at")))
            lay_over(live, run);
        if (json_is_null(json_object_get(run, "ended_at")))
            json_object_set_new(run, "pace", runs_pace(runs, list->tenant, su_json_string(run, "id", ""), false));
        runs_unref(runs, live);
    }
    *ret_items = su_take(items);
    return true;
}

/* ---- outputs, log, lineage ---- */

/* The executed notebook of an ended run; *ret NULL when it never began. */
static bool read_executed(struct runs *runs, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    SU_AUTO_FREE char *sha256 = NULL;
    {
        STORE_READ(runs->store, db);
        if (!run_table_text(db, tenant, id, "executed_sha256", &sha256, err))
            return false;
    }
    *ret = NULL;
    if (sha256 == NULL)
        return true;
    SU_AUTO_BUF struct su_buf text = SU_BUF(SIZE_MAX / 4);
    return blob_read(store_blobs(runs->store), sha256, text.max, &text, err)
        && su_json_parse_deep(su_buf_str(&text), "executed notebook", 2000, ret, err);
}

/* Text written as lists of lines, back to one string; the stored notebook is ours, so its shape is known. */
static json_t *joined(json_t *notebook)
{
    SU_AUTO_JSON json_t *owned = notebook;
    return notebook_join(notebook) ? su_take(owned) : NULL;
}

/* With the lock held: the id of the last event that is in it, behind the cells. */
static void add_event_id(const struct live *live, struct su_buf *out)
{
    if (out->failed || out->len == 0)
        return;
    out->len--;
    su_buf_addf(out, ",\"event\":\"%" PRId64 "-%" PRId64 "\"}", live->attempt, live->recorded_seq);
}

bool run_outputs(struct runs *runs, const char *tenant, const char *id, struct su_buf *ret, struct su_err *err)
{
    struct live *live = find_under_way(runs, tenant, id);
    if (live) {
        su_lock(&live->lock);
        if (live->executed)
            recorded_outputs(live->executed, ret);
        else if (live->recorder)
            recorder_outputs(live->recorder, ret);
        else
            su_buf_adds(ret, "{\"cells\":[]}");
        add_event_id(live, ret);
        su_unlock(&live->lock);
        runs_unref(runs, live);
    } else {
        json_t *notebook = NULL;
        if (!read_executed(runs, tenant, id, &notebook, err))
            return false;
        SU_AUTO_JSON json_t *whole = notebook ? joined(notebook) : NULL;
        recorded_outputs(whole, ret);
    }
    return !ret->failed || su_fail(err, SU_LIMIT, "the run's outputs are larger than %zu bytes", ret->max);
}

bool run_log(struct runs *runs, const char *tenant, const char *id, struct su_buf *ret, struct su_err *err)
{
    struct live *live = find_under_way(runs, tenant, id);
    if (live) {
        su_lock(&live->lock);
        struct su_str log = su_buf_str(&live->log);
        su_buf_add(ret, log.ptr, log.len);
        su_unlock(&live->lock);
        runs_unref(runs, live);
        return true;
    }
    SU_AUTO_FREE char *log = NULL;
    STORE_READ(runs->store, db);
    if (!run_table_text(db, tenant, id, "log", &log, err))
        return false;
    su_buf_adds(ret, log ? log : "");
    return true;
}

bool run_lineage(struct runs *runs, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    STORE_READ(runs->store, db);
    if (!run_table_lineage(db, tenant, id, ret, err))
        return false;
    if (json_is_null(json_object_get(*ret, "environment")) && runs->environment)
        json_object_set(*ret, "environment", runs->environment);
    if (json_is_null(json_object_get(*ret, "server_version")))
        json_object_set_new(*ret, "server_version", json_string(SURICATE_VERSION));
    return true;
}

bool run_code(struct runs *runs, const char *tenant, const char *id, char **ret, struct su_err *err)
{
    STORE_READ(runs->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT notebook, notebook_version, recipe, recipe_version FROM runs WHERE tenant = ?1 AND id = ?2", sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret = NULL;
    if (next == SQL_ROW && !sql_col_is_null(row, 2))
        *ret = su_format("recipe %s@%s", sql_col_text(row, 2), sql_col_is_null(row, 3) ? "1" : sql_col_text(row, 3));
    else if (next == SQL_ROW)
        *ret = su_format("notebook %s@%lld", sql_col_text(row, 0), (long long)sql_col_int(row, 1));
    return next != SQL_ERROR;
}

bool run_pinned_version(struct runs *runs, const char *tenant, const char *run, const char *object, int64_t *ret)
{
    struct live *live = runs_find(runs, tenant, run);
    if (live == NULL)
        return false;
    su_lock(&live->lock);
    bool is_replay = live->is_replay;
    su_unlock(&live->lock);
    runs_unref(runs, live);
    if (!is_replay)
        return false;
    struct su_err err;
    int64_t version = 0;
    STORE_READ(runs->store, db);
    /* What the original had written itself by then, the replay writes itself too. */
    bool ok =
        sql_get_int(db, 0, &version, &err,
                    "SELECT t.version FROM runs r JOIN run_touches t ON t.tenant = r.tenant AND t.run = r.replay_of "
                    "WHERE r.tenant = ?1 AND r.id = ?2"
                    " AND t.mode = 'read' AND t.name = ?3 AND NOT EXISTS (SELECT 1 FROM run_touches w WHERE w.tenant = "
                    "t.tenant AND w.run = t.run"
                    "  AND w.mode = 'write' AND w.name = t.name AND w.version = t.version) ORDER BY t.at_ms LIMIT 1",
                    sql_text(tenant), sql_text(run), sql_text(object));
    if (ok && version > 0)
        *ret = version;
    return ok && version > 0;
}

/* ---- files ---- */

static bool open_file(struct runs *runs, struct sql_row *row, const char *what, struct run_file *ret,
                      struct su_err *err)
{
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next != SQL_ROW)
        return next == SQL_DONE ? su_fail(err, SU_NOT_FOUND, "%s", what) : false;
    struct run_file file = {.fd = -1};
    snprintf(file.sha256, sizeof file.sha256, "%s", sql_col_text(row, 0));
    snprintf(file.type, sizeof file.type, "%s", sql_col_text(row, 1));
    if (!blob_open(store_blobs(runs->store), file.sha256, &file.fd, &file.size, err))
        return false;
    *ret = file;
    return true;
}

/* A file of a run needs the run, and its end. */
static bool must_have_ended(struct runs *runs, const char *tenant, const char *id, struct su_err *err)
{
    RUN_AUTO_ROW struct run_row row = {0};
    STORE_READ(runs->store, db);
    if (!run_table_get(db, tenant, id, &row, err))
        return false;
    if (run_state_is_final(row.state))
        return true;
    su_fail(err, SU_CONFLICT, "the run has not ended yet");
    return su_hint(err, "GET /v1/runs/%.40s?wait=30s waits for its end; /outputs has what there is so far", id);
}

bool run_notebook(struct runs *runs, const char *tenant, const char *id, struct run_file *ret, struct su_err *err)
{
    if (!must_have_ended(runs, tenant, id, err))
        return false;
    STORE_READ(runs->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT executed_sha256, 'application/x-ipynb+json' FROM runs WHERE "
                                                 "tenant = ?1 AND id = ?2 AND executed_sha256 IS NOT NULL",
                                                 sql_text(tenant), sql_text(id));
    return open_file(runs, row, "the run ended before it began: there is no executed notebook", ret, err);
}

bool run_figure(struct runs *runs, const char *tenant, const char *id, const char *name, struct run_file *ret,
                struct su_err *err)
{
    if (!must_have_ended(runs, tenant, id, err))
        return false;
    STORE_READ(runs->store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT sha256, type FROM run_figures WHERE tenant = ?1 AND run = ?2 AND name = ?3",
                  sql_text(tenant), sql_text(id), sql_text(name));
    SU_AUTO_FREE char *what = su_format("the run has no figure %.60s", name);
    return open_file(runs, row, what, ret, err);
}

bool run_latest_figure(struct runs *runs, const char *tenant, const char *recipe, const char *type,
                       struct run_file *ret, struct su_err *err)
{
    STORE_READ(runs->store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err,
                  "SELECT f.sha256, f.type FROM runs r JOIN run_figures f ON f.tenant = r.tenant AND f.run = r.id"
                  " WHERE r.tenant = ?1 AND r.recipe = ?2 AND r.state = 'succeeded' AND f.type = ?3 ORDER BY r.id "
                  "DESC, f.number LIMIT 1",
                  sql_text(tenant), sql_text(recipe), sql_text(type));
    return open_file(runs, row, "the recipe has not made such a figure yet", ret, err);
}

/* ---- following ---- */

void run_cursor_parse(const char *id, struct run_cursor *ret)
{
    struct su_str attempt, seq;
    uint64_t a = 0, n = 0;
    *ret = (struct run_cursor){0};
    if (id && su_str_cut(su_str_of(id), '-', &attempt, &seq) && su_str_u64(attempt, INT32_MAX, &a) &&
        su_str_u64(seq, INT64_MAX, &n))
        *ret = (struct run_cursor){.attempt = (int64_t)a, .after = (int64_t)n};
}

static void enter_attempt(struct run_cursor *cursor, int64_t attempt)
{
    if (cursor->attempt != attempt)
        *cursor = (struct run_cursor){.attempt = attempt};
}

static void give_state(struct run_cursor *cursor, enum run_state state, run_event_fn *each, void *arg)
{
    if (cursor->state == (int)state + 1)
        return;
    char text[96];
    cursor->state = (int)state + 1;
    snprintf(text, sizeof text, "{\"state\":\"%s\",\"attempt\":%" PRId64 "}", run_state_name(state), cursor->attempt);
    each(arg, NULL, "state", text);
}

static bool live_events(struct live *live, struct run_cursor *cursor, size_t enough, run_event_fn *each, void *arg,
                        struct su_err *err)
{
    su_lock(&live->lock);
    enum run_state state = live->state;
    su_unlock(&live->lock);
    enter_attempt(cursor, live->attempt);
    if (!run_state_is_final(state))
        give_state(cursor, state, each, arg);
    return live_events_read(live, cursor, enough, each, arg, err);
}

/* Of an ended run's outputs so much is told as events; larger ones, and what is past it, by their size: /outputs has
 * them. */
enum { RECORDED_MAX = 2 << 20 };
struct recorded { struct run_cursor *cursor; run_event_fn *each; void *arg; size_t left; };

static void give_recorded(void *arg, int64_t seq, const char *name, const json_t *data)
{
    struct recorded *r = arg;
    char id[48];
    snprintf(id, sizeof id, "%" PRId64 "-%" PRId64, r->cursor->attempt, seq);
    SU_AUTO_FREE char *text = run_event_text(data, r->left);
    size_t len = strlen(text);
    r->left -= len < r->left ? len : r->left;
    r->each(r->arg, seq > 0 ? id : NULL, name, text);
}

static bool ended_events(struct runs *runs, const char *tenant, const json_t *run, struct run_cursor *cursor,
                         run_event_fn *each, void *arg, struct su_err *err)
{
    const char *id = su_json_string(run, "id", "");
    json_t *notebook = NULL;
    enter_attempt(cursor, su_json_int(run, "attempt", 1));
    if (!read_executed(runs, tenant, id, &notebook, err))
        return false;
    SU_AUTO_JSON json_t *whole = notebook ? joined(notebook) : NULL;
    struct recorded recorded = {cursor, each, arg, RECORDED_MAX};
    recorded_events(whole, cursor->after, give_recorded, &recorded);
    SU_AUTO_FREE char *text = su_json_text(run);
    each(arg, NULL, "finished", text);
    return true;
}

bool run_events(struct runs *runs, const char *tenant, const char *id, struct run_cursor *cursor, size_t enough,
    run_event_fn *each, void *arg, bool *ret_over, struct su_err *err)
{
    *ret_over = false;
    struct live *live = runs_find(runs, tenant, id);
    if (live) {
        bool ok = live_events(live, cursor, enough, each, arg, err);
        su_lock(&live->lock);
        bool is_more = !run_state_is_final(live->state) || cursor->offset < live->events_length;
        su_unlock(&live->lock);
        runs_unref(runs, live);
        if (!ok || is_more)
            return ok;
    }
    SU_AUTO_JSON json_t *run = NULL;
    bool is_final;
    if (!run_get(runs, tenant, id, &run, &is_final, err))
        return false;
    *ret_over = is_final;
    if (is_final)
        return ended_events(runs, tenant, run, cursor, each, arg, err);
    enter_attempt(cursor, su_json_int(run, "attempt", 1));
    give_state(cursor, RUN_QUEUED, each, arg);
    return true;
}
