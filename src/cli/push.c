/* push: messages from a file or standard input into a stream.  Layer cli; main thread. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/client.h"
#include "cli/groups.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/pusher.h"
#include "cli/records.h"
#include "cli/transfer.h"

/* A batch that is not full waits this long for more, and its first message no longer than that. */
enum { LINGER_MS = 5, AGE_MAX_MS = 50 };

struct pushing {
    struct pusher *pusher;
    struct progress progress;
    uint64_t size;          /* of the input, 0 unknown */
    uint64_t read;
    int64_t began_ms;
    bool is_quiet, has_said;    /* that it waits for the server */
};

static void draw(struct pushing *pushing, const char *remark)
{
    char size[OUTPUT_TEXT], text[160];
    const struct pusher_totals *totals = pusher_totals(pushing->pusher);
    double seconds = (double)(su_mono_ms() - pushing->began_ms) / 1000;
    snprintf(text, sizeof text, "%llu messages, %s, %.0f/s%s%.60s", (unsigned long long)totals->count,
             output_size(totals->bytes, size), seconds > 0 ? (double)totals->count / seconds : 0, *remark ? ": " : "", remark);
    progress_fraction(&pushing->progress, pushing->size ? (double)pushing->read / (double)pushing->size : -1, text);
}

static void on_wait(void *arg, const char *why)
{
    struct pushing *pushing = arg;
    draw(pushing, why);
    if (pushing->progress.is_off && !pushing->is_quiet && !pushing->has_said)
        fprintf(stderr, "waiting: %s\n", why);
    pushing->has_said = true;
}

static bool take_record(void *arg, struct su_str record, uint64_t number, struct su_err *err)
{
    struct pushing *pushing = arg;
    if (!pusher_add(pushing->pusher, record, number, err))
        return false;
    if (!pusher_waiting(pushing->pusher))
        draw(pushing, "");
    return true;
}

static bool push_all(struct pushing *pushing, struct records *records, struct su_err *err)
{
    enum records_state state;
    do {
        bool has_some = pusher_waiting(pushing->pusher) > 0;
        if (!records_read(records, has_some ? LINGER_MS : -1, take_record, pushing, &state, err))
            return false;
        pushing->read = records_bytes(records);
        bool is_old = pusher_waiting(pushing->pusher) && su_mono_ms() - pusher_oldest_ms(pushing->pusher) >= AGE_MAX_MS;
        if ((state != RECORDS_CAME || (is_old && !pushing->size)) && !pusher_flush(pushing->pusher, err))
            return false;
        draw(pushing, "");
    } while (state != RECORDS_END);
    return true;
}

static bool open_input(const char *file, uint64_t *ret_size, int *ret_fd, struct su_err *err)
{
    struct stat status;
    bool is_stdin = strcmp(file, "-") == 0;
    int fd = is_stdin ? dup(STDIN_FILENO) : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        return su_fail_errno(err, errno, "%s", is_stdin ? "standard input" : file);
    *ret_fd = fd;
    if (S_ISDIR(status.st_mode))
        return su_fail(err, SU_INVALID, "%s is a folder", file);
    *ret_size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    return true;
}

static void print_pushed(const struct invocation *in, const struct pushing *pushing)
{
    char size[OUTPUT_TEXT], spent[OUTPUT_TEXT];
    const struct pusher_totals *totals = pusher_totals(pushing->pusher);
    double seconds = (double)(su_mono_ms() - pushing->began_ms) / 1000;
    const char *stream = invocation_argument(in, 0);
    if (invocation_wants_json(in)) {
        SU_AUTO_JSON json_t *said = json_object();
        json_object_set_new(said, "stream", su_json_text_or_null(stream));
        json_object_set_new(said, "count", json_integer((json_int_t)totals->count));
        json_object_set_new(said, "first", totals->has_first ? json_integer((json_int_t)totals->first) : json_null());
        json_object_set_new(said, "next", totals->has_first ? json_integer((json_int_t)totals->next) : json_null());
        json_object_set_new(said, "took_ms", json_integer((json_int_t)(1000 * seconds)));
        output_json(said);
    } else if (!invocation_is_quiet(in)) {
        fprintf(stderr, "%llu message%s (%s) into ", (unsigned long long)totals->count, totals->count == 1 ? "" : "s",
                output_size(totals->bytes, size));
        output_text(stderr, stream);
        fprintf(stderr, " in %s", output_duration(seconds, spent));
        fprintf(stderr, seconds >= 0.1 ? ", %.0f a second\n" : "\n", (double)totals->count / seconds);
    }
}

static int run_push(struct invocation *in, struct su_err *err)
{
    const char *file = invocation_argument(in, 1), *format_name = invocation_option(in, "format");
    if (!file)
        file = "-";
    bool is_stdin = strcmp(file, "-") == 0;
    enum records_format format = records_format_guess(file, NULL);
    uint64_t count_max = PUSHER_COUNT;
    struct pushing pushing = {.began_ms = su_mono_ms()};
    SU_AUTO_FD int fd = -1;
    if ((format_name && !records_format_of(format_name, &format, err)) ||
        !invocation_number(in, "batch", 1, PUSHER_COUNT_MAX, &count_max, err) || !open_input(file, &pushing.size, &fd, err))
        return COMMAND_FAILED;
    struct pusher_options options = {.stream = invocation_argument(in, 0), .type = records_batch_type(format),
                                     .key = invocation_option(in, "key"), .source = is_stdin ? "standard input" : file,
                                     .unit = format == RECORDS_CSV ? "row" : format == RECORDS_JSON ? "record" : "line",
                                     .count_max = (size_t)count_max};
    PUSHER_AUTO struct pusher *pusher = NULL;
    RECORDS_AUTO struct records *records = records_new(format, fd, options.source);
    if (!pusher_open(in, &options, &pusher, err))
        return COMMAND_FAILED;
    if (is_stdin && isatty(fd) && !invocation_is_quiet(in))
        fputs("a message a line; Ctrl-D ends\n", stderr);
    pushing.pusher = pusher;
    pushing.is_quiet = invocation_is_quiet(in) || invocation_wants_json(in);
    pusher_on_wait(pusher, on_wait, &pushing);
    progress_begin(&pushing.progress, options.stream, invocation_is_quiet(in) || (is_stdin && isatty(fd)));
    bool done = push_all(&pushing, records, err);
    progress_clear(&pushing.progress);
    if (!done)
        return COMMAND_FAILED;
    print_pushed(in, &pushing);
    return EXIT_DONE;
}

static const struct option_spec push_options[] = {
    {.name = "format", .value = "FORMAT", .help = "ndjson, csv, json or text (default: by the file's ending, else ndjson)"},
    {.name = "batch", .value = "N", .help = "messages of one request at most (default 5000)"},
    {.name = "key", .value = "KEY", .help = "the key of every message (default: the field that the stream names)"},
    {.name = NULL},
};

const struct command push_commands[] = {
    {.name = "push", .arguments = "STREAM [FILE]", .summary = "push messages into a stream",
     .details = "FILE is NDJSON (a JSON value a line), CSV (each row becomes an object, numbers become numbers), JSON (one\n"
                "value, or a list of them) or text (a message a line, for streams of that format). Without FILE, or with -,\n"
                "standard input is read, and each line sent within milliseconds. Messages go in batches; a batch is stored\n"
                "as a whole or not at all, and one whose answer got lost is sent again without counting twice. When the\n"
                "command ends well, every message is on the server's disk.",
     .example = "suricate push plays plays.csv\ntail -F app.log | suricate push log --format text\n"
                "echo '{\"temperature\": 21.5}' | suricate push kitchen",
     .options = push_options, .arguments_min = 1, .arguments_max = 2, .run = run_push},
    {.name = NULL},
};
