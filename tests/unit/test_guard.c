/* Guards, breakers and hours of the week: pure. */
#include "check.h"
#include "act/breaker.h"
#include "act/guard.h"
#include "act/hours.h"

enum { SECOND = 1000000 };

static struct action_policy policy_of(const char *text)
{
    struct su_err err;
    struct action_policy policy;
    SU_AUTO_JSON json_t *definition = json_loads(text, 0, NULL);
    check_ok(action_policy_read(definition, &policy, &err));
    return policy;
}

/* Judges one at a time, remembering. */
static enum guard judge(struct guard_facts *facts, int64_t at_s)
{
    struct guard_verdict verdict;
    facts->at_us = at_s * SECOND;
    guard_judge(facts, &verdict);
    facts->mark = verdict.mark;
    return verdict.stopped_by;
}

static void guards_come_in_their_order(void **state)
{
    struct action_policy policy = policy_of("{\"enabled\": false, \"dry_run\": true, \"cooldown\": \"1m\"}");
    struct guard_facts facts = {.policy = &policy, .silence = "why", .is_active = true};
    assert_int_equal(judge(&facts, 1), GUARD_ENABLED);
    policy.is_enabled = true;
    assert_int_equal(judge(&facts, 1), GUARD_DRY_RUN);
    policy.is_dry = false;
    assert_int_equal(judge(&facts, 1), GUARD_SILENCE);
    facts.silence = NULL;
    assert_int_equal(judge(&facts, 1), GUARD_COUNT);
    facts.is_dry = true;
    assert_int_equal(judge(&facts, 1), GUARD_DRY_RUN);
    facts.is_missing = true;
    assert_int_equal(judge(&facts, 1), GUARD_ENABLED);
}

static void a_trace_names_only_what_mattered(void **state)
{
    struct action_policy policy = policy_of("{\"cooldown\": \"1m\", \"rate_limit\": {\"count\": 1, \"per\": \"1s\"}}");
    struct guard_facts facts = {.policy = &policy, .is_active = true, .at_us = 10 * SECOND, .mark.last_us = 9 * SECOND};
    struct guard_verdict verdict;
    guard_judge(&facts, &verdict);
    SU_AUTO_JSON json_t *trace = guard_trace(&verdict);
    assert_int_equal(json_array_size(trace), 4);
    json_t *last = json_array_get(trace, 3);
    assert_string_equal(su_json_string(last, "guard", ""), "cooldown");
    assert_false(su_json_bool(last, "passed", true));
    assert_true(json_is_null(json_object_get(json_array_get(trace, 0), "detail")));
}

static void a_cooldown_lets_the_end_of_an_episode_pass(void **state)
{
    struct action_policy policy = policy_of("{\"cooldown\": \"1m\"}");
    struct guard_facts facts = {.policy = &policy, .is_active = true};
    assert_int_equal(judge(&facts, 1000), GUARD_COUNT);
    assert_int_equal(judge(&facts, 1059), GUARD_COOLDOWN);
    facts.ends_episode = true;
    assert_int_equal(judge(&facts, 1059), GUARD_COUNT);
    facts.ends_episode = false;
    assert_int_equal(judge(&facts, 1060), GUARD_COOLDOWN);
    assert_int_equal(judge(&facts, 500), GUARD_COUNT);      /* another time altogether */
}

static void what_was_stopped_takes_no_token(void **state)
{
    struct action_policy policy = policy_of("{\"rate_limit\": {\"count\": 2, \"per\": \"10s\"}}");
    struct guard_facts facts = {.policy = &policy, .is_active = true};
    assert_int_equal(judge(&facts, 100), GUARD_COUNT);
    assert_int_equal(judge(&facts, 100), GUARD_COUNT);
    for (int i = 0; i < 20; i++)
        assert_int_equal(judge(&facts, 101), GUARD_RATE_LIMIT);
    assert_int_equal(judge(&facts, 105), GUARD_COUNT);
    assert_int_equal(judge(&facts, 106), GUARD_RATE_LIMIT);
}

static void a_blast_radius_bounds_how_many_keys_are_acted_upon(void **state)
{
    struct action_policy policy = policy_of("{\"blast_radius\": {\"count\": 3, \"share\": 0.1, \"per\": \"1m\"}}");
    struct guard_facts facts = {.policy = &policy, .is_active = true, .keys = 20};
    assert_int_equal(judge(&facts, 1), GUARD_COUNT);
    facts.keys_acted = 1;
    assert_int_equal(judge(&facts, 1), GUARD_COUNT);
    facts.keys_acted = 2;
    assert_int_equal(judge(&facts, 1), GUARD_BLAST_RADIUS);
    facts.keys = 1000;
    assert_int_equal(judge(&facts, 1), GUARD_COUNT);
    facts.keys_acted = 3;
    assert_int_equal(judge(&facts, 1), GUARD_BLAST_RADIUS);
    facts = (struct guard_facts){.policy = &policy, .is_active = true, .keys = 3};
    assert_int_equal(judge(&facts, 1), GUARD_COUNT);        /* a single one always may */
}

/* --- breakers ------------------------------------------------------------------------ */

static void a_breaker_opens_at_half_failures_and_lets_one_probe_through(void **state)
{
    struct breaker breaker = {0};
    int64_t again = 0, now = 1000;
    for (int i = 0; i < 4; i++) {
        assert_true(breaker_may(&breaker, now, &again));
        breaker_note(&breaker, true, now);
    }
    assert_true(breaker_may(&breaker, now, &again));
    breaker_note(&breaker, true, now);
    assert_false(breaker_may(&breaker, now, &again));
    assert_int_equal(again, now + BREAKER_OPEN_MS);
    now = again;
    assert_true(breaker_may(&breaker, now, &again));
    assert_false(breaker_may(&breaker, now, &again));       /* one probe at a time */
    breaker_note(&breaker, true, now);
    assert_false(breaker_may(&breaker, now + 1, &again));
    now += BREAKER_OPEN_MS;
    assert_true(breaker_may(&breaker, now, &again));
    breaker_forget(&breaker);                               /* it was broken off: another may probe */
    assert_true(breaker_may(&breaker, now, &again));
    breaker_note(&breaker, false, now);
    for (int i = 0; i < 4; i++) {
        assert_true(breaker_may(&breaker, now, &again));
        breaker_note(&breaker, i > 2, now);
    }
    assert_true(breaker_may(&breaker, now, &again));
}

static void a_breaker_looks_at_twenty_calls(void **state)
{
    struct breaker breaker = {0};
    int64_t again;
    for (int i = 0; i < 100; i++)
        breaker_note(&breaker, false, 0);
    for (int i = 0; i < 9; i++)
        breaker_note(&breaker, true, 0);
    assert_true(breaker_may(&breaker, 0, &again));
    breaker_note(&breaker, true, 0);
    assert_false(breaker_may(&breaker, 0, &again));
}

static void targets_have_breakers_of_their_own(void **state)
{
    struct breakers *breakers = breakers_new();
    char name[32];
    int64_t again;
    for (int i = 0; i < 5; i++)
        breaker_note(breakers_at(breakers, "main", "http://a"), true, 0);
    assert_false(breaker_may(breakers_at(breakers, "main", "http://a"), 0, &again));
    assert_true(breaker_may(breakers_at(breakers, "main", "http://b"), 0, &again));
    assert_true(breaker_may(breakers_at(breakers, "other", "http://a"), 0, &again));
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "http://%d", i);
        assert_non_null(breakers_at(breakers, "main", name));
    }
    breakers_free(breakers);
}

/* --- hours ------------------------------------------------------------------------------ */

static bool holds(const char *text, int64_t at_s)
{
    struct su_err err;
    struct hours hours;
    SU_AUTO_JSON json_t *given = json_loads(text, 0, NULL);
    check_ok(hours_read(given, "/active", &hours, &err));
    return hours_hold(&hours, at_s * SECOND);
}

static void hours_are_of_a_place_and_of_days(void **state)
{
    const int64_t tuesday = 1700000000;     /* 2023-11-14 22:13:20 UTC; 23:13 in Berlin, 07:13 on Wednesday in Tokyo */
    assert_true(holds("{\"from\": \"22:13\", \"to\": \"22:14\"}", tuesday));
    assert_false(holds("{\"from\": \"22:14\", \"to\": \"24:00\"}", tuesday));
    assert_true(holds("{\"from\": \"23:00\", \"to\": \"24:00\", \"zone\": \"Europe/Berlin\", \"days\": [\"tue\"]}", tuesday));
    assert_true(holds("{\"from\": \"07:00\", \"to\": \"08:00\", \"zone\": \"Asia/Tokyo\", \"days\": [\"wed\"]}", tuesday));
    assert_false(holds("{\"from\": \"07:00\", \"to\": \"08:00\", \"zone\": \"Asia/Tokyo\", \"days\": [\"tue\"]}", tuesday));
}

static void hours_over_midnight_belong_to_the_day_they_begin(void **state)
{
    const int64_t tuesday = 1700000000;
    const char *night = "{\"from\": \"22:00\", \"to\": \"06:00\", \"days\": [\"tue\"]}";
    assert_true(holds(night, tuesday));
    assert_true(holds(night, tuesday + 7 * 3600));          /* Wednesday, 05:13 */
    assert_false(holds(night, tuesday + 8 * 3600));
    assert_false(holds(night, tuesday - 17 * 3600));        /* Tuesday, 05:13 */
}

static void hours_that_make_no_sense_are_refused(void **state)
{
    struct su_err err;
    struct hours hours;
    static const char *const broken[] = {"{\"from\": \"24:01\", \"to\": \"02:00\"}", "{\"from\": \"1:00\", \"to\": \"02:00\"}", "{\"from\": \"01:00\"}",
                                         "{\"from\": \"01:00\", \"to\": \"01:00\"}", "{\"from\": \"01:00\", \"to\": \"02:00\", \"days\": [\"monday\"]}",
                                         "{\"from\": \"01:00\", \"to\": \"02:00\", \"zone\": \"Nowhere/City\"}"};
    for (size_t i = 0; i < SU_COUNT(broken); i++) {
        SU_AUTO_JSON json_t *given = json_loads(broken[i], 0, NULL);
        assert_false(hours_read(given, "/active", &hours, &err));
        assert_int_equal(err.code, SU_INVALID);
        assert_string_equal(err.field, "/active");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards_come_in_their_order),
        cmocka_unit_test(a_trace_names_only_what_mattered),
        cmocka_unit_test(a_cooldown_lets_the_end_of_an_episode_pass),
        cmocka_unit_test(what_was_stopped_takes_no_token),
        cmocka_unit_test(a_blast_radius_bounds_how_many_keys_are_acted_upon),
        cmocka_unit_test(a_breaker_opens_at_half_failures_and_lets_one_probe_through),
        cmocka_unit_test(a_breaker_looks_at_twenty_calls),
        cmocka_unit_test(targets_have_breakers_of_their_own),
        cmocka_unit_test(hours_are_of_a_place_and_of_days),
        cmocka_unit_test(hours_over_midnight_belong_to_the_day_they_begin),
        cmocka_unit_test(hours_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
