/* Watching one run to its end.  Layer cli; main thread. */
#include "cli/follow.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/progress.h"

enum { PATIENCE_MS = 60000, PAUSE_MS = 250 };

struct follow {
    struct progress progress;
    char last_id[128], cell[160];
    size_t shown;           /* bytes of the cell's text that stand on the screen */
    size_t known;           /* of these, still to be sent again after a reconnect */
    bool is_silent, has_ended, has_come_back;
};

bool follow_is_final(const char *state)
{
    static const char *const final[] = {"succeeded", "failed", "cancelled", "timed_out", "out_of_memory", "interrupted"};
    for (size_t i = 0; i < SU_COUNT(final); i++)
        if (strcmp(state, final[i]) == 0)
            return true;
    return false;
}

/* Text as nbformat has it: one string or a list of lines. */
static void show_text(struct follow *follow, FILE *to, const json_t *text)
{
    size_t i;
    json_t *line;
    json_array_foreach(text, i, line)
        show_text(follow, to, line);
    if (!json_is_string(text))
        return;
    size_t len = json_string_length(text), skipped = len < follow->known ? len : follow->known;
    follow->known -= skipped;
    follow->shown += len - skipped;
    output_stream(to, json_string_value(text) + skipped);
    fflush(to);
}

static void show_stream(struct follow *follow, const json_t *content)
{
    const char *name = su_json_string(content, "name", "stdout");
    progress_clear(&follow->progress);
    show_text(follow, strcmp(name, "stderr") == 0 ? stderr : stdout, json_object_get(content, "text"));
}

/* After a reconnect the server clears the cell under way and sends it again as a whole. */
static void note_cell(struct follow *follow, const json_t *event, const char *type)
{
    const char *cell = su_json_string(event, "cell", "");
    if (strcmp(cell, follow->cell) != 0) {
        snprintf(follow->cell, sizeof follow->cell, "%s", cell);
        follow->shown = follow->known = 0;
    } else if (follow->has_come_back && strcmp(type, "clear_output") == 0) {
        follow->known = follow->shown;
    }
    if (strcmp(type, "cell_start") != 0)
        follow->has_come_back = false;
}

static void show_error(struct follow *follow, const json_t *content)
{
    size_t i;
    json_t *line;
    progress_clear(&follow->progress);
    json_array_foreach(json_object_get(content, "traceback"), i, line) {
        output_stream(stderr, json_string_value(line));
        fputc('\n', stderr);
    }
}

/* The plain text of a displayed value, as papermill shows it; pictures and results are fetched, not printed. */
static void show_display(struct follow *follow, const json_t *content)
{
    const json_t *data = json_object_get(content, "data");
    const json_t *text = json_object_get(data, "text/plain");
    const json_t *progress = json_object_get(data, "application/vnd.suricate.progress+json");
    if (progress) {
        progress_fraction(&follow->progress, su_json_number(progress, "fraction", 0), su_json_string(progress, "text", ""));
        return;
    }
    if (!text || json_object_get(data, "image/png") || json_object_get(data, "image/svg+xml") ||
        json_object_get(data, "application/vnd.suricate.result+json"))
        return;
    progress_clear(&follow->progress);
    SU_AUTO_JSON json_t *line = json_pack("[O, s]", text, "\n");
    show_text(follow, stdout, line);
}

static void show_progress(struct follow *follow, const json_t *progress)
{
    char text[128];
    const char *words = su_json_string(progress, "text", "");
    snprintf(text, sizeof text, "cell %lld of %lld%s%.80s", (long long)su_json_int(progress, "cells_done", 0),
             (long long)su_json_int(progress, "cells_total", 0), *words ? ": " : "", words);
    progress_fraction(&follow->progress, su_json_number(progress, "fraction", 0), text);
}

static bool on_event(void *arg, const char *event, const char *id, struct su_str data)
{
    struct follow *follow = arg;
    struct su_err ignored;
    SU_AUTO_JSON json_t *value = NULL;
    if (*id)
        snprintf(follow->last_id, sizeof follow->last_id, "%s", id);
    if (!su_json_parse_deep(data, "event", 2000, &value, &ignored))
        return true;
    const char *type = su_json_string(value, "type", event);
    const json_t *content = json_object_get(value, "content");
    note_cell(follow, value, type);
    if (strcmp(type, "stream") == 0)
        show_stream(follow, content);
    else if (strcmp(type, "error") == 0)
        show_error(follow, content);
    else if (strcmp(type, "display_data") == 0 || strcmp(type, "execute_result") == 0)
        show_display(follow, content);
    else if (json_object_get(value, "progress"))
        show_progress(follow, json_object_get(value, "progress"));
    follow->has_ended = strcmp(event, "finished") == 0 || follow_is_final(su_json_string(value, "state", ""));
    return !follow->has_ended;
}

static void pause_a_little(void)
{
    struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    nanosleep(&pause, NULL);
}

/* One look: watch the events until they stop, then ask for the record. */
static bool look(struct follow *follow, struct client *client, const char *id, json_t **ret, struct su_err *err)
{
    SU_AUTO_FREE char *events = su_format("/v1/runs/%s/events", id);
    SU_AUTO_FREE char *record = su_format("/v1/runs/%s?wait=%s", id, follow->is_silent ? "25s" : "1s");
    if (!follow->is_silent && !follow->has_ended &&
        !client_events(client, events, *follow->last_id ? follow->last_id : NULL, on_event, follow, err))
        return false;
    return client_get_json(client, record, ret, err);
}

bool follow_run(struct invocation *in, const char *id, bool is_silent, json_t **ret, struct su_err *err)
{
    struct client *client;
    struct follow follow = {.is_silent = is_silent};
    if (!invocation_client(in, &client, err))
        return false;
    progress_begin(&follow.progress, "running", invocation_is_quiet(in) || is_silent);
    int64_t heard_ms = su_mono_ms();
    for (;;) {
        SU_AUTO_JSON json_t *run = NULL;
        bool done = look(&follow, client, id, &run, err);
        if (done && follow_is_final(su_json_string(run, "state", ""))) {
            progress_clear(&follow.progress);
            *ret = su_take(run);
            return true;
        }
        bool is_away = !done && (err->code == SU_UNAVAILABLE || err->code == SU_TIMEOUT);
        if (!done && (!is_away || su_mono_ms() - heard_ms > PATIENCE_MS)) {
            progress_clear(&follow.progress);
            return false;
        }
        if (done)
            heard_ms = su_mono_ms();
        follow.has_come_back = true;
        pause_a_little();
    }
}
