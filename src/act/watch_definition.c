/* What a watch is told: see watch_definition.h.  Layer act. */
#include "watch_definition.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "base/clock.h"

enum { DESCRIPTION_MAX = 1000, DIMENSION_TEXT_MAX = 600 };
static const int64_t DURATION_MAX_US = INT64_C(366) * 86400 * 1000000;

struct given {
    const char *stream, *every, *slide, *warm_up, *settle, *verify, *cooldown, *resolve_after, *group, *from, *learn, *description;
    json_t *by, *values, *detector, *levels, *hold, *nodata, *flapping, *actions;
    int64_t clear, keys_max;
    bool learn_in_episode, enabled, dry_run;
};

const struct su_field watch_fields[] = {
    SU_FIELD(struct given, stream, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 512, .help = "The stream that is watched"),
    SU_FIELD(struct given, every, SU_FIELD_TEXT, .max = 32, .help = "A window's length: 1s, 10s, 5m …; 10s if not given"),
    SU_FIELD(struct given, slide, SU_FIELD_TEXT, .max = 32, .help = "From one window's start to the next, if they overlap"),
    SU_FIELD(struct given, by, SU_FIELD_TEXTS, .max = ROLLUP_KEYS_MAX, .help = "Fields whose values are the keys; none: all messages are one key"),
    SU_FIELD(struct given, values, SU_FIELD_TEXTS, .min = 1, .max = DETECTOR_DIMENSIONS_MAX,
             .help = "What is judged of each window: aggregates such as avg(lat), count(); count() if not given"),
    SU_FIELD(struct given, detector, SU_FIELD_OBJECT, .help = "{kind, parameters, model}; kind combination if not given"),
    SU_FIELD(struct given, levels, SU_FIELD_OBJECT,
             .help = "{on: score or value, info, warning, critical: {enter, leave, below}}"),
    SU_FIELD(struct given, hold, SU_FIELD_ANY, .help = "A level is entered after so many windows: 3, or {windows: 3, of: 5}"),
    SU_FIELD(struct given, clear, SU_FIELD_INT, .min = 1, .max = 1000, .help = "It is left after so many windows in a row"),
    SU_FIELD(struct given, warm_up, SU_FIELD_TEXT, .max = 32, .help = "A new key is not judged for so long"),
    SU_FIELD(struct given, nodata, SU_FIELD_OBJECT, .help = "{after, then: keep, ok or fire}: a key without messages"),
    SU_FIELD(struct given, settle, SU_FIELD_TEXT, .max = 32, .help = "After an action windows are not used for so long"),
    SU_FIELD(struct given, verify, SU_FIELD_TEXT, .max = 32, .help = "After an action the episode must be over by then, else the step unverified follows"),
    SU_FIELD(struct given, cooldown, SU_FIELD_TEXT, .max = 32, .help = "After an episode no new one opens for so long"),
    SU_FIELD(struct given, resolve_after, SU_FIELD_TEXT, .max = 32, .help = "An episode ends by itself after so long"),
    SU_FIELD(struct given, flapping, SU_FIELD_ANY, .help = "{enter, leave}: share of changes among the last 21 states; null: off"),
    SU_FIELD(struct given, learn_in_episode, SU_FIELD_BOOL, .help = "Learn from windows inside an episode too"),
    SU_FIELD(struct given, group, SU_FIELD_TEXT, .max = 16, .help = "window: keys that make the same step in a window are one decision; none"),
    SU_FIELD(struct given, keys_max, SU_FIELD_INT, .min = 1, .max = WATCH_KEYS_MAX, .help = "Most keys; further ones are counted, not watched"),
    SU_FIELD(struct given, actions, SU_FIELD_LIST, .max = WATCH_ACTIONS_MAX, .help = "[{action, on, at, parameters, floor}]"),
    SU_FIELD(struct given, from, SU_FIELD_TEXT, .max = 64, .help = "Where it begins to decide: latest, earliest, or an event time"),
    SU_FIELD(struct given, learn, SU_FIELD_TEXT, .max = 32, .help = "How much before that it learns from; 7d if not given, 0s: nothing"),
    SU_FIELD(struct given, enabled, SU_FIELD_BOOL, .help = "Off: it stands still, and goes on with what is newest"),
    SU_FIELD(struct given, dry_run, SU_FIELD_BOOL, .help = "Decisions are noted, nothing is delivered"),
    SU_FIELD(struct given, description, SU_FIELD_TEXT, .max = DESCRIPTION_MAX, .help = "What it is for"),
    SU_FIELD_END};

void watch_definition_done(struct watch_definition *definition)
{
    json_decref(definition->given);
    free(definition->stream);
    free(definition->from);
    free(definition->description);
    free(definition->detector);
    free(definition->model);
    rollup_spec_done(&definition->rollup);
    for (size_t i = 0; i < definition->action_count; i++) {
        free(definition->actions[i].action);
        json_decref(definition->actions[i].parameters);
    }
    *definition = (struct watch_definition){0};
}

/* Errors of a part name the whole path: "/levels" before "/enter". */
static bool within(struct su_err *err, const char *where)
{
    char field[sizeof err->field];
    snprintf(field, sizeof field, "%s%s%.60s", where, err->field[0] && err->field[0] != '/' ? "/" : "", err->field);
    memcpy(err->field, field, sizeof field);
    return false;
}

static bool at_field(struct su_err *err, const char *field)
{
    snprintf(err->field, sizeof err->field, "%s", field);
    return false;
}

static bool read_duration(const char *field, const char *text, int64_t *ret, struct su_err *err)
{
    uint64_t ms;
    if (text == NULL)
        return true;
    if (!su_str_duration_ms(su_str_of(text), &ms) || ms > (uint64_t)DURATION_MAX_US / 1000)
        return su_fail_field(err, SU_INVALID, field, "%s: must be a duration of at most 366d such as \"30s\", was \"%.40s\"", field + 1, text);
    *ret = (int64_t)ms * 1000;
    return true;
}

/* --- windows and values ----------------------------------------------------------- */

static bool read_values(const struct given *given, struct watch_definition *d, struct su_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach (given->by, i, item)
        if (!rollup_spec_by(&d->rollup, su_str_of(json_string_value(item)), err))
            return at_field(err, "/by");
    json_array_foreach (given->values, i, item)
        if (!rollup_spec_add(&d->rollup, NULL, su_str_of(json_string_value(item)), err))
            return at_field(err, "/values");
    if (i == 0 && !rollup_spec_add(&d->rollup, NULL, SU_STR("count()"), err))
        return false;
    d->dimensions = d->rollup.count;
    return rollup_spec_add(&d->rollup, "_messages", SU_STR("count()"), err);
}

/* --- levels -------------------------------------------------------------------------- */

struct bound { double enter, leave; bool below; };
static const struct su_field bound_fields[] = {
    SU_FIELD(struct bound, enter, SU_FIELD_NUMBER, .is_required = true), SU_FIELD(struct bound, leave, SU_FIELD_NUMBER),
    SU_FIELD(struct bound, below, SU_FIELD_BOOL), SU_FIELD_END};

static bool read_bound(const json_t *item, bool is_on_value, struct watch_bound *ret, struct su_err *err)
{
    struct bound bound = {.leave = NAN};
    if (!json_is_object(item))
        return su_fail_field(err, SU_INVALID, "", "a level is an object with \"enter\" and \"leave\"");
    if (!su_json_bind(item, bound_fields, &bound, err))
        return false;
    if (isnan(bound.leave))
        bound.leave = bound.enter;
    if (!is_on_value && (bound.enter <= 0 || bound.enter > 1 || bound.leave < 0 || bound.below))
        return su_fail_field(err, SU_INVALID, "/enter", "enter: of a score, must be above 0 and at most 1, was %g", bound.enter);
    if (bound.below ? bound.leave < bound.enter : bound.leave > bound.enter)
        return su_fail_field(err, SU_INVALID, "/leave", "leave: must not lie beyond enter (%g), was %g", bound.enter, bound.leave);
    *ret = (struct watch_bound){true, bound.below, bound.enter, bound.leave};
    return true;
}

static bool read_levels(const json_t *levels, struct watch_rules *rules, struct su_err *err)
{
    const char *name;
    json_t *item;
    const char *on = su_json_string(levels, "on", "score");
    rules->is_on_value = strcmp(on, "value") == 0;
    if (!rules->is_on_value && strcmp(on, "score") != 0)
        return su_fail_field(err, SU_INVALID, "/levels/on", "on: must be score or value, was \"%.40s\"", on);
    json_object_foreach ((json_t *)(uintptr_t)levels, name, item) {
        enum watch_level level = WATCH_INFO;
        while (level < WATCH_LEVEL_COUNT && strcmp(watch_level_name(level), name) != 0)
            level++;
        char where[64];
        snprintf(where, sizeof where, "/levels/%.40s", name);
        if (level == WATCH_LEVEL_COUNT && strcmp(name, "on") != 0)
            return su_fail_field(err, SU_INVALID, where, "levels: are info, warning and critical, was \"%.40s\"", name);
        if (level < WATCH_LEVEL_COUNT && !read_bound(item, rules->is_on_value, &rules->bounds[level], err))
            return within(err, where);
    }
    for (enum watch_level level = WATCH_INFO; level < WATCH_LEVEL_COUNT; level++)
        if (rules->bounds[level].is_set)
            return true;
    return su_fail_field(err, SU_INVALID, "/levels", "levels: at least one of info, warning and critical is needed");
}

/* --- holding, missing data, flapping ---------------------------------------------------- */

struct hold { int64_t windows, of; };
static const struct su_field hold_fields[] = {
    SU_FIELD(struct hold, windows, SU_FIELD_INT, .is_required = true, .min = 1, .max = 64), SU_FIELD(struct hold, of, SU_FIELD_INT, .min = 1, .max = 64),
    SU_FIELD_END};

static bool read_hold(const json_t *given, struct watch_rules *rules, struct su_err *err)
{
    struct hold hold = {.windows = json_is_integer(given) ? json_integer_value(given) : 1};
    if (json_is_object(given) && !su_json_bind(given, hold_fields, &hold, err))
        return within(err, "/hold");
    if (hold.of == 0)
        hold.of = hold.windows;
    if ((given && !json_is_integer(given) && !json_is_object(given)) || hold.windows < 1 || hold.of > 64 || hold.windows > hold.of)
        return su_fail_field(err, SU_INVALID, "/hold", "hold: must be 1..64 windows, or {\"windows\": 3, \"of\": 5}");
    rules->hold = (int32_t)hold.windows;
    rules->hold_of = (int32_t)hold.of;
    return true;
}

static bool read_nodata(const json_t *given, struct watch_rules *rules, struct su_err *err)
{
    static const char *const policies[WATCH_NODATA_COUNT] = {"keep", "ok", "fire"};
    struct nodata { const char *after, *then; } nodata = {.then = "keep"};
    static const struct su_field fields[] = {
        {.name = "after", .type = SU_FIELD_TEXT, .offset = offsetof(struct nodata, after), .is_required = true, .max = 32},
        {.name = "then", .type = SU_FIELD_TEXT, .offset = offsetof(struct nodata, then), .max = 16}, SU_FIELD_END};
    if (given == NULL)
        return true;
    if (!su_json_bind(given, fields, &nodata, err))
        return within(err, "/nodata");
    for (size_t i = 0; i < WATCH_NODATA_COUNT; i++)
        if (strcmp(policies[i], nodata.then) == 0) {
            rules->nodata = (enum watch_nodata)i;
            return read_duration("/nodata/after", nodata.after, &rules->nodata_us, err);
        }
    return su_fail_field(err, SU_INVALID, "/nodata/then", "then: must be keep, ok or fire, was \"%.40s\"", nodata.then);
}

static bool read_flapping(const json_t *given, struct watch_rules *rules, struct su_err *err)
{
    struct bound bound = {.enter = 0.5, .leave = 0.25};
    if (json_is_null(given))
        return true;
    if (given && !json_is_object(given))
        return su_fail_field(err, SU_INVALID, "/flapping", "flapping: must be {\"enter\", \"leave\"} or null");
    if (given && !su_json_bind(given, bound_fields, &bound, err))
        return within(err, "/flapping");
    if (!(bound.enter > 0 && bound.enter <= 1 && bound.leave >= 0 && bound.leave <= bound.enter))
        return su_fail_field(err, SU_INVALID, "/flapping", "flapping: 0 ≤ leave ≤ enter ≤ 1 must hold");
    rules->flap_enter = bound.enter;
    rules->flap_leave = bound.leave;
    return true;
}

static bool read_rules(const struct given *given, struct watch_rules *rules, struct su_err *err)
{
    rules->clear = (int32_t)given->clear;
    rules->learns_in_episode = given->learn_in_episode;
    return read_levels(given->levels, rules, err) && read_hold(given->hold, rules, err) && read_nodata(given->nodata, rules, err)
        && read_flapping(given->flapping, rules, err) && read_duration("/warm_up", given->warm_up, &rules->warm_up_us, err)
        && read_duration("/settle", given->settle, &rules->settle_us, err) && read_duration("/verify", given->verify, &rules->verify_us, err)
        && read_duration("/cooldown", given->cooldown, &rules->cooldown_us, err)
        && read_duration("/resolve_after", given->resolve_after, &rules->resolve_us, err);
}

/* --- actions --------------------------------------------------------------------------------- */

struct action_given { const char *action, *at; json_t *on, *parameters; bool floor; };
static const struct su_field action_given_fields[] = {
    SU_FIELD(struct action_given, action, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = ACTION_NAME_MAX),
    SU_FIELD(struct action_given, at, SU_FIELD_TEXT, .max = 16), SU_FIELD(struct action_given, on, SU_FIELD_TEXTS),
    SU_FIELD(struct action_given, parameters, SU_FIELD_OBJECT), SU_FIELD(struct action_given, floor, SU_FIELD_BOOL), SU_FIELD_END};

static bool read_events(const json_t *on, uint32_t *ret, struct su_err *err)
{
    size_t i;
    json_t *item;
    *ret = on ? 0 : 1u << WATCH_OPENED;
    json_array_foreach ((json_t *)(uintptr_t)on, i, item) {
        const char *name = json_string_value(item);
        uint32_t event = WATCH_OPENED;
        while (event < WATCH_EVENT_COUNT && strcmp(watch_event_name((enum watch_event)event), name) != 0)
            event++;
        if (event == WATCH_EVENT_COUNT && strcmp(name, "window") != 0)
            return su_fail_field(err, SU_INVALID, "/on", "on: must be of opened, raised, lowered, resolved, unverified, flapping, steady, window;"
                                 " was \"%.40s\"", name);
        *ret |= 1u << event;
    }
    return *ret != 0 || su_fail_field(err, SU_INVALID, "/on", "on: names no step");
}

static bool read_action(const json_t *item, struct watch_action *ret, struct su_err *err)
{
    struct action_given given = {.at = "ok"};
    if (!json_is_object(item))
        return su_fail_field(err, SU_INVALID, "", "an action is an object with \"action\" and \"on\"");
    if (!su_json_bind(item, action_given_fields, &given, err) || !read_events(given.on, &ret->events, err))
        return false;
    ret->at = WATCH_OK;
    while (ret->at < WATCH_LEVEL_COUNT && strcmp(watch_level_name(ret->at), given.at) != 0)
        ret->at++;
    if (ret->at == WATCH_LEVEL_COUNT)
        return su_fail_field(err, SU_INVALID, "/at", "at: must be info, warning or critical, was \"%.40s\"", given.at);
    ret->action = su_strdup(given.action);
    ret->parameters = json_incref(given.parameters);
    ret->has_floor = given.floor;
    return true;
}

static bool read_actions(const json_t *actions, struct watch_definition *d, struct su_err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)(uintptr_t)actions, i, item) {
        char where[64];
        snprintf(where, sizeof where, "/actions/%zu", i);
        if (!read_action(item, &d->actions[i], err))
            return within(err, where);
        d->action_count++;
    }
    return true;
}

bool watch_action_matches(const struct watch_action *action, const struct watch_effect *effect)
{
    uint32_t events = action->events;
    bool is_end = effect->event == WATCH_RESOLVED || (effect->event == WATCH_STEADY && effect->to == WATCH_OK);
    if (action->at == WATCH_OK)
        return (events & 1u << effect->event) != 0 || (is_end && (events & 1u << WATCH_RESOLVED) != 0);
    if (effect->event == WATCH_OPENED || effect->event == WATCH_RAISED)
        return (events & (1u << WATCH_OPENED | 1u << WATCH_RAISED)) != 0 && effect->from < action->at && effect->to >= action->at;
    if (effect->event == WATCH_LOWERED || is_end)
        return (events & (1u << WATCH_LOWERED | 1u << WATCH_RESOLVED)) != 0 && effect->to < action->at && effect->from >= action->at;
    return (events & 1u << effect->event) != 0 && effect->from >= action->at;
}

/* --- the detector ------------------------------------------------------------------------------- */

struct detector_given { const char *kind, *model; json_t *parameters; };
static const struct su_field detector_given_fields[] = {
    SU_FIELD(struct detector_given, kind, SU_FIELD_TEXT, .min = 1, .max = 64), SU_FIELD(struct detector_given, model, SU_FIELD_TEXT, .max = 512),
    SU_FIELD(struct detector_given, parameters, SU_FIELD_OBJECT), SU_FIELD_END};

bool watch_definition_detector(const struct watch_definition *d, const json_t *model, struct detector **ret, struct su_err *err)
{
    return detector_new(d->detector, d->parameters, model, d->dimensions, ret, err) || within(err, "/detector");
}

static bool read_detector(const json_t *given, struct watch_definition *d, struct su_err *err)
{
    struct detector_given detector = {.kind = "combination"};
    if (given && !su_json_bind(given, detector_given_fields, &detector, err))
        return within(err, "/detector");
    d->detector = su_strdup(detector.kind);
    d->model = su_strdup(detector.model);
    d->parameters = detector.parameters;
    if (d->model)
        return true;        /* it may not be there yet */
    DETECTOR_AUTO struct detector *tried = NULL;
    return watch_definition_detector(d, NULL, &tried, err);
}

/* --- all of it ------------------------------------------------------------------------------------- */

static json_t *default_levels(void)
{
    return json_pack("{s:s, s:{s:f, s:f}, s:{s:f, s:f}}", "on", "score", "warning", "enter", 0.999, "leave", 0.99, "critical", "enter",
                     0.9999, "leave", 0.999);
}

static json_t *with_defaults(const json_t *given)
{
    json_t *whole = json_copy((json_t *)(uintptr_t)given);
    const struct { const char *name; json_t *value; } defaults[] = {
        {"every", json_string("10s")}, {"values", json_pack("[s]", "count()")}, {"detector", json_pack("{s:s}", "kind", "combination")},
        {"levels", default_levels()}, {"hold", json_integer(1)}, {"clear", json_integer(1)}, {"group", json_string("none")},
        {"keys_max", json_integer(WATCH_KEYS_DEFAULT)}, {"actions", json_array()}, {"from", json_string("latest")},
        {"learn", json_string("7d")}, {"enabled", json_true()}, {"dry_run", json_false()},
        {"flapping", json_pack("{s:f, s:f}", "enter", 0.5, "leave", 0.25)}};
    for (size_t i = 0; i < SU_COUNT(defaults); i++) {
        if (json_object_get(whole, defaults[i].name) == NULL)
            json_object_set(whole, defaults[i].name, defaults[i].value);
        json_decref(defaults[i].value);
    }
    return whole;
}

static bool read_from(const char *from, struct su_err *err)
{
    int64_t ms;
    return strcmp(from, "latest") == 0 || strcmp(from, "earliest") == 0 || su_time_parse(su_str_of(from), &ms)
        || su_fail_field(err, SU_INVALID, "/from", "from: must be latest, earliest or a time such as 2026-01-31T12:00:00Z, was \"%.40s\"", from);
}

static bool read_all(struct watch_definition *d, struct su_err *err)
{
    struct given given = {0};
    if (!su_json_bind(d->given, watch_fields, &given, err) || !window_spec_read(given.every, given.slide, 0, &d->window, err)
        || !read_values(&given, d, err) || !read_rules(&given, &d->rules, err) || !read_actions(given.actions, d, err)
        || !read_detector(given.detector, d, err) || !read_duration("/learn", given.learn, &d->learn_us, err) || !read_from(given.from, err))
        return false;
    d->is_grouped = strcmp(given.group, "window") == 0;
    if (!d->is_grouped && strcmp(given.group, "none") != 0)
        return su_fail_field(err, SU_INVALID, "/group", "group: must be window or none, was \"%.40s\"", given.group);
    d->stream = su_strdup(given.stream);
    d->from = su_strdup(given.from);
    d->description = su_strdup(given.description);
    d->is_enabled = given.enabled;
    d->is_dry = given.dry_run;
    d->keys_max = given.keys_max;
    return true;
}

bool watch_definition_read(const json_t *given, struct watch_definition *ret, struct su_err *err)
{
    WATCH_AUTO_DEFINITION struct watch_definition definition = {.given = with_defaults(given)};
    if (!read_all(&definition, err))
        return false;
    *ret = definition;
    definition = (struct watch_definition){0};
    return true;
}

bool watch_definition_learns_same(const struct watch_definition *a, const struct watch_definition *b)
{
    static const char *const names[] = {"stream", "every", "slide", "by", "values", "detector", "keys_max"};
    for (size_t i = 0; i < SU_COUNT(names); i++) {
        const json_t *left = json_object_get(a->given, names[i]), *right = json_object_get(b->given, names[i]);
        if (left == NULL ? right != NULL : right == NULL || !json_equal(left, right))
            return false;
    }
    return true;
}
