/* The keeper's side of its Unix socket: one server at a time.  Layer keep; one thread. */
#pragma once
#include <sys/types.h>
#include "base/json.h"

enum { LINK_FRAME_MAX = 72 * 1024 * 1024 };

/* fd -1: nobody there.  `at`: how far into the spool has been sent; is_live after hello. */
struct link { int fd; bool is_live; off_t at; struct su_buf in; };

void link_init(struct link *link);
void link_done(struct link *link);
/* Listen on path (replaced when stale; mode 0600). */
bool link_listen(const char *path, int *ret_fd, struct su_err *err);
/* Take the waiting connection of our own user or root; the one before is closed. */
void link_accept(struct link *link, int listener);
void link_close(struct link *link);
/* Read what is there; false when the connection ended or broke the rules. */
bool link_fill(struct link *link);
/* Next complete frame, NULL when there is none; false on nonsense. */
bool link_next(struct link *link, json_t **ret, struct su_err *err);
/* A reply outside the numbered events (claim). Small; false when it could not be sent. */
bool link_answer(struct link *link, const json_t *message);
