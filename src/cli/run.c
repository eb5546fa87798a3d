/* run, runs: notebooks at work.  Layer cli; main thread. */
#include "cli/start.h"

#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/client.h"
#include "cli/follow.h"
#include "cli/groups.h"
#include "cli/upload.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/transfer.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, RUNS_SHOWN = 30 };

static char *run_path(const char *id, const char *rest)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/runs/");
    url_add_name(&path, id);
    su_buf_adds(&path, rest);
    return su_buf_take(&path, NULL);
}

/* A local file is stored first, under its own name. */
static bool find_notebook(struct invocation *in, const char *argument, json_t *body, struct su_err *err)
{
    bool is_file = su_str_ends(su_str_of(argument), SU_STR(".ipynb")) && access(argument, R_OK) == 0;
    if (!is_file) {
        json_object_set_new(body, "notebook", su_json_text_or_null(argument));
        return true;
    }
    SU_AUTO_JSON json_t *stored = NULL;
    const char *name = invocation_has(in, "name") ? invocation_option(in, "name") : transfer_base(argument);
    if (!upload_notebook(in, argument, name, &stored, err))
        return false;
    json_object_set_new(body, "notebook", su_json_text_or_null(name));
    json_object_set(body, "version", json_object_get(stored, "version"));
    return true;
}

static int run_run(struct invocation *in, struct su_err *err)
{
    struct client *client;
    uint64_t version = 0, retries = 0;
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *accepted = NULL;
    if (!start_read_options(in, body, err) || !invocation_number(in, "version", 1, INT64_MAX, &version, err) ||
        !invocation_number(in, "retries", 0, 100, &retries, err) ||
        !find_notebook(in, invocation_argument(in, 0), body, err))
        return COMMAND_FAILED;
    if (version)
        json_object_set_new(body, "version", json_integer((json_int_t)version));
    if (retries)
        json_object_set_new(body, "retries", json_integer((json_int_t)retries));
    if (invocation_has(in, "follow"))
        json_object_set_new(body, "follow", json_true());
    if (invocation_has(in, "network"))
        json_object_set_new(body, "network", json_true());
    if (!invocation_client(in, &client, err) || !client_json(client, "POST", "/v1/runs", body, &accepted, err))
        return COMMAND_FAILED;
    return start_finish(in, accepted, err);
}

/* ------------------------------------------------------------------- runs */

static void add_run_row(struct output_table *table, const json_t *run)
{
    char at[OUTPUT_TEXT], spent[OUTPUT_TEXT];
    const json_t *recipe = json_object_get(run, "recipe"), *notebook = json_object_get(run, "notebook");
    output_table_add(table, su_json_string(run, "id", ""));
    output_table_add(table, su_json_string(run, "state", ""));
    output_table_add(table, su_json_string(json_is_object(recipe) ? recipe : notebook, "name", ""));
    output_table_add(table, su_json_string(run, "object", ""));
    output_table_add(table, output_time(su_json_string(run, "created_at", ""), at));
    bool has_duration = json_is_number(json_object_get(run, "duration_s"));
    output_table_add(table, has_duration ? output_duration(su_json_number(run, "duration_s", 0), spent) : "");
}

static int run_runs_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 6, .titles = {"RUN", "STATE", "OF", "OBJECT", "ASKED FOR", "TOOK"},
                                           .right = {5}, .add_row = add_run_row, .none = "no runs"};
    static const char *const filters[] = {"state", "notebook", "recipe"};
    uint64_t max = RUNS_SHOWN;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/runs");
    for (size_t i = 0; i < SU_COUNT(filters); i++)
        url_add_query(&path, filters[i], invocation_option(in, filters[i]));
    if (!invocation_number(in, "limit", 0, INT64_MAX, &max, err) || !pages_print(in, path.ptr, max, &view, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

/* GET a record of a run and print it. */
static int print_part(struct invocation *in, const char *rest, void (*print)(const json_t *), struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *record = NULL;
    SU_AUTO_FREE char *path = run_path(invocation_argument(in, 0), rest);
    if (!invocation_client(in, &client, err) || !client_get_json(client, path, &record, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(record);
    else
        print(record);
    return EXIT_DONE;
}

static int run_runs_show(struct invocation *in, struct su_err *err)
{
    if (!invocation_has(in, "wait"))
        return print_part(in, "", pages_print_facts, err);
    SU_AUTO_JSON json_t *run = NULL;
    if (!follow_run(in, invocation_argument(in, 0), true, &run, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(run);
    else
        pages_print_facts(run);
    return start_status_of(run);
}

static int run_runs_cancel(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *record = NULL;
    SU_AUTO_FREE char *path = run_path(invocation_argument(in, 0), "/cancel");
    if (!invocation_client(in, &client, err) || !client_json(client, "POST", path, NULL, &record, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in) && record)
        output_json(record);
    return EXIT_DONE;
}

/* The whole event stream from its start: what is there already, then what comes. */
static int run_runs_watch(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *run = NULL;
    return follow_run(in, invocation_argument(in, 0), false, &run, err) ? start_status_of(run) : COMMAND_FAILED;
}

static int run_runs_log(struct invocation *in, struct su_err *err)
{
    if (invocation_has(in, "follow"))
        return run_runs_watch(in, err);
    SU_AUTO_FREE char *path = run_path(invocation_argument(in, 0), "/log");
    struct transfer_get get = {.path = path, .size = -1};
    return transfer_get(in, &get, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_runs_notebook(struct invocation *in, struct su_err *err)
{
    return start_fetch_notebook(in, invocation_argument(in, 0), invocation_option(in, "output"), err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_runs_lineage(struct invocation *in, struct su_err *err)
{
    return print_part(in, "/lineage", pages_print_facts, err);
}

static bool save_figures(struct invocation *in, const json_t *figures, const char *folder, struct su_err *err)
{
    if (!su_dir_make(folder, 0755, err))
        return false;
    size_t i;
    json_t *figure;
    json_array_foreach(figures, i, figure) {
        const char *name = su_json_string(figure, "name", "");
        if (!*name || strchr(name, '/') || name[0] == '.')
            return su_fail(err, SU_INTERNAL, "the server names a figure \"%s\"", name);
        SU_AUTO_FREE char *rest = su_format("/figures/%s", name);
        SU_AUTO_FREE char *path = run_path(invocation_argument(in, 0), rest);
        SU_AUTO_FREE char *file = su_format("%s/%s", folder, name);
        struct transfer_get get = {.path = path, .file = file, .size = -1};
        if (!transfer_get(in, &get, err))
            return false;
        if (!invocation_is_quiet(in))
            puts(file);
    }
    return true;
}

static int run_runs_figures(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *answer = NULL;
    SU_AUTO_FREE char *path = run_path(invocation_argument(in, 0), "/figures");
    if (!invocation_client(in, &client, err) || !client_get_json(client, path, &answer, err))
        return COMMAND_FAILED;
    const json_t *figures = json_is_array(answer) ? answer : json_object_get(answer, "items");
    const char *folder = invocation_option(in, "output");
    if (folder)
        return save_figures(in, figures, folder, err) ? EXIT_DONE : COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(figures);
    else
        pages_print_records(figures);
    return EXIT_DONE;
}

static int run_runs_replay(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *accepted = NULL;
    SU_AUTO_FREE char *path = run_path(invocation_argument(in, 0), "/replay");
    if (!invocation_client(in, &client, err) || !client_json(client, "POST", path, NULL, &accepted, err))
        return COMMAND_FAILED;
    return start_finish(in, accepted, err);
}

static const struct option_spec run_options[] = {
    RUN_START_OPTIONS,
    {.name = "name", .value = "NAME", .help = "store a local file under this name"},
    {.name = "version", .value = "N", .help = "run this version of a stored notebook"},
    {.name = "network", .help = "grant the run the network (the server must allow it)"},
    {.name = "retries", .value = "N", .help = "try again when the run is interrupted"},
    {.name = "follow", .help = "for notebooks that follow a stream: no time limit, started again after a crash, until cancelled"},
    {.name = NULL},
};
static const struct option_spec ls_options[] = {
    {.name = "state", .value = "STATE", .help = "only those in this state"},
    {.name = "notebook", .value = "NAME", .help = "only those of this notebook"},
    {.name = "recipe", .value = "NAME", .help = "only those of this recipe"},
    {.name = "limit", .letter = 'n', .value = "N", .help = "so many, newest first (default 30, 0: all)"},
    {.name = NULL},
};
static const struct option_spec show_options[] = {
    {.name = "wait", .letter = 'w', .help = "wait for its end; the exit status says how it ended"},
    {.name = NULL},
};
static const struct option_spec log_options[] = {
    {.name = "follow", .letter = 'f', .help = "print what it prints instead, as runs watch does"},
    {.name = NULL},
};
static const struct option_spec notebook_options[] = {
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write to FILE (default: standard output)"},
    {.name = NULL},
};
static const struct option_spec figures_options[] = {
    {.name = "output", .letter = 'o', .value = "DIR", .help = "save them all into DIR"},
    {.name = NULL},
};
static const struct option_spec replay_options[] = {
    {.name = "wait", .letter = 'w', .help = "wait for its end, showing what it prints"},
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write the executed notebook to FILE (waits)"},
    {.name = NULL},
};

const struct command run_commands[] = {
    {.name = "run", .arguments = "NOTEBOOK", .summary = "run a notebook from top to bottom",
     .details = "NOTEBOOK is a local .ipynb file, which is stored first, or the name of a stored one. Without --wait the\n"
                "run's id is printed at once and the run goes on by itself. With --wait what the notebook prints appears as\n"
                "it comes, and the exit status is 0 only when the run succeeded.",
     .example = "suricate run report.ipynb -p season=2013 -p team=DEN --wait -o report-2013.ipynb\n"
                "suricate run train.ipynb --limit time=10m --limit memory=4g",
     .options = run_options, .arguments_min = 1, .arguments_max = 1, .run = run_run},
    {.name = "runs", .summary = "list runs", .options = ls_options, .run = run_runs_ls},
    {.name = "runs ls", .summary = "list runs, newest first", .options = ls_options, .run = run_runs_ls},
    {.name = "runs show", .arguments = "RUN", .summary = "show a run's record",
     .options = show_options, .arguments_min = 1, .arguments_max = 1, .run = run_runs_show},
    {.name = "runs cancel", .arguments = "RUN", .summary = "stop a run: interrupt, then terminate, then kill",
     .arguments_min = 1, .arguments_max = 1, .run = run_runs_cancel},
    {.name = "runs log", .arguments = "RUN", .summary = "print what happened in a run, a line each",
     .options = log_options, .arguments_min = 1, .arguments_max = 1, .run = run_runs_log},
    {.name = "runs watch", .arguments = "RUN", .summary = "print what a run prints, from its start until its end",
     .details = "Works on a run that has ended, too. The exit status says how it ended.",
     .arguments_min = 1, .arguments_max = 1, .run = run_runs_watch},
    {.name = "runs notebook", .arguments = "RUN", .summary = "fetch the executed notebook",
     .options = notebook_options, .arguments_min = 1, .arguments_max = 1, .run = run_runs_notebook},
    {.name = "runs figures", .arguments = "RUN", .summary = "list or save a run's figures",
     .options = figures_options, .arguments_min = 1, .arguments_max = 1, .run = run_runs_figures},
    {.name = "runs lineage", .arguments = "RUN", .summary = "say where a run's results came from",
     .details = "Notebook and environment, parameters, object versions read and written, downloads, and who asked.",
     .arguments_min = 1, .arguments_max = 1, .run = run_runs_lineage},
    {.name = "runs replay", .arguments = "RUN", .summary = "run it again on the same inputs",
     .options = replay_options, .arguments_min = 1, .arguments_max = 1, .run = run_runs_replay},
    {.name = NULL},
};
