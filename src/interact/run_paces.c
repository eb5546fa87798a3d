/* The paces of all runs under way that follow.  Layer interact; any thread, under runs->lock. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run_private.h"

/* With the lock held; made when a run under way has none. */
static struct pace *pace_of(struct runs *runs, const char *tenant, const char *id)
{
    for (struct run_pace *at = runs->paces; at; at = at->next)
        if (strcmp(at->id, id) == 0 && strcmp(at->tenant, tenant) == 0)
            return at->pace;
    if (lives_find(runs, tenant, id) == NULL)
        return NULL;
    struct run_pace *made = su_alloc(sizeof *made);
    *made = (struct run_pace){runs->paces, su_strdup(tenant), su_strdup(id), pace_new()};
    runs->paces = made;
    return made->pace;
}

void paces_drop(struct runs *runs, const char *tenant, const char *id)
{
    struct pace *pace = pace_of(runs, tenant, id);
    if (pace)
        pace_drop(pace);
}

void paces_forget(struct runs *runs, const char *tenant, const char *id)
{
    for (struct run_pace **at = &runs->paces; *at; at = &(*at)->next) {
        struct run_pace *found = *at;
        if (strcmp(found->id, id) != 0 || strcmp(found->tenant, tenant) != 0)
            continue;
        *at = found->next;
        pace_free(found->pace);
        free(found->tenant);
        free(found->id);
        free(found);
        return;
    }
}

void paces_note(struct runs *runs, const json_t *detail, bool is_commit)
{
    SU_LOCKED(&runs->lock);
    struct pace *pace = pace_of(runs, su_json_string(detail, "tenant", ""), su_json_string(detail, "run", ""));
    if (pace && is_commit)
        pace_commit(pace, detail, su_now_ms());
    else if (pace)
        pace_offer(pace, detail, su_now_ms());
}

json_t *runs_pace(struct runs *runs, const char *tenant, const char *id, bool with_iterations)
{
    SU_LOCKED(&runs->lock);
    for (const struct run_pace *at = runs->paces; at; at = at->next)
        if (strcmp(at->id, id) == 0 && strcmp(at->tenant, tenant) == 0)
            return pace_json(at->pace, with_iterations, su_now_ms());
    return json_null();
}

char *runs_window(struct runs *runs, const char *tenant, const char *id)
{
    SU_LOCKED(&runs->lock);
    struct pace *pace = pace_of(runs, tenant, id);
    return pace && pace_window(pace) ? su_json_text(pace_window(pace)) : NULL;
}
