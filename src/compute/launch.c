/* See launch.h.  Layer compute. */
#include "compute/launch.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fs.h"

enum { TEXT_MAX = 400 };

/* What the program says, up to its end or until it lets go of the pipe. */
static void read_text(int fd, char *text, size_t size) {
    size_t len = 0;
    char rest[256];
    for (;;) {
        bool is_full = len + 1 >= size;
        ssize_t got = read(fd, is_full ? rest : text + len, is_full ? sizeof rest : size - 1 - len);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        if (!is_full) len += (size_t)got;
    }
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' ')) len--;
    text[len] = 0;
}

/* Descriptors of -1 are /dev/null. */
struct streams { int input, output, errors; };

static void give(posix_spawn_file_actions_t *files, int from, int to, int flags) {
    if (from >= 0) posix_spawn_file_actions_adddup2(files, from, to);
    else posix_spawn_file_actions_addopen(files, to, "/dev/null", flags, 0);
}

static bool start(const struct places *places, const char *mode, const char *folder, const struct streams *streams, pid_t *ret_pid,
                  struct su_err *err) {
    char *argv[] = {places->keeper, (char *)mode, (char *)folder, NULL};
    char *env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LANG=C.UTF-8", NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGCHLD);
    posix_spawn_file_actions_init(&files);
    give(&files, streams->input, 0, O_RDONLY);
    give(&files, streams->output, 1, O_WRONLY);
    give(&files, streams->errors, 2, O_WRONLY);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int result = posix_spawn(ret_pid, places->keeper, &files, &attributes, argv, env);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return result == 0 || su_fail_errno(err, result, "starting %s", places->keeper);
}

bool launch_keeper(const struct places *places, const char *mode, const char *folder, struct su_err *err) {
    int ends[2], status = 0;
    pid_t pid;
    char text[TEXT_MAX];
    if (pipe2(ends, O_CLOEXEC) < 0) return su_fail_errno(err, errno, "pipe");
    bool ok = start(places, mode, folder, &(struct streams){-1, -1, ends[1]}, &pid, err);
    close(ends[1]);
    if (ok) read_text(ends[0], text, sizeof text);
    close(ends[0]);
    if (!ok) return false;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    return su_fail(err, SU_INTERNAL, "%s", *text ? text : "the keeper ended at once");
}

bool launch_command(const struct places *places, const char *folder, int input, int output, pid_t *ret_pid, struct su_err *err) {
    return start(places, "command", folder, &(struct streams){input, output, output}, ret_pid, err);
}

bool launch_prepare(const char *folder, json_t *spec, struct su_err *err) {
    json_t *owned SU_AUTO_JSON = spec;
    char *text SU_AUTO_FREE = su_json_text(owned);
    char *path SU_AUTO_FREE = su_format("%s/spec.json", folder);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) return su_fail_errno(err, errno, "%s", folder);
    int fd SU_AUTO_FD = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return su_fail_errno(err, errno, "%s", path);
    return su_write_all(fd, text, strlen(text), err);
}
