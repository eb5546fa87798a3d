/* Reading an executed notebook: outputs, figures.  Layer interact; pure, any thread. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "notebook.h"
#include "recorder.h"
#include "recorder_private.h"

void outputs_text(struct su_buf *out, struct su_str text)
{
    size_t start = 0;
    su_buf_addc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        su_buf_add(out, text.ptr + start, i - start);
        start = i + 1;
        if (c == '\n')
            su_buf_adds(out, "\\n");
        else if (c >= 0x20)
            su_buf_addf(out, "\\%c", c);
        else
            su_buf_addf(out, "\\u%04x", c);
    }
    su_buf_add(out, text.ptr + start, text.len - start);
    su_buf_addc(out, '"');
}

void outputs_json(struct su_buf *out, const json_t *value)
{
    SU_AUTO_FREE char *text = su_json_text(value);
    su_buf_adds(out, text);
}

static void add_time(struct su_buf *out, const char *key, const char *text)
{
    su_buf_addf(out, ",\"%s\":", key);
    if (text && text[0])
        outputs_text(out, su_str_of(text));
    else
        su_buf_adds(out, "null");
}

void outputs_cell_begin(struct su_buf *out, const struct outputs_cell *cell)
{
    su_buf_adds(out, "{\"id\":");
    outputs_text(out, su_str_of(cell->id));
    su_buf_addf(out, ",\"index\":%d,\"status\":\"%s\",\"execution_count\":", cell->index, cell->status);
    if (cell->count > 0)
        su_buf_addf(out, "%lld", (long long)cell->count);
    else
        su_buf_adds(out, "null");
    add_time(out, "started_at", cell->started_at);
    add_time(out, "ended_at", cell->ended_at);
    su_buf_adds(out, ",\"outputs\":[");
}

double outputs_seconds_between(const char *from, const char *to)
{
    int64_t a, b;
    if (!su_time_parse(su_str_of(from), &a) || !su_time_parse(su_str_of(to), &b))
        return 0;
    return (double)(b - a) / 1000.0;
}

static const char *status_of(const json_t *papermill)
{
    const char *status = su_json_string(papermill, "status", "pending");
    return strcmp(status, "completed") == 0 ? "ok" : strcmp(status, "failed") == 0 ? "error" : status;
}

static void write_recorded_cell(struct su_buf *out, const json_t *cell, int index)
{
    const json_t *papermill = json_object_get(json_object_get(cell, "metadata"), "papermill");
    struct outputs_cell head = {su_json_string(cell, "id", ""),
                                index,
                                status_of(papermill),
                                su_json_int(cell, "execution_count", 0),
                                su_json_string(papermill, "start_time", NULL),
                                su_json_string(papermill, "end_time", NULL)};
    outputs_cell_begin(out, &head);
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(cell, "outputs"), i, output) {
        if (i > 0)
            su_buf_addc(out, ',');
        outputs_json(out, output);
    }
    su_buf_adds(out, "]}");
}

void recorded_outputs(const json_t *notebook, struct su_buf *out)
{
    bool is_first = true;
    size_t i;
    json_t *cell;
    su_buf_adds(out, "{\"cells\":[");
    json_array_foreach(json_object_get(notebook, "cells"), i, cell) {
        bool has_begun = json_is_string(
            json_object_get(json_object_get(json_object_get(cell, "metadata"), "papermill"), "start_time"));
        if (!notebook_cell_is_code(cell) || (!has_begun && json_array_size(json_object_get(cell, "outputs")) == 0))
            continue;
        if (!is_first)
            su_buf_addc(out, ',');
        is_first = false;
        write_recorded_cell(out, cell, (int)i);
    }
    su_buf_adds(out, "]}");
}

/* ---- events ---- */

static void give(recorded_event_fn *each, void *arg, int64_t seq, const char *name, json_t *data)
{
    SU_AUTO_JSON json_t *owned = data;
    each(arg, seq, name, owned);
}

static json_t *clear_of(const char *id)
{
    return json_pack("{s:s, s:s, s:{s:b}}", "cell", id, "type", "clear_output", "content", "wait", 0);
}

static void cell_events(const json_t *cell, int index, bool was_begun, int64_t last, recorded_event_fn *each, void *arg)
{
    const char *id = su_json_string(cell, "id", "");
    const json_t *papermill = json_object_get(json_object_get(cell, "metadata"), "papermill");
    const char *started = su_json_string(papermill, "start_time", ""),
               *ended = su_json_string(papermill, "end_time", "");
    give(each, arg, 0, "cell_start", json_pack("{s:s, s:i, s:s}", "cell", id, "index", index, "started_at", started));
    if (was_begun)
        give(each, arg, 0, "output", clear_of(id));
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(cell, "outputs"), i, output) give(
        each, arg, 0, "output",
        json_pack("{s:s, s:O?, s:O}", "cell", id, "type", json_object_get(output, "output_type"), "content", output));
    give(each, arg, last, "cell_end",
         json_pack("{s:s, s:i, s:s, s:I, s:s, s:s}", "cell", id, "index", index, "status", status_of(papermill),
                   "execution_count", (json_int_t)su_json_int(cell, "execution_count", 0), "started_at", started,
                   "ended_at", ended));
}

void recorded_events(const json_t *notebook, int64_t after, recorded_event_fn *each, void *arg)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell) {
        const json_t *numbers =
            json_object_get(json_object_get(json_object_get(cell, "metadata"), "suricate"), "events");
        int64_t first = json_integer_value(json_array_get(numbers, 0)),
                last = json_integer_value(json_array_get(numbers, 1));
        if (last > after)
            cell_events(cell, (int)i, first <= after, last, each, arg);
    }
}

/* ---- figures ---- */

static bool each_figure(const json_t *data, const char *cell, int number, recorded_figure_fn *each, void *arg,
                        struct su_err *err)
{
    static const struct { const char *type, *suffix; } kinds[] = {{"image/png", "png"}, {"image/svg+xml", "svg"}};
    for (size_t i = 0; i < SU_COUNT(kinds); i++) {
        const json_t *value = json_object_get(data, kinds[i].type);
        if (!json_is_string(value))
            continue;
        struct recorded_figure figure = {
            .type = kinds[i].type, .cell = cell, .data = {json_string_value(value), json_string_length(value)}};
        snprintf(figure.name, sizeof figure.name, "figure-%d.%s", number, kinds[i].suffix);
        if (!each(arg, &figure, err))
            return false;
    }
    return true;
}

bool recorded_figures(const json_t *notebook, recorded_figure_fn *each, void *arg, struct su_err *err)
{
    int number = 0;
    size_t i, j;
    json_t *cell, *output;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell) {
        json_array_foreach(json_object_get(cell, "outputs"), j, output) {
            const json_t *data = json_object_get(output, "data");
            bool has_figure = json_is_string(json_object_get(data, "image/png")) ||
                              json_is_string(json_object_get(data, "image/svg+xml"));
            if (!has_figure || number == RECORDER_FIGURES_MAX)
                continue;
            if (!each_figure(data, su_json_string(cell, "id", ""), ++number, each, arg, err))
                return false;
        }
    }
    return true;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool recorded_base64(struct su_str text, char **ret_data, size_t *ret_len)
{
    SU_AUTO_FREE char *data = su_alloc(text.len / 4 * 3 + 4);
    size_t len = 0, digits = 0, padding = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '\n' || c == '\r' || c == ' ')
            continue;
        if (c == '=') {
            padding++;
            continue;
        }
        int value = base64_value(c);
        if (value < 0 || padding)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (++digits % 4 == 0)
            for (int shift = 16; shift >= 0; shift -= 8)
                data[len++] = (char)(bits >> shift & 0xff);
    }
    size_t rest = digits % 4;
    if (rest == 1 || padding > 2)
        return false;
    if (rest > 1)
        data[len++] = (char)(bits >> (rest == 2 ? 4 : 10) & 0xff);
    if (rest > 2)
        data[len++] = (char)(bits >> 2 & 0xff);
    *ret_data = su_take(data);
    *ret_len = len;
    return true;
}
