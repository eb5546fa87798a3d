/* The keeper's pure parts: wire messages, cleaning of foreign JSON, the queue, the spool. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "base/fs.h"
#include "keep/cells.h"
#include "keep/scan.h"
#include "keep/spool.h"
#include "keep/wire.h"

static const struct wire_key key = {"a-test-key"};

static struct wire_message sample(void) {
    return (struct wire_message){.part = {SU_STR("{\"msg_id\":\"1\"}"), SU_STR("{}"), SU_STR("{}"), SU_STR("{\"code\":\"1+1\"}")}};
}

static void signature_agrees_with_another_implementation(void **state) {
    /* python3 -c 'import hmac; print(hmac.new(b"a-test-key", b"{\"msg_id\":\"1\"}{}{}{\"code\":\"1+1\"}", "sha256").hexdigest())' */
    char hex[WIRE_HEX];
    struct wire_message message = sample();
    wire_sign(&key, &message, hex);
    assert_string_equal(hex, "92f3d676fd0eeaf178da939a8bb446a43a6549872164f6d5127c0b4be42c4589");
}

static size_t frames_of(struct su_str *frames, size_t prefix, char hex[static WIRE_HEX]) {
    struct wire_message message = sample();
    wire_sign(&key, &message, hex);
    size_t count = 0;
    while (count < prefix) frames[count++] = SU_STR("topic");
    frames[count++] = SU_STR("<IDS|MSG>");
    frames[count++] = (struct su_str){hex, WIRE_HEX - 1};
    for (int i = 0; i < WIRE_PARTS; i++) frames[count++] = message.part[i];
    return count;
}

static void message_opens_with_any_number_of_prefixes_and_buffers(void **state) {
    for (size_t prefix = 0; prefix < 3; prefix++) {
        struct su_str frames[16];
        char hex[WIRE_HEX];
        struct wire_message message;
        size_t count = frames_of(frames, prefix, hex);
        frames[count++] = SU_STR("a buffer");
        assert_true(wire_open(&key, frames, count, &message));
        assert_true(su_str_equal(message.part[WIRE_CONTENT], SU_STR("{\"code\":\"1+1\"}")));
    }
}

static void message_with_a_wrong_signature_or_too_few_frames_is_refused(void **state) {
    struct su_str frames[16];
    char hex[WIRE_HEX];
    struct wire_message message;
    size_t count = frames_of(frames, 1, hex);
    for (size_t fewer = 0; fewer < count; fewer++) assert_false(wire_open(&key, frames, fewer, &message));
    for (size_t i = 0; i < WIRE_HEX - 1; i++) {
        hex[i] ^= 1;
        assert_false(wire_open(&key, frames, count, &message));
        hex[i] ^= 1;
    }
    frames[count - 1] = SU_STR("{\"code\":\"2+2\"}");
    assert_false(wire_open(&key, frames, count, &message));
    struct wire_key other = {"another-key"};
    frames_of(frames, 1, hex);
    assert_false(wire_open(&other, frames, count, &message));
}

static void expect_clean(const char *text, size_t len, const char *expected) {
    struct su_buf out SU_AUTO_BUF = SU_BUF(4096);
    bool ok = scan_clean((struct su_str){text, len}, &out);
    if (!expected) assert_false(ok);
    else {
        assert_true(ok);
        assert_string_equal(su_buf_str(&out).ptr, expected);
    }
}
#define CLEAN(text, expected) expect_clean(text, sizeof(text) - 1, expected)

static void json_is_copied_without_white_space(void **state) {
    CLEAN(" { \"a\" : [ 1 , -2.5e+3 , true , null , { } ] } ", "{\"a\":[1,-2.5e+3,true,null,{}]}");
    CLEAN("\"\\u00e9\\n\\\"\"", "\"\\u00e9\\n\\\"\"");
    CLEAN("\"\\ud83d\\ude00\"", "\"\\ud83d\\ude00\"");
}

static void what_python_lets_through_is_repaired(void **state) {
    CLEAN("[NaN,Infinity,-Infinity,1e999]", "[null,null,null,null]");
    CLEAN("\"\\ud800\"", "\"\xEF\xBF\xBD\"");
    CLEAN("\"\\ud800\\u0041\"", "\"\xEF\xBF\xBD\\u0041\"");
    CLEAN("\"\\u0000\"", "\"\xEF\xBF\xBD\"");
    CLEAN("\"a\x80z\xC0\xAF\"", "\"a\xEF\xBF\xBDz\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CLEAN("\"\xED\xA0\x80\"", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CLEAN("\"\n\"", "\"\\u000a\"");
    CLEAN("\"\0\"", "\"\\ufffd\"");
    CLEAN("[9223372036854775807,9223372036854775808,100000000000000000000]", "[9223372036854775807,9223372036854775808.0,100000000000000000000.0]");
}

static void what_is_no_json_is_refused(void **state) {
    static const char *const texts[] = {"",      " ",          "{",       "[1",        "[1,]", "{\"a\"}", "{\"a\":}",
                                        "{a:1}", "01",         "1.",      ".5",        "1e",   "-",       "+1",
                                        "tru",   "\"",         "\"\\x\"", "\"\\u12\"", "[1]]", "{}{}",    "'a'",
                                        "[1 2]", "{\"a\":1,}", "nul",     "--1",       "-Inf"};
    for (size_t i = 0; i < SU_COUNT(texts); i++) expect_clean(texts[i], strlen(texts[i]), NULL);
}

static void depth_is_limited(void **state) {
    char deep[2 * (SCAN_DEPTH_MAX + 1)];
    memset(deep, '[', SCAN_DEPTH_MAX + 1);
    memset(deep + SCAN_DEPTH_MAX + 1, ']', SCAN_DEPTH_MAX + 1);
    expect_clean(deep, sizeof deep, NULL);
    struct su_buf out SU_AUTO_BUF = SU_BUF(4096);
    assert_true(scan_clean((struct su_str){deep + 1, sizeof deep - 2}, &out));
}

static void members_are_found_by_name(void **state) {
    struct su_str object = SU_STR("{\"x\":{\"name\":[1,{\"name\":2}]},\"s\":\"a\\\"b\",\"name\":12.5,\"last\":null}"), value;
    assert_true(scan_member(object, "name", &value));
    assert_true(su_str_equal(value, SU_STR("12.5")));
    assert_true(scan_member(object, "s", &value));
    assert_true(su_str_equal(scan_inside(value), SU_STR("a\\\"b")));
    assert_true(scan_member(object, "last", &value));
    assert_true(su_str_equal(value, SU_STR("null")));
    assert_false(scan_member(object, "nam", &value));
    assert_false(scan_member(SU_STR("{}"), "name", &value));
    assert_false(scan_member(SU_STR("[1]"), "name", &value));
}

static void text_is_never_cut_inside_a_character(void **state) {
    struct su_str text = SU_STR("ab\\n\\u00e9\\ud83d\\ude00\xE2\x82\xAC\xF0\x9F\x98\x80z\\\\");
    struct su_buf whole SU_AUTO_BUF = SU_BUF(4096);
    for (size_t max = 12; max < 40; max++) {
        su_buf_clear(&whole);
        for (struct su_str rest = text; rest.len;) {
            size_t len = scan_cut(rest, max);
            assert_in_range(len, 1, max);
            struct su_buf piece SU_AUTO_BUF = SU_BUF(4096), clean SU_AUTO_BUF = SU_BUF(4096);
            su_buf_addf(&piece, "\"%.*s\"", (int)len, rest.ptr);
            assert_true(scan_clean(su_buf_str(&piece), &clean));
            assert_string_equal(su_buf_str(&piece).ptr, su_buf_str(&clean).ptr); /* nothing had to be repaired */
            su_buf_add(&whole, rest.ptr, len);
            rest = (struct su_str){rest.ptr + len, rest.len - len};
        }
        assert_string_equal(su_buf_str(&whole).ptr, text.ptr);
    }
}

static void cleaned_text_is_always_json_whatever_came_in(void **state) {
    static const char alphabet[] = "{}[]\",:\\u0123dDeE+-. \x80\xC3\xA9ntf";
    srand(20130905);
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t len = (size_t)(rand() % (int)sizeof text);
        for (size_t i = 0; i < len; i++) text[i] = alphabet[rand() % (int)(sizeof alphabet - 1)];
        struct su_buf out SU_AUTO_BUF = SU_BUF(4096);
        if (!scan_clean((struct su_str){text, len}, &out)) continue;
        json_error_t error;
        json_t *value = json_loadb(out.ptr, out.len, JSON_DECODE_ANY, &error);
        if (!value) fail_msg("seed 20130905 round %d: %s: %s", round, su_buf_str(&out).ptr, error.text);
        json_decref(value);
    }
}

static void cell_seen_before_is_not_queued_again(void **state) {
    struct cells cells = {0};
    struct su_err err;
    size_t index;
    json_t *list = json_pack("[{s:s, s:s}, {s:s, s:s, s:b}]", "cell", "a", "code", "1", "cell", "b", "code", "2", "allow_error", 1);
    assert_true(cells_add(&cells, list, &err));
    assert_true(cells_add(&cells, list, &err));
    assert_int_equal(cells.count, 2);
    assert_string_equal(cells_take(&cells, &index)->code, "1");
    cells_finish(&cells, index);
    assert_true(cells_take(&cells, &index)->allow_error);
    assert_null(cells_take(&cells, &index));
    assert_true(cells_add(&cells, list, &err));
    assert_true(cells_is_empty(&cells));
    cells_done(&cells);
    json_decref(list);
}

static void cell_without_id_or_code_is_refused_and_nothing_is_queued(void **state) {
    struct cells cells = {0};
    struct su_err err;
    json_t *list = json_pack("[{s:s, s:s}, {s:s}]", "cell", "a", "code", "1", "cell", "b");
    assert_false(cells_add(&cells, list, &err));
    assert_int_equal(cells.count, 0);
    json_decref(list);
    assert_false(cells_add(&cells, NULL, &err));
}

static int folder(char *path) {
    strcpy(path, "/tmp/test_spool.XXXXXX");
    assert_non_null(mkdtemp(path));
    return open(path, O_RDONLY | O_DIRECTORY);
}

static void spool_resends_from_any_event(void **state) {
    char path[32], bytes[256];
    struct su_err err;
    struct spool spool;
    int ends[2], fd = folder(path);
    assert_true(spool_open(&spool, fd, &err));
    for (int i = 1; i <= 5; i++) {
        char text[16];
        snprintf(text, sizeof text, "event %d", i);
        assert_true(spool_append(&spool, su_str_of(text), &err));
    }
    assert_int_equal(spool.count, 5);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    off_t at = spool_find(&spool, 4);
    assert_true(spool_send(&spool, ends[0], &at));
    assert_int_equal(at, spool_end(&spool));
    assert_int_equal(recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT), 2 * (4 + 7));
    assert_memory_equal(bytes + 4, "event 4", 7);
    assert_int_equal(spool_find(&spool, 6), spool_end(&spool));
    assert_int_equal(spool_find(&spool, 1000), spool_end(&spool));
    spool_close(&spool);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    su_dir_remove(path, &err);
}

static void spool_keeps_the_last_events_when_the_disk_is_full(void **state) {
    char path[32], bytes[64];
    struct su_err err;
    struct spool spool;
    int ends[2], fd = folder(path);
    assert_true(spool_open(&spool, fd, &err));
    assert_true(spool_append(&spool, SU_STR("first"), &err));
    int file = spool.fd;
    spool.fd = open("/dev/full", O_WRONLY);
    assert_false(spool_append(&spool, SU_STR("second"), &err));
    assert_string_equal(err.slug, "insufficient-storage");
    close(spool.fd);
    spool.fd = file;
    assert_false(spool_append(&spool, SU_STR("third"), &err)); /* order holds: nothing goes to the file any more */
    assert_int_equal(spool.count, 3);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    off_t at = spool_find(&spool, 2);
    assert_true(spool_send(&spool, ends[0], &at));
    assert_int_equal(recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT), 10 + 9);
    assert_memory_equal(bytes + 4, "second", 6);
    assert_memory_equal(bytes + 14, "third", 5);
    spool_close(&spool);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    su_dir_remove(path, &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signature_agrees_with_another_implementation),
        cmocka_unit_test(message_opens_with_any_number_of_prefixes_and_buffers),
        cmocka_unit_test(message_with_a_wrong_signature_or_too_few_frames_is_refused),
        cmocka_unit_test(json_is_copied_without_white_space),
        cmocka_unit_test(what_python_lets_through_is_repaired),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(members_are_found_by_name),
        cmocka_unit_test(text_is_never_cut_inside_a_character),
        cmocka_unit_test(cleaned_text_is_always_json_whatever_came_in),
        cmocka_unit_test(cell_seen_before_is_not_queued_again),
        cmocka_unit_test(cell_without_id_or_code_is_refused_and_nothing_is_queued),
        cmocka_unit_test(spool_resends_from_any_event),
        cmocka_unit_test(spool_keeps_the_last_events_when_the_disk_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
