/* Files: see fs.h.  Layer base; any thread. */
#include "fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "random.h"

bool su_file_read(const char *path, size_t max, struct su_buf *ret, struct su_err *err)
{
    SU_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return su_fail_errno(err, errno, "cannot open %s", path);
    SU_AUTO_BUF struct su_buf content = SU_BUF(max);
    for (;;) {
        char chunk[16384];
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return su_fail_errno(err, errno, "cannot read %s", path);
        if (got == 0)
            break;
        su_buf_add(&content, chunk, (size_t)got);
        if (content.failed)
            return su_fail(err, SU_LIMIT, "%s is larger than %zu bytes", path, max);
    }
    su_buf_add(&content, "", 0);
    su_buf_done(ret);
    *ret = content;
    content = SU_BUF(max);
    return true;
}

bool su_write_all(int fd, const void *data, size_t len, struct su_err *err)
{
    const char *at = data;
    while (len) {
        ssize_t done = write(fd, at, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return su_fail_errno(err, errno, "cannot write");
        at += done;
        len -= (size_t)done;
    }
    return true;
}

static bool sync_parent(const char *path, struct su_err *err)
{
    SU_AUTO_FREE char *parent = su_strdup(path);
    char *slash = strrchr(parent, '/');
    if (!slash)
        return su_dir_sync(".", err);
    slash[slash == parent] = '\0';
    return su_dir_sync(parent, err);
}

bool su_file_replace(const char *path, struct su_str content, mode_t mode, struct su_err *err)
{
    char id[SU_ID_SIZE];
    SU_AUTO_FREE char *temporary = su_format("%s.%s.tmp", path, su_id(id));
    SU_AUTO_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return su_fail_errno(err, errno, "cannot create %s", temporary);
    if (!su_write_all(fd, content.ptr, content.len, err)) {
        unlink(temporary);
        return su_prefix(err, "%s", path);
    }
    if (fsync(fd) < 0 || rename(temporary, path) < 0) {
        int number = errno;
        unlink(temporary);
        return su_fail_errno(err, number, "cannot replace %s", path);
    }
    return sync_parent(path, err);
}

bool su_dir_make(const char *path, mode_t mode, struct su_err *err)
{
    SU_AUTO_FREE char *copy = su_strdup(path);
    for (char *at = copy + 1; *at; at++)
        if (*at == '/') {
            *at = '\0';
            if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                return su_fail_errno(err, errno, "cannot make folder %s", copy);
            *at = '/';
        }
    if (mkdir(copy, mode) < 0 && errno != EEXIST)
        return su_fail_errno(err, errno, "cannot make folder %s", copy);
    struct stat status;
    if (stat(copy, &status) < 0)
        return su_fail_errno(err, errno, "cannot look at %s", copy);
    if (!S_ISDIR(status.st_mode))
        return su_fail(err, SU_CONFLICT, "%s is not a folder", copy);
    return true;
}

bool su_dir_sync(const char *path, struct su_err *err)
{
    SU_AUTO_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return su_fail_errno(err, errno, "cannot sync folder %s", path);
    return true;
}

static void close_dir(DIR **dir) { if (*dir) closedir(*dir); }

static bool remove_below(int parent, const char *name, struct su_err *err)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT || ((errno == ENOTDIR || errno == ELOOP) && unlinkat(parent, name, 0) == 0))
            return true;
        return su_fail_errno(err, errno, "cannot remove %s", name);
    }
    DIR *dir __attribute__((cleanup(close_dir))) = fdopendir(fd);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (!remove_below(fd, entry->d_name, err))
            return false;
    }
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return su_fail_errno(err, errno, "cannot remove folder %s", name);
    return true;
}

bool su_dir_remove(const char *path, struct su_err *err) { return remove_below(AT_FDCWD, path, err); }

char *su_exe_dir(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    su_assert(length > 0);
    path[length] = '\0';
    *strrchr(path, '/') = '\0';
    return su_strdup(path);
}
