/* Numbers for an overview: what a tenant's runs come to.  Layer interact; any thread. */
#include <string.h>
#include "base/clock.h"
#include "run_private.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS, SCAN_MAX = 20000, FAILURES_MAX = 10 };

static bool count_open(struct sql *db, const char *tenant, struct run_totals *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT state, follow FROM runs WHERE tenant = ?1 AND state IN ('queued', 'starting', 'running')", sql_text(tenant));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        bool is_queued = strcmp(sql_col_text(row, 0), "queued") == 0;
        int64_t *counter = is_queued ? &ret->queued : &ret->running;
        ++*counter;
        ret->following += sql_col_int(row, 1) != 0;
    }
    return next == SQL_DONE;
}

bool run_queued(struct sql *db, const char *tenant, int64_t *ret, struct su_err *err)
{
    return sql_get_int(db, 0, ret, err, "SELECT count(*) FROM runs WHERE tenant = ?1 AND state = 'queued'", sql_text(tenant));
}

static bool is_failure(const char *state)
{
    return strcmp(state, "failed") == 0 || strcmp(state, "timed_out") == 0 || strcmp(state, "out_of_memory") == 0 ||
           strcmp(state, "interrupted") == 0;
}

static void add_failure(struct sql_row *row, struct run_totals *ret)
{
    char at[SU_TIME_TEXT];
    if (json_array_size(ret->failures) < FAILURES_MAX)
        json_array_append_new(ret->failures, json_pack("{s:s, s:s, s:s, s:s}", "at", su_time_text(sql_col_int(row, 2), at), "name",
                                                       sql_col_text(row, 4), "message", sql_col_text(row, 5), "run", sql_col_text(row, 6)));
}

/* Newest first, as far back as a day. */
static bool count_ended(struct sql *db, const char *tenant, struct run_totals *ret, struct su_err *err)
{
    int64_t now = su_now_ms();
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT state, created_ms, ended_ms, NULL, coalesce(recipe, notebook),"
        " coalesce(nullif(reason, ''), json_extract(error, '$.ename') || ': ' || json_extract(error, '$.evalue'), state), id"
        " FROM runs WHERE tenant = ?1 ORDER BY id DESC LIMIT ?2",
        sql_text(tenant), sql_int(SCAN_MAX));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW && sql_col_int(row, 1) >= now - DAY_MS) {
        bool has_failed = is_failure(sql_col_text(row, 0));
        int64_t age = now - sql_col_int(row, 2);
        if (has_failed)
            add_failure(row, ret);
        if (sql_col_is_null(row, 2) || age < 0 || age >= HOUR_MS)
            continue;
        ret->finished_1h++;
        ret->failed_1h += has_failed;
        ret->per_m[RUN_TOTAL_MINUTES - 1 - age / MINUTE_MS]++;
    }
    return next != SQL_ERROR;
}

bool run_totals(struct runs *runs, const char *tenant, struct run_totals *ret, struct su_err *err)
{
    struct run_totals totals = {.failures = json_array()};
    STORE_READ(runs->store, db);
    if (!count_open(db, tenant, &totals, err) || !count_ended(db, tenant, &totals, err)) {
        json_decref(totals.failures);
        return false;
    }
    *ret = totals;
    return true;
}
