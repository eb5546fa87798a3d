/* A run's states and what may follow what.  Layer interact; pure, any thread.
 *
 *   queued → starting → running → succeeded | failed | cancelled | timed_out | out_of_memory
 *      ↑________|__________|   (the keeper vanished, and retries are left)
 *               └──────────┴→ interrupted  (… and none are left) */
#pragma once
#include <stdbool.h>
#include "base/json.h"

enum run_state {
    RUN_QUEUED, RUN_STARTING, RUN_RUNNING,
    RUN_SUCCEEDED, RUN_FAILED, RUN_CANCELLED, RUN_TIMED_OUT, RUN_OUT_OF_MEMORY, RUN_INTERRUPTED,
    RUN_STATE_COUNT
};

const char *run_state_name(enum run_state state);
bool run_state_parse(const char *name, enum run_state *ret);
bool run_state_is_final(enum run_state state);
bool run_state_may_follow(enum run_state from, enum run_state to);

/* How a run ended, from the keeper's last event and the error the recorder found (NULL: none). */
struct run_end { enum run_state state; char reason[512]; };
struct run_end run_end_of(const json_t *ended, const json_t *error);
/* The keeper vanished during `attempt` (1 is the first): queued again while retries are left, else interrupted. */
struct run_end run_end_interrupted(int attempt, int retries);
