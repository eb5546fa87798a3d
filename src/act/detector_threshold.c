/* Detectors `threshold` and `rate`: a value, or how fast it changes, against limits or against its own past.
 *
 * The oldest alarm there is (Shewhart 1931).  A limit is a statement: what is beyond it is strange, at
 * least 0.99, however often it happened, and what is within is at most 0.989.  How strange beyond and within, and
 * everything where no limit was given, says the rarity of the distance from the learned level in the limits' direction.
 *
 * Cost: 0.1 to 0.2 µs a point; 416 and 432 bytes a key. */
#include "baseline.h"
#include "detector_private.h"
#include "rarity.h"

#define BEYOND 0.99
#define WITHIN 0.989

struct limits { double above, below, memory; };
static const struct limits limits_default = {NAN, NAN, 10000};

struct learned { struct baseline level; struct rarity rarity; };
struct rate_state { struct learned learned; double last; int64_t last_us; };

#define MEMORY_FIELD(type) SU_FIELD(type, memory, SU_FIELD_NUMBER, .min = 10, .max = 1e9, \
                                    .help = "about how many points the learned level and spread remember")

static bool limits_configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    const struct limits *limits = detector->settings;
    if (is_given(limits->above) && is_given(limits->below) && limits->above < limits->below)
        return su_fail_field(err, SU_INVALID, "/parameters/above", "above: %g is less than below, %g: every value would be beyond a limit",
                             limits->above, limits->below);
    return true;
}

/* Deviation in the direction of the limits; in both when there are none. */
static double strangeness_of(const struct limits *limits, double deviation)
{
    bool is_above = is_given(limits->above), is_below = is_given(limits->below);
    if (is_above == is_below)
        return fabs(deviation);
    return fmax(is_above ? deviation : -deviation, 0);
}

static void judge(const struct limits *limits, struct learned *learned, double value, bool may_learn, struct detector_verdict *ret)
{
    bool has_limit = is_given(limits->above) || is_given(limits->below);
    bool is_beyond = value > limits->above || value < limits->below;    /* false where not given */
    double strangeness = strangeness_of(limits, learned->level.points ? baseline_deviation(&learned->level, value) : 0);
    double band = rarity_bound(&learned->rarity, 0.99) * baseline_unit(learned->level.mean, learned->level.spread, value);
    ret->is_warm = has_limit || rarity_is_warm(&learned->rarity);
    ret->score = rarity_judge(&learned->rarity, strangeness, may_learn && learned->level.points >= BASELINE_POINTS);
    if (has_limit)
        ret->score = is_beyond ? fmax(ret->score, BEYOND) : fmin(ret->score, WITHIN);
    ret->value = value;
    ret->dimension = 0;
    if (learned->level.points > 0)
        ret->expected = learned->level.mean;
    ret->low = is_given(limits->below) ? limits->below : has_limit ? NAN : learned->level.mean - band;
    ret->high = is_given(limits->above) ? limits->above : has_limit ? NAN : learned->level.mean + band;
    if (may_learn)
        baseline_learn(&learned->level, value, limits->memory);
}

static bool learned_check(const struct learned *learned)
{
    return baseline_check(&learned->level) && rarity_check(&learned->rarity);
}

/* ----------------------------------------------------------------- threshold */

static size_t threshold_bytes(const struct detector *detector) { return sizeof(struct learned); }

static void threshold_update(const struct detector *detector, void *state, const struct detector_point *point,
                             struct detector_verdict *ret)
{
    double value = value_of(point, 0);
    if (!isnan(value))
        judge(detector->settings, state, value, point->may_learn, ret);
}

static bool threshold_check(const struct detector *detector, const void *state) { return learned_check(state); }

static const struct su_field threshold_fields[] = {
    SU_FIELD(struct limits, above, SU_FIELD_NUMBER, .help = "a value above this is strange: at least 0.99"),
    SU_FIELD(struct limits, below, SU_FIELD_NUMBER, .help = "a value below this is strange: at least 0.99"),
    MEMORY_FIELD(struct limits),
    SU_FIELD_END};

const struct detector_kind detector_kind_threshold = {
    .name = "threshold", .version = 1,
    .summary = "a value beyond a limit, or rarer than its own past where no limit is given",
    .source = "Shewhart, Economic Control of Quality of Manufactured Product, 1931",
    .cost = "0.2 µs a point, 416 bytes a key",
    .dimensions_max = 1,
    .fields = threshold_fields, .settings_bytes = sizeof(struct limits), .settings_default = &limits_default,
    .configure = limits_configure,
    .state_bytes = threshold_bytes, .update = threshold_update, .check = threshold_check};

/* ---------------------------------------------------------------------- rate */

static size_t rate_bytes(const struct detector *detector) { return sizeof(struct rate_state); }

static void rate_begin(const struct detector *detector, void *state) { ((struct rate_state *)state)->last = NAN; }

static void rate_update(const struct detector *detector, void *memory, const struct detector_point *point, struct detector_verdict *ret)
{
    struct rate_state *state = memory;
    double value = value_of(point, 0);
    if (isnan(value))
        return;
    double seconds = 1e-6 * ((double)point->time_us - (double)state->last_us);
    if (!isnan(state->last) && seconds > 0)     /* after a step back in time the next point is judged again */
        judge(detector->settings, &state->learned, (value - state->last) / seconds, point->may_learn, ret);
    state->last = value;
    state->last_us = point->time_us;
}

static bool rate_check(const struct detector *detector, const void *memory)
{
    const struct rate_state *state = memory;
    return learned_check(&state->learned) && !isinf(state->last);
}

static const struct su_field rate_fields[] = {
    SU_FIELD(struct limits, above, SU_FIELD_NUMBER, .help = "a rise by more than this per second is strange: at least 0.99"),
    SU_FIELD(struct limits, below, SU_FIELD_NUMBER, .help = "a change per second below this (a fall: negative) is strange: at least 0.99"),
    MEMORY_FIELD(struct limits),
    SU_FIELD_END};

const struct detector_kind detector_kind_rate = {
    .name = "rate", .version = 1,
    .summary = "how fast a value changes, per second, beyond a limit or rarer than its own past",
    .source = "Shewhart 1931, on first differences",
    .cost = "0.2 µs a point, 432 bytes a key",
    .dimensions_max = 1,
    .fields = rate_fields, .settings_bytes = sizeof(struct limits), .settings_default = &limits_default,
    .configure = limits_configure,
    .state_bytes = rate_bytes, .begin = rate_begin, .update = rate_update, .check = rate_check};
