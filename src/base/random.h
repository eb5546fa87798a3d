/* Random identifiers and secrets, from the kernel's generator.  Layer base; any thread. */
#pragma once
#include <stddef.h>

void su_random(void *data, size_t len);
enum { SU_ID_SIZE = 27 };   /* 26 characters and NUL */
/* A sortable identifier: 48 bits of time and 80 of randomness in Crockford's base 32, lower case (ULID). */
const char *su_id(char id[static SU_ID_SIZE]);
/* len characters of [A-Za-z0-9_-], 6 bits each, and NUL. */
void su_secret(char *text, size_t len);
