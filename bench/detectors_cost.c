/* What a point costs each kind of detector, and what a key takes: for bench/detectors.
 *
 *   detectors-cost KEYS ROUNDS     prints one JSON line: an object per kind and number of values a point
 *
 * "us" is CPU time of a point on one key whose state stays in the processor's cache, over a day of minutes after two
 * days of learning; "us_many" of a point on one of KEYS keys that are visited in turn, ROUNDS times, as a watch does when a window
 * closes for all of them; learning is on in both. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "act/detector.h"

enum { MINUTES = 3 * 1440, LEARNED = 2 * 1440, WIDE = 8 };

static double cpu_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return 1e6 * (double)time.tv_sec + (double)time.tv_nsec / 1e3;
}

static double noise(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*seed >> 40) / (double)(1 << 24);
    }
    return sum - 6;
}

/* Minutes with a day's shape, correlated dimensions, and noise. */
static double *values_new(void)
{
    double *values = malloc(MINUTES * WIDE * sizeof *values);
    uint64_t seed = 1;
    for (int i = 0; values && i < MINUTES; i++) {
        double common = noise(&seed);
        for (int d = 0; d < WIDE; d++)
            values[i * WIDE + d] = 100 + 20 * sin(i * 2 * M_PI / 1440) + (d + 1) * common + noise(&seed);
    }
    return values;
}

static void see(const struct detector *detector, void *state, const double *values, int minute, double *sum)
{
    struct detector_verdict verdict;
    const struct detector_point point = {1767571200000000 + minute * 60000000LL, values + minute % MINUTES * WIDE, 1, true};
    detector_update(detector, state, &point, &verdict);
    *sum += verdict.score;
}

static double measure_many(const struct detector *detector, const void *learned, const double *values, size_t keys, int rounds, double *sum)
{
    size_t bytes = detector_state_bytes(detector);
    char *states = malloc(keys * bytes);
    if (!states)
        abort();
    for (size_t key = 0; key < keys; key++)
        memcpy(states + key * bytes, learned, bytes);
    double began_us = cpu_us();
    for (int round = 0; round < rounds; round++)
        for (size_t key = 0; key < keys; key++)
            see(detector, states + key * bytes, values, MINUTES + round, sum);
    double took_us = cpu_us() - began_us;
    free(states);
    return took_us / (double)keys / rounds;
}

static json_t *measure(const char *kind, size_t dimensions, const double *values, size_t keys, int rounds)
{
    struct su_err err;
    DETECTOR_AUTO struct detector *detector = NULL;
    if (!detector_new(kind, NULL, NULL, dimensions, &detector, &err)) {
        fprintf(stderr, "detectors-cost: %s: %s\n", kind, err.message);
        exit(1);
    }
    SU_AUTO_FREE void *state = su_alloc(detector_state_bytes(detector));
    detector_begin(detector, state);
    double sum = 0, began_us = 0;
    for (int minute = 0; minute < MINUTES; minute++) {
        if (minute == LEARNED)
            began_us = cpu_us();
        see(detector, state, values, minute, &sum);
    }
    double took_us = (cpu_us() - began_us) / (MINUTES - LEARNED), many_us = measure_many(detector, state, values, keys, rounds, &sum);
    return json_pack("{s:s, s:i, s:i, s:f, s:f, s:f}", "kind", kind, "dimensions", (int)dimensions, "bytes",
                     (int)detector_state_bytes(detector), "us", took_us, "us_many", many_us, "sum", sum);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t keys = strtoul(argv[1], NULL, 10), i;
    int rounds = (int)strtol(argv[2], NULL, 10);
    SU_AUTO_FREE double *values = values_new();
    SU_AUTO_JSON json_t *kinds = detector_kinds(), *all = json_array();
    json_t *kind;
    json_array_foreach(kinds, i, kind) {
        const char *name = su_json_string(kind, "name", "");
        json_array_append_new(all, measure(name, 1, values, keys, rounds));
        if (su_json_bool(kind, "is_multivariate", false))
            json_array_append_new(all, measure(name, WIDE, values, keys, rounds));
    }
    SU_AUTO_FREE char *text = su_json_text(all);
    puts(text);
    return 0;
}
