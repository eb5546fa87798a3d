/* Signatures: see signature.h.  Layer act; pure. */
#include "signature.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "base/seal.h"
#include "interact/recorder.h"

static bool key_of(struct su_str secret, char **ret, size_t *ret_len, struct su_err *err)
{
    static const struct su_str prefix = {"whsec_", 6};
    if (!su_str_starts(secret, prefix)) {
        *ret = su_strndup(secret.ptr, secret.len);
        *ret_len = secret.len;
        return true;
    }
    char *key;
    size_t len;
    if (recorded_base64((struct su_str){secret.ptr + prefix.len, secret.len - prefix.len}, &key, &len)) {
        if (len > 0) {
            *ret = key;
            *ret_len = len;
            return true;
        }
        free(key);
    }
    return su_fail(err, SU_INVALID, "the secret begins with whsec_, but what follows is no base64");
}

bool signature_make(struct su_str secret, const char *id, int64_t timestamp_s, struct su_str body, char ret[static SIGNATURE_SIZE],
                    struct su_err *err)
{
    char *key, text[45];
    size_t key_len;
    uint8_t mac[SU_SHA256_SIZE];
    SU_AUTO_BUF struct su_buf signed_text = SU_BUF(body.len + 256);
    su_buf_addf(&signed_text, "%.64s.%lld.", id, (long long)timestamp_s);
    su_buf_add(&signed_text, body.ptr, body.len);
    if (!key_of(secret, &key, &key_len, err))
        return false;
    su_hmac_sha256(key, key_len, signed_text.ptr, signed_text.len, mac);
    su_wipe(key, key_len);
    free(key);
    su_base64(mac, sizeof mac, text);
    snprintf(ret, SIGNATURE_SIZE, "v1,%s", text);
    return true;
}
