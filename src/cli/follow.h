/* Watching one run to its end.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

struct invocation;
/* Show what the run prints as it comes (unless is_silent) until it has ended; the
 * run's record is the caller's. Outlives a restart of the server: it asks again
 * for a minute and goes on after the last event it has. */
bool follow_run(struct invocation *in, const char *id, bool is_silent, json_t **ret, struct su_err *err);
bool follow_is_final(const char *state);
