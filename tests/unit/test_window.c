/* Windows: what closes them, what is in them, what is late; held against a naive reading of the same messages. */
#include "check.h"
#include "aggregate/blobref.h"
#include "aggregate/window.h"

static const int64_t S = 1000000;

struct row { int64_t time_us; bool is_punctuation; };
struct world {
    char *dir;
    struct store *store;
    struct logs *logs;
    int64_t log;
    struct row *rows;
    size_t count;
};

static void collect(struct store *store) { blobref_collect(store); }

static bool make_log(struct sql *db, void *arg, struct su_err *err)
{
    return log_new(db, "main", arg, err);
}

static int set_up(void **state)
{
    struct su_err err;
    struct world *w = su_alloc(sizeof *w);
    void *dir;
    scratch_make(&dir);
    w->dir = dir;
    const struct store_migration *const migrations[] = {blobref_migrations, log_migrations, NULL};
    const struct log_options options = {.owner = {blobref_hold, blobref_release, collect}, .seal_age_ms = INT64_C(1) << 40};
    if (!store_open(w->dir, migrations, &w->store, &err) || !logs_open(w->store, &options, &w->logs, &err)
        || !store_write(w->store, make_log, &w->log, &err))
        fail_msg("%s", err.message);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    void *dir = w->dir;
    logs_close(w->logs);
    store_close(w->store);
    scratch_remove(&dir);
    free(w->rows);
    free(w);
    return 0;
}

struct appending { struct world *world; struct su_buf block; };

static bool append_job(struct sql *db, void *arg, struct su_err *err)
{
    struct appending *a = arg;
    uint64_t first;
    return log_append(a->world->logs, db, a->world->log, a->block.ptr, a->block.len, &first, err);
}

static void append(struct world *w, const struct row *rows, size_t count)
{
    struct su_err err;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    SU_AUTO_BUF struct su_buf aligned = SU_BUF(1 << 24);
    struct appending a = {.world = w, .block = SU_BUF(1 << 24)};
    for (size_t i = 0; i < count; i++) {
        const struct block_message message = {.time_us = rows[i].time_us, .arrival_us = rows[i].time_us,
            .flag = rows[i].is_punctuation ? BLOCK_PUNCTUATION : BLOCK_MESSAGE, .body = SU_STR("{}")};
        block_begin(builder);
        check_ok(block_end(builder, &message, &err));
    }
    check_ok(block_finish(builder, 0, &a.block, &err));
    check_ok(store_write(w->store, append_job, &a, &err));
    su_buf_done(&a.block);
    w->rows = su_realloc(w->rows, (w->count + count) * sizeof *rows);
    memcpy(w->rows + w->count, rows, count * sizeof *rows);
    w->count += count;
}

static void say(struct world *w, int64_t seconds) { append(w, &(struct row){seconds * S, false}, 1); }
static void punctuate(struct world *w, int64_t seconds) { append(w, &(struct row){seconds * S, true}, 1); }

static bool next_of(struct world *w, const struct window_spec *spec, int64_t not_before, uint64_t offset_min, struct window *ret)
{
    struct su_err err;
    bool is_found;
    STORE_READ(w->store, db);
    check_ok(window_next(w->logs, db, w->log, spec, not_before, offset_min, ret, &is_found, &err));
    return is_found;
}

static void check_window(const struct window *window, int64_t start_s, int64_t end_s, uint64_t to, uint64_t messages)
{
    assert_int_equal(window->start_us, start_s * S);
    assert_int_equal(window->end_us, end_s * S);
    assert_int_equal(window->to, to);
    assert_int_equal(window->messages, messages);
    assert_int_equal(window->revision, 0);
}

/* --- the plain cases -------------------------------------------------------- */

static void a_window_closes_when_event_time_reaches_its_end(void **state)
{
    struct world *w = *state;
    const struct window_spec spec = {.every_us = 10 * S};
    struct window window;
    assert_false(next_of(w, &spec, INT64_MIN, 0, &window));
    say(w, 101), say(w, 109);
    assert_false(next_of(w, &spec, INT64_MIN, 0, &window));
    say(w, 110);
    assert_true(next_of(w, &spec, INT64_MIN, 0, &window));
    check_window(&window, 100, 110, 2, 2);
    assert_false(next_of(w, &spec, 110 * S, 0, &window));
}

static void the_delay_lets_late_messages_in(void **state)
{
    struct world *w = *state;
    const struct window_spec spec = {.every_us = 10 * S, .delay_us = 5 * S};
    struct window window;
    say(w, 101), say(w, 112), say(w, 103);
    assert_false(next_of(w, &spec, INT64_MIN, 0, &window));
    say(w, 115), say(w, 104);
    assert_true(next_of(w, &spec, INT64_MIN, 0, &window));
    check_window(&window, 100, 110, 3, 2);
    assert_int_equal(window.from, 0);
}

static void gaps_are_passed_over_unless_empty_windows_are_asked_for(void **state)
{
    struct world *w = *state;
    struct window_spec spec = {.every_us = S};
    struct window window;
    say(w, 100), say(w, 100000), say(w, 100001);
    assert_true(next_of(w, &spec, 101 * S, 0, &window));
    check_window(&window, 100000, 100001, 2, 1);
    spec.with_empty = true;
    assert_true(next_of(w, &spec, INT64_MIN, 0, &window));
    check_window(&window, 100, 101, 1, 1);
    assert_true(next_of(w, &spec, 101 * S, 0, &window));
    check_window(&window, 101, 102, 1, 0);
}

static void punctuations_move_time_and_are_no_messages(void **state)
{
    struct world *w = *state;
    const struct window_spec spec = {.every_us = 10 * S};
    struct window window;
    punctuate(w, 95), say(w, 100), punctuate(w, 105), punctuate(w, 110);
    assert_true(next_of(w, &spec, INT64_MIN, 0, &window));
    check_window(&window, 100, 110, 3, 1);
    assert_false(next_of(w, &spec, 110 * S, 0, &window));
}

static void sliding_windows_overlap(void **state)
{
    struct world *w = *state;
    const struct window_spec spec = {.every_us = 10 * S, .slide_us = 5 * S};
    struct window window;
    say(w, 103), say(w, 107), say(w, 120);
    assert_true(next_of(w, &spec, INT64_MIN, 0, &window));
    check_window(&window, 95, 105, 1, 1);
    assert_true(next_of(w, &spec, 100 * S, 0, &window));
    check_window(&window, 100, 110, 2, 2);
    assert_true(next_of(w, &spec, 105 * S, 0, &window));
    check_window(&window, 105, 115, 2, 1);
    assert_false(next_of(w, &spec, 110 * S, 0, &window));
}

static void windows_before_1970_are_aligned_too(void **state)
{
    struct world *w = *state;
    const struct window_spec spec = {.every_us = 10 * S};
    struct window window;
    say(w, -25), say(w, -11), say(w, 0);
    assert_true(next_of(w, &spec, INT64_MIN, 0, &window));
    check_window(&window, -30, -20, 1, 1);
    assert_true(next_of(w, &spec, -20 * S, 0, &window));
    check_window(&window, -20, -10, 2, 1);
}

static void messages_before_the_first_offset_do_not_count(void **state)
{
    struct world *w = *state;
    const struct window_spec spec = {.every_us = 10 * S};
    struct window window;
    say(w, 101), say(w, 102), say(w, 103), say(w, 115), say(w, 104), say(w, 120);
    assert_true(next_of(w, &spec, INT64_MIN, 1, &window));
    check_window(&window, 100, 110, 3, 2);
    assert_int_equal(window.from, 1);
    /* 104 is late for the window that 115 closed, whoever begins to look there. */
    assert_true(next_of(w, &spec, INT64_MIN, 4, &window) == false);
    assert_true(next_of(w, &spec, INT64_MIN, 3, &window));
    check_window(&window, 110, 120, 5, 1);
}

static void lengths_are_checked(void **state)
{
    struct su_err err;
    struct window_spec spec;
    check_ok(window_spec_read("10s", "5s", 0, &spec, &err));
    assert_int_equal(spec.every_us, 10 * S);
    assert_int_equal(spec.slide_us, 5 * S);
    check_ok(window_spec_read("366d", NULL, 0, &spec, &err));
    check_fails(window_spec_read("0s", NULL, 0, &spec, &err), SU_INVALID, "every: must be 1ms..366d, was \"0s\"");
    check_fails(window_spec_read("10s", "11s", 0, &spec, &err), SU_INVALID, "slide: must be at most the window's length");
    check_fails(window_spec_read("soon", NULL, 0, &spec, &err), SU_INVALID, "every");
    check_fails(window_spec_read(NULL, NULL, 0, &spec, &err), SU_INVALID, "every");
}

/* --- against a naive reading --------------------------------------------------- */

static uint64_t chance;
static uint64_t draw(uint64_t below)
{
    chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
    return chance % below;
}

/* The offset that closes the window, or SIZE_MAX. */
static size_t naive_closing(const struct world *w, int64_t reached_us)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->rows[i].time_us >= reached_us)
            return i;
    return SIZE_MAX;
}

static bool naive_at(const struct world *w, const struct window_spec *spec, int64_t start, uint64_t offset_min, struct window *ret)
{
    size_t to = naive_closing(w, start + spec->every_us + spec->delay_us);
    *ret = (struct window){.start_us = start, .end_us = start + spec->every_us, .to = to};
    for (size_t i = offset_min; to != SIZE_MAX && i < to; i++)
        ret->messages += !w->rows[i].is_punctuation && w->rows[i].time_us >= start && w->rows[i].time_us < ret->end_us;
    return to != SIZE_MAX;
}

static void check_all_windows(struct world *w, const struct window_spec *spec, uint64_t offset_min, int64_t low, int64_t high)
{
    int64_t slide = spec->slide_us ? spec->slide_us : spec->every_us, not_before = INT64_MIN;
    bool has_begun = false;
    struct window expected, window;
    for (int64_t start = (low / slide - spec->every_us / slide - 2) * slide; start <= high; start += slide) {
        if (!naive_at(w, spec, start, offset_min, &expected))
            break;
        if (expected.messages == 0 && !(spec->with_empty && has_begun))
            continue;
        has_begun = true;
        if (!next_of(w, spec, not_before, offset_min, &window))
            fail_msg("window at %lld is missing", (long long)start);
        if (window.start_us != start || window.to != expected.to || window.messages != expected.messages)
            fail_msg("window at %lld to %llu of %llu: got %lld to %llu of %llu", (long long)start, (unsigned long long)expected.to,
                     (unsigned long long)expected.messages, (long long)window.start_us, (unsigned long long)window.to,
                     (unsigned long long)window.messages);
        not_before = start + slide;
    }
    if (next_of(w, spec, not_before, offset_min, &window))
        fail_msg("a window at %lld too many", (long long)window.start_us);
}

static void check_late(struct world *w, const struct window_spec *spec, uint64_t from, uint64_t to)
{
    struct su_err err;
    struct window_late late;
    int64_t slide = spec->slide_us ? spec->slide_us : spec->every_us, high = INT64_MIN, least = INT64_MAX;
    uint64_t count = 0;
    for (size_t i = 0; i < to; i++) {
        int64_t time = w->rows[i].time_us, first = time - spec->every_us;
        first = (first / slide - (first % slide < 0)) * slide + slide;
        if (time > high)
            high = time;
        if (i < from || w->rows[i].is_punctuation || first > time || first + spec->every_us + spec->delay_us > high)
            continue;
        count++;
        if (first < least)
            least = first;
    }
    STORE_READ(w->store, db);
    check_ok(window_late(w->logs, db, w->log, spec, from, to, INT64_MIN, &late, &err));
    assert_int_equal(late.messages, count);
    assert_int_equal(late.has_start, count > 0);
    if (count > 0)
        assert_int_equal(late.start_us, least);
}

static void append_random(struct world *w, int64_t *time, size_t count)
{
    struct row rows[64];
    for (size_t i = 0; i < count; i++) {
        *time += (int64_t)draw(100) < 3 ? (int64_t)draw(60) * S : (int64_t)draw((uint64_t)S);
        int64_t back = draw(10) < 3 ? (int64_t)draw(15 * (uint64_t)S) : 0;
        rows[i] = (struct row){*time - back, draw(20) == 0};
    }
    append(w, rows, count);
}

static void random_logs_give_the_windows_of_a_naive_reading(void **state)
{
    static const struct window_spec specs[] = {
        {10000000, 0, 0, false}, {10000000, 0, 4000000, false}, {6000000, 2000000, 1000000, false},
        {3000000, 0, 7000000, true}, {7000000, 3000000, 0, false}, {500000, 0, 20000000, false}};
    struct world *w = *state;
    struct su_err err;
    uint64_t seed = (uint64_t)getpid() * 2654435761u + 1;
    chance = seed;
    print_message("# seed %llu\n", (unsigned long long)seed);
    int64_t time = -30 * S;
    for (int round = 0; round < 12; round++) {
        append_random(w, &time, 1 + draw(60));
        if (draw(4) == 0)
            check_ok(log_seal(w->logs, w->log, &err));
        for (size_t i = 0; i < SU_COUNT(specs); i++) {
            check_all_windows(w, &specs[i], 0, -60 * S, time);
            check_all_windows(w, &specs[i], draw(w->count), -60 * S, time);
            uint64_t from = draw(w->count);
            check_late(w, &specs[i], from, from + draw(w->count - from + 1));
        }
    }
}

static void what_comes_later_does_not_change_a_closed_window(void **state)
{
    struct world *w = *state;
    struct su_err err;
    const struct window_spec spec = {.every_us = 5 * S, .delay_us = S};
    struct window before[64], after;
    size_t count = 0;
    chance = 88172645463325252u;
    int64_t time = 0, not_before = INT64_MIN;
    append_random(w, &time, 60);
    while (count < SU_COUNT(before) && next_of(w, &spec, not_before, 0, &before[count]))
        not_before = before[count++].end_us;
    assert_true(count > 3);
    for (int i = 0; i < 4; i++)
        append_random(w, &(int64_t){10 * S}, 40);
    append_random(w, &time, 60);
    check_ok(log_seal(w->logs, w->log, &err));
    for (size_t i = 0; i < count; i++) {
        bool is_found;
        STORE_READ(w->store, db);
        check_ok(window_at(w->logs, db, w->log, &spec, before[i].start_us, 0, &after, &is_found, &err));
        assert_true(is_found);
        assert_memory_equal(&before[i], &after, sizeof after);
    }
}

static void a_later_view_holds_the_late_messages(void **state)
{
    struct world *w = *state;
    struct su_err err;
    const struct window_spec spec = {.every_us = 10 * S};
    struct window_late late;
    struct window window;
    say(w, 101), say(w, 112), say(w, 105), say(w, 121), say(w, 106), say(w, 113), say(w, 130);
    STORE_READ(w->store, db);
    check_ok(window_late(w->logs, db, w->log, &spec, 1, 6, INT64_MIN, &late, &err));
    assert_int_equal(late.messages, 3);
    assert_int_equal(late.start_us, 100 * S);
    check_ok(window_late(w->logs, db, w->log, &spec, 1, 6, 100 * S, &late, &err));
    assert_int_equal(late.start_us, 110 * S);
    check_ok(window_late(w->logs, db, w->log, &spec, 1, 6, 110 * S, &late, &err));
    assert_false(late.has_start);
    check_ok(window_view(w->logs, db, w->log, &spec, 100 * S, 0, 6, &window, &err));
    check_window(&window, 100, 110, 6, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_window_closes_when_event_time_reaches_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_delay_lets_late_messages_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gaps_are_passed_over_unless_empty_windows_are_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(punctuations_move_time_and_are_no_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sliding_windows_overlap, set_up, tear_down),
        cmocka_unit_test_setup_teardown(windows_before_1970_are_aligned_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_before_the_first_offset_do_not_count, set_up, tear_down),
        cmocka_unit_test(lengths_are_checked),
        cmocka_unit_test_setup_teardown(random_logs_give_the_windows_of_a_naive_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_comes_later_does_not_change_a_closed_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_later_view_holds_the_late_messages, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
