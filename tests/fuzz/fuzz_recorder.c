/* The recorder: whatever events come, what it makes of them is a notebook, and the snapshot is JSON.  Tests.
 *
 * Input: a JSON event a line.  The notebook has two cells, "a" and "b". */
#include "fuzz.h"
#include "two_cells.h"

#include "interact/recorder.h"

static void tell(struct recorder *recorder, struct su_str line)
{
    struct su_err err = {0};
    SU_AUTO_JSON json_t *event = NULL, *data = NULL;
    if (!su_json_parse(line, "event", &event, &err))
        return;
    recorder_add(recorder, event);
    if (recorder_client_event(recorder, event, &data))
        FUZZ_HOLDS(data != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recorder *recorder = recorder_new(two_cells());
    struct su_str rest = fuzz_text(data, size), line;
    for (bool more = true; more;) {
        more = su_str_cut(rest, '\n', &line, &rest);
        tell(recorder, line);
    }
    SU_AUTO_BUF struct su_buf before = SU_BUF(1 << 24);
    recorder_outputs(recorder, &before);
    struct recorder_progress progress = recorder_progress(recorder);
    FUZZ_HOLDS(progress.fraction >= 0 && progress.fraction <= 1 && su_utf8_valid(su_str_of(progress.text)));
    SU_AUTO_JSON json_t *done = recorder_finish(recorder), *snapshot = NULL;
    struct su_err err = {0};
    FUZZ_HOLDS(notebook_check(done, &err));
    FUZZ_HOLDS(su_json_parse_deep(su_buf_str(&before), "snapshot", 2000, &snapshot, &err));
    recorder_free(recorder);
    return 0;
}
