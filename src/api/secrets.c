/* /v1/secrets: values that definitions refer to by name, and nobody reads back.  Layer api; handlers run on workers. */
#include <string.h>

#include "base/seal.h"
#include "handler.h"
#include "routes.h"
#include "store/secret.h"

struct secret_body { const char *value; };
static const struct su_field secret_fields[] = {
    SU_FIELD(struct secret_body, value, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = SECRET_VALUE_MAX,
             .help = "sealed at rest; no request gives it out"),
    SU_FIELD_END};

static void put_secret(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct secret_body body = {0};
    bool is_new = false;
    const struct identity *who = request_identity(request);
    bool is_done = request_bind(request, secret_fields, &body, &err) &&
                   secret_put(request_services(request)->secrets, who->tenant, request_param(request, "name"), su_str_of(body.value),
                              who->user, &is_new, &err);
    if (body.value)     /* the parsed body is this request's own: nobody reads it again */
        su_wipe((char *)(uintptr_t)body.value, strlen(body.value));
    if (is_done)
        reply_empty(reply, is_new ? 201 : 204);
    else
        reply_error(reply, &err);
}

static void list_secrets(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    if (secret_list(request_services(request)->secrets, request_tenant(request), &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void delete_secret(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (secret_remove(request_services(request)->secrets, request_tenant(request), request_param(request, "name"), &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

const struct route secrets_routes[] = {
    {"GET", "/v1/secrets", SCOPE_SECRETS_WRITE, list_secrets, .flags = ROUTE_LIST, .summary = "List the secrets' names",
     .response = "items: name, created_at, changed_at, changed_by; never a value"},
    {"PUT", "/v1/secrets/{name}", SCOPE_SECRETS_WRITE, put_secret, BODY_JSON, .body_max = 8 * SECRET_VALUE_MAX,
     .summary = "Make a secret or replace its value", .request = secret_fields, .response = "Nothing; 201 when it is new", .success = 204},
    {"DELETE", "/v1/secrets/{name}", SCOPE_SECRETS_WRITE, delete_secret, .summary = "Remove a secret", .response = "Nothing", .success = 204},
    ROUTE_END};
