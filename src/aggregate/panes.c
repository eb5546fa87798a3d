/* Windows of a roll-up in one pass: see panes.h.  Layer aggregate. */
#include "panes.h"

#include <stdlib.h>
#include <string.h>

enum { OPEN_MAX = 4096 };

struct open_pane {
    int64_t start_us;
    struct rollup_pane *groups;
    uint32_t picked_count;
    uint32_t picked[ROLLUP_CHUNK];
};

struct reading {
    const struct window_spec *window;
    const struct panes_range *range;
    int64_t slide_us, span_us, high_us;
    struct rollup *rollup;
    struct open_pane **open; /* by start */
    size_t open_count;
    struct rollup_pane *spare;
    pane_fn *each;
    void *arg;
    int64_t times[ROLLUP_CHUNK], flags[ROLLUP_CHUNK];
};

/* Sums that stay within int64: a foreign time may be anything. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

/* The largest multiple of slide that is ≤ time. */
static int64_t floor_to(int64_t time, int64_t slide)
{
    int64_t quotient = time / slide - (time % slide < 0), start;
    return __builtin_mul_overflow(quotient, slide, &start) ? INT64_MIN : start;
}

int64_t panes_start(const struct window_spec *window, int64_t time_us)
{
    int64_t slide = window_slide(window), start = floor_to(time_us, slide);
    return start == time_us ? start : plus(start, slide);
}

int64_t panes_last_closed(const struct window_spec *window, int64_t high_us)
{
    int64_t span = plus(window->every_us, window->delay_us);
    return high_us == INT64_MIN ? INT64_MIN : floor_to(plus(high_us, -span), window_slide(window));
}

/* ------------------------------------------------------------------ panes */

static bool find_open(struct reading *reading, int64_t start_us, struct open_pane **ret, struct su_err *err)
{
    size_t at = reading->open_count;
    while (at > 0 && reading->open[at - 1]->start_us > start_us)
        at--;
    if (at > 0 && reading->open[at - 1]->start_us == start_us) {
        *ret = reading->open[at - 1];
        return true;
    }
    if (reading->open_count == OPEN_MAX) {
        su_fail_field(err, SU_LIMIT, "every", "every: more than %d windows are open at a time", OPEN_MAX);
        return su_hint(err, "take longer windows, a longer slide, or a shorter delay");
    }
    struct open_pane *pane = su_alloc(sizeof *pane);
    pane->start_us = start_us;
    pane->groups = reading->spare ? su_take(reading->spare) : rollup_pane_new(reading->rollup);
    memmove(reading->open + at + 1, reading->open + at, (reading->open_count - at) * sizeof(struct open_pane *));
    reading->open[at] = pane;
    reading->open_count++;
    *ret = pane;
    return true;
}

static void drop_first(struct reading *reading)
{
    struct open_pane *pane = reading->open[0];
    if (reading->spare)
        rollup_pane_free(pane->groups);
    else {
        rollup_pane_clear(pane->groups);
        reading->spare = pane->groups;
    }
    free(pane);
    memmove(reading->open, reading->open + 1, --reading->open_count * sizeof(struct open_pane *));
}

static bool give_first(struct reading *reading, bool is_closed, struct su_err *err)
{
    struct open_pane *open = reading->open[0];
    struct pane pane = {open->start_us, plus(open->start_us, reading->window->every_us), is_closed, reading->rollup,
                        open->groups,   rollup_finish(reading->rollup, open->groups)};
    bool is_wanted = pane.rows > 0 && (is_closed || reading->range->with_open);
    bool goes_on = !is_wanted || reading->each(reading->arg, &pane, err);
    drop_first(reading);
    return goes_on;
}

static bool give_closed(struct reading *reading, struct su_err *err)
{
    while (reading->open_count && plus(reading->open[0]->start_us, reading->span_us) <= reading->high_us)
        if (!give_first(reading, true, err))
            return false;
    return true;
}

/* ------------------------------------------------------------------- rows */

/* All of the chunk lies in one window, which none of it closes: the usual case. */
static bool take_whole(struct reading *reading, uint32_t count, bool *ret_done, struct su_err *err)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = 0; i < count; i++) {
        low = reading->times[i] < low ? reading->times[i] : low;
        high = reading->times[i] > high ? reading->times[i] : high;
    }
    int64_t start = floor_to(low, reading->slide_us);
    *ret_done = false;
    if (reading->slide_us != reading->window->every_us || high >= plus(start, reading->window->every_us) ||
        reading->high_us >= plus(start, reading->span_us) || start < reading->range->start_from_us ||
        start >= reading->range->start_to_us)
        return true;
    struct open_pane *pane;
    *ret_done = true;
    if (high > reading->high_us)
        reading->high_us = high;
    return find_open(reading, start, &pane, err) && rollup_take(reading->rollup, pane->groups, NULL, 0, err);
}

static bool pick_row(struct reading *reading, uint32_t row, struct su_err *err)
{
    int64_t time = reading->times[row], last = floor_to(time, reading->slide_us);
    int64_t first = plus(floor_to(plus(time, -reading->window->every_us), reading->slide_us), reading->slide_us);
    int64_t open = plus(floor_to(plus(reading->high_us, -reading->span_us), reading->slide_us), reading->slide_us);
    if (first < open)
        first = open;
    if (first < reading->range->start_from_us)
        first = panes_start(reading->window, reading->range->start_from_us);
    for (int64_t start = first; start <= last && start < reading->range->start_to_us;
         start = plus(start, reading->slide_us)) {
        struct open_pane *pane;
        if (!find_open(reading, start, &pane, err))
            return false;
        pane->picked[pane->picked_count++] = row;
    }
    return true;
}

static bool take_picked(struct reading *reading, struct su_err *err)
{
    for (size_t i = 0; i < reading->open_count; i++) {
        struct open_pane *pane = reading->open[i];
        if (pane->picked_count && !rollup_take(reading->rollup, pane->groups, pane->picked, pane->picked_count, err))
            return false;
        pane->picked_count = 0;
    }
    return true;
}

static bool read_chunk(struct reading *reading, const struct block *block, bool is_new, uint32_t from, uint32_t count,
                       struct su_err *err)
{
    const struct block_column *time = block_role_column(block, BLOCK_TIME),
                              *flag = block_role_column(block, BLOCK_FLAG);
    bool is_done = false;
    if (!rollup_chunk(reading->rollup, block, is_new, from, count, err))
        return false;
    block_ints(time, from, count, reading->times);
    if (flag)
        block_ints(flag, from, count, reading->flags);
    else if (!take_whole(reading, count, &is_done, err))
        return false;
    for (uint32_t i = 0; !is_done && i < count; i++) {
        if (reading->times[i] > reading->high_us)
            reading->high_us = reading->times[i];
        if ((!flag || reading->flags[i] == BLOCK_MESSAGE) && !pick_row(reading, i, err))
            return false;
    }
    return (is_done || take_picked(reading, err)) && give_closed(reading, err);
}

static bool read_piece(struct reading *reading, const struct log_piece *piece, struct su_err *err)
{
    if (!block_role_column(piece->block, BLOCK_TIME))
        return su_fail(err, SU_INTERNAL, "a block of the log has no times");
    for (uint32_t at = piece->from; at < piece->to; at += ROLLUP_CHUNK) {
        uint32_t count = piece->to - at < ROLLUP_CHUNK ? piece->to - at : ROLLUP_CHUNK;
        if (!read_chunk(reading, piece->block, at == piece->from, at, count, err))
            return false;
    }
    return true;
}

/* Offsets that can matter: from where event time reaches the first window to where the last one is closed. */
static bool find_range(struct logs *logs, struct sql *db, int64_t log, const struct reading *reading,
                       struct log_range *ret, struct su_err *err)
{
    const struct panes_range *range = reading->range;
    bool is_found = true;
    int64_t high_us;
    *ret = (struct log_range){0, 0, INT64_MIN, INT64_MAX};
    if (!log_end(db, log, &ret->to, &high_us, err))
        return false;
    if (range->start_from_us != INT64_MIN &&
        !log_find_time(logs, db, log, range->start_from_us, &ret->from, &is_found, err))
        return false;
    if (!is_found)
        ret->from = ret->to;
    uint64_t closed_at;
    int64_t last = floor_to(plus(range->start_to_us, -1), reading->slide_us);
    if (range->start_to_us == INT64_MAX)
        return true;
    if (!log_find_time(logs, db, log, plus(last, reading->span_us), &closed_at, &is_found, err))
        return false;
    if (is_found && closed_at + 1 < ret->to)
        ret->to = closed_at + 1;
    return true;
}

static bool read_all(struct reading *reading, struct log_reader *reader, struct su_buf *damage, struct su_err *err)
{
    for (;;) {
        struct log_piece piece = {0};
        struct su_err why;
        switch (log_read_next(reader, &piece, &why)) {
        case LOG_END:
            return true;
        case LOG_ERROR:
            *err = why;
            return false;
        case LOG_DAMAGED:
            su_buf_addf(damage, "messages %llu to %llu can't be read: %s. ", (unsigned long long)piece.damaged_from,
                        (unsigned long long)piece.damaged_to, why.message);
            break;
        case LOG_BLOCK: {
            bool goes_on = read_piece(reading, &piece, err);
            log_read_release(reader, &piece);
            if (!goes_on)
                return false;
        }
        }
    }
}

static void end_reading(struct reading *reading)
{
    while (reading->open_count)
        drop_first(reading);
    rollup_pane_free(reading->spare);
    rollup_free(reading->rollup);
    free(reading->open);
    free(reading);
}

bool panes_read(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *window,
                const struct rollup_spec *spec, const struct rollup_limits *limits, const struct panes_range *range,
                pane_fn *each, void *arg, char **ret_damage, struct su_err *err)
{
    struct reading *reading = su_alloc(sizeof *reading);
    *reading = (struct reading){.window = window,
                                .range = range,
                                .slide_us = window_slide(window),
                                .span_us = plus(window->every_us, window->delay_us),
                                .high_us = INT64_MIN,
                                .each = each,
                                .arg = arg};
    reading->open = su_alloc(OPEN_MAX * sizeof(struct open_pane *));
    reading->rollup = rollup_new(spec, window->every_us, limits);
    SU_AUTO_BUF struct su_buf damage = SU_BUF(4096);
    LOG_AUTO_READER struct log_reader *reader = NULL;
    struct log_range offsets;
    bool is_read = find_range(logs, db, log, reading, &offsets, err);
    if (is_read && offsets.from < offsets.to)
        is_read = log_read(logs, db, log, &offsets, &reader, err) && read_all(reading, reader, &damage, err) &&
                  give_closed(reading, err);
    while (is_read && reading->open_count)
        is_read = give_first(reading, false, err);
    end_reading(reading);
    if (is_read && ret_damage)
        *ret_damage = damage.len ? su_strdup(damage.ptr) : NULL;
    return is_read;
}
