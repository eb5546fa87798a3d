/* Answers of closed windows, kept: see pane_cache.h.  Layer aggregate; any thread. */
#include "pane_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"

enum { ENTRIES_MAX = 256 };

struct kept {
    int64_t start_us;
    uint64_t rows;
    char *text;
    size_t len;
};
struct entry {
    char *key;
    size_t key_len;
    int64_t from_us, to_us; /* starts in here are known */
    struct kept *items;     /* by start */
    size_t count, capacity;
    uint64_t bytes, used; /* used: when it was asked for, by a counter */
};
struct pane_cache {
    struct su_lock lock;
    uint64_t bytes_max, bytes, clock;
    struct entry entries[ENTRIES_MAX];
    size_t count;
};

struct pane_cache *pane_cache_new(uint64_t bytes_max)
{
    struct pane_cache *cache = su_alloc(sizeof *cache);
    cache->bytes_max = bytes_max;
    su_lock_init(&cache->lock);
    return cache;
}

static void empty(struct pane_cache *cache, struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        free(entry->items[i].text);
    free(entry->items);
    cache->bytes -= entry->bytes;
    entry->items = NULL;
    entry->count = entry->capacity = 0;
    entry->bytes = 0;
}

static void drop(struct pane_cache *cache, size_t at)
{
    empty(cache, &cache->entries[at]);
    free(cache->entries[at].key);
    cache->entries[at] = cache->entries[--cache->count];
}

void pane_cache_free(struct pane_cache *cache)
{
    if (!cache)
        return;
    while (cache->count)
        drop(cache, cache->count - 1);
    su_lock_done(&cache->lock);
    free(cache);
}

static struct entry *find(struct pane_cache *cache, struct su_str key)
{
    for (size_t i = 0; i < cache->count; i++)
        if (su_str_equal((struct su_str){cache->entries[i].key, cache->entries[i].key_len}, key)) {
            cache->entries[i].used = ++cache->clock;
            return &cache->entries[i];
        }
    return NULL;
}

void pane_cache_find(struct pane_cache *cache, struct su_str key, int64_t from_us, int64_t to_us, struct su_buf *ret,
                     int64_t *ret_to_us, uint64_t *ret_count)
{
    SU_LOCKED(&cache->lock);
    struct entry *entry = find(cache, key);
    *ret_to_us = from_us;
    *ret_count = 0;
    if (!entry || from_us < entry->from_us || from_us >= entry->to_us)
        return;
    *ret_to_us = to_us < entry->to_us ? to_us : entry->to_us;
    for (size_t i = 0; i < entry->count && entry->items[i].start_us < *ret_to_us; i++)
        if (entry->items[i].start_us >= from_us) {
            su_buf_add(ret, entry->items[i].text, entry->items[i].len);
            *ret_count += entry->items[i].rows;
        }
}

static void drop_oldest(struct pane_cache *cache, const struct entry *but)
{
    size_t oldest = cache->count;
    for (size_t i = 0; i < cache->count; i++)
        if (&cache->entries[i] != but &&
            (oldest == cache->count || cache->entries[i].used < cache->entries[oldest].used))
            oldest = i;
    if (oldest < cache->count)
        drop(cache, oldest);
}

static struct entry *entry_for(struct pane_cache *cache, struct su_str key, int64_t from_us)
{
    struct entry *entry = find(cache, key);
    if (entry && entry->to_us != from_us) {
        empty(cache, entry); /* not what comes next: begin anew */
        entry->from_us = from_us;
    }
    if (entry)
        return entry;
    if (cache->count == ENTRIES_MAX)
        drop_oldest(cache, NULL);
    entry = &cache->entries[cache->count++];
    *entry = (struct entry){
        .key = su_strndup(key.ptr, key.len), .key_len = key.len, .from_us = from_us, .used = ++cache->clock};
    return entry;
}

void pane_cache_add(struct pane_cache *cache, struct su_str key, int64_t from_us, int64_t to_us,
                    const struct pane_text *texts, size_t count)
{
    SU_LOCKED(&cache->lock);
    uint64_t more = 0;
    for (size_t i = 0; i < count; i++)
        more += texts[i].text.len + sizeof(struct kept);
    if (more > cache->bytes_max / 4 || from_us >= to_us)
        return;
    struct entry *entry = entry_for(cache, key, from_us);
    if (entry->bytes + more > cache->bytes_max / 2) {
        empty(cache, entry);
        entry->from_us = from_us;
    }
    for (size_t i = 0; i < count; i++) {
        if (entry->count == entry->capacity) {
            entry->capacity = entry->capacity ? 2 * entry->capacity : 16;
            entry->items = su_realloc(entry->items, entry->capacity * sizeof *entry->items);
        }
        entry->items[entry->count++] = (struct kept){
            texts[i].start_us, texts[i].rows, su_strndup(texts[i].text.ptr, texts[i].text.len), texts[i].text.len};
    }
    entry->to_us = to_us;
    entry->bytes += more;
    cache->bytes += more;
    while (cache->bytes > cache->bytes_max && cache->count > 1) {
        int64_t used = (int64_t)entry->used;
        drop_oldest(cache, entry);
        for (size_t i = 0; i < cache->count; i++)
            if ((int64_t)cache->entries[i].used == used)
                entry = &cache->entries[i];
    }
}
