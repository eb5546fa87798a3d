/* See places.h.  Layer compute. */
#include "compute/places.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fs.h"
#include "base/hash.h"
#include "compute/filter.h"

enum { KERNEL_UID = 64123, RUNTIME_MAX = 60, SOURCE_MAX = 4 * 1024 * 1024, HASH_TEXT = 16 };

static bool is_file(const char *path, int mode) { return access(path, mode) == 0; }

/* The first that is there (the list is consumed); NULL when none is. */
static char *first_of(char *list[], int mode) {
    char *found = NULL;
    for (size_t i = 0; list[i]; i++) {
        if (!found && is_file(list[i], mode)) found = list[i];
        else free(list[i]);
    }
    return found;
}

static char *find_program(const char *given, const char *name) {
    if (given) return su_strdup(given);
    char *exe SU_AUTO_FREE = su_exe_dir();
    return first_of((char *[]){su_format("%s/%s", exe, name), su_format("%s/../../%s", exe, name),
        su_format("%s/../libexec/suricate/%s", exe, name), su_format("%s/../lib/suricate/%s", exe, name), NULL}, X_OK);
}

static char *find_init(const char *keeper) {
    const char *slash = keeper ? strrchr(keeper, '/') : NULL;
    return slash ? su_format("%.*s/suricate-init", (int)(slash - keeper), keeper) : NULL;
}

static void hash_text(const char *text, char hex[static HASH_TEXT + 1], size_t digits) {
    uint8_t digest[SU_SHA256_SIZE];
    char all[SU_SHA256_HEX];
    su_sha256_of(text, strlen(text), digest);
    su_hex(digest, sizeof digest, all);
    memcpy(hex, all, digits);
    hex[digits] = 0;
}

static char *default_runtime(const char *data) {
    char hex[HASH_TEXT + 1];
    char *whole SU_AUTO_FREE = realpath(data, NULL);
    hash_text(whole ? whole : data, hex, 8);
    const char *session = getenv("XDG_RUNTIME_DIR");
    if (geteuid() == 0) return su_format("/run/suricate/%s", hex);
    if (session && *session && is_file(session, W_OK) && strlen(session) < RUNTIME_MAX - 20) return su_format("%s/suricate/%s", session, hex);
    return su_format("/tmp/suricate-%u/%s", geteuid(), hex);
}

/* A folder of ours: made, or there already and nobody else's. */
static bool own_folder(const char *path, mode_t mode, struct su_err *err) {
    struct stat status;
    if (!su_dir_make(path, mode, err)) return false;
    if (lstat(path, &status) < 0) return su_fail_errno(err, errno, "%s", path);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid()) return su_fail(err, SU_DENIED, "%s belongs to somebody else", path);
    return chmod(path, mode) == 0 || su_fail_errno(err, errno, "%s", path);
}

static bool make_folders(const struct places *places, struct su_err *err) {
    static const struct {
        const char *name;
        mode_t mode;
    } parts[] = {{"", 0711}, {"/api", 0711}, {"/kernels", 0711}, {"/keepers", 0700}, {"/zygotes", 0711}};
    const char *slash = strrchr(places->runtime, '/');
    char *parent SU_AUTO_FREE = su_strndup(places->runtime, (size_t)(slash - places->runtime));
    if ((geteuid() == 0 || strncmp(parent, "/tmp/", 5) == 0) && !own_folder(parent, 0711, err)) return false;
    for (size_t i = 0; i < SU_COUNT(parts); i++) {
        char *path SU_AUTO_FREE = su_format("%s%s", places->runtime, parts[i].name);
        if (!own_folder(path, parts[i].mode, err)) return false;
    }
    char *warm SU_AUTO_FREE = su_format("%s/run/warm", places->data);
    char *kernels SU_AUTO_FREE = su_format("%s/run/kernels", places->data);
    return su_dir_make(warm, 0700, err) && su_dir_make(kernels, 0700, err);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The package's files, sorted; caller frees each and the list. */
static char **list_sources(const char *folder, size_t *ret_count) {
    DIR *dir = opendir(folder);
    char **names = NULL;
    *ret_count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (!su_str_ends(su_str_of(entry->d_name), SU_STR(".py")) && strcmp(entry->d_name, "py.typed") != 0) continue;
        names = su_realloc(names, (*ret_count + 1) * sizeof *names);
        names[(*ret_count)++] = su_strdup(entry->d_name);
    }
    if (dir) closedir(dir);
    if (names) qsort(names, *ret_count, sizeof *names, by_name);
    return names;
}

static const struct { const char *name, *text; } small_etc[] = {
    {"passwd", "root:x:0:0:root:/:/usr/sbin/nologin\nkernel:x:1000:1000:kernel:/home/kernel:/bin/sh\n"},
    {"group", "root:x:0:\nkernel:x:1000:\n"},
    {"hosts", "127.0.0.1 localhost kernel\n::1 localhost\n"},
    {"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
};

static bool write_plain(const char *folder, const char *name, struct su_str text, struct su_err *err) {
    char *path SU_AUTO_FREE = su_format("%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    if (!file) return su_fail_errno(err, errno, "%s", path);
    fwrite(text.ptr, 1, text.len, file);
    fchmod(fileno(file), 0644);
    return fclose(file) == 0 || su_fail_errno(err, errno, "%s", path);
}

static bool write_extras(const char *folder, struct su_err *err) {
    char *etc SU_AUTO_FREE = su_format("%s/etc", folder);
    if (!su_dir_make(etc, 0755, err)) return false;
    for (size_t i = 0; i < SU_COUNT(small_etc); i++)
        if (!write_plain(etc, small_etc[i].name, su_str_of(small_etc[i].text), err)) return false;
    return filter_write(folder, err);
}

/* Copy the package (as small files in memory) and hash it on the way. */
static bool fill_lib(struct places *places, const char *folder, struct su_sha256 *hash, struct su_err *err) {
    size_t count;
    bool ok = true;
    char **names = list_sources(places->share, &count);
    char *package SU_AUTO_FREE = su_format("%s/suricate", folder);
    ok = su_dir_make(package, 0755, err);
    for (size_t i = 0; i < count; i++) {
        char *path SU_AUTO_FREE = su_format("%s/%s", places->share, names[i]);
        struct su_buf text SU_AUTO_BUF = SU_BUF(SOURCE_MAX);
        ok = ok && su_file_read(path, SOURCE_MAX, &text, err) && write_plain(package, names[i], su_buf_str(&text), err);
        if (ok) su_sha256_add(hash, names[i], strlen(names[i]) + 1);
        if (ok) su_sha256_add(hash, text.ptr, text.len);
        free(names[i]);
    }
    free(names);
    if (!ok) return false;
    return count || su_fail(err, SU_NOT_FOUND, "no Python package in %s", places->share);
}

/* The folder kernels see as /opt/suricate/lib, named after its content, so that a running zygote
 * never sees its library change. */
static bool make_lib(struct places *places, struct su_err *err) {
    uint8_t digest[SU_SHA256_SIZE];
    char hex[SU_SHA256_HEX];
    char *fresh SU_AUTO_FREE = su_format("%s/lib-new-%d", places->runtime, (int)getpid());
    struct su_err ignored;
    struct su_sha256 *hash = su_sha256_new();
    bool ok = su_dir_remove(fresh, err) && su_dir_make(fresh, 0755, err) && fill_lib(places, fresh, hash, err) && write_extras(fresh, err);
    su_sha256_add(hash, SURICATE_VERSION, sizeof SURICATE_VERSION);
    su_sha256_end(hash, digest);
    su_sha256_free(hash);
    if (!ok) return false;
    su_hex(digest, sizeof digest, hex);
    memcpy(places->lib_hash, hex, HASH_TEXT);
    places->lib = su_format("%s/lib-%.12s", places->runtime, hex);
    if (rename(fresh, places->lib) < 0 && errno != EEXIST && errno != ENOTEMPTY) return su_fail_errno(err, errno, "%s", places->lib);
    su_dir_remove(fresh, &ignored);
    return true;
}

bool places_open(struct places *places, const struct compute_config *config, struct su_err *err) {
    const char *share = config->share_dir ? config->share_dir : "/usr/share/suricate";
    *places = (struct places){.data = su_strdup(config->data_dir), .environment = su_strdup(config->environment_dir)};
    places->uid = geteuid() != 0 ? geteuid() : config->kernel_uid ? config->kernel_uid : KERNEL_UID;
    places->runtime = config->runtime_dir ? su_strdup(config->runtime_dir) : default_runtime(config->data_dir);
    if (strlen(places->runtime) > RUNTIME_MAX || places->runtime[0] != '/')
        return su_fail(err, SU_INVALID,
                       "runtime directory %s: give an absolute path of at most %d bytes (socket names are short)",
                       places->runtime, RUNTIME_MAX);
    places->share = first_of((char *[]){su_format("%s/sdk/python/suricate", share), su_format("%s/python/suricate", share), NULL}, R_OK);
    if (!places->share) return su_fail(err, SU_NOT_FOUND, "the Python package suricate is in neither %s/sdk/python nor %s/python", share, share);
    if (places->environment) places->python = su_format("%s/bin/python", places->environment);
    places->keeper = find_program(config->keeper_path, "suricate-keep");
    places->init = find_init(places->keeper);
    places->bwrap = first_of((char *[]){su_strdup("/usr/bin/bwrap"), su_strdup("/usr/local/bin/bwrap"), su_strdup("/bin/bwrap"), NULL}, X_OK);
    if (!places->keeper || !is_file(places->keeper, X_OK) || !is_file(places->init, X_OK))
        return su_fail(err, SU_NOT_FOUND, "suricate-keep and suricate-init are not beside the server's program");
    return make_folders(places, err) && make_lib(places, err);
}

void places_close(struct places *places) {
    char *all[] = {places->data,   places->runtime, places->lib,   places->environment, places->python,
                   places->keeper, places->init,    places->bwrap, places->share};
    for (size_t i = 0; i < SU_COUNT(all); i++) free(all[i]);
    *places = (struct places){0};
}

char *places_runtime(const struct places *places, const char *part, const char *name) { return su_format("%s/%s/%s", places->runtime, part, name); }

char *places_folder(const struct places *places, bool is_claimed, const char *name) {
    return su_format("%s/run/%s/%s", places->data, is_claimed ? "kernels" : "warm", name);
}
