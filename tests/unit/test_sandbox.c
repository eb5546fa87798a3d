/* What a sandbox's command line shows and hides; the system call filter. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/fs.h"
#include "compute/filter.h"
#include "compute/sandbox.h"

static struct places places_of_a_test(void) {
    return (struct places){.data = (char *)"/srv/data", .runtime = (char *)"/run/suricate/test", .lib = (char *)"/run/suricate/test/lib-1",
        .environment = (char *)"/srv/env", .python = (char *)"/srv/env/bin/python", .bwrap = (char *)"/usr/bin/bwrap", .uid = 64123};
}

static size_t find(const json_t *argv, const char *word) {
    size_t i;
    const json_t *item;
    json_array_foreach(argv, i, item)
        if (strcmp(json_string_value(item), word) == 0) return i;
    return SIZE_MAX;
}

static const char *const command[] = {"/srv/env/bin/python", "x.py", NULL};

static void sandbox_has_every_wall(void **state) {
    struct places places = places_of_a_test();
    for (int use = SANDBOX_ZYGOTE; use <= SANDBOX_CHECK; use++) {
        json_t *argv = sandbox_argv(&places, (enum sandbox_use)use, "/run/suricate/test/kernels/k1", false, command);
        static const char *const walls[] = {"--unshare-all", "--unshare-user", "--new-session", "--clearenv", "--cap-drop", "--remount-ro"};
        for (size_t i = 0; i < SU_COUNT(walls); i++) assert_true(find(argv, walls[i]) != SIZE_MAX);
        assert_true(find(argv, "--share-net") == SIZE_MAX);
        assert_true(find(argv, "--") == json_array_size(argv) - 3);
        json_decref(argv);
    }
}

static void network_is_shared_only_when_granted(void **state) {
    struct places places = places_of_a_test();
    json_t *argv = sandbox_argv(&places, SANDBOX_KERNEL, "/k", true, command);
    assert_true(find(argv, "--share-net") != SIZE_MAX);
    json_decref(argv);
}

static void kernel_alone_sees_only_its_own_folder(void **state) {
    struct places places = places_of_a_test();
    json_t *argv = sandbox_argv(&places, SANDBOX_KERNEL, "/run/suricate/test/kernels/k1", false, command);
    assert_true(find(argv, "/run/suricate/test/kernels") == SIZE_MAX);
    assert_true(find(argv, "/run/suricate/test/keepers") == SIZE_MAX);
    assert_true(find(argv, "/srv/data") == SIZE_MAX);
    assert_true(find(argv, "--die-with-parent") != SIZE_MAX);
    json_decref(argv);
}

static void load(const char *path) {
    static struct sock_filter program[4096];
    FILE *file = fopen(path, "re");
    size_t count = file ? fread(program, sizeof program[0], SU_COUNT(program), file) : 0;
    struct sock_fprog fprog = {(unsigned short)count, program};
    if (!count || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog)) _exit(99);
    fclose(file);
}

/* Each call with arguments that fail in another way when the filter lets it through. */
static const struct { const char *name; long number, a, b, c; int expected; } calls[] = {
    {"ptrace", SYS_ptrace, 0xffff, 0, 0, EPERM},
    {"keyctl", SYS_keyctl, 0xffff, 0, 0, EPERM},
    {"add_key", SYS_add_key, 0, 0, 0, EPERM},
    {"bpf", SYS_bpf, 0xffff, 0, 0, EPERM},
    {"perf_event_open", SYS_perf_event_open, 0, 0, -1, EPERM},
    {"userfaultfd", SYS_userfaultfd, 0xffffff, 0, 0, EPERM},
    {"io_uring_setup", SYS_io_uring_setup, 0, 0, 0, EPERM},
    {"mount", SYS_mount, 0, 0, 0, EPERM},
    {"unshare", SYS_unshare, CLONE_NEWUSER, 0, 0, EPERM},
    {"setns", SYS_setns, -1, 0, 0, EPERM},
    {"pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, EPERM},
    {"process_vm_readv", SYS_process_vm_readv, 0, 0, 0, EPERM},
    {"open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0, EPERM},
    {"clone3 (falls back to clone)", SYS_clone3, 0, 0, 0, ENOSYS},
    {"clone of a user namespace", SYS_clone, CLONE_NEWUSER, 0, 0, EPERM},
    {"setxattrat, newer than the library", 463, 0, 0, 0, ENOSYS},
    {"a number that is none", 9999, 0, 0, 0, ENOSYS},
    {"AF_VSOCK", SYS_socket, AF_VSOCK, SOCK_STREAM, 0, EAFNOSUPPORT},
    {"AF_PACKET", SYS_socket, AF_PACKET, SOCK_RAW, 0, EAFNOSUPPORT},
    {"AF_ALG", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0, EAFNOSUPPORT},
    {"netlink audit", SYS_socket, AF_NETLINK, SOCK_RAW, 9, EAFNOSUPPORT},
    {"TIOCSTI", SYS_ioctl, -1, TIOCSTI, 0, EPERM},
    {"TIOCSTI with high bits set", SYS_ioctl, -1, TIOCSTI | (1L << 32), 0, EPERM},
    {"TIOCLINUX", SYS_ioctl, -1, TIOCLINUX, 0, EPERM},
    {"personality without randomisation", SYS_personality, 0x0040000, 0, 0, ENOSYS},
    /* and what must go through */
    {"another ioctl", SYS_ioctl, -1, TIOCGWINSZ, 0, EBADF},
    {"read", SYS_read, -1, 0, 0, EBADF},
    {"getrandom", SYS_getrandom, 1, 8, 0xffff, EINVAL},
};

static int try_calls(const char *folder, char *failed, size_t size) {
    int report[2], status;
    if (pipe(report)) return -1;
    pid_t pid = fork();
    if (pid == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/" FILTER_LIST, folder);
        load(path);
        snprintf(path, sizeof path, "%s/" FILTER_ARGUMENTS, folder);
        load(path);
        for (size_t i = 0; i < SU_COUNT(calls); i++) {
            errno = 0;
            long result = syscall(calls[i].number, calls[i].a, calls[i].b, calls[i].c, 0, 0);
            if (result >= 0 || errno != calls[i].expected) {
                char text[160];
                int len = snprintf(text, sizeof text, "%s: %ld, %s instead of %s; ", calls[i].name, result,
                                   strerrorname_np(errno), strerrorname_np(calls[i].expected));
                (void)!write(report[1], text, (size_t)len);
            }
        }
        _exit(socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_NETLINK, SOCK_RAW, 0) >= 0 && socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : 98);
    }
    close(report[1]);
    ssize_t got = read(report[0], failed, size - 1);
    failed[got > 0 ? got : 0] = 0;
    close(report[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void filter_refuses_what_it_should_and_nothing_else(void **state) {
    char folder[] = "/tmp/test_filter.XXXXXX", failed[4096];
    struct su_err err;
    assert_non_null(mkdtemp(folder));
    assert_true(filter_write(folder, &err));
    int status = try_calls(folder, failed, sizeof failed);
    assert_string_equal(failed, "");
    assert_int_equal(status, 0);
    su_dir_remove(folder, &err);
}

static void foreign_architecture_is_killed(void **state) {
#ifdef __x86_64__
    char folder[] = "/tmp/test_filter.XXXXXX";
    struct su_err err;
    int status;
    assert_non_null(mkdtemp(folder));
    assert_true(filter_write(folder, &err));
    char path[64];
    snprintf(path, sizeof path, "%s/" FILTER_LIST, folder);
    pid_t pid = fork();
    if (pid == 0) {
        load(path);
        long result = 20; /* getpid by the 32-bit way */
        __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    su_dir_remove(folder, &err);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sandbox_has_every_wall),
        cmocka_unit_test(network_is_shared_only_when_granted),
        cmocka_unit_test(kernel_alone_sees_only_its_own_folder),
        cmocka_unit_test(filter_refuses_what_it_should_and_nothing_else),
        cmocka_unit_test(foreign_architecture_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
