/* /v1/models: what was learned, by name and version.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "act/model.h"
#include "handler.h"
#include "interact/recorder.h"
#include "interact/run.h"
#include "routes.h"

enum { BODY_MAX = 66 << 20 };       /* MODEL_JSON_MAX in base64, and what is said beside it */

static struct models *service(const struct request *request) { return request_services(request)->models; }
static const char *name_of(const struct request *request) { return model_bare_name(request_param(request, "name")); }

static void reply_model(struct reply *reply, json_t *model)
{
    reply_etag(reply, su_json_string(model, "etag", ""));
    reply_json(reply, 200, model);
}

/* --- reading ---------------------------------------------------------------------------- */

static void list_models(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    struct model_list list = {.tenant = request_tenant(request), .prefix = request_query(request, "prefix"), .cursor = request_query(request, "cursor")};
    if (request_limit(request, &list.limit, &err) && model_list(service(request), &list, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void get_model(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *model;
    if (!model_get(service(request), request_tenant(request), name_of(request), &model, &err))
        reply_error(reply, &err);
    else
        reply_model(reply, model);
}

static void list_versions(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    size_t limit;
    if (request_limit(request, &limit, &err)
        && model_versions(service(request), request_tenant(request), name_of(request), request_query(request, "cursor"), limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

/* What the run that made it had read until it ended, by its lineage; null for one that is gone, or that nobody ran. */
static json_t *lineage_of(struct request *request, const json_t *version)
{
    static const char *const members[] = {"notebook", "recipe", "parameters", "reads", "streams", "followed"};
    struct su_err none;
    const char *run = su_json_string(version, "run", NULL);
    struct runs *runs = request_services(request)->runs;
    SU_AUTO_JSON json_t *whole = NULL;
    if (run == NULL || runs == NULL || !run_lineage(runs, request_tenant(request), run, &whole, &none))
        return json_null();
    json_t *lineage = json_object();
    for (size_t i = 0; i < SU_COUNT(members); i++)
        json_object_set(lineage, members[i], json_object_get(whole, members[i]));
    return lineage;
}

static void get_version(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *version;
    if (!model_version(service(request), request_tenant(request), name_of(request), request_param(request, "version"), &version, &err)) {
        reply_error(reply, &err);
        return;
    }
    json_object_set_new(version, "lineage", lineage_of(request, version));
    reply_json(reply, 200, version);
}

static void compare(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *answer;
    int64_t a = 0, b = 0;
    if (request_query_int(request, "a", 1, INT64_MAX, &a, &err) && request_query_int(request, "b", 1, INT64_MAX, &b, &err)
        && model_compare(service(request), request_tenant(request), name_of(request), a, b, &answer, &err))
        reply_json(reply, 200, answer);
    else
        reply_error(reply, &err);
}

/* --- content ------------------------------------------------------------------------------ */

/* A replay gets the version that the original had. */
static const char *pinned(struct request *request, const char *which)
{
    const struct identity *who = request_identity(request);
    struct runs *runs = request_services(request)->runs;
    int64_t version = 0;
    SU_AUTO_FREE char *object = su_format("models/%s", name_of(request));
    if (runs == NULL || who->run[0] == '\0' || strcmp(which, "live") != 0 || !run_pinned_version(runs, who->tenant, who->run, object, &version))
        return which;
    return su_arena_format(request_arena(request), "%lld", (long long)version);
}

/* Belongs to the run's lineage. */
static void report_use(struct request *request, const struct model_content *content)
{
    const struct identity *who = request_identity(request);
    if (who->run[0] == '\0')
        return;
    SU_AUTO_FREE char *object = su_format("models/%s", name_of(request));
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s, s:I, s:s}", "tenant", who->tenant, "run", who->run, "name", object, "version",
                                            (json_int_t)content->version, "sha256", content->sha256);
    su_bus_publish(request_services(request)->bus, "run-reads", "object.read", detail);
}

static void reply_model_content(struct request *request, struct reply *reply, const char *which)
{
    struct su_err err;
    MODEL_AUTO_CONTENT struct model_content content = {.fd = -1};
    if (!model_content(service(request), request_tenant(request), name_of(request), pinned(request, which), &content, &err)) {
        reply_error(reply, &err);
        return;
    }
    report_use(request, &content);
    reply_header(reply, "X-Suricate-Version", "%lld", (long long)content.version);
    reply_header(reply, "X-Suricate-Model-Format", "%s", content.format);
    reply_header(reply, "X-Suricate-Model-Kind", "%s", content.kind);
    reply_header(reply, "X-Suricate-Model-Live", "%lld", (long long)content.live);
    reply_header(reply, "Content-Security-Policy", "default-src 'none'; sandbox");
    reply_header(reply, "Content-Disposition", "attachment");
    reply_file(request, reply, content.fd, content.bytes, content.type, content.etag);
}

static void get_live_content(struct request *request, struct reply *reply) { reply_model_content(request, reply, "live"); }
static void get_content(struct request *request, struct reply *reply) { reply_model_content(request, reply, request_param(request, "version")); }

/* --- saving ---------------------------------------------------------------------------------- */

/* Whoever asks, and the notebook if it is one. */
static bool maker_of(struct request *request, struct model_save *save, struct su_err *err)
{
    const struct identity *who = request_identity(request);
    save->tenant = who->tenant;
    save->user = who->user;
    save->name = name_of(request);
    save->run = who->run[0] ? who->run : NULL;
    return request_code(request, &save->code, err);
}

struct model_body { const char *content, *type, *format, *kind, *stage; json_t *value, *metrics, *metadata, *tags, *sources; };
static const struct su_field model_fields[] = {
    SU_FIELD(struct model_body, content, SU_FIELD_TEXT, .help = "The bytes in base64; or value"),
    SU_FIELD(struct model_body, value, SU_FIELD_ANY, .help = "The model itself, if it is JSON"),
    SU_FIELD(struct model_body, type, SU_FIELD_TEXT, .min = 1, .max = 128, .help = "Its media type; default: the format's"),
    SU_FIELD(struct model_body, format, SU_FIELD_TEXT, .help = "json, skops, pickle (where an owner allows it) or bytes"),
    SU_FIELD(struct model_body, kind, SU_FIELD_TEXT, .help = "A detector's kind, scikit-learn, plain …; default: as the format suggests"),
    SU_FIELD(struct model_body, metrics, SU_FIELD_OBJECT, .help = "How good it is: numbers by name"),
    SU_FIELD(struct model_body, metadata, SU_FIELD_OBJECT, .help = "The object's metadata"),
    SU_FIELD(struct model_body, tags, SU_FIELD_LIST, .help = "The object's tags beside model"),
    SU_FIELD(struct model_body, sources, SU_FIELD_LIST, .help = "What it was learned from: objects or texts"),
    SU_FIELD(struct model_body, stage, SU_FIELD_TEXT, .help = "live or candidate; default: as the model's promotion says"),
    SU_FIELD_END};

/* The bytes that the body holds; *ret is the caller's. */
static bool content_of(struct request *request, const struct model_body *body, char **ret, size_t *ret_len, struct su_err *err)
{
    if ((body->content != NULL) == (body->value != NULL))
        return su_fail_field(err, SU_INVALID, "/content", "content or value: exactly one of them is needed");
    if (body->value != NULL) {
        *ret = su_json_text_flags(body->value, JSON_ENCODE_ANY | JSON_COMPACT);
        *ret_len = strlen(*ret);
        return true;
    }
    const struct su_str text = {body->content, json_string_length(json_object_get(request_json(request), "content"))};
    return recorded_base64(text, ret, ret_len) || su_fail_field(err, SU_INVALID, "/content", "content: must be base64");
}

static bool save(struct request *request, json_t **ret, struct su_err *err)
{
    struct model_body body = {0};
    struct model_save what = {0};
    MODEL_AUTO_SAVING struct model_saving *saving = NULL;
    SU_AUTO_FREE char *content = NULL;
    size_t len;
    if (!request_bind(request, model_fields, &body, err) || !content_of(request, &body, &content, &len, err) || !maker_of(request, &what, err)
        || !model_stage_parse(body.stage, &what.stage, err))
        return false;
    what.format = body.format ? body.format : body.value ? "json" : NULL;
    what.kind = body.kind;
    what.type = body.type;
    what.metrics = body.metrics;
    what.metadata = body.metadata;
    what.tags = body.tags;
    what.sources = body.sources;
    what.size_hint = len;
    return model_save_begin(service(request), &what, &saving, err) && model_save_add(saving, content, len, err)
        && model_save_finish(saving, ret, err);
}

static void post_model(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *version;
    if (save(request, &version, &err))
        reply_json(reply, 201, version);
    else
        reply_error(reply, &err);
}

/* A query parameter that holds JSON; *ret stays NULL where it is absent. */
static bool json_of(const struct request *request, const char *name, bool is_list, json_t **ret, struct su_err *err)
{
    const char *text = request_query(request, name);
    if (text == NULL)
        return true;
    if (!su_json_parse(su_str_of(text), name, ret, err) || (is_list ? !json_is_array(*ret) : !json_is_object(*ret)))
        return su_fail_field(err, SU_INVALID, name, "%s: must be a JSON %s", name, is_list ? "list" : "object");
    return true;
}

static bool put_begin(struct request *request, void **ret_state, struct su_err *err)
{
    int64_t length = request_content_length(request);
    const char *type = request_body_type(request);
    SU_AUTO_JSON json_t *metrics = NULL, *sources = NULL, *tags = NULL, *metadata = NULL;
    struct model_save what = {.format = request_query(request, "format"), .kind = request_query(request, "kind"),
                              .size_hint = length > 0 ? (uint64_t)length : 0,
                              .type = *type && strcmp(type, "application/x-www-form-urlencoded") != 0 ? type : NULL};
    if (!json_of(request, "metrics", false, &metrics, err) || !json_of(request, "sources", true, &sources, err)
        || !object_tags_of(request, &tags, err) || !object_metadata_of(request, &metadata, err) || !maker_of(request, &what, err)
        || !model_stage_parse(request_query(request, "stage"), &what.stage, err))
        return false;
    what.metrics = metrics;
    what.sources = sources;
    what.tags = tags;
    what.metadata = metadata;
    struct model_saving *saving;
    if (!model_save_begin(service(request), &what, &saving, err))
        return false;
    *ret_state = saving;
    return true;
}

static bool put_add(struct request *request, void *state, const void *data, size_t len, struct su_err *err)
{
    (void)request;
    return model_save_add(state, data, len, err);
}

static void put_finish(struct request *request, void *state, struct reply *reply)
{
    (void)request;
    MODEL_AUTO_SAVING struct model_saving *saving = state;
    struct su_err err;
    json_t *version;
    if (model_save_finish(saving, &version, &err))
        reply_json(reply, 201, version);
    else
        reply_error(reply, &err);
}

static void put_abort(void *state) { model_saving_close(state); }

static const struct upload_ops put_ops = {put_begin, put_add, put_finish, put_abort};

/* --- stages ------------------------------------------------------------------------------------ */

static bool change_of(struct request *request, struct model_change *ret, struct su_err *err)
{
    const struct identity *who = request_identity(request);
    const char *none_match;
    *ret = (struct model_change){.tenant = who->tenant, .name = name_of(request), .user = who->user};
    return request_conditions(request, &ret->if_match, &none_match, err);
}

struct version_body { int64_t version; };
static const struct su_field version_fields[] = {
    SU_FIELD(struct version_body, version, SU_FIELD_INT, .is_required = true, .min = 1, .max = 9007199254740991, .help = "Which"),
    SU_FIELD_END};

typedef bool version_fn(struct models *, const struct model_change *, int64_t, json_t **, struct su_err *);
static void change_version(struct request *request, struct reply *reply, version_fn *change)
{
    struct su_err err;
    struct model_change what;
    struct version_body body = {0};
    json_t *model;
    if (request_bind(request, version_fields, &body, &err) && change_of(request, &what, &err)
        && change(service(request), &what, body.version, &model, &err))
        reply_model(reply, model);
    else
        reply_error(reply, &err);
}

static void promote(struct request *request, struct reply *reply) { change_version(request, reply, model_promote); }
static void retire(struct request *request, struct reply *reply) { change_version(request, reply, model_retire); }

static void rollback(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct model_change what;
    json_t *model;
    if (change_of(request, &what, &err) && model_rollback(service(request), &what, &model, &err))
        reply_model(reply, model);
    else
        reply_error(reply, &err);
}

static void put_promotion(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct model_change what;
    json_t *model;
    if (change_of(request, &what, &err) && model_promotion_put(service(request), &what, request_json(request), &model, &err))
        reply_model(reply, model);
    else
        reply_error(reply, &err);
}

static void delete_promotion(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct model_change what;
    SU_AUTO_JSON json_t *model = NULL;
    if (change_of(request, &what, &err) && model_get(service(request), what.tenant, what.name, &model, &err)) {
        json_t *changed;
        if (model_promotion_put(service(request), &what, NULL, &changed, &err)) {
            json_decref(changed);
            reply_empty(reply, 204);
            return;
        }
    }
    reply_error(reply, &err);
}

static void delete_model(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct model_change what;
    if (change_of(request, &what, &err) && model_delete(service(request), &what, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* --- what the tenant allows ------------------------------------------------------------------------ */

struct settings_body { bool pickle; };
static const struct su_field settings_fields[] = {
    SU_FIELD(struct settings_body, pickle, SU_FIELD_BOOL, .is_required = true, .help = "May pickles be kept and given out?"),
    SU_FIELD_END};

static void get_settings(struct request *request, struct reply *reply)
{
    struct su_err err;
    bool is_allowed;
    if (model_pickle_get(service(request), request_tenant(request), &is_allowed, &err))
        reply_json(reply, 200, json_pack("{s:b}", "pickle", (int)is_allowed));
    else
        reply_error(reply, &err);
}

static void put_settings(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct settings_body body = {0};
    const struct identity *who = request_identity(request);
    if (request_bind(request, settings_fields, &body, &err) && model_pickle_put(service(request), who->tenant, body.pickle, who->user, &err))
        get_settings(request, reply);
    else
        reply_error(reply, &err);
}

/* --- routes ------------------------------------------------------------------------------------------ */

static const struct query_field list_query[] = {{"prefix", QUERY_TEXT, "Names that begin with this"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field compare_query[] = {
    {"a", QUERY_INT, "A version; absent: the live one"}, {"b", QUERY_INT, "A version; absent: the candidate, else the newest"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field content_query[] = {
    {"format", QUERY_TEXT, "json, skops, pickle or bytes; absent: as Content-Type says"}, {"kind", QUERY_TEXT, "What kind of model it is"},
    {"stage", QUERY_TEXT, "live or candidate; absent: as the model's promotion says"}, {"metrics", QUERY_TEXT, "A JSON object of numbers"},
    {"sources", QUERY_TEXT, "A JSON list of what it was learned from"}, {NULL, QUERY_TEXT, NULL}};

const struct route models_routes[] = {
    {"GET", "/v1/models", SCOPE_OBJECTS_READ, list_models, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .query = list_query,
     .summary = "List models", .response = "Models with their live version and candidate"},
    {"GET", "/v1/models/{name*}", SCOPE_OBJECTS_READ, get_model, .flags = ROUTE_RUN_TOKEN,
     .summary = "A model with its versions and its history", .response = "The model"},
    {"PUT", "/v1/models/{name*}", SCOPE_OBJECTS_WRITE, post_model, BODY_JSON, .flags = ROUTE_RUN_TOKEN, .body_max = BODY_MAX,
     .summary = "Save the next version of a model", .request = model_fields,
     .response = "The version with its stage, and why", .success = 201},
    {"POST", "/v1/models/{name*}", SCOPE_OBJECTS_WRITE, post_model, BODY_JSON, .flags = ROUTE_RUN_TOKEN, .body_max = BODY_MAX,
     .summary = "Save the next version of a model", .request = model_fields,
     .response = "The version with its stage, and why", .success = 201},
    {"DELETE", "/v1/models/{name*}", SCOPE_OBJECTS_WRITE, delete_model, .summary = "Delete a model with its versions",
     .response = "Nothing", .success = 204},
    {"GET", "/v1/models/{name*}/content", SCOPE_OBJECTS_READ, get_live_content, .flags = ROUTE_RUN_TOKEN,
     .summary = "The live version's bytes", .response = "The content", .response_type = "application/octet-stream"},
    {.method = "PUT", .path = "/v1/models/{name*}/content", .scope = SCOPE_OBJECTS_WRITE, .body = BODY_STREAM,
     .flags = ROUTE_RUN_TOKEN, .upload = &put_ops, .body_max = MODEL_BYTES_MAX, .query = content_query,
     .summary = "Save the body as the next version of a model", .response = "The version with its stage, and why",
     .success = 201},
    {"GET", "/v1/models/{name*}/versions", SCOPE_OBJECTS_READ, list_versions, .flags = ROUTE_LIST | ROUTE_RUN_TOKEN,
     .summary = "A model's versions, newest first", .response = "Versions"},
    {"GET", "/v1/models/{name*}/versions/{version}", SCOPE_OBJECTS_READ, get_version, .flags = ROUTE_RUN_TOKEN,
     .summary = "A version (a number, live or candidate): metrics and what made it", .response = "The version"},
    {"GET", "/v1/models/{name*}/versions/{version}/content", SCOPE_OBJECTS_READ, get_content, .flags = ROUTE_RUN_TOKEN,
     .summary = "A version's bytes", .response = "The content", .response_type = "application/octet-stream"},
    {"GET", "/v1/models/{name*}/compare", SCOPE_OBJECTS_READ, compare, .flags = ROUTE_RUN_TOKEN, .query = compare_query,
     .summary = "Two versions side by side", .response = "Both, and their metrics with the differences"},
    {"POST", "/v1/models/{name*}/promote", SCOPE_OBJECTS_WRITE, promote, BODY_JSON, .flags = ROUTE_RUN_TOKEN,
     .summary = "Make a version the live one", .request = version_fields, .response = "The model"},
    {"POST", "/v1/models/{name*}/rollback", SCOPE_OBJECTS_WRITE, rollback, BODY_JSON,
     .flags = ROUTE_RUN_TOKEN | ROUTE_BODY_OPTIONAL, .summary = "Go back to the version that was live before",
     .response = "The model"},
    {"POST", "/v1/models/{name*}/retire", SCOPE_OBJECTS_WRITE, retire, BODY_JSON, .flags = ROUTE_RUN_TOKEN,
     .summary = "Withdraw a version", .request = version_fields, .response = "The model"},
    {"PUT", "/v1/models/{name*}/promotion", SCOPE_OBJECTS_WRITE, put_promotion, BODY_JSON, .request = model_promotion_fields,
     .summary = "Promote new versions that are better by a metric", .response = "The model"},
    {"DELETE", "/v1/models/{name*}/promotion", SCOPE_OBJECTS_WRITE, delete_promotion, .summary = "Promote by hand only",
     .response = "Nothing", .success = 204},
    {"GET", "/v1/model-settings", SCOPE_OBJECTS_READ, get_settings, .flags = ROUTE_RUN_TOKEN,
     .summary = "What models may be", .response = "The settings"},
    {"PUT", "/v1/model-settings", SCOPE_ADMIN, put_settings, BODY_JSON, .request = settings_fields,
     .summary = "Say whether pickles are allowed", .response = "The settings"},
    ROUTE_END};
