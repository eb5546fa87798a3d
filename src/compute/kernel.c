/* The service: see kernel.h.  Layer compute; any thread. */
#include "compute/kernel.h"
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/log.h"
#include "compute/compute.h"
#include "compute/groups.h"
#include "compute/keeper.h"
#include "compute/launch.h"

enum { CLAIM_MS = 5000, BYE_MS = 8000, ATTEMPTS = 4, DAY_S = 86400 };

const struct kernel_limits compute_limits_default = {
    .memory_bytes = 2ULL << 30, .scratch_bytes = 1ULL << 30, .output_bytes = 256ULL << 20, .processes = 256, .time_s = 3600};

static struct kernel_limits with_defaults(struct kernel_limits limits, const struct kernel_limits *otherwise) {
    if (!limits.memory_bytes) limits.memory_bytes = otherwise->memory_bytes;
    if (!limits.scratch_bytes) limits.scratch_bytes = otherwise->scratch_bytes;
    if (!limits.output_bytes) limits.output_bytes = otherwise->output_bytes;
    if (!limits.processes) limits.processes = otherwise->processes;
    if (!limits.time_s) limits.time_s = otherwise->time_s;
    return limits;
}

bool compute_open(const struct compute_config *config, struct compute **ret, struct su_err *err) {
    struct compute *compute = su_alloc(sizeof *compute);
    compute->limits = with_defaults(config->limits, &compute_limits_default);
    compute->warm = config->warm < WARM_MAX ? config->warm : WARM_MAX;
    compute->lease_s = config->lease_s ? config->lease_s : DAY_S;
    compute->is_unsafe = config->unsafe_no_sandbox;
    if (!places_open(&compute->places, config, err)) {
        places_close(&compute->places);
        free(compute);
        return false;
    }
    const char *slash = strrchr(compute->places.runtime, '/');
    char *group SU_AUTO_FREE = su_format("suricate-%s", slash + 1);
    compute->groups = groups_open(group);
    compute->api_dir = su_format("%s/api", compute->places.runtime);
    su_lock_init(&compute->lock);
    su_thread_start(&compute->thread, "compute", pool_run, compute);
    *ret = compute;
    return true;
}

void compute_close(struct compute *compute) {
    if (!compute) return;
    su_lock(&compute->lock);
    compute->is_stopping = true;
    su_wake(&compute->lock);
    su_unlock(&compute->lock);
    su_thread_join(&compute->thread);
    pool_close(compute);
    groups_close(compute->groups);
    json_decref(compute->groups);
    su_lock_done(&compute->lock);
    places_close(&compute->places);
    free(compute->api_dir);
    free(compute);
}

const char *compute_api_dir(const struct compute *compute) { return compute->api_dir; }

void compute_warm(struct compute *compute, const char *tenant) {
    SU_LOCKED(&compute->lock);
    if (compute->warm && !pool_of(compute, tenant)) su_log(SU_LOG_WARNING, "kernel.warm.full", su_kv_text("tenant", tenant));
    su_wake(&compute->lock);
}

void compute_upkeep(struct compute *compute) {
    SU_LOCKED(&compute->lock);
    su_wake(&compute->lock);
}

json_t *compute_status(struct compute *compute) {
    SU_LOCKED(&compute->lock);
    int warm = 0, zygotes = 0;
    for (uint32_t i = 0; i < compute->pool_count; i++) {
        warm += (int)compute->pools[i].count;
        zygotes += compute->pools[i].claim_fd >= 0;
    }
    int64_t version = su_json_int(compute->groups, "version", 0);
    return json_pack("{s:s, s:s, s:i, s:i, s:s?}", "sandbox", compute->is_unsafe ? "none" : "bubblewrap", "cgroup",
        version == 1 ? "v1" : version == 2 ? "v2" : "none", "warm", warm, "zygotes", zygotes, "python", compute->places.python);
}

json_t *compute_environment(struct compute *compute) {
    struct su_err err;
    struct su_buf text SU_AUTO_BUF = SU_BUF(64 * 1024);
    json_t *description = NULL;
    const char *folder = compute->places.environment;
    if (!folder) return json_object();
    char *path SU_AUTO_FREE = su_format("%s/environment.json", folder);
    if (su_file_read(path, 64 * 1024, &text, &err) && su_json_parse(su_buf_str(&text), "environment.json", &description, &err)) return description;
    const char *slash = strrchr(folder, '/');
    return json_pack("{s:s, s:n, s:n}", "name", slash ? slash + 1 : folder, "lock_sha256", "python");
}

/* A waiting kernel has the configured scratch, no network, and limits a control group can still change. */
static bool fits_waiting(struct compute *compute, const struct kernel_spec *spec, const struct kernel_limits *limits) {
    if (!compute->warm || compute->is_unsafe || spec->network || limits->scratch_bytes != compute->limits.scratch_bytes) return false;
    bool has_groups = json_object_get(compute->groups, "memory") && json_object_get(compute->groups, "pids");
    bool is_same = limits->memory_bytes == compute->limits.memory_bytes && limits->processes == compute->limits.processes;
    /* a running kernel's rlimit cannot be raised everywhere, even by root */
    return is_same || (has_groups && limits->processes <= compute->limits.processes);
}

static bool claim(struct warm *warm, const struct kernel_spec *spec, const struct kernel_limits *limits, struct su_err *err) {
    json_t *answer SU_AUTO_JSON = NULL;
    json_t *order SU_AUTO_JSON = json_pack("{s:s, s:s, s:s, s:s, s:{s:I, s:I, s:I, s:I, s:I}}", "op", "claim", "id", spec->id,
        "token", spec->token ? spec->token : "", "label", spec->label ? spec->label : "", "limits",
        "memory_bytes", (json_int_t)limits->memory_bytes, "scratch_bytes", (json_int_t)limits->scratch_bytes,
        "output_bytes", (json_int_t)limits->output_bytes, "processes", (json_int_t)limits->processes, "time_s", (json_int_t)limits->time_s);
    if (!order) return su_fail(err, SU_INVALID, "a kernel's id, token and label must be UTF-8");
    bool ok = keeper_ask(warm->fd, order, CLAIM_MS, &answer, err);
    close(warm->fd);
    if (!ok) return false;
    if (strcmp(su_json_string(answer, "event", ""), "claimed") == 0) return true;
    bool is_conflict = strcmp(su_json_string(answer, "code", ""), su_code_name(SU_CONFLICT)) == 0;
    return su_fail(err, is_conflict ? SU_CONFLICT : SU_UNAVAILABLE, "%s", su_json_string(answer, "message", "the keeper refused"));
}

static bool id_is_free(struct compute *compute, const char *id, struct su_err *err) {
    size_t len = strlen(id);
    if (!len || len > KERNEL_ID_MAX || strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return su_fail(err, SU_INVALID, "a kernel's id is 1 to %d letters, digits and dashes", KERNEL_ID_MAX);
    char *folder SU_AUTO_FREE = places_folder(&compute->places, true, id);
    return access(folder, F_OK) != 0 || su_fail(err, SU_CONFLICT, "a kernel %s exists already", id);
}

bool compute_kernel_start(struct compute *compute, const struct kernel_spec *spec, struct su_err *err) {
    struct kernel_limits limits = with_defaults(spec->limits, &compute->limits);
    struct warm warm;
    if (!id_is_free(compute, spec->id, err)) return false;
    compute_warm(compute, spec->tenant);
    for (int i = 0; i < ATTEMPTS && fits_waiting(compute, spec, &limits) && pool_take(compute, spec->tenant, &warm); i++) {
        if (claim(&warm, spec, &limits, err)) return true;
        if (err->code == SU_CONFLICT || err->code == SU_INVALID) return false;
    }
    if (!compute_check(compute, err)) return false;
    char *zygote SU_AUTO_FREE = NULL;
    if (!spec->network && !compute->is_unsafe) pool_zygote_socket(compute, spec->tenant, &zygote);
    return start_keeper(compute, spec->tenant, &limits, spec->network, zygote, &warm, err) && claim(&warm, spec, &limits, err);
}

json_t *compute_kernel_list(struct compute *compute) {
    json_t *list = json_array();
    char *folder SU_AUTO_FREE = su_format("%s/run/kernels", compute->places.data);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.') json_array_append_new(list, json_string(entry->d_name));
    if (dir) closedir(dir);
    return list;
}

void compute_kernel_forget(struct compute *compute, const char *id) {
    struct su_err err;
    int fd;
    char *folder SU_AUTO_FREE = places_folder(&compute->places, true, id);
    if (access(folder, F_OK) != 0) return;
    if (keeper_dial(folder, &fd, &err)) {
        json_t *bye SU_AUTO_JSON = json_pack("{s:s}", "op", "bye");
        bool is_gone = keeper_ask(fd, bye, 0, NULL, &err) && keeper_wait_closed(fd, BYE_MS);
        close(fd);
        if (is_gone && access(folder, F_OK) != 0) return;
    }
    if (!launch_keeper(&compute->places, "tidy", folder, &err)) su_log_error("kernel.forget", &err, su_kv_text("kernel", id));
}
