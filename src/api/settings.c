/* /v1/settings: what a user set on the page (theme, shortcuts, pinned charts).  Layer api; handlers run on workers. */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "handler.h"
#include "routes.h"

const struct store_migration settings_migrations[] = {
    {"settings", 1,
     "CREATE TABLE settings (tenant TEXT NOT NULL, user TEXT NOT NULL, value TEXT NOT NULL, changed_ms INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, user)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

enum { ETAG_SIZE = 17 };

static void etag_of(const char *text, char ret[static ETAG_SIZE])
{
    uint8_t digest[SU_SHA256_SIZE];
    char hex[SU_SHA256_HEX];
    su_sha256_of(text, strlen(text), digest);
    su_hex(digest, sizeof digest, hex);
    snprintf(ret, ETAG_SIZE, "%.16s", hex);
}

/* "{}" when nothing was ever set; the caller frees. */
static bool load(struct sql *db, const struct identity *who, char **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT value FROM settings WHERE tenant = ?1 AND user = ?2", sql_text(who->tenant), sql_text(who->user));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    *ret = su_strdup(next == SQL_ROW ? sql_col_text(row, 0) : "{}");
    return true;
}

static void reply_settings(struct reply *reply, const char *text)
{
    char etag[ETAG_SIZE];
    etag_of(text, etag);
    reply_bytes(reply, 200, "application/json", text, strlen(text));
    reply_etag(reply, etag);
}

static void get_settings(struct request *request, struct reply *reply)
{
    struct su_err err;
    SU_AUTO_FREE char *text = NULL;
    STORE_READ(request_services(request)->store, db);
    if (load(db, request_identity(request), &text, &err))
        reply_settings(reply, text);
    else
        reply_error(reply, &err);
}

struct change { const struct identity *who; const char *text; const struct precondition *condition; };

static bool put_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct change *change = arg;
    SU_AUTO_FREE char *before = NULL;
    char etag[ETAG_SIZE];
    if (!load(db, change->who, &before, err))
        return false;
    etag_of(before, etag);
    if (change->condition->etag[0] && strcmp(change->condition->etag, etag) != 0)
        return su_fail_slug(err, "precondition-failed", "the settings are at \"%s\", not at what If-Match asks for", etag);
    return sql_run(db, err,
                   "INSERT INTO settings (tenant, user, value, changed_ms) VALUES (?1, ?2, ?3, ?4)"
                   " ON CONFLICT DO UPDATE SET value = ?3, changed_ms = ?4",
                   sql_text(change->who->tenant), sql_text(change->who->user), sql_text(change->text), sql_int(su_now_ms()));
}

static void put_settings(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct precondition condition = {0};
    SU_AUTO_FREE char *text = su_json_text(request_json(request));
    struct change change = {request_identity(request), text, &condition};
    if (strlen(text) > SETTINGS_BYTES_MAX)
        su_fail(&err, SU_LIMIT, "settings: %zu bytes of compact JSON; the limit is %d", strlen(text), SETTINGS_BYTES_MAX);
    else if (request_precondition(request, &condition, &err) && store_write(request_services(request)->store, put_job, &change, &err)) {
        reply_settings(reply, text);
        return;
    }
    reply_error(reply, &err);
}

const struct route settings_routes[] = {
    {"GET", "/v1/settings", SCOPE_ANY, get_settings, .summary = "The user's settings of the page",
     .response = "The object that was put last; {} before the first"},
    {"PUT", "/v1/settings", SCOPE_ANY, put_settings, BODY_JSON, .body_max = 4 * SETTINGS_BYTES_MAX,
     .summary = "Replace the user's settings of the page", .response = "The settings"},
    ROUTE_END};
