/* One program in a sandbox: see command.h.  Layer compute. */
#include "compute/command.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/random.h"
#include "compute/compute.h"
#include "compute/launch.h"
#include "compute/sandbox.h"

enum { LOOK_MS = 100, KEEPER_FAILED = 125, FILE_BYTES = 64 << 20, FILES = 256 };

/* The program behind its limits, which prlimit (util-linux) sets once it is inside. */
static json_t *words_of(const struct command_run *run)
{
    json_t *words = json_pack("[s]", "/usr/bin/prlimit");
    json_array_append_new(words, json_sprintf("--as=%llu", (unsigned long long)run->memory_bytes));
    json_array_append_new(words, json_sprintf("--cpu=%lld", (long long)run->time_ms / 1000 + 1));
    json_array_append_new(words, json_sprintf("--fsize=%d", FILE_BYTES));
    json_array_append_new(words, json_sprintf("--nofile=%d", FILES));
    json_array_append_new(words, json_string("--core=0"));
    json_array_append_new(words, json_string("--"));
    json_array_append_new(words, json_string(run->path));
    json_array_extend(words, (json_t *)(uintptr_t)run->arguments);
    return words;
}

/* What suricate-keep is to run. */
static json_t *spec_of(struct compute *compute, const struct command_run *run)
{
    json_t *words = words_of(run);
    json_t *env = json_pack("[s, s]", "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8");
    if (compute->is_unsafe) {
        json_array_extend(env, (json_t *)(uintptr_t)run->environment);
    } else {
        json_t *argv = sandbox_command_argv(&compute->places, run->path, run->environment, words);
        json_decref(words);
        words = argv;
    }
    return json_pack("{s:o, s:o, s:i}", "argv", words, "env", env, "uid", (int)compute->places.uid);
}

static bool make_input(struct su_str text, int *ret_fd, struct su_err *err)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0)
        return su_fail_errno(err, errno, "the command's input");
    if (!su_write_all(fd, text.ptr ? text.ptr : "", text.len, err) || lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return false;
    }
    *ret_fd = fd;
    return true;
}

/* Reads what there is; false at its end. */
static bool take_output(int fd, struct su_buf *output, struct command_end *ret)
{
    char bytes[4096];
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR)
        return true;
    if (got <= 0)
        return false;
    size_t room = COMMAND_OUTPUT_MAX - output->len;
    ret->is_cut |= (size_t)got > room;
    su_buf_add(output, bytes, (size_t)got < room ? (size_t)got : room);
    return true;
}

/* Until it is over, too late, or called off.  Killing the keeper ends the sandbox with all that is in it. */
static void watch(pid_t pid, int fd, const struct command_run *run, struct su_buf *output, struct command_end *ret)
{
    int64_t until_ms = su_mono_ms() + run->time_ms;
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    for (bool is_open = true; is_open;) {
        int64_t left_ms = until_ms - su_mono_ms();
        ret->is_cancelled = run->is_cancelled && run->is_cancelled(run->arg);
        ret->is_timeout = left_ms <= 0;
        if (ret->is_cancelled || ret->is_timeout) {
            kill(pid, SIGKILL);
            return;
        }
        if (poll(&wanted, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS) > 0)
            is_open = take_output(fd, output, ret);
    }
}

static bool run_in(struct compute *compute, const char *folder, const struct command_run *run, struct su_buf *output, struct command_end *ret,
                   struct su_err *err)
{
    int ends[2], input = -1, status = 0;
    pid_t pid;
    if (!make_input(run->input, &input, err))
        return false;
    int input_fd SU_AUTO_FD = input;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return su_fail_errno(err, errno, "pipe");
    int output_fd SU_AUTO_FD = ends[0];
    bool ok = launch_command(&compute->places, folder, input_fd, ends[1], &pid, err);
    close(ends[1]);
    if (!ok)
        return false;
    watch(pid, output_fd, run, output, ret);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    ret->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ret->status != KEEPER_FAILED || ret->is_timeout || ret->is_cancelled
        || su_fail(err, SU_UNAVAILABLE, "the sandbox could not be made: %.300s", su_buf_str(output).ptr);
}

bool compute_command(struct compute *compute, const struct command_run *run, struct command_end *ret, struct su_err *err)
{
    char id[SU_ID_SIZE];
    struct su_err ignored;
    SU_AUTO_BUF struct su_buf output = SU_BUF(COMMAND_OUTPUT_MAX + 1);
    SU_AUTO_FREE char *folder = su_format("%s/command-%s", compute->places.runtime, su_id(id));
    if (!compute->is_unsafe && !compute->places.bwrap)
        return su_fail(err, SU_UNAVAILABLE, "bubblewrap is not installed: there is no bwrap in /usr/bin");
    *ret = (struct command_end){0};
    bool ok = launch_prepare(folder, spec_of(compute, run), err) && run_in(compute, folder, run, &output, ret, err);
    su_dir_remove(folder, &ignored);
    if (ok)
        ret->output = su_strdup(su_buf_str(&output).ptr);
    return ok;
}
