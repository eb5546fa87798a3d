/* Templates: see template.h.  Layer act; pure. */
#include "template.h"
#include <stdlib.h>
#include <string.h>

/* One {{ … }}: what stands before it, its path (or literal) and its default. */
struct place { struct su_str before, path, otherwise, after; bool has_default; };
struct filling { const json_t *values; bool is_check; int places; size_t bytes; };

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The first `wanted` outside of quotes; NULL: there is none. */
static const char *find_outside(const char *at, const char *end, const char *wanted)
{
    size_t len = strlen(wanted);
    bool is_quoted = false;
    for (; at < end; at++) {
        if (is_quoted && *at == '\\' && at + 1 < end)
            at++;
        else if (*at == '"')
            is_quoted = !is_quoted;
        else if (!is_quoted && (size_t)(end - at) >= len && memcmp(at, wanted, len) == 0)
            return at;
    }
    return NULL;
}

/* *ret_found false: no place is left in text. */
static bool next_place(struct su_str text, struct place *ret, bool *ret_found, struct su_err *err)
{
    const char *end = text.ptr + text.len, *open = text.len ? memmem(text.ptr, text.len, "{{", 2) : NULL;
    *ret_found = open != NULL;
    if (open == NULL)
        return true;
    const char *close = find_outside(open + 2, end, "}}");
    if (close == NULL)
        return su_fail(err, SU_INVALID, "\"%.40s\" is never closed with }}", open);
    const char *bar = find_outside(open + 2, close, "|");
    const char *path_end = bar ? bar : close;
    *ret = (struct place){.before = {text.ptr, (size_t)(open - text.ptr)}, .path = su_str_trim((struct su_str){open + 2, (size_t)(path_end - open - 2)}),
                          .after = {close + 2, (size_t)(end - close - 2)}, .has_default = bar != NULL};
    if (bar)
        ret->otherwise = su_str_trim((struct su_str){bar + 1, (size_t)(close - bar - 1)});
    if (ret->path.len == 0 || ret->path.len > TEMPLATE_PATH_MAX)
        return su_fail(err, SU_INVALID, "\"%.40s\" must name what to take there, in at most %d bytes", open, TEMPLATE_PATH_MAX);
    return true;
}

/* --- finding -------------------------------------------------------------------- */

/* Cuts the next segment off the path: bare, or quoted as in JSON.  *ret is the caller's. */
static bool next_segment(struct su_str *path, char **ret, struct su_err *err)
{
    const char *end = path->ptr + path->len, *stop = find_outside(path->ptr, end, ".");
    struct su_str segment = {path->ptr, (size_t)((stop ? stop : end) - path->ptr)};
    bool is_quoted = segment.len > 0 && segment.ptr[0] == '"';
    SU_AUTO_JSON json_t *name = is_quoted ? json_loadb(segment.ptr, segment.len, JSON_DECODE_ANY, NULL) : NULL;
    if (segment.len == 0 || (is_quoted && !json_is_string(name)))
        return su_fail(err, SU_INVALID, "{{ %.*s }}: is no path of names with dots between them", (int)path->len, path->ptr);
    for (size_t i = 0; !is_quoted && i < segment.len; i++)
        if (is_space(segment.ptr[i]) || strchr("\"{}", segment.ptr[i]) != NULL)
            return su_fail(err, SU_INVALID, "{{ %.*s }}: a name with other than plain characters stands in double quotes", (int)path->len, path->ptr);
    *ret = is_quoted ? su_strdup(json_string_value(name)) : su_strndup(segment.ptr, segment.len);
    *path = stop ? (struct su_str){stop + 1, (size_t)(end - stop - 1)} : (struct su_str){end, 0};
    if (stop && path->len == 0) {
        free(*ret);
        return su_fail(err, SU_INVALID, "{{ … }}: a path must not end in a dot");
    }
    return true;
}

static const json_t *member(const json_t *value, const char *name)
{
    uint64_t index;
    if (json_is_array(value))
        return su_str_u64(su_str_of(name), INT32_MAX, &index) ? json_array_get(value, (size_t)index) : NULL;
    return json_object_get(value, name);
}

/* *ret borrowed from values; NULL: it leads nowhere. */
static bool follow(struct su_str path, const json_t *values, const json_t **ret, struct su_err *err)
{
    const json_t *at = values;
    while (path.len > 0) {
        char *name = NULL;
        if (!next_segment(&path, &name, err))
            return false;
        at = member(at, name);
        free(name);
    }
    *ret = at;
    return true;
}

static json_t *default_value(struct su_str text)
{
    json_t *value = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    return value ? value : json_stringn(text.ptr, text.len);
}

/* {{ "{{" }}: a text that is meant as it stands, so that braces can be written. */
static json_t *literal(struct su_str path)
{
    return path.ptr[0] == '"' ? json_loadb(path.ptr, path.len, JSON_DECODE_ANY, NULL) : NULL;
}

/* What goes there (new reference). */
static bool value_of(struct filling *filling, const struct place *place, json_t **ret, struct su_err *err)
{
    const json_t *found;
    if (++filling->places > TEMPLATE_PLACES_MAX)
        return su_fail(err, SU_LIMIT, "a template has at most %d places", TEMPLATE_PLACES_MAX);
    if ((*ret = literal(place->path)) != NULL)
        return true;
    if (!follow(place->path, filling->values, &found, err))
        return false;
    if (found != NULL && !(json_is_null(found) && place->has_default))
        *ret = json_deep_copy(found);
    else if (place->has_default)
        *ret = default_value(place->otherwise);
    else if (filling->is_check)
        *ret = json_null();
    else
        return su_fail(err, SU_INVALID, "{{ %.*s }}: there is no such field", (int)place->path.len, place->path.ptr);
    return *ret != NULL || su_fail(err, SU_INVALID, "{{ … | %.*s }}: is no text", (int)place->otherwise.len, place->otherwise.ptr);
}

/* --- filling --------------------------------------------------------------------- */

static bool grow(struct filling *filling, size_t bytes, struct su_err *err)
{
    filling->bytes += bytes;
    return filling->bytes <= TEMPLATE_RESULT_MAX
        || su_fail(err, SU_LIMIT, "what the template makes is longer than %d bytes", TEMPLATE_RESULT_MAX);
}

static bool add_value(struct filling *filling, const json_t *value, struct su_buf *into, struct su_err *err)
{
    SU_AUTO_FREE char *text = json_is_string(value) ? NULL : su_json_text(value);
    struct su_str piece = text ? su_str_of(text) : (struct su_str){json_string_value(value), json_string_length(value)};
    su_buf_add(into, piece.ptr, piece.len);
    return grow(filling, piece.len, err);
}

static bool fill_into(struct filling *filling, struct su_str text, struct su_buf *into, struct su_err *err)
{
    bool is_found = true;
    while (is_found) {
        struct place place;
        if (!next_place(text, &place, &is_found, err))
            return false;
        if (!is_found)
            break;
        SU_AUTO_JSON json_t *value = NULL;
        su_buf_add(into, place.before.ptr, place.before.len);
        if (!grow(filling, place.before.len, err) || !value_of(filling, &place, &value, err) || !add_value(filling, value, into, err))
            return false;
        text = place.after;
    }
    su_buf_add(into, text.ptr, text.len);
    return grow(filling, text.len, err);
}

static bool fill_text(struct filling *filling, struct su_str text, json_t **ret, struct su_err *err)
{
    struct place place;
    bool is_found;
    if (!next_place(text, &place, &is_found, err))
        return false;
    if (is_found && place.before.len == 0 && place.after.len == 0) {
        SU_AUTO_JSON json_t *value = NULL;
        SU_AUTO_BUF struct su_buf size = SU_BUF(SIZE_MAX / 2);
        if (!value_of(filling, &place, &value, err) || !add_value(filling, value, &size, err))
            return false;
        *ret = su_take(value);
        return true;
    }
    SU_AUTO_BUF struct su_buf out = SU_BUF(SIZE_MAX / 2);
    if (!fill_into(filling, text, &out, err))
        return false;
    *ret = json_stringn(su_buf_str(&out).ptr, out.len);
    return *ret != NULL || su_fail(err, SU_INVALID, "the filled text is no UTF-8");
}

static bool fill(struct filling *filling, const json_t *template, int depth, json_t **ret, struct su_err *err);

static bool fill_object(struct filling *filling, const json_t *template, int depth, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *into = json_object();
    const char *name;
    json_t *value, *filled;
    json_object_foreach ((json_t *)(uintptr_t)template, name, value) {
        if (!grow(filling, strlen(name) + 4, err) || !fill(filling, value, depth + 1, &filled, err))
            return false;
        json_object_set_new(into, name, filled);
    }
    *ret = su_take(into);
    return true;
}

static bool fill_array(struct filling *filling, const json_t *template, int depth, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *into = json_array();
    size_t i;
    json_t *value, *filled;
    json_array_foreach ((json_t *)(uintptr_t)template, i, value) {
        if (!grow(filling, 1, err) || !fill(filling, value, depth + 1, &filled, err))
            return false;
        json_array_append_new(into, filled);
    }
    *ret = su_take(into);
    return true;
}

static bool fill(struct filling *filling, const json_t *template, int depth, json_t **ret, struct su_err *err)
{
    if (depth > TEMPLATE_DEPTH_MAX)
        return su_fail(err, SU_LIMIT, "a template is at most %d deep", TEMPLATE_DEPTH_MAX);
    if (json_is_object(template))
        return fill_object(filling, template, depth, ret, err);
    if (json_is_array(template))
        return fill_array(filling, template, depth, ret, err);
    if (json_is_string(template))
        return fill_text(filling, (struct su_str){json_string_value(template), json_string_length(template)}, ret, err);
    *ret = json_deep_copy(template);
    return grow(filling, 8, err);
}

bool template_fill(const json_t *template, const json_t *values, json_t **ret, struct su_err *err)
{
    struct filling filling = {.values = values};
    json_t *filled = NULL;
    if (!fill(&filling, template, 1, &filled, err)) {
        json_decref(filled);
        return false;
    }
    *ret = filled;
    return true;
}

bool template_fill_text(const char *template, const json_t *values, char **ret, struct su_err *err)
{
    struct filling filling = {.values = values};
    SU_AUTO_BUF struct su_buf out = SU_BUF(SIZE_MAX / 2);
    if (!fill_into(&filling, su_str_of(template), &out, err))
        return false;
    *ret = su_strdup(su_buf_str(&out).ptr);
    return true;
}

bool template_check(const json_t *template, const char *field, struct su_err *err)
{
    struct filling filling = {.is_check = true};
    SU_AUTO_JSON json_t *filled = NULL;
    if (fill(&filling, template, 1, &filled, err))
        return true;
    snprintf(err->field, sizeof err->field, "%s", field);
    return su_prefix(err, "%s", field[0] == '/' ? field + 1 : field);
}
