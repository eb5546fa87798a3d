/* The scheduler: see schedule.h.  Layer act. */
#include "schedule.h"
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "schedule_private.h"

enum { RETRY_MS = 1000, CLOCK_MS = 10 * 1000 /* the wall clock may have been set */, QUEUE_MS = 5000 };

int64_t schedule_now_us(struct schedule *schedule)
{
    return schedule->options.now_us ? schedule->options.now_us(schedule->options.arg) : su_steady_now(&schedule->clock);
}

bool schedule_is_closing(struct schedule *schedule)
{
    SU_LOCKED(&schedule->lock);
    return schedule->is_closing;
}

/* --- what wakes it ---------------------------------------------------------------------------- */

static void wake_entry(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct entry *entry = arg;
    (void)topic, (void)event, (void)detail;
    SU_LOCKED(&entry->schedule->lock);
    entry->is_due = true;
    su_wake(&entry->schedule->lock);
}

/* Called for everything that is published: looks at the topic's first letters. */
static void hear(void *arg, const char *topic, const char *event, const json_t *detail)
{
    static const char *const settled[] = {"run.finished", "action.sent", "action.failed", "decision.settled"};
    struct schedule *schedule = arg;
    bool has_changed = strcmp(topic, "triggers") == 0 || strcmp(topic, "streams") == 0, has_settled = false;
    (void)detail;
    if (strncmp(topic, "tenant/", 7) == 0)
        for (size_t i = 0; i < SU_COUNT(settled); i++)
            has_settled = has_settled || strcmp(event, settled[i]) == 0;
    if (!has_changed && !has_settled)
        return;
    SU_LOCKED(&schedule->lock);
    schedule->has_changed |= has_changed;
    schedule->has_settled |= has_settled;
    su_wake(&schedule->lock);
}

void schedule_wake(struct schedule *schedule)
{
    SU_LOCKED(&schedule->lock);
    schedule->is_woken = true;
    su_wake(&schedule->lock);
}

/* By its name, so that the first message of a stream that is made later is heard too. */
static void follow(struct entry *entry)
{
    SU_AUTO_FREE char *topic = su_format("stream/%s/%s", entry->row.tenant, entry->definition.stream);
    entry->subscription = su_bus_subscribe(entry->schedule->triggers->bus, topic, wake_entry, entry);
}

/* --- entries ------------------------------------------------------------------------------------ */

static void entry_free(struct entry *entry)
{
    su_bus_unsubscribe(entry->schedule->triggers->bus, entry->subscription);
    trigger_definition_done(&entry->definition);
    trigger_row_done(&entry->row);
    free(entry);
}

/* Written down is only what has gone on: at the end, and when a definition changes. */
static void entry_end(struct entry *entry)
{
    struct su_err err;
    if (entry->definition.stream && entry->row.offset != entry->kept_offset && !schedule_keep(entry, &err) && err.code != SU_CONFLICT
        && err.code != SU_NOT_FOUND)
        su_log_error("trigger.keep", &err, su_kv_text("trigger", entry->row.name));
    entry_free(entry);
}

struct gathering { struct schedule *schedule; struct entry **entries; size_t count, capacity; };

static struct entry *find_entry(struct schedule *schedule, const struct trigger_row *row)
{
    for (size_t i = 0; i < schedule->count; i++) {
        struct entry *entry = schedule->entries[i];
        if (entry && strcmp(entry->row.generation, row->generation) == 0 && entry->row.version == row->version) {
            schedule->entries[i] = NULL;
            return entry;
        }
    }
    return NULL;
}

static struct entry *entry_new(struct schedule *schedule, struct trigger_row *row)
{
    struct su_err err;
    struct trigger_definition definition = {0};
    if (!trigger_definition_read(row->definition, &definition, &err)) {
        su_log_error("trigger.definition", &err, su_kv_text("trigger", row->name));     /* a zone that this machine lacks by now */
        return NULL;
    }
    if (!definition.is_enabled || row->is_stopped || (definition.kind == TRIGGER_API)) {
        trigger_definition_done(&definition);
        return NULL;
    }
    struct entry *entry = su_alloc(sizeof *entry);
    *entry = (struct entry){.schedule = schedule, .row = *row, .definition = definition, .next_us = INT64_MAX, .kept_offset = row->offset,
                            .kept_ms = su_mono_ms()};
    *row = (struct trigger_row){0};
    if (entry->definition.stream)
        follow(entry);
    return entry;
}

static void gather(void *arg, struct trigger_row *row)
{
    struct gathering *gathering = arg;
    struct entry *entry = row->is_stopped ? NULL : find_entry(gathering->schedule, row);
    if (entry == NULL)
        entry = entry_new(gathering->schedule, row);
    trigger_row_done(row);
    if (entry == NULL)
        return;
    if (gathering->count == gathering->capacity) {
        gathering->capacity = gathering->capacity ? 2 * gathering->capacity : 16;
        gathering->entries = su_realloc(gathering->entries, gathering->capacity * sizeof(struct entry *));
    }
    {
        SU_LOCKED(&gathering->schedule->lock);
        entry->is_due = true;
    }
    gathering->entries[gathering->count++] = entry;
}

static void reload(struct schedule *schedule)
{
    struct gathering gathering = {.schedule = schedule};
    struct su_err err;
    STORE_READ(schedule->triggers->store, db);
    if (!trigger_each(db, NULL, gather, &gathering, &err))
        su_log_error("trigger.reload", &err);
    for (size_t i = 0; i < schedule->count; i++)
        if (schedule->entries[i])
            entry_end(schedule->entries[i]);
    free(schedule->entries);
    schedule->entries = gathering.entries;
    schedule->count = gathering.count;
}

/* --- turns ----------------------------------------------------------------------------------------- */

/* Where it does not go on by itself: its generation is over, or it was stopped; the next reload sees to it. */
static bool is_over(const struct su_err *err) { return err->code == SU_CONFLICT || err->code == SU_NOT_FOUND; }

static void run_entry(struct entry *entry)
{
    struct su_err err;
    bool has_more = false;
    entry->retry_ms = 0;
    bool is_fine = entry->definition.kind == TRIGGER_CRON ? schedule_tick(entry, &err) : schedule_read(entry, &has_more, &err);
    if (!is_fine) {
        if (!is_over(&err))
            su_log_error("trigger.turn", &err, su_kv_text("trigger", entry->row.name));
        entry->retry_ms = is_over(&err) ? INT64_MAX : su_mono_ms() + RETRY_MS;
    }
    if (has_more) {
        SU_LOCKED(&entry->schedule->lock);
        entry->is_due = true;
    }
}

static bool take_due(struct entry *entry)
{
    bool is_tick = entry->next_us != INT64_MAX && entry->next_us <= schedule_now_us(entry->schedule);
    SU_LOCKED(&entry->schedule->lock);
    bool is_due = entry->retry_ms ? entry->retry_ms <= su_mono_ms() : entry->is_due || is_tick;
    if (is_due)
        entry->is_due = false;
    return is_due && !entry->schedule->is_closing;
}

struct names { char *tenant, *name; };

/* Those that wait in queues may have their turn.  *ret_left: some do not yet. */
static bool release_queues(struct schedule *schedule, bool *ret_left, struct su_err *err)
{
    struct names *list = NULL;
    size_t count = 0;
    {
        STORE_READ(schedule->triggers->store, db);
        SQL_AUTO_END struct sql_row *row = sql_query(db, err, "SELECT DISTINCT tenant, name FROM trigger_queue");
        enum sql_next next = SQL_ERROR;
        while (row && (next = sql_step(row, err)) == SQL_ROW) {
            list = su_realloc(list, (count + 1) * sizeof *list);
            list[count++] = (struct names){su_strdup(sql_col_text(row, 0)), su_strdup(sql_col_text(row, 1))};
        }
        if (next == SQL_ERROR)
            return false;
    }
    *ret_left = false;
    bool is_fine = true;
    for (size_t i = 0; i < count; i++) {
        bool has_left = false;
        if (!trigger_release(schedule->triggers, list[i].tenant, list[i].name, &has_left, err) && err->code != SU_NOT_FOUND)
            is_fine = false;
        *ret_left |= has_left;
        free(list[i].tenant);
        free(list[i].name);
    }
    free(list);
    return is_fine;
}

static bool settle(struct schedule *schedule)
{
    struct su_err err;
    bool has_left = true;
    if (!release_queues(schedule, &has_left, &err))
        su_log_error("trigger.queue", &err);
    return has_left;
}

/* --- the thread --------------------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

/* Until when it may sleep, by the monotonic clock; 0: not at all. */
static int64_t wake_ms(struct schedule *schedule, bool has_queue)
{
    int64_t now_ms = su_mono_ms(), now_us = schedule_now_us(schedule), until_ms = has_queue ? now_ms + QUEUE_MS : INT64_MAX;
    for (size_t i = 0; i < schedule->count; i++) {
        const struct entry *entry = schedule->entries[i];
        if (entry->retry_ms) {
            until_ms = sooner(until_ms, entry->retry_ms);
        } else if (entry->is_due || entry->next_us <= now_us) {
            return 0;
        } else if (entry->next_us != INT64_MAX) {
            until_ms = sooner(until_ms, now_ms + sooner((entry->next_us - now_us + 999) / 1000, CLOCK_MS));
        }
    }
    return until_ms;
}

/* False: the end. */
static bool wait_for_work(struct schedule *schedule, bool has_queue, bool *ret_changed, bool *ret_settled)
{
    SU_LOCKED(&schedule->lock);
    for (;;) {
        if (schedule->is_closing)
            return false;
        int64_t until_ms = wake_ms(schedule, has_queue);
        *ret_changed = schedule->has_changed;
        *ret_settled = schedule->has_settled;
        if (schedule->has_changed || schedule->has_settled || schedule->is_woken || until_ms <= su_mono_ms()) {
            *ret_settled |= has_queue;
            schedule->has_changed = schedule->has_settled = schedule->is_woken = false;
            return true;
        }
        if (until_ms == INT64_MAX)
            su_wait(&schedule->lock);
        else
            su_wait_until(&schedule->lock, until_ms);
    }
}

static void run(void *arg)
{
    struct schedule *schedule = arg;
    bool has_changed, has_settled, has_queue = true;
    while (wait_for_work(schedule, has_queue, &has_changed, &has_settled)) {
        if (has_changed)
            reload(schedule);
        if (has_settled || has_queue)
            has_queue = settle(schedule);
        for (size_t i = 0; i < schedule->count; i++)
            if (take_due(schedule->entries[i]))
                run_entry(schedule->entries[i]);
    }
}

/* --- retention ------------------------------------------------------------------------------------------- */

static bool floor_of(struct sql *db, void *arg, const struct stream *stream, uint64_t *ret, struct su_err *err)
{
    int64_t least;
    (void)arg;
    if (!sql_get_int(db, INT64_MAX, &least, err,
                     "SELECT coalesce(min(s.offset), 9223372036854775807) FROM trigger_states s JOIN triggers t"
                     " ON t.tenant = s.tenant AND t.name = s.name WHERE s.stream = ?1 AND NOT s.is_stopped"
                     " AND json_extract(t.definition, '$.enabled')",
                     sql_int(stream->id)))
        return false;
    *ret = least == INT64_MAX ? UINT64_MAX : (uint64_t)least;
    return true;
}

bool schedule_open(struct triggers *triggers, const struct schedule_options *options, struct schedule **ret, struct su_err *err)
{
    struct schedule *schedule = su_alloc(sizeof *schedule);
    (void)err;
    *schedule = (struct schedule){.triggers = triggers, .has_changed = true, .has_settled = true};
    if (options)
        schedule->options = *options;
    su_lock_init(&schedule->lock);
    streams_add_floor(triggers->streams, floor_of, schedule);
    schedule->everything = su_bus_subscribe(triggers->bus, NULL, hear, schedule);
    su_thread_start(&schedule->thread, "scheduler", run, schedule);
    *ret = schedule;
    return true;
}

void schedule_close(struct schedule *schedule)
{
    if (schedule == NULL)
        return;
    su_bus_unsubscribe(schedule->triggers->bus, schedule->everything);
    su_lock(&schedule->lock);
    schedule->is_closing = true;
    su_wake(&schedule->lock);
    su_unlock(&schedule->lock);
    su_thread_join(&schedule->thread);
    for (size_t i = 0; i < schedule->count; i++)
        entry_end(schedule->entries[i]);
    free(schedule->entries);
    su_lock_done(&schedule->lock);
    free(schedule);
}
