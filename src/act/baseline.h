/* A level and its spread, learned point by point and hard to mislead.  Layer act; pure.
 *
 * An exponentially weighted mean and mean absolute deviation (scaled to the standard deviation of a Gaussian), whose
 * steps are clipped at three spreads as Huber's estimator clips them (Huber 1964; recursive as in Gelper, Fried,
 * Croux, "Robust forecasting with exponential and Holt-Winters smoothing", 2010), so that one outlier moves them little.
 * A tenth of what is clipped still counts: a series that really moved, even one that was constant until then, is followed.
 * Cost: 10 ns. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { BASELINE_POINTS = 8 };   /* before so many nothing is clipped, and a deviation means little */

/* Plain memory; all zero is the beginning. */
struct baseline { double mean, spread; uint32_t points, reserved; };

/* The first points count alike, later ones as 1/memory.  value: finite. */
void baseline_learn(struct baseline *baseline, double value, double memory);
/* (value - mean) / spread, signed and finite. */
double baseline_deviation(const struct baseline *baseline, double value);
/* What a deviation of `value` from `mean` is measured in: the spread, or where there never was one (but for rounding) a
 * twentieth of the mean, or where that is 0, the value.  Never 0. */
double baseline_unit(double mean, double spread, double value);
/* How far a step may go that the error `error` asks for, where `spread` is usual. */
double baseline_clip(double error, double spread);
bool baseline_check(const struct baseline *baseline);
