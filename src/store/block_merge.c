/* One block out of many: see block.h.  Layer store; pure. */
#include "block_form.h"
#include "base/hash.h"
#include <math.h>
#include <stdlib.h>

/* Consecutive rows of one slice that stay. */
struct run { uint32_t slice, from, to; };

/* A column of the result, and what feeds it. */
struct target {
    enum block_role role;
    struct su_str name;
    struct block_values values;
    uint32_t *sources;                  /* pairs of slice and column, by slice */
    uint32_t source_count, source_max;
};

struct merge {
    const struct block_slice *slices;
    size_t slice_count;
    unsigned flags;
    int64_t time_from_us, time_to_us;
    struct run *runs;
    uint32_t run_count, run_max;
    struct target *targets;
    uint32_t target_count, target_max;
    uint32_t *slots, slots_max;         /* targets by name and lane */
    uint64_t rows;
};

/* --- which rows -------------------------------------------------------------- */

static void push_run(struct merge *merge, uint32_t slice, uint32_t from, uint32_t to)
{
    if (from >= to)
        return;
    merge->rows += to - from;
    struct run *last = merge->run_count > 0 ? &merge->runs[merge->run_count - 1] : NULL;
    if (last != NULL && last->slice == slice && last->to == from) {
        last->to = to;
        return;
    }
    if (merge->run_count == merge->run_max) {
        merge->run_max = merge->run_max ? merge->run_max * 2 : 64;
        merge->runs = su_realloc(merge->runs, merge->run_max * sizeof *merge->runs);
    }
    merge->runs[merge->run_count++] = (struct run){slice, from, to};
}

static void choose_rows(struct merge *merge, uint32_t index)
{
    enum { STRETCH = 1024 };
    const struct block_slice *slice = &merge->slices[index];
    const struct block *block = slice->block;
    uint32_t to = slice->to < block->rows ? slice->to : block->rows;
    const struct block_column *times = block_role_column(block, BLOCK_TIME), *flags = NULL;
    if (merge->flags & BLOCK_WITHOUT_FLAGGED)
        flags = block_role_column(block, BLOCK_FLAG);
    if (times != NULL && block->min_us >= merge->time_from_us && block->max_us < merge->time_to_us)
        times = NULL;
    if (times == NULL && flags == NULL) {
        push_run(merge, index, slice->from, to);
        return;
    }
    int64_t time[STRETCH] = {0}, flag[STRETCH] = {0};
    for (uint32_t row = slice->from; row < to; row += STRETCH) {
        uint32_t count = to - row < STRETCH ? to - row : STRETCH;
        if (times != NULL)
            block_ints(times, row, count, time);
        if (flags != NULL)
            block_ints(flags, row, count, flag);
        for (uint32_t i = 0; i < count; i++)
            if (flag[i] == BLOCK_MESSAGE && (times == NULL || (time[i] >= merge->time_from_us && time[i] < merge->time_to_us)))
                push_run(merge, index, row + i, row + i + 1);
        if (to - row <= STRETCH)
            break;
    }
}

/* --- which columns ------------------------------------------------------------ */

/* Numbers and texts of one name go together; booleans and JSON are columns of their own. */
static uint32_t lane_of(enum block_kind kind) { return kind == BLOCK_BOOL ? 1 : kind == BLOCK_JSON ? 2 : 0; }

static bool is_same(const struct target *target, const struct block_column *column)
{
    return target->role == column->role && (column->role != BLOCK_FIELD || lane_of(target->values.kind) == lane_of(column->kind))
           && su_str_equal(target->name, column->name);
}

static uint32_t *slot_of(struct merge *merge, const struct block_column *column)
{
    uint64_t hash = su_hash64(column->name.ptr, column->name.len) + (uint64_t)column->role * 31 + (column->role == BLOCK_FIELD ? lane_of(column->kind) : 0);
    uint32_t mask = merge->slots_max - 1, at = (uint32_t)hash & mask;
    for (; merge->slots[at] != 0; at = (at + 1) & mask)
        if (is_same(&merge->targets[merge->slots[at] - 1], column))
            break;
    return &merge->slots[at];
}

static void grow_slots(struct merge *merge)
{
    merge->slots_max = merge->slots_max ? merge->slots_max * 2 : 64;
    free(merge->slots);
    merge->slots = su_alloc(merge->slots_max * sizeof *merge->slots);
    for (uint32_t i = 0; i < merge->target_count; i++) {
        const struct target *target = &merge->targets[i];
        *slot_of(merge, &(struct block_column){.role = target->role, .kind = target->values.kind, .name = target->name}) = i + 1;
    }
}

static struct target *target_of(struct merge *merge, const struct block_column *column)
{
    if (merge->target_count * 2 >= merge->slots_max)
        grow_slots(merge);
    uint32_t *slot = slot_of(merge, column);
    if (*slot == 0) {
        if (merge->target_count == merge->target_max) {
            merge->target_max = merge->target_max ? merge->target_max * 2 : 16;
            merge->targets = su_realloc(merge->targets, merge->target_max * sizeof *merge->targets);
        }
        merge->targets[merge->target_count++] = (struct target){.role = column->role, .name = column->name, .values = {.kind = column->kind}};
        *slot = merge->target_count;
    }
    return &merge->targets[*slot - 1];
}

static bool is_wanted(const struct merge *merge, const struct block_column *column)
{
    if (column->role == BLOCK_OFFSET)
        return false;
    return !(column->role == BLOCK_BODY && merge->flags & BLOCK_WITHOUT_BODIES) && !(column->role == BLOCK_FLAG && merge->flags & BLOCK_WITHOUT_FLAGGED);
}

static void choose_columns(struct merge *merge, uint32_t slice)
{
    const struct block *block = merge->slices[slice].block;
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        if (!is_wanted(merge, column))
            continue;
        struct target *target = target_of(merge, column);
        if (lane_of(column->kind) == 0 && column->kind > target->values.kind)
            target->values.kind = column->kind;
        if (target->source_count + 2 > target->source_max) {
            target->source_max = target->source_max ? target->source_max * 2 : 8;
            target->sources = su_realloc(target->sources, target->source_max * sizeof *target->sources);
        }
        target->sources[target->source_count++] = slice;
        target->sources[target->source_count++] = i;
    }
}

/* --- values --------------------------------------------------------------------- */

/* Rows [at, at + count) of values can be written, and are not null. */
static void reach(struct block_values *values, uint32_t at, uint32_t count)
{
    if (values->valid == NULL && at == values->count && count > 1) {
        block_values_reach(values, at);
        if (at + count > values->max) {
            uint32_t max = values->max;
            while (max < at + count)
                max = max > UINT32_MAX / 2 ? UINT32_MAX : max * 2;
            values->max = max;
            values->data = su_realloc(values->data, (size_t)max * sizeof *values->ints);
        }
        values->count = at + count;
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        block_values_reach(values, at + i);
}

static void copy_numbers(struct block_values *values, const struct block_column *column, struct run run, uint32_t at)
{
    reach(values, at, run.to - run.from);
    if (values->kind == BLOCK_FLOAT)
        block_floats(column, run.from, run.to - run.from, values->numbers + at);
    else
        block_ints(column, run.from, run.to - run.from, values->ints + at);
}

static void copy_number_row(struct block_values *values, const struct block_column *column, uint32_t row, uint32_t at)
{
    block_values_reach(values, at);
    if (values->kind == BLOCK_FLOAT)
        values->numbers[at] = block_float(column, row);
    else
        values->ints[at] = block_int(column, row);
}

static struct su_str text_of(const struct block_column *column, uint32_t row, char number[static FORM_NUMBER_MAX])
{
    switch (column->kind) {
    case BLOCK_INT: return form_int_text(block_int(column, row), number);
    case BLOCK_FLOAT: return form_number_text(block_float(column, row), number);
    case BLOCK_BOOL:
    case BLOCK_TEXT:
    case BLOCK_JSON: break;
    }
    struct su_str text = block_text(column, row);
    return text.ptr != NULL ? text : (struct su_str){"", 0};
}

static void copy_texts(struct block_values *values, const struct block_column *column, struct run run, uint32_t at, uint32_t *codes)
{
    char number[FORM_NUMBER_MAX];
    uint32_t known = block_dictionary_count(column);
    for (uint32_t row = run.from; row < run.to; row++, at++) {
        uint32_t code;
        if (block_is_null(column, row))
            continue;
        block_values_reach(values, at);
        if (known == 0 || codes == NULL || !block_codes(column, row, 1, &code) || code >= known) {
            values->codes[at] = block_texts_add(&values->texts, text_of(column, row, number));
            continue;
        }
        if (codes[code] == UINT32_MAX)
            codes[code] = block_texts_add(&values->texts, block_dictionary(column, code));
        values->codes[at] = codes[code];
    }
}

static void copy_run(struct block_values *values, const struct block_column *column, struct run run, uint32_t at, uint32_t *codes)
{
    if (values->kind == BLOCK_TEXT || values->kind == BLOCK_JSON) {
        copy_texts(values, column, run, at, codes);
    } else if (!column->has_nulls) {
        copy_numbers(values, column, run, at);
    } else {
        for (uint32_t row = run.from; row < run.to; row++, at++)
            if (!block_is_null(column, row))
                copy_number_row(values, column, row, at);
    }
}

/* A dictionary of the source that is worth a table of its codes in the result. */
static uint32_t *codes_of(const struct block_column *column, enum block_kind kind)
{
    uint32_t count = kind == BLOCK_TEXT || kind == BLOCK_JSON ? block_dictionary_count(column) : 0;
    if (count == 0)
        return NULL;
    uint32_t *codes = su_realloc(NULL, count * sizeof *codes);
    memset(codes, 0xff, count * sizeof *codes);
    return codes;
}

/* Roles that every message has: a block without them says 0. */
static void fill_zeros(struct target *target, uint32_t at, uint32_t count)
{
    if (target->role != BLOCK_TIME && target->role != BLOCK_ARRIVAL && target->role != BLOCK_FLAG)
        return;
    reach(&target->values, at, count);
    memset(target->values.ints + at, 0, count * sizeof *target->values.ints);
}

static void fill(struct merge *merge, struct target *target)
{
    uint32_t source = 0, at = 0, known = UINT32_MAX;
    SU_AUTO_FREE uint32_t *codes = NULL;
    for (uint32_t i = 0; i < merge->run_count; i++) {
        struct run run = merge->runs[i];
        while (source < target->source_count && target->sources[source] < run.slice)
            source += 2;
        if (source < target->source_count && target->sources[source] == run.slice) {
            const struct block_column *column = &merge->slices[run.slice].block->columns[target->sources[source + 1]];
            if (known != source) {
                free(codes);
                codes = codes_of(column, target->values.kind);
                known = source;
            }
            copy_run(&target->values, column, run, at, codes);
        } else {
            fill_zeros(target, at, run.to - run.from);
        }
        at += run.to - run.from;
    }
}

/* Whole blocks whose bodies are packed already, in frames that are large enough: they need not be opened. */
static bool has_frames(const struct merge *merge)
{
    enum { FRAME_MIN = 64 << 10 };
    uint64_t opened = 0, frames = 0;
    for (uint32_t i = 0; i < merge->run_count; i++) {
        const struct run *run = &merge->runs[i];
        const struct block *block = merge->slices[run->slice].block;
        const struct form_entry *entry = form_packed(block);
        if (entry == NULL || run->from != 0 || run->to != block->rows)
            return false;
        frames += entry->count;
        for (uint32_t f = 0; f < entry->count; f++) {
            struct form_frame frame;
            memcpy(&frame, block->data + entry->at + entry->data + f * sizeof frame, sizeof frame);
            opened += frame.opened;
        }
    }
    return merge->flags & BLOCK_PACK_BODIES && opened >= frames * FRAME_MIN;
}

static const struct block **packed_blocks(const struct merge *merge)
{
    const struct block **blocks = su_alloc(merge->run_count * sizeof *blocks);
    for (uint32_t i = 0; i < merge->run_count; i++)
        blocks[i] = merge->slices[merge->runs[i].slice].block;
    return blocks;
}

static bool fill_bodies(struct merge *merge, struct target *target, struct su_err *err)
{
    uint32_t at = 0;
    size_t total = 0;
    target->values.texts.is_plain = true;
    for (uint32_t i = 0; i < merge->run_count; i++)
        for (uint32_t row = merge->runs[i].from; row < merge->runs[i].to; row++, at++) {
            struct su_str body;
            if (!block_body(merge->slices[merge->runs[i].slice].block, row, &body, err))
                return false;
            if ((total += body.len) > UINT32_MAX)
                return su_fail(err, SU_LIMIT, "the bodies of one block would have more than 4 GiB; use blocks of fewer messages");
            block_texts_add(&target->values.texts, body);
        }
    return true;
}

/* Offsets, when they are not first, first + 1, …: false when they are. */
static bool fill_offsets(struct merge *merge, struct block_values *values, uint64_t *ret_first)
{
    uint32_t at = 0;
    bool has_gaps = false;
    values->kind = BLOCK_INT;
    for (uint32_t i = 0; i < merge->run_count; i++) {
        const struct run *run = &merge->runs[i];
        const struct block *block = merge->slices[run->slice].block;
        if (i == 0)
            *ret_first = block_offset(block, run->from);
        has_gaps |= block_offset(block, run->from) != *ret_first + at || block_offset(block, run->to - 1) != *ret_first + at + (run->to - 1 - run->from);
        at += run->to - run->from;
    }
    if (!has_gaps)
        return false;
    at = 0;
    for (uint32_t i = 0; i < merge->run_count; i++)
        for (uint32_t row = merge->runs[i].from; row < merge->runs[i].to; row++, at++) {
            block_values_reach(values, at);
            values->ints[at] = (int64_t)block_offset(merge->slices[merge->runs[i].slice].block, row);
        }
    return true;
}

/* --- the whole --------------------------------------------------------------------- */

static void merge_done(struct merge *merge)
{
    for (uint32_t i = 0; i < merge->target_count; i++) {
        block_values_done(&merge->targets[i].values);
        free(merge->targets[i].sources);
    }
    free(merge->targets);
    free(merge->slots);
    free(merge->runs);
}

static struct block_draft draft_of(const struct merge *merge, const struct target *target)
{
    struct block_draft draft = block_values_draft(&target->values, target->role, target->name);
    if (target->role == BLOCK_BODY) {
        draft.codes = NULL;
        draft.count = target->values.texts.entries;
        draft.is_packed = merge->flags & BLOCK_PACK_BODIES;
    }
    return draft;
}

static bool write_merged(struct merge *merge, struct su_buf *ret, struct su_err *err)
{
    SU_AUTO_FREE struct block_draft *drafts = su_alloc((merge->target_count + 1) * sizeof *drafts);
    struct target offsets = {.role = BLOCK_OFFSET, .name = {"", 0}};
    SU_AUTO_FREE const struct block **packed = has_frames(merge) ? packed_blocks(merge) : NULL;
    uint64_t first = 0;
    size_t count = 0;
    for (uint32_t i = 0; i < merge->target_count; i++) {
        struct target *target = &merge->targets[i];
        if (target->role != BLOCK_BODY)
            fill(merge, target);
        else if (packed == NULL && !fill_bodies(merge, target, err))
            return false;
        if (target->values.count > 0 || target->role == BLOCK_BODY || target->role == BLOCK_FIELD)
            drafts[count++] = draft_of(merge, target);
        if (packed != NULL && target->role == BLOCK_BODY) {
            drafts[count - 1].packed = packed;
            drafts[count - 1].packed_count = merge->run_count;
        }
    }
    if (fill_offsets(merge, &offsets.values, &first))
        drafts[count++] = draft_of(merge, &offsets);
    /* A column of offsets is not looked through when a block is opened. */
    bool is_done = first <= UINT64_MAX - merge->rows || su_fail(err, SU_INTERNAL, "a block of columns is damaged: its offsets are too large");
    is_done = is_done && block_write(drafts, count, first, (uint32_t)merge->rows, ret, err);
    block_values_done(&offsets.values);
    return is_done;
}

/* All rows of one block, and its bodies as they should be. */
static bool is_copy(const struct merge *merge)
{
    if (merge->run_count != 1)
        return false;
    const struct run *run = &merge->runs[0];
    const struct block *block = merge->slices[run->slice].block;
    const struct block_column *body = block_role_column(block, BLOCK_BODY);
    bool is_packed = body != NULL && ((const struct form_entry *)body->entry)->encoding == FORM_PACKED;
    return run->from == 0 && run->to == block->rows
           && (body == NULL || merge->flags & BLOCK_WITHOUT_BODIES || is_packed == ((merge->flags & BLOCK_PACK_BODIES) != 0));
}

static bool write_copy(const struct merge *merge, struct su_buf *ret, struct su_err *err)
{
    const struct block *block = merge->slices[merge->runs[0].slice].block;
    SU_AUTO_FREE bool *keep = su_alloc(block->column_count + 1u);
    for (uint32_t i = 0; i < block->column_count; i++)
        keep[i] = block->columns[i].role == BLOCK_OFFSET || is_wanted(merge, &block->columns[i]);
    return block_copy(block, keep, ret, err);
}

bool block_merge(const struct block_slice *slices, size_t count, unsigned flags, int64_t time_from_us, int64_t time_to_us,
                 struct su_buf *ret, uint32_t *ret_rows, struct su_err *err)
{
    struct merge merge = {.slices = slices, .slice_count = count, .flags = flags, .time_from_us = time_from_us, .time_to_us = time_to_us};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t before = merge.rows;
        choose_rows(&merge, i);
        if (merge.rows > before && !(count == 1 && is_copy(&merge)))
            choose_columns(&merge, i);
    }
    bool is_done = true;
    if (merge.rows > UINT32_MAX - 64)
        is_done = su_fail(err, SU_LIMIT, "one block would hold %llu messages; ask for fewer", (unsigned long long)merge.rows);
    else if (count == 1 && is_copy(&merge))
        is_done = write_copy(&merge, ret, err);
    else if (merge.rows > 0)
        is_done = write_merged(&merge, ret, err);
    if (is_done)
        *ret_rows = (uint32_t)merge.rows;
    merge_done(&merge);
    return is_done;
}

bool block_gather(const struct block_slice *slices, size_t count, unsigned flags, int64_t time_from_us, int64_t time_to_us,
                  struct su_buf *ret, uint64_t *ret_rows, struct su_err *err)
{
    enum { LARGE = 16384, MERGED_MAX = 131072 };
    uint64_t total = 0;
    size_t origin = ret->len;
    for (size_t i = 0, next; i < count; i = next) {
        uint64_t together = slices[i].to - slices[i].from;
        uint32_t rows;
        const bool is_small = together < LARGE;
        for (next = i + 1; is_small && next < count && slices[next].to - slices[next].from < LARGE && together < MERGED_MAX; next++)
            together += slices[next].to - slices[next].from;
        if (!block_merge(slices + i, next - i, flags, time_from_us, time_to_us, ret, &rows, err)) {
            ret->len = origin;
            return false;
        }
        total += rows;
    }
    *ret_rows = total;
    return true;
}
