/* Signatures of webhooks, as Standard Webhooks has them (HMAC-SHA256 over "id.timestamp.body").  Layer act; pure.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md */
#pragma once
#include "base/str.h"

enum { SIGNATURE_SIZE = 3 + 44 + 1 };
/* "v1,<base64>".  A secret that begins with "whsec_" is the base64 of the key, any other one is the key itself.
 * SU_INVALID when what stands behind "whsec_" is no base64. */
bool signature_make(struct su_str secret, const char *id, int64_t timestamp_s, struct su_str body, char ret[static SIGNATURE_SIZE],
                    struct su_err *err);
