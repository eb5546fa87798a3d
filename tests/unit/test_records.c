/* Records of files and pipes: cli/records.h; tables in the order of their times: cli/timeline.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/records.h"
#include "cli/timeline.h"

/* A descriptor that reads text to its end. */
static int source_of(const char *text)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static bool add_line(void *arg, struct su_str record, uint64_t number, struct su_err *err)
{
    (void)number, (void)err;
    su_buf_add(arg, record.ptr, record.len);
    su_buf_addc(arg, '\n');
    return true;
}

static void assert_reads(enum records_format format, const char *text, const char *expected)
{
    struct su_err err = {.code = SU_INTERNAL};
    SU_AUTO_BUF struct su_buf all = SU_BUF(1 << 20);
    RECORDS_AUTO struct records *records = records_new(format, source_of(text), "text");
    enum records_state state = RECORDS_CAME;
    while (state != RECORDS_END)
        assert_true(records_read(records, -1, add_line, &all, &state, &err));
    assert_string_equal(su_buf_str(&all).ptr, expected);
    assert_int_equal(records_bytes(records), strlen(text));
}

static void a_csv_row_becomes_an_object_with_numbers_as_numbers(void **state)
{
    (void)state;
    assert_reads(RECORDS_CSV, "name,n,x,ok,at\nR.Rice,1,2.50,true,2013-09-05\n\"a \"\"b\"\", c\",-3,,False,NA\n",
                 "{\"name\":\"R.Rice\",\"n\":1,\"x\":2.50,\"ok\":true,\"at\":\"2013-09-05\"}\n"
                 "{\"name\":\"a \\\"b\\\", c\",\"n\":-3,\"x\":null,\"ok\":false,\"at\":null}\n");
    assert_reads(RECORDS_CSV, "\xef\xbb\xbf" "a;b\r\n.5;+7\r\n1e3;\"x\ny\"\r\n",
                 "{\"a\":0.5,\"b\":7}\n{\"a\":1000,\"b\":\"x\\u000ay\"}\n");
    assert_reads(RECORDS_CSV, "a,,a\n1,2,3", "{\"a\":1,\"Unnamed: 1\":2,\"a.1\":3}\n");
    assert_reads(RECORDS_CSV, "a,b\n1\n1,2,3\n", "{\"a\":1,\"b\":null}\n{\"a\":1,\"b\":2}\n");
    assert_reads(RECORDS_CSV, "id\n123456789012345678901234567890\n", "{\"id\":1.2345678901234568e+29}\n");
    assert_reads(RECORDS_CSV, "only\nx\n", "{\"only\":\"x\"}\n");
    assert_reads(RECORDS_CSV, "", "");
}

static void lines_come_as_they_are_and_blank_ones_not_at_all(void **state)
{
    (void)state;
    assert_reads(RECORDS_NDJSON, "{\"a\":1}\r\n\n  \n[2]\n3", "{\"a\":1}\n[2]\n3\n");
    assert_reads(RECORDS_TEXT, "a line\n another\n", "a line\n another\n");
}

static void a_json_list_is_a_record_an_item(void **state)
{
    (void)state;
    assert_reads(RECORDS_JSON, " [ {\"a\": 1},\n 2.5, \"x\" ] ", "{\"a\":1}\n2.5\n\"x\"\n");
    assert_reads(RECORDS_JSON, "{\"a\": [1, 2]}", "{\"a\":[1,2]}\n");
    assert_reads(RECORDS_JSON, " \n", "");
}

static void a_slow_pipe_gives_each_line_when_it_comes(void **state)
{
    (void)state;
    int ends[2];
    struct su_err err = {.code = SU_INTERNAL};
    SU_AUTO_BUF struct su_buf all = SU_BUF(1 << 20);
    enum records_state now;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    RECORDS_AUTO struct records *records = records_new(RECORDS_CSV, ends[0], "pipe");
    assert_int_equal(write(ends[1], "a,b\n1,2\n3,", 10), 10);
    assert_true(records_read(records, -1, add_line, &all, &now, &err));
    assert_string_equal(su_buf_str(&all).ptr, "{\"a\":1,\"b\":2}\n");
    assert_true(records_read(records, 0, add_line, &all, &now, &err));
    assert_int_equal(now, RECORDS_QUIET);
    assert_int_equal(write(ends[1], "4\n", 2), 2);
    assert_true(records_read(records, -1, add_line, &all, &now, &err));
    assert_string_equal(su_buf_str(&all).ptr, "{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}\n");
    close(ends[1]);
    assert_true(records_read(records, -1, add_line, &all, &now, &err));
    assert_int_equal(now, RECORDS_END);
    close(ends[0]);
}

static struct timeline *table_of(enum records_format format, const char *text, const char *column)
{
    struct su_err err = {.code = SU_INTERNAL};
    struct timeline *timeline = NULL;
    if (!timeline_open(source_of(text), format, "table", column, &timeline, &err))
        fail_msg("%s", err.message);
    return timeline;
}

static void assert_row(struct timeline *timeline, size_t row, int64_t as_us, const char *expected)
{
    struct su_err err = {.code = SU_INTERNAL};
    struct su_str text;
    assert_true(timeline_row(timeline, row, as_us, &text, &err));
    SU_AUTO_FREE char *copy = su_strndup(text.ptr, text.len);
    assert_string_equal(copy, expected);
}

static void rows_are_put_in_the_order_of_their_times(void **state)
{
    (void)state;
    TIMELINE_AUTO struct timeline *timeline =
        table_of(RECORDS_CSV, "n,day\n1,2013-09-06\n2,2013-09-05\n3,2013-09-06 00:00:01\n4,2013-09-05\n", NULL);
    assert_string_equal(timeline_column(timeline), "day");
    assert_int_equal(timeline_count(timeline), 4);
    assert_int_equal(timeline_moved(timeline), 2);
    assert_row(timeline, 0, INT64_MIN, "{\"n\":2,\"day\":\"2013-09-05\"}");
    assert_row(timeline, 1, INT64_MIN, "{\"n\":4,\"day\":\"2013-09-05\"}");
    assert_int_equal(timeline_time(timeline, 3) - timeline_time(timeline, 0), INT64_C(86401000000));
    assert_row(timeline, 3, INT64_C(1000000), "{\"n\":3,\"day\":\"1970-01-01T00:00:01.000000Z\"}");
}

static void a_row_without_a_time_has_that_of_the_row_before(void **state)
{
    (void)state;
    TIMELINE_AUTO struct timeline *timeline = table_of(
        RECORDS_NDJSON, "{\"ts\":null}\n{\"ts\":1378427400000}\n{\"a\":1}\n{\"ts\":1378427400500}\n", NULL);
    assert_int_equal(timeline_filled(timeline), 2);
    assert_row(timeline, 0, INT64_MIN, "{\"ts\":1378427400000}");
    assert_row(timeline, 2, INT64_MIN, "{\"a\":1,\"ts\":1378427400000}");
    assert_int_equal(timeline_time(timeline, 3), INT64_C(1378427400500000));
    assert_row(timeline, 3, INT64_C(1000), "{\"ts\":1}");
}

static void the_time_may_stand_within_an_object(void **state)
{
    (void)state;
    TIMELINE_AUTO struct timeline *timeline =
        table_of(RECORDS_JSON, "[{\"event\": {\"at\": 2.5}}, {\"event\": {\"at\": 1}}]", "event.at");
    assert_int_equal(timeline_time(timeline, 0), 1000000);
    assert_row(timeline, 1, INT64_MIN, "{\"event\":{\"at\":2.5}}");
}

static void a_table_without_times_keeps_its_order_and_says_so_when_asked_for_them(void **state)
{
    (void)state;
    static const char *const text = "n,name\n3,c\n1,a\n";
    struct su_err err = {.code = SU_INTERNAL};
    struct timeline *none = NULL;
    TIMELINE_AUTO struct timeline *timeline = table_of(RECORDS_CSV, text, "");
    assert_null(timeline_column(timeline));
    assert_row(timeline, 0, INT64_MIN, "{\"n\":3,\"name\":\"c\"}");
    assert_false(timeline_open(source_of(text), RECORDS_CSV, "table", NULL, &none, &err));
    assert_non_null(strstr(err.message, "no column holds times"));
    assert_non_null(strstr(err.hint, "--rate"));
    assert_false(timeline_open(source_of(text), RECORDS_CSV, "table", "name", &none, &err));
    assert_non_null(strstr(err.message, "\"name\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_csv_row_becomes_an_object_with_numbers_as_numbers),
        cmocka_unit_test(lines_come_as_they_are_and_blank_ones_not_at_all),
        cmocka_unit_test(a_json_list_is_a_record_an_item),
        cmocka_unit_test(a_slow_pipe_gives_each_line_when_it_comes),
        cmocka_unit_test(rows_are_put_in_the_order_of_their_times),
        cmocka_unit_test(a_row_without_a_time_has_that_of_the_row_before),
        cmocka_unit_test(the_time_may_stand_within_an_object),
        cmocka_unit_test(a_table_without_times_keeps_its_order_and_says_so_when_asked_for_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
