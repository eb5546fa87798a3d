/* Time.  Layer base; any thread.  Durations come from the monotonic clock. */
#pragma once
#include <stdint.h>
#include "str.h"

int64_t su_now_ms(void);        /* milliseconds since 1970, UTC */
int64_t su_now_us(void);
int64_t su_mono_ns(void);       /* monotonic */
int64_t su_mono_ms(void);

enum { SU_TIME_TEXT = 32 };
/* RFC 3339 in UTC with milliseconds: 2013-09-05T20:30:00.000Z */
const char *su_time_text(int64_t at_ms, char text[static SU_TIME_TEXT]);
bool su_time_parse(struct su_str text, int64_t *ret_ms);
