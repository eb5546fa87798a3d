/* Detectors of shapes, clusters and correlations: k-means, PCA and the nearest neighbour of a shape.
 *
 * Reference numbers are from numpy and scikit-learn: tests/unit/detector_answers.py prints them. */
#include "check.h"

#include <math.h>

#include "act/detector.h"
#include "act/eigen.h"

enum { SECOND = 1000000 };

struct bench {
    struct detector *detector;
    _Alignas(max_align_t) char state[DETECTOR_STATE_MAX];
    int64_t time_us;
};

static json_t *json_of(const char *text)
{
    struct su_err err;
    json_t *value = NULL;
    if (text)
        check_ok(su_json_parse(su_str_of(text), "test", &value, &err));
    return value;
}

static void bench_begin(struct bench *bench, const char *kind, const char *parameters, const char *model, size_t dimensions)
{
    struct su_err err;
    SU_AUTO_JSON json_t *given = json_of(parameters), *learned = json_of(model);
    check_ok(detector_new(kind, given, learned, dimensions, &bench->detector, &err));
    assert_in_range(detector_state_bytes(bench->detector), 16, DETECTOR_STATE_MAX);
    detector_begin(bench->detector, bench->state);
    bench->time_us = 0;
}

static struct detector_verdict step_in(struct bench *bench, const double *values, bool may_learn)
{
    struct detector_verdict verdict;
    struct detector_point point = {bench->time_us += SECOND, values, 1, may_learn};
    detector_update(bench->detector, bench->state, &point, &verdict);
    return verdict;
}

static struct detector_verdict step(struct bench *bench, const double *values) { return step_in(bench, values, true); }

static void check_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance * fabs(expected)))
        fail_msg("%.9g instead of %.9g", value, expected);
}

/* ----------------------------------------------------- the series of the script */

static void entangled(int t, double *ret)
{
    double a = sin(0.7 * t), b = cos(1.3 * t);
    ret[0] = 10 + 3 * a;
    ret[1] = -5 + a + 2 * b;
    ret[2] = 100 * b;
    ret[3] = 2 * a - b + 0.2 * sin(5.1 * t);
}

static void blobs(int t, double *ret)
{
    static const double centres[3][2] = {{0, 1000}, {10, 3000}, {20, 2000}};
    ret[0] = centres[t % 3][0] + sin(0.9 * t);
    ret[1] = centres[t % 3][1] + 100 * cos(1.7 * t);
}

static double wave(int t) { return 50 + sin(2 * M_PI * t / 20) + 0.3 * sin(0.77 * t); }

/* ------------------------------------------------------------------ references */

static void eigenvalues_and_vectors_are_those_of_numpy(void **unused)
{
    double matrix[16] = {4, 1, 0.5, 0, 1, 3, -0.25, 1, 0.5, -0.25, 2, 0.75, 0, 1, 0.75, 1};
    static const double expected[4] = {4.75514822, 2.80683027, 2.288659, 0.149362501};
    static const double first[4] = {0.810977921, 0.53979824, 0.145220595, 0.17275315};
    double values[4], vectors[16];
    eigen_symmetric(4, matrix, values, vectors);
    for (int i = 0; i < 4; i++) {
        check_near(values[i], expected[i], 1e-8);
        check_near(vectors[i], first[i], 1e-8);
    }
}

static void residual_and_distance_of_pca_are_those_of_scikit_learn(void **unused)
{
    static const int asked[] = {40, 50, 60, 70};
    static const double residuals[] = {0.0243901019, 0.0229011806, 0.0517090655, 0.2849052};
    static const double too_far[4] = {20.4953739, -10.9491258, -471.962521, 11.5237519};
    struct bench bench;
    bench_begin(&bench, "pca", NULL, NULL, 4);
    for (int t = 0, next = 0; t < 75; t++) {
        double values[4];
        entangled(t, values);
        values[2] += t == 70 ? 30 : 0;
        struct detector_verdict verdict = step(&bench, t == 72 ? too_far : values);
        if (next < 4 && t == asked[next])
            check_near(verdict.value, residuals[next++], 1e-4);
        if (t == 70) {
            assert_int_equal(verdict.dimension, 2);
            assert_true(verdict.score > 0.9);
        }
        if (t == 72)
            check_near(verdict.value, 8, 1e-4);
    }
    detector_free(bench.detector);
}

static void centres_learned_from_a_stream_are_those_of_scikit_learn(void **unused)
{
    static const double expected[3][2] = {{-1.21379126, -1.21551343}, {0.0109975404, 1.21538714}, {1.23143166, 0.000129296137}};
    struct bench bench;
    bench_begin(&bench, "kmeans", "{\"centres\": 3, \"memory\": 128}", NULL, 2);
    for (int t = 0; t < 128; t++) {
        double values[2];
        blobs(t, values);
        step(&bench, values);
    }
    SU_AUTO_JSON json_t *model = detector_model(bench.detector, bench.state);
    assert_non_null(model);
    check_near(json_number_value(json_array_get(json_object_get(model, "mean"), 1)), 2000.40097, 1e-6);
    check_near(json_number_value(json_array_get(json_object_get(model, "scale"), 0)), 8.17859858, 1e-6);
    bool is_found[3] = {false};
    for (size_t i = 0; i < 3; i++) {
        const json_t *centre = json_array_get(json_object_get(model, "centres"), i);
        double x = json_number_value(json_array_get(centre, 0)), y = json_number_value(json_array_get(centre, 1));
        size_t which = x < -0.5 ? 0 : x < 0.5 ? 1 : 2;
        is_found[which] = true;
        assert_true(fabs(x - expected[which][0]) < 1e-4 && fabs(y - expected[which][1]) < 1e-4);
    }
    assert_true(is_found[0] && is_found[1] && is_found[2]);
    detector_free(bench.detector);
}

/* What a notebook writes after StandardScaler and KMeans. */
#define NOTEBOOK_MODEL                                                                                             \
    "{\"kind\": \"kmeans\", \"format\": 1, \"mean\": [9.93069596, 2000.40097], \"scale\": [8.17859858, 822.036742]," \
    "\"centres\": [[-1.21379126, -1.21551343], [0.0109975404, 1.21538714], [1.23143166, 0.000129296137]]}"

static void values_that_take_turns_are_both_usual(void **unused)
{
    static struct bench bench;
    bench_begin(&bench, "kmeans", "{\"lags\":1,\"centres\":2}", NULL, 1);
    double worst = 0;
    for (int t = 0; t < 6000; t++) {
        const double value = (t % 2 ? 100 : 0) + sin(0.7 * t);
        const struct detector_verdict verdict = step(&bench, &value);
        worst = t > 5000 ? fmax(worst, verdict.value) : 0;
    }
    assert_true(worst < 0.5);       /* spreads away from the nearer of the two, which are two spreads apart */
    detector_free(bench.detector);
}

static void a_model_of_a_notebook_measures_the_same_distances(void **unused)
{
    static const double points[3][2] = {{5, 2000}, {20, 2000}, {-40, 9000}};
    static const double distances[3] = {1.35996417, 0.000667479971, 9.52310461};
    struct bench bench;
    bench_begin(&bench, "kmeans", NULL, NOTEBOOK_MODEL, 2);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(step(&bench, points[i]).value - distances[i]) < 1e-5);
    detector_free(bench.detector);
}

static void a_model_with_distances_judges_from_its_first_point_on(void **unused)
{
    struct bench learned, loaded;
    bench_begin(&learned, "kmeans", "{\"centres\": 3, \"lags\": 1}", NULL, 2);
    for (int t = 0; t < 300; t++) {
        double values[2];
        blobs(t, values);
        step(&learned, values);
    }
    SU_AUTO_JSON json_t *model = detector_model(learned.detector, learned.state);
    char *text = su_json_text(model);
    bench_begin(&loaded, "kmeans", NULL, text, 2);
    free(text);
    double usual[2];
    blobs(300, usual);
    struct detector_verdict verdict = step(&loaded, usual);
    assert_true(verdict.is_warm && verdict.score < 0.99);
    check_near(verdict.value, step(&learned, usual).value, 1e-3);
    assert_true(step(&loaded, (double[2]){5, 2000}).score > 0.99);
    detector_free(learned.detector);
    detector_free(loaded.detector);
}

static void distances_of_shapes_are_those_of_their_definition(void **unused)
{
    static const int asked[] = {60, 120, 180, 205, 220};
    static const double distances[] = {0.16193671, 0.156184627, 0.156073318, 0.225591626, 0.284321672};
    struct bench bench;
    bench_begin(&bench, "shape", "{\"window\": 16, \"history\": 512}", NULL, 1);
    for (int t = 0, next = 0; t < 230; t++) {
        double value = t >= 200 && t < 210 ? 50.5 : wave(t);
        struct detector_verdict verdict = step(&bench, &value);
        if (next < 5 && t == asked[next])
            check_near(verdict.value, distances[next++], 1e-3);
    }
    detector_free(bench.detector);
}

/* ------------------------------------------------------------------- behaviour */

static void a_saw_that_runs_backwards_is_a_strange_shape(void **unused)
{
    struct bench bench;
    double most = 0;
    bench_begin(&bench, "shape", NULL, NULL, 1);
    for (int t = 0; t < 1200; t++) {
        double value = t % 20 + sin(t * t);
        double score = step(&bench, &value).score;
        most = t > 600 ? fmax(most, score) : 0;
    }
    double strange = 0;
    for (int t = 1200; t < 1240; t++) {
        double value = 19 - t % 20 + sin(t * t);
        strange = fmax(strange, step(&bench, &value).score);
    }
    assert_true(strange > 0.999 && strange > most);
    detector_free(bench.detector);
}

static void what_came_in_an_episode_is_not_remembered_as_a_shape(void **unused)
{
    struct bench bench;
    bench_begin(&bench, "shape", "{\"window\": 16, \"history\": 256}", NULL, 1);
    for (int t = 0; t < 400; t++) {
        double value = wave(t);
        step(&bench, &value);
    }
    double first = 0, second = 0;
    for (int round = 0; round < 2; round++) {
        for (int t = 400; t < 440; t++) {
            double value = t < 420 ? 50 + (t % 7 == 0) : wave(t);
            double distance = step_in(&bench, &value, false).value;
            if (t == 419)
                *(round ? &second : &first) = distance;
        }
    }
    assert_true(fabs(first - second) < 1e-6);
    detector_free(bench.detector);
}

static void one_value_is_judged_with_those_before_it(void **unused)
{
    struct bench bench;
    bench_begin(&bench, "pca", NULL, NULL, 1);
    for (int t = 0; t < 2000; t++) {
        double value = sin(0.3 * t) + 0.01 * sin(t * t);
        step(&bench, &value);
    }
    double value = sin(0.3 * 2000 + 2);     /* as large as ever, at the wrong moment */
    assert_true(step(&bench, &value).score > 0.999);
    detector_free(bench.detector);
}

/* -------------------------------------------------------------------- promises */

static const struct { const char *kind; size_t dimensions; } all[] = {
    {"kmeans", 1}, {"kmeans", 4}, {"kmeans", 32}, {"pca", 1}, {"pca", 4}, {"pca", 32}, {"shape", 1}, {"shape", 4},
};

static void fill(double *values, size_t dimensions, int t)
{
    for (size_t i = 0; i < dimensions; i++)
        values[i] = sin(0.1 * t * (double)(i + 1)) + 0.1 * sin((double)t * t);
}

static void a_state_that_was_stored_goes_on_as_if_nothing_had_happened(void **unused)
{
    for (size_t i = 0; i < SU_COUNT(all); i++) {
        struct bench bench, restored;
        double values[DETECTOR_DIMENSIONS_MAX];
        bench_begin(&bench, all[i].kind, NULL, NULL, all[i].dimensions);
        for (int t = 0; t < 500; t++) {
            fill(values, all[i].dimensions, t);
            step(&bench, values);
        }
        memcpy(&restored, &bench, sizeof bench);
        assert_true(detector_check(bench.detector, restored.state, detector_state_bytes(bench.detector)));
        for (int t = 500; t < 700; t++) {
            fill(values, all[i].dimensions, t);
            struct detector_verdict before = step(&bench, values), after = step(&restored, values);
            assert_memory_equal(&before.score, &after.score, sizeof before.score);
            assert_memory_equal(&before.value, &after.value, sizeof before.value);
        }
        detector_free(bench.detector);
    }
}

static void nonsense_from_a_disk_is_refused(void **unused)
{
    for (size_t i = 0; i < SU_COUNT(all); i++) {
        struct bench bench;
        double values[DETECTOR_DIMENSIONS_MAX];
        bench_begin(&bench, all[i].kind, NULL, NULL, all[i].dimensions);
        for (int t = 0; t < 300; t++) {
            fill(values, all[i].dimensions, t);
            step(&bench, values);
        }
        size_t bytes = detector_state_bytes(bench.detector);
        assert_false(detector_check(bench.detector, bench.state, bytes - 1));
        memset(bench.state + 32, 0xff, bytes - 32);
        assert_false(detector_check(bench.detector, bench.state, bytes));
        detector_free(bench.detector);
    }
}

static void constant_missing_and_enormous_values_are_borne(void **unused)
{
    for (size_t i = 0; i < SU_COUNT(all); i++) {
        struct bench bench;
        double values[DETECTOR_DIMENSIONS_MAX];
        bench_begin(&bench, all[i].kind, NULL, NULL, all[i].dimensions);
        for (int t = 0; t < 400; t++) {
            for (size_t j = 0; j < all[i].dimensions; j++)
                values[j] = 7;
            assert_true(step(&bench, values).score < 0.99);
        }
        static const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 5e-324, 0, 1e18, 7};
        for (int t = 0; t < 900; t++) {
            for (size_t j = 0; j < all[i].dimensions; j++)
                values[j] = odd[(t + (int)j * 2) % (int)SU_COUNT(odd)];
            double score = step(&bench, values).score;
            assert_true(score >= 0 && score <= 1);
        }
        if (!detector_check(bench.detector, bench.state, detector_state_bytes(bench.detector)))
            fail_msg("the state of %s with %zu values is not sound any more", all[i].kind, all[i].dimensions);
        detector_free(bench.detector);
    }
}

#define MODEL_HEAD "{\"kind\": \"kmeans\", \"format\": 1, \"mean\": [0, 0], \"scale\": [1, 1]"

static void a_model_that_does_not_fit_is_refused_with_the_field(void **unused)
{
    static const struct { const char *kind; size_t dimensions; const char *model, *field; } cases[] = {
        {"kmeans", 2, "[]", "/model"},
        {"kmeans", 2, "{\"kind\": \"pca\", \"format\": 1}", "/model/kind"},
        {"kmeans", 2, "{\"kind\": \"kmeans\", \"format\": 2}", "/model/format"},
        {"kmeans", 3, NOTEBOOK_MODEL, "/model/mean"},
        {"kmeans", 2, "{\"kind\": \"kmeans\", \"format\": 1, \"mean\": [0, 0], \"scale\": [1, 0], \"centres\": [[0, 0]]}", "/model/scale"},
        {"kmeans", 2, MODEL_HEAD "}", "/model/centres"},
        {"kmeans", 2, MODEL_HEAD ", \"centres\": [[0, 0], [1]]}", "/model/centres/1"},
        {"kmeans", 2, MODEL_HEAD ", \"centres\": [[0, \"x\"]]}", "/model/centres/0"},
        {"kmeans", 2, MODEL_HEAD ", \"centres\": [[0, 0]], \"distances\": [-1]}", "/model/distances"},
        {"kmeans", 2, MODEL_HEAD ", \"centres\": [[0, 0]], \"lags\": 0}", "/model/lags"},
        {"pca", 2, "{\"kind\": \"pca\", \"format\": 1}", "/model"},
        {"shape", 1, "{\"kind\": \"shape\", \"format\": 1}", "/model"},
    };
    for (size_t i = 0; i < SU_COUNT(cases); i++) {
        struct su_err err;
        struct detector *detector;
        SU_AUTO_JSON json_t *model = json_of(cases[i].model);
        assert_false(detector_new(cases[i].kind, NULL, model, cases[i].dimensions, &detector, &err));
        assert_string_equal(err.field, cases[i].field);
    }
}

static void parameters_that_do_not_fit_are_refused_with_the_field(void **unused)
{
    static const struct { const char *kind; size_t dimensions; const char *parameters, *field; } cases[] = {
        {"shape", 1, "{\"window\": 64, \"history\": 255}", "/parameters/history"},
        {"shape", 2, "{\"dimension\": 2}", "/parameters/dimension"},
        {"pca", 4, "{\"lags\": 9}", "/parameters/lags"},
        {"kmeans", 32, "{\"lags\": 3}", "/parameters/lags"},
        {"kmeans", 32, "{\"lags\": 2, \"centres\": 9}", "/parameters/lags"},
        {"kmeans", 1, "{\"centres\": 17}", "/parameters/centres"},
    };
    for (size_t i = 0; i < SU_COUNT(cases); i++) {
        struct su_err err;
        struct detector *detector = NULL;
        SU_AUTO_JSON json_t *parameters = json_of(cases[i].parameters);
        if (detector_new(cases[i].kind, parameters, NULL, cases[i].dimensions, &detector, &err)) {
            detector_free(detector);
            fail_msg("%s took %s", cases[i].kind, cases[i].parameters);
        }
        assert_string_equal(err.field, cases[i].field);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eigenvalues_and_vectors_are_those_of_numpy),
        cmocka_unit_test(residual_and_distance_of_pca_are_those_of_scikit_learn),
        cmocka_unit_test(centres_learned_from_a_stream_are_those_of_scikit_learn),
        cmocka_unit_test(values_that_take_turns_are_both_usual),
        cmocka_unit_test(a_model_of_a_notebook_measures_the_same_distances),
        cmocka_unit_test(a_model_with_distances_judges_from_its_first_point_on),
        cmocka_unit_test(distances_of_shapes_are_those_of_their_definition),
        cmocka_unit_test(a_saw_that_runs_backwards_is_a_strange_shape),
        cmocka_unit_test(what_came_in_an_episode_is_not_remembered_as_a_shape),
        cmocka_unit_test(one_value_is_judged_with_those_before_it),
        cmocka_unit_test(a_state_that_was_stored_goes_on_as_if_nothing_had_happened),
        cmocka_unit_test(nonsense_from_a_disk_is_refused),
        cmocka_unit_test(constant_missing_and_enormous_values_are_borne),
        cmocka_unit_test(a_model_that_does_not_fit_is_refused_with_the_field),
        cmocka_unit_test(parameters_that_do_not_fit_are_refused_with_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
