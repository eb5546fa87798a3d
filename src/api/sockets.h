/* Upgraded WebSockets: framing, pings, closing, slow readers.  Layer api.
 *
 * One thread, "sockets", owns every upgraded connection and the request that made
 * it: it calls the reply's `fill` for the next message when the one before has been
 * taken by the system, so a socket holds at most one message however slow its reader
 * is.  sockets.c is the only user of wslay. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum {
    SOCKET_PING_S = 20,         /* quiet for so long: a ping */
    SOCKET_DEAF_S = 60,         /* nothing heard for so long: dropped */
    SOCKET_CLOSE_MS = 2000,     /* from our close frame to the peer's */
    SOCKET_MESSAGE_MAX = 4096,  /* what a client may say */
};

struct sockets;
struct request;

bool sockets_open(uint64_t stall_s, struct sockets **ret, struct su_err *err);
/* Edge thread: the connection is upgraded; extra is what came after the head (copied).  The request and its descriptor
 * are the thread's until it gives them back by edge_resume. */
void sockets_take(struct sockets *sockets, struct request *request, int fd, const void *extra, size_t len);
/* Say 1012 to all, now and from now on. */
void sockets_drain(struct sockets *sockets);
/* Every request has been given back when it returns; NULL is fine. */
void sockets_close(struct sockets *sockets);
