/*
 * A publisher: batches of 1,000 lines, POSTed as NDJSON over several connections, each waiting for its answer.
 * Light, so that on a small machine the server is what is measured.
 *
 *   push PORT PATH TOKEN MESSAGES COUNT CONNECTIONS     COUNT batches in all
 *
 * Prints the seconds it took; an answer that is not 200 ends it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1000, BATCHES_MAX = 10000, CONNECTIONS_MAX = 64 };
static struct { char *data; size_t size; } batches[BATCHES_MAX];
static size_t batch_count;
static const char *path, *token;
static int port;
static atomic_int left;

static void cut(char *text, size_t size)
{
    size_t lines = 0;
    char *first = text;
    for (char *at = text, *end = text + size; at < end && (at = memchr(at, '\n', (size_t)(end - at))) && batch_count < BATCHES_MAX;) {
        at++;
        if (++lines % BATCH == 0) {
            batches[batch_count].data = first;
            batches[batch_count++].size = (size_t)(at - first);
            first = at;
        }
    }
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

static void send_batch(int fd, size_t number)
{
    char head[1024];
    int length = snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n"
                                             "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
                          path, port, token, batches[number].size);
    struct iovec parts[2] = {{head, (size_t)length}, {batches[number].data, batches[number].size}};
    while (parts[1].iov_len) {
        ssize_t sent = writev(fd, parts, 2);
        if (sent < 0)
            fail("send");
        for (int i = 0; i < 2; i++) {
            size_t gone = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + gone;
            parts[i].iov_len -= gone;
            sent -= (ssize_t)gone;
        }
    }
}

static void read_answer(int fd)
{
    char text[4096];
    size_t used = 0;
    for (;;) {
        ssize_t got = recv(fd, text + used, sizeof text - 1 - used, 0);
        if (got <= 0)
            fail("recv");
        text[used += (size_t)got] = '\0';
        char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (end && length && used >= (size_t)(end + 4 - text) + (size_t)atoi(length + 16))
            break;
    }
    if (strncmp(text, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "%s\n", text);
        exit(1);
    }
}

static void *publish(void *arg)
{
    int fd = connected(), number;
    while ((number = atomic_fetch_sub(&left, 1)) > 0) {
        send_batch(fd, (size_t)number % batch_count);
        read_answer(fd);
    }
    close(fd);
    return arg;
}

int main(int argc, char **argv)
{
    struct stat status;
    struct timespec began, ended;
    pthread_t threads[CONNECTIONS_MAX];
    if (argc != 7)
        return fprintf(stderr, "usage: push PORT PATH TOKEN MESSAGES COUNT CONNECTIONS\n"), 2;
    port = atoi(argv[1]);
    path = argv[2];
    token = argv[3];
    left = atoi(argv[5]);
    int connections = atoi(argv[6]), from = open(argv[4], O_RDONLY);
    if (from < 0 || fstat(from, &status) != 0 || connections < 1 || connections > CONNECTIONS_MAX)
        fail(argv[4]);
    char *text = malloc((size_t)status.st_size);
    if (!text || read(from, text, (size_t)status.st_size) != status.st_size)
        fail(argv[4]);
    cut(text, (size_t)status.st_size);
    clock_gettime(CLOCK_MONOTONIC, &began);
    for (int i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, publish, NULL);
    for (int i = 0; i < connections; i++)
        pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%.6f\n", (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) / 1e9);
    return 0;
}
