/* Logs: see log.h.  Layer store; jobs on the writer thread, the rest any.
 *
 * A log is the messages [first, next): sealed files up to `sealed_to`, blocks of
 * the head from there on.  Index rows before `first`, and head rows before
 * `sealed_to`, are no part of it any more; log_clean.c takes them away. */
#include "log.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "log_private.h"

enum { ARRIVALS_AT_ONCE = 512, BLOCK_ALIGNMENT = 64 };

const struct store_migration log_migrations[] = {
    {"log", 1,
     "CREATE TABLE logs (id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, first INTEGER NOT NULL,"
     "  sealed_to INTEGER NOT NULL, next INTEGER NOT NULL, high_us INTEGER NOT NULL, is_removed INTEGER NOT NULL) STRICT;"
     "CREATE INDEX logs_removed ON logs (id) WHERE is_removed;"
     "CREATE TABLE log_head (log INTEGER NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL, min_us INTEGER NOT NULL,"
     "  max_us INTEGER NOT NULL, high_us INTEGER NOT NULL, arrival_us INTEGER NOT NULL, bytes INTEGER NOT NULL,"
     "  data BLOB NOT NULL) STRICT;"
     "CREATE UNIQUE INDEX log_head_at ON log_head (log, first);"
     "CREATE TABLE log_sealed (log INTEGER NOT NULL, first INTEGER NOT NULL, rows INTEGER NOT NULL, min_us INTEGER NOT NULL,"
     "  max_us INTEGER NOT NULL, high_us INTEGER NOT NULL, arrival_us INTEGER NOT NULL, bytes INTEGER NOT NULL,"
     "  sha256 TEXT NOT NULL, PRIMARY KEY (log, first)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX log_sealed_high ON log_sealed (log, high_us);"},
    {NULL, 0, NULL},
};

bool log_new(struct sql *db, const char *tenant, int64_t *ret_log, struct su_err *err)
{
    if (!sql_run(db, err, "INSERT INTO logs (tenant, first, sealed_to, next, high_us, is_removed) VALUES (?1, 0, 0, 0, ?2, 0)",
                 sql_text(tenant), sql_int(INT64_MIN)))
        return false;
    *ret_log = sql_last_id(db);
    return true;
}

bool log_remove(struct logs *logs, struct sql *db, int64_t log, struct su_err *err)
{
    if (!sql_run(db, err, "UPDATE logs SET is_removed = 1 WHERE id = ?1", sql_int(log)))
        return false;
    log_hint_removed(logs, log);
    return true;
}

static int64_t latest_arrival(const struct block *block)
{
    const struct block_column *column = block_role_column(block, BLOCK_ARRIVAL);
    int64_t latest = column ? INT64_MIN : su_now_us(), some[ARRIVALS_AT_ONCE];
    for (uint32_t row = 0; column && row < block->rows; row += ARRIVALS_AT_ONCE) {
        uint32_t count = block->rows - row < ARRIVALS_AT_ONCE ? block->rows - row : ARRIVALS_AT_ONCE;
        block_ints(column, row, count, some);
        for (uint32_t i = 0; i < count; i++)
            if (some[i] > latest)
                latest = some[i];
    }
    return latest;
}

/* What its index row will say, but for `first` and `high_us`.  Refuses what could not be read back. */
static bool look_at(const void *data, size_t size, struct log_place *ret, struct su_err *err)
{
    BLOCK_AUTO struct block block = {0};
    if (block_size(data, size) != size)
        return su_fail(err, SU_INVALID, "a block of %zu bytes is torn: it says it has %zu", size, block_size(data, size));
    if (!block_open(data, size, &block, err))
        return su_prefix(err, "a block is not appended");
    if (block.rows == 0)
        return su_fail(err, SU_INVALID, "a block without messages is not appended");
    *ret = (struct log_place){.rows = block.rows, .min_us = block.min_us, .max_us = block.max_us,
                              .arrival_us = latest_arrival(&block), .bytes = size};
    return true;
}

/* Blocks are read in place, 64-aligned; a caller's buffer need not be. */
static bool check_block(const void *data, size_t size, struct log_place *ret, struct su_err *err)
{
    if ((uintptr_t)data % BLOCK_ALIGNMENT == 0)
        return look_at(data, size, ret, err);
    void *room = su_alloc(size + BLOCK_ALIGNMENT);
    char *copy = (char *)room + (BLOCK_ALIGNMENT - (uintptr_t)room % BLOCK_ALIGNMENT);
    memcpy(copy, data, size);
    bool is_fine = look_at(copy, size, ret, err);
    free(room);
    return is_fine;
}

/* Moves the log's end past the block; fills where it begins and the largest event time with it. */
static bool move_end(struct sql *db, int64_t log, struct log_place *place, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "UPDATE logs SET next = next + ?2, high_us = max(high_us, ?3) WHERE id = ?1 AND NOT is_removed RETURNING next, high_us",
        sql_int(log), sql_int(place->rows), sql_int(place->max_us));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the log is gone");
    if (next == SQL_ERROR)
        return false;
    place->first = (uint64_t)sql_col_int(row, 0) - place->rows;
    place->high_us = sql_col_int(row, 1);
    return true;
}

bool log_append(struct logs *logs, struct sql *db, int64_t log, void *block, size_t size, uint64_t *ret_first, struct su_err *err)
{
    struct log_place place;
    if (!check_block(block, size, &place, err) || !move_end(db, log, &place, err))
        return false;
    block_set_first(block, place.first);
    if (!sql_run(db, err, "INSERT INTO log_head (log, " LOG_PLACE_COLUMNS ", data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                 sql_int(log), sql_int((int64_t)place.first), sql_int(place.rows), sql_int(place.min_us), sql_int(place.max_us),
                 sql_int(place.high_us), sql_int(place.arrival_us), sql_int((int64_t)size), sql_blob(block, size)))
        return false;
    log_hint_append(logs, log, place.rows, size);
    *ret_first = place.first;
    return true;
}

struct log_place log_place_of(struct sql_row *row, bool is_sealed)
{
    struct log_place place = {.is_sealed = is_sealed, .first = (uint64_t)sql_col_int(row, 0), .rows = (uint32_t)sql_col_int(row, 1),
                              .min_us = sql_col_int(row, 2), .max_us = sql_col_int(row, 3), .high_us = sql_col_int(row, 4),
                              .arrival_us = sql_col_int(row, 5), .bytes = (uint64_t)sql_col_int(row, 6)};
    if (is_sealed) {
        struct su_str sha256 = sql_col_str(row, 7);
        su_assert(sha256.len == sizeof place.sha256 - 1);
        memcpy(place.sha256, sha256.ptr, sha256.len);
    }
    return place;
}

bool log_end(struct sql *db, int64_t log, uint64_t *ret_next, int64_t *ret_high_us, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT next, high_us FROM logs WHERE id = ?1 AND NOT is_removed", sql_int(log));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the log is gone");
    if (next == SQL_ERROR)
        return false;
    *ret_next = (uint64_t)sql_col_int(row, 0);
    *ret_high_us = sql_col_int(row, 1);
    return true;
}

/* One statement, so that no message is counted in the head and sealed as well. */
bool log_extent(struct sql *db, int64_t log, struct log_extent *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "WITH l AS (SELECT * FROM logs WHERE id = ?1 AND NOT is_removed),"
        " h AS (SELECT count(*) AS n, coalesce(sum(rows), 0) AS rows, coalesce(sum(bytes), 0) AS bytes, min(min_us) AS low"
        "   FROM log_head WHERE log = ?1 AND first >= (SELECT sealed_to FROM l)),"
        " s AS (SELECT count(*) AS n, coalesce(sum(rows), 0) AS rows, coalesce(sum(bytes), 0) AS bytes, min(min_us) AS low"
        "   FROM log_sealed WHERE log = ?1 AND first >= (SELECT first FROM l))"
        "SELECT l.first, l.next, l.high_us, h.n, h.rows, h.bytes, s.n, s.rows, s.bytes,"
        " coalesce(min(h.low, s.low), h.low, s.low, ?2) FROM l, h, s",
        sql_int(log), sql_int(INT64_MIN));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the log is gone");
    if (next == SQL_ERROR)
        return false;
    uint64_t value[9];
    for (int i = 0; i < 9; i++)
        value[i] = (uint64_t)sql_col_int(row, i);
    *ret = (struct log_extent){.first = value[0], .next = value[1], .high_us = (int64_t)value[2], .head_blocks = value[3],
                               .head_rows = value[4], .head_bytes = value[5], .sealed_files = value[6], .sealed_rows = value[7],
                               .sealed_bytes = value[8], .low_us = sql_col_int(row, 9)};
    return true;
}
