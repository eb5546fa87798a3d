/* /v1/tokens: credentials for programs.  Layer api; handlers run on workers. */
#include <string.h>

#include "handler.h"
#include "routes.h"

struct token_body { const char *name, *expires_in; json_t *scopes; };
static const struct su_field token_fields[] = {
    SU_FIELD(struct token_body, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 100, .help = "for people"),
    SU_FIELD(struct token_body, scopes, SU_FIELD_TEXTS, .is_required = true, .min = 1, .max = 32, .help = "what it may do; * for all but admin"),
    SU_FIELD(struct token_body, expires_in, SU_FIELD_TEXT, .max = 32, .help = "30d, 12h …, or never; default 30d"),
    SU_FIELD_END};
#define LIFETIME_MAX_MS (3650ull * 24 * 3600 * 1000)

static bool read_spec(struct request *request, struct token_spec *ret, struct su_err *err)
{
    struct token_body body = {.expires_in = "30d"};
    uint64_t lifetime_ms = 0;
    if (!request_bind(request, token_fields, &body, err) || !scopes_parse(body.scopes, &ret->scopes, err))
        return false;
    if (strcmp(body.expires_in, "never") != 0 &&
        (!su_str_duration_ms(su_str_of(body.expires_in), &lifetime_ms) || lifetime_ms < 1 || lifetime_ms > LIFETIME_MAX_MS))
        return su_fail_field(err, SU_INVALID, "/expires_in",
                             "expires_in: must be a time such as 12h or 30d, at most 3650d, or never; was \"%.32s\"",
                             body.expires_in);
    ret->name = body.name;
    ret->lifetime_ms = (int64_t)lifetime_ms;
    return true;
}

static void post_token(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct token_spec spec = {0};
    char text[ACCOUNT_TOKEN_SIZE];
    json_t *token;
    if (!read_spec(request, &spec, &err) ||
        !accounts_token_new(request_services(request)->accounts, request_identity(request), &spec, text, &token, &err)) {
        reply_error(reply, &err);
        return;
    }
    json_object_set_new(token, "token", json_string(text));
    reply_header(reply, "Location", "/v1/tokens/%s", su_json_string(token, "id", ""));
    reply_header(reply, "Cache-Control", "no-store");
    reply_json(reply, 201, token);
}

static void get_tokens(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    if (accounts_token_list(request_services(request)->accounts, request_identity(request), &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void delete_token(struct request *request, struct reply *reply)
{
    struct su_err err;
    if (accounts_token_end(request_services(request)->accounts, request_identity(request), request_param(request, "id"), &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

const struct route tokens_routes[] = {
    {"GET", "/v1/tokens", SCOPE_ANY, get_tokens, .flags = ROUTE_LIST,
     .summary = "List one's own tokens (an admin: the tenant's)",
     .response = "items: id, name, user, scopes, created_at, expires_at"},
    {"POST", "/v1/tokens", SCOPE_ANY, post_token, BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY,
     .summary = "Make a token with scopes of one's own", .request = token_fields,
     .response = "the token; its text is shown once", .success = 201},
    {"DELETE", "/v1/tokens/{id}", SCOPE_ANY, delete_token, .summary = "Revoke a token at once", .success = 204},
    ROUTE_END};
