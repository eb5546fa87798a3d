/* See spool.h.  Layer keep. */
#include "keep/spool.h"
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TAIL_MAX = 64 * 1024 };

bool spool_open(struct spool *spool, int folder_fd, struct su_err *err) {
    int fd = openat(folder_fd, "spool", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return su_fail_errno(err, errno, "kernel's spool");
    *spool = (struct spool){.fd = fd, .tail = SU_BUF(TAIL_MAX)};
    return true;
}

void spool_close(struct spool *spool) {
    if (spool->fd >= 0) close(spool->fd);
    spool->fd = -1;
    su_buf_done(&spool->tail);
}

off_t spool_end(const struct spool *spool) { return spool->size + (off_t)spool->tail.len; }

/* Whole or not at all: a torn frame is cut off again. */
static bool append_to_file(struct spool *spool, uint32_t *length, struct su_str event) {
    struct iovec parts[2] = {{length, sizeof *length}, {(void *)event.ptr, event.len}};
    size_t left = sizeof *length + event.len;
    off_t at = spool->size;
    while (left) {
        ssize_t wrote = pwritev(spool->fd, parts, 2, at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) {
            int saved = errno;
            (void)!ftruncate(spool->fd, spool->size);
            errno = saved;
            return false;
        }
        at += wrote;
        left -= (size_t)wrote;
        for (int i = 0; i < 2; i++) {
            size_t part = (size_t)wrote < parts[i].iov_len ? (size_t)wrote : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            wrote -= (ssize_t)part;
        }
    }
    spool->size = at;
    return true;
}

bool spool_append(struct spool *spool, struct su_str event, struct su_err *err) {
    uint32_t length = htole32((uint32_t)event.len);
    if (!spool->tail.len && append_to_file(spool, &length, event)) {
        spool->count++;
        return true;
    }
    int error = errno;
    if (spool->tail.len + sizeof length + event.len <= TAIL_MAX) {
        su_buf_add(&spool->tail, &length, sizeof length);
        su_buf_add(&spool->tail, event.ptr, event.len);
        spool->count++;
    }
    return su_fail_errno(err, error, "writing the kernel's spool");
}

/* Length of the frame at an offset, header included; 0 at the end. */
static off_t frame_at(const struct spool *spool, off_t at) {
    uint32_t length;
    if (at < spool->size) {
        if (pread(spool->fd, &length, sizeof length, at) != sizeof length) return 0;
    } else {
        off_t in_tail = at - spool->size;
        if (in_tail >= (off_t)spool->tail.len) return 0;
        memcpy(&length, spool->tail.ptr + in_tail, sizeof length);
    }
    return (off_t)sizeof length + (off_t)le32toh(length);
}

off_t spool_find(const struct spool *spool, uint64_t sequence) {
    off_t at = spool->start;
    for (uint64_t i = spool->gone + 1; i < sequence && i <= spool->count; i++) at += frame_at(spool, at);
    return at;
}

void spool_forget(struct spool *spool, uint64_t sequence) {
    if (sequence <= spool->gone || sequence > spool->count) return;
    off_t at = spool_find(spool, sequence + 1);
    if (at > spool->size) return; /* in memory, and small */
    (void)!fallocate(spool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, at); /* a file system without holes keeps the bytes */
    spool->gone = sequence;
    spool->start = at;
}

bool spool_send(const struct spool *spool, int socket_fd, off_t *at) {
    while (*at < spool_end(spool)) {
        ssize_t sent;
        if (*at < spool->size) sent = sendfile(socket_fd, spool->fd, at, (size_t)(spool->size - *at));
        else {
            size_t from = (size_t)(*at - spool->size);
            sent = send(socket_fd, spool->tail.ptr + from, spool->tail.len - from, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0) *at += sent;
        }
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) return errno == EAGAIN;
        if (sent == 0) return false;
    }
    return true;
}
