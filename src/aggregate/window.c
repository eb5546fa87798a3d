/* Windows in event time: see window.h.  Layer aggregate; any thread with a read connection.
 *
 * Everything here is a search in the log: log_find_time finds where windows
 * begin and close, and a sweep over the columns of event times finds which
 * window is the next with something in it, and which came too late for theirs. */
#include "window.h"
#include <string.h>

enum { CHUNK = 1024 };
static const int64_t WINDOW_MIN_US = 1000, WINDOW_MAX_US = INT64_C(366) * 86400 * 1000000;

/* --- time ---------------------------------------------------------------- */

/* Sums that stay within int64: a foreign time may be anything. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

static int64_t minus(int64_t a, int64_t b) { return plus(a, -b); }

/* The least start that is greater than time. */
static int64_t start_after(int64_t time, int64_t slide)
{
    int64_t quotient = time / slide;
    if (time % slide < 0)
        quotient--;
    int64_t start;
    return __builtin_mul_overflow(quotient + 1, slide, &start) ? INT64_MAX : start;
}

/* Event time that must be reached after `start` before its window is closed. */
static int64_t span_of(const struct window_spec *spec) { return plus(spec->every_us, spec->delay_us); }

static bool read_length(const char *name, const char *text, int64_t max_us, int64_t *ret, struct su_err *err)
{
    uint64_t ms;
    if (!su_str_duration_ms(su_str_of(text), &ms) || ms > (uint64_t)WINDOW_MAX_US / 1000 || (int64_t)ms * 1000 < WINDOW_MIN_US)
        return su_fail_field(err, SU_INVALID, name, "%s: must be 1ms..366d, was \"%.40s\"", name, text);
    if ((int64_t)ms * 1000 > max_us)
        return su_fail_field(err, SU_INVALID, name, "%s: must be at most the window's length, was \"%.40s\"", name, text);
    *ret = (int64_t)ms * 1000;
    return true;
}

bool window_spec_read(const char *every, const char *slide, int64_t delay_us, struct window_spec *ret, struct su_err *err)
{
    struct window_spec spec = {.delay_us = delay_us};
    if (every == NULL)
        return su_fail_field(err, SU_INVALID, "every", "every: the length of a window is needed, such as \"10s\"");
    if (!read_length("every", every, WINDOW_MAX_US, &spec.every_us, err)
        || (slide != NULL && !read_length("slide", slide, spec.every_us, &spec.slide_us, err)))
        return false;
    if (spec.slide_us == spec.every_us)
        spec.slide_us = 0;
    *ret = spec;
    return true;
}

/* --- a sweep over event times ---------------------------------------------- */

/* Rows one after the other, from the offset on; flags NULL: all are messages.  False: enough. */
struct stretch { uint64_t offset; uint32_t rows; const int64_t *times, *flags; };
typedef bool sweep_fn(void *arg, const struct stretch *stretch);

static bool sweep_piece(const struct log_piece *piece, sweep_fn *each, void *arg)
{
    int64_t times[CHUNK], flags[CHUNK];
    const struct block_column *time = block_role_column(piece->block, BLOCK_TIME);
    const struct block_column *flag = block_role_column(piece->block, BLOCK_FLAG);
    if (time == NULL)
        return true;
    for (uint32_t at = piece->from; at < piece->to; at += CHUNK) {
        uint32_t rows = piece->to - at < CHUNK ? piece->to - at : CHUNK;
        block_ints(time, at, rows, times);
        if (flag != NULL)
            block_ints(flag, at, rows, flags);
        const struct stretch stretch = {piece->block->first + at, rows, times, flag ? flags : NULL};
        if (!each(arg, &stretch))
            return false;
    }
    return true;
}

/* What can't be read any more is passed over: the log tells of it. */
static bool sweep(struct logs *logs, struct sql *db, int64_t log, const struct log_range *range, sweep_fn *each, void *arg, struct su_err *err)
{
    LOG_AUTO_READER struct log_reader *reader = NULL;
    if (range->from >= range->to)
        return true;
    if (!log_read(logs, db, log, range, &reader, err))
        return false;
    for (;;) {
        struct log_piece piece = {0};
        enum log_next next = log_read_next(reader, &piece, err);
        if (next == LOG_END || next == LOG_ERROR)
            return next == LOG_END;
        if (next == LOG_DAMAGED)
            continue;
        bool goes_on = sweep_piece(&piece, each, arg);
        log_read_release(reader, &piece);
        if (!goes_on)
            return true;
    }
}

/* The largest event time before `offset` (INT64_MIN: nothing is there), from the log's index alone. */
static bool high_before(struct logs *logs, struct sql *db, int64_t log, uint64_t offset, int64_t *ret, struct su_err *err)
{
    struct log_extent extent;
    uint64_t found_at;
    bool is_found;
    *ret = INT64_MIN;
    if (!log_extent(db, log, &extent, err))
        return false;
    if (extent.high_us == INT64_MIN || offset == 0)
        return true;
    if (offset >= extent.next) {
        *ret = extent.high_us;
        return true;
    }
    /* low is reached before offset, beyond is not. */
    int64_t low = extent.low_us, beyond = plus(extent.high_us, 1);
    if (!log_find_time(logs, db, log, low, &found_at, &is_found, err))
        return false;
    if (!is_found || found_at >= offset)
        return true;
    while (beyond - low > 1) {
        int64_t middle = low + (beyond - low) / 2;
        if (!log_find_time(logs, db, log, middle, &found_at, &is_found, err))
            return false;
        if (is_found && found_at < offset)
            low = middle;
        else
            beyond = middle;
    }
    *ret = low;
    return true;
}

/* --- one window --------------------------------------------------------------- */

struct counting { int64_t start_us, end_us; uint64_t messages; };

static bool count_stretch(void *arg, const struct stretch *stretch)
{
    struct counting *counting = arg;
    int64_t start = counting->start_us, end = counting->end_us;
    uint64_t count = 0;
    if (stretch->flags != NULL) {
        for (uint32_t i = 0; i < stretch->rows; i++)
            count += stretch->times[i] >= start && stretch->times[i] < end && stretch->flags[i] == BLOCK_MESSAGE;
    } else {
        for (uint32_t i = 0; i < stretch->rows; i++)
            count += stretch->times[i] >= start && stretch->times[i] < end;
    }
    counting->messages += count;
    return true;
}

bool window_view(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, int64_t start_us,
                 uint64_t offset_min, uint64_t to, struct window *ret, struct su_err *err)
{
    struct window window = {.start_us = start_us, .end_us = plus(start_us, spec->every_us), .to = to};
    bool is_found;
    if (!log_find_time(logs, db, log, start_us, &window.from, &is_found, err))
        return false;
    if (window.from < offset_min)
        window.from = offset_min;
    if (!is_found || window.from > to)
        window.from = to;
    struct counting counting = {.start_us = window.start_us, .end_us = window.end_us};
    const struct log_range range = window_range(&window);
    if (!sweep(logs, db, log, &range, count_stretch, &counting, err))
        return false;
    window.messages = counting.messages;
    *ret = window;
    return true;
}

bool window_at(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, int64_t start_us, uint64_t offset_min,
               struct window *ret, bool *ret_found, struct su_err *err)
{
    uint64_t to;
    bool is_closed;
    *ret_found = false;
    if (!log_find_time(logs, db, log, plus(start_us, span_of(spec)), &to, &is_closed, err))
        return false;
    if (!is_closed)
        return true;
    if (!window_view(logs, db, log, spec, start_us, offset_min, to, ret, err))
        return false;
    *ret_found = true;
    return true;
}

/* --- the next window ------------------------------------------------------------ */

/* The least window so far that a message was in time for. */
struct search {
    const struct window_spec *spec;
    int64_t slide_us, span_us;
    int64_t start_min_us;       /* INT64_MIN: any */
    int64_t high_us;            /* largest event time so far */
    int64_t log_high_us;        /* … of the whole log */
    int64_t best_us;
    bool has_best;
};

/* The least start that a message from here on can still be in time for. */
static int64_t least_open(const struct search *search)
{
    int64_t lower = minus(search->high_us, search->span_us);
    if (search->start_min_us != INT64_MIN && lower < search->start_min_us - 1)
        lower = search->start_min_us - 1;
    return start_after(lower, search->slide_us);
}

/* True when no later message can change the answer. */
static bool is_decided(const struct search *search)
{
    int64_t least = least_open(search);
    return least >= search->best_us || plus(least, search->span_us) > search->log_high_us;
}

static bool search_stretch(void *arg, const struct stretch *stretch)
{
    struct search *search = arg;
    for (uint32_t i = 0; i < stretch->rows; i++) {
        int64_t time = stretch->times[i];
        bool is_higher = time > search->high_us;
        if (is_higher)
            search->high_us = time;
        if (search->has_best && is_higher && is_decided(search))
            return false;
        if (time < search->start_min_us || (stretch->flags != NULL && stretch->flags[i] != BLOCK_MESSAGE))
            continue;
        int64_t least = start_after(minus(time, search->spec->every_us), search->slide_us), open = least_open(search);
        if (least < open)
            least = open;
        if (least > time || (search->has_best && least >= search->best_us))
            continue;
        search->best_us = least;
        search->has_best = true;
        if (is_decided(search))
            return false;
    }
    return true;
}

/* Where the search begins, and the largest event time before it. *ret_found false: event time has not come so far. */
static bool search_from(struct logs *logs, struct sql *db, int64_t log, uint64_t offset_min, struct search *search,
                        uint64_t *ret_from, bool *ret_found, struct su_err *err)
{
    uint64_t from = 0;
    *ret_found = true;
    search->high_us = INT64_MIN;
    if (search->start_min_us != INT64_MIN && !log_find_time(logs, db, log, search->start_min_us, &from, ret_found, err))
        return false;
    *ret_from = from > offset_min ? from : offset_min;
    return !*ret_found || from >= offset_min || high_before(logs, db, log, offset_min, &search->high_us, err);
}

bool window_next(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, int64_t not_before_us,
                 uint64_t offset_min, struct window *ret, bool *ret_found, struct su_err *err)
{
    struct search search = {.spec = spec, .slide_us = window_slide(spec), .span_us = span_of(spec), .start_min_us = not_before_us};
    uint64_t from, next;
    *ret_found = false;
    if (!log_end(db, log, &next, &search.log_high_us, err))
        return false;
    if (not_before_us != INT64_MIN) {
        search.start_min_us = start_after(not_before_us - 1, search.slide_us);
        if (plus(search.start_min_us, search.span_us) > search.log_high_us)
            return true;
        if (spec->with_empty)
            return window_at(logs, db, log, spec, search.start_min_us, offset_min, ret, ret_found, err);
    }
    bool has_come;
    if (!search_from(logs, db, log, offset_min, &search, &from, &has_come, err))
        return false;
    const struct log_range range = {from, next, search.start_min_us, INT64_MAX};
    if (!has_come || from >= next)
        return true;
    if (!sweep(logs, db, log, &range, search_stretch, &search, err))
        return false;
    if (!search.has_best)
        return true;
    return window_at(logs, db, log, spec, search.best_us, offset_min, ret, ret_found, err);
}

/* --- what came late --------------------------------------------------------------- */

struct lateness {
    const struct window_spec *spec;
    int64_t slide_us, span_us, high_us, after_us;
    struct window_late found;
};

static bool late_stretch(void *arg, const struct stretch *stretch)
{
    struct lateness *late = arg;
    for (uint32_t i = 0; i < stretch->rows; i++) {
        int64_t time = stretch->times[i];
        if (time > late->high_us)
            late->high_us = time;
        if (stretch->flags != NULL && stretch->flags[i] != BLOCK_MESSAGE)
            continue;
        int64_t closed = minus(late->high_us, late->span_us), least = minus(time, late->spec->every_us);
        int64_t last = closed < time ? closed : time;
        if (least >= last)
            continue;
        late->found.messages += start_after(least, late->slide_us) <= last;
        int64_t start = start_after(least > late->after_us ? least : late->after_us, late->slide_us);
        if (start > last || (late->found.has_start && start >= late->found.start_us))
            continue;
        late->found.start_us = start;
        late->found.has_start = true;
    }
    return true;
}

bool window_late(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, uint64_t from, uint64_t to,
                 int64_t after_us, struct window_late *ret, struct su_err *err)
{
    struct lateness late = {.spec = spec, .slide_us = window_slide(spec), .span_us = span_of(spec), .after_us = after_us};
    const struct log_range range = {from, to, INT64_MIN, INT64_MAX};
    if (from < to && (!high_before(logs, db, log, from, &late.high_us, err) || !sweep(logs, db, log, &range, late_stretch, &late, err)))
        return false;
    *ret = late.found;
    return true;
}
