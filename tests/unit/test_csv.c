/* Delimited text, encodings and values: the pure parts below a preview. */
#include "check.h"

#include <math.h>
#include <zlib.h>

#include "aggregate/csv.h"
#include "aggregate/decode.h"
#include "aggregate/value.h"

/* ------------------------------------------------------------- csv */

enum { COLUMNS = 4, ROWS = 64 };

struct table { char data[4096 + CSV_PADDING]; struct csv_cell cells[COLUMNS * ROWS]; uint32_t widths[ROWS]; struct csv_rows rows; size_t used; };

static void read_table(struct table *t, const char *text, size_t columns)
{
    const struct csv_dialect dialect = {',', '"', '\n'};
    size_t len = strlen(text);
    memset(t, 0, sizeof *t);
    memcpy(t->data, text, len);
    t->rows = (struct csv_rows){.cells = t->cells, .widths = t->widths, .columns = columns, .rows_max = ROWS};
    t->used = csv_read(&dialect, t->data, len, true, &t->rows);
}

static void assert_cell(const struct table *t, size_t row, size_t column, const char *text)
{
    const struct csv_cell *cell = &t->cells[row * t->rows.columns + column];
    assert_int_equal(cell->len, strlen(text));
    assert_memory_equal(t->data + cell->at, text, cell->len);
}

static void plain_records_are_cut_at_delimiters(void **state)
{
    struct table t;
    read_table(&t, "a,b,c\n1,,3\r\n\n,,\nlast,x,y", 3);
    assert_int_equal(t.rows.rows, 4);
    assert_int_equal(t.rows.ragged, 0);
    assert_cell(&t, 1, 1, "");
    assert_cell(&t, 1, 2, "3");
    assert_cell(&t, 2, 0, "");
    assert_cell(&t, 3, 2, "y");
}

static void quotes_open_only_at_the_start_of_a_field(void **state)
{
    struct table t;
    read_table(&t, "\"a,b\",\"line\nend\",\"say \"\"hi\"\"\"\n5\" pipe,it's,\"x\"y\n\"\",\"\"\"\",z\n\"crlf\"\r\n", 3);
    assert_int_equal(t.rows.rows, 4);
    assert_cell(&t, 0, 0, "a,b");
    assert_cell(&t, 0, 1, "line\nend");
    assert_cell(&t, 0, 2, "say \"hi\"");
    assert_cell(&t, 1, 0, "5\" pipe");
    assert_cell(&t, 1, 2, "xy");
    assert_cell(&t, 2, 0, "");
    assert_cell(&t, 2, 1, "\"");
    assert_cell(&t, 3, 0, "crlf");
    assert_false(t.rows.is_unclosed);
}

static void ragged_records_are_filled_cut_and_counted(void **state)
{
    struct table t;
    read_table(&t, "1,2,3\n1\n1,2,3,4,5\n1,2\n", 3);
    assert_int_equal(t.rows.rows, 4);
    assert_int_equal(t.rows.ragged, 3);
    assert_cell(&t, 1, 1, "");
    assert_cell(&t, 2, 2, "3");
    assert_int_equal(t.widths[2], 5);
}

static void an_unclosed_quote_is_told(void **state)
{
    struct table t;
    read_table(&t, "a,b\n1,\"never closed\n2,3\n", 2);
    assert_int_equal(t.rows.rows, 2);
    assert_true(t.rows.is_unclosed);
    assert_cell(&t, 1, 1, "never closed\n2,3\n");
}

/* A table of the given numbers, written with every liberty the format has. */
static uint32_t roll(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static void write_field(struct su_buf *out, const char *text, uint32_t *seed)
{
    bool must_quote = strpbrk(text, ",\"\n\r") != NULL;
    if (!must_quote && roll(seed, 3) > 0) {
        su_buf_adds(out, text);
        return;
    }
    su_buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            su_buf_addc(out, '"');
        su_buf_addc(out, *text);
    }
    su_buf_addc(out, '"');
}

static void what_was_written_is_read_back_however_it_is_cut(void **state)
{
    static const char *const texts[] = {"", "x", "a,b", "\"", "\"\"", "line\nend", "\r\n",
        "a longer text that fills more than one block of sixty-four bytes, surely", "12", "caf\xc3\xa9"};
    for (uint32_t start = 1; start <= 300; start++) {
        uint32_t seed = start, picks[ROWS][COLUMNS], rows = 1 + roll(&seed, 20);
        SU_AUTO_BUF struct su_buf text = SU_BUF(1 << 20);
        bool is_crlf = roll(&seed, 2) == 0;
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t c = 0; c < COLUMNS; c++) {
                picks[r][c] = roll(&seed, SU_COUNT(texts));
                write_field(&text, texts[picks[r][c]], &seed);
                su_buf_adds(&text, c + 1 < COLUMNS ? "," : is_crlf ? "\r\n" : "\n");
            }
        /* Read in pieces that grow when nothing whole is in them. */
        const struct csv_dialect dialect = {',', '"', '\n'};
        struct csv_cell cells[COLUMNS * 3];
        size_t at = 0, piece = 1 + roll(&seed, 40), seen = 0;
        while (at < text.len) {
            bool is_last = at + piece >= text.len;
            size_t len = is_last ? text.len - at : piece;
            SU_AUTO_FREE char *data = su_alloc(len + CSV_PADDING);
            memcpy(data, text.ptr + at, len);
            struct csv_rows out = {.cells = cells, .columns = COLUMNS, .rows_max = 3};
            size_t used = csv_read(&dialect, data, len, is_last, &out);
            for (size_t r = 0; r < out.rows; r++, seen++)
                for (size_t c = 0; c < COLUMNS; c++) {
                    const char *want = texts[picks[seen][c]];
                    const struct csv_cell *cell = &cells[r * COLUMNS + c];
                    if (cell->len != strlen(want) || memcmp(data + cell->at, want, cell->len) != 0)
                        fail_msg("seed %u, row %zu, column %zu: got \"%.*s\", want \"%s\"", start, seen, c,
                            (int)cell->len, data + cell->at, want);
                }
            assert_int_equal(out.ragged, 0);
            if (used == 0)
                piece *= 2;
            at += used;
        }
        if (seen != rows)
            fail_msg("seed %u: %zu rows instead of %u", start, seen, rows);
    }
}

static void the_delimiter_is_the_one_that_divides_evenly(void **state)
{
    static const struct { const char *text; char delimiter; size_t columns; } cases[] = {
        {"a,b,c\n1,2,3\n4,5,6\n", ',', 3},
        {"a;b\n1,5;2,5\n3,5;4,5\n", ';', 2},
        {"a\tb\n1,2\t3\nx\ty,z\n", '\t', 2},
        {"a|b|c\n1|2|3\n", '|', 3},
        {"name\nann\nbob\n", ',', 1},
        {"id;text\n1;\"a, b\"\n2;\"c, d, e\"\n", ';', 2},
    };
    for (size_t i = 0; i < SU_COUNT(cases); i++) {
        struct csv_dialect dialect;
        size_t columns;
        bool is_even;
        csv_sniff(cases[i].text, strlen(cases[i].text), true, ",;\t|", &dialect, &columns, &is_even);
        assert_int_equal(columns, cases[i].columns);
        assert_int_equal(dialect.delimiter, cases[i].delimiter);
    }
}

/* ---------------------------------------------------------- values */

static void values_are_read_as_the_narrowest_class(void **state)
{
    static const struct { const char *text; enum value_class class; } cases[] = {
        {"", VALUE_NULL}, {"NA", VALUE_NULL}, {"NaN", VALUE_NULL}, {"null", VALUE_NULL}, {"None", VALUE_NULL}, {"N/A",
        VALUE_NULL}, {"-nan", VALUE_NULL}, {"#N/A", VALUE_NULL}, {"1.#IND", VALUE_NULL},
        {"0", VALUE_INTEGER}, {"-7", VALUE_INTEGER}, {"+7", VALUE_INTEGER}, {"007", VALUE_INTEGER}, {" 12 ",
        VALUE_INTEGER}, {"9223372036854775807", VALUE_INTEGER}, {"-9223372036854775808", VALUE_INTEGER},
        {"9223372036854775808", VALUE_NUMBER}, {"1.0", VALUE_NUMBER}, {".5", VALUE_NUMBER}, {"5.", VALUE_NUMBER},
        {"1e3", VALUE_NUMBER}, {"-2.5E-3", VALUE_NUMBER}, {"1e400", VALUE_INFINITE}, {"inf", VALUE_INFINITE},
        {"-Infinity", VALUE_INFINITE},
        {"true", VALUE_BOOLEAN}, {"FALSE", VALUE_BOOLEAN}, {"True", VALUE_BOOLEAN},
        {"2013-09-05", VALUE_DATETIME}, {"2013-09-05T20:30:00Z", VALUE_DATETIME}, {"2013-09-05 20:30",
        VALUE_DATETIME}, {"2013/09/05 20:30:15.5", VALUE_DATETIME}, {"2013-09-05T20:30:00+02:00", VALUE_DATETIME},
        {"2012-02-29", VALUE_DATETIME},
        {"2013-02-29", VALUE_TEXT}, {"2013-13-01", VALUE_TEXT}, {"2013-09/05", VALUE_TEXT}, {"2013-09-05T25:00",
        VALUE_TEXT}, {"2013-09-05x", VALUE_TEXT},
        {"-", VALUE_TEXT}, {"+", VALUE_TEXT}, {".", VALUE_TEXT}, {"1.2.3", VALUE_TEXT}, {"1e", VALUE_TEXT}, {"0x10",
        VALUE_TEXT}, {"1,5", VALUE_TEXT}, {"tRuE", VALUE_TEXT}, {"nullify", VALUE_TEXT}, {" ", VALUE_TEXT}, {"Nancy",
        VALUE_TEXT}, {"infinite", VALUE_TEXT},
    };
    for (size_t i = 0; i < SU_COUNT(cases); i++)
        if (value_of(cases[i].text, strlen(cases[i].text)).class != cases[i].class)
            fail_msg("\"%s\" is class %d, not %d", cases[i].text, value_of(cases[i].text,
                strlen(cases[i].text)).class, cases[i].class);
}

static void numbers_are_read_as_strtod_reads_them(void **state)
{
    uint32_t seed = 7;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        int digits = (int)roll(&seed, 20);
        double number = ((double)roll(&seed, 1u << 24) * 16777216.0 + roll(&seed, 1u << 24)) / pow(10, (double)roll(&seed, 20));
        snprintf(text, sizeof text, roll(&seed, 2) ? "%.*f" : "%.*e", digits, roll(&seed, 2) ? number : -number);
        struct value value = value_of(text, strlen(text));
        double got = value.class == VALUE_INTEGER ? (double)value.integer : value.number;
        if ((value.class != VALUE_INTEGER && value.class != VALUE_NUMBER) || got != strtod(text, NULL))
            fail_msg("\"%s\" read as %.17g (class %d)", text, got, value.class);
    }
}

static void datetimes_are_put_on_one_clock(void **state)
{
    assert_int_equal(value_of("1970-01-01", 10).integer, 0);
    assert_int_equal(value_of("1970-01-01T00:00:01.5Z", 22).integer, 1500000);
    assert_int_equal(value_of("2000-03-01T02:00+02:00", 22).integer, 951868800000000);
    assert_true(value_of("0000-01-01", 10).integer < 0);
}

static void a_cut_text_ends_with_a_whole_character(void **state)
{
    assert_int_equal(value_cut("caf\xc3\xa9", 5, 4), 3);
    assert_int_equal(value_cut("caf\xc3\xa9", 5, 5), 5);
    assert_int_equal(value_cut("\xf0\x9f\x98\x80z", 5, 3), 0);
}

/* -------------------------------------------------------- decoding */

struct bytes { const char *data; size_t len, at, piece; };

static bool read_bytes(void *arg, void *data, size_t cap, size_t *ret, struct su_err *err)
{
    struct bytes *bytes = arg;
    size_t left = bytes->len - bytes->at, len = left < bytes->piece ? left : bytes->piece;
    len = len < cap ? len : cap;
    memcpy(data, bytes->data + bytes->at, len);
    bytes->at += len;
    *ret = len;
    return true;
}

struct decoded { char text[4096]; size_t len; enum decode_encoding encoding; bool is_gzip,
    is_binary; uint64_t stray; bool ok; struct su_err err; };

static void decode(const char *data, size_t len, size_t piece, const struct decode_limits *limits, struct decoded *ret)
{
    struct bytes bytes = {data, len, 0, piece};
    struct decoder *decoder = decoder_new(read_bytes, &bytes, limits);
    size_t got = 1;
    memset(ret, 0, sizeof *ret);
    while ((ret->ok = decoder_read(decoder, ret->text + ret->len, 17, &got, &ret->err)) && got > 0)
        ret->len += got;
    ret->encoding = decoder_encoding(decoder);
    ret->is_gzip = decoder_is_gzip(decoder);
    ret->is_binary = decoder_is_binary(decoder);
    ret->stray = decoder_stray_bytes(decoder);
    decoder_free(decoder);
}

static void every_encoding_becomes_utf8(void **state)
{
    static const struct { const char *data; size_t len; const char *text; enum decode_encoding encoding; uint64_t stray; } cases[] = {
        {"plain", 5, "plain", DECODE_UTF8, 0},
        {"\xef\xbb\xbfmark", 7, "mark", DECODE_UTF8, 0},
        {"caf\xc3\xa9 \xf0\x9f\x98\x80", 10, "caf\xc3\xa9 \xf0\x9f\x98\x80", DECODE_UTF8, 0},
        {"caf\xe9 \x80", 6, "caf\xc3\xa9 \xe2\x82\xac", DECODE_LATIN1, 0},
        {"caf\xc3\xa9 caf\xe9", 10, "caf\xc3\xa9 caf\xc3\xa9", DECODE_UTF8, 1},
        {"\xff\xfe" "a\0\xe9\0=\xd8\0\xde", 10, "a\xc3\xa9\xf0\x9f\x98\x80", DECODE_UTF16LE, 0},
        {"\xfe\xff" "\0a\0\xe9\xd8=\xde\0", 10, "a\xc3\xa9\xf0\x9f\x98\x80", DECODE_UTF16BE, 0},
        {"a\0,\0b\0\n\0" "1\0,\0" "2\0\n\0", 16, "a,b\n1,2\n", DECODE_UTF16LE, 0},
        {"\0a\0,\0b\0\n\0" "1\0,\0" "2\0\n", 16, "a,b\n1,2\n", DECODE_UTF16BE, 0},
        {"\xff\xfe" "a\0\x3d\xd8", 6, "a\xef\xbf\xbd", DECODE_UTF16LE, 0},
    };
    for (size_t i = 0; i < SU_COUNT(cases); i++)
        for (size_t piece = 1; piece < 12; piece++) {
            struct decoded got;
            decode(cases[i].data, cases[i].len, piece, NULL, &got);
            assert_true(got.ok);
            if (got.len != strlen(cases[i].text) || memcmp(got.text, cases[i].text, got.len) != 0)
                fail_msg("case %zu in pieces of %zu: \"%.*s\"", i, piece, (int)got.len, got.text);
            assert_int_equal(got.encoding, cases[i].encoding);
            assert_int_equal(got.stray, cases[i].stray);
        }
}

static void zero_bytes_make_it_binary(void **state)
{
    struct decoded got;
    decode("\x7f" "ELF\x02\x01\x01\0\0\0\0\0", 12, 100, NULL, &got);
    assert_true(got.is_binary);
}

static size_t pack(const char *text, size_t len, char *out, size_t cap)
{
    z_stream zip = {0};
    assert_int_equal(deflateInit2(&zip, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    zip.next_in = (Bytef *)(uintptr_t)text;
    zip.avail_in = (uInt)len;
    zip.next_out = (Bytef *)out;
    zip.avail_out = (uInt)cap;
    assert_int_equal(deflate(&zip, Z_FINISH), Z_STREAM_END);
    size_t packed = cap - zip.avail_out;
    deflateEnd(&zip);
    return packed;
}

static void gzip_is_opened_even_in_several_streams(void **state)
{
    char packed[1024];
    size_t len = pack("a,b\n1,2\n", 8, packed, sizeof packed);
    len += pack("3,4\n", 4, packed + len, sizeof packed - len);
    for (size_t piece = 1; piece < 40; piece++) {
        struct decoded got;
        decode(packed, len, piece, NULL, &got);
        assert_true(got.ok && got.is_gzip);
        assert_string_equal(got.text, "a,b\n1,2\n3,4\n");
    }
}

static void damaged_gzip_gives_what_came_before(void **state)
{
    char packed[1024];
    size_t len = pack("a,b\n1,2\n", 8, packed, sizeof packed);
    struct decoded got;
    decode(packed, len - 6, 100, NULL, &got);
    assert_false(got.ok);
    assert_int_equal(got.err.code, SU_INVALID);
    assert_string_equal(got.text, "a,b\n1,2\n");
}

static void a_gzip_bomb_is_stopped(void **state)
{
    enum { SIZE = 1 << 20 };
    SU_AUTO_FREE char *zeros = su_alloc(SIZE), *packed = su_alloc(SIZE);
    memset(zeros, 'x', SIZE);
    size_t len = pack(zeros, SIZE, packed, SIZE);
    struct bytes bytes = {packed, len, 0, 4096};
    const struct decode_limits limits = {.open_max = 300000};
    struct decoder *decoder = decoder_new(read_bytes, &bytes, &limits);
    struct su_err err;
    size_t got, sum = 0;
    bool ok;
    SU_AUTO_FREE char *out = su_alloc(65536);
    while ((ok = decoder_read(decoder, out, 65536, &got, &err)) && got > 0)
        sum += got;
    assert_false(ok);
    assert_int_equal(err.code, SU_LIMIT);
    assert_true(sum <= 600000);
    decoder_free(decoder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_records_are_cut_at_delimiters),
        cmocka_unit_test(quotes_open_only_at_the_start_of_a_field),
        cmocka_unit_test(ragged_records_are_filled_cut_and_counted),
        cmocka_unit_test(an_unclosed_quote_is_told),
        cmocka_unit_test(what_was_written_is_read_back_however_it_is_cut),
        cmocka_unit_test(the_delimiter_is_the_one_that_divides_evenly),
        cmocka_unit_test(values_are_read_as_the_narrowest_class),
        cmocka_unit_test(numbers_are_read_as_strtod_reads_them),
        cmocka_unit_test(datetimes_are_put_on_one_clock),
        cmocka_unit_test(a_cut_text_ends_with_a_whole_character),
        cmocka_unit_test(every_encoding_becomes_utf8),
        cmocka_unit_test(zero_bytes_make_it_binary),
        cmocka_unit_test(gzip_is_opened_even_in_several_streams),
        cmocka_unit_test(damaged_gzip_gives_what_came_before),
        cmocka_unit_test(a_gzip_bomb_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
