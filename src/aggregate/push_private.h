/* The insides of push, for push.c and push_event.c only.  Layer aggregate. */
#pragma once
#include "push.h"

/* A CloudEvent as an arrival.  What it points to lives in `memory` or in text. */
bool push_event(const struct push *push, struct su_str text, struct su_arena *memory, struct stream_arrival *ret, struct su_err *err);
/* The same from attributes (of headers) and data. */
bool push_event_of(const struct push *push, const json_t *attributes, struct su_str data, struct su_arena *memory,
                   struct stream_arrival *ret, struct su_err *err);
