/* The in-process event bus: see bus.h.  Layer base; any thread.
 *
 * Publishing takes references to the matching subscriptions under the lock and
 * calls them without it; unsubscribing waits until the last call is over. */
#include "bus.h"

#include <stdlib.h>
#include <string.h>

#include "str.h"
#include "thread.h"

struct su_bus_subscription {
    struct su_bus_subscription *next;
    char *topic;
    su_bus_fn *fn;
    void *arg;
    int calls;      /* under way */
    bool is_gone;
};

struct su_bus { struct su_lock lock; struct su_bus_subscription *subscriptions; };

struct su_bus *su_bus_new(void)
{
    struct su_bus *bus = su_alloc(sizeof *bus);
    su_lock_init(&bus->lock);
    return bus;
}

void su_bus_free(struct su_bus *bus)
{
    if (!bus)
        return;
    su_assert(!bus->subscriptions);
    su_lock_done(&bus->lock);
    free(bus);
}

struct su_bus_subscription *su_bus_subscribe(struct su_bus *bus, const char *topic, su_bus_fn *fn, void *arg)
{
    struct su_bus_subscription *subscription = su_alloc(sizeof *subscription);
    subscription->topic = su_strdup(topic);
    subscription->fn = fn;
    subscription->arg = arg;
    SU_LOCKED(&bus->lock);
    subscription->next = bus->subscriptions;
    bus->subscriptions = subscription;
    return subscription;
}

void su_bus_unsubscribe(struct su_bus *bus, struct su_bus_subscription *subscription)
{
    if (!subscription)
        return;
    su_lock(&bus->lock);
    subscription->is_gone = true;
    while (subscription->calls)
        su_wait(&bus->lock);
    struct su_bus_subscription **at = &bus->subscriptions;
    while (*at != subscription)
        at = &(*at)->next;
    *at = subscription->next;
    su_unlock(&bus->lock);
    free(subscription->topic);
    free(subscription);
}

/* The next live subscription to `topic` at or after *at, with a call counted. */
static struct su_bus_subscription *claim(struct su_bus_subscription *at, const char *topic)
{
    for (; at; at = at->next)
        if (!at->is_gone && (!at->topic || strcmp(at->topic, topic) == 0)) {
            at->calls++;
            return at;
        }
    return NULL;
}

void su_bus_publish(struct su_bus *bus, const char *topic, const char *event, const json_t *detail)
{
    su_lock(&bus->lock);
    struct su_bus_subscription *at = claim(bus->subscriptions, topic);
    while (at) {
        su_unlock(&bus->lock);
        at->fn(at->arg, topic, event, detail);
        su_lock(&bus->lock);
        struct su_bus_subscription *next = claim(at->next, topic);
        if (--at->calls == 0 && at->is_gone)
            su_wake(&bus->lock);
        at = next;
    }
    su_unlock(&bus->lock);
}
