/* Actions of kind "webhook": an HTTP request.  Layer act; on the thread "delivery" (check: any).
 *
 * Without `body` the request is what Standard Webhooks has: {"type","timestamp","data": the decision}.  With it
 * the template decides.  Either way it is signed when there is a secret, and carries the idempotency key. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "action.h"
#include "action_kind.h"
#include "aggregate/fetch.h"
#include "base/clock.h"
#include "signature.h"
#include "store/secret.h"
#include "template.h"

enum { HEADER_MAX = 1024, CA_MAX = 256 * 1024, EXPECT_MAX = 32, TOLD_MAX = 200 /* bytes of an answer that go into the error */ };

struct webhook { const char *webhook, *method, *secret, *content_type, *ca; json_t *headers, *body, *expect; };
static const struct su_field webhook_fields[] = {
    SU_FIELD(struct webhook, webhook, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 2048,
             .help = "http or https address that decisions are sent to"),
    SU_FIELD(struct webhook, method, SU_FIELD_TEXT, .max = 8, .help = "POST (default), PUT or PATCH"),
    SU_FIELD(struct webhook, secret, SU_FIELD_TEXT, .max = SECRET_NAME_MAX,
             .help = "Name of a secret: deliveries are then signed (Standard Webhooks)"),
    SU_FIELD(struct webhook, headers, SU_FIELD_OBJECT, .help = "Further headers, texts by name"),
    SU_FIELD(struct webhook, body, SU_FIELD_ANY, .help = "Template over the decision; JSON, or a text as it is"),
    SU_FIELD(struct webhook, content_type, SU_FIELD_TEXT, .min = 1, .max = 200,
             .help = "Of the body; default application/json, text/plain when the body is a text"),
    SU_FIELD(struct webhook, expect, SU_FIELD_ANY,
             .help = "What counts as taken: list of status codes, or {\"status\": [200], \"json\": {members of the answer}}; default any 2xx"),
    SU_FIELD(struct webhook, ca, SU_FIELD_TEXT, .max = CA_MAX, .help = "Certificates (PEM) to trust instead of the system's"),
    SU_FIELD_END};

/* --- what may be asked for ------------------------------------------------------ */

/* Those that say how the request is framed, or that a receiver trusts. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"host", "content-length", "content-type", "transfer-encoding", "connection", "expect", "te", "trailer",
                                       "upgrade", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"};
    for (size_t i = 0; i < SU_COUNT(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool is_plain_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

static bool check_header(const char *name, const json_t *value, struct su_err *err)
{
    const char *text = json_string_value(value);
    if (!*name || strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(name) || is_ours(name))
        return su_fail_field(err, SU_INVALID, "/headers", "headers: \"%.80s\" can't be set", name);
    if (text == NULL || strlen(text) > HEADER_MAX)
        return su_fail_field(err, SU_INVALID, "/headers", "headers: the value of %.80s must be a text of at most %d bytes", name, HEADER_MAX);
    return is_plain_line(text)
        || su_fail_field(err, SU_INVALID, "/headers", "headers: the value of %.80s must be plain ASCII on one line", name);
}

static bool check_headers(const json_t *headers, struct su_err *err)
{
    const char *name;
    json_t *value;
    if (json_object_size(headers) > ACTION_HEADERS_MAX)
        return su_fail_field(err, SU_LIMIT, "/headers", "headers: at most %d", ACTION_HEADERS_MAX);
    json_object_foreach ((json_t *)(uintptr_t)headers, name, value)
        if (!check_header(name, value, err))
            return false;
    return true;
}

static const json_t *expected_statuses(const json_t *expect) { return json_is_object(expect) ? json_object_get(expect, "status") : expect; }

static bool check_expect(const json_t *expect, struct su_err *err)
{
    const json_t *statuses = expected_statuses(expect);
    const char *name;
    size_t i;
    json_t *item;
    if (expect && !json_is_object(expect) && !json_is_array(expect))
        return su_fail_field(err, SU_INVALID, "/expect", "expect: must be a list of status codes or an object with \"status\" and \"json\"");
    if (json_is_object(expect))
        json_object_foreach ((json_t *)(uintptr_t)expect, name, item)
            if (strcmp(name, "status") != 0 && strcmp(name, "json") != 0)
                return su_fail_field(err, SU_INVALID, "/expect", "expect.%.40s: there is only status and json", name);
    if (statuses && (!json_is_array(statuses) || json_array_size(statuses) < 1 || json_array_size(statuses) > EXPECT_MAX))
        return su_fail_field(err, SU_INVALID, "/expect", "expect: must list 1..%d status codes", EXPECT_MAX);
    json_array_foreach ((json_t *)(uintptr_t)statuses, i, item)
        if (json_integer_value(item) < 200 || json_integer_value(item) > 599)
            return su_fail_field(err, SU_INVALID, "/expect", "expect: a status code is 200..599");
    return true;
}

static bool check_method(const char *method, struct su_err *err)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH"};
    for (size_t i = 0; i < SU_COUNT(methods); i++)
        if (method == NULL || strcmp(method, methods[i]) == 0)
            return true;
    return su_fail_field(err, SU_INVALID, "/method", "method: must be POST, PUT or PATCH, was \"%.8s\"", method);
}

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct webhook hook = {0};
    bool is_private;
    return su_json_bind(own, webhook_fields, &hook, err) && check_method(hook.method, err) && check_headers(hook.headers, err)
        && check_expect(hook.expect, err) && (!hook.secret || secret_name_check(hook.secret, "/secret", err))
        && (!hook.content_type || is_plain_line(hook.content_type) || su_fail_field(err, SU_INVALID, "/content_type", "content_type: must be plain ASCII"))
        && (!hook.body || template_check(hook.body, "/body", err))
        && fetch_url_check(with->fetches, tenant, hook.webhook, "/webhook", &is_private, err);
}

/* --- the request ----------------------------------------------------------------- */

static bool make_body(const struct attempt *attempt, const struct webhook *hook, struct attempt_order *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *body = NULL;
    if (hook->body == NULL)
        body = json_pack("{s:s, s:O, s:O}", "type", "decision", "timestamp", json_object_get(attempt->decision, "decided_at"), "data", attempt->decision);
    else if (!attempt_fill(attempt, hook->body, &body, err))
        return su_prefix(err, "body");
    ret->body = json_is_string(body) ? su_strdup(json_string_value(body)) : su_json_text(body);
    ret->order.body = su_str_of(ret->body);
    const char *type = hook->content_type ? hook->content_type : json_is_string(body) ? "text/plain; charset=utf-8" : "application/json";
    json_object_set_new(ret->headers, "Content-Type", json_string(type));
    return true;
}

static bool add_signature(const struct attempt *attempt, const char *secret_name, int64_t timestamp_s, struct attempt_order *ret, struct su_err *err)
{
    char signature[SIGNATURE_SIZE];
    if (secret_name == NULL)
        return true;
    if (attempt->with->secrets == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server keeps no secrets");
    if (!secret_get(attempt->with->secrets, attempt->tenant, secret_name, &ret->secret, err)
        || !signature_make(secret_reveal(ret->secret), attempt->id, timestamp_s, ret->order.body, signature, err))
        return false;
    json_object_set_new(ret->headers, "webhook-signature", json_string(signature));
    return true;
}

static bool order(struct attempt *attempt, struct attempt_order *ret, struct su_err *err)
{
    struct webhook hook = {.method = "POST"};
    SU_AUTO_JSON json_t *own = action_own(attempt->definition);
    int64_t now_s = su_now_ms() / 1000;
    if (!su_json_bind(own, webhook_fields, &hook, err)
        || !fetch_url_check(attempt->with->fetches, attempt->tenant, hook.webhook, "/webhook", &ret->order.allow_private, err))
        return false;
    ret->headers = hook.headers ? json_copy(hook.headers) : json_object();
    json_object_set_new(ret->headers, "Idempotency-Key", json_string(attempt->id));
    json_object_set_new(ret->headers, "webhook-id", json_string(attempt->id));
    json_object_set_new(ret->headers, "webhook-timestamp", json_sprintf("%lld", (long long)now_s));
    if (!make_body(attempt, &hook, ret, err) || !add_signature(attempt, hook.secret, now_s, ret, err))
        return false;
    ret->url = su_strdup(hook.webhook);
    ret->order.url = ret->url;
    ret->order.method = hook.method[1] == 'O' ? "POST" : hook.method[1] == 'U' ? "PUT" : "PATCH";
    ret->order.headers = ret->headers;
    ret->order.ca = json_string_value(json_object_get(attempt->definition, "ca"));
    return true;
}

/* Scheme, host and port. */
static char *target(const struct attempt *attempt)
{
    const char *url = su_json_string(attempt->definition, "webhook", ""), *host = strstr(url, "://");
    size_t before = host ? (size_t)(host + 3 - url) : 0;
    return su_strndup(url, before + strcspn(url + before, "/?#"));
}

/* --- the answer --------------------------------------------------------------------- */

/* Every member of `part` is in `whole` (objects), or they are equal. */
static bool holds(const json_t *whole, const json_t *part)
{
    const char *name;
    json_t *value;
    if (!json_is_object(part))
        return json_equal(whole, part) || (json_is_number(whole) && json_is_number(part) && json_number_value(whole) == json_number_value(part));
    json_object_foreach ((json_t *)(uintptr_t)part, name, value) {
        const json_t *found = json_object_get(whole, name);
        if (found == NULL || !holds(found, value))
            return false;
    }
    return json_is_object(whole);
}

static bool is_expected_status(const json_t *statuses, long status)
{
    size_t i;
    json_t *item;
    if (statuses == NULL)
        return status >= 200 && status <= 299;
    json_array_foreach ((json_t *)(uintptr_t)statuses, i, item)
        if (json_integer_value(item) == status)
            return true;
    return false;
}

static bool is_expected_answer(const json_t *wanted, const struct transfer_end *end)
{
    struct su_err ignored;
    SU_AUTO_JSON json_t *answer = NULL;
    return wanted == NULL || (!end->is_cut && su_json_parse(end->answer, "answer", &answer, &ignored) && holds(answer, wanted));
}

static void judge(struct attempt *attempt, const struct transfer_end *end)
{
    const json_t *expect = json_object_get(attempt->definition, "expect"), *statuses = expected_statuses(expect);
    bool is_known = is_expected_status(statuses, end->status);
    int told = (int)(end->answer.len < TOLD_MAX ? end->answer.len : TOLD_MAX);
    SU_AUTO_FREE char *answer = su_strndup(end->answer.ptr, (size_t)told);
    attempt->status = end->status;
    attempt->retry_after_s = end->retry_after_s;
    if (end->was_private)
        attempt_failed(attempt, ATTEMPT_REFUSED, "the action's host has no public address; its owner can allow host and port with PUT /v1/fetch-hosts"
                       " (allow_private) or serve --allow-fetch HOST:PORT");
    else if (end->is_timeout)
        attempt_failed(attempt, ATTEMPT_AGAIN, "no answer within %lld ms", (long long)attempt->timeout_ms);
    else if (end->error[0])
        attempt_failed(attempt, ATTEMPT_AGAIN, "%s", end->error);
    else if (!is_known)
        attempt_failed(attempt, action_webhook_is_final(end->status) ? ATTEMPT_REFUSED : ATTEMPT_AGAIN, "the receiver answered %ld%s%s", end->status,
                       told ? ": " : "", answer);
    else if (!is_expected_answer(json_is_object(expect) ? json_object_get(expect, "json") : NULL, end))
        attempt_failed(attempt, ATTEMPT_AGAIN, "the receiver answered %ld, but not with what is expected: %s", end->status, answer);
    else
        attempt_sent(attempt, end->status, answer);
}

bool action_webhook_is_final(long status) { return status == 400 || status == 410 || status == 413 || status == 422; }

const struct action_kind action_webhook = {
    .name = "webhook", .summary = "A signed HTTP request", .fields = webhook_fields, .check = check, .target = target, .order = order,
    .judge = judge};
