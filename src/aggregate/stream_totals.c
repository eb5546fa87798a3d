/* What a tenant's streams come to: numbers for an overview.  Layer aggregate; any thread. */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include "stream_private.h"

enum { FAILING_MAX = 20 };

void stream_rate_add(struct streams *streams, const char *tenant, int64_t second, uint64_t messages)
{
    struct tenant_rate *rate = streams->rates;
    while (rate != NULL && strcmp(rate->tenant, tenant) != 0)
        rate = rate->next;
    if (rate == NULL) {
        rate = su_alloc(sizeof *rate);
        *rate = (struct tenant_rate){.next = streams->rates, .tenant = su_strdup(tenant)};
        streams->rates = rate;
    }
    typeof(rate->seconds[0]) *at = &rate->seconds[(size_t)second % SU_COUNT(rate->seconds)];
    if (at->second != second)
        *at = (typeof(*at)){.second = second};
    at->messages += messages;
}

void stream_rates_free(struct tenant_rate *rates)
{
    while (rates != NULL) {
        struct tenant_rate *next = rates->next;
        free(rates->tenant);
        free(rates);
        rates = next;
    }
}

static void read_rates(struct streams *streams, const char *tenant, struct stream_totals *ret)
{
    int64_t now = su_mono_ms() / 1000;
    for (const struct tenant_rate *rate = streams->rates; rate != NULL; rate = rate->next)
        if (strcmp(rate->tenant, tenant) == 0)
            for (size_t i = 0; i < SU_COUNT(rate->seconds); i++) {
                int64_t age = now - rate->seconds[i].second;
                if (rate->seconds[i].messages > 0 && age >= 1 && age <= STREAM_TOTAL_SECONDS)
                    ret->per_s[STREAM_TOTAL_SECONDS - age] = rate->seconds[i].messages;
            }
}

struct failing { struct su_str topics; json_t *items; uint64_t dead_letters; };   /* topics: what those of the tenant's streams begin with */

/* While it tries again a source says why. */
static bool is_fine(const char *state, const char *message)
{
    static const char *const states[] = {"ready", "running", "paused", "connecting", "waiting"};
    for (size_t i = 0; i < SU_COUNT(states); i++)
        if (strcmp(state, states[i]) == 0)
            return i < 3 || !*message;
    return false;
}

static void look_at(const void *node, VISIT visit, void *arg)
{
    const struct live *live = *(struct live *const *)node;
    struct failing *failing = arg;
    if ((visit == postorder || visit == leaf) && su_str_starts(su_str_of(live->topic), failing->topics))
        failing->dead_letters += live->dead;
    const char *state = live->status ? su_json_string(live->status, "state", "ready") : "ready";
    const char *message = live->status ? su_json_string(live->status, "message", "") : "";
    if ((visit != postorder && visit != leaf) || is_fine(state, message) || !su_str_starts(su_str_of(live->topic), failing->topics)
        || json_array_size(failing->items) >= FAILING_MAX)
        return;
    const char *since = su_json_string(live->status, "since", "");
    json_array_append_new(failing->items, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", live->topic + failing->topics.len, "state", state,
                                                    "detail", message, "at", since, "message", *message ? message : state));
}

bool stream_totals(struct streams *streams, const char *tenant, struct stream_totals *ret, struct su_err *err)
{
    struct stream_totals totals = {0};
    {
        STORE_READ(streams->store, db);
        SQL_AUTO_END struct sql_row *row = sql_query(
            db, err, "SELECT count(*), coalesce(sum(" LOG_MESSAGES_SQL("streams.log") "), 0) FROM streams WHERE tenant = ?1 AND source <> 'system'",
            sql_text(tenant));
        if (row == NULL || sql_step(row, err) != SQL_ROW)
            return false;
        totals.streams = sql_col_int(row, 0);
        totals.messages = sql_col_int(row, 1);
    }
    totals.failing = json_array();
    SU_AUTO_FREE char *topics = su_format("stream/%s/", tenant);
    struct failing failing = {su_str_of(topics), totals.failing, 0};
    SU_LOCKED(&streams->lock);
    read_rates(streams, tenant, &totals);
    twalk_r(streams->lives, look_at, &failing);
    totals.dead_letters = failing.dead_letters;
    *ret = totals;
    return true;
}

bool stream_tenants(struct streams *streams, void (*each)(void *arg, const char *tenant), void *arg, struct su_err *err)
{
    STORE_READ(streams->store, db);
    /* From name to name by the index, however many streams one has. */
    SQL_AUTO_END struct sql_row *row = sql_query(
        db, err,
        "WITH RECURSIVE tenants (tenant) AS (SELECT min(tenant) FROM streams UNION ALL"
        " SELECT (SELECT min(tenant) FROM streams WHERE tenant > tenants.tenant) FROM tenants WHERE tenant IS NOT NULL)"
        " SELECT tenant FROM tenants WHERE tenant IS NOT NULL AND"
        " EXISTS (SELECT 1 FROM streams s WHERE s.tenant = tenants.tenant AND (s.name < '_' OR s.name >= '`'))");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW)
        each(arg, sql_col_text(row, 0));
    return next == SQL_DONE;
}
