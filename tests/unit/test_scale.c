/* Target tracking: when a size changes, and to what. */
#include "check.h"
#include "act/scale.h"
#include <math.h>

static const int64_t S = 1000000;

static struct scale_policy policy_of(const char *text)
{
    struct scale_policy policy;
    struct su_err err;
    SU_AUTO_JSON json_t *given = NULL;
    check_ok(su_json_parse(su_str_of(text), "policy", &given, &err));
    check_ok(scale_policy_read(given, &policy, &err));
    return policy;
}

static void policy_refuses(const char *text, const char *field, const char *part)
{
    struct scale_policy policy;
    struct su_err err;
    SU_AUTO_JSON json_t *given = NULL;
    check_ok(su_json_parse(su_str_of(text), "policy", &given, &err));
    check_fails(scale_policy_read(given, &policy, &err), SU_INVALID, part);
    assert_string_equal(err.field, field);
}

/* One step at `second`; the size afterwards. */
static int64_t size_after(const struct scale_policy *policy, struct scale_state *state, double second, double metric, int64_t floor)
{
    int64_t before = scale_current(policy, state), desired = -1;
    bool is_new = scale_step(policy, state, (int64_t)(second * 1e6), metric, floor, &desired);
    int64_t after = scale_current(policy, state);
    assert_int_equal(is_new, after != before);
    assert_true(!is_new || desired == after);
    return after;
}

static void a_policy_says_what_is_wrong(void **state)
{
    (void)state;
    struct scale_policy policy = policy_of("{\"target\":0.7,\"max\":20,\"kind\":\"scale\",\"via\":{\"webhook\":\"http://x\"}}");
    assert_true(policy.tolerance == 0.1 && policy.min == 1 && policy.initial == 1 && policy.max == 20 && !policy.is_total);
    assert_true(policy.settle_us == 60 * S && policy.ahead_us == 90 * S && policy.stabilise_up_us == 0 && policy.stabilise_down_us == 300 * S);
    policy = policy_of("{\"target\":10,\"max\":9,\"min\":2,\"initial\":3,\"total\":true,\"settle\":\"5s\",\"ahead\":\"0s\",\"stabilise_down\":\"30s\"}");
    assert_true(policy.settle_us == 5 * S && policy.ahead_us == 0 && policy.stabilise_down_us == 30 * S && policy.initial == 3 && policy.is_total);
    policy_refuses("{\"max\":2}", "/target", "target");
    policy_refuses("{\"target\":1}", "/max", "max");
    policy_refuses("{\"target\":0,\"max\":2}", "/target", "more than 0");
    policy_refuses("{\"target\":1,\"max\":2,\"min\":3}", "/min", "at most max (2)");
    policy_refuses("{\"target\":1,\"max\":2,\"initial\":3}", "/initial", "1..2");
    policy_refuses("{\"target\":1,\"max\":2,\"settle\":\"soon\"}", "/settle", "duration");
    policy_refuses("{\"target\":1,\"max\":2,\"ahead\":\"8d\"}", "/ahead", "at most 7d");
}

static void the_size_follows_the_target(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":0.5,\"max\":100,\"initial\":10,\"settle\":\"0s\",\"stabilise_down\":\"0s\"}");
    struct scale_state s = {0};
    (void)state;
    assert_int_equal(size_after(&policy, &s, 1, 0.50, 0), 10);
    assert_int_equal(size_after(&policy, &s, 2, 0.55, 0), 10);      /* within the tolerance */
    assert_int_equal(size_after(&policy, &s, 3, 0.45, 0), 10);
    assert_int_equal(size_after(&policy, &s, 4, 0.56, 0), 12);      /* 11.2 workers */
    assert_int_equal(size_after(&policy, &s, 5, 1.00, 0), 24);
    assert_int_equal(size_after(&policy, &s, 6, 0.10, 0), 5);       /* 4.8 */
    assert_int_equal(size_after(&policy, &s, 7, 0.00, 0), 1);
    assert_int_equal(size_after(&policy, &s, 8, 1e300, 0), 100);
}

static void a_total_is_shared_out(void **state)
{
    const struct scale_policy policy = policy_of(
        "{\"target\":30,\"max\":50,\"min\":0,\"initial\":0,\"total\":true,\"settle\":\"0s\",\"stabilise_down\":\"0s\"}");
    struct scale_state s = {0};
    (void)state;
    assert_int_equal(size_after(&policy, &s, 1, 0, 0), 0);
    assert_int_equal(size_after(&policy, &s, 2, 1, 0), 1);          /* from nothing */
    assert_int_equal(size_after(&policy, &s, 3, 300, 0), 10);
    assert_int_equal(size_after(&policy, &s, 4, 301, 0), 10);
    assert_int_equal(size_after(&policy, &s, 5, 0, 0), 0);
}

static void bounds_and_floor_hold_at_once(void **state)
{
    struct scale_policy policy = policy_of("{\"target\":1,\"max\":20,\"min\":2,\"initial\":4,\"total\":true}");
    struct scale_state s = {0};
    (void)state;
    assert_int_equal(size_after(&policy, &s, 1, 6, 0), 6);
    assert_int_equal(size_after(&policy, &s, 2, 6, 9), 9);          /* although the step before still settles */
    assert_int_equal(size_after(&policy, &s, 3, 6, 99), 20);        /* a floor does not pass max */
    policy.max = 5;                                                 /* a changed policy */
    assert_int_equal(size_after(&policy, &s, 4, 6, 0), 5);
}

static void what_is_missing_changes_nothing(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":1,\"max\":20,\"initial\":4,\"total\":true,\"settle\":\"0s\"}");
    struct scale_state s = {0}, before;
    int64_t desired;
    (void)state;
    size_after(&policy, &s, 10, 8, 0);
    before = s;
    assert_false(scale_step(&policy, &s, 11 * S, NAN, 15, &desired));
    assert_false(scale_step(&policy, &s, 11 * S, INFINITY, 15, &desired));
    assert_false(scale_step(&policy, &s, 11 * S, -1, 15, &desired));
    assert_false(scale_step(&policy, &s, 10 * S, 16, 0, &desired));         /* the same window again */
    assert_false(scale_step(&policy, &s, -50 * S, 16, 0, &desired));        /* time that goes backwards */
    assert_memory_equal(&s, &before, sizeof s);
}

static void steps_have_a_limit(void **state)
{
    const struct scale_policy policy = policy_of(
        "{\"target\":1,\"max\":50,\"initial\":10,\"total\":true,\"settle\":\"0s\",\"stabilise_down\":\"0s\",\"step_up\":4,\"step_down\":2}");
    struct scale_state s = {0};
    (void)state;
    assert_int_equal(size_after(&policy, &s, 1, 40, 0), 14);
    assert_int_equal(size_after(&policy, &s, 2, 40, 0), 18);
    assert_int_equal(size_after(&policy, &s, 3, 3, 0), 16);
    assert_int_equal(size_after(&policy, &s, 4, 3, 0), 14);
}

static void of_the_last_while_the_safest_is_taken(void **state)
{
    const struct scale_policy policy = policy_of(
        "{\"target\":1,\"max\":50,\"initial\":10,\"total\":true,\"settle\":\"0s\",\"ahead\":\"0s\",\"stabilise_up\":\"20s\",\"stabilise_down\":\"60s\"}");
    struct scale_state s = {0};
    (void)state;
    for (double t = 0; t < 20; t += 5)
        assert_int_equal(size_after(&policy, &s, t, 10, 0), 10);
    assert_int_equal(size_after(&policy, &s, 20, 30, 0), 10);       /* 10 was enough within the last 20 s */
    assert_int_equal(size_after(&policy, &s, 25, 25, 0), 10);
    assert_int_equal(size_after(&policy, &s, 36, 30, 0), 25);       /* the least of them */
    for (double t = 40; t < 95; t += 5)
        assert_int_equal(size_after(&policy, &s, t, 5, 0), 25);     /* 30 was wanted within the last minute */
    assert_int_equal(size_after(&policy, &s, 100, 5, 0), 5);
}

static void every_cadence_fits_into_the_memory(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":1,\"max\":50,\"initial\":10,\"total\":true,\"settle\":\"0s\",\"ahead\":\"0s\"}");
    (void)state;
    for (double every = 0.01; every < 400; every *= 3) {
        struct scale_state s = {0};
        double t = 1;
        assert_int_equal(size_after(&policy, &s, t, 20, 0), 20);
        while (size_after(&policy, &s, t += every, 5, 0) == 20)
            assert_true(t < 1000);
        assert_true(t >= 301 && t <= 301 + every + 11);             /* five minutes, to within a stretch of ten seconds */
    }
}

static void an_action_works_before_the_next_in_its_direction(void **state)
{
    const struct scale_policy policy = policy_of(
        "{\"target\":1,\"max\":50,\"initial\":10,\"total\":true,\"settle\":\"60s\",\"ahead\":\"0s\",\"stabilise_down\":\"0s\"}");
    struct scale_state s = {0};
    (void)state;
    assert_int_equal(size_after(&policy, &s, 0, 20, 0), 20);
    assert_int_equal(size_after(&policy, &s, 59, 40, 0), 20);
    assert_int_equal(size_after(&policy, &s, 60, 40, 0), 40);
    assert_int_equal(size_after(&policy, &s, 61, 10, 0), 10);       /* the other direction need not wait */
    assert_int_equal(size_after(&policy, &s, 62, 5, 0), 10);
    assert_int_equal(size_after(&policy, &s, 63, 30, 0), 30);
}

/* The old ten run at 100 % for a minute after ten more were asked for: that is no demand for twenty more. */
static void capacity_on_its_way_is_counted(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":0.5,\"max\":100,\"initial\":10,\"settle\":\"60s\",\"ahead\":\"0s\"}");
    struct scale_state s = {0};
    (void)state;
    assert_int_equal(size_after(&policy, &s, 0, 1.0, 0), 20);
    for (double t = 5; t < 60; t += 5)
        assert_int_equal(size_after(&policy, &s, t, 1.0, 0), 20);
    for (double t = 60; t < 120; t += 5)
        assert_int_equal(size_after(&policy, &s, t, 0.5, 0), 20);
}

static void a_rise_is_seen_ahead_and_a_jump_is_no_rise(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":1,\"max\":500,\"initial\":100,\"total\":true,\"settle\":\"60s\",\"stabilise_down\":\"0s\"}");
    struct scale_state ramp = {0}, jump = {0};
    int64_t sizes[120];
    (void)state;
    for (int i = 0; i < 120; i++) {
        double t = 5 * i, noise = i % 2 ? 2 : -2, rising = 100 + (t > 200 ? t - 200 : 0) * 0.5;      /* half a worker a second */
        sizes[i] = size_after(&policy, &ramp, t, rising + noise, 0);
        if (t >= 450)
            assert_true((double)sizes[i - 12] >= rising * 0.85);     /* what works a minute after it was asked for */
        assert_true((double)sizes[i] <= rising + 120 * 0.5 + 10);
        size_after(&policy, &jump, t, (t < 300 ? 100 : 200) + noise, 0);
        assert_true(jump.current >= (t <= 300 ? 95 : 190) && jump.current <= (t <= 300 ? 105 : 220));
    }
}

/* A window in which the load leaps is half before and half after: the size is that of the next one. */
static void one_change_answers_a_leap(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":1,\"max\":500,\"initial\":100,\"total\":true}");
    struct scale_state s = {0};
    (void)state;
    for (int t = 0; t < 300; t += 5)
        assert_int_equal(size_after(&policy, &s, t, t % 10 ? 98 : 102, 0), 100);
    assert_int_equal(size_after(&policy, &s, 300, 150, 0), 100);
    int64_t size = size_after(&policy, &s, 305, 250, 0);
    assert_true(size >= 235 && size <= 260);
}

/* Constant demand with noise of the size that the tolerance is for: nothing moves. */
static void noise_moves_nothing(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":1,\"max\":500,\"initial\":100,\"total\":true}");
    struct scale_state s = {0};
    uint32_t random = 1;
    (void)state;
    for (int t = 0; t < 36000; t += 5) {
        random = random * 1664525u + 1013904223u;
        assert_int_equal(size_after(&policy, &s, t, 96 + (double)(random >> 16) * 8 / 65536, 0), 100);
    }
}

static void memory_from_a_disk_is_checked(void **state)
{
    const struct scale_policy policy = policy_of("{\"target\":1,\"max\":500,\"initial\":100,\"total\":true}");
    struct scale_state s = {0}, bad;
    (void)state;
    assert_true(scale_check(&s));
    for (int t = 0; t < 2000; t += 5)
        size_after(&policy, &s, t, t, 0);
    assert_true(scale_check(&s));
    bad = s; bad.newest = SCALE_RECENT_MAX; assert_false(scale_check(&bad));
    bad = s; bad.count = SCALE_RECENT_MAX + 1; assert_false(scale_check(&bad));
    bad = s; bad.is_known = 7; assert_false(scale_check(&bad));
    bad = s; bad.current = -1; assert_false(scale_check(&bad));
    bad = s; bad.rise.yy = NAN; assert_false(scale_check(&bad));
}

/* Any metric at any time: sizes stay in their bounds, the state a state, and a copy goes on in the same way. */
static void any_course_stays_in_bounds_and_replays(void **state)
{
    uint64_t seed = 1;
    (void)state;
    for (int course = 0; course < 300; course++) {
        struct scale_policy policy = policy_of("{\"target\":3,\"max\":40,\"min\":2,\"initial\":5}");
        struct scale_state s = {0};
        double t = 0;
        policy.is_total = course % 2;
        policy.settle_us = course % 3 * 20 * S;
        policy.step_up = course % 4;
        for (int i = 0; i < 200; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            uint32_t dice = (uint32_t)(seed >> 40);
            double metric = dice % 50 == 0 ? NAN : dice % 50 == 1 ? 1e308 : dice % 50 == 2 ? -1 : (double)(dice % 1000) / (policy.is_total ? 7 : 200);
            struct scale_state copy = s;
            t += dice % 40 == 0 ? -100 : dice % 40 == 1 ? 1e6 : (double)(dice % 11);
            int64_t size = size_after(&policy, &s, t, metric, (int64_t)(dice % 60) - 10);
            assert_true(size >= 2 && size <= 40);
            assert_true(scale_check(&s));
            size_after(&policy, &copy, t, metric, (int64_t)(dice % 60) - 10);
            assert_memory_equal(&copy, &s, sizeof s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_says_what_is_wrong),
        cmocka_unit_test(the_size_follows_the_target),
        cmocka_unit_test(a_total_is_shared_out),
        cmocka_unit_test(bounds_and_floor_hold_at_once),
        cmocka_unit_test(what_is_missing_changes_nothing),
        cmocka_unit_test(steps_have_a_limit),
        cmocka_unit_test(of_the_last_while_the_safest_is_taken),
        cmocka_unit_test(every_cadence_fits_into_the_memory),
        cmocka_unit_test(an_action_works_before_the_next_in_its_direction),
        cmocka_unit_test(capacity_on_its_way_is_counted),
        cmocka_unit_test(a_rise_is_seen_ahead_and_a_jump_is_no_rise),
        cmocka_unit_test(one_change_answers_a_leap),
        cmocka_unit_test(noise_moves_nothing),
        cmocka_unit_test(memory_from_a_disk_is_checked),
        cmocka_unit_test(any_course_stays_in_bounds_and_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
