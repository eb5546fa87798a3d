/* Schedules: what is accepted fires, later than asked, on the minute or where clocks change, and within decades.  Tests. */
#include "fuzz.h"

#include "act/cron.h"

enum { ZONE_COUNT = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[ZONE_COUNT] = {"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu"};
    struct su_err err = {0};
    struct cron cron;
    const struct su_zone *zone;
    if (!cron_parse(fuzz_text(data, size), &cron, &err))
        return 0;
    FUZZ_HOLDS(cron.minutes && cron.hours && cron.days && cron.months && cron.weekdays);
    if (!su_zone_find(names[size % ZONE_COUNT], "zone", &zone, &err))
        return 0;
    int64_t at_us = 1700000000123456 + (int64_t)(size % 7) * 5000000000;
    for (int i = 0; i < 5; i++) {
        int64_t next_us = cron_next(&cron, zone, at_us);
        FUZZ_HOLDS(next_us > at_us && next_us < INT64_MAX);
        FUZZ_HOLDS(next_us % 60000000 == 0);
        FUZZ_HOLDS(cron_next(&cron, zone, next_us - 1) == next_us);
        at_us = next_us;
    }
    return 0;
}
