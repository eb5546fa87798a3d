/* notebook put, get, ls, rm, parameters.  Layer cli; main thread. */
#include <string.h>

#include "cli/client.h"
#include "cli/groups.h"
#include "cli/upload.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/transfer.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10 };

static struct su_buf notebook_path(const char *name, const char *version, const char *view)
{
    struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/notebooks/");
    url_add_name(&path, name);
    url_add_query(&path, "version", version);
    url_add_query(&path, "view", view);
    return path;
}

bool upload_notebook(struct invocation *in, const char *file, const char *name, json_t **ret, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = notebook_path(name, NULL, NULL);
    struct transfer_put put = {.file = file, .path = path.ptr, .type = "application/x-ipynb+json"};
    return transfer_put(in, &put, ret, err);
}

static int run_put(struct invocation *in, struct su_err *err)
{
    const char *file = invocation_argument(in, 0), *name = invocation_argument(in, 1);
    SU_AUTO_JSON json_t *stored = NULL;
    if (!name && strcmp(file, "-") == 0) {
        su_fail(err, SU_INVALID, "notebook put -: what comes from standard input needs a name");
        return COMMAND_FAILED;
    }
    if (!name)
        name = transfer_base(file);
    if (!upload_notebook(in, file, name, &stored, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in)) {
        output_json(stored);
    } else if (!invocation_is_quiet(in)) {
        printf("stored notebook ");
        output_text(stdout, name);
        printf(", version %lld\n", (long long)su_json_int(stored, "version", 0));
    }
    return EXIT_DONE;
}

static int run_get(struct invocation *in, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = notebook_path(invocation_argument(in, 0), invocation_option(in, "version"), NULL);
    struct transfer_get get = {.path = path.ptr, .file = invocation_option(in, "output"), .size = -1};
    return transfer_get(in, &get, err) ? EXIT_DONE : COMMAND_FAILED;
}

static void add_row(struct output_table *table, const json_t *item)
{
    char size[OUTPUT_TEXT], at[OUTPUT_TEXT];
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_addf(table, "%lld", (long long)su_json_int(item, "version", 0));
    output_table_add(table, output_size((uint64_t)su_json_int(item, "size", 0), size));
    output_table_add(table, output_time(su_json_string(item, "created_at", ""), at));
}

static int run_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 4, .titles = {"NAME", "VERSION", "SIZE", "STORED"},
                                           .right = {1, 2}, .add_row = add_row, .none = "no notebooks"};
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/notebooks");
    url_add_query(&path, "prefix", invocation_argument(in, 0));
    return pages_print(in, path.ptr, 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_rm(struct invocation *in, struct su_err *err)
{
    struct client *client;
    if (!invocation_client(in, &client, err))
        return COMMAND_FAILED;
    for (int i = 0; i < invocation_count(in); i++) {
        SU_AUTO_BUF struct su_buf path = notebook_path(invocation_argument(in, i), invocation_option(in, "version"), NULL);
        SU_AUTO_JSON json_t *nothing = NULL;
        if (!client_json(client, "DELETE", path.ptr, NULL, &nothing, err))
            return COMMAND_FAILED;
    }
    return EXIT_DONE;
}

void output_parameters(const json_t *parameters)
{
    static const char *const titles[] = {"PARAMETER", "TYPE", "DEFAULT", "HELP"};
    struct output_table *table = output_table_new(SU_COUNT(titles), titles);
    size_t i;
    json_t *parameter;
    json_array_foreach(parameters, i, parameter) {
        SU_AUTO_FREE char *value = output_value(json_object_get(parameter, "default"));
        output_table_add(table, su_json_string(parameter, "name", ""));
        output_table_add(table, su_json_string(parameter, "type", ""));
        output_table_add(table, json_is_null(json_object_get(parameter, "default")) ? "-" : value);
        output_table_add(table, su_json_string(parameter, "help", ""));
    }
    output_table_print(table, stdout);
    output_table_free(table);
}

static int run_parameters(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *answer = NULL;
    SU_AUTO_BUF struct su_buf path = notebook_path(invocation_argument(in, 0), invocation_option(in, "version"), "parameters");
    if (!invocation_client(in, &client, err) || !client_get_json(client, path.ptr, &answer, err))
        return COMMAND_FAILED;
    const json_t *parameters = json_object_get(answer, "parameters");
    if (!parameters)
        parameters = json_object_get(answer, "items");
    if (invocation_wants_json(in))
        output_json(parameters ? parameters : answer);
    else
        output_parameters(parameters ? parameters : answer);
    return EXIT_DONE;
}

static const struct option_spec get_options[] = {
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write to FILE (default: standard output)"},
    {.name = "version", .value = "N", .help = "an older version (default: the newest)"},
    {.name = NULL},
};
static const struct option_spec version_options[] = {
    {.name = "version", .value = "N", .help = "this version (default: the newest; rm: all)"},
    {.name = NULL},
};

const struct command notebook_commands[] = {
    {.name = "notebook put", .arguments = "FILE [NAME]", .summary = "store a notebook (.ipynb)",
     .details = "nbformat 4.5; older 4.x files are upgraded on the way in. NAME is the file's own name unless given.",
     .arguments_min = 1, .arguments_max = 2, .run = run_put},
    {.name = "notebook get", .arguments = "NAME", .summary = "fetch a notebook",
     .options = get_options, .arguments_min = 1, .arguments_max = 1, .run = run_get},
    {.name = "notebook ls", .arguments = "[PREFIX]", .summary = "list notebooks", .arguments_max = 1, .run = run_ls},
    {.name = "notebook rm", .arguments = "NAME…", .summary = "remove notebooks",
     .options = version_options, .arguments_min = 1, .arguments_max = 1000, .run = run_rm},
    {.name = "notebook parameters", .arguments = "NAME", .summary = "list what a notebook takes as parameters",
     .details = "Read from the cell tagged \"parameters\", as papermill does: name: type = default  # help.",
     .options = version_options, .arguments_min = 1, .arguments_max = 1, .run = run_parameters},
    {.name = NULL},
};
