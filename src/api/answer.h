/* Answers: columns and rows of values as JSON, NDJSON or CSV.  Layer api; one thread at a time. */
#pragma once
#include "handler.h"
#include "store/block.h"

enum answer_format { ANSWER_JSON, ANSWER_NDJSON, ANSWER_CSV, ANSWER_FORMAT_COUNT };
struct answer {
    enum answer_format format;
    bool has_kinds; /* of columns, shown in JSON; set by answer_init */
    size_t columns, at;
    char **names;
    enum block_kind *kinds; /* what the values so far are; 0: all null */
    uint64_t rows;
    struct su_buf text; /* the rows */
};
/* ?format=json|ndjson|csv. */
bool answer_format_read(const struct request *request, enum answer_format *ret, struct su_err *err);
void answer_init(struct answer *answer, enum answer_format format, size_t bytes_max);
void answer_done(struct answer *answer);
#define ANSWER_AUTO SU_CLEANUP(answer_done)
void answer_column(struct answer *answer, const char *name);               /* all of them before the first row */
void answer_value(struct answer *answer, const struct block_value *value); /* row by row, column by column */
/* Rows written before, by an answer of the same columns and format. */
void answer_add_text(struct answer *answer, struct su_str text, uint64_t rows);
/* JSON: {"columns":[{"name","kind"}],"rows":[[…]], …more}; takes more, an object or NULL.  Others: only the rows. */
void answer_reply(struct answer *answer, struct reply *reply, json_t *more);
