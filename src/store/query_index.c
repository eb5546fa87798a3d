/* Joins: the rows of a table by the hash of a column's value, made when a join asks a second time.  Layer store.
 *
 * Values that SQLite may find equal (5, 5.0 and '5') hash alike; it compares them
 * again itself.  Memory: 8 bytes a row and 4 a bucket, counted by SQLite. */
#include "query_private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct spot {
    uint32_t piece, row;
};
struct query_index {
    const struct query_scan *scan;
    struct spot *spots; /* from 1 */
    uint32_t *next, *buckets;
    uint32_t count, capacity, mask;
};

void query_index_free(struct query_index *index)
{
    if (!index)
        return;
    sqlite3_free(index->spots);
    sqlite3_free(index->next);
    sqlite3_free(index->buckets);
    free(index);
}

static uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 29;
}

static uint64_t number_hash(double number)
{
    uint64_t bits;
    number = number == 0 ? 0 : number; /* -0 equals 0 */
    memcpy(&bits, &number, sizeof bits);
    return mix(bits);
}

static bool as_number(struct su_str text, double *ret)
{
    char copy[64], *end;
    text = su_str_trim(text);
    if (text.len == 0 || text.len >= sizeof copy || !strchr("+-.0123456789", text.ptr[0]))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret = strtod(copy, &end);
    return *end == '\0';
}

static uint64_t value_hash(const struct block_value *value)
{
    double number;
    if (value->kind == BLOCK_INT)
        return number_hash((double)value->integer);
    if (value->kind == BLOCK_FLOAT)
        return number_hash(value->number);
    if (as_number(value->text, &number))
        return number_hash(number);
    uint64_t hash = value->text.len;
    for (size_t i = 0; i < value->text.len; i++)
        hash = (hash ^ (unsigned char)value->text.ptr[i]) * 0x100000001b3u;
    return mix(hash);
}

static bool has_room(struct query_index *index)
{
    if (index->count + 1 < index->capacity)
        return true;
    uint64_t capacity = index->capacity ? 2ull * index->capacity : 4096;
    struct spot *spots = sqlite3_realloc64(index->spots, capacity * sizeof *spots);
    if (spots)
        index->spots = spots;
    uint32_t *next = sqlite3_realloc64(index->next, capacity * sizeof *next);
    if (next)
        index->next = next;
    if (!spots || !next || capacity > UINT32_MAX / 2)
        return false;
    index->capacity = (uint32_t)capacity;
    return true;
}

/* `next` holds the hash until the buckets are there. */
static bool collect(struct query_index *index, struct relation *relation, int column, struct query_scan *scan)
{
    bool has_failed = false;
    const struct query_piece *piece;
    for (size_t at = 0; (piece = scan_piece(relation, scan, at, &has_failed)); at++)
        for (uint32_t row = piece->from; row < piece->to; row++) {
            char scratch[QUERY_SCRATCH];
            bool is_lasting;
            if (!query_row_counts(relation, piece->block, row))
                continue;
            struct block_value value = relation_value(relation, column, piece->block, row, scratch, &is_lasting);
            if (!value.kind)
                continue;
            if (!has_room(index) || (index->count % 65536 == 0 && query_is_late(relation->query)))
                return false;
            index->spots[++index->count] = (struct spot){(uint32_t)at, row};
            index->next[index->count] = (uint32_t)value_hash(&value);
        }
    return !has_failed;
}

/* From the last row to the first, so that chains run in order. */
static bool link_up(struct query_index *index)
{
    uint32_t size = 16;
    while (size < index->count && size < 1u << 30)
        size *= 2;
    index->buckets = sqlite3_malloc64((uint64_t)size * sizeof *index->buckets);
    if (!index->buckets)
        return false;
    memset(index->buckets, 0, (size_t)size * sizeof *index->buckets);
    index->mask = size - 1;
    for (uint32_t at = index->count; at > 0; at--) {
        uint32_t *bucket = &index->buckets[index->next[at] & index->mask];
        index->next[at] = *bucket;
        *bucket = at;
    }
    return true;
}

struct query_index *query_index_new(struct relation *relation, int column, bool *ret_failed)
{
    struct su_err err;
    const struct query_bounds all = {0, UINT64_MAX, INT64_MIN, INT64_MAX};
    struct query_scan *scan = relation_scan(relation, &all, &err);
    *ret_failed = !scan;
    if (!scan) {
        query_failed(relation->query, &err);
        return NULL;
    }
    struct query_index *index = su_alloc(sizeof *index);
    index->scan = scan;
    if (collect(index, relation, column, scan) && link_up(index))
        return index;
    *ret_failed = true;
    query_index_free(index);
    if (!relation->query->has_failed) {
        su_fail(&err, SU_LIMIT, "the join needs more memory than there is");
        query_failed(relation->query, &err);
    }
    return NULL;
}

static uint32_t found(const struct query_index *index, uint32_t at) { return at <= index->count ? at : 0; }

uint32_t query_index_first(const struct query_index *index, const struct block_value *value)
{
    return value->kind ? found(index, index->buckets[(uint32_t)value_hash(value) & index->mask]) : 0;
}

uint32_t query_index_next(const struct query_index *index, uint32_t at, struct query_piece *ret)
{
    const struct query_piece *piece = &index->scan->pieces[index->spots[at].piece];
    *ret = (struct query_piece){piece->block, index->spots[at].row, index->spots[at].row + 1};
    return found(index, index->next[at]);
}
