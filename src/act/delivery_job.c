/* One decision on its way: see delivery_job.h.  Layer act. */
#include "delivery_job.h"
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "delivery.h"

enum { RETRY_AFTER_MAX_S = 3600 };

void job_free(struct job *job)
{
    if (job == NULL)
        return;
    free(job->attempt.tenant);
    free(job->attempt.action);
    free(job->attempt.id);
    free(job->attempt.user);
    free(job->attempt.error);
    free(job->attempt.answer);
    json_decref(job->attempt.definition);
    json_decref(job->attempt.decision);
    json_decref(job->attempt.wanted);
    su_lock_done(&job->attempt.socket_lock);
    free(job->test);
    free(job->target);
    free(job->error);
    free(job);
}

/* --- making -------------------------------------------------------------------- */

/* What receivers and templates see: not how its delivery goes.  "decision" is the same once more, for those who like to say
 * decision.key. */
static void tell_only_what_was_decided(json_t *decision)
{
    static const char *const inner[] = {"state", "attempts", "last_error", "settled_at", "idempotency_key", "guards"};
    for (size_t i = 0; i < SU_COUNT(inner); i++)
        json_object_del(decision, inner[i]);
}

static bool load_definition(struct sql *db, struct attempt *attempt, struct su_err *err)
{
    json_t *target = json_object_get(attempt->decision, "target");
    if (attempt->action[0] != '\0')
        return action_load(db, attempt->tenant, attempt->action, &attempt->definition, err);
    if (!json_is_object(target))
        return su_fail(err, SU_INVALID, "the decision names no action");
    if (strcmp(su_json_string(target, "kind", ""), "run") != 0)
        return su_fail(err, SU_INVALID, "only a run can be started without an action");
    attempt->definition = json_copy(target);
    return true;
}

/* The names that an action's row has beside its definition. */
static void leave_definition_only(json_t *definition)
{
    static const char *const others[] = {"name", "created_at", "changed_at", "changed_by"};
    for (size_t i = 0; i < SU_COUNT(others); i++)
        json_object_del(definition, others[i]);
    if (json_is_null(json_object_get(definition, "secret")))
        json_object_del(definition, "secret");
}

static bool use_kind(struct job *job, struct su_err *err)
{
    struct attempt *attempt = &job->attempt;
    struct action_policy policy;
    if (!action_policy_read(attempt->definition, &policy, err)
        || !action_kind_find(su_json_string(attempt->definition, "kind", "webhook"), &attempt->kind, err))
        return false;
    job->first_ms = policy.retry.first_ms;
    job->deadline_ms = policy.retry.deadline_ms;
    attempt->timeout_ms = policy.timeout_ms;
    if (attempt->kind->resolve == NULL)
        return true;
    if (!attempt->kind->resolve(attempt, err))
        return false;
    json_decref(attempt->definition);
    attempt->definition = su_take(attempt->wanted);
    return action_kind_find(su_json_string(attempt->definition, "kind", json_object_get(attempt->definition, "command") ? "command" : "webhook"),
                            &attempt->kind, err);
}

static struct job *job_new(const struct action_services *with, const char *tenant, const char *action)
{
    struct job *job = su_alloc(sizeof *job);
    job->attempt = (struct attempt){.with = with, .tenant = su_strdup(tenant), .action = su_strdup(action), .socket = -1, .outcome = ATTEMPT_OUTCOME_COUNT};
    su_lock_init(&job->attempt.socket_lock);
    job->started_ms = su_now_ms();
    job->started_mono_ms = su_mono_ms();
    job->deadline_ms = DELIVERY_DEADLINE_MS;
    job->first_ms = DELIVERY_FIRST_MS;
    return job;
}

static bool fill_job(struct job *job, struct su_err *err)
{
    struct attempt *attempt = &job->attempt;
    int64_t decided_ms;
    STORE_READ(attempt->with->store, db);
    if (!decision_load(db, job->number, &attempt->decision, &decided_ms, &job->attempts, err))
        return false;
    if (job->since_ms == 0)
        job->since_ms = decided_ms;
    attempt->id = su_strdup(su_json_string(attempt->decision, "id", ""));
    attempt->user = su_strdup(su_json_string(attempt->decision, "user", ""));
    tell_only_what_was_decided(attempt->decision);
    if (!load_definition(db, attempt, err))
        return false;
    leave_definition_only(attempt->definition);
    return use_kind(job, err);
}

struct job *job_make(const struct action_services *with, const struct outbox_head *head)
{
    struct su_err err;
    struct job *job = job_new(with, head->tenant, head->action);
    job->number = head->number;
    job->since_ms = head->since_ms;
    if (!fill_job(job, &err))
        attempt_faulted(&job->attempt, &err);
    return job;
}

static bool fill_test(struct job *job, const json_t *sample, struct su_err *err)
{
    char now[SU_TIME_TEXT];
    struct attempt *attempt = &job->attempt;
    STORE_READ(attempt->with->store, db);
    if (!action_load(db, attempt->tenant, attempt->action, &attempt->definition, err))
        return false;
    leave_definition_only(attempt->definition);
    attempt->decision = json_pack(
        "{s:s, s:s, s:{}, s:s, s:n, s:n, s:s, s:n, s:s, s:n, s:n, s:n, s:n, s:n, s:s}", "id", attempt->id, "action", attempt->action, "parameters",
        "reason", "a test: nothing has happened", "stream", "window", "watch", "test", "key", "event", "opened", "level", "trigger", "grounds",
        "models", "run", "decided_at", su_time_text(job->started_ms, now));
    json_object_update(attempt->decision, (json_t *)(uintptr_t)sample);
    json_object_set_new(attempt->decision, "id", json_string(attempt->id));
    json_object_set_new(attempt->decision, "test", json_true());
    return use_kind(job, err);
}

struct job *job_make_test(const struct action_services *with, const char *tenant, const char *action, const char *id, const json_t *sample)
{
    struct su_err err;
    struct job *job = job_new(with, tenant, action);
    job->test = su_strdup(id);
    job->attempt.is_test = true;
    job->attempt.id = su_strdup(id);
    job->attempt.user = su_strdup("");
    if (!fill_test(job, sample, &err))
        attempt_faulted(&job->attempt, &err);
    return job;
}

/* --- under way ------------------------------------------------------------------- */

static enum job_step begin_transfer(struct job *job, struct transfers *transfers)
{
    struct su_err err;
    struct attempt_order order = {.order = {.timeout_ms = job->attempt.timeout_ms, .arg = job}};
    bool ok = job->attempt.kind->order(&job->attempt, &order, &err);
    if (ok)
        job->transfer = transfer_start(transfers, &order.order);
    else
        attempt_faulted(&job->attempt, &err);
    attempt_order_done(&order);
    return ok ? JOB_TRANSFERS : JOB_OVER;
}

/* Deferred, not lost: nothing is tried, until its own deadline at most. */
static bool is_let_through(struct job *job, struct breakers *breakers)
{
    const struct action_kind *kind = job->attempt.kind;
    int64_t now = su_now_ms(), end = job->since_ms + job->deadline_ms;
    job->target = kind->target && !job->test ? kind->target(&job->attempt) : NULL;
    job->is_calling = job->target == NULL || breaker_may(breakers_at(breakers, job->attempt.tenant, job->target), now, &job->due_ms);
    if (job->is_calling)
        return true;
    if (job->due_ms > end)
        job->due_ms = end;
    job->outcome = now >= end ? OUTBOX_FAILED : OUTBOX_DEFERRED;
    job->error = su_format("%s: %.200s keeps failing and is left alone for a while", now >= end ? "given up" : "deferred", job->target);
    return false;
}

enum job_step job_begin(struct job *job, struct transfers *transfers, struct breakers *breakers)
{
    if (job->attempt.outcome != ATTEMPT_OUTCOME_COUNT || !is_let_through(job, breakers))
        return JOB_OVER;
    if (job->attempt.kind->order)
        return begin_transfer(job, transfers);
    if (job->attempt.kind->waits)
        return JOB_WAITS;
    job_perform(job);
    return JOB_OVER;
}

void job_perform(struct job *job) { job->attempt.kind->perform(&job->attempt); }

void job_judge(struct job *job, const struct transfer_end *end)
{
    job->transfer = NULL;
    job->attempt.kind->judge(&job->attempt, end);
}

/* --- over ------------------------------------------------------------------------- */

static void plan(struct job *job, double random)
{
    const struct attempt *attempt = &job->attempt;
    int64_t now = su_now_ms(), pause = delivery_pause_ms(job->first_ms, job->attempts + 1, random);
    int64_t wanted_s = attempt->retry_after_s < RETRY_AFTER_MAX_S ? attempt->retry_after_s : RETRY_AFTER_MAX_S;
    bool is_old = now - job->since_ms >= job->deadline_ms;
    job->outcome = attempt->outcome == ATTEMPT_SENT ? OUTBOX_SENT : attempt->outcome == ATTEMPT_REFUSED || is_old ? OUTBOX_FAILED : OUTBOX_AGAIN;
    job->due_ms = now + (wanted_s * 1000 > pause ? wanted_s * 1000 : pause);
    if (attempt->outcome == ATTEMPT_AGAIN && is_old)
        job->error = su_format("given up after %lld s: %s", (long long)(now - job->since_ms) / 1000, attempt->error);
    else
        job->error = su_strdup(attempt->error);
}

void job_end(struct job *job, struct breakers *breakers, double random)
{
    job->took_ms = su_mono_ms() - job->started_mono_ms;
    if (job->target && job->is_calling)
        breaker_note(breakers_at(breakers, job->attempt.tenant, job->target), job->attempt.outcome == ATTEMPT_AGAIN, su_now_ms());
    if (job->attempt.outcome != ATTEMPT_OUTCOME_COUNT)
        plan(job, random);
}
