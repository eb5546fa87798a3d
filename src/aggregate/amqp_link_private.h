/* Inside of a connection to a broker: what amqp_link.c and amqp_publish.c share.  Layer aggregate, private. */
#pragma once
#include "amqp_link.h"

#include "amqp_headers.h"

enum { AMQP_LINK_CHANNEL = 1 /* of the consumer, or of the publisher */ };

/* What is awaited next of a message. */
enum part { PART_METHOD, PART_HEADER, PART_BODY };

struct amqp_link {
    const struct amqp_definition *definition;
    struct amqp_link_options options;
    amqp_connection_state_t state;
    bool is_alive;              /* the broker listens */
    amqp_channel_t next_look;
    char product[64], version[32];
    int64_t beat_ms;            /* monotonic: when something was last sent */
    enum part part;
    bool is_held;               /* the last message's buffers have not been given back */
    bool is_whole;              /* its body is one frame's */
    amqp_basic_deliver_t delivery;
    struct amqp_message message;
    uint64_t got;               /* bytes of the body so far */
    struct su_buf headers, body;
    char id[256];
};

/* What the library or the broker says ends what was being done; always false. */
bool amqp_link_said(struct amqp_link *link, struct su_err *err, const char *doing, int status);
bool amqp_link_closed(struct amqp_link *link, struct su_err *err, const char *doing, const amqp_method_t *method);
/* Of the last remote call. */
bool amqp_link_check(struct amqp_link *link, const char *doing, struct su_err *err);
bool amqp_link_channel(struct amqp_link *link, amqp_channel_t channel, struct su_err *err);
