/* Previews: kinds of files, types, statistics, odd inputs, memory, and the service that keeps them. */
#include "check.h"

#include <malloc.h>
#include <math.h>

#include "aggregate/blobref.h"
#include "aggregate/column.h"
#include "aggregate/preview.h"
#include "aggregate/profile.h"
#include "base/clock.h"
#include "base/thread.h"

/* ------------------------------------------------------ one file */

struct bytes { const char *data; size_t len, at; };

static bool read_bytes(void *arg, void *data, size_t cap, size_t *ret, struct su_err *err)
{
    struct bytes *bytes = arg;
    *ret = bytes->len - bytes->at < cap ? bytes->len - bytes->at : cap;
    memcpy(data, bytes->data + bytes->at, *ret);
    bytes->at += *ret;
    return true;
}

static json_t *preview_bytes(const char *name, const char *data, size_t len)
{
    struct su_err err;
    struct bytes bytes = {data, len, 0};
    const struct profile_options options = {.hint = profile_hint_of(name, NULL), .seed = 42};
    json_t *preview = NULL;
    check_ok(profile_run(read_bytes, &bytes, &options, &preview, &err));
    return preview;
}

static json_t *preview_text(const char *name, const char *text) { return preview_bytes(name, text, strlen(text)); }

/* The preview holds everything that is in expected. */
static void assert_holds(const json_t *preview, const char *expected_text)
{
    SU_AUTO_JSON json_t *expected = json_loads(expected_text, 0, NULL);
    assert_non_null(expected);
    const char *key;
    json_t *value;
    json_object_foreach (expected, key, value) {
        const json_t *got = json_object_get(preview, key);
        SU_AUTO_FREE char *got_text = got ? su_json_text_flags(got, JSON_ENCODE_ANY) : NULL;
        SU_AUTO_FREE char *want_text = su_json_text_flags(value, JSON_ENCODE_ANY);
        if (!got || !json_equal(got, value))
            fail_msg("%s is %s, not %s", key, got_text ? got_text : "absent", want_text);
    }
}

static const json_t *column(const json_t *preview, size_t index)
{
    return json_array_get(json_object_get(preview, "columns"), index);
}

static bool warns(const json_t *preview, const char *part)
{
    size_t i;
    json_t *text;
    json_array_foreach (json_object_get(preview, "warnings"), i, text)
        if (strstr(json_string_value(text), part))
            return true;
    return false;
}

static void a_table_is_described(void **state)
{
    SU_AUTO_JSON json_t *p = preview_text("t.csv",
        "id,price,ok,day,word,none\n1,1.5,true,2020-01-02,x,\n2,2.5,false,2020-01-01T10:00,y,NA\n2,NaN,true,,\"a,b\",\n");
    assert_holds(p,
        "{\"kind\":\"csv\",\"encoding\":\"utf-8\",\"delimiter\":\",\",\"header\":true,\"compression\":null,"
        "\"rows\":3,\"ragged_rows\":0,\"warnings\":[],\"complete\":true}");
    assert_holds(column(p, 0),
        "{\"name\":\"id\",\"type\":\"integer\",\"count\":3,\"nulls\":0,\"min\":1,\"max\":2,\"distinct\":2,"
        "\"distinct_exact\":true,\"top\":[{\"value\":2,\"count\":2},{\"value\":1,\"count\":1}]}");
    assert_true(fabs(json_real_value(json_object_get(column(p, 0), "mean")) - 5.0 / 3) < 1e-12);
    assert_holds(column(p, 1), "{\"type\":\"number\",\"count\":2,\"nulls\":1,\"min\":1.5,\"max\":2.5,\"mean\":2.0}");
    assert_holds(column(p, 2), "{\"type\":\"boolean\",\"min\":false,\"max\":true,\"mean\":null}");
    assert_holds(column(p, 3), "{\"type\":\"datetime\",\"count\":2,\"min\":\"2020-01-01T10:00\",\"max\":\"2020-01-02\"}");
    assert_holds(column(p, 4), "{\"type\":\"text\",\"min\":\"a,b\",\"max\":\"y\",\"mean\":null}");
    assert_holds(column(p, 5),
        "{\"type\":\"empty\",\"count\":0,\"nulls\":3,\"min\":null,\"max\":null,\"distinct\":0,\"top\":[]}");
    assert_holds(p,
        "{\"sample\":[[1,1.5,true,\"2020-01-02\",\"x\",null],[2,2.5,false,\"2020-01-01T10:00\",\"y\",null],[2,null,true,null,\"a,b\",null]]}");
}

static void equal_numbers_in_other_spellings_are_one_value(void **state)
{
    SU_AUTO_JSON json_t *p = preview_text("t.csv", "x\n1\n1.0\n1.00\n2\n");
    assert_holds(column(p, 0), "{\"type\":\"number\",\"distinct\":2}");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(column(p, 0), "top"), 0), "count")), 3);
}

static void a_mixed_column_is_text(void **state)
{
    SU_AUTO_JSON json_t *p = preview_text("t.csv", "x,y\n10,1\n9,2\nten,3\n");
    assert_holds(column(p, 0), "{\"type\":\"text\",\"count\":3,\"min\":\"10\",\"max\":\"ten\",\"mean\":null}");
}

static void headers_are_told_from_records(void **state)
{
    static const struct { const char *text; bool has_header; const char *first; int rows; } cases[] = {
        {"a,b\n1,2\n", true, "a", 1},
        {"1,2\n3,4\n", false, "column_1", 2},
        {"name,city\nann,rome\nbob,oslo\n", true, "name", 2},
        {"ann,rome\nbob,rome\nann,oslo\n", false, "column_1", 3},
        {",value\n0,1.5\n1,2.5\n", true, "column_1", 2},
        {"x,x\n1,2\n", true, "x", 1},
        {"a,b\n", true, "a", 0},
        {"2020-01-01,x\n2020-01-02,y\n", false, "column_1", 2},
    };
    for (size_t i = 0; i < SU_COUNT(cases); i++) {
        SU_AUTO_JSON json_t *p = preview_text("t.csv", cases[i].text);
        if (json_boolean_value(json_object_get(p, "header")) != cases[i].has_header)
            fail_msg("case %zu: header", i);
        assert_string_equal(json_string_value(json_object_get(column(p, 0), "name")), cases[i].first);
        assert_int_equal(json_integer_value(json_object_get(p, "rows")), cases[i].rows);
    }
    SU_AUTO_JSON json_t *twice = preview_text("t.csv", "x,x\n1,2\n");
    assert_string_equal(json_string_value(json_object_get(column(twice, 1), "name")), "x.1");
}

static void ragged_rows_are_counted_and_told(void **state)
{
    SU_AUTO_JSON json_t *p = preview_text("t.csv", "a,b,c\n1,2,3\n1,2\n1,2,3,4\n5,6,7\n");
    assert_holds(p, "{\"rows\":4,\"ragged_rows\":2}");
    assert_holds(column(p, 2), "{\"count\":3,\"nulls\":1}");
    assert_true(warns(p, "2 records have more or fewer than 3 fields"));
}

static void marks_and_encodings_are_understood(void **state)
{
    SU_AUTO_JSON json_t *mark = preview_text("t.csv", "\xef\xbb\xbfid,name\n1,caf\xc3\xa9\n");
    assert_string_equal(json_string_value(json_object_get(column(mark, 0), "name")), "id");
    SU_AUTO_JSON json_t *latin = preview_text("t.csv", "id;name\n1;caf\xe9\n2;\xfc" "ber\n");
    assert_holds(latin, "{\"encoding\":\"latin-1\",\"delimiter\":\";\",\"warnings\":[]}");
    assert_holds(column(latin, 1), "{\"max\":\"\xc3\xbc" "ber\"}");
    SU_AUTO_JSON json_t *both = preview_text("t.csv", "id,name\n1,caf\xc3\xa9\n2,caf\xe9\n");
    assert_holds(both, "{\"encoding\":\"utf-8\"}");
    assert_true(warns(both, "1 bytes are not valid UTF-8"));
    SU_AUTO_JSON json_t *wide = preview_bytes("t.csv", "\xff\xfe" "a\0,\0b\0\n\0" "1\0,\0" "2\0\n\0", 18);
    assert_holds(wide, "{\"encoding\":\"utf-16le\",\"rows\":1}");
}

static void odd_files_get_an_answer(void **state)
{
    SU_AUTO_JSON json_t *empty = preview_text("t.csv", "");
    assert_holds(empty, "{\"kind\":\"csv\",\"rows\":0,\"columns\":[],\"sample\":[],\"complete\":true}");
    assert_true(warns(empty, "the file is empty"));
    SU_AUTO_JSON json_t *blank = preview_text("t.csv", "\n\n\n");
    assert_holds(blank, "{\"kind\":\"csv\",\"rows\":0}");
    SU_AUTO_JSON json_t *binary = preview_bytes("t.bin", "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
    assert_holds(binary, "{\"kind\":\"binary\",\"encoding\":null,\"columns\":[]}");
    SU_AUTO_JSON json_t *text = preview_text("notes", "Dear all,\nthis is prose, with commas, here and there.\nBye\n");
    assert_holds(text, "{\"kind\":\"text\",\"rows\":3,\"columns\":[]}");
    SU_AUTO_JSON json_t *old_mac = preview_text("t.csv", "a,b\r1,2\r3,4\r");
    assert_holds(old_mac, "{\"rows\":2}");
    SU_AUTO_JSON json_t *unclosed = preview_text("t.csv", "a,b\n1,\"x\n2,y\n");
    assert_true(warns(unclosed, "never close"));
    SU_AUTO_JSON json_t *unnamed = preview_text("export", "a;b\n1;2\n3;4\n");
    assert_holds(unnamed, "{\"kind\":\"csv\",\"delimiter\":\";\"}");
}

static void json_lines_become_columns(void **state)
{
    SU_AUTO_JSON json_t *p = preview_text("t.ndjson",
        "{\"id\":1,\"user\":{\"name\":\"ann\",\"tags\":[1,2]},"
        "\"at\":\"2020-01-01T00:00:00Z\"}\n{\"user\":{\"name\":\"b\\u00f6b\"},\"id\":2.5,\"ok\":true}\n\nnonsense\n{\"id\":null}\n");
    assert_holds(p, "{\"kind\":\"ndjson\",\"rows\":3,\"header\":false,\"complete\":true}");
    assert_holds(column(p, 0),
        "{\"name\":\"id\",\"type\":\"number\",\"count\":2,\"nulls\":1,\"min\":1.0,\"max\":2.5,\"mean\":1.75}");
    assert_holds(column(p, 1), "{\"name\":\"user.name\",\"type\":\"text\",\"count\":2,\"max\":\"b\xc3\xb6" "b\"}");
    assert_holds(column(p, 2), "{\"name\":\"user.tags\",\"type\":\"text\",\"min\":\"[1,2]\"}");
    assert_holds(column(p, 3), "{\"name\":\"at\",\"type\":\"datetime\"}");
    assert_holds(column(p, 4), "{\"name\":\"ok\",\"type\":\"boolean\",\"nulls\":2}");
    assert_holds(p,
        "{\"sample\":[[1,\"ann\",\"[1,2]\",\"2020-01-01T00:00:00Z\",null],[2.5,\"b\xc3\xb6" "b\",null,null,true],[null,null,null,null,null]]}");
    assert_true(warns(p, "row 3 is not valid JSON"));
}

static void a_json_list_becomes_rows(void **state)
{
    SU_AUTO_JSON json_t *p = preview_text("t.json", " [ {\"a\": 1}, {\"a\": \"1\"}, 7 ] ");
    assert_holds(p, "{\"kind\":\"json\",\"rows\":3,\"warnings\":[]}");
    assert_holds(column(p, 0), "{\"name\":\"a\",\"type\":\"text\",\"distinct\":2}");
    assert_holds(column(p, 1), "{\"name\":\"value\",\"type\":\"integer\",\"count\":1,\"nulls\":2}");
    SU_AUTO_JSON json_t *torn = preview_text("t.json", "[{\"a\":1},{\"a\":");
    assert_holds(torn, "{\"rows\":1,\"complete\":false}");
    SU_AUTO_JSON json_t *single = preview_text("t.json", "{\"a\":{\"b\":1}}");
    assert_holds(single, "{\"kind\":\"json\",\"rows\":1}");
    SU_AUTO_JSON json_t *none = preview_text("t.json", "[]");
    assert_holds(none, "{\"kind\":\"json\",\"rows\":0,\"columns\":[]}");
}

static void deep_and_odd_json_is_bounded(void **state)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(1 << 20);
    for (int i = 0; i < 10000; i++)
        su_buf_adds(&text, "{\"a\":");
    su_buf_adds(&text, "1\n{\"b\":2}\n");
    SU_AUTO_JSON json_t *deep = preview_text("t.ndjson", su_buf_str(&text).ptr);
    assert_true(warns(deep, "nested deeper than 64"));
    assert_holds(deep, "{\"rows\":1}");
    SU_AUTO_JSON json_t *twice = preview_text("t.ndjson", "{\"a\":1,\"a\":2}\n{\"a\":1e999}\n{\"a\":01}\n{\"a\":\"\\ud800\"}\n");
    assert_holds(twice, "{\"rows\":3}");
}

/* ------------------------------------------------- large streams */

struct generated { uint64_t left; const char *head; size_t head_len; const char *unit; size_t unit_len, at; };

static bool read_generated(void *arg, void *data, size_t cap, size_t *ret, struct su_err *err)
{
    struct generated *g = arg;
    char *out = data;
    size_t len = g->left < cap ? (size_t)g->left : cap;
    for (size_t i = 0; i < len; i++) {
        size_t at = g->at++;
        out[i] = at < g->head_len ? g->head[at] : g->unit[(at - g->head_len) % g->unit_len];
    }
    g->left -= len;
    *ret = len;
    return true;
}

static json_t *preview_generated(const char *name, const char *head, const char *unit, uint64_t size)
{
    struct su_err err;
    struct generated g = {.left = size, .head = head, .head_len = strlen(head), .unit = unit, .unit_len = strlen(unit)};
    const struct profile_options options = {.hint = profile_hint_of(name, NULL), .seed = 42};
    json_t *preview = NULL;
    check_ok(profile_run(read_generated, &g, &options, &preview, &err));
    return preview;
}

static void a_line_of_two_gigabytes_is_told_in_bounded_memory(void **state)
{
    const uint64_t size = (uint64_t)2 << 30;
    malloc_trim(0);
    struct mallinfo2 before = mallinfo2();
    SU_AUTO_JSON json_t *line = preview_generated("t.csv", "", "a,b,", size);
    assert_holds(line, "{\"kind\":\"csv\",\"rows\":0,\"complete\":false}");
    assert_true(warns(line, "record 1 is longer than 16 MiB"));
    SU_AUTO_JSON json_t *quote = preview_generated("t.csv", "a,b\n1,2\n3,\"", "x,y\n", size);
    assert_holds(quote, "{\"kind\":\"csv\",\"rows\":1,\"complete\":false}");
    assert_true(warns(quote, "record 3 is longer than 16 MiB"));
    SU_AUTO_JSON json_t *json = preview_generated("t.ndjson", "{\"a\":\"", "x", size);
    assert_holds(json, "{\"rows\":0,\"complete\":false}");
    assert_true(mallinfo2().uordblks - before.uordblks < 1 << 20);
}

static void many_distinct_values_are_estimated(void **state)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(64 << 20);
    enum { ROWS = 300000 };
    su_buf_adds(&text, "id,value,often\n");
    double sum = 0;
    for (int i = 0; i < ROWS; i++) {
        double value = (double)((int64_t)i * 7919 % 1000003) / 8.0;
        sum += value;
        su_buf_addf(&text, "%d,%.3f,%s\n", i, value, i % 5 == 0 ? "frequent" : i % 20 == 1 ? "second" : "");
    }
    SU_AUTO_JSON json_t *p = preview_text("t.csv", su_buf_str(&text).ptr);
    assert_holds(p, "{\"rows\":300000}");
    const json_t *id = column(p, 0), *value = column(p, 1);
    assert_holds(id,
        "{\"type\":\"integer\",\"min\":0,\"max\":299999,\"distinct_exact\":false,\"mean\":149999.5,\"count\":300000}");
    double distinct = (double)json_integer_value(json_object_get(id, "distinct"));
    assert_true(fabs(distinct / ROWS - 1) < 0.05);
    assert_true(fabs(json_real_value(json_object_get(value, "mean")) - sum / ROWS) < 1e-9);
    assert_holds(column(p, 2),
        "{\"distinct\":2,\"nulls\":225000,\"top\":[{\"value\":\"frequent\",\"count\":60000},{\"value\":\"second\",\"count\":15000}]}");
}

static void frequent_values_are_found_among_many_others(void **state)
{
    const struct column_limits limits = {.slots_max = 4096, .text_max = 64 << 10, .hyperloglog_bits = 14, .seed = 1};
    struct column *c = column_new(&limits);
    char text[32];
    for (int i = 0; i < 500000; i++) {
        snprintf(text, sizeof text, i % 20 == 0 ? "hot" : i % 50 == 1 ? "warm" : "v%d", i);
        column_add(c, text, strlen(text));
    }
    SU_AUTO_JSON json_t *json = column_json(c, "x");
    const json_t *top = json_object_get(json, "top");
    assert_string_equal(json_string_value(json_object_get(json_array_get(top, 0), "value")), "hot");
    assert_string_equal(json_string_value(json_object_get(json_array_get(top, 1), "value")), "warm");
    assert_in_range(json_integer_value(json_object_get(json_array_get(top, 0), "count")), 23000, 25000);
    column_free(c);
}

static void wide_tables_stay_small(void **state)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(64 << 20);
    for (int r = 0; r < 300; r++)
        for (int c = 0; c < 3000; c++)
            su_buf_addf(&text, r == 0 ? "c%d%c" : "%d%c", r == 0 ? c : r * c, c == 2999 ? '\n' : ',');
    SU_AUTO_JSON json_t *p = preview_text("t.csv", su_buf_str(&text).ptr);
    assert_int_equal(json_array_size(json_object_get(p, "columns")), PROFILE_COLUMNS_MAX);
    assert_true(warns(p, "only the first 1024 of 3000 columns"));
    assert_holds(p, "{\"rows\":299}");
}

/* ---------------------------------------------------- the service */

struct world { struct store *store; struct su_bus *bus; struct objects *objects; struct previews *previews; struct su_err err; };

static void open_world(struct world *w, const char *dir)
{
    const struct store_migration *const migrations[] = {blobref_migrations, object_migrations, NULL};
    struct su_err err;
    w->bus = su_bus_new();
    check_ok(store_open(dir, migrations, &w->store, &err));
    check_ok(objects_open(w->store, w->bus, NULL, &w->objects, &err));
    check_ok(previews_open(w->store, w->bus, NULL, &w->previews, &err));
}

static void close_world(struct world *w)
{
    previews_close(w->previews);
    objects_close(w->objects);
    store_close(w->store);
    su_bus_free(w->bus);
}

static void put(struct world *w, const char *name, struct su_str content, struct object_info *ret)
{
    struct su_err err;
    const struct object_put what = {.key = {.tenant = "t", .kind = OBJECT_DATA, .name = name}};
    check_ok(object_put_bytes(w->objects, &what, content, ret, &err));
}

static int64_t count_notes(struct world *w)
{
    STORE_READ(w->store, db);
    struct su_err err;
    int64_t count = -1;
    check_ok(sql_get_int(db, 0, &count, &err, "SELECT count(*) FROM blob_notes"));
    return count;
}

static void previews_are_kept_by_content_and_go_with_it(void **state)
{
    struct world w;
    struct su_err err;
    open_world(&w, *state);
    OBJECT_AUTO_INFO struct object_info one = {0}, two = {0};
    SU_AUTO_JSON json_t *first = NULL, *second = NULL;
    put(&w, "a.csv", SU_STR("x,y\n1,2\n"), &one);
    put(&w, "b.csv", SU_STR("x,y\n1,2\n"), &two);
    check_ok(preview_get(w.previews, "t", &one, &first, &err));
    assert_int_equal(count_notes(&w), 1);
    check_ok(preview_get(w.previews, "t", &two, &second, &err));
    assert_int_equal(count_notes(&w), 1);
    assert_holds(first, "{\"name\":\"a.csv\",\"version\":1,\"rows\":1}");
    assert_holds(second, "{\"name\":\"b.csv\"}");
    struct object_delete what = {.key = {.tenant = "t", .kind = OBJECT_DATA, .name = "a.csv"}};
    check_ok(object_delete(w.objects, &what, &err));
    assert_int_equal(count_notes(&w), 1);
    what.key.name = "b.csv";
    check_ok(object_delete(w.objects, &what, &err));
    assert_int_equal(count_notes(&w), 0);
    close_world(&w);
}

struct asker { struct world *w; const struct object_info *info; json_t *preview; struct su_err err; };

static void ask(void *arg)
{
    struct asker *asker = arg;
    for (int tries = 0; tries < 1000 && !asker->preview; tries++)
        if (!preview_get(asker->w->previews, "t", asker->info, &asker->preview, &asker->err)) {
            if (asker->err.code != SU_UNAVAILABLE)
                return;
            usleep(5000);
        }
}

static void count_made(void *arg, const char *topic, const char *event, const json_t *detail) { ++*(_Atomic int *)arg; }

static void many_callers_get_one_computation_each_content(void **state)
{
    struct world w;
    open_world(&w, *state);
    SU_AUTO_BUF struct su_buf text = SU_BUF(64 << 20);
    su_buf_adds(&text, "a,b\n");
    for (int i = 0; i < 400000; i++)
        su_buf_addf(&text, "%d,x\n", i);
    OBJECT_AUTO_INFO struct object_info info = {0};
    put(&w, "large.csv", su_buf_str(&text), &info);
    _Atomic int made = 0;
    struct su_bus_subscription *subscription = su_bus_subscribe(w.bus, preview_topic(), count_made, &made);
    struct asker askers[6];
    struct su_thread threads[6] = {0};
    for (size_t i = 0; i < 6; i++) {
        askers[i] = (struct asker){.w = &w, .info = &info};
        su_thread_start(&threads[i], "asker", ask, &askers[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        su_thread_join(&threads[i]);
        assert_non_null(askers[i].preview);
        assert_holds(askers[i].preview, "{\"rows\":400000}");
        json_decref(askers[i].preview);
    }
    su_bus_unsubscribe(w.bus, subscription);
    assert_in_range(made, 1, 2);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_is_described),
        cmocka_unit_test(equal_numbers_in_other_spellings_are_one_value),
        cmocka_unit_test(a_mixed_column_is_text),
        cmocka_unit_test(headers_are_told_from_records),
        cmocka_unit_test(ragged_rows_are_counted_and_told),
        cmocka_unit_test(marks_and_encodings_are_understood),
        cmocka_unit_test(odd_files_get_an_answer),
        cmocka_unit_test(json_lines_become_columns),
        cmocka_unit_test(a_json_list_becomes_rows),
        cmocka_unit_test(deep_and_odd_json_is_bounded),
        cmocka_unit_test(a_line_of_two_gigabytes_is_told_in_bounded_memory),
        cmocka_unit_test(many_distinct_values_are_estimated),
        cmocka_unit_test(frequent_values_are_found_among_many_others),
        cmocka_unit_test(wide_tables_stay_small),
        cmocka_unit_test_setup_teardown(previews_are_kept_by_content_and_go_with_it, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(many_callers_get_one_computation_each_content, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
