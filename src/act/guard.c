/* Guards: see guard.h.  Layer act; pure. */
#include "guard.h"
#include <stdio.h>
#include <stdlib.h>
#include <math.h>

const char *const guard_names[GUARD_COUNT] = {"enabled", "dry_run", "silence", "active", "cooldown",
                                              "rate_limit", "blast_radius", "approval", "switch", "breaker"};

/* Each says whether it passes; what it has to say goes into detail. */
typedef bool guard_fn(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size);

static bool is_enabled(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    if (facts->is_missing)
        snprintf(detail, size, "there is no such action");
    else if (facts->policy && !facts->policy->is_enabled)
        snprintf(detail, size, "the action is not enabled");
    return !detail[0];
}

static bool is_in_earnest(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    if (facts->is_dry)
        snprintf(detail, size, "who decided is in dry run");
    else if (facts->policy && facts->policy->is_dry)
        snprintf(detail, size, "the action is in dry run");
    return !detail[0];
}

static bool is_heard(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    if (facts->silence)
        snprintf(detail, size, "%s", facts->silence);
    return facts->silence == NULL;
}

static bool is_in_hours(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    verdict->mattered[GUARD_ACTIVE] = facts->policy && facts->policy->active;
    if (verdict->mattered[GUARD_ACTIVE] && !facts->is_active)
        snprintf(detail, size, "outside the hours in which the action acts");
    return !detail[0];
}

/* A distance either way: time may go back, as with another stream or a replayed one. */
static bool is_cool(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    int64_t cooldown = facts->policy ? facts->policy->cooldown_us : 0, since = llabs(facts->at_us - facts->mark.last_us);
    verdict->mattered[GUARD_COOLDOWN] = cooldown > 0;
    if (cooldown == 0 || facts->mark.last_us == 0 || since >= cooldown)
        return true;
    snprintf(detail, size, "the last was %.3f s before, the cooldown is %.3f s%s", (double)since / 1e6, (double)cooldown / 1e6,
             facts->ends_episode ? "; but this ends an episode" : "");
    return facts->ends_episode;
}

/* A bucket of `count` tokens that fills in `per`. */
static bool has_token(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    double count = facts->policy ? (double)facts->policy->rate.count : 0;
    verdict->mattered[GUARD_RATE_LIMIT] = count > 0;
    if (count <= 0)
        return true;
    double gained = (double)llabs(facts->at_us - facts->mark.filled_us) * count / (double)facts->policy->rate.per_us;
    double tokens = facts->mark.filled_us == 0 ? count : fmin(count, facts->mark.tokens + gained);
    verdict->mark.tokens = tokens - 1;
    verdict->mark.filled_us = facts->at_us;
    if (tokens < 1)
        snprintf(detail, size, "more than %.0f in %.3f s", count, (double)facts->policy->rate.per_us / 1e6);
    return tokens >= 1;
}

static bool is_narrow(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    bool is_set = facts->policy && facts->policy->blast.per_us > 0;
    double share = is_set && facts->keys > 0 ? facts->policy->blast.share : 0;
    int64_t acted = facts->keys_acted + 1, count = is_set ? facts->policy->blast.count : 0;
    verdict->mattered[GUARD_BLAST_RADIUS] = is_set;
    if (count > 0 && acted > count)
        snprintf(detail, size, "it would be key %lld that is acted upon in %.3f s; the most is %lld", (long long)acted,
                 (double)facts->policy->blast.per_us / 1e6, (long long)count);
    else if (share > 0 && acted > 1 && (double)acted > share * (double)facts->keys)
        snprintf(detail, size, "%lld of %lld keys would be acted upon in %.3f s; the largest share is %g", (long long)acted, (long long)facts->keys,
                 (double)facts->policy->blast.per_us / 1e6, share);
    return !detail[0];
}

/* Passes, so far: who says yes or no comes later. */
static bool ask(const struct guard_facts *facts, struct guard_verdict *verdict, char *detail, size_t size)
{
    verdict->is_held = verdict->mattered[GUARD_APPROVAL] = facts->policy && facts->policy->approval.wait_ms > 0;
    if (verdict->is_held)
        snprintf(detail, size, "waits for a person, at most %.3f s", (double)facts->policy->approval.wait_ms / 1e3);
    return true;
}

void guard_judge(const struct guard_facts *facts, struct guard_verdict *ret)
{
    static guard_fn *const guards[] = {is_enabled, is_in_earnest, is_heard, is_in_hours, is_cool, has_token, is_narrow, ask};
    *ret = (struct guard_verdict){.stopped_by = GUARD_COUNT, .mark = facts->mark};
    ret->mattered[GUARD_ENABLED] = ret->mattered[GUARD_DRY_RUN] = ret->mattered[GUARD_SILENCE] = true;
    for (int i = 0; i < (int)(sizeof guards / sizeof guards[0]); i++)
        if (!guards[i](facts, ret, ret->detail[i], sizeof ret->detail[i])) {
            ret->stopped_by = (enum guard)i;
            for (int after = i + 1; after < GUARD_COUNT; after++)
                ret->mattered[after] = false;
            ret->mark = facts->mark;
            return;
        }
    ret->mark.last_us = facts->at_us;
}

json_t *guard_trace(const struct guard_verdict *verdict)
{
    json_t *trace = json_array();
    for (int i = 0; i < GUARD_COUNT; i++)
        if (verdict->mattered[i])
            json_array_append_new(trace, json_pack("{s:s, s:b, s:o}", "guard", guard_names[i], "passed", (enum guard)i != verdict->stopped_by, "detail",
                                                   su_json_text_or_null(verdict->detail[i][0] ? verdict->detail[i] : NULL)));
    return trace;
}
