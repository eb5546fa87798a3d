/* Files to the server and back, with progress.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

struct client;
struct invocation;

struct transfer_put {
    const char *file;           /* "-": standard input, in chunks */
    const char *path;           /* of the API */
    const char *type;           /* media type */
    const char *headers[6];
};
/* PUT a file, streamed; caller owns the reply's JSON. */
bool transfer_put(struct invocation *in, const struct transfer_put *put, json_t **ret, struct su_err *err);

struct transfer_get {
    const char *path;           /* of the API */
    const char *file;           /* NULL or "-": standard output */
    const char *sha256;         /* expected, or NULL: unchecked */
    int64_t size;               /* expected, or -1 */
    bool is_resumed;            /* go on where an earlier try ended */
};
/* Into FILE by way of FILE.part, which stays when the transfer breaks off. */
bool transfer_get(struct invocation *in, const struct transfer_get *get, struct su_err *err);

/* Media type by the file's ending; NULL when the ending says nothing. */
const char *transfer_type(const char *file);
/* Last part of a path. Borrowed. */
const char *transfer_base(const char *file);
