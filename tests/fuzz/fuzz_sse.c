/* Event streams at the client: the events do not depend on how the bytes arrive.  Tests. */
#include "fuzz.h"

#include "cli/sse.h"

static bool note(void *arg, const char *event, const char *id, struct su_str data)
{
    struct su_buf *out = arg;
    su_buf_addf(out, "%s|%s|%zu|", event ? event : "", id ? id : "", data.len);
    su_buf_add(out, data.ptr, data.len);
    return true;
}

static void feed(const uint8_t *data, size_t size, size_t piece, struct su_buf *out)
{
    struct sse sse;
    sse_init(&sse);
    for (size_t at = 0; at < size; at += piece)
        if (!sse_feed(&sse, fuzz_text(data + at, size - at < piece ? size - at : piece), note, out))
            break;
    sse_done(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SU_AUTO_BUF struct su_buf whole = SU_BUF(16u << 20), bytes = SU_BUF(16u << 20);
    feed(data, size, size ? size : 1, &whole);
    feed(data, size, 1, &bytes);
    FUZZ_HOLDS(su_str_equal(su_buf_str(&whole), su_buf_str(&bytes)));
    return 0;
}
