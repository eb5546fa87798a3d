/* Objects, the writing half: see object.h.  Layer aggregate; the jobs run on the writer thread. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/thread.h"
#include "blobref.h"
#include "object_private.h"
#include "store/blob.h"

/* --- conditions ------------------------------------------------------- */

static struct su_str bare_tag(struct su_str tag)
{
    tag = su_str_trim(tag);
    if (su_str_starts(tag, SU_STR("W/")))
        tag = (struct su_str){tag.ptr + 2, tag.len - 2};
    if (tag.len >= 2 && tag.ptr[0] == '"' && tag.ptr[tag.len - 1] == '"')
        tag = (struct su_str){tag.ptr + 1, tag.len - 2};
    return tag;
}

bool object_etag_matches(const char *condition, const char *etag)
{
    struct su_str rest = su_str_of(condition), wanted = bare_tag(su_str_of(etag)), head, tail;
    bool has_more = true;
    while (has_more) {
        has_more = su_str_cut(rest, ',', &head, &tail);
        struct su_str tag = bare_tag(head);
        if (su_str_equal(tag, SU_STR("*")) || (tag.len > 0 && su_str_equal(tag, wanted)))
            return true;
        rest = tail;
    }
    return false;
}

/* etag is the newest version's, NULL when there is none. */
static bool check_conditions(const char *if_match, const char *if_none_match, const char *name, const char *etag, struct su_err *err)
{
    if (if_match != NULL && (etag == NULL || !object_etag_matches(if_match, etag))) {
        su_fail_slug(err, "precondition-failed", "\"%.200s\" is at %s, not at what If-Match asks for", name,
                     etag ? etag : "no version");
        return su_hint(err, "Read it again, apply your change to what is there now, and send that version's ETag.");
    }
    if (if_none_match != NULL && etag != NULL && object_etag_matches(if_none_match, etag)) {
        su_fail_slug(err, "precondition-failed", "\"%.200s\" is there already, at %s", name, etag);
        return su_hint(err, "Send If-Match with that ETag to replace it, or leave the condition out.");
    }
    return true;
}

/* --- what a caller may say -------------------------------------------- */

static bool check_tag(const json_t *value, struct su_err *err)
{
    if (!json_is_string(value))
        return su_fail_field(err, SU_INVALID, "tags", "a tag is a text");
    struct su_str tag = {json_string_value(value), json_string_length(value)};
    if (tag.len == 0 || tag.len > OBJECT_TAG_MAX)
        return su_fail_field(err, SU_INVALID, "tags", "a tag has 1..%d bytes, one has %zu", OBJECT_TAG_MAX, tag.len);
    for (size_t i = 0; i < tag.len; i++)
        if ((unsigned char)tag.ptr[i] < 0x20 || tag.ptr[i] == 0x7f || tag.ptr[i] == ',')
            return su_fail_field(err, SU_INVALID, "tags", "a tag has no commas or control characters");
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Checked, sorted, each once. */
static bool normal_tags(const json_t *tags, json_t **ret, struct su_err *err)
{
    if (!json_is_array(tags))
        return su_fail_field(err, SU_INVALID, "tags", "tags are a list of texts");
    size_t count = json_array_size(tags);
    if (count > OBJECT_TAGS_MAX)
        return su_fail_field(err, SU_INVALID, "tags", "%zu tags; the limit is %d", count, OBJECT_TAGS_MAX);
    const char *texts[OBJECT_TAGS_MAX];
    for (size_t i = 0; i < count; i++) {
        if (!check_tag(json_array_get(tags, i), err))
            return false;
        texts[i] = json_string_value(json_array_get(tags, i));
    }
    qsort(texts, count, sizeof *texts, compare_texts);
    *ret = json_array();
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(texts[i], texts[i - 1]) != 0)
            json_array_append_new(*ret, json_string(texts[i]));
    return true;
}

/* Compact text for the table, NULL for {}. */
static bool metadata_text(const json_t *metadata, char **ret, struct su_err *err)
{
    if (!json_is_object(metadata))
        return su_fail_field(err, SU_INVALID, "metadata", "metadata is a JSON object");
    SU_AUTO_FREE char *text = su_json_text(metadata);
    if (strlen(text) > OBJECT_METADATA_MAX)
        return su_fail_field(err, SU_LIMIT, "metadata", "metadata has %zu bytes; the limit is %d", strlen(text), OBJECT_METADATA_MAX);
    *ret = json_object_size(metadata) > 0 ? su_take(text) : NULL;
    return true;
}

static bool check_type(const char *type, struct su_err *err)
{
    size_t len = strlen(type);
    if (len == 0 || len > OBJECT_TYPE_MAX)
        return su_fail_field(err, SU_INVALID, "type", "a media type has 1..%d bytes", OBJECT_TYPE_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)type[i] < 0x20 || (unsigned char)type[i] > 0x7e)
            return su_fail_field(err, SU_INVALID, "type", "a media type is plain ASCII");
    return true;
}

/* --- events ----------------------------------------------------------- */

static void publish(struct objects *objects, const struct object_key *key, const char *what, json_t *detail)
{
    if (objects->bus != NULL) {
        SU_AUTO_FREE char *topic = su_format("tenant/%s", key->tenant);
        SU_AUTO_FREE char *event = su_format("%s.%s", object_kind_name(key->kind), what);
        su_bus_publish(objects->bus, topic, event, detail);
    }
    json_decref(detail);
}

static json_t *info_event(const struct object_info *info, const char *user)
{
    return json_pack("{s:s, s:I, s:b, s:s, s:I, s:s, s:s, s:o, s:O}", "name", info->name, "version", (json_int_t)info->version,
                     "is_new", info->is_new_name, "sha256", info->sha256, "size", (json_int_t)info->size, "type", info->type, "user", user,
                     "run", su_json_text_or_null(info->run), "tags", info->tags);
}

/* In the transaction of the change. */
static bool promise(struct sql *db, struct objects *objects, const struct object_key *key, const char *what, const struct object_info *info,
                    const char *user, struct su_err *err)
{
    if (objects->options.promise == NULL || objects->bus == NULL)
        return true;
    SU_AUTO_FREE char *event = su_format("%s.%s", object_kind_name(key->kind), what);
    SU_AUTO_JSON json_t *detail = info_event(info, user);
    return objects->options.promise(db, key->tenant, event, detail, err);
}

/* --- put -------------------------------------------------------------- */

struct object_upload {
    struct objects *objects;
    struct object_put put;              /* its texts are those below */
    char *tenant, *name, *type, *if_match, *if_none_match, *user, *run, *metadata;
    json_t *tags;                       /* normal, or NULL */
    struct blob_writer *writer;
    uint64_t checked_size;              /* free space was last looked at here */
    char sha256[SU_SHA256_HEX];
    struct object_info info;            /* filled by the job */
};

enum { SPACE_STEP = 8 << 20 };          /* free space is looked at every so many bytes */

bool object_check_space(struct objects *objects, uint64_t wanted, struct su_err *err)
{
    uint64_t free_bytes = store_free_bytes(objects->store);
    if (free_bytes >= objects->options.reserve && free_bytes - objects->options.reserve >= wanted)
        return true;
    su_fail_slug(err, "insufficient-storage", "the disk has %llu bytes free, of which %llu are kept back",
                 (unsigned long long)free_bytes, (unsigned long long)objects->options.reserve);
    return su_hint(err, "Delete objects or versions that are no longer needed, or enlarge the disk; then try again.");
}

static bool check_size(struct objects *objects, uint64_t size, struct su_err *err)
{
    if (size <= objects->options.size_max)
        return true;
    return su_fail(err, SU_LIMIT, "an object may have %llu bytes at most", (unsigned long long)objects->options.size_max);
}

/* The newest version's etag, "" when there is none; also the highest number ever given. */
static bool load_latest(struct sql *db, const struct object_key *key, int64_t *ret_last, char ret_etag[static OBJECT_ETAG_SIZE], struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT o.last, o.latest, v.sha256 FROM objects o LEFT JOIN object_versions v"
        " ON v.tenant = o.tenant AND v.kind = o.kind AND v.name = o.name AND v.version = o.latest"
        " WHERE o.tenant = ?1 AND o.kind = ?2 AND o.name = ?3",
        sql_text(key->tenant), sql_text(object_kind_name(key->kind)), sql_text(key->name));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    *ret_last = next == SQL_ROW ? sql_col_int(row, 0) : 0;
    ret_etag[0] = '\0';
    if (next == SQL_ROW && sql_col_int(row, 1) > 0)
        object_etag(sql_col_int(row, 1), sql_col_text(row, 2), ret_etag);
    return true;
}

static bool check_put_conditions(struct sql *db, const struct object_put *put, int64_t *ret_last, bool *ret_is_new, struct su_err *err)
{
    char etag[OBJECT_ETAG_SIZE];
    if (!load_latest(db, &put->key, ret_last, etag, err))
        return false;
    *ret_is_new = etag[0] == '\0';
    return check_conditions(put->if_match, put->if_none_match, put->key.name, etag[0] ? etag : NULL, err);
}

static struct object_upload *upload_new(struct objects *objects, const struct object_put *put)
{
    struct object_upload *upload = su_alloc(sizeof *upload);
    upload->objects = objects;
    upload->put = *put;
    upload->put.key.tenant = upload->tenant = su_strdup(put->key.tenant);
    upload->put.key.name = upload->name = su_strdup(put->key.name);
    upload->put.type = upload->type = su_strdup(put->type ? put->type : "application/octet-stream");
    upload->put.if_match = upload->if_match = su_strdup(put->if_match);
    upload->put.if_none_match = upload->if_none_match = su_strdup(put->if_none_match);
    upload->put.user = upload->user = su_strdup(put->user ? put->user : "");
    upload->put.run = upload->run = su_strdup(put->run);
    upload->put.tags = upload->put.metadata = NULL;
    return upload;
}

bool object_put_begin(struct objects *objects, const struct object_put *put, struct object_upload **ret, struct su_err *err)
{
    if (!object_key_check(&put->key, err))
        return false;
    OBJECT_AUTO_UPLOAD struct object_upload *upload = upload_new(objects, put);
    if (!check_type(upload->type, err)
        || (put->tags != NULL && !normal_tags(put->tags, &upload->tags, err))
        || (put->metadata != NULL && !metadata_text(put->metadata, &upload->metadata, err))
        || !check_size(objects, put->size_hint, err)
        || !object_check_space(objects, put->size_hint, err))
        return false;
    if (put->if_match != NULL || put->if_none_match != NULL) {
        STORE_READ(objects->store, db);
        int64_t last;
        bool is_new;
        if (!check_put_conditions(db, &upload->put, &last, &is_new, err))
            return false;
    }
    struct blobs *blobs = store_blobs(objects->store);
    if (put->file != NULL ? !blob_writer_adopt(blobs, put->file, &upload->writer, err) : !blob_writer_open(blobs, &upload->writer, err))
        return false;
    *ret = su_take(upload);
    return true;
}

bool object_put_add(struct object_upload *upload, const void *data, size_t len, struct su_err *err)
{
    uint64_t size = blob_writer_size(upload->writer) + len;
    if (!check_size(upload->objects, size, err))
        return false;
    if (size - upload->checked_size >= SPACE_STEP) {
        if (!object_check_space(upload->objects, len, err))
            return false;
        upload->checked_size = size;
    }
    return blob_writer_add(upload->writer, data, len, err);
}

/* The name's tags become `tags`: in the index table and beside the name. */
static bool write_tags(struct sql *db, const struct object_key *key, const json_t *tags, struct su_err *err)
{
    const char *kind = object_kind_name(key->kind);
    if (!sql_run(db, err, "DELETE FROM object_tags WHERE tenant = ?1 AND kind = ?2 AND name = ?3",
                 sql_text(key->tenant), sql_text(kind), sql_text(key->name)))
        return false;
    size_t i;
    json_t *tag;
    json_array_foreach ((json_t *)tags, i, tag)
        if (!sql_run(db, err, "INSERT INTO object_tags (tenant, kind, tag, name) VALUES (?1, ?2, ?3, ?4)",
                     sql_text(key->tenant), sql_text(kind), sql_text(json_string_value(tag)), sql_text(key->name)))
            return false;
    SU_AUTO_FREE char *text = json_array_size(tags) > 0 ? su_json_text(tags) : NULL;
    return sql_run(db, err, "UPDATE objects SET tags = ?4 WHERE tenant = ?1 AND kind = ?2 AND name = ?3",
                   sql_text(key->tenant), sql_text(kind), sql_text(key->name), sql_text(text));
}

/* A version's hold on its blob. */
static char *holder_of(const struct object_key *key, int64_t version)
{
    return su_format("object/%s/%s/%lld", object_kind_name(key->kind), key->name, (long long)version);
}

static bool insert_version(struct sql *db, const struct object_upload *upload, int64_t version, struct su_err *err)
{
    const struct object_put *put = &upload->put;
    const char *kind = object_kind_name(put->key.kind);
    SU_AUTO_FREE char *holder = holder_of(&put->key, version);
    return sql_run(db, err,
                   "INSERT INTO objects (tenant, kind, name, latest, last) VALUES (?1, ?2, ?3, ?4, ?4)"
                   " ON CONFLICT DO UPDATE SET latest = ?4, last = ?4",
                   sql_text(put->key.tenant), sql_text(kind), sql_text(put->key.name), sql_int(version))
        && sql_run(db, err,
                   "INSERT INTO object_versions"
                   " (tenant, kind, name, version, sha256, size, type, metadata, created_ms, created_by, run)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                   sql_text(put->key.tenant), sql_text(kind), sql_text(put->key.name), sql_int(version),
                   sql_text(upload->sha256), sql_int((int64_t)blob_writer_size(upload->writer)), sql_text(put->type),
                   sql_text(upload->metadata), sql_int(su_now_ms()), sql_text(put->user), sql_text(put->run))
        && blobref_hold(db, put->key.tenant, holder, upload->sha256, err);
}

bool object_put_job(struct sql *db, struct object_upload *upload, struct su_err *err)
{
    const struct object_put *put = &upload->put;
    struct object_key key = put->key;
    int64_t last;
    bool is_new;
    object_info_done(&upload->info);
    if (!check_put_conditions(db, put, &last, &is_new, err) || !insert_version(db, upload, last + 1, err)
        || (upload->tags != NULL && !write_tags(db, &key, upload->tags, err)))
        return false;
    key.version = last + 1;
    if (!object_load(db, &key, &upload->info, err))
        return false;
    upload->info.is_new_name = is_new;
    return promise(db, upload->objects, &key, "created", &upload->info, upload->user, err)
        && (put->also == NULL || put->also(db, put->also_arg, &upload->info, err));
}

static bool put_job(struct sql *db, void *arg, struct su_err *err) { return object_put_job(db, arg, err); }

bool object_put_ready(struct object_upload *upload, struct su_err *err)
{
    return blob_writer_commit(upload->writer, upload->sha256, err);
}

const struct object_info *object_put_info(const struct object_upload *upload) { return &upload->info; }

void object_put_done(struct object_upload *upload, struct object_info *ret)
{
    *ret = upload->info;
    upload->info = (struct object_info){0};
    publish(upload->objects, &upload->put.key, "created", info_event(ret, upload->user));
}

bool object_put_finish(struct object_upload *upload, struct object_info *ret, struct su_err *err)
{
    if (!object_put_ready(upload, err) || !store_write(upload->objects->store, put_job, upload, err))
        return false;
    object_put_done(upload, ret);
    return true;
}

void object_upload_close(struct object_upload *upload)
{
    if (upload == NULL)
        return;
    blob_writer_close(upload->writer);
    object_info_done(&upload->info);
    json_decref(upload->tags);
    char *texts[] = {upload->tenant, upload->name, upload->type, upload->if_match, upload->if_none_match,
                     upload->user, upload->run, upload->metadata};
    for (size_t i = 0; i < SU_COUNT(texts); i++)
        free(texts[i]);
    free(upload);
}

bool object_put_bytes(struct objects *objects, const struct object_put *put, struct su_str content,
                      struct object_info *ret, struct su_err *err)
{
    OBJECT_AUTO_UPLOAD struct object_upload *upload = NULL;
    return object_put_begin(objects, put, &upload, err)
        && object_put_add(upload, content.ptr, content.len, err)
        && object_put_finish(upload, ret, err);
}

/* --- patch ------------------------------------------------------------ */

struct patch {
    struct objects *objects;
    const char *user;
    const struct object_key *key;
    const json_t *tags;                 /* normal, or NULL */
    bool has_metadata;
    const char *metadata, *if_match;
    struct object_info info;
};

static bool patch_job(struct sql *db, void *arg, struct su_err *err)
{
    struct patch *patch = arg;
    OBJECT_AUTO_INFO struct object_info before = {0};
    object_info_done(&patch->info);
    if (!object_load(db, patch->key, &before, err)
        || !check_conditions(patch->if_match, NULL, patch->key->name, before.etag, err)
        || (patch->tags != NULL && !write_tags(db, patch->key, patch->tags, err)))
        return false;
    if (patch->has_metadata
        && !sql_run(db, err,
                    "UPDATE object_versions SET metadata = ?5 WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND version = ?4",
                    sql_text(patch->key->tenant), sql_text(object_kind_name(patch->key->kind)), sql_text(patch->key->name),
                    sql_int(before.version), sql_text(patch->metadata)))
        return false;
    return object_load(db, patch->key, &patch->info, err)
        && promise(db, patch->objects, patch->key, "changed", &patch->info, patch->user, err);
}

bool object_patch(struct objects *objects, const struct object_key *key, const json_t *tags, const json_t *metadata,
                  const char *if_match, const char *user, struct object_info *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *normal = NULL;
    SU_AUTO_FREE char *text = NULL;
    if (!object_key_check(key, err) || (tags != NULL && !normal_tags(tags, &normal, err))
        || (metadata != NULL && !metadata_text(metadata, &text, err)))
        return false;
    struct patch patch = {.objects = objects, .user = user ? user : "", .key = key,
                          .tags = normal, .has_metadata = metadata != NULL, .metadata = text, .if_match = if_match};
    if (!store_write(objects->store, patch_job, &patch, err)) {
        object_info_done(&patch.info);
        return false;
    }
    *ret = patch.info;
    publish(objects, key, "changed", info_event(ret, patch.user));
    return true;
}

/* --- delete ----------------------------------------------------------- */

struct deletion {
    const struct object_delete *what;
    int64_t versions;                   /* removed */
    bool is_name_gone;
};

/* Let go of the blobs of the versions in question; 0 is all of them. */
static bool release_versions(struct sql *db, const struct object_key *key, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT version, sha256 FROM object_versions"
        " WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND (?4 = 0 OR version = ?4)",
        sql_text(key->tenant), sql_text(object_kind_name(key->kind)), sql_text(key->name), sql_int(key->version));
    enum sql_next next = SQL_ERROR;
    while (row != NULL && (next = sql_step(row, err)) == SQL_ROW) {
        SU_AUTO_FREE char *holder = holder_of(key, sql_col_int(row, 0));
        if (!blobref_release(db, key->tenant, holder, sql_col_text(row, 1), err))
            return false;
    }
    return next == SQL_DONE;
}

static bool delete_versions(struct sql *db, const struct object_key *key, int64_t *ret_removed, struct su_err *err)
{
    if (!sql_run(db, err,
                 "DELETE FROM object_versions WHERE tenant = ?1 AND kind = ?2 AND name = ?3 AND (?4 = 0 OR version = ?4)",
                 sql_text(key->tenant), sql_text(object_kind_name(key->kind)), sql_text(key->name), sql_int(key->version)))
        return false;
    *ret_removed = sql_changes(db);
    return sql_run(db, err,
                   "UPDATE objects SET latest = coalesce((SELECT max(version) FROM object_versions v"
                   " WHERE v.tenant = ?1 AND v.kind = ?2 AND v.name = ?3), 0) WHERE tenant = ?1 AND kind = ?2 AND name = ?3",
                   sql_text(key->tenant), sql_text(object_kind_name(key->kind)), sql_text(key->name));
}

static bool delete_job(struct sql *db, void *arg, struct su_err *err)
{
    struct deletion *deletion = arg;
    const struct object_key *key = &deletion->what->key;
    OBJECT_AUTO_INFO struct object_info before = {0};
    int64_t last;
    char etag[OBJECT_ETAG_SIZE];
    if (!object_load(db, key, &before, err)
        || !check_conditions(deletion->what->if_match, NULL, key->name, before.etag, err)
        || !release_versions(db, key, err) || !delete_versions(db, key, &deletion->versions, err)
        || !load_latest(db, key, &last, etag, err))
        return false;
    deletion->is_name_gone = etag[0] == '\0';
    if (deletion->is_name_gone && !write_tags(db, key, NULL, err))
        return false;
    return deletion->what->also == NULL || deletion->what->also(db, deletion->what->also_arg, key, err);
}

bool object_delete_job(struct sql *db, const struct object_key *key, struct su_err *err)
{
    int64_t removed;
    su_assert(key->version > 0);
    return release_versions(db, key, err) && delete_versions(db, key, &removed, err);
}

bool object_delete(struct objects *objects, const struct object_delete *what, struct su_err *err)
{
    struct deletion deletion = {.what = what};
    if (!object_key_check(&what->key, err) || !store_write(objects->store, delete_job, &deletion, err))
        return false;
    blobref_collect(objects->store);
    publish(objects, &what->key, "deleted",
            json_pack("{s:s, s:I, s:I, s:b, s:s}", "name", what->key.name, "version", (json_int_t)what->key.version,
                      "versions", (json_int_t)deletion.versions, "gone", deletion.is_name_gone, "user",
                      what->user ? what->user : ""));
    return true;
}
