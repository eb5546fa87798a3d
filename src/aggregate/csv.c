/* Delimited text: see csv.h.  Layer aggregate; pure. */
#include "csv.h"
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Bit i is set when data[i] is one of the three. */
static inline uint64_t mask_of(const char *data, const struct csv_dialect *dialect)
{
    uint64_t mask = 0;
#ifdef __SSE2__
    __m128i a = _mm_set1_epi8(dialect->delimiter), b = _mm_set1_epi8(dialect->quote), c = _mm_set1_epi8(dialect->line_end);
    for (int i = 0; i < 4; i++) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i));
        __m128i hits = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, a), _mm_cmpeq_epi8(block, b)), _mm_cmpeq_epi8(block, c));
        mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(hits) << (16 * i);
    }
#else
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)(data[i] == dialect->delimiter || data[i] == dialect->quote || data[i] == dialect->line_end) << i;
#endif
    return mask;
}

/* --- one record ------------------------------------------------------- */

enum { RAW = 1u << 31 };    /* in len while a record is open: quotes have to be taken out */

struct reading {
    const struct csv_dialect *dialect;
    char *data;
    size_t len;
    bool is_last;
    struct csv_rows *rows;
    struct csv_cell *row;   /* the open record's cells */
    size_t record, field;   /* where the open record and field begin */
    size_t width;           /* fields of the open record so far */
    size_t close;           /* the open field's closing quote; 0: it is not quoted */
    bool has_doubled;       /* doubled quotes in the open field */
    bool has_raw;           /* a cell of the open record is RAW */
};

/* Take the quotes out of text[0..len): what stands after the closing one is kept as it is. */
static size_t unquote(char *text, size_t len, char quote)
{
    size_t out = 0, at = 1;
    while (at < len) {
        if (text[at] == quote) {
            if (at + 1 < len && text[at + 1] == quote) {
                text[out++] = quote;
                at += 2;
                continue;
            }
            size_t rest = len - at - 1;
            memmove(text + out, text + at + 1, rest);
            return out + rest;
        }
        text[out++] = text[at++];
    }
    return out;
}

static void quoted_cell(struct reading *r, size_t end, struct csv_cell *ret)
{
    if (r->close == end - 1 && !r->has_doubled) {
        *ret = (struct csv_cell){(uint32_t)r->field + 1, (uint32_t)(r->close - r->field - 1)};
    } else {
        *ret = (struct csv_cell){(uint32_t)r->field, (uint32_t)(end - r->field) | RAW};
        r->has_raw = true;
    }
}

/* The open field ends before `end`. */
static inline void end_field(struct reading *r, size_t end)
{
    if (r->width < r->rows->columns) {
        struct csv_cell *cell = &r->row[r->width];
        if (r->close == 0)
            *cell = (struct csv_cell){(uint32_t)r->field, (uint32_t)(end - r->field)};
        else
            quoted_cell(r, end, cell);
    }
    r->width++;
    r->close = 0;
    r->has_doubled = false;
}

static void take_quotes_out(struct reading *r)
{
    for (size_t i = 0; i < r->width && i < r->rows->columns; i++)
        if ((r->row[i].len & RAW) != 0)
            r->row[i].len = (uint32_t)unquote(r->data + r->row[i].at, r->row[i].len & ~(uint32_t)RAW, r->dialect->quote);
    r->has_raw = false;
}

static void end_record(struct reading *r, size_t end)
{
    struct csv_rows *rows = r->rows;
    if (end > r->field && r->data[end - 1] == '\r' && r->close != end - 1)
        end--;
    bool is_blank = r->width == 0 && end == r->record;
    if (!is_blank) {
        end_field(r, end);
        if (r->has_raw)
            take_quotes_out(r);
        if (r->width != rows->columns) {
            rows->ragged++;
            for (size_t i = r->width; i < rows->columns; i++)
                r->row[i] = (struct csv_cell){0, 0};
        }
        if (rows->widths != NULL)
            rows->widths[rows->rows] = (uint32_t)r->width;
        rows->rows++;
        r->row += rows->columns;
    }
    r->width = 0;
}

/* The quote at the start of the open field: its closing one, or false when the buffer ends first. */
static bool find_close(struct reading *r)
{
    size_t at = r->field + 1;
    for (;;) {
        const char *found = at < r->len ? memchr(r->data + at, r->dialect->quote, r->len - at) : NULL;
        if (found == NULL)
            return false;
        at = (size_t)(found - r->data);
        if (at + 1 == r->len && !r->is_last)
            return false;
        if (at + 1 == r->len || r->data[at + 1] != r->dialect->quote) {
            r->close = at;
            return true;
        }
        r->has_doubled = true;
        at += 2;
    }
}

static size_t end_of_buffer(struct reading *r)
{
    if (!r->is_last)
        return r->record;
    if (r->record < r->len && r->rows->rows < r->rows->rows_max) {
        end_record(r, r->len);
        return r->len;
    }
    return r->record;
}

/* Quotes that never close: with is_last the rest of the buffer is the field. */
static size_t unclosed(struct reading *r)
{
    if (!r->is_last)
        return r->record;
    r->rows->is_unclosed = true;
    r->close = r->len;      /* past the end: the cell is RAW */
    end_record(r, r->len);
    return r->len;
}

size_t csv_read(const struct csv_dialect *dialect, char *data, size_t len, bool is_last, struct csv_rows *rows)
{
    struct reading r = {.dialect = dialect, .data = data, .len = len, .is_last = is_last, .rows = rows, .row = rows->cells};
    rows->rows = rows->ragged = 0;
    rows->is_unclosed = false;
    for (size_t at = 0; at < len;) {
        uint64_t mask = mask_of(data + at, dialect);
        if (len - at < 64)
            mask &= (UINT64_C(1) << (len - at)) - 1;
        size_t block = at;
        at += 64;
        for (; mask != 0; mask &= mask - 1) {
            size_t i = block + (size_t)__builtin_ctzll(mask);
            char c = data[i];
            if (c == dialect->delimiter) {
                end_field(&r, i);
                r.field = i + 1;
            } else if (c == dialect->line_end) {
                end_record(&r, i);
                r.field = r.record = i + 1;
                if (rows->rows == rows->rows_max)
                    return i + 1;
            } else if (i == r.field) {
                if (!find_close(&r))
                    return unclosed(&r);
                at = r.close + 1;
                break;
            }
        }
    }
    return end_of_buffer(&r);
}

/* --- the dialect ------------------------------------------------------ */

enum { SNIFF_ROWS = 200, SNIFF_COLUMNS = 1 };

/* How many of the records have the commonest width above one, that width; 0 when more have just one field.
 * *ret_single: how many those are. */
static size_t evenness(const uint32_t *widths, size_t rows, size_t *ret_width, size_t *ret_single)
{
    size_t best = 0, single = 0;
    *ret_width = 1;
    for (size_t i = 0; i < rows; i++) {
        size_t same = 0;
        single += widths[i] == 1;
        for (size_t j = 0; j < rows; j++)
            same += widths[j] == widths[i];
        if (widths[i] > 1 && (same > best || (same == best && widths[i] > *ret_width))) {
            best = same;
            *ret_width = widths[i];
        }
    }
    *ret_single = single;
    return single > best ? 0 : best;
}

static char sniff_line_end(const char *data, size_t len)
{
    return memchr(data, '\n', len) == NULL && memchr(data, '\r', len) != NULL ? '\r' : '\n';
}

void csv_sniff(const char *data, size_t len, bool is_last, const char *delimiters, struct csv_dialect *ret, size_t *ret_columns, bool *ret_is_even)
{
    struct csv_cell cells[SNIFF_ROWS * SNIFF_COLUMNS];
    uint32_t widths[SNIFF_ROWS];
    double best = 0;
    bool has_unused = false;
    SU_AUTO_FREE char *copy = su_alloc(len + CSV_PADDING);
    *ret = (struct csv_dialect){.delimiter = delimiters[0], .quote = '"', .line_end = sniff_line_end(data, len)};
    *ret_columns = 1;
    *ret_is_even = false;
    for (const char *delimiter = delimiters; *delimiter != '\0'; delimiter++) {
        struct csv_dialect dialect = {.delimiter = *delimiter, .quote = '"', .line_end = ret->line_end};
        struct csv_rows rows = {.cells = cells, .widths = widths, .columns = SNIFF_COLUMNS, .rows_max = SNIFF_ROWS};
        size_t width, single;
        memcpy(copy, data, len);    /* reading takes quotes out in place */
        csv_read(&dialect, copy, len, is_last, &rows);
        size_t even = evenness(widths, rows.rows, &width, &single);
        double share = rows.rows > 0 ? (double)even / (double)rows.rows : 0;
        /* More fields break a tie, but never outweigh evenness. */
        double score = even == 0 ? 0 : share + 0.05 * (1.0 - 1.0 / (double)width);
        if (*ret_columns == 1 && single == rows.rows && !has_unused) {
            ret->delimiter = *delimiter;    /* of one column: what does not occur cuts nothing */
            has_unused = true;
        }
        if (score > best) {
            best = score;
            ret->delimiter = *delimiter;
            *ret_columns = width;
            *ret_is_even = share >= 0.9;
        }
    }
}
