/* Pushed bodies: what is handed on lies in the body or is text, and refusals are told.  Tests. */
#include "fuzz.h"

#include "aggregate/push.h"

struct taken { uint64_t count; enum push_kind kind; struct su_str body; };

static bool take(void *arg, const struct stream_arrival *arrival, struct su_err *err)
{
    struct taken *taken = arg;
    taken->count++;
    if (taken->kind == PUSH_NDJSON || taken->kind == PUSH_TEXT) {
        FUZZ_HOLDS(arrival->body.len && arrival->body.ptr >= taken->body.ptr &&
                   arrival->body.ptr + arrival->body.len <= taken->body.ptr + taken->body.len);
        FUZZ_HOLDS(!memchr(arrival->body.ptr, '\n', arrival->body.len));
    }
    if (taken->kind == PUSH_EVENT || taken->kind == PUSH_EVENTS)
        FUZZ_HOLDS(arrival->id.len && su_utf8_valid(arrival->id) && arrival->headers.len && arrival->headers.ptr[0] == '{');
    return taken->count % 7 != 0 || su_fail(err, SU_INVALID, "the seventh is not taken");
}

static void read_as(enum push_kind kind, enum stream_format format, struct su_str body)
{
    struct su_err err = {0};
    json_t *errors;
    struct taken taken = {.kind = kind, .body = body};
    SU_AUTO_JSON json_t *attributes = json_pack("{s:s, s:s, s:s, s:s}", "specversion", "1.0", "id", "1", "source", "s", "type", "t");
    const struct push push = {.kind = kind, .format = format, .attributes = attributes, .take = take, .arg = &taken};
    bool is_good = push_read(&push, body, &errors, &err);
    FUZZ_HOLDS(is_good ? !errors : json_array_size(errors) > 0 && json_array_size(errors) <= PUSH_ERRORS_MAX && *err.message);
    json_decref(errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"gzip", "zstd"};
    SU_AUTO_FREE char *copy = su_strndup(fuzz_text(data, size).ptr, size);
    struct su_str body = {copy, size}, opened;
    struct su_err err;
    for (uint32_t kind = 0; kind < PUSH_KIND_COUNT; kind++)
        read_as((enum push_kind)kind, STREAM_JSON, body);
    read_as(PUSH_TEXT, STREAM_TEXT, body);
    read_as(PUSH_EVENT, STREAM_TEXT, body);
    for (size_t i = 0; i < SU_COUNT(codings); i++) {
        SU_AUTO_BUF struct su_buf scratch = SU_BUF(1 << 21);
        if (push_open(codings[i], body, 1 << 20, &scratch, &opened, &err))
            FUZZ_HOLDS(opened.len <= 1 << 20);
    }
    return 0;
}
