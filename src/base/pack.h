/* Packed bytes: zstd, one buffer at a time.  Layer base; any thread. */
#pragma once
#include "str.h"

/* Append data as one zstd frame that tells its size; level 1 (fast) .. 19.  False only past ret's maximum. */
bool su_pack(struct su_str data, int level, struct su_buf *ret, struct su_err *err);
/* Open packed bytes (any number of zstd frames) to the end of ret: SU_LIMIT past `max` opened bytes (checked as they
 * come out, so a small body can't grow large), SU_INVALID when damaged or not zstd. */
bool su_unpack(struct su_str packed, size_t max, struct su_buf *ret, struct su_err *err);
/* Open one frame that must give exactly `size` bytes at `ret`. */
bool su_unpack_into(struct su_str packed, void *ret, size_t size, struct su_err *err);
