/* A table as rows in the order of their times, ready to be sent.  Layer cli; main thread.
 *
 * Rows are JSON texts in an unlinked temporary file; their times and places are
 * in memory (24 bytes a row).  A row without a time has that of the row before;
 * the first ones that of the first row that has one. */
#pragma once
#include "base/json.h"
#include "cli/records.h"

struct timeline;
/* time_column: a name (dots lead into nested objects); NULL: the first column that holds dates, or plausible
 * seconds, milli-, micro- or nanoseconds under a name that says time; "": none, rows keep their order. */
bool timeline_open(int fd, enum records_format format, const char *name, const char *time_column, struct timeline **ret,
                   struct su_err *err);
void timeline_close(struct timeline *timeline);
static inline void timeline_close_pointer(struct timeline **timeline) { timeline_close(*timeline); }
#define TIMELINE_AUTO SU_CLEANUP(timeline_close_pointer)

size_t timeline_count(const struct timeline *timeline);
const char *timeline_column(const struct timeline *timeline);   /* NULL: it has no times */
size_t timeline_filled(const struct timeline *timeline);        /* rows that had no time of their own */
size_t timeline_moved(const struct timeline *timeline);         /* rows that stood before an earlier one */
/* Microseconds since 1970, UTC. */
int64_t timeline_time(const struct timeline *timeline, size_t row);
/* The row's text with its time filled in; with a time other than INT64_MIN: set to that. Borrowed until the next call. */
bool timeline_row(struct timeline *timeline, size_t row, int64_t as_us, struct su_str *ret, struct su_err *err);
