/* What the scheduler's files share.  Layer act; the thread "scheduler". */
#pragma once
#include "aggregate/stream.h"
#include "base/clock.h"
#include "base/thread.h"
#include "schedule.h"
#include "trigger_private.h"

struct schedule {
    struct triggers *triggers;
    struct schedule_options options;
    struct su_steady clock;
    struct su_lock lock;                /* guards what follows, and is_due of entries */
    bool is_closing, has_changed, has_settled, is_woken;
    struct su_thread thread;
    struct su_bus_subscription *everything;
    struct entry **entries;             /* the thread's, as they are */
    size_t count;
};

/* A trigger at work. */
struct entry {
    struct schedule *schedule;
    struct trigger_row row;             /* as it was read; position, stream and looked_us as they are now */
    struct trigger_definition definition;
    struct su_bus_subscription *subscription;   /* to the stream's topic */
    int64_t next_us;                    /* of a schedule; INT64_MAX: none */
    int64_t retry_ms;                   /* after a fault; 0: none */
    int64_t kept_offset, kept_ms;       /* what is written down, and when */
    bool is_due;                        /* locked */
};

int64_t schedule_now_us(struct schedule *schedule);
bool schedule_is_closing(struct schedule *schedule);
/* What is owed by now.  *ret_more: there is more at once. */
bool schedule_tick(struct entry *entry, struct su_err *err);
bool schedule_read(struct entry *entry, bool *ret_more, struct su_err *err);
/* Writes the position down. */
bool schedule_keep(struct entry *entry, struct su_err *err);
