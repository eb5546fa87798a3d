/* One decision on its way: made from what is stored, begun, and judged.  Layer act; the thread "delivery", while `perform`
 * runs the worker that has it. */
#pragma once
#include "action.h"
#include "breaker.h"
#include "outbox.h"

struct job {
    struct attempt attempt;
    struct transfer *transfer;          /* under way; or NULL */
    char *test;                         /* its id: nobody's decision, the answer goes to who asked; or NULL */
    char *target;                       /* whose breaker it is; or NULL */
    int64_t number, since_ms, attempts, first_ms, deadline_ms;
    int64_t started_ms, started_mono_ms, took_ms;
    bool is_calling;                    /* its breaker let it through and has not heard yet */
    /* Once it is over. */
    enum outbox_outcome outcome;
    char *error;
    int64_t due_ms;
};

/* Of the outbox.  Never NULL: what can't be made is a job that has failed (job_is_over). */
struct job *job_make(const struct action_services *with, const struct outbox_head *head);
/* A sample for this action. */
struct job *job_make_test(const struct action_services *with, const char *tenant, const char *action, const char *id, const json_t *sample);
void job_free(struct job *job);

enum job_step { JOB_OVER, JOB_TRANSFERS /* judge it when its transfer ends */, JOB_WAITS /* job_perform on a worker */ };
/* Begin, unless its breaker is open. */
enum job_step job_begin(struct job *job, struct transfers *transfers, struct breakers *breakers);
void job_perform(struct job *job);
/* It has been tried: what becomes of it.  random: 0..1. */
void job_judge(struct job *job, const struct transfer_end *end);
void job_end(struct job *job, struct breakers *breakers, double random);
