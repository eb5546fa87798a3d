/* Delimited text to blocks, with the columns that pandas.read_csv makes of it.  Layer aggregate; see table.h.
 *
 * The file is read twice: for what its columns are, then for their values.
 * pandas reads large files in pieces and decides a column's type piece by piece;
 * a column whose pieces disagree has values of several types there, so such a
 * table is no frame (it is columns still, as texts). */
#include "table_private.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "csv.h"
#include "value.h"

enum { CELLS = 16384, COLUMNS_MAX = 4096, SNIFFED = 1 << 16 };

enum { SEEN_NUMBER = 1, SEEN_BOOLEAN = 2, SEEN_TEXT = 4 };

struct csv_column {
    char *name;
    unsigned seen;              /* in this piece */
    unsigned kinds;             /* of pieces before it: each is one of the above */
    bool has_float;
    enum block_kind kind;
    block_field field;
};

struct csv_table {
    struct table_text text;
    struct table_sink *sink;
    struct csv_dialect dialect;
    struct csv_rows batch;
    struct csv_column *columns;
    size_t column_count;
    uint64_t piece_rows, rows;  /* of pandas' pieces; so far */
};

/* --- the beginning ------------------------------------------------------------- */

/* As the SDK chooses it: what the first line has most of, outside quotes. */
static char delimiter_of(const struct table_text *text)
{
    static const char candidates[] = ",;\t|";
    size_t len = text->end < SNIFFED ? text->end : SNIFFED, counts[sizeof candidates] = {0}, best = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < len && text->buffer[i] != '\n'; i++) {
        const char *found = memchr(candidates, text->buffer[i], sizeof candidates - 1);
        is_quoted ^= text->buffer[i] == '"';
        if (found != NULL && !is_quoted)
            counts[found - candidates]++;
    }
    for (size_t i = 1; i < sizeof candidates - 1; i++)
        best = counts[i] > counts[best] ? i : best;
    return candidates[best];
}

/* The next batch of records; none at the end. */
static bool next_batch(struct csv_table *table, struct su_err *err)
{
    struct table_text *text = &table->text;
    for (;;) {
        size_t used = csv_read(&table->dialect, text->buffer + text->at, text->end - text->at, text->is_last, &table->batch);
        /* Cells are counted from where this call began. */
        for (size_t i = 0; i < table->batch.rows * table->batch.columns; i++)
            table->batch.cells[i].at += (uint32_t)text->at;
        text->at += used;
        if (table->batch.rows > 0 || (used == 0 && text->is_last))
            return true;
        if (used == 0 && !table_text_fill(text, err))
            return false;
    }
}

static struct su_str cell_of(const struct csv_table *table, size_t row, size_t column)
{
    const struct csv_cell *cell = &table->batch.cells[row * table->batch.columns + column];
    return (struct su_str){table->text.buffer + cell->at, cell->len};
}

static void set_batch(struct csv_table *table, size_t columns, size_t rows)
{
    free(table->batch.cells);
    free(table->batch.widths);
    table->batch = (struct csv_rows){.columns = columns, .rows_max = rows};
    table->batch.cells = su_alloc(columns * rows * sizeof *table->batch.cells);
    table->batch.widths = su_alloc(rows * sizeof *table->batch.widths);
}

static bool has_name(const struct csv_table *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table->columns[i].name, name) == 0)
            return true;
    return false;
}

static void name_columns(struct csv_table *table)
{
    for (size_t c = 0; c < table->column_count; c++) {
        struct su_str cell = cell_of(table, 0, c);
        char *name = cell.len > 0 ? su_strndup(cell.ptr, cell.len) : su_format("Unnamed: %zu", c);
        if (strlen(name) > 512 || strlen(name) < cell.len || has_name(table, c, name)) {
            table_differs(table->sink, "the header has a name twice, or one that is too long");
            free(name);
            name = su_format("column_%zu", c + 1);
        }
        table->columns[c].name = name;
    }
}

static bool read_header(struct csv_table *table, struct su_err *err)
{
    set_batch(table, COLUMNS_MAX, 1);
    if (!table_text_fill(&table->text, err))
        return false;
    if (decoder_is_binary(table->text.decoder))
        return table_refuse(err, "the content is binary, no table");
    table->dialect = (struct csv_dialect){delimiter_of(&table->text), '"', '\n'};
    if (!next_batch(table, err))
        return false;
    if (table->batch.rows == 0)
        return table_refuse(err, "the content is empty");
    if (table->batch.widths[0] > COLUMNS_MAX)
        return table_refuse(err, "the table has more than %d columns", COLUMNS_MAX);
    table->column_count = table->batch.widths[0];
    if (table->columns == NULL) {
        table->columns = su_alloc(table->column_count * sizeof *table->columns);
        name_columns(table);
    }
    set_batch(table, table->column_count, table->column_count < CELLS ? CELLS / table->column_count : 1);
    return true;
}

/* pandas' own: the largest power of two of which two fit under 2^20 cells. */
static uint64_t piece_rows(size_t columns)
{
    uint64_t most = (1u << 20) / columns, rows = 1;
    while (rows * 2 < most)
        rows *= 2;
    return rows;
}

/* --- the first reading: what the columns are ----------------------------------------- */

static bool is_digits(struct su_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '-' && text.ptr[i] != '+' && text.ptr[i] != ' ')
            return false;
    return true;
}

static void look_at(struct csv_table *table, struct csv_column *column, struct su_str cell)
{
    struct value value = value_of(cell.ptr, cell.len);
    switch (value.class) {
    case VALUE_NULL:
        if (cell.len > 0 && (cell.ptr[0] == ' ' || cell.ptr[cell.len - 1] == ' '))
            column->seen |= SEEN_TEXT;
        return;
    case VALUE_INTEGER: column->seen |= SEEN_NUMBER; return;
    case VALUE_INFINITE:
        if (memchr("0123456789.", cell.ptr[cell.len - 1], 11) != NULL)
            table_differs(table->sink, "column \"%.64s\" has a number past all floats", column->name);
        column->seen |= SEEN_NUMBER;
        column->has_float = true;
        return;
    case VALUE_NUMBER:
        if (is_digits(cell))
            table_differs(table->sink, "column \"%.64s\" has an integer of more than 64 bits", column->name);
        column->seen |= SEEN_NUMBER;
        column->has_float = true;
        return;
    case VALUE_BOOLEAN: column->seen |= SEEN_BOOLEAN; return;
    case VALUE_DATETIME:
    case VALUE_TEXT: column->seen |= SEEN_TEXT; return;
    case VALUE_CLASS_COUNT: return;
    }
}

static void end_piece(struct csv_table *table)
{
    for (size_t c = 0; c < table->column_count; c++) {
        struct csv_column *column = &table->columns[c];
        unsigned seen = column->seen == (SEEN_NUMBER | SEEN_BOOLEAN) || column->seen & SEEN_TEXT ? SEEN_TEXT : column->seen;
        if (column->kinds != 0 && seen != 0 && column->kinds != seen)
            table_differs(table->sink, "column \"%.64s\" has numbers, booleans and texts in turns", column->name);
        column->kinds |= seen;
        column->seen = 0;
    }
}

static void look_at_batch(struct csv_table *table)
{
    for (size_t row = 0; row < table->batch.rows; row++) {
        if (table->batch.widths[row] != table->column_count)
            table_differs(table->sink, "record %llu has %u fields instead of %zu", (unsigned long long)(table->rows + row + 1),
                          table->batch.widths[row], table->column_count);
        for (size_t c = 0; c < table->column_count; c++)
            if (!(table->columns[c].seen & SEEN_TEXT))
                look_at(table, &table->columns[c], cell_of(table, row, c));
        if ((table->rows + row + 1) % table->piece_rows == 0)
            end_piece(table);
    }
    if (table->batch.is_unclosed)
        table_differs(table->sink, "the last record ends within quotes");
    table->rows += table->batch.rows;
}

static enum block_kind kind_of(const struct csv_column *column)
{
    switch (column->kinds) {
    case 0: return BLOCK_FLOAT;
    case SEEN_NUMBER: return column->has_float ? BLOCK_FLOAT : BLOCK_INT;
    case SEEN_BOOLEAN: return BLOCK_BOOL;
    default: return BLOCK_TEXT;
    }
}

static bool find_kinds(struct csv_table *table, struct su_err *err)
{
    table->piece_rows = piece_rows(table->column_count);
    do {
        if (!next_batch(table, err))
            return false;
        look_at_batch(table);
    } while (table->batch.rows > 0);
    end_piece(table);
    if (decoder_stray_bytes(table->text.decoder) > 0 || decoder_encoding(table->text.decoder) != DECODE_UTF8)
        table_differs(table->sink, "the text is not UTF-8 throughout");
    for (size_t c = 0; c < table->column_count; c++) {
        struct csv_column *column = &table->columns[c];
        column->kind = kind_of(column);
        column->field = block_member(table->sink->builder, BLOCK_ROOT, su_str_of(column->name));
        block_declare(table->sink->builder, column->field, column->kind);
    }
    return true;
}

/* --- the second reading: values --------------------------------------------------------- */

static void set_number(struct block_builder *builder, const struct csv_column *column, struct su_str cell)
{
    struct value value = value_of(cell.ptr, cell.len);
    if (value.class == VALUE_NUMBER || value.class == VALUE_INFINITE)
        block_set_float(builder, column->field, value.number);
    else if (value.class == VALUE_INTEGER && column->kind == BLOCK_INT)
        block_set_int(builder, column->field, value.integer);
    else if (value.class == VALUE_INTEGER)
        block_set_float(builder, column->field, value.integer == 0 && memchr(cell.ptr, '-', cell.len) ? -0.0 : (double)value.integer);
}

static void set_cell(struct block_builder *builder, const struct csv_column *column, struct su_str cell)
{
    struct value value;
    switch (column->kind) {
    case BLOCK_INT:
    case BLOCK_FLOAT: set_number(builder, column, cell); return;
    case BLOCK_BOOL:
        value = value_of(cell.ptr, cell.len);
        if (value.class == VALUE_BOOLEAN)
            block_set_bool(builder, column->field, value.integer != 0);
        return;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        /* The words for nothing are short, but with spaces around them they are texts. */
        if (cell.len > 9 || (cell.len > 0 && (cell.ptr[0] == ' ' || cell.ptr[cell.len - 1] == ' '))
            || value_of(cell.ptr, cell.len).class != VALUE_NULL)
            block_set_text(builder, column->field, cell);
        return;
    }
}

static bool read_values(struct csv_table *table, struct su_err *err)
{
    do {
        if (!next_batch(table, err))
            return false;
        for (size_t row = 0; row < table->batch.rows; row++) {
            block_begin(table->sink->builder);
            for (size_t c = 0; c < table->column_count; c++)
                set_cell(table->sink->builder, &table->columns[c], cell_of(table, row, c));
            if (!table_row(table->sink, err))
                return false;
        }
    } while (table->batch.rows > 0);
    return true;
}

bool table_read_csv(int fd, struct table_sink *sink, struct su_err *err)
{
    struct csv_table table = {.sink = sink};
    bool is_done = true;
    for (int reading = 0; is_done && reading < 2; reading++) {
        is_done = table_text_open(fd, &table.text, err) && read_header(&table, err)
                  && (reading == 0 ? find_kinds(&table, err) : read_values(&table, err));
        table_text_done(&table.text);
        table.text = (struct table_text){0};
    }
    for (size_t c = 0; table.columns != NULL && c < table.column_count; c++)
        free(table.columns[c].name);
    free(table.columns);
    free(table.batch.cells);
    free(table.batch.widths);
    return is_done;
}
