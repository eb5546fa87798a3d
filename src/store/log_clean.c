/* Retention, and taking away what is no part of a log any more: see log.h.  Layer store; any thread but the writer.
 *
 * What goes is one number moved: `first`, or the mark of a removed log.  The
 * rows behind it, and the files they name, go in jobs of a few milliseconds. */
#include <stdlib.h>
#include <string.h>

#include "log_private.h"

enum { HEAD_ROWS = 256, HEAD_BYTES = 1 << 20, FILES = 64 };

/* --- cleaning ---------------------------------------------------------------- */

struct clean {
    struct logs *logs;
    int64_t log;
    bool is_more, has_released;
};
struct bounds { char *tenant; int64_t first, sealed_to; bool is_removed; };

static bool read_bounds(struct sql *db, int64_t log, struct bounds *ret, bool *ret_is_there, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT tenant, first, sealed_to, is_removed FROM logs WHERE id = ?1", sql_int(log));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_is_there = next == SQL_ROW;
    if (next == SQL_ROW) {
        *ret = (struct bounds){su_strdup(sql_col_text(row, 0)), sql_col_int(row, 1), sql_col_int(row, 2), sql_col_int(row, 3) != 0};
        if (ret->is_removed)
            ret->first = ret->sealed_to = INT64_MAX;
    }
    return next != SQL_ERROR;
}

/* Head rows before the boundary, as many as one job may take. */
static bool clean_head(struct sql *db, struct clean *clean, const struct bounds *bounds, struct su_err *err)
{
    int64_t rows = 0, bytes = 0, last = -1;
    {
        SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT first, bytes FROM log_head WHERE log = ?1 AND first < ?2 ORDER BY first",
                                                     sql_int(clean->log), sql_int(bounds->sealed_to));
        enum sql_next next = row ? SQL_ROW : SQL_ERROR;
        while (next == SQL_ROW && rows < HEAD_ROWS && bytes < HEAD_BYTES && (next = sql_step(row, err)) == SQL_ROW) {
            last = sql_col_int(row, 0);
            bytes += sql_col_int(row, 1);
            rows++;
        }
        if (next == SQL_ERROR)
            return false;
        clean->is_more = next == SQL_ROW;
    }
    return last < 0 || sql_run(db, err, "DELETE FROM log_head WHERE log = ?1 AND first <= ?2", sql_int(clean->log), sql_int(last));
}

static bool clean_sealed(struct sql *db, struct clean *clean, const struct bounds *bounds, struct su_err *err)
{
    struct log_place places[FILES];
    int count = 0;
    {
        SQL_AUTO_END struct sql_row *row = sql_query(
            db, err, "SELECT " LOG_PLACE_COLUMNS ", sha256 FROM log_sealed WHERE log = ?1 AND first < ?2 ORDER BY first LIMIT ?3",
            sql_int(clean->log), sql_int(bounds->first), sql_int(FILES));
        enum sql_next next = row ? SQL_ROW : SQL_ERROR;
        while (next == SQL_ROW && count < FILES && (next = sql_step(row, err)) == SQL_ROW)
            places[count++] = log_place_of(row, true);
        if (next == SQL_ERROR)
            return false;
    }
    for (int i = 0; i < count; i++) {
        SU_AUTO_FREE char *holder = log_holder(clean->log, places[i].first);
        if (!clean->logs->options.owner.release(db, bounds->tenant, holder, places[i].sha256, err))
            return false;
    }
    clean->is_more |= count == FILES;
    clean->has_released |= count > 0;
    return count == 0 || sql_run(db, err, "DELETE FROM log_sealed WHERE log = ?1 AND first <= ?2", sql_int(clean->log),
                                 sql_int((int64_t)places[count - 1].first));
}

/* Writer job. */
static bool clean_piece(struct sql *db, void *arg, struct su_err *err)
{
    struct clean *clean = arg;
    struct bounds bounds = {0};
    bool is_there;
    clean->is_more = false;
    if (!read_bounds(db, clean->log, &bounds, &is_there, err))
        return false;
    SU_AUTO_FREE char *tenant = bounds.tenant;
    if (!is_there)
        return true;
    if (!clean_head(db, clean, &bounds, err) || !clean_sealed(db, clean, &bounds, err))
        return false;
    return clean->is_more || !bounds.is_removed || sql_run(db, err, "DELETE FROM logs WHERE id = ?1", sql_int(clean->log));
}

static bool has_rubbish(struct logs *logs, int64_t log)
{
    struct su_err err;
    int64_t found = 1;
    STORE_READ(logs->store, db);
    return !sql_get_int(db, 0, &found, &err,
                        "SELECT EXISTS (SELECT 1 FROM logs l WHERE l.id = ?1 AND (l.is_removed"
                        " OR EXISTS (SELECT 1 FROM log_head WHERE log = ?1 AND first < l.sealed_to)"
                        " OR EXISTS (SELECT 1 FROM log_sealed WHERE log = ?1 AND first < l.first)))",
                        sql_int(log)) || found != 0;
}

bool log_clean(struct logs *logs, int64_t log, struct su_err *err)
{
    struct clean clean = {.logs = logs, .log = log, .is_more = has_rubbish(logs, log)};
    bool is_fine = true;
    while (is_fine && clean.is_more)
        is_fine = store_write(logs->store, clean_piece, &clean, err);
    if (clean.has_released)
        logs->options.owner.collect(logs->store);
    return is_fine;
}

/* --- retention ----------------------------------------------------------------- */

struct retain {
    struct logs *logs;
    int64_t log;
    const struct log_retention *retention;
    uint64_t removed;
};

/* Blocks of the log from its first on, sealed or not. */
#define ALL_PLACES \
    "SELECT first, rows, arrival_us, bytes FROM log_sealed WHERE log = ?1 AND first >= (SELECT first FROM logs WHERE id = ?1)" \
    " UNION ALL SELECT first, rows, arrival_us, bytes FROM log_head WHERE log = ?1 AND first >= (SELECT sealed_to FROM logs WHERE id = ?1)"

struct total { uint64_t first, next, bytes; };

static bool read_total(struct sql *db, const struct retain *retain, struct total *ret, bool *ret_is_there, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT first, next FROM logs WHERE id = ?1 AND NOT is_removed", sql_int(retain->log));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_is_there = next == SQL_ROW;
    if (next != SQL_ROW)
        return next == SQL_DONE;
    *ret = (struct total){(uint64_t)sql_col_int(row, 0), (uint64_t)sql_col_int(row, 1), 0};
    int64_t bytes = 0;
    if (retain->retention->bytes > 0 && !sql_get_int(db, 0, &bytes, err, "SELECT coalesce(sum(bytes), 0) FROM (" ALL_PLACES ")", sql_int(retain->log)))
        return false;
    ret->bytes = (uint64_t)bytes;
    return true;
}

/* May the log's first block go?  Sizes are what is kept at least: a block goes when the rest alone is enough. */
static bool may_go(const struct log_retention *limit, const struct total *total, uint64_t rows, int64_t arrival_us, uint64_t bytes)
{
    if (limit->floor > 0 && total->first + rows > limit->floor)
        return false;
    return (limit->before_us > 0 && arrival_us < limit->before_us) || (limit->bytes > 0 && total->bytes - bytes >= limit->bytes) ||
           (limit->messages > 0 && total->next - total->first - rows >= limit->messages);
}

/* Where the log may begin now. */
static bool find_first(struct sql *db, const struct retain *retain, uint64_t *ret_first, uint64_t *ret_removed, struct su_err *err)
{
    struct total total = {0};
    bool is_there;
    if (!read_total(db, retain, &total, &is_there, err))
        return false;
    *ret_removed = 0;
    *ret_first = total.first;
    if (!is_there)
        return true;
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, ALL_PLACES " ORDER BY first", sql_int(retain->log));
    enum sql_next next = row ? SQL_ROW : SQL_ERROR;
    while (next == SQL_ROW && (next = sql_step(row, err)) == SQL_ROW) {
        uint64_t first = (uint64_t)sql_col_int(row, 0), rows = (uint64_t)sql_col_int(row, 1), bytes = (uint64_t)sql_col_int(row, 3);
        if (!may_go(retain->retention, &total, rows, sql_col_int(row, 2), bytes))
            break;
        *ret_removed += rows;
        total.bytes -= bytes;
        *ret_first = total.first = first + rows;
    }
    return next != SQL_ERROR;
}

/* Writer job. */
static bool move_first(struct sql *db, void *arg, struct su_err *err)
{
    struct retain *retain = arg;
    uint64_t first;
    return find_first(db, retain, &first, &retain->removed, err) &&
           (retain->removed == 0 || sql_run(db, err, "UPDATE logs SET first = ?2, sealed_to = max(sealed_to, ?2) WHERE id = ?1",
                                            sql_int(retain->log), sql_int((int64_t)first)));
}

bool log_retain(struct logs *logs, int64_t log, const struct log_retention *retention, uint64_t *ret_removed, struct su_err *err)
{
    struct retain retain = {.logs = logs, .log = log, .retention = retention};
    {
        /* Mostly nothing is to go: that is found out without the writer. */
        uint64_t first;
        STORE_READ(logs->store, db);
        if (!find_first(db, &retain, &first, &retain.removed, err))
            return false;
    }
    if (retain.removed > 0 && !store_write(logs->store, move_first, &retain, err))
        return false;
    *ret_removed = retain.removed;
    return log_clean(logs, log, err);
}
