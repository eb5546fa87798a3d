/* Everything a kernel said, numbered, on disk.  Layer keep; the keeper's one thread.
 *
 * The file is the stream of frames as the server gets it (u32 length, JSON), so
 * sending is copying from file to socket and costs no memory however far behind
 * the server is.  When the disk is full the last few events stay in memory.  What the server has recorded for good
 * is given back to the disk as a hole at the beginning: offsets stay what they were. */
#pragma once
#include <stdint.h>
#include <sys/types.h>
#include "base/str.h"

/* Events 1 to `gone` are forgotten; the next one begins at `start`. */
struct spool { int fd; uint64_t count, gone; off_t size, start; struct su_buf tail; };

/* folder_fd is borrowed; the file is made anew. */
bool spool_open(struct spool *spool, int folder_fd, struct su_err *err);
void spool_close(struct spool *spool);
/* Append one event; its sequence number is spool->count afterwards.  False: the
 * disk is full (the event is kept in memory if it is small, lost otherwise). */
bool spool_append(struct spool *spool, struct su_str event, struct su_err *err);
/* Where event number `sequence` (1…) begins: the oldest kept when it is forgotten, the end when there is none yet. */
off_t spool_find(const struct spool *spool, uint64_t sequence);
/* Copy what stands from *at on into the socket, moving *at; stops when it would block.
 * False when the connection is lost. */
bool spool_send(const struct spool *spool, int socket_fd, off_t *at);
/* Forget events 1 to `sequence`.  Cost: in proportion to their number. */
void spool_forget(struct spool *spool, uint64_t sequence);
/* All of it: file and tail. */
off_t spool_end(const struct spool *spool);
