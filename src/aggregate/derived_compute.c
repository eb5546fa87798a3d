/* What a derived stream computes: rows of closed windows, appended with the position after them.  Layer aggregate; the
 * thread "derived". */
#include "derived_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

enum {
    BATCH_ROWS = 20000,
    BATCH_BYTES = 8 << 20,
    WINDOWS_PER_TURN = 256,
    ROWS_PER_WINDOW = 100000,
    BODY_MAX = 4 << 20
};

struct emitting {
    struct worker *worker;
    struct stream *parent;
    struct sql *db;
    struct stream_writer *writer;
    struct window_spec window;
    struct su_buf body, key;
    int64_t end_us; /* of the last window since the last commit; INT64_MIN: none */
};

/* -------------------------------------------------------------------- rows */

static void add_member(struct emitting *emitting, struct block_builder *builder, struct su_str name,
                       const struct block_value *value)
{
    struct su_buf *body = &emitting->body;
    if (!value->kind)
        return;
    block_field field = block_member(builder, BLOCK_ROOT, name);
    if (body->len > 1)
        su_buf_addc(body, ',');
    su_json_add_text(body, name);
    su_buf_addc(body, ':');
    switch (value->kind) {
    case BLOCK_INT:
        block_set_int(builder, field, value->integer);
        su_buf_addf(body, "%lld", (long long)value->integer);
        break;
    case BLOCK_FLOAT:
        block_set_float(builder, field, value->number);
        su_json_add_number(body, value->number);
        break;
    case BLOCK_BOOL:
        block_set_bool(builder, field, value->integer != 0);
        su_buf_adds(body, value->integer ? "true" : "false");
        break;
    case BLOCK_TEXT:
        block_set_text(builder, field, value->text);
        su_json_add_text(body, value->text);
        break;
    case BLOCK_JSON:
        block_set_json(builder, field, value->text);
        su_buf_add(body, value->text.ptr, value->text.len);
        break;
    }
}

static void add_key_part(struct su_buf *key, const struct block_value *value)
{
    switch (value->kind) {
    case BLOCK_INT:
        su_buf_addf(key, "%lld", (long long)value->integer);
        break;
    case BLOCK_FLOAT:
        su_json_add_number(key, value->number);
        break;
    case BLOCK_BOOL:
        su_buf_adds(key, value->integer ? "true" : "false");
        break;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        su_buf_add(key, value->text.ptr, value->text.len);
        break;
    }
}

static struct block_builder *begin_row(struct emitting *emitting)
{
    su_buf_clear(&emitting->body);
    su_buf_clear(&emitting->key);
    su_buf_addc(&emitting->body, '{');
    return stream_writer_begin_row(emitting->writer);
}

static bool end_row(struct emitting *emitting, int64_t time_us, struct su_err *err)
{
    su_buf_addc(&emitting->body, '}');
    if (emitting->body.failed)
        return su_fail(err, SU_LIMIT, "a row is larger than %d MiB", BODY_MAX >> 20);
    struct su_str key = su_buf_str(&emitting->key);
    if (key.len == 0 || key.len > STREAM_KEY_MAX || emitting->key.failed || !su_utf8_valid(key))
        key = (struct su_str){0};
    return stream_writer_end_row(emitting->writer, time_us, key, su_buf_str(&emitting->body), err);
}

/* -------------------------------------------------------------- the commit */

/* Appends what there is, with the position after the windows before start_us. */
static bool commit(struct emitting *emitting, int64_t start_us, struct su_err *err)
{
    struct worker *worker = emitting->worker;
    struct streams *streams = worker->deriveds->streams;
    struct position position = {worker->stream->id, emitting->parent->id, start_us, 0};
    struct stream_appended appended;
    bool is_found;
    if (!log_find_time(streams_logs(streams), emitting->db, emitting->parent->log, start_us, &position.offset,
                       &is_found, err))
        return false;
    if (emitting->end_us != INT64_MIN && !stream_writer_punctuate(emitting->writer, emitting->end_us, err))
        return false;
    const struct stream_commit how = {.also = derived_keep_position, .also_arg = &position};
    if (!stream_writer_commit(emitting->writer, &how, &appended, err))
        return false;
    worker->start_us = start_us;
    emitting->end_us = INT64_MIN;
    return true;
}

/* After a window: commits when the batch is large enough. */
static bool window_is_done(struct emitting *emitting, int64_t start_us, int64_t end_us, struct su_err *err)
{
    emitting->end_us = end_us;
    if (!derived_goes_on(emitting->worker, err))
        return false;
    if (stream_writer_rows(emitting->writer) < BATCH_ROWS && stream_writer_bytes(emitting->writer) < BATCH_BYTES)
        return true;
    return commit(emitting, start_us + window_slide(&emitting->window), err);
}

/* ----------------------------------------------------- declared aggregates */

static bool add_group(struct emitting *emitting, const struct pane *pane, size_t row, struct su_err *err)
{
    const struct rollup_spec *spec = &emitting->worker->definition.rollup;
    struct block_builder *builder = begin_row(emitting);
    char start[SU_TIME_TEXT_US], end[SU_TIME_TEXT_US];
    const struct block_value from = {.kind = BLOCK_TEXT, .text = su_str_of(su_time_text_us(pane->start_us, start))};
    const struct block_value to = {.kind = BLOCK_TEXT, .text = su_str_of(su_time_text_us(pane->end_us, end))};
    add_member(emitting, builder, SU_STR("window_start"), &from);
    add_member(emitting, builder, SU_STR("window_end"), &to);
    for (size_t i = 0; i < spec->by_count; i++) {
        struct block_value value = rollup_key(pane->rollup, pane->groups, row, i);
        add_member(emitting, builder, su_str_of(spec->by[i]), &value);
        su_buf_adds(&emitting->key, i ? "," : "");
        add_key_part(&emitting->key, &value);
    }
    for (size_t i = 0; i < spec->count; i++) {
        struct block_value value = rollup_value(pane->rollup, pane->groups, row, i);
        add_member(emitting, builder, su_str_of(spec->aggregates[i].name), &value);
    }
    return end_row(emitting, pane->end_us - 1, err);
}

static bool add_pane(void *arg, const struct pane *pane, struct su_err *err)
{
    struct emitting *emitting = arg;
    for (size_t row = 0; row < pane->rows; row++)
        if (!add_group(emitting, pane, row, err))
            return false;
    return window_is_done(emitting, pane->start_us, pane->end_us, err);
}

static bool compute_rollup(struct emitting *emitting, int64_t last_us, struct su_err *err)
{
    const struct worker *worker = emitting->worker;
    const struct panes_range range = {worker->start_us, last_us + 1, false};
    return panes_read(streams_logs(worker->deriveds->streams), emitting->db, emitting->parent->log, &emitting->window,
                      &worker->definition.rollup, NULL, &range, add_pane, emitting, NULL, err);
}

/* --------------------------------------------------------------------- SQL */

static bool time_of(const struct block_value *value, int64_t *ret, struct su_err *err)
{
    struct value text = value->kind == BLOCK_TEXT ? value_of_string(value->text.ptr, value->text.len)
                                                  : (struct value){.class = VALUE_NULL};
    *ret = value->kind == BLOCK_INT ? value->integer : text.integer;
    return value->kind == BLOCK_INT || text.class == VALUE_DATETIME ||
           su_fail_field(err, SU_INVALID, "sql",
                         "sql: the column _time must hold times (RFC 3339, or microseconds since 1970)");
}

static bool add_answer_row(struct emitting *emitting, struct query *query, int64_t end_us, struct su_err *err)
{
    struct block_builder *builder = begin_row(emitting);
    const char *key_field = emitting->worker->stream->key_field;
    int64_t time_us = end_us - 1;
    bool is_good = true;
    for (size_t i = 0; i < query_columns(query) && is_good; i++) {
        const char *name = query_column(query, i);
        struct block_value value = query_value(query, i);
        if (strcmp(name, "_time") == 0)
            is_good = !value.kind || time_of(&value, &time_us, err);
        if (strcmp(name, "_key") == 0 || (key_field && strcmp(name, key_field) == 0))
            add_key_part(&emitting->key, &value);
        if (name[0] != '_')
            add_member(emitting, builder, su_str_of(name), &value);
    }
    struct su_err ignored;
    return end_row(emitting, time_us, is_good ? err : &ignored) && is_good;
}

static bool add_answer(struct emitting *emitting, const struct window *window, struct su_err *err)
{
    struct worker *worker = emitting->worker;
    const struct log_range range = window_range(window);
    const struct question question = {.tenant = worker->stream->tenant,
                                      .sql = worker->definition.sql,
                                      .stream = emitting->parent,
                                      .window = &range,
                                      .objects = worker->definition.objects,
                                      .has_objects = true,
                                      .has_streams = true,
                                      .rows_max = ROWS_PER_WINDOW,
                                      .time_ms = worker->deriveds->options.query_ms,
                                      .memory_bytes = worker->deriveds->options.query_memory_bytes};
    QUESTION_AUTO struct asking *asking = NULL;
    if (!question_ask(&worker->deriveds->sources, &question, &asking, err))
        return false;
    struct query *query = question_query(asking);
    enum query_next next;
    while ((next = query_step(query, err)) == QUERY_ROW)
        if (!add_answer_row(emitting, query, window->end_us, err))
            return false;
    if (next == QUERY_DONE && query_is_truncated(query))
        return su_fail(err, SU_LIMIT, "a window gives more than %d rows or too many bytes", ROWS_PER_WINDOW);
    return next == QUERY_DONE;
}

static bool compute_sql(struct emitting *emitting, int64_t *last_us, bool *ret_more, struct su_err *err)
{
    struct worker *worker = emitting->worker;
    struct logs *logs = streams_logs(worker->deriveds->streams);
    int64_t start_us = worker->start_us;
    for (int count = 0;; count++) {
        struct window window;
        bool is_found;
        if (!window_next(logs, emitting->db, emitting->parent->log, &emitting->window, start_us, 0, &window, &is_found,
                         err))
            return false;
        if (!is_found || window.start_us > *last_us)
            return true;
        if (!add_answer(emitting, &window, err) || !window_is_done(emitting, window.start_us, window.end_us, err))
            return false;
        start_us = window.start_us + window_slide(&emitting->window);
        if (count + 1 == WINDOWS_PER_TURN) {
            *ret_more = true;
            *last_us = window.start_us;
            return true;
        }
    }
}

/* --------------------------------------------------------------------- both */

static bool compute(struct emitting *emitting, bool *ret_more, struct su_err *err)
{
    struct worker *worker = emitting->worker;
    uint64_t next;
    int64_t high_us;
    if (!log_end(emitting->db, emitting->parent->log, &next, &high_us, err))
        return false;
    int64_t last_us = panes_last_closed(&emitting->window, high_us);
    if (last_us == INT64_MIN || (worker->start_us != INT64_MIN && last_us < worker->start_us))
        return true;
    if (worker->definition.sql ? !compute_sql(emitting, &last_us, ret_more, err)
                               : !compute_rollup(emitting, last_us, err))
        return false;
    emitting->end_us = last_us + emitting->window.every_us;
    return commit(emitting, last_us + window_slide(&emitting->window), err);
}

bool derived_compute(struct worker *worker, struct stream *parent, struct sql *db, bool *ret_more, struct su_err *err)
{
    struct emitting emitting = {.worker = worker,
                                .parent = parent,
                                .db = db,
                                .window = worker->definition.window,
                                .end_us = INT64_MIN,
                                .body = SU_BUF(BODY_MAX),
                                .key = SU_BUF(4096)};
    emitting.window.delay_us = parent->delay_us;
    if (!stream_writer_open(worker->deriveds->streams, worker->stream, &emitting.writer, err))
        return false;
    bool is_done = compute(&emitting, ret_more, err);
    if (!is_done)
        stream_writer_clear(emitting.writer);
    stream_writer_close(emitting.writer);
    su_buf_done(&emitting.body);
    su_buf_done(&emitting.key);
    return is_done;
}
