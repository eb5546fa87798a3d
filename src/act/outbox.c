/* The outbox and the log of attempts: see outbox.h.  Layer act. */
#include "outbox.h"
#include <stdlib.h>
#include "base/clock.h"

bool outbox_add(struct sql *db, const char *tenant, const char *action, int64_t number, struct su_err *err)
{
    return sql_run(db, err, "INSERT INTO outbox (tenant, action, decision, due_ms, since_ms) VALUES (?1, ?2, ?3, ?4, ?4)", sql_text(tenant),
                   sql_text(action), sql_int(number), sql_int(su_now_ms()));
}

void outbox_head_done(struct outbox_head *head)
{
    free(head->tenant);
    free(head->action);
    *head = (struct outbox_head){0};
}

bool outbox_next(struct sql *db, const char *tenant, const char *action, struct outbox_head *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT tenant, action, decision, due_ms, since_ms FROM outbox WHERE (tenant, action) > (?1, ?2)"
        " AND tenant NOT IN (SELECT tenant FROM action_switch WHERE is_stopped) ORDER BY tenant, action, decision LIMIT 1",
        sql_text(tenant), sql_text(action));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    *ret = (struct outbox_head){0};
    if (next == SQL_ROW)
        *ret = (struct outbox_head){su_strdup(sql_col_text(row, 0)), su_strdup(sql_col_text(row, 1)), sql_col_int(row, 2), sql_col_int(row, 3),
                                    sql_col_int(row, 4)};
    return true;
}

/* --- what came of a try ---------------------------------------------------------- */

static bool defer(struct sql *db, const struct outbox_result *r, struct su_err *err)
{
    return sql_run(db, err, "UPDATE decisions SET last_error = ?2 WHERE number = ?1 AND state = 'pending'", sql_int(r->number), sql_text(r->error))
        && sql_run(db, err, "UPDATE outbox SET due_ms = ?4, deferred = 1 WHERE tenant = ?1 AND action = ?2 AND decision = ?3", sql_text(r->tenant),
                   sql_text(r->action), sql_int(r->number), sql_int(r->due_ms));
}

static bool log_attempt(struct sql *db, const struct outbox_result *r, struct su_err *err)
{
    static const char *const outcomes[] = {"sent", "retry", "failed", "deferred"};
    return sql_run(db, err,
                   "INSERT INTO attempts (decision, attempt, at_ms, outcome, status, took_ms, detail)"
                   " SELECT number, attempts, ?2, ?3, ?4, ?5, ?6 FROM decisions WHERE number = ?1 ON CONFLICT DO NOTHING",
                   sql_int(r->number), sql_int(r->at_ms), sql_text(outcomes[r->outcome]), r->status ? sql_int(r->status) : sql_null(),
                   sql_int(r->took_ms), sql_text(r->error ? r->error : r->answer));
}

bool outbox_settle(struct sql *db, const struct outbox_result *r, struct su_err *err)
{
    bool is_over = r->outcome == OUTBOX_SENT || r->outcome == OUTBOX_FAILED;
    const char *state = r->outcome == OUTBOX_SENT ? "sent" : r->outcome == OUTBOX_FAILED ? "failed" : "pending";
    if (r->outcome == OUTBOX_DEFERRED)
        return defer(db, r, err);
    if (!sql_run(db, err,
                 "UPDATE decisions SET attempts = attempts + 1, state = ?2, last_error = ?3, settled_ms = ?4"
                 " WHERE number = ?1 AND state = 'pending'",
                 sql_int(r->number), sql_text(state), sql_text(r->error), is_over ? sql_int(su_now_ms()) : sql_null())
        || !log_attempt(db, r, err))
        return false;
    if (is_over)
        return sql_run(db, err, "DELETE FROM outbox WHERE tenant = ?1 AND action = ?2 AND decision = ?3", sql_text(r->tenant),
                       sql_text(r->action), sql_int(r->number));
    return sql_run(db, err, "UPDATE outbox SET due_ms = ?4, deferred = 0 WHERE tenant = ?1 AND action = ?2 AND decision = ?3", sql_text(r->tenant),
                   sql_text(r->action), sql_int(r->number), sql_int(r->due_ms));
}

bool outbox_abandon(struct sql *db, const char *tenant, const char *action, const char *why, struct su_err *err)
{
    return sql_run(db, err,
                   "UPDATE decisions SET state = 'failed', last_error = ?3, settled_ms = ?4 WHERE number IN"
                   " (SELECT decision FROM outbox WHERE tenant = ?1 AND action = ?2"
                   "  UNION SELECT decision FROM held WHERE tenant = ?1 AND action = ?2)",
                   sql_text(tenant), sql_text(action), sql_text(why), sql_int(su_now_ms()))
        && sql_run(db, err, "DELETE FROM outbox WHERE tenant = ?1 AND action = ?2", sql_text(tenant), sql_text(action))
        && sql_run(db, err, "DELETE FROM held WHERE tenant = ?1 AND action = ?2", sql_text(tenant), sql_text(action));
}

bool outbox_totals(struct sql *db, const char *tenant, int64_t *ret_waiting, int64_t *ret_held, struct su_err *err)
{
    return sql_get_int(db, 0, ret_waiting, err, "SELECT count(*) FROM outbox WHERE tenant = ?1", sql_text(tenant))
        && sql_get_int(db, 0, ret_held, err, "SELECT count(*) FROM held WHERE tenant = ?1", sql_text(tenant));
}

/* --- reading ------------------------------------------------------------------------ */

bool outbox_log(struct sql *db, int64_t number, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT at_ms, attempt, outcome, status, took_ms, detail FROM attempts WHERE decision = ?1 ORDER BY attempt", sql_int(number));
    SU_AUTO_JSON json_t *log = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        char at[SU_TIME_TEXT];
        json_array_append_new(log, json_pack("{s:s, s:I, s:s, s:o, s:I, s:o}", "at", su_time_text(sql_col_int(row, 0), at), "attempt",
                                             (json_int_t)sql_col_int(row, 1), "outcome", sql_col_text(row, 2), "status",
                                             sql_col_is_null(row, 3) ? json_null() : json_integer(sql_col_int(row, 3)), "took_ms",
                                             (json_int_t)sql_col_int(row, 4), "detail", su_json_text_or_null(sql_col_text(row, 5))));
    }
    if (next != SQL_DONE)
        return false;
    *ret = su_take(log);
    return true;
}

bool outbox_waiting(struct sql *db, const char *tenant, const char *action, int64_t number, json_t **ret, struct su_err *err)
{
    char due[SU_TIME_TEXT];
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT due_ms, deferred FROM outbox WHERE tenant = ?1 AND action = ?2 AND decision = ?3",
                                                 sql_text(tenant), sql_text(action), sql_int(number));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    *ret = next == SQL_DONE ? json_null()
                            : json_pack("{s:s, s:b}", "due_at", su_time_text(sql_col_int(row, 0), due), "deferred", (int)sql_col_int(row, 1));
    return true;
}
