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

/* ------------------------------------------------ shape of the head */

static size_t count_header(const struct request *request, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < request->header_count; i++)
        count += strcasecmp(request->headers[i].name, name) == 0;
    return count;
}

static bool bad_head(struct su_err *err, const char *field, const char *message)
{
    return su_fail_field(err, SU_INVALID, field, "%s: %s", field, message);
}

/* What two parsers could read in two ways is refused: request smuggling lives there. */
static bool check_framing(struct request *request, struct su_err *err)
{
    size_t lengths = count_header(request, "Content-Length"), codings = count_header(request, "Transfer-Encoding");
    request->has_body = lengths || codings;
    if (codings && request->is_http10)
        return bad_head(err, "Transfer-Encoding", "is not part of HTTP/1.0");
    if (lengths > 1)
        return bad_head(err, "Content-Length", "is given more than once");
    if (codings > 1)
        return bad_head(err, "Transfer-Encoding", "is given more than once");
    if (lengths && codings)
        return bad_head(err, "Content-Length", "and Transfer-Encoding exclude each other");
    request->content_length = -1;
    if (lengths) {
        uint64_t length;
        if (!su_str_u64(su_str_of(request_header(request, "Content-Length")), INT64_MAX, &length))
            return bad_head(err, "Content-Length", "must be a whole number");
        request->content_length = (int64_t)length;
    }
    if (codings && strcasecmp(request_header(request, "Transfer-Encoding"), "chunked") != 0)
        return bad_head(err, "Transfer-Encoding", "only chunked is understood");
    request->has_body = codings || request->content_length > 0;
    return true;
}

static bool is_token_character(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool check_headers(const struct request *request, struct su_err *err)
{
    static const char *const single[] = {"Authorization", "Cookie", "Host", "Content-Type", "Origin", "Range", "If-Match",
        "If-None-Match", "Idempotency-Key", "Expect"};
    for (size_t i = 0; i < request->header_count; i++) {
        const struct header *header = &request->headers[i];
        if (!*header->name)
            return bad_head(err, "headers", "a header has no name");
        for (const char *c = header->name; *c; c++)
            if (!is_token_character((unsigned char)*c))
                return bad_head(err, "headers", "a name holds a character that is not allowed");
        for (const char *c = header->value; *c; c++)
            if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
                return bad_head(err, "headers", "a value holds a control character");
    }
    for (size_t i = 0; i < SU_COUNT(single); i++)
        if (count_header(request, single[i]) > 1)
            return bad_head(err, single[i], "is given more than once");
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
    const char *authorization = request_header(request, "Authorization"), *cookies = request_header(request, "Cookie");
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

/* A browser sends the cookie by itself: a change needs proof that our own page asked. */
static bool check_origin(const struct request *request, struct su_err *err)
{
    const char *site = request_header(request, "Sec-Fetch-Site"), *origin = request_header(request, "Origin");
    const char *host = request_header(request, "Host"), *csrf = request_header(request, "X-Suricate-CSRF");
    if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return su_fail_field(err, SU_DENIED, "Sec-Fetch-Site", "another site may not use this session");
    if (origin) {
        const char *scheme = strstr(origin, "://");
        if (!scheme || !host || strcasecmp(scheme + 3, host) != 0)
            return su_fail_field(err, SU_DENIED, "Origin", "another site may not use this session");
    }
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
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
        return true;
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
    return su_hint(err, "make a token with that scope: suricate token add --scope %s", scope_name(route->scope));
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
    for (size_t i = 0; i < request->query.count; i++)
        if (!query_is_known(request->route, request->query.items[i].name.ptr))
            return su_fail_field(err, SU_INVALID, request->query.items[i].name.ptr, "query: there is no parameter \"%.64s\" here",
                                 request->query.items[i].name.ptr);
    return true;
}

static bool check_wait(struct request *request, struct su_err *err)
{
    const char *wait = request->route->flags & ROUTE_WAIT ? request_query(request, "wait") : NULL;
    uint64_t ms;
    if (!wait)
        return true;
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

bool request_check_head(struct request *request, struct su_err *err)
{
    request->must_close = !check_headers(request, err) || !check_framing(request, err);
    return !request->must_close;
}

bool request_admit(struct request *request, const struct router *router, struct su_err *err)
{
    struct su_str path, query;
    struct uri_path segments;
    char allow[ROUTE_ALLOW_SIZE];
    if (request->uri.len > request->services->limits->uri_bytes)
        return su_fail_slug(err, "uri-too-long", "the address has %zu bytes, at most %llu are taken", request->uri.len,
                            (unsigned long long)request->services->limits->uri_bytes);
    su_str_cut(request->uri, '?', &path, &query);
    if (!uri_path_parse(request->arena, path, &segments, err))
        return false;
    if (!router_find(router, request->arena, request->method, &segments, &request->route, &request->params, allow, err)) {
        if (*allow && !request->route)
            request->allow = su_arena_strdup(request->arena, allow);
        return false;
    }
    return uri_query_parse(request->arena, query, &request->query, err) && authorise(request, err) &&
           check_query(request, err) && check_wait(request, err) && check_body(request, err);
}
