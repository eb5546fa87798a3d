/* Records of a file or a pipe: see records.h.  Layer cli; main thread. */
#include "cli/records.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/csv.h"
#include "aggregate/value.h"
#include "base/json.h"

enum { READ_BYTES = 256 << 10, ROWS = 256, SNIFF_BYTES = 64 << 10 };

struct records {
    enum records_format format;
    int fd;
    const char *name;
    struct su_buf input;        /* read and not yet consumed, with CSV_PADDING behind it */
    size_t searched;            /* of input: known to hold no line end */
    uint64_t bytes, count;
    struct su_buf text;         /* the record under construction */
    /* CSV */
    struct csv_dialect dialect;
    struct csv_cell *cells;
    size_t columns;
    char **names;               /* with quotes and colon, as they stand in an object; NULL: no header yet */
};

static const struct { const char *name, *batch_type; } formats[RECORDS_FORMAT_COUNT] = {
    [RECORDS_NDJSON] = {"ndjson", "application/x-ndjson"},
    [RECORDS_CSV] = {"csv", "application/x-ndjson"},
    [RECORDS_JSON] = {"json", "application/x-ndjson"},
    [RECORDS_TEXT] = {"text", "text/plain"},
};

bool records_format_of(const char *name, enum records_format *ret, struct su_err *err)
{
    for (size_t i = 0; i < RECORDS_FORMAT_COUNT; i++)
        if (strcmp(name, formats[i].name) == 0) {
            *ret = (enum records_format)i;
            return true;
        }
    return su_fail(err, SU_INVALID, "--format must be ndjson, csv, json or text, was \"%s\"", name);
}

enum records_format records_format_guess(const char *file, const char *type)
{
    static const struct { const char *ending, *type; enum records_format format; } rows[] = {
        {".csv", "text/csv", RECORDS_CSV},          {".tsv", "text/tab-separated-values", RECORDS_CSV},
        {".json", "application/json", RECORDS_JSON}, {".ndjson", "application/x-ndjson", RECORDS_NDJSON},
        {".jsonl", NULL, RECORDS_NDJSON},           {".txt", "text/plain", RECORDS_TEXT},
        {".log", NULL, RECORDS_TEXT},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        if (su_str_ends(su_str_of(file), su_str_of(rows[i].ending)))
            return rows[i].format;
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        if (type && rows[i].type && strncmp(type, rows[i].type, strlen(rows[i].type)) == 0)
            return rows[i].format;
    return RECORDS_NDJSON;
}

const char *records_batch_type(enum records_format format) { return formats[format].batch_type; }

struct records *records_new(enum records_format format, int fd, const char *name)
{
    struct records *records = su_alloc(sizeof *records);
    size_t max = format == RECORDS_JSON ? RECORDS_JSON_MAX : RECORDS_LINE_MAX;
    *records = (struct records){.format = format, .fd = fd, .name = name, .input = SU_BUF(max + READ_BYTES + CSV_PADDING),
                                .text = SU_BUF(2 * (size_t)RECORDS_JSON_MAX)};
    return records;
}

void records_free(struct records *records)
{
    if (!records)
        return;
    for (size_t i = 0; records->names && i < records->columns; i++)
        free(records->names[i]);
    free(records->names);
    free(records->cells);
    su_buf_done(&records->input);
    su_buf_done(&records->text);
    free(records);
}

uint64_t records_bytes(const struct records *records) { return records->bytes; }

/* ------------------------------------------------------------------- lines */

static void consume(struct records *records, size_t len)
{
    struct su_buf *input = &records->input;
    if (!len)
        return;
    memmove(input->ptr, input->ptr + len, input->len - len);
    input->len -= len;
}

static bool is_blank(struct su_str line) { return su_str_trim(line).len == 0; }

static bool take_line(struct records *records, struct su_str line, records_fn *fn, void *arg, struct su_err *err)
{
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    records->count++;
    return is_blank(line) || fn(arg, line, records->count, err);
}

static bool take_lines(struct records *records, bool is_end, records_fn *fn, void *arg, struct su_err *err)
{
    struct su_buf *input = &records->input;
    size_t at = 0;
    for (;;) {
        size_t from = at > records->searched ? at : records->searched;
        const char *end = from < input->len ? memchr(input->ptr + from, '\n', input->len - from) : NULL;
        if (!end)
            break;
        size_t stop = (size_t)(end - input->ptr);
        if (!take_line(records, (struct su_str){input->ptr + at, stop - at}, fn, arg, err))
            return false;
        at = stop + 1;
    }
    if (is_end && at < input->len) {
        if (!take_line(records, (struct su_str){input->ptr + at, input->len - at}, fn, arg, err))
            return false;
        at = input->len;
    }
    consume(records, at);
    records->searched = input->len;
    return true;
}

/* --------------------------------------------------------------------- CSV */

static void add_json_text(struct su_buf *to, const char *text, size_t len)
{
    su_buf_addc(to, '"');
    size_t from = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        su_buf_add(to, text + from, i - from);
        su_buf_addf(to, c < 0x20 ? "\\u%04x" : "\\%c", c);
        from = i + 1;
    }
    su_buf_add(to, text + from, len - from);
    su_buf_addc(to, '"');
}

/* A decimal fraction's own digits are kept when JSON writes it so. */
static bool is_json_fraction(struct su_str text)
{
    size_t at = 0, digits = 0;
    const char *t = text.ptr;
    at += at < text.len && t[at] == '-';
    if (at + 1 < text.len && t[at] == '0' && t[at + 1] >= '0' && t[at + 1] <= '9')
        return false;
    for (; at < text.len && t[at] >= '0' && t[at] <= '9'; at++)
        digits++;
    if (!digits || at == text.len || t[at] != '.')
        return false;   /* whole, but too large for an integer: a number with an exponent */
    size_t point = ++at;
    for (; at < text.len && t[at] >= '0' && t[at] <= '9'; at++)
        ;
    return at > point && at == text.len;
}

static void add_cell(struct su_buf *to, const char *text, size_t len)
{
    struct value value = value_of(text, len);
    switch (value.class) {
    case VALUE_NULL:
        su_buf_adds(to, "null");
        return;
    case VALUE_INTEGER:
        su_buf_addf(to, "%lld", (long long)value.integer);
        return;
    case VALUE_NUMBER: {
        struct su_str trimmed = su_str_trim((struct su_str){text, len});
        if (is_json_fraction(trimmed))
            su_buf_add(to, trimmed.ptr, trimmed.len);
        else
            su_buf_addf(to, "%.17g", value.number);
        return;
    }
    case VALUE_BOOLEAN:
        su_buf_adds(to, value.integer ? "true" : "false");
        return;
    case VALUE_INFINITE:
    case VALUE_DATETIME:
    case VALUE_TEXT:
    case VALUE_CLASS_COUNT:
        add_json_text(to, text, len);
        return;
    }
}

/* Columns without a name are named as pandas names them; a name that comes again gets a number. */
static char *column_name(const struct records *records, struct su_str text, size_t column)
{
    SU_AUTO_BUF struct su_buf name = SU_BUF(RECORDS_LINE_MAX);
    SU_AUTO_FREE char *plain = text.len ? su_strndup(text.ptr, text.len) : su_format("Unnamed: %zu", column);
    for (unsigned again = 0;; again++) {
        su_buf_clear(&name);
        SU_AUTO_FREE char *numbered = again ? su_format("%s.%u", plain, again) : su_strdup(plain);
        add_json_text(&name, numbered, strlen(numbered));
        su_buf_addc(&name, ':');
        size_t i = 0;
        while (i < column && strcmp(records->names[i], su_buf_str(&name).ptr) != 0)
            i++;
        if (i == column)
            return su_buf_take(&name, NULL);
    }
}

/* Fields of the first record; 0 when there is none. */
static size_t header_width(const struct records *records, bool is_end)
{
    const struct su_buf *input = &records->input;
    struct csv_cell cell;
    uint32_t width = 0;
    struct csv_rows rows = {.cells = &cell, .widths = &width, .columns = 1, .rows_max = 1};
    SU_AUTO_FREE char *copy = su_alloc(input->len + CSV_PADDING);   /* reading takes quotes out in place */
    if (input->len)
        memcpy(copy, input->ptr, input->len);
    csv_read(&records->dialect, copy, input->len, is_end, &rows);
    return rows.rows ? width : 0;
}

/* The header, once it has come as a whole. */
static bool take_header(struct records *records, bool is_end, struct su_err *err)
{
    struct su_buf *input = &records->input;
    bool is_even, has_line = input->len && memchr(input->ptr, '\n', input->len);
    size_t usual, len = input->len < SNIFF_BYTES ? input->len : SNIFF_BYTES;
    if (!has_line && !is_end)
        return true;
    if (input->len >= 3 && memcmp(input->ptr, "\xef\xbb\xbf", 3) == 0) {
        consume(records, 3);
        len = input->len < len ? input->len : len;
    }
    csv_sniff(su_buf_str(input).ptr, len, is_end && len == input->len, ",;\t|", &records->dialect, &usual, &is_even);
    records->columns = header_width(records, is_end);
    if (!records->columns)
        return true;    /* empty, or the header goes on */
    struct csv_cell *cells = records->cells = su_alloc(records->columns * ROWS * sizeof *cells);
    struct csv_rows rows = {.cells = cells, .columns = records->columns, .rows_max = 1};
    size_t used = csv_read(&records->dialect, input->ptr, input->len, is_end, &rows);
    records->names = su_alloc(records->columns * sizeof *records->names);
    for (size_t i = 0; i < records->columns; i++)
        records->names[i] = column_name(records, (struct su_str){input->ptr + cells[i].at, cells[i].len}, i);
    consume(records, used);
    return true;
}

static bool take_row(struct records *records, const struct csv_cell *cells, records_fn *fn, void *arg, struct su_err *err)
{
    struct su_buf *text = &records->text;
    su_buf_clear(text);
    for (size_t i = 0; i < records->columns; i++) {
        su_buf_addc(text, i ? ',' : '{');
        su_buf_adds(text, records->names[i]);
        add_cell(text, records->input.ptr + cells[i].at, cells[i].len);
    }
    su_buf_addc(text, '}');
    records->count++;
    return fn(arg, su_buf_str(text), records->count, err);
}

static bool take_rows(struct records *records, bool is_end, records_fn *fn, void *arg, struct su_err *err)
{
    struct su_buf *input = &records->input;
    if (!records->names && !take_header(records, is_end, err))
        return false;
    if (!records->names)
        return true;
    size_t at = 0, used;
    do {
        struct csv_rows rows = {.cells = records->cells, .columns = records->columns, .rows_max = ROWS};
        used = csv_read(&records->dialect, input->ptr + at, input->len - at, is_end, &rows);
        for (size_t i = 0; i < rows.rows; i++) {
            struct csv_cell *cells = records->cells + i * records->columns;
            for (size_t k = 0; k < records->columns; k++)
                cells[k].at += (uint32_t)at;
            if (!take_row(records, cells, fn, arg, err))
                return false;
        }
        at += used;
    } while (used);
    consume(records, at);
    return true;
}

/* -------------------------------------------------------------------- JSON */

static bool take_value(struct records *records, const json_t *value, records_fn *fn, void *arg, struct su_err *err)
{
    SU_AUTO_FREE char *text = su_json_text_flags(value, JSON_COMPACT | JSON_ENCODE_ANY);
    records->count++;
    return fn(arg, su_str_of(text), records->count, err);
}

static bool take_document(struct records *records, records_fn *fn, void *arg, struct su_err *err)
{
    SU_AUTO_JSON json_t *document = NULL;
    if (is_blank(su_buf_str(&records->input)))
        return true;
    if (!su_json_parse(su_buf_str(&records->input), records->name, &document, err)) {
        if (!*err->hint)
            su_hint(err, "a record on each line is --format ndjson");
        return false;
    }
    if (!json_is_array(document))
        return take_value(records, document, fn, arg, err);
    size_t i;
    json_t *value;
    json_array_foreach(document, i, value)
        if (!take_value(records, value, fn, arg, err))
            return false;
    return true;
}

/* ----------------------------------------------------------------- reading */

static bool take(struct records *records, bool is_end, records_fn *fn, void *arg, struct su_err *err)
{
    switch (records->format) {
    case RECORDS_CSV:
        return take_rows(records, is_end, fn, arg, err);
    case RECORDS_JSON:
        return !is_end || take_document(records, fn, arg, err);
    case RECORDS_NDJSON:
    case RECORDS_TEXT:
    case RECORDS_FORMAT_COUNT:
        break;
    }
    return take_lines(records, is_end, fn, arg, err);
}

static bool wait_for_bytes(const struct records *records, int wait_ms, bool *ret_quiet, struct su_err *err)
{
    struct pollfd poll_fd = {.fd = records->fd, .events = POLLIN};
    int ready;
    do
        ready = poll(&poll_fd, 1, wait_ms);
    while (ready < 0 && errno == EINTR);
    *ret_quiet = ready == 0;
    return ready >= 0 || su_fail_errno(err, errno, "waiting for %s", records->name);
}

bool records_read(struct records *records, int wait_ms, records_fn *fn, void *arg, enum records_state *ret, struct su_err *err)
{
    bool is_quiet = false;
    struct su_buf *input = &records->input;
    if (!wait_for_bytes(records, wait_ms, &is_quiet, err))
        return false;
    *ret = RECORDS_QUIET;
    if (is_quiet)
        return true;
    char *room = su_buf_room(input, READ_BYTES + CSV_PADDING);
    if (!room) {
        su_fail(err, SU_LIMIT, "%s: %s than %zu MiB", records->name,
                records->format == RECORDS_JSON ? "a JSON document is read as a whole and this one is larger" : "a record is larger",
                (input->max - READ_BYTES - CSV_PADDING) >> 20);
        return records->format == RECORDS_JSON ? su_hint(err, "as NDJSON, a record a line, it may have any size") : false;
    }
    ssize_t got;
    do
        got = read(records->fd, room, READ_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return su_fail_errno(err, errno, "reading %s", records->name);
    su_buf_grew(input, (size_t)got);
    records->bytes += (uint64_t)got;
    *ret = got ? RECORDS_CAME : RECORDS_END;
    return take(records, got == 0, fn, arg, err);
}
