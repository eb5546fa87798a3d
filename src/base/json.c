/* JSON: see json.h.  Layer base; any thread. */
#include "json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* jansson recurses while parsing, so depth is checked on the text beforehand. */
static bool depth_within(struct su_str text, int depth_max)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > depth_max)
                return false;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return true;
}

bool su_json_parse(struct su_str text, const char *what, json_t **ret, struct su_err *err)
{
    return su_json_parse_deep(text, what, SU_JSON_DEPTH_MAX, ret, err);
}

bool su_json_parse_deep(struct su_str text, const char *what, int depth_max, json_t **ret, struct su_err *err)
{
    if (!depth_within(text, depth_max)) {
        su_fail(err, SU_LIMIT, "%s: nested deeper than %d levels", what, depth_max);
        return su_hint(err, "flatten the document");
    }
    json_error_t fault;
    json_t *value = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
    if (!value) {
        su_fail(err, SU_INVALID, "%s: not valid JSON at line %d, column %d: %s", what, fault.line, fault.column, fault.text);
        return su_hint(err, "send one JSON document in UTF-8, without duplicate keys or numbers past double");
    }
    *ret = value;
    return true;
}

char *su_json_text(const json_t *value) { return su_json_text_flags(value, JSON_COMPACT); }

char *su_json_text_flags(const json_t *value, size_t jansson_flags)
{
    char *text = json_dumps(value, jansson_flags | JSON_ENCODE_ANY);
    return text ? text : su_strdup("null");
}

const char *su_json_string(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

int64_t su_json_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

double su_json_number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool su_json_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

json_t *su_json_text_or_null(const char *text)
{
    json_t *value = text ? json_string(text) : NULL;
    return value ? value : json_null();
}

static const char *type_name(enum su_field_type type)
{
    static const char *const names[SU_FIELD_TYPE_COUNT] = {
        "text", "a whole number", "a number", "true or false", "an object", "a list", "a list of texts", "any value"};
    return names[type];
}

static bool is_texts(const json_t *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item)
        if (!json_is_string(item))
            return false;
    return json_is_array(value);
}

static bool has_type(const json_t *value, enum su_field_type type)
{
    switch (type) {
    case SU_FIELD_TEXT: return json_is_string(value);
    case SU_FIELD_INT: return json_is_integer(value);
    case SU_FIELD_NUMBER: return json_is_number(value);
    case SU_FIELD_BOOL: return json_is_boolean(value);
    case SU_FIELD_OBJECT: return json_is_object(value);
    case SU_FIELD_LIST: return json_is_array(value);
    case SU_FIELD_TEXTS: return is_texts(value);
    case SU_FIELD_ANY: return true;
    case SU_FIELD_TYPE_COUNT: break;
    }
    return false;
}

/* What min and max are compared with. */
static double extent_of(const json_t *value, enum su_field_type type)
{
    if (type == SU_FIELD_TEXT)
        return (double)json_string_length(value);
    if (type == SU_FIELD_LIST || type == SU_FIELD_TEXTS)
        return (double)json_array_size(value);
    return json_number_value(value);
}

static bool bind_value(const struct su_field *field, const json_t *value, char *target, struct su_err *err)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "/%s", field->name);
    if (!has_type(value, field->type))
        return su_fail_field(err, SU_INVALID, pointer, "%s: must be %s", field->name, type_name(field->type));
    if (field->min < field->max) {
        double extent = extent_of(value, field->type);
        if (extent < field->min || extent > field->max) {
            const char *unit = field->type == SU_FIELD_TEXT ? " bytes" : field->type >= SU_FIELD_LIST ? " items" : "";
            return su_fail_field(err, SU_INVALID, pointer, "%s: must be %.15g to %.15g%s, was %.15g", field->name,
                                 field->min, field->max, unit, extent);
        }
    }
    void *member = target + field->offset;
    if (field->type == SU_FIELD_TEXT)
        *(const char **)member = json_string_value(value);
    else if (field->type == SU_FIELD_INT)
        *(int64_t *)member = json_integer_value(value);
    else if (field->type == SU_FIELD_NUMBER)
        *(double *)member = json_number_value(value);
    else if (field->type == SU_FIELD_BOOL)
        *(bool *)member = json_is_true(value);
    else
        *(json_t **)member = (json_t *)(uintptr_t)value;
    return true;
}

static const struct su_field *field_named(const struct su_field *fields, const char *name)
{
    for (; fields->name; fields++)
        if (strcmp(fields->name, name) == 0)
            return fields;
    return NULL;
}

static bool refuse_unknown(const json_t *object, const struct su_field *fields, struct su_err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        if (field_named(fields, name))
            continue;
        char pointer[96];
        snprintf(pointer, sizeof pointer, "/%.90s", name);
        su_fail_field(err, SU_INVALID, pointer, "unknown field \"%.100s\"", name);
        SU_AUTO_BUF struct su_buf known = SU_BUF(200);
        for (const struct su_field *field = fields; field->name; field++)
            su_buf_addf(&known, "%s%s", field == fields ? "" : ", ", field->name);
        return su_hint(err, "the fields are: %s", su_buf_str(&known).ptr);
    }
    return true;
}

bool su_json_bind(const json_t *object, const struct su_field *fields, void *target, struct su_err *err)
{
    if (!json_is_object(object))
        return su_fail(err, SU_INVALID, "must be a JSON object");
    if (!refuse_unknown(object, fields, err))
        return false;
    for (const struct su_field *field = fields; field->name; field++) {
        const json_t *value = json_object_get(object, field->name);
        bool is_absent = !value || (json_is_null(value) && field->type != SU_FIELD_ANY);
        if (is_absent && field->is_required) {
            char pointer[96];
            snprintf(pointer, sizeof pointer, "/%s", field->name);
            return su_fail_field(err, SU_INVALID, pointer, "%s: missing (%s)", field->name, type_name(field->type));
        }
        if (!is_absent && !bind_value(field, value, target, err))
            return false;
    }
    return true;
}

static json_t *field_schema(const struct su_field *field)
{
    static const char *const types[SU_FIELD_TYPE_COUNT] = {"string", "integer", "number", "boolean", "object", "array", "array", NULL};
    json_t *schema = json_object();
    if (types[field->type])
        json_object_set_new(schema, "type", json_string(types[field->type]));
    if (field->type == SU_FIELD_TEXTS)
        json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
    if (field->help)
        json_object_set_new(schema, "description", json_string(field->help));
    if (field->min < field->max && (field->type == SU_FIELD_INT || field->type == SU_FIELD_NUMBER)) {
        json_object_set_new(schema, "minimum", json_real(field->min));
        json_object_set_new(schema, "maximum", json_real(field->max));
    }
    return schema;
}

json_t *su_json_schema(const struct su_field *fields)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct su_field *field = fields; field->name; field++) {
        json_object_set_new(properties, field->name, field_schema(field));
        if (field->is_required)
            json_array_append_new(required, json_string(field->name));
    }
    json_t *schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
    if (json_array_size(required))
        json_object_set(schema, "required", required);
    json_decref(required);
    return schema;
}

/* ------------------------------------------------------- written by hand */

static void add_escaped(struct su_buf *out, unsigned char c)
{
    static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (c < sizeof letters && letters[c]) {
        su_buf_addc(out, '\\');
        su_buf_addc(out, letters[c]);
    } else
        su_buf_addf(out, "\\u%04x", c);
}

void su_json_add_text(struct su_buf *out, struct su_str text)
{
    bool is_valid = su_utf8_valid(text);
    size_t plain = 0;
    su_buf_addc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_bad = c >= 0x80 && !is_valid;
        if (c >= 0x20 && c != '"' && c != '\\' && !is_bad)
            continue;
        su_buf_add(out, text.ptr + plain, i - plain);
        plain = i + 1;
        if (is_bad)
            su_buf_adds(out, "\xef\xbf\xbd");
        else
            add_escaped(out, c);
    }
    su_buf_add(out, text.ptr + plain, text.len - plain);
    su_buf_addc(out, '"');
}

void su_json_add_number(struct su_buf *out, double value)
{
    char text[40];
    if (!(value - value == 0)) {
        su_buf_adds(out, "null");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (digits == 17 || strtod(text, NULL) == value)
            break;
    }
    su_buf_adds(out, text);
    if (!strpbrk(text, ".e"))
        su_buf_adds(out, ".0");
}
