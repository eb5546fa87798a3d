/* Actions of kind "scale": how many there should be, told to a webhook or a command.  Layer act; pure but for the check.
 *
 * How the size follows the metric is scale.h, and happens where the watch decides.  What is delivered is the size, not
 * the difference, so telling it twice does no harm.  Notebooks and triggers may ask for a size themselves. */
#include "action_kind.h"
#include "scale.h"

struct telling { json_t *via; };
static const struct su_field telling_fields[] = {
    SU_FIELD(struct telling, via, SU_FIELD_OBJECT, .is_required = true,
             .help = "Who is told: {\"webhook\": …} or {\"command\": …}, with that kind's fields"),
    SU_FIELD_END};

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct scale_policy policy;
    struct telling telling = {0};
    SU_AUTO_JSON json_t *rest = json_copy((json_t *)(uintptr_t)own);
    for (const struct su_field *field = scale_fields; field->name; field++)
        json_object_del(rest, field->name);
    return su_json_bind(rest, telling_fields, &telling, err) && scale_policy_read(own, &policy, err)
        && action_via_check(with, tenant, telling.via, err);
}

static bool resolve(struct attempt *attempt, struct su_err *err)
{
    const json_t *parameters = json_object_get(attempt->decision, "parameters"), *given = json_object_get(parameters, "size");
    struct scale_policy policy;
    if (!scale_policy_read(attempt->definition, &policy, err))
        return false;
    if (!json_is_integer(given) && !attempt->is_test)
        return su_fail(err, SU_INVALID, "the decision asks for no size: its parameter \"size\" must be a whole number");
    int64_t size = json_is_integer(given) ? json_integer_value(given) : policy.initial;
    json_t *desired = json_pack("{s:I}", "size", (json_int_t)(size < policy.min ? policy.min : size > policy.max ? policy.max : size));
    for (size_t i = 0; i < 2; i++) {
        static const char *const more[] = {"current", "metric"};
        json_object_set(desired, more[i], json_object_get(parameters, more[i]));
    }
    json_object_set_new(attempt->decision, "desired", desired);
    attempt->wanted = json_incref(json_object_get(attempt->definition, "via"));
    return true;
}

const struct action_kind action_scale = {
    .name = "scale", .summary = "A size that follows a metric, told to a webhook or a command", .fields = scale_fields, .more = telling_fields,
    .check = check, .resolve = resolve};
