/* What commands about streams share.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

/* "/v1/streams/NAME" and rest, encoded; caller frees. */
char *stream_path(const char *name, const char *rest);
/* Every member of a record in a row, members of members under names with dots; then its lists of records as tables. */
void stream_print_record(const json_t *record);
/* What people want to know of a stream's record: where messages come from, what is there, its fields. */
void stream_print_summary(const json_t *record);
