/* Detector `combination`, the default: several cheap opinions made one, then asked whether they are unusual by their own past.
 * Layer act; pure.
 *
 * No single detector wins everywhere (TSB-AD, Liu and Paparrizos, NeurIPS 2024): levels, spreads, shapes and correlations
 * each have their own.  So a point is first boiled down to deviations: one value against its hour of the week (seasonal),
 * several each against its own slowly moving level.  Of the deviations of the last sixteen points four statistics are
 * made, for a wild value, a short shift, a long small one, and restlessness; beside them stand the shape (one value)
 * or the correlations (several values: PCA on the deviations).  Each is turned into a rarity, and as shares
 * of unknown dependence they combine by their harmonic mean (Wilson, PNAS 116, 2019).
 *
 * That mean's logarithm is judged by its own past twice, as it is now and as it has been lately without its
 * highest points: the anomaly likelihood of Lavin and Ahmad (ICMLA 2015), by ranks instead of a Gaussian.  What is over
 * has no echo: a statistic of several points counts only as far as both halves of them agree.
 *
 * A window without messages is judged by the silence alone (absence).
 *
 * Cost: 3 µs a point for one value (of which the shape 2), 1 µs and 0.2 for each further one for several; 4 to 8 KiB a key. */
#include <stdlib.h>

#include "act/baseline.h"
#include "act/detector_private.h"
#include "act/rarity.h"

enum { RING = 16, FIRST = 2 * BASELINE_POINTS, LASTING = 8, LASTING_DROPPED = 4, SHAPE_WINDOW = 24 };
enum { PCA_DIMENSIONS_MAX = 24, PARTS_MAX = 3 };
#define DEVIATION_MAX 7.9       /* a deviation beyond counts as this: the ring keeps sixteenths in a byte */
#define DEVIATION_UNIT 16.0
#define DEVIATION_TO_SPREAD 1.2533141373155001     /* sqrt(pi/2) */
#define RESIDUAL 1500.0         /* points within which the spread of what a season leaves over follows */
#define TREND 1000.0            /* points within which the correlations' mean follows */
#define CORRELATED 40.0         /* what the correlations' opinion weighs beside the others, once they are known: */
#define MATURE 600.0            /* from so many points per pair of dimensions on */
#define LEAST 1e-6              /* share: no score says more */
#define FAR 3.0                 /* times what one point in a thousand was */
#define WILD 5.0                /* spreads; what follows within a shape's window is no shape of its own */
#define CALM 3.0                /* in an episode only dimensions calmer than this follow their level */

struct settings {
    int64_t follow;
};
static const struct settings settings_default = {.follow = 300};
static const struct su_field combination_fields[] = {
    SU_FIELD(struct settings, follow, SU_FIELD_INT, .min = 10, .max = 1e9, .help = "several values: points within which each level follows"),
    SU_FIELD_END,
};

/* The parts, each a detector of its own whose state stands at its offset behind struct state. */
struct part {
    struct detector *detector;
    size_t offset;
};
enum part_number { ABSENCE, SEASON, SHAPE, CORRELATION = SEASON };
struct combination {
    struct part parts[PARTS_MAX];
    size_t parts_used, bytes;
};

struct dimension {
    double level;               /* of what the season leaves, or of the value itself; not robust: what is linear stays correlated */
    double trend;               /* the same, but it follows whatever happens: for the correlations */
    double spread;
    float usual;                /* how far the long statistic usually is from 0 */
    int8_t ring[RING];          /* the last deviations */
};
enum statistic { INSTANT, SHORT, LONG, RESTLESS, STATISTIC_COUNT };
struct state {
    struct rarity now, lasting;
    struct rarity statistics[STATISTIC_COUNT];
    float past[RING];           /* how unusual the last points were */
    uint32_t points;            /* with values */
    uint32_t since_wild;        /* points since the last wild value */
    uint32_t reserved;
    uint32_t next;              /* of the rings */
    struct dimension dimensions[];
};

/* -------------------------------------------------------------------- set-up */

static size_t head_bytes(const struct detector *detector)
{
    return (sizeof(struct state) + detector->dimensions * sizeof(struct dimension) + 15) / 16 * 16;
}

/* Takes parameters. */
static bool add_part(struct combination *made, const char *kind, json_t *parameters, size_t dimensions, struct su_err *err)
{
    SU_AUTO_JSON json_t *owned = parameters;
    struct part *part = &made->parts[made->parts_used];
    if (!detector_new(kind, owned, NULL, dimensions, &part->detector, err))
        return false;
    part->offset = made->bytes;
    made->bytes += detector_state_bytes(part->detector);
    made->parts_used++;
    return true;
}

static bool configure(struct detector *detector, const json_t *model, struct su_err *err)
{
    struct combination *made = detector->made = su_alloc(sizeof *made);
    made->bytes = head_bytes(detector);
    (void)model;
    if (!add_part(made, "absence", NULL, 1, err))
        return false;
    if (detector->dimensions == 1)
        return add_part(made, "seasonal", json_pack("{s:f}", "follow", 1000.0), 1, err) &&
               add_part(made, "shape", json_pack("{s:i}", "history", 320), 1, err);
    return detector->dimensions > PCA_DIMENSIONS_MAX ||
           add_part(made, "pca", json_pack("{s:i}", "components", 8), detector->dimensions, err);
}

static void release(struct detector *detector)
{
    struct combination *made = detector->made;
    for (size_t i = 0; made && i < made->parts_used; i++)
        detector_free(made->parts[i].detector);
    free(made);
}

static size_t state_bytes(const struct detector *detector) { return ((struct combination *)detector->made)->bytes; }

static void begin(const struct detector *detector, void *memory)
{
    const struct combination *made = detector->made;
    for (size_t i = 0; i < made->parts_used; i++)
        detector_begin(made->parts[i].detector, (char *)memory + made->parts[i].offset);
}

static double ask(const struct detector *detector, void *memory, enum part_number number, const struct detector_point *point,
                  struct detector_verdict *ret)
{
    const struct part *part = &((const struct combination *)detector->made)->parts[number];
    detector_update(part->detector, (char *)memory + part->offset, point, ret);
    return ret->score;
}

/* ---------------------------------------------------------------- deviations */

static double deviation(const struct state *state, const struct dimension *dimension, uint32_t ago)
{
    return dimension->ring[(state->next + RING - 1 - ago) % RING] / DEVIATION_UNIT;
}

static double mean_of(const struct state *state, const struct dimension *dimension, uint32_t from, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = from; i < from + count; i++)
        sum += deviation(state, dimension, i);
    return sum / count;
}

/* How far off both halves of the last points are, on the same side: what is over, or was one wild value, does not count. */
static double off(const struct state *state, const struct dimension *dimension, uint32_t half)
{
    double newer = mean_of(state, dimension, 0, half), older = mean_of(state, dimension, half, half);
    return newer * older > 0 ? fmin(fabs(newer), fabs(older)) : 0;
}

/* The same of all sixteen points, as far as the newest four agree. */
static double off_long(const struct state *state, const struct dimension *dimension)
{
    return fmin(off(state, dimension, RING / 2), 1.5 * fabs(mean_of(state, dimension, 0, 4)));
}

static double restless(const struct state *state, const struct dimension *dimension, uint32_t from, uint32_t count)
{
    double sum = 0;
    for (uint32_t i = from; i < from + count; i++)
        sum += fmin(fabs(deviation(state, dimension, i)), CALM);
    return sum / count;
}

/* Level and spread take a step towards the value; a wild one widens the spread no more than three spreads would. */
static void follow(struct dimension *dimension, double away, double rate, bool is_first)
{
    double spread = dimension->spread, far = is_first ? fabs(away) : fmin(fabs(away), CALM * spread + 0.1 * fabs(away));
    dimension->level += rate * away;
    dimension->spread += rate * (DEVIATION_TO_SPREAD * far - spread);
}

/* The ring's newest place receives the value's deviation; returns it unbounded. */
static double deviate(struct state *state, struct dimension *dimension, double value, double memory, bool may_learn)
{
    double away = isnan(value) ? 0 : value - dimension->level;
    double unit = fmax(dimension->spread, 1e-12 * fabs(dimension->level) + 1e-30);
    double z = state->points < 2 ? 0 : away / unit;
    dimension->ring[(state->next + RING - 1) % RING] = (int8_t)lrint(fmin(fmax(z, -DEVIATION_MAX), DEVIATION_MAX) * DEVIATION_UNIT);
    if (may_learn && !isnan(value))
        follow(dimension, away, fmax(1 / (double)(state->points + 1), 1 / memory), state->points < BASELINE_POINTS);
    return z;
}

/* ------------------------------------------------------------------- opinions */

struct opinions {
    double sum, weight;
    double far;                 /* how often the value is off by as much, if it is beyond all measure; else 1 */
};

static void add(struct opinions *opinions, double score, double weight)
{
    opinions->sum += weight / fmax(1 - score, 1e-9);
    opinions->weight += weight;
}

static void add_statistic(struct opinions *opinions, struct state *state, enum statistic which, double strangeness, bool may_learn)
{
    add(opinions, rarity_judge_tamed(&state->statistics[which], strangeness, may_learn && state->points > FIRST), 1);
}

/* With a short past no rank says much.  What is several times farther off than one point in a thousand was is told by
 * its size: the tail of a distribution as heavy as t with four degrees of freedom. */
static double far_share(const struct state *state, double strangeness)
{
    double bound = rarity_bound(&state->statistics[INSTANT], 0.999);
    return strangeness > FAR * bound ? 0.001 * pow(bound / strangeness, 4) : 1;
}

/* One value: what its hour of the week leaves over. */
static void judge_one(const struct detector *detector, struct state *state, const struct detector_point *point,
                      struct opinions *opinions, struct detector_verdict *ret)
{
    struct detector_verdict part;
    struct dimension *only = &state->dimensions[0];
    ask(detector, state, SEASON, point, &part);
    *ret = (struct detector_verdict){.value = part.value, .expected = part.expected, .low = part.low, .high = part.high, .dimension = 0};
    double z = deviate(state, only, part.value - part.expected, RESIDUAL, point->may_learn);
    opinions->far = far_share(state, fabs(z));
    add_statistic(opinions, state, INSTANT, fabs(z), point->may_learn);
    add_statistic(opinions, state, SHORT, fmin(off(state, only, 2), 1.5 * fabs(z)), point->may_learn);
    add_statistic(opinions, state, LONG, off_long(state, only), point->may_learn);
    add_statistic(opinions, state, RESTLESS, fmin(restless(state, only, 0, 6), restless(state, only, 6, 6)), point->may_learn);
    state->since_wild = fabs(z) > WILD ? 0 : state->since_wild + (state->since_wild < UINT32_MAX);
    double shape = ask(detector, state, SHAPE, point, &part);
    add(opinions, state->since_wild > SHAPE_WINDOW ? shape : 0, 1);
}

/* Several: each against its own level, which goes on following in an episode where the dimension is calm. */
static void judge_several(const struct detector *detector, struct state *state, const struct detector_point *point,
                          struct opinions *opinions, struct detector_verdict *ret)
{
    const struct combination *made = detector->made;
    double memory = (double)((const struct settings *)detector->settings)->follow;
    double instant = 0, shorter = 0, longer = 0, restlessness = 0, deviations[DETECTOR_DIMENSIONS_MAX];
    for (size_t i = 0; i < detector->dimensions; i++) {
        struct dimension *dimension = &state->dimensions[i];
        double value = value_of(point, i);
        bool is_calm = fabs(mean_of(state, dimension, 1, 3)) < CALM;
        deviations[i] = value - dimension->trend;       /* not in spreads, which come and go: PCA knows its own scale */
        double z = deviate(state, dimension, value, memory, point->may_learn || is_calm);
        if (!isnan(value))
            dimension->trend += deviations[i] * fmax(1 / (double)(state->points + 1), 1 / TREND);
        double lasting = off(state, dimension, RING / 2);
        instant = fmax(instant, fabs(z));
        shorter = fmax(shorter, fmin(off(state, dimension, 2), 1.5 * fabs(z)));
        if (dimension->usual > 0 && lasting / (double)dimension->usual > longer) {
            longer = lasting / (double)dimension->usual;
            ret->dimension = (int8_t)i;
        }
        restlessness += fmin(restless(state, dimension, 0, 6), restless(state, dimension, 6, 6)) / (double)detector->dimensions;
        if (point->may_learn)
            dimension->usual += (float)((lasting - (double)dimension->usual) * fmax(1 / memory, 1 / (double)(state->points + 1)));
    }
    ret->value = instant;
    opinions->far = far_share(state, instant);
    add_statistic(opinions, state, INSTANT, instant, point->may_learn);
    add_statistic(opinions, state, SHORT, shorter, point->may_learn);
    add_statistic(opinions, state, LONG, longer, point->may_learn);
    add_statistic(opinions, state, RESTLESS, restlessness, point->may_learn);
    if (made->parts_used > CORRELATION && state->points >= BASELINE_POINTS) {
        struct detector_verdict part;
        struct detector_point deviated = *point;
        deviated.values = deviations;
        double points = (double)state->points, pairs = (double)(detector->dimensions * detector->dimensions);
        add(opinions, ask(detector, state, CORRELATION, &deviated, &part), CORRELATED * points / (points + MATURE * pairs));
    }
}

/* The mean of how unusual the last points were, without the highest of them. */
static double lately(const struct state *state)
{
    float sorted[LASTING];
    for (uint32_t i = 0; i < LASTING; i++) {
        float one = state->past[(state->next + RING - 1 - i) % RING];
        uint32_t place = i;
        for (; place > 0 && sorted[place - 1] > one; place--)
            sorted[place] = sorted[place - 1];
        sorted[place] = one;
    }
    double sum = 0;
    for (uint32_t i = 0; i < LASTING - LASTING_DROPPED; i++)
        sum += (double)sorted[i];
    return sum / (LASTING - LASTING_DROPPED);
}

/* -------------------------------------------------------------------- a point */

static bool has_value(const struct detector *detector, const struct detector_point *point)
{
    for (size_t i = 0; i < detector->dimensions; i++)
        if (!isnan(value_of(point, i)))
            return true;
    return false;
}

static void update(const struct detector *detector, void *memory, const struct detector_point *given, struct detector_verdict *ret)
{
    struct state *state = memory;
    struct detector_verdict part;
    struct detector_point point = *given;
    point.may_learn = true;     /* a silence that is over belongs to the past, whatever it opened */
    double silent = ask(detector, state, ABSENCE, &point, &part);
    if (point.messages == 0) {
        ret->score = silent;
        ret->is_warm = part.is_warm;
        return;
    }
    if (!has_value(detector, &point))
        return;
    point.may_learn = given->may_learn;
    state->next = (state->next + 1) % RING;
    struct opinions opinions = {.far = 1};
    if (detector->dimensions == 1)
        judge_one(detector, state, &point, &opinions, ret);
    else
        judge_several(detector, state, &point, &opinions, ret);
    state->points += state->points < UINT32_MAX;
    double unusual = log(opinions.sum / opinions.weight);
    state->past[(state->next + RING - 1) % RING] = (float)unusual;
    bool is_learned = point.may_learn && state->points > FIRST;
    double now = rarity_judge_tamed(&state->now, unusual, is_learned);
    double lasting = rarity_judge_tamed(&state->lasting, lately(state), is_learned);
    ret->is_warm = rarity_is_warm(&state->now);
    double share = fmin(2 * (1 - fmax(now, lasting)), opinions.far);    /* twice: there were two to choose from */
    ret->score = fmax(0, 1 - fmax(share, LEAST));
}

static bool check(const struct detector *detector, const void *memory)
{
    const struct combination *made = detector->made;
    const struct state *state = memory;
    bool is_sound = rarity_check(&state->now) && rarity_check(&state->lasting) && state->next < RING;
    for (int i = 0; is_sound && i < STATISTIC_COUNT; i++)
        is_sound = rarity_check(&state->statistics[i]);
    for (int i = 0; is_sound && i < RING; i++)
        is_sound = isfinite((double)state->past[i]);
    for (size_t i = 0; is_sound && i < detector->dimensions; i++) {
        const struct dimension *dimension = &state->dimensions[i];
        is_sound = isfinite(dimension->level) && isfinite(dimension->trend) && isfinite(dimension->spread) && dimension->spread >= 0 &&
                   isfinite((double)dimension->usual) && dimension->usual >= 0;
    }
    for (size_t i = 0; is_sound && i < made->parts_used; i++)
        is_sound = detector_check(made->parts[i].detector, (const char *)memory + made->parts[i].offset,
                                  detector_state_bytes(made->parts[i].detector));
    return is_sound;
}

const struct detector_kind detector_kind_combination = {
    .name = "combination",
    .version = 2,
    .summary = "the default: season, shifts, restlessness, shape, correlations and silence combined by rank, judged by the score's own past",
    .source = "Wilson, PNAS 116, 2019; Lavin and Ahmad, ICMLA 2015",
    .cost = "3 µs a point, 4 to 8 KiB a key",
    .dimensions_max = DETECTOR_DIMENSIONS_MAX,
    .fields = combination_fields,
    .settings_bytes = sizeof(struct settings),
    .settings_default = &settings_default,
    .configure = configure,
    .release = release,
    .state_bytes = state_bytes,
    .begin = begin,
    .update = update,
    .check = check,
};
