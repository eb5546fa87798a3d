/* Suricate watches itself: how far it is behind and what waits, as a stream of the tenant.  Layer act; owner of the thread "self".
 *
 * Each so many seconds (limit self_s) the figures of SELF_FIGURES are taken for every tenant that has streams.
 * One that has changed is a message of the stream `_self`: {"what","value","limit","share"}, with its name as key
 * and share = value / limit, so that 1 means the same everywhere.  Nothing is written while nothing
 * changes: a tenant at rest costs a few look-ups, and has no such stream before the first figure that is not 0.
 * With the stream comes, once, the watch `_self` over it, which its owner may change or delete. */
#pragma once
#include <stdint.h>
#include "base/bus.h"
#include "store/store.h"

struct consumers;
struct runs;
struct self;
struct streams;
struct triggers;
struct watches;

enum self_figure {
    SELF_CONSUMER_LAG_S,        /* the slowest consumer, beyond its open window */
    SELF_WATCH_LAG_S,           /* the slowest watch, likewise */
    SELF_STREAMS_FAILING,       /* sources and derived streams with a fault */
    SELF_DEAD_LETTERS,          /* since the last time */
    SELF_WRITER_QUEUE,          /* jobs that wait for the database's writer, of the whole server */
    SELF_OUTBOX_WAITING,        /* decisions that wait for delivery */
    SELF_OUTBOX_HELD,           /* … for a person */
    SELF_DELIVERIES,            /* since the last time */
    SELF_DELIVERIES_FAILED,     /* since the last time: given up, or refused for good */
    SELF_RUNS_QUEUED,
    SELF_TRIGGERS_QUEUED,
    SELF_TRIGGERS_STOPPED,
    SELF_FIGURES
};
const char *self_figure_name(enum self_figure figure);
double self_figure_limit(enum self_figure figure);

struct self_services {
    struct store *store;
    struct su_bus *bus;
    struct streams *streams;
    struct consumers *consumers;
    struct watches *watches;
    struct triggers *triggers;
    struct runs *runs;
};
/* every_ms 0: never.  The thread starts when a tenant has streams. */
bool self_open(const struct self_services *services, int64_t every_ms, struct self **ret, struct su_err *err);
void self_close(struct self *self);
