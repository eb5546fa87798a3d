/* What a kind of detector is: for detector.c and detector_<kind>.c.  Layer act.
 *
 * A new kind is one file that defines a `const struct detector_kind detector_kind_<name>`, its declaration here, and one
 * row in the table of detector.c. */
#pragma once
#include <math.h>
#include <string.h>
#include "detector.h"

struct detector_kind {
    const char *name;
    int version;                        /* of the algorithm: whatever changes a verdict changes it */
    const char *summary, *source, *cost;    /* one line each, for people: what it finds, where it is from, what a point costs */
    size_t dimensions_max;              /* 1: one value a point */
    /* Parameters: a binder table into a struct of settings_bytes, and that struct as it is by default (NULL: no parameters).
     * A default of NaN means "not given". */
    const struct su_field *fields;
    size_t settings_bytes;
    const void *settings_default;
    /* Check what the table cannot, read the model (NULL: none given; a kind that takes none leaves configure or refuses),
     * make what is made once (detector->made).  May be NULL: then a model is refused. */
    bool (*configure)(struct detector *detector, const json_t *model, struct su_err *err);
    void (*release)(struct detector *detector);     /* frees detector->made; may be NULL: then free() does */
    /* The state begins after detector.c's own header, is zeroed before begin, and aligned as max_align_t. */
    size_t (*state_bytes)(const struct detector *detector);     /* ≤ DETECTOR_STATE_MAX - DETECTOR_HEAD_BYTES */
    void (*begin)(const struct detector *detector, void *state);    /* may be NULL */
    /* ret comes filled with nothing to be said: score 0, NaNs, not warm, no dimension. */
    void (*update)(const struct detector *detector, void *state, const struct detector_point *point, struct detector_verdict *ret);
    bool (*check)(const struct detector *detector, const void *state);
    json_t *(*model)(const struct detector *detector, const void *state);   /* may be NULL */
};

enum { DETECTOR_HEAD_BYTES = 16, DETECTOR_WARM_POINTS = 30 };

struct detector {
    const struct detector_kind *kind;
    size_t dimensions, state_bytes;     /* state_bytes with the header */
    char code[48];
    json_t *parameters;                 /* keeps texts of the settings alive */
    void *settings;                     /* the kind's struct */
    void *made;                         /* the kind's, from configure */
};

extern const struct detector_kind detector_kind_threshold, detector_kind_rate, detector_kind_absence, detector_kind_seasonal,
    detector_kind_change, detector_kind_kmeans, detector_kind_pca, detector_kind_shape, detector_kind_combination;

/* A settings member of type number that was given. */
static inline bool is_given(double setting) { return !isnan(setting); }
#define VALUE_LARGEST 1e30
/* One value of a point: NaN where it is missing, and never so large that sums of it, also as floats, overflow. */
static inline double value_of(const struct detector_point *point, size_t dimension)
{
    double value = point->values[dimension];
    return isfinite(value) && point->messages > 0 ? fmin(fmax(value, -VALUE_LARGEST), VALUE_LARGEST) : NAN;
}
