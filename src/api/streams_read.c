/* GET …/messages: a page as JSON, or a whole range as NDJSON or CSV, streamed.  Layer api; workers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "streams_private.h"

/* ------------------------------------------------------------------ pages */

enum { PAGE_BYTES = 8 * 1024 * 1024, PAGE_ITEMS = 10000 };
#define REPLY_MAX ((size_t)256 << 20)

struct page { struct su_buf items, holes; enum item_body body; size_t count, limit; };

static enum item_verdict add_to_page(void *arg, const struct item *item, struct su_err *err)
{
    struct page *page = arg;
    if (page->count == page->limit || page->items.len >= PAGE_BYTES)
        return ITEM_TOO_MUCH;
    struct su_buf *out = item->kind == ITEM_MESSAGE ? &page->items : &page->holes;
    if (out->len)
        su_buf_addc(out, ',');
    if (item->kind != ITEM_MESSAGE) {
        item_hole_json(item, out);
        return ITEM_NEXT;
    }
    page->count++;
    return item_json(item, page->body, out, err) ? ITEM_NEXT : ITEM_TOO_MUCH;
}

bool streams_reply_page(struct stream_cursor *cursor, enum item_body body, size_t limit, struct reply *reply, struct su_err *err)
{
    struct page page = {SU_BUF(REPLY_MAX), SU_BUF(REPLY_MAX), body, 0, limit};
    SU_AUTO_BUF struct su_buf out = SU_BUF(2 * REPLY_MAX);
    bool is_end, is_read = stream_read_on(cursor, &(struct item_taker){add_to_page, &page}, &is_end, err);
    su_buf_adds(&out, "{\"items\":[");
    su_buf_add(&out, su_buf_str(&page.items).ptr, page.items.len);
    if (is_read && !is_end)
        su_buf_addf(&out, "],\"next\":%" PRIu64, cursor->range.from);
    else
        su_buf_adds(&out, "],\"next\":null");
    if (page.holes.len)
        su_buf_addf(&out, ",\"missing\":[%s]", su_buf_str(&page.holes).ptr);
    su_buf_adds(&out, "}");
    bool is_whole = !page.items.failed && !page.holes.failed && !out.failed;
    su_buf_done(&page.items);
    su_buf_done(&page.holes);
    if (!is_read)
        return false;
    if (!is_whole)
        return su_fail(err, SU_LIMIT, "the page has more than %zu bytes; ask for fewer with limit", REPLY_MAX);
    size_t len;
    char *text = su_buf_take(&out, &len);
    reply_take(reply, 200, "application/json", text, len);
    return true;
}

/* ----------------------------------------------------------------- NDJSON */

enum { FLOW_ENOUGH = 256 * 1024 };

struct flow {
    struct stream *stream;
    struct stream_cursor cursor;
    enum item_body body;
    bool is_raw;                /* bodies only */
    struct su_buf *out;         /* of the fill under way */
    /* CSV: names of the fields in order, and the columns of the block at hand, `KINDS` for each. */
    char **names;
    size_t name_count, name_capacity;
    const struct block_column **columns;
    bool has_head;
};
enum { KINDS = 4 };

static void flow_free(void *state)
{
    struct flow *flow = state;
    stream_unref(flow->stream);
    for (size_t i = 0; i < flow->name_count; i++)
        free(flow->names[i]);
    free(flow->names);
    free(flow->columns);
    free(flow);
}

static struct flow *flow_new(struct stream *stream, const struct stream_cursor *cursor)
{
    struct flow *flow = su_alloc(sizeof *flow);
    flow->stream = stream_ref(stream);
    flow->cursor = *cursor;
    flow->body = streams_body(stream);
    return flow;
}

static enum item_verdict enough(const struct flow *flow) { return flow->out->len >= FLOW_ENOUGH ? ITEM_ENOUGH : ITEM_NEXT; }

static enum item_verdict add_line(void *arg, const struct item *item, struct su_err *err)
{
    struct flow *flow = arg;
    bool is_good = true;
    if (item->kind == ITEM_MESSAGE) {
        is_good = flow->is_raw ? item_body_line(item, flow->body, flow->out, err) : item_json(item, flow->body, flow->out, err);
    } else if (flow->is_raw) {
        is_good = su_fail(err, SU_INTERNAL, "messages from %" PRIu64 " can't be read", item->first);
    } else {
        su_buf_adds(flow->out, "{\"missing\":");
        item_hole_json(item, flow->out);
        su_buf_addc(flow->out, '}');
    }
    su_buf_addc(flow->out, '\n');
    return is_good ? enough(flow) : ITEM_TOO_MUCH;
}

static bool fill_with(struct flow *flow, enum item_verdict (*take)(void *, const struct item *, struct su_err *), struct su_buf *out)
{
    struct su_err err;
    bool is_end;
    flow->out = out;
    if (!stream_read_on(&flow->cursor, &(struct item_taker){take, flow}, &is_end, &err))
        out->failed = true;     /* broken off: what was sent is not the whole range */
    return !out->failed && !is_end;
}

static bool fill_lines(struct request *request, void *state, struct su_buf *out) { return fill_with(state, add_line, out); }

static const struct event_source lines_source = {.fill = fill_lines, .close = flow_free};

/* -------------------------------------------------------------------- CSV */

static size_t name_index(const struct flow *flow, struct su_str name)
{
    size_t i = 0;
    while (i < flow->name_count && !su_str_equal(su_str_of(flow->names[i]), name))
        i++;
    return i;
}

struct survey { struct flow *flow; struct su_buf holes; };

static enum item_verdict survey_block(void *arg, const struct item *item, struct su_err *err)
{
    struct survey *survey = arg;
    struct flow *flow = survey->flow;
    if (item->kind != ITEM_MESSAGE && survey->holes.len < 1024)
        su_buf_addf(&survey->holes, "%s%" PRIu64 "-%" PRIu64, survey->holes.len ? ", " : "", item->first, item->next - 1);
    for (uint32_t i = 0; item->is_new_block && i < item->block->column_count; i++) {
        const struct block_column *column = &item->block->columns[i];
        if (column->role != BLOCK_FIELD || name_index(flow, column->name) < flow->name_count)
            continue;
        if (flow->name_count == flow->name_capacity) {
            flow->name_capacity = flow->name_capacity ? 2 * flow->name_capacity : 16;
            flow->names = su_realloc(flow->names, flow->name_capacity * sizeof *flow->names);
        }
        flow->names[flow->name_count++] = su_strndup(column->name.ptr, column->name.len);
    }
    return ITEM_NEXT;
}

static void map_columns(struct flow *flow, const struct block *block)
{
    memset(flow->columns, 0, (flow->name_count * KINDS + 1) * sizeof *flow->columns);
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        size_t at = column->role == BLOCK_FIELD ? name_index(flow, column->name) : flow->name_count;
        for (size_t kind = 0; at < flow->name_count && kind < KINDS; kind++)
            if (!flow->columns[at * KINDS + kind]) {
                flow->columns[at * KINDS + kind] = column;
                break;
            }
    }
}

static void add_csv_head(struct flow *flow)
{
    su_buf_adds(flow->out, flow->body == ITEM_BODY_TEXT ? "_offset,_time,_key,_body" : "_offset,_time,_key");
    for (size_t i = 0; i < flow->name_count; i++) {
        su_buf_addc(flow->out, ',');
        csv_text(su_str_of(flow->names[i]), flow->out);
    }
    su_buf_addc(flow->out, '\n');
    flow->has_head = true;
}

static bool add_csv_body(const struct item *item, struct su_buf *out, struct su_err *err)
{
    struct su_str body;
    su_buf_addc(out, ',');
    if (!block_role_column(item->block, BLOCK_BODY))
        return true;
    if (!block_body(item->block, item->row, &body, err))
        return false;
    csv_text(body, out);
    return true;
}

static enum item_verdict add_csv_row(void *arg, const struct item *item, struct su_err *err)
{
    struct flow *flow = arg;
    struct su_buf *out = flow->out;
    if (item->kind != ITEM_MESSAGE)
        return ITEM_NEXT;               /* X-Suricate-Missing said so */
    if (item->is_new_block)
        map_columns(flow, item->block);
    su_buf_addf(out, "%" PRIu64 ",", item->first);
    item_time(item->time ? block_int(item->time, item->row) : 0, out);
    su_buf_addc(out, ',');
    struct su_str key = item->key ? block_text(item->key, item->row) : (struct su_str){NULL, 0};
    if (key.ptr)
        csv_text(key, out);
    if (flow->body == ITEM_BODY_TEXT && !add_csv_body(item, out, err))
        return ITEM_TOO_MUCH;
    for (size_t i = 0; i < flow->name_count; i++) {
        su_buf_addc(out, ',');
        for (size_t kind = 0; kind < KINDS && flow->columns[i * KINDS + kind]; kind++)
            item_csv_value(flow->columns[i * KINDS + kind], item->row, out);
    }
    su_buf_addc(out, '\n');
    return enough(flow);
}

static bool fill_csv(struct request *request, void *state, struct su_buf *out)
{
    struct flow *flow = state;
    flow->out = out;
    if (!flow->has_head)
        add_csv_head(flow);
    return fill_with(flow, add_csv_row, out);
}

static const struct event_source csv_source = {.fill = fill_csv, .close = flow_free};

/* The columns are the union of the range's fields, so the range is looked through first, block by block. */
static bool reply_csv(struct request *request, struct reply *reply, struct flow *flow, struct su_err *err)
{
    struct survey survey = {flow, SU_BUF(2048)};
    struct stream_cursor cursor = flow->cursor;
    bool is_end;
    bool is_read = stream_read_on(&cursor, &(struct item_taker){survey_block, &survey}, &is_end, err);
    if (is_read && survey.holes.len)
        reply_header(reply, "X-Suricate-Missing", "%s", su_buf_str(&survey.holes).ptr);
    su_buf_done(&survey.holes);
    flow->columns = su_alloc((flow->name_count * KINDS + 1) * sizeof *flow->columns);
    if (!is_read)
        return false;
    reply_flow(request, reply, "text/csv; charset=utf-8", &csv_source, flow);
    return true;
}

/* ------------------------------------------------------------------ route */

enum form { FORM_PAGE, FORM_LINES, FORM_CSV, FORM_COUNT };

static bool read_form(const struct request *request, enum form *ret, bool *ret_is_raw, struct su_err *err)
{
    static const char *const names[FORM_COUNT] = {"json", "ndjson", "csv"};
    const char *given = request_query(request, "format"), *body = request_query(request, "body");
    size_t i = 0;
    while (given && i < FORM_COUNT && strcmp(given, names[i]) != 0)
        i++;
    if (i == FORM_COUNT)
        return su_fail_field(err, SU_INVALID, "format", "format: must be json, ndjson or csv, was \"%.32s\"", given);
    if (body && (strcmp(body, "raw") != 0 || i != FORM_LINES))
        return su_fail_field(err, SU_INVALID, "body", "body: the only value is raw, with format=ndjson");
    *ret = (enum form)i;
    *ret_is_raw = body != NULL;
    return true;
}

static bool reply_messages(struct request *request, struct reply *reply, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    struct stream_cursor cursor;
    enum form form;
    bool is_raw;
    int64_t limit = 100;
    if (!read_form(request, &form, &is_raw, err) || !request_query_int(request, "limit", 1, PAGE_ITEMS, &limit, err) ||
        !streams_find(request, &stream, err) || !streams_cursor(request, stream, &cursor, err))
        return false;
    if (form != FORM_PAGE && request_query(request, "limit"))
        return su_fail_field(err, SU_INVALID, "limit", "limit: is for pages (format=json); a range is given by from, to or last");
    if (form == FORM_PAGE)
        return streams_reply_page(&cursor, streams_body(stream), (size_t)limit, reply, err);
    struct flow *flow = flow_new(stream, &cursor);
    flow->is_raw = is_raw;
    if (form == FORM_LINES) {
        reply_flow(request, reply, "application/x-ndjson", &lines_source, flow);
    } else if (!reply_csv(request, reply, flow, err)) {
        flow_free(flow);
        return false;
    }
    return true;
}

void streams_get_messages(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (!reply_messages(request, reply, &err))
        reply_error(reply, &err);
}
