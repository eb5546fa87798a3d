/* Roll-ups: declared aggregates per key, native over columns.  Layer aggregate; pure, one thread at a time.
 *
 * Rows are taken in chunks: their keys become dense group numbers (by the codes
 * of a dictionary where a column has one), then each field is added in one loop.
 * A pane holds the groups of one window; several may be open over the same keys.
 *
 * Numbers are numbers, booleans (0, 1) and texts that are a number; anything else
 * is left out like null, except by count(x), first(x) and last(x).  Whole numbers
 * are summed exactly.  Answers depend on the rows and their order alone, not on
 * how they lie in blocks.  stddev and variance are those of a sample (n − 1), by
 * Welford; percentiles are exact, linear between ranks as in numpy and pandas. */
#pragma once
#include "store/block.h"

enum { ROLLUP_KEYS_MAX = 8, ROLLUP_AGGREGATES_MAX = 32, ROLLUP_CHUNK = 1024 };

enum rollup_function {
    ROLLUP_COUNT,
    ROLLUP_SUM,
    ROLLUP_AVG,
    ROLLUP_MIN,
    ROLLUP_MAX,
    ROLLUP_STDDEV,
    ROLLUP_VARIANCE,
    ROLLUP_PERCENTILE,
    ROLLUP_FIRST,
    ROLLUP_LAST,
    ROLLUP_RATE,
    ROLLUP_FUNCTION_COUNT
};
struct rollup_aggregate {
    char *name; /* of the output column */
    enum rollup_function function;
    char *field; /* path; NULL: the messages themselves (count(), rate()) */
    double percent;
};
struct rollup_spec {
    char *by[ROLLUP_KEYS_MAX];
    size_t by_count;
    struct rollup_aggregate aggregates[ROLLUP_AGGREGATES_MAX];
    size_t count;
};
/* Born as {0}. */
void rollup_spec_done(struct rollup_spec *spec);
#define ROLLUP_AUTO_SPEC SU_CLEANUP(rollup_spec_done)
/* A key column: the path of a field, or "_key". */
bool rollup_spec_by(struct rollup_spec *spec, struct su_str path, struct su_err *err);
/* "sum(count)", "p95(lat)", "percentile(lat, 99.9)", "count()"; name NULL: the text itself. */
bool rollup_spec_add(struct rollup_spec *spec, const char *name, struct su_str text, struct su_err *err);
/* "sum(count), avg(lat)" and "comm, host". */
bool rollup_spec_read(struct rollup_spec *spec, struct su_str aggregates, struct su_str by, struct su_err *err);

struct rollup_limits {
    uint32_t groups_max; /* over all open panes; 0: 100,000 */
    uint64_t values_max; /* kept for percentiles in one pane; 0: 4 M (16 bytes each) */
};
struct rollup;
struct rollup_pane;
/* window_us: for rate(). spec is borrowed. */
struct rollup *rollup_new(const struct rollup_spec *spec, int64_t window_us, const struct rollup_limits *limits);
void rollup_free(struct rollup *rollup); /* panes first */
static inline void rollup_free_pointer(struct rollup **rollup) { rollup_free(*rollup); }
#define ROLLUP_AUTO SU_CLEANUP(rollup_free_pointer)
struct rollup_pane *rollup_pane_new(struct rollup *rollup);
void rollup_pane_free(struct rollup_pane *pane);
static inline void rollup_pane_free_pointer(struct rollup_pane **pane) { rollup_pane_free(*pane); }
#define ROLLUP_AUTO_PANE SU_CLEANUP(rollup_pane_free_pointer)
void rollup_pane_clear(struct rollup_pane *pane); /* keeps memory */

/* Rows [from, from + count) of a block, count ≤ ROLLUP_CHUNK, are the current chunk.  `is_new`: the block is another
 * one. */
bool rollup_chunk(struct rollup *rollup, const struct block *block, bool is_new, uint32_t from, uint32_t count,
                  struct su_err *err);
/* Adds rows of the chunk to the pane: those with these numbers (ascending, from 0), or all (NULL). */
bool rollup_take(struct rollup *rollup, struct rollup_pane *pane, const uint32_t *picked, uint32_t count,
                 struct su_err *err);
/* All of rows [from, to) that are messages with event time in [start_us, end_us). */
bool rollup_add(struct rollup *rollup, struct rollup_pane *pane, const struct block *block, uint32_t from, uint32_t to,
                int64_t start_us, int64_t end_us, struct su_err *err);

/* The number that a text is, NaN when it is none. */
double rollup_number(struct su_str text);

/* No more rows: sorts groups by their keys (null, numbers, texts). Number of groups. */
size_t rollup_finish(struct rollup *rollup, struct rollup_pane *pane);
/* Values of the finished group; kind 0: null. Until the pane is cleared. */
struct block_value rollup_key(const struct rollup *rollup, const struct rollup_pane *pane, size_t row, size_t by);
struct block_value rollup_value(const struct rollup *rollup, const struct rollup_pane *pane, size_t row,
                                size_t aggregate);
