/* Starting suricate-keep.  Layer compute; any thread, waits some milliseconds. */
#pragma once
#include <sys/types.h>
#include "compute/places.h"

/* Run `suricate-keep MODE FOLDER` and wait for it to end (it detaches when it is to go on).  False: it did not
 * end with 0; its standard error, cut, is the message. ret_status may be NULL. */
bool launch_keeper(const struct places *places, const char *mode, const char *folder, struct su_err *err);
/* Make folder (0700) with spec.json in it; spec is consumed. */
bool launch_prepare(const char *folder, json_t *spec, struct su_err *err);
/* Run `suricate-keep command FOLDER`: input is its standard input, output both of its others.  The caller waits for *ret_pid. */
bool launch_command(const struct places *places, const char *folder, int input, int output, pid_t *ret_pid, struct su_err *err);
