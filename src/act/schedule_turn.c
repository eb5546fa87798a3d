/* A trigger's turn: ticks that are due, messages that came.  Layer act; the thread "scheduler". */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "interact/run.h"
#include "schedule_private.h"

enum {
    BATCH_MAX = 64,             /* firings in one transaction */
    ROWS_MAX = 50000,           /* messages looked at in one turn */
    BODY_MAX = 256 * 1024,      /* of a message that templates see; a larger one shows its place only */
};

/* --- steps ------------------------------------------------------------------------------------- */

struct batch {
    struct entry *entry;
    struct trigger_firing firings[BATCH_MAX];
    size_t count;
    int64_t ticks_us[BATCH_MAX];
    int64_t stream, offset, looked_us, missed;
    char *stop;
};

static void batch_done(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        trigger_firing_done(&batch->firings[i]);
    free(batch->stop);
    free(batch);
}
static void batch_done_pointer(struct batch **batch) { batch_done(*batch); }

static struct batch *batch_new(struct entry *entry)
{
    struct batch *batch = su_alloc(sizeof *batch);
    *batch = (struct batch){.entry = entry, .stream = entry->row.stream, .offset = entry->row.offset, .looked_us = entry->row.looked_us};
    return batch;
}

/* Ticks are events too: whatever follows `_events` sees them. */
static void tell_ticks(const struct batch *batch, const struct trigger_step *step)
{
    const struct entry *entry = batch->entry;
    SU_AUTO_FREE char *topic = su_format("tenant/%s", entry->row.tenant);
    for (size_t i = 0; i < batch->count; i++) {
        char at[SU_TIME_TEXT];
        if (step->verdicts[i] == TRIGGER_KNOWN)
            continue;
        SU_AUTO_JSON json_t *detail = json_pack("{s:s, s:s, s:s}", "trigger", entry->row.name, "tick",
                                                su_time_text(batch->ticks_us[i] / 1000, at), "decision", batch->firings[i].id);
        su_bus_publish(entry->schedule->triggers->bus, topic, "cron.tick", detail);
    }
}

static bool commit(struct batch *batch, struct su_err *err)
{
    struct entry *entry = batch->entry;
    struct trigger_step step = {.triggers = entry->schedule->triggers, .tenant = entry->row.tenant, .name = entry->row.name,
                                .generation = entry->row.generation, .definition = &entry->definition, .firings = batch->firings,
                                .count = batch->count, .moves = true, .stream = batch->stream, .offset = batch->offset,
                                .looked_us = batch->looked_us, .missed = batch->missed, .stop = batch->stop};
    bool is_fine = trigger_step(&step, err);
    if (is_fine) {
        entry->row.stream = batch->stream;
        entry->row.offset = entry->kept_offset = batch->offset;
        entry->row.looked_us = batch->looked_us;
        entry->kept_ms = su_mono_ms();
    }
    if (is_fine && entry->definition.kind == TRIGGER_CRON)
        tell_ticks(batch, &step);
    if (is_fine && batch->stop)
        entry->retry_ms = INT64_MAX;
    free(step.verdicts);
    return is_fine;
}

bool schedule_keep(struct entry *entry, struct su_err *err)
{
    __attribute__((cleanup(batch_done_pointer))) struct batch *batch = batch_new(entry);
    return commit(batch, err);
}

/* --- schedules ------------------------------------------------------------------------------------ */

static void add_tick(struct batch *batch, int64_t at_us, int64_t missed)
{
    const struct entry *entry = batch->entry;
    char at[SU_TIME_TEXT], occasion[32];
    su_time_text(at_us / 1000, at);
    snprintf(occasion, sizeof occasion, "%lld", (long long)at_us);
    json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:I}", "event", "cron.tick", "trigger", entry->row.name, "scheduled_at", at, "zone",
                              su_zone_name(entry->definition.zone), "scheduled_us", (json_int_t)at_us, "cron",
                              su_json_string(json_object_get(entry->definition.json, "when"), "cron", ""), "missed", (json_int_t)missed);
    batch->ticks_us[batch->count] = at_us;
    struct trigger_firing *firing = &batch->firings[batch->count++];
    trigger_firing_make(&entry->row, &entry->definition, occasion, event, NULL, firing);
    firing->is_tick = true;
}

bool schedule_tick(struct entry *entry, struct su_err *err)
{
    const struct trigger_definition *definition = &entry->definition;
    SU_AUTO_FREE struct cron_due *due = su_alloc(sizeof *due);
    int64_t now_us = schedule_now_us(entry->schedule);
    if (now_us < entry->row.looked_us) {        /* the clock was set back: nothing comes twice */
        entry->next_us = cron_next(&definition->cron, definition->zone, entry->row.looked_us);
        return true;
    }
    cron_owes(&definition->cron, definition->zone, definition->catch_up, entry->row.looked_us, now_us, due);
    for (uint32_t at = 0; at < due->count || (at == 0 && due->missed > 0);) {
        __attribute__((cleanup(batch_done_pointer))) struct batch *batch = batch_new(entry);
        batch->missed = at == 0 ? due->missed : 0;
        for (; batch->count < BATCH_MAX && at < due->count; at++)
            add_tick(batch, due->times_us[at], batch->missed);
        batch->looked_us = at < due->count ? due->times_us[at - 1] : due->looked_us;
        if (!commit(batch, err))
            return false;
        if (due->count == 0)
            break;
    }
    entry->next_us = due->next_us;
    return true;
}

/* --- streams ---------------------------------------------------------------------------------------- */

/* What is known of a message: an object's members, with its place beside them. */
static json_t *event_of(const struct entry *entry, struct block *block, uint32_t row, int64_t time_us)
{
    char time[SU_TIME_TEXT_US];
    struct su_err err;
    struct su_str body = {0};
    json_t *event = NULL;
    const struct block_column *key = block_role_column(block, BLOCK_KEY);
    bool has_body = block_body(block, row, &body, &err) && body.len <= BODY_MAX;
    if (has_body && !su_json_parse(body, "message", &event, &err))
        event = NULL;
    if (!json_is_object(event)) {
        json_t *object = json_object();
        if (event)
            json_object_set_new(object, "body", event);
        else if (has_body && su_utf8_valid(body))
            json_object_set_new(object, "body", json_stringn(body.ptr, body.len));
        event = object;
    }
    if (entry->definition.kind != TRIGGER_EVENT)
        return event;
    json_object_set_new(event, "_stream", json_string(entry->definition.stream));
    json_object_set_new(event, "_offset", json_integer((json_int_t)block_offset(block, row)));
    json_object_set_new(event, "_time", json_string(su_time_text_us(time_us, time)));
    if (key && !block_is_null(key, row))
        json_object_set_new(event, "_key", json_stringn(block_text(key, row).ptr, block_text(key, row).len));
    return event;
}

/* Of a run that has ended more is known than the event says. */
static void add_run(const struct entry *entry, json_t *event)
{
    static const char *const named[] = {"notebook", "recipe"}, *const members[] = {"object", "label", "parameters", "result", "error", "user"};
    struct su_err err;
    SU_AUTO_JSON json_t *run = NULL;
    struct runs *runs = entry->schedule->triggers->runs;
    const char *id = su_json_string(event, "run", NULL);
    if (entry->definition.kind != TRIGGER_RUN || runs == NULL || id == NULL || !run_get(runs, entry->row.tenant, id, &run, NULL, &err))
        return;
    for (size_t i = 0; i < SU_COUNT(named); i++)
        json_object_set_new(event, named[i], su_json_text_or_null(su_json_string(json_object_get(run, named[i]), "name", NULL)));
    for (size_t i = 0; i < SU_COUNT(members); i++)
        if (json_object_get(run, members[i]))
            json_object_set(event, members[i], json_object_get(run, members[i]));
}

/* A message that the filter took. */
static bool add_message(struct batch *batch, struct block *block, uint32_t row, int64_t time_us, struct su_err *err)
{
    struct entry *entry = batch->entry;
    SU_AUTO_JSON json_t *event = event_of(entry, block, row, time_us), *chain = NULL;
    char occasion[64];
    add_run(entry, event);
    if (!trigger_definition_takes(&entry->definition, event))
        return true;
    bool is_event = strcmp(entry->definition.stream, "_events") == 0;
    if (is_event && !trigger_chain(entry->schedule->triggers, entry->row.tenant, event, &chain, err))
        return false;
    batch->stop = chain ? trigger_circle(chain, entry->row.name) : NULL;
    if (batch->stop)
        return true;
    snprintf(occasion, sizeof occasion, "%lld %llu", (long long)batch->stream, (unsigned long long)block_offset(block, row));
    struct trigger_firing *firing = &batch->firings[batch->count++];
    trigger_firing_make(&entry->row, &entry->definition, occasion, su_take(event), NULL, firing);
    firing->chain = su_take(chain);
    firing->stream = entry->definition.stream;
    firing->offset = (int64_t)block_offset(block, row);
    firing->time_us = time_us;
    return true;
}

/* The rows of one block, until the batch is full or the trigger is stopped. */
static bool read_piece(struct batch *batch, const struct log_piece *piece, struct su_err *err)
{
    const struct entry *entry = batch->entry;
    struct block *block = piece->block;
    const struct block_column *flag = block_role_column(block, BLOCK_FLAG), *time = block_role_column(block, BLOCK_TIME);
    struct filter_rows *rows = filter_rows_new(entry->definition.filter, block);
    int64_t since_us = strcmp(entry->definition.stream, "_events") == 0 ? entry->row.since_us : INT64_MIN;
    bool is_fine = true;
    for (uint32_t row = piece->from; row < piece->to && is_fine && batch->count < BATCH_MAX && !batch->stop; row++) {
        int64_t time_us = time ? block_int(time, row) : 0;
        bool is_meant = (!flag || block_int(flag, row) == BLOCK_MESSAGE) && time_us >= since_us && filter_takes(rows, row);
        is_fine = !is_meant || add_message(batch, block, row, time_us, err);
        if (is_fine)
            batch->offset = (int64_t)block_offset(block, row) + 1;
    }
    filter_rows_free(rows);
    return is_fine;
}

/* Up to a batch of firings.  *ret_more: the end was not reached. */
static bool read_pieces(struct batch *batch, struct log_reader *reader, int64_t end, bool *ret_more, struct su_err *err)
{
    int64_t begin = batch->offset;
    struct log_piece piece;
    while (batch->count < BATCH_MAX && !batch->stop && batch->offset - begin < ROWS_MAX) {
        switch (log_read_next(reader, &piece, err)) {
        case LOG_BLOCK: {
            bool is_fine = read_piece(batch, &piece, err);
            log_read_release(reader, &piece);
            if (!is_fine)
                return false;
            break;
        }
        case LOG_DAMAGED: batch->offset = (int64_t)piece.damaged_to; break;
        case LOG_END:
            batch->offset = end;
            *ret_more = false;
            return true;
        case LOG_ERROR: return false;
        }
    }
    *ret_more = batch->offset < end;
    return true;
}

static bool find_stream(struct batch *batch, struct stream **ret, struct su_err *err)
{
    struct entry *entry = batch->entry;
    *ret = NULL;
    if (!stream_get(entry->schedule->triggers->streams, entry->row.tenant, entry->definition.stream, ret, err))
        return err->code == SU_NOT_FOUND;
    if (batch->stream != (*ret)->id) {      /* made since: all of it is new */
        batch->stream = (*ret)->id;
        batch->offset = 0;
    }
    return true;
}

static bool read_batch(struct batch *batch, bool *ret_more, struct su_err *err)
{
    struct triggers *triggers = batch->entry->schedule->triggers;
    STREAM_AUTO struct stream *stream = NULL;
    LOG_AUTO_READER struct log_reader *reader = NULL;
    struct log_extent extent;
    *ret_more = false;
    if (!find_stream(batch, &stream, err))
        return false;
    if (stream == NULL)
        return true;
    STORE_READ(triggers->store, db);
    if (!log_extent(db, stream->log, &extent, err))
        return false;
    if (batch->offset < (int64_t)extent.first)
        batch->offset = (int64_t)extent.first;
    const struct log_range range = {(uint64_t)batch->offset, extent.next, INT64_MIN, INT64_MAX};
    return range.from >= range.to
        || (log_read(streams_logs(triggers->streams), db, stream->log, &range, &reader, err)
            && read_pieces(batch, reader, (int64_t)extent.next, ret_more, err));
}

bool schedule_read(struct entry *entry, bool *ret_more, struct su_err *err)
{
    __attribute__((cleanup(batch_done_pointer))) struct batch *batch = batch_new(entry);
    if (!read_batch(batch, ret_more, err))
        return false;
    *ret_more = *ret_more && !batch->stop;
    bool is_new_stream = batch->stream != entry->row.stream;
    bool is_old = batch->offset != entry->kept_offset && su_mono_ms() - entry->kept_ms > SCHEDULE_KEEP_MS;
    if (batch->count > 0 || batch->stop || is_new_stream || is_old)
        return commit(batch, err);
    entry->row.offset = batch->offset;
    return true;
}
