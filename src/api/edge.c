/* The edge: libmicrohttpd's callbacks and the loop around it.  Layer api; threads "http" and "http-kernels", which
 * alone call the library.  The only user of microhttpd.h.
 *
 * The edge never blocks and never runs a handler (except ROUTE_EDGE ones, which
 * only read memory).  It reads the head, lets admission.c judge it, fills
 * buffers with the body, suspends the connection while a worker has the request,
 * and sends the reply.
 *
 * An upload in progress has two buffers: the edge fills one while a worker
 * empties the other.  When both are full the connection is suspended, which
 * stops reading and so slows the sender; memory is constant, and no worker ever
 * waits for the network.
 *
 * A refusal in mid-body is written straight to the socket, because the library
 * can only queue a reply before or after a body; then what still comes is
 * dropped for a while, so that the sender reads the answer before it sees a
 * reset. */
#include "server_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "sockets.h"

enum { POOL_BYTES = 24 * 1024, DISCARD_SHORT = 256 * 1024, DISCARD_LONG = 64 * 1024 * 1024, EVENTS_BLOCK = 16 * 1024, WAIT_MAX_MS = 60000 };

/* ------------------------------------------------------- connections */

static void peer_text(const struct sockaddr *address, char text[static PEER_SIZE])
{
    text[0] = '\0';
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, PEER_SIZE);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text, PEER_SIZE);
}

static void connection_add(struct server *server, struct MHD_Connection *http, void **context)
{
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct connection *connection = su_alloc(sizeof *connection);
    connection->fd = fd->connect_fd;
    connection->idle_since_ms = su_mono_ms();
    peer_text(address ? address->client_addr : NULL, connection->peer);
    *context = connection;
    SU_LOCKED(&server->lock);
    connection->next = server->connections;
    if (server->connections)
        server->connections->previous = connection;
    server->connections = connection;
    server->connection_count++;
    server->stats.connections_total++;
    work_clock_by(server, connection->idle_since_ms + 1000);
}

static void connection_remove(struct server *server, struct connection *connection)
{
    su_lock(&server->lock);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    server->connection_count--;
    su_unlock(&server->lock);
    free(connection);
}

static void on_connection(void *cls, struct MHD_Connection *http, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct listener *listener = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_add(listener->server, http, context);
    else if (*context)
        connection_remove(listener->server, *context);
}

/* ---------------------------------------------------------- requests */

static void number_text(uint64_t number, char text[static 17])
{
    size_t digits = 1;
    while (digits < 16 && number >> (4 * digits))
        digits++;
    for (size_t i = digits; i--; number >>= 4)
        text[i] = "0123456789abcdef"[number & 15];
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *http)
{
    struct listener *listener = cls;
    struct server *server = listener->server;
    struct request *request = su_alloc(sizeof *request);
    request->magic = REQUEST_MAGIC;
    request->server = server;
    request->listener = listener;
    request->services = &server->services;
    request->is_kernel = listener->is_kernel;
    request->http = http;
    request->began_ns = su_mono_ns();
    request->arena = su_arena_new();
    request->uri.len = strlen(uri);
    request->uri.ptr = su_arena_strndup(request->arena, uri, request->uri.len);
    request->uri_end = uri + request->uri.len;
    request->stream.out = SU_BUF(EVENTS_MAX);
    reply_init(&request->reply, request);
    number_text(atomic_fetch_add(&server->sequence, 1), request->id);
    return request;
}

void request_free(struct request *request)
{
    if (request->upload.has_begun)
        request->route->upload->abort(request->upload.state);
    work_unsubscribe(request);
    request_done(request);
    free(request);
}

static void count_reply(struct server *server, const struct request *request)
{
    int status = request->reply.status;
    double ms = (double)(su_mono_ns() - request->began_ns) / 1e6;
    size_t bucket = 0;
    while (bucket < SERVER_LATENCIES && ms > server_latency_ms[bucket])
        bucket++;
    server->stats.requests[status >= 100 && status < 600 ? status / 100 : 0]++;
    server->stats.bytes_in += request->bytes_in;
    if (request->reply.kind != REPLY_EVENTS && request->reply.kind != REPLY_FLOW) {
        server->stats.latency[bucket]++;
        server->stats.latency_total_s += ms / 1000;
    }
}

static void log_request(const struct request *request)
{
    su_log(SU_LOG_DEBUG, "http.request", su_kv_text("id", request->id), su_kv_text("method", request->method),
           su_kv_text("route", request->route ? request->route->path : ""), su_kv_text("tenant", request->identity.tenant),
           su_kv_int("status", request->reply.status), su_kv_int("bytes_in", (int64_t)request->bytes_in),
           su_kv_number("ms", (double)(su_mono_ns() - request->began_ns) / 1e6));
}

static void on_completed(void *cls, struct MHD_Connection *http, void **context, enum MHD_RequestTerminationCode code)
{
    struct listener *listener = cls;
    struct server *server = listener->server;
    struct request *request = *context;
    if (!request)
        return;
    *context = NULL;
    su_lock(&server->lock);
    if (request->connection) {
        request->connection->request = NULL;
        request->connection->idle_since_ms = su_mono_ms();
        server->open_requests--;
        count_reply(server, request);
        if (server->is_draining)
            su_wake(&server->lock);
    }
    if (request->stream.is_open)
        server->stream_count--;
    if (request->is_socket)
        server->socket_count--;
    su_unlock(&server->lock);
    log_request(request);
    if (!work_abandon(request))
        request_free(request);
}

/* ----------------------------------------------------------- replies */

static ssize_t read_events(void *cls, uint64_t position, char *buffer, size_t max)
{
    struct request *request = cls;
    struct stream *stream = &request->stream;
    size_t left = stream->out.len - stream->sent;
    if (left) {
        size_t count = left < max ? left : max;
        memcpy(buffer, stream->out.ptr + stream->sent, count);
        stream->sent += count;
        return (ssize_t)count;
    }
    if (stream->is_ended)
        return stream->is_broken ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
    su_buf_clear(&stream->out);
    stream->sent = 0;
    MHD_suspend_connection(request->http);
    if (!work_submit(request, JOB_FILL)) {
        request->place = AT_EDGE;
        stream->is_ended = true;
        stream->is_broken = request->reply.kind == REPLY_FLOW;
        MHD_resume_connection(request->http);
    }
    return 0;
}

/* The 101 is sent: from here on the connection belongs to the thread "sockets", until edge_resume. */
static void on_upgrade(void *cls, struct MHD_Connection *http, void *context, const char *extra, size_t len, MHD_socket fd,
                       struct MHD_UpgradeResponseHandle *handle)
{
    struct request *request = cls;
    request->upgraded = handle;
    sockets_take(request->server->sockets, request, fd, extra, len);
}

static struct MHD_Response *response_of(struct request *request)
{
    struct reply *reply = &request->reply;
    struct MHD_Response *response;
    switch (reply->kind) {
    case REPLY_BYTES:
        response = MHD_create_response_from_buffer(reply->len, reply->data ? reply->data : (void *)"",
                                                   reply->data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
        if (response)
            reply->data = NULL;
        return response;
    case REPLY_FILE:
        response = MHD_create_response_from_fd_at_offset64(reply->length, reply->fd, reply->offset);
        if (response)
            reply->fd = -1;
        return response;
    case REPLY_EVENTS:
    case REPLY_FLOW:
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, EVENTS_BLOCK, read_events, request, NULL);
    case REPLY_SOCKET:
        return MHD_create_response_for_upgrade(on_upgrade, request);
    case REPLY_NONE:
    case REPLY_PARKED:
    case REPLY_KIND_COUNT:
        break;
    }
    return NULL;
}

static void add_headers(struct request *request, struct MHD_Response *response)
{
    const struct reply *reply = &request->reply;
    bool has_policy = false;
    if (reply->type)
        MHD_add_response_header(response, "Content-Type", reply->type);
    for (size_t i = 0; i < reply->header_count; i++) {
        has_policy |= strcmp(reply->headers[i].name, "Cache-Control") == 0;
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    }
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (!has_policy)
        MHD_add_response_header(response, "Cache-Control", "private, no-cache");
    if (request->allow)
        MHD_add_response_header(response, "Allow", request->allow);
    if ((request->server->is_draining || request->must_close) && reply->kind != REPLY_SOCKET)
        MHD_add_response_header(response, "Connection", "close");
}

/* Too many streams: told instead of the stream. */
static void admit_stream(struct request *request)
{
    struct server *server = request->server;
    struct su_err err;
    su_lock(&server->lock);
    bool is_admitted = server->stream_count < server->limits.event_streams;
    server->stream_count += is_admitted;
    request->stream.is_open = is_admitted;
    su_unlock(&server->lock);
    request->stream.heartbeat_ms = su_mono_ms() + HEARTBEAT_MS;
    if (is_admitted)
        return;
    su_fail(&err, SU_UNAVAILABLE, "limits.event_streams: %llu event streams and long replies are open already",
            (unsigned long long)server->limits.event_streams);
    reply_error(&request->reply, &err);
}

/* The same for WebSockets, and none begins while the server drains. */
static void admit_socket(struct request *request)
{
    struct server *server = request->server;
    struct su_err err;
    su_lock(&server->lock);
    request->is_socket = server->socket_count < server->limits.sockets && !server->is_draining;
    server->socket_count += request->is_socket;
    su_unlock(&server->lock);
    if (request->is_socket)
        return;
    su_fail(&err, SU_UNAVAILABLE, "limits.sockets: %llu WebSockets are open already, or the server shuts down",
            (unsigned long long)server->limits.sockets);
    reply_error(&request->reply, &err);
}

static enum MHD_Result send_reply(struct request *request)
{
    if (request->reply.kind == REPLY_SOCKET)
        admit_socket(request);
    if ((request->reply.kind == REPLY_EVENTS || request->reply.kind == REPLY_FLOW) && strcmp(request->method, "HEAD") != 0)
        admit_stream(request);
    struct MHD_Response *response = response_of(request);
    if (!response)
        return MHD_NO;
    add_headers(request, response);
    request->phase = PHASE_REPLY;
    enum MHD_Result result = MHD_queue_response(request->http, (unsigned)request->reply.status, response);
    MHD_destroy_response(response);
    return result;
}

void edge_answer_now(struct connection *connection, const struct reply *reply)
{
    struct su_buf text = SU_BUF(64 * 1024);
    su_buf_addf(&text, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n", reply->status,
                MHD_get_reason_phrase_for((unsigned)reply->status), reply->type ? reply->type : "text/plain", reply->len);
    for (size_t i = 0; i < reply->header_count; i++)
        su_buf_addf(&text, "%s: %s\r\n", reply->headers[i].name, reply->headers[i].value);
    su_buf_adds(&text, "\r\n");
    su_buf_add(&text, reply->data, reply->len);
    if (!text.failed)
        send(connection->fd, text.ptr, text.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(connection->fd, SHUT_WR);
    su_buf_done(&text);
}

/* The reply is a refusal and the body is not wanted (any more). */
static enum MHD_Result refuse(struct request *request)
{
    const char *expect = request->known[HEADER_EXPECT];
    bool is_first = request->phase == PHASE_HEAD || request->phase == PHASE_BEGIN;
    uint64_t left = request->content_length >= 0 ? (uint64_t)request->content_length - request->bytes_in : UINT64_MAX;
    if (is_first && (request->must_close || (request->has_body && expect)))
        return send_reply(request);     /* before a body, or instead of "100 Continue": ends the connection */
    if (!request->has_body || left <= DISCARD_SHORT) {
        request->phase = PHASE_DISCARD;
        return MHD_YES;
    }
    edge_answer_now(request->connection, &request->reply);
    request->answered_ms = su_mono_ms();
    request->phase = PHASE_ANSWERED;
    request->bytes_in = 0;
    return MHD_YES;
}

static enum MHD_Result refuse_with(struct request *request, const struct su_err *err)
{
    reply_error(&request->reply, err);
    return refuse(request);
}

/* -------------------------------------------------------------- head */

struct gather { struct request *request; const char *end; struct su_err *err; size_t max; bool is_odd, is_bad; };

static void add_header(struct request *request, size_t max, const char *name, const char *value)
{
    if (!request->headers)
        request->headers = request->headers_inline;
    if (request->header_count == SU_COUNT(request->headers_inline)) {
        request->headers = su_arena_alloc(request->arena, max * sizeof *request->headers);
        memcpy(request->headers, request->headers_inline, sizeof request->headers_inline);
    }
    request->headers[request->header_count++] = (struct header){name, value};
}

/* The library splits the head in place, so the way from one text to the next
 * shows what it passed over: exactly the zeroed CR LF when all is well.  Bare
 * LF, NUL, folded lines and whatever else two parsers read differently gives
 * another distance.  (Held by tests against the library as packaged.) */
static enum MHD_Result gather_header(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_size, const char *value, size_t value_size)
{
    struct gather *gather = cls;
    const char *text = value ? value : "";
    gather->is_odd |= key != gather->end + 2 || strlen(key) != key_size || strlen(text) != value_size;
    gather->end = text + value_size;
    if (gather->request->header_count == gather->max)
        gather->is_bad = !su_fail_slug(gather->err, "headers-too-large", "at most %zu headers are taken", gather->max);
    else
        gather->is_bad = !request_add_header(gather->request, key, key_size, text, gather->err);
    if (!gather->is_bad)
        add_header(gather->request, gather->max, key, text);
    return gather->is_bad ? MHD_NO : MHD_YES;
}

static bool read_headers(struct request *request, const char *method, const char *version, size_t head_size, struct su_err *err)
{
    struct gather gather = {.request = request, .end = version + strlen(version), .err = err, .max = request->server->limits.headers};
    MHD_get_connection_values_n(request->http, MHD_HEADER_KIND, gather_header, &gather);
    if (gather.is_bad)
        return false;
    gather.is_odd |= gather.end + 4 != method + head_size;          /* the empty line and nothing else */
    gather.is_odd |= version != request->uri_end + 1 || request->uri_end - request->uri.len != method + strlen(method) + 1;
    return !gather.is_odd ||
           su_fail_field(err, SU_INVALID, "headers",
                         "the request's head is not plain HTTP/1.1: a line must be Name: value and end with CR LF");
}

static bool read_head(struct request *request, const char *method, const char *version, struct su_err *err)
{
    const struct limits *limits = &request->server->limits;
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(request->http, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    size_t length = strlen(method);
    request->content_length = -1;
    request->must_close = true;         /* until the head is known to be sound */
    memcpy(request->method, method, length < sizeof request->method ? length : sizeof request->method - 1);
    if (size->header_size > limits->header_bytes)
        return su_fail_slug(err, "headers-too-large", "headers: at most %llu bytes are taken", (unsigned long long)limits->header_bytes);
    if (length >= sizeof request->method)
        return su_fail_field(err, SU_INVALID, "method", "method: is not one of HTTP's");
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return su_fail_field(err, SU_INVALID, "version", "version: HTTP/1.1 is spoken here");
    request->is_http10 = version[7] == '0';
    request->must_close = !read_headers(request, method, version, size->header_size, err) || !request_check_head(request, err);
    return !request->must_close;
}

static bool host_is_ours(const struct request *request)
{
    const struct server *server = request->server;
    const char *host = request->known[HEADER_HOST];
    if (request->is_kernel || !server->is_loopback)
        return true;
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    if (!host && request->is_http10)
        return true;                /* no browser */
    for (size_t i = 0; host && i <= SU_COUNT(names); i++) {
        const char *name = i < SU_COUNT(names) ? names[i] : server->public_host;
        size_t length = name ? strlen(name) : 0;
        if (length && strncasecmp(host, name, length) == 0 && (host[length] == '\0' || host[length] == ':'))
            return true;
    }
    return false;
}

static bool admit(struct request *request, const char *method, const char *version, struct su_err *err)
{
    struct server *server = request->server;
    if (!read_head(request, method, version, err))
        return false;
    if (!host_is_ours(request)) {
        su_fail_field(err, SU_DENIED, "Host", "Host: is not a name of this server");
        return su_hint(err, "start the server with --public-host NAME to be reached by another name");
    }
    if (!request_admit(request, server->router, err))
        return false;
    request->deadline_ms += su_mono_ms();
    if (!(request->route->flags & ROUTE_EDGE) && work_is_full(server))
        return su_fail(err, SU_UNAVAILABLE, "limits.queued_requests: %llu requests are waiting already",
                       (unsigned long long)server->limits.queued_requests);
    return true;
}

static void open_request(struct request *request)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->http, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    SU_LOCKED(&request->server->lock);
    request->connection = info->socket_context;
    request->connection->request = request;
    request->peer = request->connection->peer;
    request->server->open_requests++;
}

static enum MHD_Result suspend_for(struct request *request, enum job job, enum phase phase)
{
    request->phase = phase;
    MHD_suspend_connection(request->http);
    if (!work_submit(request, job)) {
        struct su_err err;
        su_fail(&err, SU_UNAVAILABLE, "the server is shutting down");
        reply_error(&request->reply, &err);
        request->upload.has_failed = true;
        request->place = AT_EDGE;
        MHD_resume_connection(request->http);
    }
    return MHD_YES;
}

/* A worker may still look at them when the connection, and the library's memory, are gone. */
static void copy_headers(struct request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        struct header *header = &request->headers[i];
        *header = (struct header){su_arena_strdup(request->arena, header->name), su_arena_strdup(request->arena, header->value)};
    }
    request->peer = su_arena_strdup(request->arena, request->peer);
}

static enum MHD_Result on_head(struct request *request, const char *method, const char *version)
{
    struct su_err err;
    open_request(request);
    if (!admit(request, method, version, &err))
        return refuse_with(request, &err);
    const struct route *route = request->route;
    if ((route->flags & ROUTE_EDGE) && !request->has_body) {
        route->handle(request, &request->reply);
        request->phase = PHASE_DISCARD;     /* a reply before the end of the request would cost the connection */
        return MHD_YES;
    }
    request->phase = PHASE_BODY;
    if (route->body != BODY_STREAM)
        return MHD_YES;
    copy_headers(request);
    request->upload.is_whole = !request->has_body ||
        (request->content_length >= 0 && request->content_length <= UPLOAD_WHOLE && !request->known[HEADER_EXPECT]);
    return request->upload.is_whole ? MHD_YES : suspend_for(request, JOB_BEGIN, PHASE_BEGIN);
}

/* -------------------------------------------------------------- body */

static enum MHD_Result upload_failed(struct request *request)
{
    return request->reply.kind == REPLY_NONE ? MHD_NO : refuse(request);
}

static void fill_prepare(struct request *request)
{
    struct upload *upload = &request->upload;
    if (upload->fill.ptr)
        return;
    upload->fill.capacity = upload->is_whole ? (size_t)request->content_length : UPLOAD_BUFFER;
    upload->fill.ptr = malloc(upload->fill.capacity);
    su_assert(upload->fill.ptr != NULL);
}

/* True: the buffer is free (again).  False: the edge waits for a worker, or all is over. */
static bool fill_pass_on(struct request *request, bool must_wait)
{
    struct upload *upload = &request->upload;
    SU_LOCKED(&request->server->lock);
    if (upload->has_failed)
        return false;
    if (!upload->is_working) {
        bool is_passed = work_swap(request);
        if (!is_passed)
            upload->has_failed = true;
        return is_passed;
    }
    if (must_wait) {
        upload->edge_waits = true;
        request->place = AT_WORKER;
        MHD_suspend_connection(request->http);
    }
    return false;
}

static enum MHD_Result stream_add(struct request *request, const char *data, size_t *size)
{
    struct upload *upload = &request->upload;
    while (*size && !upload->has_failed) {
        fill_prepare(request);
        if (upload->fill.len == upload->fill.capacity) {
            if (fill_pass_on(request, true))
                continue;
            break;
        }
        size_t room = upload->fill.capacity - upload->fill.len, count = *size < room ? *size : room;
        memcpy(upload->fill.ptr + upload->fill.len, data, count);
        upload->fill.len += count;
        request->bytes_in += count;
        data += count;
        *size -= count;
        if (upload->fill.len == upload->fill.capacity && !upload->is_whole)
            fill_pass_on(request, false);
    }
    return MHD_YES;
}

static enum MHD_Result on_stream(struct request *request, const char *data, size_t *size)
{
    su_lock(&request->server->lock);
    bool has_failed = request->upload.has_failed;
    su_unlock(&request->server->lock);
    if (has_failed)
        return upload_failed(request);
    if (request->bytes_in + *size > request->server->limits.object_bytes) {
        struct su_err err;
        su_fail_field(&err, SU_LIMIT, "body", "body: longer than %llu bytes (limits.object_bytes)",
                      (unsigned long long)request->server->limits.object_bytes);
        return refuse_with(request, &err);
    }
    return stream_add(request, data, size);
}

static enum MHD_Result stream_complete(struct request *request)
{
    struct upload *upload = &request->upload;
    SU_LOCKED(&request->server->lock);
    request->phase = PHASE_WORK;
    request->place = AT_WORKER;
    upload->is_complete = true;
    MHD_suspend_connection(request->http);
    if (!upload->is_working && !work_swap(request)) {
        request->place = AT_EDGE;
        MHD_resume_connection(request->http);
    }
    return MHD_YES;
}

static enum MHD_Result on_body(struct request *request, const char *data, size_t *size)
{
    struct su_err err;
    if (request->route->body == BODY_STREAM)
        return on_stream(request, data, size);
    if (request->body.len + *size >= request->body.max) {
        su_fail_field(&err, SU_LIMIT, "body", "body: longer than %zu bytes", request->body.max - 1);
        return refuse_with(request, &err);
    }
    su_buf_add(&request->body, data, *size);
    request->bytes_in += *size;
    *size = 0;
    return MHD_YES;
}

static enum MHD_Result on_body_end(struct request *request)
{
    if (request->route->body != BODY_STREAM)
        return suspend_for(request, JOB_HANDLE, PHASE_WORK);
    return stream_complete(request);
}

static enum MHD_Result discard(struct request *request, size_t *size)
{
    request->bytes_in += *size;
    bool is_enough = request->phase == PHASE_ANSWERED && (request->bytes_in > DISCARD_LONG || !*size);
    *size = 0;
    return is_enough ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *http, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
    struct request *request = *context;
    if (!request)
        return MHD_NO;
    su_assert(request->magic == REQUEST_MAGIC);
    switch ((enum phase)request->phase) {
    case PHASE_HEAD:
        return on_head(request, method, version);
    case PHASE_BEGIN:           /* begin has run: go on, or refuse before the body is asked for */
        if (request->upload.has_failed)
            return refuse(request);
        request->phase = PHASE_BODY;
        return MHD_YES;
    case PHASE_BODY:
        return *size ? on_body(request, data, size) : on_body_end(request);
    case PHASE_DISCARD:
        return *size ? discard(request, size) : send_reply(request);
    case PHASE_ANSWERED:
        return discard(request, size);
    case PHASE_WORK:
        return send_reply(request);
    case PHASE_REPLY:
    case PHASE_COUNT:
        break;
    }
    return MHD_NO;
}

/* ----------------------------------------------------------- daemons */

/* Addresses are decoded by uri.c, once. */
static size_t leave_escaped(void *cls, struct MHD_Connection *http, char *text) { return strlen(text); }

static void log_library(void *cls, const char *format, va_list args) __attribute__((format(printf, 2, 0)));
static void log_library(void *cls, const char *format, va_list args)
{
    char text[256];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    su_log(SU_LOG_DEBUG, "http.library", su_kv_text("message", text));
}

/* What workers handed back since the last look, oldest first. */
static struct request *take_finished(struct listener *listener)
{
    struct request *newest = atomic_exchange(&listener->finished, NULL), *oldest = NULL;
    while (newest) {
        struct request *next = newest->finished_next;
        newest->finished_next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

static bool resume_finished(struct listener *listener)
{
    struct request *request = take_finished(listener);
    bool has_any = request != NULL;
    for (struct request *next; request; request = next) {
        next = request->finished_next;
        if (request->upgraded)
            MHD_upgrade_action(request->upgraded, MHD_UPGRADE_ACTION_CLOSE);
        else
            MHD_resume_connection(request->http);
    }
    return has_any;
}

void edge_resume(struct request *request)
{
    struct listener *listener = request->listener;
    struct request *newest = atomic_load(&listener->finished);
    do
        request->finished_next = newest;
    while (!atomic_compare_exchange_weak(&listener->finished, &newest, request));
    if (atomic_exchange(&listener->is_asleep, false))
        eventfd_write(listener->wake_fd, 1);
}

static void wake_up(struct listener *listener)
{
    atomic_store(&listener->is_asleep, false);
    eventfd_write(listener->wake_fd, 1);
}

/* The library's loop would do, were it not for the price of each hand-over: here a
 * worker's reply costs the edge no wake-up while it is awake anyway. */
static void edge_main(void *arg)
{
    struct listener *listener = arg;
    while (!listener->must_stop) {
        if (atomic_exchange(&listener->must_quiesce, false)) {
            SU_AUTO_FD int fd = MHD_quiesce_daemon(listener->daemon);   /* ours again, and done with */
        }
        bool has_work = resume_finished(listener);
        atomic_store(&listener->is_asleep, true);
        has_work |= atomic_load(&listener->finished) || listener->must_stop || listener->must_quiesce;
        MHD_run_wait(listener->daemon, has_work ? 0 : WAIT_MAX_MS);
        atomic_store(&listener->is_asleep, false);
    }
    resume_finished(listener);
}

/* The library passes over events without a pointer, so this one only ends its wait. */
static bool watch_wakes(struct listener *listener)
{
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    int sockets_fd = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    listener->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return listener->wake_fd >= 0 && epoll_ctl(sockets_fd, EPOLL_CTL_ADD, listener->wake_fd, &wanted) == 0;
}

bool edge_start(struct listener *listener, struct su_err *err)
{
    const struct limits *limits = &listener->server->limits;
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, listener,
        MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_LISTEN_SOCKET, listener->fd,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,   /* serve ignores it; without this word files are not sent by sendfile */
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, listener,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, listener,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, listener,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)limits->connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)limits->idle_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_END);
    if (!listener->daemon)
        return su_fail_errno(err, errno, "can't start the HTTP library");
    listener->fd = -1;              /* the library's now */
    if (!watch_wakes(listener))
        return su_fail_errno(err, errno, "can't wake the HTTP library");
    su_thread_start(&listener->thread, listener->is_kernel ? "http-kernels" : "http", edge_main, listener);
    return true;
}

void edge_quiesce(struct listener *listener)
{
    if (!listener->daemon)
        return;
    listener->must_quiesce = true;
    wake_up(listener);
}

void edge_stop(struct listener *listener)
{
    if (!listener->daemon)
        return;
    listener->must_stop = true;
    wake_up(listener);
    su_thread_join(&listener->thread);
    MHD_stop_daemon(listener->daemon);
    su_close_fd(&listener->wake_fd);
    listener->daemon = NULL;
}
