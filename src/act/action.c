/* Actions: see action.h.  Layer act; jobs on the writer thread. */
#include "action.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "aggregate/fetch.h"
#include "base/clock.h"
#include "decision.h"
#include "store/secret.h"

enum { HEADER_MAX = 1024 };

const struct store_migration action_migrations[] = {
    {"action", 1,
     "CREATE TABLE actions (tenant TEXT NOT NULL, name TEXT NOT NULL, webhook TEXT NOT NULL, secret TEXT, headers TEXT NOT NULL,"
     "  created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

struct actions { struct store *store; struct su_bus *bus; struct fetches *fetches; };

bool actions_open(struct store *store, struct su_bus *bus, struct fetches *fetches, struct actions **ret, struct su_err *err)
{
    (void)err;
    struct actions *actions = su_alloc(sizeof *actions);
    *actions = (struct actions){store, bus, fetches};
    *ret = actions;
    return true;
}

void actions_close(struct actions *actions) { free(actions); }

/* --- what may be asked for ------------------------------------------------------ */

struct settings { const char *webhook, *secret; json_t *headers; };
const struct su_field action_fields[] = {
    SU_FIELD(struct settings, webhook, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 2048, .help = "http or https address that decisions are POSTed to"),
    SU_FIELD(struct settings, secret, SU_FIELD_TEXT, .max = SECRET_NAME_MAX, .help = "Name of a secret: deliveries are then signed (Standard Webhooks)"),
    SU_FIELD(struct settings, headers, SU_FIELD_OBJECT, .help = "Further headers, texts by name"),
    SU_FIELD_END};

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

/* Those that say how the request is framed, or that a receiver trusts. */
static bool is_ours(const char *name)
{
    static const char *const ours[] = {"host", "content-length", "content-type", "transfer-encoding", "connection", "expect", "te", "trailer",
                                       "upgrade", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature"};
    for (size_t i = 0; i < SU_COUNT(ours); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return true;
    return false;
}

static bool check_header(const char *name, const json_t *value, struct su_err *err)
{
    const char *text = json_string_value(value);
    if (!*name || strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(name) || is_ours(name))
        return su_fail_field(err, SU_INVALID, "/headers", "headers: \"%.80s\" can't be set", name);
    if (text == NULL || strlen(text) > HEADER_MAX)
        return su_fail_field(err, SU_INVALID, "/headers", "headers: the value of %.80s must be a text of at most %d bytes", name, HEADER_MAX);
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return su_fail_field(err, SU_INVALID, "/headers", "headers: the value of %.80s must be plain ASCII on one line", name);
    return true;
}

static bool check_headers(const json_t *headers, struct su_err *err)
{
    const char *name;
    json_t *value;
    if (json_object_size(headers) > ACTION_HEADERS_MAX)
        return su_fail_field(err, SU_LIMIT, "/headers", "headers: at most %d", ACTION_HEADERS_MAX);
    json_object_foreach ((json_t *)(uintptr_t)headers, name, value)
        if (!check_header(name, value, err))
            return false;
    return true;
}

bool action_check_target(struct actions *actions, const char *tenant, const char *webhook, bool *ret_private, struct su_err *err)
{
    return fetch_url_check(actions->fetches, tenant, webhook, "/webhook", ret_private, err);
}

/* --- reading -------------------------------------------------------------------- */

#define ACTION_COLUMNS "name, webhook, secret, headers, created_ms, changed_ms, changed_by"

static json_t *row_json(struct sql_row *row)
{
    char created[SU_TIME_TEXT], changed[SU_TIME_TEXT];
    json_t *headers = json_loads(sql_col_text(row, 3), 0, NULL);
    return json_pack("{s:s, s:s, s:o, s:o, s:s, s:s, s:s}", "name", sql_col_text(row, 0), "webhook", sql_col_text(row, 1), "secret",
                     su_json_text_or_null(sql_col_text(row, 2)), "headers", headers ? headers : json_object(), "created_at",
                     su_time_text(sql_col_int(row, 4), created), "changed_at", su_time_text(sql_col_int(row, 5), changed), "changed_by",
                     sql_col_text(row, 6));
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
    STORE_READ(actions->store, db);
    return action_load(db, tenant, name, ret, err);
}

bool action_list(struct actions *actions, const char *tenant, json_t **ret_items, struct su_err *err)
{
    STORE_READ(actions->store, db);
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

struct change { const char *tenant, *name, *user; struct settings settings; const char *headers; bool is_new; };

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
                   "INSERT INTO actions (tenant, name, webhook, secret, headers, created_ms, changed_ms, changed_by)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)"
                   " ON CONFLICT DO UPDATE SET webhook = ?3, secret = ?4, headers = ?5, changed_ms = ?6, changed_by = ?7",
                   sql_text(change->tenant), sql_text(change->name), sql_text(change->settings.webhook),
                   sql_text(change->settings.secret), sql_text(change->headers), sql_int(su_now_ms()), sql_text(change->user));
}

static void publish(struct actions *actions, const char *tenant, const char *event, const char *name, const char *user)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", name, "user", user);
    su_bus_publish(actions->bus, topic, event, detail);
}

bool action_put(struct actions *actions, const char *tenant, const char *name, const json_t *given, const char *user, json_t **ret,
                bool *ret_is_new, struct su_err *err)
{
    struct change change = {.tenant = tenant, .name = name, .user = user};
    SU_AUTO_JSON json_t *plain = json_copy((json_t *)(uintptr_t)given);
    bool is_private;
    if (json_is_null(json_object_get(plain, "secret")))
        json_object_del(plain, "secret");
    if (!check_name(name, err) || !su_json_bind(plain, action_fields, &change.settings, err)
        || !check_headers(change.settings.headers, err)
        || (change.settings.secret && !secret_name_check(change.settings.secret, "/secret", err))
        || !action_check_target(actions, tenant, change.settings.webhook, &is_private, err))
        return false;
    SU_AUTO_FREE char *headers = change.settings.headers ? su_json_text(change.settings.headers) : su_strdup("{}");
    change.headers = headers;
    if (!store_write(actions->store, put_job, &change, err))
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
        && decision_abandon(db, change->tenant, change->name, "the action was deleted before it could be delivered", err);
}

bool action_delete(struct actions *actions, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    struct change change = {.tenant = tenant, .name = name};
    if (!store_write(actions->store, delete_job, &change, err))
        return false;
    publish(actions, tenant, "action.deleted", name, user);
    return true;
}
