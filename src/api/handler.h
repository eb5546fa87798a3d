/* What a resource file (objects.c, runs.c …) sees of HTTP: routes, requests, replies.  Layer api.
 *
 * A resource is one file that exports a table `const struct route <resource>_routes[]`,
 * ended by ROUTE_END, and is listed in routes.c.  The table is all there is to
 * say: the router, authorisation, limits, the OpenAPI document and the tests
 * that hold every route against every kind of credential are driven by it.
 *
 * A handler runs top to bottom on a worker thread and sets its reply exactly
 * once.  It never waits for a network peer: a body reaches it complete
 * (BODY_JSON, BODY_BYTES) or one filled buffer at a time (BODY_STREAM), and
 * ?wait= is reply_park: the handler returns, and runs again from the top when
 * the topic fires or the wait is over. */
#pragma once
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "accounts.h"
#include "services.h"

struct request;
struct reply;

typedef void handler_fn(struct request *request, struct reply *reply);

enum body_mode {
    BODY_NONE,      /* a body is refused */
    BODY_JSON,      /* an object, parsed: request_json(); may be absent when body_optional */
    BODY_BYTES,     /* buffered as it came: request_body() */
    BODY_STREAM,    /* upload_ops, one buffer at a time, constant memory */
    BODY_MODE_COUNT
};

/* A streamed body.  Every call is made on a worker, one at a time, in order;
 * begin before the first byte was read (so it may refuse early), add for each
 * filled buffer, then finish or abort, whichever happens, once.  When begin or
 * add fails its error is the reply (after add: abort is called first). */
struct upload_ops {
    bool (*begin)(struct request *request, void **ret_state, struct su_err *err);
    bool (*add)(struct request *request, void *state, const void *data, size_t len, struct su_err *err);
    void (*finish)(struct request *request, void *state, struct reply *reply);  /* consumes state */
    void (*abort)(void *state);                                                /* consumes state */
};

/* A query parameter: what is not listed is refused with 400. */
enum query_type { QUERY_TEXT, QUERY_INT, QUERY_DURATION, QUERY_BOOL, QUERY_TYPE_COUNT };
struct query_field { const char *name; enum query_type type; const char *help; };

enum route_flag {
    ROUTE_EDGE = 1,             /* answers from memory, runs on the edge thread, never blocks */
    ROUTE_BODY_OPTIONAL = 2,    /* BODY_JSON may be absent */
    ROUTE_QUERY_TOKEN = 4,      /* ?token= of a figures:read token is accepted */
    ROUTE_WAIT = 8,             /* takes ?wait= (reply_park) */
    ROUTE_LIST = 16,            /* takes ?limit= and ?cursor= */
    ROUTE_RUN_TOKEN = 32,       /* a kernel's run token may call it (it needs the scope as well) */
    ROUTE_PAGE = 128,           /* for browsers, not of the API: any query parameters, not in the OpenAPI document */
    ROUTE_WAIT_STANDARD = 256,  /* with ROUTE_WAIT: without ?wait= it waits as long as a patient client would */
    ROUTE_NO_IDEMPOTENCY = 64,  /* a POST whose reply must not be stored (secrets) */
};

struct route {
    const char *method;         /* GET routes answer HEAD too */
    const char *path;           /* "/v1/objects/{name*}": {p} is one segment, {p*} the rest, up to what follows it */
    enum scope scope;           /* SCOPE_OPEN: no credential; SCOPE_ANY: any credential */
    handler_fn *handle;         /* NULL for BODY_STREAM */
    enum body_mode body;
    unsigned flags;             /* of enum route_flag */
    size_t body_max;            /* 0: the configured default (1 MiB); for BODY_STREAM: object_max */
    const struct upload_ops *upload;
    /* For the OpenAPI document. */
    const char *summary;
    const struct query_field *query;    /* ended by name NULL; or NULL */
    const struct su_field *request;     /* fields of the JSON body; or NULL */
    json_t *(*request_schema)(void);    /* of a body that no one table describes (new reference); or NULL */
    const char *response;               /* what a success holds, in a few words */
    int success;                        /* its status; 0: 200 */
    const char *response_type;          /* media type; NULL: application/json */
};
#define ROUTE_END {.method = NULL}

/* ------------------------------------------------------------- request */

const struct services *request_services(const struct request *request);
/* Who asks.  For SCOPE_OPEN routes every field is empty. */
const struct identity *request_identity(const struct request *request);
/* The tenant's id, which leads every key. */
const char *request_tenant(const struct request *request);
/* Memory that lives as long as the request. */
struct su_arena *request_arena(struct request *request);
const char *request_method(const struct request *request);
/* Short id of this request, for logs. */
const char *request_id(const struct request *request);

/* The client's address, "" for the kernels' socket. */
const char *request_peer(const struct request *request);

/* A path parameter, percent-decoded once, valid UTF-8, without control
 * characters, `.`, `..` or empty segments, at most 512 bytes.  Never NULL for
 * a parameter of the route's own path. */
const char *request_param(const struct request *request, const char *name);
/* A query parameter, decoded; NULL when absent. */
const char *request_query(const struct request *request, const char *name);
/* A whole number within [min,max]; *ret keeps its value when absent. */
bool request_query_int(const struct request *request, const char *name, int64_t min, int64_t max, int64_t *ret, struct su_err *err);
/* ?limit= (1..1000, default 100). */
bool request_limit(const struct request *request, size_t *ret, struct su_err *err);
/* A header's value; NULL when absent. */
const char *request_header(const struct request *request, const char *name);
/* Headers in order; NULL past the end. */
const char *request_header_at(const struct request *request, size_t index, const char **ret_value);
/* The Content-Length, or -1 when the body is chunked or absent. */
int64_t request_content_length(const struct request *request);
/* BODY_JSON: the parsed object (borrowed), NULL when absent. */
json_t *request_json(struct request *request);
/* Read it by a table; an absent body counts as {}. */
bool request_bind(struct request *request, const struct su_field *fields, void *target, struct su_err *err);
/* BODY_BYTES. */
struct su_str request_body(const struct request *request);

/* Media type of the body without parameters, lower case ("text/csv"); "" when absent. */
const char *request_body_type(struct request *request);

/* If-Match / If-None-Match on something to be written, as given: at most one of
 * the three is set.  ETags are strong, one per header (lists are refused). */
struct precondition {
    char etag[80];          /* If-Match: "x" → x, without quotes; or "" */
    bool must_exist;        /* If-Match: * */
    bool must_not_exist;    /* If-None-Match: * */
};
bool request_precondition(const struct request *request, struct precondition *ret, struct su_err *err);
/* The same as object.h takes them: the quoted etag, "*" or NULL each; texts live as long as the request. */
bool request_conditions(struct request *request, const char **ret_match, const char **ret_none_match, struct su_err *err);
/* True when If-None-Match of a GET names this etag (with or without its quotes):
 * answer with reply_etag and reply_empty(reply, 304). */
bool request_is_fresh(const struct request *request, const char *etag);

/* Text kept over the re-runs of a parked handler (a POST keeps the id of what it made); NULL before. */
const char *request_kept(const struct request *request);
void request_keep(struct request *request, const char *text);

/* -------------------------------------------------------------- reply */

void reply_json(struct reply *reply, int status, json_t *value);                 /* takes the reference */
void reply_bytes(struct reply *reply, int status, const char *type, const void *data, size_t len);  /* copies */
void reply_take(struct reply *reply, int status, const char *type, char *data, size_t len);         /* frees with free() */
void reply_empty(struct reply *reply, int status);                               /* 204, 303, 304 … */
/* An open file, sent by sendfile: takes fd.  Answers Range (one range, 206/416),
 * If-Range, If-None-Match (304) and HEAD by itself; etag (with or without its
 * quotes) may be NULL. */
void reply_file(struct request *request, struct reply *reply, int fd, uint64_t size, const char *type, const char *etag);
/* The same for bytes in memory: takes data, which is freed with free(). */
void reply_content(struct request *request, struct reply *reply, char *data, size_t size, const char *type, const char *etag);
/* RFC 9457 problem of err; headers set before are dropped. */
void reply_error(struct reply *reply, const struct su_err *err);
/* The same with a member more, of the problem's own; takes value. */
void reply_error_with(struct reply *reply, const struct su_err *err, const char *member, json_t *value);
/* Add a header; control characters in the value become spaces. */
void reply_header(struct reply *reply, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* ETag: "etag"; quotes are added when missing. */
void reply_etag(struct reply *reply, const char *etag);
/* 200 {"items": items, "next": cursor or null}; takes items. */
void reply_list(struct reply *reply, json_t *items, const char *next);

/* Wait for `topic` as the client asked with ?wait=.  True: return at once, the
 * handler runs again (in its state of the world nothing was missed: the topic
 * is subscribed to before a second run).  False: no (more) waiting, reply now. */
bool reply_park(struct request *request, struct reply *reply, const char *topic);

/* Server-sent events.  `fill` runs on a worker: at the start, whenever topic
 * fires and until it adds nothing.  It appends whole events (events_add), stops
 * by itself past EVENTS_ENOUGH bytes, and returns false when the stream ends
 * after them.  A heartbeat comment is sent each 15 s.  The stream ends too when
 * the credential is revoked or the server drains; a client comes back with
 * Last-Event-ID (request_header). */
enum { EVENTS_ENOUGH = 64 * 1024, EVENTS_MAX = 128 * 1024 * 1024 };
struct event_source {
    bool (*fill)(struct request *request, void *state, struct su_buf *out);
    void (*close)(void *state);             /* may be NULL */
    int64_t pace_ms;                        /* WebSockets: fill is called at most so often; 0: as often as the topic fires */
};
void reply_events(struct request *request, struct reply *reply, const struct event_source *source, void *state, const char *topic);
/* A reply of any size in constant memory: `fill` runs on a worker whenever the client has taken what it gave, until it
 * returns false (the end, after what it added).  One that can't go on sets out->failed: the connection is broken off, so
 * that nobody takes a part for the whole. */
void reply_flow(struct request *request, struct reply *reply, const char *type, const struct event_source *source, void *state);
/* One event: id may be NULL; data is split at line feeds. */
void events_add(struct su_buf *out, const char *id, const char *event, const char *data);

/* A WebSocket instead of an answer.  The client asks for one by `Upgrade: websocket`
 * (request_wants_socket).  `fill` as above, but on the thread "sockets" and one text
 * message a call, without any framing; false closes the socket (1000).  What a slow
 * reader has not taken is not followed by more, and one that takes nothing for
 * limits.socket_stall_s is dropped.  Ends with 1008 when the credential is revoked,
 * with 1012 when the server drains.  A handshake that is not in order is the reply. */
bool request_wants_socket(const struct request *request);
void reply_socket(struct request *request, struct reply *reply, const struct event_source *source, void *state, const char *topic);
