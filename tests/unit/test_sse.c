/* Server-sent events and addresses: cli/sse.h, cli/url.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cli/sse.h"
#include "cli/url.h"

struct heard { struct su_buf text; int left; };

static bool hear(void *arg, const char *event, const char *id, struct su_str data)
{
    struct heard *heard = arg;
    su_buf_addf(&heard->text, "%s/%s/%.*s;", event, id, (int)data.len, data.ptr);
    return --heard->left > 0;
}

static const char stream[] = ": hello\n\nid: 1\nevent: output\ndata: one\n\ndata:two\r\ndata: lines\r\n\r\nevent: "
                             "lost\n\nid: 3\rdata: x\r\rdata: open";
static const char expected[] = "output/1/one;message/1/two\nlines;message/3/x;";

static void events_are_the_same_however_the_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof stream; piece++) {
        struct sse sse;
        struct heard heard = {.text = SU_BUF(4096), .left = 100};
        sse_init(&sse);
        for (size_t at = 0; at < sizeof stream - 1; at += piece) {
            size_t len = sizeof stream - 1 - at < piece ? sizeof stream - 1 - at : piece;
            assert_true(sse_feed(&sse, (struct su_str){stream + at, len}, hear, &heard));
        }
        assert_string_equal(su_buf_str(&heard.text).ptr, expected);
        su_buf_done(&heard.text);
        sse_done(&sse);
    }
}

static void a_listener_can_end_the_stream(void **state)
{
    (void)state;
    struct sse sse;
    struct heard heard = {.text = SU_BUF(4096), .left = 1};
    sse_init(&sse);
    assert_false(sse_feed(&sse, (struct su_str){stream, sizeof stream - 1}, hear, &heard));
    assert_string_equal(su_buf_str(&heard.text).ptr, "output/1/one;");
    su_buf_done(&heard.text);
    sse_done(&sse);
}

static void names_are_encoded_and_slashes_stay(void **state)
{
    (void)state;
    static const struct { const char *name, *path; } rows[] = {
        {"a/b.csv", "a/b.csv"}, {"two words?#", "two%20words%3F%23"}, {"é", "%C3%A9"}, {"../x", "%2E%2E/x"}, {"a/./b", "a/%2E/b"},
        {"100%", "100%25"}, {"a//b", "a//b"}, {"...", "..."},
    };
    for (size_t i = 0; i < SU_COUNT(rows); i++) {
        SU_AUTO_BUF struct su_buf path = SU_BUF(4096);
        url_add_name(&path, rows[i].name);
        assert_string_equal(su_buf_str(&path).ptr, rows[i].path);
    }
    SU_AUTO_BUF struct su_buf path = SU_BUF(4096);
    su_buf_adds(&path, "/v1/objects");
    url_add_query(&path, "prefix", "a&b");
    url_add_query(&path, "tag", NULL);
    url_add_query(&path, "limit", "3");
    assert_string_equal(su_buf_str(&path).ptr, "/v1/objects?prefix=a%26b&limit=3");
}

static void only_this_machine_is_loopback(void **state)
{
    (void)state;
    assert_true(url_is_loopback("http://127.0.0.1:8080/x"));
    assert_true(url_is_loopback("http://localhost"));
    assert_true(url_is_loopback("http://[::1]:80"));
    assert_false(url_is_loopback("http://127.example.org.invalid"));
    assert_false(url_is_loopback("http://localhost.invalid"));
    assert_false(url_is_loopback("https://example.org/127.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_the_same_however_the_bytes_are_cut),
        cmocka_unit_test(a_listener_can_end_the_stream),
        cmocka_unit_test(names_are_encoded_and_slashes_stay),
        cmocka_unit_test(only_this_machine_is_loopback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
