/* /v1/events: what happens, as it happens.  Layer api. */
#include "events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/thread.h"
#include "handler.h"
#include "routes.h"

enum { RING = 1024, PREFIX = 7 /* "tenant/" */ };

struct entry { uint64_t number; char *tenant, *event, *data; };
struct events {
    struct su_bus *bus;
    struct su_bus_subscription *subscription;
    struct su_lock lock;
    uint64_t last;
    int64_t boot;
    struct entry ring[RING];
};

static void entry_done(struct entry *entry)
{
    free(entry->tenant);
    free(entry->event);
    free(entry->data);
}

static void add(struct events *events, const char *tenant, const char *event, const json_t *detail)
{
    SU_LOCKED(&events->lock);
    struct entry *entry = &events->ring[++events->last % RING];
    entry_done(entry);
    *entry = (struct entry){.number = events->last, .tenant = su_strdup(tenant), .event = su_strdup(event),
                            .data = detail ? su_json_text(detail) : su_strdup("{}")};
}

static void happened(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct events *events = arg;
    if (strncmp(topic, "tenant/", PREFIX) != 0)
        return;
    add(events, topic + PREFIX, event, detail);
    SU_AUTO_FREE char *told = su_format("events/%s", topic + PREFIX);
    su_bus_publish(events->bus, told, event, NULL);
}

struct events *events_open(struct su_bus *bus)
{
    struct events *events = su_alloc(sizeof *events);
    events->bus = bus;
    events->boot = su_now_ms();
    su_lock_init(&events->lock);
    events->subscription = su_bus_subscribe(bus, NULL, happened, events);
    return events;
}

void events_close(struct events *events)
{
    if (!events)
        return;
    su_bus_unsubscribe(events->bus, events->subscription);
    for (size_t i = 0; i < RING; i++)
        entry_done(&events->ring[i]);
    su_lock_done(&events->lock);
    free(events);
}

uint64_t events_last(struct events *events)
{
    SU_LOCKED(&events->lock);
    return events->last;
}

bool events_parse_id(const struct events *events, const char *id, uint64_t *ret)
{
    struct su_str boot, number;
    uint64_t value;
    return su_str_cut(su_str_of(id), '-', &boot, &number) && su_str_u64(boot, INT64_MAX, &value) && (int64_t)value == events->boot &&
           su_str_u64(number, UINT64_MAX, ret);
}

void events_read(struct events *events, const char *tenant, uint64_t *position, struct su_buf *out, size_t enough)
{
    SU_LOCKED(&events->lock);
    uint64_t oldest = events->last >= RING ? events->last - RING + 1 : 1;
    if (*position > events->last || *position + 1 < oldest) {
        events_add(out, NULL, "reset", "{}");
        *position = oldest - 1;
    }
    while (*position < events->last && out->len < enough) {
        const struct entry *entry = &events->ring[++*position % RING];
        char id[48];
        snprintf(id, sizeof id, "%" PRId64 "-%" PRIu64, events->boot, entry->number);
        if (strcmp(entry->tenant, tenant) == 0)
            events_add(out, id, entry->event, entry->data);
    }
}

/* --------------------------------------------------------------- route */

struct follower { uint64_t position; bool is_lost; };

static bool fill(struct request *request, void *state, struct su_buf *out)
{
    struct follower *follower = state;
    if (follower->is_lost)
        events_add(out, NULL, "reset", "{}");
    follower->is_lost = false;
    events_read(request_services(request)->events, request_tenant(request), &follower->position, out, EVENTS_ENOUGH);
    return true;
}

static const struct event_source source = {.fill = fill, .close = free};

static void get_events(struct request *request, struct reply *reply)
{
    struct events *events = request_services(request)->events;
    const char *last = request_header(request, "Last-Event-ID");
    struct follower *follower = su_alloc(sizeof *follower);
    follower->position = events_last(events);
    if (last)
        follower->is_lost = !events_parse_id(events, last, &follower->position);
    char *topic = su_arena_format(request_arena(request), "events/%s", request_tenant(request));
    reply_events(request, reply, &source, follower, topic);
}

const struct route events_routes[] = {
    {"GET", "/v1/events", SCOPE_ANY, get_events, .summary = "Follow everything that happens to the tenant",
     .response = "events object.created, object.deleted, run.queued, run.started, run.finished …; reset when some were missed",
     .response_type = "text/event-stream"},
    ROUTE_END};
