/* Correlated dimensions: does this point keep to the directions in which the others vary together?  Layer act; pure.
 *
 * Two statistics of a principal component model, as in Jackson and Mudholkar, "Control procedures for residuals
 * associated with principal component analysis" (Technometrics 1979): the residual SPE (also Q), the squared distance
 * from the subspace of the leading components, and Hotelling's T², the squared distance from the mean inside it,
 * in units of the components' spread.  SPE finds dimensions that part company, T² those that go too far together.  With
 * one value a point the dimensions are its last values ("lags"): the sliding windows of Sub-PCA (Schmidl, Wenig and
 * Papenbrock, "Anomaly detection in time series", VLDB 2022), learned as they come.
 *
 * The covariance is a running one that forgets; each refit turns it into components anew.  Each statistic has its own
 * rarity, and the rarer of the two decides, with the chance of two looks taken off.
 *
 * Cost: f²/2 + 2·f·components multiplications a point, f = dimensions × lags; a refit is 0.6 ms for f = 32 and comes
 * every 512 points: about 1 µs a point altogether.  State 1 to 6 KiB. */
#include <float.h>

#include "act/detector_private.h"
#include "act/eigen.h"
#include "act/rarity.h"

enum { FEATURES_MAX = EIGEN_SIZE_MAX, COMPONENTS_MAX = 16, REFIT = 512, LAGS_ALONE = 16 };
#define VALUE_MAX 1e15      /* in units of the first value: what is larger is taken for this, its square is a float */

struct settings {
    int64_t lags, memory, components;
    double explained;
};
static const struct settings usual = {.lags = 0, .memory = 4096, .components = COMPONENTS_MAX, .explained = 0.95};
static const struct su_field fields[] = {
    SU_FIELD(struct settings, lags, SU_FIELD_INT, .min = 0, .max = FEATURES_MAX,
             .help = "Points of a window: 1 judges each alone; 0: 1, or 16 when a point has one value."),
    SU_FIELD(struct settings, memory, SU_FIELD_INT, .min = 64, .max = 1e6, .help = "After how many points what was learned has faded to a third."),
    SU_FIELD(struct settings, components, SU_FIELD_INT, .min = 1, .max = COMPONENTS_MAX, .help = "How many components are kept at most."),
    SU_FIELD(struct settings, explained, SU_FIELD_NUMBER, .min = 0.5, .max = 0.9999, .help = "Share of the variance that the components keep."),
    SU_FIELD_END,
};

/* What follows the struct: mean[f], lagged[f], then as floats unit[f], covariance[f (f + 1) / 2], scale[f], components[most × f].
 * All are in units of each dimension's first value, so that their squares are floats whatever is measured. */
struct state {
    struct rarity residual, inside;
    uint64_t learned;           /* points */
    uint32_t since_refit, refit_after;
    uint32_t components;        /* 0: not fitted yet */
    uint32_t filled;            /* points in lagged */
    float variances[COMPONENTS_MAX];
    double numbers[];
};
struct parts {
    double *mean, *lagged;      /* lagged: the last points, newest first */
    float *unit;
    float *covariance;          /* lower triangle, row by row */
    float *scale, *components;
};

/* ------------------------------------------------------------------- layout */

static const struct settings *settings_of(const struct detector *detector) { return detector->settings; }

static size_t lags_of(const struct detector *detector)
{
    size_t lags = (size_t)settings_of(detector)->lags;
    return lags ? lags : detector->dimensions == 1 ? LAGS_ALONE : 1;
}

static size_t features_of(const struct detector *detector) { return detector->dimensions * lags_of(detector); }

static size_t most_components(const struct detector *detector)
{
    size_t features = features_of(detector), most = (size_t)settings_of(detector)->components;
    return features < most ? features : most;
}

static size_t floats_of(const struct detector *detector)
{
    size_t features = features_of(detector);
    return 2 * features + features * (features + 1) / 2 + most_components(detector) * features;
}

static struct parts parts_of(const struct detector *detector, struct state *state)
{
    size_t features = features_of(detector);
    struct parts parts = {.mean = state->numbers, .lagged = state->numbers + features};
    parts.unit = (float *)(state->numbers + 2 * features);
    parts.covariance = parts.unit + features;
    parts.scale = parts.covariance + features * (features + 1) / 2;
    parts.components = parts.scale + features;
    return parts;
}

static size_t state_bytes(const struct detector *detector)
{
    return sizeof(struct state) + 2 * features_of(detector) * sizeof(double) + floats_of(detector) * sizeof(float);
}

static bool configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    if (features_of(detector) > FEATURES_MAX)
        return su_fail_field(err, SU_LIMIT, "/parameters/lags", "lags: %zu values × %zu lags are more than %d", detector->dimensions,
                             lags_of(detector), FEATURES_MAX);
    (void)model;
    return true;
}

/* ----------------------------------------------------------------- learning */

static void learn(const struct detector *detector, struct state *state, const double *features)
{
    struct parts parts = parts_of(detector, state);
    size_t size = features_of(detector);
    double rate = fmax(1 / (double)(state->learned + 1), 1 / (double)settings_of(detector)->memory);
    double away[FEATURES_MAX];
    for (size_t i = 0; i < size; i++) {
        away[i] = features[i] - parts.mean[i];
        parts.mean[i] += rate * away[i];
    }
    float *entry = parts.covariance;
    for (size_t i = 0; i < size; i++)
        for (size_t j = 0; j <= i; j++, entry++)
            *entry += (float)(rate * ((1 - rate) * away[i] * away[j] - *entry));
    state->learned++;
    state->since_refit++;
}

/* Components of the correlations, until they explain enough. */
static void refit(const struct detector *detector, struct state *state)
{
    struct parts parts = parts_of(detector, state);
    size_t size = features_of(detector);
    double matrix[FEATURES_MAX * FEATURES_MAX], vectors[FEATURES_MAX * FEATURES_MAX], values[FEATURES_MAX];
    for (size_t i = 0; i < size; i++)
        parts.scale[i] = sqrtf(parts.covariance[i * (i + 1) / 2 + i]);
    double varying = 0;
    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j <= i; j++) {
            double both = (double)parts.scale[i] * (double)parts.scale[j];
            matrix[i * size + j] = matrix[j * size + i] = both > 0 ? parts.covariance[i * (i + 1) / 2 + j] / both : 0;
        }
        varying += parts.scale[i] > 0;
    }
    eigen_symmetric(size, matrix, values, vectors);
    double explained = 0;
    state->components = 0;
    while (state->components < most_components(detector) && explained < settings_of(detector)->explained * varying) {
        uint32_t which = state->components++;
        explained += values[which];
        state->variances[which] = (float)fmax(values[which], 1e-9);
        for (size_t i = 0; i < size; i++)
            parts.components[which * size + i] = (float)vectors[which * size + i];
    }
    state->since_refit = 0;
    state->refit_after = state->learned < REFIT ? (uint32_t)state->learned : REFIT;
}

/* ------------------------------------------------------------------ judging */

struct judged {
    double residual, inside;    /* SPE, T² */
    size_t farthest;            /* feature */
};

static struct judged judge(const struct detector *detector, struct state *state, const double *features)
{
    struct parts parts = parts_of(detector, state);
    size_t size = features_of(detector);
    double rest[FEATURES_MAX];
    for (size_t i = 0; i < size; i++) {
        double away = features[i] - parts.mean[i];
        /* a dimension that never moved: how far it went beside its own size */
        double unit = parts.scale[i] > 0 ? (double)parts.scale[i] : fmax(fabs(parts.mean[i]), 1e-300);
        rest[i] = fmin(fmax(away / unit, -1e100), 1e100);
    }
    struct judged judged = {0};
    double largest[FEATURES_MAX];
    memcpy(largest, rest, sizeof largest);
    for (uint32_t which = 0; which < state->components; which++) {
        const float *component = parts.components + which * size;
        double along = 0;
        for (size_t i = 0; i < size; i++)
            along += component[i] * rest[i];
        for (size_t i = 0; i < size; i++)
            rest[i] -= along * component[i];
        judged.inside += along * along / state->variances[which];
    }
    for (size_t i = 0; i < size; i++) {
        judged.residual += rest[i] * rest[i];
        if (fabs(rest[i]) > fabs(rest[judged.farthest]))
            judged.farthest = i;
    }
    return judged;
}

static void say(const struct detector *detector, struct state *state, const double *features, bool may_learn, struct detector_verdict *ret)
{
    struct judged judged = judge(detector, state, features);
    double residual = rarity_judge(&state->residual, judged.residual, may_learn);
    double inside = rarity_judge(&state->inside, judged.inside, may_learn);
    ret->is_warm = rarity_is_warm(&state->residual);
    ret->score = fmax(0, 1 - 2 * (1 - fmax(residual, inside)));
    ret->value = sqrt(residual >= inside ? judged.residual : judged.inside);
    ret->high = sqrt(rarity_bound(residual >= inside ? &state->residual : &state->inside, 0.99));
    ret->dimension = (int8_t)(judged.farthest % detector->dimensions);
}

/* The point in front of those before it.  What is missing is taken for its mean: it says nothing. */
static bool take(const struct detector *detector, struct state *state, const struct detector_point *point, bool *ret_is_whole)
{
    struct parts parts = parts_of(detector, state);
    size_t dimensions = detector->dimensions, size = features_of(detector), present = 0;
    for (size_t i = 0; i < dimensions; i++)
        present += !isnan(value_of(point, i));
    if (2 * present < dimensions || present == 0) {
        state->filled = 0;      /* lags over a gap would compare what is not neighbours */
        return false;
    }
    memmove(parts.lagged + dimensions, parts.lagged, (size - dimensions) * sizeof *parts.lagged);
    for (size_t i = 0; i < dimensions; i++) {
        double value = value_of(point, i);
        if (parts.unit[i] == 0 && !isnan(value))
            parts.unit[i] = value == 0 ? 1 : (float)fmin(fmax(fabs(value), FLT_MIN), FLT_MAX);
        parts.lagged[i] = isnan(value) ? parts.mean[i] : fmin(fmax(value / (double)parts.unit[i], -VALUE_MAX), VALUE_MAX);
    }
    state->filled += state->filled < lags_of(detector);
    *ret_is_whole = present == dimensions;
    return state->filled == lags_of(detector);
}

static void update(const struct detector *detector, void *memory, const struct detector_point *point, struct detector_verdict *ret)
{
    struct state *state = memory;
    bool is_whole;
    if (!take(detector, state, point, &is_whole))
        return;
    const double *features = parts_of(detector, state).lagged;
    bool may_learn = point->may_learn && is_whole;
    if (state->refit_after)
        say(detector, state, features, may_learn, ret);
    if (!may_learn)
        return;
    learn(detector, state, features);
    size_t first = 2 * features_of(detector) + DETECTOR_WARM_POINTS;
    if (state->refit_after ? state->since_refit >= state->refit_after : state->learned >= first)
        refit(detector, state);
}

static bool check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    size_t features = features_of(detector);
    bool is_sound = rarity_check(&state->residual) && rarity_check(&state->inside) &&
                    state->components <= most_components(detector) && state->filled <= lags_of(detector) && state->refit_after <= REFIT;
    for (size_t i = 0; is_sound && i < state->components; i++)
        is_sound = state->variances[i] > 0;
    for (size_t i = 0; is_sound && i < 2 * features; i++)
        is_sound = isfinite(state->numbers[i]);
    const float *floats = (const float *)(state->numbers + 2 * features);
    for (size_t i = 0; is_sound && i < floats_of(detector); i++)
        is_sound = isfinite((double)floats[i]);
    return is_sound;
}

const struct detector_kind detector_kind_pca = {
    .name = "pca",
    .version = 1,
    .summary = "Values that always moved together part company, or go too far together.",
    .source = "SPE and T²: Jackson and Mudholkar, Technometrics 1979; on lags: Sub-PCA",
    .cost = "1 µs a point, refits included; 1 to 6 KiB a key",
    .dimensions_max = DETECTOR_DIMENSIONS_MAX,
    .fields = fields,
    .settings_bytes = sizeof(struct settings),
    .settings_default = &usual,
    .configure = configure,
    .state_bytes = state_bytes,
    .update = update,
    .check = check,
};
