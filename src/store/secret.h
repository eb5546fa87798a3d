/* Secrets: named values per tenant that others refer to by name (a broker's password).  Layer store; any thread.
 *
 * A value is sealed (XChaCha20-Poly1305) under the key in DIR/secrets.key (0600, made with the first secret) and
 * stands in the table `secrets`.  A sealed value opens only as the secret of that tenant and name.  The key is not
 * part of a backup: whoever has only the backup has no secrets.
 *
 * An opened value is a `struct secret`: opaque, so that it can't be printed by mistake; its memory is kept out of swap
 * and core files, and wiped when freed.
 *
 * After a change topic "secrets" is published with event "changed" {tenant, name}. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "store.h"

enum { SECRET_NAME_MAX = 128, SECRET_VALUE_MAX = 64 * 1024, SECRETS_MAX = 1000 /* of one tenant */ };

struct secrets;
extern const struct store_migration secret_migrations[];

bool secrets_open(struct store *store, struct su_bus *bus, struct secrets **ret, struct su_err *err);
void secrets_close(struct secrets *secrets);

/* Name: 1 to 128 of letters, digits, dot, - and _ (SU_INVALID names the field). */
bool secret_name_check(const char *name, const char *field, struct su_err *err);
/* Makes it or replaces its value; *ret_is_new may be NULL. */
bool secret_put(struct secrets *secrets, const char *tenant, const char *name, struct su_str value, const char *user, bool *ret_is_new,
                struct su_err *err);
/* Items {"name","created_at","changed_at","changed_by"}, by name (new reference); never a value. */
bool secret_list(struct secrets *secrets, const char *tenant, json_t **ret_items, struct su_err *err);
bool secret_remove(struct secrets *secrets, const char *tenant, const char *name, struct su_err *err);

/* SU_NOT_FOUND says how to make it; SU_CONFLICT: sealed under another key (a restored backup), put it again. */
struct secret;
bool secret_get(struct secrets *secrets, const char *tenant, const char *name, struct secret **ret, struct su_err *err);
void secret_free(struct secret *secret);
static inline void secret_free_pointer(struct secret **secret) { secret_free(*secret); }
#define SECRET_AUTO SU_CLEANUP(secret_free_pointer)
/* The value, NUL-terminated, until secret_free: for the one call that needs it; never copy or log it. */
struct su_str secret_reveal(const struct secret *secret);
