/* Messages of a stream as text, read in pieces.  Layer api; workers; one thread at a time.
 *
 * A cursor stands at an offset of a log and knows where to stop.  Each call reads on from there with a read connection
 * of its own and holds nothing afterwards, so that a slow client costs no more than its cursor.  Punctuations are
 * passed over.  What is damaged, or was removed by retention before it was read, is told and never passed over. */
#pragma once
#include "aggregate/stream.h"

struct stream_cursor {
    struct streams *streams;
    int64_t log;                    /* a stream's, or of its dead letters */
    struct log_range range;         /* from moves on; to may lie past the end: then what is there now is read */
};

enum item_kind { ITEM_MESSAGE, ITEM_DAMAGED, ITEM_GONE, ITEM_KIND_COUNT };
struct item {
    enum item_kind kind;
    uint64_t first, next;           /* a message: its offset and the one after; else the range that is not there */
    const char *why;                /* ITEM_DAMAGED */
    /* Of a message: */
    struct block *block;
    uint32_t row;
    bool is_new_block;              /* the first row out of it */
    const struct block_column *time, *arrival, *key, *id, *headers;     /* NULL: absent */
};
enum item_verdict { ITEM_NEXT, ITEM_ENOUGH /* with this one */, ITEM_TOO_MUCH /* not this one any more */ };
struct item_taker { enum item_verdict (*take)(void *arg, const struct item *item, struct su_err *err); void *arg; };

/* Reads on until `taker` has enough or the range ends (*ret_is_end).  SU_NOT_FOUND: the log is gone.  When it sets
 * err and says ITEM_TOO_MUCH the call fails with that. */
bool stream_read_on(struct stream_cursor *cursor, const struct item_taker *taker, bool *ret_is_end, struct su_err *err);

/* What bodies are. */
enum item_body { ITEM_BODY_JSON, ITEM_BODY_TEXT, ITEM_BODY_DEAD /* anything, with the reason */, ITEM_BODY_COUNT };
/* {"offset","time","arrival","key","id","headers","body"} on one line, of dead letters "reason" and "bytes" too.  JSON goes
 * as it came. */
bool item_json(const struct item *item, enum item_body body, struct su_buf *out, struct su_err *err);
/* {"from":5,"to":9,"why":"…"} of what is damaged or gone. */
void item_hole_json(const struct item *item, struct su_buf *out);
/* Only the body, on one line. */
bool item_body_line(const struct item *item, enum item_body body, struct su_buf *out, struct su_err *err);
/* One value as CSV has it. */
void item_csv_value(const struct block_column *column, uint32_t row, struct su_buf *out);
void csv_text(struct su_str text, struct su_buf *out);
/* RFC 3339 in UTC with microseconds. */
void item_time(int64_t us, struct su_buf *out);
