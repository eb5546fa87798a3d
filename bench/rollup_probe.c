/* Groups of a stream's messages, in one thread: what bench/group-by measures of the server's insides, and SQLite over a
 * table that already holds the parsed rows.
 *
 *   rollup-probe FOLDER ROWS     prints one JSON line: CPU seconds of each way to the same answer
 */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregate/panes.h"
#include "store/query.h"

enum { KEYS = 100, PER_SECOND = 50000, SEALED = 131072 };

static struct su_err err;

static void must(bool is_done)
{
    if (is_done)
        return;
    fprintf(stderr, "rollup-probe: %s\n", err.message);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Row i: eight fields, a hundred commands, about a thousand distinct latencies with three decimals. */
struct row {
    int64_t time_us, pid, count, bytes;
    char comm[16], host[16], path[32];
    double lat;
    bool ok;
};

static struct row row_at(int64_t i)
{
    uint64_t mixed = (uint64_t)i * 0x9e3779b97f4a7c15u;
    struct row row = {.time_us = 1700000000000000 + i * (1000000 / PER_SECOND),
                      .pid = (int64_t)(mixed >> 48),
                      .count = (int64_t)(mixed >> 40 & 1023),
                      .bytes = (int64_t)(mixed >> 20 & 0xfffff),
                      .lat = (double)(mixed >> 30 & 0xfffff) / 1000,
                      .ok = mixed >> 60 != 0};
    snprintf(row.comm, sizeof row.comm, "command-%02u", (unsigned)(mixed >> 33) % KEYS);
    snprintf(row.host, sizeof row.host, "host-%u", (unsigned)(mixed >> 50) % 16);
    snprintf(row.path, sizeof row.path, "/srv/data/%u", (unsigned)(mixed >> 44) % 500);
    return row;
}

/* ------------------------------------------------------------------ the log */

static void put(struct block_builder *builder, const struct row *row)
{
    block_begin(builder);
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("comm")), su_str_of(row->comm));
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("host")), su_str_of(row->host));
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("path")), su_str_of(row->path));
    block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("pid")), row->pid);
    block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("count")), row->count);
    block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("bytes")), row->bytes);
    block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("lat")), row->lat);
    block_set_bool(builder, block_member(builder, BLOCK_ROOT, SU_STR("ok")), row->ok);
    must(block_end(builder, &(struct block_message){.time_us = row->time_us, .arrival_us = row->time_us}, &err));
}

struct appending {
    struct logs *logs;
    int64_t log;
    struct su_buf *block;
};

static bool append_job(struct sql *db, void *arg, struct su_err *ret_err)
{
    struct appending *appending = arg;
    uint64_t first;
    return (appending->log || log_new(db, "main", &appending->log, ret_err)) &&
           log_append(appending->logs, db, appending->log, appending->block->ptr, appending->block->len, &first,
                      ret_err);
}

static int64_t fill_log(struct store *store, struct logs *logs, int64_t rows)
{
    struct block_builder *builder = block_builder_new(NULL);
    struct appending appending = {.logs = logs};
    struct su_buf block = SU_BUF(256u << 20);
    for (int64_t at = 0; at < rows; at += SEALED) {
        block_builder_clear(builder);
        su_buf_clear(&block);
        for (int64_t i = at; i < at + SEALED && i < rows; i++) {
            struct row row = row_at(i);
            put(builder, &row);
        }
        must(block_finish(builder, 0, &block, &err));
        appending.block = &block;
        must(store_write(store, append_job, &appending, &err));
    }
    su_buf_done(&block);
    block_builder_free(builder);
    must(log_seal(logs, appending.log, &err));
    return appending.log;
}

static bool hold(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *ret_err)
{
    return true;
}
static void collect(struct store *store) { (void)store; }

/* ------------------------------------------------------------- three ways */

struct sum {
    double groups, total;
};

static bool add_pane(void *arg, const struct pane *pane, struct su_err *ret_err)
{
    struct sum *sum = arg;
    sum->groups += (double)pane->rows;
    for (size_t row = 0; row < pane->rows; row++) {
        sum->total += (double)rollup_value(pane->rollup, pane->groups, row, 1).integer;
        sum->total += rollup_value(pane->rollup, pane->groups, row, 2).number;
    }
    return true;
}

static double declared(struct logs *logs, struct sql *db, int64_t log, struct sum *ret)
{
    double began = cpu_s();
    const struct window_spec window = {.every_us = 1000000};
    const struct panes_range range = {INT64_MIN, INT64_MAX, true};
    struct rollup_spec spec = {0};
    must(rollup_spec_read(&spec, SU_STR("count(),sum(count),avg(lat),min(lat),max(lat)"), SU_STR("comm"), &err));
    must(panes_read(logs, db, log, &window, &spec, NULL, &range, add_pane, ret, NULL, &err));
    rollup_spec_done(&spec);
    return cpu_s() - began;
}

#define ASKED(time, from)                                                                                              \
    "select " time " / 1000000 as window, comm, count(*), sum(count), avg(lat), min(lat), max(lat) from " from         \
    " group by 1, 2"

struct place {
    struct logs *logs;
    struct sql *db;
    int64_t log;
};

static bool scan(void *arg, const struct query_bounds *bounds, void **ret, struct su_err *ret_err)
{
    struct place *place = arg;
    const struct log_range range = {bounds->from, bounds->to, bounds->time_from_us, bounds->time_to_us};
    return log_read(place->logs, place->db, place->log, &range, (struct log_reader **)ret, ret_err);
}

static enum query_next next_piece(void *arg, struct query_piece *ret, struct su_err *ret_err)
{
    struct log_piece piece = {0};
    enum log_next next = log_read_next(arg, &piece, ret_err);
    *ret = (struct query_piece){piece.block, piece.from, piece.to};
    return next == LOG_BLOCK ? QUERY_ROW : next == LOG_END ? QUERY_DONE : QUERY_ERROR;
}

static void end_scan(void *arg) { log_reader_free(arg); }

static const struct relation_field fields[] = {
    {{"comm", 4}, {"comm", 4}, BLOCK_TEXT},  {{"host", 4}, {"host", 4}, BLOCK_TEXT},
    {{"path", 4}, {"path", 4}, BLOCK_TEXT},  {{"pid", 3}, {"pid", 3}, BLOCK_INT},
    {{"count", 5}, {"count", 5}, BLOCK_INT}, {{"bytes", 5}, {"bytes", 5}, BLOCK_INT},
    {{"lat", 3}, {"lat", 3}, BLOCK_FLOAT},   {{"ok", 2}, {"ok", 2}, BLOCK_BOOL}};

static bool resolve(void *arg, const char *name, struct query_table *ret, struct su_err *ret_err)
{
    *ret = (struct query_table){fields, SU_COUNT(fields), true,     INT64_MIN, INT64_MAX, arg,
                                scan,   next_piece,       end_scan, NULL};
    return true;
}

static double asked(struct place *place, struct sum *ret)
{
    double began = cpu_s();
    const struct query_options options = {
        .arg = place, .resolve = resolve, .time_ms = 600000, .memory_bytes = (size_t)8 << 30, .rows_max = 10000000};
    struct query *query;
    enum query_next next;
    must(query_open(&options, su_str_of(ASKED("_time_us", "calls")), &query, &err));
    while ((next = query_step(query, &err)) == QUERY_ROW) {
        ret->groups++;
        ret->total += (double)query_value(query, 3).integer + query_value(query, 4).number;
    }
    must(next == QUERY_DONE);
    query_close(query);
    return cpu_s() - began;
}

static sqlite3 *fill_table(int64_t rows)
{
    sqlite3 *db;
    sqlite3_stmt *insert;
    sqlite3_open(":memory:", &db);
    sqlite3_exec(db,
                 "create table calls (time_us integer, comm text, host text, path text, pid integer, count integer, "
                 "bytes integer, lat real, ok integer); begin",
                 NULL, NULL, NULL);
    sqlite3_prepare_v2(db, "insert into calls values (?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &insert, NULL);
    for (int64_t i = 0; i < rows; i++) {
        struct row row = row_at(i);
        sqlite3_bind_int64(insert, 1, row.time_us);
        sqlite3_bind_text(insert, 2, row.comm, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, row.host, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4, row.path, -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 5, row.pid);
        sqlite3_bind_int64(insert, 6, row.count);
        sqlite3_bind_int64(insert, 7, row.bytes);
        sqlite3_bind_double(insert, 8, row.lat);
        sqlite3_bind_int(insert, 9, row.ok);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    sqlite3_exec(db, "commit; pragma temp_store=memory", NULL, NULL, NULL);
    return db;
}

static double peer(sqlite3 *db, struct sum *ret)
{
    double began = cpu_s();
    sqlite3_stmt *statement;
    sqlite3_prepare_v2(db, ASKED("time_us", "calls"), -1, &statement, NULL);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        ret->groups++;
        ret->total += (double)sqlite3_column_int64(statement, 3) + sqlite3_column_double(statement, 4);
    }
    sqlite3_finalize(statement);
    return cpu_s() - began;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: rollup-probe FOLDER ROWS\n");
        return 2;
    }
    uint64_t rows;
    struct store *store;
    struct logs *logs;
    must(su_str_u64(su_str_of(argv[2]), 100000000, &rows) || su_fail(&err, SU_INVALID, "ROWS must be a whole number"));
    const struct store_migration *const migrations[] = {log_migrations, NULL};
    must(store_open(argv[1], migrations, &store, &err));
    must(logs_open(store, &(struct log_options){.owner = {hold, hold, collect}}, &logs, &err));
    int64_t log = fill_log(store, logs, (int64_t)rows);
    sqlite3 *table = fill_table((int64_t)rows);
    struct sql *db = store_reader(store);
    struct sum by_rollup = {0}, by_sql = {0}, by_table = {0};
    struct place place = {logs, db, log};
    double declared_s = declared(logs, db, log, &by_rollup), asked_s = asked(&place, &by_sql),
           peer_s = peer(table, &by_table);
    bool is_same = by_rollup.groups == by_table.groups && by_sql.groups == by_table.groups &&
                   fabs(by_rollup.total - by_table.total) < 1e-6 * by_table.total &&
                   fabs(by_sql.total - by_table.total) < 1e-6 * by_table.total;
    printf("{\"rows\":%llu,\"groups\":%.0f,\"declared_s\":%.6f,\"asked_s\":%.6f,\"table_s\":%.6f,\"same\":%s}\n",
           (unsigned long long)rows, by_table.groups, declared_s, asked_s, peer_s, is_same ? "true" : "false");
    store_reader_done(store, db);
    sqlite3_close(table);
    logs_close(logs);
    store_close(store);
    return is_same ? 0 : 1;
}
