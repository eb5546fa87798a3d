/* Desired size from a metric: target tracking.  Layer act; pure.
 *
 * desired = ceil(current × metric / target), left alone within a tolerance, then
 * bounded by steps, by min and max and by a floor, and stabilised: of the
 * recommendations of the last while the safest is taken.  Level-triggered: the same answer may be sent again. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/json.h"

enum { SCALE_RECOMMENDATIONS_MAX = 64 };
struct scale_policy {
    double target, tolerance;               /* tolerance 0.1: within ±10 % nothing changes */
    int64_t min, max, initial;
    int64_t step_up, step_down;             /* most at once; 0: no limit */
    int64_t settle_us;                      /* until an action works: no further step in the same direction before */
    int64_t stabilise_up_us, stabilise_down_us;
    bool is_total;                          /* metric is a sum over the workers (a queue's depth), not a mean per worker */
};
extern const struct su_field scale_fields[];    /* as an action of kind "scale" gives it */
bool scale_policy_read(const json_t *given, struct scale_policy *ret, struct su_err *err);

/* Plain memory; scale_begin. */
struct scale_state {
    int64_t current, changed_us;
    int64_t at_us[SCALE_RECOMMENDATIONS_MAX];
    int64_t recommended[SCALE_RECOMMENDATIONS_MAX];
    uint32_t count, next;
    int8_t direction, reserved[7];
};
void scale_begin(const struct scale_policy *policy, struct scale_state *state);
/* metric NaN: missing, nothing changes.  floor: the least size now (of a learned baseline), or 0.  True: *ret_desired is a new size. */
bool scale_step(const struct scale_policy *policy, struct scale_state *state, int64_t now_us, double metric, int64_t floor,
                int64_t *ret_desired);
