/*
 * A power cut for a process that did not ask for one. Preloaded into the server (LD_PRELOAD), it keeps a second copy
 * of the data directory that holds only what was synced: a file's content as of its last fsync, a folder's entries as
 * of its own last fsync. After a SIGKILL, `restore` in powercut.py rebuilds the directory from that copy, which is what
 * a machine without power could find at worst. The real fsync is not called: nothing here depends on the disk.
 * Tests; called from any thread of the server.
 *
 *   POWERCUT_ROOT    the data directory; POWERCUT_SHADOW: an empty folder beside it
 *   POWERCUT_IGNORE  "blobs", "folders", "blob-folders" or "database": syncs of this kind do nothing, as if forgotten in the code.
 *                    The crash test must notice each of them.
 *
 * In the shadow: root (the key of the data directory), files/KEY (content), folders/KEY (a line "f|d KEY NAME" per
 * entry). KEY is inode and birth time, so an inode number used again is another file. Each is written under a
 * temporary name and renamed: a kill in the middle of a sync leaves the state before it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *data_root, *shadow, *ignored;

enum { KEY_SIZE = 64 };

static void give_up(const char *what)
{
    fprintf(stderr, "powercut: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static bool key_at(int folder, const char *name, char key[KEY_SIZE], bool *is_folder)
{
    struct statx about;
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (statx(folder, name, flags, STATX_INO | STATX_BTIME | STATX_TYPE, &about) != 0)
        return false; /* gone since it was listed */
    *is_folder = S_ISDIR(about.stx_mode);
    if (!*is_folder && !S_ISREG(about.stx_mode))
        return false;
    snprintf(key, KEY_SIZE, "%llu-%lld.%09u", (unsigned long long)about.stx_ino, (long long)about.stx_btime.tv_sec,
             about.stx_btime.tv_nsec);
    return true;
}

static FILE *shadow_begin(char temporary[PATH_MAX])
{
    static _Atomic unsigned count;
    snprintf(temporary, PATH_MAX, "%s/.%d-%u", shadow, (int)getpid(), atomic_fetch_add(&count, 1));
    FILE *file = fopen(temporary, "wbe");
    if (!file)
        give_up(temporary);
    return file;
}

static void shadow_end(FILE *file, const char *temporary, const char *kind, const char *key)
{
    char final[PATH_MAX];
    snprintf(final, sizeof final, "%s/%s/%s", shadow, kind, key);
    if (fclose(file) != 0 || rename(temporary, final) != 0)
        give_up(final);
}

static void keep_file(int fd, const char *key)
{
    char path[64], temporary[PATH_MAX];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        give_up(path);
    FILE *to = shadow_begin(temporary);
    char chunk[65536];
    ssize_t got;
    while ((got = read(from, chunk, sizeof chunk)) > 0)
        if (fwrite(chunk, 1, (size_t)got, to) != (size_t)got)
            give_up(temporary);
    if (got < 0)
        give_up("read");
    close(from);
    shadow_end(to, temporary, "files", key);
}

static void keep_folder(int fd, const char *key)
{
    char temporary[PATH_MAX];
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (!folder)
        give_up("opendir");
    FILE *to = shadow_begin(temporary);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        char entry_key[KEY_SIZE];
        bool is_folder;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            key_at(fd, entry->d_name, entry_key, &is_folder))
            fprintf(to, "%c %s %s\n", is_folder ? 'd' : 'f', entry_key, entry->d_name);
    }
    closedir(folder);
    shadow_end(to, temporary, "folders", key);
}

/* All that is there when the server starts has been on the disk for long. */
static void keep_tree(int fd)
{
    char key[KEY_SIZE];
    bool is_folder;
    if (!key_at(fd, "", key, &is_folder))
        give_up("statx");
    keep_folder(fd, key);
    DIR *folder = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            !key_at(fd, entry->d_name, key, &is_folder))
            continue;
        int below = openat(fd, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (below < 0)
            continue;
        if (is_folder)
            keep_tree(below);
        else
            keep_file(below, key);
        close(below);
    }
    if (folder)
        closedir(folder);
}

__attribute__((constructor)) static void powercut_begin(void)
{
    data_root = getenv("POWERCUT_ROOT");
    shadow = getenv("POWERCUT_SHADOW");
    ignored = getenv("POWERCUT_IGNORE");
    if (!data_root || !shadow)
        return;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/root", shadow);
    if (access(path, F_OK) == 0)
        return; /* a process that the server started */
    snprintf(path, sizeof path, "%s/files", shadow);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/folders", shadow);
    mkdir(path, 0700);
    int fd = open(data_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char key[KEY_SIZE], temporary[PATH_MAX];
    bool is_folder;
    if (fd < 0 || !key_at(fd, "", key, &is_folder))
        give_up(data_root);
    keep_tree(fd);
    close(fd);
    FILE *root = shadow_begin(temporary);
    fputs(key, root);
    shadow_end(root, temporary, ".", "root");
}

static bool is_ignored(const char *path, bool is_folder)
{
    if (!ignored)
        return false;
    if (strcmp(ignored, "folders") == 0)
        return is_folder;
    if (strcmp(ignored, "blob-folders") == 0)
        return is_folder && strstr(path, "/blobs");
    if (is_folder)
        return false;
    const char *where = strcmp(ignored, "blobs") == 0 ? "/blobs/" : strcmp(ignored, "database") == 0 ? "suricate.db" : "//";
    return strstr(path, where) != NULL;
}

static int keep(int fd)
{
    char link[64], path[PATH_MAX], key[KEY_SIZE];
    bool is_folder;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return -1;
    path[length] = '\0';
    if (!data_root || !shadow || strncmp(path, data_root, strlen(data_root)) != 0)
        return 0;
    if (!key_at(fd, "", key, &is_folder) || is_ignored(path, is_folder))
        return 0;
    if (is_folder)
        keep_folder(fd, key);
    else
        keep_file(fd, key);
    return 0;
}

__attribute__((visibility("default"))) int fsync(int fd) { return keep(fd); }
__attribute__((visibility("default"))) int fdatasync(int fd) { return keep(fd); }
