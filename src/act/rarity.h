/* Rarity: how rarely has this statistic been as large?  Layer act; pure.
 *
 * Every kind of detector boils a point down to one strangeness, a number ≥ 0 of any scale that grows with how odd
 * the point is; this turns it into the score all kinds share, by the history of the statistic itself.  So it needs
 * no assumption about the distribution of the data, and 0.99 means one in a hundred for each of them.
 *
 * The history is a histogram over the exponent and three bits of the mantissa (bins 7 to 13 % wide, as HdrHistogram and
 * DDSketch have them; Masson, Rim, Lee, VLDB 2019), whose window of ten octaves follows the data and whose counts fade,
 * early ones sooner, so that at most about the last 30,000 points count.  Where ten or more points were stranger, the
 * score is their share.  Beyond, the largest 3 % are continued by a generalised Pareto tail fitted by moments (Pickands
 * 1975; peaks over threshold as in Siffer et al., KDD 2017), with its shape drawn towards 0.1 and kept within 0.01 and
 * 0.5: data are seldom as tame as a Gaussian, and a tail promised too short is a false alarm.  Nothing is claimed
 * beyond a thousand times what was seen: the score is at most 1 - 1/(1000 n).  Where there never was any strangeness, its
 * first is one of n, and rarer the larger it is: kinds give it in units of which 1 is usual.
 *
 * A point as strange as all the others has score 0: the score counts what is strictly less strange, so a constant or
 * a two-valued series is never anomalous.  Points of 0.999 and more that follow one another are one incident, as peaks are
 * declustered there: the first twenty are learned as one when it is over, the others count ever less (down to a
 * thirtieth).  So an incident hides neither its own course nor the next one, and yet what stays becomes normal in the end.
 *
 * Cost: 20 ns to learn, 50 to 150 to score; 352 bytes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { RARITY_BINS = 80, RARITY_WARM = 30 };
/* Plain memory; all zero is the beginning. */
struct rarity {
    double unit;                /* what one point adds now; 0: nothing learned yet */
    float zeros, total;         /* weight of strangeness 0, and of all */
    float bins[RARITY_BINS];
    int32_t origin;             /* absolute number of the first bin */
    uint32_t points;            /* learned, at most UINT32_MAX */
    uint32_t run;               /* points of 0.999 and more, one after the other */
    float held;                 /* the strangest of its first points, not learned yet; 0: none */
};

/* 0 ≤ score < 1.  0 when strangeness is NaN or before RARITY_WARM points. */
double rarity_score(const struct rarity *rarity, double strangeness);
/* Strangeness may be infinite (counts as very large); NaN and negative are not learned. */
void rarity_learn(struct rarity *rarity, double strangeness);
/* Score it, then learn it if it may be. */
double rarity_judge(struct rarity *rarity, double strangeness, bool may_learn);
/* The same, but what is stranger than one in 2,000 is learned as no more than that: an incident that comes again is as
 * strange as before, where rarity_judge gets used to it. */
double rarity_judge_tamed(struct rarity *rarity, double strangeness, bool may_learn);
/* About which strangeness has this score; NaN before it is warm. */
double rarity_bound(const struct rarity *rarity, double score);
static inline bool rarity_is_warm(const struct rarity *rarity) { return rarity->points >= RARITY_WARM; }
/* For memory that came from a disk. */
bool rarity_check(const struct rarity *rarity);
