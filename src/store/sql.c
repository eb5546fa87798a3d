/* SQL: see sql.h.  The only user of sqlite3.h.  Layer store; a connection is used by one thread at a time. */
#include "sql.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"

enum { CACHE_SIZE = 128, BUSY_MS = 10000, BACKUP_PAGES = 256, RESET_MS = 50 };

struct sql_row {
    struct sql *db;
    sqlite3_stmt *statement;
    const char *text;
    bool is_busy;
};

struct sql {
    sqlite3 *handle;
    struct sql_row cache[CACHE_SIZE];
    int cached;
    int64_t page_bytes, wal_bytes;
};

/* A failed sync means that the disk's content is unknown: retrying proves
 * nothing, so stop, and read the disk again at the next start. */
static void abort_on_failed_sync(int extended)
{
    if (extended != SQLITE_IOERR_FSYNC && extended != SQLITE_IOERR_DIR_FSYNC)
        return;
    su_log(SU_LOG_ERROR, "store.sync_failed", su_kv_text("action", "abort"));
    abort();
}

static bool fail(struct sql *db, struct su_err *err, const char *what)
{
    int extended = sqlite3_extended_errcode(db->handle);
    abort_on_failed_sync(extended);
    if ((extended & 0xff) == SQLITE_FULL) {
        su_fail_slug(err, "insufficient-storage", "the disk with the data directory is full");
        return su_hint(err, "free some space on the server's disk; nothing needs a restart");
    }
    if ((extended & 0xff) == SQLITE_BUSY)
        return su_fail(err, SU_UNAVAILABLE, "%s: the database is busy", what);
    return su_fail(err, SU_INTERNAL, "%s: %s", what, sqlite3_errmsg(db->handle));
}

static int note_wal(void *arg, sqlite3 *handle, const char *name, int pages)
{
    struct sql *db = arg;
    db->wal_bytes = pages * db->page_bytes;
    return SQLITE_OK;
}

static bool set_up(struct sql *db, enum sql_mode mode, struct su_err *err)
{
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    sqlite3_extended_result_codes(db->handle, 1);
    if (mode == SQL_READ)
        return sql_script(db, "PRAGMA query_only=1; PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY;", err);
    /* Checkpoints run on the upkeep thread, so that no commit waits for one.  Large pages and a cache that holds several
     * blocks of a log: a fifth less work for each block than with 4 KiB (only a new database takes the size). */
    if (!sql_script(db, "PRAGMA page_size=16384; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=1;"
                        "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;", err)
        || !sql_get_int(db, 0, &db->page_bytes, err, "PRAGMA page_size"))
        return false;
    sqlite3_wal_hook(db->handle, note_wal, db);     /* in the place of automatic checkpoints */
    return true;
}

/* SQLite would create the file readable to all; what lies beside it takes its
 * mode.  A file that is there is not opened: closing a second descriptor would
 * drop the locks that other connections of this process hold. */
static bool make_private(const char *path, struct su_err *err)
{
    SU_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 || errno == EEXIST || su_fail_errno(err, errno, "cannot open %s", path);
}

bool sql_open(const char *path, enum sql_mode mode, struct sql **ret, struct su_err *err)
{
    if (mode == SQL_WRITE && !make_private(path, err))
        return false;
    struct sql *db = su_alloc(sizeof *db);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
        su_fail(err, SU_INTERNAL, "cannot open %s: %s", path, sqlite3_errmsg(db->handle));
        sql_close(db);
        return false;
    }
    if (!set_up(db, mode, err)) {
        sql_close(db);
        return su_prefix(err, "%s", path);
    }
    *ret = db;
    return true;
}

void sql_close(struct sql *db)
{
    if (!db)
        return;
    for (int i = 0; i < db->cached; i++)
        sqlite3_finalize(db->cache[i].statement);
    sqlite3_close(db->handle);
    free(db);
}

bool sql_script(struct sql *db, const char *text, struct su_err *err)
{
    return sqlite3_exec(db->handle, text, NULL, NULL, NULL) == SQLITE_OK || fail(db, err, "script");
}

struct sql_value sql_int(int64_t value) { return (struct sql_value){.type = SQL_INT, .integer = value}; }
struct sql_value sql_real(double value) { return (struct sql_value){.type = SQL_REAL, .real = value}; }
struct sql_value sql_null(void) { return (struct sql_value){.type = SQL_NULL}; }
struct sql_value sql_text(const char *text) { return text ? sql_str(su_str_of(text)) : sql_null(); }

struct sql_value sql_str(struct su_str text)
{
    return (struct sql_value){.type = SQL_TEXT, .ptr = text.ptr, .len = text.len};
}

struct sql_value sql_blob(const void *data, size_t len)
{
    return (struct sql_value){.type = SQL_BLOB, .ptr = data, .len = len};
}

static int bind(sqlite3_stmt *statement, int at, const struct sql_value *value)
{
    switch (value->type) {
    case SQL_INT: return sqlite3_bind_int64(statement, at, value->integer);
    case SQL_REAL: return sqlite3_bind_double(statement, at, value->real);
    case SQL_TEXT: return sqlite3_bind_text64(statement, at, value->ptr, value->len, SQLITE_STATIC, SQLITE_UTF8);
    case SQL_BLOB: return sqlite3_bind_blob64(statement, at, value->ptr, value->len, SQLITE_STATIC);
    case SQL_NULL: return sqlite3_bind_null(statement, at);
    case SQL_END: break;
    }
    return SQLITE_MISUSE;
}

/* A free cached statement of this text, or NULL. */
static struct sql_row *cached(struct sql *db, const char *text)
{
    for (int i = 0; i < db->cached; i++)
        if (db->cache[i].text == text && !db->cache[i].is_busy)
            return &db->cache[i];
    return NULL;
}

static struct sql_row *prepare(struct sql *db, struct su_err *err, const char *text)
{
    struct sql_row *row = cached(db, text);
    if (row)
        return row;
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        fail(db, err, text);
        return NULL;
    }
    row = db->cached < CACHE_SIZE ? &db->cache[db->cached++] : su_alloc(sizeof *row);
    *row = (struct sql_row){.db = db, .statement = statement, .text = text};
    return row;
}

static bool is_cached(const struct sql_row *row) { return row >= row->db->cache && row < row->db->cache + CACHE_SIZE; }

struct sql_row *sql_query_values(struct sql *db, struct su_err *err, const char *text, const struct sql_value *values)
{
    struct sql_row *row = prepare(db, err, text);
    if (!row)
        return NULL;
    row->is_busy = true;
    for (int at = 1; values->type != SQL_END; values++, at++)
        if (bind(row->statement, at, values) != SQLITE_OK) {
            fail(db, err, text);
            sql_end(row);
            return NULL;
        }
    return row;
}

enum sql_next sql_step(struct sql_row *row, struct su_err *err)
{
    int outcome = sqlite3_step(row->statement);
    if (outcome == SQLITE_ROW)
        return SQL_ROW;
    if (outcome == SQLITE_DONE)
        return SQL_DONE;
    if ((outcome & 0xff) == SQLITE_CONSTRAINT) {
        su_fail(err, SU_CONFLICT, "%s", sqlite3_errmsg(row->db->handle));
        return SQL_ERROR;
    }
    fail(row->db, err, row->text);
    return SQL_ERROR;
}

void sql_end(struct sql_row *row)
{
    if (!row)
        return;
    if (!is_cached(row)) {
        sqlite3_finalize(row->statement);
        free(row);
        return;
    }
    sqlite3_reset(row->statement);
    sqlite3_clear_bindings(row->statement);
    row->is_busy = false;
}

bool sql_run_values(struct sql *db, struct su_err *err, const char *text, const struct sql_value *values)
{
    SQL_AUTO_END struct sql_row *row = sql_query_values(db, err, text, values);
    return row && sql_step(row, err) != SQL_ERROR;
}

int64_t sql_col_int(struct sql_row *row, int column) { return sqlite3_column_int64(row->statement, column); }
double sql_col_real(struct sql_row *row, int column) { return sqlite3_column_double(row->statement, column); }
const char *sql_col_text(struct sql_row *row, int column) { return (const char *)sqlite3_column_text(row->statement, column); }
bool sql_col_is_null(struct sql_row *row, int column) { return sqlite3_column_type(row->statement, column) == SQLITE_NULL; }

struct su_str sql_col_str(struct sql_row *row, int column)
{
    const char *text = sqlite3_column_blob(row->statement, column);
    return (struct su_str){text ? text : "", (size_t)sqlite3_column_bytes(row->statement, column)};
}

bool sql_get_int_values(struct sql *db, int64_t otherwise, int64_t *ret, struct su_err *err, const char *text,
                        const struct sql_value *values)
{
    SQL_AUTO_END struct sql_row *row = sql_query_values(db, err, text, values);
    if (!row)
        return false;
    enum sql_next next = sql_step(row, err);
    if (next != SQL_ERROR)
        *ret = next == SQL_ROW ? sql_col_int(row, 0) : otherwise;
    return next != SQL_ERROR;
}

int64_t sql_changes(struct sql *db) { return sqlite3_changes64(db->handle); }
int64_t sql_wal_bytes(const struct sql *db) { return db->wal_bytes; }

bool sql_checkpoint(struct sql *db, bool is_reset, struct su_err *err)
{
    sqlite3_busy_timeout(db->handle, is_reset ? RESET_MS : BUSY_MS);
    int mode = is_reset ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int outcome = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, NULL, NULL);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    return outcome == SQLITE_OK || (outcome & 0xff) == SQLITE_BUSY || fail(db, err, "checkpoint");
}

int64_t sql_last_id(struct sql *db) { return sqlite3_last_insert_rowid(db->handle); }

bool sql_backup(struct sql *db, const char *path, struct su_err *err)
{
    struct sql *copy;
    if (!sql_open(path, SQL_WRITE, &copy, err))
        return false;
    bool is_done = false;
    sqlite3_backup *backup = sqlite3_backup_init(copy->handle, "main", db->handle, "main");
    if (backup) {
        int outcome;
        do {
            outcome = sqlite3_backup_step(backup, BACKUP_PAGES);
            if (outcome == SQLITE_BUSY || outcome == SQLITE_LOCKED)
                sqlite3_sleep(5);
        } while (outcome == SQLITE_OK || outcome == SQLITE_BUSY || outcome == SQLITE_LOCKED);
        sqlite3_backup_finish(backup);
        is_done = outcome == SQLITE_DONE;
    }
    if (!is_done)
        fail(copy, err, "backup of the database");
    /* One file, nothing beside it: a backup is carried around. */
    else
        is_done = sql_script(copy, "PRAGMA journal_mode=DELETE;", err);
    sql_close(copy);
    return is_done;
}
