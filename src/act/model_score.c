/* Scoring with a native model: see model_score.h.  Layer act. */
#include "model_score.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct model_scorer { struct detector *detector; void *state; size_t dimensions; bool is_warm; };

bool model_kind_is_native(const char *kind)
{
    SU_AUTO_JSON json_t *kinds = detector_kinds();
    size_t i;
    json_t *item;
    json_array_foreach(kinds, i, item)
        if (strcmp(su_json_string(item, "name", su_json_string(item, "kind", "")), kind) == 0)
            return true;
    return false;
}

bool model_scorer_open(struct models *models, const char *tenant, const char *name, int64_t version, const char *kind, size_t dimensions,
                       struct model_scorer **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *model = NULL;
    if (!model_native(models, tenant, name, version, kind, &model, NULL, err))
        return false;
    MODEL_AUTO_SCORER struct model_scorer *scorer = su_alloc(sizeof *scorer);
    scorer->dimensions = dimensions;
    if (!detector_new(kind, NULL, model, dimensions, &scorer->detector, err))
        return su_prefix(err, "version %lld of the model \"%.100s\"", (long long)version, name);
    scorer->state = su_alloc(detector_state_bytes(scorer->detector));
    detector_begin(scorer->detector, scorer->state);
    *ret = su_take(scorer);
    return true;
}

void model_scorer_close(struct model_scorer *scorer)
{
    if (scorer == NULL)
        return;
    detector_free(scorer->detector);
    free(scorer->state);
    free(scorer);
}

const char *model_scorer_code(const struct model_scorer *scorer) { return detector_code(scorer->detector); }

void model_scorer_add(struct model_scorer *scorer, int64_t time_us, const double *values, struct detector_verdict *ret)
{
    struct detector_point point = {.time_us = time_us, .values = values, .may_learn = !scorer->is_warm};
    for (size_t i = 0; i < scorer->dimensions; i++)
        point.messages |= isfinite(values[i]) != 0;
    detector_update(scorer->detector, scorer->state, &point, ret);
    scorer->is_warm = ret->is_warm;
}
