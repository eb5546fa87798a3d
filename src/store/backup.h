/* Backups: a consistent copy of a data directory.  Layer store.
 *
 * BACKUP/suricate.db, BACKUP/blobs/… (hard links where the file system allows,
 * copies elsewhere) and BACKUP/manifest.json. */
#pragma once
#include "base/json.h"
#include "store.h"

/* Copy while the server runs, into a new or empty folder.  *ret_manifest:
 * {"version", "made_at", "database_sha256", "blobs": count, "bytes"}.  Blocks; any thread but the writer's. */
bool backup_make(struct store *store, const char *directory, json_t **ret_manifest, struct su_err *err);
/* Offline: verify every file of a backup against its hash and copy it into a new or empty data directory. */
bool backup_restore(const char *backup_dir, const char *data_dir, struct su_err *err);
