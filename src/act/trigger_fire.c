/* Firings: how they become decisions, wait, or are passed by.  Layer act; the jobs run on the writer thread. */
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "base/clock.h"
#include "decision.h"
#include "interact/run.h"
#include "trigger_private.h"

enum { EVENT_KEPT_MAX = 16 * 1024, TEXT_KEPT_MAX = 1024, MEMBERS_KEPT_MAX = 64 };

/* --- making ------------------------------------------------------------------------------------ */

void trigger_firing_done(struct trigger_firing *firing)
{
    json_decref(firing->event);
    json_decref(firing->parameters);
    json_decref(firing->chain);
    free(firing->object);
    free(firing->reason);
    free(firing->fault);
    *firing = (struct trigger_firing){0};
}

/* An event goes into the decision's grounds; of a large one its short members.  Takes event. */
static json_t *shortened(json_t *event)
{
    SU_AUTO_FREE char *text = su_json_text(event);
    const char *name;
    json_t *value;
    if (strlen(text) <= EVENT_KEPT_MAX)
        return event;
    json_t *kept = json_pack("{s:b}", "truncated", true);
    json_object_foreach (event, name, value)
        if (json_object_size(kept) < MEMBERS_KEPT_MAX && strlen(name) <= TEXT_KEPT_MAX / 8 && !json_is_object(value) && !json_is_array(value)
            && json_string_length(value) <= TEXT_KEPT_MAX / 8)
            json_object_set(kept, name, value);
    json_decref(event);
    return kept;
}

static char *reason_of(const struct trigger_row *row, const struct trigger_definition *definition, const json_t *event)
{
    const char *user = su_json_string(event, "user", "somebody"), *name = su_json_string(event, "name", "");
    switch (definition->kind) {
    case TRIGGER_CRON:
        if (json_object_get(event, "scheduled_at"))
            return su_format("%s: %s", row->name, su_json_string(event, "scheduled_at", ""));
        break;
    case TRIGGER_OBJECT: return su_format("%s: %.300s %.600s", row->name, su_json_string(event, "event", "called"), name);
    case TRIGGER_RUN: return su_format("%s: run %.60s %.60s", row->name, su_json_string(event, "run", "of a call"), su_json_string(event, "state", ""));
    case TRIGGER_DRIFT: return su_format("%s: %.300s drifts", row->name, name);
    case TRIGGER_EVENT:
        if (json_object_get(event, "_stream"))
            return su_format("%s: message %lld of %.300s", row->name, (long long)su_json_int(event, "_offset", 0), definition->stream);
        break;
    case TRIGGER_API: break;
    case TRIGGER_KIND_COUNT: break;
    }
    return su_format("%s: called by %.100s", row->name, user);
}

static bool fill(const struct trigger_row *row, const struct trigger_definition *definition, const json_t *event, const json_t *given,
                 struct trigger_firing *ret, struct su_err *err)
{
    char now[SU_TIME_TEXT];
    SU_AUTO_JSON json_t *filled = NULL;
    SU_AUTO_JSON json_t *values = json_pack("{s:O, s:{s:s, s:s, s:s}}", "event", event, "trigger", "name", row->name, "kind",
                                            trigger_kind_name(definition->kind), "fired_at", su_time_text(su_now_ms(), now));
    if (!trigger_definition_fill(definition, values, &filled, &ret->object, err))
        return false;
    SU_AUTO_JSON json_t *parameters = given ? json_copy((json_t *)(uintptr_t)given) : json_object();
    json_object_update(parameters, filled);     /* what its owner has said can't be overridden by a caller */
    SU_AUTO_FREE char *text = su_json_text(parameters);
    if (strlen(text) > TRIGGER_PARAMETERS_MAX)
        return su_fail(err, SU_LIMIT, "parameters: %zu bytes, the limit is %d", strlen(text), TRIGGER_PARAMETERS_MAX);
    ret->parameters = su_take(parameters);
    return true;
}

void trigger_firing_make(const struct trigger_row *row, const struct trigger_definition *definition, const char *occasion, json_t *event,
                         const json_t *given, struct trigger_firing *ret)
{
    struct su_err err;
    const char *const parts[] = {"trigger", row->tenant, row->name, row->generation, occasion};
    *ret = (struct trigger_firing){.reason = reason_of(row, definition, event)};
    decision_id(parts, SU_COUNT(parts), ret->id);
    if (!fill(row, definition, event, given, ret, &err)) {
        ret->fault = su_strdup(err.message);
        ret->parameters = json_object();
    }
    ret->event = shortened(event);
}

/* --- decisions ------------------------------------------------------------------------------------ */

/* What is to be started, without any template left in it. */
static json_t *target_of(const struct trigger_row *row, const struct trigger_definition *definition, const struct trigger_firing *firing)
{
    if (definition->run == NULL)
        return NULL;
    json_t *target = json_copy((json_t *)(uintptr_t)definition->run);
    json_object_set_new(target, "kind", json_string("run"));
    json_object_set(target, "parameters", firing->parameters);
    if (firing->object)
        json_object_set_new(target, "object", json_string(firing->object));
    if (json_object_get(target, "label") == NULL)
        json_object_set_new(target, "label", su_json_text_or_null(row->name));
    return target;
}

/* event: "fired", "skipped" or "faulty"; only the first is delivered. */
static bool decide(struct sql *db, const struct trigger_row *row, const struct trigger_definition *definition,
                   const struct trigger_firing *firing, const char *event, const char *why, struct su_err *err)
{
    char id[SU_ID_SIZE];
    bool is_fired = strcmp(event, "fired") == 0;
    SU_AUTO_FREE char *code = su_format("trigger %s@%lld", row->name, (long long)row->version);
    SU_AUTO_FREE char *reason = why ? su_format("%.900s (%.900s)", firing->reason, why) : su_strdup(firing->reason);
    SU_AUTO_JSON json_t *target = is_fired ? target_of(row, definition, firing) : NULL, *empty = json_array();
    SU_AUTO_JSON json_t *grounds = json_pack("{s:O, s:O}", "event", firing->event, "chain", firing->chain ? firing->chain : empty);
    struct decision decision = {.tenant = row->tenant, .user = row->changed_by, .reason = reason, .id = firing->id, .stream = firing->stream,
                                .event = event, .trigger = row->name, .action = is_fired ? definition->action : NULL, .target = target,
                                .parameters = firing->parameters, .grounds = grounds, .code = code};
    if (firing->stream)
        decision.window = (struct window){.start_us = firing->time_us, .end_us = firing->time_us, .from = (uint64_t)firing->offset,
                                          .to = (uint64_t)firing->offset + 1, .messages = 1};
    return decision_insert(db, &decision, id, NULL, err);
}

static bool start(struct sql *db, struct trigger_row *row, const struct trigger_definition *definition, const struct trigger_firing *firing,
                  int64_t now_ms, struct su_err *err)
{
    row->fired++;
    row->last_fired_ms = now_ms;
    memcpy(row->active, firing->id, sizeof row->active);
    return decide(db, row, definition, firing, "fired", NULL, err);
}

/* Is what was fired last still waiting for delivery, or its run under way?  *ret_run: that run, "" while there is none. */
static bool is_under_way(struct sql *db, const struct trigger_row *row, char ret_run[static SU_ID_SIZE], bool *ret, struct su_err *err)
{
    bool is_open, is_final;
    ret_run[0] = '\0';
    *ret = false;
    if (row->active[0] == '\0')
        return true;
    if (!decision_is_open(db, row->tenant, row->active, &is_open, err)
        || !run_of_decision(db, row->tenant, row->active, ret_run, &is_final, err))
        return false;
    *ret = is_open || !is_final;
    return true;
}

/* --- the queue --------------------------------------------------------------------------------------- */

static bool enqueue(struct sql *db, struct trigger_row *row, const struct trigger_firing *firing, int64_t now_ms, struct su_err *err)
{
    SU_AUTO_JSON json_t *json = json_pack("{s:O, s:O, s:O*, s:s*, s:s, s:s*, s:I, s:I}", "event", firing->event, "parameters",
                                          firing->parameters, "chain", firing->chain, "object", firing->object, "reason", firing->reason,
                                          "stream", firing->stream, "offset", (json_int_t)firing->offset, "time_us",
                                          (json_int_t)firing->time_us);
    SU_AUTO_FREE char *text = su_json_text(json);
    row->queued++;
    return sql_run(db, err, "INSERT INTO trigger_queue (tenant, name, id, queued_ms, firing) VALUES (?1, ?2, ?3, ?4, ?5)",
                   sql_text(row->tenant), sql_text(row->name), sql_text(firing->id), sql_int(now_ms), sql_text(text));
}

/* The oldest that waits, taken out; *ret_json holds what it borrows.  *ret_found false: none does. */
static bool dequeue(struct sql *db, struct trigger_row *row, struct trigger_firing *ret, json_t **ret_json, bool *ret_found, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *found = sql_query(db, err,
                                                   "SELECT number, id, firing FROM trigger_queue WHERE tenant = ?1 AND name = ?2"
                                                   " ORDER BY number LIMIT 1",
                                                   sql_text(row->tenant), sql_text(row->name));
    enum sql_next next = found ? sql_step(found, err) : SQL_ERROR;
    *ret_found = next == SQL_ROW;
    if (next != SQL_ROW)
        return next == SQL_DONE;
    json_t *json = json_loads(sql_col_text(found, 2), JSON_ALLOW_NUL, NULL);
    su_assert(json != NULL);
    *ret = (struct trigger_firing){.event = json_incref(json_object_get(json, "event")), .parameters = json_incref(json_object_get(json, "parameters")),
                                   .chain = json_incref(json_object_get(json, "chain")), .object = su_strdup(su_json_string(json, "object", NULL)),
                                   .reason = su_strdup(su_json_string(json, "reason", "")), .stream = su_json_string(json, "stream", NULL),
                                   .offset = su_json_int(json, "offset", 0), .time_us = su_json_int(json, "time_us", 0)};
    snprintf(ret->id, sizeof ret->id, "%s", sql_col_text(found, 1));
    *ret_json = json;
    row->queued--;
    return sql_run(db, err, "DELETE FROM trigger_queue WHERE number = ?1", sql_int(sql_col_int(found, 0)));
}

/* All that waits makes place for a newer one. */
static bool pass_by_queued(struct sql *db, struct trigger_row *row, const struct trigger_definition *definition, struct su_err *err)
{
    for (bool is_found = true; is_found;) {
        struct trigger_firing firing = {0};
        SU_AUTO_JSON json_t *json = NULL;
        bool is_fine = dequeue(db, row, &firing, &json, &is_found, err)
            && (!is_found || decide(db, row, definition, &firing, "skipped", "a newer one took its place", err));
        row->skipped += is_found;
        trigger_firing_done(&firing);
        if (!is_fine)
            return false;
    }
    return true;
}

/* --- a step --------------------------------------------------------------------------------------------- */

static bool is_known(struct sql *db, const struct trigger_row *row, const char *id, bool *ret, struct su_err *err)
{
    int64_t found;
    if (!sql_get_int(db, 0, &found, err,
                     "SELECT 1 FROM decisions WHERE tenant = ?1 AND id = ?3 UNION ALL"
                     " SELECT 1 FROM trigger_queue WHERE tenant = ?1 AND name = ?2 AND id = ?3",
                     sql_text(row->tenant), sql_text(row->name), sql_text(id)))
        return false;
    *ret = found != 0;
    return true;
}

/* May one more be fired in this period? */
static bool take_rate(struct trigger_row *row, const struct trigger_definition *definition, int64_t now_ms)
{
    if (now_ms - row->rate_start_ms >= definition->rate_per_ms || now_ms < row->rate_start_ms) {
        row->rate_start_ms = now_ms;
        row->rate_count = 0;
    }
    return row->rate_count++ < definition->rate_count;
}

static enum trigger_verdict drop(struct trigger_step *step, struct trigger_row *row)
{
    step->has_dropped |= row->last_dropped_ms < row->rate_start_ms;
    row->last_dropped_ms = step->now_ms;
    row->dropped++;
    step->dropped++;
    return TRIGGER_DROPPED;
}

/* While another is under way. */
static bool defer(struct sql *db, struct trigger_step *step, struct trigger_row *row, const struct trigger_firing *firing, const char *run,
                  enum trigger_verdict *ret, struct su_err *err)
{
    const struct trigger_definition *definition = step->definition;
    if (definition->concurrency == TRIGGER_SKIP) {
        *ret = TRIGGER_SKIPPED;
        row->skipped++;
        return decide(db, row, definition, firing, "skipped", "the one before is still under way", err);
    }
    if (definition->concurrency == TRIGGER_REPLACE) {
        snprintf(step->cancel, sizeof step->cancel, "%s", run);
        if (!pass_by_queued(db, row, definition, err))
            return false;
    }
    *ret = row->queued >= TRIGGER_QUEUE_MAX ? drop(step, row) : TRIGGER_QUEUED;
    return *ret == TRIGGER_DROPPED || enqueue(db, row, firing, step->now_ms, err);
}

/* An action that is not there (any more) would be tried for a day: the firing says so at once. */
static bool check_action(struct sql *db, const struct trigger_row *row, const struct trigger_definition *definition, struct trigger_firing *firing,
                         struct su_err *err)
{
    SU_AUTO_JSON json_t *action = NULL;
    if (definition->action == NULL || firing->fault || action_load(db, row->tenant, definition->action, &action, err))
        return true;
    if (err->code == SU_NOT_FOUND)
        firing->fault = su_strdup(err->message);
    return err->code == SU_NOT_FOUND;
}

static bool take(struct sql *db, struct trigger_step *step, struct trigger_row *row, struct trigger_firing *firing,
                 enum trigger_verdict *ret, struct su_err *err)
{
    char run[SU_ID_SIZE];
    bool was_known, is_busy;
    if (!is_known(db, row, firing->id, &was_known, err))
        return false;
    if (was_known || (!firing->is_tick && !take_rate(row, step->definition, step->now_ms))) {
        *ret = was_known ? TRIGGER_KNOWN : drop(step, row);
        return true;
    }
    if (!check_action(db, row, step->definition, firing, err))
        return false;
    if (firing->fault) {
        free(row->error);
        row->error = su_strdup(firing->fault);
        *ret = TRIGGER_FAULTY;
        return decide(db, row, step->definition, firing, "faulty", firing->fault, err);
    }
    if (!is_under_way(db, row, run, &is_busy, err))
        return false;
    if (step->definition->concurrency != TRIGGER_PARALLEL && (is_busy || row->queued > 0))
        return defer(db, step, row, firing, run, ret, err);
    *ret = TRIGGER_FIRED;
    step->has_news = true;
    if (!row->is_stopped) {
        free(row->error);
        row->error = NULL;
    }
    return start(db, row, step->definition, firing, step->now_ms, err);
}

static bool check_alive(const struct trigger_step *step, const struct trigger_row *row, struct su_err *err)
{
    if (strcmp(row->generation, step->generation) != 0)
        return su_fail(err, SU_CONFLICT, "the trigger %s has been changed in the meantime", row->name);
    if (!step->definition->is_enabled)
        return su_fail(err, SU_CONFLICT, "the trigger %s is not enabled", row->name);
    if (row->is_stopped) {
        su_fail(err, SU_CONFLICT, "the trigger %s has been stopped: %.300s", row->name, row->error ? row->error : "");
        return su_hint(err, "Put it again, changed, or once with \"enabled\": false and once with true.");
    }
    return true;
}

static bool step_job(struct sql *db, void *arg, struct su_err *err)
{
    struct trigger_step *step = arg;
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    step->has_news = step->has_dropped = false;
    step->dropped = 0;
    step->cancel[0] = '\0';
    if (!trigger_load(db, step->tenant, step->name, &row, err) || !check_alive(step, &row, err))
        return false;
    for (size_t i = 0; i < step->count; i++)
        if (!take(db, step, &row, &step->firings[i], &step->verdicts[i], err))
            return false;
    if (step->moves) {
        row.stream = step->stream;
        row.offset = step->offset;
        row.looked_us = step->looked_us;
        row.missed += step->missed;
    }
    if (step->stop) {
        row.is_stopped = true;
        free(row.error);
        row.error = su_strdup(step->stop);
    }
    return trigger_keep(db, &row, err);
}

/* --- telling --------------------------------------------------------------------------------------------- */

static void tell_decision(struct triggers *triggers, const char *topic, const char *id, const char *trigger, const char *action)
{
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s}", "decision", id, "trigger", trigger, "action", action ? action : "");
    su_bus_publish(triggers->bus, topic, "decision.made", detail);
}

static void tell(struct trigger_step *step)
{
    struct su_err err;
    SU_AUTO_FREE char *topic = su_format("tenant/%s", step->tenant);
    for (size_t i = 0; i < step->count; i++)
        if (step->verdicts[i] == TRIGGER_FIRED)
            tell_decision(step->triggers, topic, step->firings[i].id, step->name, step->definition->action);
    if (step->has_news)
        su_bus_publish(step->triggers->bus, "decisions", "made", NULL);
    if (step->has_dropped) {
        SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:I}", "name", step->name, "dropped", (json_int_t)step->dropped);
        su_bus_publish(step->triggers->bus, topic, "trigger.dropped", detail);
    }
    if (step->stop) {
        SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", step->name, "error", step->stop);
        su_bus_publish(step->triggers->bus, topic, "trigger.stopped", detail);
    }
    if (step->cancel[0] && step->triggers->runs)
        run_cancel(step->triggers->runs, step->tenant, step->cancel, &err);     /* ended by itself: as well */
}

bool trigger_step(struct trigger_step *step, struct su_err *err)
{
    step->now_ms = su_now_ms();
    step->verdicts = su_alloc((step->count + 1) * sizeof *step->verdicts);
    if (!store_write(step->triggers->store, step_job, step, err))
        return false;
    tell(step);
    return true;
}

/* --- whose turn has come --------------------------------------------------------------------------------- */

struct releasing { const char *tenant, *name; char ids[TRIGGER_QUEUE_MAX + 1][SU_ID_SIZE]; size_t count; char *action; bool has_left; };

static bool release_job(struct sql *db, void *arg, struct su_err *err)
{
    struct releasing *releasing = arg;
    TRIGGER_AUTO_ROW struct trigger_row row = {0};
    TRIGGER_AUTO_DEFINITION struct trigger_definition definition = {0};
    char run[SU_ID_SIZE];
    releasing->count = 0;
    if (!trigger_load(db, releasing->tenant, releasing->name, &row, err) || !trigger_definition_read(row.definition, &definition, err))
        return false;
    free(releasing->action);
    releasing->action = su_strdup(definition.action);
    for (bool is_found = true, is_busy = false; is_found && definition.is_enabled && !row.is_stopped;) {
        struct trigger_firing firing = {0};
        SU_AUTO_JSON json_t *json = NULL;
        if (definition.concurrency != TRIGGER_PARALLEL && !is_under_way(db, &row, run, &is_busy, err))
            return false;
        if (is_busy)
            break;
        bool is_fine = dequeue(db, &row, &firing, &json, &is_found, err)
            && (!is_found || start(db, &row, &definition, &firing, su_now_ms(), err));
        if (is_found && is_fine)
            memcpy(releasing->ids[releasing->count++], firing.id, SU_ID_SIZE);
        trigger_firing_done(&firing);
        if (!is_fine)
            return false;
    }
    releasing->has_left = row.queued > 0;
    return releasing->count == 0 || trigger_keep(db, &row, err);
}

bool trigger_release(struct triggers *triggers, const char *tenant, const char *name, bool *ret_left, struct su_err *err)
{
    struct releasing *releasing = su_alloc(sizeof *releasing);
    *releasing = (struct releasing){.tenant = tenant, .name = name};
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    bool is_fine = store_write(triggers->store, release_job, releasing, err);
    for (size_t i = 0; is_fine && i < releasing->count; i++)
        tell_decision(triggers, topic, releasing->ids[i], name, releasing->action);
    if (is_fine && releasing->count > 0)
        su_bus_publish(triggers->bus, "decisions", "made", NULL);
    *ret_left = is_fine && releasing->has_left;
    free(releasing->action);
    free(releasing);
    return is_fine;
}
