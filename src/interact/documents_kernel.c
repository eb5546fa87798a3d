/* Kernels of open notebooks: starting them, orders, what they say.  Layer interact.
 *
 * A kernel belongs to one document and lives under its keeper (compute/kernel.h).  Everything here that takes an
 * open_document is called with its lock held, but for the functions of documents.h, which take it. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "documents_private.h"

enum { CONNECT_TRIES = 50, CONNECT_PAUSE_MS = 20, HEAR_AT_ONCE = 500, EXECUTE_BYTES_MAX = 32 << 20 };
static const uint64_t output_bytes_max = 4ULL << 30;   /* of one kernel, in all its life */
static const int64_t token_lifetime_ms = 90LL * 24 * 3600 * 1000;

/* ---- connections ---- */

static void watch(struct documents *documents, struct open_document *open)
{
    struct epoll_event event = {.events = EPOLLIN | (keeper_pending(open->keeper) ? EPOLLOUT : 0), .data.fd = keeper_fd(open->keeper)};
    int operation = open->watched_fd < 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    open->watched_fd = keeper_fd(open->keeper);
    if (epoll_ctl(documents->epoll_fd, operation, open->watched_fd, &event) != 0)
        su_log(SU_LOG_ERROR, "document.watch", su_kv_text("notebook", open->name), su_kv_int("errno", errno));
}

static void disconnect(struct documents *documents, struct open_document *open)
{
    if (open->watched_fd >= 0)
        epoll_ctl(documents->epoll_fd, EPOLL_CTL_DEL, open->watched_fd, NULL);
    open->watched_fd = -1;
    keeper_close(su_take(open->keeper));
}

bool document_kernel_connect(struct documents *documents, struct open_document *open, uint64_t from, struct su_err *err)
{
    const struct timespec pause = {.tv_nsec = CONNECT_PAUSE_MS * 1000000L};
    if (!documents->compute)
        return su_fail(err, SU_UNAVAILABLE, "this server runs no kernels");
    open->next_seq = from < 1 ? 1 : from;
    for (int i = 0; i < CONNECT_TRIES; i++) {
        if (keeper_connect(documents->compute, open->kernel, open->next_seq, &open->keeper, err)) {
            open->kernel_state = KERNEL_IDLE;
            watch(documents, open);
            return true;
        }
        if (err->code == SU_NOT_FOUND)
            return false;
        nanosleep(&pause, NULL);
    }
    return false;
}

static void tell_kernel(struct open_document *open)
{
    document_tell(open, json_pack("{s:s, s:o}", "type", "kernel", "kernel", document_kernel_json(open)));
}

static void set_state(struct open_document *open, enum kernel_state state, const char *detail)
{
    free(open->detail);
    open->detail = detail ? su_strdup(detail) : NULL;
    open->kernel_state = state;
    tell_kernel(open);
}

static void set_input(struct open_document *open, json_t *input)
{
    if (!open->input && !input)
        return;
    json_decref(open->input);
    open->input = input;
    document_tell(open, json_pack("{s:s, s:O?}", "type", "input", "input", input));
}

static void tell_all(struct open_document *open, json_t *deltas)
{
    size_t i;
    json_t *delta;
    json_array_foreach(deltas, i, delta)
        document_tell(open, json_incref(delta));
    json_decref(deltas);
}

void document_kernel_end(struct documents *documents, struct open_document *open, enum kernel_state state, const char *detail)
{
    if (*open->kernel) {
        struct su_err err;
        SU_AUTO_JSON json_t *bye = json_pack("{s:s}", "op", "bye");
        if (open->keeper)
            keeper_send(open->keeper, bye, &err);
        disconnect(documents, open);
        if (documents->compute)
            compute_kernel_forget(documents->compute, open->kernel);
        documents->tokens.end(documents->tokens.arg, open->tenant, open->kernel);
        *open->kernel = '\0';
        open->row_is_old = open->has_row;
        open->saves_now |= open->is_changed;
    }
    open->kernel_started_ms = open->memory_bytes = 0;
    if (open->document)
        tell_all(open, document_abort(open->document, true));
    set_input(open, NULL);
    if (open->kernel_state != state || detail)
        set_state(open, state, detail);
}

/* A kernel of its own, connected; the row on disk names it before anything runs in it. */
static bool start(struct documents *documents, struct open_document *open, struct su_err *err)
{
    char id[SU_ID_SIZE];
    SU_AUTO_FREE char *token = NULL;
    if (!documents->compute)
        return su_fail(err, SU_UNAVAILABLE, "this server runs no kernels");
    snprintf(open->kernel, sizeof open->kernel, "live-%s", su_id(id));
    open->kernel_started_ms = su_now_ms();
    set_state(open, KERNEL_STARTING, NULL);
    const struct kernel_limits limits = {.time_s = UINT32_MAX, .output_bytes = output_bytes_max};
    struct kernel_spec spec = {.id = open->kernel, .tenant = open->tenant, .limits = limits, .label = open->name};
    if (!documents->tokens.issue(documents->tokens.arg, open->tenant, open->kernel, open->user, token_lifetime_ms, &token, err))
        return su_prefix(err, "no token for the kernel");
    spec.token = token;
    open->next_seq = 1;
    return compute_kernel_start(documents->compute, &spec, err) && document_row(documents, open, err) &&
           document_kernel_connect(documents, open, 1, err);
}

static bool ensure(struct documents *documents, struct open_document *open, struct su_err *err)
{
    if (open->keeper)
        return true;
    if (start(documents, open, err)) {
        tell_kernel(open);
        return true;
    }
    struct su_err failure = *err;
    document_kernel_end(documents, open, KERNEL_DEAD, failure.message);
    return false;
}

static bool order(struct documents *documents, struct open_document *open, json_t *message, struct su_err *err)
{
    SU_AUTO_JSON json_t *mine = message;
    if (!open->keeper)
        return su_fail(err, SU_CONFLICT, "no kernel runs for this notebook");
    if (!keeper_send(open->keeper, mine, err))
        return su_prefix(err, "the kernel's keeper does not listen");
    watch(documents, open);
    return true;
}

/* ---- what kernels say ---- */

static void take_answer(struct open_document *open, const json_t *event)
{
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        if (*open->answers[i].id && strcmp(open->answers[i].id, su_json_string(event, "id", "")) == 0)
            open->answers[i].content = json_incref(json_object_get(event, "content"));
}

/* The end of a cell, and what another cell puts out, come after all of its output. */
static void tell_late(struct open_document *open)
{
    if (!open->told_is_late)
        return;
    int64_t begun = su_mono_ms();
    open->told_is_late = false;
    document_tell(open, document_outputs_delta(open->document, open->href, open->told_cell));
    open->told_ms = su_mono_ms();
    open->tell_again_ms = open->told_ms + STREAM_TOLD_EVERY_MS + 10 * (open->told_ms - begun);
}

/* A stream that grew long: its size, now and then. */
static void tell_long_stream(struct open_document *open, const char *cell)
{
    if (strcmp(open->told_cell, cell) != 0) {
        tell_late(open);
        snprintf(open->told_cell, sizeof open->told_cell, "%s", cell);
        open->tell_again_ms = 0;
    }
    open->gathered.text.len = 0; /* what was gathered of it is in what is told */
    open->told_is_late = true;
    if (su_mono_ms() >= open->tell_again_ms)
        tell_late(open);
}

bool document_has_gathered(const struct open_document *open) { return open->gathered.text.len > 0 || open->told_is_late; }

void document_flush(struct open_document *open, int64_t now)
{
    struct gathered *gathered = &open->gathered;
    if (gathered->text.len && (now == 0 || now - gathered->since_ms >= STREAM_GATHER_MS)) {
        json_t *text = json_stringn(gathered->text.ptr, gathered->text.len);
        gathered->text.len = 0;
        gathered->told_ms = su_mono_ms();
        document_tell(open, json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:o}}}", "type", "output", "cell", gathered->cell, "message", "type", "stream",
                                      "content", "name", gathered->stream, "text", text));
    }
    if (now && now >= open->tell_again_ms)
        tell_late(open);
}

/* The first text after a pause is told at once, what follows it together. */
static void gather(struct open_document *open, json_t *delta)
{
    struct gathered *gathered = &open->gathered;
    const json_t *content = json_object_get(json_object_get(delta, "message"), "content");
    const json_t *text = json_object_get(content, "text");
    const char *cell = su_json_string(delta, "cell", ""), *stream = su_json_string(content, "name", "stdout");
    int64_t now = su_mono_ms();
    bool is_other = strcmp(gathered->cell, cell) != 0 || strcmp(gathered->stream, stream) != 0;
    if (gathered->text.len && (is_other || gathered->text.len + json_string_length(text) > STREAM_GATHER_MAX))
        document_flush(open, 0);
    if (is_other || now - gathered->told_ms >= STREAM_GATHER_MS || json_string_length(text) > STREAM_GATHER_MAX) {
        snprintf(gathered->cell, sizeof gathered->cell, "%s", cell);
        snprintf(gathered->stream, sizeof gathered->stream, "%s", stream);
        document_tell(open, delta); /* with what was gathered before it */
        gathered->told_ms = now;
        return;
    }
    if (!gathered->text.len)
        gathered->since_ms = now;
    su_buf_add(&gathered->text, json_string_value(text), json_string_length(text));
    json_decref(delta);
}

/* Takes the delta of a message; NULL: there is nothing to tell. */
static void tell_message(struct open_document *open, json_t *delta)
{
    const char *cell = su_json_string(delta, "cell", "");
    if (!delta)
        return;
    if (strcmp(su_json_string(json_object_get(delta, "message"), "type", ""), "stream") != 0) {
        document_tell(open, delta);
    } else if (document_stream_size(open->document, cell) > STREAM_TOLD_MAX) {
        tell_long_stream(open, cell);
        json_decref(delta);
    } else {
        gather(open, delta);
    }
}

/* The cell's id, without the number of its execution. */
static char *cell_id_of(const json_t *event)
{
    const char *execution = su_json_string(event, "cell", ""), *end = strrchr(execution, '#');
    return su_strndup(execution, end ? (size_t)(end - execution) : strlen(execution));
}

static bool drops_queue(const struct open_document *open, const json_t *event)
{
    SU_AUTO_FREE char *cell = cell_id_of(event);
    return !document_allows_error(open->document, cell);
}

static void take_cell_event(struct open_document *open, const json_t *event)
{
    const char *name = su_json_string(event, "event", "");
    json_t *delta = document_event(open->document, open->href, event);
    if (delta) {
        document_changed(open);
        open->has_new_outputs = true;
    }
    open->active_ms = su_mono_ms();
    if (strcmp(name, "message") == 0) {
        tell_message(open, delta);
        return;
    }
    if (strcmp(name, "cell_end") == 0) {
        tell_late(open);
        set_input(open, NULL);
    }
    document_tell(open, delta);
    if (strcmp(name, "cell_end") == 0 && strcmp(su_json_string(event, "status", ""), "ok") != 0 && drops_queue(open, event))
        tell_all(open, document_abort(open->document, false));
    enum kernel_state state = document_busy(open->document) ? KERNEL_BUSY : KERNEL_IDLE;
    if (open->kernel_state != state)
        set_state(open, state, NULL);
}

static void take_end(struct documents *documents, struct open_document *open, const json_t *event)
{
    SU_AUTO_FREE char *detail = su_format("%s: %s", su_json_string(event, "cause", "died"), su_json_string(event, "detail", ""));
    document_kernel_end(documents, open, KERNEL_DEAD, detail);
}

/* {"cell","prompt","password"}. */
static json_t *input_of(const json_t *event)
{
    SU_AUTO_FREE char *cell = cell_id_of(event);
    return json_pack("{s:s, s:s, s:b}", "cell", cell, "prompt", su_json_string(event, "prompt", ""), "password",
                     (int)su_json_bool(event, "password", false));
}

static void take_event(struct documents *documents, struct open_document *open, const json_t *event)
{
    const char *name = su_json_string(event, "event", "");
    uint64_t seq = (uint64_t)su_json_int(event, "seq", 0);
    if (strcmp(name, "answer") == 0)
        take_answer(open, event);
    if (strcmp(name, "usage") == 0 && su_json_int(event, "memory_bytes", 0) / (1 << 20) != open->memory_bytes / (1 << 20)) {
        open->memory_bytes = su_json_int(event, "memory_bytes", 0);
        tell_kernel(open);
    }
    if (seq == 0 || seq < open->next_seq)
        return;
    open->next_seq = seq + 1;
    if (strcmp(name, "ended") == 0)
        take_end(documents, open, event);
    else if (strcmp(name, "input_request") == 0)
        set_input(open, input_of(event));
    else if (strcmp(name, "ready") != 0 && strcmp(name, "done") != 0)
        take_cell_event(open, event);
}

void document_kernel_hear(struct documents *documents, struct open_document *open)
{
    struct su_err err;
    bool is_lost = open->keeper && keeper_pending(open->keeper) && !keeper_flush(open->keeper, &err);
    for (int i = 0; i < HEAR_AT_ONCE && open->keeper && !is_lost; i++) {
        SU_AUTO_JSON json_t *event = NULL;
        is_lost = !keeper_recv(open->keeper, &event, &err);
        if (!event)
            break;
        take_event(documents, open, event);
    }
    if (is_lost && open->keeper) {
        disconnect(documents, open);
        if (!document_kernel_connect(documents, open, open->next_seq, &err))
            document_kernel_end(documents, open, KERNEL_DEAD, "its keeper is gone");
        return;
    }
    if (open->keeper)
        watch(documents, open);
}

void document_kernel_ask_usage(struct documents *documents, struct open_document *open, int64_t now)
{
    struct su_err err;
    if (!open->keeper || open->viewers == 0 || now - open->usage_asked_ms < USAGE_EVERY_MS)
        return;
    open->usage_asked_ms = now;
    order(documents, open, json_pack("{s:s}", "op", "usage"), &err);
}

void document_kernel_recorded(struct documents *documents, struct open_document *open, int64_t seq)
{
    struct su_err ignored;
    if (open->keeper && seq > 0)
        order(documents, open, json_pack("{s:s, s:I}", "op", "recorded", "seq", (json_int_t)seq), &ignored);
}

/* ---- orders of people ---- */

/* With the lock held: a row for the keeper, or NULL when there is nothing to run in that cell. */
static json_t *queue_cell(struct open_document *open, const char *id)
{
    char execution[DOCUMENT_EXECUTION_SIZE], number[SU_ID_SIZE];
    const json_t *code;
    snprintf(execution, sizeof execution, "%.80s#%s", id, su_id(number));
    if (!document_queue(open->document, id, execution, &code))
        return NULL;
    document_tell(open, document_cell_delta(open->document, id));
    document_tell(open, document_outputs_delta(open->document, open->href, id));
    return json_pack("{s:s, s:O, s:b, s:b, s:b}", "cell", execution, "code", code, "allow_error",
                     (int)document_allows_error(open->document, id), "silent", 0, "stdin", 1);
}

/* A kernel runs, started when there was none.  Whatever an earlier one put out is stored before it is forgotten. */
static bool be_ready(struct documents *documents, struct open_document *open, struct su_err *err)
{
    int64_t version;
    su_lock(&open->lock);
    bool is_ready = open->keeper, has_outputs = open->has_new_outputs;
    su_unlock(&open->lock);
    if (is_ready)
        return true;
    if (documents_kernels(documents) >= documents->config.kernels)
        return su_fail_slug(err, "too-many-requests", "limits.live_kernels: %" PRIu64 " notebooks have kernels already: shut one down",
                            documents->config.kernels);
    if (has_outputs && !documents_save(documents, open, &version, err))
        return su_prefix(err, "what the kernel before it put out");
    su_lock(&open->order);
    su_lock(&open->lock);
    is_ready = ensure(documents, open, err);
    su_unlock(&open->lock);
    su_unlock(&open->order);
    document_fire(documents, open);
    return is_ready;
}

static bool cells_are_good(const json_t *cells, struct su_err *err)
{
    size_t i;
    const json_t *cell;
    json_array_foreach((json_t *)(uintptr_t)cells, i, cell)
        if (!json_is_string(cell))
            return su_fail_field(err, SU_INVALID, "/cells", "cells: must be the ids of cells");
    return true;
}

/* With the lock held. */
static bool queue_all(struct documents *documents, struct open_document *open, const json_t *cells, struct su_err *err)
{
    SU_AUTO_JSON json_t *rows = json_array();
    size_t i, bytes = 0;
    const json_t *cell;
    json_array_foreach((json_t *)(uintptr_t)cells, i, cell) {
        json_t *row = bytes < EXECUTE_BYTES_MAX ? queue_cell(open, json_string_value(cell)) : NULL;
        bytes += json_string_length(json_object_get(row, "code"));
        if (row)
            json_array_append_new(rows, row);
    }
    if (json_array_size(rows) == 0)
        return true;
    document_changed(open);
    bool ok = bytes < EXECUTE_BYTES_MAX || su_fail(err, SU_LIMIT, "cells: at most %d MiB of code at once", EXECUTE_BYTES_MAX >> 20);
    ok = ok && order(documents, open, json_pack("{s:s, s:O}", "op", "execute", "cells", rows), err);
    if (ok)
        set_state(open, KERNEL_BUSY, NULL);
    else
        tell_all(open, document_abort(open->document, false));
    return ok;
}

bool documents_execute(struct documents *documents, struct open_document *open, const json_t *cells, struct su_err *err)
{
    if (!cells_are_good(cells, err) || !be_ready(documents, open, err))
        return false;
    su_lock(&open->lock);
    bool ok = queue_all(documents, open, cells, err);
    open->active_ms = su_mono_ms();
    su_unlock(&open->lock);
    document_fire(documents, open);
    documents_wake(documents);
    return ok;
}

/* The kernel ends, everything it put out stored before. */
static bool end_kernel(struct documents *documents, struct open_document *open, enum kernel_state state, struct su_err *err)
{
    int64_t version;
    su_lock(&open->lock);
    bool has_outputs = open->has_new_outputs;
    su_unlock(&open->lock);
    if (has_outputs && !documents_save(documents, open, &version, err))
        return false;
    su_lock(&open->lock);
    document_kernel_end(documents, open, state, NULL);
    su_unlock(&open->lock);
    document_fire(documents, open);
    return state != KERNEL_NONE || documents_tidy_row(documents, open, err);
}

static bool interrupt(struct documents *documents, struct open_document *open, struct su_err *err)
{
    SU_LOCKED(&open->lock);
    return order(documents, open, json_pack("{s:s}", "op", "interrupt"), err);
}

bool documents_kernel(struct documents *documents, struct open_document *open, const char *action, struct su_err *err)
{
    bool ok;
    if (strcmp(action, "start") == 0)
        ok = be_ready(documents, open, err);
    else if (strcmp(action, "interrupt") == 0)
        ok = interrupt(documents, open, err);
    else if (strcmp(action, "restart") == 0)
        ok = end_kernel(documents, open, KERNEL_RESTARTING, err) && be_ready(documents, open, err);
    else if (strcmp(action, "shutdown") == 0)
        ok = end_kernel(documents, open, KERNEL_NONE, err);
    else
        return su_fail_field(err, SU_INVALID, "/action", "action: must be start, interrupt, restart or shutdown, was \"%.32s\"", action);
    document_fire(documents, open);
    documents_wake(documents);
    return ok;
}

bool documents_input(struct documents *documents, struct open_document *open, const char *value, struct su_err *err)
{
    su_lock(&open->lock);
    bool ok = open->input != NULL;
    if (!ok)
        su_fail(err, SU_CONFLICT, "the kernel waits for no input");
    ok = ok && order(documents, open, json_pack("{s:s, s:s}", "op", "input", "value", value), err);
    if (ok)
        set_input(open, NULL);
    su_unlock(&open->lock);
    document_fire(documents, open);
    return ok;
}

bool documents_ask(struct documents *documents, struct open_document *open, const char *type, json_t *content, char ret_id[static SU_ID_SIZE],
                   struct su_err *err)
{
    SU_LOCKED(&open->lock);
    struct answer *answer = &open->answers[open->answer_at++ % ANSWERS_MAX];
    json_decref(answer->content);
    *answer = (struct answer){0};
    memcpy(answer->id, su_id(ret_id), SU_ID_SIZE);
    return order(documents, open, json_pack("{s:s, s:s, s:s, s:o}", "op", "ask", "id", ret_id, "type", type, "content", content), err);
}

bool documents_answer(struct documents *documents, struct open_document *open, const char *id, json_t **ret, struct su_err *err)
{
    (void)documents;
    SU_LOCKED(&open->lock);
    for (size_t i = 0; i < ANSWERS_MAX; i++) {
        struct answer *answer = &open->answers[i];
        if (strcmp(answer->id, id) != 0 || !answer->content)
            continue;
        *ret = su_take(answer->content);
        *answer->id = '\0';
        return true;
    }
    return su_fail(err, SU_UNAVAILABLE, "the kernel has not answered yet: it is busy");
}
