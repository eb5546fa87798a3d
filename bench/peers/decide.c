/* Both ends of bench/decide: publishes to a queue at a steady rate, and takes the webhooks of what was decided.
 * decide AMQP_PORT QUEUE HTTP_PORT RATE SECONDS WINDOW_MS
 *
 * A message's event time is the moment it was due, so the message that closes a window is due when the window ends, and
 * a decision's age on arrival is the time since then: a sender or server that falls behind is not forgiven.  Windows of
 * value 0 and 200 take turns, so that each makes a decision.  Prints a line for each webhook: the window's end and its
 * arrival in µs, and the decision's id. */
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 20, LATE_S = 3 };

static int64_t now_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static void sleep_until(int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL) != 0)
        ;
}

/* ------------------------------------------------------------------ webhooks */

/* Headers and the body they promise are there; their length, else 0. */
static size_t request_length(const char *text, size_t len)
{
    const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
    if (!end || !length)
        return 0;
    size_t whole = (size_t)(end - text) + 4 + strtoul(length + 17, NULL, 10);
    return len >= whole ? whole : 0;
}

static void note(const char *text, int64_t at_us)
{
    const char *end = strstr(text, "\"end_us\":"), *id = strstr(text, "\"id\":");
    if (!end || !id)
        return;
    id += 5 + strspn(id + 5, " \"");
    printf("%" PRId64 " %" PRId64 " %.26s\n", (int64_t)strtoll(end + 9, NULL, 10), at_us, id);
}

static void serve(int connection, char *text)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    size_t len = 0;
    ssize_t came;
    while ((came = read(connection, text + len, BODY_MAX - len - 1)) > 0) {
        int64_t at_us = now_us();
        len += (size_t)came;
        text[len] = '\0';
        size_t whole = request_length(text, len);
        if (!whole)
            continue;
        note(text, at_us);
        if (write(connection, answer, sizeof answer - 1) < 0)
            break;
        memmove(text, text + whole, len - whole);
        len -= whole;
    }
    close(connection);
}

static void *receive(void *arg)
{
    char *text = malloc(BODY_MAX);
    int listener = *(int *)arg;
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0)
            break;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        serve(connection, text);
    }
    free(text);
    return NULL;
}

static int listen_on(int port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0)
        exit(1);
    return listener;
}

/* ------------------------------------------------------------------ messages */

static amqp_connection_state_t connect_to(int port)
{
    amqp_connection_state_t state = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(state);
    if (amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK ||
        amqp_login(state, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest").reply_type != AMQP_RESPONSE_NORMAL)
        exit(1);
    amqp_channel_open(state, 1);
    if (amqp_get_rpc_reply(state).reply_type != AMQP_RESPONSE_NORMAL)
        exit(1);
    return state;
}

static void publish(amqp_connection_state_t state, const char *queue, int64_t due_us, int64_t window_us)
{
    char body[128];
    int len = snprintf(body, sizeof body, "{\"ts\":%" PRId64 ",\"v\":%d,\"host\":\"node-07\",\"call\":\"read\"}", due_us,
                       due_us / window_us % 2 ? 200 : 0);
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
    if (amqp_basic_publish(state, 1, amqp_empty_bytes, amqp_cstring_bytes(queue), 0, 0, &properties,
                           (amqp_bytes_t){(size_t)len, body}) != AMQP_STATUS_OK)
        exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    int64_t rate = strtol(argv[4], NULL, 10), seconds = strtol(argv[5], NULL, 10), window_us = strtol(argv[6], NULL, 10) * 1000;
    int listener = listen_on((int)strtol(argv[3], NULL, 10));
    pthread_t receiver;
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    pthread_create(&receiver, NULL, receive, &listener);
    amqp_connection_state_t state = connect_to((int)strtol(argv[1], NULL, 10));
    int64_t start_us = (now_us() / 1000000 + 1) * 1000000;
    for (int64_t number = 0; number <= rate * seconds; number++) {
        int64_t due_us = start_us + number * 1000000 / rate;
        sleep_until(due_us);
        publish(state, argv[2], due_us, window_us);
    }
    sleep_until(now_us() + LATE_S * 1000000);
    fflush(stdout);
    amqp_connection_close(state, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state);
    _exit(0);
}
