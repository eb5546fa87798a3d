/* Notebooks that look at a decision: whole, the same each time, and safe whatever a key is called. */
#include "check.h"
#include "act/investigate.h"
#include "interact/notebook.h"

static json_t *json_of(const char *text)
{
    struct su_err err;
    json_t *value = NULL;
    assert_true(su_json_parse(su_str_of(text), "test", &value, &err));
    return value;
}

static json_t *decision_with(const char *key)
{
    json_t *decision = json_of("{\"id\": \"01j\", \"stream\": \"calls\", \"watch\": \"latency\", \"event\": \"opened\", \"level\": \"critical\","
                            " \"reason\": \"too slow\", \"grounds\": {\"value\": 90.5, \"low\": 10, \"high\": 20, \"score\": 0.9995},"
                            " \"window\": {\"start\": \"2023-11-14T22:13:20.000000Z\", \"end\": \"2023-11-14T22:13:30.000000Z\","
                            " \"start_us\": 1700000000000000, \"end_us\": 1700000010000000, \"from\": 3, \"to\": 9, \"messages\": 6}}");
    json_object_set_new(decision, "key", json_string(key));
    return decision;
}

static const char *source_of(const json_t *notebook, size_t cell)
{
    return su_json_string(json_array_get(json_object_get(notebook, "cells"), cell), "source", "");
}

static void a_notebook_is_in_order_and_the_same_each_time(void **state)
{
    (void)state;
    struct su_err err;
    SU_AUTO_JSON json_t *decision = decision_with("db"), *watch = json_of("{\"definition\": {\"by\": [\"comm\"]}}"), *one = NULL, *two = NULL;
    assert_true(investigate_notebook(decision, watch, &one, &err) && investigate_notebook(decision, watch, &two, &err));
    assert_true(notebook_check(one, &err));
    assert_true(json_equal(one, two));
    assert_int_equal(notebook_find_tag(one, "parameters"), 1);
    assert_non_null(strstr(source_of(one, 0), "| value | 90.5 |\n| normal | 10 to 20 |\n| score | 0.9995 |"));
    assert_non_null(strstr(source_of(one, 1), "by = [\"comm\"]\n"));
    assert_non_null(strstr(source_of(one, 1), "before = \"2023-11-14T22:03:20.000000Z\""));
    assert_non_null(strstr(source_of(one, 4), "s.backtest(watch"));
    SU_AUTO_FREE char *name = investigate_name(decision);
    assert_string_equal(name, "investigate/01j");
}

static void texts_of_others_are_literals_and_plain_text(void **state)
{
    (void)state;
    struct su_err err;
    SU_AUTO_JSON json_t *decision = decision_with("a\"\nimport os #|`<b>"), *watch = json_of("{}"), *notebook = NULL;
    assert_true(investigate_notebook(decision, watch, &notebook, &err));
    assert_non_null(strstr(source_of(notebook, 0), "| key | a\\\" import os \\#\\|\\`\\<b\\> |\n"));
    assert_non_null(strstr(source_of(notebook, 1), "key = \"a\\\"\\nimport os #|`<b>\"\n"));
}

static void a_follower_decision_is_shown_window_by_window(void **state)
{
    (void)state;
    struct su_err err;
    SU_AUTO_JSON json_t *decision = decision_with(""), *notebook = NULL;
    json_object_del(decision, "watch");
    assert_true(investigate_notebook(decision, NULL, &notebook, &err));
    assert_null(strstr(source_of(notebook, 1), "watch = "));
    assert_non_null(strstr(source_of(notebook, 4), "resample(width"));
}

static void a_decision_about_no_window_has_nothing_to_show(void **state)
{
    (void)state;
    struct su_err err;
    SU_AUTO_JSON json_t *decision = decision_with(""), *notebook = NULL;
    json_object_set_new(decision, "window", json_null());
    assert_false(investigate_notebook(decision, NULL, &notebook, &err));
    assert_int_equal(err.code, SU_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_notebook_is_in_order_and_the_same_each_time),
        cmocka_unit_test(texts_of_others_are_literals_and_plain_text),
        cmocka_unit_test(a_follower_decision_is_shown_window_by_window),
        cmocka_unit_test(a_decision_about_no_window_has_nothing_to_show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
