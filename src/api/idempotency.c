/* Idempotency keys: see idempotency.h.  Layer api; workers. */
#include "idempotency.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "exchange.h"
#include "limits.h"

const struct store_migration idempotency_migrations[] = {
    {"idempotency", 1,
     "CREATE TABLE idempotency (tenant TEXT NOT NULL, user TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL,"
     "  request BLOB NOT NULL, status INTEGER NOT NULL, type TEXT, location TEXT, body BLOB, created_ms INTEGER NOT NULL,"
     "  PRIMARY KEY (tenant, user, route, key)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX idempotency_by_age ON idempotency (created_ms);"},
    {NULL, 0, NULL},
};

enum { KEY_MAX = 64, SWEPT_AT_ONCE = 100 };
enum verdict { VERDICT_NEW, VERDICT_PENDING, VERDICT_OTHER, VERDICT_KEPT };

struct claim {
    struct request *request;
    const char *key;
    uint8_t hash[SU_SHA256_SIZE];
    enum verdict verdict;
    int64_t status;
    char *type, *location;
    struct su_buf body;
};

/* What makes two requests the same: the address as sent and the body. */
static void hash_request(const struct request *request, uint8_t hash[static SU_SHA256_SIZE])
{
    struct su_sha256 *sha256 = su_sha256_new();
    struct su_str body = su_buf_str(&request->body);
    su_sha256_add(sha256, request->uri.ptr, request->uri.len);
    su_sha256_add(sha256, "\n", 1);
    su_sha256_add(sha256, body.ptr, body.len);
    su_sha256_end(sha256, hash);
    su_sha256_free(sha256);
}

static bool read_kept(struct sql *db, struct claim *claim, struct su_err *err)
{
    const struct request *request = claim->request;
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
        "SELECT request, status, type, location, body FROM idempotency WHERE tenant = ?1 AND user = ?2 AND route = ?3 AND key = ?4",
        sql_text(request->identity.tenant), sql_text(request->identity.user), sql_text(request->route->path), sql_text(claim->key));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next != SQL_ROW)
        return next == SQL_DONE;
    struct su_str hash = sql_col_str(row, 0), body = sql_col_str(row, 4);
    claim->status = sql_col_int(row, 1);
    claim->verdict = claim->status ? VERDICT_KEPT : VERDICT_PENDING;
    if (!su_str_equal(hash, (struct su_str){(const char *)claim->hash, sizeof claim->hash}))
        claim->verdict = VERDICT_OTHER;
    claim->type = su_arena_strdup(request->arena, sql_col_text(row, 2));
    claim->location = su_arena_strdup(request->arena, sql_col_text(row, 3));
    su_buf_add(&claim->body, body.ptr, body.len);
    return true;
}

static bool claim_key(struct sql *db, void *arg, struct su_err *err)
{
    struct claim *claim = arg;
    const struct request *request = claim->request;
    int64_t now = su_now_ms(), oldest = now - (int64_t)(request->services->limits->idempotency_s * 1000);
    claim->verdict = VERDICT_NEW;
    if (!sql_run(db, err, "DELETE FROM idempotency WHERE (tenant, user, route, key) IN"
                          " (SELECT tenant, user, route, key FROM idempotency WHERE created_ms < ?1 LIMIT ?2)",
                 sql_int(oldest), sql_int(SWEPT_AT_ONCE)) || !read_kept(db, claim, err))
        return false;
    return claim->verdict != VERDICT_NEW ||
           sql_run(db, err, "INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5, 0, NULL, NULL, NULL, ?6)", sql_text(request->identity.tenant),
                   sql_text(request->identity.user), sql_text(request->route->path), sql_text(claim->key),
                   sql_blob(claim->hash, sizeof claim->hash), sql_int(now));
}

static void answer(struct request *request, const struct claim *claim)
{
    struct su_err err;
    switch (claim->verdict) {
    case VERDICT_KEPT:
        reply_bytes(&request->reply, (int)claim->status, claim->type, claim->body.len ? claim->body.ptr : "", claim->body.len);
        if (claim->location)
            reply_header(&request->reply, "Location", "%s", claim->location);
        reply_header(&request->reply, "Idempotent-Replayed", "true");
        return;
    case VERDICT_OTHER:
        su_fail_slug(&err, "idempotency-mismatch", "Idempotency-Key: was used for another request");
        su_hint(&err, "take a new key for a new request");
        break;
    case VERDICT_PENDING:
        su_fail_field(&err, SU_CONFLICT, "Idempotency-Key", "a request with this key is under way, or the server stopped in the middle of it");
        su_hint(&err, "ask again in a moment; if this stays, look whether it was done and take a new key");
        break;
    case VERDICT_NEW:
        return;
    }
    reply_error(&request->reply, &err);
}

static bool applies(const struct request *request)
{
    return strcmp(request->method, "POST") == 0 && !(request->route->flags & ROUTE_NO_IDEMPOTENCY) && request->route->body != BODY_STREAM;
}

bool idempotency_replay(struct request *request)
{
    const char *key = request_header(request, "Idempotency-Key");
    struct su_err err;
    if (!key || *request->idempotency || !applies(request))
        return false;
    struct claim claim = {.request = request, .key = key, .body = SU_BUF(request->services->limits->idempotency_bytes + 1)};
    if (!*key || strlen(key) > KEY_MAX) {
        su_fail_field(&err, SU_INVALID, "Idempotency-Key", "Idempotency-Key: must have 1 to %d characters", KEY_MAX);
        reply_error(&request->reply, &err);
        return true;
    }
    hash_request(request, claim.hash);
    if (!store_write(request->services->store, claim_key, &claim, &err))
        reply_error(&request->reply, &err);
    else if (claim.verdict == VERDICT_NEW)
        snprintf(request->idempotency, sizeof request->idempotency, "%s", key);
    else
        answer(request, &claim);
    su_buf_done(&claim.body);
    return request->reply.kind != REPLY_NONE;
}

static bool keep_reply(struct sql *db, void *arg, struct su_err *err)
{
    const struct request *request = arg;
    const struct reply *reply = &request->reply;
    const char *location = NULL;
    for (size_t i = 0; i < reply->header_count; i++)
        if (strcmp(reply->headers[i].name, "Location") == 0)
            location = reply->headers[i].value;
    return sql_run(db, err, "UPDATE idempotency SET status = ?5, type = ?6, location = ?7, body = ?8"
                            " WHERE tenant = ?1 AND user = ?2 AND route = ?3 AND key = ?4",
                   sql_text(request->identity.tenant), sql_text(request->identity.user), sql_text(request->route->path),
                   sql_text(request->idempotency), sql_int(reply->status), sql_text(reply->type), sql_text(location),
                   sql_blob(reply->data ? reply->data : "", reply->len));
}

static bool drop_key(struct sql *db, void *arg, struct su_err *err)
{
    const struct request *request = arg;
    return sql_run(db, err, "DELETE FROM idempotency WHERE tenant = ?1 AND user = ?2 AND route = ?3 AND key = ?4",
                   sql_text(request->identity.tenant), sql_text(request->identity.user), sql_text(request->route->path),
                   sql_text(request->idempotency));
}

void idempotency_store(struct request *request)
{
    struct su_err err;
    const struct reply *reply = &request->reply;
    if (!*request->idempotency)
        return;
    /* A refusal had no effect: the next try with the key may be right. */
    bool is_kept = reply->status < 400 && reply->kind == REPLY_BYTES && reply->len <= request->services->limits->idempotency_bytes;
    if (!store_write(request->services->store, is_kept ? keep_reply : drop_key, request, &err))
        su_log_error("http.idempotency_failed", &err, su_kv_text("id", request->id));
}
