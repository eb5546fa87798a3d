/* Windows of a stretch of a stream into an engine, live and in back-tests alike: see watch_private.h.  Layer act. */
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "decision.h"
#include "model.h"
#include "watch_private.h"

enum { GROUPS_MAX = 200000 };

struct window_spec watch_windows(const struct watch_definition *definition, const struct stream *stream)
{
    struct window_spec spec = definition->window;
    spec.delay_us = stream->delay_us;
    return spec;
}

/* --- models ---------------------------------------------------------------------- */

bool watch_detector(struct watches *watches, const char *tenant, const struct watch_definition *definition, int64_t version,
                    struct detector **ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *model = NULL;
    int64_t found;
    if (definition->model && !model_native(watches->models, tenant, definition->model, version, definition->detector, &model, &found, err))
        return false;
    return watch_definition_detector(definition, model, ret, err);
}

bool watch_live_model(struct watches *watches, struct sql *db, const char *tenant, const struct watch_definition *definition, int64_t *ret,
                      struct su_err *err)
{
    if (watches->models == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server keeps no models");
    if (!model_live(db, tenant, definition->model, ret, err))
        return false;
    return *ret != 0 || su_fail(err, SU_UNAVAILABLE, "model \"%.128s\" has no live version yet", definition->model);
}

bool watch_models_load(struct sql *db, int64_t number, struct watch_model **ret, size_t *ret_count, struct su_err *err)
{
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT from_us, version FROM watch_models WHERE watch = ?1 ORDER BY from_us",
                                                 sql_int(number));
    SU_AUTO_FREE struct watch_model *models = su_alloc(WATCH_MODELS_MAX * sizeof *models);
    size_t count = 0;
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        if (count < WATCH_MODELS_MAX)
            models[count++] = (struct watch_model){sql_col_int(row, 0), sql_col_int(row, 1)};
    if (next != SQL_DONE)
        return false;
    *ret = su_take(models);
    *ret_count = count;
    return true;
}

size_t watch_models_at(const struct watch_model *models, size_t count, int64_t start_us, int64_t *ret_version)
{
    size_t at = 0;
    while (at < count && (at == 0 || models[at].from_us <= start_us))
        at++;
    *ret_version = at ? models[at - 1].version : 0;
    return at;
}

bool watch_policies(struct sql *db, const char *tenant, const struct watch_definition *d, struct scale_policy ret[WATCH_ACTIONS_MAX],
                    struct su_err *err)
{
    memset(ret, 0, WATCH_ACTIONS_MAX * sizeof *ret);
    for (size_t i = 0; i < d->action_count; i++) {
        if ((d->actions[i].events & 1u << WATCH_EVENT_WINDOW) == 0)
            continue;
        SU_AUTO_JSON json_t *action = NULL;
        if (!action_load(db, tenant, d->actions[i].action, &action, err))
            return false;
        if (strcmp(su_json_string(action, "kind", ""), "scale") != 0)
            return su_fail(err, SU_INVALID, "action \"%.128s\" is not of kind scale: only those act on each window", d->actions[i].action);
        if (!scale_policy_read(action, &ret[i], err))
            return su_prefix(err, "action \"%.128s\"", d->actions[i].action);
    }
    return true;
}

/* --- windows ---------------------------------------------------------------------------- */

/* Windows without messages before start_us, changing models on the way where they changed, up to change_us. */
static bool skip_to(struct watch_pass *pass, int64_t start_us, int64_t change_us, struct su_err *err)
{
    while (pass->model_next < pass->model_count && pass->models[pass->model_next].from_us <= change_us) {
        const struct watch_model *change = &pass->models[pass->model_next];
        struct detector *detector;
        if (!watch_engine_skip_to(pass->engine, change->from_us, err)
            || !watch_detector(pass->watches, pass->tenant, pass->definition, change->version, &detector, err))
            return false;
        watch_engine_set_detector(pass->engine, &detector);
        pass->model_next++;
    }
    return watch_engine_skip_to(pass->engine, start_us, err);
}

static bool take_pane(void *arg, const struct pane *pane, struct su_err *err)
{
    struct watch_pass *pass = arg;
    bool is_counted = pane->start_us >= pass->count_from_us;
    for (size_t row = 0; row < pane->rows && is_counted; row++)
        pass->messages += (uint64_t)rollup_value(pane->rollup, pane->groups, row, pass->definition->dimensions).integer;
    pass->window_count += is_counted;
    return skip_to(pass, pane->start_us, pane->start_us, err) && watch_engine_pane(pass->engine, pane, err);
}

bool watch_pass_begin(const struct watch_pass *pass, struct sql *db, int64_t *ret_start, struct su_err *err)
{
    const struct window_spec spec = watch_windows(pass->definition, pass->stream);
    struct window first;
    bool is_found;
    if (!window_next(streams_logs(pass->watches->streams), db, pass->stream->log, &spec, pass->base_us, 0, &first, &is_found, err))
        return false;
    *ret_start = is_found ? first.start_us : INT64_MIN;
    return true;
}

bool watch_pass_to(struct watch_pass *pass, struct sql *db, int64_t last_us, struct su_err *err)
{
    const struct window_spec spec = watch_windows(pass->definition, pass->stream);
    const struct rollup_limits limits = {.groups_max = GROUPS_MAX};
    struct panes_range range = {.start_from_us = watch_engine_next(pass->engine), .start_to_us = last_us + 1};
    if (range.start_from_us == INT64_MIN && !watch_pass_begin(pass, db, &range.start_from_us, err))
        return false;
    if (range.start_from_us == INT64_MIN || range.start_from_us > last_us)
        return true;
    if (!panes_read(streams_logs(pass->watches->streams), db, pass->stream->log, &spec, &pass->definition->rollup, &limits, &range, take_pane,
                    pass, NULL, err))
        return false;
    int64_t slide = window_slide(&spec);
    return watch_engine_next(pass->engine) == INT64_MIN || skip_to(pass, last_us + slide, last_us, err);
}

void watch_decision_id(int64_t number, const struct watch_emitted *emitted, char ret[static SU_ID_SIZE])
{
    char watch[24], start[24], index[24];
    snprintf(watch, sizeof watch, "%lld", (long long)number);
    snprintf(start, sizeof start, "%lld", (long long)emitted->start_us);
    snprintf(index, sizeof index, "%zu", emitted->action_index);
    const char *const parts[] = {"watch", watch, start, emitted->key, emitted->event, watch_level_name(emitted->from),
                                 watch_level_name(emitted->to), index, emitted->action ? emitted->action->action : ""};
    decision_id(parts, SU_COUNT(parts), ret);
}
