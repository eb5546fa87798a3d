/* Events: numbered, timed, into the spool.  Layer keep. */
#include <stdlib.h>
#include "base/clock.h"
#include "keep/keeper.h"

enum { BUFFER_KEPT = 256 * 1024 };

void report_begin(struct keeper *keeper, const char *event) {
    char at[SU_TIME_TEXT];
    su_buf_clear(&keeper->event);
    su_buf_addf(&keeper->event, "{\"seq\":%llu,\"at\":\"%s\",\"event\":\"%s\"", (unsigned long long)keeper->spool.count + 1,
        su_time_text(su_now_ms(), at), event);
}

void report_text(struct keeper *keeper, const char *key, const char *text) {
    json_t *value SU_AUTO_JSON = su_json_text_or_null(text);
    char *written SU_AUTO_FREE = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    su_buf_addf(&keeper->event, ",\"%s\":%s", key, written ? written : "null");
}

void report_int(struct keeper *keeper, const char *key, int64_t number) {
    if (number < 0) su_buf_addf(&keeper->event, ",\"%s\":null", key);
    else su_buf_addf(&keeper->event, ",\"%s\":%lld", key, (long long)number);
}

void report_end(struct keeper *keeper) {
    struct su_err err;
    su_buf_addc(&keeper->event, '}');
    if (keeper->event.failed)
        ending_kill(keeper, CAUSE_OUTPUT_LIMIT, "one output was larger than %d MiB", SOCKETS_MESSAGE_MAX / (1024 * 1024));
    else if (!spool_append(&keeper->spool, su_buf_str(&keeper->event), &err))
        ending_kill(keeper, CAUSE_OUTPUT_LIMIT, "the server could not store the output: %s", err.message);
    if (keeper->event.capacity > BUFFER_KEPT) {
        size_t max = keeper->event.max;
        su_buf_done(&keeper->event);
        keeper->event = SU_BUF(max);
    }
}

void report_cell_end(struct keeper *keeper, const char *status) {
    char started[SU_TIME_TEXT], ended[SU_TIME_TEXT];
    if (!keeper->running.is_active) return;
    keeper->running.is_active = false;
    report_begin(keeper, "cell_end");
    report_text(keeper, "cell", cells_at(&keeper->cells, keeper->running.index)->id);
    report_text(keeper, "status", status);
    report_int(keeper, "execution_count", keeper->running.execution_count);
    report_text(keeper, "started_at", su_time_text(keeper->running.started_ms, started));
    report_text(keeper, "ended_at", su_time_text(su_now_ms(), ended));
    report_end(keeper);
    cells_finish(&keeper->cells, keeper->running.index);
}
