/* Actions: named targets of decisions.  Layer act; any thread.
 *
 * An action's definition is JSON: the fields of every action (action_policy.h: when it may act, how long it is
 * tried) and those of its kind (action_kind.h).  Addresses follow the rules of fetches (aggregate/fetch.h):
 * public ones, and private ones only where allowed.
 *
 * Event on topic "tenant/<tenant>": "action.changed", "action.deleted" {name, user}. */
#pragma once
#include "action_kind.h"
#include "action_policy.h"
#include "base/bus.h"
#include "base/json.h"
#include "store/store.h"

enum { ACTION_NAME_MAX = 128, ACTIONS_MAX = 1000 /* of one tenant */, ACTION_HEADERS_MAX = 16, ACTION_DEFINITION_MAX = 256 * 1024 };

struct actions;
extern const struct store_migration action_migrations[];
/* What services point to must outlive it. */
bool actions_open(const struct action_services *services, struct actions **ret, struct su_err *err);
void actions_close(struct actions *actions);
const struct action_services *actions_services(const struct actions *actions);

/* JSON Schema of what action_put takes, one alternative per kind (new reference). */
json_t *action_schema(void);
/* Makes or changes it; *ret as action_get gives it. */
bool action_put(struct actions *actions, const char *tenant, const char *name, const json_t *definition, const char *user, json_t **ret,
                bool *ret_is_new, struct su_err *err);
/* The definition, "name", "created_at", "changed_at", "changed_by" (new reference). */
bool action_get(struct actions *actions, const char *tenant, const char *name, json_t **ret, struct su_err *err);
/* By name (new reference). */
bool action_list(struct actions *actions, const char *tenant, json_t **ret_items, struct su_err *err);
/* Its decisions that were not delivered yet fail with it. */
bool action_delete(struct actions *actions, const char *tenant, const char *name, const char *user, struct su_err *err);

/* Through db: SU_NOT_FOUND says how to make it. */
bool action_load(struct sql *db, const char *tenant, const char *name, json_t **ret, struct su_err *err);
/* Pure: is an HTTP answer with this status the end of all tries? */
bool action_webhook_is_final(long status);
