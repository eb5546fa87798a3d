/* AMQP's tables and a message's properties to JSON, and JSON to tables.  Layer aggregate; pure.  Part of amqp_link.c's use
 * of librabbitmq, whose types stand here. */
#pragma once
#include <amqp.h>
#include <amqp_framing.h>
#include "base/json.h"

enum { AMQP_HEADERS_MAX = 512 * 1024, AMQP_HEADERS_COUNT = 256, AMQP_HEADERS_DEPTH = 16 };

/* The message's headers and properties as a JSON object in `out` (empty before); ptr NULL when there is nothing to say.
 * At most AMQP_HEADERS_COUNT headers; what nests deeper than AMQP_HEADERS_DEPTH becomes null; text that is not UTF-8
 * becomes "base64:…". */
struct su_str amqp_headers_json(const amqp_basic_deliver_t *delivery, const amqp_basic_properties_t *properties, struct su_buf *out);
/* A property's timestamp (seconds; some publishers give milliseconds) as microseconds; 0 when it can't be one. */
int64_t amqp_headers_time(uint64_t timestamp);
/* An object (or NULL) as a table with room for `spare` more entries. Texts are borrowed, the rest is the arena's. */
amqp_table_t amqp_headers_table(const json_t *object, struct su_arena *arena, int spare);
