/* Numbers for an overview: what a tenant's decisions come to.  Layer act; any thread. */
#include <string.h>
#include "base/clock.h"
#include "decision.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS, SCAN_MAX = 100000, FAILURES_MAX = 10 };

static void add_failure(struct sql_row *row, struct decision_totals *ret)
{
    char at[SU_TIME_TEXT];
    const char *message = sql_col_text(row, 3);
    if (json_array_size(ret->failures) < FAILURES_MAX)
        json_array_append_new(ret->failures, json_pack("{s:s, s:s, s:s, s:o}", "at", su_time_text(sql_col_int(row, 1), at), "name",
                                                       sql_col_text(row, 2), "message", message ? message : "not delivered", "id",
                                                       su_json_text_or_null(sql_col_text(row, 4))));
}

/* Newest first; what lies behind 100,000 of them is not counted. */
static bool count(struct sql *db, const char *tenant, struct decision_totals *ret, struct su_err *err)
{
    int64_t now = su_now_ms();
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT state, decided_ms, action, last_error, id FROM decisions WHERE tenant = ?1 ORDER BY number DESC LIMIT ?2",
        sql_text(tenant), sql_int(SCAN_MAX));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW && sql_col_int(row, 1) >= now - DAY_MS) {
        int64_t age = now - sql_col_int(row, 1);
        bool has_failed = strcmp(sql_col_text(row, 0), "failed") == 0;
        ret->decisions_24h++;
        ret->failed += has_failed;
        ret->held += strcmp(sql_col_text(row, 0), "held") == 0;
        if (has_failed)
            add_failure(row, ret);
        if (age >= 0 && age < HOUR_MS)
            ret->per_m[DECISION_TOTAL_MINUTES - 1 - age / MINUTE_MS]++;
    }
    return next != SQL_ERROR;
}

bool decision_totals(struct store *store, const char *tenant, struct decision_totals *ret, struct su_err *err)
{
    struct decision_totals totals = {.failures = json_array()};
    STORE_READ(store, db);
    if (!count(db, tenant, &totals, err)
        || !sql_get_int(db, 0, &totals.waiting, err, "SELECT count(*) FROM outbox WHERE tenant = ?1", sql_text(tenant))) {
        json_decref(totals.failures);
        return false;
    }
    *ret = totals;
    return true;
}
