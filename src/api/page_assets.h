/* The page's files, as web/build.mjs puts them into the binary.  Layer api; constant. */
#pragma once
#include <stddef.h>

struct page_asset {
    const char *path;                       /* the address: "/", "/frame", "/assets/name-hash.js"; sorted */
    const char *type, *etag;
    size_t gzip_at, gzip_size, brotli_at, brotli_size;  /* in page_assets_data */
    size_t size;                            /* as it is */
};

extern const struct page_asset page_assets[];
extern const size_t page_assets_count;
extern const unsigned char page_assets_data[];
