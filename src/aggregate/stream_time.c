/* What a field holds as event time.  Layer aggregate; pure. */
#include <math.h>
#include "stream_private.h"
#include "value.h"

/* Years 0000 to 9999, in microseconds. */
#define TIME_MIN_US (-62167219200LL * 1000000)
#define TIME_MAX_US (253402300799LL * 1000000 + 999999)

/* Seconds, milli-, micro- or nanoseconds, by magnitude: the ranges of plausible dates (1973 to 5138) don't meet. */
static enum stream_time_format guess(double number)
{
    double size = fabs(number);
    return size < 1e11 ? STREAM_TIME_S : size < 1e14 ? STREAM_TIME_MS : size < 1e17 ? STREAM_TIME_US : STREAM_TIME_NS;
}

static bool within(double us, int64_t *ret_us)
{
    if (!(us >= (double)TIME_MIN_US && us <= (double)TIME_MAX_US))
        return false;
    *ret_us = (int64_t)llround(us);
    return true;
}

static bool of_number(const struct value *value, enum stream_time_format format, int64_t *ret_us)
{
    bool is_whole = value->class == VALUE_INTEGER;
    double number = is_whole ? (double)value->integer : value->number;
    if (format == STREAM_TIME_AUTO)
        format = guess(number);
    static const double scale[STREAM_TIME_FORMAT_COUNT] = {
        [STREAM_TIME_S] = 1e6, [STREAM_TIME_MS] = 1e3, [STREAM_TIME_US] = 1, [STREAM_TIME_NS] = 1e-3};
    if (scale[format] == 0)
        return false;
    if (!within(number * scale[format], ret_us))
        return false;
    if (is_whole && format == STREAM_TIME_NS) /* exact, where a double is not */
        *ret_us = value->integer / 1000 - (value->integer % 1000 < 0);
    return true;
}

bool stream_time_of(const struct block_value *given, enum stream_time_format format, int64_t *ret_us)
{
    struct value value;
    switch (given->kind) {
    case BLOCK_INT:
        value = (struct value){.class = VALUE_INTEGER, .integer = given->integer};
        break;
    case BLOCK_FLOAT:
        value = (struct value){.class = VALUE_NUMBER, .number = given->number};
        break;
    case BLOCK_TEXT:
        value = value_of(given->text.ptr, given->text.len);
        break;
    case BLOCK_BOOL:
    case BLOCK_JSON:
    default:
        return false;
    }
    if (value.class == VALUE_INTEGER || value.class == VALUE_NUMBER)
        return format != STREAM_TIME_RFC3339 && of_number(&value, format, ret_us);
    if (value.class != VALUE_DATETIME || (format != STREAM_TIME_RFC3339 && format != STREAM_TIME_AUTO))
        return false;
    *ret_us = value.integer;
    return true;
}
