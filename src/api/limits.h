/* Limits of the server: one table of names, defaults, ranges and help.  Layer api.
 *
 * `suricate serve --limit NAME=VALUE`, the [limits] section of the configuration
 * file and docs/limits.md all come from the rows of limits_table. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

struct limits {
    uint64_t uri_bytes, header_bytes, headers;
    uint64_t connections, idle_s, head_s, body_grace_s, body_rate_bytes;
    uint64_t json_bytes, notebook_bytes, object_bytes;
    uint64_t uploads, upload_s;
    uint64_t workers, queued_requests, wait_s, event_streams;
    uint64_t idempotency_s, idempotency_bytes;
    uint64_t login_failures, login_pause_s;
    uint64_t tokens, users;
    uint64_t drain_s;
    uint64_t runs_parallel, runs_queued, runs_following;
    uint64_t fetch_bytes, fetch_s;
    uint64_t streams, stream_message_bytes, stream_queued_bytes, push_bytes, push_held_bytes;
    uint64_t amqp_connections;
    uint64_t query_s, query_rows, query_bytes, query_memory_bytes, window_groups, window_cache_bytes;
    uint64_t series_bytes, replays;
    uint64_t self_s;
    uint64_t live_notebooks, live_kernels, live_idle_s;
    uint64_t frame_bytes, frame_connections;
    uint64_t sockets, socket_stall_s;
};

struct limit_row {
    const char *name;       /* NULL ends the table */
    size_t offset;
    uint64_t standard, min, max;
    const char *unit;       /* "bytes", "s" or "" */
    const char *help;
};
extern const struct limit_row limits_table[];

void limits_init(struct limits *limits);        /* the defaults */
/* "name" = "value" (a whole number, or with KiB, MiB, GiB for bytes). */
bool limits_set(struct limits *limits, const char *name, const char *value, struct su_err *err);
/* The table as Markdown (docs/limits.md). */
void limits_print(struct su_buf *out);
