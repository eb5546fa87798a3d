/* What a server is made of: the one place that knows all layers.  Layer cli; main thread.
 *
 * `parts` lists them in the order they stand on each other; shutdown is the same list backwards. */
#include "cli/serve_parts.h"

#include "act/action.h"
#include "act/delivery.h"
#include "act/guard_facts.h"
#include "act/iteration.h"
#include "act/model.h"
#include "act/schedule.h"
#include "act/self.h"
#include "act/silence.h"
#include "act/trigger.h"
#include "act/watch.h"
#include "aggregate/amqp_sources.h"
#include "aggregate/blobref.h"
#include "aggregate/derived.h"
#include "aggregate/fetch.h"
#include "aggregate/pane_cache.h"
#include "aggregate/replay.h"
#include "aggregate/upload.h"
#include "api/events.h"
#include "api/idempotency.h"
#include "api/routes.h"
#include "api/server.h"
#include "api/settings.h"
#include "base/log.h"
#include "cli/connection.h"
#include "cli/locate.h"
#include "compute/kernel.h"
#include "interact/dashboard.h"
#include "interact/documents.h"
#include "interact/notebooks.h"
#include "interact/recipes.h"

static const struct store_migration *const migrations[] = {
    blobref_migrations, log_migrations, stream_migrations, object_migrations, upload_migrations, settings_migrations,
    fetch_migrations, run_migrations, document_migrations, dashboard_migrations, accounts_migrations,
    idempotency_migrations, secret_migrations, derived_migrations, replay_migrations, consumer_migrations,
    action_migrations,
    decision_migrations,
    guard_migrations,
    silence_migrations,
    model_migrations,
    watch_migrations,
    trigger_migrations,
    promise_migrations,
    NULL};

static bool store_part(struct serving *serving, struct su_err *err)
{
    serving->services.limits = &serving->options.limits;
    return store_open(serving->data, migrations, &serving->services.store, err);
}
static void store_end(struct serving *serving) { store_close(serving->services.store); }

static bool bus_part(struct serving *serving, struct su_err *err)
{
    serving->services.bus = su_bus_new();
    return true;
}
static void bus_end(struct serving *serving) { su_bus_free(serving->services.bus); }

static bool secrets_part(struct serving *serving, struct su_err *err)
{
    return secrets_open(serving->services.store, serving->services.bus, &serving->services.secrets, err);
}
static void secrets_end(struct serving *serving) { secrets_close(serving->services.secrets); }

static bool objects_part(struct serving *serving, struct su_err *err)
{
    struct objects_options options = {.size_max = serving->options.limits.object_bytes, .promise = event_promise};
    return objects_open(serving->services.store, serving->services.bus, &options, &serving->services.objects, err);
}
static void objects_end(struct serving *serving) { objects_close(serving->services.objects); }

static bool uploads_part(struct serving *serving, struct su_err *err)
{
    const struct services *services = &serving->services;
    const struct uploads_options options = {.count_max = services->limits->uploads, .keep_ms = (int64_t)services->limits->upload_s * 1000};
    return uploads_open(services->store, services->objects, &options, &serving->services.uploads, err);
}
static void uploads_end(struct serving *serving) { uploads_close(serving->services.uploads); }

static bool previews_part(struct serving *serving, struct su_err *err)
{
    return previews_open(serving->services.store, serving->services.bus, NULL, &serving->services.previews, err);
}
static void previews_end(struct serving *serving) { previews_close(serving->services.previews); }

static bool tables_part(struct serving *serving, struct su_err *err)
{
    return tables_open(serving->services.store, NULL, &serving->services.tables, err);
}
static void tables_end(struct serving *serving) { tables_close(serving->services.tables); }

static bool fetches_part(struct serving *serving, struct su_err *err)
{
    const struct fetches_options options = {
        .size_max = serving->options.limits.fetch_bytes, .time_max_s = (uint32_t)serving->options.limits.fetch_s,
        .allow = serving->options.allow_fetch};
    return fetches_open(serving->services.store, serving->services.objects, serving->services.bus, &options, &serving->services.fetches, err);
}
static void fetches_end(struct serving *serving) { fetches_close(serving->services.fetches); }

static bool logs_part(struct serving *serving, struct su_err *err)
{
    const struct log_options options = {.owner = {blobref_hold, blobref_release, blobref_collect}};
    return logs_open(serving->services.store, &options, &serving->services.logs, err);
}
static void logs_end(struct serving *serving) { logs_close(serving->services.logs); }

static bool streams_part(struct serving *serving, struct su_err *err)
{
    const struct services *services = &serving->services;
    const struct limits *limits = &serving->options.limits;
    const struct streams_options options = {.message_bytes = limits->stream_message_bytes, .queued_bytes = limits->stream_queued_bytes,
                                            .streams_max = limits->streams, .has_promises = true};
    return streams_open(services->store, services->logs, services->bus, &options, &serving->services.streams, err);
}
static void streams_end(struct serving *serving) { streams_close(serving->services.streams); }

static bool amqp_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    const struct amqp_sources_options options = {.connections_max = (uint32_t)services->limits->amqp_connections};
    return amqp_sources_open(services->streams, services->secrets, &options, &services->amqp, err);
}
static void amqp_end(struct serving *serving) { amqp_sources_close(serving->services.amqp); }

static bool deriveds_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    const struct deriveds_options options = {.query_ms = (int64_t)services->limits->query_s * 1000,
                                             .query_memory_bytes = services->limits->query_memory_bytes};
    services->panes = pane_cache_new(services->limits->window_cache_bytes);
    return deriveds_open(&(struct question_sources){services->streams, services->objects, services->tables}, &options, &services->deriveds, err);
}
static void deriveds_end(struct serving *serving)
{
    deriveds_close(serving->services.deriveds);
    pane_cache_free(serving->services.panes);
}

static bool replays_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    const struct replays_options options = {.running_max = services->limits->replays};
    return replays_open(services->streams, services->objects, services->tables, &options, &services->replays, err);
}
static void replays_end(struct serving *serving) { replays_close(serving->services.replays); }

static bool consumers_part(struct serving *serving, struct su_err *err)
{
    return consumers_open(serving->services.streams, &serving->services.consumers, err);
}
static void consumers_end(struct serving *serving) { consumers_close(serving->services.consumers); }

static bool actions_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    const struct action_services with = {
        .store = services->store, .bus = services->bus, .fetches = services->fetches, .secrets = services->secrets, .notebooks = services->notebooks,
        .recipes = services->recipes, .runs = services->runs, .compute = services->compute, .commands = serving->options.commands};
    return actions_open(&with, &services->actions, err);
}
static void actions_end(struct serving *serving) { actions_close(serving->services.actions); }

static bool models_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    return models_open(services->store, services->bus, services->objects, &services->models, err);
}
static void models_end(struct serving *serving) { models_close(serving->services.models); }

static bool iterations_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    return iterations_open(services->store, services->bus, services->models, services->consumers, &services->iterations, err);
}
static void iterations_end(struct serving *serving) { iterations_close(serving->services.iterations); }

static bool delivery_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    return delivery_open(services->actions, &services->delivery, err);
}
static void delivery_end(struct serving *serving) { delivery_close(serving->services.delivery); }

static bool triggers_part(struct serving *serving, struct su_err *err)
{
    struct services *services = &serving->services;
    return triggers_open(services->store, services->bus, services->streams, services->runs, &services->triggers, err);
}
static void triggers_end(struct serving *serving) { triggers_close(serving->services.triggers); }

static bool schedule_part(struct serving *serving, struct su_err *err)
{
    return schedule_open(serving->services.triggers, NULL, &serving->services.schedule, err);
}
static void schedule_end(struct serving *serving) { schedule_close(serving->services.schedule); }

static bool self_part(struct serving *serving, struct su_err *err)
{
    const struct services *services = &serving->services;
    const struct self_services with = {services->store,   services->bus,      services->streams, services->consumers,
                                       services->watches, services->triggers, services->runs};
    return self_open(&with, (int64_t)services->limits->self_s * 1000, &serving->services.self, err);
}
static void self_end(struct serving *serving) { self_close(serving->services.self); }
static bool watches_part(struct serving *serving, struct su_err *err)
{
    return watches_open(serving->services.streams, serving->services.models, &serving->services.watches, err);
}
static void watches_end(struct serving *serving) { watches_close(serving->services.watches); }

static bool accounts_part(struct serving *serving, struct su_err *err)
{
    return accounts_open(serving->services.store, serving->services.limits, &serving->services.accounts, err);
}
static void accounts_end(struct serving *serving) { accounts_close(serving->services.accounts); }

/* Without a Python environment the server does all but run notebooks. */
static bool compute_part(struct serving *serving, struct su_err *err)
{
    const struct options *options = &serving->options;
    serving->share = locate_share(options->share);
    serving->environment = locate_environment(options->environment, serving->share);
    const struct compute_config config = {
        .data_dir = serving->data, .runtime_dir = options->runtime, .share_dir = serving->share, .environment_dir = serving->environment,
        .keeper_path = options->keeper, .kernel_uid = (uint32_t)options->kernel_uid, .warm = (uint32_t)options->warm,
        .unsafe_no_sandbox = options->unsafe_no_sandbox};
    struct su_err why;
    if (serving->environment && compute_open(&config, &serving->services.compute, &why))
        return true;
    if (!serving->environment)
        su_fail(&why, SU_NOT_FOUND, "there is no Python environment; packaging/environment makes one");
    su_log(SU_LOG_WARNING, "server.no_kernels", su_kv_text("message", why.message), su_kv_text("hint", why.hint));
    return true;
}
static void compute_end(struct serving *serving)
{
    if (serving->services.compute)
        compute_close(serving->services.compute);
}

static bool notebooks_part(struct serving *serving, struct su_err *err)
{
    return notebooks_open(serving->services.objects, &serving->services.notebooks, err);
}
static void notebooks_end(struct serving *serving) { notebooks_close(serving->services.notebooks); }

static bool recipes_part(struct serving *serving, struct su_err *err)
{
    SU_AUTO_FREE char *dir = su_format("%s/recipes", serving->share);
    return recipes_open(serving->services.objects, serving->services.previews, dir, &serving->services.recipes, err);
}
static void recipes_end(struct serving *serving) { recipes_close(serving->services.recipes); }

static bool issue_token(void *arg, const char *tenant, const char *run, const char *user, int64_t lifetime_ms, char **ret, struct su_err *err)
{
    char token[ACCOUNT_TOKEN_SIZE];
    if (!accounts_run_token_new(arg, tenant, run, user, lifetime_ms, token, err))
        return false;
    *ret = su_strdup(token);
    return true;
}
static void end_token(void *arg, const char *tenant, const char *run) { accounts_run_token_end(arg, tenant, run); }

static bool runs_part(struct serving *serving, struct su_err *err)
{
    const struct services *services = &serving->services;
    const struct run_tokens tokens = {.arg = services->accounts, .issue = issue_token, .end = end_token};
    const struct runs_config config = {.parallel = services->limits->runs_parallel, .queued = services->limits->runs_queued,
                                        .following = services->limits->runs_following, .promise = event_promise};
    return runs_open(services->store, services->bus, services->compute, &tokens, &config, &serving->services.runs, err);
}
static void runs_end(struct serving *serving) { runs_close(serving->services.runs); }

static bool documents_part(struct serving *serving, struct su_err *err)
{
    const struct services *services = &serving->services;
    const struct run_tokens tokens = {.arg = services->accounts, .issue = issue_token, .end = end_token};
    const struct documents_config config = {.open = services->limits->live_notebooks, .kernels = services->limits->live_kernels,
                                            .idle_s = services->limits->live_idle_s};
    return documents_open(services->store, services->bus, services->compute, services->notebooks, &tokens, &config,
                          &serving->services.documents, err);
}
static void documents_end_part(struct serving *serving) { documents_close(serving->services.documents); }

static bool events_part(struct serving *serving, struct su_err *err)
{
    serving->services.events = events_open(serving->services.bus);
    return true;
}
static void events_end(struct serving *serving) { events_close(serving->services.events); }

static bool server_part(struct serving *serving, struct su_err *err)
{
    struct server_config config = {
        .listen = serving->options.listen, .public_host = serving->options.public_host,
        .insecure_listen = serving->options.insecure_listen};
    SU_AUTO_FREE char *socket = serving->services.compute ? su_format("%s/api.sock", compute_api_dir(serving->services.compute)) : NULL;
    SU_AUTO_FREE char *frames = serving->services.compute ? su_format("%s/frames.sock", compute_api_dir(serving->services.compute)) : NULL;
    config.kernel_socket = socket;
    config.frames_socket = frames;
    return server_open(&config, &serving->services, all_routes, &serving->services.server, err);
}
static void server_end(struct serving *serving)
{
    server_drain(serving->services.server);
    server_close(serving->services.server);
}

struct part { const char *name; bool (*open)(struct serving *serving, struct su_err *err); void (*close)(struct serving *serving); };
static const struct part parts[] = {
    {"store", store_part, store_end},
    {"bus", bus_part, bus_end},
    {"secrets", secrets_part, secrets_end},
    {"objects", objects_part, objects_end},
    {"uploads", uploads_part, uploads_end},
    {"previews", previews_part, previews_end},
    {"tables", tables_part, tables_end},
    {"fetches", fetches_part, fetches_end},
    {"logs", logs_part, logs_end},
    {"streams", streams_part, streams_end},
    {"amqp", amqp_part, amqp_end},
    {"deriveds", deriveds_part, deriveds_end},
    {"consumers", consumers_part, consumers_end},
    {"replays", replays_part, replays_end},
    {"accounts", accounts_part, accounts_end},
    {"events", events_part, events_end},
    {"compute", compute_part, compute_end},
    {"notebooks", notebooks_part, notebooks_end},
    {"recipes", recipes_part, recipes_end},
    {"runs", runs_part, runs_end},
    {"documents", documents_part, documents_end_part},
    {"actions", actions_part, actions_end},
    {"models", models_part, models_end},
    {"iterations", iterations_part, iterations_end},
    {"delivery", delivery_part, delivery_end},
    {"triggers", triggers_part, triggers_end},
    {"schedule", schedule_part, schedule_end},
    {"watches", watches_part, watches_end},
    {"self", self_part, self_end},
    {"server", server_part, server_end},
};

static void close_first(struct serving *serving, size_t count)
{
    while (count--)
        parts[count].close(serving);
}

bool serve_open_parts(struct serving *serving, struct su_err *err)
{
    for (size_t i = 0; i < SU_COUNT(parts); i++)
        if (!parts[i].open(serving, err)) {
            close_first(serving, i);
            return su_prefix(err, "%s", parts[i].name);
        }
    return true;
}

void serve_close_parts(struct serving *serving) { close_first(serving, SU_COUNT(parts)); }
