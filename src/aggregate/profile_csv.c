/* Previews of delimited text.  Layer aggregate; see profile.h. */
#include <stdlib.h>
#include <string.h>
#include "column.h"
#include "profile_private.h"

enum {
    CELLS = 16384,              /* of one batch: they, and the text they point to, stay in the processor's cache */
    HEADER_ROWS = 200,          /* looked at to tell a header from a record */
    HEADER_TEXT = 128,          /* bytes of a name that still looks like one */
    NAME_MAX_BYTES = 256,
    SAMPLE_TEXT = 256, SAMPLE_BYTES = 256 << 10,
    TABLE_BYTES = 24 << 20,     /* for all columns' tables */
};

struct csv_pass {
    struct profile *profile;
    struct csv_dialect dialect;
    struct csv_rows batch;
    size_t columns;
    bool has_header, is_header_due, is_header_ragged;
    json_t *names;              /* list of texts */
    struct column **stats;
    uint64_t rows, ragged;
};

/* --- the header ------------------------------------------------------- */

static struct value cell_value(const struct csv_rows *rows, const char *data, size_t r, size_t c)
{
    const struct csv_cell *cell = &rows->cells[r * rows->columns + c];
    return value_of(data + cell->at, cell->len);
}

static bool cells_equal(const struct csv_rows *rows, const char *data, size_t r, size_t c, size_t r2, size_t c2)
{
    const struct csv_cell *a = &rows->cells[r * rows->columns + c], *b = &rows->cells[r2 * rows->columns + c2];
    return a->len == b->len && memcmp(data + a->at, data + b->at, a->len) == 0;
}

/* Every cell of the first row could be a name: text or nothing, and not all nothing. */
static bool first_row_is_words(const struct csv_rows *rows, const char *data)
{
    size_t words = 0;
    for (size_t c = 0; c < rows->columns; c++) {
        enum value_class class = cell_value(rows, data, 0, c).class;
        if (class != VALUE_TEXT && class != VALUE_NULL)
            return false;
        words += class == VALUE_TEXT;
    }
    return words > 0;
}

/* A column whose records are all numbers, dates or booleans, under a word. */
static bool has_typed_column(const struct csv_rows *rows, const char *data)
{
    for (size_t c = 0; c < rows->columns; c++) {
        size_t typed = 0, texts = 0;
        if (cell_value(rows, data, 0, c).class != VALUE_TEXT)
            continue;
        for (size_t r = 1; r < rows->rows; r++) {
            enum value_class class = cell_value(rows, data, r, c).class;
            texts += class == VALUE_TEXT;
            typed += class != VALUE_TEXT && class != VALUE_NULL;
        }
        if (typed > 0 && texts == 0)
            return true;
    }
    return false;
}

/* Nothing but words everywhere: a header is short, without repetitions, and its words are no values. */
static bool first_row_stands_out(const struct csv_rows *rows, const char *data)
{
    for (size_t c = 0; c < rows->columns; c++) {
        if (rows->cells[c].len > HEADER_TEXT || rows->cells[c].len == 0)
            return false;
        for (size_t other = 0; other < c && rows->columns <= PROFILE_COLUMNS_MAX; other++)
            if (cells_equal(rows, data, 0, c, 0, other))
                return false;
        for (size_t r = 1; r < rows->rows; r++)
            if (cells_equal(rows, data, 0, c, r, c))
                return false;
    }
    return true;
}

static bool is_header(const struct csv_rows *rows, const char *data)
{
    return rows->rows > 0 && first_row_is_words(rows, data) && (has_typed_column(rows, data) || first_row_stands_out(rows, data));
}

/* A name for column c: the header's word, made unique as pandas does it, or a number. */
static void add_name(struct csv_pass *pass, json_t *seen, const char *text, size_t len, size_t c)
{
    size_t kept = value_cut(text, len, NAME_MAX_BYTES);
    SU_AUTO_FREE char *name = kept > 0 ? su_strndup(text, kept) : su_format("column_%zu", c + 1);
    SU_AUTO_FREE char *unique = su_strdup(name);
    for (int i = 1; json_object_get(seen, unique) != NULL; i++) {
        free(unique);
        unique = su_format("%s.%d", name, i);
    }
    json_object_set_new(seen, unique, json_true());
    json_array_append_new(pass->names, json_string(unique));
}

static void set_names(struct csv_pass *pass, const char *data, const struct csv_cell *header)
{
    SU_AUTO_JSON json_t *seen = json_object();
    for (size_t c = 0; c < pass->columns; c++)
        add_name(pass, seen, header ? data + header[c].at : "", header ? header[c].len : 0, c);
}

/* --- the beginning ---------------------------------------------------- */

/* What dialect and header are told from: the beginning, or as much as a first line takes. */
static size_t sniff_max(const struct profile *profile)
{
    size_t max = profile->capacity > PROFILE_SNIFF ? profile->capacity - CSV_PADDING : PROFILE_SNIFF;
    return max < profile->record_max ? max : profile->record_max;
}

/* At least one whole line in the buffer, if the limit allows. */
static bool fill_line(struct profile *profile, struct su_err *err)
{
    bool is_last, is_full = false;
    for (;;) {
        size_t window = profile_window(profile, sniff_max(profile), &is_last);
        const char *text = profile->buffer + profile->at;
        if (is_last || is_full || memchr(text, '\n', window) != NULL || memchr(text, '\r', window) != NULL)
            return true;
        if (!profile_fill(profile, &is_full, err))
            return false;
    }
}

/* The widths of header and records, and whether there is a header: from a copy, for reading takes quotes out. */
static void look_at_header(struct csv_pass *pass, size_t usual)
{
    struct profile *profile = pass->profile;
    bool is_last;
    size_t len = profile_window(profile, sniff_max(profile), &is_last), width = usual < PROFILE_COLUMNS_MAX ? usual : PROFILE_COLUMNS_MAX;
    SU_AUTO_FREE char *copy = su_alloc(len + CSV_PADDING);
    SU_AUTO_FREE struct csv_cell *cells = su_alloc(width * HEADER_ROWS * sizeof *cells);
    SU_AUTO_FREE uint32_t *widths = su_alloc(HEADER_ROWS * sizeof *widths);
    struct csv_rows rows = {.cells = cells, .widths = widths, .columns = width, .rows_max = HEADER_ROWS};
    memcpy(copy, profile->buffer + profile->at, len);
    csv_read(&pass->dialect, copy, len, is_last, &rows);
    pass->has_header = pass->is_header_due = is_header(&rows, copy);
    pass->columns = usual;
    pass->is_header_ragged = rows.rows > 0 && widths[0] < usual;
    if (rows.rows > 0 && pass->has_header && widths[0] > usual)
        pass->columns = widths[0];
    if (pass->columns > PROFILE_COLUMNS_MAX) {
        profile_warn(profile, "only the first %d of %zu columns are described", PROFILE_COLUMNS_MAX, pass->columns);
        pass->columns = PROFILE_COLUMNS_MAX;
    }
}

static size_t power_below(size_t number)
{
    size_t power = 64;
    while (power * 2 <= number && power < 16384)
        power *= 2;
    return power;
}

static void open_columns(struct csv_pass *pass)
{
    size_t share = TABLE_BYTES / 2 / pass->columns;
    const struct column_limits limits = {.slots_max = power_below(share / 32), .text_max = share < 1 << 20 ? share : 1 << 20,
                                         .hyperloglog_bits = pass->columns <= 256 ? 14 : 12, .seed = pass->profile->options->seed};
    pass->stats = su_alloc(pass->columns * sizeof *pass->stats);
    for (size_t c = 0; c < pass->columns; c++)
        pass->stats[c] = column_new(&limits);
    pass->batch = (struct csv_rows){.columns = pass->columns, .rows_max = pass->columns < CELLS ? CELLS / pass->columns : 1};
    pass->batch.cells = su_alloc(pass->batch.rows_max * pass->columns * sizeof *pass->batch.cells);
}

static void close_columns(struct csv_pass *pass)
{
    for (size_t c = 0; pass->stats != NULL && c < pass->columns; c++)
        column_free(pass->stats[c]);
    free(pass->stats);
    free(pass->batch.cells);
    json_decref(pass->names);
}

/* --- records ---------------------------------------------------------- */

static void sample_row(struct csv_pass *pass, const char *data, const struct csv_cell *cells)
{
    struct profile *profile = pass->profile;
    json_t *row = json_array();
    for (size_t c = 0; c < pass->columns; c++) {
        size_t kept = value_cut(data + cells[c].at, cells[c].len, SAMPLE_TEXT);
        json_t *text = json_stringn(data + cells[c].at, kept);
        json_array_append_new(row, text ? text : json_string(""));
        profile->sample_bytes += kept + 32;
    }
    json_array_append_new(profile->sample, row);
}

static void count_batch(struct csv_pass *pass, const char *data)
{
    const struct csv_cell *cells = pass->batch.cells;
    size_t rows = pass->batch.rows;
    pass->ragged += pass->batch.ragged;
    if (pass->is_header_due && rows > 0) {
        set_names(pass, data, cells);
        pass->is_header_due = false;
        pass->ragged -= pass->is_header_ragged;
        cells += pass->columns;
        rows--;
    }
    for (size_t r = 0; r < rows && json_array_size(pass->profile->sample) < PROFILE_SAMPLE_ROWS && pass->profile->sample_bytes < SAMPLE_BYTES; r++)
        sample_row(pass, data, cells + r * pass->columns);
    for (size_t c = 0; c < pass->columns; c++)
        column_add_cells(pass->stats[c], data, cells + c, pass->columns, rows);
    pass->rows += rows;
}

static bool read_records(struct csv_pass *pass, struct su_err *err)
{
    struct profile *profile = pass->profile;
    for (;;) {
        char *data = profile->buffer + profile->at;
        bool is_last, is_full;
        size_t window = profile_window(profile, profile->record_max, &is_last);
        profile->at += csv_read(&pass->dialect, data, window, is_last, &pass->batch);
        count_batch(pass, data);
        if (pass->batch.is_unclosed)
            profile_warn(profile, "the quotes that open in record %llu never close", (unsigned long long)(pass->rows + pass->has_header));
        if (pass->batch.rows == pass->batch.rows_max)
            continue;
        if (is_last)
            return true;
        if (!profile_fill(profile, &is_full, err))
            return false;
        if (pass->batch.rows == 0 && is_full) {
            profile_warn(profile,
                         "record %llu is longer than %zu MiB (lines without an end, or quotes that never close): "
                         "nothing from it on was read",
                         (unsigned long long)(pass->rows + pass->has_header + 1), profile->record_max >> 20);
            profile->is_partial = true;
            return true;
        }
    }
}

/* --- together --------------------------------------------------------- */

static void type_sample(struct csv_pass *pass)
{
    size_t r;
    json_t *row;
    json_array_foreach (pass->profile->sample, r, row)
        for (size_t c = 0; c < pass->columns; c++) {
            const json_t *text = json_array_get(row, c);
            json_array_set_new(row, c, column_cell_json(column_type(pass->stats[c]), json_string_value(text), json_string_length(text)));
        }
}

static void finish(struct csv_pass *pass, json_t *json)
{
    const char delimiter[] = {pass->dialect.delimiter, '\0'};
    json_t *columns = json_array();
    if (json_array_size(pass->names) == 0)
        set_names(pass, NULL, NULL);
    for (size_t c = 0; c < pass->columns; c++)
        json_array_append_new(columns, column_json(pass->stats[c], json_string_value(json_array_get(pass->names, c))));
    type_sample(pass);
    if (pass->ragged > 0)
        profile_warn(pass->profile, "%llu records have more or fewer than %zu fields", (unsigned long long)pass->ragged, pass->columns);
    json_object_set_new(json, "kind", json_string("csv"));
    json_object_set_new(json, "delimiter", json_string(delimiter));
    json_object_set_new(json, "quote", json_string("\""));
    json_object_set_new(json, "header", json_boolean(pass->has_header));
    json_object_set_new(json, "rows", json_integer((json_int_t)pass->rows));
    json_object_set_new(json, "ragged_rows", json_integer((json_int_t)pass->ragged));
    json_object_set_new(json, "columns", columns);
}

/* Without a name or type that says so, a table has several columns in at least two even lines. */
static bool is_table(const struct profile *profile, size_t columns, bool is_even)
{
    if (profile->options->hint == PROFILE_CSV)
        return true;
    const char *first = memchr(profile->buffer + profile->at, '\n', profile_left(profile));
    return columns > 1 && is_even && first != NULL && first + 1 < profile->buffer + profile->end;
}

bool profile_csv(struct profile *profile, json_t *json, bool *ret_is_it, struct su_err *err)
{
    struct csv_pass pass = {.profile = profile, .names = json_array()};
    size_t usual;
    bool is_even, ok = true;
    if (profile->options->hint == PROFILE_CSV && !fill_line(profile, err)) {
        json_decref(pass.names);
        return false;
    }
    bool is_last;
    size_t window = profile_window(profile, sniff_max(profile), &is_last);
    csv_sniff(profile->buffer + profile->at, window, is_last, ",;\t|", &pass.dialect, &usual, &is_even);
    *ret_is_it = is_table(profile, usual, is_even);
    if (*ret_is_it) {
        look_at_header(&pass, usual);
        open_columns(&pass);
        ok = read_records(&pass, err);
        if (ok)
            finish(&pass, json);
    }
    close_columns(&pass);
    return ok;
}
