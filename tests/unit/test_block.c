/* Blocks: what goes in comes out, whatever the encoding; merging; damage. */
#include "check.h"

#include <math.h>

#include "base/pack.h"
#include "store/block.h"

static struct su_err err;

static struct block_message message_at(int64_t time_us, const char *body)
{
    return (struct block_message){.time_us = time_us, .arrival_us = time_us + 5, .body = su_str_of(body)};
}

static void add_row(struct block_builder *builder, int64_t time_us, const char *body)
{
    struct block_message message = message_at(time_us, body);
    check_ok(block_end(builder, &message, &err));
}

static block_field top(struct block_builder *builder, const char *name) { return block_member(builder, BLOCK_ROOT, su_str_of(name)); }

static const struct block_column *column_of(const struct block *block, const char *name, enum block_kind kind)
{
    const struct block_column *column = block_field_column(block, su_str_of(name), kind);
    if (column == NULL)
        fail_msg("no column %s of kind %d", name, (int)kind);
    return column;
}

static void assert_text(struct su_str text, const char *expected)
{
    if (!su_str_equal(text, su_str_of(expected)))
        fail_msg("\"%.*s\" instead of \"%s\"", (int)text.len, text.ptr, expected);
}

/* --- rows in, rows out -------------------------------------------------------- */

static void rows_are_read_back_as_they_were_set(void **state)
{
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    for (int i = 0; i < 3; i++) {
        block_begin(builder);
        block_set_int(builder, top(builder, "count"), 10 + i);
        block_set_float(builder, top(builder, "lat"), 0.25 * i);
        block_set_text(builder, top(builder, "comm"), su_str_of(i == 1 ? "bash" : "sshd"));
        block_set_bool(builder, top(builder, "ok"), i == 2);
        block_set_json(builder, top(builder, "list"), SU_STR("[1,2]"));
        block_field user = top(builder, "user");
        block_set_text(builder, block_member(builder, user, SU_STR("name")), SU_STR("ada"));
        assert_int_equal(block_row_value(builder, SU_STR("count")).integer, 10 + i);
        assert_text(block_row_value(builder, SU_STR("user.name")).text, "ada");
        assert_int_equal(block_row_value(builder, SU_STR("nothing")).kind, 0);
        add_row(builder, 1000 + i, "{}");
    }
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
    check_ok(block_finish(builder, 7, &out, &err));
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(out.ptr, out.len, &block, &err));
    assert_int_equal(block_size(out.ptr, out.len), out.len);
    assert_int_equal(block.first, 7);
    assert_int_equal(block.rows, 3);
    assert_int_equal(block.min_us, 1000);
    assert_int_equal(block.max_us, 1002);
    assert_int_equal(block_int(column_of(&block, "count", 0), 2), 12);
    assert_true(block_float(column_of(&block, "lat", BLOCK_FLOAT), 2) == 0.5);
    assert_text(block_text(column_of(&block, "comm", 0), 1), "bash");
    assert_text(block_text(column_of(&block, "user.name", 0), 1), "ada");
    assert_text(block_text(column_of(&block, "list", BLOCK_JSON), 0), "[1,2]");
    assert_int_equal(block_int(column_of(&block, "ok", BLOCK_BOOL), 2), 1);
    assert_int_equal(block_int(block_role_column(&block, BLOCK_ARRIVAL), 0), 1005);
    assert_null(block_role_column(&block, BLOCK_KEY));
    assert_int_equal(block_offset(&block, 2), 9);
    struct su_str body;
    check_ok(block_body(&block, 1, &body, &err));
    assert_text(body, "{}");
    block_set_first(out.ptr, 900);
    BLOCK_AUTO struct block moved = {0};
    check_ok(block_open(out.ptr, out.len, &moved, &err));
    assert_int_equal(moved.first, 900);
}

static void absent_fields_are_null(void **state)
{
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    for (int i = 0; i < 200; i++) {
        block_begin(builder);
        if (i % 3 == 1)
            block_set_int(builder, top(builder, "a"), i);
        if (i == 150)
            block_set_text(builder, top(builder, "late"), SU_STR("here"));
        add_row(builder, i, "");
    }
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
    check_ok(block_finish(builder, 0, &out, &err));
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(out.ptr, out.len, &block, &err));
    assert_null(block_role_column(&block, BLOCK_BODY));
    const struct block_column *a = column_of(&block, "a", 0), *late = column_of(&block, "late", 0);
    double numbers[200];
    block_floats(a, 0, 200, numbers);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(block_is_null(a, i), i % 3 != 1);
        assert_int_equal(block_is_null(late, i), i != 150);
        assert_true(i % 3 == 1 ? numbers[i] == i : isnan(numbers[i]));
    }
    assert_null(block_text(late, 3).ptr);
    assert_text(block_text(late, 150), "here");
}

static void kinds_widen_and_a_dropped_row_leaves_no_trace(void **state)
{
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    block_begin(builder);
    block_set_int(builder, top(builder, "v"), 3);
    add_row(builder, 1, "");
    block_begin(builder);
    block_set_text(builder, top(builder, "v"), SU_STR("x"));
    block_set_int(builder, top(builder, "never"), 1);
    block_drop(builder);
    block_begin(builder);
    block_set_float(builder, top(builder, "v"), 0.5);
    add_row(builder, 2, "");
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
    check_ok(block_finish(builder, 0, &out, &err));
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(out.ptr, out.len, &block, &err));
    assert_null(block_field_column(&block, SU_STR("never"), 0));
    assert_true(block_float(column_of(&block, "v", BLOCK_FLOAT), 0) == 3.0);

    for (int i = 0; i < 3; i++) {
        block_begin(builder);
        block_set_text(builder, top(builder, "v"), SU_STR("text"));
        block_set_bool(builder, top(builder, "v"), true);
        add_row(builder, 3 + i, "");
    }
    SU_AUTO_BUF struct su_buf wide = SU_BUF(1 << 20);
    check_ok(block_finish(builder, 0, &wide, &err));
    BLOCK_AUTO struct block texts = {0};
    check_ok(block_open(wide.ptr, wide.len, &texts, &err));
    const struct block_column *v = column_of(&texts, "v", BLOCK_TEXT);
    assert_text(block_text(v, 0), "3.0");
    assert_text(block_text(v, 1), "0.5");
    assert_text(block_text(v, 2), "text");
    assert_true(block_is_null(column_of(&texts, "v", BLOCK_BOOL), 1));
    assert_false(block_is_null(column_of(&texts, "v", BLOCK_BOOL), 2));

    block_cut(builder, 2);
    assert_int_equal(block_builder_rows(builder), 2);
    SU_AUTO_BUF struct su_buf cut = SU_BUF(1 << 20);
    check_ok(block_finish(builder, 0, &cut, &err));
    assert_int_equal(cut.len, out.len);
    assert_memory_equal(cut.ptr, out.ptr, out.len);
}

static void the_last_value_of_a_field_counts(void **state)
{
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    block_begin(builder);
    block_set_int(builder, top(builder, "a.b"), 1);
    block_set_int(builder, block_member(builder, top(builder, "a"), SU_STR("b")), 2);
    add_row(builder, 1, "");
    SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
    check_ok(block_finish(builder, 0, &out, &err));
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(out.ptr, out.len, &block, &err));
    assert_int_equal(block_int(column_of(&block, "a.b", 0), 0), 2);
    assert_int_equal(block.column_count, 3);
}

static void a_full_builder_says_so_and_takes_no_more(void **state)
{
    struct block_limits limits = {.columns_max = 2, .rows_max = 2};
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(&limits);
    for (int i = 0; i < 2; i++) {
        block_begin(builder);
        block_set_int(builder, top(builder, "a"), 1);
        block_set_int(builder, top(builder, "b"), 2);
        assert_int_equal(top(builder, "c"), BLOCK_NO_FIELD);
        block_set_int(builder, block_member(builder, BLOCK_NO_FIELD, SU_STR("d")), 3);
        add_row(builder, i, "");
    }
    block_begin(builder);
    struct block_message message = message_at(3, "");
    check_fails(block_end(builder, &message, &err), SU_LIMIT, "at most 2 messages");
    assert_int_equal(block_builder_rows(builder), 2);
    block_builder_clear(builder);
    block_begin(builder);
    block_set_int(builder, top(builder, "c"), 1);
    assert_int_equal(block_row_value(builder, SU_STR("c")).integer, 1);
}

/* --- numbers survive to the last bit -------------------------------------------- */

static uint64_t random_state;
static uint64_t next_random(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static double random_number(unsigned kind)
{
    uint64_t bits = next_random();
    double any;
    memcpy(&any, &bits, sizeof any);
    switch (kind % 6) {
    case 0: return (double)(bits % 100000) / 1000.0;
    case 1: return (double)(int64_t)(bits % 2000) - 1000;
    case 2: return any == any ? any : 1.5;
    case 3: return bits % 50 == 0 ? -0.0 : (double)(bits % 7) / 10.0;
    case 4: return bits % 50 == 0 ? INFINITY : 1e15 + (double)(bits % 1000) / 8;
    default: return (double)(bits >> 11) * 0x1p-53;
    }
}

static void numbers_keep_every_bit(void **state)
{
    enum { ROWS = 700 };
    static int64_t ints[ROWS];
    static double numbers[ROWS], read_numbers[ROWS];
    static int64_t read_ints[ROWS];
    for (unsigned seed = 0; seed < 120; seed++) {
        random_state = seed;
        BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
        for (int i = 0; i < ROWS; i++) {
            ints[i] = (int64_t)(next_random() >> (seed * 7 % 64)) - (seed % 2 ? 1000 : 0);
            numbers[i] = random_number(seed);
            block_begin(builder);
            block_set_int(builder, top(builder, "i"), ints[i]);
            block_set_float(builder, top(builder, "f"), numbers[i]);
            add_row(builder, (int64_t)(seed % 3 == 0 ? 1000000 : 1) * i - 300, "");
        }
        SU_AUTO_BUF struct su_buf out = SU_BUF(1 << 20);
        check_ok(block_finish(builder, 0, &out, &err));
        BLOCK_AUTO struct block block = {0};
        check_ok(block_open(out.ptr, out.len, &block, &err));
        block_ints(column_of(&block, "i", 0), 0, ROWS, read_ints);
        block_floats(column_of(&block, "f", 0), 0, ROWS, read_numbers);
        assert_memory_equal(ints, read_ints, sizeof ints);
        if (memcmp(numbers, read_numbers, sizeof numbers) != 0)
            fail_msg("seed %u: numbers differ", seed);
        block_ints(block_role_column(&block, BLOCK_TIME), 0, ROWS, read_ints);
        assert_int_equal(read_ints[ROWS - 1], (seed % 3 == 0 ? 1000000 : 1) * (ROWS - 1) - 300);
    }
}

static void texts_use_a_dictionary_where_it_is_smaller(void **state)
{
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    char text[32];
    for (int i = 0; i < 10000; i++) {
        block_begin(builder);
        snprintf(text, sizeof text, "group-%d", i % 300);
        block_set_text(builder, top(builder, "few"), su_str_of(text));
        snprintf(text, sizeof text, "id-%d", i * 7);
        block_set_text(builder, top(builder, "many"), su_str_of(text));
        add_row(builder, i, "");
    }
    SU_AUTO_BUF struct su_buf out = SU_BUF(8 << 20);
    check_ok(block_finish(builder, 0, &out, &err));
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(out.ptr, out.len, &block, &err));
    const struct block_column *few = column_of(&block, "few", 0), *many = column_of(&block, "many", 0);
    assert_int_equal(block_dictionary_count(few), 300);
    uint32_t codes[3];
    assert_true(block_codes(few, 299, 3, codes));
    assert_text(block_dictionary(few, codes[0]), "group-299");
    assert_text(block_dictionary(few, codes[1]), "group-0");
    assert_false(block_codes(many, 0, 1, codes));
    assert_text(block_text(many, 9999), "id-69993");
    assert_text(block_text(few, 9999), "group-99");
}

/* --- merging ------------------------------------------------------------------------ */

enum { PARTS = 5, PART_ROWS = 400 };
struct parts { struct su_buf out[PARTS]; struct block blocks[PARTS]; struct block_slice slices[PARTS]; };

static void body_of(int i, char text[static 64]) { snprintf(text, 64, "{\"n\":%d,\"text\":\"body %d\"}", i, i % 13); }

static void make_parts(struct parts *parts)
{
    for (int part = 0; part < PARTS; part++) {
        BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
        for (int row = 0; row < PART_ROWS; row++) {
            int i = part * PART_ROWS + row;
            char text[64];
            block_begin(builder);
            if (part < 3)
                block_set_int(builder, top(builder, "n"), i);
            else
                block_set_float(builder, top(builder, "n"), i + 0.5);
            if (i % 5)
                block_set_text(builder, top(builder, "comm"), su_str_of(i % 2 ? "odd" : "even"));
            if (part == 4)
                block_set_bool(builder, top(builder, "n"), true);
            body_of(i, text);
            struct block_message message = message_at(1000000 + i * 10, text);
            message.flag = i % 100 == 50 ? BLOCK_PUNCTUATION : BLOCK_MESSAGE;
            message.key = i % 2 ? su_str_of("k") : (struct su_str){NULL, 0};
            check_ok(block_end(builder, &message, &err));
        }
        parts->out[part] = SU_BUF(1 << 20);
        check_ok(block_finish(builder, (uint64_t)part * PART_ROWS, &parts->out[part], &err));
        check_ok(block_open(parts->out[part].ptr, parts->out[part].len, &parts->blocks[part], &err));
        parts->slices[part] = (struct block_slice){&parts->blocks[part], 0, PART_ROWS};
    }
}

static void parts_done(struct parts *parts)
{
    for (int part = 0; part < PARTS; part++) {
        block_done(&parts->blocks[part]);
        su_buf_done(&parts->out[part]);
    }
}

static void merged_blocks_hold_the_same_rows(void **state)
{
    struct parts parts = {0};
    make_parts(&parts);
    for (unsigned flags = 0; flags <= BLOCK_PACK_BODIES; flags++) {
        SU_AUTO_BUF struct su_buf out = SU_BUF(8 << 20);
        uint32_t rows;
        check_ok(block_merge(parts.slices, PARTS, flags, INT64_MIN, INT64_MAX, &out, &rows, &err));
        assert_int_equal(rows, PARTS * PART_ROWS);
        BLOCK_AUTO struct block block = {0};
        check_ok(block_open(out.ptr, out.len, &block, &err));
        assert_null(block_role_column(&block, BLOCK_OFFSET));
        const struct block_column *n = column_of(&block, "n", BLOCK_FLOAT), *comm = column_of(&block, "comm", 0);
        for (uint32_t i = 0; i < rows; i++) {
            char text[64];
            body_of((int)i, text);
            struct su_str body;
            check_ok(block_body(&block, i, &body, &err));
            assert_text(body, text);
            assert_true(block_float(n, i) == (i < 1200 ? i : i + 0.5));
            assert_int_equal(block_is_null(comm, i), i % 5 == 0);
            if (i % 5)
                assert_text(block_text(comm, i), i % 2 ? "odd" : "even");
            assert_int_equal(block_is_null(column_of(&block, "n", BLOCK_BOOL), i), i < 1600);
            assert_int_equal(block_is_null(block_role_column(&block, BLOCK_KEY), i), i % 2 == 0);
        }
        struct su_str body;
        check_ok(block_body(&block, 17, &body, &err));
        assert_memory_equal(body.ptr, "{\"n\":17,", 8);
    }
    parts_done(&parts);
}

static void merging_takes_rows_out_and_keeps_their_offsets(void **state)
{
    struct parts parts = {0};
    make_parts(&parts);
    parts.slices[0].from = 390;
    SU_AUTO_BUF struct su_buf out = SU_BUF(8 << 20);
    uint32_t rows;
    check_ok(block_merge(parts.slices, PARTS, BLOCK_WITHOUT_BODIES | BLOCK_WITHOUT_FLAGGED, 1000000 + 3950, 1000000 + 9000, &out, &rows, &err));
    assert_int_equal(rows, 900 - 395 - 5);
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(out.ptr, out.len, &block, &err));
    assert_null(block_role_column(&block, BLOCK_BODY));
    assert_null(block_role_column(&block, BLOCK_FLAG));
    assert_int_equal(block.first, 395);
    for (uint32_t row = 0; row < rows; row++)
        assert_int_equal(block_int(column_of(&block, "n", BLOCK_INT), row), block_offset(&block, row));
    assert_int_equal(block_offset(&block, rows - 1), 899);

    /* Once more, of that block. */
    struct block_slice slice = {&block, 50, 60};
    SU_AUTO_BUF struct su_buf again = SU_BUF(1 << 20);
    check_ok(block_merge(&slice, 1, 0, INT64_MIN, INT64_MAX, &again, &rows, &err));
    assert_int_equal(rows, 10);
    BLOCK_AUTO struct block part = {0};
    check_ok(block_open(again.ptr, again.len, &part, &err));
    assert_int_equal(block_offset(&part, 9), block_offset(&block, 59));
    size_t len = again.len;
    check_ok(block_merge(&slice, 1, 0, 0, 1, &again, &rows, &err));
    assert_int_equal(rows, 0);
    assert_int_equal(again.len, len);
    parts_done(&parts);
}

static void a_whole_block_is_copied_as_it_is(void **state)
{
    struct parts parts = {0};
    make_parts(&parts);
    parts.slices[0].from = 3;
    SU_AUTO_BUF struct su_buf sealed = SU_BUF(8 << 20), out = SU_BUF(8 << 20);
    uint32_t rows;
    check_ok(block_merge(parts.slices, PARTS, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, &sealed, &rows, &err));
    BLOCK_AUTO struct block block = {0};
    check_ok(block_open(sealed.ptr, sealed.len, &block, &err));
    struct block_slice whole = {&block, 0, rows};
    check_ok(block_merge(&whole, 1, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, &out, &rows, &err));
    assert_int_equal(out.len, sealed.len);
    assert_memory_equal(out.ptr, sealed.ptr, out.len);
    su_buf_clear(&out);
    check_ok(block_merge(&whole, 1, BLOCK_WITHOUT_BODIES, INT64_MIN, INT64_MAX, &out, &rows, &err));
    BLOCK_AUTO struct block copy = {0};
    check_ok(block_open(out.ptr, out.len, &copy, &err));
    assert_int_equal(copy.column_count, block.column_count - 1);
    assert_int_equal(copy.first, 3);
    assert_int_equal(copy.min_us, block.min_us);
    for (uint32_t row = 0; row < rows; row++) {
        assert_true(block_float(column_of(&copy, "n", BLOCK_FLOAT), row) == block_float(column_of(&block, "n", BLOCK_FLOAT), row));
        assert_true(su_str_equal(block_text(column_of(&copy, "comm", 0), row), block_text(column_of(&block, "comm", 0), row)));
    }
    parts_done(&parts);
}

static void gathered_blocks_follow_each_other(void **state)
{
    struct parts parts = {0};
    make_parts(&parts);
    SU_AUTO_BUF struct su_buf out = SU_BUF(8 << 20);
    uint64_t rows;
    su_buf_adds(&out, "something before");
    check_ok(block_gather(parts.slices, PARTS, BLOCK_WITHOUT_BODIES | BLOCK_WITHOUT_FLAGGED, INT64_MIN, INT64_MAX, &out, &rows, &err));
    assert_int_equal(rows, PARTS * PART_ROWS * 99 / 100);
    uint64_t seen = 0;
    for (size_t at = 64; at < out.len;) {
        BLOCK_AUTO struct block block = {0};
        check_ok(block_open(out.ptr + at, out.len - at, &block, &err));
        seen += block.rows;
        at += block_size(out.ptr + at, out.len - at);
    }
    assert_int_equal(seen, rows);
    parts_done(&parts);
}

/* --- damage ---------------------------------------------------------------------------- */

/* A block of 3,000 long bodies, numbered from `from` on. */
static void make_packed(int from, struct su_buf *ret)
{
    BLOCK_AUTO_BUILDER struct block_builder *builder = block_builder_new(NULL);
    for (int i = from; i < from + 3000; i++) {
        char body[96];
        snprintf(body, sizeof body, "{\"n\":%d,\"text\":\"a body that is long enough to be packed\"}", i);
        block_begin(builder);
        add_row(builder, i, body);
    }
    assert_true(block_finish(builder, (uint64_t)from, ret, &err));
    assert_true(ret->len < 3000 * 60);
}

static void packed_bodies_go_over_as_they_are_and_damaged_ones_do_not(void **state)
{
    SU_AUTO_BUF struct su_buf a = SU_BUF(1 << 20), b = SU_BUF(1 << 20), merged = SU_BUF(1 << 22), none = SU_BUF(1 << 22);
    BLOCK_AUTO struct block first = {0}, second = {0}, all = {0};
    uint32_t rows;
    make_packed(0, &a);
    make_packed(3000, &b);
    assert_true(block_open(a.ptr, a.len, &first, &err) && block_open(b.ptr, b.len, &second, &err));
    const struct block_slice slices[] = {{&first, 0, 3000}, {&second, 0, 3000}};
    assert_true(block_merge(slices, 2, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, &merged, &rows, &err));
    assert_true(block_open(merged.ptr, merged.len, &all, &err));
    assert_int_equal(rows, 6000);
    for (uint32_t row = 0; row < 6000; row += 7) {
        char expected[32];
        struct su_str body;
        assert_true(block_body(&all, row, &body, &err));
        snprintf(expected, sizeof expected, "{\"n\":%u,", row);
        assert_true(su_str_starts(body, su_str_of(expected)));
    }
    b.ptr[b.len - 100] ^= 1;        /* without fields the bodies are the last column */
    assert_false(block_merge(slices, 2, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, &none, &rows, &err));
    assert_non_null(strstr(err.message, "damaged"));
}

static void every_flipped_bit_is_noticed(void **state)
{
    struct parts parts = {0};
    make_parts(&parts);
    SU_AUTO_BUF struct su_buf out = SU_BUF(8 << 20);
    uint32_t rows;
    parts.slices[0].to = 60;
    check_ok(block_merge(parts.slices, 1, BLOCK_PACK_BODIES, INT64_MIN, INT64_MAX, &out, &rows, &err));
    size_t unnoticed = 0;
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ 1 << bit % 8);
        BLOCK_AUTO struct block block = {0};
        struct su_str body;
        bool is_good = block_open(out.ptr, out.len, &block, &err);
        for (uint32_t row = 0; is_good && row < rows; row++)
            is_good = block_body(&block, row, &body, &err);
        unnoticed += is_good;
        out.ptr[bit / 8] = (char)(out.ptr[bit / 8] ^ 1 << bit % 8);
    }
    assert_true(unnoticed <= (size_t)63 * 8 * 8);     /* zeros between the columns */
    for (size_t len = 0; len < out.len; len++) {
        struct block block;
        check_fails(block_open(out.ptr, len, &block, &err), SU_INTERNAL, "damaged");
    }
    parts_done(&parts);
}

/* --- packing ------------------------------------------------------------------------------ */

static void packed_bytes_open_up_to_their_limit(void **state)
{
    SU_AUTO_BUF struct su_buf packed = SU_BUF(2 << 20), plain = SU_BUF(8 << 20), copy = SU_BUF(8 << 20);
    for (int i = 0; i < 1 << 20; i++)
        su_buf_addc(&plain, "suricate"[i % 8]);
    check_ok(su_pack(su_buf_str(&plain), 1, &packed, &err));
    assert_true(packed.len < 4096);
    check_ok(su_unpack(su_buf_str(&packed), plain.len, &copy, &err));
    assert_true(su_str_equal(su_buf_str(&plain), su_buf_str(&copy)));
    su_buf_clear(&copy);
    check_fails(su_unpack(su_buf_str(&packed), plain.len - 1, &copy, &err), SU_LIMIT, "more than the");
    su_buf_clear(&copy);
    check_fails(su_unpack((struct su_str){packed.ptr, packed.len - 3}, plain.len, &copy, &err), SU_INVALID, "too early");
    su_buf_clear(&copy);
    check_fails(su_unpack(SU_STR("not zstd at all"), plain.len, &copy, &err), SU_INVALID, "not good zstd");
    assert_true(su_unpack_into(su_buf_str(&packed), plain.ptr, plain.len, &err));
    check_fails(su_unpack_into(su_buf_str(&packed), plain.ptr, plain.len - 1, &err), SU_INVALID, "zstd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_back_as_they_were_set),
        cmocka_unit_test(absent_fields_are_null),
        cmocka_unit_test(kinds_widen_and_a_dropped_row_leaves_no_trace),
        cmocka_unit_test(the_last_value_of_a_field_counts),
        cmocka_unit_test(a_full_builder_says_so_and_takes_no_more),
        cmocka_unit_test(numbers_keep_every_bit),
        cmocka_unit_test(texts_use_a_dictionary_where_it_is_smaller),
        cmocka_unit_test(merged_blocks_hold_the_same_rows),
        cmocka_unit_test(merging_takes_rows_out_and_keeps_their_offsets),
        cmocka_unit_test(a_whole_block_is_copied_as_it_is),
        cmocka_unit_test(gathered_blocks_follow_each_other),
        cmocka_unit_test(packed_bodies_go_over_as_they_are_and_damaged_ones_do_not),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(packed_bytes_open_up_to_their_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
