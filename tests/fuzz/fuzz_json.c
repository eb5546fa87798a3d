/* JSON bodies: what is accepted is written and read again as the same value.  Tests. */
#include "fuzz.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err = {0};
    SU_AUTO_JSON json_t *value = NULL, *again = NULL;
    if (!su_json_parse(fuzz_text(data, size), "body", &value, &err)) {
        FUZZ_HOLDS(*err.message);
        return 0;
    }
    SU_AUTO_FREE char *text = su_json_text(value);
    FUZZ_HOLDS(su_json_parse(su_str_of(text), "body", &again, &err));
    FUZZ_HOLDS(json_equal(value, again));
    return 0;
}
