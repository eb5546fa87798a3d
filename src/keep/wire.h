/* The Jupyter wire protocol, 5.3: messages as frames, signed.  Layer keep; pure.
 * Source: jupyter_client, docs/messaging.rst. The one user of libsodium. */
#pragma once
#include <stdint.h>
#include "base/str.h"

enum { WIRE_PARTS = 4, WIRE_HEX = 65, WIRE_KEY = 64, WIRE_ID_MAX = 96 };

struct wire_key { char text[WIRE_KEY + 1]; };   /* as it stands in the connection file */

/* A message's four JSON parts, in the order they are signed. */
enum wire_part { WIRE_HEADER, WIRE_PARENT, WIRE_METADATA, WIRE_CONTENT };
struct wire_message { struct su_str part[WIRE_PARTS]; };

void wire_key_make(struct wire_key *ret);
/* HMAC-SHA256 over the parts, lower-case hex. */
void wire_sign(const struct wire_key *key, const struct wire_message *message, char hex[static WIRE_HEX]);
/* Find the message in frames as received: identities or a topic, "<IDS|MSG>", signature,
 * four parts, any buffers.  False when a frame is missing or the signature does not hold. */
bool wire_open(const struct wire_key *key, const struct su_str *frames, size_t count, struct wire_message *ret);
/* Header of a request of ours; text must be free of characters that JSON escapes. */
void wire_header(struct su_buf *out, const char *message_id, const char *session, const char *type, const char *at,
                 const char *subshell);
