/* Where an event time stands in a log, and whether all of it can be read: see log.h.  Layer store; any thread. */
#include <stdlib.h>

#include "base/json.h"
#include "log_private.h"

enum { LOOKUPS_MAX = 16, TIMES_AT_ONCE = 512 };

struct ends { uint64_t first, sealed_to, next; int64_t high_us; };

static bool read_ends(struct sql *db, int64_t log, struct ends *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT first, sealed_to, next, high_us FROM logs WHERE id = ?1 AND NOT is_removed", sql_int(log));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the log is gone");
    if (next == SQL_ERROR)
        return false;
    *ret = (struct ends){(uint64_t)sql_col_int(row, 0), (uint64_t)sql_col_int(row, 1), (uint64_t)sql_col_int(row, 2), sql_col_int(row, 3)};
    return true;
}

static bool find_sealed(struct sql *db, int64_t log, int64_t time_us, struct log_place *ret, bool *ret_found, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT " LOG_PLACE_COLUMNS ", sha256 FROM log_sealed WHERE log = ?1 AND high_us >= ?2 ORDER BY high_us, first LIMIT 1",
        sql_int(log), sql_int(time_us));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret_found = next == SQL_ROW;
    if (next == SQL_ROW)
        *ret = log_place_of(row, true);
    return next != SQL_ERROR;
}

/* By bisection: `high_us` never falls, and the head may have thousands of blocks. */
static bool find_head(struct sql *db, int64_t log, const struct ends *ends, int64_t time_us, struct log_place *ret, bool *ret_found,
                      struct su_err *err)
{
    *ret_found = false;
    for (uint64_t low = ends->sealed_to, high = ends->next; low < high;) {
        SQL_AUTO_END struct sql_row *row = sql_query(
            db, err, "SELECT " LOG_PLACE_COLUMNS " FROM log_head WHERE log = ?1 AND first <= ?2 AND first >= ?3 ORDER BY first DESC LIMIT 1",
            sql_int(log), sql_int((int64_t)(low + (high - low) / 2)), sql_int((int64_t)ends->sealed_to));
        enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
        if (next == SQL_ERROR)
            return false;
        if (next == SQL_DONE) {
            *ret_found = false;     /* sealed meanwhile */
            return true;
        }
        struct log_place place = log_place_of(row, false);
        if (place.high_us >= time_us) {
            *ret = place;
            *ret_found = true;
            high = place.first;
        } else {
            low = place.first + place.rows;
        }
    }
    return true;
}

/* The block in which the largest event time reaches time_us; looks again while sealing moves it.  The answer may be
 * a row that retention has just let go. */
static bool find_place(struct sql *db, int64_t log, int64_t time_us, struct log_place *ret, bool *ret_found, struct su_err *err)
{
    struct ends before, after;
    for (int i = 0; i < LOOKUPS_MAX; i++) {
        if (!read_ends(db, log, &before, err) || !find_sealed(db, log, time_us, ret, ret_found, err))
            return false;
        if (*ret_found)
            return true;
        if (!find_head(db, log, &before, time_us, ret, ret_found, err) || !read_ends(db, log, &after, err))
            return false;
        if (after.sealed_to == before.sealed_to)
            return true;
    }
    return su_fail(err, SU_UNAVAILABLE, "the log moves faster than it can be searched");
}

static uint64_t first_at(const struct block *block, int64_t time_us)
{
    const struct block_column *column = block_role_column(block, BLOCK_TIME);
    int64_t some[TIMES_AT_ONCE];
    for (uint32_t row = 0; column && row < block->rows; row += TIMES_AT_ONCE) {
        uint32_t count = block->rows - row < TIMES_AT_ONCE ? block->rows - row : TIMES_AT_ONCE;
        block_ints(column, row, count, some);
        for (uint32_t i = 0; i < count; i++)
            if (some[i] >= time_us)
                return block->first + row + i;
    }
    return block->first;
}

bool log_find_time(struct logs *logs, struct sql *db, int64_t log, int64_t time_us, uint64_t *ret_offset, bool *ret_found, struct su_err *err)
{
    struct ends ends;
    for (int i = 0; i < LOOKUPS_MAX; i++) {
        struct log_place place;
        LOG_AUTO_HELD struct log_held *held = NULL;
        if (!read_ends(db, log, &ends, err))
            return false;
        bool is_there = ends.high_us >= time_us && ends.first < ends.next;
        if (is_there && !find_place(db, log, time_us, &place, &is_there, err))
            return false;
        if (!is_there) {
            *ret_offset = ends.next;
            *ret_found = false;
            return true;
        }
        enum log_load load = log_load(logs, db, log, &place, &held, err);
        if (load == LOG_LOAD_ERROR)
            return false;
        if (load == LOG_LOAD_MOVED && place.first >= ends.first)
            continue;
        /* In a damaged block nobody knows where: all before it is earlier. */
        uint64_t offset = load == LOG_LOADED ? first_at(&held->block, time_us) : place.first;
        *ret_offset = offset > ends.first ? offset : ends.first;
        *ret_found = true;
        return true;
    }
    return su_fail(err, SU_UNAVAILABLE, "the log moves faster than it can be searched");
}

static void note_damage(json_t *list, const struct log_reader *reader, uint64_t from, uint64_t to, const struct su_err *why)
{
    json_array_append_new(list, json_pack("{s:I, s:I, s:s, s:o}", "from", (json_int_t)from, "to", (json_int_t)to, "where",
                                          log_reader_where(reader), "why", su_json_text_or_null(why->message)));
}

/* Packed bodies are checked when they are read. */
static void verify_bodies(json_t *list, const struct log_reader *reader, const struct log_piece *piece)
{
    struct su_err err, first_err = {0};
    uint32_t bad = 0;       /* rows in the run of damaged ones that ends here */
    bool has_bodies = block_role_column(piece->block, BLOCK_BODY) != NULL;
    for (uint32_t row = piece->from; has_bodies && row <= piece->to; row++) {
        struct su_str body;
        if (row < piece->to && !block_body(piece->block, row, &body, &err)) {
            if (bad++ == 0)
                first_err = err;
        } else if (bad > 0) {
            note_damage(list, reader, piece->block->first + row - bad, piece->block->first + row, &first_err);
            bad = 0;
        }
    }
}

bool log_verify(struct logs *logs, struct sql *db, int64_t log, json_t **ret, struct su_err *err)
{
    LOG_AUTO_READER struct log_reader *reader = NULL;
    SU_AUTO_JSON json_t *list = json_array();
    if (!log_read(logs, db, log, &(struct log_range){0, UINT64_MAX, INT64_MIN, INT64_MAX}, &reader, err))
        return false;
    struct log_piece piece;
    for (enum log_next next; (next = log_read_next(reader, &piece, err)) != LOG_END;) {
        if (next == LOG_ERROR)
            return false;
        if (next == LOG_DAMAGED) {
            note_damage(list, reader, piece.damaged_from, piece.damaged_to, err);
            continue;
        }
        verify_bodies(list, reader, &piece);
        log_read_release(reader, &piece);
    }
    *ret = su_take(list);
    return true;
}
