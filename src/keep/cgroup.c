/* See cgroup.h.  Layer keep. */
#include "keep/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_file(const char *folder, const char *file, const char *text) {
    if (!*folder) return false;
    char path[320];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;
    close(fd);
    errno = error;
    return ok;
}

/* The file's text, "" when it can't be read. */
static void read_file(const char *folder, const char *file, char *text, size_t size) {
    char path[320];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    *text = 0;
    int fd = *folder ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    ssize_t got = read(fd, text, size - 1);
    text[got > 0 ? got : 0] = 0;
    close(fd);
}

static int64_t number_in(const char *folder, const char *file, const char *key) {
    char text[2048];
    read_file(folder, file, text, sizeof text);
    const char *at = text;
    if (key) {
        for (at = strstr(text, key); at && at != text && at[-1] != '\n';) at = strstr(at + 1, key);
        if (!at) return -1;
        at += strlen(key);
    }
    long long number;
    return sscanf(at, "%lld", &number) == 1 ? number : -1;
}

static void open_part(char *path, size_t size, const json_t *spec, const char *key, const char *name) {
    const char *parent = su_json_string(spec, key, "");
    *path = 0;
    if (!*parent) return;
    snprintf(path, size, "%s/%s", parent, name);
    for (int i = 0; i < 3 && mkdir(path, 0755) < 0; i++) {
        if (errno == EEXIST) return;
        if (errno != ENOENT) break;
        mkdir(parent, 0755); /* the last kernel before us took it away */
    }
    if (access(path, W_OK) < 0) *path = 0;
}

void cgroup_open(struct cgroup *group, const json_t *spec, const char *name) {
    *group = (struct cgroup){.version = (int)su_json_int(spec, "version", 0)};
    open_part(group->memory, sizeof group->memory, spec, "memory", name);
    open_part(group->pids, sizeof group->pids, spec, "pids", name);
    open_part(group->cpu, sizeof group->cpu, spec, "cpu", name);
    open_part(group->cpuacct, sizeof group->cpuacct, spec, "cpuacct", name);
    /* a busy kernel must not starve the server */
    if (group->version == 1) write_file(group->cpu, "cpu.shares", "256");
    else write_file(group->cpu, "cpu.weight", "25");
}

bool cgroup_has_memory(const struct cgroup *group) { return *group->memory; }
bool cgroup_has_pids(const struct cgroup *group) { return *group->pids; }

static bool limit_memory(const struct cgroup *group, const char *text) {
    if (group->version == 2) {
        write_file(group->memory, "memory.swap.max", "0");
        return write_file(group->memory, "memory.max", text);
    }
    /* memory+swap may never be below memory: lower the one first, raise the other first */
    bool ok = write_file(group->memory, "memory.limit_in_bytes", text);
    write_file(group->memory, "memory.memsw.limit_in_bytes", text);
    return ok || write_file(group->memory, "memory.limit_in_bytes", text);
}

bool cgroup_limit(const struct cgroup *group, uint64_t memory_bytes, uint32_t processes) {
    char text[32];
    bool ok = true;
    if (memory_bytes && *group->memory) {
        snprintf(text, sizeof text, "%llu", (unsigned long long)memory_bytes);
        ok = limit_memory(group, text);
    }
    if (processes && *group->pids) {
        snprintf(text, sizeof text, "%u", processes);
        ok = write_file(group->pids, "pids.max", text) && ok;
    }
    return ok;
}

bool cgroup_add(const struct cgroup *group, pid_t pid, struct su_err *err) {
    const char *parts[] = {group->memory, group->pids, group->cpu, group->cpuacct};
    char text[16];
    snprintf(text, sizeof text, "%d", (int)pid);
    for (size_t i = 0; i < SU_COUNT(parts); i++) {
        if (!*parts[i]) continue;
        if (!write_file(parts[i], "cgroup.procs", text)) return su_fail_errno(err, errno, "moving the kernel into %s", parts[i]);
        if (group->version == 2) break;
    }
    return true;
}

int64_t cgroup_oom_kills(const struct cgroup *group) {
    return group->version == 2 ? number_in(group->memory, "memory.events", "oom_kill ") : number_in(group->memory, "memory.oom_control", "oom_kill ");
}

int64_t cgroup_cpu_us(const struct cgroup *group) {
    if (group->version == 2) return number_in(group->cpu, "cpu.stat", "usage_usec ");
    int64_t ns = number_in(group->cpuacct, "cpuacct.usage", NULL);
    return ns < 0 ? -1 : ns / 1000;
}

int64_t cgroup_memory_now(const struct cgroup *group) {
    return number_in(group->memory, group->version == 2 ? "memory.current" : "memory.usage_in_bytes", NULL);
}

int64_t cgroup_memory_peak(const struct cgroup *group) {
    return number_in(group->memory, group->version == 2 ? "memory.peak" : "memory.max_usage_in_bytes", NULL);
}

static void kill_all_in(const char *folder) {
    char path[320];
    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    FILE *file = *folder ? fopen(path, "re") : NULL;
    if (!file) return;
    int pid;
    while (fscanf(file, "%d", &pid) == 1)
        if (pid > 0) kill(pid, SIGKILL);
    fclose(file);
}

void cgroup_kill(const struct cgroup *group) {
    if (group->version == 2 && write_file(group->memory, "cgroup.kill", "1")) return;
    kill_all_in(*group->pids ? group->pids : group->memory);
}

/* The folder of all our kernels goes with the last of them: the server may be gone by then. v2's stays, for its settings. */
static void remove_parent(const char *path) {
    char parent[256];
    snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(path, '/') - path), path);
    rmdir(parent);
}

bool cgroup_remove(const struct cgroup *group) {
    const char *parts[] = {group->memory, group->pids, group->cpu, group->cpuacct};
    bool ok = true;
    for (size_t i = 0; i < SU_COUNT(parts); i++) {
        if (!*parts[i]) continue;
        if (rmdir(parts[i]) < 0 && errno != ENOENT) ok = false;
        else if (group->version == 1) remove_parent(parts[i]);
    }
    return ok;
}
