/* The threads of watches: whose turn it is, and which watches there are.  See watch.h and watch_private.h.  Layer act; threads "watches-N". */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/log.h"
#include "watch_private.h"

struct watch_worker *watches_find(struct watches *watches, const char *tenant, const char *name)
{
    SU_LOCKED(&watches->lock);
    for (size_t i = 0; i < watches->worker_count; i++) {
        struct watch_worker *worker = watches->workers[i];
        if (strcmp(worker->name, name) == 0 && strcmp(worker->tenant, tenant) == 0)
            return watch_worker_ref(worker);
    }
    return NULL;
}

static struct watch_worker *known(struct watches *watches, int64_t number)
{
    for (size_t i = 0; i < watches->worker_count; i++)
        if (watches->workers[i]->number == number)
            return watches->workers[i];
    return NULL;
}

/* Locked. */
static void add_worker(struct watches *watches, struct watch_worker *worker)
{
    if (watches->worker_count == watches->worker_capacity) {
        watches->worker_capacity = watches->worker_capacity ? watches->worker_capacity * 2 : 16;
        watches->workers = su_realloc(watches->workers, watches->worker_capacity * sizeof *watches->workers);
    }
    watches->workers[watches->worker_count++] = worker;
}

static bool is_mine(int64_t number, size_t thread) { return (size_t)number % WATCH_THREADS == thread; }

static void reload_one(struct watches *watches, int64_t number)
{
    WATCH_AUTO_ROW struct watch_row row = {0};
    struct su_err err;
    {
        STORE_READ(watches->store, db);
        if (!watch_row_load_number(db, number, &row, &err))
            return;
    }
    su_lock(&watches->lock);
    struct watch_worker *worker = known(watches, number);
    su_unlock(&watches->lock);
    bool is_new = worker == NULL;
    if (is_new)
        worker = watch_worker_new(watches, &row);
    if (is_new || worker->generation != row.generation)
        watch_take_definition(worker, &row);
    SU_LOCKED(&watches->lock);
    worker->is_due = true;
    if (is_new)
        add_worker(watches, worker);
}

static bool list_numbers(struct watches *watches, size_t thread, int64_t **ret, size_t *ret_count, struct su_err *err)
{
    size_t count = 0, capacity = 64;
    SU_AUTO_FREE int64_t *numbers = su_alloc(capacity * sizeof *numbers);
    STORE_READ(watches->store, db);
    SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT number FROM watches");
    enum sql_next next = SQL_ERROR;
    while (row && (next = sql_step(row, err)) == SQL_ROW) {
        if (!is_mine(sql_col_int(row, 0), thread))
            continue;
        if (count == capacity)
            numbers = su_realloc(numbers, (capacity *= 2) * sizeof *numbers);
        numbers[count++] = sql_col_int(row, 0);
    }
    if (next != SQL_DONE)
        return false;
    *ret = su_take(numbers);
    *ret_count = count;
    return true;
}

/* The workers of rows that are gone leave the list. */
static void end_gone(struct watches *watches, size_t thread, const int64_t *numbers, size_t count)
{
    for (size_t i = 0;;) {
        struct watch_worker *gone = NULL;
        su_lock(&watches->lock);
        for (; i < watches->worker_count && gone == NULL; i++) {
            bool is_there = !is_mine(watches->workers[i]->number, thread);
            for (size_t j = 0; j < count && !is_there; j++)
                is_there = numbers[j] == watches->workers[i]->number;
            if (is_there)
                continue;
            gone = watches->workers[i];
            watches->workers[i--] = watches->workers[--watches->worker_count];
        }
        su_unlock(&watches->lock);
        if (gone == NULL)
            return;
        watch_worker_end(gone);
        watch_worker_unref(gone);
    }
}

static void reload(struct watches *watches, size_t thread)
{
    SU_AUTO_FREE int64_t *numbers = NULL;
    size_t count = 0;
    struct su_err err;
    if (!list_numbers(watches, thread, &numbers, &count, &err)) {
        su_log_error("watches.reload", &err);
        return;
    }
    end_gone(watches, thread, numbers, count);
    for (size_t i = 0; i < count; i++)
        reload_one(watches, numbers[i]);
}

/* Locked: a worker of this thread's with something to do; else *wake_ms is when there will be. */
static struct watch_worker *next_due(struct watches *watches, size_t thread, int64_t *wake_ms)
{
    int64_t now = su_mono_ms();
    *wake_ms = now + WATCH_COMMIT_MS;
    for (size_t i = 0; i < watches->worker_count; i++) {
        struct watch_worker *worker = watches->workers[i];
        if (!is_mine(worker->number, thread) || worker->is_stopped)
            continue;
        bool is_uncommitted = worker->engine && watch_engine_next(worker->engine) != worker->committed_us;
        if (worker->retry_ms ? worker->retry_ms <= now : worker->is_due || (is_uncommitted && now - worker->committed_ms > WATCH_COMMIT_MS)) {
            worker->is_due = false;
            return worker;
        }
        if (worker->retry_ms && worker->retry_ms < *wake_ms)
            *wake_ms = worker->retry_ms;
    }
    return NULL;
}

/* Waits for work; false: the end.  *ret NULL: the definitions have changed. */
static bool wait_for_work(struct watches *watches, size_t thread, struct watch_worker **ret)
{
    SU_LOCKED(&watches->lock);
    for (;;) {
        int64_t wake_ms;
        if (watches->is_closing)
            return false;
        *ret = NULL;
        if (watches->has_changed[thread]) {
            watches->has_changed[thread] = false;
            return true;
        }
        *ret = next_due(watches, thread, &wake_ms);
        if (*ret)
            return true;
        if (watches->worker_count == 0)
            su_wait(&watches->lock);
        else
            su_wait_until(&watches->lock, wake_ms);
    }
}

static void save_mine(struct watches *watches, size_t thread)
{
    for (size_t i = 0;; i++) {
        su_lock(&watches->lock);
        WATCH_AUTO_WORKER struct watch_worker *worker = watch_worker_ref(i < watches->worker_count ? watches->workers[i] : NULL);
        su_unlock(&watches->lock);
        if (worker == NULL)
            return;
        if (is_mine(worker->number, thread))
            watch_save(worker);
    }
}

struct starting { struct watches *watches; size_t thread; };

static void run(void *arg)
{
    struct starting *starting = arg;
    struct watches *watches = starting->watches;
    size_t thread = starting->thread;
    struct watch_worker *worker;
    free(starting);
    while (wait_for_work(watches, thread, &worker)) {
        if (worker == NULL)
            reload(watches, thread);
        else
            watch_run_turn(worker);
    }
    save_mine(watches, thread);
}

/* Locked.  Threads take memory: they start with the first watch. */
static void start_threads(struct watches *watches)
{
    for (size_t i = 0; i < WATCH_THREADS && !watches->is_closing && !watches->is_started; i++) {
        struct starting *starting = su_alloc(sizeof *starting);
        *starting = (struct starting){watches, i};
        char name[16];
        snprintf(name, sizeof name, "watches-%zu", i);
        su_thread_start(&watches->threads[i], name, run, starting);
    }
    watches->is_started = true;
}

static void look_again(struct watches *watches)
{
    for (size_t i = 0; i < WATCH_THREADS; i++)
        watches->has_changed[i] = true;
    su_wake(&watches->lock);
}

void watches_changed(struct watches *watches)
{
    SU_LOCKED(&watches->lock);
    start_threads(watches);
    look_again(watches);
}

static void streams_changed(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct watches *watches = arg;
    SU_LOCKED(&watches->lock);
    look_again(watches);
}

bool watches_run_start(struct watches *watches, struct su_err *err)
{
    int64_t has_any;
    watches->definitions = su_bus_subscribe(watches->bus, "streams", streams_changed, watches);
    STORE_READ(watches->store, db);
    if (!sql_get_int(db, 0, &has_any, err, "SELECT 1 FROM watches LIMIT 1"))
        return false;
    if (has_any)
        watches_changed(watches);
    return true;
}

void watches_run_stop(struct watches *watches)
{
    su_bus_unsubscribe(watches->bus, watches->definitions);
    su_lock(&watches->lock);
    watches->is_closing = true;
    su_wake(&watches->lock);
    su_unlock(&watches->lock);
    for (size_t i = 0; i < WATCH_THREADS; i++)
        su_thread_join(&watches->threads[i]);
    for (size_t i = 0; i < watches->worker_count; i++) {
        watch_worker_end(watches->workers[i]);
        watch_worker_unref(watches->workers[i]);
    }
    free(watches->workers);
}
