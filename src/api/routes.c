/* The list of all routes.  Layer api. */
#include "routes.h"

/* clang-format off */
const struct route *const all_routes[] = {
    objects_routes,
    uploads_routes,
    overview_routes,
    settings_routes,
    columns_routes,
    fetches_routes,
    notebooks_routes,
    live_routes,
    runs_routes,
    recipes_routes,
    dashboards_routes,
    replays_routes,
    series_routes,
    streams_routes,
    consumers_routes,
    actions_routes,
    investigate_routes,
    queries_routes,
    status_routes,
    events_routes,
    people_routes,
    tokens_routes,
    sessions_routes,
    backups_routes,
    secrets_routes,
    connections_routes,
    openapi_routes,
    page_routes,
    NULL};
