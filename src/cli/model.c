/* model: what was learned, in versions.  Layer cli; main thread. */
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"
#include "cli/rows.h"
#include "cli/transfer.h"

enum { MODEL_MAX = 48 << 20 };

/* --------------------------------------------------------------------- save */

static bool add_content(json_t *body, const char *file, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf bytes = SU_BUF(MODEL_MAX);
    json_t *value = NULL;
    if (!su_file_read(strcmp(file, "-") == 0 ? "/dev/stdin" : file, MODEL_MAX, &bytes, err))
        return false;
    if (strcmp(su_json_string(body, "format", "json"), "json") == 0) {
        if (!su_json_parse(su_buf_str(&bytes), file, &value, err))
            return su_hint(err, "--format skops or pickle for a model that is not JSON");
        json_object_set_new(body, "value", value);
        return true;
    }
    SU_AUTO_FREE char *text = su_alloc(bytes.len / 3 * 4 + 8);
    su_base64((const uint8_t *)bytes.ptr, bytes.len, text);
    json_object_set_new(body, "content", json_string(text));
    return true;
}

static int run_save(struct invocation *in, struct su_err *err)
{
    static const struct definition_setting settings[] = {
        {"format", "format"}, {"kind", "kind"}, {"stage", "stage"},
        {"metric", "metrics", DEFINITION_PAIRS},                                     {NULL, NULL}};
    const char *file = invocation_argument(in, 1);
    SU_AUTO_JSON json_t *body = json_object();
    if (!definition_options(in, settings, body, err))
        return COMMAND_FAILED;
    if (!json_object_get(body, "format"))
        json_object_set_new(body, "format", json_string(su_str_ends(su_str_of(file), SU_STR(".skops")) ? "skops" : "json"));
    return add_content(body, file, err) ? resource_put(in, "/v1/models", "model", body, err) : COMMAND_FAILED;
}

/* ---------------------------------------------------------------------- get */

static int run_get(struct invocation *in, struct su_err *err)
{
    struct client *client;
    uint64_t version = 0;
    const char *name = invocation_argument(in, 0);
    if (!invocation_number(in, "version", 1, INT64_MAX, &version, err))
        return COMMAND_FAILED;
    if (!version) {
        SU_AUTO_JSON json_t *model = NULL;
        SU_AUTO_FREE char *path = resource_path("/v1/models", name, "");
        if (!invocation_client(in, &client, err) || !client_get_json(client, path, &model, err))
            return COMMAND_FAILED;
        version = (uint64_t)su_json_int(model, "live", 0);
        if (!version) {
            su_fail(err, SU_NOT_FOUND, "no version of %s is live", name);
            su_hint(err, "--version N names one");
            return COMMAND_FAILED;
        }
    }
    SU_AUTO_FREE char *rest = su_format("/versions/%llu/content", (unsigned long long)version);
    SU_AUTO_FREE char *path = resource_path("/v1/models", name, rest);
    struct transfer_get get = {.path = path, .file = invocation_option(in, "output"), .size = -1};
    return transfer_get(in, &get, err) ? EXIT_DONE : COMMAND_FAILED;
}

/* ------------------------------------------------------------ one of two words */

static bool read_version(const char *text, json_t *into, struct su_err *err)
{
    uint64_t version;
    if (!su_str_u64(su_str_of(text), INT64_MAX, &version) || !version)
        return su_fail(err, SU_INVALID, "a version is a number from 1, was \"%s\"", text);
    json_object_set_new(into, "version", json_integer((json_int_t)version));
    return true;
}

/* model promote|retire NAME VERSION. */
static int run_stage(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_FREE char *verb = su_format("/%s", strchr(invocation_command(in)->name, ' ') + 1);
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), verb);
    return read_version(invocation_argument(in, 1), body, err) ? resource_send(in, "POST", path, body, NULL, err) : COMMAND_FAILED;
}

static int run_compare(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *a = json_object();
    SU_AUTO_JSON json_t *b = json_object();
    if (!read_version(invocation_argument(in, 1), a, err) || !read_version(invocation_argument(in, 2), b, err))
        return COMMAND_FAILED;
    SU_AUTO_FREE char *rest = su_format("/compare?a=%lld&b=%lld", (long long)su_json_int(a, "version", 0), (long long)su_json_int(b, "version", 0));
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), rest);
    return resource_get(in, path, pages_print_record, err);
}

static int run_promotion(struct invocation *in, struct su_err *err)
{
    SU_AUTO_JSON json_t *body = NULL;
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), "/promotion");
    return definition_arguments(in, 1, &body, err) ? resource_send(in, "PUT", path, body, NULL, err) : COMMAND_FAILED;
}

/* -------------------------------------------------------------------- score */

static void print_scores(const json_t *answer)
{
    size_t i;
    json_t *score;
    json_array_foreach(json_object_get(answer, "scores"), i, score) {
        SU_AUTO_FREE char *text = output_value(score);
        puts(text);
    }
}

static int run_score(struct invocation *in, struct su_err *err)
{
    static const struct definition_setting settings[] = {
        {"version", "version", DEFINITION_VALUE}, {"stream", "stream"},
        {"from", "from", DEFINITION_VALUE},       {"to", "to", DEFINITION_VALUE},
        {"last", "last"},                                 {"field", "fields", DEFINITION_TEXTS},
        {NULL, NULL}};
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_JSON json_t *rows = NULL;
    const char *file = invocation_argument(in, 1);
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), "/score");
    if (!definition_options(in, settings, body, err) || (file && !rows_read(file, &rows, err)))
        return COMMAND_FAILED;
    if (rows)
        json_object_set(body, "rows", rows);
    return resource_send(in, "POST", path, body, print_scores, err);
}

/* --------------------------------------------------------------------- rows */

static const struct pages_view model_view = {
    .none = "no models",
    .cells = {{"NAME", "name"}, {"KIND", "kind"}, {"LIVE", "live", PAGES_NUMBER},
              {"CANDIDATE", "candidate", PAGES_NUMBER}, {"PROMOTED BY", "promotion.metric"}}};
static const struct resource models = {.noun = "model", .path = "/v1/models", .view = &model_view};

static const struct option_spec save_options[] = {
    {.name = "format", .value = "FORMAT", .help = "json, skops or pickle (default: by the file's ending)"},
    {.name = "kind", .value = "KIND", .help = "what it is, like kmeans"},
    {.name = "metric", .value = "NAME=VALUE", .help = "how good it is", .is_repeated = true},
    {.name = "stage", .value = "STAGE", .help = "candidate or live (default: as the model's promotion says)"},
    {.name = NULL},
};
static const struct option_spec get_options[] = {
    {.name = "version", .value = "N", .help = "this version (default: the live one)"},
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write to FILE (default: standard output)"},
    {.name = NULL},
};
static const struct option_spec score_options[] = {
    {.name = "version", .value = "N", .help = "by this version (default: the live one)"},
    {.name = "stream", .value = "STREAM", .help = "score a stretch of this stream"},
    {.name = "from", .value = "WHERE", .help = "… from there: an offset, earliest, or a time"},
    {.name = "to", .value = "WHERE", .help = "… up to there (excluded)"},
    {.name = "last", .value = "TIME", .help = "… instead: so far back from the newest message"},
    {.name = "field", .value = "NAME", .help = "… of these fields", .is_repeated = true},
    {.name = NULL},
};

const struct command model_commands[] = {
    {.name = "model ls", .summary = "list models and which version is live", .run = resource_run_ls, .resource = &models},
    {.name = "model show", .arguments = "NAME", .summary = "show a model: versions, stages, metrics", .arguments_min = 1, .arguments_max = 1,
     .run = resource_run_show, .resource = &models},
    {.name = "model save", .arguments = "NAME FILE", .summary = "save a version of a model",
     .details = "The first version is live at once; later ones are candidates, unless --stage or model promotion says otherwise.",
     .example = "suricate model save load model.json --kind kmeans --metric auc=0.93", .options = save_options, .arguments_min = 2,
     .arguments_max = 2, .run = run_save},
    {.name = "model get", .arguments = "NAME", .summary = "fetch a model's live version, or another", .options = get_options,
     .arguments_min = 1, .arguments_max = 1, .run = run_get},
    {.name = "model promote", .arguments = "NAME VERSION", .summary = "make a version live", .arguments_min = 2, .arguments_max = 2, .run = run_stage},
    {.name = "model rollback", .arguments = "NAME", .summary = "make the version live that was before", .arguments_min = 1,
     .arguments_max = 1, .run = resource_run_post, .resource = &models},
    {.name = "model retire", .arguments = "NAME VERSION", .summary = "retire a version", .arguments_min = 2, .arguments_max = 2, .run = run_stage},
    {.name = "model promotion", .arguments = "NAME FIELD=VALUE…", .summary = "say which new version is promoted by itself",
     .example = "suricate model promotion load metric=auc better=higher at_least=0.9", .arguments_min = 2, .arguments_max = 1000,
     .run = run_promotion},
    {.name = "model compare", .arguments = "NAME VERSION VERSION", .summary = "set two versions beside each other", .arguments_min = 3,
     .arguments_max = 3, .run = run_compare},
    {.name = "model score", .arguments = "NAME [FILE]", .summary = "score the rows of a table, or a stretch of a stream",
     .details = "FILE is CSV, NDJSON or JSON (- is standard input, NDJSON); without one --stream says what is scored. A score a line.",
     .options = score_options, .arguments_min = 1, .arguments_max = 2, .run = run_score},
    {.name = "model rm", .arguments = "NAME…", .summary = "remove models with all versions", .arguments_min = 1, .arguments_max = 1000,
     .run = resource_run_rm, .resource = &models},
    {.name = NULL},
};
