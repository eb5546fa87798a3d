/* A column's type and statistics: see column.h.  Layer aggregate; pure. */
#include "column.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "hyperloglog.h"
#include "tally.h"

enum { TOP_VALUES = 10, LOSSY_SLOTS = 2048 };

/* A text kept for its place in the order. */
struct kept_text { char text[TALLY_TEXT_MAX + 4]; size_t len; uint64_t prefix; bool is_set, is_cut; };

/* Compensated sum (Neumaier). */
struct exact_sum { double sum, rest; };

struct column {
    struct column_limits limits;
    struct tally tally;
    struct hyperloglog sketch;      /* once the tally is lossy */
    uint64_t last_hash;             /* of the cell before: columns like to repeat themselves */
    size_t last_slot;
    uint64_t empties;               /* cells of no bytes: counted apart, they are many */
    uint64_t counts[VALUE_CLASS_COUNT];
    int64_t integer_min, integer_max;
    __int128 integer_sum;
    double number_min, number_max;
    struct exact_sum number_sum;
    int64_t time_min, time_max;
    struct kept_text time_first, time_last;
    struct kept_text text_min, text_max;
    bool is_finished;
};

struct column *column_new(const struct column_limits *limits)
{
    struct column *column = su_alloc(sizeof *column);
    column->limits = *limits;
    column->integer_min = column->time_min = INT64_MAX;
    column->integer_max = column->time_max = INT64_MIN;
    column->number_min = INFINITY;
    column->number_max = -INFINITY;
    tally_init(&column->tally, limits->slots_max, limits->text_max);
    return column;
}

void column_free(struct column *column)
{
    if (column == NULL)
        return;
    tally_done(&column->tally);
    hyperloglog_done(&column->sketch);
    free(column);
}

/* --- extremes and totals ---------------------------------------------- */

static inline uint64_t load_word(const char *text)
{
    uint32_t word;
    memcpy(&word, text, 4);
    return __builtin_bswap32(word);
}

/* The first eight bytes as a number that sorts as they do; missing ones are zero. */
static inline uint64_t prefix_of(const char *text, size_t len)
{
    if (len >= 8)
        return load_word(text) << 32 | load_word(text + 4);
    if (len >= 4)
        return load_word(text) << 32 | (load_word(text + len - 4) << (8 * (8 - len)) & UINT32_MAX);
    uint64_t prefix = 0;
    for (size_t i = 0; i < len; i++)
        prefix |= (uint64_t)(uint8_t)text[i] << (56 - 8 * i);
    return prefix;
}

static void keep_text(struct kept_text *kept, const char *text, size_t len, uint64_t prefix)
{
    kept->len = value_cut(text, len, TALLY_TEXT_MAX);
    memcpy(kept->text, text, kept->len);
    kept->prefix = prefix;
    kept->is_set = true;
    kept->is_cut = kept->len < len;
}

static int compare_kept(const struct kept_text *kept, const char *text, size_t len, uint64_t prefix)
{
    if (kept->prefix != prefix)
        return prefix < kept->prefix ? -1 : 1;
    int order = memcmp(text, kept->text, len < kept->len ? len : kept->len);
    return order != 0 ? order : (len > kept->len) - (len < kept->len);
}

/* Bytes of UTF-8 sort as their characters do. */
static inline void order_text(struct column *column, const char *text, size_t len)
{
    uint64_t prefix = prefix_of(text, len);
    if (prefix > column->text_min.prefix && prefix < column->text_max.prefix)
        return;
    if (!column->text_min.is_set || compare_kept(&column->text_min, text, len, prefix) < 0)
        keep_text(&column->text_min, text, len, prefix);
    if (!column->text_max.is_set || compare_kept(&column->text_max, text, len, prefix) > 0)
        keep_text(&column->text_max, text, len, prefix);
}

static void order_time(struct column *column, int64_t time, const char *text, size_t len)
{
    if (time < column->time_min) {
        column->time_min = time;
        keep_text(&column->time_first, text, len, 0);
    }
    if (time > column->time_max) {
        column->time_max = time;
        keep_text(&column->time_last, text, len, 0);
    }
}

/* A value's part in the extremes: once for each different one is enough. */
static void add_extremes(struct column *column, const char *text, size_t len, struct value value)
{
    if (value.class == VALUE_NULL)
        return;
    order_text(column, text, len);
    switch (value.class) {
    case VALUE_INTEGER:
    case VALUE_BOOLEAN:
        column->integer_min = value.integer < column->integer_min ? value.integer : column->integer_min;
        column->integer_max = value.integer > column->integer_max ? value.integer : column->integer_max;
        break;
    case VALUE_NUMBER:
        column->number_min = value.number < column->number_min ? value.number : column->number_min;
        column->number_max = value.number > column->number_max ? value.number : column->number_max;
        break;
    case VALUE_DATETIME:
        order_time(column, value.integer, text, len);
        break;
    case VALUE_NULL:
    case VALUE_INFINITE:
    case VALUE_TEXT:
    case VALUE_CLASS_COUNT:
        break;
    }
}

static void add_exactly(struct exact_sum *total, double number)
{
    double sum = total->sum + number;
    total->rest += fabs(total->sum) >= fabs(number) ? (total->sum - sum) + number : (number - sum) + total->sum;
    total->sum = sum;
}

static void add_totals(struct column *column, struct value value, uint64_t count)
{
    column->counts[value.class] += count;
    if (value.class == VALUE_INTEGER || value.class == VALUE_BOOLEAN)
        column->integer_sum += (__int128)value.integer * (__int128)count;
    else if (value.class == VALUE_NUMBER)
        add_exactly(&column->number_sum, value.number * (double)count);
}

static void total_tally(struct column *column)
{
    for (size_t i = 0; i <= column->tally.mask; i++) {
        const struct tally_entry *entry = &column->tally.slots[i];
        if (entry->hash != 0)
            add_totals(column, (struct value){.class = entry->class, .integer = entry->integer}, entry->count);
    }
}

/* --- cells ------------------------------------------------------------ */

/* Too many different values to keep: what the tally knew goes into totals and sketch. */
static void become_lossy(struct column *column)
{
    total_tally(column);
    hyperloglog_init(&column->sketch, column->limits.hyperloglog_bits);
    for (size_t i = 0; i <= column->tally.mask; i++)
        if (column->tally.slots[i].hash != 0 && column->tally.slots[i].class != VALUE_NULL)
            hyperloglog_add(&column->sketch, column->tally.slots[i].hash);
    tally_lossy(&column->tally, column->limits.slots_max < LOSSY_SLOTS ? column->limits.slots_max : LOSSY_SLOTS);
    column->last_hash = 0;
}

static void add_lossy(struct column *column, uint64_t hash, const char *text, size_t len, struct value value)
{
    add_totals(column, value, 1);
    if (value.class == VALUE_NULL)
        return;
    add_extremes(column, text, len, value);
    hyperloglog_add(&column->sketch, hash);
    struct tally_entry *entry = tally_find(&column->tally, hash);
    if (entry->hash == 0 && (entry = tally_insert(&column->tally, hash, text, len, value)) == NULL) {
        tally_thin(&column->tally);
        entry = tally_insert(&column->tally, hash, text, len, value);
    }
    if (entry != NULL)
        entry->count++;
}

/* A text not seen before, while exact. */
static void add_new(struct column *column, uint64_t hash, const char *text, size_t len, struct value value)
{
    struct tally_entry *entry = tally_insert(&column->tally, hash, text, len, value);
    if (entry == NULL) {
        become_lossy(column);
        add_lossy(column, hash, text, len, value);
        return;
    }
    entry->count = 1;
    column->last_hash = hash;
    column->last_slot = (size_t)(entry - column->tally.slots);
    add_extremes(column, text, len, value);
}

/* One cell while exact; false: it is a new text. */
static inline bool add_known(struct column *column, uint64_t hash)
{
    if (hash != column->last_hash) {
        const struct tally_entry *entry = tally_find(&column->tally, hash);
        if (entry->hash == 0)
            return false;
        column->last_hash = hash;
        column->last_slot = (size_t)(entry - column->tally.slots);
    }
    column->tally.slots[column->last_slot].count++;
    return true;
}

void column_add(struct column *column, const char *text, size_t len)
{
    if (len == 0) {
        column->empties++;
        return;
    }
    uint64_t hash = tally_hash(text, len, column->limits.seed);
    if (column->tally.is_lossy)
        add_lossy(column, hash, text, len, value_of(text, len));
    else if (!add_known(column, hash))
        add_new(column, hash, text, len, value_of(text, len));
}

void column_add_string(struct column *column, const char *text, size_t len)
{
    /* Another seed: the string "1" is not the number 1. */
    uint64_t hash = tally_hash(text, len, ~column->limits.seed);
    if (column->tally.is_lossy)
        add_lossy(column, hash, text, len, value_of_string(text, len));
    else if (!add_known(column, hash))
        add_new(column, hash, text, len, value_of_string(text, len));
}

void column_add_nulls(struct column *column, uint64_t count)
{
    column->empties += count;
}

void column_add_cells(struct column *column, const char *data, const struct csv_cell *cells, size_t stride, size_t rows)
{
    size_t r = 0;
    for (; r < rows && !column->tally.is_lossy; r++) {
        const char *text = data + cells[r * stride].at;
        size_t len = cells[r * stride].len;
        if (len == 0) {
            column->empties++;
            continue;
        }
        uint64_t hash = tally_hash(text, len, column->limits.seed);
        if (!add_known(column, hash))
            add_new(column, hash, text, len, value_of(text, len));
    }
    for (; r < rows; r++)
        column_add(column, data + cells[r * stride].at, cells[r * stride].len);
}

/* --- results ---------------------------------------------------------- */

enum column_kind { KIND_EMPTY, KIND_INTEGER, KIND_NUMBER, KIND_BOOLEAN, KIND_DATETIME, KIND_TEXT, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = {"empty", "integer", "number", "boolean", "datetime", "text"};

static uint64_t count_values(const struct column *column)
{
    uint64_t count = 0;
    for (int class = VALUE_INTEGER; class < VALUE_CLASS_COUNT; class++)
        count += column->counts[class];
    return count;
}

static enum column_kind kind_of(const struct column *column)
{
    uint64_t all = count_values(column);
    const uint64_t *counts = column->counts;
    if (all == 0)
        return KIND_EMPTY;
    if (counts[VALUE_INTEGER] == all)
        return KIND_INTEGER;
    if (counts[VALUE_INTEGER] + counts[VALUE_NUMBER] + counts[VALUE_INFINITE] == all)
        return KIND_NUMBER;
    if (counts[VALUE_BOOLEAN] == all)
        return KIND_BOOLEAN;
    return counts[VALUE_DATETIME] == all ? KIND_DATETIME : KIND_TEXT;
}

static void finish(struct column *column)
{
    if (!column->is_finished && !column->tally.is_lossy)
        total_tally(column);
    column->is_finished = true;
}

const char *column_type(const struct column *column)
{
    su_assert(column->is_finished);
    return kind_names[kind_of(column)];
}

static json_t *text_json(const char *text, size_t len, bool is_cut)
{
    if (!is_cut)
        return json_stringn(text, len);
    SU_AUTO_FREE char *cut = su_format("%.*s\xe2\x80\xa6", (int)len, text);
    return json_string(cut);
}

static json_t *kept_json(const struct kept_text *kept)
{
    return text_json(kept->text, kept->len, kept->is_cut);
}

static json_t *number_json(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *value_json(enum column_kind kind, struct value value, const char *text, size_t len, bool is_cut)
{
    if (value.class == VALUE_NULL)
        return json_null();
    if (kind == KIND_BOOLEAN && value.class == VALUE_BOOLEAN)
        return json_boolean(value.integer != 0);
    if ((kind == KIND_INTEGER || kind == KIND_NUMBER) && value.class == VALUE_INTEGER)
        return json_integer(value.integer);
    if (kind == KIND_NUMBER && value.class == VALUE_NUMBER)
        return json_real(value.number);
    return text_json(text, len, is_cut);
}

json_t *column_cell_json(const char *type, const char *text, size_t len)
{
    enum column_kind kind = KIND_TEXT;
    for (int i = 0; i < KIND_COUNT; i++)
        if (strcmp(type, kind_names[i]) == 0)
            kind = (enum column_kind)i;
    return value_json(kind, value_of(text, len), text, len, false);
}

static void set_extremes(const struct column *column, enum column_kind kind, json_t *json)
{
    json_t *min = json_null(), *max = json_null();
    switch (kind) {
    case KIND_INTEGER:
        min = json_integer(column->integer_min);
        max = json_integer(column->integer_max);
        break;
    case KIND_NUMBER: {
        bool has_integers = column->counts[VALUE_INTEGER] > 0;
        min = number_json(has_integers ? fmin(column->number_min, (double)column->integer_min) : column->number_min);
        max = number_json(has_integers ? fmax(column->number_max, (double)column->integer_max) : column->number_max);
        break;
    }
    case KIND_BOOLEAN:
        min = json_boolean(column->integer_min != 0);
        max = json_boolean(column->integer_max != 0);
        break;
    case KIND_DATETIME:
        min = kept_json(&column->time_first);
        max = kept_json(&column->time_last);
        break;
    case KIND_TEXT:
        min = kept_json(&column->text_min);
        max = kept_json(&column->text_max);
        break;
    case KIND_EMPTY:
    case KIND_COUNT:
        break;
    }
    json_object_set_new(json, "min", min);
    json_object_set_new(json, "max", max);
}

static json_t *mean_json(const struct column *column, enum column_kind kind)
{
    uint64_t count = column->counts[VALUE_INTEGER] + column->counts[VALUE_NUMBER];
    if ((kind != KIND_INTEGER && kind != KIND_NUMBER) || count == 0)
        return json_null();
    long double sum = (long double)column->integer_sum + (long double)column->number_sum.sum + (long double)column->number_sum.rest;
    return number_json((double)(sum / (long double)count));
}

/* The order of entries of one kind: by value, then nothing; texts by their bytes. */
struct ranked { const struct tally_entry *entry; const char *text; double number; int64_t integer; uint64_t count; };

static double number_of_entry(const struct tally_entry *entry)
{
    return entry->class == VALUE_INTEGER ? (double)entry->integer : entry->number;
}

static int compare_values(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->integer != y->integer)
        return x->integer < y->integer ? -1 : 1;
    return 0;
}

static int compare_ranks(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    int order = compare_values(a, b);
    if (order != 0)
        return order;
    size_t len = x->entry->text_len < y->entry->text_len ? x->entry->text_len : y->entry->text_len;
    order = len > 0 ? memcmp(x->text, y->text, len) : 0;
    return order != 0 ? order : (int)x->entry->text_len - (int)y->entry->text_len;
}

/* Entries whose values are equal become one. */
static size_t merge_equal(struct ranked *ranked, size_t count)
{
    size_t merged = 0;
    qsort(ranked, count, sizeof *ranked, compare_values);
    for (size_t i = 0; i < count; i++) {
        if (merged > 0 && compare_values(&ranked[merged - 1], &ranked[i]) == 0)
            ranked[merged - 1].count += ranked[i].count;
        else
            ranked[merged++] = ranked[i];
    }
    return merged;
}

/* All values of the tally that are not null, equal ones together; caller frees. */
static struct ranked *rank(const struct column *column, enum column_kind kind, size_t *ret_count)
{
    const struct tally *tally = &column->tally;
    struct ranked *ranked = su_alloc((tally->used + 1) * sizeof *ranked);
    size_t count = 0;
    for (size_t i = 0; i <= tally->mask; i++) {
        const struct tally_entry *entry = &tally->slots[i];
        /* Lossy: only what is surely frequent, not what happened to come last. */
        if (entry->hash == 0 || entry->class == VALUE_NULL || (tally->is_lossy && entry->count <= tally->error / 2 + 1))
            continue;
        ranked[count] = (struct ranked){.entry = entry, .text = tally->texts ? tally->texts + entry->text : "", .count = entry->count};
        if (kind == KIND_NUMBER)
            ranked[count].number = number_of_entry(entry);
        else if (kind != KIND_TEXT)
            ranked[count].integer = entry->integer;
        count++;
    }
    *ret_count = kind == KIND_TEXT ? count : merge_equal(ranked, count);
    return ranked;
}

static json_t *top_json(enum column_kind kind, struct ranked *ranked, size_t count)
{
    json_t *top = json_array();
    qsort(ranked, count, sizeof *ranked, compare_ranks);
    for (size_t i = 0; i < count && i < TOP_VALUES; i++) {
        const struct tally_entry *entry = ranked[i].entry;
        struct value value = {.class = entry->class, .integer = entry->integer};
        json_t *shown = value_json(kind, value, ranked[i].text, entry->text_len, entry->is_cut);
        json_array_append_new(top, json_pack("{s:o, s:I}", "value", shown, "count", (json_int_t)ranked[i].count));
    }
    return top;
}

json_t *column_json(struct column *column, const char *name)
{
    finish(column);
    enum column_kind kind = kind_of(column);
    bool is_exact = !column->tally.is_lossy;
    uint64_t values = count_values(column);
    size_t distinct;
    SU_AUTO_FREE struct ranked *ranked = rank(column, kind, &distinct);
    double estimate = is_exact ? (double)distinct : fmin(round(hyperloglog_estimate(&column->sketch)), (double)values);
    json_t *json = json_pack("{s:s, s:s, s:I, s:I}", "name", name, "type", kind_names[kind], "count", (json_int_t)values, "nulls",
                             (json_int_t)(column->empties + column->counts[VALUE_NULL]));
    set_extremes(column, kind, json);
    json_object_set_new(json, "mean", mean_json(column, kind));
    json_object_set_new(json, "distinct", json_integer((json_int_t)estimate));
    json_object_set_new(json, "distinct_exact", json_boolean(is_exact));
    json_object_set_new(json, "top", top_json(kind, ranked, distinct));
    return json;
}
