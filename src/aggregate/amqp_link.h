/* A connection to an AMQP 0-9-1 broker that consumes one queue.  Layer aggregate; one thread.
 *
 * With amqp_headers.h and amqp_publish.c the user of librabbitmq, behind the few verbs that a source needs: open
 * (connect, TLS, login), declare, consume, next, ack, cancel, close.  The broker is
 * not trusted: what it negotiates is checked, and so is every length.  Errors hold
 * its own words.  Only amqp_link_break may be called by another thread.
 *
 * A message's headers become one JSON object: the publisher's own by their names, what else came
 * with it by names that begin with "amqp." (docs/reference/amqp.md). */
#pragma once
#include "amqp_definition.h"

/* A nested header takes stack in the library's decoder: threads that use a link have this much. */
enum { AMQP_STACK_BYTES = 16 << 20 };

struct amqp_link;
struct amqp_link_options {
    int timeout_ms;             /* of connecting, of logging in and of each answer; 0: 4 s */
    uint64_t body_max;          /* a larger body is cut to this */
    /* Told with the socket once there is one, and with −1 before it is closed: for amqp_link_break.  May be NULL. */
    void (*socket)(void *arg, int fd);
    void *arg;
};
bool amqp_link_open(const struct amqp_definition *definition, struct su_str password, const struct amqp_link_options *options,
                    struct amqp_link **ret, struct su_err *err);
/* Says goodbye when the broker still listens; NULL is fine. */
void amqp_link_close(struct amqp_link *link);
/* Makes whatever the link waits for fail; any thread. */
void amqp_link_break(int fd);

/* What the broker says of itself; texts live as long as the link. */
const char *amqp_link_product(const struct amqp_link *link);
const char *amqp_link_version(const struct amqp_link *link);

/* Makes the queue when the definition declares it (looks at it first, so that a mismatch is told from other refusals),
 * and binds it; both on channels of their own.  With `only_look` nothing is made. */
struct amqp_queue { uint32_t messages, consumers; };
bool amqp_link_declare(struct amqp_link *link, bool only_look, struct amqp_queue *ret, struct su_err *err);
/* Begin to receive.  offset: where to go on in a queue of type stream; −1: at its beginning. Other queues don't ask. */
bool amqp_link_consume(struct amqp_link *link, int64_t offset, struct su_err *err);

struct amqp_message {
    uint64_t tag;
    bool is_redelivered;
    struct su_str body;         /* the beginning of it when size > body.len */
    uint64_t size;
    struct su_str id, headers;  /* ptr NULL: none; headers: JSON object */
    int64_t time_us;            /* 0: none */
};
enum amqp_next { AMQP_MESSAGE, AMQP_NOTHING, AMQP_BROKEN };
/* What has arrived, without waiting: texts live until the next call.  AMQP_BROKEN: err says why; the link is of no more use. */
enum amqp_next amqp_link_next(struct amqp_link *link, struct amqp_message *ret, struct su_err *err);
/* To poll for more after AMQP_NOTHING, at most so many ms: then call amqp_link_next again (it serves heartbeats). */
int amqp_link_fd(const struct amqp_link *link);
int amqp_link_wait_ms(const struct amqp_link *link);
/* A heartbeat, when it is time for one: while messages are deliberately not read. */
bool amqp_link_beat(struct amqp_link *link, struct su_err *err);
/* Everything up to tag is safe. */
bool amqp_link_ack(struct amqp_link *link, uint64_t tag, struct su_err *err);
/* A message to an exchange, and the broker's word that it has it (publisher confirms): waits for both.  A link either consumes
 * or publishes.  With is_mandatory a message that no queue takes is SU_NOT_FOUND. */
struct amqp_publication {
    const char *exchange, *routing_key;
    struct su_str body;
    const char *type, *id;          /* content type; message id */
    const json_t *headers;          /* object, or NULL */
    bool is_mandatory;
};
bool amqp_link_publish(struct amqp_link *link, const struct amqp_publication *message, struct su_err *err);
/* No more deliveries. */
bool amqp_link_cancel(struct amqp_link *link, struct su_err *err);
