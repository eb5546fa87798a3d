/* action: where decisions are sent.  Layer cli; main thread. */
#include <string.h>

#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"

static bool check_said(const struct invocation *in, json_t *definition, struct su_err *err)
{
    (void)in;
    if (json_object_size(definition))
        return true;
    su_fail(err, SU_INVALID, "where is it sent?");
    return su_hint(err, "--webhook URL, or kind=… and its fields");
}

/* [DECISION]: a sample, or one that was made, is sent at once. */
static int run_test(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *decision = json_object();
    SU_AUTO_FREE char *path = resource_path("/v1/actions", invocation_argument(in, 0), "/test");
    if (!definition_arguments(in, 1, decision, err))
        return COMMAND_FAILED;
    if (json_object_size(decision))
        json_object_set(body, "decision", decision);
    return resource_send(in, "POST", path, body, pages_print_record, err);
}

static const struct pages_view action_view = {
    .none = "no actions",
    .cells = {{"NAME", "name"}, {"KIND", "kind"}, {"TO", "webhook|exchange|notebook|recipe|to|command|via.webhook|via.command"},
              {"SECRET", "secret"}, {"MADE", "created_at", PAGES_TIME}}};
static const struct definition_setting action_settings[] = {
    {"webhook", "webhook"},     {"secret", "secret"},
    {"header", "headers", DEFINITION_TEXT_PAIRS},
    {"dry-run", "dry_run", DEFINITION_SWITCH},
    {NULL, NULL},
};
static const struct resource actions = {.noun = "action", .path = "/v1/actions", .view = &action_view, .settings = action_settings,
                                        .complete = check_said};

static const struct option_spec put_options[] = {
    {.name = "webhook", .value = "URL", .help = "decisions are sent there as POST"},
    {.name = "secret", .value = "NAME", .help = "the secret that signs them (Standard Webhooks), or logs in"},
    {.name = "header", .value = "NAME: VALUE", .help = "a header to send along", .is_repeated = true},
    {.name = "dry-run", .help = "everything but the sending"},
    {.name = NULL},
};

const struct command action_commands[] = {
    {.name = "action put", .arguments = "NAME [FILE] [FIELD=VALUE…]", .summary = "say where decisions of a name are sent",
     .details = "The definition comes from a JSON file (- is standard input), from FIELD=VALUE as -p takes them (fields of\n"
                "fields with dots) and from options; the later in this list wins. It is put whole: what is not said has\n"
                "its default.",
     .example = "suricate action put scale-up --webhook https://ops.example.org/hook --secret hook-key\n"
                "suricate action put page-me --webhook https://pager.example.org/ rate_limit.count=10 rate_limit.per=1m\n"
                "suricate action put retrain kind=run notebook=train",
     .options = put_options, .arguments_min = 1, .arguments_max = 1000, .run = resource_run_put, .resource = &actions},
    {.name = "action ls", .summary = "list actions", .run = resource_run_ls, .resource = &actions},
    {.name = "action show", .arguments = "NAME", .summary = "show an action: where it goes, its guards", .arguments_min = 1,
     .arguments_max = 1, .run = resource_run_show, .resource = &actions},
    {.name = "action rm", .arguments = "NAME…", .summary = "remove actions", .arguments_min = 1, .arguments_max = 1000,
     .run = resource_run_rm, .resource = &actions},
    {.name = "action test", .arguments = "NAME [FILE] [FIELD=VALUE…]", .summary = "send a sample now, and say what came of it",
     .details = "The sample is a made-up decision; a file or FIELD=VALUE say what it holds.",
     .example = "suricate action test page-me key=postgres level=critical", .arguments_min = 1, .arguments_max = 1000, .run = run_test},
    {.name = NULL},
};
