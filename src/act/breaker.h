/* Circuit breakers: a target that keeps failing is left alone for a while.  Layer act; pure, one thread.
 *
 * Of the last 20 calls half or more failed, and at least 5 were made: open for 60 s, in which nothing is tried; then
 * one call is let through, and its outcome closes the breaker or opens it for another 60 s.
 * (M. Nygard, Release It!, "Circuit Breaker".)  O(1) a call; 48 bytes a target. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { BREAKER_WINDOW = 20, BREAKER_CALLS_MIN = 5, BREAKER_OPEN_MS = 60 * 1000 };

/* {0}: closed, nothing known. */
struct breaker {
    uint32_t failures;          /* a bit each, the newest lowest */
    int32_t calls;
    int64_t open_until_ms;      /* 0: closed */
    bool is_probing;
};
/* May it be called now?  A call that may must be followed by breaker_note or breaker_forget.
 * *ret_again_ms: when to ask again, if not. */
bool breaker_may(struct breaker *breaker, int64_t now_ms, int64_t *ret_again_ms);
void breaker_note(struct breaker *breaker, bool has_failed, int64_t now_ms);
/* The call was not made after all, or broken off: it says nothing. */
void breaker_forget(struct breaker *breaker);

/* By name, the 1024 used last. */
struct breakers;
struct breakers *breakers_new(void);
void breakers_free(struct breakers *breakers);
struct breaker *breakers_at(struct breakers *breakers, const char *tenant, const char *target);
