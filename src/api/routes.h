/* Every table of routes.  Layer api.  A new resource adds its table here and in routes.c. */
#pragma once
#include "handler.h"

extern const struct route actions_routes[];
extern const struct route backups_routes[];
extern const struct route columns_routes[];
extern const struct route connections_routes[];
extern const struct route consumers_routes[];
extern const struct route dashboards_routes[];
extern const struct route detectors_routes[];
extern const struct route events_routes[];
extern const struct route fetches_routes[];
extern const struct route investigate_routes[];
extern const struct route live_routes[];
extern const struct route model_score_routes[];
extern const struct route models_routes[];
extern const struct route notebooks_routes[];
extern const struct route objects_routes[];
extern const struct route openapi_routes[];
extern const struct route overview_routes[];
extern const struct route page_routes[];
extern const struct route people_routes[];
extern const struct route queries_routes[];
extern const struct route recipes_routes[];
extern const struct route replays_routes[];
extern const struct route runs_routes[];
extern const struct route secrets_routes[];
extern const struct route silences_routes[];
extern const struct route series_routes[];
extern const struct route sessions_routes[];
extern const struct route settings_routes[];
extern const struct route status_routes[];
extern const struct route streams_routes[];
extern const struct route tokens_routes[];
extern const struct route triggers_routes[];
extern const struct route uploads_routes[];
extern const struct route watches_routes[];

struct reply;
/* objects.c, for uploads too: the media type that a name's ending promises; Location of an object, percent-encoded. */
const char *object_type_of_name(const char *name);
/* What X-Suricate-Tags and X-Suricate-Metadata say; *ret stays as it is where they are absent. */
bool object_tags_of(const struct request *request, json_t **ret, struct su_err *err);
bool object_metadata_of(const struct request *request, json_t **ret, struct su_err *err);
void object_reply_location(struct reply *reply, const char *name);

/* runs.c: which code asks: "notebook load@7" in a run, "open notebook load" in an open one, NULL elsewhere; lives as long
 * as the request. */
bool request_code(struct request *request, const char **ret, struct su_err *err);

/* All of them, ended by NULL. */
extern const struct route *const all_routes[];
