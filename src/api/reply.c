/* What a handler says: see handler.h.  Layer api; the request's thread. */
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

void reply_init(struct reply *reply, struct request *request)
{
    *reply = (struct reply){.fd = -1, .request = request};
}

void reply_clear(struct reply *reply)
{
    free(reply->data);
    if (reply->fd >= 0)
        close(reply->fd);
    bool has_source = reply->kind == REPLY_EVENTS || reply->kind == REPLY_FLOW || reply->kind == REPLY_SOCKET;
    if (has_source && reply->source && reply->source->close)
        reply->source->close(reply->source_state);
    reply_init(reply, reply->request);
}

void reply_take(struct reply *reply, int status, const char *type, char *data, size_t len)
{
    su_assert(reply->kind == REPLY_NONE);
    reply->kind = REPLY_BYTES;
    reply->status = status;
    reply->type = su_arena_strdup(reply->request->arena, type);
    reply->data = data;
    reply->len = len;
}

void reply_json(struct reply *reply, int status, json_t *value)
{
    SU_AUTO_JSON json_t *owned = value;
    char *text = su_json_text(owned);
    reply_take(reply, status, "application/json", text, strlen(text));
}

void reply_bytes(struct reply *reply, int status, const char *type, const void *data, size_t len)
{
    char *copy = su_alloc(len + 1);
    memcpy(copy, data, len);
    reply_take(reply, status, type, copy, len);
}

void reply_empty(struct reply *reply, int status) { reply_take(reply, status, NULL, NULL, 0); }

static void add_header(struct reply *reply, const char *name, const char *value)
{
    su_assert(reply->header_count < REPLY_HEADERS_MAX);
    reply->headers[reply->header_count++] = (struct header){name, value};
}

void reply_header(struct reply *reply, const char *name, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    su_assert(length >= 0);
    char *value = su_arena_alloc(reply->request->arena, (size_t)length + 1);
    vsnprintf(value, (size_t)length + 1, format, again);
    va_end(again);
    for (char *c = value; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    add_header(reply, name, value);
}

void reply_etag(struct reply *reply, const char *etag)
{
    if (!etag)
        return;
    reply_header(reply, "ETag", *etag == '"' ? "%s" : "\"%s\"", etag);
}

void reply_list(struct reply *reply, json_t *items, const char *next)
{
    reply_json(reply, 200, json_pack("{s:o, s:o}", "items", items, "next", su_json_text_or_null(next)));
}

static void add_text(json_t *object, const char *key, const char *text)
{
    if (*text)
        json_object_set_new(object, key, su_json_text_or_null(text));
}

void reply_error(struct reply *reply, const struct su_err *err) { reply_error_with(reply, err, NULL, NULL); }

void reply_error_with(struct reply *reply, const struct su_err *err, const char *member, json_t *value)
{
    const struct su_problem *problem = su_problem_of(err);
    struct request *request = reply->request;
    reply_clear(reply);
    json_t *body = json_object();
    json_object_set_new(body, "type", json_sprintf("/problems/%s", problem->slug));
    json_object_set_new(body, "title", json_string(problem->title));
    json_object_set_new(body, "status", json_integer(problem->http_status));
    add_text(body, "detail", err->message);
    add_text(body, "field", err->field);
    add_text(body, "hint", err->hint);
    if (member)
        json_object_set_new(body, member, value);
    char *text = su_json_text(body);
    json_decref(body);
    reply_take(reply, problem->http_status, "application/problem+json", text, strlen(text));
    if (problem->http_status == 401)
        reply_header(reply, "WWW-Authenticate", "Bearer realm=\"suricate\"");
    if (problem->is_retryable)
        reply_header(reply, "Retry-After", "1");
    if (problem->http_status >= 500)
        su_log_error("http.failed", err, su_kv_text("method", request->method),
                     su_kv_text("route", request->route ? request->route->path : ""));
}

/* ------------------------------------------------------------- files */

enum range { RANGE_NONE, RANGE_PART, RANGE_BAD };

/* One range of bytes=…; several, or another unit, are ignored as RFC 9110 allows. */
static enum range range_parse(const char *header, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    struct su_str text = su_str_of(header), first, last;
    if (!su_str_starts(text, SU_STR("bytes=")))
        return RANGE_NONE;
    text = su_str_trim((struct su_str){text.ptr + 6, text.len - 6});
    if (memchr(text.ptr, ',', text.len) || !su_str_cut(text, '-', &first, &last))
        return RANGE_NONE;
    uint64_t from, to = size ? size - 1 : 0;
    if (!first.len) {           /* the last n bytes */
        if (!su_str_u64(last, UINT64_MAX, &from))
            return RANGE_NONE;
        if (!from || !size)
            return RANGE_BAD;
        *ret_first = from < size ? size - from : 0;
        *ret_last = size - 1;
        return RANGE_PART;
    }
    if (!su_str_u64(first, UINT64_MAX, &from) || (last.len && !su_str_u64(last, UINT64_MAX, &to)) || (last.len && to < from))
        return RANGE_NONE;
    if (from >= size)
        return RANGE_BAD;
    *ret_first = from;
    *ret_last = to < size ? to : size - 1;
    return RANGE_PART;
}

static bool if_range_holds(const struct request *request, const char *etag)
{
    const char *given = request_header(request, "If-Range");
    if (!given)
        return true;
    struct su_str tag = su_str_of(given), wanted = su_str_of(etag ? etag : "");
    if (tag.len < 2 || tag.ptr[0] != '"' || !etag)
        return false;           /* a date, or a weak tag: never the same for certain */
    if (*etag == '"')
        return su_str_equal(tag, wanted);
    return su_str_equal((struct su_str){tag.ptr + 1, tag.len - 2}, wanted);
}

/* What of [0,size) is asked for.  False: nothing, and the reply says why (304, 416). */
struct piece { uint64_t offset, length; int status; };
static bool piece_of(struct request *request, struct reply *reply, uint64_t size, const char *etag, struct piece *ret)
{
    const char *header = request_header(request, "Range");
    uint64_t first = 0, last = 0;
    if (request_is_fresh(request, etag)) {
        reply_empty(reply, 304);
        reply_etag(reply, etag);
        return false;
    }
    enum range range = header && if_range_holds(request, etag) ? range_parse(header, size, &first, &last) : RANGE_NONE;
    if (range == RANGE_BAD) {
        struct su_err err;
        su_fail_slug(&err, "range-not-satisfiable", "Range: the object has %llu bytes", (unsigned long long)size);
        reply_error(reply, &err);
        reply_header(reply, "Content-Range", "bytes */%llu", (unsigned long long)size);
        return false;
    }
    *ret = (struct piece){.length = size, .status = 200};
    add_header(reply, "Accept-Ranges", "bytes");
    reply_etag(reply, etag);
    if (range == RANGE_PART) {
        *ret = (struct piece){first, last - first + 1, 206};
        reply_header(reply, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)first, (unsigned long long)last,
                     (unsigned long long)size);
    }
    return true;
}

void reply_file(struct request *request, struct reply *reply, int fd, uint64_t size, const char *type, const char *etag)
{
    struct piece piece;
    if (!piece_of(request, reply, size, etag, &piece)) {
        close(fd);
        return;
    }
    su_assert(reply->kind == REPLY_NONE);
    reply->kind = REPLY_FILE;
    reply->status = piece.status;
    reply->type = su_arena_strdup(request->arena, type);
    reply->fd = fd;
    reply->offset = piece.offset;
    reply->length = piece.length;
}

void reply_content(struct request *request, struct reply *reply, char *data, size_t size, const char *type, const char *etag)
{
    struct piece piece;
    if (!piece_of(request, reply, size, etag, &piece)) {
        free(data);
        return;
    }
    memmove(data, data + piece.offset, piece.length);
    reply_take(reply, piece.status, type, data, piece.length);
}

/* ----------------------------------------------------- waiting, events */

bool reply_park(struct request *request, struct reply *reply, const char *topic)
{
    if (!request->can_wait || request->is_wait_over)
        return false;
    reply_clear(reply);
    reply->kind = REPLY_PARKED;
    reply->topic = su_arena_strdup(request->arena, topic);
    return true;
}

void reply_events(struct request *request, struct reply *reply, const struct event_source *source, void *state, const char *topic)
{
    su_assert(reply->kind == REPLY_NONE);
    reply->kind = REPLY_EVENTS;
    reply->status = 200;
    reply->type = "text/event-stream";
    reply->source = source;
    reply->source_state = state;
    reply->topic = su_arena_strdup(request->arena, topic);
    add_header(reply, "X-Accel-Buffering", "no");
}

void reply_flow(struct request *request, struct reply *reply, const char *type, const struct event_source *source, void *state)
{
    su_assert(reply->kind == REPLY_NONE);
    reply->kind = REPLY_FLOW;
    reply->status = 200;
    reply->type = su_arena_strdup(request->arena, type);
    reply->source = source;
    reply->source_state = state;
}

/* -------------------------------------------------------- WebSockets */

bool request_wants_socket(const struct request *request)
{
    const char *upgrade = request_header(request, "Upgrade");
    return upgrade && strcasecmp(upgrade, "websocket") == 0;
}

static bool has_token(const char *header, const char *token)
{
    struct su_str rest = su_str_of(header ? header : ""), item;
    for (bool more = true; more;) {
        more = su_str_cut(rest, ',', &item, &rest);
        item = su_str_trim(item);
        if (item.len == strlen(token) && strncasecmp(item.ptr, token, item.len) == 0)
            return true;
    }
    return false;
}

/* RFC 6455, 4.2.1; and who asks: a browser always says from which page, and admission.c has compared that. */
static bool check_handshake(const struct request *request, struct su_err *err)
{
    const char *key = request_header(request, "Sec-WebSocket-Key"), *version = request_header(request, "Sec-WebSocket-Version");
    if (strcmp(request->method, "GET") != 0 || request->is_http10 || !has_token(request_header(request, "Connection"), "upgrade"))
        return su_fail_field(err, SU_INVALID, "Connection", "Upgrade: a WebSocket begins with a GET of HTTP/1.1 and Connection: Upgrade");
    if (!version || strcmp(version, "13") != 0)
        return su_fail_field(err, SU_INVALID, "Sec-WebSocket-Version", "Sec-WebSocket-Version: must be 13");
    if (!key || strlen(key) != 24 || strcmp(key + 22, "==") != 0)
        return su_fail_field(err, SU_INVALID, "Sec-WebSocket-Key", "Sec-WebSocket-Key: must be 16 bytes in base64");
    if (request->identity.credential == CREDENTIAL_SESSION && !request->known[HEADER_ORIGIN])
        return su_fail_field(err, SU_DENIED, "Origin", "Origin: is missing; with a session a WebSocket is for this server's own pages");
    return true;
}

void reply_socket(struct request *request, struct reply *reply, const struct event_source *source, void *state, const char *topic)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    struct su_err err;
    uint8_t digest[SU_SHA1_SIZE];
    char accept[SU_BASE64_SIZE(SU_SHA1_SIZE)];
    su_assert(reply->kind == REPLY_NONE);
    reply->source = source;
    reply->source_state = state;
    reply->kind = REPLY_SOCKET;
    if (!check_handshake(request, &err)) {
        reply_error(reply, &err);       /* closes the state */
        reply_header(reply, "Sec-WebSocket-Version", "13");
        return;
    }
    char *text = su_arena_format(request->arena, "%s%s", request_header(request, "Sec-WebSocket-Key"), guid);
    su_sha1_of(text, strlen(text), digest);
    su_base64(digest, sizeof digest, accept);
    reply->status = 101;
    reply->topic = su_arena_strdup(request->arena, topic);
    add_header(reply, "Upgrade", "websocket");
    reply_header(reply, "Sec-WebSocket-Accept", "%s", accept);
}

static void add_line(struct su_buf *out, const char *name, struct su_str text)
{
    su_buf_adds(out, name);
    su_buf_add(out, text.ptr, text.len);
    su_buf_addc(out, '\n');
}

void events_add(struct su_buf *out, const char *id, const char *event, const char *data)
{
    if (id)
        add_line(out, "id: ", su_str_of(id));
    if (event)
        add_line(out, "event: ", su_str_of(event));
    struct su_str rest = su_str_of(data), line;
    for (bool more = true; more;) {
        more = su_str_cut(rest, '\n', &line, &rest);
        add_line(out, "data: ", line);
    }
    su_buf_addc(out, '\n');
}
