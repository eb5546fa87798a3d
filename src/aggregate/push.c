/* Bodies of pushes: see push.h.  Layer aggregate; pure. */
#include "push_private.h"

#include <string.h>

#include "base/pack.h"
#include "decode.h"
#include "json_block.h"

/* ------------------------------------------------------------ what it is */

static const struct { const char *type; enum push_kind kind; } push_types[] = {
    {"application/json", PUSH_JSON},
    {"application/x-ndjson", PUSH_NDJSON},
    {"application/ndjson", PUSH_NDJSON},
    {"application/jsonl", PUSH_NDJSON},
    {"text/plain", PUSH_TEXT},
    {"application/cloudevents+json", PUSH_EVENT},
    {"application/cloudevents-batch+json", PUSH_EVENTS},
};

static bool find_kind(const char *type, enum stream_format format, enum push_kind *ret)
{
    static const enum push_kind usual[STREAM_FORMAT_COUNT] = {PUSH_JSON, PUSH_NDJSON, PUSH_TEXT};
    if (!*type || strcmp(type, "application/x-www-form-urlencoded") == 0) {
        *ret = usual[format];
        return true;
    }
    for (size_t i = 0; i < SU_COUNT(push_types); i++)
        if (strcmp(type, push_types[i].type) == 0) {
            *ret = push_types[i].kind;
            return true;
        }
    if (!su_str_ends(su_str_of(type), SU_STR("+json")))
        return false;
    *ret = PUSH_JSON;
    return true;
}

bool push_kind_of(const char *type, bool has_event_headers, enum stream_format format, enum push_kind *ret, struct su_err *err)
{
    enum push_kind kind = PUSH_KIND_COUNT;
    bool is_known = find_kind(type, format, &kind);
    if (has_event_headers && kind != PUSH_EVENT && kind != PUSH_EVENTS) {
        *ret = PUSH_BINARY;
        return true;
    }
    if (!is_known) {
        su_fail_slug(err, "unsupported-type", "Content-Type: \"%.64s\" is not taken here", type);
        return su_hint(err, "application/json, application/x-ndjson, application/cloudevents+json, application/cloudevents-batch+json "
                            "and, by streams of text, text/plain are");
    }
    if ((kind == PUSH_TEXT) != (format == STREAM_TEXT) && kind != PUSH_EVENT && kind != PUSH_EVENTS)
        return su_fail_slug(err, "unsupported-type", format == STREAM_TEXT
                            ? "Content-Type: this stream's format is text: text/plain and CloudEvents are taken"
                            : "Content-Type: this stream's messages are JSON: text/plain is for streams whose format is text");
    *ret = kind;
    return true;
}

bool push_open(const char *coding, struct su_str body, size_t max, struct su_buf *scratch, struct su_str *ret, struct su_err *err)
{
    bool is_good;
    *ret = body;
    if (!coding || !*coding || strcmp(coding, "identity") == 0)
        return true;
    if (strcmp(coding, "gzip") == 0 || strcmp(coding, "x-gzip") == 0)
        is_good = decode_gzip(body, max, scratch, err);
    else if (strcmp(coding, "zstd") == 0)
        is_good = su_unpack(body, max, scratch, err);
    else
        return su_fail_slug(err, "unsupported-type", "Content-Encoding: gzip and zstd are understood, \"%.32s\" is not", coding);
    *ret = su_buf_str(scratch);
    return is_good || su_prefix(err, "body");
}

/* ---------------------------------------------------------------- reading */

struct reading {
    const struct push *push;
    json_t *errors;
    struct su_arena *memory;        /* of one event */
    uint64_t number;                /* of the line or message */
    struct su_err first;
    bool is_over;                   /* not about a message: stop */
};

/* True: go on. */
static bool note(struct reading *reading, const struct su_err *why)
{
    bool is_about_message = why->code == SU_INVALID || (why->code == SU_LIMIT && !why->slug);
    if (!json_array_size(reading->errors) || !is_about_message)
        reading->first = *why;
    reading->is_over = !is_about_message;
    if (is_about_message)
        json_array_append_new(reading->errors, json_pack("{s:I, s:o}", "line", (json_int_t)reading->number, "message",
                                                         su_json_text_or_null(why->message)));
    return is_about_message && json_array_size(reading->errors) < PUSH_ERRORS_MAX;
}

static bool take_plain(struct reading *reading, struct su_str body)
{
    struct su_err err;
    const struct push *push = reading->push;
    struct stream_arrival arrival = {.body = body, .key = push->key};
    return push->take(push->arg, &arrival, &err) || note(reading, &err);
}

static bool take_event(struct reading *reading, struct su_str text)
{
    struct su_err err;
    const struct push *push = reading->push;
    struct stream_arrival arrival;
    reading->memory = su_arena_new();
    bool is_taken = push_event(push, text, reading->memory, &arrival, &err) && push->take(push->arg, &arrival, &err);
    su_arena_free(reading->memory);
    return is_taken || note(reading, &err);
}

static void read_binary(struct reading *reading, struct su_str body)
{
    struct su_err err;
    const struct push *push = reading->push;
    struct stream_arrival arrival;
    reading->number = 1;
    reading->memory = su_arena_new();
    if (!push_event_of(push, push->attributes, body, reading->memory, &arrival, &err) || !push->take(push->arg, &arrival, &err))
        note(reading, &err);
    su_arena_free(reading->memory);
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

static struct su_str trim(struct su_str text)
{
    while (text.len && is_space(text.ptr[text.len - 1]))
        text.len--;
    while (text.len && is_space(*text.ptr))
        text = (struct su_str){text.ptr + 1, text.len - 1};
    return text;
}

/* Lines of text keep their spaces. */
static struct su_str trim_end(struct su_str text)
{
    while (text.len && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

static void read_lines(struct reading *reading, struct su_str body)
{
    bool is_text = reading->push->kind == PUSH_TEXT, goes_on = true;
    for (const char *at = body.ptr, *end = body.ptr + body.len; at < end && goes_on;) {
        const char *feed = memchr(at, '\n', (size_t)(end - at)), *stop = feed ? feed : end;
        struct su_str line = {at, (size_t)(stop - at)};
        line = is_text ? trim_end(line) : trim(line);
        reading->number++;
        if (line.len)
            goes_on = take_plain(reading, line);
        at = stop + 1;
    }
}

static bool take_element(void *arg, struct su_str element, struct su_err *err)
{
    struct reading *reading = arg;
    bool is_event = reading->push->kind == PUSH_EVENTS || reading->push->kind == PUSH_EVENT;
    reading->number++;
    return is_event ? take_event(reading, element) : take_plain(reading, element);
}

static void read_array(struct reading *reading, struct su_str body)
{
    struct json_parser *parser = json_parser_new();
    struct su_err err;
    if (!json_parser_elements(parser, body, take_element, reading, &err) && !reading->is_over &&
        json_array_size(reading->errors) < PUSH_ERRORS_MAX) {
        reading->number++;
        note(reading, &err);
    }
    json_parser_free(parser);
}

static void read_json(struct reading *reading, struct su_str body)
{
    struct su_err err;
    bool is_array = body.len && *body.ptr == '[';
    if (reading->push->kind == PUSH_EVENTS && !is_array) {
        su_fail(&err, SU_INVALID, "body: a batch of CloudEvents is a JSON array");
        reading->number = 1;
        note(reading, &err);
    } else if (is_array && reading->push->kind != PUSH_EVENT) {
        read_array(reading, body);
    } else {
        take_element(reading, body, &err);
    }
}

static struct su_str without_mark(struct su_str body)
{
    if (body.len >= 3 && memcmp(body.ptr, "\xef\xbb\xbf", 3) == 0)
        return (struct su_str){body.ptr + 3, body.len - 3};
    return body;
}

bool push_read(const struct push *push, struct su_str body, json_t **ret_errors, struct su_err *err)
{
    struct reading reading = {.push = push, .errors = json_array()};
    *ret_errors = NULL;
    switch (push->kind) {
    case PUSH_NDJSON:
    case PUSH_TEXT: read_lines(&reading, without_mark(body)); break;
    case PUSH_JSON:
    case PUSH_EVENT:
    case PUSH_EVENTS: read_json(&reading, trim(without_mark(body))); break;
    case PUSH_BINARY: read_binary(&reading, body); break;
    case PUSH_KIND_COUNT: su_assert(false);
    }
    if (!reading.is_over && json_array_size(reading.errors) == 0) {
        json_decref(reading.errors);
        return true;
    }
    *err = reading.first;
    if (reading.is_over)
        json_decref(reading.errors);
    else
        *ret_errors = reading.errors;
    return false;
}
