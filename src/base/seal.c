/* Sealing and its kin: see seal.h.  Layer base; any thread. */
#include "seal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "random.h"

_Static_assert(SU_SEAL_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's key");
_Static_assert(SU_SEAL_EXTRA == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "nonce and tag");
_Static_assert(SU_SLOW_HASH_SIZE == crypto_pwhash_STRBYTES, "the hash's text");

enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES };

static const uint8_t *bytes(struct su_str text) { return (const uint8_t *)text.ptr; }

void su_seal(const uint8_t key[static SU_SEAL_KEY_SIZE], struct su_str about, struct su_str plain, uint8_t *ret)
{
    su_random(ret, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(ret + NONCE, NULL, bytes(plain), plain.len, bytes(about), about.len, NULL, ret, key);
}

bool su_unseal(const uint8_t key[static SU_SEAL_KEY_SIZE], struct su_str about, struct su_str sealed, char *ret)
{
    if (sealed.len < SU_SEAL_EXTRA)
        return false;
    return crypto_aead_xchacha20poly1305_ietf_decrypt((uint8_t *)ret, NULL, NULL, bytes(sealed) + NONCE, sealed.len - NONCE,
                                                      bytes(about), about.len, bytes(sealed), key) == 0;
}

void *su_guarded_alloc(size_t size)
{
    size_t room = (size + 4095) & ~(size_t)4095;
    void *pointer = aligned_alloc(4096, room);  /* whole pages: what is locked is nobody else's */
    su_assert(pointer != NULL);
    memset(pointer, 0, room);
    (void)mlock(pointer, room);
    (void)madvise(pointer, room, MADV_DONTDUMP);
    return pointer;
}

void su_guarded_free(void *pointer, size_t size)
{
    if (!pointer)
        return;
    size_t room = (size + 4095) & ~(size_t)4095;
    sodium_memzero(pointer, room);
    (void)madvise(pointer, room, MADV_DODUMP);
    (void)munlock(pointer, room);
    free(pointer);
}

void su_wipe(void *data, size_t len) { sodium_memzero(data, len); }

bool su_slow_hash(struct su_str password, char ret_hash[static SU_SLOW_HASH_SIZE])
{
    return crypto_pwhash_str(ret_hash, password.ptr, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
}

bool su_slow_hash_is(struct su_str password, const char *hash)
{
    return crypto_pwhash_str_verify(hash, password.ptr, password.len) == 0;
}

bool su_same(const void *a, const void *b, size_t len) { return sodium_memcmp(a, b, len) == 0; }
