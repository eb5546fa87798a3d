/* Decisions: what a follower decided about a window, each a row for ever, and the outbox of those to be delivered.
 * Layer act; any thread, what takes a struct sql inside a writer job.
 *
 * A decision is made in the transaction that commits its window (iteration.h),
 * so it is made exactly once.  Its row says on what grounds: stream, consumer,
 * window with its offsets and revision, epoch, run.  It waits in the outbox until
 * its action has got it or never will: delivery is at least once, in order for each action, under
 * one idempotency key, the decision's id. */
#pragma once
#include "base/json.h"
#include "base/random.h"
#include "aggregate/window.h"
#include "store/store.h"

extern const struct store_migration decision_migrations[];

enum { DECISION_REASON_MAX = 2000, DECISION_PARAMETERS_MAX = 64 * 1024 };

struct decision {
    const char *tenant, *stream, *consumer, *action, *reason, *user, *run;     /* run may be NULL */
    const json_t *parameters;           /* object */
    struct window window;
    int64_t epoch, iteration;
};
/* Inside a job: the row, and its place in the outbox. */
bool decision_insert(struct sql *db, const struct decision *decision, char ret_id[static SU_ID_SIZE], struct su_err *err);

struct decision_list { const char *tenant, *stream, *consumer, *action, *run, *state, *cursor; size_t limit; };
/* Newest first; *ret_next NULL at the end (caller frees). */
bool decision_list(struct store *store, const struct decision_list *list, json_t **ret_items, char **ret_next, struct su_err *err);
bool decision_get(struct store *store, const char *tenant, const char *id, json_t **ret, struct su_err *err);

/* What a tenant's decisions of the last day come to. */
enum { DECISION_TOTAL_MINUTES = 60 };
struct decision_totals {
    int64_t decisions_24h, failed, waiting;     /* waiting: of any age */
    uint64_t per_m[DECISION_TOTAL_MINUTES];     /* made in each minute, newest last */
    json_t *failures;                           /* the last ten: {"at","name","message","run"} (new reference) */
};
bool decision_totals(struct store *store, const char *tenant, struct decision_totals *ret, struct su_err *err);

/* --- the outbox: for delivery.c ------------------------------------------------ */

/* The oldest waiting decision of the next action after (tenant, action) in order ("" and "": the first); number 0: there is none.
 * Texts are the caller's. */
struct outbox_head { char *tenant, *action; int64_t number, due_ms; };
bool outbox_next(struct sql *db, const char *tenant, const char *action, struct outbox_head *ret, struct su_err *err);
void outbox_head_done(struct outbox_head *head);
/* The decision of that number as decision_get gives it, and when it was decided. */
bool decision_load(struct sql *db, int64_t number, json_t **ret, int64_t *ret_decided_ms, int64_t *ret_attempts, struct su_err *err);
/* What came of one try; error NULL: it was delivered.  Inside a job. */
struct outbox_result { const char *tenant, *action; int64_t number; const char *error; bool is_final; int64_t due_ms; };
bool outbox_settle(struct sql *db, const struct outbox_result *result, struct su_err *err);
/* Inside a job: what waits for this action fails for that reason. */
bool decision_abandon(struct sql *db, const char *tenant, const char *action, const char *why, struct su_err *err);
