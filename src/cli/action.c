/* action, secret: where decisions are sent, and what must not be read.  Layer cli; main thread.
 *
 * A secret's value never travels in arguments, where the process list shows it. */
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, VALUE_MAX = 64 << 10, DECISIONS_SHOWN = 30 };

static char *resource_path(const char *resource, const char *name)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, resource);
    url_add_name(&path, name);
    return su_buf_take(&path, NULL);
}

static int put_resource(struct invocation *in, const char *resource, const json_t *body, const char *kind, struct su_err *err)
{
    struct client *client;
    const char *name = invocation_argument(in, 0);
    SU_AUTO_FREE char *path = resource_path(resource, name);
    SU_AUTO_JSON json_t *answer = NULL;
    if (!invocation_client(in, &client, err) || !client_json(client, "PUT", path, body, &answer, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in) && answer)
        output_json(answer);
    else if (!invocation_wants_json(in) && !invocation_is_quiet(in)) {
        printf("%s ", kind);
        output_text(stdout, name);
        puts(" set");
    }
    return EXIT_DONE;
}

static int delete_resource(struct invocation *in, const char *resource, struct su_err *err)
{
    struct client *client;
    if (!invocation_client(in, &client, err))
        return COMMAND_FAILED;
    for (int i = 0; i < invocation_count(in); i++) {
        SU_AUTO_FREE char *path = resource_path(resource, invocation_argument(in, i));
        SU_AUTO_JSON json_t *nothing = NULL;
        if (!client_json(client, "DELETE", path, NULL, &nothing, err))
            return COMMAND_FAILED;
    }
    return EXIT_DONE;
}

/* ----------------------------------------------------------------- actions */

static bool add_headers(const struct invocation *in, json_t *headers, struct su_err *err)
{
    const char *option, *text;
    for (size_t at = 0; invocation_each(in, at, &option, &text); at++) {
        struct su_str name, value;
        if (strcmp(option, "header") != 0)
            continue;
        if (!su_str_cut(su_str_of(text), ':', &name, &value) || !name.len)
            return su_fail(err, SU_INVALID, "--header must be NAME: VALUE, was \"%s\"", text);
        SU_AUTO_FREE char *key = su_strndup(name.ptr, name.len);
        json_object_set_new(headers, key, su_json_text_or_null(su_str_trim(value).ptr));
    }
    return true;
}

static int run_action_set(struct invocation *in, struct su_err *err)
{
    const char *webhook = invocation_option(in, "webhook"), *secret = invocation_option(in, "secret");
    SU_AUTO_JSON json_t *body = json_object();
    json_t *headers = json_object();
    json_object_set_new(body, "headers", headers);
    if (!webhook) {
        su_fail(err, SU_INVALID, "where is it sent? say --webhook URL");
        return COMMAND_FAILED;
    }
    json_object_set_new(body, "webhook", su_json_text_or_null(webhook));
    if (secret)
        json_object_set_new(body, "secret", su_json_text_or_null(secret));
    if (!add_headers(in, headers, err))
        return COMMAND_FAILED;
    return put_resource(in, "/v1/actions/", body, "action", err);
}

static void add_action_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT];
    const json_t *definition = json_object_get(item, "definition");
    const json_t *from = definition ? definition : item;
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, su_json_string(from, "webhook", ""));
    output_table_add(table, su_json_string(from, "secret", ""));
    output_table_add(table, output_time(su_json_string(item, "created_at", ""), at));
}

static int run_action_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 4, .titles = {"NAME", "WEBHOOK", "SECRET", "MADE"},
                                           .add_row = add_action_row, .none = "no actions"};
    return pages_print(in, "/v1/actions", 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_action_rm(struct invocation *in, struct su_err *err) { return delete_resource(in, "/v1/actions/", err); }

static void add_decision_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT];
    const json_t *parameters = json_object_get(item, "parameters");
    SU_AUTO_FREE char *text = json_object_size(parameters) ? output_value(parameters) : su_strdup("");
    SU_AUTO_FREE char *id = output_value(json_object_get(item, "id"));
    output_table_add(table, id);
    output_table_add(table, output_time(su_json_string(item, "decided_at", ""), at));
    output_table_add(table, su_json_string(item, "stream", ""));
    output_table_add(table, su_json_string(item, "action", ""));
    output_table_add(table, text);
    output_table_add(table, su_json_string(item, "state", ""));
    output_table_addf(table, "%lld", (long long)su_json_int(item, "attempts", 0));
    output_table_add(table, su_json_string(item, "reason", ""));
}

static int run_decisions(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {
        .columns = 8, .titles = {"DECISION", "MADE", "STREAM", "ACTION", "PARAMETERS", "STATE", "TRIES", "REASON"},
        .right = {6}, .add_row = add_decision_row, .none = "no decisions"};
    static const char *const filters[] = {"stream", "consumer", "action", "state"};
    uint64_t max = DECISIONS_SHOWN;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/decisions");
    for (size_t i = 0; i < SU_COUNT(filters); i++)
        url_add_query(&path, filters[i], invocation_option(in, filters[i]));
    if (!invocation_number(in, "limit", 0, INT64_MAX, &max, err) || !pages_print(in, path.ptr, max, &view, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

/* ----------------------------------------------------------------- secrets */

static void set_echo(bool is_on)
{
    struct termios terminal;
    if (tcgetattr(STDIN_FILENO, &terminal) != 0)
        return;
    terminal.c_lflag = is_on ? terminal.c_lflag | ECHO : terminal.c_lflag & ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal);
}

/* Standard input to its end, or one line typed unseen; a newline at the end is not part of it. */
static bool read_value(char *value, size_t size, struct su_err *err)
{
    bool is_typed = isatty(STDIN_FILENO);
    size_t len;
    if (is_typed) {
        fputs("value: ", stderr);
        set_echo(false);
        bool has_line = fgets(value, (int)size, stdin) != NULL;
        set_echo(true);
        fputc('\n', stderr);
        len = has_line ? strlen(value) : 0;
    } else {
        len = fread(value, 1, size - 1, stdin);
    }
    if (len == size - 1)
        return su_fail(err, SU_LIMIT, "a secret has at most %d kB", VALUE_MAX >> 10);
    if (len && value[len - 1] == '\n')
        len--;
    value[len] = '\0';
    if (!len)
        return su_fail(err, SU_INVALID, "the value comes from standard input, and that was empty");
    return strlen(value) == len || su_fail(err, SU_INVALID, "a secret is text, without zero bytes");
}

static int run_secret_set(struct invocation *in, struct su_err *err)
{
    char *value = su_alloc(VALUE_MAX);
    int status = COMMAND_FAILED;
    if (read_value(value, VALUE_MAX, err)) {
        SU_AUTO_JSON json_t *body = json_pack("{s:o}", "value", su_json_text_or_null(value));
        status = put_resource(in, "/v1/secrets/", body, "secret", err);
    }
    explicit_bzero(value, VALUE_MAX);
    free(value);
    return status;
}

static void add_secret_row(struct output_table *table, const json_t *item)
{
    char made[OUTPUT_TEXT], changed[OUTPUT_TEXT];
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, output_time(su_json_string(item, "created_at", ""), made));
    output_table_add(table, output_time(su_json_string(item, "changed_at", su_json_string(item, "updated_at", "")), changed));
}

static int run_secret_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 3, .titles = {"NAME", "MADE", "CHANGED"}, .add_row = add_secret_row,
                                           .none = "no secrets"};
    return pages_print(in, "/v1/secrets", 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_secret_rm(struct invocation *in, struct su_err *err) { return delete_resource(in, "/v1/secrets/", err); }

static const struct option_spec action_options[] = {
    {.name = "webhook", .value = "URL", .help = "decisions are sent there as POST"},
    {.name = "secret", .value = "NAME", .help = "the secret that signs them (Standard Webhooks)"},
    {.name = "header", .value = "NAME: VALUE", .help = "a header to send along", .is_repeated = true},
    {.name = NULL},
};
static const struct option_spec decision_options[] = {
    {.name = "stream", .value = "STREAM", .help = "only those made on this stream"},
    {.name = "consumer", .value = "NAME", .help = "only those of this consumer"},
    {.name = "action", .value = "NAME", .help = "only those of this action"},
    {.name = "state", .value = "STATE", .help = "only those that are pending, sent or failed"},
    {.name = "limit", .letter = 'n', .value = "N", .help = "so many, newest first (default 30, 0: all)"},
    {.name = NULL},
};

const struct command action_commands[] = {
    {.name = "action set", .arguments = "NAME --webhook URL", .summary = "say where decisions of a name are sent",
     .example = "suricate action set scale-up --webhook https://ops.example.org/hook --secret hook-key",
     .options = action_options, .arguments_min = 1, .arguments_max = 1, .run = run_action_set},
    {.name = "action ls", .summary = "list actions", .run = run_action_ls},
    {.name = "action rm", .arguments = "NAME…", .summary = "remove actions", .arguments_min = 1, .arguments_max = 1000,
     .run = run_action_rm},
    {.name = "action decisions", .summary = "list decisions, and whether they were delivered",
     .options = decision_options, .run = run_decisions},
    {.name = "secret set", .arguments = "NAME", .summary = "keep a password or key on the server, sealed",
     .details = "The value is read from standard input, never from the command line; a newline at its end is not part of it.\n"
                "Nobody reads it back: streams and actions refer to it by name.",
     .example = "suricate secret set broker <password.txt", .arguments_min = 1, .arguments_max = 1, .run = run_secret_set},
    {.name = "secret ls", .summary = "list names of secrets", .run = run_secret_ls},
    {.name = "secret rm", .arguments = "NAME…", .summary = "remove secrets", .arguments_min = 1, .arguments_max = 1000,
     .run = run_secret_rm},
    {.name = NULL},
};
