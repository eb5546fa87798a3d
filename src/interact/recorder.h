/* The recorder: keeper events in, executed notebook out.  Layer interact; pure, one thread at a time.
 *
 * The rules are nbclient's: consecutive stream output of one name is one output,
 * with \r and \b applied; update_display_data rewrites every output with that
 * display_id in any cell and adds none; clear_output(wait) clears at the next
 * output; timing goes to metadata.execution and metadata.papermill.  Every event
 * costs time in proportion to its own size, whatever was recorded before.
 *
 * Two media types of our own: a result (application/vnd.suricate.result+json,
 * the last one is the run's) and progress (application/vnd.suricate.progress+json,
 * never kept as an output). */
#pragma once
#include "base/json.h"
#include "base/str.h"

#define RECORDER_MIME_RESULT "application/vnd.suricate.result+json"
#define RECORDER_MIME_PROGRESS "application/vnd.suricate.progress+json"

enum {
    RECORDER_OUTPUTS_MAX = 1 << 30,         /* bytes of a snapshot's text */
    RECORDER_FIGURES_MAX = 1000,
};

struct recorder;

/* Takes the reference to a checked notebook (parameters already injected) and clears its outputs. */
struct recorder *recorder_new(json_t *notebook);
void recorder_free(struct recorder *recorder);

/* The cells to run, as the keeper's "execute" wants them (new reference): code
 * cells that are neither blank nor tagged skip-execution. */
json_t *recorder_cells(const struct recorder *recorder);

/* One keeper event (borrowed).  Unknown events and cells are ignored. */
void recorder_add(struct recorder *recorder, const json_t *event);
/* The event, after recorder_add, as a client of the run's event stream sees it:
 * its name (NULL: not for clients) and data (new reference).
 *   cell_start  {"cell","index","started_at"}
 *   output      {"cell","type","content"}: a Jupyter message (stream, display_data, update_display_data,
 * execute_result, error, clear_output) progress    {"cell","progress":{"cells_total","cells_done","fraction","text"}}
 *   cell_end    {"cell","index","status","execution_count","started_at","ended_at","progress"} */
const char *recorder_client_event(const struct recorder *recorder, const json_t *event, json_t **ret_data);

struct recorder_progress { int cells_total, cells_done; double fraction; const char *text; };
/* fraction: what the notebook last said, else cells done of all; text borrowed. */
struct recorder_progress recorder_progress(const struct recorder *recorder);
/* The run's result, borrowed; NULL when there was none. */
const json_t *recorder_result(const struct recorder *recorder);
/* The error that stopped the run, {"ename","evalue","traceback","cell"}, borrowed; NULL when there was none
 * (SystemExit with nothing or 0 is none). */
const json_t *recorder_error(const struct recorder *recorder);

/* {"cells":[{"id","index","status","execution_count","started_at","ended_at","outputs":[…]}…]} of the cells that
 * have begun, appended as text.  Outputs that can be updated say by which "transient":{"display_id"}. */
void recorder_outputs(const struct recorder *recorder, struct su_buf *out);
/* Outputs of one code cell (by its number among code cells) so far: how many, one of them as nbformat has it, appended, and
 * the bytes of a stream's text (0 for other outputs). */
size_t recorder_output_count(const struct recorder *recorder, size_t cell);
void recorder_output(const struct recorder *recorder, size_t cell, size_t index, struct su_buf *out);
size_t recorder_output_size(const struct recorder *recorder, size_t cell, size_t index);
/* The same as a value (new reference), as notebooks store it. */
json_t *recorder_output_value(const struct recorder *recorder, size_t cell, size_t index);
/* Was something shown by that display_id (NULL: none)? */
bool recorder_shows(const struct recorder *recorder, const char *display_id);
/* The executed notebook (new reference).  Moves what was recorded into it: call once, at the end. */
json_t *recorder_finish(struct recorder *recorder);

/* ---- of an executed notebook ---- */

/* The same text as recorder_outputs, from the notebook. */
void recorded_outputs(const json_t *notebook, struct su_buf *out);
/* The same events as far as they lie behind number `after`: per cell that has newer ones a cell_start, its outputs
 * (after a clear_output when the client has seen part of them) and a cell_end, handed over with the cell's last number.
 */
typedef void recorded_event_fn(void *arg, int64_t seq, const char *name, const json_t *data);
void recorded_events(const json_t *notebook, int64_t after, recorded_event_fn *each, void *arg);
/* Figures in the order of their outputs: an output with PNG and SVG is one number with two files. */
struct recorded_figure {
    char name[32];
    const char *type;
    const char *cell;
    struct su_str data; /* base64, or SVG text */
};
typedef bool recorded_figure_fn(void *arg, const struct recorded_figure *figure, struct su_err *err);
bool recorded_figures(const json_t *notebook, recorded_figure_fn *each, void *arg, struct su_err *err);
/* Base64 with or without line ends → bytes (caller frees); false when it is not that. */
bool recorded_base64(struct su_str text, char **ret_data, size_t *ret_len);
