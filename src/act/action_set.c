/* Actions of kind "set": a desired state as JSON, told to a webhook or a command.  Layer act; pure but for the check.
 *
 * Level-triggered: what is told is how things should be, so telling it twice does no harm.  A decision whose event
 * is "opened" or "raised" (or that has none) asks for `state`; one that ends the episode, or says that it did not
 * end in time, for `return`.  A decision's parameters may hold the state themselves. */
#include <string.h>
#include "action_kind.h"
#include "template.h"

struct set { json_t *state, *back, *via; };
static const struct su_field set_fields[] = {
    SU_FIELD(struct set, state, SU_FIELD_ANY, .is_required = true, .help = "Template over the decision: how it should be while something is wrong"),
    {.name = "return", .type = SU_FIELD_ANY, .offset = offsetof(struct set, back), .help = "How it should be again afterwards"},
    SU_FIELD(struct set, via, SU_FIELD_OBJECT, .is_required = true, .help = "Who is told: {\"webhook\": …} or {\"command\": …}, with that kind's fields"),
    SU_FIELD_END};

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct set set = {0};
    return su_json_bind(own, set_fields, &set, err) && template_check(set.state, "/state", err)
        && (!set.back || template_check(set.back, "/return", err)) && action_via_check(with, tenant, set.via, err);
}

static bool is_return(const char *event)
{
    static const char *const ends[] = {"resolved", "lowered", "unverified", "steady"};
    for (size_t i = 0; i < SU_COUNT(ends); i++)
        if (strcmp(event, ends[i]) == 0)
            return true;
    return false;
}

static bool resolve(struct attempt *attempt, struct su_err *err)
{
    const char *event = su_json_string(attempt->decision, "event", "");
    const json_t *given = json_object_get(json_object_get(attempt->decision, "parameters"), "state");
    const json_t *back = json_object_get(attempt->definition, "return"), *template = json_object_get(attempt->definition, "state");
    json_t *desired = NULL;
    if (is_return(event) && back == NULL && given == NULL)
        return su_fail(err, SU_INVALID, "the decision \"%.20s\" asks for a state to return to, and the action has none", event);
    if (given != NULL)
        desired = json_deep_copy(given);
    else if (!attempt_fill(attempt, is_return(event) ? back : template, &desired, err))
        return false;
    json_object_set_new(attempt->decision, "desired", desired);
    attempt->wanted = json_incref(json_object_get(attempt->definition, "via"));
    return true;
}

const struct action_kind action_set = {
    .name = "set", .summary = "A desired state, told to a webhook or a command", .fields = set_fields, .check = check, .resolve = resolve};
