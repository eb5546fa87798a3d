/* Open notebooks as values: edits, revisions, conflicts, what kernels say. */
#include "check.h"

#include "interact/document.h"
#include "interact/notebook.h"

static void document_end(struct document **document) { document_free(*document); }
#define AUTO_DOCUMENT SU_CLEANUP(document_end) struct document

static struct document *with_cells(const char *ids)
{
    json_t *notebook = json_pack("{s:i, s:i, s:{}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "cells");
    for (; *ids; ids++) {
        json_t *cell = notebook_code_cell(SU_STR("x"), NULL);
        json_object_set_new(cell, "id", json_stringn(ids, 1));
        json_array_append_new(json_object_get(notebook, "cells"), cell);
    }
    return document_new(notebook);
}

static enum document_verdict edit(struct document *document, json_t *value, json_t **ret)
{
    struct su_err err;
    SU_AUTO_JSON json_t *mine = value, *told = NULL;
    enum document_verdict verdict = document_edit(document, mine, false, &told, &err);
    if (ret)
        *ret = json_incref(told);
    return verdict;
}

static json_t *source(const char *cell, const char *text, int revision)
{
    return json_pack("{s:s, s:s, s:s, s:i}", "op", "source", "cell", cell, "source", text, "revision", revision);
}

/* The ids of the cells, in order. */
static void check_order(const struct document *document, const char *expected)
{
    SU_AUTO_JSON json_t *notebook = document_notebook(document, SIZE_MAX);
    SU_AUTO_BUF struct su_buf ids = SU_BUF(100);
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell)
        su_buf_adds(&ids, su_json_string(cell, "id", "?"));
    assert_string_equal(su_buf_str(&ids).len ? ids.ptr : "", expected);
}

static void an_edit_raises_the_revision_of_its_cell_alone(void **state)
{
    AUTO_DOCUMENT *document = with_cells("ab");
    assert_int_equal(edit(document, source("a", "1", 0), NULL), DOCUMENT_APPLIED);
    assert_int_equal(document_cell_revision(document, "a"), 1);
    assert_int_equal(document_cell_revision(document, "b"), 0);
    assert_int_equal(document_revision(document), 1);
}

static void an_edit_on_an_old_revision_is_a_conflict_that_tells_the_other_text(void **state)
{
    AUTO_DOCUMENT *document = with_cells("a");
    SU_AUTO_JSON json_t *told = NULL;
    edit(document, source("a", "theirs", 0), NULL);
    assert_int_equal(edit(document, source("a", "mine", 0), &told), DOCUMENT_CONFLICT);
    assert_string_equal(su_json_string(told, "source", ""), "theirs");
    assert_int_equal(document_revision(document), 1);
}

static void an_edit_sent_again_changes_nothing(void **state)
{
    AUTO_DOCUMENT *document = with_cells("a");
    edit(document, source("a", "1", 0), NULL);
    assert_int_equal(edit(document, source("a", "1", 0), NULL), DOCUMENT_UNCHANGED);
    json_t *insert = json_pack("{s:s, s:{s:s, s:s, s:s}, s:s}", "op", "insert", "cell", "id", "n", "cell_type", "code", "source", "", "after", "a");
    assert_int_equal(edit(document, json_incref(insert), NULL), DOCUMENT_APPLIED);
    assert_int_equal(edit(document, insert, NULL), DOCUMENT_UNCHANGED);
    check_order(document, "an");
}

static void cells_move_to_the_top_behind_others_and_to_the_end_when_those_are_gone(void **state)
{
    AUTO_DOCUMENT *document = with_cells("abc");
    edit(document, json_pack("{s:s, s:s, s:n}", "op", "move", "cell", "c", "after"), NULL);
    check_order(document, "cab");
    edit(document, json_pack("{s:s, s:s, s:s}", "op", "move", "cell", "c", "after", "a"), NULL);
    check_order(document, "acb");
    edit(document, json_pack("{s:s, s:s, s:s}", "op", "move", "cell", "a", "after", "gone"), NULL);
    check_order(document, "cba");
}

static json_t *event(const char *name, const char *cell, const char *more, json_t *value)
{
    json_t *made = json_pack("{s:s, s:s, s:i, s:s}", "event", name, "cell", cell, "seq", 5, "at", "2026-01-02T03:04:05.000Z");
    if (more)
        json_object_set_new(made, more, value);
    return made;
}

static void hear(struct document *document, json_t *value)
{
    SU_AUTO_JSON json_t *mine = value, *delta = document_event(document, "/here", mine);
}

static void run(struct document *document, const char *cell, const char *execution)
{
    const json_t *code;
    assert_true(document_queue(document, cell, execution, &code));
    hear(document, event("cell_start", execution, NULL, NULL));
}

static void print(struct document *document, const char *execution, const char *text)
{
    json_t *message = event("message", execution, "type", json_string("stream"));
    json_object_set_new(message, "content", json_pack("{s:s, s:s}", "name", "stdout", "text", text));
    hear(document, message);
}

static void outputs_of_an_earlier_execution_are_not_taken(void **state)
{
    AUTO_DOCUMENT *document = with_cells("a");
    run(document, "a", "a#1");
    run(document, "a", "a#2");
    print(document, "a#1", "late");
    print(document, "a#2", "now");
    SU_AUTO_BUF struct su_buf out = SU_BUF(1000);
    assert_true(document_output(document, "a", 0, &out));
    assert_non_null(strstr(out.ptr, "\"now\""));
    assert_false(document_output(document, "a", 1, &out));
}

static void a_large_output_is_told_by_reference_and_given_whole(void **state)
{
    AUTO_DOCUMENT *document = with_cells("a");
    SU_AUTO_FREE char *text = su_alloc(DOCUMENT_OUTPUT_INLINE_MAX + 2);
    memset(text, 'x', DOCUMENT_OUTPUT_INLINE_MAX + 1);
    run(document, "a", "a#1");
    print(document, "a#1", text);
    SU_AUTO_JSON json_t *delta = document_outputs_delta(document, "/here", "a");
    const json_t *about = json_object_get(json_object_get(json_array_get(json_object_get(delta, "outputs"), 0), "metadata"), "suricate");
    assert_int_equal(su_json_int(about, "too_large", 0), DOCUMENT_OUTPUT_INLINE_MAX + 1);
    assert_string_equal(su_json_string(about, "href", ""), "/here/outputs/a/0");
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
    assert_true(document_output(document, "a", 0, &out) && out.len > DOCUMENT_OUTPUT_INLINE_MAX);
}

static void a_server_that_comes_back_hears_again_from_the_start_of_what_runs(void **state)
{
    AUTO_DOCUMENT *document = with_cells("ab");
    assert_int_equal(document_resume_seq(document, 9), 9);
    run(document, "a", "a#1");
    assert_int_equal(document_resume_seq(document, 9), 5);
    hear(document, event("cell_end", "a#1", "status", json_string("ok")));
    assert_int_equal(document_resume_seq(document, 9), 9);
}

static void what_waits_is_aborted_and_what_runs_only_when_all_is(void **state)
{
    AUTO_DOCUMENT *document = with_cells("ab");
    const json_t *code;
    run(document, "a", "a#1");
    document_queue(document, "b", "b#1", &code);
    SU_AUTO_JSON json_t *waiting = document_abort(document, false), *rest = document_abort(document, true);
    assert_int_equal(json_array_size(waiting), 1);
    assert_int_equal(json_array_size(rest), 1);
    assert_int_equal(document_busy(document), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_raises_the_revision_of_its_cell_alone),
        cmocka_unit_test(an_edit_on_an_old_revision_is_a_conflict_that_tells_the_other_text),
        cmocka_unit_test(an_edit_sent_again_changes_nothing),
        cmocka_unit_test(cells_move_to_the_top_behind_others_and_to_the_end_when_those_are_gone),
        cmocka_unit_test(outputs_of_an_earlier_execution_are_not_taken),
        cmocka_unit_test(a_large_output_is_told_by_reference_and_given_whole),
        cmocka_unit_test(a_server_that_comes_back_hears_again_from_the_start_of_what_runs),
        cmocka_unit_test(what_waits_is_aborted_and_what_runs_only_when_all_is)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
