/* See keeper.h.  Layer compute; any thread. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fs.h"
#include "compute/keeper.h"

enum { CARD_MAX = 16 * 1024, ANSWER_MAX = 64 * 1024 };

bool keeper_dial_socket(const char *socket_path, int type, int *ret_fd, struct su_err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(socket_path) >= sizeof address.sun_path) return su_fail(err, SU_INVALID, "socket path is too long: %s", socket_path);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return su_fail_errno(err, errno, "socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        close(fd);
        bool is_gone = error == ECONNREFUSED || error == ENOENT;
        return is_gone ? su_fail(err, SU_NOT_FOUND, "nobody listens on %s", socket_path) : su_fail_errno(err, error, "%s", socket_path);
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *ret_fd = fd;
    return true;
}

bool keeper_dial(const char *folder, int *ret_fd, struct su_err *err) {
    struct su_buf text SU_AUTO_BUF = SU_BUF(CARD_MAX);
    json_t *card SU_AUTO_JSON = NULL;
    char *path SU_AUTO_FREE = su_format("%s/keeper.json", folder);
    if (!su_file_read(path, CARD_MAX, &text, err)) return su_fail(err, SU_NOT_FOUND, "the kernel's keeper is gone");
    if (!su_json_parse(su_buf_str(&text), "keeper.json", &card, err)) return false;
    return keeper_dial_socket(su_json_string(card, "socket", ""), SOCK_STREAM, ret_fd, err) || su_prefix(err, "the kernel's keeper is gone");
}

static bool read_exactly(int fd, void *data, size_t len, int64_t by, struct su_err *err) {
    for (char *at = data; len;) {
        ssize_t got = recv(fd, at, len, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return su_fail(err, SU_UNAVAILABLE, "the keeper is gone");
        if (got > 0) {
            at += got;
            len -= (size_t)got;
            continue;
        }
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left = by - su_mono_ms();
        if (left <= 0 || poll(&wait, 1, (int)left) == 0) return su_fail(err, SU_TIMEOUT, "the keeper did not answer in time");
    }
    return true;
}

bool keeper_ask(int fd, const json_t *order, int timeout_ms, json_t **ret, struct su_err *err) {
    char *text SU_AUTO_FREE = su_json_text(order);
    char frame[4096];
    uint32_t length = htole32((uint32_t)strlen(text));
    size_t len = sizeof length + strlen(text);
    if (len > sizeof frame) return su_fail(err, SU_LIMIT, "order to the keeper is too long");
    memcpy(frame, &length, sizeof length);
    memcpy(frame + sizeof length, text, len - sizeof length);
    if (send(fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len) return su_fail(err, SU_UNAVAILABLE, "the keeper is gone");
    if (!ret) return true;
    int64_t by = su_mono_ms() + timeout_ms;
    if (!read_exactly(fd, &length, sizeof length, by, err)) return false;
    length = le32toh(length);
    if (length > ANSWER_MAX) return su_fail(err, SU_INTERNAL, "the keeper's answer is too long");
    char *answer SU_AUTO_FREE = su_alloc(length + 1);
    if (!read_exactly(fd, answer, length, by, err)) return false;
    return su_json_parse((struct su_str){answer, length}, "the keeper's answer", ret, err);
}

bool keeper_wait_closed(int fd, int timeout_ms) {
    char rest[4096];
    int64_t by = su_mono_ms() + timeout_ms;
    for (;;) {
        ssize_t got = recv(fd, rest, sizeof rest, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return true;
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left = by - su_mono_ms();
        if (left <= 0) return false;
        if (got < 0) poll(&wait, 1, (int)left);
    }
}
