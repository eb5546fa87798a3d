/* A kernel's five ZeroMQ sockets.  Layer keep; the keeper's one thread (and the
 * library's own for input and output).  The one user of zmq.h.
 *
 * Memory is bounded by the receive queue's length and SOCKETS_MESSAGE_MAX; a kernel
 * that sends more waits (its iopub socket does not drop).  A lost connection is
 * never made again: by then the path might lead elsewhere. */
#pragma once
#include <poll.h>
#include <stdint.h>
#include "base/str.h"

enum channel { CHANNEL_SHELL, CHANNEL_IOPUB, CHANNEL_STDIN, CHANNEL_CONTROL, CHANNEL_HEARTBEAT, CHANNEL_COUNT };
enum { SOCKETS_FRAMES_MAX = 16, SOCKETS_MESSAGE_MAX = 64 * 1024 * 1024 };

struct sockets;
/* A received message; frames past SOCKETS_FRAMES_MAX are dropped. */
struct frames { struct su_str frame[SOCKETS_FRAMES_MAX]; size_t count; };

/* Connect to ipc://<prefix>-1 … -5, which must be bound already. */
bool sockets_open(const char *prefix, struct sockets **ret, struct su_err *err);
void sockets_close(struct sockets *sockets);
bool sockets_send(struct sockets *sockets, enum channel channel, const struct su_str *frames, size_t count);
/* Next message, if there is one; borrowed until the next call or sockets_close. */
bool sockets_receive(struct sockets *sockets, enum channel channel, struct frames *ret);
/* Wait for the descriptors and, when sockets is not NULL, for messages; ret_ready has a bit
 * per channel.  timeout_ms -1: for ever. */
void sockets_poll(struct sockets *sockets, struct pollfd *others, size_t count, int64_t timeout_ms, unsigned *ret_ready);
/* The kernel's end of a socket went away (a message over the limit, or it closed it). */
bool sockets_is_lost(struct sockets *sockets);
