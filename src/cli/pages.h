/* Lists and records of the API on the screen.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

struct invocation;
struct output_table;

enum { PAGES_COLUMNS_MAX = 10 };
enum pages_kind {
    PAGES_VALUE,        /* in one line, null as nothing */
    PAGES_NUMBER,       /* the same, on the right */
    PAGES_TIME,         /* RFC 3339, shown as local time */
    PAGES_SECONDS,      /* a duration */
    PAGES_KIND_COUNT
};
/* A column that is a member of the items: a path with dots; "a|b": b where there is no a. */
struct pages_cell { const char *title, *member; enum pages_kind kind; };

struct pages_view {
    size_t columns;
    const char *titles[PAGES_COLUMNS_MAX];
    size_t right[4];                    /* columns of numbers; ends with 0 */
    void (*add_row)(struct output_table *table, const json_t *item);
    struct pages_cell cells[PAGES_COLUMNS_MAX];     /* instead of the four above */
    const char *none;                   /* said on standard error when the list is empty */
};
/* GET a list with all its pages and print it: as a table, or with --json as one
 * list.  max 0: all items. */
bool pages_print(struct invocation *in, const char *path, uint64_t max, const struct pages_view *view, struct su_err *err);
/* Items that are there already, as that view. */
void pages_print_items(const json_t *items, const struct pages_view *view);
/* Two columns: every member of a record. */
void pages_print_facts(const json_t *record);
/* The same with members of members under names with dots; then its lists of records as tables. */
void pages_print_record(const json_t *record);
/* A list of records as a table: a column for every member that is not itself a record. */
void pages_print_records(const json_t *records);
