/* doctor: what this machine needs to run kernels.  Layer cli; main thread.
 *
 * Each check is a row; it tries the thing itself where that is cheap, rather
 * than asking for a version. */
#include "cli/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/client.h"
#include "cli/connection.h"
#include "cli/exit_status.h"
#include "cli/output.h"

enum finding { FINDING_OK, FINDING_NOTE, FINDING_MISSING };
enum { TEXT_MAX = 512, KERNEL_UID = 64123, LOW_DISK_GB = 2 };

struct report {
    enum finding finding;
    char text[TEXT_MAX];    /* what was found */
    char fix[TEXT_MAX];     /* how to get what is missing, or "" */
};
typedef void check_fn(struct invocation *in, struct report *report);

static void say(struct report *report, enum finding finding, const char *text, const char *fix)
{
    report->finding = finding;
    snprintf(report->text, TEXT_MAX, "%s", text);
    snprintf(report->fix, TEXT_MAX, "%s", fix);
}

static bool find_program(const char *name, char path[static TEXT_MAX])
{
    const char *folders = getenv("PATH");
    struct su_str rest = su_str_of(folders ? folders : "/usr/bin:/bin"), folder;
    while (rest.len) {
        su_str_cut(rest, ':', &folder, &rest);
        snprintf(path, TEXT_MAX, "%.*s/%s", (int)folder.len, folder.ptr, name);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Run try in a child as the kernels' user; true when it exits with 0. */
static bool try_as_kernel_user(void (*try)(void))
{
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (nowhere >= 0) {
            dup2(nowhere, STDOUT_FILENO);
            dup2(nowhere, STDERR_FILENO);
        }
        if (geteuid() == 0 && (setgid(KERNEL_UID) != 0 || setuid(KERNEL_UID) != 0))
            _exit(1);
        try();
        _exit(1);
    }
    int status = 1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void try_namespace(void) { _exit(unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET) == 0 ? 0 : 1); }

static void try_sandbox(void)
{
    execlp("bwrap", "bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib",
           "--symlink", "usr/lib64", "/lib64", "--symlink", "usr/bin", "/bin", "--proc", "/proc", "--dev", "/dev",
           "/usr/bin/true", (char *)NULL);
}

static void check_bwrap(struct invocation *in, struct report *report)
{
    (void)in;
    char path[TEXT_MAX];
    if (find_program("bwrap", path))
        say(report, FINDING_OK, path, "");
    else
        say(report, FINDING_MISSING, "bubblewrap is not installed", "apt-get install bubblewrap");
}

static void check_namespaces(struct invocation *in, struct report *report)
{
    (void)in;
    if (try_as_kernel_user(try_namespace))
        say(report, FINDING_OK, "an unprivileged user can make them", "");
    else
        say(report, FINDING_MISSING, "an unprivileged user cannot make user namespaces",
            "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=15000; in a container, allow them there");
}

static void check_sandbox(struct invocation *in, struct report *report)
{
    (void)in;
    if (try_as_kernel_user(try_sandbox))
        say(report, FINDING_OK, "a program ran in it", "");
    else
        say(report, FINDING_MISSING, "no program could be run in a sandbox",
            "mend the two above first; serve --unsafe-no-sandbox runs kernels without, for trusted code only");
}

static void check_cgroups(struct invocation *in, struct report *report)
{
    (void)in;
    if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) != 0)
        say(report, FINDING_NOTE, "no cgroup v2 here: limits are kept by rlimits and by watching", "");
    else if (access("/sys/fs/cgroup/cgroup.subtree_control", W_OK) != 0)
        say(report, FINDING_NOTE, "cgroups are not writable: limits are kept by rlimits and by watching",
            "run serve as root or under systemd with Delegate=yes");
    else
        say(report, FINDING_OK, "writable", "");
}

/* The newest environment that glob finds; false when there is none. */
static bool find_environment(char path[static TEXT_MAX])
{
    const char *given = getenv("SURICATE_ENV"), *home = getenv("HOME");
    SU_AUTO_FREE char *pattern = given && *given ? su_strdup(given)
                                 : geteuid() == 0 ? su_strdup("/var/lib/suricate/env/python-*")
                                                  : su_format("%s/.local/share/suricate/env/python-*", home ? home : "");
    SU_AUTO_FREE char *full = su_format("%s/lib/python3*/site-packages/ipykernel", pattern);
    glob_t found = {.gl_pathc = 0};
    bool is_there = glob(full, 0, NULL, &found) == 0 && found.gl_pathc > 0;
    if (is_there) {
        const char *first = found.gl_pathv[0];
        const char *end = strstr(first, "/lib/python3");
        snprintf(path, TEXT_MAX, "%.*s", end ? (int)(end - first) : 0, first);
    }
    globfree(&found);
    return is_there;
}

static void check_environment(struct invocation *in, struct report *report)
{
    (void)in;
    char path[TEXT_MAX];
    if (find_environment(path))
        say(report, FINDING_OK, path, "");
    else
        say(report, FINDING_MISSING, "no Python environment with ipykernel", "packaging/environment makes it (quickstart calls it)");
}

static void check_keeper(struct invocation *in, struct report *report)
{
    (void)in;
    SU_AUTO_FREE char *folder = su_exe_dir();
    SU_AUTO_FREE char *keeper = su_format("%s/suricate-keep", folder);
    if (access(keeper, X_OK) == 0)
        say(report, FINDING_OK, keeper, "");
    else
        say(report, FINDING_MISSING, "suricate-keep is not beside suricate", "build or install it again: meson compile -C build");
}

/* The data folder, or the nearest folder above that exists. */
static char *existing_folder(struct invocation *in)
{
    char *path = connection_data_dir(invocation_option(in, "data"));
    while (access(path, F_OK) != 0 && strrchr(path, '/') > path)
        *strrchr(path, '/') = '\0';
    return path;
}

static void check_disk(struct invocation *in, struct report *report)
{
    struct statvfs space;
    char free_text[OUTPUT_TEXT];
    SU_AUTO_FREE char *path = existing_folder(in);
    if (statvfs(path, &space) != 0) {
        say(report, FINDING_MISSING, path, strerror(errno));
        return;
    }
    uint64_t bytes = (uint64_t)space.f_bavail * space.f_frsize;
    SU_AUTO_FREE char *text = su_format("%s free at %s", output_size(bytes, free_text), path);
    if (bytes >= LOW_DISK_GB * 1000000000ULL)
        say(report, FINDING_OK, text, "");
    else
        say(report, FINDING_NOTE, text, "that is little: uploads are refused when the disk is full; --data names another place");
}

static void check_owner_token(struct invocation *in, struct report *report)
{
    struct stat status;
    SU_AUTO_FREE char *folder = connection_data_dir(invocation_option(in, "data"));
    SU_AUTO_FREE char *path = su_format("%s/owner.token", folder);
    if (stat(path, &status) != 0)
        say(report, FINDING_NOTE, errno == EACCES ? "not readable for you" : "none yet: the first start makes it", "");
    else if (status.st_mode & 077)
        say(report, FINDING_MISSING, "others can read owner.token", "chmod 600 it, and revoke it: suricate token ls, token rm");
    else
        say(report, FINDING_OK, "only its owner can read it", "");
}

static void check_server(struct invocation *in, struct report *report)
{
    struct client *client;
    struct su_err err;
    SU_AUTO_JSON json_t *ignored = NULL;
    if (!invocation_client(in, &client, &err) || !client_json(client, "GET", "/readyz", NULL, &ignored, &err))
        say(report, FINDING_NOTE, err.message, err.hint);
    else
        say(report, FINDING_OK, client_url(client), "");
}

static const struct { const char *name; check_fn *check; } checks[] = {
    {"bubblewrap", check_bwrap},       {"user namespaces", check_namespaces}, {"sandbox", check_sandbox},
    {"cgroups", check_cgroups},        {"keeper", check_keeper},              {"environment", check_environment},
    {"disk", check_disk},              {"owner's token", check_owner_token},  {"server", check_server},
};

static const char *const finding_words[] = {[FINDING_OK] = "ok", [FINDING_NOTE] = "note", [FINDING_MISSING] = "missing"};

static void add_json(json_t *all, const char *name, const struct report *report)
{
    json_t *item = json_object();
    json_object_set_new(item, "check", json_string(name));
    json_object_set_new(item, "finding", json_string(finding_words[report->finding]));
    json_object_set_new(item, "detail", su_json_text_or_null(report->text));
    json_object_set_new(item, "fix", *report->fix ? su_json_text_or_null(report->fix) : json_null());
    json_array_append_new(all, item);
}

int doctor_run(struct invocation *in, struct su_err *err)
{
    (void)err;
    bool is_missing = false;
    SU_AUTO_JSON json_t *all = json_array();
    for (size_t i = 0; i < SU_COUNT(checks); i++) {
        struct report report = {.finding = FINDING_OK};
        checks[i].check(in, &report);
        is_missing |= report.finding == FINDING_MISSING;
        add_json(all, checks[i].name, &report);
        if (invocation_wants_json(in))
            continue;
        printf("%-8s %-16s ", finding_words[report.finding], checks[i].name);
        output_text(stdout, report.text);
        printf("%s%s\n", *report.fix ? "\n                          do: " : "", report.fix);
    }
    if (invocation_wants_json(in))
        output_json(all);
    return is_missing ? EXIT_RUN_FAILED : EXIT_DONE;
}
