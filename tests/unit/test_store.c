/* The data directory: lock, migrations, grouped commits, readers, backup. */
#include "check.h"

#include <stdatomic.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "store/backup.h"
#include "store/blob.h"
#include "store/store.h"

static const struct store_migration steps_1[] = {
    {"test", 1, "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT UNIQUE)"}, {NULL, 0, NULL}};
static const struct store_migration steps_2[] = {
    {"test", 1, "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT UNIQUE)"},
    {"test", 2, "ALTER TABLE t ADD COLUMN w TEXT DEFAULT 'new'"}, {NULL, 0, NULL}};
static const struct store_migration *const schema_1[] = {steps_1, NULL}, *const schema_2[] = {steps_2, NULL};

static struct store *open_store(void **state, const struct store_migration *const *schema)
{
    struct su_err err;
    struct store *store = NULL;
    check_ok(store_open(*state, schema, &store, &err));
    return store;
}

static bool insert(struct sql *db, void *arg, struct su_err *err)
{
    return sql_run(db, err, "INSERT INTO t (v) VALUES (?1)", sql_text(arg));
}

static bool insert_and_refuse(struct sql *db, void *arg, struct su_err *err)
{
    return insert(db, arg, err) && su_fail(err, SU_CONFLICT, "refused");
}

static int64_t rows(struct store *store)
{
    struct su_err err;
    int64_t count = -1;
    STORE_READ(store, db);
    check_ok(sql_get_int(db, 0, &count, &err, "SELECT count(*) FROM t"));
    return count;
}

static void write_is_there_for_the_next_reader_and_after_reopening(void **state)
{
    struct su_err err;
    struct store *store = open_store(state, schema_1);
    check_ok(store_write(store, insert, (char[]){"a"}, &err));
    assert_int_equal(rows(store), 1);
    store_close(store);
    store = open_store(state, schema_1);
    assert_int_equal(rows(store), 1);
    store_close(store);
}

static void refused_job_leaves_nothing_and_hurts_no_other(void **state)
{
    struct su_err err;
    struct store *store = open_store(state, schema_1);
    check_fails(store_write(store, insert_and_refuse, (char[]){"a"}, &err), SU_CONFLICT, "refused");
    check_ok(store_write(store, insert, (char[]){"b"}, &err));
    check_fails(store_write(store, insert, (char[]){"b"}, &err), SU_CONFLICT, "UNIQUE");
    assert_int_equal(rows(store), 1);
    store_close(store);
}

static void second_server_is_refused_the_folder(void **state)
{
    struct su_err err;
    struct store *store = open_store(state, schema_1), *second = NULL;
    check_fails(store_open(*state, schema_1, &second, &err), SU_CONFLICT, "another Suricate");
    store_close(store);
}

static void schema_goes_forward_and_refuses_a_newer_one(void **state)
{
    struct su_err err;
    struct store *store = open_store(state, schema_1);
    check_ok(store_write(store, insert, (char[]){"a"}, &err));
    store_close(store);
    store = open_store(state, schema_2);
    int64_t moved = 0;
    struct sql *db = store_reader(store);
    check_ok(sql_get_int(db, 0, &moved, &err, "SELECT count(*) FROM t WHERE w = 'new'"));
    store_reader_done(store, db);
    assert_int_equal(moved, 1);
    store_close(store);
    check_fails(store_open(*state, schema_1, &store, &err), SU_CONFLICT, "newer Suricate");
}

static bool insert_null(struct sql *db, void *arg, struct su_err *err)
{
    return sql_run(db, err, "INSERT INTO t (v) VALUES (NULL)");
}

static void data_is_readable_to_nobody_else(void **state)
{
    static const char *const names[] = {"", "/suricate.db", "/suricate.db-wal", "/lock", "/blobs"};
    SU_AUTO_FREE char *dir = su_format("%s/new", (char *)*state);
    struct su_err err;
    struct store *store = NULL;
    mode_t old = umask(0);
    check_ok(store_open(dir, schema_1, &store, &err));
    check_ok(store_write(store, insert, (char[]){"a"}, &err));
    umask(old);
    for (size_t i = 0; i < SU_COUNT(names); i++) {
        SU_AUTO_FREE char *path = su_format("%s%s", dir, names[i]);
        struct stat status;
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 077, 0);
    }
    store_close(store);
}

struct crowd { struct store *store; _Atomic int next, done; };

static void finished(void *arg, bool ok, const struct su_err *err)
{
    assert_true(ok);
    atomic_fetch_add((_Atomic int *)arg, 1);
}

static void write_some(void *arg)
{
    struct crowd *crowd = arg;
    struct su_err err;
    for (int i = 0; i < 100; i++) {
        SU_AUTO_FREE char *text = su_format("%d", atomic_fetch_add(&crowd->next, 1));
        check_ok(store_write(crowd->store, insert, text, &err));
    }
}

static void jobs_that_wait_share_commits(void **state)
{
    struct crowd crowd = {.store = open_store(state, schema_1)};
    struct su_thread threads[8] = {0};
    for (size_t i = 0; i < SU_COUNT(threads); i++)
        su_thread_start(&threads[i], "crowd", write_some, &crowd);
    for (size_t i = 0; i < SU_COUNT(threads); i++)
        su_thread_join(&threads[i]);
    store_write_later(crowd.store, insert_null, finished, &crowd.done);
    struct store_stats stats;
    store_stats(crowd.store, &stats);
    assert_int_equal(rows(crowd.store) >= 800, 1);
    assert_true(stats.commits <= stats.jobs);
    store_close(crowd.store);
    assert_int_equal(crowd.done, 1);
}

static bool insert_megabyte(struct sql *db, void *arg, struct su_err *err)
{
    return sql_run(db, err, "INSERT OR REPLACE INTO t (k, v) VALUES (1, zeroblob(1000000))");
}

static void write_ahead_log_stays_small_while_commits_come_without_a_pause(void **state)
{
    struct su_err err;
    struct stat status;
    struct store *store = open_store(state, schema_1);
    SU_AUTO_FREE char *path = su_format("%s/suricate.db-wal", (char *)*state);
    for (int i = 0; i < 200; i++)
        check_ok(store_write(store, insert_megabyte, NULL, &err));
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size < 150 << 20);
    store_close(store);
}

static void backup_restores_to_the_same_content(void **state)
{
    struct su_err err;
    SU_AUTO_FREE char *data = su_format("%s/data", (char *)*state), *copy = su_format("%s/copy", (char *)*state);
    SU_AUTO_FREE char *back = su_format("%s/back", (char *)*state);
    struct store *store = NULL;
    SU_AUTO_JSON json_t *manifest = NULL;
    char sha256[SU_SHA256_HEX];
    struct blob_writer *guard = NULL;
    check_ok(store_open(data, schema_1, &store, &err));
    check_ok(store_write(store, insert, (char[]){"kept"}, &err));
    check_ok(blob_put(store_blobs(store), SU_STR("content"), sha256, &guard, &err));
    blob_writer_close(guard);
    check_ok(backup_make(store, copy, &manifest, &err));
    check_fails(backup_make(store, copy, &manifest, &err), SU_CONFLICT, "not empty");
    store_close(store);
    check_ok(backup_restore(copy, back, &err));
    check_ok(store_open(back, schema_1, &store, &err));
    assert_int_equal(rows(store), 1);
    SU_AUTO_BUF struct su_buf content = SU_BUF(100);
    check_ok(blob_read(store_blobs(store), sha256, 100, &content, &err));
    assert_string_equal(content.ptr, "content");
    store_close(store);
}

static void restore_refuses_a_flipped_byte(void **state)
{
    struct su_err err;
    SU_AUTO_FREE char *data = su_format("%s/data", (char *)*state), *copy = su_format("%s/copy", (char *)*state);
    SU_AUTO_FREE char *back = su_format("%s/back", (char *)*state);
    struct store *store = NULL;
    SU_AUTO_JSON json_t *manifest = NULL;
    char sha256[SU_SHA256_HEX], path[80];
    struct blob_writer *guard = NULL;
    check_ok(store_open(data, schema_1, &store, &err));
    check_ok(blob_put(store_blobs(store), SU_STR("content"), sha256, &guard, &err));
    blob_writer_close(guard);
    check_ok(backup_make(store, copy, &manifest, &err));
    store_close(store);
    blob_path(sha256, path);
    SU_AUTO_FREE char *damaged = su_format("%s/%s", copy, path);
    check_ok(su_file_replace(damaged, SU_STR("cOntent"), 0600, &err));
    check_fails(backup_restore(copy, back, &err), SU_INVALID, "damaged");
}

#define with_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_scratch(write_is_there_for_the_next_reader_and_after_reopening),
        with_scratch(refused_job_leaves_nothing_and_hurts_no_other),
        with_scratch(second_server_is_refused_the_folder),
        with_scratch(schema_goes_forward_and_refuses_a_newer_one),
        with_scratch(data_is_readable_to_nobody_else),
        with_scratch(jobs_that_wait_share_commits),
        with_scratch(write_ahead_log_stays_small_while_commits_come_without_a_pause),
        with_scratch(backup_restores_to_the_same_content),
        with_scratch(restore_refuses_a_flipped_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
