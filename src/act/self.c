/* Suricate watches itself: see self.h.  Layer act; the thread "self". */
#include "self.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "aggregate/consumer.h"
#include "aggregate/stream.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "interact/run.h"
#include "outbox.h"
#include "trigger.h"
#include "watch.h"

enum { WRITER_QUEUE_LEAST = 100 };     /* a shorter one is no news to every tenant */

static const char name[] = "_self";

/* Beyond its limit a figure says that something is wrong. */
static const struct { const char *name; double limit; } figures[SELF_FIGURES] = {
    [SELF_CONSUMER_LAG_S] = {"consumer_lag_s", 60},
    [SELF_WATCH_LAG_S] = {"watch_lag_s", 60},
    [SELF_STREAMS_FAILING] = {"streams_failing", 1},
    [SELF_DEAD_LETTERS] = {"dead_letters", 10},
    [SELF_WRITER_QUEUE] = {"writer_queue", 1000},
    [SELF_OUTBOX_WAITING] = {"outbox_waiting", 100},
    [SELF_OUTBOX_HELD] = {"outbox_held", 100},
    [SELF_DELIVERIES] = {"deliveries", 10000},
    [SELF_DELIVERIES_FAILED] = {"deliveries_failed", 1},
    [SELF_RUNS_QUEUED] = {"runs_queued", 100},
    [SELF_TRIGGERS_QUEUED] = {"triggers_queued", 100},
    [SELF_TRIGGERS_STOPPED] = {"triggers_stopped", 1},
};
const char *self_figure_name(enum self_figure figure) { return figures[figure].name; }
double self_figure_limit(enum self_figure figure) { return figures[figure].limit; }

struct tenant {
    struct tenant *next;
    char *name;
    double now[SELF_FIGURES], told[SELF_FIGURES];
    uint64_t dead_letters;              /* of the server's life, when last looked at */
    uint64_t sent, failed;              /* locked: deliveries since the last time */
    bool is_seen;                       /* has streams now */
};

struct self {
    struct self_services with;
    int64_t every_ms;
    struct su_lock lock;                /* of tenants' list and their counts, and what follows */
    bool is_closing, is_started;
    struct tenant *tenants;
    struct su_thread thread;
    struct su_bus_subscription *everything;
};

/* --- deliveries, counted as they are told ---------------------------------------------------- */

/* Locked. */
static struct tenant *tenant_of(struct self *self, const char *tenant_name)
{
    struct tenant *tenant = self->tenants;
    while (tenant && strcmp(tenant->name, tenant_name) != 0)
        tenant = tenant->next;
    if (tenant == NULL) {
        tenant = su_alloc(sizeof *tenant);
        *tenant = (struct tenant){.next = self->tenants, .name = su_strdup(tenant_name)};
        self->tenants = tenant;
    }
    return tenant;
}

/* The newest of the list: those behind it stay as they are. */
static struct tenant *first_tenant(struct self *self)
{
    SU_LOCKED(&self->lock);
    return self->tenants;
}

static void run(void *arg);

static void start(struct self *self)
{
    SU_LOCKED(&self->lock);
    if (!self->is_started && !self->is_closing) {
        self->is_started = true;
        su_thread_start(&self->thread, "self", run, self);
    }
}

static void hear(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct self *self = arg;
    (void)detail;
    if (strcmp(topic, "streams") == 0) {
        start(self);
        return;
    }
    bool is_sent = strcmp(event, "action.sent") == 0, has_failed = strcmp(event, "action.failed") == 0;
    if ((!is_sent && !has_failed) || strncmp(topic, "tenant/", 7) != 0)
        return;
    SU_LOCKED(&self->lock);
    struct tenant *tenant = tenant_of(self, topic + 7);
    tenant->sent += is_sent;
    tenant->failed += has_failed;
}

/* --- taking figures ------------------------------------------------------------------------------ */

static void mark_tenant(void *arg, const char *tenant_name)
{
    struct self *self = arg;
    SU_LOCKED(&self->lock);
    tenant_of(self, tenant_name)->is_seen = true;
}

static void take_lag(void *arg, const char *tenant_name, double seconds)
{
    struct self *self = arg;
    SU_LOCKED(&self->lock);
    struct tenant *tenant = tenant_of(self, tenant_name);
    tenant->now[SELF_CONSUMER_LAG_S] = fmax(tenant->now[SELF_CONSUMER_LAG_S], floor(seconds));
}

/* A watch is behind by the window that is open and the one that is being filled; and the one on `_self` by what it writes. */
static bool take_watch_lag(struct self *self, struct tenant *tenant, struct su_err *err)
{
    SU_AUTO_JSON json_t *items = NULL;
    size_t i;
    json_t *item;
    if (self->with.watches == NULL)
        return true;
    if (!watch_list(self->with.watches, tenant->name, &items, err))
        return false;
    json_array_foreach (items, i, item) {
        uint64_t every_ms = 0;
        const json_t *definition = json_object_get(item, "definition");
        double seconds = su_json_number(json_object_get(item, "lag"), "seconds", 0);
        su_str_duration_ms(su_str_of(su_json_string(definition, "every", "")), &every_ms);
        if (strcmp(su_json_string(definition, "stream", ""), name) != 0)
            tenant->now[SELF_WATCH_LAG_S] = fmax(tenant->now[SELF_WATCH_LAG_S], floor(seconds - (double)every_ms * 2 / 1000));
    }
    return true;
}

static bool take_streams(struct self *self, struct tenant *tenant, struct su_err *err)
{
    struct stream_totals totals;
    if (!stream_totals(self->with.streams, tenant->name, &totals, err))
        return false;
    tenant->now[SELF_STREAMS_FAILING] = (double)json_array_size(totals.failing);
    if (totals.dead_letters > tenant->dead_letters)     /* else a stream has gone, and its count with it */
        tenant->now[SELF_DEAD_LETTERS] = (double)(totals.dead_letters - tenant->dead_letters);
    tenant->dead_letters = totals.dead_letters;
    json_decref(totals.failing);
    return true;
}

static bool take_outbox(struct self *self, struct tenant *tenant, struct su_err *err)
{
    int64_t waiting, held, queued = 0;
    struct trigger_totals triggers;
    {
        STORE_READ(self->with.store, db);
        if (!outbox_totals(db, tenant->name, &waiting, &held, err) || !run_queued(db, tenant->name, &queued, err))
            return false;
    }
    if (!trigger_totals(self->with.triggers, tenant->name, &triggers, err))
        return false;
    tenant->now[SELF_OUTBOX_WAITING] = (double)waiting;
    tenant->now[SELF_OUTBOX_HELD] = (double)held;
    tenant->now[SELF_RUNS_QUEUED] = (double)queued;
    tenant->now[SELF_TRIGGERS_QUEUED] = (double)triggers.queued;
    tenant->now[SELF_TRIGGERS_STOPPED] = (double)triggers.stopped;
    return true;
}

static bool take(struct self *self, struct tenant *tenant, struct su_err *err)
{
    struct store_stats stats;
    store_stats(self->with.store, &stats);
    tenant->now[SELF_WRITER_QUEUE] = stats.queue_length >= WRITER_QUEUE_LEAST ? (double)stats.queue_length : 0;
    {
        SU_LOCKED(&self->lock);
        tenant->now[SELF_DELIVERIES] = (double)tenant->sent;
        tenant->now[SELF_DELIVERIES_FAILED] = (double)tenant->failed;
        tenant->sent = tenant->failed = 0;
    }
    return take_watch_lag(self, tenant, err) && take_streams(self, tenant, err) && take_outbox(self, tenant, err);
}

/* --- telling them ------------------------------------------------------------------------------------ */

static const char watch_definition[] =
    "{\"stream\": \"_self\", \"every\": \"10s\", \"by\": [\"what\"], \"values\": [\"max(share)\"],"
    " \"detector\": {\"kind\": \"threshold\", \"parameters\": {\"above\": 1}},"
    " \"levels\": {\"on\": \"value\", \"warning\": {\"enter\": 1, \"leave\": 0.5}, \"critical\": {\"enter\": 10, \"leave\": 1}},"
    " \"from\": \"earliest\", \"description\": \"What Suricate says of itself: lag, queues, failed deliveries. Made once; yours to change or delete.\"}";

static void make_watch(struct self *self, const char *tenant_name)
{
    struct su_err err;
    bool is_new;
    SU_AUTO_JSON json_t *definition = json_loads(watch_definition, 0, NULL), *watch = NULL;
    su_assert(definition != NULL);
    if (self->with.watches && !watch_put(self->with.watches, tenant_name, name, definition, NULL, NULL, "suricate", &watch, &is_new, &err))
        su_log_error("self.watch", &err, su_kv_text("tenant", tenant_name));
}

static bool find_stream(struct self *self, struct tenant *tenant, struct stream **ret, struct su_err *err)
{
    if (stream_get(self->with.streams, tenant->name, name, ret, err))
        return true;
    if (err->code != SU_NOT_FOUND)
        return false;
    SU_AUTO_JSON json_t *definition =
        json_pack("{s:{s:s}, s:s, s:{s:s}, s:s}", "source", "kind", "push", "idle", "10s", "retention", "age", "30d", "description",
                  "How far Suricate is behind and what waits, whenever that changes");
    if (!stream_make(self->with.streams, tenant->name, name, definition, "suricate", ret, err))
        return false;
    make_watch(self, tenant->name);
    return true;
}

static bool add_row(struct stream_writer *writer, enum self_figure figure, double value, struct su_err *err)
{
    const char *what = figures[figure].name;
    double limit = figures[figure].limit, share = value / limit;
    struct block_builder *builder = stream_writer_begin_row(writer);
    SU_AUTO_JSON json_t *body = json_pack("{s:s, s:f, s:f, s:f}", "what", what, "value", value, "limit", limit, "share", share);
    SU_AUTO_FREE char *text = su_json_text(body);
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("what")), su_str_of(what));
    block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("value")), value);
    block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("limit")), limit);
    block_set_float(builder, block_member(builder, BLOCK_ROOT, SU_STR("share")), share);
    return stream_writer_end_row(writer, su_now_us(), su_str_of(what), su_str_of(text), err);
}

static bool has_changed(const struct tenant *tenant)
{
    for (size_t i = 0; i < SELF_FIGURES; i++)
        if (tenant->now[i] != tenant->told[i])
            return true;
    return false;
}

static bool tell(struct self *self, struct tenant *tenant, struct su_err *err)
{
    STREAM_AUTO struct stream *stream = NULL;
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    if (!has_changed(tenant))
        return true;
    if (!find_stream(self, tenant, &stream, err) || !stream_writer_open(self->with.streams, stream, &writer, err))
        return false;
    for (enum self_figure i = 0; i < SELF_FIGURES; i++)
        if (tenant->now[i] != tenant->told[i] && !add_row(writer, i, tenant->now[i], err))
            return false;
    if (!stream_writer_commit(writer, NULL, &appended, err))
        return false;
    memcpy(tenant->told, tenant->now, sizeof tenant->told);
    return true;
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static void look(struct self *self)
{
    struct su_err err;
    for (struct tenant *tenant = first_tenant(self); tenant; tenant = tenant->next) {
        memset(tenant->now, 0, sizeof tenant->now);
        tenant->is_seen = false;
    }
    bool is_fine = stream_tenants(self->with.streams, mark_tenant, self, &err) && consumer_lags(self->with.consumers, take_lag, self, &err);
    for (struct tenant *tenant = first_tenant(self); tenant && is_fine; tenant = tenant->next)
        is_fine = !tenant->is_seen || (take(self, tenant, &err) && tell(self, tenant, &err));
    if (!is_fine)
        su_log_error("self.look", &err);
}

/* False: the end. */
static bool wait_for_turn(struct self *self, int64_t until_ms)
{
    SU_LOCKED(&self->lock);
    while (!self->is_closing && su_mono_ms() < until_ms)
        su_wait_until(&self->lock, until_ms);
    return !self->is_closing;
}

static void run(void *arg)
{
    struct self *self = arg;
    while (wait_for_turn(self, su_mono_ms() + self->every_ms))
        look(self);
}

static void note_tenant(void *arg, const char *tenant_name)
{
    (void)tenant_name;
    *(bool *)arg = true;
}

bool self_open(const struct self_services *services, int64_t every_ms, struct self **ret, struct su_err *err)
{
    struct self *self = su_alloc(sizeof *self);
    bool has_streams = false;
    *self = (struct self){.with = *services, .every_ms = every_ms};
    su_lock_init(&self->lock);
    if (every_ms > 0) {
        if (!stream_tenants(services->streams, note_tenant, &has_streams, err)) {
            self_close(self);
            return false;
        }
        self->everything = su_bus_subscribe(services->bus, NULL, hear, self);
        if (has_streams)
            start(self);
    }
    *ret = self;
    return true;
}

void self_close(struct self *self)
{
    if (self == NULL)
        return;
    su_bus_unsubscribe(self->with.bus, self->everything);
    su_lock(&self->lock);
    self->is_closing = true;
    su_wake(&self->lock);
    su_unlock(&self->lock);
    su_thread_join(&self->thread);
    for (struct tenant *next; self->tenants; self->tenants = next) {
        next = self->tenants->next;
        free(self->tenants->name);
        free(self->tenants);
    }
    su_lock_done(&self->lock);
    free(self);
}
