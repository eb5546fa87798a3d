/* /v1/session, /v1/login-codes, /login: people in browsers.  Layer api; handlers run on workers. */
#include <string.h>

#include "base/clock.h"
#include "handler.h"
#include "routes.h"
#include "server.h"

struct login_body { const char *user, *password, *tenant; };
static const struct su_field login_fields[] = {
    SU_FIELD(struct login_body, user, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 63),
    SU_FIELD(struct login_body, password, SU_FIELD_TEXT, .is_required = true, .max = 1024),
    SU_FIELD(struct login_body, tenant, SU_FIELD_TEXT, .max = 63, .help = "default main"),
    SU_FIELD_END};
static const struct query_field login_query[] = {{"code", QUERY_TEXT, "a one-time login code"}, {.name = NULL}};

static void set_cookie(struct reply *reply, const char *value, int64_t lifetime_s)
{
    reply_header(reply, "Set-Cookie", "suricate_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld", value, (long long)lifetime_s);
    reply_header(reply, "Cache-Control", "no-store");
}

static json_t *session_json(const struct identity *who)
{
    char expires[SU_TIME_TEXT];
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "user", who->user, "tenant", who->tenant, "scopes", scopes_list(who->scopes),
                     "csrf", *who->csrf ? json_string(who->csrf) : json_null(),
                     "expires_at", who->expires_ms ? json_string(su_time_text(who->expires_ms, expires)) : json_null());
}

static void get_session(struct request *request, struct reply *reply)
{
    reply_header(reply, "Cache-Control", "no-store");
    reply_json(reply, 200, session_json(request_identity(request)));
}

static void post_session(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct login_body body = {.tenant = "main"};
    char cookie[ACCOUNT_TOKEN_SIZE];
    struct identity who;
    if (!request_bind(request, login_fields, &body, &err) ||
        !accounts_login(request_services(request)->accounts, body.tenant, body.user, body.password, request_peer(request), cookie, &who, &err)) {
        reply_error(reply, &err);
        return;
    }
    set_cookie(reply, cookie, ACCOUNT_SESSION_MS / 1000);
    reply_json(reply, 201, session_json(&who));
}

static void delete_session(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct identity *who = request_identity(request);
    if (who->credential != CREDENTIAL_SESSION)
        su_fail(&err, SU_INVALID, "there is no session to end: the request came with a token");
    if (who->credential != CREDENTIAL_SESSION || !accounts_logout(request_services(request)->accounts, who, &err)) {
        reply_error(reply, &err);
        return;
    }
    set_cookie(reply, "", 0);
    reply_empty(reply, 204);
}

static void post_login_code(struct request *request, struct reply *reply)
{
    struct su_err err;
    char code[ACCOUNT_TOKEN_SIZE], expires[SU_TIME_TEXT];
    int64_t expires_ms;
    const struct services *services = request_services(request);
    if (!accounts_code_new(services->accounts, request_identity(request), code, &expires_ms, &err)) {
        reply_error(reply, &err);
        return;
    }
    reply_header(reply, "Cache-Control", "no-store");
    reply_json(reply, 201, json_pack("{s:o, s:s}", "url", json_sprintf("%s/login?code=%s", server_url(services->server), code),
                                     "expires_at", su_time_text(expires_ms, expires)));
}

/* The code is in the address because a terminal can only print an address; it is good once. */
static void get_login(struct request *request, struct reply *reply)
{
    struct su_err err;
    char cookie[ACCOUNT_TOKEN_SIZE];
    struct identity who;
    const char *code = request_query(request, "code");
    if (strcmp(request_method(request), "HEAD") == 0 || !code) {
        su_fail_field(&err, SU_INVALID, "code", "code: is missing");
        reply_error(reply, &err);
        return;
    }
    if (!accounts_code_use(request_services(request)->accounts, code, request_peer(request), cookie, &who, &err)) {
        reply_error(reply, &err);
        return;
    }
    set_cookie(reply, cookie, ACCOUNT_SESSION_MS / 1000);
    reply_header(reply, "Location", "/");
    reply_header(reply, "Referrer-Policy", "no-referrer");
    reply_empty(reply, 303);
}

const struct route sessions_routes[] = {
    {"GET", "/v1/session", SCOPE_ANY, get_session, .flags = ROUTE_EDGE, .summary = "Who am I?",
     .response = "user, tenant, scopes, expires_at and csrf, the value that X-Suricate-CSRF must hold for changes with "
                 "the cookie"},
    {"POST", "/v1/session", SCOPE_OPEN, post_session, BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY,
     .summary = "Log in with a password; sets the session's cookie", .request = login_fields, .response = "the session",
     .success = 201},
    {"DELETE", "/v1/session", SCOPE_ANY, delete_session, .summary = "Log out", .success = 204},
    {"POST", "/v1/login-codes", SCOPE_ADMIN, post_login_code, BODY_JSON,
     .flags = ROUTE_NO_IDEMPOTENCY | ROUTE_BODY_OPTIONAL,
     .summary = "Make a one-time address that logs a browser in, good for 15 minutes", .response = "url, expires_at",
     .success = 201},
    {"GET", "/login", SCOPE_OPEN, get_login,
     .summary = "Log in with a one-time code; sets the session's cookie and goes to the page", .query = login_query,
     .success = 303},
    ROUTE_END};
