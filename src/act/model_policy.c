/* Promotion policies: see model_policy.h.  Layer act. */
#include "model_policy.h"
#include <math.h>
#include <string.h>

struct given { const char *metric, *better; double at_least, at_most; };
const struct su_field model_promotion_fields[] = {
    SU_FIELD(struct given, metric, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = MODEL_METRIC_NAME_MAX,
             .help = "The metric by which a new version is held against the live one"),
    SU_FIELD(struct given, better, SU_FIELD_TEXT, .is_required = true, .help = "higher or lower"),
    SU_FIELD(struct given, at_least, SU_FIELD_NUMBER, .help = "A new version below it stays a candidate"),
    SU_FIELD(struct given, at_most, SU_FIELD_NUMBER, .help = "A new version above it stays a candidate"),
    SU_FIELD_END};

bool model_policy_read(const json_t *policy, struct model_policy *ret, struct su_err *err)
{
    struct given given = {.at_least = NAN, .at_most = NAN};
    if (!su_json_bind(policy, model_promotion_fields, &given, err))
        return false;
    bool is_lower = strcmp(given.better, "lower") == 0;
    if (!is_lower && strcmp(given.better, "higher") != 0)
        return su_fail_field(err, SU_INVALID, "/better", "better: must be higher or lower, was \"%.40s\"", given.better);
    if (given.at_least > given.at_most)
        return su_fail_field(err, SU_INVALID, "/at_least", "at_least: %g is above at_most, %g: no version could pass", given.at_least, given.at_most);
    *ret = (struct model_policy){given.metric, is_lower, given.at_least, given.at_most};
    return true;
}

/* NaN where the version does not have it. */
static double metric_of(const struct model_rival *rival, const char *metric)
{
    return su_json_number(rival->metrics, metric, NAN);
}

static bool passes_bounds(const struct model_policy *policy, double value, char why[static MODEL_WHY_MAX])
{
    if (isnan(value))
        snprintf(why, MODEL_WHY_MAX, "it has no metric %s, by which versions are promoted", policy->metric);
    else if (value < policy->at_least)
        snprintf(why, MODEL_WHY_MAX, "its %s of %g is below the %g that promotion asks for", policy->metric, value, policy->at_least);
    else if (value > policy->at_most)
        snprintf(why, MODEL_WHY_MAX, "its %s of %g is above the %g that promotion asks for", policy->metric, value, policy->at_most);
    else
        return true;
    return false;
}

static bool beats(const struct model_policy *policy, double value, const struct model_rival *live, const struct model_rival *new_one,
                  char why[static MODEL_WHY_MAX])
{
    double other = metric_of(live, policy->metric);
    bool is_better = policy->is_lower_better ? value < other : value > other;
    if (strcmp(live->kind, new_one->kind) != 0)
        snprintf(why, MODEL_WHY_MAX, "it is of kind %.64s and version %lld, which is live, of kind %.64s: promote it by hand", new_one->kind,
                 (long long)live->version, live->kind);
    else if (isnan(other))
        snprintf(why, MODEL_WHY_MAX, "its %s is %g, and version %lld had none", policy->metric, value, (long long)live->version);
    else
        snprintf(why, MODEL_WHY_MAX, "its %s of %g is %s%s than the %g of version %lld", policy->metric, value, is_better ? "" : "not ",
                 policy->is_lower_better ? "lower" : "higher", other, (long long)live->version);
    return strcmp(live->kind, new_one->kind) == 0 && (is_better || isnan(other));
}

enum model_stage model_judge(const struct model_policy *policy, bool is_first, const struct model_rival *live, const struct model_rival *new_one,
                             char ret_why[static MODEL_WHY_MAX])
{
    if (policy == NULL) {
        snprintf(ret_why, MODEL_WHY_MAX, is_first ? "it is the first version" : "it waits to be promoted");
        return is_first ? MODEL_LIVE : MODEL_CANDIDATE;
    }
    double value = metric_of(new_one, policy->metric);
    if (!passes_bounds(policy, value, ret_why))
        return MODEL_CANDIDATE;
    if (live == NULL) {
        snprintf(ret_why, MODEL_WHY_MAX, "its %s is %g, and no version was live", policy->metric, value);
        return MODEL_LIVE;
    }
    return beats(policy, value, live, new_one, ret_why) ? MODEL_LIVE : MODEL_CANDIDATE;
}
