/* The keys of a watch and what is known of each: machine, detector's state, scalings.  Layer act; one thread at a time.
 *
 * In the order in which they were first seen, which is part of what a checkpoint keeps. */
#pragma once
#include <stdalign.h>
#include <stddef.h>
#include "base/str.h"
#include "detector.h"
#include "scale.h"
#include "watch_machine.h"

/* Followed in memory by the scalings and the detector's state. */
struct watch_slot {
    alignas(max_align_t) struct watch_key machine;
    struct detector_verdict last;
    uint64_t window;            /* number of the last window it was given to */
};

struct watch_keys;
struct watch_keys *watch_keys_new(const struct detector *detector, size_t scale_count, int64_t keys_max);
void watch_keys_free(struct watch_keys *keys);

size_t watch_keys_count(const struct watch_keys *keys);
struct watch_slot *watch_keys_at(const struct watch_keys *keys, size_t index);
const char *watch_keys_name(const struct watch_keys *keys, size_t index);
/* SIZE_MAX: not known. */
size_t watch_keys_find(const struct watch_keys *keys, struct su_str name);
/* A new one with a fresh state; SIZE_MAX when there are keys_max. */
size_t watch_keys_add(struct watch_keys *keys, struct su_str name);
/* Those without an episode that had no message after last_us. */
void watch_keys_forget(struct watch_keys *keys, int64_t last_us);
void *watch_keys_state(const struct watch_keys *keys, size_t index);
struct scale_state *watch_keys_scale(const struct watch_keys *keys, size_t index, size_t scale);
/* Another detector of the same dimensions from now on: all states begin anew. */
void watch_keys_set_detector(struct watch_keys *keys, const struct detector *detector);

void watch_keys_save(const struct watch_keys *keys, struct su_buf *into);
/* Into an empty one; SU_INVALID when these are not the bytes of such keys. *text moves on. */
bool watch_keys_load(struct watch_keys *keys, struct su_str *text, struct su_err *err);
