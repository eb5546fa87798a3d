/* The scheduler: the thread that lets triggers fire.  Layer act; owner of the thread "scheduler".
 *
 * It knows every enabled trigger, follows the streams they stand on, and sleeps until a message comes, a tick is due,
 * or a run that others wait for has ended.  Where a trigger stands is kept with each firing, and now
 * and then without (at most once in SCHEDULE_KEEP_MS, and at the end): after a crash a stretch is looked at again,
 * and what was fired for in it is known by its id.  Retention keeps what an enabled trigger has not looked at. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

enum { SCHEDULE_KEEP_MS = 30 * 1000 };

struct schedule;
struct triggers;
struct schedule_options {
    int64_t (*now_us)(void *arg);   /* for tests: the time; NULL: the clock, but not its sudden steps */
    void *arg;
};
/* options may be NULL. */
bool schedule_open(struct triggers *triggers, const struct schedule_options *options, struct schedule **ret, struct su_err *err);
void schedule_close(struct schedule *schedule);
/* Look at the clock again (a test has moved it). */
void schedule_wake(struct schedule *schedule);
