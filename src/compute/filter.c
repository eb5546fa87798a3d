/* See filter.h.  Layer compute. */
#include "compute/filter.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/fs.h"

/* What Python, its libraries, shells and compilers use.  An unknown call is ENOSYS, which
 * every program has to expect from an older system. */
static const char *const allowed[] = {
    /* files */
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchown", "fchownat", "fcntl",
    "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate",
    "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1",
    "inotify_rm_watch", "ioctl", "lchown", "lgetxattr", "link", "linkat", "listxattr", "llistxattr", "lremovexattr", "lseek",
    "lsetxattr", "lstat", "memfd_create", "mkdir", "mkdirat", "mknod", "mknodat", "newfstatat", "open", "openat", "openat2",
    "pipe", "pipe2", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile", "setxattr", "splice", "stat",
    "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "umask", "unlink",
    "unlinkat", "utime", "utimensat", "utimes", "vmsplice", "write", "writev",
    /* memory */
    "brk", "get_mempolicy", "madvise", "mbind", "membarrier", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect",
    "mremap", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect", "remap_file_pages",
    "set_mempolicy",
    /* processes, threads, signals */
    "alarm", "arch_prctl", "capget", "capset", "clone", "execve", "execveat", "exit", "exit_group", "fork", "futex",
    "futex_waitv", "get_robust_list", "get_thread_area", "getcpu", "getegid", "geteuid", "getgid", "getgroups", "getitimer",
    "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid",
    "gettid", "getuid", "ioprio_get", "ioprio_set", "kill", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self", "nanosleep", "pause", "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64",
    "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn",
    "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min",
    "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_setaffinity",
    "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield", "seccomp", "set_robust_list", "set_thread_area",
    "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups", "setitimer", "setpgid", "setpriority", "setregid",
    "setresgid", "setresuid", "setreuid", "setrlimit", "setsid", "setuid", "sigaltstack", "signalfd", "signalfd4", "sysinfo",
    "tgkill", "time", "times", "tkill", "uname", "vfork", "wait4", "waitid",
    /* time, events, randomness */
    "clock_getres", "clock_gettime", "clock_nanosleep", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "getrandom", "gettimeofday", "poll", "ppoll", "pselect6", "select",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create", "timerfd_gettime",
    "timerfd_settime",
    /* System V and POSIX IPC (a namespace of the kernel's own) */
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget", "msgrcv",
    "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
    /* sockets; families by the second program */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom", "recvmmsg",
    "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socket", "socketpair",
    /* older asynchronous files (databases) */
    "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_setup", "io_submit",
};

/* Known and forbidden: EPERM says so, where ENOSYS would send some programs to a worse way. */
static const char *const forbidden[] = {
    "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_settime", "create_module", "delete_module",
    "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_uring_enter",
    "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load", "keyctl",
    "lookup_dcookie", "memfd_secret", "migrate_pages", "modify_ldt", "mount", "mount_setattr", "move_mount", "move_pages",
    "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd", "pivot_root",
    "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "quotactl_fd", "reboot", "request_key",
    "setdomainname", "sethostname", "setns", "settimeofday", "swapoff", "swapon", "syslog", "umount2", "unshare", "userfaultfd",
    "vhangup",
};

static bool add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number == __NR_SCMP_ERROR) continue; /* not known to this library: answered as any unknown call */
        if (seccomp_rule_add(filter, action, number, 0) < 0) return false;
    }
    return true;
}

static bool add_list(scmp_filter_ctx filter) {
    return add_names(filter, SCMP_ACT_ALLOW, allowed, SU_COUNT(allowed)) &&
        add_names(filter, SCMP_ACT_ERRNO(EPERM), forbidden, SU_COUNT(forbidden)) &&
        /* asking for the personality, or for the plain one, is harmless */
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, 0xffffffff)) == 0 &&
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, 0)) == 0;
}

static bool add_families(scmp_filter_ctx filter) {
    static const int wanted[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
    for (int family = 0; family <= AF_NETLINK; family++) {
        bool is_wanted = false;
        for (size_t i = 0; i < SU_COUNT(wanted); i++) is_wanted |= wanted[i] == family;
        if (!is_wanted && seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family)) < 0) return false;
    }
    /* libzmq asks for the interfaces by route netlink (protocol 0) and aborts without it */
    return seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK)) == 0 &&
        seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_NE, 0)) == 0 &&
        seccomp_rule_add(filter, refuse, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_NE, AF_UNIX)) == 0;
}

static bool add_arguments(scmp_filter_ctx filter) {
    static const scmp_datum_t terminal[] = {TIOCSTI, TIOCLINUX, TIOCSETD};
    static const scmp_datum_t namespaces[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};
    uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
    /* the system looks at the low half of an ioctl's number only */
    for (size_t i = 0; i < SU_COUNT(terminal); i++)
        if (seccomp_rule_add(filter, refuse, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, terminal[i])) < 0) return false;
    for (size_t i = 0; i < SU_COUNT(namespaces); i++)
        if (seccomp_rule_add(filter, refuse, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i])) < 0) return false;
    return add_families(filter);
}

static void release(scmp_filter_ctx *filter) {
    if (*filter) seccomp_release(*filter);
}

static bool write_one(const char *folder, const char *name, uint32_t otherwise, bool (*add)(scmp_filter_ctx), struct su_err *err) {
    scmp_filter_ctx filter SU_CLEANUP(release) = seccomp_init(otherwise);
    bool is_made = filter && seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 && add(filter);
    if (!is_made) return su_fail(err, SU_INTERNAL, "the system call filter %s could not be made", name);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: a few comparisons a call */
    char *path SU_AUTO_FREE = su_format("%s/%s", folder, name);
    int fd SU_AUTO_FD = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return su_fail_errno(err, errno, "%s", path);
    int result = seccomp_export_bpf(filter, fd);
    return result == 0 || su_fail_errno(err, -result, "%s", path);
}

bool filter_write(const char *folder, struct su_err *err) {
    return write_one(folder, FILTER_LIST, SCMP_ACT_ERRNO(ENOSYS), add_list, err) &&
        write_one(folder, FILTER_ARGUMENTS, SCMP_ACT_ALLOW, add_arguments, err);
}
