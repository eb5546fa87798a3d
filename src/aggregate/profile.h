/* From bytes to a preview, in one pass.  Layer aggregate; pure but for its reader.
 *
 * Decides what a file is (CSV in any dialect, NDJSON, JSON, text, binary), then
 * reads it to its end in constant memory: a buffer that grows to record_max at
 * most, and the columns' tables (column.h), together below 64 MiB. */
#pragma once
#include "base/json.h"
#include <stdatomic.h>
#include "decode.h"

enum profile_hint { PROFILE_UNKNOWN, PROFILE_CSV, PROFILE_JSON, PROFILE_NDJSON, PROFILE_TEXT, PROFILE_HINT_COUNT };
/* What name and media type promise; ".gz" is looked through. */
enum profile_hint profile_hint_of(const char *name, const char *type);

enum { PROFILE_SAMPLE_ROWS = 50, PROFILE_COLUMNS_MAX = 1024 };

struct profile_options {
    enum profile_hint hint;
    uint64_t seed;              /* of hashes: from the content's own hash, say */
    size_t record_max;          /* bytes of one record; 0: 16 MiB */
    uint64_t text_max;          /* bytes looked at; 0: 64 GiB */
    struct decode_limits decode;
    const atomic_bool *stop;    /* SU_CANCELLED soon after it is true; or NULL */
};

/* {"kind","encoding","delimiter","quote","header","compression","rows","ragged_rows","columns","sample","complete",
 *  "warnings"} (new reference).  Fails only when read does or on stop: whatever is wrong with the file is a warning. */
bool profile_run(decode_read_fn *read, void *arg, const struct profile_options *options, json_t **ret, struct su_err *err);
