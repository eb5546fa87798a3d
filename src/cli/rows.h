/* A table in a file as JSON rows, to be scored.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

enum { ROWS_SENT_MAX = 100000 };
/* CSV, NDJSON or JSON by its name ("-": standard input as NDJSON): a list of objects, at most ROWS_SENT_MAX. */
bool rows_read(const char *file, json_t **ret, struct su_err *err);
