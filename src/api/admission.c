/* Admission: what is decided from a request's head, before its body is read.
 * Layer api; the edge thread, so it only touches memory.
 *
 * In this order: shape of the head, Host, route, credential, origin, scope,
 * query, body's type and length.  Nothing about a route is told to whom has no
 * credential for it, except that it exists (the OpenAPI document is public). */
#include "exchange.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "limits.h"
#include "password.h"

/* Of a route that waits without being asked to (ROUTE_WAIT_STANDARD). */
#define STANDARD_WAIT "30s"

/* ------------------------------------------------ shape of the head */

static bool bad_head(struct su_err *err, const char *field, const char *message)
{
    return su_fail_field(err, SU_INVALID, field, "%s: %s", field, message);
}

static const struct { const char *name; size_t len; } known_headers[HEADER_OTHER] = {
#define NAME(id, text) [id] = {text, sizeof text - 1}
    NAME(HEADER_AUTHORIZATION, "Authorization"), NAME(HEADER_CONTENT_LENGTH, "Content-Length"), NAME(HEADER_CONTENT_TYPE, "Content-Type"),
    NAME(HEADER_COOKIE, "Cookie"), NAME(HEADER_CSRF, "X-Suricate-CSRF"), NAME(HEADER_EXPECT, "Expect"), NAME(HEADER_HOST, "Host"),
    NAME(HEADER_IDEMPOTENCY_KEY, "Idempotency-Key"), NAME(HEADER_IF_MATCH, "If-Match"), NAME(HEADER_IF_NONE_MATCH, "If-None-Match"),
    NAME(HEADER_ORIGIN, "Origin"), NAME(HEADER_RANGE, "Range"), NAME(HEADER_SEC_FETCH_SITE, "Sec-Fetch-Site"),
    NAME(HEADER_TRANSFER_ENCODING, "Transfer-Encoding")};
#undef NAME

static enum known_header header_of(const char *name, size_t len)
{
    for (uint32_t i = 0; i < HEADER_OTHER; i++)
        if (known_headers[i].len == len && ((known_headers[i].name[0] ^ name[0]) & 0xdf) == 0 && strcasecmp(known_headers[i].name, name) == 0)
            return (enum known_header)i;
    return HEADER_OTHER;
}

static bool is_token_character(char c)
{
    switch (c) {
    case 'a' ... 'z': case 'A' ... 'Z': case '0' ... '9':
    case '!': case '#': case '$': case '%': case '&': case '\'': case '*': case '+': case '-': case '.': case '^': case '_': case '`':
    case '|': case '~':
        return true;
    default:
        return false;
    }
}

bool request_add_header(struct request *request, const char *name, size_t name_len, const char *value, struct su_err *err)
{
    for (size_t i = 0; i < name_len; i++)
        if (!is_token_character(name[i]))
            return bad_head(err, "headers", "a name holds a character that is not allowed");
    if (!name_len)
        return bad_head(err, "headers", "a header has no name");
    for (const char *c = value; *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return bad_head(err, "headers", "a value holds a control character");
    enum known_header known = header_of(name, name_len);
    if (known == HEADER_OTHER)
        return true;
    if (request->known[known])
        return bad_head(err, known_headers[known].name, "is given more than once");
    request->known[known] = value;
    return true;
}

/* What two parsers could read in two ways is refused: request smuggling lives there. */
bool request_check_head(struct request *request, struct su_err *err)
{
    const char *length = request->known[HEADER_CONTENT_LENGTH], *coding = request->known[HEADER_TRANSFER_ENCODING];
    uint64_t number = 0;
    if (coding && request->is_http10)
        return bad_head(err, "Transfer-Encoding", "is not part of HTTP/1.0");
    if (length && coding)
        return bad_head(err, "Content-Length", "and Transfer-Encoding exclude each other");
    if (coding && strcasecmp(coding, "chunked") != 0)
        return bad_head(err, "Transfer-Encoding", "only chunked is understood");
    if (length && !su_str_u64(su_str_of(length), INT64_MAX, &number))
        return bad_head(err, "Content-Length", "must be a whole number");
    request->content_length = length ? (int64_t)number : -1;
    request->has_body = coding || number;
    return true;
}

/* ---------------------------------------------------------- who */

static struct su_str cookie_get(const char *cookies, const char *name)
{
    struct su_str rest = su_str_of(cookies), item, key, value;
    for (bool more = true; more;) {
        more = su_str_cut(rest, ';', &item, &rest);
        if (su_str_cut(su_str_trim(item), '=', &key, &value) && su_str_equal(key, su_str_of(name)))
            return value;
    }
    return (struct su_str){NULL, 0};
}

static bool unauthorized(struct su_err *err, const char *message)
{
    su_fail_slug(err, "unauthorized", "%s", message);
    return su_hint(err, "send Authorization: Bearer TOKEN; the owner's token is in the data directory's owner.token");
}

/* "Bearer T" or "token T". */
static bool bearer(const char *header, struct su_str *ret)
{
    struct su_str scheme, rest;
    if (!su_str_cut(su_str_of(header), ' ', &scheme, &rest))
        return false;
    *ret = su_str_trim(rest);
    return ret->len && ((scheme.len == 6 && strncasecmp(scheme.ptr, "bearer", 6) == 0) ||
                        (scheme.len == 5 && strncasecmp(scheme.ptr, "token", 5) == 0));
}

static bool identify(struct request *request, struct su_err *err)
{
    struct accounts *accounts = request->services->accounts;
    const char *authorization = request->known[HEADER_AUTHORIZATION], *cookies = request->known[HEADER_COOKIE];
    const char *in_query = request->route->flags & ROUTE_QUERY_TOKEN ? request_query(request, "token") : NULL;
    struct su_str text;
    if (authorization) {
        if (!bearer(authorization, &text) || !accounts_identify(accounts, text, &request->identity))
            return unauthorized(err, "the token is not valid: unknown, expired or revoked");
        return true;
    }
    if (in_query) {
        if (!accounts_identify(accounts, su_str_of(in_query), &request->identity) ||
            request->identity.scopes != 1u << SCOPE_FIGURES_READ)
            return unauthorized(err, "?token= takes a valid token whose only scope is figures:read");
        return true;
    }
    text = cookies ? cookie_get(cookies, "suricate_session") : (struct su_str){NULL, 0};
    if (!text.ptr)
        return unauthorized(err, "this needs a credential");
    if (!accounts_identify_session(accounts, text, &request->identity))
        return unauthorized(err, "the session is over");
    return true;
}

static bool is_reading(const struct request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

/* What a browser says of the page that asks. */
static bool check_site(const struct request *request, struct su_err *err)
{
    const char *site = request->known[HEADER_SEC_FETCH_SITE], *origin = request->known[HEADER_ORIGIN], *host = request->known[HEADER_HOST];
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return su_fail_field(err, SU_DENIED, "Sec-Fetch-Site", "another site may not use this session");
    if (origin) {
        const char *scheme = strstr(origin, "://");
        if (!scheme || !host || strcasecmp(scheme + 3, host) != 0)
            return su_fail_field(err, SU_DENIED, "Origin", "another site may not use this session");
    }
    return true;
}

/* A browser sends the cookie by itself: a change needs proof that our own page asked. */
static bool check_origin(const struct request *request, struct su_err *err)
{
    const char *csrf = request->known[HEADER_CSRF];
    if (!check_site(request, err))
        return false;
    if (is_reading(request))
        return true;
    if (!csrf || !password_same_text(csrf, request->identity.csrf)) {
        su_fail_field(err, SU_DENIED, "X-Suricate-CSRF", "the header X-Suricate-CSRF is missing or wrong");
        return su_hint(err, "its value is `csrf` of GET /v1/session");
    }
    return true;
}

static bool authorise(struct request *request, struct su_err *err)
{
    const struct route *route = request->route;
    const struct identity *identity = &request->identity;
    if (route->scope == SCOPE_OPEN)
        return is_reading(request) || check_site(request, err);     /* nobody is logged in by another site */
    if (!identify(request, err))
        return false;
    if (request->is_kernel && identity->credential != CREDENTIAL_RUN)
        return unauthorized(err, "on this socket only a run's own token is valid");
    if (identity->credential == CREDENTIAL_RUN && !(route->flags & ROUTE_RUN_TOKEN))
        return su_fail(err, SU_DENIED, "a run may not do this");
    if (identity->credential == CREDENTIAL_SESSION && !check_origin(request, err))
        return false;
    uint32_t needed = route->scope == SCOPE_ANY ? ~(1u << SCOPE_FIGURES_READ) : 1u << route->scope;
    if (route->scope == SCOPE_FIGURES_READ)
        needed |= 1u << SCOPE_RECIPES_READ | 1u << SCOPE_RUNS_READ;
    if (identity->scopes & needed)
        return true;
    su_fail_field(err, SU_DENIED, "scope", "the credential lacks the scope %s", scope_name(route->scope));
    return su_hint(err, "make a token with that scope: suricate token create NAME --scope %s", scope_name(route->scope));
}

/* ----------------------------------------------------- query, body */

static bool query_is_known(const struct route *route, const char *name)
{
    for (const struct query_field *field = route->query; field && field->name; field++)
        if (strcmp(field->name, name) == 0)
            return true;
    if ((route->flags & ROUTE_WAIT) && strcmp(name, "wait") == 0)
        return true;
    if ((route->flags & ROUTE_LIST) && (strcmp(name, "limit") == 0 || strcmp(name, "cursor") == 0))
        return true;
    return (route->flags & ROUTE_QUERY_TOKEN) && strcmp(name, "token") == 0;
}

static bool check_query(const struct request *request, struct su_err *err)
{
    for (size_t i = 0; i < request->query.count && !(request->route->flags & ROUTE_PAGE); i++)
        if (!query_is_known(request->route, request->query.items[i].name.ptr))
            return su_fail_field(err, SU_INVALID, request->query.items[i].name.ptr, "query: there is no parameter \"%.64s\" here",
                                 request->query.items[i].name.ptr);
    return true;
}

static bool check_wait(struct request *request, struct su_err *err)
{
    const char *wait = request->route->flags & ROUTE_WAIT ? request_query(request, "wait") : NULL;
    uint64_t ms;
    if (!wait && !(request->route->flags & ROUTE_WAIT_STANDARD))
        return true;
    if (!wait)
        wait = STANDARD_WAIT;
    if (!su_str_duration_ms(su_str_of(wait), &ms) || ms > request->services->limits->wait_s * 1000)
        return su_fail_field(err, SU_INVALID, "wait", "wait: must be a time such as 30s, at most %llus, was \"%.32s\"",
                             (unsigned long long)request->services->limits->wait_s, wait);
    request->can_wait = ms > 0;
    request->deadline_ms = (int64_t)ms;     /* from now; the server makes it a time */
    return true;
}

static uint64_t body_max(const struct request *request)
{
    const struct limits *limits = request->services->limits;
    if (request->route->body == BODY_STREAM)
        return limits->object_bytes;
    if (request->route->body == BODY_BYTES)
        return request->route->body_max && request->route->body_max < limits->notebook_bytes ? request->route->body_max : limits->notebook_bytes;
    return request->route->body_max ? request->route->body_max : limits->json_bytes;
}

/* `curl -d` says it sends a form; with a token no browser is behind it, so it may. */
static bool is_json_type(const struct request *request, const char *type)
{
    if (request->identity.credential == CREDENTIAL_TOKEN && strcmp(type, "application/x-www-form-urlencoded") == 0)
        return true;
    return !*type || strcmp(type, "application/json") == 0 || su_str_ends(su_str_of(type), SU_STR("+json"));
}

static bool check_body(struct request *request, struct su_err *err)
{
    uint64_t max = body_max(request);
    if (request->content_length >= 0 && (uint64_t)request->content_length > max)
        return su_fail_field(err, SU_LIMIT, "Content-Length", "body: at most %llu bytes are taken here, %llu were announced",
                             (unsigned long long)max, (unsigned long long)request->content_length);
    if (request->route->body == BODY_NONE && request->has_body)
        return su_fail_field(err, SU_INVALID, "body", "body: none is taken here");
    if (request->route->body == BODY_JSON && request->has_body && !is_json_type(request, request_body_type(request)))
        return su_fail_slug(err, "unsupported-type", "Content-Type: must be application/json, was \"%.64s\"", request_body_type(request));
    if (request->route->body != BODY_STREAM)
        request->body.max = (size_t)max + 1;
    return true;
}

static bool find_route(struct request *request, const struct router *router, struct su_str path, struct su_err *err)
{
    struct uri_path segments;
    char allow[ROUTE_ALLOW_SIZE];
    if (!uri_path_parse(request->arena, path, &segments, err))
        return false;
    if (router_find(router, request->arena, request->method, &segments, &request->route, &request->params, allow, err))
        return true;
    if (*allow && !request->route)
        request->allow = su_arena_strdup(request->arena, allow);
    return false;
}

bool request_admit(struct request *request, const struct router *router, struct su_err *err)
{
    struct su_str path, query;
    if (request->uri.len > request->services->limits->uri_bytes)
        return su_fail_slug(err, "uri-too-long", "the address has %zu bytes, at most %llu are taken", request->uri.len,
                            (unsigned long long)request->services->limits->uri_bytes);
    su_str_cut(request->uri, '?', &path, &query);
    request->route = router_find_plain(router, request->method, path);
    if (!request->route && !find_route(request, router, path, err))
        return false;
    return uri_query_parse(request->arena, query, &request->query, err) && authorise(request, err) &&
           check_query(request, err) && check_wait(request, err) && check_body(request, err);
}
