/* Models, the reading half: see model.h.  Layer act; any thread. */
#include "model_private.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "aggregate/consumer.h"
#include "base/clock.h"

const struct store_migration model_migrations[] = {
    {"model", 1,
     "CREATE TABLE models (tenant TEXT NOT NULL, name TEXT NOT NULL, live INTEGER NOT NULL DEFAULT 0, revision INTEGER NOT NULL DEFAULT 1,"
     "  promotion TEXT, drift TEXT, created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE model_versions (tenant TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, stage TEXT NOT NULL,"
     "  is_withdrawn INTEGER NOT NULL DEFAULT 0, why TEXT NOT NULL, kind TEXT NOT NULL, format TEXT NOT NULL, metrics TEXT NOT NULL,"
     "  sources TEXT, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, run TEXT,"
     "  code TEXT, stream TEXT, consumer TEXT, epoch INTEGER, iteration INTEGER, start_us INTEGER, end_us INTEGER, from_offset INTEGER,"
     "  to_offset INTEGER, messages INTEGER, window_revision INTEGER, decisions INTEGER NOT NULL DEFAULT 0,"
     "  PRIMARY KEY (tenant, name, version)) STRICT, WITHOUT ROWID;"
     /* Which version was live when: an entry for each change, back is the entry that a rollback from here goes to. */
     "CREATE TABLE model_history (tenant TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL,"
     "  before INTEGER NOT NULL, back INTEGER NOT NULL, at_ms INTEGER NOT NULL, user TEXT NOT NULL, why TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, name, number)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE model_pickles (tenant TEXT PRIMARY KEY, changed_ms INTEGER NOT NULL, changed_by TEXT NOT NULL) STRICT, WITHOUT ROWID;"},
    {NULL, 0, NULL},
};

enum { SHOWN_VERSIONS = 100, SHOWN_HISTORY = 20 };

const char *model_stage_name(enum model_stage stage)
{
    static const char *const names[MODEL_STAGE_COUNT] = {"policy", "candidate", "live", "retired"};
    su_assert(stage < MODEL_STAGE_COUNT);
    return names[stage];
}

bool model_stage_parse(const char *text, enum model_stage *ret, struct su_err *err)
{
    if (text == NULL)
        *ret = MODEL_STAGE_POLICY;
    else if (strcmp(text, "live") == 0)
        *ret = MODEL_LIVE;
    else if (strcmp(text, "candidate") == 0)
        *ret = MODEL_CANDIDATE;
    else
        return su_fail_field(err, SU_INVALID, "/stage", "stage: must be live or candidate, was \"%.40s\"", text);
    return true;
}

bool models_open(struct store *store, struct su_bus *bus, struct objects *objects, struct models **ret, struct su_err *err)
{
    (void)err;
    struct models *models = su_alloc(sizeof *models);
    *models = (struct models){store, bus, objects};
    *ret = models;
    return true;
}

void models_close(struct models *models) { free(models); }

/* --- names ------------------------------------------------------------------------- */

const char *model_bare_name(const char *name) { return strncmp(name, "models/", 7) == 0 ? name + 7 : name; }

bool model_name_check(const char *name, struct su_err *err)
{
    size_t len = strlen(name);
    if (len > MODEL_NAME_MAX)
        return su_fail_field(err, SU_INVALID, "name", "a model's name has 1..%d bytes, was %zu", MODEL_NAME_MAX, len);
    const char *last = strrchr(name, '/');
    static const char *const taken[] = {"content", "versions", "compare", "promote", "rollback", "retire", "promotion", "score"};
    for (size_t i = 0; last && i < SU_COUNT(taken); i++)
        if (strcmp(last + 1, taken[i]) == 0)
            return su_fail_field(err, SU_INVALID, "name", "a model's name can't end in /%s: that is an address of its own", taken[i]);
    if (strchr(name, ',') != NULL)
        return su_fail_field(err, SU_INVALID, "name", "a model's name has no comma, was \"%.200s\"", name);
    return object_name_check(su_str_of(name), err);
}

char *model_object_name(const char *name) { return su_format("models/%s", name); }

bool model_missing(const char *name, struct su_err *err)
{
    su_fail(err, SU_NOT_FOUND, "there is no model \"%.200s\"", name);
    return su_hint(err, "A notebook makes one: s.save_model(\"%.100s\", model); or PUT /v1/models/%.60s.", name, name);
}

bool model_version_missing(const char *name, int64_t version, struct su_err *err)
{
    return su_fail(err, SU_NOT_FOUND, "the model \"%.200s\" has no version %lld", name, (long long)version);
}

/* --- rows ------------------------------------------------------------------------------ */

void model_row_done(struct model_row *row)
{
    free(row->promotion);
    *row = (struct model_row){0};
}

bool model_row_load(struct sql *db, const char *tenant, const char *name, struct model_row *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT live, revision, promotion FROM models WHERE tenant = ?1 AND name = ?2",
                                                 sql_text(tenant), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW)
        *ret = (struct model_row){sql_col_int(row, 0), sql_col_int(row, 1), su_strdup(sql_col_text(row, 2)), true};
    return next != SQL_ERROR;
}

#define VERSION_COLUMNS                                                                                                  \
    "version, stage, why, kind, format, metrics, sources, bytes, sha256, created_ms, created_by, run, code, stream, consumer, epoch," \
    " iteration, start_us, end_us, from_offset, to_offset, messages, window_revision, decisions"

static json_t *parsed(const char *text, json_t *otherwise)
{
    json_t *value = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    if (value == NULL)
        return otherwise;
    json_decref(otherwise);
    return value;
}

/* The iteration that made it. */
static json_t *maker_json(struct sql_row *row)
{
    if (sql_col_is_null(row, 13))
        return json_null();
    const struct window window = {.start_us = sql_col_int(row, 17), .end_us = sql_col_int(row, 18), .from = (uint64_t)sql_col_int(row, 19),
                                  .to = (uint64_t)sql_col_int(row, 20), .messages = (uint64_t)sql_col_int(row, 21),
                                  .revision = sql_col_int(row, 22)};
    return json_pack("{s:s, s:s, s:I, s:I, s:o}", "stream", sql_col_text(row, 13), "consumer", sql_col_text(row, 14), "epoch",
                     (json_int_t)sql_col_int(row, 15), "number", (json_int_t)sql_col_int(row, 16), "window", consumer_window_json(&window));
}

static json_t *version_json(struct sql_row *row)
{
    char created[SU_TIME_TEXT];
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:I}", "version", (json_int_t)sql_col_int(row, 0),
                     "stage", sql_col_text(row, 1), "why", sql_col_text(row, 2), "kind", sql_col_text(row, 3), "format", sql_col_text(row, 4),
                     "metrics", parsed(sql_col_text(row, 5), json_object()), "sources", parsed(sql_col_text(row, 6), json_array()), "bytes",
                     (json_int_t)sql_col_int(row, 7), "sha256", sql_col_text(row, 8), "created_at", su_time_text(sql_col_int(row, 9), created),
                     "created_by", sql_col_text(row, 10), "run", su_json_text_or_null(sql_col_text(row, 11)), "code",
                     su_json_text_or_null(sql_col_text(row, 12)), "iteration", maker_json(row), "decisions", (json_int_t)sql_col_int(row, 23));
}

/* --- one model --------------------------------------------------------------------------- */

#define OF_MODEL " FROM model_versions v WHERE v.tenant = m.tenant AND v.name = m.name"
#define MODEL_COLUMNS                                                                                                \
    "m.name, m.live, m.revision, m.promotion, m.drift, m.created_ms, m.changed_ms, m.changed_by,"                     \
    " (SELECT max(version)" OF_MODEL " AND v.stage = 'candidate' AND v.version > m.live), (SELECT count(*)" OF_MODEL "),"  \
    " coalesce((SELECT kind" OF_MODEL " AND v.version = m.live), (SELECT kind" OF_MODEL " ORDER BY version DESC LIMIT 1))"

static json_t *number_or_null(struct sql_row *row, int column)
{
    return sql_col_int(row, column) == 0 ? json_null() : json_integer(sql_col_int(row, column));
}

static json_t *model_json(struct sql_row *row)
{
    char created[SU_TIME_TEXT], changed[SU_TIME_TEXT];
    SU_AUTO_FREE char *object = model_object_name(sql_col_text(row, 0)), *etag = su_format("r%lld", (long long)sql_col_int(row, 2));
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:s, s:s, s:s, s:s, s:o}", "name", sql_col_text(row, 0), "object", object, "kind",
                     su_json_text_or_null(sql_col_text(row, 10)), "live", number_or_null(row, 1), "candidate", number_or_null(row, 8), "promotion",
                     parsed(sql_col_text(row, 3), json_null()), "versions_total", (json_int_t)sql_col_int(row, 9), "etag", etag, "created_at",
                     su_time_text(sql_col_int(row, 5), created), "changed_at", su_time_text(sql_col_int(row, 6), changed), "changed_by",
                     sql_col_text(row, 7), "drift", parsed(sql_col_text(row, 4), json_null()));
}

static bool load_model(struct sql *db, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " MODEL_COLUMNS " FROM models m WHERE m.tenant = ?1 AND m.name = ?2", sql_text(tenant), sql_text(name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return model_missing(name, err);
    if (next == SQL_ROW)
        *ret = model_json(row);
    return next == SQL_ROW;
}

static bool load_versions(struct sql *db, const char *tenant, const char *name, int64_t before, size_t limit, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT " VERSION_COLUMNS " FROM model_versions WHERE tenant = ?1 AND name = ?2"
                                                 " AND version < ?3 ORDER BY version DESC LIMIT ?4",
                                                 sql_text(tenant), sql_text(name), sql_int(before), sql_int((int64_t)limit));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, version_json(row));
    if (next != SQL_DONE)
        return false;
    *ret = su_take(items);
    return true;
}

static bool load_history(struct sql *db, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err,
                                                 "SELECT version, before, at_ms, user, why FROM model_history WHERE tenant = ?1"
                                                 " AND name = ?2 ORDER BY number DESC LIMIT ?3",
                                                 sql_text(tenant), sql_text(name), sql_int(SHOWN_HISTORY));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    char at[SU_TIME_TEXT];
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        json_array_append_new(items, json_pack("{s:o, s:o, s:s, s:s, s:s}", "live", number_or_null(row, 0), "before", number_or_null(row, 1),
                                               "at", su_time_text(sql_col_int(row, 2), at), "user", sql_col_text(row, 3), "why",
                                               sql_col_text(row, 4)));
    if (next != SQL_DONE)
        return false;
    *ret = su_take(items);
    return true;
}

bool model_get(struct models *models, const char *tenant, const char *name, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *model = NULL;
    json_t *versions, *history;
    STORE_READ(models->store, db);
    if (!load_model(db, tenant, name, &model, err) || !load_versions(db, tenant, name, INT64_MAX, SHOWN_VERSIONS, &versions, err))
        return false;
    json_object_set_new(model, "versions", versions);
    if (!load_history(db, tenant, name, &history, err))
        return false;
    json_object_set_new(model, "history", history);
    *ret = su_take(model);
    return true;
}

/* --- lists ---------------------------------------------------------------------------------- */

bool model_list(struct models *models, const struct model_list *list, json_t **ret_items, char **ret_next, struct su_err *err)
{
    const char *prefix = list->prefix ? list->prefix : "";
    STORE_READ(models->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT " MODEL_COLUMNS " FROM models m WHERE m.tenant = ?1 AND m.name > ?2 AND substr(m.name, 1, length(?3)) = ?3"
        " ORDER BY m.name LIMIT ?4",
        sql_text(list->tenant), sql_text(list->cursor ? list->cursor : ""), sql_text(prefix), sql_int((int64_t)list->limit + 1));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    bool has_more = false;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        has_more = json_array_size(items) == list->limit;
        if (!has_more)
            json_array_append_new(items, model_json(row));
    }
    if (next != SQL_DONE)
        return false;
    *ret_next = has_more ? su_strdup(su_json_string(json_array_get(items, list->limit - 1), "name", "")) : NULL;
    *ret_items = su_take(items);
    return true;
}

bool model_versions(struct models *models, const char *tenant, const char *name, const char *cursor, size_t limit, json_t **ret_items,
                    char **ret_next, struct su_err *err)
{
    uint64_t before = INT64_MAX;
    SU_AUTO_JSON json_t *items = NULL;
    MODEL_AUTO_ROW struct model_row model = {0};
    if (cursor && !su_str_u64(su_str_of(cursor), INT64_MAX, &before))
        return su_fail_field(err, SU_INVALID, "cursor", "cursor: is not one that a list of versions gave");
    STORE_READ(models->store, db);
    if (!model_row_load(db, tenant, name, &model, err) || (!model.is_there && !model_missing(name, err))
        || !load_versions(db, tenant, name, (int64_t)before, limit + 1, &items, err))
        return false;
    *ret_next = NULL;
    if (json_array_size(items) > limit) {
        json_array_remove(items, limit);
        *ret_next = su_format("%lld", (long long)su_json_int(json_array_get(items, limit - 1), "version", 0));
    }
    *ret_items = su_take(items);
    return true;
}

/* --- one version ------------------------------------------------------------------------------ */

/* The number that `which` stands for now. */
static bool find_version(struct sql *db, const char *tenant, const char *name, const char *which, int64_t *ret, struct su_err *err)
{
    uint64_t number = 0;
    MODEL_AUTO_ROW struct model_row model = {0};
    if (!model_row_load(db, tenant, name, &model, err) || (!model.is_there && !model_missing(name, err)))
        return false;
    if (su_str_u64(su_str_of(which), INT64_MAX, &number)) {
        *ret = (int64_t)number;
        return number > 0 || model_version_missing(name, 0, err);
    }
    bool is_live = strcmp(which, "live") == 0;
    if (!is_live && strcmp(which, "candidate") != 0)
        return su_fail_field(err, SU_INVALID, "version", "version: must be a number, live or candidate, was \"%.40s\"", which);
    *ret = model.live;
    if (!is_live
        && !sql_get_int(db, 0, ret, err,
                        "SELECT max(version) FROM model_versions WHERE tenant = ?1 AND name = ?2 AND stage = 'candidate' AND version > ?3",
                        sql_text(tenant), sql_text(name), sql_int(model.live)))
        return false;
    if (*ret != 0)
        return true;
    su_fail(err, SU_NOT_FOUND, "the model \"%.200s\" has no %s version", name, is_live ? "live" : "candidate");
    return su_hint(err, "GET /v1/models/%.100s lists its versions; POST …/promote makes one of them live.", name);
}

static bool load_version(struct sql *db, const char *tenant, const char *name, int64_t version, json_t **ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT " VERSION_COLUMNS " FROM model_versions WHERE tenant = ?1 AND name = ?2 AND version = ?3",
                  sql_text(tenant), sql_text(name), sql_int(version));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_DONE)
        return model_version_missing(name, version, err);
    if (next == SQL_ROW)
        *ret = version_json(row);
    return next == SQL_ROW;
}

static bool named_version(struct sql *db, const char *tenant, const char *name, const char *which, json_t **ret, struct su_err *err)
{
    int64_t version;
    if (!find_version(db, tenant, name, which, &version, err) || !load_version(db, tenant, name, version, ret, err))
        return false;
    json_object_set_new(*ret, "name", json_string(name));
    return true;
}

bool model_version(struct models *models, const char *tenant, const char *name, const char *which, json_t **ret, struct su_err *err)
{
    STORE_READ(models->store, db);
    return named_version(db, tenant, name, which, ret, err);
}

bool model_live(struct sql *db, const char *tenant, const char *name, int64_t *ret_version, struct su_err *err)
{
    return sql_get_int(db, 0, ret_version, err, "SELECT live FROM models WHERE tenant = ?1 AND name = ?2", sql_text(tenant), sql_text(name));
}

/* --- content ------------------------------------------------------------------------------------ */

void model_content_done(struct model_content *content)
{
    free(content->type);
    free(content->kind);
    *content = (struct model_content){.fd = -1};
}

static bool check_format(struct models *models, const char *tenant, const char *name, const char *format, struct su_err *err)
{
    bool is_allowed = true;
    if (strcmp(format, "pickle") == 0 && !model_pickle_get(models, tenant, &is_allowed, err))
        return false;
    if (is_allowed)
        return true;
    su_fail_field(err, SU_DENIED, "/format", "the model \"%.200s\" is a pickle, and loading one runs what is in it", name);
    return su_hint(err, "An owner may allow pickles: PUT /v1/model-settings with {\"pickle\": true}.");
}

static bool live_now(struct models *models, const char *tenant, const char *name, int64_t *ret, struct su_err *err)
{
    STORE_READ(models->store, db);
    return model_live(db, tenant, name, ret, err);
}

bool model_content(struct models *models, const char *tenant, const char *name, const char *which, struct model_content *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *version = NULL;
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (!model_version(models, tenant, name, which, &version, err)
        || !check_format(models, tenant, name, su_json_string(version, "format", ""), err))
        return false;
    SU_AUTO_FREE char *object = model_object_name(name);
    const struct object_key key = {tenant, OBJECT_DATA, object, su_json_int(version, "version", 0)};
    int64_t live;
    int fd;
    if (!live_now(models, tenant, name, &live, err) || !object_open(models->objects, &key, &info, &fd, err))
        return false;
    *ret = (struct model_content){.fd = fd, .bytes = info.size, .version = key.version, .live = live, .type = su_take(info.type),
                                  .kind = su_strdup(su_json_string(version, "kind", ""))};
    snprintf(ret->etag, sizeof ret->etag, "%s", info.etag);
    memcpy(ret->sha256, info.sha256, sizeof ret->sha256);
    snprintf(ret->format, sizeof ret->format, "%s", su_json_string(version, "format", ""));
    return true;
}

bool model_native(struct models *models, const char *tenant, const char *name, int64_t version, const char *kind, json_t **ret,
                  int64_t *ret_version, struct su_err *err)
{
    char number[24] = "live";
    SU_AUTO_JSON json_t *found = NULL;
    SU_AUTO_BUF struct su_buf content = SU_BUF(MODEL_NATIVE_MAX);
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (version > 0)
        snprintf(number, sizeof number, "%lld", (long long)version);
    if (!model_version(models, tenant, name, number, &found, err))
        return false;
    const char *format = su_json_string(found, "format", ""), *its_kind = su_json_string(found, "kind", "");
    int64_t its_version = su_json_int(found, "version", 0);
    if (strcmp(format, "json") != 0 || (kind != NULL && strcmp(kind, its_kind) != 0))
        return su_fail_field(err, SU_INVALID, "/model",
                             "version %lld of the model \"%.200s\" is of kind %.64s in format %s, expected is %s%.64s in format json",
                             (long long)its_version, name, its_kind, format, kind ? "kind " : "any kind", kind ? kind : "");
    SU_AUTO_FREE char *object = model_object_name(name);
    const struct object_key key = {tenant, OBJECT_DATA, object, its_version};
    if (!object_read(models->objects, &key, MODEL_NATIVE_MAX, &info, &content, err) || !su_json_parse(su_buf_str(&content), "model", ret, err))
        return false;
    if (ret_version)
        *ret_version = its_version;
    return true;
}

/* --- comparing ------------------------------------------------------------------------------------ */

static json_t *difference(const char *metric, double a, double b, const json_t *promotion)
{
    const char *better = NULL;
    if (strcmp(su_json_string(promotion, "metric", ""), metric) == 0 && a != b)
        better = (a > b) == (strcmp(su_json_string(promotion, "better", ""), "higher") == 0) ? "a" : "b";
    return json_pack("{s:s, s:f, s:f, s:f, s:o}", "metric", metric, "a", a, "b", b, "difference", b - a, "better", su_json_text_or_null(better));
}

/* What both have, by name; then what only one has. */
static json_t *compare_metrics(const json_t *a, const json_t *b, const json_t *promotion)
{
    json_t *items = json_array(), *value;
    const char *metric;
    json_object_foreach ((json_t *)(uintptr_t)a, metric, value)
        if (json_object_get(b, metric))
            json_array_append_new(items, difference(metric, json_number_value(value), json_number_value(json_object_get(b, metric)), promotion));
    json_object_foreach ((json_t *)(uintptr_t)a, metric, value)
        if (!json_object_get(b, metric))
            json_array_append_new(items, json_pack("{s:s, s:O, s:n, s:n, s:n}", "metric", metric, "a", value, "b", "difference", "better"));
    json_object_foreach ((json_t *)(uintptr_t)b, metric, value)
        if (!json_object_get(a, metric))
            json_array_append_new(items, json_pack("{s:s, s:n, s:O, s:n, s:n}", "metric", metric, "a", "b", value, "difference", "better"));
    return items;
}

static bool sides_of(struct sql *db, const char *tenant, const char *name, int64_t a, int64_t b, json_t **ret_a, json_t **ret_b, struct su_err *err)
{
    struct su_err none;
    if (!(a > 0 ? load_version(db, tenant, name, a, ret_a, err) : named_version(db, tenant, name, "live", ret_a, err)))
        return false;
    if (b > 0)
        return load_version(db, tenant, name, b, ret_b, err);
    int64_t newest;
    return named_version(db, tenant, name, "candidate", ret_b, &none)
        || (sql_get_int(db, 0, &newest, err, "SELECT max(version) FROM model_versions WHERE tenant = ?1 AND name = ?2", sql_text(tenant), sql_text(name))
            && load_version(db, tenant, name, newest, ret_b, err));
}

bool model_compare(struct models *models, const char *tenant, const char *name, int64_t a, int64_t b, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *model = NULL, *one = NULL, *other = NULL;
    STORE_READ(models->store, db);
    if (!load_model(db, tenant, name, &model, err) || !sides_of(db, tenant, name, a, b, &one, &other, err))
        return false;
    bool is_same = strcmp(su_json_string(one, "sha256", ""), su_json_string(other, "sha256", "")) == 0;
    json_t *metrics = compare_metrics(json_object_get(one, "metrics"), json_object_get(other, "metrics"), json_object_get(model, "promotion"));
    *ret = json_pack("{s:s, s:O, s:O, s:o, s:b}", "name", name, "a", one, "b", other, "metrics", metrics, "is_same_content", (int)is_same);
    return true;
}

/* --- lineage -------------------------------------------------------------------------------------------- */

static bool add_if_model(struct sql *db, const char *tenant, const json_t *touch, json_t *into, struct su_err *err)
{
    const char *object = su_json_string(touch, "object", ""), *name = model_bare_name(object);
    if (name == object)
        return true;
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT version, kind, stage FROM model_versions WHERE tenant = ?1 AND name = ?2 AND version = ?3", sql_text(tenant),
                  sql_text(name), sql_int(su_json_int(touch, "version", 0)));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ROW)
        json_array_append_new(into, json_pack("{s:s, s:I, s:s, s:s}", "name", name, "version", (json_int_t)sql_col_int(row, 0), "kind",
                                              sql_col_text(row, 1), "stage", sql_col_text(row, 2)));
    return next != SQL_ERROR;
}

bool model_lineage(struct models *models, const char *tenant, const json_t *reads, const json_t *writes, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *found = json_pack("{s:[], s:[]}", "used", "made");
    const struct { const char *name; const json_t *touches; } lists[] = {{"used", reads}, {"made", writes}};
    STORE_READ(models->store, db);
    for (size_t n = 0; n < SU_COUNT(lists); n++) {
        size_t i;
        json_t *touch;
        json_array_foreach ((json_t *)(uintptr_t)lists[n].touches, i, touch)
            if (!add_if_model(db, tenant, touch, json_object_get(found, lists[n].name), err))
                return false;
    }
    *ret = su_take(found);
    return true;
}

/* --- what a tenant allows ---------------------------------------------------------------------------- */

bool model_pickle_get(struct models *models, const char *tenant, bool *ret, struct su_err *err)
{
    int64_t found;
    STORE_READ(models->store, db);
    if (!sql_get_int(db, 0, &found, err, "SELECT 1 FROM model_pickles WHERE tenant = ?1", sql_text(tenant)))
        return false;
    *ret = found != 0;
    return true;
}
