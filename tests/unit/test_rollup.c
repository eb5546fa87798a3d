/* Roll-ups: against a plain reference and against SQL on the same rows; windows in one pass; specs; limits. */
#include "check.h"

#include <math.h>

#include "aggregate/panes.h"
#include "aggregate/rollup.h"
#include "store/query.h"

enum { ROWS = 5000, KEYS = 7 };
struct row {
    int64_t time_us;
    int key;
    int64_t count;
    double lat;
    bool has_lat;
};
struct world {
    struct row rows[ROWS];
    struct su_buf bytes;
    struct block *blocks;
    size_t count;
    bool is_float;
};

static uint64_t draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void add_row(struct block_builder *builder, const struct row *row, bool is_float)
{
    struct su_err err;
    char name[16];
    snprintf(name, sizeof name, "k%d", row->key);
    block_begin(builder);
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("comm")), su_str_of(name));
    if (is_float)
        block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("count")), (double)row->count);
    else
        block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("count")), row->count);
    block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("key")), row->key);
    if (row->has_lat)
        block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("lat")), row->lat);
    check_ok(block_end(builder, &(struct block_message){.time_us = row->time_us, .arrival_us = row->time_us}, &err));
}

/* The same rows in blocks of `size`, counts as whole numbers or as floats. */
static void make_blocks(struct world *world, uint32_t size, bool is_float)
{
    struct su_err err;
    size_t places[ROWS + 1];
    for (size_t i = 0; i < world->count; i++)
        block_done(&world->blocks[i]);
    free(world->blocks);
    su_buf_done(&world->bytes);
    world->bytes = SU_BUF(64 << 20);
    world->count = 0;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    for (uint32_t at = 0; at < ROWS; at += size) {
        block_builder_clear(builder);
        for (uint32_t i = at; i < at + size && i < ROWS; i++)
            add_row(builder, &world->rows[i], is_float);
        places[world->count++] = world->bytes.len;
        check_ok(block_finish(builder, at, &world->bytes, &err));
    }
    world->blocks = su_alloc(world->count * sizeof *world->blocks);
    for (size_t i = 0; i < world->count; i++)
        check_ok(block_open(world->bytes.ptr + places[i], world->bytes.len - places[i], &world->blocks[i], &err));
}

static int set_up(void **state)
{
    struct world *world = su_alloc(sizeof *world);
    uint64_t seed = 7;
    for (int i = 0; i < ROWS; i++)
        world->rows[i] = (struct row){1000 * i, (int)(draw(&seed) % KEYS), (int64_t)(draw(&seed) % 1000) - 300,
                                      (double)(draw(&seed) % 10000) / 16, draw(&seed) % 5 > 0};
    make_blocks(world, 1500, false);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (size_t i = 0; i < world->count; i++)
        block_done(&world->blocks[i]);
    free(world->blocks);
    su_buf_done(&world->bytes);
    free(world);
    return 0;
}

static void roll(const struct world *world, struct rollup *rollup, struct rollup_pane *pane, int64_t from_us,
                 int64_t to_us)
{
    struct su_err err;
    for (size_t i = 0; i < world->count; i++)
        check_ok(rollup_add(rollup, pane, &world->blocks[i], 0, world->blocks[i].rows, from_us, to_us, &err));
}

static double number(struct block_value value)
{
    assert_true(value.kind == BLOCK_INT || value.kind == BLOCK_FLOAT);
    return value.kind == BLOCK_INT ? (double)value.integer : value.number;
}

static void near_to(struct block_value value, double wanted)
{
    double got = number(value);
    if (fabs(got - wanted) > 1e-9 * (fabs(wanted) + 1))
        fail_msg("got %.17g, wanted %.17g", got, wanted);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double percentile(double *sorted, size_t count, double percent)
{
    double rank = percent / 100 * (double)(count - 1);
    size_t low = (size_t)rank;
    return low + 1 < count ? sorted[low] + (sorted[low + 1] - sorted[low]) * (rank - (double)low) : sorted[low];
}

static const char all[] = "count(),count(lat),sum(count),avg(lat),min(lat),max(count),stddev(lat),p50(lat),p95(lat),"
                          "first(count),last(lat),rate(count)";

static void check_group(const struct world *world, const struct rollup *rollup, const struct rollup_pane *pane,
                        size_t at, int key, int64_t from_us, int64_t to_us)
{
    double lats[ROWS], sum = 0, lat_sum = 0, least = INFINITY, most = -INFINITY, first = 0, last = 0, squares = 0;
    size_t rows = 0, count = 0;
    for (int i = 0; i < ROWS; i++) {
        const struct row *row = &world->rows[i];
        if (row->key != key || row->time_us < from_us || row->time_us >= to_us)
            continue;
        first = rows++ ? first : (double)row->count;
        sum += (double)row->count;
        most = fmax(most, (double)row->count);
        if (!row->has_lat)
            continue;
        lats[count++] = last = row->lat;
        lat_sum += row->lat;
        least = fmin(least, row->lat);
    }
    for (size_t i = 0; i < count; i++)
        squares += (lats[i] - lat_sum / (double)count) * (lats[i] - lat_sum / (double)count);
    qsort(lats, count, sizeof *lats, by_value);
    const double wanted[] = {(double)rows,
                             (double)count,
                             sum,
                             lat_sum / (double)count,
                             least,
                             most,
                             sqrt(squares / (double)(count - 1)),
                             percentile(lats, count, 50),
                             percentile(lats, count, 95),
                             first,
                             last,
                             sum / 2};
    for (size_t i = 0; i < SU_COUNT(wanted); i++)
        near_to(rollup_value(rollup, pane, at, i), wanted[i]);
}

static void aggregates_are_those_of_a_plain_reference(void **state)
{
    struct world *world = *state;
    struct su_err err;
    ROLLUP_AUTO_SPEC struct rollup_spec spec = {0};
    check_ok(rollup_spec_read(&spec, su_str_of(all), SU_STR("comm"), &err));
    const struct {
        uint32_t size;
        bool is_float;
    } shapes[] = {{1500, false}, {1, false}, {ROWS, true}, {700, true}};
    for (size_t i = 0; i < SU_COUNT(shapes); i++) {
        make_blocks(world, shapes[i].size, shapes[i].is_float);
        ROLLUP_AUTO struct rollup *rollup = rollup_new(&spec, 2000000, NULL);
        ROLLUP_AUTO_PANE struct rollup_pane *pane = rollup_pane_new(rollup);
        for (int64_t from_us = 0; from_us < 5000000; from_us += 2000000) {
            rollup_pane_clear(pane);
            roll(world, rollup, pane, from_us, from_us + 2000000);
            assert_int_equal(rollup_finish(rollup, pane), KEYS);
            for (int key = 0; key < KEYS; key++) {
                char name[16];
                snprintf(name, sizeof name, "k%d", key);
                assert_true(su_str_equal(rollup_key(rollup, pane, (size_t)key, 0).text, su_str_of(name)));
                check_group(world, rollup, pane, (size_t)key, key, from_us, from_us + 2000000);
            }
        }
        /* Whole numbers stay whole, whatever the block holds them as. */
        assert_int_equal(rollup_value(rollup, pane, 0, 2).kind, BLOCK_INT);
        rollup_pane_free(su_take(pane));
    }
}

static void several_keys_and_none_make_groups(void **state)
{
    struct world *world = *state;
    struct su_err err;
    make_blocks(world, 1500, false);
    ROLLUP_AUTO_SPEC struct rollup_spec two = {0}, none = {0}, absent = {0};
    check_ok(rollup_spec_read(&two, SU_STR("sum(count)"), SU_STR("key, comm"), &err));
    check_ok(rollup_spec_read(&none, SU_STR("count(*), sum(nowhere), count(nowhere), first(nowhere), p95(nowhere)"),
                              SU_STR(""), &err));
    check_ok(rollup_spec_read(&absent, SU_STR("count()"), SU_STR("nowhere"), &err));
    ROLLUP_AUTO struct rollup *rollup = rollup_new(&two, 1, NULL);
    struct rollup_pane *pane = rollup_pane_new(rollup);
    roll(world, rollup, pane, INT64_MIN, INT64_MAX);
    assert_int_equal(rollup_finish(rollup, pane), KEYS);
    for (size_t i = 0; i < KEYS; i++)
        assert_int_equal(rollup_key(rollup, pane, i, 0).integer, i);
    rollup_pane_free(pane);
    ROLLUP_AUTO struct rollup *other = rollup_new(&none, 1, NULL);
    pane = rollup_pane_new(other);
    roll(world, other, pane, INT64_MIN, INT64_MAX);
    assert_int_equal(rollup_finish(other, pane), 1);
    assert_int_equal(rollup_value(other, pane, 0, 0).integer, ROWS);
    assert_int_equal(rollup_value(other, pane, 0, 1).kind, 0);
    assert_int_equal(rollup_value(other, pane, 0, 2).integer, 0);
    assert_int_equal(rollup_value(other, pane, 0, 3).kind, 0);
    assert_int_equal(rollup_value(other, pane, 0, 4).kind, 0);
    rollup_pane_free(pane);
    ROLLUP_AUTO struct rollup *last = rollup_new(&absent, 1, NULL);
    pane = rollup_pane_new(last);
    roll(world, last, pane, INT64_MIN, INT64_MAX);
    assert_int_equal(rollup_finish(last, pane), 1);
    assert_int_equal(rollup_key(last, pane, 0, 0).kind, 0);
    rollup_pane_free(pane);
}

/* --------------------------------------------------------------- beside SQL */

struct walk {
    const struct world *world;
    size_t at;
};
static bool scan(void *arg, const struct query_bounds *bounds, void **ret, struct su_err *err)
{
    struct walk *walk = su_alloc(sizeof *walk);
    walk->world = arg;
    *ret = walk;
    return true;
}
static enum query_next next_piece(void *arg, struct query_piece *ret, struct su_err *err)
{
    struct walk *walk = arg;
    if (walk->at == walk->world->count)
        return QUERY_DONE;
    struct block *block = &walk->world->blocks[walk->at++];
    *ret = (struct query_piece){block, 0, block->rows};
    return QUERY_ROW;
}
static const struct relation_field fields[] = {{{"comm", 4}, {"comm", 4}, BLOCK_TEXT},
                                               {{"count", 5}, {"count", 5}, BLOCK_INT},
                                               {{"lat", 3}, {"lat", 3}, BLOCK_FLOAT}};
static bool resolve(void *arg, const char *name, struct query_table *ret, struct su_err *err)
{
    *ret = (struct query_table){fields, SU_COUNT(fields), true, 0, 2000000, arg, scan, next_piece, free, NULL};
    return true;
}

static void sql_gives_the_same(void **state)
{
    struct world *world = *state;
    struct su_err err;
    make_blocks(world, 1500, false);
    ROLLUP_AUTO_SPEC struct rollup_spec spec = {0};
    check_ok(rollup_spec_read(&spec, su_str_of(all), SU_STR("comm"), &err));
    ROLLUP_AUTO struct rollup *rollup = rollup_new(&spec, 2000000, NULL);
    struct rollup_pane *pane = rollup_pane_new(rollup);
    roll(world, rollup, pane, 0, 2000000);
    assert_int_equal(rollup_finish(rollup, pane), KEYS);
    const struct query_options options = {.arg = world, .resolve = resolve, .window_us = &(int64_t){2000000}};
    SU_AUTO_FREE char *sql = su_format("select %s from x group by comm", all);
    QUERY_AUTO struct query *query = NULL;
    check_ok(query_open(&options, su_str_of(sql), &query, &err));
    for (size_t row = 0; row < KEYS; row++) {
        assert_int_equal(query_step(query, &err), QUERY_ROW);
        for (size_t i = 0; i < spec.count; i++)
            near_to(rollup_value(rollup, pane, row, i), number(query_value(query, i)));
    }
    assert_int_equal(query_step(query, &err), QUERY_DONE);
    rollup_pane_free(pane);
}

/* ------------------------------------------------------------ specs, limits */

static void a_wrong_spec_is_refused_in_words(void **state)
{
    static const struct {
        const char *aggregates, *by, *part;
    } wrong[] = {
        {"", "", "at least one"},
        {"sum", "", "like sum(field)"},
        {"sum(x", "", "like sum(field)"},
        {"summ(x)", "", "no function \"summ\""},
        {"sum()", "", "needs a field"},
        {"percentile(x)", "", "0 to 100"},
        {"percentile(x, 101)", "", "0 to 100"},
        {"percentile(x, y)", "", "0 to 100"},
        {"sum(x), sum(x)", "", "twice"},
        {"count()", "a,a", "twice"},
        {"count()", "a,,b", "1..512"},
        {"count()", "a,b,c,d,e,f,g,h,i", "at most 8"},
        {"sum(x),,", "", "like sum(field)"},
    };
    for (size_t i = 0; i < SU_COUNT(wrong); i++) {
        struct su_err err;
        ROLLUP_AUTO_SPEC struct rollup_spec spec = {0};
        if (rollup_spec_read(&spec, su_str_of(wrong[i].aggregates), su_str_of(wrong[i].by), &err))
            fail_msg("%s by %s was read", wrong[i].aggregates, wrong[i].by);
        if (!strstr(err.message, wrong[i].part))
            fail_msg("%s by %s: %s", wrong[i].aggregates, wrong[i].by, err.message);
    }
    struct su_err err;
    ROLLUP_AUTO_SPEC struct rollup_spec spec = {0};
    check_ok(
        rollup_spec_read(&spec, SU_STR(" percentile( user.lat , 99.9 ) , count( ) "), SU_STR(" user.name "), &err));
    assert_string_equal(spec.aggregates[0].field, "user.lat");
    assert_true(spec.aggregates[0].percent > 99.8 && !spec.aggregates[1].field);
    assert_string_equal(spec.by[0], "user.name");
}

static void groups_and_kept_values_are_bounded(void **state)
{
    struct world *world = *state;
    struct su_err err;
    make_blocks(world, 1500, false);
    ROLLUP_AUTO_SPEC struct rollup_spec spec = {0};
    check_ok(rollup_spec_read(&spec, SU_STR("p99(lat)"), SU_STR("comm"), &err));
    ROLLUP_AUTO struct rollup *few = rollup_new(&spec, 1, &(struct rollup_limits){.groups_max = 3});
    struct rollup_pane *pane = rollup_pane_new(few);
    check_fails(rollup_add(few, pane, &world->blocks[0], 0, 1500, INT64_MIN, INT64_MAX, &err), SU_LIMIT, "3 groups");
    rollup_pane_free(pane);
    ROLLUP_AUTO struct rollup *small = rollup_new(&spec, 1, &(struct rollup_limits){.values_max = 100});
    pane = rollup_pane_new(small);
    check_fails(rollup_add(small, pane, &world->blocks[0], 0, 1500, INT64_MIN, INT64_MAX, &err), SU_LIMIT,
                "100 values");
    rollup_pane_free(pane);
}

/* -------------------------------------------------- windows over a real log */

struct seen {
    int64_t start_us[4000];
    int64_t rows[4000];
    bool is_closed[4000];
    size_t count;
};

static bool see(void *arg, const struct pane *pane, struct su_err *err)
{
    struct seen *seen = arg;
    seen->start_us[seen->count] = pane->start_us;
    seen->is_closed[seen->count] = pane->is_closed;
    seen->rows[seen->count++] = rollup_value(pane->rollup, pane->groups, 0, 0).integer;
    return true;
}

struct appending {
    struct logs *logs;
    int64_t log;
    struct su_buf *block;
    bool is_new;
};
static bool append_job(struct sql *db, void *arg, struct su_err *err)
{
    struct appending *appending = arg;
    uint64_t first;
    return (!appending->is_new || log_new(db, "main", &appending->log, err)) &&
           log_append(appending->logs, db, appending->log, appending->block->ptr, appending->block->len, &first, err);
}

static bool hold(struct sql *db, const char *tenant, const char *holder, const char *sha256, struct su_err *err)
{
    return true;
}
static void collect(struct store *store) { (void)store; }

static void compare_with_window_h(struct logs *logs, struct store *store, int64_t log, const struct window_spec *window)
{
    struct su_err err;
    ROLLUP_AUTO_SPEC struct rollup_spec spec = {0};
    check_ok(rollup_spec_read(&spec, SU_STR("count()"), SU_STR(""), &err));
    struct seen *seen = su_alloc(sizeof *seen);
    STORE_READ(store, db);
    const struct panes_range range = {INT64_MIN, INT64_MAX, true};
    check_ok(panes_read(logs, db, log, window, &spec, NULL, &range, see, seen, NULL, &err));
    int64_t not_before_us = INT64_MIN;
    for (size_t i = 0; i <= seen->count; i++) {
        struct window found;
        bool is_found;
        check_ok(window_next(logs, db, log, window, not_before_us, 0, &found, &is_found, &err));
        bool is_closed = i < seen->count && seen->is_closed[i];
        assert_int_equal(is_found, is_closed);
        if (!is_found)
            break;
        assert_int_equal(found.start_us, seen->start_us[i]);
        assert_int_equal(found.messages, seen->rows[i]);
        not_before_us = found.start_us + (window->slide_us ? window->slide_us : window->every_us);
    }
    /* A part of the windows is the same part. */
    struct seen *part = su_alloc(sizeof *part);
    const struct panes_range inner = {seen->start_us[3], seen->start_us[9] + 1, false};
    check_ok(panes_read(logs, db, log, window, &spec, NULL, &inner, see, part, NULL, &err));
    assert_int_equal(part->count, 7);
    for (size_t i = 0; i < part->count; i++)
        assert_int_equal(part->rows[i], seen->rows[i + 3]);
    free(part);
    free(seen);
}

static void windows_in_one_pass_are_those_of_window_h(void **state)
{
    void *dir;
    struct su_err err;
    struct store *store;
    struct logs *logs;
    assert_int_equal(scratch_make(&dir), 0);
    const struct store_migration *const migrations[] = {log_migrations, NULL};
    check_ok(store_open(dir, migrations, &store, &err));
    check_ok(logs_open(store, &(struct log_options){.owner = {hold, hold, collect}}, &logs, &err));
    uint64_t seed = 11;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    struct appending appending = {.logs = logs, .is_new = true};
    int64_t time_us = 0;
    for (int block = 0; block < 6; block++) {
        SU_AUTO_BUF struct su_buf bytes = SU_BUF(1 << 20);
        block_builder_clear(builder);
        for (int i = 0; i < 700; i++) {
            time_us += (int64_t)(draw(&seed) % 20000);
            const struct row row = {time_us - (int64_t)(draw(&seed) % 4 == 0 ? draw(&seed) % 300000 : 0),
                                    (int)(draw(&seed) % KEYS), 1, 1, true};
            add_row(builder, &row, false);
        }
        block_begin(builder);
        check_ok(
            block_end(builder, &(struct block_message){.time_us = time_us + 50000, .flag = BLOCK_PUNCTUATION}, &err));
        check_ok(block_finish(builder, 0, &bytes, &err));
        appending.block = &bytes;
        check_ok(store_write(store, append_job, &appending, &err));
        appending.is_new = false;
    }
    const struct window_spec specs[] = {{.every_us = 100000},
                                        {.every_us = 100000, .delay_us = 150000},
                                        {.every_us = 300000, .slide_us = 100000},
                                        {.every_us = 250000, .slide_us = 100000, .delay_us = 100000},
                                        {.every_us = 2000000}};
    for (size_t i = 0; i < SU_COUNT(specs); i++)
        compare_with_window_h(logs, store, appending.log, &specs[i]);
    logs_close(logs);
    store_close(store);
    scratch_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aggregates_are_those_of_a_plain_reference),
        cmocka_unit_test(several_keys_and_none_make_groups),
        cmocka_unit_test(sql_gives_the_same),
        cmocka_unit_test(a_wrong_spec_is_refused_in_words),
        cmocka_unit_test(groups_and_kept_values_are_bounded),
        cmocka_unit_test(windows_in_one_pass_are_those_of_window_h),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
