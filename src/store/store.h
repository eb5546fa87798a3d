/* The store: one data directory, one lock, one writer thread, read connections.  Layer store.
 *
 * DIR/suricate.db   SQLite (WAL, synchronous=FULL)
 * DIR/blobs/        content-addressed files (blob.h)
 * DIR/run/          sockets, spools, scratch
 * DIR/lock          held by the one server */
#pragma once
#include "sql.h"

struct store;
struct blobs;

/* A module's tables: numbered steps, applied in order, each once, in a transaction. */
struct store_migration { const char *module; int number; const char *sql; };

/* Opens (makes) the directory, takes the lock, applies `migrations` (ended by module NULL). Refuses a newer schema. */
bool store_open(const char *dir, const struct store_migration *const *migrations, struct store **ret, struct su_err *err);
void store_close(struct store *store);                   /* finishes queued jobs first */
const char *store_dir(const struct store *store);
struct blobs *store_blobs(struct store *store);

/* A write: job runs on the writer thread, so read-check-write is atomic; jobs
 * that wait share one commit, each in its own savepoint (false rolls back just
 * its own).  store_write blocks until the commit is on disk, and is true only then. */
typedef bool store_job(struct sql *db, void *arg, struct su_err *err);
bool store_write(struct store *store, store_job *job, void *arg, struct su_err *err);
/* The same without waiting; done(arg, ok, err) is called on the writer thread after the commit. */
typedef void store_done(void *arg, bool ok, const struct su_err *err);
void store_write_later(struct store *store, store_job *job, store_done *done, void *arg);

/* A read connection for this thread's use; give it back.  Sees everything committed before the call. */
struct sql *store_reader(struct store *store);
void store_reader_done(struct store *store, struct sql *db);
struct store_reading { struct store *store; struct sql *db; };
static inline void store_reading_done(struct store_reading *r) { store_reader_done(r->store, r->db); }
/* struct sql *db for the rest of the scope. */
#define STORE_READ(store_, db_) \
    struct store_reading su_reading_ __attribute__((cleanup(store_reading_done))) = {(store_), store_reader(store_)}; \
    struct sql *db_ = su_reading_.db

/* Bytes of memory, counters for /metrics. */
struct store_stats { uint64_t commits, jobs, queue_length, commit_ns_total; };
void store_stats(struct store *store, struct store_stats *ret);
/* Free bytes on the data directory's file system. */
uint64_t store_free_bytes(struct store *store);
