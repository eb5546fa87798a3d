/* why: on what grounds something was decided, and what became of it.  Layer cli; main thread. */
#include <math.h>
#include <string.h>

#include "cli/decision.h"
#include "cli/definition.h"
#include "cli/groups.h"
#include "cli/output.h"

enum { LINE_BYTES = 16 << 10 };

static const char *text_of(const json_t *object, const char *key) { return su_json_string(object, key, ""); }

static void add(struct output_table *table, const char *name, const char *text)
{
    if (!text || !*text)
        return;
    output_table_add(table, name);
    output_table_add(table, text);
}

static bool number_of(const json_t *grounds, const char *key, double *ret)
{
    const json_t *value = definition_get(grounds, key);
    *ret = json_is_number(value) ? json_number_value(value) : NAN;
    return !isnan(*ret);
}

static void add_who(struct output_table *table, const json_t *decision)
{
    char at[OUTPUT_TEXT];
    const char *watch = text_of(decision, "watch"), *trigger = text_of(decision, "trigger"), *consumer = text_of(decision, "consumer");
    const char *kind = *watch ? "watch " : *trigger ? "trigger " : *consumer ? "consumer " : "";
    SU_AUTO_FREE char *who = su_format("%s%s, %s", kind, *watch ? watch : *trigger ? trigger : consumer,
                                       output_time(text_of(decision, "decided_at"), at));
    const char *event = text_of(decision, "event"), *level = text_of(decision, "level");
    SU_AUTO_FREE char *what = su_format("%s%s%s", event, *event && *level ? ", " : "", level);
    add(table, "decision", text_of(decision, "id"));
    add(table, "made by", who);
    add(table, "event", what);
    add(table, "reason", text_of(decision, "reason"));
}

static void add_window(struct output_table *table, const json_t *decision)
{
    const json_t *window = json_object_get(decision, "window");
    add(table, "stream", text_of(decision, "stream"));
    add(table, "key", text_of(decision, "key"));
    if (!json_is_object(window))
        return;
    long long from = su_json_int(window, "from", 0), to = su_json_int(window, "to", 0), revision = su_json_int(window, "revision", 0);
    SU_AUTO_FREE char *span = su_format("%.23s to %.23s UTC", text_of(window, "start"), text_of(window, "end"));
    SU_AUTO_FREE char *again = revision ? su_format(", revision %lld", revision) : su_strdup("");
    SU_AUTO_FREE char *messages = su_format("%lld among offsets %lld to %lld%s", (long long)su_json_int(window, "messages", 0), from,
                                            to > from ? to - 1 : to, again);
    add(table, "window", span);
    add(table, "messages", messages);
}

/* Value, score, and what normal would have been. */
static void add_judgement(struct output_table *table, const json_t *grounds)
{
    double value, score, expected, low, high;
    bool has_low = number_of(grounds, "low", &low), has_high = number_of(grounds, "high", &high);
    SU_AUTO_BUF struct su_buf normal = SU_BUF(LINE_BYTES);
    if (number_of(grounds, "expected", &expected))
        su_buf_addf(&normal, "%.6g", expected);
    if (has_low)
        su_buf_addf(&normal, "%sfrom %.6g", normal.len ? ", " : "", low);
    if (has_high)
        su_buf_addf(&normal, "%s%s %.6g", has_low || !normal.len ? "" : ",", has_low ? " to" : " up to", high);
    if (number_of(grounds, "value", &value)) {
        SU_AUTO_FREE char *text = su_format("%.6g", value);
        add(table, "value", text);
    }
    if (normal.len)
        add(table, "normal", su_buf_str(&normal).ptr);
    if (number_of(grounds, "score", &score)) {
        SU_AUTO_FREE char *text = su_format("%.6g (%.4g %% of what is normal is less strange)", score, 100 * score);
        add(table, "score", text);
    }
}

static void add_code(struct output_table *table, const json_t *decision)
{
    size_t i;
    json_t *model;
    SU_AUTO_BUF struct su_buf models = SU_BUF(LINE_BYTES);
    json_array_foreach(json_object_get(decision, "models"), i, model)
        su_buf_addf(&models, "%s%s@%lld", i ? ", " : "", text_of(model, "name"), (long long)su_json_int(model, "version", 0));
    add(table, "code", text_of(decision, "code"));
    if (models.len)
        add(table, "models", su_buf_str(&models).ptr);
    add(table, "run", text_of(decision, "run"));
}

/* Each guard in the order it was asked. */
static void add_guards(struct output_table *table, const json_t *guards)
{
    size_t i;
    json_t *guard;
    json_array_foreach(guards, i, guard) {
        const char *detail = text_of(guard, "detail");
        SU_AUTO_FREE char *line = su_format("%s: %s%s%s", text_of(guard, "guard"), su_json_bool(guard, "passed", true) ? "passed" : "stopped it",
                                            *detail ? ", " : "", detail);
        add(table, i == 0 ? "guards" : "  ", line);
    }
}

static void add_attempts(struct output_table *table, const json_t *decision)
{
    size_t i;
    json_t *attempt;
    json_array_foreach(json_object_get(decision, "log"), i, attempt) {
        char at[OUTPUT_TEXT];
        const json_t *status = json_object_get(attempt, "status");
        SU_AUTO_FREE char *code = output_value(json_is_null(status) ? NULL : status);
        SU_AUTO_FREE char *line = su_format("%s  %s%s%s in %lld ms", output_time(text_of(attempt, "at"), at), text_of(attempt, "outcome"),
                                            *code ? ", answer " : "", code, (long long)su_json_int(attempt, "took_ms", 0));
        add(table, i == 0 ? "attempts" : "  ", line);
    }
}

static void add_action(struct output_table *table, const json_t *decision)
{
    const json_t *parameters = json_object_get(decision, "parameters"), *target = json_object_get(decision, "target");
    SU_AUTO_FREE char *given = json_object_size(parameters) ? output_value(parameters) : su_strdup("");
    SU_AUTO_FREE char *where = json_is_object(target) ? output_value(target) : su_strdup(text_of(decision, "action"));
    add(table, "action", where);
    add(table, "parameters", given);
    add_guards(table, json_object_get(decision, "guards"));
    add(table, "state", text_of(decision, "state"));
    add_attempts(table, decision);
    add(table, "last error", text_of(decision, "last_error"));
}

static void add_quoted(struct su_buf *line, const char *option, const char *value)
{
    if (!*value)
        return;
    su_buf_addf(line, " %s", option);
    if (strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+-") == strlen(value)) {
        su_buf_addf(line, " %s", value);
        return;
    }
    su_buf_adds(line, " '");
    for (; *value; value++)
        *value == '\'' ? su_buf_adds(line, "'\\''") : su_buf_addc(line, *value);
    su_buf_addc(line, '\'');
}

/* The command that makes it again; "" where there is none. */
static void add_replay(struct output_table *table, const json_t *decision)
{
    const char *watch = text_of(decision, "watch"), *run = text_of(decision, "run"), *trigger = text_of(decision, "trigger");
    const json_t *window = json_object_get(decision, "window");
    SU_AUTO_BUF struct su_buf line = SU_BUF(LINE_BYTES);
    if (*watch) {
        add_quoted(&line, "suricate watch backtest", watch);
        add_quoted(&line, "--from", text_of(window, "start"));
        add_quoted(&line, "--to", text_of(window, "end"));
        add_quoted(&line, "--key", text_of(decision, "key"));
    } else if (*run) {
        add_quoted(&line, "suricate runs replay", run);
    } else if (*trigger) {
        add_quoted(&line, "suricate trigger fire", trigger);
    }
    if (line.len)
        add(table, "again", su_buf_str(&line).ptr + 1);
}

static void print_why(const json_t *decision)
{
    static const char *const titles[] = {"", ""};
    struct output_table *table = output_table_new(2, titles);
    add_who(table, decision);
    add_window(table, decision);
    add_judgement(table, json_object_get(decision, "grounds"));
    add_code(table, decision);
    add_action(table, decision);
    add_replay(table, decision);
    output_table_print(table, stdout);
    output_table_free(table);
}

static int run_why(struct invocation *in, struct su_err *err) { return decision_print(in, print_why, err); }

static const struct option_spec why_options[] = {DECISION_FILTER_OPTIONS, {.name = NULL}};

const struct command why_commands[] = {
    {.name = "why", .arguments = "DECISION", .summary = "say why something was decided, what came of it, and how to decide it again",
     .details = "DECISION is an id, how one begins, or last: the newest that the options select. Shown are its window with\n"
                "offsets, value and score beside what normal would have been, the versions of models and code, every guard\n"
                "and every attempt, and the command that makes the decision again.",
     .example = "suricate why last --watch latency\nsuricate why 01j8z", .options = why_options, .arguments_min = 1, .arguments_max = 1,
     .run = run_why},
    {.name = NULL},
};
