/* Detector `change`: a small shift that lasts, which no single value shows.
 *
 * The value as deviation from its level, in spreads, is summed up in two ways, each for rises and for falls:
 * - CUSUM (Page, Biometrika 41, 1954): S = max(0, S + z - slack); finds a shift of about twice the slack soonest.
 * - Page-Hinkley (Hinkley, Biometrika 58, 1971, as river's drift.PageHinkley writes it): the sum of what z is above its
 *   running mean plus `tolerance`, with forgetting, above its least value so far; finds slow drifts.
 * One wild value is worth at most `clip` (winsorised as in Hawkins and Olwell, Cumulative Sum Charts, 1998), and a sum
 * stops at `cap`.  With both methods a sum is, after a hit, halved with each point as long as recent values are back at their
 * level: what was summed up is told by then (the charts of both sources begin anew after an alarm).  Level and spread are learned (baseline.h)
 * within `follow` points unless they are given.  The score is the rarity of each sum among its own past, the
 * rarer one counts, twice, for there were two to choose from.  The value judged is that sum.
 *
 * Cost: 0.3 µs a point; 800 bytes a key. */
#include "baseline.h"
#include "detector_private.h"
#include "rarity.h"

struct settings { const char *method; double slack, tolerance, forgetting, clip, cap, follow, level, spread; };
static const struct settings settings_default = {"both", 0.5, 0.005, 0.9999, 4, 50, 500, NAN, NAN};

struct hinkley { double sum, least, most; };    /* least, most: of the sum, for rises and falls */
struct state {
    struct baseline baseline;
    double up, down;            /* CUSUM */
    double mean;                /* of z */
    struct hinkley rise, fall;
    double recent;              /* z over about the last RECENT_POINTS points */
    uint64_t points;
    struct rarity cusum, hinkley;
    uint8_t has_hit[2];         /* CUSUM, Page-Hinkley: 0 or 1 */
    uint8_t reserved[6];
};
enum { RECENT_POINTS = 4 };
#define HIT 0.99                /* of a score: from here on it was told */
#define OVER 0.9                /* and below this it is over */
#define BACK 0.75               /* spreads: |recent| below it is back at the level */

enum method { BOTH, CUSUM, PAGE_HINKLEY, METHOD_COUNT };
static const char *const method_names[METHOD_COUNT] = {"both", "cusum", "page-hinkley"};

static enum method method_of(const struct settings *settings)
{
    enum method method = BOTH;
    while (method < METHOD_COUNT && strcmp(method_names[method], settings->method) != 0)
        method++;
    return method;
}

static bool change_configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    const struct settings *settings = detector->settings;
    if (method_of(settings) == METHOD_COUNT)
        return su_fail_field(err, SU_INVALID, "/parameters/method", "method: must be both, cusum or page-hinkley, was \"%.40s\"",
                             settings->method);
    if (is_given(settings->level) != is_given(settings->spread))
        return su_fail_field(err, SU_INVALID, "/parameters/spread", "level and spread: give both, or neither to have them learned");
    detector->made = su_alloc(sizeof(enum method));
    *(enum method *)detector->made = method_of(settings);
    return true;
}

static double deviation_of(const struct settings *settings, const struct state *state, double value)
{
    double deviation = is_given(settings->level) ? (value - settings->level) / settings->spread
                       : state->baseline.points ? baseline_deviation(&state->baseline, value)
                                                : 0;
    return fmin(fmax(deviation, -settings->clip), settings->clip);
}

static double cusum(const struct settings *settings, struct state *state, double z)
{
    state->up = fmin(fmax(state->up + z - settings->slack, 0), settings->cap);
    state->down = fmin(fmax(state->down - z - settings->slack, 0), settings->cap);
    return fmax(state->up, state->down);
}

static double page_hinkley(const struct settings *settings, struct state *state, double z, bool may_learn)
{
    struct hinkley *rise = &state->rise, *fall = &state->fall;
    if (may_learn || state->points == 1)
        state->mean += (z - state->mean) / (double)state->points;
    double off = z - state->mean;
    rise->sum = settings->forgetting * rise->sum + off - settings->tolerance;
    fall->sum = settings->forgetting * fall->sum + off + settings->tolerance;
    rise->least = fmin(rise->least, rise->sum);
    fall->most = fmax(fall->most, fall->sum);
    rise->least = fmax(rise->least, rise->sum - settings->cap);
    fall->most = fmin(fall->most, fall->sum + settings->cap);
    return fmax(rise->sum - rise->least, fall->most - fall->sum);
}

/* Once told, what was summed up goes as soon as the values are back. */
static void settle(struct state *state, const double scores[2])
{
    for (int i = 0; i < 2; i++)
        state->has_hit[i] = scores[i] >= HIT || (state->has_hit[i] && scores[i] >= OVER);
    if (fabs(state->recent) >= BACK)
        return;
    if (state->has_hit[0]) {
        state->up /= 2;
        state->down /= 2;
    }
    if (state->has_hit[1]) {
        state->rise.least += (state->rise.sum - state->rise.least) / 2;
        state->fall.most += (state->fall.sum - state->fall.most) / 2;
    }
}

static void change_update(const struct detector *detector, void *memory, const struct detector_point *point,
                          struct detector_verdict *ret)
{
    const struct settings *settings = detector->settings;
    enum method method = *(const enum method *)detector->made;
    struct state *state = memory;
    double value = value_of(point, 0);
    if (isnan(value))
        return;
    bool is_given_level = is_given(settings->level), is_settled = is_given_level || state->baseline.points >= DETECTOR_WARM_POINTS;
    double z = is_settled ? deviation_of(settings, state, value) : 0;
    if (point->may_learn && !is_given_level)
        baseline_learn(&state->baseline, value, settings->follow);
    if (!is_settled)
        return;
    state->points++;
    state->recent += (z - state->recent) / fmin((double)state->points, RECENT_POINTS);
    double sums[2] = {cusum(settings, state, z), page_hinkley(settings, state, z, point->may_learn)};
    double scores[2] = {rarity_judge(&state->cusum, sums[0], point->may_learn), rarity_judge(&state->hinkley, sums[1], point->may_learn)};
    if (method == BOTH)
        settle(state, scores);
    int which = method == BOTH ? scores[1] > scores[0] : method == PAGE_HINKLEY;
    ret->score = method == BOTH ? fmax(1 - 2 * (1 - scores[which]), 0) : scores[which];
    ret->value = sums[which];
    ret->high = rarity_bound(which ? &state->hinkley : &state->cusum, method == BOTH ? 0.995 : 0.99);
    ret->is_warm = rarity_is_warm(&state->cusum);
    ret->dimension = 0;
}

static size_t change_bytes(const struct detector *detector) { return sizeof(struct state); }

static bool change_check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    const double numbers[] = {state->up, state->down, state->mean, state->rise.sum, state->rise.least, state->fall.sum, state->fall.most, state->recent};
    bool is_sound = baseline_check(&state->baseline) && rarity_check(&state->cusum) && rarity_check(&state->hinkley);
    for (size_t i = 0; i < SU_COUNT(numbers); i++)
        is_sound &= isfinite(numbers[i]);
    return is_sound && state->up >= 0 && state->down >= 0;
}

static const struct su_field change_fields[] = {
    SU_FIELD(struct settings, method, SU_FIELD_TEXT, .help = "both, cusum or page-hinkley"),
    SU_FIELD(struct settings, slack, SU_FIELD_NUMBER, .min = 0, .max = 100,
             .help = "CUSUM: spreads that a value may be off for nothing; half the shift that is to be found soonest"),
    SU_FIELD(struct settings, tolerance, SU_FIELD_NUMBER, .min = 0, .max = 100, .help = "Page-Hinkley: the same; small, for drifts"),
    SU_FIELD(struct settings, forgetting, SU_FIELD_NUMBER, .min = 0.5, .max = 1, .help = "Page-Hinkley: what a sum keeps from point to point"),
    SU_FIELD(struct settings, clip, SU_FIELD_NUMBER, .min = 0.1, .max = 1e6, .help = "spreads that one value counts at most"),
    SU_FIELD(struct settings, cap, SU_FIELD_NUMBER, .min = 1, .max = 1e6, .help = "where a sum stops"),
    SU_FIELD(struct settings, follow, SU_FIELD_NUMBER, .min = 10, .max = 1e9, .help = "points within which the learned level follows"),
    SU_FIELD(struct settings, level, SU_FIELD_NUMBER, .min = -1e100, .max = 1e100, .help = "the level, if it is known; not given: learned"),
    SU_FIELD(struct settings, spread, SU_FIELD_NUMBER, .min = 1e-100, .max = 1e100, .help = "the spread that goes with it"),
    SU_FIELD_END};

const struct detector_kind detector_kind_change = {
    .name = "change", .version = 1,
    .summary = "a small shift or drift that lasts, by CUSUM and Page-Hinkley",
    .source = "Page, Biometrika 41, 1954; Hinkley, Biometrika 58, 1971",
    .cost = "0.3 µs a point, 0.9 KB a key",
    .dimensions_max = 1,
    .fields = change_fields, .settings_bytes = sizeof(struct settings), .settings_default = &settings_default,
    .configure = change_configure,
    .state_bytes = change_bytes, .update = change_update, .check = change_check};
