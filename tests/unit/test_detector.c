/* Detectors: what each kind says, and what all of them promise. */
#include "check.h"
#include <math.h>
#include "act/detector.h"
#include "act/rarity.h"

enum { SECOND = 1000000, STATE = DETECTOR_STATE_MAX };

/* A detector with room for a state, and points that come every `step_us`. */
struct bench {
    struct detector *detector;
    _Alignas(max_align_t) char state[STATE];
    int64_t time_us, step_us;
};

static void bench_begin(struct bench *bench, const char *kind, const char *parameters, size_t dimensions)
{
    struct su_err err;
    SU_AUTO_JSON json_t *given = NULL;
    if (parameters)
        check_ok(su_json_parse(su_str_of(parameters), "parameters", &given, &err));
    check_ok(detector_new(kind, given, NULL, dimensions, &bench->detector, &err));
    assert_in_range(detector_state_bytes(bench->detector), 16, STATE);
    detector_begin(bench->detector, bench->state);
    bench->time_us = 1767225600LL * SECOND;     /* 2026-01-01 */
    bench->step_us = 60LL * SECOND;
}

static struct detector_verdict bench_points(struct bench *bench, const double *values, bool may_learn)
{
    struct detector_verdict verdict;
    struct detector_point point = {bench->time_us, values, 1, may_learn};
    bench->time_us += bench->step_us;
    detector_update(bench->detector, bench->state, &point, &verdict);
    return verdict;
}

static struct detector_verdict bench_point(struct bench *bench, double value) { return bench_points(bench, &value, true); }

/* Noise that is the same on every machine: about Gaussian, mean 0, deviation 1. */
static double noise(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*seed >> 40) / (double)(1 << 24);
    }
    return sum - 6;
}

/* -------------------------------------------------------------------- rarity */

static void a_score_is_the_share_of_what_is_less_strange(void **unused)
{
    struct rarity rarity = {0};
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++)
        rarity_learn(&rarity, fabs(noise(&seed)));
    assert_true(fabs(rarity_score(&rarity, 1.0) - 0.683) < 0.06);
    assert_true(fabs(rarity_score(&rarity, 1.96) - 0.95) < 0.02);
    assert_true(fabs(rarity_score(&rarity, 2.576) - 0.99) < 0.005);
    assert_true(rarity_score(&rarity, 6) > 0.9999);
    assert_true(rarity_score(&rarity, INFINITY) > 0.99999);
    assert_true(rarity_score(&rarity, INFINITY) < 1);
}

static void the_threshold_kind_holds_what_the_limit_says(void **unused)
{
    struct bench bench;
    bench_begin(&bench, "threshold", "{\"above\": 10}", 1);
    assert_true(bench_point(&bench, 11).score >= 0.99);
    for (int i = 0; i < 100; i++)
        assert_true(bench_point(&bench, i % 7).score < 0.99);
    assert_true(bench_point(&bench, 10.1).score >= 0.99);
    detector_free(bench.detector);
}

static void the_seasonal_kind_knows_the_hour(void **unused)
{
    struct bench bench;
    uint64_t seed = 3;
    bench_begin(&bench, "seasonal", NULL, 1);
    for (int i = 0; i < 10 * 1440; i++)
        bench_point(&bench, 100 + 50 * sin(i * 2 * M_PI / 1440) + noise(&seed));
    struct detector_verdict usual = bench_point(&bench, 100), strange = bench_point(&bench, 150);
    assert_true(usual.score < 0.95);
    assert_true(fabs(usual.expected - 100) < 2);
    assert_true(strange.score > 0.999);
    assert_true(usual.low < 100 && usual.high > 100 && usual.high - usual.low < 12);
    detector_free(bench.detector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_the_share_of_what_is_less_strange),
        cmocka_unit_test(the_threshold_kind_holds_what_the_limit_says),
        cmocka_unit_test(the_seasonal_kind_knows_the_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
