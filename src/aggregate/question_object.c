/* An object as a table of a question: its blocks, mapped.  Layer aggregate. */
#include "question_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct object_table {
    int fd;
    void *data;
    size_t size;
    struct block *blocks;
    size_t block_count;
    struct relation_field *fields;
    size_t field_count;
};
struct object_scan {
    const struct object_table *table;
    size_t at;
};

static void close_object(void *arg)
{
    struct object_table *table = arg;
    for (size_t i = 0; i < table->block_count; i++)
        block_done(&table->blocks[i]);
    for (size_t i = 0; i < table->field_count; i++)
        if (table->fields[i].name.ptr != table->fields[i].path.ptr)
            free((char *)(uintptr_t)table->fields[i].name.ptr);
    if (table->data)
        munmap(table->data, table->size);
    su_close_fd(&table->fd);
    free(table->blocks);
    free(table->fields);
    free(table);
}

static bool scan_object(void *arg, const struct query_bounds *bounds, void **ret, struct su_err *err)
{
    struct object_scan *scan = su_alloc(sizeof *scan);
    scan->table = arg;
    *ret = scan;
    return true;
}

static enum query_next next_of_object(void *arg, struct query_piece *ret, struct su_err *err)
{
    struct object_scan *scan = arg;
    if (scan->at == scan->table->block_count)
        return QUERY_DONE;
    struct block *block = &scan->table->blocks[scan->at++];
    *ret = (struct query_piece){block, 0, block->rows};
    return QUERY_ROW;
}

static bool is_scalar(enum block_kind kind) { return kind == BLOCK_INT || kind == BLOCK_FLOAT || kind == BLOCK_TEXT; }

/* Integers widen to floats and those to texts; booleans and JSON are fields of their own. */
static void add_field(struct object_table *table, const struct block_column *column)
{
    bool is_taken = false;
    for (size_t i = 0; i < table->field_count; i++) {
        struct relation_field *field = &table->fields[i];
        if (!su_str_equal(field->path, column->name))
            continue;
        is_taken = true;
        if (field->kind == column->kind)
            return;
        if (is_scalar(field->kind) && is_scalar(column->kind)) {
            field->kind = field->kind > column->kind ? field->kind : column->kind;
            return;
        }
    }
    table->fields = su_realloc(table->fields, (table->field_count + 1) * sizeof *table->fields);
    struct relation_field made = {column->name, column->name, column->kind};
    if (is_taken) {
        char *name = su_format("%.*s%s", (int)column->name.len, column->name.ptr,
                               column->kind == BLOCK_BOOL   ? ":bool"
                               : column->kind == BLOCK_JSON ? ":json"
                                                            : ":text");
        made.name = su_str_of(name);
    }
    table->fields[table->field_count++] = made;
}

static bool map_blocks(struct object_table *table, struct su_err *err)
{
    if (table->size == 0)
        return true;
    table->data = mmap(NULL, table->size, PROT_READ, MAP_SHARED, table->fd, 0);
    if (table->data == MAP_FAILED) {
        table->data = NULL;
        return su_fail_errno(err, errno, "can't map an object's columns");
    }
    size_t count = 0, step;
    for (size_t at = 0; at < table->size && (step = block_size((char *)table->data + at, table->size - at)); at += step)
        count++;
    table->blocks = su_alloc((count + 1) * sizeof *table->blocks);
    for (size_t at = 0; table->block_count < count; at += step) {
        step = block_size((char *)table->data + at, table->size - at);
        struct block *block = &table->blocks[table->block_count];
        if (!block_open((char *)table->data + at, table->size - at, block, err))
            return false;
        table->block_count++;
        for (uint32_t i = 0; i < block->column_count; i++)
            if (block->columns[i].role == BLOCK_FIELD)
                add_field(table, &block->columns[i]);
    }
    return true;
}

bool object_as_table(const struct question_sources *sources, const char *tenant, const char *name,
                     struct query_table *ret, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    const struct object_key key = {.tenant = tenant, .kind = OBJECT_DATA, .name = name};
    struct table columns = {.fd = -1};
    if (!object_get(sources->objects, &key, &info, err) ||
        !table_columns(sources->tables, tenant, &info, &columns, err))
        return false;
    struct object_table *table = su_alloc(sizeof *table);
    table->fd = columns.fd;
    table->size = columns.size;
    if (!map_blocks(table, err)) {
        close_object(table);
        return su_prefix(err, "%.200s", name);
    }
    *ret = (struct query_table){.fields = table->fields,
                                .field_count = table->field_count,
                                .time_from_us = INT64_MIN,
                                .time_to_us = INT64_MAX,
                                .arg = table,
                                .scan = scan_object,
                                .next = next_of_object,
                                .end = free,
                                .close = close_object};
    return true;
}
