/* Idempotency-Key: a POST repeated with the same key has one effect and one answer.  Layer api; workers.
 *
 * A key belongs to a tenant, a user and a route.  It is written as pending
 * before the handler runs and gets the reply after, so a POST never runs twice:
 * when the server died in between, the repeat is told that the outcome is not
 * known (409) instead of guessing.  Replies are kept for limits.idempotency_s. */
#pragma once
#include "store/store.h"

struct request;

extern const struct store_migration idempotency_migrations[];

/* True: the reply is set (the stored one, or why there is none) and the handler must not run. */
bool idempotency_replay(struct request *request);
/* After the handler: keep its reply under the key. */
void idempotency_store(struct request *request);
