/* A run's states: what may follow what, and how each end of a kernel ends the run. */
#include "check.h"

#include "interact/run_state.h"

static void final_states_are_followed_by_nothing(void **state)
{
    for (int from = RUN_SUCCEEDED; from < RUN_STATE_COUNT; from++)
        for (int to = 0; to < RUN_STATE_COUNT; to++)
            assert_false(run_state_may_follow((enum run_state)from, (enum run_state)to));
}

static void legal_transitions(void **state)
{
    assert_true(run_state_may_follow(RUN_QUEUED, RUN_STARTING));
    assert_true(run_state_may_follow(RUN_QUEUED, RUN_CANCELLED));
    assert_false(run_state_may_follow(RUN_QUEUED, RUN_RUNNING));
    assert_false(run_state_may_follow(RUN_QUEUED, RUN_SUCCEEDED));
    assert_true(run_state_may_follow(RUN_STARTING, RUN_RUNNING));
    assert_true(run_state_may_follow(RUN_RUNNING, RUN_QUEUED));
    assert_false(run_state_may_follow(RUN_RUNNING, RUN_STARTING));
    for (int to = RUN_SUCCEEDED; to < RUN_STATE_COUNT; to++)
        assert_true(run_state_may_follow(RUN_RUNNING, (enum run_state)to));
}

static void names_are_read_back(void **state)
{
    for (int i = 0; i < RUN_STATE_COUNT; i++) {
        enum run_state back;
        assert_true(run_state_parse(run_state_name((enum run_state)i), &back));
        assert_int_equal(back, i);
    }
    enum run_state back;
    assert_false(run_state_parse("sleeping", &back));
}

static void every_cause_has_its_end(void **state)
{
    static const struct { const char *cause, *detail, *ename; enum run_state state; const char *reason; } rows[] = {
        {"finished", "", NULL, RUN_SUCCEEDED, ""},
        {"finished", "", "ValueError", RUN_FAILED, "ValueError: why"},
        {"finished", "", "MemoryError", RUN_OUT_OF_MEMORY, "memory limit"},
        {"cancelled", "", "KeyboardInterrupt", RUN_CANCELLED, "cancelled"},
        {"timed_out", "after 3 s", NULL, RUN_TIMED_OUT, "after 3 s"},
        {"out_of_memory", "", NULL, RUN_OUT_OF_MEMORY, "memory limit"},
        {"output_limit", "", NULL, RUN_FAILED, "output limit"},
        {"died", "killed by SIGSEGV", NULL, RUN_FAILED, "SIGSEGV"},
        {"start_failed", "", NULL, RUN_FAILED, "did not start"},
        {"lease", "", NULL, RUN_INTERRUPTED, "too long"},
        {"moonlight", "x", NULL, RUN_FAILED, "unknown cause"},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        SU_AUTO_JSON json_t *ended = json_pack("{s:s, s:s}", "cause", rows[i].cause, "detail", rows[i].detail);
        SU_AUTO_JSON json_t *error =
            rows[i].ename ? json_pack("{s:s, s:s}", "ename", rows[i].ename, "evalue", "why") : NULL;
        struct run_end end = run_end_of(ended, error);
        assert_int_equal(end.state, rows[i].state);
        assert_non_null(strstr(end.reason, rows[i].reason));
    }
}

static void a_lost_keeper_is_retried_while_retries_are_left(void **state)
{
    assert_int_equal(run_end_interrupted(1, 0).state, RUN_INTERRUPTED);
    assert_int_equal(run_end_interrupted(1, 2).state, RUN_QUEUED);
    assert_int_equal(run_end_interrupted(2, 2).state, RUN_QUEUED);
    assert_int_equal(run_end_interrupted(3, 2).state, RUN_INTERRUPTED);
}

static void a_long_reason_stays_utf8(void **state)
{
    char value[1200] = "";
    for (int i = 0; i < 500; i++)
        strcat(value, "\xc3\xa9");
    SU_AUTO_JSON json_t *ended = json_pack("{s:s}", "cause", "finished");
    SU_AUTO_JSON json_t *error = json_pack("{s:s, s:s}", "ename", "E", "evalue", value);
    struct run_end end = run_end_of(ended, error);
    assert_true(su_utf8_valid(su_str_of(end.reason)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(final_states_are_followed_by_nothing),
        cmocka_unit_test(legal_transitions),
        cmocka_unit_test(names_are_read_back),
        cmocka_unit_test(every_cause_has_its_end),
        cmocka_unit_test(a_lost_keeper_is_retried_while_retries_are_left),
        cmocka_unit_test(a_long_reason_stays_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
