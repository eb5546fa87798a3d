/* NDJSON and JSON lists to blocks.  Layer aggregate; see table.h. */
#include "table_private.h"
#include <string.h>
#include "json_block.h"

struct json_table { struct table_sink *sink; struct json_parser *parser; uint64_t line; };

static bool add(struct json_table *table, struct su_str text, struct su_err *err)
{
    table->line++;
    text = su_str_trim(text);
    if (text.len == 0)
        return true;
    table_flat_line(table->sink, text);
    block_begin(table->sink->builder);
    if (json_parser_row(table->parser, text, table->sink->builder, err))
        return table_row(table->sink, err);
    struct su_err why = *err;
    return table_refuse(err, "record %llu: %s", (unsigned long long)table->line, why.message);
}

static bool add_element(void *arg, struct su_str element, struct su_err *err) { return add(arg, element, err); }

static bool read_lines(struct table_text *text, struct json_table *table, struct su_err *err)
{
    do {
        if (!table_text_fill(text, err))
            return false;
        for (;;) {
            const char *begin = text->buffer + text->at, *stop = memchr(begin, '\n', text->end - text->at);
            if (stop == NULL && !text->is_last)
                break;
            size_t len = stop != NULL ? (size_t)(stop - begin) : text->end - text->at;
            if (!add(table, (struct su_str){begin, len}, err))
                return false;
            text->at += len + (stop != NULL);
            if (text->at == text->end)
                break;
        }
    } while (!text->is_last);
    return true;
}

/* As a whole: a list larger than a record may be is not parsed. */
static bool read_list(struct table_text *text, struct json_table *table, struct su_err *err)
{
    do {
        if (!table_text_fill(text, err))
            return false;
    } while (!text->is_last);
    struct su_str all = su_str_trim((struct su_str){text->buffer, text->end});
    if (all.len == 0 || all.ptr[0] != '[')
        return table_refuse(err, "the JSON is no list of records");
    struct su_err why;
    if (json_parser_elements(table->parser, all, add_element, table, &why))
        return true;
    return why.code == SU_INVALID ? table_refuse(err, "%s", why.message) : (*err = why, false);
}

static bool read_json(int fd, struct table_sink *sink, bool (*read)(struct table_text *, struct json_table *, struct su_err *), struct su_err *err)
{
    struct json_table table = {.sink = sink, .parser = json_parser_new()};
    struct table_text text = {0};
    sink->is_lines = read == read_lines;
    if (!sink->is_lines)
        table_differs(sink, "the values of JSON come in kinds of their own");
    bool is_done = table_text_open(fd, &text, err) && read(&text, &table, err);
    table_text_done(&text);
    json_parser_free(table.parser);
    return is_done;
}

bool table_read_ndjson(int fd, struct table_sink *sink, struct su_err *err) { return read_json(fd, sink, read_lines, err); }
bool table_read_json(int fd, struct table_sink *sink, struct su_err *err) { return read_json(fd, sink, read_list, err); }
