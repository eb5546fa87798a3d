/* What a handler asks of its request: see handler.h.  Layer api; the request's thread. */
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/random.h"
#include "limits.h"

void request_done(struct request *request)
{
    reply_clear(&request->reply);
    json_decref(request->json);
    su_buf_done(&request->body);
    su_buf_done(&request->stream.out);
    free(request->upload.fill.ptr);
    free(request->upload.work.ptr);
    su_arena_free(request->arena);
    request->magic = 0;
}

const struct services *request_services(const struct request *request) { return request->services; }
const struct identity *request_identity(const struct request *request) { return &request->identity; }
const char *request_tenant(const struct request *request) { return request->identity.tenant; }
const char *request_method(const struct request *request) { return request->method; }
json_t *request_json(struct request *request) { return request->json; }
struct su_str request_body(const struct request *request) { return su_buf_str(&request->body); }
const char *request_kept(const struct request *request) { return request->kept; }
int64_t request_content_length(const struct request *request) { return request->content_length; }

struct su_arena *request_arena(struct request *request) { return request->arena; }

const char *request_peer(const struct request *request) { return request->peer ? request->peer : ""; }
const char *request_id(const struct request *request) { return request->id; }

const char *request_param(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->params.count; i++)
        if (request->params.items[i].name_len == strlen(name) &&
            memcmp(request->params.items[i].name, name, request->params.items[i].name_len) == 0)
            return request->params.items[i].value.ptr;
    su_assert(!"a parameter of the route's own path");
    return NULL;
}

const char *request_query(const struct request *request, const char *name)
{
    return uri_query_get(&request->query, name);
}

bool request_query_int(const struct request *request, const char *name, int64_t min, int64_t max, int64_t *ret, struct su_err *err)
{
    const char *text = request_query(request, name);
    uint64_t number;
    if (!text)
        return true;
    bool is_negative = *text == '-' && min < 0;
    if (!su_str_u64(su_str_of(text + is_negative), INT64_MAX, &number) ||
        (is_negative ? -(int64_t)number : (int64_t)number) < min || (is_negative ? -(int64_t)number : (int64_t)number) > max)
        return su_fail_field(err, SU_INVALID, name, "%s: must be a whole number from %lld to %lld, was \"%.32s\"", name,
                             (long long)min, (long long)max, text);
    *ret = is_negative ? -(int64_t)number : (int64_t)number;
    return true;
}

bool request_limit(const struct request *request, size_t *ret, struct su_err *err)
{
    int64_t limit = 100;
    if (!request_query_int(request, "limit", 1, 1000, &limit, err))
        return false;
    *ret = (size_t)limit;
    return true;
}

const char *request_header(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    return NULL;
}

const char *request_header_at(const struct request *request, size_t index, const char **ret_value)
{
    if (index >= request->header_count)
        return NULL;
    *ret_value = request->headers[index].value;
    return request->headers[index].name;
}

bool request_bind(struct request *request, const struct su_field *fields, void *target, struct su_err *err)
{
    if (!request->json)
        request->json = json_object();
    return su_json_bind(request->json, fields, target, err);
}

const char *request_body_type(struct request *request)
{
    if (request->body_type)
        return request->body_type;
    const char *given = request_header(request, "Content-Type");
    struct su_str type = su_str_of(given ? given : ""), parameters;
    su_str_cut(type, ';', &type, &parameters);
    type = su_str_trim(type);
    char *copy = su_arena_strndup(request->arena, type.ptr, type.len);
    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return request->body_type = copy;
}

void request_keep(struct request *request, const char *text)
{
    request->kept = su_arena_strdup(request->arena, text);
}

/* ------------------------------------------------------ conditions */

static struct su_str unquoted(struct su_str tag)
{
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        return (struct su_str){tag.ptr + 1, tag.len - 2};
    return tag;
}

bool request_precondition(const struct request *request, struct precondition *ret, struct su_err *err)
{
    const char *match = request_header(request, "If-Match"), *none = request_header(request, "If-None-Match");
    *ret = (struct precondition){.etag = ""};
    if (match && none)
        return su_fail_field(err, SU_INVALID, "If-Match", "If-Match and If-None-Match exclude each other");
    if (none) {
        if (!su_str_equal(su_str_trim(su_str_of(none)), SU_STR("*")))
            return su_fail_field(err, SU_INVALID, "If-None-Match", "If-None-Match: only * is possible on a write");
        ret->must_not_exist = true;
    }
    if (match) {
        struct su_str tag = su_str_trim(su_str_of(match));
        ret->must_exist = su_str_equal(tag, SU_STR("*"));
        struct su_str text = unquoted(tag);
        if (!ret->must_exist && (text.ptr == tag.ptr || text.len == 0 || text.len >= sizeof ret->etag || memchr(text.ptr, '"', text.len)))
            return su_fail_field(err, SU_INVALID, "If-Match", "If-Match: must be * or one ETag in double quotes");
        if (!ret->must_exist)
            memcpy(ret->etag, text.ptr, text.len);
    }
    return true;
}

bool request_conditions(struct request *request, const char **ret_match, const char **ret_none_match, struct su_err *err)
{
    struct precondition given = {0};
    if (!request_precondition(request, &given, err))
        return false;
    *ret_match = given.must_exist ? "*"
                 : given.etag[0]  ? su_arena_format(request_arena(request), "\"%s\"", given.etag)
                                  : NULL;
    *ret_none_match = given.must_not_exist ? "*" : NULL;
    return true;
}

bool request_is_fresh(const struct request *request, const char *etag)
{
    const char *none = request_header(request, "If-None-Match");
    if (!none || !etag)
        return false;
    struct su_str rest = su_str_of(none), tag, wanted = unquoted(su_str_of(etag));
    for (bool more = true; more;) {
        more = su_str_cut(rest, ',', &tag, &rest);
        tag = su_str_trim(tag);
        if (su_str_equal(tag, SU_STR("*")))
            return true;
        if (su_str_starts(tag, SU_STR("W/")))
            tag = (struct su_str){tag.ptr + 2, tag.len - 2};
        if (su_str_equal(unquoted(tag), wanted))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------ body */

bool request_parse_body(struct request *request, struct su_err *err)
{
    struct su_str text = su_buf_str(&request->body);
    if (request->route->body != BODY_JSON)
        return true;
    if (!text.len && (request->route->flags & ROUTE_BODY_OPTIONAL))
        return true;
    if (!text.len) {
        su_fail_field(err, SU_INVALID, "body", "body: is empty, a JSON object is needed");
        return false;
    }
    if (!su_json_parse(text, "body", &request->json, err))
        return false;
    if (!json_is_object(request->json))
        return su_fail_field(err, SU_INVALID, "", "body: must be a JSON object");
    return true;
}
