/* The HTTP server: edge threads, workers, event streams, draining.  Layer api.
 *
 * Threads (docs/threads.md): "http" (libmicrohttpd's own, for the TCP listener) and
 * a second one for the kernels' Unix socket; limits.workers workers; "http-clock" for
 * deadlines.  See server.c for who owns a request when. */
#pragma once
#include "accounts.h"
#include "handler.h"
#include "limits.h"

struct server;

struct server_config {
    const char *listen;             /* "127.0.0.1:8080", "[::1]:0" */
    const char *public_host;        /* further accepted Host, or NULL */
    const char *kernel_socket;      /* path of the kernels' socket, or NULL */
    const char *frames_socket;      /* path of the frames' socket (frames.h), or NULL */
    bool insecure_listen;           /* beyond loopback without TLS */
};

/* Listens and serves.  `tables` as in router_new.  services->server is set by the caller afterwards. */
bool server_open(const struct server_config *config, const struct services *services,
                 const struct route *const *tables, struct server **ret, struct su_err *err);
const char *server_url(const struct server *server);        /* "http://127.0.0.1:41234" */
/* Stop accepting, answer parked requests, end event streams, wait up to limits.drain_s for the rest. */
void server_drain(struct server *server);
void server_close(struct server *server);                   /* after server_drain, or at once */

bool server_is_ready(const struct server *server);          /* false while draining */
const struct router *server_router(const struct server *server);
/* The constant beginning of GET /v1/status, up to uptime_s. */
const char *server_status_head(const struct server *server);
int64_t server_started_ms(const struct server *server);

/* One backup at a time: true when there was none under way. */
bool server_backup_begin(struct server *server);
void server_backup_end(struct server *server);

/* Counters for /metrics and /v1/status. */
enum { SERVER_LATENCIES = 8 };
struct server_stats {
    uint64_t requests[6];           /* by class of status: [2] is 2xx */
    uint64_t bytes_in, connections_total, refused, slow;
    uint64_t connections, parked, streams, sockets, queued;          /* now */
    uint64_t latency[SERVER_LATENCIES + 1];                 /* requests up to server_latency_ms[i]; the last: more */
    double latency_total_s;
};
extern const uint32_t server_latency_ms[SERVER_LATENCIES];
void server_stats(struct server *server, struct server_stats *ret);
