/* /v1/fetches and /v1/fetch-hosts: downloads into objects.  Layer api; handlers run on workers. */
#include <stdlib.h>
#include "aggregate/fetch.h"
#include "base/random.h"
#include "handler.h"

struct fetch_body { const char *url, *name; json_t *tags; };
static const struct su_field fetch_fields[] = {
    SU_FIELD(struct fetch_body, url, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 2048, .help = "http or https address"),
    SU_FIELD(struct fetch_body, name, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = OBJECT_NAME_MAX,
             .help = "The object it becomes a version of"),
    SU_FIELD(struct fetch_body, tags, SU_FIELD_LIST, .help = "The name's tags"),
    SU_FIELD_END};

/* The fetch `id`, once it has ended or nobody waits any more. */
static void reply_fetch(struct request *request, struct reply *reply, const char *id, int status)
{
    struct su_err err;
    json_t *fetch;
    if (!fetch_get(request_services(request)->fetches, request_tenant(request), id, &fetch, &err)) {
        reply_error(reply, &err);
        return;
    }
    SU_AUTO_FREE char *topic = su_format("fetch/%s", id);
    bool is_running = su_str_equal(su_str_of(su_json_string(fetch, "state", "")), SU_STR("running"));
    if (is_running && reply_park(request, reply, topic)) {
        json_decref(fetch);
        return;
    }
    reply_header(reply, "Location", "/v1/fetches/%s", id);
    reply_json(reply, status, fetch);
}

static void post_fetch(struct request *request, struct reply *reply)
{
    const char *kept = request_kept(request);
    if (kept != NULL) {
        reply_fetch(request, reply, kept, 202);
        return;
    }
    struct su_err err;
    struct fetch_body body = {0};
    const struct identity *who = request_identity(request);
    char id[SU_ID_SIZE];
    if (!request_bind(request, fetch_fields, &body, &err)) {
        reply_error(reply, &err);
        return;
    }
    const struct fetch_start what = {.tenant = who->tenant, .user = who->user, .run = who->run[0] ? who->run : NULL,
                                     .url = body.url, .name = body.name, .tags = body.tags};
    if (!fetch_start(request_services(request)->fetches, &what, id, &err)) {
        reply_error(reply, &err);
        return;
    }
    request_keep(request, id);
    reply_fetch(request, reply, id, 202);
}

static void get_fetch(struct request *request, struct reply *reply)
{
    reply_fetch(request, reply, request_param(request, "id"), 200);
}

static void list_fetches(struct request *request, struct reply *reply)
{
    struct su_err err;
    size_t limit;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    if (request_limit(request, &limit, &err)
        && fetch_list(request_services(request)->fetches, request_tenant(request), request_query(request, "cursor"),
                      (int64_t)limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

struct hosts_body { json_t *items; };
static const struct su_field hosts_fields[] = {
    SU_FIELD(struct hosts_body, items, SU_FIELD_LIST, .is_required = true,
             .help = "The whole list: {host, port?, allow_private?} each; \"*.example.org\" has any name below"),
    SU_FIELD_END};

static void get_hosts(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    if (fetch_hosts_get(request_services(request)->fetches, request_tenant(request), &items, &err))
        reply_list(reply, items, NULL);
    else
        reply_error(reply, &err);
}

static void put_hosts(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct hosts_body body = {0};
    if (request_bind(request, hosts_fields, &body, &err)
        && fetch_hosts_put(request_services(request)->fetches, request_tenant(request), body.items, &err))
        get_hosts(request, reply);
    else
        reply_error(reply, &err);
}

const struct route fetches_routes[] = {
    {.method = "POST", .path = "/v1/fetches", .scope = SCOPE_OBJECTS_WRITE, .handle = post_fetch, .body = BODY_JSON,
     .flags = ROUTE_WAIT | ROUTE_RUN_TOKEN, .request = fetch_fields, .success = 202,
     .summary = "Download an address into an object", .response = "The fetch"},
    {.method = "GET", .path = "/v1/fetches", .scope = SCOPE_OBJECTS_READ, .handle = list_fetches,
     .flags = ROUTE_LIST | ROUTE_RUN_TOKEN, .summary = "List fetches, newest first", .response = "Fetches"},
    {.method = "GET", .path = "/v1/fetches/{id}", .scope = SCOPE_OBJECTS_READ, .handle = get_fetch,
     .flags = ROUTE_WAIT | ROUTE_RUN_TOKEN, .summary = "A fetch's state", .response = "The fetch"},
    {.method = "GET", .path = "/v1/fetch-hosts", .scope = SCOPE_ADMIN, .handle = get_hosts,
     .summary = "Hosts that may be fetched from", .response = "The allow-list"},
    {.method = "PUT", .path = "/v1/fetch-hosts", .scope = SCOPE_ADMIN, .handle = put_hosts, .body = BODY_JSON,
     .request = hosts_fields, .summary = "Replace the list of hosts that may be fetched from", .response = "The allow-list"},
    ROUTE_END};
