/* See confine.h.  Layer keep. */
#include "keep/confine.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/fs.h"

/* All of Landlock's first version; later rights stay as they are but for moving between folders, which claiming needs. */
enum { RIGHTS = (1 << 13) - 1 };
#define MOVE (1ULL << 13)

/* Signals to the kernel's user, its folders and token, its rlimits. */
static const int kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL, CAP_SYS_RESOURCE};

static void drop_capabilities(void) {
    uint32_t bits[2] = {0, 0};
    for (size_t i = 0; i < SU_COUNT(kept); i++) bits[kept[i] / 32] |= 1U << (kept[i] % 32);
    for (int i = 0; i <= 63; i++)
        if (!(bits[i / 32] & (1U << (i % 32)))) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return;
    for (int i = 0; i < 2; i++) { /* a container's root may lack some of them */
        data[i].permitted &= bits[i];
        data[i].effective = data[i].permitted;
        data[i].inheritable = 0;
    }
    syscall(SYS_capset, &header, data);
}

static void allow(int rules, const char *path, uint64_t rights) {
    if (!*path) return;
    int fd SU_AUTO_FD = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = fd};
    if (fd >= 0) syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

/* Folder of a path, in place. */
static void allow_parent(int rules, const char *path, uint64_t rights) {
    const char *slash = strrchr(path, '/');
    char *parent SU_AUTO_FREE = su_strndup(path, slash ? (size_t)(slash - path) : 0);
    allow(rules, parent, rights);
}

static void fence_files(const json_t *spec) {
    static const char *const groups[] = {"memory", "pids", "cpu", "cpuacct"};
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 2) return; /* before that, a claimed folder could not be renamed */
    uint64_t rights = RIGHTS | MOVE;
    struct landlock_ruleset_attr attributes = {.handled_access_fs = rights};
    int rules SU_AUTO_FD = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    if (rules < 0) return;
    allow_parent(rules, su_json_string(spec, "kernels_dir", ""), rights);
    allow_parent(rules, su_json_string(spec, "kernel_dir", ""), rights);
    allow_parent(rules, su_json_string(spec, "socket", ""), rights);
    for (size_t i = 0; i < SU_COUNT(groups); i++) allow_parent(rules, su_json_string(json_object_get(spec, "cgroup"), groups[i], ""), rights);
    allow(rules, "/proc", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
    allow(rules, "/dev", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    syscall(SYS_landlock_restrict_self, rules, 0);
}

#define REFUSE(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)

/* A short list: what an intruder would reach for first and the keeper never calls. */
static void refuse_calls(void) {
    static struct sock_filter program[] = {
#ifdef __x86_64__
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
#endif
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(SYS_execve), REFUSE(SYS_execveat), REFUSE(SYS_ptrace), REFUSE(SYS_process_vm_readv), REFUSE(SYS_process_vm_writev),
        REFUSE(SYS_pidfd_getfd), REFUSE(SYS_mount), REFUSE(SYS_umount2), REFUSE(SYS_move_mount), REFUSE(SYS_open_tree), REFUSE(SYS_fsopen),
        REFUSE(SYS_pivot_root), REFUSE(SYS_chroot), REFUSE(SYS_setns), REFUSE(SYS_unshare), REFUSE(SYS_bpf), REFUSE(SYS_keyctl),
        REFUSE(SYS_add_key), REFUSE(SYS_userfaultfd), REFUSE(SYS_io_uring_setup), REFUSE(SYS_perf_event_open), REFUSE(SYS_init_module),
        REFUSE(SYS_finit_module), REFUSE(SYS_kexec_load), REFUSE(SYS_reboot), REFUSE(SYS_open_by_handle_at),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog fprog = {SU_COUNT(program), program};
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog, 0, 0);
}

void confine_keeper(const json_t *spec) {
#ifdef __SANITIZE_ADDRESS__
    return; /* LeakSanitizer traces its own process at the end */
#endif
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fence_files(spec);
    refuse_calls();
    if (geteuid() == 0) drop_capabilities();
}
