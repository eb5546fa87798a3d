/* Encoding a block: every column as narrow as it goes without losing a bit.  Layer store; pure.  See block_form.h. */
#include "block_form.h"
#include "base/hash.h"
#include "base/pack.h"
#include <math.h>
#include <stdlib.h>

enum { FRAME_SIZE = 256 * 1024, FRAME_LEVEL = 1, ALIGNED_FROM = 512 };

/* One column on its way out: its entry and where its bytes began in the buffer. */
struct encoder {
    const struct block_draft *draft;
    uint32_t rows;
    struct form_entry *entry;
    struct su_buf *out;
    size_t begin, block;                /* in out */
    int64_t *scratch;                   /* a number a row; kept between columns */
};

/* Zeros up to the next part: parts that are large begin at 64 bytes, others at 8. */
static void pad(struct su_buf *out, size_t origin, size_t to)
{
    static const char zeros[64];
    size_t past = (out->len + to - origin % to) % to;
    if (past != 0)
        su_buf_add(out, zeros, to - past);
}

static uint32_t begin_part(struct encoder *encoder, size_t size)
{
    pad(encoder->out, encoder->block, size >= ALIGNED_FROM ? 64 : 8);
    if (encoder->begin == SIZE_MAX)
        encoder->begin = encoder->out->len;
    return (uint32_t)(encoder->out->len - encoder->begin);
}

static uint8_t width_of(uint64_t largest)
{
    return largest == 0 ? 0 : largest <= UINT8_MAX ? 1 : largest <= UINT16_MAX ? 2 : largest <= UINT32_MAX ? 4 : 8;
}

/* --- nulls ------------------------------------------------------------------ */

static bool has_nulls(const struct encoder *encoder)
{
    const struct block_draft *draft = encoder->draft;
    if (draft->count < encoder->rows)
        return true;
    if (draft->valid == NULL)
        return false;
    for (uint32_t word = 0; word < encoder->rows / 64; word++)
        if (draft->valid[word] != UINT64_MAX)
            return true;
    for (uint32_t row = encoder->rows / 64 * 64; row < encoder->rows; row++)
        if (!draft_has(draft, row))
            return true;
    return false;
}

static void write_nulls(struct encoder *encoder)
{
    size_t size = ((size_t)encoder->rows + 7) / 8;
    encoder->entry->flags |= FORM_HAS_NULLS;
    encoder->entry->nulls = begin_part(encoder, size);
    uint8_t *bits = (uint8_t *)su_buf_room(encoder->out, size);
    if (bits == NULL)
        return;
    memset(bits, 0, size);
    for (uint32_t row = 0; row < encoder->draft->count; row++)
        if (draft_has(encoder->draft, row))
            bits[row / 8] |= (uint8_t)(1u << row % 8);
    su_buf_grew(encoder->out, size);
}

/* --- numbers ----------------------------------------------------------------- */

#define NARROW(type, expression)                                                                                            \
    for (uint32_t row = 0; row < count; row++) {                                                                            \
        uint64_t difference = (uint64_t)values[row] - (uint64_t)base;                                                       \
        type value = (type)(expression);                                                                                    \
        memcpy(to + (size_t)row * sizeof value, &value, sizeof value);                                                      \
    }
#define NARROW_BY_STEP(type)                                                                                                \
    if (step == 1) {                                                                                                        \
        NARROW(type, difference)                                                                                            \
    } else {                                                                                                                \
        NARROW(type, difference / step)                                                                                     \
    }

/* values - base, divided by step, of count rows; the rows after them are null: zeros. */
static void write_narrow(struct encoder *encoder, const int64_t *values, uint32_t count, int64_t base, uint64_t step, uint8_t width)
{
    size_t size = (size_t)encoder->rows * width;
    encoder->entry->width = width;
    if (width == 0)
        return;
    encoder->entry->data = begin_part(encoder, size);
    char *to = su_buf_room(encoder->out, size);
    if (to == NULL)
        return;
    if (width == 1) {
        NARROW_BY_STEP(uint8_t)
    } else if (width == 2) {
        NARROW_BY_STEP(uint16_t)
    } else if (width == 4) {
        NARROW_BY_STEP(uint32_t)
    } else {
        NARROW_BY_STEP(uint64_t)
    }
    memset(to + (size_t)count * width, 0, size - (size_t)count * width);
    su_buf_grew(encoder->out, size);
}

struct span { int64_t min, max; bool is_any; };

static struct span span_of(const struct block_draft *draft, const int64_t *values)
{
    struct span span = {INT64_MAX, INT64_MIN, false};
    for (uint32_t row = 0; row < draft->count; row++) {
        if (draft->valid != NULL && !draft_has(draft, row))
            continue;
        span.min = values[row] < span.min ? values[row] : span.min;
        span.max = values[row] > span.max ? values[row] : span.max;
        span.is_any = true;
    }
    return span.is_any ? span : (struct span){0};
}

/* Whole numbers with nulls read as the base, so that what is stored for them is 0. */
static const int64_t *fill_nulls(struct encoder *encoder, const int64_t *values, int64_t base)
{
    const struct block_draft *draft = encoder->draft;
    if (draft->valid == NULL)
        return values;
    for (uint32_t row = 0; row < draft->count; row++)
        encoder->scratch[row] = draft_has(draft, row) ? values[row] : base;
    return encoder->scratch;
}

/* Times mostly come in whole milliseconds or seconds. */
static uint64_t step_of(const struct block_draft *draft, const int64_t *values, struct span span)
{
    if (draft->role != BLOCK_TIME && draft->role != BLOCK_ARRIVAL)
        return 1;
    for (uint64_t step = 1000000; step > 1; step /= 1000) {
        uint32_t row = 0;
        while (row < draft->count && ((uint64_t)values[row] - (uint64_t)span.min) % step == 0)
            row++;
        if (row == draft->count)
            return step;
    }
    return 1;
}

static void write_whole(struct encoder *encoder)
{
    const struct block_draft *draft = encoder->draft;
    struct span span = span_of(draft, draft->ints);
    const int64_t *values = fill_nulls(encoder, draft->ints, span.min);
    uint64_t step = step_of(draft, values, span);
    *encoder->entry = (struct form_entry){.encoding = FORM_WHOLE, .base = span.min, .step = step, .flags = encoder->entry->flags,
                                          .nulls = encoder->entry->nulls};
    write_narrow(encoder, values, draft->count, span.min, step, width_of(((uint64_t)span.max - (uint64_t)span.min) / step));
}

static inline bool is_decimal(double value, int scale, int64_t *ret)
{
    const double magic = 0x1.8p52;      /* adding it rounds to whole numbers, for those below 2^51 */
    double product = value * form_powers[scale], scaled = (product + magic) - magic;
    if (!(fabs(product) < 0x1p51) || scaled / form_powers[scale] != value || (scaled == 0 && signbit(value)))
        return false;
    *ret = (int64_t)scaled;
    return true;
}

/* The smallest scale at which all are whole, into encoder->scratch.  A number that is whole at one scale is whole at each
 * larger one (the quotients are correctly rounded, of the same rational number), while it is small enough. */
static bool to_decimals(struct encoder *encoder, int *ret_scale)
{
    enum { SCALE_TRIED = 12 };
    const struct block_draft *draft = encoder->draft;
    int scale = 0;
    uint32_t since = 0;                 /* rows before it were written with a smaller scale */
    for (uint32_t row = 0; row < draft->count; row++) {
        encoder->scratch[row] = 0;
        if (draft->valid != NULL && !draft_has(draft, row))
            continue;
        while (!is_decimal(draft->numbers[row], scale, &encoder->scratch[row])) {
            if (++scale > SCALE_TRIED || !(fabs(draft->numbers[row]) < 0x1p51))
                return false;
            since = row;
        }
    }
    for (uint32_t row = 0; row < since; row++)
        if ((draft->valid == NULL || draft_has(draft, row)) && !is_decimal(draft->numbers[row], scale, &encoder->scratch[row]))
            return false;
    *ret_scale = scale;
    return true;
}

static void write_doubles(struct encoder *encoder)
{
    const struct block_draft *draft = encoder->draft;
    size_t size = (size_t)encoder->rows * sizeof(double);
    encoder->entry->encoding = FORM_DOUBLE;
    encoder->entry->width = sizeof(double);
    encoder->entry->data = begin_part(encoder, size);
    char *to = su_buf_room(encoder->out, size);
    if (to == NULL)
        return;
    for (uint32_t row = 0; row < encoder->rows; row++) {
        double value = draft_has(draft, row) ? draft->numbers[row] : NAN;
        memcpy(to + (size_t)row * sizeof value, &value, sizeof value);
    }
    su_buf_grew(encoder->out, size);
}

static void write_float(struct encoder *encoder)
{
    int scale;
    if (!to_decimals(encoder, &scale)) {
        write_doubles(encoder);
        return;
    }
    struct span span = span_of(encoder->draft, encoder->scratch);
    uint8_t width = width_of((uint64_t)span.max - (uint64_t)span.min);
    if (width == 8) {
        write_doubles(encoder);
        return;
    }
    fill_nulls(encoder, encoder->scratch, span.min);
    encoder->entry->encoding = FORM_DECIMAL;
    encoder->entry->scale = (uint32_t)scale;
    encoder->entry->base = span.min;
    encoder->entry->step = 1;
    write_narrow(encoder, encoder->scratch, encoder->draft->count, span.min, 1, width);
}

/* --- texts --------------------------------------------------------------------- */

static size_t plain_bytes(const struct encoder *encoder)
{
    const struct block_draft *draft = encoder->draft;
    size_t bytes = 0;
    for (uint32_t row = 0; row < draft->count; row++)
        if (draft->valid == NULL || draft_has(draft, row)) {
            uint32_t entry = draft->codes ? draft->codes[row] : row;
            bytes += draft->offsets[entry + 1] - draft->offsets[entry];
        }
    return bytes;
}

static void write_plain(struct encoder *encoder, size_t bytes)
{
    const struct block_draft *draft = encoder->draft;
    size_t size = ((size_t)encoder->rows + 1) * sizeof(uint32_t);
    encoder->entry->encoding = FORM_TEXT;
    encoder->entry->offsets = begin_part(encoder, size);
    char *offsets = su_buf_room(encoder->out, size + 64 + bytes);
    if (offsets == NULL)
        return;
    su_buf_grew(encoder->out, size);
    encoder->entry->bytes = begin_part(encoder, bytes);
    char *to = encoder->out->ptr + encoder->out->len;
    uint32_t at = 0;
    offsets = encoder->out->ptr + encoder->begin + encoder->entry->offsets;
    for (uint32_t row = 0; row < encoder->rows; row++) {
        memcpy(offsets + (size_t)row * sizeof at, &at, sizeof at);
        if (!draft_has(draft, row))
            continue;
        uint32_t entry = draft->codes ? draft->codes[row] : row, len = draft->offsets[entry + 1] - draft->offsets[entry];
        memcpy(to + at, draft->bytes + draft->offsets[entry], len);
        at += len;
    }
    memcpy(offsets + (size_t)encoder->rows * sizeof at, &at, sizeof at);
    su_buf_grew(encoder->out, bytes);
}

static void write_coded(struct encoder *encoder, uint8_t width)
{
    const struct block_draft *draft = encoder->draft;
    size_t size = ((size_t)draft->entries + 1) * sizeof(uint32_t), bytes = draft->offsets[draft->entries];
    encoder->entry->encoding = FORM_CODED;
    encoder->entry->count = draft->entries;
    for (uint32_t row = 0; row < draft->count; row++)
        encoder->scratch[row] = draft->valid == NULL || draft_has(draft, row) ? draft->codes[row] : 0;
    write_narrow(encoder, encoder->scratch, draft->count, 0, 1, width);
    encoder->entry->offsets = begin_part(encoder, size);
    su_buf_add(encoder->out, draft->offsets, size);
    encoder->entry->bytes = begin_part(encoder, bytes);
    su_buf_add(encoder->out, draft->bytes, bytes);
}

static void write_text(struct encoder *encoder)
{
    const struct block_draft *draft = encoder->draft;
    size_t bytes = plain_bytes(encoder);
    if (draft->codes != NULL && draft->entries > 0) {
        uint8_t width = width_of(draft->entries - 1);
        size_t coded = (size_t)encoder->rows * width + ((size_t)draft->entries + 1) * sizeof(uint32_t) + draft->offsets[draft->entries];
        if (coded < bytes + ((size_t)encoder->rows + 1) * sizeof(uint32_t)) {
            write_coded(encoder, width);
            return;
        }
    }
    write_plain(encoder, bytes);
}

/* --- bodies, packed --------------------------------------------------------------- */

static uint32_t body_length(const struct block_draft *draft, uint32_t row)
{
    return row < draft->count ? draft->offsets[row + 1] - draft->offsets[row] : 0;
}

/* The frame that begins at row: its end. */
static uint32_t frame_end(const struct block_draft *draft, uint32_t row, uint32_t rows, size_t *ret_opened)
{
    size_t opened = 0;
    uint32_t end = row;
    do
        opened += sizeof(uint32_t) + body_length(draft, end++);
    while (end < rows && opened + sizeof(uint32_t) + body_length(draft, end) <= FRAME_SIZE);
    *ret_opened = opened;
    return end;
}

static void open_frame(const struct block_draft *draft, uint32_t row, uint32_t end, struct su_buf *ret)
{
    su_buf_clear(ret);
    for (uint32_t i = row; i < end; i++) {
        uint32_t len = body_length(draft, i);
        su_buf_add(ret, &len, sizeof len);
    }
    if (row < draft->count) {
        uint32_t last = end < draft->count ? end : draft->count;
        su_buf_add(ret, draft->bytes + draft->offsets[row], draft->offsets[last] - draft->offsets[row]);
    }
}

/* Room for the index of `count` frames, and the beginning of the frames.  False: the block is too large. */
static bool begin_frames(struct encoder *encoder, uint32_t count, size_t *ret_index_at, size_t *ret_bytes_at)
{
    size_t index = count * sizeof(struct form_frame);
    encoder->entry->encoding = FORM_PACKED;
    encoder->entry->count = count;
    encoder->entry->data = begin_part(encoder, index);
    *ret_index_at = encoder->out->len;
    if (su_buf_room(encoder->out, index) == NULL)
        return false;
    su_buf_grew(encoder->out, index);
    encoder->entry->bytes = begin_part(encoder, SIZE_MAX);
    *ret_bytes_at = encoder->out->len;
    return true;
}

static bool copy_packed(struct encoder *encoder, struct su_err *err)
{
    const struct block_draft *draft = encoder->draft;
    uint32_t count = 0, row = 0;
    size_t index_at, bytes_at;
    for (size_t i = 0; i < draft->packed_count; i++)
        count += form_packed(draft->packed[i])->count;
    if (!begin_frames(encoder, count, &index_at, &bytes_at))
        return true;
    for (size_t i = 0; i < draft->packed_count; i++) {
        const struct form_entry *entry = form_packed(draft->packed[i]);
        const uint8_t *column = draft->packed[i]->data + entry->at;
        for (uint32_t f = 0; f < entry->count; f++, index_at += sizeof(struct form_frame)) {
            struct form_frame frame;
            memcpy(&frame, column + entry->data + f * sizeof frame, sizeof frame);
            const uint8_t *packed = column + entry->bytes + frame.at;
            if (su_hash64(packed, frame.size) != frame.checksum)
                return su_fail(err, SU_INTERNAL, "the bodies of the messages from %llu on are damaged",
                               (unsigned long long)block_offset(draft->packed[i], frame.row));
            frame.at = (uint32_t)(encoder->out->len - bytes_at);
            frame.row += row;
            su_buf_add(encoder->out, packed, frame.size);
            if (encoder->out->failed)
                return true;
            memcpy(encoder->out->ptr + index_at, &frame, sizeof frame);
        }
        row += draft->packed[i]->rows;
    }
    return true;
}

static bool write_packed(struct encoder *encoder, struct su_err *err)
{
    const struct block_draft *draft = encoder->draft;
    size_t opened, index_at, bytes_at;
    uint32_t count = 0;
    if (draft->packed != NULL)
        return copy_packed(encoder, err);
    for (uint32_t row = 0; row < encoder->rows; count++)
        row = frame_end(draft, row, encoder->rows, &opened);
    if (!begin_frames(encoder, count, &index_at, &bytes_at))
        return true;
    SU_AUTO_BUF struct su_buf plain = SU_BUF(SIZE_MAX / 2);
    for (uint32_t row = 0, i = 0; row < encoder->rows; i++) {
        uint32_t end = frame_end(draft, row, encoder->rows, &opened);
        size_t at = encoder->out->len;
        open_frame(draft, row, end, &plain);
        if (!su_pack(su_buf_str(&plain), FRAME_LEVEL, encoder->out, err))
            return false;
        struct form_frame frame = {su_hash64(encoder->out->ptr + at, encoder->out->len - at), (uint32_t)(at - bytes_at),
                                   (uint32_t)(encoder->out->len - at), (uint32_t)opened, row};
        memcpy(encoder->out->ptr + index_at + i * sizeof frame, &frame, sizeof frame);
        row = end;
    }
    return true;
}

/* --- the whole --------------------------------------------------------------------- */

/* What of a column its own checksum covers: frames have theirs. */
static size_t checked_size(const struct form_entry *entry)
{
    return entry->encoding == FORM_PACKED ? entry->bytes : entry->size;
}

static bool write_column(struct encoder *encoder, struct su_err *err)
{
    const struct block_draft *draft = encoder->draft;
    struct form_entry *entry = encoder->entry;
    encoder->begin = SIZE_MAX;
    if (draft->role != BLOCK_BODY && has_nulls(encoder))
        write_nulls(encoder);
    if (draft->is_packed) {
        if (!write_packed(encoder, err))
            return false;
    } else if (draft->kind == BLOCK_INT || draft->kind == BLOCK_BOOL) {
        write_whole(encoder);
    } else if (draft->kind == BLOCK_FLOAT) {
        write_float(encoder);
    } else {
        write_text(encoder);
    }
    if (encoder->out->failed)
        return su_fail(err, SU_LIMIT, "a block of %u messages is larger than the %zu bytes allowed", encoder->rows, encoder->out->max);
    if (encoder->begin != SIZE_MAX) {
        entry->at = encoder->begin - encoder->block;
        entry->size = encoder->out->len - encoder->begin;
        if (entry->size > UINT32_MAX)
            return su_fail(err, SU_LIMIT, "a column of one block would have %zu bytes; use blocks of fewer messages", (size_t)entry->size);
        entry->checksum = su_hash64(encoder->out->ptr + encoder->begin, checked_size(entry));
    }
    entry->role = (uint8_t)draft->role;
    entry->kind = (uint8_t)draft->kind;
    return true;
}

/* Room for head, directory and names; fills the names in. */
static size_t write_prelude(const struct block_draft *drafts, size_t count, struct form_entry *entries, struct su_buf *ret)
{
    size_t size = sizeof(struct form_head) + count * sizeof *entries, at = size;
    for (size_t i = 0; i < count; i++)
        size += drafts[i].name.len;
    size = (size + 7) / 8 * 8;
    char *prelude = su_buf_room(ret, size);
    if (prelude == NULL)
        return 0;
    memset(prelude, 0, size);
    for (size_t i = 0; i < count; i++) {
        entries[i].name_at = (uint32_t)at;
        entries[i].name_len = (uint32_t)drafts[i].name.len;
        if (drafts[i].name.len > 0)
            memcpy(prelude + at, drafts[i].name.ptr, drafts[i].name.len);
        at += drafts[i].name.len;
    }
    su_buf_grew(ret, size);
    return size;
}

/* Puts head and entries in their place. */
static void finish(struct form_head *head, const struct form_entry *entries, uint64_t first, size_t begin, struct su_buf *ret)
{
    enum { CHECKED_FROM = offsetof(struct form_head, size) };
    char *data = ret->ptr + begin;
    head->size = ret->len - begin;
    memcpy(data, head, sizeof *head);
    memcpy(data + sizeof *head, entries, head->columns * sizeof *entries);
    uint64_t checksum = su_hash64(data + CHECKED_FROM, head->prelude_size - CHECKED_FROM);
    memcpy(data + offsetof(struct form_head, checksum), &checksum, sizeof checksum);
    block_set_first(data, first);
}

static bool too_large(const struct su_buf *ret, struct su_err *err)
{
    return su_fail(err, SU_LIMIT, "a block is larger than the %zu bytes allowed", ret->max);
}

static void finish_head(const struct block_draft *drafts, size_t count, struct form_head *head)
{
    for (size_t i = 0; i < count; i++)
        if (drafts[i].role == BLOCK_TIME && drafts[i].count > 0) {
            struct span span = span_of(&drafts[i], drafts[i].ints);
            head->min_us = span.min;
            head->max_us = span.max;
        }
}

bool block_write(const struct block_draft *drafts, size_t count, uint64_t first, uint32_t rows, struct su_buf *ret, struct su_err *err)
{
    size_t origin = ret->len;
    pad(ret, 0, 64);
    size_t begin = ret->len;
    SU_AUTO_FREE struct form_entry *entries = su_alloc((count + 1) * sizeof *entries);
    SU_AUTO_FREE int64_t *scratch = su_alloc((size_t)rows * sizeof *scratch);
    struct form_head head = {.magic = FORM_MAGIC, .rows = rows, .columns = (uint32_t)count};
    head.prelude_size = (uint32_t)write_prelude(drafts, count, entries, ret);
    bool is_done = head.prelude_size > 0 || too_large(ret, err);
    for (size_t i = 0; is_done && i < count; i++) {
        struct form_entry name = entries[i];
        struct encoder encoder = {.draft = &drafts[i], .rows = rows, .entry = &entries[i], .out = ret, .block = begin, .scratch = scratch};
        is_done = write_column(&encoder, err);
        entries[i].name_at = name.name_at;
        entries[i].name_len = name.name_len;
    }
    pad(ret, begin, 64);
    if (is_done && ret->failed)
        is_done = too_large(ret, err);
    if (!is_done) {
        ret->len = origin;
        return false;
    }
    finish_head(drafts, count, &head);
    finish(&head, entries, first, begin, ret);
    return true;
}

bool block_copy(const struct block *block, const bool *keep, struct su_buf *ret, struct su_err *err)
{
    SU_AUTO_FREE struct form_entry *entries = su_alloc((block->column_count + 1u) * sizeof *entries);
    SU_AUTO_FREE struct block_draft *drafts = su_alloc((block->column_count + 1u) * sizeof *drafts);
    size_t origin = ret->len;
    uint32_t count = 0;
    for (uint32_t i = 0; i < block->column_count; i++)
        if (keep[i])
            drafts[count++].name = block->columns[i].name;
    pad(ret, 0, 64);
    size_t begin = ret->len;
    struct form_head head = {.magic = FORM_MAGIC, .rows = block->rows, .columns = count, .min_us = block->min_us, .max_us = block->max_us};
    head.prelude_size = (uint32_t)write_prelude(drafts, count, entries, ret);
    count = 0;
    for (uint32_t i = 0; i < block->column_count; i++) {
        if (!keep[i])
            continue;
        struct form_entry entry = *(const struct form_entry *)block->columns[i].entry;
        entry.name_at = entries[count].name_at;
        if (entry.size > 0)             /* aligned as it was */
            pad(ret, begin + entry.at % 64, 64);
        su_buf_add(ret, block->data + entry.at, entry.size);
        entry.at = entry.size > 0 ? ret->len - entry.size - begin : 0;
        entries[count++] = entry;
    }
    pad(ret, begin, 64);
    if (ret->failed) {
        ret->len = origin;
        return too_large(ret, err);
    }
    finish(&head, entries, block->first, begin, ret);
    return true;
}
