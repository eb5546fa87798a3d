/* JSON: jansson behind a parser with our limits and binder tables that turn an
 * object into a C struct with errors that point at the field.  Layer base.
 *
 * jansson's json_t is the value type of the whole program (the one library
 * whose header upper layers see, through this file): a JSON value is what our
 * modules exchange, and wrapping it would only rename it. */
#pragma once
#include <jansson.h>
#include "str.h"

static inline void su_json_unref(json_t **value) { json_decref(*value); }
#define SU_AUTO_JSON SU_CLEANUP(su_json_unref)

enum { SU_JSON_DEPTH_MAX = 64 };

/* Parse one document (any type).  Refuses duplicate keys, depth over
 * SU_JSON_DEPTH_MAX, numbers past double, invalid UTF-8, trailing text.
 * `what` names the input in messages ("body", "notebook"). */
bool su_json_parse(struct su_str text, const char *what, json_t **ret, struct su_err *err);
/* As above, with another depth limit (≤ 2000) for foreign documents such as notebooks. */
bool su_json_parse_deep(struct su_str text, const char *what, int depth_max, json_t **ret, struct su_err *err);
/* Compact text; caller frees.  Never NULL. */
char *su_json_text(const json_t *value);
char *su_json_text_flags(const json_t *value, size_t jansson_flags);

/* Text as a JSON string, with its quotes; bytes that are not UTF-8 become U+FFFD. */
void su_json_add_text(struct su_buf *out, struct su_str text);
/* The shortest decimal that reads back as the same double, always with "." or "e"; null when not finite. */
void su_json_add_number(struct su_buf *out, double value);

/* Accessors that never fail: default when absent or of another type. */
const char *su_json_string(const json_t *object, const char *key, const char *otherwise);
int64_t su_json_int(const json_t *object, const char *key, int64_t otherwise);
double su_json_number(const json_t *object, const char *key, double otherwise);
bool su_json_bool(const json_t *object, const char *key, bool otherwise);
/* A JSON string from possibly NULL text (null then); json_null() when not UTF-8. */
json_t *su_json_text_or_null(const char *text);

/* Binder tables: one row per field. */
enum su_field_type {
    SU_FIELD_TEXT,
    SU_FIELD_INT,
    SU_FIELD_NUMBER,
    SU_FIELD_BOOL,
    SU_FIELD_OBJECT,
    SU_FIELD_LIST,
    SU_FIELD_TEXTS,
    SU_FIELD_ANY,
    SU_FIELD_TYPE_COUNT
};
struct su_field {
    const char *name;
    enum su_field_type type;
    size_t offset;          /* of a `const char *`, int64_t, double, bool, or `json_t *` (borrowed) member */
    bool is_required;
    double min, max;        /* numbers: range; text: bytes; lists: items (0,0: no check) */
    const char *help;       /* goes into the OpenAPI document */
};
#define SU_FIELD(struct_type, member, field_type, ...) \
    {.name = #member, .type = (field_type), .offset = offsetof(struct_type, member), __VA_ARGS__}
#define SU_FIELD_END {.name = NULL}

/* Read object into *target by the table.  Unknown fields, wrong types, missing
 * required ones and values out of range fail with err->field = "/name". Members
 * of absent fields keep what target holds (set defaults first).  Pointers borrow
 * from object. */
bool su_json_bind(const json_t *object, const struct su_field *fields, void *target, struct su_err *err);
/* JSON Schema of the table (new reference), for the OpenAPI document. */
json_t *su_json_schema(const struct su_field *fields);
