/* The in-process event bus: how a lower layer tells an upper one.  Layer base; any thread.
 *
 * A topic is a short text ("run/01J…", "tenant/main").  Subscribers are called
 * on the publisher's thread, without any lock of theirs held by the bus, and
 * must return at once (set a flag, write an eventfd, queue something). */
#pragma once
#include <jansson.h>

struct su_bus;
struct su_bus_subscription;
typedef void su_bus_fn(void *arg, const char *topic, const char *event, const json_t *detail);

struct su_bus *su_bus_new(void);
void su_bus_free(struct su_bus *bus);
/* topic NULL: everything.  After su_bus_unsubscribe returns, fn is not running and will not run. */
struct su_bus_subscription *su_bus_subscribe(struct su_bus *bus, const char *topic, su_bus_fn *fn, void *arg);
void su_bus_unsubscribe(struct su_bus *bus, struct su_bus_subscription *subscription);
/* detail is borrowed and may be NULL. */
void su_bus_publish(struct su_bus *bus, const char *topic, const char *event, const json_t *detail);
