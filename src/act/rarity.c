/* Rarity: see rarity.h.  Layer act; pure. */
#include "rarity.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum { BITS = 3, PER_OCTAVE = 1 << BITS, ABSOLUTE_MAX = 2048 << BITS };
enum { ROOM_BELOW = RARITY_BINS - 3 * PER_OCTAVE };     /* below the first, three octaves are above */
#define MEMORY 32768.0          /* points that count */
#define TAIL_SHARE 0.03         /* of the points: what the tail is fitted to, */
#define TAIL_POINTS 10.0        /* but at least so many */
#define SHAPE_PRIOR 0.1         /* and how many points that is worth */
#define SHAPE_PRIOR_POINTS 100.0
#define SHAPE_MIN 0.01
#define SHAPE_MAX 0.5
#define SHAPE_NONE 1e-3         /* closer to 0 it is an exponential */
#define CLAIM 1000.0            /* times what was seen */
#define UNIT_MAX 1048576.0
#define TAMED 0.9995            /* what is stranger is learned as this */
#define STRANGE 0.999           /* a run of such points is one incident: */
#define RUN_HELD 20             /* its first points are learned as one, when it is over or longer; */
#define RUN_LEAST 0.03          /* its others count ever less, down to this */

/* Number of the bin on the whole line of positive doubles: exponent and the first bits of the mantissa, which grow
 * with the number. */
static int32_t absolute_of(double strangeness)
{
    uint64_t bits;
    memcpy(&bits, &strangeness, sizeof bits);
    return (int32_t)(bits >> (52 - BITS));
}

/* Lower edge of a bin. */
static double edge_of(int32_t absolute)
{
    if (absolute <= 0)
        return 0;
    uint64_t bits = (uint64_t)(absolute < ABSOLUTE_MAX ? absolute : ABSOLUTE_MAX - 1) << (52 - BITS);
    double edge;
    memcpy(&edge, &bits, sizeof edge);
    return isfinite(edge) ? edge : DBL_MAX;
}

static double middle_of(const struct rarity *rarity, int32_t bin)
{
    double low = edge_of(rarity->origin + bin), high = edge_of(rarity->origin + bin + 1);
    return low + 0.5 * (high - low);
}

/* ------------------------------------------------------------------ learning */

static void shift_up(struct rarity *rarity)
{
    float merged = 0;
    for (int i = 0; i <= PER_OCTAVE; i++)
        merged += rarity->bins[i];
    memmove(rarity->bins, rarity->bins + PER_OCTAVE, (RARITY_BINS - PER_OCTAVE) * sizeof *rarity->bins);
    memset(rarity->bins + RARITY_BINS - PER_OCTAVE, 0, PER_OCTAVE * sizeof *rarity->bins);
    rarity->bins[0] = merged;
    rarity->origin += PER_OCTAVE;
}

/* Nearly all lies below the window: what was learned was of another scale, only how often it was nothing still holds. */
static void begin_anew(struct rarity *rarity, int32_t absolute)
{
    memset(rarity->bins, 0, sizeof rarity->bins);
    rarity->total = rarity->zeros;
    rarity->origin = absolute - ROOM_BELOW;
    if (rarity->zeros <= 0)
        *rarity = (struct rarity){0};
}

static void rescale(struct rarity *rarity)
{
    float factor = (float)(1 / rarity->unit);
    for (int i = 0; i < RARITY_BINS; i++)
        rarity->bins[i] *= factor;
    rarity->zeros *= factor;
    rarity->total *= factor;
    rarity->unit = 1;
}

/* The window follows the data upwards an octave at a time: one far outlier must not push what is learned out of it.
 * False: everything begins anew, without this point. */
static bool follow(struct rarity *rarity, int32_t bin)
{
    float some = 0.01f * rarity->total, most = 0.9f * (rarity->total - rarity->zeros);
    bool is_above = rarity->bins[RARITY_BINS - 1] > some, is_below = rarity->bins[0] > most && !is_above;
    if (bin >= RARITY_BINS && is_above)
        shift_up(rarity);
    if (bin < 0 && is_below)
        begin_anew(rarity, rarity->origin + bin);
    return bin >= 0 || !is_below;
}

static void learn(struct rarity *rarity, double strangeness, double share)
{
    if (rarity->unit == 0)
        rarity->unit = 1;
    float weight = (float)(rarity->unit * share);
    bool is_first = rarity->total == rarity->zeros;
    rarity->total += weight;
    if (strangeness < DBL_MIN) {
        rarity->zeros += weight;
    } else {
        int32_t absolute = absolute_of(strangeness);
        if (is_first)
            rarity->origin = absolute - ROOM_BELOW;
        int32_t bin = absolute - rarity->origin;
        rarity->bins[bin < 0 ? 0 : bin < RARITY_BINS ? bin : RARITY_BINS - 1] += weight;
        if (!follow(rarity, bin))
            return;
    }
    rarity->points += rarity->points < UINT32_MAX;
    rarity->unit *= 1 + fmax(1 / MEMORY, 1.0 / (rarity->points + 8));
    if (rarity->unit > UNIT_MAX)
        rescale(rarity);
}

void rarity_learn(struct rarity *rarity, double strangeness)
{
    if (strangeness >= 0)
        learn(rarity, strangeness, 1);
}

static double judge(struct rarity *rarity, double strangeness, double most, bool may_learn)
{
    double score = rarity_score(rarity, strangeness);
    if (!may_learn || !(strangeness >= 0))
        return score;
    if (score > most && rarity->total > rarity->zeros)
        strangeness = fmin(strangeness, rarity_bound(rarity, most));
    rarity->run = score < STRANGE ? 0 : rarity->run + (rarity->run < UINT32_MAX);
    if (rarity->run > 0 && rarity->run <= RUN_HELD) {
        rarity->held = fmaxf(rarity->held, (float)fmin(strangeness, FLT_MAX));
        return score;
    }
    if (rarity->held > 0)
        learn(rarity, rarity->held, 1);
    rarity->held = 0;
    learn(rarity, strangeness, fmax(1 / fmax(rarity->run, 1), RUN_LEAST));
    return score;
}

double rarity_judge(struct rarity *rarity, double strangeness, bool may_learn) { return judge(rarity, strangeness, 1, may_learn); }

double rarity_judge_tamed(struct rarity *rarity, double strangeness, bool may_learn)
{
    return judge(rarity, strangeness, TAMED, may_learn);
}

/* ------------------------------------------------------------------- scoring */

/* A generalised Pareto tail above `from`, which `share` of the points exceed. */
struct tail { double from, share, mean, shape; };

static void tail_fit(const struct rarity *rarity, struct tail *ret)
{
    double points = rarity->total / rarity->unit, least = fmax(TAIL_SHARE * points, TAIL_POINTS) * rarity->unit;
    double weight = 0;
    int32_t bin = RARITY_BINS;
    while (bin > 0 && weight < least)
        weight += rarity->bins[--bin];
    double from = edge_of(rarity->origin + bin), sum = 0, squares = 0;
    for (int32_t i = bin; i < RARITY_BINS; i++) {
        if (rarity->bins[i] == 0)
            continue;
        double excess = middle_of(rarity, i) - from;
        sum += rarity->bins[i] * excess;
        squares += rarity->bins[i] * excess * excess;
    }
    *ret = (struct tail){from, weight / rarity->total, 0, SHAPE_PRIOR};
    if (weight <= 0)
        return;
    ret->mean = sum / weight;
    double variance = squares / weight - ret->mean * ret->mean, n = weight / rarity->unit;
    double shape = variance > 0 && isfinite(variance) ? 0.5 * (1 - ret->mean * ret->mean / variance) : 0;
    shape = (n * shape + SHAPE_PRIOR_POINTS * SHAPE_PRIOR) / (n + SHAPE_PRIOR_POINTS);
    ret->shape = fmin(fmax(shape, SHAPE_MIN), SHAPE_MAX);
    if (fabs(ret->shape) < SHAPE_NONE)
        ret->shape = SHAPE_NONE;
}

static double tail_share(const struct tail *tail, double strangeness)
{
    if (strangeness <= tail->from)
        return 1;
    if (!(tail->mean > 0))
        return 0;
    double scale = tail->mean * (1 - tail->shape), inner = 1 + tail->shape * (strangeness - tail->from) / scale;
    return inner > 0 ? tail->share * pow(inner, -1 / tail->shape) : 0;
}

/* Share of the points that were in this bin or higher. */
static double share_from(const struct rarity *rarity, int32_t bin)
{
    double weight = 0;
    for (int32_t i = bin < 0 ? 0 : bin; i < RARITY_BINS; i++)
        weight += rarity->bins[i];
    return weight / rarity->total;
}

static double least_share(const struct rarity *rarity) { return rarity->unit / (CLAIM * rarity->total); }

double rarity_score(const struct rarity *rarity, double strangeness)
{
    if (!(strangeness >= DBL_MIN) || !rarity_is_warm(rarity))
        return 0;
    double seen = share_from(rarity, absolute_of(strangeness) - rarity->origin);
    if (rarity->total == rarity->zeros)     /* was always nothing: the first of n, and rarer the larger it is */
        seen = rarity->unit / (rarity->total + rarity->unit) * pow(1 + SHAPE_PRIOR * strangeness, -1 / SHAPE_PRIOR);
    else if (seen * rarity->total < TAIL_POINTS * rarity->unit) {
        struct tail tail;
        tail_fit(rarity, &tail);
        seen = fmax(seen, tail_share(&tail, fmin(strangeness, DBL_MAX)));
    }
    return 1 - fmin(fmax(seen, least_share(rarity)), 1);
}

double rarity_bound(const struct rarity *rarity, double score)
{
    if (!rarity_is_warm(rarity))
        return NAN;
    double share = 1 - score, weight = 0;
    if (share * rarity->total >= TAIL_POINTS * rarity->unit) {
        int32_t bin = RARITY_BINS;
        while (bin > 0 && weight + rarity->bins[bin - 1] <= share * rarity->total)
            weight += rarity->bins[--bin];
        return bin > 0 ? edge_of(rarity->origin + bin) : 0;
    }
    struct tail tail;
    tail_fit(rarity, &tail);
    if (!(tail.mean > 0))
        return tail.from;
    double scale = tail.mean * (1 - tail.shape);
    return tail.from + scale / tail.shape * (pow(fmax(share, least_share(rarity)) / tail.share, -tail.shape) - 1);
}

bool rarity_check(const struct rarity *rarity)
{
    if (!(rarity->unit >= 0) || rarity->unit > 2 * UNIT_MAX || rarity->origin < -RARITY_BINS || rarity->origin > ABSOLUTE_MAX)
        return false;
    double sum = rarity->zeros;
    bool is_sound = rarity->zeros >= 0 && isfinite(rarity->total) && rarity->held >= 0 && isfinite(rarity->held);
    for (int i = 0; i < RARITY_BINS; i++) {
        is_sound &= rarity->bins[i] >= 0;
        sum += rarity->bins[i];
    }
    if (!is_sound || !isfinite(sum) || (rarity->points > 0) != (rarity->unit > 0))
        return false;
    return rarity->points > 0 ? rarity->unit >= 1 && fabs(sum - rarity->total) <= 1e-3 * sum && sum > 0 : sum == 0 && rarity->total == 0;
}
