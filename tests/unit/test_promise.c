/* Promised events: told once, though the server dies between a change and the telling of it. */
#include "check.h"
#include "aggregate/blobref.h"
#include "aggregate/promise.h"
#include "aggregate/stream.h"
#include "base/clock.h"

struct world { char *dir; struct su_bus *bus; struct store *store; struct logs *logs; struct streams *streams; };

static void open_world(struct world *w)
{
    static const struct store_migration *const migrations[] = {blobref_migrations, log_migrations, stream_migrations, promise_migrations, NULL};
    const struct log_options log_options = {.owner = {blobref_hold, blobref_release, blobref_collect}};
    const struct streams_options options = {.has_promises = true};
    struct su_err err;
    w->bus = su_bus_new();
    check_ok(store_open(w->dir, migrations, &w->store, &err));
    check_ok(logs_open(w->store, &log_options, &w->logs, &err));
    check_ok(streams_open(w->store, w->logs, w->bus, &options, &w->streams, &err));
}

static void close_world(struct world *w)
{
    streams_close(w->streams);
    logs_close(w->logs);
    store_close(w->store);
    su_bus_free(w->bus);
}

static int set_up(void **state)
{
    struct world *w = su_alloc(sizeof *w);
    void *dir;
    scratch_make(&dir);
    w->dir = dir;
    open_world(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    void *dir = w->dir;
    close_world(w);
    free(w);
    return scratch_remove(&dir);
}

static json_t *detail_of(int number) { return json_pack("{s:s, s:i, s:[s, s]}", "name", "a", "number", number, "tags", "x", "y"); }

static bool promise_job(struct sql *db, void *arg, struct su_err *err)
{
    return event_promise(db, "main", "thing.changed", arg, err);
}

static void change(struct world *w, int number, bool is_published)
{
    struct su_err err;
    SU_AUTO_JSON json_t *detail = detail_of(number);
    check_ok(store_write(w->store, promise_job, detail, &err));
    if (is_published)
        su_bus_publish(w->bus, "tenant/main", "thing.changed", detail);
}

static int64_t count(struct world *w, const char *what)
{
    struct su_err err;
    int64_t events = 0, promises = 0;
    STREAM_AUTO struct stream *stream = NULL;
    if (stream_get(w->streams, "main", "_events", &stream, &err)) {
        STORE_READ(w->store, db);
        struct log_extent extent;
        check_ok(log_extent(db, stream->log, &extent, &err));
        events = (int64_t)extent.next;
    }
    STORE_READ(w->store, db);
    check_ok(sql_get_int(db, 0, &promises, &err, "SELECT count(*) FROM event_promises"));
    return strcmp(what, "events") == 0 ? events : promises;
}

static void wait_count(struct world *w, const char *what, int64_t wanted)
{
    for (int64_t until = su_mono_ms() + 20000; count(w, what) != wanted; usleep(2000))
        if (su_mono_ms() > until)
            fail_msg("there are %lld %s, not %lld", (long long)count(w, what), what, (long long)wanted);
}

static void what_is_published_keeps_its_promise_with_the_append(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++)
        change(w, i, true);
    wait_count(w, "events", 5);
    assert_int_equal(count(w, "promises"), 0);
}

static void what_was_promised_and_not_told_is_told_by_the_next_server_once(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++)
        change(w, i, i == 1);
    wait_count(w, "events", 1);
    assert_int_equal(count(w, "promises"), 2);
    close_world(w);
    open_world(w);
    wait_count(w, "events", 3);
    assert_int_equal(count(w, "promises"), 0);
    close_world(w);
    open_world(w);
    assert_int_equal(count(w, "events"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_published_keeps_its_promise_with_the_append, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_promised_and_not_told_is_told_by_the_next_server_once, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
