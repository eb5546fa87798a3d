/* Series: see series.h.  Layer aggregate; pure. */
#include "series_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_MIN_US = 1000 };

uint64_t series_bytes(const struct series_spec *spec)
{
    return sizeof(struct series) +
           (uint64_t)spec->field_count * (spec->by ? spec->keys_max : 1) * spec->points * sizeof(struct bucket);
}

/* ------------------------------------------------------------------- life */

/* The least step at which [low, high] has room. */
static void fit(struct series *series, int64_t low_us, int64_t high_us)
{
    for (;; series->step_us *= 2) {
        series->first = series_floor(low_us, series->step_us);
        series->last = series_floor(high_us, series->step_us);
        if (series->last - series->first < series->spec->points)
            return;
    }
}

struct series *series_new(const struct series_spec *spec, int64_t low_us, int64_t high_us)
{
    struct series *series = su_alloc(sizeof *series);
    uint32_t keys = spec->by ? spec->keys_max : 1;
    series->spec = spec;
    series->step_us = STEP_MIN_US;
    series->first = 0;
    series->last = -1;
    series->low_us = INT64_MAX;
    series->high_us = INT64_MIN;
    series->rings = su_alloc(keys * spec->field_count * sizeof(struct bucket *));
    series->chosen = su_alloc(keys * sizeof *series->chosen);
    series->groups = groups_new(&series->spec->by, spec->by ? 1 : 0, SERIES_KEYS_SEEN_MAX);
    series->key_count = spec->by ? 0 : 1;
    if (spec->last_us) {
        fit(series, -spec->last_us, 0);
        if (high_us != INT64_MIN) {
            series->last = series_floor(high_us, series->step_us);
            series->first = series_floor(high_us - spec->last_us, series->step_us);
        } else {
            series->first = 0;
            series->last = -1;
        }
        return series;
    }
    if (spec->from_us != INT64_MIN)
        low_us = spec->from_us;
    if (spec->to_us != INT64_MAX)
        high_us = spec->to_us - 1;
    if (low_us != INT64_MIN && low_us <= high_us)
        fit(series, low_us, high_us);
    return series;
}

void series_free(struct series *series)
{
    if (!series)
        return;
    for (size_t i = 0; i < (series->spec->by ? series->spec->keys_max : 1) * series->spec->field_count; i++)
        free(series->rings[i]);
    for (size_t i = 0; i < series->spec->field_count; i++)
        free(series->lanes[i].of_code);
    free(series->rings);
    free(series->chosen);
    free(series->of_group);
    free(series->counted);
    groups_free(series->groups);
    free(series);
}

/* ---------------------------------------------------------------- the range */

static void merge(struct bucket *into, const struct bucket *from)
{
    if (!from->count)
        return;
    if (!into->count)
        *into = *from;
    into->min = from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    if (from->last_us >= into->last_us) {
        into->last = from->last;
        into->last_us = from->last_us;
    }
    if (into != from && __builtin_add_overflow(into->count, from->count, &into->count))
        into->count = UINT32_MAX;
}

/* Two buckets become one. */
static void halve(struct series *series)
{
    uint32_t points = series->spec->points;
    int64_t first = series_floor(series->first, 2);
    for (size_t i = 0; i < series->key_count * series->spec->field_count; i++) {
        struct bucket *old = series->rings[i];
        if (!old)
            continue;
        struct bucket *made = su_alloc(points * sizeof *made);
        for (int64_t n = series->first; n <= series->last; n++) {
            struct bucket *into = &made[series_slot(series, series_floor(n, 2))];
            const struct bucket *from = &old[series_slot(series, n)];
            if (into->count)
                merge(into, from);
            else
                *into = *from;
        }
        series->rings[i] = made;
        free(old);
    }
    series->first = first;
    series->last = series_floor(series->last, 2);
    series->step_us *= 2;
    series->is_rescaled = true;
}

static void forget(struct series *series, int64_t from, int64_t to)
{
    if (to - from >= series->spec->points)
        from = to - series->spec->points;
    for (size_t i = 0; i < series->key_count * series->spec->field_count; i++)
        for (int64_t n = from; n < to && series->rings[i]; n++)
            series->rings[i][series_slot(series, n)] = (struct bucket){0};
}

/* There is room for an event at this time, if the range may hold it. */
static void reach(struct series *series, int64_t time_us)
{
    const struct series_spec *spec = series->spec;
    int64_t n = series_floor(time_us, series->step_us);
    if (n >= series->first && n <= series->last)
        return;
    if (series->first > series->last) {
        series->last = n;
        series->first = spec->last_us ? series_floor(time_us - spec->last_us, series->step_us) : n;
        return;
    }
    if (spec->last_us) {
        if (n < series->first)
            return;
        forget(series, series->last + 1, n + 1);
        series->last = n;
        series->first = series_floor(time_us - spec->last_us, series->step_us);
        return;
    }
    while (n < series->first ? series->last - n >= spec->points : n - series->first >= spec->points) {
        halve(series);
        n = series_floor(time_us, series->step_us);
    }
    if (n < series->first)
        series->first = n;
    if (n > series->last)
        series->last = n;
}

/* --------------------------------------------------------------------- keys */

static void make_room(struct series *series)
{
    uint32_t needed = groups_count(series->groups), from = series->group_room;
    if (needed <= from)
        return;
    while (series->group_room < needed)
        series->group_room = series->group_room ? 2 * series->group_room : 64;
    series->of_group = su_realloc(series->of_group, series->group_room * sizeof *series->of_group);
    series->counted = su_realloc(series->counted, series->group_room * sizeof *series->counted);
    memset(series->of_group + from, 0xff, (series->group_room - from) * sizeof *series->of_group);
    memset(series->counted + from, 0, (series->group_room - from) * sizeof *series->counted);
}

static uint32_t choose(struct series *series, uint32_t group)
{
    if (series->key_count == series->spec->keys_max) {
        series->left_out++;
        return series->of_group[group] = SERIES_NO_KEY;
    }
    series->chosen[series->key_count] = group;
    return series->of_group[group] = series->key_count++;
}

void series_choose_keys(struct series *series)
{
    uint32_t count = groups_count(series->groups);
    for (uint32_t taken = 0; taken < series->spec->keys_max; taken++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t group = 0; group < count; group++)
            if (series->of_group[group] == SERIES_NEW_KEY && series->counted[group] &&
                (best == UINT32_MAX || series->counted[group] > series->counted[best] ||
                 (series->counted[group] == series->counted[best] && groups_compare(series->groups, group, best) < 0)))
                best = group;
        if (best == UINT32_MAX)
            break;
        choose(series, best);
    }
    for (uint32_t group = 0; group < count; group++)
        if (series->of_group[group] == SERIES_NEW_KEY && series->counted[group])
            choose(series, group);
}

/* --------------------------------------------------------------------- rows */

struct chunk {
    const struct block *block;
    uint32_t from, count;
    int64_t times[ROLLUP_CHUNK], flags[ROLLUP_CHUNK];
    int32_t slots[ROLLUP_CHUNK];        /* −1: not in the range */
    uint32_t groups[ROLLUP_CHUNK];
    double values[ROLLUP_CHUNK];
};

static bool is_within(const struct series *series, int64_t time_us)
{
    return time_us >= series->spec->from_us && time_us < series->spec->to_us;
}

/* slots: 0 for rows that are messages of the range, −1 for others.  Least and greatest time of the former. */
static bool read_times(const struct series *series, struct chunk *chunk, int64_t *ret_low, int64_t *ret_high)
{
    const struct block_column *time = block_role_column(chunk->block, BLOCK_TIME);
    const struct block_column *flag = block_role_column(chunk->block, BLOCK_FLAG);
    int64_t low = INT64_MAX, high = INT64_MIN;
    if (!time)
        return false;
    block_ints(time, chunk->from, chunk->count, chunk->times);
    if (flag)
        block_ints(flag, chunk->from, chunk->count, chunk->flags);
    for (uint32_t i = 0; i < chunk->count; i++) {
        int64_t at = chunk->times[i];
        bool is_in = is_within(series, at) && (!flag || chunk->flags[i] == BLOCK_MESSAGE);
        chunk->slots[i] = is_in ? 0 : -1;
        low = is_in && at < low ? at : low;
        high = is_in && at > high ? at : high;
    }
    *ret_low = low;
    *ret_high = high;
    return low <= high;
}

static void find_slots(struct series *series, struct chunk *chunk)
{
    int64_t begin_us = 0, end_us = 0;
    int32_t slot = -1;
    for (uint32_t i = 0; i < chunk->count; i++) {
        int64_t at = chunk->times[i];
        if (chunk->slots[i] < 0)
            continue;
        if (at < begin_us || at >= end_us) {
            int64_t n = series_floor(at, series->step_us);
            begin_us = n * series->step_us;
            end_us = begin_us + series->step_us;
            slot = n < series->first || n > series->last ? -1 : (int32_t)series_slot(series, n);
        }
        chunk->slots[i] = slot;
        series->messages += slot >= 0;
    }
}

static bool read_groups(struct series *series, struct chunk *chunk, bool is_new, struct su_err *err)
{
    if (!series->spec->by)
        return true;
    if (!groups_of(series->groups, chunk->block, is_new, chunk->from, chunk->count, chunk->groups, err))
        return false;
    make_room(series);
    return true;
}

static void find_keys(struct series *series, struct chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->count; i++) {
        if (chunk->slots[i] < 0)
            continue;
        uint32_t key = series->of_group[chunk->groups[i]];
        if (key == SERIES_NEW_KEY)
            key = choose(series, chunk->groups[i]);
        if (key == SERIES_NO_KEY)
            chunk->slots[i] = -1;
        chunk->groups[i] = key;
    }
}

static void begin_lane(struct series_lane *lane, const struct block *block, const char *field)
{
    free(lane->of_code);
    lane->of_code = NULL;
    lane->column = rollup_column(block, su_str_of(field));
    uint32_t count = lane->column && lane->column->kind == BLOCK_TEXT ? block_dictionary_count(lane->column) : 0;
    if (!count)
        return;
    lane->of_code = su_alloc(count * sizeof *lane->of_code);
    for (uint32_t code = 0; code < count; code++)
        lane->of_code[code] = rollup_number(block_dictionary(lane->column, code));
}

static bool read_values(const struct series_lane *lane, struct chunk *chunk)
{
    uint32_t codes[ROLLUP_CHUNK];
    if (!lane->column || lane->column->kind == BLOCK_JSON)
        return false;
    if (lane->column->kind != BLOCK_TEXT) {
        block_floats(lane->column, chunk->from, chunk->count, chunk->values);
        return true;
    }
    bool is_coded = lane->of_code && block_codes(lane->column, chunk->from, chunk->count, codes);
    for (uint32_t i = 0; i < chunk->count; i++)
        if (is_coded)
            chunk->values[i] = codes[i] == UINT32_MAX ? NAN : lane->of_code[codes[i]];
        else
            chunk->values[i] = block_is_null(lane->column, chunk->from + i)
                                   ? NAN
                                   : rollup_number(block_text(lane->column, chunk->from + i));
    return true;
}

static inline void take(struct bucket *bucket, double value, int64_t time_us)
{
    if (!bucket->count) {
        *bucket = (struct bucket){value, value, value, time_us, 1, true};
        return;
    }
    bucket->min = value < bucket->min ? value : bucket->min;
    bucket->max = value > bucket->max ? value : bucket->max;
    if (time_us >= bucket->last_us) {
        bucket->last = value;
        bucket->last_us = time_us;
    }
    bucket->count += bucket->count < UINT32_MAX;
    bucket->is_changed = true;
}

static struct bucket *ring_of(struct series *series, uint32_t key, size_t field)
{
    struct bucket **ring = &series->rings[key * series->spec->field_count + field];
    if (!*ring)
        *ring = su_alloc(series->spec->points * sizeof **ring);
    return *ring;
}

static void take_values(struct series *series, const struct chunk *chunk, size_t field)
{
    struct bucket *ring = series->spec->by ? NULL : ring_of(series, 0, field);
    uint32_t key = SERIES_NEW_KEY;
    for (uint32_t i = 0; i < chunk->count; i++) {
        if (chunk->slots[i] < 0 || !isfinite(chunk->values[i]))
            continue;
        if (series->spec->by && chunk->groups[i] != key)
            ring = ring_of(series, key = chunk->groups[i], field);
        take(&ring[chunk->slots[i]], chunk->values[i], chunk->times[i]);
    }
}

static bool add_chunk(struct series *series, struct chunk *chunk, bool is_new, struct su_err *err)
{
    int64_t low, high;
    if (!read_groups(series, chunk, is_new, err))
        return false;
    if (!read_times(series, chunk, &low, &high))
        return true;
    reach(series, high);
    reach(series, low);
    series->low_us = low < series->low_us ? low : series->low_us;
    series->high_us = high > series->high_us ? high : series->high_us;
    find_slots(series, chunk);
    if (series->spec->by)
        find_keys(series, chunk);
    for (size_t field = 0; field < series->spec->field_count; field++)
        if (read_values(&series->lanes[field], chunk))
            take_values(series, chunk, field);
    return true;
}

bool series_add(struct series *series, const struct block *block, uint32_t from, uint32_t to, struct su_err *err)
{
    struct chunk chunk = {.block = block};
    for (size_t field = 0; field < series->spec->field_count; field++)
        begin_lane(&series->lanes[field], block, series->spec->fields[field]);
    for (uint32_t at = from; at < to; at += ROLLUP_CHUNK) {
        chunk.from = at;
        chunk.count = to - at < ROLLUP_CHUNK ? to - at : ROLLUP_CHUNK;
        if (!add_chunk(series, &chunk, at == from, err))
            return false;
    }
    return true;
}

bool series_count_keys(struct series *series, const struct block *block, uint32_t from, uint32_t to, struct su_err *err)
{
    struct chunk chunk = {.block = block};
    int64_t low, high;
    for (uint32_t at = from; at < to; at += ROLLUP_CHUNK) {
        chunk.from = at;
        chunk.count = to - at < ROLLUP_CHUNK ? to - at : ROLLUP_CHUNK;
        if (!read_groups(series, &chunk, at == from, err))
            return false;
        if (!read_times(series, &chunk, &low, &high))
            continue;
        int64_t begin_us = series->spec->last_us ? series->first * series->step_us : INT64_MIN;
        for (uint32_t i = 0; i < chunk.count; i++)
            if (chunk.slots[i] >= 0 && chunk.times[i] >= begin_us)
                series->counted[chunk.groups[i]]++;
    }
    return true;
}
