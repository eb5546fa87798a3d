/* The recorder: events of a keeper in, an executed notebook out. */
#include "check.h"

#include "base/clock.h"
#include "interact/notebook.h"
#include "interact/recorder.h"

struct play { struct recorder *recorder; json_t *notebook; };

static struct play play_new(int cells)
{
    json_t *notebook = json_pack("{s:i, s:i, s:{}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "cells");
    for (int i = 0; i < cells; i++) {
        json_t *cell = notebook_code_cell(SU_STR("x"), NULL);
        char id[8];
        snprintf(id, sizeof id, "c%d", i);
        json_object_set_new(cell, "id", json_string(id));
        json_array_append_new(json_object_get(notebook, "cells"), cell);
    }
    return (struct play){recorder_new(json_incref(notebook)), notebook};
}

static void play_done(struct play *play)
{
    recorder_free(play->recorder);
    json_decref(play->notebook);
}
#define AUTO_PLAY SU_CLEANUP(play_done) struct play

static void message(struct play *play, const char *cell, const char *type, json_t *content)
{
    SU_AUTO_JSON json_t *event = json_pack("{s:i, s:s, s:s, s:s, s:s, s:o}", "seq", 1, "at", "2026-01-02T03:04:05.000Z",
                                           "event", "message", "cell", cell, "type", type, "content", content);
    recorder_add(play->recorder, event);
}

static void stream(struct play *play, const char *cell, const char *name, const char *text)
{
    message(play, cell, "stream", json_pack("{s:s, s:s}", "name", name, "text", text));
}

static void display(struct play *play, const char *cell, const char *type, const char *id, const char *text)
{
    message(
        play, cell, type,
        json_pack("{s:{s:s}, s:{}, s:{s:s*}}", "data", "text/plain", text, "metadata", "transient", "display_id", id));
}

static void cell_start(struct play *play, const char *cell)
{
    SU_AUTO_JSON json_t *event =
        json_pack("{s:s, s:s, s:s}", "event", "cell_start", "cell", cell, "at", "2026-01-02T03:04:05.000Z");
    recorder_add(play->recorder, event);
}

static void cell_end(struct play *play, const char *cell, const char *status)
{
    SU_AUTO_JSON json_t *event = json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "event", "cell_end", "cell", cell,
                                           "status", status, "execution_count", 7, "started_at",
                                           "2026-01-02T03:04:05.000Z", "ended_at", "2026-01-02T03:04:06.500Z");
    recorder_add(play->recorder, event);
}

/* Outputs of a cell of the finished notebook as compact JSON. */
static char *outputs_of(struct play *play, size_t index)
{
    SU_AUTO_JSON json_t *done = recorder_finish(play->recorder);
    return su_json_text(json_object_get(json_array_get(json_object_get(done, "cells"), index), "outputs"));
}

static void check_text(const char *const *chunks, const char *expected)
{
    AUTO_PLAY play = play_new(1);
    for (; *chunks; chunks++)
        stream(&play, "c0", "stdout", *chunks);
    SU_AUTO_JSON json_t *done = recorder_finish(play.recorder);
    const json_t *output =
        json_array_get(json_object_get(json_array_get(json_object_get(done, "cells"), 0), "outputs"), 0);
    assert_string_equal(su_json_string(output, "text", "?"), expected);
}

static void streams_of_one_name_are_merged(void **state)
{
    AUTO_PLAY play = play_new(1);
    stream(&play, "c0", "stdout", "a");
    stream(&play, "c0", "stdout", "b\n");
    stream(&play, "c0", "stderr", "w");
    stream(&play, "c0", "stdout", "c");
    SU_AUTO_FREE char *text = outputs_of(&play, 0);
    assert_string_equal(text, "[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"ab\\n\"},{\"output_type\":"
                              "\"stream\",\"name\":\"stderr\",\"text\":\"w\"},"
                              "{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"c\"}]");
}

static void returns_and_backspaces_are_applied(void **state)
{
    check_text((const char *const[]){"10%\r20%\r", "30%\n", NULL}, "30%\n");
    check_text((const char *const[]){"x\r\ny", NULL}, "x\r\ny");
    check_text((const char *const[]){"x\r", "\ny", NULL}, "x\r\ny");
    check_text((const char *const[]){"a\nlong line\rshort", NULL}, "a\nshort");
    check_text((const char *const[]){"ab\b\bc", NULL}, "c");
    check_text((const char *const[]){"\xc3\xa9\b!", NULL}, "!");
    check_text((const char *const[]){"a\n\bb", NULL}, "a\nb");
    check_text((const char *const[]){"50%\r", NULL}, "50%\r");
    check_text((const char *const[]){"a\r\r\nb", NULL}, "\r\nb");
}

static void an_update_rewrites_its_display_in_every_cell_and_adds_none(void **state)
{
    AUTO_PLAY play = play_new(2);
    display(&play, "c0", "display_data", "d", "one");
    display(&play, "c1", "display_data", "d", "two");
    display(&play, "c1", "update_display_data", "d", "three");
    display(&play, "c1", "update_display_data", "unknown", "four");
    SU_AUTO_FREE char *first = outputs_of(&play, 0);
    SU_AUTO_JSON json_t *second =
        json_incref(json_object_get(json_array_get(json_object_get(play.notebook, "cells"), 1), "outputs"));
    assert_string_equal(first,
                        "[{\"output_type\":\"display_data\",\"data\":{\"text/plain\":\"three\"},\"metadata\":{}}]");
    SU_AUTO_FREE char *text = su_json_text(second);
    assert_string_equal(first, text);
}

static void clear_output_clears_at_once_or_at_the_next_output(void **state)
{
    AUTO_PLAY play = play_new(1);
    stream(&play, "c0", "stdout", "a");
    message(&play, "c0", "clear_output", json_pack("{s:b}", "wait", 0));
    stream(&play, "c0", "stdout", "b");
    message(&play, "c0", "clear_output", json_pack("{s:b}", "wait", 1));
    SU_AUTO_BUF struct su_buf now = SU_BUF(1000);
    recorder_outputs(play.recorder, &now);
    assert_non_null(strstr(su_buf_str(&now).ptr, "\"text\":\"b\""));
    stream(&play, "c0", "stdout", "c");
    SU_AUTO_FREE char *text = outputs_of(&play, 0);
    assert_string_equal(text, "[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"c\"}]");
}

static void a_result_and_progress_are_picked_up(void **state)
{
    AUTO_PLAY play = play_new(2);
    message(&play, "c0", "display_data",
            json_pack("{s:{s:{s:i}, s:s}, s:{}}", "data", RECORDER_MIME_RESULT, "a", 1, "text/plain", "r", "metadata"));
    message(&play, "c0", "display_data",
            json_pack("{s:{s:{s:i}}, s:{}}", "data", RECORDER_MIME_RESULT, "a", 2, "metadata"));
    message(&play, "c0", "display_data",
            json_pack("{s:{s:{s:f, s:s}}, s:{}}", "data", RECORDER_MIME_PROGRESS, "fraction", 0.25, "text", "half way",
                      "metadata"));
    assert_int_equal(su_json_int(recorder_result(play.recorder), "a", 0), 2);
    struct recorder_progress progress = recorder_progress(play.recorder);
    assert_true(progress.fraction > 0.24 && progress.fraction < 0.26);
    assert_string_equal(progress.text, "half way");
    SU_AUTO_JSON json_t *done = recorder_finish(play.recorder);
    assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(done, "cells"), 0), "outputs")), 2);
}

static void an_error_is_the_runs_unless_the_cell_allows_it(void **state)
{
    AUTO_PLAY play = play_new(2);
    json_t *cell = json_array_get(json_object_get(play.notebook, "cells"), 0);
    json_object_set_new(json_object_get(cell, "metadata"), "tags", json_pack("[s]", "raises-exception"));
    struct recorder *again = recorder_new(json_incref(play.notebook));
    recorder_free(play.recorder);
    play.recorder = again;
    for (int i = 0; i < 2; i++) {
        const char *id = i ? "c1" : "c0";
        cell_start(&play, id);
        message(&play, id, "error",
                json_pack("{s:s, s:s, s:[s]}", "ename", "ValueError", "evalue", i ? "second" : "first", "traceback",
                          "line"));
        cell_end(&play, id, "error");
    }
    assert_string_equal(su_json_string(recorder_error(play.recorder), "evalue", ""), "second");
    assert_string_equal(su_json_string(recorder_error(play.recorder), "cell", ""), "c1");
}

static void leaving_with_nothing_or_zero_is_no_error(void **state)
{
    AUTO_PLAY play = play_new(1);
    message(&play, "c0", "error", json_pack("{s:s, s:s, s:[]}", "ename", "SystemExit", "evalue", "0", "traceback"));
    cell_end(&play, "c0", "error");
    assert_null(recorder_error(play.recorder));
}

static void timing_and_counts_are_written(void **state)
{
    AUTO_PLAY play = play_new(2);
    cell_start(&play, "c0");
    cell_end(&play, "c0", "ok");
    assert_int_equal(recorder_progress(play.recorder).cells_done, 1);
    SU_AUTO_JSON json_t *done = recorder_finish(play.recorder);
    const json_t *cell = json_array_get(json_object_get(done, "cells"), 0),
                 *metadata = json_object_get(cell, "metadata");
    assert_int_equal(su_json_int(cell, "execution_count", 0), 7);
    assert_string_equal(su_json_string(json_object_get(metadata, "execution"), "iopub.status.idle", ""),
                        "2026-01-02T03:04:06.500Z");
    assert_true(su_json_number(json_object_get(metadata, "papermill"), "duration", 0) == 1.5);
    assert_string_equal(su_json_string(json_object_get(metadata, "papermill"), "status", ""), "completed");
    const json_t *second = json_array_get(json_object_get(done, "cells"), 1);
    assert_string_equal(su_json_string(json_object_get(json_object_get(second, "metadata"), "papermill"), "status", ""),
                        "pending");
    struct su_err err;
    check_ok(notebook_check(done, &err));
}

static void blank_and_skipped_cells_are_not_run(void **state)
{
    json_t *notebook = json_pack("{s:i, s:i, s:{}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "cells");
    json_array_append_new(json_object_get(notebook, "cells"), notebook_code_cell(SU_STR(" \n"), NULL));
    json_array_append_new(json_object_get(notebook, "cells"), notebook_code_cell(SU_STR("1"), "skip-execution"));
    json_array_append_new(json_object_get(notebook, "cells"), notebook_code_cell(SU_STR("2"), NULL));
    struct recorder *recorder = recorder_new(notebook);
    SU_AUTO_JSON json_t *cells = recorder_cells(recorder);
    assert_int_equal(json_array_size(cells), 1);
    assert_string_equal(su_json_string(json_array_get(cells, 0), "code", ""), "2");
    recorder_free(recorder);
}

static void the_snapshot_is_the_same_before_and_after_the_end(void **state)
{
    AUTO_PLAY play = play_new(3);
    cell_start(&play, "c0");
    stream(&play, "c0", "stdout", "tab\tquote\" \xc3\xa9\n");
    display(&play, "c0", "execute_result", NULL, "42");
    cell_end(&play, "c0", "ok");
    cell_start(&play, "c1");
    SU_AUTO_BUF struct su_buf before = SU_BUF(10000);
    recorder_outputs(play.recorder, &before);
    SU_AUTO_JSON json_t *done = recorder_finish(play.recorder);
    SU_AUTO_BUF struct su_buf after = SU_BUF(10000);
    recorded_outputs(done, &after);
    SU_AUTO_JSON json_t *a = json_loads(su_buf_str(&before).ptr, 0, NULL),
                        *b = json_loads(su_buf_str(&after).ptr, 0, NULL);
    assert_non_null(a);
    assert_true(json_equal(a, b));
    assert_int_equal(json_array_size(json_object_get(a, "cells")), 2);
}

static bool note_figure(void *arg, const struct recorded_figure *figure, struct su_err *err)
{
    su_buf_addf(arg, "%s:%s ", figure->name, figure->cell);
    return true;
}

static void figures_are_numbered_by_output(void **state)
{
    AUTO_PLAY play = play_new(2);
    message(&play, "c0", "display_data",
            json_pack("{s:{s:s, s:s}, s:{}}", "data", "image/png", "QUI=", "image/svg+xml", "<svg/>", "metadata"));
    display(&play, "c0", "display_data", NULL, "no figure");
    message(&play, "c1", "display_data", json_pack("{s:{s:s}, s:{}}", "data", "image/svg+xml", "<svg/>", "metadata"));
    SU_AUTO_JSON json_t *done = recorder_finish(play.recorder);
    SU_AUTO_BUF struct su_buf names = SU_BUF(1000);
    struct su_err err;
    check_ok(recorded_figures(done, note_figure, &names, &err));
    assert_string_equal(su_buf_str(&names).ptr, "figure-1.png:c0 figure-1.svg:c0 figure-2.svg:c1 ");
}

static void base64_is_read_with_and_without_line_ends(void **state)
{
    static const struct {
        const char *text, *bytes;
    } good[] = {{"", ""}, {"QQ==", "A"}, {"QUI=", "AB"}, {"QUJD\nRA==\n", "ABCD"}, {"QUJD", "ABC"}};
    for (size_t i = 0; i < SU_COUNT(good); i++) {
        char *data;
        size_t len;
        assert_true(recorded_base64(su_str_of(good[i].text), &data, &len));
        assert_int_equal(len, strlen(good[i].bytes));
        assert_memory_equal(data, good[i].bytes, len);
        free(data);
    }
    char *data;
    size_t len;
    assert_false(recorded_base64(SU_STR("Q"), &data, &len));
    assert_false(recorded_base64(SU_STR("Q*=="), &data, &len));
    assert_false(recorded_base64(SU_STR("QQ==QQ=="), &data, &len));
}

static void nonsense_is_survived(void **state)
{
    static const char *const events[] = {
        "{}",
        "[]",
        "{\"event\":\"message\"}",
        "{\"event\":\"message\",\"cell\":\"c0\"}",
        "{\"event\":\"message\",\"cell\":\"c0\",\"type\":\"stream\",\"content\":{}}",
        "{\"event\":\"message\",\"cell\":\"c0\",\"type\":\"stream\",\"content\":{\"text\":3}}",
        "{\"event\":\"message\",\"cell\":\"c0\",\"type\":\"display_data\",\"content\":{\"data\":[],\"metadata\":7}}",
        "{\"event\":\"message\",\"cell\":\"c0\",\"type\":\"display_data\",\"content\":{\"data\":{\"text/plain\":7}}}",
        "{\"event\":\"message\",\"cell\":\"c0\",\"type\":\"error\",\"content\":{\"traceback\":[1,{}]}}",
        "{\"event\":\"message\",\"cell\":\"c0\",\"type\":\"display_data\",\"content\":{\"data\":{\"application/"
        "vnd.suricate.progress+json\":{\"fraction\":1e300}}}}",
        "{\"event\":\"message\",\"cell\":null,\"type\":\"stream\",\"content\":{\"text\":\"x\"}}",
        "{\"event\":\"cell_end\",\"cell\":\"c0\",\"execution_count\":-4}",
        "{\"event\":\"cell_end\",\"cell\":\"nobody\"}",
    };
    AUTO_PLAY play = play_new(1);
    for (size_t i = 0; i < SU_COUNT(events); i++) {
        SU_AUTO_JSON json_t *event = json_loads(events[i], 0, NULL);
        assert_non_null(event);
        recorder_add(play.recorder, event);
        SU_AUTO_JSON json_t *data = NULL;
        recorder_client_event(play.recorder, event, &data);
    }
    SU_AUTO_JSON json_t *done = recorder_finish(play.recorder);
    struct su_err err;
    check_ok(notebook_check(done, &err));
}

/* Not a benchmark: with anything quadratic in it this takes minutes, not a moment. */
static void a_million_small_pieces_are_recorded_in_linear_time(void **state)
{
    AUTO_PLAY play = play_new(1);
    SU_AUTO_JSON json_t *piece = json_pack("{s:s, s:s, s:s, s:{s:s, s:s}}", "event", "message", "cell", "c0", "type",
                                           "stream", "content", "name", "stdout", "text", "0123456789\b\b..\n");
    SU_AUTO_JSON json_t *shown =
        json_pack("{s:s, s:s, s:s, s:{s:{s:s}, s:{}, s:{s:s}}}", "event", "message", "cell", "c0", "type",
                  "display_data", "content", "data", "text/plain", "x", "metadata", "transient", "display_id", "d");
    int64_t started = su_mono_ms();
    for (int i = 0; i < 1000000; i++)
        recorder_add(play.recorder, piece);
    for (int i = 0; i < 100000; i++)
        recorder_add(play.recorder, shown);
    assert_true(su_mono_ms() - started < 30000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_of_one_name_are_merged),
        cmocka_unit_test(returns_and_backspaces_are_applied),
        cmocka_unit_test(an_update_rewrites_its_display_in_every_cell_and_adds_none),
        cmocka_unit_test(clear_output_clears_at_once_or_at_the_next_output),
        cmocka_unit_test(a_result_and_progress_are_picked_up),
        cmocka_unit_test(an_error_is_the_runs_unless_the_cell_allows_it),
        cmocka_unit_test(leaving_with_nothing_or_zero_is_no_error),
        cmocka_unit_test(timing_and_counts_are_written),
        cmocka_unit_test(blank_and_skipped_cells_are_not_run),
        cmocka_unit_test(the_snapshot_is_the_same_before_and_after_the_end),
        cmocka_unit_test(figures_are_numbered_by_output),
        cmocka_unit_test(base64_is_read_with_and_without_line_ends),
        cmocka_unit_test(nonsense_is_survived),
        cmocka_unit_test(a_million_small_pieces_are_recorded_in_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
