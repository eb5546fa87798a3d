/* What a trigger is: see trigger_definition.h.  Layer act; pure. */
#include "trigger_definition.h"
#include <string.h>
#include "aggregate/object.h"
#include "interact/run.h"
#include "template.h"

static const char *const kind_names[TRIGGER_KIND_COUNT] = {"api", "cron", "object", "event", "run", "drift"};
const char *trigger_kind_name(enum trigger_kind kind) { return kind_names[kind]; }
const char *const trigger_concurrency_names[TRIGGER_CONCURRENCY_COUNT] = {"queue", "skip", "replace", "parallel"};

/* --- tables ----------------------------------------------------------------------------- */

struct top { json_t *when, *then, *rate_limit; const char *concurrency, *description; bool enabled; };
const struct su_field trigger_fields[] = {
    SU_FIELD(struct top, when, SU_FIELD_OBJECT, .is_required = true,
             .help = "kind api, cron (cron, zone, catch_up), object (prefix, tag, on), event (stream, where), run (notebook, state) or drift (model)"),
    SU_FIELD(struct top, then, SU_FIELD_OBJECT, .is_required = true,
             .help = "run {notebook or recipe, object, parameters, limits, …}, or action and parameters; {{ event.name }} takes from the event"),
    SU_FIELD(struct top, concurrency, SU_FIELD_TEXT, .help = "queue (default for runs), skip, replace, parallel (default for actions)"),
    SU_FIELD(struct top, rate_limit, SU_FIELD_OBJECT, .help = "count and per; default 60 in 1m"),
    SU_FIELD(struct top, enabled, SU_FIELD_BOOL, .help = "Default true"),
    SU_FIELD(struct top, description, SU_FIELD_TEXT, .max = 1000),
    SU_FIELD_END};

struct when { const char *kind, *cron, *zone, *catch_up, *stream, *prefix, *tag, *notebook, *model; json_t *where, *on, *state; };
#define WHEN_KIND SU_FIELD(struct when, kind, SU_FIELD_TEXT, .is_required = true)
#define WHEN(...) (const struct su_field[]){WHEN_KIND, __VA_ARGS__ __VA_OPT__(,) SU_FIELD_END}

struct then { json_t *run, *parameters; const char *action; };
static const struct su_field then_fields[] = {
    SU_FIELD(struct then, run, SU_FIELD_OBJECT), SU_FIELD(struct then, action, SU_FIELD_TEXT, .min = 1, .max = 128),
    SU_FIELD(struct then, parameters, SU_FIELD_OBJECT), SU_FIELD_END};

struct start { const char *notebook, *recipe, *object, *label; int64_t version, retries; json_t *parameters, *limits; bool network, follow; };
static const struct su_field start_fields[] = {
    SU_FIELD(struct start, notebook, SU_FIELD_TEXT, .min = 1, .max = OBJECT_NAME_MAX),
    SU_FIELD(struct start, recipe, SU_FIELD_TEXT, .min = 1, .max = OBJECT_NAME_MAX),
    SU_FIELD(struct start, object, SU_FIELD_TEXT, .min = 1, .max = OBJECT_NAME_MAX),
    SU_FIELD(struct start, version, SU_FIELD_INT, .min = 1, .max = 9007199254740991),
    SU_FIELD(struct start, parameters, SU_FIELD_OBJECT),
    SU_FIELD(struct start, limits, SU_FIELD_OBJECT),
    SU_FIELD(struct start, network, SU_FIELD_BOOL),
    SU_FIELD(struct start, retries, SU_FIELD_INT, .min = 0, .max = RUN_RETRIES_MAX),
    SU_FIELD(struct start, follow, SU_FIELD_BOOL),
    SU_FIELD(struct start, label, SU_FIELD_TEXT, .min = 1, .max = RUN_LABEL_MAX),
    SU_FIELD_END};

struct rate { int64_t count; const char *per; };
static const struct su_field rate_fields[] = {
    SU_FIELD(struct rate, count, SU_FIELD_INT, .is_required = true, .min = 1, .max = TRIGGER_RATE_COUNT_MAX),
    SU_FIELD(struct rate, per, SU_FIELD_TEXT), SU_FIELD_END};

/* --- helpers ----------------------------------------------------------------------------- */

/* Errors of a part are pointed at where it stands. */
static bool bind(const json_t *object, const struct su_field *fields, void *target, const char *where, struct su_err *err)
{
    char field[sizeof err->field];
    if (su_json_bind(object, fields, target, err))
        return true;
    snprintf(field, sizeof field, "%s%.60s", where, err->field);
    memcpy(err->field, field, sizeof field);
    return su_prefix(err, "%s", where + 1);
}

static bool choose(const char *text, const char *const *names, int count, const char *field, int *ret, struct su_err *err)
{
    struct su_buf list = SU_BUF(400);
    for (int i = 0; i < count; i++) {
        if (strcmp(names[i], text) == 0) {
            su_buf_done(&list);
            *ret = i;
            return true;
        }
        su_buf_addf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    su_fail_field(err, SU_INVALID, field, "%s: must be one of %s, was \"%.40s\"", field + 1, su_buf_str(&list).ptr, text);
    su_buf_done(&list);
    return false;
}

/* The texts of a list that are among names, as bits; NULL: those of `otherwise`. */
static bool choose_some(const json_t *list, const char *const *names, int count, const char *field, unsigned otherwise, unsigned *ret,
                        struct su_err *err)
{
    size_t i;
    json_t *item;
    int chosen;
    *ret = list ? 0 : otherwise;
    json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
        if (!choose(json_is_string(item) ? json_string_value(item) : "", names, count, field, &chosen, err))
            return false;
        *ret |= 1u << chosen;
    }
    return *ret != 0 || su_fail_field(err, SU_INVALID, field, "%s: must name at least one", field + 1);
}

static void set_default(json_t *object, const char *name, const char *text)
{
    if (json_object_get(object, name) == NULL)
        json_object_set_new(object, name, json_string(text));
}

/* --- when ---------------------------------------------------------------------------------- */

static bool read_cron(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    struct when when = {.zone = "UTC", .catch_up = "one"};
    int catch_up;
    if (!bind(given,
              WHEN(SU_FIELD(struct when, cron, SU_FIELD_TEXT, .is_required = true, .max = CRON_TEXT_MAX), SU_FIELD(struct when, zone, SU_FIELD_TEXT),
                   SU_FIELD(struct when, catch_up, SU_FIELD_TEXT)),
              &when, "/when", err))
        return false;
    if (!cron_parse(su_str_of(when.cron), &d->cron, err)) {
        snprintf(err->field, sizeof err->field, "/when/cron");
        return su_prefix(err, "when/cron");
    }
    if (!su_zone_find(when.zone, "/when/zone", &d->zone, err)
        || !choose(when.catch_up, cron_catch_up_names, CRON_CATCH_UP_COUNT, "/when/catch_up", &catch_up, err))
        return false;
    d->catch_up = (enum cron_catch_up)catch_up;
    json_t *own = json_object_get(d->json, "when");
    set_default(own, "zone", when.zone);
    set_default(own, "catch_up", when.catch_up);
    return true;
}

/* Those that stand on `_events` say which of its messages they mean. */
static bool follow_events(struct trigger_definition *d, json_t *where, struct su_err *err)
{
    SU_AUTO_JSON json_t *owned = where;
    d->stream = "_events";
    return filter_new(owned, "/when", &d->filter, err);
}

static bool read_object(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    static const char *const names[] = {"created", "changed"};
    struct when when = {0};
    unsigned on;
    if (!bind(given,
              WHEN(SU_FIELD(struct when, prefix, SU_FIELD_TEXT, .max = OBJECT_NAME_MAX), SU_FIELD(struct when, tag, SU_FIELD_TEXT, .min = 1, .max = 100),
                   SU_FIELD(struct when, on, SU_FIELD_TEXTS, .max = 2)),
              &when, "/when", err)
        || !choose_some(when.on, names, 2, "/when/on", 3, &on, err))
        return false;
    d->tag = when.tag;
    d->on_created = on & 1;
    d->on_changed = on & 2;
    json_t *where = json_pack("{s:{s:[s]}}", "event", "in", "object.created");
    if (d->on_changed)
        json_array_append_new(json_object_get(json_object_get(where, "event"), "in"), json_string("object.changed"));
    if (when.prefix && *when.prefix)
        json_object_set_new(where, "name", json_pack("{s:s}", "prefix", when.prefix));
    return follow_events(d, where, err);
}

static bool read_event(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    struct when when = {.stream = "_events"};
    if (!bind(given, WHEN(SU_FIELD(struct when, stream, SU_FIELD_TEXT), SU_FIELD(struct when, where, SU_FIELD_OBJECT)), &when, "/when", err))
        return false;
    if (!object_name_check(su_str_of(when.stream), err)) {
        snprintf(err->field, sizeof err->field, "/when/stream");
        return su_prefix(err, "when/stream");
    }
    set_default(json_object_get(d->json, "when"), "stream", when.stream);
    d->stream = su_json_string(json_object_get(d->json, "when"), "stream", "");
    return filter_new(when.where, "/when/where", &d->filter, err);
}

static bool read_run(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    static const char *const names[] = {"succeeded", "failed", "cancelled", "timed_out", "out_of_memory", "interrupted"};
    struct when when = {0};
    unsigned states;
    if (!bind(given,
              WHEN(SU_FIELD(struct when, notebook, SU_FIELD_TEXT, .min = 1, .max = OBJECT_NAME_MAX), SU_FIELD(struct when, state, SU_FIELD_TEXTS, .max = 6)),
              &when, "/when", err)
        || !choose_some(when.state, names, SU_COUNT(names), "/when/state", 0x3f, &states, err))
        return false;
    d->notebook = when.notebook;
    json_t *where = json_pack("{s:s, s:{s:[]}}", "event", "run.finished", "state", "in");
    for (size_t i = 0; i < SU_COUNT(names); i++)
        if (states >> i & 1)
            json_array_append_new(json_object_get(json_object_get(where, "state"), "in"), json_string(names[i]));
    return follow_events(d, where, err);
}

static bool read_drift(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    struct when when = {0};
    if (!bind(given, WHEN(SU_FIELD(struct when, model, SU_FIELD_TEXT, .min = 1, .max = OBJECT_NAME_MAX)), &when, "/when", err))
        return false;
    json_t *where = json_pack("{s:s}", "event", "model.drift");
    if (when.model)
        json_object_set_new(where, "name", json_string(when.model));
    return follow_events(d, where, err);
}

static bool read_api(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    struct when when = {0};
    (void)d;
    return bind(given, WHEN(), &when, "/when", err);
}

static bool read_when(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    static bool (*const readers[TRIGGER_KIND_COUNT])(struct trigger_definition *, const json_t *, struct su_err *) = {
        read_api, read_cron, read_object, read_event, read_run, read_drift};
    int kind;
    if (!choose(su_json_string(given, "kind", ""), kind_names, TRIGGER_KIND_COUNT, "/when/kind", &kind, err))
        return false;
    d->kind = (enum trigger_kind)kind;
    return readers[kind](d, given, err);
}

/* --- then -------------------------------------------------------------------------------- */

static bool check_template(const json_t *value, const char *field, struct su_err *err)
{
    return value == NULL || template_check(value, field, err);
}

static bool read_start(struct trigger_definition *d, struct su_err *err)
{
    struct start start = {0};
    if (!bind(d->run, start_fields, &start, "/then/run", err))
        return false;
    if ((start.notebook == NULL) == (start.recipe == NULL))
        return su_fail_field(err, SU_INVALID, "/then/run", "then/run: a run is of either a notebook or a recipe");
    if ((start.recipe != NULL) != (start.object != NULL))
        return su_fail_field(err, SU_INVALID, "/then/run/object", "then/run/object: a recipe is run on an object, a notebook is not");
    if (start.follow && d->concurrency == TRIGGER_QUEUE)
        return su_fail_field(err, SU_INVALID, "/concurrency",
                             "concurrency: a run that follows does not end, so nothing can queue behind it; say skip or replace");
    d->parameters = start.parameters;
    return check_template(start.parameters, "/then/run/parameters", err)
        && check_template(json_object_get(d->run, "object"), "/then/run/object", err);
}

static bool read_then(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    struct then then = {0};
    if (!bind(given, then_fields, &then, "/then", err))
        return false;
    if ((then.run == NULL) == (then.action == NULL))
        return su_fail_field(err, SU_INVALID, "/then", "then: must have either run or action");
    if (then.run && then.parameters)
        return su_fail_field(err, SU_INVALID, "/then/parameters", "then/parameters: a run's parameters stand in then/run/parameters");
    d->run = then.run;
    d->action = then.action;
    d->parameters = then.parameters;
    return then.run ? read_start(d, err) : check_template(then.parameters, "/then/parameters", err);
}

static bool read_rate(struct trigger_definition *d, const json_t *given, struct su_err *err)
{
    struct rate rate = {.per = "1m"};
    uint64_t per_ms;
    d->rate_count = TRIGGER_RATE_COUNT;
    d->rate_per_ms = TRIGGER_RATE_MS;
    if (given == NULL)
        return true;
    if (!bind(given, rate_fields, &rate, "/rate_limit", err))
        return false;
    if (!su_str_duration_ms(su_str_of(rate.per), &per_ms) || per_ms < 1000 || per_ms > 24 * 3600 * 1000)
        return su_fail_field(err, SU_INVALID, "/rate_limit/per", "rate_limit/per: must be 1s..24h, was \"%.40s\"", rate.per);
    d->rate_count = rate.count;
    d->rate_per_ms = (int64_t)per_ms;
    return true;
}

static bool read_all(struct trigger_definition *d, struct su_err *err)
{
    struct top top = {.enabled = true};
    int concurrency;
    if (!su_json_bind(d->json, trigger_fields, &top, err))
        return false;
    bool is_run = json_object_get(top.then, "run") != NULL;
    if (!choose(top.concurrency ? top.concurrency : is_run ? "queue" : "parallel", trigger_concurrency_names, TRIGGER_CONCURRENCY_COUNT,
                "/concurrency", &concurrency, err))
        return false;
    d->concurrency = (enum trigger_concurrency)concurrency;
    d->is_enabled = top.enabled;
    set_default(d->json, "concurrency", trigger_concurrency_names[concurrency]);
    if (json_object_get(d->json, "enabled") == NULL)
        json_object_set_new(d->json, "enabled", json_true());
    return read_when(d, top.when, err) && read_then(d, top.then, err) && read_rate(d, top.rate_limit, err);
}

bool trigger_definition_read(const json_t *given, struct trigger_definition *ret, struct su_err *err)
{
    struct trigger_definition definition = {.json = json_deep_copy(given)};
    SU_AUTO_FREE char *text = su_json_text(given);
    if (strlen(text) > TRIGGER_DEFINITION_MAX)
        su_fail(err, SU_LIMIT, "a trigger's definition has at most %d bytes, this has %zu", TRIGGER_DEFINITION_MAX, strlen(text));
    else if (read_all(&definition, err)) {
        *ret = definition;
        return true;
    }
    trigger_definition_done(&definition);
    return false;
}

void trigger_definition_done(struct trigger_definition *definition)
{
    filter_free(definition->filter);
    json_decref(definition->json);
    *definition = (struct trigger_definition){0};
}

/* --- events ------------------------------------------------------------------------------- */

static bool has_text(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)(uintptr_t)list, i, item)
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return true;
    return false;
}

bool trigger_definition_takes(const struct trigger_definition *d, const json_t *event)
{
    if (d->kind == TRIGGER_OBJECT) {
        bool is_created = strcmp(su_json_string(event, "event", ""), "object.created") == 0 && su_json_bool(event, "is_new", false);
        return (is_created ? d->on_created : d->on_changed) && (d->tag == NULL || has_text(json_object_get(event, "tags"), d->tag));
    }
    if (d->kind == TRIGGER_RUN && d->notebook)
        return strcmp(su_json_string(event, "notebook", ""), d->notebook) == 0 || strcmp(su_json_string(event, "recipe", ""), d->notebook) == 0;
    return true;
}

bool trigger_definition_fill(const struct trigger_definition *d, const json_t *values, json_t **ret_parameters, char **ret_object,
                             struct su_err *err)
{
    SU_AUTO_JSON json_t *parameters = NULL;
    const char *object = d->run ? su_json_string(d->run, "object", NULL) : NULL;
    if (d->parameters == NULL)
        parameters = json_object();
    else if (!template_fill(d->parameters, values, &parameters, err))
        return su_prefix(err, "parameters");
    if (object == NULL)
        *ret_object = NULL;
    else if (!template_fill_text(object, values, ret_object, err))
        return su_prefix(err, "object");
    *ret_parameters = su_take(parameters);
    return true;
}
