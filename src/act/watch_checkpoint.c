/* What the keys of a watch have learned, kept: see watch.h and watch_private.h.  Layer act; a watch's own thread.
 *
 * A checkpoint is a blob, packed.  The newest stays, and of the older ones the first of each day, for back-tests,
 * as long as they are few and small. */
#include <stdlib.h>
#include <string.h>
#include "aggregate/blobref.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pack.h"
#include "store/blob.h"
#include "watch_private.h"

enum { PACK_LEVEL = 1, KEPT = 30 };
static const int64_t KEPT_BYTES = 64 << 20, DAY_US = INT64_C(86400) * 1000000;
static const size_t BYTES_MAX = (size_t)2 << 30;

bool watch_checkpoint_find(struct sql *db, int64_t number, int64_t start_us, int64_t *ret_next_us, char ret_sha256[static SU_SHA256_HEX],
                           struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT next_us, sha256 FROM watch_checkpoints WHERE watch = ?1 AND next_us <= ?2 ORDER BY next_us DESC LIMIT 1", sql_int(number),
        sql_int(start_us));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_next_us = INT64_MIN;
    if (next == SQL_ROW) {
        *ret_next_us = sql_col_int(row, 0);
        snprintf(ret_sha256, SU_SHA256_HEX, "%s", sql_col_text(row, 1));
    }
    return next != SQL_ERROR;
}

bool watch_checkpoint_load(struct watches *watches, const char *sha256, struct watch_engine *engine, bool *ret_fits, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf packed = SU_BUF(BYTES_MAX), bytes = SU_BUF(BYTES_MAX);
    struct su_err why;
    if (!blob_read(store_blobs(watches->store), sha256, BYTES_MAX, &packed, err))
        return false;
    *ret_fits = su_unpack(su_buf_str(&packed), BYTES_MAX, &bytes, &why) && watch_engine_load(engine, su_buf_str(&bytes), &why);
    if (!*ret_fits)
        su_log_error("watch.checkpoint_unfit", &why, su_kv_text("sha256", sha256));
    return true;
}

/* --- saving ----------------------------------------------------------------------- */

static void holder_of(int64_t number, int64_t next_us, char ret[static 80])
{
    snprintf(ret, 80, "watch/%lld/%lld", (long long)number, (long long)next_us);
}

struct saving { const struct watch_checkpoint *checkpoint; const char *sha256; int64_t next_us, bytes; uint64_t offset; };

static bool drop_one(struct sql *db, const char *tenant, int64_t number, int64_t next_us, const char *sha256, struct su_err *err)
{
    char holder[80];
    holder_of(number, next_us, holder);
    return sql_run(db, err, "DELETE FROM watch_checkpoints WHERE watch = ?1 AND next_us = ?2", sql_int(number), sql_int(next_us))
        && blobref_release(db, tenant, holder, sha256, err);
}

/* The oldest that is not needed: *ret_next_us INT64_MIN when there is none. */
static bool find_superfluous(struct sql *db, int64_t number, int64_t newest_us, int64_t *ret_next_us, char ret_sha256[static SU_SHA256_HEX],
                             struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT next_us, sha256 FROM (SELECT next_us, sha256, row_number() OVER (ORDER BY next_us DESC) AS place,"
        " sum(bytes) OVER (ORDER BY next_us DESC) AS total, lag(next_us) OVER (ORDER BY next_us) AS before FROM watch_checkpoints WHERE watch = ?1)"
        " WHERE next_us < ?2 AND (place > ?3 OR total > ?4 OR before / ?5 = next_us / ?5) ORDER BY next_us LIMIT 1",
        sql_int(number), sql_int(newest_us), sql_int(KEPT), sql_int(KEPT_BYTES), sql_int(DAY_US));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_next_us = INT64_MIN;
    if (next == SQL_ROW) {
        *ret_next_us = sql_col_int(row, 0);
        snprintf(ret_sha256, SU_SHA256_HEX, "%s", sql_col_text(row, 1));
    }
    return next != SQL_ERROR;
}

static bool thin(struct sql *db, const struct saving *saving, struct su_err *err)
{
    const struct watch_checkpoint *checkpoint = saving->checkpoint;
    for (;;) {
        int64_t next_us;
        char sha256[SU_SHA256_HEX];
        if (!find_superfluous(db, checkpoint->number, saving->next_us, &next_us, sha256, err))
            return false;
        if (next_us == INT64_MIN)
            return true;
        if (!drop_one(db, checkpoint->tenant, checkpoint->number, next_us, sha256, err))
            return false;
    }
}

static bool save_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct saving *saving = arg;
    const struct watch_checkpoint *checkpoint = saving->checkpoint;
    char holder[80];
    int64_t is_there;
    holder_of(checkpoint->number, saving->next_us, holder);
    if (!sql_get_int(db, 0, &is_there, err, "SELECT 1 FROM watches WHERE number = ?1 AND generation = ?2", sql_int(checkpoint->number),
                     sql_int(checkpoint->generation)))
        return false;
    if (!is_there)
        return true;
    return sql_run(db, err, "INSERT OR REPLACE INTO watch_checkpoints (watch, next_us, sha256, bytes, offset, saved_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                   sql_int(checkpoint->number), sql_int(saving->next_us), sql_text(saving->sha256), sql_int(saving->bytes),
                   sql_int((int64_t)saving->offset), sql_int(su_now_ms()))
        && blobref_hold(db, checkpoint->tenant, holder, saving->sha256, err)
        && sql_run(db, err, "UPDATE watches SET keep_from = ?2 WHERE number = ?1", sql_int(checkpoint->number), sql_int((int64_t)saving->offset))
        && thin(db, saving, err);
}

bool watch_checkpoint_save(struct watches *watches, const struct watch_checkpoint *checkpoint, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf packed = SU_BUF(BYTES_MAX), bytes = SU_BUF(BYTES_MAX);
    BLOB_AUTO_WRITER struct blob_writer *guard = NULL;
    char sha256[SU_SHA256_HEX];
    struct saving saving = {.checkpoint = checkpoint, .sha256 = sha256, .next_us = watch_engine_next(checkpoint->engine)};
    bool is_found;
    watch_engine_save(checkpoint->engine, &bytes);
    if (bytes.failed)
        return su_fail(err, SU_LIMIT, "what the watch has learned is larger than %zu MiB", BYTES_MAX >> 20);
    if (!su_pack(su_buf_str(&bytes), PACK_LEVEL, &packed, err) || !blob_put(store_blobs(watches->store), su_buf_str(&packed), sha256, &guard, err))
        return false;
    {
        STORE_READ(watches->store, db);
        if (!log_find_time(streams_logs(watches->streams), db, checkpoint->stream->log, saving.next_us, &saving.offset, &is_found, err))
            return false;
    }
    saving.bytes = (int64_t)packed.len;
    if (!store_write(watches->store, save_job, &saving, err))
        return false;
    blobref_collect(watches->store);
    return true;
}

bool watch_checkpoints_drop(struct sql *db, const char *tenant, int64_t number, struct su_err *err)
{
    char prefix[64];
    snprintf(prefix, sizeof prefix, "watch/%lld/", (long long)number);
    return blobref_release_all(db, tenant, prefix, err)
        && sql_run(db, err, "DELETE FROM watch_checkpoints WHERE watch = ?1", sql_int(number));
}
