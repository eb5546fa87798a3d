/* stream, stats, dead-letters: named logs of messages.  Layer cli; main thread. */
#include "cli/stream.h"

#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/definition.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, BODY_SHOWN = 60 };

char *stream_path(const char *name, const char *rest)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/streams/");
    url_add_name(&path, name);
    su_buf_adds(&path, rest);
    return su_buf_take(&path, NULL);
}

/* ----------------------------------------------------------------- create */

static const struct definition_setting settings[] = {
    {"format", "format"},           {"time-field", "time.field"},
    {"time-format", "time.format"}, {"key", "key"},
    {"delay", "delay"},             {"skew", "skew"},
    {"idle", "idle"},               {"keep", "retention.age"},
    {"description", "description"}, {"amqp", "source.url"},
    {"queue", "source.queue"},      {"user", "source.user"},
    {"secret", "source.secret"},    {"declare", "source.declare.type"},
    {"from", "source.from"},        {"every", "source.every"},
    {"sql", "source.sql"},          {"by", "source.by", DEFINITION_TEXTS},
    {"object", "source.objects", DEFINITION_TEXTS},
    {"aggregate", "source.aggregates", DEFINITION_TEXT_PAIRS},
    {NULL, NULL},
};

/* --exchange X --bind KEY …: bindings of the queue; without a key, of an exchange that needs none. */
static bool add_bindings(const struct invocation *in, json_t *source, struct su_err *err)
{
    const char *name, *value, *exchange = invocation_option(in, "exchange");
    SU_AUTO_JSON json_t *bindings = json_array();
    for (size_t at = 0; invocation_each(in, at, &name, &value); at++) {
        if (strcmp(name, "bind") != 0)
            continue;
        if (!exchange)
            return su_fail(err, SU_INVALID, "--bind %s: of which exchange? name it with --exchange", value);
        json_array_append_new(bindings, json_pack("{s:s, s:o}", "exchange", exchange, "routing_key", su_json_text_or_null(value)));
    }
    if (exchange && !json_array_size(bindings))
        json_array_append_new(bindings, json_pack("{s:s, s:s}", "exchange", exchange, "routing_key", ""));
    if (json_array_size(bindings))
        json_object_set(source, "bind", bindings);
    return true;
}

static bool build_definition(const struct invocation *in, json_t *definition, struct su_err *err)
{
    if (!definition_options(in, settings, definition, err))
        return false;
    if (!json_object_get(definition, "source"))
        json_object_set_new(definition, "source", json_object());
    json_t *source = json_object_get(definition, "source");
    if (!json_is_object(source))
        return true;    /* the server says what is wrong with it */
    if (!add_bindings(in, source, err))
        return false;
    const char *kind = invocation_has(in, "amqp") ? "amqp" : invocation_has(in, "from") ? "derived" : "push";
    if (!json_object_get(source, "kind"))
        json_object_set_new(source, "kind", json_string(kind));
    return true;
}

static bool put_definition(struct invocation *in, const char *name, const json_t *definition, const char *condition, json_t **ret,
                           struct su_err *err)
{
    struct client *client;
    SU_AUTO_FREE char *path = stream_path(name, "");
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "PUT", .path = path, .json = definition, .headers = {condition}};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return false;
    *ret = su_take(reply.json);
    return true;
}

static int run_create(struct invocation *in, struct su_err *err)
{
    const char *name = invocation_argument(in, 0);
    bool is_replaced = invocation_has(in, "replace");
    SU_AUTO_JSON json_t *definition = NULL;
    SU_AUTO_JSON json_t *made = NULL;
    if (!definition_read(invocation_option(in, "file"), &definition, err) || !build_definition(in, definition, err))
        return COMMAND_FAILED;
    if (!put_definition(in, name, definition, is_replaced ? NULL : "If-None-Match: *", &made, err)) {
        if (err->code == SU_CONFLICT && !is_replaced) {
            su_fail(err, SU_CONFLICT, "there is a stream %s already", name);
            su_hint(err, "--replace changes its definition; its messages stay");
        }
        return COMMAND_FAILED;
    }
    if (invocation_wants_json(in))
        output_json(made);
    else if (!invocation_is_quiet(in)) {
        fputs("stream ", stdout);
        output_text(stdout, name);
        printf(" %s\n", su_json_int(made, "version", 1) > 1 ? "changed" : "made");
    }
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- ls, show */

static void add_stream_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT];
    const json_t *offsets = json_object_get(item, "offsets"), *definition = json_object_get(item, "definition");
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, su_json_string(json_object_get(definition, "source"), "kind", ""));
    output_table_add(table, su_json_string(item, "state", ""));
    output_table_addf(table, "%lld", (long long)(su_json_int(offsets, "next", 0) - su_json_int(offsets, "first", 0)));
    output_table_add(table, output_time(su_json_string(json_object_get(item, "time"), "high", ""), at));
    output_table_add(table, su_json_string(definition, "description", ""));
}

static int run_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 6, .titles = {"NAME", "SOURCE", "STATE", "MESSAGES", "NEWEST", "DESCRIPTION"},
                                           .right = {3}, .add_row = add_stream_row, .none = "no streams"};
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/streams");
    url_add_query(&path, "prefix", invocation_argument(in, 0));
    return pages_print(in, path.ptr, 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int print_part(struct invocation *in, const char *rest, void (*print)(const json_t *), struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *record = NULL;
    SU_AUTO_FREE char *path = stream_path(invocation_argument(in, 0), rest);
    if (!invocation_client(in, &client, err) || !client_get_json(client, path, &record, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(record);
    else
        print(record);
    return EXIT_DONE;
}

static int run_show(struct invocation *in, struct su_err *err) { return print_part(in, "", stream_print_summary, err); }

static int run_stats(struct invocation *in, struct su_err *err) { return print_part(in, "/stats", pages_print_record, err); }

static int run_verify(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *answer = NULL;
    SU_AUTO_FREE char *path = stream_path(invocation_argument(in, 0), "/verify");
    if (!invocation_client(in, &client, err) || !client_get_json(client, path, &answer, err))
        return COMMAND_FAILED;
    const json_t *damaged = json_is_array(answer) ? answer : json_object_get(answer, "damaged");
    if (invocation_wants_json(in))
        output_json(answer);
    else if (json_array_size(damaged))
        pages_print_records(damaged);
    else if (!invocation_is_quiet(in))
        fputs("every block and file is as it was written\n", stderr);
    return json_array_size(damaged) ? EXIT_RUN_FAILED : EXIT_DONE;
}

/* ------------------------------------------------------- rm, pause, resume */

static int run_rm(struct invocation *in, struct su_err *err)
{
    struct client *client;
    if (!invocation_client(in, &client, err))
        return COMMAND_FAILED;
    for (int i = 0; i < invocation_count(in); i++) {
        SU_AUTO_FREE char *path = stream_path(invocation_argument(in, i), invocation_has(in, "force") ? "?force=true" : "");
        SU_AUTO_JSON json_t *nothing = NULL;
        if (!client_json(client, "DELETE", path, NULL, &nothing, err)) {
            if (err->code == SU_CONFLICT)
                su_hint(err, "--force removes it all the same");
            return COMMAND_FAILED;
        }
    }
    return EXIT_DONE;
}

static int set_paused(struct invocation *in, bool is_paused, struct su_err *err)
{
    struct client *client;
    const char *name = invocation_argument(in, 0);
    SU_AUTO_FREE char *path = stream_path(name, "");
    SU_AUTO_JSON json_t *changed = NULL;
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "GET", .path = path};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return COMMAND_FAILED;
    json_t *definition = json_object_get(reply.json, "definition");
    if (!definition) {
        su_fail(err, SU_UNAVAILABLE, "what answers at %s is not a Suricate server", client_url(client));
        return COMMAND_FAILED;
    }
    SU_AUTO_FREE char *condition = *reply.etag ? su_format("If-Match: %s", reply.etag) : NULL;
    json_object_set_new(definition, "paused", json_boolean(is_paused));
    if (!put_definition(in, name, definition, condition, &changed, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(changed);
    return EXIT_DONE;
}

static int run_pause(struct invocation *in, struct su_err *err) { return set_paused(in, true, err); }

static int run_resume(struct invocation *in, struct su_err *err) { return set_paused(in, false, err); }

/* ------------------------------------------------------------ dead letters */

static void add_dead_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT];
    SU_AUTO_FREE char *body = output_value(json_object_get(item, "body"));
    size_t len = strlen(body);
    output_table_addf(table, "%lld", (long long)su_json_int(item, "offset", 0));
    output_table_add(table, output_time(su_json_string(item, "arrival", ""), at));
    output_table_add(table, su_json_string(item, "reason", ""));
    while (len > BODY_SHOWN && ((unsigned char)body[len - 1] & 0xc0) == 0x80)
        len--;
    output_table_addf(table, "%.*s%s", len > BODY_SHOWN ? BODY_SHOWN : (int)len, body, len > BODY_SHOWN ? "…" : "");
}

static int run_dead_letters(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 4, .titles = {"OFFSET", "ARRIVED", "REASON", "BODY"}, .right = {0},
                                           .add_row = add_dead_row, .none = "no dead letters"};
    struct client *client;
    SU_AUTO_FREE char *path = stream_path(invocation_argument(in, 0), "/dead-letters");
    SU_AUTO_JSON json_t *nothing = NULL;
    if (!invocation_has(in, "clear"))
        return pages_print(in, path, 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
    if (!invocation_client(in, &client, err) || !client_json(client, "DELETE", path, NULL, &nothing, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

static const struct option_spec create_options[] = {
    {.name = "file", .letter = 'f', .value = "FILE", .help = "a definition (JSON), - for standard input; options go first"},
    {.name = "time-field", .value = "FIELD", .help = "where a message's event time stands (default: its arrival)"},
    {.name = "time-format", .value = "FORMAT", .help = "auto, s, ms, us, ns or rfc3339 (default auto)"},
    {.name = "key", .value = "FIELD", .help = "the field that is the key"},
    {.name = "format", .value = "FORMAT", .help = "what a message is: json, ndjson or text (default json)"},
    {.name = "delay", .value = "TIME", .help = "how long windows wait for messages out of order (default 0s)"},
    {.name = "skew", .value = "TIME", .help = "how far event time may be ahead of arrival (default 1m)"},
    {.name = "idle", .value = "TIME", .help = "quiet for so long, open windows close (default 0s: never)"},
    {.name = "keep", .value = "TIME", .help = "how long messages are kept (default 7d, 0s: for ever)"},
    {.name = "description", .value = "TEXT", .help = "a remark for people"},
    {.name = "amqp", .value = "URL", .help = "messages come from this broker: amqp://HOST:5672/VHOST, or amqps://…"},
    {.name = "queue", .value = "QUEUE", .help = "the queue to consume"},
    {.name = "user", .value = "NAME", .help = "who we are to the broker"},
    {.name = "secret", .value = "NAME", .help = "the secret that holds the password (suricate secret set)"},
    {.name = "declare", .value = "TYPE", .help = "make the queue: classic or quorum"},
    {.name = "exchange", .value = "NAME", .help = "bind the queue to this exchange"},
    {.name = "bind", .value = "KEY", .help = "with this routing key", .is_repeated = true},
    {.name = "from", .value = "STREAM", .help = "messages are computed from the windows of this stream"},
    {.name = "every", .value = "TIME", .help = "the length of those windows"},
    {.name = "by", .value = "FIELD", .help = "a result for each value of it", .is_repeated = true},
    {.name = "aggregate", .value = "NAME=F(FIELD)", .help = "what is computed, like n=sum(count)", .is_repeated = true},
    {.name = "sql", .value = "SELECT", .help = "the same as a statement over the window, instead of --by and --aggregate"},
    {.name = "object", .value = "NAME", .help = "a table that the statement joins", .is_repeated = true},
    {.name = "replace", .help = "change the definition of a stream that is there; its messages stay"},
    {.name = NULL},
};
static const struct option_spec rm_options[] = {
    {.name = "force", .help = "also when consumers or derived streams stand on it"},
    {.name = NULL},
};
static const struct option_spec dead_options[] = {
    {.name = "clear", .help = "remove them all"},
    {.name = NULL},
};

const struct command stream_commands[] = {
    {.name = "stream create", .arguments = "NAME", .summary = "define a stream",
     .details = "A stream is a durable log of messages under a name that may hold \"/\". Its messages are pushed over HTTP\n"
                "(suricate push), unless --amqp or --from says where they come from. Fields of fields are written with dots.",
     .example = "suricate stream create kitchen --time-field at --key sensor --keep 30d\n"
                "suricate stream create orders --amqp amqp://broker:5672/ --user app --secret broker --queue orders\n"
                "suricate stream create per-sensor --from kitchen --every 10s --by sensor --aggregate 'mean=avg(temperature)'",
     .options = create_options, .arguments_min = 1, .arguments_max = 1, .run = run_create},
    {.name = "stream ls", .arguments = "[PREFIX]", .summary = "list streams", .arguments_max = 1, .run = run_ls},
    {.name = "stream show", .arguments = "NAME", .summary = "show a stream: definition, state of its source, fields",
     .arguments_min = 1, .arguments_max = 1, .run = run_show},
    {.name = "stream rm", .arguments = "NAME…", .summary = "remove streams with their messages",
     .options = rm_options, .arguments_min = 1, .arguments_max = 1000, .run = run_rm},
    {.name = "stream pause", .arguments = "NAME", .summary = "stop a stream's source; nothing is lost",
     .arguments_min = 1, .arguments_max = 1, .run = run_pause},
    {.name = "stream resume", .arguments = "NAME", .summary = "let a stream's source go on",
     .arguments_min = 1, .arguments_max = 1, .run = run_resume},
    {.name = "stream verify", .arguments = "NAME", .summary = "read a stream from end to end and check every checksum",
     .details = "Damaged ranges are listed, and the exit status is 1 then; the rest stays readable.",
     .arguments_min = 1, .arguments_max = 1, .run = run_verify},
    {.name = "stats", .arguments = "STREAM", .summary = "show a stream's offsets, sizes, rates and consumers' lag",
     .arguments_min = 1, .arguments_max = 1, .run = run_stats},
    {.name = "dead-letters", .arguments = "STREAM", .summary = "list messages that a stream could not take, and why",
     .options = dead_options, .arguments_min = 1, .arguments_max = 1, .run = run_dead_letters},
    {.name = NULL},
};
