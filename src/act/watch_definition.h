/* What a watch is told: windows, values, detector, levels, actions.  Layer act; pure. */
#pragma once
#include "aggregate/rollup.h"
#include "aggregate/window.h"
#include "detector.h"
#include "watch_machine.h"

enum {
    WATCH_NAME_MAX = 128, WATCH_ACTIONS_MAX = 16, WATCH_KEYS_MAX = 100000, WATCH_KEYS_DEFAULT = 10000,
    WATCH_EVENT_WINDOW = WATCH_EVENT_COUNT,     /* an action "on": ["window"]: every window's value goes to its scaling policy */
};

struct watch_action {
    char *action;
    uint32_t events;                /* bit n: on enum watch_event n */
    enum watch_level at;            /* only where this level is entered or left; WATCH_OK: any */
    json_t *parameters;             /* object or NULL */
    bool has_floor;                 /* a scaling's least size follows from what the detector expects */
};

/* Born as {0}; immutable once read. */
struct watch_definition {
    json_t *given;                  /* the definition as JSON, defaults filled in */
    char *stream, *from, *description;
    struct window_spec window;      /* delay: the stream's */
    struct rollup_spec rollup;      /* the values, then count() */
    size_t dimensions;
    char *detector;                 /* kind */
    json_t *parameters;             /* of the detector, borrowed from given; or NULL */
    char *model;                    /* its name, or NULL */
    struct watch_rules rules;
    struct watch_action actions[WATCH_ACTIONS_MAX];
    size_t action_count;
    bool is_grouped, is_dry, is_enabled;
    int64_t keys_max, learn_us;
};
void watch_definition_done(struct watch_definition *definition);
#define WATCH_AUTO_DEFINITION SU_CLEANUP(watch_definition_done)

extern const struct su_field watch_fields[];
/* SU_INVALID names the field ("/levels/critical/enter"). Also makes sure that the detector takes its parameters
 * (without a model). */
bool watch_definition_read(const json_t *given, struct watch_definition *ret, struct su_err *err);
/* Would both learn the same from the same messages (stream, windows, keys, values, detector, model)? */
bool watch_definition_learns_same(const struct watch_definition *a, const struct watch_definition *b);
/* The detector it asks for, with a model of that kind or NULL. */
bool watch_definition_detector(const struct watch_definition *definition, const json_t *model, struct detector **ret, struct su_err *err);
/* Does this step make that action's decision? */
bool watch_action_matches(const struct watch_action *action, const struct watch_effect *effect);
