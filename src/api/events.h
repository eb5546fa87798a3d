/* What happens to a tenant, for GET /v1/events.  Layer api; any thread.
 *
 * A ring of the newest events of all tenants, filled from the bus's topics
 * "tenant/<tenant>".  After adding, "events/<tenant>" is published.  Best effort:
 * who asks for older events than the ring holds (or from before a restart) gets
 * an event "reset" and should look at the resources themselves. */
#pragma once
#include "base/bus.h"
#include "base/str.h"

struct events;
struct events *events_open(struct su_bus *bus);
void events_close(struct events *events);
uint64_t events_last(struct events *events);     /* number of the newest event; 0: none yet */
/* Events of the tenant after *position, as server-sent events; moves *position. */
void events_read(struct events *events, const char *tenant, uint64_t *position, struct su_buf *out, size_t enough);
/* "<boot>-<number>" to a number; false when it is of another boot or nonsense. */
bool events_parse_id(const struct events *events, const char *id, uint64_t *ret);
