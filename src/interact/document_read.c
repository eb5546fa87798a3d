/* What others see of a document: snapshots, single outputs, the notebook to be stored.  Layer interact; pure. */
#include <stdlib.h>
#include <string.h>

#include "document_private.h"
#include "recorder_private.h"

enum { SMALL_OUTPUT = 4096, CELL_INLINE_MAX = 2 << 20 };
static const char *const state_names[] = {"idle", "queued", "running"};

/* {"output_type":"display_data", …} that says how large the output is and where to read it. */
static void add_reference(struct su_buf *out, size_t bytes, const char *href, const char *id, size_t index)
{
    SU_AUTO_FREE char *place = su_format("%s/outputs/%s/%zu", href, id, index);
    SU_AUTO_JSON json_t *output = json_pack("{s:s, s:{}, s:{s:{s:I, s:s}}}", "output_type", "display_data", "data", "metadata", "suricate",
                                            "too_large", (json_int_t)bytes, "href", place);
    outputs_json(out, output);
}

static size_t output_count(const struct document_cell *cell)
{
    return cell->recorder ? recorder_output_count(cell->recorder, 0) : json_array_size(cell->outputs);
}

static void add_output(struct su_buf *out, const struct document_cell *cell, size_t index)
{
    if (cell->recorder)
        recorder_output(cell->recorder, 0, index, out);
    else
        outputs_json(out, json_array_get(cell->outputs, index));
}

/* Past the budget of the whole message only small outputs stand in it. */
static void add_bounded(struct su_buf *out, const struct document_cell *cell, const char *href, size_t index, size_t *budget)
{
    const size_t most = *budget ? DOCUMENT_OUTPUT_INLINE_MAX : SMALL_OUTPUT;
    size_t before = out->len, known = cell->recorder ? recorder_output_size(cell->recorder, 0, index) : 0;
    if (known <= most)
        add_output(out, cell, index);
    size_t bytes = known > most ? known : out->len - before;
    *budget -= bytes > most ? 0 : bytes < *budget ? bytes : *budget;
    if (bytes <= most)
        return;
    out->len = before;
    add_reference(out, bytes, href, cell->id, index);
}

static void add_outputs(struct su_buf *out, const struct document_cell *cell, const char *href, size_t *budget)
{
    su_buf_addc(out, '[');
    for (size_t i = 0; i < output_count(cell); i++) {
        if (i)
            su_buf_addc(out, ',');
        add_bounded(out, cell, href, i, budget);
    }
    su_buf_addc(out, ']');
}

json_t *document_outputs_delta(const struct document *document, const char *href, const char *id)
{
    const struct document_cell *cell = document_find(document, id);
    if (!cell)
        return NULL;
    SU_AUTO_BUF struct su_buf out = SU_BUF(RECORDER_OUTPUTS_MAX);
    size_t budget = CELL_INLINE_MAX;
    add_outputs(&out, cell, href, &budget);
    return json_pack("{s:s, s:s, s:o}", "type", "outputs", "cell", cell->id, "outputs", json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL));
}

size_t document_stream_size(const struct document *document, const char *id)
{
    const struct document_cell *cell = document_find(document, id);
    size_t count = cell && cell->recorder ? output_count(cell) : 0;
    return count ? recorder_output_size(cell->recorder, 0, count - 1) : 0;
}

/* A cell of the snapshot: its JSON with outputs and count put in. */
static void add_cell(struct su_buf *out, const struct document_cell *cell, const char *href, size_t *budget)
{
    outputs_json(out, cell->json);
    if (strcmp(su_json_string(cell->json, "cell_type", ""), "code") != 0)
        return;
    out->len--; /* the closing brace */
    su_buf_adds(out, ",\"outputs\":");
    add_outputs(out, cell, href, budget);
    if (cell->count)
        su_buf_addf(out, ",\"execution_count\":%lld}", (long long)cell->count);
    else
        su_buf_adds(out, ",\"execution_count\":null}");
}

static void add_state(struct su_buf *out, const struct document_cell *cell)
{
    SU_AUTO_JSON json_t *state = json_pack("{s:I, s:s, s:o, s:o, s:o}", "revision", (json_int_t)cell->revision, "state", state_names[cell->state],
        "status", su_json_text_or_null(cell->status), "started_at", su_json_text_or_null(*cell->started_at ? cell->started_at : NULL),
        "ended_at", su_json_text_or_null(*cell->ended_at ? cell->ended_at : NULL));
    outputs_text(out, su_str_of(cell->id));
    su_buf_addc(out, ':');
    outputs_json(out, state);
}

void document_snapshot(const struct document *document, const char *href, struct su_buf *out)
{
    size_t budget = DOCUMENT_SNAPSHOT_INLINE_MAX;
    su_buf_adds(out, "\"notebook\":");
    outputs_json(out, document->notebook);
    out->len--;
    su_buf_adds(out, ",\"cells\":[");
    for (size_t i = 0; i < document->count; i++) {
        if (i)
            su_buf_addc(out, ',');
        add_cell(out, document->cells[i], href, &budget);
    }
    su_buf_adds(out, "]},\"cells\":{");
    for (size_t i = 0; i < document->count; i++) {
        if (i)
            su_buf_addc(out, ',');
        add_state(out, document->cells[i]);
    }
    su_buf_addc(out, '}');
}

bool document_output(const struct document *document, const char *id, size_t index, struct su_buf *out)
{
    const struct document_cell *cell = document_find(document, id);
    if (!cell || index >= output_count(cell))
        return false;
    add_output(out, cell, index);
    return true;
}

/* What stands for an output that is too large to be stored. */
static json_t *left_out(size_t bytes)
{
    SU_AUTO_FREE char *text = su_format("[An output of %zu bytes is left out: the notebook would be too large.]\n", bytes);
    return json_pack("{s:s, s:s, s:s}", "output_type", "stream", "name", "stderr", "text", text);
}

static json_t *outputs_of(const struct document_cell *cell, size_t output_max)
{
    json_t *outputs = json_array();
    for (size_t i = 0; i < output_count(cell); i++) {
        json_t *output = cell->recorder ? recorder_output_value(cell->recorder, 0, i) : json_incref(json_array_get(cell->outputs, i));
        size_t bytes = output_max < SIZE_MAX ? json_dumpb(output, NULL, 0, JSON_COMPACT) : 0;
        if (bytes > output_max) {
            json_decref(output);
            output = left_out(bytes);
        }
        json_array_append_new(outputs, output);
    }
    return outputs;
}

static json_t *cell_json(const struct document_cell *cell, size_t output_max)
{
    json_t *json = json_deep_copy(cell->json);
    if (strcmp(su_json_string(json, "cell_type", ""), "code") != 0)
        return json;
    json_object_set_new(json, "outputs", outputs_of(cell, output_max));
    json_object_set_new(json, "execution_count", cell->count ? json_integer(cell->count) : json_null());
    json_t *metadata = json_object_get(json, "metadata");
    if (cell->recorder && *cell->ended_at)
        json_object_set_new(metadata, "execution", json_pack("{s:s, s:s, s:s, s:s}", "iopub.status.busy", cell->started_at,
            "iopub.execute_input", cell->started_at, "shell.execute_reply", cell->ended_at, "iopub.status.idle", cell->ended_at));
    return json;
}

json_t *document_notebook(const struct document *document, size_t output_max)
{
    json_t *cells = json_array();
    for (size_t i = 0; i < document->count; i++)
        json_array_append_new(cells, cell_json(document->cells[i], output_max));
    json_t *notebook = json_deep_copy(document->notebook);
    json_object_set_new(notebook, "cells", cells);
    return notebook;
}
