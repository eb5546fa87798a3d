/* Actions of kind "run": a notebook or a recipe is started.  Layer act; on the thread "delivery" (check: any).
 *
 * The decision's id goes with the run, so a decision starts one run however often it is delivered.  A
 * trigger gives the same inline, without an action: there nothing is a template any more. */
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "action_kind.h"
#include "aggregate/object.h"
#include "interact/notebooks.h"
#include "interact/recipes.h"
#include "template.h"

struct start { const char *notebook, *recipe, *object, *label; int64_t version, retries; json_t *parameters, *limits; bool network, follow; };
static const struct su_field run_fields[] = {
    SU_FIELD(struct start, notebook, SU_FIELD_TEXT, .min = 1, .max = 512, .help = "The notebook to start, or:"),
    SU_FIELD(struct start, recipe, SU_FIELD_TEXT, .min = 1, .max = 512, .help = "the recipe"),
    SU_FIELD(struct start, object, SU_FIELD_TEXT, .min = 1, .max = OBJECT_NAME_MAX, .help = "What the recipe is run on; template over the decision"),
    SU_FIELD(struct start, version, SU_FIELD_INT, .min = 1, .max = 9007199254740991, .help = "Of the notebook; absent: the newest"),
    SU_FIELD(struct start, parameters, SU_FIELD_OBJECT, .help = "Template over the decision"),
    SU_FIELD(struct start, limits, SU_FIELD_OBJECT, .help = "time_s, memory_mb, processes, scratch_mb, output_mb"),
    SU_FIELD(struct start, network, SU_FIELD_BOOL, .help = "Let the kernel use the network"),
    SU_FIELD(struct start, retries, SU_FIELD_INT, .min = 0, .max = RUN_RETRIES_MAX, .help = "Times to begin anew when it was interrupted"),
    SU_FIELD(struct start, follow, SU_FIELD_BOOL, .help = "As POST /v1/runs"),
    SU_FIELD(struct start, label, SU_FIELD_TEXT, .min = 1, .max = RUN_LABEL_MAX, .help = "For people"),
    SU_FIELD_END};

static bool check(const struct action_services *with, const char *tenant, const json_t *own, struct su_err *err)
{
    struct start start = {0};
    (void)with, (void)tenant;
    if (!su_json_bind(own, run_fields, &start, err))
        return false;
    if ((start.notebook != NULL) == (start.recipe != NULL))
        return su_fail_field(err, SU_INVALID, "/notebook", "a run is of either a notebook or a recipe");
    if (start.recipe && !start.object)
        return su_fail_field(err, SU_INVALID, "/object", "object: must be set, a recipe is run on something");
    SU_AUTO_JSON json_t *object = start.object ? json_string(start.object) : NULL;
    return (!start.parameters || template_check(start.parameters, "/parameters", err)) && (!object || template_check(object, "/object", err));
}

/* With what it is started: filled from the decision, unless a trigger has done so. */
static bool fill(const struct attempt *attempt, const struct start *start, json_t **ret_parameters, char **ret_object, struct su_err *err)
{
    bool is_inline = attempt->action[0] == '\0';
    if (start->object && is_inline)
        *ret_object = su_strdup(start->object);
    else if (start->object && !attempt_fill_text(attempt, start->object, ret_object, err))
        return su_prefix(err, "object");
    if (start->parameters == NULL)
        *ret_parameters = NULL;
    else if (is_inline)
        *ret_parameters = json_incref(start->parameters);
    else if (!attempt_fill(attempt, start->parameters, ret_parameters, err))
        return su_prefix(err, "parameters");
    return true;
}

static bool find_source(const struct attempt *attempt, const struct start *start, const char *object, struct run_source *ret, struct su_err *err)
{
    const struct action_services *with = attempt->with;
    bool is_found = start->recipe ? recipes_source(with->recipes, attempt->tenant, start->recipe, object, ret, err)
                                  : notebooks_source(with->notebooks, attempt->tenant, start->notebook, start->version, ret, err);
    if (!is_found && err->code == SU_NOT_FOUND)
        err->code = SU_INVALID;     /* it would not be there a minute later */
    return is_found;
}

static bool start_run(struct attempt *attempt, char ret_id[static SU_ID_SIZE], struct su_err *err)
{
    struct start start = {0};
    RUN_AUTO_SOURCE struct run_source source = {0};
    SU_AUTO_JSON json_t *own = action_own(attempt->definition), *parameters = NULL;
    SU_AUTO_FREE char *object = NULL;
    if (attempt->with->runs == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server runs no notebooks");
    if (!su_json_bind(own, run_fields, &start, err) || !fill(attempt, &start, &parameters, &object, err)
        || !find_source(attempt, &start, object, &source, err))
        return false;
    const struct run_options options = {.parameters = parameters, .limits = start.limits, .network = start.network, .retries = start.retries,
                                        .follow = start.follow, .label = start.label ? start.label : attempt->action[0] ? attempt->action : NULL,
                                        .decision = attempt->id};
    return run_create(attempt->with->runs, attempt->tenant, attempt->user, &source, &options, ret_id, err);
}

static void perform(struct attempt *attempt)
{
    struct su_err err;
    char id[SU_ID_SIZE];
    if (!start_run(attempt, id, &err)) {
        attempt_faulted(attempt, &err);
        return;
    }
    SU_AUTO_FREE char *answer = su_format("run %s", id);
    attempt_sent(attempt, 0, answer);
}

const struct action_kind action_run = {
    .name = "run", .summary = "Starts a notebook or a recipe", .fields = run_fields, .check = check, .perform = perform};
