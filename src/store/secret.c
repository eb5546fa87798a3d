/* Secrets: see secret.h.  Layer store; any thread. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/seal.h"
#include "base/thread.h"

enum { KEY_ID_SIZE = 17, ABOUT_MAX = 1024 };

struct secrets {
    struct store *store;
    struct su_bus *bus;
    struct su_lock lock;        /* over making the key */
    uint8_t *key;               /* guarded; NULL until it is needed */
    char key_id[KEY_ID_SIZE];   /* begin of the key's hash: tells a wrong key from a changed value */
};

struct secret { size_t len; char value[]; };

const struct store_migration secret_migrations[] = {
    {"secrets", 1,
     "CREATE TABLE secrets (tenant TEXT NOT NULL, name TEXT NOT NULL, sealed BLOB NOT NULL, key_id TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* --------------------------------------------------------------- key */

static void adopt_key(struct secrets *secrets, const void *key)
{
    uint8_t digest[SU_SHA256_SIZE];
    secrets->key = su_guarded_alloc(SU_SEAL_KEY_SIZE);
    memcpy(secrets->key, key, SU_SEAL_KEY_SIZE);
    su_sha256_of(key, SU_SEAL_KEY_SIZE, digest);
    su_hex(digest, (KEY_ID_SIZE - 1) / 2, secrets->key_id);
}

/* Reads the key; *ret_found false when there is no file. */
static bool read_key(struct secrets *secrets, const char *path, bool *ret_found, struct su_err *err)
{
    uint8_t key[SU_SEAL_KEY_SIZE + 1];
    struct stat status;
    SU_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    *ret_found = fd >= 0 || errno != ENOENT;
    if (!*ret_found)
        return true;
    if (fd < 0 || fstat(fd, &status) < 0)
        return su_fail_errno(err, errno, "can't read %s", path);
    if (status.st_mode & 077) {
        su_fail(err, SU_DENIED, "%s: others than its owner may read it", path);
        return su_hint(err, "chmod 600 %s, and put the secrets anew if somebody could have read it", path);
    }
    ssize_t got = read(fd, key, sizeof key);
    if (got == SU_SEAL_KEY_SIZE)
        adopt_key(secrets, key);
    su_wipe(key, sizeof key);
    return got == SU_SEAL_KEY_SIZE || su_fail(err, SU_INVALID, "%s: is not a key of %d bytes", path, SU_SEAL_KEY_SIZE);
}

static bool make_key(struct secrets *secrets, const char *path, struct su_err *err)
{
    uint8_t key[SU_SEAL_KEY_SIZE];
    su_random(key, sizeof key);
    bool is_made = su_file_replace(path, (struct su_str){(const char *)key, sizeof key}, 0600, err);
    if (is_made)
        adopt_key(secrets, key);
    su_wipe(key, sizeof key);
    return is_made;
}

static bool need_key(struct secrets *secrets, struct su_err *err)
{
    SU_LOCKED(&secrets->lock);
    if (secrets->key)
        return true;
    SU_AUTO_FREE char *path = su_format("%s/secrets.key", store_dir(secrets->store));
    bool is_found;
    return read_key(secrets, path, &is_found, err) && (is_found || make_key(secrets, path, err));
}

/* -------------------------------------------------------------- life */

bool secrets_open(struct store *store, struct su_bus *bus, struct secrets **ret, struct su_err *err)
{
    struct secrets *secrets = su_alloc(sizeof *secrets);
    *secrets = (struct secrets){.store = store, .bus = bus};
    su_lock_init(&secrets->lock);
    *ret = secrets;
    return true;
}

void secrets_close(struct secrets *secrets)
{
    if (!secrets)
        return;
    su_guarded_free(secrets->key, SU_SEAL_KEY_SIZE);
    su_lock_done(&secrets->lock);
    free(secrets);
}

static void tell(struct secrets *secrets, const char *tenant, const char *name)
{
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "tenant", tenant, "name", name);
    su_bus_publish(secrets->bus, "secrets", "changed", detail);
}

/* ----------------------------------------------------------- writing */

bool secret_name_check(const char *name, const char *field, struct su_err *err)
{
    size_t len = strlen(name);
    bool is_good = len > 0 && len <= SECRET_NAME_MAX;
    for (const char *c = name; *c && is_good; c++)
        is_good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._-", *c);
    return is_good || su_fail_field(err, SU_INVALID, field, "%s: a secret's name must be 1 to %d of letters, digits, dot, - and _", field,
                                    SECRET_NAME_MAX);
}

/* What a sealed value is bound to. */
static struct su_str about(const char *tenant, const char *name, char text[static ABOUT_MAX])
{
    size_t tenant_len = strlen(tenant), name_len = strlen(name);
    su_assert(tenant_len + name_len + 1 <= ABOUT_MAX);
    memcpy(text, tenant, tenant_len + 1);
    memcpy(text + tenant_len + 1, name, name_len);
    return (struct su_str){text, tenant_len + 1 + name_len};
}

struct writing {
    const char *tenant, *name, *user, *key_id;
    struct su_str sealed;
    bool is_new;
};

static bool write_job(struct sql *db, void *arg, struct su_err *err)
{
    struct writing *writing = arg;
    int64_t count, same;
    if (!sql_get_int(db, 0, &same, err, "SELECT count(*) FROM secrets WHERE tenant = ?1 AND name = ?2", sql_text(writing->tenant),
                     sql_text(writing->name)) ||
        !sql_get_int(db, 0, &count, err, "SELECT count(*) FROM secrets WHERE tenant = ?1", sql_text(writing->tenant)))
        return false;
    if (!same && count >= SECRETS_MAX)
        return su_fail(err, SU_LIMIT, "there are %d secrets, which is the limit: remove some", SECRETS_MAX);
    writing->is_new = !same;
    return sql_run(db, err,
                   "INSERT INTO secrets (tenant, name, sealed, key_id, created_ms, changed_ms, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)"
                   " ON CONFLICT (tenant, name) DO UPDATE SET sealed = ?3, key_id = ?4, changed_ms = ?5, changed_by = ?6",
                   sql_text(writing->tenant), sql_text(writing->name), sql_blob(writing->sealed.ptr, writing->sealed.len),
                   sql_text(writing->key_id), sql_int(su_now_ms()), sql_text(writing->user));
}

bool secret_put(struct secrets *secrets, const char *tenant, const char *name, struct su_str value, const char *user, bool *ret_is_new,
                struct su_err *err)
{
    char bound[ABOUT_MAX];
    if (!secret_name_check(name, "name", err))
        return false;
    if (value.len == 0 || value.len > SECRET_VALUE_MAX)
        return su_fail_field(err, value.len ? SU_LIMIT : SU_INVALID, "/value", "value: must have 1 to %d bytes", SECRET_VALUE_MAX);
    if (memchr(value.ptr, 0, value.len))
        return su_fail_field(err, SU_INVALID, "/value", "value: must not hold a NUL byte");
    if (!need_key(secrets, err))
        return false;
    SU_AUTO_FREE uint8_t *sealed = su_alloc(value.len + SU_SEAL_EXTRA);
    su_seal(secrets->key, about(tenant, name, bound), value, sealed);
    struct writing writing = {tenant, name, user, secrets->key_id, {(const char *)sealed, value.len + SU_SEAL_EXTRA}, false};
    if (!store_write(secrets->store, write_job, &writing, err))
        return false;
    if (ret_is_new)
        *ret_is_new = writing.is_new;
    tell(secrets, tenant, name);
    return true;
}

static bool remove_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct writing *writing = arg;
    if (!sql_run(db, err, "DELETE FROM secrets WHERE tenant = ?1 AND name = ?2", sql_text(writing->tenant), sql_text(writing->name)))
        return false;
    return sql_changes(db) > 0 || su_fail(err, SU_NOT_FOUND, "there is no secret \"%.128s\"", writing->name);
}

bool secret_remove(struct secrets *secrets, const char *tenant, const char *name, struct su_err *err)
{
    struct writing writing = {.tenant = tenant, .name = name};
    if (!store_write(secrets->store, remove_job, &writing, err))
        return false;
    tell(secrets, tenant, name);
    return true;
}

/* ----------------------------------------------------------- reading */

bool secret_list(struct secrets *secrets, const char *tenant, json_t **ret_items, struct su_err *err)
{
    STORE_READ(secrets->store, db);
    SU_AUTO_JSON json_t *items = json_array();
    struct sql_row *row SQL_AUTO_END =
        sql_query(db, err, "SELECT name, created_ms, changed_ms, changed_by FROM secrets WHERE tenant = ?1 ORDER BY name", sql_text(tenant));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        char created[SU_TIME_TEXT], changed[SU_TIME_TEXT];
        json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:s}", "name", sql_col_text(row, 0), "created_at",
                                               su_time_text(sql_col_int(row, 1), created), "changed_at",
                                               su_time_text(sql_col_int(row, 2), changed), "changed_by", sql_col_text(row, 3)));
    }
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

static bool open_row(struct secrets *secrets, struct su_str bound, const char *name, struct sql_row *row, struct secret **ret,
                     struct su_err *err)
{
    struct su_str sealed = sql_col_str(row, 0);
    if (strcmp(sql_col_text(row, 1), secrets->key_id) != 0) {
        su_fail(err, SU_CONFLICT, "secret \"%.128s\": was sealed under another key than the one in secrets.key", name);
        return su_hint(err, "backups don't hold the key: copy the old secrets.key back, or put the secret again");
    }
    size_t len = sealed.len < SU_SEAL_EXTRA ? 0 : sealed.len - SU_SEAL_EXTRA;
    struct secret *secret = su_guarded_alloc(sizeof *secret + len + 1);
    secret->len = len;
    if (!su_unseal(secrets->key, bound, sealed, secret->value)) {
        secret_free(secret);
        su_fail(err, SU_INTERNAL, "secret \"%.128s\": what is stored has been changed", name);
        return su_hint(err, "put the secret again");
    }
    *ret = secret;
    return true;
}

bool secret_get(struct secrets *secrets, const char *tenant, const char *name, struct secret **ret, struct su_err *err)
{
    char bound[ABOUT_MAX];
    if (!secret_name_check(name, "secret", err) || !need_key(secrets, err))
        return false;
    STORE_READ(secrets->store, db);
    struct sql_row *row SQL_AUTO_END =
        sql_query(db, err, "SELECT sealed, key_id FROM secrets WHERE tenant = ?1 AND name = ?2", sql_text(tenant), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW)
        return open_row(secrets, about(tenant, name, bound), name, row, ret, err);
    if (next == SQL_ERROR)
        return false;
    su_fail(err, SU_NOT_FOUND, "there is no secret \"%.128s\"", name);
    return su_hint(err, "suricate secret set %.128s, or PUT /v1/secrets/%.64s", name, name);
}

void secret_free(struct secret *secret)
{
    if (secret)
        su_guarded_free(secret, sizeof *secret + secret->len + 1);
}

struct su_str secret_reveal(const struct secret *secret) { return (struct su_str){secret->value, secret->len}; }
