/* Passwords: see password.h.  Layer api; any thread. */
#include "password.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

bool password_hash(const char *password, char ret_hash[static PASSWORD_HASH_SIZE], struct su_err *err)
{
    size_t length = strlen(password);
    if (length < PASSWORD_MIN || length > PASSWORD_MAX)
        return su_fail_field(err, SU_INVALID, "password", "password: must have %d to %d bytes", PASSWORD_MIN, PASSWORD_MAX);
    int failed = crypto_pwhash_str(ret_hash, password, length, crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE);
    return !failed || su_fail(err, SU_UNAVAILABLE, "not enough memory to hash a password");
}

bool password_check(const char *password, const char *hash)
{
    char scratch[PASSWORD_HASH_SIZE];
    struct su_err err;
    size_t length = strlen(password);
    if (length > PASSWORD_MAX)
        return false;
    if (!hash) {
        password_hash("a password nobody has", scratch, &err);
        return false;
    }
    return crypto_pwhash_str_verify(hash, password, length) == 0;
}

bool password_same(const void *a, const void *b, size_t len) { return sodium_memcmp(a, b, len) == 0; }

bool password_same_text(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && password_same(a, b, length);
}
