/* Threads, locks and bounded queues.  Layer base.  One of the few files that
 * may include pthread.h; everybody else uses these. */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct su_thread { pthread_t id; bool is_running; };
/* Start `run(arg)` under `name` (≤ 15 characters), all signals blocked; aborts when it can't. */
void su_thread_start(struct su_thread *thread, const char *name, void (*run)(void *arg), void *arg);
/* The same with a stack of its own size (else 256 KiB). */
void su_thread_start_with_stack(struct su_thread *thread, const char *name, size_t stack_bytes, void (*run)(void *arg), void *arg);
/* The calling thread gives way to others from now on: for work that nobody waits for. */
void su_thread_give_way(void);
void su_thread_join(struct su_thread *thread);           /* no-op when not running */

struct su_lock { pthread_mutex_t mutex; pthread_cond_t changed; };
void su_lock_init(struct su_lock *lock);
void su_lock_done(struct su_lock *lock);
void su_lock(struct su_lock *lock);
void su_unlock(struct su_lock *lock);
void su_wait(struct su_lock *lock);                      /* for su_wake; spurious wake-ups happen */
bool su_wait_until(struct su_lock *lock, int64_t mono_ms); /* false when that time has come */
void su_wake(struct su_lock *lock);                      /* wakes all */
static inline void su_unlock_pointer(struct su_lock **lock) { su_unlock(*lock); }
/* Hold to the end of the scope. */
#define SU_LOCKED(lock_) struct su_lock *su_held_ __attribute__((cleanup(su_unlock_pointer), unused)) = (su_lock(lock_), (lock_))

/* A bounded queue of pointers.  Crossing it is a move. */
struct su_queue;
struct su_queue *su_queue_new(size_t capacity);
void su_queue_free(struct su_queue *queue);              /* must be empty or its items owned elsewhere */
bool su_queue_put(struct su_queue *queue, void *item);   /* waits for room; false when closed */
bool su_queue_try_put(struct su_queue *queue, void *item); /* false when full or closed */
void *su_queue_get(struct su_queue *queue);              /* waits; NULL when closed and empty */
void *su_queue_try_get(struct su_queue *queue);          /* NULL when empty */
void su_queue_close(struct su_queue *queue);             /* getters drain, then get NULL */
size_t su_queue_length(struct su_queue *queue);
