/* suricate-keep: a kernel's keeper, and the few things that must happen outside the server's process.
 * Layer keep; a process of its own.
 *
 *   suricate-keep keep FOLDER     keep the kernel that FOLDER/spec.json describes: detaches once it listens
 *   suricate-keep zygote FOLDER   run spec's argv as spec's uid, detached, its output to FOLDER/log
 *   suricate-keep run FOLDER      run it, wait, pass on its standard error and exit status
 *   suricate-keep command FOLDER  run it, all three streams our own, and end as it does; 125: it was not run
 *   suricate-keep tidy FOLDER     remove what a dead keeper left: control group, sockets, folder
 *
 * It ends with 0, or with 1 and the reason on standard error. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/log.h"
#include "keep/keeper.h"

enum { RUN_TIMEOUT_S = 30, COMMAND_FAILED = 125 };

/* Few and small arenas, freed pages given back: a keeper waits most of its life. */
static void tune_memory(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static int open_log(const char *folder) {
    char path[600];
    snprintf(path, sizeof path, "%s/log", folder);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void detach_streams(const char *folder) {
    int log = open_log(folder);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    dup2(log >= 0 ? log : null, 2);
    if (log > 2) close(log);
    if (null > 2) close(null);
}

static int keep_detached(const char *folder, int started_fd) {
    static struct keeper keeper;
    struct su_err err;
    if (!keeper_open(&keeper, folder, &err)) {
        fprintf(stderr, "%s\n", err.message);
        ending_tidy(&keeper, false);
        keeper_close(&keeper);
        return 1;
    }
    detach_streams(folder);
    (void)!write(started_fd, "", 1);
    close(started_fd);
    keeper_run(&keeper);
    keeper_close(&keeper);
    return 0;
}

static int mode_keep(const char *folder) {
    int started[2];
    if (pipe2(started, O_CLOEXEC) < 0) return 1;
    pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
        close(started[0]);
        setsid();
        return keep_detached(folder, started[1]);
    }
    close(started[1]);
    char byte;
    if (read(started[0], &byte, 1) == 1) return 0;
    waitpid(pid, NULL, 0);
    return 1;
}

static bool launch_from(const char *folder, int input, int output, struct process *process) {
    struct su_err err;
    json_t *spec SU_AUTO_JSON = NULL;
    process_init(process);
    if (keeper_read_spec(folder, &spec, &err) && process_launch(process, spec, input, output, &err)) return true;
    fprintf(stderr, "%s\n", err.message);
    return false;
}

static int mode_zygote(const char *folder) {
    struct process process;
    int log SU_AUTO_FD = open_log(folder);
    return launch_from(folder, -1, log, &process) ? 0 : 1;
}

static int mode_run(const char *folder) {
    struct process process;
    int status = 0;
    if (!launch_from(folder, -1, 2, &process)) return 1;
    if (process_await_end(&process, RUN_TIMEOUT_S * 1000) && waitpid(process.launcher, &status, 0) == process.launcher)
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
    fprintf(stderr, "it did not end within %d s\n", RUN_TIMEOUT_S);
    kill(process.launcher, SIGKILL);
    return 1;
}

/* Dies with the server, and takes the sandbox along; 125: it could not be run. */
static int mode_command(const char *folder) {
    struct process process;
    struct su_err err;
    int status = 0;
    json_t *spec SU_AUTO_JSON = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    process_init(&process);
    if (!keeper_read_spec(folder, &spec, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return COMMAND_FAILED;
    }
    if (!process_launch(&process, spec, 0, 1, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return COMMAND_FAILED;
    }
    while (waitpid(process.launcher, &status, 0) < 0) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int mode_tidy(const char *folder) {
    static struct keeper keeper;
    struct su_err err;
    if (!keeper_open_remains(&keeper, folder, &err)) fprintf(stderr, "%s\n", err.message);
    ending_tidy(&keeper, true);
    keeper_close(&keeper);
    return 0;
}

static const struct { const char *name; int (*run)(const char *folder); } modes[] = {
    {"keep", mode_keep}, {"zygote", mode_zygote}, {"run", mode_run}, {"command", mode_command}, {"tidy", mode_tidy}};

int main(int argc, char **argv) {
    tune_memory();
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT};
    for (size_t i = 0; i < SU_COUNT(ignored); i++)
        sigaction(ignored[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    umask(077);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    for (size_t i = 0; argc == 3 && i < SU_COUNT(modes); i++)
        if (strcmp(argv[1], modes[i].name) == 0) return modes[i].run(argv[2]);
    fprintf(stderr, "usage: suricate-keep keep|zygote|run|command|tidy FOLDER\n");
    return 2;
}
