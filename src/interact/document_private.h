/* The insides of a document, for document.c and document_read.c.  Layer interact. */
#pragma once
#include "document.h"
#include "recorder.h"

enum document_state { CELL_IDLE, CELL_QUEUED, CELL_RUNNING };

struct document_cell {
    json_t *json;                           /* without outputs and execution_count */
    const char *id;                         /* borrowed from json */
    int64_t revision;
    json_t *outputs;                        /* as they were read, when there is no recorder */
    struct recorder *recorder;              /* of the newest execution */
    char execution[DOCUMENT_EXECUTION_SIZE];
    enum document_state state;
    char *status;                           /* ok, error, aborted; NULL: none */
    size_t bytes;                           /* put out since the last clear_output, as it came */
    bool is_cut;                            /* more than is kept was put out */
    int64_t count, first_seq;
    char started_at[40], ended_at[40];
};

struct document {
    json_t *notebook;                       /* without its cells */
    struct document_cell **cells;
    size_t count, capacity;
    int64_t revision;
    size_t bytes;                           /* of all cells */
};

struct document_cell *document_find(const struct document *document, const char *id);
