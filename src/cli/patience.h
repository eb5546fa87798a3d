/* Waiting for a server that is away or asks to be left alone for a while.  Layer cli; main thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct patience { int64_t heard_ms, pause_ms; };
/* The server has been heard of just now. */
void patience_renew(struct patience *patience);
/* Sleeps a little longer each time (0.1 s to 5 s, with jitter), or asked_ms when the server said how long (0: it did
 * not).  False, at once: a minute has passed in vain. */
bool patience_wait(struct patience *patience, uint64_t asked_ms);
/* Sleep until the monotonic clock shows at_ns; true when it is there, false when a signal came first. */
bool patience_until(int64_t at_ns);
