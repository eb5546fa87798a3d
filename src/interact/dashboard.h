/* Dashboards: notebooks and runs that are shown, to be read, at an address of their own.  Layer interact; any thread.
 *
 * A dashboard holds no content: it names a notebook, whose newest state it shows, or a run. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "store/store.h"

enum { DASHBOARD_SLUG_MAX = 64, DASHBOARD_TITLE_MAX = 200, DASHBOARDS_MAX = 10000 /* of a tenant */ };

extern const struct store_migration dashboard_migrations[];

/* What a PUT may say; of notebook and run exactly one. */
struct dashboard_settings { const char *notebook, *run, *title; bool show_code; };
extern const struct su_field dashboard_fields[];

/* Reads and checks what was given; that the notebook or run is there is the caller's to look for.  Texts are borrowed. */
bool dashboard_parse(const char *slug, const json_t *given, struct dashboard_settings *ret, struct su_err *err);
/* Makes it or changes it, durably.  *ret is what dashboard_get gives. */
bool dashboard_put(struct store *store, struct su_bus *bus, const char *tenant, const char *slug, const struct dashboard_settings *settings,
                   const char *user, json_t **ret, bool *ret_is_new, struct su_err *err);
/* {"slug","title","notebook","run","show_code","created_at","changed_at","changed_by"} (new reference).  SU_NOT_FOUND. */
bool dashboard_get(struct store *store, const char *tenant, const char *slug, json_t **ret, struct su_err *err);
/* By slug, those behind the cursor (NULL: from the first); *ret_next is the next cursor or NULL, freed by the caller. */
bool dashboard_list(struct store *store, const char *tenant, const char *cursor, size_t limit, json_t **ret_items, char **ret_next,
                    struct su_err *err);
bool dashboard_delete(struct store *store, struct su_bus *bus, const char *tenant, const char *slug, const char *user, struct su_err *err);
