/* token, user: who may do what.  Layer cli; main thread.
 *
 * Passwords and tokens never travel in arguments, where the process list shows
 * them: passwords are asked for or read from standard input, and the one token
 * that is ever printed is the one just made. */
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/url.h"

enum { PATH_BYTES = 4 << 10, PASSWORD_MAX = 1024 };

/* ---------------------------------------------------------------- tokens */

static bool add_scopes(const struct invocation *in, json_t *body, struct su_err *err)
{
    json_t *scopes = json_array();
    const char *name, *value;
    for (size_t at = 0; invocation_each(in, at, &name, &value); at++)
        if (strcmp(name, "scope") == 0)
            json_array_append_new(scopes, su_json_text_or_null(value));
    bool has_some = json_array_size(scopes) > 0;
    json_object_set_new(body, "scopes", scopes);
    if (has_some)
        return true;
    su_fail(err, SU_INVALID, "which scopes? say --scope once for each");
    return su_hint(err, "objects:read objects:write notebooks:read notebooks:write runs:read runs:write recipes:read "
                        "recipes:write figures:read streams:read streams:write actions:write secrets:write admin");
}

static int run_token_create(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *made = NULL;
    const char *expires = invocation_option(in, "expires");
    json_object_set_new(body, "name", su_json_text_or_null(invocation_argument(in, 0)));
    json_object_set_new(body, "expires_in", su_json_text_or_null(expires ? expires : "30d"));
    if (!add_scopes(in, body, err) || !invocation_client(in, &client, err) ||
        !client_json(client, "POST", "/v1/tokens", body, &made, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(made);
    else
        puts(su_json_string(made, "token", ""));
    if (!invocation_wants_json(in) && !invocation_is_quiet(in) && isatty(STDOUT_FILENO))
        fputs("This is shown once. Give it to programs as SURICATE_TOKEN.\n", stderr);
    return EXIT_DONE;
}

static void add_token_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT];
    SU_AUTO_BUF struct su_buf scopes = SU_BUF(PATH_BYTES);
    size_t i;
    json_t *scope;
    json_array_foreach(json_object_get(item, "scopes"), i, scope)
        su_buf_addf(&scopes, "%s%s", i ? " " : "", json_string_value(scope));
    output_table_add(table, su_json_string(item, "id", ""));
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, su_json_string(item, "user", ""));
    output_table_add(table, output_time(su_json_string(item, "expires_at", "never"), at));
    output_table_add(table, su_buf_str(&scopes).ptr);
}

static int run_token_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 5, .titles = {"ID", "NAME", "USER", "ENDS", "SCOPES"},
                                           .add_row = add_token_row, .none = "no tokens"};
    return pages_print(in, "/v1/tokens", 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int delete_one(struct invocation *in, const char *resource, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *nothing = NULL;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, resource);
    url_add_name(&path, invocation_argument(in, 0));
    if (!invocation_client(in, &client, err) || !client_json(client, "DELETE", path.ptr, NULL, &nothing, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

static int run_token_rm(struct invocation *in, struct su_err *err) { return delete_one(in, "/v1/tokens/", err); }

static int run_token_login(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *made = NULL;
    if (!invocation_client(in, &client, err) || !client_json(client, "POST", "/v1/login-codes", NULL, &made, err))
        return COMMAND_FAILED;
    const char *url = su_json_string(made, "url", "");
    if (invocation_wants_json(in))
        output_json(made);
    else if (*url == '/')
        printf("%s%s\n", client_url(client), url);
    else
        puts(url);
    return EXIT_DONE;
}

/* ----------------------------------------------------------------- users */

static void read_line(char text[static PASSWORD_MAX])
{
    if (!fgets(text, PASSWORD_MAX, stdin))
        text[0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
}

/* Asked for without echo on a terminal, else the first line of standard input. */
static bool read_password(const char *prompt, char password[static PASSWORD_MAX], struct su_err *err)
{
    struct termios shown, hidden;
    bool is_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &shown) == 0;
    if (is_terminal) {
        fprintf(stderr, "%s: ", prompt);
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    read_line(password);
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    if (*password)
        return true;
    su_fail(err, SU_INVALID, "a password is missing");
    return su_hint(err, "type it when asked, or give it as a line of standard input");
}

static int run_user_add(struct invocation *in, struct su_err *err)
{
    struct client *client;
    char password[PASSWORD_MAX] = "";
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *made = NULL;
    bool wants_password = !invocation_has(in, "no-password");
    json_object_set_new(body, "name", su_json_text_or_null(invocation_argument(in, 0)));
    if (wants_password && !read_password("password", password, err))
        return COMMAND_FAILED;
    if (wants_password)
        json_object_set_new(body, "password", su_json_text_or_null(password));
    explicit_bzero(password, sizeof password);
    if (invocation_has(in, "scope") && !add_scopes(in, body, err))
        return COMMAND_FAILED;
    if (!invocation_client(in, &client, err) || !client_json(client, "POST", "/v1/users", body, &made, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(made);
    else if (!invocation_is_quiet(in))
        printf("added user %s\n", invocation_argument(in, 0));
    return EXIT_DONE;
}

static void add_user_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT];
    SU_AUTO_FREE char *scopes = output_value(json_object_get(item, "scopes"));
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, output_time(su_json_string(item, "created_at", ""), at));
    output_table_add(table, scopes);
}

static int run_user_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {.columns = 3, .titles = {"NAME", "ADDED", "SCOPES"},
                                           .add_row = add_user_row, .none = "no users"};
    return pages_print(in, "/v1/users", 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_user_rm(struct invocation *in, struct su_err *err) { return delete_one(in, "/v1/users/", err); }

static int run_user_password(struct invocation *in, struct su_err *err)
{
    struct client *client;
    char old[PASSWORD_MAX] = "", fresh[PASSWORD_MAX] = "";
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *nothing = NULL;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/users/");
    url_add_name(&path, invocation_argument(in, 0));
    su_buf_adds(&path, "/password");
    if (invocation_has(in, "old") && !read_password("old password", old, err))
        return COMMAND_FAILED;
    if (!read_password("new password", fresh, err))
        return COMMAND_FAILED;
    if (*old)
        json_object_set_new(body, "old", su_json_text_or_null(old));
    json_object_set_new(body, "password", su_json_text_or_null(fresh));
    explicit_bzero(old, sizeof old);
    explicit_bzero(fresh, sizeof fresh);
    if (!invocation_client(in, &client, err) || !client_json(client, "PUT", path.ptr, body, &nothing, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

static const struct option_spec create_options[] = {
    {.name = "scope", .letter = 's', .value = "SCOPE", .help = "what it may do; once for each", .is_repeated = true},
    {.name = "expires", .value = "TIME", .help = "how long it is good for: 12h, 30d (default 30d)"},
    {.name = NULL},
};
static const struct option_spec add_options[] = {
    {.name = "scope", .letter = 's', .value = "SCOPE", .help = "what the user may do; once for each (default: all but admin)", .is_repeated = true},
    {.name = "no-password", .help = "no login by password, only by tokens"},
    {.name = NULL},
};
static const struct option_spec password_options[] = {
    {.name = "old", .help = "ask for the old password too (needed when you are not an admin)"},
    {.name = NULL},
};

const struct command account_commands[] = {
    {.name = "token create", .arguments = "NAME --scope SCOPE…", .summary = "make a token and print it, once",
     .details = "Scopes: objects:read objects:write notebooks:read notebooks:write runs:read runs:write recipes:read\n"
                "recipes:write figures:read streams:read streams:write actions:write secrets:write admin.",
     .example = "SURICATE_TOKEN=$(suricate token create nightly --scope objects:write --expires 90d)",
     .options = create_options, .arguments_min = 1, .arguments_max = 1, .run = run_token_create},
    {.name = "token ls", .summary = "list tokens (never their text)", .run = run_token_ls},
    {.name = "token rm", .arguments = "ID", .summary = "revoke a token",
     .arguments_min = 1, .arguments_max = 1, .run = run_token_rm},
    {.name = "token login", .summary = "print an address that logs a browser in, once", .run = run_token_login},
    {.name = "user add", .arguments = "NAME", .summary = "add a user",
     .details = "The password is asked for, or read from standard input.",
     .options = add_options, .arguments_min = 1, .arguments_max = 1, .run = run_user_add},
    {.name = "user ls", .summary = "list users", .run = run_user_ls},
    {.name = "user rm", .arguments = "NAME", .summary = "remove a user, with their tokens and sessions",
     .arguments_min = 1, .arguments_max = 1, .run = run_user_rm},
    {.name = "user password", .arguments = "NAME", .summary = "change a password",
     .options = password_options, .arguments_min = 1, .arguments_max = 1, .run = run_user_password},
    {.name = NULL},
};
