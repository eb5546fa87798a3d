/* Reading logs: see log.h.  Layer store; any thread.
 *
 * A reader keeps an offset and looks up the index row that covers it, block by
 * block, so nothing is pinned between two calls: neither a transaction nor the
 * rows of the head.  The head is asked first and the files after it.  What is
 * sealed between the two questions is then found in the second, and what has
 * been sealed already has the same messages under the same offsets.  A block
 * that went away between its index row and its bytes is looked up again. */
#include <stdio.h>
#include <stdlib.h>

#include "log_private.h"

enum { LOOKUPS_MAX = 16 };

struct log_reader {
    struct logs *logs;
    struct sql *db;
    int64_t log;
    struct log_range range;     /* `from` moves: the next offset to read */
    struct log_held *held;
    char where[80];
};

#define OVERLAPPING(table_) \
    " FROM " table_ " WHERE log = ?1" \
    " AND first >= coalesce((SELECT max(first) FROM " table_ " WHERE log = ?1 AND first <= ?2), ?2)" \
    " AND first + rows > ?2 AND first < ?3 AND min_us < ?4 AND max_us >= ?5 ORDER BY first LIMIT 1"

static bool is_unfiltered(const struct log_range *range)
{
    return range->time_from_us == INT64_MIN && range->time_to_us == INT64_MAX;
}

/* The first block that overlaps the range; *ret_found false: none. */
static bool find_in(struct log_reader *reader, bool is_sealed, struct log_place *ret, bool *ret_found, struct su_err *err)
{
    const struct log_range *range = &reader->range;
    /* INT64_MAX as an end means all, so it must let the largest time through too. */
    struct sql_value time_to = range->time_to_us == INT64_MAX ? sql_real(1e19) : sql_int(range->time_to_us);
    SQL_AUTO_END struct sql_row *row =
        is_sealed ? sql_query(reader->db, err, "SELECT " LOG_PLACE_COLUMNS ", sha256" OVERLAPPING("log_sealed"), sql_int(reader->log),
                              sql_int((int64_t)range->from), sql_int((int64_t)range->to), time_to, sql_int(range->time_from_us))
                  : sql_query(reader->db, err, "SELECT " LOG_PLACE_COLUMNS OVERLAPPING("log_head"), sql_int(reader->log),
                              sql_int((int64_t)range->from), sql_int((int64_t)range->to), time_to, sql_int(range->time_from_us));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_found = next == SQL_ROW;
    if (next == SQL_ROW)
        *ret = log_place_of(row, is_sealed);
    return next != SQL_ERROR;
}

static bool find_place(struct log_reader *reader, struct log_place *ret, bool *ret_found, struct su_err *err)
{
    struct log_place sealed;
    bool is_sealed = false;
    if (!find_in(reader, false, ret, ret_found, err))
        return false;
    if (*ret_found && ret->first <= reader->range.from)
        return true;
    if (!find_in(reader, true, &sealed, &is_sealed, err))
        return false;
    if (is_sealed && (!*ret_found || sealed.first <= ret->first))
        *ret = sealed;
    *ret_found |= is_sealed;
    return true;
}

bool log_read(struct logs *logs, struct sql *db, int64_t log, const struct log_range *range, struct log_reader **ret, struct su_err *err)
{
    struct log_range narrow = *range;
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT first, next FROM logs WHERE id = ?1 AND NOT is_removed", sql_int(log));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the log is gone");
    if (next == SQL_ERROR)
        return false;
    if (narrow.from < (uint64_t)sql_col_int(row, 0))
        narrow.from = (uint64_t)sql_col_int(row, 0);
    if (narrow.to > (uint64_t)sql_col_int(row, 1))
        narrow.to = (uint64_t)sql_col_int(row, 1);
    struct log_reader *reader = su_alloc(sizeof *reader);
    *reader = (struct log_reader){.logs = logs, .db = db, .log = log, .range = narrow};
    *ret = reader;
    return true;
}

/* No index row covers reader->range.from: is that retention's work, or are messages lost? */
static enum log_next cross_gap(struct log_reader *reader, uint64_t until, struct log_piece *ret, bool *ret_is_damage, struct su_err *err)
{
    int64_t first;
    *ret_is_damage = false;
    if (!sql_get_int(reader->db, -1, &first, err, "SELECT first FROM logs WHERE id = ?1 AND NOT is_removed", sql_int(reader->log)))
        return LOG_ERROR;
    if (first < 0) {
        su_fail(err, SU_NOT_FOUND, "the log was removed while it was read");
        return LOG_ERROR;
    }
    if ((uint64_t)first > reader->range.from) {
        reader->range.from = (uint64_t)first;
        return LOG_END;
    }
    *ret_is_damage = true;
    *ret = (struct log_piece){.damaged_from = reader->range.from, .damaged_to = until};
    snprintf(reader->where, sizeof reader->where, "index");
    su_fail(err, SU_INTERNAL, "messages %llu to %llu are not in the index", (unsigned long long)reader->range.from,
            (unsigned long long)until - 1);
    reader->range.from = until;
    return LOG_DAMAGED;
}

/* From and to of a place within the range; moves the reader past it. */
static struct log_piece take_piece(struct log_reader *reader, const struct log_place *place)
{
    if (place->is_sealed)
        blob_path(place->sha256, reader->where);
    else
        snprintf(reader->where, sizeof reader->where, "head");
    uint64_t from = place->first > reader->range.from ? place->first : reader->range.from;
    uint64_t to = place->first + place->rows < reader->range.to ? place->first + place->rows : reader->range.to;
    reader->range.from = to;
    return (struct log_piece){.from = (uint32_t)(from - place->first), .to = (uint32_t)(to - place->first),
                              .damaged_from = from, .damaged_to = to};
}

static enum log_next damaged(struct log_reader *reader, const struct log_place *place, struct log_piece *ret)
{
    *ret = take_piece(reader, place);
    ret->from = ret->to = 0;
    return LOG_DAMAGED;
}

enum log_next log_read_next(struct log_reader *reader, struct log_piece *ret, struct su_err *err)
{
    for (int lookups = 0; reader->range.from < reader->range.to;) {
        struct log_place place;
        struct log_held *held;
        bool is_found, is_damage;
        if (!find_place(reader, &place, &is_found, err))
            return LOG_ERROR;
        if (!is_found && !is_unfiltered(&reader->range))
            return LOG_END;
        if ((!is_found || place.first > reader->range.from) && is_unfiltered(&reader->range)) {
            enum log_next next = cross_gap(reader, is_found ? place.first : reader->range.to, ret, &is_damage, err);
            if (next == LOG_ERROR || is_damage)
                return next;
            continue;
        }
        switch (log_load(reader->logs, reader->db, reader->log, &place, &held, err)) {
        case LOG_LOADED:
            *ret = take_piece(reader, &place);
            ret->block = &held->block;
            held->next = reader->held;
            reader->held = held;
            return LOG_BLOCK;
        case LOG_LOAD_MOVED:
            if (++lookups < LOOKUPS_MAX)
                continue;
            return damaged(reader, &place, ret);
        case LOG_LOAD_DAMAGED: return damaged(reader, &place, ret);
        case LOG_LOAD_ERROR: return LOG_ERROR;
        }
    }
    return LOG_END;
}

void log_read_release(struct log_reader *reader, struct log_piece *piece)
{
    struct log_held *held = (struct log_held *)piece->block, **at = &reader->held;
    if (!held)
        return;
    while (*at != held)
        at = &(*at)->next;
    *at = held->next;
    log_held_free(held);
    piece->block = NULL;
}

void log_reader_free(struct log_reader *reader)
{
    if (!reader)
        return;
    for (struct log_held *held = reader->held, *next; held; held = next) {
        next = held->next;
        log_held_free(held);
    }
    free(reader);
}

const char *log_reader_where(const struct log_reader *reader) { return reader->where; }
