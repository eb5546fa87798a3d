/* Every table of routes.  Layer api.  A new resource adds its table here and in routes.c. */
#pragma once
#include "handler.h"

extern const struct route status_routes[], events_routes[], openapi_routes[], page_routes[], people_routes[], tokens_routes[],
    sessions_routes[], backups_routes[], secrets_routes[], connections_routes[];
extern const struct route uploads_routes[], overview_routes[], settings_routes[];
extern const struct route columns_routes[], objects_routes[], fetches_routes[], notebooks_routes[], runs_routes[], recipes_routes[];
extern const struct route replays_routes[], series_routes[], streams_routes[];
extern const struct route actions_routes[], consumers_routes[], models_routes[];
extern const struct route queries_routes[], detectors_routes[];
extern const struct route live_routes[], dashboards_routes[];

struct reply;
/* objects.c, for uploads too: the media type that a name's ending promises; Location of an object, percent-encoded. */
const char *object_type_of_name(const char *name);
void object_reply_location(struct reply *reply, const char *name);

/* All of them, ended by NULL. */
extern const struct route *const all_routes[];
