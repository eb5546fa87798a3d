/* Cron: see cron.h.  Layer act; pure. */
#include "cron.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { DAY_MINUTES = 24 * 60, SEARCH_DAYS = 40 * 366 };

const char *const cron_catch_up_names[CRON_CATCH_UP_COUNT] = {"none", "one", "all"};

/* --- reading --------------------------------------------------------------------- */

struct field { const char *name; unsigned min, max; const char *const *names; unsigned name_first, name_count; };

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
enum { FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY, FIELD_COUNT };
static const struct field fields[FIELD_COUNT] = {
    {"minute", 0, 59, NULL, 0, 0},
    {"hour", 0, 23, NULL, 0, 0},
    {"day of month", 1, 31, NULL, 0, 0},
    {"month", 1, 12, month_names, 1, 12},
    {"day of week", 0, 7, weekday_names, 0, 7}};

static const struct { const char *name, *fields; } shorthands[] = {
    {"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}};

static bool fail_field(const struct field *field, struct su_str text, struct su_err *err)
{
    su_fail(err, SU_INVALID, "%s: must be %u..%u, * or a list, range or step of those, was \"%.*s\"", field->name, field->min, field->max,
            text.len > 40 ? 40 : (int)text.len, text.ptr);
    return field->names == NULL || su_hint(err, "Names are three letters, such as \"%s\".", field->names[1]);
}

static bool read_value(const struct field *field, struct su_str text, unsigned *ret)
{
    uint64_t value;
    for (unsigned i = 0; i < field->name_count; i++)
        if (text.len == 3 && strncasecmp(text.ptr, field->names[i], 3) == 0) {
            *ret = field->name_first + i;
            return true;
        }
    if (text.len > 2 || !su_str_u64(text, field->max, &value) || value < field->min)
        return false;
    *ret = (unsigned)value;
    return true;
}

/* One of a list: "*", "7", "1-5", "1-5/2", "*" with a step. */
static bool read_part(const struct field *field, struct su_str text, uint64_t *set)
{
    struct su_str range, step_text, first_text, last_text;
    uint64_t step = 1;
    unsigned first = field->min, last = field->max;
    bool has_step = su_str_cut(text, '/', &range, &step_text);
    bool is_any = su_str_equal(range, SU_STR("*")), is_range = su_str_cut(range, '-', &first_text, &last_text);
    if (has_step && (!su_str_u64(step_text, field->max, &step) || step == 0 || (!is_any && !is_range)))
        return false;
    if (!is_any && !read_value(field, is_range ? first_text : range, &first))
        return false;
    if (!is_any && !is_range)
        last = first;
    if (is_range && (!read_value(field, last_text, &last) || last < first))
        return false;
    for (unsigned value = first; value <= last; value += (unsigned)step)
        *set |= 1ull << value;
    return true;
}

static bool read_field(const struct field *field, struct su_str text, uint64_t *ret, struct su_err *err)
{
    struct su_str part, rest = text;
    bool goes_on = true;
    *ret = 0;
    while (goes_on) {
        goes_on = su_str_cut(rest, ',', &part, &rest);
        if (!read_part(field, part, ret)) {
            fail_field(field, text, err);
            return false;
        }
    }
    return true;
}

/* The five fields, between blanks. */
static bool split(struct su_str text, struct su_str ret[static FIELD_COUNT], struct su_err *err)
{
    size_t count = 0;
    for (size_t at = 0; at < text.len;) {
        size_t start = at;
        while (at < text.len && text.ptr[at] != ' ' && text.ptr[at] != '\t')
            at++;
        if (at > start && count < FIELD_COUNT)
            ret[count] = (struct su_str){text.ptr + start, at - start};
        count += at > start;
        at++;
    }
    if (count == FIELD_COUNT)
        return true;
    su_fail(err, SU_INVALID, "a schedule has five fields, this has %zu", count);
    return su_hint(err, "minute, hour, day of month, month, day of week: \"30 6 * * mon-fri\".  Seconds are not among them.");
}

static bool expand(struct su_str *text, struct su_err *err)
{
    for (size_t i = 0; i < SU_COUNT(shorthands); i++)
        if (text->len == strlen(shorthands[i].name) && strncasecmp(text->ptr, shorthands[i].name, text->len) == 0) {
            *text = su_str_of(shorthands[i].fields);
            return true;
        }
    if (text->len > 0 && text->ptr[0] == '@')
        return su_fail(err, SU_INVALID, "there is no schedule \"%.*s\"; there are @hourly, @daily, @weekly, @monthly and @yearly",
                       text->len > 40 ? 40 : (int)text->len, text->ptr);
    return true;
}

/* Only a day of the month that no month of it has never comes: weekdays come every week. */
static bool check_comes(const struct cron *cron, struct su_err *err)
{
    static const char *const full_names[] = {"January", "February", "March", "April", "May", "June", "July",
                                             "August", "September", "October", "November", "December"};
    static const uint8_t lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned first_day = (unsigned)__builtin_ctz(cron->days), first_month = (unsigned)__builtin_ctz(cron->months);
    if (!cron->any_day && !cron->any_weekday)
        return true;
    for (unsigned month = 1; month <= 12; month++)
        if ((cron->months >> month & 1) && first_day <= lengths[month - 1])
            return true;
    return su_fail(err, SU_INVALID, "day of month: there is never a %u %s%s, so it would never fire", first_day, full_names[first_month - 1],
                   (cron->months & (cron->months - 1)) ? ", nor one in the other months" : "");
}

bool cron_parse(struct su_str text, struct cron *ret, struct su_err *err)
{
    struct su_str parts[FIELD_COUNT];
    uint64_t sets[FIELD_COUNT];
    text = su_str_trim(text);
    if (text.len > CRON_TEXT_MAX)
        return su_fail(err, SU_LIMIT, "a schedule has at most %d bytes, this has %zu", CRON_TEXT_MAX, text.len);
    if (!expand(&text, err) || !split(text, parts, err))
        return false;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        if (!read_field(&fields[i], parts[i], &sets[i], err))
            return false;
    struct cron cron = {.minutes = sets[FIELD_MINUTE], .hours = (uint32_t)sets[FIELD_HOUR], .days = (uint32_t)sets[FIELD_DAY],
                        .months = (uint16_t)sets[FIELD_MONTH], .weekdays = (uint8_t)((sets[FIELD_WEEKDAY] | sets[FIELD_WEEKDAY] >> 7) & 0x7f),
                        .any_hour = parts[FIELD_HOUR].ptr[0] == '*', .any_day = parts[FIELD_DAY].ptr[0] == '*',
                        .any_weekday = parts[FIELD_WEEKDAY].ptr[0] == '*'};
    if (!check_comes(&cron, err))
        return false;
    *ret = cron;
    return true;
}

/* --- the next time ------------------------------------------------------------------ */

static bool is_day(const struct cron *cron, const struct su_date *date)
{
    bool of_month = cron->days >> date->day & 1, of_week = cron->weekdays >> date->weekday & 1;
    return cron->any_day || cron->any_weekday ? of_month && of_week : of_month || of_week;
}

/* The first minute of a day from `from` on; -1: none is left. */
static int minute_of_day(const struct cron *cron, int from)
{
    for (int hour = from / 60; hour < 24; hour++) {
        if (!(cron->hours >> hour & 1))
            continue;
        uint64_t left = hour == from / 60 ? cron->minutes & (~0ull << from % 60) : cron->minutes;
        if (left)
            return hour * 60 + __builtin_ctzll(left);
    }
    return -1;
}

static int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0); }

/* The first reading of the clocks at or after `from` (minutes) that it names; INT64_MAX: none in decades. */
static int64_t next_reading(const struct cron *cron, int64_t from)
{
    int64_t day = floor_div(from, DAY_MINUTES), end = day + SEARCH_DAYS;
    int start = (int)(from - day * DAY_MINUTES);
    while (day < end) {
        struct su_date date;
        su_date_of(day, &date);
        if (!(cron->months >> date.month & 1)) {
            day = su_date_days(date.year, date.month + 1, 1);
            start = 0;
            continue;
        }
        int minute = is_day(cron, &date) ? minute_of_day(cron, start) : -1;
        if (minute >= 0)
            return day * DAY_MINUTES + minute;
        day++;
        start = 0;
    }
    return INT64_MAX;
}

int64_t cron_next(const struct cron *cron, const struct su_zone *zone, int64_t after_us)
{
    int64_t after_s = floor_div(after_us, 1000000), at_s = after_s;
    struct su_zone_stretch stretch, later;
    for (bool is_first = true;; is_first = false) {
        su_zone_stretch(zone, at_s, &stretch);
        int64_t reading_s = (is_first ? after_s + 1 : at_s) + stretch.offset_s;
        if (!cron->any_hour && stretch.before_s > stretch.offset_s && reading_s < stretch.from_s + stretch.before_s)
            reading_s = stretch.from_s + stretch.before_s;      /* shown before the clocks went back: it has been */
        int64_t minute = next_reading(cron, floor_div(reading_s + 59, 60));
        if (minute == INT64_MAX)
            return INT64_MAX;
        int64_t found_s = minute * 60 - stretch.offset_s;
        if (found_s < stretch.to_s)
            return found_s * 1000000;
        su_zone_stretch(zone, stretch.to_s, &later);
        if (!cron->any_hour && minute * 60 < stretch.to_s + later.offset_s)
            return stretch.to_s * 1000000;                      /* left out as the clocks went forward */
        at_s = stretch.to_s;
    }
}

/* --- what is owed ---------------------------------------------------------------------- */

void cron_owes(const struct cron *cron, const struct su_zone *zone, enum cron_catch_up policy, int64_t since_us, int64_t now_us,
               struct cron_due *ret)
{
    int64_t passed = 0, at_us;
    ret->looked_us = now_us;
    for (at_us = cron_next(cron, zone, since_us); at_us <= now_us; at_us = cron_next(cron, zone, at_us)) {
        if (passed == CRON_COUNT_MAX) {
            ret->looked_us = at_us - 1;
            break;
        }
        ret->times_us[passed++ % CRON_DUE_MAX] = at_us;
    }
    ret->next_us = at_us;
    int64_t kept = passed < CRON_DUE_MAX ? passed : CRON_DUE_MAX;
    int64_t last_us = passed > 0 ? ret->times_us[(passed - 1) % CRON_DUE_MAX] : 0;
    if (policy != CRON_ALL && kept > 0)
        kept = policy == CRON_ONE || now_us - last_us <= CRON_LATE_US ? 1 : 0;
    /* The ring's newest `kept` go to the front, oldest first. */
    int64_t ordered[CRON_DUE_MAX];
    for (int64_t i = 0; i < kept; i++)
        ordered[i] = ret->times_us[(passed - kept + i) % CRON_DUE_MAX];
    memcpy(ret->times_us, ordered, (size_t)kept * sizeof ordered[0]);
    ret->count = (uint32_t)kept;
    ret->missed = passed - kept;
}
