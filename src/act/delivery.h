/* Delivery: the outbox becomes requests.  Layer act; the thread "delivery" owns libcurl's handles.
 *
 * Each waiting decision is POSTed to its action's webhook as JSON
 *   {"type":"decision","timestamp":"…","data":{the decision}}
 * with Idempotency-Key and webhook-id (both the decision's id), webhook-timestamp
 * and, when the action has a secret, webhook-signature (Standard Webhooks).
 *
 * 2xx: delivered.  400, 410, 413, 422 or a forbidden address: failed for good.  Anything else, a
 * time-out included, is tried again with exponential back-off and jitter (1 s doubled
 * up to 10 min; Retry-After is honoured up to an hour) until a day has passed.
 * One decision of an action is under way at a time, in order; actions do not
 * wait for each other.  The outbox survives restarts; a server that ended
 * between the receiver's answer and its own note delivers again: at least once.
 *
 * Events on topic "tenant/<tenant>": "action.sent", "action.failed" {action, decision, error}. */
#pragma once
#include "base/bus.h"
#include "store/store.h"

struct actions;
struct secrets;
struct delivery;
struct delivery_options {
    uint32_t parallel;          /* requests under way; 0: 16 */
    int64_t timeout_ms;         /* of one; 0: 15 s */
    int64_t retry_ms;           /* first pause; 0: 1 s */
};
/* Wakes at topic "decisions".  options may be NULL. */
bool delivery_open(struct store *store, struct su_bus *bus, struct actions *actions, struct secrets *secrets,
                   const struct delivery_options *options, struct delivery **ret, struct su_err *err);
void delivery_close(struct delivery *delivery);     /* requests under way are given up; they are made again later */

/* Pure: the pause before try number `attempts` + 1; random: 0..1. */
int64_t delivery_pause_ms(int64_t retry_ms, int64_t attempts, double random);
/* Pure: is an answer with this status the end of all tries? */
bool delivery_is_final(long status);
