/* Triggers: see trigger.h.  Layer act; jobs on the writer thread. */
#include "trigger.h"
#include <stdlib.h>
#include <string.h>
#include "aggregate/stream.h"
#include "base/clock.h"
#include "base/hash.h"
#include "decision.h"
#include "interact/run.h"
#include "trigger_private.h"

bool triggers_open(struct store *store, struct su_bus *bus, struct streams *streams, struct runs *runs, struct triggers **ret,
                   struct su_err *err)
{
    (void)err;
    struct triggers *triggers = su_alloc(sizeof *triggers);
    *triggers = (struct triggers){store, bus, streams, runs};
    *ret = triggers;
    return true;
}

void triggers_close(struct triggers *triggers) { free(triggers); }

static void publish(struct triggers *triggers, const char *tenant, const char *event, const char *name, const char *user)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", name, "user", user);
    su_bus_publish(triggers->bus, topic, event, detail);
    su_bus_publish(triggers->bus, "triggers", event, NULL);
}

/* --- reading ------------------------------------------------------------------------------------ */

bool trigger_get(struct triggers *triggers, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    STORE_READ(triggers->store, db);
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    if (!trigger_load(db, tenant, name, &row, err))
        return false;
    *ret = trigger_row_json(triggers, db, &row);
    return true;
}

struct listing { struct triggers *triggers; struct sql *db; json_t *items; };

static void add_to_list(void *arg, struct trigger_row *row)
{
    struct listing *listing = arg;
    json_array_append_new(listing->items, trigger_row_json(listing->triggers, listing->db, row));
    trigger_row_done(row);
}

bool trigger_list(struct triggers *triggers, const char *tenant, json_t **ret_items, struct su_err *err)
{
    STORE_READ(triggers->store, db);
    SU_AUTO_JSON json_t *items = json_array();
    struct listing listing = {triggers, db, items};
    if (!trigger_each(db, tenant, add_to_list, &listing, err))
        return false;
    *ret_items = su_take(items);
    return true;
}

static bool add_queued(struct sql *db, const char *tenant, const char *name, json_t *items, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT id, queued_ms, firing FROM trigger_queue WHERE tenant = ?1 AND name = ?2 ORDER BY number DESC",
                  sql_text(tenant), sql_text(name));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        char queued[SU_TIME_TEXT];
        SU_AUTO_JSON json_t *firing = json_loads(sql_col_text(row, 2), JSON_ALLOW_NUL, NULL);
        json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:n, s:n, s:s, s:O?, s:O?}", "at", su_time_text(sql_col_int(row, 1), queued), "state",
                                               "queued", "decision", sql_col_text(row, 0), "delivery", "run", "reason",
                                               su_json_string(firing, "reason", ""), "event", json_object_get(firing, "event"), "parameters",
                                               json_object_get(firing, "parameters")));
    }
    return next == SQL_DONE;
}

static bool add_decided(struct sql *db, const char *tenant, const json_t *decision, json_t *items, struct su_err *err)
{
    char run[SU_ID_SIZE];
    bool is_final;
    const char *id = su_json_string(decision, "id", ""), *event = su_json_string(decision, "event", "fired");
    if (!run_of_decision(db, tenant, id, run, &is_final, err))
        return false;
    json_array_append_new(items, json_pack("{s:O, s:s, s:s, s:O, s:o, s:O, s:O?, s:O}", "at", json_object_get(decision, "decided_at"), "state", event,
                                           "decision", id, "delivery", json_object_get(decision, "state"), "run",
                                           run[0] ? json_string(run) : json_null(), "reason", json_object_get(decision, "reason"), "event",
                                           json_object_get(json_object_get(decision, "grounds"), "event"), "parameters",
                                           json_object_get(decision, "parameters")));
    return true;
}

bool trigger_firings(struct triggers *triggers, const char *tenant, const char *name, const char *cursor, size_t limit, json_t **ret_items,
                     char **ret_next, struct su_err *err)
{
    STORE_READ(triggers->store, db);
    TRIGGER_AUTO_ROW struct trigger_row trigger = {0};
    SU_AUTO_JSON json_t *items = json_array(), *decisions = NULL;
    SU_AUTO_FREE char *next = NULL;
    const struct decision_list list = {.tenant = tenant, .trigger = name, .cursor = cursor, .limit = limit};
    size_t i;
    json_t *item;
    if (!trigger_load(db, tenant, name, &trigger, err) || (cursor == NULL && !add_queued(db, tenant, name, items, err))
        || !decision_list(triggers->store, &list, &decisions, &next, err))
        return false;
    json_array_foreach (decisions, i, item)
        if (!add_decided(db, tenant, item, items, err))
            return false;
    *ret_items = su_take(items);
    *ret_next = su_take(next);
    return true;
}

bool trigger_totals(struct triggers *triggers, const char *tenant, struct trigger_totals *ret, struct su_err *err)
{
    STORE_READ(triggers->store, db);
    return sql_get_int(db, 0, &ret->triggers, err, "SELECT count(*) FROM triggers WHERE tenant = ?1", sql_text(tenant))
        && sql_get_int(db, 0, &ret->stopped, err, "SELECT count(*) FROM trigger_states WHERE tenant = ?1 AND is_stopped", sql_text(tenant))
        && sql_get_int(db, 0, &ret->queued, err, "SELECT count(*) FROM trigger_queue WHERE tenant = ?1", sql_text(tenant));
}

/* --- changing ------------------------------------------------------------------------------------- */

struct change {
    const char *tenant, *name, *user;
    const struct trigger_definition *definition;
    const char *text;
    int64_t stream, log;        /* that it follows; 0: none, or not there yet */
    char generation[SU_ID_SIZE];
    bool is_new;
    uint8_t secret_hash[SU_SHA256_SIZE];
    bool has_secret;
};

/* Goes on where it stands, unless it means something else now or was at rest. */
static bool is_same_generation(const struct trigger_row *row, const struct trigger_definition *now)
{
    bool was_enabled = su_json_bool(row->definition, "enabled", true);
    return json_equal(json_object_get(row->definition, "when"), json_object_get(now->json, "when")) && !row->is_stopped
        && (was_enabled || !now->is_enabled);
}

static bool begin_generation(struct sql *db, const struct change *change, struct trigger_row *row, struct su_err *err)
{
    uint64_t next = 0;
    int64_t high_us;
    if (change->log && !log_end(db, change->log, &next, &high_us, err))
        return false;
    free(row->generation);
    free(row->error);
    row->generation = su_strdup(change->generation);
    row->error = NULL;
    row->is_stopped = false;
    row->since_us = row->looked_us = su_now_us();
    row->stream = change->stream;
    row->offset = (int64_t)next;
    row->active[0] = '\0';
    row->rate_count = 0;
    return sql_run(db, err, "DELETE FROM trigger_queue WHERE tenant = ?1 AND name = ?2", sql_text(change->tenant), sql_text(change->name));
}

static bool check_room(struct sql *db, const char *tenant, struct su_err *err)
{
    int64_t count;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM triggers WHERE tenant = ?1", sql_text(tenant)))
        return false;
    return count < TRIGGERS_MAX || su_fail(err, SU_LIMIT, "there are %d triggers, the most there may be; delete some first", TRIGGERS_MAX);
}

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    struct change *change = arg;
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    int64_t now = su_now_ms();
    change->is_new = !trigger_load(db, change->tenant, change->name, &row, err);
    if (change->is_new && (err->code != SU_NOT_FOUND || !check_room(db, change->tenant, err)))
        return false;
    if (change->is_new) {
        row.tenant = su_strdup(change->tenant);
        row.name = su_strdup(change->name);
    }
    if ((change->is_new || !is_same_generation(&row, change->definition)) && !begin_generation(db, change, &row, err))
        return false;
    return sql_run(db, err,
                   "INSERT INTO triggers (tenant, name, definition, version, created_ms, created_by, changed_ms, changed_by)"
                   " VALUES (?1, ?2, ?3, 1, ?4, ?5, ?4, ?5)"
                   " ON CONFLICT DO UPDATE SET definition = ?3, version = version + 1, changed_ms = ?4, changed_by = ?5",
                   sql_text(change->tenant), sql_text(change->name), sql_text(change->text), sql_int(now), sql_text(change->user))
        && trigger_keep(db, &row, err);
}

bool trigger_put(struct triggers *triggers, const char *tenant, const char *name, const json_t *given, const char *user, json_t **ret,
                 bool *ret_is_new, struct su_err *err)
{
    TRIGGER_AUTO_DEFINITION struct trigger_definition definition = {0};
    STREAM_AUTO struct stream *stream = NULL;
    struct change change = {.tenant = tenant, .name = name, .user = user, .definition = &definition};
    if (!trigger_name_check(name, err) || !trigger_definition_read(given, &definition, err))
        return false;
    if (definition.stream && stream_get(triggers->streams, tenant, definition.stream, &stream, err)) {
        change.stream = stream->id;
        change.log = stream->log;
    }
    SU_AUTO_FREE char *text = su_json_text(definition.json);
    change.text = text;
    su_id(change.generation);
    if (!store_write(triggers->store, put_job, &change, err))
        return false;
    *ret_is_new = change.is_new;
    publish(triggers, tenant, "trigger.changed", name, user);
    return trigger_get(triggers, tenant, name, ret, err);
}

static bool delete_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct change *change = arg;
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    struct sql_value tenant = sql_text(change->tenant), name = sql_text(change->name);
    return trigger_load(db, change->tenant, change->name, &row, err)
        && sql_run(db, err, "DELETE FROM triggers WHERE tenant = ?1 AND name = ?2", tenant, name)
        && sql_run(db, err, "DELETE FROM trigger_states WHERE tenant = ?1 AND name = ?2", tenant, name)
        && sql_run(db, err, "DELETE FROM trigger_queue WHERE tenant = ?1 AND name = ?2", tenant, name);
}

bool trigger_delete(struct triggers *triggers, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    struct change change = {.tenant = tenant, .name = name};
    if (!store_write(triggers->store, delete_job, &change, err))
        return false;
    publish(triggers, tenant, "trigger.deleted", name, user);
    return true;
}

/* --- calls ------------------------------------------------------------------------------------------ */

static bool reply_of(const struct trigger_step *step, json_t **ret, struct su_err *err)
{
    static const char *const names[] = {[TRIGGER_FIRED] = "fired", [TRIGGER_QUEUED] = "queued", [TRIGGER_SKIPPED] = "skipped", [TRIGGER_KNOWN] = "fired"};
    const struct trigger_firing *firing = &step->firings[0];
    enum trigger_verdict verdict = step->verdicts[0];
    if (verdict == TRIGGER_DROPPED) {
        su_fail_slug(err, "rate-limited", "the trigger %s fires at most %lld times in %lld s, and at most %d wait", step->name,
                     (long long)step->definition->rate_count, (long long)(step->definition->rate_per_ms / 1000), TRIGGER_QUEUE_MAX);
        return su_hint(err, "Try again later, or have its rate_limit raised.");
    }
    if (verdict == TRIGGER_FAULTY)
        return su_fail_field(err, SU_INVALID, "/parameters", "%s", firing->fault);
    *ret = json_pack("{s:s, s:s}", "decision", firing->id, "state", names[verdict]);
    return true;
}

static bool fire_row(struct triggers *triggers, const struct trigger_row *row, const struct trigger_call *call, const char *user, json_t **ret,
                     struct su_err *err)
{
    TRIGGER_AUTO_DEFINITION struct trigger_definition definition = {0};
    struct trigger_firing firing = {0};
    char fresh[SU_ID_SIZE];
    if (!trigger_definition_read(row->definition, &definition, err))
        return false;
    SU_AUTO_JSON json_t *none = json_object();
    json_t *event = json_pack("{s:s, s:O, s:s}", "event", "trigger.called", "parameters", call->parameters ? call->parameters : none, "user", user);
    SU_AUTO_FREE char *occasion = su_format("call %s", call->key ? call->key : su_id(fresh));
    trigger_firing_make(row, &definition, occasion, event, call->parameters, &firing);
    struct trigger_step step = {.triggers = triggers, .tenant = row->tenant, .name = row->name, .generation = row->generation,
                                .definition = &definition, .firings = &firing, .count = 1};
    bool is_fine = trigger_step(&step, err) && reply_of(&step, ret, err);
    free(step.verdicts);
    trigger_firing_done(&firing);
    return is_fine;
}

bool trigger_fire(struct triggers *triggers, const struct trigger_call *call, json_t **ret, struct su_err *err)
{
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    {
        STORE_READ(triggers->store, db);
        if (!trigger_load(db, call->tenant, call->name, &row, err))
            return false;
    }
    return fire_row(triggers, &row, call, call->user, ret, err);
}

/* --- secret addresses ---------------------------------------------------------------------------------- */

static bool secret_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct change *change = arg;
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    if (!trigger_load(db, change->tenant, change->name, &row, err))
        return false;
    if (change->has_secret && strcmp(su_json_string(json_object_get(row.definition, "when"), "kind", ""), "api") != 0)
        return su_fail(err, SU_CONFLICT, "only a trigger of kind api has a secret address; %s fires by itself", row.name);
    return sql_run(db, err, "UPDATE triggers SET secret_hash = ?3 WHERE tenant = ?1 AND name = ?2", sql_text(change->tenant),
                   sql_text(change->name),
                   change->has_secret ? sql_blob(change->secret_hash, sizeof change->secret_hash) : sql_null());
}

bool trigger_secret_new(struct triggers *triggers, const char *tenant, const char *name, const char *user,
                        char ret[static TRIGGER_SECRET_SIZE], struct su_err *err)
{
    struct change change = {.tenant = tenant, .name = name, .has_secret = true};
    char secret[TRIGGER_SECRET_SIZE];
    su_secret(secret, TRIGGER_SECRET_SIZE - 1);
    su_sha256_of(secret, TRIGGER_SECRET_SIZE - 1, change.secret_hash);
    if (!store_write(triggers->store, secret_job, &change, err))
        return false;
    memcpy(ret, secret, sizeof secret);
    publish(triggers, tenant, "trigger.changed", name, user);
    return true;
}

bool trigger_secret_end(struct triggers *triggers, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    struct change change = {.tenant = tenant, .name = name};
    if (!store_write(triggers->store, secret_job, &change, err))
        return false;
    publish(triggers, tenant, "trigger.changed", name, user);
    return true;
}

/* Found by the hash: what an index tells by its timing of a hash says nothing about a secret of 256 bits. */
static bool find_by_secret(struct triggers *triggers, const char *secret, struct trigger_row *ret, struct su_err *err)
{
    uint8_t hash[SU_SHA256_SIZE];
    STORE_READ(triggers->store, db);
    su_sha256_of(secret, strlen(secret), hash);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT tenant, name FROM triggers WHERE secret_hash = ?1", sql_blob(hash, sizeof hash));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no such address");
    return next == SQL_ROW && trigger_load(db, sql_col_text(row, 0), sql_col_text(row, 1), ret, err);
}

bool trigger_fire_secret(struct triggers *triggers, const char *secret, const struct trigger_call *call, json_t **ret, struct su_err *err)
{
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    return find_by_secret(triggers, secret, &row, err) && fire_row(triggers, &row, call, "secret-url", ret, err);
}
