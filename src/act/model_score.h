/* Scoring with a native model: what would a detector that begins with it say of these points?  Layer act; one thread at a time.
 *
 * The model is not changed.  A model that brings nothing to judge rarity by learns that from the first points, until it
 * is warm; after that points are only scored. */
#pragma once
#include "detector.h"
#include "model.h"

enum { MODEL_SCORE_ROWS_MAX = 100000 };

/* Is this the kind of a detector? */
bool model_kind_is_native(const char *kind);

struct model_scorer;
/* SU_INVALID says what the model expects (another number of values, another shape).  version: a number, not 0. */
bool model_scorer_open(struct models *models, const char *tenant, const char *name, int64_t version, const char *kind, size_t dimensions,
                       struct model_scorer **ret, struct su_err *err);
void model_scorer_close(struct model_scorer *scorer);
static inline void model_scorer_close_pointer(struct model_scorer **scorer) { model_scorer_close(*scorer); }
#define MODEL_AUTO_SCORER SU_CLEANUP(model_scorer_close_pointer)
const char *model_scorer_code(const struct model_scorer *scorer);
/* values: one per dimension, NaN: missing. */
void model_scorer_add(struct model_scorer *scorer, int64_t time_us, const double *values, struct detector_verdict *ret);
