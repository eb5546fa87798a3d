/* Triggers without a server: filters, definitions, circles, and the scheduler under a clock of the test's own. */
#include "check.h"
#include "act/decision.h"
#include "act/filter.h"
#include "act/guard_facts.h"
#include "act/schedule.h"
#include "act/silence.h"
#include "act/trigger.h"
#include "act/trigger_private.h"
#include "aggregate/blobref.h"
#include "aggregate/object.h"
#include "aggregate/stream.h"
#include "base/clock.h"
#include "interact/run.h"

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    if (value == NULL)
        fail_msg("no JSON: %s", text);
    return value;
}

/* --- filters ----------------------------------------------------------------------------- */

/* Which of four rows it takes, as digits. */
static const char *taken(const char *where_text, char text[static 5])
{
    struct su_err err;
    struct filter *filter;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf data = SU_BUF(1 << 20);
    SU_AUTO_JSON json_t *where = json_of(where_text);
    static const char *const names[] = {"ann", "bob", "anton", "7"};
    for (int i = 0; i < 4; i++) {
        block_begin(builder);
        block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("name")), su_str_of(names[i]));
        block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("n")), i);
        if (i % 2)
            block_set_float(builder, block_member(builder, block_member(builder, BLOCK_ROOT, SU_STR("a")), SU_STR("b")), i + 0.5);
        if (i < 2)
            block_set_bool(builder, block_member(builder, BLOCK_ROOT, SU_STR("ok")), i == 0);
        const struct block_message message = {.time_us = i, .arrival_us = i, .key = su_str_of(names[3 - i]), .body = SU_STR("{}")};
        check_ok(block_end(builder, &message, &err));
    }
    struct block block;
    check_ok(block_finish(builder, 0, &data, &err));
    check_ok(block_open(data.ptr, data.len, &block, &err));
    check_ok(filter_new(where, "/where", &filter, &err));
    struct filter_rows *rows = filter_rows_new(filter, &block);
    size_t count = 0;
    for (uint32_t row = 0; row < 4; row++)
        if (filter_takes(rows, row))
            text[count++] = (char)('0' + row);
    text[count] = '\0';
    filter_rows_free(rows);
    filter_free(filter);
    block_done(&block);
    return text;
}

static void filters_take_what_meets_every_condition(void **state)
{
    static const struct { const char *where, *rows; } cases[] = {
        {"{}", "0123"},
        {"{\"name\": \"bob\"}", "1"},
        {"{\"name\": {\"prefix\": \"an\"}}", "02"},
        {"{\"name\": {\"prefix\": \"an\"}, \"n\": {\"above\": 0}}", "2"},
        {"{\"n\": {\"at_least\": 1, \"below\": 3}}", "12"},
        {"{\"n\": {\"above\": 1, \"at_most\": 3}}", "23"},
        {"{\"n\": 2.0}", "2"},
        {"{\"a.b\": 1.5}", "1"},
        {"{\"a.b\": null}", "02"},
        {"{\"a.b\": {\"exists\": true}}", "13"},
        {"{\"gone\": {\"exists\": false}, \"n\": 3}", "3"},
        {"{\"gone\": 1}", ""},
        {"{\"gone\": {\"not\": 1}}", "0123"},
        {"{\"ok\": true}", "0"},
        {"{\"ok\": {\"not\": true}}", "123"},
        {"{\"ok\": {\"in\": [false, null]}}", "123"},
        {"{\"name\": {\"in\": [\"ann\", \"bob\"]}}", "01"},
        {"{\"name\": {\"not\": [\"ann\", \"bob\"]}}", "23"},
        {"{\"name\": 7}", "3"},
        {"{\"name\": {\"above\": 6}}", "3"},
        {"{\"n\": \"2\"}", "2"},
        {"{\"n\": \"two\"}", ""},
        {"{\"_key\": \"ann\"}", "3"},
        {"{\"n\": {\"prefix\": \"1\"}}", ""}};
    char text[5];
    for (size_t i = 0; i < SU_COUNT(cases); i++)
        if (strcmp(taken(cases[i].where, text), cases[i].rows) != 0)
            fail_msg("%s takes \"%s\", not \"%s\"", cases[i].where, text, cases[i].rows);
}

static void a_filter_says_what_is_wrong_and_where(void **state)
{
    static const struct { const char *where, *field, *part; } wrong[] = {
        {"{\"v\": {\"over\": 1}}", "/where/v", "the conditions are above"},
        {"{\"v\": {\"above\": \"1\"}}", "/where/v", "above takes a number"},
        {"{\"v\": [1]}", "/where/v", "a text, a number"},
        {"{\"v\": {\"in\": 1}}", "/where/v", "in takes a list"},
        {"{\"v\": {\"in\": [[1]]}}", "/where/v", "in takes a list"},
        {"{\"v\": {\"exists\": 1}}", "/where/v", "exists takes"},
        {"{\"\": 1}", "/where/", "1..256 bytes"}};
    struct su_err err;
    struct filter *filter;
    for (size_t i = 0; i < SU_COUNT(wrong); i++) {
        SU_AUTO_JSON json_t *where = json_of(wrong[i].where);
        check_fails(filter_new(where, "/where", &filter, &err), SU_INVALID, wrong[i].part);
        assert_string_equal(err.field, wrong[i].field);
    }
    SU_AUTO_JSON json_t *many = json_object();
    for (int i = 0; i <= FILTER_CONDITIONS_MAX; i++) {
        char name[8];
        snprintf(name, sizeof name, "f%d", i);
        json_object_set_new(many, name, json_integer(i));
    }
    check_fails(filter_new(many, "/where", &filter, &err), SU_INVALID, "more than 32 conditions");
}

/* --- definitions and causes ------------------------------------------------------------------ */

static void an_object_is_created_once_and_changed_after(void **state)
{
    struct su_err err;
    TRIGGER_AUTO_DEFINITION struct trigger_definition created = {0}, tagged = {0};
    SU_AUTO_JSON json_t *a = json_of("{\"when\": {\"kind\": \"object\", \"on\": [\"created\"]}, \"then\": {\"action\": \"x\"}}");
    SU_AUTO_JSON json_t *b = json_of("{\"when\": {\"kind\": \"object\", \"tag\": \"raw\", \"on\": [\"changed\"]}, \"then\": {\"action\": \"x\"}}");
    SU_AUTO_JSON json_t *first = json_of("{\"event\": \"object.created\", \"is_new\": true, \"tags\": [\"raw\"]}");
    SU_AUTO_JSON json_t *second = json_of("{\"event\": \"object.created\", \"is_new\": false, \"tags\": [\"raw\"]}");
    SU_AUTO_JSON json_t *other = json_of("{\"event\": \"object.changed\", \"tags\": [\"cooked\"]}");
    check_ok(trigger_definition_read(a, &created, &err));
    check_ok(trigger_definition_read(b, &tagged, &err));
    assert_true(trigger_definition_takes(&created, first));
    assert_false(trigger_definition_takes(&created, second));
    assert_false(trigger_definition_takes(&tagged, first));
    assert_true(trigger_definition_takes(&tagged, second));
    assert_false(trigger_definition_takes(&tagged, other));
}

static void circles_and_long_chains_are_told_by_their_names(void **state)
{
    SU_AUTO_JSON json_t *none = json_array(), *two = json_of("[\"a\", \"b\"]"), *many = json_array();
    for (int i = 0; i < TRIGGER_CHAIN_MAX; i++)
        json_array_append_new(many, json_string("t"));
    assert_null(trigger_circle(none, "a"));
    assert_null(trigger_circle(two, "c"));
    SU_AUTO_FREE char *circle = trigger_circle(two, "a"), *chain = trigger_circle(many, "u");
    assert_string_equal(circle, "it would fire for what it has caused itself: a → b → a");
    assert_non_null(strstr(chain, "more than 8 triggers"));
}

/* --- the scheduler ------------------------------------------------------------------------------ */

struct world {
    char *dir;
    struct su_bus *bus;
    struct store *store;
    struct logs *logs;
    struct streams *streams;
    struct triggers *triggers;
    struct schedule *schedule;
    _Atomic int64_t now_us;
};

static int64_t now_of(void *arg) { return ((struct world *)arg)->now_us; }

static void open_world(struct world *w)
{
    static const struct store_migration *const migrations[] = {blobref_migrations, log_migrations, stream_migrations, object_migrations,
                                                               run_migrations, decision_migrations, guard_migrations,
                                                               silence_migrations, trigger_migrations, NULL};
    const struct log_options log_options = {.owner = {blobref_hold, blobref_release, blobref_collect}};
    const struct schedule_options options = {now_of, w};
    struct su_err err;
    w->bus = su_bus_new();
    check_ok(store_open(w->dir, migrations, &w->store, &err));
    check_ok(logs_open(w->store, &log_options, &w->logs, &err));
    check_ok(streams_open(w->store, w->logs, w->bus, NULL, &w->streams, &err));
    check_ok(triggers_open(w->store, w->bus, w->streams, NULL, &w->triggers, &err));
    check_ok(schedule_open(w->triggers, &options, &w->schedule, &err));
}

static void close_world(struct world *w)
{
    schedule_close(w->schedule);
    triggers_close(w->triggers);
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
    w->now_us = su_now_us();
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

static void put(struct world *w, const char *name, const char *definition)
{
    struct su_err err;
    bool is_new;
    SU_AUTO_JSON json_t *given = json_of(definition), *trigger = NULL;
    check_ok(trigger_put(w->triggers, "main", name, given, "owner", &trigger, &is_new, &err));
}

static int64_t number(struct world *w, const char *name, const char *member)
{
    struct su_err err;
    SU_AUTO_JSON json_t *trigger = NULL;
    check_ok(trigger_get(w->triggers, "main", name, &trigger, &err));
    return su_json_int(trigger, member, -1);
}

static void move_to(struct world *w, int64_t at_us)
{
    w->now_us = at_us;
    schedule_wake(w->schedule);
}

static void wait_number(struct world *w, const char *name, const char *member, int64_t wanted)
{
    int64_t deadline = su_mono_ms() + 20000;
    while (number(w, name, member) != wanted) {
        if (su_mono_ms() > deadline)
            fail_msg("%s of %s is %lld, not %lld", member, name, (long long)number(w, name, member), (long long)wanted);
        usleep(2000);
    }
}

enum { MINUTE_US = 60000000 };

static void ticks_fire_as_the_clock_goes_and_once(void **state)
{
    struct world *w = *state;
    put(w, "t", "{\"concurrency\": \"parallel\", \"when\": {\"kind\": \"cron\", \"cron\": \"* * * * *\", \"catch_up\": \"all\"},"
                " \"then\": {\"run\": {\"notebook\": \"x\"}}}");
    int64_t minute = w->now_us / MINUTE_US * MINUTE_US;
    for (int i = 1; i <= 3; i++) {
        move_to(w, minute + i * (int64_t)MINUTE_US + 1000);
        wait_number(w, "t", "fired", i);
    }
    move_to(w, minute + MINUTE_US);                     /* the clock is set back: what has fired does not fire again */
    move_to(w, minute + 3 * (int64_t)MINUTE_US + 2000);
    close_world(w);
    w->now_us = minute + 10 * (int64_t)MINUTE_US + 1000;
    open_world(w);
    wait_number(w, "t", "fired", 10);
    assert_int_equal(number(w, "t", "missed"), 0);
}

static void a_change_of_when_begins_anew_and_a_change_of_then_does_not(void **state)
{
    struct world *w = *state;
    int64_t minute = w->now_us / MINUTE_US * MINUTE_US;
    put(w, "t", "{\"concurrency\": \"parallel\", \"when\": {\"kind\": \"cron\", \"cron\": \"* * * * *\"},"
                " \"then\": {\"run\": {\"notebook\": \"x\"}}}");
    move_to(w, minute + 2 * (int64_t)MINUTE_US);
    wait_number(w, "t", "fired", 1);
    put(w, "t", "{\"concurrency\": \"parallel\", \"when\": {\"kind\": \"cron\", \"cron\": \"* * * * *\"},"
                " \"then\": {\"run\": {\"notebook\": \"y\"}}}");
    move_to(w, minute + 3 * (int64_t)MINUTE_US);
    wait_number(w, "t", "fired", 2);
    assert_int_equal(number(w, "t", "missed"), 1);
}

static struct stream *make_stream(struct world *w, const char *name)
{
    struct su_err err;
    struct stream *stream;
    SU_AUTO_JSON json_t *definition = json_of("{\"source\": {\"kind\": \"push\"}}");
    check_ok(stream_put(w->streams, "main", name, definition, NULL, NULL, "owner", &stream, NULL, &err));
    return stream;
}

static void say(struct world *w, struct stream *stream, int from, int to)
{
    struct su_err err;
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    check_ok(stream_writer_open(w->streams, stream, &writer, &err));
    for (int n = from; n < to; n++) {
        SU_AUTO_FREE char *body = su_format("{\"n\": %d}", n);
        check_ok(stream_writer_add(writer, &(struct stream_arrival){.body = su_str_of(body)}, &err));
    }
    check_ok(stream_writer_commit(writer, NULL, &appended, &err));
}

static void one_that_skips_passes_by_what_comes_while_it_is_busy(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make_stream(w, "s");
    put(w, "t", "{\"when\": {\"kind\": \"event\", \"stream\": \"s\"}, \"then\": {\"run\": {\"notebook\": \"x\"}}, \"concurrency\": \"skip\"}");
    say(w, stream, 0, 5);                               /* nobody delivers here: the first stays under way */
    wait_number(w, "t", "skipped", 4);
    assert_int_equal(number(w, "t", "fired"), 1);
}

static void one_that_replaces_keeps_only_the_newest_waiting(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make_stream(w, "s");
    put(w, "t", "{\"when\": {\"kind\": \"event\", \"stream\": \"s\"}, \"then\": {\"run\": {\"notebook\": \"x\"}}, \"concurrency\": \"replace\"}");
    say(w, stream, 0, 5);
    wait_number(w, "t", "skipped", 3);
    assert_int_equal(number(w, "t", "fired"), 1);
    assert_int_equal(number(w, "t", "queued"), 1);
}

/* Delivers what is pending. */
static bool settle_job(struct sql *db, void *arg, struct su_err *err)
{
    (void)arg;
    return sql_script(db, "UPDATE decisions SET state = 'sent'; DELETE FROM outbox;", err);
}

static void a_queue_is_bounded_and_goes_on_one_by_one(void **state)
{
    struct world *w = *state;
    struct su_err err;
    STREAM_AUTO struct stream *stream = make_stream(w, "s");
    put(w, "t", "{\"when\": {\"kind\": \"event\", \"stream\": \"s\"}, \"then\": {\"run\": {\"notebook\": \"x\"}}, \"concurrency\": \"queue\","
                " \"rate_limit\": {\"count\": 10000}}");
    say(w, stream, 0, TRIGGER_QUEUE_MAX + 11);
    wait_number(w, "t", "dropped", 10);
    assert_int_equal(number(w, "t", "queued"), TRIGGER_QUEUE_MAX);
    assert_int_equal(number(w, "t", "fired"), 1);
    for (int fired = 2; fired < 5; fired++) {
        check_ok(store_write(w->store, settle_job, NULL, &err));
        su_bus_publish(w->bus, "tenant/main", "action.sent", NULL);
        wait_number(w, "t", "fired", fired);
    }
    assert_int_equal(number(w, "t", "queued"), TRIGGER_QUEUE_MAX - 3);
}

static void retention_keeps_what_a_trigger_has_not_seen(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make_stream(w, "s");
    put(w, "t", "{\"when\": {\"kind\": \"event\", \"stream\": \"s\", \"where\": {\"n\": 9}}, \"concurrency\": \"parallel\","
                " \"then\": {\"run\": {\"notebook\": \"x\"}}}");
    say(w, stream, 0, 10);
    wait_number(w, "t", "fired", 1);
    close_world(w);
    open_world(w);
    assert_int_equal(number(w, "t", "fired"), 1);
    STREAM_AUTO struct stream *again = NULL;
    struct su_err err;
    check_ok(stream_get(w->streams, "main", "s", &again, &err));
    say(w, again, 9, 10);
    wait_number(w, "t", "fired", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_take_what_meets_every_condition),
        cmocka_unit_test(a_filter_says_what_is_wrong_and_where),
        cmocka_unit_test(an_object_is_created_once_and_changed_after),
        cmocka_unit_test(circles_and_long_chains_are_told_by_their_names),
        cmocka_unit_test_setup_teardown(ticks_fire_as_the_clock_goes_and_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_change_of_when_begins_anew_and_a_change_of_then_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_skips_passes_by_what_comes_while_it_is_busy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_replaces_keeps_only_the_newest_waiting, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_queue_is_bounded_and_goes_on_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retention_keeps_what_a_trigger_has_not_seen, set_up, tear_down)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
