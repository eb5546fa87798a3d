/* Upkeep of logs: the thread "log-upkeep", and what it knows of heads.  Layer store.
 *
 * A hint per log that was appended to: how much its head holds, since when.  The
 * thread sleeps until the earliest time at which one of them is due, or until an
 * append makes one due; with nothing in any head it sleeps for good.  Hints are
 * changed on the writer thread, inside jobs, so a job that is rolled back leaves
 * one too large, never one too small; what is due is checked with the database. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "log_private.h"

enum {
    SEAL_ROWS = 65536,
    SEAL_BYTES = 8 << 20,
    SEAL_AGE_MS = 600 * 1000,
    SMALL_SHARE = 32,       /* a head of less than a 32nd of what makes a file … */
    SMALL_AGES = 144,       /* … waits for 144 ages (a day): it would only make a tiny file */
    RETRY_MS = 5000,
    LOGS_AT_ONCE = 200
};

/* --- hints ------------------------------------------------------------------- */

/* Where the hint of this log is, or would be. */
static size_t hint_at(const struct logs *logs, int64_t log)
{
    size_t low = 0, high = logs->hint_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (logs->hints[middle].log < log)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct log_hint *hint_find(struct logs *logs, int64_t log)
{
    size_t at = hint_at(logs, log);
    return at < logs->hint_count && logs->hints[at].log == log ? &logs->hints[at] : NULL;
}

static struct log_hint *hint_make(struct logs *logs, int64_t log)
{
    struct log_hint *hint = hint_find(logs, log);
    if (hint)
        return hint;
    if (logs->hint_count == logs->hint_capacity) {
        logs->hint_capacity = logs->hint_capacity ? logs->hint_capacity * 2 : 16;
        logs->hints = su_realloc(logs->hints, logs->hint_capacity * sizeof *logs->hints);
    }
    size_t at = hint_at(logs, log);
    memmove(logs->hints + at + 1, logs->hints + at, (logs->hint_count - at) * sizeof *logs->hints);
    logs->hint_count++;
    logs->hints[at] = (struct log_hint){.log = log, .oldest_ms = su_mono_ms()};
    return &logs->hints[at];
}

static void hint_drop(struct logs *logs, int64_t log)
{
    size_t at = hint_at(logs, log);
    if (at == logs->hint_count || logs->hints[at].log != log)
        return;
    logs->hint_count--;
    memmove(logs->hints + at, logs->hints + at + 1, (logs->hint_count - at) * sizeof *logs->hints);
}

static int64_t due_ms(const struct logs *logs, const struct log_hint *hint)
{
    const struct log_options *options = &logs->options;
    int64_t due;
    if (hint->is_removed || hint->is_unsure || hint->rows >= options->seal_rows || hint->bytes >= options->seal_bytes || hint->blocks >= LOG_SEAL_BLOCKS)
        due = INT64_MIN;
    else if (hint->rows >= options->seal_rows / SMALL_SHARE || hint->bytes >= options->seal_bytes / SMALL_SHARE)
        due = hint->oldest_ms + options->seal_age_ms;
    else
        due = hint->oldest_ms + options->seal_age_ms * SMALL_AGES;
    return due > hint->not_before_ms ? due : hint->not_before_ms;
}

static void wake_for(struct logs *logs, const struct log_hint *hint)
{
    if (due_ms(logs, hint) < logs->wake_ms)
        su_wake(&logs->lock);
}

void log_hint_append(struct logs *logs, int64_t log, uint32_t rows, size_t bytes)
{
    SU_LOCKED(&logs->lock);
    struct log_hint *hint = hint_make(logs, log);
    hint->blocks++;
    hint->rows += rows;
    hint->bytes += bytes;
    wake_for(logs, hint);
}

void log_hint_removed(struct logs *logs, int64_t log)
{
    SU_LOCKED(&logs->lock);
    struct log_hint *hint = hint_make(logs, log);
    hint->is_removed = true;
    wake_for(logs, hint);
}

void log_hint_unsure(struct logs *logs, int64_t log)
{
    SU_LOCKED(&logs->lock);
    struct log_hint *hint = hint_make(logs, log);
    hint->is_unsure = true;
    hint->not_before_ms = su_mono_ms() + RETRY_MS;
    wake_for(logs, hint);
}

static uint64_t less(uint64_t from, uint64_t by) { return from > by ? from - by : 0; }

void log_hint_sealed(struct logs *logs, int64_t log, uint64_t blocks, uint64_t rows, uint64_t bytes)
{
    SU_LOCKED(&logs->lock);
    struct log_hint *hint = hint_find(logs, log);
    if (!hint)
        return;
    hint->blocks = less(hint->blocks, blocks);
    hint->rows = less(hint->rows, rows);
    hint->bytes = less(hint->bytes, bytes);
    hint->oldest_ms = su_mono_ms();
    if (hint->blocks == 0 && !hint->is_removed)
        hint_drop(logs, log);
}

/* --- what the database says ----------------------------------------------------- */

struct recount { struct logs *logs; int64_t log; };

/* Writer job: the hint as it should be; on the writer, so that no append is under way. */
static bool recount(struct sql *db, void *arg, struct su_err *err)
{
    const struct recount *work = arg;
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(bytes), 0), min(arrival_us),"
        " coalesce((SELECT is_removed FROM logs WHERE id = ?1), 0) FROM log_head"
        " WHERE log = ?1 AND first >= (SELECT sealed_to FROM logs WHERE id = ?1)", sql_int(work->log));
    if (!row || sql_step(row, err) != SQL_ROW)
        return false;
    SU_LOCKED(&work->logs->lock);
    bool is_removed = sql_col_int(row, 4) != 0;
    if (sql_col_int(row, 0) == 0 && !is_removed) {
        hint_drop(work->logs, work->log);
        return true;
    }
    struct log_hint *hint = hint_make(work->logs, work->log);
    int64_t age_ms = is_removed ? 0 : (su_now_us() - sql_col_int(row, 3)) / 1000;
    *hint = (struct log_hint){.log = work->log, .blocks = (uint64_t)sql_col_int(row, 0), .rows = (uint64_t)sql_col_int(row, 1),
                              .bytes = (uint64_t)sql_col_int(row, 2), .oldest_ms = su_mono_ms() - (age_ms > 0 ? age_ms : 0), .is_removed = is_removed};
    return true;
}

static bool is_closing(struct logs *logs)
{
    SU_LOCKED(&logs->lock);
    return logs->is_closing;
}

struct look { struct logs *logs; int64_t log; bool is_more; };

/* The next log after `log` that has a head, or was removed; -1: none. */
static bool next_log(struct sql *db, int64_t log, int64_t *ret, struct su_err *err)
{
    return sql_get_int(db, -1, ret, err,
                       "SELECT coalesce(min(id), -1) FROM (SELECT * FROM (SELECT log AS id FROM log_head WHERE log > ?1 ORDER BY log LIMIT 1)"
                       " UNION ALL SELECT * FROM (SELECT id FROM logs WHERE is_removed AND id > ?1 ORDER BY id LIMIT 1))",
                       sql_int(log));
}

/* Has it rows of the head that are sealed already?  Then it is due at once, to be cleaned. */
static bool note_rubbish(struct sql *db, struct logs *logs, int64_t log, struct su_err *err)
{
    int64_t found;
    if (!sql_get_int(db, 0, &found, err,
                     "SELECT EXISTS (SELECT 1 FROM log_head WHERE log = ?1 AND first < (SELECT sealed_to FROM logs WHERE id = ?1))", sql_int(log)))
        return false;
    SU_LOCKED(&logs->lock);
    if (found)
        hint_make(logs, log)->is_unsure = true;
    return true;
}

/* Writer job: some of the logs, so that ten thousand idle ones cost a few commits without a sync. */
static bool look_at_some(struct sql *db, void *arg, struct su_err *err)
{
    struct look *look = arg;
    for (int i = 0; i < LOGS_AT_ONCE; i++) {
        int64_t log;
        if (!next_log(db, look->log, &log, err))
            return false;
        look->is_more = log >= 0;
        if (!look->is_more)
            return true;
        if (!recount(db, &(struct recount){look->logs, log}, err) || !note_rubbish(db, look->logs, log, err))
            return false;
        look->log = log;
    }
    return true;
}

/* What the last process left: rows to clean, heads to be sealed one day. */
static void look_around(struct logs *logs)
{
    struct su_err err;
    struct look look = {.logs = logs, .is_more = true};
    while (look.is_more && !is_closing(logs))
        if (!store_write(logs->store, look_at_some, &look, &err)) {
            su_log_error("log.upkeep_failed", &err, su_kv_int("log", look.log));
            return;
        }
}

/* --- the thread ------------------------------------------------------------------- */

/* A log that is due; -1 and the time of the next one. */
static int64_t choose(struct logs *logs, int64_t now_ms, int64_t *ret_wake_ms)
{
    *ret_wake_ms = INT64_MAX;
    for (size_t i = 0; i < logs->hint_count; i++) {
        int64_t due = due_ms(logs, &logs->hints[i]);
        if (due <= now_ms)
            return logs->hints[i].log;
        if (due < *ret_wake_ms)
            *ret_wake_ms = due;
    }
    return -1;
}

static void attend(struct logs *logs, int64_t log)
{
    struct su_err err;
    bool did = false;
    bool is_fine = log_seal_stretch(logs, log, false, &did, &err) && log_clean(logs, log, &err);
    if (is_fine && did)
        return;
    bool is_lost = !is_fine && err.code != SU_CONFLICT;
    if (is_lost)
        su_log_error("log.seal_failed", &err, su_kv_int("log", log));
    is_lost |= !store_write(logs->store, recount, &(struct recount){logs, log}, &err);
    /* Not sealed although it was due: not again at once. */
    SU_LOCKED(&logs->lock);
    struct log_hint *hint = hint_find(logs, log);
    if (hint)
        hint->not_before_ms = su_mono_ms() + (is_lost ? RETRY_MS : 0);
}

static void upkeep_loop(void *arg)
{
    struct logs *logs = arg;
    su_thread_give_way();       /* what is appended has precedence; the head can wait */
    look_around(logs);
    su_lock(&logs->lock);
    while (!logs->is_closing) {
        int64_t log = choose(logs, su_mono_ms(), &logs->wake_ms);
        if (log >= 0) {
            logs->wake_ms = INT64_MIN;
            su_unlock(&logs->lock);
            attend(logs, log);
            su_lock(&logs->lock);
        } else if (logs->wake_ms == INT64_MAX) {
            su_wait(&logs->lock);
        } else {
            su_wait_until(&logs->lock, logs->wake_ms);
        }
    }
    su_unlock(&logs->lock);
}

bool logs_open(struct store *store, const struct log_options *options, struct logs **ret, struct su_err *err)
{
    su_assert(options->owner.hold && options->owner.release && options->owner.collect);
    struct logs *logs = su_alloc(sizeof *logs);
    *logs = (struct logs){.store = store, .options = *options, .wake_ms = INT64_MAX};
    if (logs->options.seal_rows == 0)
        logs->options.seal_rows = SEAL_ROWS;
    if (logs->options.seal_bytes == 0)
        logs->options.seal_bytes = SEAL_BYTES;
    if (logs->options.seal_age_ms == 0)
        logs->options.seal_age_ms = SEAL_AGE_MS;
    su_lock_init(&logs->lock);
    su_lock_init(&logs->sealing);
    su_thread_start(&logs->thread, "log-upkeep", upkeep_loop, logs);
    *ret = logs;
    return true;
}

void logs_close(struct logs *logs)
{
    if (!logs)
        return;
    su_lock(&logs->lock);
    logs->is_closing = true;
    su_wake(&logs->lock);
    su_unlock(&logs->lock);
    su_thread_join(&logs->thread);
    su_lock_done(&logs->sealing);
    su_lock_done(&logs->lock);
    free(logs->hints);
    free(logs);
}
