/* Back-tests: the live code over the past, in dry run.  See watch.h.  Layer act; any thread.
 *
 * A watch as it is begins from its newest checkpoint before the range, so that it knows what it knew then; with anything
 * changed it begins anew, and learns from what came before the range as a new watch would. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "watch_decisions.h"
#include "watch_private.h"

enum { DIFFERING_MAX = 100 };

struct point { int64_t time_us; struct detector_verdict verdict; enum watch_level level; bool is_used; };

struct testing {
    struct watches *watches;
    const struct watch_backtest *what;
    struct watch_row row;               /* number 0: of no watch */
    struct watch_definition definition;
    struct stream *stream;
    bool is_changed;
    int64_t from_us, to_us, base_us, judged_us;     /* starts of windows: [from, to) are shown */
    struct watch_model *models;
    size_t model_count;
    struct watch_engine *engine;
    json_t *decisions, *made;           /* made: ids of this range, a set */
    uint64_t decision_count;
    struct point *points;
    size_t point_count;
    int64_t bucket_us;                  /* of scores: the strangest window of each */
};

static void testing_done(struct testing *testing)
{
    watch_engine_free(testing->engine);
    watch_row_done(&testing->row);
    watch_definition_done(&testing->definition);
    stream_unref(testing->stream);
    free(testing->models);
    free(testing->points);
    json_decref(testing->decisions);
    json_decref(testing->made);
}

/* --- what is to be tested ------------------------------------------------------------- */

static bool load_definition(struct testing *testing, struct su_err *err)
{
    const struct watch_backtest *what = testing->what;
    SU_AUTO_JSON json_t *given = json_object();
    if (what->name) {
        STORE_READ(testing->watches->store, db);
        if (!watch_row_load(db, what->tenant, what->name, &testing->row, err))
            return false;
        json_decref(given);
        if (!su_json_parse(su_str_of(testing->row.definition), "definition", &given, err))
            return false;
    }
    SU_AUTO_JSON json_t *before = json_deep_copy(given);
    if (what->definition)
        json_object_update(given, (json_t *)(uintptr_t)what->definition);
    testing->is_changed = what->name == NULL || what->model_version != 0 || !json_equal(before, given);
    if (watch_definition_read(given, &testing->definition, err))
        return true;
    char field[sizeof err->field];
    snprintf(field, sizeof field, "/definition%.80s", err->field);
    memcpy(err->field, field, sizeof field);
    return false;
}

static bool find_range(struct testing *testing, struct sql *db, struct su_err *err)
{
    const struct watch_backtest *what = testing->what;
    const struct window_spec spec = watch_windows(&testing->definition, testing->stream);
    struct log_range range;
    struct log_extent extent;
    if (!stream_range(testing->watches->streams, testing->stream, db, what->from, what->to, what->last, &range, err)
        || !log_extent(db, testing->stream->log, &extent, err))
        return false;
    int64_t closed = panes_last_closed(&spec, extent.high_us);
    testing->from_us = range.time_from_us == INT64_MIN ? INT64_MIN : panes_start(&spec, range.time_from_us);
    testing->to_us = closed == INT64_MIN ? INT64_MIN : closed + window_slide(&spec);
    if (range.time_to_us < testing->to_us)
        testing->to_us = panes_start(&spec, range.time_to_us);
    if (extent.low_us != INT64_MIN && testing->from_us < extent.low_us - spec.every_us)
        testing->from_us = panes_start(&spec, extent.low_us - spec.every_us + 1);
    int64_t points = testing->to_us > testing->from_us ? (testing->to_us - testing->from_us) / window_slide(&spec) : 0;
    testing->bucket_us = (points / WATCH_BACKTEST_POINTS + 1) * window_slide(&spec);
    return true;
}

static void find_begin(struct testing *testing)
{
    int64_t base;
    testing->base_us = testing->row.base_us;
    testing->judged_us = testing->row.from_us;
    if (!testing->is_changed)
        return;
    testing->judged_us = testing->from_us;
    testing->base_us = __builtin_sub_overflow(testing->from_us, testing->definition.learn_us, &base) ? INT64_MIN : base;
}

static bool find_models(struct testing *testing, struct sql *db, struct su_err *err)
{
    int64_t live;
    if (testing->definition.model == NULL)
        return true;
    if (testing->row.number != 0 && testing->what->model_version == 0
        && !watch_models_load(db, testing->row.number, &testing->models, &testing->model_count, err))
        return false;
    if (testing->model_count > 0)
        return true;
    if (!watch_live_model(testing->watches, db, testing->what->tenant, &testing->definition, &live, err))
        return false;
    free(testing->models);
    testing->models = su_alloc(sizeof *testing->models);
    testing->models[0] = (struct watch_model){INT64_MIN, testing->what->model_version ? testing->what->model_version : live};
    testing->model_count = 1;
    return true;
}

/* --- what comes out ---------------------------------------------------------------------- */

static bool take_decision(void *arg, const struct watch_emitted *emitted, struct su_err *err)
{
    struct testing *testing = arg;
    if (emitted->start_us < testing->from_us || emitted->start_us >= testing->to_us)
        return true;
    SU_AUTO_JSON json_t *decision = watch_emitted_json(testing->row.number, emitted);
    json_object_set_new(testing->made, su_json_string(decision, "id", ""), json_true());
    if (testing->decision_count++ < WATCH_BACKTEST_DECISIONS && testing->what->with_decisions)
        json_array_append(testing->decisions, decision);
    return true;
}

static void take_score(void *arg, const struct watch_observed *observed)
{
    struct testing *testing = arg;
    if (!testing->what->with_scores || observed->start_us < testing->from_us || observed->start_us >= testing->to_us
        || strcmp(observed->key, testing->what->key ? testing->what->key : "") != 0)
        return;
    size_t at = (size_t)((observed->start_us - testing->from_us) / testing->bucket_us);
    if (at >= WATCH_BACKTEST_POINTS + 1)
        return;
    struct point *point = &testing->points[at];
    if (point->time_us != 0 && point->verdict.score >= observed->verdict->score)
        return;
    *point = (struct point){observed->start_us, *observed->verdict, observed->level, observed->is_used};
    testing->point_count = at + 1 > testing->point_count ? at + 1 : testing->point_count;
}

static void append(json_t *list, double value) { json_array_append_new(list, isfinite(value) ? json_real(value) : json_null()); }

static json_t *scores_json(const struct testing *testing)
{
    json_t *times = json_array(), *values = json_array(), *scores = json_array(), *expected = json_array(), *low = json_array(), *high = json_array();
    json_t *levels = json_array();
    for (size_t i = 0; i < testing->point_count; i++) {
        const struct point *point = &testing->points[i];
        if (point->time_us == 0)
            continue;
        json_array_append_new(times, json_integer(point->time_us));
        append(values, point->verdict.value);
        append(scores, point->is_used ? point->verdict.score : NAN);
        append(expected, point->verdict.expected);
        append(low, point->verdict.low);
        append(high, point->verdict.high);
        json_array_append_new(levels, json_string(watch_level_name(point->level)));
    }
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "key", testing->what->key ? testing->what->key : "", "times", times, "values", values,
                     "scores", scores, "expected", expected, "low", low, "high", high, "levels", levels);
}

/* --- held against what was done live -------------------------------------------------------- */

static bool compare(const struct testing *testing, struct sql *db, json_t **ret, struct su_err *err)
{
    int64_t from = testing->row.since_us > testing->from_us ? testing->row.since_us : testing->from_us;
    int64_t to = testing->row.next_us < testing->to_us ? testing->row.next_us : testing->to_us, live = 0, same = 0;
    SU_AUTO_JSON json_t *differ = json_array(), *seen = json_object();
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT id FROM decisions WHERE tenant = ?1 AND watch = ?2 AND start_us >= ?3 AND start_us < ?4", sql_text(testing->what->tenant),
        sql_text(testing->row.name), sql_int(from), sql_int(to));
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        const char *id = sql_col_text(row, 0);
        live++;
        if (json_object_get(testing->made, id)) {
            same++;
            json_object_set_new(seen, id, json_true());
        } else if (json_array_size(differ) < DIFFERING_MAX)
            json_array_append_new(differ, json_pack("{s:s, s:s}", "id", id, "made", "live"));
    }
    if (next != SQL_DONE)
        return false;
    size_t i;
    json_t *decision;
    json_array_foreach (testing->decisions, i, decision) {
        int64_t start_us = su_json_int(json_object_get(decision, "window"), "start_us", 0);
        const char *id = su_json_string(decision, "id", "");
        if (start_us >= from && start_us < to && json_object_get(seen, id) == NULL && json_array_size(differ) < DIFFERING_MAX)
            json_array_append_new(differ, json_pack("{s:s, s:s}", "id", id, "made", "replayed"));
    }
    *ret = json_pack("{s:I, s:I, s:O}", "live", (json_int_t)live, "same", (json_int_t)same, "differ", differ);
    return true;
}

/* --- the test ----------------------------------------------------------------------------------- */

/* With the model that was in use at start_us; *ret_next is the first change after it. */
static bool make_engine(struct testing *testing, struct sql *db, int64_t start_us, size_t *ret_next, struct su_err *err)
{
    struct scale_policy policies[WATCH_ACTIONS_MAX];
    struct detector *detector;
    int64_t version;
    const struct watch_engine_ops ops = {.emit = take_decision, .observe = testing->what->with_scores ? take_score : NULL, .arg = testing};
    *ret_next = watch_models_at(testing->models, testing->model_count, start_us, &version);
    if (!watch_policies(db, testing->what->tenant, &testing->definition, policies, err)
        || !watch_detector(testing->watches, testing->what->tenant, &testing->definition, version, &detector, err))
        return false;
    watch_engine_free(testing->engine);
    testing->engine = watch_engine_new(&testing->definition, &detector, policies, &ops);
    watch_engine_set_from(testing->engine, testing->judged_us);
    return true;
}

static bool begin(struct testing *testing, struct sql *db, size_t *ret_next, struct su_err *err)
{
    int64_t next_us = INT64_MIN;
    char sha256[SU_SHA256_HEX];
    bool fits = false;
    if (!testing->is_changed && !watch_checkpoint_find(db, testing->row.number, testing->from_us, &next_us, sha256, err))
        return false;
    if (next_us != INT64_MIN
        && (!make_engine(testing, db, next_us - 1, ret_next, err) || !watch_checkpoint_load(testing->watches, sha256, testing->engine, &fits, err)))
        return false;
    return fits || make_engine(testing, db, testing->base_us, ret_next, err);
}

static bool run(struct testing *testing, struct sql *db, json_t **ret, struct su_err *err)
{
    const struct window_spec spec = watch_windows(&testing->definition, testing->stream);
    SU_AUTO_JSON json_t *compared = json_null();
    size_t model_next;
    if (!begin(testing, db, &model_next, err))
        return false;
    struct watch_pass pass = {.watches = testing->watches, .tenant = testing->what->tenant, .stream = testing->stream,
                              .definition = &testing->definition, .engine = testing->engine, .base_us = testing->base_us,
                              .models = testing->models, .model_count = testing->model_count, .model_next = model_next,
                              .count_from_us = testing->from_us};
    if (testing->to_us != INT64_MIN && !watch_pass_to(&pass, db, testing->to_us - window_slide(&spec), err))
        return false;
    if (!testing->is_changed && !compare(testing, db, &compared, err))
        return false;
    struct watch_engine_totals totals;
    watch_engine_totals(testing->engine, &totals);
    *ret = json_pack("{s:I, s:I, s:I, s:O, s:I, s:b, s:o, s:O}", "windows", (json_int_t)pass.window_count, "messages", (json_int_t)pass.messages, "keys",
                     (json_int_t)totals.keys, "decisions", testing->decisions, "decisions_total", (json_int_t)testing->decision_count, "truncated",
                     (int)(testing->decision_count > json_array_size(testing->decisions)), "scores",
                     testing->what->with_scores ? scores_json(testing) : json_null(), "compared", compared);
    return true;
}

bool watch_backtest(struct watches *watches, const struct watch_backtest *what, json_t **ret, struct su_err *err)
{
    SU_CLEANUP(testing_done) struct testing testing = {.watches = watches, .what = what, .decisions = json_array(), .made = json_object()};
    if (!load_definition(&testing, err) || !stream_get(watches->streams, what->tenant, testing.definition.stream, &testing.stream, err))
        return false;
    STORE_READ(watches->store, db);
    if (!find_range(&testing, db, err) || !find_models(&testing, db, err))
        return false;
    find_begin(&testing);
    if (what->with_scores)
        testing.points = su_alloc((WATCH_BACKTEST_POINTS + 1) * sizeof *testing.points);
    return run(&testing, db, ret, err);
}
