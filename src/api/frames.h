/* The frames' socket: columns for kernels, as descriptors that they map.  Layer api.
 *
 * A Unix socket beside the kernels' API socket.  A connection is one question: a line
 * of JSON {"token","path"}, where path is what GET would ask for columns:
 * /v1/streams/{name}/columns?… or /v1/objects/{name}?view=columns.  The request goes
 * through the same admission and the same handler as by HTTP, so token, scopes,
 * tenant and revocation hold alike.  The answer is a line of JSON: {"status":200,
 * "size","headers":{"X-Suricate-…":…}} with a sealed memfd (nobody can change, grow or
 * shrink it any more) as the one descriptor that comes along, or the problem details.
 *
 * Threads: "frames" reads questions from up to limits.frame_connections kernels, each
 * within FRAMES_DEADLINE_MS; "frames-1" and "frames-2" answer them. */
#pragma once
#include "router.h"
#include "services.h"

enum { FRAMES_QUESTION_MAX = 16 * 1024, FRAMES_DEADLINE_MS = 5000 };

struct frames;
/* Listens at path (made anew, open to the kernels' users). */
bool frames_open(const struct services *services, struct router *router, const char *path, struct frames **ret, struct su_err *err);
void frames_close(struct frames *frames);       /* answers what was asked; NULL is fine */
