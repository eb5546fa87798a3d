/* Questions: a SQL statement of a tenant, over its streams and objects.  Layer aggregate; one thread at a time.
 *
 * A name after FROM is a stream's or an object's (a stream goes first).  A range
 * bounds every stream by offsets (the one that is named) or event time (all). */
#pragma once
#include "object.h"
#include "store/query.h"
#include "stream.h"

struct tables; /* table.h: objects as columns */
struct question {
    const char *tenant, *sql;
    /* A range as stream_range takes it, for every stream; or */
    const char *from, *to, *last;
    /* … the messages of one window of one stream, the only stream that may be asked. */
    struct stream *stream;          /* NULL: any */
    const struct log_range *window; /* NULL: the range above */
    const json_t *objects;          /* list of names that may be asked; NULL: all */
    bool has_objects, has_streams;  /* may be asked at all (what the asker's scopes allow) */
    int64_t time_ms;                /* 0 each: query.h's */
    size_t memory_bytes, bytes_max;
    uint64_t rows_max;
};
struct asking;
/* objects and tables may be NULL: then there are no objects. */
struct question_sources {
    struct streams *streams;
    struct objects *objects;
    struct tables *tables;
};
/* question is borrowed until the end; the reading connection is its own. */
bool question_ask(const struct question_sources *sources, const struct question *question, struct asking **ret,
                  struct su_err *err);
void question_close(struct asking *asking);
static inline void question_close_pointer(struct asking **asking) { question_close(*asking); }
#define QUESTION_AUTO SU_CLEANUP(question_close_pointer)
struct query *question_query(struct asking *asking);
/* Stretches of streams that could not be read (damaged), in words; NULL: none. */
const char *question_damage(const struct asking *asking);
