/* Workers, parking and the clock.  Layer api; threads "worker-N" and "http-clock".
 *
 * A request is queued at most once at a time, so the queue (as long as there are
 * connections) is never full.  What a worker does with it is its job: the
 * handler, the beginning of an upload, one filled buffer of it, or more events
 * for a stream.
 *
 * Parking misses nothing: the topic is subscribed to first, then the handler
 * runs once more, and only when the topic did not fire meanwhile the request is
 * parked.  A firing topic, the clock or draining take it out again. */
#include "server_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "idempotency.h"

/* ---------------------------------------------------------- parking */

void work_clock_by(struct server *server, int64_t at_ms)
{
    if (at_ms < server->clock_next_ms) {
        server->clock_next_ms = at_ms;
        su_wake(&server->lock);
    }
}

/* Locked. */
static void unpark(struct request *request)
{
    struct server *server = request->server;
    if (request->park_previous)
        request->park_previous->park_next = request->park_next;
    else
        server->parked = request->park_next;
    if (request->park_next)
        request->park_next->park_previous = request->park_previous;
    request->park_next = request->park_previous = NULL;
    server->parked_count--;
    request->place = AT_WORKER;
    su_assert(su_queue_try_put(server->queue, request));
}

/* On the publisher's thread. */
static void topic_fired(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct request *request = arg;
    SU_LOCKED(&request->server->lock);
    request->has_fired = true;
    if (request->place == AT_PARK)
        unpark(request);
}

void work_unsubscribe(struct request *request)
{
    if (request->subscription)
        su_bus_unsubscribe(request->services->bus, request->subscription);
    request->subscription = NULL;
    request->subscribed = NULL;
}

/* False: something happened meanwhile, run again. */
static bool park(struct request *request, const char *topic, int64_t until_ms)
{
    struct server *server = request->server;
    if (!request->subscribed || strcmp(request->subscribed, topic) != 0) {
        work_unsubscribe(request);
        request->subscribed = su_arena_strdup(request->arena, topic);
        request->subscription = su_bus_subscribe(request->services->bus, topic, topic_fired, request);
        return false;
    }
    SU_LOCKED(&server->lock);
    if (request->has_fired || server->is_draining || su_mono_ms() >= until_ms) {
        request->is_wait_over = server->is_draining || su_mono_ms() >= until_ms;
        request->has_fired = false;
        return false;
    }
    request->deadline_ms = until_ms;
    request->place = AT_PARK;
    request->park_next = server->parked;
    if (server->parked)
        server->parked->park_previous = request;
    server->parked = request;
    server->parked_count++;
    work_clock_by(server, until_ms);
    return true;
}

void work_release_parked(struct server *server)
{
    while (server->parked) {
        server->parked->is_wait_over = true;
        unpark(server->parked);
    }
}

/* ------------------------------------------------------------- jobs */

/* From here on the request is the edge's. */
static void hand_back(struct request *request)
{
    request->place = AT_EDGE;
    edge_resume(request);
}

static void job_handle(struct request *request)
{
    struct su_err err;
    if (request->route->body == BODY_JSON && !request->json && !request_parse_body(request, &err)) {
        reply_error(&request->reply, &err);
        hand_back(request);
        return;
    }
    for (;;) {
        if (idempotency_replay(request))
            break;
        request->route->handle(request, &request->reply);
        su_assert(request->reply.kind != REPLY_NONE);
        if (request->reply.kind != REPLY_PARKED) {
            idempotency_store(request);
            break;
        }
        const char *topic = request->reply.topic;
        reply_clear(&request->reply);
        if (park(request, topic, request->deadline_ms))
            return;
    }
    hand_back(request);
}

static bool upload_run(struct request *request, bool (*step)(struct request *, struct su_err *))
{
    struct su_err err;
    if (step(request, &err))
        return true;
    struct upload *upload = &request->upload;
    if (upload->has_begun)
        request->route->upload->abort(upload->state);
    upload->has_begun = false;
    reply_error(&request->reply, &err);
    return false;
}

static bool step_begin(struct request *request, struct su_err *err)
{
    struct upload *upload = &request->upload;
    upload->has_begun = request->route->upload->begin(request, &upload->state, err);
    return upload->has_begun;
}

static bool step_add(struct request *request, struct su_err *err)
{
    struct upload *upload = &request->upload;
    return !upload->work.len || request->route->upload->add(request, upload->state, upload->work.ptr, upload->work.len, err);
}

static void job_begin(struct request *request)
{
    request->upload.has_failed = !upload_run(request, step_begin);
    hand_back(request);
}

static void upload_finish(struct request *request)
{
    struct upload *upload = &request->upload;
    if (!upload->has_failed) {
        upload->has_begun = false;
        request->route->upload->finish(request, upload->state, &request->reply);
        su_assert(request->reply.kind != REPLY_NONE);
    }
    hand_back(request);
}

static void swap_buffers(struct upload *upload)
{
    typeof(upload->fill) filled = upload->fill;
    upload->fill = upload->work;
    upload->work = filled;
    upload->fill.len = 0;
}

bool work_swap(struct request *request)
{
    swap_buffers(&request->upload);
    request->job = JOB_ADD;
    request->upload.is_working = su_queue_try_put(request->server->queue, request);
    return request->upload.is_working;
}

enum next { NEXT_NOTHING, NEXT_FINISH, NEXT_FREE };

/* A buffer is through: what did the edge do meanwhile? */
static enum next add_done(struct request *request, bool failed, bool *ret_resume)
{
    struct upload *upload = &request->upload;
    SU_LOCKED(&request->server->lock);
    if (failed)
        upload->has_failed = true;
    upload->work.len = 0;
    *ret_resume = false;
    if (request->is_abandoned)
        return NEXT_FREE;
    upload->is_working = false;
    if (upload->is_complete && (failed || !upload->fill.len))
        return NEXT_FINISH;     /* the connection is suspended, so nobody abandons the request meanwhile */
    if (upload->edge_waits || upload->is_complete) {
        *ret_resume = upload->edge_waits;
        upload->edge_waits = false;
        if (!failed && upload->fill.len) {
            bool is_closing = !work_swap(request);
            if (is_closing)
                upload->has_failed = true;
            *ret_resume |= is_closing;
        }
    }
    return NEXT_NOTHING;
}

static void job_add(struct request *request)
{
    struct upload *upload = &request->upload;
    bool failed = upload->has_failed, must_resume;
    if (!failed && upload->is_whole && !upload->has_begun)
        failed = !upload_run(request, step_begin);
    if (!failed)
        failed = !upload_run(request, step_add);
    switch (add_done(request, failed, &must_resume)) {
    case NEXT_NOTHING:
        if (must_resume)
            hand_back(request);
        break;
    case NEXT_FINISH: upload_finish(request); break;
    case NEXT_FREE: request_free(request); break;
    }
}

bool work_abandon(struct request *request)
{
    SU_LOCKED(&request->server->lock);
    request->is_abandoned = true;
    return request->upload.is_working;
}

/* --------------------------------------------------------- streams */

static bool stream_ends(struct request *request)
{
    struct server *server = request->server;
    su_lock(&server->lock);
    bool ends = server->is_draining;
    su_unlock(&server->lock);
    return ends || !accounts_still_valid(request->services->accounts, &request->identity);
}

/* A reply that must be told whole, or break off. */
static void flow_fill(struct request *request)
{
    struct stream *stream = &request->stream;
    const struct reply *reply = &request->reply;
    while (!stream->out.len && !stream->is_ended) {
        bool is_valid = accounts_still_valid(request->services->accounts, &request->identity);
        stream->is_ended = !is_valid || !reply->source->fill(request, reply->source_state, &stream->out);
        stream->is_broken = !is_valid || stream->out.failed;
        stream->is_ended |= stream->is_broken;
    }
    hand_back(request);
}

static void job_fill(struct request *request)
{
    struct stream *stream = &request->stream;
    const struct reply *reply = &request->reply;
    for (;;) {
        if (stream_ends(request))
            stream->is_ended = true;
        else if (!reply->source->fill(request, reply->source_state, &stream->out))
            stream->is_ended = true;
        if (stream->out.failed)     /* an event larger than EVENTS_MAX: the stream can't be told whole */
            stream->is_ended = true;
        int64_t now = su_mono_ms();
        if (!stream->out.len && !stream->is_ended && now >= stream->heartbeat_ms)
            su_buf_adds(&stream->out, ": still here\n\n");
        if (stream->out.len || stream->is_ended) {
            stream->heartbeat_ms = now + HEARTBEAT_MS;
            break;
        }
        if (park(request, reply->topic, stream->heartbeat_ms))
            return;
    }
    hand_back(request);
}

/* ---------------------------------------------------------- threads */

static void worker_main(void *arg)
{
    struct server *server = arg;
    for (struct request *request; (request = su_queue_get(server->queue));) {
        su_assert(request->magic == REQUEST_MAGIC);
        switch (request->job) {
        case JOB_BEGIN: job_begin(request); break;
        case JOB_ADD: job_add(request); break;
        case JOB_HANDLE: job_handle(request); break;
        case JOB_FILL: request->reply.kind == REPLY_FLOW ? flow_fill(request) : job_fill(request); break;
        case JOB_COUNT: su_assert(false);
        }
    }
}

bool work_is_full(struct server *server) { return su_queue_length(server->queue) >= server->limits.queued_requests; }

bool work_submit(struct request *request, enum job job)
{
    request->job = job;
    request->place = AT_WORKER;
    return su_queue_try_put(request->server->queue, request);
}

/* A body that crawls is answered with 408, a head that crawls with silence. */
static bool is_slow_body(const struct server *server, const struct request *request, int64_t now_ns)
{
    int64_t seconds = (now_ns - request->began_ns) / 1000000000;
    return request->phase == PHASE_BODY && request->place == AT_EDGE && seconds > (int64_t)server->limits.body_grace_s &&
           request->bytes_in / (uint64_t)seconds < server->limits.body_rate_bytes;
}

/* Its sender had time to read the answer. */
static bool lingers(const struct request *request, int64_t now_ms)
{
    return request->phase == PHASE_ANSWERED && now_ms - request->answered_ms > LINGER_MS;
}

static void refuse_slow_body(struct connection *connection)
{
    struct su_err err;
    struct request scratch = {.arena = su_arena_new(), .server = connection->request->server, .method = "", .reply.fd = -1};
    reply_init(&scratch.reply, &scratch);
    su_fail_slug(&err, "request-timeout", "the body came too slowly");
    reply_error(&scratch.reply, &err);
    edge_answer_now(connection, &scratch.reply);
    reply_clear(&scratch.reply);
    su_arena_free(scratch.arena);
}

static void watch_connections(struct server *server)
{
    int64_t now_ms = su_mono_ms(), now_ns = su_mono_ns();
    for (struct connection *connection = server->connections; connection; connection = connection->next) {
        struct request *request = connection->request;
        if (connection->is_shut)
            continue;
        if (request && lingers(request, now_ms)) {
            connection->is_shut = true;
            shutdown(connection->fd, SHUT_RDWR);
            continue;
        }
        if (request && !is_slow_body(server, request, now_ns))
            continue;
        if (!request && now_ms - connection->idle_since_ms < (int64_t)(server->limits.head_s * 1000))
            continue;
        if (request)
            refuse_slow_body(connection);
        server->stats.slow++;
        connection->is_shut = true;
        shutdown(connection->fd, SHUT_RDWR);
    }
}

static void watch_parked(struct server *server, bool look_at_credentials)
{
    int64_t now = su_mono_ms();
    for (struct request *request = server->parked, *next; request; request = next) {
        next = request->park_next;
        bool is_stream = request->job == JOB_FILL;
        if (now >= request->deadline_ms) {
            request->is_wait_over = !is_stream;
            unpark(request);
        } else if (is_stream && look_at_credentials && !accounts_still_valid(server->services.accounts, &request->identity)) {
            unpark(request);
        } else if (request->deadline_ms < server->clock_next_ms) {
            server->clock_next_ms = request->deadline_ms;
        }
    }
}

static void clock_main(void *arg)
{
    struct server *server = arg;
    int64_t watched = 0;
    SU_LOCKED(&server->lock);
    while (!server->is_closing) {
        int64_t now = su_mono_ms();
        bool is_second = now - watched >= 1000;
        server->clock_next_ms = server->connection_count ? (is_second ? now : watched) + 1000 : INT64_MAX;
        if (is_second) {
            watched = now;
            watch_connections(server);
        }
        watch_parked(server, is_second);
        if (server->clock_next_ms == INT64_MAX)
            su_wait(&server->lock);
        else
            su_wait_until(&server->lock, server->clock_next_ms);
    }
}

void work_start(struct server *server)
{
    server->queue = su_queue_new(2 * server->limits.connections + 64);
    server->workers = su_alloc(server->limits.workers * sizeof *server->workers);
    for (size_t i = 0; i < server->limits.workers; i++) {
        char name[16];
        snprintf(name, sizeof name, "worker-%zu", i % 1000);
        su_thread_start(&server->workers[i], name, worker_main, server);
    }
    server->clock_next_ms = INT64_MAX;
    su_thread_start(&server->clock, "http-clock", clock_main, server);
}

void work_stop(struct server *server)
{
    su_lock(&server->lock);
    server->is_draining = server->is_closing = true;    /* nothing parks from here on */
    work_release_parked(server);
    su_wake(&server->lock);
    su_unlock(&server->lock);
    su_queue_close(server->queue);
    for (size_t i = 0; i < server->limits.workers; i++)
        su_thread_join(&server->workers[i]);
    su_thread_join(&server->clock);
}
