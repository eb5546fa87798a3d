/* Order statistics: see block_order.h.  Layer store. */
#include "block_order.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle_of(double a, double b, double c)
{
    return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

static void swap(double *a, double *b)
{
    double held = *a;
    *a = *b;
    *b = held;
}

/* Moves the value of rank `at` there, smaller ones before it; gives up for a sort when halving goes badly. */
static void select_rank(double *values, uint64_t count, uint64_t at)
{
    uint64_t from = 0, to = count;
    for (int turns = 0; to - from > 16; turns++) {
        if (turns > 128) {
            qsort(values + from, to - from, sizeof *values, by_value);
            return;
        }
        double pivot = middle_of(values[from], values[from + (to - from) / 2], values[to - 1]);
        uint64_t less = from, same = from, more = to;
        while (same < more)
            if (values[same] < pivot)
                swap(&values[less++], &values[same++]);
            else if (values[same] > pivot)
                swap(&values[same], &values[--more]);
            else
                same++;
        if (at < less)
            to = less;
        else if (at >= more)
            from = more;
        else
            return;
    }
    qsort(values + from, to - from, sizeof *values, by_value);
}

double block_percentile(double *values, uint64_t count, double percent)
{
    double rank = percent / 100 * (double)(count - 1);
    uint64_t below = (uint64_t)floor(rank);
    select_rank(values, count, below);
    double low = values[below], high = low;
    if (below + 1 < count) {
        high = values[below + 1];
        for (uint64_t i = below + 2; i < count; i++)
            high = values[i] < high ? values[i] : high;
    }
    double part = rank - (double)below;
    return part > 0 && high != low ? low + (high - low) * part : low;
}
