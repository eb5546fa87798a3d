/* POST …/messages: the body becomes messages, all or none.  Layer api; workers.
 *
 * Bodies are held whole, because nothing may be appended before all of it is known to be good: so many bytes at a
 * time, of all requests together (limits.push_held_bytes), and who comes then is asked to come again. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/push.h"
#include "limits.h"
#include "streams_private.h"

struct pushing {
    struct stream *stream;
    struct su_buf body;
    uint64_t held;          /* of held_bytes */
    enum push_kind kind;
    json_t *attributes;     /* of a binary CloudEvent */
};

static _Atomic uint64_t held_bytes;

static void pushing_free(void *state)
{
    struct pushing *pushing = state;
    atomic_fetch_sub(&held_bytes, pushing->held);
    stream_unref(pushing->stream);
    su_buf_done(&pushing->body);
    json_decref(pushing->attributes);
    free(pushing);
}
static void pushing_free_pointer(struct pushing **pushing)
{
    if (*pushing)
        pushing_free(*pushing);
}

static bool hold(struct pushing *pushing, uint64_t bytes, const struct limits *limits, struct su_err *err)
{
    uint64_t before = atomic_fetch_add(&held_bytes, bytes);
    if (!before || before + bytes <= limits->push_held_bytes) {
        pushing->held += bytes;
        return true;
    }
    atomic_fetch_sub(&held_bytes, bytes);
    su_fail_slug(err, "backpressure", "limits.push_held_bytes: pushes with %llu bytes are under way already", (unsigned long long)before);
    return su_hint(err, "send the same again in a second");
}

static bool too_long(const struct limits *limits, struct su_err *err)
{
    su_fail_field(err, SU_LIMIT, "body", "body: longer than %llu bytes (limits.push_bytes)", (unsigned long long)limits->push_bytes);
    return su_hint(err, "send it in several requests");
}

static bool check_source(const struct stream *stream, struct su_err *err)
{
    if (stream->source == STREAM_PUSH)
        return true;
    su_fail(err, SU_CONFLICT, "the stream \"%.128s\" gets its messages from its source, %s", stream->name, stream_source_name(stream->source));
    return su_hint(err, "push to a stream whose source is push");
}

static bool check_key(const struct request *request, struct su_err *err)
{
    const char *key = request_header(request, "Idempotency-Key");
    return !key || (*key && strlen(key) <= STREAM_IDEMPOTENCY_MAX) ||
           su_fail_field(err, SU_INVALID, "Idempotency-Key", "Idempotency-Key: must have 1 to %d characters", STREAM_IDEMPOTENCY_MAX);
}

static bool read_attributes(const struct request *request, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *attributes = json_object();
    const char *name, *value, *type = request_header(request, "Content-Type");
    for (size_t i = 0; (name = request_header_at(request, i, &value)); i++)
        if (!push_attribute(attributes, name, value, err))
            return false;
    if (type && !json_object_get(attributes, "datacontenttype"))
        json_object_set_new(attributes, "datacontenttype", su_json_text_or_null(type));
    *ret = su_take(attributes);
    return true;
}

static bool begin(struct request *request, void **ret, struct su_err *err)
{
    const struct limits *limits = request_services(request)->limits;
    __attribute__((cleanup(pushing_free_pointer))) struct pushing *pushing = su_alloc(sizeof *pushing);
    int64_t length = request_content_length(request);
    pushing->body = SU_BUF(limits->push_bytes + 1);
    bool is_event = request_header(request, "ce-specversion") != NULL;
    if (!streams_find(request, &pushing->stream, err) || !check_source(pushing->stream, err) || !check_key(request, err) ||
        !push_kind_of(request_body_type(request), is_event, pushing->stream->format, &pushing->kind, err) ||
        (pushing->kind == PUSH_BINARY && !read_attributes(request, &pushing->attributes, err)))
        return false;
    if (length > (int64_t)limits->push_bytes)
        return too_long(limits, err);
    if (length > 0 && !hold(pushing, (uint64_t)length, limits, err))
        return false;
    if (length > 0)
        su_buf_room(&pushing->body, (size_t)length);
    *ret = su_take(pushing);
    return true;
}

static bool add(struct request *request, void *state, const void *data, size_t len, struct su_err *err)
{
    struct pushing *pushing = state;
    const struct limits *limits = request_services(request)->limits;
    if (pushing->body.len + len > limits->push_bytes)
        return too_long(limits, err);
    uint64_t needed = pushing->body.len + len;
    if (needed > pushing->held && !hold(pushing, needed - pushing->held, limits, err))
        return false;
    su_buf_add(&pushing->body, data, len);
    return true;
}

static bool take(void *arg, const struct stream_arrival *arrival, struct su_err *err) { return stream_writer_add_one(arg, arrival, err); }

/* Which messages can't be taken. */
static void reply_refusal(struct reply *reply, json_t *errors, const struct su_err *first)
{
    struct su_err err;
    json_int_t line = json_integer_value(json_object_get(json_array_get(errors, 0), "line"));
    su_fail_slug(&err, "unprocessable", "nothing was appended; message %lld: %.400s", (long long)line, first->message);
    su_hint(&err, "%s", *first->hint ? first->hint : "errors lists the first hundred that can't be taken");
    reply_error_with(reply, &err, "errors", errors);
}

static bool append(const struct request *request, struct pushing *pushing, struct stream_appended *ret, json_t **ret_errors, struct su_err *err)
{
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    SU_AUTO_BUF struct su_buf opened = SU_BUF(request_services(request)->limits->push_bytes + 128 * 1024);
    struct streams *streams = request_services(request)->streams;
    struct su_str body;
    const char *key = request_header(request, "X-Suricate-Key");
    struct push push = {.kind = pushing->kind, .format = pushing->stream->format, .attributes = pushing->attributes, .take = take,
                        .key = key ? su_str_of(key) : (struct su_str){NULL, 0}};
    const struct stream_commit commit = {.idempotency_key = request_header(request, "Idempotency-Key")};
    if (!push_open(request_header(request, "Content-Encoding"), su_buf_str(&pushing->body),
                   (size_t)request_services(request)->limits->push_bytes, &opened, &body, err) ||
        !stream_writer_open(streams, pushing->stream, &writer, err))
        return false;
    push.arg = writer;
    return push_read(&push, body, ret_errors, err) && stream_writer_commit(writer, &commit, ret, err);
}

static void finish(struct request *request, void *state, struct reply *reply)
{
    struct pushing *pushing = state;
    struct stream_appended appended;
    struct su_err err;
    json_t *errors = NULL;
    bool is_done = append(request, pushing, &appended, &errors, &err);
    pushing_free(pushing);
    if (is_done)
        reply_json(reply, 200, json_pack("{s:I, s:I, s:I, s:b}", "first", (json_int_t)appended.first, "next",
                                         (json_int_t)(appended.first + appended.count), "count", (json_int_t)appended.count, "repeated",
                                         appended.is_repeated));
    else if (errors)
        reply_refusal(reply, errors, &err);
    else
        reply_error(reply, &err);
}

const struct upload_ops streams_push_ops = {.begin = begin, .add = add, .finish = finish, .abort = pushing_free};
