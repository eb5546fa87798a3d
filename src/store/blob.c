/* Content-addressed files: see blob.h.  Layer store; any thread. */
#include "blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "blob_cache.h"

/* Start writing back early, so that the sync at the end finds little to do. */
enum { WRITE_BACK_BYTES = 8 << 20 };

struct guard { struct guard *next; char sha256[SU_SHA256_HEX]; };

struct blobs {
    char *dir;
    struct blob_cache *cache;
    struct su_lock lock;    /* names, guards and holds */
    struct guard *guards;
    int holds;
};

struct blob_writer {
    struct blobs *blobs;
    int fd;
    char *temporary;        /* NULL once named */
    uint64_t size, written_back;
    struct su_sha256 *hash;
    struct guard *guard;
};

bool blobs_open(const char *dir, struct blobs **ret, struct su_err *err)
{
    SU_AUTO_FREE char *path = su_format("%s/blobs", dir);
    SU_AUTO_FREE char *temporary = su_format("%s/tmp", path);
    if (!su_dir_make(path, 0700, err) || !su_dir_remove(temporary, err) || !su_dir_make(temporary, 0700, err) || !su_dir_sync(path, err))
        return false;
    struct blobs *blobs = su_alloc(sizeof *blobs);
    blobs->dir = su_take(path);
    blobs->cache = blob_cache_new();
    su_lock_init(&blobs->lock);
    *ret = blobs;
    return true;
}

void blobs_close(struct blobs *blobs)
{
    if (!blobs)
        return;
    su_assert(!blobs->guards);
    su_lock_done(&blobs->lock);
    blob_cache_free(blobs->cache);
    free(blobs->dir);
    free(blobs);
}

void blob_path(const char *sha256, char ret_path[static 80])
{
    snprintf(ret_path, 80, "blobs/%.2s/%.62s", sha256, sha256 + 2);
}

static char *full_path(struct blobs *blobs, const char *sha256)
{
    return su_format("%s/%.2s/%.62s", blobs->dir, sha256, sha256 + 2);
}

static bool is_digest(const char *sha256)
{
    return strlen(sha256) == 64 && strspn(sha256, "0123456789abcdef") == 64;
}

bool blob_writer_open(struct blobs *blobs, struct blob_writer **ret, struct su_err *err)
{
    char id[SU_ID_SIZE];
    SU_AUTO_FREE char *path = su_format("%s/tmp/%s", blobs->dir, su_id(id));
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return su_fail_errno(err, errno, "cannot create a file for the upload");
    struct blob_writer *writer = su_alloc(sizeof *writer);
    *writer = (struct blob_writer){.blobs = blobs, .fd = fd, .temporary = su_take(path), .hash = su_sha256_new()};
    *ret = writer;
    return true;
}

static bool hash_file(struct blob_writer *writer, struct su_err *err)
{
    enum { PIECE = 256 * 1024 };
    SU_AUTO_FREE char *piece = su_alloc(PIECE);
    for (;;) {
        ssize_t got = read(writer->fd, piece, PIECE);
        if (got < 0 && errno != EINTR)
            return su_fail_errno(err, errno, "the upload can't be read");
        if (got == 0)
            return true;
        if (got > 0) {
            su_sha256_add(writer->hash, piece, (size_t)got);
            writer->size += (uint64_t)got;
        }
    }
}

bool blob_writer_adopt(struct blobs *blobs, const char *path, struct blob_writer **ret, struct su_err *err)
{
    char id[SU_ID_SIZE];
    SU_AUTO_FREE char *name = su_format("%s/tmp/%s", blobs->dir, su_id(id));
    SU_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || link(path, name) < 0)
        return su_fail_errno(err, errno, "cannot store the upload");
    BLOB_AUTO_WRITER struct blob_writer *writer = su_alloc(sizeof *writer);
    *writer = (struct blob_writer){.blobs = blobs, .fd = fd, .temporary = su_take(name), .hash = su_sha256_new()};
    fd = -1;
    if (!hash_file(writer, err))
        return false;
    *ret = su_take(writer);
    return true;
}

bool blob_writer_add(struct blob_writer *writer, const void *data, size_t len, struct su_err *err)
{
    if (!su_write_all(writer->fd, data, len, err))
        return false;
    su_sha256_add(writer->hash, data, len);
    writer->size += len;
    if (writer->size - writer->written_back >= WRITE_BACK_BYTES) {
        sync_file_range(writer->fd, (off_t)writer->written_back, (off_t)(writer->size - writer->written_back), SYNC_FILE_RANGE_WRITE);
        writer->written_back = writer->size;
    }
    return true;
}

uint64_t blob_writer_size(const struct blob_writer *writer) { return writer->size; }

/* A failed sync leaves unknown content behind: never trusted, never retried. */
static bool sync_or_abort(int fd, struct su_err *err)
{
    if (fsync(fd) == 0)
        return true;
    int number = errno;
    if (number == ENOSPC || number == EDQUOT)
        return su_fail_errno(err, number, "cannot store the upload");
    su_log(SU_LOG_ERROR, "blob.sync_failed", su_kv_int("errno", number), su_kv_text("action", "abort"));
    abort();
}

static void guard_add(struct blob_writer *writer, const char *sha256)
{
    struct guard *guard = su_alloc(sizeof *guard);
    memcpy(guard->sha256, sha256, SU_SHA256_HEX);
    guard->next = writer->blobs->guards;
    writer->blobs->guards = guard;
    writer->guard = guard;
}

static void guard_drop(struct blob_writer *writer)
{
    if (!writer->guard)
        return;
    SU_LOCKED(&writer->blobs->lock);
    struct guard **at = &writer->blobs->guards;
    while (*at != writer->guard)
        at = &(*at)->next;
    *at = writer->guard->next;
    free(su_take(writer->guard));
}

static bool is_guarded(struct blobs *blobs, const char *sha256)
{
    for (struct guard *guard = blobs->guards; guard; guard = guard->next)
        if (strcmp(guard->sha256, sha256) == 0)
            return true;
    return false;
}

/* Name the temporary file, or drop it when its content is there already. */
static bool name_file(struct blob_writer *writer, const char *sha256, struct su_err *err)
{
    SU_AUTO_FREE char *path = full_path(writer->blobs, sha256);
    SU_AUTO_FREE char *folder = su_strndup(path, (size_t)(strrchr(path, '/') - path));
    SU_LOCKED(&writer->blobs->lock);    /* also until a new folder is synced: whoever finds it may rely on it */
    bool is_new_folder = mkdir(folder, 0700) == 0;
    if (!is_new_folder && errno != EEXIST)
        return su_fail_errno(err, errno, "cannot store the upload");
    guard_add(writer, sha256);
    if (access(path, F_OK) == 0)
        unlink(writer->temporary);
    else if (rename(writer->temporary, path) < 0)
        return su_fail_errno(err, errno, "cannot store the upload");
    free(su_take(writer->temporary));
    /* Also when the content was there: whoever named it may not have synced the folder yet. */
    return su_dir_sync(folder, err) && (!is_new_folder || su_dir_sync(writer->blobs->dir, err));
}

bool blob_writer_commit(struct blob_writer *writer, char ret_sha256[static SU_SHA256_HEX], struct su_err *err)
{
    su_assert(writer->temporary);
    uint8_t digest[SU_SHA256_SIZE];
    char sha256[SU_SHA256_HEX];
    su_sha256_end(writer->hash, digest);
    su_hex(digest, sizeof digest, sha256);
    if (!sync_or_abort(writer->fd, err) || !name_file(writer, sha256, err))
        return false;
    memcpy(ret_sha256, sha256, sizeof sha256);
    return true;
}

void blob_writer_close(struct blob_writer *writer)
{
    if (!writer)
        return;
    guard_drop(writer);
    if (writer->temporary)
        unlink(writer->temporary);
    close(writer->fd);
    su_sha256_free(writer->hash);
    free(writer->temporary);
    free(writer);
}

bool blob_put(struct blobs *blobs, struct su_str content, char ret_sha256[static SU_SHA256_HEX],
              struct blob_writer **ret_guard, struct su_err *err)
{
    BLOB_AUTO_WRITER struct blob_writer *writer = NULL;
    if (!blob_writer_open(blobs, &writer, err) || !blob_writer_add(writer, content.ptr, content.len, err) ||
        !blob_writer_commit(writer, ret_sha256, err))
        return false;
    *ret_guard = su_take(writer);
    return true;
}

bool blob_open(struct blobs *blobs, const char *sha256, int *ret_fd, uint64_t *ret_size, struct su_err *err)
{
    su_assert(is_digest(sha256));
    SU_AUTO_FREE char *path = full_path(blobs, sha256);
    SU_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        return su_fail_errno(err, errno, "content %.12s… cannot be opened", sha256);
    *ret_size = (uint64_t)status.st_size;
    *ret_fd = fd;
    fd = -1;
    return true;
}

bool blob_read(struct blobs *blobs, const char *sha256, size_t max, struct su_buf *ret, struct su_err *err)
{
    su_assert(is_digest(sha256));
    SU_AUTO_FREE char *path = full_path(blobs, sha256);
    return su_file_read(path, max, ret, err);
}

bool blob_small(struct blobs *blobs, const char *sha256, size_t size, char **ret, struct su_err *err)
{
    su_assert(is_digest(sha256) && size <= BLOB_SMALL_MAX);
    char *content = blob_cache_get(blobs->cache, sha256, size);
    SU_AUTO_BUF struct su_buf text = SU_BUF(BLOB_SMALL_MAX);
    if (!content) {
        if (!blob_read(blobs, sha256, BLOB_SMALL_MAX, &text, err))
            return su_fail(err, err->code, "content %.12s… cannot be opened", sha256);  /* the path is nobody's business */
        if (text.len != size)
            return su_fail(err, SU_INTERNAL, "content %.12s… has %zu bytes instead of %zu", sha256, text.len, size);
        blob_cache_put(blobs->cache, sha256, su_buf_str(&text));
        content = su_buf_take(&text, &size);
    }
    *ret = content;
    return true;
}

bool blob_remove(struct blobs *blobs, const char *sha256, bool (*is_used)(void *arg, const char *sha256), void *arg, struct su_err *err)
{
    su_assert(is_digest(sha256));
    SU_AUTO_FREE char *path = full_path(blobs, sha256);
    SU_LOCKED(&blobs->lock);
    if (blobs->holds || is_guarded(blobs, sha256) || is_used(arg, sha256))
        return true;
    blob_cache_drop(blobs->cache, sha256);
    if (unlink(path) < 0 && errno != ENOENT)
        return su_fail_errno(err, errno, "cannot remove content %.12s…", sha256);
    return true;
}

void blobs_hold(struct blobs *blobs)
{
    SU_LOCKED(&blobs->lock);
    blobs->holds++;
}

void blobs_unhold(struct blobs *blobs)
{
    SU_LOCKED(&blobs->lock);
    blobs->holds--;
}
