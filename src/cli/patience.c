/* Waiting for a server that is away: see patience.h.  Layer cli; main thread. */
#include "cli/patience.h"

#include <time.h>

#include "base/clock.h"
#include "base/random.h"

enum { LIMIT_MS = 60000, PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000, NS_PER_MS = 1000000 };

void patience_renew(struct patience *patience) { *patience = (struct patience){.heard_ms = su_mono_ms()}; }

bool patience_until(int64_t at_ns)
{
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == 0;
}

bool patience_wait(struct patience *patience, uint64_t asked_ms)
{
    uint16_t jitter;
    if (!asked_ms && su_mono_ms() - patience->heard_ms > LIMIT_MS)
        return false;
    su_random(&jitter, sizeof jitter);
    int64_t pause_ms = patience->pause_ms ? 2 * patience->pause_ms : PAUSE_MIN_MS;
    patience->pause_ms = pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
    pause_ms = asked_ms ? (int64_t)asked_ms : patience->pause_ms;
    pause_ms += pause_ms * jitter / (4 * UINT16_MAX);
    patience_until(su_mono_ns() + pause_ms * NS_PER_MS);
    return true;
}
