/* /v1/users, /v1/tenants: people.  Layer api; handlers run on workers. */
#include <string.h>

#include "handler.h"
#include "routes.h"

struct user_body { const char *name, *password; json_t *scopes; };
static const struct su_field user_fields[] = {
    SU_FIELD(struct user_body, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 47, .help = "a-z, 0-9, dot, - and _"),
    SU_FIELD(struct user_body, password, SU_FIELD_TEXT, .min = 8, .max = 1024, .help = "without one there is no login by password"),
    SU_FIELD(struct user_body, scopes, SU_FIELD_TEXTS, .help = "what the user may do; default: all but admin"),
    SU_FIELD_END};
struct password_body { const char *old, *password; };
static const struct su_field password_fields[] = {
    SU_FIELD(struct password_body, old, SU_FIELD_TEXT, .max = 1024, .help = "the present one; an admin may leave it out for others"),
    SU_FIELD(struct password_body, password, SU_FIELD_TEXT, .is_required = true, .min = 8, .max = 1024, .help = "the new one"),
    SU_FIELD_END};
struct tenant_body { const char *name; };
static const struct su_field tenant_fields[] = {
    SU_FIELD(struct tenant_body, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 47, .help = "a-z, 0-9, dot, - and _"),
    SU_FIELD_END};

/* items by its address: a call among the arguments sets it, in whatever order they are evaluated. */
static void reply_items(struct reply *reply, bool is_done, json_t *const *items, const struct su_err *err)
{
    if (is_done)
        reply_list(reply, *items, NULL);
    else
        reply_error(reply, err);
}

static void get_users(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items = NULL;
    reply_items(reply, accounts_user_list(request_services(request)->accounts, request_tenant(request), &items, &err), &items, &err);
}

static bool user_make(struct request *request, json_t **ret, struct su_err *err)
{
    struct user_body body = {0};
    uint32_t scopes = 1u << SCOPE_ADMIN;
    const struct identity *by = request_identity(request);
    if (!request_bind(request, user_fields, &body, err))
        return false;
    SU_AUTO_JSON json_t *standard = json_pack("[s]", "*");
    if (!scopes_parse(body.scopes ? body.scopes : standard, &scopes, err))
        return false;
    if (!body.scopes)
        scopes &= by->scopes;
    if (scopes & ~by->scopes)
        return su_fail_field(err, SU_DENIED, "/scopes", "scopes: a user cannot have more than their maker has");
    return accounts_user_new(request_services(request)->accounts, by->tenant, body.name, body.password, scopes, ret, err);
}

static void post_user(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *user;
    if (!user_make(request, &user, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Location", "/v1/users/%s", su_json_string(user, "name", ""));
    reply_json(reply, 201, user);
}

static void delete_user(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (accounts_user_end(request_services(request)->accounts, request_identity(request), request_param(request, "name"), &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

static void put_password(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct password_body body = {0};
    const struct identity *by = request_identity(request);
    const char *name = request_param(request, "name");
    bool is_self = strcmp(name, by->user) == 0, is_admin = by->scopes & 1u << SCOPE_ADMIN;
    if (!is_self && !is_admin) {
        su_fail(&err, SU_DENIED, "only an admin changes the password of others");
        reply_error(reply, &err);
        return;
    }
    bool is_done = request_bind(request, password_fields, &body, &err);
    if (is_done && !is_admin && !body.old)
        is_done = su_fail_field(&err, SU_INVALID, "/old", "old: the present password is needed");
    if (is_done && accounts_password(request_services(request)->accounts, by->tenant, name, body.old, body.password, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

/* ------------------------------------------------------------ tenants */

static bool check_system(const struct request *request, struct su_err *err)
{
    return strcmp(request_tenant(request), "main") == 0 || su_fail(err, SU_DENIED, "only an admin of the tenant main manages tenants");
}

static void get_tenants(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items = NULL;
    reply_items(reply, check_system(request, &err) && accounts_tenant_list(request_services(request)->accounts, &items, &err), &items, &err);
}

static void post_tenant(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct tenant_body body = {0};
    char token[ACCOUNT_TOKEN_SIZE];
    json_t *tenant;
    if (!check_system(request, &err) || !request_bind(request, tenant_fields, &body, &err) ||
        !accounts_tenant_new(request_services(request)->accounts, body.name, token, &tenant, &err)) {
        reply_error(reply, &err);
        return;
    }
    json_object_set_new(tenant, "user", json_string("owner"));
    json_object_set_new(tenant, "token", json_string(token));
    reply_header(reply, "Cache-Control", "no-store");
    reply_json(reply, 201, tenant);
}

const struct route people_routes[] = {
    {"GET", "/v1/users", SCOPE_ADMIN, get_users, .flags = ROUTE_LIST, .summary = "List users",
     .response = "items: name, scopes, has_password, created_at"},
    {"POST", "/v1/users", SCOPE_ADMIN, post_user, BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY, .summary = "Add a user",
     .request = user_fields, .response = "the user", .success = 201},
    {"DELETE", "/v1/users/{name}", SCOPE_ADMIN, delete_user,
     .summary = "Remove a user with all their tokens and sessions", .success = 204},
    {"PUT", "/v1/users/{name}/password", SCOPE_ANY, put_password, BODY_JSON,
     .summary = "Change a password; ends the user's sessions", .request = password_fields, .success = 204},
    {"GET", "/v1/tenants", SCOPE_ADMIN, get_tenants, .flags = ROUTE_LIST, .summary = "List tenants (admin of main)",
     .response = "items: name, created_at"},
    {"POST", "/v1/tenants", SCOPE_ADMIN, post_tenant, BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY,
     .summary = "Add a tenant (admin of main)", .request = tenant_fields,
     .response = "the tenant, with the token of its owner, shown once", .success = 201},
    ROUTE_END};
