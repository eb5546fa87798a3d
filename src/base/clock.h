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

/* A wall clock that does not follow a step of the system's clock until it has lasted: forward or back by more than a
 * second, for a minute.  So a clock set wrong for a moment dates nothing in 2099, and small corrections are followed at
 * once, never backwards.  One per use, guarded by its owner; {0} to begin. */
struct su_steady { int64_t offset_us, last_us, strange_since_us; bool is_set; };
int64_t su_steady_at(struct su_steady *steady, int64_t mono_us, int64_t real_us);   /* pure */
int64_t su_steady_now(struct su_steady *steady);

enum { SU_TIME_TEXT_US = 40 };
/* RFC 3339 in UTC with microseconds: 2013-09-05T20:30:00.000000Z */
const char *su_time_text_us(int64_t at_us, char text[static SU_TIME_TEXT_US]);
