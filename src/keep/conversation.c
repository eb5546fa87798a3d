/* The Jupyter protocol with the kernel: requests out, replies and output in.  Layer keep. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "keep/confine.h"
#include "keep/keeper.h"
#include "keep/scan.h"

enum { NUDGE_EVERY_MS = 100, STREAM_MAX = 64 * 1024, SMALL_MAX = 256 * 1024, PROMPT_MAX = 4096, REQUEST_COSTS = 256, ID_TEXT = 64 };

/* A request's id: our session, what it is for (n nudge, c cell, a question, x other), and a number. */
bool conversation_request(struct keeper *keeper, enum channel channel, const char *type, char purpose, uint64_t number, struct su_str content) {
    char id[ID_TEXT], at[SU_TIME_TEXT], signature[WIRE_HEX];
    struct su_buf header SU_AUTO_BUF = SU_BUF(1024);
    snprintf(id, sizeof id, "%s_%c%llu", keeper->session, purpose, (unsigned long long)number);
    wire_header(&header, id, keeper->session, type, su_time_text(su_now_ms(), at), purpose == 'a' ? keeper->questions.subshell : "");
    struct wire_message message = {.part = {su_buf_str(&header), SU_STR("{}"), SU_STR("{}"), content}};
    wire_sign(&keeper->key, &message, signature);
    struct su_str frames[2 + WIRE_PARTS] = {SU_STR("<IDS|MSG>"), {signature, WIRE_HEX - 1}};
    memcpy(&frames[2], message.part, sizeof message.part);
    return sockets_send(keeper->sockets, channel, frames, SU_COUNT(frames));
}

void conversation_open(struct keeper *keeper) {
    struct su_err err;
    char prefix[160];
    confine_keeper(keeper->spec);
    snprintf(prefix, sizeof prefix, "%s/k", keeper->runtime);
    if (!sockets_open(prefix, &keeper->sockets, &err)) {
        ending_kill(keeper, CAUSE_START_FAILED, "%s", err.message);
        return;
    }
    keeper->phase = PHASE_NUDGING;
    conversation_nudge(keeper);
}

void conversation_nudge(struct keeper *keeper) {
    conversation_request(keeper, CHANNEL_SHELL, "kernel_info_request", 'n', ++keeper->requests, SU_STR("{}"));
    keeper->nudge_at = su_mono_ms() + NUDGE_EVERY_MS;
}

void conversation_interrupt(struct keeper *keeper) {
    if (keeper->sockets) conversation_request(keeper, CHANNEL_CONTROL, "interrupt_request", 'x', ++keeper->requests, SU_STR("{}"));
}

void conversation_shutdown(struct keeper *keeper) {
    conversation_request(keeper, CHANNEL_CONTROL, "shutdown_request", 'x', ++keeper->requests, SU_STR("{\"restart\":false}"));
}

bool conversation_is_idle(const struct keeper *keeper) {
    return !keeper->running.is_active && cells_is_empty(&keeper->cells);
}

static void execute(struct keeper *keeper, const struct cell *cell, size_t index) {
    json_t *content SU_AUTO_JSON = json_pack("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", cell->code, "silent", (int)cell->is_silent,
        "store_history", (int)!cell->is_silent, "user_expressions", "allow_stdin", (int)cell->has_stdin, "stop_on_error", 1);
    char *text SU_AUTO_FREE = su_json_text(content);
    keeper->running = (struct running){.is_active = true, .index = index, .started_ms = su_now_ms(), .execution_count = -1};
    report_begin(keeper, "cell_start");
    report_text(keeper, "cell", cell->id);
    report_end(keeper);
    if (keeper->running.is_active && !conversation_request(keeper, CHANNEL_SHELL, "execute_request", 'c', index, su_str_of(text)))
        ending_kill(keeper, CAUSE_DIED, "the kernel takes no more requests");
}

void conversation_next_cell(struct keeper *keeper) {
    if (keeper->phase != PHASE_READY || keeper->running.is_active || keeper->cause) return;
    size_t index;
    const struct cell *cell = cells_take(&keeper->cells, &index);
    if (cell) {
        keeper->is_told_done = false;
        execute(keeper, cell, index);
        return;
    }
    if (!keeper->is_told_done) {
        keeper->is_told_done = true;
        report_begin(keeper, "done");
        report_end(keeper);
    }
    if (keeper->wants_finish) ending_stop(keeper, CAUSE_FINISHED, "all cells are through");
}

/* A header or parent: small, cleaned into keeper->text; NULL-sized when it is nonsense. */
struct su_str conversation_cleaned(struct keeper *keeper, struct su_str part) {
    su_buf_clear(&keeper->text);
    if (part.len > SMALL_MAX || !scan_clean(part, &keeper->text)) return SU_STR("");
    return su_buf_str(&keeper->text);
}

void conversation_member(struct su_str object, const char *key, char *text, size_t size) {
    struct su_str value = SU_STR("");
    *text = 0;
    if (!scan_member(object, key, &value)) return;
    value = scan_inside(value);
    if (value.len < size) snprintf(text, size, "%.*s", (int)value.len, value.ptr);
}

static int64_t member_int(struct su_str object, const char *key, int64_t otherwise) {
    struct su_str value;
    char text[24];
    if (!scan_member(object, key, &value) || value.len >= sizeof text) return otherwise;
    snprintf(text, sizeof text, "%.*s", (int)value.len, value.ptr);
    long long number;
    return sscanf(text, "%lld", &number) == 1 ? number : otherwise;
}

bool conversation_is_reply(struct keeper *keeper, struct su_str parent, char purpose, uint64_t *ret_number) {
    char id[ID_TEXT], found;
    unsigned long long number;
    conversation_member(conversation_cleaned(keeper, parent), "msg_id", id, sizeof id);
    size_t session_len = strlen(keeper->session);
    if (strncmp(id, keeper->session, session_len) != 0 || sscanf(id + session_len, "_%c%llu", &found, &number) != 2) return false;
    *ret_number = number;
    return found == purpose;
}

/* Which cell a parent header belongs to; false when to none. */
static bool cell_of(struct keeper *keeper, struct su_str parent, size_t *ret_index) {
    uint64_t index;
    if (!conversation_is_reply(keeper, parent, 'c', &index)) return false;
    *ret_index = (size_t)index;
    return index < keeper->cells.next && cells_at(&keeper->cells, index);
}

static void end_cell_when_through(struct keeper *keeper) {
    struct running *running = &keeper->running;
    if (!running->is_active || !running->has_reply || !running->has_idle) return;
    bool is_ok = strcmp(running->status, "ok") == 0;
    if (!is_ok && !cells_at(&keeper->cells, running->index)->allow_error) cells_clear(&keeper->cells);
    report_cell_end(keeper, is_ok ? "ok" : strcmp(running->status, "error") == 0 ? "error" : "aborted");
    if (keeper->cause && keeper->phase == PHASE_READY) ending_step(keeper); /* it gave way: go on to the shutdown */
    conversation_next_cell(keeper);
}

static void read_shell(struct keeper *keeper, const struct wire_message *message, const char *type) {
    size_t index;
    if (strcmp(type, "kernel_info_reply") == 0) keeper->has_info = true;
    if (questions_read(keeper, message, type)) return;
    if (strcmp(type, "execute_reply") != 0 || !cell_of(keeper, message->part[WIRE_PARENT], &index)) return;
    if (!keeper->running.is_active || index != keeper->running.index) return;
    struct su_str content = conversation_cleaned(keeper, message->part[WIRE_CONTENT]);
    conversation_member(content, "status", keeper->running.status, sizeof keeper->running.status);
    keeper->running.execution_count = member_int(content, "execution_count", keeper->running.execution_count);
    keeper->running.has_reply = true;
    end_cell_when_through(keeper);
}

static void begin_message(struct keeper *keeper, const char *type, const char *cell) {
    report_begin(keeper, "message");
    report_text(keeper, "cell", cell);
    report_text(keeper, "type", type);
    su_buf_adds(&keeper->event, ",\"content\":");
}

/* Long text goes in pieces, so that nobody further up needs memory for all of it. */
static void report_stream(struct keeper *keeper, const char *cell, struct su_str content) {
    char name[16];
    struct su_str text = SU_STR("");
    conversation_member(content, "name", name, sizeof name);
    if (!scan_member(content, "text", &text)) return;
    text = scan_inside(text);
    const char *stream = strcmp(name, "stderr") == 0 ? "stderr" : "stdout";
    while (text.len && keeper->cause != CAUSE_OUTPUT_LIMIT) {
        size_t len = scan_cut(text, STREAM_MAX);
        begin_message(keeper, "stream", cell);
        su_buf_addf(&keeper->event, "{\"name\":\"%s\",\"text\":\"", stream);
        su_buf_add(&keeper->event, text.ptr, len);
        su_buf_adds(&keeper->event, "\"}");
        report_end(keeper);
        text = (struct su_str){text.ptr + len, text.len - len};
    }
}

static void shrink(struct su_buf *buf) {
    size_t max = buf->max;
    if (buf->capacity <= SMALL_MAX) return;
    su_buf_done(buf);
    *buf = SU_BUF(max);
}

static void report_output(struct keeper *keeper, const char *type, const char *cell, struct su_str content) {
    if (strcmp(type, "stream") == 0) {
        su_buf_clear(&keeper->text);
        if (scan_clean(content, &keeper->text)) report_stream(keeper, cell, su_buf_str(&keeper->text));
        shrink(&keeper->text);
        return;
    }
    begin_message(keeper, type, cell);
    size_t start = keeper->event.len;
    if (!content.len || content.ptr[0] != '{' || !scan_clean(content, &keeper->event)) {
        if (!keeper->event.failed) return; /* not JSON: nothing to record */
    }
    su_assert(keeper->event.failed || keeper->event.ptr[start] == '{');
    report_end(keeper);
}

static bool is_output(const char *type) {
    static const char *const types[] = {"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"};
    for (size_t i = 0; i < SU_COUNT(types); i++)
        if (strcmp(type, types[i]) == 0) return true;
    return false;
}

static void count_output(struct keeper *keeper, size_t bytes) {
    keeper->output_bytes += bytes;
    if (keeper->limits.output_bytes && keeper->output_bytes > keeper->limits.output_bytes)
        ending_kill(keeper, CAUSE_OUTPUT_LIMIT, "the run wrote more than its limit of %llu MiB of output",
            (unsigned long long)(keeper->limits.output_bytes >> 20));
}

static void read_iopub(struct keeper *keeper, const struct wire_message *message, const char *type) {
    size_t index = 0;
    keeper->has_iopub = true;
    bool has_cell = cell_of(keeper, message->part[WIRE_PARENT], &index);
    struct su_str content = message->part[WIRE_CONTENT];
    if (is_output(type)) {
        if (keeper->cause == CAUSE_OUTPUT_LIMIT) return;
        count_output(keeper, content.len);
        if (keeper->cause == CAUSE_OUTPUT_LIMIT) return;
        report_output(keeper, type, has_cell ? cells_at(&keeper->cells, index)->id : NULL, content);
        return;
    }
    if (!has_cell || !keeper->running.is_active || index != keeper->running.index) return;
    if (strcmp(type, "execute_input") == 0)
        keeper->running.execution_count = member_int(conversation_cleaned(keeper, content), "execution_count", -1);
    if (strcmp(type, "status") != 0) return;
    char state[16];
    conversation_member(conversation_cleaned(keeper, content), "execution_state", state, sizeof state);
    if (strcmp(state, "idle") != 0) return;
    keeper->running.has_idle = true;
    end_cell_when_through(keeper);
}

/* The running cell waits for a line from a person. */
static void read_input_request(struct keeper *keeper, const struct wire_message *message) {
    size_t index;
    struct su_str prompt = SU_STR(""), password = SU_STR("");
    if (!cell_of(keeper, message->part[WIRE_PARENT], &index) || !cells_at(&keeper->cells, index)->has_stdin) return;
    struct su_str content = conversation_cleaned(keeper, message->part[WIRE_CONTENT]);
    scan_member(content, "prompt", &prompt);
    scan_member(content, "password", &password);
    prompt = (struct su_str){scan_inside(prompt).ptr, scan_cut(scan_inside(prompt), PROMPT_MAX)};
    count_output(keeper, REQUEST_COSTS + prompt.len);
    if (keeper->cause == CAUSE_OUTPUT_LIMIT) return;
    report_begin(keeper, "input_request");
    report_text(keeper, "cell", cells_at(&keeper->cells, index)->id);
    su_buf_addf(&keeper->event, ",\"password\":%s,\"prompt\":\"", su_str_equal(password, SU_STR("true")) ? "true" : "false");
    su_buf_add(&keeper->event, prompt.ptr, prompt.len);
    su_buf_addc(&keeper->event, '"');
    report_end(keeper);
}

void conversation_input(struct keeper *keeper, const json_t *value) {
    json_t *content SU_AUTO_JSON = json_pack("{s:s}", "value", json_is_string(value) ? json_string_value(value) : "");
    char *text SU_AUTO_FREE = su_json_text(content);
    if (keeper->sockets) conversation_request(keeper, CHANNEL_STDIN, "input_reply", 'x', ++keeper->requests, su_str_of(text));
}

void conversation_hear(struct keeper *keeper, enum channel channel, const struct frames *frames) {
    struct wire_message message;
    char type[48];
    if (!wire_open(&keeper->key, frames->frame, frames->count, &message)) return;
    conversation_member(conversation_cleaned(keeper, message.part[WIRE_HEADER]), "msg_type", type, sizeof type);
    if (channel == CHANNEL_SHELL) read_shell(keeper, &message, type);
    else if (channel == CHANNEL_IOPUB) read_iopub(keeper, &message, type);
    else if (channel == CHANNEL_CONTROL) questions_read_control(keeper, &message, type);
    else if (channel == CHANNEL_STDIN && strcmp(type, "input_request") == 0) read_input_request(keeper, &message);
}

static void become_ready(struct keeper *keeper) {
    keeper->phase = PHASE_READY;
    keeper->nudge_at = keeper->start_by = 0;
    report_begin(keeper, "ready");
    report_end(keeper);
    keeper->is_told_done = true;    /* nothing was asked yet */
    conversation_next_cell(keeper);
}

void conversation_read(struct keeper *keeper, unsigned ready) {
    enum { BATCH = 256 };
    struct frames frames;
    for (int channel = 0; channel < CHANNEL_COUNT; channel++)
        for (int i = 0; i < BATCH && (ready & (1u << channel)) && sockets_receive(keeper->sockets, (enum channel)channel, &frames); i++)
            conversation_hear(keeper, (enum channel)channel, &frames);
    if (keeper->phase == PHASE_NUDGING && keeper->has_info && keeper->has_iopub) become_ready(keeper);
}
