/* Delivery: see delivery.h.  Layer act; the thread "delivery" and its workers. */
#include "delivery.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "aggregate/amqp_link.h"
#include "approval.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "delivery_job.h"

enum {
    PARALLEL = 16,
    WORKERS = 4,
    TESTS_MAX = 16,             /* asked for or not yet told */
    PAUSE_MAX_MS = 10 * 60 * 1000,
    IDLE_MS = 60 * 1000,
    UNSETTLED_MS = 2000,        /* after a result that could not be written down */
};

struct test { char *tenant, *action, *id; json_t *sample, *result; bool is_begun; };

struct delivery {
    struct action_services with;
    struct transfers *transfers;
    struct breakers *breakers;
    struct su_thread thread, workers[WORKERS];
    struct su_queue *work, *done;
    struct job *active[PARALLEL + TESTS_MAX], *finished[PARALLEL + TESTS_MAX];
    uint32_t active_count, finished_count;
    struct su_bus_subscription *subscription;
    struct su_lock lock;        /* of the thread's start, and of the tests */
    struct test tests[TESTS_MAX];
    atomic_bool is_closing, is_switched;
};

int64_t delivery_pause_ms(int64_t retry_ms, int64_t attempts, double random)
{
    int64_t pause = retry_ms;
    for (int64_t i = 1; i < attempts && pause < PAUSE_MAX_MS; i++)
        pause *= 2;
    if (pause > PAUSE_MAX_MS)
        pause = PAUSE_MAX_MS;
    return (int64_t)((double)pause * (0.5 + 0.5 * random));
}

static double random_fraction(void)
{
    uint32_t value;
    su_random(&value, sizeof value);
    return (double)value / (double)UINT32_MAX;
}

/* --- what waits for a blocking library ----------------------------------------- */

static void run_worker(void *arg)
{
    struct delivery *delivery = arg;
    for (struct job *job; (job = su_queue_get(delivery->work)) != NULL;) {
        job_perform(job);
        su_queue_put(delivery->done, job);
        transfers_wake(delivery->transfers);
    }
}

static void give_to_worker(struct delivery *delivery, struct job *job)
{
    for (uint32_t i = 0; i < WORKERS && !delivery->workers[i].is_running; i++) {
        char name[16];
        snprintf(name, sizeof name, "deliver-%u", i + 1);
        su_thread_start_with_stack(&delivery->workers[i], name, AMQP_STACK_BYTES, run_worker, delivery);
    }
    su_queue_put(delivery->work, job);      /* it has room for every job there may be */
}

/* --- begin and end -------------------------------------------------------------------- */

static void finish(struct delivery *delivery, struct job *job)
{
    for (uint32_t i = 0; i < delivery->active_count; i++)
        if (delivery->active[i] == job)
            delivery->active[i] = delivery->active[--delivery->active_count];
    job_end(job, delivery->breakers, random_fraction());
    delivery->finished[delivery->finished_count++] = job;
}

static void begin(struct delivery *delivery, struct job *job)
{
    enum job_step step = job_begin(job, delivery->transfers, delivery->breakers);
    if (step == JOB_OVER) {
        finish(delivery, job);
        return;
    }
    delivery->active[delivery->active_count++] = job;
    if (step == JOB_WAITS)
        give_to_worker(delivery, job);
}

static bool settle_job(struct sql *db, void *arg, struct su_err *err)
{
    struct delivery *delivery = arg;
    for (uint32_t i = 0; i < delivery->finished_count; i++) {
        const struct job *job = delivery->finished[i];
        const struct outbox_result result = {
            .tenant = job->attempt.tenant, .action = job->attempt.action, .number = job->number, .outcome = job->outcome, .error = job->error,
            .answer = job->attempt.answer, .due_ms = job->due_ms, .at_ms = job->started_ms, .took_ms = job->took_ms, .status = job->attempt.status};
        if (!job->test && !outbox_settle(db, &result, err))
            return false;
    }
    return true;
}

static void tell(struct delivery *delivery, const struct job *job)
{
    if (job->outcome != OUTBOX_SENT && job->outcome != OUTBOX_FAILED)
        return;
    SU_AUTO_FREE char *topic = su_format("tenant/%s", job->attempt.tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:o, s:o}", "action", job->attempt.action, "decision", su_json_text_or_null(job->attempt.id),
                                            "error", su_json_text_or_null(job->error));
    su_bus_publish(delivery->with.bus, topic, job->outcome == OUTBOX_FAILED ? "action.failed" : "action.sent", detail);
}

static void tell_test(struct delivery *delivery, const struct job *job)
{
    static const char *const outcomes[] = {"sent", "retry", "failed", ""};
    const struct attempt *attempt = &job->attempt;
    SU_AUTO_FREE char *topic = su_format("action-test/%s", job->test);
    {
        SU_LOCKED(&delivery->lock);
        for (size_t i = 0; i < TESTS_MAX; i++)
            if (delivery->tests[i].id && strcmp(delivery->tests[i].id, job->test) == 0)
                delivery->tests[i].result = json_pack(
                    "{s:s, s:s, s:o, s:I, s:o, s:o}", "id", job->test, "outcome", outcomes[attempt->outcome], "status",
                    attempt->status ? json_integer(attempt->status) : json_null(), "took_ms", (json_int_t)job->took_ms, "error",
                    su_json_text_or_null(attempt->error), "answer", su_json_text_or_null(attempt->answer));
    }
    su_bus_publish(delivery->with.bus, topic, "over", NULL);
}

/* Written down together.  False: that failed (a full disk), and they are made again, after a while. */
static bool settle(struct delivery *delivery)
{
    struct su_err err;
    bool ok = store_write(delivery->with.store, settle_job, delivery, &err);
    if (!ok)
        su_log_error("delivery.settle", &err);
    for (uint32_t i = 0; i < delivery->finished_count; i++) {
        struct job *job = delivery->finished[i];
        if (job->test)
            tell_test(delivery, job);
        else if (ok)
            tell(delivery, job);
        job_free(job);
    }
    delivery->finished_count = 0;
    return ok;
}

/* --- what is due ------------------------------------------------------------------------ */

static bool is_under_way(const struct delivery *delivery, const struct outbox_head *head)
{
    for (uint32_t i = 0; i < delivery->active_count; i++) {
        const struct job *job = delivery->active[i];
        if (!job->test && strcmp(job->attempt.action, head->action) == 0 && strcmp(job->attempt.tenant, head->tenant) == 0)
            return true;
    }
    return false;
}

/* Starts what is due, an action at a time; milliseconds until the next one is. */
static int64_t start_due(struct delivery *delivery)
{
    struct su_err err;
    struct outbox_head at = {0};
    int64_t now = su_now_ms(), pause = IDLE_MS;
    bool is_first = true;
    for (;;) {
        struct outbox_head head;
        STORE_READ(delivery->with.store, db);
        bool ok = outbox_next(db, is_first ? "" : at.tenant, is_first ? "" : at.action, &head, &err);
        if (!ok)
            su_log_error("delivery.outbox", &err);
        outbox_head_done(&at);
        if (!ok || head.number == 0)
            break;
        at = head;
        is_first = false;
        if (is_under_way(delivery, &head))
            continue;
        if (head.due_ms > now)
            pause = head.due_ms - now < pause ? head.due_ms - now : pause;
        else if (delivery->active_count + delivery->finished_count < PARALLEL)
            begin(delivery, job_make(&delivery->with, &head));
    }
    return delivery->finished_count > 0 ? 0 : pause;
}

static void start_tests(struct delivery *delivery)
{
    for (size_t i = 0; i < TESTS_MAX; i++) {
        struct job *job = NULL;
        {
            SU_LOCKED(&delivery->lock);
            struct test *test = &delivery->tests[i];
            if (test->id && !test->is_begun) {
                test->is_begun = true;
                job = job_make_test(&delivery->with, test->tenant, test->action, test->id, test->sample);
            }
        }
        if (job)
            begin(delivery, job);
    }
}

/* --- the thread ------------------------------------------------------------------------ */

/* Its number stays in the outbox: it is made again when it may be. */
static void drop(struct delivery *delivery, struct job *job)
{
    for (uint32_t i = 0; i < delivery->active_count; i++)
        if (delivery->active[i] == job)
            delivery->active[i] = delivery->active[--delivery->active_count];
    if (job->target)
        breaker_forget(breakers_at(delivery->breakers, job->attempt.tenant, job->target));
    if (job->transfer)
        transfer_cancel(delivery->transfers, job->transfer);
    job_free(job);
}

static void end_finished(struct delivery *delivery)
{
    struct transfer_end end;
    while (transfers_next(delivery->transfers, &end)) {
        struct job *job = end.arg;
        job_judge(job, &end);
        finish(delivery, job);
    }
    for (struct job *job; (job = su_queue_try_get(delivery->done)) != NULL;)
        if (job->attempt.is_cancelled)
            drop(delivery, job);
        else
            finish(delivery, job);
}

/* The kill switch: what is under way for a tenant that has stopped its actions is broken off at once. */
static void obey_switch(struct delivery *delivery)
{
    if (!atomic_exchange(&delivery->is_switched, false))
        return;
    for (uint32_t i = delivery->active_count; i-- > 0;) {
        struct su_err err;
        struct job *job = delivery->active[i];
        bool is_stopped = false;
        STORE_READ(delivery->with.store, db);
        if (!switch_is_stopped(db, job->attempt.tenant, &is_stopped, NULL, &err))
            su_log_error("delivery.switch", &err);
        if (is_stopped && job->transfer)
            drop(delivery, job);
        else if (is_stopped)
            attempt_cancel(&job->attempt);
    }
}

/* Milliseconds until the next that nobody has said anything about is due. */
static int64_t expire(struct delivery *delivery)
{
    struct su_err err;
    int64_t now = su_now_ms(), next;
    if (!approval_due(delivery->with.store, delivery->with.bus, now, &next, &err)) {
        su_log_error("delivery.approvals", &err);
        return UNSETTLED_MS;
    }
    return next == INT64_MAX ? IDLE_MS : next > now ? next - now : 0;
}

static void run(void *arg)
{
    struct delivery *delivery = arg;
    while (!delivery->is_closing) {
        obey_switch(delivery);
        start_tests(delivery);
        int64_t expiry = expire(delivery), pause = start_due(delivery);
        if (expiry < pause)
            pause = expiry;
        end_finished(delivery);
        if (delivery->finished_count == 0) {
            transfers_wait(delivery->transfers, pause);
            continue;
        }
        if (!settle(delivery))
            transfers_wait(delivery->transfers, UNSETTLED_MS);
    }
    for (uint32_t i = 0; i < delivery->active_count; i++)
        attempt_cancel(&delivery->active[i]->attempt);
    su_queue_close(delivery->work);
    for (uint32_t i = 0; i < WORKERS; i++)
        su_thread_join(&delivery->workers[i]);
    while (delivery->active_count > 0)
        drop(delivery, delivery->active[0]);
}

/* libcurl and its TLS library take memory: a server that decides nothing does without. */
static bool ensure_thread(struct delivery *delivery)
{
    if (delivery->transfers != NULL)
        return true;
    delivery->transfers = transfers_new();
    if (delivery->transfers == NULL) {
        su_log(SU_LOG_ERROR, "delivery.start", su_kv_text("message", "libcurl could not be started"));
        return false;
    }
    delivery->breakers = breakers_new();
    delivery->work = su_queue_new(PARALLEL + TESTS_MAX);
    delivery->done = su_queue_new(PARALLEL + TESTS_MAX);
    su_thread_start(&delivery->thread, "delivery", run, delivery);
    return true;
}

static void wake(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct delivery *delivery = arg;
    (void)topic, (void)detail;
    if (event != NULL && strcmp(event, "switch") == 0)
        delivery->is_switched = true;
    SU_LOCKED(&delivery->lock);
    if (ensure_thread(delivery))
        transfers_wake(delivery->transfers);
}

/* --- tests of an action ------------------------------------------------------------------ */

static void test_done(struct test *test)
{
    free(test->tenant);
    free(test->action);
    free(test->id);
    json_decref(test->sample);
    json_decref(test->result);
    *test = (struct test){0};
}

/* A free place; else that of one that is over and that nobody has asked for. */
static struct test *test_place(struct delivery *delivery)
{
    for (size_t i = 0; i < TESTS_MAX; i++)
        if (delivery->tests[i].id == NULL)
            return &delivery->tests[i];
    for (size_t i = 0; i < TESTS_MAX; i++)
        if (delivery->tests[i].result != NULL) {
            test_done(&delivery->tests[i]);
            return &delivery->tests[i];
        }
    return NULL;
}

bool delivery_test(struct delivery *delivery, const char *tenant, const char *action, const json_t *sample, char ret_id[static SU_ID_SIZE],
                   struct su_err *err)
{
    SU_LOCKED(&delivery->lock);
    struct test *test = test_place(delivery);
    if (test == NULL)
        return su_fail_slug(err, "too-many-requests", "%d actions are tested already; try again in a moment", TESTS_MAX);
    if (!ensure_thread(delivery))
        return su_fail(err, SU_UNAVAILABLE, "deliveries could not be started");
    su_id(ret_id);
    *test = (struct test){.tenant = su_strdup(tenant), .action = su_strdup(action), .id = su_strdup(ret_id),
                          .sample = sample ? json_deep_copy(sample) : json_object()};
    transfers_wake(delivery->transfers);
    return true;
}

json_t *delivery_test_result(struct delivery *delivery, const char *tenant, const char *id)
{
    json_t *result = NULL;
    SU_LOCKED(&delivery->lock);
    for (size_t i = 0; i < TESTS_MAX && !result; i++) {
        struct test *test = &delivery->tests[i];
        if (test->result == NULL || strcmp(test->id, id) != 0 || strcmp(test->tenant, tenant) != 0)
            continue;
        result = su_take(test->result);
        test_done(test);
    }
    return result;
}

/* --- life --------------------------------------------------------------------------------- */

bool delivery_open(struct actions *actions, struct delivery **ret, struct su_err *err)
{
    const struct action_services *with = actions_services(actions);
    struct outbox_head head;
    int64_t held;
    {
        STORE_READ(with->store, db);
        if (!outbox_next(db, "", "", &head, err) || !sql_get_int(db, 0, &held, err, "SELECT 1 FROM held LIMIT 1"))
            return false;
    }
    struct delivery *delivery = su_alloc(sizeof *delivery);
    delivery->with = *with;
    su_lock_init(&delivery->lock);
    delivery->subscription = su_bus_subscribe(with->bus, "decisions", wake, delivery);
    if (head.number != 0 || held)
        wake(delivery, NULL, NULL, NULL);
    outbox_head_done(&head);
    *ret = delivery;
    return true;
}

void delivery_close(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    su_bus_unsubscribe(delivery->with.bus, delivery->subscription);
    delivery->is_closing = true;
    if (delivery->transfers != NULL) {
        transfers_wake(delivery->transfers);
        su_thread_join(&delivery->thread);
        transfers_free(delivery->transfers);
        breakers_free(delivery->breakers);
        su_queue_free(delivery->work);
        su_queue_free(delivery->done);
    }
    for (size_t i = 0; i < TESTS_MAX; i++)
        test_done(&delivery->tests[i]);
    su_lock_done(&delivery->lock);
    free(delivery);
}
