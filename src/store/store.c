/* The store: see store.h.  Layer store; owns the writer and the upkeep thread. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "blob.h"
#include "writer.h"

enum { READERS_KEPT = 8, CHECKPOINT_COMMITS = 200, CHECKPOINT_BYTES = 8 << 20, RESET_BYTES = 64 << 20 };

enum { LOCK_TRIES = 50 };

struct store {
    char *dir, *db_path;
    int lock_fd;
    struct writer *writer;
    struct blobs *blobs;
    struct su_lock lock;            /* readers and upkeep */
    struct sql *readers[READERS_KEPT];
    int reader_count;
    struct su_thread upkeep;
    uint64_t commits, checkpointed; /* under lock; so are: */
    int64_t wal_bytes, checkpointed_bytes;
    bool wants_reset;
    bool is_closing;
};

static bool take_lock(struct store *store, struct su_err *err)
{
    SU_AUTO_FREE char *path = su_format("%s/lock", store->dir);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return su_fail_errno(err, errno, "cannot open %s", path);
    /* A server killed while it started a keeper leaves the lock to the child until that has called exec. */
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    su_fail(err, SU_CONFLICT, "another Suricate is using %s", store->dir);
    return su_hint(err, "stop it first, or give another folder with --data");
}

static bool apply(struct sql *db, const struct store_migration *step, struct su_err *err)
{
    int64_t done;
    if (!sql_get_int(db, 0, &done, err, "SELECT max(number) FROM schema_steps WHERE module = ?1", sql_text(step->module)))
        return false;
    if (step->number <= done)
        return true;
    struct su_err ignored;
    if (sql_script(db, "BEGIN IMMEDIATE", err) && sql_script(db, step->sql, err) &&
        sql_run(db, err, "INSERT INTO schema_steps (module, number) VALUES (?1, ?2)", sql_text(step->module), sql_int(step->number)) &&
        sql_script(db, "COMMIT", err))
        return true;
    sql_script(db, "ROLLBACK", &ignored);
    return su_prefix(err, "schema step %s/%d", step->module, step->number);
}

/* A step in the database that no module knows was made by a newer Suricate. */
static bool refuse_newer(struct sql *db, const struct store_migration *const *migrations, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT module, max(number) FROM schema_steps GROUP BY module");
    if (!row)
        return false;
    enum sql_next next;
    while ((next = sql_step(row, err)) == SQL_ROW) {
        int64_t known = 0;
        for (size_t m = 0; migrations[m]; m++)
            for (const struct store_migration *step = migrations[m]; step->module; step++)
                if (strcmp(step->module, sql_col_text(row, 0)) == 0 && step->number > known)
                    known = step->number;
        if (sql_col_int(row, 1) > known) {
            su_fail(err, SU_CONFLICT, "the data directory was written by a newer Suricate (schema %s/%d, known up to %d)",
                    sql_col_text(row, 0), (int)sql_col_int(row, 1), (int)known);
            return su_hint(err, "start the newer version, or restore a backup made by this one");
        }
    }
    return next == SQL_DONE;
}

static bool migrate(struct sql *db, const struct store_migration *const *migrations, struct su_err *err)
{
    if (!sql_script(db, "CREATE TABLE IF NOT EXISTS schema_steps (module TEXT, number INTEGER, PRIMARY KEY (module, number)) WITHOUT ROWID", err) ||
        !refuse_newer(db, migrations, err))
        return false;
    for (size_t m = 0; migrations[m]; m++)
        for (const struct store_migration *step = migrations[m]; step->module; step++)
            if (!apply(db, step, err))
                return false;
    return true;
}

/* Under the lock.  The write-ahead log begins anew at the start of its file when all of it is in the database. */
static bool is_due(const struct store *store)
{
    return store->commits - store->checkpointed >= CHECKPOINT_COMMITS ||
           store->wal_bytes - store->checkpointed_bytes >= CHECKPOINT_BYTES;
}

/* On the writer thread.  While commits come without a pause, each checkpoint leaves what came meanwhile, and the log would
 * grow for good: when it is large, and upkeep has just made two passes, the writer itself copies the little that is left. */
static void committed(void *arg, struct sql *db)
{
    struct store *store = arg;
    struct su_err err;
    su_lock(&store->lock);
    bool is_reset = store->wants_reset;
    store->wants_reset = false;
    store->commits++;
    store->wal_bytes = sql_wal_bytes(db);
    if (store->wal_bytes < store->checkpointed_bytes)
        store->checkpointed_bytes = 0;
    if (is_due(store))
        su_wake(&store->lock);
    su_unlock(&store->lock);
    if (is_reset && !sql_checkpoint(db, true, &err))
        su_log_error("store.checkpoint_failed", &err);
}

/* Copies the write-ahead log back into the database, passively: no commit waits for it. */
static bool checkpoint(struct store *store, struct sql **db, int64_t wal_bytes, struct su_err *err)
{
    if ((!*db && !sql_open(store->db_path, SQL_WRITE, db, err)) || !sql_checkpoint(*db, false, err))
        return false;
    if (wal_bytes < RESET_BYTES)
        return true;
    if (!sql_checkpoint(*db, false, err))
        return false;
    SU_LOCKED(&store->lock);
    store->wants_reset = true;
    return true;
}

static void upkeep_loop(void *arg)
{
    struct store *store = arg;
    struct su_err err = {0};
    struct sql *db = NULL;
    bool is_first = true;       /* what a process that was killed has left is copied back at once */
    su_lock(&store->lock);
    while (!store->is_closing) {
        if (!is_first && !is_due(store)) {
            su_wait(&store->lock);
            continue;
        }
        int64_t wal_bytes = is_first ? RESET_BYTES : store->wal_bytes;
        is_first = false;
        store->checkpointed = store->commits;
        store->checkpointed_bytes = store->wal_bytes;
        su_unlock(&store->lock);
        if (!checkpoint(store, &db, wal_bytes, &err))
            su_log_error("store.checkpoint_failed", &err);
        su_lock(&store->lock);
    }
    su_unlock(&store->lock);
    sql_close(db);
}

static bool open_parts(struct store *store, const struct store_migration *const *migrations, struct su_err *err)
{
    struct sql *db;
    if (!su_dir_make(store->dir, 0700, err) || !take_lock(store, err) || !blobs_open(store->dir, &store->blobs, err) ||
        !sql_open(store->db_path, SQL_WRITE, &db, err))
        return false;
    if (!migrate(db, migrations, err)) {
        sql_close(db);
        return false;
    }
    store->writer = writer_new(db, committed, store);
    su_thread_start(&store->upkeep, "upkeep", upkeep_loop, store);
    return true;
}

bool store_open(const char *dir, const struct store_migration *const *migrations, struct store **ret, struct su_err *err)
{
    struct store *store = su_alloc(sizeof *store);
    store->dir = su_strdup(dir);
    store->db_path = su_format("%s/suricate.db", dir);
    store->lock_fd = -1;
    su_lock_init(&store->lock);
    if (!open_parts(store, migrations, err)) {
        store_close(store);
        return false;
    }
    *ret = store;
    return true;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    writer_free(store->writer);
    su_lock(&store->lock);
    store->is_closing = true;
    su_wake(&store->lock);
    su_unlock(&store->lock);
    su_thread_join(&store->upkeep);
    for (int i = 0; i < store->reader_count; i++)
        sql_close(store->readers[i]);
    blobs_close(store->blobs);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    su_lock_done(&store->lock);
    free(store->db_path);
    free(store->dir);
    free(store);
}

const char *store_dir(const struct store *store) { return store->dir; }
struct blobs *store_blobs(struct store *store) { return store->blobs; }

bool store_write(struct store *store, store_job *job, void *arg, struct su_err *err)
{
    return writer_run(store->writer, job, arg, err);
}

void store_write_later(struct store *store, store_job *job, store_done *done, void *arg)
{
    writer_run_later(store->writer, job, done, arg);
}

struct sql *store_reader(struct store *store)
{
    su_lock(&store->lock);
    struct sql *db = store->reader_count ? store->readers[--store->reader_count] : NULL;
    su_unlock(&store->lock);
    if (db)
        return db;
    struct su_err err;
    if (sql_open(store->db_path, SQL_READ, &db, &err))
        return db;
    /* The database was readable a moment ago: out of descriptors or of disk.  Nothing works without it. */
    su_log_error("store.reader_failed", &err);
    abort();
}

void store_reader_done(struct store *store, struct sql *db)
{
    su_lock(&store->lock);
    bool is_kept = store->reader_count < READERS_KEPT;
    if (is_kept)
        store->readers[store->reader_count++] = db;
    su_unlock(&store->lock);
    if (!is_kept)
        sql_close(db);
}

void store_stats(struct store *store, struct store_stats *ret) { writer_stats(store->writer, ret); }

uint64_t store_free_bytes(struct store *store)
{
    struct statvfs status;
    return statvfs(store->dir, &status) == 0 ? (uint64_t)status.f_bavail * status.f_frsize : 0;
}
