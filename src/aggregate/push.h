/* Push: bodies of requests taken apart into messages.  Layer aggregate; pure.
 *
 * JSON (a value, or an array whose elements are a message each), NDJSON (blank
 * lines are passed over), lines of text, and CloudEvents 1.0, structured, in
 * batches or binary (attributes in ce-* headers): `data` becomes the body, `id`
 * and `time` their own, `partitionkey` the key, the other attributes headers.
 *
 * NDJSON is only cut at its line feeds: who takes the message parses it. */
#pragma once
#include "base/json.h"
#include "stream.h"

enum push_kind { PUSH_JSON, PUSH_NDJSON, PUSH_TEXT, PUSH_EVENT, PUSH_EVENTS, PUSH_BINARY, PUSH_KIND_COUNT };
/* From the media type ("" or what `curl -d` says: as the stream's format has it).  `has_event_headers`: there is a ce-specversion. */
bool push_kind_of(const char *type, bool has_event_headers, enum stream_format format, enum push_kind *ret, struct su_err *err);

/* Content-Encoding undone (NULL or "identity": *ret is body itself).  At most `max` bytes come out; scratch then holds them. */
bool push_open(const char *coding, struct su_str body, size_t max, struct su_buf *scratch, struct su_str *ret, struct su_err *err);

enum { PUSH_ERRORS_MAX = 100 };
struct push {
    enum push_kind kind;
    enum stream_format format;      /* of the stream */
    struct su_str key;              /* of every message without one of its own; ptr NULL: none */
    json_t *attributes;             /* PUSH_BINARY: push_attribute's; borrowed */
    /* Takes one message.  False: it can't be, and why; SU_INVALID, and SU_LIMIT without a slug, go on with the next one. */
    bool (*take)(void *arg, const struct stream_arrival *arrival, struct su_err *err);
    void *arg;
};
/* A header "ce-NAME", percent-decoded, into the attributes (other headers are passed over). */
bool push_attribute(json_t *attributes, const char *name, const char *value, struct su_err *err);

/* Every message in order.  False: err is the first error; *ret_errors (new reference, NULL when it is not about messages)
 * lists the first PUSH_ERRORS_MAX as {"line","message"}: the line of NDJSON and text, else the message's number, from 1. */
bool push_read(const struct push *push, struct su_str body, json_t **ret_errors, struct su_err *err);
