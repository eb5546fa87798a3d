/* Uploads that survive a lost connection: an object's next version, sent in pieces.  Layer aggregate; any thread.
 *
 * An upload is a row and a file DIR/uploads/<id>.  Its offset is how many bytes are on disk for certain: they are synced
 * before the row says so, and what a crash left behind it is cut off.  When the offset reaches the announced size,
 * the file becomes the object's content (moved, not copied) in the transaction that marks the upload as done; it
 * answers with that object until it expires, so a client that lost the last answer asks again.
 *
 * One appender at a time. An upload that gets no byte for `keep_ms` is dropped. */
#pragma once
#include "base/random.h"
#include "object.h"

struct uploads;
struct uploads_options {
    uint64_t count_max;             /* unfinished ones of a tenant; 0: 1,000 */
    int64_t keep_ms;                /* 0: a day */
};
extern const struct store_migration upload_migrations[];
/* Also removes what has expired, and files without a row. */
bool uploads_open(struct store *store, struct objects *objects, const struct uploads_options *options, struct uploads **ret, struct su_err *err);
void uploads_close(struct uploads *uploads);
/* Removes what has expired; every few minutes. */
void uploads_sweep(struct uploads *uploads);

struct upload_start {
    const char *tenant, *user, *name;
    const char *type;               /* NULL: application/octet-stream */
    const json_t *tags, *metadata;  /* as in struct object_put */
    uint64_t size;
};
/* Checks everything that a put would check, room on the disk included. */
bool upload_create(struct uploads *uploads, const struct upload_start *start, char ret_id[static SU_ID_SIZE], struct su_err *err);
/* {"id","name","type","tags","size","offset","version","created_at","expires_at"}; version null until it is done
 * (new reference). */
bool upload_get(struct uploads *uploads, const char *tenant, const char *id, json_t **ret, struct su_err *err);
/* Also one that is done: then only the note of it goes. SU_CONFLICT while bytes are arriving. */
bool upload_drop(struct uploads *uploads, const char *tenant, const char *id, struct su_err *err);

/* Appending.  SU_CONFLICT while another appender is at it. */
struct upload_append;
bool upload_append_open(struct uploads *uploads, const char *tenant, const char *id, struct upload_append **ret, struct su_err *err);
uint64_t upload_append_offset(const struct upload_append *append);      /* synced and noted */
bool upload_append_add(struct upload_append *append, const void *data, size_t len, struct su_err *err);
/* Syncs and notes what was added: true only when the offset is on disk. */
bool upload_append_settle(struct upload_append *append, struct su_err *err);
bool upload_append_is_whole(const struct upload_append *append);
/* Whole and settled: makes the object's version, or gives the one that was made. */
bool upload_append_finish(struct upload_append *append, struct object_info *ret, struct su_err *err);
/* Always; keeps what was added when it can. NULL is fine. */
void upload_append_close(struct upload_append *append);
static inline void upload_append_close_pointer(struct upload_append **append) { upload_append_close(*append); }
#define UPLOAD_AUTO_APPEND SU_CLEANUP(upload_append_close_pointer)
