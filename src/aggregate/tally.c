/* How often each text occurs: see tally.h.  Layer aggregate; pure. */
#include "tally.h"
#include <stdlib.h>

enum { SLOTS_FIRST = 64, TEXT_FIRST = 1024 };

void tally_init(struct tally *tally, size_t slots_max, size_t text_max)
{
    su_assert(slots_max >= SLOTS_FIRST && (slots_max & (slots_max - 1)) == 0);
    *tally = (struct tally){.slots = su_alloc(SLOTS_FIRST * sizeof *tally->slots), .mask = SLOTS_FIRST - 1, .slots_max = slots_max,
                            .text_max = text_max};
}

void tally_done(struct tally *tally)
{
    free(tally->slots);
    free(tally->texts);
    *tally = (struct tally){0};
}

/* Into `size` slots, entries in their new places. */
static void resize(struct tally *tally, size_t size)
{
    struct tally old = *tally;
    tally->slots = su_alloc(size * sizeof *tally->slots);
    tally->mask = size - 1;
    for (size_t i = 0; i <= old.mask; i++)
        if (old.slots[i].hash != 0)
            *tally_find(tally, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

static bool is_full(const struct tally *tally)
{
    return tally->used * 4 >= (tally->mask + 1) * 3;
}

static bool make_text_room(struct tally *tally, size_t len)
{
    size_t needed = tally->text_len + len;
    if (needed > tally->text_max)
        return false;
    if (needed > tally->text_capacity) {
        size_t capacity = tally->text_capacity ? tally->text_capacity : TEXT_FIRST;
        while (capacity < needed)
            capacity *= 2;
        tally->texts = su_realloc(tally->texts, capacity);
        tally->text_capacity = capacity;
    }
    return true;
}

struct tally_entry *tally_insert(struct tally *tally, uint64_t hash, const char *text, size_t len, struct value value)
{
    size_t kept = value_cut(text, len, TALLY_TEXT_MAX);
    if ((is_full(tally) && tally->mask + 1 >= tally->slots_max) || !make_text_room(tally, kept))
        return NULL;
    if (is_full(tally))
        resize(tally, (tally->mask + 1) * 2);
    struct tally_entry *entry = tally_find(tally, hash);
    su_assert(entry->hash == 0);
    *entry = (struct tally_entry){.hash = hash, .integer = value.integer, .text = (uint32_t)tally->text_len, .text_len = (uint16_t)kept,
                                  .class = (uint8_t)value.class, .is_cut = kept < len};
    if (kept > 0)
        memcpy(tally->texts + tally->text_len, text, kept);
    tally->text_len += kept;
    tally->used++;
    return entry;
}

/* --- lossy ------------------------------------------------------------ */

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median_count(const struct tally *tally)
{
    SU_AUTO_FREE uint64_t *counts = su_alloc(tally->used * sizeof *counts);
    size_t n = 0, ones = 0;
    for (size_t i = 0; i <= tally->mask; i++)
        if (tally->slots[i].hash != 0) {
            counts[n++] = tally->slots[i].count;
            ones += tally->slots[i].count <= 1;
        }
    if (ones * 2 > n)
        return 1;
    qsort(counts, n, sizeof *counts, compare_counts);
    return counts[n / 2];
}

/* Take `off` from every count into a table of `size` slots; only what stays keeps its text. */
static void thin_into(struct tally *tally, uint64_t off, size_t size)
{
    struct tally old = *tally;
    tally->slots = su_alloc(size * sizeof *tally->slots);
    tally->mask = size - 1;
    tally->texts = su_alloc(old.text_capacity > 0 ? old.text_capacity : 1);
    tally->used = tally->text_len = 0;
    tally->error += off;
    for (size_t i = 0; i <= old.mask; i++) {
        const struct tally_entry *from = &old.slots[i];
        if (from->hash == 0 || from->count <= off)
            continue;
        struct tally_entry *to = tally_find(tally, from->hash);
        *to = *from;
        to->count -= off;
        to->text = (uint32_t)tally->text_len;
        memcpy(tally->texts + tally->text_len, old.texts + from->text, from->text_len);
        tally->text_len += from->text_len;
        tally->used++;
    }
    free(old.slots);
    free(old.texts);
}

void tally_thin(struct tally *tally)
{
    thin_into(tally, median_count(tally), tally->mask + 1);
}

void tally_lossy(struct tally *tally, size_t slots_max)
{
    tally->is_lossy = true;
    tally->slots_max = slots_max;
    do
        thin_into(tally, median_count(tally), tally->mask + 1);
    while (tally->used * 2 > slots_max);
    resize(tally, slots_max);
}
