/* A watch at work: see watch_engine.h.  Layer act. */
#include "watch_engine.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "decision.h"

enum { MAGIC = 0x53575032 };

struct happened { size_t slot; struct watch_effect effect; };

struct watch_engine {
    const struct watch_definition *definition;
    struct detector *detector;
    struct scale_policy policies[WATCH_ACTIONS_MAX];
    struct watch_engine_ops ops;
    struct watch_keys *keys;
    int64_t from_us, next_us, empty;    /* empty: windows in a row without any message */
    uint64_t window, unwatched;         /* window: number of the present one */
    double mean_score, score_sum;       /* score_sum, score_count: of the present window */
    uint64_t score_count, scored;       /* scored: windows since the detector began */
    struct happened *happened;          /* of the present window */
    size_t happened_count, happened_capacity;
    struct su_buf key;
};

struct watch_engine *watch_engine_new(const struct watch_definition *definition, struct detector **detector,
                                      const struct scale_policy policies[WATCH_ACTIONS_MAX], const struct watch_engine_ops *ops)
{
    struct watch_engine *engine = su_alloc(sizeof *engine);
    *engine = (struct watch_engine){.detector = su_take(*detector), .ops = *ops, .from_us = INT64_MIN, .next_us = INT64_MIN,
                                    .mean_score = 0.5, .key = SU_BUF(DECISION_KEY_MAX + 1)};
    watch_engine_set_definition(engine, definition, policies);
    engine->keys = watch_keys_new(engine->detector, definition->action_count, definition->keys_max);
    return engine;
}

void watch_engine_free(struct watch_engine *engine)
{
    if (engine == NULL)
        return;
    watch_keys_free(engine->keys);
    detector_free(engine->detector);
    su_buf_done(&engine->key);
    free(engine->happened);
    free(engine);
}

void watch_engine_set_from(struct watch_engine *engine, int64_t from_us) { engine->from_us = from_us; }
const char *watch_engine_code(const struct watch_engine *engine) { return detector_code(engine->detector); }
int64_t watch_engine_next(const struct watch_engine *engine) { return engine->next_us; }
const struct watch_keys *watch_engine_keys(const struct watch_engine *engine) { return engine->keys; }

void watch_engine_set_definition(struct watch_engine *engine, const struct watch_definition *definition,
                                 const struct scale_policy policies[WATCH_ACTIONS_MAX])
{
    engine->definition = definition;
    if (policies)
        memcpy(engine->policies, policies, sizeof engine->policies);
}

void watch_engine_set_detector(struct watch_engine *engine, struct detector **detector)
{
    watch_keys_set_detector(engine->keys, *detector);
    detector_free(engine->detector);
    engine->detector = su_take(*detector);
    engine->mean_score = 0.5;
    engine->scored = 0;
}

/* --- what comes out ----------------------------------------------------------------- */

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

void watch_verdict_add(json_t *into, const struct detector_verdict *verdict)
{
    json_object_set_new(into, "score", number(verdict->score));
    json_object_set_new(into, "value", number(verdict->value));
    json_object_set_new(into, "expected", number(verdict->expected));
    json_object_set_new(into, "low", number(verdict->low));
    json_object_set_new(into, "high", number(verdict->high));
}

static json_t *grounds_of(const struct watch_engine *engine, const struct happened *happened)
{
    const struct watch_definition *d = engine->definition;
    const struct watch_slot *slot = watch_keys_at(engine->keys, happened->slot);
    json_t *grounds = json_object();
    watch_verdict_add(grounds, &slot->last);
    if (d->dimensions > 1 && slot->last.dimension >= 0 && (size_t)slot->last.dimension < d->dimensions)
        json_object_set_new(grounds, "dimension", json_string(d->rollup.aggregates[slot->last.dimension].name));
    json_object_set_new(grounds, "episode", json_integer(happened->effect.episode));
    json_object_set_new(grounds, "from_level", json_string(watch_level_name(happened->effect.from)));
    return grounds;
}

static char *reason_of(const struct watch_engine *engine, const struct happened *happened)
{
    const struct watch_definition *d = engine->definition;
    const struct detector_verdict *v = &watch_keys_at(engine->keys, happened->slot)->last;
    const char *what = d->dimensions == 1 ? d->rollup.aggregates[0].name : "its values";
    const char *key = watch_keys_name(engine->keys, happened->slot);
    SU_AUTO_FREE char *normal = isfinite(v->low) && isfinite(v->high) ? su_format(", normal is %.6g to %.6g", v->low, v->high)
        : isfinite(v->expected) ? su_format(", normal is about %.6g", v->expected) : su_strdup("");
    return su_format("%s%s%s %s: %s came to %.6g%s (score %.5g)", key, *key ? ": " : "", watch_event_name(happened->effect.event),
                     watch_level_name(happened->effect.to), what, v->value, normal, v->score);
}

static bool emit(struct watch_engine *engine, struct watch_emitted *emitted, int64_t start_us, struct su_err *err)
{
    emitted->start_us = start_us;
    emitted->end_us = start_us + engine->definition->window.every_us;
    return engine->ops.emit(engine->ops.arg, emitted, err);
}

/* A decision for each action that this step asks for, or one that says so much as that it happened. */
static bool emit_step(struct watch_engine *engine, const struct happened *happened, struct watch_emitted *emitted, int64_t start_us, struct su_err *err)
{
    const struct watch_definition *d = engine->definition;
    bool has_acted = false;
    emitted->event = watch_event_name(happened->effect.event);
    emitted->from = happened->effect.from;
    emitted->to = happened->effect.to;
    for (size_t i = 0; i < d->action_count; i++) {
        if (!watch_action_matches(&d->actions[i], &happened->effect))
            continue;
        has_acted = true;
        emitted->action = &d->actions[i];
        emitted->action_index = i;
        emitted->parameters = d->actions[i].parameters;
        if (!emit(engine, emitted, start_us, err))
            return false;
    }
    emitted->action = NULL;
    emitted->action_index = d->action_count;
    emitted->parameters = NULL;
    return has_acted || emit(engine, emitted, start_us, err);
}

static bool emit_one(struct watch_engine *engine, const struct happened *happened, int64_t start_us, struct su_err *err)
{
    SU_AUTO_JSON json_t *grounds = grounds_of(engine, happened);
    SU_AUTO_FREE char *reason = reason_of(engine, happened);
    struct watch_emitted emitted = {.key = watch_keys_name(engine->keys, happened->slot), .grounds = grounds, .reason = reason};
    return emit_step(engine, happened, &emitted, start_us, err);
}

static bool is_same_step(const struct watch_effect *a, const struct watch_effect *b)
{
    return a->event == b->event && a->from == b->from && a->to == b->to;
}

/* All that made the same step as the first, as one decision. */
static bool emit_group(struct watch_engine *engine, const struct happened *first, size_t count, int64_t start_us, struct su_err *err)
{
    json_t *list = json_array();
    SU_AUTO_JSON json_t *grounds = json_pack("{s:I, s:o, s:s}", "count", (json_int_t)count, "keys", list, "from_level",
                                             watch_level_name(first->effect.from));
    for (size_t i = 0; i < engine->happened_count && json_array_size(list) < WATCH_GROUP_KEYS; i++) {
        const struct happened *other = &engine->happened[i];
        if (!is_same_step(&other->effect, &first->effect))
            continue;
        json_t *item = json_pack("{s:s}", "key", watch_keys_name(engine->keys, other->slot));
        watch_verdict_add(item, &watch_keys_at(engine->keys, other->slot)->last);
        json_array_append_new(list, item);
    }
    SU_AUTO_FREE char *reason = su_format("%zu keys %s %s in one window: %s and others", count, watch_event_name(first->effect.event),
                                          watch_level_name(first->effect.to), watch_keys_name(engine->keys, first->slot));
    struct watch_emitted emitted = {.key = "*", .grounds = grounds, .reason = reason};
    return emit_step(engine, first, &emitted, start_us, err);
}

static bool emit_grouped(struct watch_engine *engine, int64_t start_us, struct su_err *err)
{
    for (size_t i = 0; i < engine->happened_count; i++) {
        const struct watch_effect *effect = &engine->happened[i].effect;
        size_t first = 0, count = 0;
        while (!is_same_step(&engine->happened[first].effect, effect))
            first++;
        if (first != i)
            continue;       /* told with an earlier one */
        for (size_t j = i; j < engine->happened_count; j++)
            count += is_same_step(&engine->happened[j].effect, effect);
        if (!(count == 1 ? emit_one(engine, &engine->happened[i], start_us, err) : emit_group(engine, &engine->happened[i], count, start_us, err)))
            return false;
    }
    return true;
}

static bool emit_happened(struct watch_engine *engine, int64_t start_us, struct su_err *err)
{
    if (engine->definition->is_grouped)
        return emit_grouped(engine, start_us, err);
    for (size_t i = 0; i < engine->happened_count; i++)
        if (!emit_one(engine, &engine->happened[i], start_us, err))
            return false;
    return true;
}

/* --- one key in one window --------------------------------------------------------------- */

static void note(struct watch_engine *engine, size_t slot, const struct watch_effect *effect)
{
    if (engine->happened_count == engine->happened_capacity) {
        engine->happened_capacity = engine->happened_capacity ? engine->happened_capacity * 2 : 16;
        engine->happened = su_realloc(engine->happened, engine->happened_capacity * sizeof *engine->happened);
    }
    engine->happened[engine->happened_count++] = (struct happened){slot, *effect};
}

static bool is_acting(const struct watch_definition *definition, const struct watch_effect *effect)
{
    for (size_t i = 0; i < definition->action_count; i++)
        if (watch_action_matches(&definition->actions[i], effect))
            return true;
    return false;
}

static int64_t floor_of(const struct watch_action *action, const struct scale_policy *policy, double expected)
{
    double floor = action->has_floor && isfinite(expected) && policy->target > 0 ? ceil(expected / policy->target) : 0;
    return floor > 0 && floor < 1e9 ? (int64_t)floor : 0;
}

static bool scale(struct watch_engine *engine, size_t slot, double metric, int64_t start_us, struct su_err *err)
{
    const struct watch_definition *d = engine->definition;
    const struct detector_verdict *last = &watch_keys_at(engine->keys, slot)->last;
    for (size_t i = 0; i < d->action_count; i++) {
        const struct watch_action *action = &d->actions[i];
        struct scale_state *state = watch_keys_scale(engine->keys, slot, i);
        int64_t before = scale_current(&engine->policies[i], state), size;
        if ((action->events & 1u << WATCH_EVENT_WINDOW) == 0
            || !scale_step(&engine->policies[i], state, start_us + d->window.every_us, metric, floor_of(action, &engine->policies[i], last->expected), &size))
            continue;
        SU_AUTO_JSON json_t *parameters = action->parameters ? json_copy(action->parameters) : json_object(), *grounds = json_object();
        json_object_set_new(parameters, "size", json_integer(size));
        json_object_set_new(parameters, "current", json_integer(before));
        json_object_set_new(parameters, "metric", number(metric));
        watch_verdict_add(grounds, last);
        SU_AUTO_FREE char *reason = su_format("%s is %.6g for a target of %.6g: from %lld to %lld", d->rollup.aggregates[0].name, metric,
                                              engine->policies[i].target, (long long)before, (long long)size);
        struct watch_emitted emitted = {.key = watch_keys_name(engine->keys, slot), .event = "window", .action = action, .action_index = i,
                                        .parameters = parameters, .grounds = grounds, .reason = reason};
        if (!emit(engine, &emitted, start_us, err))
            return false;
    }
    return true;
}

/* What a model says is normal stays so: beside one a detector learns only until it can judge. */
static bool may_learn(const struct watch_engine *engine, const struct watch_slot *slot)
{
    return engine->definition->model == NULL || !slot->last.is_warm;
}

/* Before the watch's beginning: it learns, and nothing is judged. */
static void learn(struct watch_engine *engine, size_t index, const struct detector_point *point)
{
    struct watch_slot *slot = watch_keys_at(engine->keys, index);
    struct watch_key *machine = &slot->machine;
    detector_update(engine->detector, watch_keys_state(engine->keys, index), point, &slot->last);
    if (point->messages > 0) {
        machine->first_us = machine->has_messages ? machine->first_us : point->time_us;
        machine->last_us = point->time_us;
        machine->is_known = machine->has_messages = true;
    }
}

static void judge(struct watch_engine *engine, size_t index, int64_t start_us, struct detector_point *point, bool *ret_used)
{
    const struct watch_definition *d = engine->definition;
    struct watch_slot *slot = watch_keys_at(engine->keys, index);
    struct watch_input input = {.start_us = start_us, .end_us = point->time_us, .messages = point->messages};
    const struct watch_use use = watch_use(&d->rules, &slot->machine, &input);
    if (use.is_used) {
        point->may_learn = use.may_learn && may_learn(engine, slot);
        detector_update(engine->detector, watch_keys_state(engine->keys, index), point, &slot->last);
        if (slot->last.is_warm && point->messages > 0) {
            engine->score_sum += slot->last.score;
            engine->score_count++;
        }
    }
    input.value = use.is_used ? slot->last.value : NAN;
    input.score = use.is_used ? slot->last.score : 0;
    input.is_warm = use.is_used && slot->last.is_warm;
    struct watch_effect effect;
    watch_step(&d->rules, &slot->machine, &input, &effect);
    *ret_used = use.is_used;
    if (effect.event == WATCH_NOTHING)
        return;
    note(engine, index, &effect);
    if (is_acting(d, &effect))
        watch_acted(&d->rules, &slot->machine, point->time_us);
}

static bool take_point(struct watch_engine *engine, size_t index, int64_t start_us, const double *values, uint64_t messages, struct su_err *err)
{
    struct watch_slot *slot = watch_keys_at(engine->keys, index);
    struct detector_point point = {.time_us = start_us + engine->definition->window.every_us, .values = values, .messages = messages,
                                   .may_learn = may_learn(engine, slot)};
    bool is_judged = start_us >= engine->from_us, is_used = true;
    slot->window = engine->window;
    if (is_judged)
        judge(engine, index, start_us, &point, &is_used);
    else
        learn(engine, index, &point);
    if (engine->ops.observe)
        engine->ops.observe(engine->ops.arg, &(struct watch_observed){watch_keys_name(engine->keys, index), start_us, point.time_us, &slot->last,
                                                                      slot->machine.level, is_used});
    return !is_judged || scale(engine, index, values[0], start_us, err);
}

/* --- one window ------------------------------------------------------------------------------- */

static double value_of(const struct block_value *value)
{
    switch (value->kind) {
    case BLOCK_INT: case BLOCK_BOOL: return (double)value->integer;
    case BLOCK_FLOAT: return value->number;
    case BLOCK_TEXT: return rollup_number(value->text);
    case BLOCK_JSON: break;
    }
    return NAN;
}

static void add_key_part(struct su_buf *key, const struct block_value *value)
{
    if (!value->kind)
        return;
    switch (value->kind) {
    case BLOCK_INT: su_buf_addf(key, "%lld", (long long)value->integer); break;
    case BLOCK_BOOL: su_buf_adds(key, value->integer ? "true" : "false"); break;
    case BLOCK_FLOAT: su_json_add_number(key, value->number); break;
    case BLOCK_TEXT: case BLOCK_JSON: su_buf_add(key, value->text.ptr, value->text.len); break;
    }
}

/* The name of a group's key, SIZE_MAX when it can't be watched. */
static size_t slot_of(struct watch_engine *engine, const struct pane *pane, size_t row)
{
    const struct rollup_spec *spec = &engine->definition->rollup;
    su_buf_clear(&engine->key);
    for (size_t i = 0; i < spec->by_count; i++) {
        const struct block_value value = rollup_key(pane->rollup, pane->groups, row, i);
        if (i > 0)
            su_buf_addc(&engine->key, ',');
        add_key_part(&engine->key, &value);
    }
    const struct su_str name = su_buf_str(&engine->key);
    if (engine->key.failed || name.len > DECISION_KEY_MAX || !su_utf8_valid(name) || memchr(name.ptr, 0, name.len) != NULL)
        return SIZE_MAX;
    size_t found = watch_keys_find(engine->keys, name);
    if (found == SIZE_MAX && watch_keys_count(engine->keys) == (size_t)engine->definition->keys_max)
        watch_keys_forget(engine->keys, pane->start_us - WATCH_EMPTY_MAX * window_slide(&engine->definition->window));
    return found != SIZE_MAX ? found : watch_keys_add(engine->keys, name);
}

static bool take_rows(struct watch_engine *engine, const struct pane *pane, struct su_err *err)
{
    double values[DETECTOR_DIMENSIONS_MAX];
    size_t dimensions = engine->definition->dimensions;
    for (size_t row = 0; row < pane->rows; row++) {
        size_t slot = slot_of(engine, pane, row);
        if (slot == SIZE_MAX) {
            engine->unwatched++;
            continue;
        }
        for (size_t i = 0; i < dimensions; i++) {
            const struct block_value value = rollup_value(pane->rollup, pane->groups, row, i);
            values[i] = value.kind ? value_of(&value) : NAN;
        }
        const struct block_value count = rollup_value(pane->rollup, pane->groups, row, dimensions);
        if (!take_point(engine, slot, pane->start_us, values, (uint64_t)count.integer, err))
            return false;
    }
    return true;
}

/* Those that had no message in it. */
static bool take_absent(struct watch_engine *engine, int64_t start_us, struct su_err *err)
{
    double values[DETECTOR_DIMENSIONS_MAX];
    for (size_t i = 0; i < DETECTOR_DIMENSIONS_MAX; i++)
        values[i] = NAN;
    for (size_t i = 0; i < watch_keys_count(engine->keys); i++)
        if (watch_keys_at(engine->keys, i)->window != engine->window && !take_point(engine, i, start_us, values, 0, err))
            return false;
    return true;
}

static void note_scores(struct watch_engine *engine)
{
    if (engine->score_count == 0)
        return;
    engine->mean_score += (engine->score_sum / (double)engine->score_count - engine->mean_score) / WATCH_SCORE_WINDOWS;
    engine->score_sum = 0;
    engine->score_count = 0;
    engine->scored++;
}

static bool take_window(struct watch_engine *engine, int64_t start_us, const struct pane *pane, struct su_err *err)
{
    engine->window++;
    engine->happened_count = 0;
    if (pane)
        engine->unwatched = 0;
    if ((pane && !take_rows(engine, pane, err)) || !take_absent(engine, start_us, err) || !emit_happened(engine, start_us, err))
        return false;
    note_scores(engine);
    engine->empty = pane ? 0 : engine->empty + 1;
    engine->next_us = start_us + window_slide(&engine->definition->window);
    return true;
}

bool watch_engine_skip_to(struct watch_engine *engine, int64_t start_us, struct su_err *err)
{
    while (engine->next_us != INT64_MIN && engine->next_us < start_us && engine->empty < WATCH_EMPTY_MAX)
        if (!take_window(engine, engine->next_us, NULL, err))
            return false;
    if (engine->next_us != INT64_MIN && engine->next_us < start_us)
        engine->next_us = start_us;
    return true;
}

bool watch_engine_pane(struct watch_engine *engine, const struct pane *pane, struct su_err *err)
{
    su_assert(engine->next_us == INT64_MIN || engine->next_us == pane->start_us);
    return take_window(engine, pane->start_us, pane, err);
}

void watch_engine_totals(const struct watch_engine *engine, struct watch_engine_totals *ret)
{
    *ret = (struct watch_engine_totals){.keys = watch_keys_count(engine->keys), .unwatched = engine->unwatched, .mean_score = engine->mean_score,
                                         .scored = engine->scored};
    for (size_t i = 0; i < ret->keys; i++) {
        const struct watch_key *machine = &watch_keys_at(engine->keys, i)->machine;
        ret->firing += watch_is_open(machine);
        ret->worst = machine->level > ret->worst ? machine->level : ret->worst;
    }
}

/* --- checkpoints ---------------------------------------------------------------------------------- */

struct head { uint32_t magic, reserved; int64_t next_us, empty; uint64_t window, unwatched, scored; double mean_score; };

void watch_engine_save(const struct watch_engine *engine, struct su_buf *into)
{
    const struct head head = {MAGIC, 0, engine->next_us, engine->empty, engine->window, engine->unwatched, engine->scored, engine->mean_score};
    const uint64_t code = su_hash64(detector_code(engine->detector), strlen(detector_code(engine->detector)));
    su_buf_add(into, &head, sizeof head);
    su_buf_add(into, &code, sizeof code);
    watch_keys_save(engine->keys, into);
}

bool watch_engine_load(struct watch_engine *engine, struct su_str bytes, struct su_err *err)
{
    struct head head;
    uint64_t code;
    if (bytes.len < sizeof head + sizeof code)
        return su_fail(err, SU_INVALID, "the checkpoint is cut off");
    memcpy(&head, bytes.ptr, sizeof head);
    memcpy(&code, bytes.ptr + sizeof head, sizeof code);
    if (head.magic != MAGIC || code != su_hash64(detector_code(engine->detector), strlen(detector_code(engine->detector))) || !isfinite(head.mean_score))
        return su_fail(err, SU_INVALID, "the checkpoint is of another form or of another detector");
    struct su_str rest = {bytes.ptr + sizeof head + sizeof code, bytes.len - sizeof head - sizeof code};
    if (!watch_keys_load(engine->keys, &rest, err))
        return false;
    engine->next_us = head.next_us;
    engine->empty = head.empty;
    engine->window = head.window;
    engine->unwatched = head.unwatched;
    engine->scored = head.scored;
    engine->mean_score = head.mean_score;
    return rest.len == 0 || su_fail(err, SU_INVALID, "the checkpoint is too long");
}
