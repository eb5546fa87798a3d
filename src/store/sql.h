/* SQL: the only user of sqlite3.h.  Layer store.
 *
 * A connection (struct sql) belongs to one thread at a time.  Statements are
 * prepared once per connection and cached by the address of their text, so the
 * text must be a string literal. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

struct sql;
struct sql_row;                          /* a running statement */
enum sql_mode { SQL_WRITE, SQL_READ };
enum sql_next { SQL_ROW, SQL_DONE, SQL_ERROR };

bool sql_open(const char *path, enum sql_mode mode, struct sql **ret, struct su_err *err);
void sql_close(struct sql *db);

/* Several statements without parameters (migrations). */
bool sql_script(struct sql *db, const char *text, struct su_err *err);

/* Values bound to ?1, ?2 … in order: any number of SQL_* below. */
enum sql_type { SQL_END, SQL_NULL, SQL_INT, SQL_REAL, SQL_TEXT, SQL_BLOB };
struct sql_value { enum sql_type type; int64_t integer; double real; const void *ptr; size_t len; };
struct sql_value sql_int(int64_t value);
struct sql_value sql_real(double value);
struct sql_value sql_text(const char *text);             /* NULL binds NULL */
struct sql_value sql_str(struct su_str text);
struct sql_value sql_blob(const void *data, size_t len);
struct sql_value sql_null(void);

/* Run a statement that gives no rows. */
#define sql_run(db, err, text, ...) \
    sql_run_values((db), (err), (text), (const struct sql_value[]){__VA_ARGS__ __VA_OPT__(,) {.type = SQL_END}})
bool sql_run_values(struct sql *db, struct su_err *err, const char *text, const struct sql_value *values);
/* Start a query; NULL (err filled) on failure.  Step it, read columns, end it.
 * Bound texts must live until sql_end. */
#define sql_query(db, err, text, ...) \
    sql_query_values((db), (err), (text), (const struct sql_value[]){__VA_ARGS__ __VA_OPT__(,) {.type = SQL_END}})
struct sql_row *sql_query_values(struct sql *db, struct su_err *err, const char *text, const struct sql_value *values);
enum sql_next sql_step(struct sql_row *row, struct su_err *err);
void sql_end(struct sql_row *row);                       /* NULL is fine */
static inline void sql_end_pointer(struct sql_row **row) { sql_end(*row); }
#define SQL_AUTO_END SU_CLEANUP(sql_end_pointer)

/* Columns of the current row; texts are valid until the next step. */
int64_t sql_col_int(struct sql_row *row, int column);
double sql_col_real(struct sql_row *row, int column);
const char *sql_col_text(struct sql_row *row, int column);   /* NULL for NULL */
struct su_str sql_col_str(struct sql_row *row, int column);
bool sql_col_is_null(struct sql_row *row, int column);

/* One integer of one row; `otherwise` when there is none. */
#define sql_get_int(db, otherwise, ret, err, text, ...) \
    sql_get_int_values((db), (otherwise), (ret), (err), (text), (const struct sql_value[]){__VA_ARGS__ __VA_OPT__(,) {.type = SQL_END}})
bool sql_get_int_values(struct sql *db, int64_t otherwise, int64_t *ret, struct su_err *err, const char *text, const struct sql_value *values);
int64_t sql_changes(struct sql *db);                     /* rows of the last statement */
int64_t sql_last_id(struct sql *db);
/* A write connection: bytes in the write-ahead log after its last commit, in use from the start of the file. */
int64_t sql_wal_bytes(const struct sql *db);
/* Copies the write-ahead log back into the database without holding anybody up.  With is_reset, on the writer's connection:
 * all of it, so that the next commit begins at the start of the file; leaves it (true) when readers are in the way for
 * longer than a moment. */
bool sql_checkpoint(struct sql *db, bool is_reset, struct su_err *err);
/* Consistent copy of the whole database into a new file, in small steps while others write. */
bool sql_backup(struct sql *db, const char *path, struct su_err *err);
