/* Passwords: see password.h.  Layer api; any thread. */
#include "password.h"

#include <string.h>

bool password_hash(const char *password, char ret_hash[static PASSWORD_HASH_SIZE], struct su_err *err)
{
    size_t length = strlen(password);
    if (length < PASSWORD_MIN || length > PASSWORD_MAX)
        return su_fail_field(err, SU_INVALID, "password", "password: must have %d to %d bytes", PASSWORD_MIN, PASSWORD_MAX);
    return su_slow_hash((struct su_str){password, length}, ret_hash) || su_fail(err, SU_UNAVAILABLE, "not enough memory to hash a password");
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
    return su_slow_hash_is((struct su_str){password, length}, hash);
}

bool password_same(const void *a, const void *b, size_t len) { return su_same(a, b, len); }

bool password_same_text(const char *a, const char *b)
{
    size_t length = strlen(a);
    return length == strlen(b) && password_same(a, b, length);
}
