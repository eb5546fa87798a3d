/* Every stream's AMQP source: started, stopped and started anew as definitions change.  Layer aggregate.
 *
 * A thread "amqp" follows the definitions (topics "streams" and "secrets"); each source
 * has a thread of its own (amqp_source.h).  A paused stream has none: it consumes nothing. */
#pragma once
#include "store/secret.h"
#include "stream.h"

struct amqp_sources;
struct amqp_sources_options { uint32_t connections_max; /* 0: 256 */ };
bool amqp_sources_open(struct streams *streams, struct secrets *secrets, const struct amqp_sources_options *options,
                       struct amqp_sources **ret, struct su_err *err);
/* Stops them all: what was received is committed and acknowledged, within some seconds. */
void amqp_sources_close(struct amqp_sources *sources);

/* Does a source's definition work?  Connects, logs in, looks at the queue; makes and consumes nothing.  Blocks for a few seconds
 * at most; few at a time (SU_LIMIT "too-many-requests").  {"ok":true,"server":{"product","version"},"queue":{"messages","consumers"}},
 * queue null when it is not there and the definition declares it; or the broker's own words as an error. */
bool amqp_sources_test(struct amqp_sources *sources, const char *tenant, const json_t *source, json_t **ret, struct su_err *err);
