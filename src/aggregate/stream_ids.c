/* Message ids seen lately: how a redelivered message is recognised.  Layer aggregate; any thread.
 *
 * The newest STREAM_IDS_MAX ids of a stream as short digests, in a tree and a ring.
 * Built from the log (ids are a column of it), so it knows after a crash exactly
 * what is on disk. */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "stream_private.h"

struct digest {
    uint8_t bytes[16];
};
struct stream_ids {
    void *tree;          /* tsearch tree of struct digest in ring */
    struct digest *ring; /* grows up to STREAM_IDS_MAX */
    size_t count, capacity, next;
};

static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(struct digest)); }

static void keep_node(void *node) { (void)node; }

void stream_ids_free(struct stream_ids *ids)
{
    if (!ids)
        return;
    tdestroy(ids->tree, keep_node);
    free(ids->ring);
    free(ids);
}

/* A larger ring has other addresses: the tree is built again. */
static void grow(struct stream_ids *ids)
{
    ids->capacity = ids->capacity ? 4 * ids->capacity : 1024;
    if (ids->capacity > STREAM_IDS_MAX)
        ids->capacity = STREAM_IDS_MAX;
    tdestroy(ids->tree, keep_node);
    ids->tree = NULL;
    ids->ring = su_realloc(ids->ring, ids->capacity * sizeof *ids->ring);
    for (size_t i = 0; i < ids->count; i++)
        tsearch(&ids->ring[i], &ids->tree, compare);
}

/* True: it was there. */
static bool remember(struct stream_ids *ids, struct su_str id)
{
    uint8_t sha[SU_SHA256_SIZE];
    struct digest digest;
    su_sha256_of(id.ptr, id.len, sha);
    memcpy(digest.bytes, sha, sizeof digest.bytes);
    if (tfind(&digest, &ids->tree, compare))
        return true;
    if (ids->count == ids->capacity && ids->capacity < STREAM_IDS_MAX)
        grow(ids);
    struct digest *place = &ids->ring[ids->next];
    if (ids->count == ids->capacity)
        tdelete(place, &ids->tree, compare);
    else
        ids->count++;
    *place = digest;
    ids->next = (ids->next + 1) % ids->capacity;
    if (ids->next == 0 && ids->capacity < STREAM_IDS_MAX)
        ids->next = ids->count; /* the ring goes on where it will grow */
    tsearch(place, &ids->tree, compare);
    return false;
}

static bool load(struct streams *streams, struct sql *db, int64_t log, struct stream_ids *ids, struct su_err *err)
{
    uint64_t next;
    int64_t high_us;
    LOG_AUTO_READER struct log_reader *reader = NULL;
    if (!log_end(db, log, &next, &high_us, err))
        return false;
    const struct log_range range = {next > STREAM_IDS_MAX ? next - STREAM_IDS_MAX : 0, next, INT64_MIN, INT64_MAX};
    if (!log_read(streams->logs, db, log, &range, &reader, err))
        return false;
    for (;;) {
        struct log_piece piece;
        switch (log_read_next(reader, &piece, err)) {
        case LOG_BLOCK: {
            const struct block_column *column = block_role_column(piece.block, BLOCK_ID);
            for (uint32_t row = piece.from; column && row < piece.to; row++)
                if (!block_is_null(column, row))
                    remember(ids, block_text(column, row));
            log_read_release(reader, &piece);
            break;
        }
        case LOG_DAMAGED:
            break; /* what can't be read can't be recognised */
        case LOG_END:
            return true;
        case LOG_ERROR:
            return false;
        }
    }
}

bool stream_seen_id(struct streams *streams, struct stream *stream, struct su_str id, bool *ret_seen,
                    struct su_err *err)
{
    su_lock(&streams->lock);
    bool is_known = stream_live(streams, stream)->ids != NULL;
    su_unlock(&streams->lock);
    if (!is_known) {
        struct stream_ids *ids = su_alloc(sizeof *ids);
        STORE_READ(streams->store, db);
        /* Poison with an id is not to come back either. */
        if (!load(streams, db, stream->dead_log, ids, err) || !load(streams, db, stream->log, ids, err)) {
            stream_ids_free(ids);
            return false;
        }
        SU_LOCKED(&streams->lock);
        struct live *live = stream_live(streams, stream);
        if (live->ids)
            stream_ids_free(ids);
        else
            live->ids = ids;
    }
    SU_LOCKED(&streams->lock);
    struct live *live = stream_live(streams, stream);
    *ret_seen = live->ids && remember(live->ids, id);
    return true;
}

void stream_forget_ids(struct streams *streams, struct stream *stream)
{
    SU_LOCKED(&streams->lock);
    struct live *live = stream_live(streams, stream);
    stream_ids_free(su_take(live->ids));
}
