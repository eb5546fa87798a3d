/* What a run that follows streams did lately: how often it comes round, its last windows, the one in its hands.
 * Layer interact; pure, the caller locks.  Forgotten when the server ends; what must last is in `run_consumed`. */
#pragma once
#include "base/json.h"

struct pace;

enum { PACE_ITERATIONS_MAX = 60 };      /* that are told one by one */

struct pace *pace_new(void);
void pace_free(struct pace *pace);

/* A window was handed out: {"stream","consumer","iteration","window":{"start","end","from","to","messages",…}} (borrowed). */
void pace_offer(struct pace *pace, const json_t *offer, int64_t now_ms);
/* A window was committed: {"stream","consumer","from","to","decisions"} (borrowed). */
void pace_commit(struct pace *pace, const json_t *consumed, int64_t now_ms);
/* The attempt is over: nothing is in its hands any more. */
void pace_drop(struct pace *pace);

/* The window that was handed out and not committed: {"stream","consumer","iteration","start","end","from","to","messages"}
 * (borrowed), or NULL. */
const json_t *pace_window(const struct pace *pace);
/* {"iterations_per_m","window"} and, if asked for, "iterations", oldest first: of each what pace_window says,
 * "decisions", "took_ms" and when it was committed ("at") (new reference). */
json_t *pace_json(const struct pace *pace, bool with_iterations, int64_t now_ms);
