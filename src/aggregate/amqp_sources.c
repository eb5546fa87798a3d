/* All AMQP sources: see amqp_sources.h.  Layer aggregate; the thread "amqp". */
#include "amqp_sources.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "amqp_definition.h"
#include "amqp_link.h"
#include "amqp_source.h"
#include "base/log.h"
#include "base/thread.h"

enum { CONNECTIONS_MAX = 256, TESTS_MAX = 2, GRACE_MS = 4000, TEST_MS = 2500 };

struct amqp_sources {
    struct streams *streams;
    struct secrets *secrets;
    uint32_t connections_max;
    struct su_thread thread;
    struct su_bus_subscription *on_streams, *on_secrets;
    struct su_lock lock;            /* the three below */
    bool is_closing, is_changed, is_secret_changed;
    /* The thread's own. */
    struct amqp_source **running;
    size_t count;
    _Atomic int tests;
};

/* ------------------------------------------------------------ follow */

struct wanted { struct stream **streams; size_t count, capacity; };

static bool add_wanted(void *arg, struct stream *stream)
{
    struct wanted *wanted = arg;
    if (wanted->count == wanted->capacity) {
        wanted->capacity = wanted->capacity ? 2 * wanted->capacity : 16;
        wanted->streams = su_realloc(wanted->streams, wanted->capacity * sizeof *wanted->streams);
    }
    wanted->streams[wanted->count++] = stream;
    return true;
}

static struct stream *find_wanted(const struct wanted *wanted, const struct stream *stream)
{
    for (size_t i = 0; i < wanted->count; i++)
        if (wanted->streams[i]->id == stream->id && wanted->streams[i]->version == stream->version)
            return wanted->streams[i];
    return NULL;
}

static bool is_running(const struct amqp_sources *sources, const struct stream *stream)
{
    for (size_t i = 0; i < sources->count; i++)
        if (amqp_source_stream(sources->running[i])->id == stream->id)
            return true;
    return false;
}

/* What is gone, paused or has changed; all at once, so that one slow one delays no other. */
static void stop_old(struct amqp_sources *sources, const struct wanted *wanted)
{
    size_t kept = 0, ending = 0;
    struct amqp_source **old = su_alloc((sources->count + 1) * sizeof(struct amqp_source *));
    for (size_t i = 0; i < sources->count; i++) {
        struct amqp_source *source = sources->running[i];
        const struct stream *now = wanted ? find_wanted(wanted, amqp_source_stream(source)) : NULL;
        if (now && !now->is_paused) {
            sources->running[kept++] = source;
            continue;
        }
        amqp_source_stop(source);
        old[ending++] = source;
    }
    sources->count = kept;
    for (size_t i = 0; i < ending; i++)
        amqp_source_free(old[i], GRACE_MS);
    free(old);
}

static void say(struct amqp_sources *sources, struct stream *stream, const char *state, const char *message)
{
    stream_status(sources->streams, stream, json_pack("{s:s, s:s*}", "state", state, "message", message));
}

static void start_new(struct amqp_sources *sources, const struct wanted *wanted)
{
    sources->running = su_realloc(sources->running, (sources->count + wanted->count + 1) * sizeof(struct amqp_source *));
    for (size_t i = 0; i < wanted->count; i++) {
        struct stream *stream = wanted->streams[i];
        if (stream->is_paused)
            say(sources, stream, "paused", NULL);
        else if (is_running(sources, stream))
            continue;
        else if (sources->count >= sources->connections_max)
            say(sources, stream, "waiting", "the server keeps as many AMQP connections as it may: pause or delete a stream with such a source");
        else
            sources->running[sources->count++] = amqp_source_start(sources->streams, sources->secrets, stream);
    }
}

static void look(struct amqp_sources *sources)
{
    struct wanted wanted = {0};
    struct su_err err;
    if (stream_each(sources->streams, STREAM_AMQP, add_wanted, &wanted, &err)) {
        stop_old(sources, &wanted);
        start_new(sources, &wanted);
    } else
        su_log_error("amqp.definitions", &err);
    for (size_t i = 0; i < wanted.count; i++)
        stream_unref(wanted.streams[i]);
    free(wanted.streams);
}

static void run(void *arg)
{
    struct amqp_sources *sources = arg;
    su_lock(&sources->lock);
    while (!sources->is_closing) {
        bool is_changed = sources->is_changed, is_secret_changed = sources->is_secret_changed;
        sources->is_changed = sources->is_secret_changed = false;
        if (!is_changed && !is_secret_changed) {
            su_wait(&sources->lock);
            continue;
        }
        su_unlock(&sources->lock);
        if (is_changed)
            look(sources);
        for (size_t i = 0; is_secret_changed && i < sources->count; i++)
            amqp_source_hurry(sources->running[i]);
        su_lock(&sources->lock);
    }
    su_unlock(&sources->lock);
    stop_old(sources, NULL);
}

static void on_streams(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct amqp_sources *sources = arg;
    SU_LOCKED(&sources->lock);
    sources->is_changed = true;
    su_wake(&sources->lock);
}

static void on_secrets(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct amqp_sources *sources = arg;
    SU_LOCKED(&sources->lock);
    sources->is_secret_changed = true;
    su_wake(&sources->lock);
}

/* -------------------------------------------------------------- life */

bool amqp_sources_open(struct streams *streams, struct secrets *secrets, const struct amqp_sources_options *options,
                       struct amqp_sources **ret, struct su_err *err)
{
    struct amqp_sources *sources = su_alloc(sizeof *sources);
    *sources = (struct amqp_sources){.streams = streams, .secrets = secrets, .is_changed = true,
                                     .connections_max = options && options->connections_max ? options->connections_max : CONNECTIONS_MAX};
    su_lock_init(&sources->lock);
    sources->on_streams = su_bus_subscribe(streams_bus(streams), "streams", on_streams, sources);
    sources->on_secrets = su_bus_subscribe(streams_bus(streams), "secrets", on_secrets, sources);
    su_thread_start(&sources->thread, "amqp", run, sources);
    *ret = sources;
    return true;
}

void amqp_sources_close(struct amqp_sources *sources)
{
    if (!sources)
        return;
    su_bus_unsubscribe(streams_bus(sources->streams), sources->on_streams);
    su_bus_unsubscribe(streams_bus(sources->streams), sources->on_secrets);
    su_lock(&sources->lock);
    sources->is_closing = true;
    su_wake(&sources->lock);
    su_unlock(&sources->lock);
    su_thread_join(&sources->thread);
    free(sources->running);
    su_lock_done(&sources->lock);
    free(sources);
}

/* -------------------------------------------------------------- test */

struct testing {
    struct amqp_definition definition;
    struct secret *secret;
    json_t *answer;
    bool is_done;
    struct su_err err;
};

static void test(void *arg)
{
    struct testing *testing = arg;
    struct amqp_link *link = NULL;
    struct amqp_queue queue;
    const struct amqp_link_options options = {.timeout_ms = TEST_MS, .body_max = 1};
    if (!amqp_link_open(&testing->definition, testing->secret ? secret_reveal(testing->secret) : SU_STR("guest"), &options, &link, &testing->err))
        return;
    bool is_there = amqp_link_declare(link, true, &queue, &testing->err);
    testing->is_done = is_there || (testing->definition.is_declared && testing->err.code == SU_NOT_FOUND);
    if (testing->is_done)
        testing->answer = json_pack("{s:b, s:{s:s, s:s}, s:o}", "ok", 1, "server", "product", amqp_link_product(link), "version",
                                    amqp_link_version(link), "queue",
                                    is_there ? json_pack("{s:I, s:I}", "messages", (json_int_t)queue.messages, "consumers", (json_int_t)queue.consumers)
                                             : json_null());
    amqp_link_close(link);
}

bool amqp_sources_test(struct amqp_sources *sources, const char *tenant, const json_t *source, json_t **ret, struct su_err *err)
{
    struct testing testing = {0};
    if (!amqp_definition_read(source, &testing.definition, err))
        return false;
    bool is_ready = !testing.definition.secret || secret_get(sources->secrets, tenant, testing.definition.secret, &testing.secret, err);
    if (is_ready && atomic_fetch_add(&sources->tests, 1) >= TESTS_MAX) {
        atomic_fetch_sub(&sources->tests, 1);
        is_ready = su_fail_slug(err, "too-many-requests", "%d connections are being tried already: try again in a few seconds", TESTS_MAX);
    } else if (is_ready) {
        struct su_thread thread = {0};
        su_thread_start_with_stack(&thread, "amqp-test", AMQP_STACK_BYTES, test, &testing);
        su_thread_join(&thread);
        atomic_fetch_sub(&sources->tests, 1);
        is_ready = testing.is_done;
        if (is_ready)
            *ret = testing.answer;
        else
            *err = testing.err;
    }
    secret_free(testing.secret);
    amqp_definition_done(&testing.definition);
    return is_ready;
}
