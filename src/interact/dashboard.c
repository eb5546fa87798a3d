/* Dashboards: see dashboard.h.  Layer interact; jobs on the writer thread. */
#include "dashboard.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const struct store_migration dashboard_migrations[] = {
    {"dashboard", 1,
     "CREATE TABLE dashboards (tenant TEXT NOT NULL, slug TEXT NOT NULL, title TEXT NOT NULL, notebook TEXT, run TEXT,"
     "  show_code INTEGER NOT NULL, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, slug)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* --- what may be asked for ------------------------------------------------------ */

const struct su_field dashboard_fields[] = {
    SU_FIELD(struct dashboard_settings, notebook, SU_FIELD_TEXT, .min = 1, .max = 512, .help = "The notebook that is shown; or a run"),
    SU_FIELD(struct dashboard_settings, run, SU_FIELD_TEXT, .min = 1, .max = 64, .help = "The run that is shown"),
    SU_FIELD(struct dashboard_settings, title, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = DASHBOARD_TITLE_MAX, .help = "For people"),
    SU_FIELD(struct dashboard_settings, show_code, SU_FIELD_BOOL, .help = "Show the code too"),
    SU_FIELD_END};

static bool check_slug(const char *slug, struct su_err *err)
{
    size_t len = strlen(slug);
    bool fits = len > 0 && len <= DASHBOARD_SLUG_MAX && slug[0] != '-'
        && strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
    return fits || su_fail_field(err, SU_INVALID, "slug", "a dashboard's address has 1..%d of a-z, 0-9 and -, and begins with none of the last, was \"%.80s\"",
                                 DASHBOARD_SLUG_MAX, slug);
}

bool dashboard_parse(const char *slug, const json_t *given, struct dashboard_settings *ret, struct su_err *err)
{
    struct dashboard_settings settings = {0};
    if (!check_slug(slug, err) || !su_json_bind((json_t *)(uintptr_t)given, dashboard_fields, &settings, err))
        return false;
    if ((settings.notebook == NULL) == (settings.run == NULL))
        return su_fail_field(err, SU_INVALID, "/notebook", "a dashboard shows a notebook or a run: name one of them");
    *ret = settings;
    return true;
}

/* --- reading -------------------------------------------------------------------- */

#define COLUMNS "slug, title, notebook, run, show_code, created_ms, changed_ms, changed_by"

static json_t *row_json(struct sql_row *row)
{
    char created[SU_TIME_TEXT], changed[SU_TIME_TEXT];
    return json_pack("{s:s, s:s, s:o, s:o, s:b, s:s, s:s, s:s}", "slug", sql_col_text(row, 0), "title", sql_col_text(row, 1), "notebook",
                     su_json_text_or_null(sql_col_text(row, 2)), "run", su_json_text_or_null(sql_col_text(row, 3)), "show_code",
                     sql_col_int(row, 4) != 0, "created_at", su_time_text(sql_col_int(row, 5), created), "changed_at",
                     su_time_text(sql_col_int(row, 6), changed), "changed_by", sql_col_text(row, 7));
}

static bool load(struct sql *db, const char *tenant, const char *slug, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT " COLUMNS " FROM dashboards WHERE tenant = ?1 AND slug = ?2",
                                                 sql_text(tenant), sql_text(slug));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "there is no dashboard \"%.80s\"", slug);
    if (next != SQL_ROW)
        return false;
    *ret = row_json(row);
    return true;
}

bool dashboard_get(struct store *store, const char *tenant, const char *slug, json_t **ret, struct su_err *err)
{
    STORE_READ(store, db);
    return load(db, tenant, slug, ret, err);
}

bool dashboard_list(struct store *store, const char *tenant, const char *cursor, size_t limit, json_t **ret_items, char **ret_next,
                    struct su_err *err)
{
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT " COLUMNS " FROM dashboards WHERE tenant = ?1 AND (?2 IS NULL OR slug > ?2) ORDER BY slug LIMIT ?3", sql_text(tenant),
        sql_text(cursor), sql_int((int64_t)limit + 1));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, row_json(row));
    if (next != SQL_DONE)
        return false;
    *ret_next = NULL;
    if (json_array_size(items) > limit) {
        json_array_remove(items, limit);
        *ret_next = su_strdup(su_json_string(json_array_get(items, limit - 1), "slug", ""));
    }
    *ret_items = su_take(items);
    return true;
}

/* --- writing --------------------------------------------------------------------- */

struct change { const char *tenant, *slug, *user; const struct dashboard_settings *settings; bool is_new; };

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    struct change *change = arg;
    int64_t count, is_there;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM dashboards WHERE tenant = ?1", sql_text(change->tenant))
        || !sql_get_int(db, 0, &is_there, err, "SELECT 1 FROM dashboards WHERE tenant = ?1 AND slug = ?2", sql_text(change->tenant),
                        sql_text(change->slug)))
        return false;
    change->is_new = !is_there;
    if (!is_there && count >= DASHBOARDS_MAX)
        return su_fail(err, SU_LIMIT, "there are %d dashboards, the most there may be; delete some first", DASHBOARDS_MAX);
    return sql_run(db, err,
                   "INSERT INTO dashboards (tenant, slug, title, notebook, run, show_code, created_ms, changed_ms, changed_by)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)"
                   " ON CONFLICT DO UPDATE SET title = ?3, notebook = ?4, run = ?5, show_code = ?6, changed_ms = ?7, changed_by = ?8",
                   sql_text(change->tenant), sql_text(change->slug), sql_text(change->settings->title), sql_text(change->settings->notebook),
                   sql_text(change->settings->run), sql_int(change->settings->show_code), sql_int(su_now_ms()), sql_text(change->user));
}

static void publish(struct su_bus *bus, const char *tenant, const char *event, const char *slug, const char *user)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "name", slug, "user", user);
    su_bus_publish(bus, topic, event, detail);
}

bool dashboard_put(struct store *store, struct su_bus *bus, const char *tenant, const char *slug, const struct dashboard_settings *settings,
                   const char *user, json_t **ret, bool *ret_is_new, struct su_err *err)
{
    struct change change = {.tenant = tenant, .slug = slug, .user = user, .settings = settings};
    if (!store_write(store, put_job, &change, err))
        return false;
    publish(bus, tenant, "dashboard.changed", slug, user);
    *ret_is_new = change.is_new;
    return dashboard_get(store, tenant, slug, ret, err);
}

static bool delete_job(struct sql *db, void *arg, struct su_err *err)
{
    struct change *change = arg;
    SU_AUTO_JSON json_t *before = NULL;
    return load(db, change->tenant, change->slug, &before, err)
        && sql_run(db, err, "DELETE FROM dashboards WHERE tenant = ?1 AND slug = ?2", sql_text(change->tenant), sql_text(change->slug));
}

bool dashboard_delete(struct store *store, struct su_bus *bus, const char *tenant, const char *slug, const char *user, struct su_err *err)
{
    struct change change = {.tenant = tenant, .slug = slug};
    if (!store_write(store, delete_job, &change, err))
        return false;
    publish(bus, tenant, "dashboard.deleted", slug, user);
    return true;
}
