/* The keeper's set-up and loop.  Layer keep. */
#include "keep/keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/random.h"

enum { START_MS = 90000, SPEC_MAX = 1024 * 1024, EVENT_MAX = LINK_FRAME_MAX - 4096, STOPPED_MS = 5000, LOST_MS = 1500 };

void keeper_read_limits(struct keeper_limits *limits, const json_t *object) {
    limits->memory_bytes = (uint64_t)su_json_int(object, "memory_bytes", (int64_t)limits->memory_bytes);
    limits->scratch_bytes = (uint64_t)su_json_int(object, "scratch_bytes", (int64_t)limits->scratch_bytes);
    limits->output_bytes = (uint64_t)su_json_int(object, "output_bytes", (int64_t)limits->output_bytes);
    limits->processes = (uint32_t)su_json_int(object, "processes", limits->processes);
    limits->time_s = (uint32_t)su_json_int(object, "time_s", limits->time_s);
}

/* What the kernel's side needs to confine itself. */
json_t *keeper_settings(const struct keeper *keeper) {
    bool is_plain = !keeper->process.is_sandboxed;
    json_t *rlimits = json_pack("{s:i, s:i}", "CORE", 0, "NOFILE", 4096);
    /* Counted per user namespace in a sandbox; outside it the user's other kernels would count too. */
    if (!is_plain) json_object_set_new(rlimits, "NPROC", json_integer((json_int_t)keeper->limits.processes + 1));
    if (keeper->limits.scratch_bytes) json_object_set_new(rlimits, "FSIZE", json_integer((json_int_t)keeper->limits.scratch_bytes));
    if (!cgroup_has_memory(&keeper->cgroup)) json_object_set_new(rlimits, "DATA", json_integer((json_int_t)keeper->limits.memory_bytes));
    json_t *settings = json_pack("{s:o, s:b, s:O}", "rlimits", rlimits, "sandbox", (int)!is_plain, "filters",
                                 json_object_get(keeper->spec, "filters"));
    /* a zygote's child has its scratch by now; one that bubblewrap started mounts it itself */
    bool is_alone = strcmp(su_json_string(keeper->spec, "mode", ""), "bwrap") == 0;
    if (is_alone) json_object_set_new(settings, "scratch_bytes", json_integer((json_int_t)keeper->limits.scratch_bytes));
    return settings;
}

bool keeper_read_spec(const char *folder, json_t **ret, struct su_err *err) {
    char path[600];
    struct su_buf text SU_AUTO_BUF = SU_BUF(SPEC_MAX);
    snprintf(path, sizeof path, "%s/spec.json", folder);
    return su_file_read(path, SPEC_MAX, &text, err) && su_json_parse(su_buf_str(&text), "spec.json", ret, err);
}

static bool take_spec(struct keeper *keeper, struct su_err *err) {
    if (!keeper_read_spec(keeper->folder, &keeper->spec, err)) return false;
    snprintf(keeper->runtime, sizeof keeper->runtime, "%s", su_json_string(keeper->spec, "kernel_dir", ""));
    snprintf(keeper->socket_path, sizeof keeper->socket_path, "%s", su_json_string(keeper->spec, "socket", ""));
    keeper_read_limits(&keeper->limits, json_object_get(keeper->spec, "limits"));
    return true;
}

static bool write_connection_file(struct keeper *keeper, struct su_err *err) {
    char ip[160];
    snprintf(ip, sizeof ip, "%s/k", su_json_string(keeper->spec, "inner_dir", "/run/kernel"));
    json_t *file SU_AUTO_JSON = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "transport", "ipc", "ip", ip,
        "key", keeper->key.text, "signature_scheme", "hmac-sha256", "kernel_name", "python3",
        "shell_port", 1, "iopub_port", 2, "stdin_port", 3, "control_port", 4, "hb_port", 5);
    char *text SU_AUTO_FREE = su_json_text(file);
    uid_t uid = (uid_t)su_json_int(keeper->spec, "uid", (int64_t)geteuid());
    int fd SU_AUTO_FD = openat(keeper->runtime_fd, "connection.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || (uid != geteuid() && fchown(fd, uid, uid) < 0)) return su_fail_errno(err, errno, "connection.json");
    return su_write_all(fd, text, strlen(text), err);
}

static bool make_runtime(struct keeper *keeper, struct su_err *err) {
    struct su_err ignored;
    uid_t uid = (uid_t)su_json_int(keeper->spec, "uid", (int64_t)geteuid());
    su_dir_remove(keeper->runtime, &ignored);
    if (mkdir(keeper->runtime, 0700) < 0) return su_fail_errno(err, errno, "%s", keeper->runtime);
    keeper->runtime_fd = open(keeper->runtime, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (keeper->runtime_fd < 0 || (uid != geteuid() && fchown(keeper->runtime_fd, uid, uid) < 0))
        return su_fail_errno(err, errno, "%s", keeper->runtime);
    return write_connection_file(keeper, err);
}

static void prepare(struct keeper *keeper, const char *folder) {
    *keeper = (struct keeper){.folder_fd = -1, .runtime_fd = -1, .program_fd = -1, .listener = -1, .spool = {.fd = -1},
        .event = SU_BUF(EVENT_MAX), .text = SU_BUF(2ULL * SOCKETS_MESSAGE_MAX)};
    snprintf(keeper->folder, sizeof keeper->folder, "%s", folder);
    link_init(&keeper->link);
    process_init(&keeper->process);
}

static const char *name_of(const struct keeper *keeper) { return su_json_string(keeper->spec, "name", "kernel"); }

static bool open_parts(struct keeper *keeper, struct su_err *err) {
    keeper->folder_fd = open(keeper->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (keeper->folder_fd < 0) return su_fail_errno(err, errno, "%s", keeper->folder);
    if (!take_spec(keeper, err) || !spool_open(&keeper->spool, keeper->folder_fd, err)) return false;
    const char *program = su_json_string(keeper->spec, "init", "");
    keeper->program_fd = open(program, O_RDONLY | O_CLOEXEC);
    if (keeper->program_fd < 0) return su_fail_errno(err, errno, "%s", program);
    wire_key_make(&keeper->key);
    su_secret(keeper->session, 24);
    if (!make_runtime(keeper, err)) return false;
    cgroup_open(&keeper->cgroup, json_object_get(keeper->spec, "cgroup"), name_of(keeper));
    if (!cgroup_limit(&keeper->cgroup, keeper->limits.memory_bytes, keeper->limits.processes))
        return su_fail(err, SU_INTERNAL, "the kernel's control group could not be limited");
    if (!orders_write_card(keeper, "", "", err)) return false;
    return link_listen(keeper->socket_path, &keeper->listener, err);
}

bool keeper_open_remains(struct keeper *keeper, const char *folder, struct su_err *err) {
    prepare(keeper, folder);
    if (!take_spec(keeper, err)) return false;
    cgroup_open(&keeper->cgroup, json_object_get(keeper->spec, "cgroup"), name_of(keeper));
    return true;
}

bool keeper_open(struct keeper *keeper, const char *folder, struct su_err *err) {
    prepare(keeper, folder);
    if (!open_parts(keeper, err)) return false;
    keeper->start_by = su_mono_ms() + START_MS;
    keeper->alone_since = su_mono_ms();
    return true;
}

void keeper_close(struct keeper *keeper) {
    sockets_close(keeper->sockets);
    process_done(&keeper->process);
    link_done(&keeper->link);
    spool_close(&keeper->spool);
    cells_done(&keeper->cells);
    su_buf_done(&keeper->event);
    su_buf_done(&keeper->text);
    json_decref(keeper->spec);
    int descriptors[] = {keeper->listener, keeper->program_fd, keeper->runtime_fd, keeper->folder_fd};
    for (size_t i = 0; i < SU_COUNT(descriptors); i++)
        if (descriptors[i] >= 0) close(descriptors[i]);
}

static void start_kernel(struct keeper *keeper) {
    struct su_err err;
    if (!process_start(&keeper->process, keeper->spec, keeper->runtime_fd, &err)) ending_kill(keeper, CAUSE_START_FAILED, "%s", err.message);
}

static void meet_init(struct keeper *keeper) {
    struct su_err err;
    json_t *settings SU_AUTO_JSON = keeper_settings(keeper);
    if (!process_meet(&keeper->process, &keeper->cgroup, settings, keeper->program_fd, &err))
        ending_kill(keeper, CAUSE_START_FAILED, "%s", err.message);
}

static void hear_init(struct keeper *keeper) {
    switch (process_read(&keeper->process)) {
    case PROCESS_BOUND:
        if (keeper->phase == PHASE_STARTING) conversation_open(keeper);
        break;
    case PROCESS_STOPPED: keeper->stopped_at = su_mono_ms() + STOPPED_MS; break;
    case PROCESS_CONTINUED: keeper->stopped_at = 0; break;
    case PROCESS_EXITED:
    case PROCESS_GONE: ending_died(keeper); break;
    case PROCESS_NOTHING: break;
    }
}

/* How long a keeper that nobody asks for lives; 0 when the question does not arise. */
static int64_t lease_end(const struct keeper *keeper) {
    if (keeper->link.fd >= 0) return 0;
    if (!keeper->is_claimed) return keeper->alone_since + su_json_int(keeper->spec, "warm_lease_s", 60) * 1000;
    bool is_busy = keeper->phase < PHASE_ENDED && !(keeper->phase == PHASE_READY && conversation_is_idle(keeper));
    return is_busy ? 0 : keeper->alone_since + su_json_int(keeper->spec, "lease_s", 86400) * 1000;
}

static void end_lease(struct keeper *keeper) {
    if (!keeper->is_claimed || keeper->phase == PHASE_ENDED) {
        process_kill(&keeper->process);
        ending_tidy(keeper, true);
        keeper->is_over = true;
        return;
    }
    ending_kill(keeper, CAUSE_LEASE, "no server asked for the kernel in time");
}

static bool is_due(int64_t *deadline, int64_t now) {
    if (!*deadline || now < *deadline) return false;
    *deadline = 0;
    return true;
}

static void keep_time(struct keeper *keeper) {
    int64_t now = su_mono_ms(), lease = lease_end(keeper);
    if (is_due(&keeper->nudge_at, now) && keeper->phase == PHASE_NUDGING) conversation_nudge(keeper);
    if (is_due(&keeper->start_by, now)) ending_kill(keeper, CAUSE_START_FAILED, "the kernel did not answer within %d s", START_MS / 1000);
    if (is_due(&keeper->time_out_at, now)) ending_stop(keeper, CAUSE_TIMED_OUT, "the run took longer than its limit of %u s", keeper->limits.time_s);
    if (is_due(&keeper->stopped_at, now)) ending_kill(keeper, CAUSE_DIED, "the kernel stopped itself (SIGSTOP) and was ended");
    if (is_due(&keeper->stop_at, now)) ending_step(keeper);
    if (lease && now >= lease) end_lease(keeper);
    bool has_died = keeper->phase == PHASE_DYING && !process_is_alive(&keeper->process);
    bool is_patient = keeper->lost_at && now < keeper->lost_at && !sockets_is_lost(keeper->sockets);
    bool is_hopeless = keeper->phase == PHASE_DYING && keeper->dead_by && now >= keeper->dead_by;
    if (is_hopeless) process_kill(&keeper->process);
    if (is_hopeless || (has_died && (!keeper->sockets || !is_patient))) ending_conclude(keeper);
}

/* A kernel that lives but has lost its output socket sent something too large, or closed it. */
static void check_sockets(struct keeper *keeper) {
    if (!sockets_is_lost(keeper->sockets) || keeper->phase >= PHASE_CLOSING) return;
    if (!keeper->lost_at) keeper->lost_at = su_mono_ms() + LOST_MS;
    else if (su_mono_ms() >= keeper->lost_at) {
        keeper->lost_at = 0;
        ending_kill(keeper, CAUSE_OUTPUT_LIMIT,
                    "the kernel closed its output channel, or one output was larger than %d MiB",
                    SOCKETS_MESSAGE_MAX >> 20);
    }
}

static int64_t patience(const struct keeper *keeper) {
    int64_t deadlines[] = {keeper->start_by,   keeper->nudge_at, keeper->time_out_at, keeper->stop_at,
                           keeper->stopped_at, keeper->lost_at,  keeper->dead_by,     lease_end(keeper)};
    int64_t now = su_mono_ms(), first = 0;
    for (size_t i = 0; i < SU_COUNT(deadlines); i++)
        if (deadlines[i] && (!first || deadlines[i] < first)) first = deadlines[i];
    if (keeper->phase == PHASE_DYING && (!first || first > now + 10)) return 10; /* a zombie may still be reaped by others */
    return !first ? -1 : first > now ? first - now : 0;
}

enum watched { WATCH_LISTENER, WATCH_LINK, WATCH_INIT_LISTENER, WATCH_INIT, WATCH_OUTPUT, WATCH_PIDFD, WATCH_LAUNCHER, WATCH_COUNT };

static void wait_and_read(struct keeper *keeper) {
    const struct process *process = &keeper->process;
    bool is_dying = keeper->phase >= PHASE_DYING; /* dead pidfds stay readable: no longer watched */
    short link_events = (short)(POLLIN | (keeper->link.is_live && keeper->link.at < spool_end(&keeper->spool) ? POLLOUT : 0));
    int wanted[WATCH_COUNT] = {keeper->listener, keeper->link.fd, process->listener, process->init, process->output,
        is_dying ? -1 : process->pidfd, is_dying ? -1 : process->launcher_pidfd};
    struct pollfd polled[WATCH_COUNT];
    int place[WATCH_COUNT];
    size_t count = 0;
    for (int i = 0; i < WATCH_COUNT; i++) {
        place[i] = wanted[i] < 0 ? -1 : (int)count;
        if (wanted[i] >= 0) polled[count++] = (struct pollfd){.fd = wanted[i], .events = i == WATCH_LINK ? link_events : POLLIN};
    }
    unsigned ready;
    sockets_poll(keeper->sockets, polled, count, patience(keeper), &ready);
#define IS_READY(which) (place[which] >= 0 && (polled[place[which]].revents & (POLLIN | POLLERR | POLLHUP)))
    if (IS_READY(WATCH_LINK)) orders_read(keeper);
    if (keeper->is_over) return;
    if (IS_READY(WATCH_LISTENER)) link_accept(&keeper->link, keeper->listener);
    if (keeper->sockets && ready) conversation_read(keeper, ready);
    if (IS_READY(WATCH_OUTPUT) && keeper->process.output == wanted[WATCH_OUTPUT]) process_read_output(&keeper->process);
    if (IS_READY(WATCH_INIT_LISTENER)) meet_init(keeper);
    if (IS_READY(WATCH_INIT) && keeper->process.init >= 0) hear_init(keeper);
    if (IS_READY(WATCH_PIDFD) || IS_READY(WATCH_LAUNCHER)) ending_died(keeper);
#undef IS_READY
}

void keeper_run(struct keeper *keeper) {
    start_kernel(keeper);
    while (!keeper->is_over) {
        wait_and_read(keeper);
        if (keeper->is_over) break;
        check_sockets(keeper);
        keep_time(keeper);
        if (keeper->link.is_live && !spool_send(&keeper->spool, keeper->link.fd, &keeper->link.at)) {
            link_close(&keeper->link);
            keeper->alone_since = su_mono_ms();
        }
    }
}
