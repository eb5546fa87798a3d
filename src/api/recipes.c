/* /v1/recipes: notebooks with a declared input.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include "aggregate/preview.h"
#include "handler.h"
#include "interact/notebook.h"
#include "interact/recipes.h"
#include "interact/run.h"

enum { TOPIC_SIZE = 64 };

static struct recipes *service(const struct request *request) { return request_services(request)->recipes; }
static const char *recipe_name(const struct request *request) { return request_param(request, "name"); }

/* A large preview may be under way for somebody else: then wait for that, as long as the client does. */
static void reply_failure(struct request *request, struct reply *reply, const struct su_err *err)
{
    if (err->code != SU_UNAVAILABLE || !reply_park(request, reply, preview_topic()))
        reply_error(reply, err);
}

static void keep_part(json_t *items, const char *part)
{
    for (size_t i = json_array_size(items); i-- > 0;) {
        const json_t *item = json_array_get(items, i);
        if (!strcasestr(su_json_string(item, "name", ""), part) && !strcasestr(su_json_string(item, "title", ""), part))
            json_array_remove(items, i);
    }
}

static void list_recipes(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    const char *part = request_query(request, "q");
    if (!recipes_list(service(request), request_tenant(request), request_query(request, "object"), &items, &err)) {
        reply_failure(request, reply, &err);
        return;
    }
    if (part)
        keep_part(items, part);
    reply_list(reply, items, NULL);
}

static void export_recipe(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_BUF struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    size_t len;
    if (!recipes_text(service(request), request_tenant(request), recipe_name(request), &text, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Content-Disposition", "attachment; filename=\"%s.ipynb\"", recipe_name(request));
    char *taken = su_buf_take(&text, &len);
    reply_take(reply, 200, "application/x-ipynb+json", taken, len);
}

static void get_recipe(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *info;
    const char *format = request_query(request, "format");
    if (format && strcmp(format, "ipynb") == 0) {
        export_recipe(request, reply);
        return;
    }
    if (format && strcmp(format, "json") != 0)
        su_fail_field(&err, SU_INVALID, "format", "format: must be json or ipynb, was \"%.40s\"", format);
    else if (recipes_info(service(request), request_tenant(request), recipe_name(request), &info, &err)) {
        const char *etag = su_json_string(info, "etag", NULL);
        if (etag)
            reply_etag(reply, su_arena_strdup(request_arena(request), etag));
        reply_json(reply, 200, info);
        return;
    }
    reply_error(reply, &err);
}

static void put_recipe(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct object_put put = {.key = {.tenant = request_tenant(request), .name = recipe_name(request)},
                             .user = request_identity(request)->user};
    json_t *info;
    char etag[OBJECT_ETAG_SIZE];
    bool is_new;
    if (!request_conditions(request, &put.if_match, &put.if_none_match, &err)
        || !recipes_put(service(request), &put, request_body(request), &info, etag, &is_new, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_etag(reply, etag);
    reply_json(reply, is_new ? 201 : 200, info);
}

static void delete_recipe(struct request *request, struct reply *reply)
{
    struct su_err err;
    const char *none_match;
    struct object_delete what = {.key = {.tenant = request_tenant(request), .name = recipe_name(request)},
                                 .user = request_identity(request)->user};
    if (request_conditions(request, &what.if_match, &none_match, &err) && recipes_delete(service(request), &what, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

struct recipe_body { const char *object, *label; json_t *parameters, *limits; int64_t retries; };
static const struct su_field recipe_fields[] = {
    SU_FIELD(struct recipe_body, object, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = OBJECT_NAME_MAX,
             .help = "The table to run it on"),
    SU_FIELD(struct recipe_body, parameters, SU_FIELD_OBJECT, .help = "Values for the recipe's parameters"),
    SU_FIELD(struct recipe_body, limits, SU_FIELD_OBJECT,
             .help = "time_s, memory_mb, processes, scratch_mb, output_mb"),
    SU_FIELD(struct recipe_body, retries, SU_FIELD_INT, .min = 0, .max = RUN_RETRIES_MAX,
             .help = "Times to begin anew when the run was interrupted"),
    SU_FIELD(struct recipe_body, label, SU_FIELD_TEXT, .min = 1, .max = RUN_LABEL_MAX, .help = "For people"),
    SU_FIELD_END};

static bool create(struct request *request, char id[static SU_ID_SIZE], struct su_err *err)
{
    struct recipe_body body = {0};
    RUN_AUTO_SOURCE struct run_source source = {0};
    const struct identity *who = request_identity(request);
    if (!request_bind(request, recipe_fields, &body, err)
        || !recipes_source(service(request), who->tenant, recipe_name(request), body.object, &source, err))
        return false;
    const struct run_options options = {
        .parameters = body.parameters, .limits = body.limits, .retries = body.retries, .label = body.label};
    return run_create(request_services(request)->runs, who->tenant, who->user, &source, &options, id, err);
}

static void post_recipe_run(struct request *request, struct reply *reply)
{
    struct su_err err;
    char id[SU_ID_SIZE], topic[TOPIC_SIZE];
    json_t *run;
    bool is_final;
    if (request_kept(request) == NULL) {
        if (!create(request, id, &err)) {
            reply_failure(request, reply, &err);
            return;
        }
        request_keep(request, id);
    }
    const char *kept = request_kept(request);
    if (!run_get(request_services(request)->runs, request_tenant(request), kept, &run, &is_final, &err)) {
        reply_error(reply, &err);
        return;
    }
    snprintf(topic, sizeof topic, "run-state/%.40s", kept);
    if (!is_final && reply_park(request, reply, topic)) {
        json_decref(run);
        return;
    }
    reply_header(reply, "Location", "/v1/runs/%s", kept);
    reply_json(reply, 202, run);
}

static void latest_figure(struct request *request, struct reply *reply, const char *type)
{
    struct su_err err;
    struct run_file file;
    if (!run_latest_figure(request_services(request)->runs, request_tenant(request), recipe_name(request), type, &file,
                           &err)) {
        reply_error(reply, &err);
        return;
    }
    /* A notebook made it: as a page it may do nothing. Embedding it elsewhere is what the address is for. */
    reply_header(reply, "Content-Security-Policy",
                 "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox");
    reply_header(reply, "Cross-Origin-Resource-Policy", "cross-origin");
    reply_header(reply, "Cache-Control", "private, no-cache");
    reply_file(request, reply, file.fd, file.size, file.type, file.sha256);
}

static void get_latest_svg(struct request *request, struct reply *reply)
{
    latest_figure(request, reply, "image/svg+xml");
}
static void get_latest_png(struct request *request, struct reply *reply) { latest_figure(request, reply, "image/png"); }

static const struct query_field list_query[] = {
    {"object", QUERY_TEXT, "Say of each recipe whether it fits this table"},
    {"q", QUERY_TEXT, "Names and titles that hold this, in either case"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field get_query[] = {
    {"format", QUERY_TEXT, "json (default) or ipynb: the notebook itself"}, {NULL, QUERY_TEXT, NULL}};

const struct route recipes_routes[] = {{.method = "GET",
                                        .path = "/v1/recipes",
                                        .scope = SCOPE_RECIPES_READ,
                                        .handle = list_recipes,
                                        .flags = ROUTE_LIST | ROUTE_WAIT,
                                        .query = list_query,
                                        .summary = "List recipes, with ?object= those that fit it",
                                        .response = "Recipes by name, with fits and reason when an object was named"},
                                       {.method = "GET",
                                        .path = "/v1/recipes/{name}",
                                        .scope = SCOPE_RECIPES_READ,
                                        .handle = get_recipe,
                                        .query = get_query,
                                        .summary = "A recipe's description, or its notebook",
                                        .response = "The description, or the .ipynb"},
                                       {.method = "PUT",
                                        .path = "/v1/recipes/{name}",
                                        .scope = SCOPE_RECIPES_WRITE,
                                        .handle = put_recipe,
                                        .body = BODY_BYTES,
                                        .body_max = NOTEBOOK_BYTES_MAX,
                                        .summary = "Store a notebook that declares its input as a recipe",
                                        .response = "The recipe; 200 when there was one before",
                                        .success = 201},
                                       {.method = "DELETE",
                                        .path = "/v1/recipes/{name}",
                                        .scope = SCOPE_RECIPES_WRITE,
                                        .handle = delete_recipe,
                                        .summary = "Delete a recipe",
                                        .response = "Nothing; its runs stay",
                                        .success = 204},
                                       {.method = "POST",
                                        .path = "/v1/recipes/{name}/runs",
                                        .scope = SCOPE_RUNS_WRITE,
                                        .handle = post_recipe_run,
                                        .body = BODY_JSON,
                                        .flags = ROUTE_WAIT,
                                        .request = recipe_fields,
                                        .summary = "Run a recipe on an object",
                                        .response = "The run",
                                        .success = 202},
                                       {.method = "GET",
                                        .path = "/v1/recipes/{name}/latest/figure.svg",
                                        .scope = SCOPE_FIGURES_READ,
                                        .handle = get_latest_svg,
                                        .flags = ROUTE_QUERY_TOKEN,
                                        .summary = "The newest figure of a recipe, at an address that stays",
                                        .response = "The picture",
                                        .response_type = "image/svg+xml"},
                                       {.method = "GET",
                                        .path = "/v1/recipes/{name}/latest/figure.png",
                                        .scope = SCOPE_FIGURES_READ,
                                        .handle = get_latest_png,
                                        .flags = ROUTE_QUERY_TOKEN,
                                        .summary = "The newest figure of a recipe, at an address that stays",
                                        .response = "The picture",
                                        .response_type = "image/png"},
                                       ROUTE_END};
