/* Rarity and levels: one meaning of the score, whatever the scale, and nothing that lasts stays strange. */
#include "check.h"
#include <math.h>
#include "act/baseline.h"
#include "act/rarity.h"

static uint64_t next(uint64_t *seed) { return (*seed = *seed * 6364136223846793005u + 1442695040888963407u) >> 33; }

static double noise(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)next(seed) / (double)(1u << 31);
    return sum - 6;
}

static struct rarity learned(size_t points, double scale)
{
    struct rarity rarity = {0};
    uint64_t seed = 1;
    for (size_t i = 0; i < points; i++)
        rarity_learn(&rarity, scale * fabs(noise(&seed)));
    assert_true(rarity_check(&rarity));
    return rarity;
}

static void a_score_is_the_share_of_what_is_less_strange(void **unused)
{
    struct rarity rarity = learned(20000, 1);
    assert_true(fabs(rarity_score(&rarity, 1) - 0.683) < 0.06);
    assert_true(fabs(rarity_score(&rarity, 1.96) - 0.95) < 0.02);
    assert_true(fabs(rarity_score(&rarity, 2.576) - 0.99) < 0.005);
    assert_true(fabs(rarity_bound(&rarity, 0.99) - 2.576) < 0.2);
}

static void beyond_what_was_seen_the_score_goes_on_but_not_for_ever(void **unused)
{
    struct rarity rarity = learned(20000, 1), young = learned(100, 1);
    double before = 0;
    for (double strangeness = 0.1; strangeness < 100; strangeness *= 1.02) {
        double score = rarity_score(&rarity, strangeness);
        assert_true(score >= before);   /* never less for more */
        before = score;
    }
    assert_true(rarity_score(&rarity, 4) < 0.99999 && rarity_score(&rarity, 6) > 0.9999);
    assert_true(rarity_score(&rarity, INFINITY) > 0.9999998 && rarity_score(&rarity, INFINITY) < 1);
    assert_true(rarity_score(&young, INFINITY) > 0.9999 && rarity_score(&young, INFINITY) < 0.99999);
    assert_true(rarity_bound(&rarity, 0.9999) > 3.3 && rarity_bound(&rarity, 0.9999) < 5);
}

static void the_scale_does_not_matter(void **unused)
{
    static const double scales[] = {1e-90, 1e-9, 3, 1e12, 1e90};
    struct rarity one = learned(5000, 1);
    for (size_t i = 0; i < SU_COUNT(scales); i++) {
        struct rarity other = learned(5000, scales[i]);
        for (double strangeness = 0.5; strangeness < 8; strangeness += 0.5)
            assert_true(fabs(rarity_score(&one, strangeness) - rarity_score(&other, strangeness * scales[i])) < 0.05);
    }
}

static void what_is_always_so_is_not_strange(void **unused)
{
    struct rarity constant = {0}, pair = {0};
    for (int i = 0; i < 1000; i++) {
        assert_true(rarity_judge(&constant, 0, true) == 0);
        assert_true(rarity_judge(&pair, i % 2 ? 0.37 : 0, true) <= 0.75);
    }
    assert_true(rarity_score(&constant, 1e-9) > 0.99);  /* the first of a thousand */
    assert_true(rarity_score(&pair, 0.5) > 0.99);
}

static void a_wild_beginning_blinds_for_no_more_than_some_points(void **unused)
{
    struct rarity rarity = {0};
    uint64_t seed = 2;
    for (int i = 0; i < 5; i++)
        rarity_judge(&rarity, 1e30, true);
    for (int i = 0; i < 3000; i++)
        rarity_judge(&rarity, fabs(noise(&seed)), true);
    assert_true(rarity_score(&rarity, 1) < 0.9 && rarity_score(&rarity, 2.2) > 0.9);
    for (int i = 0; i < 3000; i++)
        rarity_judge(&rarity, 1e-30 * fabs(noise(&seed)), true);
    assert_true(rarity_score(&rarity, 1) > 0.9);
    assert_true(rarity_check(&rarity));
}

static void a_long_incident_hides_no_second_one_and_yet_becomes_normal(void **unused)
{
    struct rarity rarity = learned(10000, 1);
    uint64_t seed = 4;
    for (int i = 0; i < 200; i++)
        rarity_judge(&rarity, 20 + noise(&seed), true);
    for (int i = 0; i < 1000; i++)
        rarity_judge(&rarity, fabs(noise(&seed)), true);
    assert_true(rarity_score(&rarity, 20) > 0.998);
    for (int i = 0; i < 100000; i++)
        rarity_judge(&rarity, 20 + noise(&seed), true);
    assert_true(rarity_score(&rarity, 20) < 0.9);
    assert_true(rarity_check(&rarity));
}

static void what_is_no_number_is_neither_scored_nor_learned(void **unused)
{
    struct rarity rarity = learned(100, 1), before = rarity;
    assert_true(rarity_judge(&rarity, NAN, true) == 0 && rarity_judge(&rarity, -1, true) == 0);
    rarity_learn(&rarity, NAN);
    assert_memory_equal(&rarity, &before, sizeof rarity);
    struct rarity empty = {0};
    assert_true(rarity_score(&empty, 1e9) == 0 && isnan(rarity_bound(&empty, 0.99)) && rarity_check(&empty));
}

static void a_history_that_cannot_be_is_refused(void **unused)
{
    struct rarity good = learned(100, 1), bad = good;
    bad.bins[3] = NAN;
    assert_false(rarity_check(&bad));
    bad = good, bad.bins[3] = -1;
    assert_false(rarity_check(&bad));
    bad = good, bad.total *= 2;
    assert_false(rarity_check(&bad));
    bad = good, bad.unit = INFINITY;
    assert_false(rarity_check(&bad));
    bad = good, bad.unit = 0;
    assert_false(rarity_check(&bad));
    bad = good, bad.origin = INT32_MAX;
    assert_false(rarity_check(&bad));
    bad = good, bad.points = 0;
    assert_false(rarity_check(&bad));
}

static void a_level_follows_and_an_outlier_moves_it_little(void **unused)
{
    struct baseline level = {0};
    uint64_t seed = 6;
    for (int i = 0; i < 5000; i++)
        baseline_learn(&level, 10 + 2 * noise(&seed), 500);
    assert_true(fabs(level.mean - 10) < 0.5 && fabs(level.spread - 2) < 0.3);
    double before = level.mean;
    baseline_learn(&level, 1e6, 500);
    assert_true(level.mean - before < 0.1 * 1e6 / 500 + 1);
    for (int i = 0; i < 5000; i++)
        baseline_learn(&level, 30 + 2 * noise(&seed), 500);
    assert_true(fabs(level.mean - 30) < 1 && baseline_check(&level));
    struct baseline constant = {0};
    for (int i = 0; i < 100; i++)
        baseline_learn(&constant, 7, 500);
    assert_true(baseline_deviation(&constant, 7) == 0 && fabs(baseline_deviation(&constant, 14) - 20) < 1e-9);
    for (int i = 0; i < 5000; i++)
        baseline_learn(&constant, 8, 500);
    assert_true(fabs(constant.mean - 8) < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_score_is_the_share_of_what_is_less_strange),
        cmocka_unit_test(beyond_what_was_seen_the_score_goes_on_but_not_for_ever),
        cmocka_unit_test(the_scale_does_not_matter),
        cmocka_unit_test(what_is_always_so_is_not_strange),
        cmocka_unit_test(a_wild_beginning_blinds_for_no_more_than_some_points),
        cmocka_unit_test(a_long_incident_hides_no_second_one_and_yet_becomes_normal),
        cmocka_unit_test(what_is_no_number_is_neither_scored_nor_learned),
        cmocka_unit_test(a_history_that_cannot_be_is_refused),
        cmocka_unit_test(a_level_follows_and_an_outlier_moves_it_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
