/* Notebooks as values: read, check, upgrade and write nbformat 4.5.  Layer interact; pure, any thread.
 *
 * A notebook in memory is its JSON with every "multi-line string" (source,
 * stream text, text/… data) as one string; the canonical writer splits them
 * again, byte for byte as the nbformat package does (indent 1, sorted keys,
 * UTF-8 unescaped, lines with their ends, a final newline). */
#pragma once
#include "base/json.h"
#include "base/str.h"

enum {
    NOTEBOOK_BYTES_MAX = 64 << 20,
    NOTEBOOK_DEPTH_MAX = 256,
    NOTEBOOK_CELLS_MAX = 20000,
    NOTEBOOK_MINOR = 5,          /* nbformat 4.5 is what we write */
    NOTEBOOK_CELL_ID_MAX = 64,
};

/* Text of an .ipynb → a checked nbformat 4.5 notebook.  4.0 to 4.4 are upgraded
 * (cells get ids), version 3 is converted, anything else is refused; duplicate
 * ids are renewed, transient keys dropped, unknown metadata kept.  A fault is
 * SU_INVALID with the JSON pointer in err->field. */
bool notebook_parse(struct su_str text, json_t **ret, struct su_err *err);
/* Text that stands in lists of lines, made one string each, in place (a notebook read by other means); false when it is
 * no object. */
bool notebook_join(json_t *notebook);
/* The check alone, for a notebook in memory that says 4.5 or later. */
bool notebook_check(const json_t *notebook, struct su_err *err);

/* Canonical text, handed to `sink` piece by piece; false only when the sink fails. */
typedef bool notebook_sink(void *arg, const void *data, size_t len, struct su_err *err);
bool notebook_write(const json_t *notebook, notebook_sink *sink, void *arg, struct su_err *err);
/* The same in one buffer; caller frees. */
char *notebook_text(const json_t *notebook, size_t *ret_len);

bool notebook_cell_is_code(const json_t *cell);
bool notebook_cell_has_tag(const json_t *cell, const char *tag);
/* First cell with the tag; -1 when there is none. */
int notebook_find_tag(const json_t *notebook, const char *tag);
/* A new code cell (new reference) with a fresh id and one tag (NULL: none). */
json_t *notebook_code_cell(struct su_str source, const char *tag);
/* Refuses a notebook that asks for a kernel other than Python's. */
bool notebook_check_kernel(const json_t *notebook, struct su_err *err);
/* Mime types whose value is JSON itself. */
bool notebook_mime_is_json(const char *mime);

/* notebook_v3.c: a version 3 notebook, in place, to the shape of 4.4. */
bool notebook_upgrade_v3(json_t *notebook, struct su_err *err);
