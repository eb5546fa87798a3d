/* Publishing with confirms: see amqp_link.h.  Layer aggregate; one thread.  Its own file beside amqp_link.c. */
#include "amqp_link_private.h"

#include <string.h>

#include "base/clock.h"

enum { PERSISTENT = 2, RETURNED_TEXT = 200 };

static amqp_bytes_t bytes_of(const char *text) { return (amqp_bytes_t){strlen(text), (void *)(uintptr_t)text}; }

static bool begin(struct amqp_link *link, struct su_err *err)
{
    if (!amqp_link_channel(link, AMQP_LINK_CHANNEL, err))
        return false;
    amqp_confirm_select(link->state, AMQP_LINK_CHANNEL);
    return amqp_link_check(link, "asking for confirms", err);
}

static bool send(struct amqp_link *link, const struct amqp_publication *message, struct su_err *err)
{
    struct su_arena *arena = su_arena_new();
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TIMESTAMP_FLAG |
                  AMQP_BASIC_APP_ID_FLAG | (message->headers ? AMQP_BASIC_HEADERS_FLAG : 0U),
        .content_type = bytes_of(message->type), .delivery_mode = PERSISTENT, .message_id = bytes_of(message->id),
        .timestamp = (uint64_t)su_now_ms() / 1000, .app_id = bytes_of("suricate"), .headers = amqp_headers_table(message->headers, arena, 0)};
    int status = amqp_basic_publish(link->state, AMQP_LINK_CHANNEL, bytes_of(message->exchange), bytes_of(message->routing_key),
                                    message->is_mandatory, 0, &properties, (amqp_bytes_t){message->body.len, (void *)(uintptr_t)message->body.ptr});
    su_arena_free(arena);
    return status == AMQP_STATUS_OK || amqp_link_said(link, err, "publishing", status);
}

/* What the broker sent back instead of keeping it. */
static void note_return(const amqp_method_t *method, char *text, size_t size)
{
    const amqp_basic_return_t *back = method->decoded;
    size_t len = back->reply_text.len < size / 2 ? back->reply_text.len : size / 2;
    snprintf(text, size, "%d %.*s", back->reply_code, (int)len, (const char *)back->reply_text.bytes);
}

enum answer { ANSWER_NONE, ANSWER_KEPT, ANSWER_FAILED };

static enum answer take(struct amqp_link *link, const amqp_frame_t *frame, char *returned, size_t size, struct su_err *err)
{
    const amqp_method_t *method = &frame->payload.method;
    if (frame->frame_type != AMQP_FRAME_METHOD)
        return ANSWER_NONE;     /* of a message that was sent back */
    switch (method->id) {
    case AMQP_BASIC_ACK_METHOD: return ANSWER_KEPT;
    case AMQP_BASIC_NACK_METHOD:
        su_fail(err, SU_UNAVAILABLE, "publishing: the broker could not keep the message (basic.nack)");
        return ANSWER_FAILED;
    case AMQP_BASIC_RETURN_METHOD: note_return(method, returned, size); return ANSWER_NONE;
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD: amqp_link_closed(link, err, "publishing", method); return ANSWER_FAILED;
    default: return ANSWER_NONE;
    }
}

static bool await_confirm(struct amqp_link *link, const struct amqp_publication *message, struct su_err *err)
{
    int64_t until_ms = su_mono_ms() + link->options.timeout_ms;
    char returned[RETURNED_TEXT] = "";
    for (;;) {
        amqp_frame_t frame;
        int64_t left_ms = until_ms - su_mono_ms();
        struct timeval timeout = {left_ms > 0 ? left_ms / 1000 : 0, left_ms > 0 ? left_ms % 1000 * 1000 : 0};
        int status = amqp_simple_wait_frame_noblock(link->state, &frame, &timeout);
        if (status != AMQP_STATUS_OK)
            return amqp_link_said(link, err, "waiting for the confirm", status);
        enum answer answer = take(link, &frame, returned, sizeof returned, err);
        if (answer == ANSWER_FAILED)
            return false;
        if (answer == ANSWER_KEPT)
            return !returned[0] || su_fail(err, SU_NOT_FOUND, "publishing to \"%.100s\" with the key \"%.100s\": no queue took it (%s)",
                                           message->exchange, message->routing_key, returned);
    }
}

bool amqp_link_publish(struct amqp_link *link, const struct amqp_publication *message, struct su_err *err)
{
    return begin(link, err) && send(link, message, err) && await_confirm(link, message, err);
}
