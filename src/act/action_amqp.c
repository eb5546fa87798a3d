/* Actions of kind "amqp": a message to an exchange, sent when the broker confirms it.  Layer act; on a thread of the
 * delivery's (check: any).  One connection an attempt. */
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "action_kind.h"
#include "aggregate/amqp_link.h"
#include "store/secret.h"
#include "template.h"

enum { ANSWER_MS = 10000, HEADERS_MAX = 32 };

struct publish { const char *url, *user, *secret, *exchange, *routing_key; json_t *tls, *headers, *body; bool mandatory; };
static const struct su_field amqp_fields[] = {
    SU_FIELD(struct publish, url, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 2048, .help = "amqp:// or amqps:// address with the vhost"),
    SU_FIELD(struct publish, user, SU_FIELD_TEXT, .max = AMQP_NAME_MAX, .help = "Default guest"),
    SU_FIELD(struct publish, secret, SU_FIELD_TEXT, .max = SECRET_NAME_MAX, .help = "Name of the secret that holds the password"),
    SU_FIELD(struct publish, tls, SU_FIELD_OBJECT, .help = "{\"ca\": PEM, \"verify\": true}"),
    SU_FIELD(struct publish, exchange, SU_FIELD_TEXT, .max = AMQP_NAME_MAX, .help = "Default \"\": straight to the queue that the routing key names"),
    SU_FIELD(struct publish, routing_key, SU_FIELD_TEXT, .max = AMQP_NAME_MAX, .help = "Template over the decision"),
    SU_FIELD(struct publish, headers, SU_FIELD_OBJECT, .help = "Template over the decision"),
    SU_FIELD(struct publish, mandatory, SU_FIELD_BOOL, .help = "true: a message that no queue takes has not been delivered"),
    SU_FIELD(struct publish, body, SU_FIELD_ANY, .help = "Template over the decision; default: the decision"),
    SU_FIELD_END};

/* As the definition of a source has it, which knows how to connect. */
static bool read_broker(const struct publish *publish, struct amqp_definition *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *source = json_pack("{s:s, s:s, s:s}", "kind", "amqp", "url", publish->url, "queue", "none");
    if (publish->user)
        json_object_set_new(source, "user", json_string(publish->user));
    if (publish->secret)
        json_object_set_new(source, "secret", json_string(publish->secret));
    if (publish->tls)
        json_object_set(source, "tls", publish->tls);
    if (amqp_definition_read(source, ret, err))
        return true;
    if (strncmp(err->field, "/source", 7) == 0)
        memmove(err->field, err->field + 7, strlen(err->field + 7) + 1);
    return false;
}

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct publish publish = {0};
    struct amqp_definition broker;
    (void)with, (void)tenant;
    if (!su_json_bind(own, amqp_fields, &publish, err) || !read_broker(&publish, &broker, err))
        return false;
    amqp_definition_done(&broker);
    if (json_object_size(publish.headers) > HEADERS_MAX)
        return su_fail_field(err, SU_LIMIT, "/headers", "headers: at most %d", HEADERS_MAX);
    if (!(publish.exchange && *publish.exchange) && !(publish.routing_key && *publish.routing_key))
        return su_fail_field(err, SU_INVALID, "/routing_key", "routing_key: must name a queue where there is no exchange");
    SU_AUTO_JSON json_t *key = json_string(publish.routing_key ? publish.routing_key : "");
    return (!publish.secret || secret_name_check(publish.secret, "/secret", err)) && template_check(key, "/routing_key", err)
        && (!publish.headers || template_check(publish.headers, "/headers", err)) && (!publish.body || template_check(publish.body, "/body", err));
}

/* --- the message -------------------------------------------------------------------- */

struct message { char *routing_key, *body; json_t *headers; bool is_text; };

static void message_done(struct message *message)
{
    free(message->routing_key);
    free(message->body);
    json_decref(message->headers);
}

static bool make_message(const struct attempt *attempt, const struct publish *publish, struct message *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *body = NULL, *empty = json_object();
    if (!attempt_fill_text(attempt, publish->routing_key ? publish->routing_key : "", &ret->routing_key, err))
        return su_prefix(err, "routing_key");
    if (strlen(ret->routing_key) > AMQP_NAME_MAX)
        return su_fail(err, SU_INVALID, "routing_key: is %zu bytes long once it is filled, the limit is %d", strlen(ret->routing_key), AMQP_NAME_MAX);
    if (!attempt_fill(attempt, publish->headers ? publish->headers : empty, &ret->headers, err))
        return su_prefix(err, "headers");
    if (publish->body == NULL)
        body = json_incref(attempt->decision);
    else if (!attempt_fill(attempt, publish->body, &body, err))
        return su_prefix(err, "body");
    ret->is_text = json_is_string(body);
    ret->body = ret->is_text ? su_strdup(json_string_value(body)) : su_json_text(body);
    json_object_set_new(ret->headers, "idempotency-key", json_string(attempt->id));
    return true;
}

static bool publish_to(struct attempt *attempt, const struct amqp_definition *broker, const struct publish *publish, struct su_err *err)
{
    SECRET_AUTO struct secret *password = NULL;
    SU_CLEANUP(message_done) struct message message = {0};
    const struct amqp_link_options options = {.timeout_ms = (int)(attempt->timeout_ms < ANSWER_MS ? attempt->timeout_ms : ANSWER_MS),
                                              .body_max = 1024, .socket = attempt_socket, .arg = attempt};
    struct amqp_link *link;
    if (!make_message(attempt, publish, &message, err))
        return false;
    if (broker->secret && attempt->with->secrets == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server keeps no secrets");
    if ((broker->secret && !secret_get(attempt->with->secrets, attempt->tenant, broker->secret, &password, err))
        || !amqp_link_open(broker, password ? secret_reveal(password) : SU_STR("guest"), &options, &link, err))
        return false;
    const struct amqp_publication publication = {
        .exchange = publish->exchange ? publish->exchange : "", .routing_key = message.routing_key, .body = su_str_of(message.body),
        .type = message.is_text ? "text/plain" : "application/json", .id = attempt->id, .headers = message.headers, .is_mandatory = publish->mandatory};
    bool ok = amqp_link_publish(link, &publication, err);
    amqp_link_close(link);
    return ok;
}

static void perform(struct attempt *attempt)
{
    struct su_err err;
    struct publish publish = {0};
    struct amqp_definition broker;
    SU_AUTO_JSON json_t *own = action_own(attempt->definition);
    if (!su_json_bind(own, amqp_fields, &publish, &err) || !read_broker(&publish, &broker, &err)) {
        attempt_faulted(attempt, &err);
        return;
    }
    if (publish_to(attempt, &broker, &publish, &err))
        attempt_sent(attempt, 0, "confirmed");
    else
        attempt_faulted(attempt, &err);
    amqp_definition_done(&broker);
}

static char *target(const struct attempt *attempt) { return su_strdup(su_json_string(attempt->definition, "url", "")); }

const struct action_kind action_amqp = {.name = "amqp",
                                        .summary = "A message to an AMQP exchange, confirmed by the broker",
                                        .fields = amqp_fields,
                                        .check = check,
                                        .target = target,
                                        .perform = perform,
                                        .waits = true};
