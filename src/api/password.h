/* Passwords and secrets: argon2id, and comparisons in constant time.  Layer api; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "base/seal.h"

enum { PASSWORD_HASH_SIZE = SU_SLOW_HASH_SIZE, PASSWORD_MIN = 8, PASSWORD_MAX = 1024 };

/* argon2id with libsodium's interactive cost (64 MiB, some 0.1 s): callers take turns. */
bool password_hash(const char *password, char ret_hash[static PASSWORD_HASH_SIZE], struct su_err *err);
/* hash NULL: takes as long, and is false. */
bool password_check(const char *password, const char *hash);
/* In a time that depends on the lengths only. */
bool password_same(const void *a, const void *b, size_t len);
bool password_same_text(const char *a, const char *b);
