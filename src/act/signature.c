/* Signatures: see signature.h.  Layer act; the layer's only user of OpenSSL. */
#include "signature.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "interact/recorder.h"

static bool key_of(struct su_str secret, char **ret, size_t *ret_len, struct su_err *err)
{
    static const struct su_str prefix = {"whsec_", 6};
    if (!su_str_starts(secret, prefix)) {
        *ret = su_strndup(secret.ptr, secret.len);
        *ret_len = secret.len;
        return true;
    }
    if (recorded_base64((struct su_str){secret.ptr + prefix.len, secret.len - prefix.len}, ret, ret_len))
        return true;
    return su_fail(err, SU_INVALID, "the secret begins with whsec_, but what follows is no base64");
}

bool signature_make(struct su_str secret, const char *id, int64_t timestamp_s, struct su_str body, char ret[static SIGNATURE_SIZE],
                    struct su_err *err)
{
    char *key;
    size_t key_len, mac_len = 0;
    unsigned char mac[32], text[45];
    SU_AUTO_BUF struct su_buf signed_text = SU_BUF(body.len + 256);
    su_buf_addf(&signed_text, "%.64s.%lld.", id, (long long)timestamp_s);
    su_buf_add(&signed_text, body.ptr, body.len);
    if (!key_of(secret, &key, &key_len, err))
        return false;
    bool ok = EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len, (const unsigned char *)signed_text.ptr, signed_text.len, mac,
                        sizeof mac, &mac_len) != NULL;
    OPENSSL_cleanse(key, key_len);
    free(key);
    if (!ok || mac_len != sizeof mac)
        return su_fail(err, SU_INTERNAL, "the signature could not be computed");
    EVP_EncodeBlock(text, mac, sizeof mac);
    snprintf(ret, SIGNATURE_SIZE, "v1,%s", (const char *)text);
    return true;
}
