/* Actions of kind "command": a program that the server's owner allows, in a sandbox.  Layer act; on a thread of the
 * delivery's (check: any).
 *
 * Its arguments are a template, each one argument and never a shell's; the decision is its standard input as JSON, the
 * key stands in SURICATE_KEY.  It ends with 0: done.  64 or 65 (sysexits: usage, data): refused for good; else once more. */
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "action_kind.h"
#include "compute/command.h"
#include "template.h"

enum { ARGUMENT_MAX = 8 * 1024, MEMORY_MB = 256, MEMORY_MB_MAX = 4096, EXIT_USAGE = 64, EXIT_DATA = 65, TOLD_MAX = 400 };

struct command { const char *command; json_t *arguments; int64_t memory_mb; };
static const struct su_field command_fields[] = {
    SU_FIELD(struct command, command, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = ACTION_NAME_MAX,
             .help = "Name that the server was started with: --allow-command NAME=/path"),
    SU_FIELD(struct command, arguments, SU_FIELD_TEXTS, .max = COMMAND_ARGUMENTS_MAX, .help = "Templates over the decision, one an argument"),
    SU_FIELD(struct command, memory_mb, SU_FIELD_INT, .min = 16, .max = MEMORY_MB_MAX, .help = "What it may use; default 256"),
    SU_FIELD_END};

/* The path that the owner gave that name. */
static bool find_path(const struct action_services *with, const char *name, const char **ret, struct su_err *err)
{
    size_t len = strlen(name);
    for (const char *const *command = with->commands; command && *command; command++)
        if (strncmp(*command, name, len) == 0 && (*command)[len] == '=') {
            *ret = *command + len + 1;
            return true;
        }
    su_fail_field(err, SU_DENIED, "/command", "command: this server allows no command \"%.64s\"", name);
    return su_hint(err, "whoever starts the server allows one: serve --allow-command %.64s=/path/of/the/program", name);
}

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct command command = {0};
    const char *path;
    (void)tenant;
    return su_json_bind(own, command_fields, &command, err) && find_path(with, command.command, &path, err)
        && (!command.arguments || template_check(command.arguments, "/arguments", err));
}

/* Every argument as one text, whatever it was filled with. */
static bool fill_arguments(const struct attempt *attempt, const json_t *templates, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *arguments = json_array();
    size_t i;
    json_t *template;
    json_array_foreach ((json_t *)(uintptr_t)templates, i, template) {
        SU_AUTO_FREE char *text = NULL;
        if (!attempt_fill_text(attempt, json_string_value(template), &text, err))
            return su_prefix(err, "arguments[%zu]", i);
        if (strlen(text) > ARGUMENT_MAX)
            return su_fail(err, SU_LIMIT, "arguments[%zu]: %zu bytes, the limit is %d", i, strlen(text), ARGUMENT_MAX);
        json_array_append_new(arguments, json_string(text));
    }
    *ret = su_take(arguments);
    return true;
}

static void judge(struct attempt *attempt, const struct command_end *end)
{
    char told[TOLD_MAX];
    snprintf(told, sizeof told, "%s", end->output);
    attempt->status = end->status;
    if (end->is_timeout)
        attempt_failed(attempt, ATTEMPT_AGAIN, "the command did not end within %lld ms", (long long)attempt->timeout_ms);
    else if (end->status == 0)
        attempt_sent(attempt, 0, told);
    else
        attempt_failed(attempt, end->status == EXIT_USAGE || end->status == EXIT_DATA ? ATTEMPT_REFUSED : ATTEMPT_AGAIN,
                       "the command ended with %d%s%s", end->status, told[0] ? ": " : "", told);
}

static bool is_cancelled(void *arg) { return ((struct attempt *)arg)->is_cancelled; }

static bool run_it(struct attempt *attempt, struct command_end *ret, struct su_err *err)
{
    struct command command = {.memory_mb = MEMORY_MB};
    const char *path;
    SU_AUTO_JSON json_t *own = action_own(attempt->definition), *arguments = NULL, *environment = json_array();
    if (attempt->with->compute == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server has no sandbox to run commands in");
    if (!su_json_bind(own, command_fields, &command, err) || !find_path(attempt->with, command.command, &path, err)
        || !fill_arguments(attempt, command.arguments, &arguments, err))
        return false;
    SU_AUTO_FREE char *input = su_json_text(attempt->decision);
    json_array_append_new(environment, json_sprintf("SURICATE_KEY=%s", attempt->id));
    json_array_append_new(environment, json_sprintf("SURICATE_ACTION=%s", attempt->action));
    json_array_append_new(environment, json_sprintf("SURICATE_TEST=%d", (int)attempt->is_test));
    const struct command_run run = {.path = path, .arguments = arguments, .environment = environment, .input = su_str_of(input),
                                    .time_ms = attempt->timeout_ms, .memory_bytes = (uint64_t)command.memory_mb << 20,
                                    .is_cancelled = is_cancelled, .arg = attempt};
    return compute_command(attempt->with->compute, &run, ret, err);
}

static void perform(struct attempt *attempt)
{
    struct su_err err;
    struct command_end end;
    if (!run_it(attempt, &end, &err)) {
        attempt_faulted(attempt, &err);
        return;
    }
    judge(attempt, &end);
    free(end.output);
}

static char *target(const struct attempt *attempt) { return su_format("command %s", su_json_string(attempt->definition, "command", "")); }

const struct action_kind action_command = {.name = "command",
                                           .summary = "An allowed program, in a sandbox",
                                           .fields = command_fields,
                                           .check = check,
                                           .target = target,
                                           .perform = perform,
                                           .waits = true};
