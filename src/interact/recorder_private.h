/* The text form of a run's outputs, from a recorder or from a stored notebook.  Layer interact; pure. */
#pragma once
#include "base/json.h"
#include "base/str.h"

struct outputs_cell {
    const char *id;
    int index;
    const char *status;
    int64_t count;
    const char *started_at, *ended_at;
};
/* Up to and with `"outputs":[`. */
void outputs_cell_begin(struct su_buf *out, const struct outputs_cell *cell);
/* A JSON string. */
void outputs_text(struct su_buf *out, struct su_str text);
void outputs_json(struct su_buf *out, const json_t *value);
/* Between two RFC 3339 times; 0 when one is not. */
double outputs_seconds_between(const char *from, const char *to);
