/* What the files of derived streams share.  Layer aggregate. */
#pragma once
#include "base/clock.h"
#include "base/thread.h"
#include "derived.h"
#include "panes.h"

/* What workers and whoever wakes them share. */
struct derived_shared {
    struct streams *streams;
    struct question_sources sources;
    struct su_bus *bus;
    struct deriveds_options options;
    struct su_lock lock; /* the two below, and is_due of workers */
    bool is_closing, has_changed;
};

/* A derived stream as long as its definition stays: the thread's own, but for is_due. */
struct worker {
    struct derived_shared *deriveds;
    struct stream *stream;
    struct derived_definition definition;
    struct su_bus_subscription *subscription;
    char *topic;       /* of the parent */
    int64_t parent_id; /* whose windows start_us counts; 0: not looked up yet */
    int64_t start_us;  /* the next window starts here or later; INT64_MIN: with the log */
    bool is_due, is_stopped;
    int64_t retry_ms; /* monotonic; 0: not waiting */
    const char *state;
    char *message, since[SU_TIME_TEXT];
};

struct position {
    int64_t stream, parent, start_us;
    uint64_t offset;
};
/* stream_commit.also; arg: struct position. */
bool derived_keep_position(struct sql *db, void *arg, const struct stream_appended *appended, struct su_err *err);

/* The server ends: a turn stops where it is, with SU_CANCELLED. */
bool derived_goes_on(struct worker *worker, struct su_err *err);

/* derived_compute.c: computes windows that are closed, appends their rows and commits. *ret_more: stopped at a batch.
 */
bool derived_compute(struct worker *worker, struct stream *parent, struct sql *db, bool *ret_more, struct su_err *err);
