/* k-means: how far is this point from the nearest of a few typical ones?  Layer act; pure.
 *
 * Lloyd, "Least squares quantization in PCM" (1957, 1982), with the seeds of Arthur and Vassilvitskii, "k-means++"
 * (SODA 2007), section 2, chosen greedily instead of by chance.  The centres are those of an evenly thinned memory: at first
 * every point is kept, then one of two, and so on (at scattered places, or a series that takes turns would show one of its
 * sides only) until what is kept reaches back `memory` points; from then
 * on the oldest makes room.  Whenever a point is kept, one step of Lloyd's brings the centres up to it, so they follow
 * what changes and forget what does not come back.  With one value a point the last four are judged together ("lags").
 *
 * A model that was learned elsewhere brings its own centres and keeps them:
 *   {"kind":"kmeans","format":1,"centres":[[…],…],"mean":[…],"scale":[…],"lags":1,"distances":[…]}
 * centres are in units of scale away from mean, as a StandardScaler and a KMeans leave them; a row is lags × dimensions
 * long, the newest point first; mean and scale have one number a dimension; distances (optional) are those of normal
 * points from their centre: with thirty of them the detector judges from its first point on.
 *
 * Cost: k × features multiplications a point; the step of Lloyd's is 128 times that, once in memory / 128 points: 0.3 µs
 * altogether for 8 × 4.  State 2 to 6 KiB. */
#include <float.h>
#include <stdlib.h>

#include "act/detector_private.h"
#include "act/rarity.h"

enum { CENTRES_MAX = 16, FEATURES_MAX = 64, FLOATS = 1280, CENTRE_FLOATS = 512, KEPT_MAX = 128, LAGS_ALONE = 4, DISTANCES_MAX = 10000 };
#define VALUE_MAX 1e15      /* what is farther away is taken for this: its square is a float */

struct settings {
    int64_t centres, lags, memory;
};
static const struct settings usual = {.centres = 8, .lags = 0, .memory = 4096};
static const struct su_field fields[] = {
    SU_FIELD(struct settings, centres, SU_FIELD_INT, .min = 1, .max = CENTRES_MAX, .help = "How many typical points; a model brings its own."),
    SU_FIELD(struct settings, lags, SU_FIELD_INT, .min = 0, .max = FEATURES_MAX,
             .help = "Points judged together: 1 judges each alone; 0: 1, or 4 when a point has one value."),
    SU_FIELD(struct settings, memory, SU_FIELD_INT, .min = KEPT_MAX, .max = 1e9, .help = "How many points back the centres reach."),
    SU_FIELD_END,
};

/* From a model; NULL: the centres are learned. */
struct made {
    size_t centres, lags;
    double mean[DETECTOR_DIMENSIONS_MAX], scale[DETECTOR_DIMENSIONS_MAX];
    float rows[CENTRE_FLOATS];
    struct rarity rarity;       /* that has learned the model's distances */
};

struct state {
    struct rarity rarity;
    uint64_t learned;           /* points */
    uint64_t stride;            /* every how many points one is kept */
    uint32_t centres;           /* 0: none yet */
    uint32_t kept, oldest;      /* rows of the memory, a ring once it is full */
    uint32_t filled;            /* lags */
    double origin[DETECTOR_DIMENSIONS_MAX];     /* the first values: what is kept is the distance from here, in units of their size */
    double mean[DETECTOR_DIMENSIONS_MAX], variance[DETECTOR_DIMENSIONS_MAX];
    float lagged[FEATURES_MAX]; /* the last points, newest first */
    float rows[FLOATS];         /* centres, then the memory */
};

/* ------------------------------------------------------------------- layout */

static const struct settings *settings_of(const struct detector *detector) { return detector->settings; }

static size_t lags_of(const struct detector *detector)
{
    const struct made *made = detector->made;
    size_t lags = (size_t)settings_of(detector)->lags;
    return made ? made->lags : lags ? lags : detector->dimensions == 1 ? LAGS_ALONE : 1;
}

static size_t features_of(const struct detector *detector) { return detector->dimensions * lags_of(detector); }

static size_t centres_of(const struct detector *detector)
{
    const struct made *made = detector->made;
    return made ? made->centres : (size_t)settings_of(detector)->centres;
}

/* Rows that the memory holds. */
static size_t room_of(const struct detector *detector)
{
    size_t features = features_of(detector), rows = (FLOATS - centres_of(detector) * features) / features;
    return rows < KEPT_MAX ? rows : KEPT_MAX;
}

static float *kept_row(const struct detector *detector, struct state *state, size_t number)
{
    return state->rows + (centres_of(detector) + number) * features_of(detector);
}

static size_t state_bytes(const struct detector *detector) { return sizeof(struct state); }

/* -------------------------------------------------------------------- model */

static bool read_numbers(const json_t *list, size_t count, double least, const char *field, double *ret, struct su_err *err)
{
    if (!json_is_array(list) || json_array_size(list) != count)
        return su_fail_field(err, SU_INVALID, field, "%s: must be a list of %zu numbers", field + 1, count);
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get(list, i);
        ret[i] = json_number_value(number);
        if (!json_is_number(number) || !isfinite(ret[i]) || ret[i] < least || fabs(ret[i]) > DBL_MAX / 2)
            return su_fail_field(err, SU_INVALID, field, "%s: item %zu must be a number%s", field + 1, i, least >= 0 ? " above 0" : "");
    }
    return true;
}

static bool read_centres(const json_t *model, size_t features, struct made *made, struct su_err *err)
{
    const json_t *centres = json_object_get(model, "centres");
    made->centres = json_array_size(centres);
    if (made->centres < 1 || made->centres > CENTRES_MAX)
        return su_fail_field(err, SU_INVALID, "/model/centres", "model/centres: must be a list of 1 to %d centres", CENTRES_MAX);
    if (features > FEATURES_MAX || made->centres * features > CENTRE_FLOATS)
        return su_fail_field(err, SU_LIMIT, "/model/centres", "model/centres: %zu centres of %zu numbers are more than %d numbers",
                             made->centres, features, CENTRE_FLOATS);
    for (size_t i = 0; i < made->centres; i++) {
        double row[FEATURES_MAX];
        char field[32];
        snprintf(field, sizeof field, "/model/centres/%zu", i);
        if (!read_numbers(json_array_get(centres, i), features, -DBL_MAX, field, row, err))
            return false;
        for (size_t j = 0; j < features; j++)
            made->rows[i * features + j] = (float)fmin(fmax(row[j], -VALUE_MAX), VALUE_MAX);
    }
    return true;
}

static bool read_distances(const json_t *distances, struct made *made, struct su_err *err)
{
    if (!distances)
        return true;
    size_t count = json_array_size(distances);
    if (!json_is_array(distances) || count > DISTANCES_MAX)
        return su_fail_field(err, SU_INVALID, "/model/distances", "model/distances: must be a list of at most %d numbers", DISTANCES_MAX);
    for (size_t i = 0; i < count; i++) {
        const json_t *distance = json_array_get(distances, i);
        if (!json_is_number(distance) || json_number_value(distance) < 0)
            return su_fail_field(err, SU_INVALID, "/model/distances", "model/distances: item %zu must be a number of at least 0", i);
        rarity_learn(&made->rarity, json_number_value(distance));
    }
    return true;
}

static bool read_model(struct detector *detector, const json_t *model, struct su_err *err)
{
    struct made *made = detector->made = su_alloc(sizeof *made);
    int64_t lags = su_json_int(model, "lags", 1);
    if (lags < 1 || lags > FEATURES_MAX)
        return su_fail_field(err, SU_INVALID, "/model/lags", "model/lags: must be 1..%d", FEATURES_MAX);
    made->lags = (size_t)lags;
    size_t dimensions = detector->dimensions;
    return read_numbers(json_object_get(model, "mean"), dimensions, -DBL_MAX, "/model/mean", made->mean, err) &&
           read_numbers(json_object_get(model, "scale"), dimensions, DBL_MIN, "/model/scale", made->scale, err) &&
           read_centres(model, dimensions * made->lags, made, err) &&
           read_distances(json_object_get(model, "distances"), made, err);
}

static bool configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    if (model)
        return read_model(detector, model, err);
    size_t features = features_of(detector);
    if (features > FEATURES_MAX || features * centres_of(detector) > CENTRE_FLOATS)
        return su_fail_field(err, SU_LIMIT, "/parameters/lags",
                             "lags: %zu values × %zu lags × %zu centres: at most %d values × lags, and %d numbers for all centres",
                             detector->dimensions, lags_of(detector), centres_of(detector), FEATURES_MAX, CENTRE_FLOATS);
    return true;
}

static void begin(const struct detector *detector, void *memory)
{
    struct state *state = memory;
    const struct made *made = detector->made;
    state->stride = 1;
    if (!made)
        return;
    state->rarity = made->rarity;
    state->centres = (uint32_t)made->centres;
    memcpy(state->rows, made->rows, made->centres * features_of(detector) * sizeof *made->rows);
}

/* ---------------------------------------------------------------- distances */

/* One over the squared scale of each dimension. A dimension that never moved counts in units of its own. */
static void weights(const struct detector *detector, const struct state *state, float *ret)
{
    for (size_t i = 0; i < features_of(detector); i++) {
        double variance = state->variance[i % detector->dimensions];
        ret[i] = detector->made ? 1 : (float)fmin(fmax(variance > 0 ? 1 / variance : 1, 1e-30), 1e30);
    }
}

static float squared(const float *a, const float *b, const float *weight, size_t features)
{
    float sum = 0;
    for (size_t i = 0; i < features; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]) * weight[i];
    return sum;
}

static size_t nearest(const struct detector *detector, const struct state *state, const float *row, const float *weight, float *ret)
{
    size_t features = features_of(detector), best = 0;
    *ret = INFINITY;
    for (size_t i = 0; i < state->centres; i++) {
        float distance = squared(row, state->rows + i * features, weight, features);
        if (distance < *ret) {
            *ret = distance;
            best = i;
        }
    }
    return best;
}

/* ----------------------------------------------------------------- learning */

/* Each seed is the kept row that leaves the least distance to the seeds over all rows. */
static void seed(const struct detector *detector, struct state *state, const float *weight)
{
    size_t features = features_of(detector);
    float near[KEPT_MAX];
    for (size_t i = 0; i < state->kept; i++)
        near[i] = INFINITY;
    for (state->centres = 0; state->centres < centres_of(detector); state->centres++) {
        size_t best = 0;
        double least = INFINITY;
        for (size_t candidate = 0; candidate < state->kept; candidate++) {
            double left = 0;
            const float *row = kept_row(detector, state, candidate);
            for (size_t i = 0; i < state->kept; i++)
                left += (double)fminf(near[i], squared(kept_row(detector, state, i), row, weight, features));
            if (left < least) {
                least = left;
                best = candidate;
            }
        }
        float *centre = state->rows + state->centres * features;
        memcpy(centre, kept_row(detector, state, best), features * sizeof *centre);
        for (size_t i = 0; i < state->kept; i++)
            near[i] = fminf(near[i], squared(kept_row(detector, state, i), centre, weight, features));
    }
}

/* One step of Lloyd's; a centre that no row is nearest to moves to the row that is farthest from its own. */
static void step(const struct detector *detector, struct state *state, const float *weight)
{
    size_t features = features_of(detector), farthest = 0;
    float sums[CENTRE_FLOATS] = {0}, most = -1;
    uint32_t counts[CENTRES_MAX] = {0};
    for (size_t i = 0; i < state->kept; i++) {
        const float *row = kept_row(detector, state, i);
        float distance;
        size_t which = nearest(detector, state, row, weight, &distance);
        counts[which]++;
        for (size_t j = 0; j < features; j++)
            sums[which * features + j] += row[j];
        if (distance > most) {
            most = distance;
            farthest = i;
        }
    }
    for (size_t which = 0; which < state->centres; which++) {
        float *centre = state->rows + which * features;
        for (size_t j = 0; counts[which] && j < features; j++)
            centre[j] = sums[which * features + j] / (float)counts[which];
        if (!counts[which] && most > 0) {
            memcpy(centre, kept_row(detector, state, farthest), features * sizeof *centre);
            most = 0;           /* one of them is enough */
        }
    }
}

/* Scattered, yet the same in a replay (Knuth's multiplicative hash): a choice out of `count`. */
static uint64_t scattered(uint64_t number, uint64_t count) { return (number * UINT64_C(0x9e3779b97f4a7c15) >> 32) % count; }

/* Keep one row of two, in order. */
static void thin(const struct detector *detector, struct state *state)
{
    size_t features = features_of(detector);
    for (size_t i = 0; 2 * i < state->kept; i++) {
        size_t from = 2 * i + scattered(i, 2);
        memmove(kept_row(detector, state, i), kept_row(detector, state, from < state->kept ? from : 2 * i), features * sizeof(float));
    }
    state->kept = (state->kept + 1) / 2;
    state->stride *= 2;
}

/* Returns false when the memory is as it was. */
static bool keep(const struct detector *detector, struct state *state)
{
    size_t room = room_of(detector);
    if (state->kept == room && state->oldest == 0 && state->stride * room < (uint64_t)settings_of(detector)->memory)
        thin(detector, state);
    if (state->learned % state->stride != scattered(state->learned / state->stride, state->stride))
        return false;
    size_t place = state->kept < room ? state->kept++ : state->oldest;
    if (state->kept == room && place == state->oldest)
        state->oldest = (uint32_t)((state->oldest + 1) % room);
    memcpy(kept_row(detector, state, place), state->lagged, features_of(detector) * sizeof(float));
    return true;
}

/* When there are a few rows, twice as many, and all: the seeds of the first hour are poor seeds for the first day. */
static bool is_time_to_seed(const struct detector *detector, const struct state *state)
{
    size_t room = room_of(detector), few = DETECTOR_WARM_POINTS < room ? DETECTOR_WARM_POINTS : room;
    return state->kept >= centres_of(detector) && state->stride == 1 &&
           (state->kept == few || state->kept == 2 * few || (state->kept == room && state->learned == room));
}

static void learn(const struct detector *detector, struct state *state)
{
    double rate = fmax(1 / (double)(state->learned + 1), 1 / (double)settings_of(detector)->memory);
    for (size_t i = 0; i < detector->dimensions; i++) {
        double away = state->lagged[i] - state->mean[i];
        state->mean[i] += rate * away;
        state->variance[i] += rate * ((1 - rate) * away * away - state->variance[i]);
    }
    bool is_kept = keep(detector, state);
    state->learned++;
    if (!is_kept)
        return;
    float weight[FEATURES_MAX];
    weights(detector, state, weight);
    if (is_time_to_seed(detector, state))
        seed(detector, state, weight);
    if (state->centres)
        step(detector, state, weight);
}

/* ------------------------------------------------------------------ judging */

/* In the model's units, or as the distance from the first value in units of its size. */
static float scaled(const struct detector *detector, const struct state *state, size_t dimension, double value)
{
    const struct made *made = detector->made;
    double origin = made ? made->mean[dimension] : state->origin[dimension];
    double unit = made ? made->scale[dimension] : fabs(origin) > DBL_MIN ? fabs(origin) : 1;
    return (float)fmin(fmax((value - origin) / unit, -VALUE_MAX), VALUE_MAX);
}

/* The point in front of those before it; false: nothing to judge yet.  A point that lacks a value is left out, and the
 * lags begin again. */
static bool take(const struct detector *detector, struct state *state, const struct detector_point *point)
{
    size_t dimensions = detector->dimensions, features = features_of(detector);
    double values[DETECTOR_DIMENSIONS_MAX];
    for (size_t i = 0; i < dimensions; i++) {
        values[i] = value_of(point, i);
        if (isnan(values[i])) {
            state->filled = 0;
            return false;
        }
    }
    if (state->learned == 0 && state->filled == 0)
        memcpy(state->origin, values, dimensions * sizeof *values);
    memmove(state->lagged + dimensions, state->lagged, (features - dimensions) * sizeof *state->lagged);
    for (size_t i = 0; i < dimensions; i++)
        state->lagged[i] = scaled(detector, state, i, values[i]);
    state->filled += state->filled < lags_of(detector);
    return state->filled == lags_of(detector);
}

static size_t farthest_dimension(const struct detector *detector, const struct state *state, size_t centre, const float *weight)
{
    size_t features = features_of(detector), farthest = 0;
    const float *row = state->rows + centre * features;
    float most = -1;
    for (size_t i = 0; i < features; i++) {
        float away = squared(state->lagged + i, row + i, weight + i, 1);
        if (away > most) {
            most = away;
            farthest = i;
        }
    }
    return farthest % detector->dimensions;
}

static void update(const struct detector *detector, void *memory, const struct detector_point *point, struct detector_verdict *ret)
{
    struct state *state = memory;
    if (!take(detector, state, point))
        return;
    if (state->centres) {
        float weight[FEATURES_MAX], distance;
        weights(detector, state, weight);
        size_t centre = nearest(detector, state, state->lagged, weight, &distance);
        ret->value = sqrt((double)distance);
        ret->score = rarity_judge(&state->rarity, ret->value, point->may_learn);
        ret->is_warm = rarity_is_warm(&state->rarity);
        ret->high = rarity_bound(&state->rarity, 0.99);
        ret->dimension = (int8_t)farthest_dimension(detector, state, centre, weight);
    }
    if (point->may_learn && !detector->made)
        learn(detector, state);
}

static bool check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    size_t room = room_of(detector);
    bool is_sound = rarity_check(&state->rarity) && state->stride > 0 && (state->centres == 0 || state->centres == centres_of(detector)) &&
                    state->kept <= room && state->oldest < room && state->filled <= lags_of(detector);
    for (size_t i = 0; is_sound && i < detector->dimensions; i++)
        is_sound = isfinite(state->origin[i]) && isfinite(state->mean[i]) && state->variance[i] >= 0;
    for (size_t i = 0; is_sound && i < FEATURES_MAX; i++)
        is_sound = isfinite((double)state->lagged[i]);
    for (size_t i = 0; is_sound && i < FLOATS; i++)
        is_sound = isfinite((double)state->rows[i]);
    return is_sound;
}

/* ------------------------------------------------------------- giving a model */

static int compare(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;
    return (left > right) - (left < right);
}

/* How far the kept rows are from their centres, in order. */
static json_t *kept_distances(const struct detector *detector, const struct state *state, const float *weight)
{
    float distances[KEPT_MAX];
    struct state copy = *state;
    for (size_t i = 0; i < state->kept; i++)
        nearest(detector, state, kept_row(detector, &copy, i), weight, distances + i);
    qsort(distances, state->kept, sizeof *distances, compare);
    json_t *list = json_array();
    for (size_t i = 0; i < state->kept; i++)
        json_array_append_new(list, json_real(sqrt((double)distances[i])));
    return list;
}

static json_t *model_of(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    const struct made *made = detector->made;
    size_t features = features_of(detector);
    if (!state->centres)
        return NULL;
    float weight[FEATURES_MAX];
    weights(detector, state, weight);
    json_t *mean = json_array(), *scale = json_array(), *centres = json_array();
    for (size_t i = 0; i < detector->dimensions; i++) {
        double origin = made ? made->mean[i] : state->origin[i], unit = fabs(origin) > DBL_MIN ? fabs(origin) : 1;
        double middle = made ? 0 : state->mean[i], spread = sqrt(1 / (double)weight[i]);
        json_array_append_new(mean, json_real(made ? origin : origin + unit * middle));
        json_array_append_new(scale, json_real(made ? made->scale[i] : unit * spread));
    }
    for (size_t which = 0; which < state->centres; which++) {
        json_t *row = json_array();
        for (size_t j = 0; j < features; j++) {
            double middle = made ? 0 : state->mean[j % detector->dimensions];
            json_array_append_new(row, json_real(((double)state->rows[which * features + j] - middle) * sqrt((double)weight[j])));
        }
        json_array_append_new(centres, row);
    }
    json_t *model = json_pack("{s:s, s:i, s:o, s:o, s:o, s:i}", "kind", "kmeans", "format", 1, "centres", centres, "mean", mean, "scale",
                              scale, "lags", (int)lags_of(detector));
    if (!made)
        json_object_set_new(model, "distances", kept_distances(detector, state, weight));
    return model;
}

const struct detector_kind detector_kind_kmeans = {
    .name = "kmeans",
    .version = 2,
    .summary = "The point is far from every one of a few typical points.",
    .source = "Lloyd 1982 with the seeds of k-means++ (SODA 2007), over an evenly thinned memory",
    .cost = "0.3 µs a point for 8 centres of 4 values; 6 KiB a key",
    .dimensions_max = DETECTOR_DIMENSIONS_MAX,
    .fields = fields,
    .settings_bytes = sizeof(struct settings),
    .settings_default = &usual,
    .configure = configure,
    .state_bytes = state_bytes,
    .begin = begin,
    .update = update,
    .check = check,
    .model = model_of,
};
