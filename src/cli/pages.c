/* Lists and records of the API on the screen.  Layer cli; main thread. */
#include "cli/pages.h"

#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/definition.h"
#include "cli/output.h"
#include "cli/url.h"

enum { PATH_BYTES = 32 << 10, PAGE_ITEMS = 1000, RECORD_COLUMNS = 16 };

/* A list in the making. */
struct printing {
    struct invocation *in;
    const struct pages_view *view;
    struct output_table *table;
    struct output_list list;
    uint64_t count, max;
};

/* ------------------------------------------------------------------- tables */

static struct output_table *new_table(const struct pages_view *view)
{
    const char *titles[PAGES_COLUMNS_MAX];
    size_t columns = 0;
    while (columns < PAGES_COLUMNS_MAX && view->cells[columns].title) {
        titles[columns] = view->cells[columns].title;
        columns++;
    }
    struct output_table *table = columns ? output_table_new(columns, titles) : output_table_new(view->columns, view->titles);
    for (size_t i = 0; i < columns; i++)
        if (view->cells[i].kind == PAGES_NUMBER || view->cells[i].kind == PAGES_SECONDS)
            output_table_right(table, i);
    for (size_t i = 0; i < SU_COUNT(view->right) && view->right[i]; i++)
        output_table_right(table, view->right[i]);
    return table;
}

static const json_t *find_member(const json_t *item, const char *member)
{
    struct su_str first, others;
    bool has_more = su_str_cut(su_str_of(member), '|', &first, &others);
    SU_AUTO_FREE char *path = su_strndup(first.ptr, has_more ? first.len : strlen(member));
    const json_t *value = definition_get(item, path);
    return (!value || json_is_null(value)) && has_more ? find_member(item, others.ptr) : value;
}

static void add_cell(struct output_table *table, const struct pages_cell *cell, const json_t *item)
{
    char text[OUTPUT_TEXT];
    const json_t *value = find_member(item, cell->member);
    if (!value || json_is_null(value)) {
        output_table_add(table, "");
    } else if (cell->kind == PAGES_TIME && json_is_string(value)) {
        output_table_add(table, output_time(json_string_value(value), text));
    } else if (cell->kind == PAGES_SECONDS && json_is_number(value)) {
        output_table_add(table, output_duration(json_number_value(value), text));
    } else if (json_is_real(value)) {
        output_table_addf(table, "%.6g", json_real_value(value));
    } else {
        SU_AUTO_FREE char *line = output_value(value);
        output_table_add(table, line);
    }
}

static void add_row(struct output_table *table, const struct pages_view *view, const json_t *item)
{
    if (view->add_row)
        view->add_row(table, item);
    for (size_t i = 0; !view->add_row && i < PAGES_COLUMNS_MAX && view->cells[i].title; i++)
        add_cell(table, &view->cells[i], item);
}

void pages_print_items(const json_t *items, const struct pages_view *view)
{
    size_t i;
    json_t *item;
    struct output_table *table = new_table(view);
    json_array_foreach(items, i, item)
        add_row(table, view, item);
    if (i)
        output_table_print(table, stdout);
    else
        fprintf(stderr, "%s\n", view->none);
    output_table_free(table);
}

/* -------------------------------------------------------------------- lists */

static void print_items(struct printing *printing, const json_t *items)
{
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item) {
        if (printing->max && printing->count == printing->max)
            return;
        printing->count++;
        if (invocation_wants_json(printing->in))
            output_list_item(&printing->list, item);
        else
            add_row(printing->table, printing->view, item);
    }
}

/* One page; *cursor becomes the next page's or NULL. */
static bool print_page(struct printing *printing, const char *path, char **cursor, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *page = NULL;
    SU_AUTO_BUF struct su_buf full = SU_BUF(PATH_BYTES);
    char limit[24];
    uint64_t wanted = printing->max ? printing->max - printing->count : PAGE_ITEMS;
    snprintf(limit, sizeof limit, "%llu", (unsigned long long)(wanted < PAGE_ITEMS ? wanted : PAGE_ITEMS));
    su_buf_adds(&full, path);
    url_add_query(&full, "limit", limit);
    url_add_query(&full, "cursor", *cursor);
    if (!invocation_client(printing->in, &client, err) || !client_get_json(client, full.ptr, &page, err))
        return false;
    print_items(printing, json_object_get(page, "items"));
    free(*cursor);
    *cursor = su_strdup(su_json_string(page, "next", NULL));
    return true;
}

static void print_end(struct printing *printing)
{
    if (invocation_wants_json(printing->in))
        output_list_end(&printing->list);
    else if (printing->count)
        output_table_print(printing->table, stdout);
    else if (!invocation_is_quiet(printing->in))
        fprintf(stderr, "%s\n", printing->view->none);
}

bool pages_print(struct invocation *in, const char *path, uint64_t max, const struct pages_view *view, struct su_err *err)
{
    struct printing printing = {.in = in, .view = view, .max = max, .table = new_table(view)};
    SU_AUTO_FREE char *cursor = NULL;
    bool done;
    do
        done = print_page(&printing, path, &cursor, err);
    while (done && cursor && !(max && printing.count == max));
    if (done)
        print_end(&printing);
    output_table_free(printing.table);
    return done;
}

void pages_print_facts(const json_t *record)
{
    static const char *const titles[] = {"", ""};
    struct output_table *table = output_table_new(2, titles);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)record, key, value) {
        SU_AUTO_FREE char *text = output_value(value);
        output_table_add(table, key);
        output_table_add(table, json_is_null(value) ? "-" : text);
    }
    output_table_print(table, stdout);
    output_table_free(table);
}

/* The columns of a list of records: the members of all, in the order met. */
static size_t find_columns(const json_t *records, const char **columns)
{
    size_t count = 0, i;
    json_t *record, *value;
    const char *key;
    json_array_foreach(records, i, record) {
        json_object_foreach(record, key, value) {
            size_t at = 0;
            while (at < count && strcmp(columns[at], key) != 0)
                at++;
            if (at == count && count < RECORD_COLUMNS && !json_is_object(value))
                columns[count++] = key;
        }
    }
    return count;
}

void pages_print_records(const json_t *records)
{
    const char *columns[RECORD_COLUMNS] = {NULL};
    size_t count = find_columns(records, columns), i;
    if (!count)
        return;
    struct output_table *table = output_table_new(count, columns);
    json_t *record;
    json_array_foreach(records, i, record) {
        for (size_t k = 0; k < count; k++) {
            const json_t *value = json_object_get(record, columns[k]);
            SU_AUTO_FREE char *text = output_value(value);
            output_table_add(table, json_is_null(value) ? "" : text);
            if (i == 0 && json_is_number(value))
                output_table_right(table, k);
        }
    }
    output_table_print(table, stdout);
    output_table_free(table);
}

/* Every member in a row of its own, members of members under names with dots; lists of records are left to print_lists. */
static void add_flat(struct output_table *table, const char *prefix, const json_t *record)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)record, key, value) {
        SU_AUTO_FREE char *name = su_format("%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(value)) {
            add_flat(table, name, value);
        } else if (!json_is_object(json_array_get(value, 0))) {
            SU_AUTO_FREE char *text = output_value(value);
            output_table_add(table, name);
            output_table_add(table, json_is_null(value) ? "-" : text);
        }
    }
}

static void print_lists(const char *prefix, const json_t *record)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)record, key, value) {
        SU_AUTO_FREE char *name = su_format("%s%s%s", prefix, *prefix ? "." : "", key);
        if (json_is_object(value)) {
            print_lists(name, value);
        } else if (json_is_object(json_array_get(value, 0))) {
            printf("\n%s:\n", name);
            pages_print_records(value);
        }
    }
}

void pages_print_record(const json_t *record)
{
    static const char *const titles[] = {"", ""};
    struct output_table *table = output_table_new(2, titles);
    add_flat(table, "", record);
    output_table_print(table, stdout);
    output_table_free(table);
    print_lists("", record);
}
