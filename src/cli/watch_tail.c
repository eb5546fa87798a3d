/* watch tail: a watch's decisions as they are made.  Layer cli; main thread.
 *
 * The server's events say that something was decided; what it was is read from the list of decisions, from the newest
 * back to the last one shown, so that none is missed while the connection was down. */
#include "cli/watch_tail.h"

#include <string.h>

#include "cli/client.h"
#include "cli/definition.h"
#include "cli/exit_status.h"
#include "cli/output.h"
#include "cli/patience.h"
#include "cli/resource.h"
#include "cli/url.h"

enum { PATH_BYTES = 16 << 10, SHOWN = 10, PAGE = 100 };

struct watch_tail {
    struct invocation *in;
    struct client *events, *client;
    char last[64];              /* id of the newest decision shown; "" before the first */
    uint64_t shown, max;        /* max 0: no limit */
    struct patience patience;
    struct su_err *err;
    bool has_failed;
};

static void print_number(const char *name, const json_t *value)
{
    if (json_is_number(value))
        printf("  %s %.6g", name, json_number_value(value));
}

static void print_decision(const struct watch_tail *tail, const json_t *decision)
{
    if (invocation_wants_json(tail->in)) {
        SU_AUTO_FREE char *text = su_json_text(decision);
        puts(text);
        return;
    }
    const json_t *grounds = json_object_get(decision, "grounds");
    printf("%.19s  %-10s %-8s ", su_json_string(json_object_get(decision, "window"), "end", su_json_string(decision, "decided_at", "")),
           su_json_string(decision, "event", ""), su_json_string(decision, "level", ""));
    output_text(stdout, su_json_string(decision, "key", ""));
    print_number("value", json_object_get(grounds, "value"));
    print_number("score", json_object_get(grounds, "score"));
    printf("  %s\n", su_json_string(decision, "id", ""));
}

/* What has come since the last one shown, oldest first; at the start the last few. */
static bool show_new(struct watch_tail *tail, struct su_err *err)
{
    static const char *const filters[] = {"key", NULL};
    SU_AUTO_JSON json_t *page = NULL;
    SU_AUTO_BUF struct su_buf path = SU_BUF(PATH_BYTES);
    su_buf_addf(&path, "/v1/decisions?limit=%d", *tail->last ? PAGE : SHOWN);
    url_add_query(&path, "watch", invocation_argument(tail->in, 0));
    resource_add_filters(tail->in, filters, &path);
    if (!client_get_json(tail->client, path.ptr, &page, err))
        return false;
    const json_t *items = json_object_get(page, "items");
    size_t count = 0;
    while (count < json_array_size(items) && strcmp(su_json_string(json_array_get(items, count), "id", ""), tail->last) != 0)
        count++;
    for (; count > 0 && !(tail->max && tail->shown == tail->max); count--, tail->shown++) {
        const json_t *decision = json_array_get(items, count - 1);
        print_decision(tail, decision);
        snprintf(tail->last, sizeof tail->last, "%s", su_json_string(decision, "id", ""));
    }
    fflush(stdout);
    return true;
}

static bool on_event(void *arg, const char *event, const char *id, struct su_str data)
{
    (void)id;
    (void)data;
    struct watch_tail *tail = arg;
    patience_renew(&tail->patience);
    if (strcmp(event, "decision.made") != 0 && strcmp(event, "reset") != 0)
        return true;
    tail->has_failed = !show_new(tail, tail->err);
    return !tail->has_failed && !ferror(stdout) && !(tail->max && tail->shown == tail->max);
}

/* Each connection begins with what was missed. */
static bool follow(struct watch_tail *tail, struct su_err *err)
{
    patience_renew(&tail->patience);
    for (;;) {
        bool done = show_new(tail, err);
        if (done && tail->max && tail->shown == tail->max)
            return true;
        done = done && client_events(tail->events, "/v1/events", NULL, on_event, tail, err) && !tail->has_failed;
        if (done && ((tail->max && tail->shown == tail->max) || ferror(stdout)))
            return true;
        if (!done && err->code != SU_UNAVAILABLE && err->code != SU_TIMEOUT)
            return false;
        if (!patience_wait(&tail->patience, 0))
            return !done ? false : su_fail(err, SU_UNAVAILABLE, "the server ends the events again and again");
    }
}

int watch_run_tail(struct invocation *in, struct su_err *err)
{
    struct watch_tail tail = {.in = in, .err = err};
    SU_AUTO_FREE char *path = resource_path("/v1/watches", invocation_argument(in, 0), "");
    SU_AUTO_JSON json_t *watch = NULL;
    if (!invocation_number(in, "limit", 1, INT64_MAX, &tail.max, err) || !invocation_client(in, &tail.client, err) ||
        !client_get_json(tail.client, path, &watch, err) || !invocation_client_new(in, &tail.events, err))
        return COMMAND_FAILED;
    bool done = follow(&tail, err);
    client_close(tail.events);
    return done ? EXIT_DONE : COMMAND_FAILED;
}
