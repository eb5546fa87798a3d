/* Models, moving the live pointer: see model.h.  Layer act; jobs on the writer thread. */
#include <stdlib.h>
#include <string.h>
#include "aggregate/object.h"
#include "base/clock.h"
#include "model_policy.h"
#include "model_private.h"

enum { HISTORY_MAX = 1000 };

/* --- telling --------------------------------------------------------------------------- */

void model_tell(struct models *models, const char *tenant, const char *event, json_t *detail)
{
    SU_AUTO_FREE char *topic = su_format("tenant/%s", tenant);
    su_bus_publish(models->bus, topic, event, detail);
    json_decref(detail);
}

static void tell_users(struct models *models, const char *tenant, const char *name)
{
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s}", "tenant", tenant, "name", name);
    su_bus_publish(models->bus, "models", "changed", detail);
}

static json_t *number_or_null(int64_t number) { return number == 0 ? json_null() : json_integer(number); }

void model_tell_promoted(struct models *models, const char *tenant, const char *name, int64_t version, int64_t before, const char *user)
{
    model_tell(models, tenant, "model.promoted",
               json_pack("{s:s, s:I, s:o, s:s}", "name", name, "version", (json_int_t)version, "before", number_or_null(before), "user", user));
    tell_users(models, tenant, name);
}

/* --- inside jobs ------------------------------------------------------------------------- */

bool model_touch(struct sql *db, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    return sql_run(db, err, "UPDATE models SET revision = revision + 1, changed_ms = ?3, changed_by = ?4 WHERE tenant = ?1 AND name = ?2",
                   sql_text(tenant), sql_text(name), sql_int(su_now_ms()), sql_text(user));
}

bool model_make(struct sql *db, const char *tenant, const char *name, const char *user, struct su_err *err)
{
    int64_t is_there, count = 0;
    if (!sql_get_int(db, 0, &is_there, err, "SELECT 1 FROM models WHERE tenant = ?1 AND name = ?2", sql_text(tenant), sql_text(name)))
        return false;
    if (is_there)
        return true;
    if (!sql_get_int(db, 0, &count, err, "SELECT count(*) FROM models WHERE tenant = ?1", sql_text(tenant)))
        return false;
    if (count >= MODELS_MAX)
        return su_fail(err, SU_LIMIT, "there are %d models, the most there may be; delete some first", MODELS_MAX);
    return sql_run(db, err, "INSERT INTO models (tenant, name, created_ms, changed_ms, changed_by) VALUES (?1, ?2, ?3, ?3, ?4)",
                   sql_text(tenant), sql_text(name), sql_int(su_now_ms()), sql_text(user));
}

static bool note_move(struct sql *db, const struct model_move *move, struct su_err *err)
{
    int64_t last;
    if (!sql_get_int(db, 0, &last, err, "SELECT max(number) FROM model_history WHERE tenant = ?1 AND name = ?2", sql_text(move->tenant),
                     sql_text(move->name)))
        return false;
    return sql_run(db, err,
                   "INSERT INTO model_history (tenant, name, number, version, before, back, at_ms, user, why)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                   sql_text(move->tenant), sql_text(move->name), sql_int(last + 1), sql_int(move->version), sql_int(move->before),
                   sql_int(move->back < 0 ? last : move->back), sql_int(su_now_ms()), sql_text(move->user), sql_text(move->why))
        && sql_run(db, err, "DELETE FROM model_history WHERE tenant = ?1 AND name = ?2 AND number <= ?3", sql_text(move->tenant),
                   sql_text(move->name), sql_int(last + 1 - HISTORY_MAX));
}

bool model_move_live(struct sql *db, const struct model_move *move, struct su_err *err)
{
    return sql_run(db, err, "UPDATE model_versions SET stage = 'retired' WHERE tenant = ?1 AND name = ?2 AND version = ?3", sql_text(move->tenant),
                   sql_text(move->name), sql_int(move->before))
        && sql_run(db, err, "UPDATE model_versions SET stage = 'live', is_withdrawn = 0 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
                   sql_text(move->tenant), sql_text(move->name), sql_int(move->version))
        && sql_run(db, err, "UPDATE models SET live = ?3, drift = NULL WHERE tenant = ?1 AND name = ?2", sql_text(move->tenant),
                   sql_text(move->name), sql_int(move->version))
        && note_move(db, move, err);
}

struct changing {
    const struct model_change *what;
    int64_t version, before;            /* of the live pointer, after and before */
    bool has_moved, was_live;
    const char *promotion;              /* text, or NULL */
};

static bool check_etag(const struct model_change *what, const struct model_row *model, struct su_err *err)
{
    char etag[32];
    snprintf(etag, sizeof etag, "\"r%lld\"", (long long)model->revision);
    if (what->if_match == NULL || object_etag_matches(what->if_match, etag))
        return true;
    su_fail_slug(err, "precondition-failed", "the model \"%.200s\" is at %s, not at what If-Match asks for", what->name, etag);
    return su_hint(err, "Somebody changed it meanwhile: read it again, and send that ETag if the change is still what you want.");
}

static bool load_for_change(struct sql *db, const struct model_change *what, struct model_row *ret, struct su_err *err)
{
    return model_row_load(db, what->tenant, what->name, ret, err) && (ret->is_there || model_missing(what->name, err))
        && check_etag(what, ret, err);
}

static bool has_version(struct sql *db, const struct model_change *what, int64_t version, struct su_err *err)
{
    int64_t found;
    return sql_get_int(db, 0, &found, err, "SELECT 1 FROM model_versions WHERE tenant = ?1 AND name = ?2 AND version = ?3",
                       sql_text(what->tenant), sql_text(what->name), sql_int(version))
        && (found || model_version_missing(what->name, version, err));
}

static bool promote_job(struct sql *db, void *arg, struct su_err *err)
{
    struct changing *c = arg;
    const struct model_change *what = c->what;
    MODEL_AUTO_ROW struct model_row model = {0};
    if (!load_for_change(db, what, &model, err) || !has_version(db, what, c->version, err))
        return false;
    c->before = model.live;
    c->has_moved = model.live != c->version;
    const struct model_move move = {what->tenant, what->name, what->user, "it was promoted", c->version, model.live, -1};
    return !c->has_moved || (model_move_live(db, &move, err) && model_touch(db, what->tenant, what->name, what->user, err));
}

/* One step back in the history: from `number` (0: the newest entry) to the entry that it goes back to. */
struct step { int64_t number, version, back; bool is_usable; };
static bool step_at(struct sql *db, const struct model_change *what, int64_t number, struct step *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT h.number, h.version, h.back, v.version IS NOT NULL AND v.is_withdrawn = 0 FROM model_history h LEFT JOIN model_versions v"
        " ON v.tenant = h.tenant AND v.name = h.name AND v.version = h.version WHERE h.tenant = ?1 AND h.name = ?2"
        " AND (?3 = 0 OR h.number = ?3) ORDER BY h.number DESC LIMIT 1",
        sql_text(what->tenant), sql_text(what->name), sql_int(number));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    *ret = (struct step){0};
    if (next == SQL_ROW)
        *ret = (struct step){sql_col_int(row, 0), sql_col_int(row, 1), sql_col_int(row, 2), sql_col_int(row, 3) != 0};
    return next != SQL_ERROR;
}

/* The entry to go back to; number 0: there is none. */
static bool find_back(struct sql *db, const struct model_change *what, int64_t live, struct step *ret, struct su_err *err)
{
    if (!step_at(db, what, 0, ret, err))
        return false;
    do {
        int64_t back = ret->back;
        *ret = (struct step){0};
        if (back > 0 && !step_at(db, what, back, ret, err))
            return false;
    } while (ret->number > 0 && (!ret->is_usable || ret->version == live));
    return true;
}

static bool rollback_job(struct sql *db, void *arg, struct su_err *err)
{
    struct changing *c = arg;
    const struct model_change *what = c->what;
    MODEL_AUTO_ROW struct model_row model = {0};
    struct step step;
    if (!load_for_change(db, what, &model, err) || !find_back(db, what, model.live, &step, err))
        return false;
    if (step.number == 0)
        return su_fail(err, SU_CONFLICT, "no other version of the model \"%.200s\" was live before that could be gone back to", what->name);
    c->before = model.live;
    c->version = step.version;
    c->has_moved = true;
    SU_AUTO_FREE char *why = model.live ? su_format("version %lld was rolled back", (long long)model.live) : su_strdup("it was rolled back to");
    const struct model_move move = {what->tenant, what->name, what->user, why, step.version, model.live, step.back};
    return model_move_live(db, &move, err) && model_touch(db, what->tenant, what->name, what->user, err);
}

static bool retire_job(struct sql *db, void *arg, struct su_err *err)
{
    struct changing *c = arg;
    const struct model_change *what = c->what;
    MODEL_AUTO_ROW struct model_row model = {0};
    struct step top;
    if (!load_for_change(db, what, &model, err) || !has_version(db, what, c->version, err) || !step_at(db, what, 0, &top, err))
        return false;
    c->before = model.live;
    c->was_live = model.live == c->version;
    const struct model_move move = {what->tenant, what->name, what->user, "it was retired", 0, model.live, top.back};
    return (!c->was_live || model_move_live(db, &move, err))
        && sql_run(db, err, "UPDATE model_versions SET stage = 'retired', is_withdrawn = 1 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
                   sql_text(what->tenant), sql_text(what->name), sql_int(c->version))
        && model_touch(db, what->tenant, what->name, what->user, err);
}

/* --- the changes ---------------------------------------------------------------------------- */

static bool change_version(struct models *models, struct changing *c, store_job *job, json_t **ret, struct su_err *err)
{
    const struct model_change *what = c->what;
    if (!store_write(models->store, job, c, err))
        return false;
    if (c->has_moved)
        model_tell_promoted(models, what->tenant, what->name, c->version, c->before, what->user);
    return model_get(models, what->tenant, what->name, ret, err);
}

bool model_promote(struct models *models, const struct model_change *what, int64_t version, json_t **ret, struct su_err *err)
{
    struct changing c = {.what = what, .version = version};
    return change_version(models, &c, promote_job, ret, err);
}

bool model_rollback(struct models *models, const struct model_change *what, json_t **ret, struct su_err *err)
{
    struct changing c = {.what = what};
    return change_version(models, &c, rollback_job, ret, err);
}

bool model_retire(struct models *models, const struct model_change *what, int64_t version, json_t **ret, struct su_err *err)
{
    struct changing c = {.what = what, .version = version};
    if (!store_write(models->store, retire_job, &c, err))
        return false;
    model_tell(models, what->tenant, "model.retired",
               json_pack("{s:s, s:I, s:b, s:s}", "name", what->name, "version", (json_int_t)version, "was_live", (int)c.was_live, "user", what->user));
    if (c.was_live)
        tell_users(models, what->tenant, what->name);
    return model_get(models, what->tenant, what->name, ret, err);
}

/* --- the policy -------------------------------------------------------------------------------- */

static bool promotion_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct changing *c = arg;
    const struct model_change *what = c->what;
    MODEL_AUTO_ROW struct model_row model = {0};
    return model_make(db, what->tenant, what->name, what->user, err) && load_for_change(db, what, &model, err)
        && sql_run(db, err, "UPDATE models SET promotion = ?3 WHERE tenant = ?1 AND name = ?2", sql_text(what->tenant), sql_text(what->name),
                   sql_text(c->promotion))
        && model_touch(db, what->tenant, what->name, what->user, err);
}

bool model_promotion_put(struct models *models, const struct model_change *what, const json_t *policy, json_t **ret, struct su_err *err)
{
    struct model_policy read;
    bool is_none = policy == NULL || json_object_size(policy) == 0;
    if (!model_name_check(what->name, err) || (!is_none && !model_policy_read(policy, &read, err)))
        return false;
    SU_AUTO_FREE char *text = is_none ? NULL : su_json_text(policy);
    struct changing c = {.what = what, .promotion = text};
    if (!store_write(models->store, promotion_job, &c, err))
        return false;
    model_tell(models, what->tenant, "model.changed", json_pack("{s:s, s:s}", "name", what->name, "user", what->user));
    return model_get(models, what->tenant, what->name, ret, err);
}

/* --- deleting ------------------------------------------------------------------------------------- */

static bool delete_rows(struct sql *db, void *arg, struct su_err *err)
{
    const struct model_change *what = arg;
    MODEL_AUTO_ROW struct model_row model = {0};
    return load_for_change(db, what, &model, err)
        && sql_run(db, err, "DELETE FROM model_versions WHERE tenant = ?1 AND name = ?2", sql_text(what->tenant), sql_text(what->name))
        && sql_run(db, err, "DELETE FROM model_history WHERE tenant = ?1 AND name = ?2", sql_text(what->tenant), sql_text(what->name))
        && sql_run(db, err, "DELETE FROM models WHERE tenant = ?1 AND name = ?2", sql_text(what->tenant), sql_text(what->name));
}

static bool delete_with_object(struct sql *db, void *arg, const struct object_key *key, struct su_err *err)
{
    (void)key;
    return delete_rows(db, arg, err);
}

bool model_delete(struct models *models, const struct model_change *what, struct su_err *err)
{
    struct model_change change = *what;
    SU_AUTO_FREE char *object = model_object_name(what->name);
    SU_AUTO_JSON json_t *before = NULL;
    if (!model_get(models, what->tenant, what->name, &before, err))
        return false;
    const struct object_delete deletion = {.key = {what->tenant, OBJECT_DATA, object, 0}, .user = what->user, .also = delete_with_object, .also_arg = &change};
    bool has_content = su_json_int(before, "versions_total", 0) > 0;
    if (!(has_content ? object_delete(models->objects, &deletion, err) : store_write(models->store, delete_rows, &change, err)))
        return false;
    model_tell(models, what->tenant, "model.deleted", json_pack("{s:s, s:s}", "name", what->name, "user", what->user));
    tell_users(models, what->tenant, what->name);
    return true;
}

bool model_guards_object(struct sql *db, const char *tenant, const char *object, int64_t version, struct su_err *err)
{
    const char *name = model_bare_name(object);
    int64_t found = 0;
    if (name != object
        && !sql_get_int(db, 0, &found, err, "SELECT 1 FROM model_versions WHERE tenant = ?1 AND name = ?2 AND (?3 = 0 OR version = ?3) LIMIT 1",
                        sql_text(tenant), sql_text(name), sql_int(version)))
        return false;
    if (!found)
        return true;
    su_fail(err, SU_CONFLICT, "\"%.200s\" is the model \"%.200s\", and its stages and decisions stand on its versions", object, name);
    return su_hint(err, "DELETE /v1/models/%.150s deletes the model with its content.", name);
}

bool model_decided(struct sql *db, const char *tenant, const json_t *models, struct su_err *err)
{
    size_t i;
    json_t *model;
    json_array_foreach ((json_t *)(uintptr_t)models, i, model)
        if (!sql_run(db, err, "UPDATE model_versions SET decisions = decisions + 1 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
                     sql_text(tenant), sql_text(model_bare_name(su_json_string(model, "name", ""))), sql_int(su_json_int(model, "version", 0))))
            return false;
    return true;
}

/* --- pickles, drift ----------------------------------------------------------------------------------- */

struct allowing { const char *tenant, *user; bool is_allowed; };

static bool pickle_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct allowing *what = arg;
    if (!what->is_allowed)
        return sql_run(db, err, "DELETE FROM model_pickles WHERE tenant = ?1", sql_text(what->tenant));
    return sql_run(db, err, "INSERT OR REPLACE INTO model_pickles (tenant, changed_ms, changed_by) VALUES (?1, ?2, ?3)", sql_text(what->tenant),
                   sql_int(su_now_ms()), sql_text(what->user));
}

bool model_pickle_put(struct models *models, const char *tenant, bool is_allowed, const char *user, struct su_err *err)
{
    struct allowing what = {tenant, user, is_allowed};
    return store_write(models->store, pickle_job, &what, err);
}

struct drifting { const struct model_drift *drift; const char *text; };

static bool drift_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct drifting *what = arg;
    return sql_run(db, err, "UPDATE models SET drift = ?4 WHERE tenant = ?1 AND name = ?2 AND live = ?3", sql_text(what->drift->tenant),
                   sql_text(what->drift->name), sql_int(what->drift->version), sql_text(what->text));
}

bool model_drifted(struct models *models, const struct model_drift *drift, struct su_err *err)
{
    char at[SU_TIME_TEXT];
    SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:I, s:s, s:s, s:f, s:s}", "name", drift->name, "version", (json_int_t)drift->version, "stream",
                                            drift->stream, "watch", drift->watch, "score", drift->score, "at", su_time_text(su_now_ms(), at));
    SU_AUTO_FREE char *text = su_json_text(detail);
    struct drifting what = {drift, text};
    if (!store_write(models->store, drift_job, &what, err))
        return false;
    model_tell(models, drift->tenant, "model.drift", json_incref(detail));
    return true;
}
