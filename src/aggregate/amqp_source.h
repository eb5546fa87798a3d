/* One stream's AMQP source: a thread that takes messages from a queue into the log.  Layer aggregate.
 *
 * Messages are acknowledged after the commit that put them on disk, many at a time.
 * What ends a connection (the broker's restart, a deleted queue, a refusal) is told
 * in the stream's status, in the broker's words, and tried again after a pause that
 * doubles from 0.1 to 30 s. */
#pragma once
#include "store/secret.h"
#include "stream.h"

struct amqp_source;

/* Starts its thread; the stream's reference is the source's own. */
struct amqp_source *amqp_source_start(struct streams *streams, struct secrets *secrets, struct stream *stream);
const struct stream *amqp_source_stream(const struct amqp_source *source);
/* Try again now, if it pauses: a secret has changed. */
void amqp_source_hurry(struct amqp_source *source);
/* Begin to end: stop receiving, commit, acknowledge.  Then amqp_source_free, which waits for it: what does not end by
 * itself within `grace_ms` of now is cut off (and the broker delivers again what was not acknowledged). */
void amqp_source_stop(struct amqp_source *source);
void amqp_source_free(struct amqp_source *source, int grace_ms);
