/* The keys of a watch: see watch_keys.h.  Layer act.
 *
 * Fixed strides in one block of memory, names beside it, and an index by hash with open addressing. */
#include "watch_keys.h"
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"

struct watch_keys {
    const struct detector *detector;
    size_t scale_count, keys_max, count, capacity, stride, state_at;
    unsigned char *memory;
    char **names;
    uint32_t *index;            /* slot + 1 by hash; 0: empty */
    size_t index_mask;
};

static size_t round_up(size_t size) { return (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t); }

static void lay_out(struct watch_keys *keys, const struct detector *detector)
{
    keys->detector = detector;
    keys->state_at = sizeof(struct watch_slot) + round_up(keys->scale_count * sizeof(struct scale_state));
    keys->stride = keys->state_at + round_up(detector_state_bytes(detector));
}

struct watch_keys *watch_keys_new(const struct detector *detector, size_t scale_count, int64_t keys_max)
{
    struct watch_keys *keys = su_alloc(sizeof *keys);
    keys->scale_count = scale_count;
    keys->keys_max = (size_t)keys_max;
    lay_out(keys, detector);
    return keys;
}

void watch_keys_free(struct watch_keys *keys)
{
    if (keys == NULL)
        return;
    for (size_t i = 0; i < keys->count; i++)
        free(keys->names[i]);
    free(keys->names);
    free(keys->memory);
    free(keys->index);
    free(keys);
}

size_t watch_keys_count(const struct watch_keys *keys) { return keys->count; }
const char *watch_keys_name(const struct watch_keys *keys, size_t index) { return keys->names[index]; }

struct watch_slot *watch_keys_at(const struct watch_keys *keys, size_t index)
{
    return (struct watch_slot *)(void *)(keys->memory + index * keys->stride);
}

void *watch_keys_state(const struct watch_keys *keys, size_t index) { return keys->memory + index * keys->stride + keys->state_at; }

struct scale_state *watch_keys_scale(const struct watch_keys *keys, size_t index, size_t scale)
{
    su_assert(scale < keys->scale_count);
    return (struct scale_state *)(void *)(keys->memory + index * keys->stride + sizeof(struct watch_slot)) + scale;
}

/* --- the index -------------------------------------------------------------------- */

/* Where the name stands in the index, or the empty place where it belongs. */
static size_t place_of(const struct watch_keys *keys, struct su_str name)
{
    size_t at = su_hash64(name.ptr, name.len) & keys->index_mask;
    while (keys->index[at] != 0 && !su_str_equal(su_str_of(keys->names[keys->index[at] - 1]), name))
        at = (at + 1) & keys->index_mask;
    return at;
}

size_t watch_keys_find(const struct watch_keys *keys, struct su_str name)
{
    if (keys->count == 0)
        return SIZE_MAX;
    uint32_t found = keys->index[place_of(keys, name)];
    return found ? found - 1 : SIZE_MAX;
}

static void rebuild_index(struct watch_keys *keys)
{
    free(keys->index);
    keys->index_mask = keys->capacity * 2 - 1;
    keys->index = su_alloc((keys->index_mask + 1) * sizeof *keys->index);
    for (size_t i = 0; i < keys->count; i++)
        keys->index[place_of(keys, su_str_of(keys->names[i]))] = (uint32_t)i + 1;
}

static void grow(struct watch_keys *keys)
{
    keys->capacity = keys->capacity ? keys->capacity * 2 : 16;
    keys->memory = su_realloc(keys->memory, keys->capacity * keys->stride);
    keys->names = su_realloc(keys->names, keys->capacity * sizeof *keys->names);
    rebuild_index(keys);
}

/* A place without a name yet. */
static size_t append(struct watch_keys *keys, struct su_str name)
{
    if (keys->count == keys->capacity)
        grow(keys);
    size_t place = place_of(keys, name), added = keys->count++;
    keys->names[added] = su_strndup(name.ptr, name.len);
    keys->index[place] = (uint32_t)added + 1;
    memset(keys->memory + added * keys->stride, 0, keys->stride);
    return added;
}

size_t watch_keys_add(struct watch_keys *keys, struct su_str name)
{
    if (keys->count >= keys->keys_max)
        return SIZE_MAX;
    size_t added = append(keys, name);
    detector_begin(keys->detector, watch_keys_state(keys, added));
    return added;
}

void watch_keys_forget(struct watch_keys *keys, int64_t last_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct watch_slot *slot = watch_keys_at(keys, i);
        if (!watch_is_open(&slot->machine) && slot->machine.last_us <= last_us) {
            free(keys->names[i]);
            continue;
        }
        if (kept != i) {
            memcpy(keys->memory + kept * keys->stride, keys->memory + i * keys->stride, keys->stride);
            keys->names[kept] = keys->names[i];
        }
        kept++;
    }
    bool has_changed = kept != keys->count;
    keys->count = kept;
    if (has_changed)
        rebuild_index(keys);
}

void watch_keys_set_detector(struct watch_keys *keys, const struct detector *detector)
{
    size_t before = keys->stride, kept = keys->state_at;
    unsigned char *memory = keys->memory;
    lay_out(keys, detector);
    keys->memory = keys->capacity ? su_alloc(keys->capacity * keys->stride) : NULL;
    for (size_t i = 0; i < keys->count; i++) {
        memcpy(keys->memory + i * keys->stride, memory + i * before, kept);
        detector_begin(detector, watch_keys_state(keys, i));
    }
    free(memory);
}

/* --- checkpoints ------------------------------------------------------------------------ */

void watch_keys_save(const struct watch_keys *keys, struct su_buf *into)
{
    const uint64_t head[] = {keys->count, keys->stride, keys->scale_count};
    su_buf_add(into, head, sizeof head);
    for (size_t i = 0; i < keys->count; i++) {
        const uint64_t len = strlen(keys->names[i]);
        su_buf_add(into, &len, sizeof len);
        su_buf_add(into, keys->names[i], len);
        su_buf_add(into, keys->memory + i * keys->stride, keys->stride);
    }
}

static bool take(struct su_str *text, void *into, size_t size)
{
    if (text->len < size)
        return false;
    memcpy(into, text->ptr, size);
    *text = (struct su_str){text->ptr + size, text->len - size};
    return true;
}

static bool load_key(struct watch_keys *keys, struct su_str *text)
{
    uint64_t len;
    if (!take(text, &len, sizeof len) || len > text->len)
        return false;
    const struct su_str name = {text->ptr, len};
    *text = (struct su_str){text->ptr + len, text->len - len};
    if (memchr(name.ptr, 0, len) != NULL || watch_keys_find(keys, name) != SIZE_MAX)
        return false;
    size_t added = append(keys, name);
    if (!take(text, keys->memory + added * keys->stride, keys->stride))
        return false;
    for (size_t i = 0; i < keys->scale_count; i++)
        if (!scale_check(watch_keys_scale(keys, added, i)))
            return false;
    return watch_key_check(&watch_keys_at(keys, added)->machine, sizeof(struct watch_key))
        && detector_check(keys->detector, watch_keys_state(keys, added), detector_state_bytes(keys->detector));
}

bool watch_keys_load(struct watch_keys *keys, struct su_str *text, struct su_err *err)
{
    uint64_t head[3];
    bool is_good = take(text, head, sizeof head) && head[0] <= keys->keys_max && head[1] == keys->stride && head[2] == keys->scale_count;
    for (uint64_t i = 0; is_good && i < head[0]; i++)
        is_good = load_key(keys, text);
    return is_good || su_fail(err, SU_INVALID, "the checkpoint does not fit the watch");
}
