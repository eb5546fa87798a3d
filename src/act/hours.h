/* Hours of the week in a place's time, over and over: when an action may act, when maintenance is.  Layer act; pure.
 *
 * {"days": ["mon", "tue"], "from": "22:00", "to": "06:00", "zone": "Europe/Berlin"}.  Days are those on which
 * it begins (default: all), `to` before `from` is the day after, "24:00" a day's end; zone defaults to UTC. */
#pragma once
#include "base/json.h"
#include "base/zone.h"

struct hours { uint8_t days /* bit 0: Sunday */; int16_t from_min, to_min; const struct su_zone *zone; };
/* Errors are of `field`. */
bool hours_read(const json_t *given, const char *field, struct hours *ret, struct su_err *err);
bool hours_hold(const struct hours *hours, int64_t at_us);
