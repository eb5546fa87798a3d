/*
 * The least there is to a durable log: batches appended to a file, each synced before the next.
 * No network, no parsing, no framing.
 *
 *   append FILE MESSAGES COUNT     MESSAGES: lines; COUNT batches of 1,000 of them, over and over
 *
 * Prints the seconds it took.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1000, BATCHES_MAX = 10000 };
static struct { const char *data; size_t size; } batches[BATCHES_MAX];

static size_t cut(const char *text, size_t size)
{
    size_t count = 0, lines = 0;
    const char *first = text;
    for (const char *at = text, *end = text + size; at < end && (at = memchr(at, '\n', (size_t)(end - at))) && count < BATCHES_MAX;) {
        at++;
        if (++lines % BATCH == 0) {
            batches[count].data = first;
            batches[count++].size = (size_t)(at - first);
            first = at;
        }
    }
    return count;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct stat status;
    int from = argc == 4 ? open(argv[2], O_RDONLY) : -1, to = argc == 4 ? open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600) : -1;
    if (from < 0 || to < 0 || fstat(from, &status) != 0)
        return fprintf(stderr, "usage: append FILE MESSAGES COUNT\n"), 2;
    char *text = malloc((size_t)status.st_size);
    if (!text || read(from, text, (size_t)status.st_size) != status.st_size)
        return perror("append"), 1;
    size_t count = cut(text, (size_t)status.st_size);
    double began = now_s();
    for (int i = 0, wanted = atoi(argv[3]); i < wanted && count; i++)
        if (write(to, batches[(size_t)i % count].data, batches[(size_t)i % count].size) < 0 || fdatasync(to) != 0)
            return perror("append"), 1;
    printf("%.6f\n", now_s() - began);
    return 0;
}
