/* A run under way: its recorder, its log, and the file of events that followers read.  Layer interact.
 *
 * The file is not synced and dies with the server: after a restart the keeper
 * tells everything again and the file is written anew, with the same numbers.
 * So memory does not grow with what followers still have to read. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "run_private.h"

enum {
    LOG_MAX = 256 * 1024,
    EVENT_MAX = 3 * 1024 * 1024,        /* of one event's data; a longer output is told by its size */
    UNWRITTEN_MAX = 1 << 30,
    READ_SIZE = 256 * 1024,
};

/* Before each event in the file. */
struct event_head { int64_t seq; uint32_t name_size, data_size; /* NUL included */ };

struct live *live_new(const char *tenant, const char *id, int64_t attempt, enum run_job job)
{
    struct live *live = su_alloc(sizeof *live);
    live->references = 1;
    live->tenant = su_strdup(tenant);
    live->id = su_strdup(id);
    live->attempt = attempt;
    live->job = job;
    live->next_seq = 1;
    live->state = RUN_STARTING;
    live->events_fd = -1;
    live->log = SU_BUF(LOG_MAX);
    live->unwritten = SU_BUF(UNWRITTEN_MAX);
    snprintf(live->kernel, sizeof live->kernel, "%.26s-%" PRId64, id, attempt);
    su_lock_init(&live->lock);
    return live;
}

void live_free(struct live *live)
{
    keeper_close(live->keeper);
    recorder_free(live->recorder);
    json_decref(live->executed);
    json_decref(live->ended);
    json_decref(live->parameters);
    json_decref(live->limits);
    su_buf_done(&live->log);
    su_buf_done(&live->unwritten);
    su_close_fd(&live->events_fd);
    su_lock_done(&live->lock);
    free(live->failure);
    free(live->user);
    free(live->notebook);
    free(live->tenant);
    free(live->id);
    free(live);
}

void live_log(struct live *live, const char *format, ...)
{
    char at[SU_TIME_TEXT], text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    SU_LOCKED(&live->lock);
    if (live->log.len + strlen(text) + 64 < LOG_MAX)
        su_buf_addf(&live->log, "%s %s\n", su_time_text(su_now_ms(), at), text);
}

bool live_events_open(struct live *live, const char *dir, struct su_err *err)
{
    SU_AUTO_FREE char *path = su_format("%s/%s", dir, live->kernel);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return su_fail_errno(err, errno, "cannot make %s", path);
    unlink(path); /* readers use our descriptor; nothing is left behind when we are killed */
    SU_LOCKED(&live->lock);
    live->events_fd = fd;
    return true;
}

void live_event(struct live *live, int64_t seq, const char *name, const char *data)
{
    struct event_head head = {seq, (uint32_t)strlen(name) + 1, (uint32_t)strlen(data) + 1};
    su_buf_add(&live->unwritten, &head, sizeof head);
    su_buf_add(&live->unwritten, name, head.name_size);
    su_buf_add(&live->unwritten, data, head.data_size);
}

void live_events_flush(struct live *live)
{
    struct su_err err;
    if (live->unwritten.len == 0 || live->events_fd < 0)
        return;
    if (su_write_all(live->events_fd, live->unwritten.ptr, live->unwritten.len, &err)) {
        SU_LOCKED(&live->lock);
        live->events_length += live->unwritten.len;
    } else {
        /* Followers miss these; the record does not. Drop what was half written. */
        su_log_error("run.events", &err, su_kv_text("run", live->id));
        if (ftruncate(live->events_fd, (off_t)live->events_length) == 0)
            lseek(live->events_fd, (off_t)live->events_length, SEEK_SET);
    }
    if (live->unwritten.capacity > 1 << 20)
        su_buf_done(&live->unwritten);
    else
        su_buf_clear(&live->unwritten);
}

char *run_event_text(const json_t *data, size_t max)
{
    char *text = su_json_text(data);
    size_t len = strlen(text);
    if (len <= max || json_object_get(data, "content") == NULL)
        return text;
    free(text);
    SU_AUTO_JSON json_t *notice = json_pack("{s:O?, s:O?, s:n, s:I}", "cell", json_object_get(data, "cell"), "type",
                                            json_object_get(data, "type"), "content", "too_large", (json_int_t)len);
    return su_json_text(notice);
}

void live_record(struct live *live, const json_t *event)
{
    SU_AUTO_JSON json_t *data = NULL;
    const char *name;
    {
        SU_LOCKED(&live->lock);
        recorder_add(live->recorder, event);
        live->recorded_seq = su_json_int(event, "seq", live->recorded_seq);
        name = recorder_client_event(live->recorder, event, &data);
    }
    if (name == NULL || data == NULL)
        return;
    SU_AUTO_FREE char *text = run_event_text(data, EVENT_MAX);
    live_event(live, su_json_int(event, "seq", 0), name, text);
}

/* ---- reading: any thread that holds a reference ---- */

/* Hands over the events of `buffer`; how many bytes were whole events. */
static size_t give_events(struct live *live, struct run_cursor *cursor, struct su_str buffer, size_t *enough,
                          run_event_fn *each, void *arg)
{
    size_t at = 0;
    struct event_head head;
    while (*enough > 0 && buffer.len - at >= sizeof head) {
        memcpy(&head, buffer.ptr + at, sizeof head);
        size_t size = sizeof head + head.name_size + head.data_size;
        if (buffer.len - at < size)
            break;
        const char *name = buffer.ptr + at + sizeof head, *data = name + head.name_size;
        at += size;
        if (head.seq > 0 && head.seq <= cursor->after)
            continue;
        char id[48];
        snprintf(id, sizeof id, "%" PRId64 "-%" PRId64, live->attempt, head.seq);
        each(arg, head.seq > 0 ? id : NULL, name, data);
        if (head.seq > 0)
            cursor->after = head.seq;
        *enough -= size < *enough ? size : *enough;
    }
    return at;
}

/* The size of the event at offset, so that the next read holds all of it. */
static size_t event_size_at(int fd, uint64_t offset)
{
    struct event_head head;
    if (pread(fd, &head, sizeof head, (off_t)offset) != (ssize_t)sizeof head)
        return 0;
    return sizeof head + head.name_size + head.data_size;
}

bool live_events_read(struct live *live, struct run_cursor *cursor, size_t enough, run_event_fn *each, void *arg,
                      struct su_err *err)
{
    su_lock(&live->lock);
    uint64_t length = live->events_length;
    int fd = live->events_fd;
    su_unlock(&live->lock);
    while (enough > 0 && fd >= 0 && cursor->offset < length) {
        size_t first = event_size_at(fd, cursor->offset), left = (size_t)(length - cursor->offset);
        size_t size = first > READ_SIZE ? first : left < READ_SIZE ? left : READ_SIZE;
        SU_AUTO_FREE char *buffer = su_alloc(size);
        ssize_t n = pread(fd, buffer, size, (off_t)cursor->offset);
        if (n <= 0)
            return su_fail_errno(err, n < 0 ? errno : EIO, "cannot read the run's events");
        size_t used = give_events(live, cursor, (struct su_str){buffer, (size_t)n}, &enough, each, arg);
        if (used == 0)
            break;
        cursor->offset += used;
    }
    return true;
}
