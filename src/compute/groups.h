/* Where this server may make control groups: v1, v2 or nowhere.  Layer compute. */
#pragma once
#include "base/json.h"

/* {"version":1|2,"memory":PATH,"pids":PATH,"cpu":PATH,"cpuacct":PATH}: folders, made here and named by
 * `name`, in which kernels' groups go; {} when none is writable (new reference). */
json_t *groups_open(const char *name);
/* Remove the folders if they are empty. */
void groups_close(const json_t *groups);
