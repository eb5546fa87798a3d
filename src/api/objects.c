/* /v1/objects: the tenant's named, versioned content.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "act/model.h"
#include "aggregate/object.h"
#include "aggregate/preview.h"
#include "base/percent.h"
#include "aggregate/table.h"
#include "base/clock.h"
#include "base/fs.h"
#include "handler.h"
#include "interact/run.h"
#include "routes.h"

/* The route's key; version from ?version=, 0 when absent. */
static bool key_of(struct request *request, struct object_key *ret, struct su_err *err)
{
    *ret = (struct object_key){.tenant = request_tenant(request), .kind = OBJECT_DATA, .name = request_param(request, "name")};
    return request_query_int(request, "version", 1, INT64_MAX, &ret->version, err);
}

/* HTTP's conditions as object.h takes them: texts in the request's arena, or NULL. */
struct conditions { const char *if_match, *if_none_match; };
static bool conditions_of(struct request *request, struct conditions *ret, struct su_err *err)
{
    struct precondition given = {0};
    if (!request_precondition(request, &given, err))
        return false;
    *ret = (struct conditions){
        .if_match = given.must_exist ? "*" : given.etag[0] ? su_arena_format(request_arena(request), "\"%s\"", given.etag) : NULL,
        .if_none_match = given.must_not_exist ? "*" : NULL,
    };
    return true;
}

/* What a run read belongs to its lineage: told to whoever keeps it. */
static void report_read(struct request *request, const struct object_info *info)
{
    const struct identity *who = request_identity(request);
    if (who->run[0] == '\0')
        return;
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s, s:I, s:s}", "tenant", who->tenant, "run", who->run, "name",
                                            info->name, "version", (json_int_t)info->version, "sha256", info->sha256);
    su_bus_publish(request_services(request)->bus, "run-reads", "object.read", detail);
}

/* --- reading ---------------------------------------------------------- */

static void reply_info(struct reply *reply, int status, const struct object_info *info)
{
    reply_etag(reply, info->etag);
    reply_json(reply, status, object_info_json(info));
}

/* What a browser shows without running anything; the rest is saved, not opened. */
static bool is_harmless(const char *type)
{
    static const char *const types[] = {"text/plain", "text/csv", "application/json", "application/x-ndjson", "image/png", "image/jpeg"};
    for (size_t i = 0; i < SU_COUNT(types); i++)
        if (strncmp(type, types[i], strlen(types[i])) == 0 && strchr("; ", type[strlen(types[i])]))
            return true;
    return false;
}

static bool content_of(struct request *request, const struct object_info *info, int *ret_fd, char **ret_small, struct su_err *err)
{
    struct objects *objects = request_services(request)->objects;
    if (info->size <= OBJECT_SMALL_MAX)
        return object_small(objects, info, ret_small, err);
    return object_content(objects, info, ret_fd, err);
}

static void view_content(struct request *request, struct reply *reply, const struct object_key *key)
{
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    int fd = -1;
    char *small = NULL;
    if (!object_get(request_services(request)->objects, key, &info, &err) ||
        !content_of(request, &info, &fd, &small, &err)) {
        reply_error(reply, &err);
        return;
    }
    report_read(request, &info);
    reply_header(reply, "X-Suricate-Version", "%lld", (long long)info.version);
    reply_header(reply, "X-Suricate-SHA256", "%s", info.sha256);
    /* Somebody's HTML or SVG must not run as ours. */
    reply_header(reply, "Content-Security-Policy", "default-src 'none'; sandbox");
    if (!is_harmless(info.type))
        reply_header(reply, "Content-Disposition", "attachment");
    if (small)
        reply_content(request, reply, small, info.size, info.type, info.etag);
    else
        reply_file(request, reply, fd, info.size, info.type, info.etag);
}

static void view_info(struct request *request, struct reply *reply, const struct object_key *key)
{
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (object_get(request_services(request)->objects, key, &info, &err))
        reply_info(reply, 200, &info);
    else
        reply_error(reply, &err);
}

static void view_versions(struct request *request, struct reply *reply, const struct object_key *key)
{
    struct su_err err;
    OBJECT_AUTO_PAGE struct object_page page = {0};
    size_t limit;
    if (request_limit(request, &limit, &err)
        && object_versions(request_services(request)->objects, key, request_query(request, "cursor"), (int64_t)limit, &page, &err))
        reply_json(reply, 200, object_page_json(&page));
    else
        reply_error(reply, &err);
}

static void view_preview(struct request *request, struct reply *reply, const struct object_key *key)
{
    const struct services *services = request_services(request);
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    json_t *preview = NULL;
    if (object_get(services->objects, key, &info, &err)
        && preview_get(services->previews, request_tenant(request), &info, &preview, &err)) {
        report_read(request, &info);
        reply_etag(reply, info.etag);
        reply_json(reply, 200, preview);
    } else if (err.code != SU_UNAVAILABLE || !reply_park(request, reply, preview_topic())) {
        reply_error(reply, &err);
    }
}

/* docs/reference/columns.md says what it is and when pandas' own reader would give something else. */
static void view_columns(struct request *request, struct reply *reply, const struct object_key *key)
{
    const struct services *services = request_services(request);
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct table table = {.fd = -1};
    if (!object_get(services->objects, key, &info, &err) || !table_columns(services->tables, request_tenant(request), &info, &table, &err)) {
        reply_error(reply, &err);
        return;
    }
    report_read(request, &info);
    reply_header(reply, "X-Suricate-Version", "%lld", (long long)info.version);
    reply_header(reply, "X-Suricate-SHA256", "%s", info.sha256);
    reply_header(reply, "X-Suricate-Rows", "%llu", (unsigned long long)table.rows);
    reply_header(reply, "X-Suricate-Frame", "%s", table.is_frame ? "same" : "differs");
    reply_file(request, reply, table.fd, table.size, "application/x-suricate-columns", info.etag);
}

/* A replay's reads get the versions that the original read. */
static void pin_version(struct request *request, struct object_key *key)
{
    const struct identity *who = request_identity(request);
    struct runs *runs = request_services(request)->runs;
    if (runs && who->run[0] && key->version == 0)
        run_pinned_version(runs, who->tenant, who->run, key->name, &key->version);
}

static void get_object(struct request *request, struct reply *reply)
{
    static const struct { const char *name; void (*show)(struct request *, struct reply *, const struct object_key *); } views[] = {
        {"content", view_content}, {"info", view_info}, {"versions", view_versions}, {"preview", view_preview},
        {"columns", view_columns}};
    struct su_err err;
    struct object_key key;
    if (!key_of(request, &key, &err)) {
        reply_error(reply, &err);
        return;
    }
    pin_version(request, &key);
    const char *view = request_query(request, "view");
    for (size_t i = 0; i < SU_COUNT(views); i++)
        if (strcmp(view ? view : "content", views[i].name) == 0) {
            views[i].show(request, reply, &key);
            return;
        }
    su_fail_field(&err, SU_INVALID, "view", "view must be content, info, preview, columns or versions");
    reply_error(reply, &err);
}

static void list_objects(struct request *request, struct reply *reply)
{
    struct su_err err;
    OBJECT_AUTO_PAGE struct object_page page = {0};
    size_t limit;
    if (!request_limit(request, &limit, &err)) {
        reply_error(reply, &err);
        return;
    }
    const struct object_list list = {
        .tenant = request_tenant(request), .kind = OBJECT_DATA, .prefix = request_query(request, "prefix"),
        .tag = request_query(request, "tag"), .part = request_query(request, "q"), .cursor = request_query(request, "cursor"), .limit = (int64_t)limit};
    if (object_list(request_services(request)->objects, &list, &page, &err))
        reply_json(reply, 200, object_page_json(&page));
    else
        reply_error(reply, &err);
}

/* --- writing ---------------------------------------------------------- */

const char *object_type_of_name(const char *name)
{
    static const struct { const char *end, *type; } known[] = {
        {".csv", "text/csv"}, {".tsv", "text/tab-separated-values"}, {".json", "application/json"},
        {".ndjson", "application/x-ndjson"}, {".jsonl", "application/x-ndjson"}, {".ipynb", "application/x-ipynb+json"},
        {".txt", "text/plain"}, {".md", "text/markdown"}, {".html", "text/html"}, {".png", "image/png"},
        {".svg", "image/svg+xml"}, {".parquet", "application/vnd.apache.parquet"}, {".gz", "application/gzip"}};
    struct su_str text = su_str_of(name);
    for (size_t i = 0; i < SU_COUNT(known); i++)
        if (su_str_ends(text, su_str_of(known[i].end)))
            return known[i].type;
    return "application/octet-stream";
}

/* curl -T sends no type and curl --data-binary a form's: then the name says it. */
static const char *type_of(struct request *request, const char *name)
{
    const char *type = request_header(request, "Content-Type");
    if (type != NULL && type[0] != '\0' && strcmp(request_body_type(request), "application/x-www-form-urlencoded") != 0)
        return type;
    return object_type_of_name(name);
}

/* X-Suricate-Tags: a, b */
bool object_tags_of(const struct request *request, json_t **ret, struct su_err *err)
{
    const char *header = request_header(request, "X-Suricate-Tags");
    if (header == NULL)
        return true;
    if (!su_utf8_valid(su_str_of(header)))
        return su_fail_field(err, SU_INVALID, "X-Suricate-Tags", "tags must be valid UTF-8");
    SU_AUTO_JSON json_t *tags = json_array();
    struct su_str rest = su_str_of(header), head, tail;
    bool has_more = true;
    while (has_more) {
        has_more = su_str_cut(rest, ',', &head, &tail);
        head = su_str_trim(head);
        if (head.len > 0)
            json_array_append_new(tags, json_stringn(head.ptr, head.len));
        rest = tail;
    }
    *ret = su_take(tags);
    return true;
}

bool object_metadata_of(const struct request *request, json_t **ret, struct su_err *err)
{
    const char *header = request_header(request, "X-Suricate-Metadata");
    return header == NULL || su_json_parse(su_str_of(header), "X-Suricate-Metadata", ret, err);
}

static bool put_begin(struct request *request, void **ret_state, struct su_err *err)
{
    const struct identity *who = request_identity(request);
    int64_t length = request_content_length(request);
    struct object_key key;
    struct conditions conditions;
    SU_AUTO_JSON json_t *tags = NULL, *metadata = NULL;
    if (!key_of(request, &key, err) || !conditions_of(request, &conditions, err) || !object_tags_of(request, &tags, err)
        || !object_metadata_of(request, &metadata, err))
        return false;
    const struct object_put put = {
        .key = key, .type = type_of(request, key.name), .tags = tags, .metadata = metadata,
        .if_match = conditions.if_match, .if_none_match = conditions.if_none_match, .user = who->user,
        .run = who->run[0] ? who->run : NULL, .size_hint = length > 0 ? (uint64_t)length : 0};
    struct object_upload *upload;
    if (!object_put_begin(request_services(request)->objects, &put, &upload, err))
        return false;
    *ret_state = upload;
    return true;
}

static bool put_add(struct request *request, void *state, const void *data, size_t len, struct su_err *err)
{
    (void)request;
    return object_put_add(state, data, len, err);
}

void object_reply_location(struct reply *reply, const char *name)
{
    SU_AUTO_BUF struct su_buf path = SU_BUF(4 * OBJECT_NAME_MAX);
    su_percent_add(&path, name, "/");
    reply_header(reply, "Location", "/v1/objects/%s", su_buf_str(&path).ptr);
}

static void put_finish(struct request *request, void *state, struct reply *reply)
{
    (void)request;
    OBJECT_AUTO_UPLOAD struct object_upload *upload = state;
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct su_err err;
    if (!object_put_finish(upload, &info, &err)) {
        reply_error(reply, &err);
        return;
    }
    object_reply_location(reply, info.name);
    reply_info(reply, info.is_new_name ? 201 : 200, &info);
}

static void put_abort(void *state)
{
    object_upload_close(state);
}

static const struct upload_ops put_ops = {put_begin, put_add, put_finish, put_abort};

struct patch_body { json_t *tags, *metadata; };
static const struct su_field patch_fields[] = {
    SU_FIELD(struct patch_body, tags, SU_FIELD_LIST, .help = "The name's tags from now on"),
    SU_FIELD(struct patch_body, metadata, SU_FIELD_OBJECT, .help = "The version's metadata from now on"),
    SU_FIELD_END};

static void patch_object(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct object_key key;
    struct conditions conditions;
    struct patch_body body = {0};
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (key_of(request, &key, &err) && conditions_of(request, &conditions, &err)
        && request_bind(request, patch_fields, &body, &err)
        && object_patch(request_services(request)->objects, &key, body.tags, body.metadata, conditions.if_match,
                        request_identity(request)->user, &info, &err))
        reply_info(reply, 200, &info);
    else
        reply_error(reply, &err);
}

/* What is a model's version goes with the model only. */
static bool guard_models(struct sql *db, void *arg, const struct object_key *key, struct su_err *err)
{
    (void)arg;
    return model_guards_object(db, key->tenant, key->name, key->version, err);
}

static void delete_object(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct object_delete what = {.user = request_identity(request)->user, .also = guard_models};
    struct conditions conditions;
    if (!key_of(request, &what.key, &err) || !conditions_of(request, &conditions, &err)) {
        reply_error(reply, &err);
        return;
    }
    what.if_match = conditions.if_match;
    if (object_delete(request_services(request)->objects, &what, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* --- routes ----------------------------------------------------------- */

static const struct query_field list_query[] = {
    {"prefix", QUERY_TEXT, "Names that begin with this"}, {"q", QUERY_TEXT, "Names that hold this, in either case"},
    {"tag", QUERY_TEXT, "Names with this tag"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field get_query[] = {
    {"view", QUERY_TEXT, "content (default), info, preview, columns or versions"},
    {"version", QUERY_INT, "A version's number; absent: the newest"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field version_query[] = {
    {"version", QUERY_INT, "A version's number; absent: the newest"}, {NULL, QUERY_TEXT, NULL}};
static const struct query_field delete_query[] = {
    {"version", QUERY_INT, "Only this version; absent: the name with all versions"}, {NULL, QUERY_TEXT, NULL}};

const struct route objects_routes[] = {
    {.method = "GET", .path = "/v1/objects", .scope = SCOPE_OBJECTS_READ, .handle = list_objects,
     .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .query = list_query, .summary = "List objects by name",
     .response = "The newest version of each name"},
    {.method = "GET", .path = "/v1/objects/{name*}", .scope = SCOPE_OBJECTS_READ, .handle = get_object,
     .flags = ROUTE_LIST | ROUTE_WAIT | ROUTE_RUN_TOKEN, .query = get_query,
     .summary = "Read an object's content, description, versions, preview or columns",
     .response = "The content, or JSON for the other views", .response_type = "application/octet-stream"},
    {.method = "PUT", .path = "/v1/objects/{name*}", .scope = SCOPE_OBJECTS_WRITE, .body = BODY_STREAM,
     .flags = ROUTE_RUN_TOKEN, .upload = &put_ops, .summary = "Store the body as the name's next version",
     .response = "The object; 200 when the name had a version before", .success = 201},
    {.method = "PATCH", .path = "/v1/objects/{name*}", .scope = SCOPE_OBJECTS_WRITE, .handle = patch_object,
     .body = BODY_JSON, .flags = ROUTE_RUN_TOKEN, .query = version_query, .request = patch_fields,
     .summary = "Change tags and metadata", .response = "The object"},
    {.method = "DELETE", .path = "/v1/objects/{name*}", .scope = SCOPE_OBJECTS_WRITE, .handle = delete_object,
     .flags = ROUTE_RUN_TOKEN, .query = delete_query, .summary = "Delete a name or one version", .response = "Nothing",
     .success = 204},
    ROUTE_END};
