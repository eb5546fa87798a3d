/* suricate-init: process 1 of a kernel's pid namespace (or, without a sandbox, the
 * root of its process tree).  Layer keep; a program of its own, static, one thread.
 *
 * suricate-init SOCKET_FD CHILD_PID.  It reaps, passes the keeper's signals on to
 * the kernel, tells the keeper how the kernel fares, and ends when the kernel ends
 * or the keeper is gone; in a pid namespace the system then kills all that is left.
 *
 * Keeper to init: one letter, I (SIGINT), T (SIGTERM), C (SIGCONT) to the kernel, K end everything.
 * Init to keeper: "stopped", "continued", "exit STATUS CPU_US MAXRSS_KIB" (STATUS as of wait). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void tell(int keeper, const char *text, int len) {
    (void)!send(keeper, text, (size_t)len, MSG_NOSIGNAL);
}

static void tell_exit(int keeper, int status) {
    struct rusage usage = {0};
    getrusage(RUSAGE_CHILDREN, &usage);
    long cpu_us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
    char text[96];
    tell(keeper, text, snprintf(text, sizeof text, "exit %d %ld %ld", status, cpu_us, usage.ru_maxrss));
}

/* Reap what there is; true once the kernel itself has ended. */
static bool reap(int keeper, pid_t kernel) {
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0;) {
        if (pid != kernel) continue;
        if (WIFSTOPPED(status)) tell(keeper, "stopped", 7);
        else if (WIFCONTINUED(status)) tell(keeper, "continued", 9);
        else {
            tell_exit(keeper, status);
            return true;
        }
    }
    return false;
}

/* Without a pid namespace nobody ends the rest for us: orphans come to us as subreaper. */
static void kill_descendants(void) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (int rounds = 0; rounds < 1000; rounds++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
        FILE *children = fopen(path, "re");
        if (!children) return;
        int pid, found = 0;
        while (fscanf(children, "%d", &pid) == 1 && ++found) kill(pid, SIGKILL);
        fclose(children);
        if (!found) return;
        sigtimedwait(&child, NULL, &(struct timespec){.tv_nsec = 1000000});
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
    }
}

static bool obey(int keeper, pid_t kernel) {
    char order;
    ssize_t got = recv(keeper, &order, 1, MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0 || order == 'K') return false;
    kill(kernel, order == 'I' ? SIGINT : order == 'C' ? SIGCONT : SIGTERM);
    return true;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int keeper = (int)strtol(argv[1], NULL, 10);
    pid_t kernel = (pid_t)strtol(argv[2], NULL, 10);
    bool is_namespaced = getpid() == 1;
    prctl(PR_SET_DUMPABLE, 0);  /* the kernel has our uid and must not write our memory */
    if (!is_namespaced) prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    int children = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    struct pollfd wait[2] = {{.fd = keeper, .events = POLLIN}, {.fd = children, .events = POLLIN}};
    while (!reap(keeper, kernel)) {
        if (poll(wait, 2, -1) < 0 && errno != EINTR) break;
        struct signalfd_siginfo ignored;
        while (read(children, &ignored, sizeof ignored) > 0) {}
        if (wait[0].revents && !obey(keeper, kernel)) break;
    }
    if (!is_namespaced) kill_descendants();
    return 0;
}
