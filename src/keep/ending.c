/* Stopping a kernel, why it ended, and what it leaves behind.  Layer keep. */
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include "base/clock.h"
#include "base/fs.h"
#include "keep/keeper.h"

enum { STEP_MS = 3000, SHUTDOWN_MS = 5000, SECOND_INTERRUPT_MS = 1000, LAST_OUTPUT_MS = 500, DEATH_MS = 10000 };

static const char *const cause_names[CAUSE_COUNT] = {
    [CAUSE_NONE] = "died",           [CAUSE_FINISHED] = "finished",         [CAUSE_CANCELLED] = "cancelled",
    [CAUSE_TIMED_OUT] = "timed_out", [CAUSE_OUT_OF_MEMORY] = "out_of_memory", [CAUSE_OUTPUT_LIMIT] = "output_limit",
    [CAUSE_DIED] = "died",           [CAUSE_START_FAILED] = "start_failed", [CAUSE_LEASE] = "lease",
};

static void set_cause(struct keeper *keeper, enum cause cause, const char *format, va_list arguments) {
    if (keeper->cause && !(keeper->cause == CAUSE_FINISHED && cause != CAUSE_FINISHED && keeper->phase < PHASE_DYING)) return;
    keeper->cause = cause;
    vsnprintf(keeper->detail, sizeof keeper->detail, format, arguments);
}

static void give_up_waiting(struct keeper *keeper) {
    keeper->start_by = keeper->nudge_at = keeper->time_out_at = keeper->stop_at = keeper->stopped_at = 0;
}

static void kill_now(struct keeper *keeper) {
    if (keeper->phase >= PHASE_DYING) return;
    give_up_waiting(keeper);
    keeper->phase = PHASE_DYING;
    keeper->dead_by = su_mono_ms() + DEATH_MS;
    process_kill(&keeper->process);
    cgroup_kill(&keeper->cgroup);
}

void ending_kill(struct keeper *keeper, enum cause cause, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    set_cause(keeper, cause, format, arguments);
    va_end(arguments);
    kill_now(keeper);
}

void ending_stop(struct keeper *keeper, enum cause cause, const char *format, ...) {
    bool was_stopping = keeper->cause && keeper->cause != CAUSE_FINISHED;
    va_list arguments;
    va_start(arguments, format);
    set_cause(keeper, cause, format, arguments);
    va_end(arguments);
    if (was_stopping || keeper->phase >= PHASE_DYING) return;
    cells_clear(&keeper->cells);
    keeper->time_out_at = 0;
    keeper->stop_step = 0;
    if (keeper->phase < PHASE_READY) kill_now(keeper);
    else ending_step(keeper);
}

/* The steps: interrupt, once more, SIGTERM, kill; or a shutdown as soon as no cell runs. */
void ending_step(struct keeper *keeper) {
    int64_t now = su_mono_ms();
    if (keeper->phase == PHASE_READY && !keeper->running.is_active) {
        keeper->phase = PHASE_CLOSING;
        conversation_shutdown(keeper);
        keeper->stop_step = 2;
        keeper->stop_at = now + (keeper->cause == CAUSE_FINISHED ? SHUTDOWN_MS : STEP_MS);
        return;
    }
    switch (keeper->stop_step++) {
    case 0:
        conversation_interrupt(keeper);
        keeper->stop_at = now + SECOND_INTERRUPT_MS;
        return;
    case 1:
        process_order(&keeper->process, 'I');
        keeper->stop_at = now + STEP_MS - SECOND_INTERRUPT_MS;
        return;
    case 2:
        process_order(&keeper->process, 'T');
        keeper->stop_at = now + STEP_MS;
        return;
    default:
        kill_now(keeper);
    }
}

void ending_died(struct keeper *keeper) {
    if (keeper->phase >= PHASE_DYING && keeper->lost_at) return;
    bool is_first = keeper->phase < PHASE_DYING;
    give_up_waiting(keeper);
    keeper->phase = PHASE_DYING;
    keeper->lost_at = su_mono_ms() + LAST_OUTPUT_MS; /* what it wrote last is still in the sockets */
    if (is_first) keeper->dead_by = su_mono_ms() + DEATH_MS;
}

static void explain_death(struct keeper *keeper, bool was_ready) {
    const struct process *process = &keeper->process;
    int status = process->status;
    char *detail = keeper->detail;
    size_t size = sizeof keeper->detail;
    if (keeper->cause && keeper->cause != CAUSE_FINISHED) return;
    bool is_killed = !process->has_status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    if (keeper->cause == CAUSE_FINISHED && process->has_status) return;
    if (is_killed && cgroup_oom_kills(&keeper->cgroup) > 0) {
        keeper->cause = CAUSE_OUT_OF_MEMORY;
        snprintf(detail, size, "the kernel needed more than its limit of %llu MiB of memory",
                 (unsigned long long)(keeper->limits.memory_bytes >> 20));
        return;
    }
    if (keeper->cause == CAUSE_FINISHED) return;
    keeper->cause = was_ready ? CAUSE_DIED : CAUSE_START_FAILED;
    const char *what = was_ready ? "the kernel" : "the kernel did not start: it";
    if (!process->has_status) snprintf(detail, size, "%s was ended from outside", what);
    else if (WIFSIGNALED(status)) snprintf(detail, size, "%s was ended by signal %d (%s)", what, WTERMSIG(status), strsignal(WTERMSIG(status)));
    else snprintf(detail, size, "%s ended itself with exit status %d", what, WEXITSTATUS(status));
}

static int64_t cpu_us(const struct keeper *keeper) {
    int64_t used = cgroup_cpu_us(&keeper->cgroup);
    return used >= 0 ? used : keeper->process.has_status ? keeper->process.cpu_us : -1;
}

static int64_t memory_peak(const struct keeper *keeper) {
    int64_t peak = cgroup_memory_peak(&keeper->cgroup);
    return peak >= 0 ? peak : keeper->process.has_status ? (int64_t)keeper->process.maxrss_kib * 1024 : -1;
}

static void report_ended(struct keeper *keeper) {
    const struct process *process = &keeper->process;
    char tail[sizeof process->tail + 1];
    struct su_buf clean SU_AUTO_BUF = SU_BUF(sizeof tail * 4);
    process_tail(process, tail, sizeof tail);
    for (const char *at = tail; *at; at++) /* foreign bytes: keep what is printable */
        su_buf_addc(&clean, (unsigned char)*at < 0x80 && (*at >= ' ' || *at == '\n' || *at == '\t') ? *at : '?');
    report_begin(keeper, "ended");
    report_text(keeper, "cause", cause_names[keeper->cause]);
    report_text(keeper, "detail", keeper->detail);
    report_int(keeper, "exit_code", process->has_status && WIFEXITED(process->status) ? WEXITSTATUS(process->status) : -1);
    report_int(keeper, "signal", process->has_status && WIFSIGNALED(process->status) ? WTERMSIG(process->status) : -1);
    if (cpu_us(keeper) >= 0) su_buf_addf(&keeper->event, ",\"cpu_s\":%.3f", (double)cpu_us(keeper) / 1e6);
    else su_buf_adds(&keeper->event, ",\"cpu_s\":null");
    report_int(keeper, "memory_peak_bytes", memory_peak(keeper));
    report_text(keeper, "stderr_tail", su_buf_str(&clean).ptr);
    report_end(keeper);
}

void ending_conclude(struct keeper *keeper) {
    bool was_ready = !keeper->sockets || keeper->has_info;
    if (keeper->process.output >= 0) process_read_output(&keeper->process);
    explain_death(keeper, keeper->has_info && was_ready);
    report_cell_end(keeper, "aborted");
    keeper->phase = PHASE_ENDED;
    report_ended(keeper);
    give_up_waiting(keeper);
    keeper->lost_at = keeper->dead_by = 0;
    sockets_close(su_take(keeper->sockets));
    ending_tidy(keeper, false);
    malloc_trim(0); /* what is left only waits for the server */
    keeper->alone_since = su_mono_ms();
}

void ending_tidy(struct keeper *keeper, bool with_folder) {
    struct su_err ignored;
    cgroup_kill(&keeper->cgroup);
    for (int i = 0; i < 50 && !cgroup_remove(&keeper->cgroup); i++) poll(NULL, 0, 10); /* nothing says when a group is empty */
    if (*keeper->runtime) su_dir_remove(keeper->runtime, &ignored);
    if (!with_folder) return;
    unlink(keeper->socket_path);
    su_dir_remove(keeper->folder, &ignored);
}
