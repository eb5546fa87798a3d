/* Contents of small blobs: see blob_cache.h.  Layer store; any thread. */
#include "blob_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/thread.h"

/* A content has one slot, by its hash; whoever comes last has it. */
struct slot { char sha256[SU_SHA256_HEX]; char *content; size_t len; };
struct blob_cache { struct su_lock lock; struct slot slots[BLOB_CACHE_SLOTS]; };

static struct slot *slot_of(struct blob_cache *cache, const char *sha256)
{
    uint32_t number = 0;
    for (int i = 0; i < 4; i++)
        number = number * 16 + (uint32_t)(sha256[i] <= '9' ? sha256[i] - '0' : sha256[i] - 'a' + 10);
    return &cache->slots[number % BLOB_CACHE_SLOTS];
}

static void slot_clear(struct slot *slot)
{
    free(slot->content);
    *slot = (struct slot){.content = NULL};
}

struct blob_cache *blob_cache_new(void)
{
    struct blob_cache *cache = su_alloc(sizeof *cache);
    su_lock_init(&cache->lock);
    return cache;
}

void blob_cache_free(struct blob_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < BLOB_CACHE_SLOTS; i++)
        slot_clear(&cache->slots[i]);
    su_lock_done(&cache->lock);
    free(cache);
}

char *blob_cache_get(struct blob_cache *cache, const char *sha256, size_t len)
{
    SU_LOCKED(&cache->lock);
    const struct slot *slot = slot_of(cache, sha256);
    if (!slot->content || slot->len != len || strcmp(slot->sha256, sha256) != 0)
        return NULL;
    char *copy = malloc(len + 1);   /* its bytes are all written below: zeroing first would cost as much again */
    su_assert(copy != NULL);
    memcpy(copy, slot->content, len + 1);
    return copy;
}

void blob_cache_put(struct blob_cache *cache, const char *sha256, struct su_str content)
{
    SU_LOCKED(&cache->lock);
    struct slot *slot = slot_of(cache, sha256);
    slot_clear(slot);
    memcpy(slot->sha256, sha256, SU_SHA256_HEX);
    slot->content = su_strndup(content.ptr, content.len);
    slot->len = content.len;
}

void blob_cache_drop(struct blob_cache *cache, const char *sha256)
{
    SU_LOCKED(&cache->lock);
    struct slot *slot = slot_of(cache, sha256);
    if (slot->content && strcmp(slot->sha256, sha256) == 0)
        slot_clear(slot);
}
