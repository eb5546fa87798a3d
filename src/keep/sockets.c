/* See sockets.h.  Layer keep. */
#include "keep/sockets.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { QUEUE_LENGTH = 64, WATCHED_MAX = 8 };

struct sockets { void *context, *socket[CHANNEL_COUNT], *monitor; zmq_msg_t message[SOCKETS_FRAMES_MAX]; size_t held; bool is_lost; };

static const struct { int type; bool is_identified; } kinds[CHANNEL_COUNT] = {
    [CHANNEL_SHELL] = {ZMQ_DEALER, true},  [CHANNEL_IOPUB] = {ZMQ_SUB, false},
    [CHANNEL_STDIN] = {ZMQ_DEALER, true},  [CHANNEL_CONTROL] = {ZMQ_DEALER, true},
    [CHANNEL_HEARTBEAT] = {ZMQ_REQ, false},
};

static void set_int(void *socket, int option, int number) { zmq_setsockopt(socket, option, &number, sizeof number); }

static void *open_one(struct sockets *sockets, enum channel channel) {
    void *socket = zmq_socket(sockets->context, kinds[channel].type);
    if (!socket) return NULL;
    set_int(socket, ZMQ_LINGER, 0);
    set_int(socket, ZMQ_RCVHWM, QUEUE_LENGTH);
    set_int(socket, ZMQ_SNDHWM, QUEUE_LENGTH);
    /* Days: never, in effect. Its own word for never (-1) drops what was received but not yet read,
       and fails an assertion when a kernel dies in the middle of a message (4.3.4). */
    set_int(socket, ZMQ_RECONNECT_IVL, 1000000000);
    int64_t largest = SOCKETS_MESSAGE_MAX;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    /* input_request finds the stdin socket by the identity of the shell request */
    if (kinds[channel].is_identified) zmq_setsockopt(socket, ZMQ_IDENTITY, "suricate", 8);
    if (channel == CHANNEL_IOPUB) zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    return socket;
}

static void watch(struct sockets *sockets) {
    zmq_socket_monitor(sockets->socket[CHANNEL_IOPUB], "inproc://iopub", ZMQ_EVENT_DISCONNECTED);
    sockets->monitor = zmq_socket(sockets->context, ZMQ_PAIR);
    set_int(sockets->monitor, ZMQ_LINGER, 0);
    zmq_connect(sockets->monitor, "inproc://iopub");
}

bool sockets_open(const char *prefix, struct sockets **ret, struct su_err *err) {
    struct sockets *sockets = su_alloc(sizeof *sockets);
    sockets->context = zmq_ctx_new();
    zmq_ctx_set(sockets->context, ZMQ_MAX_SOCKETS, 16);
    for (int channel = 0; channel < CHANNEL_COUNT; channel++) {
        char endpoint[128];
        snprintf(endpoint, sizeof endpoint, "ipc://%s-%d", prefix, channel + 1);
        sockets->socket[channel] = open_one(sockets, (enum channel)channel);
        if (channel == CHANNEL_IOPUB && sockets->socket[channel]) watch(sockets);
        if (!sockets->socket[channel] || zmq_connect(sockets->socket[channel], endpoint) != 0) {
            su_fail(err, SU_INTERNAL, "ZeroMQ %s: %s", endpoint, zmq_strerror(zmq_errno()));
            sockets_close(sockets);
            return false;
        }
    }
    *ret = sockets;
    return true;
}

static void let_go(struct sockets *sockets) {
    while (sockets->held) zmq_msg_close(&sockets->message[--sockets->held]);
}

void sockets_close(struct sockets *sockets) {
    if (!sockets) return;
    let_go(sockets);
    if (sockets->monitor) zmq_close(sockets->monitor);
    for (int channel = 0; channel < CHANNEL_COUNT; channel++)
        if (sockets->socket[channel]) zmq_close(sockets->socket[channel]);
    zmq_ctx_term(sockets->context);
    free(sockets);
}

bool sockets_send(struct sockets *sockets, enum channel channel, const struct su_str *frames, size_t count) {
    for (size_t i = 0; sockets && i < count; i++)
        if (zmq_send(sockets->socket[channel], frames[i].ptr, frames[i].len, ZMQ_DONTWAIT | (i + 1 < count ? ZMQ_SNDMORE : 0)) < 0)
            return false;
    return sockets != NULL;
}

bool sockets_receive(struct sockets *sockets, enum channel channel, struct frames *ret) {
    let_go(sockets);
    *ret = (struct frames){.count = 0};
    bool has_more = true;
    while (has_more) {
        zmq_msg_t spare, *message = sockets->held < SOCKETS_FRAMES_MAX ? &sockets->message[sockets->held] : &spare;
        zmq_msg_init(message);
        if (zmq_msg_recv(message, sockets->socket[channel], ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(message);
            return false;
        }
        has_more = zmq_msg_more(message);
        if (message == &spare) zmq_msg_close(message);
        else sockets->held++;
    }
    for (size_t i = 0; i < sockets->held; i++)
        ret->frame[ret->count++] = (struct su_str){zmq_msg_data(&sockets->message[i]), zmq_msg_size(&sockets->message[i])};
    return true;
}

void sockets_poll(struct sockets *sockets, struct pollfd *others, size_t count, int64_t timeout_ms, unsigned *ret_ready) {
    zmq_pollitem_t items[WATCHED_MAX + CHANNEL_COUNT + 1] = {0};
    su_assert(count <= WATCHED_MAX);
    for (size_t i = 0; i < count; i++)
        items[i] = (zmq_pollitem_t){.fd = others[i].fd,
                                    .events = (short)(((others[i].events & POLLIN) ? ZMQ_POLLIN : 0) |
                                                      ((others[i].events & POLLOUT) ? ZMQ_POLLOUT : 0))};
    size_t total = count;
    if (sockets) {
        for (int channel = 0; channel < CHANNEL_COUNT; channel++)
            items[total++] = (zmq_pollitem_t){.socket = sockets->socket[channel], .events = ZMQ_POLLIN};
        items[total++] = (zmq_pollitem_t){.socket = sockets->monitor, .events = sockets->is_lost ? 0 : ZMQ_POLLIN};
    }
    *ret_ready = 0;
    if (zmq_poll(items, (int)total, (long)timeout_ms) < 0) return;
    for (size_t i = 0; i < count; i++)
        others[i].revents =
            (short)(((items[i].revents & ZMQ_POLLIN) ? POLLIN : 0) | ((items[i].revents & ZMQ_POLLOUT) ? POLLOUT : 0) |
                    ((items[i].revents & ZMQ_POLLERR) ? POLLERR : 0));
    for (int channel = 0; sockets && channel < CHANNEL_COUNT; channel++)
        if (items[count + (size_t)channel].revents & ZMQ_POLLIN) *ret_ready |= 1u << channel;
    if (sockets && (items[total - 1].revents & ZMQ_POLLIN)) sockets->is_lost = true;
}

bool sockets_is_lost(struct sockets *sockets) { return sockets && sockets->is_lost; }
