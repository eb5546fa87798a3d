/* Distinct counts in constant memory: see hyperloglog.h.  Layer aggregate; pure. */
#include "hyperloglog.h"
#include <math.h>
#include <stdlib.h>
#include "base/str.h"

void hyperloglog_init(struct hyperloglog *sketch, int bits)
{
    su_assert(bits >= 4 && bits <= 18);
    *sketch = (struct hyperloglog){.registers = su_alloc((size_t)1 << bits), .bits = bits};
}

void hyperloglog_done(struct hyperloglog *sketch)
{
    free(sketch->registers);
    *sketch = (struct hyperloglog){0};
}

/* The series of Ertl's estimator, summed until they no longer change. */
static double sigma(double x)
{
    if (x == 1)
        return INFINITY;
    double sum = x, before, power = 1;
    do {
        x *= x;
        before = sum;
        sum += x * power;
        power += power;
    } while (sum > before);
    return sum;
}

static double tau(double x)
{
    if (x == 0 || x == 1)
        return 0;
    double sum = 1 - x, before, power = 1;
    do {
        x = sqrt(x);
        before = sum;
        power *= 0.5;
        sum -= (1 - x) * (1 - x) * power;
    } while (sum < before);
    return sum / 3;
}

double hyperloglog_estimate(const struct hyperloglog *sketch)
{
    int ranks = 64 - sketch->bits;
    size_t count = (size_t)1 << sketch->bits, histogram[66] = {0};
    for (size_t i = 0; i < count; i++)
        histogram[sketch->registers[i]]++;
    double m = (double)count, z = m * tau(1 - (double)histogram[ranks + 1] / m);
    for (int k = ranks; k >= 1; k--)
        z = 0.5 * (z + (double)histogram[k]);
    z += m * sigma((double)histogram[0] / m);
    return m * m / (2 * log(2) * z);
}
