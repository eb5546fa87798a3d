/* Delimited text: records and fields.  Layer aggregate; pure: a function of a buffer.
 *
 * RFC 4180 as it is met in the wild: any delimiter, quotes that open only at the
 * start of a field (a quote elsewhere is a letter), doubled quotes, line ends
 * within quotes, LF, CRLF or CR, no line end after the last record, blank lines
 * skipped, records with too few or too many fields.
 *
 * Fields are found 64 bytes at a time by a mask of the characters that matter
 * (as in Langdale and Lemire, "Parsing gigabytes of JSON per second", 3.1). */
#pragma once
#include <stdint.h>
#include "base/str.h"

struct csv_dialect { char delimiter, quote, line_end; /* '\n' also ends CRLF lines */ };

struct csv_cell { uint32_t at, len; };      /* in the buffer */

/* Records of one call, in row-major order: cell c of row r is cells[r * columns + c]. */
struct csv_rows {
    struct csv_cell *cells;     /* columns * rows_max */
    uint32_t *widths;           /* fields each record really had; rows_max, or NULL */
    size_t columns, rows_max;
    size_t rows;                /* out: missing fields are empty, those past columns are dropped */
    size_t ragged;              /* out: of these, with a width other than columns */
    bool is_unclosed;           /* out: the last record ended within quotes */
};

enum { CSV_PADDING = 64 };      /* readable bytes needed past data + len */

/* Reads whole records from data until rows is full or the buffer has no further
 * whole one (with is_last its rest is one), and takes quotes out in place.
 * Returns the bytes consumed: 0 with rows->rows == 0 asks for a longer buffer. */
size_t csv_read(const struct csv_dialect *dialect, char *data, size_t len, bool is_last, struct csv_rows *rows);

/* The dialect of a beginning, by how evenly each candidate divides its records;
 * *ret_columns is the usual width (1: no delimiter found).  delimiters: candidates, best first among equals. */
void csv_sniff(const char *data, size_t len, bool is_last, const char *delimiters, struct csv_dialect *ret, size_t *ret_columns, bool *ret_is_even);
