/* model: what was learned, in versions.  Layer cli; main thread. */
#include <string.h>

#include "cli/groups.h"
#include "cli/output.h"
#include "cli/resource.h"
#include "cli/rows.h"
#include "cli/transfer.h"
#include "cli/url.h"

enum { PATH_BYTES = 32 << 10 };

/* --------------------------------------------------------------------- save */

static const char *format_of(const char *file)
{
    struct su_str name = su_str_of(file);
    return su_str_ends(name, SU_STR(".skops")) ? "skops" : su_str_ends(name, SU_STR(".pkl")) ? "pickle" : "json";
}

/* "…/content?format=&kind=&stage=&metrics=" */
static bool content_path(const struct invocation *in, struct su_buf *path, struct su_err *err)
{
    static const char *const words[] = {"kind", "stage", NULL};
    static const struct definition_setting settings[] = {{"metric", "metrics", DEFINITION_PAIRS}, {NULL, NULL}};
    const char *format = invocation_option(in, "format");
    SU_AUTO_JSON json_t *given = json_object();
    SU_AUTO_FREE char *base = resource_path("/v1/models", invocation_argument(in, 0), "/content");
    if (!definition_options(in, settings, given, err))
        return false;
    SU_AUTO_FREE char *metrics = json_object_size(given) ? su_json_text(json_object_get(given, "metrics")) : NULL;
    su_buf_adds(path, base);
    url_add_query(path, "format", format ? format : format_of(invocation_argument(in, 1)));
    url_add_query(path, "metrics", metrics);
    resource_add_filters(in, words, path);
    return true;
}

static int run_save(struct invocation *in, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    SU_AUTO_JSON json_t *saved = NULL;
    if (!content_path(in, &path, err))
        return COMMAND_FAILED;
    struct transfer_put put = {.file = invocation_argument(in, 1), .path = path.ptr, .type = "application/octet-stream"};
    if (!transfer_put(in, &put, &saved, err))
        return COMMAND_FAILED;
    if (invocation_wants_json(in))
        output_json(saved);
    else if (!invocation_is_quiet(in))
        printf("version %lld is %s: %s\n", (long long)su_json_int(saved, "version", 0), su_json_string(saved, "stage", ""),
               su_json_string(saved, "why", ""));
    return EXIT_DONE;
}

static int run_get(struct invocation *in, struct su_err *err)
{
    const char *version = invocation_option(in, "version");
    SU_AUTO_FREE char *rest = version ? su_format("/versions/%s/content", version) : su_strdup("/content");
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), rest);
    struct transfer_get get = {.path = path, .file = invocation_option(in, "output"), .size = -1};
    return transfer_get(in, &get, err) ? EXIT_DONE : COMMAND_FAILED;
}

/* -------------------------------------------------------------- show, compare */

static void print_model(const json_t *model)
{
    static const struct pages_view view = {
        .none = "no versions",
        .cells = {{"VERSION", "version", PAGES_NUMBER}, {"STAGE", "stage"}, {"KIND", "kind"}, {"METRICS", "metrics"},
                  {"SAVED", "created_at", PAGES_TIME}, {"BY", "code|created_by"}, {"DECISIONS", "decisions", PAGES_NUMBER}, {"WHY", "why"}}};
    SU_AUTO_JSON json_t *facts = json_copy((json_t *)(uintptr_t)model);
    json_object_del(facts, "versions");
    json_object_del(facts, "history");
    pages_print_record(facts);
    putchar('\n');
    pages_print_items(json_object_get(model, "versions"), &view);
}

static void print_comparison(const json_t *answer)
{
    static const struct pages_view view = {
        .none = "neither has metrics",
        .cells = {{"METRIC", "metric"}, {"A", "a", PAGES_NUMBER}, {"B", "b", PAGES_NUMBER}, {"DIFFERENCE", "difference", PAGES_NUMBER},
                  {"BETTER", "better"}}};
    static const char *const sides[] = {"a", "b"};
    for (size_t i = 0; i < SU_COUNT(sides); i++) {
        const json_t *side = json_object_get(answer, sides[i]);
        printf("%s: version %lld, %s, %s\n", sides[i], (long long)su_json_int(side, "version", 0), su_json_string(side, "stage", ""),
               su_json_string(side, "kind", ""));
    }
    pages_print_items(json_object_get(answer, "metrics"), &view);
}

static int run_compare(struct invocation *in, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    SU_AUTO_FREE char *base = resource_path("/v1/models", invocation_argument(in, 0), "/compare");
    su_buf_adds(&path, base);
    url_add_query(&path, "a", invocation_argument(in, 1));
    url_add_query(&path, "b", invocation_argument(in, 2));
    return resource_get(in, path.ptr, print_comparison, err);
}

/* ------------------------------------------------------------------- stages */

static void print_live(const json_t *model)
{
    SU_AUTO_FREE char *live = output_value(json_object_get(model, "live"));
    if (json_is_integer(json_object_get(model, "live")))
        printf("version %s is live\n", live);
    else
        puts("no version is live");
}

/* model promote|retire|rollback NAME [VERSION]. */
static int run_stage(struct invocation *in, struct su_err *err)
{
    uint64_t version;
    const char *given = invocation_argument(in, 1);
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_FREE char *verb = su_format("/%s", strchr(invocation_command(in)->name, ' ') + 1);
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), verb);
    if (given && !su_str_u64(su_str_of(given), INT64_MAX, &version)) {
        su_fail(err, SU_INVALID, "a version is a number from 1, was \"%s\"", given);
        return COMMAND_FAILED;
    }
    if (given)
        json_object_set_new(body, "version", json_integer((json_int_t)version));
    return resource_send(in, "POST", path, body, print_live, err);
}

static int run_promotion(struct invocation *in, struct su_err *err)
{
    bool is_off = invocation_has(in, "none");
    SU_AUTO_JSON json_t *body = json_object();
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), "/promotion");
    if (!definition_arguments(in, 1, body, err))
        return COMMAND_FAILED;
    return resource_send(in, is_off ? "DELETE" : "PUT", path, is_off ? NULL : body, NULL, err);
}

/* -------------------------------------------------------------------- score */

static void print_scores(const json_t *answer)
{
    size_t i;
    json_t *score;
    if (!json_object_get(answer, "scores"))
        fprintf(stderr, "run %s is still at it: suricate runs show %s --wait\n", su_json_string(answer, "id", ""), su_json_string(answer, "id", ""));
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
    SU_AUTO_FREE char *path = resource_path("/v1/models", invocation_argument(in, 0), "/score?wait=60s");   /* an estimator needs a kernel */
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
              {"CANDIDATE", "candidate", PAGES_NUMBER},
              {"VERSIONS", "versions_total", PAGES_NUMBER}, {"PROMOTED BY", "promotion.metric"}, {"CHANGED", "changed_at", PAGES_TIME}}};
static const struct resource models = {.noun = "model", .path = "/v1/models", .view = &model_view, .print = print_model};

static const struct option_spec save_options[] = {
    {.name = "format", .value = "FORMAT", .help = "json, skops, pickle or bytes (default: by the file's ending, else json)"},
    {.name = "kind", .value = "KIND", .help = "what it is, like kmeans"},
    {.name = "metric", .value = "NAME=VALUE", .help = "how good it is", .is_repeated = true},
    {.name = "stage", .value = "STAGE", .help = "candidate or live (default: as the model's promotion says)"},
    {.name = NULL},
};
static const struct option_spec get_options[] = {
    {.name = "version", .value = "N", .help = "this version, or candidate (default: live)"},
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write to FILE (default: standard output)"},
    {.name = NULL},
};
static const struct option_spec promotion_options[] = {
    {.name = "none", .help = "promote by hand only"},
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
     .arguments_max = 1, .run = run_stage},
    {.name = "model retire", .arguments = "NAME VERSION", .summary = "retire a version", .arguments_min = 2, .arguments_max = 2, .run = run_stage},
    {.name = "model promotion", .arguments = "NAME [FIELD=VALUE…]", .summary = "say which new versions are promoted by themselves",
     .example = "suricate model promotion load metric=auc better=higher at_least=0.9", .options = promotion_options, .arguments_min = 1,
     .arguments_max = 1000, .run = run_promotion},
    {.name = "model compare", .arguments = "NAME [VERSION [VERSION]]", .summary = "set two versions beside each other",
     .details = "By default the live one and the candidate.", .arguments_min = 1,
     .arguments_max = 3, .run = run_compare},
    {.name = "model score", .arguments = "NAME [FILE]", .summary = "score the rows of a table, or a stretch of a stream",
     .details = "FILE is CSV, NDJSON or JSON (- is standard input, NDJSON); without one --stream says what is scored. A score a line.",
     .options = score_options, .arguments_min = 1, .arguments_max = 2, .run = run_score},
    {.name = "model rm", .arguments = "NAME…", .summary = "remove models with all versions", .arguments_min = 1, .arguments_max = 1000,
     .run = resource_run_rm, .resource = &models},
    {.name = NULL},
};
