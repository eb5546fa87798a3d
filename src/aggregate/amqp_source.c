/* A stream's AMQP source: see amqp_source.h.  Layer aggregate; a thread each.
 *
 * Batches follow the rate: when messages come slowly each is committed as it comes;
 * when they come fast the thread naps for a moment with the socket unread, so that one
 * read, one commit and one acknowledgement serve many.  The broker's prefetch bounds what
 * is under way: half of it is the largest batch, so the broker always has leave to send. */
#include "amqp_source.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "amqp_definition.h"
#include "amqp_link.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "stream_private.h"

enum {
    BATCH_MAX = 4096,               /* messages */
    BATCH_BYTES = 4 << 20,
    GATHER_US = 15000,              /* how long a batch may gather */
    NAP_US = 3000,
    FAST = 30,                      /* messages that would come within GATHER_US: below it nobody naps */
    BODY_KEPT = 1 << 20,            /* of a body that is too large anyway, for the dead letters */
    STALL_MS = 200, GIVE_UP_MS = 3000,
    PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 30 * 1000,
    GOOD_MS = 10 * 1000,            /* a connection that lived so long was a good one */
    STATUS_MS = 1000,
};

struct amqp_source {
    struct streams *streams;
    struct secrets *secrets;
    struct stream *stream;
    struct amqp_definition definition;
    struct su_thread thread;
    int wake_fd;
    _Atomic bool is_stopping, is_hurried;
    struct su_lock lock;            /* the two below */
    int socket_fd;
    bool has_ended;
    /* The thread's own. */
    struct amqp_link *link;
    struct stream_writer *writer;
    uint64_t tag;                   /* the newest message taken */
    uint32_t pending;               /* messages taken and not yet acknowledged */
    bool has_ids;                   /* ids are remembered of messages that are not on disk */
    int64_t began_ns, flushed_ns;   /* when the batch began; when the last one ended */
    double per_us;                  /* rate of messages, smoothed */
    int64_t stopping_ms;            /* when it first saw that it shall stop */
    /* Status. */
    const char *state, *step;
    struct su_err why;
    bool has_failed;
    int64_t since_ms, shown_ms, next_try_ms;
    uint64_t received, repeated, dead, committed, shown_received;
    uint32_t failures, connections;
    struct amqp_queue queue;
};

/* ------------------------------------------------------------ status */

static void show(struct amqp_source *source)
{
    char since[SU_TIME_TEXT], next[SU_TIME_TEXT];
    const struct su_err *why = source->has_failed ? &source->why : NULL;
    json_t *status = json_pack("{s:s, s:s?, s:s, s:s*, s:s*, s:I, s:I, s:I, s:I, s:I}", "state", source->state, "step", source->step, "since",
                               su_time_text(source->since_ms, since), "message", why ? why->message : NULL, "hint",
                               why && why->hint[0] ? why->hint : NULL, "received", (json_int_t)source->received, "committed",
                               (json_int_t)source->committed, "repeated", (json_int_t)source->repeated, "dead", (json_int_t)source->dead,
                               "connections", (json_int_t)source->connections);
    if (!status)    /* a broker's words that are no text were taken out before */
        return;
    if (source->next_try_ms)
        json_object_set_new(status, "next_try_at", json_string(su_time_text(source->next_try_ms, next)));
    if (source->link) {
        json_object_set_new(status, "server",
                            json_pack("{s:s, s:s}", "product", amqp_link_product(source->link), "version", amqp_link_version(source->link)));
        json_object_set_new(status, "queue", json_pack("{s:I, s:I}", "messages", (json_int_t)source->queue.messages, "consumers",
                                                       (json_int_t)source->queue.consumers));
    }
    source->shown_ms = su_mono_ms();
    source->shown_received = source->received;
    stream_status(source->streams, source->stream, status);
}

/* state and step are literals. */
static void become(struct amqp_source *source, const char *state, const char *step)
{
    bool is_same = source->state && strcmp(source->state, state) == 0;
    source->state = state;
    source->step = step;
    if (!is_same)
        source->since_ms = su_now_ms();
    if (strcmp(state, "running") == 0)
        source->has_failed = false;
    show(source);
}

static void show_counts(struct amqp_source *source)
{
    if (su_mono_ms() - source->shown_ms >= STATUS_MS)
        show(source);
}

/* ----------------------------------------------------------- waiting */

/* Until something comes on fd (−1: nothing does), somebody wakes us, or the time is over. */
static void wait_for(struct amqp_source *source, int fd, int64_t timeout_us)
{
    struct pollfd wanted[2] = {{.fd = source->wake_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    struct timespec timeout = {timeout_us / 1000000, timeout_us % 1000000 * 1000};
    uint64_t ignored;
    if (ppoll(wanted, 2, &timeout, NULL) > 0 && wanted[0].revents)
        (void)!read(source->wake_fd, &ignored, sizeof ignored);
}

static void wake(struct amqp_source *source) { (void)!write(source->wake_fd, &(uint64_t){1}, sizeof(uint64_t)); }
static bool is_stopping(struct amqp_source *source) { return atomic_load_explicit(&source->is_stopping, memory_order_relaxed); }

/* ------------------------------------------------------------- batch */

/* Everything taken and not committed is forgotten: the broker delivers it again. */
static void abandon(struct amqp_source *source)
{
    if (source->has_ids)
        stream_forget_ids(source->streams, source->stream);
    stream_writer_clear(source->writer);
    source->pending = 0;
    source->has_ids = false;
}

static bool must_give_up(struct amqp_source *source)
{
    if (!is_stopping(source))
        return false;
    if (!source->stopping_ms)
        source->stopping_ms = su_mono_ms();
    return su_mono_ms() - source->stopping_ms > GIVE_UP_MS;
}

/* The disk is full or slow: the connection is kept alive and nothing is read meanwhile. */
static bool stall(struct amqp_source *source, const struct su_err *why, struct su_err *err)
{
    source->why = *why;
    source->has_failed = true;
    become(source, "stalled", "commit");
    wait_for(source, -1, (int64_t)STALL_MS * 1000);
    return amqp_link_beat(source->link, err);
}

static bool commit(struct amqp_source *source, struct su_err *err)
{
    struct stream_commit commit = {0};
    struct stream_appended appended;
    for (;;) {
        if (stream_writer_is_idle(source->writer) || stream_writer_commit(source->writer, &commit, &appended, err))
            return true;
        bool is_slow = err->slug && (strcmp(err->slug, "backpressure") == 0 || strcmp(err->slug, "rate-limited") == 0);
        if (err->code == SU_CONFLICT || err->code == SU_NOT_FOUND || must_give_up(source))
            return false;       /* the stream is gone, or the server ends */
        if (!is_slow || strcmp(source->state, "running") == 0)
            su_log(is_slow ? SU_LOG_DEBUG : SU_LOG_WARNING, "amqp.stalled", su_kv_text("stream", source->stream->name),
                   su_kv_text("message", err->message));
        struct su_err why = *err;
        if (!stall(source, &why, err))
            return false;
    }
}

static void learn_rate(struct amqp_source *source, int64_t now_ns)
{
    double us = (double)(now_ns - source->flushed_ns) / 1000;
    double rate = us > 0 ? source->pending / us : 0;
    source->per_us = source->flushed_ns ? 0.5 * source->per_us + 0.5 * rate : 0;
    source->flushed_ns = now_ns;
}

/* On disk first, then acknowledged. */
static bool flush(struct amqp_source *source, struct su_err *err)
{
    if (source->pending == 0)
        return true;
    uint32_t count = source->pending;
    if (!commit(source, err)) {
        abandon(source);
        return false;
    }
    learn_rate(source, su_mono_ns());
    source->pending = 0;
    source->has_ids = false;
    source->committed += count;
    if (!amqp_link_ack(source->link, source->tag, err))
        return false;
    if (strcmp(source->state, "running") != 0)
        become(source, "running", NULL);
    show_counts(source);
    return true;
}

static uint64_t body_max(const struct amqp_source *source)
{
    uint64_t max = source->stream->message_bytes ? source->stream->message_bytes : source->streams->options.message_bytes;
    return max > BODY_KEPT ? max : BODY_KEPT;
}

static bool add(struct amqp_source *source, const struct amqp_message *message, const struct stream_arrival *arrival, struct su_err *err)
{
    if (message->size <= message->body.len)
        return stream_writer_add(source->writer, arrival, err);
    return su_fail(err, SU_LIMIT, "the message has %llu bytes, which is too large: its first %zu are kept here", (unsigned long long)message->size,
                   message->body.len);
}

/* Into the batch, or with its reason into the dead letters; a batch that is full is committed first. */
static bool take(struct amqp_source *source, const struct amqp_message *message, struct su_err *err)
{
    const struct stream_arrival arrival = {.body = message->body, .id = message->id, .headers = message->headers, .time_us = message->time_us};
    struct su_err why;
    if (add(source, message, &arrival, &why))
        return true;
    if (why.slug && strcmp(why.slug, "batch-full") == 0) {
        if (!flush(source, err))
            return false;
        if (add(source, message, &arrival, &why))
            return true;
    }
    source->dead++;
    if (stream_writer_add_dead(source->writer, &arrival, &why, err))
        return true;
    return err->slug && strcmp(err->slug, "batch-full") == 0 && flush(source, err) &&
           stream_writer_add_dead(source->writer, &arrival, &why, err);
}

static bool receive(struct amqp_source *source, const struct amqp_message *message, struct su_err *err)
{
    bool is_seen = false, has_id = message->id.ptr && !source->definition.ignores_ids;
    source->received++;
    if (has_id && !stream_seen_id(source->streams, source->stream, message->id, &is_seen, err))
        return false;
    bool is_taken = is_seen || take(source, message, err);
    source->has_ids |= has_id && !is_seen;      /* also when an earlier batch was committed on the way */
    source->repeated += is_seen;
    if (!is_taken)
        return false;
    if (source->pending++ == 0)
        source->began_ns = su_mono_ns();
    source->tag = message->tag;
    return true;
}

/* --------------------------------------------------------------- run */

static uint32_t batch_max(const struct amqp_source *source)
{
    uint32_t half = (uint32_t)(source->definition.prefetch + 1) / 2;
    return half < BATCH_MAX ? half : BATCH_MAX;
}

/* The socket is empty: commit now, or let more come? */
static bool drained(struct amqp_source *source, struct su_err *err)
{
    int64_t age_us = (su_mono_ns() - source->began_ns) / 1000;
    if (source->pending == 0) {
        int wait_ms = amqp_link_wait_ms(source->link);
        if (source->shown_received != source->received) {
            show_counts(source);
            wait_ms = wait_ms < STATUS_MS ? wait_ms : STATUS_MS;    /* what came last is shown soon, too */
        }
        wait_for(source, amqp_link_fd(source->link), (int64_t)wait_ms * 1000);
        return true;
    }
    if (source->per_us * GATHER_US < FAST || age_us >= GATHER_US)
        return flush(source, err);
    wait_for(source, -1, NAP_US);
    return true;
}

static bool consume(struct amqp_source *source, struct su_err *err)
{
    uint32_t max = batch_max(source);
    while (!is_stopping(source)) {
        struct amqp_message message;
        enum amqp_next next = amqp_link_next(source->link, &message, err);
        if (next == AMQP_BROKEN || (next == AMQP_MESSAGE && !receive(source, &message, err)))
            return false;
        if (next == AMQP_NOTHING && !drained(source, err))
            return false;
        if ((source->pending >= max || stream_writer_bytes(source->writer) > BATCH_BYTES) && !flush(source, err))
            return false;
    }
    return amqp_link_cancel(source->link, err) && flush(source, err);
}

/* Where to go on in a queue of type stream: after the newest offset that is in the log or among the dead. */
static bool offset_of_log(struct amqp_source *source, struct sql *db, int64_t log, int64_t *ret, struct su_err *err)
{
    uint64_t next;
    int64_t high_us;
    LOG_AUTO_READER struct log_reader *reader = NULL;
    struct log_piece piece;
    if (!log_end(db, log, &next, &high_us, err))
        return false;
    /* The last rows may be punctuations. */
    const struct log_range range = {next > 4096 ? next - 4096 : 0, next, INT64_MIN, INT64_MAX};
    if (next == 0)
        return true;
    if (!log_read(streams_logs(source->streams), db, log, &range, &reader, err))
        return false;
    for (enum log_next found; (found = log_read_next(reader, &piece, err)) != LOG_END;) {
        if (found == LOG_ERROR)
            return false;
        const struct block_column *column = found == LOG_BLOCK ? block_role_column(piece.block, BLOCK_HEADERS) : NULL;
        for (uint32_t row = piece.to; column && row-- > piece.from;) {
            struct su_str text = block_is_null(column, row) ? (struct su_str){0} : block_text(column, row);
            SU_AUTO_JSON json_t *headers = NULL;
            struct su_err ignored;
            if (!text.len || !memmem(text.ptr, text.len, "x-stream-offset", 15) || !su_json_parse(text, "headers", &headers, &ignored))
                continue;
            int64_t offset = su_json_int(headers, "x-stream-offset", -1);
            *ret = offset > *ret ? offset : *ret;
            break;
        }
        if (found == LOG_BLOCK)
            log_read_release(reader, &piece);
    }
    return true;
}

static bool go_on_after(struct amqp_source *source, int64_t *ret, struct su_err *err)
{
    int64_t newest = -1;
    STORE_READ(streams_store(source->streams), db);
    if (!offset_of_log(source, db, source->stream->log, &newest, err) || !offset_of_log(source, db, source->stream->dead_log, &newest, err))
        return false;
    *ret = newest < 0 ? -1 : newest + 1;
    return true;
}

static void keep_socket(void *arg, int fd)
{
    struct amqp_source *source = arg;
    SU_LOCKED(&source->lock);
    source->socket_fd = fd;
}

static bool open_link(struct amqp_source *source, struct su_err *err)
{
    SECRET_AUTO struct secret *secret = NULL;
    const struct amqp_definition *definition = &source->definition;
    become(source, "connecting", "secret");
    if (definition->secret && !secret_get(source->secrets, source->stream->tenant, definition->secret, &secret, err))
        return false;
    const struct amqp_link_options options = {.body_max = body_max(source), .socket = keep_socket, .arg = source};
    become(source, "connecting", "connect");
    return amqp_link_open(definition, secret ? secret_reveal(secret) : SU_STR("guest"), &options, &source->link, err);
}

/* One connection, from its beginning to its end.  True: it was told to stop. */
static bool work(struct amqp_source *source, struct su_err *err)
{
    int64_t offset;
    if (!open_link(source, err))
        return false;
    become(source, "connecting", "declare");
    if (!amqp_link_declare(source->link, false, &source->queue, err))
        return false;
    become(source, "connecting", "consume");
    if (!go_on_after(source, &offset, err) || !stream_writer_open(source->streams, source->stream, &source->writer, err) ||
        !amqp_link_consume(source->link, offset, err))
        return false;
    source->connections++;
    source->per_us = 0;
    source->flushed_ns = 0;
    become(source, "running", NULL);
    su_log(SU_LOG_INFO, "amqp.running", su_kv_text("stream", source->stream->name));
    return consume(source, err);
}

static void leave(struct amqp_source *source)
{
    if (source->writer)
        abandon(source);
    stream_writer_close(su_take(source->writer));
    amqp_link_close(su_take(source->link));
}

static void pause_between(struct amqp_source *source)
{
    uint32_t noise;
    uint64_t pause_ms = PAUSE_MIN_MS;
    for (uint32_t i = 1; i < source->failures && pause_ms < PAUSE_MAX_MS; i++)
        pause_ms *= 2;
    if (pause_ms > PAUSE_MAX_MS)
        pause_ms = PAUSE_MAX_MS;
    su_random(&noise, sizeof noise);
    pause_ms = pause_ms * (75 + noise % 51) / 100;     /* so that a hundred sources don't come back at once */
    int64_t until_ms = su_mono_ms() + (int64_t)pause_ms;
    source->next_try_ms = su_now_ms() + (int64_t)pause_ms;
    become(source, "waiting", source->step);
    for (int64_t left_ms; !is_stopping(source) && (left_ms = until_ms - su_mono_ms()) > 0;) {
        wait_for(source, -1, left_ms * 1000);
        if (atomic_exchange(&source->is_hurried, false)) {
            source->failures = 0;
            break;
        }
    }
    source->next_try_ms = 0;
}

static void run(void *arg)
{
    struct amqp_source *source = arg;
    while (!is_stopping(source)) {
        struct su_err err;
        int64_t began_ms = su_mono_ms();
        bool is_told = work(source, &err);
        if (!is_told) {
            source->why = err;
            source->has_failed = true;
            if (strcmp(source->state, "running") == 0 && su_mono_ms() - began_ms > GOOD_MS)
                source->failures = 0;
            source->failures++;
        }
        leave(source);
        if (is_told || is_stopping(source))
            break;
        su_log(SU_LOG_WARNING, "amqp.waiting", su_kv_text("stream", source->stream->name), su_kv_text("step", source->step ? source->step : "run"),
               su_kv_text("message", err.message));
        pause_between(source);
    }
    SU_LOCKED(&source->lock);
    source->has_ended = true;
    su_wake(&source->lock);
}

/* -------------------------------------------------------------- life */

/* A definition from before a check that is newer. */
static void refuse(struct amqp_source *source, const struct su_err *err)
{
    source->why = *err;
    source->has_failed = true;
    become(source, "invalid", "definition");
    source->has_ended = true;
}

struct amqp_source *amqp_source_start(struct streams *streams, struct secrets *secrets, struct stream *stream)
{
    struct su_err err;
    struct amqp_source *source = su_alloc(sizeof *source);
    *source = (struct amqp_source){.streams = streams, .secrets = secrets, .stream = stream_ref(stream), .socket_fd = -1};
    source->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    su_assert(source->wake_fd >= 0);
    su_lock_init(&source->lock);
    if (!amqp_definition_read(stream->source_json, &source->definition, &err)) {
        refuse(source, &err);
        return source;
    }
    char name[16];
    snprintf(name, sizeof name, "amqp-%.10s", stream->name);
    su_thread_start_with_stack(&source->thread, name, AMQP_STACK_BYTES, run, source);
    return source;
}

const struct stream *amqp_source_stream(const struct amqp_source *source) { return source->stream; }

void amqp_source_hurry(struct amqp_source *source)
{
    atomic_store(&source->is_hurried, true);
    wake(source);
}

void amqp_source_stop(struct amqp_source *source)
{
    atomic_store(&source->is_stopping, true);
    wake(source);
}

void amqp_source_free(struct amqp_source *source, int grace_ms)
{
    if (!source)
        return;
    int64_t until_ms = su_mono_ms() + grace_ms;
    su_lock(&source->lock);
    while (!source->has_ended && su_wait_until(&source->lock, until_ms))
        ;
    if (!source->has_ended && source->socket_fd >= 0)
        amqp_link_break(source->socket_fd);
    su_unlock(&source->lock);
    su_thread_join(&source->thread);
    amqp_definition_done(&source->definition);
    stream_unref(source->stream);
    su_lock_done(&source->lock);
    close(source->wake_fd);
    free(source);
}
