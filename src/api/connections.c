/* /v1/connections: does what a definition says work?  Layer api; handlers run on workers. */
#include "connections.h"

#include <string.h>

#include "aggregate/amqp_sources.h"
#include "routes.h"

bool connection_allowed(const struct request *request, const json_t *source, struct su_err *err)
{
    const struct identity *who = request_identity(request);
    if (strcmp(su_json_string(source, "kind", ""), "amqp") != 0)
        return true;
    if (who->credential == CREDENTIAL_RUN)
        return su_fail_field(err, SU_DENIED, "/source/kind", "source.kind: a run may not define a source that connects to a broker");
    if (!json_object_get(source, "secret") || who->scopes & 1u << SCOPE_SECRETS_WRITE)
        return true;
    su_fail_field(err, SU_DENIED, "/source/secret", "source.secret: naming a secret needs the scope secrets:write");
    return su_hint(err, "the definition decides to whom the secret is sent");
}

struct test_body { json_t *source; };
static const struct su_field test_fields[] = {
    SU_FIELD(struct test_body, source, SU_FIELD_OBJECT, .is_required = true, .help = "as a stream's definition has it, of kind amqp"),
    SU_FIELD_END};

/* Waits for the broker for some seconds at most; amqp_sources_test lets only a few do so. */
static void test_amqp(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct test_body body = {0};
    json_t *answer;
    if (!request_services(request)->amqp)
        su_fail(&err, SU_UNAVAILABLE, "AMQP is not there");
    else if (request_bind(request, test_fields, &body, &err) && connection_allowed(request, body.source, &err) &&
             amqp_sources_test(request_services(request)->amqp, request_tenant(request), body.source, &answer, &err)) {
        reply_json(reply, 200, answer);
        return;
    }
    reply_error(reply, &err);
}

const struct route connections_routes[] = {
    {"POST", "/v1/connections/amqp/test", SCOPE_STREAMS_WRITE, test_amqp, BODY_JSON, .flags = ROUTE_NO_IDEMPOTENCY, .request = test_fields,
     .summary = "Try an AMQP source: connect, log in, look at the queue",
     .response = "ok, server (product, version), queue (messages, consumers; null when it is still to be declared)"},
    ROUTE_END};
