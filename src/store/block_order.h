/* Order statistics of values in memory.  Layer store; pure. */
#pragma once
#include <stdint.h>

/* The percentile (0..100) as pandas and numpy give it by default: linear between the two nearest ranks of count ≥ 1
 * values without NaN.  Reorders them: selection (Hoare's), n on average, n log n at worst. */
double block_percentile(double *values, uint64_t count, double percent);
