/* Delivery: the outbox becomes requests, runs, mails, messages and commands.  Layer act.
 *
 * The thread "delivery" owns the outbox's requests; what has to be waited for by a blocking library goes to at
 * most four threads "deliver-N", which start with the first such.  What is delivered how is the action's
 * kind's to say (action_kind.h).
 *
 * Sent; refused for good (a dead letter, "failed"); or tried again with exponential back-off and jitter (1 s
 * doubled up to 10 min, or as the action says; Retry-After is honoured up to an hour) until the action's
 * deadline has passed.  A target that keeps failing is left alone for a minute at a time (breaker.h): its
 * decisions are deferred.  One decision of an action is under way at a time, in order; actions do not
 * wait for each other.  The outbox survives restarts; a server that ended between the
 * receiver's answer and its own note delivers again: at least once, under one key.
 *
 * Events on topic "tenant/<tenant>": "action.sent", "action.failed" {action, decision, error}. */
#pragma once
#include "base/json.h"
#include "base/random.h"

enum { DELIVERY_FIRST_MS = 1000, DELIVERY_DEADLINE_MS = 24 * 3600 * 1000 };

struct actions;
struct delivery;
/* Wakes at topic "decisions". */
bool delivery_open(struct actions *actions, struct delivery **ret, struct su_err *err);
void delivery_close(struct delivery *delivery);     /* what is under way is given up; it is made again later */

/* Send a sample for this action now; sample (object, may be NULL) is laid over the standard one.  Any thread.  The topic
 * "action-test/<id>" fires when it is over. */
bool delivery_test(struct delivery *delivery, const char *tenant, const char *action, const json_t *sample, char ret_id[static SU_ID_SIZE],
                   struct su_err *err);
/* {"outcome","status","took_ms","error","answer"} (new reference); NULL: it is not over.  Told once. */
json_t *delivery_test_result(struct delivery *delivery, const char *tenant, const char *id);

/* Pure: the pause before try number `attempts` + 1; random: 0..1. */
int64_t delivery_pause_ms(int64_t retry_ms, int64_t attempts, double random);
