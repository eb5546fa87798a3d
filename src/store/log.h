/* Logs: durable, append-only sequences of blocks.  Layer store.
 *
 * A log's head is rows of the database, a block each, so an append is part of
 * whatever transaction it belongs to.  A stretch of the head that is large or
 * old enough is sealed by the thread "log-upkeep": merged into one block with packed
 * bodies, written as a blob, synced; then one commit swaps the head rows for an
 * index row.  Sealed blobs are mapped.  Retention deletes rows and unlinks.
 *
 * Each index row (head or sealed) keeps min and max event time of its messages
 * and `high`, the largest event time of the log up to its end: the watermark is
 * a function of the log's prefix alone.
 *
 * Readers take a consistent view: sealing never shows a gap or a message twice. */
#pragma once
#include "block.h"
#include "store.h"

struct logs;
extern const struct store_migration log_migrations[];

/* Who counts references to blobs (it stands above): called inside writer jobs; collect outside, after a commit that released. */
struct log_owner {
    bool (*hold)(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err);
    bool (*release)(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err);
    void (*collect)(struct store *store);
};
struct log_options {
    struct log_owner owner;
    uint32_t seal_rows;         /* 0: 65536 */
    size_t seal_bytes;          /* 0: 8 MiB of head blocks */
    int64_t seal_age_ms;        /* 0: 10 min; a smaller stretch is sealed when its oldest block is this old */
};
bool logs_open(struct store *store, const struct log_options *options, struct logs **ret, struct su_err *err);
void logs_close(struct logs *logs);

/* --- inside writer jobs -------------------------------------------------- */

bool log_new(struct sql *db, const char *tenant, int64_t *ret_log, struct su_err *err);
/* All its messages; blobs are released. */
bool log_remove(struct logs *logs, struct sql *db, int64_t log, struct su_err *err);
/* Appends a finished block (its first offset is set here).  Wakes upkeep when there is something to seal. */
bool log_append(struct logs *logs, struct sql *db, int64_t log, void *block, size_t size, uint64_t *ret_first, struct su_err *err);

/* --- reading: any thread, with a read connection (or the writer's) ------- */

struct log_extent {
    uint64_t first, next;       /* messages [first, next) are there; first == next: empty */
    int64_t low_us, high_us;    /* least and largest event time; INT64_MIN when empty since ever */
    uint64_t head_rows, head_bytes, head_blocks, sealed_rows, sealed_bytes, sealed_files;
};
bool log_extent(struct sql *db, int64_t log, struct log_extent *ret, struct su_err *err);
/* An SQL expression: how many messages the log holds whose number is the value of `log`. For sums over many logs. */
#define LOG_MESSAGES_SQL(log) "(SELECT next - first FROM logs WHERE logs.id = " log ")"
/* The cheap part of it: the offset that the next message will get and the largest event time. */
bool log_end(struct sql *db, int64_t log, uint64_t *ret_next, int64_t *ret_high_us, struct su_err *err);

struct log_reader;
enum log_next { LOG_BLOCK, LOG_END, LOG_DAMAGED, LOG_ERROR };
/* Blocks that overlap offsets [from, to) and event times [time_from_us, time_to_us) (INT64_MIN, INT64_MAX: all), in order. */
struct log_range { uint64_t from, to; int64_t time_from_us, time_to_us; };
bool log_read(struct logs *logs, struct sql *db, int64_t log, const struct log_range *range, struct log_reader **ret, struct su_err *err);
/* LOG_BLOCK: *ret is borrowed until log_reader_free (all blocks of one reader may be held together), with the rows [from, to)
 * of it that lie in the offset range.  LOG_DAMAGED: *ret_from.. *ret_to are the offsets that can't be read, err says why;
 * go on calling.  Rows outside of the event times are not taken out. */
struct log_piece { struct block *block; uint32_t from, to; uint64_t damaged_from, damaged_to; };
enum log_next log_read_next(struct log_reader *reader, struct log_piece *ret, struct su_err *err);
/* Let go of a piece before the end, to keep memory flat. */
void log_read_release(struct log_reader *reader, struct log_piece *piece);
void log_reader_free(struct log_reader *reader);
static inline void log_reader_free_pointer(struct log_reader **reader) { log_reader_free(*reader); }
#define LOG_AUTO_READER SU_CLEANUP(log_reader_free_pointer)

/* The first offset at which the largest event time so far is ≥ time_us; next when there is none yet (*ret_found false).
 * Everything before it is earlier than time_us: where a range of event times begins, and where a window closes. */
bool log_find_time(struct logs *logs, struct sql *db, int64_t log, int64_t time_us, uint64_t *ret_offset, bool *ret_found, struct su_err *err);

/* --- upkeep: any thread ---------------------------------------------------- */

/* What may go; whole blocks or files only, and never from `floor` on. 0: no limit. */
struct log_retention { int64_t before_us /* arrival */; uint64_t bytes, messages; uint64_t floor; };
bool log_retain(struct logs *logs, int64_t log, const struct log_retention *retention, uint64_t *ret_removed, struct su_err *err);
/* Seal what there is now, whatever its size (tests, benchmarks, a backup). */
bool log_seal(struct logs *logs, int64_t log, struct su_err *err);
/* Reads every block and file of the log: JSON list of {"from","to","where","why"} of damaged ranges (new reference). */
struct json_t;
bool log_verify(struct logs *logs, struct sql *db, int64_t log, struct json_t **ret, struct su_err *err);
