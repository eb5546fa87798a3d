/* Queries: see query.h.  The connection, what a statement may do, its limits and its rows.  Layer store. */
#include "query_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { PROGRESS_OPERATIONS = 500, TIME_MS = 10000 };
static const size_t memory_standard = 256u << 20, bytes_standard = 32u << 20;
static const uint64_t rows_standard = 100000;

int query_failed(struct query *query, const struct su_err *err)
{
    if (!query->has_failed)
        query->failed = *err;
    query->has_failed = true;
    return SQLITE_ERROR;
}

/* -------------------------------------------------- what a statement may do */

static void refuse(struct query *query, const char *format, const char *name)
{
    struct su_err err;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    su_fail_field(&err, SU_INVALID, "sql", format, name);
#pragma GCC diagnostic pop
    query_failed(query, &err);
}

static bool is_readable(const struct query *query, const char *table, const char *column)
{
    /* Rows without a column: also of a common table, whose name is the statement's own. */
    if (!column || !*column)
        return sqlite3_strnicmp(table, "sqlite_", 7) != 0;
    if (sqlite3_stricmp(table, "json_each") == 0 || sqlite3_stricmp(table, "json_tree") == 0)
        return true;
    for (size_t i = 0; i < query->relation_count; i++)
        if (sqlite3_stricmp(table, query->relations[i]->name) == 0)
            return true;
    return false;
}

static int authorize(void *arg, int action, const char *first, const char *second, const char *schema,
                     const char *inner)
{
    struct query *query = arg;
    if (query->is_declaring)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_READ:
        if (is_readable(query, first, second))
            return SQLITE_OK;
        refuse(query, "sql: there is no table \"%.128s\" to read", first);
        return SQLITE_DENY;
    case SQLITE_FUNCTION:
        if (query_function_is_allowed(second))
            return SQLITE_OK;
        refuse(query, "sql: %.64s is not available: an answer depends on the statement and the messages alone", second);
        return SQLITE_DENY;
    default:
        refuse(query, "sql: must be one SELECT statement; nothing can be written, attached, set or loaded%.0s", "");
        return SQLITE_DENY;
    }
}

/* date('now') and its kin ask the file layer for the time. */
static int no_clock(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
    struct query *query = (struct query *)(void *)((char *)vfs - offsetof(struct query, vfs));
    refuse(query, "sql: 'now' is not available: an answer depends on the statement and the messages alone%.0s", "");
    *ret = 0;
    return SQLITE_ERROR;
}

bool query_is_late(struct query *query)
{
    if (su_mono_ns() < query->deadline_ns)
        return false;
    struct su_err err;
    su_fail(&err, SU_TIMEOUT, "the query took longer than %lld ms", (long long)query->options.time_ms);
    su_hint(&err, "ask for a shorter range, or group by fewer things");
    query_failed(query, &err);
    return true;
}

static int watch(void *arg)
{
    struct query *query = arg;
    if (query->has_failed || query_is_late(query))
        return 1;
    if ((uint64_t)sqlite3_memory_used() <= query->options.memory_bytes)
        return 0;
    struct su_err err;
    su_fail(&err, SU_LIMIT, "running queries need more than %zu MiB of memory", query->options.memory_bytes >> 20);
    su_hint(&err, "ask for a shorter range, fewer columns or fewer groups, or try again when others are done");
    query_failed(query, &err);
    return 1;
}

static void set_limits(sqlite3 *handle)
{
    static const struct {
        int which, most;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, QUERY_VALUE_MAX},   {SQLITE_LIMIT_SQL_LENGTH, 1 << 20}, {SQLITE_LIMIT_EXPR_DEPTH, 200},
        {SQLITE_LIMIT_COMPOUND_SELECT, 50},       {SQLITE_LIMIT_VDBE_OP, 250000},     {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000}, {SQLITE_LIMIT_VARIABLE_NUMBER, 1},  {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < SU_COUNT(limits); i++)
        sqlite3_limit(handle, limits[i].which, limits[i].most);
}

static bool connect_nowhere(struct query *query, struct su_err *err)
{
    query->vfs = *sqlite3_vfs_find(NULL);
    snprintf(query->vfs_name, sizeof query->vfs_name, "query-%p", (void *)query);
    query->vfs.zName = query->vfs_name;
    query->vfs.xCurrentTimeInt64 = no_clock;
    /* Listed for as long as the open takes: the connection keeps its address. */
    sqlite3_vfs_register(&query->vfs, 0);
    int outcome = sqlite3_open_v2(":memory:", &query->handle,
                                  SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, query->vfs_name);
    sqlite3_vfs_unregister(&query->vfs);
    if (outcome != SQLITE_OK || sqlite3_exec(query->handle, "PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=0;", NULL,
                                             NULL, NULL) != SQLITE_OK)
        return su_fail(err, SU_INTERNAL, "a query can't begin: %s", sqlite3_errmsg(query->handle));
    set_limits(query->handle);
    sqlite3_db_config(query->handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(query->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(query->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    if (!query_functions_add(query, err) || !query_text_functions_add(query, err))
        return false;
    /* SQLite's own tables are connected when first named, which is a write to the authorizer: these two now, others
     * never. */
    sqlite3_stmt *json = NULL;
    sqlite3_prepare_v2(query->handle, "SELECT 1 FROM json_each, json_tree", -1, &json, NULL);
    sqlite3_finalize(json);
    sqlite3_set_authorizer(query->handle, authorize, query);
    sqlite3_progress_handler(query->handle, PROGRESS_OPERATIONS, watch, query);
    return true;
}

/* ------------------------------------------------------------- compiling */

/* The library's message, with the place in the statement. */
static bool fail_in_words(struct query *query, struct su_err *err)
{
    if (query->has_failed) {
        *err = query->failed;
        return false;
    }
    int code = sqlite3_errcode(query->handle);
    const char *words = sqlite3_errmsg(query->handle);
    if (code == SQLITE_TOOBIG)
        return su_fail_field(err, SU_LIMIT, "sql", "sql: a value or the statement is larger than %d MiB",
                             QUERY_VALUE_MAX >> 20);
    if (code == SQLITE_NOMEM)
        return su_fail(err, SU_LIMIT, "the query needs more memory than there is");
    int at = sqlite3_error_offset(query->handle);
    if (at < 0)
        return su_fail_field(err, SU_INVALID, "sql", "sql: %.400s", words);
    int line = 1, column = 1;
    for (int i = 0; i < at && query->sql[i]; i++) {
        line += query->sql[i] == '\n';
        column = query->sql[i] == '\n' ? 1 : column + (((unsigned char)query->sql[i] & 0xc0) != 0x80);
    }
    return su_fail_field(err, SU_INVALID, "sql", "sql: %.400s (line %d, column %d)", words, line, column);
}

/* The library says which table it lacks. */
static const char *missing_table(const struct query *query)
{
    static const char says[] = "no such table: ";
    const char *words = sqlite3_errmsg(query->handle);
    return !query->has_failed && strncmp(words, says, sizeof says - 1) == 0 ? words + sizeof says - 1 : NULL;
}

static bool resolve(struct query *query, const char *missing, struct su_err *err)
{
    SU_AUTO_FREE char *name = su_strdup(missing);
    struct query_table table = {.time_from_us = INT64_MIN, .time_to_us = INT64_MAX};
    if (query->relation_count == QUERY_TABLES_MAX)
        return su_fail_field(err, SU_LIMIT, "sql", "sql: at most %d tables", QUERY_TABLES_MAX);
    if (strncmp(name, "sqlite_", 7) == 0)
        return su_fail_field(err, SU_NOT_FOUND, "sql", "sql: there is no table \"%.128s\"", name);
    if (!query->options.resolve(query->options.arg, name, &table, err))
        return false;
    struct relation *relation;
    if (!relation_open(query, name, &table, &relation, err))
        return false;
    query->relations[query->relation_count++] = relation;
    return true;
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n;")] == '\0'; }

/* What follows the first statement may be comments, nothing else. */
static bool ends_here(struct query *query, const char *tail)
{
    sqlite3_stmt *more = NULL;
    while (!is_blank(tail)) {
        if (sqlite3_prepare_v3(query->handle, tail, -1, 0, &more, &tail) != SQLITE_OK || more) {
            sqlite3_finalize(more);
            return false;
        }
    }
    return true;
}

static bool compile(struct query *query, struct su_err *err)
{
    const char *tail = query->sql, *missing;
    while (sqlite3_prepare_v3(query->handle, query->sql, -1, 0, &query->statement, &tail) != SQLITE_OK)
        if (!(missing = missing_table(query)))
            return fail_in_words(query, err);
        else if (!resolve(query, missing, err))
            return false;
    if (!query->statement)
        return su_fail_field(err, SU_INVALID, "sql", "sql: is empty");
    if (!ends_here(query, tail))
        return su_fail_field(err, SU_INVALID, "sql", "sql: must be one statement; there is more after the first one");
    if (!sqlite3_stmt_readonly(query->statement) || sqlite3_column_count(query->statement) == 0)
        return su_fail_field(err, SU_INVALID, "sql", "sql: must be one SELECT statement");
    if (sqlite3_bind_parameter_count(query->statement) > 0)
        return su_fail_field(err, SU_INVALID, "sql", "sql: takes no parameters (?, :name); write the values");
    return true;
}

static bool check_text(struct su_str sql, struct su_err *err)
{
    if (sql.len > QUERY_TEXT_MAX)
        return su_fail_field(err, SU_LIMIT, "sql", "sql: must have at most %d bytes, has %zu", QUERY_TEXT_MAX, sql.len);
    if (memchr(sql.ptr, '\0', sql.len) || !su_utf8_valid(sql))
        return su_fail_field(err, SU_INVALID, "sql", "sql: must be UTF-8 text");
    /* The server's time zone is not part of the data. */
    for (size_t i = 0; i + 9 <= sql.len; i++)
        if (sqlite3_strnicmp(sql.ptr + i, "localtime", 9) == 0)
            return su_fail_field(err, SU_INVALID, "sql", "sql: 'localtime' is not available: times are UTC everywhere");
    return true;
}

bool query_open(const struct query_options *options, struct su_str sql, struct query **ret, struct su_err *err)
{
    if (!check_text(sql, err))
        return false;
    struct query *query = su_alloc(sizeof *query);
    query->options = *options;
    query->options.time_ms = options->time_ms ? options->time_ms : TIME_MS;
    query->options.memory_bytes = options->memory_bytes ? options->memory_bytes : memory_standard;
    query->options.rows_max = options->rows_max ? options->rows_max : rows_standard;
    query->options.bytes_max = options->bytes_max ? options->bytes_max : bytes_standard;
    query->deadline_ns = su_mono_ns() + query->options.time_ms * 1000000;
    query->sql = su_strndup(sql.ptr, sql.len);
    if (!connect_nowhere(query, err) || !compile(query, err)) {
        query_close(query);
        return false;
    }
    query->hex = su_alloc(query_columns(query) * sizeof *query->hex);
    *ret = query;
    return true;
}

static void drop_hex(struct query *query)
{
    for (size_t i = 0; query->hex && i < query_columns(query); i++) {
        free(query->hex[i]);
        query->hex[i] = NULL;
    }
}

void query_close(struct query *query)
{
    if (!query)
        return;
    drop_hex(query);
    sqlite3_finalize(query->statement);
    sqlite3_close(query->handle);
    for (size_t i = 0; i < query->relation_count; i++)
        relation_close(query->relations[i]);
    free(query->hex);
    free(query->sql);
    free(query);
}

/* ------------------------------------------------------------------ rows */

size_t query_columns(const struct query *query)
{
    return query->statement ? (size_t)sqlite3_column_count(query->statement) : 0;
}
const char *query_column(const struct query *query, size_t column)
{
    return sqlite3_column_name(query->statement, (int)column);
}
size_t query_tables(const struct query *query) { return query->relation_count; }
const char *query_table(const struct query *query, size_t table) { return query->relations[table]->name; }
bool query_is_truncated(const struct query *query) { return query->is_truncated; }

static size_t row_bytes(const struct query *query)
{
    size_t bytes = 0;
    for (int i = 0; i < sqlite3_column_count(query->statement); i++) {
        int type = sqlite3_column_type(query->statement, i);
        bytes += 8;
        if (type == SQLITE_TEXT || type == SQLITE_BLOB)
            bytes += (size_t)sqlite3_column_bytes(query->statement, i) * (type == SQLITE_BLOB ? 2 : 1);
    }
    return bytes;
}

enum query_next query_step(struct query *query, struct su_err *err)
{
    drop_hex(query);
    if (query->is_truncated)
        return QUERY_DONE;
    int outcome = sqlite3_step(query->statement);
    if (query->has_failed || (outcome != SQLITE_ROW && outcome != SQLITE_DONE)) {
        fail_in_words(query, err);
        return QUERY_ERROR;
    }
    if (outcome == SQLITE_DONE)
        return QUERY_DONE;
    query->bytes += row_bytes(query);
    if (query->rows == query->options.rows_max || query->bytes > query->options.bytes_max) {
        query->is_truncated = true;
        return QUERY_DONE;
    }
    query->rows++;
    return QUERY_ROW;
}

static struct su_str hex_of(struct query *query, size_t column)
{
    size_t len = (size_t)sqlite3_column_bytes(query->statement, (int)column);
    const uint8_t *data = sqlite3_column_blob(query->statement, (int)column);
    char *text = su_alloc(2 * len + 1);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = "0123456789abcdef"[data[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[data[i] & 15];
    }
    free(query->hex[column]);
    query->hex[column] = text;
    return (struct su_str){text, 2 * len};
}

struct block_value query_value(struct query *query, size_t column)
{
    sqlite3_stmt *statement = query->statement;
    int at = (int)column;
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER:
        return (struct block_value){.kind = BLOCK_INT, .integer = sqlite3_column_int64(statement, at)};
    case SQLITE_FLOAT:
        return (struct block_value){.kind = BLOCK_FLOAT, .number = sqlite3_column_double(statement, at)};
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_column_text(statement, at);
        return (struct block_value){.kind = BLOCK_TEXT,
                                    .text = {text ? text : "", (size_t)sqlite3_column_bytes(statement, at)}};
    }
    case SQLITE_BLOB:
        return (struct block_value){.kind = BLOCK_TEXT, .text = hex_of(query, column)};
    default:
        return (struct block_value){0};
    }
}
