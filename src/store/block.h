/* Blocks: messages as columns, in one documented form on disk, in memory and on the wire.  Layer store; pure.
 *
 * A block holds the messages [first, first + rows) of one log: per message its
 * event time, arrival time, flag, key, id, headers and body, and one column per
 * field that was parsed out of the bodies.  The form (docs/reference/columns.md)
 * is little-endian, aligned to 64 bytes and trivial to read: a head, a directory
 * of columns, their data.  A table of any origin (a CSV object, a roll-up) is a
 * block too, without bodies.
 *
 * Fields are named by path ("user.name").  A column has one kind; integers widen
 * to floats and floats to texts within a block, booleans and JSON (arrays) under
 * the same name have columns of their own.  Stored narrow: integers and decimals
 * as differences to a base, texts by a dictionary where that is smaller. */
#pragma once
#include "base/str.h"

enum block_kind { BLOCK_INT = 1, BLOCK_FLOAT, BLOCK_BOOL, BLOCK_TEXT, BLOCK_JSON };
enum block_role {
    BLOCK_FIELD,        /* parsed out of the bodies; has a name */
    BLOCK_TIME,         /* event time, microseconds since 1970 UTC */
    BLOCK_ARRIVAL,      /* when the server got it, microseconds */
    BLOCK_FLAG,         /* enum block_flag; absent: all messages */
    BLOCK_KEY,          /* text; absent or null: none */
    BLOCK_ID,           /* the publisher's message id */
    BLOCK_HEADERS,      /* JSON object */
    BLOCK_BODY,         /* bytes as they came; may be packed (zstd) */
    BLOCK_OFFSET,       /* offsets, when they have gaps; absent: first + row */
    BLOCK_ROLE_COUNT
};
/* A punctuation says only that event time has come this far: it has no body and no fields, and readers skip it. */
enum block_flag { BLOCK_MESSAGE, BLOCK_PUNCTUATION };

/* --- building: one thread at a time ------------------------------------ */

struct block_builder;
struct block_limits {
    uint32_t columns_max;       /* 0: 1024; fields past it are left in the body only */
    uint32_t rows_max;          /* 0: 1 << 20 */
    size_t bytes_max;           /* of all values together; 0: 64 MiB */
    bool is_table;              /* rows are no messages: they have no times */
};
struct block_builder *block_builder_new(const struct block_limits *limits);     /* limits may be NULL */
void block_builder_free(struct block_builder *builder);
static inline void block_builder_free_pointer(struct block_builder **builder) { block_builder_free(*builder); }
#define BLOCK_AUTO_BUILDER SU_CLEANUP(block_builder_free_pointer)
void block_builder_clear(struct block_builder *builder);        /* keeps memory and the order of columns */
uint32_t block_builder_rows(const struct block_builder *builder);
size_t block_builder_bytes(const struct block_builder *builder);        /* of bodies and values so far */

/* A row: begin, set fields in any order, then end or drop.  Setting a field twice keeps the last value.
 * Texts are copied. */
typedef uint32_t block_field;
#define BLOCK_ROOT UINT32_MAX           /* parent of top-level members */
#define BLOCK_NO_FIELD (UINT32_MAX - 1) /* too many columns: setting it does nothing */
void block_begin(struct block_builder *builder);
/* The path parent.name; fast when rows name their members in the same order. */
block_field block_member(struct block_builder *builder, block_field parent, struct su_str name);
/* The field's column is there, of this kind, even when no row has a value; holds over block_builder_clear. */
void block_declare(struct block_builder *builder, block_field field, enum block_kind kind);
void block_set_int(struct block_builder *builder, block_field field, int64_t value);
void block_set_float(struct block_builder *builder, block_field field, double value);
void block_set_bool(struct block_builder *builder, block_field field, bool value);
void block_set_text(struct block_builder *builder, block_field field, struct su_str value);
void block_set_json(struct block_builder *builder, block_field field, struct su_str value);
/* Of the row begun: what the field at this path holds. */
struct block_value { enum block_kind kind; /* 0: null or absent */ int64_t integer; double number; struct su_str text; };
struct block_value block_row_value(const struct block_builder *builder, struct su_str path);
struct block_message {
    int64_t time_us, arrival_us;
    enum block_flag flag;
    struct su_str key, id, headers;     /* ptr NULL: none */
    struct su_str body;
};
/* SU_LIMIT (the row is dropped) when the builder is full. */
bool block_end(struct block_builder *builder, const struct block_message *message, struct su_err *err);
void block_drop(struct block_builder *builder);
/* Drop all rows from `rows` on (a message that held several records turned out bad). */
void block_cut(struct block_builder *builder, uint32_t rows);
/* The block of all rows, ≥ 1; the builder is as before (clear it to go on).  ret is appended to, 64-aligned. */
bool block_finish(struct block_builder *builder, uint64_t first, struct su_buf *ret, struct su_err *err);

/* --- reading ------------------------------------------------------------ */

/* One column, still encoded; borrowed from its block. */
struct block_column {
    enum block_role role;
    enum block_kind kind;
    struct su_str name;                 /* fields only */
    bool has_nulls;
    const void *entry;                  /* its directory entry */
    const struct block *block;
};
struct block {
    const uint8_t *data;
    size_t size;
    uint64_t first;
    uint32_t rows, column_count;
    int64_t min_us, max_us;             /* of event times */
    struct block_column *columns;
    void *unpacked;                     /* the packed part of bodies that was read last */
};
/* Reads and bounds-checks everything that later calls rely on; data must outlive the block, and *ret must stay where it
 * is (its columns point to it).  One thread at a time when bodies are read.  Packed bodies are checked when they are read.
 * SU_INTERNAL, saying which part, when a checksum or a bound is wrong: never trusts what it reads. */
bool block_open(const void *data, size_t size, struct block *ret, struct su_err *err);
void block_done(struct block *block);
#define BLOCK_AUTO SU_CLEANUP(block_done)
/* Size of the block that begins here, from its head (0: not a block): blocks may stand one after the other. */
size_t block_size(const void *data, size_t size);
/* Change the first offset of a finished block. */
void block_set_first(void *data, uint64_t first);

const struct block_column *block_role_column(const struct block *block, enum block_role role);     /* NULL: absent */
const struct block_column *block_field_column(const struct block *block, struct su_str name, enum block_kind kind /* 0: any, scalars first */);
bool block_is_null(const struct block_column *column, uint32_t row);
int64_t block_int(const struct block_column *column, uint32_t row);        /* BLOCK_INT, BLOCK_BOOL */
double block_float(const struct block_column *column, uint32_t row);       /* also of BLOCK_INT */
struct su_str block_text(const struct block_column *column, uint32_t row); /* BLOCK_TEXT, BLOCK_JSON; until the next call for bodies */
struct block_value block_value(const struct block_column *column, uint32_t row);
/* Many at once; nulls give 0 (int) and NaN (float). ret holds count values. */
void block_ints(const struct block_column *column, uint32_t row, uint32_t count, int64_t *ret);
void block_floats(const struct block_column *column, uint32_t row, uint32_t count, double *ret);
/* A text column by its dictionary: codes[i] is an index into the dictionary, UINT32_MAX for null.  False: it has none. */
bool block_codes(const struct block_column *column, uint32_t row, uint32_t count, uint32_t *ret);
uint32_t block_dictionary_count(const struct block_column *column);
struct su_str block_dictionary(const struct block_column *column, uint32_t code);
/* The offset of a row. */
uint64_t block_offset(const struct block *block, uint32_t row);
/* Bodies one after the other: false when packed data is damaged. */
bool block_body(struct block *block, uint32_t row, struct su_str *ret, struct su_err *err);

/* --- merging ------------------------------------------------------------ */

enum block_merge_flag {
    BLOCK_PACK_BODIES = 1,      /* for what is cold */
    BLOCK_WITHOUT_BODIES = 2,   /* columns only: what a DataFrame needs */
    BLOCK_WITHOUT_FLAGGED = 4,  /* drop punctuations; the offsets then go into a column of their own when they have gaps */
};
struct block_slice { struct block *block; uint32_t from, to; };         /* rows [from, to) */
/* One block of all these rows, in order; only those with event time in [time_from_us, time_to_us).  Appends to ret;
 * *ret_rows may be 0 (then nothing is appended).  Kinds are unified as within a block. */
bool block_merge(const struct block_slice *slices, size_t count, unsigned flags, int64_t time_from_us, int64_t time_to_us,
                 struct su_buf *ret, uint32_t *ret_rows, struct su_err *err);
/* As block_merge, into as many blocks, one after the other, as is quickest: large slices stay blocks of their own (copied as
 * they are when all their rows are wanted), small ones are merged.  What a DataFrame is made of. */
bool block_gather(const struct block_slice *slices, size_t count, unsigned flags, int64_t time_from_us, int64_t time_to_us,
                  struct su_buf *ret, uint64_t *ret_rows, struct su_err *err);
