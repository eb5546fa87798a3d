/* Iterations: see iteration.h.  Layer act; the job on the writer thread. */
#include "iteration.h"
#include <stdlib.h>
#include <string.h>
#include "action.h"
#include "decision.h"
#include "interact/recorder.h"
#include "model.h"

struct iterations { struct store *store; struct su_bus *bus; struct models *models; struct consumers *consumers; };

struct committing {
    struct iterations *iterations;
    const struct iteration *what;
    struct consumer_offer offer;
    struct model_saving *models[ITERATION_MODELS_MAX];
    size_t model_count;
    json_t *answer;
};

bool iterations_open(struct store *store, struct su_bus *bus, struct models *models, struct consumers *consumers, struct iterations **ret,
                     struct su_err *err)
{
    (void)err;
    struct iterations *iterations = su_alloc(sizeof *iterations);
    *iterations = (struct iterations){store, bus, models, consumers};
    *ret = iterations;
    return true;
}

void iterations_close(struct iterations *iterations) { free(iterations); }

/* Errors name the item: "/decisions/3/action". */
static bool fail_item(struct su_err *err, const char *list, size_t index)
{
    char field[sizeof err->field];
    snprintf(field, sizeof field, "/%s/%zu%.60s", list, index, err->field);
    memcpy(err->field, field, sizeof field);
    return su_prefix(err, "%s[%zu]", list, index);
}

/* --- decisions ---------------------------------------------------------------- */

struct decision_given { const char *action, *reason; json_t *parameters; };
static const struct su_field decision_given_fields[] = {
    SU_FIELD(struct decision_given, action, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = ACTION_NAME_MAX),
    SU_FIELD(struct decision_given, reason, SU_FIELD_TEXT, .max = DECISION_REASON_MAX),
    SU_FIELD(struct decision_given, parameters, SU_FIELD_OBJECT),
    SU_FIELD_END};

static bool read_decision(const json_t *item, struct decision_given *ret, struct su_err *err)
{
    *ret = (struct decision_given){.reason = ""};
    if (!json_is_object(item))
        return su_fail_field(err, SU_INVALID, "", "a decision is an object with \"action\"");
    return su_json_bind(item, decision_given_fields, ret, err);
}

static bool check_decisions(const json_t *decisions, struct su_err *err)
{
    size_t i;
    json_t *item;
    if (json_array_size(decisions) > ITERATION_DECISIONS_MAX)
        return su_fail_field(err, SU_LIMIT, "/decisions", "decisions: at most %d in one iteration", ITERATION_DECISIONS_MAX);
    json_array_foreach ((json_t *)(uintptr_t)decisions, i, item) {
        struct decision_given given;
        if (!read_decision(item, &given, err))
            return fail_item(err, "decisions", i);
        SU_AUTO_FREE char *parameters = given.parameters ? su_json_text(given.parameters) : NULL;
        if (parameters && strlen(parameters) > DECISION_PARAMETERS_MAX) {
            su_fail_field(err, SU_LIMIT, "/parameters", "parameters: %zu bytes, the limit is %d", strlen(parameters), DECISION_PARAMETERS_MAX);
            return fail_item(err, "decisions", i);
        }
    }
    return true;
}

static bool insert_decision(struct sql *db, struct committing *c, const json_t *item, struct su_err *err)
{
    const struct iteration *what = c->what;
    struct decision_given given;
    SU_AUTO_JSON json_t *action = NULL, *none = json_object();
    char id[SU_ID_SIZE];
    if (!read_decision(item, &given, err))
        return false;
    if (!action_load(db, what->stream->tenant, given.action, &action, err)) {
        snprintf(err->field, sizeof err->field, "/action");
        return false;
    }
    const struct decision decision = {.tenant = what->stream->tenant, .stream = what->stream->name, .consumer = what->consumer,
                                      .action = given.action, .reason = given.reason, .user = what->user, .run = what->run,
                                      .parameters = given.parameters ? given.parameters : none, .window = c->offer.window,
                                      .models = json_array_size(what->used) > 0 ? what->used : NULL, .code = what->code,
                                      .epoch = c->offer.epoch, .iteration = c->offer.iteration};
    if (!decision_insert(db, &decision, id, NULL, err))
        return false;
    json_array_append_new(json_object_get(c->answer, "decisions"), json_string(id));
    return true;
}

/* --- models ----------------------------------------------------------------------- */

struct used_given { const char *name; int64_t version; };
static const struct su_field used_given_fields[] = {
    SU_FIELD(struct used_given, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = MODEL_NAME_MAX),
    SU_FIELD(struct used_given, version, SU_FIELD_INT, .is_required = true, .min = 1, .max = 9007199254740991),
    SU_FIELD_END};

static bool check_used(const json_t *used, struct su_err *err)
{
    size_t i;
    json_t *item;
    if (json_array_size(used) > ITERATION_MODELS_MAX)
        return su_fail_field(err, SU_LIMIT, "/used", "used: at most %d in one iteration", ITERATION_MODELS_MAX);
    json_array_foreach ((json_t *)(uintptr_t)used, i, item) {
        struct used_given given;
        if (!json_is_object(item))
            return su_fail_field(err, SU_INVALID, "/used", "used: an item is an object with \"name\" and \"version\"");
        if (!su_json_bind(item, used_given_fields, &given, err))
            return fail_item(err, "used", i);
    }
    return true;
}

struct model_given { const char *name, *content, *type, *format, *kind, *stage; json_t *metadata, *tags, *metrics, *sources; };
static const struct su_field model_given_fields[] = {
    SU_FIELD(struct model_given, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = MODEL_NAME_MAX + 7),
    SU_FIELD(struct model_given, content, SU_FIELD_TEXT, .is_required = true),
    SU_FIELD(struct model_given, type, SU_FIELD_TEXT, .min = 1, .max = 128),
    SU_FIELD(struct model_given, format, SU_FIELD_TEXT),
    SU_FIELD(struct model_given, kind, SU_FIELD_TEXT),
    SU_FIELD(struct model_given, stage, SU_FIELD_TEXT),
    SU_FIELD(struct model_given, metadata, SU_FIELD_OBJECT),
    SU_FIELD(struct model_given, tags, SU_FIELD_LIST),
    SU_FIELD(struct model_given, metrics, SU_FIELD_OBJECT),
    SU_FIELD(struct model_given, sources, SU_FIELD_LIST),
    SU_FIELD_END};

static bool begin_model(struct committing *c, const struct model_given *given, size_t len, struct su_err *err)
{
    const struct iteration *what = c->what;
    struct model_save save = {.tenant = what->stream->tenant, .name = given->name, .user = what->user, .run = what->run, .code = what->code,
                              .format = given->format, .kind = given->kind, .type = given->type, .metrics = given->metrics,
                              .metadata = given->metadata, .tags = given->tags, .sources = given->sources,
                              .stream = what->stream->name, .consumer = what->consumer, .window = c->offer.window,
                              .epoch = c->offer.epoch, .iteration = c->offer.iteration, .size_hint = len};
    struct model_saving **saving = &c->models[c->model_count];
    if (!model_stage_parse(given->stage, &save.stage, err) || !model_save_begin(c->iterations->models, &save, saving, err))
        return false;
    c->model_count++;
    return true;
}

/* The content is on disk after this; the version is made by the job. */
static bool ready_model(struct committing *c, const json_t *item, struct su_err *err)
{
    struct model_given given = {0};
    char *content;
    size_t len;
    if (!json_is_object(item))
        return su_fail_field(err, SU_INVALID, "", "a model is an object with \"name\" and \"content\"");
    if (!su_json_bind(item, model_given_fields, &given, err))
        return false;
    if (!recorded_base64((struct su_str){given.content, json_string_length(json_object_get(item, "content"))}, &content, &len))
        return su_fail_field(err, SU_INVALID, "/content", "content: must be base64");
    SU_AUTO_FREE char *owned = content;
    if (!begin_model(c, &given, len, err))
        return false;
    struct model_saving *saving = c->models[c->model_count - 1];
    return model_save_add(saving, owned, len, err) && model_save_ready(saving, err);
}

static bool ready_models(struct committing *c, struct su_err *err)
{
    size_t i;
    json_t *item;
    if (json_array_size(c->what->models) > ITERATION_MODELS_MAX)
        return su_fail_field(err, SU_LIMIT, "/models", "models: at most %d in one iteration", ITERATION_MODELS_MAX);
    json_array_foreach ((json_t *)(uintptr_t)c->what->models, i, item)
        if (!ready_model(c, item, err))
            return fail_item(err, "models", i);
    return true;
}

static bool save_model(struct sql *db, struct committing *c, size_t index, struct su_err *err)
{
    if (!model_save_job(db, c->models[index], err))
        return fail_item(err, "models", index);
    const struct model_saved saved = model_saved(c->models[index]);
    json_array_append_new(json_object_get(c->answer, "models"),
                          json_pack("{s:s, s:s, s:I, s:s}", "name", saved.object, "model", saved.name, "version", (json_int_t)saved.version,
                                    "stage", model_stage_name(saved.stage)));
    return true;
}

/* --- the commit ---------------------------------------------------------------------- */

static bool commit_job(struct sql *db, void *arg, struct su_err *err)
{
    struct committing *c = arg;
    size_t i;
    json_t *item;
    json_decref(c->answer);
    c->answer = json_pack("{s:I, s:[], s:[]}", "iteration", (json_int_t)c->offer.iteration, "decisions", "models");
    json_array_foreach ((json_t *)(uintptr_t)c->what->decisions, i, item)
        if (!insert_decision(db, c, item, err))
            return fail_item(err, "decisions", i);
    for (i = 0; i < c->model_count; i++)
        if (!save_model(db, c, i, err))
            return false;
    SU_AUTO_FREE char *answer = su_json_text(c->answer);
    return consumer_commit(db, &c->offer, answer, err);
}

static void tell_decisions(struct committing *c)
{
    const struct iteration *what = c->what;
    SU_AUTO_FREE char *topic = su_format("tenant/%s", what->stream->tenant);
    size_t i;
    json_t *id;
    json_array_foreach (json_object_get(c->answer, "decisions"), i, id) {
        SU_AUTO_JSON json_t *detail = json_pack(
            "{s:s, s:O, s:O, s:s, s:s, s:o}", "tenant", what->stream->tenant, "decision", id, "action",
            json_object_get(json_array_get(what->decisions, i), "action"), "stream", what->stream->name, "consumer", what->consumer, "run",
            su_json_text_or_null(what->run));
        su_bus_publish(c->iterations->bus, topic, "decision.made", detail);
    }
    if (i > 0)
        su_bus_publish(c->iterations->bus, "decisions", "made", NULL);
}

static void tell(struct committing *c)
{
    const struct iteration *what = c->what;
    tell_decisions(c);
    for (size_t i = 0; i < c->model_count; i++)
        model_save_done(c->models[i]);
    if (what->run == NULL || what->run[0] == '\0')
        return;
    SU_AUTO_JSON json_t *detail = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "tenant", what->stream->tenant, "run", what->run, "stream", what->stream->name, "consumer",
        what->consumer, "from", (json_int_t)c->offer.window.from, "to", (json_int_t)c->offer.window.to, "decisions",
        (json_int_t)json_array_size(what->decisions));
    su_bus_publish(c->iterations->bus, "run-consumed", "window.consumed", detail);
}

static bool commit(struct committing *c, struct su_err *err)
{
    if (!ready_models(c, err) || !store_write(c->iterations->store, commit_job, c, err))
        return false;
    tell(c);
    return true;
}

static void committing_done(struct committing *c)
{
    for (size_t i = 0; i < c->model_count; i++)
        model_saving_close(c->models[i]);
    json_decref(c->answer);
}

bool iteration_commit(struct iterations *iterations, const struct iteration *what, json_t **ret, struct su_err *err)
{
    struct committing c = {.iterations = iterations, .what = what};
    SU_AUTO_FREE char *before = NULL;
    if (!check_decisions(what->decisions, err) || !check_used(what->used, err)
        || !consumer_prepare(iterations->consumers, what->stream, what->consumer, what->epoch, what->start_us, what->revision, &c.offer,
                             &before, err))
        return false;
    if (before != NULL)
        return su_json_parse(su_str_of(before), "answer", ret, err);
    bool ok = commit(&c, err);
    if (ok)
        *ret = json_incref(c.answer);
    committing_done(&c);
    return ok;
}
