/* Inside table*.c: parsing a table into blocks.  Layer aggregate. */
#pragma once
#include "base/json.h"
#include "decode.h"
#include "store/blob.h"
#include "store/block.h"
#include "table.h"

/* Where the blocks go. */
struct table_sink {
    struct block_builder *builder;
    struct blob_writer *writer;
    uint32_t rows_max;
    uint64_t rows;
    struct su_buf out;
    bool is_frame;
    bool is_lines;              /* an NDJSON: table_flat_block has a look at every block */
    json_t *classes;            /* of its columns so far, by name */
    char why[200];
};
/* The row begun is complete: a full block is written. */
bool table_row(struct table_sink *sink, struct su_err *err);
bool table_flush(struct table_sink *sink, struct su_err *err);
/* The frame would not be pandas'; the first reason stays. */
void table_differs(struct table_sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Of an NDJSON: what pandas would read otherwise differs. */
void table_flat_line(struct table_sink *sink, struct su_str line);
bool table_flat_block(struct table_sink *sink, struct su_err *err);
bool table_refuse(struct su_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text of the object, from its beginning. */
struct table_text {
    struct decoder *decoder;
    char *buffer;               /* CSV_PADDING readable bytes past its end */
    size_t at, end, capacity;
    bool is_last;
    int fd;
};
bool table_text_open(int fd, struct table_text *ret, struct su_err *err);
void table_text_done(struct table_text *text);
/* More behind what is there; false when a record is larger than a table's may be, or the file can't be read. */
bool table_text_fill(struct table_text *text, struct su_err *err);

bool table_read_csv(int fd, struct table_sink *sink, struct su_err *err);
bool table_read_ndjson(int fd, struct table_sink *sink, struct su_err *err);
bool table_read_json(int fd, struct table_sink *sink, struct su_err *err);
