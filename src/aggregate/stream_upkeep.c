/* The thread "streams": punctuation, retention, Suricate's own events.  Layer aggregate.
 *
 * It sleeps until something is due: an idle stream costs no wake-up.  Retention
 * looks at streams that grew every 10 s, and at all of them once an hour. */
#include <search.h>
#include <stdlib.h>
#include "base/log.h"
#include "stream_private.h"

enum { RETAIN_ALL_MS = 3600 * 1000, PUNCTUATED_MAX_S = 86400 };

void stream_due(struct streams *streams, int64_t mono_ms)
{
    if (mono_ms < streams->next_due_ms) {
        streams->next_due_ms = mono_ms;
        su_wake(&streams->lock);
    }
}

/* --- punctuation ---------------------------------------------------------- */

/* How long the log has been quiet without event time having been told of it; and when to look again. */
static int64_t quiet_us(const struct live *live, int64_t now_ms, int64_t *ret_due_ms)
{
    int64_t idle_us = live->stream->idle_us;
    /* The first after idle, then each time as long again as all before: few marks, and event time is never far behind.
     */
    int64_t step_us = live->punctuated_us ? live->punctuated_us : idle_us;
    int64_t quiet = (now_ms - live->appended_ms) * 1000;
    if (live->punctuated_us >= (int64_t)PUNCTUATED_MAX_S * 1000000)
        return 0;
    *ret_due_ms = live->appended_ms + (live->punctuated_us + step_us) / 1000;
    return now_ms >= *ret_due_ms ? quiet - live->punctuated_us : 0;
}

struct marking {
    struct streams *streams;
    const struct stream *stream;
    int64_t ahead_us, arrival_us;
    bool is_done;
};

static bool mark_job(struct sql *db, void *arg, struct su_err *err)
{
    struct marking *marking = arg;
    uint64_t next, first;
    int64_t high_us;
    if (!log_end(db, marking->stream->log, &next, &high_us, err))
        return false;
    if (high_us == INT64_MIN)
        return true;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf block = SU_BUF(64 * 1024);
    const struct block_message message = {
        .time_us = high_us + marking->ahead_us, .arrival_us = marking->arrival_us, .flag = BLOCK_PUNCTUATION};
    block_begin(builder);
    if (!block_end(builder, &message, err) || !block_finish(builder, 0, &block, err))
        return false;
    marking->is_done = log_append(marking->streams->logs, db, marking->stream->log, block.ptr, block.len, &first, err);
    return marking->is_done;
}

static void punctuate(struct streams *streams, struct stream *stream, int64_t ahead_us)
{
    struct marking marking = {streams, stream, ahead_us, stream_now_us(streams), false};
    struct su_err err;
    if (!store_write(streams->store, mark_job, &marking, &err)) {
        if (err.code != SU_NOT_FOUND)
            su_log_error("stream.punctuation_failed", &err, su_kv_text("stream", stream->name));
        return;
    }
    if (marking.is_done)
        stream_tell(streams, stream);
}

/* --- retention -------------------------------------------------------------- */

static bool floor_of(struct streams *streams, const struct stream *stream, uint64_t *ret, struct su_err *err)
{
    *ret = UINT64_MAX;
    su_lock(&streams->lock);
    size_t count = streams->floor_count;        /* only ever grows */
    su_unlock(&streams->lock);
    STORE_READ(streams->store, db);
    for (size_t i = 0; i < count; i++) {
        uint64_t floor = UINT64_MAX;
        if (!streams->floors[i].floor(db, streams->floors[i].arg, stream, &floor, err))
            return false;
        if (floor < *ret)
            *ret = floor;
    }
    return true;
}

static void retain(struct streams *streams, struct stream *stream)
{
    struct su_err err;
    uint64_t removed = 0, ignored;
    struct log_retention retention = stream->retention;
    if (retention.before_us)
        retention.before_us = stream_now_us(streams) - retention.before_us;
    struct log_retention dead = {.before_us = retention.before_us, .messages = 100000, .floor = UINT64_MAX};
    if (!floor_of(streams, stream, &retention.floor, &err) ||
        (retention.floor > 0 /* to a log 0 is no floor */ && !log_retain(streams->logs, stream->log, &retention, &removed, &err)) ||
        !log_retain(streams->logs, stream->dead_log, &dead, &ignored, &err)) {
        if (err.code != SU_NOT_FOUND)
            su_log_error("stream.retention_failed", &err, su_kv_text("stream", stream->name));
    } else if (removed)
        su_log(SU_LOG_INFO, "stream.retained", su_kv_text("stream", stream->name),
               su_kv_int("removed", (int64_t)removed));
}

static bool retain_each(void *arg, struct stream *stream)
{
    struct streams *streams = arg;
    retain(streams, stream);
    stream_unref(stream);
    SU_LOCKED(&streams->lock);
    return !streams->is_closing;
}

static void retain_all(struct streams *streams)
{
    struct su_err err;
    for (enum stream_source source = 0; source < STREAM_SOURCE_COUNT; source++)
        if (!stream_each(streams, source, retain_each, streams, &err))
            su_log_error("stream.retention_failed", &err);
}

/* --- the thread --------------------------------------------------------------- */

enum { DUE_MAX = 64 };
struct due {
    struct stream *stream;
    int64_t ahead_us;
    bool is_retention;
};
struct looking {
    struct streams *streams;
    int64_t now_ms;
    struct due due[DUE_MAX];
    size_t count;
};

static void look_at(struct looking *looking, struct live *live)
{
    struct streams *streams = looking->streams;
    if (!live->stream || !live->appended_ms || looking->count + 2 > DUE_MAX) {
        if (looking->count + 2 > DUE_MAX)
            streams->next_due_ms = looking->now_ms;
        return;
    }
    int64_t due_ms = 0, ahead_us = live->stream->idle_us ? quiet_us(live, looking->now_ms, &due_ms) : 0;
    if (ahead_us > 0) {
        looking->due[looking->count++] = (struct due){stream_ref(live->stream), ahead_us, false};
        live->punctuated_us += ahead_us;
        quiet_us(live, looking->now_ms, &due_ms);
    }
    if (due_ms)
        stream_due(streams, due_ms);
    if (live->retained_ms <= live->appended_ms) { /* grew since */
        if (looking->now_ms >= live->retained_ms + STREAM_RETAIN_MS) {
            looking->due[looking->count++] = (struct due){stream_ref(live->stream), 0, true};
            live->retained_ms = looking->now_ms;
        } else
            stream_due(streams, live->retained_ms + STREAM_RETAIN_MS);
    }
}

static void visit(const void *node, VISIT order, void *arg)
{
    if (order == preorder || order == leaf)
        look_at(arg, *(struct live *const *)node);
}

static void look(struct streams *streams, struct looking *looking)
{
    SU_LOCKED(&streams->lock);
    streams->next_due_ms = INT64_MAX;
    twalk_r(streams->lives, visit, looking);
}

static void turn(struct streams *streams)
{
    struct looking looking = {.streams = streams, .now_ms = su_mono_ms()};
    events_queue_flush(streams);
    look(streams, &looking);
    for (size_t i = 0; i < looking.count; i++) {
        if (looking.due[i].is_retention)
            retain(streams, looking.due[i].stream);
        else
            punctuate(streams, looking.due[i].stream, looking.due[i].ahead_us);
        stream_unref(looking.due[i].stream);
    }
}

void stream_upkeep(void *arg)
{
    struct streams *streams = arg;
    int64_t all_ms = su_mono_ms() + STREAM_RETAIN_MS;
    su_lock(&streams->lock);
    while (!streams->is_closing) {
        int64_t due_ms = streams->next_due_ms < all_ms ? streams->next_due_ms : all_ms;
        if (su_mono_ms() < due_ms) {
            su_wait_until(&streams->lock, due_ms);
            continue;
        }
        su_unlock(&streams->lock);
        turn(streams);
        if (su_mono_ms() >= all_ms) {
            retain_all(streams);
            all_ms = su_mono_ms() + RETAIN_ALL_MS;
        }
        su_lock(&streams->lock);
    }
    su_unlock(&streams->lock);
    events_queue_flush(streams);
}
