/* Logs: appends, reads, sealing, retention, damage. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "store/backup.h"
#include "store/blob.h"
#include "store/log.h"

/* --- who counts references, as aggregate/blobref.c does ------------------------ */

static const struct store_migration reference_steps[] = {
    {"test", 1,
     "CREATE TABLE refs (tenant TEXT, holder TEXT, sha256 TEXT, PRIMARY KEY (tenant, holder, sha256)) WITHOUT ROWID;"
     "CREATE TABLE orphans (sha256 TEXT PRIMARY KEY) WITHOUT ROWID;"},
    {NULL, 0, NULL}};
static const struct store_migration *const schema[] = {reference_steps, log_migrations, NULL};

static bool hold(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err)
{
    return sql_run(db, err, "INSERT OR IGNORE INTO refs VALUES (?1, ?2, ?3)", sql_text(tenant), sql_text(holder), sql_text(sha256));
}

static bool release(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err)
{
    return sql_run(db, err, "DELETE FROM refs WHERE tenant = ?1 AND holder = ?2 AND sha256 = ?3", sql_text(tenant), sql_text(holder), sql_text(sha256)) &&
           sql_run(db, err, "INSERT OR IGNORE INTO orphans SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM refs WHERE sha256 = ?1)", sql_text(sha256));
}

static bool is_used(void *arg, const char *sha256)
{
    struct su_err err;
    int64_t used = 1;
    STORE_READ((struct store *)arg, db);
    return !sql_get_int(db, 1, &used, &err, "SELECT EXISTS (SELECT 1 FROM refs WHERE sha256 = ?1)", sql_text(sha256)) || used;
}

static void collect(struct store *store)
{
    struct su_err err;
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, &err, "SELECT sha256 FROM orphans");
    while (sql_step(row, &err) == SQL_ROW)
        check_ok(blob_remove(store_blobs(store), sql_col_text(row, 0), is_used, store, &err));
}

/* --- a log of numbered messages --------------------------------------------------- */

struct fixture {
    struct store *store;
    struct logs *logs;
    char *dir;
    int64_t log;
};
static const struct log_options by_hand = {.owner = {hold, release, collect}};

static void open_logs(struct fixture *f, const char *dir, const struct log_options *options)
{
    struct su_err err;
    f->dir = su_strdup(dir);
    check_ok(store_open(dir, schema, &f->store, &err));
    check_ok(logs_open(f->store, options, &f->logs, &err));
}

static void close_logs(struct fixture *f)
{
    logs_close(f->logs);
    store_close(f->store);
    free(f->dir);
}

static bool new_log(struct sql *db, void *arg, struct su_err *err) { return log_new(db, "main", arg, err); }

static void set_up(struct fixture *f, void **state, const struct log_options *options)
{
    struct su_err err;
    open_logs(f, *state, options);
    check_ok(store_write(f->store, new_log, &f->log, &err));
}

enum { SECOND = 1000000 };
static int64_t start_us;    /* of the tests */
static int64_t time_of(uint64_t number) { return start_us + (int64_t)number * SECOND; }
static int64_t arrival_of(uint64_t number) { return start_us + (int64_t)number; }

/* Message n: body {"n":n}, event time n seconds after the start, arrival n microseconds. */
static void add_rows(struct block_builder *builder, uint64_t from, uint32_t count)
{
    struct su_err err;
    for (uint64_t n = from; n < from + count; n++) {
        SU_AUTO_FREE char *body = su_format("{\"n\":%llu}", (unsigned long long)n);
        block_begin(builder);
        block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("n")), (int64_t)n);
        check_ok(block_end(builder, &(struct block_message){.time_us = time_of(n), .arrival_us = arrival_of(n), .body = su_str_of(body)}, &err));
    }
}

struct append { struct logs *logs; int64_t log; void *data; size_t size; uint64_t first; };
static bool append_job(struct sql *db, void *arg, struct su_err *err)
{
    struct append *append = arg;
    return log_append(append->logs, db, append->log, append->data, append->size, &append->first, err);
}

static bool append_bytes(struct fixture *f, void *data, size_t size, uint64_t *ret_first, struct su_err *err)
{
    struct append append = {f->logs, f->log, data, size, 0};
    bool is_done = store_write(f->store, append_job, &append, err);
    *ret_first = append.first;
    return is_done;
}

static void append(struct fixture *f, uint64_t from, uint32_t count)
{
    struct su_err err;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf bytes = SU_BUF(64 << 20);
    uint64_t first;
    add_rows(builder, from, count);
    check_ok(block_finish(builder, 0, &bytes, &err));
    check_ok(append_bytes(f, bytes.ptr, bytes.len, &first, &err));
    assert_int_equal(first, from);
}

static const struct log_range everything = {0, UINT64_MAX, INT64_MIN, INT64_MAX};

struct seen { uint64_t count, from, to, damaged, damaged_from, damaged_to; char why[256]; };

/* Reads a range; every message must be the one its offset says, in order. */
static struct seen read_range(struct fixture *f, const struct log_range *range)
{
    struct su_err err;
    struct seen seen = {0};
    STORE_READ(f->store, db);
    LOG_AUTO_READER struct log_reader *reader = NULL;
    struct log_piece piece;
    check_ok(log_read(f->logs, db, f->log, range, &reader, &err));
    uint64_t at = 0;
    for (enum log_next next; (next = log_read_next(reader, &piece, &err)) != LOG_END;) {
        if (next == LOG_ERROR)
            fail_msg("reading: %s", err.message);
        if (next == LOG_DAMAGED) {
            seen.damaged_from = seen.damaged ? seen.damaged_from : piece.damaged_from;
            seen.damaged_to = at = piece.damaged_to;
            seen.damaged++;
            snprintf(seen.why, sizeof seen.why, "%.200s", err.message);
            continue;
        }
        const struct block_column *column = block_field_column(piece.block, SU_STR("n"), BLOCK_INT);
        assert_non_null(column);
        for (uint32_t row = piece.from; row < piece.to; row++) {
            uint64_t offset = piece.block->first + row;
            struct su_str body;
            assert_true(seen.count == 0 || range->time_from_us != INT64_MIN || offset == at);
            assert_int_equal(block_int(column, row), offset);
            if (!block_body(piece.block, row, &body, &err)) {
                if (seen.damaged == 0 || seen.damaged_to != offset)
                    seen.damaged_from = seen.damaged++ ? seen.damaged_from : offset;
                seen.damaged_to = at = offset + 1;
                continue;
            }
            SU_AUTO_FREE char *expected = su_format("{\"n\":%llu}", (unsigned long long)offset);
            assert_true(su_str_equal(body, su_str_of(expected)));
            seen.from = seen.count++ ? seen.from : offset;
            seen.to = at = offset + 1;
        }
        log_read_release(reader, &piece);
    }
    return seen;
}

static struct log_extent extent_of(struct fixture *f)
{
    struct su_err err;
    struct log_extent extent;
    STORE_READ(f->store, db);
    check_ok(log_extent(db, f->log, &extent, &err));
    return extent;
}

static uint64_t find_time(struct fixture *f, int64_t time_us, bool *ret_found)
{
    struct su_err err;
    uint64_t offset;
    STORE_READ(f->store, db);
    check_ok(log_find_time(f->logs, db, f->log, time_us, &offset, ret_found, &err));
    return offset;
}

/* Waits until this count is 0. */
#define wait_for_none(f_, count_) \
    do { \
        int64_t left_ = 1; \
        STORE_READ((f_)->store, db_); \
        for (int64_t until_ = su_mono_ms() + 20000; left_ && su_mono_ms() < until_; usleep(1000)) \
            check_ok(sql_get_int(db_, 0, &left_, &err, "SELECT " count_)); \
        assert_int_equal(left_, 0); \
    } while (0)

static uint64_t count_files(struct fixture *f)
{
    SU_AUTO_FREE char *command = su_format("find %s/blobs -type f | wc -l", f->dir);
    FILE *pipe = popen(command, "r");
    unsigned long count = 0;
    assert_int_equal(fscanf(pipe, "%lu", &count), 1);
    pclose(pipe);
    return count;
}

/* --- tests -------------------------------------------------------------------------- */

static void appended_messages_are_read_in_order_by_offset(void **state)
{
    struct fixture f;
    set_up(&f, state, &by_hand);
    append(&f, 0, 1);
    append(&f, 1, 99);
    append(&f, 100, 900);
    struct seen seen = read_range(&f, &everything);
    assert_int_equal(seen.count, 1000);
    seen = read_range(&f, &(struct log_range){50, 150, INT64_MIN, INT64_MAX});
    assert_int_equal(seen.from, 50);
    assert_int_equal(seen.to, 150);
    assert_int_equal(read_range(&f, &(struct log_range){1000, 2000, INT64_MIN, INT64_MAX}).count, 0);
    struct log_extent extent = extent_of(&f);
    assert_int_equal(extent.next, 1000);
    assert_int_equal(extent.head_blocks, 3);
    assert_int_equal(extent.low_us, time_of(0));
    assert_int_equal(extent.high_us, time_of(999));
    close_logs(&f);
    int64_t log = f.log;
    open_logs(&f, *state, &by_hand);
    f.log = log;
    assert_int_equal(read_range(&f, &everything).count, 1000);
    close_logs(&f);
}

static void empty_log_has_an_extent_and_nothing_to_read(void **state)
{
    struct fixture f;
    set_up(&f, state, &by_hand);
    struct log_extent extent = extent_of(&f);
    assert_true(extent.first == 0 && extent.next == 0 && extent.low_us == INT64_MIN && extent.high_us == INT64_MIN);
    assert_int_equal(read_range(&f, &everything).count, 0);
    close_logs(&f);
}

static void append_refuses_a_torn_block(void **state)
{
    struct su_err err;
    struct fixture f;
    uint64_t first;
    set_up(&f, state, &by_hand);
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf bytes = SU_BUF(1 << 20);
    add_rows(builder, 0, 100);
    check_ok(block_finish(builder, 0, &bytes, &err));
    check_fails(append_bytes(&f, bytes.ptr, bytes.len - 64, &first, &err), SU_INVALID, "torn");
    bytes.ptr[bytes.len / 2] ^= 4;
    check_fails(append_bytes(&f, bytes.ptr, bytes.len, &first, &err), SU_INTERNAL, "not appended");
    assert_int_equal(extent_of(&f).next, 0);
    append(&f, 0, 10);
    close_logs(&f);
}

static void event_times_find_their_place_sealed_or_not(void **state)
{
    struct su_err err;
    struct fixture f;
    bool is_found;
    set_up(&f, state, &by_hand);
    for (int pass = 0; pass < 3; pass++) {
        for (uint64_t n = 0; n < 10; n++)
            append(&f, (uint64_t)pass * 1000 + n * 100, 100);
        if (pass < 2)
            check_ok(log_seal(f.logs, f.log, &err));
    }
    static const uint64_t places[] = {0, 1, 99, 100, 999, 1000, 1500, 1999, 2000, 2001, 2950, 2999};
    for (size_t i = 0; i < SU_COUNT(places); i++) {
        assert_int_equal(find_time(&f, time_of(places[i]), &is_found), places[i]);
        assert_true(is_found);
    }
    assert_int_equal(find_time(&f, 5, &is_found), 0);
    assert_int_equal(find_time(&f, time_of(3000), &is_found), 3000);
    assert_false(is_found);
    struct seen seen = read_range(&f, &(struct log_range){0, UINT64_MAX, time_of(150), time_of(2150)});
    assert_true(seen.from <= 150 && seen.to >= 2150 && seen.to <= 2200);
    close_logs(&f);
}

static void sealed_messages_are_the_same_and_the_head_is_empty(void **state)
{
    struct su_err err;
    struct fixture f;
    set_up(&f, state, &by_hand);
    for (uint64_t n = 0; n < 20; n++)
        append(&f, n * 100, 100);
    check_ok(log_seal(f.logs, f.log, &err));
    struct log_extent extent = extent_of(&f);
    assert_int_equal(extent.sealed_rows, 2000);
    assert_int_equal(extent.sealed_files, 1);
    assert_int_equal(extent.head_blocks, 0);
    assert_int_equal(extent.low_us, time_of(0));
    assert_int_equal(read_range(&f, &everything).count, 2000);
    append(&f, 2000, 50);
    assert_int_equal(read_range(&f, &(struct log_range){1990, 2010, INT64_MIN, INT64_MAX}).count, 20);
    close_logs(&f);
}

static void small_files_join_the_next_one(void **state)
{
    struct su_err err;
    struct fixture f;
    set_up(&f, state, &by_hand);
    for (uint64_t n = 0; n < 10; n++) {
        append(&f, n * 10, 10);
        check_ok(log_seal(f.logs, f.log, &err));
    }
    assert_int_equal(extent_of(&f).sealed_files, 1);
    assert_int_equal(extent_of(&f).sealed_rows, 100);
    assert_int_equal(count_files(&f), 1);
    assert_int_equal(read_range(&f, &everything).count, 100);
    close_logs(&f);
}

static bool is_sealed(struct fixture *f, uint64_t rows)
{
    for (int64_t until = su_mono_ms() + 20000; su_mono_ms() < until; usleep(1000))
        if (extent_of(f).sealed_rows >= rows)
            return true;
    return false;
}

static void large_or_old_heads_are_sealed_without_being_asked(void **state)
{
    struct fixture f;
    struct log_options options = by_hand;
    options.seal_rows = 640;
    set_up(&f, state, &options);
    for (uint64_t n = 0; n < 10; n++)
        append(&f, n * 100, 100);
    assert_true(is_sealed(&f, 600));
    assert_int_equal(read_range(&f, &everything).count, 1000);
    close_logs(&f);
    int64_t log = f.log;
    options.seal_age_ms = 1;
    open_logs(&f, *state, &options);    /* and of what an earlier process left */
    f.log = log;
    assert_true(is_sealed(&f, 1000));
    assert_int_equal(read_range(&f, &everything).count, 1000);
    close_logs(&f);
}

struct race { struct fixture *f; atomic_bool is_over; };

static void keep_appending(void *arg)
{
    struct race *race = arg;
    for (uint64_t n = 0; n < 400; n++)
        append(race->f, n * 25, 25);
    atomic_store(&race->is_over, true);
}

static void readers_see_neither_gap_nor_repetition_while_sealing(void **state)
{
    struct fixture f;
    struct log_options options = by_hand;
    options.seal_rows = 100;
    set_up(&f, state, &options);
    struct race race = {.f = &f};
    struct su_thread thread = {0};
    su_thread_start(&thread, "appender", keep_appending, &race);
    uint64_t before = 0;
    while (!atomic_load(&race.is_over)) {
        struct seen seen = read_range(&f, &everything);
        assert_true(seen.count >= before && seen.damaged == 0);
        before = seen.count;
    }
    su_thread_join(&thread);
    assert_int_equal(read_range(&f, &everything).count, 10000);
    close_logs(&f);
}

static uint64_t retain(struct fixture *f, struct log_retention retention)
{
    struct su_err err;
    uint64_t removed;
    check_ok(log_retain(f->logs, f->log, &retention, &removed, &err));
    return removed;
}

static void retention_lets_whole_blocks_go_from_the_front(void **state)
{
    struct su_err err;
    struct fixture f;
    struct log_options options = by_hand;
    options.seal_rows = 400;
    set_up(&f, state, &options);
    for (uint64_t n = 0; n < 8; n++)
        append(&f, n * 100, 100);
    assert_true(is_sealed(&f, 800));
    check_ok(log_seal(f.logs, f.log, &err));
    append(&f, 800, 100);
    append(&f, 900, 100);
    assert_int_equal(count_files(&f), 2);
    assert_int_equal(retain(&f, (struct log_retention){.before_us = arrival_of(399)}), 0);
    assert_int_equal(retain(&f, (struct log_retention){.before_us = arrival_of(400)}), 400);
    assert_int_equal(extent_of(&f).first, 400);
    assert_int_equal(extent_of(&f).low_us, time_of(400));
    assert_int_equal(count_files(&f), 1);
    assert_int_equal(read_range(&f, &everything).count, 600);
    assert_int_equal(retain(&f, (struct log_retention){.messages = 150, .floor = 500}), 0);
    assert_int_equal(retain(&f, (struct log_retention){.messages = 150}), 400);
    assert_int_equal(retain(&f, (struct log_retention){.messages = 150}), 0);
    assert_int_equal(retain(&f, (struct log_retention){.bytes = 1}), 100);
    assert_int_equal(retain(&f, (struct log_retention){.before_us = INT64_MAX}), 100);
    assert_int_equal(count_files(&f), 0);
    struct log_extent extent = extent_of(&f);
    assert_true(extent.first == 1000 && extent.next == 1000 && extent.high_us == time_of(999));
    append(&f, 1000, 10);
    check_ok(log_seal(f.logs, f.log, &err));
    assert_int_equal(read_range(&f, &everything).from, 1000);
    close_logs(&f);
}

static bool remove_job(struct sql *db, void *arg, struct su_err *err)
{
    struct fixture *f = arg;
    return log_remove(f->logs, db, f->log, err);
}

static void removed_log_leaves_no_rows_and_no_files(void **state)
{
    struct su_err err;
    struct fixture f;
    struct log_extent extent;
    uint64_t first;
    set_up(&f, state, &by_hand);
    for (uint64_t n = 0; n < 300; n++)
        append(&f, n * 10, 10);
    check_ok(log_seal(f.logs, f.log, &err));
    append(&f, 3000, 10);
    check_ok(store_write(f.store, remove_job, &f, &err));
    struct sql *db = store_reader(f.store);
    check_fails(log_extent(db, f.log, &extent, &err), SU_NOT_FOUND, "gone");
    store_reader_done(f.store, db);
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf bytes = SU_BUF(1 << 20);
    add_rows(builder, 0, 1);
    check_ok(block_finish(builder, 0, &bytes, &err));
    check_fails(append_bytes(&f, bytes.ptr, bytes.len, &first, &err), SU_NOT_FOUND, "gone");
    wait_for_none(&f, "(SELECT count(*) FROM logs) + (SELECT count(*) FROM log_head) + (SELECT count(*) FROM log_sealed)"
                      " + (SELECT count(*) FROM refs)");
    for (int64_t until = su_mono_ms() + 20000; count_files(&f) && su_mono_ms() < until; usleep(1000))
        continue;
    assert_int_equal(count_files(&f), 0);
    close_logs(&f);
}

static char *sealed_path(struct fixture *f, uint64_t first)
{
    struct su_err err;
    char path[80];
    STORE_READ(f->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, &err, "SELECT sha256 FROM log_sealed WHERE log = ?1 AND first = ?2",
                                                 sql_int(f->log), sql_int((int64_t)first));
    assert_int_equal(sql_step(row, &err), SQL_ROW);
    blob_path(sql_col_text(row, 0), path);
    return su_format("%s/%s", f->dir, path);
}

static void flip(const char *path, off_t at)
{
    uint8_t byte;
    SU_AUTO_FD int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 16;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* Three files [0,400) [400,800) [800,1200) and a head of three blocks up to 1500. */
static void set_up_files(struct fixture *f, void **state)
{
    struct log_options options = by_hand;
    options.seal_rows = 400;
    set_up(f, state, &options);
    for (uint64_t n = 0; n < 12; n++)
        append(f, n * 100, 100);
    assert_true(is_sealed(f, 1200));
    for (uint64_t n = 12; n < 15; n++)
        append(f, n * 100, 100);
}

static void check_verified(struct fixture *f, const char *part, int64_t from, int64_t to)
{
    struct su_err err;
    SU_AUTO_JSON json_t *list = NULL;
    STORE_READ(f->store, db);
    check_ok(log_verify(f->logs, db, f->log, &list, &err));
    assert_int_equal(json_array_size(list), 1);
    json_t *one = json_array_get(list, 0);
    assert_int_equal(su_json_int(one, "from", -1), from);
    assert_int_equal(su_json_int(one, "to", -1), to);
    assert_non_null(strstr(su_json_string(one, "where", ""), part));
}

static void damaged_file_is_told_with_its_range_and_the_rest_is_read(void **state)
{
    struct fixture f;
    struct stat status;
    set_up_files(&f, state);
    SU_AUTO_FREE char *path = sealed_path(&f, 400);
    assert_int_equal(stat(path, &status), 0);
    /* A bit anywhere in the file: head, directory, columns, bodies, end. */
    for (off_t at = 0; at < status.st_size; at += at < 512 ? 8 : 97) {
        flip(path, at);
        struct seen seen = read_range(&f, &everything);
        flip(path, at);
        if (seen.damaged)
            assert_true(seen.damaged == 1 && seen.damaged_from == 400 && seen.damaged_to == 800 && seen.count == 1100);
        else    /* padding between parts is nobody's */
            assert_int_equal(seen.count, 1500);
    }
    flip(path, status.st_size / 2);
    check_verified(&f, "blobs/", 400, 800);
    struct seen seen = read_range(&f, &(struct log_range){500, 600, INT64_MIN, INT64_MAX});
    assert_true(seen.damaged_from == 500 && seen.damaged_to == 600 && seen.count == 0);
    close_logs(&f);
}

static void short_or_missing_file_is_damage_and_no_crash(void **state)
{
    struct fixture f;
    struct stat status;
    set_up_files(&f, state);
    SU_AUTO_FREE char *path = sealed_path(&f, 400);
    assert_int_equal(stat(path, &status), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(truncate(path, i < 3 ? status.st_size * (2 - i) / 3 : status.st_size + 64), 0);
        struct seen seen = read_range(&f, &everything);
        assert_true(seen.damaged == 1 && seen.damaged_from == 400 && seen.damaged_to == 800 && seen.count == 1100);
        assert_non_null(strstr(seen.why, "bytes instead of"));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_range(&f, &everything).damaged, 1);
    check_verified(&f, "blobs/", 400, 800);
    close_logs(&f);
}

static bool change_rows(struct sql *db, void *arg, struct su_err *err) { return sql_script(db, arg, err); }

static void damaged_block_of_the_head_is_told_and_does_not_stop_sealing(void **state)
{
    struct su_err err;
    struct fixture f;
    set_up_files(&f, state);
    check_ok(store_write(f.store, change_rows, (char[]){"UPDATE log_head SET data = CAST(substr(data, 1, length(data) / 2) || x'55aa'"
                         " || substr(data, length(data) / 2 + 3) AS BLOB) WHERE first = 1300"}, &err));
    struct seen seen = read_range(&f, &everything);
    assert_true(seen.damaged == 1 && seen.damaged_from == 1300 && seen.damaged_to == 1400 && seen.count == 1400);
    check_verified(&f, "head", 1300, 1400);
    check_ok(log_seal(f.logs, f.log, &err));
    assert_int_equal(extent_of(&f).head_blocks, 0);
    seen = read_range(&f, &everything);
    assert_true(seen.damaged == 1 && seen.damaged_from == 1300 && seen.damaged_to == 1400 && seen.count == 1400);
    check_verified(&f, "blobs/", 1300, 1400);
    bool is_found;
    assert_int_equal(find_time(&f, time_of(1350), &is_found), 1300);
    close_logs(&f);
}

static void damaged_bodies_of_a_file_that_would_be_joined_do_not_stop_sealing(void **state)
{
    struct su_err err;
    struct fixture f;
    struct stat status;
    set_up(&f, state, &by_hand);
    append(&f, 0, 400);
    check_ok(log_seal(f.logs, f.log, &err));
    SU_AUTO_FREE char *path = sealed_path(&f, 0);
    assert_int_equal(stat(path, &status), 0);
    flip(path, status.st_size - 70);    /* bodies stand last */
    append(&f, 400, 100);
    check_ok(log_seal(f.logs, f.log, &err));
    struct seen seen = read_range(&f, &everything);
    assert_true(seen.damaged == 1 && seen.damaged_from == 0 && seen.damaged_to == 400 && seen.count == 100);
    check_verified(&f, "blobs/", 0, 400);
    close_logs(&f);
}

static void lost_index_row_is_damage_and_not_a_gap(void **state)
{
    struct su_err err;
    struct fixture f;
    set_up_files(&f, state);
    check_ok(store_write(f.store, change_rows, (char[]){"DELETE FROM log_head WHERE first = 1300;"
                         "DELETE FROM log_sealed WHERE first = 400"}, &err));
    struct seen seen = read_range(&f, &everything);
    assert_true(seen.damaged == 2 && seen.damaged_from == 400 && seen.damaged_to == 1400 && seen.count == 1000);
    close_logs(&f);
}

static bool append_and_fail(struct sql *db, void *arg, struct su_err *err)
{
    return append_job(db, arg, err) && su_fail(err, SU_CONFLICT, "refused");
}

static void append_that_is_rolled_back_leaves_no_trace(void **state)
{
    struct su_err err;
    struct fixture f;
    struct log_options options = by_hand;
    options.seal_rows = 100;
    set_up(&f, state, &options);
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf bytes = SU_BUF(1 << 20);
    add_rows(builder, 0, 200);
    check_ok(block_finish(builder, 0, &bytes, &err));
    struct append work = {f.logs, f.log, bytes.ptr, bytes.len, 0};
    check_fails(store_write(f.store, append_and_fail, &work, &err), SU_CONFLICT, "refused");
    assert_int_equal(extent_of(&f).next, 0);
    append(&f, 0, 50);
    append(&f, 50, 50);
    assert_true(is_sealed(&f, 100));
    assert_int_equal(read_range(&f, &everything).count, 100);
    close_logs(&f);
}

static bool limit_pages(struct sql *db, void *arg, struct su_err *err)
{
    return sql_script(db, arg ? "PRAGMA max_page_count=30" : "PRAGMA max_page_count=1000000", err);
}

static void append_on_a_full_disk_leaves_nothing_and_goes_on_when_there_is_room(void **state)
{
    struct su_err err;
    struct fixture f;
    set_up(&f, state, &by_hand);
    append(&f, 0, 100);
    check_ok(store_write(f.store, limit_pages, &f, &err));
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf bytes = SU_BUF(64 << 20);
    uint64_t first;
    add_rows(builder, 100, 100000);
    check_ok(block_finish(builder, 0, &bytes, &err));
    assert_false(append_bytes(&f, bytes.ptr, bytes.len, &first, &err));
    assert_string_equal(err.slug, "insufficient-storage");
    assert_int_equal(extent_of(&f).next, 100);
    assert_int_equal(read_range(&f, &everything).count, 100);
    check_ok(store_write(f.store, limit_pages, NULL, &err));
    check_ok(append_bytes(&f, bytes.ptr, bytes.len, &first, &err));
    assert_int_equal(first, 100);
    assert_int_equal(read_range(&f, &everything).count, 100100);
    close_logs(&f);
}

/* Appends until it is killed; says after each commit how far it came. */
static void append_until_killed(void **state, int64_t log, int pipe_fd)
{
    struct fixture f;
    struct log_options options = by_hand;
    options.seal_rows = 60;
    open_logs(&f, *state, &options);
    f.log = log;
    for (uint64_t next = extent_of(&f).next;;) {
        append(&f, next, 10);
        next += 10;
        if (write(pipe_fd, &next, sizeof next) != sizeof next)
            _exit(1);
    }
}

static uint64_t kill_after(pid_t child, int pipe_fd, uint64_t commits)
{
    uint64_t said, acknowledged = 0;
    for (uint64_t i = 0; read(pipe_fd, &said, sizeof said) == sizeof said; i++) {
        acknowledged = said;
        if (i == commits)
            kill(child, SIGKILL);
    }
    close(pipe_fd);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return acknowledged;
}

static void process_that_is_killed_while_it_seals_loses_nothing(void **state)
{
    enum { ROUNDS = 12 };
    struct fixture f;
    set_up(&f, state, &by_hand);
    int64_t log = f.log;
    close_logs(&f);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            append_until_killed(state, log, ends[1]);
        }
        close(ends[1]);
        uint64_t acknowledged = kill_after(child, ends[0], 5 + round * 7 % 31);
        open_logs(&f, *state, &by_hand);
        f.log = log;
        struct seen seen = read_range(&f, &everything);
        assert_true(seen.damaged == 0 && seen.from == 0 && seen.count == seen.to && seen.count % 10 == 0);
        assert_true(seen.count >= acknowledged && seen.count <= acknowledged + 10);
        if (round == ROUNDS - 1)
            assert_true(extent_of(&f).sealed_rows > seen.count / 2);
        close_logs(&f);
    }
}

static void crash_between_swap_and_cleaning_is_made_good_at_the_next_start(void **state)
{
    struct su_err err;
    struct fixture f;
    set_up(&f, state, &by_hand);
    for (uint64_t n = 0; n < 10; n++)
        append(&f, n * 100, 100);
    /* As a swap leaves them: rows of the head that are sealed already. */
    check_ok(store_write(f.store, change_rows, (char[]){"CREATE TEMP TABLE kept AS SELECT * FROM log_head"}, &err));
    check_ok(log_seal(f.logs, f.log, &err));
    check_ok(store_write(f.store, change_rows, (char[]){"INSERT INTO log_head SELECT * FROM kept"}, &err));
    assert_int_equal(read_range(&f, &everything).count, 1000);
    assert_int_equal(extent_of(&f).head_blocks, 0);
    close_logs(&f);
    int64_t log = f.log;
    open_logs(&f, *state, &by_hand);
    f.log = log;
    wait_for_none(&f, "count(*) FROM log_head");
    assert_int_equal(read_range(&f, &everything).count, 1000);
    close_logs(&f);
}

static void backup_holds_sealed_files_and_heads(void **state)
{
    struct su_err err;
    struct fixture f;
    SU_AUTO_FREE char *copy = su_format("%s-copy", (char *)*state), *back = su_format("%s-back", (char *)*state);
    SU_AUTO_JSON json_t *manifest = NULL;
    set_up_files(&f, state);
    check_ok(backup_make(f.store, copy, &manifest, &err));
    append(&f, 1500, 100);
    close_logs(&f);
    check_ok(backup_restore(copy, back, &err));
    int64_t log = f.log;
    open_logs(&f, back, &by_hand);
    f.log = log;
    assert_int_equal(read_range(&f, &everything).count, 1500);
    append(&f, 1500, 10);
    close_logs(&f);
    check_ok(su_dir_remove(copy, &err));
    check_ok(su_dir_remove(back, &err));
}

#define with_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scratch(appended_messages_are_read_in_order_by_offset),
        with_scratch(empty_log_has_an_extent_and_nothing_to_read),
        with_scratch(append_refuses_a_torn_block),
        with_scratch(event_times_find_their_place_sealed_or_not),
        with_scratch(sealed_messages_are_the_same_and_the_head_is_empty),
        with_scratch(small_files_join_the_next_one),
        with_scratch(large_or_old_heads_are_sealed_without_being_asked),
        with_scratch(readers_see_neither_gap_nor_repetition_while_sealing),
        with_scratch(retention_lets_whole_blocks_go_from_the_front),
        with_scratch(removed_log_leaves_no_rows_and_no_files),
        with_scratch(damaged_file_is_told_with_its_range_and_the_rest_is_read),
        with_scratch(short_or_missing_file_is_damage_and_no_crash),
        with_scratch(damaged_block_of_the_head_is_told_and_does_not_stop_sealing),
        with_scratch(damaged_bodies_of_a_file_that_would_be_joined_do_not_stop_sealing),
        with_scratch(lost_index_row_is_damage_and_not_a_gap),
        with_scratch(append_that_is_rolled_back_leaves_no_trace),
        with_scratch(append_on_a_full_disk_leaves_nothing_and_goes_on_when_there_is_room),
        with_scratch(process_that_is_killed_while_it_seals_loses_nothing),
        with_scratch(crash_between_swap_and_cleaning_is_made_good_at_the_next_start),
        with_scratch(backup_holds_sealed_files_and_heads),
    };
    start_us = su_now_us();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
