/* Detectors: how rarely would what was learned show this?  Layer act; pure: no clock, no I/O, no thread.
 *
 * A detector is a kind (a row of the table in detector.c, a file detector_<kind>.c)
 * with its parameters.  It is immutable and may be shared; what it has learned about one key
 * is its state: detector_state_bytes of plain memory without pointers, so that a
 * checkpoint copies it.  Given the same points in the same order, from the same
 * state, the verdicts are the same to the last bit.
 *
 * A point is one window of one key.  It is scored with what was learned before it, and then
 * learned from.  A score is in [0, 1] and has one meaning for all kinds: the share of
 * what the learned behaviour shows that is less strange than this point (rarity.h): 0.99 is what one
 * point in a hundred would show, 0.999 one in a thousand. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/json.h"

enum { DETECTOR_DIMENSIONS_MAX = 32, DETECTOR_STATE_MAX = 8 * 1024 };

struct detector;
struct detector_point {
    int64_t time_us;            /* end of the window */
    const double *values;       /* one per dimension; NaN or infinite: missing */
    uint64_t messages;          /* of the key in the window; 0: none came, and all values are missing */
    bool may_learn;             /* false: inside an open episode, or while an action settles */
};
struct detector_verdict {
    double score;               /* 0..1; 0 while is_warm is false and whenever there is nothing to be said */
    double value;               /* what was judged: the value itself, a distance, seconds of silence … */
    double expected, low, high; /* what normal would have been: NaN where the kind has no such notion */
    bool is_warm;               /* enough was learned for the score to mean something */
    int8_t dimension;           /* which contributed most; -1: none */
};

/* parameters: object as the kind's fields say, or NULL.  model: a native model of that kind to begin with
 * ({"kind","format":1,…}), or NULL.  SU_INVALID names the field ("/parameters/period", "/model/centres"). */
bool detector_new(const char *kind, const json_t *parameters, const json_t *model, size_t dimensions, struct detector **ret,
                  struct su_err *err);
void detector_free(struct detector *detector);
static inline void detector_free_pointer(struct detector **detector) { detector_free(*detector); }
#define DETECTOR_AUTO SU_CLEANUP(detector_free_pointer)

/* "seasonal/1": kind and version of its algorithm; a change of what it computes is a new version. */
const char *detector_code(const struct detector *detector);
size_t detector_state_bytes(const struct detector *detector);   /* ≤ DETECTOR_STATE_MAX, aligned as max_align_t */
void detector_begin(const struct detector *detector, void *state);
void detector_update(const struct detector *detector, void *state, const struct detector_point *point, struct detector_verdict *ret);
/* Is this memory a state of this detector?  Checks what came back from a disk: sizes, counts, finiteness where the code relies on it. */
bool detector_check(const struct detector *detector, const void *state, size_t size);
/* What it has learned, as a native model that detector_new takes (new reference); NULL: this kind has none to give, or not yet. */
json_t *detector_model(const struct detector *detector, const void *state);

/* All kinds: [{"name","version","summary","source","cost","is_multivariate","parameters":[{"name","type","default","help"}]}]
 * (new reference). */
json_t *detector_kinds(void);
