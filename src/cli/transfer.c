/* Files to the server and back, with progress.  Layer cli; main thread. */
#include "cli/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/progress.h"

enum { COPY_SIZE = 256 << 10 };

static void on_progress(void *arg, uint64_t done, uint64_t total) { progress_bytes(arg, done, total); }

const char *transfer_base(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

const char *transfer_type(const char *file)
{
    static const struct { const char *ending, *type; } types[] = {
        {".csv", "text/csv"},           {".tsv", "text/tab-separated-values"},
        {".json", "application/json"},  {".ndjson", "application/x-ndjson"},
        {".jsonl", "application/x-ndjson"}, {".ipynb", "application/x-ipynb+json"},
        {".txt", "text/plain"},         {".md", "text/markdown"},
        {".png", "image/png"},          {".svg", "image/svg+xml"},
        {".gz", "application/gzip"},    {".parquet", "application/vnd.apache.parquet"},
    };
    struct su_str name = su_str_of(file);
    for (size_t i = 0; i < SU_COUNT(types); i++)
        if (su_str_ends(name, su_str_of(types[i].ending)))
            return types[i].type;
    return NULL;
}

static bool open_source(const char *file, struct client_upload *upload, struct su_err *err)
{
    *upload = (struct client_upload){.fd = -1, .size = -1};
    bool is_stdin = strcmp(file, "-") == 0;
    upload->fd = is_stdin ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (upload->fd < 0 || fstat(upload->fd, &status) != 0)
        return su_fail_errno(err, errno, "%s", file);
    if (S_ISDIR(status.st_mode)) {
        su_fail(err, SU_INVALID, "%s is a folder", file);
        return su_hint(err, "put its files one by one, or pack it: tar c %s | suricate put - NAME", file);
    }
    if (S_ISREG(status.st_mode))
        upload->size = status.st_size - (is_stdin ? lseek(upload->fd, 0, SEEK_CUR) : 0);
    return true;
}

bool transfer_put(struct invocation *in, const struct transfer_put *put, json_t **ret, struct su_err *err)
{
    struct client *client;
    struct client_upload upload;
    struct progress progress;
    if (!invocation_client(in, &client, err))
        return false;
    bool done = open_source(put->file, &upload, err);
    SU_AUTO_FD int fd = upload.fd;
    if (!done)
        return false;
    progress_begin(&progress, transfer_base(put->file), invocation_is_quiet(in));
    struct client_call call = {.method = "PUT", .path = put->path, .upload = &upload, .content_type = put->type,
                               .progress = on_progress, .progress_arg = &progress};
    memcpy(call.headers, put->headers, sizeof put->headers);
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    done = client_send(client, &call, &reply, err);
    progress_clear(&progress);
    if (done)
        *ret = su_take(reply.json);
    return done;
}

/* Where the bytes go. */
struct target {
    int fd;
    uint64_t kept;              /* bytes there already */
    struct su_sha256 *hash;
    struct progress progress;
};

static bool write_bytes(void *arg, long status, struct su_str bytes, struct su_err *err)
{
    struct target *target = arg;
    if (target->kept && status != 206) {    /* the server sends it all again */
        if (ftruncate(target->fd, 0) != 0 || lseek(target->fd, 0, SEEK_SET) < 0)
            return su_fail_errno(err, errno, "starting over");
        su_sha256_free(target->hash);
        target->hash = su_sha256_new();
        target->kept = 0;
    }
    su_sha256_add(target->hash, bytes.ptr, bytes.len);
    return su_write_all(target->fd, bytes.ptr, bytes.len, err);
}

static void on_get_progress(void *arg, uint64_t done, uint64_t total)
{
    struct target *target = arg;
    progress_bytes(&target->progress, target->kept + done, total ? target->kept + total : 0);
}

/* Hash what an earlier try left, so that the whole can be checked. */
static bool read_kept(struct target *target, struct su_err *err)
{
    SU_AUTO_FREE char *room = su_alloc(COPY_SIZE);
    for (;;) {
        ssize_t got = read(target->fd, room, COPY_SIZE);
        if (got < 0)
            return su_fail_errno(err, errno, "reading what is there already");
        if (got == 0)
            return true;
        su_sha256_add(target->hash, room, (size_t)got);
        target->kept += (uint64_t)got;
    }
}

static bool open_part(const struct transfer_get *get, const char *part, struct target *target, struct su_err *err)
{
    if (get->is_resumed && access(part, F_OK) != 0)
        rename(get->file, part);    /* a part that another program left; absent is fine */
    target->fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | (get->is_resumed ? 0 : O_TRUNC), 0666);
    if (target->fd < 0)
        return su_fail_errno(err, errno, "%s", part);
    return !get->is_resumed || read_kept(target, err);
}

static bool receive(struct invocation *in, const struct transfer_get *get, struct target *target, struct su_err *err)
{
    struct client *client;
    if (!invocation_client(in, &client, err))
        return false;
    if (target->kept && get->size >= 0 && target->kept == (uint64_t)get->size)
        return true;
    char range[64];
    snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)target->kept);
    bool is_over = get->size >= 0 && target->kept > (uint64_t)get->size;
    struct client_call call = {.method = "GET", .path = get->path, .sink = write_bytes, .sink_arg = target,
                               .progress = on_get_progress, .progress_arg = target,
                               .headers = {target->kept && !is_over ? range : NULL}};
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    progress_begin(&target->progress, get->file ? transfer_base(get->file) : "download",
                   invocation_is_quiet(in) || isatty(target->fd));
    bool done = client_send(client, &call, &reply, err);
    progress_clear(&target->progress);
    return done;
}

static bool check_hash(const struct transfer_get *get, struct target *target, struct su_err *err)
{
    uint8_t digest[SU_SHA256_SIZE];
    char hex[SU_SHA256_HEX];
    su_sha256_end(target->hash, digest);
    su_hex(digest, sizeof digest, hex);
    if (!get->sha256 || strcmp(hex, get->sha256) == 0)
        return true;
    su_fail(err, SU_CONFLICT, "what arrived is not what the server has (SHA-256 %.12s…, expected %.12s…)", hex, get->sha256);
    return su_hint(err, "%s", get->is_resumed ? "the part here is of another version: try again without --continue"
                                              : "it changed meanwhile: try again");
}

bool transfer_get(struct invocation *in, const struct transfer_get *get, struct su_err *err)
{
    bool is_stdout = !get->file || strcmp(get->file, "-") == 0;
    struct target target = {.fd = STDOUT_FILENO, .hash = su_sha256_new()};
    SU_AUTO_FREE char *part = is_stdout ? NULL : su_format("%s.part", get->file);
    bool done = (is_stdout || open_part(get, part, &target, err)) && receive(in, get, &target, err) &&
                check_hash(get, &target, err);
    if (done && !is_stdout && rename(part, get->file) != 0)
        done = su_fail_errno(err, errno, "%s", get->file);
    if (!done && !is_stdout && target.fd >= 0 && lseek(target.fd, 0, SEEK_END) == 0)
        unlink(part);   /* nothing of it arrived */
    if (!is_stdout && target.fd >= 0)
        close(target.fd);
    su_sha256_free(target.hash);
    return done;
}
