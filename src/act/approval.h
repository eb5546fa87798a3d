/* What a person says about decisions: yes or no to one that is held, and once more to a dead letter; and the kill switch
 * for all of them.  Layer act; any thread.
 *
 * A held decision waits as long as its action's approval says, then it is sent or expires.  While a tenant's switch is
 * "stopped" nothing leaves: what is under way is broken off, what is decided waits, and everything else goes on.
 *
 * Events on "tenant/<tenant>": "decision.approved", "decision.rejected", "decision.expired", "decision.resent"
 * {decision, action, user, reason}, "actions.stopped", "actions.running" {user, reason}. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "store/store.h"

enum { APPROVAL_REASON_MAX = 1000 };
enum approval { APPROVAL_YES, APPROVAL_NO, APPROVAL_AGAIN /* a dead letter or an expired one, under its old key */, APPROVAL_COUNT };
struct approval_said { const char *tenant, *id, *user, *reason; enum approval said; };
/* SU_CONFLICT: it is in no state for that. */
bool approval_say(struct store *store, struct su_bus *bus, const struct approval_said *said, struct su_err *err);

/* For the delivery: what nobody said anything about by now.  *ret_next_ms: when the next is due (INT64_MAX: none). */
bool approval_due(struct store *store, struct su_bus *bus, int64_t now_ms, int64_t *ret_next_ms, struct su_err *err);

/* {"actions":"running"|"stopped","reason","changed_at","changed_by"} (new reference). */
bool switch_get(struct store *store, const char *tenant, json_t **ret, struct su_err *err);
bool switch_put(struct store *store, struct su_bus *bus, const char *tenant, bool is_stopped, const char *reason, const char *user, json_t **ret,
                struct su_err *err);
/* Through db; *ret_reason may be NULL, else it is the caller's. */
bool switch_is_stopped(struct sql *db, const char *tenant, bool *ret, char **ret_reason, struct su_err *err);
