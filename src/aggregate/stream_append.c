/* Appending: bodies become rows of a block, and a block a part of the log.  Layer aggregate.
 *
 * Everything that can be done without the writer thread is done on the caller's:
 * parsing, event time, key, the finished block.  The job only gives the block its
 * offset, puts it into the head of the log and keeps the schema. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "stream_private.h"

enum { BATCH_ROWS = 1 << 20, HEADERS_MAX = 64 * 1024, ID_MAX = 1024, BATCHES_KEPT_MS = 86400 * 1000 };
#define BATCH_BYTES ((size_t)192 << 20)     /* a pushed body of 32 MiB with all its columns */

struct stream_writer {
    struct streams *streams;
    struct stream *stream;
    struct block_builder *builder, *dead; /* dead: made when needed */
    struct json_parser *parser;
    int64_t pool_id;                /* whose columns the builder knows */
    int64_t arrival_us, arrival_ns; /* of all messages within a millisecond; monotonic: when it was read */
    uint64_t clamped, bytes;
    bool is_row_begun;
};

bool stream_writer_open(struct streams *streams, struct stream *stream, struct stream_writer **ret, struct su_err *err)
{
    if (stream->is_paused)
        return su_fail(err, SU_CONFLICT, "the stream \"%s\" is paused", stream->name);
    struct stream_writer *writer = NULL;
    su_lock(&streams->lock);
    for (size_t i = 0; i < streams->pool_count && !writer; i++)
        if (streams->pool[i]->pool_id == stream->id) {
            writer = streams->pool[i];
            streams->pool[i] = streams->pool[--streams->pool_count];
        }
    su_unlock(&streams->lock);
    if (!writer) {
        const struct block_limits limits = {.rows_max = BATCH_ROWS, .bytes_max = BATCH_BYTES};
        writer = su_alloc(sizeof *writer);
        writer->builder = block_builder_new(&limits);
        writer->parser = json_parser_new();
    }
    writer->streams = streams;
    writer->stream = stream_ref(stream);
    writer->pool_id = stream->id;
    *ret = writer;
    return true;
}

void stream_writer_destroy(struct stream_writer *writer)
{
    block_builder_free(writer->builder);
    block_builder_free(writer->dead);
    json_parser_free(writer->parser);
    free(writer);
}

enum { POOLED_BYTES = 4 << 20 };

void stream_writer_close(struct stream_writer *writer)
{
    if (!writer)
        return;
    struct streams *streams = writer->streams;
    bool is_small = block_builder_bytes(writer->builder) <= POOLED_BYTES;
    stream_writer_clear(writer);
    stream_unref(su_take(writer->stream));
    struct stream_writer *gone = writer;
    su_lock(&streams->lock);
    if (is_small && streams->pool_count < STREAM_POOL) {
        streams->pool[streams->pool_count++] = writer;
        gone = NULL;
    } else if (is_small) {
        gone = streams->pool[0]; /* the one that has not been asked for longest, about */
        memmove(streams->pool, streams->pool + 1, (STREAM_POOL - 1) * sizeof *streams->pool);
        streams->pool[STREAM_POOL - 1] = writer;
    }
    su_unlock(&streams->lock);
    if (gone)
        stream_writer_destroy(gone);
}

void stream_writer_clear(struct stream_writer *writer)
{
    if (writer->is_row_begun)
        block_drop(writer->builder);
    block_builder_clear(writer->builder);
    if (writer->dead)
        block_builder_clear(writer->dead);
    writer->clamped = writer->bytes = 0;
    writer->arrival_us = 0;
    writer->is_row_begun = false;
}

uint32_t stream_writer_rows(const struct stream_writer *writer) { return block_builder_rows(writer->builder); }
size_t stream_writer_bytes(const struct stream_writer *writer) { return block_builder_bytes(writer->builder); }
bool stream_writer_is_idle(const struct stream_writer *writer)
{
    return block_builder_rows(writer->builder) == 0 && (!writer->dead || block_builder_rows(writer->dead) == 0);
}

/* --- one message -------------------------------------------------------------- */

static int64_t arrival(struct stream_writer *writer)
{
    int64_t now_ns = su_mono_ns();
    if (!writer->arrival_us || now_ns - writer->arrival_ns > 1000000) {
        writer->arrival_us = stream_now_us(writer->streams);
        writer->arrival_ns = now_ns;
    }
    return writer->arrival_us;
}

static bool check_sizes(const struct stream_writer *writer, const struct stream_arrival *given, struct su_err *err)
{
    uint64_t max =
        writer->stream->message_bytes ? writer->stream->message_bytes : writer->streams->options.message_bytes;
    if (given->body.len > max)
        return su_fail_field(err, SU_LIMIT, "message_bytes",
                             "limits.message_bytes: a message may have %" PRIu64 " bytes, this one has %zu", max,
                             given->body.len);
    if (given->key.len > STREAM_KEY_MAX)
        return su_fail_field(err, SU_LIMIT, "key", "a key may have %d bytes, this one has %zu", STREAM_KEY_MAX,
                             given->key.len);
    if (given->id.len > ID_MAX)
        return su_fail_field(err, SU_LIMIT, "id", "a message's id may have %d bytes, this one has %zu", ID_MAX,
                             given->id.len);
    if (given->headers.len > HEADERS_MAX)
        return su_fail_field(err, SU_LIMIT, "headers", "a message's headers may have %d bytes, these have %zu",
                             HEADERS_MAX, given->headers.len);
    return true;
}

static bool time_of_row(struct stream_writer *writer, const struct stream_arrival *given, int64_t arrival_us,
                        int64_t *ret, struct su_err *err)
{
    const struct stream *stream = writer->stream;
    *ret = given->time_us ? given->time_us : arrival_us;
    if (stream->time_field) {
        static const char *const names[STREAM_TIME_FORMAT_COUNT] = {"a time",       "seconds",     "milliseconds",
                                                                    "microseconds", "nanoseconds", "an RFC 3339 time"};
        struct block_value value = block_row_value(writer->builder, su_str_of(stream->time_field));
        if (value.kind == 0) {
            if (!stream->time_may_miss)
                return su_fail_field(err, SU_INVALID, stream->time_field,
                                     "the message has no field \"%s\", which is to be its time", stream->time_field);
        } else if (!stream_time_of(&value, stream->time_format, ret))
            return su_fail_field(err, SU_INVALID, stream->time_field, "the field \"%s\" does not hold %s",
                                 stream->time_field, names[stream->time_format]);
    }
    if (*ret > arrival_us + stream->skew_us) {
        *ret = arrival_us + stream->skew_us;
        writer->clamped++;
    }
    return true;
}

static bool key_of_row(struct stream_writer *writer, const struct stream_arrival *given, char number[static 32],
                       struct su_str *ret, struct su_err *err)
{
    *ret = given->key;
    if (given->key.ptr || !writer->stream->key_field)
        return true;
    struct block_value value = block_row_value(writer->builder, su_str_of(writer->stream->key_field));
    switch (value.kind) {
    case BLOCK_TEXT:
    case BLOCK_JSON:
        *ret = value.text;
        break;
    case BLOCK_INT:
        *ret = (struct su_str){number, (size_t)snprintf(number, 32, "%" PRId64, value.integer)};
        break;
    case BLOCK_FLOAT:
        *ret = (struct su_str){number, (size_t)snprintf(number, 32, "%.17g", value.number)};
        break;
    case BLOCK_BOOL:
        *ret = value.integer ? SU_STR("true") : SU_STR("false");
        break;
    default:
        break;
    }
    return ret->len <= STREAM_KEY_MAX ||
           su_fail_field(err, SU_LIMIT, writer->stream->key_field, "a key may have %d bytes, the field \"%s\" has %zu",
                         STREAM_KEY_MAX, writer->stream->key_field, ret->len);
}

static bool batch_full(struct su_err *err, const struct stream_writer *writer)
{
    return su_fail_slug(err, "batch-full", "one batch holds at most %d messages or %zu MiB; this one has %" PRIu32,
                        BATCH_ROWS, BATCH_BYTES >> 20, block_builder_rows(writer->builder));
}

static bool is_full(const struct stream_writer *writer, size_t more)
{
    return block_builder_rows(writer->builder) >= BATCH_ROWS ||
           block_builder_bytes(writer->builder) + 4 * more + 4096 > BATCH_BYTES;
}

/* One record as one row. */
static bool add_record(struct stream_writer *writer, const struct stream_arrival *given, int64_t arrival_us,
                       struct su_err *err)
{
    if (is_full(writer, given->body.len))
        return batch_full(err, writer);
    block_begin(writer->builder);
    struct block_message message = {
        .arrival_us = arrival_us, .id = given->id, .headers = given->headers, .body = given->body};
    char number[32];
    bool is_read = writer->stream->format == STREAM_TEXT
                       ? su_utf8_valid(given->body) || su_fail(err, SU_INVALID, "the text is not valid UTF-8")
                       : json_parser_row(writer->parser, given->body, writer->builder, err);
    if (!is_read || !time_of_row(writer, given, arrival_us, &message.time_us, err) ||
        !key_of_row(writer, given, number, &message.key, err)) {
        block_drop(writer->builder);
        return false;
    }
    writer->bytes += given->body.len;
    return block_end(writer->builder, &message, err);
}

bool stream_writer_add_one(struct stream_writer *writer, const struct stream_arrival *given, struct su_err *err)
{
    return check_sizes(writer, given, err) && add_record(writer, given, arrival(writer), err);
}

struct splitting {
    struct stream_writer *writer;
    const struct stream_arrival *given;
    int64_t arrival_us;
    uint32_t count;
};

static bool add_element(void *arg, struct su_str element, struct su_err *err)
{
    struct splitting *splitting = arg;
    struct stream_arrival one = *splitting->given;
    one.body = element;
    splitting->count++;
    return add_record(splitting->writer, &one, splitting->arrival_us, err) ||
           su_prefix(err, "record %" PRIu32, splitting->count);
}

static bool add_lines(struct splitting *splitting, struct su_err *err)
{
    struct su_str rest = splitting->given->body, line, tail;
    for (bool has_more = true; has_more; rest = tail) {
        has_more = su_str_cut(rest, '\n', &line, &tail);
        line = su_str_trim(line);
        if (line.len > 0 && !add_element(splitting, line, err))
            return false;
    }
    return true;
}

bool stream_writer_add(struct stream_writer *writer, const struct stream_arrival *given, struct su_err *err)
{
    uint32_t rows = block_builder_rows(writer->builder);
    uint64_t clamped = writer->clamped, bytes = writer->bytes;
    struct splitting splitting = {writer, given, arrival(writer), 0};
    struct su_str body = su_str_trim(given->body);
    if (!check_sizes(writer, given, err))
        return false;
    bool is_added;
    if (writer->stream->format == STREAM_NDJSON)
        is_added = add_lines(&splitting, err);
    else if (writer->stream->format == STREAM_JSON && body.len > 0 && body.ptr[0] == '[')
        is_added = json_parser_elements(writer->parser, body, add_element, &splitting, err);
    else
        return add_record(writer, given, splitting.arrival_us, err);
    if (!is_added) {
        block_cut(writer->builder, rows);
        writer->clamped = clamped;
        writer->bytes = bytes;
    }
    return is_added;
}

bool stream_writer_add_dead(struct stream_writer *writer, const struct stream_arrival *given, const struct su_err *why,
                            struct su_err *err)
{
    enum { DEAD_BODY_MAX = 1 << 20 };
    if (!writer->dead)
        writer->dead = block_builder_new(&(struct block_limits){.rows_max = BATCH_ROWS, .bytes_max = BATCH_BYTES});
    if (block_builder_rows(writer->dead) >= BATCH_ROWS ||
        block_builder_bytes(writer->dead) + given->body.len + 8192 > BATCH_BYTES)
        return batch_full(err, writer);
    int64_t now_us = arrival(writer);
    /* A poison body may be anything: it is kept as bytes, and what is too large for that by its beginning. */
    struct block_message message = {.time_us = now_us,
                                    .arrival_us = now_us,
                                    .key = given->key,
                                    .id = given->id,
                                    .headers = given->headers,
                                    .body = given->body};
    if (message.body.len > DEAD_BODY_MAX)
        message.body.len = DEAD_BODY_MAX;
    if (message.key.len > STREAM_KEY_MAX)
        message.key.len = 0;
    if (message.headers.len > HEADERS_MAX)
        message.headers = (struct su_str){0};
    if (message.id.len > ID_MAX)
        message.id = (struct su_str){0};
    block_begin(writer->dead);
    block_set_text(writer->dead, block_member(writer->dead, BLOCK_ROOT, SU_STR("reason")), su_str_of(why->message));
    block_set_int(writer->dead, block_member(writer->dead, BLOCK_ROOT, SU_STR("bytes")), (int64_t)given->body.len);
    return block_end(writer->dead, &message, err);
}

struct block_builder *stream_writer_begin_row(struct stream_writer *writer)
{
    su_assert(!writer->is_row_begun);
    block_begin(writer->builder);
    writer->is_row_begun = true;
    return writer->builder;
}

bool stream_writer_end_row(struct stream_writer *writer, int64_t time_us, struct su_str key, struct su_str body,
                           struct su_err *err)
{
    su_assert(writer->is_row_begun);
    writer->is_row_begun = false;
    if (is_full(writer, body.len)) {
        block_drop(writer->builder);
        return batch_full(err, writer);
    }
    struct block_message message = {.time_us = time_us, .arrival_us = arrival(writer), .key = key, .body = body};
    writer->bytes += body.len;
    return block_end(writer->builder, &message, err);
}

bool stream_writer_punctuate(struct stream_writer *writer, int64_t time_us, struct su_err *err)
{
    if (is_full(writer, 0))
        return batch_full(err, writer);
    block_begin(writer->builder);
    return block_end(writer->builder, &(struct block_message){.time_us = time_us, .arrival_us = arrival(writer), .flag = BLOCK_PUNCTUATION}, err);
}

/* --- the commit --------------------------------------------------------------- */

struct appending {
    struct stream_writer *writer;
    const struct stream_commit *commit;
    struct su_buf block, dead;
    struct block view; /* of block: which fields it has */
    struct stream_appended appended;
    json_t *schema; /* what the schema has become, or NULL */
    int64_t schema_version;
};

static bool find_batch(struct sql *db, int64_t stream, const char *key, struct stream_appended *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT first, count FROM stream_batches WHERE stream = ?1 AND key = ?2", sql_int(stream),
                  sql_text(key));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW)
        *ret = (struct stream_appended){(uint64_t)sql_col_int(row, 0), (uint64_t)sql_col_int(row, 1), true};
    return next != SQL_ERROR;
}

static bool keep_batch(struct sql *db, int64_t stream, const char *key, const struct stream_appended *appended,
                       struct su_err *err)
{
    int64_t now_ms = su_now_ms();
    return sql_run(db, err, "INSERT INTO stream_batches (stream, key, first, count, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                   sql_int(stream), sql_text(key), sql_int((int64_t)appended->first), sql_int((int64_t)appended->count),
                   sql_int(now_ms)) &&
           sql_run(db, err, "DELETE FROM stream_batches WHERE at_ms < ?1", sql_int(now_ms - BATCHES_KEPT_MS));
}

/* On the writer thread; may be run again when its transaction failed as a whole. */
static bool append_job(struct sql *db, void *arg, struct su_err *err)
{
    struct appending *appending = arg;
    struct streams *streams = appending->writer->streams;
    const struct stream *stream = appending->writer->stream;
    const struct stream_commit *commit = appending->commit;
    appending->appended = (struct stream_appended){.count = block_builder_rows(appending->writer->builder)};
    if (commit->idempotency_key) {
        if (!find_batch(db, stream->id, commit->idempotency_key, &appending->appended, err))
            return false;
        if (appending->appended.is_repeated)
            return true;
    }
    if (appending->block.len) {
        if (!log_append(streams->logs, db, stream->log, appending->block.ptr, appending->block.len,
                        &appending->appended.first, err) ||
            !stream_schema_add(streams, db, stream, &appending->view, &appending->schema, &appending->schema_version,
                               err))
            return false;
    } else if (!log_end(db, stream->log, &appending->appended.first, &(int64_t){0}, err))
        return false;
    uint64_t ignored;
    if (appending->dead.len &&
        !log_append(streams->logs, db, stream->dead_log, appending->dead.ptr, appending->dead.len, &ignored, err))
        return false;
    if (commit->idempotency_key && !keep_batch(db, stream->id, commit->idempotency_key, &appending->appended, err))
        return false;
    return !commit->also || commit->also(db, commit->also_arg, &appending->appended, err);
}

/* A stream's own limit of messages a second: a bucket that holds one second's worth. */
static bool take_tokens(struct stream_writer *writer, struct live *live, uint64_t count, struct su_err *err)
{
    double rate = (double)writer->stream->messages_per_s;
    if (rate <= 0)
        return true;
    int64_t now_ms = su_mono_ms();
    double tokens = live->tokens + rate * (double)(now_ms - live->bucket_ms) / 1000;
    live->tokens = tokens > rate ? rate : tokens;
    live->bucket_ms = now_ms;
    if (live->tokens <= 0) {
        su_fail_slug(err, "rate-limited", "limits.messages_per_s: the stream \"%s\" takes %.0f messages a second",
                     writer->stream->name, rate);
        return su_hint(err, "send the same again in a second");
    }
    live->tokens -= (double)count; /* may go below zero: a large batch is paid for afterwards */
    return true;
}

static bool admit(struct stream_writer *writer, size_t bytes, struct su_err *err)
{
    struct streams *streams = writer->streams;
    {
        SU_LOCKED(&streams->lock);
        if (!take_tokens(writer, stream_live(streams, writer->stream), block_builder_rows(writer->builder), err))
            return false;
    }
    uint64_t queued = atomic_fetch_add(&streams->queued_bytes, bytes);
    if (queued == 0 || queued + bytes <= streams->options.queued_bytes)
        return true;
    atomic_fetch_sub(&streams->queued_bytes, bytes);
    su_fail_slug(err, "backpressure", "stream_queued_bytes: more than %" PRIu64 " bytes wait for the disk",
                 streams->options.queued_bytes);
    return su_hint(err, "send the same again in a second");
}

static void count(struct stream_writer *writer, const struct stream_appended *appended)
{
    struct streams *streams = writer->streams;
    SU_LOCKED(&streams->lock);
    struct live *live = stream_live(streams, writer->stream);
    int64_t now_ms = su_mono_ms(), second = now_ms / 1000;
    typeof(live->rate[0]) *rate = &live->rate[second % STREAM_RATE_SECONDS];
    if (rate->second != second)
        *rate = (typeof(*rate)){.second = second};
    rate->messages += appended->count;
    rate->bytes += writer->bytes;
    if (writer->stream->source != STREAM_SYSTEM)
        stream_rate_add(streams, writer->stream->tenant, second, appended->count);
    live->messages += appended->count;
    live->bytes += writer->bytes;
    live->clamped += writer->clamped;
    live->dead += writer->dead ? block_builder_rows(writer->dead) : 0;
    if (appended->count) {
        live->appended_ms = now_ms;
        live->punctuated_us = 0;
        if (live->stream != writer->stream) {
            stream_unref(live->stream);
            live->stream = stream_ref(writer->stream);
        }
        int64_t due_ms = live->retained_ms + STREAM_RETAIN_MS;
        stream_due(streams, due_ms > now_ms ? due_ms : now_ms + STREAM_RETAIN_SOON_MS);
        if (writer->stream->idle_us)
            stream_due(streams, now_ms + writer->stream->idle_us / 1000);
    }
}

/* The blocks, and a view of the fields; false leaves nothing to free. */
static bool prepare(struct stream_writer *writer, struct appending *appending, struct su_err *err)
{
    if (block_builder_rows(writer->builder) &&
        (!block_finish(writer->builder, 0, &appending->block, err) ||
         !block_open(appending->block.ptr, appending->block.len, &appending->view, err)))
        return false;
    return !writer->dead || !block_builder_rows(writer->dead) || block_finish(writer->dead, 0, &appending->dead, err);
}

bool stream_writer_commit(struct stream_writer *writer, const struct stream_commit *commit, struct stream_appended *ret,
                          struct su_err *err)
{
    static const struct stream_commit plain = {0};
    struct appending appending = {.writer = writer,
                                  .commit = commit ? commit : &plain,
                                  .block = SU_BUF(4 * BATCH_BYTES),
                                  .dead = SU_BUF(4 * BATCH_BYTES)};
    bool is_done = prepare(writer, &appending, err);
    size_t bytes = appending.block.len + appending.dead.len;
    if (is_done && (is_done = admit(writer, bytes, err))) {
        is_done = store_write(writer->streams->store, append_job, &appending, err);
        atomic_fetch_sub(&writer->streams->queued_bytes, bytes);
    }
    block_done(&appending.view);
    su_buf_done(&appending.block);
    su_buf_done(&appending.dead);
    if (!is_done) {
        json_decref(appending.schema);
        return false;
    }
    if (appending.schema)
        stream_schema_remember(writer->streams, writer->stream, appending.schema, appending.schema_version);
    *ret = appending.appended;
    if (!appending.appended.is_repeated) {
        count(writer, &appending.appended);
        if (appending.appended.count)
            stream_tell(writer->streams, writer->stream);
    }
    stream_writer_clear(writer);
    return true;
}
