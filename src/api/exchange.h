/* The insides of a request and its reply, for server.c, request.c, reply.c and idempotency.c only.
 * Layer api.
 *
 * A request belongs to one thread at a time: the edge while its head or body is
 * read and its reply is sent, a worker while its handler runs, nobody while it
 * is parked (then the server's lock guards the way out). */
#pragma once
#include "handler.h"
#include "router.h"
#include "base/bus.h"

enum { REQUEST_MAGIC = 0x5e90e57, REPLY_HEADERS_MAX = 16, REQUEST_METHOD_SIZE = 16 };

struct header { const char *name, *value; };
/* Headers the server itself looks at; each may come once. */
enum known_header {
    HEADER_AUTHORIZATION, HEADER_CONTENT_LENGTH, HEADER_CONTENT_TYPE, HEADER_COOKIE, HEADER_CSRF, HEADER_EXPECT, HEADER_HOST,
    HEADER_IDEMPOTENCY_KEY, HEADER_IF_MATCH, HEADER_IF_NONE_MATCH, HEADER_ORIGIN, HEADER_RANGE, HEADER_SEC_FETCH_SITE,
    HEADER_TRANSFER_ENCODING, HEADER_OTHER
};

enum reply_kind { REPLY_NONE, REPLY_BYTES, REPLY_FILE, REPLY_EVENTS, REPLY_FLOW, REPLY_SOCKET, REPLY_PARKED, REPLY_KIND_COUNT };

struct reply {
    enum reply_kind kind;
    int status;
    const char *type;               /* arena or static */
    char *data;                     /* REPLY_BYTES: owned */
    size_t len;
    int fd;                         /* REPLY_FILE: owned; -1 */
    uint64_t offset, length;
    struct header headers[REPLY_HEADERS_MAX];
    size_t header_count;
    const struct event_source *source;  /* REPLY_EVENTS, REPLY_FLOW, REPLY_SOCKET */
    void *source_state;
    const char *topic;              /* REPLY_EVENTS, REPLY_SOCKET, REPLY_PARKED; arena */
    struct request *request;
};

/* Who may touch the request; changes under the server's lock. */
enum place { AT_EDGE, AT_WORKER, AT_PARK, PLACE_COUNT };
/* Where the edge is with it. */
enum phase {
    PHASE_HEAD,         /* nothing known yet */
    PHASE_BEGIN,        /* a worker runs upload_ops.begin */
    PHASE_BODY,         /* bytes arrive */
    PHASE_DISCARD,      /* the reply is known; the rest of a short body is read and dropped first */
    PHASE_ANSWERED,     /* answered in mid-body: drop what still comes, then close */
    PHASE_WORK,         /* a worker makes the reply */
    PHASE_REPLY,        /* the reply is being sent */
    PHASE_COUNT
};
enum job { JOB_BEGIN, JOB_ADD, JOB_HANDLE, JOB_FILL, JOB_COUNT };

struct upload {
    void *state;                    /* of the route's upload_ops */
    struct { char *ptr; size_t len, capacity; } fill, work;
    bool has_begun;                 /* begin succeeded; state is to be consumed */
    bool is_working;                /* a worker has `work` */
    bool edge_waits;                /* the edge is suspended until a worker took `fill` */
    bool is_complete;               /* the last byte is in fill or work */
    _Atomic bool has_failed;        /* reply holds the error; never taken back */
    bool is_whole;                  /* small: nothing runs before the whole body is here */
};

struct stream {
    struct su_buf out;
    size_t sent;
    bool is_ended, is_broken;       /* is_broken: the end is told as a failure */
    bool is_open;
    int64_t heartbeat_ms;           /* when the next comment is due */
};

struct connection;
struct listener;

struct request {
    unsigned magic;
    struct server *server;
    struct listener *listener;
    struct request *finished_next;
    void *upgraded;                 /* the library's handle of a WebSocket, until it is closed */
    bool is_socket;                 /* counts among the open WebSockets */
    const struct services *services;
    void *http;                     /* struct MHD_Connection */
    struct connection *connection;
    const char *peer;               /* its address */
    bool is_kernel;                 /* came by the kernels' socket */
    _Atomic(enum phase) phase;
    enum job job;
    bool is_abandoned;              /* the connection went while a worker had the upload */

    char method[REQUEST_METHOD_SIZE];
    char id[17];
    struct su_str uri;              /* as it came */
    const char *uri_end;            /* where its last byte stood in the library's buffer */
    bool must_close;                /* the head can be read in two ways: what follows is not trusted */
    bool is_http10;
    struct header *headers;         /* the library's memory; copied for uploads, which may outlive the connection */
    size_t header_count;
    struct header headers_inline[24];
    const char *known[HEADER_OTHER];
    int64_t content_length;         /* -1: chunked or none */
    bool has_body;
    _Atomic uint64_t bytes_in;
    int64_t began_ns;
    _Atomic int64_t answered_ms;    /* PHASE_ANSWERED: since when */

    const struct route *route;
    struct uri_query query;
    struct route_params params;
    struct identity identity;
    struct su_arena *arena;

    struct su_buf body;
    json_t *json;
    const char *kept;
    const char *allow;              /* of a 405; or NULL */
    char *body_type;

    bool can_wait, is_wait_over;
    int64_t deadline_ms;            /* monotonic: of the wait, or of the next heartbeat */

    struct reply reply;
    struct upload upload;
    struct stream stream;

    char idempotency[72];           /* the key this request holds; "": none */

    _Atomic(enum place) place;
    bool has_fired;                 /* the topic fired since the handler began */
    struct su_bus_subscription *subscription;
    const char *subscribed;         /* its topic */
    struct request *park_next, *park_previous;
};

/* Take note of a header; false: it is malformed, or given twice. */
bool request_add_header(struct request *request, const char *name, size_t name_len, const char *value, struct su_err *err);
/* Framing: what two parsers could read in two ways is refused, and the connection ends. */
bool request_check_head(struct request *request, struct su_err *err);
/* Parse the head into route, params, query and identity, and check what can be
 * checked before the body.  False: err is the reply. */
bool request_admit(struct request *request, const struct router *router, struct su_err *err);
/* BODY_JSON: parse what was buffered. */
bool request_parse_body(struct request *request, struct su_err *err);
void request_done(struct request *request);     /* frees what it owns, not itself */

void reply_init(struct reply *reply, struct request *request);
void reply_clear(struct reply *reply);          /* releases and resets */
