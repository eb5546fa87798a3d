/* Decisions and their outbox: see decision.h.  Layer act. */
#include "decision.h"
#include <stdlib.h>
#include <string.h>
#include "aggregate/consumer.h"
#include "base/clock.h"
#include "base/hash.h"
#include "approval.h"
#include "guard_facts.h"
#include "model.h"
#include "outbox.h"

const struct store_migration decision_migrations[] = {
    {"decision", 1,
     "CREATE TABLE decisions (number INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, id TEXT NOT NULL, action TEXT NOT NULL,"
     "  state TEXT NOT NULL DEFAULT 'pending', attempts INTEGER NOT NULL DEFAULT 0, settled_ms INTEGER, last_error TEXT,"
     "  stream TEXT NOT NULL, consumer TEXT NOT NULL, iteration INTEGER NOT NULL, epoch INTEGER NOT NULL,"
     "  start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, revision INTEGER NOT NULL, from_offset INTEGER NOT NULL,"
     "  to_offset INTEGER NOT NULL, messages INTEGER NOT NULL, run TEXT, user TEXT NOT NULL, decided_ms INTEGER NOT NULL,"
     "  reason TEXT NOT NULL, parameters TEXT NOT NULL) STRICT;"
     "CREATE UNIQUE INDEX decisions_by_id ON decisions (tenant, id);"
     "CREATE INDEX decisions_by_stream ON decisions (tenant, stream, number);"
     "CREATE TABLE outbox (tenant TEXT NOT NULL, action TEXT NOT NULL, decision INTEGER NOT NULL, due_ms INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, action, decision)) STRICT, WITHOUT ROWID;"},
    {"decision", 2,
     "ALTER TABLE decisions ADD COLUMN watch TEXT;"
     "ALTER TABLE decisions ADD COLUMN key TEXT;"
     "ALTER TABLE decisions ADD COLUMN event TEXT;"
     "ALTER TABLE decisions ADD COLUMN level TEXT;"
     "ALTER TABLE decisions ADD COLUMN trigger TEXT;"
     "ALTER TABLE decisions ADD COLUMN target TEXT;"
     "ALTER TABLE decisions ADD COLUMN grounds TEXT;"
     "ALTER TABLE decisions ADD COLUMN models TEXT;"
     "ALTER TABLE decisions ADD COLUMN code TEXT;"
     "CREATE INDEX decisions_by_watch ON decisions (tenant, watch, number) WHERE watch IS NOT NULL;"},
    /* since_ms: from when its deadline counts; held: those that wait for a person's word. */
    {"decision", 3,
     "ALTER TABLE decisions ADD COLUMN guards TEXT;"
     "ALTER TABLE outbox ADD COLUMN since_ms INTEGER NOT NULL DEFAULT 0;"
     "ALTER TABLE outbox ADD COLUMN deferred INTEGER NOT NULL DEFAULT 0;"
     "CREATE TABLE attempts (decision INTEGER NOT NULL, attempt INTEGER NOT NULL, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL,"
     "  status INTEGER, took_ms INTEGER NOT NULL, detail TEXT, PRIMARY KEY (decision, attempt)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE held (decision INTEGER PRIMARY KEY, tenant TEXT NOT NULL, action TEXT NOT NULL, due_ms INTEGER NOT NULL,"
     "  sends_after INTEGER NOT NULL) STRICT;"
     "CREATE INDEX held_by_due ON held (due_ms);"
     "CREATE TABLE action_switch (tenant TEXT PRIMARY KEY, is_stopped INTEGER NOT NULL, reason TEXT NOT NULL, changed_ms INTEGER NOT NULL,"
     "  changed_by TEXT NOT NULL) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* --- making ------------------------------------------------------------------------ */

void decision_id(const char *const *parts, size_t count, char ret[static SU_ID_SIZE])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    struct su_buf text = SU_BUF(64 * 1024);
    uint8_t hash[SU_SHA256_SIZE];
    for (size_t i = 0; i < count; i++)
        su_buf_addf(&text, "%zu:%s,", strlen(parts[i]), parts[i]);
    su_sha256_of(text.ptr, text.len, hash);
    su_buf_done(&text);
    for (size_t i = 0; i < SU_ID_SIZE - 1; i++)
        ret[i] = letters[hash[i] & 31];
    ret[SU_ID_SIZE - 1] = '\0';
}

static bool is_made(struct sql *db, const struct decision *d, bool *ret, struct su_err *err)
{
    int64_t found = 0;
    if (d->id && !sql_get_int(db, 0, &found, err, "SELECT 1 FROM decisions WHERE tenant = ?1 AND id = ?2", sql_text(d->tenant), sql_text(d->id)))
        return false;
    *ret = found != 0;
    return true;
}

static bool insert_row(struct sql *db, const struct decision *d, const char *id, const char *state, const json_t *trace, int64_t now,
                       struct su_err *err)
{
    bool is_over = strcmp(state, "noted") == 0 || strcmp(state, "stopped") == 0;
    SU_AUTO_FREE char *guards = trace ? su_json_text(trace) : NULL;
    SU_AUTO_FREE char *parameters = d->parameters ? su_json_text(d->parameters) : su_strdup("{}");
    SU_AUTO_FREE char *target = d->target ? su_json_text(d->target) : NULL, *grounds = d->grounds ? su_json_text(d->grounds) : NULL;
    SU_AUTO_FREE char *models = d->models ? su_json_text(d->models) : NULL;
    return sql_run(db, err,
                   "INSERT INTO decisions (tenant, id, action, stream, consumer, iteration, epoch, start_us, end_us, revision, from_offset,"
                   " to_offset, messages, run, user, decided_ms, reason, parameters, watch, key, event, level, trigger, target, grounds,"
                   " models, code, state, settled_ms, guards) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,"
                   " ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
                   sql_text(d->tenant), sql_text(id), sql_text(d->action ? d->action : ""), sql_text(d->stream ? d->stream : ""),
                   sql_text(d->consumer ? d->consumer : ""), sql_int(d->iteration), sql_int(d->epoch), sql_int(d->window.start_us),
                   sql_int(d->window.end_us), sql_int(d->window.revision), sql_int((int64_t)d->window.from),
                   sql_int((int64_t)d->window.to), sql_int((int64_t)d->window.messages), sql_text(d->run), sql_text(d->user), sql_int(now),
                   sql_text(d->reason), sql_text(parameters), sql_text(d->watch), sql_text(d->key), sql_text(d->event),
                   sql_text(d->level), sql_text(d->trigger), sql_text(target), sql_text(grounds), sql_text(models), sql_text(d->code),
                   sql_text(state), is_over ? sql_int(now) : sql_null(), sql_text(guards));
}

static bool hold(struct sql *db, const struct decision *d, const struct guard_answer *answer, int64_t now, struct su_err *err)
{
    return sql_run(db, err, "INSERT INTO held (decision, tenant, action, due_ms, sends_after) VALUES (?1, ?2, ?3, ?4, ?5)", sql_int(sql_last_id(db)),
                   sql_text(d->tenant), sql_text(d->action ? d->action : ""), sql_int(now + answer->wait_ms), sql_int(answer->sends_after));
}

static bool insert(struct sql *db, const struct decision *d, const char *id, struct su_err *err)
{
    static const char *const states[] = {[GUARD_PASSES] = "pending", [GUARD_HOLDS] = "held", [GUARD_STOPS] = "stopped"};
    int64_t now = su_now_ms();
    struct guard_answer answer = {0};
    if (d->action == NULL && d->target == NULL)
        return insert_row(db, d, id, "noted", NULL, now, err);
    if (!guard_facts_judge(db, d, now, &answer, err))
        return false;
    SU_AUTO_JSON json_t *trace = answer.trace;
    if (!insert_row(db, d, id, states[answer.ruling], trace, now, err))
        return false;
    if (answer.ruling == GUARD_PASSES)
        return outbox_add(db, d->tenant, d->action ? d->action : "", sql_last_id(db), err);
    return answer.ruling == GUARD_STOPS || hold(db, d, &answer, now, err);
}

bool decision_insert(struct sql *db, const struct decision *d, char ret_id[static SU_ID_SIZE], bool *ret_is_new, struct su_err *err)
{
    char id[SU_ID_SIZE];
    bool was_made;
    if (d->id)
        snprintf(id, sizeof id, "%s", d->id);
    else
        su_id(id);
    if (!is_made(db, d, &was_made, err)
        || (!was_made && (!insert(db, d, id, err) || !model_decided(db, d->tenant, d->models, err))))
        return false;
    memcpy(ret_id, id, sizeof id);
    if (ret_is_new)
        *ret_is_new = !was_made;
    return true;
}

/* --- reading ---------------------------------------------------------------------- */

#define DECISION_COLUMNS                                                                                               \
    "number, id, action, state, attempts, settled_ms, last_error, stream, consumer, iteration, epoch, start_us, end_us," \
    " revision, from_offset, to_offset, messages, run, user, decided_ms, reason, parameters, watch, key, event, level, trigger," \
    " target, grounds, models, code, guards"

static json_t *col_json(struct sql_row *row, int column)
{
    json_t *value = sql_col_is_null(row, column) ? NULL : json_loads(sql_col_text(row, column), JSON_ALLOW_NUL, NULL);
    return value ? value : json_null();
}

static json_t *window_json(struct sql_row *row)
{
    const struct window window = {.start_us = sql_col_int(row, 11), .end_us = sql_col_int(row, 12), .revision = sql_col_int(row, 13),
                                  .from = (uint64_t)sql_col_int(row, 14), .to = (uint64_t)sql_col_int(row, 15),
                                  .messages = (uint64_t)sql_col_int(row, 16)};
    return window.end_us == 0 && window.start_us == 0 ? json_null() : consumer_window_json(&window);
}

/* Who decided, about what. */
static void add_grounds(json_t *into, struct sql_row *row)
{
    static const struct { const char *name; int column; } texts[] = {{"watch", 22}, {"key", 23}, {"event", 24}, {"level", 25}, {"trigger", 26}, {"code", 30}};
    static const struct { const char *name; int column; } values[] = {{"target", 27}, {"grounds", 28}, {"models", 29}};
    for (size_t i = 0; i < SU_COUNT(texts); i++)
        json_object_set_new(into, texts[i].name, su_json_text_or_null(sql_col_text(row, texts[i].column)));
    for (size_t i = 0; i < SU_COUNT(values); i++)
        json_object_set_new(into, values[i].name, col_json(row, values[i].column));
    json_object_set_new(into, "guards", sql_col_is_null(row, 31) ? json_array() : col_json(row, 31));
}

static json_t *row_json(struct sql_row *row)
{
    char decided[SU_TIME_TEXT], settled[SU_TIME_TEXT];
    json_t *parameters = json_loads(sql_col_text(row, 21), JSON_ALLOW_NUL, NULL);
    json_t *decision = json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:s, s:s, s:s, s:I, s:o, s:o, s:s}", "id", sql_col_text(row, 1), "action",
        sql_col_text(row, 2), "parameters", parameters ? parameters : json_object(), "reason", sql_col_text(row, 20), "stream",
        sql_col_text(row, 7), "consumer", sql_col_text(row, 8), "iteration", (json_int_t)sql_col_int(row, 9), "epoch",
        (json_int_t)sql_col_int(row, 10), "window", window_json(row), "run", su_json_text_or_null(sql_col_text(row, 17)),
        "user", sql_col_text(row, 18), "decided_at", su_time_text(sql_col_int(row, 19), decided), "state", sql_col_text(row, 3),
        "attempts", (json_int_t)sql_col_int(row, 4), "last_error", su_json_text_or_null(sql_col_text(row, 6)), "settled_at",
        sql_col_is_null(row, 5) ? json_null() : json_string(su_time_text(sql_col_int(row, 5), settled)), "idempotency_key",
        sql_col_text(row, 1));
    add_grounds(decision, row);
    return decision;
}

static bool find_one(struct sql *db, const char *tenant, const char *id, json_t **ret, int64_t *ret_number, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " DECISION_COLUMNS " FROM decisions WHERE tenant = ?1 AND id = ?2",
                                                 sql_text(tenant), sql_text(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no decision %.40s", id);
    if (next == SQL_ERROR)
        return false;
    *ret_number = sql_col_int(row, 0);
    *ret = row_json(row);
    return true;
}

/* Guards of the moment stop nothing for good: they are told while they hold something up. */
static bool add_moment(struct sql *db, const char *tenant, json_t *decision, struct su_err *err)
{
    SU_AUTO_FREE char *reason = NULL;
    bool is_stopped, is_deferred = su_json_bool(json_object_get(decision, "waiting"), "deferred", false);
    json_t *guards = json_object_get(decision, "guards");
    if (strcmp(su_json_string(decision, "state", ""), "pending") != 0)
        return true;
    if (!switch_is_stopped(db, tenant, &is_stopped, &reason, err))
        return false;
    if (is_stopped)
        json_array_append_new(guards, json_pack("{s:s, s:b, s:s}", "guard", "switch", "passed", 0, "detail", reason));
    if (is_deferred)
        json_array_append_new(guards, json_pack("{s:s, s:b, s:O}", "guard", "breaker", "passed", 0, "detail", json_object_get(decision, "last_error")));
    return true;
}

bool decision_get(struct store *store, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *decision = NULL;
    json_t *log, *waiting;
    int64_t number = 0;
    STORE_READ(store, db);
    if (!find_one(db, tenant, id, &decision, &number, err) || !outbox_log(db, number, &log, err))
        return false;
    json_object_set_new(decision, "log", log);
    if (!outbox_waiting(db, tenant, su_json_string(decision, "action", ""), number, &waiting, err))
        return false;
    json_object_set_new(decision, "waiting", waiting);
    if (!add_moment(db, tenant, decision, err))
        return false;
    *ret = su_take(decision);
    return true;
}

static bool check_list(const struct decision_list *list, int64_t *ret_before, struct su_err *err)
{
    uint64_t before = INT64_MAX;
    static const char *const states[] = {"pending", "held", "stopped", "sent", "failed", "expired", "noted"};
    bool is_state = list->state == NULL;
    for (size_t i = 0; i < SU_COUNT(states); i++)
        is_state |= list->state && strcmp(list->state, states[i]) == 0;
    if (!is_state)
        return su_fail_field(err, SU_INVALID, "state", "state: must be pending, held, stopped, sent, failed, expired or noted, was \"%.40s\"", list->state);
    if (list->cursor && !su_str_u64(su_str_of(list->cursor), INT64_MAX, &before))
        return su_fail_field(err, SU_INVALID, "cursor", "cursor: is not one that a list of decisions gave");
    *ret_before = (int64_t)before;
    return true;
}

bool decision_list(struct store *store, const struct decision_list *list, json_t **ret_items, char **ret_next, struct su_err *err)
{
    int64_t before = INT64_MAX, last = 0;
    if (!check_list(list, &before, err))
        return false;
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT " DECISION_COLUMNS " FROM decisions WHERE tenant = ?1 AND number < ?2 AND (?3 IS NULL OR stream = ?3)"
        " AND (?4 IS NULL OR consumer = ?4) AND (?5 IS NULL OR action = ?5) AND (?6 IS NULL OR run = ?6) AND (?7 IS NULL OR state = ?7)"
        " AND (?9 IS NULL OR watch = ?9) AND (?10 IS NULL OR key = ?10) AND (?11 IS NULL OR trigger = ?11)"
        " AND (?12 = 0 AND ?13 = 0 OR end_us > ?12 AND end_us <= ?13)"
        " AND (?14 IS NULL OR id >= ?14 AND id < ?14 || '{') AND (?15 = 0 OR decided_ms >= ?15) AND (?16 = 0 OR decided_ms < ?16)"
        " ORDER BY number DESC LIMIT ?8",
        sql_text(list->tenant), sql_int(before), sql_text(list->stream), sql_text(list->consumer), sql_text(list->action),
        sql_text(list->run), sql_text(list->state), sql_int((int64_t)list->limit + 1), sql_text(list->watch),
        sql_text(list->key), sql_text(list->trigger), sql_int(list->from_us), sql_int(list->to_us), sql_text(list->id),
        sql_int(list->decided_from_ms), sql_int(list->decided_to_ms));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    bool has_more = false;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        has_more = json_array_size(items) == list->limit;
        if (has_more)
            continue;
        last = sql_col_int(row, 0);
        json_array_append_new(items, row_json(row));
    }
    if (next != SQL_DONE)
        return false;
    *ret_next = has_more ? su_format("%lld", (long long)last) : NULL;
    *ret_items = su_take(items);
    return true;
}

bool decision_is_open(struct sql *db, const char *tenant, const char *id, bool *ret, struct su_err *err)
{
    int64_t found;
    if (!sql_get_int(db, 0, &found, err, "SELECT 1 FROM decisions WHERE tenant = ?1 AND id = ?2 AND state IN ('pending', 'held')",
                     sql_text(tenant), sql_text(id)))
        return false;
    *ret = found != 0;
    return true;
}

bool decision_load(struct sql *db, int64_t number, json_t **ret, int64_t *ret_decided_ms, int64_t *ret_attempts, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " DECISION_COLUMNS " FROM decisions WHERE number = ?1", sql_int(number));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the decision is gone");
    if (next == SQL_ERROR)
        return false;
    *ret_decided_ms = sql_col_int(row, 19);
    *ret_attempts = sql_col_int(row, 4);
    *ret = row_json(row);
    return true;
}
