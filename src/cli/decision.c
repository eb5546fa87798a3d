/* decision: what was decided, what waits for a person, what could not be delivered.  Layer cli; main thread. */
#include "cli/decision.h"

#include <string.h>

#include "base/random.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10 };

const char *const decision_filters[] = {"watch", "key", "stream", "consumer", "trigger", "run", "action", "state", NULL};

/* ------------------------------------------------------------------ finding */

/* The newest decisions of which one is meant. */
static bool list_candidates(struct invocation *in, const char *name, json_t **ret, struct su_err *err)
{
    struct client *client;
    bool is_last = strcmp(name, "last") == 0;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, is_last ? "/v1/decisions?limit=1" : "/v1/decisions?limit=2");
    url_add_query(&path, "id", is_last ? NULL : name);
    resource_add_filters(in, decision_filters, &path);
    return invocation_client(in, &client, err) && client_get_json(client, path.ptr, ret, err);
}

bool decision_find(struct invocation *in, const char *name, json_t **ret, struct su_err *err)
{
    struct client *client;
    if (strlen(name) == SU_ID_SIZE - 1) {
        SU_AUTO_FREE char *path = resource_path("/v1/decisions", name, "");
        return invocation_client(in, &client, err) && client_get_json(client, path, ret, err);
    }
    SU_AUTO_JSON json_t *page = NULL;
    if (!list_candidates(in, name, &page, err))
        return false;
    const json_t *items = json_object_get(page, "items");
    if (!json_array_size(items)) {
        su_fail(err, SU_NOT_FOUND, strcmp(name, "last") == 0 ? "there is no decision yet" : "no decision's id begins with %s", name);
        return su_hint(err, "suricate decision ls lists them");
    }
    const char *first = su_json_string(json_array_get(items, 0), "id", "");
    if (json_array_size(items) > 1) {
        su_fail(err, SU_INVALID, "more than one decision begins with %s: %s, %s …", name, first, su_json_string(json_array_get(items, 1), "id", ""));
        return su_hint(err, "give a letter more");
    }
    SU_AUTO_FREE char *path = resource_path("/v1/decisions", first, "");
    return invocation_client(in, &client, err) && client_get_json(client, path, ret, err);
}

/* ----------------------------------------------------------------- commands */

int decision_print(struct invocation *in, void (*print)(const json_t *), struct su_err *err)
{
    SU_AUTO_JSON json_t *decision = NULL;
    if (!decision_find(in, invocation_argument(in, 0), &decision, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(decision);
    else
        print(decision);
    return EXIT_DONE;
}

static int run_show(struct invocation *in, struct su_err *err) { return decision_print(in, pages_print_record, err); }

/* decision VERB DECISION…: tell the server. */
static int run_tell(struct invocation *in, struct su_err *err)
{
    const char *verb = strchr(invocation_command(in)->name, ' ') + 1, *reason = invocation_option(in, "reason");
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_FREE char *rest = su_format("/%s", verb);
    if (reason)
        json_object_set_new(body, "reason", su_json_text_or_null(reason));
    for (int i = 0; i < invocation_count(in); i++) {
        struct client *client;
        SU_AUTO_JSON json_t *decision = NULL;
        SU_AUTO_JSON json_t *answer = NULL;
        if (!decision_find(in, invocation_argument(in, i), &decision, err))
            return COMMAND_FAILED;
        SU_AUTO_FREE char *path = resource_path("/v1/decisions", su_json_string(decision, "id", ""), rest);
        if (!invocation_client(in, &client, err) || !client_json(client, "POST", path, body, &answer, err))
            return COMMAND_FAILED;
        if (invocation_wants_json(in))
            output_json(answer);
        else if (!invocation_is_quiet(in))
            printf("decision %s %s\n", su_json_string(decision, "id", ""), su_json_string(answer, "state", ""));
    }
    return EXIT_DONE;
}

static void print_notebook(const json_t *answer)
{
    output_text(stdout, su_json_string(answer, "notebook", ""));
    putchar('\n');
}

static int run_investigate(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *decision = NULL;
    if (!decision_find(in, invocation_argument(in, 0), &decision, err))
        return COMMAND_FAILED;
    SU_AUTO_FREE char *path = resource_path("/v1/decisions", su_json_string(decision, "id", ""), "/investigate");
    return resource_send(in, "POST", path, NULL, print_notebook, err);
}

static const struct pages_view view = {
    .none = "no decisions",
    .cells = {{"DECISION", "id"}, {"MADE", "decided_at", PAGES_TIME}, {"BY", "watch|trigger|consumer"}, {"KEY", "key"},
              {"EVENT", "event"}, {"LEVEL", "level"}, {"ACTION", "action"}, {"STATE", "state"}, {"TRIES", "attempts", PAGES_NUMBER},
              {"REASON", "reason"}}};
static const struct resource decisions = {.noun = "decision", .path = "/v1/decisions", .view = &view, .filters = decision_filters};

static const struct option_spec ls_options[] = {
    DECISION_FILTER_OPTIONS,
    {.name = "limit", .letter = 'n', .value = "N", .help = "so many, newest first (default 30, 0: all)"},
    {.name = NULL},
};
static const struct option_spec find_options[] = {DECISION_FILTER_OPTIONS, {.name = NULL}};
static const struct option_spec tell_options[] = {
    {.name = "reason", .value = "TEXT", .help = "why, for the log"},
    {.name = NULL},
};

const struct command decision_commands[] = {
    {.name = "decision ls", .summary = "list decisions, and whether they were delivered",
     .example = "suricate decision ls --watch latency --state failed", .options = ls_options, .run = resource_run_ls, .resource = &decisions},
    {.name = "decision show", .arguments = "DECISION", .summary = "show a decision's record (suricate why explains it)",
     .details = "DECISION is an id, how one begins, or last: the newest that the options select.", .options = find_options,
     .arguments_min = 1, .arguments_max = 1, .run = run_show},
    {.name = "decision approve", .arguments = "DECISION…", .summary = "let decisions go that wait for approval", .options = tell_options,
     .arguments_min = 1, .arguments_max = 1000, .run = run_tell},
    {.name = "decision reject", .arguments = "DECISION…", .summary = "refuse decisions that wait for approval", .options = tell_options,
     .arguments_min = 1, .arguments_max = 1000, .run = run_tell},
    {.name = "decision resend", .arguments = "DECISION…", .summary = "deliver decisions again that failed, under their own keys",
     .arguments_min = 1, .arguments_max = 1000, .run = run_tell},
    {.name = "decision investigate", .arguments = "DECISION", .summary = "make a notebook that shows a decision's window",
     .details = "Its name is printed; made once, it stays as it is. Run it with: suricate run NOTEBOOK", .options = find_options,
     .arguments_min = 1, .arguments_max = 1, .run = run_investigate},
    {.name = NULL},
};
