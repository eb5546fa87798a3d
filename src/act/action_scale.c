/* Actions of kind "scale": a desired number of workers, told to a webhook or a command.  Layer act.
 *
 * A watch gives the policy (scale.h) its windows and decides when the size is to change: the decision's
 * parameters are {"size","current","metric"}.  Level-triggered: what is told is the size that should be. */
#include <string.h>
#include "action_kind.h"
#include "scale.h"

struct scale { json_t *via; };
static const struct su_field via_fields[] = {
    SU_FIELD(struct scale, via, SU_FIELD_OBJECT, .is_required = true,
             .help = "Who is told: {\"webhook\": …} or {\"command\": …}, with that kind's fields"),
    SU_FIELD_END};

static bool check_names(const json_t *own, struct su_err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)own, name, value) {
        bool is_known = strcmp(name, "via") == 0;
        for (const struct su_field *field = scale_fields; field->name && !is_known; field++)
            is_known = strcmp(field->name, name) == 0;
        if (!is_known) {
            SU_AUTO_FREE char *field = su_format("/%.80s", name);
            return su_fail_field(err, SU_INVALID, field, "%.80s: an action of kind scale has no such field", name);
        }
    }
    return true;
}

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct scale_policy policy;
    const json_t *via = json_object_get(own, "via");
    if (!json_is_object(via))
        return su_fail_field(err, SU_INVALID, "/via", "via: must say who is told, {\"webhook\": …} or {\"command\": …}");
    return check_names(own, err) && scale_policy_read(own, &policy, err) && action_via_check(with, tenant, via, err);
}

static bool resolve(struct attempt *attempt, struct su_err *err)
{
    static const char *const told[] = {"size", "current", "metric"};
    const json_t *parameters = json_object_get(attempt->decision, "parameters");
    json_t *desired = json_object();
    for (size_t i = 0; i < SU_COUNT(told); i++)
        if (json_object_get(parameters, told[i]))
            json_object_set(desired, told[i], json_object_get(parameters, told[i]));
    if (attempt->is_test && !json_object_get(desired, "size"))
        json_object_set_new(desired, "size", json_integer(su_json_int(attempt->definition, "initial", su_json_int(attempt->definition, "min", 1))));
    json_object_set_new(attempt->decision, "desired", desired);
    if (!json_is_integer(json_object_get(desired, "size")))
        return su_fail(err, SU_INVALID, "the decision's parameters hold no \"size\", a whole number");
    attempt->wanted = json_incref(json_object_get(attempt->definition, "via"));
    return true;
}

const struct action_kind action_scale = {.name = "scale",
                                         .summary = "A desired number of workers, told to a webhook or a command",
                                         .fields = via_fields,
                                         .more = scale_fields,
                                         .check = check,
                                         .resolve = resolve};
