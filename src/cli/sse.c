/* Server-sent events: bytes in, events out.  Layer cli; pure. */
#include "cli/sse.h"

#include <stdio.h>
#include <string.h>

void sse_init(struct sse *sse)
{
    *sse = (struct sse){.line = SU_BUF(SSE_EVENT_MAX), .data = SU_BUF(SSE_EVENT_MAX)};
}

void sse_done(struct sse *sse)
{
    su_buf_done(&sse->line);
    su_buf_done(&sse->data);
}

static void keep(char *to, size_t size, struct su_str value)
{
    size_t len = value.len < size - 1 ? value.len : size - 1;
    memcpy(to, value.ptr, len);
    to[len] = '\0';
}

static void take_field(struct sse *sse, struct su_str line)
{
    struct su_str name, value;
    su_str_cut(line, ':', &name, &value);
    if (value.len && value.ptr[0] == ' ') {
        value.ptr++;
        value.len--;
    }
    if (su_str_equal(name, SU_STR("data"))) {
        if (sse->has_data)
            su_buf_addc(&sse->data, '\n');
        su_buf_add(&sse->data, value.ptr, value.len);
        sse->has_data = true;
    } else if (su_str_equal(name, SU_STR("event"))) {
        keep(sse->event, sizeof sse->event, value);
    } else if (su_str_equal(name, SU_STR("id"))) {
        keep(sse->id, sizeof sse->id, value);
    }
}

/* A whole line; an empty one ends the event. */
static bool end_line(struct sse *sse, sse_fn *fn, void *arg)
{
    struct su_str line = su_buf_str(&sse->line);
    bool goes_on = true;
    if (line.len) {
        take_field(sse, line);
    } else {
        if (sse->has_data)
            goes_on = fn(arg, sse->event[0] ? sse->event : "message", sse->id, su_buf_str(&sse->data));
        su_buf_clear(&sse->data);
        sse->event[0] = '\0';
        sse->has_data = false;
    }
    su_buf_clear(&sse->line);
    return goes_on;
}

bool sse_feed(struct sse *sse, struct su_str bytes, sse_fn *fn, void *arg)
{
    size_t at = 0;
    while (at < bytes.len) {
        if (sse->skip_newline && bytes.ptr[at] == '\n')
            at++;
        sse->skip_newline = false;
        size_t end = at;
        while (end < bytes.len && bytes.ptr[end] != '\n' && bytes.ptr[end] != '\r')
            end++;
        su_buf_add(&sse->line, bytes.ptr + at, end - at);
        if (sse->line.failed || sse->data.failed)
            return false;
        if (end == bytes.len)
            break;
        sse->skip_newline = bytes.ptr[end] == '\r';
        if (!end_line(sse, fn, arg))
            return false;
        at = end + 1;
    }
    return true;
}
