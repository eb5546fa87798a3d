/* What the server asks for: a table of words.  Layer keep. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "keep/keeper.h"

typedef bool order_fn(struct keeper *keeper, const json_t *order, struct su_err *err);

static bool order_hello(struct keeper *keeper, const json_t *order, struct su_err *err) {
    if (su_json_int(order, "version", 0) != 1) return su_fail(err, SU_INVALID, "this keeper speaks version 1");
    int64_t from = su_json_int(order, "from", 1);
    keeper->link.at = spool_find(&keeper->spool, from < 1 ? 1 : (uint64_t)from);
    keeper->link.is_live = true;
    return true;
}

static bool order_execute(struct keeper *keeper, const json_t *order, struct su_err *err) {
    if (keeper->phase >= PHASE_CLOSING || keeper->cause) return true; /* too late: the ended event says why */
    if (!cells_add(&keeper->cells, json_object_get(order, "cells"), err)) return false;
    if (keeper->limits.time_s && !keeper->time_out_at) keeper->time_out_at = su_mono_ms() + (int64_t)keeper->limits.time_s * 1000;
    conversation_next_cell(keeper);
    return true;
}

static bool order_finish(struct keeper *keeper, const json_t *order, struct su_err *err) {
    keeper->wants_finish = true;
    conversation_next_cell(keeper);
    return true;
}

static bool order_cancel(struct keeper *keeper, const json_t *order, struct su_err *err) {
    ending_stop(keeper, CAUSE_CANCELLED, "cancelled");
    return true;
}

static bool order_interrupt(struct keeper *keeper, const json_t *order, struct su_err *err) {
    conversation_interrupt(keeper);
    return true;
}

static bool order_ask(struct keeper *keeper, const json_t *order, struct su_err *err) {
    return keeper->phase != PHASE_READY || questions_ask(keeper, order, err);
}

static bool order_input(struct keeper *keeper, const json_t *order, struct su_err *err) {
    conversation_input(keeper, json_object_get(order, "value"));
    return true;
}

static bool order_usage(struct keeper *keeper, const json_t *order, struct su_err *err) {
    if (keeper->phase < PHASE_DYING) questions_usage(keeper);
    return true;
}

/* The oldest need not be told again: they leave the disk, and no longer count as output. */
static bool order_recorded(struct keeper *keeper, const json_t *order, struct su_err *err) {
    int64_t sequence = su_json_int(order, "seq", 0);
    if (sequence <= 0 || spool_find(&keeper->spool, (uint64_t)sequence + 1) > keeper->link.at) return true; /* it has not heard that yet */
    spool_forget(&keeper->spool, (uint64_t)sequence);
    keeper->output_bytes = (uint64_t)(spool_end(&keeper->spool) - keeper->spool.start);
    cells_forget(&keeper->cells);
    return true;
}

static bool order_bye(struct keeper *keeper, const json_t *order, struct su_err *err) {
    if (keeper->phase != PHASE_ENDED) {
        process_kill(&keeper->process);
        cgroup_kill(&keeper->cgroup);
        process_await_end(&keeper->process, 5000);
    }
    ending_tidy(keeper, true);
    keeper->is_over = true;
    return true;
}

bool orders_write_card(struct keeper *keeper, const char *id, const char *label, struct su_err *err) {
    char at[SU_TIME_TEXT];
    json_t *card SU_AUTO_JSON = json_pack("{s:s, s:s, s:i, s:s, s:s, s:s}", "id", id, "name", su_json_string(keeper->spec, "name", ""),
        "pid", (int)getpid(), "socket", keeper->socket_path, "label", label, "at", su_time_text(su_now_ms(), at));
    char *text SU_AUTO_FREE = card ? su_json_text(card) : su_strdup("{}");
    int fd SU_AUTO_FD = openat(keeper->folder_fd, "keeper.json.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || !su_write_all(fd, text, strlen(text), err)) return su_fail_errno(err, errno, "keeper.json");
    if (renameat(keeper->folder_fd, "keeper.json.new", keeper->folder_fd, "keeper.json") < 0) return su_fail_errno(err, errno, "keeper.json");
    return true;
}

/* A file for the kernel to read. It has run nothing yet, so its folder holds no traps. */
static bool tell(struct keeper *keeper, const char *file, const char *text, struct su_err *err) {
    unlinkat(keeper->runtime_fd, file, 0);
    int fd SU_AUTO_FD = openat(keeper->runtime_fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
    uid_t uid = (uid_t)su_json_int(keeper->spec, "uid", (int64_t)geteuid());
    if (fd < 0 || (uid != geteuid() && fchown(fd, uid, uid) < 0)) return su_fail_errno(err, errno, "the kernel's %s", file);
    return su_write_all(fd, text, strlen(text), err);
}

static bool move_folder(struct keeper *keeper, const char *id, struct su_err *err) {
    char target[sizeof keeper->folder];
    snprintf(target, sizeof target, "%s/%s", su_json_string(keeper->spec, "kernels_dir", ""), id);
    if (renameat2(AT_FDCWD, keeper->folder, AT_FDCWD, target, RENAME_NOREPLACE) < 0) {
        if (errno == EEXIST) return su_fail(err, SU_CONFLICT, "a kernel %s exists already", id);
        return su_fail_errno(err, errno, "kernel's folder");
    }
    memcpy(keeper->folder, target, sizeof target);
    return true;
}

/* Become the kernel of a run: its limits, its token, its name. The rename is the point of no return. */
static bool claim(struct keeper *keeper, const json_t *order, struct su_err *err) {
    const char *id = su_json_string(order, "id", "");
    if (keeper->is_claimed) return su_fail(err, SU_CONFLICT, "this kernel is taken");
    if (keeper->phase >= PHASE_CLOSING) return su_fail(err, SU_UNAVAILABLE, "this kernel has ended");
    if (!*id || strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != strlen(id) || strlen(id) > 40)
        return su_fail(err, SU_INVALID, "a kernel's id is 1 to 40 letters, digits and dashes");
    const char *label = su_json_string(order, "label", "");
    if (!tell(keeper, "token", su_json_string(order, "token", ""), err) || !tell(keeper, "label", label, err)) return false;
    keeper_read_limits(&keeper->limits, json_object_get(order, "limits"));
    if (!cgroup_limit(&keeper->cgroup, keeper->limits.memory_bytes, keeper->limits.processes))
        return su_fail(err, SU_INTERNAL, "the kernel's limits could not be set");
    json_t *settings SU_AUTO_JSON = keeper_settings(keeper);
    process_set_rlimits(&keeper->process, json_object_get(settings, "rlimits"));
    if (!orders_write_card(keeper, id, label, err) || !move_folder(keeper, id, err)) return false;
    keeper->is_claimed = true;
    keeper->alone_since = su_mono_ms();
    return true;
}

static bool order_claim(struct keeper *keeper, const json_t *order, struct su_err *err) {
    struct su_err refusal;
    json_t *answer SU_AUTO_JSON = NULL;
    if (claim(keeper, order, &refusal)) answer = json_pack("{s:s}", "event", "claimed");
    else answer = json_pack("{s:s, s:s, s:s}", "event", "refused", "code", su_code_name(refusal.code), "message", refusal.message);
    return link_answer(&keeper->link, answer) || su_fail(err, SU_UNAVAILABLE, "the server went away");
}

static const struct { const char *op; order_fn *obey; } table[] = {
    {"hello", order_hello},   {"claim", order_claim},         {"execute", order_execute}, {"finish", order_finish},
    {"cancel", order_cancel}, {"interrupt", order_interrupt}, {"bye", order_bye},         {"ask", order_ask},
    {"input", order_input},   {"usage", order_usage},         {"recorded", order_recorded},
};

static bool obey(struct keeper *keeper, const json_t *order, struct su_err *err) {
    const char *op = su_json_string(order, "op", "");
    for (size_t i = 0; i < SU_COUNT(table); i++)
        if (strcmp(table[i].op, op) == 0) return table[i].obey(keeper, order, err);
    return su_fail(err, SU_INVALID, "unknown order %s", op);
}

void orders_read(struct keeper *keeper) {
    struct su_err err;
    bool is_open = link_fill(&keeper->link);
    for (;;) {
        json_t *order SU_AUTO_JSON = NULL;
        bool ok = link_next(&keeper->link, &order, &err);
        if (ok && !order) break;
        if (!ok || !obey(keeper, order, &err)) {
            su_log_error("keeper.order", &err);
            is_open = false;
            break;
        }
        if (keeper->is_over) return;
    }
    if (is_open) return;
    link_close(&keeper->link);
    keeper->alone_since = su_mono_ms();
}
