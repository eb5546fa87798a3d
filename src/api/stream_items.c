/* Messages of a stream as text: see stream_items.h.  Layer api. */
#include "stream_items.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---------------------------------------------------------------- reading */

static bool has_times(const struct log_range *range) { return range->time_from_us != INT64_MIN || range->time_to_us != INT64_MAX; }

static bool is_in_time(const struct log_range *range, const struct item *item)
{
    if (!has_times(range) || !item->time)
        return true;
    int64_t us = block_int(item->time, item->row);
    return us >= range->time_from_us && us < range->time_to_us;
}

static struct item item_of(struct block *block)
{
    return (struct item){.kind = ITEM_MESSAGE, .block = block, .is_new_block = true, .time = block_role_column(block, BLOCK_TIME),
                         .arrival = block_role_column(block, BLOCK_ARRIVAL), .key = block_role_column(block, BLOCK_KEY),
                         .id = block_role_column(block, BLOCK_ID), .headers = block_role_column(block, BLOCK_HEADERS)};
}

/* False: the taker has enough, or an error. */
static bool give_piece(struct stream_cursor *cursor, const struct log_piece *piece, const struct item_taker *taker, struct su_err *err)
{
    struct item item = item_of(piece->block);
    const struct block_column *flag = block_role_column(piece->block, BLOCK_FLAG);
    for (uint32_t row = piece->from; row < piece->to; row++) {
        item.row = row;
        item.first = piece->block->first + row;
        item.next = item.first + 1;
        bool is_message = !flag || block_int(flag, row) == BLOCK_MESSAGE;
        enum item_verdict verdict = is_message && is_in_time(&cursor->range, &item) ? taker->take(taker->arg, &item, err) : ITEM_NEXT;
        if (verdict == ITEM_TOO_MUCH)
            return false;
        cursor->range.from = item.next;
        item.is_new_block &= !is_message;
        if (verdict == ITEM_ENOUGH)
            return false;
    }
    return true;
}

static bool give_hole(struct stream_cursor *cursor, enum item_kind kind, uint64_t first, uint64_t next, const char *why,
                      const struct item_taker *taker, struct su_err *err)
{
    const struct item item = {.kind = kind, .first = first, .next = next, .why = why};
    enum item_verdict verdict = taker->take(taker->arg, &item, err);
    if (verdict == ITEM_TOO_MUCH)
        return false;
    cursor->range.from = next;
    return verdict == ITEM_NEXT;
}

/* What retention took between the cursor and `next`. */
static bool give_gone(struct stream_cursor *cursor, uint64_t next, const struct item_taker *taker, struct su_err *err)
{
    if (has_times(&cursor->range) || next <= cursor->range.from)
        return true;
    return give_hole(cursor, ITEM_GONE, cursor->range.from, next, NULL, taker, err);
}

/* True: the range's end was reached, or an error (err->code is set). */
static bool read_pieces(struct stream_cursor *cursor, struct log_reader *reader, const struct item_taker *taker, struct su_err *err)
{
    struct log_piece piece;
    struct su_err why;
    for (;;) {
        switch (log_read_next(reader, &piece, &why)) {
        case LOG_BLOCK: {
            bool goes_on = give_gone(cursor, piece.block->first + piece.from, taker, err) && give_piece(cursor, &piece, taker, err);
            log_read_release(reader, &piece);
            if (!goes_on)
                return false;
            break;
        }
        case LOG_DAMAGED:
            if (!give_gone(cursor, piece.damaged_from, taker, err) ||
                !give_hole(cursor, ITEM_DAMAGED, piece.damaged_from, piece.damaged_to, why.message, taker, err))
                return false;
            break;
        case LOG_END: return true;
        case LOG_ERROR: *err = why; return true;
        }
    }
}

bool stream_read_on(struct stream_cursor *cursor, const struct item_taker *taker, bool *ret_is_end, struct su_err *err)
{
    STORE_READ(streams_store(cursor->streams), db);
    LOG_AUTO_READER struct log_reader *reader = NULL;
    uint64_t next;
    int64_t high_us;
    *ret_is_end = false;
    if (!log_end(db, cursor->log, &next, &high_us, err))
        return false;
    if (cursor->range.from >= next || cursor->range.from >= cursor->range.to) {
        *ret_is_end = true;
        return true;
    }
    if (!log_read(streams_logs(cursor->streams), db, cursor->log, &cursor->range, &reader, err))
        return false;
    struct su_err failure = {.code = SU_CODE_COUNT};
    bool is_end = read_pieces(cursor, reader, taker, &failure);
    if (failure.code != SU_CODE_COUNT) {
        *err = failure;
        return false;
    }
    if (is_end && next > cursor->range.to)
        next = cursor->range.to;
    if (is_end && give_gone(cursor, next, taker, &failure) && cursor->range.from < next)
        cursor->range.from = next;
    *ret_is_end = is_end;
    return true;
}

/* ------------------------------------------------------------------- text */

static void add_number(uint64_t number, struct su_buf *out)
{
    char text[20];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    su_buf_add(out, text + at, sizeof text - at);
}

static void add_digits(char *to, int digits, int64_t number)
{
    for (; digits--; number /= 10)
        to[digits] = (char)('0' + number % 10);
}

/* Days since 1970 to a date: "days_from_civil" turned round, as H. Hinnant describes it ("chrono-Compatible Low-Level Date Algorithms"). */
void item_time(int64_t us, struct su_buf *out)
{
    enum { DAY_S = 86400, ERA_DAYS = 146097, EPOCH_DAYS = 719468 };
    int64_t second = us / 1000000 - (us % 1000000 < 0), fraction = us - second * 1000000;
    int64_t day = second / DAY_S - (second % DAY_S < 0), in_day = second - day * DAY_S;
    int64_t z = day + EPOCH_DAYS, era = (z >= 0 ? z : z - (ERA_DAYS - 1)) / ERA_DAYS, of_era = z - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), part = (5 * of_year + 2) / 153;
    int64_t month = part < 10 ? part + 3 : part - 9;
    year += era * 400 + (month <= 2);
    char text[] = "0000-00-00T00:00:00.000000Z";
    add_digits(text, 4, year < 0 ? 0 : year);
    add_digits(text + 5, 2, month);
    add_digits(text + 8, 2, of_year - (153 * part + 2) / 5 + 1);
    add_digits(text + 11, 2, in_day / 3600);
    add_digits(text + 14, 2, in_day / 60 % 60);
    add_digits(text + 17, 2, in_day % 60);
    add_digits(text + 20, 6, fraction);
    su_buf_add(out, text, sizeof text - 1);
}

/* How many bytes need nothing. */
static size_t plain_length(struct su_str text)
{
    size_t at = 0;
    while (at < text.len && (unsigned char)text.ptr[at] >= 0x20 && text.ptr[at] != '"' && text.ptr[at] != '\\')
        at++;
    return at;
}

static void add_escaped(unsigned char c, struct su_buf *out)
{
    static const char short_ones[] = "\b\t\n\f\r", letters[] = "btnfr";
    const char *found = c ? strchr(short_ones, c) : NULL;
    if (c == '"' || c == '\\') {
        su_buf_addc(out, '\\');
        su_buf_addc(out, (char)c);
    } else if (found) {
        su_buf_addc(out, '\\');
        su_buf_addc(out, letters[found - short_ones]);
    } else {
        su_buf_addf(out, "\\u%04x", c);
    }
}

/* Valid UTF-8 as a JSON string. */
static void add_json_text(struct su_str text, struct su_buf *out)
{
    su_buf_addc(out, '"');
    while (text.len) {
        size_t plain = plain_length(text);
        su_buf_add(out, text.ptr, plain);
        if (plain == text.len)
            break;
        add_escaped((unsigned char)text.ptr[plain], out);
        text = (struct su_str){text.ptr + plain + 1, text.len - plain - 1};
    }
    su_buf_addc(out, '"');
}

/* Line feeds can stand only between the tokens of JSON, where a space does as well. */
static void add_json_line(struct su_str json, struct su_buf *out)
{
    size_t at = out->len;
    su_buf_add(out, json.ptr, json.len);
    if (out->failed || (!memchr(json.ptr, '\n', json.len) && !memchr(json.ptr, '\r', json.len)))
        return;
    for (; at < out->len; at++)
        if (out->ptr[at] == '\n' || out->ptr[at] == '\r')
            out->ptr[at] = ' ';
}

static void add_base64(struct su_str data, struct su_buf *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    su_buf_addc(out, '"');
    for (size_t i = 0; i < data.len; i += 3) {
        uint32_t bits = 0;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (i + j < data.len ? (unsigned char)data.ptr[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            su_buf_addc(out, j <= data.len - i ? digits[bits >> (18 - 6 * j) & 63] : '=');
    }
    su_buf_addc(out, '"');
}

static void add_float(double number, struct su_buf *out)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%.15g", number);
    double back;
    if (sscanf(text, "%lf", &back) != 1 || back != number)
        length = snprintf(text, sizeof text, "%.17g", number);
    su_buf_add(out, text, (size_t)length);
}

static void add_json_value(const struct block_value *value, struct su_buf *out)
{
    switch (value->kind) {
    case BLOCK_INT: su_buf_addf(out, "%" PRId64, value->integer); break;
    case BLOCK_FLOAT: isfinite(value->number) ? add_float(value->number, out) : su_buf_adds(out, "null"); break;
    case BLOCK_BOOL: su_buf_adds(out, value->integer ? "true" : "false"); break;
    case BLOCK_TEXT: add_json_text(value->text, out); break;
    case BLOCK_JSON: add_json_line(value->text, out); break;
    }
}

/* Of rows that were made from values (derived streams, roll-ups): their fields. */
static void add_fields(const struct item *item, struct su_buf *out)
{
    bool is_first = true;
    su_buf_addc(out, '{');
    for (uint32_t i = 0; i < item->block->column_count; i++) {
        const struct block_column *column = &item->block->columns[i];
        struct block_value value = column->role == BLOCK_FIELD ? block_value(column, item->row) : (struct block_value){0};
        if (!value.kind)
            continue;
        if (!is_first)
            su_buf_addc(out, ',');
        is_first = false;
        add_json_text(column->name, out);
        su_buf_addc(out, ':');
        add_json_value(&value, out);
    }
    su_buf_addc(out, '}');
}

/* ------------------------------------------------------------------ items */

static void add_member_text(const char *name, const struct block_column *column, uint32_t row, struct su_buf *out)
{
    struct su_str text = column ? block_text(column, row) : (struct su_str){NULL, 0};
    su_buf_adds(out, name);
    if (!text.ptr)
        su_buf_adds(out, "null");
    else if (su_utf8_valid(text))
        add_json_text(text, out);
    else
        add_base64(text, out);
}

static void add_headers(const struct item *item, struct su_buf *out)
{
    struct su_str text = item->headers ? block_text(item->headers, item->row) : (struct su_str){NULL, 0};
    su_buf_adds(out, ",\"headers\":");
    if (text.ptr && text.len)
        add_json_line(text, out);
    else
        su_buf_adds(out, "null");
}

static void add_reason(const struct item *item, struct su_buf *out)
{
    const struct block_column *reason = block_field_column(item->block, SU_STR("reason"), BLOCK_TEXT);
    const struct block_column *bytes = block_field_column(item->block, SU_STR("bytes"), BLOCK_INT);
    add_member_text(",\"reason\":", reason, item->row, out);
    su_buf_addf(out, ",\"bytes\":%" PRId64, bytes ? block_int(bytes, item->row) : 0);
}

static bool add_body(const struct item *item, enum item_body kind, struct su_buf *out, struct su_err *err)
{
    struct su_str body = {NULL, 0};
    if (block_role_column(item->block, BLOCK_BODY) && !block_body(item->block, item->row, &body, err))
        return false;
    switch (kind) {
    case ITEM_BODY_JSON: body.len ? add_json_line(body, out) : add_fields(item, out); break;
    case ITEM_BODY_TEXT: add_json_text(body, out); break;
    case ITEM_BODY_DEAD: su_utf8_valid(body) ? add_json_text(body, out) : add_base64(body, out); break;
    case ITEM_BODY_COUNT: su_assert(false);
    }
    return true;
}

static const char *body_name(const struct item *item, enum item_body kind)
{
    struct su_str body = {NULL, 0};
    struct su_err ignored;
    if (kind != ITEM_BODY_DEAD || !block_role_column(item->block, BLOCK_BODY) || !block_body(item->block, item->row, &body, &ignored))
        return ",\"body\":";
    return su_utf8_valid(body) ? ",\"body\":" : ",\"body_base64\":";
}

bool item_json(const struct item *item, enum item_body body, struct su_buf *out, struct su_err *err)
{
    su_buf_adds(out, "{\"offset\":");
    add_number(item->first, out);
    su_buf_adds(out, ",\"time\":\"");
    item_time(item->time ? block_int(item->time, item->row) : 0, out);
    su_buf_adds(out, "\",\"arrival\":\"");
    item_time(item->arrival ? block_int(item->arrival, item->row) : 0, out);
    su_buf_addc(out, '"');
    add_member_text(",\"key\":", item->key, item->row, out);
    add_member_text(",\"id\":", item->id, item->row, out);
    add_headers(item, out);
    if (body == ITEM_BODY_DEAD)
        add_reason(item, out);
    su_buf_adds(out, body_name(item, body));
    if (!add_body(item, body, out, err))
        return false;
    su_buf_addc(out, '}');
    return true;
}

bool item_body_line(const struct item *item, enum item_body body, struct su_buf *out, struct su_err *err)
{
    return add_body(item, body, out, err);
}

void item_hole_json(const struct item *item, struct su_buf *out)
{
    su_buf_addf(out, "{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"why\":", item->first, item->next);
    add_json_text(su_str_of(item->why ? item->why : "retention removed it"), out);
    su_buf_addc(out, '}');
}

/* -------------------------------------------------------------------- CSV */

void csv_text(struct su_str text, struct su_buf *out)
{
    bool is_plain = text.len > 0;
    for (size_t i = 0; i < text.len && is_plain; i++)
        is_plain = !memchr("\0,\"\r\n", text.ptr[i], 5);
    if (is_plain) {
        su_buf_add(out, text.ptr, text.len);
        return;
    }
    su_buf_addc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            su_buf_addc(out, '"');
        su_buf_addc(out, text.ptr[i]);
    }
    su_buf_addc(out, '"');
}

void item_csv_value(const struct block_column *column, uint32_t row, struct su_buf *out)
{
    struct block_value value = block_value(column, row);
    if (value.kind == BLOCK_TEXT || value.kind == BLOCK_JSON)
        csv_text(value.text, out);
    else if (value.kind)
        add_json_value(&value, out);
}
