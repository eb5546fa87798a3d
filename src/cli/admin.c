/* serve, status, backup, restore, version: looking after a server.  Layer cli; main thread. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/connection.h"
#include "cli/doctor.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/serve.h"
#include "store/backup.h"

static int run_status(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *status = NULL;
    if (!invocation_client(in, &client, err) || !client_get_json(client, "/v1/status", &status, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in)) {
        output_json(status);
        return EXIT_DONE;
    }
    printf("%s\n", client_url(client));
    pages_print_facts(status);
    return EXIT_DONE;
}

static int run_backup(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *manifest = NULL;
    const char *folder = invocation_argument(in, 0);
    char here[PATH_MAX];
    if (*folder != '/' && !getcwd(here, sizeof here)) {
        su_fail_errno(err, errno, "the current folder");
        return COMMAND_FAILED;
    }
    SU_AUTO_FREE char *full = *folder == '/' ? su_strdup(folder) : su_format("%s/%s", here, folder);
    json_object_set_new(body, "directory", su_json_text_or_null(full));
    struct client_call call = {.method = "POST", .path = "/v1/backups", .json = body, .quiet_limit_s = 24 * 3600};
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in) && reply.json)
        output_json(reply.json);
    else if (!invocation_is_quiet(in))
        printf("backed up to %s\n", full);
    return EXIT_DONE;
}

static int run_restore(struct invocation *in, struct su_err *err)
{
    const char *data = invocation_option(in, "data");
    if (!data) {
        su_fail(err, SU_INVALID, "restore: where to? say --data DIR, an empty folder or none yet");
        return COMMAND_FAILED;
    }
    if (!backup_restore(invocation_argument(in, 0), data, err))
        return COMMAND_FAILED;
    if (!invocation_is_quiet(in))
        printf("restored to %s; start it with: suricate serve --data %s\n", data, data);
    return EXIT_DONE;
}

static const struct option_spec no_options[] = {{.name = NULL}};

const struct command server_commands[] = {
    {.name = "serve", .summary = "run the server",
     .details = "Prints \"ready http://ADDRESS:PORT\" when it takes requests. On an empty folder it writes the owner's token\n"
                "to DIR/owner.token. SIGTERM ends it; runs go on under their keepers and are found again at the next start.",
     .options = serve_options, .main = serve_main},
    {.name = "status", .summary = "say how the server is", .options = no_options, .run = run_status},
    {.name = "doctor", .summary = "check what this machine needs to run kernels",
     .details = "Says what is missing and how to get it. Exit status 1 when something necessary is missing.", .run = doctor_run},
    {.name = "backup", .arguments = "DIR", .summary = "make a consistent copy while the server runs",
     .details = "DIR is a new or empty folder on the server's machine.",
     .arguments_min = 1, .arguments_max = 1, .run = run_backup},
    {.name = "restore", .arguments = "BACKUP --data DIR", .summary = "make a data folder from a backup",
     .details = "Works on files alone: no server may be running on DIR.",
     .arguments_min = 1, .arguments_max = 1, .run = run_restore},
    {.name = NULL},
};
