/* tail: the newest messages of a stream, and those that come.  Layer cli; main thread. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "cli/stream.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, SHOWN = 10, LINE_MAX_BYTES = 128 << 20 };

struct tail {
    bool wants_json, wants_raw;
    uint64_t shown, max;        /* max 0: no limit */
    char last_id[128];
    struct patience patience;
    struct su_buf line;         /* of NDJSON, while it comes in pieces */
};

static void print_message(const struct tail *tail, struct su_str text)
{
    struct su_err ignored;
    SU_AUTO_JSON json_t *message = NULL;
    if (tail->wants_json || !su_json_parse_deep(text, "message", 2000, &message, &ignored)) {
        fwrite(text.ptr, 1, text.len, stdout);
        putchar('\n');
        return;
    }
    const json_t *key = json_object_get(message, "key");
    SU_AUTO_FREE char *body = output_value(json_object_get(message, "body"));
    if (!tail->wants_raw) {
        printf("%" PRId64 "  %.23s  ", su_json_int(message, "offset", 0), su_json_string(message, "time", ""));
        if (json_is_string(key)) {
            output_text(stdout, json_string_value(key));
            fputs("  ", stdout);
        }
    }
    if (isatty(STDOUT_FILENO))
        output_text(stdout, body);
    else
        fputs(body, stdout);
    putchar('\n');
}

/* False when enough have been shown. */
static bool show(struct tail *tail, struct su_str text)
{
    if (tail->max && tail->shown == tail->max)
        return false;
    print_message(tail, text);
    tail->shown++;
    return !(tail->max && tail->shown == tail->max);
}

/* -------------------------------------------------------- what is there now */

static bool take_bytes(void *arg, long status, struct su_str bytes, struct su_err *err)
{
    (void)status;
    struct tail *tail = arg;
    struct su_str line, rest;
    while (su_str_cut(bytes, '\n', &line, &rest)) {
        su_buf_add(&tail->line, line.ptr, line.len);
        if (tail->line.len && !show(tail, su_buf_str(&tail->line)))
            return su_fail(err, SU_CANCELLED, "that is enough");
        su_buf_clear(&tail->line);
        bytes = rest;
    }
    su_buf_add(&tail->line, bytes.ptr, bytes.len);
    return !tail->line.failed || su_fail(err, SU_LIMIT, "a message is longer than %d MiB", LINE_MAX_BYTES >> 20);
}

/* Where the last `count` messages begin. */
static bool find_start(struct client *client, const char *stream, uint64_t count, char *ret, size_t size, struct su_err *err)
{
    SU_AUTO_JSON json_t *record = NULL;
    SU_AUTO_FREE char *path = stream_path(stream, "");
    if (!client_get_json(client, path, &record, err))
        return false;
    const json_t *offsets = json_object_get(record, "offsets");
    int64_t first = su_json_int(offsets, "first", 0), next = su_json_int(offsets, "next", 0);
    int64_t wanted = count < (uint64_t)(next - first) ? (int64_t)count : next - first;
    snprintf(ret, size, "%" PRId64, next - wanted);
    return true;
}

static bool read_range(struct tail *tail, struct client *client, const char *stream, const char *from, const char *to, struct su_err *err)
{
    SU_AUTO_FREE char *base = stream_path(stream, "/messages?format=ndjson");
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, base);
    url_add_query(&path, "from", from);
    url_add_query(&path, "to", to);
    tail->line = SU_BUF(LINE_MAX_BYTES);
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "GET", .path = path.ptr, .sink = take_bytes, .sink_arg = tail};
    bool done = client_send(client, &call, &reply, err);
    if (done && tail->line.len)
        show(tail, su_buf_str(&tail->line));
    su_buf_done(&tail->line);
    return done || (tail->max && tail->shown == tail->max);
}

/* ---------------------------------------------------------------- following */

static bool on_event(void *arg, const char *event, const char *id, struct su_str data)
{
    struct tail *tail = arg;
    patience_renew(&tail->patience);
    if (strcmp(event, "message") != 0)
        return true;
    if (*id)
        snprintf(tail->last_id, sizeof tail->last_id, "%s", id);
    bool goes_on = show(tail, data);
    return fflush(stdout) == 0 && goes_on;
}

/* Through restarts of the server: each time after the last message that came. */
static bool follow(struct tail *tail, struct client *client, const char *stream, const char *from, struct su_err *err)
{
    SU_AUTO_FREE char *base = stream_path(stream, "/tail");
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, base);
    url_add_query(&path, "from", from);
    patience_renew(&tail->patience);
    for (;;) {
        bool done = client_events(client, path.ptr, *tail->last_id ? tail->last_id : NULL, on_event, tail, err);
        if ((tail->max && tail->shown == tail->max) || ferror(stdout))
            return true;
        if (!done && err->code != SU_UNAVAILABLE && err->code != SU_TIMEOUT)
            return false;
        if (!patience_wait(&tail->patience, 0))
            return !done ? false : su_fail(err, SU_UNAVAILABLE, "the server ends the tail again and again");
    }
}

static int run_tail(struct invocation *in, struct su_err *err)
{
    struct client *client;
    char start[24];
    const char *stream = invocation_argument(in, 0), *from = invocation_option(in, "from");
    struct tail tail = {.wants_json = invocation_wants_json(in), .wants_raw = invocation_has(in, "raw")};
    if (!invocation_number(in, "limit", 1, INT64_MAX, &tail.max, err) || !invocation_client(in, &client, err))
        return COMMAND_FAILED;
    bool is_followed = invocation_has(in, "follow");
    if (!from && !find_start(client, stream, tail.max ? tail.max : SHOWN, start, sizeof start, err))
        return COMMAND_FAILED;
    if (!from) {
        from = start;
        tail.max = is_followed ? 0 : tail.max;
    }
    bool done = is_followed ? follow(&tail, client, stream, from, err)
                            : read_range(&tail, client, stream, from, invocation_option(in, "to"), err);
    if (!done)
        return COMMAND_FAILED;
    if (!tail.shown && !invocation_is_quiet(in))
        fputs("no messages\n", stderr);
    return EXIT_DONE;
}

static const struct option_spec tail_options[] = {
    {.name = "follow", .letter = 'f', .help = "go on with the messages that come, until Ctrl-C"},
    {.name = "from", .value = "WHERE", .help = "an offset, earliest, latest, a time, or 60s before the newest (default: the last 10)"},
    {.name = "to", .value = "WHERE", .help = "end before there (without -f)"},
    {.name = "limit", .letter = 'n', .value = "N", .help = "so many messages: the last ones, with --from the first ones from there on"},
    {.name = "raw", .help = "bodies alone, one a line"},
    {.name = NULL},
};

const struct command tail_commands[] = {
    {.name = "tail", .arguments = "STREAM", .summary = "print the newest messages of a stream, and follow it",
     .details = "A message is printed as offset, event time (UTC), key if it has one, and body; with --json as the API gives it,\n"
                "one a line. With -f it goes on through restarts of the server, without gap or repetition.",
     .example = "suricate tail -f kitchen\nsuricate tail kitchen --from 5m --raw | jq .temperature\n"
                "suricate tail kitchen --from earliest --limit 100 --json",
     .options = tail_options, .arguments_min = 1, .arguments_max = 1, .run = run_tail},
    {.name = NULL},
};
