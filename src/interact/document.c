/* An open notebook as a value: see document.h.  Layer interact; pure.
 *
 * A cell that a kernel writes to has a recorder of its own, which holds one execution's outputs; other outputs are JSON, as
 * they were read. */
#include "document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document_private.h"
#include "notebook.h"

static const char *const state_names[] = {"idle", "queued", "running"};

/* ---- life ---- */

static const char *type_of(const struct document_cell *cell) { return su_json_string(cell->json, "cell_type", "raw"); }
static bool is_code(const struct document_cell *cell) { return strcmp(type_of(cell), "code") == 0; }

static void cell_free(struct document_cell *cell)
{
    json_decref(cell->json);
    json_decref(cell->outputs);
    recorder_free(cell->recorder);
    free(cell->status);
    free(cell);
}

static bool has_error(const json_t *outputs)
{
    size_t i;
    const json_t *output;
    json_array_foreach((json_t *)(uintptr_t)outputs, i, output)
        if (strcmp(su_json_string(output, "output_type", ""), "error") == 0)
            return true;
    return false;
}

/* Takes the cell apart: outputs and count are kept beside its JSON. */
static struct document_cell *cell_new(const json_t *from)
{
    struct document_cell *cell = su_alloc(sizeof *cell);
    cell->json = json_copy((json_t *)(uintptr_t)from);
    cell->id = su_json_string(cell->json, "id", "");
    json_t *outputs = json_object_get(from, "outputs");
    cell->outputs = json_is_array(outputs) ? json_incref(outputs) : json_array();
    cell->count = su_json_int(from, "execution_count", 0);
    json_object_del(cell->json, "outputs");
    json_object_del(cell->json, "execution_count");
    const json_t *times = json_object_get(json_object_get(from, "metadata"), "execution");
    snprintf(cell->started_at, sizeof cell->started_at, "%s", su_json_string(times, "iopub.execute_input", ""));
    snprintf(cell->ended_at, sizeof cell->ended_at, "%s", su_json_string(times, "shell.execute_reply", ""));
    if (*cell->ended_at)
        cell->status = su_strdup(has_error(cell->outputs) ? "error" : "ok");
    return cell;
}

static void insert_at(struct document *document, size_t at, struct document_cell *cell)
{
    if (document->count == document->capacity) {
        document->capacity = document->capacity ? document->capacity * 2 : 64;
        document->cells = su_realloc(document->cells, document->capacity * sizeof(struct document_cell *));
    }
    memmove(&document->cells[at + 1], &document->cells[at], (document->count - at) * sizeof(struct document_cell *));
    document->cells[at] = cell;
    document->count++;
}

static struct document_cell *remove_at(struct document *document, size_t at)
{
    struct document_cell *cell = document->cells[at];
    document->count--;
    memmove(&document->cells[at], &document->cells[at + 1], (document->count - at) * sizeof(struct document_cell *));
    return cell;
}

struct document *document_new(json_t *notebook)
{
    struct document *document = su_alloc(sizeof *document);
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell)
        insert_at(document, document->count, cell_new(cell));
    document->notebook = json_copy(notebook);
    json_object_del(document->notebook, "cells");
    json_decref(notebook);
    return document;
}

void document_free(struct document *document)
{
    if (!document)
        return;
    for (size_t i = 0; i < document->count; i++)
        cell_free(document->cells[i]);
    free(document->cells);
    json_decref(document->notebook);
    free(document);
}

int64_t document_revision(const struct document *document) { return document->revision; }
size_t document_cell_count(const struct document *document) { return document->count; }

/* The place of a cell, or the count when there is none. */
static size_t place_of(const struct document *document, const char *id)
{
    size_t at = 0;
    while (at < document->count && strcmp(document->cells[at]->id, id) != 0)
        at++;
    return at;
}

struct document_cell *document_find(const struct document *document, const char *id)
{
    size_t at = id ? place_of(document, id) : document->count;
    return at < document->count ? document->cells[at] : NULL;
}

int64_t document_cell_revision(const struct document *document, const char *id)
{
    const struct document_cell *cell = document_find(document, id);
    return cell ? cell->revision : -1;
}

json_t *document_revisions(const struct document *document)
{
    json_t *revisions = json_object();
    for (size_t i = 0; i < document->count; i++)
        if (document->cells[i]->revision)
            json_object_set_new(revisions, document->cells[i]->id, json_integer(document->cells[i]->revision));
    return revisions;
}

void document_set_revisions(struct document *document, const json_t *revisions)
{
    for (size_t i = 0; i < document->count; i++)
        document->cells[i]->revision = su_json_int(revisions, document->cells[i]->id, document->cells[i]->revision);
}

/* ---- edits ---- */

/* Nothing put out counts any more. */
static void forget_bytes(struct document *document, struct document_cell *cell)
{
    document->bytes -= cell->bytes;
    cell->bytes = 0;
    cell->is_cut = false;
}

static void drop_outputs(struct document *document, struct document_cell *cell)
{
    forget_bytes(document, cell);
    recorder_free(su_take(cell->recorder));
    json_decref(cell->outputs);
    cell->outputs = json_array();
    cell->count = 0;
    free(su_take(cell->status));
}

static json_t *conflict_of(const struct document_cell *cell, const char *reason)
{
    return json_pack("{s:s, s:I, s:O, s:s}", "cell", cell->id, "revision", (json_int_t)cell->revision, "source",
                     json_object_get(cell->json, "source"), "reason", reason);
}

static bool is_stale(const struct document_cell *cell, const json_t *edit, bool is_forced)
{
    return !is_forced && su_json_int(edit, "revision", -1) != cell->revision;
}

/* A journal that is read again says which revision the edit made: clients have it still. */
static enum document_verdict applied(struct document *document, struct document_cell *cell, const json_t *edit, bool is_forced, json_t **ret)
{
    document->revision++;
    *ret = json_copy((json_t *)(uintptr_t)edit);
    if (cell) {
        cell->revision = is_forced ? su_json_int(edit, "revision", cell->revision + 1) : cell->revision + 1;
        json_object_set_new(*ret, "revision", json_integer(cell->revision));
    }
    return DOCUMENT_APPLIED;
}

static enum document_verdict refused(struct su_err *err, const char *field, const char *message)
{
    su_fail_field(err, SU_INVALID, field, "%s", message);
    return DOCUMENT_REFUSED;
}

/* The cell that an edit names; NULL: refused. */
static struct document_cell *named(struct document *document, const json_t *edit, struct su_err *err)
{
    const char *id = su_json_string(edit, "cell", NULL);
    struct document_cell *cell = document_find(document, id);
    if (!cell)
        su_fail_field(err, SU_INVALID, "/edits/cell", "there is no cell \"%.64s\" (any more)", id ? id : "");
    return cell;
}

static enum document_verdict edit_source(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    const json_t *source = json_object_get(edit, "source");
    struct document_cell *cell = document_find(document, su_json_string(edit, "cell", NULL));
    if (!json_is_string(source) || json_string_length(source) > DOCUMENT_SOURCE_MAX)
        return refused(err, "/edits/source", "source: must be a text of at most 4 MiB");
    if (!cell) { /* deleted by somebody else: the text is told back, so that nobody loses it */
        *ret = json_pack("{s:s, s:i, s:n, s:s}", "cell", su_json_string(edit, "cell", ""), "revision", -1, "source", "reason", "deleted");
        return DOCUMENT_CONFLICT;
    }
    if (json_equal(source, json_object_get(cell->json, "source")))
        return DOCUMENT_UNCHANGED;
    if (is_stale(cell, edit, is_forced)) {
        *ret = conflict_of(cell, "changed");
        return DOCUMENT_CONFLICT;
    }
    json_object_set(cell->json, "source", (json_t *)(uintptr_t)source);
    return applied(document, cell, edit, is_forced, ret);
}

/* Where a cell goes that is to stand after another: the end when that one is gone. */
static size_t place_after(const struct document *document, const json_t *edit)
{
    const char *after = su_json_string(edit, "after", NULL);
    if (!after)
        return 0;
    size_t at = place_of(document, after);
    return at < document->count ? at + 1 : document->count;
}

static bool cell_is_good(const json_t *cell, struct su_err *err)
{
    SU_AUTO_JSON json_t *alone = json_pack("{s:i, s:i, s:{}, s:[O]}", "nbformat", 4, "nbformat_minor", NOTEBOOK_MINOR, "metadata",
                                           "cells", (json_t *)(uintptr_t)cell);
    const char *id = su_json_string(cell, "id", "");
    if (!alone || !*id || strlen(id) > NOTEBOOK_CELL_ID_MAX)
        return su_fail_field(err, SU_INVALID, "/edits/cell", "cell: must be a cell with an id of 1 to %d characters", NOTEBOOK_CELL_ID_MAX);
    return notebook_check(alone, err);
}

static enum document_verdict edit_insert(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *cell = json_is_object(json_object_get(edit, "cell")) ? json_copy(json_object_get(edit, "cell")) : NULL;
    if (!cell)
        return refused(err, "/edits/cell", "cell: must be an nbformat cell");
    if (!json_object_get(cell, "metadata"))
        json_object_set_new(cell, "metadata", json_object());
    if (notebook_cell_is_code(cell) && !json_object_get(cell, "outputs")) {
        json_object_set_new(cell, "outputs", json_array());
        json_object_set_new(cell, "execution_count", json_null());
    }
    if (!cell_is_good(cell, err))
        return DOCUMENT_REFUSED;
    if (document_find(document, su_json_string(cell, "id", "")))
        return DOCUMENT_UNCHANGED;
    if (document->count >= NOTEBOOK_CELLS_MAX)
        return refused(err, "/edits/cell", "a notebook has at most 20000 cells");
    struct document_cell *made = cell_new(cell);
    insert_at(document, place_after(document, edit), made);
    return applied(document, made, edit, is_forced, ret);
}

static enum document_verdict edit_delete(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    struct document_cell *cell = document_find(document, su_json_string(edit, "cell", NULL));
    if (!cell)
        return DOCUMENT_UNCHANGED;
    if (is_stale(cell, edit, is_forced)) {
        *ret = conflict_of(cell, "changed");
        return DOCUMENT_CONFLICT;
    }
    enum document_verdict verdict = applied(document, cell, edit, is_forced, ret);
    forget_bytes(document, cell);
    cell_free(remove_at(document, place_of(document, cell->id)));
    return verdict;
}

static enum document_verdict edit_move(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    struct document_cell *cell = named(document, edit, err);
    if (!cell)
        return DOCUMENT_REFUSED;
    if (strcmp(su_json_string(edit, "after", ""), cell->id) == 0)
        return DOCUMENT_UNCHANGED;
    remove_at(document, place_of(document, cell->id));
    insert_at(document, place_after(document, edit), cell);
    return applied(document, cell, edit, is_forced, ret);
}

static enum document_verdict edit_type(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    const char *type = su_json_string(edit, "cell_type", "");
    struct document_cell *cell = named(document, edit, err);
    if (!cell)
        return DOCUMENT_REFUSED;
    if (strcmp(type, "code") != 0 && strcmp(type, "markdown") != 0 && strcmp(type, "raw") != 0)
        return refused(err, "/edits/cell_type", "cell_type: must be code, markdown or raw");
    if (strcmp(type, type_of(cell)) == 0)
        return DOCUMENT_UNCHANGED;
    json_object_set_new(cell->json, "cell_type", json_string(type));
    drop_outputs(document, cell);
    return applied(document, cell, edit, is_forced, ret);
}

static enum document_verdict edit_metadata(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    json_t *metadata = json_object_get(edit, "metadata");
    bool is_ours = json_is_null(json_object_get(edit, "cell"));
    struct document_cell *cell = is_ours ? NULL : named(document, edit, err);
    if (!is_ours && !cell)
        return DOCUMENT_REFUSED;
    if (!json_is_object(metadata))
        return refused(err, "/edits/metadata", "metadata: must be an object");
    json_object_set(is_ours ? document->notebook : cell->json, "metadata", metadata);
    return applied(document, cell, edit, is_forced, ret);
}

static enum document_verdict edit_clear(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    bool is_ours = json_is_null(json_object_get(edit, "cell"));
    struct document_cell *cell = is_ours ? NULL : named(document, edit, err);
    if (!is_ours && !cell)
        return DOCUMENT_REFUSED;
    for (size_t i = 0; i < document->count; i++)
        if ((is_ours || document->cells[i] == cell) && document->cells[i]->state == CELL_IDLE)
            drop_outputs(document, document->cells[i]);
    return applied(document, cell, edit, is_forced, ret);
}

enum document_verdict document_edit(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err)
{
    static const struct {
        const char *op;
        enum document_verdict (*apply)(struct document *document, const json_t *edit, bool is_forced, json_t **ret, struct su_err *err);
    } table[] = {
        {"source", edit_source}, {"insert", edit_insert}, {"delete", edit_delete}, {"move", edit_move},
        {"type", edit_type}, {"metadata", edit_metadata}, {"clear", edit_clear}};
    const char *op = su_json_string(edit, "op", "");
    *ret = NULL;
    for (size_t i = 0; i < SU_COUNT(table); i++)
        if (strcmp(table[i].op, op) == 0)
            return table[i].apply(document, edit, is_forced, ret, err);
    return refused(err, "/edits/op", "op: must be source, insert, delete, move, type, metadata or clear");
}

/* ---- running ---- */

bool document_allows_error(const struct document *document, const char *id)
{
    const struct document_cell *cell = document_find(document, id);
    return cell && notebook_cell_has_tag(cell->json, "raises-exception");
}

bool document_queue(struct document *document, const char *id, const char *execution, const json_t **ret_code)
{
    struct document_cell *cell = document_find(document, id);
    const json_t *source = cell ? json_object_get(cell->json, "source") : NULL;
    if (!cell || !is_code(cell) || !source || su_str_trim((struct su_str){json_string_value(source), json_string_length(source)}).len == 0)
        return false;
    drop_outputs(document, cell);
    cell->state = CELL_QUEUED;
    *cell->started_at = *cell->ended_at = '\0';
    snprintf(cell->execution, sizeof cell->execution, "%s", execution);
    *ret_code = source;
    return true;
}

static json_t *state_delta(const struct document_cell *cell)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "type", "cell", "cell", cell->id, "state", state_names[cell->state], "status",
                     su_json_text_or_null(cell->status), "execution_count", cell->count ? json_integer(cell->count) : json_null(),
                     "started_at", su_json_text_or_null(*cell->started_at ? cell->started_at : NULL), "ended_at",
                     su_json_text_or_null(*cell->ended_at ? cell->ended_at : NULL));
}

static void set_status(struct document_cell *cell, enum document_state state, const char *status)
{
    cell->state = state;
    free(cell->status);
    cell->status = status ? su_strdup(status) : NULL;
}

json_t *document_abort(struct document *document, bool is_all)
{
    json_t *deltas = json_array();
    for (size_t i = 0; i < document->count; i++) {
        struct document_cell *cell = document->cells[i];
        if (cell->state != CELL_QUEUED && !(is_all && cell->state == CELL_RUNNING))
            continue;
        set_status(cell, CELL_IDLE, "aborted");
        json_array_append_new(deltas, state_delta(cell));
    }
    return deltas;
}

size_t document_busy(const struct document *document)
{
    size_t busy = 0;
    for (size_t i = 0; i < document->count; i++)
        busy += document->cells[i]->state != CELL_IDLE;
    return busy;
}

/* "<cell>#<number>": the cell, when it is there and this is its newest execution (or one that a restart does not know). */
static struct document_cell *cell_of(const struct document *document, const char *execution)
{
    const char *end = strrchr(execution, '#');
    char id[NOTEBOOK_CELL_ID_MAX + 1];
    if (!end || (size_t)(end - execution) >= sizeof id)
        return NULL;
    snprintf(id, sizeof id, "%.*s", (int)(end - execution), execution);
    return document_find(document, id);
}

/* A recorder for one execution: a notebook of that cell alone. */
static void begin(struct document *document, struct document_cell *cell, const char *execution, const json_t *event)
{
    json_t *alone = json_pack("{s:s, s:s, s:{}, s:O}", "id", execution, "cell_type", "code", "metadata", "source", json_object_get(cell->json, "source"));
    drop_outputs(document, cell);
    snprintf(cell->execution, sizeof cell->execution, "%s", execution);
    cell->recorder = recorder_new(json_pack("{s:[o]}", "cells", alone));
    cell->first_seq = su_json_int(event, "seq", 0);
    set_status(cell, CELL_RUNNING, NULL);
    snprintf(cell->started_at, sizeof cell->started_at, "%s", su_json_string(event, "at", ""));
    *cell->ended_at = '\0';
}

static void end(struct document_cell *cell, const json_t *event)
{
    set_status(cell, CELL_IDLE, su_json_string(event, "status", "ok"));
    cell->count = su_json_int(event, "execution_count", cell->count);
    snprintf(cell->started_at, sizeof cell->started_at, "%s", su_json_string(event, "started_at", cell->started_at));
    snprintf(cell->ended_at, sizeof cell->ended_at, "%s", su_json_string(event, "ended_at", ""));
}

/* An update concerns every cell that shows that display; the first of them, NULL: none. */
static struct document_cell *update_displays(struct document *document, const json_t *event)
{
    const char *display = su_json_string(json_object_get(json_object_get(event, "content"), "transient"), "display_id", NULL);
    struct document_cell *first = NULL;
    for (size_t i = 0; i < document->count; i++) {
        struct document_cell *cell = document->cells[i];
        if (!cell->recorder || !recorder_shows(cell->recorder, display))
            continue;
        SU_AUTO_JSON json_t *mine = json_copy((json_t *)(uintptr_t)event);
        json_object_set_new(mine, "cell", json_string(cell->execution));
        recorder_add(cell->recorder, mine);
        first = first ? first : cell;
    }
    return first;
}

static json_t *output_delta(const struct document_cell *cell, const char *type, json_t *content)
{
    return json_pack("{s:s, s:s, s:{s:s, s:o}}", "type", "output", "cell", cell->id, "message", "type", type, "content", content);
}

/* In its place, once: that there was more. */
static json_t *cut(struct document_cell *cell)
{
    if (cell->is_cut)
        return NULL;
    cell->is_cut = true;
    json_t *content = json_pack("{s:s, s:s}", "name", "stderr", "text",
                                "\n[The rest of the output is left out: there is more of it than a notebook can hold.]\n");
    SU_AUTO_JSON json_t *event = json_pack("{s:s, s:s, s:s, s:O}", "event", "message", "cell", cell->execution, "type", "stream", "content", content);
    recorder_add(cell->recorder, event);
    return output_delta(cell, "stream", content);
}

/* Bytes of what a message puts out, about as JSON. */
static size_t size_of(const char *type, const json_t *content)
{
    if (strcmp(type, "stream") == 0)
        return json_string_length(json_object_get(content, "text"));
    return json_dumpb(content, NULL, 0, JSON_COMPACT);
}

static json_t *update(struct document *document, const char *href, struct document_cell *cell, const json_t *event)
{
    json_t *content = json_object_get(event, "content");
    const struct document_cell *first = update_displays(document, event);
    if (first && size_of("update_display_data", content) > DOCUMENT_OUTPUT_INLINE_MAX)
        return document_outputs_delta(document, href, first->id);
    return output_delta(cell, "update_display_data", json_incref(content));
}

/* Something more to show, told by reference when it is large. */
static json_t *put_out(struct document *document, const char *href, struct document_cell *cell, const char *type, const json_t *event)
{
    json_t *content = json_object_get(event, "content");
    size_t size = size_of(type, content);
    if (cell->is_cut || size > DOCUMENT_CELL_OUTPUT_MAX - cell->bytes || size > DOCUMENT_OUTPUTS_MAX - document->bytes)
        return cut(cell);
    cell->bytes += size;
    document->bytes += size;
    recorder_add(cell->recorder, event);
    size_t count = recorder_output_count(cell->recorder, 0);
    if (size <= DOCUMENT_OUTPUT_INLINE_MAX || strcmp(type, "stream") == 0 || count == 0)
        return output_delta(cell, type, json_incref(content));
    SU_AUTO_FREE char *place = su_format("%s/outputs/%s/%zu", href, cell->id, count - 1);
    return output_delta(cell, type, json_pack("{s:I, s:s}", "too_large", (json_int_t)size, "href", place));
}

static json_t *message(struct document *document, const char *href, struct document_cell *cell, const json_t *event)
{
    const char *type = su_json_string(event, "type", "");
    json_t *content = json_object_get(event, "content");
    if (!json_is_object(content))
        return NULL;
    if (strcmp(type, "update_display_data") == 0)
        return update(document, href, cell, event);
    if (strcmp(type, "clear_output") != 0)
        return put_out(document, href, cell, type, event);
    forget_bytes(document, cell);
    recorder_add(cell->recorder, event);
    return output_delta(cell, type, json_incref(content));
}

json_t *document_event(struct document *document, const char *href, const json_t *event)
{
    const char *name = su_json_string(event, "event", "");
    const char *execution = su_json_string(event, "cell", "");
    struct document_cell *cell = cell_of(document, execution);
    if (!cell)
        return NULL;
    if (strcmp(name, "cell_start") == 0) {
        begin(document, cell, execution, event);
        recorder_add(cell->recorder, event);
        return state_delta(cell);
    }
    if (!cell->recorder || strcmp(cell->execution, execution) != 0)
        return NULL; /* output of an execution before this one */
    if (strcmp(name, "message") == 0)
        return message(document, href, cell, event);
    if (strcmp(name, "cell_end") != 0)
        return NULL;
    recorder_add(cell->recorder, event);
    end(cell, event);
    return state_delta(cell);
}

json_t *document_cell_delta(const struct document *document, const char *id)
{
    const struct document_cell *cell = document_find(document, id);
    return cell ? state_delta(cell) : NULL;
}

int64_t document_resume_seq(const struct document *document, int64_t next_seq)
{
    int64_t first = next_seq;
    for (size_t i = 0; i < document->count; i++)
        if (document->cells[i]->state == CELL_RUNNING && document->cells[i]->first_seq < first)
            first = document->cells[i]->first_seq;
    return first;
}
