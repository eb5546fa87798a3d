/* The canonical writer: byte for byte what nbformat writes.  Layer interact; pure, any thread.
 *
 * Python's json.dumps(indent=1, sort_keys=True, ensure_ascii=False) after
 * nbformat's split_lines.  Lines are split while writing, never as a list in
 * memory, so an output of 64 MiB costs a small buffer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "notebook.h"
#include "number.h"

struct writer {
    notebook_sink *sink;
    void *arg;
    struct su_err *err;
    bool is_failed;
    size_t len;
    char buffer[16384];
};

static void flush(struct writer *w)
{
    if (w->len > 0 && !w->is_failed)
        w->is_failed = !w->sink(w->arg, w->buffer, w->len, w->err);
    w->len = 0;
}

static void put(struct writer *w, const void *data, size_t len)
{
    if (len > sizeof w->buffer - w->len)
        flush(w);
    if (len > sizeof w->buffer) {
        if (!w->is_failed)
            w->is_failed = !w->sink(w->arg, data, len, w->err);
        return;
    }
    memcpy(w->buffer + w->len, data, len);
    w->len += len;
}

static void puts_(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_indent(struct writer *w, int depth)
{
    static const char spaces[] = "                                ";
    put(w, "\n", 1);
    for (; depth > 32; depth -= 32)
        put(w, spaces, 32);
    put(w, spaces, (size_t)depth);
}

static void put_escape(struct writer *w, unsigned char c)
{
    static const char named[] = "\"\\\n\r\t\f\b", letters[] = "\"\\nrtfb";
    const char *found = c ? strchr(named, c) : NULL;
    char text[8];
    int len =
        found ? snprintf(text, sizeof text, "\\%c", letters[found - named]) : snprintf(text, sizeof text, "\\u%04x", c);
    put(w, text, (size_t)len);
}

static void put_string(struct writer *w, const char *text, size_t len)
{
    size_t start = 0;
    put(w, "\"", 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        put(w, text + start, i - start);
        put_escape(w, c);
        start = i + 1;
    }
    put(w, text + start, len - start);
    put(w, "\"", 1);
}

/* Length of the line that starts at text, its end included: Python's str.splitlines(keepends=True). */
static size_t line_length(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\r')
            return i + 1 < len && text[i + 1] == '\n' ? i + 2 : i + 1;
        if (c == '\n' || c == '\v' || c == '\f' || (c >= 0x1c && c <= 0x1e))
            return i + 1;
        if (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] == 0x85)
            return i + 2;
        if (c == 0xe2 && i + 2 < len && (unsigned char)text[i + 1] == 0x80
            && ((unsigned char)text[i + 2] == 0xa8 || (unsigned char)text[i + 2] == 0xa9))
            return i + 3;
    }
    return len;
}

static void put_lines(struct writer *w, const json_t *value, int depth)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    if (len == 0) {
        puts_(w, "[]");
        return;
    }
    put(w, "[", 1);
    for (size_t at = 0; at < len && !w->is_failed;) {
        size_t line = line_length(text + at, len - at);
        if (at > 0)
            put(w, ",", 1);
        put_indent(w, depth + 1);
        put_string(w, text + at, line);
        at += line;
    }
    put_indent(w, depth);
    put(w, "]", 1);
}

static void put_value(struct writer *w, const json_t *value, int depth);

/* How the members of an object are written depends on where it stands in the
 * notebook: `member` is called for each key in sorted order. */
typedef void put_member(struct writer *w, const char *key, const json_t *value, int depth);

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_object(struct writer *w, const json_t *object, int depth, put_member *member)
{
    size_t n = json_object_size(object), at = 0;
    if (n == 0) {
        puts_(w, "{}");
        return;
    }
    SU_AUTO_FREE const char **keys = su_alloc(n * sizeof *keys);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
        keys[at++] = key;
    qsort(keys, n, sizeof *keys, compare_keys);
    put(w, "{", 1);
    for (size_t i = 0; i < n && !w->is_failed; i++) {
        if (i > 0)
            put(w, ",", 1);
        put_indent(w, depth + 1);
        put_string(w, keys[i], strlen(keys[i]));
        put(w, ": ", 2);
        member(w, keys[i], json_object_get(object, keys[i]), depth + 1);
    }
    put_indent(w, depth);
    put(w, "}", 1);
}

static void put_array(struct writer *w, const json_t *array, int depth,
                      void (*item)(struct writer *, const json_t *, int))
{
    if (json_array_size(array) == 0) {
        puts_(w, "[]");
        return;
    }
    size_t i;
    json_t *value;
    put(w, "[", 1);
    json_array_foreach(array, i, value) {
        if (i > 0)
            put(w, ",", 1);
        put_indent(w, depth + 1);
        item(w, value, depth + 1);
        if (w->is_failed)
            return;
    }
    put_indent(w, depth);
    put(w, "]", 1);
}

static void put_plain_member(struct writer *w, const char *key, const json_t *value, int depth)
{
    (void)key;
    put_value(w, value, depth);
}

static void put_number(struct writer *w, const json_t *value)
{
    char text[NUMBER_TEXT];
    if (json_is_integer(value))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    else
        number_text(json_real_value(value), text);
    puts_(w, text);
}

static void put_value(struct writer *w, const json_t *value, int depth)
{
    if (w->is_failed)
        return;
    switch (json_typeof(value)) {
    case JSON_OBJECT: put_object(w, value, depth, put_plain_member); break;
    case JSON_ARRAY: put_array(w, value, depth, put_value); break;
    case JSON_STRING: put_string(w, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER:
    case JSON_REAL: put_number(w, value); break;
    case JSON_TRUE: puts_(w, "true"); break;
    case JSON_FALSE: puts_(w, "false"); break;
    case JSON_NULL: puts_(w, "null"); break;
    }
}

/* ---- the places where text is split into lines ---- */

static void put_bundle_member(struct writer *w, const char *mime, const json_t *value, int depth)
{
    bool is_text = strncmp(mime, "text/", 5) == 0 || strcmp(mime, "application/javascript") == 0 ||
                   strcmp(mime, "image/svg+xml") == 0;
    if (is_text && json_is_string(value))
        put_lines(w, value, depth);
    else
        put_value(w, value, depth);
}

static void put_attachment(struct writer *w, const char *name, const json_t *value, int depth)
{
    (void)name;
    if (json_is_object(value))
        put_object(w, value, depth, put_bundle_member);
    else
        put_value(w, value, depth);
}

static void put_output_member(struct writer *w, const char *key, const json_t *value, int depth)
{
    if (strcmp(key, "data") == 0 && json_is_object(value))
        put_object(w, value, depth, put_bundle_member);
    else if (strcmp(key, "text") == 0 && json_is_string(value))
        put_lines(w, value, depth);
    else
        put_value(w, value, depth);
}

static void put_output(struct writer *w, const json_t *output, int depth)
{
    if (json_is_object(output))
        put_object(w, output, depth, put_output_member);
    else
        put_value(w, output, depth);
}

static void put_cell_member(struct writer *w, const char *key, const json_t *value, int depth)
{
    if (strcmp(key, "source") == 0 && json_is_string(value))
        put_lines(w, value, depth);
    else if (strcmp(key, "attachments") == 0 && json_is_object(value))
        put_object(w, value, depth, put_attachment);
    else if (strcmp(key, "outputs") == 0 && json_is_array(value))
        put_array(w, value, depth, put_output);
    else
        put_value(w, value, depth);
}

static void put_cell(struct writer *w, const json_t *cell, int depth)
{
    if (json_is_object(cell))
        put_object(w, cell, depth, put_cell_member);
    else
        put_value(w, cell, depth);
}

static void put_root_member(struct writer *w, const char *key, const json_t *value, int depth)
{
    if (strcmp(key, "cells") == 0 && json_is_array(value))
        put_array(w, value, depth, put_cell);
    else
        put_value(w, value, depth);
}

bool notebook_write(const json_t *notebook, notebook_sink *sink, void *arg, struct su_err *err)
{
    struct writer *w = su_alloc(sizeof *w);
    w->sink = sink;
    w->arg = arg;
    w->err = err;
    put_object(w, notebook, 0, put_root_member);
    put(w, "\n", 1);
    flush(w);
    bool ok = !w->is_failed;
    free(w);
    return ok;
}

static bool add_to_buffer(void *arg, const void *data, size_t len, struct su_err *err)
{
    (void)err;
    su_buf_add(arg, data, len);
    return true;
}

char *notebook_text(const json_t *notebook, size_t *ret_len)
{
    struct su_buf buffer = SU_BUF(SIZE_MAX / 4);
    struct su_err err;
    notebook_write(notebook, add_to_buffer, &buffer, &err);
    return su_buf_take(&buffer, ret_len);
}
