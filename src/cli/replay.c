/* replay: a stored table becomes a live stream.  Layer cli; main thread.
 *
 * The table is fetched whole, its rows put in the order of their times, and each
 * sent when (its time − the first row's) ÷ speed has passed since the start. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "cli/progress.h"
#include "cli/pusher.h"
#include "cli/stream.h"
#include "cli/timeline.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, REDRAW_NS = 100000000 };
static const double NS_PER_US = 1000;

struct replay {
    struct timeline *timeline;
    struct pusher *pusher;
    struct progress progress;
    double speed;           /* 0: as fast as the server takes them */
    double rate;            /* rows a second; 0: by their times */
    bool is_now, is_per_row;
    size_t sent;
    int64_t began_ns, began_us;
};

/* ----------------------------------------------------------------- fetching */

static bool write_bytes(void *arg, long status, struct su_str bytes, struct su_err *err)
{
    (void)status;
    return su_write_all(*(int *)arg, bytes.ptr, bytes.len, err);
}

/* The object's content in an unlinked file, and what kind of table it is. */
static bool fetch_table(struct invocation *in, const char *name, int *ret_fd, enum records_format *ret_format, struct su_err *err)
{
    struct client *client;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_adds(&path, "/v1/objects/");
    url_add_name(&path, name);
    url_add_query(&path, "version", invocation_option(in, "version"));
    const char *folder = getenv("TMPDIR");
    SU_AUTO_FD int fd = open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return su_fail_errno(err, errno, "making a temporary file");
    CLIENT_AUTO_REPLY struct client_reply reply = {.status = 0};
    struct client_call call = {.method = "GET", .path = path.ptr, .sink = write_bytes, .sink_arg = &fd};
    if (!invocation_client(in, &client, err) || !client_send(client, &call, &reply, err))
        return false;
    *ret_format = records_format_guess(name, reply.content_type);
    if (*ret_format == RECORDS_TEXT || su_str_ends(su_str_of(name), SU_STR(".gz"))) {
        su_fail(err, SU_INVALID, "%s is no table that can be replayed: CSV, NDJSON or JSON", name);
        return su_hint(err, "push sends a file line by line; a packed one must be unpacked first");
    }
    if (lseek(fd, 0, SEEK_SET) < 0)
        return su_fail_errno(err, errno, "reading a temporary file");
    *ret_fd = fd;
    fd = -1;
    return true;
}

/* ------------------------------------------------------------------ stream */

static void remark(const struct invocation *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void remark(const struct invocation *in, const char *format, ...)
{
    char text[512];
    if (invocation_is_quiet(in) || invocation_wants_json(in))
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    output_text(stderr, text);
    fputc('\n', stderr);
}

static bool create_stream(struct invocation *in, struct client *client, const char *path, const char *column, struct su_err *err)
{
    SU_AUTO_JSON json_t *definition = json_pack("{s:{s:s}}", "source", "kind", "push");
    SU_AUTO_JSON json_t *made = NULL;
    const char *key = invocation_option(in, "key"), *idle = invocation_option(in, "idle");
    if (column)
        json_object_set_new(definition, "time", json_pack("{s:s}", "field", column));
    if (key)
        json_object_set_new(definition, "key", su_json_text_or_null(key));
    json_object_set_new(definition, "idle", su_json_text_or_null(idle ? idle : "1s"));
    if (!client_json(client, "PUT", path, definition, &made, err))
        return false;
    remark(in, column ? "made the stream %s, time from \"%s\"" : "made the stream %s, time is arrival", invocation_option(in, "as"),
           column);
    return true;
}

/* The stream as it is, or made; one that takes its time from elsewhere is not what was meant. */
static bool prepare_stream(struct invocation *in, const struct replay *replay, struct su_err *err)
{
    struct client *client;
    SU_AUTO_JSON json_t *stream = NULL;
    SU_AUTO_FREE char *path = stream_path(invocation_option(in, "as"), "");
    const char *column = timeline_column(replay->timeline);
    if (!invocation_client(in, &client, err))
        return false;
    if (!client_get_json(client, path, &stream, err))
        return err->code == SU_NOT_FOUND && create_stream(in, client, path, column, err);
    const char *field = su_json_string(json_object_get(json_object_get(stream, "definition"), "time"), "field", NULL);
    if (field && (!column || strcmp(field, column) != 0)) {
        su_fail(err, SU_CONFLICT, "the stream %s takes its time from \"%s\"%s%s%s", invocation_option(in, "as"), field,
                column ? ", the table from \"" : "", column ? column : "", column ? "\"" : "");
        return su_hint(err, "--time %s, or replay it as another stream", field);
    }
    if (!field && column)
        remark(in, "the stream %s takes the time of arrival as its time", invocation_option(in, "as"));
    return true;
}

/* ----------------------------------------------------------------- sending */

/* When a row is due, in nanoseconds after the start. */
static int64_t due_ns(const struct replay *replay, size_t row)
{
    if (replay->rate > 0)
        return (int64_t)((double)row / replay->rate * 1e9);
    if (replay->speed <= 0)
        return 0;
    double us = (double)(timeline_time(replay->timeline, row) - timeline_time(replay->timeline, 0)) / replay->speed;
    return us < 9e15 ? (int64_t)(us * NS_PER_US) : INT64_MAX / 2;
}

static int64_t time_of(const struct replay *replay, size_t row)
{
    if (!replay->is_now)
        return INT64_MIN;
    bool is_paced = replay->rate > 0 || replay->speed > 0;
    return is_paced ? replay->began_us + due_ns(replay, row) / 1000 : su_now_us();
}

static void draw(struct replay *replay, const char *why)
{
    char text[200], at[SU_TIME_TEXT] = "";
    size_t count = timeline_count(replay->timeline), row = replay->sent ? replay->sent - 1 : 0;
    if (timeline_column(replay->timeline))
        su_time_text(timeline_time(replay->timeline, row) / 1000, at);
    at[*at ? 19 : 0] = '\0';
    snprintf(text, sizeof text, "%zu of %zu rows  %s%s%.60s", replay->sent, count, at, *why ? ": " : "", why);
    progress_fraction(&replay->progress, (double)replay->sent / (double)count, text);
}

static void on_wait(void *arg, const char *why) { draw(arg, why); }

/* Every row that is due by now. */
static bool send_due(struct replay *replay, struct su_err *err)
{
    int64_t now_ns = su_mono_ns() - replay->began_ns;
    for (; replay->sent < timeline_count(replay->timeline) && due_ns(replay, replay->sent) <= now_ns; replay->sent++) {
        struct su_str row;
        if (!timeline_row(replay->timeline, replay->sent, time_of(replay, replay->sent), &row, err) ||
            !pusher_add(replay->pusher, row, replay->sent + 1, err))
            return false;
        if (!pusher_waiting(replay->pusher))
            draw(replay, "");
    }
    return pusher_flush(replay->pusher, err);
}

static bool send_all(struct replay *replay, struct su_err *err)
{
    replay->began_ns = su_mono_ns();
    replay->began_us = su_now_us();
    for (;;) {
        if (!send_due(replay, err))
            return false;
        if (replay->sent == timeline_count(replay->timeline))
            return true;
        draw(replay, "");
        int64_t due = replay->began_ns + due_ns(replay, replay->sent), redraw = su_mono_ns() + REDRAW_NS;
        patience_until(due < redraw ? due : redraw);
    }
}

static bool read_positive(const char *text, const char *name, double *ret, struct su_err *err)
{
    char *end;
    double number = strtod(text, &end);
    end += *end == 'x';
    if (end == text || *end || !(number > 0) || !isfinite(number))
        return su_fail(err, SU_INVALID, "--%s must be a number above 0%s, was \"%s\"", name,
                       strcmp(name, "speed") == 0 ? " or max" : "", text);
    *ret = number;
    return true;
}

static bool read_pace(const struct invocation *in, struct replay *replay, struct su_err *err)
{
    const char *speed = invocation_option(in, "speed"), *rate = invocation_option(in, "rate");
    replay->speed = 1;
    replay->is_now = invocation_has(in, "now");
    replay->is_per_row = invocation_has(in, "per-row");
    if (!invocation_option(in, "as")) {
        su_fail(err, SU_INVALID, "replay: into which stream?");
        return su_hint(err, "usage: suricate replay OBJECT --as STREAM");
    }
    if (speed && rate)
        return su_fail(err, SU_INVALID, "--speed follows the rows' times, --rate does not: give one of them");
    if (rate)
        return read_positive(rate, "rate", &replay->rate, err);
    if (speed && strcmp(speed, "max") == 0)
        replay->speed = 0;
    else if (speed)
        return read_positive(speed, "speed", &replay->speed, err);
    return true;
}

static void print_end(const struct invocation *in, const struct replay *replay)
{
    char spent[OUTPUT_TEXT];
    const struct pusher_totals *totals = pusher_totals(replay->pusher);
    double seconds = (double)(su_mono_ns() - replay->began_ns) / 1e9;
    if (invocation_wants_json(in)) {
        SU_AUTO_JSON json_t *said = json_object();
        json_object_set_new(said, "object", su_json_text_or_null(invocation_argument(in, 0)));
        json_object_set_new(said, "stream", su_json_text_or_null(invocation_option(in, "as")));
        json_object_set_new(said, "time", su_json_text_or_null(timeline_column(replay->timeline)));
        json_object_set_new(said, "count", json_integer((json_int_t)totals->count));
        json_object_set_new(said, "first", json_integer((json_int_t)totals->first));
        json_object_set_new(said, "next", json_integer((json_int_t)totals->next));
        json_object_set_new(said, "took_ms", json_integer((json_int_t)(1000 * seconds)));
        output_json(said);
    } else {
        remark(in, "%llu rows into %s in %s", (unsigned long long)totals->count, invocation_option(in, "as"),
               output_duration(seconds, spent));
    }
}

static void print_plan(const struct invocation *in, const struct replay *replay)
{
    char first[SU_TIME_TEXT], last[SU_TIME_TEXT], length[OUTPUT_TEXT];
    const struct timeline *timeline = replay->timeline;
    size_t count = timeline_count(timeline);
    if (!timeline_column(timeline))
        return;
    su_time_text(timeline_time(timeline, 0) / 1000, first);
    su_time_text(timeline_time(timeline, count - 1) / 1000, last);
    double seconds = (double)due_ns(replay, count - 1) / 1e9;
    bool is_paced = replay->rate > 0 || replay->speed > 0;
    remark(in, "%zu rows from %.19s to %.19s UTC%s%s", count, first, last, is_paced ? ", takes " : "",
           is_paced ? output_duration(seconds, length) : "");
    if (timeline_moved(timeline))
        remark(in, "%zu rows stood before an earlier one: they are sent in the order of their times", timeline_moved(timeline));
    if (timeline_filled(timeline))
        remark(in, "%zu rows without a time get that of the row before", timeline_filled(timeline));
}

static int run_replay(struct invocation *in, struct su_err *err)
{
    const char *object = invocation_argument(in, 0), *column = invocation_option(in, "time");
    enum records_format format;
    struct replay replay = {.sent = 0};
    SU_AUTO_FD int fd = -1;
    if (!read_pace(in, &replay, err) || !fetch_table(in, object, &fd, &format, err))
        return COMMAND_FAILED;
    TIMELINE_AUTO struct timeline *timeline = NULL;
    if (!timeline_open(fd, format, object, column ? column : replay.rate > 0 ? "" : NULL, &timeline, err))
        return COMMAND_FAILED;
    replay.timeline = timeline;
    struct pusher_options options = {.stream = invocation_option(in, "as"), .type = records_batch_type(format), .source = object,
                                     .unit = "row", .count_max = replay.is_per_row ? 1 : 0};
    PUSHER_AUTO struct pusher *pusher = NULL;
    if (!prepare_stream(in, &replay, err) || !pusher_open(in, &options, &pusher, err))
        return COMMAND_FAILED;
    replay.pusher = pusher;
    print_plan(in, &replay);
    pusher_on_wait(pusher, on_wait, &replay);
    progress_begin(&replay.progress, options.stream, invocation_is_quiet(in));
    bool done = send_all(&replay, err);
    progress_clear(&replay.progress);
    if (!done)
        return COMMAND_FAILED;
    print_end(in, &replay);
    return EXIT_DONE;
}

static const struct option_spec replay_options[] = {
    {.name = "as", .value = "STREAM", .help = "the stream; made when there is none of that name"},
    {.name = "speed", .value = "X", .help = "so many times as fast as it was, or max (default 1)"},
    {.name = "rate", .value = "N", .help = "N rows a second instead, also for a table without times"},
    {.name = "time", .value = "COLUMN", .help = "where a row's time stands (default: the first column of times)"},
    {.name = "now", .help = "a row's time becomes the moment it is sent"},
    {.name = "key", .value = "COLUMN", .help = "the key of a stream that is made"},
    {.name = "idle", .value = "TIME", .help = "of a stream that is made: quiet for so long closes windows (default 1s)"},
    {.name = "per-row", .help = "a request for each row, even for those due together"},
    {.name = "version", .value = "N", .help = "an older version of the object (default: the newest)"},
    {.name = NULL},
};

const struct command replay_commands[] = {
    {.name = "replay", .arguments = "OBJECT --as STREAM", .summary = "send a stored table as a live stream, at its own pace",
     .details = "Any table (CSV, NDJSON, JSON) with a column of times: its rows are sent in the order of their times, the gaps\n"
                "between them divided by --speed. Times are dates as people write them (UTC unless they say otherwise), or\n"
                "seconds, milli-, micro- or nanoseconds since 1970, told apart by size. A row without a time gets that of the\n"
                "row before. Rows keep their times, so windows of the stream are those of then; --now moves them to today.",
     .example = "suricate replay sensors.csv --as sensors --speed 60\n"
                "suricate replay clicks.ndjson --as clicks --time event.at --speed max\n"
                "suricate replay names.csv --as names --rate 100",
     .options = replay_options, .arguments_min = 1, .arguments_max = 1, .run = run_replay},
    {.name = NULL},
};
