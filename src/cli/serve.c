/* serve: composes the services, lives, and ends them in reverse.  Layer cli; main thread.
 *
 * The one place that knows all layers.  `parts` lists them in the order they
 * stand on each other; shutdown is the same list backwards.  Signals come by a
 * descriptor: the first SIGTERM or SIGINT drains, a second one ends at once. */
#include "cli/command.h"
#include "cli/serve.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregate/amqp_sources.h"
#include "aggregate/blobref.h"
#include "act/action.h"
#include "act/decision.h"
#include "act/delivery.h"
#include "act/guard_facts.h"
#include "act/iteration.h"
#include "act/silence.h"
#include "act/schedule.h"
#include "act/self.h"
#include "act/trigger.h"
#include "act/watch.h"
#include "act/model.h"
#include "aggregate/consumer.h"
#include "aggregate/derived.h"
#include "aggregate/fetch.h"
#include "aggregate/object.h"
#include "aggregate/pane_cache.h"
#include "aggregate/preview.h"
#include "aggregate/replay.h"
#include "aggregate/table.h"
#include "aggregate/stream.h"
#include "aggregate/upload.h"
#include "api/accounts.h"
#include "api/events.h"
#include "api/idempotency.h"
#include "api/limits.h"
#include "api/routes.h"
#include "api/server.h"
#include "api/settings.h"
#include "base/bus.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "cli/connection.h"
#include "cli/locate.h"
#include "compute/kernel.h"
#include "interact/notebooks.h"
#include "interact/recipes.h"
#include "interact/dashboard.h"
#include "interact/documents.h"
#include "interact/run.h"
#include "store/secret.h"
#include "store/log.h"
#include "store/store.h"

enum { LIST_MAX = 64, UPKEEP_MS = 1000, SWEEP_MS = 5 * 60 * 1000, END_S = 10 };

/* ----------------------------------------------------------- options */

struct options {
    const char *data, *listen, *config, *environment, *share, *keeper, *public_host, *log, *runtime;
    uint64_t warm, kernel_uid;
    bool unsafe_no_sandbox, insecure_listen, print_limits;
    const char *allow_fetch[LIST_MAX + 1];
    size_t allow_fetch_count;
    const char *commands[LIST_MAX + 1];
    size_t command_count;
    struct limits limits;
};

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_SWITCH, OPTION_LIMIT, OPTION_ALLOW, OPTION_COMMAND };
struct option_row { enum option_kind kind; size_t offset; };

const struct option_spec serve_options[] = {
    {.name = "data", .value = "DIR", .help = "the data directory (default: $SURICATE_DATA, else the user's)"},
    {.name = "listen",
     .value = "ADDRESS:PORT",
     .help = "where to listen (default 127.0.0.1:8080; port 0: any free one)"},
    {.name = "config",
     .value = "FILE",
     .help = "read options (without dashes, [server]) and [limits] from an INI file"},
    {.name = "limit", .value = "NAME=VALUE", .help = "set a limit (docs/limits.md)", .is_repeated = true},
    {.name = "warm", .value = "N", .help = "kernels kept ready per tenant in use (default 1)"},
    {.name = "environment",
     .value = "DIR",
     .help = "the kernels' Python environment (default: $SURICATE_ENV, else the newest)"},
    {.name = "share",
     .value = "DIR",
     .help = "where sdk/ and recipes/ are (default: $SURICATE_SHARE, else beside the program)"},
    {.name = "runtime", .value = "DIR", .help = "short path for sockets (default: derived from the data directory)"},
    {.name = "keeper", .value = "FILE", .help = "the suricate-keep program (default: beside this one)"},
    {.name = "kernel-uid", .value = "UID", .help = "as root: whom kernels run as (default 64123)"},
    {.name = "allow-fetch",
     .value = "HOST",
     .help = "a host that s.fetch may download from; HOST:PORT also when its address is private",
     .is_repeated = true},
    {.name = "allow-command",
     .value = "NAME=PATH",
     .help = "a program that actions of kind command may run, in a sandbox",
     .is_repeated = true},
    {.name = "public-host", .value = "NAME", .help = "a further name that browsers reach this server by"},
    {.name = "insecure-listen", .help = "listen beyond loopback without TLS"},
    {.name = "unsafe-no-sandbox", .help = "run kernels as plain processes: they can do all that the server's user can"},
    {.name = "log", .value = "LEVEL", .help = "debug, info, warning or error (default info)"},
    {.name = "print-limits", .help = "print the limits as Markdown and exit"},
    {.name = NULL},
};
/* The same order. */
static const struct option_row rows[] = {
    {OPTION_TEXT, offsetof(struct options, data)}, {OPTION_TEXT, offsetof(struct options, listen)},
    {OPTION_TEXT, offsetof(struct options, config)}, {OPTION_LIMIT, 0}, {OPTION_NUMBER, offsetof(struct options, warm)},
    {OPTION_TEXT, offsetof(struct options, environment)}, {OPTION_TEXT, offsetof(struct options, share)},
    {OPTION_TEXT, offsetof(struct options, runtime)}, {OPTION_TEXT, offsetof(struct options, keeper)},
    {OPTION_NUMBER, offsetof(struct options, kernel_uid)}, {OPTION_ALLOW, 0}, {OPTION_COMMAND, 0},
    {OPTION_TEXT, offsetof(struct options, public_host)}, {OPTION_SWITCH, offsetof(struct options, insecure_listen)},
    {OPTION_SWITCH, offsetof(struct options, unsafe_no_sandbox)}, {OPTION_TEXT, offsetof(struct options, log)},
    {OPTION_SWITCH, offsetof(struct options, print_limits)},
};
_Static_assert(SU_COUNT(rows) + 1 == SU_COUNT(serve_options), "a row for each option");

static bool set_limit(struct options *options, const char *text, struct su_err *err)
{
    struct su_str name, value;
    if (!su_str_cut(su_str_of(text), '=', &name, &value))
        return su_fail(err, SU_INVALID, "--limit: must be NAME=VALUE, was \"%.64s\"", text);
    SU_AUTO_FREE char *key = su_strndup(name.ptr, name.len);
    return limits_set(&options->limits, key, value.ptr, err);
}

/* value is kept. */
static bool allow_command(struct options *options, const char *value, struct su_err *err)
{
    struct su_str name, path;
    if (options->command_count == LIST_MAX)
        return su_fail(err, SU_LIMIT, "--allow-command: at most %d programs", LIST_MAX);
    if (!su_str_cut(su_str_of(value), '=', &name, &path) || !name.len || !path.len || path.ptr[0] != '/')
        return su_fail(err, SU_INVALID, "--allow-command: must be NAME=/path/of/the/program, was \"%.100s\"", value);
    if (access(path.ptr, X_OK) != 0)
        return su_fail_errno(err, errno, "--allow-command: %s", path.ptr);
    options->commands[options->command_count++] = value;
    return true;
}

/* value is kept. */
static bool set_option(struct options *options, size_t index, const char *value, struct su_err *err)
{
    char *member = (char *)options + rows[index].offset;
    switch (rows[index].kind) {
    case OPTION_TEXT: *(const char **)(void *)member = value; return true;
    case OPTION_SWITCH: *(bool *)(void *)member = !value || strcmp(value, "false") != 0; return true;
    case OPTION_LIMIT: return set_limit(options, value, err);
    case OPTION_COMMAND: return allow_command(options, value, err);
    case OPTION_NUMBER:
        return su_str_u64(su_str_of(value), UINT32_MAX, (uint64_t *)(void *)member) ||
               su_fail(err, SU_INVALID, "--%s: must be a whole number, was \"%.64s\"", serve_options[index].name, value);
    case OPTION_ALLOW:
        if (options->allow_fetch_count == LIST_MAX)
            return su_fail(err, SU_LIMIT, "--allow-fetch: at most %d hosts", LIST_MAX);
        options->allow_fetch[options->allow_fetch_count++] = value;
        return true;
    }
    return false;
}

static bool parse_arguments(int argc, char **argv, struct options *options, struct su_err *err)
{
    struct option longs[SU_COUNT(rows) + 1] = {{0}};
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        longs[i] = (struct option){serve_options[i].name, serve_options[i].value ? required_argument : no_argument, NULL, 0};
    optind = 0;
    opterr = 0;
    for (int at = 0, found; (found = getopt_long(argc, argv, "", longs, &at)) != -1;)
        if (found != 0) {
            su_fail(err, SU_INVALID, "%s: is not an option of serve, or lacks its value", argv[optind - 1]);
            return su_hint(err, "suricate help serve lists them");
        } else if (!set_option(options, (size_t)at, optarg, err))
            return false;
    return optind == argc || su_fail(err, SU_INVALID, "serve takes no argument \"%s\"", argv[optind]);
}

/* The file is read before the arguments, so they win. Its texts are kept until the end. */
struct config_reading { struct options *options; struct su_arena *arena; struct su_err *err; bool has_failed; };

static int config_line(void *arg, const char *section, const char *name, const char *value)
{
    struct config_reading *reading = arg;
    const char *kept = su_arena_strdup(reading->arena, value);
    if (strcmp(section, "limits") == 0) {
        reading->has_failed = !limits_set(&reading->options->limits, name, kept, reading->err);
        return !reading->has_failed;
    }
    for (size_t i = 0; i < SU_COUNT(rows); i++)
        if (strcmp(section, "server") == 0 && strcmp(serve_options[i].name, name) == 0 && strcmp(name, "config") != 0) {
            reading->has_failed = !set_option(reading->options, i, kept, reading->err);
            return !reading->has_failed;
        }
    su_fail_field(reading->err, SU_INVALID, name, "[%.32s] %.64s: is not a setting", section, name);
    reading->has_failed = true;
    return 0;
}

static bool parse_config(const char *path, struct options *options, struct su_arena *arena, struct su_err *err)
{
    struct config_reading reading = {options, arena, err, false};
    int line = ini_parse(path, config_line, &reading);
    if (reading.has_failed)
        return su_prefix(err, "%s, line %d", path, line);
    if (line < 0)
        return su_fail_errno(err, errno, "can't read %s", path);
    return line == 0 || su_fail(err, SU_INVALID, "%s: line %d is neither [section] nor name = value", path, line);
}

static bool read_options(int argc, char **argv, struct options *options, struct su_arena *arena, struct su_err *err)
{
    const struct options standard = {.listen = "127.0.0.1:8080", .warm = 1, .log = "info"};
    *options = standard;
    limits_init(&options->limits);
    if (!parse_arguments(argc, argv, options, err))
        return false;
    if (!options->config)
        return true;
    const char *path = options->config;
    *options = standard;
    limits_init(&options->limits);
    return parse_config(path, options, arena, err) && parse_arguments(argc, argv, options, err);
}

/* ------------------------------------------------------------- parts */

struct serving {
    struct options options;
    struct services services;
    char *data, *share, *environment;
};

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
    struct objects_options options = {.size_max = serving->options.limits.object_bytes};
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
                                            .streams_max = limits->streams};
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
                                        .following = services->limits->runs_following};
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

static void close_parts(struct serving *serving, size_t count)
{
    while (count--)
        parts[count].close(serving);
}

static bool open_parts(struct serving *serving, struct su_err *err)
{
    for (size_t i = 0; i < SU_COUNT(parts); i++)
        if (!parts[i].open(serving, err)) {
            close_parts(serving, i);
            return su_prefix(err, "%s", parts[i].name);
        }
    return true;
}

/* -------------------------------------------------------------- life */

/* A client on this machine finds the server by this file. */
static bool announce(const struct serving *serving, struct su_err *err)
{
    const char *url = server_url(serving->services.server);
    SU_AUTO_FREE char *path = su_format("%s/server.json", serving->data);
    SU_AUTO_FREE char *text = su_format("{\"url\":\"%s\",\"pid\":%d,\"version\":\"" SURICATE_VERSION "\"}\n", url, getpid());
    if (!su_file_replace(path, su_str_of(text), 0644, err))
        return false;
    printf("ready %s\n", url);   /* whoever waits for this line finds the file there */
    fflush(stdout);
    su_log(SU_LOG_INFO, "server.ready", su_kv_text("url", url));
    return true;
}

static int block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigprocmask(SIG_BLOCK, set, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void upkeep(struct serving *serving, int64_t *swept_ms)
{
    if (serving->services.compute)
        compute_upkeep(serving->services.compute);
    if (su_mono_ms() - *swept_ms < SWEEP_MS)
        return;
    *swept_ms = su_mono_ms();
    accounts_sweep(serving->services.accounts);
    uploads_sweep(serving->services.uploads);
}

static void wait_for_end(struct serving *serving, int signals)
{
    struct pollfd wanted = {.fd = signals, .events = POLLIN};
    struct signalfd_siginfo info = {0};
    int64_t swept_ms = su_mono_ms();
    for (;;) {
        if (poll(&wanted, 1, UPKEEP_MS) == 0)
            upkeep(serving, &swept_ms);
        else if (read(signals, &info, sizeof info) == (ssize_t)sizeof info && info.ssi_signo != SIGHUP)
            return;
    }
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool prepare(struct serving *serving, struct su_err *err)
{
    enum su_log_level level;
    if (!su_log_level_parse(serving->options.log, &level))
        return su_fail(err, SU_INVALID, "--log: must be debug, info, warning or error, was \"%.32s\"", serving->options.log);
    su_log_set_level(level);
    serving->data = connection_data_dir(serving->options.data);
    return true;
}

static bool serve(struct serving *serving, struct su_err *err)
{
    sigset_t set;
    SU_AUTO_FD int signals = block_signals(&set);
    if (signals < 0)
        return su_fail_errno(err, errno, "signalfd");
    raise_file_limit();
    if (!prepare(serving, err) || !open_parts(serving, err))
        return false;
    if (!announce(serving, err)) {
        close_parts(serving, SU_COUNT(parts));
        return false;
    }
    wait_for_end(serving, signals);
    su_log(SU_LOG_INFO, "server.draining");
    sigprocmask(SIG_UNBLOCK, &set, NULL);   /* a second signal ends at once: nothing acknowledged is lost */
    alarm(END_S);
    close_parts(serving, SU_COUNT(parts));
    SU_AUTO_FREE char *path = su_format("%s/server.json", serving->data);
    unlink(path);
    su_log(SU_LOG_INFO, "server.ended");
    return true;
}

static int complain(const struct su_err *err)
{
    fprintf(stderr, "suricate serve: %s\n", err->message);
    if (*err->hint)
        fprintf(stderr, "  %s\n", err->hint);
    return 1;
}

int serve_main(int argc, char **argv)
{
    struct serving serving = {0};
    struct su_err err;
    struct su_arena *arena = su_arena_new();
    mallopt(M_ARENA_MAX, 2);
    umask(022);     /* every file is made with the mode it needs; kernels run as another user and must see theirs */
    bool is_fine = read_options(argc, argv, &serving.options, arena, &err);
    if (is_fine && serving.options.print_limits) {
        SU_AUTO_BUF struct su_buf text = SU_BUF(1024 * 1024);
        limits_print(&text);
        fwrite(text.ptr, 1, text.len, stdout);
    } else {
        is_fine = is_fine && serve(&serving, &err);
    }
    int status = is_fine ? 0 : complain(&err);
    free(serving.data);
    free(serving.share);
    free(serving.environment);
    su_arena_free(arena);
    return status;
}
