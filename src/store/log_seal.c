/* Sealing: a stretch of a log's head becomes a file.  Layer store; thread log-upkeep, or whoever calls log_seal.
 *
 * choose: index rows of the head, until one of the limits is reached; a small
 *         file just before them joins them, so that a quiet log does not become
 *         thousands of files.
 * merge:  one block, bodies packed, checked once more.
 * write:  a blob, synced and guarded.
 * swap:   one commit moves `sealed_to` and adds the file's index row.  It costs
 *         the writer three statements, whatever the stretch holds.
 * The head's rows are then no part of the log any more; log_clean takes them
 * away piece by piece.  A crash before the swap leaves a file that no row names
 * (the owner's sweep unlinks it); after it, rows for log_clean. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "log_private.h"

enum { FILE_BYTES_MAX = 512 << 20, JOIN_SHARE = 4 };

struct stretch {
    int64_t log;
    char *tenant;
    uint64_t sealed_to;             /* where the head begins */
    struct log_place *places;       /* with what joins at the front */
    struct log_held **held;
    size_t count, joined;           /* joined: 0 or 1 files among them */
    bool is_full;
    struct su_buf bytes;            /* of the file; empty: held[0] as it is */
    struct log_place result;
};

static void stretch_done(struct stretch *stretch)
{
    for (size_t i = 0; stretch->held && i < stretch->count; i++)
        log_held_free(stretch->held[i]);
    free(stretch->places);
    free(stretch->held);
    free(stretch->tenant);
    su_buf_done(&stretch->bytes);
}

/* --- choose ---------------------------------------------------------------- */

static bool read_log(struct sql *db, struct stretch *stretch, bool *ret_is_there, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT tenant, sealed_to FROM logs WHERE id = ?1 AND NOT is_removed", sql_int(stretch->log));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_is_there = next == SQL_ROW;
    if (next == SQL_ROW) {
        stretch->tenant = su_strdup(sql_col_text(row, 0));
        stretch->sealed_to = (uint64_t)sql_col_int(row, 1);
    }
    return next != SQL_ERROR;
}

static void add_place(struct stretch *stretch, const struct log_place *place)
{
    stretch->places = su_realloc(stretch->places, (stretch->count + 1) * sizeof *stretch->places);
    stretch->places[stretch->count++] = *place;
}

/* The file just before the head, when it is small. */
static bool choose_joined(struct sql *db, const struct log_options *options, struct stretch *stretch, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT " LOG_PLACE_COLUMNS ", sha256 FROM log_sealed WHERE log = ?1 AND first + rows = ?2"
        " AND first >= (SELECT first FROM logs WHERE id = ?1) ORDER BY first DESC LIMIT 1",
        sql_int(stretch->log), sql_int((int64_t)stretch->sealed_to));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW) {
        struct log_place place = log_place_of(row, true);
        if (place.rows < options->seal_rows / JOIN_SHARE && place.bytes < options->seal_bytes / JOIN_SHARE) {
            add_place(stretch, &place);
            stretch->joined = 1;
        }
    }
    return next != SQL_ERROR;
}

static bool choose_head(struct sql *db, const struct log_options *options, struct stretch *stretch, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT " LOG_PLACE_COLUMNS " FROM log_head WHERE log = ?1 AND first >= ?2 ORDER BY first", sql_int(stretch->log),
        sql_int((int64_t)stretch->sealed_to));
    uint64_t rows = 0, bytes = 0;
    enum sql_next next = SQL_ERROR;
    while (row && !stretch->is_full && (next = sql_step(row, err)) == SQL_ROW) {
        struct log_place place = log_place_of(row, false);
        size_t blocks = stretch->count - stretch->joined;
        stretch->is_full = blocks > 0 && (rows + place.rows > options->seal_rows || bytes + place.bytes > options->seal_bytes);
        if (stretch->is_full)
            break;
        rows += place.rows;
        bytes += place.bytes;
        add_place(stretch, &place);
        stretch->is_full = rows >= options->seal_rows || bytes >= options->seal_bytes || blocks + 1 >= LOG_SEAL_BLOCKS;
    }
    return next != SQL_ERROR;
}

static bool is_old(const struct logs *logs, const struct log_place *oldest)
{
    return su_now_us() - oldest->arrival_us >= logs->options.seal_age_ms * 1000;
}

/* --- merge ------------------------------------------------------------------ */

static void forget_joined(struct stretch *stretch)
{
    log_held_free(stretch->held[0]);
    stretch->count--;
    memmove(stretch->places, stretch->places + 1, stretch->count * sizeof *stretch->places);
    memmove(stretch->held, stretch->held + 1, stretch->count * sizeof *stretch->held);
    stretch->held[stretch->count] = NULL;
    stretch->joined = 0;
}

/* Holds the blocks up to the first damaged one; *ret_good counts them.  A file that can't be joined is left alone. */
static bool load_all(struct logs *logs, struct sql *db, struct stretch *stretch, size_t *ret_good, struct su_err *err)
{
    stretch->held = su_alloc(stretch->count * sizeof *stretch->held);
    *ret_good = 0;
    while (*ret_good < stretch->count) {
        enum log_load load = log_load(logs, db, stretch->log, &stretch->places[*ret_good], &stretch->held[*ret_good], err);
        if (load == LOG_LOADED)
            ++*ret_good;
        else if (load == LOG_LOAD_ERROR)
            return false;
        else if (*ret_good == 0 && stretch->joined)
            forget_joined(stretch);
        else if (load == LOG_LOAD_MOVED)
            return su_fail(err, SU_CONFLICT, "the log changed while it was sealed");
        else
            break;
    }
    if (*ret_good == 1 && stretch->joined && stretch->count > 1) {
        forget_joined(stretch);
        *ret_good = 0;
    }
    return true;
}

static void forget_after(struct stretch *stretch, size_t count)
{
    while (stretch->count > count)
        log_held_free(stretch->held[--stretch->count]);
}

static struct log_place sum_up(const struct stretch *stretch)
{
    struct log_place sum = stretch->places[0];
    for (size_t i = 1; i < stretch->count; i++) {
        const struct log_place *place = &stretch->places[i];
        sum.rows += place->rows;
        sum.min_us = place->min_us < sum.min_us ? place->min_us : sum.min_us;
        sum.max_us = place->max_us > sum.max_us ? place->max_us : sum.max_us;
        sum.arrival_us = place->arrival_us > sum.arrival_us ? place->arrival_us : sum.arrival_us;
        sum.high_us = place->high_us;
    }
    sum.is_sealed = true;
    return sum;
}

/* The file is what remains of these messages: read it back before the head lets go of them. */
static bool check_merged(struct stretch *stretch, uint32_t rows, struct su_err *err)
{
    BLOCK_AUTO struct block block = {0};
    block_set_first(stretch->bytes.ptr, stretch->result.first);
    if (!block_open(stretch->bytes.ptr, stretch->bytes.len, &block, err))
        return false;
    if (rows != stretch->result.rows || block.rows != rows || block.first != stretch->result.first)
        return su_fail(err, SU_INTERNAL, "merging %u messages gave %u", stretch->result.rows, block.rows);
    return true;
}

static bool merge(struct stretch *stretch, struct su_err *err)
{
    SU_AUTO_FREE struct block_slice *slices = su_alloc(stretch->count * sizeof *slices);
    for (size_t i = 0; i < stretch->count; i++)
        slices[i] = (struct block_slice){&stretch->held[i]->block, 0, stretch->held[i]->block.rows};
    uint32_t rows = 0;
    stretch->bytes = SU_BUF(FILE_BYTES_MAX);
    if (!block_merge(slices, stretch->count, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, &stretch->bytes, &rows, err))
        return false;
    stretch->result.bytes = stretch->bytes.len;
    return check_merged(stretch, rows, err);
}

/* A damaged block is sealed alone and as it is: it stays damaged, and what follows it can be sealed too. */
static bool keep_damaged(struct logs *logs, struct sql *db, struct stretch *stretch, struct su_err *err)
{
    forget_after(stretch, 1);
    stretch->result = sum_up(stretch);
    su_log(SU_LOG_ERROR, "log.block_damaged", su_kv_int("log", stretch->log), su_kv_int("from", (int64_t)stretch->result.first),
           su_kv_int("to", (int64_t)stretch->result.first + stretch->result.rows), su_kv_text("message", err->message));
    if (log_load_bytes(logs, db, stretch->log, &stretch->places[0], &stretch->held[0], err) != LOG_LOADED)
        return false;
    stretch->result.bytes = stretch->held[0]->size;
    return stretch->result.bytes > 0 || su_fail(err, SU_INTERNAL, "a block of the head is empty");
}

/* How many blocks from the front have bodies that can be read (opening a block checks all but packed bodies). */
static size_t count_readable(const struct stretch *stretch, struct su_err *err)
{
    for (size_t i = 0; i < stretch->count; i++) {
        struct block *block = &stretch->held[i]->block;
        struct su_str body;
        for (uint32_t row = 0; block_role_column(block, BLOCK_BODY) && row < block->rows; row++)
            if (!block_body(block, row, &body, err))
                return i;
    }
    return stretch->count;
}

static bool build(struct logs *logs, struct sql *db, struct stretch *stretch, struct su_err *err)
{
    size_t good;
    if (!load_all(logs, db, stretch, &good, err))
        return false;
    if (good == 0)
        return keep_damaged(logs, db, stretch, err);
    forget_after(stretch, good);
    stretch->result = sum_up(stretch);
    if (merge(stretch, err))
        return true;
    su_buf_done(&stretch->bytes);
    good = count_readable(stretch, err);
    if (good == stretch->count)
        return false;
    if (good <= stretch->joined && stretch->joined)
        forget_joined(stretch);
    else if (good == 0)
        return keep_damaged(logs, db, stretch, err);
    else
        forget_after(stretch, good);
    stretch->result = sum_up(stretch);
    return merge(stretch, err);
}

/* --- write and swap ---------------------------------------------------------- */

static bool write_file(struct logs *logs, struct stretch *stretch, struct blob_writer **ret_guard, struct su_err *err)
{
    const void *data = stretch->bytes.len ? stretch->bytes.ptr : stretch->held[0]->data;
    return blob_put(store_blobs(logs->store), (struct su_str){data, stretch->result.bytes}, stretch->result.sha256, ret_guard, err);
}

struct swap { struct logs *logs; struct stretch *stretch; };

static bool drop_joined(struct logs *logs, struct sql *db, const struct stretch *stretch, struct su_err *err)
{
    const struct log_place *joined = &stretch->places[0];
    if (!sql_run(db, err, "DELETE FROM log_sealed WHERE log = ?1 AND first = ?2 AND sha256 = ?3", sql_int(stretch->log),
                 sql_int((int64_t)joined->first), sql_text(joined->sha256)))
        return false;
    if (sql_changes(db) != 1)
        return su_fail(err, SU_CONFLICT, "the log changed while it was sealed");
    SU_AUTO_FREE char *holder = log_holder(stretch->log, joined->first);
    return logs->options.owner.release(db, stretch->tenant, holder, joined->sha256, err);
}

/* Writer job. */
static bool swap(struct sql *db, void *arg, struct su_err *err)
{
    struct swap *work = arg;
    struct stretch *stretch = work->stretch;
    const struct log_place *file = &stretch->result;
    /* Retention may have moved the log's beginning since. */
    if (!sql_run(db, err, "UPDATE logs SET sealed_to = ?3 WHERE id = ?1 AND sealed_to = ?2 AND first <= ?4 AND NOT is_removed",
                 sql_int(stretch->log), sql_int((int64_t)stretch->sealed_to), sql_int((int64_t)(file->first + file->rows)),
                 sql_int((int64_t)file->first)))
        return false;
    if (sql_changes(db) != 1)
        return su_fail(err, SU_CONFLICT, "the log changed while it was sealed");
    if (stretch->joined && !drop_joined(work->logs, db, stretch, err))
        return false;
    SU_AUTO_FREE char *holder = log_holder(stretch->log, file->first);
    if (!work->logs->options.owner.hold(db, stretch->tenant, holder, file->sha256, err) ||
        !sql_run(db, err, "INSERT INTO log_sealed (log, " LOG_PLACE_COLUMNS ", sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                 sql_int(stretch->log), sql_int((int64_t)file->first), sql_int(file->rows), sql_int(file->min_us), sql_int(file->max_us),
                 sql_int(file->high_us), sql_int(file->arrival_us), sql_int((int64_t)file->bytes), sql_text(file->sha256)))
        return false;
    uint64_t rows = 0, bytes = 0;
    for (size_t i = stretch->joined; i < stretch->count; i++) {
        rows += stretch->places[i].rows;
        bytes += stretch->places[i].bytes;
    }
    log_hint_sealed(work->logs, stretch->log, stretch->count - stretch->joined, rows, bytes);
    return true;
}

char *log_holder(int64_t log, uint64_t first)
{
    return su_format("log/%lld/%llu", (long long)log, (unsigned long long)first);
}

static bool seal(struct logs *logs, struct stretch *stretch, bool is_all, bool *ret_did, struct su_err *err)
{
    BLOB_AUTO_WRITER struct blob_writer *guard = NULL;
    {
        STORE_READ(logs->store, db);
        bool is_there;
        if (!read_log(db, stretch, &is_there, err))
            return false;
        if (is_there && (!choose_joined(db, &logs->options, stretch, err) || !choose_head(db, &logs->options, stretch, err)))
            return false;
        *ret_did = stretch->count > stretch->joined &&
                   (is_all || stretch->is_full || is_old(logs, &stretch->places[stretch->joined]));
        if (!*ret_did)
            return true;
        if (!build(logs, db, stretch, err))
            return false;
    }
    if (!write_file(logs, stretch, &guard, err))
        return false;
    if (store_write(logs->store, swap, &(struct swap){logs, stretch}, err))
        return true;
    log_hint_unsure(logs, stretch->log);    /* the job may have run and been rolled back */
    return false;
}

bool log_seal_stretch(struct logs *logs, int64_t log, bool is_all, bool *ret_did, struct su_err *err)
{
    struct stretch stretch SU_CLEANUP(stretch_done) = {.log = log};
    SU_LOCKED(&logs->sealing);
    if (!seal(logs, &stretch, is_all, ret_did, err))
        return false;
    if (*ret_did && stretch.joined)
        logs->options.owner.collect(logs->store);
    return true;
}

bool log_seal(struct logs *logs, int64_t log, struct su_err *err)
{
    for (bool is_more = true; is_more;) {
        bool is_done = log_seal_stretch(logs, log, true, &is_more, err);
        if (!is_done && err->code != SU_CONFLICT)
            return false;
        if (!log_clean(logs, log, err))
            return false;
    }
    return true;
}
