/* secret: what must not be read.  Layer cli; main thread.
 *
 * A secret's value never travels in arguments, where the process list shows it. */
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/groups.h"
#include "cli/resource.h"

enum { VALUE_MAX = 64 << 10 };

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
        status = resource_put(in, "/v1/secrets", "secret", body, err);
    }
    explicit_bzero(value, VALUE_MAX);
    free(value);
    return status;
}

static const struct pages_view secret_view = {
    .none = "no secrets",
    .cells = {{"NAME", "name"}, {"MADE", "created_at", PAGES_TIME}, {"CHANGED", "changed_at|updated_at", PAGES_TIME}}};
static const struct resource secrets = {.noun = "secret", .path = "/v1/secrets", .view = &secret_view};

const struct command secret_commands[] = {
    {.name = "secret set", .arguments = "NAME", .summary = "keep a password or key on the server, sealed",
     .details = "The value is read from standard input, never from the command line; a newline at its end is not part of it.\n"
                "Nobody reads it back: streams and actions refer to it by name.",
     .example = "suricate secret set broker <password.txt", .arguments_min = 1, .arguments_max = 1, .run = run_secret_set},
    {.name = "secret ls", .summary = "list names of secrets", .run = resource_run_ls, .resource = &secrets},
    {.name = "secret rm", .arguments = "NAME…", .summary = "remove secrets", .arguments_min = 1, .arguments_max = 1000,
     .run = resource_run_rm, .resource = &secrets},
    {.name = NULL},
};
