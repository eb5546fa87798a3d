/* What a person says: see approval.h.  Layer act; jobs on the writer thread. */
#include "approval.h"
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "outbox.h"

struct about { int64_t number; char *id, *tenant, *action, *state, *guards; };

static void about_done(struct about *about)
{
    free(about->id);
    free(about->tenant);
    free(about->action);
    free(about->state);
    free(about->guards);
}

static bool find(struct sql *db, const char *tenant, const char *id, struct about *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT number, action, state, guards FROM decisions WHERE tenant = ?1 AND id = ?2",
                                                 sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no decision %.40s", id);
    if (next == SQL_ROW)
        *ret = (struct about){sql_col_int(row, 0), su_strdup(id), su_strdup(tenant), su_strdup(sql_col_text(row, 1)), su_strdup(sql_col_text(row, 2)),
                              su_strdup(sql_col_text(row, 3))};
    return next == SQL_ROW;
}

/* What came of its approval stands in its trace. */
static char *trace_with(const char *guards, bool has_passed, const char *detail)
{
    SU_AUTO_JSON json_t *trace = guards ? json_loads(guards, 0, NULL) : NULL;
    size_t i;
    json_t *item;
    json_array_foreach (trace, i, item)
        if (strcmp(su_json_string(item, "guard", ""), "approval") == 0)
            json_object_update_new(item, json_pack("{s:b, s:s}", "passed", has_passed, "detail", detail));
    return trace ? su_json_text(trace) : NULL;
}

static bool move(struct sql *db, const struct about *about, const char *state, bool has_passed, const char *detail, struct su_err *err)
{
    bool is_sent = strcmp(state, "pending") == 0;
    SU_AUTO_FREE char *guards = trace_with(about->guards, has_passed, detail);
    return sql_run(db, err, "UPDATE decisions SET state = ?2, guards = coalesce(?3, guards), settled_ms = ?4, last_error = NULL WHERE number = ?1",
                   sql_int(about->number), sql_text(state), sql_text(guards), is_sent ? sql_null() : sql_int(su_now_ms()))
        && sql_run(db, err, "DELETE FROM held WHERE decision = ?1", sql_int(about->number))
        && (!is_sent || outbox_add(db, about->tenant, about->action, about->number, err));
}

static void tell(struct su_bus *bus, const char *event, const char *tenant, const char *id, const char *action, const char *user, const char *reason)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:o, s:o}", "decision", id, "action", action, "user", su_json_text_or_null(user), "reason",
                                            su_json_text_or_null(reason));
    su_bus_publish(bus, topic, event, detail);
    su_bus_publish(bus, "decisions", event, NULL);
}

/* --- yes, no, again ------------------------------------------------------------------ */

struct saying { const struct approval_said *said; char *action; };

static bool say_job(struct sql *db, void *arg, struct su_err *err)
{
    struct saying *saying = arg;
    const struct approval_said *said = saying->said;
    SU_CLEANUP(about_done) struct about about = {0};
    const char *reason = said->reason ? said->reason : "";
    if (!find(db, said->tenant, said->id, &about, err))
        return false;
    bool is_again = said->said == APPROVAL_AGAIN, is_held = strcmp(about.state, "held") == 0;
    bool is_dead = strcmp(about.state, "failed") == 0 || strcmp(about.state, "expired") == 0;
    if (is_again ? !is_dead : !is_held)
        return su_fail(err, SU_CONFLICT, is_again ? "the decision is %s; only one that failed or expired can be sent again"
                                                  : "the decision is %s; only one that is held waits for a word", about.state);
    SU_AUTO_FREE char *detail = su_format("%s by %s%s%s", is_again ? "sent again" : said->said == APPROVAL_YES ? "approved" : "rejected", said->user,
                                          *reason ? ": " : "", reason);
    free(saying->action);
    saying->action = su_strdup(about.action);
    return move(db, &about, said->said == APPROVAL_NO ? "stopped" : "pending", said->said != APPROVAL_NO, detail, err);
}

bool approval_say(struct store *store, struct su_bus *bus, const struct approval_said *said, struct su_err *err)
{
    static const char *const events[APPROVAL_COUNT] = {"decision.approved", "decision.rejected", "decision.resent"};
    struct saying saying = {.said = said};
    bool ok = store_write(store, say_job, &saying, err);
    SU_AUTO_FREE char *action = saying.action;
    if (ok)
        tell(bus, events[said->said], said->tenant, said->id, action, said->user, said->reason);
    return ok;
}

/* --- nobody said anything --------------------------------------------------------------- */

enum { EXPIRED_AT_ONCE = 100 };
struct expiring { int64_t now_ms; struct about list[EXPIRED_AT_ONCE]; bool is_sent[EXPIRED_AT_ONCE]; size_t count; };

static void expiring_clear(struct expiring *e)
{
    for (size_t i = 0; i < e->count; i++)
        about_done(&e->list[i]);
    e->count = 0;
}

static bool find_due(struct sql *db, struct expiring *e, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT d.tenant, d.id, d.action, d.number, d.guards, h.sends_after FROM held h JOIN decisions d ON d.number = h.decision"
        " WHERE h.due_ms <= ?1 ORDER BY h.due_ms LIMIT ?2", sql_int(e->now_ms), sql_int(EXPIRED_AT_ONCE));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        e->is_sent[e->count] = sql_col_int(row, 5) != 0;
        e->list[e->count++] = (struct about){.tenant = su_strdup(sql_col_text(row, 0)), .id = su_strdup(sql_col_text(row, 1)),
                                             .action = su_strdup(sql_col_text(row, 2)), .number = sql_col_int(row, 3),
                                             .guards = su_strdup(sql_col_text(row, 4))};
    }
    return next == SQL_DONE;
}

static bool expire_job(struct sql *db, void *arg, struct su_err *err)
{
    struct expiring *e = arg;
    expiring_clear(e);
    if (!find_due(db, e, err))
        return false;
    for (size_t i = 0; i < e->count; i++)
        if (!move(db, &e->list[i], e->is_sent[i] ? "pending" : "expired", e->is_sent[i],
                  e->is_sent[i] ? "nobody said no in time: sent" : "nobody said yes in time: expired", err))
            return false;
    return true;
}

static bool next_due(struct store *store, int64_t *ret, struct su_err *err)
{
    STORE_READ(store, db);
    return sql_get_int(db, INT64_MAX, ret, err, "SELECT due_ms FROM held ORDER BY due_ms LIMIT 1");
}

bool approval_due(struct store *store, struct su_bus *bus, int64_t now_ms, int64_t *ret_next_ms, struct su_err *err)
{
    if (!next_due(store, ret_next_ms, err))
        return false;
    if (*ret_next_ms > now_ms)
        return true;
    struct expiring *e = su_alloc(sizeof *e);
    e->now_ms = now_ms;
    bool ok = store_write(store, expire_job, e, err);
    for (size_t i = 0; ok && i < e->count; i++)
        tell(bus, e->is_sent[i] ? "decision.approved" : "decision.expired", e->list[i].tenant, e->list[i].id, e->list[i].action, NULL, NULL);
    expiring_clear(e);
    free(e);
    return ok && next_due(store, ret_next_ms, err);
}

/* --- the switch ---------------------------------------------------------------------------- */

bool switch_is_stopped(struct sql *db, const char *tenant, bool *ret, char **ret_reason, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT reason FROM action_switch WHERE tenant = ?1 AND is_stopped", sql_text(tenant));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret = next == SQL_ROW;
    if (ret_reason)
        *ret_reason = *ret ? su_strdup(sql_col_text(row, 0)) : NULL;
    return next != SQL_ERROR;
}

bool switch_get(struct store *store, const char *tenant, json_t **ret, struct su_err *err)
{
    char changed[SU_TIME_TEXT];
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT is_stopped, reason, changed_ms, changed_by FROM action_switch WHERE tenant = ?1", sql_text(tenant));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        *ret = json_pack("{s:s, s:s, s:n, s:n}", "actions", "running", "reason", "", "changed_at", "changed_by");
    if (next == SQL_ROW)
        *ret = json_pack("{s:s, s:s, s:s, s:s}", "actions", sql_col_int(row, 0) ? "stopped" : "running", "reason", sql_col_text(row, 1), "changed_at",
                         su_time_text(sql_col_int(row, 2), changed), "changed_by", sql_col_text(row, 3));
    return next != SQL_ERROR;
}

struct switching { const char *tenant, *reason, *user; bool is_stopped; };

static bool switch_job(struct sql *db, void *arg, struct su_err *err)
{
    struct switching *s = arg;
    return sql_run(db, err,
                   "INSERT INTO action_switch (tenant, is_stopped, reason, changed_ms, changed_by) VALUES (?1, ?2, ?3, ?4, ?5)"
                   " ON CONFLICT DO UPDATE SET is_stopped = ?2, reason = ?3, changed_ms = ?4, changed_by = ?5",
                   sql_text(s->tenant), sql_int(s->is_stopped), sql_text(s->reason), sql_int(su_now_ms()), sql_text(s->user));
}

bool switch_put(struct store *store, struct su_bus *bus, const char *tenant, bool is_stopped, const char *reason, const char *user, json_t **ret,
                struct su_err *err)
{
    struct switching switching = {tenant, reason ? reason : "", user, is_stopped};
    if (!store_write(store, switch_job, &switching, err))
        return false;
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "user", user, "reason", switching.reason);
    su_bus_publish(bus, topic, is_stopped ? "actions.stopped" : "actions.running", detail);
    su_bus_publish(bus, "decisions", "switch", NULL);
    return switch_get(store, tenant, ret, err);
}
