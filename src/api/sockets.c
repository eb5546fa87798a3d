/* Upgraded WebSockets: see sockets.h.  Layer api; thread "sockets".  The only user of wslay. */
#include "sockets.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/thread.h"
#include "server_private.h"

enum { EVENTS = 64, TICK_MS = 1000, ROUNDS = 8, QUEUED_MAX = 16 };

struct socket {
    struct socket *next, *previous;
    struct sockets *sockets;
    struct request *request;
    int fd;
    wslay_event_context_ptr frames;
    struct su_bus_subscription *subscription;
    struct su_buf out, extra;       /* the next message; what came with the head, read up to extra_read */
    size_t extra_read;
    _Atomic bool has_fired;         /* there may be something to say */
    bool is_dead;                   /* the connection is of no use any more */
    bool is_closing, is_lingering;
    uint32_t watched;               /* events of epoll */
    /* Monotonic: last byte in; last byte out, or nothing to send; last message; close frame; last fill. */
    int64_t heard_ms, moved_ms, said_ms, closing_ms, filled_ms;
};

struct sockets {
    struct su_lock lock;            /* of arrivals */
    struct socket *arrivals;
    struct socket *list;            /* the thread's */
    int64_t stall_ms;
    int epoll_fd, wake_fd;
    _Atomic bool is_asleep, is_draining, must_stop;
    struct su_thread thread;
};

static void wake(struct sockets *sockets)
{
    if (atomic_exchange(&sockets->is_asleep, false))
        eventfd_write(sockets->wake_fd, 1);
}

/* On the publisher's thread. */
static void topic_fired(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct socket *socket = arg;
    if (!atomic_exchange(&socket->has_fired, true))
        wake(socket->sockets);
}

/* --- wslay's callbacks ------------------------------------------------------- */

static ssize_t on_read(wslay_event_context_ptr frames, uint8_t *data, size_t len, int flags, void *arg)
{
    struct socket *socket = arg;
    size_t left = socket->extra.len - socket->extra_read;
    if (wslay_event_get_queued_msg_count(frames) > QUEUED_MAX) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    if (left) {
        size_t count = left < len ? left : len;
        memcpy(data, socket->extra.ptr + socket->extra_read, count);
        socket->extra_read += count;
        return (ssize_t)count;
    }
    ssize_t count = recv(socket->fd, data, len, MSG_DONTWAIT);
    if (count > 0) {
        socket->heard_ms = su_mono_ms();
        return count;
    }
    bool waits = count < 0 && (errno == EAGAIN || errno == EINTR);
    wslay_event_set_error(frames, waits ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_write(wslay_event_context_ptr frames, const uint8_t *data, size_t len, int flags, void *arg)
{
    struct socket *socket = arg;
    ssize_t count = send(socket->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL | (flags & WSLAY_MSG_MORE ? MSG_MORE : 0));
    if (count >= 0) {
        socket->moved_ms = su_mono_ms();
        return count;
    }
    wslay_event_set_error(frames, errno == EAGAIN || errno == EINTR ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

/* What a client says is of no interest here; wslay answers pings and closes by itself. */
static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *arg)
{
    struct socket *socket = arg;
    if (message->opcode == WSLAY_CONNECTION_CLOSE && !socket->is_closing) {
        socket->is_closing = true;
        socket->closing_ms = su_mono_ms();
    }
}

/* --- one socket ---------------------------------------------------------------- */

static bool is_choked(const struct socket *socket)
{
    return wslay_event_get_queued_msg_count(socket->frames) > QUEUED_MAX;   /* pings faster than it takes our pongs */
}

static void watch(struct socket *socket)
{
    bool reads = socket->is_lingering || (wslay_event_want_read(socket->frames) && !is_choked(socket));
    uint32_t events = (reads ? EPOLLIN : 0) | (wslay_event_want_write(socket->frames) ? EPOLLOUT : 0);
    struct epoll_event wanted = {.events = events, .data.ptr = socket};
    if (events == socket->watched)
        return;
    socket->watched = events;
    epoll_ctl(socket->sockets->epoll_fd, EPOLL_CTL_MOD, socket->fd, &wanted);
}

static void close_with(struct socket *socket, uint16_t code, const char *reason)
{
    if (socket->is_closing || socket->is_dead)
        return;
    socket->is_closing = true;
    socket->closing_ms = su_mono_ms();
    socket->is_dead = wslay_event_queue_close(socket->frames, code, (const uint8_t *)reason, strlen(reason)) != 0;
}

static void say(struct socket *socket, uint8_t opcode, const void *data, size_t len)
{
    const struct wslay_event_msg message = {.opcode = opcode, .msg = data, .msg_length = len};
    if (wslay_event_queue_msg(socket->frames, &message) != 0)
        socket->is_dead = true;
    socket->said_ms = su_mono_ms();
}

static void send_some(struct socket *socket)
{
    if (!wslay_event_want_write(socket->frames))
        return;
    if (wslay_event_send(socket->frames) != 0)
        socket->is_dead = true;
    if (!wslay_event_want_write(socket->frames))
        socket->moved_ms = su_mono_ms();
}

/* The next message, if there is one.  False: there is none, or it must wait. */
static bool fill_one(struct socket *socket)
{
    struct request *request = socket->request;
    if (socket->is_closing || socket->is_dead || wslay_event_want_write(socket->frames))
        return false;
    su_buf_clear(&socket->out);
    bool goes_on = request->reply.source->fill(request, request->reply.source_state, &socket->out);
    if (socket->out.failed)
        close_with(socket, 1009, "a message is too large to be sent");
    else if (socket->out.len)
        say(socket, WSLAY_TEXT_FRAME, socket->out.ptr, socket->out.len);
    if (!goes_on)
        close_with(socket, 1000, "the stream has ended");
    send_some(socket);
    return socket->out.len > 0;
}

/* A source with a pace is not asked again before its time. */
static int64_t paced_ms(const struct socket *socket)
{
    int64_t left = socket->filled_ms + socket->request->reply.source->pace_ms - su_mono_ms();
    return socket->request->reply.source->pace_ms && left > 0 ? left : 0;
}

/* It has something to say that waits for nothing. */
static bool is_ready(const struct socket *socket) { return socket->has_fired && !(socket->watched & EPOLLOUT) && !paced_ms(socket); }

/* What there is to say, but no more than the reader takes, nor so much that others wait. */
static void fill(struct socket *socket)
{
    if (paced_ms(socket))
        return;
    socket->filled_ms = su_mono_ms();
    atomic_store(&socket->has_fired, false);
    for (int round = 0; fill_one(socket); round++)
        if (round == ROUNDS || socket->request->reply.source->pace_ms) {
            socket->has_fired = true;
            return;
        }
    if (wslay_event_want_write(socket->frames))
        socket->has_fired = true;       /* goes on when it is writable */
}

static bool is_over(const struct socket *socket, int64_t now)
{
    if (socket->is_dead)
        return true;
    return socket->is_closing && now - socket->closing_ms > SOCKET_CLOSE_MS;
}

/* Both have said goodbye, or the peer said what can't be read: what it still sends is dropped until it ends, since
 * closing over unread bytes would take our last frame away from it. */
static void linger(struct socket *socket)
{
    char unwanted[4096];
    ssize_t count;
    if (!socket->is_lingering)
        shutdown(socket->fd, SHUT_WR);
    if (!socket->is_closing)
        socket->closing_ms = su_mono_ms();
    socket->is_lingering = socket->is_closing = true;
    for (int i = 0; i < 16; i++)
        if ((count = recv(socket->fd, unwanted, sizeof unwanted, MSG_DONTWAIT)) <= 0) {
            socket->is_dead |= count == 0 || (errno != EAGAIN && errno != EINTR);
            return;
        }
}

static void service(struct socket *socket, uint32_t events)
{
    bool is_broken = events & EPOLLIN && !socket->is_lingering && wslay_event_recv(socket->frames) != 0;
    if (events & (EPOLLHUP | EPOLLERR))
        socket->is_dead = true;
    if (socket->is_dead)
        return;
    send_some(socket);
    if (socket->has_fired)
        fill(socket);
    if (is_broken || (wslay_event_get_close_sent(socket->frames) && !wslay_event_want_read(socket->frames)))
        linger(socket);
    if (!socket->is_dead)
        watch(socket);
}

/* --- all of them ------------------------------------------------------------------ */

static void drop(struct sockets *sockets, struct socket *socket)
{
    struct request *request = socket->request;
    if (socket->previous)
        socket->previous->next = socket->next;
    else
        sockets->list = socket->next;
    if (socket->next)
        socket->next->previous = socket->previous;
    epoll_ctl(sockets->epoll_fd, EPOLL_CTL_DEL, socket->fd, NULL);
    su_bus_unsubscribe(request->services->bus, socket->subscription);
    wslay_event_context_free(socket->frames);
    su_buf_done(&socket->out);
    su_buf_done(&socket->extra);
    free(socket);
    edge_resume(request);       /* closes the connection; the request is the edge's again */
}

static void welcome(struct sockets *sockets, struct socket *socket)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_read, .send_callback = on_write, .on_msg_recv_callback = on_message};
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = socket};
    su_assert(wslay_event_context_server_init(&socket->frames, &callbacks, socket) == 0);
    wslay_event_config_set_max_recv_msg_length(socket->frames, SOCKET_MESSAGE_MAX);
    socket->previous = NULL;
    socket->next = sockets->list;
    if (sockets->list)
        sockets->list->previous = socket;
    sockets->list = socket;
    socket->heard_ms = socket->moved_ms = socket->said_ms = su_mono_ms();
    socket->has_fired = true;
    socket->watched = EPOLLIN;
    socket->subscription = su_bus_subscribe(socket->request->services->bus, socket->request->reply.topic, topic_fired, socket);
    socket->is_dead = epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, socket->fd, &wanted) != 0;
    service(socket, EPOLLIN);
}

static void welcome_arrivals(struct sockets *sockets)
{
    su_lock(&sockets->lock);
    struct socket *arrived = sockets->arrivals;
    sockets->arrivals = NULL;
    su_unlock(&sockets->lock);
    for (struct socket *next; arrived; arrived = next) {
        next = arrived->next;
        welcome(sockets, arrived);
    }
}

/* Each second: credentials, silence, readers that take nothing. */
static void look_at(struct sockets *sockets, struct socket *socket, int64_t now)
{
    const struct request *request = socket->request;
    if (!accounts_still_valid(request->services->accounts, &request->identity))
        close_with(socket, 1008, "the credential is not valid any more");
    send_some(socket);      /* whoever takes something now has not stalled: we were late */
    if (wslay_event_want_write(socket->frames) && now - socket->moved_ms > sockets->stall_ms) {
        su_log(SU_LOG_INFO, "sockets.stalled", su_kv_text("request", request->id), su_kv_text("tenant", request->identity.tenant));
        socket->is_dead = true;
    }
    if (now - socket->heard_ms > SOCKET_DEAF_S * 1000)
        socket->is_dead = true;
    if (!socket->is_closing && now - socket->said_ms > SOCKET_PING_S * 1000 && !wslay_event_want_write(socket->frames))
        say(socket, WSLAY_PING, "", 0);
}

/* Until somebody's pace or the next tick. */
static int pause_ms(const struct sockets *sockets)
{
    int64_t pause = sockets->is_draining ? TICK_MS / 10 : TICK_MS;
    for (const struct socket *socket = sockets->list; socket; socket = socket->next) {
        int64_t left = socket->has_fired && !(socket->watched & EPOLLOUT) ? paced_ms(socket) : 0;
        pause = left && left < pause ? left : pause;
    }
    return (int)pause;
}

/* Whatever is due now; the time until something is due by itself. */
static int tend(struct sockets *sockets, int64_t *looked_ms)
{
    int64_t now = su_mono_ms();
    bool is_second = now - *looked_ms >= TICK_MS, has_more = false;
    if (is_second)
        *looked_ms = now;
    for (struct socket *socket = sockets->list, *next; socket; socket = next) {
        next = socket->next;
        if (is_second)
            look_at(sockets, socket, now);
        if (sockets->is_draining)
            close_with(socket, 1012, "the server restarts");
        if (socket->has_fired || is_second || sockets->is_draining)
            service(socket, 0);
        if (sockets->must_stop || is_over(socket, now))
            drop(sockets, socket);
        else
            has_more |= is_ready(socket);
    }
    return has_more ? 0 : sockets->list ? pause_ms(sockets) : -1;
}

static void sockets_main(void *arg)
{
    struct sockets *sockets = arg;
    struct epoll_event ready[EVENTS];
    int64_t looked_ms = 0;
    while (!sockets->must_stop || sockets->list) {
        welcome_arrivals(sockets);
        int timeout = tend(sockets, &looked_ms);
        atomic_store(&sockets->is_asleep, true);
        su_lock(&sockets->lock);
        bool is_awake = sockets->arrivals || sockets->must_stop;
        su_unlock(&sockets->lock);
        for (struct socket *socket = sockets->list; socket && !is_awake; socket = socket->next)
            is_awake = is_ready(socket);
        int count = epoll_wait(sockets->epoll_fd, ready, EVENTS, is_awake ? 0 : timeout);
        atomic_store(&sockets->is_asleep, false);
        for (int i = 0; i < count; i++) {
            eventfd_t ignored;
            if (ready[i].data.ptr)
                service(ready[i].data.ptr, ready[i].events);
            else
                eventfd_read(sockets->wake_fd, &ignored);
        }
    }
}

void sockets_take(struct sockets *sockets, struct request *request, int fd, const void *extra, size_t len)
{
    struct socket *socket = su_alloc(sizeof *socket);
    *socket = (struct socket){.sockets = sockets, .request = request, .fd = fd, .out = SU_BUF(EVENTS_MAX), .extra = SU_BUF(SIZE_MAX / 2)};
    su_buf_add(&socket->extra, extra, len);
    su_lock(&sockets->lock);
    socket->next = sockets->arrivals;
    sockets->arrivals = socket;
    su_unlock(&sockets->lock);
    wake(sockets);
}

/* --- life --------------------------------------------------------------------------- */

static void sockets_free(struct sockets *sockets)
{
    su_close_fd(&sockets->epoll_fd);
    su_close_fd(&sockets->wake_fd);
    su_lock_done(&sockets->lock);
    free(sockets);
}

bool sockets_open(uint64_t stall_s, struct sockets **ret, struct su_err *err)
{
    struct sockets *sockets = su_alloc(sizeof *sockets);
    struct epoll_event wanted = {.events = EPOLLIN};
    su_lock_init(&sockets->lock);
    sockets->stall_ms = (int64_t)stall_s * 1000;
    sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sockets->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sockets->epoll_fd < 0 || sockets->wake_fd < 0 || epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, sockets->wake_fd, &wanted) < 0) {
        su_fail_errno(err, errno, "can't watch WebSockets");
        sockets_free(sockets);
        return false;
    }
    su_thread_start(&sockets->thread, "sockets", sockets_main, sockets);
    *ret = sockets;
    return true;
}

void sockets_drain(struct sockets *sockets)
{
    sockets->is_draining = true;
    eventfd_write(sockets->wake_fd, 1);
}

void sockets_close(struct sockets *sockets)
{
    if (!sockets)
        return;
    sockets->must_stop = true;
    eventfd_write(sockets->wake_fd, 1);
    su_thread_join(&sockets->thread);
    sockets_free(sockets);
}
