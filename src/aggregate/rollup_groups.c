/* Keys of rows as dense numbers: each key column's values are interned, by the codes of its dictionary where it has
 * one, and several columns' numbers together are interned again.  Layer aggregate; pure. */
#include "rollup_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

enum { UNKNOWN = UINT32_MAX };

/* Open addressing over numbers of items; slots hold number + 1. */
struct table {
    uint32_t *slots, mask;
};

struct interned {
    struct block_value *values;
    uint64_t *hashes;
    uint32_t count, capacity, null_id;
    struct table table;
    const struct block_column *column; /* in the current block */
    uint32_t *of_code, code_count, code_capacity;
};

struct groups {
    char *const *by;
    size_t by_count;
    uint32_t max, count, capacity;
    struct interned columns[ROLLUP_KEYS_MAX];
    uint32_t *tuples; /* by_count numbers a group, when by_count > 1 */
    struct table table;
    uint32_t ids[ROLLUP_KEYS_MAX][ROLLUP_CHUNK];
};

const struct block_column *rollup_column(const struct block *block, struct su_str path)
{
    static const struct {
        struct su_str suffix;
        enum block_kind kind;
    } kinds[] = {{{":bool", 5}, BLOCK_BOOL}, {{":json", 5}, BLOCK_JSON}};
    if (su_str_equal(path, SU_STR("_key")))
        return block_role_column(block, BLOCK_KEY);
    const struct block_column *column = block_field_column(block, path, 0);
    for (size_t i = 0; i < SU_COUNT(kinds) && !column; i++)
        if (su_str_ends(path, kinds[i].suffix))
            column =
                block_field_column(block, (struct su_str){path.ptr, path.len - kinds[i].suffix.len}, kinds[i].kind);
    return column;
}

/* ----------------------------------------------------------------- tables */

static void table_grow(struct table *table, uint32_t count, uint64_t (*hash_of)(const void *arg, uint32_t at),
                       const void *arg)
{
    if (table->slots && (uint64_t)count * 2 <= table->mask)
        return;
    uint32_t size = 256;
    while (size < (uint64_t)count * 4)
        size *= 2;
    free(table->slots);
    table->slots = su_alloc(size * sizeof *table->slots);
    table->mask = size - 1;
    for (uint32_t at = 0; at < count; at++) {
        uint32_t slot = (uint32_t)hash_of(arg, at) & table->mask;
        while (table->slots[slot])
            slot = (slot + 1) & table->mask;
        table->slots[slot] = at + 1;
    }
}

static uint64_t interned_hash(const void *arg, uint32_t at) { return ((const struct interned *)arg)->hashes[at]; }

static uint64_t mix(uint64_t value)
{
    value *= 0x9e3779b97f4a7c15u;
    value ^= value >> 32;
    return value * 0x9e3779b97f4a7c15u ^ value >> 29;
}

static uint64_t hash_of(const struct block_value *value)
{
    switch (value->kind) {
    case BLOCK_INT:
        return mix((uint64_t)value->integer);
    case BLOCK_BOOL:
        return mix((uint64_t)value->integer + 0x5bd1e995);
    case BLOCK_FLOAT: {
        uint64_t bits;
        memcpy(&bits, &value->number, sizeof bits);
        return mix(bits);
    }
    case BLOCK_TEXT:
    case BLOCK_JSON:
        return su_hash64(value->text.ptr, value->text.len);
    }
    return 0;
}

static bool is_same(const struct block_value *a, const struct block_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case BLOCK_INT:
    case BLOCK_BOOL:
        return a->integer == b->integer;
    case BLOCK_FLOAT:
        return memcmp(&a->number, &b->number, sizeof a->number) == 0;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        return su_str_equal(a->text, b->text);
    }
    return true;
}

static uint32_t intern(struct interned *interned, struct block_value value)
{
    table_grow(&interned->table, interned->count, interned_hash, interned);
    uint64_t hash = hash_of(&value);
    uint32_t slot = (uint32_t)hash & interned->table.mask;
    for (; interned->table.slots[slot]; slot = (slot + 1) & interned->table.mask) {
        uint32_t at = interned->table.slots[slot] - 1;
        if (interned->hashes[at] == hash && is_same(&interned->values[at], &value))
            return at;
    }
    if (interned->count == interned->capacity) {
        interned->capacity = interned->capacity ? 2 * interned->capacity : 64;
        interned->values = su_realloc(interned->values, interned->capacity * sizeof *interned->values);
        interned->hashes = su_realloc(interned->hashes, interned->capacity * sizeof *interned->hashes);
    }
    if (value.kind == BLOCK_TEXT || value.kind == BLOCK_JSON)
        value.text.ptr = su_strndup(value.text.ptr, value.text.len);
    interned->values[interned->count] = value;
    interned->hashes[interned->count] = hash;
    interned->table.slots[slot] = ++interned->count;
    return interned->count - 1;
}

/* ---------------------------------------------------------- one key column */

static void begin_block(struct interned *interned, const struct block *block, struct su_str path)
{
    interned->column = rollup_column(block, path);
    interned->code_count = interned->column ? block_dictionary_count(interned->column) : 0;
    if (interned->code_count > interned->code_capacity) {
        interned->code_capacity = interned->code_count;
        interned->of_code = su_realloc(interned->of_code, interned->code_capacity * sizeof *interned->of_code);
    }
    if (interned->code_count)
        memset(interned->of_code, 0xff, interned->code_count * sizeof *interned->of_code);
}

static uint32_t null_id(struct interned *interned)
{
    if (interned->null_id == UNKNOWN)
        interned->null_id = intern(interned, (struct block_value){0});
    return interned->null_id;
}

static void ids_of_codes(struct interned *interned, uint32_t from, uint32_t count, uint32_t *ret)
{
    block_codes(interned->column, from, count, ret);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = ret[i];
        if (code >= interned->code_count) {
            ret[i] = null_id(interned);
            continue;
        }
        if (interned->of_code[code] == UNKNOWN)
            interned->of_code[code] = intern(
                interned, (struct block_value){.kind = BLOCK_TEXT, .text = block_dictionary(interned->column, code)});
        ret[i] = interned->of_code[code];
    }
}

/* A whole number is the same key whether its block holds it as a float or not. */
static struct block_value canonical(struct block_value value)
{
    if (value.kind == BLOCK_FLOAT && value.number >= -9e15 && value.number <= 9e15 &&
        (double)(int64_t)value.number == value.number)
        return (struct block_value){.kind = BLOCK_INT, .integer = (int64_t)value.number};
    if (value.kind == BLOCK_JSON)
        value.kind = BLOCK_TEXT;
    return value;
}

static void ids_of(struct interned *interned, uint32_t from, uint32_t count, uint32_t *ret)
{
    if (!interned->column) {
        uint32_t id = null_id(interned);
        for (uint32_t i = 0; i < count; i++)
            ret[i] = id;
    } else if (interned->code_count)
        ids_of_codes(interned, from, count, ret);
    else
        for (uint32_t i = 0; i < count; i++)
            ret[i] = intern(interned, canonical(block_value(interned->column, from + i)));
}

/* ---------------------------------------------------------------- groups */

struct groups *groups_new(char *const *by, size_t by_count, uint32_t max)
{
    struct groups *groups = su_alloc(sizeof *groups);
    groups->by = by;
    groups->by_count = by_count;
    groups->max = max;
    for (size_t i = 0; i < ROLLUP_KEYS_MAX; i++)
        groups->columns[i].null_id = UNKNOWN;
    groups->count = by_count == 0;
    return groups;
}

void groups_clear(struct groups *groups)
{
    for (size_t i = 0; i < groups->by_count; i++) {
        struct interned *interned = &groups->columns[i];
        for (uint32_t at = 0; at < interned->count; at++)
            if (interned->values[at].kind == BLOCK_TEXT)
                free((char *)(uintptr_t)interned->values[at].text.ptr);
        free(interned->values);
        free(interned->hashes);
        free(interned->table.slots);
        free(interned->of_code);
        *interned = (struct interned){.null_id = UNKNOWN};
    }
    free(groups->tuples);
    free(groups->table.slots);
    groups->tuples = NULL;
    groups->table = (struct table){0};
    groups->capacity = 0;
    groups->count = groups->by_count == 0;
}

void groups_free(struct groups *groups)
{
    if (!groups)
        return;
    groups_clear(groups);
    free(groups);
}

uint32_t groups_count(const struct groups *groups)
{
    return groups->by_count == 1 ? groups->columns[0].count : groups->count;
}

static uint64_t tuple_hash(const void *arg, uint32_t at)
{
    const struct groups *groups = arg;
    uint64_t hash = 0;
    for (size_t i = 0; i < groups->by_count; i++)
        hash = mix(hash ^ groups->tuples[at * groups->by_count + i]);
    return hash;
}

static uint32_t group_of(struct groups *groups, const uint32_t *ids)
{
    size_t width = groups->by_count;
    if (groups->count == groups->capacity) {
        groups->capacity = groups->capacity ? 2 * groups->capacity : 64;
        groups->tuples = su_realloc(groups->tuples, groups->capacity * width * sizeof *groups->tuples);
    }
    uint32_t *tuple = groups->tuples + groups->count * width;
    memcpy(tuple, ids, width * sizeof *tuple);
    table_grow(&groups->table, groups->count, tuple_hash, groups);
    uint32_t slot = (uint32_t)tuple_hash(groups, groups->count) & groups->table.mask;
    for (; groups->table.slots[slot]; slot = (slot + 1) & groups->table.mask) {
        uint32_t at = groups->table.slots[slot] - 1;
        if (memcmp(groups->tuples + at * width, tuple, width * sizeof *tuple) == 0)
            return at;
    }
    groups->table.slots[slot] = ++groups->count;
    return groups->count - 1;
}

static void combine(struct groups *groups, uint32_t count, uint32_t *ret)
{
    for (uint32_t row = 0; row < count; row++) {
        uint32_t ids[ROLLUP_KEYS_MAX];
        bool is_same = row > 0;
        for (size_t i = 0; i < groups->by_count; i++) {
            ids[i] = groups->ids[i][row];
            is_same = is_same && ids[i] == groups->ids[i][row - 1];
        }
        ret[row] = is_same ? ret[row - 1] : group_of(groups, ids);
    }
}

bool groups_of(struct groups *groups, const struct block *block, bool is_new, uint32_t from, uint32_t count,
               uint32_t *ret, struct su_err *err)
{
    for (size_t i = 0; i < groups->by_count && is_new; i++)
        begin_block(&groups->columns[i], block, su_str_of(groups->by[i]));
    if (groups->by_count == 0)
        memset(ret, 0, count * sizeof *ret);
    else if (groups->by_count == 1)
        ids_of(&groups->columns[0], from, count, ret);
    else {
        for (size_t i = 0; i < groups->by_count; i++)
            ids_of(&groups->columns[i], from, count, groups->ids[i]);
        combine(groups, count, ret);
    }
    if (groups_count(groups) <= groups->max)
        return true;
    su_fail_field(err, SU_LIMIT, "by", "by: more than %u groups at a time", groups->max);
    return su_hint(err, "group by a field with fewer values, or take shorter windows");
}

struct block_value groups_key(const struct groups *groups, uint32_t group, size_t by)
{
    uint32_t id = groups->by_count == 1 ? group : groups->tuples[group * groups->by_count + by];
    return groups->columns[by].values[id];
}

static int rank(const struct block_value *value)
{
    switch (value->kind) {
    case BLOCK_BOOL:
        return 1;
    case BLOCK_INT:
    case BLOCK_FLOAT:
        return 2;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        return 3;
    }
    return 0;
}

static int compare_values(const struct block_value *a, const struct block_value *b)
{
    if (rank(a) != rank(b))
        return rank(a) - rank(b);
    if (rank(a) == 3) {
        size_t len = a->text.len < b->text.len ? a->text.len : b->text.len;
        int order = len ? memcmp(a->text.ptr, b->text.ptr, len) : 0;
        return order ? order : (a->text.len > b->text.len) - (a->text.len < b->text.len);
    }
    if (a->kind != BLOCK_FLOAT && b->kind != BLOCK_FLOAT)
        return (a->integer > b->integer) - (a->integer < b->integer);
    double x = a->kind == BLOCK_FLOAT ? a->number : (double)a->integer,
           y = b->kind == BLOCK_FLOAT ? b->number : (double)b->integer;
    return (x > y) - (x < y);
}

int groups_compare(const struct groups *groups, uint32_t a, uint32_t b)
{
    for (size_t i = 0; i < groups->by_count; i++) {
        struct block_value x = groups_key(groups, a, i), y = groups_key(groups, b, i);
        int order = compare_values(&x, &y);
        if (order)
            return order;
    }
    return 0;
}
