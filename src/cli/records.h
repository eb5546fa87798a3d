/* Records of a file or a pipe, one JSON text each.  Layer cli; main thread.
 *
 * NDJSON and text: a line each.  CSV: an object a row, named by the header, its
 * values typed as the preview types them: numbers and booleans become JSON's,
 * what stands for "not known" becomes null, the rest stays text.  JSON: one
 * value, or a list of records; it is read as a whole (RECORDS_JSON_MAX).
 *
 * Lines are handed over as they come, so a slow pipe is followed line by line. */
#pragma once
#include <stdint.h>
#include "base/str.h"

enum records_format { RECORDS_NDJSON, RECORDS_CSV, RECORDS_JSON, RECORDS_TEXT, RECORDS_FORMAT_COUNT };
enum { RECORDS_JSON_MAX = 256 << 20, RECORDS_LINE_MAX = 32 << 20 };

/* By name ("ndjson", "csv", "json", "text"). */
bool records_format_of(const char *name, enum records_format *ret, struct su_err *err);
/* By the ending of a file's name, else by its media type (or NULL); NDJSON when neither says. */
enum records_format records_format_guess(const char *file, const char *type);
/* Media type of a batch of such records, each on a line of its own. */
const char *records_batch_type(enum records_format format);

/* One record without line end; number counts records from 1. False (err filled) ends the reading. */
typedef bool records_fn(void *arg, struct su_str record, uint64_t number, struct su_err *err);

struct records;
struct records *records_new(enum records_format format, int fd, const char *name);
void records_free(struct records *records);
static inline void records_free_pointer(struct records **records) { records_free(*records); }
#define RECORDS_AUTO SU_CLEANUP(records_free_pointer)

enum records_state { RECORDS_CAME, RECORDS_QUIET, RECORDS_END };
/* Waits until bytes have come (then fn gets every record they complete), wait_ms
 * have passed in silence (-1: no limit), or the input has ended. */
bool records_read(struct records *records, int wait_ms, records_fn *fn, void *arg, enum records_state *ret, struct su_err *err);
/* Bytes read so far. */
uint64_t records_bytes(const struct records *records);
