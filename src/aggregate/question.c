/* Questions: see question.h.  Layer aggregate. */
#include "question_private.h"

#include <stdlib.h>
#include <string.h>

enum { STREAMS_MAX = 32 };

/* A stream as a table. */
struct stream_table {
    struct asking *asking;
    struct stream *stream;
    struct log_range range;
    json_t *schema; /* what the fields' names borrow from */
    struct relation_field *fields;
    size_t field_count;
};

struct asking {
    struct question_sources sources;
    const struct question *question;
    struct sql *db;
    struct query *query;
    int64_t window_us; /* of the range: for rate() */
    struct su_buf damage;
};

/* ------------------------------------------------------------------- scans */

struct stream_scan {
    struct stream_table *table;
    struct log_reader *reader;
};

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }
static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }
static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

static bool scan_stream(void *arg, const struct query_bounds *bounds, void **ret, struct su_err *err)
{
    struct stream_table *table = arg;
    struct log_range range = {most(table->range.from, bounds->from), least(table->range.to, bounds->to),
                              later(table->range.time_from_us, bounds->time_from_us),
                              earlier(table->range.time_to_us, bounds->time_to_us)};
    struct stream_scan *scan = su_alloc(sizeof *scan);
    scan->table = table;
    if (range.from < range.to && range.time_from_us < range.time_to_us &&
        !log_read(streams_logs(table->asking->sources.streams), table->asking->db, table->stream->log, &range,
                  &scan->reader, err)) {
        free(scan);
        return false;
    }
    *ret = scan;
    return true;
}

static enum query_next next_of_stream(void *arg, struct query_piece *ret, struct su_err *err)
{
    struct stream_scan *scan = arg;
    while (scan->reader) {
        struct log_piece piece = {0};
        struct su_err why;
        switch (log_read_next(scan->reader, &piece, &why)) {
        case LOG_BLOCK:
            *ret = (struct query_piece){piece.block, piece.from, piece.to};
            return QUERY_ROW;
        case LOG_END:
            return QUERY_DONE;
        case LOG_ERROR:
            *err = why;
            return QUERY_ERROR;
        case LOG_DAMAGED:
            su_buf_addf(&scan->table->asking->damage, "%s: messages %llu to %llu can't be read: %s. ",
                        scan->table->stream->name, (unsigned long long)piece.damaged_from,
                        (unsigned long long)piece.damaged_to, why.message);
            break;
        }
    }
    return QUERY_DONE;
}

static void end_scan(void *arg)
{
    struct stream_scan *scan = arg;
    log_reader_free(scan->reader);
    free(scan);
}

/* ------------------------------------------------------------------ tables */

static void close_stream(void *arg)
{
    struct stream_table *table = arg;
    json_decref(table->schema);
    stream_unref(table->stream);
    free(table->fields);
    free(table);
}

static enum block_kind kind_of(const char *name)
{
    static const char *const names[] = {[BLOCK_INT] = "int",
                                        [BLOCK_FLOAT] = "float",
                                        [BLOCK_BOOL] = "bool",
                                        [BLOCK_TEXT] = "text",
                                        [BLOCK_JSON] = "json"};
    for (enum block_kind kind = BLOCK_INT; kind <= BLOCK_JSON; kind++)
        if (strcmp(names[kind], name) == 0)
            return kind;
    return BLOCK_TEXT;
}

/* A field whose name has its kind behind it ("x:json") is that column of x. */
static struct su_str path_of(struct su_str name, enum block_kind kind)
{
    struct su_str suffix = kind == BLOCK_BOOL ? SU_STR(":bool") : kind == BLOCK_JSON ? SU_STR(":json") : SU_STR("");
    if (suffix.len && su_str_ends(name, suffix))
        name.len -= suffix.len;
    return name;
}

static bool read_fields(struct stream_table *table, struct su_err *err)
{
    if (!stream_schema(table->asking->sources.streams, table->stream, table->asking->db, &table->schema, err))
        return false;
    json_t *list = json_object_get(table->schema, "fields"), *item;
    size_t at;
    table->fields = su_alloc((json_array_size(list) + 1) * sizeof *table->fields);
    json_array_foreach(list, at, item)
    {
        struct su_str name = su_str_of(su_json_string(item, "name", ""));
        enum block_kind kind = kind_of(su_json_string(item, "kind", "text"));
        table->fields[table->field_count++] = (struct relation_field){name, path_of(name, kind), kind};
    }
    return true;
}

static bool range_of(struct stream_table *table, struct su_err *err)
{
    struct asking *asking = table->asking;
    const struct question *question = asking->question;
    uint64_t last_ms;
    if (question->window)
        table->range = *question->window;
    else if (!stream_range(asking->sources.streams, table->stream, asking->db, question->from, question->to,
                           question->last, &table->range, err))
        return false;
    if (question->last && su_str_duration_ms(su_str_of(question->last), &last_ms))
        asking->window_us = (int64_t)last_ms * 1000;
    else if (table->range.time_from_us != INT64_MIN && table->range.time_to_us != INT64_MAX)
        asking->window_us = table->range.time_to_us - table->range.time_from_us;
    return true;
}

/* Takes the reference. */
static bool stream_as_table(struct asking *asking, struct stream *stream, struct query_table *ret, struct su_err *err)
{
    struct stream_table *table = su_alloc(sizeof *table);
    table->asking = asking;
    table->stream = stream;
    if (!range_of(table, err) || !read_fields(table, err)) {
        close_stream(table);
        return false;
    }
    *ret = (struct query_table){table->fields,
                                table->field_count,
                                true,
                                table->range.time_from_us,
                                table->range.time_to_us,
                                table,
                                scan_stream,
                                next_of_stream,
                                end_scan,
                                close_stream};
    return true;
}

static bool fail_unknown(const struct question *question, const char *name, struct su_err *err)
{
    su_fail_field(err, SU_NOT_FOUND, "sql", "sql: there is no stream or object \"%.200s\" that may be asked here",
                  name);
    if (question->stream)
        return su_hint(err, "the stream is \"%.120s\"; objects must be listed in `objects`", question->stream->name);
    return su_hint(err, "names are exact; quote those that hold / or .: \"nfl/week1.csv\"");
}

static bool may_ask(const struct question *question, const char *name)
{
    size_t at;
    json_t *item;
    if (!question->objects || !question->has_objects)
        return question->has_objects;
    json_array_foreach((json_t *)question->objects, at,
                       item) if (json_is_string(item) && strcmp(json_string_value(item), name) == 0) return true;
    return false;
}

static bool resolve(void *arg, const char *name, struct query_table *ret, struct su_err *err)
{
    struct asking *asking = arg;
    const struct question *question = asking->question;
    if (question->stream && strcmp(question->stream->name, name) == 0)
        return stream_as_table(asking, stream_ref(question->stream), ret, err);
    struct stream *stream;
    if (!question->stream && question->has_streams) {
        if (stream_get(asking->sources.streams, question->tenant, name, &stream, err))
            return stream_as_table(asking, stream, ret, err);
        if (err->code != SU_NOT_FOUND)
            return false;
    }
    if (!asking->sources.tables || !may_ask(question, name))
        return fail_unknown(question, name, err);
    return object_as_table(&asking->sources, question->tenant, name, ret, err) ||
           (err->code == SU_NOT_FOUND && fail_unknown(question, name, err));
}

/* ------------------------------------------------------------------ asking */

bool question_ask(const struct question_sources *sources, const struct question *question, struct asking **ret,
                  struct su_err *err)
{
    struct asking *asking = su_alloc(sizeof *asking);
    *asking = (struct asking){.sources = *sources, .question = question, .damage = SU_BUF(4096)};
    asking->db = store_reader(streams_store(sources->streams));
    const struct query_options options = {.arg = asking,
                                          .resolve = resolve,
                                          .window_us = &asking->window_us,
                                          .time_ms = question->time_ms,
                                          .memory_bytes = question->memory_bytes,
                                          .rows_max = question->rows_max,
                                          .bytes_max = question->bytes_max};
    if (!query_open(&options, su_str_of(question->sql), &asking->query, err)) {
        question_close(asking);
        return false;
    }
    *ret = asking;
    return true;
}

void question_close(struct asking *asking)
{
    if (!asking)
        return;
    query_close(asking->query);
    store_reader_done(streams_store(asking->sources.streams), asking->db);
    su_buf_done(&asking->damage);
    free(asking);
}

struct query *question_query(struct asking *asking) { return asking->query; }
const char *question_damage(const struct asking *asking) { return asking->damage.len ? asking->damage.ptr : NULL; }
