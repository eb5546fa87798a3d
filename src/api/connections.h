/* Who may say where the server connects to.  Layer api; any thread. */
#pragma once
#include "handler.h"

/* May whoever asks define this source of a stream?  A run may not: its kernel has no network, and must not get one
 * through the server.  One that names a secret needs secrets:write, for it decides to whom the value is sent. */
bool connection_allowed(const struct request *request, const json_t *source, struct su_err *err);
