/* Actions: named targets of decisions.  Layer act; any thread.
 *
 * An action is a plain webhook: an http or https address that decisions are
 * POSTed to (delivery.h), with headers of the owner's choice and a secret's name
 * when its deliveries are to be signed.  Addresses follow the rules of fetches
 * (aggregate/fetch.h): public ones, and private ones only where allowed.
 *
 * Event on topic "tenant/<tenant>": "action.changed", "action.deleted" {name, user}. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "store/store.h"

enum { ACTION_NAME_MAX = 128, ACTIONS_MAX = 1000 /* of one tenant */, ACTION_HEADERS_MAX = 16 };

struct fetches;
struct actions;
extern const struct store_migration action_migrations[];
bool actions_open(struct store *store, struct su_bus *bus, struct fetches *fetches, struct actions **ret, struct su_err *err);
void actions_close(struct actions *actions);

/* {"webhook","secret","headers"} */
extern const struct su_field action_fields[];
/* Makes or changes it; *ret as action_get gives it. */
bool action_put(struct actions *actions, const char *tenant, const char *name, const json_t *settings, const char *user, json_t **ret,
                bool *ret_is_new, struct su_err *err);
/* {"name","webhook","secret","headers","created_at","changed_at","changed_by"} (new reference). */
bool action_get(struct actions *actions, const char *tenant, const char *name, json_t **ret, struct su_err *err);
/* By name (new reference). */
bool action_list(struct actions *actions, const char *tenant, json_t **ret_items, struct su_err *err);
/* Its decisions that were not delivered yet fail with it. */
bool action_delete(struct actions *actions, const char *tenant, const char *name, const char *user, struct su_err *err);

/* Through db: SU_NOT_FOUND says how to make it. */
bool action_load(struct sql *db, const char *tenant, const char *name, json_t **ret, struct su_err *err);
/* May a delivery go there now?  *ret_private: to a private address too. */
bool action_check_target(struct actions *actions, const char *tenant, const char *webhook, bool *ret_private, struct su_err *err);
