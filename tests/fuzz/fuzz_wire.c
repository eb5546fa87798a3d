/* A kernel's frames in the keeper: none is opened unless its signature holds.  Input: frames, each after its length
 * in one byte.  Tests. */
#include "fuzz.h"

#include "keep/wire.h"

enum { FRAMES_MAX = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wire_key key = {.text = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    struct su_str frames[FRAMES_MAX] = {{NULL, 0}};
    size_t count = 0;
    for (size_t at = 0; at < size && count < FRAMES_MAX; count++) {
        size_t length = data[at++];
        if (length > size - at)
            length = size - at;
        frames[count] = (struct su_str){(const char *)data + at, length};
        at += length;
    }
    struct wire_message message;
    bool was_open = wire_open(&key, frames, count, &message);
    if (was_open) { /* practically only from the corpus */
        char hex[WIRE_HEX];
        wire_sign(&key, &message, hex);
        bool is_signed = false;
        for (size_t i = 0; i < count; i++)
            is_signed |= frames[i].len == WIRE_HEX - 1 && memcmp(frames[i].ptr, hex, WIRE_HEX - 1) == 0;
        FUZZ_HOLDS(is_signed);
    }
    /* Signed by us, it opens. */
    if (count >= 4) {
        char hex[WIRE_HEX];
        struct wire_message mine = {.part = {frames[0], frames[1], frames[2], frames[3]}};
        wire_sign(&key, &mine, hex);
        struct su_str sent[] = {SU_STR("topic"), SU_STR("<IDS|MSG>"), {hex, WIRE_HEX - 1}, frames[0], frames[1], frames[2], frames[3]};
        if (!su_str_equal(frames[0], SU_STR("<IDS|MSG>")))
            FUZZ_HOLDS(wire_open(&key, sent, 7, &message));
    }
    return 0;
}
