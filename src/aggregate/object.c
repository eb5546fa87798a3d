/* Objects, the reading half: see object.h.  Layer aggregate; any thread.
 *
 * Tables: `objects` (a row per name; latest is 0 after a delete, last the highest
 * version ever given), `object_versions`, `object_tags` (to find names by tag;
 * objects.tags has the same as JSON so that reading one needs no join). */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "blobref.h"
#include "object_private.h"
#include "store/blob.h"

const struct store_migration object_migrations[] = {
    {"object", 1,
     "CREATE TABLE objects (tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
     "  latest INTEGER NOT NULL, last INTEGER NOT NULL, tags TEXT,"
     "  PRIMARY KEY (tenant, kind, name)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE object_versions (tenant TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
     "  version INTEGER NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, type TEXT NOT NULL, metadata TEXT,"
     "  created_ms INTEGER NOT NULL, created_by TEXT NOT NULL, run TEXT,"
     "  PRIMARY KEY (tenant, kind, name, version)) STRICT, WITHOUT ROWID;"
     "CREATE TABLE object_tags (tenant TEXT NOT NULL, kind TEXT NOT NULL, tag TEXT NOT NULL, name TEXT NOT NULL,"
     "  PRIMARY KEY (tenant, kind, tag, name)) STRICT, WITHOUT ROWID;"
     "CREATE INDEX object_tags_by_name ON object_tags (tenant, kind, name);"},
    {NULL, 0, NULL},
};

const char *object_kind_name(enum object_kind kind)
{
    static const char *const names[OBJECT_KIND_COUNT] = {"object", "notebook", "recipe"};
    su_assert(kind < OBJECT_KIND_COUNT);
    return names[kind];
}

/* --- opening ---------------------------------------------------------- */

static void sweep(void *arg)
{
    struct objects *objects = arg;
    int64_t start_ms = su_mono_ms();
    uint64_t removed = blobref_sweep(objects->store, &objects->is_closing);
    if (removed > 0)
        su_log(SU_LOG_INFO, "object.swept", su_kv_int("blobs", (int64_t)removed), su_kv_int("ms", su_mono_ms() - start_ms));
}

bool objects_open(struct store *store, struct su_bus *bus, const struct objects_options *options,
                  struct objects **ret, struct su_err *err)
{
    (void)err;
    struct objects *objects = su_alloc(sizeof *objects);
    *objects = (struct objects){.store = store, .bus = bus, .options = options ? *options : (struct objects_options){0}};
    if (objects->options.size_max == 0)
        objects->options.size_max = (uint64_t)64 << 30;
    if (objects->options.reserve == 0)
        objects->options.reserve = 4 << 20; /* the log of a few dozen commits */
    su_thread_start(&objects->sweeper, "object-sweep", sweep, objects);
    *ret = objects;
    return true;
}

void objects_close(struct objects *objects)
{
    if (objects == NULL)
        return;
    atomic_store(&objects->is_closing, true);
    su_thread_join(&objects->sweeper);
    free(objects);
}

/* --- names ------------------------------------------------------------ */

static bool segment_is_plain(struct su_str segment)
{
    return segment.len > 0 && !su_str_equal(segment, SU_STR(".")) && !su_str_equal(segment, SU_STR(".."));
}

bool object_name_check(struct su_str name, struct su_err *err)
{
    if (name.len == 0)
        return su_fail_field(err, SU_INVALID, "name", "the name is empty");
    if (name.len > OBJECT_NAME_MAX)
        return su_fail_field(err, SU_INVALID, "name", "the name has %zu bytes; the limit is %d", name.len, OBJECT_NAME_MAX);
    if (!su_utf8_valid(name))
        return su_fail_field(err, SU_INVALID, "name", "the name is not valid UTF-8");
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
            return su_fail_field(err, SU_INVALID, "name", "the name has a control character (byte 0x%02x at %zu)",
                                 (unsigned)(unsigned char)name.ptr[i], i);
    struct su_str rest = name, segment;
    bool has_more = true;
    while (has_more) {
        struct su_str tail;
        has_more = su_str_cut(rest, '/', &segment, &tail);
        if (!segment_is_plain(segment))
            return su_fail_field(err, SU_INVALID, "name",
                                 "the parts of a name between \"/\" may not be empty, \".\" or \"..\"");
        rest = tail;
    }
    return true;
}

bool object_key_check(const struct object_key *key, struct su_err *err)
{
    su_assert(key->tenant != NULL && key->kind < OBJECT_KIND_COUNT);
    if (key->version < 0)
        return su_fail_field(err, SU_INVALID, "version", "a version is a number from 1 upwards");
    return object_name_check(su_str_of(key->name), err);
}

/* --- one version ------------------------------------------------------ */

void object_etag(int64_t version, const char *sha256, char ret_etag[static OBJECT_ETAG_SIZE])
{
    snprintf(ret_etag, OBJECT_ETAG_SIZE, "\"v%lld-%.16s\"", (long long)version, sha256);
}

void object_info_done(struct object_info *info)
{
    free(info->name);
    free(info->type);
    free(info->created_by);
    free(info->run);
    json_decref(info->tags);
    json_decref(info->metadata);
    *info = (struct object_info){0};
}

json_t *object_info_json(const struct object_info *info)
{
    char created[SU_TIME_TEXT];
    return json_pack("{s:s, s:I, s:b, s:s, s:I, s:s, s:s, s:O, s:O, s:s, s:s, s:o}",
                     "name", info->name, "version", (json_int_t)info->version, "latest", info->is_latest,
                     "etag", info->etag, "size", (json_int_t)info->size, "sha256", info->sha256, "type", info->type,
                     "tags", info->tags, "metadata", info->metadata,
                     "created_at", su_time_text(info->created_ms, created), "created_by", info->created_by,
                     "run", su_json_text_or_null(info->run));
}

/* What the table holds was written by us: unreadable means empty, not an error. */
static json_t *stored_json(const char *text, json_t *(*empty)(void))
{
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;
    return value ? value : empty();
}

#define VERSION_COLUMNS \
    "v.name, v.version, v.sha256, v.size, v.type, v.metadata, v.created_ms, v.created_by, v.run, o.latest, o.tags"
#define VERSION_JOIN \
    " FROM objects o JOIN object_versions v ON v.tenant = o.tenant AND v.kind = o.kind AND v.name = o.name"

static void read_row(struct sql_row *row, struct object_info *ret)
{
    *ret = (struct object_info){
        .name = su_strdup(sql_col_text(row, 0)),
        .version = sql_col_int(row, 1),
        .size = (uint64_t)sql_col_int(row, 3),
        .type = su_strdup(sql_col_text(row, 4)),
        .metadata = stored_json(sql_col_text(row, 5), json_object),
        .created_ms = sql_col_int(row, 6),
        .created_by = su_strdup(sql_col_text(row, 7)),
        .run = su_strdup(sql_col_text(row, 8)),
        .is_latest = sql_col_int(row, 1) == sql_col_int(row, 9),
        .tags = stored_json(sql_col_text(row, 10), json_array),
    };
    snprintf(ret->sha256, sizeof ret->sha256, "%s", sql_col_text(row, 2));
    object_etag(ret->version, ret->sha256, ret->etag);
}

static bool fail_not_found(const struct object_key *key, struct su_err *err)
{
    const char *kind = object_kind_name(key->kind);
    if (key->version > 0)
        su_fail_field(err, SU_NOT_FOUND, "version", "no version %lld of %s \"%.200s\"", (long long)key->version, kind, key->name);
    else
        su_fail_field(err, SU_NOT_FOUND, "name", "no %s \"%.200s\"", kind, key->name);
    return false;
}

bool object_load(struct sql *db, const struct object_key *key, struct object_info *ret, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT " VERSION_COLUMNS VERSION_JOIN
        " AND v.version = iif(?4 = 0, o.latest, ?4) WHERE o.tenant = ?1 AND o.kind = ?2 AND o.name = ?3",
        sql_text(key->tenant), sql_text(object_kind_name(key->kind)), sql_text(key->name), sql_int(key->version));
    if (row == NULL)
        return false;
    enum sql_next next = sql_step(row, err);
    if (next == SQL_DONE)
        return fail_not_found(key, err);
    if (next == SQL_ERROR)
        return false;
    read_row(row, ret);
    return true;
}

bool object_get(struct objects *objects, const struct object_key *key, struct object_info *ret, struct su_err *err)
{
    if (!object_key_check(key, err))
        return false;
    STORE_READ(objects->store, db);
    return object_load(db, key, ret, err);
}

bool object_open(struct objects *objects, const struct object_key *key, struct object_info *ret, int *ret_fd, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    uint64_t size;
    if (!object_get(objects, key, &info, err) || !blob_open(store_blobs(objects->store), info.sha256, ret_fd, &size, err))
        return false;
    su_assert(size == info.size);
    *ret = info;
    info = (struct object_info){0};
    return true;
}

bool object_small(struct objects *objects, const struct object_info *info, char **ret, struct su_err *err)
{
    return blob_small(store_blobs(objects->store), info->sha256, info->size, ret, err);
}

bool object_content(struct objects *objects, const struct object_info *info, int *ret_fd, struct su_err *err)
{
    uint64_t size;
    return blob_open(store_blobs(objects->store), info->sha256, ret_fd, &size, err);
}

bool object_read(struct objects *objects, const struct object_key *key, size_t max,
                 struct object_info *ret, struct su_buf *ret_content, struct su_err *err)
{
    OBJECT_AUTO_INFO struct object_info info = {0};
    if (!object_get(objects, key, &info, err) || !blob_read(store_blobs(objects->store), info.sha256, max, ret_content, err))
        return false;
    *ret = info;
    info = (struct object_info){0};
    return true;
}

/* --- lists ------------------------------------------------------------ */

void object_page_done(struct object_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        object_info_done(&page->items[i]);
    free(page->items);
    free(page->next);
    *page = (struct object_page){0};
}

json_t *object_page_json(const struct object_page *page)
{
    json_t *items = json_array();
    for (size_t i = 0; i < page->count; i++)
        json_array_append_new(items, object_info_json(&page->items[i]));
    return json_pack("{s:o, s:o}", "items", items, "next", su_json_text_or_null(page->next));
}

/* Read up to limit rows of a query that was asked for limit + 1. */
static bool read_page(struct sql_row *row, int64_t limit, struct object_page *ret, bool *ret_has_more, struct su_err *err)
{
    OBJECT_AUTO_PAGE struct object_page page = {.items = su_alloc((size_t)limit * sizeof *page.items)};
    enum sql_next next;
    while ((next = sql_step(row, err)) == SQL_ROW && page.count < (size_t)limit)
        read_row(row, &page.items[page.count++]);
    if (next == SQL_ERROR)
        return false;
    *ret_has_more = next == SQL_ROW;
    *ret = page;
    page = (struct object_page){0};
    return true;
}

static bool check_limit(int64_t limit, struct su_err *err)
{
    if (limit >= 1 && limit <= OBJECT_LIST_MAX)
        return true;
    return su_fail_field(err, SU_INVALID, "limit", "limit must be 1..%d, was %lld", OBJECT_LIST_MAX, (long long)limit);
}

bool object_list(struct objects *objects, const struct object_list *list, struct object_page *ret, struct su_err *err)
{
    if (!check_limit(list->limit, err))
        return false;
    struct su_str prefix = su_str_of(list->prefix), cursor = su_str_of(list->cursor), tag = su_str_of(list->tag), part = su_str_of(list->part);
    if (!su_utf8_valid(prefix) || !su_utf8_valid(cursor) || !su_utf8_valid(tag) || !su_utf8_valid(part))
        return su_fail(err, SU_INVALID, "prefix, tag, q and cursor must be valid UTF-8");
    /* No UTF-8 text has a byte 255, so prefix + 255 is past all that begin with prefix. */
    SU_AUTO_FREE char *past = su_format("%s\xff", prefix.ptr ? prefix.ptr : "");
    struct sql_value values[] = {sql_text(list->tenant), sql_text(object_kind_name(list->kind)), sql_str(prefix),
                                 sql_text(past), sql_str(cursor), sql_int(list->limit + 1), sql_str(tag), sql_str(part), {.type = SQL_END}};
    STORE_READ(objects->store, db);
    SQL_AUTO_END struct sql_row *row = tag.len > 0
        ? sql_query_values(db, err,
              "SELECT " VERSION_COLUMNS " FROM object_tags t"
              " JOIN objects o ON o.tenant = t.tenant AND o.kind = t.kind AND o.name = t.name"
              " JOIN object_versions v ON v.tenant = o.tenant AND v.kind = o.kind AND v.name = o.name AND v.version = o.latest"
              " WHERE t.tenant = ?1 AND t.kind = ?2 AND t.tag = ?7 AND t.name >= ?3 AND t.name < ?4 AND t.name > ?5"
              " AND (?8 = '' OR instr(lower(t.name), lower(?8)) > 0)"
              " ORDER BY t.name LIMIT ?6", values)
        : sql_query_values(db, err,
              "SELECT " VERSION_COLUMNS VERSION_JOIN " AND v.version = o.latest"
              " WHERE o.tenant = ?1 AND o.kind = ?2 AND o.name >= ?3 AND o.name < ?4 AND o.name > ?5 AND ?7 = ''"
              " AND (?8 = '' OR instr(lower(o.name), lower(?8)) > 0)"
              " ORDER BY o.name LIMIT ?6", values);
    bool has_more;
    if (row == NULL || !read_page(row, list->limit, ret, &has_more, err))
        return false;
    if (has_more)
        ret->next = su_strdup(ret->items[ret->count - 1].name);
    return true;
}

bool object_totals(struct objects *objects, const char *tenant, enum object_kind kind, int64_t *ret_names, int64_t *ret_bytes, struct su_err *err)
{
    STORE_READ(objects->store, db);
    return sql_get_int(db, 0, ret_names, err, "SELECT count(*) FROM objects WHERE tenant = ?1 AND kind = ?2 AND latest > 0",
                       sql_text(tenant), sql_text(object_kind_name(kind)))
        && sql_get_int(db, 0, ret_bytes, err, "SELECT coalesce(sum(size), 0) FROM object_versions WHERE tenant = ?1 AND kind = ?2",
                       sql_text(tenant), sql_text(object_kind_name(kind)));
}

bool object_versions(struct objects *objects, const struct object_key *key, const char *cursor, int64_t limit,
                     struct object_page *ret, struct su_err *err)
{
    uint64_t below = INT64_MAX;
    if (!object_key_check(key, err) || !check_limit(limit, err))
        return false;
    if (cursor != NULL && !su_str_u64(su_str_of(cursor), INT64_MAX, &below))
        return su_fail_field(err, SU_INVALID, "cursor", "not a cursor of this list");
    STORE_READ(objects->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "SELECT " VERSION_COLUMNS VERSION_JOIN
        " WHERE o.tenant = ?1 AND o.kind = ?2 AND o.name = ?3 AND v.version < ?4 ORDER BY v.version DESC LIMIT ?5",
        sql_text(key->tenant), sql_text(object_kind_name(key->kind)), sql_text(key->name), sql_int((int64_t)below),
        sql_int(limit + 1));
    OBJECT_AUTO_PAGE struct object_page page = {0};
    bool has_more;
    if (row == NULL || !read_page(row, limit, &page, &has_more, err))
        return false;
    if (page.count == 0 && cursor == NULL)
        return fail_not_found(&(struct object_key){.tenant = key->tenant, .kind = key->kind, .name = key->name}, err);
    if (has_more)
        page.next = su_format("%lld", (long long)page.items[page.count - 1].version);
    *ret = page;
    page = (struct object_page){0};
    return true;
}
