/* /v1/notebooks: stored, versioned .ipynb files.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include "aggregate/object.h"
#include "handler.h"
#include "interact/notebook.h"
#include "interact/documents.h"
#include "interact/notebooks.h"

static struct notebooks *service(const struct request *request) { return request_services(request)->notebooks; }

static void list_notebooks(struct request *request, struct reply *reply)
{
    struct su_err err;
    size_t limit;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    if (request_limit(request, &limit, &err) &&
        notebooks_list(service(request), request_tenant(request), request_query(request, "prefix"),
                       request_query(request, "q"), request_query(request, "cursor"), limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void view_versions(struct request *request, struct reply *reply)
{
    struct su_err err;
    size_t limit;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    if (request_limit(request, &limit, &err) &&
        notebooks_versions(service(request), request_tenant(request), request_param(request, "name"),
                           request_query(request, "cursor"), limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void view_info(struct request *request, struct reply *reply, int64_t version)
{
    struct su_err err;
    json_t *info;
    if (!notebooks_info(service(request), request_tenant(request), request_param(request, "name"), version, &info,
                        &err)) {
        reply_error(reply, &err);
        return;
    }
    const char *etag = su_json_string(info, "etag", "");
    reply_etag(reply, su_arena_strdup(request_arena(request), etag));
    reply_json(reply, 200, info);
}

static void view_parameters(struct request *request, struct reply *reply, int64_t version)
{
    struct su_err err;
    SU_AUTO_JSON json_t *info = NULL;
    if (notebooks_info(service(request), request_tenant(request), request_param(request, "name"), version, &info, &err))
        reply_list(reply, json_incref(json_object_get(info, "parameters")), NULL);
    else
        reply_error(reply, &err);
}

/* The last part of a name, fit for a file: "reports/week 1" → "week 1.ipynb". */
static const char *file_name(struct request *request, const char *name)
{
    const char *slash = strrchr(name, '/');
    char *file = su_arena_strdup(request_arena(request), slash ? slash + 1 : name);
    for (char *at = file; *at; at++) {
        if (*at == '"' || *at == '\\' || (unsigned char)*at >= 0x7f)
            *at = '_';
    }
    bool is_named = su_str_ends(su_str_of(file), SU_STR(".ipynb"));
    return is_named ? file : su_arena_format(request_arena(request), "%s.ipynb", file);
}

static void view_content(struct request *request, struct reply *reply, int64_t version)
{
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    const char *name = request_param(request, "name");
    int fd;
    if (!notebooks_file(service(request), request_tenant(request), name, version, &info, &fd, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Content-Disposition", "attachment; filename=\"%s\"", file_name(request, name));
    reply_header(reply, "X-Suricate-Version", "%lld", (long long)info.version);
    reply_file(request, reply, fd, info.size, "application/x-ipynb+json", info.etag);
}

static void get_notebook(struct request *request, struct reply *reply)
{
    struct su_err err;
    int64_t version = 0;
    const char *view = request_query(request, "view");
    if (!request_query_int(request, "version", 1, INT64_MAX, &version, &err)) {
        reply_error(reply, &err);
    } else if (view == NULL || strcmp(view, "content") == 0) {
        view_content(request, reply, version);
    } else if (strcmp(view, "info") == 0) {
        view_info(request, reply, version);
    } else if (strcmp(view, "parameters") == 0) {
        view_parameters(request, reply, version);
    } else if (strcmp(view, "versions") == 0) {
        view_versions(request, reply);
    } else {
        su_fail_field(&err, SU_INVALID, "view", "view: must be content, info, parameters or versions, was \"%.40s\"",
                      view);
        reply_error(reply, &err);
    }
}

static void put_notebook(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct object_put put = {.key = {.tenant = request_tenant(request), .name = request_param(request, "name")},
                             .user = request_identity(request)->user};
    json_t *info;
    char etag[OBJECT_ETAG_SIZE];
    bool is_new;
    if (!request_conditions(request, &put.if_match, &put.if_none_match, &err)
        || !notebooks_put(service(request), &put, request_body(request), &info, etag, &is_new, &err)) {
        reply_error(reply, &err);
        return;
    }
    documents_stored_outside(request_services(request)->documents, request_tenant(request), request_param(request, "name"), false);
    reply_etag(reply, etag);
    reply_json(reply, is_new ? 201 : 200, info);
}

static void delete_notebook(struct request *request, struct reply *reply)
{
    struct su_err err;
    const char *none_match;
    struct object_delete what = {.key = {.tenant = request_tenant(request), .name = request_param(request, "name")},
                                 .user = request_identity(request)->user};
    if (request_conditions(request, &what.if_match, &none_match, &err)
        && request_query_int(request, "version", 1, INT64_MAX, &what.key.version, &err)
        && notebooks_delete(service(request), &what, &err)) {
        if (!what.key.version)
            documents_stored_outside(request_services(request)->documents, what.key.tenant, what.key.name, true);
        reply_empty(reply, 204);
    } else {
        reply_error(reply, &err);
    }
}

static const struct query_field list_query[] = {{"prefix", QUERY_TEXT, "Names that begin with this"},
                                                {"q", QUERY_TEXT, "Names that hold this, in either case"},
                                                {NULL, QUERY_TEXT, NULL}};
static const struct query_field get_query[] = {
    {"view", QUERY_TEXT, "content (default), info, parameters or versions"},
    {"version", QUERY_INT, "A version's number; absent: the newest"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field delete_query[] = {
    {"version", QUERY_INT, "Only this version; absent: the name with all versions"}, {NULL, QUERY_TEXT, NULL}};

const struct route notebooks_routes[] = {
    {.method = "GET",
     .path = "/v1/notebooks",
     .scope = SCOPE_NOTEBOOKS_READ,
     .handle = list_notebooks,
     .flags = ROUTE_LIST,
     .query = list_query,
     .summary = "List notebooks by name",
     .response = "The newest version of each name, with its parameters"},
    {.method = "GET",
     .path = "/v1/notebooks/{name*}",
     .scope = SCOPE_NOTEBOOKS_READ,
     .handle = get_notebook,
     .flags = ROUTE_LIST,
     .query = get_query,
     .summary = "Read a notebook, its description, parameters or versions",
     .response = "The .ipynb, or JSON for the other views",
     .response_type = "application/x-ipynb+json"},
    {.method = "PUT",
     .path = "/v1/notebooks/{name*}",
     .scope = SCOPE_NOTEBOOKS_WRITE,
     .handle = put_notebook,
     .body = BODY_BYTES,
     .body_max = NOTEBOOK_BYTES_MAX,
     .summary = "Store a notebook (nbformat 4; 3 is converted) as the name's next version",
     .response = "The notebook's description; 200 when the name had a version before",
     .success = 201},
    {.method = "DELETE",
     .path = "/v1/notebooks/{name*}",
     .scope = SCOPE_NOTEBOOKS_WRITE,
     .handle = delete_notebook,
     .query = delete_query,
     .summary = "Delete a notebook or one version",
     .response = "Nothing; its runs stay",
     .success = 204},
    ROUTE_END};
