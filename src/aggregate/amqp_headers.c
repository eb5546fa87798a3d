/* AMQP's tables and JSON: see amqp_headers.h.  Layer aggregate; pure. */
#include "amqp_headers.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static struct su_str str(amqp_bytes_t bytes) { return (struct su_str){bytes.bytes ? bytes.bytes : "", bytes.len}; }

/* ----------------------------------------------------------- to JSON */

/* UTF-8 without zero bytes: what our JSON reader takes as a name or a text. */
static bool is_text(struct su_str text) { return su_utf8_valid(text) && !memchr(text.ptr, '\0', text.len); }

static void add_base64(struct su_buf *out, struct su_str data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    su_buf_adds(out, "\"base64:");
    for (size_t i = 0; i < data.len; i += 3) {
        uint32_t bits = 0;
        size_t count = data.len - i < 3 ? data.len - i : 3;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < count ? (unsigned char)data.ptr[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            su_buf_addc(out, j <= count ? digits[bits >> (18 - 6 * j) & 63] : '=');
    }
    su_buf_addc(out, '"');
}

static void add_text(struct su_buf *out, struct su_str text)
{
    if (!is_text(text)) {
        add_base64(out, text);
        return;
    }
    su_buf_addc(out, '"');
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        su_buf_add(out, text.ptr + plain, i - plain);
        plain = i + 1;
        if (c < ' ')
            su_buf_addf(out, "\\u%04x", c);
        else
            su_buf_addf(out, "\\%c", c);
    }
    su_buf_add(out, text.ptr + plain, text.len - plain);
    su_buf_addc(out, '"');
}

static void add_number(struct su_buf *out, double value)
{
    if (isfinite(value))
        su_buf_addf(out, "%.17g", value);
    else
        su_buf_adds(out, "null");
}

static bool is_listed(const amqp_table_t *table, int count)
{
    for (int i = 0; i < count; i++)
        if (su_str_equal(str(table->entries[i].key), str(table->entries[count].key)))
            return true;
    return false;
}

static void add_value(struct su_buf *out, const amqp_field_value_t *value, int depth);

/* Members, without braces: names that begin with `reserved` are left out. */
static void add_members(struct su_buf *out, const amqp_table_t *table, const char *reserved, int depth)
{
    const char *comma = "";
    for (int i = 0; i < table->num_entries && i < AMQP_HEADERS_COUNT; i++) {
        struct su_str name = str(table->entries[i].key);
        if (!is_text(name) || (reserved && su_str_starts(name, su_str_of(reserved))) || is_listed(table, i))
            continue;
        su_buf_adds(out, comma);
        comma = ",";
        add_text(out, name);
        su_buf_addc(out, ':');
        add_value(out, &table->entries[i].value, depth + 1);
    }
}

static void add_list(struct su_buf *out, const amqp_array_t *array, int depth)
{
    su_buf_addc(out, '[');
    for (int i = 0; i < array->num_entries; i++) {
        su_buf_adds(out, i ? "," : "");
        add_value(out, &array->entries[i], depth + 1);
    }
    su_buf_addc(out, ']');
}

static void add_value(struct su_buf *out, const amqp_field_value_t *value, int depth)
{
    if (depth > AMQP_HEADERS_DEPTH) {
        su_buf_adds(out, "null");
        return;
    }
    switch (value->kind) {
    case AMQP_FIELD_KIND_BOOLEAN: su_buf_adds(out, value->value.boolean ? "true" : "false"); return;
    case AMQP_FIELD_KIND_I8: su_buf_addf(out, "%d", value->value.i8); return;
    case AMQP_FIELD_KIND_U8: su_buf_addf(out, "%u", value->value.u8); return;
    case AMQP_FIELD_KIND_I16: su_buf_addf(out, "%d", value->value.i16); return;
    case AMQP_FIELD_KIND_U16: su_buf_addf(out, "%u", value->value.u16); return;
    case AMQP_FIELD_KIND_I32: su_buf_addf(out, "%" PRId32, value->value.i32); return;
    case AMQP_FIELD_KIND_U32: su_buf_addf(out, "%" PRIu32, value->value.u32); return;
    case AMQP_FIELD_KIND_I64: su_buf_addf(out, "%" PRId64, value->value.i64); return;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
        if (value->value.u64 > INT64_MAX)   /* more than an integer holds here: as a number, like in a body */
            add_number(out, (double)value->value.u64);
        else
            su_buf_addf(out, "%" PRIu64, value->value.u64);
        return;
    case AMQP_FIELD_KIND_F32: add_number(out, (double)value->value.f32); return;
    case AMQP_FIELD_KIND_F64: add_number(out, value->value.f64); return;
    case AMQP_FIELD_KIND_DECIMAL: add_number(out, (double)(int32_t)value->value.decimal.value / pow(10, value->value.decimal.decimals)); return;
    case AMQP_FIELD_KIND_UTF8: add_text(out, str(value->value.bytes)); return;
    case AMQP_FIELD_KIND_BYTES: add_base64(out, str(value->value.bytes)); return;
    case AMQP_FIELD_KIND_ARRAY: add_list(out, &value->value.array, depth); return;
    case AMQP_FIELD_KIND_TABLE:
        su_buf_addc(out, '{');
        add_members(out, &value->value.table, NULL, depth);
        su_buf_addc(out, '}');
        return;
    default: su_buf_adds(out, "null");
    }
}

static void add_property(struct su_buf *out, const char *name, amqp_bytes_t value)
{
    su_buf_adds(out, out->len > 1 ? ",\"amqp." : "\"amqp.");
    su_buf_adds(out, name);
    su_buf_adds(out, "\":");
    add_text(out, str(value));
}

struct su_str amqp_headers_json(const amqp_basic_deliver_t *delivery, const amqp_basic_properties_t *properties, struct su_buf *out)
{
    const struct { amqp_flags_t flag; const char *name; const amqp_bytes_t *value; } texts[] = {
        {AMQP_BASIC_CONTENT_TYPE_FLAG, "content_type", &properties->content_type},
        {AMQP_BASIC_CONTENT_ENCODING_FLAG, "content_encoding", &properties->content_encoding},
        {AMQP_BASIC_CORRELATION_ID_FLAG, "correlation_id", &properties->correlation_id},
        {AMQP_BASIC_REPLY_TO_FLAG, "reply_to", &properties->reply_to},
        {AMQP_BASIC_TYPE_FLAG, "type", &properties->type},
        {AMQP_BASIC_USER_ID_FLAG, "user_id", &properties->user_id},
        {AMQP_BASIC_APP_ID_FLAG, "app_id", &properties->app_id},
    };
    su_buf_addc(out, '{');
    if (properties->_flags & AMQP_BASIC_HEADERS_FLAG)
        add_members(out, &properties->headers, "amqp.", 0);
    if (delivery->exchange.len) {   /* through the default exchange a routing key is the queue's name */
        add_property(out, "exchange", delivery->exchange);
        add_property(out, "routing_key", delivery->routing_key);
    }
    for (size_t i = 0; i < SU_COUNT(texts); i++)
        if (properties->_flags & texts[i].flag && texts[i].value->len)
            add_property(out, texts[i].name, *texts[i].value);
    if (delivery->redelivered)
        su_buf_adds(out, out->len > 1 ? ",\"amqp.redelivered\":true" : "\"amqp.redelivered\":true");
    if (out->len == 1)
        return (struct su_str){0};
    su_buf_addc(out, '}');
    return su_buf_str(out);
}

int64_t amqp_headers_time(uint64_t timestamp)
{
    const uint64_t seconds_max = 100000000000ull, milliseconds_max = 1000 * seconds_max;     /* the year 5138 */
    if (timestamp < seconds_max)
        return (int64_t)timestamp * 1000000;
    return timestamp < milliseconds_max ? (int64_t)timestamp * 1000 : 0;
}

/* ---------------------------------------------------------- to table */

static amqp_field_value_t value_of(const json_t *value, struct su_arena *arena)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_UTF8,
                                    .value.bytes = {json_string_length(value), (void *)(uintptr_t)json_string_value(value)}};
    case JSON_INTEGER: return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_I64, .value.i64 = json_integer_value(value)};
    case JSON_REAL: return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_F64, .value.f64 = json_real_value(value)};
    case JSON_TRUE:
    case JSON_FALSE: return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_BOOLEAN, .value.boolean = json_is_true(value)};
    case JSON_OBJECT: return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_TABLE, .value.table = amqp_headers_table(value, arena, 0)};
    case JSON_ARRAY: {
        size_t count = json_array_size(value);
        amqp_field_value_t *entries = su_arena_alloc(arena, (count + 1) * sizeof *entries);
        for (size_t i = 0; i < count; i++)
            entries[i] = value_of(json_array_get(value, i), arena);
        return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_ARRAY, .value.array = {(int)count, entries}};
    }
    case JSON_NULL: break;
    }
    return (amqp_field_value_t){.kind = AMQP_FIELD_KIND_VOID};
}

amqp_table_t amqp_headers_table(const json_t *object, struct su_arena *arena, int spare)
{
    size_t count = json_object_size(object) + (size_t)spare;
    amqp_table_t table = {0, su_arena_alloc(arena, (count + 1) * sizeof *table.entries)};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
        table.entries[table.num_entries++] = (amqp_table_entry_t){{strlen(name), (void *)(uintptr_t)name}, value_of(value, arena)};
    return table;
}
