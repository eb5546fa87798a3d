/* /v1/dashboards: notebooks and runs at an address of their own, to be read.  Layer api; handlers run on workers. */
#include "interact/dashboard.h"

#include <stdlib.h>

#include "handler.h"
#include "interact/notebooks.h"
#include "interact/run.h"
#include "routes.h"

static const char *slug_of(const struct request *request) { return request_param(request, "slug"); }

/* Does what it is to show exist? */
static bool check_target(struct request *request, const struct dashboard_settings *settings, struct su_err *err)
{
    const struct services *services = request_services(request);
    SU_AUTO_JSON json_t *found = NULL;
    if (settings->notebook)
        return notebooks_info(services->notebooks, request_tenant(request), settings->notebook, 0, &found, err);
    return run_get(services->runs, request_tenant(request), settings->run, &found, NULL, err);
}

static void put_dashboard(struct request *request, struct reply *reply)
{
    struct su_err err;
    struct dashboard_settings settings;
    json_t *dashboard;
    bool is_new;
    const struct services *services = request_services(request);
    const struct identity *who = request_identity(request);
    if (dashboard_parse(slug_of(request), request_json(request), &settings, &err) && check_target(request, &settings, &err)
        && dashboard_put(services->store, services->bus, who->tenant, slug_of(request), &settings, who->user, &dashboard, &is_new, &err))
        reply_json(reply, is_new ? 201 : 200, dashboard);
    else
        reply_error(reply, &err);
}

static void get_dashboard(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *dashboard;
    if (dashboard_get(request_services(request)->store, request_tenant(request), slug_of(request), &dashboard, &err))
        reply_json(reply, 200, dashboard);
    else
        reply_error(reply, &err);
}

static void list_dashboards(struct request *request, struct reply *reply)
{
    struct su_err err;
    json_t *items;
    SU_AUTO_FREE char *next = NULL;
    size_t limit;
    if (request_limit(request, &limit, &err)
        && dashboard_list(request_services(request)->store, request_tenant(request), request_query(request, "cursor"), limit, &items, &next, &err))
        reply_list(reply, items, next);
    else
        reply_error(reply, &err);
}

static void delete_dashboard(struct request *request, struct reply *reply)
{
    struct su_err err;
    const struct services *services = request_services(request);
    const struct identity *who = request_identity(request);
    if (dashboard_delete(services->store, services->bus, who->tenant, slug_of(request), who->user, &err))
        reply_empty(reply, 204);
    else
        reply_error(reply, &err);
}

const struct route dashboards_routes[] = {
    {"GET", "/v1/dashboards", SCOPE_NOTEBOOKS_READ, list_dashboards, .flags = ROUTE_LIST, .summary = "List dashboards", .response = "Dashboards by slug"},
    {"PUT", "/v1/dashboards/{slug}", SCOPE_NOTEBOOKS_WRITE, put_dashboard, BODY_JSON, .request = dashboard_fields,
     .summary = "Show a notebook or a run, to be read, at /d/{slug}", .response = "The dashboard; 201 when it is new"},
    {"GET", "/v1/dashboards/{slug}", SCOPE_NOTEBOOKS_READ, get_dashboard, .summary = "What a dashboard shows", .response = "The dashboard"},
    {"DELETE", "/v1/dashboards/{slug}", SCOPE_NOTEBOOKS_WRITE, delete_dashboard, .summary = "Take a dashboard down",
     .response = "Nothing; what it showed stays",
     .success = 204},
    ROUTE_END};
