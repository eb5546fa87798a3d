/* JSON values as rows of a table.  Layer aggregate; pure.
 *
 * A row is a JSON value of a sequence (NDJSON, or the elements of an array).
 * Members of an object are columns, those of objects within it have dotted names
 * ("user.name") down to JSON_ROWS_DEPTH; arrays and what lies deeper are one text.
 * A value that is no object is the column "value".  Columns come in the order in
 * which they are first seen; a member that a row lacks is a null there. */
#pragma once
#include "column.h"

enum { JSON_ROWS_DEPTH = 5, JSON_ROWS_NESTING_MAX = 64, JSON_ROWS_KEY_MAX = 256 };

struct json_rows;
enum json_rows_next {
    JSON_ROWS_ROW,      /* a whole value was read and counted */
    JSON_ROWS_MORE,     /* it goes on past the buffer */
    JSON_ROWS_BAD,      /* not JSON: json_rows_fault says why */
};

/* At most columns_max columns; later ones are dropped (json_rows_dropped). */
struct json_rows *json_rows_new(uint64_t seed, size_t columns_max);
void json_rows_free(struct json_rows *rows);

/* The value at data[0], which is no white space; *ret_used: its length.  Texts are unescaped in place.
 * CSV_PADDING bytes past len must be readable. */
enum json_rows_next json_rows_read(struct json_rows *rows, char *data, size_t len, bool is_last, size_t *ret_used);
const char *json_rows_fault(const struct json_rows *rows);
/* The row just read as a list of cells in column order, shorter than the columns when later ones are missing (new reference). */
json_t *json_rows_sample(const struct json_rows *rows, const char *data);

uint64_t json_rows_count(const struct json_rows *rows);
size_t json_rows_columns(const struct json_rows *rows);
bool json_rows_dropped(const struct json_rows *rows);
/* Done: the columns as column_json gives them (new reference). */
json_t *json_rows_json(struct json_rows *rows);
