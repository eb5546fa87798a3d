/* Parameters of a run as given on the command line.  Layer cli; pure but for assignment_file. */
#include "cli/assignment.h"

#include <string.h>

#include "base/fs.h"

enum { FILE_MAX = 4 << 20 };

static json_t *text_value(struct su_str text) { return json_stringn(text.ptr, text.len); }

/* JSON, or NULL when it is to be taken as text. */
static json_t *guess(struct su_str text)
{
    struct su_err ignored;
    json_t *value = NULL;
    if (!text.len || text.ptr[0] == '"' || !su_json_parse(text, "value", &value, &ignored))
        return NULL;
    return value;
}

bool assignment_parameter(json_t *parameters, const char *assignment, struct su_err *err)
{
    struct su_str name, value;
    json_t *parsed = NULL;
    if (!su_str_cut(su_str_of(assignment), '=', &name, &value) || !name.len) {
        su_fail(err, SU_INVALID, "a parameter must be name=value, was \"%s\"", assignment);
        return su_hint(err, "for example: -p passer=P.Manning");
    }
    bool is_json = name.len > 1 && name.ptr[name.len - 1] == ':';
    name.len -= is_json;
    if (is_json && !su_json_parse(value, "value", &parsed, err))
        return su_prefix(err, "parameter %.*s", (int)name.len, name.ptr);
    if (!is_json && !(parsed = guess(value)) && !(parsed = text_value(value)))
        return su_fail(err, SU_INVALID, "parameter %.*s is not UTF-8", (int)name.len, name.ptr);
    if (json_object_setn_new(parameters, name.ptr, name.len, parsed) != 0)
        return su_fail(err, SU_INVALID, "a parameter's name is not UTF-8");
    return true;
}

bool assignment_file(json_t *parameters, const char *path, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(FILE_MAX);
    SU_AUTO_JSON json_t *object = NULL;
    if (!su_file_read(path, FILE_MAX, &text, err))
        return false;
    if (!su_json_parse(su_buf_str(&text), path, &object, err))
        return false;
    if (!json_is_object(object))
        return su_fail(err, SU_INVALID, "%s must hold a JSON object of parameters", path);
    json_object_update_missing(parameters, object);
    return true;
}

/* "2g" → bytes; plain numbers are bytes. */
static bool parse_bytes(struct su_str text, uint64_t *ret)
{
    static const char suffixes[] = "kmgt";
    uint64_t unit = 1;
    if (text.len && (text.ptr[text.len - 1] | 0x20) == 'b')
        text.len--;
    const char *suffix = text.len ? memchr(suffixes, text.ptr[text.len - 1] | 0x20, 4) : NULL;
    if (suffix) {
        unit = 1ULL << (10 * (suffix - suffixes + 1));
        text.len--;
    }
    uint64_t number = 0;
    if (!su_str_u64(text, UINT64_MAX / unit, &number))
        return false;
    *ret = number * unit;
    return true;
}

static bool parse_seconds(struct su_str text, uint64_t *ret)
{
    uint64_t ms = 0;
    if (su_str_u64(text, UINT32_MAX, ret))
        return true;
    if (!su_str_duration_ms(text, &ms) || ms < 1000)
        return false;
    *ret = ms / 1000;
    return true;
}

enum limit_kind { LIMIT_SECONDS, LIMIT_MEGABYTES, LIMIT_COUNT };
static const struct { const char *name, *field; enum limit_kind kind; } limit_rows[] = {
    {"time", "time_s", LIMIT_SECONDS},          {"memory", "memory_mb", LIMIT_MEGABYTES},
    {"processes", "processes", LIMIT_COUNT},    {"scratch", "scratch_mb", LIMIT_MEGABYTES},
    {"output", "output_mb", LIMIT_MEGABYTES},
};

bool assignment_limit(json_t *limits, const char *assignment, struct su_err *err)
{
    struct su_str name, text;
    su_str_cut(su_str_of(assignment), '=', &name, &text);
    for (size_t i = 0; i < SU_COUNT(limit_rows); i++) {
        if (!su_str_equal(name, su_str_of(limit_rows[i].name)))
            continue;
        uint64_t value = 0;
        bool is_seconds = limit_rows[i].kind == LIMIT_SECONDS, is_bytes = limit_rows[i].kind == LIMIT_MEGABYTES;
        bool good = is_seconds ? parse_seconds(text, &value)
                    : is_bytes ? parse_bytes(text, &value)
                               : su_str_u64(text, UINT32_MAX, &value);
        if (!good || (is_bytes && value < 1 << 20))
            return su_fail(err, SU_INVALID, "--limit %s: \"%.*s\" is not %s", limit_rows[i].name, (int)text.len,
                           text.ptr, is_seconds ? "a time of a second or more (60s, 5m)"
                                     : is_bytes ? "a size of a megabyte or more (512m, 2g)" : "a number");
        json_object_set_new(limits, limit_rows[i].field, json_integer((json_int_t)(is_bytes ? value >> 20 : value)));
        return true;
    }
    return su_fail(err, SU_INVALID, "--limit must be time=, memory=, processes=, scratch= or output=, was \"%s\"", assignment);
}
