/* Actions: see action.h.  Layer act; jobs on the writer thread. */
#include "action.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "guard_facts.h"
#include "hours.h"
#include "outbox.h"

const struct store_migration action_migrations[] = {
    {"action", 1,
     "CREATE TABLE actions (tenant TEXT NOT NULL, name TEXT NOT NULL, webhook TEXT NOT NULL, secret TEXT, headers TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"},
    /* Only webhooks had been there: a definition takes the place of their columns. */
    {"action", 2,
     "CREATE TABLE actions_by_kind (tenant TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, definition TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"
     "INSERT INTO actions_by_kind SELECT tenant, name, 'webhook', CASE WHEN secret IS NULL"
     "  THEN json_object('kind', 'webhook', 'webhook', webhook, 'headers', json(headers))"
     "  ELSE json_object('kind', 'webhook', 'webhook', webhook, 'secret', secret, 'headers', json(headers)) END,"
     "  created_ms, changed_ms, changed_by FROM actions;"
     "DROP TABLE actions;"
     "ALTER TABLE actions_by_kind RENAME TO actions;"},
    {NULL, 0, NULL},
};

struct actions { struct action_services services; };

bool actions_open(const struct action_services *services, struct actions **ret, struct su_err *err)
{
    (void)err;
    struct actions *actions = su_alloc(sizeof *actions);
    *actions = (struct actions){*services};
    *ret = actions;
    return true;
}

void actions_close(struct actions *actions) { free(actions); }
const struct action_services *actions_services(const struct actions *actions) { return &actions->services; }

/* --- what may be asked for ------------------------------------------------------ */

static bool check_name(const char *name, struct su_err *err)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("-_.", name[i]) == NULL)
            return su_fail_field(err, SU_INVALID, "name", "an action's name has letters, digits, - _ and . only, was \"%.128s\"", name);
    if (len == 0 || len > ACTION_NAME_MAX)
        return su_fail_field(err, SU_INVALID, "name", "an action's name has 1..%d bytes, was %zu", ACTION_NAME_MAX, len);
    return true;
}

/* Null members say the same as absent ones. */
static json_t *without_nulls(const json_t *given)
{
    json_t *plain = json_copy((json_t *)(uintptr_t)given);
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe (plain, next, name, value)
        if (json_is_null(value) && strcmp(name, "state") != 0)
            json_object_del(plain, name);
    return plain;
}

static bool check_active(const json_t *active, struct su_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)(uintptr_t)active, i, item) {
        struct hours hours;
        if (!hours_read(item, "/active", &hours, err))
            return false;
    }
    return true;
}

static bool check_definition(const struct actions *actions, const char *tenant, json_t *definition, struct su_err *err)
{
    const struct action_kind *kind;
    struct action_policy policy;
    const char *name = su_json_string(definition, "kind", "webhook");
    if (!action_kind_find(name, &kind, err))
        return false;
    json_object_set_new(definition, "kind", json_string(kind->name));
    SU_AUTO_JSON json_t *own = action_own(definition);
    return action_policy_read(definition, &policy, err) && check_active(policy.active, err) && kind->check(&actions->services, tenant, own, err);
}

static void add_properties(json_t *into, const struct su_field *fields)
{
    SU_AUTO_JSON json_t *schema = su_json_schema(fields);
    json_object_update(json_object_get(into, "properties"), json_object_get(schema, "properties"));
    json_t *required = json_object_get(schema, "required");
    if (required)
        json_array_extend(json_object_get(into, "required"), required);
}

json_t *action_schema(void)
{
    json_t *kinds = json_array();
    for (const struct action_kind *const *kind = action_kinds; *kind; kind++) {
        json_t *one = json_pack("{s:s, s:s, s:{}, s:[], s:b}", "type", "object", "description", (*kind)->summary, "properties", "required",
                                "additionalProperties", 0);
        add_properties(one, action_common_fields);
        add_properties(one, (*kind)->fields);
        if ((*kind)->more)
            add_properties(one, (*kind)->more);
        json_object_set_new(json_object_get(one, "properties"), "kind", json_pack("{s:s}", "const", (*kind)->name));
        if (*kind != &action_webhook)
            json_array_append_new(json_object_get(one, "required"), json_string("kind"));
        json_array_append_new(kinds, one);
    }
    return json_pack("{s:o}", "oneOf", kinds);
}

/* --- reading -------------------------------------------------------------------- */

#define ACTION_COLUMNS "name, kind, definition, created_ms, changed_ms, changed_by"

static json_t *row_json(struct sql_row *row)
{
    char created[SU_TIME_TEXT], changed[SU_TIME_TEXT];
    json_t *action = json_pack("{s:s, s:s, s:b, s:b}", "name", sql_col_text(row, 0), "kind", sql_col_text(row, 1), "enabled", 1, "dry_run", 0);
    SU_AUTO_JSON json_t *definition = json_loads(sql_col_text(row, 2), JSON_ALLOW_NUL, NULL);
    if (strcmp(sql_col_text(row, 1), "webhook") == 0)
        json_object_update_new(action, json_pack("{s:n, s:{}}", "secret", "headers"));
    json_object_update(action, definition);
    json_object_update_new(action, json_pack("{s:s, s:s, s:s}", "created_at", su_time_text(sql_col_int(row, 3), created), "changed_at",
                                             su_time_text(sql_col_int(row, 4), changed), "changed_by", sql_col_text(row, 5)));
    return action;
}

bool action_load(struct sql *db, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " ACTION_COLUMNS " FROM actions WHERE tenant = ?1 AND name = ?2",
                                                 sql_text(tenant), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    if (next == SQL_DONE) {
        su_fail(err, SU_NOT_FOUND, "there is no action \"%.128s\"", name);
        return su_hint(err, "Its owner makes it: PUT /v1/actions/%.100s with {\"webhook\": \"https://…\"}.", name);
    }
    *ret = row_json(row);
    return true;
}

bool action_get(struct actions *actions, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    STORE_READ(actions->services.store, db);
    return action_load(db, tenant, name, ret, err);
}

bool action_list(struct actions *actions, const char *tenant, json_t **ret_items, struct su_err *err)
{
    STORE_READ(actions->services.store, db);
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " ACTION_COLUMNS " FROM actions WHERE tenant = ?1 ORDER BY name", sql_text(tenant));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, row_json(row));
    if (next != SQL_DONE)
        return false;
    *ret_items = su_take(items);
    return true;
}

/* --- writing --------------------------------------------------------------------- */

struct change { const char *tenant, *name, *user, *kind, *definition; bool is_new; };

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    struct change *change = arg;
    int64_t count, is_there;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM actions WHERE tenant = ?1", sql_text(change->tenant))
        || !sql_get_int(db, 0, &is_there, err, "SELECT 1 FROM actions WHERE tenant = ?1 AND name = ?2", sql_text(change->tenant), sql_text(change->name)))
        return false;
    change->is_new = !is_there;
    if (!is_there && count >= ACTIONS_MAX)
        return su_fail(err, SU_LIMIT, "there are %d actions, the most there may be; delete some first", ACTIONS_MAX);
    return sql_run(db, err,
                   "INSERT INTO actions (tenant, name, kind, definition, created_ms, changed_ms, changed_by)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)"
                   " ON CONFLICT DO UPDATE SET kind = ?3, definition = ?4, changed_ms = ?5, changed_by = ?6",
                   sql_text(change->tenant), sql_text(change->name), sql_text(change->kind), sql_text(change->definition),
                   sql_int(su_now_ms()), sql_text(change->user));
}

static void publish(struct actions *actions, const char *tenant, const char *event, const char *name, const char *user)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", name, "user", user);
    su_bus_publish(actions->services.bus, topic, event, detail);
}

bool action_put(struct actions *actions, const char *tenant, const char *name, const json_t *given, const char *user, json_t **ret,
                bool *ret_is_new, struct su_err *err)
{
    SU_AUTO_JSON json_t *definition = without_nulls(given);
    if (!check_name(name, err) || !check_definition(actions, tenant, definition, err))
        return false;
    SU_AUTO_FREE char *text = su_json_text(definition);
    if (strlen(text) > ACTION_DEFINITION_MAX)
        return su_fail(err, SU_LIMIT, "the definition has %zu bytes, the limit is %d", strlen(text), ACTION_DEFINITION_MAX);
    struct change change = {.tenant = tenant, .name = name, .user = user, .kind = su_json_string(definition, "kind", ""), .definition = text};
    if (!store_write(actions->services.store, put_job, &change, err))
        return false;
    *ret_is_new = change.is_new;
    publish(actions, tenant, "action.changed", name, user);
    return action_get(actions, tenant, name, ret, err);
}

static bool delete_job(struct sql *db, void *arg, struct su_err *err)
{
    struct change *change = arg;
    SU_AUTO_JSON json_t *before = NULL;
    return action_load(db, change->tenant, change->name, &before, err)
        && sql_run(db, err, "DELETE FROM actions WHERE tenant = ?1 AND name = ?2", sql_text(change->tenant), sql_text(change->name))
        && guard_facts_forget(db, change->tenant, change->name, err)
        && outbox_abandon(db, change->tenant, change->name, "the action was deleted before it could be delivered", err);
}

bool action_delete(struct actions *actions, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    struct change change = {.tenant = tenant, .name = name};
    if (!store_write(actions->services.store, delete_job, &change, err))
        return false;
    publish(actions, tenant, "action.deleted", name, user);
    return true;
}
