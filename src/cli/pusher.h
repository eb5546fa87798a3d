/* Batches of messages on their way into a stream.  Layer cli; main thread.
 *
 * A batch is one POST with an Idempotency-Key of its own, so one whose answer was
 * lost is sent again without counting twice.  It is tried again while the server
 * is away (for a minute), and for as long as the server says when to come back. */
#pragma once
#include <stddef.h>
#include "base/json.h"

struct invocation;
struct pusher;

enum { PUSHER_COUNT_MAX = 100000, PUSHER_COUNT = 5000, PUSHER_BYTES = 4 << 20 };
struct pusher_options {
    const char *stream;
    const char *type;       /* media type of a batch, each message a line: application/x-ndjson or text/plain */
    const char *key;        /* of every message, or NULL */
    const char *source;     /* what the messages are from, for error messages */
    const char *unit;       /* what numbers count there: "line", "row" */
    size_t count_max;       /* messages of a batch; 0: PUSHER_COUNT */
};
struct pusher_totals { uint64_t count, bytes, first, next; bool has_first; };

bool pusher_open(struct invocation *in, const struct pusher_options *options, struct pusher **ret, struct su_err *err);
void pusher_close(struct pusher *pusher);
static inline void pusher_close_pointer(struct pusher **pusher) { pusher_close(*pusher); }
#define PUSHER_AUTO SU_CLEANUP(pusher_close_pointer)

/* Add one message, the number-th of its source; sends the batch when it is full. */
bool pusher_add(struct pusher *pusher, struct su_str message, uint64_t number, struct su_err *err);
/* Send what waits; nothing to do is fine. */
bool pusher_flush(struct pusher *pusher, struct su_err *err);
size_t pusher_waiting(const struct pusher *pusher);     /* messages added and not sent */
int64_t pusher_oldest_ms(const struct pusher *pusher);  /* when the first of them was added (monotonic) */
const struct pusher_totals *pusher_totals(const struct pusher *pusher);   /* what is stored */
/* Called while a batch waits for the server. */
void pusher_on_wait(struct pusher *pusher, void (*fn)(void *arg, const char *why), void *arg);
