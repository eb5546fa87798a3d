/* sql: a question to streams and tables.  Layer cli; main thread. */
#include <string.h>

#include "base/fs.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/url.h"

enum { SQL_MAX = 1 << 20, PATH_BYTES = 1 << 10, COLUMNS_SHOWN = 16 };

static bool read_statement(const char *given, struct su_buf *ret, struct su_err *err)
{
    if (strcmp(given, "-") == 0)
        return su_file_read("/dev/stdin", SQL_MAX, ret, err);
    su_buf_adds(ret, given);
    return true;
}

static void print_table(const json_t *answer)
{
    const json_t *columns = json_object_get(answer, "columns"), *rows = json_object_get(answer, "rows");
    const char *titles[COLUMNS_SHOWN];
    size_t count = json_array_size(columns), i, k;
    json_t *row, *column;
    if (!count)
        return;
    if (count > COLUMNS_SHOWN)
        count = COLUMNS_SHOWN;
    for (k = 0; k < count; k++) {
        column = json_array_get(columns, k);
        titles[k] = json_is_string(column) ? json_string_value(column) : su_json_string(column, "name", "");
    }
    struct output_table *table = output_table_new(count, titles);
    json_array_foreach(rows, i, row) {
        for (k = 0; k < count; k++) {
            const json_t *value = json_array_get(row, k);
            SU_AUTO_FREE char *text = output_value(value);
            output_table_add(table, json_is_null(value) ? "" : text);
            if (json_is_number(value))
                output_table_right(table, k);
        }
    }
    output_table_print(table, stdout);
    output_table_free(table);
    if (json_array_size(columns) > count)
        fprintf(stderr, "%zu further columns: --format json shows all\n", json_array_size(columns) - count);
}

/* {"name": value, …} a row. */
static void print_records(const json_t *answer, bool is_list)
{
    const json_t *columns = json_object_get(answer, "columns");
    struct output_list list = {.has_items = false};
    size_t i, k;
    json_t *row, *column;
    json_array_foreach(json_object_get(answer, "rows"), i, row) {
        SU_AUTO_JSON json_t *record = json_object();
        json_array_foreach(columns, k, column)
            json_object_set(record, json_is_string(column) ? json_string_value(column) : su_json_string(column, "name", ""),
                            json_array_get(row, k));
        SU_AUTO_FREE char *text = is_list ? NULL : su_json_text(record);
        if (is_list)
            output_list_item(&list, record);
        else
            puts(text);
    }
    if (is_list)
        output_list_end(&list);
}

static json_t *build_question(const struct invocation *in, const char *statement)
{
    static const char *const ranges[] = {"last", "from", "to"};
    json_t *body = json_pack("{s:o}", "sql", su_json_text_or_null(statement));
    const char *name, *value;
    for (size_t i = 0; i < SU_COUNT(ranges); i++)
        if (invocation_option(in, ranges[i]))
            json_object_set_new(body, ranges[i], su_json_text_or_null(invocation_option(in, ranges[i])));
    for (size_t at = 0; invocation_each(in, at, &name, &value); at++) {
        if (strcmp(name, "object") != 0)
            continue;
        if (!json_object_get(body, "objects"))
            json_object_set_new(body, "objects", json_array());
        json_array_append_new(json_object_get(body, "objects"), su_json_text_or_null(value));
    }
    return body;
}

static bool write_out(void *arg, long status, struct su_str bytes, struct su_err *err)
{
    (void)arg, (void)status;
    return fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len || su_fail(err, SU_INTERNAL, "standard output could not be written");
}

static bool read_format(const struct invocation *in, const char **ret, struct su_err *err)
{
    static const char *const formats[] = {"table", "csv", "ndjson", "json"};
    const char *given = invocation_option(in, "format");
    *ret = invocation_wants_json(in) ? "json" : "table";
    for (size_t i = 0; given && i < SU_COUNT(formats); i++)
        if (strcmp(given, formats[i]) == 0) {
            *ret = formats[i];
            return true;
        }
    return !given || su_fail(err, SU_INVALID, "--format must be table, csv, ndjson or json, was \"%s\"", given);
}

static int run_sql(struct invocation *in, struct su_err *err)
{
    struct client *client;
    const char *format;
    SU_AUTO_BUF struct su_buf statement = SU_BUF(SQL_MAX);
    if (!read_format(in, &format, err) || !read_statement(invocation_argument(in, 0), &statement, err) ||
        !invocation_client(in, &client, err))
        return COMMAND_FAILED;
    SU_AUTO_JSON json_t *question = build_question(in, su_buf_str(&statement).ptr);
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "POST", .path = "/v1/query", .json = question};
    if (strcmp(format, "csv") == 0) {
        call.path = "/v1/query?format=csv";
        call.sink = write_out;
    }
    if (!client_send(client, &call, &reply, err))
        return COMMAND_FAILED;
    if (call.sink)
        return EXIT_DONE;
    if (strcmp(format, "table") == 0)
        print_table(reply.json);
    else if (invocation_wants_json(in) && !invocation_option(in, "format"))
        output_json(reply.json);
    else
        print_records(reply.json, strcmp(format, "json") == 0);
    if (su_json_bool(reply.json, "truncated", false) && !invocation_is_quiet(in))
        fputs("this is not all: the answer was cut at the server's limit of rows\n", stderr);
    return EXIT_DONE;
}

static const struct option_spec sql_options[] = {
    {.name = "last", .value = "TIME", .help = "only what streams hold of the time before their newest message: 60s, 5m, 2h"},
    {.name = "from", .value = "WHERE", .help = "from an offset, earliest, latest or a time on"},
    {.name = "to", .value = "WHERE", .help = "up to there"},
    {.name = "object", .value = "NAME", .help = "an object that the statement names, if its name alone does not tell", .is_repeated = true},
    {.name = "format", .value = "FORMAT", .help = "table, csv, ndjson or json (default table)"},
    {.name = NULL},
};

const struct command sql_commands[] = {
    {.name = "sql", .arguments = "SELECT", .summary = "ask streams and tables a question in SQL",
     .details = "Streams and objects (CSV, NDJSON) are tables under their names, which need quotes when they hold \"/\", \".\" or\n"
                "\"-\". Beside the fields of its messages a stream has _time, _offset and _key. SELECT may be - for standard\n"
                "input. SQLite answers, with avg, sum, min, max, count, stddev, p50, p95, p99, first, last and rate.",
     .example = "suricate sql 'select sensor, avg(temperature) as mean from kitchen group by sensor' --last 5m\n"
                "suricate sql 'select * from \"nfl/week1.csv\" where touchdown = 1' --format csv",
     .options = sql_options, .arguments_min = 1, .arguments_max = 1, .run = run_sql},
    {.name = NULL},
};
