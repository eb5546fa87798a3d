/* Uploads in pieces: see upload.h.  Layer aggregate; any thread, the jobs on the writer's. */
#include "upload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "object_private.h"

enum { STEP_BYTES = 16 << 20 /* synced and noted at least so often */, COUNT_MAX = 1000, KEEP_MS = 24 * 3600 * 1000 };

const struct store_migration upload_migrations[] = {
    {"upload", 1,
     "CREATE TABLE uploads (tenant TEXT NOT NULL, id TEXT NOT NULL, user TEXT NOT NULL, name TEXT NOT NULL, type TEXT,"
     "  tags TEXT, metadata TEXT, size INTEGER NOT NULL, offset INTEGER NOT NULL DEFAULT 0, version INTEGER,"
     "  created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX uploads_by_age ON uploads (expires_ms);"},
    {NULL, 0, NULL},
};

struct uploads {
    struct store *store;
    struct objects *objects;
    struct uploads_options options;
    char *dir;
    struct su_lock lock;            /* of what follows */
    struct upload_append *appending;
};

/* A row. */
struct row {
    char *user, *name, *type;
    json_t *tags, *metadata;        /* NULL: not given */
    int64_t size, offset, version /* 0: not done */, created_ms, expires_ms;
};

struct upload_append {
    struct upload_append *next;
    struct uploads *uploads;
    char *tenant, *id;
    struct row row;
    int fd;                         /* -1: done already */
    uint64_t added, checked;        /* bytes past row.offset; room on the disk was last looked at here */
    bool has_failed;                /* what was added is not to be kept */
};

static void row_done(struct row *row)
{
    free(row->user);
    free(row->name);
    free(row->type);
    json_decref(row->tags);
    json_decref(row->metadata);
    *row = (struct row){0};
}
#define AUTO_ROW SU_CLEANUP(row_done)

static json_t *stored(const char *text) { return text ? json_loads(text, 0, NULL) : NULL; }

static bool no_upload(const char *id, struct su_err *err)
{
    su_fail_field(err, SU_NOT_FOUND, "id", "no upload \"%.40s\": it was dropped, or nothing came for too long", id);
    return su_hint(err, "Begin again with POST /v1/uploads.");
}

static bool load(struct sql *db, const char *tenant, const char *id, struct row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT user, name, type, tags, metadata, size, offset, version, created_ms, expires_ms FROM uploads"
        " WHERE tenant = ?1 AND id = ?2 AND expires_ms > ?3",
        sql_text(tenant), sql_text(id), sql_int(su_now_ms()));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next != SQL_ROW)
        return next == SQL_DONE ? no_upload(id, err) : false;
    *ret = (struct row){.user = su_strdup(sql_col_text(row, 0)), .name = su_strdup(sql_col_text(row, 1)),
                        .type = su_strdup(sql_col_text(row, 2)), .tags = stored(sql_col_text(row, 3)),
                        .metadata = stored(sql_col_text(row, 4)), .size = sql_col_int(row, 5), .offset = sql_col_int(row, 6),
                        .version = sql_col_int(row, 7), .created_ms = sql_col_int(row, 8), .expires_ms = sql_col_int(row, 9)};
    return true;
}

static char *path_of(const struct uploads *uploads, const char *id) { return su_format("%s/%s", uploads->dir, id); }

/* --- opening, sweeping -------------------------------------------------- */

static bool is_appending(struct uploads *uploads, const char *id)
{
    for (const struct upload_append *at = uploads->appending; at != NULL; at = at->next)
        if (strcmp(at->id, id) == 0)
            return true;
    return false;
}

struct sweep { struct uploads *uploads; json_t *ids; };

/* Rows first: a file without a row is removed at the next start. */
static bool sweep_job(struct sql *db, void *arg, struct su_err *err)
{
    struct sweep *sweep = arg;
    json_array_clear(sweep->ids);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT tenant, id FROM uploads WHERE expires_ms <= ?1", sql_int(su_now_ms()));
    enum sql_next next = SQL_ERROR;
    SU_LOCKED(&sweep->uploads->lock);
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        if (!is_appending(sweep->uploads, sql_col_text(row, 1)))
            json_array_append_new(sweep->ids, json_pack("[s, s]", sql_col_text(row, 0), sql_col_text(row, 1)));
    if (next != SQL_DONE)
        return false;
    size_t i;
    json_t *id;
    json_array_foreach (sweep->ids, i, id)
        if (!sql_run(db, err, "DELETE FROM uploads WHERE tenant = ?1 AND id = ?2", sql_text(json_string_value(json_array_get(id, 0))),
                     sql_text(json_string_value(json_array_get(id, 1)))))
            return false;
    return true;
}

void uploads_sweep(struct uploads *uploads)
{
    struct su_err err;
    SU_AUTO_JSON json_t *ids = json_array();
    struct sweep sweep = {uploads, ids};
    if (!store_write(uploads->store, sweep_job, &sweep, &err)) {
        su_log_error("upload.not_swept", &err);
        return;
    }
    size_t i;
    json_t *id;
    json_array_foreach (ids, i, id) {
        SU_AUTO_FREE char *path = path_of(uploads, json_string_value(json_array_get(id, 1)));
        unlink(path);
    }
    if (json_array_size(ids) > 0)
        su_log(SU_LOG_INFO, "upload.expired", su_kv_int("uploads", (int64_t)json_array_size(ids)));
}

/* Files that no unfinished row names: a crash between a commit and the unlinking left them. */
static bool sweep_files(struct uploads *uploads, struct su_err *err)
{
    DIR *dir = opendir(uploads->dir);
    if (dir == NULL)
        return su_fail_errno(err, errno, "the folder of uploads can't be read");
    bool is_fine = true;
    STORE_READ(uploads->store, db);
    for (struct dirent *entry; is_fine && (entry = readdir(dir)) != NULL;) {
        int64_t count = 0;
        if (entry->d_name[0] == '.')
            continue;
        is_fine = sql_get_int(db, 0, &count, err, "SELECT count(*) FROM uploads WHERE id = ?1 AND version IS NULL", sql_text(entry->d_name));
        SU_AUTO_FREE char *path = path_of(uploads, entry->d_name);
        if (is_fine && count == 0)
            unlink(path);
    }
    closedir(dir);
    return is_fine;
}

/* Rows whose file is not there: a backup holds rows only. */
static bool lost_job(struct sql *db, void *arg, struct su_err *err)
{
    struct uploads *uploads = arg;
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT tenant, id FROM uploads WHERE version IS NULL");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        SU_AUTO_FREE char *path = path_of(uploads, sql_col_text(row, 1));
        if (access(path, F_OK) < 0
            && !sql_run(db, err, "DELETE FROM uploads WHERE tenant = ?1 AND id = ?2", sql_text(sql_col_text(row, 0)), sql_text(sql_col_text(row, 1))))
            return false;
    }
    return next == SQL_DONE;
}

bool uploads_open(struct store *store, struct objects *objects, const struct uploads_options *options, struct uploads **ret, struct su_err *err)
{
    struct uploads *uploads = su_alloc(sizeof *uploads);
    *uploads = (struct uploads){.store = store, .objects = objects, .options = options ? *options : (struct uploads_options){0},
                                .dir = su_format("%s/uploads", store_dir(store))};
    su_lock_init(&uploads->lock);
    if (uploads->options.count_max == 0)
        uploads->options.count_max = COUNT_MAX;
    if (uploads->options.keep_ms == 0)
        uploads->options.keep_ms = KEEP_MS;
    if (!su_dir_make(uploads->dir, 0700, err) || !su_dir_sync(store_dir(store), err) || !sweep_files(uploads, err) ||
        !store_write(store, lost_job, uploads, err)) {
        uploads_close(uploads);
        return false;
    }
    uploads_sweep(uploads);
    *ret = uploads;
    return true;
}

void uploads_close(struct uploads *uploads)
{
    if (uploads == NULL)
        return;
    su_assert(uploads->appending == NULL);
    su_lock_done(&uploads->lock);
    free(uploads->dir);
    free(uploads);
}

/* --- making one --------------------------------------------------------- */

struct creation { struct uploads *uploads; const struct upload_start *start; const char *id; };

static bool create_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct creation *creation = arg;
    const struct upload_start *start = creation->start;
    const struct uploads_options *options = &creation->uploads->options;
    int64_t count, now = su_now_ms();
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM uploads WHERE tenant = ?1 AND version IS NULL", sql_text(start->tenant)))
        return false;
    if ((uint64_t)count >= options->count_max) {
        su_fail(err, SU_LIMIT, "limits.uploads: %llu uploads are unfinished already", (unsigned long long)options->count_max);
        return su_hint(err, "Finish or DELETE some of them; those that get no byte go by themselves.");
    }
    SU_AUTO_FREE char *tags = start->tags ? su_json_text(start->tags) : NULL;
    SU_AUTO_FREE char *metadata = start->metadata ? su_json_text(start->metadata) : NULL;
    return sql_run(db, err,
                   "INSERT INTO uploads (tenant, id, user, name, type, tags, metadata, size, created_ms, expires_ms)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                   sql_text(start->tenant), sql_text(creation->id), sql_text(start->user), sql_text(start->name), sql_text(start->type),
                   sql_text(tags), sql_text(metadata), sql_int((int64_t)start->size), sql_int(now), sql_int(now + options->keep_ms));
}

static bool make_file(struct uploads *uploads, const char *path, struct su_err *err)
{
    SU_AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return su_fail_errno(err, errno, "cannot create a file for the upload");
    return su_dir_sync(uploads->dir, err);
}

bool upload_create(struct uploads *uploads, const struct upload_start *start, char ret_id[static SU_ID_SIZE], struct su_err *err)
{
    const struct object_put put = {.key = {.tenant = start->tenant, .kind = OBJECT_DATA, .name = start->name}, .type = start->type,
                                   .tags = start->tags, .metadata = start->metadata, .user = start->user, .size_hint = start->size};
    OBJECT_AUTO_UPLOAD struct object_upload *probe = NULL;      /* a put that ends after its checks */
    if (!object_put_begin(uploads->objects, &put, &probe, err))
        return false;
    uploads_sweep(uploads);
    SU_AUTO_FREE char *path = path_of(uploads, su_id(ret_id));
    struct creation creation = {uploads, start, ret_id};
    if (!make_file(uploads, path, err))
        return false;
    if (store_write(uploads->store, create_job, &creation, err))
        return true;
    unlink(path);
    return false;
}

/* --- looking and dropping ------------------------------------------------ */

bool upload_get(struct uploads *uploads, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    AUTO_ROW struct row row = {0};
    char created[SU_TIME_TEXT], expires[SU_TIME_TEXT];
    STORE_READ(uploads->store, db);
    if (!load(db, tenant, id, &row, err))
        return false;
    *ret = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:o, s:s, s:s}", "id", id, "name", row.name, "type",
                     row.type ? row.type : "application/octet-stream", "tags", row.tags ? json_incref(row.tags) : json_array(),
                     "size", (json_int_t)row.size, "offset", (json_int_t)row.offset, "version",
                     row.version ? json_integer(row.version) : json_null(), "created_at", su_time_text(row.created_ms, created),
                     "expires_at", su_time_text(row.expires_ms, expires));
    return true;
}

struct dropping { struct uploads *uploads; const char *tenant, *id; };

static bool fail_busy(struct su_err *err)
{
    su_fail(err, SU_CONFLICT, "another request is sending bytes of this upload");
    return su_hint(err, "Wait until it has ended, ask for the offset, and go on from there.");
}

static bool drop_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct dropping *dropping = arg;
    AUTO_ROW struct row row = {0};
    SU_LOCKED(&dropping->uploads->lock);
    if (!load(db, dropping->tenant, dropping->id, &row, err))
        return false;
    if (is_appending(dropping->uploads, dropping->id))
        return fail_busy(err);
    return sql_run(db, err, "DELETE FROM uploads WHERE tenant = ?1 AND id = ?2", sql_text(dropping->tenant), sql_text(dropping->id));
}

bool upload_drop(struct uploads *uploads, const char *tenant, const char *id, struct su_err *err)
{
    struct dropping dropping = {uploads, tenant, id};
    if (!store_write(uploads->store, drop_job, &dropping, err))
        return false;
    SU_AUTO_FREE char *path = path_of(uploads, id);
    unlink(path);
    return true;
}

/* --- appending ----------------------------------------------------------- */

static bool claim(struct upload_append *append, struct su_err *err)
{
    struct uploads *uploads = append->uploads;
    SU_LOCKED(&uploads->lock);
    if (is_appending(uploads, append->id))
        return fail_busy(err);
    append->next = uploads->appending;
    uploads->appending = append;
    return true;
}

static void unclaim(struct upload_append *append)
{
    struct uploads *uploads = append->uploads;
    SU_LOCKED(&uploads->lock);
    struct upload_append **at = &uploads->appending;
    while (*at != NULL && *at != append)
        at = &(*at)->next;
    if (*at != NULL)
        *at = append->next;
}

/* What lies behind the offset was never told to anybody: it is cut off. */
static bool open_file(struct upload_append *append, struct su_err *err)
{
    SU_AUTO_FREE char *path = path_of(append->uploads, append->id);
    append->fd = open(path, O_WRONLY | O_CLOEXEC);
    if (append->fd < 0 || ftruncate(append->fd, append->row.offset) < 0 || lseek(append->fd, append->row.offset, SEEK_SET) < 0)
        return su_fail_errno(err, errno, "the upload's file can't be written");
    return true;
}

static bool load_claimed(struct upload_append *append, struct su_err *err)
{
    STORE_READ(append->uploads->store, db);
    return load(db, append->tenant, append->id, &append->row, err);
}

bool upload_append_open(struct uploads *uploads, const char *tenant, const char *id, struct upload_append **ret, struct su_err *err)
{
    UPLOAD_AUTO_APPEND struct upload_append *append = su_alloc(sizeof *append);
    *append = (struct upload_append){.uploads = uploads, .tenant = su_strdup(tenant), .id = su_strdup(id), .fd = -1, .has_failed = true};
    if (!claim(append, err) || !load_claimed(append, err) || (append->row.version == 0 && !open_file(append, err)))
        return false;
    append->has_failed = false;
    *ret = su_take(append);
    return true;
}

uint64_t upload_append_offset(const struct upload_append *append) { return (uint64_t)append->row.offset; }
bool upload_append_is_whole(const struct upload_append *append) { return append->row.offset == append->row.size; }

/* Part of a buffer may have been written: all that was added since the last sync goes. */
static bool give_up(struct upload_append *append)
{
    append->has_failed = true;
    return false;
}

bool upload_append_add(struct upload_append *append, const void *data, size_t len, struct su_err *err)
{
    uint64_t left = (uint64_t)(append->row.size - append->row.offset) - append->added;
    if (len > left) {
        su_fail_field(err, SU_LIMIT, "size", "the upload was announced with %lld bytes; more were sent", (long long)append->row.size);
        return su_hint(err, "Begin again with the right size.");
    }
    if (append->checked == 0 || append->added - append->checked >= STEP_BYTES / 2) {
        if (!object_check_space(append->uploads->objects, len, err))
            return false;
        append->checked = append->added + 1;
    }
    if (len > 0 && !su_write_all(append->fd, data, len, err))
        return give_up(append);
    append->added += len;
    return append->added < STEP_BYTES || upload_append_settle(append, err);
}

static bool settle_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct upload_append *append = arg;
    int64_t expires = su_now_ms() + append->uploads->options.keep_ms;
    return sql_run(db, err, "UPDATE uploads SET offset = ?3, expires_ms = ?4 WHERE tenant = ?1 AND id = ?2", sql_text(append->tenant),
                   sql_text(append->id), sql_int(append->row.offset + (int64_t)append->added), sql_int(expires));
}

bool upload_append_settle(struct upload_append *append, struct su_err *err)
{
    if (append->added == 0)
        return true;
    /* A sync that fails is not tried again: the bytes behind the offset are sent and written anew. */
    if (fdatasync(append->fd) < 0) {
        su_fail_errno(err, errno, "the upload can't be stored");
        return give_up(append);
    }
    if (!store_write(append->uploads->store, settle_job, append, err))
        return give_up(append);
    append->row.offset += (int64_t)append->added;
    append->added = append->checked = 0;
    return true;
}

/* In the transaction of the object's version. */
static bool done_job(struct sql *db, void *arg, const struct object_info *info, struct su_err *err)
{
    const struct upload_append *append = arg;
    return sql_run(db, err, "UPDATE uploads SET version = ?3 WHERE tenant = ?1 AND id = ?2", sql_text(append->tenant),
                   sql_text(append->id), sql_int(info->version));
}

bool upload_append_finish(struct upload_append *append, struct object_info *ret, struct su_err *err)
{
    struct uploads *uploads = append->uploads;
    const struct row *row = &append->row;
    const struct object_key key = {.tenant = append->tenant, .kind = OBJECT_DATA, .name = row->name, .version = row->version};
    su_assert(upload_append_is_whole(append) && append->added == 0);
    if (row->version > 0)
        return object_get(uploads->objects, &key, ret, err);
    SU_AUTO_FREE char *path = path_of(uploads, append->id);
    const struct object_put put = {.key = key, .type = row->type, .tags = row->tags, .metadata = row->metadata, .user = row->user,
                                   .file = path, .also = done_job, .also_arg = append};
    OBJECT_AUTO_UPLOAD struct object_upload *upload = NULL;
    if (!object_put_begin(uploads->objects, &put, &upload, err) || !object_put_finish(upload, ret, err))
        return false;
    append->row.version = ret->version;
    unlink(path);
    return true;
}

void upload_append_close(struct upload_append *append)
{
    struct su_err err;
    if (append == NULL)
        return;
    if (!append->has_failed && !upload_append_settle(append, &err))
        su_log_error("upload.not_kept", &err, su_kv_text("upload", append->id));
    if (append->fd >= 0)
        close(append->fd);
    unclaim(append);
    row_done(&append->row);
    free(append->tenant);
    free(append->id);
    free(append);
}
