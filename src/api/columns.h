/* Columns of streams as a descriptor: what the HTTP route and the frames' socket both answer with.  Layer api; workers
 * and the threads of frames.c. */
#pragma once
#include "accounts.h"
#include "base/fs.h"
#include "services.h"

#define COLUMNS_TYPE "application/x-suricate-columns"

/* Blocks one after the other (docs/reference/columns.md), in a sealed memfd that can't be changed by anybody. */
struct columns {
    int fd;
    uint64_t size;          /* 0: there are no rows */
    char *next;             /* query for what is left of the range; NULL: nothing */
    char *damaged;          /* "from-to" offsets that can't be read, comma between; NULL: none */
};
void columns_done(struct columns *columns);
#define COLUMNS_AUTO SU_CLEANUP(columns_done)

/* A range as stream_range takes it, cut to event times [time_from_us, time_to_us) and to its first `max` messages
 * (0: all that fit into limits.frame_bytes). */
struct columns_query { const char *from, *to, *last; int64_t time_from_us, time_to_us; uint64_t max; };
#define COLUMNS_ALL {.time_from_us = INT64_MIN, .time_to_us = INT64_MAX}
/* What a run reads goes into its lineage ("run-reads"). */
bool columns_of_stream(const struct services *services, const struct identity *who, const char *name,
                       const struct columns_query *query, struct columns *ret, struct su_err *err);

/* A memfd of these bytes, or of that part of a file, sealed: reading is all that is left. */
bool columns_seal(const void *data, size_t size, int *ret_fd, struct su_err *err);
bool columns_seal_file(int file, uint64_t offset, uint64_t size, int *ret_fd, struct su_err *err);
