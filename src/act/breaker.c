/* Circuit breakers: see breaker.h.  Layer act; pure. */
#include "breaker.h"
#include <stdlib.h>
#include <string.h>
#include "base/str.h"

enum { TARGETS_MAX = 1024, PROBE_AGAIN_MS = 1000 };

bool breaker_may(struct breaker *breaker, int64_t now_ms, int64_t *ret_again_ms)
{
    if (breaker->open_until_ms == 0)
        return true;
    *ret_again_ms = breaker->is_probing ? now_ms + PROBE_AGAIN_MS : breaker->open_until_ms;
    if (breaker->is_probing || now_ms < breaker->open_until_ms)
        return false;
    breaker->is_probing = true;
    return true;
}

static bool is_bad(const struct breaker *breaker)
{
    int32_t known = breaker->calls < BREAKER_WINDOW ? breaker->calls : BREAKER_WINDOW;
    uint32_t seen = breaker->failures & ((1U << BREAKER_WINDOW) - 1);
    return known >= BREAKER_CALLS_MIN && __builtin_popcount(seen) * 2 >= known;
}

void breaker_note(struct breaker *breaker, bool has_failed, int64_t now_ms)
{
    bool was_open = breaker->open_until_ms != 0;
    if (was_open && !has_failed) {
        *breaker = (struct breaker){.calls = 1};
        return;
    }
    breaker->is_probing = false;
    breaker->failures = breaker->failures << 1 | has_failed;
    breaker->calls += breaker->calls < BREAKER_WINDOW;
    if (was_open || is_bad(breaker))
        breaker->open_until_ms = now_ms + BREAKER_OPEN_MS;
}

void breaker_forget(struct breaker *breaker) { breaker->is_probing = false; }

/* --- by target ------------------------------------------------------------------ */

struct known { char *tenant, *target; uint64_t used; struct breaker breaker; };
struct breakers { struct known known[TARGETS_MAX]; uint32_t count; uint64_t uses; };

struct breakers *breakers_new(void) { return su_alloc(sizeof(struct breakers)); }

void breakers_free(struct breakers *breakers)
{
    for (uint32_t i = 0; breakers && i < breakers->count; i++) {
        free(breakers->known[i].tenant);
        free(breakers->known[i].target);
    }
    free(breakers);
}

/* A free place, or that of the target that was not used for the longest time. */
static struct known *place(struct breakers *breakers)
{
    struct known *oldest = &breakers->known[0];
    if (breakers->count < TARGETS_MAX)
        return &breakers->known[breakers->count++];
    for (uint32_t i = 1; i < breakers->count; i++)
        if (breakers->known[i].used < oldest->used)
            oldest = &breakers->known[i];
    free(oldest->tenant);
    free(oldest->target);
    return oldest;
}

struct breaker *breakers_at(struct breakers *breakers, const char *tenant, const char *target)
{
    struct known *found = NULL;
    for (uint32_t i = 0; i < breakers->count && !found; i++)
        if (strcmp(breakers->known[i].target, target) == 0 && strcmp(breakers->known[i].tenant, tenant) == 0)
            found = &breakers->known[i];
    if (!found) {
        found = place(breakers);
        *found = (struct known){.tenant = su_strdup(tenant), .target = su_strdup(target)};
    }
    found->used = ++breakers->uses;
    return &found->breaker;
}
