/* The insides of accounts, for accounts.c and people.c only.  Layer api. */
#pragma once
#include "accounts.h"
#include "base/hash.h"
#include "base/thread.h"
#include "limits.h"

enum { CREDENTIAL_BUCKETS = 1024, SECRET_SIZE = 40, THROTTLES = 512 };
#define SCOPES_ALL ((1u << SCOPE_COUNT) - (1u << SCOPE_OBJECTS_READ))
#define SCOPES_USER (SCOPES_ALL & ~(1u << SCOPE_ADMIN))
#define SCOPES_RUN (1u << SCOPE_OBJECTS_READ | 1u << SCOPE_OBJECTS_WRITE | 1u << SCOPE_STREAMS_READ | 1u << SCOPE_STREAMS_WRITE)

struct known {                  /* a live credential in memory */
    struct known *next;
    struct identity identity;
    uint8_t hash[SU_SHA256_SIZE];
};

struct throttle { char key[160]; uint32_t failures; int64_t until_ms; };

struct accounts {
    struct store *store;
    const struct limits *limits;
    struct su_lock lock;        /* known, throttles, sha256 */
    struct su_sha256 *sha256;   /* for secrets that are presented; made once, since each request needs it */
    struct known *known[CREDENTIAL_BUCKETS];
    size_t known_count;
    struct throttle throttles[THROTTLES];
    struct su_lock hashing;     /* one argon2id at a time: 64 MiB each */
};

struct credential_new {
    struct accounts *accounts;
    struct identity *identity;
    const char *name;           /* of a token; or "" */
    uint8_t hash[SU_SHA256_SIZE];
    uint64_t count_max;         /* tokens of the tenant; 0: no limit */
};
/* A new credential: rows, then memory.  identity->id is filled. */
bool credential_make(struct accounts *accounts, struct identity *identity, const char *name,
                     char ret_text[static ACCOUNT_TOKEN_SIZE], struct su_err *err);
bool accounts_identify_code(struct accounts *accounts, struct su_str code, struct identity *ret);
/* Drop from memory what `matches` says. */
void known_drop(struct accounts *accounts, bool (*matches)(const struct identity *identity, const void *arg), const void *arg);
bool name_check(const char *name, const char *what, struct su_err *err);
