/* Answers of closed windows, kept in memory: they never change.  Layer aggregate; any thread.
 *
 * An entry is one question (a stream and everything that shapes its answer) with a
 * run of windows without gaps, each as the text its asker made of it (empty for one
 * without messages).  The question that has not been asked for longest goes first. */
#pragma once
#include "base/str.h"

struct pane_cache;
struct pane_cache *pane_cache_new(uint64_t bytes_max); /* 0: keeps nothing */
void pane_cache_free(struct pane_cache *cache);
/* Appends to ret the texts of windows with starts in [from_us, …) that are kept; *ret_to_us: the first start that is
 * not among them (from_us: none); *ret_count: how many had text. */
void pane_cache_find(struct pane_cache *cache, struct su_str key, int64_t from_us, int64_t to_us, struct su_buf *ret,
                     int64_t *ret_to_us, uint64_t *ret_count);
/* Windows with starts in [from_us, to_us) are known; those with text are added one by one, in order, before. */
struct pane_text {
    int64_t start_us;
    uint64_t rows;
    struct su_str text;
};
void pane_cache_add(struct pane_cache *cache, struct su_str key, int64_t from_us, int64_t to_us,
                    const struct pane_text *texts, size_t count);
