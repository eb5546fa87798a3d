/* See link.h.  Layer keep. */
#include "keep/link.h"
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_SIZE = 16 * 1024 };

void link_init(struct link *link) {
    *link = (struct link){.fd = -1, .in = SU_BUF(LINK_FRAME_MAX + READ_SIZE + 8)};
}

void link_done(struct link *link) {
    link_close(link);
    su_buf_done(&link->in);
}

bool link_listen(const char *path, int *ret_fd, struct su_err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return su_fail(err, SU_INVALID, "socket path is too long: %s", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return su_fail_errno(err, errno, "socket");
    unlink(path);
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    int error = errno;
    umask(before);
    if (bound < 0 || listen(fd, 8) < 0) {
        if (bound == 0) error = errno;
        close(fd);
        return su_fail_errno(err, error, "listen on %s", path);
    }
    *ret_fd = fd;
    return true;
}

void link_close(struct link *link) {
    if (link->fd >= 0) close(link->fd);
    link->fd = -1;
    link->is_live = false;
    su_buf_done(&link->in);
    link->in = SU_BUF(LINK_FRAME_MAX + READ_SIZE + 8);
}

void link_accept(struct link *link, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    bool is_known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || peer.uid == geteuid());
    if (!is_known) {
        close(fd);
        return;
    }
    link_close(link);
    link->fd = fd;
}

bool link_fill(struct link *link) {
    for (;;) {
        char *room = su_buf_room(&link->in, READ_SIZE);
        if (!room) return false;
        ssize_t got = recv(link->fd, room, READ_SIZE, MSG_DONTWAIT);
        if (got > 0) su_buf_grew(&link->in, (size_t)got);
        else if (got < 0 && errno == EINTR) continue;
        else return got < 0 && errno == EAGAIN;
        if (got < READ_SIZE) return true;
    }
}

bool link_next(struct link *link, json_t **ret, struct su_err *err) {
    *ret = NULL;
    uint32_t length;
    if (link->in.len < sizeof length) return true;
    memcpy(&length, link->in.ptr, sizeof length);
    length = le32toh(length);
    if (length > LINK_FRAME_MAX) return su_fail(err, SU_LIMIT, "a frame of %u bytes is over the limit", length);
    size_t whole = sizeof length + length;
    if (link->in.len < whole) return true;
    if (!su_json_parse((struct su_str){link->in.ptr + sizeof length, length}, "frame", ret, err)) return false;
    size_t rest = link->in.len - whole;
    if (rest) memmove(link->in.ptr, link->in.ptr + whole, rest);
    link->in.len = rest;
    if (!rest && link->in.capacity > READ_SIZE * 4) {
        su_buf_done(&link->in);
        link->in = SU_BUF(LINK_FRAME_MAX + READ_SIZE + 8);
    }
    return true;
}

bool link_answer(struct link *link, const json_t *message) {
    char *text SU_AUTO_FREE = su_json_text(message);
    uint32_t length = htole32((uint32_t)strlen(text));
    char frame[1024];
    if (strlen(text) + sizeof length > sizeof frame) return false;
    memcpy(frame, &length, sizeof length);
    memcpy(frame + sizeof length, text, strlen(text));
    size_t len = sizeof length + strlen(text);
    return send(link->fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}
