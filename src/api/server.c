/* The HTTP server: see server.h.  Layer api.
 *
 * server.c   listens, drains, closes, counts
 * edge.c     connections, heads, bodies, replies (libmicrohttpd's threads)
 * admission.c what a head must look like and who may
 * work.c     workers, parked requests, event streams, deadlines
 * request.c, reply.c  what handlers see
 *
 * A request belongs to the edge until it is suspended for a worker, and again
 * from edge_resume on.  Draining: readiness off, no new connections, parked
 * requests answer as if their wait were over, event streams end, each reply
 * closes its connection; what is not done in limits.drain_s is cut. */
#include "server_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "frames.h"
#include "sockets.h"

const uint32_t server_latency_ms[SERVER_LATENCIES] = {1, 3, 10, 30, 100, 300, 1000, 10000};
enum { BACKLOG = 1024 };

/* --------------------------------------------------------- listening */

union address { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; struct sockaddr_storage space; };

/* "127.0.0.1:8080", "[::1]:0", "localhost:0", ":8080" is refused: say where. */
static bool parse_listen(const char *text, union address *ret, socklen_t *ret_len, struct su_err *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    char host[64];
    if (!colon || colon == text || (size_t)(colon - text) >= sizeof host || !su_str_u64(su_str_of(colon + 1), 65535, &port))
        return su_fail_field(err, SU_INVALID, "listen", "--listen: must be ADDRESS:PORT such as 127.0.0.1:8080, was \"%.64s\"", text);
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (strcmp(host, "localhost") == 0)
        snprintf(host, sizeof host, "127.0.0.1");
    size_t length = strlen(host);
    if (host[0] == '[' && host[length - 1] == ']') {
        memmove(host, host + 1, length);
        host[length - 2] = '\0';
    }
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1) {
        ret->v4.sin_family = AF_INET;
        ret->v4.sin_port = htons((uint16_t)port);
        *ret_len = sizeof ret->v4;
        return true;
    }
    if (inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        *ret_len = sizeof ret->v6;
        return true;
    }
    return su_fail_field(err, SU_INVALID, "listen", "--listen: \"%.64s\" is not an IP address", host);
}

static bool is_loopback(const union address *address)
{
    if (address->any.sa_family == AF_INET)
        return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

static char *url_of(const union address *address)
{
    char host[INET6_ADDRSTRLEN];
    if (address->any.sa_family == AF_INET)
        return su_format("http://%s:%d", inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host), ntohs(address->v4.sin_port));
    return su_format("http://[%s]:%d", inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host), ntohs(address->v6.sin6_port));
}

static bool listen_tcp(struct server *server, const struct server_config *config, struct su_err *err)
{
    union address address;
    socklen_t length;
    int yes = 1;
    if (!parse_listen(config->listen, &address, &length, err))
        return false;
    server->is_loopback = is_loopback(&address);
    if (!server->is_loopback && !config->insecure_listen) {
        su_fail_field(err, SU_INVALID, "listen", "--listen %s: beyond this machine passwords and tokens would travel unencrypted", config->listen);
        return su_hint(err, "put a proxy with TLS before 127.0.0.1, or say --insecure-listen if the network is trusted");
    }
    server->tcp.fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->tcp.fd < 0)
        return su_fail_errno(err, errno, "can't make a socket");
    setsockopt(server->tcp.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(server->tcp.fd, &address.any, length) < 0 || listen(server->tcp.fd, BACKLOG) < 0)
        return su_fail_errno(err, errno, "can't listen on %s", config->listen);
    length = sizeof address;
    getsockname(server->tcp.fd, &address.any, &length);
    server->url = url_of(&address);
    return true;
}

static bool listen_local(struct server *server, const char *path, struct su_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return su_fail(err, SU_INVALID, "the path of the kernels' socket is too long: %s", path);
    memcpy(address.sun_path, path, strlen(path));
    server->local.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->local.fd < 0)
        return su_fail_errno(err, errno, "can't make a socket");
    unlink(path);
    if (bind(server->local.fd, (struct sockaddr *)(void *)&address, sizeof address) < 0 || chmod(path, 0666) < 0 ||
        listen(server->local.fd, BACKLOG) < 0)
        return su_fail_errno(err, errno, "can't listen on %s", path);
    server->kernel_socket = su_strdup(path);
    return true;
}

/* ---------------------------------------------------------- life */

static void server_free(struct server *server)
{
    if (server->tcp.fd >= 0)
        close(server->tcp.fd);
    if (server->local.fd >= 0)
        close(server->local.fd);
    if (server->kernel_socket)
        unlink(server->kernel_socket);
    router_free(server->router);
    su_queue_free(server->queue);
    su_lock_done(&server->lock);
    free(server->workers);
    free(server->public_host);
    free(server->url);
    free(server->kernel_socket);
    free(server->status_head);
    free(server);
}

bool server_open(const struct server_config *config, const struct services *services,
                 const struct route *const *tables, struct server **ret, struct su_err *err)
{
    struct server *server = su_alloc(sizeof *server);
    su_lock_init(&server->lock);
    server->services = *services;
    server->services.server = server;
    server->limits = *services->limits;
    server->services.limits = &server->limits;
    server->router = router_new(tables);
    server->public_host = su_strdup(config->public_host);
    server->started_ms = su_now_ms();
    char at[SU_TIME_TEXT];
    server->status_head = su_format("{\"status\":\"ok\",\"version\":\"" SURICATE_VERSION "\",\"started_at\":\"%s\",\"uptime_s\":",
                                    su_time_text(server->started_ms, at));
    server->tcp = (struct listener){.server = server, .fd = -1};
    server->local = (struct listener){.server = server, .fd = -1, .is_kernel = true};
    if (!listen_tcp(server, config, err) || (config->kernel_socket && !listen_local(server, config->kernel_socket, err))) {
        server_free(server);
        return false;
    }
    work_start(server);
    if (!sockets_open(server->limits.socket_stall_s, &server->sockets, err) || !edge_start(&server->tcp, err) ||
        (config->kernel_socket && !edge_start(&server->local, err)) ||
        (config->frames_socket && !frames_open(&server->services, server->router, config->frames_socket, &server->frames, err))) {
        server_close(server);
        return false;
    }
    *ret = server;
    return true;
}

void server_drain(struct server *server)
{
    int64_t until = su_mono_ms() + (int64_t)(server->limits.drain_s * 1000);
    edge_quiesce(&server->tcp);
    edge_quiesce(&server->local);
    sockets_drain(server->sockets);
    SU_LOCKED(&server->lock);
    server->is_draining = true;
    work_release_parked(server);
    while (server->open_requests && su_mono_ms() < until)
        su_wait_until(&server->lock, until);
}

void server_close(struct server *server)
{
    if (!server)
        return;
    frames_close(server->frames);
    sockets_close(server->sockets);
    work_stop(server);
    edge_stop(&server->tcp);
    edge_stop(&server->local);
    server_free(server);
}

/* ------------------------------------------------------- questions */

const char *server_url(const struct server *server) { return server->url; }
const char *server_status_head(const struct server *server) { return server->status_head; }
const struct router *server_router(const struct server *server) { return server->router; }
int64_t server_started_ms(const struct server *server) { return server->started_ms; }
bool server_is_ready(const struct server *server) { return !server->is_draining; }

void server_stats(struct server *server, struct server_stats *ret)
{
    SU_LOCKED(&server->lock);
    *ret = server->stats;
    ret->connections = server->connection_count;
    ret->parked = server->parked_count;
    ret->streams = server->stream_count;
    ret->sockets = server->socket_count;
    ret->queued = su_queue_length(server->queue);
}

bool server_backup_begin(struct server *server)
{
    SU_LOCKED(&server->lock);
    bool is_free = !server->is_backing_up;
    server->is_backing_up = true;
    return is_free;
}

void server_backup_end(struct server *server)
{
    SU_LOCKED(&server->lock);
    server->is_backing_up = false;
}
