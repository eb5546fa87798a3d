/* Shapes: how far is the newest window from the most similar one of the recent past?  Layer act; pure.
 *
 * The left nearest neighbour of Lu, Wu, Mueen, Zuluaga and Keogh, "Matrix Profile XXIV: DAMP" (KDD 2022), sections 2 and
 * 3: a window that resembles none before it is a discord, and only the past may be asked.  Their pruning finds the one
 * largest discord of a long recording sooner; here every point needs a score, so each is compared with all
 * windows of a bounded past, in an order of work that vector units like.
 *
 * Windows are compared after their mean is taken out and their spread divided away.  To the spread a fraction of what
 * is usual is added, or the noise on a quiet stretch, blown up to size one, would be the strangest shape of all.
 *
 * A point joins the past when it leaves the window, and only if it came and went while learning was allowed: the first
 * windows of what turned out to be an episode are not remembered as normal.
 *
 * Cost: window × history multiplications, 6 to 9 µs a point for 24 × 1,024; 4 bytes a point of history. */
#include <float.h>

#include "act/detector_private.h"
#include "act/rarity.h"

enum { WINDOW_MAX = 64, HISTORY_MAX = 1664, BLOCK = 16 };
#define FLATNESS 0.25       /* of the usual variance of a window is added to each */
#define FAR 1e15            /* farther is taken for this: its square is a float */
#define FORGET 0.002        /* how fast the usual variance follows */

struct settings {
    int64_t window, history, dimension;
};
static const struct settings usual = {.window = 24, .history = 1024};
static const struct su_field fields[] = {
    SU_FIELD(struct settings, window, SU_FIELD_INT, .min = 8, .max = WINDOW_MAX, .help = "Points of a shape."),
    SU_FIELD(struct settings, history, SU_FIELD_INT, .min = 64, .max = HISTORY_MAX,
             .help = "Points of the past it is compared with; at least four windows."),
    SU_FIELD(struct settings, dimension, SU_FIELD_INT, .min = 0, .max = DETECTOR_DIMENSIONS_MAX - 1,
             .help = "Which of several values is judged, counted from 0."),
    SU_FIELD_END,
};

struct state {
    struct rarity rarity;
    double origin, unit;        /* values are kept as distances from the first, in units of its size: floats are short */
    double last;                /* value, for what is missing */
    double usual_variance;      /* of a window */
    uint64_t may_learn;         /* bit n: the window's point of n points ago came while learning was allowed */
    uint32_t points;            /* in the window, at most its size */
    uint32_t gap;               /* points missing in a row */
    uint32_t past;              /* points of history */
    uint32_t has_origin;
    float numbers[];            /* the window, then the history, both oldest first, then a block that only products() looks at */
};

static const struct settings *settings_of(const struct detector *detector) { return detector->settings; }

static float *history_of(const struct detector *detector, struct state *state) { return state->numbers + settings_of(detector)->window; }

/* One block more than asked for, so that the oldest make room a block at a time. */
static size_t room_of(const struct detector *detector) { return (size_t)settings_of(detector)->history + BLOCK; }

static bool configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    const struct settings *settings = settings_of(detector);
    (void)model;
    if (settings->history < 4 * settings->window)
        return su_fail_field(err, SU_INVALID, "/parameters/history", "history: must be at least four windows, %lld points",
                             (long long)(4 * settings->window));
    if ((size_t)settings->dimension >= detector->dimensions)
        return su_fail_field(err, SU_INVALID, "/parameters/dimension", "dimension: a point has only %zu values", detector->dimensions);
    return true;
}

static size_t state_bytes(const struct detector *detector)
{
    return sizeof(struct state) + ((size_t)settings_of(detector)->window + room_of(detector) + BLOCK) * sizeof(float);
}

static void remember(const struct detector *detector, struct state *state, float value)
{
    float *history = history_of(detector, state);
    if (state->past == room_of(detector)) {
        memmove(history, history + BLOCK, (state->past - BLOCK) * sizeof *history);
        state->past -= BLOCK;
    }
    history[state->past++] = value;
}

/* The point enters the window, and what leaves it is remembered. */
static void push(const struct detector *detector, struct state *state, double value, bool may_learn)
{
    size_t size = (size_t)settings_of(detector)->window;
    if (state->points == size) {
        if (may_learn && state->may_learn >> (size - 1) & 1)
            remember(detector, state, state->numbers[0]);
        memmove(state->numbers, state->numbers + 1, (size - 1) * sizeof *state->numbers);
        state->points--;
    }
    state->numbers[state->points++] = (float)fmin(fmax((value - state->origin) / state->unit, -FAR), FAR);
    state->may_learn = state->may_learn << 1 | may_learn;
}

/* A missing value is taken for the last one; after half a window of them the window begins again. */
static bool take(const struct detector *detector, struct state *state, const struct detector_point *point)
{
    double value = value_of(point, (size_t)settings_of(detector)->dimension);
    if (!isnan(value)) {
        if (!state->has_origin) {
            state->origin = value;
            state->unit = fabs(value) > DBL_MIN ? fabs(value) : 1;
            state->has_origin = 1;
        }
        state->gap = 0;
        state->last = value;
    } else if (!state->has_origin || ++state->gap > settings_of(detector)->window / 2) {
        state->points = 0;
        state->gap = state->has_origin ? (uint32_t)settings_of(detector)->window : 0;
        return false;
    }
    push(detector, state, state->last, point->may_learn);
    return state->gap == 0 && state->points == settings_of(detector)->window;
}

/* Sum of squares of the newest window around its mean; centred receives the window without it. */
static double centre(const struct state *state, size_t size, float *centred)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < size; i++)
        sum += state->numbers[i];
    for (size_t i = 0; i < size; i++) {
        centred[i] = (float)(state->numbers[i] - sum / (double)size);
        squares += (double)centred[i] * centred[i];
    }
    return squares;
}

/* Four floats side by side, wherever they stand.  Written out, because compilers keep sums that are an array in memory:
 * three times slower. */
typedef float four __attribute__((vector_size(16)));
typedef float four_anywhere __attribute__((vector_size(16), aligned(4), may_alias));

/* BLOCK windows of the past, each with its product with the newest one: all windows step by step, for vector units. */
static void products(const float *history, const float *centred, size_t size, float *ret)
{
    four sums[BLOCK / 4] = {{0}};
    for (size_t i = 0; i < size; i++) {
        const four_anywhere *past = (const four_anywhere *)(history + i);
        four one = {centred[i], centred[i], centred[i], centred[i]};
        sums[0] += one * past[0];
        sums[1] += one * past[1];
        sums[2] += one * past[2];
        sums[3] += one * past[3];
    }
    memcpy(ret, sums, sizeof sums);
}

/* The windows' own sums of squares around their means: sliding sums, in double because they are differences. */
struct sliding {
    double sum, squares;
};

static void spreads(struct sliding *sliding, const float *history, size_t size, size_t count, float *ret)
{
    double sum = sliding->sum, squares = sliding->squares, share = 1 / (double)size, leaves = 0, leaves_square = 0;
    for (size_t window = 0; window < count; window++) {
        double in = history[window + size - 1];
        sum += in - leaves;
        squares += in * in - leaves_square;
        double theirs = squares - sum * sum * share;
        ret[window] = theirs > 0 ? (float)theirs : 0;
        leaves = history[window];
        leaves_square = leaves * leaves;
    }
    *sliding = (struct sliding){sum - leaves, squares - leaves_square};
}

/* |a/p - b/q|² = |a|²/p² + |b|²/q² - 2ab/(pq), where p and q are the spreads: its least over a block, without the first term. */
static float least_of(const float *products, const float *theirs, float extra, float twice, size_t count)
{
    float distances[BLOCK], least = FLT_MAX;
    for (size_t window = 0; window < BLOCK; window++) {
        float inverse = 1 / sqrtf(theirs[window] + extra);
        distances[window] = (theirs[window] * inverse - twice * products[window]) * inverse;
    }
    for (size_t window = 0; window < count; window++)
        least = distances[window] < least ? distances[window] : least;
    return least;
}

/* Squared distance, per point, of the newest window to the most similar one of the past. */
static double nearest(const float *history, size_t windows, double usual_variance, size_t size, const float *centred, double squares)
{
    double extra = FLATNESS * usual_variance * (double)size;
    struct sliding sliding = {0};
    for (size_t i = 0; i < size - 1; i++) {
        sliding.sum += history[i];
        sliding.squares += (double)history[i] * history[i];
    }
    float least = FLT_MAX, sums[BLOCK], theirs[BLOCK] = {0};
    for (size_t window = 0; window < windows; window += BLOCK) {
        size_t count = windows - window < BLOCK ? windows - window : BLOCK;
        products(history + window, centred, size, sums);
        spreads(&sliding, history + window, size, count, theirs);
        least = fminf(least, least_of(sums, theirs, (float)fmax(extra, FLT_MIN), (float)(2 / sqrt(squares + extra)), count));
    }
    return fmax(squares / (squares + extra) + (double)least, 0);
}

static void update(const struct detector *detector, void *memory, const struct detector_point *point, struct detector_verdict *ret)
{
    struct state *state = memory;
    size_t size = (size_t)settings_of(detector)->window;
    if (!take(detector, state, point))
        return;
    float centred[WINDOW_MAX];
    double squares = centre(state, size, centred), variance = squares / (double)size;
    if (state->usual_variance == 0)
        state->usual_variance = variance;
    if (state->past >= 2 * size && state->usual_variance > 0) {
        ret->value = sqrt(nearest(history_of(detector, state), state->past - size + 1, state->usual_variance, size, centred, squares));
        ret->score = rarity_judge(&state->rarity, ret->value, point->may_learn);
        ret->is_warm = rarity_is_warm(&state->rarity);
        ret->high = rarity_bound(&state->rarity, 0.99);
        ret->dimension = (int8_t)settings_of(detector)->dimension;
    }
    if (point->may_learn)
        state->usual_variance += FORGET * (variance - state->usual_variance);
}

static bool check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    const struct settings *settings = settings_of(detector);
    bool is_sound = rarity_check(&state->rarity) && isfinite(state->origin) && state->unit >= 0 && isfinite(state->last) &&
                    isfinite(state->usual_variance) && state->usual_variance >= 0 && state->points <= settings->window &&
                    state->gap <= settings->window && state->past <= room_of(detector) && state->has_origin <= 1;
    for (size_t i = 0; is_sound && i < (size_t)settings->window + state->past; i++)
        is_sound = isfinite((double)state->numbers[i]);
    return is_sound;
}

const struct detector_kind detector_kind_shape = {
    .name = "shape",
    .version = 1,
    .summary = "The newest stretch looks like none of the recent past, whatever its level and size.",
    .source = "left nearest neighbours: DAMP, KDD 2022, sections 2 and 3",
    .cost = "6 to 9 µs a point for 24 points of 1,024; 5 KiB a key",
    .dimensions_max = DETECTOR_DIMENSIONS_MAX,
    .fields = fields,
    .settings_bytes = sizeof(struct settings),
    .settings_default = &usual,
    .configure = configure,
    .state_bytes = state_bytes,
    .update = update,
    .check = check,
};
