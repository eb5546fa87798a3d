/* Models without a server: who is promoted by a policy, and what a rollback goes back to; versions that nobody can want go. */
#include "check.h"
#include <math.h>
#include "act/model.h"
#include "act/model_policy.h"
#include "aggregate/blobref.h"
#include "aggregate/object.h"

struct world { void *dir; struct su_bus *bus; struct store *store; struct objects *objects; struct models *models; };

static int set_up(void **state)
{
    static const struct store_migration *const migrations[] = {blobref_migrations, object_migrations, model_migrations, NULL};
    static struct world w;
    struct su_err err;
    w = (struct world){.bus = su_bus_new()};
    scratch_make(&w.dir);
    check_ok(store_open(w.dir, migrations, &w.store, &err));
    check_ok(objects_open(w.store, w.bus, NULL, &w.objects, &err));
    check_ok(models_open(w.store, w.bus, w.objects, &w.models, &err));
    *state = &w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    models_close(w->models);
    objects_close(w->objects);
    store_close(w->store);
    su_bus_free(w->bus);
    scratch_remove(&w->dir);
    return 0;
}

/* --- the policy --------------------------------------------------------------------------- */

static struct model_policy policy_of(const char *text)
{
    struct su_err err;
    struct model_policy policy;
    static json_t *kept;            /* the policy borrows from it */
    json_decref(kept);
    kept = json_loads(text, 0, NULL);
    check_ok(model_policy_read(kept, &policy, &err));
    return policy;
}

static void expect(const char *policy_text, const char *live_metrics, const char *metrics, enum model_stage stage, const char *why)
{
    SU_AUTO_JSON json_t *theirs = live_metrics ? json_loads(live_metrics, 0, NULL) : NULL, *ours = json_loads(metrics, 0, NULL);
    struct model_policy policy = policy_text ? policy_of(policy_text) : (struct model_policy){0};
    const struct model_rival live = {4, "plain", theirs}, new_one = {7, "plain", ours};
    char said[MODEL_WHY_MAX];
    assert_int_equal(model_judge(policy_text ? &policy : NULL, false, live_metrics ? &live : NULL, &new_one, said), stage);
    if (strstr(said, why) == NULL)
        fail_msg("said \"%s\", not \"%s\"", said, why);
}

#define HIGHER "{\"metric\": \"auc\", \"better\": \"higher\", \"at_least\": 0.5}"
#define LOWER "{\"metric\": \"loss\", \"better\": \"lower\", \"at_most\": 3}"

static void a_policy_promotes_what_is_better_within_its_bounds(void **state)
{
    (void)state;
    expect(NULL, "{\"auc\": 0.1}", "{\"auc\": 1}", MODEL_CANDIDATE, "waits to be promoted");
    expect(HIGHER, "{\"auc\": 0.7}", "{\"auc\": 0.8}", MODEL_LIVE, "is higher than the 0.7 of version 4");
    expect(HIGHER, "{\"auc\": 0.7}", "{\"auc\": 0.7}", MODEL_CANDIDATE, "is not higher");
    expect(HIGHER, "{\"auc\": 0.1}", "{\"auc\": 0.4}", MODEL_CANDIDATE, "below the 0.5");
    expect(HIGHER, "{\"f1\": 1}", "{\"auc\": 0.6}", MODEL_LIVE, "version 4 had none");
    expect(HIGHER, "{\"auc\": 0.1}", "{\"f1\": 1}", MODEL_CANDIDATE, "has no metric auc");
    expect(HIGHER, NULL, "{\"auc\": 0.6}", MODEL_LIVE, "no version was live");
    expect(LOWER, "{\"loss\": 2}", "{\"loss\": 1}", MODEL_LIVE, "is lower than the 2");
    expect(LOWER, "{\"loss\": 2}", "{\"loss\": 2.5}", MODEL_CANDIDATE, "is not lower");
    expect(LOWER, NULL, "{\"loss\": 3.5}", MODEL_CANDIDATE, "above the 3");
}

static void another_kind_is_promoted_by_hand_only(void **state)
{
    (void)state;
    SU_AUTO_JSON json_t *metrics = json_loads("{\"auc\": 0.9}", 0, NULL), *theirs = json_loads("{\"auc\": 0.6}", 0, NULL);
    struct model_policy policy = policy_of(HIGHER);
    const struct model_rival live = {1, "plain", theirs}, new_one = {2, "kmeans", metrics};
    char said[MODEL_WHY_MAX];
    assert_int_equal(model_judge(&policy, false, &live, &new_one, said), MODEL_CANDIDATE);
    assert_non_null(strstr(said, "by hand"));
}

/* --- versions ---------------------------------------------------------------------------------- */

static int64_t save(struct world *w, enum model_stage stage)
{
    struct su_err err;
    MODEL_AUTO_SAVING struct model_saving *saving = NULL;
    SU_AUTO_JSON json_t *version = NULL;
    const struct model_save what = {.tenant = "main", .name = "models/m", .user = "owner", .format = "json", .stage = stage};
    check_ok(model_save_begin(w->models, &what, &saving, &err));
    check_ok(model_save_add(saving, "{}", 2, &err));
    check_ok(model_save_finish(saving, &version, &err));
    return su_json_int(version, "version", 0);
}

static const struct model_change change = {.tenant = "main", .name = "m", .user = "owner"};

static int64_t live(struct world *w)
{
    struct su_err err;
    int64_t version;
    STORE_READ(w->store, db);
    check_ok(model_live(db, "main", "m", &version, &err));
    return version;
}

static int64_t rolled_back(struct world *w)
{
    struct su_err err;
    SU_AUTO_JSON json_t *model = NULL;
    return model_rollback(w->models, &change, &model, &err) ? live(w) : 0;
}

static void a_rollback_goes_back_step_by_step_past_what_was_withdrawn(void **state)
{
    struct world *w = *state;
    struct su_err err;
    json_t *model;
    for (int i = 0; i < 4; i++)
        save(w, MODEL_LIVE);
    check_ok(model_retire(w->models, &change, 3, &model, &err));
    json_decref(model);
    assert_int_equal(live(w), 4);
    assert_int_equal(rolled_back(w), 2);
    check_ok(model_promote(w->models, &change, 4, &model, &err));
    json_decref(model);
    assert_int_equal(rolled_back(w), 2);
    assert_int_equal(rolled_back(w), 1);
    assert_int_equal(rolled_back(w), 0);
}

static bool has_object(struct world *w, int64_t version)
{
    struct su_err err;
    OBJECT_AUTO_INFO struct object_info info = {0};
    return object_get(w->objects, &(struct object_key){"main", OBJECT_DATA, "models/m", version}, &info, &err);
}

enum { AT_ONCE = 100 };

static bool save_all_job(struct sql *db, void *arg, struct su_err *err)
{
    struct model_saving **savings = arg;
    for (int i = 0; i < AT_ONCE; i++)
        if (!model_save_job(db, savings[i], err))
            return false;
    return true;
}

/* A hundred candidates in one transaction. */
static void save_many(struct world *w)
{
    struct su_err err;
    struct model_saving *savings[AT_ONCE];
    const struct model_save what = {.tenant = "main", .name = "m", .user = "owner", .format = "json"};
    for (int i = 0; i < AT_ONCE; i++) {
        check_ok(model_save_begin(w->models, &what, &savings[i], &err));
        check_ok(model_save_add(savings[i], "{}", 2, &err));
        check_ok(model_save_ready(savings[i], &err));
    }
    check_ok(store_write(w->store, save_all_job, savings, &err));
    for (int i = 0; i < AT_ONCE; i++) {
        model_save_done(savings[i]);
        model_saving_close(savings[i]);
    }
}

static void old_versions_go_with_their_content_but_not_what_is_live_or_was(void **state)
{
    struct world *w = *state;
    struct su_err err;
    SU_AUTO_JSON json_t *model = NULL;
    save(w, MODEL_LIVE);
    save(w, MODEL_CANDIDATE);
    save(w, MODEL_LIVE);
    for (int i = 0; i < MODEL_VERSIONS_MAX; i += AT_ONCE)
        save_many(w);
    check_ok(model_get(w->models, "main", "m", &model, &err));
    assert_int_equal(su_json_int(model, "versions_total", 0), MODEL_VERSIONS_MAX);
    assert_true(has_object(w, 1) && has_object(w, 3) && !has_object(w, 2) && !has_object(w, 4) && has_object(w, 6));
    assert_int_equal(live(w), 3);
    assert_int_equal(rolled_back(w), 1);
}

static void a_model_of_another_kind_is_named(void **state)
{
    struct world *w = *state;
    struct su_err err;
    json_t *value;
    int64_t version;
    save(w, MODEL_LIVE);
    check_ok(model_native(w->models, "main", "m", 0, NULL, &value, &version, &err));
    assert_int_equal(version, 1);
    json_decref(value);
    check_fails(model_native(w->models, "main", "m", 0, "kmeans", &value, &version, &err), SU_INVALID, "kind plain in format json, expected is kind kmeans");
    check_fails(model_native(w->models, "main", "m", 2, NULL, &value, &version, &err), SU_NOT_FOUND, "no version 2");
    check_fails(model_native(w->models, "main", "n", 0, NULL, &value, &version, &err), SU_NOT_FOUND, "no model");
}

static void drift_stands_with_the_live_version_until_another_is(void **state)
{
    struct world *w = *state;
    struct su_err err;
    const struct model_drift drift = {"main", "m", "s", "load", 1, 0.999};
    save(w, MODEL_LIVE);
    check_ok(model_drifted(w->models, &drift, &err));
    SU_AUTO_JSON json_t *model = NULL, *later = NULL;
    check_ok(model_get(w->models, "main", "m", &model, &err));
    assert_string_equal(su_json_string(json_object_get(model, "drift"), "watch", ""), "load");
    save(w, MODEL_LIVE);
    check_ok(model_get(w->models, "main", "m", &later, &err));
    assert_true(json_is_null(json_object_get(later, "drift")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_policy_promotes_what_is_better_within_its_bounds),
        cmocka_unit_test(another_kind_is_promoted_by_hand_only),
        cmocka_unit_test_setup_teardown(a_rollback_goes_back_step_by_step_past_what_was_withdrawn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_versions_go_with_their_content_but_not_what_is_live_or_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_of_another_kind_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(drift_stands_with_the_live_version_until_another_is, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
