/* What a derived stream's source says, read and checked.  Layer aggregate; pure. */
#include "derived.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECTS_MAX = 16, SQL_MAX_BYTES = 64 * 1024 };

struct given {
    const char *kind, *from, *every, *sql;
    json_t *slide, *by, *aggregates, *objects;
};
static const struct su_field fields[] = {
    SU_FIELD(struct given, kind, SU_FIELD_TEXT, .is_required = true, .help = "derived"),
    SU_FIELD(struct given, from, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = OBJECT_NAME_MAX,
             .help = "The parent stream"),
    SU_FIELD(struct given, every, SU_FIELD_TEXT, .is_required = true, .help = "Length of its windows"),
    SU_FIELD(struct given, slide, SU_FIELD_ANY, .help = "From one window's start to the next; null: every"),
    SU_FIELD(struct given, sql, SU_FIELD_TEXT, .min = 1, .max = SQL_MAX_BYTES, .help = "A SELECT over one window"),
    SU_FIELD(struct given, by, SU_FIELD_LIST, .help = "Fields to group by"),
    SU_FIELD(struct given, aggregates, SU_FIELD_OBJECT, .help = "Name: aggregate, like {\"n\": \"sum(count)\"}"),
    SU_FIELD(struct given, objects, SU_FIELD_LIST, .max = OBJECTS_MAX, .help = "Objects that sql may join"),
    SU_FIELD_END};

void derived_definition_done(struct derived_definition *definition)
{
    free(definition->from);
    free(definition->sql);
    free(definition->every);
    free(definition->slide);
    rollup_spec_done(&definition->rollup);
    json_decref(definition->objects);
    *definition = (struct derived_definition){0};
}

static bool read_rollup(const struct given *given, struct rollup_spec *ret, struct su_err *err)
{
    size_t at;
    json_t *item;
    const char *name;
    json_array_foreach(given->by, at, item) if (!json_is_string(item)) return su_fail_field(
        err, SU_INVALID, "/source/by", "source.by: must be a list of fields");
    else if (!rollup_spec_by(ret, su_str_of(json_string_value(item)), err)) return false;
    json_object_foreach(given->aggregates, name, item)
    {
        if (!json_is_string(item))
            return su_fail_field(err, SU_INVALID, "/source/aggregates",
                                 "source.aggregates: must be like {\"n\": \"sum(count)\"}");
        if (strcmp(name, "window_start") == 0 || strcmp(name, "window_end") == 0 || name[0] == '_')
            return su_fail_field(err, SU_INVALID, "/source/aggregates",
                                 "source.aggregates: the name \"%.64s\" is taken", name);
        if (!rollup_spec_add(ret, name, su_str_of(json_string_value(item)), err))
            return false;
    }
    return ret->count > 0 || su_fail_field(err, SU_INVALID, "/source/aggregates",
                                           "source: give aggregates, like {\"n\": \"count()\"}, or sql");
}

static bool read_kind(const struct given *given, struct derived_definition *ret, struct su_err *err)
{
    if (!given->sql)
        return given->objects && json_array_size(given->objects)
                   ? su_fail_field(err, SU_INVALID, "/source/objects", "source.objects: only sql can join objects")
                   : read_rollup(given, &ret->rollup, err);
    if (given->aggregates || (given->by && json_array_size(given->by)))
        return su_fail_field(err, SU_INVALID, "/source/sql", "source: give either sql or by and aggregates");
    size_t at;
    json_t *item;
    json_array_foreach(given->objects, at, item) if (!json_is_string(item)) return su_fail_field(
        err, SU_INVALID, "/source/objects", "source.objects: must be a list of names of objects");
    ret->sql = su_strdup(given->sql);
    ret->objects = given->objects ? json_incref(given->objects) : json_array();
    return true;
}

bool derived_definition_read(const json_t *source, struct derived_definition *ret, struct su_err *err)
{
    struct given given = {0};
    struct derived_definition made = {0};
    if (!su_json_bind(source, fields, &given, err))
        return su_prefix(err, "source");
    const char *slide = json_string_value(given.slide);
    if (given.slide && !slide && !json_is_null(given.slide))
        return su_fail_field(err, SU_INVALID, "/source/slide", "source.slide: must be a time like 1s, or null");
    if (!window_spec_read(given.every, slide, 0, &made.window, err))
        return su_prefix(err, "source");
    made.from = su_strdup(given.from);
    made.every = su_strdup(given.every);
    made.slide = su_strdup(slide);
    if (!read_kind(&given, &made, err)) {
        derived_definition_done(&made);
        return false;
    }
    *ret = made;
    return true;
}

bool derived_definition_check(const json_t *source, struct su_err *err)
{
    DERIVED_AUTO struct derived_definition definition = {0};
    return derived_definition_read(source, &definition, err);
}
