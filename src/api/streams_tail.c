/* GET …/tail: messages as they come, from any offset on, as server-sent events or by WebSocket.  Layer api; workers, and
 * for WebSockets the thread "sockets".
 *
 * A follower is an offset.  It reads from the log whenever the stream's topic fires, so that history and what is new
 * are one thing: nothing is sent twice or left out, and a reader that does not read costs nobody but itself: its buffer
 * is not filled again before it is empty, and the connection ends when nothing moves for limits.idle_s. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "streams_private.h"

struct tailing {
    struct stream *stream;
    struct stream_cursor cursor;
    struct su_buf *out;             /* of the fill under way */
    bool is_lost;                   /* Last-Event-ID is none of this stream's: begin anew */
};

static void tailing_free(void *state)
{
    struct tailing *tailing = state;
    stream_unref(tailing->stream);
    free(tailing);
}

static enum item_verdict add_event(void *arg, const struct item *item, struct su_err *err)
{
    static const char *const names[ITEM_KIND_COUNT] = {"message", "damaged", "gone"};
    struct tailing *tailing = arg;
    struct su_buf *out = tailing->out;
    su_buf_addf(out, "id: %" PRIu64 "\nevent: %s\ndata: ", item->next - 1, names[item->kind]);
    if (item->kind != ITEM_MESSAGE)
        item_hole_json(item, out);
    else if (!item_json(item, streams_body(tailing->stream), out, err))
        return ITEM_TOO_MUCH;
    su_buf_adds(out, "\n\n");
    return out->len >= EVENTS_ENOUGH ? ITEM_ENOUGH : ITEM_NEXT;
}

static bool fill(struct request *request, void *state, struct su_buf *out)
{
    struct tailing *tailing = state;
    struct su_err err;
    bool is_end;
    tailing->out = out;
    if (tailing->is_lost)
        events_add(out, NULL, "reset", "{}");
    tailing->is_lost = false;
    if (stream_read_on(&tailing->cursor, &(struct item_taker){add_event, tailing}, &is_end, &err))
        return true;
    if (err.code == SU_NOT_FOUND)
        events_add(out, NULL, "deleted", "{}");
    return false;
}

static const struct event_source source = {.fill = fill, .close = tailing_free};

/* ------------------------------------------------------------- WebSockets */

struct frame { struct tailing *tailing; struct su_buf missing; size_t count; };

static enum item_verdict add_to_frame(void *arg, const struct item *item, struct su_err *err)
{
    struct frame *frame = arg;
    struct su_buf *out = item->kind == ITEM_MESSAGE ? frame->tailing->out : &frame->missing;
    if (item->kind == ITEM_MESSAGE ? frame->count++ : out->len)
        su_buf_addc(out, ',');
    if (item->kind != ITEM_MESSAGE)
        item_hole_json(item, out);
    else if (!item_json(item, streams_body(frame->tailing->stream), out, err))
        return ITEM_TOO_MUCH;
    return out->len >= EVENTS_ENOUGH ? ITEM_ENOUGH : ITEM_NEXT;
}

/* {"items":[…]}, with "missing" and "reset" when there is reason to. */
static bool fill_frame(struct request *request, void *state, struct su_buf *out)
{
    struct frame frame = {state, SU_BUF(EVENTS_MAX), 0};
    struct tailing *tailing = state;
    struct su_err err;
    bool is_end;
    tailing->out = out;
    su_buf_adds(out, "{\"items\":[");
    bool is_read = stream_read_on(&tailing->cursor, &(struct item_taker){add_to_frame, &frame}, &is_end, &err);
    su_buf_adds(out, "]");
    if (frame.missing.len)
        su_buf_addf(out, ",\"missing\":[%s]", su_buf_str(&frame.missing).ptr);
    if (tailing->is_lost)
        su_buf_adds(out, ",\"reset\":true");
    su_buf_adds(out, "}");
    if (!frame.count && !frame.missing.len && !tailing->is_lost)
        su_buf_clear(out);
    tailing->is_lost = false;
    su_buf_done(&frame.missing);
    return is_read;
}

static const struct event_source socket_source = {.fill = fill_frame, .close = tailing_free};

/* ------------------------------------------------------------------ route */

/* After Last-Event-ID, else at ?from=, else at what comes next. */
static bool start_of(const struct request *request, struct stream *stream, struct tailing *tailing, struct su_err *err)
{
    struct streams *streams = request_services(request)->streams;
    STORE_READ(streams_store(streams), db);
    const char *last = request_header(request, "Last-Event-ID"), *from = request_query(request, "from");
    struct log_extent extent;
    uint64_t number, *at = &tailing->cursor.range.from;
    if (!last)
        return stream_position(streams, stream, db, from ? from : "latest", at, err);
    if (!log_extent(db, stream->log, &extent, err))
        return false;
    tailing->is_lost = !su_str_u64(su_str_of(last), INT64_MAX - 1, &number) || number >= extent.next;
    *at = tailing->is_lost ? extent.first : number + 1;
    return true;
}

static bool start(struct request *request, struct reply *reply, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    if (!streams_find(request, &stream, err))
        return false;
    struct tailing *tailing = su_alloc(sizeof *tailing);
    tailing->stream = stream_ref(stream);
    tailing->cursor = (struct stream_cursor){.streams = request_services(request)->streams, .log = stream->log,
                                             .range = {0, INT64_MAX, INT64_MIN, INT64_MAX}};
    if (!start_of(request, stream, tailing, err)) {
        tailing_free(tailing);
        return false;
    }
    if (request_wants_socket(request))
        reply_socket(request, reply, &socket_source, tailing, stream->topic);
    else
        reply_events(request, reply, &source, tailing, stream->topic);
    return true;
}

void streams_get_tail(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!start(request, reply, &err))
        reply_error(reply, &err);
}
