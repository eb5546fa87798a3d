/* The kernel's processes: start, watch, signal, end.  Layer keep; one thread.
 *
 * The kernel's future process 1 connects to a socket in the kernel's folder before any
 * foreign code runs; its pid (by SO_PEERCRED, in our numbering) gives a pidfd and
 * goes into the control group, then it gets settings and descriptors and goes on.
 * Killing that process ends everything in its pid namespace. */
#pragma once
#include <sys/types.h>
#include "base/json.h"
#include "keep/cgroup.h"

enum process_event { PROCESS_NOTHING, PROCESS_BOUND, PROCESS_STOPPED, PROCESS_CONTINUED, PROCESS_EXITED, PROCESS_GONE };

/* Descriptors are -1 when absent. listener: until init came; init: its socket; pidfd: its process;
 * output: the kernel's raw standard output and error. */
struct process {
    int listener, init, pidfd, output, launcher_pidfd;
    pid_t init_pid, kernel_pid, launcher;
    bool has_status, is_sandboxed;
    int status;                 /* as of wait(2), when has_status */
    long cpu_us, maxrss_kib;    /* as init counted */
    char tail[4096];            /* the last of the output, a ring */
    size_t tail_at;
};

void process_init(struct process *process);
void process_done(struct process *process);
/* Ask the zygote at spec.zygote for a fork, or run spec.argv with spec.env (as spec.uid). */
bool process_start(struct process *process, const json_t *spec, int kernel_dir_fd, struct su_err *err);
/* Only run spec.argv, standard input from `input` (-1: there is none), standard output and error to `output`. */
bool process_launch(struct process *process, const json_t *spec, int input, int output, struct su_err *err);
/* Take init's connection: pidfd, control group, settings. */
bool process_meet(struct process *process, const struct cgroup *group, const json_t *settings, int program_fd, struct su_err *err);
/* What init says next.  GONE: init and all its children have ended. */
enum process_event process_read(struct process *process);
void process_read_output(struct process *process);
/* 'I' interrupt, 'T' terminate, 'C' continue, 'K' end everything. */
void process_order(struct process *process, char order);
void process_kill(struct process *process);
bool process_is_alive(const struct process *process);
/* Wait for its end; false when it lives on after timeout_ms. */
bool process_await_end(const struct process *process, int timeout_ms);
/* rlimits of the running kernel, as at its start. */
void process_set_rlimits(const struct process *process, const json_t *rlimits);
/* The output's last bytes as text (into text, size ≥ 4097). */
void process_tail(const struct process *process, char *text, size_t size);
