/* Credentials: tokens, run tokens, sessions, login codes.  See accounts.h.  Layer api; any thread.
 *
 * Table `credentials` holds all four kinds, each with the hash of its secret;
 * the live ones are in memory too, by id.  Writing is rows first, memory after;
 * ending is memory first, so nobody gets in with what is being removed. */
#include "accounts_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/random.h"
#include "password.h"

const struct store_migration accounts_migrations[] = {
    {"accounts", 1,
     "CREATE TABLE tenants (id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
     "CREATE TABLE users (tenant TEXT NOT NULL, name TEXT NOT NULL, password TEXT, scopes INTEGER NOT NULL,"
     "  created_ms INTEGER NOT NULL, PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE credentials (tenant TEXT NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, user TEXT NOT NULL,"
     "  name TEXT NOT NULL, run TEXT NOT NULL, secret BLOB NOT NULL, scopes INTEGER NOT NULL,"
     "  created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX credentials_by_run ON credentials (tenant, run) WHERE run <> '';"},
    /* Who could do everything (2044: all from objects:read to figures:read) may do what came with streams too (61440); runs get theirs (12288). */
    {"accounts", 2,
     "UPDATE users SET scopes = scopes | 61440 WHERE scopes & 2044 = 2044;"
     "UPDATE credentials SET scopes = scopes | 61440 WHERE scopes & 2044 = 2044;"
     "UPDATE credentials SET scopes = scopes | 12288 WHERE run <> '';"},
    {NULL, 0, NULL},
};

/* ------------------------------------------------------------ scopes */

static const char *const scope_names[SCOPE_COUNT] = {
    "open", "any", "objects:read", "objects:write", "notebooks:read", "notebooks:write", "runs:read", "runs:write",
    "recipes:read", "recipes:write", "figures:read", "admin", "streams:read", "streams:write", "actions:write", "secrets:write"};

const char *scope_name(enum scope scope) { return scope < SCOPE_COUNT ? scope_names[scope] : "?"; }

static bool scope_of(const char *name, uint32_t *ret)
{
    if (strcmp(name, "*") == 0) {
        *ret = SCOPES_USER;
        return true;
    }
    for (uint32_t i = SCOPE_OBJECTS_READ; i < SCOPE_COUNT; i++)
        if (strcmp(name, scope_names[i]) == 0) {
            *ret = 1u << i;
            return true;
        }
    return false;
}

bool scopes_parse(const json_t *list, uint32_t *ret, struct su_err *err)
{
    size_t index;
    json_t *item;
    uint32_t all = 0, one;
    json_array_foreach(list, index, item) {
        if (!json_is_string(item) || !scope_of(json_string_value(item), &one)) {
            su_fail_field(err, SU_INVALID, "/scopes", "scopes: item %zu is not a scope", index);
            return su_hint(err, "scopes are objects:read, objects:write, notebooks:read, notebooks:write, runs:read, runs:write, "
                                "recipes:read, recipes:write, figures:read, streams:read, streams:write, actions:write, secrets:write, "
                                "admin, and * for all but admin");
        }
        all |= one;
    }
    if (!all)
        return su_fail_field(err, SU_INVALID, "/scopes", "scopes: at least one is needed");
    *ret = all;
    return true;
}

json_t *scopes_list(uint32_t set)
{
    json_t *list = json_array();
    for (uint32_t i = SCOPE_OBJECTS_READ; i < SCOPE_COUNT; i++)
        if (set & 1u << i)
            json_array_append_new(list, json_string(scope_names[i]));
    return list;
}

bool name_check(const char *name, const char *what, struct su_err *err)
{
    size_t length = strlen(name);
    bool is_good = length > 0 && length < 48;
    for (const char *c = name; *c && is_good; c++)
        is_good = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || (c > name && strchr("._-", *c));
    return is_good || su_fail_field(err, SU_INVALID, what, "%s: must be 1 to 47 of a-z, 0-9, dot, - and _, and begin with a letter or digit", what);
}

/* ------------------------------------------------------------ memory */

/* Ids are ours and random: an attacker chooses what is looked up, never what is stored. */
static size_t bucket_of(const char *id)
{
    uint32_t hash = 2166136261u;
    for (; *id; id++)
        hash = (hash ^ (unsigned char)*id) * 16777619u;
    return hash % CREDENTIAL_BUCKETS;
}

static void known_add(struct accounts *accounts, const struct identity *identity, const uint8_t hash[static SU_SHA256_SIZE])
{
    struct known *known = su_alloc(sizeof *known);
    known->identity = *identity;
    memcpy(known->hash, hash, SU_SHA256_SIZE);
    SU_LOCKED(&accounts->lock);
    struct known **bucket = &accounts->known[bucket_of(identity->id)];
    known->next = *bucket;
    *bucket = known;
    accounts->known_count++;
}

static const struct known *known_find(const struct accounts *accounts, const char *id)
{
    for (const struct known *known = accounts->known[bucket_of(id)]; known; known = known->next)
        if (strcmp(known->identity.id, id) == 0)
            return known;
    return NULL;
}

void known_drop(struct accounts *accounts, bool (*matches)(const struct identity *identity, const void *arg), const void *arg)
{
    SU_LOCKED(&accounts->lock);
    for (size_t i = 0; i < CREDENTIAL_BUCKETS; i++)
        for (struct known **at = &accounts->known[i]; *at;) {
            struct known *known = *at;
            if (!matches(&known->identity, arg)) {
                at = &known->next;
                continue;
            }
            *at = known->next;
            accounts->known_count--;
            free(known);
        }
}

/* "su_<id>_<secret>" */
static bool split_token(struct su_str token, char id[static 32], struct su_str *ret_secret)
{
    struct su_str rest, head;
    if (!su_str_starts(token, SU_STR("su_")))
        return false;
    rest = (struct su_str){token.ptr + 3, token.len - 3};
    if (!su_str_cut(rest, '_', &head, ret_secret) || head.len >= 32 || ret_secret->len != SECRET_SIZE)
        return false;
    memcpy(id, head.ptr, head.len);
    id[head.len] = '\0';
    return true;
}

static bool look_up(struct accounts *accounts, struct su_str token, unsigned kinds, struct identity *ret)
{
    char id[32];
    struct su_str secret;
    uint8_t hash[SU_SHA256_SIZE];
    if (!split_token(token, id, &secret))
        return false;
    SU_LOCKED(&accounts->lock);
    su_sha256_add(accounts->sha256, secret.ptr, secret.len);
    su_sha256_end(accounts->sha256, hash);
    const struct known *known = known_find(accounts, id);
    if (!known || !password_same(known->hash, hash, sizeof hash) || !(kinds & 1u << known->identity.credential))
        return false;
    if (known->identity.expires_ms && known->identity.expires_ms <= su_now_ms())
        return false;
    *ret = known->identity;
    return true;
}

bool accounts_identify(struct accounts *accounts, struct su_str token, struct identity *ret)
{
    return look_up(accounts, token, 1u << CREDENTIAL_TOKEN | 1u << CREDENTIAL_RUN, ret);
}

bool accounts_identify_code(struct accounts *accounts, struct su_str code, struct identity *ret)
{
    return look_up(accounts, code, 1u << CREDENTIAL_CODE, ret);
}

bool accounts_identify_session(struct accounts *accounts, struct su_str cookie, struct identity *ret)
{
    if (!look_up(accounts, cookie, 1u << CREDENTIAL_SESSION, ret))
        return false;
    uint8_t digest[SU_SHA256_SIZE];
    SU_AUTO_BUF struct su_buf text = SU_BUF(256);
    su_buf_adds(&text, "csrf ");
    su_buf_add(&text, cookie.ptr, cookie.len);
    su_sha256_of(text.ptr, text.len, digest);
    su_hex(digest, 20, ret->csrf);
    return true;
}

bool accounts_still_valid(struct accounts *accounts, const struct identity *identity)
{
    if (identity->credential == CREDENTIAL_NONE)
        return true;
    SU_LOCKED(&accounts->lock);
    const struct known *known = known_find(accounts, identity->id);
    return known && (!known->identity.expires_ms || known->identity.expires_ms > su_now_ms());
}

/* -------------------------------------------------------------- rows */

static bool count_tokens(struct sql *db, const struct credential_new *new, struct su_err *err)
{
    int64_t count;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM credentials WHERE tenant = ?1 AND kind = ?2",
                     sql_text(new->identity->tenant), sql_int(CREDENTIAL_TOKEN)))
        return false;
    return (uint64_t)count < new->count_max ||
           su_fail(err, SU_LIMIT, "limits.tokens: the tenant has %lld tokens already", (long long)count);
}

static bool insert(struct sql *db, void *arg, struct su_err *err)
{
    const struct credential_new *new = arg;
    const struct identity *identity = new->identity;
    int64_t users;
    if (!sql_get_int(db, 0, &users, err, "SELECT count(*) FROM users WHERE tenant = ?1 AND name = ?2",
                     sql_text(identity->tenant), sql_text(identity->user)))
        return false;
    if (!users)
        return su_fail(err, SU_NOT_FOUND, "there is no user %s", identity->user);
    if (new->count_max && !count_tokens(db, new, err))
        return false;
    return sql_run(db, err, "INSERT INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                   sql_text(identity->tenant), sql_text(identity->id), sql_int(identity->credential), sql_text(identity->user),
                   sql_text(new->name), sql_text(identity->run), sql_blob(new->hash, sizeof new->hash), sql_int(identity->scopes),
                   sql_int(su_now_ms()), sql_int(identity->expires_ms));
}

bool credential_make(struct accounts *accounts, struct identity *identity, const char *name,
                     char ret_text[static ACCOUNT_TOKEN_SIZE], struct su_err *err)
{
    char secret[SECRET_SIZE + 1], id[SU_ID_SIZE];
    struct credential_new new = {.accounts = accounts, .identity = identity, .name = name};
    su_secret(secret, SECRET_SIZE);
    su_sha256_of(secret, SECRET_SIZE, new.hash);
    snprintf(identity->id, sizeof identity->id, "%s", su_id(id));
    if (identity->credential == CREDENTIAL_TOKEN)
        new.count_max = accounts->limits->tokens;
    if (!store_write(accounts->store, insert, &new, err))
        return false;
    snprintf(ret_text, ACCOUNT_TOKEN_SIZE, "su_%s_%s", identity->id, secret);
    known_add(accounts, identity, new.hash);
    return true;
}

static bool load(struct accounts *accounts, struct su_err *err)
{
    STORE_READ(accounts->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
        "SELECT tenant, id, kind, user, run, secret, scopes, expires_ms FROM credentials WHERE expires_ms = 0 OR expires_ms > ?1",
        sql_int(su_now_ms()));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        struct identity identity = {.credential = (enum credential)sql_col_int(row, 2),
                                    .scopes = (uint32_t)sql_col_int(row, 6),
                                    .expires_ms = sql_col_int(row, 7)};
        snprintf(identity.tenant, sizeof identity.tenant, "%s", sql_col_text(row, 0));
        snprintf(identity.id, sizeof identity.id, "%s", sql_col_text(row, 1));
        snprintf(identity.user, sizeof identity.user, "%s", sql_col_text(row, 3));
        snprintf(identity.run, sizeof identity.run, "%s", sql_col_text(row, 4));
        struct su_str hash = sql_col_str(row, 5);
        if (hash.len == SU_SHA256_SIZE)
            known_add(accounts, &identity, (const uint8_t *)hash.ptr);
    }
    return next == SQL_DONE;
}

/* ------------------------------------------------------- first start */

static bool insert_main(struct sql *db, void *arg, struct su_err *err)
{
    int64_t now = su_now_ms();
    return sql_run(db, err, "INSERT INTO tenants VALUES ('main', ?1)", sql_int(now)) &&
           sql_run(db, err, "INSERT INTO users VALUES ('main', 'owner', NULL, ?1, ?2)", sql_int(SCOPES_ALL), sql_int(now));
}

static bool first_start(struct accounts *accounts, struct su_err *err)
{
    int64_t tenants, tokens;
    SU_AUTO_FREE char *path = su_format("%s/owner.token", store_dir(accounts->store));
    {
        STORE_READ(accounts->store, db);
        if (!sql_get_int(db, 0, &tenants, err, "SELECT count(*) FROM tenants") ||
            !sql_get_int(db, 0, &tokens, err, "SELECT count(*) FROM credentials WHERE kind = ?1", sql_int(CREDENTIAL_TOKEN)))
            return false;
    }
    /* The file is the only copy of the token. Without it (a restored backup, a crash right here) nobody could get in:
     * whoever owns the folder gets a new one. */
    if (tenants && tokens && access(path, F_OK) == 0)
        return true;
    if (!tenants && !store_write(accounts->store, insert_main, NULL, err))
        return false;
    struct identity owner = {.credential = CREDENTIAL_TOKEN, .tenant = "main", .user = "owner", .scopes = SCOPES_ALL};
    char token[ACCOUNT_TOKEN_SIZE];
    if (!credential_make(accounts, &owner, "owner.token", token, err))
        return false;
    SU_AUTO_FREE char *line = su_format("%s\n", token);
    return su_file_replace(path, su_str_of(line), 0600, err);
}

bool accounts_open(struct store *store, const struct limits *limits, struct accounts **ret, struct su_err *err)
{
    struct accounts *accounts = su_alloc(sizeof *accounts);
    accounts->store = store;
    accounts->limits = limits;
    su_lock_init(&accounts->lock);
    su_lock_init(&accounts->hashing);
    accounts->sha256 = su_sha256_new();
    if (!load(accounts, err) || !first_start(accounts, err)) {
        accounts_close(accounts);
        return false;
    }
    *ret = accounts;
    return true;
}

static bool everybody(const struct identity *identity, const void *arg) { return true; }

void accounts_close(struct accounts *accounts)
{
    if (!accounts)
        return;
    known_drop(accounts, everybody, NULL);
    su_lock_done(&accounts->lock);
    su_lock_done(&accounts->hashing);
    su_sha256_free(accounts->sha256);
    free(accounts);
}

/* ------------------------------------------------------------ tokens */

static json_t *token_json(const char *id, const char *name, const char *user, uint32_t scopes, int64_t created_ms, int64_t expires_ms)
{
    char created[SU_TIME_TEXT], expires[SU_TIME_TEXT];
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o}", "id", id, "name", name, "user", user, "scopes", scopes_list(scopes),
                     "created_at", su_time_text(created_ms, created),
                     "expires_at", expires_ms ? json_string(su_time_text(expires_ms, expires)) : json_null());
}

bool accounts_token_new(struct accounts *accounts, const struct identity *by, const struct token_spec *spec,
                        char ret_token[static ACCOUNT_TOKEN_SIZE], json_t **ret_token_json, struct su_err *err)
{
    struct identity identity = {.credential = CREDENTIAL_TOKEN, .scopes = spec->scopes};
    if (spec->scopes & ~by->scopes)
        return su_fail_field(err, SU_DENIED, "/scopes", "scopes: a token cannot have more than its maker has");
    snprintf(identity.tenant, sizeof identity.tenant, "%s", by->tenant);
    snprintf(identity.user, sizeof identity.user, "%s", by->user);
    identity.expires_ms = spec->lifetime_ms ? su_now_ms() + spec->lifetime_ms : 0;
    if (by->expires_ms && by->credential == CREDENTIAL_TOKEN && (!identity.expires_ms || identity.expires_ms > by->expires_ms))
        identity.expires_ms = by->expires_ms;   /* a token cannot outlive itself through a child */
    if (!credential_make(accounts, &identity, spec->name, ret_token, err))
        return false;
    *ret_token_json = token_json(identity.id, spec->name, identity.user, identity.scopes, su_now_ms(), identity.expires_ms);
    return true;
}

static bool is_admin(const struct identity *who) { return who->scopes & 1u << SCOPE_ADMIN; }

bool accounts_token_list(struct accounts *accounts, const struct identity *by, json_t **ret_items, struct su_err *err)
{
    STORE_READ(accounts->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
        "SELECT id, name, user, scopes, created_ms, expires_ms FROM credentials"
        " WHERE tenant = ?1 AND kind = ?2 AND (?3 OR user = ?4) ORDER BY id",
        sql_text(by->tenant), sql_int(CREDENTIAL_TOKEN), sql_int(is_admin(by)), sql_text(by->user));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, token_json(sql_col_text(row, 0), sql_col_text(row, 1), sql_col_text(row, 2),
                                                (uint32_t)sql_col_int(row, 3), sql_col_int(row, 4), sql_col_int(row, 5)));
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

struct ending { const char *tenant, *id, *user; bool is_admin; };

static bool delete_token(struct sql *db, void *arg, struct su_err *err)
{
    const struct ending *ending = arg;
    if (!sql_run(db, err, "DELETE FROM credentials WHERE tenant = ?1 AND id = ?2 AND kind = ?3 AND (?4 OR user = ?5)",
                 sql_text(ending->tenant), sql_text(ending->id), sql_int(CREDENTIAL_TOKEN), sql_int(ending->is_admin), sql_text(ending->user)))
        return false;
    return sql_changes(db) || su_fail(err, SU_NOT_FOUND, "there is no token %.32s", ending->id);
}

static bool is_ended(const struct identity *identity, const void *arg)
{
    const struct ending *ending = arg;
    return strcmp(identity->id, ending->id) == 0 && strcmp(identity->tenant, ending->tenant) == 0;
}

bool accounts_token_end(struct accounts *accounts, const struct identity *by, const char *id, struct su_err *err)
{
    struct ending ending = {by->tenant, id, by->user, is_admin(by)};
    if (!store_write(accounts->store, delete_token, &ending, err))
        return false;
    known_drop(accounts, is_ended, &ending);
    return true;
}

/* -------------------------------------------------------- run tokens */

bool accounts_run_token_new(struct accounts *accounts, const char *tenant, const char *run, const char *user,
                            int64_t lifetime_ms, char ret_token[static ACCOUNT_TOKEN_SIZE], struct su_err *err)
{
    struct identity identity = {.credential = CREDENTIAL_RUN, .scopes = SCOPES_RUN, .expires_ms = su_now_ms() + lifetime_ms};
    snprintf(identity.tenant, sizeof identity.tenant, "%s", tenant);
    snprintf(identity.user, sizeof identity.user, "%s", user);
    snprintf(identity.run, sizeof identity.run, "%s", run);
    return credential_make(accounts, &identity, "", ret_token, err);
}

static bool is_of_run(const struct identity *identity, const void *arg)
{
    const struct ending *ending = arg;
    return strcmp(identity->run, ending->id) == 0 && strcmp(identity->tenant, ending->tenant) == 0;
}

static bool delete_of_run(struct sql *db, void *arg, struct su_err *err)
{
    const struct ending *ending = arg;
    return sql_run(db, err, "DELETE FROM credentials WHERE tenant = ?1 AND run = ?2 AND run <> ''", sql_text(ending->tenant), sql_text(ending->id));
}

void accounts_run_token_end(struct accounts *accounts, const char *tenant, const char *run)
{
    struct su_err err;
    struct ending ending = {.tenant = tenant, .id = run};
    if (!*run)
        return;
    known_drop(accounts, is_of_run, &ending);
    if (!store_write(accounts->store, delete_of_run, &ending, &err))
        su_log_error("account.run_token_end_failed", &err, su_kv_text("run", run));
}

/* ------------------------------------------------------------- sweep */

static bool has_expired(const struct identity *identity, const void *arg)
{
    return identity->expires_ms && identity->expires_ms <= *(const int64_t *)arg;
}

static bool delete_expired(struct sql *db, void *arg, struct su_err *err)
{
    return sql_run(db, err, "DELETE FROM credentials WHERE expires_ms <> 0 AND expires_ms <= ?1", sql_int(*(int64_t *)arg));
}

void accounts_sweep(struct accounts *accounts)
{
    struct su_err err;
    int64_t now = su_now_ms();
    known_drop(accounts, has_expired, &now);
    if (!store_write(accounts->store, delete_expired, &now, &err))
        su_log_error("account.sweep_failed", &err);
}
