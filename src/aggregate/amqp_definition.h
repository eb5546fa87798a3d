/* What a stream's source of kind "amqp" says: read and checked.  Layer aggregate; pure.
 * docs/reference/amqp.md describes the fields. */
#pragma once
#include "base/json.h"

enum { AMQP_NAME_MAX = 255 /* the protocol's short strings */, AMQP_BINDINGS_MAX = 100, AMQP_CA_MAX = 256 * 1024 };

struct amqp_binding {
    const char *exchange, *routing_key;
    json_t *headers;            /* arguments of a headers exchange, or NULL */
};

/* Texts and JSON are borrowed from source, which is held. */
struct amqp_definition {
    json_t *source;
    char *host, *vhost;
    int port;
    bool is_tls, verifies;
    const char *ca;             /* PEM, or NULL: the system's */
    const char *user, *secret;  /* secret NULL: guest's */
    const char *queue;
    bool is_declared;
    const char *type;           /* classic, quorum or stream */
    bool is_durable;
    json_t *arguments;          /* or NULL */
    struct amqp_binding *bindings;
    size_t binding_count;
    int prefetch, heartbeat_s;
    bool ignores_ids;
};

/* Errors name the field as the stream's definition has it ("/source/url"). */
bool amqp_definition_read(const json_t *source, struct amqp_definition *ret, struct su_err *err);
void amqp_definition_done(struct amqp_definition *definition);
/* For whoever only wants to know whether it is right. */
bool amqp_definition_check(const json_t *source, struct su_err *err);

/* "amqp://host:port/vhost"; caller frees *ret_host and *ret_vhost. */
bool amqp_url_read(const char *url, char **ret_host, int *ret_port, char **ret_vhost, bool *ret_is_tls, struct su_err *err);
