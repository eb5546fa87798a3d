/* Guards: what may keep a decision from being carried out, in one fixed order.  Layer act; pure.
 *
 * A guard stops a decision (it stays in the log), holds it for a person, or lets it pass; the trace says what each
 * that mattered did.  All are facts of the decision and judged in its transaction, in event time
 * (of a decision about no window: when it was made), but for the last two: the kill switch and the target's
 * breaker are facts of the moment, met at delivery. */
#pragma once
#include "action_policy.h"

enum guard {
    GUARD_ENABLED, GUARD_DRY_RUN, GUARD_SILENCE, GUARD_ACTIVE, GUARD_COOLDOWN, GUARD_RATE_LIMIT, GUARD_BLAST_RADIUS, GUARD_APPROVAL,
    GUARD_SWITCH, GUARD_BREAKER, GUARD_COUNT
};
extern const char *const guard_names[GUARD_COUNT];

/* What an action remembers of its decisions that passed. */
struct guard_mark { int64_t last_us /* 0: none yet */, filled_us; double tokens; };

struct guard_facts {
    const struct action_policy *policy;     /* NULL: a decision with its target inline, which has none */
    bool is_missing;                        /* its action is not there */
    bool is_dry;                            /* its maker is in dry run */
    bool ends_episode;                      /* "resolved" and the like: passes the cooldown, so that nobody is left in a state that is over */
    const char *silence;                    /* why it is silenced; NULL: it is not */
    bool is_active;                         /* within the policy's hours */
    int64_t at_us;
    struct guard_mark mark;
    int64_t keys, keys_acted;               /* of its watch: all (0: nobody knows), and others acted upon within the policy's interval */
};
struct guard_verdict {
    enum guard stopped_by;                  /* GUARD_COUNT: by none */
    bool is_held;
    struct guard_mark mark;                 /* as it is afterwards */
    bool mattered[GUARD_COUNT];
    char detail[GUARD_COUNT][160];
};
void guard_judge(const struct guard_facts *facts, struct guard_verdict *ret);
/* [{"guard","passed","detail"}] of those that mattered (new reference). */
json_t *guard_trace(const struct guard_verdict *verdict);
