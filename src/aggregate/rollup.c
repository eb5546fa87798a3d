/* Roll-ups: see rollup.h.  Layer aggregate; pure. */
#include "rollup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollup_groups.h"
#include "store/block_order.h"

enum { GROUPS_MAX = 100000 };
static const uint64_t values_standard = 4u << 20;
static const double exact_max = 9007199254740992.0; /* 2^53: whole numbers up to here are exact as doubles */

/* What a field's aggregates need of its values. */
enum need { NEED_SUM = 1, NEED_RANGE = 2, NEED_SPREAD = 4, NEED_VALUES = 8, NEED_FIRST = 16, NEED_LAST = 32 };

/* One group's numbers of one field. */
struct cell {
    uint64_t count; /* not null */
    uint64_t numbers;
    int64_t whole; /* sum of whole numbers; */
    double part;   /* of the others, and what whole could not hold */
    int64_t int_min, int_max;
    double part_min, part_max; /* of those that are not whole */
    bool has_int, has_part;
};
struct spread {
    double mean, squares;
    uint64_t count;
};
struct ends {
    struct block_value first, last;
};

/* A field in the current chunk. */
enum form { FORM_ABSENT, FORM_INTS, FORM_FLOATS, FORM_CODED, FORM_TEXTS, FORM_OTHER };
struct lane {
    struct su_str path;
    unsigned needs;
    const struct block_column *column;
    enum form form;
    double *of_code;           /* numbers of the dictionary's texts; NaN: not a number */
    bool is_decoded, is_exact; /* exact: ints hold the numbers, else floats */
    int64_t ints[ROLLUP_CHUNK];
    double floats[ROLLUP_CHUNK];
    uint32_t codes[ROLLUP_CHUNK];
    bool is_there[ROLLUP_CHUNK], is_number[ROLLUP_CHUNK];
    bool all_numbers;
};

struct rollup {
    const struct rollup_spec *spec;
    int64_t window_us;
    uint32_t groups_max;
    uint64_t values_max;
    struct groups *groups;
    struct lane *lanes;
    size_t lane_count;
    int lane_of[ROLLUP_AGGREGATES_MAX]; /* −1: none */
    const struct block *block;
    uint32_t from, count;
    uint32_t group_of[ROLLUP_CHUNK], all[ROLLUP_CHUNK];
};

struct kept {
    double value;
    uint32_t group;
};
struct pane_lane {
    struct cell *cells;
    struct spread *spreads;
    struct ends *ends;
    uint32_t *last_row; /* in the chunk; UINT32_MAX: none */
    struct kept *kept;
    uint64_t kept_count, kept_capacity;
    double *sorted;   /* kept, group by group, once finished */
    uint64_t *begins; /* by group, where its values are */
};
struct rollup_pane {
    const struct rollup *rollup;
    uint32_t capacity; /* groups that there is room for */
    uint64_t *rows;    /* by group */
    struct pane_lane *lanes;
    uint32_t *order; /* groups with rows, by key */
    uint32_t order_count;
};

/* ------------------------------------------------------------------- life */

static unsigned needs_of(enum rollup_function function)
{
    switch (function) {
    case ROLLUP_SUM:
    case ROLLUP_AVG:
    case ROLLUP_RATE:
        return NEED_SUM;
    case ROLLUP_MIN:
    case ROLLUP_MAX:
        return NEED_RANGE;
    case ROLLUP_STDDEV:
    case ROLLUP_VARIANCE:
        return NEED_SPREAD;
    case ROLLUP_PERCENTILE:
        return NEED_VALUES;
    case ROLLUP_FIRST:
        return NEED_FIRST;
    case ROLLUP_LAST:
        return NEED_LAST;
    case ROLLUP_COUNT:
    case ROLLUP_FUNCTION_COUNT:
        break;
    }
    return 0;
}

static int lane_for(struct rollup *rollup, const char *field)
{
    if (!field)
        return -1;
    for (size_t i = 0; i < rollup->lane_count; i++)
        if (su_str_equal(rollup->lanes[i].path, su_str_of(field)))
            return (int)i;
    rollup->lanes[rollup->lane_count].path = su_str_of(field);
    return (int)rollup->lane_count++;
}

struct rollup *rollup_new(const struct rollup_spec *spec, int64_t window_us, const struct rollup_limits *limits)
{
    struct rollup *rollup = su_alloc(sizeof *rollup);
    rollup->spec = spec;
    rollup->window_us = window_us;
    rollup->groups_max = limits && limits->groups_max ? limits->groups_max : GROUPS_MAX;
    rollup->values_max = limits && limits->values_max ? limits->values_max : values_standard;
    rollup->groups = groups_new(spec->by, spec->by_count, rollup->groups_max);
    rollup->lanes = su_alloc((spec->count + 1) * sizeof *rollup->lanes);
    for (size_t i = 0; i < spec->count; i++) {
        rollup->lane_of[i] = lane_for(rollup, spec->aggregates[i].field);
        if (rollup->lane_of[i] >= 0)
            rollup->lanes[rollup->lane_of[i]].needs |= needs_of(spec->aggregates[i].function);
    }
    for (uint32_t i = 0; i < ROLLUP_CHUNK; i++)
        rollup->all[i] = i;
    return rollup;
}

void rollup_free(struct rollup *rollup)
{
    if (!rollup)
        return;
    for (size_t i = 0; i < rollup->lane_count; i++)
        free(rollup->lanes[i].of_code);
    free(rollup->lanes);
    groups_free(rollup->groups);
    free(rollup);
}

struct rollup_pane *rollup_pane_new(struct rollup *rollup)
{
    struct rollup_pane *pane = su_alloc(sizeof *pane);
    pane->rollup = rollup;
    pane->lanes = su_alloc((rollup->lane_count + 1) * sizeof *pane->lanes);
    return pane;
}

static void drop_value(struct block_value *value)
{
    if (value->kind == BLOCK_TEXT || value->kind == BLOCK_JSON)
        free((char *)(uintptr_t)value->text.ptr);
    *value = (struct block_value){0};
}

static void drop_ends(struct rollup_pane *pane)
{
    for (size_t i = 0; i < pane->rollup->lane_count; i++)
        for (uint32_t group = 0; pane->lanes[i].ends && group < pane->capacity; group++) {
            drop_value(&pane->lanes[i].ends[group].first);
            drop_value(&pane->lanes[i].ends[group].last);
        }
}

void rollup_pane_clear(struct rollup_pane *pane)
{
    drop_ends(pane);
    for (size_t i = 0; i < pane->rollup->lane_count; i++) {
        struct pane_lane *lane = &pane->lanes[i];
        if (lane->cells)
            memset(lane->cells, 0, pane->capacity * sizeof *lane->cells);
        if (lane->spreads)
            memset(lane->spreads, 0, pane->capacity * sizeof *lane->spreads);
        lane->kept_count = 0;
        free(lane->sorted);
        free(lane->begins);
        lane->sorted = NULL;
        lane->begins = NULL;
    }
    if (pane->rows)
        memset(pane->rows, 0, pane->capacity * sizeof *pane->rows);
    pane->order_count = 0;
}

void rollup_pane_free(struct rollup_pane *pane)
{
    if (!pane)
        return;
    drop_ends(pane);
    for (size_t i = 0; i < pane->rollup->lane_count; i++) {
        struct pane_lane *lane = &pane->lanes[i];
        free(lane->cells);
        free(lane->spreads);
        free(lane->ends);
        free(lane->last_row);
        free(lane->kept);
        free(lane->sorted);
        free(lane->begins);
    }
    free(pane->lanes);
    free(pane->rows);
    free(pane->order);
    free(pane);
}

static void *widen(void *old, size_t item, uint32_t from, uint32_t to)
{
    char *made = su_realloc(old, item * to);
    memset(made + item * from, 0, item * (to - from));
    return made;
}

static void make_room(struct rollup_pane *pane, uint32_t groups)
{
    if (groups <= pane->capacity)
        return;
    uint32_t from = pane->capacity, to = from ? from : 64;
    while (to < groups)
        to *= 2;
    pane->rows = widen(pane->rows, sizeof *pane->rows, from, to);
    for (size_t i = 0; i < pane->rollup->lane_count; i++) {
        struct pane_lane *lane = &pane->lanes[i];
        unsigned needs = pane->rollup->lanes[i].needs;
        lane->cells = widen(lane->cells, sizeof *lane->cells, from, to);
        if (needs & NEED_SPREAD)
            lane->spreads = widen(lane->spreads, sizeof *lane->spreads, from, to);
        if (needs & (NEED_FIRST | NEED_LAST))
            lane->ends = widen(lane->ends, sizeof *lane->ends, from, to);
        if (needs & NEED_LAST) {
            lane->last_row = su_realloc(lane->last_row, to * sizeof *lane->last_row);
            memset(lane->last_row + from, 0xff, (to - from) * sizeof *lane->last_row);
        }
    }
    pane->capacity = to;
}

/* ----------------------------------------------------------- fields of a chunk */

double rollup_number(struct su_str text)
{
    char copy[64], *end;
    text = su_str_trim(text);
    if (text.len == 0 || text.len >= sizeof copy || !memchr("+-.0123456789", text.ptr[0], 13))
        return NAN;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double number = strtod(copy, &end);
    return *end == '\0' && isfinite(number) && !strpbrk(copy, "xXnN") ? number : NAN;
}

static void begin_lane(struct lane *lane, const struct block *block)
{
    free(lane->of_code);
    lane->of_code = NULL;
    lane->column = rollup_column(block, lane->path);
    lane->form = FORM_ABSENT;
    if (!lane->column)
        return;
    switch (lane->column->kind) {
    case BLOCK_INT:
    case BLOCK_BOOL:
        lane->form = FORM_INTS;
        break;
    case BLOCK_FLOAT:
        lane->form = FORM_FLOATS;
        break;
    case BLOCK_JSON:
        lane->form = FORM_OTHER;
        break;
    case BLOCK_TEXT: {
        uint32_t count = block_dictionary_count(lane->column);
        lane->form = count ? FORM_CODED : FORM_TEXTS;
        lane->of_code = su_alloc((count + 1) * sizeof *lane->of_code);
        for (uint32_t code = 0; code < count; code++)
            lane->of_code[code] = rollup_number(block_dictionary(lane->column, code));
        break;
    }
    }
}

static void set_numbers(struct lane *lane, uint32_t count)
{
    lane->all_numbers = true;
    for (uint32_t i = 0; i < count; i++) {
        lane->is_number[i] = lane->is_there[i] && !isnan(lane->floats[i]);
        lane->all_numbers = lane->all_numbers && lane->is_number[i];
    }
}

static void decode(struct lane *lane, uint32_t from, uint32_t count)
{
    lane->is_decoded = true;
    lane->is_exact = lane->form == FORM_INTS;
    for (uint32_t i = 0; i < count; i++)
        lane->is_there[i] =
            lane->form != FORM_ABSENT && !(lane->column->has_nulls && block_is_null(lane->column, from + i));
    switch (lane->form) {
    case FORM_INTS:
        block_ints(lane->column, from, count, lane->ints);
        memcpy(lane->is_number, lane->is_there, count);
        lane->all_numbers = !lane->column->has_nulls;
        return;
    case FORM_FLOATS:
        block_floats(lane->column, from, count, lane->floats);
        break;
    case FORM_CODED:
        block_codes(lane->column, from, count, lane->codes);
        for (uint32_t i = 0; i < count; i++)
            lane->floats[i] = lane->codes[i] == UINT32_MAX ? NAN : lane->of_code[lane->codes[i]];
        break;
    case FORM_TEXTS:
        for (uint32_t i = 0; i < count; i++)
            lane->floats[i] = lane->is_there[i] ? rollup_number(block_text(lane->column, from + i)) : NAN;
        break;
    case FORM_ABSENT:
    case FORM_OTHER:
        for (uint32_t i = 0; i < count; i++)
            lane->floats[i] = NAN;
        break;
    }
    set_numbers(lane, count);
}

bool rollup_chunk(struct rollup *rollup, const struct block *block, bool is_new, uint32_t from, uint32_t count,
                  struct su_err *err)
{
    rollup->block = block;
    rollup->from = from;
    rollup->count = count;
    for (size_t i = 0; i < rollup->lane_count; i++) {
        if (is_new)
            begin_lane(&rollup->lanes[i], block);
        rollup->lanes[i].is_decoded = false;
    }
    return groups_of(rollup->groups, block, is_new, from, count, rollup->group_of, err);
}

/* -------------------------------------------------------------- adding rows */

static void add_whole(struct cell *cell, int64_t value)
{
    if (__builtin_add_overflow(cell->whole, value, &cell->whole)) {
        cell->part += (double)cell->whole + (value < 0 ? -18446744073709551616.0 : 18446744073709551616.0);
        cell->whole = 0;
    }
}

static void range_int(struct cell *cell, int64_t value)
{
    if (!cell->has_int || value < cell->int_min)
        cell->int_min = value;
    if (!cell->has_int || value > cell->int_max)
        cell->int_max = value;
    cell->has_int = true;
}

static void range_part(struct cell *cell, double value)
{
    if (!cell->has_part || value < cell->part_min)
        cell->part_min = value;
    if (!cell->has_part || value > cell->part_max)
        cell->part_max = value;
    cell->has_part = true;
}

/* Whole numbers are counted as such, however their block holds them: so sealing changes no answer. */
static bool is_whole(double value)
{
    return value >= -exact_max && value <= exact_max && (double)(int64_t)value == value;
}

static void add_int(struct cell *cell, unsigned needs, int64_t value)
{
    cell->numbers++;
    if (needs & NEED_SUM)
        add_whole(cell, value);
    if (needs & NEED_RANGE)
        range_int(cell, value);
}

static void add_float(struct cell *cell, unsigned needs, double value)
{
    if (is_whole(value)) {
        add_int(cell, needs, (int64_t)value);
        return;
    }
    cell->numbers++;
    if (needs & NEED_SUM)
        cell->part += value;
    if (needs & NEED_RANGE)
        range_part(cell, value);
}

static void add_numbers(const struct rollup *rollup, const struct lane *lane, struct cell *cells,
                        const uint32_t *picked, uint32_t count)
{
    const uint32_t *group_of = rollup->group_of;
    unsigned needs = lane->needs;
    if (lane->is_exact)
        for (uint32_t i = 0; i < count; i++) {
            uint32_t row = picked[i];
            if (lane->all_numbers || lane->is_number[row])
                add_int(&cells[group_of[row]], needs, lane->ints[row]);
        }
    else
        for (uint32_t i = 0; i < count; i++) {
            uint32_t row = picked[i];
            if (lane->all_numbers || lane->is_number[row])
                add_float(&cells[group_of[row]], needs, lane->floats[row]);
        }
}

static double number_in(const struct lane *lane, uint32_t row)
{
    return lane->is_exact ? (double)lane->ints[row] : lane->floats[row];
}

static void add_spread(const struct rollup *rollup, const struct lane *lane, struct spread *spreads,
                       const uint32_t *picked, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!lane->is_number[picked[i]])
            continue;
        struct spread *spread = &spreads[rollup->group_of[picked[i]]];
        double value = number_in(lane, picked[i]), off = value - spread->mean;
        spread->mean += off / (double)++spread->count;
        spread->squares += off * (value - spread->mean);
    }
}

static bool keep_values(const struct rollup *rollup, const struct lane *lane, struct pane_lane *pane,
                        const uint32_t *picked, uint32_t count, struct su_err *err)
{
    if (pane->kept_count + count > pane->kept_capacity) {
        pane->kept_capacity = pane->kept_capacity ? 2 * pane->kept_capacity : 4 * ROLLUP_CHUNK;
        pane->kept = su_realloc(pane->kept, pane->kept_capacity * sizeof *pane->kept);
    }
    for (uint32_t i = 0; i < count; i++)
        if (lane->is_number[picked[i]])
            pane->kept[pane->kept_count++] = (struct kept){number_in(lane, picked[i]), rollup->group_of[picked[i]]};
    if (pane->kept_count <= rollup->values_max)
        return true;
    su_fail_field(err, SU_LIMIT, "aggregates", "percentiles of \"%.128s\": more than %llu values in one window",
                  lane->path.ptr, (unsigned long long)rollup->values_max);
    return su_hint(err, "take shorter windows");
}

static struct block_value copy_of(const struct lane *lane, uint32_t row)
{
    struct block_value value = block_value(lane->column, row);
    if (value.kind == BLOCK_TEXT || value.kind == BLOCK_JSON)
        value.text.ptr = su_strndup(value.text.ptr, value.text.len);
    return value;
}

static void add_ends(const struct rollup *rollup, const struct lane *lane, struct pane_lane *pane,
                     const uint32_t *picked, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = picked[i], group = rollup->group_of[row];
        if (!lane->is_there[row])
            continue;
        if ((lane->needs & NEED_FIRST) && !pane->ends[group].first.kind)
            pane->ends[group].first = copy_of(lane, rollup->from + row);
        if (lane->needs & NEED_LAST)
            pane->last_row[group] = row;
    }
    for (uint32_t i = 0; (lane->needs & NEED_LAST) && i < count; i++) {
        uint32_t row = picked[i], group = rollup->group_of[row];
        if (pane->last_row[group] != row)
            continue;
        drop_value(&pane->ends[group].last);
        pane->ends[group].last = copy_of(lane, rollup->from + row);
        pane->last_row[group] = UINT32_MAX;
    }
}

static bool take_lane(struct rollup *rollup, struct lane *lane, struct pane_lane *pane, const uint32_t *picked,
                      uint32_t count, struct su_err *err)
{
    if (!lane->is_decoded)
        decode(lane, rollup->from, rollup->count);
    if (lane->form == FORM_ABSENT)
        return true;
    for (uint32_t i = 0; i < count; i++)
        pane->cells[rollup->group_of[picked[i]]].count += lane->is_there[picked[i]];
    if (lane->needs & (NEED_SUM | NEED_RANGE))
        add_numbers(rollup, lane, pane->cells, picked, count);
    if (lane->needs & NEED_SPREAD)
        add_spread(rollup, lane, pane->spreads, picked, count);
    if (lane->needs & (NEED_FIRST | NEED_LAST))
        add_ends(rollup, lane, pane, picked, count);
    return !(lane->needs & NEED_VALUES) || keep_values(rollup, lane, pane, picked, count, err);
}

bool rollup_take(struct rollup *rollup, struct rollup_pane *pane, const uint32_t *picked, uint32_t count,
                 struct su_err *err)
{
    if (!picked) {
        picked = rollup->all;
        count = rollup->count;
    }
    make_room(pane, groups_count(rollup->groups));
    for (uint32_t i = 0; i < count; i++)
        pane->rows[rollup->group_of[picked[i]]]++;
    for (size_t i = 0; i < rollup->lane_count; i++)
        if (!take_lane(rollup, &rollup->lanes[i], &pane->lanes[i], picked, count, err))
            return false;
    return true;
}

bool rollup_add(struct rollup *rollup, struct rollup_pane *pane, const struct block *block, uint32_t from, uint32_t to,
                int64_t start_us, int64_t end_us, struct su_err *err)
{
    const struct block_column *time = block_role_column(block, BLOCK_TIME),
                              *flag = block_role_column(block, BLOCK_FLAG);
    bool is_within = !time || (block->min_us >= start_us && block->max_us < end_us);
    for (uint32_t at = from; at < to; at += ROLLUP_CHUNK) {
        int64_t times[ROLLUP_CHUNK], flags[ROLLUP_CHUNK];
        uint32_t picked[ROLLUP_CHUNK], count = to - at < ROLLUP_CHUNK ? to - at : ROLLUP_CHUNK, taken = 0;
        if (!rollup_chunk(rollup, block, at == from, at, count, err))
            return false;
        if (!is_within)
            block_ints(time, at, count, times);
        if (flag)
            block_ints(flag, at, count, flags);
        for (uint32_t i = 0; (flag || !is_within) && i < count; i++) {
            picked[taken] = i;
            taken += (!flag || flags[i] == BLOCK_MESSAGE) && (is_within || (times[i] >= start_us && times[i] < end_us));
        }
        if (!rollup_take(rollup, pane, flag || !is_within ? picked : NULL, taken, err))
            return false;
    }
    return true;
}

/* --------------------------------------------------------------- the answer */

struct sorting {
    const struct groups *groups;
};

static int by_key(const void *a, const void *b, void *arg)
{
    return groups_compare(((const struct sorting *)arg)->groups, *(const uint32_t *)a, *(const uint32_t *)b);
}

/* The kept values, group by group. */
static void part_values(struct rollup_pane *pane, struct pane_lane *lane)
{
    lane->begins = su_alloc((pane->capacity + 2ul) * sizeof *lane->begins);
    lane->sorted = su_alloc((lane->kept_count + 1) * sizeof *lane->sorted);
    for (uint64_t i = 0; i < lane->kept_count; i++)
        lane->begins[lane->kept[i].group + 2]++;
    for (uint32_t group = 0; group < pane->capacity; group++)
        lane->begins[group + 2] += lane->begins[group + 1];
    for (uint64_t i = 0; i < lane->kept_count; i++)
        lane->sorted[lane->begins[lane->kept[i].group + 1]++] = lane->kept[i].value;
}

size_t rollup_finish(struct rollup *rollup, struct rollup_pane *pane)
{
    struct sorting sorting = {rollup->groups};
    pane->order = su_realloc(pane->order, (pane->capacity + 1ul) * sizeof *pane->order);
    pane->order_count = 0;
    for (uint32_t group = 0; group < pane->capacity; group++)
        if (pane->rows[group])
            pane->order[pane->order_count++] = group;
    if (rollup->spec->by_count)
        qsort_r(pane->order, pane->order_count, sizeof *pane->order, by_key, &sorting);
    for (size_t i = 0; i < rollup->lane_count; i++)
        if ((rollup->lanes[i].needs & NEED_VALUES) && !pane->lanes[i].sorted)
            part_values(pane, &pane->lanes[i]);
    return pane->order_count;
}

struct block_value rollup_key(const struct rollup *rollup, const struct rollup_pane *pane, size_t row, size_t by)
{
    return groups_key(rollup->groups, pane->order[row], by);
}

static struct block_value int_value(int64_t value) { return (struct block_value){.kind = BLOCK_INT, .integer = value}; }
static struct block_value float_value(double value)
{
    return isfinite(value) ? (struct block_value){.kind = BLOCK_FLOAT, .number = value} : (struct block_value){0};
}

static double total(const struct cell *cell) { return (double)cell->whole + cell->part; }

static struct block_value extreme(const struct cell *cell, bool is_max)
{
    double part = is_max ? cell->part_max : cell->part_min;
    int64_t whole = is_max ? cell->int_max : cell->int_min;
    if (!cell->has_int && !cell->has_part)
        return (struct block_value){0};
    if (!cell->has_part || (cell->has_int && (is_max ? (double)whole >= part : (double)whole <= part)))
        return int_value(whole);
    return float_value(part);
}

static struct block_value of_cell(const struct rollup *rollup, const struct rollup_aggregate *aggregate,
                                  const struct cell *cell)
{
    switch (aggregate->function) {
    case ROLLUP_COUNT:
        return int_value((int64_t)cell->count);
    case ROLLUP_SUM:
        return cell->numbers == 0 ? (struct block_value){0}
               : cell->part != 0  ? float_value(total(cell))
                                  : int_value(cell->whole);
    case ROLLUP_AVG:
        return cell->numbers ? float_value(total(cell) / (double)cell->numbers) : (struct block_value){0};
    case ROLLUP_RATE:
        return float_value(total(cell) * 1e6 / (double)rollup->window_us);
    case ROLLUP_MIN:
        return extreme(cell, false);
    case ROLLUP_MAX:
        return extreme(cell, true);
    case ROLLUP_STDDEV:
    case ROLLUP_VARIANCE:
    case ROLLUP_PERCENTILE:
    case ROLLUP_FIRST:
    case ROLLUP_LAST:
    case ROLLUP_FUNCTION_COUNT:
        break;
    }
    return (struct block_value){0};
}

struct block_value rollup_value(const struct rollup *rollup, const struct rollup_pane *pane, size_t row, size_t at)
{
    const struct rollup_aggregate *aggregate = &rollup->spec->aggregates[at];
    uint32_t group = pane->order[row];
    if (rollup->lane_of[at] < 0)
        return aggregate->function == ROLLUP_RATE
                   ? float_value((double)pane->rows[group] * 1e6 / (double)rollup->window_us)
                   : int_value((int64_t)pane->rows[group]);
    const struct pane_lane *lane = &pane->lanes[rollup->lane_of[at]];
    if (aggregate->function == ROLLUP_STDDEV || aggregate->function == ROLLUP_VARIANCE) {
        const struct spread *spread = &lane->spreads[group];
        double variance = spread->count > 1 ? spread->squares / (double)(spread->count - 1) : NAN;
        return float_value(aggregate->function == ROLLUP_STDDEV ? sqrt(variance) : variance);
    }
    if (aggregate->function == ROLLUP_PERCENTILE) {
        uint64_t from = lane->begins[group], count = lane->begins[group + 1] - from;
        return count ? float_value(block_percentile(lane->sorted + from, count, aggregate->percent))
                     : (struct block_value){0};
    }
    if (aggregate->function == ROLLUP_FIRST)
        return lane->ends[group].first;
    if (aggregate->function == ROLLUP_LAST)
        return lane->ends[group].last;
    return of_cell(rollup, aggregate, &lane->cells[group]);
}
