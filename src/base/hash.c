/* Hashes: see hash.h.  The only user of openssl/evp.h and xxhash.h.  Layer base. */
#include "hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "str.h"

struct su_sha256 { EVP_MD_CTX *context; };

static void begin(struct su_sha256 *hash) { su_assert(EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) == 1); }

struct su_sha256 *su_sha256_new(void)
{
    struct su_sha256 *hash = su_alloc(sizeof *hash);
    hash->context = EVP_MD_CTX_new();
    su_assert(hash->context);
    begin(hash);
    return hash;
}

void su_sha256_free(struct su_sha256 *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->context);
    free(hash);
}

void su_sha256_add(struct su_sha256 *hash, const void *data, size_t len)
{
    su_assert(EVP_DigestUpdate(hash->context, data, len) == 1);
}

void su_sha256_end(struct su_sha256 *hash, uint8_t digest[static SU_SHA256_SIZE])
{
    su_assert(EVP_DigestFinal_ex(hash->context, digest, NULL) == 1);
    begin(hash);
}

void su_sha256_of(const void *data, size_t len, uint8_t digest[static SU_SHA256_SIZE])
{
    su_assert(EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) == 1);
}

void su_sha1_of(const void *data, size_t len, uint8_t digest[static SU_SHA1_SIZE])
{
    su_assert(EVP_Digest(data, len, digest, NULL, EVP_sha1(), NULL) == 1);
}

void su_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t digest[static SU_SHA256_SIZE])
{
    size_t size = 0;
    su_assert(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, key_len, data, len, digest, SU_SHA256_SIZE, &size) != NULL);
    su_assert(size == SU_SHA256_SIZE);
}

void su_base64(const uint8_t *data, size_t len, char *text)
{
    su_assert(len < INT32_MAX / 2);
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
}

void su_hex(const uint8_t *data, size_t len, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
}

uint64_t su_hash64(const void *data, size_t len) { return XXH3_64bits(data, len); }
