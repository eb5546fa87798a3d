/* Server-sent events: bytes in, events out (WHATWG HTML, section 9.2.6).
 * Layer cli; pure. */
#pragma once
#include <stdbool.h>
#include "base/str.h"

typedef bool sse_fn(void *arg, const char *event, const char *id, struct su_str data);

struct sse {
    struct su_buf line, data;
    char event[64], id[128];
    bool has_data, skip_newline;
};
enum { SSE_EVENT_MAX = 64 << 20 };

void sse_init(struct sse *sse);
void sse_done(struct sse *sse);
/* False: fn wants no more, or an event is longer than SSE_EVENT_MAX. */
bool sse_feed(struct sse *sse, struct su_str bytes, sse_fn *fn, void *arg);
