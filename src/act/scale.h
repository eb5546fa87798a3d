/* Desired size from a metric: target tracking.  Layer act; pure.
 *
 * desired = ceil(demand / target), left alone within a tolerance, then stabilised (of the recommendations of the
 * last while the safest is taken), bounded by steps, and by min, max and a floor.  What was asked for
 * and does not work yet counts: until an action works there is no further step in its direction.  So that it
 * is enough when it works, a rising demand is looked at as it will be then.
 * Level-triggered: the same answer may be sent again.
 *
 * Sources: target tracking and stabilisation are those of the Kubernetes horizontal pod autoscaler; the
 * rise is a weighted least-squares line with exponential forgetting.  One step costs less than a microsecond. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/json.h"

enum { SCALE_RECENT_MAX = 32, SCALE_SIZE_MAX = 1000000 };
struct scale_policy {
    double target, tolerance;               /* tolerance 0.1: within ±10 % nothing changes */
    int64_t min, max, initial;
    int64_t step_up, step_down;             /* most at once; 0: no limit */
    int64_t settle_us;                      /* until an action works: no further step in the same direction before */
    int64_t stabilise_up_us, stabilise_down_us;
    int64_t ahead_us;                       /* a rise is looked at so far ahead; 0: not at all */
    bool is_total;                          /* metric is a sum over the workers (arrivals, a queue's depth), not a mean per worker */
};
extern const struct su_field scale_fields[];    /* as an action of kind "scale" gives it */
/* Members of `given` that are not in scale_fields are somebody else's. */
bool scale_policy_read(const json_t *given, struct scale_policy *ret, struct su_err *err);

/* A line through the demand of the last while, times counted from the newest. */
struct scale_rise { double weight, weight2, t, tt, y, yy, ty; };
struct scale_recent { int64_t at_us, highest, lowest; };    /* recommendations of one stretch of time */
/* Plain memory, all zero: nothing was seen yet, and policy.initial is taken to run. */
struct scale_state {
    int64_t current, before;                /* wanted now; before the newest change */
    int64_t changed_us, seen_us;
    struct scale_rise rise;
    struct scale_recent recent[SCALE_RECENT_MAX];
    uint32_t count, newest;
    int8_t direction;                       /* of the newest change: 1, -1; 0: none yet */
    int8_t leaps;                           /* newest points in a row that were far above (> 0) or below (< 0) the line */
    uint8_t is_known;                       /* 0 or 1 */
    uint8_t reserved[5];
};
/* Is this memory a state?  Checks what came back from a disk. */
bool scale_check(const struct scale_state *state);
/* What is wanted now, also before the first step. */
int64_t scale_current(const struct scale_policy *policy, const struct scale_state *state);
/* metric NaN: missing, nothing changes.  floor: the least size now (of a learned baseline), or 0.  A time that is not later than
 * the one before changes nothing.  True: *ret_desired is a new size.  min, max and floor hold at once, whatever settles. */
bool scale_step(const struct scale_policy *policy, struct scale_state *state, int64_t now_us, double metric, int64_t floor,
                int64_t *ret_desired);
