/* Columns by descriptor: see frames.h.  Layer api; threads "frames", "frames-1", "frames-2". */
#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "columns.h"
#include "exchange.h"
#include "limits.h"

enum { ANSWERERS = 2, BACKLOG = 64, WAIT_MAX_MS = 60000 };

/* A kernel that asks: the poller's until its question is complete, then an answerer's. */
struct asker {
    struct asker *next;
    int fd;
    int64_t deadline_ms;            /* monotonic */
    size_t len;
    char text[FRAMES_QUESTION_MAX];
};

struct frames {
    struct services services;
    struct router *router;
    char *path;
    int listen_fd, wake_fd;
    struct asker *askers;           /* the poller's */
    size_t asker_count;
    _Atomic size_t open_count;      /* with those in the queue */
    _Atomic bool must_stop;
    struct su_queue *queue;
    struct su_thread poller, answerers[ANSWERERS];
};

static void asker_free(struct frames *frames, struct asker *asker)
{
    close(asker->fd);
    free(asker);
    frames->open_count--;
    eventfd_write(frames->wake_fd, 1);      /* there is room for another */
}

/* ------------------------------------------------------------- answering */

/* The line, and the descriptor if there is one.  Whoever does not read it loses it. */
static void say(int to, const char *text, size_t len, int fd)
{
    union { char space[CMSG_SPACE(sizeof(int))]; struct cmsghdr head; } control = {0};
    struct iovec line = {(void *)text, len};
    struct msghdr message = {.msg_iov = &line, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.space;
        message.msg_controllen = sizeof control.space;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    }
    ssize_t sent = sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent;
}

static void say_json(int to, json_t *value, int fd)
{
    SU_AUTO_JSON json_t *owned = value;
    SU_AUTO_FREE char *text = su_json_text_flags(owned, JSON_COMPACT);
    SU_AUTO_FREE char *line = su_format("%s\n", text);
    say(to, line, strlen(line), fd);
}

static void say_problem(struct request *request, int to, const struct su_err *err)
{
    struct reply *reply = &request->reply;
    reply_error(reply, err);
    SU_AUTO_FREE char *line = su_format("%.*s\n", (int)reply->len, reply->data);
    say(to, line, strlen(line), -1);
}

/* What the handler says beside the columns. */
static json_t *headers_of(const struct reply *reply)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < reply->header_count; i++)
        if (su_str_starts(su_str_of(reply->headers[i].name), SU_STR("X-Suricate-")))
            json_object_set_new(headers, reply->headers[i].name, su_json_text_or_null(reply->headers[i].value));
    return headers;
}

static bool is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS), wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    return seals >= 0 && (seals & wanted) == wanted;
}

/* What a handler replied, as a sealed descriptor: a file of ours must not be opened anew for writing by a kernel. */
static bool sealed_reply(struct reply *reply, int *ret_fd, uint64_t *ret_size, struct su_err *err)
{
    if (!reply->type || strcmp(reply->type, COLUMNS_TYPE) != 0)
        return su_fail(err, SU_INVALID, "path: only columns are given on this socket");
    *ret_size = reply->kind == REPLY_FILE ? reply->length : reply->len;
    if (reply->kind == REPLY_BYTES)
        return columns_seal(reply->data, reply->len, ret_fd, err);
    if (!is_sealed(reply->fd) || reply->offset)
        return columns_seal_file(reply->fd, reply->offset, reply->length, ret_fd, err);
    *ret_fd = reply->fd;
    reply->fd = -1;
    return true;
}

/* Not every GET may run here: some wait, some stream. */
static bool asks_for_columns(const struct request *request, struct su_err *err)
{
    const char *view = request_query(request, "view"), *type = request->route->response_type;
    if ((type && strcmp(type, COLUMNS_TYPE) == 0) || (view && strcmp(view, "columns") == 0))
        return true;
    su_fail_field(err, SU_INVALID, "path", "path: only columns are given on this socket");
    return su_hint(err, "everything else is asked for by HTTP, on api.sock beside it");
}

struct question { const char *token, *path; };
static const struct su_field question_fields[] = {
    SU_FIELD(struct question, token, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = 512),
    SU_FIELD(struct question, path, SU_FIELD_TEXT, .is_required = true, .min = 1, .max = FRAMES_QUESTION_MAX), SU_FIELD_END};

/* The question as the request it stands for. */
static bool read_question(struct request *request, const struct asker *asker, json_t **json, struct su_err *err)
{
    struct question question = {0};
    if (!su_json_parse((struct su_str){asker->text, asker->len}, "question", json, err))
        return false;
    if (!json_is_object(*json))
        return su_fail(err, SU_INVALID, "question: must be a JSON object with token and path");
    if (!su_json_bind(*json, question_fields, &question, err))
        return false;
    memcpy(request->method, "GET", sizeof "GET");
    request->uri = su_str_of(question.path);
    request->known[HEADER_AUTHORIZATION] = su_arena_format(request->arena, "Bearer %s", question.token);
    request->content_length = -1;
    return true;
}

static bool answer(struct frames *frames, struct request *request, const struct asker *asker, struct su_err *err)
{
    SU_AUTO_JSON json_t *json = NULL;
    SU_AUTO_FD int fd = -1;
    uint64_t size = 0;
    if (!read_question(request, asker, &json, err) || !request_admit(request, frames->router, err) || !asks_for_columns(request, err))
        return false;
    struct reply *reply = &request->reply;
    request->route->handle(request, reply);
    if (reply->kind == REPLY_BYTES && reply->status != 200) {       /* a problem */
        SU_AUTO_FREE char *line = su_format("%.*s\n", (int)reply->len, reply->data);
        say(asker->fd, line, strlen(line), -1);
        return true;
    }
    if (!sealed_reply(reply, &fd, &size, err))
        return false;
    say_json(asker->fd, json_pack("{s:i, s:I, s:o}", "status", 200, "size", (json_int_t)size, "headers", headers_of(reply)),
             size ? fd : -1);
    return true;
}

static void answer_one(struct frames *frames, struct asker *asker)
{
    struct su_err err;
    struct request *request = su_alloc(sizeof *request);
    *request = (struct request){.magic = REQUEST_MAGIC, .services = &frames->services, .server = frames->services.server,
                                .is_kernel = true, .peer = "", .began_ns = su_mono_ns(), .arena = su_arena_new()};
    reply_init(&request->reply, request);
    if (!answer(frames, request, asker, &err))
        say_problem(request, asker->fd, &err);
    su_log(SU_LOG_DEBUG, "frames.request", su_kv_text("path", request->route ? request->route->path : ""),
           su_kv_text("tenant", request->identity.tenant), su_kv_text("run", request->identity.run),
           su_kv_number("ms", (double)(su_mono_ns() - request->began_ns) / 1e6));
    request_done(request);
    free(request);
}

static void answer_main(void *arg)
{
    struct frames *frames = arg;
    for (struct asker *asker; (asker = su_queue_get(frames->queue));) {
        answer_one(frames, asker);
        asker_free(frames, asker);
    }
}

/* --------------------------------------------------------------- reading */

static void refuse(struct asker *asker, enum su_code code, const char *message)
{
    struct su_err err;
    su_fail_field(&err, code, "question", "question: %s", message);
    const struct su_problem *problem = su_problem_of(&err);
    say_json(asker->fd, json_pack("{s:s+, s:s, s:i, s:s, s:s}", "type", "/problems/", problem->slug, "title", problem->title,
                                  "status", problem->http_status, "detail", err.message, "field", err.field), -1);
}

enum reading { READING_MORE, READING_COMPLETE, READING_OVER };

static enum reading read_some(struct asker *asker)
{
    ssize_t count = recv(asker->fd, asker->text + asker->len, sizeof asker->text - asker->len, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return READING_MORE;
    if (count <= 0)
        return READING_OVER;
    char *end = memchr(asker->text + asker->len, '\n', (size_t)count);
    asker->len += (size_t)count;
    if (end) {
        asker->len = (size_t)(end - asker->text);
        return READING_COMPLETE;
    }
    if (asker->len < sizeof asker->text)
        return READING_MORE;
    refuse(asker, SU_LIMIT, "longer than 16 KiB");
    return READING_OVER;
}

static void accept_some(struct frames *frames)
{
    while (frames->open_count < frames->services.limits->frame_connections) {
        int fd = accept4(frames->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct asker *asker = su_alloc(sizeof *asker);
        asker->fd = fd;
        asker->deadline_ms = su_mono_ms() + FRAMES_DEADLINE_MS;
        asker->next = frames->askers;
        frames->askers = asker;
        frames->asker_count++;
        frames->open_count++;
    }
}

/* What to wait for: the wake-up, perhaps the listener, then each asker in the list's order. */
static int wait_for_some(struct frames *frames, struct pollfd *wanted, size_t *ret_first)
{
    size_t count = 0;
    int64_t until = su_mono_ms() + WAIT_MAX_MS;
    wanted[count++] = (struct pollfd){.fd = frames->wake_fd, .events = POLLIN};
    if (frames->open_count < frames->services.limits->frame_connections)
        wanted[count++] = (struct pollfd){.fd = frames->listen_fd, .events = POLLIN};
    *ret_first = count;
    for (struct asker *asker = frames->askers; asker; asker = asker->next) {
        wanted[count++] = (struct pollfd){.fd = asker->fd, .events = POLLIN};
        until = asker->deadline_ms < until ? asker->deadline_ms : until;
    }
    int64_t left = until - su_mono_ms();
    return poll(wanted, count, left > 0 ? (int)left : 0);
}

static void look_at_askers(struct frames *frames, const struct pollfd *ready)
{
    int64_t now = su_mono_ms();
    for (struct asker **at = &frames->askers; *at; ready++) {
        struct asker *asker = *at;
        enum reading reading = ready->revents ? read_some(asker) : READING_MORE;
        if (reading == READING_MORE && now < asker->deadline_ms) {
            at = &asker->next;
            continue;
        }
        *at = asker->next;
        frames->asker_count--;
        if (reading == READING_MORE)
            refuse(asker, SU_TIMEOUT, "did not come in time");
        if (reading != READING_COMPLETE || !su_queue_try_put(frames->queue, asker))
            asker_free(frames, asker);
    }
}

static void poll_main(void *arg)
{
    struct frames *frames = arg;
    struct pollfd *wanted = su_alloc((frames->services.limits->frame_connections + 2) * sizeof *wanted);
    while (!frames->must_stop) {
        size_t first;
        eventfd_t ignored;
        if (wait_for_some(frames, wanted, &first) < 0 && errno != EINTR)
            su_log(SU_LOG_ERROR, "frames.poll", su_kv_int("errno", errno));
        if (wanted[0].revents)
            eventfd_read(frames->wake_fd, &ignored);
        look_at_askers(frames, wanted + first);
        accept_some(frames);
    }
    while (frames->askers) {
        struct asker *asker = frames->askers;
        frames->askers = asker->next;
        asker_free(frames, asker);
    }
    free(wanted);
}

/* ------------------------------------------------------------------ life */

static bool listen_at(struct frames *frames, const char *path, struct su_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return su_fail(err, SU_INVALID, "the path of the frames' socket is too long: %s", path);
    memcpy(address.sun_path, path, strlen(path));
    frames->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (frames->listen_fd < 0)
        return su_fail_errno(err, errno, "can't make a socket");
    unlink(path);
    if (bind(frames->listen_fd, (struct sockaddr *)(void *)&address, sizeof address) < 0 || chmod(path, 0666) < 0 ||
        listen(frames->listen_fd, BACKLOG) < 0)
        return su_fail_errno(err, errno, "can't listen on %s", path);
    frames->path = su_strdup(path);
    return true;
}

static void frames_free(struct frames *frames)
{
    su_close_fd(&frames->listen_fd);
    su_close_fd(&frames->wake_fd);
    if (frames->path)
        unlink(frames->path);
    su_queue_free(frames->queue);
    free(frames->path);
    free(frames);
}

bool frames_open(const struct services *services, struct router *router, const char *path, struct frames **ret, struct su_err *err)
{
    struct frames *frames = su_alloc(sizeof *frames);
    frames->services = *services;
    frames->router = router;
    frames->listen_fd = -1;
    frames->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    frames->queue = su_queue_new(services->limits->frame_connections);
    if (frames->wake_fd < 0 || !listen_at(frames, path, err)) {
        if (frames->wake_fd < 0)
            su_fail_errno(err, errno, "eventfd");
        frames_free(frames);
        return false;
    }
    static const char *const names[ANSWERERS] = {"frames-1", "frames-2"};
    for (size_t i = 0; i < ANSWERERS; i++)
        su_thread_start(&frames->answerers[i], names[i], answer_main, frames);
    su_thread_start(&frames->poller, "frames", poll_main, frames);
    *ret = frames;
    return true;
}

void frames_close(struct frames *frames)
{
    if (!frames)
        return;
    frames->must_stop = true;
    eventfd_write(frames->wake_fd, 1);
    su_thread_join(&frames->poller);
    su_queue_close(frames->queue);
    for (size_t i = 0; i < ANSWERERS; i++)
        su_thread_join(&frames->answerers[i]);
    frames_free(frames);
}
