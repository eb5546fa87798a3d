/* The client side of the REST API over libcurl.  Layer cli; one thread. */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "cli/sse.h"
#include "cli/url.h"

enum { CONNECT_MS = 10000, QUIET_S = 60, BODY_MAX = 256 << 20, PROBLEM_MAX = 1 << 20, TITLE_MAX = 128 };

struct client {
    CURL *curl;
    char *url, *authorization;
    json_t *problem;
};

/* One call in flight: what the callbacks need. */
struct flight {
    CURL *curl;
    const struct client_call *call;
    struct client_reply *reply;
    struct su_err *err;
    struct su_buf problem;
    long status;
    bool has_failed;    /* a callback filled err */
};

static void free_list(struct curl_slist **list) { curl_slist_free_all(*list); }

bool client_open(const char *url, const char *token, struct client **ret, struct su_err *err)
{
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return su_fail(err, SU_INVALID, "the server's address must begin with http:// or https://, was \"%s\"", url);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct client *client = su_alloc(sizeof *client);
    client->curl = curl_easy_init();
    su_assert(client->curl);
    client->url = su_strdup(url);
    size_t len = strlen(client->url);
    while (len && client->url[len - 1] == '/')
        client->url[--len] = '\0';
    if (token)
        client->authorization = su_format("Authorization: Bearer %s", token);
    *ret = client;
    return true;
}

void client_close(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    if (client->authorization)
        explicit_bzero(client->authorization, strlen(client->authorization));
    free(client->authorization);
    free(client->url);
    json_decref(client->problem);
    free(client);
}

const char *client_url(const struct client *client) { return client->url; }

const json_t *client_problem(const struct client *client) { return client->problem; }

void client_reply_done(struct client_reply *reply)
{
    su_buf_done(&reply->body);
    json_decref(reply->json);
    reply->json = NULL;
}

static long flight_status(struct flight *flight)
{
    if (!flight->status)
        curl_easy_getinfo(flight->curl, CURLINFO_RESPONSE_CODE, &flight->status);
    return flight->status;
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    (void)one;
    struct flight *flight = arg;
    struct su_str bytes = {data, len};
    if (flight_status(flight) >= 400) {
        su_buf_add(&flight->problem, data, len);
        return len;     /* past its maximum the rest is dropped */
    }
    if (flight->call->sink) {
        flight->has_failed = !flight->call->sink(flight->call->sink_arg, flight->status, bytes, flight->err);
        return flight->has_failed ? 0 : len;
    }
    su_buf_add(&flight->reply->body, data, len);
    if (flight->reply->body.failed)
        flight->has_failed = !su_fail(flight->err, SU_LIMIT, "the answer is larger than %d MiB", BODY_MAX >> 20);
    return flight->has_failed ? 0 : len;
}

static size_t on_upload(char *room, size_t one, size_t len, void *arg)
{
    struct flight *flight = arg;
    for (;;) {
        ssize_t got = read(flight->call->upload->fd, room, one * len);
        if (got >= 0)
            return (size_t)got;
        if (errno == EINTR)
            continue;
        flight->has_failed = !su_fail_errno(flight->err, errno, "reading the file");
        return CURL_READFUNC_ABORT;
    }
}

static bool header_is(struct su_str line, const char *name, struct su_str *ret_value)
{
    struct su_str head, value;
    if (!su_str_cut(line, ':', &head, &value) || head.len != strlen(name) ||
        strncasecmp(head.ptr, name, head.len) != 0)
        return false;
    *ret_value = su_str_trim(value);
    return true;
}

static void keep_header(char *to, size_t size, struct su_str value)
{
    if (value.len < size) {
        memcpy(to, value.ptr, value.len);
        to[value.len] = '\0';
    }
}

static size_t on_header(char *data, size_t one, size_t len, void *arg)
{
    (void)one;
    struct flight *flight = arg;
    struct client_reply *reply = flight->reply;
    struct su_str line = {data, len}, value;
    flight->status = 0;     /* a "100 Continue" has come before the real one */
    uint64_t length = 0;
    if (header_is(line, "ETag", &value))
        keep_header(reply->etag, sizeof reply->etag, value);
    else if (header_is(line, "Location", &value))
        keep_header(reply->location, sizeof reply->location, value);
    else if (header_is(line, "Content-Type", &value))
        keep_header(reply->content_type, sizeof reply->content_type, value);
    else if (header_is(line, "Content-Length", &value) && su_str_u64(value, INT64_MAX, &length))
        reply->length = (int64_t)length;
    else if (header_is(line, "Retry-After", &value) && su_str_u64(value, UINT32_MAX, &length))
        reply->retry_after_s = length;
    return len;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    struct flight *flight = arg;
    bool is_upload = flight->call->upload != NULL;
    flight->call->progress(flight->call->progress_arg, (uint64_t)(is_upload ? up : down),
                           (uint64_t)(is_upload ? up_total : down_total));
    return 0;
}

/* Never follow a redirect, never speak anything but HTTP, never through a proxy to ourselves. */
static void set_basics(CURL *curl, const char *url, long quiet_limit_s)
{
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, quiet_limit_s ? quiet_limit_s : (long)QUIET_S);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "suricate/" SURICATE_VERSION);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (url_is_loopback(url))
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
}

static void set_callbacks(CURL *curl, struct flight *flight)
{
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, flight);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, flight);
    if (flight->call->progress) {
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, flight);
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    }
}

static void set_body(CURL *curl, struct flight *flight, const char *json_text, struct curl_slist **headers)
{
    const struct client_call *call = flight->call;
    if (call->upload) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(curl, CURLOPT_READDATA, flight);
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
        if (call->upload->size >= 0)
            curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->upload->size);
    } else if (call->body.ptr) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.ptr);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        *headers = curl_slist_append(*headers, "Expect:");  /* no round trip to ask whether it may be sent */
    } else if (json_text) {
        *headers = curl_slist_append(*headers, "Content-Type: application/json");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json_text);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(json_text));
    } else if (strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
        *headers = curl_slist_append(*headers, "Content-Type:");
    }
    if (strcmp(call->method, "HEAD") == 0)
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
}

/* The caller's own Idempotency-Key, for a call it may send again. */
static bool has_own_key(const struct client_call *call)
{
    for (size_t i = 0; i < SU_COUNT(call->headers) && call->headers[i]; i++)
        if (su_str_starts(su_str_of(call->headers[i]), SU_STR("Idempotency-Key:")))
            return true;
    return false;
}

static void add_headers(const struct client *client, const struct client_call *call, struct curl_slist **headers)
{
    if (client->authorization)
        *headers = curl_slist_append(*headers, client->authorization);
    if (strcmp(call->method, "POST") == 0 && !has_own_key(call)) {
        char id[SU_ID_SIZE], line[64];
        snprintf(line, sizeof line, "Idempotency-Key: %s", su_id(id));
        *headers = curl_slist_append(*headers, line);
    }
    if ((call->upload || call->body.ptr) && call->content_type) {
        SU_AUTO_FREE char *line = su_format("Content-Type: %s", call->content_type);
        *headers = curl_slist_append(*headers, line);
    }
    for (size_t i = 0; i < SU_COUNT(call->headers) && call->headers[i]; i++)
        *headers = curl_slist_append(*headers, call->headers[i]);
}

static enum su_code code_of_status(long status)
{
    static const struct { long status; enum su_code code; } table[] = {
        {401, SU_DENIED},   {403, SU_DENIED},  {404, SU_NOT_FOUND}, {408, SU_TIMEOUT}, {409, SU_CONFLICT},
        {412, SU_CONFLICT}, {413, SU_LIMIT},   {414, SU_LIMIT},     {429, SU_LIMIT},   {431, SU_LIMIT},
        {502, SU_UNAVAILABLE}, {503, SU_UNAVAILABLE}, {504, SU_TIMEOUT}, {507, SU_LIMIT},
    };
    for (size_t i = 0; i < SU_COUNT(table); i++)
        if (table[i].status == status)
            return table[i].code;
    return status >= 500 ? SU_INTERNAL : SU_INVALID;
}

static bool fail_problem(struct client *client, struct flight *flight, struct su_err *err)
{
    struct su_err ignored;
    enum su_code code = code_of_status(flight->status);
    if (!su_json_parse(su_buf_str(&flight->problem), "answer", &client->problem, &ignored) ||
        !json_is_object(client->problem)) {
        json_decref(client->problem);
        client->problem = NULL;
        return su_fail(err, code, "the server answered %ld", flight->status);
    }
    const char *title = su_json_string(client->problem, "title", "");
    const char *detail = su_json_string(client->problem, "detail", "");
    const char *between = !*title || !*detail ? "" : title[strlen(title) - 1] == '?' ? " " : ": ";
    su_fail_field(err, code, su_json_string(client->problem, "field", ""), "%.*s%s%s", TITLE_MAX, title, between, detail);
    return su_hint(err, "%s", su_json_string(client->problem, "hint", ""));
}

static bool fail_transport(const struct client *client, CURLcode result, struct su_err *err)
{
    switch ((int)result) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        su_fail(err, SU_UNAVAILABLE, "no server answers at %s", client->url);
        return su_hint(err, "is it running? start one with: suricate serve");
    case CURLE_OPERATION_TIMEDOUT:
        return su_fail(err, SU_TIMEOUT, "the server at %s has gone silent", client->url);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return su_fail(err, SU_UNAVAILABLE, "the server at %s closed the connection", client->url);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_HTTP2:
        return su_fail(err, SU_UNAVAILABLE, "what answers at %s is not a Suricate server", client->url);
    case CURLE_PEER_FAILED_VERIFICATION:
        return su_fail(err, SU_DENIED, "the certificate of %s is not trusted", client->url);
    default:
        return su_fail(err, SU_INTERNAL, "speaking to %s: %s", client->url, curl_easy_strerror(result));
    }
}

static bool read_json(struct flight *flight, struct su_err *err)
{
    struct client_reply *reply = flight->reply;
    struct su_str type = su_str_of(reply->content_type);
    if (flight->call->sink || !reply->body.len ||
        !(su_str_starts(type, SU_STR("application/json")) || su_str_starts(type, SU_STR("application/x-ipynb+json"))))
        return true;
    return su_json_parse_deep(su_buf_str(&reply->body), "the server's answer", 2000, &reply->json, err);
}

bool client_send(struct client *client, const struct client_call *call, struct client_reply *ret,
                 struct su_err *err)
{
    SU_AUTO_FREE char *url = su_format("%s%s", client->url, call->path);
    SU_AUTO_FREE char *json_text = call->json ? su_json_text(call->json) : NULL;
    SU_CLEANUP(free_list) struct curl_slist *headers = NULL;
    struct flight flight = {.curl = client->curl, .call = call, .reply = ret, .err = err,
                            .problem = SU_BUF(PROBLEM_MAX)};
    *ret = (struct client_reply){.body = SU_BUF(BODY_MAX), .length = -1};
    json_decref(client->problem);
    client->problem = NULL;

    set_basics(client->curl, url, call->quiet_limit_s);
    set_callbacks(client->curl, &flight);
    set_body(client->curl, &flight, json_text, &headers);
    add_headers(client, call, &headers);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    CURLcode result = curl_easy_perform(client->curl);
    ret->status = flight_status(&flight);

    bool done = false;
    if (flight.has_failed)
        done = false;
    else if (ret->status >= 400)    /* even when it closed on the rest of our body */
        done = fail_problem(client, &flight, err);
    else if (result != CURLE_OK)
        done = fail_transport(client, result, err);
    else
        done = read_json(&flight, err);
    su_buf_done(&flight.problem);
    return done;
}

bool client_json(struct client *client, const char *method, const char *path, const json_t *body,
                 json_t **ret, struct su_err *err)
{
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = method, .path = path, .json = body};
    if (!client_send(client, &call, &reply, err))
        return false;
    *ret = su_take(reply.json);
    return true;
}

bool client_get_json(struct client *client, const char *path, json_t **ret, struct su_err *err)
{
    if (!client_json(client, "GET", path, NULL, ret, err))
        return false;
    if (!*ret)
        return su_fail(err, SU_UNAVAILABLE, "what answers at %s is not a Suricate server", client->url);
    return true;
}

struct event_sink { struct sse sse; client_event_fn *fn; void *arg; bool has_ended; };

static bool sink_event(void *arg, const char *event, const char *id, struct su_str data)
{
    struct event_sink *sink = arg;
    sink->has_ended = !sink->fn(sink->arg, event, id, data);
    return !sink->has_ended;
}

static bool sink_bytes(void *arg, long status, struct su_str bytes, struct su_err *err)
{
    (void)status;
    struct event_sink *sink = arg;
    if (sse_feed(&sink->sse, bytes, sink_event, sink))
        return true;
    return su_fail(err, SU_LIMIT, "an event is longer than %d MiB", SSE_EVENT_MAX >> 20);
}

bool client_events(struct client *client, const char *path, const char *last_id, client_event_fn *fn,
                   void *arg, struct su_err *err)
{
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct event_sink sink = {.fn = fn, .arg = arg};
    sse_init(&sink.sse);
    SU_AUTO_FREE char *last = last_id ? su_format("Last-Event-ID: %s", last_id) : NULL;
    struct client_call call = {.method = "GET", .path = path, .headers = {"Accept: text/event-stream", last},
                               .sink = sink_bytes, .sink_arg = &sink};
    bool done = client_send(client, &call, &reply, err);
    sse_done(&sink.sse);
    return done || sink.has_ended;
}

static size_t on_fetched(char *data, size_t one, size_t len, void *arg)
{
    struct su_buf *buf = arg;
    su_buf_add(buf, data, one * len);
    return buf->failed ? 0 : len;
}

bool client_fetch(const char *url, size_t max, struct su_buf *ret, struct su_err *err)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *curl = curl_easy_init();
    su_assert(curl);
    struct su_buf body = SU_BUF(max);
    set_basics(curl, url, 0);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_fetched);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode result = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (body.failed)
        su_fail(err, SU_LIMIT, "%s is larger than %zu MiB", url, max >> 20);
    else if (result != CURLE_OK)
        su_fail(err, SU_UNAVAILABLE, "%s: %s", url, curl_easy_strerror(result));
    else if (status != 200)
        su_fail(err, code_of_status(status), "%s answered %ld", url, status);
    else {
        *ret = body;
        return true;
    }
    su_buf_done(&body);
    return false;
}
