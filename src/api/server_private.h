/* The insides of the server, for server.c, edge.c and work.c only.  Layer api. */
#pragma once
#include <stdatomic.h>
#include "base/thread.h"
#include "exchange.h"
#include "server.h"

enum { PEER_SIZE = 48, UPLOAD_BUFFER = 512 * 1024, UPLOAD_WHOLE = 256 * 1024, HEARTBEAT_MS = 15000, LINGER_MS = 5000 };

/* A connection, from accept to close. */
struct connection {
    struct connection *next, *previous;
    int fd;
    bool is_shut;                   /* the clock ended it */
    int64_t idle_since_ms;          /* monotonic: accepted, or last reply done */
    struct request *request;        /* being read or answered; NULL between two */
    char peer[PEER_SIZE];
};

/* One MHD daemon with its thread: the TCP listener or the kernels' socket. */
struct listener {
    struct server *server;
    bool is_kernel;
    int fd;
    void *daemon;
    struct su_thread thread;
    int wake_fd;                            /* eventfd */
    _Atomic(struct request *) finished;     /* handed back by workers, newest first */
    _Atomic bool is_asleep, must_quiesce, must_stop;
};

struct server {
    struct su_lock lock;            /* everything below down to the mark */
    struct connection *connections;
    size_t connection_count;
    struct request *parked;
    size_t parked_count, stream_count, socket_count;
    int64_t clock_next_ms;          /* when the clock thread wakes by itself */
    _Atomic bool is_draining;
    bool is_closing, is_backing_up;
    size_t open_requests;
    struct server_stats stats;
    /* --- */
    struct services services;
    struct limits limits;
    struct router *router;
    struct su_queue *queue;         /* requests for the workers; each is in it at most once */
    struct su_thread *workers;
    struct su_thread clock;
    struct listener tcp, local;
    bool is_loopback;
    struct frames *frames;          /* NULL: none */
    struct sockets *sockets;
    char *public_host, *url, *kernel_socket, *status_head;
    int64_t started_ms;
    _Atomic uint64_t sequence;      /* of request ids */
};

/* edge.c: the only user of microhttpd.h. */
bool edge_start(struct listener *listener, struct su_err *err);
void edge_quiesce(struct listener *listener);       /* stop accepting */
void edge_stop(struct listener *listener);          /* nothing may be suspended any more */
void edge_resume(struct request *request);          /* any thread: hand a suspended request back; it is not touched after */
/* A whole answer written straight to the socket, in mid-body; then the connection only drains. */
void edge_answer_now(struct connection *connection, const struct reply *reply);

/* work.c: workers, parking, the clock. */
void work_start(struct server *server);
void work_stop(struct server *server);              /* every parked request has its answer, workers are joined */
bool work_submit(struct request *request, enum job job);    /* false: closing */
bool work_is_full(struct server *server);
void work_unsubscribe(struct request *request);
/* Call with the lock held: wake parked requests (and end streams). */
void work_release_parked(struct server *server);
/* Locked: make the clock look again by then. */
void work_clock_by(struct server *server, int64_t at_ms);
/* Locked: give a worker the upload's filled buffer; none may be working.  False: closing. */
bool work_swap(struct request *request);
/* The connection is gone. True: a worker has the upload and frees the request later. */
bool work_abandon(struct request *request);
void request_free(struct request *request);
