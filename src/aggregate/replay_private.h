/* The insides of replays that replay*.c share.  Layer aggregate. */
#pragma once
#include "replay.h"

/* A table's rows in the order of their times. */
struct replay_table;
/* `column`: where times stand; NULL: the first column that holds dates, or plausible seconds, milli-, micro- or
 * nanoseconds under a name that says time, none when there is no such; SU_INVALID when no row has a time in a column that
 * was named. */
bool replay_table_open(struct tables *tables, const char *tenant, const struct object_info *info, const char *column,
                       struct replay_table **ret, struct su_err *err);
void replay_table_close(struct replay_table *table);
static inline void replay_table_close_pointer(struct replay_table **table) { replay_table_close(*table); }
#define REPLAY_AUTO_TABLE SU_CLEANUP(replay_table_close_pointer)
uint64_t replay_table_rows(const struct replay_table *table);
const char *replay_table_column(const struct replay_table *table);      /* NULL: rows have no times */
/* Microseconds since the first row's time, 0 without times.  The row after the last: as if the mean gap went on. */
int64_t replay_table_since_us(const struct replay_table *table, uint64_t row);
/* The row as a JSON object; its time is later by shift_us, and filled in when it has none. Appends to ret. */
void replay_table_text(const struct replay_table *table, uint64_t row, int64_t shift_us, struct su_buf *ret);
