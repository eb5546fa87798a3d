/* trigger: what starts a run or an action by itself.  Layer cli; main thread. */
#include <string.h>

#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"

static const struct definition_setting trigger_settings[] = {
    {"cron", "when.cron"},
    {"zone", "when.zone"},
    {"catch-up", "when.catch_up"},
    {"prefix", "when.prefix"},
    {"tag", "when.tag"},
    {"stream", "when.stream"},
    {"after", "when.notebook"},
    {"drift-of", "when.model"},
    {"notebook", "then.run.notebook"},
    {"recipe", "then.run.recipe"},
    {"object", "then.run.object"},
    {"action", "then.action"},
    {"concurrency", "concurrency"},
    {"where", "when.where", DEFINITION_PAIRS},
    {"parameter", "parameters", DEFINITION_PAIRS},
    {NULL, NULL},
};
static const struct definition_setting firing_settings[] = {
    {"parameter", "parameters", DEFINITION_PAIRS},
    {NULL, NULL},
};
/* Which kind an option of `when` stands for. */
static const struct { const char *option, *kind; } kinds[] = {
    {"cron", "cron"}, {"prefix", "object"}, {"tag", "object"}, {"stream", "event"}, {"after", "run"}, {"drift-of", "drift"},
};

/* Where parameters go, and the kind where it was not said. */
static bool complete(const struct invocation *in, json_t *definition, struct su_err *err)
{
    (void)err;
    bool is_action = definition_get(definition, "then.action") != NULL;
    json_t *parameters = json_object_get(definition, "parameters");
    if (parameters) {
        definition_set(definition, is_action ? "then.parameters" : "then.run.parameters", json_incref(parameters));
        json_object_del(definition, "parameters");
    }
    for (size_t i = 0; i < SU_COUNT(kinds) && !definition_get(definition, "when.kind"); i++)
        if (invocation_has(in, kinds[i].option))
            definition_set(definition, "when.kind", json_string(kinds[i].kind));
    if (!definition_get(definition, "when.kind"))
        definition_set(definition, "when.kind", json_string("api"));
    return true;
}

static void print_url(const json_t *answer) { puts(su_json_string(answer, "url", "")); }

static int run_url(struct invocation *in, struct su_err *err)
{
    SU_AUTO_FREE char *path = resource_path("/v1/triggers", invocation_argument(in, 0), "/secret-url");
    return resource_send(in, "POST", path, NULL, print_url, err);
}

static int run_firings(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {
        .none = "it has not fired",
        .cells = {{"AT", "at", PAGES_TIME}, {"STATE", "state"}, {"DELIVERY", "delivery"}, {"RUN", "run"}, {"DECISION", "decision"}, {"REASON", "reason"}}};
    uint64_t max = 30;
    SU_AUTO_FREE char *path = resource_path("/v1/triggers", invocation_argument(in, 0), "/firings");
    if (!invocation_number(in, "limit", 0, INT64_MAX, &max, err) || !pages_print(in, path, max, &view, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

static const struct pages_view trigger_view = {
    .none = "no triggers",
    .cells = {{"NAME", "name"}, {"WHEN", "when.kind"},
              {"OF", "when.cron|when.stream|when.prefix|when.tag|when.notebook|when.model"},
              {"THEN", "then.action|then.run.notebook|then.run.recipe"},
              {"STATE", "state"}, {"FIRED", "fired", PAGES_NUMBER},
              {"LAST", "last_fired", PAGES_TIME}, {"NEXT", "next_at", PAGES_TIME}, {"ERROR", "error"}}};
static const struct resource triggers = {.noun = "trigger", .path = "/v1/triggers", .view = &trigger_view, .settings = trigger_settings,
                                         .complete = complete};

/* What firing it by hand says: parameters. */
static const struct resource firing = {.noun = "trigger", .path = "/v1/triggers", .settings = firing_settings};

static const struct option_spec put_options[] = {
    {.name = "cron", .value = "LINE", .help = "at these times: minute hour day month weekday"},
    {.name = "zone", .value = "ZONE", .help = "… of this time zone (default UTC)"},
    {.name = "catch-up", .value = "POLICY", .help = "… those missed while the server was down: none, one or all"},
    {.name = "prefix", .value = "PREFIX", .help = "when an object whose name begins so is made or changed"},
    {.name = "tag", .value = "TAG", .help = "when an object with this tag is made or changed"},
    {.name = "stream", .value = "STREAM", .help = "with a message of this stream; _events is what happens on the server"},
    {.name = "where", .value = "FIELD=VALUE", .help = "… that says so; VALUE may be JSON like {\"above\": 3}", .is_repeated = true},
    {.name = "after", .value = "NOTEBOOK", .help = "when a run of this notebook is over"},
    {.name = "drift-of", .value = "MODEL", .help = "when this model has drifted"},
    {.name = "notebook", .value = "NAME", .help = "start a run of this notebook"},
    {.name = "recipe", .value = "NAME", .help = "start a run of this recipe"},
    {.name = "object", .value = "NAME", .help = "… on this object"},
    {.name = "action", .value = "NAME", .help = "do this action"},
    {.name = "parameter", .letter = 'p', .value = "NAME=VALUE", .help = "a parameter; {{ event.name }} is taken from the event", .is_repeated = true},
    {.name = "concurrency", .value = "POLICY", .help = "while one is under way: queue, skip, replace or parallel"},
    {.name = NULL},
};
static const struct option_spec fire_options[] = {
    {.name = "parameter", .letter = 'p', .value = "NAME=VALUE", .help = "a parameter of what starts", .is_repeated = true},
    {.name = NULL},
};
static const struct option_spec firings_options[] = {
    {.name = "limit", .letter = 'n', .value = "N", .help = "so many, newest first (default 30, 0: all)"},
    {.name = NULL},
};

const struct command trigger_commands[] = {
    {.name = "trigger put", .arguments = "NAME [FILE] [FIELD=VALUE…]", .summary = "start a run or an action by itself",
     .details = "The definition comes from a JSON file (- is standard input), from FIELD=VALUE as -p takes them (fields of\n"
                "fields with dots) and from options; the later in this list wins. Without a time or an event it fires when\n"
                "it is told to: suricate trigger fire, or its secret address.",
     .example = "suricate trigger put nightly --cron '30 2 * * *' --zone Europe/Berlin --notebook report -p day=yesterday\n"
                "suricate trigger put arrived --prefix incoming/ --recipe favourite-receiver --object '{{ event.name }}'",
     .options = put_options, .arguments_min = 1, .arguments_max = 1000, .run = resource_run_put, .resource = &triggers},
    {.name = "trigger ls", .summary = "list triggers, when they fired and when they will", .run = resource_run_ls, .resource = &triggers},
    {.name = "trigger show", .arguments = "NAME", .summary = "show a trigger", .arguments_min = 1, .arguments_max = 1,
     .run = resource_run_show, .resource = &triggers},
    {.name = "trigger rm", .arguments = "NAME…", .summary = "remove triggers", .arguments_min = 1, .arguments_max = 1000,
     .run = resource_run_rm, .resource = &triggers},
    {.name = "trigger fire", .arguments = "NAME", .summary = "let a trigger fire now", .example = "suricate trigger fire nightly -p day=2013-09-05",
     .options = fire_options, .arguments_min = 1, .arguments_max = 1, .run = resource_run_post, .resource = &firing},
    {.name = "trigger firings", .arguments = "NAME", .summary = "list when a trigger fired, and what came of it",
     .options = firings_options, .arguments_min = 1, .arguments_max = 1, .run = run_firings},
    {.name = "trigger url", .arguments = "NAME", .summary = "make a secret address that fires a trigger when it is posted to",
     .details = "For callers that cannot send a token. It is shown once; an earlier one ends.", .arguments_min = 1, .arguments_max = 1,
     .run = run_url},
    {.name = NULL},
};
