/* A column of a table: its type and statistics, in one pass and bounded memory.  Layer aggregate; pure.
 *
 * The type is the narrowest that holds every value that is not null: integer,
 * number (finite decimals), boolean, datetime (ISO forms), else text; empty when
 * there is no value.  Sums of integers are exact; of numbers, compensated
 * (Neumaier 1974), so a mean of 10^8 values is good to the last digits.
 * Distinct and top values are exact up to the limit (numbers by their value:
 * "1.0" and "1" are one), then estimates: hyperloglog.h and tally.h.
 *
 * Cost per cell: a hash and a probe while exact, reading the value besides after. */
#pragma once
#include "base/json.h"
#include "csv.h"
#include "value.h"

struct column;
struct column_limits {
    size_t slots_max;       /* of the table of different values; a power of two ≥ 64, exact to 3/4 of it */
    size_t text_max;        /* bytes of their texts */
    int hyperloglog_bits;
    uint64_t seed;          /* of hashes: give each file its own */
};

struct column *column_new(const struct column_limits *limits);
void column_free(struct column *column);

/* Cell c of each of `rows` rows: cells[0], cells[stride], … */
void column_add_cells(struct column *column, const char *data, const struct csv_cell *cells, size_t stride, size_t rows);
void column_add(struct column *column, const char *text, size_t len);
/* A text that is one whatever it looks like (a JSON string): a datetime or text, never null. */
void column_add_string(struct column *column, const char *text, size_t len);
void column_add_nulls(struct column *column, uint64_t count);

/* Done adding: {"name","type","count","nulls","min","max","mean","distinct","distinct_exact","top"} (new reference). */
json_t *column_json(struct column *column, const char *name);
/* The type as column_json says it. */
const char *column_type(const struct column *column);
/* A cell as JSON for a column of that type (new reference). */
json_t *column_cell_json(const char *type, const char *text, size_t len);
