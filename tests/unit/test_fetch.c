/* Fetches: which addresses are public, what an address leads to, who may go there. */
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "aggregate/address.h"
#include "aggregate/fetch_private.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return address_is_public((const struct sockaddr *)(const void *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_is_public((const struct sockaddr *)(const void *)&v6);
}

static void private_addresses_are_told_from_public_ones(void **state)
{
    static const char *const no[] = {
        "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.1",
        "127.255.255.255", "169.254.0.0",
        "169.254.169.254", "172.16.0.0", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:8.8.8.8",
        "::8.8.8.8", "64:ff9b::808:808",
        "64:ff9b:1::1", "100::1", "2001::1", "2001:1ff::1", "2001:db8::1", "2002:808:808::1", "3fff::1",
        "3fff:fff::1", "4000::1", "fc00::1", "fdff::1", "fe80::1", "fec0::1", "ff02::1"};
    static const char *const yes[] = {
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
        "192.0.1.1", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
        "2001:200::1", "2001:4860:4860::8888", "2a00::1", "2003::1", "3ffe::1", "3fff:1000::1"};
    for (size_t i = 0; i < SU_COUNT(no); i++)
        if (is_public(no[i]))
            fail_msg("%s counts as public", no[i]);
    for (size_t i = 0; i < SU_COUNT(yes); i++)
        if (!is_public(yes[i]))
            fail_msg("%s counts as private", yes[i]);
    const struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(address_is_public(&local));
}

static void addresses_are_taken_apart(void **state)
{
    static const struct { const char *url, *host; unsigned port; bool is_default; } good[] = {
        {"http://Example.ORG/a?b=c#d", "example.org", 80, true},
        {"https://example.org.:443/", "example.org", 443, true},
        {"https://example.org:80/", "example.org", 80, false},
        {"http://[2001:DB8::1]:8080/x", "2001:db8::1", 8080, false},
        {"http://0x7f.1/", "127.0.0.1", 80, true},
        {"http://2130706433/", "127.0.0.1", 80, true},
        {"HTTP://a_b-c.example/", "a_b-c.example", 80, true},
    };
    struct su_err err;
    for (size_t i = 0; i < SU_COUNT(good); i++) {
        struct fetch_target target = {0};
        check_ok(fetch_target_parse(good[i].url, &target, &err));
        assert_string_equal(target.host, good[i].host);
        assert_int_equal(target.port, good[i].port);
        assert_int_equal(target.is_default_port, good[i].is_default);
        assert_null(strchr(target.url, '#'));
        fetch_target_done(&target);
    }
    static const char *const bad[] = {
        "", "x", "//example.org", "ftp://example.org/", "file:///etc/passwd", "http://", "http://user@example.org/",
        "http://u:p@example.org/", "http://:p@example.org/",
        "http://exa mple.org/", "http://example.org/\n", "http://example.org/\x01", "http://ex\xc3\xa4mple.org/",
        "http://example.org:0/", "http://example.org:65536/", "http://[::1/", "http://[fe80::1%25eth0]/"};
    for (size_t i = 0; i < SU_COUNT(bad); i++) {
        struct fetch_target target = {0};
        check_fails(fetch_target_parse(bad[i], &target, &err), SU_INVALID, "");
        assert_string_equal(err.field, "/url");
    }
}

static void entries_of_the_command_line_are_read(void **state)
{
    char host[FETCH_HOST_SIZE];
    uint16_t port;
    struct su_err err;
    check_ok(fetch_hosts_parse("Example.org", host, &port, &err));
    assert_string_equal(host, "example.org");
    assert_int_equal(port, 0);
    check_ok(fetch_hosts_parse("[::1]:8080", host, &port, &err));
    assert_string_equal(host, "::1");
    assert_int_equal(port, 8080);
    check_ok(fetch_hosts_parse("*.example.org", host, &port, &err));
    static const char *const bad[] = {"", ":80", "a:b", "a:0", "a:65536", "[::1", "[::1]80", "a b", "*.", "a/b"};
    for (size_t i = 0; i < SU_COUNT(bad); i++)
        check_fails(fetch_hosts_parse(bad[i], host, &port, &err), SU_INVALID, "");
}

static bool allows(struct store *store, const char *const *allow, const char *url, bool *ret_private)
{
    struct su_err err;
    struct fetch_target target = {0};
    check_ok(fetch_target_parse(url, &target, &err));
    bool is_allowed = fetch_hosts_allow(store, allow, "t", &target, &err);
    *ret_private = target.allow_private;
    fetch_target_done(&target);
    return is_allowed;
}

static void only_listed_hosts_and_ports_are_allowed(void **state)
{
    const struct store_migration *const migrations[] = {fetch_migrations, NULL};
    const char *const allow[] = {"plain.example", "lab.example:8080", "*.data.example", NULL};
    struct store *store;
    struct su_err err;
    bool is_private;
    check_ok(store_open(*state, migrations, &store, &err));
    assert_true(allows(store, allow, "http://plain.example/", &is_private));
    assert_false(is_private);
    assert_true(allows(store, allow, "https://plain.example/", &is_private));
    assert_false(allows(store, allow, "https://plain.example:80/", &is_private));
    assert_false(allows(store, allow, "http://plain.example:8080/", &is_private));
    assert_false(allows(store, allow, "http://sub.plain.example/", &is_private));
    assert_true(allows(store, allow, "http://lab.example:8080/", &is_private));
    assert_true(is_private);
    assert_false(allows(store, allow, "http://lab.example/", &is_private));
    assert_true(allows(store, allow, "http://a.b.data.example/", &is_private));
    assert_false(allows(store, allow, "http://data.example/", &is_private));
    assert_false(allows(store, allow, "http://evildata.example/", &is_private));
    assert_false(allows(store, NULL, "http://plain.example/", &is_private));
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_addresses_are_told_from_public_ones),
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(entries_of_the_command_line_are_read),
        cmocka_unit_test_setup_teardown(only_listed_hosts_and_ports_are_allowed, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
