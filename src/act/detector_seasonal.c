/* Detector `seasonal`: a value against what is usual at this hour of the week.
 *
 * A robust mean and spread per hour of week and per hour of day, learned as baseline.h does with counts that halve
 * every `half_life` weeks (robust Holt-Winters without its trend: Gelper, Fried, Croux 2010).  While a cell has few points
 * it leans on the next coarser one, as an empirical Bayes estimate does (n/(n + 5) for means, n/(n + 30) for spreads; Efron
 * and Morris 1975): the hour of week on the hour of day, that on the level of late.  So the first hours already
 * have a level, the second day a day's shape, the second week a week's.  An hour of the week that was never seen
 * begins as far from its hour of day as the hour before was: a first Saturday differs all day.  Between the middles of two
 * hours both are interpolated.  A shift on top follows what moved for good, within `follow` points.
 *
 * Hours are those of the clocks in `zone`, daylight saving included.  A point stands for the middle of its window, half the
 * smallest distance between points before its time; a late one goes to the hour it belongs to.
 * Cost: 0.2 to 0.3 µs a point; 3.5 KB a key. */
#include "base/zone.h"
#include "baseline.h"
#include "detector_private.h"
#include "rarity.h"

enum { DAY_HOURS = 24, WEEK_HOURS = 168, CELLS = WEEK_HOURS + DAY_HOURS };
#define HOUR_US 3600000000.0
#define MEAN_LEAN 5.0           /* points that a coarser estimate is worth */
#define SPREAD_LEAN 30.0
#define LATE_MEMORY 30.0
#define SPREAD_MEMORY 3000.0
#define DEVIATION_TO_SPREAD 1.2533141373155001     /* sqrt(pi/2) */

struct settings { double half_life, follow; const char *zone; };
static const struct settings settings_default = {4, 200, "UTC"};
struct made { const struct su_zone *zone; };

/* weight: points, each worth 2^(weeks/half_life) of the time it came. */
struct cell { double mean; float spread, weight; };
struct state {
    struct cell week[WEEK_HOURS], day[DAY_HOURS];
    double late;                /* the value of late, without any season */
    double shift;               /* what the value is above its season of late */
    double spread;              /* of what is left over, at any hour */
    int64_t base_us;            /* a point of this time has weight 1 */
    int64_t last_us, step_us;   /* the newest point's time, the smallest distance between points */
    struct su_zone_stretch stretch;     /* of one offset of the zone's clocks: the last that was looked up */
    uint32_t points, has_base;
    struct rarity rarity;
};

/* The two hours whose middles a time lies between, and how much the later one counts. */
struct place { int early, late; double share; };

static double offset_hours(const struct detector *detector, struct state *state, int64_t time_us)
{
    struct su_zone_stretch *stretch = &state->stretch;
    int64_t at_s = time_us / 1000000;
    if (at_s < stretch->from_s || at_s >= stretch->to_s)
        su_zone_stretch(((const struct made *)detector->made)->zone, at_s, stretch);
    return stretch->offset_s / 3600.0;
}

static struct place place_of(const struct detector *detector, struct state *state, int64_t time_us)
{
    double step_us = (double)time_us - (double)state->last_us;
    if (state->points > 0 && step_us > 0 && step_us < 1e15 && (state->step_us == 0 || step_us < (double)state->step_us))
        state->step_us = (int64_t)step_us;
    state->last_us = time_us;
    double middle_us = (double)time_us - 0.5 * (double)state->step_us;
    /* 1970-01-01 was a Thursday; the week begins on Monday. */
    double hours = middle_us / HOUR_US + offset_hours(detector, state, time_us) + 3 * DAY_HOURS - 0.5;
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
        for (int i = 0; i < WEEK_HOURS; i++)
            state->week[i].weight = (float)ldexp(state->week[i].weight, halves < 1000 ? -(int)halves : -1000);
        for (int i = 0; i < DAY_HOURS; i++)
            state->day[i].weight = (float)ldexp(state->day[i].weight, halves < 1000 ? -(int)halves : -1000);
        state->base_us = time_us;
        halves = 0;
    }
    return exp2(fmax(halves, -8));
}

/* What is usual, and how much of it is known from cells rather than from the value of late. */
struct usual { double mean, spread, known; };

/* A cell leaning on a coarser estimate. */
static void lean(const struct cell *cell, double weight, struct usual *usual)
{
    double points = cell->weight / weight, own = points / (points + MEAN_LEAN);
    usual->mean += own * (cell->mean - usual->mean);
    usual->known += own * (1 - usual->known);
    usual->spread += points / (points + SPREAD_LEAN) * (cell->spread - usual->spread);
}

static struct usual usual_at(const struct state *state, int hour, double weight)
{
    struct usual usual = {state->late, state->spread, 0};
    lean(&state->day[hour % DAY_HOURS], weight, &usual);
    lean(&state->week[hour], weight, &usual);
    return usual;
}

static struct usual usual_between(const struct state *state, struct place place, double weight)
{
    struct usual early = usual_at(state, place.early, weight), late = usual_at(state, place.late, weight);
    return (struct usual){early.mean + place.share * (late.mean - early.mean), early.spread + place.share * (late.spread - early.spread),
                          early.known + place.share * (late.known - early.known)};
}

/* Two neighbouring cells of a kind, between whose middles the time is. */
struct pair { struct cell *early, *late; double share; };

/* An hour of the day that was never seen begins as the hour before is; one of the week as far from its hour of day as the
 * hour before is from its own. */
static void begin_hours(struct pair day, struct pair week)
{
    if (day.late->weight == 0 && day.early->weight > 0)
        *day.late = (struct cell){day.early->mean, day.early->spread, 1};
    if (week.late->weight == 0 && week.early->weight > 0)
        *week.late = (struct cell){day.late->mean + week.early->mean - day.early->mean, week.early->spread, 1};
}

/* One step of a cell by the error at a time of which `share` is the cell's. */
static void step_cell(struct cell *cell, double value, double error, double off, double weight, double share)
{
    if (share < 1e-3)
        return;
    double total = cell->weight + weight * share, step = weight * share / total;
    cell->mean = cell->weight > 0 ? cell->mean + step * error : value;
    cell->spread += (float)(step * (DEVIATION_TO_SPREAD * fabs(off) - cell->spread));
    cell->weight = (float)total;
}

/* Both cells learn from the error of the line between them, so that the line fits, not each cell its own surroundings. */
static void learn(struct pair cells, double value, double off, double clip, double weight)
{
    bool is_line = cells.early->weight > 0 && cells.late->weight > 0;
    double known = is_line ? cells.early->mean + cells.share * (cells.late->mean - cells.early->mean)
                   : cells.late->weight > 0 ? cells.late->mean
                                            : value;
    double error = baseline_clip(value - known, clip);
    step_cell(cells.early, value, error, off, weight, 1 - cells.share);
    step_cell(cells.late, value, error, off, weight, cells.share);
}

static void learn_point(const struct settings *settings, struct state *state, struct place place, double value, const struct usual *usual,
                        double weight)
{
    double off = value - usual->mean, seasonal = value - usual->known * state->shift;
    double clip = state->points < BASELINE_POINTS ? INFINITY : fmax(usual->spread, 1e-12 * fabs(usual->mean));
    double clipped = baseline_clip(off, clip), count = state->points + 1.0;
    struct pair week = {&state->week[place.early], &state->week[place.late], place.share};
    struct pair day = {&state->day[place.early % DAY_HOURS], &state->day[place.late % DAY_HOURS], place.share};
    begin_hours(day, week);
    learn(day, seasonal, clipped, clip, weight);
    learn(week, seasonal, clipped, clip, weight);
    state->late += fmax(1 / count, 1 / LATE_MEMORY) * (state->points ? baseline_clip(value - state->late, clip) : value);
    if (state->points > 0)
        state->spread += fmax(1 / count, 1 / SPREAD_MEMORY) * (DEVIATION_TO_SPREAD * fabs(clipped) - state->spread);
    if (state->points >= BASELINE_POINTS)
        state->shift += usual->known / settings->follow * clipped;
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
    struct place place = place_of(detector, state, point->time_us);
    double weight = weight_of(settings, state, point->time_us);
    struct usual usual = usual_between(state, place, weight);
    usual.mean = state->points ? usual.mean + usual.known * state->shift : value;
    double unit = baseline_unit(usual.mean, usual.spread, value), strangeness = fabs(value - usual.mean) / unit;
    double band = rarity_bound(&state->rarity, 0.99) * unit;
    *ret = (struct detector_verdict){.value = value, .expected = usual.mean, .low = usual.mean - band, .high = usual.mean + band,
                                     .is_warm = rarity_is_warm(&state->rarity)};
    ret->score = rarity_judge(&state->rarity, strangeness, point->may_learn && state->points >= BASELINE_POINTS);
    if (point->may_learn)
        learn_point(settings, state, place, value, &usual, weight);
}

static bool seasonal_configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    struct made *made = detector->made = su_alloc(sizeof *made);
    return su_zone_find(((const struct settings *)detector->settings)->zone, "/parameters/zone", &made->zone, err);
}

static size_t seasonal_bytes(const struct detector *detector) { return sizeof(struct state); }

static bool seasonal_check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    bool is_sound = rarity_check(&state->rarity) && isfinite(state->late) && isfinite(state->shift) && isfinite(state->spread) &&
                    state->spread >= 0 && state->step_us >= 0 && state->stretch.offset_s > -7 * 86400 &&
                    state->stretch.offset_s < 7 * 86400;
    for (int i = 0; i < CELLS && is_sound; i++) {
        const struct cell *cell = i < WEEK_HOURS ? &state->week[i] : &state->day[i - WEEK_HOURS];
        is_sound = isfinite(cell->mean) && cell->spread >= 0 && isfinite(cell->spread) && cell->weight >= 0 && isfinite(cell->weight);
    }
    return is_sound;
}

static const struct su_field seasonal_fields[] = {
    SU_FIELD(struct settings, half_life, SU_FIELD_NUMBER, .min = 0.1, .max = 520,
             .help = "weeks after which a point counts half in what its hour of the week is like"),
    SU_FIELD(struct settings, follow, SU_FIELD_NUMBER, .min = 1, .max = 1e9,
             .help = "points within which a lasting shift becomes normal"),
    SU_FIELD(struct settings, zone, SU_FIELD_TEXT, .min = 1, .max = SU_ZONE_NAME_MAX,
             .help = "whose clocks tell the hour, like Europe/Berlin"),
    SU_FIELD_END};

const struct detector_kind detector_kind_seasonal = {
    .name = "seasonal", .version = 1,
    .summary = "a value against what is usual at this hour of the week",
    .source = "Gelper, Fried, Croux, Robust forecasting with exponential and Holt-Winters smoothing, 2010",
    .cost = "0.2 to 0.3 µs a point, 3.5 KB a key",
    .dimensions_max = 1,
    .fields = seasonal_fields, .settings_bytes = sizeof(struct settings), .settings_default = &settings_default,
    .configure = seasonal_configure,
    .state_bytes = seasonal_bytes, .update = seasonal_update, .check = seasonal_check};
