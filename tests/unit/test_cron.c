/* Schedules: what may be written, when they fire, and what becomes of times that clocks leave out or show twice. */
#include "check.h"
#include "act/cron.h"
#include "base/clock.h"

static int64_t at(const char *text)
{
    int64_t ms;
    assert_true(su_time_parse(su_str_of(text), &ms));
    return ms * 1000;
}

static struct cron cron_of(const char *text)
{
    struct su_err err;
    struct cron cron;
    check_ok(cron_parse(su_str_of(text), &cron, &err));
    return cron;
}

static const struct su_zone *zone_of(const char *name)
{
    struct su_err err;
    const struct su_zone *zone;
    check_ok(su_zone_find(name, "zone", &zone, &err));
    return zone;
}

/* The next firings after `from`, ended by NULL, as instants. */
static void expect(const char *text, const char *zone, const char *from, const char *const *times)
{
    struct cron cron = cron_of(text);
    int64_t at_us = at(from);
    for (size_t i = 0; times[i]; i++) {
        char got[SU_TIME_TEXT];
        at_us = cron_next(&cron, zone_of(zone), at_us);
        if (at_us != at(times[i]))
            fail_msg("%s in %s: firing %zu is %s, not %s", text, zone, i, su_time_text(at_us / 1000, got), times[i]);
    }
}
#define EXPECT(text, zone, from, ...) expect(text, zone, from, (const char *const[]){__VA_ARGS__, NULL})

/* --- what may be written ----------------------------------------------------------- */

static void fields_take_lists_ranges_steps_and_names(void **state)
{
    struct cron cron = cron_of("0,30 9-17/4 * Jan-mar,dec mon-fri");
    assert_int_equal(cron.minutes, 1ull | 1ull << 30);
    assert_int_equal(cron.hours, 1u << 9 | 1u << 13 | 1u << 17);
    assert_int_equal(cron.months, 1u << 1 | 1u << 2 | 1u << 3 | 1u << 12);
    assert_int_equal(cron.weekdays, 0x3e);
    assert_int_equal(cron_of("0 0 * * 7").weekdays, 1);
    assert_int_equal(cron_of("0 0 * * 5-7").weekdays, 1 | 1 << 5 | 1 << 6);
    assert_int_equal(cron_of("  */20\t*  * * * ").minutes, 1ull | 1ull << 20 | 1ull << 40);
    assert_int_equal(cron_of("@Hourly").minutes, 1);
}

static void what_is_wrong_is_named_with_its_field(void **state)
{
    static const struct { const char *text, *part; } wrong[] = {
        {"60 * * * *", "minute: must be 0..59"}, {"* 24 * * *", "hour: must be 0..23"}, {"* * 0 * *", "day of month: must be 1..31"},
        {"* * * 13 *", "month: must be 1..12"},  {"* * * foo *", "month"},              {"* * * * 8", "day of week: must be 0..7"},
        {"5-1 * * * *", "minute"},               {"*/0 * * * *", "minute"},             {"5/2 * * * *", "minute"},
        {"1,,2 * * * *", "minute"},              {"* * L * *", "day of month"},         {"* * * * 1#2", "day of week"},
        {"* * * *", "five fields, this has 4"},  {"0 * * * * *", "five fields, this has 6"}, {"", "five fields, this has 0"},
        {"@reboot", "no schedule \"@reboot\""},  {"+1 * * * *", "minute"},              {"1- * * * *", "minute"}};
    struct su_err err;
    struct cron cron;
    for (size_t i = 0; i < SU_COUNT(wrong); i++)
        check_fails(cron_parse(su_str_of(wrong[i].text), &cron, &err), SU_INVALID, wrong[i].part);
}

static void a_date_that_never_comes_is_refused(void **state)
{
    struct su_err err;
    struct cron cron;
    check_fails(cron_parse(SU_STR("0 0 30 2 *"), &cron, &err), SU_INVALID, "never a 30 February");
    check_fails(cron_parse(SU_STR("0 0 31 apr,jun,sep,nov *"), &cron, &err), SU_INVALID, "never a 31 April, nor one in the other months");
    check_ok(cron_parse(SU_STR("0 0 30 2 mon"), &cron, &err));      /* every Monday in February */
    check_ok(cron_parse(SU_STR("0 0 29 2 *"), &cron, &err));
    check_ok(cron_parse(SU_STR("0 0 30,28 2 *"), &cron, &err));
}

static void zones_are_those_of_the_machine(void **state)
{
    struct su_err err;
    const struct su_zone *zone;
    static const char *const wrong[] = {"Europe/Atlantis", "", "../etc/passwd", "/etc/localtime", "right/UTC", "Europe", "file:UTC", "zone.tab"};
    for (size_t i = 0; i < SU_COUNT(wrong); i++)
        check_fails(su_zone_find(wrong[i], "/when/zone", &zone, &err), SU_INVALID, "no time zone");
    assert_string_equal(err.field, "/when/zone");
    assert_string_equal(su_zone_name(zone_of("Europe/Berlin")), "Europe/Berlin");
    assert_ptr_equal(zone_of("UTC"), zone_of("UTC"));
}

/* --- when it fires -------------------------------------------------------------------- */

static void the_next_time_is_after_the_one_given(void **state)
{
    EXPECT("*/15 * * * *", "UTC", "2026-03-01T10:00:00Z", "2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z");
    EXPECT("*/15 * * * *", "UTC", "2026-03-01T10:14:59.999Z", "2026-03-01T10:15:00Z");
    EXPECT("0 0 * * *", "UTC", "1969-12-31T12:00:00Z", "1970-01-01T00:00:00Z");
    EXPECT("30 9 * * mon-fri", "UTC", "2026-11-27T09:30:00Z", "2026-11-30T09:30:00Z");
}

static void months_end_where_they_end(void **state)
{
    EXPECT("0 12 31 * *", "UTC", "2026-01-31T12:00:00Z", "2026-03-31T12:00:00Z", "2026-05-31T12:00:00Z");
    EXPECT("0 12 30 * *", "UTC", "2026-01-30T12:00:00Z", "2026-03-30T12:00:00Z");
    EXPECT("59 23 * 12 *", "UTC", "2026-12-31T23:59:00Z", "2027-12-01T23:59:00Z");
}

static void leap_days_come_every_four_years_but_in_2100(void **state)
{
    EXPECT("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z");
    EXPECT("0 0 29 feb *", "UTC", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z");
}

static void day_of_month_or_week_when_neither_is_any(void **state)
{
    EXPECT("0 0 13 * fri", "UTC", "2026-11-01T00:00:00Z", "2026-11-06T00:00:00Z", "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z",
           "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z");
    EXPECT("0 0 */2 * mon", "UTC", "2026-11-01T00:00:00Z", "2026-11-09T00:00:00Z", "2026-11-23T00:00:00Z");
}

/* --- clocks that change ------------------------------------------------------------------ */

static void a_time_of_day_left_out_comes_at_the_change(void **state)
{
    /* Berlin, 29 March 2026: 02:00 CET is 03:00 CEST, at 01:00 UTC. */
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    EXPECT("0,20,40 2-3 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z");
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:59.900Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    EXPECT("15 2 8 3 *", "America/New_York", "2026-01-01T00:00:00Z", "2026-03-08T07:00:00Z", "2027-03-08T07:15:00Z");
}

static void a_time_of_day_shown_twice_counts_once(void **state)
{
    /* Berlin, 25 October 2026: 03:00 CEST is 02:00 CET, at 01:00 UTC. */
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    EXPECT("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z");
    EXPECT("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z");
    EXPECT("0 3 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T02:00:00Z");
}

static void every_so_often_goes_by_elapsed_time(void **state)
{
    EXPECT("30 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z");
    EXPECT("30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z");
    EXPECT("0 */2 * * *", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T02:00:00Z");
}

static void half_an_hour_of_change_is_one_too(void **state)
{
    /* Lord Howe Island: forward by 30 minutes at 02:00 on 4 October 2026 (15:30 UTC the day before), back on 5 April. */
    EXPECT("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z");
    EXPECT("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z");
}

static void a_whole_day_left_out_comes_at_the_change(void **state)
{
    /* Samoa went over the date line: 30 December 2011 was not there. */
    EXPECT("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", "2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z");
}

static void a_year_of_days_has_each_once(void **state)
{
    static const char *const zones[] = {"Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago"};
    for (size_t i = 0; i < SU_COUNT(zones); i++)
        for (int half_hour = 0; half_hour < 48; half_hour++) {
            char text[32];
            snprintf(text, sizeof text, "%d %d * * *", half_hour % 2 * 30, half_hour / 2);
            struct cron cron = cron_of(text);
            int count = 0;
            for (int64_t t = at("2026-01-05T00:00:00Z"); (t = cron_next(&cron, zone_of(zones[i]), t)) <= at("2027-01-05T00:00:00Z");)
                count++;
            if (count != 365)
                fail_msg("%s in %s came %d times", text, zones[i], count);
        }
}

/* --- what was missed ------------------------------------------------------------------------ */

static void what_is_owed_depends_on_the_policy(void **state)
{
    struct cron cron = cron_of("*/10 * * * *");
    static struct cron_due due;
    const struct su_zone *zone = zone_of("UTC");
    int64_t since = at("2026-11-25T10:00:00Z"), now = at("2026-11-25T11:00:05Z"), later = at("2026-11-25T11:05:00Z");
    cron_owes(&cron, zone, CRON_NONE, since, now, &due);
    assert_int_equal(due.count, 1);
    assert_int_equal(due.times_us[0], at("2026-11-25T11:00:00Z"));
    assert_int_equal(due.missed, 5);
    assert_int_equal(due.next_us, at("2026-11-25T11:10:00Z"));
    cron_owes(&cron, zone, CRON_NONE, since, later, &due);
    assert_int_equal(due.count, 0);
    assert_int_equal(due.missed, 6);
    cron_owes(&cron, zone, CRON_ONE, since, later, &due);
    assert_int_equal(due.count, 1);
    assert_int_equal(due.times_us[0], at("2026-11-25T11:00:00Z"));
    cron_owes(&cron, zone, CRON_ALL, since, later, &due);
    assert_int_equal(due.count, 6);
    assert_int_equal(due.times_us[0], at("2026-11-25T10:10:00Z"));
    assert_int_equal(due.missed, 0);
    cron_owes(&cron, zone, CRON_ALL, now, now, &due);
    assert_int_equal(due.count, 0);
    assert_int_equal(due.looked_us, now);
}

static void catching_up_is_bounded(void **state)
{
    struct cron cron = cron_of("* * * * *");
    static struct cron_due due;
    int64_t since = at("2026-11-01T00:00:00Z"), now = at("2026-11-02T00:00:00Z");
    cron_owes(&cron, zone_of("UTC"), CRON_ALL, since, now, &due);
    assert_int_equal(due.count, CRON_DUE_MAX);
    assert_int_equal(due.missed, 24 * 60 - CRON_DUE_MAX);
    assert_int_equal(due.times_us[CRON_DUE_MAX - 1], now);
    assert_int_equal(due.times_us[0], now - (CRON_DUE_MAX - 1) * 60000000LL);
    cron_owes(&cron, zone_of("UTC"), CRON_NONE, since - 3 * 366 * 86400000000LL, now, &due);
    assert_int_equal(due.missed, CRON_COUNT_MAX);
    assert_true(due.looked_us < now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_take_lists_ranges_steps_and_names),
        cmocka_unit_test(what_is_wrong_is_named_with_its_field),
        cmocka_unit_test(a_date_that_never_comes_is_refused),
        cmocka_unit_test(zones_are_those_of_the_machine),
        cmocka_unit_test(the_next_time_is_after_the_one_given),
        cmocka_unit_test(months_end_where_they_end),
        cmocka_unit_test(leap_days_come_every_four_years_but_in_2100),
        cmocka_unit_test(day_of_month_or_week_when_neither_is_any),
        cmocka_unit_test(a_time_of_day_left_out_comes_at_the_change),
        cmocka_unit_test(a_time_of_day_shown_twice_counts_once),
        cmocka_unit_test(every_so_often_goes_by_elapsed_time),
        cmocka_unit_test(half_an_hour_of_change_is_one_too),
        cmocka_unit_test(a_whole_day_left_out_comes_at_the_change),
        cmocka_unit_test(a_year_of_days_has_each_once),
        cmocka_unit_test(what_is_owed_depends_on_the_policy),
        cmocka_unit_test(catching_up_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
