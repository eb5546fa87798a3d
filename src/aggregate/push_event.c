/* CloudEvents 1.0 as messages: see push.h.  Layer aggregate; pure.
 *
 * The text of `data` goes on as it came, so it is found in the event's own text: a walk over the top-level members of
 * what jansson has already found to be good JSON. */
#include "push_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "value.h"

/* ------------------------------------------------------- slices of text */

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

/* Past the string that begins here. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && at + 1 < end)
            at++;
    return at < end ? at + 1 : end;
}

static const char *skip_value(const char *at, const char *end)
{
    for (size_t depth = 0; at < end;) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
            continue;
        } else if (depth && (*at == '}' || *at == ']')) {
            depth--;
            at++;
        } else if (!depth && strchr(",}] \t\r\n", *at)) {
            return at;
        } else {
            at++;
            continue;
        }
        if (!depth)
            return at;
    }
    return end;
}

/* The text of a top-level member of an object; ptr NULL: not under this spelling. */
static struct su_str member_text(struct su_str object, struct su_str name)
{
    const char *end = object.ptr + object.len, *at = skip_space(object.ptr, end);
    struct su_str found = {NULL, 0};
    at = skip_space(at < end ? at + 1 : end, end);
    while (at < end && *at == '"') {
        const char *key = at + 1;
        at = skip_string(at, end);
        struct su_str spelled = {key, at > key ? (size_t)(at - key) - 1 : 0};
        at = skip_space(at, end);
        const char *value = skip_space(at < end ? at + 1 : end, end);   /* past the colon */
        at = skip_value(value, end);
        if (su_str_equal(spelled, name))
            found = (struct su_str){value, (size_t)(at - value)};
        at = skip_space(at, end);
        at = skip_space(at < end ? at + 1 : end, end);                  /* past the comma */
    }
    return found;
}

/* --------------------------------------------------------------- base64 */

static int digit_of(char c)
{
    switch (c) {
    case 'A' ... 'Z': return c - 'A';
    case 'a' ... 'z': return c - 'a' + 26;
    case '0' ... '9': return c - '0' + 52;
    case '+': return 62;
    case '/': return 63;
    default: return -1;
    }
}

static bool decode_base64(struct su_str text, struct su_arena *memory, struct su_str *ret, struct su_err *err)
{
    char *data = su_arena_alloc(memory, text.len / 4 * 3 + 3);
    size_t len = 0, padding = 0;
    uint32_t bits = 0;
    bool is_good = text.len % 4 == 0;
    for (size_t i = 0; i < text.len && is_good; i++) {
        int digit = digit_of(text.ptr[i]);
        padding += text.ptr[i] == '=';
        is_good = digit >= 0 ? !padding : text.ptr[i] == '=' && i + 2 >= text.len;
        bits = bits << 6 | (digit >= 0 ? (uint32_t)digit : 0);
        for (int part = 0; i % 4 == 3 && part < 3; part++)
            data[len++] = (char)(bits >> (16 - 8 * part));
    }
    if (!is_good)
        return su_fail_field(err, SU_INVALID, "data_base64", "data_base64: is not base64");
    *ret = (struct su_str){data, len - padding};
    return true;
}

/* ----------------------------------------------------------- attributes */

static bool check_text(const json_t *event, const char *name, struct su_err *err)
{
    const char *text = su_json_string(event, name, NULL);
    return (text && *text) || su_fail_field(err, SU_INVALID, name, "%s: a CloudEvent has it, as text that is not empty", name);
}

static bool check_event(const json_t *event, struct su_err *err)
{
    if (!json_is_object(event))
        return su_fail(err, SU_INVALID, "a CloudEvent is a JSON object");
    if (strcmp(su_json_string(event, "specversion", ""), "1.0") != 0)
        return su_fail_field(err, SU_INVALID, "specversion", "specversion: must be \"1.0\" in a CloudEvent");
    return check_text(event, "id", err) && check_text(event, "source", err) && check_text(event, "type", err);
}

static bool time_of(const json_t *event, int64_t *ret_us, struct su_err *err)
{
    const json_t *given = json_object_get(event, "time");
    if (!given || json_is_null(given))
        return true;
    const char *text = json_string_value(given);
    struct value value = text ? value_of_string(text, strlen(text)) : (struct value){.class = VALUE_NULL};
    if (value.class != VALUE_DATETIME)
        return su_fail_field(err, SU_INVALID, "time", "time: must be a time such as 2013-09-05T20:30:00Z in a CloudEvent");
    *ret_us = value.integer;
    return true;
}

static bool is_own(const char *name)
{
    static const char *const names[] = {"specversion", "id", "time", "data", "data_base64"};
    for (size_t i = 0; i < SU_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static struct su_str headers_of(const json_t *event, struct su_arena *memory)
{
    SU_AUTO_JSON json_t *headers = json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)event, name, value) {
        if (!is_own(name) && !json_is_null(value))
            json_object_set(headers, name, value);
    }
    SU_AUTO_FREE char *text = su_json_text(headers);
    size_t len = strlen(text);
    return (struct su_str){su_arena_strndup(memory, text, len), len};
}

static struct su_str kept(struct su_arena *memory, const char *text)
{
    return (struct su_str){su_arena_strdup(memory, text), strlen(text)};
}

bool push_event_of(const struct push *push, const json_t *event, struct su_str data, struct su_arena *memory,
                   struct stream_arrival *ret, struct su_err *err)
{
    struct stream_arrival arrival = {.body = data, .key = push->key};
    const char *partition = su_json_string(event, "partitionkey", NULL);
    if (!check_event(event, err) || !time_of(event, &arrival.time_us, err))
        return false;
    if (!arrival.body.len && push->format != STREAM_TEXT)
        arrival.body = SU_STR("null");
    if (partition && *partition)
        arrival.key = kept(memory, partition);
    arrival.id = kept(memory, su_json_string(event, "id", ""));
    arrival.headers = headers_of(event, memory);
    *ret = arrival;
    return true;
}

/* A stream of text gets a string's text, one of JSON its JSON. */
static struct su_str data_of(const struct push *push, const json_t *event, struct su_str text, struct su_arena *memory)
{
    const json_t *data = json_object_get(event, "data");
    if (!data)
        return (struct su_str){NULL, 0};
    if (push->format == STREAM_TEXT && json_is_string(data))
        return (struct su_str){su_arena_strndup(memory, json_string_value(data), json_string_length(data)), json_string_length(data)};
    struct su_str found = member_text(text, SU_STR("data"));
    if (found.ptr)
        return found;
    SU_AUTO_FREE char *made = su_json_text(data);   /* its name was spelled with escapes */
    return kept(memory, made);
}

bool push_event(const struct push *push, struct su_str text, struct su_arena *memory, struct stream_arrival *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *event = NULL;
    if (!su_json_parse(text, "event", &event, err))
        return false;
    const json_t *packed = json_object_get(event, "data_base64");
    if (packed && json_object_get(event, "data"))
        return su_fail_field(err, SU_INVALID, "data", "data and data_base64 exclude each other");
    if (packed && !json_is_string(packed))
        return su_fail_field(err, SU_INVALID, "data_base64", "data_base64: must be text");
    struct su_str data = data_of(push, event, text, memory);
    if (packed && !decode_base64((struct su_str){json_string_value(packed), json_string_length(packed)}, memory, &data, err))
        return false;
    return push_event_of(push, event, data, memory, ret, err);
}

/* --------------------------------------------------------- binary mode */

static int hex_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool decode_percent(const char *text, struct su_buf *out)
{
    for (; *text; text++) {
        if (*text != '%') {
            su_buf_addc(out, *text);
            continue;
        }
        int high = hex_of(text[1]), low = high >= 0 ? hex_of(text[2]) : -1;
        if (low < 0)
            return false;
        su_buf_addc(out, (char)(high << 4 | low));
        text += 2;
    }
    return !memchr(su_buf_str(out).ptr, '\0', out->len) && su_utf8_valid(su_buf_str(out));
}

bool push_attribute(json_t *attributes, const char *name, const char *value, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(64 * 1024);
    if (strncasecmp(name, "ce-", 3) != 0)
        return true;
    SU_AUTO_FREE char *lower = su_strdup(name + 3);
    for (char *c = lower; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    if (strcmp(lower, "data") == 0 || strcmp(lower, "data_base64") == 0 || json_object_get(attributes, lower))
        return su_fail_field(err, SU_INVALID, name, "%.64s: may not be a header, or is one twice", name);
    if (!decode_percent(value, &text))
        return su_fail_field(err, SU_INVALID, name, "%.64s: must be UTF-8, percent-encoded where it is not ASCII", name);
    json_object_set_new(attributes, lower, json_stringn(text.ptr ? text.ptr : "", text.len));
    return true;
}
