/* What blocks in a run's life: its start, finding it again, its end.  Layer interact; the threads "run-work". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "notebook.h"
#include "parameters.h"
#include "run_private.h"
#include "store/blob.h"

enum {
    TOKEN_SLACK_MS = 3600 * 1000,       /* a kernel's token outlives its time limit by that */
    FOLLOW_PAUSE_MS = 1000,             /* before a following run begins again; doubled while it fails … */
    FOLLOW_PAUSE_MAX_MS = 5 * 60 * 1000,
    FOLLOW_HEALTHY_MS = 60 * 1000,      /* … within that time */
    CONNECT_TRIES = 5,
    CONNECT_PAUSE_MS = 100,
    RESULT_MAX = 4 << 20,               /* bytes of a result in the run's record */
    STDERR_MAX = 64 * 1024,
};

/* ---- the start ---- */

static bool fail_to_start(struct live *live, const struct su_err *err)
{
    live->failure = su_alloc(sizeof *live->failure);
    *live->failure = *err;
    return false;
}

/* The row's part that the owner needs. */
static bool load_row(struct runs *runs, struct live *live, char source_sha256[static SU_SHA256_HEX], struct su_err *err)
{
    RUN_AUTO_ROW struct run_row row = {0};
    STORE_READ(runs->store, db);
    if (!run_table_get(db, live->tenant, live->id, &row, err))
        return false;
    live->user = su_take(row.user);
    live->notebook = su_take(row.notebook);
    live->parameters = su_take(row.parameters);
    live->limits = su_take(row.limits);
    live->is_network = row.is_network;
    live->retries = row.is_follow ? 0 : row.retries;
    live->failures = row.failures;
    live->created_ms = row.created_ms;
    memcpy(source_sha256, row.source_sha256, SU_SHA256_HEX);
    SU_LOCKED(&live->lock);
    live->is_replay = row.replay_of != NULL;
    live->is_cancelled |= row.is_cancelled;
    live->state = row.state == RUN_RUNNING ? RUN_RUNNING : RUN_STARTING;
    live->started_ms = row.started_ms;
    return true;
}

/* The notebook with its parameters in it, and a recorder for it. */
static bool load_notebook(struct runs *runs, struct live *live, const char *sha256, struct su_err *err)
{
    SU_AUTO_BUF struct su_buf text = SU_BUF(NOTEBOOK_BYTES_MAX);
    SU_AUTO_JSON json_t *notebook = NULL;
    if (!blob_read(store_blobs(runs->store), sha256, NOTEBOOK_BYTES_MAX, &text, err) ||
        !notebook_parse(su_buf_str(&text), &notebook, err))
        return su_prefix(err, "the run's notebook cannot be read");
    parameters_inject(notebook, live->parameters);
    struct recorder *recorder = recorder_new(su_take(notebook));
    SU_LOCKED(&live->lock);
    live->recorder = recorder;
    return true;
}

static bool prepare(struct runs *runs, struct live *live, struct su_err *err)
{
    char sha256[SU_SHA256_HEX];
    return load_row(runs, live, sha256, err) && load_notebook(runs, live, sha256, err) &&
           live_events_open(live, runs->events_dir, err);
}

static struct kernel_limits limits_of(const json_t *limits)
{
    return (struct kernel_limits){.memory_bytes = (uint64_t)su_json_int(limits, "memory_mb", 0) << 20,
                                  .scratch_bytes = (uint64_t)su_json_int(limits, "scratch_mb", 0) << 20,
                                  .output_bytes = (uint64_t)su_json_int(limits, "output_mb", 0) << 20,
                                  .processes = (uint32_t)su_json_int(limits, "processes", 0),
                                  .time_s = (uint32_t)su_json_int(limits, "time_s", 0)};
}

static bool start_kernel(struct runs *runs, struct live *live, struct su_err *err)
{
    SU_AUTO_FREE char *token = NULL;
    struct kernel_limits limits = limits_of(live->limits);
    if (live->is_follow)
        limits.time_s = UINT32_MAX;     /* 136 years */
    if (runs->compute == NULL)
        return su_fail(err, SU_UNAVAILABLE, "this server runs no kernels");
    if (!runs->tokens.issue(runs->tokens.arg, live->tenant, live->id, live->user,
                            (int64_t)limits.time_s * 1000 + TOKEN_SLACK_MS, &token, err))
        return su_prefix(err, "no token for the run");
    const struct kernel_spec spec = {.id = live->kernel,
                                     .tenant = live->tenant,
                                     .limits = limits,
                                     .network = live->is_network,
                                     .token = token,
                                     .label = live->notebook};
    if (compute_kernel_start(runs->compute, &spec, err))
        return true;
    return err->code == SU_CONFLICT; /* it lives already: a start that a crash cut short */
}

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000L};
    nanosleep(&pause, NULL);
}

/* SU_NOT_FOUND: the keeper is gone. */
static bool connect_keeper(struct runs *runs, struct live *live, struct su_err *err)
{
    for (int i = 0; i < CONNECT_TRIES; i++) {
        if (keeper_connect(runs->compute, live->kernel, live->next_seq, &live->keeper, err))
            return true;
        if (err->code == SU_NOT_FOUND)
            return false;
        pause_ms(CONNECT_PAUSE_MS);
    }
    return false;
}

/* All cells at once: the keeper runs them by itself.  It ignores what it has already. */
static bool send_cells(struct live *live, struct su_err *err)
{
    SU_AUTO_JSON json_t *execute = json_pack("{s:s, s:o}", "op", "execute", "cells", recorder_cells(live->recorder));
    SU_AUTO_JSON json_t *finish = json_pack("{s:s}", "op", "finish");
    return keeper_send(live->keeper, execute, err) && keeper_send(live->keeper, finish, err);
}

static bool was_cancelled(struct live *live)
{
    SU_LOCKED(&live->lock);
    return live->is_cancelled;
}

static bool start(struct runs *runs, struct live *live, struct su_err *err)
{
    if (!prepare(runs, live, err))
        return false;
    if (was_cancelled(live))
        return su_fail(err, SU_CANCELLED, "cancelled on request, before it began");
    runs_set_state(runs, live, RUN_STARTING, 0);
    live_log(live, "attempt %" PRId64 " of %s begins, kernel %s", live->attempt, live->notebook, live->kernel);
    return start_kernel(runs, live, err) && connect_keeper(runs, live, err) && send_cells(live, err);
}

static void finish(struct runs *runs, struct live *live);

static void job_start(struct runs *runs, struct live *live)
{
    struct su_err err;
    if (start(runs, live, &err)) {
        runs_message(runs, live, RUN_FOLLOW);
        return;
    }
    fail_to_start(live, &err);
    finish(runs, live);
}

static void lost(struct runs *runs, struct live *live)
{
    live->is_lost = true;
    live_log(live, "the kernel's keeper is gone");
    finish(runs, live);
}

/* After a restart of the server: the keeper tells everything again. */
static void job_resume(struct runs *runs, struct live *live)
{
    struct su_err err;
    if (!prepare(runs, live, &err)) {
        fail_to_start(live, &err);
        finish(runs, live);
        return;
    }
    live_log(live, "the server was restarted; asking kernel %s for everything it said", live->kernel);
    if (runs->compute && connect_keeper(runs, live, &err) && send_cells(live, &err))
        runs_message(runs, live, RUN_FOLLOW);
    else
        lost(runs, live);
}

static void job_reconnect(struct runs *runs, struct live *live)
{
    struct su_err err;
    keeper_close(su_take(live->keeper));
    if (connect_keeper(runs, live, &err) && send_cells(live, &err))
        runs_message(runs, live, RUN_FOLLOW);
    else
        lost(runs, live);
}

/* ---- the end ---- */

/* However a following run ended, it begins again; only success and a cancel are the end of it. */
static struct run_end follow_on(struct live *live, struct run_end end)
{
    if (!live->is_follow || end.state == RUN_SUCCEEDED || end.state == RUN_CANCELLED || was_cancelled(live))
        return end;
    end.state = RUN_QUEUED;
    return end;
}

static struct run_end end_of(struct live *live)
{
    struct run_end end = {.state = RUN_FAILED};
    bool is_cancelled = was_cancelled(live);
    if (live->failure) {
        end.state = is_cancelled ? RUN_CANCELLED : RUN_FAILED;
        snprintf(end.reason, sizeof end.reason, "%.511s", live->failure->message);
    } else if (live->is_lost) {
        end = run_end_interrupted((int)live->attempt, (int)live->retries);
        if (is_cancelled)
            end = (struct run_end){RUN_CANCELLED, "cancelled on request; the kernel's keeper was gone by then"};
    } else {
        end = run_end_of(live->ended, recorder_error(live->recorder));
        bool may_retry = end.state == RUN_INTERRUPTED && !is_cancelled && live->attempt <= live->retries;
        if (may_retry)
            end = run_end_interrupted((int)live->attempt, (int)live->retries);
    }
    return follow_on(live, end);
}

/* The figures' bytes as blobs; `guards` keep them until they are committed. */
struct gathering {
    struct runs *runs;
    struct run_ending *ending;
    struct blob_writer **guards;
    size_t n_guards, capacity;
};

static bool put_blob(struct gathering *g, struct su_str content, char sha256[static SU_SHA256_HEX], struct su_err *err)
{
    if (g->n_guards == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 8;
        g->guards = su_realloc(g->guards, g->capacity * sizeof(struct blob_writer *));
    }
    if (!blob_put(store_blobs(g->runs->store), content, sha256, &g->guards[g->n_guards], err))
        return false;
    g->n_guards++;
    return true;
}

static bool gather_figure(void *arg, const struct recorded_figure *figure, struct su_err *err)
{
    struct gathering *g = arg;
    struct su_str content = figure->data;
    SU_AUTO_FREE char *decoded = NULL;
    size_t len = 0;
    if (strcmp(figure->type, "image/png") == 0) {
        if (!recorded_base64(figure->data, &decoded, &len))
            return true; /* the notebook keeps what it said; there is no picture in it */
        content = (struct su_str){decoded, len};
    }
    struct run_ending *ending = g->ending;
    ending->figures = su_realloc(ending->figures, (ending->n_figures + 1) * sizeof *ending->figures);
    struct run_figure_row *row = &ending->figures[ending->n_figures];
    *row = (struct run_figure_row){.type = figure->type, .bytes = content.len};
    if (!put_blob(g, content, row->sha256, err))
        return false;
    memcpy(row->name, figure->name, sizeof row->name);
    row->cell = su_strdup(figure->cell);
    ending->n_figures++;
    return true;
}

static bool add_to_blob(void *arg, const void *data, size_t len, struct su_err *err)
{
    return blob_writer_add(arg, data, len, err);
}

static bool gather_notebook(struct gathering *g, const json_t *notebook, struct su_err *err)
{
    BLOB_AUTO_WRITER struct blob_writer *writer = NULL;
    if (!blob_writer_open(store_blobs(g->runs->store), &writer, err) ||
        !notebook_write(notebook, add_to_blob, writer, err))
        return false;
    g->ending->executed_bytes = blob_writer_size(writer);
    if (!blob_writer_commit(writer, g->ending->executed_sha256, err))
        return false;
    if (g->n_guards == g->capacity) {
        g->capacity += 8;
        g->guards = su_realloc(g->guards, g->capacity * sizeof(struct blob_writer *));
    }
    g->guards[g->n_guards++] = su_take(writer);
    return true;
}

static json_t *default_parameters(const json_t *notebook)
{
    SU_AUTO_JSON json_t *declared = parameters_discover(notebook);
    json_t *defaults = json_object();
    size_t i;
    json_t *parameter;
    json_array_foreach(declared, i, parameter)
        json_object_set(defaults, su_json_string(parameter, "name", ""), json_object_get(parameter, "default"));
    return defaults;
}

/* metadata.papermill, as papermill writes it, and who ran it. */
static void sign_notebook(const struct live *live, json_t *notebook, const struct run_ending *ending)
{
    char started[SU_TIME_TEXT], ended[SU_TIME_TEXT];
    json_t *metadata = json_object_get(notebook, "metadata");
    bool has_started = ending->started_ms > 0;
    json_object_set_new(metadata, "papermill",
                        json_pack("{s:o, s:f, s:s, s:{}, s:o, s:s, s:s+, s:O, s:o, s:s}", "default_parameters",
                                  default_parameters(notebook), "duration",
                                  has_started ? (double)(ending->ended_ms - ending->started_ms) / 1000.0 : 0.0,
                                  "end_time", su_time_text(ending->ended_ms, ended), "environment_variables",
                                  "exception", ending->state == RUN_SUCCEEDED ? json_null() : json_true(), "input_path",
                                  live->notebook, "output_path", live->id, ".ipynb", "parameters", live->parameters,
                                  "start_time",
                                  has_started ? json_string(su_time_text(ending->started_ms, started)) : json_null(),
                                  "version", "suricate " SURICATE_VERSION));
    json_t *ours = json_object_get(metadata, "suricate");
    if (!json_is_object(ours)) {
        ours = json_object();
        json_object_set_new(metadata, "suricate", ours);
    }
    json_object_set_new(ours, "run",
                        json_pack("{s:s, s:s, s:I}", "id", live->id, "state", run_state_name(ending->state), "attempt",
                                  (json_int_t)live->attempt));
}

/* A notebook without a kernelspec opens nowhere; it ran under ours. */
static void name_kernel(json_t *notebook)
{
    json_t *metadata = json_object_get(notebook, "metadata");
    if (json_object_get(metadata, "kernelspec") == NULL)
        json_object_set_new(metadata, "kernelspec",
                            json_pack("{s:s, s:s, s:s}", "display_name", "Python 3 (ipykernel)", "language", "python",
                                      "name", "python3"));
}

/* The recorder's notebook becomes the executed one; readers then look at that. */
static json_t *executed_notebook(struct live *live, const struct run_ending *ending)
{
    SU_LOCKED(&live->lock);
    if (live->executed == NULL && live->recorder) {
        live->executed = recorder_finish(live->recorder);
        name_kernel(live->executed);
        sign_notebook(live, live->executed, ending);
    }
    return live->executed;
}

static char *cost_text(const struct live *live, int64_t started_ms)
{
    json_t *cpu = json_object_get(live->ended, "cpu_s"), *memory = json_object_get(live->ended, "memory_peak_bytes");
    SU_AUTO_JSON json_t *cost = json_pack("{s:O?, s:O?, s:o}", "cpu_s", cpu, "memory_peak_bytes", memory, "waited_s",
        started_ms ? json_real((double)(started_ms - live->created_ms) / 1000.0) : json_null());
    if (!cpu)
        json_object_set_new(cost, "cpu_s", json_null());
    if (!memory)
        json_object_set_new(cost, "memory_peak_bytes", json_null());
    return su_json_text(cost);
}

static char *result_text(struct live *live)
{
    const json_t *result = live->recorder ? recorder_result(live->recorder) : NULL;
    if (result == NULL)
        return NULL;
    char *text = su_json_text(result);
    if (strlen(text) <= RESULT_MAX)
        return text;
    live_log(live,
             "the result has %zu bytes, more than the %d a run's record takes: it is in the executed notebook only",
             strlen(text), RESULT_MAX);
    free(text);
    return NULL;
}

static char *log_text(struct live *live, const struct run_end *end)
{
    live_log(live, "%s%s%s", run_state_name(end->state), end->reason[0] ? ": " : "", end->reason);
    const json_t *tail = json_object_get(live->ended, "stderr_tail");
    SU_LOCKED(&live->lock);
    SU_AUTO_BUF struct su_buf text = SU_BUF(1 << 20);
    struct su_str log = su_buf_str(&live->log);
    su_buf_add(&text, log.ptr, log.len);
    if (json_is_string(tail) && json_string_length(tail) > 0 && json_string_length(tail) < STDERR_MAX) {
        su_buf_adds(&text, "--- the kernel's standard error, its end ---\n");
        su_buf_add(&text, json_string_value(tail), strlen(json_string_value(tail)));
        if (text.ptr[text.len - 1] != '\n')
            su_buf_addc(&text, '\n');
    }
    return su_buf_take(&text, NULL);
}

static void fill_ending(struct runs *runs, struct live *live, const struct run_end *end, struct run_ending *ret)
{
    int64_t now = su_now_ms();
    const json_t *error = live->recorder ? recorder_error(live->recorder) : NULL;
    *ret = (struct run_ending){.tenant = live->tenant,
                               .id = live->id,
                               .state = end->state,
                               .reason = end->reason,
                               .started_ms = live->started_ms,
                               .ended_ms = now};
    ret->progress = live->recorder ? recorder_progress(live->recorder) : (struct recorder_progress){.text = ""};
    ret->result = result_text(live);
    ret->error = error ? su_json_text(error) : NULL;
    ret->cost = cost_text(live, live->started_ms);
    ret->log = log_text(live, end);
    ret->environment = runs->environment ? su_json_text(runs->environment) : NULL;
}

static void ending_done(struct run_ending *ending)
{
    for (size_t i = 0; i < ending->n_figures; i++)
        free(ending->figures[i].cell);
    free(ending->figures);
    free(ending->result);
    free(ending->error);
    free(ending->cost);
    free(ending->log);
    free(ending->environment);
}

static bool write_down(struct runs *runs, struct live *live, const struct run_end *end, struct su_err *err)
{
    struct run_ending ending;
    fill_ending(runs, live, end, &ending);
    struct run_ended ended = {runs, &ending};
    struct gathering g = {.runs = runs, .ending = &ending};
    json_t *executed = executed_notebook(live, &ending);
    bool ok = (executed == NULL ||
               (gather_notebook(&g, executed, err) && recorded_figures(executed, gather_figure, &g, err))) &&
              store_write(runs->store, runs_end_job, &ended, err);
    for (size_t i = 0; i < g.n_guards; i++)
        blob_writer_close(g.guards[i]);
    free(g.guards);
    ending_done(&ending);
    return ok;
}

/* Everything is on disk: the keeper may go. */
static void let_go(struct runs *runs, struct live *live)
{
    struct su_err err;
    SU_AUTO_JSON json_t *bye = json_pack("{s:s}", "op", "bye");
    if (live->keeper && !live->is_lost)
        keeper_send(live->keeper, bye, &err);
    keeper_close(su_take(live->keeper));
    if (runs->compute)
        compute_kernel_forget(runs->compute, live->kernel);
    runs->tokens.end(runs->tokens.arg, live->tenant, live->id);
}

static void become(struct live *live, enum run_state state)
{
    SU_LOCKED(&live->lock);
    live->state = state;
}

static void end_for_good(struct runs *runs, struct live *live, const struct run_end *end)
{
    struct su_err err;
    if (!write_down(runs, live, end, &err)) {
        su_log_error("run.end", &err, su_kv_text("run", live->id));
        runs_message(runs, live, RUN_FINISH_LATER);
        return;
    }
    become(live, end->state);
    su_log(SU_LOG_INFO, "run.finished", su_kv_text("run", live->id), su_kv_text("tenant", live->tenant),
           su_kv_text("state", run_state_name(end->state)), su_kv_text("reason", end->reason),
           su_kv_int("ms", live->started_ms ? su_now_ms() - live->started_ms : 0));
    runs_publish(runs, live->tenant, live->id, "run.finished", end->state);
    let_go(runs, live);
    runs_message(runs, live, RUN_GONE);
}

static bool write_again(struct sql *db, void *arg, struct su_err *err)
{
    struct live *live = arg;
    const struct run_again again = {.tenant = live->tenant, .id = live->id, .last_error = live->last_error,
                                    .last_window = live->last_window, .at_ms = su_now_ms(),
                                    .attempt = live->attempt + 1, .failures = live->failures, .due_ms = live->due_ms};
    return run_table_again(db, &again, err);
}

/* A following run that was well for a while begins again soon, one that fails at once waits longer each time. */
static void back_off(struct live *live)
{
    int64_t now = su_now_ms(), pause = FOLLOW_PAUSE_MS;
    bool was_well = live->started_ms && now - live->started_ms > FOLLOW_HEALTHY_MS;
    live->failures = was_well ? 1 : live->failures + 1;
    for (int64_t i = 1; i < live->failures && pause < FOLLOW_PAUSE_MAX_MS; i++)
        pause *= 2;
    live->due_ms = now + (pause < FOLLOW_PAUSE_MAX_MS ? pause : FOLLOW_PAUSE_MAX_MS);
}

static void try_again(struct runs *runs, struct live *live, const struct run_end *end)
{
    struct su_err err;
    SU_AUTO_FREE char *window = runs_window(runs, live->tenant, live->id);
    live->last_error = end->reason[0] ? end->reason : "the kernel's keeper is gone";
    live->last_window = window;
    if (live->is_follow && live->due_ms == 0)
        back_off(live);
    if (!store_write(runs->store, write_again, live, &err)) {
        su_log_error("run.again", &err, su_kv_text("run", live->id));
        runs_message(runs, live, RUN_FINISH_LATER);
        return;
    }
    su_log(SU_LOG_WARNING, "run.again", su_kv_text("run", live->id), su_kv_int("attempt", live->attempt + 1),
           su_kv_text("reason", live->last_error));
    let_go(runs, live);
    become(live, RUN_QUEUED);
    runs_publish(runs, live->tenant, live->id, "run.queued", RUN_QUEUED);
    runs_message(runs, live, RUN_AGAIN);
}

static void finish(struct runs *runs, struct live *live)
{
    struct run_end end = end_of(live);
    if (end.state == RUN_QUEUED)
        try_again(runs, live, &end);
    else
        end_for_good(runs, live, &end);
}

void run_work(void *arg)
{
    struct runs *runs = arg;
    struct live *live;
    while ((live = su_queue_get(runs->work))) {
        switch (live->job) {
        case RUN_JOB_START: job_start(runs, live); break;
        case RUN_JOB_RESUME: job_resume(runs, live); break;
        case RUN_JOB_RECONNECT: job_reconnect(runs, live); break;
        case RUN_JOB_FINISH: finish(runs, live); break;
        }
    }
}
