/* What the files of a query share; after sql.c the second user of sqlite3.h: virtual tables, authorizers and functions
 * are the library's own notions, and wrapping them would only rename them.  Layer store. */
#pragma once
#include <sqlite3.h>
#include "query.h"

enum { QUERY_TABLES_MAX = 64, QUERY_SCANS_MAX = 4, QUERY_TEXT_MAX = 64 * 1024, QUERY_VALUE_MAX = 4 * 1024 * 1024 };

/* A scan that was begun: its pieces are kept, so that texts may be handed out without copies and walked again. */
struct query_scan {
    struct query_bounds bounds;
    void *source;
    struct query_piece *pieces;
    size_t count, capacity;
    bool is_complete;
};

/* What a column of a virtual table is. */
enum query_what {
    QUERY_FIELD,
    QUERY_OFFSET,
    QUERY_TIME_TEXT,
    QUERY_TIME_US,
    QUERY_ARRIVAL_TEXT,
    QUERY_ARRIVAL_US,
    QUERY_KEY,
    QUERY_ID,
    QUERY_HEADERS,
    QUERY_BODY
};
struct query_column {
    enum query_what what;
    uint32_t field;
};

/* A table that was resolved. */
struct relation {
    struct query *query;
    char *name, *declared;
    struct query_table table;
    struct query_column *columns;
    int column_count;
    struct query_scan scans[QUERY_SCANS_MAX + 1]; /* the last one: without bounds */
    size_t scan_count;
    struct query_index **indexes; /* by column; made when a join asks a second time */
};

struct query {
    sqlite3_vfs vfs; /* the default one, but without a clock */
    char vfs_name[40];
    sqlite3 *handle;
    sqlite3_stmt *statement;
    struct query_options options;
    char *sql;
    struct relation *relations[QUERY_TABLES_MAX];
    size_t relation_count;
    struct su_err failed;          /* what stopped it, when has_failed */
    bool has_failed, is_declaring; /* declaring: the statement is ours, not the user's */
    int64_t deadline_ns;
    uint64_t rows;
    size_t bytes;
    bool is_truncated;
    char **hex; /* per column: digits of a blob in the current row */
};

/* Keep the first reason; returns SQLITE_ERROR. */
int query_failed(struct query *query, const struct su_err *err);

/* query_table.c */
bool relation_open(struct query *query, const char *name, const struct query_table *table, struct relation **ret,
                   struct su_err *err);
void relation_close(struct relation *relation);
struct query_scan *relation_scan(struct relation *relation, const struct query_bounds *bounds, struct su_err *err);
/* NULL: past the last one, or *ret_failed. */
const struct query_piece *scan_piece(struct relation *relation, struct query_scan *scan, size_t at, bool *ret_failed);

/* query_plan.c */
int relation_plan(const struct relation *relation, sqlite3_index_info *info);
/* `what` and `op` as the plan has them. */
void relation_narrow(struct query_bounds *bounds, char what, char op, sqlite3_value *value);

/* query_value.c: what a column holds in a row; texts may be written to scratch. */
enum { QUERY_SCRATCH = 64 };
struct block_value relation_value(const struct relation *relation, int column, struct block *block, uint32_t row,
                                  char scratch[static QUERY_SCRATCH], bool *ret_is_lasting);
const struct block_column *field_column(const struct block *block, const struct relation_field *field);
size_t query_time_text(int64_t us, char text[static QUERY_SCRATCH]);
bool query_row_counts(const struct relation *relation, const struct block *block, uint32_t row);

/* query_index.c: rows by the hash of a column's value. */
struct query_index;
struct query_index *query_index_new(struct relation *relation, int column, bool *ret_failed);
void query_index_free(struct query_index *index);
/* Positions of rows that may equal the value, in order: begin with index_first, 0 ends. */
uint32_t query_index_first(const struct query_index *index, const struct block_value *value);
uint32_t query_index_next(const struct query_index *index, uint32_t at,
                          struct query_piece *ret); /* the row at `at` in ret->from */

/* query_functions.c */
bool query_functions_add(struct query *query, struct su_err *err);
bool query_function_is_allowed(const char *name);
/* query_text.c: text functions whose work is bounded by the lengths, not by their product. */
#define QUERY_TIME_COLLATION "moment"
bool query_text_functions_add(struct query *query, struct su_err *err);
bool query_is_late(struct query *query); /* past its deadline; then has_failed */
