/* Promotion policies: does a new version take the live one's place?  Layer act; pure. */
#pragma once
#include "model.h"

/* Texts are borrowed.  A bound that is NaN is none. */
struct model_policy { const char *metric; bool is_lower_better; double at_least, at_most; };
/* The policy of the REST API, as it was checked by model_policy_read. */
bool model_policy_read(const json_t *policy, struct model_policy *ret, struct su_err *err);

/* A version as far as its stage depends on it. */
struct model_rival { int64_t version; const char *kind; const json_t *metrics; };
enum { MODEL_WHY_MAX = 240 };
/* The stage of a new version, and why in a sentence.  policy NULL: there is none; live NULL: no version is. */
enum model_stage model_judge(const struct model_policy *policy, bool is_first, const struct model_rival *live, const struct model_rival *new_one,
                             char ret_why[static MODEL_WHY_MAX]);
