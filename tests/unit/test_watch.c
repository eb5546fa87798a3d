/* Watches without a server: definitions, what the engine emits, checkpoints. */
#include <math.h>
#include <string.h>
#include "act/watch_engine.h"
#include "check.h"

static void read_definition(const char *text, struct watch_definition *ret)
{
    struct su_err err;
    SU_AUTO_JSON json_t *given = NULL;
    check_ok(su_json_parse(su_str_of(text), "test", &given, &err));
    check_ok(watch_definition_read(given, ret, &err));
}

/* --- a window from rows ------------------------------------------------------------------ */

struct row { const char *key; double value; };
enum { SECOND = 1000000 };

struct stage {
    struct watch_definition definition;
    struct watch_engine *engine;
    struct rollup *rollup;
    struct su_buf told;
};

static bool tell(void *arg, const struct watch_emitted *emitted, struct su_err *err)
{
    struct stage *stage = arg;
    su_buf_addf(&stage->told, "%lld %s %s %s>%s %s\n", (long long)(emitted->start_us / SECOND), emitted->key, emitted->event,
                watch_level_name(emitted->from), watch_level_name(emitted->to), emitted->action ? emitted->action->action : "-");
    return true;
}

static struct watch_engine *make_engine(struct stage *stage)
{
    struct su_err err;
    struct detector *detector;
    const struct watch_engine_ops ops = {.emit = tell, .arg = stage};
    check_ok(watch_definition_detector(&stage->definition, NULL, &detector, &err));
    return watch_engine_new(&stage->definition, &detector, NULL, &ops);
}

static void set_stage(struct stage *stage, const char *definition)
{
    *stage = (struct stage){.told = SU_BUF(1 << 20)};
    read_definition(definition, &stage->definition);
    stage->engine = make_engine(stage);
    stage->rollup = rollup_new(&stage->definition.rollup, stage->definition.window.every_us, NULL);
}

static void clear_stage(struct stage *stage)
{
    watch_engine_free(stage->engine);
    rollup_free(stage->rollup);
    watch_definition_done(&stage->definition);
    su_buf_done(&stage->told);
}

static void give(struct stage *stage, int64_t start_s, const struct row *rows, size_t count)
{
    struct su_err err;
    struct su_buf bytes = SU_BUF(1 << 20);
    struct block block;
    struct block_builder *builder = block_builder_new(NULL);
    int64_t start_us = start_s * SECOND;
    for (size_t i = 0; i < count; i++) {
        block_begin(builder);
        block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("host")), su_str_of(rows[i].key));
        block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("v")), rows[i].value);
        check_ok(block_end(builder, &(struct block_message){.time_us = start_us, .body = SU_STR("{}")}, &err));
    }
    check_ok(block_finish(builder, 0, &bytes, &err));
    check_ok(block_open(bytes.ptr, bytes.len, &block, &err));
    struct rollup_pane *groups = rollup_pane_new(stage->rollup);
    check_ok(rollup_add(stage->rollup, groups, &block, 0, (uint32_t)count, start_us, start_us + SECOND, &err));
    struct pane pane = {start_us, start_us + SECOND, true, stage->rollup, groups, rollup_finish(stage->rollup, groups)};
    check_ok(watch_engine_skip_to(stage->engine, start_us, &err));
    check_ok(watch_engine_pane(stage->engine, &pane, &err));
    rollup_pane_free(groups);
    block_done(&block);
    block_builder_free(builder);
    su_buf_done(&bytes);
}

#define THRESHOLD "{\"stream\":\"s\",\"every\":\"1s\",\"by\":[\"host\"],\"values\":[\"avg(v)\"],\"flapping\":null," \
    "\"detector\":{\"kind\":\"threshold\",\"parameters\":{\"above\":10}},"

/* --- tests --------------------------------------------------------------------------------- */

static void a_step_asks_for_the_actions_of_its_level(void **state)
{
    struct stage stage;
    set_stage(&stage, THRESHOLD "\"levels\":{\"on\":\"value\",\"warning\":{\"enter\":10},\"critical\":{\"enter\":20}},"
              "\"actions\":[{\"action\":\"mail\",\"at\":\"critical\"},{\"action\":\"calm\",\"on\":[\"resolved\"],\"at\":\"critical\"},"
              "{\"action\":\"any\",\"on\":[\"opened\",\"resolved\"]}]}");
    const double values[] = {1, 12, 25, 15, 1};
    for (size_t i = 0; i < SU_COUNT(values); i++)
        give(&stage, (int64_t)i, &(struct row){"a", values[i]}, 1);
    assert_string_equal(su_buf_str(&stage.told).ptr, "1 a opened ok>warning any\n"
                                                     "2 a raised warning>critical mail\n"
                                                     "3 a lowered critical>warning calm\n"
                                                     "4 a resolved warning>ok any\n");
    clear_stage(&stage);
}

static void keys_of_one_step_are_one_decision_when_grouped(void **state)
{
    struct stage stage;
    set_stage(&stage, THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":10}},\"group\":\"window\"}");
    give(&stage, 0, (const struct row[]){{"a", 20}, {"b", 30}, {"c", 1}}, 3);
    give(&stage, 1, (const struct row[]){{"a", 20}, {"b", 1}, {"c", 11}}, 3);
    assert_string_equal(su_buf_str(&stage.told).ptr, "0 * opened ok>critical -\n1 b resolved critical>ok -\n1 c opened ok>critical -\n");
    clear_stage(&stage);
}

static void nothing_is_judged_before_its_beginning(void **state)
{
    struct stage stage;
    set_stage(&stage, THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":10}}}");
    watch_engine_set_from(stage.engine, 2 * SECOND);
    for (int64_t i = 0; i < 4; i++)
        give(&stage, i, &(struct row){"a", i < 3 ? 20 : 1}, 1);
    assert_string_equal(su_buf_str(&stage.told).ptr, "2 a opened ok>critical -\n3 a resolved critical>ok -\n");
    clear_stage(&stage);
}

static void a_long_silence_is_gone_through_up_to_a_bound(void **state)
{
    struct stage stage;
    set_stage(&stage, THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":10}},\"nodata\":{\"after\":\"5s\",\"then\":\"fire\"}}");
    give(&stage, 0, &(struct row){"a", 1}, 1);
    give(&stage, 100000000, &(struct row){"a", 1}, 1);
    assert_string_equal(su_buf_str(&stage.told).ptr, "5 a opened ok>critical -\n100000000 a resolved critical>ok -\n");
    clear_stage(&stage);
}

static void a_checkpoint_goes_on_as_if_nothing_had_been(void **state)
{
    struct stage stage, other;
    const char *definition = "{\"stream\":\"s\",\"every\":\"1s\",\"by\":[\"host\"],\"values\":[\"avg(v)\"],\"detector\":{\"kind\":\"combination\"},"
                             "\"learn_in_episode\":true,\"levels\":{\"on\":\"score\",\"critical\":{\"enter\":0.99}}}";
    struct su_err err;
    struct su_buf kept = SU_BUF(1 << 24), left = SU_BUF(1 << 24), right = SU_BUF(1 << 24);
    set_stage(&stage, definition);
    set_stage(&other, definition);
    for (int64_t i = 0; i < 400; i++) {
        if (i == 200) {
            watch_engine_save(stage.engine, &kept);
            watch_engine_free(other.engine);
            other.engine = make_engine(&other);
            check_ok(watch_engine_load(other.engine, su_buf_str(&kept), &err));
            su_buf_clear(&stage.told);
        }
        const struct row rows[] = {{"a", sin((double)i) + (i == 150 || i == 300 ? 900 : 0)}, {"b", (double)(i % 7)}};
        give(&stage, i, rows, i % 5 ? 2 : 1);
        if (i >= 200)
            give(&other, i, rows, i % 5 ? 2 : 1);
    }
    assert_true(stage.told.len > 0);
    assert_string_equal(su_buf_str(&stage.told).ptr, su_buf_str(&other.told).ptr);
    watch_engine_save(stage.engine, &left);
    watch_engine_save(other.engine, &right);
    assert_int_equal(left.len, right.len);
    assert_memory_equal(left.ptr, right.ptr, left.len);
    for (size_t len = 0; len < kept.len; len += 1 + kept.len / 50) {
        struct watch_engine *cut = make_engine(&other);
        assert_false(watch_engine_load(cut, (struct su_str){kept.ptr, len}, &err));
        watch_engine_free(cut);
    }
    su_buf_done(&kept);
    su_buf_done(&left);
    su_buf_done(&right);
    clear_stage(&stage);
    clear_stage(&other);
}

static void keys_past_the_limit_are_counted_and_silent_ones_make_room(void **state)
{
    struct stage stage;
    struct watch_engine_totals totals;
    set_stage(&stage, THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":10}},\"keys_max\":2}");
    give(&stage, 0, (const struct row[]){{"a", 1}, {"b", 1}, {"c", 1}}, 3);
    watch_engine_totals(stage.engine, &totals);
    assert_int_equal(totals.keys, 2);
    assert_int_equal(totals.unwatched, 1);
    give(&stage, 5000, (const struct row[]){{"c", 20}, {"d", 20}}, 2);
    watch_engine_totals(stage.engine, &totals);
    assert_int_equal(totals.keys, 2);
    assert_int_equal(totals.unwatched, 0);
    assert_int_equal(totals.firing, 2);
    clear_stage(&stage);
}

static void what_changes_the_learning_is_told_from_what_does_not(void **state)
{
    WATCH_AUTO_DEFINITION struct watch_definition first, rules, keys;
    read_definition(THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":10}}}", &first);
    read_definition(THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":99}},\"hold\":3,\"group\":\"window\"}", &rules);
    read_definition(THRESHOLD "\"levels\":{\"on\":\"value\",\"critical\":{\"enter\":10}},\"keys_max\":7}", &keys);
    assert_true(watch_definition_learns_same(&first, &rules));
    assert_false(watch_definition_learns_same(&first, &keys));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_asks_for_the_actions_of_its_level),
        cmocka_unit_test(keys_of_one_step_are_one_decision_when_grouped),
        cmocka_unit_test(nothing_is_judged_before_its_beginning),
        cmocka_unit_test(a_long_silence_is_gone_through_up_to_a_bound),
        cmocka_unit_test(a_checkpoint_goes_on_as_if_nothing_had_been),
        cmocka_unit_test(keys_past_the_limit_are_counted_and_silent_ones_make_room),
        cmocka_unit_test(what_changes_the_learning_is_told_from_what_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
