/* Backups: see backup.h.  Layer store.
 *
 * The database is copied first, then the files: a file that the copy names is
 * still there, because removals are held meanwhile. */
#include "backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "blob.h"

enum { CHUNK_BYTES = 1 << 20, MANIFEST_MAX = 1 << 20 };

static void close_dir(DIR **dir) { if (*dir) closedir(*dir); }

static bool require_empty(const char *path, struct su_err *err)
{
    if (!su_dir_make(path, 0700, err))
        return false;
    DIR *dir __attribute__((cleanup(close_dir))) = opendir(path);
    if (!dir)
        return su_fail_errno(err, errno, "cannot open %s", path);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            su_fail(err, SU_CONFLICT, "%s is not empty", path);
            return su_hint(err, "give a new or empty folder");
        }
    return true;
}

static bool copy_bytes(int from, int to, struct su_err *err)
{
    for (;;) {
        ssize_t done = copy_file_range(from, NULL, to, NULL, CHUNK_BYTES, 0);
        if (done == 0)
            return fsync(to) == 0 || su_fail_errno(err, errno, "cannot sync");
        if (done < 0)
            break;
    }
    SU_AUTO_FREE char *chunk = su_alloc(CHUNK_BYTES);
    ssize_t got;
    while ((got = read(from, chunk, CHUNK_BYTES)) > 0)
        if (!su_write_all(to, chunk, (size_t)got, err))
            return false;
    if (got < 0 || fsync(to) < 0)
        return su_fail_errno(err, errno, "cannot copy");
    return true;
}

static bool copy_file(const char *from, const char *to, struct su_err *err)
{
    SU_AUTO_FD int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return su_fail_errno(err, errno, "cannot open %s", from);
    SU_AUTO_FD int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return su_fail_errno(err, errno, "cannot create %s", to);
    return copy_bytes(in, out, err) || su_prefix(err, "%s", to);
}

static bool hash_file(const char *path, char ret_hex[static SU_SHA256_HEX], struct su_err *err)
{
    SU_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return su_fail_errno(err, errno, "cannot open %s", path);
    SU_AUTO_FREE char *chunk = su_alloc(CHUNK_BYTES);
    struct su_sha256 *hash SU_CLEANUP(su_sha256_free_pointer) = su_sha256_new();
    ssize_t got;
    while ((got = read(fd, chunk, CHUNK_BYTES)) > 0)
        su_sha256_add(hash, chunk, (size_t)got);
    if (got < 0)
        return su_fail_errno(err, errno, "cannot read %s", path);
    uint8_t digest[SU_SHA256_SIZE];
    su_sha256_end(hash, digest);
    su_hex(digest, sizeof digest, ret_hex);
    return true;
}

/* What is done with each blob file; `name` is its hash. */
struct visit {
    const char *from, *to;
    bool (*file)(const char *from, const char *to, const char *name, struct su_err *err);
    int64_t count, bytes;
};

static bool visit_folder(struct visit *visit, const char *prefix, struct su_err *err)
{
    SU_AUTO_FREE char *from = su_format("%s/blobs/%s", visit->from, prefix);
    SU_AUTO_FREE char *to = su_format("%s/blobs/%s", visit->to, prefix);
    DIR *dir __attribute__((cleanup(close_dir))) = opendir(from);
    if (!dir)
        return errno == ENOENT || su_fail_errno(err, errno, "cannot open %s", from);
    if (!su_dir_make(to, 0700, err))
        return false;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strlen(entry->d_name) != 62)
            continue;
        SU_AUTO_FREE char *file = su_format("%s/%s", from, entry->d_name);
        SU_AUTO_FREE char *target = su_format("%s/%s", to, entry->d_name);
        SU_AUTO_FREE char *name = su_format("%s%s", prefix, entry->d_name);
        struct stat status;
        if (stat(file, &status) < 0)
            return su_fail_errno(err, errno, "cannot look at %s", file);
        if (!visit->file(file, target, name, err))
            return false;
        visit->count++;
        visit->bytes += status.st_size;
    }
    return su_dir_sync(to, err);
}

static bool visit_blobs(struct visit *visit, struct su_err *err)
{
    SU_AUTO_FREE char *to = su_format("%s/blobs", visit->to);
    if (!su_dir_make(to, 0700, err))
        return false;
    for (int i = 0; i < 256; i++) {
        char prefix[3];
        su_hex(&(uint8_t){(uint8_t)i}, 1, prefix);
        if (!visit_folder(visit, prefix, err))
            return false;
    }
    return su_dir_sync(to, err) && su_dir_sync(visit->to, err);
}

static bool link_or_copy(const char *from, const char *to, const char *name, struct su_err *err)
{
    return link(from, to) == 0 || copy_file(from, to, err);
}

static bool verify_and_copy(const char *from, const char *to, const char *name, struct su_err *err)
{
    char found[SU_SHA256_HEX];
    if (!copy_file(from, to, err) || !hash_file(to, found, err))
        return false;
    return strcmp(found, name) == 0 || su_fail(err, SU_INVALID, "%s is damaged: its content hashes to %.12s…", from, found);
}

static bool write_copy(struct store *store, const char *directory, json_t **ret_manifest, struct su_err *err)
{
    SU_AUTO_FREE char *database = su_format("%s/suricate.db", directory);
    SU_AUTO_FREE char *manifest_path = su_format("%s/manifest.json", directory);
    char digest[SU_SHA256_HEX], at[SU_TIME_TEXT];
    STORE_READ(store, db);
    if (!sql_backup(db, database, err) || !hash_file(database, digest, err))
        return false;
    struct visit visit = {.from = store_dir(store), .to = directory, .file = link_or_copy};
    if (!visit_blobs(&visit, err))
        return false;
    SU_AUTO_JSON json_t *manifest = json_pack("{s:s, s:s, s:s, s:I, s:I}", "version", SURICATE_VERSION, "made_at",
        su_time_text(su_now_ms(), at), "database_sha256", digest, "blobs", (json_int_t)visit.count, "bytes", (json_int_t)visit.bytes);
    SU_AUTO_FREE char *text = su_json_text_flags(manifest, JSON_INDENT(1));
    if (!su_file_replace(manifest_path, su_str_of(text), 0600, err))
        return false;
    *ret_manifest = su_take(manifest);
    return true;
}

bool backup_make(struct store *store, const char *directory, json_t **ret_manifest, struct su_err *err)
{
    if (directory[0] != '/')
        return su_fail_field(err, SU_INVALID, "/directory", "directory: must be an absolute path on the server, was \"%s\"", directory);
    if (!require_empty(directory, err))
        return false;
    blobs_hold(store_blobs(store));
    bool is_done = write_copy(store, directory, ret_manifest, err);
    blobs_unhold(store_blobs(store));
    return is_done;
}

static bool check_manifest(const char *backup_dir, const char *database, struct su_err *err)
{
    SU_AUTO_FREE char *path = su_format("%s/manifest.json", backup_dir);
    SU_AUTO_BUF struct su_buf text = SU_BUF(MANIFEST_MAX);
    SU_AUTO_JSON json_t *manifest = NULL;
    char digest[SU_SHA256_HEX];
    if (!su_file_read(path, MANIFEST_MAX, &text, err) || !su_json_parse(su_buf_str(&text), "manifest.json", &manifest, err) ||
        !hash_file(database, digest, err))
        return su_prefix(err, "%s is not a backup", backup_dir);
    if (strcmp(digest, su_json_string(manifest, "database_sha256", "")) != 0)
        return su_fail(err, SU_INVALID, "%s is damaged: its hash is not the manifest's", database);
    return true;
}

bool backup_restore(const char *backup_dir, const char *data_dir, struct su_err *err)
{
    SU_AUTO_FREE char *database = su_format("%s/suricate.db", backup_dir);
    SU_AUTO_FREE char *target = su_format("%s/suricate.db", data_dir);
    if (!check_manifest(backup_dir, database, err) || !require_empty(data_dir, err))
        return false;
    struct visit visit = {.from = backup_dir, .to = data_dir, .file = verify_and_copy};
    return visit_blobs(&visit, err) && copy_file(database, target, err) && su_dir_sync(data_dir, err);
}
