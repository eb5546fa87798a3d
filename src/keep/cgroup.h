/* One kernel's control group, v1 or v2.  Layer keep; one thread.
 *
 * The server says where (spec.json): a folder per controller for v1, one for v2.
 * Without any of it rlimits alone hold. */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include "base/json.h"

/* Paths below which this kernel's groups are made; "" where a controller is absent.
 * v2: memory, pids and cpu are the same folder. */
struct cgroup { int version; char memory[256], pids[256], cpu[256], cpuacct[256]; };

/* From {"version":1|2,"memory":PATH,"pids":PATH,"cpu":PATH,"cpuacct":PATH} and the group's name; makes the folders. */
void cgroup_open(struct cgroup *group, const json_t *spec, const char *name);
bool cgroup_has_memory(const struct cgroup *group);
bool cgroup_has_pids(const struct cgroup *group);
/* Limits; 0 leaves one as it is.  False when one could not be set. */
bool cgroup_limit(const struct cgroup *group, uint64_t memory_bytes, uint32_t processes);
bool cgroup_add(const struct cgroup *group, pid_t pid, struct su_err *err);
/* How often the system killed for memory, CPU time and the memory's peak (-1: unknown). */
int64_t cgroup_oom_kills(const struct cgroup *group);
int64_t cgroup_cpu_us(const struct cgroup *group);
int64_t cgroup_memory_now(const struct cgroup *group);
int64_t cgroup_memory_peak(const struct cgroup *group);
/* Kill what is left in it. */
void cgroup_kill(const struct cgroup *group);
/* Remove the folders; false while something still lives there. */
bool cgroup_remove(const struct cgroup *group);
