/* Threads, locks and bounded queues: see thread.h.  Layer base. */
#include "thread.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "str.h"

#ifdef __SANITIZE_ADDRESS__
enum { STACK_BYTES = 2048 * 1024 };     /* its frames are eight times as large */
#else
enum { STACK_BYTES = 256 * 1024 };
#endif

struct start { void (*run)(void *arg); void *arg; char name[16]; };

static void *begin(void *raw)
{
    struct start start = *(struct start *)raw;
    free(raw);
    pthread_setname_np(pthread_self(), start.name);
    start.run(start.arg);
    return NULL;
}

void su_thread_start_with_stack(struct su_thread *thread, const char *name, size_t stack_bytes, void (*run)(void *arg), void *arg)
{
    struct start *start = su_alloc(sizeof *start);
    *start = (struct start){.run = run, .arg = arg};
    for (size_t i = 0; i < sizeof start->name - 1 && name[i]; i++)
        start->name[i] = name[i];
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    int failed = pthread_create(&thread->id, &attributes, begin, start);
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    su_assert(failed == 0);
    thread->is_running = true;
}

void su_thread_start(struct su_thread *thread, const char *name, void (*run)(void *arg), void *arg)
{
    su_thread_start_with_stack(thread, name, STACK_BYTES, run, arg);
}

void su_thread_give_way(void)
{
    enum { NICE = 5 };
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);    /* Linux: of this thread alone */
}

void su_thread_join(struct su_thread *thread)
{
    if (!thread->is_running)
        return;
    pthread_join(thread->id, NULL);
    thread->is_running = false;
}

void su_lock_init(struct su_lock *lock)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutexattr_t adaptive;       /* held for a moment only: look again before going to sleep */
    pthread_mutexattr_init(&adaptive);
    pthread_mutexattr_settype(&adaptive, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&lock->mutex, &adaptive);
    pthread_mutexattr_destroy(&adaptive);
    pthread_cond_init(&lock->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

void su_lock_done(struct su_lock *lock)
{
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
}

void su_lock(struct su_lock *lock) { su_assert(pthread_mutex_lock(&lock->mutex) == 0); }
void su_unlock(struct su_lock *lock) { su_assert(pthread_mutex_unlock(&lock->mutex) == 0); }
void su_wait(struct su_lock *lock) { pthread_cond_wait(&lock->changed, &lock->mutex); }
void su_wake(struct su_lock *lock) { pthread_cond_broadcast(&lock->changed); }

bool su_wait_until(struct su_lock *lock, int64_t mono_ms)
{
    struct timespec until = {.tv_sec = mono_ms / 1000, .tv_nsec = (mono_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&lock->changed, &lock->mutex, &until) != ETIMEDOUT;
}

struct su_queue {
    struct su_lock lock;        /* changed: there is an item, or it was closed */
    pthread_cond_t has_room;
    void **items;
    size_t capacity, head, length;
    size_t sleepers;            /* getters that wait */
    bool is_waking;             /* one of them has been told and not yet looked */
    bool is_closed;
};

struct su_queue *su_queue_new(size_t capacity)
{
    struct su_queue *queue = su_alloc(sizeof *queue);
    su_lock_init(&queue->lock);
    pthread_cond_init(&queue->has_room, NULL);
    queue->items = su_alloc(capacity * sizeof *queue->items);
    queue->capacity = capacity;
    return queue;
}

void su_queue_free(struct su_queue *queue)
{
    if (!queue)
        return;
    su_lock_done(&queue->lock);
    pthread_cond_destroy(&queue->has_room);
    free(queue->items);
    free(queue);
}

static bool put_locked(struct su_queue *queue, void *item)
{
    if (queue->is_closed || queue->length == queue->capacity)
        return false;
    queue->items[(queue->head + queue->length++) % queue->capacity] = item;
    return true;
}

static void *get_locked(struct su_queue *queue)
{
    if (!queue->length)
        return NULL;
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->length--;
    return item;
}

/* Whether to wake a getter: one at a time, and each that comes for an item wakes
 * the next while there are more.  So a burst of items wakes few, and none waits
 * while a getter sleeps.  (Locked; tell after the lock is free, or who is woken
 * only waits for it.) */
static bool must_wake(struct su_queue *queue)
{
    if (!queue->length || !queue->sleepers || queue->is_waking)
        return false;
    queue->is_waking = true;
    return true;
}

static bool put_done(struct su_queue *queue, bool is_put)
{
    bool must = must_wake(queue);
    su_unlock(&queue->lock);
    if (must)
        pthread_cond_signal(&queue->lock.changed);
    return is_put;
}

static void *get_done(struct su_queue *queue, void *item)
{
    bool must = must_wake(queue);
    su_unlock(&queue->lock);
    if (must)
        pthread_cond_signal(&queue->lock.changed);
    if (item)
        pthread_cond_signal(&queue->has_room);
    return item;
}

bool su_queue_put(struct su_queue *queue, void *item)
{
    su_lock(&queue->lock);
    while (queue->length == queue->capacity && !queue->is_closed)
        pthread_cond_wait(&queue->has_room, &queue->lock.mutex);
    return put_done(queue, put_locked(queue, item));
}

bool su_queue_try_put(struct su_queue *queue, void *item)
{
    su_lock(&queue->lock);
    return put_done(queue, put_locked(queue, item));
}

void *su_queue_get(struct su_queue *queue)
{
    su_lock(&queue->lock);
    while (!queue->length && !queue->is_closed) {
        queue->sleepers++;
        su_wait(&queue->lock);
        queue->sleepers--;
        queue->is_waking = false;
    }
    return get_done(queue, get_locked(queue));
}

void *su_queue_try_get(struct su_queue *queue)
{
    su_lock(&queue->lock);
    return get_done(queue, get_locked(queue));
}

void su_queue_close(struct su_queue *queue)
{
    SU_LOCKED(&queue->lock);
    queue->is_closed = true;
    su_wake(&queue->lock);
    pthread_cond_broadcast(&queue->has_room);
}

size_t su_queue_length(struct su_queue *queue)
{
    SU_LOCKED(&queue->lock);
    return queue->length;
}
