/* Time: see clock.h.  Layer base; any thread. */
#include "clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t which, int64_t per_second)
{
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * per_second + now.tv_nsec / (1000000000 / per_second);
}

int64_t su_now_ms(void) { return read_clock(CLOCK_REALTIME, 1000); }
int64_t su_now_us(void) { return read_clock(CLOCK_REALTIME, 1000000); }
int64_t su_mono_ns(void) { return read_clock(CLOCK_MONOTONIC, 1000000000); }
int64_t su_mono_ms(void) { return read_clock(CLOCK_MONOTONIC, 1000); }

const char *su_time_text(int64_t at_ms, char text[static SU_TIME_TEXT])
{
    int64_t ms = at_ms % 1000, seconds = at_ms / 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    struct tm parts;
    gmtime_r(&(time_t){seconds}, &parts);
    size_t used = strftime(text, SU_TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, SU_TIME_TEXT - used, ".%03dZ", (int)ms);
    return text;
}

const char *su_time_text_us(int64_t at_us, char text[static SU_TIME_TEXT_US])
{
    int64_t us = at_us % 1000000, seconds = at_us / 1000000;
    if (us < 0) {
        us += 1000000;
        seconds--;
    }
    struct tm parts;
    gmtime_r(&(time_t){seconds}, &parts);
    size_t used = strftime(text, SU_TIME_TEXT_US, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, SU_TIME_TEXT_US - used, ".%06dZ", (int)us);
    return text;
}

enum { STEP_US = 1000000, BELIEVED_US = 60000000 };

int64_t su_steady_at(struct su_steady *steady, int64_t mono_us, int64_t real_us)
{
    int64_t step_us = real_us - (mono_us + steady->offset_us);
    bool is_strange = steady->is_set && (step_us > STEP_US || step_us < -STEP_US);
    if (is_strange && steady->strange_since_us == 0)
        steady->strange_since_us = mono_us;
    if (!is_strange) {
        steady->offset_us = real_us - mono_us;
        steady->strange_since_us = 0;
    } else if (mono_us - steady->strange_since_us >= BELIEVED_US) {
        steady->offset_us = real_us - mono_us;
        steady->strange_since_us = 0;
        steady->last_us = INT64_MIN;
    }
    int64_t now_us = mono_us + steady->offset_us;
    if (steady->is_set && now_us < steady->last_us)
        now_us = steady->last_us;
    steady->is_set = true;
    return steady->last_us = now_us;
}

int64_t su_steady_now(struct su_steady *steady)
{
    return su_steady_at(steady, su_mono_ns() / 1000, su_now_us());
}

static bool digits(const char **at, const char *end, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++, (*at)++) {
        if (*at >= end || **at < '0' || **at > '9')
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    return true;
}

static bool literal(const char **at, const char *end, const char *allowed)
{
    for (; *at < end && *allowed; allowed++)
        if (**at == *allowed) {
            (*at)++;
            return true;
        }
    return false;
}

static int fraction_ms(const char **at, const char *end)
{
    int ms = 0, scale = 100;
    if (!literal(at, end, "."))
        return 0;
    for (; *at < end && **at >= '0' && **at <= '9'; (*at)++, scale /= 10)
        ms += (**at - '0') * scale;
    return ms;
}

/* "Z" or "+hh:mm" as minutes east. */
static bool zone(const char **at, const char *end, int *ret_minutes)
{
    int hours, minutes, sign;
    if (literal(at, end, "Zz")) {
        *ret_minutes = 0;
        return true;
    }
    sign = *at < end && **at == '-' ? -1 : 1;
    if (!literal(at, end, "+-") || !digits(at, end, 2, &hours) || !literal(at, end, ":") || !digits(at, end, 2, &minutes))
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return hours < 24 && minutes < 60;
}

bool su_time_parse(struct su_str text, int64_t *ret_ms)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    struct tm parts = {0};
    int east;
    if (!digits(&at, end, 4, &parts.tm_year) || !literal(&at, end, "-") || !digits(&at, end, 2, &parts.tm_mon) ||
        !literal(&at, end, "-") || !digits(&at, end, 2, &parts.tm_mday) || !literal(&at, end, "Tt ") ||
        !digits(&at, end, 2, &parts.tm_hour) || !literal(&at, end, ":") || !digits(&at, end, 2, &parts.tm_min) ||
        !literal(&at, end, ":") || !digits(&at, end, 2, &parts.tm_sec))
        return false;
    int ms = fraction_ms(&at, end);
    if (!zone(&at, end, &east) || at != end || parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 ||
        parts.tm_mday > 31 || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60)
        return false;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    *ret_ms = ((int64_t)timegm(&parts) - east * 60) * 1000 + ms;
    return true;
}
