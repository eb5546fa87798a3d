/* People: users, tenants, passwords, sessions, login codes.  See accounts.h.  Layer api; workers. */
#include "accounts_private.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "password.h"

/* ------------------------------------------------------------- users */

struct user_new { const struct accounts *accounts; const char *tenant, *name, *hash; uint32_t scopes; int64_t now_ms; };

static json_t *user_json(const char *name, uint32_t scopes, bool has_password, int64_t created_ms)
{
    char created[SU_TIME_TEXT];
    return json_pack("{s:s, s:o, s:b, s:s}", "name", name, "scopes", scopes_list(scopes), "has_password", has_password,
                     "created_at", su_time_text(created_ms, created));
}

static bool insert_user(struct sql *db, void *arg, struct su_err *err)
{
    const struct user_new *new = arg;
    int64_t same, all;
    if (!sql_get_int(db, 0, &same, err, "SELECT count(*) FROM users WHERE tenant = ?1 AND name = ?2", sql_text(new->tenant), sql_text(new->name)) ||
        !sql_get_int(db, 0, &all, err, "SELECT count(*) FROM users WHERE tenant = ?1", sql_text(new->tenant)))
        return false;
    if (same)
        return su_fail_field(err, SU_CONFLICT, "/name", "name: there is a user %s already", new->name);
    if ((uint64_t)all >= new->accounts->limits->users)
        return su_fail(err, SU_LIMIT, "limits.users: the tenant has %lld users already", (long long)all);
    return sql_run(db, err, "INSERT INTO users VALUES (?1, ?2, ?3, ?4, ?5)", sql_text(new->tenant), sql_text(new->name),
                   sql_text(new->hash), sql_int(new->scopes), sql_int(new->now_ms));
}

static bool hash_password(struct accounts *accounts, const char *password, char hash[static PASSWORD_HASH_SIZE], struct su_err *err)
{
    SU_LOCKED(&accounts->hashing);
    return password_hash(password, hash, err);
}

bool accounts_user_new(struct accounts *accounts, const char *tenant, const char *name, const char *password,
                       uint32_t scopes, json_t **ret_user, struct su_err *err)
{
    char hash[PASSWORD_HASH_SIZE];
    struct user_new new = {accounts, tenant, name, password ? hash : NULL, scopes, su_now_ms()};
    if (!name_check(name, "/name", err) || (password && !hash_password(accounts, password, hash, err)))
        return false;
    if (!store_write(accounts->store, insert_user, &new, err))
        return false;
    *ret_user = user_json(name, scopes, password != NULL, new.now_ms);
    return true;
}

bool accounts_user_list(struct accounts *accounts, const char *tenant, json_t **ret_items, struct su_err *err)
{
    STORE_READ(accounts->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
        "SELECT name, scopes, password IS NOT NULL, created_ms FROM users WHERE tenant = ?1 ORDER BY name", sql_text(tenant));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, user_json(sql_col_text(row, 0), (uint32_t)sql_col_int(row, 1), sql_col_int(row, 2), sql_col_int(row, 3)));
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

struct person { const char *tenant, *name; unsigned kinds; const char *hash; };

static bool is_of_person(const struct identity *identity, const void *arg)
{
    const struct person *person = arg;
    return (person->kinds & 1u << identity->credential) && strcmp(identity->user, person->name) == 0 && strcmp(identity->tenant, person->tenant) == 0;
}

static bool delete_user(struct sql *db, void *arg, struct su_err *err)
{
    const struct person *person = arg;
    if (!sql_run(db, err, "DELETE FROM users WHERE tenant = ?1 AND name = ?2", sql_text(person->tenant), sql_text(person->name)))
        return false;
    if (!sql_changes(db))
        return su_fail(err, SU_NOT_FOUND, "there is no user %.64s", person->name);
    return sql_run(db, err, "DELETE FROM credentials WHERE tenant = ?1 AND user = ?2", sql_text(person->tenant), sql_text(person->name));
}

bool accounts_user_end(struct accounts *accounts, const struct identity *by, const char *name, struct su_err *err)
{
    struct person person = {.tenant = by->tenant, .name = name, .kinds = ~0u};
    if (strcmp(name, by->user) == 0)
        return su_fail_field(err, SU_CONFLICT, "name", "name: nobody can remove themselves");
    if (!store_write(accounts->store, delete_user, &person, err))
        return false;
    known_drop(accounts, is_of_person, &person);
    return true;
}

/* --------------------------------------------------------- passwords */

/* The stored hash, "" when the user has none; false when there is no such user. */
static bool load_user(struct accounts *accounts, const char *tenant, const char *name,
                      char hash[static PASSWORD_HASH_SIZE], uint32_t *ret_scopes, struct su_err *err)
{
    STORE_READ(accounts->store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT password, scopes FROM users WHERE tenant = ?1 AND name = ?2", sql_text(tenant),
                  sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no user %.64s", name);
    if (next == SQL_ERROR)
        return false;
    const char *stored = sql_col_text(row, 0);
    snprintf(hash, PASSWORD_HASH_SIZE, "%s", stored ? stored : "");
    *ret_scopes = (uint32_t)sql_col_int(row, 1);
    return true;
}

static bool check_password(struct accounts *accounts, const char *password, const char *hash)
{
    SU_LOCKED(&accounts->hashing);
    return password_check(password, *hash ? hash : NULL);
}

static bool update_password(struct sql *db, void *arg, struct su_err *err)
{
    const struct person *person = arg;
    if (!sql_run(db, err, "UPDATE users SET password = ?3 WHERE tenant = ?1 AND name = ?2", sql_text(person->tenant),
                 sql_text(person->name), sql_text(person->hash)))
        return false;
    if (!sql_changes(db))
        return su_fail(err, SU_NOT_FOUND, "there is no user %.64s", person->name);
    return sql_run(db, err, "DELETE FROM credentials WHERE tenant = ?1 AND user = ?2 AND kind IN (?3, ?4)", sql_text(person->tenant),
                   sql_text(person->name), sql_int(CREDENTIAL_SESSION), sql_int(CREDENTIAL_CODE));
}

bool accounts_password(struct accounts *accounts, const char *tenant, const char *name, const char *old, const char *new_password, struct su_err *err)
{
    char hash[PASSWORD_HASH_SIZE];
    uint32_t scopes;
    struct person person = {tenant, name, 1u << CREDENTIAL_SESSION | 1u << CREDENTIAL_CODE, hash};
    if (!load_user(accounts, tenant, name, hash, &scopes, err))
        return false;
    if (old && !check_password(accounts, old, hash))
        return su_fail_field(err, SU_DENIED, "/old", "old: is not the present password");
    if (!hash_password(accounts, new_password, hash, err) || !store_write(accounts->store, update_password, &person, err))
        return false;
    known_drop(accounts, is_of_person, &person);
    return true;
}

/* ----------------------------------------------------------- tenants */

static bool insert_tenant(struct sql *db, void *arg, struct su_err *err)
{
    const struct user_new *new = arg;
    int64_t same;
    if (!sql_get_int(db, 0, &same, err, "SELECT count(*) FROM tenants WHERE id = ?1", sql_text(new->tenant)))
        return false;
    if (same)
        return su_fail_field(err, SU_CONFLICT, "/name", "name: there is a tenant %s already", new->tenant);
    return sql_run(db, err, "INSERT INTO tenants VALUES (?1, ?2)", sql_text(new->tenant), sql_int(new->now_ms)) && insert_user(db, arg, err);
}

static json_t *tenant_json(const char *name, int64_t created_ms)
{
    char created[SU_TIME_TEXT];
    return json_pack("{s:s, s:s}", "name", name, "created_at", su_time_text(created_ms, created));
}

bool accounts_tenant_new(struct accounts *accounts, const char *name, char ret_token[static ACCOUNT_TOKEN_SIZE],
                         json_t **ret_tenant, struct su_err *err)
{
    struct user_new new = {accounts, name, "owner", NULL, SCOPES_ALL, su_now_ms()};
    struct identity owner = {.credential = CREDENTIAL_TOKEN, .user = "owner", .scopes = SCOPES_ALL};
    if (!name_check(name, "/name", err) || !store_write(accounts->store, insert_tenant, &new, err))
        return false;
    snprintf(owner.tenant, sizeof owner.tenant, "%s", name);
    if (!credential_make(accounts, &owner, "owner", ret_token, err))
        return false;
    *ret_tenant = tenant_json(name, new.now_ms);
    return true;
}

bool accounts_tenant_list(struct accounts *accounts, json_t **ret_items, struct su_err *err)
{
    STORE_READ(accounts->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT id, created_ms FROM tenants ORDER BY id");
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, tenant_json(sql_col_text(row, 0), sql_col_int(row, 1)));
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

/* ---------------------------------------------------------- throttle */

static struct throttle *throttle_of(struct accounts *accounts, const char *key)
{
    struct throttle *oldest = accounts->throttles;
    for (size_t i = 0; i < THROTTLES; i++) {
        struct throttle *throttle = &accounts->throttles[i];
        if (strcmp(throttle->key, key) == 0)
            return throttle;
        if (throttle->until_ms < oldest->until_ms)
            oldest = throttle;
    }
    *oldest = (struct throttle){.failures = 0};
    snprintf(oldest->key, sizeof oldest->key, "%s", key);
    return oldest;
}

static bool throttle_check(struct accounts *accounts, const char *key, struct su_err *err)
{
    SU_LOCKED(&accounts->lock);
    int64_t left_ms = throttle_of(accounts, key)->until_ms - su_mono_ms();
    if (left_ms <= 0)
        return true;
    su_fail_slug(err, "too-many-requests", "too many failed logins; wait %lld s", (long long)(left_ms / 1000 + 1));
    return false;
}

static void throttle_note(struct accounts *accounts, const char *key, bool has_failed)
{
    SU_LOCKED(&accounts->lock);
    struct throttle *throttle = throttle_of(accounts, key);
    if (!has_failed) {
        *throttle = (struct throttle){.failures = 0};
        return;
    }
    uint64_t failures = ++throttle->failures, free_tries = accounts->limits->login_failures;
    if (failures < free_tries)
        return;
    uint64_t doublings = failures - free_tries < 6 ? failures - free_tries : 6;
    throttle->until_ms = su_mono_ms() + (int64_t)((accounts->limits->login_pause_s * 1000) << doublings);
}

/* ---------------------------------------------------------- sessions */

static bool session_make(struct accounts *accounts, const char *tenant, const char *user, uint32_t scopes,
                         char ret_cookie[static ACCOUNT_TOKEN_SIZE], struct identity *ret, struct su_err *err)
{
    struct identity session = {.credential = CREDENTIAL_SESSION, .scopes = scopes, .expires_ms = su_now_ms() + ACCOUNT_SESSION_MS};
    snprintf(session.tenant, sizeof session.tenant, "%s", tenant);
    snprintf(session.user, sizeof session.user, "%s", user);
    return credential_make(accounts, &session, "", ret_cookie, err) &&
           (accounts_identify_session(accounts, su_str_of(ret_cookie), ret) || su_fail(err, SU_INTERNAL, "the session is gone"));
}

bool accounts_login(struct accounts *accounts, const char *tenant, const char *user, const char *password, const char *peer,
                    char ret_cookie[static ACCOUNT_TOKEN_SIZE], struct identity *ret, struct su_err *err)
{
    char key[160], hash[PASSWORD_HASH_SIZE] = "";
    uint32_t scopes = 0;
    struct su_err ignored;
    snprintf(key, sizeof key, "%s|%.63s|%.63s", peer, tenant, user);
    if (!throttle_check(accounts, key, err))
        return false;
    /* An unknown user takes as long as a wrong password, and is told the same. */
    bool is_known = load_user(accounts, tenant, user, hash, &scopes, &ignored);
    bool is_right = check_password(accounts, password, hash) && is_known;
    throttle_note(accounts, key, !is_right);
    if (!is_right)
        return su_fail_slug(err, "unauthorized", "user or password is wrong");
    return session_make(accounts, tenant, user, scopes, ret_cookie, ret, err);
}

struct one { const char *tenant, *id; int64_t changes; };

static bool delete_one(struct sql *db, void *arg, struct su_err *err)
{
    struct one *one = arg;
    if (!sql_run(db, err, "DELETE FROM credentials WHERE tenant = ?1 AND id = ?2", sql_text(one->tenant), sql_text(one->id)))
        return false;
    one->changes = sql_changes(db);
    return true;
}

static bool is_one(const struct identity *identity, const void *arg)
{
    return strcmp(identity->id, ((const struct one *)arg)->id) == 0;
}

bool accounts_logout(struct accounts *accounts, const struct identity *session, struct su_err *err)
{
    struct one one = {session->tenant, session->id, 0};
    known_drop(accounts, is_one, &one);
    return store_write(accounts->store, delete_one, &one, err);
}

/* ------------------------------------------------------- login codes */

enum { CODE_MS = 15 * 60 * 1000 };

bool accounts_code_new(struct accounts *accounts, const struct identity *by, char ret_code[static ACCOUNT_TOKEN_SIZE],
                       int64_t *ret_expires_ms, struct su_err *err)
{
    struct identity code = {.credential = CREDENTIAL_CODE, .scopes = by->scopes, .expires_ms = su_now_ms() + CODE_MS};
    snprintf(code.tenant, sizeof code.tenant, "%s", by->tenant);
    snprintf(code.user, sizeof code.user, "%s", by->user);
    if (!credential_make(accounts, &code, "", ret_code, err))
        return false;
    *ret_expires_ms = code.expires_ms;
    return true;
}

/* One use: whoever removes the row has it. */
bool accounts_code_use(struct accounts *accounts, const char *code, const char *peer,
                       char ret_cookie[static ACCOUNT_TOKEN_SIZE], struct identity *ret, struct su_err *err)
{
    char key[160];
    struct identity identity;
    snprintf(key, sizeof key, "%s|code", peer);
    if (!throttle_check(accounts, key, err))
        return false;
    bool is_right = accounts_identify_code(accounts, su_str_of(code), &identity);
    struct one one = {identity.tenant, identity.id, 0};
    if (is_right) {
        if (!store_write(accounts->store, delete_one, &one, err))
            return false;
        known_drop(accounts, is_one, &one);
        is_right = one.changes == 1;
    }
    throttle_note(accounts, key, !is_right);
    if (!is_right) {
        su_fail_slug(err, "unauthorized", "the login code is used up, expired or wrong");
        return su_hint(err, "make a new one: suricate token login");
    }
    return session_make(accounts, identity.tenant, identity.user, identity.scopes, ret_cookie, ret, err);
}
