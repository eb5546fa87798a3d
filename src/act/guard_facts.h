/* What guards judge by, gathered in the transaction of the decision.  Layer act; inside a writer job. */
#pragma once
#include "decision.h"

extern const struct store_migration guard_migrations[];

enum guard_ruling { GUARD_PASSES, GUARD_HOLDS, GUARD_STOPS };
struct guard_answer {
    enum guard_ruling ruling;
    json_t *trace;                  /* new reference */
    int64_t wait_ms;                /* GUARD_HOLDS: so long; then it is sent, or expires */
    bool sends_after;
};
/* Judges a decision that names an action or a target, and notes what the guards remember when it passes. */
bool guard_facts_judge(struct sql *db, const struct decision *decision, int64_t now_ms, struct guard_answer *ret, struct su_err *err);
/* Nothing is remembered of an action that is gone. */
bool guard_facts_forget(struct sql *db, const char *tenant, const char *action, struct su_err *err);
