/* Series out of a stream's log, and as text.  Layer aggregate; any thread. */
#include <inttypes.h>
#include <stdlib.h>

#include "series_private.h"

/* ------------------------------------------------------------------ reading */

/* Offsets and times that can hold what was not read yet. */
static bool range_of(const struct series *series, struct streams *streams, struct sql *db, const struct stream *stream, uint64_t end,
                     struct log_range *ret, struct su_err *err)
{
    const struct series_spec *spec = series->spec;
    int64_t begin_us = spec->last_us && series->first <= series->last ? series->first * series->step_us : spec->from_us;
    bool is_found;
    *ret = (struct log_range){series->next, end, spec->last_us ? INT64_MIN : spec->from_us, spec->to_us};
    if (series->is_begun || begin_us == INT64_MIN)
        return true;
    ret->time_from_us = begin_us;
    return log_find_time(streams_logs(streams), db, stream->log, begin_us, &ret->from, &is_found, err);
}

typedef bool piece_fn(struct series *series, const struct block *block, uint32_t from, uint32_t to, struct su_err *err);

static bool each_piece(struct series *series, struct streams *streams, struct sql *db, const struct stream *stream,
                       const struct log_range *range, piece_fn *take, struct su_err *err)
{
    LOG_AUTO_READER struct log_reader *reader = NULL;
    struct log_piece piece;
    if (range->from >= range->to)
        return true;
    if (!log_read(streams_logs(streams), db, stream->log, range, &reader, err))
        return false;
    series->missing = 0;
    for (;;)
        switch (log_read_next(reader, &piece, err)) {
        case LOG_BLOCK:
            if (!take(series, piece.block, piece.from, piece.to, err))
                return false;
            log_read_release(reader, &piece);
            break;
        case LOG_DAMAGED:
            series->missing += piece.damaged_to - piece.damaged_from;
            break;
        case LOG_END:
            return true;
        case LOG_ERROR:
            return false;
        }
}

bool series_read(struct series *series, struct streams *streams, const struct stream *stream, struct su_err *err)
{
    STORE_READ(streams_store(streams), db);
    struct log_range range;
    uint64_t end;
    int64_t high_us;
    if (!log_end(db, stream->log, &end, &high_us, err) || !range_of(series, streams, db, stream, end, &range, err))
        return false;
    if (!series->is_begun && series->spec->by) {
        if (!each_piece(series, streams, db, stream, &range, series_count_keys, err))
            return false;
        series_choose_keys(series);
    }
    if (!each_piece(series, streams, db, stream, &range, series_add, err))
        return false;
    series->is_begun = true;
    series->next = end;
    return true;
}

/* --------------------------------------------------------------------- text */

static void add_key(const struct series *series, uint32_t key, struct su_buf *out)
{
    char text[32];
    if (!series->spec->by) {
        su_buf_adds(out, "null");
        return;
    }
    struct block_value value = groups_key(series->groups, series->chosen[key], 0);
    switch (value.kind) {
    case BLOCK_INT:
        snprintf(text, sizeof text, "%" PRId64, value.integer);
        su_json_add_text(out, su_str_of(text));
        return;
    case BLOCK_BOOL:
        su_buf_adds(out, value.integer ? "\"true\"" : "\"false\"");
        return;
    case BLOCK_FLOAT:
        snprintf(text, sizeof text, "%.17g", value.number);
        su_json_add_text(out, su_str_of(text));
        return;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        su_json_add_text(out, value.text);
        return;
    default:
        su_buf_adds(out, "null");
    }
}

enum part { PART_T, PART_MIN, PART_MAX, PART_LAST, PART_COUNT };

static void add_part(const struct series *series, const struct bucket *bucket, int64_t n, enum part part, struct su_buf *out)
{
    switch (part) {
    case PART_T: su_buf_addf(out, "%" PRId64, n * (series->step_us / 1000)); return;
    case PART_MIN: su_json_add_number(out, bucket->min); return;
    case PART_MAX: su_json_add_number(out, bucket->max); return;
    case PART_LAST: su_json_add_number(out, bucket->last); return;
    case PART_COUNT: su_buf_addf(out, "%" PRIu32, bucket->count); return;
    }
}

static bool is_told(const struct bucket *bucket, bool is_whole) { return bucket->count && (is_whole || bucket->is_changed); }

static void add_parts(const struct series *series, const struct bucket *ring, bool is_whole, struct su_buf *out)
{
    static const char *const names[] = {"t", "min", "max", "last", "count"};
    for (enum part part = PART_T; part <= PART_COUNT; part++) {
        bool is_first = true;
        su_buf_addf(out, ",\"%s\":[", names[part]);
        for (int64_t n = series->first; ring && n <= series->last; n++) {
            const struct bucket *bucket = &ring[series_slot(series, n)];
            if (!is_told(bucket, is_whole))
                continue;
            if (!is_first)
                su_buf_addc(out, ',');
            add_part(series, bucket, n, part, out);
            is_first = false;
        }
        su_buf_addc(out, ']');
    }
}

static bool has_news(const struct series *series, const struct bucket *ring)
{
    for (int64_t n = series->first; ring && n <= series->last; n++)
        if (is_told(&ring[series_slot(series, n)], false))
            return true;
    return false;
}

/* Number of series told. */
static size_t add_all(struct series *series, bool is_whole, struct su_buf *out)
{
    size_t told = 0;
    for (size_t field = 0; field < series->spec->field_count; field++)
        for (uint32_t key = 0; key < series->key_count; key++) {
            struct bucket *ring = series->rings[key * series->spec->field_count + field];
            if (!is_whole && !has_news(series, ring))
                continue;
            su_buf_adds(out, told++ ? ",{\"field\":" : "{\"field\":");
            su_json_add_text(out, su_str_of(series->spec->fields[field]));
            su_buf_adds(out, ",\"key\":");
            add_key(series, key, out);
            add_parts(series, ring, is_whole, out);
            su_buf_addc(out, '}');
            for (uint32_t i = 0; ring && i < series->spec->points; i++)
                ring[i].is_changed = false;
        }
    return told;
}

static void add_time(const char *name, int64_t us, struct su_buf *out)
{
    if (us == INT64_MIN || us == INT64_MAX)
        su_buf_addf(out, "\"%s\":null,", name);
    else
        su_buf_addf(out, "\"%s\":%" PRId64 ",", name, series_floor(us, 1000));
}

static void add_head(const struct series *series, struct su_buf *out)
{
    const struct series_spec *spec = series->spec;
    bool is_empty = series->first > series->last;
    int64_t from = spec->last_us && !is_empty ? series->first * series->step_us : spec->from_us;
    su_buf_adds(out, "{\"fields\":[");
    for (size_t i = 0; i < spec->field_count; i++) {
        su_buf_adds(out, i ? "," : "");
        su_json_add_text(out, su_str_of(spec->fields[i]));
    }
    su_buf_adds(out, "],\"by\":");
    if (spec->by)
        su_json_add_text(out, su_str_of(spec->by));
    else
        su_buf_adds(out, "null");
    su_buf_addc(out, ',');
    add_time("from", from == INT64_MIN ? series->low_us : from, out);
    add_time("to", spec->to_us == INT64_MAX ? series->high_us : spec->to_us, out);
    su_buf_addf(out, "\"step_ms\":%" PRId64 ",\"next\":%" PRIu64 ",\"messages\":%" PRIu64 ",\"keys_left_out\":%" PRIu32,
                series->step_us / 1000, series->next, series->messages, series->left_out);
    if (series->missing)
        su_buf_addf(out, ",\"missing\":%" PRIu64, series->missing);
}

void series_text(struct series *series, bool is_whole, struct su_buf *out)
{
    size_t before = out->len;
    is_whole = is_whole || series->is_rescaled;
    series->is_rescaled = false;
    add_head(series, out);
    su_buf_addf(out, ",\"whole\":%s,\"series\":[", is_whole ? "true" : "false");
    if (!add_all(series, is_whole, out) && !is_whole) {
        out->len = before;
        return;
    }
    su_buf_adds(out, "]}");
}
