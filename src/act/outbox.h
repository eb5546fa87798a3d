/* The outbox: decisions that wait for their delivery, and the log of every attempt.  Layer act; what takes a struct sql
 * and changes something inside a writer job. */
#pragma once
#include "decision.h"

/* Inside a job, with the decision's row: it is due at once; its deadline counts from now. */
bool outbox_add(struct sql *db, const char *tenant, const char *action, int64_t number, struct su_err *err);

/* The oldest waiting decision of the next action after (tenant, action) in order ("" and "": the first), of tenants that have
 * not stopped their actions; number 0: there is none.  Texts are the caller's. */
struct outbox_head { char *tenant, *action; int64_t number, due_ms, since_ms; };
bool outbox_next(struct sql *db, const char *tenant, const char *action, struct outbox_head *ret, struct su_err *err);
void outbox_head_done(struct outbox_head *head);

enum outbox_outcome {
    OUTBOX_SENT,
    OUTBOX_AGAIN,           /* at due_ms */
    OUTBOX_FAILED,          /* a dead letter */
    OUTBOX_DEFERRED,        /* not tried: its target's breaker is open; at due_ms */
    OUTBOX_OUTCOME_COUNT
};
struct outbox_result {
    const char *tenant, *action;
    int64_t number;
    enum outbox_outcome outcome;
    const char *error, *answer;     /* error NULL when sent */
    int64_t due_ms, at_ms, took_ms;
    long status;                    /* 0: none */
};
/* What came of one try: inside a job. */
bool outbox_settle(struct sql *db, const struct outbox_result *result, struct su_err *err);
/* Inside a job: what waits for this action, or for a person's word about it, fails for that reason. */
bool outbox_abandon(struct sql *db, const char *tenant, const char *action, const char *why, struct su_err *err);

/* [{"at","attempt","outcome","status","took_ms","detail"}], oldest first (new reference). */
bool outbox_log(struct sql *db, int64_t number, json_t **ret, struct su_err *err);
/* How many of a tenant's decisions wait for delivery, and for a person's word. */
bool outbox_totals(struct sql *db, const char *tenant, int64_t *ret_waiting, int64_t *ret_held, struct su_err *err);
/* {"due_at","deferred"} of a decision that waits, or null (new reference). */
bool outbox_waiting(struct sql *db, const char *tenant, const char *action, int64_t number, json_t **ret, struct su_err *err);
