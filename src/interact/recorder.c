/* The recorder: keeper events in, executed notebook out.  Layer interact; pure, one thread at a time.
 *
 * Outputs live in C structures while a run goes on (a stream is a growing
 * buffer), and become JSON once, at the end.  What several outputs share by
 * display_id is held by one `struct display`, so an update is one step however
 * many outputs show it. */
#include "recorder.h"

#include <stdlib.h>
#include <string.h>

#include "notebook.h"
#include "recorder_private.h"

struct display { json_t *data, *metadata; char *id; /* NULL: none */ };

enum output_kind { OUTPUT_STREAM, OUTPUT_DISPLAY, OUTPUT_RESULT, OUTPUT_ERROR, OUTPUT_KIND_COUNT };
static const char *const output_names[OUTPUT_KIND_COUNT] = {"stream", "display_data", "execute_result", "error"};

struct output {
    enum output_kind kind;
    const char *stream;         /* OUTPUT_STREAM: "stdout" or "stderr" */
    struct su_buf text;         /*   and text, \r and \b applied */
    bool has_return;            /*   a \r at the end waits for what follows */
    struct display *display;    /* OUTPUT_DISPLAY, OUTPUT_RESULT; owned by the recorder */
    int64_t count;              /* OUTPUT_RESULT: execution_count */
    json_t *error;              /* OUTPUT_ERROR */
};

enum { TIME_SIZE = 40 };
enum cell_status { CELL_PENDING, CELL_RUNNING, CELL_OK, CELL_ERROR, CELL_ABORTED, CELL_STATUS_COUNT };
static const char *const status_names[CELL_STATUS_COUNT] = {"pending", "running", "ok", "error", "aborted"};
static const char *const papermill_names[CELL_STATUS_COUNT] = {"pending", "running", "completed", "failed", "pending"};

struct cell {
    json_t *json;               /* borrowed from the notebook */
    const char *id;
    int index;                  /* among all cells */
    bool runs, allows_error, clears_next;
    enum cell_status status;
    int64_t count;              /* 0: none yet */
    char started_at[TIME_SIZE], ended_at[TIME_SIZE];
    int64_t first_seq, last_seq; /* of the events that touched it */
    struct output *outputs;
    size_t n_outputs, capacity;
    json_t *last_error;         /* content of its last error message */
};

struct recorder {
    json_t *notebook;
    struct cell *cells;
    size_t n_cells;
    json_t *by_id;              /* cell id → index in cells */
    struct display **displays;  /* every one there ever was */
    size_t n_displays, displays_capacity;
    json_t *by_display;         /* display_id → index in displays */
    json_t *result, *error;
    int cells_total, cells_done;
    double fraction;            /* < 0: the notebook says nothing */
    char text[512];
};

/* ---- life ---- */

static bool is_blank(const json_t *source)
{
    const char *text = json_string_value(source);
    return text == NULL || su_str_trim((struct su_str){text, json_string_length(source)}).len == 0;
}

static void add_cell(struct recorder *r, json_t *json, int index)
{
    struct cell *cell = &r->cells[r->n_cells];
    *cell = (struct cell){.json = json, .id = su_json_string(json, "id", ""), .index = index};
    cell->runs = !is_blank(json_object_get(json, "source")) && !notebook_cell_has_tag(json, "skip-execution");
    cell->allows_error = notebook_cell_has_tag(json, "raises-exception");
    r->cells_total += cell->runs;
    json_object_set_new(r->by_id, cell->id, json_integer((json_int_t)r->n_cells));
    json_object_set_new(json, "outputs", json_array());
    json_object_set_new(json, "execution_count", json_null());
    json_t *metadata = json_object_get(json, "metadata");
    json_object_del(metadata, "execution");
    json_object_del(metadata, "papermill");
    json_object_del(json_object_get(metadata, "suricate"), "events");
    r->n_cells++;
}

/* Cells that papermill put in to show the failure of an earlier run. */
static void drop_error_cells(json_t *cells)
{
    for (size_t i = json_array_size(cells); i-- > 0;) {
        if (notebook_cell_has_tag(json_array_get(cells, i), "papermill-error-cell-tag"))
            json_array_remove(cells, i);
    }
}

struct recorder *recorder_new(json_t *notebook)
{
    struct recorder *r = su_alloc(sizeof *r);
    json_t *cells = json_object_get(notebook, "cells");
    drop_error_cells(cells);
    r->notebook = notebook;
    r->cells = su_alloc((json_array_size(cells) + 1) * sizeof *r->cells);
    r->by_id = json_object();
    r->by_display = json_object();
    r->fraction = -1;
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        if (notebook_cell_is_code(cell))
            add_cell(r, cell, (int)i);
    }
    return r;
}

static void output_done(struct output *output)
{
    su_buf_done(&output->text);
    json_decref(output->error);
}

static void clear_outputs(struct cell *cell)
{
    for (size_t i = 0; i < cell->n_outputs; i++)
        output_done(&cell->outputs[i]);
    cell->n_outputs = 0;
    cell->clears_next = false;
}

static void cell_done(struct cell *cell)
{
    clear_outputs(cell);
    free(cell->outputs);
    json_decref(cell->last_error);
}

void recorder_free(struct recorder *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->n_cells; i++)
        cell_done(&r->cells[i]);
    for (size_t i = 0; i < r->n_displays; i++) {
        json_decref(r->displays[i]->data);
        json_decref(r->displays[i]->metadata);
        free(r->displays[i]->id);
        free(r->displays[i]);
    }
    free(r->cells);
    free(r->displays);
    json_decref(r->by_id);
    json_decref(r->by_display);
    json_decref(r->result);
    json_decref(r->error);
    json_decref(r->notebook);
    free(r);
}

json_t *recorder_cells(const struct recorder *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct cell *cell = &r->cells[i];
        if (cell->runs)
            json_array_append_new(list, json_pack("{s:s, s:O, s:b, s:b}", "cell", cell->id, "code",
                                                  json_object_get(cell->json, "source"), "allow_error",
                                                  cell->allows_error, "silent", 0));
    }
    return list;
}

/* ---- streams ---- */

static void drop_last_character(struct su_buf *text)
{
    if (text->len == 0 || text->ptr[text->len - 1] == '\n')
        return;
    do
        text->len--;
    while (text->len > 0 && ((unsigned char)text->ptr[text->len] & 0xc0) == 0x80);
}

static void drop_last_line(struct su_buf *text)
{
    const char *end = text->len ? memrchr(text->ptr, '\n', text->len) : NULL;
    text->len = end ? (size_t)(end - text->ptr) + 1 : 0;
}

/* The waiting \r meets what follows it: a line end keeps it, anything else starts the line afresh. */
static void settle_return(struct output *output, char next)
{
    if (!output->has_return)
        return;
    output->has_return = false;
    if (next == '\n')
        su_buf_addc(&output->text, '\r');
    else
        drop_last_line(&output->text);
}

static void stream_add(struct output *output, struct su_str text)
{
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != '\r' && c != '\b' && !output->has_return)
            continue;
        su_buf_add(&output->text, text.ptr + start, i - start);
        settle_return(output, c);
        start = i + 1;
        if (c == '\r')
            output->has_return = true;
        else if (c == '\b')
            drop_last_character(&output->text);
        else
            start = i;
    }
    su_buf_add(&output->text, text.ptr + start, text.len - start);
}

/* ---- outputs ---- */

static struct output *output_new(struct cell *cell, enum output_kind kind)
{
    if (cell->clears_next)
        clear_outputs(cell);
    if (cell->n_outputs == cell->capacity) {
        cell->capacity = cell->capacity ? cell->capacity * 2 : 4;
        cell->outputs = su_realloc(cell->outputs, cell->capacity * sizeof *cell->outputs);
    }
    struct output *output = &cell->outputs[cell->n_outputs++];
    *output = (struct output){.kind = kind, .text = SU_BUF(RECORDER_OUTPUTS_MAX)};
    return output;
}

static void add_stream(struct cell *cell, const json_t *content)
{
    const json_t *text = json_object_get(content, "text");
    const char *name = strcmp(su_json_string(content, "name", ""), "stderr") == 0 ? "stderr" : "stdout";
    if (!json_is_string(text) || json_string_length(text) == 0)
        return;
    struct output *last = cell->n_outputs && !cell->clears_next ? &cell->outputs[cell->n_outputs - 1] : NULL;
    if (last == NULL || last->kind != OUTPUT_STREAM || strcmp(last->stream, name) != 0) {
        last = output_new(cell, OUTPUT_STREAM);
        last->stream = name;
    }
    stream_add(last, (struct su_str){json_string_value(text), json_string_length(text)});
}

/* A mimebundle that nbformat accepts: text for every type but the JSON ones. */
static json_t *clean_bundle(const json_t *data)
{
    json_t *clean = json_object();
    const char *mime;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)data, mime, value) {
        if (json_is_string(value) || notebook_mime_is_json(mime))
            json_object_set(clean, mime, value);
    }
    return clean;
}

static struct display *display_new(struct recorder *r)
{
    if (r->n_displays == r->displays_capacity) {
        r->displays_capacity = r->displays_capacity ? r->displays_capacity * 2 : 16;
        r->displays = su_realloc(r->displays, r->displays_capacity * sizeof *r->displays);
    }
    return r->displays[r->n_displays++] = su_alloc(sizeof(struct display));
}

static struct display *display_find(const struct recorder *r, const char *display_id)
{
    const json_t *index = display_id ? json_object_get(r->by_display, display_id) : NULL;
    return index ? r->displays[json_integer_value(index)] : NULL;
}

static void display_set(struct display *display, const json_t *content)
{
    json_t *metadata = json_object_get(content, "metadata");
    json_decref(display->data);
    json_decref(display->metadata);
    display->data = clean_bundle(json_object_get(content, "data"));
    display->metadata = json_is_object(metadata) ? json_incref(metadata) : json_object();
}

static const char *display_id_of(const json_t *content)
{
    return su_json_string(json_object_get(content, "transient"), "display_id", NULL);
}

static void set_progress(struct recorder *r, const json_t *progress)
{
    double fraction = su_json_number(progress, "fraction", r->fraction);
    r->fraction = fraction > 1 ? 1 : fraction < 0 ? (fraction == -1 ? -1 : 0) : fraction;
    snprintf(r->text, sizeof r->text, "%s", su_json_string(progress, "text", ""));
    size_t len = strlen(r->text);
    while (len > 0 && !su_utf8_valid((struct su_str){r->text, len})) /* cut within a character */
        r->text[--len] = 0;
}

/* What the bundle means to the run; true when it is nothing to show. */
static bool take_signals(struct recorder *r, const json_t *content)
{
    const json_t *data = json_object_get(content, "data");
    json_t *result = json_object_get(data, RECORDER_MIME_RESULT);
    const json_t *progress = json_object_get(data, RECORDER_MIME_PROGRESS);
    if (result) {
        json_decref(r->result);
        r->result = json_incref(result);
    }
    if (progress)
        set_progress(r, progress);
    return progress != NULL;
}

static void add_display(struct recorder *r, struct cell *cell, const json_t *content, enum output_kind kind)
{
    if (take_signals(r, content))
        return;
    const char *display_id = display_id_of(content);
    struct display *display = display_find(r, display_id);
    if (display == NULL) {
        display = display_new(r);
        if (display_id)
            json_object_set_new(r->by_display, display_id, json_integer((json_int_t)r->n_displays - 1));
        display->id = su_strdup(display_id);
    }
    display_set(display, content);
    struct output *output = output_new(cell, kind);
    output->display = display;
    output->count = su_json_int(content, "execution_count", 0);
}

static void update_display(struct recorder *r, const json_t *content)
{
    struct display *display = display_find(r, display_id_of(content));
    if (!take_signals(r, content) && display)
        display_set(display, content);
}

static json_t *error_of(const json_t *content)
{
    json_t *lines = json_array();
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(content, "traceback"), i, line) {
        if (json_is_string(line))
            json_array_append(lines, line);
    }
    return json_pack("{s:s, s:s, s:s, s:o}", "output_type", "error", "ename", su_json_string(content, "ename", "Error"),
                     "evalue", su_json_string(content, "evalue", ""), "traceback", lines);
}

static void add_error(struct cell *cell, const json_t *content)
{
    struct output *output = output_new(cell, OUTPUT_ERROR);
    output->error = error_of(content);
    json_decref(cell->last_error);
    cell->last_error = json_incref(output->error);
}

static void add_message(struct recorder *r, struct cell *cell, const char *type, const json_t *content)
{
    if (strcmp(type, "stream") == 0) {
        add_stream(cell, content);
    } else if (strcmp(type, "display_data") == 0) {
        add_display(r, cell, content, OUTPUT_DISPLAY);
    } else if (strcmp(type, "execute_result") == 0) {
        add_display(r, cell, content, OUTPUT_RESULT);
    } else if (strcmp(type, "update_display_data") == 0) {
        update_display(r, content);
    } else if (strcmp(type, "error") == 0) {
        add_error(cell, content);
    } else if (strcmp(type, "clear_output") == 0) {
        if (su_json_bool(content, "wait", false))
            cell->clears_next = true;
        else
            clear_outputs(cell);
    }
}

/* ---- events ---- */

static struct cell *find_cell(const struct recorder *r, const json_t *event)
{
    const json_t *index = json_object_get(r->by_id, su_json_string(event, "cell", ""));
    return index ? &r->cells[json_integer_value(index)] : NULL;
}

static bool is_exit_without_error(const json_t *error)
{
    const char *value = su_json_string(error, "evalue", "");
    return strcmp(su_json_string(error, "ename", ""), "SystemExit") == 0
        && (strcmp(value, "") == 0 || strcmp(value, "0") == 0 || strcmp(value, "None") == 0);
}

static void note_error(struct recorder *r, struct cell *cell)
{
    if (cell->last_error == NULL)
        cell->last_error = json_pack("{s:s, s:s, s:s, s:[]}", "output_type", "error", "ename", "Error", "evalue",
                                     "the cell failed", "traceback");
    if (cell->allows_error || is_exit_without_error(cell->last_error) || r->error)
        return;
    r->error = json_copy(cell->last_error);
    json_object_del(r->error, "output_type");
    json_object_set_new(r->error, "cell", json_string(cell->id));
}

/* A time as the keeper gave it; what can be none is left out. */
static void take_time(char time[static TIME_SIZE], const char *text)
{
    size_t len = strlen(text);
    bool is_time = len < TIME_SIZE && strspn(text, "0123456789-:.TZ+") == len;
    memmove(time, is_time ? text : "", is_time ? len + 1 : 1); /* text may be time itself */
}

static void begin_cell(struct cell *cell, const json_t *event)
{
    if (cell->status != CELL_PENDING) /* a cell runs once */
        return;
    cell->status = CELL_RUNNING;
    cell->count = su_json_int(event, "execution_count", cell->count);
    take_time(cell->started_at, su_json_string(event, "at", ""));
}

static void end_cell(struct recorder *r, struct cell *cell, const json_t *event)
{
    const char *status = su_json_string(event, "status", "ok");
    bool was_over = cell->status > CELL_RUNNING;
    cell->status = strcmp(status, "error") == 0 ? CELL_ERROR : strcmp(status, "aborted") == 0 ? CELL_ABORTED : CELL_OK;
    cell->count = su_json_int(event, "execution_count", cell->count);
    take_time(cell->started_at, su_json_string(event, "started_at", cell->started_at));
    take_time(cell->ended_at, su_json_string(event, "ended_at", su_json_string(event, "at", "")));
    if (!was_over && cell->runs)
        r->cells_done++;
    if (cell->status == CELL_ERROR)
        note_error(r, cell);
}

void recorder_add(struct recorder *r, const json_t *event)
{
    const char *name = su_json_string(event, "event", "");
    struct cell *cell = find_cell(r, event);
    if (cell == NULL)
        return;
    cell->last_seq = su_json_int(event, "seq", cell->last_seq);
    if (cell->first_seq == 0)
        cell->first_seq = cell->last_seq;
    if (strcmp(name, "cell_start") == 0)
        begin_cell(cell, event);
    else if (strcmp(name, "cell_end") == 0)
        end_cell(r, cell, event);
    else if (strcmp(name, "message") == 0)
        add_message(r, cell, su_json_string(event, "type", ""), json_object_get(event, "content"));
}

/* ---- what clients see of an event ---- */

static json_t *client_progress(const struct recorder *r)
{
    struct recorder_progress p = recorder_progress(r);
    return json_pack("{s:i, s:i, s:f, s:s}", "cells_total", p.cells_total, "cells_done", p.cells_done, "fraction",
                     p.fraction, "text", p.text);
}

/* A message goes out as it came, but for progress, which is told as the run's. */
static const char *client_message(const struct recorder *r, const json_t *event, json_t **ret)
{
    const json_t *content = json_object_get(event, "content");
    if (json_object_get(json_object_get(content, "data"), RECORDER_MIME_PROGRESS)) {
        *ret = json_pack("{s:O, s:o}", "cell", json_object_get(event, "cell"), "progress", client_progress(r));
        return "progress";
    }
    if (!json_is_object(content) || !json_is_string(json_object_get(event, "type")))
        return NULL;
    *ret = json_pack("{s:O, s:O, s:O}", "cell", json_object_get(event, "cell"), "type", json_object_get(event, "type"),
                     "content", content);
    return "output";
}

const char *recorder_client_event(const struct recorder *r, const json_t *event, json_t **ret_data)
{
    const char *name = su_json_string(event, "event", "");
    const struct cell *cell = find_cell(r, event);
    if (cell == NULL)
        return NULL;
    if (strcmp(name, "message") == 0)
        return client_message(r, event, ret_data);
    if (strcmp(name, "cell_start") == 0) {
        *ret_data =
            json_pack("{s:s, s:i, s:s}", "cell", cell->id, "index", cell->index, "started_at", cell->started_at);
        return "cell_start";
    }
    if (strcmp(name, "cell_end") == 0) {
        *ret_data = json_pack("{s:s, s:i, s:s, s:I, s:s, s:s, s:o}", "cell", cell->id, "index", cell->index, "status",
                              status_names[cell->status], "execution_count", (json_int_t)cell->count, "started_at",
                              cell->started_at, "ended_at", cell->ended_at, "progress", client_progress(r));
        return "cell_end";
    }
    return NULL;
}

struct recorder_progress recorder_progress(const struct recorder *r)
{
    double by_cells = r->cells_total ? (double)r->cells_done / r->cells_total : 1;
    return (struct recorder_progress){r->cells_total, r->cells_done, r->fraction >= 0 ? r->fraction : by_cells,
                                      r->text};
}

const json_t *recorder_result(const struct recorder *r) { return r->result; }
const json_t *recorder_error(const struct recorder *r) { return r->error; }

/* ---- the snapshot ---- */

static void write_output(struct su_buf *out, const struct output *output)
{
    if (output->kind == OUTPUT_STREAM) {
        su_buf_addf(out, "{\"output_type\":\"stream\",\"name\":");
        outputs_text(out, su_str_of(output->stream));
        su_buf_adds(out, ",\"text\":");
        outputs_text(out, su_buf_str(&output->text));
        su_buf_addc(out, '}');
    } else if (output->kind == OUTPUT_ERROR) {
        outputs_json(out, output->error);
    } else {
        su_buf_addf(out, "{\"output_type\":\"%s\",\"data\":", output_names[output->kind]);
        outputs_json(out, output->display->data);
        su_buf_adds(out, ",\"metadata\":");
        outputs_json(out, output->display->metadata);
        if (output->display->id) {
            su_buf_adds(out, ",\"transient\":{\"display_id\":");
            outputs_text(out, su_str_of(output->display->id));
            su_buf_addc(out, '}');
        }
        if (output->kind == OUTPUT_RESULT)
            su_buf_addf(out, ",\"execution_count\":%lld", (long long)output->count);
        su_buf_addc(out, '}');
    }
}

size_t recorder_output_count(const struct recorder *r, size_t cell) { return cell < r->n_cells ? r->cells[cell].n_outputs : 0; }

void recorder_output(const struct recorder *r, size_t cell, size_t index, struct su_buf *out)
{
    write_output(out, &r->cells[cell].outputs[index]);
}

size_t recorder_output_size(const struct recorder *r, size_t cell, size_t index) { return r->cells[cell].outputs[index].text.len; }

bool recorder_shows(const struct recorder *r, const char *display_id) { return display_find(r, display_id) != NULL; }

static void write_cell(struct su_buf *out, const struct cell *cell)
{
    struct outputs_cell head = {cell->id,    cell->index,      status_names[cell->status],
                                cell->count, cell->started_at, cell->ended_at};
    outputs_cell_begin(out, &head);
    for (size_t i = 0; i < cell->n_outputs; i++) {
        if (i > 0)
            su_buf_addc(out, ',');
        write_output(out, &cell->outputs[i]);
    }
    su_buf_adds(out, "]}");
}

void recorder_outputs(const struct recorder *r, struct su_buf *out)
{
    bool is_first = true;
    su_buf_adds(out, "{\"cells\":[");
    for (size_t i = 0; i < r->n_cells; i++) {
        const struct cell *cell = &r->cells[i];
        if (cell->status == CELL_PENDING && cell->n_outputs == 0)
            continue;
        if (!is_first)
            su_buf_addc(out, ',');
        is_first = false;
        write_cell(out, cell);
    }
    su_buf_adds(out, "]}");
}

/* ---- the end ---- */

static json_t *stream_json(const struct output *output)
{
    struct su_str text = su_buf_str(&output->text);
    json_t *value = output->has_return ? NULL : json_stringn(text.ptr, text.len);
    if (output->has_return) {
        SU_AUTO_FREE char *with_return = su_format("%s\r", text.ptr);
        value = json_string(with_return);
    }
    return json_pack("{s:s, s:s, s:o}", "output_type", "stream", "name", output->stream, "text", value ? value : json_string(""));
}

static json_t *output_json(const struct output *output)
{
    switch (output->kind) {
    case OUTPUT_STREAM: return stream_json(output);
    case OUTPUT_ERROR: return json_incref(output->error);
    case OUTPUT_RESULT:
        return json_pack("{s:s, s:O, s:O, s:I}", "output_type", "execute_result", "data", output->display->data,
                         "metadata", output->display->metadata, "execution_count", (json_int_t)output->count);
    case OUTPUT_DISPLAY:
    case OUTPUT_KIND_COUNT: break;
    }
    return json_pack("{s:s, s:O, s:O}", "output_type", "display_data", "data", output->display->data, "metadata",
                     output->display->metadata);
}

json_t *recorder_output_value(const struct recorder *r, size_t cell, size_t index) { return output_json(&r->cells[cell].outputs[index]); }

static void write_timing(const struct cell *cell, json_t *metadata)
{
    bool is_over = cell->status > CELL_RUNNING;
    if (!json_is_object(json_object_get(metadata, "suricate")))
        json_object_set_new(metadata, "suricate", json_object());
    if (cell->first_seq > 0)
        json_object_set_new(json_object_get(metadata, "suricate"), "events",
                            json_pack("[I, I]", (json_int_t)cell->first_seq, (json_int_t)cell->last_seq));
    json_t *papermill = json_pack("{s:s, s:o?, s:o?, s:o?, s:o}", "status", papermill_names[cell->status], "start_time",
        su_json_text_or_null(cell->started_at[0] ? cell->started_at : NULL), "end_time",
        su_json_text_or_null(cell->ended_at[0] ? cell->ended_at : NULL), "duration",
        is_over ? json_real(outputs_seconds_between(cell->started_at, cell->ended_at)) : json_null(), "exception",
        is_over ? json_boolean(cell->status == CELL_ERROR) : json_null());
    json_object_set_new(metadata, "papermill", papermill);
    if (!is_over)
        return;
    json_object_set_new(metadata, "execution",
                        json_pack("{s:s, s:s, s:s, s:s}", "iopub.status.busy", cell->started_at, "iopub.execute_input",
                                  cell->started_at, "shell.execute_reply", cell->ended_at, "iopub.status.idle",
                                  cell->ended_at));
}

static void finish_cell(struct cell *cell)
{
    json_t *outputs = json_object_get(cell->json, "outputs");
    for (size_t i = 0; i < cell->n_outputs; i++) {
        json_array_append_new(outputs, output_json(&cell->outputs[i]));
        su_buf_done(&cell->outputs[i].text);
    }
    if (cell->count > 0)
        json_object_set_new(cell->json, "execution_count", json_integer(cell->count));
    if (cell->runs)
        write_timing(cell, json_object_get(cell->json, "metadata"));
    clear_outputs(cell);
}

json_t *recorder_finish(struct recorder *r)
{
    for (size_t i = 0; i < r->n_cells; i++)
        finish_cell(&r->cells[i]);
    return json_incref(r->notebook);
}
