/* Named things of the API: see resource.h.  Layer cli; main thread. */
#include "cli/resource.h"

#include <string.h>

#include "cli/client.h"
#include "cli/exit_status.h"
#include "cli/output.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, SHOWN = 30 };

static const struct resource *resource_of(const struct invocation *in) { return invocation_command(in)->resource; }

char *resource_path(const char *path, const char *name, const char *rest)
{
    SU_AUTO_BUF struct su_buf full = SU_BUF(PATH_BYTES);
    su_buf_adds(&full, path);
    su_buf_addc(&full, '/');
    url_add_name(&full, name);
    su_buf_adds(&full, rest);
    return su_buf_take(&full, NULL);
}

void resource_add_filters(const struct invocation *in, const char *const *filters, struct su_buf *path)
{
    for (; filters && *filters; filters++)
        url_add_query(path, *filters, invocation_option(in, *filters));
}

/* --- the calls --------------------------------------------------------------------- */

/* condition: an If-Match header, or NULL. */
static int put_if(struct invocation *in, const char *path, const char *noun, const json_t *body, const char *condition, struct su_err *err)
{
    struct client *client;
    const char *name = invocation_argument(in, 0);
    SU_AUTO_FREE char *full = resource_path(path, name, "");
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "PUT", .path = full, .json = body, .headers = {condition}};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in) && reply.json)
        output_json(reply.json);
    else if (!invocation_wants_json(in) && !invocation_is_quiet(in)) {
        printf("%s ", noun);
        output_text(stdout, name);
        puts(" set");
    }
    return EXIT_DONE;
}

int resource_put(struct invocation *in, const char *path, const char *noun, const json_t *body, struct su_err *err)
{
    return put_if(in, path, noun, body, NULL, err);
}

bool resource_definition(struct invocation *in, const char *path, const char *name, json_t **ret, char **ret_condition, struct su_err *err)
{
    struct client *client;
    SU_AUTO_FREE char *full = resource_path(path, name, "");
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "GET", .path = full};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return false;
    json_t *definition = json_object_get(reply.json, "definition");
    if (!definition)
        return su_fail(err, SU_UNAVAILABLE, "what answers at %s is not a Suricate server", client_url(client));
    if (ret_condition)
        *ret_condition = *reply.etag ? su_format("If-Match: %s", reply.etag) : NULL;
    *ret = json_incref(definition);
    return true;
}

static int print_answer(const struct invocation *in, const json_t *answer, void (*print)(const json_t *))
{
    if (invocation_wants_json(in) && answer)
        output_json(answer);
    else if (!invocation_wants_json(in) && answer && print)
        print(answer);
    return EXIT_DONE;
}

int resource_send(struct invocation *in, const char *method, const char *path, const json_t *body, void (*print)(const json_t *),
                  struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *answer = NULL;
    if (!invocation_client(in, &client, err) || !client_json(client, method, path, body, &answer, err))
        return COMMAND_FAILED;
    return print_answer(in, answer, print);
}

int resource_get(struct invocation *in, const char *path, void (*print)(const json_t *), struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *record = NULL;
    if (!invocation_client(in, &client, err) || !client_get_json(client, path, &record, err))
        return COMMAND_FAILED;
    return print_answer(in, record, print);
}

/* --- rows' functions ------------------------------------------------------------------ */

/* Arguments from the second on and options, over what is there. */
static bool build(const struct invocation *in, json_t *definition, struct su_err *err)
{
    const struct resource *resource = resource_of(in);
    return definition_arguments(in, 1, definition, err) && (!resource->settings || definition_options(in, resource->settings, definition, err)) &&
           (!resource->complete || resource->complete(in, definition, err));
}

int resource_run_put(struct invocation *in, struct su_err *err)
{
    const struct resource *resource = resource_of(in);
    SU_AUTO_JSON json_t *definition = json_object();
    return build(in, definition, err) ? put_if(in, resource->path, resource->noun, definition, NULL, err) : COMMAND_FAILED;
}

int resource_run_set(struct invocation *in, struct su_err *err)
{
    const struct resource *resource = resource_of(in);
    SU_AUTO_JSON json_t *definition = NULL;
    SU_AUTO_FREE char *condition = NULL;
    if (!resource_definition(in, resource->path, invocation_argument(in, 0), &definition, &condition, err) || !build(in, definition, err))
        return COMMAND_FAILED;
    return put_if(in, resource->path, resource->noun, definition, condition, err);
}

int resource_run_ls(struct invocation *in, struct su_err *err)
{
    const struct resource *resource = resource_of(in);
    uint64_t max = resource->filters ? SHOWN : 0;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, resource->path);
    resource_add_filters(in, resource->filters, &path);
    if (!invocation_number(in, "limit", 0, INT64_MAX, &max, err) || !pages_print(in, path.ptr, max, resource->view, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

int resource_run_show(struct invocation *in, struct su_err *err)
{
    const struct resource *resource = resource_of(in);
    SU_AUTO_FREE char *path = resource_path(resource->path, invocation_argument(in, 0), "");
    return resource_get(in, path, resource->print ? resource->print : pages_print_record, err);
}

int resource_run_rm(struct invocation *in, struct su_err *err)
{
    struct client *client;
    if (!invocation_client(in, &client, err))
        return COMMAND_FAILED;
    for (int i = 0; i < invocation_count(in); i++) {
        SU_AUTO_FREE char *path = resource_path(resource_of(in)->path, invocation_argument(in, i), "");
        SU_AUTO_JSON json_t *nothing = NULL;
        if (!client_json(client, "DELETE", path, NULL, &nothing, err))
            return COMMAND_FAILED;
    }
    return EXIT_DONE;
}

int resource_run_post(struct invocation *in, struct su_err *err)
{
    const struct command *command = invocation_command(in);
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_FREE char *verb = su_format("/%s", strchr(command->name, ' ') + 1);
    SU_AUTO_FREE char *path = resource_path(command->resource->path, invocation_argument(in, 0), verb);
    return build(in, body, err) ? resource_send(in, "POST", path, body, pages_print_record, err) : COMMAND_FAILED;
}
