/* Fetches: their rows and their ends.  See fetch.h.  Layer aggregate; any thread. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "fetch_private.h"

enum { KEEP_DAYS = 30 };

const struct store_migration fetch_migrations[] = {
    {"fetch", 1,
     "CREATE TABLE fetches (tenant TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, url TEXT NOT NULL,"
     "  name TEXT NOT NULL, version INTEGER, bytes INTEGER, user TEXT NOT NULL, run TEXT,"
     "  created_ms INTEGER NOT NULL, ended_ms INTEGER, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE fetch_hosts (tenant TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL, allow_private INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, host, port)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* --- rows ------------------------------------------------------------- */

/* What a crash left running has failed; what is old is forgotten. */
static bool tidy_job(struct sql *db, void *arg, struct su_err *err)
{
    (void)arg;
    int64_t now_ms = su_now_ms();
    return sql_run(db, err,
                   "UPDATE fetches SET state = 'failed', reason = 'the server stopped before the download was complete',"
                   " ended_ms = ?1 WHERE state = 'running'",
                   sql_int(now_ms))
        && sql_run(db, err, "DELETE FROM fetches WHERE ended_ms < ?1", sql_int(now_ms - (int64_t)KEEP_DAYS * 86400000));
}

static bool insert_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct fetch_job *job = arg;
    return sql_run(db, err,
                   "INSERT INTO fetches (tenant, id, state, url, name, user, run, created_ms)"
                   " VALUES (?1, ?2, 'running', ?3, ?4, ?5, ?6, ?7)",
                   sql_text(job->tenant), sql_text(job->id), sql_text(job->target.url), sql_text(job->name), sql_text(job->user),
                   sql_text(job->run), sql_int(su_now_ms()));
}

struct ending { const struct fetch_job *job; uint64_t bytes; const struct object_info *info; const char *reason; };

static bool end_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct ending *ending = arg;
    return sql_run(db, err,
                   "UPDATE fetches SET state = ?3, reason = ?4, version = ?5, bytes = ?6, ended_ms = ?7 WHERE tenant = ?1 AND id = ?2",
                   sql_text(ending->job->tenant), sql_text(ending->job->id), sql_text(ending->info ? "succeeded" : "failed"),
                   sql_text(ending->reason), ending->info ? sql_int(ending->info->version) : sql_null(), sql_int((int64_t)ending->bytes),
                   sql_int(su_now_ms()));
}

#define FETCH_COLUMNS "id, state, reason, url, name, version, bytes, created_ms, ended_ms, run"

static json_t *row_json(struct sql_row *row)
{
    char created[SU_TIME_TEXT], ended[SU_TIME_TEXT];
    bool has_version = !sql_col_is_null(row, 5), has_ended = !sql_col_is_null(row, 8);
    json_t *object = has_version ? json_pack("{s:s, s:I}", "name", sql_col_text(row, 4), "version", (json_int_t)sql_col_int(row, 5)) : json_null();
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:I, s:s, s:o, s:o}", "id", sql_col_text(row, 0), "state", sql_col_text(row, 1),
                     "reason", su_json_text_or_null(sql_col_text(row, 2)), "url", sql_col_text(row, 3), "name", sql_col_text(row, 4),
                     "object", object, "bytes", (json_int_t)sql_col_int(row, 6),
                     "created_at", su_time_text(sql_col_int(row, 7), created),
                     "ended_at", has_ended ? json_string(su_time_text(sql_col_int(row, 8), ended)) : json_null(),
                     "run", su_json_text_or_null(sql_col_text(row, 9)));
}

/* --- the end of one --------------------------------------------------- */

static void publish(struct fetches *fetches, const struct fetch_job *job, const struct object_info *info, const char *reason)
{
    if (fetches->bus == NULL)
        return;
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "id", job->id, "tenant", job->tenant,
                                            "state", info ? "succeeded" : "failed", "url", job->target.url, "name", job->name,
                                            "run", su_json_text_or_null(job->run), "reason", su_json_text_or_null(reason),
                                            "version", info ? json_integer(info->version) : json_null(),
                                            "sha256", info ? json_string(info->sha256) : json_null());
    SU_AUTO_FREE char *own = su_format("fetch/%s", job->id), *tenant = su_format("tenant/%s", job->tenant);
    su_bus_publish(fetches->bus, own, "fetch.finished", detail);
    su_bus_publish(fetches->bus, tenant, "fetch.finished", detail);
}

static void done(void *arg, struct fetch_job *job, uint64_t bytes, const struct object_info *info, const struct su_err *err)
{
    struct fetches *fetches = arg;
    struct su_err write_err;
    SU_AUTO_FREE char *reason = info ? NULL : su_format("%s%s%s", err->message, err->hint[0] ? ". " : "", err->hint);
    struct ending ending = {job, bytes, info, reason};
    if (!store_write(fetches->store, end_job, &ending, &write_err))
        su_log_error("fetch.not_ended", &write_err, su_kv_text("fetch", job->id));
    su_log(SU_LOG_INFO, "fetch.finished", su_kv_text("fetch", job->id), su_kv_text("host", job->target.host),
           su_kv_text("state", info ? "succeeded" : "failed"), su_kv_int("bytes", (int64_t)bytes));
    publish(fetches, job, info, reason);
    fetch_job_free(job);
}

/* --- the service ------------------------------------------------------ */

bool fetches_open(struct store *store, struct objects *objects, struct su_bus *bus, const struct fetches_options *options,
                  struct fetches **ret, struct su_err *err)
{
    struct fetches *fetches = su_alloc(sizeof *fetches);
    *fetches = (struct fetches){.store = store, .bus = bus, .options = options ? *options : (struct fetches_options){0}};
    struct fetches_options *set = &fetches->options;
    set->size_max = set->size_max ? set->size_max : (uint64_t)4 << 30;
    set->time_max_s = set->time_max_s ? set->time_max_s : 1800;
    set->parallel = set->parallel ? set->parallel : 4;
    set->queue_max = set->queue_max ? set->queue_max : 256;
    char host[FETCH_HOST_SIZE];
    uint16_t port;
    bool ok = true;
    for (const char *const *allow = set->allow; ok && allow != NULL && *allow != NULL; allow++)
        ok = fetch_hosts_parse(*allow, host, &port, err);
    if (!ok || !store_write(store, tidy_job, NULL, err) || !fetch_engine_open(objects, set, done, fetches, &fetches->engine, err)) {
        free(fetches);
        return false;
    }
    *ret = fetches;
    return true;
}

void fetches_close(struct fetches *fetches)
{
    if (fetches == NULL)
        return;
    fetch_engine_close(fetches->engine);
    free(fetches);
}

static void job_done(struct fetch_job **job) { fetch_job_free(*job); }

bool fetch_start(struct fetches *fetches, const struct fetch_start *what, char *ret_id, struct su_err *err)
{
    struct fetch_job *job SU_CLEANUP(job_done) = su_alloc(sizeof *job);
    if (!object_name_check(su_str_of(what->name), err) || !fetch_target_parse(what->url, &job->target, err)
        || !fetch_hosts_allow(fetches->store, fetches->options.allow, what->tenant, &job->target, err))
        return false;
    char id[SU_ID_SIZE];
    snprintf(job->id, sizeof job->id, "%s", su_id(id));
    job->tenant = su_strdup(what->tenant);
    job->user = su_strdup(what->user ? what->user : "");
    job->run = su_strdup(what->run);
    job->name = su_strdup(what->name);
    job->tags = what->tags ? json_deep_copy(what->tags) : NULL;
    if (!store_write(fetches->store, insert_job, job, err))
        return false;
    const struct fetch_job *kept = job;
    struct ending ending = {kept, 0, NULL, "too many downloads were waiting"};
    if (!fetch_engine_submit(fetches->engine, &job, err)) {
        struct su_err ignored;
        store_write(fetches->store, end_job, &ending, &ignored);
        return false;
    }
    memcpy(ret_id, id, sizeof id);
    return true;
}

bool fetch_get(struct fetches *fetches, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    STORE_READ(fetches->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " FETCH_COLUMNS " FROM fetches WHERE tenant = ?1 AND id = ?2",
                                                 sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail_field(err, SU_NOT_FOUND, "id", "no fetch \"%.64s\"", id);
    if (next == SQL_ERROR)
        return false;
    *ret = row_json(row);
    return true;
}

bool fetch_list(struct fetches *fetches, const char *tenant, const char *cursor, int64_t limit,
                json_t **ret_items, char **ret_next, struct su_err *err)
{
    if (limit < 1 || limit > OBJECT_LIST_MAX)
        return su_fail_field(err, SU_INVALID, "limit", "limit must be 1..%d", OBJECT_LIST_MAX);
    STORE_READ(fetches->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT " FETCH_COLUMNS " FROM fetches WHERE tenant = ?1 AND (?2 = '' OR id < ?2) ORDER BY id DESC LIMIT ?3",
        sql_text(tenant), sql_text(cursor ? cursor : ""), sql_int(limit + 1));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row != NULL && (next = sql_step(row, err)) == SQL_ROW && (int64_t)json_array_size(items) < limit)
        json_array_append_new(items, row_json(row));
    if (next == SQL_ERROR)
        return false;
    *ret_next = next == SQL_ROW ? su_strdup(su_json_string(json_array_get(items, json_array_size(items) - 1), "id", "")) : NULL;
    *ret_items = su_take(items);
    return true;
}
