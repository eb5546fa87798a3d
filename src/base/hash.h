/* Hashes: SHA-256 of content by OpenSSL (uses the processor's instructions); 64 bits of XXH3 for tables and
 * checksums.  Layer base. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { SU_SHA256_SIZE = 32, SU_SHA256_HEX = 65 };
struct su_sha256;
struct su_sha256 *su_sha256_new(void);
void su_sha256_free(struct su_sha256 *hash);
static inline void su_sha256_free_pointer(struct su_sha256 **hash) { su_sha256_free(*hash); }
void su_sha256_add(struct su_sha256 *hash, const void *data, size_t len);
void su_sha256_end(struct su_sha256 *hash, uint8_t digest[static SU_SHA256_SIZE]);  /* then reusable */
void su_sha256_of(const void *data, size_t len, uint8_t digest[static SU_SHA256_SIZE]);
/* SHA-1, for protocols that ask for it (WebSocket's handshake); not for anything that must hold. */
enum { SU_SHA1_SIZE = 20 };
void su_sha1_of(const void *data, size_t len, uint8_t digest[static SU_SHA1_SIZE]);
/* Lower-case hex of len bytes into text (2*len + 1). */
void su_hex(const uint8_t *data, size_t len, char *text);
/* Base64 with padding, NUL-terminated; text holds SU_BASE64_SIZE(len). */
#define SU_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void su_base64(const uint8_t *data, size_t len, char *text);
/* XXH3, 64 bits with seed 0: fast, well mixed, not against an adversary. */
uint64_t su_hash64(const void *data, size_t len);
/* HMAC-SHA256. */
void su_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, uint8_t digest[static SU_SHA256_SIZE]);
