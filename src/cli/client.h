/* The client side of the REST API: one HTTP call at a time to one server.
 * Layer cli; one thread.  The only user of libcurl in this layer.
 *
 * A reply of 400 and up is a failure: the server's problem details become the
 * error (title and detail, field, hint), and stay readable as JSON by
 * client_problem. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/json.h"

struct client;
/* token may be NULL. Nothing is sent yet. */
bool client_open(const char *url, const char *token, struct client **ret, struct su_err *err);
void client_close(struct client *client);
const char *client_url(const struct client *client);
/* The problem details of the last failed call, or NULL when the failure was not the server's. */
const json_t *client_problem(const struct client *client);

/* Bytes of a successful body as they come; false (err filled) ends the call. */
typedef bool client_sink_fn(void *arg, long status, struct su_str bytes, struct su_err *err);
/* Bytes moved so far; total is 0 while unknown. */
typedef void client_progress_fn(void *arg, uint64_t done, uint64_t total);
/* One server-sent event; false ends the stream without error. */
typedef bool client_event_fn(void *arg, const char *event, const char *id, struct su_str data);

struct client_upload { int fd; int64_t size; };    /* size -1: until the end, sent in chunks */

struct client_call {
    const char *method;
    const char *path;               /* encoded path and query, from "/" */
    const json_t *json;             /* a JSON body … */
    const struct client_upload *upload; /* … or a file's … */
    struct su_str body;             /* … or bytes in memory (ptr NULL: none), which can be sent again */
    const char *content_type;       /* of the upload or the bytes */
    const char *headers[8];         /* further "Name: value" lines */
    client_sink_fn *sink;           /* takes the body; NULL: it is kept in the reply */
    void *sink_arg;
    client_progress_fn *progress;
    void *progress_arg;
    long quiet_limit_s;             /* give up after so many seconds without a byte; 0: 60 */
};

struct client_reply {
    long status;
    struct su_buf body;     /* empty when a sink took it */
    json_t *json;           /* the body when it is JSON, else NULL */
    char etag[96], location[512], content_type[128];
    int64_t length;         /* Content-Length, -1 unknown */
    uint64_t retry_after_s; /* what a refusal asks to wait; 0: nothing said */
};
void client_reply_done(struct client_reply *reply);
#define CLIENT_AUTO_REPLY SU_CLEANUP(client_reply_done)

/* *ret must be zeroed; it is filled also when the server refuses. */
bool client_send(struct client *client, const struct client_call *call, struct client_reply *ret,
                 struct su_err *err);
/* GET of a JSON document; caller owns *ret. */
bool client_get_json(struct client *client, const char *path, json_t **ret, struct su_err *err);
/* Any method with an optional JSON body and JSON answer (NULL *ret for an empty one). */
bool client_json(struct client *client, const char *method, const char *path, const json_t *body,
                 json_t **ret, struct su_err *err);
/* Follow a stream of server-sent events from after last_id (NULL: from its start).
 * True when the server or fn ended it. */
bool client_events(struct client *client, const char *path, const char *last_id, client_event_fn *fn,
                   void *arg, struct su_err *err);
/* GET of a foreign http(s) address, without our token. */
bool client_fetch(const char *url, size_t max, struct su_buf *ret, struct su_err *err);
