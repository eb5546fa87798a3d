/* Hours of the week: see hours.h.  Layer act; pure. */
#include "hours.h"
#include <string.h>

enum { DAY_MIN = 24 * 60, DAY_S = DAY_MIN * 60 };

struct given { json_t *days; const char *from, *to, *zone; };
static const struct su_field given_fields[] = {
    SU_FIELD(struct given, days, SU_FIELD_LIST, .min = 1, .max = 7), SU_FIELD(struct given, from, SU_FIELD_TEXT, .is_required = true),
    SU_FIELD(struct given, to, SU_FIELD_TEXT, .is_required = true), SU_FIELD(struct given, zone, SU_FIELD_TEXT, .max = SU_ZONE_NAME_MAX),
    SU_FIELD_END};

static bool read_minute(const char *text, const char *field, int16_t *ret, struct su_err *err)
{
    uint64_t hour, minute;
    struct su_str first, second;
    if (!su_str_cut(su_str_of(text), ':', &first, &second) || first.len != 2 || second.len != 2 || !su_str_u64(first, 24, &hour)
        || !su_str_u64(second, 59, &minute) || (hour == 24 && minute > 0))
        return su_fail_field(err, SU_INVALID, field, "%s: a time of day is 00:00..24:00, was \"%.20s\"", field + 1, text);
    *ret = (int16_t)(hour * 60 + minute);
    return true;
}

static bool read_days(const json_t *days, const char *field, uint8_t *ret, struct su_err *err)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    size_t i;
    json_t *day;
    *ret = days ? 0 : 0x7f;
    json_array_foreach ((json_t *)(uintptr_t)days, i, day) {
        const char *name = json_is_string(day) ? json_string_value(day) : "";
        size_t at = 0;
        while (at < SU_COUNT(names) && strcmp(name, names[at]) != 0)
            at++;
        if (at == SU_COUNT(names))
            return su_fail_field(err, SU_INVALID, field, "%s: days are mon, tue, wed, thu, fri, sat and sun, one was \"%.20s\"", field + 1, name);
        *ret |= (uint8_t)(1U << at);
    }
    return true;
}

bool hours_read(const json_t *item, const char *field, struct hours *ret, struct su_err *err)
{
    struct given given = {.zone = "UTC"};
    if (!json_is_object(item))
        return su_fail_field(err, SU_INVALID, field, "%s: must be an object with from and to", field + 1);
    if (!su_json_bind(item, given_fields, &given, err)) {
        snprintf(err->field, sizeof err->field, "%s", field);
        return su_prefix(err, "%s", field + 1);
    }
    if (!read_minute(given.from, field, &ret->from_min, err) || !read_minute(given.to, field, &ret->to_min, err)
        || !read_days(given.days, field, &ret->days, err) || !su_zone_find(given.zone, field, &ret->zone, err))
        return false;
    return ret->from_min != ret->to_min || su_fail_field(err, SU_INVALID, field, "%s: from and to are the same time", field + 1);
}

bool hours_hold(const struct hours *hours, int64_t at_us)
{
    struct su_zone_stretch stretch;
    struct su_date date;
    int64_t at_s = at_us / 1000000 - (at_us % 1000000 < 0);
    su_zone_stretch(hours->zone, at_s, &stretch);
    int64_t reading = at_s + stretch.offset_s, day = reading / DAY_S - (reading % DAY_S < 0);
    int minute = (int)((reading - day * DAY_S) / 60);
    su_date_of(day, &date);
    bool today = hours->days >> date.weekday & 1, yesterday = hours->days >> (date.weekday + 6) % 7 & 1;
    if (hours->from_min < hours->to_min)
        return today && minute >= hours->from_min && minute < hours->to_min;
    return (today && minute >= hours->from_min) || (yesterday && minute < hours->to_min);
}
