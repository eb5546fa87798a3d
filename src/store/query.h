/* Queries: SELECT statements over blocks, evaluated by SQLite.  Layer store; a query belongs to one thread.
 *
 * A query owns an in-memory connection without tables.  A name after FROM that
 * SQLite does not know is asked for by `resolve`; the table that it describes
 * is a virtual one, whose rows come piece by piece from blocks.
 *
 * The answer depends on the statement and on the rows alone: there is no
 * random() and no now, plans do not depend on how many rows there are, and rows
 * are visited in the order of their offsets.  Nothing can be written, attached
 * or loaded.  Time, memory, rows and bytes are bounded. */
#pragma once
#include "block.h"

/* --- tables ---------------------------------------------------------------- */

struct relation_field {
    struct su_str name;   /* the column's; unique without case, else the later one is left out */
    struct su_str path;   /* of the field in blocks */
    enum block_kind kind; /* values of other scalar kinds are given as this one: so blocks may differ */
};
enum query_next { QUERY_ROW, QUERY_DONE, QUERY_ERROR };
struct query_piece {
    struct block *block;
    uint32_t from, to;
};
/* What a scan is asked for: pieces beyond it may be left out, they are filtered again. */
struct query_bounds {
    uint64_t from, to;
    int64_t time_from_us, time_to_us;
};
struct query_table {
    const struct relation_field *fields; /* borrowed until close */
    size_t field_count;
    bool is_stream;                   /* has _offset, _time, _key …; else fields only */
    int64_t time_from_us, time_to_us; /* rows outside are skipped (INT64_MIN, INT64_MAX: none) */
    void *arg;
    /* A scan, and its pieces in order; all are borrowed until the end of the scan, which comes with query_close. */
    bool (*scan)(void *arg, const struct query_bounds *bounds, void **ret_scan, struct su_err *err);
    enum query_next (*next)(void *scan, struct query_piece *ret, struct su_err *err);
    void (*end)(void *scan);
    void (*close)(void *arg); /* with the query; may be NULL */
};

/* --- questions --------------------------------------------------------------- */

struct query_options {
    void *arg;
    /* The table of this name; SU_NOT_FOUND when there is none. */
    bool (*resolve)(void *arg, const char *name, struct query_table *ret, struct su_err *err);
    const int64_t *window_us; /* for rate(), read when it ends; NULL or 0: rate() is refused */
    int64_t time_ms;          /* 0: 10 s */
    size_t memory_bytes;      /* of all queries of the process together; 0: 256 MiB */
    uint64_t rows_max;        /* of the answer; 0: 100,000; more: query_is_truncated */
    size_t bytes_max;         /* of the answer's values; 0: 32 MiB; more: query_is_truncated */
};
struct query;
/* Compiles one SELECT.  SU_INVALID: with the place in the statement, in words. */
bool query_open(const struct query_options *options, struct su_str sql, struct query **ret, struct su_err *err);
void query_close(struct query *query);
static inline void query_close_pointer(struct query **query) { query_close(*query); }
#define QUERY_AUTO SU_CLEANUP(query_close_pointer)

size_t query_columns(const struct query *query);
const char *query_column(const struct query *query, size_t column); /* name; until query_close */
size_t query_tables(const struct query *query);
const char *query_table(const struct query *query, size_t table); /* names resolved, in order */
/* The next row. SU_TIMEOUT, SU_LIMIT (memory), SU_INVALID (the statement's fault), or what a scan said. */
enum query_next query_step(struct query *query, struct su_err *err);
/* Of the current row; kind 0: NULL.  BLOCK_INT, BLOCK_FLOAT or BLOCK_TEXT (a blob: its hex digits); until the next
 * step. */
struct block_value query_value(struct query *query, size_t column);
/* There were more rows or bytes than the limits allow. */
bool query_is_truncated(const struct query *query);
