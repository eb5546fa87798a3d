/* Windows in event time: functions of a log's content alone.  Layer aggregate; any thread with a read connection.
 *
 * A window [start, end) of event time is closed by the first message (or
 * punctuation) whose event time reaches end + delay: its offset, inclusive, is
 * where the window's view of the log ends.  Its messages are those with an event time in
 * [start, end) at offsets below `to`; one that comes later is late, and belongs
 * to a revision.  So a window depends on the log's prefix and on nothing else:
 * replays give the same windows. */
#pragma once
#include "stream.h"

struct window_spec {
    int64_t every_us;       /* length: 1 ms … 366 days */
    int64_t slide_us;       /* from one start to the next; 0: every_us (tumbling); else ≤ every_us */
    int64_t delay_us;       /* of the watermark */
    bool with_empty;        /* windows without messages too (only between messages) */
};
/* From one window's start to the next. */
static inline int64_t window_slide(const struct window_spec *spec) { return spec->slide_us ? spec->slide_us : spec->every_us; }
/* "10s" and the like; slide may be NULL. */
bool window_spec_read(const char *every, const char *slide, int64_t delay_us, struct window_spec *ret, struct su_err *err);

struct window {
    int64_t start_us, end_us;
    uint64_t from, to;      /* all its messages are among these offsets; to: where its view of the log ends */
    uint64_t messages;      /* in it */
    int64_t revision;       /* 0: as first closed */
};
/* The first closed window with start ≥ not_before_us (INT64_MIN: from the log's first message on).  With
 * offset_min > 0 messages before that offset do not count.  *ret_found false: none is closed yet. */
bool window_next(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, int64_t not_before_us,
                 uint64_t offset_min, struct window *ret, bool *ret_found, struct su_err *err);
/* The window that starts at start_us as it was when it closed; *ret_found false when it isn't closed. */
bool window_at(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, int64_t start_us, uint64_t offset_min,
               struct window *ret, bool *ret_found, struct su_err *err);
/* The same window with a later view of the log, up to offset `to`: what a revision of it holds.  ret->revision is 0. */
bool window_view(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, int64_t start_us,
                 uint64_t offset_min, uint64_t to, struct window *ret, struct su_err *err);
/* Of the messages at offsets [from, to): how many came after a window of theirs had closed, and the least start greater
 * than after_us (INT64_MIN: any) of such a window. */
struct window_late { uint64_t messages; int64_t start_us; bool has_start; };
bool window_late(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *spec, uint64_t from, uint64_t to,
                 int64_t after_us, struct window_late *ret, struct su_err *err);
/* Its messages: log_range for log_read; rows outside [start, end) are to be skipped. */
static inline struct log_range window_range(const struct window *window)
{
    return (struct log_range){window->from, window->to, window->start_us, window->end_us};
}
