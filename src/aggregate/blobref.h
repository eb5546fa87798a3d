/* Who still needs a blob.  Layer aggregate; hold and release on the writer thread, the rest any.
 *
 * A blob may be unlinked only when nobody refers to it.  Every user of a blob
 * has a row (sha256, tenant, holder); holder is a text of the user's choice that
 * is unique in its tenant and begins with the module's word: "object/…",
 * "run/<id>/figure-1.png".  Objects keep their own; runs keep theirs here.
 *
 * Order: blob_writer_commit (guards) → store_write { blobref_hold … } →
 * blob_writer_close.  And: store_write { blobref_release … } → blobref_collect. */
#pragma once
#include <stdatomic.h>
#include "store/store.h"

extern const struct store_migration blobref_migrations[];

/* Inside a writer job.  Holding twice under one holder is one reference. */
bool blobref_hold(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err);
/* Inside a writer job.  Absent is fine. */
bool blobref_release(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err);
/* Inside a writer job: all of a tenant's holders that begin with prefix ("run/01j…/"). */
bool blobref_release_all(struct sql *db, const char *tenant, const char *prefix, struct su_err *err);

/* Notes: what was worked out about a blob's content (a preview), under a key of the maker's choice.
 * They go when the tenant's last hold on the blob goes, and with them what is held under "columns/<its SHA-256>". */
/* Inside a writer job.  Does nothing (true) when the tenant holds the blob no more. */
bool blobref_note(struct sql *db, const char *tenant, const char *sha256, const char *key, const char *note, struct su_err *err);
/* *ret is NULL when there is none; the caller frees it. */
bool blobref_note_get(struct sql *db, const char *tenant, const char *sha256, const char *key, char **ret, struct su_err *err);

/* After the commit that released: unlinks what nobody holds.  Not inside a job. Failures are logged: the next call tries again. */
void blobref_collect(struct store *store);
/* Walks the blob folder and unlinks files that no row names and no writer guards (a crash between naming a blob
 * and its commit leaves one); stops early when *stop. Any thread but the writer. Returns how many it removed. */
uint64_t blobref_sweep(struct store *store, const atomic_bool *stop);
