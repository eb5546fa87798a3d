/* Streams: definitions, appending, event time, schema, places, what repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "aggregate/blobref.h"
#include "aggregate/stream.h"
#include "base/clock.h"
#include "base/fs.h"

struct world {
    char dir[64];
    struct store *store;
    struct su_bus *bus;
    struct logs *logs;
    struct streams *streams;
    struct su_err err;
};

static void open_world(struct world *w)
{
    const struct store_migration *const migrations[] = {blobref_migrations, log_migrations, stream_migrations, NULL};
    const struct log_options options = {.owner = {blobref_hold, blobref_release, blobref_collect}};
    w->bus = su_bus_new();
    if (!store_open(w->dir, migrations, &w->store, &w->err) || !logs_open(w->store, &options, &w->logs, &w->err) ||
        !streams_open(w->store, w->logs, w->bus, NULL, &w->streams, &w->err))
        fail_msg("%s", w->err.message);
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
    struct world *w = calloc(1, sizeof *w);
    strcpy(w->dir, "/tmp/test-stream-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    open_world(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    close_world(w);
    assert_true(su_dir_remove(w->dir, &w->err));
    free(w);
    return 0;
}

/* --- helpers ------------------------------------------------------------- */

static struct stream *make(struct world *w, const char *name, const char *definition)
{
    struct stream *stream;
    SU_AUTO_JSON json_t *json = json_loads(definition, 0, NULL);
    if (!stream_put(w->streams, "main", name, json, NULL, NULL, "anna", &stream, NULL, &w->err))
        fail_msg("%s", w->err.message);
    return stream;
}

static bool refused(struct world *w, const char *definition)
{
    struct stream *stream;
    SU_AUTO_JSON json_t *json = json_loads(definition, 0, NULL);
    return !stream_put(w->streams, "main", "x", json, NULL, NULL, "anna", &stream, NULL, &w->err);
}

static bool add(struct world *w, struct stream_writer *writer, const char *body)
{
    return stream_writer_add(writer, &(struct stream_arrival){.body = su_str_of(body)}, &w->err);
}

static struct stream_appended push_with(struct world *w, struct stream *stream, const char *body, const char *key)
{
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    if (!stream_writer_open(w->streams, stream, &writer, &w->err) || !add(w, writer, body) ||
        !stream_writer_commit(writer, &(struct stream_commit){.idempotency_key = key}, &appended, &w->err))
        fail_msg("%s", w->err.message);
    return appended;
}

static struct stream_appended push(struct world *w, struct stream *stream, const char *body) { return push_with(w, stream, body, NULL); }

/* Bodies from an offset on, joined by "|"; *ret_time: of the first. */
static char *bodies(struct world *w, struct stream *stream, int64_t log, int64_t *ret_time)
{
    STORE_READ(w->store, db);
    LOG_AUTO_READER struct log_reader *reader = NULL;
    const struct log_range range = {0, UINT64_MAX >> 1, INT64_MIN, INT64_MAX};
    struct log_piece piece;
    struct su_buf text = SU_BUF(1 << 20);
    enum log_next next;
    assert_true(log_read(w->logs, db, log, &range, &reader, &w->err));
    while ((next = log_read_next(reader, &piece, &w->err)) == LOG_BLOCK)
        for (uint32_t row = piece.from; row < piece.to; row++) {
            struct su_str body;
            if (ret_time && text.len == 0)
                *ret_time = block_int(block_role_column(piece.block, BLOCK_TIME), row);
            assert_true(block_body(piece.block, row, &body, &w->err));
            su_buf_add(&text, body.ptr, body.len);
            su_buf_addc(&text, '|');
        }
    assert_int_equal(next, LOG_END);
    (void)stream;
    return su_buf_take(&text, NULL);
}

static json_t *describe(struct world *w, struct stream *stream)
{
    json_t *json;
    if (!stream_json(w->streams, stream, &json, &w->err))
        fail_msg("%s", w->err.message);
    return json;
}

/* --- definitions ----------------------------------------------------------- */

static void definition_is_completed_and_kept_over_a_restart(void **state)
{
    struct world *w = *state;
    stream_unref(make(w, "a/b", "{\"time\":{\"field\":\"ts\"},\"retention\":{\"bytes\":5}}"));
    close_world(w);
    open_world(w);
    STREAM_AUTO struct stream *stream = NULL;
    assert_true(stream_get(w->streams, "main", "a/b", &stream, &w->err));
    assert_string_equal(stream->time_field, "ts");
    assert_int_equal(stream->source, STREAM_PUSH);
    assert_int_equal(stream->retention.bytes, 5);
    assert_int_equal(stream->retention.before_us, 7LL * 86400 * 1000000);
    assert_false(stream_get(w->streams, "other", "a/b", &stream, &w->err));
    assert_int_equal(w->err.code, SU_NOT_FOUND);
}

static void definition_with_a_fault_says_where(void **state)
{
    struct world *w = *state;
    static const struct { const char *definition, *field; } cases[] = {
        {"{\"source\":{\"kind\":\"kafka\"}}", "/source/kind"}, {"{\"source\":{}}", "/source/kind"},
        {"{\"format\":\"xml\"}", "/format"}, {"{\"time\":{}}", "/time/field"}, {"{\"time\":{\"field\":\"t\",\"format\":\"h\"}}", "/time/format"},
        {"{\"delay\":\"soon\"}", "/delay"}, {"{\"retention\":{\"age\":\"1 week\"}}", "/retention/age"}, {"{\"retention\":{\"bytes\":-1}}", "/retention/bytes"},
        {"{\"idle\":\"1ms\"}", "/idle"}, {"{\"colour\":1}", "/colour"}, {"{\"format\":\"text\",\"key\":\"k\"}", "/key"},
        {"{\"limits\":{\"message_bytes\":60000000}}", "/limits/message_bytes"}};
    for (size_t i = 0; i < SU_COUNT(cases); i++) {
        assert_true(refused(w, cases[i].definition));
        assert_string_equal(w->err.field, cases[i].field);
    }
}

static void name_may_not_be_taken_for_an_address_or_for_ours(void **state)
{
    struct world *w = *state;
    struct stream *stream;
    SU_AUTO_JSON json_t *json = json_object();
    static const char *const names[] = {"_x", "a/messages", "tail", "a//b", "../x", ""};
    for (size_t i = 0; i < SU_COUNT(names); i++)
        assert_false(stream_put(w->streams, "main", names[i], json, NULL, NULL, "anna", &stream, NULL, &w->err));
}

static void change_keeps_the_messages_and_conditions_hold(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *first = make(w, "s", "{}");
    push(w, first, "{\"a\":1}");
    STREAM_AUTO struct stream *second = make(w, "s", "{\"description\":\"new\"}");
    assert_int_equal(second->id, first->id);
    assert_int_equal(second->version, 2);
    SU_AUTO_JSON json_t *json = json_object();
    struct stream *ret;
    assert_false(stream_put(w->streams, "main", "s", json, first->etag, NULL, "anna", &ret, NULL, &w->err));
    assert_string_equal(w->err.slug, "precondition-failed");
    assert_false(stream_put(w->streams, "main", "s", json, NULL, "*", "anna", &ret, NULL, &w->err));
    SU_AUTO_FREE char *all = bodies(w, second, second->log, NULL);
    assert_string_equal(all, "{\"a\":1}|");
}

static void parent_of_a_derived_stream_is_not_deleted_without_force(void **state)
{
    struct world *w = *state;
    stream_unref(make(w, "p", "{}"));
    stream_unref(make(w, "d", "{\"source\":{\"kind\":\"derived\",\"from\":\"p\",\"every\":\"1s\",\"sql\":\"select 1\"}}"));
    assert_false(stream_delete(w->streams, "main", "p", NULL, false, "anna", &w->err));
    assert_string_equal(w->err.slug, "has-dependants");
    assert_true(stream_delete(w->streams, "main", "p", NULL, true, "anna", &w->err));
    struct stream *stream;
    assert_false(stream_get(w->streams, "main", "p", &stream, &w->err));
}

/* --- appending --------------------------------------------------------------- */

static void appended_messages_are_read_back_in_order_with_offsets(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{}");
    struct stream_appended a = push(w, stream, "{\"a\":1}"), b = push(w, stream, "[{\"a\":2},{\"a\":3}]");
    assert_int_equal(a.first, 0);
    assert_int_equal(b.first, 1);
    assert_int_equal(b.count, 2);
    SU_AUTO_FREE char *all = bodies(w, stream, stream->log, NULL);
    assert_string_equal(all, "{\"a\":1}|{\"a\":2}|{\"a\":3}|");
}

static void message_that_holds_a_bad_record_leaves_the_batch_as_it_was(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"format\":\"ndjson\"}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_true(add(w, writer, "{\"a\":1}\n\n{\"a\":2}\r\n"));
    assert_false(add(w, writer, "{\"a\":3}\n{\"a\":"));
    assert_non_null(strstr(w->err.message, "record 2"));
    assert_int_equal(stream_writer_rows(writer), 2);
    assert_true(stream_writer_commit(writer, NULL, &appended, &w->err));
    SU_AUTO_FREE char *all = bodies(w, stream, stream->log, NULL);
    assert_string_equal(all, "{\"a\":1}|{\"a\":2}|");
}

static void batch_of_a_known_key_counts_once(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{}");
    push_with(w, stream, "{\"a\":0}", NULL);
    struct stream_appended first = push_with(w, stream, "{\"a\":1}", "k"), again = push_with(w, stream, "{\"a\":1}", "k");
    assert_false(first.is_repeated);
    assert_true(again.is_repeated);
    assert_int_equal(again.first, 1);
    assert_int_equal(again.count, 1);
    close_world(w);
    open_world(w);
    again = push_with(w, stream, "{\"a\":1}", "k");
    assert_true(again.is_repeated);
    SU_AUTO_FREE char *all = bodies(w, stream, stream->log, NULL);
    assert_string_equal(all, "{\"a\":0}|{\"a\":1}|");
}

static bool refuse(struct sql *db, void *arg, const struct stream_appended *appended, struct su_err *err)
{
    return su_fail(err, SU_CONFLICT, "not now");
}

static void failure_beside_an_append_undoes_it_and_keeps_the_batch(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_true(add(w, writer, "{\"a\":1}"));
    assert_false(stream_writer_commit(writer, &(struct stream_commit){.also = refuse}, &appended, &w->err));
    assert_string_equal(w->err.message, "not now");
    SU_AUTO_FREE char *none = bodies(w, stream, stream->log, NULL);
    assert_string_equal(none, "");
    assert_true(stream_writer_commit(writer, NULL, &appended, &w->err));
    assert_int_equal(appended.first, 0);
    SU_AUTO_FREE char *all = bodies(w, stream, stream->log, NULL);
    assert_string_equal(all, "{\"a\":1}|");
}

static void dead_letters_carry_the_body_and_the_reason(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    const struct stream_arrival poison = {.body = SU_STR("\xff\xfe{"), .id = SU_STR("m-1")};
    struct su_err why;
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_false(stream_writer_add(writer, &poison, &why));
    assert_true(stream_writer_add_dead(writer, &poison, &why, &w->err));
    assert_false(stream_writer_is_idle(writer));
    assert_true(stream_writer_commit(writer, NULL, &appended, &w->err));
    assert_int_equal(appended.count, 0);
    SU_AUTO_FREE char *all = bodies(w, stream, stream->dead_log, NULL);
    assert_string_equal(all, "\xff\xfe{|");
    SU_AUTO_JSON json_t *json = describe(w, stream);
    assert_int_equal(su_json_int(json, "dead_letters", 0), 1);
}

static void too_large_a_message_names_the_limit(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"limits\":{\"message_bytes\":10}}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_false(add(w, writer, "{\"a\":\"0123456789\"}"));
    assert_int_equal(w->err.code, SU_LIMIT);
    assert_non_null(strstr(w->err.message, "limits.message_bytes"));
}

static void stream_has_a_rate_limit_of_its_own(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"limits\":{\"messages_per_s\":2}}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    push(w, stream, "[1,2,3,4,5,6,7,8,9]");
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_true(add(w, writer, "1"));
    assert_false(stream_writer_commit(writer, NULL, &appended, &w->err));
    assert_string_equal(w->err.slug, "rate-limited");
}

static void paused_stream_takes_nothing(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"paused\":true}");
    struct stream_writer *writer;
    assert_false(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_int_equal(w->err.code, SU_CONFLICT);
}

/* --- event time --------------------------------------------------------------- */

static int64_t time_of(struct world *w, const char *format, const char *body)
{
    char definition[200], name[64];
    static int number;
    snprintf(definition, sizeof definition, "{\"time\":{\"field\":\"t\",\"format\":\"%s\"}}", format);
    snprintf(name, sizeof name, "time-%d", number++);
    STREAM_AUTO struct stream *stream = make(w, name, definition);
    push(w, stream, body);
    int64_t at_us;
    free(bodies(w, stream, stream->log, &at_us));
    return at_us;
}

static void event_time_is_read_in_its_formats(void **state)
{
    struct world *w = *state;
    assert_int_equal(time_of(w, "auto", "{\"t\":1378413000}"), 1378413000000000);
    assert_int_equal(time_of(w, "auto", "{\"t\":1378413000.25}"), 1378413000250000);
    assert_int_equal(time_of(w, "auto", "{\"t\":1378413000250}"), 1378413000250000);
    assert_int_equal(time_of(w, "auto", "{\"t\":1378413000250001}"), 1378413000250001);
    assert_int_equal(time_of(w, "auto", "{\"t\":1378413000250001999}"), 1378413000250001);
    assert_int_equal(time_of(w, "auto", "{\"t\":\"2013-09-05T20:30:00Z\"}"), 1378413000000000);
    assert_int_equal(time_of(w, "auto", "{\"t\":\"1378413000\"}"), 1378413000000000);
    assert_int_equal(time_of(w, "rfc3339", "{\"t\":\"2013-09-05T22:30:00.000001+02:00\"}"), 1378413000000001);
    assert_int_equal(time_of(w, "s", "{\"t\":0}"), 0);
    assert_int_equal(time_of(w, "s", "{\"t\":-1}"), -1000000);
    assert_int_equal(time_of(w, "ms", "{\"t\":5}"), 5000);
    assert_int_equal(time_of(w, "us", "{\"t\":5}"), 5);
    assert_int_equal(time_of(w, "ns", "{\"t\":-1}"), -1);
}

static void event_time_that_cannot_be_is_refused_and_ahead_of_arrival_is_clamped(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"time\":{\"field\":\"t\",\"format\":\"rfc3339\"},\"skew\":\"10s\"}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    assert_false(add(w, writer, "{\"u\":1}"));
    assert_non_null(strstr(w->err.message, "has no field \"t\""));
    assert_false(add(w, writer, "{\"t\":12}"));
    assert_false(add(w, writer, "{\"t\":\"yesterday\"}"));
    assert_false(add(w, writer, "{\"t\":[1]}"));
    push(w, stream, "{\"t\":\"2099-01-01T00:00:00Z\"}");
    int64_t at_us, now_us = su_now_us();
    free(bodies(w, stream, stream->log, &at_us));
    assert_true(at_us > now_us - 60 * 1000000LL && at_us <= now_us + 11 * 1000000LL);
}

static void message_without_its_time_may_get_its_arrival(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"time\":{\"field\":\"t\",\"missing\":\"arrival\"}}");
    push(w, stream, "{}");
    int64_t at_us;
    free(bodies(w, stream, stream->log, &at_us));
    assert_true(at_us > su_now_us() - 60 * 1000000LL);
}

/* --- schema and places ---------------------------------------------------------- */

static const char *kind_of(json_t *json, const char *name)
{
    size_t i;
    json_t *field;
    json_array_foreach(json_object_get(json_object_get(json, "schema"), "fields"), i, field)
        if (strcmp(su_json_string(field, "name", ""), name) == 0)
            return su_json_string(field, "kind", "");
    return "absent";
}

static void schema_grows_widens_and_is_versioned(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{}");
    push(w, stream, "{\"a\":1,\"user\":{\"name\":\"x\"},\"tags\":[1]}");
    SU_AUTO_JSON json_t *first = describe(w, stream);
    assert_string_equal(kind_of(first, "a"), "int");
    assert_string_equal(kind_of(first, "user.name"), "text");
    assert_string_equal(kind_of(first, "tags"), "json");
    push(w, stream, "{\"a\":1}");
    push(w, stream, "{\"a\":1.5,\"b\":true}");
    push(w, stream, "{\"a\":[2]}");
    SU_AUTO_JSON json_t *second = describe(w, stream);
    assert_string_equal(kind_of(second, "a"), "float");
    assert_string_equal(kind_of(second, "a:json"), "json");
    assert_string_equal(kind_of(second, "b"), "bool");
    assert_int_equal(su_json_int(json_object_get(first, "schema"), "version", 0), 1);
    assert_int_equal(su_json_int(json_object_get(second, "schema"), "version", 0), 3);
    close_world(w);
    open_world(w);
    push(w, stream, "{\"a\":\"x\"}");
    SU_AUTO_JSON json_t *third = describe(w, stream);
    assert_string_equal(kind_of(third, "a"), "text");
    assert_int_equal(su_json_int(json_object_get(third, "schema"), "version", 0), 4);
}

static uint64_t place(struct world *w, struct stream *stream, const char *text)
{
    uint64_t offset;
    STORE_READ(w->store, db);
    if (!stream_position(w->streams, stream, db, text, &offset, &w->err))
        fail_msg("%s", w->err.message);
    return offset;
}

static void places_are_offsets_times_and_durations(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{\"time\":{\"field\":\"t\",\"format\":\"s\"}}");
    push(w, stream, "[{\"t\":100},{\"t\":110},{\"t\":120}]");
    push(w, stream, "[{\"t\":130},{\"t\":125},{\"t\":140}]");
    assert_int_equal(place(w, stream, "earliest"), 0);
    assert_int_equal(place(w, stream, "latest"), 6);
    assert_int_equal(place(w, stream, "4"), 4);
    assert_int_equal(place(w, stream, "1970-01-01T00:02:00Z"), 2);
    assert_int_equal(place(w, stream, "15s"), 3);
    struct log_range range;
    STORE_READ(w->store, db);
    assert_true(stream_range(w->streams, stream, db, NULL, NULL, "16s", &range, &w->err));
    assert_int_equal(range.from, 3);
    assert_int_equal(range.to, 6);
    assert_int_equal(range.time_from_us, 124000001);
    assert_true(stream_range(w->streams, stream, db, "1970-01-01T00:01:45Z", "4", NULL, &range, &w->err));
    assert_int_equal(range.from, 1);
    assert_int_equal(range.to, 4);
    assert_false(stream_range(w->streams, stream, db, "1", NULL, "16s", &range, &w->err));
    assert_false(stream_range(w->streams, stream, db, "soon", NULL, NULL, &range, &w->err));
}

/* --- what repeats, what happens --------------------------------------------------- */

static bool seen(struct world *w, struct stream *stream, const char *id)
{
    bool is_seen;
    assert_true(stream_seen_id(w->streams, stream, su_str_of(id), &is_seen, &w->err));
    return is_seen;
}

static void message_ids_are_known_again_after_a_restart(void **state)
{
    struct world *w = *state;
    STREAM_AUTO struct stream *stream = make(w, "s", "{}");
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    assert_true(stream_writer_open(w->streams, stream, &writer, &w->err));
    for (int i = 0; i < 3000; i++) {
        char id[32];
        snprintf(id, sizeof id, "m-%d", i);
        assert_false(seen(w, stream, id));
        assert_true(stream_writer_add(writer, &(struct stream_arrival){.body = SU_STR("1"), .id = su_str_of(id)}, &w->err));
    }
    assert_true(stream_writer_commit(writer, NULL, &appended, &w->err));
    assert_true(seen(w, stream, "m-0"));
    stream_writer_close(su_take(writer));
    close_world(w);
    open_world(w);
    assert_true(seen(w, stream, "m-0"));
    assert_true(seen(w, stream, "m-2999"));
    assert_false(seen(w, stream, "m-3000"));
    assert_true(seen(w, stream, "m-3000"));
    stream_forget_ids(w->streams, stream);
    assert_false(seen(w, stream, "m-3000"));
}

static void what_happens_to_a_tenant_is_a_stream(void **state)
{
    struct world *w = *state;
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:i}", "name", "x.csv", "version", 3);
    su_bus_publish(w->bus, "tenant/main", "object.created", detail);
    close_world(w);     /* flushes */
    open_world(w);
    STREAM_AUTO struct stream *stream = NULL;
    assert_true(stream_get(w->streams, "main", "_events", &stream, &w->err));
    SU_AUTO_FREE char *all = bodies(w, stream, stream->log, NULL);
    assert_string_equal(all, "{\"event\":\"object.created\",\"name\":\"x.csv\",\"version\":3}|");
    SU_AUTO_JSON json_t *json = describe(w, stream);
    assert_string_equal(kind_of(json, "version"), "int");
    assert_string_equal(su_json_string(json_object_get(json_object_get(json, "definition"), "source"), "kind", ""), "system");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(definition_is_completed_and_kept_over_a_restart),
        TEST(definition_with_a_fault_says_where),
        TEST(name_may_not_be_taken_for_an_address_or_for_ours),
        TEST(change_keeps_the_messages_and_conditions_hold),
        TEST(parent_of_a_derived_stream_is_not_deleted_without_force),
        TEST(appended_messages_are_read_back_in_order_with_offsets),
        TEST(message_that_holds_a_bad_record_leaves_the_batch_as_it_was),
        TEST(batch_of_a_known_key_counts_once),
        TEST(failure_beside_an_append_undoes_it_and_keeps_the_batch),
        TEST(dead_letters_carry_the_body_and_the_reason),
        TEST(too_large_a_message_names_the_limit),
        TEST(stream_has_a_rate_limit_of_its_own),
        TEST(paused_stream_takes_nothing),
        TEST(event_time_is_read_in_its_formats),
        TEST(event_time_that_cannot_be_is_refused_and_ahead_of_arrival_is_clamped),
        TEST(message_without_its_time_may_get_its_arrival),
        TEST(schema_grows_widens_and_is_versioned),
        TEST(places_are_offsets_times_and_durations),
        TEST(message_ids_are_known_again_after_a_restart),
        TEST(what_happens_to_a_tenant_is_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
