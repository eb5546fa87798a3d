/* What led to an event: the circle that a trigger would close is found by the names in its decision's grounds.  Layer act. */
#include <string.h>
#include "decision.h"
#include "interact/run.h"
#include "trigger_private.h"

static bool is_missing(const struct su_err *err) { return err->code == SU_NOT_FOUND; }

static bool get_decision(struct triggers *triggers, const char *tenant, const char *id, json_t **ret, struct su_err *err)
{
    *ret = NULL;
    return decision_get(triggers->store, tenant, id, ret, err) || is_missing(err);
}

/* The decision that started a run; NULL: none. */
static bool decision_of_run(struct triggers *triggers, const char *tenant, const char *run, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *record = NULL;
    *ret = NULL;
    if (!run_get(triggers->runs, tenant, run, &record, NULL, err))
        return is_missing(err);
    const char *id = su_json_string(record, "decision", NULL);
    return id == NULL || get_decision(triggers, tenant, id, ret, err);
}

/* A follower's or a watch's decision was not fired by a trigger, but its run may have been: at most so many steps back. */
bool trigger_chain(struct triggers *triggers, const char *tenant, const json_t *event, json_t **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *at = json_incref((json_t *)(uintptr_t)event), *chain = json_array();
    bool is_event = true;
    for (int steps = 0; at && steps < TRIGGER_CHAIN_MAX; steps++) {
        const char *decision = is_event ? su_json_string(at, "decision", NULL) : NULL, *run = su_json_string(at, "run", NULL);
        const char *trigger = is_event ? NULL : su_json_string(at, "trigger", NULL);
        SU_AUTO_JSON json_t *here = at;
        at = NULL;
        if (trigger) {
            json_array_extend(chain, json_object_get(json_object_get(here, "grounds"), "chain"));
            json_array_append_new(chain, json_string(trigger));
        } else if (decision ? !get_decision(triggers, tenant, decision, &at, err)
                            : run && *run && triggers->runs && !decision_of_run(triggers, tenant, run, &at, err))
            return false;
        is_event = false;
    }
    *ret = su_take(chain);
    return true;
}

char *trigger_circle(const json_t *chain, const char *name)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(4096);
    size_t i;
    json_t *item;
    bool is_circle = false;
    json_array_foreach ((json_t *)(uintptr_t)chain, i, item) {
        is_circle = is_circle || strcmp(json_string_value(item), name) == 0;
        su_buf_addf(&text, "%s → ", json_string_value(item));
    }
    su_buf_adds(&text, name);
    if (is_circle)
        return su_format("it would fire for what it has caused itself: %s", su_buf_str(&text).ptr);
    if (json_array_size(chain) >= TRIGGER_CHAIN_MAX)
        return su_format("more than %d triggers lead to one another: %s", TRIGGER_CHAIN_MAX, su_buf_str(&text).ptr);
    return NULL;
}
