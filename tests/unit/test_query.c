/* Queries: SELECT over blocks, what a statement may not do, limits, joins, determinism. */
#include "check.h"

#include "base/clock.h"
#include "store/query.h"

/* ------------------------------------------------------------------ a table */

enum { BLOCKS_MAX = 8 };
struct fixture {
    struct su_buf bytes[BLOCKS_MAX];
    struct block blocks[BLOCKS_MAX];
    size_t count;
    const struct relation_field *fields;
    size_t field_count;
    bool is_stream;
    int64_t time_from_us, time_to_us;
    size_t scans;
};
struct world {
    const char *names[4];
    struct fixture *tables[4];
};
struct walk {
    struct fixture *fixture;
    size_t at;
};

static bool scan(void *arg, const struct query_bounds *bounds, void **ret, struct su_err *err)
{
    struct walk *walk = su_alloc(sizeof *walk);
    walk->fixture = arg;
    walk->fixture->scans++;
    *ret = walk;
    return true;
}

static enum query_next next_piece(void *arg, struct query_piece *ret, struct su_err *err)
{
    struct walk *walk = arg;
    if (walk->at == walk->fixture->count)
        return QUERY_DONE;
    struct block *block = &walk->fixture->blocks[walk->at++];
    *ret = (struct query_piece){block, 0, block->rows};
    return QUERY_ROW;
}

static bool resolve(void *arg, const char *name, struct query_table *ret, struct su_err *err)
{
    struct world *world = arg;
    for (size_t i = 0; i < 4 && world->names[i]; i++)
        if (strcmp(world->names[i], name) == 0) {
            struct fixture *fixture = world->tables[i];
            *ret = (struct query_table){fixture->fields,
                                        fixture->field_count,
                                        fixture->is_stream,
                                        fixture->time_from_us,
                                        fixture->time_to_us,
                                        fixture,
                                        scan,
                                        next_piece,
                                        free,
                                        NULL};
            return true;
        }
    return su_fail_field(err, SU_NOT_FOUND, "sql", "sql: there is no stream or object \"%s\"", name);
}

static const struct relation_field fields[] = {
    {{"comm", 4}, {"comm", 4}, BLOCK_TEXT}, {{"count", 5}, {"count", 5}, BLOCK_INT},
    {{"lat", 3}, {"lat", 3}, BLOCK_FLOAT},  {{"user.name", 9}, {"user.name", 9}, BLOCK_TEXT},
    {{"ok", 2}, {"ok", 2}, BLOCK_BOOL},     {{"mixed", 5}, {"mixed", 5}, BLOCK_TEXT},
};
static const char *const names[] = {"bash", "curl", "httpd"};

static void add_row(struct block_builder *builder, int64_t i)
{
    struct su_err err;
    block_begin(builder);
    const char *comm = names[i % 3];
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("comm")), su_str_of(comm));
    block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("count")), i);
    if (i % 4)
        block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("lat")), (double)i / 8);
    block_field user = block_member(builder, BLOCK_ROOT, SU_STR("user"));
    char text[32];
    snprintf(text, sizeof text, "u%lld", (long long)i);
    block_set_text(builder, block_member(builder, user, SU_STR("name")), su_str_of(text));
    block_set_bool(builder, block_member(builder, BLOCK_ROOT, SU_STR("ok")), i % 2);
    if (i % 2)
        block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("mixed")), i);
    const struct block_message message = {
        .time_us = 1000000 * i, .arrival_us = 1000000 * i + 5, .key = su_str_of(comm), .body = SU_STR("{}")};
    check_ok(block_end(builder, &message, &err));
}

static void add_block(struct fixture *fixture, struct block_builder *builder, uint64_t first)
{
    struct su_err err;
    fixture->bytes[fixture->count] = SU_BUF(64 << 20);
    check_ok(block_finish(builder, first, &fixture->bytes[fixture->count], &err));
    check_ok(block_open(fixture->bytes[fixture->count].ptr, fixture->bytes[fixture->count].len,
                        &fixture->blocks[fixture->count], &err));
    fixture->count++;
    block_builder_clear(builder);
}

/* 4,000 messages a second apart, in two blocks, and a punctuation. */
static void make_stream(struct fixture *fixture)
{
    struct su_err err;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    *fixture = (struct fixture){.fields = fields,
                                .field_count = SU_COUNT(fields),
                                .is_stream = true,
                                .time_from_us = INT64_MIN,
                                .time_to_us = INT64_MAX};
    for (int64_t i = 0; i < 3000; i++)
        add_row(builder, i);
    add_block(fixture, builder, 0);
    for (int64_t i = 3000; i < 4000; i++)
        add_row(builder, i);
    block_begin(builder);
    check_ok(block_end(
        builder, &(struct block_message){.time_us = 4000000000, .arrival_us = 1, .flag = BLOCK_PUNCTUATION}, &err));
    add_block(fixture, builder, 3000);
}

static const struct relation_field lookup_fields[] = {
    {{"comm", 4}, {"comm", 4}, BLOCK_TEXT}, {{"team", 4}, {"team", 4}, BLOCK_TEXT}, {{"n", 1}, {"n", 1}, BLOCK_INT}};

static void make_lookup(struct fixture *fixture)
{
    struct su_err err;
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    *fixture = (struct fixture){.fields = lookup_fields,
                                .field_count = SU_COUNT(lookup_fields),
                                .time_from_us = INT64_MIN,
                                .time_to_us = INT64_MAX};
    for (int i = 0; i < 2; i++) {
        block_begin(builder);
        block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("comm")), su_str_of(names[i]));
        block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("team")), i ? SU_STR("red") : SU_STR("blue"));
        block_set_int(builder, block_member(builder, BLOCK_ROOT, SU_STR("n")), i + 1);
        check_ok(block_end(builder, &(struct block_message){0}, &err));
    }
    add_block(fixture, builder, 0);
}

static void drop_fixture(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->count; i++) {
        block_done(&fixture->blocks[i]);
        su_buf_done(&fixture->bytes[i]);
    }
}

static int set_up(void **state)
{
    struct world *world = su_alloc(sizeof *world);
    world->names[0] = "syscalls";
    world->names[1] = "look/up.csv";
    for (int i = 0; i < 2; i++)
        world->tables[i] = su_alloc(sizeof(struct fixture));
    make_stream(world->tables[0]);
    make_lookup(world->tables[1]);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 2; i++) {
        drop_fixture(world->tables[i]);
        free(world->tables[i]);
    }
    free(world);
    return 0;
}

/* ------------------------------------------------------------------ helpers */

static void put_value(struct su_buf *out, const struct block_value *value)
{
    switch (value->kind) {
    case BLOCK_INT:
    case BLOCK_BOOL:
        su_buf_addf(out, "%lld", (long long)value->integer);
        break;
    case BLOCK_FLOAT:
        su_buf_addf(out, "%.10g", value->number);
        break;
    case BLOCK_TEXT:
    case BLOCK_JSON:
        su_buf_add(out, value->text.ptr, value->text.len);
        break;
    default:
        su_buf_adds(out, "-");
    }
}

/* "a|b;c|d": the answer's rows; caller frees. */
static bool ask_with(struct world *world, struct query_options options, const char *sql, char **ret, struct su_err *err)
{
    options.arg = world;
    options.resolve = resolve;
    QUERY_AUTO struct query *query = NULL;
    if (!query_open(&options, su_str_of(sql), &query, err))
        return false;
    SU_AUTO_BUF struct su_buf out = SU_BUF(16 << 20);
    for (uint64_t row = 0;; row++) {
        enum query_next next = query_step(query, err);
        if (next == QUERY_ERROR)
            return false;
        if (next == QUERY_DONE)
            break;
        su_buf_adds(&out, row ? ";" : "");
        for (size_t i = 0; i < query_columns(query); i++) {
            struct block_value value = query_value(query, i);
            su_buf_adds(&out, i ? "|" : "");
            put_value(&out, &value);
        }
    }
    if (query_is_truncated(query))
        su_buf_adds(&out, ";…");
    *ret = su_strdup(out.ptr ? out.ptr : "");
    return true;
}

static void expect(struct world *world, const char *sql, const char *wanted)
{
    struct su_err err;
    SU_AUTO_FREE char *got = NULL;
    if (!ask_with(world, (struct query_options){.window_us = &(int64_t){2000000}}, sql, &got, &err))
        fail_msg("%s: %s", sql, err.message);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: got %.400s, wanted %s", sql, got, wanted);
}

static void refuses(struct world *world, const char *sql, enum su_code code, const char *part)
{
    struct su_err err;
    SU_AUTO_FREE char *got = NULL;
    if (ask_with(world, (struct query_options){0}, sql, &got, &err))
        fail_msg("%s: was answered: %.100s", sql, got);
    if (err.code != code || !strstr(err.message, part))
        fail_msg("%s: %s: %s", sql, su_code_name(err.code), err.message);
}

/* -------------------------------------------------------------------- tests */

static void groups_and_filters_are_answered(void **state)
{
    expect(*state, "select count(*), sum(count), min(lat), max(lat) from syscalls", "4000|7998000|0.125|499.875");
    expect(*state, "select comm, count(*), sum(count) from syscalls group by comm",
           "bash|1334|2667333;curl|1333|2664667;httpd|1333|2666000");
    expect(*state, "select count from syscalls where comm = 'curl' and count < 8", "1;4;7");
    expect(*state, "select \"user.name\", ok, mixed from syscalls limit 3", "u0|0|-;u1|1|1;u2|0|-");
    expect(*state, "select count(lat), count(*) from syscalls", "3000|4000");
    expect(*state, "select typeof(mixed), typeof(count), typeof(lat), typeof(ok) from syscalls where count = 3",
           "text|integer|real|integer");
    expect(*state, "select max(comm), min(\"user.name\") from syscalls", "httpd|u0");
    expect(*state,
           "with a as (select comm, count c from syscalls where count < 4) select comm, sum(c) from a group by 1 order "
           "by 2 desc",
           "bash|3;httpd|2;curl|1");
    expect(*state, "select json_extract('{\"a\":[1,2]}', '$.a[1]'), count(*) from json_each('[1,2,3]')", "2|3");
}

static void messages_have_their_own_columns(void **state)
{
    expect(
        *state,
        "select _offset, _time, _key, _time_us, _arrival, _arrival_us, _body, _id from syscalls where _offset = 3001",
        "3001|1970-01-01T00:50:01.000000Z|curl|3001000000|1970-01-01T00:50:01.000005Z|3001000005|{}|-");
    expect(*state, "select * from syscalls where _offset = 1",
           "1|1970-01-01T00:00:01.000000Z|curl|curl|1|0.125|u1|1|1");
    expect(*state, "select count(*) from syscalls where _time >= '1970-01-01T01:00:00.000000Z'", "400");
    expect(*state, "select count(*) from syscalls where _time >= '1970-01-01T01:00:00Z' and _time < '1970-01-01T01:00:09.5Z'", "10");
    expect(*state, "select _offset from syscalls where _time = '1970-01-01T01:00:00Z'", "3600");
    expect(*state, "select _offset from syscalls where _time between '1970-01-01T01:00:00Z' and '1970-01-01T01:00:01Z'", "3600;3601");
    expect(*state, "select count(*) from syscalls where _time_us < 10000000", "10");
    expect(*state, "select _offset from syscalls where _offset between 2999 and 3001", "2999;3000;3001");
    expect(*state, "select _offset from syscalls order by _offset desc limit 2", "3999;3998");
}

static void further_aggregates_are_those_of_a_sample(void **state)
{
    expect(*state,
           "select stddev(count), variance(count), median(count), p50(count), p95(count), p99(count), "
           "percentile(count, 25) from syscalls where count < 5",
           "1.58113883|2.5|2|2|3.8|3.96|1");
    expect(*state, "select first(comm), last(comm), first(lat), rate(count), rate() from syscalls where count < 5",
           "bash|curl|0.125|5|2.5");
    expect(*state, "select stddev(lat), p95(lat), first(lat), last(lat) from syscalls where count < 1", "-|-|-|-");
    refuses(*state, "select rate(count) from syscalls", SU_INVALID, "rate()");
    refuses(*state, "select percentile(count, 101) from syscalls", SU_INVALID, "0 to 100");
}

static void objects_are_joined_by_an_index(void **state)
{
    struct world *world = *state;
    expect(world,
           "select team, count(*), sum(s.count * l.n) from syscalls s join \"look/up.csv\" l on l.comm = s.comm group "
           "by team",
           "blue|1334|2667333;red|1333|5329334");
    expect(world, "select count(*) from syscalls s left join \"look/up.csv\" l using (comm) where l.team is null",
           "1333");
    expect(world, "select count(*) from syscalls a join syscalls b on a.count = b.mixed", "2000");
    expect(world, "select s.count from syscalls s join \"look/up.csv\" l on l.comm = s.comm limit 4", "0;1;3;4");
}

static void a_range_of_event_time_bounds_every_row(void **state)
{
    struct world *world = *state;
    struct fixture *fixture = world->tables[0];
    fixture->time_from_us = 2990500000;
    fixture->time_to_us = 3010000000;
    expect(world, "select count(*), min(count), max(count) from syscalls", "19|2991|3009");
    fixture->time_from_us = INT64_MIN;
    fixture->time_to_us = INT64_MAX;
}

static void nothing_but_reading_is_allowed(void **state)
{
    static const char *const hostile[] = {
        "attach '/etc/passwd' as x",
        "pragma database_list",
        "create table t(a)",
        "insert into syscalls values (1)",
        "drop table syscalls",
        "vacuum into '/tmp/x'",
        "begin",
        "create temp table t as select 1",
        "delete from sqlite_master",
        "select load_extension('x')",
        "select * from pragma_database_list",
        "select * from sqlite_master",
        "select * from dbstat",
        "select fts3_tokenizer('simple')",
        "select * from sqlite_stmt",
        "create virtual table t using fts5(a)",
        "reindex",
        "analyze",
        "detach main",
        "update syscalls set count = 1",
        "select random()",
        "select hex(randomblob(4))",
        "select datetime('now')",
        "select date()",
        "select current_timestamp",
        "select current_time",
        "select strftime('%s', 'now')",
        "select julianday()",
        "select unixepoch('n' || 'ow')",
        "select datetime(0, 'unixepoch', 'localtime')",
        "select sqlite_version()",
        "select changes()",
        "select last_insert_rowid()",
        "select 1; select 2",
        "",
        " -- nothing",
        "select ?1",
        "select :a",
        "select writefile('/tmp/x', 'y')",
        "select readfile('/etc/passwd')",
        "select edit('x')",
        "select * from main.sqlite_schema",
        "select * from temp.sqlite_master",
        "explain pragma writable_schema=1",
        "select * from syscalls, dbstat",
        "values (random())",
    };
    for (size_t i = 0; i < SU_COUNT(hostile); i++) {
        struct su_err err;
        char *got = NULL;
        if (ask_with(*state, (struct query_options){0}, hostile[i], &got, &err))
            fail_msg("%s: was answered: %s", hostile[i], got);
        if (err.code != SU_INVALID && err.code != SU_NOT_FOUND)
            fail_msg("%s: %s: %s", hostile[i], su_code_name(err.code), err.message);
    }
    SU_AUTO_FREE char *sql = su_format("select \"%s\"", "x\xff");
    refuses(*state, sql, SU_INVALID, "UTF-8");
}

static void errors_say_where(void **state)
{
    refuses(*state, "select *\nfrm syscalls", SU_INVALID, "near \"frm\": syntax error (line 2, column 1)");
    refuses(*state, "select nought from syscalls", SU_INVALID, "no such column: nought (line 1, column 8)");
    refuses(*state, "select * from nowhere", SU_NOT_FOUND, "nowhere");
    refuses(*state, "select sum(9223372036854775807 * (count > 3990)) from syscalls", SU_INVALID, "overflow");
}

static void time_rows_bytes_and_memory_are_bounded(void **state)
{
    struct su_err err;
    SU_AUTO_FREE char *got = NULL, *more = NULL;
    check_ok(ask_with(*state, (struct query_options){.rows_max = 2}, "select count from syscalls", &got, &err));
    assert_string_equal(got, "0;1;…");
    check_ok(ask_with(*state, (struct query_options){.bytes_max = 30}, "select count from syscalls", &more, &err));
    assert_string_equal(more, "0;1;2;…");
    static const char *const slow[] = {
        "with recursive a(i) as (select 1 union all select i + 1 from a) select count(*) from a",
        "select count(*) from syscalls a, syscalls b, syscalls c",
        "with recursive a(x, i) as (select 'aaaaaaaa', 0 union all select x || x, i + 1 from a where i < 18) "
        "select max(x) like '%a%a%a%a%a%a%a%b%a%a%a%c' from a, syscalls",
        "select count(*) from syscalls a where replace(hex(zeroblob(100000)), '000', '1') || count like "
        "'%1%1%1%1%1%1%1%2%3%4%'",
    };
    for (size_t i = 0; i < SU_COUNT(slow); i++) {
        char *never = NULL;
        int64_t began_ms = su_mono_ms();
        if (ask_with(*state, (struct query_options){.time_ms = 150}, slow[i], &never, &err))
            free(never);
        else
            check_fails(false, SU_TIMEOUT, "longer than 150 ms");
        if (su_mono_ms() - began_ms > 5000)
            fail_msg("%s: took %lld ms", slow[i], (long long)(su_mono_ms() - began_ms));
    }
    char *large = NULL;
    check_fails(ask_with(*state, (struct query_options){.memory_bytes = 32 << 20},
                         "with recursive a(i) as (select 1 union all select i + 1 from a) select count(*) from (select "
                         "distinct i, hex(zeroblob(1000)) from a)",
                         &large, &err),
                SU_LIMIT, "memory");
    check_fails(ask_with(*state, (struct query_options){0}, "select zeroblob(100000000)", &large, &err), SU_LIMIT,
                "larger");
}

static void text_functions_answer_as_sqlites_own(void **state)
{
    expect(*state,
           "select 'Bash' like 'b_s%', 'a%' like 'a\\%' escape '\\', 'ab' like 'a\\%' escape '\\', 'äb' like '_b', 'x' "
           "like '', '' like '%'",
           "1|1|0|1|0|1");
    expect(*state,
           "select 'abc' glob 'a[a-c]*', 'abc' glob 'A*', 'a]c' glob 'a[]]c', 'abc' glob 'a[^b]c', 'abc' glob '*b?', "
           "null like 'x'",
           "1|0|1|0|1|-");
    expect(*state, "select instr('héllo', 'llo'), instr('abc', 'x'), instr('abc', ''), instr(null, 'a')", "3|0|1|-");
    expect(*state,
           "select replace('aXbX', 'X', 'yy'), replace('abc', '', 'x'), trim('  a '), ltrim('xxa', 'x'), rtrim('abab', "
           "'b'), trim('éaé', 'é')",
           "ayybyy|abc|a|a|aba|a");
}

static void the_same_question_has_the_same_answer(void **state)
{
    static const char *const asked[] = {
        "select s.comm, team, s.count from \"look/up.csv\" l, syscalls s where s.comm = l.comm limit 50",
        "select distinct comm from syscalls",
        "select comm, group_concat(count) from syscalls where count < 50 group by comm",
        "select comm, stddev(lat), sum(lat) from syscalls group by comm, ok",
    };
    for (size_t i = 0; i < SU_COUNT(asked); i++) {
        struct su_err err;
        SU_AUTO_FREE char *first = NULL, *second = NULL;
        check_ok(ask_with(*state, (struct query_options){0}, asked[i], &first, &err));
        check_ok(ask_with(*state, (struct query_options){0}, asked[i], &second, &err));
        assert_string_equal(first, second);
    }
    expect(*state, "select distinct comm from syscalls", "bash;curl;httpd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_filters_are_answered),
        cmocka_unit_test(messages_have_their_own_columns),
        cmocka_unit_test(further_aggregates_are_those_of_a_sample),
        cmocka_unit_test(objects_are_joined_by_an_index),
        cmocka_unit_test(a_range_of_event_time_bounds_every_row),
        cmocka_unit_test(nothing_but_reading_is_allowed),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(time_rows_bytes_and_memory_are_bounded),
        cmocka_unit_test(text_functions_answer_as_sqlites_own),
        cmocka_unit_test(the_same_question_has_the_same_answer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
