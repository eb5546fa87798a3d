/* See process.h.  Layer keep. */
#include "keep/process.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fs.h"

enum { ANSWER_TIMEOUT_MS = 30000, ARGV_MAX = 256 };

void process_init(struct process *process) {
    *process = (struct process){.listener = -1, .init = -1, .pidfd = -1, .output = -1, .launcher_pidfd = -1};
}

static void close_one(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

void process_done(struct process *process) {
    close_one(&process->listener);
    close_one(&process->init);
    close_one(&process->pidfd);
    close_one(&process->output);
    close_one(&process->launcher_pidfd);
}

/* The folder by descriptor: the path of a folder may be longer than a socket address. */
static void address_in(int folder_fd, const char *name, struct sockaddr_un *ret) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", folder_fd, name);
}

static bool listen_for_init(struct process *process, const json_t *spec, int folder_fd, struct su_err *err) {
    struct sockaddr_un address;
    address_in(folder_fd, "keeper", &address);
    process->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlinkat(folder_fd, "keeper", 0);
    if (bind(process->listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(process->listener, 1) < 0)
        return su_fail_errno(err, errno, "kernel's start socket");
    uid_t uid = (uid_t)su_json_int(spec, "uid", (int64_t)geteuid());
    if (uid != geteuid() && fchownat(folder_fd, "keeper", uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
        return su_fail_errno(err, errno, "kernel's start socket");
    return true;
}

static bool ask_zygote(const json_t *spec, struct su_err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", su_json_string(spec, "zygote", ""));
    int fd SU_AUTO_FD = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = ANSWER_TIMEOUT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return su_fail_errno(err, errno, "the environment's zygote");
    char request[256], answer[1024];
    int len = snprintf(request, sizeof request, "{\"op\": \"fork\", \"kernel\": \"%s\", \"scratch\": %lld}",
        su_json_string(spec, "name", ""), (long long)su_json_int(json_object_get(spec, "limits"), "scratch_bytes", 0));
    ssize_t got = send(fd, request, (size_t)len, MSG_NOSIGNAL) == len ? recv(fd, answer, sizeof answer - 1, 0) : -1;
    if (got <= 0) return su_fail(err, SU_UNAVAILABLE, "the environment's zygote did not answer");
    answer[got] = 0;
    if (strncmp(answer, "{\"ok\": true", 11) != 0) return su_fail(err, SU_INTERNAL, "the environment's zygote could not fork: %s", answer);
    return true;
}

static const char **texts(const json_t *list) {
    size_t count = json_array_size(list);
    const char **array = su_alloc((count + 1) * sizeof *array);
    for (size_t i = 0; i < count; i++) array[i] = json_string_value(json_array_get(list, i));
    return array;
}

/* In the forked child: only calls that are safe there.  Ends in exec. */
_Noreturn static void become(const char **argv, const char **env, uid_t uid, int input, int output) {
    if (input < 0) input = open("/dev/null", O_RDONLY);
    if ((input != 0 && dup2(input, 0) < 0) || dup2(output, 1) < 0 || dup2(output, 2) < 0) _exit(126);
    syscall(SYS_close_range, 3U, ~0U, 4U /* CLOEXEC */);
    setsid();
    if (uid != geteuid() && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)) _exit(126);
    umask(077);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (chdir("/") == 0) execve(argv[0], (char *const *)argv, (char *const *)env);
    static const char text[] = "the sandbox program could not be run\n";
    (void)!write(2, text, sizeof text - 1);
    _exit(127);
}

bool process_launch(struct process *process, const json_t *spec, int input, int output, struct su_err *err) {
    const char **argv SU_AUTO_FREE = texts(json_object_get(spec, "argv"));
    const char **env SU_AUTO_FREE = texts(json_object_get(spec, "env"));
    uid_t uid = (uid_t)su_json_int(spec, "uid", (int64_t)geteuid());
    if (!argv[0]) return su_fail(err, SU_INTERNAL, "the kernel's specification names no program");
    pid_t pid = fork();
    if (pid < 0) return su_fail_errno(err, errno, "fork");
    if (pid == 0) become(argv, env, uid, input, output);
    process->launcher = pid;
    process->launcher_pidfd = pidfd_open(pid, 0);
    return true;
}

bool process_start(struct process *process, const json_t *spec, int kernel_dir_fd, struct su_err *err) {
    process->is_sandboxed = strcmp(su_json_string(spec, "mode", ""), "plain") != 0;
    if (!listen_for_init(process, spec, kernel_dir_fd, err)) return false;
    if (strcmp(su_json_string(spec, "mode", ""), "zygote") == 0) return ask_zygote(spec, err);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return su_fail_errno(err, errno, "pipe");
    process->output = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    bool ok = process_launch(process, spec, -1, ends[1], err);
    close(ends[1]);
    return ok;
}

static bool hand_over(int init, const json_t *settings, const int descriptors[2], struct su_err *err) {
    char *text SU_AUTO_FREE = su_json_text(settings);
    struct iovec part = {text, strlen(text)};
    union { char bytes[CMSG_SPACE(sizeof(int) * 2)]; struct cmsghdr align; } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * 2)};
    memcpy(CMSG_DATA(header), descriptors, sizeof(int) * 2);
    if (sendmsg(init, &message, MSG_NOSIGNAL) < 0) return su_fail_errno(err, errno, "the kernel's settings");
    return true;
}

bool process_meet(struct process *process, const struct cgroup *group, const json_t *settings, int program_fd, struct su_err *err) {
    int init = accept4(process->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (init < 0) return errno == EAGAIN ? true : su_fail_errno(err, errno, "the kernel's start socket");
    process->init = init;
    close_one(&process->listener);
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    int on = 1;
    getsockopt(init, SOL_SOCKET, SO_PEERCRED, &peer, &len);
    setsockopt(init, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    process->init_pid = peer.pid;
    process->pidfd = pidfd_open(peer.pid, 0);
    if (process->pidfd < 0) return su_fail_errno(err, errno, "the kernel's first process");
    if (!cgroup_add(group, peer.pid, err)) return false;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return su_fail_errno(err, errno, "pipe");
    close_one(&process->output);
    process->output = ends[0];
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    bool ok = hand_over(init, settings, (int[2]){ends[1], program_fd}, err);
    close(ends[1]);
    return ok;
}

static enum process_event understand(struct process *process, const char *text, pid_t sender) {
    if (strcmp(text, "bound") == 0) {
        process->kernel_pid = sender;
        return PROCESS_BOUND;
    }
    if (strcmp(text, "stopped") == 0) return PROCESS_STOPPED;
    if (strcmp(text, "continued") == 0) return PROCESS_CONTINUED;
    if (sscanf(text, "exit %d %ld %ld", &process->status, &process->cpu_us, &process->maxrss_kib) == 3) {
        process->has_status = true;
        return PROCESS_EXITED;
    }
    return PROCESS_NOTHING;
}

enum process_event process_read(struct process *process) {
    char text[128];
    struct iovec part = {text, sizeof text - 1};
    union { char bytes[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr align; } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(process->init, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return PROCESS_NOTHING;
    if (got <= 0) {
        close_one(&process->init);
        return PROCESS_GONE;
    }
    text[got] = 0;
    struct ucred sender = {0};
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) memcpy(&sender, CMSG_DATA(header), sizeof sender);
    return understand(process, text, sender.pid);
}

void process_read_output(struct process *process) {
    char bytes[4096];
    for (int rounds = 0; rounds < 16; rounds++) {
        ssize_t got = read(process->output, bytes, sizeof bytes);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) close_one(&process->output);
        if (got <= 0) return;
        for (ssize_t i = 0; i < got; i++) process->tail[process->tail_at++ % sizeof process->tail] = bytes[i];
    }
}

void process_tail(const struct process *process, char *text, size_t size) {
    size_t len = process->tail_at < sizeof process->tail ? process->tail_at : sizeof process->tail;
    if (len > size - 1) len = size - 1;
    for (size_t i = 0; i < len; i++) {
        char c = process->tail[(process->tail_at - len + i) % sizeof process->tail];
        text[i] = c ? c : ' ';
    }
    text[len] = 0;
}

void process_order(struct process *process, char order) {
    if (process->init >= 0) (void)!send(process->init, &order, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void process_kill(struct process *process) {
    if (!process->is_sandboxed && process->init >= 0) {
        process_order(process, 'K'); /* no namespace to pull down: init does it by hand */
        struct pollfd end = {.fd = process->pidfd, .events = POLLIN};
        poll(&end, 1, 2000);
    }
    if (process->pidfd >= 0) pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
    if (process->launcher > 0) kill(process->launcher, SIGKILL);
}

static bool has_ended(int pidfd) {
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    return pidfd < 0 || (poll(&end, 1, 0) > 0 && (end.revents & POLLIN));
}

bool process_is_alive(const struct process *process) {
    return !has_ended(process->pidfd) || !has_ended(process->launcher_pidfd);
}

bool process_await_end(const struct process *process, int timeout_ms) {
    const int ends[] = {process->pidfd, process->launcher_pidfd};
    for (size_t i = 0; i < SU_COUNT(ends); i++) {
        struct pollfd end = {.fd = ends[i], .events = POLLIN}; /* a negative one is never ready */
        if (ends[i] >= 0 && poll(&end, 1, timeout_ms) == 0) return false;
    }
    return true;
}

/* Not DATA: it counts from what is mapped at the start, and is set only then. */
void process_set_rlimits(const struct process *process, const json_t *rlimits) {
    static const struct {
        const char *name;
        int kind;
    } kinds[] = {{"NPROC", RLIMIT_NPROC}, {"FSIZE", RLIMIT_FSIZE}, {"NOFILE", RLIMIT_NOFILE}, {"CORE", RLIMIT_CORE}};
    if (process->kernel_pid <= 0) return;
    for (size_t i = 0; i < SU_COUNT(kinds); i++) {
        json_t *number = json_object_get(rlimits, kinds[i].name);
        if (!number) continue;
        struct rlimit limit = {(rlim_t)json_integer_value(number), (rlim_t)json_integer_value(number)};
        prlimit(process->kernel_pid, (__rlimit_resource_t)kinds[i].kind, &limit, NULL);
    }
}
