/* Acting without a server: signatures, pauses between tries, the outbox, iterations that happen whole or not at all. */
#include "check.h"
#include "act/action.h"
#include "act/decision.h"
#include "act/delivery.h"
#include "act/guard_facts.h"
#include "act/iteration.h"
#include "act/model.h"
#include "act/outbox.h"
#include "act/signature.h"
#include "act/silence.h"
#include "aggregate/blobref.h"
#include "aggregate/fetch.h"
#include "aggregate/object.h"

struct world {
    char *dir;
    struct su_bus *bus;
    struct store *store;
    struct logs *logs;
    struct streams *streams;
    struct objects *objects;
    struct fetches *fetches;
    struct consumers *consumers;
    struct actions *actions;
    struct models *models;
    struct iterations *iterations;
    struct stream *stream;
    int64_t epoch;
    struct su_err err;
};

static void open_world(struct world *w)
{
    static const struct store_migration *const migrations[] = {
        blobref_migrations, log_migrations, stream_migrations, object_migrations, fetch_migrations, consumer_migrations,
        action_migrations, decision_migrations, guard_migrations, silence_migrations, model_migrations, NULL};
    static const char *const allow[] = {"127.0.0.1:9", NULL};
    const struct fetches_options fetches_options = {.allow = allow};
    const struct log_options log_options = {.owner = {blobref_hold, blobref_release, blobref_collect}};
    w->bus = su_bus_new();
    if (!store_open(w->dir, migrations, &w->store, &w->err) || !logs_open(w->store, &log_options, &w->logs, &w->err)
        || !objects_open(w->store, w->bus, NULL, &w->objects, &w->err)
        || !streams_open(w->store, w->logs, w->bus, NULL, &w->streams, &w->err)
        || !fetches_open(w->store, w->objects, w->bus, &fetches_options, &w->fetches, &w->err)
        || !consumers_open(w->streams, &w->consumers, &w->err)
        || !actions_open(&(struct action_services){.store = w->store, .bus = w->bus, .fetches = w->fetches}, &w->actions, &w->err)
        || !models_open(w->store, w->bus, w->objects, &w->models, &w->err)
        || !iterations_open(w->store, w->bus, w->models, w->consumers, &w->iterations, &w->err))
        fail_msg("%s", w->err.message);
}

static void close_world(struct world *w)
{
    stream_unref(w->stream);
    iterations_close(w->iterations);
    models_close(w->models);
    actions_close(w->actions);
    consumers_close(w->consumers);
    fetches_close(w->fetches);
    streams_close(w->streams);
    objects_close(w->objects);
    logs_close(w->logs);
    store_close(w->store);
    su_bus_free(w->bus);
}

static void say(struct world *w, int64_t second)
{
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    SU_AUTO_FREE char *body = su_format("{\"ts\": %lld}", (long long)second);
    const struct stream_arrival arrival = {.body = su_str_of(body)};
    if (!stream_writer_open(w->streams, w->stream, &writer, &w->err) || !stream_writer_add(writer, &arrival, &w->err)
        || !stream_writer_commit(writer, &(struct stream_commit){0}, &appended, &w->err))
        fail_msg("%s", w->err.message);
}

static json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static int set_up(void **state)
{
    struct su_err err;
    struct world *w = su_alloc(sizeof *w);
    void *dir;
    bool is_new;
    SU_AUTO_JSON json_t *definition = json_of("{\"source\": {\"kind\": \"push\"}, \"time\": {\"field\": \"ts\", \"format\": \"s\"}}");
    SU_AUTO_JSON json_t *settings = json_of("{\"every\": \"10s\", \"from\": \"earliest\"}");
    SU_AUTO_JSON json_t *consumer = NULL;
    scratch_make(&dir);
    w->dir = dir;
    open_world(w);
    check_ok(stream_put(w->streams, "main", "s", definition, NULL, NULL, "owner", &w->stream, NULL, &err));
    check_ok(consumer_put(w->consumers, w->stream, "c", settings, "owner", &consumer, &is_new, &err));
    assert_true(is_new);
    check_ok(consumer_claim(w->consumers, w->stream, "c", "owner", &w->epoch, &err));
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    void *dir = w->dir;
    close_world(w);
    scratch_remove(&dir);
    free(w);
    return 0;
}

/* --- pure ----------------------------------------------------------------------- */

static void signatures_are_those_of_standard_webhooks(void **state)
{
    /* The example of the specification's libraries. */
    struct su_err err;
    char signature[SIGNATURE_SIZE];
    check_ok(signature_make(SU_STR("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                            SU_STR("{\"test\": 2432232314}"), signature, &err));
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    check_ok(signature_make(SU_STR("plain text"), "id", 1, SU_STR("{}"), signature, &err));
    check_fails(signature_make(SU_STR("whsec_*"), "id", 1, SU_STR("{}"), signature, &err), SU_INVALID, "no base64");
    check_fails(signature_make(SU_STR("whsec_"), "id", 1, SU_STR("{}"), signature, &err), SU_INVALID, "no base64");
}

static void pauses_double_up_to_ten_minutes(void **state)
{
    assert_int_equal(delivery_pause_ms(1000, 1, 1.0), 1000);
    assert_int_equal(delivery_pause_ms(1000, 1, 0.0), 500);
    assert_int_equal(delivery_pause_ms(1000, 4, 1.0), 8000);
    assert_int_equal(delivery_pause_ms(1000, 500, 1.0), 600000);
    assert_true(action_webhook_is_final(400) && action_webhook_is_final(410) && action_webhook_is_final(422));
    assert_false(action_webhook_is_final(404) || action_webhook_is_final(500) || action_webhook_is_final(429) || action_webhook_is_final(302));
}

/* --- actions ---------------------------------------------------------------------- */

static bool put_action(struct world *w, const char *name, const char *text, struct su_err *err)
{
    SU_AUTO_JSON json_t *settings = json_of(text);
    SU_AUTO_JSON json_t *action = NULL;
    bool is_new;
    return action_put(w->actions, "main", name, settings, "owner", &action, &is_new, err);
}

static void targets_are_checked(void **state)
{
    struct world *w = *state;
    struct su_err err;
    check_ok(put_action(w, "a", "{\"webhook\": \"http://127.0.0.1:9/hook\", \"headers\": {\"X-Team\": \"ops\"}, \"secret\": null}", &err));
    check_ok(put_action(w, "b", "{\"webhook\": \"https://example.org/hook\"}", &err));
    check_fails(put_action(w, "c", "{\"webhook\": \"http://127.0.0.1:10/hook\"}", &err), SU_DENIED, "not a public address");
    check_fails(put_action(w, "c", "{\"webhook\": \"http://[::1]/\"}", &err), SU_DENIED, "not a public address");
    check_fails(put_action(w, "c", "{\"webhook\": \"http://169.254.169.254/\"}", &err), SU_DENIED, "not a public address");
    check_fails(put_action(w, "c", "{\"webhook\": \"http://localhost/\"}", &err), SU_DENIED, "not a public address");
    check_fails(put_action(w, "c", "{\"webhook\": \"ftp://example.org/\"}", &err), SU_INVALID, "http and https");
    check_fails(put_action(w, "c", "{\"webhook\": \"https://u:p@example.org/\"}", &err), SU_INVALID, "user or password");
    check_fails(put_action(w, "c", "{}", &err), SU_INVALID, "webhook");
    check_fails(put_action(w, "c/d", "{\"webhook\": \"https://example.org/\"}", &err), SU_INVALID, "name");
    check_fails(put_action(w, "c", "{\"webhook\": \"https://example.org/\", \"headers\": {\"Host\": \"x\"}}", &err), SU_INVALID, "can't be set");
    check_fails(put_action(w, "c", "{\"webhook\": \"https://example.org/\", \"headers\": {\"X\": \"a\\r\\nb\"}}", &err), SU_INVALID, "one line");
}

/* --- iterations -------------------------------------------------------------------- */

static bool commit(struct world *w, int64_t start_s, const char *decisions, const char *models, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *list = json_loads(decisions, 0, NULL), *others = json_loads(models, 0, NULL);
    const struct iteration iteration = {.stream = w->stream, .consumer = "c", .user = "owner", .epoch = w->epoch, .start_us = start_s * 1000000,
                                        .decisions = list, .models = others};
    return iteration_commit(w->iterations, &iteration, ret, err);
}

static size_t decision_count(struct world *w)
{
    struct su_err err;
    SU_AUTO_JSON json_t *items = NULL;
    SU_AUTO_FREE char *next = NULL;
    check_ok(decision_list(w->store, &(struct decision_list){.tenant = "main", .limit = 100}, &items, &next, &err));
    return json_array_size(items);
}

static bool has_model(struct world *w)
{
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    return object_get(w->objects, &(struct object_key){.tenant = "main", .kind = OBJECT_DATA, .name = "models/m"}, &info, &err);
}

#define MODEL "[{\"name\": \"m\", \"content\": \"aGVsbG8=\", \"type\": \"text/plain\", \"metadata\": {\"score\": 1}}]"

static void an_iteration_commits_everything_once(void **state)
{
    struct world *w = *state;
    struct su_err err;
    SU_AUTO_JSON json_t *answer = NULL, *again = NULL;
    say(w, 1001), say(w, 1002), say(w, 1010);
    check_ok(put_action(w, "a", "{\"webhook\": \"https://example.org/hook\"}", &err));
    check_ok(commit(w, 1000, "[{\"action\": \"a\", \"parameters\": {\"by\": 1}, \"reason\": \"why\"}, {\"action\": \"a\"}]", MODEL, &answer, &err));
    assert_int_equal(su_json_int(answer, "iteration", 0), 1);
    assert_int_equal(json_array_size(json_object_get(answer, "decisions")), 2);
    assert_string_equal(su_json_string(json_array_get(json_object_get(answer, "models"), 0), "name", ""), "models/m");
    check_ok(commit(w, 1000, "[]", "[]", &again, &err));
    assert_true(json_equal(answer, again));
    assert_int_equal(decision_count(w), 2);
    assert_true(has_model(w));
}

static void a_part_that_fails_undoes_all(void **state)
{
    struct world *w = *state;
    struct su_err err;
    SU_AUTO_JSON json_t *answer = NULL;
    say(w, 1001), say(w, 1010);
    check_ok(put_action(w, "a", "{\"webhook\": \"https://example.org/hook\"}", &err));
    check_fails(commit(w, 1000, "[{\"action\": \"a\"}, {\"action\": \"nobody\"}]", MODEL, &answer, &err), SU_NOT_FOUND, "there is no action \"nobody\"");
    assert_string_equal(err.field, "/decisions/1/action");
    check_fails(commit(w, 1000, "[{\"action\": \"a\"}]", "[{\"name\": \"m\", \"content\": \"%\"}]", &answer, &err), SU_INVALID, "base64");
    check_fails(commit(w, 990, "[{\"action\": \"a\"}]", MODEL, &answer, &err), SU_CONFLICT, "is not what consumer");
    check_fails(commit(w, 1000, "[{\"parameters\": {}}]", MODEL, &answer, &err), SU_INVALID, "action");
    w->epoch++;
    check_fails(commit(w, 1000, "[{\"action\": \"a\"}]", MODEL, &answer, &err), SU_CONFLICT, "never given");
    w->epoch--;
    assert_int_equal(decision_count(w), 0);
    assert_false(has_model(w));
    check_ok(commit(w, 1000, "[{\"action\": \"a\"}]", MODEL, &answer, &err));
    assert_int_equal(decision_count(w), 1);
    assert_true(has_model(w));
}

static void an_epoch_that_is_over_commits_nothing(void **state)
{
    struct world *w = *state;
    struct su_err err;
    SU_AUTO_JSON json_t *answer = NULL;
    int64_t other;
    say(w, 1001), say(w, 1010);
    check_ok(consumer_claim(w->consumers, w->stream, "c", "run 1", &other, &err));
    check_fails(commit(w, 1000, "[]", "[]", &answer, &err), SU_CONFLICT, "is over");
    assert_string_equal(err.slug, "fenced");
    w->epoch = other;
    check_ok(commit(w, 1000, "[]", "[]", &answer, &err));
}

/* --- the outbox ------------------------------------------------------------------------ */

static bool settle_job(struct sql *db, void *arg, struct su_err *err) { return outbox_settle(db, arg, err); }

static struct outbox_head head_of(struct world *w, const char *tenant, const char *action)
{
    struct su_err err;
    struct outbox_head head;
    STORE_READ(w->store, db);
    check_ok(outbox_next(db, tenant, action, &head, &err));
    return head;
}

static void the_outbox_keeps_the_order_of_each_action(void **state)
{
    struct world *w = *state;
    struct su_err err;
    SU_AUTO_JSON json_t *answer = NULL;
    say(w, 1001), say(w, 1010);
    check_ok(put_action(w, "a", "{\"webhook\": \"https://example.org/a\"}", &err));
    check_ok(put_action(w, "b", "{\"webhook\": \"https://example.org/b\"}", &err));
    check_ok(commit(w, 1000, "[{\"action\": \"b\"}, {\"action\": \"a\"}, {\"action\": \"a\"}]", "[]", &answer, &err));
    struct outbox_head a = head_of(w, "", ""), b = head_of(w, "main", "a"), end = head_of(w, "main", "b");
    assert_string_equal(a.action, "a");
    assert_string_equal(b.action, "b");
    assert_int_equal(end.number, 0);
    check_ok(store_write(w->store, settle_job, &(struct outbox_result){.tenant = "main", .action = "a", .number = a.number, .outcome = OUTBOX_AGAIN,
                                             .error = "the receiver answered 503", .due_ms = 77, .status = 503}, &err));
    struct outbox_head again = head_of(w, "", "");
    assert_int_equal(again.number, a.number);
    assert_int_equal(again.due_ms, 77);
    check_ok(store_write(w->store, settle_job, &(struct outbox_result){.tenant = "main", .action = "a", .number = a.number, .outcome = OUTBOX_SENT}, &err));
    struct outbox_head next = head_of(w, "", "");
    assert_int_equal(next.number, a.number + 1);
    check_ok(action_delete(w->actions, "main", "a", "owner", &err));
    struct outbox_head left = head_of(w, "", "");
    assert_string_equal(left.action, "b");
    struct outbox_head *heads[] = {&a, &b, &end, &again, &next, &left};
    for (size_t i = 0; i < SU_COUNT(heads); i++)
        outbox_head_done(heads[i]);
    SU_AUTO_JSON json_t *failed = NULL;
    SU_AUTO_FREE char *cursor = NULL;
    check_ok(decision_list(w->store, &(struct decision_list){.tenant = "main", .state = "failed", .limit = 10}, &failed, &cursor, &err));
    assert_int_equal(json_array_size(failed), 1);
    assert_non_null(strstr(su_json_string(json_array_get(failed, 0), "last_error", ""), "deleted"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_those_of_standard_webhooks),
        cmocka_unit_test(pauses_double_up_to_ten_minutes),
        cmocka_unit_test_setup_teardown(targets_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_iteration_commits_everything_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_part_that_fails_undoes_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_epoch_that_is_over_commits_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_outbox_keeps_the_order_of_each_action, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
