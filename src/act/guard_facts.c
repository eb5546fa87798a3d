/* What guards judge by: see guard_facts.h.  Layer act; inside a writer job. */
#include "guard_facts.h"
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "guard.h"
#include "hours.h"
#include "silence.h"

const struct store_migration guard_migrations[] = {
    {"guard", 1,
     "CREATE TABLE guard_marks (tenant TEXT NOT NULL, action TEXT NOT NULL, last_us INTEGER NOT NULL, filled_us INTEGER NOT NULL,"
     "  tokens REAL NOT NULL, PRIMARY KEY (tenant, action)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE guard_keys (tenant TEXT NOT NULL, action TEXT NOT NULL, watch TEXT NOT NULL, key TEXT NOT NULL, at_us INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, action, watch, key)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* What is told when an episode ends must arrive. */
static bool ends_episode(const char *event)
{
    static const char *const ends[] = {"resolved", "steady", "unverified"};
    for (size_t i = 0; event && i < SU_COUNT(ends); i++)
        if (strcmp(event, ends[i]) == 0)
            return true;
    return false;
}

static bool is_in_hours(const json_t *active, int64_t at_us)
{
    size_t i;
    json_t *item;
    bool holds = active == NULL;
    json_array_foreach ((json_t *)(uintptr_t)active, i, item) {
        struct su_err ignored;
        struct hours hours;
        holds |= hours_read(item, "/active", &hours, &ignored) && hours_hold(&hours, at_us);
    }
    return holds;
}

static bool load_mark(struct sql *db, const struct decision *d, struct guard_mark *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT last_us, filled_us, tokens FROM guard_marks WHERE tenant = ?1 AND action = ?2",
                                                 sql_text(d->tenant), sql_text(d->action));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW)
        *ret = (struct guard_mark){sql_col_int(row, 0), sql_col_int(row, 1), sql_col_real(row, 2)};
    return next != SQL_ERROR;
}

static bool is_of_a_key(const struct guard_facts *facts, const struct decision *d)
{
    return facts->policy && facts->policy->blast.per_us > 0 && d->watch && d->key;
}

/* Other keys that were acted upon within the interval, before or after: time may go back. */
static bool count_keys(struct sql *db, const struct decision *d, struct guard_facts *facts, struct su_err *err)
{
    int64_t per_us = is_of_a_key(facts, d) ? facts->policy->blast.per_us : 0;
    facts->keys = d->keys;
    return per_us == 0
        || sql_get_int(db, 0, &facts->keys_acted, err,
                       "SELECT count(*) FROM guard_keys WHERE tenant = ?1 AND action = ?2 AND watch = ?3 AND key <> ?4 AND at_us > ?5 AND at_us < ?6",
                       sql_text(d->tenant), sql_text(d->action), sql_text(d->watch), sql_text(d->key), sql_int(facts->at_us - per_us),
                       sql_int(facts->at_us + per_us));
}

static bool remember(struct sql *db, const struct decision *d, const struct guard_facts *facts, const struct guard_verdict *verdict, struct su_err *err)
{
    const struct action_policy *policy = facts->policy;
    if (policy == NULL || verdict->stopped_by != GUARD_COUNT)
        return true;
    if ((policy->cooldown_us > 0 || policy->rate.count > 0)
        && !sql_run(db, err,
                    "INSERT INTO guard_marks (tenant, action, last_us, filled_us, tokens) VALUES (?1, ?2, ?3, ?4, ?5)"
                    " ON CONFLICT DO UPDATE SET last_us = ?3, filled_us = ?4, tokens = ?5",
                    sql_text(d->tenant), sql_text(d->action), sql_int(verdict->mark.last_us), sql_int(verdict->mark.filled_us),
                    sql_real(verdict->mark.tokens)))
        return false;
    return !is_of_a_key(facts, d)
        || sql_run(db, err,
                   "INSERT INTO guard_keys (tenant, action, watch, key, at_us) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET at_us = ?5",
                   sql_text(d->tenant), sql_text(d->action), sql_text(d->watch), sql_text(d->key), sql_int(facts->at_us));
}

/* The action's policy; one that is not there is a fact too. */
static bool load_policy(struct sql *db, const struct decision *d, json_t **ret_definition, struct action_policy *ret, bool *ret_is_missing,
                        struct su_err *err)
{
    bool is_there = action_load(db, d->tenant, d->action, ret_definition, err);
    *ret_is_missing = !is_there && err->code == SU_NOT_FOUND;
    return is_there ? action_policy_read(*ret_definition, ret, err) : *ret_is_missing;
}

bool guard_facts_judge(struct sql *db, const struct decision *d, int64_t now_ms, struct guard_answer *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *definition = NULL;
    SU_AUTO_FREE char *silence = NULL;
    struct action_policy policy = {0};
    struct guard_facts facts = {.is_dry = d->is_dry, .ends_episode = ends_episode(d->event), .at_us = d->window.end_us ? d->window.end_us : now_ms * 1000};
    struct guard_verdict verdict;
    const struct silence_about about = {d->watch, d->key, d->level, d->event, d->action, d->trigger, d->stream};
    if (d->action && !load_policy(db, d, &definition, &policy, &facts.is_missing, err))
        return false;
    facts.policy = definition ? &policy : NULL;
    if (!silence_find(db, d->tenant, &about, facts.at_us, now_ms * 1000, &silence, err)
        || (definition && (!load_mark(db, d, &facts.mark, err) || !count_keys(db, d, &facts, err))))
        return false;
    facts.silence = silence;
    facts.is_active = is_in_hours(policy.active, facts.at_us);
    guard_judge(&facts, &verdict);
    if (!remember(db, d, &facts, &verdict, err))
        return false;
    *ret = (struct guard_answer){.ruling = verdict.stopped_by != GUARD_COUNT ? GUARD_STOPS : verdict.is_held ? GUARD_HOLDS : GUARD_PASSES,
                                 .trace = guard_trace(&verdict), .wait_ms = policy.approval.wait_ms, .sends_after = policy.approval.sends_after};
    return true;
}

bool guard_facts_forget(struct sql *db, const char *tenant, const char *action, struct su_err *err)
{
    return sql_run(db, err, "DELETE FROM guard_marks WHERE tenant = ?1 AND action = ?2", sql_text(tenant), sql_text(action))
        && sql_run(db, err, "DELETE FROM guard_keys WHERE tenant = ?1 AND action = ?2", sql_text(tenant), sql_text(action));
}
