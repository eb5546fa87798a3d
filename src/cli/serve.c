/* serve: reads what it is told, opens the parts (serve_parts.c), lives, and closes them.  Layer cli; main thread.
 *
 * Signals come by a descriptor: the first SIGTERM or SIGINT drains, a second one ends at once. */
#include "cli/command.h"
#include "cli/serve.h"
#include "cli/serve_parts.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "aggregate/upload.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "cli/connection.h"
#include "cli/locate.h"
#include "compute/kernel.h"

enum { UPKEEP_MS = 1000, SWEEP_MS = 5 * 60 * 1000, END_S = 10 };

/* ----------------------------------------------------------- options */

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
    if (options->command_count == SERVE_LIST_MAX)
        return su_fail(err, SU_LIMIT, "--allow-command: at most %d programs", SERVE_LIST_MAX);
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
        if (options->allow_fetch_count == SERVE_LIST_MAX)
            return su_fail(err, SU_LIMIT, "--allow-fetch: at most %d hosts", SERVE_LIST_MAX);
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
    if (!prepare(serving, err) || !serve_open_parts(serving, err))
        return false;
    if (!announce(serving, err)) {
        serve_close_parts(serving);
        return false;
    }
    wait_for_end(serving, signals);
    su_log(SU_LOG_INFO, "server.draining");
    sigprocmask(SIG_UNBLOCK, &set, NULL);   /* a second signal ends at once: nothing acknowledged is lost */
    alarm(END_S);
    serve_close_parts(serving);
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
