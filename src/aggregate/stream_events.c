/* What happens to a tenant, as its stream `_events`.  Layer aggregate.
 *
 * Whatever is published on "tenant/<tenant>" is queued on the publisher's thread
 * and appended on the thread "streams".  The fields are typed: event, name,
 * version, user, run and so on, as columns; the whole detail is the body. */
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "promise.h"
#include "stream_private.h"

enum { QUEUE_MAX = 10000, FLUSH_MAX = 1000 };

struct happening {
    struct happening *next;
    char *tenant, *event;
    json_t *detail;
    int64_t at_us;
};
struct events_queue {
    struct happening *first, **last;
    size_t length;
    uint64_t dropped;
};

struct events_queue *events_queue_new(void)
{
    struct events_queue *queue = su_alloc(sizeof *queue);
    queue->last = &queue->first;
    return queue;
}

static void happening_free(struct happening *happening)
{
    free(happening->tenant);
    free(happening->event);
    json_decref(happening->detail);
    free(happening);
}

/* Locked. */
static struct happening *pop(struct events_queue *queue)
{
    struct happening *first = queue->first;
    if (!first)
        return NULL;
    queue->first = first->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->length--;
    return first;
}

void events_queue_free(struct events_queue *queue)
{
    for (struct happening *happening; (happening = pop(queue));)
        happening_free(happening);
    free(queue);
}

/* Takes it over.  Locked. */
static void push(struct streams *streams, struct happening *happening)
{
    struct events_queue *queue = streams->events;
    if (queue->length == QUEUE_MAX) {
        happening_free(pop(queue));
        queue->dropped++;
    }
    *queue->last = happening;
    queue->last = &happening->next;
    queue->length++;
    stream_due(streams, su_mono_ms());
}

/* What a server before this one had promised and not told. */
static void push_promised(void *arg, const char *tenant, const char *event, json_t *detail, int64_t at_us)
{
    struct streams *streams = arg;
    struct happening *happening = su_alloc(sizeof *happening);
    *happening = (struct happening){.tenant = su_strdup(tenant), .event = su_strdup(event), .detail = json_incref(detail), .at_us = at_us};
    SU_LOCKED(&streams->lock);
    push(streams, happening);
}

bool events_queue_resume(struct streams *streams, struct su_err *err)
{
    STORE_READ(streams->store, db);
    return event_promise_each(db, push_promised, streams, err);
}

void events_queue_take(void *arg, const char *topic, const char *event, const json_t *detail)
{
    struct streams *streams = arg;
    static const char prefix[] = "tenant/";
    if (strncmp(topic, prefix, sizeof prefix - 1) != 0)
        return;
    struct happening *happening = su_alloc(sizeof *happening);
    happening->tenant = su_strdup(topic + sizeof prefix - 1);
    happening->event = su_strdup(event);
    happening->detail = detail ? json_deep_copy(detail) : json_object();
    SU_LOCKED(&streams->lock);
    happening->at_us = su_steady_now(&streams->clock);
    push(streams, happening);
}

static void set_fields(struct block_builder *builder, const char *event, const json_t *detail)
{
    block_set_text(builder, block_member(builder, BLOCK_ROOT, SU_STR("event")), su_str_of(event));
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)detail, name, value)
    {
        block_field field = block_member(builder, BLOCK_ROOT, su_str_of(name));
        if (json_is_string(value))
            block_set_text(builder, field, (struct su_str){json_string_value(value), json_string_length(value)});
        else if (json_is_integer(value))
            block_set_int(builder, field, json_integer_value(value));
        else if (json_is_real(value))
            block_set_float(builder, field, json_real_value(value));
        else if (json_is_boolean(value))
            block_set_bool(builder, field, json_is_true(value));
        else if (!json_is_null(value)) {
            SU_AUTO_FREE char *text = su_json_text(value);
            block_set_json(builder, field, su_str_of(text));
        }
    }
}

static bool events_stream(struct streams *streams, const char *tenant, struct stream **ret, struct su_err *err)
{
    if (stream_get(streams, tenant, "_events", ret, err))
        return true;
    if (err->code != SU_NOT_FOUND)
        return false;
    SU_AUTO_JSON json_t *definition =
        json_pack("{s:{s:s}, s:{s:s}, s:s}", "source", "kind", "push", "retention", "age", "30d", "description",
                  "What happened to objects, notebooks, runs, streams and the rest");
    return stream_make(streams, tenant, "_events", definition, "suricate", ret, err) ||
           stream_get(streams, tenant, "_events", ret, err);
}

static bool add(struct stream_writer *writer, const struct happening *happening, struct su_err *err)
{
    json_t *body = json_pack("{s:s}", "event", happening->event);
    json_object_update_missing(body, happening->detail);
    SU_AUTO_FREE char *text = su_json_text(body);
    json_decref(body);
    set_fields(stream_writer_begin_row(writer), happening->event, happening->detail);
    return stream_writer_end_row(writer, happening->at_us, (struct su_str){0}, su_str_of(text), err);
}

/* One tenant's events from the front of the queue. */
static struct happening *take_some(struct streams *streams)
{
    SU_LOCKED(&streams->lock);
    struct events_queue *queue = streams->events;
    struct happening *list = pop(queue), *last = list;
    for (int count = 1; last; last = last->next, count++) {
        bool is_same = queue->first && count < FLUSH_MAX && strcmp(queue->first->tenant, list->tenant) == 0;
        last->next = is_same ? pop(queue) : NULL;
    }
    if (queue->dropped) {
        su_log(SU_LOG_WARNING, "events.dropped", su_kv_int("count", (int64_t)queue->dropped));
        queue->dropped = 0;
    }
    return list;
}

/* With the append: what had been promised has been told. */
static bool keep_promises(struct sql *db, void *arg, const struct stream_appended *appended, struct su_err *err)
{
    (void)appended;
    for (const struct happening *at = arg; at; at = at->next)
        if (!event_promise_keep(db, at->tenant, at->event, at->detail, err))
            return false;
    return true;
}

static void append(struct streams *streams, struct happening *list)
{
    STREAM_AUTO struct stream *stream = NULL;
    STREAM_AUTO_WRITER struct stream_writer *writer = NULL;
    struct stream_appended appended;
    struct su_err err;
    const struct stream_commit how = {.also = streams->options.has_promises ? keep_promises : NULL, .also_arg = list};
    bool is_fine =
        events_stream(streams, list->tenant, &stream, &err) && stream_writer_open(streams, stream, &writer, &err);
    for (struct happening *at = list; at && is_fine; at = at->next)
        is_fine = add(writer, at, &err);
    if (!is_fine || !stream_writer_commit(writer, &how, &appended, &err))
        su_log_error("events.lost", &err, su_kv_text("tenant", list->tenant));
}

void events_queue_flush(struct streams *streams)
{
    for (struct happening *list; (list = take_some(streams));) {
        append(streams, list);
        for (struct happening *next; list; list = next) {
            next = list->next;
            happening_free(list);
        }
    }
}
