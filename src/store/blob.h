/* Content-addressed files: DIR/blobs/ab/cdef…, named by SHA-256.  Layer store; any thread.
 *
 * Crash-safe: temporary file in blobs/tmp, sync, rename, sync of the folder.  A
 * blob is immutable once named.  References are counted by the module that owns
 * the rows; blob_remove only unlinks. */
#pragma once
#include <sys/types.h>
#include "base/hash.h"
#include "base/str.h"

struct blobs;
struct blob_writer;

bool blobs_open(const char *dir, struct blobs **ret, struct su_err *err);   /* also sweeps blobs/tmp */
void blobs_close(struct blobs *blobs);

bool blob_writer_open(struct blobs *blobs, struct blob_writer **ret, struct su_err *err);
/* A writer whose content is there: a finished file on the same file system, hashed and linked, not copied.  `path` stays its
 * owner's to unlink; nobody writes to the file any more.  Nothing is added. */
bool blob_writer_adopt(struct blobs *blobs, const char *path, struct blob_writer **ret, struct su_err *err);
/* Appends; hashes on the way.  ENOSPC gives the problem "insufficient-storage". */
bool blob_writer_add(struct blob_writer *writer, const void *data, size_t len, struct su_err *err);
uint64_t blob_writer_size(const struct blob_writer *writer);
/* Syncs and names the blob (or drops it when already there); fills the hex digest.
 * The blob is guarded against blob_remove until blob_writer_close, so the caller
 * commits the row that names it, then closes. */
bool blob_writer_commit(struct blob_writer *writer, char ret_sha256[static SU_SHA256_HEX], struct su_err *err);
/* Ends the writer; without a commit the bytes are gone. NULL is fine. */
void blob_writer_close(struct blob_writer *writer);
static inline void blob_writer_close_pointer(struct blob_writer **writer) { blob_writer_close(*writer); }
#define BLOB_AUTO_WRITER SU_CLEANUP(blob_writer_close_pointer)

/* The whole of a small thing at once: writer_open, add, commit. Guarded until *ret_guard is closed. */
bool blob_put(struct blobs *blobs, struct su_str content, char ret_sha256[static SU_SHA256_HEX], struct blob_writer **ret_guard, struct su_err *err);

/* Read-only descriptor; SU_NOT_FOUND. The caller closes it. */
bool blob_open(struct blobs *blobs, const char *sha256, int *ret_fd, uint64_t *ret_size, struct su_err *err);
/* Whole content, SU_LIMIT past max. */
bool blob_read(struct blobs *blobs, const char *sha256, size_t max, struct su_buf *ret, struct su_err *err);
/* Unlinks, unless a writer guards the same content (then it stays, true). `is_used` is asked under the guard lock. */
bool blob_remove(struct blobs *blobs, const char *sha256, bool (*is_used)(void *arg, const char *sha256), void *arg, struct su_err *err);
/* Whole content of a blob of known size ≤ BLOB_SMALL_MAX; *ret is freed by the caller.  The last ones read stay in memory. */
enum { BLOB_SMALL_MAX = 16 * 1024 };
bool blob_small(struct blobs *blobs, const char *sha256, size_t size, char **ret, struct su_err *err);
/* Path below the data directory, for links in a backup. */
void blob_path(const char *sha256, char ret_path[static 80]);
/* While held (a backup is linking files) nothing is unlinked; what should have been stays until it is asked for again. */
void blobs_hold(struct blobs *blobs);
void blobs_unhold(struct blobs *blobs);
