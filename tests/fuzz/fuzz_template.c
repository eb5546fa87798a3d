/* Templates: what passes the check fails only for a missing field or a limit, and filling an answer without places
 * changes nothing.  The input is a template, or {"template", "values"}.  Tests. */
#include "fuzz.h"

#include "act/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct su_err err = {0};
    SU_AUTO_JSON json_t *value = NULL, *filled = NULL, *none = json_object();
    if (!su_json_parse(fuzz_text(data, size), "template", &value, &err))
        return 0;
    const json_t *values = json_object_get(value, "values"), *template = json_object_get(value, "template");
    if (template == NULL)
        template = value;
    bool is_fine = template_check(template, "/template", &err), is_filled = template_fill(template, json_is_object(values) ? values : none, &filled, &err);
    FUZZ_HOLDS(is_fine || !is_filled || err.code == SU_LIMIT);
    if (!is_fine || !is_filled)
        FUZZ_HOLDS(*err.message);
    if (!is_filled)
        return 0;
    SU_AUTO_FREE char *text = su_json_text(filled);
    FUZZ_HOLDS(json_is_object(filled) == json_is_object(template) || json_is_string(template));
    SU_AUTO_JSON json_t *again = NULL;
    if (strstr(text, "{{") == NULL && template_fill(filled, none, &again, &err))
        FUZZ_HOLDS(json_equal(filled, again));
    return 0;
}
