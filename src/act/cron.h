/* Cron: when a schedule of five fields fires.  Layer act; pure (zones are read once, see base/zone.h).
 *
 * "minute hour day-of-month month day-of-week", each *, a number, a range, a
 * list of them, with a step behind * or a range; months and weekdays also by
 * three letters, Sunday is 0 or 7.  @hourly, @daily (@midnight), @weekly,
 * @monthly, @yearly (@annually) stand for their usual fields.  As in cron since
 * Vixie's, day of month and day of week are alternatives when neither begins
 * with *, and both must hold when one does.
 *
 * When clocks change:
 * - a schedule whose hours do not begin with * names times of day.  Each comes
 *   once: one that clocks going forward leave out comes at the moment of the
 *   change (several of them together, once), one that comes twice as clocks go
 *   back counts the first time;
 * - a schedule whose hours begin with * goes by elapsed time: what is left out
 *   is left out, what comes twice fires twice. */
#pragma once
#include <stdint.h>
#include "base/str.h"
#include "base/zone.h"

enum { CRON_TEXT_MAX = 256 };

struct cron {
    uint64_t minutes;                   /* bit 0..59 */
    uint32_t hours, days;               /* bit 0..23, 1..31 */
    uint16_t months;                    /* bit 1..12 */
    uint8_t weekdays;                   /* bit 0..6, Sunday first */
    bool any_hour, any_day, any_weekday;    /* the field begins with * */
};
/* SU_INVALID names the field and what it may hold; a date that never comes (30 February) is refused too. */
bool cron_parse(struct su_str text, struct cron *ret, struct su_err *err);
/* The first time it fires after after_us, in µs since 1970: at most a few hundred steps.  Every schedule that cron_parse
 * took has one; INT64_MAX only past the calendar's end. */
int64_t cron_next(const struct cron *cron, const struct su_zone *zone, int64_t after_us);

/* What a schedule that was looked at last at since_us owes at now_us.  A time that is the last of them and no older than
 * CRON_LATE_US is on time; the others were missed (the server was down), and the policy says what becomes of them. */
enum cron_catch_up { CRON_NONE, CRON_ONE /* the last missed, if none is on time */, CRON_ALL, CRON_CATCH_UP_COUNT };
extern const char *const cron_catch_up_names[CRON_CATCH_UP_COUNT];
enum { CRON_LATE_US = 60 * 1000000, CRON_DUE_MAX = 1000 };
struct cron_due {
    int64_t times_us[CRON_DUE_MAX];     /* to fire, oldest first; the newest of what would be more */
    uint32_t count;
    int64_t missed;                     /* passed by: by the policy, or beyond CRON_DUE_MAX */
    int64_t next_us;                    /* the first after now_us */
    int64_t looked_us;                  /* where to go on from: now_us, less when more than CRON_COUNT_MAX times have passed */
};
enum { CRON_COUNT_MAX = 600000 };       /* times looked at in one call: a minute-by-minute schedule of more than a year */
void cron_owes(const struct cron *cron, const struct su_zone *zone, enum cron_catch_up policy, int64_t since_us, int64_t now_us,
               struct cron_due *ret);
