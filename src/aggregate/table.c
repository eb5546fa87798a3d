/* Objects as columns, kept by content: see table.h.  Layer aggregate; any thread. */
#include "table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "blobref.h"
#include "csv.h"
#include "profile.h"
#include "table_private.h"

enum { BUFFER_FIRST = 1 << 20, BUFFER_MAX = 64 << 20, BLOCK_BYTES = 48 << 20, OUT_MAX = 1 << 30 };
#define NOTE_KEY "columns/1"    /* of the kept blocks: a change of what is in them makes old ones unknown */

struct tables {
    struct store *store;
    struct tables_options options;
    struct su_lock lock;        /* held by the one that parses */
};

bool tables_open(struct store *store, const struct tables_options *options, struct tables **ret, struct su_err *err)
{
    (void)err;
    struct tables *tables = su_alloc(sizeof *tables);
    tables->store = store;
    tables->options = options ? *options : (struct tables_options){0};
    if (tables->options.size_max == 0)
        tables->options.size_max = UINT64_C(1) << 30;
    if (tables->options.rows_max == 0)
        tables->options.rows_max = 131072;
    su_lock_init(&tables->lock);
    *ret = tables;
    return true;
}

void tables_close(struct tables *tables)
{
    if (tables == NULL)
        return;
    su_lock_done(&tables->lock);
    free(tables);
}

/* --- text ------------------------------------------------------------------ */

static bool read_file(void *arg, void *data, size_t cap, size_t *ret, struct su_err *err)
{
    ssize_t got;
    do
        got = read(*(int *)arg, data, cap);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return su_fail_errno(err, errno, "the content can't be read");
    *ret = (size_t)got;
    return true;
}

bool table_text_open(int fd, struct table_text *ret, struct su_err *err)
{
    if (lseek(fd, 0, SEEK_SET) < 0)
        return su_fail_errno(err, errno, "the content can't be read");
    *ret = (struct table_text){.fd = fd, .capacity = BUFFER_FIRST};
    ret->buffer = su_alloc(ret->capacity + CSV_PADDING);
    ret->decoder = decoder_new(read_file, &ret->fd, NULL);
    return true;
}

void table_text_done(struct table_text *text)
{
    decoder_free(text->decoder);
    free(text->buffer);
}

bool table_text_fill(struct table_text *text, struct su_err *err)
{
    memmove(text->buffer, text->buffer + text->at, text->end - text->at);
    text->end -= text->at;
    text->at = 0;
    if (text->capacity - text->end < text->capacity / 2) {
        if (text->capacity >= BUFFER_MAX)
            return table_refuse(err, "a record of the table is larger than %d MiB", BUFFER_MAX >> 20);
        text->capacity *= 2;
        text->buffer = su_realloc(text->buffer, text->capacity + CSV_PADDING);
    }
    size_t got = 1;
    while (got > 0 && text->capacity - text->end >= 16) {
        if (!decoder_read(text->decoder, text->buffer + text->end, text->capacity - text->end, &got, err))
            return false;
        text->end += got;
    }
    text->is_last = got == 0;
    memset(text->buffer + text->end, 0, CSV_PADDING);
    return true;
}

/* --- blocks ------------------------------------------------------------------ */

bool table_refuse(struct su_err *err, const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return su_fail_slug(err, "not-columnar", "%s", text);
}

void table_differs(struct table_sink *sink, const char *format, ...)
{
    if (!sink->is_frame)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(sink->why, sizeof sink->why, format, list);
    va_end(list);
    sink->is_frame = false;
}

bool table_flush(struct table_sink *sink, struct su_err *err)
{
    uint32_t rows = block_builder_rows(sink->builder);
    if (rows == 0)
        return true;
    su_buf_clear(&sink->out);
    if (!block_finish(sink->builder, sink->rows, &sink->out, err) || !table_flat_block(sink, err)
        || !blob_writer_add(sink->writer, sink->out.ptr, sink->out.len, err))
        return false;
    block_builder_clear(sink->builder);
    sink->rows += rows;
    return true;
}

bool table_row(struct table_sink *sink, struct su_err *err)
{
    const struct block_message message = {.body = {"", 0}};
    if (!block_end(sink->builder, &message, err))
        return false;
    return (block_builder_rows(sink->builder) < sink->rows_max && block_builder_bytes(sink->builder) < BLOCK_BYTES) || table_flush(sink, err);
}

/* --- parsing ------------------------------------------------------------------ */

static bool parse(const struct object_info *info, int fd, struct table_sink *sink, struct su_err *err)
{
    switch (profile_hint_of(info->name, info->type)) {
    case PROFILE_CSV: return table_read_csv(fd, sink, err);
    case PROFILE_NDJSON: return table_read_ndjson(fd, sink, err);
    case PROFILE_JSON: return table_read_json(fd, sink, err);
    case PROFILE_UNKNOWN:
    case PROFILE_TEXT:
    case PROFILE_HINT_COUNT: break;
    }
    return table_refuse(err, "%s is no table: its name and type promise neither CSV nor JSON", info->name);
}

struct keeping { const char *tenant; const struct object_info *info; const char *sha256; const char *note; };

static bool keep_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct keeping *keeping = arg;
    SU_AUTO_FREE char *holder = su_format("columns/%s", keeping->info->sha256);
    SU_AUTO_FREE char *note = NULL;
    if (!blobref_note(db, keeping->tenant, keeping->info->sha256, NOTE_KEY, keeping->note, err)
        || !blobref_note_get(db, keeping->tenant, keeping->info->sha256, NOTE_KEY, &note, err))
        return false;
    /* Without a note nobody needs the blob: the object went meanwhile. */
    return note == NULL || keeping->sha256 == NULL || blobref_hold(db, keeping->tenant, holder, keeping->sha256, err);
}

static bool keep(struct tables *tables, const char *tenant, const struct object_info *info, const char *sha256, json_t *note, struct su_err *err)
{
    SU_AUTO_FREE char *text = su_json_text(note);
    struct keeping keeping = {tenant, info, sha256, text};
    return store_write(tables->store, keep_job, &keeping, err);
}

static bool parse_into(struct tables *tables, const struct object_info *info, struct blob_writer *writer, struct table_sink *sink,
                       struct su_err *err)
{
    SU_AUTO_FD int fd = -1;
    uint64_t size;
    if (info->size > tables->options.size_max)
        return table_refuse(err, "%s has more than %llu MiB", info->name, (unsigned long long)(tables->options.size_max >> 20));
    if (!blob_open(store_blobs(tables->store), info->sha256, &fd, &size, err))
        return false;
    *sink = (struct table_sink){.writer = writer, .rows_max = tables->options.rows_max, .out = SU_BUF(OUT_MAX), .is_frame = true};
    const struct block_limits limits = {.columns_max = 4096, .rows_max = tables->options.rows_max, .bytes_max = BLOCK_BYTES * 3, .is_table = true};
    sink->builder = block_builder_new(&limits);
    bool is_done = parse(info, fd, sink, err) && table_flush(sink, err);
    block_builder_free(sink->builder);
    su_buf_done(&sink->out);
    json_decref(sink->classes);
    return is_done && (sink->rows > 0 || table_refuse(err, "%s has no records", info->name));
}

/* A message that quotes a name may have cut it within a character. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_string("a name in it is too long to be told");
}

static bool make(struct tables *tables, const char *tenant, const struct object_info *info, struct table *ret, struct su_err *err)
{
    BLOB_AUTO_WRITER struct blob_writer *writer = NULL;
    struct table_sink sink;
    char sha256[SU_SHA256_HEX];
    int64_t start_ms = su_mono_ms();
    if (!blob_writer_open(store_blobs(tables->store), &writer, err))
        return false;
    if (!parse_into(tables, info, writer, &sink, err)) {
        if (err->slug != NULL && strcmp(err->slug, "not-columnar") == 0) {
            struct su_err other;
            SU_AUTO_JSON json_t *refusal = json_pack("{s:o}", "refused", text_json(err->message));
            keep(tables, tenant, info, NULL, refusal, &other);
        }
        return false;
    }
    *ret = (struct table){.fd = -1, .size = blob_writer_size(writer), .rows = sink.rows, .is_frame = sink.is_frame};
    memcpy(ret->why, sink.why, sizeof ret->why);
    if (!blob_writer_commit(writer, sha256, err))
        return false;
    SU_AUTO_JSON json_t *note = json_pack("{s:s, s:I, s:b, s:o}", "sha256", sha256, "rows", (json_int_t)ret->rows, "frame", ret->is_frame,
                                          "why", text_json(ret->why));
    uint64_t size;
    if (!keep(tables, tenant, info, sha256, note, err) || !blob_open(store_blobs(tables->store), sha256, &ret->fd, &size, err))
        return false;
    su_log(SU_LOG_INFO, "table.parsed", su_kv_text("name", info->name), su_kv_int("rows", (int64_t)ret->rows),
           su_kv_int("bytes", (int64_t)ret->size), su_kv_int("ms", su_mono_ms() - start_ms));
    return true;
}

/* --- what is kept --------------------------------------------------------------- */

static bool load(struct tables *tables, const char *tenant, const struct object_info *info, json_t **ret, struct su_err *err)
{
    STORE_READ(tables->store, db);
    SU_AUTO_FREE char *note = NULL;
    if (!blobref_note_get(db, tenant, info->sha256, NOTE_KEY, &note, err))
        return false;
    *ret = note ? json_loads(note, 0, NULL) : NULL;
    return true;
}

/* *ret_found: it is kept, or known to be no table (then false). */
static bool find(struct tables *tables, const char *tenant, const struct object_info *info, struct table *ret, bool *ret_found, struct su_err *err)
{
    SU_AUTO_JSON json_t *note = NULL;
    *ret_found = false;
    if (!load(tables, tenant, info, &note, err) || note == NULL)
        return note != NULL || !(*ret_found = false);
    const char *refused = su_json_string(note, "refused", NULL), *sha256 = su_json_string(note, "sha256", "");
    if (refused != NULL)
        return table_refuse(err, "%s", refused);
    *ret = (struct table){.fd = -1, .rows = (uint64_t)su_json_int(note, "rows", 0), .is_frame = su_json_bool(note, "frame", false)};
    snprintf(ret->why, sizeof ret->why, "%s", su_json_string(note, "why", ""));
    struct su_err gone;
    *ret_found = blob_open(store_blobs(tables->store), sha256, &ret->fd, &ret->size, &gone);
    return true;
}

bool table_columns(struct tables *tables, const char *tenant, const struct object_info *info, struct table *ret, struct su_err *err)
{
    bool is_found;
    if (!find(tables, tenant, info, ret, &is_found, err))
        return false;
    if (is_found)
        return true;
    SU_LOCKED(&tables->lock);
    if (!find(tables, tenant, info, ret, &is_found, err))
        return false;
    return is_found || make(tables, tenant, info, ret, err);
}
