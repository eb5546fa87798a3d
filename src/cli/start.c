/* Starting runs and watching them to their end.  Layer cli; main thread. */
#include "cli/start.h"

#include <string.h>

#include "cli/assignment.h"
#include "cli/exit_status.h"
#include "cli/follow.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/transfer.h"
#include "cli/url.h"

enum { PATH_BYTES = 4 << 10 };

bool start_read_options(const struct invocation *in, json_t *body, struct su_err *err)
{
    json_t *parameters = json_object(), *limits = json_object();
    json_object_set_new(body, "parameters", parameters);
    json_object_set_new(body, "limits", limits);
    const char *name, *value;
    for (size_t at = 0; invocation_each(in, at, &name, &value); at++) {
        if (strcmp(name, "parameter") == 0 && !assignment_parameter(parameters, value, err))
            return false;
        if (strcmp(name, "limit") == 0 && !assignment_limit(limits, value, err))
            return false;
    }
    const char *file = invocation_option(in, "parameters"), *label = invocation_option(in, "label");
    if (file && !assignment_file(parameters, file, err))
        return false;
    if (label)
        json_object_set_new(body, "label", su_json_text_or_null(label));
    return true;
}

int start_status_of(const json_t *run)
{
    return strcmp(su_json_string(run, "state", ""), "succeeded") == 0 ? EXIT_DONE : EXIT_RUN_FAILED;
}

/* The member of a result that reads as a table: the first list of objects. */
static void print_result(const json_t *result)
{
    if (!json_is_object(result)) {
        SU_AUTO_FREE char *text = output_value(result);
        puts(text);
        return;
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)result, key, value) {
        if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
            printf("%s:\n", key);
            pages_print_records(value);
            continue;
        }
        SU_AUTO_FREE char *text = output_value(value);
        printf("%s: ", key);
        output_text(stdout, text);
        putchar('\n');
    }
}

static void print_end(const struct invocation *in, const json_t *run)
{
    char spent[OUTPUT_TEXT];
    const char *state = su_json_string(run, "state", ""), *reason = su_json_string(run, "reason", "");
    const json_t *result = json_object_get(run, "result");
    if (result && !json_is_null(result))
        print_result(result);
    if (invocation_is_quiet(in) && start_status_of(run) == EXIT_DONE)
        return;
    fprintf(stderr, "run %s: %s after %s", su_json_string(run, "id", ""), state,
            output_duration(su_json_number(run, "duration_s", 0), spent));
    if (*reason) {
        fputs(": ", stderr);
        output_text(stderr, reason);
    }
    fputc('\n', stderr);
}

bool start_fetch_notebook(struct invocation *in, const char *id, const char *file, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/runs/");
    url_add_name(&path, id);
    su_buf_adds(&path, "/notebook");
    struct transfer_get get = {.path = path.ptr, .file = file, .size = -1};
    return transfer_get(in, &get, err);
}

int start_finish(struct invocation *in, const json_t *accepted, struct su_err *err)
{
    const char *id = su_json_string(accepted, "id", ""), *file = invocation_option(in, "output");
    bool is_json = invocation_wants_json(in);
    if (!invocation_has(in, "wait") && !file) {
        if (is_json)
            output_json(accepted);
        else
            puts(id);
        return EXIT_DONE;
    }
    if (!is_json && !invocation_is_quiet(in))
        fprintf(stderr, "run %s (it goes on if you stop watching)\n", id);
    SU_AUTO_JSON json_t *run = NULL;
    if (!follow_run(in, id, is_json, &run, err) || (file && !start_fetch_notebook(in, id, file, err)))
        return COMMAND_FAILED;
    if (is_json)
        output_json(run);
    else
        print_end(in, run);
    return start_status_of(run);
}
