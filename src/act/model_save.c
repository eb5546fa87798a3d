/* Models, saving a version: see model.h.  Layer act; the job on the writer thread. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "aggregate/blobref.h"
#include "base/clock.h"
#include "model_policy.h"
#include "model_private.h"

enum { PRUNED_AT_ONCE = 8, HEAD_BYTES = 4 };

struct model_saving {
    struct models *models;
    struct model_save save;             /* its texts are those below; JSON is NULL */
    char *texts[8];
    char *object, *metrics, *sources;
    const char *format;                 /* of the table */
    struct object_upload *upload;
    struct su_buf json;                 /* content that is yet to be parsed */
    char head[HEAD_BYTES];
    uint64_t bytes;
    /* Filled by the job. */
    int64_t version, before;
    enum model_stage stage;
    bool has_pruned;
    char why[MODEL_WHY_MAX];
};

/* --- formats -------------------------------------------------------------------------- */

struct format { const char *name, *type, *kind; };
static const struct format formats[] = {
    {"json", "application/vnd.suricate.model+json", "plain"},
    {"skops", "application/vnd.suricate.model+skops", "scikit-learn"},
    {"pickle", "application/vnd.suricate.model+pickle", "python"},
    {"bytes", "application/octet-stream", "other"},
};

static const struct format *format_named(const char *name)
{
    for (size_t i = 0; i < SU_COUNT(formats); i++)
        if (strcmp(name, formats[i].name) == 0)
            return &formats[i];
    return NULL;
}

static const struct format *format_of_type(const char *type)
{
    for (size_t i = 0; type && i < SU_COUNT(formats); i++)
        if (strcmp(type, formats[i].type) == 0)
            return &formats[i];
    return type && strcmp(type, "application/json") == 0 ? &formats[0] : &formats[SU_COUNT(formats) - 1];
}

static bool find_format(const struct model_save *save, const struct format **ret, struct su_err *err)
{
    *ret = save->format ? format_named(save->format) : format_of_type(save->type);
    return *ret || su_fail_field(err, SU_INVALID, "/format", "format: must be json, skops, pickle or bytes, was \"%.40s\"", save->format);
}

static bool check_pickle(struct models *models, const char *tenant, const struct format *format, struct su_err *err)
{
    bool is_allowed = true;
    if (strcmp(format->name, "pickle") == 0 && !model_pickle_get(models, tenant, &is_allowed, err))
        return false;
    if (is_allowed)
        return true;
    su_fail_field(err, SU_DENIED, "/format", "format: a pickle runs what is in it when it is loaded, and none is allowed here");
    return su_hint(err, "Keep plain values (json) or a scikit-learn estimator (skops); an owner may allow pickles: PUT /v1/model-settings.");
}

/* --- what may be said of a version ------------------------------------------------------ */

static bool check_kind(const char *kind, struct su_err *err)
{
    size_t len = strlen(kind);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)kind[i]) && strchr("-_.", kind[i]) == NULL)
            return su_fail_field(err, SU_INVALID, "/kind", "kind: has letters, digits, - _ and . only, was \"%.64s\"", kind);
    return (len > 0 && len <= MODEL_KIND_MAX) || su_fail_field(err, SU_INVALID, "/kind", "kind: has 1..%d bytes, was %zu", MODEL_KIND_MAX, len);
}

/* null is a metric that could not be computed: left out. */
static bool metrics_text(const json_t *metrics, char **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *kept = json_object();
    const char *name;
    json_t *value;
    if (json_object_size(metrics) > MODEL_METRICS_MAX)
        return su_fail_field(err, SU_LIMIT, "/metrics", "metrics: at most %d, were %zu", MODEL_METRICS_MAX, json_object_size(metrics));
    json_object_foreach ((json_t *)(uintptr_t)metrics, name, value) {
        if (!*name || strlen(name) > MODEL_METRIC_NAME_MAX)
            return su_fail_field(err, SU_INVALID, "/metrics", "metrics: a name has 1..%d bytes", MODEL_METRIC_NAME_MAX);
        if (!json_is_number(value) && !json_is_null(value))
            return su_fail_field(err, SU_INVALID, "/metrics", "metrics: %.64s must be a number", name);
        if (json_is_number(value))
            json_object_set(kept, name, value);
    }
    *ret = su_json_text(kept);
    return true;
}

static bool sources_text(const json_t *sources, char **ret, struct su_err *err)
{
    size_t i;
    json_t *source;
    if (json_array_size(sources) > MODEL_SOURCES_MAX)
        return su_fail_field(err, SU_LIMIT, "/sources", "sources: at most %d, were %zu", MODEL_SOURCES_MAX, json_array_size(sources));
    json_array_foreach ((json_t *)(uintptr_t)sources, i, source) {
        SU_AUTO_FREE char *text = su_json_text_flags(source, JSON_ENCODE_ANY);
        if ((!json_is_object(source) && !json_is_string(source)) || strlen(text) > MODEL_SOURCE_MAX)
            return su_fail_field(err, SU_INVALID, "/sources", "sources[%zu]: must be an object or a text of at most %d bytes", i, MODEL_SOURCE_MAX);
    }
    *ret = sources ? su_json_text(sources) : NULL;
    return true;
}

/* --- begin ---------------------------------------------------------------------------------- */

static struct model_saving *saving_new(struct models *models, const struct model_save *save, const struct format *format)
{
    struct model_saving *saving = su_alloc(sizeof *saving);
    const char *name = model_bare_name(save->name), *kind = save->kind ? save->kind : format->kind;
    saving->models = models;
    saving->save = *save;
    saving->save.metrics = saving->save.metadata = saving->save.tags = saving->save.sources = NULL;
    saving->save.format = saving->save.type = NULL;
    saving->save.tenant = saving->texts[0] = su_strdup(save->tenant);
    saving->save.name = saving->texts[1] = su_strdup(name);
    saving->save.user = saving->texts[2] = su_strdup(save->user);
    saving->save.run = saving->texts[3] = su_strdup(save->run);
    saving->save.code = saving->texts[4] = su_strdup(save->code);
    saving->save.kind = saving->texts[5] = su_strdup(kind);
    saving->save.stream = saving->texts[6] = su_strdup(save->stream);
    saving->save.consumer = saving->texts[7] = su_strdup(save->consumer);
    saving->object = model_object_name(name);
    saving->format = format->name;
    saving->json = SU_BUF(MODEL_JSON_MAX);
    return saving;
}

/* Those given, or else those that the name has, and "model" in any case. */
static json_t *tags_of(struct model_saving *saving, const struct model_save *save)
{
    json_t *tags = json_pack("[s]", "model");
    const struct object_key key = {save->tenant, OBJECT_DATA, saving->object, 0};
    OBJECT_AUTO_INFO struct object_info info = {0};
    struct su_err none;
    if (save->tags)
        json_array_extend(tags, (json_t *)(uintptr_t)save->tags);
    else if (object_get(saving->models->objects, &key, &info, &none))
        json_array_extend(tags, info.tags);
    return tags;
}

static bool begin_upload(struct model_saving *saving, const struct model_save *save, const struct format *format, struct su_err *err)
{
    SU_AUTO_JSON json_t *tags = tags_of(saving, save);
    const struct object_put put = {.key = {.tenant = save->tenant, .kind = OBJECT_DATA, .name = saving->object},
                                   .type = save->type ? save->type : format->type, .tags = tags, .metadata = save->metadata,
                                   .user = save->user, .run = save->run, .size_hint = save->size_hint};
    return object_put_begin(saving->models->objects, &put, &saving->upload, err);
}

bool model_save_begin(struct models *models, const struct model_save *save, struct model_saving **ret, struct su_err *err)
{
    const struct format *format;
    if (!model_name_check(model_bare_name(save->name), err) || !find_format(save, &format, err) || !check_pickle(models, save->tenant, format, err))
        return false;
    MODEL_AUTO_SAVING struct model_saving *saving = saving_new(models, save, format);
    if (!check_kind(saving->save.kind, err) || !metrics_text(save->metrics, &saving->metrics, err)
        || !sources_text(save->sources, &saving->sources, err) || !begin_upload(saving, save, format, err))
        return false;
    *ret = su_take(saving);
    return true;
}

/* --- content ----------------------------------------------------------------------------------- */

static bool is_json(const struct model_saving *saving) { return strcmp(saving->format, "json") == 0; }

bool model_save_add(struct model_saving *saving, const void *data, size_t len, struct su_err *err)
{
    for (size_t i = 0; i < len && saving->bytes + i < HEAD_BYTES; i++)
        saving->head[saving->bytes + i] = ((const char *)data)[i];
    saving->bytes += len;
    if (saving->bytes > MODEL_BYTES_MAX)
        return su_fail(err, SU_LIMIT, "a model's version has at most %d bytes", MODEL_BYTES_MAX);
    if (is_json(saving)) {
        su_buf_add(&saving->json, data, len);
        if (saving->json.failed)
            return su_fail(err, SU_LIMIT, "a model in JSON has at most %d bytes; format bytes may be larger", MODEL_JSON_MAX);
    }
    return object_put_add(saving->upload, data, len, err);
}

/* Is it what it says it is?  A pickle that calls itself something else would be loaded where none is allowed. */
static bool check_content(struct model_saving *saving, struct su_err *err)
{
    if (saving->bytes == 0)
        return su_fail_field(err, SU_INVALID, "/content", "content: is empty");
    if (strcmp(saving->format, "skops") == 0 && (saving->bytes < HEAD_BYTES || memcmp(saving->head, "PK\x03\x04", HEAD_BYTES) != 0))
        return su_fail_field(err, SU_INVALID, "/content", "content: is not what skops writes, a zip archive, as format says");
    if (!is_json(saving))
        return true;
    SU_AUTO_JSON json_t *value = NULL;
    if (!su_json_parse(su_buf_str(&saving->json), "content", &value, err))
        return su_fail_field(err, SU_INVALID, "/content", "%s (format is json)", err->message);
    su_buf_done(&saving->json);
    return true;
}

bool model_save_ready(struct model_saving *saving, struct su_err *err)
{
    return check_content(saving, err) && object_put_ready(saving->upload, err);
}

/* --- the version ----------------------------------------------------------------------------------- */

/* By the model's policy, against the version that is live now. */
static bool judge(struct sql *db, struct model_saving *saving, const struct model_row *model, bool is_first, struct su_err *err)
{
    const struct model_save *save = &saving->save;
    SU_AUTO_JSON json_t *promotion = model->promotion ? json_loads(model->promotion, 0, NULL) : NULL, *ours = json_loads(saving->metrics, 0, NULL);
    struct model_policy policy;
    if (promotion && !model_policy_read(promotion, &policy, err))
        return false;
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT kind, metrics FROM model_versions WHERE tenant = ?1 AND name = ?2 AND version = ?3", sql_text(save->tenant),
                  sql_text(save->name), sql_int(model->live));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    SU_AUTO_JSON json_t *theirs = next == SQL_ROW ? json_loads(sql_col_text(row, 1), 0, NULL) : NULL;
    const struct model_rival live = {model->live, next == SQL_ROW ? sql_col_text(row, 0) : "", theirs};
    const struct model_rival new_one = {saving->version, save->kind, ours};
    saving->stage = model_judge(promotion ? &policy : NULL, is_first, next == SQL_ROW ? &live : NULL, &new_one, saving->why);
    return true;
}

static bool decide_stage(struct sql *db, struct model_saving *saving, const struct model_row *model, struct su_err *err)
{
    const struct model_save *save = &saving->save;
    int64_t count;
    if (save->stage != MODEL_STAGE_POLICY) {
        saving->stage = save->stage;
        snprintf(saving->why, sizeof saving->why, "it was saved as %s", model_stage_name(save->stage));
        return true;
    }
    return sql_get_int(db, 0, &count, err, "SELECT count(*) FROM model_versions WHERE tenant = ?1 AND name = ?2", sql_text(save->tenant),
                       sql_text(save->name))
        && judge(db, saving, model, count == 0, err);
}

static bool insert_version(struct sql *db, const struct model_saving *saving, const struct object_info *info, struct su_err *err)
{
    const struct model_save *s = &saving->save;
    const struct window *window = &s->window;
    return sql_run(db, err,
                   "INSERT INTO model_versions (tenant, name, version, stage, why, kind, format, metrics, sources, bytes, sha256, created_ms,"
                   " created_by, run, code, stream, consumer, epoch, iteration, start_us, end_us, from_offset, to_offset, messages,"
                   " window_revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,"
                   " ?22, ?23, ?24, ?25)",
                   sql_text(s->tenant), sql_text(s->name), sql_int(saving->version),
                   sql_text(model_stage_name(saving->stage == MODEL_LIVE ? MODEL_CANDIDATE : saving->stage)), sql_text(saving->why),
                   sql_text(s->kind), sql_text(saving->format), sql_text(saving->metrics), sql_text(saving->sources), sql_int((int64_t)info->size),
                   sql_text(info->sha256), sql_int(info->created_ms), sql_text(s->user), sql_text(s->run), sql_text(s->code), sql_text(s->stream),
                   sql_text(s->consumer), sql_int(s->epoch), sql_int(s->iteration), sql_int(window->start_us), sql_int(window->end_us),
                   sql_int((int64_t)window->from), sql_int((int64_t)window->to), sql_int((int64_t)window->messages), sql_int(window->revision));
}

/* The oldest version that nobody can want back; 0: there are not too many. */
static bool find_surplus(struct sql *db, const struct model_save *save, int64_t *ret, struct su_err *err)
{
    return sql_get_int(db, 0, ret, err,
                       "SELECT min(version) FROM model_versions WHERE tenant = ?1 AND name = ?2 AND stage <> 'live'"
                       " AND (SELECT count(*) FROM model_versions WHERE tenant = ?1 AND name = ?2) > ?3"
                       " AND version NOT IN (SELECT version FROM (SELECT version, before FROM model_history WHERE tenant = ?1 AND name = ?2"
                       "  ORDER BY number DESC LIMIT ?4) UNION SELECT before FROM (SELECT version, before FROM model_history WHERE tenant = ?1"
                       "  AND name = ?2 ORDER BY number DESC LIMIT ?4))",
                       sql_text(save->tenant), sql_text(save->name), sql_int(MODEL_VERSIONS_MAX), sql_int(MODEL_BACK_MAX));
}

static bool prune(struct sql *db, struct model_saving *saving, struct su_err *err)
{
    const struct model_save *save = &saving->save;
    for (int i = 0; i < PRUNED_AT_ONCE; i++) {
        int64_t version;
        if (!find_surplus(db, save, &version, err))
            return false;
        if (version == 0 || version == saving->version)
            return true;
        const struct object_key key = {save->tenant, OBJECT_DATA, saving->object, version};
        if (!object_delete_job(db, &key, err)
            || !sql_run(db, err, "DELETE FROM model_versions WHERE tenant = ?1 AND name = ?2 AND version = ?3", sql_text(save->tenant),
                        sql_text(save->name), sql_int(version)))
            return false;
        saving->has_pruned = true;
    }
    return true;
}

bool model_save_job(struct sql *db, struct model_saving *saving, struct su_err *err)
{
    const struct model_save *save = &saving->save;
    MODEL_AUTO_ROW struct model_row model = {0};
    if (!object_put_job(db, saving->upload, err) || !model_make(db, save->tenant, save->name, save->user, err)
        || !model_row_load(db, save->tenant, save->name, &model, err))
        return false;
    const struct object_info *info = object_put_info(saving->upload);
    saving->version = info->version;
    saving->before = model.live;
    if (!decide_stage(db, saving, &model, err) || !insert_version(db, saving, info, err))
        return false;
    const struct model_move move = {save->tenant, save->name, save->user, saving->why, saving->version, model.live, -1};
    return (saving->stage != MODEL_LIVE || model_move_live(db, &move, err)) && model_touch(db, save->tenant, save->name, save->user, err)
        && prune(db, saving, err);
}

static bool save_job(struct sql *db, void *arg, struct su_err *err) { return model_save_job(db, arg, err); }

void model_save_done(struct model_saving *saving)
{
    const struct model_save *save = &saving->save;
    OBJECT_AUTO_INFO struct object_info info = {0};
    object_put_done(saving->upload, &info);
    if (saving->has_pruned)
        blobref_collect(saving->models->store);
    model_tell(saving->models, save->tenant, "model.saved",
               json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o}", "name", save->name, "version", (json_int_t)saving->version, "stage",
                         model_stage_name(saving->stage), "kind", save->kind, "why", saving->why, "user", save->user, "run",
                         su_json_text_or_null(save->run)));
    if (saving->stage == MODEL_LIVE)
        model_tell_promoted(saving->models, save->tenant, save->name, saving->version, saving->before, save->user);
}

bool model_save_finish(struct model_saving *saving, json_t **ret, struct su_err *err)
{
    char version[24];
    if (!model_save_ready(saving, err) || !store_write(saving->models->store, save_job, saving, err))
        return false;
    model_save_done(saving);
    snprintf(version, sizeof version, "%lld", (long long)saving->version);
    return model_version(saving->models, saving->save.tenant, saving->save.name, version, ret, err);
}

struct model_saved model_saved(const struct model_saving *saving)
{
    return (struct model_saved){saving->save.name, saving->object, saving->version, saving->stage};
}

void model_saving_close(struct model_saving *saving)
{
    if (saving == NULL)
        return;
    object_upload_close(saving->upload);
    su_buf_done(&saving->json);
    for (size_t i = 0; i < SU_COUNT(saving->texts); i++)
        free(saving->texts[i]);
    free(saving->object);
    free(saving->metrics);
    free(saving->sources);
    free(saving);
}
