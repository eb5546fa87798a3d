/* Addresses: see uri.h.  Layer api; pure. */
#include "uri.h"

#include <string.h>

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool check_text(struct su_str text, const char *what, struct su_err *err)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return su_fail_field(err, SU_INVALID, what, "%s: holds a control character (byte %zu)", what, i);
    if (!su_utf8_valid(text))
        return su_fail_field(err, SU_INVALID, what, "%s: is not UTF-8", what);
    return true;
}

bool uri_decode(struct su_arena *arena, struct su_str text, bool plus_is_space, const char *what,
                struct su_str *ret, struct su_err *err)
{
    char *out = su_arena_alloc(arena, text.len + 1);
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return su_fail_field(err, SU_INVALID, what, "%s: a %% must be followed by two hexadecimal digits", what);
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[length++] = c;
    }
    out[length] = '\0';
    struct su_str decoded = {out, length};
    if (!check_text(decoded, what, err))
        return false;
    *ret = decoded;
    return true;
}

bool uri_path_parse(struct su_arena *arena, struct su_str path, struct uri_path *ret, struct su_err *err)
{
    if (!path.len || path.ptr[0] != '/')
        return su_fail_field(err, SU_INVALID, "path", "path: must begin with /");
    struct su_str rest = {path.ptr + 1, path.len - 1};
    ret->count = 0;
    for (bool more = true; more;) {
        struct su_str segment;
        if (ret->count == URI_SEGMENTS_MAX)
            return su_fail_field(err, SU_LIMIT, "path", "path: more than %d segments", URI_SEGMENTS_MAX);
        more = su_str_cut(rest, '/', &segment, &rest);
        if (!uri_decode(arena, segment, false, "path", &ret->segments[ret->count++], err))
            return false;
    }
    return true;
}

static bool check_segment(struct su_str segment, const char *what, struct su_err *err)
{
    if (!segment.len)
        return su_fail_field(err, SU_INVALID, what, "%s: holds an empty segment", what);
    if (su_str_equal(segment, SU_STR(".")) || su_str_equal(segment, SU_STR("..")))
        return su_fail_field(err, SU_INVALID, what, "%s: \".\" and \"..\" are not names", what);
    return true;
}

bool uri_path_name(struct su_arena *arena, const struct uri_path *path, size_t from, size_t to, const char *what,
                   struct su_str *ret, struct su_err *err)
{
    size_t length = 0;
    for (size_t i = from; i < to; i++)
        length += path->segments[i].len + 1;
    if (length > URI_NAME_MAX + 1)
        return su_fail_field(err, SU_LIMIT, what, "%s: longer than %d bytes", what, URI_NAME_MAX);
    char *name = su_arena_alloc(arena, length + 1);
    size_t at = 0;
    for (size_t i = from; i < to; i++) {
        if (i > from)
            name[at++] = '/';
        memcpy(name + at, path->segments[i].ptr, path->segments[i].len);
        at += path->segments[i].len;
    }
    /* A decoded segment may itself hold `/` (%2F): it means the same name, and is held to the same rules. */
    struct su_str rest = {name, at}, segment;
    for (bool more = true; more;) {
        more = su_str_cut(rest, '/', &segment, &rest);
        if (!check_segment(segment, what, err))
            return false;
    }
    *ret = (struct su_str){name, at};
    return true;
}

bool uri_query_parse(struct su_arena *arena, struct su_str query, struct uri_query *ret, struct su_err *err)
{
    *ret = (struct uri_query){.items = query.len ? su_arena_alloc(arena, URI_QUERY_MAX * sizeof *ret->items) : NULL};
    for (bool more = query.len > 0; more;) {
        struct su_str item, name, value;
        more = su_str_cut(query, '&', &item, &query);
        if (!item.len)
            continue;
        if (!su_str_cut(item, '=', &name, &value))
            value = (struct su_str){"", 0};
        if (ret->count == URI_QUERY_MAX)
            return su_fail_field(err, SU_LIMIT, "query", "query: more than %d parameters", URI_QUERY_MAX);
        if (!uri_decode(arena, name, true, "query", &name, err) || !uri_decode(arena, value, true, "query", &value, err))
            return false;
        if (uri_query_get(ret, name.ptr))
            return su_fail_field(err, SU_INVALID, "query", "query: the parameter \"%.64s\" is given twice", name.ptr);
        ret->items[ret->count].name = name;
        ret->items[ret->count++].value = value;
    }
    return true;
}

const char *uri_query_get(const struct uri_query *query, const char *name)
{
    for (size_t i = 0; i < query->count; i++)
        if (strcmp(query->items[i].name.ptr, name) == 0)
            return query->items[i].value.ptr;
    return NULL;
}
