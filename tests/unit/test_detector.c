/* Detectors: what all kinds promise, and what each of them says. */
#include "check.h"
#include <math.h>
#include "act/detector.h"

#define SECOND 1000000LL
#define MINUTE (60 * SECOND)
#define MONDAY (1767571200LL * SECOND) /* 2026-01-05T00:00:00Z */

/* A detector with its state, and points that come every `step_us`. */
struct watched {
    struct detector *detector;
    void *state;
    int64_t time_us, step_us;
};

static struct watched watch_of(const char *kind, const char *parameters, size_t dimensions)
{
    struct su_err err;
    struct watched watched = {.time_us = MONDAY, .step_us = MINUTE};
    SU_AUTO_JSON json_t *given = NULL;
    if (parameters)
        check_ok(su_json_parse(su_str_of(parameters), "parameters", &given, &err));
    check_ok(detector_new(kind, given, NULL, dimensions, &watched.detector, &err));
    assert_in_range(detector_state_bytes(watched.detector), 16, DETECTOR_STATE_MAX);
    watched.state = su_alloc(detector_state_bytes(watched.detector));
    detector_begin(watched.detector, watched.state);
    return watched;
}

static void watched_done(struct watched *watched)
{
    assert_true(detector_check(watched->detector, watched->state, detector_state_bytes(watched->detector)));
    detector_free(watched->detector);
    free(watched->state);
}

static struct detector_verdict give(struct watched *watched, const double *values, uint64_t messages, bool may_learn)
{
    struct detector_verdict verdict;
    const struct detector_point point = {watched->time_us, values, messages, may_learn};
    watched->time_us += watched->step_us;
    detector_update(watched->detector, watched->state, &point, &verdict);
    assert_true(verdict.score >= 0 && verdict.score <= 1);
    return verdict;
}

static struct detector_verdict see(struct watched *watched, double value) { return give(watched, &value, 1, true); }
static struct detector_verdict see_nothing(struct watched *watched)
{
    const double none = NAN;
    return give(watched, &none, 0, true);
}

static uint64_t next(uint64_t *seed) { return (*seed = *seed * 6364136223846793005u + 1442695040888963407u) >> 33; }

/* Noise that is the same on every machine: about Gaussian, mean 0, deviation 1. */
static double noise(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (double)next(seed) / (double)(1u << 31);
    return sum - 6;
}

/* ------------------------------------------------------------------ every kind */

typedef void kind_test(const char *kind, size_t dimensions);

static void for_every_kind(kind_test *test)
{
    SU_AUTO_JSON json_t *kinds = detector_kinds();
    assert_true(json_array_size(kinds) >= 6);
    size_t i;
    json_t *kind;
    json_array_foreach(kinds, i, kind) {
        test(su_json_string(kind, "name", ""), 1);
        if (su_json_bool(kind, "is_multivariate", false))
            test(su_json_string(kind, "name", ""), 3);
    }
}

/* What streams hold: ordinary values, and now and then one missing, infinite, huge, tiny, or out of order. */
static void wild_point(struct watched *watched, uint64_t *seed, double *values, size_t dimensions, struct detector_point *ret)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 0, 1e308, -1e308, 5e-324, 1e-30, 1e15};
    for (size_t i = 0; i < dimensions; i++)
        values[i] = next(seed) % 16 ? 10 + noise(seed) : odd[next(seed) % SU_COUNT(odd)];
    watched->time_us += next(seed) % 50 ? watched->step_us : -60 * watched->step_us;
    *ret = (struct detector_point){watched->time_us, values, next(seed) % 20 != 0, next(seed) % 8 != 0};
}

static bool is_same(const struct detector_verdict *a, const struct detector_verdict *b)
{
    const double of_a[] = {a->score, a->value, a->expected, a->low, a->high}, of_b[] = {b->score, b->value, b->expected, b->low, b->high};
    return memcmp(of_a, of_b, sizeof of_a) == 0 && a->is_warm == b->is_warm && a->dimension == b->dimension;
}

static void check_replay(const char *kind, size_t dimensions)
{
    struct watched one = watch_of(kind, NULL, dimensions), other = watch_of(kind, NULL, dimensions);
    size_t bytes = detector_state_bytes(one.detector);
    void *saved = su_alloc(bytes);
    double values[8];
    uint64_t seed = 11;
    for (int i = 0; i < 3000; i++) {
        struct detector_point point;
        struct detector_verdict first, second;
        wild_point(&one, &seed, values, dimensions, &point);
        detector_update(one.detector, one.state, &point, &first);
        if (i % 100 == 50) {            /* a checkpoint, and back from it */
            memcpy(saved, other.state, bytes);
            assert_true(detector_check(other.detector, saved, bytes));
            memset(other.state, 0xa5, bytes);
            memcpy(other.state, saved, bytes);
        }
        detector_update(other.detector, other.state, &point, &second);
        if (!is_same(&first, &second))
            fail_msg("%s: point %d was judged %.17g, then %.17g", kind, i, first.score, second.score);
        if (!(first.score >= 0 && first.score <= 1) || (!first.is_warm && first.score != 0))
            fail_msg("%s: point %d has score %g", kind, i, first.score);
        if (!detector_check(one.detector, one.state, bytes))
            fail_msg("%s: its own state is refused after point %d", kind, i);
    }
    assert_memory_equal(one.state, other.state, bytes);
    free(saved);
    watched_done(&one);
    watched_done(&other);
}
static void the_same_points_give_the_same_verdicts_also_from_a_saved_state(void **unused) { for_every_kind(check_replay); }

static void check_hostile_state(const char *kind, size_t dimensions)
{
    struct watched watched = watch_of(kind, NULL, dimensions);
    size_t bytes = detector_state_bytes(watched.detector);
    char *state = su_alloc(bytes + 16), *good = watched.state;
    uint64_t seed = 5;
    double values[8];
    for (int i = 0; i < 200; i++) {
        struct detector_point point;
        wild_point(&watched, &seed, values, dimensions, &point);
        struct detector_verdict verdict;
        detector_update(watched.detector, watched.state, &point, &verdict);
    }
    memcpy(state, good, bytes);
    assert_false(detector_check(watched.detector, state, bytes - 1));
    assert_false(detector_check(watched.detector, state, bytes + 16));
    assert_false(detector_check(watched.detector, state, 0));
    for (size_t i = 0; i < 16; i++) {   /* the header */
        state[i] = (char)(state[i] + 1);
        assert_false(detector_check(watched.detector, state, bytes));
        state[i] = good[i];
    }
    memset(state + 16, 0xff, bytes - 16);
    assert_false(detector_check(watched.detector, state, bytes));
    /* Garbled here and there it may pass for another state, which must then do no harm. */
    for (int round = 0; round < 300; round++) {
        memcpy(state, good, bytes);
        for (uint64_t i = 0; i <= next(&seed) % 4; i++)
            state[16 + next(&seed) % (bytes - 16)] = (char)next(&seed);
        for (int i = 0; i < 20 && detector_check(watched.detector, state, bytes); i++) {
            struct detector_point point;
            struct detector_verdict verdict;
            wild_point(&watched, &seed, values, dimensions, &point);
            detector_update(watched.detector, state, &point, &verdict);
            assert_true(verdict.score >= 0 && verdict.score <= 1);
        }
    }
    free(state);
    watched_done(&watched);
}
static void a_state_that_a_disk_garbled_is_refused_or_harmless(void **unused) { for_every_kind(check_hostile_state); }

static void check_constant(const char *kind, size_t dimensions)
{
    struct watched watched = watch_of(kind, NULL, dimensions);
    double values[3] = {5, 5, 5};
    for (int i = 0; i < 5000; i++)
        if (give(&watched, values, 1, true).score != 0)
            fail_msg("%s: a constant was strange at point %d", kind, i);
    watched_done(&watched);
}
static void a_constant_is_never_strange(void **unused) { for_every_kind(check_constant); }

static void check_missing(const char *kind, size_t dimensions)
{
    struct watched watched = watch_of(kind, NULL, dimensions);
    uint64_t seed = 9;
    double missing[3] = {NAN, INFINITY, -INFINITY}, values[3];
    for (int i = 0; i < 2000; i++) {
        for (size_t d = 0; d < dimensions; d++)
            values[d] = noise(&seed);
        give(&watched, values, 1, true);
    }
    for (int i = 0; i < 100; i++) {
        struct detector_verdict verdict = give(&watched, missing, 1, true);
        if (verdict.score != 0)
            fail_msg("%s: missing values scored %g", kind, verdict.score);
    }
    watched_done(&watched);
}
static void missing_values_say_nothing(void **unused) { for_every_kind(check_missing); }

static void a_detector_is_refused_with_a_word_about_the_field(void **unused)
{
    struct su_err err;
    struct detector *detector = NULL;
    SU_AUTO_JSON json_t *model = json_pack("{s:s, s:i}", "kind", "seasonal", "format", 1);
    SU_AUTO_JSON json_t *wrong = json_pack("{s:i}", "period", 7);
    SU_AUTO_JSON json_t *crossed = json_pack("{s:i, s:i}", "above", 1, "below", 2);
    check_fails(detector_new("oracle", NULL, NULL, 1, &detector, &err), SU_INVALID, "no detector \"oracle\"");
    assert_non_null(strstr(err.hint, "seasonal"));
    check_fails(detector_new("seasonal", wrong, NULL, 1, &detector, &err), SU_INVALID, "unknown field");
    assert_string_equal(err.field, "/parameters/period");
    check_fails(detector_new("threshold", crossed, NULL, 1, &detector, &err), SU_INVALID, "beyond a limit");
    check_fails(detector_new("seasonal", NULL, model, 1, &detector, &err), SU_INVALID, "without a model");
    SU_AUTO_JSON json_t *nowhere = json_pack("{s:s}", "zone", "Europe/Atlantis");
    check_fails(detector_new("seasonal", nowhere, NULL, 1, &detector, &err), SU_INVALID, "Atlantis");
    assert_string_equal(err.field, "/parameters/zone");
    check_fails(detector_new("seasonal", NULL, NULL, 2, &detector, &err), SU_INVALID, "at most 1 value a point");
    check_fails(detector_new("combination", NULL, NULL, 0, &detector, &err), SU_INVALID, "1 to 32 values");
    check_fails(detector_new("combination", NULL, NULL, 33, &detector, &err), SU_INVALID, "1 to 32 values");
    assert_null(detector);
}

/* --------------------------------------------------------------- threshold, rate */

static void a_limit_is_kept_from_the_first_point_on(void **unused)
{
    struct watched watched = watch_of("threshold", "{\"above\": 10, \"below\": -10}", 1);
    assert_true(see(&watched, 11).is_warm);
    assert_true(see(&watched, 10.5).score >= 0.99);
    assert_true(see(&watched, -10.5).score >= 0.99);
    for (int i = 0; i < 1000; i++)
        assert_true(see(&watched, i % 7).score < 0.99);
    assert_true(see(&watched, 9.9).score < 0.99);       /* rare, but within */
    for (int i = 0; i < 1000; i++)
        assert_true(see(&watched, 11).score >= 0.99);   /* usual by now, and yet beyond */
    watched_done(&watched);
}

static void without_a_limit_the_value_is_held_against_its_past(void **unused)
{
    struct watched watched = watch_of("threshold", NULL, 1);
    uint64_t seed = 3;
    for (int i = 0; i < 3000; i++)
        see(&watched, 100 + 5 * noise(&seed));
    struct detector_verdict usual = see(&watched, 101), low = see(&watched, 60), high = see(&watched, 140);
    assert_true(usual.score < 0.5 && low.score > 0.999 && high.score > 0.999);
    assert_true(fabs(high.expected - 100) < 1 && fabs(high.high - 113) < 2 && fabs(high.low - 87) < 2);
    watched_done(&watched);
}

static void what_may_not_be_learned_is_not(void **unused)
{
    struct watched watched = watch_of("threshold", NULL, 1);
    uint64_t seed = 3;
    for (int i = 0; i < 1000; i++)
        see(&watched, noise(&seed));
    const double shifted = 50;
    struct detector_verdict first = give(&watched, &shifted, 1, false), last = first;
    for (int i = 0; i < 5000; i++)
        last = give(&watched, &shifted, 1, false);
    assert_true(is_same(&first, &last) && first.score > 0.99);
    watched_done(&watched);
}

static void a_rate_is_a_change_per_second(void **unused)
{
    struct watched watched = watch_of("rate", "{\"above\": 0.5}", 1);
    assert_true(isnan(see(&watched, 0).value));
    struct detector_verdict slow = see(&watched, 18), fast = see(&watched, 60);
    assert_true(slow.value == 0.3 && slow.score < 0.99);
    assert_true(fast.value == 0.7 && fast.score >= 0.99);
    watched.time_us -= 2 * watched.step_us;
    assert_true(isnan(see(&watched, 1000).value));      /* back in time: no change at all */
    assert_true(fabs(see(&watched, 1006).value - 0.1) < 1e-9);
    watched_done(&watched);
}

/* -------------------------------------------------------------------- absence */

static void silence_longer_than_the_gaps_learned_is_strange(void **unused)
{
    struct watched watched = watch_of("absence", NULL, 1);
    for (int i = 0; i < 200; i++) {     /* every second window, at times every third */
        see(&watched, 1);
        assert_true(see_nothing(&watched).score < 0.99);
        if (i % 5 == 0)
            assert_true(see_nothing(&watched).score < 0.99);
    }
    see(&watched, 1);
    assert_true(see_nothing(&watched).value == 60);
    assert_true(see_nothing(&watched).score < 0.99);
    assert_true(see_nothing(&watched).score > 0.99);    /* it will be at least four windows */
    assert_true(see(&watched, 1).score == 0);
    watched_done(&watched);
}

static void a_key_that_never_spoke_is_missed_too(void **unused)
{
    struct watched watched = watch_of("absence", "{\"after\": 150}", 1);
    double scores[4];
    for (int i = 0; i < 4; i++)
        scores[i] = see_nothing(&watched).score;
    assert_true(scores[2] < 0.99 && scores[3] >= 0.99);
    watched_done(&watched);
}

static void a_late_window_ends_no_silence(void **unused)
{
    struct watched watched = watch_of("absence", "{\"after\": 150}", 1);
    see(&watched, 1);
    watched.time_us += 2 * MINUTE;
    see_nothing(&watched);
    watched.time_us -= 60 * MINUTE;
    see(&watched, 1);                                   /* of an hour ago */
    watched.time_us += 59 * MINUTE;
    struct detector_verdict verdict = see_nothing(&watched);
    assert_true(verdict.value == 240 && verdict.score >= 0.99);
    watched_done(&watched);
}

/* ------------------------------------------------------------------- seasonal */

/* Minutes with a day's shape and a lower week-end. */
static double minute_of_week(int i, uint64_t *seed)
{
    double weekday = i / 1440 % 7 < 5 ? 1 : 0.5;
    return 100 + 30 * weekday * sin(i * 2 * M_PI / 1440) + noise(seed);
}

static void the_hour_of_the_week_is_known(void **unused)
{
    struct watched watched = watch_of("seasonal", NULL, 1);
    uint64_t seed = 3;
    for (int i = 0; i < 21 * 1440; i++) {
        struct detector_verdict verdict = see(&watched, minute_of_week(i, &seed));
        if (i > 14 * 1440 && i % 1440 == 360)           /* six in the morning: 130, on a Saturday 115 */
            assert_true(fabs(verdict.expected - (i / 1440 % 7 < 5 ? 130 : 115)) < 2);
    }
    struct detector_verdict midnight = see(&watched, 100), noon = see(&watched, 130);
    assert_true(midnight.score < 0.97 && noon.score > 0.9999);
    assert_true(noon.high - noon.low > 3 && noon.high - noon.low < 9);
    watched_done(&watched);
}

/* A job that runs at one hour of Berlin's clocks, every day; watched before and after they go back on 2026-10-25. */
static void the_hour_is_that_of_the_zone(void **unused)
{
    int strange[2] = {0};
    for (int in_zone = 0; in_zone < 2; in_zone++) {
        struct watched watched = watch_of("seasonal", in_zone ? "{\"zone\": \"Europe/Berlin\"}" : NULL, 1);
        uint64_t seed = 3;
        watched.step_us = 60 * MINUTE;
        watched.time_us = 1790553600LL * SECOND + watched.step_us;      /* windows from Monday, 2026-09-28, on */
        for (int hour = 0; hour < 35 * 24; hour++) {
            int local = hour + (hour < 27 * 24 + 1 ? 2 : 1);
            double score = see(&watched, (local % 24 == 3 ? 100 : 10) + noise(&seed)).score;
            strange[in_zone] += hour >= 28 * 24 && score > 0.99;
        }
        watched_done(&watched);
    }
    assert_true(strange[0] >= 4 && strange[1] <= 2);
}

static void a_gap_of_weeks_and_a_clock_in_2099_break_nothing(void **unused)
{
    struct watched watched = watch_of("seasonal", NULL, 1);
    uint64_t seed = 3;
    for (int i = 0; i < 1440; i++)
        see(&watched, minute_of_week(i, &seed));
    watched.time_us = 4070908800LL * SECOND;
    see(&watched, 100);
    watched.time_us = MONDAY + 1441 * MINUTE;
    for (int i = 0; i < 1440; i++)
        see(&watched, minute_of_week(i, &seed));
    assert_true(see(&watched, 100).score < 0.99);
    watched_done(&watched);
}

static void a_new_level_becomes_normal(void **unused)
{
    struct watched watched = watch_of("seasonal", NULL, 1);
    uint64_t seed = 3;
    for (int i = 0; i < 7 * 1440; i++)
        see(&watched, 100 + noise(&seed));
    assert_true(see(&watched, 110).score > 0.999);
    for (int i = 0; i < 2000; i++)
        see(&watched, 110 + noise(&seed));
    assert_true(see(&watched, 110).score < 0.99);
    watched_done(&watched);
}

/* --------------------------------------------------------------------- change */

/* Computed in Python, apart from this program, by the definitions in detector_change.c, over x(i) = (37 i mod 101)/10,
 * 4 more from i = 40 on; level 5, spread 3, slack 0.5; tolerance 0.01, forgetting 0.999. */
static const struct reference { int at; double cusum, page_hinkley; } references[] = {
    {0, 1.1666666666666667, 0},
    {5, 0.63333333333333353, 2.9665598547838909},
    {20, 0.066666666666666763, 5.3449676106260542},
    {39, 0.20000000000000007, 7.2208557577626351},
    {41, 0.59999999999999987, 8.7106415010053073},
    {50, 8.8000000000000007, 19.686275491582713},
    {60, 18.366666666666667, 30.222960687695945},
    {79, 33.600000000000001, 43.235332515304705},
};

static void check_sums(const char *parameters, size_t offset)
{
    struct watched watched = watch_of("change", parameters, 1);
    for (int i = 0, next = 0; i < 80; i++) {
        double sum = see(&watched, i * 37 % 101 / 10.0 + (i >= 40 ? 4 : 0)).value;
        if (i != references[next].at)
            continue;
        double wanted;
        memcpy(&wanted, (const char *)&references[next] + offset, sizeof wanted);
        if (fabs(sum - wanted) > 1e-12 * (1 + wanted))
            fail_msg("%s: at %d the sum is %.17g, not %.17g", parameters, i, sum, wanted);
        next++;
    }
    watched_done(&watched);
}

static void the_sums_of_a_change_are_those_computed_elsewhere(void **unused)
{
    check_sums("{\"method\": \"cusum\", \"level\": 5, \"spread\": 3, \"clip\": 1000, \"cap\": 1000}", offsetof(struct reference, cusum));
    check_sums("{\"method\": \"page-hinkley\", \"level\": 5, \"spread\": 3, \"clip\": 1000, \"cap\": 1000, \"tolerance\": 0.01, \"forgetting\": 0.999}",
               offsetof(struct reference, page_hinkley));
}

static void a_small_shift_is_found_and_a_single_outlier_is_not(void **unused)
{
    int found = 0;
    for (uint64_t run = 1; run <= 20; run++) {
        struct watched watched = watch_of("change", NULL, 1);
        uint64_t seed = run;
        for (int i = 0; i < 3000; i++)
            see(&watched, noise(&seed));
        assert_true(see(&watched, 50).score < 0.999);
        for (int i = 0; i < 200; i++)
            see(&watched, noise(&seed));
        double most = 0;
        for (int i = 0; i < 60; i++)
            most = fmax(most, see(&watched, 1.5 + noise(&seed)).score);
        found += most > 0.999;
        watched_done(&watched);
    }
    assert_in_range(found, 19, 20);
}

/* ----------------------------------------------------------------- combination */

static void a_lasting_shift_is_found_by_the_default(void **unused)
{
    int found = 0;
    for (uint64_t run = 1; run <= 10; run++) {
        struct watched watched = watch_of("combination", NULL, 1);
        uint64_t seed = run;
        for (int i = 0; i < 14 * 1440; i++)
            see(&watched, minute_of_week(i, &seed));
        double most = 0;
        for (int i = 14 * 1440; i < 14 * 1440 + 30; i++)
            most = fmax(most, see(&watched, minute_of_week(i, &seed) + 6).score);
        found += most > 0.99;
        watched_done(&watched);
    }
    assert_in_range(found, 9, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_points_give_the_same_verdicts_also_from_a_saved_state),
        cmocka_unit_test(a_state_that_a_disk_garbled_is_refused_or_harmless),
        cmocka_unit_test(a_constant_is_never_strange),
        cmocka_unit_test(missing_values_say_nothing),
        cmocka_unit_test(a_detector_is_refused_with_a_word_about_the_field),
        cmocka_unit_test(a_limit_is_kept_from_the_first_point_on),
        cmocka_unit_test(without_a_limit_the_value_is_held_against_its_past),
        cmocka_unit_test(what_may_not_be_learned_is_not),
        cmocka_unit_test(a_rate_is_a_change_per_second),
        cmocka_unit_test(silence_longer_than_the_gaps_learned_is_strange),
        cmocka_unit_test(a_key_that_never_spoke_is_missed_too),
        cmocka_unit_test(a_late_window_ends_no_silence),
        cmocka_unit_test(the_hour_of_the_week_is_known),
        cmocka_unit_test(the_hour_is_that_of_the_zone),
        cmocka_unit_test(a_gap_of_weeks_and_a_clock_in_2099_break_nothing),
        cmocka_unit_test(a_new_level_becomes_normal),
        cmocka_unit_test(the_sums_of_a_change_are_those_computed_elsewhere),
        cmocka_unit_test(a_small_shift_is_found_and_a_single_outlier_is_not),
        cmocka_unit_test(a_lasting_shift_is_found_by_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
