/* What the files of the log share: index rows, blocks that are held, hints of what to seal.  Layer store; private. */
#pragma once
#include "base/thread.h"
#include "blob.h"
#include "log.h"

/* A stretch is sealed at the latest with so many blocks: what small appends leave behind. */
enum { LOG_SEAL_BLOCKS = 4096 };

/* What upkeep knows of a head without asking the database; never less than there is. */
struct log_hint {
    int64_t log;
    uint64_t blocks, rows, bytes;
    int64_t oldest_ms;          /* monotonic: when the oldest block came, or upkeep heard of it */
    int64_t not_before_ms;      /* after a failure */
    bool is_removed, is_unsure;
};

struct logs {
    struct store *store;
    struct log_options options;
    struct su_lock lock;        /* all below but `sealing` */
    struct su_lock sealing;     /* held while a stretch is made into a file: one at a time */
    struct log_hint *hints;     /* sorted by log */
    size_t hint_count, hint_capacity;
    int64_t wake_ms;            /* when the thread looks again; INT64_MAX: when woken */
    bool is_closing;
    struct su_thread thread;
};

/* An index row: a block of the head, or a sealed file. */
struct log_place {
    bool is_sealed;
    uint64_t first;
    uint32_t rows;
    int64_t min_us, max_us, high_us, arrival_us;    /* the last two: largest of the log up to here; largest arrival */
    uint64_t bytes;
    char sha256[SU_SHA256_HEX];                     /* sealed only */
};
#define LOG_PLACE_COLUMNS "first, rows, min_us, max_us, high_us, arrival_us, bytes"
struct log_place log_place_of(struct sql_row *row, bool is_sealed);     /* sealed: sha256 is the column after these */

/* A block in memory; `block` stands first, so that a borrowed block finds its holder. */
struct log_held {
    struct block block;
    void *data;
    size_t size;
    bool is_mapped;
    struct log_held *next;
};
enum log_load { LOG_LOADED, LOG_LOAD_DAMAGED, LOG_LOAD_MOVED /* not there any more: look again */, LOG_LOAD_ERROR };
enum log_load log_load(struct logs *logs, struct sql *db, int64_t log, const struct log_place *place, struct log_held **ret, struct su_err *err);
/* The bytes alone, unread: for what is damaged and kept as evidence. */
enum log_load log_load_bytes(struct logs *logs, struct sql *db, int64_t log, const struct log_place *place, struct log_held **ret, struct su_err *err);
void log_held_free(struct log_held *held);
static inline void log_held_free_pointer(struct log_held **held) { log_held_free(*held); }
#define LOG_AUTO_HELD SU_CLEANUP(log_held_free_pointer)
/* Where the last piece stands, damaged or not: "head", "index", or the file's path below the data directory. */
const char *log_reader_where(const struct log_reader *reader);

/* On the writer thread: an append was made; a log was removed; a stretch of the head went. */
void log_hint_append(struct logs *logs, int64_t log, uint32_t rows, size_t bytes);
void log_hint_removed(struct logs *logs, int64_t log);
/* Any thread: such a job was rolled back; ask the database, a little later. */
void log_hint_unsure(struct logs *logs, int64_t log);
void log_hint_sealed(struct logs *logs, int64_t log, uint64_t blocks, uint64_t rows, uint64_t bytes);

/* Seals one stretch.  *ret_did false: there was none that is due (any size is when is_all). */
bool log_seal_stretch(struct logs *logs, int64_t log, bool is_all, bool *ret_did, struct su_err *err);
/* Removes the rows that are not part of the log any more, a few milliseconds of the writer at a time, and unlinks files. */
bool log_clean(struct logs *logs, int64_t log, struct su_err *err);
char *log_holder(int64_t log, uint64_t first);      /* who holds a sealed file; the caller frees */
