/* A block of a log in memory: copied out of the head, or a sealed file mapped.  Layer store; any thread.
 *
 * The index row says how many bytes, which offsets and how many messages there
 * are; a file of another size is never mapped, so that no access runs past its
 * end, and block_open checks the rest. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fs.h"
#include "log_private.h"

enum { BLOCK_ALIGNMENT = 64 };

void log_held_free(struct log_held *held)
{
    if (!held)
        return;
    block_done(&held->block);
    if (held->is_mapped)
        munmap(held->data, held->size);
    else
        free(held->data);
    free(held);
}

static enum log_load copy_head(struct sql *db, int64_t log, const struct log_place *place, struct log_held *held, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT data FROM log_head WHERE log = ?1 AND first = ?2", sql_int(log), sql_int((int64_t)place->first));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE) {
        su_fail(err, SU_INTERNAL, "the block at %llu is missing", (unsigned long long)place->first);
        return LOG_LOAD_MOVED;
    }
    if (next == SQL_ERROR)
        return LOG_LOAD_ERROR;
    struct su_str data = sql_col_str(row, 0);
    held->size = data.len;
    size_t room = (data.len + BLOCK_ALIGNMENT) / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT;
    held->data = aligned_alloc(BLOCK_ALIGNMENT, room);
    su_assert(held->data);
    memcpy(held->data, data.ptr, data.len);
    return LOG_LOADED;
}

static enum log_load map_file(struct logs *logs, const struct log_place *place, struct log_held *held, struct su_err *err)
{
    SU_AUTO_FD int fd = -1;
    uint64_t size;
    if (!blob_open(store_blobs(logs->store), place->sha256, &fd, &size, err))
        return err->code == SU_NOT_FOUND ? LOG_LOAD_MOVED : LOG_LOAD_ERROR;
    if (size != place->bytes) {
        su_fail(err, SU_INTERNAL, "the file has %llu bytes instead of %llu", (unsigned long long)size, (unsigned long long)place->bytes);
        return LOG_LOAD_DAMAGED;
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) {
        su_fail(err, SU_UNAVAILABLE, "no memory to map %llu bytes of a log", (unsigned long long)size);
        return LOG_LOAD_ERROR;
    }
    held->data = data;
    held->size = size;
    held->is_mapped = true;
    return LOG_LOADED;
}

enum log_load log_load_bytes(struct logs *logs, struct sql *db, int64_t log, const struct log_place *place, struct log_held **ret, struct su_err *err)
{
    struct log_held *held = su_alloc(sizeof *held);
    enum log_load load = place->is_sealed ? map_file(logs, place, held, err) : copy_head(db, log, place, held, err);
    if (load == LOG_LOADED)
        *ret = held;
    else
        log_held_free(held);
    return load;
}

enum log_load log_load(struct logs *logs, struct sql *db, int64_t log, const struct log_place *place, struct log_held **ret, struct su_err *err)
{
    LOG_AUTO_HELD struct log_held *held = NULL;
    enum log_load load = log_load_bytes(logs, db, log, place, &held, err);
    if (load != LOG_LOADED)
        return load;
    if (!block_open(held->data, held->size, &held->block, err))
        return LOG_LOAD_DAMAGED;
    if (held->block.first != place->first || held->block.rows != place->rows) {
        su_fail(err, SU_INTERNAL, "the block holds messages from %llu on, %u of them, instead of %u from %llu on",
                (unsigned long long)held->block.first, held->block.rows, place->rows, (unsigned long long)place->first);
        return LOG_LOAD_DAMAGED;
    }
    *ret = su_take(held);
    return LOG_LOADED;
}
