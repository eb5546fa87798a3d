/* Growing columns: texts by dictionary, values by row.  Layer store; pure.  See block_form.h. */
#include "block_form.h"
#include "base/hash.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- texts --------------------------------------------------------------- */

enum { TRIAL = 2048 };          /* different texts after which it shows whether they repeat */

void block_texts_done(struct block_texts *texts)
{
    free(texts->bytes);
    free(texts->offsets);
    free(texts->slots);
    *texts = (struct block_texts){0};
}

void block_texts_clear(struct block_texts *texts)
{
    texts->entries = texts->repeated = 0;
    texts->is_plain = false;
    if (texts->slots != NULL)
        memset(texts->slots, 0, texts->slots_max * sizeof *texts->slots);
}

static uint32_t append(struct block_texts *texts, struct su_str text)
{
    if (texts->entries == texts->entries_max) {
        texts->entries_max = texts->entries_max ? texts->entries_max * 2 : 16;
        texts->offsets = su_realloc(texts->offsets, ((size_t)texts->entries_max + 1) * sizeof *texts->offsets);
        texts->offsets[0] = 0;
    }
    size_t at = texts->offsets[texts->entries], need = at + text.len;
    su_assert(need <= UINT32_MAX);
    if (need > texts->bytes_max || texts->bytes == NULL) {
        texts->bytes_max = need < 64 ? 128 : need * 2;
        texts->bytes = su_realloc(texts->bytes, texts->bytes_max);
    }
    if (text.len > 0)
        memcpy(texts->bytes + at, text.ptr, text.len);
    texts->offsets[++texts->entries] = (uint32_t)need;
    return texts->entries - 1;
}

static uint32_t *slot_of(struct block_texts *texts, struct su_str text)
{
    uint32_t mask = texts->slots_max - 1, at = (uint32_t)su_hash64(text.ptr, text.len) & mask;
    for (; texts->slots[at] != 0; at = (at + 1) & mask)
        if (su_str_equal(block_texts_at(texts, texts->slots[at] - 1), text))
            break;
    return &texts->slots[at];
}

static void grow_slots(struct block_texts *texts)
{
    texts->slots_max = texts->slots_max ? texts->slots_max * 4 : 32;
    free(texts->slots);
    texts->slots = su_alloc(texts->slots_max * sizeof *texts->slots);
    for (uint32_t entry = 0; entry < texts->entries; entry++)
        *slot_of(texts, block_texts_at(texts, entry)) = entry + 1;
}

uint32_t block_texts_add(struct block_texts *texts, struct su_str text)
{
    if (texts->is_plain)
        return append(texts, text);
    if (texts->entries * 2 >= texts->slots_max) {
        if (texts->entries >= TRIAL && texts->repeated < texts->entries) {
            texts->is_plain = true;
            return append(texts, text);
        }
        grow_slots(texts);
    }
    uint32_t *slot = slot_of(texts, text);
    if (*slot == 0)
        *slot = append(texts, text) + 1;
    else
        texts->repeated++;
    return *slot - 1;
}

/* --- values --------------------------------------------------------------- */

void block_values_done(struct block_values *values)
{
    free(values->data);
    free(values->valid);
    block_texts_done(&values->texts);
    *values = (struct block_values){0};
}

void block_values_clear(struct block_values *values)
{
    values->kind = values->declared;
    values->count = 0;
    free(su_take(values->valid));
    block_texts_clear(&values->texts);
}

static void mark(struct block_values *values, uint32_t row, bool is_valid)
{
    uint64_t bit = UINT64_C(1) << row % 64;
    values->valid[row / 64] = is_valid ? values->valid[row / 64] | bit : values->valid[row / 64] & ~bit;
}

static void skip_to(struct block_values *values, uint32_t row)
{
    if (values->valid == NULL) {
        values->valid = su_alloc(((size_t)values->max + 63) / 64 * 8);
        memset(values->valid, 0xff, ((size_t)values->max + 63) / 64 * 8);
    }
    for (; values->count < row; values->count++)
        mark(values, values->count, false);
}

void block_values_reach(struct block_values *values, uint32_t row)
{
    if (row >= values->max) {
        uint32_t max = values->max ? values->max : 8;
        while (max <= row)
            max = max > UINT32_MAX / 2 ? UINT32_MAX : max * 2;
        values->data = su_realloc(values->data, (size_t)max * sizeof *values->ints);
        if (values->valid != NULL)
            values->valid = su_realloc(values->valid, ((size_t)max + 63) / 64 * 8);
        values->max = max;
    }
    if (values->count == 0)
        values->first = row;
    if (row > values->count)
        skip_to(values, row);
    if (row >= values->count)
        values->count = row + 1;
    if (values->valid != NULL)
        mark(values, row, true);
}

bool block_values_has(const struct block_values *values, uint32_t row)
{
    return row < values->count && (values->valid == NULL || values->valid[row / 64] >> row % 64 & 1);
}

struct su_str form_int_text(int64_t value, char text[static FORM_NUMBER_MAX])
{
    int len = snprintf(text, FORM_NUMBER_MAX, "%lld", (long long)value);
    return (struct su_str){text, (size_t)len};
}

struct su_str form_number_text(double value, char text[static FORM_NUMBER_MAX])
{
    int len = 0;
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, FORM_NUMBER_MAX, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (isfinite(value) && strpbrk(text, ".e") == NULL)
        len += snprintf(text + len, FORM_NUMBER_MAX - (size_t)len, ".0");
    return (struct su_str){text, (size_t)len};
}

void *block_values_widen(struct block_values *values, enum block_kind kind)
{
    void *old = values->data;
    const int64_t *ints = old;
    const double *numbers = old;
    values->data = su_alloc((size_t)values->max * sizeof *values->ints);
    for (uint32_t row = 0; row < values->count; row++) {
        char text[FORM_NUMBER_MAX];
        if (!block_values_has(values, row))
            continue;
        if (kind == BLOCK_FLOAT)
            values->numbers[row] = (double)ints[row];
        else
            values->codes[row] = block_texts_add(&values->texts, values->kind == BLOCK_INT ? form_int_text(ints[row], text)
                                                                                         : form_number_text(numbers[row], text));
    }
    values->kind = kind;
    return old;
}

struct block_draft block_values_draft(const struct block_values *values, enum block_role role, struct su_str name)
{
    struct block_draft draft = {.role = role, .kind = values->kind, .name = name, .count = values->count, .valid = values->valid};
    switch (values->kind) {
    case BLOCK_INT:
    case BLOCK_BOOL:
        draft.ints = values->ints;
        break;
    case BLOCK_FLOAT:
        draft.numbers = values->numbers;
        break;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        draft.codes = values->codes;
        draft.offsets = values->texts.offsets;
        draft.bytes = values->texts.bytes;
        draft.entries = values->texts.entries;
        break;
    }
    return draft;
}
