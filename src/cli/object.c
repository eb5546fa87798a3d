/* put, get, ls, rm, info, preview: objects.  Layer cli; main thread. */
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/pages.h"
#include "cli/transfer.h"
#include "cli/url.h"

enum { PATH_MAX_BYTES = 16 << 10 };

static struct su_buf object_path(const char *name, const char *version, const char *view)
{
    struct su_buf path = SU_BUF(PATH_MAX_BYTES);
    su_buf_adds(&path, "/v1/objects/");
    url_add_name(&path, name);
    url_add_query(&path, "version", version);
    url_add_query(&path, "view", view);
    return path;
}

/* ------------------------------------------------------------------ put */

static const struct option_spec put_options[] = {
    {.name = "tag", .letter = 't', .value = "TAG", .help = "a tag to find it by", .is_repeated = true},
    {.name = "type", .value = "TYPE", .help = "media type (default: by the file's ending)"},
    {.name = "metadata", .value = "JSON", .help = "a JSON object kept with this version"},
    {.name = "new", .help = "only if there is no such object yet"},
    {.name = "if-match", .value = "ETAG", .help = "only if this is still its newest version"},
    {.name = NULL},
};

static bool join_tags(const struct invocation *in, struct su_buf *header, struct su_err *err)
{
    const char *name, *value;
    for (size_t at = 0; invocation_each(in, at, &name, &value); at++) {
        if (strcmp(name, "tag") != 0)
            continue;
        if (!*value || strpbrk(value, ",\r\n"))
            return su_fail(err, SU_INVALID, "a tag must not be empty or hold a comma, was \"%s\"", value);
        su_buf_adds(header, header->len ? "," : "X-Suricate-Tags: ");
        su_buf_adds(header, value);
    }
    return true;
}

static char *header_of(const char *name, const char *value)
{
    return value ? su_format("%s: %s", name, value) : NULL;
}

static void print_stored(const struct invocation *in, const json_t *stored, const char *kind)
{
    char size[OUTPUT_TEXT];
    if (invocation_wants_json(in)) {
        output_json(stored);
        return;
    }
    if (invocation_is_quiet(in))
        return;
    printf("stored %s ", kind);
    output_text(stdout, su_json_string(stored, "name", ""));
    printf(", version %lld, %s\n", (long long)su_json_int(stored, "version", 0),
           output_size((uint64_t)su_json_int(stored, "size", 0), size));
}

static int run_put(struct invocation *in, struct su_err *err)
{
    const char *file = invocation_argument(in, 0), *name = invocation_argument(in, 1);
    if (!name && strcmp(file, "-") == 0) {
        su_fail(err, SU_INVALID, "put -: what comes from standard input needs a name");
        su_hint(err, "usage: suricate put - NAME");
        return COMMAND_FAILED;
    }
    if (!name)
        name = transfer_base(file);
    const char *type = invocation_option(in, "type");
    if (!type)
        type = transfer_type(strcmp(file, "-") == 0 ? name : file);
    SU_AUTO_BUF struct su_buf path = object_path(name, NULL, NULL), tags = SU_BUF(PATH_MAX_BYTES);
    if (!join_tags(in, &tags, err))
        return COMMAND_FAILED;
    SU_AUTO_FREE char *metadata = header_of("X-Suricate-Metadata", invocation_option(in, "metadata"));
    SU_AUTO_FREE char *match = header_of("If-Match", invocation_option(in, "if-match"));
    struct transfer_put put = {.file = file, .path = path.ptr, .type = type ? type : "application/octet-stream"};
    const char *headers[] = {tags.len ? tags.ptr : NULL, metadata, match,
                             invocation_has(in, "new") ? "If-None-Match: *" : NULL};
    for (size_t i = 0, to = 0; i < SU_COUNT(headers); i++)
        if (headers[i])
            put.headers[to++] = headers[i];
    SU_AUTO_JSON json_t *stored = NULL;
    if (!transfer_put(in, &put, &stored, err))
        return COMMAND_FAILED;
    print_stored(in, stored, "object");
    return EXIT_DONE;
}

/* ------------------------------------------------------------------ get */

static const struct option_spec get_options[] = {
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write to FILE (default: standard output)"},
    {.name = "version", .value = "N", .help = "an older version (default: the newest)"},
    {.name = "continue", .letter = 'c', .help = "go on where an earlier try ended (with -o)"},
    {.name = NULL},
};

static bool get_info(struct invocation *in, const char *name, const char *view, json_t **ret, struct su_err *err)
{
    struct client *client;
    SU_AUTO_BUF struct su_buf path = object_path(name, invocation_option(in, "version"), view);
    return invocation_client(in, &client, err) && client_get_json(client, path.ptr, ret, err);
}

static int run_get(struct invocation *in, struct su_err *err)
{
    const char *name = invocation_argument(in, 0), *file = invocation_option(in, "output");
    SU_AUTO_JSON json_t *info = NULL;
    if (invocation_has(in, "continue") && (!file || strcmp(file, "-") == 0)) {
        su_fail(err, SU_INVALID, "--continue needs a file to go on with: -o FILE");
        return COMMAND_FAILED;
    }
    if (!get_info(in, name, "info", &info, err))
        return COMMAND_FAILED;
    char version[24];
    snprintf(version, sizeof version, "%lld", (long long)su_json_int(info, "version", 0));
    SU_AUTO_BUF struct su_buf path = object_path(name, version, NULL);
    struct transfer_get get = {.path = path.ptr, .file = file, .sha256 = su_json_string(info, "sha256", NULL),
                               .size = su_json_int(info, "size", -1), .is_resumed = invocation_has(in, "continue")};
    if (!transfer_get(in, &get, err))
        return COMMAND_FAILED;
    if (file && strcmp(file, "-") != 0) {
        if (invocation_wants_json(in))
            output_json(info);
        else if (!invocation_is_quiet(in))
            fprintf(stderr, "%s: version %s written to %s\n", name, version, file);
    }
    return EXIT_DONE;
}

/* ------------------------------------------------------------------- ls */

static const struct option_spec ls_options[] = {
    {.name = "tag", .letter = 't', .value = "TAG", .help = "only those with this tag"},
    {.name = NULL},
};

static void add_object_row(struct output_table *table, const json_t *item)
{
    char size[OUTPUT_TEXT], at[OUTPUT_TEXT];
    SU_AUTO_BUF struct su_buf tags = SU_BUF(PATH_MAX_BYTES);
    size_t i;
    json_t *tag;
    json_array_foreach(json_object_get(item, "tags"), i, tag)
        su_buf_addf(&tags, "%s%s", i ? "," : "", json_string_value(tag));
    output_table_add(table, su_json_string(item, "name", ""));
    output_table_addf(table, "%lld", (long long)su_json_int(item, "version", 0));
    output_table_add(table, output_size((uint64_t)su_json_int(item, "size", 0), size));
    output_table_add(table, su_json_string(item, "type", ""));
    output_table_add(table, output_time(su_json_string(item, "created_at", ""), at));
    output_table_add(table, su_buf_str(&tags).ptr);
}

static const struct pages_view object_view = {
    .columns = 6, .titles = {"NAME", "VERSION", "SIZE", "TYPE", "STORED", "TAGS"}, .right = {1, 2},
    .add_row = add_object_row, .none = "no objects"};

static int run_ls(struct invocation *in, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_MAX_BYTES);
    su_buf_adds(&path, "/v1/objects");
    url_add_query(&path, "prefix", invocation_argument(in, 0));
    url_add_query(&path, "tag", invocation_option(in, "tag"));
    return pages_print(in, path.ptr, 0, &object_view, err) ? EXIT_DONE : COMMAND_FAILED;
}

/* ------------------------------------------------------------------- rm */

static const struct option_spec rm_options[] = {
    {.name = "version", .value = "N", .help = "only this version"},
    {.name = NULL},
};

static int run_rm(struct invocation *in, struct su_err *err)
{
    struct client *client;
    if (!invocation_client(in, &client, err))
        return COMMAND_FAILED;
    for (int i = 0; i < invocation_count(in); i++) {
        SU_AUTO_BUF struct su_buf path = object_path(invocation_argument(in, i), invocation_option(in, "version"), NULL);
        SU_AUTO_JSON json_t *nothing = NULL;
        if (!client_json(client, "DELETE", path.ptr, NULL, &nothing, err))
            return COMMAND_FAILED;
    }
    return EXIT_DONE;
}

/* ---------------------------------------------------------- info, preview */

static const struct option_spec version_options[] = {
    {.name = "version", .value = "N", .help = "an older version (default: the newest)"},
    {.name = NULL},
};

static int run_info(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *info = NULL;
    if (!get_info(in, invocation_argument(in, 0), "info", &info, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(info);
    else
        pages_print_facts(info);
    return EXIT_DONE;
}

static const struct option_spec no_options[] = {{.name = NULL}};

static int run_versions(struct invocation *in, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = object_path(invocation_argument(in, 0), NULL, "versions");
    return pages_print(in, path.ptr, 0, &object_view, err) ? EXIT_DONE : COMMAND_FAILED;
}

static void add_value(struct output_table *table, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    char number[32];
    if (json_is_real(value))
        snprintf(number, sizeof number, "%.6g", json_real_value(value));
    SU_AUTO_FREE char *text = json_is_real(value) ? su_strdup(number) : json_is_null(value) ? NULL : output_value(value);
    output_table_add(table, text);
}

static void print_columns(const json_t *preview)
{
    static const char *const titles[] = {"COLUMN", "TYPE", "VALUES", "EMPTY", "MIN", "MAX", "MEAN", "DISTINCT", "MOST FREQUENT"};
    static const char *const keys[] = {"name", "type", "count", "nulls", "min", "max", "mean", "distinct"};
    struct output_table *table = output_table_new(SU_COUNT(titles), titles);
    size_t i;
    json_t *column;
    json_array_foreach(json_object_get(preview, "columns"), i, column) {
        for (size_t k = 0; k < SU_COUNT(keys); k++)
            add_value(table, column, keys[k]);
        const json_t *top = json_array_get(json_object_get(column, "top"), 0);
        SU_AUTO_FREE char *value = output_value(json_object_get(top, "value"));
        if (top)
            output_table_addf(table, "%s (%lld)", value, (long long)su_json_int(top, "count", 0));
        else
            output_table_add(table, "");
    }
    for (size_t k = 2; k < 8; k++)
        output_table_right(table, k);
    output_table_print(table, stdout);
    output_table_free(table);
}

static int run_preview(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *preview = NULL;
    if (!get_info(in, invocation_argument(in, 0), "preview", &preview, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in)) {
        output_json(preview);
        return EXIT_DONE;
    }
    printf("%s, %lld rows\n", su_json_string(preview, "kind", "?"), (long long)su_json_int(preview, "rows", 0));
    print_columns(preview);
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(preview, "warnings"), i, warning) {
        fputs("note: ", stdout);
        output_text(stdout, json_string_value(warning));
        putchar('\n');
    }
    return EXIT_DONE;
}

const struct command object_commands[] = {
    {.name = "put", .arguments = "FILE [NAME]", .summary = "store a file as an object",
     .details = "The file is streamed from disk, whatever its size. NAME is the file's own name unless given, and may hold\n"
                "\"/\". A name that is there already gets a new version; the older ones stay. FILE may be - for standard input.",
     .example = "suricate put plays.csv nfl/week1.csv --tag season:2013\nzcat plays.csv.gz | suricate put - nfl/week1.csv",
     .options = put_options, .arguments_min = 1, .arguments_max = 2, .run = run_put},
    {.name = "get", .arguments = "NAME", .summary = "fetch an object",
     .details = "Writes to standard output, or with -o to a file, by way of FILE.part. What arrives is checked by its SHA-256.",
     .example = "suricate get nfl/week1.csv -o week1.csv\nsuricate get big.csv -o big.csv --continue",
     .options = get_options, .arguments_min = 1, .arguments_max = 1, .run = run_get},
    {.name = "ls", .arguments = "[PREFIX]", .summary = "list objects",
     .example = "suricate ls nfl/ --tag season:2013", .options = ls_options, .arguments_max = 1, .run = run_ls},
    {.name = "rm", .arguments = "NAME…", .summary = "remove objects, or one version of them",
     .options = rm_options, .arguments_min = 1, .arguments_max = 1000, .run = run_rm},
    {.name = "info", .arguments = "NAME", .summary = "say what is known about an object",
     .options = version_options, .arguments_min = 1, .arguments_max = 1, .run = run_info},
    {.name = "versions", .arguments = "NAME", .summary = "list the versions of an object",
     .options = no_options, .arguments_min = 1, .arguments_max = 1, .run = run_versions},
    {.name = "preview", .arguments = "NAME", .summary = "describe the columns of a table",
     .details = "Delimiter, header and types are inferred from the content (CSV, NDJSON, JSON; also gzip'd).",
     .options = version_options, .arguments_min = 1, .arguments_max = 1, .run = run_preview},
    {.name = NULL},
};
