/* Detector `seasonal`: a value against what is usual at this hour of the week.
 *
 * A robust mean and spread per hour of week, per hour of day and over all, learned as baseline.h does with counts that halve
 * every `half_life` weeks (robust Holt-Winters without its trend: Gelper, Fried, Croux 2010).  While a cell has few points
 * it leans on the next coarser one, as an empirical Bayes estimate does (n/(n + 20); Efron and Morris 1975), so that the first
 * day already has a level, the second a day's shape, and the second week a week's.  Between the middles of two hours both
 * are interpolated.  A slow level on top follows what moved for good, within `follow` points.
 *
 * Hours are UTC plus `utc_offset` minutes.  Late points go to the hour they belong to.
 * Cost: 0.2 to 0.3 µs a point; 4.0 KB a key. */
#include "baseline.h"
#include "detector_private.h"
#include "rarity.h"

enum { DAY_HOURS = 24, WEEK_HOURS = 168, CELLS = WEEK_HOURS + DAY_HOURS + 1, DAY_AT = WEEK_HOURS, ALL_AT = WEEK_HOURS + DAY_HOURS };
#define HOUR_US 3600000000.0
#define SHRINK 20.0
#define DEVIATION_TO_SPREAD 1.2533141373155001     /* sqrt(pi/2) */

struct settings { double half_life, follow; int64_t utc_offset; };
static const struct settings settings_default = {4, 200, 0};

/* weight: points, each worth 2^(weeks/half_life) of the time it came. */
struct cell { double mean; float spread, weight; };
struct state {
    struct cell cells[CELLS];
    double level;               /* what the value is above its season of late */
    int64_t base_us;            /* a point of this time has weight 1 */
    uint32_t points, has_base;
    struct rarity rarity;
};

/* The two hours whose middles a time lies between, and how much the later one counts. */
struct place { int early, late; double share; };

static struct place place_of(const struct settings *settings, int64_t time_us)
{
    /* 1970-01-01 was a Thursday; the week begins on Monday. */
    double hours = (double)time_us / HOUR_US + (double)settings->utc_offset / 60 + 3 * DAY_HOURS - 0.5;
    double within = hours - WEEK_HOURS * floor(hours / WEEK_HOURS);
    int early = (int)within % WEEK_HOURS;
    return (struct place){early, (early + 1) % WEEK_HOURS, within - floor(within)};
}

/* What a point of this time weighs; moves the base on when weights grow large. */
static double weight_of(const struct settings *settings, struct state *state, int64_t time_us)
{
    if (!state->has_base) {
        state->base_us = time_us;
        state->has_base = 1;
    }
    double halves = ((double)time_us - (double)state->base_us) / (HOUR_US * WEEK_HOURS * settings->half_life);
    if (halves > 8) {
        for (int i = 0; i < CELLS; i++)
            state->cells[i].weight = (float)ldexp(state->cells[i].weight, halves < 1000 ? -(int)halves : -1000);
        state->base_us = time_us;
        halves = 0;
    }
    return exp2(fmax(halves, -8));
}

/* A cell leaning on a coarser estimate. */
static void lean(const struct cell *cell, double unit, double *mean, double *spread)
{
    double points = cell->weight / unit, own = points / (points + SHRINK);
    *mean += own * (cell->mean - *mean);
    *spread += own * (cell->spread - *spread);
}

static void usual_at(const struct state *state, int hour, double unit, double *ret_mean, double *ret_spread)
{
    *ret_mean = state->cells[ALL_AT].mean;
    *ret_spread = state->cells[ALL_AT].spread;
    lean(&state->cells[DAY_AT + hour % DAY_HOURS], unit, ret_mean, ret_spread);
    lean(&state->cells[hour], unit, ret_mean, ret_spread);
}

/* One step of a cell towards what was seen; share: how much of the point is the cell's. */
static void learn(struct cell *cell, double value, double off, double spread, double weight, double share)
{
    if (share < 1e-3)
        return;
    weight *= share;
    double total = cell->weight + weight, step = weight / total;
    double error = baseline_clip(value - cell->mean, spread);
    cell->mean = cell->weight > 0 ? cell->mean + step * error : value;
    cell->spread += (float)(step * (DEVIATION_TO_SPREAD * fabs(baseline_clip(off, spread)) - cell->spread));
    cell->weight = (float)total;
}

static void learn_point(const struct settings *settings, struct state *state, struct place place, double value, double expected,
                        double spread, double weight)
{
    double off = value - expected, seasonal = value - state->level;
    double clip = state->points < BASELINE_POINTS ? INFINITY : fmax(spread, 1e-12 * fabs(expected));
    learn(&state->cells[place.early], seasonal, off, clip, weight, 1 - place.share);
    learn(&state->cells[place.late], seasonal, off, clip, weight, place.share);
    learn(&state->cells[DAY_AT + place.early % DAY_HOURS], seasonal, off, clip, weight, 1 - place.share);
    learn(&state->cells[DAY_AT + place.late % DAY_HOURS], seasonal, off, clip, weight, place.share);
    learn(&state->cells[ALL_AT], seasonal, off, clip, weight, 1);
    if (state->points >= BASELINE_POINTS)
        state->level += baseline_clip(off, clip) / settings->follow;
    state->points += state->points < UINT32_MAX;
}

static void seasonal_update(const struct detector *detector, void *memory, const struct detector_point *point,
                            struct detector_verdict *ret)
{
    struct state *state = memory;
    const struct settings *settings = detector->settings;
    double value = value_of(point, 0);
    if (isnan(value))
        return;
    struct place place = place_of(settings, point->time_us);
    double weight = weight_of(settings, state, point->time_us), early, late, early_spread, late_spread;
    usual_at(state, place.early, weight, &early, &early_spread);
    usual_at(state, place.late, weight, &late, &late_spread);
    double expected = state->points ? early + place.share * (late - early) + state->level : value;
    double spread = early_spread + place.share * (late_spread - early_spread);
    double unit = fmax(spread, 1e-12 * fabs(expected) + 1e-30), strangeness = fabs(value - expected) / unit;
    double band = rarity_bound(&state->rarity, 0.99) * unit;
    *ret = (struct detector_verdict){.value = value, .expected = expected, .low = expected - band, .high = expected + band,
                                     .is_warm = rarity_is_warm(&state->rarity)};
    ret->score = rarity_judge(&state->rarity, strangeness, point->may_learn && state->points >= BASELINE_POINTS);
    if (point->may_learn)
        learn_point(settings, state, place, value, expected, spread, weight);
}

static size_t seasonal_bytes(const struct detector *detector) { return sizeof(struct state); }

static bool seasonal_check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    bool is_sound = rarity_check(&state->rarity) && isfinite(state->level);
    for (int i = 0; i < CELLS && is_sound; i++) {
        const struct cell *cell = &state->cells[i];
        is_sound = isfinite(cell->mean) && cell->spread >= 0 && isfinite(cell->spread) && cell->weight >= 0 && isfinite(cell->weight);
    }
    return is_sound;
}

static const struct su_field seasonal_fields[] = {
    SU_FIELD(struct settings, half_life, SU_FIELD_NUMBER, .min = 0.1, .max = 520,
             .help = "weeks after which a point counts half in what its hour of the week is like"),
    SU_FIELD(struct settings, follow, SU_FIELD_NUMBER, .min = 1, .max = 1e9,
             .help = "points within which a lasting shift becomes normal"),
    SU_FIELD(struct settings, utc_offset, SU_FIELD_INT, .min = -840, .max = 840, .help = "minutes by which local time is ahead of UTC"),
    SU_FIELD_END};

const struct detector_kind detector_kind_seasonal = {
    .name = "seasonal", .version = 1,
    .summary = "a value against what is usual at this hour of the week",
    .source = "Gelper, Fried, Croux, Robust forecasting with exponential and Holt-Winters smoothing, 2010",
    .cost = "0.3 µs a point, 3.5 KB a key",
    .dimensions_max = 1,
    .fields = seasonal_fields, .settings_bytes = sizeof(struct settings), .settings_default = &settings_default,
    .state_bytes = seasonal_bytes, .update = seasonal_update, .check = seasonal_check};
