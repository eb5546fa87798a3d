/* Where the parts of an installation are: see locate.h.  Layer cli; main thread. */
#include "cli/locate.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"

enum { LOCK_MAX = 4 * 1024 * 1024, HASH_DIGITS = 12 };

static const char *setting(const char *given, const char *variable)
{
    const char *value = getenv(variable);
    if (given && *given)
        return given;
    return value && *value ? value : NULL;
}

char *locate_share(const char *given)
{
    if (setting(given, "SURICATE_SHARE"))
        return su_strdup(setting(given, "SURICATE_SHARE"));
    SU_AUTO_FREE char *here = su_exe_dir();
    SU_AUTO_FREE char *tree = su_format("%s/..", here);
    SU_AUTO_FREE char *package = su_format("%s/sdk/python", tree);
    return access(package, R_OK) == 0 ? su_take(tree) : su_format("%s/../share/suricate", here);
}

static char *environments_dir(void)
{
    const char *home = getenv("HOME");
    return geteuid() == 0 ? su_strdup("/var/lib/suricate/env") : su_format("%s/.local/share/suricate/env", home ? home : "");
}

/* "python-<first digits of the lock's hash>", or NULL without a lock. */
static char *name_by_lock(const char *share)
{
    SU_AUTO_FREE char *path = su_format("%s/packaging/requirements.lock", share);
    SU_AUTO_BUF struct su_buf text = SU_BUF(LOCK_MAX);
    uint8_t digest[SU_SHA256_SIZE];
    char hex[SU_SHA256_HEX];
    struct su_err ignored;
    if (!su_file_read(path, LOCK_MAX, &text, &ignored))
        return NULL;
    su_sha256_of(text.ptr, text.len, digest);
    su_hex(digest, sizeof digest, hex);
    return su_format("python-%.*s", HASH_DIGITS, hex);
}

static char *complete_or_null(const char *dir, const char *name, time_t *ret_at)
{
    struct stat about;
    SU_AUTO_FREE char *mark = su_format("%s/%s/environment.json", dir, name);
    if (stat(mark, &about) < 0)
        return NULL;
    *ret_at = about.st_mtime;
    return su_format("%s/%s", dir, name);
}

static char *newest(const char *dir)
{
    DIR *folder = opendir(dir);
    char *best = NULL;
    time_t best_at = 0, at = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char *path = strncmp(entry->d_name, "python-", 7) == 0 ? complete_or_null(dir, entry->d_name, &at) : NULL;
        if (path && (!best || at > best_at)) {
            free(best);
            best = su_take(path);
            best_at = at;
        }
        free(path);
    }
    if (folder)
        closedir(folder);
    return best;
}

char *locate_environment(const char *given, const char *share)
{
    if (setting(given, "SURICATE_ENV"))
        return su_strdup(setting(given, "SURICATE_ENV"));
    SU_AUTO_FREE char *dir = environments_dir();
    SU_AUTO_FREE char *name = name_by_lock(share);
    time_t at;
    char *exact = name ? complete_or_null(dir, name, &at) : NULL;
    return exact ? exact : newest(dir);
}
