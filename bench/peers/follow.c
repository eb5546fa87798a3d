/*
 * A publisher and a follower in one process, so that one clock tells how long the way is.
 *
 *   follow PORT STREAM TOKEN RATE SECONDS
 *
 * Pushes RATE messages a second, ten in each request, at even distances over four connections; each message holds the
 * nanosecond at which it was due.  Meanwhile follows the stream by server-sent events.
 * Prints: messages that came, 50th and 99th percentile and the largest time from due to read, in milliseconds.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 10, CONNECTIONS = 4 };
static const char *stream, *token;
static int port, rate, seconds, wanted;
static long began_ns;
static atomic_int next_batch;
static double *waits;

static long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int connected(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void push(int fd, long due_ns, int number)
{
    char body[BATCH * 160], text[sizeof body + 512], answer[4096];
    int length = 0, used = 0;
    for (int i = 0; i < BATCH; i++)
        length += snprintf(body + length, sizeof body - (size_t)length,
                           "{\"due\":%ld,\"n\":%d,\"comm\":\"worker%02d\",\"text\":\"about as long as a usual message is\"}\n", due_ns, number + i, i);
    length = snprintf(text, sizeof text, "POST /v1/streams/%s/messages HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                                         "Content-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s", stream, port, token, length, body);
    if (send(fd, text, (size_t)length, 0) != length)
        fail("send");
    do {
        ssize_t got = recv(fd, answer + used, sizeof answer - 1 - (size_t)used, 0);
        if (got <= 0)
            fail("recv");
        answer[used += (int)got] = '\0';
    } while (!strstr(answer, "\"repeated\""));
}

static void *publish(void *arg)
{
    int fd = connected();
    for (int number; (number = atomic_fetch_add(&next_batch, 1)) < wanted / BATCH;) {
        long due_ns = began_ns + (long)number * BATCH * (1000000000L / rate);
        struct timespec due = {due_ns / 1000000000L, due_ns % 1000000000L};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        push(fd, due_ns, number * BATCH);
    }
    close(fd);
    return arg;
}

static int open_tail(void)
{
    char text[1024];
    int fd = connected();
    int length = snprintf(text, sizeof text, "GET /v1/streams/%s/tail HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n", stream, port, token);
    if (send(fd, text, (size_t)length, 0) != length || recv(fd, text, sizeof text, 0) <= 0 || strncmp(text, "HTTP/1.1 200", 12) != 0)
        fail("tail");
    return fd;
}

/* Each message is told by its "due": what stands between is not looked at, and a chunk may cut anywhere. */
static int follow(int fd)
{
    static char text[1 << 20];
    size_t used = 0;
    int count = 0;
    while (count < wanted) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        long read_ns = now_ns();
        if (got <= 0)
            fail("tail");
        text[used += (size_t)got] = '\0';
        char *at = text, *found;
        while ((found = strstr(at, "\"due\":")) && strchr(found + 6, ',') && count < wanted) {
            waits[count++] = (double)(read_ns - atol(found + 6)) / 1e6;
            at = found + 6;
        }
        size_t kept = (size_t)(text + used - at) < 64 ? (size_t)(text + used - at) : 64;
        if (found)
            kept = (size_t)(text + used - found);
        memmove(text, text + used - kept, kept);
        used = kept;
    }
    return count;
}

static int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

int main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS];
    if (argc != 6)
        return fprintf(stderr, "usage: follow PORT STREAM TOKEN RATE SECONDS\n"), 2;
    port = atoi(argv[1]);
    stream = argv[2];
    token = argv[3];
    rate = atoi(argv[4]);
    seconds = atoi(argv[5]);
    wanted = rate * seconds / BATCH * BATCH;
    waits = calloc((size_t)wanted, sizeof *waits);
    int fd = open_tail();
    began_ns = now_ns() + 200000000L;
    for (int i = 0; i < CONNECTIONS; i++)
        pthread_create(&threads[i], NULL, publish, NULL);
    int count = follow(fd);
    for (int i = 0; i < CONNECTIONS; i++)
        pthread_join(threads[i], NULL);
    qsort(waits, (size_t)count, sizeof *waits, by_value);
    printf("%d %.3f %.3f %.3f\n", count, waits[count / 2], waits[(int)(count * 0.99)], waits[count - 1]);
    return 0;
}
