/* Strings, buffers, errors, time, queues and the bus. */
#include "check.h"

#include <pthread.h>

#include "base/bus.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"

static void buffer_refuses_more_than_its_maximum_and_remembers(void **state)
{
    SU_AUTO_BUF struct su_buf buf = SU_BUF(8);
    su_buf_adds(&buf, "12345678");
    assert_false(buf.failed);
    su_buf_adds(&buf, "9");
    assert_true(buf.failed);
    su_buf_addf(&buf, "%d", 1);
    assert_null(su_buf_take(&buf, NULL));
}

static void buffer_formats_longer_than_its_small_store(void **state)
{
    SU_AUTO_BUF struct su_buf buf = SU_BUF(4096);
    su_buf_addf(&buf, "%01000d", 7);
    assert_int_equal(buf.len, 1000);
    assert_int_equal(buf.ptr[999], '7');
}

static void utf8_refuses_what_the_standard_refuses(void **state)
{
    static const char *const good[] = {"", "a", "é", "€", "𝄞", "\xEF\xBB\xBF"};
    static const char *const bad[] = {"\x80", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3", "\xE2\x82"};
    for (size_t i = 0; i < SU_COUNT(good); i++)
        assert_true(su_utf8_valid(su_str_of(good[i])));
    for (size_t i = 0; i < SU_COUNT(bad); i++)
        assert_false(su_utf8_valid(su_str_of(bad[i])));
}

static void numbers_and_durations_are_read_whole_or_not_at_all(void **state)
{
    uint64_t value;
    assert_true(su_str_u64(SU_STR("18446744073709551615"), UINT64_MAX, &value));
    assert_false(su_str_u64(SU_STR("18446744073709551616"), UINT64_MAX, &value));
    assert_false(su_str_u64(SU_STR("12x"), UINT64_MAX, &value));
    assert_false(su_str_u64(SU_STR(""), UINT64_MAX, &value));
    assert_false(su_str_u64(SU_STR("11"), 10, &value));
    assert_true(su_str_duration_ms(SU_STR("30s"), &value));
    assert_int_equal(value, 30000);
    assert_true(su_str_duration_ms(SU_STR("2d"), &value));
    assert_int_equal(value, 172800000);
    assert_false(su_str_duration_ms(SU_STR("30"), &value));
    assert_false(su_str_duration_ms(SU_STR("s"), &value));
}

static void error_keeps_its_words_when_prefixed(void **state)
{
    struct su_err err;
    assert_false(su_fail_field(&err, SU_INVALID, "/a", "was %d", 3));
    su_prefix(&err, "window");
    su_hint(&err, "try %d", 4);
    assert_string_equal(err.message, "window: was 3");
    assert_string_equal(err.field, "/a");
    assert_string_equal(err.hint, "try 4");
    assert_int_equal(su_problem_of(&err)->http_status, 400);
    su_fail(&err, SU_LIMIT, "%s again", err.message);
    assert_string_equal(err.message, "window: was 3 again");
    su_fail_slug(&err, "precondition-failed", "x");
    assert_int_equal(su_problem_of(&err)->http_status, 412);
    su_fail_errno(&err, 28, "write");
    assert_int_equal(su_problem_of(&err)->http_status, 507);
}

static void time_survives_text_and_back(void **state)
{
    char text[SU_TIME_TEXT];
    int64_t at;
    assert_string_equal(su_time_text(1378413000123, text), "2013-09-05T20:30:00.123Z");
    assert_true(su_time_parse(su_str_of(text), &at));
    assert_int_equal(at, 1378413000123);
    assert_true(su_time_parse(SU_STR("2013-09-05T22:30:00+02:00"), &at));
    assert_int_equal(at, 1378413000000);
    assert_false(su_time_parse(SU_STR("2013-13-05T22:30:00Z"), &at));
    assert_false(su_time_parse(SU_STR("2013-09-05T22:30:00"), &at));
}

static void steady_clock_follows_corrections_and_waits_out_steps(void **state)
{
    struct su_steady steady = {0};
    const int64_t s = 1000000, real = 1378413000 * s;
    assert_int_equal(su_steady_at(&steady, 10 * s, real), real);
    assert_int_equal(su_steady_at(&steady, 11 * s, real + s + 500), real + s + 500);
    assert_int_equal(su_steady_at(&steady, 11 * s, real + s), real + s + 500);                  /* never backwards */
    assert_int_equal(su_steady_at(&steady, 12 * s, real + 1000000 * s), real + 2 * s);          /* a step is not followed */
    assert_int_equal(su_steady_at(&steady, 13 * s, real + 3 * s), real + 3 * s);                /* and forgotten when it goes */
    assert_int_equal(su_steady_at(&steady, 20 * s, real - 3600 * s), real + 10 * s);
    assert_int_equal(su_steady_at(&steady, 81 * s, real - 3539 * s), real - 3539 * s);          /* until it has lasted */
}

static void identifiers_sort_by_time_and_differ(void **state)
{
    char first[SU_ID_SIZE], second[SU_ID_SIZE];
    su_id(first);
    int64_t begin = su_now_ms();
    while (su_now_ms() <= begin)
        continue;
    su_id(second);
    assert_true(strcmp(first, second) < 0);
    assert_int_equal(strlen(first), 26);
}

static void put_many(void *arg)
{
    struct su_queue *queue = arg;
    for (uintptr_t i = 1; i <= 1000; i++)
        su_queue_put(queue, (void *)i);
    su_queue_close(queue);
}

static void queue_hands_over_in_order_and_drains_after_close(void **state)
{
    struct su_queue *queue = su_queue_new(4);
    struct su_thread thread = {0};
    su_thread_start(&thread, "putter", put_many, queue);
    uintptr_t expected = 1;
    for (void *item; (item = su_queue_get(queue)); expected++)
        assert_int_equal((uintptr_t)item, expected);
    assert_int_equal(expected, 1001);
    su_thread_join(&thread);
    assert_false(su_queue_try_put(queue, queue));
    su_queue_free(queue);
}

static void count(void *arg, const char *topic, const char *event, const json_t *detail) { ++*(int *)arg; }

static void bus_calls_those_who_asked_for_the_topic(void **state)
{
    struct su_bus *bus = su_bus_new();
    int one = 0, every = 0;
    struct su_bus_subscription *a = su_bus_subscribe(bus, "run/1", count, &one);
    struct su_bus_subscription *b = su_bus_subscribe(bus, NULL, count, &every);
    su_bus_publish(bus, "run/1", "run.started", NULL);
    su_bus_publish(bus, "run/2", "run.started", NULL);
    assert_int_equal(one, 1);
    assert_int_equal(every, 2);
    su_bus_unsubscribe(bus, a);
    su_bus_publish(bus, "run/1", "run.finished", NULL);
    assert_int_equal(one, 1);
    su_bus_unsubscribe(bus, b);
    su_bus_free(bus);
}

static void file_replacement_is_whole_or_absent(void **state)
{
    struct su_err err;
    SU_AUTO_FREE char *path = su_format("%s/file", (char *)*state);
    SU_AUTO_BUF struct su_buf content = SU_BUF(100);
    check_ok(su_file_replace(path, SU_STR("one"), 0600, &err));
    check_ok(su_file_replace(path, SU_STR("two"), 0600, &err));
    check_ok(su_file_read(path, 100, &content, &err));
    assert_string_equal(content.ptr, "two");
    check_fails(su_file_read(path, 2, &content, &err), SU_LIMIT, "larger than 2");
    check_fails(su_file_replace("/nowhere/file", SU_STR("x"), 0600, &err), SU_NOT_FOUND, "nowhere");
}

static void folder_removal_does_not_follow_links(void **state)
{
    struct su_err err;
    SU_AUTO_FREE char *kept = su_format("%s/kept", (char *)*state);
    SU_AUTO_FREE char *gone = su_format("%s/gone/deep", (char *)*state);
    SU_AUTO_FREE char *link = su_format("%s/gone/link", (char *)*state);
    SU_AUTO_FREE char *root = su_format("%s/gone", (char *)*state);
    check_ok(su_dir_make(gone, 0700, &err));
    check_ok(su_file_replace(kept, SU_STR("x"), 0600, &err));
    assert_int_equal(symlink(*state, link), 0);
    check_ok(su_dir_remove(root, &err));
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_not_equal(access(root, F_OK), 0);
    check_ok(su_dir_remove(root, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_refuses_more_than_its_maximum_and_remembers),
        cmocka_unit_test(buffer_formats_longer_than_its_small_store),
        cmocka_unit_test(utf8_refuses_what_the_standard_refuses),
        cmocka_unit_test(numbers_and_durations_are_read_whole_or_not_at_all),
        cmocka_unit_test(error_keeps_its_words_when_prefixed),
        cmocka_unit_test(time_survives_text_and_back),
        cmocka_unit_test(steady_clock_follows_corrections_and_waits_out_steps),
        cmocka_unit_test(identifiers_sort_by_time_and_differ),
        cmocka_unit_test(queue_hands_over_in_order_and_drains_after_close),
        cmocka_unit_test(bus_calls_those_who_asked_for_the_topic),
        cmocka_unit_test_setup_teardown(file_replacement_is_whole_or_absent, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(folder_removal_does_not_follow_links, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
