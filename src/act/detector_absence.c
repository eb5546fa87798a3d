/* Detector `absence`: nothing has come for longer than usual, or than a limit (a dead man's switch).
 *
 * Learned are the gaps between windows with messages.  While nothing comes, the gap will be at least as long as the
 * silence up to the next window's end; the score is the share of the gaps that were shorter than that.  With `after`,
 * a silence longer than it scores at least 0.99 and a shorter one at most 0.989, from the first point on, also when no
 * message has ever come.  The value judged is the silence in seconds; what the messages say does not matter.
 *
 * Source: the fault detector that adapts to the arrivals it sees, Hayashibara, Défago, Yared, Katayama, "The phi accrual
 * failure detector", SRDS 2004, with the learned gaps themselves instead of a Gaussian.
 * Cost: under 0.1 µs a point; 400 bytes a key. */
#include "detector_private.h"
#include "rarity.h"

#define BEYOND 0.99
#define WITHIN 0.989

struct settings { double after; };
static const struct settings settings_default = {NAN};

struct state {
    struct rarity gaps;
    int64_t last_us;            /* end of the last window with messages; of the first point until one came */
    int64_t point_us;           /* of the point before this */
    uint32_t has_point, has_message;
};

static double seconds_between(int64_t from_us, int64_t to_us) { return 1e-6 * ((double)to_us - (double)from_us); }

static void arrived(struct state *state, const struct detector_point *point)
{
    double gap = seconds_between(state->last_us, point->time_us);
    if (state->has_message && gap > 0)
        rarity_judge(&state->gaps, gap, point->may_learn);
    if (!state->has_message || gap > 0)     /* a late window ends no silence that began after it */
        state->last_us = point->time_us;
    state->has_message = 1;
}

static void absence_update(const struct detector *detector, void *memory, const struct detector_point *point,
                           struct detector_verdict *ret)
{
    const struct settings *settings = detector->settings;
    struct state *state = memory;
    double step = state->has_point ? fmax(seconds_between(state->point_us, point->time_us), 0) : 0;
    if (!state->has_point)
        state->last_us = point->time_us;
    state->has_point = 1;
    state->point_us = point->time_us;
    if (point->messages > 0)
        arrived(state, point);
    double silence = point->messages > 0 ? 0 : fmax(seconds_between(state->last_us, point->time_us), 0);
    bool has_limit = is_given(settings->after);
    ret->value = silence;
    ret->is_warm = has_limit || rarity_is_warm(&state->gaps);
    ret->expected = rarity_bound(&state->gaps, 0.5);
    ret->high = has_limit ? settings->after : rarity_bound(&state->gaps, 0.99);
    if (silence > 0)
        ret->score = rarity_score(&state->gaps, silence + step);
    if (has_limit)
        ret->score = silence > settings->after ? fmax(ret->score, BEYOND) : fmin(ret->score, WITHIN);
}

static size_t absence_bytes(const struct detector *detector) { return sizeof(struct state); }

static bool absence_check(const struct detector *detector, const void *memory)
{
    const struct state *state = memory;
    return rarity_check(&state->gaps);
}

static const struct su_field absence_fields[] = {
    SU_FIELD(struct settings, after, SU_FIELD_NUMBER, .min = 0, .max = 1e9,
             .help = "seconds of silence that are too long: at least 0.99; not given: learned from the gaps"),
    SU_FIELD_END};

const struct detector_kind detector_kind_absence = {
    .name = "absence", .version = 1,
    .summary = "nothing has come for longer than usual, or than a limit",
    .source = "Hayashibara et al., The phi accrual failure detector, SRDS 2004",
    .cost = "0.1 µs a point, 400 bytes a key",
    .dimensions_max = DETECTOR_DIMENSIONS_MAX,
    .fields = absence_fields, .settings_bytes = sizeof(struct settings), .settings_default = &settings_default,
    .state_bytes = absence_bytes, .update = absence_update, .check = absence_check};
