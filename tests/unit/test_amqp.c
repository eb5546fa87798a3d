/* AMQP definitions, addresses and headers: what is taken, what is refused and how. */
#include "check.h"

#include <math.h>
#include <amqp.h>
#include <amqp_framing.h>

#include "aggregate/amqp_definition.h"
#include "aggregate/amqp_headers.h"

static bool read_text(const char *text, struct amqp_definition *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *source = NULL;
    assert_true(su_json_parse(su_str_of(text), "source", &source, err));
    return amqp_definition_read(source, ret, err);
}

static void smallest_definition_gets_its_defaults(void **state)
{
    struct su_err err;
    struct amqp_definition definition;
    check_ok(read_text("{\"kind\":\"amqp\",\"url\":\"amqp://broker\",\"queue\":\"q\"}", &definition, &err));
    assert_string_equal(definition.host, "broker");
    assert_string_equal(definition.vhost, "/");
    assert_int_equal(definition.port, 5672);
    assert_string_equal(definition.user, "guest");
    assert_int_equal(definition.prefetch, 1000);
    assert_int_equal(definition.heartbeat_s, 10);
    assert_false(definition.is_declared || definition.is_tls || definition.ignores_ids);
    amqp_definition_done(&definition);
}

static void whole_definition_is_read(void **state)
{
    struct su_err err;
    struct amqp_definition definition;
    check_ok(read_text("{\"kind\":\"amqp\",\"url\":\"amqps://[::1]:1234/a%2Fb\",\"user\":\"u\",\"secret\":\"s\",\"queue\":\"q\","
                       "\"declare\":{\"type\":\"quorum\",\"arguments\":{\"x-delivery-limit\":5}},"
                       "\"bind\":[{\"exchange\":\"x\",\"routing_key\":\"a.*\"},{\"exchange\":\"h\",\"headers\":{\"x-match\":\"any\"}}],"
                       "\"prefetch\":5,\"heartbeat_s\":30,\"tls\":{\"verify\":false},\"ids\":\"ignore\"}", &definition, &err));
    assert_string_equal(definition.host, "::1");
    assert_string_equal(definition.vhost, "a/b");
    assert_int_equal(definition.port, 1234);
    assert_string_equal(definition.type, "quorum");
    assert_int_equal(definition.binding_count, 2);
    assert_string_equal(definition.bindings[0].routing_key, "a.*");
    assert_non_null(definition.bindings[1].headers);
    assert_true(definition.is_tls && !definition.verifies && definition.ignores_ids);
    amqp_definition_done(&definition);
}

static void wrong_definitions_name_the_field(void **state)
{
    const struct { const char *text, *field; } wrong[] = {
        {"{\"kind\":\"amqp\",\"queue\":\"q\"}", "/source/url"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\"}", "/source/queue"},
        {"{\"kind\":\"amqp\",\"url\":\"http://h\",\"queue\":\"q\"}", "/source/url"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"user\":\"u\"}", "/source/secret"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"prefetch\":0}", "/source/prefetch"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"heartbeat_s\":1}", "/source/heartbeat_s"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"password\":\"x\"}", "/source/password"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"declare\":{\"type\":\"lazy\"}}", "/source/declare/type"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"declare\":{\"type\":\"quorum\",\"durable\":false}}", "/source/declare/durable"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"bind\":[{\"routing_key\":\"a\"}]}", "/source/bind/0/exchange"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"tls\":{}}", "/source/tls"},
        {"{\"kind\":\"amqp\",\"url\":\"amqps://h\",\"queue\":\"q\",\"tls\":{\"ca\":\"/etc/ca.pem\"}}", "/source/tls/ca"},
        {"{\"kind\":\"amqp\",\"url\":\"amqp://h\",\"queue\":\"q\",\"ids\":\"maybe\"}", "/source/ids"},
    };
    for (size_t i = 0; i < SU_COUNT(wrong); i++) {
        struct su_err err = {0};
        struct amqp_definition definition;
        if (read_text(wrong[i].text, &definition, &err))
            fail_msg("%s was taken", wrong[i].text);
        if (strcmp(err.field, wrong[i].field) != 0)
            fail_msg("%s: field %s, not %s: %s", wrong[i].text, err.field, wrong[i].field, err.message);
    }
}

static void wrong_addresses_are_refused(void **state)
{
    const char *const wrong[] = {"", "amqp://", "amqp:///v", "amqp://:5672", "amqp://h:", "amqp://h:0", "amqp://h:65536", "amqp://h:x",
                                 "amqp://u:p@h", "amqp://h/a/b", "amqp://h/a?b=c", "amqp://h/%", "amqp://h/%zz", "amqp://h/%00", "amqp://[::1",
                                 "amqp://[::1]5", "amqp://h h", "amqp://h\xc3\xa9"};
    for (size_t i = 0; i < SU_COUNT(wrong); i++) {
        struct su_err err;
        char *host, *vhost;
        int port;
        bool is_tls;
        if (amqp_url_read(wrong[i], &host, &port, &vhost, &is_tls, &err))
            fail_msg("%s was taken", wrong[i]);
        assert_null(strstr(err.message, "u:p"));
    }
}

static amqp_bytes_t bytes(const char *text) { return amqp_cstring_bytes(text); }

static void properties_and_headers_become_json(void **state)
{
    struct su_err err;
    amqp_field_value_t items[] = {{.kind = AMQP_FIELD_KIND_I8, .value.i8 = -3}, {.kind = AMQP_FIELD_KIND_VOID}};
    amqp_table_entry_t inner[] = {{bytes("deep"), {.kind = AMQP_FIELD_KIND_U64, .value.u64 = UINT64_MAX >> 1}}};
    amqp_table_entry_t entries[] = {
        {bytes("text"), {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes("a\"b\\c\n")}},
        {bytes("text"), {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes("again")}},
        {bytes("raw"), {.kind = AMQP_FIELD_KIND_BYTES, .value.bytes = {4, (char[]){1, 2, (char)255, 4}}}},
        {bytes("latin"), {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes("\xe9")}},
        {bytes("nan"), {.kind = AMQP_FIELD_KIND_F64, .value.f64 = (double)NAN}},
        {bytes("price"), {.kind = AMQP_FIELD_KIND_DECIMAL, .value.decimal = {2, 1999}}},
        {bytes("list"), {.kind = AMQP_FIELD_KIND_ARRAY, .value.array = {2, items}}},
        {bytes("table"), {.kind = AMQP_FIELD_KIND_TABLE, .value.table = {1, inner}}},
        {bytes("amqp.exchange"), {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = bytes("forged")}},
    };
    amqp_basic_deliver_t delivery = {.exchange = bytes("x"), .routing_key = bytes("a.b"), .redelivered = 1};
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG, .content_type = bytes("application/json"),
                                          .headers = {SU_COUNT(entries), entries}};
    SU_AUTO_BUF struct su_buf out = SU_BUF(AMQP_HEADERS_MAX);
    SU_AUTO_JSON json_t *json = NULL;
    check_ok(su_json_parse(amqp_headers_json(&delivery, &properties, &out), "headers", &json, &err));
    assert_string_equal(su_json_string(json, "text", ""), "a\"b\\c\n");
    assert_string_equal(su_json_string(json, "raw", ""), "base64:AQL/BA==");
    assert_string_equal(su_json_string(json, "latin", ""), "base64:6Q==");
    assert_true(json_is_null(json_object_get(json, "nan")));
    assert_true(su_json_number(json, "price", 0) > 19.98 && su_json_number(json, "price", 0) < 20.0);
    assert_int_equal(json_array_size(json_object_get(json, "list")), 2);
    assert_int_equal(su_json_int(json_object_get(json, "table"), "deep", 0), INT64_MAX);
    assert_string_equal(su_json_string(json, "amqp.exchange", ""), "x");
    assert_string_equal(su_json_string(json, "amqp.routing_key", ""), "a.b");
    assert_string_equal(su_json_string(json, "amqp.content_type", ""), "application/json");
    assert_true(su_json_bool(json, "amqp.redelivered", false));
}

static void plain_message_has_no_headers(void **state)
{
    amqp_basic_deliver_t delivery = {.routing_key = bytes("queue")};
    amqp_basic_properties_t properties = {0};
    SU_AUTO_BUF struct su_buf out = SU_BUF(AMQP_HEADERS_MAX);
    assert_null(amqp_headers_json(&delivery, &properties, &out).ptr);
}

static void timestamps_are_seconds_or_milliseconds(void **state)
{
    assert_int_equal(amqp_headers_time(1700000000), 1700000000000000);
    assert_int_equal(amqp_headers_time(1700000000123), 1700000000123000);
    assert_int_equal(amqp_headers_time(UINT64_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smallest_definition_gets_its_defaults), cmocka_unit_test(whole_definition_is_read),
        cmocka_unit_test(wrong_definitions_name_the_field), cmocka_unit_test(wrong_addresses_are_refused),
        cmocka_unit_test(properties_and_headers_become_json), cmocka_unit_test(plain_message_has_no_headers),
        cmocka_unit_test(timestamps_are_seconds_or_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
