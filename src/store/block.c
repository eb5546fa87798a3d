/* Reading blocks: see block.h.  Layer store; pure, but for the frame of bodies that was opened last. */
#include "block_form.h"
#include "base/hash.h"
#include "base/pack.h"
#include <math.h>
#include <stdlib.h>

const double form_powers[FORM_SCALE_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Larger ones are not read: what one thread must hold to open a frame. */
enum { OPENED_MAX = 1 << 30 };

/* --- opening ------------------------------------------------------------- */

size_t block_size(const void *data, size_t size)
{
    struct form_head head;
    if (size < sizeof head)
        return 0;
    memcpy(&head, data, sizeof head);
    return memcmp(head.magic, FORM_MAGIC, sizeof head.magic) == 0 && head.size >= sizeof head ? (size_t)head.size : 0;
}

void block_set_first(void *data, uint64_t first)
{
    uint64_t check = su_hash64(&first, sizeof first);
    memcpy((char *)data + offsetof(struct form_head, first), &first, sizeof first);
    memcpy((char *)data + offsetof(struct form_head, first_check), &check, sizeof check);
}

static bool damaged(struct su_err *err, const char *what)
{
    return su_fail(err, SU_INTERNAL, "a block of columns is damaged: %s", what);
}

static bool open_head(const uint8_t *data, size_t size, struct form_head *head, struct su_err *err)
{
    enum { CHECKED_FROM = offsetof(struct form_head, size) };
    if (size < sizeof *head)
        return damaged(err, "it ends within its head");
    memcpy(head, data, sizeof *head);
    if (memcmp(head->magic, FORM_MAGIC, sizeof head->magic) != 0)
        return damaged(err, "it does not begin like one");
    if (head->prelude_size < sizeof *head || head->prelude_size > size
        || su_hash64(data + CHECKED_FROM, head->prelude_size - CHECKED_FROM) != head->checksum)
        return damaged(err, "the checksum of its head is wrong");
    if (su_hash64(&head->first, sizeof head->first) != head->first_check)
        return damaged(err, "the checksum of its first offset is wrong");
    if (head->size > size)
        return damaged(err, "it ends too early");
    if (head->rows == 0 || head->size < head->prelude_size || head->first > UINT64_MAX - head->rows
        || head->columns > (head->prelude_size - sizeof *head) / sizeof(struct form_entry))
        return damaged(err, "its head is not in order");
    return true;
}

static bool has_part(const struct form_entry *entry, uint32_t at, size_t size) { return at <= entry->size && size <= entry->size - at; }

static bool good_width(uint8_t width) { return width == 0 || width == 1 || width == 2 || width == 4 || width == 8; }

static bool good_frames(const uint8_t *data, const struct form_entry *entry, uint32_t rows)
{
    if (entry->count == 0 || entry->bytes < entry->data || entry->bytes > entry->size)
        return false;
    for (uint32_t i = 0; i < entry->count; i++) {
        struct form_frame frame, next = {.row = rows};
        memcpy(&frame, data + entry->data + i * sizeof frame, sizeof frame);
        if (i + 1 < entry->count)
            memcpy(&next, data + entry->data + (i + 1) * sizeof frame, sizeof next);
        if ((i == 0 && frame.row != 0) || frame.row >= next.row || frame.opened > OPENED_MAX
            || frame.opened / sizeof(uint32_t) < next.row - frame.row || !has_part(entry, entry->bytes, (size_t)frame.at + frame.size))
            return false;
    }
    return true;
}

/* The parts an encoding needs are there and large enough. */
static bool good_parts(const uint8_t *data, const struct form_entry *entry, uint32_t rows)
{
    bool is_text = entry->kind == BLOCK_TEXT || entry->kind == BLOCK_JSON;
    size_t values = (size_t)rows * entry->width, texts = ((size_t)entry->count + 1) * sizeof(uint32_t);
    switch ((enum form_encoding)entry->encoding) {
    case FORM_WHOLE: return !is_text && entry->kind != BLOCK_FLOAT && has_part(entry, entry->data, values);
    case FORM_DECIMAL: return entry->kind == BLOCK_FLOAT && has_part(entry, entry->data, values);
    case FORM_DOUBLE: return entry->kind == BLOCK_FLOAT && entry->width == sizeof(double) && has_part(entry, entry->data, values);
    case FORM_TEXT: return is_text && has_part(entry, entry->offsets, ((size_t)rows + 1) * sizeof(uint32_t)) && entry->bytes <= entry->size;
    case FORM_CODED:
        return is_text && entry->width <= sizeof(uint32_t) && has_part(entry, entry->data, values) && has_part(entry, entry->offsets, texts)
               && entry->bytes <= entry->size;
    case FORM_PACKED:
        return entry->role == BLOCK_BODY && entry->kind == BLOCK_TEXT && has_part(entry, entry->data, entry->count * sizeof(struct form_frame))
               && good_frames(data, entry, rows);
    case FORM_ENCODING_COUNT: break;
    }
    return false;
}

/* Merging relies on what writers keep to: one column at most of each role but fields, without a name, and of the role's kind.
 * `seen` has a bit for each role that an entry before this one has. */
static bool good_role(const struct form_entry *entry, uint32_t seen)
{
    if (entry->role == BLOCK_FIELD)
        return true;
    if (entry->role >= BLOCK_ROLE_COUNT || entry->name_len > 0 || seen >> entry->role & 1)
        return false;
    switch ((enum block_role)entry->role) {
    case BLOCK_TIME:
    case BLOCK_ARRIVAL:
    case BLOCK_FLAG:
    case BLOCK_OFFSET: return entry->kind == BLOCK_INT && !(entry->flags & FORM_HAS_NULLS);
    case BLOCK_KEY:
    case BLOCK_ID:
    case BLOCK_HEADERS: return entry->kind == BLOCK_TEXT;
    case BLOCK_BODY: return entry->kind == BLOCK_TEXT && !(entry->flags & FORM_HAS_NULLS);
    case BLOCK_FIELD:
    case BLOCK_ROLE_COUNT: break;
    }
    return false;
}

static bool open_column(const struct form_head *head, const uint8_t *data, const struct form_entry *entry, uint32_t seen, struct su_err *err)
{
    if (entry->kind < BLOCK_INT || entry->kind > BLOCK_JSON || !good_role(entry, seen) || !good_width(entry->width)
        || entry->scale > FORM_SCALE_MAX)
        return damaged(err, "its directory names a column of no known kind");
    if (entry->name_at > head->prelude_size || entry->name_len > head->prelude_size - entry->name_at)
        return damaged(err, "the name of a column lies outside of it");
    if (entry->at > head->size || entry->size > head->size - entry->at)
        return damaged(err, "a column lies outside of it");
    if ((entry->flags & FORM_HAS_NULLS && !has_part(entry, entry->nulls, ((size_t)head->rows + 7) / 8))
        || !good_parts(data + entry->at, entry, head->rows))
        return damaged(err, "a part of a column lies outside of it");
    size_t checked = entry->encoding == FORM_PACKED ? entry->bytes : entry->size;
    if (checked > 0 && su_hash64(data + entry->at, checked) != entry->checksum)
        return su_fail(err, SU_INTERNAL, "a block of columns is damaged: the checksum of column \"%.*s\" is wrong", (int)entry->name_len,
                       (const char *)data + entry->name_at);
    return true;
}

bool block_open(const void *data, size_t size, struct block *ret, struct su_err *err)
{
    struct form_head head;
    if (!open_head(data, size, &head, err))
        return false;
    size_t columns_size = head.columns * sizeof(struct block_column), entries_size = head.columns * sizeof(struct form_entry);
    struct block_column *columns = su_alloc(columns_size + entries_size + 1);
    struct form_entry *entries = (struct form_entry *)((char *)columns + columns_size);
    memcpy(entries, (const char *)data + sizeof head, entries_size);
    uint32_t seen = 0;
    for (uint32_t i = 0; i < head.columns; i++) {
        if (!open_column(&head, data, &entries[i], seen, err)) {
            free(columns);
            return false;
        }
        seen |= 1u << entries[i].role;
        columns[i] = (struct block_column){.role = (enum block_role)entries[i].role, .kind = (enum block_kind)entries[i].kind,
                                           .name = {(const char *)data + entries[i].name_at, entries[i].name_len},
                                           .has_nulls = entries[i].flags & FORM_HAS_NULLS, .entry = &entries[i],
                                           .block = ret};
    }
    *ret = (struct block){.data = data, .size = (size_t)head.size, .first = head.first, .rows = head.rows, .column_count = head.columns,
                          .min_us = head.min_us, .max_us = head.max_us, .columns = columns};
    return true;
}

/* The frame of bodies that was opened last. */
struct frame_cache {
    uint32_t row, end;                  /* its rows */
    uint32_t next, at;                  /* where the row after the last one read begins */
    uint8_t *opened;
    size_t size, max;
};

void block_done(struct block *block)
{
    if (block == NULL)
        return;
    struct frame_cache *cache = block->unpacked;
    if (cache != NULL)
        free(cache->opened);
    free(cache);
    free(block->columns);
    *block = (struct block){0};
}

/* --- finding ---------------------------------------------------------------- */

const struct block_column *block_role_column(const struct block *block, enum block_role role)
{
    for (uint32_t i = 0; i < block->column_count; i++)
        if (block->columns[i].role == role)
            return &block->columns[i];
    return NULL;
}

const struct block_column *block_field_column(const struct block *block, struct su_str name, enum block_kind kind)
{
    const struct block_column *found = NULL;
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        if (column->role != BLOCK_FIELD || !su_str_equal(column->name, name) || (kind != 0 && column->kind != kind))
            continue;
        if (kind != 0 || (column->kind != BLOCK_BOOL && column->kind != BLOCK_JSON))
            return column;
        if (found == NULL || column->kind == BLOCK_BOOL)
            found = column;
    }
    return found;
}

/* --- values ------------------------------------------------------------------ */

static const struct form_entry *entry_of(const struct block_column *column) { return column->entry; }
static const uint8_t *bytes_of(const struct block_column *column) { return column->block->data + entry_of(column)->at; }

bool block_is_null(const struct block_column *column, uint32_t row)
{
    return column->has_nulls && !(bytes_of(column)[entry_of(column)->nulls + row / 8] >> row % 8 & 1);
}

static uint64_t load(const struct block_column *column, uint32_t row)
{
    const struct form_entry *entry = entry_of(column);
    return form_load(bytes_of(column) + entry->data, entry->width, row);
}

int64_t block_int(const struct block_column *column, uint32_t row)
{
    const struct form_entry *entry = entry_of(column);
    if (entry->encoding != FORM_WHOLE || block_is_null(column, row))
        return 0;
    return (int64_t)((uint64_t)entry->base + entry->step * load(column, row));
}

double block_float(const struct block_column *column, uint32_t row)
{
    const struct form_entry *entry = entry_of(column);
    if (block_is_null(column, row))
        return NAN;
    if (entry->encoding == FORM_WHOLE)
        return (double)block_int(column, row);
    uint64_t bits = load(column, row);
    if (entry->encoding == FORM_DECIMAL)
        return (double)(int64_t)((uint64_t)entry->base + bits) / form_powers[entry->scale];
    double value;
    return entry->encoding == FORM_DOUBLE ? (memcpy(&value, &bits, sizeof value), value) : (double)NAN;
}

static struct su_str text_at(const struct block_column *column, uint32_t at)
{
    const struct form_entry *entry = entry_of(column);
    const uint8_t *data = bytes_of(column);
    uint64_t begin = form_load(data + entry->offsets, 4, at), end = form_load(data + entry->offsets, 4, at + 1);
    if (begin > end || end > entry->size - entry->bytes)
        return (struct su_str){"", 0};
    return (struct su_str){(const char *)data + entry->bytes + begin, end - begin};
}

struct su_str block_text(const struct block_column *column, uint32_t row)
{
    const struct form_entry *entry = entry_of(column);
    if (block_is_null(column, row))
        return (struct su_str){NULL, 0};
    if (entry->encoding == FORM_TEXT)
        return text_at(column, row);
    if (entry->encoding == FORM_CODED)
        return block_dictionary(column, (uint32_t)load(column, row));
    struct su_str body = {"", 0};
    struct su_err err;
    if (entry->encoding == FORM_PACKED)
        block_body((struct block *)column->block, row, &body, &err);
    return body;
}

struct block_value block_value(const struct block_column *column, uint32_t row)
{
    if (block_is_null(column, row))
        return (struct block_value){0};
    struct block_value value = {.kind = column->kind};
    switch (column->kind) {
    case BLOCK_INT:
    case BLOCK_BOOL:
        value.integer = block_int(column, row);
        break;
    case BLOCK_FLOAT:
        value.number = block_float(column, row);
        break;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        value.text = block_text(column, row);
        break;
    }
    return value;
}

uint64_t block_offset(const struct block *block, uint32_t row)
{
    const struct block_column *column = block_role_column(block, BLOCK_OFFSET);
    return column == NULL ? block->first + row : (uint64_t)block_int(column, row);
}

/* --- many at once ---------------------------------------------------------------- */

#define WIDEN(type, expression)                                                                                             \
    for (uint32_t i = 0; i < count; i++) {                                                                                  \
        type u;                                                                                                             \
        memcpy(&u, from + (size_t)i * sizeof u, sizeof u);                                                                  \
        ret[i] = (expression);                                                                                              \
    }
#define WIDEN_ALL(width, constant, expression)                                                                              \
    switch (width) {                                                                                                        \
    case 1: WIDEN(uint8_t, expression) break;                                                                               \
    case 2: WIDEN(uint16_t, expression) break;                                                                              \
    case 4: WIDEN(uint32_t, expression) break;                                                                              \
    case 8: WIDEN(uint64_t, expression) break;                                                                              \
    default:                                                                                                                \
        for (uint32_t i = 0; i < count; i++)                                                                                \
            ret[i] = (constant);                                                                                            \
    }

void block_ints(const struct block_column *column, uint32_t row, uint32_t count, int64_t *ret)
{
    const struct form_entry *entry = entry_of(column);
    const uint64_t base = (uint64_t)entry->base, step = entry->step;
    const uint8_t *from = bytes_of(column) + entry->data + (size_t)row * entry->width;
    if (entry->encoding != FORM_WHOLE) {
        memset(ret, 0, count * sizeof *ret);
        return;
    }
    if (step == 1) {
        WIDEN_ALL(entry->width, (int64_t)base, (int64_t)(base + u))
    } else {
        WIDEN_ALL(entry->width, (int64_t)base, (int64_t)(base + step * u))
    }
    if (column->has_nulls)
        for (uint32_t i = 0; i < count; i++)
            if (block_is_null(column, row + i))
                ret[i] = 0;
}

static void doubles_of(const struct block_column *column, uint32_t row, uint32_t count, double *ret)
{
    const struct form_entry *entry = entry_of(column);
    const uint64_t base = (uint64_t)entry->base, step = entry->step;
    const double power = form_powers[entry->scale];
    const uint8_t *from = bytes_of(column) + entry->data + (size_t)row * entry->width;
    switch ((enum form_encoding)entry->encoding) {
    case FORM_WHOLE:
        WIDEN_ALL(entry->width, (double)(int64_t)base, (double)(int64_t)(base + step * u))
        break;
    case FORM_DECIMAL:
        WIDEN_ALL(entry->width, (double)(int64_t)base / power, (double)(int64_t)(base + u) / power)
        break;
    case FORM_DOUBLE:
        memcpy(ret, from, count * sizeof *ret);
        break;
    case FORM_TEXT:
    case FORM_CODED:
    case FORM_PACKED:
    case FORM_ENCODING_COUNT:
        for (uint32_t i = 0; i < count; i++)
            ret[i] = NAN;
    }
}

void block_floats(const struct block_column *column, uint32_t row, uint32_t count, double *ret)
{
    doubles_of(column, row, count, ret);
    if (column->has_nulls)
        for (uint32_t i = 0; i < count; i++)
            if (block_is_null(column, row + i))
                ret[i] = NAN;
}

uint32_t block_dictionary_count(const struct block_column *column)
{
    return entry_of(column)->encoding == FORM_CODED ? entry_of(column)->count : 0;
}

struct su_str block_dictionary(const struct block_column *column, uint32_t code)
{
    return code < block_dictionary_count(column) ? text_at(column, code) : (struct su_str){"", 0};
}

bool block_codes(const struct block_column *column, uint32_t row, uint32_t count, uint32_t *ret)
{
    const struct form_entry *entry = entry_of(column);
    if (entry->encoding != FORM_CODED || entry->count == 0)
        return false;
    const uint8_t *from = bytes_of(column) + entry->data + (size_t)row * entry->width;
    const uint32_t last = entry->count - 1;
    WIDEN_ALL(entry->width, 0, u > last ? last : (uint32_t)u)
    if (column->has_nulls)
        for (uint32_t i = 0; i < count; i++)
            if (block_is_null(column, row + i))
                ret[i] = UINT32_MAX;
    return true;
}

/* --- bodies ------------------------------------------------------------------------ */

static struct form_frame frame_at(const struct block_column *column, uint32_t index)
{
    struct form_frame frame;
    memcpy(&frame, bytes_of(column) + entry_of(column)->data + index * sizeof frame, sizeof frame);
    return frame;
}

/* The last frame that begins at row or before it. */
static uint32_t find_frame(const struct block_column *column, uint32_t row)
{
    uint32_t low = 0, high = entry_of(column)->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (frame_at(column, middle).row <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool open_frame(struct block *block, const struct block_column *column, uint32_t row, struct frame_cache *cache, struct su_err *err)
{
    const struct form_entry *entry = entry_of(column);
    uint32_t index = find_frame(column, row);
    struct form_frame frame = frame_at(column, index);
    uint32_t end = index + 1 < entry->count ? frame_at(column, index + 1).row : block->rows;
    struct su_str packed = {(const char *)bytes_of(column) + entry->bytes + frame.at, frame.size};
    cache->row = cache->end = 0;
    if (su_hash64(packed.ptr, packed.len) != frame.checksum)
        return su_fail(err, SU_INTERNAL, "the bodies of the messages from %llu to %llu are damaged: their checksum is wrong",
                       (unsigned long long)block_offset(block, frame.row), (unsigned long long)block_offset(block, end - 1));
    if (frame.opened > cache->max) {
        free(cache->opened);
        cache->max = frame.opened;
        cache->opened = su_alloc(cache->max);
    }
    if (!su_unpack_into(packed, cache->opened, frame.opened, err))
        return su_prefix(err, "the bodies of the messages from %llu on", (unsigned long long)block_offset(block, frame.row));
    cache->row = cache->next = frame.row;
    cache->end = end;
    cache->size = frame.opened;
    cache->at = (end - frame.row) * (uint32_t)sizeof(uint32_t);
    return true;
}

static bool packed_body(struct block *block, const struct block_column *column, uint32_t row, struct su_str *ret, struct su_err *err)
{
    if (block->unpacked == NULL)
        block->unpacked = su_alloc(sizeof(struct frame_cache));
    struct frame_cache *cache = block->unpacked;
    if ((row < cache->row || row >= cache->end) && !open_frame(block, column, row, cache, err))
        return false;
    if (row < cache->next) {
        cache->next = cache->row;
        cache->at = (cache->end - cache->row) * (uint32_t)sizeof(uint32_t);
    }
    for (;; cache->next++) {
        size_t len = form_load(cache->opened, 4, cache->next - cache->row);
        if (len > cache->size - cache->at) {
            cache->end = cache->row;
            return damaged(err, "a body is longer than its frame");
        }
        const char *body = (const char *)cache->opened + cache->at;
        cache->at += (uint32_t)len;
        if (cache->next == row) {
            cache->next++;
            *ret = (struct su_str){body, len};
            return true;
        }
    }
}

bool block_body(struct block *block, uint32_t row, struct su_str *ret, struct su_err *err)
{
    const struct block_column *column = block_role_column(block, BLOCK_BODY);
    *ret = (struct su_str){"", 0};
    if (column == NULL)
        return true;
    if (entry_of(column)->encoding == FORM_PACKED)
        return packed_body(block, column, row, ret, err);
    *ret = block_text(column, row);
    return true;
}
