/* /v1/openapi.json: the description of the API, made from the tables of routes.  Layer api; workers. */
#include <stdio.h>
#include <string.h>

#include "handler.h"
#include "router.h"
#include "routes.h"
#include "server.h"

/* "/v1/objects/{name*}" to "/v1/objects/{name}" */
static char *template_of(const char *path)
{
    char *out = su_strdup(path), *to = out;
    for (const char *from = path; *from; from++)
        if (*from != '*')
            *to++ = *from;
    *to = '\0';
    return out;
}

static void add_parameter(json_t *list, const char *where, const char *name, json_t *schema, bool is_required, const char *help)
{
    json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:o, s:s}", "name", name, "in", where, "required", is_required,
                                          "schema", schema, "description", help ? help : ""));
}

static json_t *text_schema(void) { return json_pack("{s:s}", "type", "string"); }

static json_t *query_schema(enum query_type type)
{
    switch (type) {
    case QUERY_INT: return json_pack("{s:s}", "type", "integer");
    case QUERY_BOOL: return json_pack("{s:s}", "type", "boolean");
    case QUERY_DURATION: return json_pack("{s:s, s:s}", "type", "string", "pattern", "^[0-9]+(ms|s|m|h|d)$");
    case QUERY_TEXT:
    case QUERY_TYPE_COUNT: break;
    }
    return text_schema();
}

static void add_path_parameters(json_t *list, const char *path)
{
    struct su_str rest = su_str_of(path), head, name;
    while (su_str_cut(rest, '{', &head, &rest)) {
        su_str_cut(rest, '}', &name, &rest);
        bool is_greedy = su_str_ends(name, SU_STR("*"));
        SU_AUTO_FREE char *text = su_strndup(name.ptr, name.len - is_greedy);
        json_t *schema = json_pack("{s:s, s:i, s:i}", "type", "string", "minLength", 1, "maxLength", URI_NAME_MAX);
        add_parameter(list, "path", text, schema, true, is_greedy ? "may hold /" : "");
    }
}

static json_t *parameters_of(const struct route *route)
{
    json_t *list = json_array();
    add_path_parameters(list, route->path);
    for (const struct query_field *field = route->query; field && field->name; field++)
        add_parameter(list, "query", field->name, query_schema(field->type), false, field->help);
    if (route->flags & ROUTE_WAIT)
        add_parameter(list, "query", "wait", query_schema(QUERY_DURATION), false, "wait so long for the end of the work");
    if (route->flags & ROUTE_LIST) {
        add_parameter(
            list, "query", "limit",
            json_pack("{s:s, s:i, s:i, s:i}", "type", "integer", "minimum", 1, "maximum", 1000, "default", 100), false,
            "items of a page");
        add_parameter(list, "query", "cursor", text_schema(), false, "next of the page before");
    }
    if (route->flags & ROUTE_QUERY_TOKEN)
        add_parameter(list, "query", "token", text_schema(), false, "a token whose only scope is figures:read");
    if (strcmp(route->method, "POST") == 0 && !(route->flags & ROUTE_NO_IDEMPOTENCY))
        add_parameter(list, "header", "Idempotency-Key", json_pack("{s:s, s:i}", "type", "string", "maxLength", 64),
                      false, "the same key again gets the same reply, and nothing is done twice");
    return list;
}

static json_t *body_of(const struct route *route)
{
    const char *type = route->body == BODY_JSON ? "application/json" : "application/octet-stream";
    json_t *schema = route->request_schema ? route->request_schema() : route->request ? su_json_schema(route->request) : json_object();
    return json_pack("{s:b, s:{s:{s:o}}}", "required", !(route->flags & ROUTE_BODY_OPTIONAL), "content", type, "schema", schema);
}

static json_t *responses_of(const struct route *route)
{
    char status[16];
    int success = route->success ? route->success : 200;
    bool has_body = success != 204 && success != 303;
    snprintf(status, sizeof status, "%d", success);
    json_t *good = json_pack("{s:s}", "description", route->response ? route->response : "done");
    if (has_body)
        json_object_set_new(good, "content", json_pack("{s:{}}", route->response_type ? route->response_type : "application/json"));
    return json_pack("{s:o, s:{s:s}}", status, good, "default", "$ref", "#/components/responses/problem");
}

static json_t *operation_of(const struct route *route, const char *template)
{
    json_t *operation = json_pack("{s:o, s:s, s:o, s:o}", "operationId", json_sprintf("%s %s", route->method, template), "summary",
                                  route->summary ? route->summary : "", "parameters", parameters_of(route), "responses", responses_of(route));
    if (route->body != BODY_NONE)
        json_object_set_new(operation, "requestBody", body_of(route));
    if (route->scope == SCOPE_OPEN)
        json_object_set_new(operation, "security", json_array());
    else if (route->scope != SCOPE_ANY)
        json_object_set_new(operation, "x-scope", json_string(scope_name(route->scope)));
    return operation;
}

static json_t *paths(const struct router *router)
{
    json_t *all = json_object();
    const struct route *route;
    for (size_t i = 0; (route = router_at(router, i)); i++) {
        if (route->flags & ROUTE_PAGE)
            continue;
        SU_AUTO_FREE char *template = template_of(route->path);
        json_t *item = json_object_get(all, template);
        if (!item)
            json_object_set_new(all, template, item = json_object());
        SU_AUTO_FREE char *method = su_strdup(route->method);
        for (char *c = method; *c; c++)
            *c = (char)(*c | 0x20);
        json_object_set_new(item, method, operation_of(route, template));
    }
    return all;
}

static json_t *components(void)
{
    return json_pack("{s:{s:{s:s, s:{s:{s:{s:s}}}}}, s:{s:{s:s, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, "
                     "s:{s:s}}, s:[s,s,s]}},"
                     " s:{s:{s:s, s:s}, s:{s:s, s:s, s:s}}}",
                     "responses", "problem", "description", "what was wrong (RFC 9457)", "content",
                     "application/problem+json", "schema", "$ref", "#/components/schemas/problem", "schemas", "problem",
                     "type", "object", "properties", "type", "type", "string", "title", "type", "string", "status",
                     "type", "integer", "detail", "type", "string", "field", "type", "string", "hint", "type", "string",
                     "required", "type", "title", "status", "securitySchemes", "token", "type", "http", "scheme",
                     "bearer", "session", "type", "apiKey", "in", "cookie", "name", "suricate_session");
}

static void get_openapi(struct request *request, struct reply *reply)
{
    const struct services *services = request_services(request);
    json_t *document =
        json_pack("{s:s, s:{s:s, s:s, s:{s:s}}, s:o, s:o, s:[{s:[]}, {s:[]}]}", "openapi", "3.1.0", "info", "title",
                  "Suricate", "version", SURICATE_VERSION, "license", "name", "Apache-2.0", "paths",
                  paths(server_router(services->server)), "components", components(), "security", "token", "session");
    reply_json(reply, 200, document);
}

const struct route openapi_routes[] = {
    {"GET", "/v1/openapi.json", SCOPE_OPEN, get_openapi, .summary = "This document", .response = "OpenAPI 3.1"},
    ROUTE_END};
