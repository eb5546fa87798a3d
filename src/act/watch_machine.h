/* The state machine of one key of a watch.  Layer act; pure: a function of (rules, state, input).
 * Drawn and told in docs/explanation/watches.md.
 *
 * Everything counts in event time and in windows, so a replay makes the same steps.  Flap
 * detection is Nagios': the share of changes among the last 21 states, newer ones weighing more.
 * One step costs some tens of nanoseconds. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum watch_level { WATCH_OK, WATCH_INFO, WATCH_WARNING, WATCH_CRITICAL, WATCH_LEVEL_COUNT };
const char *watch_level_name(enum watch_level level);       /* "ok", "info", "warning", "critical" */
enum watch_state { WATCH_WARMING, WATCH_NORMAL, WATCH_PENDING, WATCH_FIRING, WATCH_COOLING, WATCH_NODATA, WATCH_STATE_COUNT };
const char *watch_state_name(enum watch_state state);       /* "warming", "ok", "pending", "firing", "cooling", "nodata" */
enum watch_nodata { WATCH_NODATA_KEEP, WATCH_NODATA_OK, WATCH_NODATA_FIRE, WATCH_NODATA_COUNT };
const char *watch_nodata_name(enum watch_nodata nodata);    /* "keep", "ok", "fire" */

/* When a level is entered (at or beyond enter) and when it is left again (short of leave: hysteresis). */
struct watch_bound { bool is_set, is_below /* enters at or below, leaves above */; double enter, leave; };
struct watch_rules {
    bool is_on_value;               /* bounds are of the value, not of the score */
    struct watch_bound bounds[WATCH_LEVEL_COUNT];   /* of INFO, WARNING, CRITICAL */
    int32_t hold, hold_of;          /* entered when `hold` of the last `hold_of` windows are there: 1 ≤ hold ≤ hold_of ≤ 64 */
    int32_t clear;                  /* left when so many windows in a row are below: ≥ 1 */
    int64_t warm_up_us;             /* since the key's first message nothing is judged for so long, whatever the detector says */
    int64_t nodata_us;              /* without a message for so long: nodata; 0: never */
    enum watch_nodata nodata;       /* FIRE enters the highest level that is set, without holding */
    int64_t settle_us;              /* after a step that acts: windows are stored but not used for so long */
    int64_t verify_us;              /* after the first step that acts the episode must be over by then, else UNVERIFIED once; 0: no check */
    int64_t cooldown_us;            /* after an episode no new one opens for so long */
    int64_t resolve_us;             /* an episode ends by itself after so long; 0: never */
    double flap_enter, flap_leave;  /* weighted share of changes among the last 21 states; enter 0: no flap detection */
    bool learns_in_episode;         /* else an episode's first WATCH_KEPT_WINDOWS windows are not learned from, but of a young key */
};
enum { WATCH_KEPT_WINDOWS = 500, WATCH_YOUNG_WINDOWS = 500 };

enum { WATCH_FLAP_STATES = 21 };
/* Plain memory, all zero: a key that was never seen. */
struct watch_key {
    int64_t seen_us;                    /* end of the newest window */
    int64_t first_us, last_us;          /* end of the first window with messages, of the last one (before: start of the first) */
    int64_t opened_us, acted_us, closed_us, settle_until_us;
    uint64_t history[WATCH_LEVEL_COUNT];    /* of a level: bit n: n judged windows ago it was reached */
    uint32_t changes;                   /* bit n: n windows ago the level changed */
    int32_t episode;                    /* number of the newest, from 1 */
    int32_t below;                      /* windows in a row below the level */
    int32_t muted;                      /* changes swallowed by the newest time of flapping */
    uint8_t state, level;               /* enum watch_state; enum watch_level: */
    uint8_t pending;                    /* what the recent windows reached, above the level */
    uint8_t worst;                      /* of the episode */
    uint8_t fall;                       /* the highest level held among the windows that `below` counts */
    bool is_known, has_messages;        /* a window came; one with messages came */
    bool is_flapping;                   /* its episode stays open, whatever the level */
    bool is_silence;                    /* the level was entered because nothing came */
    bool is_verifying, is_unverified;   /* of the episode: an action is to be verified; UNVERIFIED was said */
    uint8_t reserved[5];
};
static inline bool watch_is_open(const struct watch_key *key) { return key->level != WATCH_OK || key->is_flapping; }
/* Is this memory the state of a key?  Checks what came back from a disk. */
bool watch_key_check(const void *key, size_t size);

/* A window that is no later than one before it (a revision, a straggler) changes nothing.  One about which the
 * detector says nothing (not finite; no messages and score 0) is no evidence: it counts neither for `hold` nor for `clear`. */
struct watch_input {
    int64_t start_us, end_us;
    uint64_t messages;                  /* of the key; 0: none */
    double value, score;
    bool is_warm;                       /* the detector's */
};
enum watch_event {
    WATCH_NOTHING, WATCH_OPENED, WATCH_RAISED, WATCH_LOWERED, WATCH_RESOLVED, WATCH_UNVERIFIED,
    WATCH_FLAPPING, WATCH_STEADY /* flapping is over; to OK: so is the episode */, WATCH_EVENT_COUNT
};
const char *watch_event_name(enum watch_event event);       /* "nothing", "opened", "raised", … */
struct watch_effect { enum watch_event event; enum watch_level from, to; int32_t episode; };

/* Is the window given to the detector at all (no: an action is settling), and may it learn from it (no: an open episode)? */
struct watch_use { bool is_used, may_learn; };
struct watch_use watch_use(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input);
/* One window.  At most one effect.  Episodes begin with OPENED (or FLAPPING, from OK) and end with RESOLVED or with STEADY to OK:
 * what happens while flapping is summed up by the STEADY after it, nothing is swallowed for good. */
void watch_step(const struct watch_rules *rules, struct watch_key *key, const struct watch_input *input, struct watch_effect *ret);
/* The step's effect made a decision that acts: settling and verifying begin at end_us. */
void watch_acted(const struct watch_rules *rules, struct watch_key *key, int64_t end_us);
