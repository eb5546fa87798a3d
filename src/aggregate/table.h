/* Objects as columns: a table is parsed once per version, into blocks (store/block.h).  Layer aggregate; any thread,
 * work happens on the caller's.
 *
 * CSV in any dialect, NDJSON and JSON lists become blocks, one after the other,
 * in a blob of their own that lives as long as the tenant holds the content
 * (blobref.h); a second look maps it.  A column of a CSV is what pandas.read_csv
 * makes of it: integers, floats, booleans, else texts; dates stay texts. */
#pragma once
#include "object.h"

struct tables;
struct tables_options {
    uint64_t size_max;          /* bytes of an object that is parsed; 0: 1 GiB */
    uint32_t rows_max;          /* rows of one block; 0: 131072 */
};
bool tables_open(struct store *store, const struct tables_options *options, struct tables **ret, struct su_err *err);
void tables_close(struct tables *tables);

struct table {
    int fd;                     /* read-only, of the blocks; the caller closes it */
    uint64_t size, rows;
    bool is_frame;              /* pandas' readers give the same values and types */
    char why[200];              /* why not */
};
/* SU_INVALID with slug "not-columnar" when the content is no table, or one without records. */
bool table_columns(struct tables *tables, const char *tenant, const struct object_info *info, struct table *ret, struct su_err *err);
