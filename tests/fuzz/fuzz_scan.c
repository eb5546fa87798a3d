/* A kernel's JSON in the keeper: what scan_clean lets through is JSON for the strict parser.  Tests. */
#include "fuzz.h"

#include "base/json.h"
#include "keep/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SU_AUTO_BUF struct su_buf out = SU_BUF(16u << 20);
    if (!scan_clean(fuzz_text(data, size), &out))
        return 0;
    struct su_str clean = su_buf_str(&out), content;
    FUZZ_HOLDS(su_utf8_valid(clean));
    json_error_t error;
    SU_AUTO_JSON json_t *value = json_loadb(clean.ptr, clean.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    FUZZ_HOLDS(value);
    if (scan_member(clean, "content", &content)) {
        struct su_str inside = scan_inside(content);
        size_t cut = scan_cut(inside, 12);
        FUZZ_HOLDS(cut <= 12 && cut <= inside.len);
    }
    return 0;
}
