/* Series: fields over time as buckets of least, greatest and last value, per key.  Layer aggregate; pure but for
 * series_read; one thread at a time.
 *
 * What a chart draws: however many messages a range holds, a series has at most `points` buckets.  A bucket is `step`
 * long and begins at a whole multiple of it (1 ms times a power of two), so that a range that moves on keeps its old
 * buckets as they are, and a range that grows merges them two by two.  A row costs a few nanoseconds: times and fields
 * are read as columns, keys by the codes of their dictionary.
 *
 * Numbers are those of roll-ups (rollup.h); rows without one are in no bucket.  `last` is the number of the row with
 * the largest event time, of equal ones the later row. */
#pragma once
#include "stream.h"

enum {
    SERIES_FIELDS_MAX = 8,
    SERIES_KEYS_MAX = 50,
    SERIES_POINTS_MAX = 5000,
    SERIES_KEYS_SEEN_MAX = 100000,      /* different keys of one range; past it SU_LIMIT */
};

struct series_spec {
    char *fields[SERIES_FIELDS_MAX];    /* paths */
    size_t field_count;
    char *by;                           /* path, "_key", or NULL: all messages together */
    uint32_t keys_max, points;
    int64_t from_us, to_us;             /* event times [from, to); INT64_MIN, INT64_MAX: open, grows with what comes */
    int64_t last_us;                    /* > 0 instead: so much up to the newest event, moves on with it */
};
/* Bytes that a series of this spec may take. */
uint64_t series_bytes(const struct series_spec *spec);

struct series;
/* The stream's events lie in [low_us, high_us] so far (INT64_MIN: there are none).  The spec's texts are borrowed. */
struct series *series_new(const struct series_spec *spec, int64_t low_us, int64_t high_us);
void series_free(struct series *series);
static inline void series_free_pointer(struct series **series) { series_free(*series); }
#define SERIES_AUTO SU_CLEANUP(series_free_pointer)

/* Which keys there are: all rows are counted before the first is added, then the most frequent ones are chosen.  Keys
 * that come later take the places that are left. */
bool series_count_keys(struct series *series, const struct block *block, uint32_t from, uint32_t to, struct su_err *err);
void series_choose_keys(struct series *series);
bool series_add(struct series *series, const struct block *block, uint32_t from, uint32_t to, struct su_err *err);

/* Everything the stream has that was not read yet; the first time the keys are chosen too.  With a read connection. */
bool series_read(struct series *series, struct streams *streams, const struct stream *stream, struct su_err *err);

/* As docs/reference/streams.md has it.  `is_whole`: all buckets; else those that changed since the last text, and
 * nothing is added when none did.  When the step has changed the text is whole anyway. */
void series_text(struct series *series, bool is_whole, struct su_buf *out);
