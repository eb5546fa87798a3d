/* Tables as rows in the order of their times.  Layer aggregate; one thread at a time. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "replay_private.h"
#include "stream_private.h"

enum { SEARCHED_ROWS = 1000, ROWS_MAX = 10000000 };

struct place { int64_t time_us; uint32_t block, row : 31, is_filled : 1; };

struct replay_table {
    int fd;
    void *data;
    uint64_t size;
    struct block *blocks;
    size_t block_count;
    char *column;
    double unit;                /* microseconds of one, in a column of numbers; 0: it holds text */
    struct place *places;
    uint64_t rows;
};

/* -------------------------------------------------------------------- times */

static bool says_time(struct su_str name)
{
    static const char *const words[] = {"time", "timestamp", "ts", "date", "datetime", "at", "when", "t", "epoch", "created_at",
                                        "time_ms", "time_us", "time_ns", "_time", "event_time", "timestamp_ms"};
    for (size_t i = 0; i < SU_COUNT(words); i++)
        if (name.len == strlen(words[i]) && strncasecmp(name.ptr, words[i], name.len) == 0)
            return true;
    return false;
}

static bool time_of(const struct block_column *column, uint32_t row, int64_t *ret_us)
{
    struct block_value value = column ? block_value(column, row) : (struct block_value){0};
    return value.kind != 0 && stream_time_of(&value, STREAM_TIME_AUTO, ret_us);
}

static bool holds_times(const struct block *block, const struct block_column *column)
{
    static const int64_t after_us = 100000000000000; /* 1973: smaller numbers are counts of something */
    int64_t us;
    if (column->role != BLOCK_FIELD)
        return false;
    bool is_text = column->kind == BLOCK_TEXT;
    for (uint32_t row = 0; row < block->rows && row < SEARCHED_ROWS; row++)
        if (!block_is_null(column, row))
            return (is_text || says_time(column->name)) && time_of(column, row, &us) && (is_text || us >= after_us);
    return false;
}

static void find_column(struct replay_table *table)
{
    const struct block *block = &table->blocks[0];
    for (uint32_t i = 0; i < block->column_count && !table->column; i++)
        if (holds_times(block, &block->columns[i]))
            table->column = su_strndup(block->columns[i].name.ptr, block->columns[i].name.len);
}

static double unit_of(const struct block_column *column, uint32_t row, int64_t us)
{
    static const double units[] = {1e6, 1e3, 1, 1e-3};
    struct block_value value = block_value(column, row);
    double number = value.kind == BLOCK_INT ? (double)value.integer : value.number;
    if (value.kind == BLOCK_TEXT)
        return 0;
    for (size_t i = 0; i < SU_COUNT(units); i++)
        if (number == 0 || (double)us / (number * units[i]) > .9)
            return units[i];
    return units[0];
}

/* A row without a time has that of the row before; the first ones that of the first row that has one. */
static bool read_times(struct replay_table *table)
{
    uint64_t at = 0;
    int64_t last_us = INT64_MIN;
    for (size_t i = 0; i < table->block_count; i++) {
        const struct block_column *column =
            table->column ? block_field_column(&table->blocks[i], su_str_of(table->column), 0) : NULL;
        for (uint32_t row = 0; row < table->blocks[i].rows; row++, at++) {
            int64_t us;
            bool has_time = time_of(column, row, &us);
            for (uint64_t before = 0; has_time && last_us == INT64_MIN && before < at; before++)
                table->places[before].time_us = us;
            if (has_time && last_us == INT64_MIN)
                table->unit = unit_of(column, row, us);
            last_us = has_time ? us : last_us;
            table->places[at] = (struct place){last_us, (uint32_t)i, row & INT32_MAX, !has_time};
        }
    }
    return last_us != INT64_MIN;
}

static int by_time(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->time_us != right->time_us)
        return left->time_us < right->time_us ? -1 : 1;
    if (left->block != right->block)
        return left->block < right->block ? -1 : 1;
    return left->row < right->row ? -1 : left->row > right->row;
}

/* --------------------------------------------------------------------- life */

static bool map_blocks(struct replay_table *table, struct su_err *err)
{
    size_t step;
    table->data = mmap(NULL, table->size, PROT_READ, MAP_SHARED, table->fd, 0);
    if (table->data == MAP_FAILED) {
        table->data = NULL;
        return su_fail_errno(err, errno, "can't map an object's columns");
    }
    size_t count = 0;
    for (size_t at = 0; at < table->size && (step = block_size((char *)table->data + at, table->size - at)); at += step)
        count++;
    table->blocks = su_alloc((count + 1) * sizeof *table->blocks);
    for (size_t at = 0; table->block_count < count; at += step) {
        step = block_size((char *)table->data + at, table->size - at);
        if (!block_open((char *)table->data + at, table->size - at, &table->blocks[table->block_count], err))
            return false;
        table->rows += table->blocks[table->block_count++].rows;
    }
    return true;
}

static bool arrange(struct replay_table *table, const char *column, const char *name, struct su_err *err)
{
    if (!table->rows)
        return su_fail(err, SU_INVALID, "%.200s holds no rows", name);
    if (table->rows > ROWS_MAX) {
        su_fail(err, SU_LIMIT, "%.200s has %" PRIu64 " rows; the server replays at most %d million", name, table->rows, ROWS_MAX / 1000000);
        return su_hint(err, "suricate replay sends larger ones");
    }
    table->places = su_alloc(table->rows * sizeof *table->places);
    if (column)
        table->column = su_strdup(column);
    else
        find_column(table);
    bool has_times = read_times(table);
    if (column && !has_times)
        return su_fail_field(err, SU_INVALID, "/time", "%.200s: no row has a time in \"%.200s\"", name, column);
    if (!has_times)
        free(su_take(table->column));
    if (has_times)
        qsort(table->places, table->rows, sizeof *table->places, by_time);
    return true;
}

bool replay_table_open(struct tables *tables, const char *tenant, const struct object_info *info, const char *column,
                       struct replay_table **ret, struct su_err *err)
{
    struct table columns = {.fd = -1};
    if (!table_columns(tables, tenant, info, &columns, err))
        return false;
    REPLAY_AUTO_TABLE struct replay_table *table = su_alloc(sizeof *table);
    table->fd = columns.fd;
    table->size = columns.size;
    if ((columns.rows && !map_blocks(table, err)) || !arrange(table, column, info->name, err))
        return false;
    *ret = su_take(table);
    return true;
}

void replay_table_close(struct replay_table *table)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->block_count; i++)
        block_done(&table->blocks[i]);
    if (table->data)
        munmap(table->data, table->size);
    su_close_fd(&table->fd);
    free(table->blocks);
    free(table->column);
    free(table->places);
    free(table);
}

/* --------------------------------------------------------------------- rows */

uint64_t replay_table_rows(const struct replay_table *table) { return table->rows; }
const char *replay_table_column(const struct replay_table *table) { return table->column; }

int64_t replay_table_since_us(const struct replay_table *table, uint64_t row)
{
    if (!table->column)
        return 0;
    int64_t length = table->places[table->rows - 1].time_us - table->places[0].time_us;
    if (row < table->rows)
        return table->places[row].time_us - table->places[0].time_us;
    return length + (table->rows > 1 && length ? length / (int64_t)(table->rows - 1) : 1000000);
}

/* In the column's own kind: text, or a number of its unit. */
static void add_time(const struct replay_table *table, int64_t us, struct su_buf *out)
{
    char text[SU_TIME_TEXT_US];
    if (table->unit == 0)
        su_buf_addf(out, "\"%s\"", su_time_text_us(us, text));
    else if (table->unit == 1e6)
        su_json_add_number(out, (double)us / 1e6);
    else
        su_buf_addf(out, "%" PRId64, table->unit == 1e3 ? us / 1000 : table->unit == 1 ? us : us * 1000);
}

static void add_value(const struct block_value *value, struct su_buf *out)
{
    switch (value->kind) {
    case BLOCK_INT: su_buf_addf(out, "%" PRId64, value->integer); return;
    case BLOCK_BOOL: su_buf_adds(out, value->integer ? "true" : "false"); return;
    case BLOCK_FLOAT: su_json_add_number(out, value->number); return;
    case BLOCK_TEXT: su_json_add_text(out, value->text); return;
    case BLOCK_JSON: su_buf_add(out, value->text.ptr, value->text.len); return;
    default: su_buf_adds(out, "null");
    }
}

void replay_table_text(const struct replay_table *table, uint64_t row, int64_t shift_us, struct su_buf *ret)
{
    const struct place *place = &table->places[row];
    const struct block *block = &table->blocks[place->block];
    bool is_set = table->column && (place->is_filled || shift_us);
    const char *before = "{";
    if (is_set) {
        su_buf_adds(ret, before);
        su_json_add_text(ret, su_str_of(table->column));
        su_buf_addc(ret, ':');
        add_time(table, place->time_us + shift_us, ret);
        before = ",";
    }
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        if (column->role != BLOCK_FIELD || block_is_null(column, place->row) ||
            (is_set && su_str_equal(column->name, su_str_of(table->column))))
            continue;
        struct block_value value = block_value(column, place->row);
        su_buf_adds(ret, before);
        su_json_add_text(ret, column->name);
        su_buf_addc(ret, ':');
        add_value(&value, ret);
        before = ",";
    }
    su_buf_adds(ret, *before == '{' ? "{}" : "}");
}
