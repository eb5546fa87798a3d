/* Open notebooks as values: what is told makes the same document elsewhere, and much output stays bounded. */
#include "check.h"

#include "interact/document.h"
#include "interact/notebook.h"

static const char *const href = "/v1/notebooks/n/live";

static struct document *document_of(const char *const *ids)
{
    json_t *notebook = json_pack("{s:i, s:i, s:{}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "cells");
    for (; *ids; ids++)
        json_array_append_new(json_object_get(notebook, "cells"),
                              json_pack("{s:s, s:s, s:{}, s:s, s:[], s:n}", "id", *ids, "cell_type", "code", "metadata", "source", *ids, "outputs",
                                        "execution_count"));
    return document_new(notebook);
}

static void free_pointer(struct document **document) { document_free(*document); }
#define AUTO_DOCUMENT SU_CLEANUP(free_pointer) struct document

static enum document_verdict edit(struct document *document, json_t *change, bool is_forced, json_t **ret)
{
    struct su_err err;
    SU_AUTO_JSON json_t *mine = change;
    return document_edit(document, mine, is_forced, ret, &err);
}

static enum document_verdict edit_text(struct document *document, const char *cell, const char *source, int revision)
{
    SU_AUTO_JSON json_t *told = NULL;
    return edit(document, json_pack("{s:s, s:s, s:s, s:i}", "op", "source", "cell", cell, "source", source, "revision", revision), false, &told);
}

/* Ids of the cells, joined. */
static char *order_of(const struct document *document)
{
    SU_AUTO_JSON json_t *notebook = document_notebook(document, SIZE_MAX);
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(notebook, "cells"), i, cell)
        su_buf_adds(&out, su_json_string(cell, "id", ""));
    return su_strdup(su_buf_str(&out).ptr);
}

static json_t *event(const char *name, const char *execution, int seq)
{
    return json_pack("{s:s, s:s, s:i, s:s}", "event", name, "cell", execution, "seq", seq, "at", "2026-01-02T03:04:05.000Z");
}

static json_t *hear(struct document *document, json_t *said)
{
    SU_AUTO_JSON json_t *mine = said;
    return document_event(document, href, mine);
}

static json_t *print(struct document *document, const char *execution, const char *text)
{
    json_t *said = event("message", execution, 5);
    json_object_set_new(said, "type", json_string("stream"));
    json_object_set_new(said, "content", json_pack("{s:s, s:s}", "name", "stdout", "text", text));
    return hear(document, said);
}

static json_t *show(struct document *document, const char *execution, const char *type, const char *display, const char *text)
{
    json_t *said = event("message", execution, 5);
    json_object_set_new(said, "type", json_string(type));
    json_object_set_new(said, "content", json_pack("{s:{s:s}, s:{}, s:{s:s*}}", "data", "text/html", text, "metadata", "transient", "display_id", display));
    return hear(document, said);
}

static void start(struct document *document, const char *cell, const char *execution, int seq)
{
    const json_t *code;
    assert_true(document_queue(document, cell, execution, &code));
    json_decref(hear(document, event("cell_start", execution, seq)));
}

static json_t *outputs_of(const struct document *document, size_t cell)
{
    SU_AUTO_JSON json_t *notebook = document_notebook(document, SIZE_MAX);
    return json_incref(json_object_get(json_array_get(json_object_get(notebook, "cells"), cell), "outputs"));
}

static const char *const three[] = {"a", "b", "c", NULL};

static void an_edit_raises_the_revision_and_a_stale_one_is_a_conflict(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    assert_int_equal(edit_text(document, "a", "one", 0), DOCUMENT_APPLIED);
    assert_int_equal(document_cell_revision(document, "a"), 1);
    assert_int_equal(edit_text(document, "a", "two", 0), DOCUMENT_CONFLICT);
    assert_int_equal(edit_text(document, "a", "one", 0), DOCUMENT_UNCHANGED);
    assert_int_equal(edit_text(document, "a", "two", 1), DOCUMENT_APPLIED);
    assert_int_equal(document_revision(document), 2);
}

static void a_deleted_cell_gives_the_text_back(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    SU_AUTO_JSON json_t *told = NULL, *conflict = NULL;
    assert_int_equal(edit(document, json_pack("{s:s, s:s, s:i}", "op", "delete", "cell", "b", "revision", 0), false, &told), DOCUMENT_APPLIED);
    assert_int_equal(edit(document, json_pack("{s:s, s:s, s:s, s:i}", "op", "source", "cell", "b", "source", "x", "revision", 0), false, &conflict),
                     DOCUMENT_CONFLICT);
    assert_string_equal(su_json_string(conflict, "reason", ""), "deleted");
}

/* Random edits of two clients, some on old revisions: told edits, played on a copy, make the same document. */
static void what_is_told_makes_the_same_document_elsewhere(void **state)
{
    uint32_t seed = 12345;
    AUTO_DOCUMENT *document = document_of(three);
    AUTO_DOCUMENT *other = document_of(three);
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525u + 1013904223u;
        char cell[2] = {(char)('a' + (seed >> 8) % 12), 0}, after[2] = {(char)('a' + (seed >> 13) % 12), 0}, text[16];
        int64_t now = document_cell_revision(document, cell);
        json_int_t revision = now - ((seed >> 18) % 4 == 0);
        snprintf(text, sizeof text, "%u", seed >> 26);
        json_t *change = NULL;
        switch ((seed >> 22) % 5) {
        case 0: change = json_pack("{s:s, s:s, s:s, s:I}", "op", "source", "cell", cell, "source", text, "revision", revision); break;
        case 1:
            change = json_pack("{s:s, s:{s:s, s:s, s:s}, s:s}", "op", "insert", "cell", "id", cell, "cell_type", "code", "source", text,
                               "after", after);
            break;
        case 2: change = json_pack("{s:s, s:s, s:I}", "op", "delete", "cell", cell, "revision", revision); break;
        case 3: change = json_pack("{s:s, s:s, s:s}", "op", "move", "cell", cell, "after", after); break;
        default: change = json_pack("{s:s, s:s, s:s}", "op", "type", "cell", cell, "cell_type", seed & 1 ? "raw" : "code"); break;
        }
        SU_AUTO_JSON json_t *told = NULL, *told_again = NULL;
        if (edit(document, change, false, &told) == DOCUMENT_APPLIED)
            assert_int_equal(edit(other, json_incref(told), true, &told_again), DOCUMENT_APPLIED);
    }
    SU_AUTO_JSON json_t *one = document_notebook(document, SIZE_MAX), *two = document_notebook(other, SIZE_MAX);
    SU_AUTO_JSON json_t *revisions = document_revisions(document), *revisions_too = document_revisions(other);
    assert_true(json_equal(one, two));
    assert_true(json_equal(revisions, revisions_too));
    assert_true(document_revision(document) > 1000);
}

static void a_refused_edit_changes_nothing(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    const char *const wrong[] = {
        "{\"op\":\"source\",\"cell\":\"a\",\"revision\":0}", "{\"op\":\"move\",\"cell\":\"z\"}", "{\"op\":\"metadata\",\"cell\":\"a\",\"metadata\":1}",
        "{\"op\":\"type\",\"cell\":\"a\",\"cell_type\":\"x\"}",
        "{\"op\":\"insert\",\"cell\":{\"id\":\"\",\"cell_type\":\"code\",\"source\":\"\"}}", "{}", "[]", "5"};
    SU_AUTO_JSON json_t *before = document_notebook(document, SIZE_MAX);
    for (size_t i = 0; i < SU_COUNT(wrong); i++) {
        SU_AUTO_JSON json_t *told = NULL;
        assert_int_equal(edit(document, json_loads(wrong[i], JSON_DECODE_ANY, NULL), false, &told), DOCUMENT_REFUSED);
    }
    SU_AUTO_JSON json_t *after = document_notebook(document, SIZE_MAX);
    assert_true(json_equal(before, after));
}

static void moving_keeps_every_cell(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    SU_AUTO_JSON json_t *one = NULL, *two = NULL;
    edit(document, json_pack("{s:s, s:s, s:n}", "op", "move", "cell", "c", "after"), false, &one);
    edit(document, json_pack("{s:s, s:s, s:s}", "op", "move", "cell", "a", "after", "gone"), false, &two);
    SU_AUTO_FREE char *order = order_of(document);
    assert_string_equal(order, "cba");
}

static void output_of_an_execution_before_is_not_shown(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    const json_t *code;
    start(document, "a", "a#1", 1);
    assert_true(document_queue(document, "a", "a#2", &code));
    assert_null(print(document, "a#1", "old"));
    json_decref(hear(document, event("cell_start", "a#2", 9)));
    SU_AUTO_JSON json_t *told = print(document, "a#2", "new"), *outputs = outputs_of(document, 0);
    assert_non_null(told);
    assert_string_equal(su_json_string(json_array_get(outputs, 0), "text", ""), "new");
}

static void a_large_output_is_told_by_reference(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    SU_AUTO_BUF struct su_buf large = SU_BUF(1 << 20);
    while (large.len < DOCUMENT_OUTPUT_INLINE_MAX + 1)
        su_buf_addc(&large, 'x');
    start(document, "b", "b#1", 1);
    SU_AUTO_JSON json_t *told = show(document, "b#1", "display_data", "d", su_buf_str(&large).ptr);
    const json_t *content = json_object_get(json_object_get(told, "message"), "content");
    assert_true(su_json_int(content, "too_large", 0) > DOCUMENT_OUTPUT_INLINE_MAX);
    assert_string_equal(su_json_string(content, "href", ""), "/v1/notebooks/n/live/outputs/b/0");
    SU_AUTO_JSON json_t *updated = show(document, "b#1", "update_display_data", "d", su_buf_str(&large).ptr);
    assert_string_equal(su_json_string(updated, "type", ""), "outputs");
    SU_AUTO_BUF struct su_buf whole = SU_BUF(1 << 20);
    assert_true(document_output(document, "b", 0, &whole));
    assert_true(whole.len > DOCUMENT_OUTPUT_INLINE_MAX);
    assert_false(document_output(document, "b", 1, &whole));
}

static void output_without_end_is_cut_and_says_so(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    SU_AUTO_BUF struct su_buf mib = SU_BUF(2 << 20);
    while (mib.len < 1 << 20)
        su_buf_adds(&mib, "0123456789abcde\n");
    start(document, "a", "a#1", 1);
    for (int i = 0; i < 70; i++)
        json_decref(print(document, "a#1", su_buf_str(&mib).ptr));
    assert_int_equal(document_stream_size(document, "a"), strlen("\n[The rest of the output is left out: there is more of it than a notebook can hold.]\n"));
    SU_AUTO_JSON json_t *outputs = outputs_of(document, 0);
    assert_int_equal(json_array_size(outputs), 2);
    assert_int_equal(json_string_length(json_object_get(json_array_get(outputs, 0), "text")), DOCUMENT_CELL_OUTPUT_MAX);
    json_t *clear = event("message", "a#1", 5);
    json_object_set_new(clear, "type", json_string("clear_output"));
    json_object_set_new(clear, "content", json_pack("{s:b}", "wait", 0));
    json_decref(hear(document, clear));
    json_decref(print(document, "a#1", "again"));
    SU_AUTO_JSON json_t *after = outputs_of(document, 0);
    assert_string_equal(su_json_string(json_array_get(after, 0), "text", ""), "again");
}

static void a_snapshot_stays_small_whatever_the_outputs(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    SU_AUTO_BUF struct su_buf text = SU_BUF(1 << 20), out = SU_BUF(256 << 20);
    while (text.len < 200 << 10)
        su_buf_addc(&text, 'x');
    start(document, "a", "a#1", 1);
    for (int i = 0; i < 250; i++)
        json_decref(show(document, "a#1", "display_data", NULL, su_buf_str(&text).ptr));
    document_snapshot(document, href, &out);
    assert_in_range(out.len, DOCUMENT_SNAPSHOT_INLINE_MAX - (1 << 20), DOCUMENT_SNAPSHOT_INLINE_MAX + (1 << 20));
    SU_AUTO_JSON json_t *delta = document_outputs_delta(document, href, "a");
    assert_int_equal(json_array_size(json_object_get(delta, "outputs")), 250);
}

static void what_is_too_large_to_be_stored_is_left_out_and_says_so(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    start(document, "a", "a#1", 1);
    json_decref(print(document, "a#1", "a text of some length, longer than what is kept here"));
    SU_AUTO_JSON json_t *notebook = document_notebook(document, 64);
    const json_t *output = json_array_get(json_object_get(json_array_get(json_object_get(notebook, "cells"), 0), "outputs"), 0);
    assert_non_null(strstr(su_json_string(output, "text", ""), "left out"));
}

static void a_server_that_comes_back_hears_again_from_the_start_of_what_runs(void **state)
{
    AUTO_DOCUMENT *document = document_of(three);
    assert_int_equal(document_resume_seq(document, 40), 40);
    start(document, "b", "b#1", 17);
    assert_int_equal(document_resume_seq(document, 40), 17);
    assert_int_equal(document_busy(document), 1);
    json_decref(hear(document, event("cell_end", "b#1", 20)));
    assert_int_equal(document_resume_seq(document, 40), 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_raises_the_revision_and_a_stale_one_is_a_conflict),
        cmocka_unit_test(a_deleted_cell_gives_the_text_back),
        cmocka_unit_test(what_is_told_makes_the_same_document_elsewhere),
        cmocka_unit_test(a_refused_edit_changes_nothing),
        cmocka_unit_test(moving_keeps_every_cell),
        cmocka_unit_test(output_of_an_execution_before_is_not_shown),
        cmocka_unit_test(a_large_output_is_told_by_reference),
        cmocka_unit_test(output_without_end_is_cut_and_says_so),
        cmocka_unit_test(a_snapshot_stays_small_whatever_the_outputs),
        cmocka_unit_test(what_is_too_large_to_be_stored_is_left_out_and_says_so),
        cmocka_unit_test(a_server_that_comes_back_hears_again_from_the_start_of_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
