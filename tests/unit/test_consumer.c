/* Consumers: what comes next, fencing, revisions, late messages, seeking, lag, deletion of their stream. */
#include "check.h"
#include "aggregate/blobref.h"
#include "aggregate/consumer.h"

struct world {
    char *dir;
    struct su_bus *bus;
    struct store *store;
    struct logs *logs;
    struct streams *streams;
    struct consumers *consumers;
    struct stream *stream;
    int64_t epoch;
};

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static int set_up(void **state)
{
    static const struct store_migration *const migrations[] = {blobref_migrations, log_migrations, stream_migrations, consumer_migrations, NULL};
    const struct log_options log_options = {.owner = {blobref_hold, blobref_release, blobref_collect}};
    struct su_err err;
    struct world *w = su_alloc(sizeof *w);
    void *dir;
    SU_AUTO_JSON json_t *definition = json_of("{\"source\": {\"kind\": \"push\"}, \"time\": {\"field\": \"ts\", \"format\": \"s\"}}");
    scratch_make(&dir);
    w->dir = dir;
    w->bus = su_bus_new();
    check_ok(store_open(w->dir, migrations, &w->store, &err));
    check_ok(logs_open(w->store, &log_options, &w->logs, &err));
    check_ok(streams_open(w->store, w->logs, w->bus, NULL, &w->streams, &err));
    check_ok(consumers_open(w->streams, &w->consumers, &err));
    check_ok(stream_put(w->streams, "main", "s", definition, NULL, NULL, "owner", &w->stream, NULL, &err));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    void *dir = w->dir;
    stream_unref(w->stream);
    consumers_close(w->consumers);
    streams_close(w->streams);
    logs_close(w->logs);
    store_close(w->store);
    su_bus_free(w->bus);
    scratch_remove(&dir);
    free(w);
    return 0;
}

static void say(struct world *w, int64_t second)
{
    struct su_err err;
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    SU_AUTO_FREE char *body = su_format("{\"ts\": %lld}", (long long)second);
    const struct stream_arrival arrival = {.body = su_str_of(body)};
    check_ok(stream_writer_open(w->streams, w->stream, &writer, &err));
    check_ok(stream_writer_add(writer, &arrival, &err));
    check_ok(stream_writer_commit(writer, &(struct stream_commit){0}, &appended, &err));
}

static bool put(struct world *w, const char *text, struct su_err *err)
{
    SU_AUTO_JSON json_t *settings = json_of(text);
    SU_AUTO_JSON json_t *consumer = NULL;
    bool is_new;
    return consumer_put(w->consumers, w->stream, "c", settings, "owner", &consumer, &is_new, err);
}

static void make(struct world *w, const char *text)
{
    struct su_err err;
    check_ok(put(w, text, &err));
    check_ok(consumer_claim(w->consumers, w->stream, "c", "owner", &w->epoch, &err));
}

static bool next(struct world *w, struct consumer_offer *ret)
{
    struct su_err err;
    bool is_found;
    check_ok(consumer_next(w->consumers, w->stream, "c", w->epoch, ret, &is_found, &err));
    return is_found;
}

static bool commit_job(struct sql *db, void *arg, struct su_err *err) { return consumer_commit(db, arg, "{}", err); }

/* The next window must be this one; it is committed. */
static void take(struct world *w, int64_t start_s, uint64_t messages, int64_t revision)
{
    struct su_err err;
    struct consumer_offer offer;
    SU_AUTO_FREE char *answer = NULL;
    if (!next(w, &offer))
        fail_msg("no window is there, %lld was to come", (long long)start_s);
    assert_int_equal(offer.window.start_us, start_s * 1000000);
    assert_int_equal(offer.window.messages, messages);
    assert_int_equal(offer.window.revision, revision);
    check_ok(consumer_prepare(w->consumers, w->stream, "c", w->epoch, offer.window.start_us, revision, &offer, &answer, &err));
    assert_null(answer);
    check_ok(store_write(w->store, commit_job, &offer, &err));
}

static json_t *get(struct world *w)
{
    struct su_err err;
    json_t *consumer;
    check_ok(consumer_get(w->consumers, w->stream, "c", &consumer, &err));
    return consumer;
}

static void windows_come_in_order_each_once(void **state)
{
    struct world *w = *state;
    struct consumer_offer offer;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\"}");
    assert_false(next(w, &offer));
    say(w, 1001), say(w, 1005), say(w, 1012), say(w, 1041);
    take(w, 1000, 2, 0);
    take(w, 1010, 1, 0);
    assert_false(next(w, &offer));
    say(w, 1050);
    take(w, 1040, 1, 0);
    SU_AUTO_JSON json_t *consumer = get(w);
    assert_int_equal(su_json_int(consumer, "iterations", 0), 3);
    assert_int_equal(su_json_int(json_object_get(consumer, "position"), "offset", 0), 4);
    assert_int_equal(su_json_int(json_object_get(consumer, "lag"), "messages", 0), 1);
    assert_true(su_json_number(json_object_get(consumer, "lag"), "seconds", -1) == 0.0);
}

static void a_new_claim_fences_the_old_one(void **state)
{
    struct world *w = *state;
    struct su_err err;
    struct consumer_offer offer, held;
    int64_t other;
    bool is_found;
    SU_AUTO_FREE char *answer = NULL;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\"}");
    say(w, 1001), say(w, 1010);
    assert_true(next(w, &held));
    check_ok(consumer_claim(w->consumers, w->stream, "c", "run 7", &other, &err));
    assert_int_equal(other, w->epoch + 1);
    check_fails(consumer_next(w->consumers, w->stream, "c", w->epoch, &offer, &is_found, &err), SU_CONFLICT, "is over, 2 goes on, claimed by run 7");
    check_fails(store_write(w->store, commit_job, &held, &err), SU_CONFLICT, "claimed");
    check_ok(consumer_prepare(w->consumers, w->stream, "c", other, held.window.start_us, 0, &offer, &answer, &err));
    check_ok(store_write(w->store, commit_job, &offer, &err));
    check_fails(store_write(w->store, commit_job, &offer, &err), SU_CONFLICT, "committed");
}

static void late_messages_are_counted(void **state)
{
    struct world *w = *state;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\"}");
    say(w, 1001), say(w, 1012), say(w, 1003), say(w, 1004), say(w, 1020);
    take(w, 1000, 1, 0);
    take(w, 1010, 1, 0);
    SU_AUTO_JSON json_t *consumer = get(w);
    assert_int_equal(su_json_int(consumer, "late", 0), 2);
}

static void revisions_come_before_the_window_that_closed(void **state)
{
    struct world *w = *state;
    struct consumer_offer offer;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\", \"revisions\": true}");
    say(w, 1001), say(w, 1011), say(w, 1021), say(w, 1012), say(w, 1002), say(w, 1003), say(w, 1030), say(w, 1004), say(w, 1040);
    take(w, 1000, 1, 0);
    take(w, 1010, 1, 0);
    take(w, 1000, 3, 1);
    take(w, 1010, 2, 1);
    take(w, 1020, 1, 0);
    take(w, 1000, 4, 2);
    take(w, 1030, 1, 0);
    assert_false(next(w, &offer));
    SU_AUTO_JSON json_t *consumer = get(w);
    assert_int_equal(su_json_int(consumer, "late", 0), 4);
}

static void a_restarted_follower_gets_the_same_revisions(void **state)
{
    struct world *w = *state;
    struct su_err err;
    int64_t epoch;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\", \"revisions\": true}");
    say(w, 1001), say(w, 1011), say(w, 1002), say(w, 1021), say(w, 1012), say(w, 1030);
    for (int round = 0; round < 2; round++) {
        take(w, 1000, 1, 0);
        take(w, 1000, 2, 1);
        make(w, "{\"every\": \"10s\", \"from\": \"earliest\", \"revisions\": true}");
        take(w, 1010, 1, 0);
        take(w, 1010, 2, 1);
        take(w, 1020, 1, 0);
        say(w, 1005);      /* does not change what is closed */
        check_ok(consumer_seek(w->consumers, w->stream, "c", "earliest", &epoch, &err));
        w->epoch = epoch;
    }
}

static void empty_windows_come_when_asked_for(void **state)
{
    struct world *w = *state;
    struct consumer_offer offer;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\", \"empty\": true}");
    say(w, 1001), say(w, 1032), say(w, 1040);
    take(w, 1000, 1, 0);
    take(w, 1010, 0, 0);
    take(w, 1020, 0, 0);
    take(w, 1030, 1, 0);
    assert_false(next(w, &offer));
}

static void a_consumer_begins_where_it_is_told(void **state)
{
    struct world *w = *state;
    struct consumer_offer offer;
    say(w, 1001), say(w, 1011), say(w, 1021), say(w, 1030);
    make(w, "{\"every\": \"10s\"}");
    assert_false(next(w, &offer));
    say(w, 1031), say(w, 1041), say(w, 1050);
    take(w, 1030, 1, 0);       /* what was there before does not count */
    take(w, 1040, 1, 0);
}

static void a_seek_goes_to_offsets_and_times(void **state)
{
    struct world *w = *state;
    struct su_err err;
    say(w, 1001), say(w, 1011), say(w, 1021), say(w, 1030);
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\"}");
    take(w, 1000, 1, 0);
    check_fails(consumer_seek(w->consumers, w->stream, "c", "soon", &w->epoch, &err), SU_INVALID, "soon");
    check_ok(consumer_seek(w->consumers, w->stream, "c", "1970-01-01T00:16:55Z", &w->epoch, &err));
    take(w, 1020, 1, 0);
    check_ok(consumer_seek(w->consumers, w->stream, "c", "1", &w->epoch, &err));
    take(w, 1010, 1, 0);
    check_ok(consumer_seek(w->consumers, w->stream, "c", "earliest", &w->epoch, &err));
    take(w, 1000, 1, 0);
}

static void a_changed_window_fences_and_an_unchanged_one_does_not(void **state)
{
    struct world *w = *state;
    struct su_err err;
    struct consumer_offer offer;
    bool is_found;
    make(w, "{\"every\": \"10s\", \"from\": \"earliest\"}");
    say(w, 1001), say(w, 1010);
    check_ok(put(w, "{\"every\": \"10s\", \"slide\": null}", &err));
    assert_true(next(w, &offer));
    check_ok(put(w, "{\"every\": \"5s\"}", &err));
    check_fails(consumer_next(w->consumers, w->stream, "c", w->epoch, &offer, &is_found, &err), SU_CONFLICT, "is over");
    check_fails(put(w, "{\"every\": \"0s\"}", &err), SU_INVALID, "every: must be 1ms..366d, was \"0s\"");
    check_fails(put(w, "{\"every\": \"5s\", \"delay\": \"x\"}", &err), SU_INVALID, "delay");
    check_fails(put(w, "{}", &err), SU_INVALID, "every");
    check_fails(put(w, "{\"every\": \"5s\", \"size\": 1}", &err), SU_INVALID, "size");
}

static void a_stream_that_is_followed_is_not_deleted_unless_forced(void **state)
{
    struct world *w = *state;
    struct su_err err;
    SU_AUTO_JSON json_t *consumer = NULL;
    make(w, "{\"every\": \"10s\"}");
    check_fails(stream_delete(w->streams, "main", "s", NULL, false, "owner", &err), SU_CONFLICT, "consumer \"c\" follows");
    check_ok(stream_delete(w->streams, "main", "s", NULL, true, "owner", &err));
    check_fails(consumer_get(w->consumers, w->stream, "c", &consumer, &err), SU_NOT_FOUND, "no consumer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(windows_come_in_order_each_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_claim_fences_the_old_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(late_messages_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(revisions_come_before_the_window_that_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_restarted_follower_gets_the_same_revisions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(empty_windows_come_when_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_consumer_begins_where_it_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_seek_goes_to_offsets_and_times, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_changed_window_fences_and_an_unchanged_one_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stream_that_is_followed_is_not_deleted_unless_forced, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
