/* The runs service: the line, and the thread "runs" that follows all keepers.  Layer interact.
 *
 * A run moves: line → worker (start) → "runs" (follow) → worker (end) → gone.
 * Whoever has it owns it, and hands it on through a queue.  What blocks (a
 * kernel's start, syncing figures, commits) is a worker's; the thread "runs"
 * only waits in epoll, records, and tells the bus. */
#include "run.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "run_private.h"

enum {
    WORK_MAX = 8192,
    EVENTS_A_TURN = 512,            /* of one keeper, before the next has its turn */
    READY_A_TURN = 64,
    AGAIN_MS = 2000,                /* between two tries to write an end down */
};

/* ---- the bus ---- */

static json_t *event_detail(const char *tenant, const char *id, enum run_state state)
{
    return json_pack("{s:s, s:s, s:s}", "tenant", tenant, "run", id, "state", run_state_name(state));
}

bool runs_end_job(struct sql *db, void *arg, struct su_err *err)
{
    const struct run_ended *ended = arg;
    SU_AUTO_JSON json_t *detail = event_detail(ended->ending->tenant, ended->ending->id, ended->ending->state);
    return run_table_end(db, ended->ending, err)
        && (ended->runs->config.promise == NULL || ended->runs->config.promise(db, ended->ending->tenant, "run.finished", detail, err));
}

void runs_publish(struct runs *runs, const char *tenant, const char *id, const char *event, enum run_state state)
{
    SU_AUTO_FREE char *topic = su_format("run/%s", id);
    bool is_progress = strcmp(event, "run.progress") == 0;
    SU_AUTO_JSON json_t *detail = event_detail(tenant, id, state);
    su_bus_publish(runs->bus, topic, event, detail);
    if (is_progress)
        return;
    SU_AUTO_FREE char *state_topic = su_format("run-state/%s", id);
    su_bus_publish(runs->bus, state_topic, event, detail);
    SU_AUTO_FREE char *tenant_topic = su_format("tenant/%s", tenant);
    if (strcmp(event, "run.starting") != 0)
        su_bus_publish(runs->bus, tenant_topic, event, detail);
}

/* Something to be written down that nobody waits for. */
struct note {
    char *tenant, *id;
    enum run_state state;
    int64_t started_ms;
    struct run_touch touch;
    struct run_consumed consumed;
};

static void note_free(struct note *note)
{
    free(note->tenant);
    free(note->id);
    free(note->touch.tenant);
    free(note->touch.run);
    free(note->touch.name);
    free(note->touch.sha256);
    free(note->consumed.tenant);
    free(note->consumed.run);
    free(note->consumed.stream);
    free(note->consumed.consumer);
    free(note);
}

static void note_done(void *arg, bool ok, const struct su_err *err)
{
    struct note *note = arg;
    if (!ok)
        su_log_error("run.note", err, su_kv_text("run", note->id ? note->id : note->touch.run ? note->touch.run : note->consumed.run));
    note_free(note);
}

static bool write_state(struct sql *db, void *arg, struct su_err *err)
{
    struct note *note = arg;
    return run_table_state(db, note->tenant, note->id, note->state, note->started_ms, err);
}

void runs_set_state(struct runs *runs, struct live *live, enum run_state state, int64_t at_ms)
{
    struct note *note = su_alloc(sizeof *note);
    su_lock(&live->lock);
    su_assert(live->state == state || run_state_may_follow(live->state, state));
    live->state = state;
    if (state == RUN_RUNNING && live->started_ms == 0)
        live->started_ms = at_ms;
    *note = (struct note){
        .tenant = su_strdup(live->tenant), .id = su_strdup(live->id), .state = state, .started_ms = live->started_ms};
    su_unlock(&live->lock);
    store_write_later(runs->store, write_state, note_done, note);
    runs_publish(runs, live->tenant, live->id, state == RUN_RUNNING ? "run.started" : "run.starting", state);
}

static bool write_touch(struct sql *db, void *arg, struct su_err *err)
{
    struct note *note = arg;
    return run_table_touch(db, &note->touch, err);
}

static bool write_stream(struct sql *db, void *arg, struct su_err *err)
{
    struct note *note = arg;
    return run_table_stream(db, &note->touch, err);
}

static void on_stream_read(struct runs *runs, const json_t *detail)
{
    const char *run = su_json_string(detail, "run", NULL), *tenant = su_json_string(detail, "tenant", NULL);
    const char *stream = su_json_string(detail, "stream", NULL);
    if (run == NULL || tenant == NULL || stream == NULL)
        return;
    struct note *note = su_alloc(sizeof *note);
    note->touch = (struct run_touch){.tenant = su_strdup(tenant),
                                     .run = su_strdup(run),
                                     .name = su_strdup(stream),
                                     .version = su_json_int(detail, "from", 0),
                                     .next = su_json_int(detail, "to", 0),
                                     .at_ms = su_now_ms()};
    store_write_later(runs->store, write_stream, note_done, note);
}

static bool write_consumed(struct sql *db, void *arg, struct su_err *err)
{
    struct note *note = arg;
    return run_table_consumed(db, &note->consumed, err);
}

static void on_consumed(struct runs *runs, const json_t *detail)
{
    struct note *note = su_alloc(sizeof *note);
    note->consumed = (struct run_consumed){.tenant = su_strdup(su_json_string(detail, "tenant", "")),
                                           .run = su_strdup(su_json_string(detail, "run", "")),
                                           .stream = su_strdup(su_json_string(detail, "stream", "")),
                                           .consumer = su_strdup(su_json_string(detail, "consumer", "")),
                                           .from = su_json_int(detail, "from", 0),
                                           .to = su_json_int(detail, "to", 0),
                                           .decisions = su_json_int(detail, "decisions", 0)};
    store_write_later(runs->store, write_consumed, note_done, note);
}

/* What kernels read and write, as the layers above and beside tell it. */
static void on_touch(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct runs *runs = arg;
    if (detail == NULL)
        return;
    if (strcmp(topic, "run-consumed") == 0) {
        bool is_commit = strcmp(event, "window.consumed") == 0;
        paces_note(runs, detail, is_commit);
        if (is_commit)
            on_consumed(runs, detail);
        return;
    }
    const char *run = su_json_string(detail, "run", NULL), *mode = NULL,
               *tenant = su_json_string(detail, "tenant", NULL);
    if (run == NULL || run[0] == 0)
        return;
    if (strcmp(event, "stream.read") == 0) {
        on_stream_read(runs, detail);
        return;
    }
    if (strcmp(topic, "run-reads") == 0)
        mode = "read";
    else if (strcmp(topic, "run-writes") == 0 || strcmp(event, "object.created") == 0 ||
             strcmp(event, "object.changed") == 0)
        mode = "write";
    else if (strcmp(event, "fetch.finished") == 0)
        mode = "fetch";
    if (tenant == NULL && strncmp(topic, "tenant/", 7) == 0)
        tenant = topic + 7;
    const char *name = su_json_string(detail, mode && strcmp(mode, "fetch") == 0 ? "url" : "name", NULL);
    const char *sha256 = su_json_string(detail, "sha256", NULL);
    if (mode == NULL || tenant == NULL || name == NULL || sha256 == NULL)
        return;
    struct note *note = su_alloc(sizeof *note);
    note->touch = (struct run_touch){.tenant = su_strdup(tenant),
                                     .run = su_strdup(run),
                                     .name = su_strdup(name),
                                     .sha256 = su_strdup(sha256),
                                     .mode = mode,
                                     .version = su_json_int(detail, "version", 0),
                                     .at_ms = su_now_ms()};
    store_write_later(runs->store, write_touch, note_done, note);
}

/* ---- lists under the lock ---- */

static void wake(struct runs *runs)
{
    uint64_t one = 1;
    ssize_t n = write(runs->wake_fd, &one, sizeof one);
    (void)n; /* full means it is awake already */
}

/* With the lock held. */
static void line_append(struct runs *runs, const struct run_open *run)
{
    struct line *line = &runs->lines[run->is_follow];
    struct waiting *w = su_alloc(sizeof *w);
    *w = (struct waiting){.tenant = su_strdup(run->tenant), .id = su_strdup(run->id), .attempt = run->attempt,
                          .due_ms = run->due_ms, .is_follow = run->is_follow};
    *line->last = w;
    line->last = &w->next;
    runs->n_waiting++;
}

static void waiting_free(struct waiting *w)
{
    if (w == NULL)
        return;
    free(w->tenant);
    free(w->id);
    free(w);
}

/* With the lock held: out of the line, or NULL. */
static struct waiting *line_remove(struct runs *runs, const char *tenant, const char *id)
{
    for (size_t i = 0; i < SU_COUNT(runs->lines); i++) {
        struct line *line = &runs->lines[i];
        for (struct waiting **at = &line->first; *at; at = &(*at)->next) {
            struct waiting *w = *at;
            if (strcmp(w->id, id) != 0 || strcmp(w->tenant, tenant) != 0)
                continue;
            *at = w->next;
            if (line->last == &w->next)
                line->last = at;
            runs->n_waiting--;
            return w;
        }
    }
    return NULL;
}

/* With the lock held: who may begin now, or NULL; *ret_pause_ms is shortened to the time until a following run is due. */
static struct waiting *line_next(struct runs *runs, int64_t *ret_pause_ms)
{
    int64_t now = su_now_ms();
    if (runs->is_closing)
        return NULL;
    if (runs->n_lives - runs->n_following < runs->config.parallel && runs->lines[0].first)
        return runs->lines[0].first;
    for (struct waiting *w = runs->n_following < runs->config.following ? runs->lines[1].first : NULL; w; w = w->next) {
        if (w->due_ms <= now)
            return w;
        if (*ret_pause_ms < 0 || w->due_ms - now < *ret_pause_ms)
            *ret_pause_ms = w->due_ms - now;
    }
    return NULL;
}

struct live *lives_find(struct runs *runs, const char *tenant, const char *id)
{
    for (struct live *live = runs->lives; live; live = live->next) {
        if (strcmp(live->id, id) == 0 && strcmp(live->tenant, tenant) == 0)
            return live;
    }
    return NULL;
}

struct live *runs_find(struct runs *runs, const char *tenant, const char *id)
{
    SU_LOCKED(&runs->lock);
    struct live *live = lives_find(runs, tenant, id);
    if (live)
        live->references++;
    return live;
}

void runs_unref(struct runs *runs, struct live *live)
{
    if (live == NULL)
        return;
    su_lock(&runs->lock);
    bool is_last = --live->references == 0;
    su_unlock(&runs->lock);
    if (is_last)
        live_free(live);
}

static void lives_add(struct runs *runs, struct live *live)
{
    live->next = runs->lives;
    runs->lives = live;
    runs->n_lives++;
    runs->n_following += live->is_follow;
}

void runs_message(struct runs *runs, struct live *live, enum run_message message)
{
    su_lock(&runs->lock);
    live->message = message;
    live->next_message = runs->messages;
    runs->messages = live;
    su_unlock(&runs->lock);
    wake(runs);
}

/* ---- the thread "runs" ---- */

static void hand_to_worker(struct runs *runs, struct live *live, enum run_job job)
{
    live->job = job;
    su_queue_put(runs->work, live);
}

/* Whoever is first in a line and has room begins; milliseconds until a following run is due, or -1. */
static int64_t start_waiting(struct runs *runs)
{
    for (;;) {
        int64_t pause_ms = -1;
        su_lock(&runs->lock);
        struct waiting *w = line_next(runs, &pause_ms);
        struct live *live = NULL;
        if (w) {
            w = line_remove(runs, w->tenant, w->id);
            live = live_new(w->tenant, w->id, w->attempt, RUN_JOB_START);
            live->is_follow = w->is_follow;
            lives_add(runs, live);
        }
        su_unlock(&runs->lock);
        waiting_free(w);
        if (live == NULL)
            return pause_ms;
        hand_to_worker(runs, live, RUN_JOB_START);
    }
}

static void watch(struct runs *runs, struct live *live)
{
    struct epoll_event event = {.events = EPOLLIN | (live->wants_write ? EPOLLOUT : 0), .data.ptr = live};
    if (epoll_ctl(runs->epoll_fd, live->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, keeper_fd(live->keeper), &event) !=
        0)
        su_log(SU_LOG_ERROR, "run.watch", su_kv_text("run", live->id), su_kv_int("errno", errno));
    live->is_watched = true;
}

static void leave(struct runs *runs, struct live *live, enum run_job job)
{
    if (live->is_watched)
        epoll_ctl(runs->epoll_fd, EPOLL_CTL_DEL, keeper_fd(live->keeper), NULL);
    live->is_watched = false;
    hand_to_worker(runs, live, job);
}

static void send_cancel(struct runs *runs, struct live *live)
{
    struct su_err err;
    SU_AUTO_JSON json_t *cancel = json_pack("{s:s}", "op", "cancel");
    live->is_cancel_sent = true;
    live_log(live, "cancel: the kernel is asked to stop");
    if (!keeper_send(live->keeper, cancel, &err)) {
        leave(runs, live, RUN_JOB_RECONNECT); /* a cancel is sent again after that */
        live->is_cancel_sent = false;
        return;
    }
    bool wants_write = keeper_pending(live->keeper);
    if (wants_write != live->wants_write) {
        live->wants_write = wants_write;
        watch(runs, live);
    }
}

static bool is_cancelled(struct live *live)
{
    SU_LOCKED(&live->lock);
    return live->is_cancelled;
}

static int64_t event_ms(const json_t *event)
{
    int64_t at;
    return su_time_parse(su_str_of(su_json_string(event, "at", "")), &at) ? at : su_now_ms();
}

static void take_event(struct runs *runs, struct live *live, json_t *event)
{
    uint64_t seq = (uint64_t)su_json_int(event, "seq", 0);
    const char *name = su_json_string(event, "event", "");
    if (seq < live->next_seq)
        return;
    live->next_seq = seq + 1;
    if (strcmp(name, "cell_start") == 0 && live->state == RUN_STARTING)
        runs_set_state(runs, live, RUN_RUNNING, event_ms(event));
    if (strcmp(name, "ready") == 0)
        live_log(live, "the kernel is ready");
    else if (strcmp(name, "ended") == 0)
        live->ended = json_incref(event);
    else
        live_record(live, event);
}

/* Read what the keeper has to say; true when there may be more. */
static bool follow(struct runs *runs, struct live *live)
{
    struct su_err err;
    bool is_lost = false, has_more = true;
    if (live->wants_write && !keeper_flush(live->keeper, &err))
        is_lost = true;
    for (int i = 0; i < EVENTS_A_TURN && !is_lost && has_more && live->ended == NULL; i++) {
        SU_AUTO_JSON json_t *event = NULL;
        is_lost = !keeper_recv(live->keeper, &event, &err);
        has_more = !is_lost && event != NULL;
        if (has_more)
            take_event(runs, live, event);
    }
    bool is_news = live->unwritten.len > 0;
    live_events_flush(live);
    if (is_news)
        runs_publish(runs, live->tenant, live->id, "run.progress", live->state);
    if (live->ended) {
        leave(runs, live, RUN_JOB_FINISH);
        return false;
    }
    if (is_lost) {
        su_log_error("run.keeper", &err, su_kv_text("run", live->id));
        leave(runs, live, RUN_JOB_RECONNECT);
        return false;
    }
    if (live->wants_write != keeper_pending(live->keeper)) {
        live->wants_write = !live->wants_write;
        watch(runs, live);
    }
    return has_more;
}

static void remove_live(struct runs *runs, struct live *live, bool again)
{
    su_lock(&runs->lock);
    for (struct live **at = &runs->lives; *at; at = &(*at)->next) {
        if (*at == live) {
            *at = live->next;
            break;
        }
    }
    runs->n_lives--;
    runs->n_following -= live->is_follow;
    runs->n_finished += !again;
    if (again)
        paces_drop(runs, live->tenant, live->id);
    else
        paces_forget(runs, live->tenant, live->id);
    if (again)
        line_append(runs, &(struct run_open){.tenant = live->tenant, .id = live->id, .attempt = live->attempt + 1,
                                             .due_ms = live->due_ms, .is_follow = live->is_follow});
    su_unlock(&runs->lock);
    runs_unref(runs, live);
}

static void take_message(struct runs *runs, struct live *live)
{
    switch (live->message) {
    case RUN_FOLLOW:
        watch(runs, live);
        live->wants_write = keeper_pending(live->keeper);
        if (live->wants_write)
            watch(runs, live);
        break;
    case RUN_FINISH_LATER: live->again_ms = su_mono_ms() + AGAIN_MS; break;
    case RUN_GONE: remove_live(runs, live, false); break;
    case RUN_AGAIN: remove_live(runs, live, true); break;
    }
}

static void take_messages(struct runs *runs)
{
    uint64_t count;
    ssize_t n = read(runs->wake_fd, &count, sizeof count);
    (void)n;
    su_lock(&runs->lock);
    struct live *live = su_take(runs->messages);
    su_unlock(&runs->lock);
    while (live) {
        struct live *next = live->next_message;
        take_message(runs, live);
        live = next;
    }
}

/* Cancels that were asked for, and ends to be tried again; milliseconds until the next of those, or -1. */
static int look_round(struct runs *runs)
{
    int64_t now = su_mono_ms(), soonest = -1;
    for (struct live *live = runs->lives, *next; live; live = next) {
        next = live->next;
        if (live->is_watched && !live->is_cancel_sent && is_cancelled(live))
            send_cancel(runs, live);
        if (live->again_ms == 0)
            continue;
        if (live->again_ms <= now) {
            live->again_ms = 0;
            hand_to_worker(runs, live, RUN_JOB_FINISH);
        } else if (soonest < 0 || live->again_ms - now < soonest) {
            soonest = live->again_ms - now;
        }
    }
    return (int)soonest;
}

/* Keepers whose turn ended before their news did. */
struct busy { struct live *items[READY_A_TURN]; size_t n; };

static void follow_busy(struct runs *runs, struct busy *busy)
{
    struct busy before = *busy;
    busy->n = 0;
    for (size_t i = 0; i < before.n; i++) {
        if (before.items[i]->is_watched && follow(runs, before.items[i]))
            busy->items[busy->n++] = before.items[i];
    }
}

static void add_busy(struct busy *busy, struct live *live)
{
    for (size_t i = 0; i < busy->n; i++) {
        if (busy->items[i] == live)
            return;
    }
    if (busy->n < READY_A_TURN)
        busy->items[busy->n++] = live;
}

/* A run that was handed on may be gone when we look again. */
static void keep_watched(struct busy *busy)
{
    size_t kept = 0;
    for (size_t i = 0; i < busy->n; i++) {
        if (busy->items[i]->is_watched)
            busy->items[kept++] = busy->items[i];
    }
    busy->n = kept;
}

static bool is_closing(struct runs *runs)
{
    SU_LOCKED(&runs->lock);
    return runs->is_closing;
}

static void live_on(void *arg)
{
    struct runs *runs = arg;
    struct busy busy = {0};
    while (!is_closing(runs)) {
        struct epoll_event ready[READY_A_TURN];
        int64_t due = start_waiting(runs);
        int pause = look_round(runs);
        if (due >= 0 && (pause < 0 || due < pause))
            pause = (int)due;
        int n = epoll_wait(runs->epoll_fd, ready, READY_A_TURN, busy.n ? 0 : pause);
        follow_busy(runs, &busy);
        bool is_woken = false;
        for (int i = 0; i < n; i++) {
            struct live *live = ready[i].data.ptr;
            if (live == NULL)
                is_woken = true;
            else if (live->is_watched && follow(runs, live))
                add_busy(&busy, live);
        }
        keep_watched(&busy);
        if (is_woken) /* last: it may free runs that this turn looked at */
            take_messages(runs);
    }
}

/* ---- opening and closing ---- */

/* Is a kernel of that id still known? */
static bool knows_kernel(const json_t *kernels, const char *kernel)
{
    size_t i;
    json_t *each;
    json_array_foreach(kernels, i, each) {
        if (json_is_string(each) && strcmp(json_string_value(each), kernel) == 0)
            return true;
    }
    return false;
}

struct opening { struct runs *runs; const json_t *kernels; json_t *in_use; };

static void take_up(void *arg, const struct run_open *run)
{
    struct opening *opening = arg;
    struct live *live = live_new(run->tenant, run->id, run->attempt, RUN_JOB_RESUME);
    live->is_follow = run->is_follow;
    bool has_kernel = knows_kernel(opening->kernels, live->kernel);
    if (!has_kernel && run->state != RUN_RUNNING) { /* it never began */
        live_free(live);
        line_append(opening->runs, run);
        return;
    }
    json_object_set_new(opening->in_use, live->kernel, json_true());
    lives_add(opening->runs, live);
}

/* Kernels of runs have ids like 01abc…-1. */
static bool is_run_kernel(const char *kernel)
{
    return strlen(kernel) > SU_ID_SIZE && kernel[SU_ID_SIZE - 1] == '-' &&
           strspn(kernel + SU_ID_SIZE, "0123456789") == strlen(kernel + SU_ID_SIZE);
}

static void forget_rest(struct runs *runs, const json_t *kernels, const json_t *in_use)
{
    size_t i;
    json_t *each;
    json_array_foreach(kernels, i, each) {
        const char *kernel = json_is_string(each) ? json_string_value(each) : "";
        if (is_run_kernel(kernel) && json_object_get(in_use, kernel) == NULL)
            compute_kernel_forget(runs->compute, kernel);
    }
}

/* The runs that a server before this one left: those under way are found again, the others stand in line. */
static bool find_open_runs(struct runs *runs, struct su_err *err)
{
    SU_AUTO_JSON json_t *kernels = runs->compute ? compute_kernel_list(runs->compute) : json_array();
    SU_AUTO_JSON json_t *in_use = json_object();
    struct opening opening = {runs, kernels, in_use};
    STORE_READ(runs->store, db);
    if (!run_table_open_runs(db, take_up, &opening, err))
        return false;
    if (runs->compute)
        forget_rest(runs, kernels, in_use);
    if (runs->n_lives || runs->n_waiting)
        su_log(SU_LOG_INFO, "run.found", su_kv_int("under_way", (int64_t)runs->n_lives),
               su_kv_int("waiting", (int64_t)runs->n_waiting));
    return true;
}

static bool open_descriptors(struct runs *runs, struct su_err *err)
{
    runs->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    runs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (runs->epoll_fd < 0 || runs->wake_fd < 0 || epoll_ctl(runs->epoll_fd, EPOLL_CTL_ADD, runs->wake_fd, &event) != 0)
        return su_fail_errno(err, errno, "runs: no descriptors");
    return true;
}

static void start_threads(struct runs *runs)
{
    for (struct live *live = runs->lives; live; live = live->next)
        su_queue_put(runs->work, live);
    for (size_t i = 0; i < SU_COUNT(runs->workers); i++)
        su_thread_start(&runs->workers[i], "run-work", run_work, runs);
    su_thread_start(&runs->thread, "runs", live_on, runs);
}

bool runs_open(struct store *store, struct su_bus *bus, struct compute *compute, const struct run_tokens *tokens,
    const struct runs_config *config, struct runs **ret, struct su_err *err)
{
    struct runs *runs = su_alloc(sizeof *runs);
    *runs = (struct runs){.store = store,
                          .bus = bus,
                          .compute = compute,
                          .tokens = *tokens,
                          .config = config ? *config : (struct runs_config){0},
                          .epoll_fd = -1,
                          .wake_fd = -1,
                          .work = su_queue_new(WORK_MAX)};
    if (runs->config.parallel == 0)
        runs->config.parallel = 4;
    if (runs->config.queued == 0)
        runs->config.queued = 10000;
    if (runs->config.following == 0)
        runs->config.following = 16;
    for (size_t i = 0; i < SU_COUNT(runs->lines); i++)
        runs->lines[i].last = &runs->lines[i].first;
    su_lock_init(&runs->lock);
    runs->events_dir = su_format("%s/run/events", store_dir(store));
    runs->environment = compute ? compute_environment(compute) : NULL;
    if (!su_dir_make(runs->events_dir, 0700, err) || !open_descriptors(runs, err) || !find_open_runs(runs, err)) {
        runs_close(runs);
        return false;
    }
    runs->subscription = su_bus_subscribe(bus, NULL, on_touch, runs);
    start_threads(runs);
    *ret = runs;
    return true;
}

void runs_close(struct runs *runs)
{
    if (runs == NULL)
        return;
    su_bus_unsubscribe(runs->bus, runs->subscription);
    su_lock(&runs->lock);
    runs->is_closing = true;
    su_unlock(&runs->lock);
    if (runs->wake_fd >= 0)
        wake(runs);
    su_thread_join(&runs->thread);
    su_queue_close(runs->work);
    for (size_t i = 0; i < SU_COUNT(runs->workers); i++)
        su_thread_join(&runs->workers[i]);
    for (struct live *live = runs->lives, *next; live; live = next) {
        next = live->next;
        runs_unref(runs, live);
    }
    for (size_t i = 0; i < SU_COUNT(runs->lines); i++) {
        for (struct waiting *w = runs->lines[i].first, *next; w; w = next) {
            next = w->next;
            waiting_free(w);
        }
    }
    while (runs->paces)
        paces_forget(runs, runs->paces->tenant, runs->paces->id);
    su_queue_free(runs->work);
    su_close_fd(&runs->epoll_fd);
    su_close_fd(&runs->wake_fd);
    su_lock_done(&runs->lock);
    json_decref(runs->environment);
    free(runs->events_dir);
    free(runs);
}

/* ---- into the line ---- */

static bool insert_run(struct sql *db, void *arg, struct su_err *err) { return run_table_insert(db, arg, err); }

static bool has_room(struct runs *runs, struct su_err *err)
{
    SU_LOCKED(&runs->lock);
    if (runs->n_waiting < runs->config.queued)
        return true;
    su_fail_slug(err, "too-many-requests", "%llu runs are waiting already, that is the limit runs_queued",
                 (unsigned long long)runs->n_waiting);
    return su_hint(err, "try again when some have ended");
}

bool runs_enqueue(struct runs *runs, struct run_insert *insert, struct su_err *err)
{
    if (!has_room(runs, err) || !store_write(runs->store, insert_run, insert, err))
        return false;
    if (insert->known[0])
        return true;
    runs_publish(runs, insert->tenant, insert->id, "run.queued", RUN_QUEUED);
    su_lock(&runs->lock);
    line_append(runs, &(struct run_open){.tenant = insert->tenant, .id = insert->id, .attempt = 1, .is_follow = insert->options->follow});
    su_unlock(&runs->lock);
    wake(runs);
    return true;
}

/* ---- cancel ---- */

/* It stood in the line: that was all of it. */
static bool cancel_waiting(struct runs *runs, struct waiting *w, struct su_err *err)
{
    struct run_ending ending = {.tenant = w->tenant,
                                .id = w->id,
                                .state = RUN_CANCELLED,
                                .reason = "cancelled on request, before it began",
                                .ended_ms = su_now_ms()};
    struct run_ended ended = {runs, &ending};
    if (!store_write(runs->store, runs_end_job, &ended, err)) {
        su_lock(&runs->lock);
        line_append(runs, &(struct run_open){.tenant = w->tenant, .id = w->id, .attempt = w->attempt, .due_ms = w->due_ms,
                                             .is_follow = w->is_follow});
        su_unlock(&runs->lock);
        return false;
    }
    runs_publish(runs, w->tenant, w->id, "run.finished", RUN_CANCELLED);
    return true;
}

struct cancel { const char *tenant, *id; bool is_marked; };

static bool mark_cancel(struct sql *db, void *arg, struct su_err *err)
{
    struct cancel *cancel = arg;
    return run_table_cancel(db, cancel->tenant, cancel->id, &cancel->is_marked, err);
}

static bool already_over(struct runs *runs, const char *tenant, const char *id, struct su_err *err)
{
    STORE_READ(runs->store, db);
    RUN_AUTO_ROW struct run_row row = {0};
    if (!run_table_get(db, tenant, id, &row, err))
        return false;
    if (row.state == RUN_CANCELLED)
        return true;
    return su_fail(err, SU_CONFLICT, "the run has already ended: %s", run_state_name(row.state));
}

bool run_cancel(struct runs *runs, const char *tenant, const char *id, struct su_err *err)
{
    struct cancel cancel = {tenant, id, false};
    su_lock(&runs->lock);
    struct waiting *w = line_remove(runs, tenant, id);
    su_unlock(&runs->lock);
    if (w == NULL) {
        if (!store_write(runs->store, mark_cancel, &cancel, err))
            return false;
        if (!cancel.is_marked)
            return already_over(runs, tenant, id, err);
        su_lock(&runs->lock);
        w = line_remove(runs, tenant, id);
        su_unlock(&runs->lock);
    }
    if (w) {
        bool ok = cancel_waiting(runs, w, err);
        waiting_free(w);
        return ok;
    }
    struct live *live = runs_find(runs, tenant, id);
    if (live == NULL)
        return true; /* between the line and here: the mark is on disk and is seen */
    su_lock(&live->lock);
    live->is_cancelled = true;
    su_unlock(&live->lock);
    runs_unref(runs, live);
    wake(runs);
    return true;
}

void runs_stats(struct runs *runs, struct runs_stats *ret)
{
    SU_LOCKED(&runs->lock);
    *ret = (struct runs_stats){.queued = runs->n_waiting, .running = runs->n_lives, .finished = runs->n_finished};
}
