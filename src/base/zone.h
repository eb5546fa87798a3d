/* Time zones: the offset of a place's clocks from UTC, and when it changes.  Layer base; any thread.
 *
 * Zones are those of the system's tz database by their names ("Europe/Berlin"),
 * and "UTC" wherever there is none.  A clock's reading is a number too: the
 * seconds from 1970-01-01 00:00 to it as if every minute in between had been
 * shown; an instant plus the offset then gives the reading.
 *
 * Where clocks go forward, readings are left out; where they go back, readings
 * come twice.  Both show in the border between two stretches of one offset. */
#pragma once
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif
#include "err.h"

enum { SU_ZONE_NAME_MAX = 64 };

struct su_zone;
/* Read once, kept for ever.  SU_INVALID (of `field`) when there is none of that name. */
bool su_zone_find(const char *name, const char *field, const struct su_zone **ret, struct su_err *err);
const char *su_zone_name(const struct su_zone *zone);

/* The stretch [from_s, to_s) of one offset that an instant lies in; INT64_MIN, INT64_MAX: it has no border there.
 * before_s: the offset before from_s (offset_s when there is no border). */
struct su_zone_stretch {
    int64_t from_s, to_s;
    int32_t offset_s, before_s;
};
void su_zone_stretch(const struct su_zone *zone, int64_t at_s, struct su_zone_stretch *ret);

/* Days of the Gregorian calendar, counted from 1970-01-01. */
struct su_date {
    int64_t year;
    int month, day;             /* from 1 */
    int weekday;                /* Sunday: 0 */
};
void su_date_of(int64_t days, struct su_date *ret);
/* Months past 12 and days past the month's end carry over. */
int64_t su_date_days(int64_t year, int month, int day);
#ifdef __cplusplus
}
#endif
