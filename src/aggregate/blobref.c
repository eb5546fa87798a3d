/* Who still needs a blob: see blobref.h.  Layer aggregate. */
#include "blobref.h"
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "store/blob.h"

const struct store_migration blobref_migrations[] = {
    {"blobref", 1,
     "CREATE TABLE blob_refs (tenant TEXT NOT NULL, holder TEXT NOT NULL, sha256 TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, holder, sha256)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX blob_refs_by_blob ON blob_refs (sha256);"
     /* Released and perhaps without a holder: what blobref_collect looks at. */
     "CREATE TABLE blob_orphans (sha256 TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;"},
    {"blobref", 2,
     "CREATE TABLE blob_notes (tenant TEXT NOT NULL, sha256 TEXT NOT NULL, key TEXT NOT NULL, note TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, sha256, key)) STRICT;"},
    {NULL, 0, NULL},
};

#define HAS_HOLDER "EXISTS (SELECT 1 FROM blob_refs r WHERE r.sha256 = ?2 AND r.tenant = ?1)"

bool blobref_hold(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err)
{
    return sql_run(db, err, "INSERT OR IGNORE INTO blob_refs (tenant, holder, sha256) VALUES (?1, ?2, ?3)",
                   sql_text(tenant), sql_text(holder), sql_text(sha256));
}

/* What was made from content that the tenant holds no more. */
static bool release_derived(struct sql *db, const char *tenant, const char *sha256, struct su_err *err)
{
    return sql_run(db, err,
                   "INSERT OR IGNORE INTO blob_orphans SELECT sha256 FROM blob_refs"
                   " WHERE tenant = ?1 AND holder = 'columns/' || ?2 AND NOT " HAS_HOLDER, sql_text(tenant), sql_text(sha256))
        && sql_run(db, err, "DELETE FROM blob_refs WHERE tenant = ?1 AND holder = 'columns/' || ?2 AND NOT " HAS_HOLDER,
                   sql_text(tenant), sql_text(sha256));
}

bool blobref_release(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err)
{
    return sql_run(db, err, "DELETE FROM blob_refs WHERE tenant = ?1 AND holder = ?2 AND sha256 = ?3",
                   sql_text(tenant), sql_text(holder), sql_text(sha256))
        && sql_run(db, err,
                   "INSERT OR IGNORE INTO blob_orphans SELECT ?1"
                   " WHERE NOT EXISTS (SELECT 1 FROM blob_refs WHERE sha256 = ?1)",
                   sql_text(sha256))
        && sql_run(db, err, "DELETE FROM blob_notes WHERE tenant = ?1 AND sha256 = ?2 AND NOT " HAS_HOLDER,
                   sql_text(tenant), sql_text(sha256))
        && release_derived(db, tenant, sha256, err);
}

bool blobref_note(struct sql *db, const char *tenant, const char *sha256, const char *key, const char *note, struct su_err *err)
{
    return sql_run(db, err,
                   "INSERT OR REPLACE INTO blob_notes (tenant, sha256, key, note) SELECT ?1, ?2, ?3, ?4 WHERE " HAS_HOLDER,
                   sql_text(tenant), sql_text(sha256), sql_text(key), sql_text(note));
}

bool blobref_note_get(struct sql *db, const char *tenant, const char *sha256, const char *key, char **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT note FROM blob_notes WHERE tenant = ?1 AND sha256 = ?2 AND key = ?3", sql_text(tenant),
        sql_text(sha256), sql_text(key));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    *ret = next == SQL_ROW ? su_strdup(sql_col_text(row, 0)) : NULL;
    return true;
}

bool blobref_release_all(struct sql *db, const char *tenant, const char *prefix, struct su_err *err)
{
    /* No UTF-8 text has a byte 255, so prefix + 255 is past all that begin with prefix. */
    SU_AUTO_FREE char *past = su_format("%s\xff", prefix);
    return sql_run(db, err,
                   "INSERT OR IGNORE INTO blob_orphans"
                   " SELECT sha256 FROM blob_refs WHERE tenant = ?1 AND holder >= ?2 AND holder < ?3",
                   sql_text(tenant), sql_text(prefix), sql_text(past))
        && sql_run(db, err, "DELETE FROM blob_refs WHERE tenant = ?1 AND holder >= ?2 AND holder < ?3",
                   sql_text(tenant), sql_text(prefix), sql_text(past));
}

/* Asked by blob_remove under its guard lock: when in doubt, the blob stays. */
static bool is_used(void *arg, const char *sha256)
{
    struct store *store = arg;
    STORE_READ(store, db);
    struct su_err err;
    int64_t used = 1;
    return !sql_get_int(db, 1, &used, &err, "SELECT EXISTS (SELECT 1 FROM blob_refs WHERE sha256 = ?1)", sql_text(sha256))
        || used != 0;
}

static bool remove_blob(struct store *store, const char *sha256)
{
    struct su_err err;
    if (blob_remove(store_blobs(store), sha256, is_used, store, &err))
        return true;
    su_log_error("blob.remove_failed", &err, su_kv_text("sha256", sha256));
    return false;
}

/* Writer job: the orphans move from the table to memory. A crash after this leaves them to the sweep. */
static bool take_orphans(struct sql *db, void *arg, struct su_err *err)
{
    struct su_buf *hashes = arg;
    su_buf_clear(hashes);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT sha256 FROM blob_orphans LIMIT 1000");
    if (row == NULL)
        return false;
    enum sql_next next;
    while ((next = sql_step(row, err)) == SQL_ROW)
        su_buf_addf(hashes, "%s ", sql_col_text(row, 0));
    return next == SQL_DONE
        && sql_run(db, err, "DELETE FROM blob_orphans WHERE sha256 IN (SELECT sha256 FROM blob_orphans LIMIT 1000)");
}

static bool has_orphans(struct store *store)
{
    STORE_READ(store, db);
    struct su_err err;
    int64_t found = 0;
    return sql_get_int(db, 0, &found, &err, "SELECT EXISTS (SELECT 1 FROM blob_orphans)") && found != 0;
}

void blobref_collect(struct store *store)
{
    while (has_orphans(store)) {
        SU_AUTO_BUF struct su_buf hashes = SU_BUF(1 << 20);
        struct su_err err;
        if (!store_write(store, take_orphans, &hashes, &err)) {
            su_log_error("blob.collect_failed", &err);
            return;
        }
        struct su_str rest = su_buf_str(&hashes), hash;
        while (rest.len > 0) {
            struct su_str tail;
            su_str_cut(rest, ' ', &hash, &tail);
            SU_AUTO_FREE char *sha256 = su_strndup(hash.ptr, hash.len);
            remove_blob(store, sha256);
            rest = tail;
        }
    }
}

/* One folder blobs/ab: every file whose name completes a hash that no row knows. */
static uint64_t sweep_folder(struct store *store, const char *path, const char *head, const atomic_bool *stop)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    uint64_t removed = 0;
    for (struct dirent *entry; !atomic_load(stop) && (entry = readdir(folder)) != NULL;) {
        char sha256[SU_SHA256_HEX];
        if (strlen(entry->d_name) != SU_SHA256_HEX - 3 || strspn(entry->d_name, "0123456789abcdef") != SU_SHA256_HEX - 3)
            continue;
        snprintf(sha256, sizeof sha256, "%.2s%.62s", head, entry->d_name);
        if (!is_used(store, sha256) && remove_blob(store, sha256))
            removed++;
    }
    closedir(folder);
    return removed;
}

uint64_t blobref_sweep(struct store *store, const atomic_bool *stop)
{
    uint64_t removed = 0;
    for (unsigned i = 0; i < 256 && !atomic_load(stop); i++) {
        char head[3];
        snprintf(head, sizeof head, "%02x", i & 0xffU);
        SU_AUTO_FREE char *path = su_format("%s/blobs/%s", store_dir(store), head);
        removed += sweep_folder(store, path, head, stop);
    }
    return removed;
}
