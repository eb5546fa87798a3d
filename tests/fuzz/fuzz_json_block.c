/* Any text as a message: what is taken is JSON (jansson reads it too) and its block can be read back.  Tests. */
#include "fuzz.h"

#include "aggregate/json_block.h"
#include "base/json.h"

static bool next(void *arg, struct su_str element, struct su_err *err)
{
    FUZZ_HOLDS(element.len > 0);
    ++*(size_t *)arg;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err, other;
    struct json_parser *parser = json_parser_new();
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    struct su_str text = fuzz_text(data, size);
    size_t elements = 0;
    block_begin(builder);
    bool is_taken = json_parser_row(parser, text, builder, &err);
    if (is_taken) {
        SU_AUTO_JSON json_t *value = NULL;
        /* jansson refuses repeated names and texts with zeros besides; nothing else. */
        if (!su_json_parse(text, "text", &value, &other))
            FUZZ_HOLDS(strstr(other.message, "duplicate") || strstr(other.message, "u0000") || strstr(other.message, "NUL")
                       || strstr(other.message, "double") || strstr(other.message, "integer"));
        SU_AUTO_BUF struct su_buf out = SU_BUF(64 << 20);
        struct block_message message = {.body = text};
        FUZZ_HOLDS(block_end(builder, &message, &err));
        FUZZ_HOLDS(block_finish(builder, 0, &out, &err));
        BLOCK_AUTO struct block block = {0};
        FUZZ_HOLDS(block_open(out.ptr, out.len, &block, &err));
        if (json_is_array(value))
            FUZZ_HOLDS(json_parser_elements(parser, text, next, &elements, &err) && elements == json_array_size(value));
    } else {
        block_drop(builder);
        FUZZ_HOLDS(err.code == SU_INVALID);
        json_parser_elements(parser, text, next, &elements, &err);
    }
    json_parser_free(parser);
    return 0;
}
