/* Open notebooks: whatever edits and events come, what is stored is a notebook and what is told is JSON.  Tests.
 *
 * Input: a JSON value a line, an edit (it has "op") or a keeper's event.  The notebook has two cells, "a" and "b". */
#include "fuzz.h"
#include "two_cells.h"

#include "interact/document.h"

static void tell(struct document *document, struct su_str line)
{
    struct su_err err = {0};
    SU_AUTO_JSON json_t *value = NULL, *told = NULL;
    if (!su_json_parse(line, "line", &value, &err))
        return;
    const json_t *code;
    if (su_json_string(value, "run", NULL)) {
        char execution[DOCUMENT_EXECUTION_SIZE];
        snprintf(execution, sizeof execution, "%.80s#1", su_json_string(value, "run", ""));
        document_queue(document, su_json_string(value, "run", ""), execution, &code);
    } else if (json_object_get(value, "op")) {
        enum document_verdict verdict = document_edit(document, value, su_json_bool(value, "forced", false), &told, &err);
        FUZZ_HOLDS((verdict == DOCUMENT_APPLIED || verdict == DOCUMENT_CONFLICT) == (told != NULL));
    } else {
        told = document_event(document, "/here", value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct document *document = document_new(two_cells());
    struct su_str rest = fuzz_text(data, size), line;
    for (bool more = true; more;) {
        more = su_str_cut(rest, '\n', &line, &rest);
        tell(document, line);
    }
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 26);
    su_buf_addc(&out, '{');
    document_snapshot(document, "/here", &out);
    su_buf_addc(&out, '}');
    struct su_err err = {0};
    SU_AUTO_JSON json_t *snapshot = NULL, *stored = document_notebook(document, SIZE_MAX), *aborted = document_abort(document, true);
    FUZZ_HOLDS(su_json_parse_deep(su_buf_str(&out), "snapshot", 2000, &snapshot, &err));
    FUZZ_HOLDS(notebook_check(stored, &err));
    FUZZ_HOLDS(document_busy(document) == 0 && json_is_array(aborted));
    document_free(document);
    return 0;
}
