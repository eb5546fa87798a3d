/* The state machine of one key of a watch.  Layer act; pure: a function of (rules, state, input).  Drawn in docs/.
 *
 * Everything counts in event time and in windows, so a replay makes the same steps. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum watch_level { WATCH_OK, WATCH_INFO, WATCH_WARNING, WATCH_CRITICAL, WATCH_LEVEL_COUNT };
const char *watch_level_name(enum watch_level level);       /* "ok", "info", "warning", "critical" */
enum watch_state { WATCH_WARMING, WATCH_NORMAL, WATCH_PENDING, WATCH_FIRING, WATCH_COOLING, WATCH_NODATA, WATCH_STATE_COUNT };
const char *watch_state_name(enum watch_state state);       /* "warming", "ok", "pending", "firing", "cooling", "nodata" */
enum watch_nodata { WATCH_NODATA_KEEP, WATCH_NODATA_OK, WATCH_NODATA_FIRE, WATCH_NODATA_COUNT };

/* When a level is entered and when it is left again (hysteresis). */
struct watch_bound { bool is_set, is_below /* enters at or below, leaves above */; double enter, leave; };
struct watch_rules {
    bool is_on_value;               /* bounds are of the value, not of the score */
    struct watch_bound bounds[WATCH_LEVEL_COUNT];   /* of INFO, WARNING, CRITICAL */
    int32_t hold, hold_of;          /* entered when `hold` of the last `hold_of` windows are there: 1 ≤ hold ≤ hold_of ≤ 64 */
    int32_t clear;                  /* left when so many windows in a row are below: ≥ 1 */
    int64_t warm_up_us;             /* since the key's first message nothing is judged for so long, whatever the detector says */
    int64_t nodata_us;              /* without a message for so long: nodata; 0: never */
    enum watch_nodata nodata;
    int64_t settle_us;              /* after a step that acts: windows are stored but not used for so long */
    int64_t verify_us;              /* after a step that acts the episode must be over by then, else UNVERIFIED once; 0: no check */
    int64_t cooldown_us;            /* after an episode no new one opens for so long */
    int64_t resolve_us;             /* an episode ends by itself after so long; 0: never */
    double flap_enter, flap_leave;  /* weighted share of changes among the last 21 states; enter 0: no flap detection */
    bool learns_in_episode;
};

enum { WATCH_FLAP_STATES = 21 };
/* Plain memory, all zero: a key that was never seen. */
struct watch_key {
    int64_t first_us, last_us;          /* end of the first window with messages, of the last one */
    int64_t opened_us, acted_us, closed_us, settle_until_us;
    uint64_t history;                   /* bit n: n windows ago the pending level was reached */
    uint32_t states;                    /* the last 21 states for flap detection, a bit each: not ok */
    int32_t episode;                    /* number of the newest, from 1 */
    int32_t below;                      /* windows in a row below the level */
    int32_t muted;                      /* changes swallowed while flapping */
    uint8_t state, level, pending, worst;   /* enum watch_state; enum watch_level */
    bool is_flapping, is_verified, is_known;
    uint8_t states_used, reserved[5];
};

struct watch_input {
    int64_t start_us, end_us;
    uint64_t messages;                  /* of the key; 0: none */
    double value, score;
    bool is_warm;                       /* the detector's */
};
enum watch_event {
    WATCH_NOTHING, WATCH_OPENED, WATCH_RAISED, WATCH_LOWERED, WATCH_RESOLVED, WATCH_UNVERIFIED,
    WATCH_FLAPPING, WATCH_STEADY /* flapping is over */, WATCH_EVENT_COUNT
};
const char *watch_event_name(enum watch_event event);       /* "nothing", "opened", "raised", … */
struct watch_effect { enum watch_event event; enum watch_level from, to; int32_t episode; };

/* Is the window given to the detector at all (no: an action is settling), and may it learn from it (no: an open episode)? */
struct watch_use { bool is_used, may_learn; };
struct watch_use watch_use(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input);
/* One window.  At most one effect; after a recovery while flapping the later STEADY says so, nothing is swallowed for good. */
void watch_step(const struct watch_rules *rules, struct watch_key *key, const struct watch_input *input, struct watch_effect *ret);
/* The step's effect made a decision that acts: settling and verifying begin at end_us. */
void watch_acted(const struct watch_rules *rules, struct watch_key *key, int64_t end_us);
