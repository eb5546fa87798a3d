/* watch: detectors over the windows of streams.  Layer cli; main thread. */
#include <string.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"
#include "cli/url.h"
#include "cli/watch_tail.h"

enum { PATH_BYTES = 16 << 10, BACKTEST_S = 600 /* for an answer to begin */ };

static const struct definition_setting definition_settings[] = {
    {"stream", "stream"},
    {"every", "every"},
    {"slide", "slide"},
    {"by", "by", DEFINITION_TEXTS},
    {"value", "values", DEFINITION_TEXTS},
    {"detector", "detector.kind"},
    {"parameter", "detector.parameters", DEFINITION_PAIRS},
    {"model", "detector.model"},
    {"on", "levels.on"},
    {"info", "levels.info.enter", DEFINITION_VALUE},
    {"warning", "levels.warning.enter", DEFINITION_VALUE},
    {"critical", "levels.critical.enter", DEFINITION_VALUE},
    {"hold", "hold", DEFINITION_VALUE},
    {"clear", "clear", DEFINITION_VALUE},
    {"warm-up", "warm_up"},
    {"cooldown", "cooldown"},
    {"start", "from", DEFINITION_VALUE},
    {"dry-run", "dry_run", DEFINITION_SWITCH},
    {"description", "description"},
    {NULL, NULL},
};

/* --action NAME …: who is told of its steps. */
static bool add_actions(const struct invocation *in, json_t *definition, struct su_err *err)
{
    (void)err;
    const char *option, *value;
    if (invocation_has(in, "action"))
        json_object_set_new(definition, "actions", json_array());
    for (size_t at = 0; invocation_each(in, at, &option, &value); at++)
        if (strcmp(option, "action") == 0)
            json_array_append_new(json_object_get(definition, "actions"), json_pack("{s:o}", "action", su_json_text_or_null(value)));
    return true;
}

static bool add_definition(const struct invocation *in, json_t *definition, struct su_err *err)
{
    return definition_arguments(in, 1, definition, err) && definition_options(in, definition_settings, definition, err) &&
           add_actions(in, definition, err);
}

/* ---------------------------------------------------------------- back-test */

static const struct definition_setting range_settings[] = {
    {"from", "from", DEFINITION_VALUE}, {"to", "to", DEFINITION_VALUE},
    {"last", "last"},                           {"key", "key"},
    {"scores", "scores", DEFINITION_SWITCH},
    {NULL, NULL},
};

/* Decisions about this key; all when it is NULL. */
static json_t *only_of(const json_t *decisions, const char *key)
{
    size_t i;
    json_t *decision, *found = json_array();
    json_array_foreach(decisions, i, decision)
        if (!key || strcmp(su_json_string(decision, "key", ""), key) == 0)
            json_array_append(found, decision);
    return found;
}

static void print_backtest(const json_t *answer, const char *key)
{
    static const struct pages_view view = {
        .none = "no decisions",
        .cells = {{"WINDOW", "window.start", PAGES_TIME}, {"KEY", "key"}, {"EVENT", "event"}, {"LEVEL", "level"},
                  {"SCORE", "grounds.score", PAGES_NUMBER}, {"VALUE", "grounds.value", PAGES_NUMBER},
                  {"NORMAL", "grounds.expected", PAGES_NUMBER}, {"ACTION", "action"}, {"REASON", "reason"}}};
    const json_t *compared = json_object_get(answer, "compared");
    SU_AUTO_JSON json_t *decisions = only_of(json_object_get(answer, "decisions"), key);
    pages_print_items(decisions, &view);
    fprintf(stderr, "%lld windows of %lld keys, %lld messages: %lld decisions%s", (long long)su_json_int(answer, "windows", 0),
            (long long)su_json_int(answer, "keys", 0), (long long)su_json_int(answer, "messages", 0),
            (long long)su_json_int(answer, "decisions_total", (json_int_t)json_array_size(json_object_get(answer, "decisions"))),
            su_json_bool(answer, "truncated", false) ? ", more than are shown" : "");
    if (json_is_object(compared))
        fprintf(stderr, "; live there were %lld, %lld of them the same", (long long)su_json_int(compared, "live", 0),
                (long long)su_json_int(compared, "same", 0));
    fputc('\n', stderr);
}

/* The definition where something was said here: over the watch's own, with --new by itself.  NULL: nothing was. */
static bool changed_definition(struct invocation *in, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *own = NULL;
    SU_AUTO_JSON json_t *definition = NULL;
    if (!invocation_has(in, "new") && !resource_definition(in, "/v1/watches", invocation_argument(in, 0), &own, NULL, err))
        return false;
    definition = own ? json_deep_copy(own) : json_object();
    if (!add_definition(in, definition, err))
        return false;
    *ret = own && json_equal(own, definition) ? NULL : su_take(definition);
    return true;
}

static int run_backtest(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *definition = NULL;
    SU_AUTO_JSON json_t *body = json_object();
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    bool is_new = invocation_has(in, "new");
    SU_AUTO_FREE char *path = is_new ? su_strdup("/v1/backtests") : resource_path("/v1/watches", invocation_argument(in, 0), "/backtest");
    if (!changed_definition(in, &definition, err) || !definition_options(in, range_settings, body, err))
        return COMMAND_FAILED;
    if (definition)
        json_object_set(body, "definition", definition);
    struct client_call call = {.method = "POST", .path = path, .json = body, .quiet_limit_s = BACKTEST_S};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(reply.json);
    else
        print_backtest(reply.json, invocation_option(in, "key"));
    return EXIT_DONE;
}

/* ------------------------------------------------------------- keys, scores */

static int run_keys(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {
        .none = "no keys",
        .cells = {{"KEY", "key"}, {"STATE", "state"}, {"LEVEL", "level"},
                  {"SCORE", "score", PAGES_NUMBER}, {"VALUE", "value", PAGES_NUMBER},
                  {"NORMAL", "expected", PAGES_NUMBER}, {"EPISODE", "episode", PAGES_NUMBER},
                  {"SINCE", "opened_at", PAGES_TIME}, {"LAST", "last_at", PAGES_TIME}}};
    static const char *const filters[] = {"state", NULL};
    uint64_t max = 0;
    SU_AUTO_FREE char *base = resource_path("/v1/watches", invocation_argument(in, 0), "/keys");
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, base);
    resource_add_filters(in, filters, &path);
    if (!invocation_number(in, "limit", 0, INT64_MAX, &max, err) || !pages_print(in, path.ptr, max, &view, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

/* Columns of a list each, as rows. */
static void print_scores(const json_t *answer)
{
    static const char *const members[] = {"values", "scores", "expected", "low", "high", "levels"};
    static const char *const titles[] = {"WINDOW", "VALUE", "SCORE", "NORMAL", "LOW", "HIGH", "LEVEL"};
    const json_t *times = json_object_get(answer, "times");
    struct output_table *table = output_table_new(SU_COUNT(titles), titles);
    for (size_t column = 1; column < SU_COUNT(members); column++)
        output_table_right(table, column);
    for (size_t row = 0; row < json_array_size(times); row++) {
        char at[SU_TIME_TEXT_US];
        output_table_add(table, su_time_text_us(json_integer_value(json_array_get(times, row)), at));
        for (size_t i = 0; i < SU_COUNT(members); i++) {
            const json_t *value = json_array_get(json_object_get(answer, members[i]), row);
            if (json_is_number(value))
                output_table_addf(table, "%.6g", json_number_value(value));
            else
                output_table_add(table, json_is_string(value) ? json_string_value(value) : "");
        }
    }
    output_table_print(table, stdout);
    output_table_free(table);
}

static int run_scores(struct invocation *in, struct su_err *err)
{
    static const char *const filters[] = {"key", "from", "to", "last", NULL};
    SU_AUTO_FREE char *base = resource_path("/v1/watches", invocation_argument(in, 0), "/scores");
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, base);
    resource_add_filters(in, filters, &path);
    return resource_get(in, path.ptr, print_scores, err);
}

/* --------------------------------------------------------------------- rows */

static const struct pages_view watch_view = {
    .none = "no watches",
    .cells = {{"NAME", "name"}, {"STREAM", "definition.stream"},
              {"EVERY", "definition.every"}, {"DETECTOR", "code"},
              {"STATE", "state"}, {"KEYS", "keys", PAGES_NUMBER},
              {"FIRING", "firing", PAGES_NUMBER}, {"WORST", "worst"},
              {"BEHIND BY", "lag.seconds", PAGES_SECONDS}, {"ERROR", "error"}}};
static const struct resource watches = {.noun = "watch", .path = "/v1/watches", .view = &watch_view, .settings = definition_settings,
                                        .complete = add_actions};

#define DEFINITION_OPTIONS                                                                                                          \
    {.name = "stream", .value = "STREAM", .help = "the stream that is watched"},                                                     \
    {.name = "every", .value = "TIME", .help = "the length of its windows"},                                                         \
    {.name = "slide", .value = "TIME", .help = "from one window's start to the next (default: every)"},                              \
    {.name = "by", .value = "FIELD", .help = "watch each value of this field by itself", .is_repeated = true},                       \
    {.name = "value", .value = "F(FIELD)", .help = "what is judged, like avg(lat) or count()", .is_repeated = true},                 \
    {.name = "detector", .value = "KIND", .help = "how (suricate detector ls; default: combination)"},                               \
    {.name = "parameter", .letter = 'p', .value = "NAME=VALUE", .help = "a parameter of the detector", .is_repeated = true},         \
    {.name = "model", .value = "NAME", .help = "the model it begins with"},                                                          \
    {.name = "on", .value = "WHAT", .help = "levels are of the score (default) or of the value"},                                    \
    {.name = "info", .value = "N", .help = "from where it is an information"},                                                       \
    {.name = "warning", .value = "N", .help = "from where it is a warning"},                                                         \
    {.name = "critical", .value = "N", .help = "from where it is critical"},                                                         \
    {.name = "hold", .value = "N", .help = "so many windows in a row before it counts"},                                             \
    {.name = "clear", .value = "N", .help = "so many windows in a row before it is over"},                                           \
    {.name = "warm-up", .value = "TIME", .help = "a new key is not judged for so long"},                                             \
    {.name = "cooldown", .value = "TIME", .help = "after an episode no new one for so long"},                                        \
    {.name = "start", .value = "WHERE", .help = "where a new watch begins: latest (default), earliest, an offset or a time"},        \
    {.name = "action", .value = "NAME", .help = "the action that is told (its steps as FIELD=VALUE)", .is_repeated = true},          \
    {.name = "dry-run", .help = "decide, and send nothing"},                                                                         \
    {.name = "description", .value = "TEXT", .help = "a remark for people"}
#define RANGE_OPTIONS                                                                                                               \
    {.name = "key", .value = "KEY", .help = "only this key"},                                                                        \
    {.name = "from", .value = "WHERE", .help = "from there: an offset, earliest, or a time"},                                        \
    {.name = "to", .value = "WHERE", .help = "up to there (excluded)"},                                                              \
    {.name = "last", .value = "TIME", .help = "instead: so far back from the newest message"}

static const struct option_spec put_options[] = {DEFINITION_OPTIONS, {.name = NULL}};
static const struct option_spec keys_options[] = {
    {.name = "state", .value = "STATE", .help = "only those that are warming, ok, pending, firing, cooling or nodata"},
    {.name = "limit", .letter = 'n', .value = "N", .help = "so many (default: all)"},
    {.name = NULL},
};
static const struct option_spec scores_options[] = {RANGE_OPTIONS, {.name = NULL}};
static const struct option_spec tail_options[] = {
    {.name = "key", .value = "KEY", .help = "only those about this key"},
    {.name = "limit", .letter = 'n', .value = "N", .help = "end after so many"},
    {.name = NULL},
};
static const struct option_spec backtest_options[] = {
    RANGE_OPTIONS,
    {.name = "scores", .help = "the scores of its windows too (with --json)"},
    {.name = "new", .help = "NAME need not exist: the definition is all said here"},
    DEFINITION_OPTIONS,
    {.name = NULL},
};

const struct command watch_commands[] = {
    {.name = "watch put", .arguments = "NAME [FILE] [FIELD=VALUE…]", .summary = "put a detector on the windows of a stream",
     .details = "The definition comes from a JSON file (- is standard input), from FIELD=VALUE as -p takes them (fields of\n"
                "fields with dots) and from options; the later in this list wins. It is put whole: what is not said has its\n"
                "default. docs/reference/watches.md says what each field means.",
     .example = "suricate watch put latency --stream syscalls --every 10s --by comm --value 'avg(lat)' --warning 0.99 --action page-me\n"
                "suricate watch put latency watch.json hold.windows=3 hold.of=5",
     .options = put_options, .arguments_min = 1, .arguments_max = 1000, .run = resource_run_put, .resource = &watches},
    {.name = "watch set", .arguments = "NAME [FIELD=VALUE…]", .summary = "change what is said of a watch, and leave the rest",
     .example = "suricate watch set latency enabled=false\nsuricate watch set latency --critical 0.9999 --hold 3", .options = put_options,
     .arguments_min = 1, .arguments_max = 1000, .run = resource_run_set, .resource = &watches},
    {.name = "watch ls", .summary = "list watches, their states and what fires", .run = resource_run_ls, .resource = &watches},
    {.name = "watch show", .arguments = "NAME", .summary = "show a watch: definition, position, lag, what fires", .arguments_min = 1,
     .arguments_max = 1, .run = resource_run_show, .resource = &watches},
    {.name = "watch rm", .arguments = "NAME…", .summary = "remove watches; their decisions stay", .arguments_min = 1,
     .arguments_max = 1000, .run = resource_run_rm, .resource = &watches},
    {.name = "watch keys", .arguments = "NAME", .summary = "list what a watch knows of each key", .options = keys_options,
     .arguments_min = 1, .arguments_max = 1, .run = run_keys},
    {.name = "watch scores", .arguments = "NAME", .summary = "print the scores of a stretch, window by window",
     .example = "suricate watch scores latency --key postgres --last 1h", .options = scores_options, .arguments_min = 1,
     .arguments_max = 1, .run = run_scores},
    {.name = "watch backtest", .arguments = "NAME [FILE] [FIELD=VALUE…]", .summary = "say what a watch decides over a stretch",
     .details = "It is the code that runs live, and sends nothing. FILE, FIELD=VALUE and options change the definition for this\n"
                "once, as watch put takes them. Beside it stands what was decided live there.",
     .example = "suricate watch backtest latency --last 7d\nsuricate watch backtest latency --last 1d --warning 0.995 --hold 3",
     .options = backtest_options, .arguments_min = 1, .arguments_max = 1000, .run = run_backtest},
    {.name = "watch tail", .arguments = "NAME", .summary = "print a watch's decisions as they are made",
     .details = "First the last 10, then each that comes, until Ctrl-C; it goes on through restarts of the server.",
     .options = tail_options, .arguments_min = 1, .arguments_max = 1, .run = watch_run_tail},
    {.name = NULL},
};
