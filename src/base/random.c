/* Random identifiers and secrets: see random.h.  Layer base; any thread. */
#include "random.h"

#include <stdint.h>
#include <sys/random.h>

#include "clock.h"

void su_random(void *data, size_t len)
{
    char *at = data;
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        su_assert(got > 0);
        at += got;
        len -= (size_t)got;
    }
}

const char *su_id(char id[static SU_ID_SIZE])
{
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t time_ms = (uint64_t)su_now_ms();
    uint8_t noise[16];
    su_random(noise, sizeof noise);
    for (int i = 9; i >= 0; i--, time_ms >>= 5)
        id[i] = alphabet[time_ms & 31];
    for (int i = 0; i < 16; i++)
        id[10 + i] = alphabet[noise[i] & 31];
    id[26] = '\0';
    return id;
}

void su_secret(char *text, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < len; i++) {
        uint8_t noise;
        su_random(&noise, 1);
        text[i] = alphabet[noise & 63];
    }
    text[len] = '\0';
}
