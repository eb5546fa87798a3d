/* Notebooks: what is accepted passes its own check, and is written and read again without a change.  Tests. */
#include "fuzz.h"

#include "interact/notebook.h"
#include "interact/parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err = {0};
    SU_AUTO_JSON json_t *notebook = NULL, *again = NULL, *declared = NULL;
    if (!notebook_parse(fuzz_text(data, size), &notebook, &err)) {
        FUZZ_HOLDS(*err.message);
        return 0;
    }
    FUZZ_HOLDS(notebook_check(notebook, &err));
    size_t length, length_again;
    SU_AUTO_FREE char *text = notebook_text(notebook, &length);
    FUZZ_HOLDS(notebook_parse((struct su_str){text, length}, &again, &err));
    SU_AUTO_FREE char *text_again = notebook_text(again, &length_again);
    FUZZ_HOLDS(length == length_again && memcmp(text, text_again, length) == 0);
    declared = parameters_discover(notebook);
    FUZZ_HOLDS(json_is_array(declared));
    return 0;
}
