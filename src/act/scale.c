/* Target tracking: see scale.h.  Layer act; pure. */
#include "scale.h"
#include <math.h>
#include <string.h>

/* --- what a user gives --------------------------------------------------------------- */

enum { DURATION_MAX_DAYS = 7 };
struct given {
    double target, tolerance;
    int64_t min, max, initial, step_up, step_down;
    const char *settle, *stabilise_up, *stabilise_down, *ahead;
    bool total;
};
#define DURATION(member, text) SU_FIELD(struct given, member, SU_FIELD_TEXT, .min = 1, .max = 32, .help = text)
const struct su_field scale_fields[] = {
    SU_FIELD(struct given, target, SU_FIELD_NUMBER, .is_required = true, .min = 0, .max = 1e12, .help = "What one worker should have of the metric"),
    SU_FIELD(struct given, max, SU_FIELD_INT, .is_required = true, .min = 1, .max = SCALE_SIZE_MAX, .help = "Most workers"),
    SU_FIELD(struct given, min, SU_FIELD_INT, .min = 0, .max = SCALE_SIZE_MAX, .help = "Fewest workers (1)"),
    SU_FIELD(struct given, initial, SU_FIELD_INT, .min = 0, .max = SCALE_SIZE_MAX, .help = "Workers that run at the beginning (min)"),
    SU_FIELD(struct given, total, SU_FIELD_BOOL,
             .help = "The metric is a sum over all workers (arrivals, work waiting), not a mean per worker (false)"),
    SU_FIELD(struct given, tolerance, SU_FIELD_NUMBER, .min = 0, .max = 0.9, .help = "Share of the target within which nothing changes (0.1)"),
    SU_FIELD(struct given, step_up, SU_FIELD_INT, .min = 0, .max = SCALE_SIZE_MAX, .help = "Most workers more at once (0: no limit)"),
    SU_FIELD(struct given, step_down, SU_FIELD_INT, .min = 0, .max = SCALE_SIZE_MAX, .help = "Most workers fewer at once (0: no limit)"),
    DURATION(settle, "Until a change works; before that there is no further one in its direction (60s)"),
    DURATION(stabilise_up, "Grow to the smallest size that was wanted for so long (0s)"),
    DURATION(stabilise_down, "Shrink to the largest size that was wanted for so long (5m)"),
    DURATION(ahead, "How far ahead a rise is looked at (one and a half times settle)"),
    SU_FIELD_END};

static bool read_duration(const char *field, const char *text, int64_t *ret, struct su_err *err)
{
    uint64_t ms;
    if (text == NULL)
        return true;
    if (!su_str_duration_ms(su_str_of(text), &ms) || ms > (uint64_t)DURATION_MAX_DAYS * 86400000)
        return su_fail_field(err, SU_INVALID, field, "%s must be a duration of at most 7d such as \"60s\", was \"%.40s\"", field + 1, text);
    *ret = (int64_t)ms * 1000;
    return true;
}

static json_t *own_members(const json_t *given)
{
    json_t *own = json_object();
    for (const struct su_field *field = scale_fields; field->name; field++) {
        json_t *value = json_object_get(given, field->name);
        if (value)
            json_object_set(own, field->name, value);
    }
    return own;
}

bool scale_policy_read(const json_t *given, struct scale_policy *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *own = own_members(given);
    struct given g = {.tolerance = 0.1, .min = 1, .initial = -1};
    if (!su_json_bind(own, scale_fields, &g, err))
        return false;
    struct scale_policy policy = {.target = g.target, .tolerance = g.tolerance, .min = g.min, .max = g.max,
                                  .initial = g.initial < 0 ? g.min : g.initial, .step_up = g.step_up, .step_down = g.step_down,
                                  .settle_us = INT64_C(60) * 1000000, .stabilise_down_us = INT64_C(300) * 1000000, .is_total = g.total};
    if (!(g.target > 0))
        return su_fail_field(err, SU_INVALID, "/target", "target must be more than 0, was %g", g.target);
    if (g.min > g.max)
        return su_fail_field(err, SU_INVALID, "/min", "min must be at most max (%lld), was %lld", (long long)g.max, (long long)g.min);
    if (policy.initial < g.min || policy.initial > g.max)
        return su_fail_field(err, SU_INVALID, "/initial", "initial must be min..max (%lld..%lld), was %lld", (long long)g.min,
                             (long long)g.max, (long long)policy.initial);
    if (!read_duration("/settle", g.settle, &policy.settle_us, err) || !read_duration("/stabilise_up", g.stabilise_up, &policy.stabilise_up_us, err)
        || !read_duration("/stabilise_down", g.stabilise_down, &policy.stabilise_down_us, err))
        return false;
    policy.ahead_us = policy.settle_us + policy.settle_us / 2;      /* what is asked for now also has to do until the next change works */
    if (!read_duration("/ahead", g.ahead, &policy.ahead_us, err))
        return false;
    *ret = policy;
    return true;
}

/* --- demand: what there is now, and what a rise makes of it ---------------------------- */

/* A line needs so many points to be believed, its slope so many of its errors to be seen.  A point that is so far
 * off, in errors and in share of the demand, has jumped: it lifts the line and does not tilt it.  What goes on
 * leaping to the same side is no jump any more but a rise. */
static const double points_least = 5, slope_errors = 3, jump_errors = 4, jump_share = 0.1;
enum { LEAPS_LIFTED = 2 };
/* Points lose weight with this share of the time that is looked ahead: a line reaches further than it remembers. */
static const double memory_share = 2.0 / 3;
/* A line never makes more than so many times the demand of it. */
static const double growth_most = 2;
/* 0.55 / 0.5 is a little more than 1.1. */
static const double rounding = 1e-9;

struct line { double at_end, slope, slope_error, error; bool is_sure; };

static struct line line_of(const struct scale_rise *r)
{
    struct line line = {0};
    if (r->weight <= 0)
        return line;
    double mean_t = r->t / r->weight, mean_y = r->y / r->weight, count = r->weight * r->weight / r->weight2;
    double tt = r->tt - r->t * mean_t, ty = r->ty - r->t * mean_y, yy = r->yy - r->y * mean_y;
    line.slope = tt > 0 ? ty / tt : 0;
    line.at_end = mean_y - line.slope * mean_t;
    if (count < points_least || tt <= 0)
        return line;
    double rest = yy - line.slope * ty;
    line.error = rest > 0 ? sqrt(rest / r->weight * count / (count - 2)) : 0;
    line.slope_error = line.error / sqrt(tt / r->weight * count);
    line.is_sure = true;
    return line;
}

/* Times are counted from the newest point: what is known moves dt into the past and loses weight. */
static void rise_age(struct scale_rise *r, double dt, double memory_s)
{
    double keep = exp(-dt / memory_s);
    r->tt = keep * (r->tt - 2 * dt * r->t + dt * dt * r->weight);
    r->ty = keep * (r->ty - dt * r->y);
    r->t = keep * (r->t - dt * r->weight);
    r->y *= keep;
    r->yy *= keep;
    r->weight *= keep;
    r->weight2 *= keep * keep;
}

static void rise_lift(struct scale_rise *r, double by)
{
    r->yy += 2 * by * r->y + by * by * r->weight;
    r->ty += by * r->t;
    r->y += by * r->weight;
}

/* The window in which it leaps is half before and half after, so the next one says to where. */
static bool is_leap(struct scale_state *state, const struct line *line, double off)
{
    bool is_off = line->is_sure && fabs(off) > jump_errors * line->error && fabs(off) > jump_share * fabs(line->at_end);
    int8_t side = off > 0 ? 1 : -1;
    if (!is_off)
        state->leaps = 0;
    else if (state->leaps * side <= 0)
        state->leaps = side;
    else if (state->leaps * side < INT8_MAX)
        state->leaps = (int8_t)(state->leaps + side);
    return is_off && state->leaps * side <= LEAPS_LIFTED;
}

/* The demand as it will be when an action taken now works.  Only a rise counts: a fall is for the stabilisation. */
static double expected_demand(const struct scale_policy *policy, struct scale_state *state, int64_t now_us, double demand)
{
    struct scale_rise *r = &state->rise;
    double ahead_s = (double)policy->ahead_us / 1e6;
    if (ahead_s <= 0)
        return demand;
    if (r->weight > 0)
        rise_age(r, (double)(now_us - state->seen_us) / 1e6, ahead_s * memory_share);
    struct line line = line_of(r);
    if (is_leap(state, &line, demand - line.at_end))
        rise_lift(r, demand - line.at_end);
    r->weight += 1;
    r->weight2 += 1;
    r->y += demand;
    r->yy += demand * demand;
    line = line_of(r);
    if (!line.is_sure)
        return demand;
    bool is_rising = line.slope > slope_errors * line.slope_error;
    return fmin(fmax(line.at_end + (is_rising ? line.slope * ahead_s : 0), 0), growth_most * demand);
}

/* --- recommendations ------------------------------------------------------------------- */

static int64_t longest_stabilisation(const struct scale_policy *policy)
{
    return policy->stabilise_up_us > policy->stabilise_down_us ? policy->stabilise_up_us : policy->stabilise_down_us;
}

/* Kept in stretches so long that all fit: the newest stretch takes a recommendation up until it is full. */
static void remember(const struct scale_policy *policy, struct scale_state *state, int64_t now_us, int64_t wanted)
{
    int64_t stretch_us = longest_stabilisation(policy) / (SCALE_RECENT_MAX - 2) + 1;
    struct scale_recent *newest = &state->recent[state->newest];
    if (state->count > 0 && now_us - newest->at_us < stretch_us) {
        newest->highest = wanted > newest->highest ? wanted : newest->highest;
        newest->lowest = wanted < newest->lowest ? wanted : newest->lowest;
        return;
    }
    state->newest = state->count == 0 ? 0 : (state->newest + 1) % SCALE_RECENT_MAX;
    state->count += state->count < SCALE_RECENT_MAX;
    state->recent[state->newest] = (struct scale_recent){now_us, wanted, wanted};
}

/* Of what was wanted within the two times, the least to grow to and the most to shrink to.  To shrink by less than the
 * tolerance is not worth an action. */
static int64_t stabilised(const struct scale_policy *policy, const struct scale_state *state, int64_t now_us, int64_t wanted)
{
    int64_t grow_to = wanted, shrink_to = wanted;
    for (uint32_t i = 0; i < state->count; i++) {
        const struct scale_recent *recent = &state->recent[i];
        if (now_us - recent->at_us < policy->stabilise_up_us && recent->lowest < grow_to)
            grow_to = recent->lowest;
        if (now_us - recent->at_us < policy->stabilise_down_us && recent->highest > shrink_to)
            shrink_to = recent->highest;
    }
    if (state->current < grow_to)
        return grow_to;
    return (double)shrink_to < (double)state->current * (1 - policy->tolerance) ? shrink_to : state->current;
}

/* --- the step ----------------------------------------------------------------------------- */

static int64_t within(int64_t value, int64_t low, int64_t high)
{
    return value > high ? high : value < low ? low : value;
}

static bool is_settling(const struct scale_policy *policy, const struct scale_state *state, int64_t now_us, int8_t direction)
{
    return state->direction == direction && now_us - state->changed_us < policy->settle_us;
}

/* A mean per worker is about those who work, not about those who are still on their way.  More than twice what the
 * most workers could take is no more than that. */
static double demand_of(const struct scale_policy *policy, const struct scale_state *state, int64_t now_us, double metric)
{
    int64_t working = is_settling(policy, state, now_us, 1) ? state->before : state->current;
    double demand = policy->is_total ? metric : metric * (double)(working > 0 ? working : 1);
    return fmin(demand, 2 * policy->target * (double)policy->max);
}

static int64_t wanted_for(const struct scale_policy *policy, const struct scale_state *state, double demand)
{
    double workers = demand / policy->target, ratio = workers / (double)state->current;
    if (state->current > 0 && fabs(ratio - 1) <= policy->tolerance + rounding)
        return state->current;
    return (int64_t)fmin(ceil(workers - rounding), (double)policy->max);
}

static void begin(const struct scale_policy *policy, struct scale_state *state, int64_t now_us)
{
    state->is_known = 1;
    state->current = state->before = within(policy->initial, policy->min, policy->max);
    remember(policy, state, now_us, state->current);        /* what runs at the beginning was wanted by somebody */
}

bool scale_check(const struct scale_state *state)
{
    const struct scale_rise *r = &state->rise;
    return state->is_known <= 1 && state->count <= SCALE_RECENT_MAX && state->newest < SCALE_RECENT_MAX
        && state->current >= 0 && state->current <= SCALE_SIZE_MAX && state->before >= 0 && state->before <= SCALE_SIZE_MAX
        && state->direction >= -1 && state->direction <= 1 && isfinite(r->weight + r->weight2 + r->t + r->tt + r->y + r->yy + r->ty);
}

int64_t scale_current(const struct scale_policy *policy, const struct scale_state *state)
{
    return state->is_known ? state->current : within(policy->initial, policy->min, policy->max);
}

bool scale_step(const struct scale_policy *policy, struct scale_state *state, int64_t now_us, double metric, int64_t floor,
                int64_t *ret_desired)
{
    if (!isfinite(metric) || metric < 0 || (state->is_known && now_us <= state->seen_us))
        return false;
    if (!state->is_known)
        begin(policy, state, now_us);
    int64_t least = within(floor, policy->min, policy->max);
    double demand = expected_demand(policy, state, now_us, demand_of(policy, state, now_us, metric));
    int64_t wanted = within(wanted_for(policy, state, demand), least, policy->max), size;
    state->seen_us = now_us;
    remember(policy, state, now_us, wanted);
    size = stabilised(policy, state, now_us, wanted);
    if (is_settling(policy, state, now_us, size > state->current ? 1 : -1) || (size > state->current && state->leaps == 1))
        size = state->current;
    if (policy->step_up > 0 && size > state->current + policy->step_up)
        size = state->current + policy->step_up;
    if (policy->step_down > 0 && size < state->current - policy->step_down)
        size = state->current - policy->step_down;
    size = within(size, least, policy->max);
    if (size == state->current)
        return false;
    state->direction = size > state->current ? 1 : -1;
    state->before = state->current;
    state->changed_us = now_us;
    state->current = size;
    *ret_desired = size;
    return true;
}
