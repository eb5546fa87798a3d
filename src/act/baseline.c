/* Levels: see baseline.h.  Layer act; pure. */
#include "baseline.h"
#include <math.h>

#define DEVIATION_TO_SPREAD 1.2533141373155001     /* sqrt(pi/2) */

double baseline_clip(double error, double spread)
{
    double bound = 3 * spread, size = fabs(error);
    return size <= bound ? error : copysign(bound + 0.1 * (size - bound), error);
}

void baseline_learn(struct baseline *baseline, double value, double memory)
{
    if (baseline->points == 0) {
        *baseline = (struct baseline){.mean = value, .points = 1};
        return;
    }
    baseline->points += baseline->points < UINT32_MAX;
    double error = value - baseline->mean, step = fmax(1.0 / baseline->points, 1 / memory);
    if (baseline->points > BASELINE_POINTS)
        error = baseline_clip(error, baseline->spread);
    baseline->mean += step * error;
    baseline->spread += step * (DEVIATION_TO_SPREAD * fabs(error) - baseline->spread);
}

double baseline_unit(double mean, double spread, double value)
{
    if (spread > 1e-12 * fabs(mean))
        return spread;
    return fmax(mean != 0 ? 0.05 * fabs(mean) : fabs(value), 1e-100);
}

double baseline_deviation(const struct baseline *baseline, double value)
{
    return (value - baseline->mean) / baseline_unit(baseline->mean, baseline->spread, value);
}

bool baseline_check(const struct baseline *baseline)
{
    return isfinite(baseline->mean) && isfinite(baseline->spread) && baseline->spread >= 0 &&
           (baseline->points > 0 || (baseline->mean == 0 && baseline->spread == 0));
}
