/* Parameters and limits as given on the command line: cli/assignment.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cli/assignment.h"

/* The JSON that the assignment gives for "x"; caller frees. */
static char *value_of(const char *assignment)
{
    struct su_err err = {.code = SU_INTERNAL};
    SU_AUTO_JSON json_t *parameters = json_object();
    assert_true(assignment_parameter(parameters, assignment, &err));
    return su_json_text_flags(json_object_get(parameters, "x"), JSON_ENCODE_ANY | JSON_COMPACT);
}

static void a_value_is_json_when_it_reads_as_json_and_text_otherwise(void **state)
{
    (void)state;
    static const struct { const char *assignment, *json; } rows[] = {
        {"x=3", "3"}, {"x=-2.5", "-2.5"}, {"x=1e3", "1000.0"}, {"x=true", "true"}, {"x=null", "null"},
        {"x=[1,2]", "[1,2]"}, {"x={\"a\":1}", "{\"a\":1}"},
        {"x=P.Manning", "\"P.Manning\""}, {"x=", "\"\""}, {"x=a=b", "\"a=b\""}, {"x=True", "\"True\""}, {"x=NaN", "\"NaN\""},
        {"x=[1,", "\"[1,\""}, {"x=\"q\"", "\"\\\"q\\\"\""}, {"x=007", "\"007\""}, {"x=2013-09-05", "\"2013-09-05\""},
        {"x:=\"2013\"", "\"2013\""}, {"x:=7", "7"},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        SU_AUTO_FREE char *json = value_of(rows[i].assignment);
        assert_string_equal(json, rows[i].json);
    }
}

static void what_is_no_assignment_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"x", "", "=3", "x:=oops", "x:=", "x=\xff"};
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct su_err err = {.code = SU_INTERNAL};
        SU_AUTO_JSON json_t *parameters = json_object();
        assert_false(assignment_parameter(parameters, rows[i], &err));
        assert_int_equal(err.code, SU_INVALID);
        assert_int_equal(json_object_size(parameters), 0);
    }
}

static void limits_are_turned_into_the_units_of_the_api(void **state)
{
    (void)state;
    struct su_err err = {.code = SU_INTERNAL};
    SU_AUTO_JSON json_t *limits = json_object();
    static const char *const rows[] = {"time=2m", "memory=2g", "processes=64", "scratch=512MB", "output=100m"};
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        assert_true(assignment_limit(limits, rows[i], &err));
    assert_int_equal(su_json_int(limits, "time_s", 0), 120);
    assert_int_equal(su_json_int(limits, "memory_mb", 0), 2048);
    assert_int_equal(su_json_int(limits, "processes", 0), 64);
    assert_int_equal(su_json_int(limits, "scratch_mb", 0), 512);
    assert_int_equal(su_json_int(limits, "output_mb", 0), 100);
}

static void a_limit_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"", "time", "time=", "time=fast", "time=10ms", "memory=2x", "memory=5", "memory=-1",
                                       "memory=99999999999999t", "processes=1.5", "disk=3"};
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        struct su_err err = {.code = SU_INTERNAL};
        SU_AUTO_JSON json_t *limits = json_object();
        assert_false(assignment_limit(limits, rows[i], &err));
        assert_int_equal(err.code, SU_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_json_when_it_reads_as_json_and_text_otherwise),
        cmocka_unit_test(what_is_no_assignment_is_refused),
        cmocka_unit_test(limits_are_turned_into_the_units_of_the_api),
        cmocka_unit_test(a_limit_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
