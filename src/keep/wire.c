/* See wire.h.  Layer keep; pure. */
#include "keep/wire.h"
#include <sodium.h>
#include <string.h>
#include "base/random.h"

static const char delimiter[] = "<IDS|MSG>";

void wire_key_make(struct wire_key *ret) {
    su_secret(ret->text, WIRE_KEY);
}

void wire_sign(const struct wire_key *key, const struct wire_message *message, char hex[static WIRE_HEX]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)key->text, strlen(key->text));
    for (int i = 0; i < WIRE_PARTS; i++)
        crypto_auth_hmacsha256_update(&state, (const unsigned char *)message->part[i].ptr, message->part[i].len);
    unsigned char digest[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_final(&state, digest);
    sodium_bin2hex(hex, WIRE_HEX, digest, sizeof digest);
}

bool wire_open(const struct wire_key *key, const struct su_str *frames, size_t count, struct wire_message *ret) {
    size_t at = 0;
    while (at < count && !su_str_equal(frames[at], SU_STR(delimiter))) at++;
    if (count < at + 2 + WIRE_PARTS) return false;
    struct wire_message message;
    memcpy(message.part, &frames[at + 2], sizeof message.part);
    char hex[WIRE_HEX];
    wire_sign(key, &message, hex);
    if (frames[at + 1].len != WIRE_HEX - 1 || sodium_memcmp(frames[at + 1].ptr, hex, WIRE_HEX - 1) != 0) return false;
    *ret = message;
    return true;
}

void wire_header(struct su_buf *out, const char *message_id, const char *session, const char *type, const char *at,
                 const char *subshell) {
    su_buf_addf(out,
        "{\"msg_id\":\"%s\",\"session\":\"%s\",\"username\":\"suricate\",\"date\":\"%s\",\"msg_type\":\"%s\",\"version\":\"5.3\"",
        message_id, session, at, type);
    if (*subshell) su_buf_addf(out, ",\"subshell_id\":\"%s\"", subshell);
    su_buf_addc(out, '}');
}
