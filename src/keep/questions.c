/* What is asked of the kernel beside cells: completions and inspections, and how much memory it uses.  Layer keep.
 *
 * ipykernel answers its shell channel one request after another, so a question would wait for the running cell.  With the
 * first question the kernel is asked for a subshell, a thread of its own that answers those after it; one that makes none
 * answers between cells. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keep/keeper.h"
#include "keep/scan.h"

enum { ANSWER_MAX = 1024 * 1024 };

static bool is_known(const char *type) {
    static const char *const types[] = {"complete_request", "inspect_request", "is_complete_request"};
    for (size_t i = 0; i < SU_COUNT(types); i++)
        if (strcmp(type, types[i]) == 0) return true;
    return false;
}

bool questions_ask(struct keeper *keeper, const json_t *order, struct su_err *err) {
    struct questions *questions = &keeper->questions;
    const char *id = su_json_string(order, "id", ""), *type = su_json_string(order, "type", "");
    json_t *content = json_object_get(order, "content");
    if (!*id || strlen(id) >= QUESTION_ID || !is_known(type) || !json_is_object(content))
        return su_fail(err, SU_INVALID, "a question needs an id, a type that is known, and content");
    uint64_t number = ++questions->next, at = number % QUESTIONS_MAX;
    questions->list[at].number = number;
    snprintf(questions->list[at].id, QUESTION_ID, "%s", id);
    char *text SU_AUTO_FREE = su_json_text(content);
    conversation_request(keeper, CHANNEL_SHELL, type, 'a', number, su_str_of(text));
    if (!questions->has_asked_for_subshell) {
        questions->has_asked_for_subshell = true;
        conversation_request(keeper, CHANNEL_CONTROL, "create_subshell_request", 'x', ++keeper->requests, SU_STR("{}"));
    }
    return true;
}

bool questions_read(struct keeper *keeper, const struct wire_message *message, const char *type) {
    uint64_t number;
    if (!conversation_is_reply(keeper, message->part[WIRE_PARENT], 'a', &number)) return false;
    uint64_t at = number % QUESTIONS_MAX;
    struct su_str content = message->part[WIRE_CONTENT];
    if (!number || keeper->questions.list[at].number != number) return true;
    keeper->questions.list[at].number = 0;
    if (content.len > ANSWER_MAX || !content.len || content.ptr[0] != '{') content = SU_STR("{\"status\":\"error\"}");
    report_begin(keeper, "answer");
    report_text(keeper, "id", keeper->questions.list[at].id);
    report_text(keeper, "type", type);
    su_buf_adds(&keeper->event, ",\"content\":");
    size_t start = keeper->event.len;
    if (!scan_clean(content, &keeper->event)) {
        keeper->event.len = start;
        su_buf_adds(&keeper->event, "{\"status\":\"error\"}");
    }
    report_end(keeper);
    return true;
}

void questions_read_control(struct keeper *keeper, const struct wire_message *message, const char *type) {
    char id[QUESTION_ID];
    if (strcmp(type, "create_subshell_reply") != 0) return;
    conversation_member(conversation_cleaned(keeper, message->part[WIRE_CONTENT]), "subshell_id", id, sizeof id);
    if (strspn(id, "0123456789abcdefABCDEF-") == strlen(id)) snprintf(keeper->questions.subshell, QUESTION_ID, "%s", id);
}

/* Resident bytes of one process, -1 when it can't be read. */
static int64_t resident(pid_t pid) {
    char path[64];
    long long pages = -1;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (file && fscanf(file, "%*s %lld", &pages) != 1) pages = -1;
    if (file) fclose(file);
    return pages < 0 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

void questions_usage(struct keeper *keeper) {
    int64_t bytes = cgroup_memory_now(&keeper->cgroup), cpu_us = cgroup_cpu_us(&keeper->cgroup);
    if (bytes < 0) bytes = resident(keeper->process.kernel_pid);
    report_begin(keeper, "usage");
    report_int(keeper, "memory_bytes", bytes);
    report_int(keeper, "cpu_ms", cpu_us < 0 ? -1 : cpu_us / 1000);
    report_end(keeper);
}
