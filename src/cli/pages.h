/* Lists and records of the API on the screen.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

struct invocation;
struct output_table;

enum { PAGES_COLUMNS_MAX = 8 };
struct pages_view {
    size_t columns;
    const char *titles[PAGES_COLUMNS_MAX];
    size_t right[4];                    /* columns of numbers; ends with 0 */
    void (*add_row)(struct output_table *table, const json_t *item);
    const char *none;                   /* said on standard error when the list is empty */
};
/* GET a list with all its pages and print it: as a table, or with --json as one
 * list.  max 0: all items. */
bool pages_print(struct invocation *in, const char *path, uint64_t max, const struct pages_view *view, struct su_err *err);
/* Two columns: every member of a record. */
void pages_print_facts(const json_t *record);
/* A list of records as a table: a column for every member that is not itself a record. */
void pages_print_records(const json_t *records);
