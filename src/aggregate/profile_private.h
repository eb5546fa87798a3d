/* The buffer and the result that the kinds of files share (profile*.c).  Layer aggregate. */
#pragma once
#include "base/json.h"
#include "csv.h"
#include "json_rows.h"
#include "profile.h"

struct profile {
    const struct profile_options *options;
    struct decoder *decoder;
    size_t record_max;
    char *buffer;               /* capacity + CSV_PADDING; capacity grows to record_max and a little more */
    size_t capacity, at, end;   /* text not used yet: buffer[at..end) */
    bool is_last;               /* nothing comes after end */
    bool is_partial;            /* the file was not read to its end */
    uint64_t text_bytes;
    json_t *warnings, *sample;
    size_t sample_bytes;
};

/* More text behind end, in a larger buffer when it is full; *ret_is_full: it has record_max bytes already. */
bool profile_fill(struct profile *profile, bool *ret_is_full, struct su_err *err);
void profile_warn(struct profile *profile, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline size_t profile_left(const struct profile *profile) { return profile->end - profile->at; }
/* The text to look at, at most `max` bytes, and whether nothing comes after it: how the reader cuts its pieces must not show. */
static inline size_t profile_window(const struct profile *profile, size_t max, bool *ret_is_last)
{
    *ret_is_last = profile->is_last && profile_left(profile) <= max;
    return profile_left(profile) <= max ? profile_left(profile) : max;
}
enum { PROFILE_SNIFF = 256 << 10 };

/* Each fills its part of json, or leaves *ret_is_it false having used nothing. */
bool profile_csv(struct profile *profile, json_t *json, bool *ret_is_it, struct su_err *err);
bool profile_json(struct profile *profile, json_t *json, bool *ret_is_it, struct su_err *err);
