/* Sealing and its kin: authenticated encryption, slow hashes of passwords, comparison in constant time, wiping.
 * Layer base; any thread.  seal.c is the server's one user of sodium.h. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "str.h"

enum { SU_SEAL_KEY_SIZE = 32, SU_SEAL_EXTRA = 24 + 16, SU_SLOW_HASH_SIZE = 128 };

/* XChaCha20-Poly1305 with a random nonce: ret gets plain.len + SU_SEAL_EXTRA bytes, the nonce first.  `about` is not
 * stored: the seal opens only beside the same text, so a sealed value can't be moved to another's place. */
void su_seal(const uint8_t key[static SU_SEAL_KEY_SIZE], struct su_str about, struct su_str plain, uint8_t *ret);
/* ret gets sealed.len - SU_SEAL_EXTRA bytes.  False: another key, another place, or changed. */
bool su_unseal(const uint8_t key[static SU_SEAL_KEY_SIZE], struct su_str about, struct su_str sealed, char *ret);

/* Memory that is kept out of swap and core files where the system allows, and wiped when freed; zeroed. Never NULL. */
void *su_guarded_alloc(size_t size);
void su_guarded_free(void *pointer, size_t size);
/* Zeroes that no compiler leaves out. */
void su_wipe(void *data, size_t len);

/* argon2id at libsodium's interactive cost (64 MiB, some 0.1 s); false without the memory for it. */
bool su_slow_hash(struct su_str password, char ret_hash[static SU_SLOW_HASH_SIZE]);
bool su_slow_hash_is(struct su_str password, const char *hash);
/* In a time that depends on len only. */
bool su_same(const void *a, const void *b, size_t len);
