/* Where fetches may go: a list per tenant, and what the command line adds.  Layer aggregate. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "address.h"
#include "fetch_private.h"

enum { HOSTS_MAX = 256 };

static bool check_host(const char *host, struct su_err *err)
{
    size_t len = strlen(host);
    const char *bare = strncmp(host, "*.", 2) == 0 ? host + 2 : host;
    if (len == 0 || len >= FETCH_HOST_SIZE || *bare == '\0')
        return su_fail_field(err, SU_INVALID, "/items/host", "a host has 1..%d bytes", FETCH_HOST_SIZE - 1);
    for (const char *at = bare; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("-._:", *at) == NULL)
            return su_fail_field(err, SU_INVALID, "/items/host",
                                 "\"%.100s\" is no host name: letters, digits, - and ., \"*.\" in front for all names below", host);
    return true;
}

static void lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = (char)tolower((unsigned char)*text);
}

bool fetch_hosts_parse(const char *text, char ret_host[static FETCH_HOST_SIZE], uint16_t *ret_port, struct su_err *err)
{
    struct su_str host = su_str_of(text), port = {0};
    if (host.len > 0 && host.ptr[0] == '[') {
        if (!su_str_cut((struct su_str){host.ptr + 1, host.len - 1}, ']', &host, &port) || (port.len > 0 && port.ptr[0] != ':'))
            return su_fail(err, SU_INVALID, "\"%.100s\" is not [ADDRESS]:PORT", text);
        if (port.len > 0)
            port = (struct su_str){port.ptr + 1, port.len - 1};
    } else {
        su_str_cut(host, ':', &host, &port);
    }
    uint64_t number = 0;
    if (host.len == 0 || host.len >= FETCH_HOST_SIZE || (port.len > 0 && (!su_str_u64(port, 65535, &number) || number == 0)))
        return su_fail(err, SU_INVALID, "\"%.100s\" is not HOST or HOST:PORT", text);
    snprintf(ret_host, FETCH_HOST_SIZE, "%.*s", (int)host.len, host.ptr);
    lower(ret_host);
    *ret_port = (uint16_t)number;
    return check_host(ret_host, err);
}

static bool host_matches(const char *entry, const char *host)
{
    if (strncmp(entry, "*.", 2) != 0)
        return strcmp(entry, host) == 0;
    size_t suffix = strlen(entry) - 1, len = strlen(host);
    return len > suffix && strcmp(host + len - suffix, entry + 1) == 0;
}

static bool entry_matches(const char *host, int64_t port, const struct fetch_target *target)
{
    return host_matches(host, target->host) && (port == 0 ? target->is_default_port : port == target->port);
}

static bool allowed_by_option(const char *const *allow, struct fetch_target *target)
{
    struct su_err err;
    char host[FETCH_HOST_SIZE];
    uint16_t port;
    for (; allow != NULL && *allow != NULL; allow++)
        if (fetch_hosts_parse(*allow, host, &port, &err) && entry_matches(host, port, target)) {
            target->allow_private |= port != 0;
            return true;
        }
    return false;
}

/* Is the target on a list?  Marks it when private addresses are allowed there. */
static bool find_entry(struct store *store, const char *const *allow, const char *tenant, struct fetch_target *target, bool *ret_is_allowed,
                       struct su_err *err)
{
    STORE_READ(store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT host, port, allow_private FROM fetch_hosts WHERE tenant = ?1", sql_text(tenant));
    enum sql_next next = SQL_ERROR;
    bool is_allowed = allowed_by_option(allow, target);
    while (row != NULL && (next = sql_step(row, err)) == SQL_ROW)
        if (entry_matches(sql_col_text(row, 0), sql_col_int(row, 1), target)) {
            is_allowed = true;
            target->allow_private |= sql_col_int(row, 2) != 0;
        }
    *ret_is_allowed = is_allowed;
    return next == SQL_DONE;
}

bool fetch_hosts_allow(struct store *store, const char *const *allow, const char *tenant, struct fetch_target *target, struct su_err *err)
{
    bool is_allowed;
    if (!find_entry(store, allow, tenant, target, &is_allowed, err))
        return false;
    if (is_allowed)
        return true;
    su_fail_field(err, SU_DENIED, "/url", "nothing may be fetched from %s port %u", target->host, target->port);
    if (target->is_default_port)
        return su_hint(err, "The owner can add the host: PUT /v1/fetch-hosts, or serve --allow-fetch %.100s.", target->host);
    return su_hint(err, "The owner can add host and port: PUT /v1/fetch-hosts, or serve --allow-fetch %.100s:%u.", target->host, target->port);
}

/* An address written as one, or this machine's own name: known to be private without asking anybody. */
static bool is_plainly_private(const char *host)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (strcmp(host, "localhost") == 0 || su_str_ends(su_str_of(host), SU_STR(".localhost")))
        return true;
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
        return !address_is_public((const struct sockaddr *)&v4);
    return inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 && !address_is_public((const struct sockaddr *)&v6);
}

bool fetch_url_check(struct fetches *fetches, const char *tenant, const char *url, const char *field, bool *ret_private, struct su_err *err)
{
    struct fetch_target target;
    bool is_allowed;
    if (!fetch_target_parse(url, &target, err)) {
        snprintf(err->field, sizeof err->field, "%s", field);
        return false;
    }
    bool ok = find_entry(fetches->store, fetches->options.allow, tenant, &target, &is_allowed, err);
    *ret_private = target.allow_private;
    if (ok && !target.allow_private && is_plainly_private(target.host)) {
        ok = su_fail_field(err, SU_DENIED, field, "%s is not a public address", target.host);
        su_hint(err, "The owner can allow host and port: PUT /v1/fetch-hosts with allow_private, or serve --allow-fetch %.100s:%u.",
                target.host, target.port);
    }
    fetch_target_done(&target);
    return ok;
}

/* --- the list --------------------------------------------------------- */

bool fetch_hosts_get(struct fetches *fetches, const char *tenant, json_t **ret_items, struct su_err *err)
{
    STORE_READ(fetches->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err, "SELECT host, port, allow_private FROM fetch_hosts WHERE tenant = ?1 ORDER BY host, port", sql_text(tenant));
    SU_AUTO_JSON json_t *items = json_array();
    enum sql_next next = SQL_ERROR;
    while (row != NULL && (next = sql_step(row, err)) == SQL_ROW) {
        int64_t port = sql_col_int(row, 1);
        json_array_append_new(items, json_pack("{s:s, s:o, s:b}", "host", sql_col_text(row, 0), "port",
                                               port ? json_integer(port) : json_null(), "allow_private", (int)sql_col_int(row, 2)));
    }
    if (next == SQL_ERROR)
        return false;
    *ret_items = su_take(items);
    return true;
}

struct host_entry { const char *host; int64_t port; bool allow_private; };
static const struct su_field host_fields[] = {
    SU_FIELD(struct host_entry, host, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = FETCH_HOST_SIZE - 1),
    SU_FIELD(struct host_entry, port, SU_FIELD_INT, .min = 1, .max = 65535),
    SU_FIELD(struct host_entry, allow_private, SU_FIELD_BOOL),
    SU_FIELD_END};

static bool read_entry(const json_t *item, struct host_entry *ret, struct su_err *err)
{
    SU_AUTO_JSON json_t *given = json_is_object(item) ? json_copy((json_t *)item) : NULL;
    if (given == NULL)
        return su_fail_field(err, SU_INVALID, "/items", "an entry is an object with \"host\"");
    if (json_is_null(json_object_get(given, "port")))
        json_object_del(given, "port");     /* as the list gives it back */
    *ret = (struct host_entry){0};
    if (!su_json_bind(given, host_fields, ret, err))
        return false;
    ret->host = json_string_value(json_object_get(item, "host"));
    if (ret->allow_private && ret->port == 0)
        return su_fail_field(err, SU_INVALID, "/items/port", "an entry that allows private addresses names its port");
    return check_host(ret->host, err);
}

struct hosts_write { const char *tenant; const json_t *items; };

static bool write_hosts(struct sql *db, void *arg, struct su_err *err)
{
    const struct hosts_write *what = arg;
    if (!sql_run(db, err, "DELETE FROM fetch_hosts WHERE tenant = ?1", sql_text(what->tenant)))
        return false;
    size_t i;
    json_t *item;
    json_array_foreach ((json_t *)what->items, i, item) {
        struct host_entry entry;
        if (!read_entry(item, &entry, err))
            return false;
        SU_AUTO_FREE char *host = su_strdup(entry.host);
        lower(host);
        if (!sql_run(db, err, "INSERT OR REPLACE INTO fetch_hosts (tenant, host, port, allow_private) VALUES (?1, ?2, ?3, ?4)",
                     sql_text(what->tenant), sql_text(host), sql_int(entry.port), sql_int(entry.allow_private)))
            return false;
    }
    return true;
}

bool fetch_hosts_put(struct fetches *fetches, const char *tenant, const json_t *items, struct su_err *err)
{
    if (!json_is_array(items) || json_array_size(items) > HOSTS_MAX)
        return su_fail_field(err, SU_INVALID, "/items", "items is a list of at most %d entries", HOSTS_MAX);
    struct hosts_write what = {tenant, items};
    return store_write(fetches->store, write_hosts, &what, err);
}
