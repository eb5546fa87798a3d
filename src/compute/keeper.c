/* The server's end of a keeper's socket.  Layer compute; a struct keeper belongs to one thread at a time. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "compute/compute.h"
#include "compute/keeper.h"

enum { READ_SIZE = 64 * 1024, KEPT = 256 * 1024 };

struct keeper { int fd; struct su_buf in, out; size_t in_at, out_at; };

static struct keeper *keeper_of(int fd) {
    struct keeper *keeper = su_alloc(sizeof *keeper);
    *keeper = (struct keeper){.fd = fd, .in = SU_BUF(KEEPER_FRAME_MAX + READ_SIZE + 8), .out = SU_BUF(2ULL * KEEPER_FRAME_MAX)};
    return keeper;
}

bool keeper_connect(struct compute *compute, const char *id, uint64_t from_seq, struct keeper **ret, struct su_err *err) {
    int fd;
    char *folder SU_AUTO_FREE = places_folder(&compute->places, true, id);
    if (!keeper_dial(folder, &fd, err)) return false;
    struct keeper *keeper = keeper_of(fd);
    json_t *hello SU_AUTO_JSON = json_pack("{s:s, s:i, s:I}", "op", "hello", "version", 1, "from", (json_int_t)from_seq);
    if (!keeper_send(keeper, hello, err)) {
        keeper_close(keeper);
        return false;
    }
    *ret = keeper;
    return true;
}

int keeper_fd(const struct keeper *keeper) { return keeper->fd; }

bool keeper_pending(const struct keeper *keeper) { return keeper->out_at < keeper->out.len; }

bool keeper_flush(struct keeper *keeper, struct su_err *err) {
    while (keeper_pending(keeper)) {
        ssize_t sent = send(keeper->fd, keeper->out.ptr + keeper->out_at, keeper->out.len - keeper->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return true;
        if (sent < 0) return su_fail(err, SU_UNAVAILABLE, "the keeper is gone (%s)", strerror(errno));
        keeper->out_at += (size_t)sent;
    }
    keeper->out_at = 0;
    if (keeper->out.capacity > KEPT) {
        su_buf_done(&keeper->out);
        keeper->out = SU_BUF(2ULL * KEEPER_FRAME_MAX);
    }
    su_buf_clear(&keeper->out);
    return true;
}

bool keeper_send(struct keeper *keeper, const json_t *message, struct su_err *err) {
    char *text SU_AUTO_FREE = su_json_text(message);
    size_t len = strlen(text);
    if (len > KEEPER_FRAME_MAX) return su_fail(err, SU_LIMIT, "the cells are %zu bytes, over the limit of %d", len, KEEPER_FRAME_MAX);
    uint32_t length = htole32((uint32_t)len);
    su_buf_add(&keeper->out, &length, sizeof length);
    su_buf_add(&keeper->out, text, len);
    if (keeper->out.failed) return su_fail(err, SU_LIMIT, "the keeper does not read");
    return keeper_flush(keeper, err);
}

/* A whole frame at in_at?  Its payload then. */
static bool has_frame(const struct keeper *keeper, struct su_str *ret, struct su_err *err, bool *ret_is_broken) {
    uint32_t length;
    size_t left = keeper->in.len - keeper->in_at;
    *ret_is_broken = false;
    if (left < sizeof length) return false;
    memcpy(&length, keeper->in.ptr + keeper->in_at, sizeof length);
    length = le32toh(length);
    if (length > KEEPER_FRAME_MAX) {
        *ret_is_broken = true;
        su_fail(err, SU_INTERNAL, "the keeper sent a frame of %u bytes", length);
        return false;
    }
    *ret = (struct su_str){keeper->in.ptr + keeper->in_at + sizeof length, length};
    return left >= sizeof length + length;
}

/* What is read through goes; a buffer that grew for one large event is given back. */
static void compact(struct keeper *keeper) {
    size_t left = keeper->in.len - keeper->in_at;
    if (!left && keeper->in.capacity > KEPT) {
        su_buf_done(&keeper->in);
        keeper->in = SU_BUF(KEEPER_FRAME_MAX + READ_SIZE + 8);
    } else if (left && keeper->in_at) memmove(keeper->in.ptr, keeper->in.ptr + keeper->in_at, left);
    keeper->in.len = left;
    keeper->in_at = 0;
}

static bool fill(struct keeper *keeper, bool *ret_is_dry, struct su_err *err) {
    compact(keeper);
    char *room = su_buf_room(&keeper->in, READ_SIZE);
    if (!room) return su_fail(err, SU_INTERNAL, "the keeper sent too much at once");
    ssize_t got = recv(keeper->fd, room, READ_SIZE, MSG_DONTWAIT);
    *ret_is_dry = got < 0 && (errno == EAGAIN || errno == EINTR);
    if (*ret_is_dry) return true;
    if (got <= 0) return su_fail(err, SU_UNAVAILABLE, "the keeper is gone");
    su_buf_grew(&keeper->in, (size_t)got);
    return true;
}

bool keeper_recv(struct keeper *keeper, json_t **ret, struct su_err *err) {
    *ret = NULL;
    for (;;) {
        struct su_str frame;
        bool is_broken, is_dry = false;
        if (has_frame(keeper, &frame, err, &is_broken)) {
            json_error_t error;
            /* the keeper cleaned it; a kernel's duplicate keys are no reason to lose an event */
            *ret = json_loadb(frame.ptr, frame.len, 0, &error);
            keeper->in_at += sizeof(uint32_t) + frame.len;
            return *ret || su_fail(err, SU_INTERNAL, "the keeper sent no JSON: %s", error.text);
        }
        if (is_broken || !fill(keeper, &is_dry, err)) return false;
        if (is_dry) return true;
    }
}

void keeper_close(struct keeper *keeper) {
    if (!keeper) return;
    close(keeper->fd);
    su_buf_done(&keeper->in);
    su_buf_done(&keeper->out);
    free(keeper);
}
