/* Detectors: see detector.h.  Layer act; pure. */
#include "detector_private.h"
#include <stdlib.h>

/* One row a kind: everything else finds it here. */
static const struct detector_kind *const kinds[] = {
    &detector_kind_threshold,
    &detector_kind_rate,
    &detector_kind_absence,
    &detector_kind_seasonal,
    &detector_kind_change,
    &detector_kind_kmeans,
    &detector_kind_pca,
    &detector_kind_shape,
    &detector_kind_combination,
};

/* What a state begins with, so that a checkpoint of another kind, version or shape is refused. */
struct head { char magic[4]; uint16_t version; uint8_t kind, dimensions; uint32_t state_bytes, reserved; };
_Static_assert(sizeof(struct head) == DETECTOR_HEAD_BYTES, "the state behind the header is aligned");

static uint8_t number_of(const struct detector_kind *kind)
{
    uint8_t sum = 0;                    /* of the name: rows may change their order */
    for (const char *c = kind->name; *c; c++)
        sum = (uint8_t)(sum * 31 + (uint8_t)*c);
    return sum;
}

static struct head head_of(const struct detector *detector)
{
    return (struct head){{'S', 'D', 'E', 'T'}, (uint16_t)detector->kind->version, number_of(detector->kind),
                         (uint8_t)detector->dimensions, (uint32_t)detector->state_bytes, 0};
}

static const struct detector_kind *kind_named(const char *name, struct su_err *err)
{
    for (size_t i = 0; i < SU_COUNT(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    su_fail_field(err, SU_INVALID, "/kind", "there is no detector \"%.60s\"", name);
    SU_AUTO_BUF struct su_buf known = SU_BUF(200);
    for (size_t i = 0; i < SU_COUNT(kinds); i++)
        su_buf_addf(&known, "%s%s", i ? ", " : "", kinds[i]->name);
    su_hint(err, "the kinds are: %s", su_buf_str(&known).ptr);
    return NULL;
}

static bool check_model(const struct detector_kind *kind, const json_t *model, struct su_err *err)
{
    if (!model)
        return true;
    if (!kind->model || !kind->configure)
        return su_fail_field(err, SU_INVALID, "/model", "a %s detector begins without a model", kind->name);
    if (!json_is_object(model))
        return su_fail_field(err, SU_INVALID, "/model", "model: must be an object");
    const char *of = su_json_string(model, "kind", "");
    if (strcmp(of, kind->name) != 0)
        return su_fail_field(err, SU_INVALID, "/model/kind", "the model is for \"%.60s\", the detector is %s", of, kind->name);
    if (su_json_int(model, "format", 0) != 1)
        return su_fail_field(err, SU_INVALID, "/model/format", "model: format must be 1");
    return true;
}

static bool bind(struct detector *detector, const json_t *parameters, struct su_err *err)
{
    static const struct su_field none[] = {SU_FIELD_END};
    const struct detector_kind *kind = detector->kind;
    detector->settings = su_alloc(kind->settings_bytes + 1);
    if (kind->settings_bytes)
        memcpy(detector->settings, kind->settings_default, kind->settings_bytes);
    if (!parameters || json_is_null(parameters))
        return true;
    detector->parameters = json_deep_copy(parameters);
    if (!detector->parameters)
        return su_fail_field(err, SU_INVALID, "/parameters", "parameters: nested too deeply");
    if (su_json_bind(detector->parameters, kind->fields ? kind->fields : none, detector->settings, err))
        return true;
    char below[sizeof err->field];
    snprintf(below, sizeof below, "/parameters%.80s", err->field);
    memcpy(err->field, below, sizeof below);
    return false;
}

bool detector_new(const char *name, const json_t *parameters, const json_t *model, size_t dimensions, struct detector **ret,
                  struct su_err *err)
{
    const struct detector_kind *kind = kind_named(name, err);
    if (!kind)
        return false;
    if (dimensions < 1 || dimensions > DETECTOR_DIMENSIONS_MAX)
        return su_fail_field(err, SU_INVALID, "/values", "a point has 1 to %d values, not %zu", DETECTOR_DIMENSIONS_MAX, dimensions);
    if (dimensions > kind->dimensions_max) {
        su_fail_field(err, SU_INVALID, "/values", "a %s detector takes at most %zu value%s a point, not %zu", kind->name,
                      kind->dimensions_max, kind->dimensions_max == 1 ? "" : "s", dimensions);
        return su_hint(err, "the kinds for several values are those with is_multivariate");
    }
    if (!check_model(kind, model, err))
        return false;
    DETECTOR_AUTO struct detector *detector = su_alloc(sizeof *detector);
    detector->kind = kind;
    detector->dimensions = dimensions;
    snprintf(detector->code, sizeof detector->code, "%s/%d", kind->name, kind->version);
    if (!bind(detector, parameters, err) || (kind->configure && !kind->configure(detector, model, err)))
        return false;
    size_t bytes = (DETECTOR_HEAD_BYTES + kind->state_bytes(detector) + 15) / 16 * 16;
    if (bytes > DETECTOR_STATE_MAX)
        return su_fail_field(err, SU_LIMIT, "/parameters", "with these parameters a key would take %zu bytes, more than %d", bytes,
                             DETECTOR_STATE_MAX);
    detector->state_bytes = bytes;
    *ret = su_take(detector);
    return true;
}

void detector_free(struct detector *detector)
{
    if (!detector)
        return;
    if (detector->kind->release)
        detector->kind->release(detector);
    else
        free(detector->made);
    free(detector->settings);
    json_decref(detector->parameters);
    free(detector);
}

const char *detector_code(const struct detector *detector) { return detector->code; }

size_t detector_state_bytes(const struct detector *detector) { return detector->state_bytes; }

void detector_begin(const struct detector *detector, void *state)
{
    memset(state, 0, detector->state_bytes);
    *(struct head *)state = head_of(detector);
    if (detector->kind->begin)
        detector->kind->begin(detector, (char *)state + DETECTOR_HEAD_BYTES);
}

void detector_update(const struct detector *detector, void *state, const struct detector_point *point, struct detector_verdict *ret)
{
    *ret = (struct detector_verdict){.value = NAN, .expected = NAN, .low = NAN, .high = NAN, .dimension = -1};
    detector->kind->update(detector, (char *)state + DETECTOR_HEAD_BYTES, point, ret);
    /* No assertion: the state may be a checkpoint that a disk garbled into another valid one. */
    ret->score = ret->is_warm && ret->score >= 0 ? fmin(ret->score, 1) : 0;
}

bool detector_check(const struct detector *detector, const void *state, size_t size)
{
    struct head head = head_of(detector);
    return size == detector->state_bytes && memcmp(state, &head, sizeof head) == 0 &&
           detector->kind->check(detector, (const char *)state + DETECTOR_HEAD_BYTES);
}

json_t *detector_model(const struct detector *detector, const void *state)
{
    return detector->kind->model ? detector->kind->model(detector, (const char *)state + DETECTOR_HEAD_BYTES) : NULL;
}

/* ---------------------------------------------------------- for people to read */

static json_t *default_of(const struct su_field *field, const void *settings)
{
    const void *member = (const char *)settings + field->offset;
    switch (field->type) {
    case SU_FIELD_TEXT: return su_json_text_or_null(*(const char *const *)member);
    case SU_FIELD_INT: return json_integer(*(const int64_t *)member);
    case SU_FIELD_NUMBER: return is_given(*(const double *)member) ? json_real(*(const double *)member) : json_null();
    case SU_FIELD_BOOL: return json_boolean(*(const bool *)member);
    case SU_FIELD_OBJECT: case SU_FIELD_LIST: case SU_FIELD_TEXTS: case SU_FIELD_ANY: case SU_FIELD_TYPE_COUNT: break;
    }
    return json_null();
}

static json_t *parameters_of(const struct detector_kind *kind)
{
    static const char *const types[SU_FIELD_TYPE_COUNT] = {"text", "integer", "number", "boolean", "object", "list", "texts", "any"};
    json_t *parameters = json_array();
    for (const struct su_field *field = kind->fields; field && field->name; field++) {
        json_t *one = json_pack("{s:s, s:s, s:o, s:s}", "name", field->name, "type", types[field->type], "default",
                                default_of(field, kind->settings_default), "help", field->help ? field->help : "");
        if (field->min < field->max) {
            json_object_set_new(one, "min", json_real(field->min));
            json_object_set_new(one, "max", json_real(field->max));
        }
        json_array_append_new(parameters, one);
    }
    return parameters;
}

json_t *detector_kinds(void)
{
    json_t *all = json_array();
    for (size_t i = 0; i < SU_COUNT(kinds); i++)
        json_array_append_new(all, json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:o}", "name", kinds[i]->name, "version",
                                             kinds[i]->version, "summary", kinds[i]->summary, "source", kinds[i]->source, "cost",
                                             kinds[i]->cost, "is_multivariate", kinds[i]->dimensions_max > 1, "parameters",
                                             parameters_of(kinds[i])));
    return all;
}
