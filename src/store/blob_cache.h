/* Contents of small blobs that were read lately.  Layer store, private to it; any thread.
 *
 * A blob never changes, so nothing can be stale; what is removed is dropped all
 * the same, because deleted means deleted.  At most BLOB_CACHE_SLOTS times
 * BLOB_SMALL_MAX bytes. */
#pragma once
#include "base/str.h"

enum { BLOB_CACHE_SLOTS = 128 };

struct blob_cache;
struct blob_cache *blob_cache_new(void);
void blob_cache_free(struct blob_cache *cache);
/* A copy, freed by the caller; NULL when it is not there. */
char *blob_cache_get(struct blob_cache *cache, const char *sha256, size_t len);
void blob_cache_put(struct blob_cache *cache, const char *sha256, struct su_str content);
void blob_cache_drop(struct blob_cache *cache, const char *sha256);
