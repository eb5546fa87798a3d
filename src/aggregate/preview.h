/* Previews: what a table holds, without loading it.  Layer aggregate; any thread, work happens on the caller's.
 *
 * One pass over the bytes in constant memory, whatever the size: the kind of
 * file, its encoding and delimiter, and per column the type, counts, extremes,
 * mean, distinct values and the most frequent ones (column.h says how).
 *
 * The result is kept by tenant and content (a note of blobref.h: no table of its
 * own), so a second look is a row read.
 * Several callers for the same content compute it once; large previews run at
 * most `parallel` at a time, and callers past `waiting` get SU_UNAVAILABLE:
 * park them on the topic preview_topic() gives, it fires when one is done. */
#pragma once
#include "object.h"

struct previews;
struct previews_options {
    unsigned parallel;          /* large previews at once; 0: 1 */
    unsigned waiting;           /* callers blocked at once, computing ones included; 0: 2 */
};

bool previews_open(struct store *store, struct su_bus *bus, const struct previews_options *options,
                   struct previews **ret, struct su_err *err);
void previews_close(struct previews *previews);

/* The preview of that version (new reference): {"name","version","kind",…,"columns","sample","warnings"} as in
 * docs/reference/objects.md.  A file that is no table has a preview too (kind "text" or "binary", no columns). */
bool preview_get(struct previews *previews, const char *tenant, const struct object_info *info,
                 json_t **ret, struct su_err *err);
/* Where the end of large previews is announced. */
const char *preview_topic(void);
