/* What the streams*.c files share.  Layer api. */
#pragma once
#include "aggregate/stream.h"
#include "handler.h"
#include "stream_items.h"

/* The service, or `unavailable`. */
struct streams *streams_service(const struct request *request, struct su_err *err);
/* The stream the address names. */
bool streams_find(const struct request *request, struct stream **ret, struct su_err *err);
enum item_body streams_body(const struct stream *stream);

/* A cursor over ?from=&to=&last=; everything when none is given. */
bool streams_cursor(const struct request *request, struct stream *stream, struct stream_cursor *ret, struct su_err *err);
/* At most `limit` items as {"items":[…],"next":offset or null}; `damaged` and `gone` when there are. */
bool streams_reply_page(struct stream_cursor *cursor, enum item_body body, size_t limit, struct reply *reply, struct su_err *err);

extern const struct upload_ops streams_push_ops;
handler_fn streams_get_messages, streams_get_tail;
