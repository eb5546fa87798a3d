/* Version 3 notebooks (IPython 1 and 2): worksheets flattened, names of today.  Layer interact; pure, any thread. */
#include <string.h>

#include "notebook.h"

static bool unlike_v3(struct su_err *err, const char *pointer, const char *what)
{
    su_fail_field(err, SU_INVALID, pointer, "not a notebook: %s: %s", pointer, what);
    return su_hint(err, "`jupyter nbconvert --to notebook --nbformat 4` converts old notebooks");
}

static void rename_key(json_t *object, const char *from, const char *to)
{
    json_t *value = json_object_get(object, from);
    if (value == NULL)
        return;
    json_object_set(object, to, value);
    json_object_del(object, from);
}

/* Data stood in the output itself under short names. */
static void gather_data(json_t *output)
{
    static const char *const names[][2] = {
        {"text", "text/plain"},       {"html", "text/html"},
        {"svg", "image/svg+xml"},     {"png", "image/png"},
        {"jpeg", "image/jpeg"},       {"latex", "text/latex"},
        {"json", "application/json"}, {"javascript", "application/javascript"},
        {"pdf", "application/pdf"},
    };
    json_t *data = json_object();
    for (size_t i = 0; i < SU_COUNT(names); i++) {
        json_t *value = json_object_get(output, names[i][0]);
        if (value) {
            json_object_set(data, names[i][1], value);
            json_object_del(output, names[i][0]);
        }
    }
    json_object_set_new(output, "data", data);
}

static void convert_output(json_t *output)
{
    const char *type = su_json_string(output, "output_type", "");
    if (strcmp(type, "stream") == 0) {
        rename_key(output, "stream", "name");
        if (!json_object_get(output, "name"))
            json_object_set_new(output, "name", json_string("stdout"));
        json_object_del(output, "metadata");
        return;
    }
    if (strcmp(type, "pyerr") == 0) {
        json_object_set_new(output, "output_type", json_string("error"));
        json_object_del(output, "metadata");
        return;
    }
    bool is_result = strcmp(type, "pyout") == 0;
    if (!is_result && strcmp(type, "display_data") != 0)
        return;
    gather_data(output);
    if (!json_object_get(output, "metadata"))
        json_object_set_new(output, "metadata", json_object());
    if (is_result) {
        json_object_set_new(output, "output_type", json_string("execute_result"));
        rename_key(output, "prompt_number", "execution_count");
        if (!json_object_get(output, "execution_count"))
            json_object_set_new(output, "execution_count", json_null());
    }
}

static void convert_code(json_t *cell)
{
    rename_key(cell, "input", "source");
    rename_key(cell, "prompt_number", "execution_count");
    if (!json_object_get(cell, "execution_count"))
        json_object_set_new(cell, "execution_count", json_null());
    if (!json_object_get(cell, "outputs"))
        json_object_set_new(cell, "outputs", json_array());
    json_t *collapsed = json_object_get(cell, "collapsed");
    if (json_is_boolean(collapsed))
        json_object_set(json_object_get(cell, "metadata"), "collapsed", collapsed);
    json_object_del(cell, "collapsed");
    json_object_del(cell, "language");
    size_t i;
    json_t *output;
    json_array_foreach(json_object_get(cell, "outputs"), i, output) {
        if (json_is_object(output))
            convert_output(output);
    }
}

/* A heading cell is a line of Markdown. */
static void convert_heading(json_t *cell)
{
    int64_t level = su_json_int(cell, "level", 1);
    json_t *source = json_object_get(cell, "source");
    struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    for (int64_t i = 0; i < level && i < 6; i++)
        su_buf_addc(&text, '#');
    su_buf_addc(&text, ' ');
    size_t i;
    json_t *line;
    json_array_foreach(source, i, line)
        su_buf_adds(&text, json_is_string(line) ? json_string_value(line) : "");
    if (json_is_string(source))
        su_buf_adds(&text, json_string_value(source));
    json_object_set_new(cell, "source", json_string(su_buf_str(&text).ptr));
    su_buf_done(&text);
    json_object_del(cell, "level");
    json_object_set_new(cell, "cell_type", json_string("markdown"));
}

static void convert_cell(json_t *cell)
{
    const char *type = su_json_string(cell, "cell_type", "");
    if (!json_is_object(json_object_get(cell, "metadata")))
        json_object_set_new(cell, "metadata", json_object());
    if (strcmp(type, "code") == 0)
        convert_code(cell);
    else if (strcmp(type, "heading") == 0)
        convert_heading(cell);
    else if (strcmp(type, "html") == 0)
        json_object_set_new(cell, "cell_type", json_string("markdown"));
}

bool notebook_upgrade_v3(json_t *notebook, struct su_err *err)
{
    json_t *sheets = json_object_get(notebook, "worksheets");
    if (!json_is_array(sheets))
        return unlike_v3(err, "/worksheets", "a version 3 notebook has a list of worksheets");
    SU_AUTO_JSON json_t *cells = json_array();
    size_t i, j;
    json_t *sheet, *cell;
    json_array_foreach(sheets, i, sheet) {
        json_array_foreach(json_object_get(sheet, "cells"), j, cell) {
            if (!json_is_object(cell))
                return unlike_v3(err, "/worksheets", "each cell must be an object");
            convert_cell(cell);
            json_array_append(cells, cell);
        }
    }
    json_object_set(notebook, "cells", cells);
    json_object_del(notebook, "worksheets");
    json_object_set_new(notebook, "nbformat", json_integer(4));
    json_object_set_new(notebook, "nbformat_minor", json_integer(4));
    json_t *metadata = json_object_get(notebook, "metadata");
    if (!json_is_object(metadata))
        json_object_set_new(notebook, "metadata", json_object());
    else
        json_object_del(metadata, "name");
    return true;
}
