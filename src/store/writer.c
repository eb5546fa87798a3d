/* The writer thread: see writer.h.  Layer store.
 *
 * One turn: take what waits (up to a cap of jobs and time), run each job in its
 * own savepoint inside one transaction, commit with a sync, then answer all.
 * A job that fails rolls back alone; a commit that fails fails them all. */
#include "writer.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/thread.h"

enum { TURN_JOBS_MAX = 512, TURN_MS_MAX = 5 };

struct task {
    struct task *next;
    store_job *job;
    store_done *done;       /* NULL: somebody waits on the writer's lock for is_over */
    void *arg;
    struct su_err err;
    bool is_ok, is_over;
};

struct writer {
    struct sql *db;
    void (*on_commit)(void *arg, struct sql *db);
    void *arg;
    struct su_thread thread;
    struct su_lock lock;
    struct task *first, **last;
    bool is_closing;
    struct store_stats stats;
};

static struct task *take(struct writer *writer, bool wait)
{
    SU_LOCKED(&writer->lock);
    while (wait && !writer->first && !writer->is_closing)
        su_wait(&writer->lock);
    struct task *task = writer->first;
    if (task) {
        writer->first = task->next;
        if (!writer->first)
            writer->last = &writer->first;
        task->next = NULL;
        writer->stats.queue_length--;
    }
    return task;
}

static void run_job(struct writer *writer, struct task *task)
{
    task->is_ok = sql_run(writer->db, &task->err, "SAVEPOINT job") && task->job(writer->db, task->arg, &task->err);
    struct su_err ignored;
    if (task->is_ok) {
        task->is_ok = sql_run(writer->db, &task->err, "RELEASE job");
    } else {
        /* On a full disk SQLite may have rolled the whole transaction back already; the commit then tells. */
        sql_run(writer->db, &ignored, "ROLLBACK TO job");
        sql_run(writer->db, &ignored, "RELEASE job");
    }
}

static void answer(struct writer *writer, struct task *task)
{
    if (task->done) {
        task->done(task->arg, task->is_ok, &task->err);
        free(task);
        return;
    }
    SU_LOCKED(&writer->lock);
    task->is_over = true;
    su_wake(&writer->lock);
}

/* Run a turn starting with `first`; returns the tasks run, linked. */
static struct task *turn(struct writer *writer, struct task *first)
{
    struct su_err err = {0};
    struct task *tail = first;
    int64_t deadline = su_mono_ms() + TURN_MS_MAX;
    bool is_open = sql_run(writer->db, &err, "BEGIN IMMEDIATE");
    for (int count = 1; is_open; count++) {
        run_job(writer, tail);
        if (count == TURN_JOBS_MAX || su_mono_ms() >= deadline || !(tail->next = take(writer, false)))
            break;
        tail = tail->next;
    }
    int64_t began = su_mono_ns();
    if (!is_open || !sql_run(writer->db, &err, "COMMIT")) {
        struct su_err ignored;
        sql_run(writer->db, &ignored, "ROLLBACK");
        for (struct task *task = first; task; task = task->next)
            if (task->is_ok || !is_open) {
                task->is_ok = false;
                task->err = err;
            }
    }
    SU_LOCKED(&writer->lock);
    writer->stats.commit_ns_total += (uint64_t)(su_mono_ns() - began);
    writer->stats.commits++;
    return first;
}

static void writer_loop(void *arg)
{
    struct writer *writer = arg;
    for (struct task *task; (task = take(writer, true));) {
        task = turn(writer, task);
        for (struct task *next; task; task = next) {
            next = task->next;
            answer(writer, task);
        }
        writer->on_commit(writer->arg, writer->db);
    }
}

struct writer *writer_new(struct sql *db, void (*on_commit)(void *arg, struct sql *db), void *arg)
{
    struct writer *writer = su_alloc(sizeof *writer);
    writer->db = db;
    writer->on_commit = on_commit;
    writer->arg = arg;
    writer->last = &writer->first;
    su_lock_init(&writer->lock);
    su_thread_start(&writer->thread, "writer", writer_loop, writer);
    return writer;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    su_lock(&writer->lock);
    writer->is_closing = true;
    su_wake(&writer->lock);
    su_unlock(&writer->lock);
    su_thread_join(&writer->thread);
    su_lock_done(&writer->lock);
    sql_close(writer->db);
    free(writer);
}

static void enqueue(struct writer *writer, struct task *task)
{
    *writer->last = task;
    writer->last = &task->next;
    writer->stats.jobs++;
    writer->stats.queue_length++;
    su_wake(&writer->lock);
}

bool writer_run(struct writer *writer, store_job *job, void *arg, struct su_err *err)
{
    struct task task = {.job = job, .arg = arg};
    su_lock(&writer->lock);
    enqueue(writer, &task);
    while (!task.is_over)
        su_wait(&writer->lock);
    su_unlock(&writer->lock);
    if (!task.is_ok)
        *err = task.err;
    return task.is_ok;
}

void writer_run_later(struct writer *writer, store_job *job, store_done *done, void *arg)
{
    su_assert(done);
    struct task *task = su_alloc(sizeof *task);
    *task = (struct task){.job = job, .done = done, .arg = arg};
    SU_LOCKED(&writer->lock);
    enqueue(writer, task);
}

void writer_stats(struct writer *writer, struct store_stats *ret)
{
    SU_LOCKED(&writer->lock);
    *ret = writer->stats;
}
