/* Python literals: what is read is written and read again as the same value.  Tests. */
#include "fuzz.h"

#include "interact/python.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SU_AUTO_JSON json_t *value = NULL, *again = NULL;
    if (!python_parse(fuzz_text(data, size), &value))
        return 0;
    SU_AUTO_BUF struct su_buf out = SU_BUF(64u << 20);
    python_write(&out, value);
    FUZZ_HOLDS(!out.failed);
    FUZZ_HOLDS(python_parse(su_buf_str(&out), &again));
    FUZZ_HOLDS(json_equal(value, again));
    return 0;
}
