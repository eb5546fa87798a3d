/* consumer: who follows a stream, and how far.  Layer cli; main thread. */
#include <string.h>

#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/stream.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10 };

static char *consumer_path(const char *name, const char *rest)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/consumers/");
    url_add_name(&path, name);
    su_buf_adds(&path, rest);
    return su_buf_take(&path, NULL);
}

static char *full_path(const struct invocation *in, const char *rest)
{
    SU_AUTO_FREE char *consumer = consumer_path(invocation_argument(in, 1), rest);
    return stream_path(invocation_argument(in, 0), consumer);
}

static void add_row(struct output_table *table, const json_t *item)
{
    char at[OUTPUT_TEXT], late[OUTPUT_TEXT];
    const json_t *lag = json_object_get(item, "lag"), *position = json_object_get(item, "position");
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_add(table, su_json_string(item, "every", ""));
    output_table_addf(table, "%lld", (long long)su_json_int(position, "offset", 0));
    output_table_addf(table, "%lld", (long long)su_json_int(lag, "messages", 0));
    bool has_lag = json_is_number(json_object_get(lag, "seconds"));
    output_table_add(table, has_lag ? output_duration(su_json_number(lag, "seconds", 0), late) : "");
    output_table_addf(table, "%lld", (long long)su_json_int(item, "iterations", 0));
    output_table_add(table, output_time(su_json_string(item, "claimed_at", ""), at));
}

static int run_ls(struct invocation *in, struct su_err *err)
{
    static const struct pages_view view = {
        .columns = 7, .titles = {"NAME", "EVERY", "OFFSET", "BEHIND", "BEHIND BY", "ITERATIONS", "CLAIMED"},
        .right = {2, 3, 4, 5}, .add_row = add_row, .none = "no consumers"};
    SU_AUTO_FREE char *path = stream_path(invocation_argument(in, 0), "/consumers");
    return pages_print(in, path, 0, &view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static int run_show(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *record = NULL;
    SU_AUTO_FREE char *path = full_path(in, "");
    if (!invocation_client(in, &client, err) || !client_get_json(client, path, &record, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(record);
    else
        pages_print_record(record);
    return EXIT_DONE;
}

static int run_seek(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_FREE char *path = full_path(in, "/seek");
    SU_AUTO_JSON json_t *to = json_pack("{s:o}", "to", su_json_text_or_null(invocation_argument(in, 2)));
    SU_AUTO_JSON json_t *answer = NULL;
    if (!invocation_client(in, &client, err) || !client_json(client, "POST", path, to, &answer, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in) && answer)
        output_json(answer);
    return EXIT_DONE;
}

static int run_rm(struct invocation *in, struct su_err *err)
{
    struct client *client;
    SU_AUTO_FREE char *path = full_path(in, "");
    SU_AUTO_JSON json_t *nothing = NULL;
    if (!invocation_client(in, &client, err) || !client_json(client, "DELETE", path, NULL, &nothing, err))
        return COMMAND_FAILED;
    return EXIT_DONE;
}

const struct command consumer_commands[] = {
    {.name = "consumer ls", .arguments = "STREAM", .summary = "list who follows a stream, and how far behind they are",
     .arguments_min = 1, .arguments_max = 1, .run = run_ls},
    {.name = "consumer show", .arguments = "STREAM CONSUMER", .summary = "show a consumer: windows, position, lag, claim",
     .arguments_min = 2, .arguments_max = 2, .run = run_show},
    {.name = "consumer seek", .arguments = "STREAM CONSUMER WHERE", .summary = "set where a consumer goes on",
     .details = "WHERE is earliest, latest, an offset or a time. Whoever works under that name now is told to begin anew.",
     .example = "suricate consumer seek kitchen alarms earliest", .arguments_min = 3, .arguments_max = 3, .run = run_seek},
    {.name = "consumer rm", .arguments = "STREAM CONSUMER", .summary = "forget a consumer and its position",
     .arguments_min = 2, .arguments_max = 2, .run = run_rm},
    {.name = NULL},
};
