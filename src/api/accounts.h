/* Who may do what: tenants, users, tokens, sessions, one-time login codes.  Layer api; any thread.
 *
 * Tokens and sessions are looked up in memory (the edge asks on every request);
 * the tables are the truth and are written first.  A revoked credential stops
 * working before the call that revoked it returns.
 *
 * A token is `su_<id>_<secret>`; only SHA-256 of the secret is stored.  Secrets
 * have 240 random bits, so a fast hash is enough; passwords go through argon2id. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "store/store.h"

struct accounts;
struct limits;

enum scope {
    SCOPE_OPEN,             /* a route that needs no credential */
    SCOPE_ANY,              /* a route that takes any credential but a figures one */
    SCOPE_OBJECTS_READ, SCOPE_OBJECTS_WRITE,
    SCOPE_NOTEBOOKS_READ, SCOPE_NOTEBOOKS_WRITE,
    SCOPE_RUNS_READ, SCOPE_RUNS_WRITE,
    SCOPE_RECIPES_READ, SCOPE_RECIPES_WRITE,
    SCOPE_FIGURES_READ,
    SCOPE_ADMIN,
    SCOPE_STREAMS_READ, SCOPE_STREAMS_WRITE,            /* sets are stored as numbers: new ones come last */
    SCOPE_ACTIONS_WRITE, SCOPE_SECRETS_WRITE,
    SCOPE_COUNT
};
/* A set of scopes is a uint32_t of 1u << enum scope. */
const char *scope_name(enum scope scope);
bool scopes_parse(const json_t *list, uint32_t *ret, struct su_err *err);  /* names, or "*" for all but admin */
json_t *scopes_list(uint32_t set);

enum { ACCOUNT_NAME_SIZE = 64, ACCOUNT_TOKEN_SIZE = 80, ACCOUNT_CSRF_SIZE = 44 };
enum credential { CREDENTIAL_NONE, CREDENTIAL_TOKEN, CREDENTIAL_RUN, CREDENTIAL_SESSION, CREDENTIAL_CODE, CREDENTIAL_COUNT };

struct identity {
    enum credential credential;
    char tenant[ACCOUNT_NAME_SIZE];
    char user[ACCOUNT_NAME_SIZE];
    char id[32];            /* of the token or session */
    char run[32];           /* CREDENTIAL_RUN: the run's id; else "" */
    char csrf[ACCOUNT_CSRF_SIZE];   /* CREDENTIAL_SESSION: what X-Suricate-CSRF must hold */
    uint32_t scopes;
    int64_t expires_ms;     /* since 1970; 0: never */
};

extern const struct store_migration accounts_migrations[];

/* Loads the live credentials.  On the first start makes tenant `main`, user
 * `owner` and a token with all scopes, written to <dir>/owner.token (0600). */
bool accounts_open(struct store *store, const struct limits *limits, struct accounts **ret, struct su_err *err);
void accounts_close(struct accounts *accounts);

/* Token text (from a header) to identity; false with no reason given when it is unknown, expired or revoked. */
bool accounts_identify(struct accounts *accounts, struct su_str token, struct identity *ret);
/* The value of the session cookie. */
bool accounts_identify_session(struct accounts *accounts, struct su_str cookie, struct identity *ret);
/* Still valid?  (open event streams ask each second) */
bool accounts_still_valid(struct accounts *accounts, const struct identity *identity);

/* Run tokens: objects and streams, read and write, in the run's name, until revoked or
 * expired.  They survive a restart, as the kernels that hold them do. */
bool accounts_run_token_new(struct accounts *accounts, const char *tenant, const char *run, const char *user,
                            int64_t lifetime_ms, char ret_token[static ACCOUNT_TOKEN_SIZE], struct su_err *err);
void accounts_run_token_end(struct accounts *accounts, const char *tenant, const char *run);

/* Tokens of people.  scopes must be within the user's own. */
struct token_spec { const char *name; uint32_t scopes; int64_t lifetime_ms; /* 0: never ends */ };
bool accounts_token_new(struct accounts *accounts, const struct identity *by, const struct token_spec *spec,
                        char ret_token[static ACCOUNT_TOKEN_SIZE], json_t **ret_token_json, struct su_err *err);
bool accounts_token_list(struct accounts *accounts, const struct identity *by, json_t **ret_items, struct su_err *err);
bool accounts_token_end(struct accounts *accounts, const struct identity *by, const char *id, struct su_err *err);

/* Users (admin), in the caller's tenant.  password may be NULL: no login by password. */
bool accounts_user_new(struct accounts *accounts, const char *tenant, const char *name, const char *password,
                       uint32_t scopes, json_t **ret_user, struct su_err *err);
bool accounts_user_list(struct accounts *accounts, const char *tenant, json_t **ret_items, struct su_err *err);
bool accounts_user_end(struct accounts *accounts, const struct identity *by, const char *name, struct su_err *err);
/* Ends the user's sessions too.  A user changes their own with `old`; an admin (old NULL) anybody's. */
bool accounts_password(struct accounts *accounts, const char *tenant, const char *name, const char *old,
                       const char *new_password, struct su_err *err);

/* Tenants (admin of `main`): makes its user `owner` with a token of all scopes. */
bool accounts_tenant_new(struct accounts *accounts, const char *name, char ret_token[static ACCOUNT_TOKEN_SIZE],
                         json_t **ret_tenant, struct su_err *err);
bool accounts_tenant_list(struct accounts *accounts, json_t **ret_items, struct su_err *err);

/* Sessions.  `peer` (an address) and the user's name are throttled after failures (429). */
enum { ACCOUNT_SESSION_MS = 7 * 24 * 3600 * 1000 };
bool accounts_login(struct accounts *accounts, const char *tenant, const char *user, const char *password, const char *peer,
                    char ret_cookie[static ACCOUNT_TOKEN_SIZE], struct identity *ret, struct su_err *err);
bool accounts_logout(struct accounts *accounts, const struct identity *session, struct su_err *err);
/* One-time codes: 15 minutes, one use. */
bool accounts_code_new(struct accounts *accounts, const struct identity *by, char ret_code[static ACCOUNT_TOKEN_SIZE],
                       int64_t *ret_expires_ms, struct su_err *err);
bool accounts_code_use(struct accounts *accounts, const char *code, const char *peer,
                       char ret_cookie[static ACCOUNT_TOKEN_SIZE], struct identity *ret, struct su_err *err);

/* Removes what has expired (upkeep; at most each few minutes). */
void accounts_sweep(struct accounts *accounts);
