/* A watch at work: windows in, steps out.  Layer act; pure (no clock, no I/O), one thread at a time.
 *
 * The same code runs live, after a restart from a checkpoint, and in back-tests: what
 * comes out depends on the definition, the model and the windows alone.  Windows
 * are given in order of their start, those without any message too.
 *
 * Cost: each known key takes part in each window (absence is a fact too), at a detector's update and a machine's step. */
#pragma once
#include "aggregate/panes.h"
#include "scale.h"
#include "watch_definition.h"
#include "watch_keys.h"

/* So many windows in a row without any message are given one by one; what lies between them and the next message is skipped. */
enum { WATCH_EMPTY_MAX = 1000, WATCH_GROUP_KEYS = 100, WATCH_SCORE_WINDOWS = 100 };

/* A decision, before it is a row.  Everything is borrowed for the call. */
struct watch_emitted {
    const char *key;                /* "*": several, named in grounds */
    const char *event;
    enum watch_level from, to;
    const struct watch_action *action;  /* NULL: no action asked for this step */
    size_t action_index;
    int64_t start_us, end_us;
    const json_t *parameters, *grounds;
    const char *reason;
};
typedef bool watch_emit_fn(void *arg, const struct watch_emitted *emitted, struct su_err *err);
/* What a key's window came to, for charts; may be NULL. */
struct watch_observed { const char *key; int64_t start_us, end_us; const struct detector_verdict *verdict; enum watch_level level; bool is_used; };
typedef void watch_observe_fn(void *arg, const struct watch_observed *observed);
struct watch_engine_ops { watch_emit_fn *emit; watch_observe_fn *observe; void *arg; };

/* {"score","value","expected","low","high"}, null where there is no number. */
void watch_verdict_add(json_t *into, const struct detector_verdict *verdict);

struct watch_engine;
/* definition is borrowed; *detector is consumed.  policies: of each action, used where it is "on" windows. */
struct watch_engine *watch_engine_new(const struct watch_definition *definition, struct detector **detector,
                                      const struct scale_policy policies[WATCH_ACTIONS_MAX], const struct watch_engine_ops *ops);
void watch_engine_free(struct watch_engine *engine);
/* Until this window starts keys only learn: nothing is judged. */
void watch_engine_set_from(struct watch_engine *engine, int64_t from_us);
/* Another definition that learns the same (watch_definition_learns_same), from the next window on. */
void watch_engine_set_definition(struct watch_engine *engine, const struct watch_definition *definition,
                                 const struct scale_policy policies[WATCH_ACTIONS_MAX]);
/* Another model's detector from the next window on. */
void watch_engine_set_detector(struct watch_engine *engine, struct detector **detector);
const char *watch_engine_code(const struct watch_engine *engine);

/* The next window to be given; INT64_MIN before the first. */
int64_t watch_engine_next(const struct watch_engine *engine);
/* All windows before start_us (that follow the last one) had no message. */
bool watch_engine_skip_to(struct watch_engine *engine, int64_t start_us, struct su_err *err);
/* A window with messages, after watch_engine_skip_to. */
bool watch_engine_pane(struct watch_engine *engine, const struct pane *pane, struct su_err *err);

const struct watch_keys *watch_engine_keys(const struct watch_engine *engine);
struct watch_engine_totals {
    uint64_t keys, firing, unwatched;   /* unwatched: keys past keys_max in the last window */
    enum watch_level worst;
    double mean_score;                  /* of about the last WATCH_SCORE_WINDOWS windows; 0.5: all is as learned */
    uint64_t scored;                    /* windows since the detector began */
};
void watch_engine_totals(const struct watch_engine *engine, struct watch_engine_totals *ret);

void watch_engine_save(const struct watch_engine *engine, struct su_buf *into);
/* Into a new one; SU_INVALID: not a state of this watch. */
bool watch_engine_load(struct watch_engine *engine, struct su_str bytes, struct su_err *err);
