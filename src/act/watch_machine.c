/* The state machine of one key of a watch: see watch_machine.h.  Layer act; pure.
 *
 * A step asks in this order: is the window new?  Is the episode too old?  Is an action settling?  Then it finds
 * the level (silence, rise, fall) and tells the change (flapping, episode, verification). */
#include "watch_machine.h"
#include <assert.h>
#include <math.h>
#include <string.h>

enum { CHANGES = WATCH_FLAP_STATES - 1, CHANGES_MASK = (1 << CHANGES) - 1 };
static const double oldest_weight = 0.8, newest_weight = 1.2;

const char *watch_level_name(enum watch_level level)
{
    static const char *const names[] = {"ok", "info", "warning", "critical"};
    assert((unsigned)level < WATCH_LEVEL_COUNT);
    return names[level];
}

const char *watch_state_name(enum watch_state state)
{
    static const char *const names[] = {"warming", "ok", "pending", "firing", "cooling", "nodata"};
    assert((unsigned)state < WATCH_STATE_COUNT);
    return names[state];
}

const char *watch_nodata_name(enum watch_nodata nodata)
{
    static const char *const names[] = {"keep", "ok", "fire"};
    assert((unsigned)nodata < WATCH_NODATA_COUNT);
    return names[nodata];
}

const char *watch_event_name(enum watch_event event)
{
    static const char *const names[] = {"nothing", "opened", "raised", "lowered", "resolved", "unverified", "flapping", "steady"};
    assert((unsigned)event < WATCH_EVENT_COUNT);
    return names[event];
}

bool watch_key_check(const void *key, size_t size)
{
    static const size_t flags[] = {offsetof(struct watch_key, is_known), offsetof(struct watch_key, has_messages),
        offsetof(struct watch_key, is_flapping), offsetof(struct watch_key, is_silence), offsetof(struct watch_key, is_verifying),
        offsetof(struct watch_key, is_unverified)};
    const unsigned char *bytes = key;
    struct watch_key copy;
    if (size != sizeof copy)
        return false;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)       /* a bool that is neither must not be read as one */
        if (bytes[flags[i]] > 1)
            return false;
    memcpy(&copy, key, sizeof copy);
    return copy.state < WATCH_STATE_COUNT && copy.level < WATCH_LEVEL_COUNT && copy.pending < WATCH_LEVEL_COUNT
        && copy.worst < WATCH_LEVEL_COUNT && copy.fall < WATCH_LEVEL_COUNT && copy.episode >= 0 && copy.below >= 0 && copy.muted >= 0
        && !(copy.changes & ~(uint32_t)CHANGES_MASK);
}

static bool is_old(const struct watch_key *key, const struct watch_input *input)
{
    return key->is_known && input->end_us <= key->seen_us;
}

/* A window that began before the action had settled is about both times, so it is about neither. */
static bool is_settling(const struct watch_key *key, const struct watch_input *input)
{
    return key->settle_until_us != 0 && input->start_us < key->settle_until_us;
}

/* Windows of that length from a time to the end of this one. */
static int64_t windows_since(const struct watch_input *input, int64_t since_us)
{
    int64_t length = input->end_us - input->start_us, span;
    return length > 0 && !__builtin_sub_overflow(input->end_us, since_us, &span) ? span / length : 0;
}

/* Nothing is learned from the first windows of an episode, which may be a fault.  What goes on for longer is learned
 * after all, or the world that moved on meanwhile would stay strange, and the episode open, for ever.  While a key is young
 * its detector can't tell an episode from what it has not seen yet. */
static bool is_kept_from_learning(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input)
{
    return watch_is_open(key) && !rules->learns_in_episode && windows_since(input, key->opened_us) < WATCH_KEPT_WINDOWS
        && key->has_messages && windows_since(input, key->first_us) >= WATCH_YOUNG_WINDOWS;
}

struct watch_use watch_use(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input)
{
    bool is_used = !is_old(key, input) && !is_settling(key, input);
    return (struct watch_use){is_used, is_used && !is_kept_from_learning(rules, key, input)};
}

static void note_window(struct watch_key *key, const struct watch_input *input)
{
    if (!key->is_known)
        key->last_us = input->start_us;
    key->is_known = true;
    key->seen_us = input->end_us;
    if (input->messages == 0)
        return;
    if (!key->has_messages)
        key->first_us = input->end_us;
    key->has_messages = true;
    key->last_us = input->end_us;
}

/* Silence counts from the last message, but what an action stops and starts again is not silent. */
static bool is_silent(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input)
{
    int64_t since_us = key->settle_until_us != 0 && key->settle_until_us > key->last_us ? key->settle_until_us : key->last_us;
    return rules->nodata_us > 0 && input->messages == 0 && input->end_us - since_us >= rules->nodata_us;
}

static bool is_warm(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input)
{
    return input->is_warm && key->has_messages && input->end_us - key->first_us >= rules->warm_up_us;
}

static bool is_evidence(const struct watch_rules *rules, const struct watch_input *input)
{
    if (rules->is_on_value)
        return isfinite(input->value);
    return isfinite(input->score) && (input->messages > 0 || input->score > 0);
}

static bool is_cooling_down(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input)
{
    return key->episode > 0 && !watch_is_open(key) && input->end_us - key->closed_us < rules->cooldown_us;
}

static bool is_beyond(const struct watch_bound *bound, double limit, double x)
{
    return bound->is_below ? x <= limit : x >= limit;
}

/* The highest level that x enters; with `or_holds`, that x would not leave either. */
static enum watch_level level_of(const struct watch_rules *rules, double x, bool or_holds)
{
    for (enum watch_level level = WATCH_CRITICAL; level > WATCH_OK; level--) {
        const struct watch_bound *bound = &rules->bounds[level];
        if (bound->is_set && (is_beyond(bound, bound->enter, x) || (or_holds && is_beyond(bound, bound->leave, x))))
            return level;
    }
    return WATCH_OK;
}

static enum watch_level highest_level(const struct watch_rules *rules)
{
    for (enum watch_level level = WATCH_CRITICAL; level > WATCH_OK; level--)
        if (rules->bounds[level].is_set)
            return level;
    return WATCH_CRITICAL;
}

static uint64_t held_mask(const struct watch_rules *rules)
{
    return rules->hold_of >= 64 ? UINT64_MAX : (UINT64_C(1) << (rules->hold_of > 0 ? rules->hold_of : 1)) - 1;
}

/* The highest level that this window reached and `hold` of the last `hold_of` did too. */
static enum watch_level rise_to(const struct watch_rules *rules, struct watch_key *key, enum watch_level reached)
{
    enum watch_level rise = WATCH_OK;
    for (enum watch_level level = WATCH_INFO; level < WATCH_LEVEL_COUNT; level++) {
        key->history[level] = key->history[level] << 1 | (level <= reached);
        if (level <= reached && __builtin_popcountll(key->history[level] & held_mask(rules)) >= rules->hold)
            rise = level;
    }
    return rise;
}

/* After `clear` windows in a row below the level it becomes the highest that one of them still held. */
static enum watch_level fall_to(const struct watch_rules *rules, struct watch_key *key, enum watch_level held)
{
    if (held >= key->level) {
        key->below = 0;
        key->is_silence = false;
        return key->level;
    }
    key->fall = (uint8_t)(key->below == 0 || held > key->fall ? held : key->fall);
    if (++key->below < rules->clear)
        return key->level;
    key->below = 0;
    key->is_silence = false;
    for (enum watch_level level = key->fall + 1; level < WATCH_LEVEL_COUNT; level++)
        key->history[level] = 0;
    return key->fall;
}

static enum watch_level level_of_silence(const struct watch_rules *rules, struct watch_key *key, const struct watch_input *input)
{
    enum watch_level highest = highest_level(rules);
    memset(key->history, 0, sizeof key->history);
    key->below = 0;
    if (rules->nodata == WATCH_NODATA_OK)
        return WATCH_OK;
    if (key->level >= highest || is_cooling_down(rules, key, input))
        return key->level;
    key->is_silence = true;
    return highest;
}

static enum watch_level next_level(const struct watch_rules *rules, struct watch_key *key, const struct watch_input *input)
{
    double x = rules->is_on_value ? input->value : input->score;
    if (is_silent(rules, key, input)) {
        if (rules->nodata != WATCH_NODATA_KEEP)
            return level_of_silence(rules, key, input);
        if (!is_evidence(rules, input))
            memset(key->history, 0, sizeof key->history);
    }
    if (is_evidence(rules, input) && is_warm(rules, key, input)) {
        enum watch_level rise = rise_to(rules, key, level_of(rules, x, false));
        if (rise > key->level) {
            key->below = 0;
            key->is_silence = false;
            return is_cooling_down(rules, key, input) ? key->level : rise;
        }
        return fall_to(rules, key, level_of(rules, x, true));
    }
    /* Who came back need not be judged to be back. */
    return key->is_silence && input->messages > 0 ? fall_to(rules, key, WATCH_OK) : key->level;
}

static double flap_share(uint32_t changes)
{
    double sum = 0;
    for (uint32_t rest = changes; rest; rest &= rest - 1)
        sum += newest_weight - (newest_weight - oldest_weight) * __builtin_ctz(rest) / (CHANGES - 1);
    return sum / (CHANGES * (oldest_weight + newest_weight) / 2);
}

static void open_episode(struct watch_key *key, int64_t end_us)
{
    key->episode++;
    key->opened_us = end_us;
    key->worst = WATCH_OK;
    key->is_verifying = key->is_unverified = false;
}

static void close_episode(struct watch_key *key, int64_t end_us)
{
    key->closed_us = end_us;
    key->level = WATCH_OK;
    key->below = 0;
    key->is_silence = key->is_verifying = false;
    memset(key->history, 0, sizeof key->history);
}

static enum watch_event event_of_change(enum watch_level from, enum watch_level to)
{
    if (from == WATCH_OK)
        return WATCH_OPENED;
    if (to == WATCH_OK)
        return WATCH_RESOLVED;
    return to > from ? WATCH_RAISED : WATCH_LOWERED;
}

/* What is told of a level that has just become `to`.  An episode that flaps stays open until it is steady. */
static enum watch_event tell(const struct watch_rules *rules, struct watch_key *key, enum watch_level from, int64_t end_us)
{
    double share = rules->flap_enter > 0 ? flap_share(key->changes) : 0;
    bool is_changed = from != key->level;
    if (key->is_flapping) {
        key->muted += is_changed;
        if (share > rules->flap_leave)
            return WATCH_NOTHING;
        key->is_flapping = false;
        return WATCH_STEADY;
    }
    if (is_changed && rules->flap_enter > 0 && share >= rules->flap_enter) {
        key->is_flapping = true;
        key->muted = 1;
        return WATCH_FLAPPING;
    }
    if (is_changed)
        return event_of_change(from, key->level);
    if (!key->is_verifying || end_us - key->acted_us < rules->verify_us)
        return WATCH_NOTHING;
    key->is_verifying = false;
    key->is_unverified = true;
    return WATCH_UNVERIFIED;
}

static void set_level(const struct watch_rules *rules, struct watch_key *key, enum watch_level to, int64_t end_us, struct watch_effect *ret)
{
    enum watch_level from = key->level;
    bool was_open = watch_is_open(key);
    if (!was_open && to != WATCH_OK)
        open_episode(key, end_us);
    key->level = (uint8_t)to;
    key->changes = (key->changes << 1 | (from != to)) & CHANGES_MASK;
    if (to > key->worst)
        key->worst = (uint8_t)to;
    ret->event = tell(rules, key, from, end_us);
    if (was_open && !watch_is_open(key))
        close_episode(key, end_us);
}

/* The episode is over by rule: neither its level nor its flapping is asked. */
static void end_of_age(struct watch_key *key, int64_t end_us, struct watch_effect *ret)
{
    ret->event = key->is_flapping ? WATCH_STEADY : WATCH_RESOLVED;
    key->changes = key->is_flapping ? 0 : (key->changes << 1 | 1) & CHANGES_MASK;
    key->is_flapping = false;
    close_episode(key, end_us);
}

static enum watch_level pending_level(const struct watch_rules *rules, const struct watch_key *key)
{
    for (enum watch_level level = WATCH_CRITICAL; level > key->level; level--)
        if (key->history[level] & held_mask(rules))
            return level;
    return WATCH_OK;
}

static enum watch_state state_of(const struct watch_rules *rules, const struct watch_key *key, const struct watch_input *input)
{
    if (is_settling(key, input))
        return WATCH_COOLING;
    if (is_silent(rules, key, input))
        return WATCH_NODATA;
    if (key->level != WATCH_OK)
        return WATCH_FIRING;
    if (!is_warm(rules, key, input))
        return WATCH_WARMING;
    return key->pending != WATCH_OK ? WATCH_PENDING : WATCH_NORMAL;
}

void watch_step(const struct watch_rules *rules, struct watch_key *key, const struct watch_input *input, struct watch_effect *ret)
{
    *ret = (struct watch_effect){WATCH_NOTHING, key->level, key->level, key->episode};
    if (is_old(key, input))
        return;
    note_window(key, input);
    if (watch_is_open(key) && rules->resolve_us > 0 && input->end_us - key->opened_us >= rules->resolve_us)
        end_of_age(key, input->end_us, ret);
    else if (!is_settling(key, input))
        set_level(rules, key, next_level(rules, key, input), input->end_us, ret);
    key->pending = (uint8_t)pending_level(rules, key);
    key->state = (uint8_t)state_of(rules, key, input);
    ret->to = key->level;
    ret->episode = key->episode;
}

void watch_acted(const struct watch_rules *rules, struct watch_key *key, int64_t end_us)
{
    if (rules->settle_us > 0) {
        key->settle_until_us = end_us + rules->settle_us;
        key->state = WATCH_COOLING;
        key->pending = WATCH_OK;
        key->below = 0;
        memset(key->history, 0, sizeof key->history);       /* windows count anew afterwards */
    }
    if (rules->verify_us > 0 && watch_is_open(key) && !key->is_verifying && !key->is_unverified) {
        key->acted_us = end_us;
        key->is_verifying = true;
    }
}
