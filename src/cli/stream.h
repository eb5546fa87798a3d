/* What commands about streams share.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

/* "/v1/streams/NAME" and rest, encoded; caller frees. */
char *stream_path(const char *name, const char *rest);
/* What people want to know of a stream's record: where messages come from, what is there, its fields. */
void stream_print_summary(const json_t *record);
