/* Promised events: see promise.h.  Layer aggregate. */
#include "promise.h"
#include <string.h>
#include "base/clock.h"
#include "base/hash.h"

const struct store_migration promise_migrations[] = {
    {"promise", 1,
     "CREATE TABLE event_promises (tenant TEXT NOT NULL, hash BLOB NOT NULL, at_us INTEGER NOT NULL, event TEXT NOT NULL,"
     "  detail TEXT NOT NULL, PRIMARY KEY (tenant, hash)) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

/* An event is known by what it says. */
static char *hash_of(const char *event, const json_t *detail, uint8_t ret[static SU_SHA256_SIZE])
{
    char *text = su_json_text_flags(detail, JSON_SORT_KEYS | JSON_COMPACT);
    struct su_sha256 *hash = su_sha256_new();
    su_sha256_add(hash, event, strlen(event) + 1);
    su_sha256_add(hash, text, strlen(text));
    su_sha256_end(hash, ret);
    su_sha256_free(hash);
    return text;
}

bool event_promise(struct sql *db, const char *tenant, const char *event, const json_t *detail, struct su_err *err)
{
    uint8_t hash[SU_SHA256_SIZE];
    SU_AUTO_FREE char *text = hash_of(event, detail, hash);
    return sql_run(db, err, "INSERT OR IGNORE INTO event_promises (tenant, hash, at_us, event, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
                   sql_text(tenant), sql_blob(hash, sizeof hash), sql_int(su_now_us()), sql_text(event), sql_text(text));
}

bool event_promise_keep(struct sql *db, const char *tenant, const char *event, const json_t *detail, struct su_err *err)
{
    uint8_t hash[SU_SHA256_SIZE];
    SU_AUTO_FREE char *text = hash_of(event, detail, hash);
    return sql_run(db, err, "DELETE FROM event_promises WHERE tenant = ?1 AND hash = ?2", sql_text(tenant), sql_blob(hash, sizeof hash));
}

bool event_promise_each(struct sql *db, void (*each)(void *arg, const char *tenant, const char *event, json_t *detail, int64_t at_us),
                        void *arg, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT tenant, event, detail, at_us FROM event_promises ORDER BY at_us");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        SU_AUTO_JSON json_t *detail = json_loads(sql_col_text(row, 2), JSON_ALLOW_NUL, NULL);
        if (detail)
            each(arg, sql_col_text(row, 0), sql_col_text(row, 1), detail, sql_col_int(row, 3));
    }
    return next == SQL_DONE;
}
