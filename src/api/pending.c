/* Stands in for modules that are not in the tree yet; goes when they are.  Layer api. */
#include "aggregate/fetch.h"
#include "interact/run.h"

#define ABSENT return su_fail(err, SU_UNAVAILABLE, "not built yet")
void runs_stats(struct runs *runs, struct runs_stats *ret) { *ret = (struct runs_stats){0}; }
bool fetch_start(struct fetches *fetches, const struct fetch_start *what, char *ret_id, struct su_err *err) { ABSENT; }
bool fetch_get(struct fetches *fetches, const char *tenant, const char *id, json_t **ret, struct su_err *err) { ABSENT; }
bool fetch_list(struct fetches *fetches, const char *tenant, const char *cursor, int64_t limit, json_t **ret_items, char **ret_next, struct su_err *err) { ABSENT; }
bool fetch_hosts_get(struct fetches *fetches, const char *tenant, json_t **ret_items, struct su_err *err) { ABSENT; }
bool fetch_hosts_put(struct fetches *fetches, const char *tenant, const json_t *items, struct su_err *err) { ABSENT; }
