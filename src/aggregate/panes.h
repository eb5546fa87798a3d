/* Windows of a roll-up in one pass over the log.  Layer aggregate; any thread with a read connection.
 *
 * The same windows as window.h says, computed together: a message counts in each
 * window that was not closed when it came.  Windows without messages are left out. */
#pragma once
#include "rollup.h"
#include "window.h"

struct panes_range {
    int64_t start_from_us,
        start_to_us; /* windows with a start in [from, to); INT64_MIN: from the log's first message on */
    bool with_open;  /* those that are not closed yet too */
};
struct pane {
    int64_t start_us, end_us;
    bool is_closed;
    const struct rollup *rollup;
    const struct rollup_pane *groups;
    size_t rows; /* finished groups, ≥ 1 */
};
/* Calls each in the order of starts; false of it ends the reading with its error.  *ret_damage, if not NULL: what could
 * not be read, in words, or NULL (caller frees). */
typedef bool pane_fn(void *arg, const struct pane *pane, struct su_err *err);
bool panes_read(struct logs *logs, struct sql *db, int64_t log, const struct window_spec *window,
                const struct rollup_spec *spec, const struct rollup_limits *limits, const struct panes_range *range,
                pane_fn *each, void *arg, char **ret_damage, struct su_err *err);
/* The last start whose window is closed when event time has come to high_us; INT64_MIN when none. */
int64_t panes_last_closed(const struct window_spec *window, int64_t high_us);
/* The least start ≥ time_us. */
int64_t panes_start(const struct window_spec *window, int64_t time_us);
