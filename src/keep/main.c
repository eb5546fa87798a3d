/* suricate-keep: one kernel's keeper.  Layer keep; a process of its own.
 *
 *   suricate-keep FOLDER      the folder holds spec.json, written by the server
 *
 * It detaches; the program that was started ends with 0 once the keeper listens, else
 * with 1 and the reason on standard error.  Logs go to FOLDER/log. */
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
#include "base/log.h"
#include "keep/keeper.h"

/* Few and small arenas, freed pages given back: a keeper waits most of its life. */
static void tune_memory(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024);
    mallopt(M_TOP_PAD, 16 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static void detach_streams(const char *folder) {
    char path[600];
    snprintf(path, sizeof path, "%s/log", folder);
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    dup2(log >= 0 ? log : null, 2);
    if (log > 2) close(log);
    if (null > 2) close(null);
}

static int keep(const char *folder, int started_fd) {
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

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: suricate-keep FOLDER\n");
        return 2;
    }
    tune_memory();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    umask(077);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    int started[2];
    if (pipe2(started, O_CLOEXEC) < 0) return 1;
    pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) {
        close(started[0]);
        setsid();
        return keep(argv[1], started[1]);
    }
    close(started[1]);
    char byte;
    if (read(started[0], &byte, 1) == 1) return 0;
    waitpid(pid, NULL, 0);
    return 1;
}
