/* What a stream's AMQP source says: see amqp_definition.h.  Layer aggregate; pure. */
#include "amqp_definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PREFETCH_MAX = 65535, HEARTBEAT_MIN_S = 2, HEARTBEAT_MAX_S = 600, PLAIN_PORT = 5672, TLS_PORT = 5671, ARGUMENTS_MAX = 64 };

struct body {
    const char *kind, *url, *user, *secret, *queue, *ids;
    json_t *declare, *bind, *tls;
    int64_t prefetch, heartbeat_s;
};
static const struct su_field body_fields[] = {
    SU_FIELD(struct body, kind, SU_FIELD_TEXT, .is_required = true),
    SU_FIELD(struct body, url, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 1024),
    SU_FIELD(struct body, user, SU_FIELD_TEXT, .min = 1, .max = AMQP_NAME_MAX),
    SU_FIELD(struct body, secret, SU_FIELD_TEXT, .min = 1, .max = 128),
    SU_FIELD(struct body, queue, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = AMQP_NAME_MAX),
    SU_FIELD(struct body, declare, SU_FIELD_OBJECT),
    SU_FIELD(struct body, bind, SU_FIELD_LIST, .max = AMQP_BINDINGS_MAX),
    SU_FIELD(struct body, prefetch, SU_FIELD_INT, .min = 1, .max = PREFETCH_MAX),
    SU_FIELD(struct body, heartbeat_s, SU_FIELD_INT, .min = HEARTBEAT_MIN_S, .max = HEARTBEAT_MAX_S),
    SU_FIELD(struct body, tls, SU_FIELD_OBJECT),
    SU_FIELD(struct body, ids, SU_FIELD_TEXT),
    SU_FIELD_END};

struct declare { const char *type; bool durable; json_t *arguments; };
static const struct su_field declare_fields[] = {
    SU_FIELD(struct declare, type, SU_FIELD_TEXT), SU_FIELD(struct declare, durable, SU_FIELD_BOOL),
    SU_FIELD(struct declare, arguments, SU_FIELD_OBJECT), SU_FIELD_END};

struct binding { const char *exchange, *routing_key; json_t *headers; };
static const struct su_field binding_fields[] = {
    SU_FIELD(struct binding, exchange, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = AMQP_NAME_MAX),
    SU_FIELD(struct binding, routing_key, SU_FIELD_TEXT, .max = AMQP_NAME_MAX),
    SU_FIELD(struct binding, headers, SU_FIELD_OBJECT), SU_FIELD_END};

struct tls { const char *ca; bool verify; };
static const struct su_field tls_fields[] = {
    SU_FIELD(struct tls, ca, SU_FIELD_TEXT, .max = AMQP_CA_MAX), SU_FIELD(struct tls, verify, SU_FIELD_BOOL), SU_FIELD_END};

/* As su_json_bind, below a pointer of the whole definition. */
static bool bind_below(const char *where, const json_t *object, const struct su_field *fields, void *target, struct su_err *err)
{
    if (!json_is_object(object))
        return su_fail_field(err, SU_INVALID, where, "%s: must be an object", where);
    if (su_json_bind(object, fields, target, err))
        return true;
    char field[sizeof err->field];
    snprintf(field, sizeof field, "%.40s%.50s", where, err->field);
    memcpy(err->field, field, sizeof field);
    return su_prefix(err, "%s", where + 1);
}

/* --------------------------------------------------------------- url */

static bool wrong_url(struct su_err *err, const char *url, const char *why)
{
    return su_fail_field(err, SU_INVALID, "/source/url", "source/url: must be amqp://HOST:PORT/VHOST or amqps://…, %s; was \"%.100s\"", why, url);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoded; NULL when it is not well formed or holds a NUL. */
static char *decode(struct su_str text)
{
    char *out = su_alloc(text.len + 1), *to = out;
    for (size_t i = 0; i < text.len; i++) {
        int high = 0, low = 0;
        if (text.ptr[i] != '%') {
            *to++ = text.ptr[i];
            continue;
        }
        if (i + 2 >= text.len || (high = hex_value(text.ptr[i + 1])) < 0 || (low = hex_value(text.ptr[i + 2])) < 0 || high + low == 0) {
            free(out);
            return NULL;
        }
        *to++ = (char)(high << 4 | low);
        i += 2;
    }
    *to = '\0';
    return out;
}

/* "[::1]:5672" or "host:5672" */
static bool read_authority(const char *url, struct su_str authority, char **ret_host, int *ret_port, struct su_err *err)
{
    struct su_str host = authority, port = {0};
    uint64_t number;
    if (authority.len && authority.ptr[0] == '[') {
        const char *end = memchr(authority.ptr, ']', authority.len);
        if (!end)
            return wrong_url(err, url, "an IPv6 address ends with ]");
        host = (struct su_str){authority.ptr + 1, (size_t)(end - authority.ptr) - 1};
        port = (struct su_str){end + 1, authority.len - host.len - 2};
        if (port.len && port.ptr[0] != ':')
            return wrong_url(err, url, "a port follows after a colon");
        port = port.len ? (struct su_str){port.ptr + 1, port.len - 1} : port;
    } else if (su_str_cut(authority, ':', &host, &port) && port.len == 0) {
        return wrong_url(err, url, "the port after the colon is missing");
    }
    if (host.len == 0 || host.len > 255)
        return wrong_url(err, url, "with a host");
    for (size_t i = 0; i < host.len; i++)
        if ((unsigned char)host.ptr[i] <= ' ' || (unsigned char)host.ptr[i] >= 127)
            return wrong_url(err, url, "the host in plain ASCII");
    if (port.len && (!su_str_u64(port, 65535, &number) || number == 0))
        return wrong_url(err, url, "the port from 1 to 65535");
    if (port.len)
        *ret_port = (int)number;
    *ret_host = su_strndup(host.ptr, host.len);
    return true;
}

bool amqp_url_read(const char *url, char **ret_host, int *ret_port, char **ret_vhost, bool *ret_is_tls, struct su_err *err)
{
    struct su_str rest = su_str_of(url), authority, path;
    bool is_tls = su_str_starts(rest, SU_STR("amqps://"));
    if (!is_tls && !su_str_starts(rest, SU_STR("amqp://")))
        return wrong_url(err, url, "with one of these schemes");
    rest = (struct su_str){rest.ptr + 7 + is_tls, rest.len - 7 - is_tls};
    bool has_path = su_str_cut(rest, '/', &authority, &path);
    if (memchr(authority.ptr, '@', authority.len))
        return wrong_url(err, "amqp://…", "without a user and password: they go into \"user\" and a secret");
    if (memchr(path.ptr ? path.ptr : "", '?', path.len) || memchr(path.ptr ? path.ptr : "", '/', path.len))
        return wrong_url(err, url, "a / within the vhost is written %2F, and nothing follows it");
    SU_AUTO_FREE char *vhost = has_path && path.len ? decode(path) : su_strdup("/");
    int port = is_tls ? TLS_PORT : PLAIN_PORT;
    if (!vhost || strlen(vhost) > AMQP_NAME_MAX)
        return wrong_url(err, url, "the vhost percent-encoded and at most 255 bytes");
    if (!read_authority(url, authority, ret_host, &port, err))
        return false;
    *ret_port = port;
    *ret_vhost = su_take(vhost);
    *ret_is_tls = is_tls;
    return true;
}

/* ------------------------------------------------------------- parts */

/* Values that an AMQP table has a type for: no nulls within names too long, little depth. */
static bool check_table(const char *where, const json_t *value, int depth, struct su_err *err)
{
    const char *name;
    json_t *item;
    size_t index;
    if (depth > 4 || json_object_size(value) > ARGUMENTS_MAX || json_array_size(value) > ARGUMENTS_MAX)
        return su_fail_field(err, SU_LIMIT, where, "%s: at most %d entries, nested at most 4 deep", where + 1, ARGUMENTS_MAX);
    json_object_foreach((json_t *)(uintptr_t)value, name, item) {
        if (strlen(name) == 0 || strlen(name) > 128)
            return su_fail_field(err, SU_INVALID, where, "%s: names must have 1 to 128 bytes", where + 1);
        if (!check_table(where, item, depth + 1, err))
            return false;
    }
    json_array_foreach(value, index, item)
        if (!check_table(where, item, depth + 1, err))
            return false;
    return json_string_length(value) <= 4096 || su_fail_field(err, SU_LIMIT, where, "%s: texts may have 4096 bytes", where + 1);
}

static bool read_declare(json_t *object, struct amqp_definition *ret, struct su_err *err)
{
    struct declare declare = {.type = "classic", .durable = true};
    if (!bind_below("/source/declare", object, declare_fields, &declare, err))
        return false;
    bool is_classic = strcmp(declare.type, "classic") == 0;
    if (!is_classic && strcmp(declare.type, "quorum") != 0 && strcmp(declare.type, "stream") != 0)
        return su_fail_field(err, SU_INVALID, "/source/declare/type", "source/declare/type: must be classic, quorum or stream, was \"%.32s\"",
                             declare.type);
    if (!is_classic && !declare.durable)
        return su_fail_field(err, SU_INVALID, "/source/declare/durable", "source/declare/durable: a %s queue is always durable", declare.type);
    if (declare.arguments && !check_table("/source/declare/arguments", declare.arguments, 0, err))
        return false;
    ret->is_declared = true;
    ret->type = is_classic ? "classic" : strcmp(declare.type, "quorum") == 0 ? "quorum" : "stream";
    ret->is_durable = declare.durable;
    ret->arguments = declare.arguments;
    return true;
}

static bool read_bindings(json_t *list, struct amqp_definition *ret, struct su_err *err)
{
    size_t index;
    json_t *item;
    ret->bindings = su_alloc((json_array_size(list) + 1) * sizeof *ret->bindings);
    json_array_foreach(list, index, item) {
        char where[32];
        struct binding binding = {.routing_key = ""};
        snprintf(where, sizeof where, "/source/bind/%zu", index);
        if (!bind_below(where, item, binding_fields, &binding, err) ||
            (binding.headers && !check_table("/source/bind", binding.headers, 0, err)))
            return false;
        ret->bindings[ret->binding_count++] = (struct amqp_binding){binding.exchange, binding.routing_key, binding.headers};
    }
    return true;
}

static bool read_tls(json_t *object, struct amqp_definition *ret, struct su_err *err)
{
    struct tls tls = {.verify = true};
    if (!bind_below("/source/tls", object, tls_fields, &tls, err))
        return false;
    if (!ret->is_tls)
        return su_fail_field(err, SU_INVALID, "/source/tls", "source/tls: is for amqps:// addresses, this one is amqp://");
    if (tls.ca && !strstr(tls.ca, "-----BEGIN CERTIFICATE-----"))
        return su_fail_field(err, SU_INVALID, "/source/tls/ca", "source/tls/ca: must be the text of PEM certificates");
    ret->ca = tls.ca && *tls.ca ? tls.ca : NULL;
    ret->verifies = tls.verify;
    return true;
}

static bool read_all(struct amqp_definition *ret, struct su_err *err)
{
    struct body body = {.user = "guest", .prefetch = 1000, .heartbeat_s = 10, .ids = "unique"};
    if (!bind_below("/source", ret->source, body_fields, &body, err) ||
        !amqp_url_read(body.url, &ret->host, &ret->port, &ret->vhost, &ret->is_tls, err))
        return false;
    if (!body.secret && strcmp(body.user, "guest") != 0)
        return su_fail_field(err, SU_INVALID, "/source/secret", "source/secret: is needed for the user \"%.64s\"", body.user) ||
               su_hint(err, "store the password with suricate secret set NAME, and give NAME here");
    if (strcmp(body.ids, "unique") != 0 && strcmp(body.ids, "ignore") != 0)
        return su_fail_field(err, SU_INVALID, "/source/ids", "source/ids: must be unique or ignore, was \"%.32s\"", body.ids);
    ret->user = body.user;
    ret->secret = body.secret;
    ret->queue = body.queue;
    ret->prefetch = (int)body.prefetch;
    ret->heartbeat_s = (int)body.heartbeat_s;
    ret->ignores_ids = strcmp(body.ids, "ignore") == 0;
    return (!body.declare || read_declare(body.declare, ret, err)) && (!body.bind || read_bindings(body.bind, ret, err)) &&
           (!body.tls || read_tls(body.tls, ret, err));
}

bool amqp_definition_read(const json_t *source, struct amqp_definition *ret, struct su_err *err)
{
    *ret = (struct amqp_definition){.source = json_incref((json_t *)(uintptr_t)source), .type = "", .verifies = true};
    if (read_all(ret, err))
        return true;
    amqp_definition_done(ret);
    return false;
}

void amqp_definition_done(struct amqp_definition *definition)
{
    free(definition->host);
    free(definition->vhost);
    free(definition->bindings);
    json_decref(definition->source);
    *definition = (struct amqp_definition){0};
}

bool amqp_definition_check(const json_t *source, struct su_err *err)
{
    struct amqp_definition definition;
    if (!amqp_definition_read(source, &definition, err))
        return false;
    amqp_definition_done(&definition);
    return true;
}
