/* What fields a stream's messages have had: inferred, versioned, only ever growing.  Layer aggregate.
 *
 * Stored as {name: {kind: version}}: since which version of the schema the field
 * has been seen as that kind.  Integers widen to floats, those to texts; booleans
 * and JSON under the same name are columns of their own. */
#include "stream_private.h"
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {
    [BLOCK_INT] = "int", [BLOCK_FLOAT] = "float", [BLOCK_BOOL] = "bool", [BLOCK_TEXT] = "text", [BLOCK_JSON] = "json"};

static json_t *kinds_of(const json_t *schema, struct su_str name)
{
    return json_object_getn(schema, name.ptr, name.len);
}

static bool has_all(const json_t *schema, const struct block *block)
{
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        if (column->role == BLOCK_FIELD && !json_object_get(kinds_of(schema, column->name), kind_names[column->kind]))
            return false;
    }
    return true;
}

static bool read_stored(struct sql *db, int64_t id, json_t **ret, int64_t *ret_version, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row =
        sql_query(db, err, "SELECT schema, schema_version FROM streams WHERE id = ?1", sql_int(id));
    enum sql_next next = row ? sql_step(row, err) : SQL_ERROR;
    if (next == SQL_ERROR)
        return false;
    if (next == SQL_DONE)
        return su_fail(err, SU_NOT_FOUND, "the stream is gone");
    *ret_version = sql_col_int(row, 1);
    return su_json_parse(sql_col_str(row, 0), "schema", ret, err);
}

static void merge(json_t *schema, const struct block *block, int64_t version)
{
    for (uint32_t i = 0; i < block->column_count; i++) {
        const struct block_column *column = &block->columns[i];
        if (column->role != BLOCK_FIELD)
            continue;
        json_t *kinds = kinds_of(schema, column->name);
        if (!kinds && json_object_setn_new(schema, column->name.ptr, column->name.len, json_object()) == 0)
            kinds = kinds_of(schema, column->name);
        if (kinds && !json_object_get(kinds, kind_names[column->kind]))
            json_object_set_new(kinds, kind_names[column->kind], json_integer(version));
    }
}

bool stream_schema_add(struct streams *streams, struct sql *db, const struct stream *stream, const struct block *block,
                       json_t **ret_changed, int64_t *ret_version, struct su_err *err)
{
    *ret_changed = NULL;
    {
        SU_LOCKED(&streams->lock);
        const struct live *live = stream_live(streams, stream);
        if (live->schema && has_all(live->schema, block))
            return true;
    }
    SU_AUTO_JSON json_t *schema = NULL;
    if (!read_stored(db, stream->id, &schema, ret_version, err))
        return false;
    if (!has_all(schema, block)) {
        merge(schema, block, ++*ret_version);
        SU_AUTO_FREE char *text = su_json_text(schema);
        if (!sql_run(db, err, "UPDATE streams SET schema = ?1, schema_version = ?2 WHERE id = ?3", sql_text(text),
                     sql_int(*ret_version), sql_int(stream->id)))
            return false;
    }
    *ret_changed = su_take(schema);
    return true;
}

void stream_schema_remember(struct streams *streams, const struct stream *stream, json_t *schema, int64_t version)
{
    SU_LOCKED(&streams->lock);
    struct live *live = stream_live(streams, stream);
    if (live->schema && live->schema_version >= version) {
        json_decref(schema);
        return;
    }
    json_decref(live->schema);
    live->schema = schema;
    live->schema_version = version;
}

static void add_field(json_t *list, const char *name, const char *suffix, const char *kind, json_int_t since)
{
    SU_AUTO_FREE char *full = su_format("%s%s", name, suffix);
    json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "name", full, "kind", kind, "since", since));
}

json_t *stream_schema_json(const json_t *schema, int64_t version)
{
    json_t *list = json_array(), *kinds, *since;
    const char *name;
    json_object_foreach((json_t *)schema, name, kinds)
    {
        static const char *const scalars[] = {"text", "float", "int"}; /* the widest says what the column is */
        const char *plain = NULL;
        for (size_t i = 0; i < SU_COUNT(scalars) && !plain; i++)
            if ((since = json_object_get(kinds, scalars[i]))) {
                plain = scalars[i];
                add_field(list, name, "", plain, json_integer_value(since));
            }
        if ((since = json_object_get(kinds, "bool"))) {
            add_field(list, name, plain ? ":bool" : "", "bool", json_integer_value(since));
            plain = plain ? plain : "bool";
        }
        if ((since = json_object_get(kinds, "json")))
            add_field(list, name, plain ? ":json" : "", "json", json_integer_value(since));
    }
    return json_pack("{s:I, s:o}", "version", (json_int_t)version, "fields", list);
}

bool stream_schema_version(struct sql *db, const struct stream *stream, uint64_t *ret, struct su_err *err)
{
    int64_t version;
    if (!sql_get_int(db, 0, &version, err, "SELECT schema_version FROM streams WHERE id = ?1", sql_int(stream->id)))
        return false;
    *ret = (uint64_t)version;
    return true;
}
