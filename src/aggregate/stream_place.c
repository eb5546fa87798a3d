/* Where to read from: offsets, times and durations as people write them.  Layer aggregate; any thread. */
#include <string.h>
#include "stream_private.h"
#include "value.h"

static bool time_of(const char *text, int64_t *ret_us)
{
    struct value value = value_of_string(text, strlen(text));
    *ret_us = value.integer;
    return value.class == VALUE_DATETIME;
}

/* "60s" before the largest event time. */
static bool before_high(const char *text, int64_t high_us, int64_t *ret_us)
{
    uint64_t ms;
    if (!su_str_duration_ms(su_str_of(text), &ms) || ms > (uint64_t)36600 * 86400000)
        return false;
    *ret_us = high_us == INT64_MIN ? INT64_MIN : high_us - (int64_t)ms * 1000 + 1;
    return true;
}

/* *ret_is_time: *ret_us is meant, else *ret. */
static bool read_place(struct sql *db, const struct stream *stream, const char *field, const char *text, uint64_t *ret,
                       int64_t *ret_us, bool *ret_is_time, struct su_err *err)
{
    uint64_t next;
    int64_t high_us;
    if (!log_end(db, stream->log, &next, &high_us, err))
        return false;
    *ret_is_time = false;
    *ret = 0;
    if (strcmp(text, "earliest") == 0 || su_str_u64(su_str_of(text), INT64_MAX, ret))
        return true;
    if (strcmp(text, "latest") == 0) {
        *ret = next;
        return true;
    }
    *ret_is_time = true;
    return time_of(text, ret_us) || before_high(text, high_us, ret_us) ||
           su_fail_field(err, SU_INVALID, field,
                         "%s must be an offset, earliest, latest, a time like 2013-09-05T20:30:00Z or a duration like "
                         "60s, was \"%.64s\"",
                         field, text);
}

bool stream_position(struct streams *streams, struct stream *stream, struct sql *db, const char *text, uint64_t *ret,
                     struct su_err *err)
{
    int64_t at_us;
    bool is_time, is_found;
    if (!read_place(db, stream, "from", text, ret, &at_us, &is_time, err))
        return false;
    return !is_time || log_find_time(streams->logs, db, stream->log, at_us, ret, &is_found, err);
}

bool stream_range(struct streams *streams, struct stream *stream, struct sql *db, const char *from, const char *to,
                  const char *last, struct log_range *ret, struct su_err *err)
{
    bool is_time, is_found;
    uint64_t next;
    int64_t high_us;
    if (!log_end(db, stream->log, &next, &high_us, err))
        return false;
    *ret = (struct log_range){0, next, INT64_MIN, INT64_MAX};
    if (last && (from || to))
        return su_fail_field(err, SU_INVALID, "last", "last does not go with from and to: give one or the other");
    if (last && !before_high(last, high_us, &ret->time_from_us))
        return su_fail_field(err, SU_INVALID, "last", "last must be a duration like 60s, 5m or 2h, was \"%.64s\"",
                             last);
    if (from) {
        if (!read_place(db, stream, "from", from, &ret->from, &ret->time_from_us, &is_time, err))
            return false;
        if (!is_time)
            ret->time_from_us = INT64_MIN;
    }
    if (to) {
        uint64_t offset;
        if (!read_place(db, stream, "to", to, &offset, &ret->time_to_us, &is_time, err))
            return false;
        if (!is_time) {
            ret->time_to_us = INT64_MAX;
            ret->to = offset < next ? offset : next;
        }
    }
    /* Everything before the first offset that reached that time is earlier. */
    if (ret->time_from_us != INT64_MIN &&
        !log_find_time(streams->logs, db, stream->log, ret->time_from_us, &ret->from, &is_found, err))
        return false;
    if (ret->from > ret->to)
        ret->from = ret->to;
    return true;
}
