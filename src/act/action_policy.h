/* What every action says of when it may act and how long it is tried: read and checked.  Layer act; pure. */
#pragma once
#include "base/json.h"

enum { ACTION_ACTIVE_MAX = 16, ACTION_PER_MAX = 1000000 };
struct action_policy {
    bool is_enabled, is_dry;
    int64_t cooldown_us;                /* 0: none */
    struct { int64_t count, per_us; } rate;             /* count 0: no limit */
    struct { int64_t count; double share; int64_t per_us; } blast;  /* per_us 0: no limit; count 0, share 0: that one is none */
    struct { int64_t wait_ms; bool sends_after; } approval;         /* wait_ms 0: none needed */
    struct { int64_t first_ms, deadline_ms; } retry;
    int64_t timeout_ms;                 /* of one attempt */
    const json_t *active;               /* borrowed: list of hours (hours.h); NULL: always */
};
/* The members of a definition that every kind has. */
extern const struct su_field action_common_fields[];
bool action_policy_read(const json_t *definition, struct action_policy *ret, struct su_err *err);
