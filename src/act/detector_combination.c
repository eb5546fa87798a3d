/* Detector `combination`, the default: several cheap opinions made one, then asked whether they are unusual by their own past.
 *
 * For one value a point: the value against its hour of the week (seasonal); what that leaves over, summed up (change);
 * and how restless what is left over is (threshold on the logarithm of its smoothed energy).
 * For several: each value against its own level; their sums (change), the largest deviation, and their restlessness.
 *
 * No single detector wins everywhere (TSB-AD, Liu and Paparrizos, NeurIPS 2024); what brings most is combining cheap ones by rank, and
 * a likelihood over the score's own history.  Each part's score is already a rank (rarity.h), so they combine as
 * p-values of unknown dependence do, by their harmonic mean (Wilson, PNAS 116, 2019).  Its logarithm is smoothed over a
 * few points, which makes what lasts count more than what flickers, and its rarity by its own past is the score
 * (the anomaly likelihood of Lavin and Ahmad, ICMLA 2015, by ranks instead of a Gaussian).  After a hit is over nothing of
 * 0.99 is said for `mute` points: what follows an incident is mostly its echo.
 *
 * Cost: 1 µs a point, plus 0.1 for each value beyond the first; 7 KB a key. */
#include "baseline.h"
#include "detector_private.h"
#include "rarity.h"
#include <stdlib.h>

#define HIT 0.99
#define MUTED 0.989
enum { PARTS_MAX = 4 };

struct settings { double smooth, mute; };
static const struct settings settings_default = {3, 20};

/* The parts, each a detector of its own whose state stands at its offset behind struct state. */
struct part { struct detector *detector; size_t offset; };
struct combination { struct part parts[PARTS_MAX]; size_t parts_used, bytes; };

struct state {
    double unusual;             /* smoothed logarithm of how rare the parts find it */
    double energy;              /* smoothed square of what is left over, in spreads */
    struct rarity rarity;
    uint32_t points, run;       /* run: points of a hit so far */
    int32_t mute, reserved;     /* points of silence to come */
    struct baseline residual[]; /* one value: of what the season leaves; several: one each, of the values */
};

/* -------------------------------------------------------------------- set-up */

static size_t head_bytes(const struct detector *detector)
{
    return (sizeof(struct state) + detector->dimensions * sizeof(struct baseline) + 15) / 16 * 16;
}

static bool add_part(struct detector *detector, struct combination *made, const char *kind, size_t dimensions, struct su_err *err)
{
    struct part *part = &made->parts[made->parts_used];
    if (!detector_new(kind, NULL, NULL, dimensions, &part->detector, err))
        return false;
    part->offset = made->bytes;
    made->bytes += detector_state_bytes(part->detector);
    made->parts_used++;
    return true;
}

static bool combination_configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    struct combination *made = detector->made = su_alloc(sizeof *made);
    made->bytes = head_bytes(detector);
    return add_part(detector, made, "change", 1, err) && add_part(detector, made, "threshold", 1, err) &&
           add_part(detector, made, detector->dimensions == 1 ? "seasonal" : "threshold", 1, err);
}

static void combination_release(struct detector *detector)
{
    struct combination *made = detector->made;
    for (size_t i = 0; made && i < made->parts_used; i++)
        detector_free(made->parts[i].detector);
    free(made);
}

static size_t combination_bytes(const struct detector *detector) { return ((struct combination *)detector->made)->bytes; }

static void combination_begin(const struct detector *detector, void *state)
{
    const struct combination *made = detector->made;
    for (size_t i = 0; i < made->parts_used; i++)
        detector_begin(made->parts[i].detector, (char *)state + made->parts[i].offset);
}

/* -------------------------------------------------------------------- a point */

enum part_number { CHANGE, RESTLESS, VALUE };

static double ask(const struct combination *made, void *state, enum part_number number, const struct detector_point *point,
                  double value, struct detector_verdict *ret)
{
    const struct part *part = &made->parts[number];
    const struct detector_point asked = {point->time_us, &value, point->messages, point->may_learn};
    detector_update(part->detector, (char *)state + part->offset, &asked, ret);
    return ret->score;
}

/* One value: against its season.  Several: the one furthest from its level.  Gives what is left over, in spreads. */
static double leftover(const struct detector *detector, struct state *state, const struct detector_point *point, double *ret_score,
                       struct detector_verdict *ret)
{
    const struct combination *made = detector->made;
    struct detector_verdict part;
    if (detector->dimensions == 1) {
        *ret_score = ask(made, state, VALUE, point, point->values[0], &part);
        struct baseline *residual = &state->residual[0];
        double off = part.value - part.expected, z = residual->points ? baseline_deviation(residual, off) : 0;
        *ret = (struct detector_verdict){.value = part.value, .expected = part.expected, .low = part.low, .high = part.high, .dimension = 0};
        if (point->may_learn)
            baseline_learn(residual, off, 5000);
        return z;
    }
    double furthest = 0, sum = 0;
    size_t seen = 0;
    for (size_t i = 0; i < detector->dimensions; i++) {
        double value = value_of(point, i);
        if (isnan(value))
            continue;
        struct baseline *level = &state->residual[i];
        double z = level->points ? baseline_deviation(level, value) : 0;
        z = fmin(fmax(z, -1e6), 1e6);
        sum += z * z;
        seen++;
        if (fabs(z) > fabs(furthest)) {
            furthest = z;
            ret->dimension = (int8_t)i;
        }
        if (point->may_learn)
            baseline_learn(level, value, 5000);
    }
    ret->value = sqrt(sum / (double)(seen ? seen : 1));
    *ret_score = ask(made, state, VALUE, point, log(ret->value + 1e-3), &part);
    return furthest;
}

static bool has_value(const struct detector *detector, const struct detector_point *point)
{
    for (size_t i = 0; i < detector->dimensions; i++)
        if (!isnan(value_of(point, i)))
            return true;
    return false;
}

/* The harmonic mean of the parts' shares, as a logarithm: about 0 where nothing is unusual. */
static double combine(const double *scores, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += 1 / fmax(1 - scores[i], 1e-9);
    return log(sum / (double)count);
}

/* What is said of a hit, and the silence after it. */
static double mute(const struct settings *settings, struct state *state, double score)
{
    if (state->mute > 0) {
        state->mute--;
        return fmin(score, MUTED);
    }
    if (score >= HIT)
        state->run += state->run < UINT32_MAX;
    else if (state->run > 0) {
        state->run = 0;
        state->mute = (int32_t)settings->mute;
    }
    return score;
}

static void combination_update(const struct detector *detector, void *memory, const struct detector_point *point,
                               struct detector_verdict *ret)
{
    const struct settings *settings = detector->settings;
    const struct combination *made = detector->made;
    struct state *state = memory;
    double scores[3];
    if (!has_value(detector, point))
        return;
    double z = leftover(detector, state, point, &scores[VALUE], ret);
    struct detector_verdict part;
    scores[CHANGE] = ask(made, state, CHANGE, point, z, &part);
    /* Once a hit was told, calm counts for more, so that it is over when its cause is. */
    double energy = fmin(z * z, 25), step = fmax(state->run > 0 && energy < state->energy ? 0.4 : 0.1, 1.0 / (1.0 + state->points));
    state->energy += step * (energy - state->energy);
    scores[RESTLESS] = ask(made, state, RESTLESS, point, log(state->energy + 1e-3), &part);
    state->points += state->points < UINT32_MAX;
    state->unusual += (combine(scores, SU_COUNT(scores)) - state->unusual) / settings->smooth;
    double score = rarity_judge(&state->rarity, fmax(state->unusual, 0), point->may_learn && state->points > DETECTOR_WARM_POINTS);
    ret->is_warm = rarity_is_warm(&state->rarity);
    ret->score = ret->is_warm ? mute(settings, state, score) : 0;
}

static bool combination_check(const struct detector *detector, const void *memory)
{
    const struct combination *made = detector->made;
    const struct state *state = memory;
    bool is_sound = isfinite(state->unusual) && isfinite(state->energy) && state->energy >= 0 && rarity_check(&state->rarity);
    for (size_t i = 0; is_sound && i < detector->dimensions; i++)
        is_sound = baseline_check(&state->residual[i]);
    for (size_t i = 0; is_sound && i < made->parts_used; i++)
        is_sound = detector_check(made->parts[i].detector, (const char *)memory + made->parts[i].offset,
                                  detector_state_bytes(made->parts[i].detector));
    return is_sound;
}

static const struct su_field combination_fields[] = {
    SU_FIELD(struct settings, smooth, SU_FIELD_NUMBER, .min = 1, .max = 1000, .help = "points over which the parts' opinions are smoothed"),
    SU_FIELD(struct settings, mute, SU_FIELD_NUMBER, .min = 0, .max = 1e6, .help = "points after a hit is over in which nothing of 0.99 is said"),
    SU_FIELD_END};

const struct detector_kind detector_kind_combination = {
    .name = "combination", .version = 1,
    .summary = "the default: season, change and restlessness combined by rank, judged by the score's own past",
    .source = "Lavin and Ahmad, ICMLA 2015; Wilson, PNAS 116, 2019",
    .cost = "1 µs a point, 7 KB a key",
    .dimensions_max = DETECTOR_DIMENSIONS_MAX,
    .fields = combination_fields, .settings_bytes = sizeof(struct settings), .settings_default = &settings_default,
    .configure = combination_configure, .release = combination_release,
    .state_bytes = combination_bytes, .begin = combination_begin, .update = combination_update, .check = combination_check};
