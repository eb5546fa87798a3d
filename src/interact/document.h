/* An open notebook as a value: its cells, edits with revisions, what kernels say.  Layer interact; pure, one thread at a time.
 *
 * Each cell has a revision that every change of it raises by one.  An edit says on which revision it was made; a cell that
 * has moved on meanwhile is a conflict: that edit is not applied, and both sides know both texts.  Edits that were applied
 * already (a client that lost the answer sends them again) change nothing and are fine.
 *
 * Edits (objects):
 *   {"op":"source","cell","source","revision"}   {"op":"insert","cell":{nbformat cell with an id},"after":id|null}
 *   {"op":"delete","cell","revision"}            {"op":"move","cell","after":id|null}
 *   {"op":"type","cell","cell_type"}             {"op":"metadata","cell":id|null,"metadata"}   {"op":"clear","cell":id|null}
 *
 * What a client is told is a delta, an object with "type": edit, cell, output, outputs (see docs/reference/notebooks.md). */
#pragma once
#include "base/json.h"
#include "base/str.h"

enum {
    DOCUMENT_SOURCE_MAX = 4 << 20,          /* bytes of a cell's source */
    DOCUMENT_OUTPUT_INLINE_MAX = 256 << 10, /* a larger output is told by its size */
    DOCUMENT_SNAPSHOT_INLINE_MAX = 16 << 20, /* … and of all in one message; past that all but small ones are */
    DOCUMENT_CELL_OUTPUT_MAX = 56 << 20,    /* put out by one execution since its last clear_output; the rest is left out */
    DOCUMENT_OUTPUTS_MAX = 128 << 20,       /* … and by all cells of the document */
    DOCUMENT_EXECUTION_SIZE = 128,          /* "<cell>#<number>" and NUL */
};

struct document;

/* Takes the reference to a checked notebook. */
struct document *document_new(json_t *notebook);
void document_free(struct document *document);

/* Raised by every edit that changed something. */
int64_t document_revision(const struct document *document);
size_t document_cell_count(const struct document *document);

enum document_verdict { DOCUMENT_APPLIED, DOCUMENT_UNCHANGED, DOCUMENT_CONFLICT, DOCUMENT_REFUSED };
/* *ret: when applied the edit as others are told it, with "revision" the cell's new one; in conflict
 * {"cell","revision","source","reason"} (new references); else NULL.  is_forced: whatever the revision (a journal read again).
 * Refused: err says why, nothing changed. */
enum document_verdict document_edit(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err);
/* Revision of a cell, -1 when there is none. */
int64_t document_cell_revision(const struct document *document, const char *cell);
/* Revisions by cell, without those that are 0 (new reference), and back. */
json_t *document_revisions(const struct document *document);
void document_set_revisions(struct document *document, const json_t *revisions);

/* A code cell that is to run: its outputs go, it is queued as `execution`; *ret_code its source (borrowed until the next
 * edit).  False: there is no such cell, or nothing in it to run. */
bool document_queue(struct document *document, const char *cell, const char *execution, const json_t **ret_code);
/* An error in this cell drops no others: it is tagged raises-exception. */
bool document_allows_error(const struct document *document, const char *cell);
/* Whatever is queued or (is_all) running will not go on: the cell deltas of each (new reference, a list). */
json_t *document_abort(struct document *document, bool is_all);
/* Cells queued or running now. */
size_t document_busy(const struct document *document);

/* One numbered event of a keeper.  The delta for clients (new reference), or NULL when there is nothing to tell; large
 * outputs by reference below `href`. */
json_t *document_event(struct document *document, const char *href, const json_t *event);
/* A delta that says all about a cell's state, and one with all its outputs; NULL when there is no such cell. */
json_t *document_cell_delta(const struct document *document, const char *cell);
json_t *document_outputs_delta(const struct document *document, const char *href, const char *cell);
/* Bytes of text in the cell's last stream output. */
size_t document_stream_size(const struct document *document, const char *cell);
/* From which of the keeper's events on a server that read the saved notebook must hear again: the start of what runs. */
int64_t document_resume_seq(const struct document *document, int64_t next_seq);

/* "notebook":{…},"cells":{…} of a snapshot, appended; outputs over DOCUMENT_OUTPUT_INLINE_MAX by reference below `href`. */
void document_snapshot(const struct document *document, const char *href, struct su_buf *out);
/* One output as nbformat has it, whole; false when there is none. */
bool document_output(const struct document *document, const char *cell, size_t index, struct su_buf *out);
/* The notebook with all outputs as they are now (new reference; parts are shared: not to be changed); those of more than
 * output_max bytes are left out, and it says so. */
json_t *document_notebook(const struct document *document, size_t output_max);
