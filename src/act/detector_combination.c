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
enum { RING = 16, PARTS_MAX = 3, OPINIONS_MAX = 6 };

struct settings { double smooth, mute; };
static const struct settings settings_default = {6, 2};

/* The parts, each a detector of its own whose state stands at its offset behind struct state. */
struct part { struct detector *detector; size_t offset; };
struct combination { struct part parts[PARTS_MAX]; size_t parts_used, bytes; };

enum { INSTANT, SHORT, LONG, RESTLESS, STATISTICS };
struct state {
    double unusual;             /* smoothed logarithm of how rare the parts find it */
    struct rarity rarity;
    struct rarity statistics[STATISTICS];
    float ring[RING];           /* what was left over of the last points, in spreads */
    struct rarity lasting;
    float past[RING];
    uint32_t points, at, next, pad;
    int32_t mute;     /* points of silence to come */
    uint32_t run;
    struct baseline residual[]; /* one value: of what the season leaves; several: one each, of the values */
};

/* -------------------------------------------------------------------- set-up */

static size_t head_bytes(const struct detector *detector)
{
    return (sizeof(struct state) + detector->dimensions * sizeof(struct baseline) + 15) / 16 * 16;
}

static bool add_part(struct detector *detector, struct combination *made, const char *kind, json_t *parameters, size_t dimensions, struct su_err *err)
{
    struct part *part = &made->parts[made->parts_used];
    SU_AUTO_JSON json_t *owned = parameters;
    if (!detector_new(kind, owned, NULL, dimensions, &part->detector, err))
        return false;
    part->offset = made->bytes;
    made->bytes += detector_state_bytes(part->detector);
    made->parts_used++;
    return true;
}

enum part_number { ABSENCE, VALUE, SHAPE };
static bool combination_configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    struct combination *made = detector->made = su_alloc(sizeof *made);
    made->bytes = head_bytes(detector);
    if (!add_part(detector, made, "absence", NULL, 1, err))
        return false;
    if (detector->dimensions == 1)
        return add_part(detector, made, "seasonal", json_pack("{s:f}", "follow", 1000.0), 1, err) && add_part(detector, made, "shape", json_pack("{s:i}", "history", 320), 1, err);
    return add_part(detector, made, "pca", NULL, detector->dimensions, err);
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

static double ask(const struct combination *made, void *state, enum part_number number, const struct detector_point *point,
                  struct detector_verdict *ret)
{
    const struct part *part = &made->parts[number];
    detector_update(part->detector, (char *)state + part->offset, point, ret);
    return ret->score;
}

static void remember(struct state *state, double z)
{
    state->ring[state->at] = (float)z;
    state->at = (state->at + 1) % RING;
}

static double recent(const struct state *state, uint32_t ago) { return (double)state->ring[(state->at + RING - 1 - ago) % RING]; }

static double mean_of(const struct state *state, uint32_t from, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = from; i < from + count; i++)
        sum += recent(state, i);
    return sum / count;
}

/* How far off both halves of the last points are, on the same side: what is over, or was one wild value, does not count. */
static double off(const struct state *state, uint32_t half)
{
    double newer = mean_of(state, 0, half), older = mean_of(state, half, half);
    return newer * older > 0 ? fmin(fabs(newer), fabs(older)) : 0;
}

static double restless_of(const struct state *state, uint32_t from, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = from; i < from + count; i++)
        sum += fmin(fabs(recent(state, i)), 3);
    return sum / count;
}

/* The harmonic mean of the parts' shares, as a logarithm: about 0 where nothing is unusual. */
static double combine(const double *scores, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += 1 / fmax(1 - scores[i], 1e-9);
    return log(sum / (double)count);
}

static double lasting_of(const struct state *state, uint32_t count, uint32_t dropped)
{
    float sorted[RING];
    for (uint32_t i = 0; i < count; i++) {
        float one = state->past[(state->next + RING - 1 - i) % RING];
        uint32_t j = i;
        for (; j > 0 && sorted[j - 1] > one; j--)
            sorted[j] = sorted[j - 1];
        sorted[j] = one;
    }
    double sum = 0;
    for (uint32_t i = 0; i + dropped < count; i++)
        sum += sorted[i];
    return sum / (count - dropped);
}

static double judge(struct state *state, int which, double strangeness, bool may_learn)
{
    return rarity_judge_tamed(&state->statistics[which], strangeness, may_learn);
}

static size_t bank(struct state *state, double z, bool may_learn, double *scores)
{
    remember(state, fmin(fmax(z, -8), 8));
    scores[3] = judge(state, INSTANT, fabs(z), may_learn);
    scores[0] = judge(state, SHORT, fmin(off(state, 2), 1.5 * fabs(recent(state, 0))), may_learn);
    scores[1] = judge(state, LONG, off(state, 8), may_learn);
    scores[2] = judge(state, RESTLESS, fmin(restless_of(state, 0, 6), restless_of(state, 6, 6)), may_learn);
    return 4;
}

static void combination_update(const struct detector *detector, void *memory, const struct detector_point *point,
                               struct detector_verdict *ret)
{
    const struct settings *settings = detector->settings;
    const struct combination *made = detector->made;
    struct state *state = memory;
    double scores[OPINIONS_MAX];
    size_t count = 0;
    struct detector_verdict part;
    struct detector_point always = *point;
    always.may_learn = true;
    double absent = ask(made, state, ABSENCE, &always, &part);
    if (point->messages == 0) {
        ret->score = absent;
        ret->is_warm = part.is_warm;
        return;
    }
    if (detector->dimensions == 1) {
        ask(made, state, VALUE, point, &part);
        *ret = (struct detector_verdict){.value = part.value, .expected = part.expected, .low = part.low, .high = part.high, .dimension = 0};
        double off = part.value - part.expected;
        if (!isnan(off)) {
            struct baseline *residual = &state->residual[0];
            double z = residual->points ? baseline_deviation(residual, off) : 0;
            if (point->may_learn)
                baseline_learn(residual, off, 5000);
            count += bank(state, z, point->may_learn && state->points > 30, scores + count);
        }
        scores[count++] = ask(made, state, SHAPE, point, &part);
    } else {
        scores[count++] = ask(made, state, VALUE, point, &part);
        *ret = part;
        double furthest = 0;
        for (size_t i = 0; i < detector->dimensions; i++) {
            double value = value_of(point, i);
            if (isnan(value))
                continue;
            struct baseline *level = &state->residual[i];
            double z = level->points ? baseline_deviation(level, value) : 0;
            if (fabs(z) > fabs(furthest))
                furthest = z;
            if (point->may_learn)
                baseline_learn(level, value, 5000);
        }

        if (0) count += bank(state, furthest, point->may_learn && state->points > 30, scores + count);
    }
    state->points += state->points < UINT32_MAX;
    double unusual = combine(scores, count);
    state->past[state->next] = (float)unusual;
    state->next = (state->next + 1) % RING;
    double lasting = lasting_of(state, (uint32_t)settings->smooth, (uint32_t)settings->mute);
    bool may_learn = point->may_learn && state->points > DETECTOR_WARM_POINTS;
    double now = rarity_judge_tamed(&state->rarity, unusual, may_learn), long_ = rarity_judge_tamed(&state->lasting, lasting, may_learn);
    ret->is_warm = rarity_is_warm(&state->rarity);
    ret->score = ret->is_warm ? fmax(0, 1 - 2 * (1 - fmax(now, long_))) : 0;
}

static bool combination_check(const struct detector *detector, const void *memory)
{
    const struct combination *made = detector->made;
    const struct state *state = memory;
    bool is_sound = isfinite(state->unusual) && rarity_check(&state->rarity);
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
