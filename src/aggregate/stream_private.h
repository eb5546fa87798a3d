/* The insides of streams that stream*.c share.  Layer aggregate. */
#pragma once
#include <stdatomic.h>
#include "base/clock.h"
#include "base/thread.h"
#include "json_block.h"
#include "stream.h"

enum { STREAM_CACHE = 1024, STREAM_POOL = 8, STREAM_HOOKS = 8, STREAM_RATE_SECONDS = 10, STREAM_IDS_MAX = 100000 };
/* A stream that grew is cut to its retention so often; the first time soon after it grew. */
enum { STREAM_RETAIN_MS = 10000, STREAM_RETAIN_SOON_MS = 1000 };

/* What a stream does in this process, besides what is stored: made with its first append, status or question. */
struct live {
    int64_t id;
    char *topic;                    /* for followers */
    struct stream *stream;          /* as last used: its settings of idle and retention */
    json_t *schema;                 /* {name: {kind: version}}; NULL: not read yet */
    int64_t schema_version;
    json_t *status;                 /* what the source says */
    uint64_t messages, bytes, dead, clamped;        /* since the start of the server */
    int64_t appended_ms;            /* monotonic: of the last message; 0: none here */
    int64_t retained_ms;            /* monotonic: when retention was last looked at */
    int64_t punctuated_us;          /* how far beyond the last message punctuations have moved event time */
    int64_t bucket_ms;              /* monotonic: the rate limit's tokens were `tokens` then */
    double tokens;
    struct { int64_t second; uint64_t messages, bytes; } rate[STREAM_RATE_SECONDS];
    struct stream_ids *ids;
};

/* Messages of a tenant in the last seconds. */
struct tenant_rate { struct tenant_rate *next; char *tenant; struct { int64_t second; uint64_t messages; } seconds[STREAM_TOTAL_SECONDS + 4]; };

struct stream_hook { bool (*removed)(struct sql *, void *, const struct stream *, bool,
                struct su_err *); void *arg; };

struct streams {
    struct store *store;
    struct logs *logs;
    struct su_bus *bus;
    struct streams_options options;
    struct su_lock lock;            /* all below */
    struct stream *cache[STREAM_CACHE];     /* by hash of tenant and name */
    uint64_t generation;            /* of definitions: what was read before a change is not cached after it */
    void *lives;                    /* tsearch tree of struct live by id */
    struct tenant_rate *rates;
    struct stream_writer *pool[STREAM_POOL];
    size_t pool_count;
    struct su_steady clock;
    bool is_closing;
    int64_t next_due_ms;            /* monotonic: when the thread wakes by itself */
    struct events_queue *events;
    /* --- */
    _Atomic uint64_t queued_bytes;
    struct stream_hook hooks[STREAM_HOOKS];
    size_t hook_count;
    struct { stream_floor_fn *floor; void *arg; } floors[STREAM_HOOKS];
    size_t floor_count;
    struct su_thread thread;
    struct su_bus_subscription *subscription;
};

/* stream_definition.c: pure. Fills in defaults; the stream's tenant, name, id and logs are the caller's. */
bool stream_definition_read(const json_t *given, struct stream *ret, struct su_err *err);
bool stream_name_check(const char *name, bool is_ours, struct su_err *err);

/* stream.c */
struct live *stream_live(struct streams *streams, const struct stream *stream);     /* locked */
int64_t stream_now_us(struct streams *streams);
/* Tell followers; any thread, no lock. */
void stream_tell(struct streams *streams, const struct stream *stream);

/* stream_totals.c */
void stream_rate_add(struct streams *streams, const char *tenant, int64_t second, uint64_t messages);   /* locked */
void stream_rates_free(struct tenant_rate *rates);

/* stream_schema.c */
struct stream_field { struct su_str name; enum block_kind kind; };
/* Inside a writer job: makes the stored schema hold these. *ret_changed NULL or the new schema to remember after the commit. */
bool stream_schema_add(struct streams *streams, struct sql *db, const struct stream *stream,
                const struct block *block, json_t **ret_changed,
                       int64_t *ret_version, struct su_err *err);
void stream_schema_remember(struct streams *streams, const struct stream *stream, json_t *schema,
                int64_t version);     /* takes schema */
/* {"version", "fields"} of a stored schema (new reference). */
json_t *stream_schema_json(const json_t *schema, int64_t version);

/* stream_time.c: pure. What a field holds as event time. */
bool stream_time_of(const struct block_value *value, enum stream_time_format format, int64_t *ret_us);

/* stream_upkeep.c: the thread "streams". */
void stream_upkeep(void *arg);
void stream_due(struct streams *streams, int64_t mono_ms);      /* locked: wake by then */

/* stream_events.c: what happens, as the stream _events. */
struct events_queue;
struct events_queue *events_queue_new(void);
void events_queue_free(struct events_queue *queue);
void events_queue_take(void *arg, const char *topic, const char *event,
                const json_t *detail);  /* su_bus_fn; arg: streams */
bool events_queue_resume(struct streams *streams, struct su_err *err);  /* what a server before this one did not tell any more */
void events_queue_flush(struct streams *streams);               /* on the thread */

void stream_ids_free(struct stream_ids *ids);
void stream_writer_destroy(struct stream_writer *writer);
