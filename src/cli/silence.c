/* silence, switch: what is not to be sent for a while.  Layer cli; main thread. */
#include <string.h>

#include "base/clock.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"

/* --for 2h: until then. */
static bool add_end(const struct invocation *in, json_t *silence, struct su_err *err)
{
    uint64_t span_ms = 0;
    char until[SU_TIME_TEXT];
    const char *span = invocation_option(in, "for");
    if (span && (!su_str_duration_ms(su_str_of(span), &span_ms) || !span_ms))
        return su_fail(err, SU_INVALID, "--for must be a time like 30m, 2h or 1d, was \"%s\"", span);
    if (span)
        json_object_set_new(silence, "until", json_string(su_time_text(su_now_ms() + (int64_t)span_ms, until)));
    return true;
}

static const struct definition_setting silence_settings[] = {
    {"watch", "matchers.watch"},   {"key", "matchers.key"},
    {"level", "matchers.level"},   {"action", "matchers.action"},
    {"from", "from"},              {"until", "until"},
    {"reason", "reason"},          {NULL, NULL},
};
static const struct pages_view silence_view = {
    .none = "no silences",
    .cells = {{"SILENCE", "id"}, {"FOR", "matchers"},
              {"FROM", "from", PAGES_TIME}, {"UNTIL", "until", PAGES_TIME},
              {"EVERY", "every"}, {"REASON", "reason"}}};
static const struct resource silences = {.noun = "silence", .path = "/v1/silences", .view = &silence_view};

static void print_id(const json_t *silence) { puts(su_json_string(silence, "id", "")); }

static int run_add(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *silence = json_object();
    if (!definition_arguments(in, 0, silence, err) || !definition_options(in, silence_settings, silence, err) ||
        !add_end(in, silence, err))
        return COMMAND_FAILED;
    if (!json_object_get(silence, "matchers"))
        json_object_set_new(silence, "matchers", json_object());
    return resource_send(in, "POST", "/v1/silences", silence, print_id, err);
}

/* ------------------------------------------------------------------- switch */

static int run_switch(struct invocation *in, struct su_err *err)
{
    bool is_stop = strcmp(invocation_command(in)->name, "switch stop") == 0;
    const char *reason = invocation_option(in, "reason");
    SU_AUTO_JSON json_t *body = json_pack("{s:s}", "actions", is_stop ? "stopped" : "running");
    if (reason)
        json_object_set_new(body, "reason", su_json_text_or_null(reason));
    return resource_send(in, "PUT", "/v1/switch", body, pages_print_record, err);
}

static int run_switch_show(struct invocation *in, struct su_err *err) { return resource_get(in, "/v1/switch", pages_print_record, err); }

static const struct option_spec add_options[] = {
    {.name = "watch", .value = "GLOB", .help = "decisions of these watches"},
    {.name = "key", .value = "GLOB", .help = "decisions about these keys"},
    {.name = "level", .value = "LEVEL", .help = "decisions of this level"},
    {.name = "action", .value = "NAME", .help = "decisions for this action"},
    {.name = "for", .value = "TIME", .help = "so long from now: 30m, 2h, 1d"},
    {.name = "from", .value = "TIME", .help = "from then on (default: now)"},
    {.name = "until", .value = "TIME", .help = "until then"},
    {.name = "reason", .value = "TEXT", .help = "why, for the log"},
    {.name = NULL},
};
static const struct option_spec switch_options[] = {
    {.name = "reason", .value = "TEXT", .help = "why, for the log"},
    {.name = NULL},
};

const struct command silence_commands[] = {
    {.name = "silence add", .arguments = "[FILE] [FIELD=VALUE…]", .summary = "send nothing of some decisions for a while",
     .details = "The decisions are made and logged all the same. Times that come again are a definition with \"every\" (a JSON\n"
                "file, or every:='{\"days\": [\"sun\"], \"from\": \"02:00\", \"to\": \"04:00\", \"zone\": \"Europe/Berlin\"}').",
     .example = "suricate silence add --watch latency --key 'db-*' --for 2h --reason 'moving the databases'",
     .options = add_options, .arguments_max = 1000, .run = run_add},
    {.name = "silence ls", .summary = "list silences", .run = resource_run_ls, .resource = &silences},
    {.name = "silence rm", .arguments = "SILENCE…", .summary = "end silences", .arguments_min = 1, .arguments_max = 1000,
     .run = resource_run_rm, .resource = &silences},
    {.name = "switch stop", .summary = "stop all actions at once; decisions go on being made", .options = switch_options, .run = run_switch},
    {.name = "switch start", .summary = "let actions go out again", .options = switch_options, .run = run_switch},
    {.name = "switch show", .summary = "say whether actions go out", .run = run_switch_show},
    {.name = NULL},
};
