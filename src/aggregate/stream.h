/* Streams: named, durable logs of messages with a definition.  Layer aggregate; any thread.
 *
 * A stream belongs to a tenant.  Its definition says where messages come from
 * (push, amqp, derived), what their bodies are, where their event time and key
 * stand, and how long they are kept; the log (store/log.h) holds them.  What a
 * source could not take goes to the stream's dead letters, a log of its own.
 *
 * Events on topic "tenant/<tenant>": "stream.created", "stream.changed",
 * "stream.deleted" {name, user}.  After each append, outside of any transaction,
 * "stream/<tenant>/<name>" is published with event "append", without detail.
 * When definitions change, topic "streams" is published: sources look again.
 *
 * Names are those of objects (object_name_check); those that begin with "_" are
 * Suricate's own: "_events" is made for a tenant with its first event. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "store/log.h"

enum { STREAM_KEY_MAX = 256, STREAM_TOPIC_SIZE = 640, STREAM_IDEMPOTENCY_MAX = 255 };

struct streams;
struct streams_options {
    uint64_t message_bytes;         /* largest body; 0: 1 MiB */
    uint64_t queued_bytes;          /* of appends waiting for the disk, of all streams: past it appends get SU_LIMIT
                                     * "backpressure"; 0: 32 MiB */
    uint64_t streams_max;           /* of one tenant; 0: 100,000 */
    bool has_promises;              /* events may have been promised (promise.h) */
};
extern const struct store_migration stream_migrations[];
/* Also starts the thread "streams": punctuation, retention, rates. */
bool streams_open(struct store *store, struct logs *logs, struct su_bus *bus,
                const struct streams_options *options, struct streams **ret, struct su_err *err);
void streams_close(struct streams *streams);
struct logs *streams_logs(struct streams *streams);
struct store *streams_store(struct streams *streams);
struct su_bus *streams_bus(struct streams *streams);

enum stream_source { STREAM_PUSH, STREAM_AMQP, STREAM_DERIVED, STREAM_SYSTEM, STREAM_SOURCE_COUNT };
const char *stream_source_name(enum stream_source source);
enum stream_format { STREAM_JSON /* one value, or an array of records */, STREAM_NDJSON, STREAM_TEXT, STREAM_FORMAT_COUNT };
enum stream_time_format { STREAM_TIME_AUTO, STREAM_TIME_S, STREAM_TIME_MS, STREAM_TIME_US, STREAM_TIME_NS, STREAM_TIME_RFC3339, STREAM_TIME_FORMAT_COUNT };

/* What a definition says, read.  Immutable and shared: stream_ref, stream_unref. */
struct stream {
    int64_t id, log, dead_log;
    char *tenant, *name, *topic;
    int64_t version;                /* of the definition */
    char *created_by;
    int64_t created_ms;
    json_t *definition;             /* as given, defaults filled in */
    enum stream_source source;
    json_t *source_json;            /* borrowed from definition: its "source" */
    enum stream_format format;
    char *time_field;               /* path; NULL: the source's own time, else arrival */
    enum stream_time_format time_format;
    bool time_may_miss;             /* a message without that field gets its arrival; else it is refused */
    char *key_field;                /* path, or NULL */
    int64_t delay_us;               /* watermark = largest event time − delay */
    int64_t skew_us;                /* event time is at most arrival + skew */
    int64_t idle_us;                /* quiet for so long: a punctuation is appended; 0: never */
    uint64_t message_bytes, messages_per_s;     /* 0: the server's; no limit */
    struct log_retention retention; /* before_us: an age here */
    bool is_paused;
    char etag[48];
    _Atomic int references;
};
void stream_unref(struct stream *stream);
struct stream *stream_ref(struct stream *stream);
static inline void stream_unref_pointer(struct stream **stream) { stream_unref(*stream); }
#define STREAM_AUTO SU_CLEANUP(stream_unref_pointer)

bool stream_get(struct streams *streams, const char *tenant, const char *name, struct stream **ret,
                struct su_err *err);
/* Makes or changes it.  *ret_is_new may be NULL.  Conditions as HTTP has them, or NULL. */
bool stream_put(struct streams *streams, const char *tenant, const char *name, const json_t *definition,
                const char *if_match,
                const char *if_none_match, const char *user, struct stream **ret, bool *ret_is_new, struct su_err *err);
/* One of Suricate's own, whose name begins with "_"; fails with the slug "precondition-failed" when it is there already. */
bool stream_make(struct streams *streams, const char *tenant, const char *name, const json_t *definition,
                const char *user, struct stream **ret, struct su_err *err);
/* SU_CONFLICT when it has consumers with a claim of the last minute or derived streams stand on it, unless force. */
bool stream_delete(struct streams *streams, const char *tenant, const char *name, const char *if_match,
                bool force, const char *user, struct su_err *err);
/* By name after cursor; part: names that hold it, ASCII letters of either case; NULL: any.
 * *ret_next NULL at the end (caller frees); items by stream_json (new reference). */
bool stream_list(struct streams *streams, const char *tenant, const char *prefix, const char *part, const char *cursor,
                size_t limit, json_t **ret_items, char **ret_next, struct su_err *err);
/* What a tenant's streams come to; those that begin with "_" are left out. */
enum { STREAM_TOTAL_SECONDS = 60 };
struct stream_totals {
    int64_t streams, messages;
    uint64_t per_s[STREAM_TOTAL_SECONDS];   /* messages appended in each of the last whole seconds, newest last */
    uint64_t dead_letters;          /* since the server's start */
    json_t *failing;                /* [{"name","state","detail"}], at most 20 (new reference) */
};
bool stream_totals(struct streams *streams, const char *tenant, struct stream_totals *ret, struct su_err *err);
/* Every stream of a source kind, of all tenants (each a reference): for those who run sources. */
bool stream_each(struct streams *streams, enum stream_source source, bool (*each)(void *arg,
                struct stream *stream), void *arg, struct su_err *err);
bool stream_by_id(struct streams *streams, int64_t id, struct stream **ret, struct su_err *err);
/* Each tenant that has streams of its own (names without "_" in front), by name. */
bool stream_tenants(struct streams *streams, void (*each)(void *arg, const char *tenant), void *arg, struct su_err *err);
/* {"name","definition","version","created_at","created_by","state","offsets":{"first","next"},"time":{"low","high"},…,
 *  "schema":{"version","fields":[{"name","kind","since"}]},"source":{…status…},"rates":{…}} (new reference). */
bool stream_json(struct streams *streams, struct stream *stream, json_t **ret, struct su_err *err);
/* The version of the schema inferred so far. */
bool stream_schema_version(struct sql *db, const struct stream *stream, uint64_t *ret, struct su_err *err);
/* {"version","fields":[{"name","kind","since"}]} as stream_json shows it (new reference). */
bool stream_schema(struct streams *streams, const struct stream *stream, struct sql *db, json_t **ret, struct su_err *err);
/* Inside a writer job, called when a stream goes; several may be added before streams are used (consumers own tables). */
void streams_on_delete(struct streams *streams, bool (*removed)(struct sql *db, void *arg,
                const struct stream *stream, bool force, struct su_err *err), void *arg);
/* The smallest offset that retention must keep (a consumer's position, a checkpoint), UINT64_MAX: any may go.  Several may
 * be added before streams are used; the least of what they say holds.  Called on any thread with a read connection. */
typedef bool stream_floor_fn(struct sql *db, void *arg, const struct stream *stream, uint64_t *ret, struct su_err *err);
void streams_add_floor(struct streams *streams, stream_floor_fn *floor, void *arg);
/* What a source says of itself ({"state","message","since",…}; takes the reference), shown by stream_json. */
void stream_status(struct streams *streams, const struct stream *stream, json_t *status);

/* --- appending ------------------------------------------------------------ */

/* A batch under construction; one thread at a time. */
struct stream_writer;
struct stream_arrival {
    struct su_str body;             /* needs no padding */
    struct su_str key, id, headers; /* ptr NULL: none; headers: JSON object */
    int64_t time_us;                /* the source's own event time (AMQP's timestamp, CloudEvents' time); 0: none */
};
bool stream_writer_open(struct streams *streams, struct stream *stream, struct stream_writer **ret,
                struct su_err *err);
void stream_writer_close(struct stream_writer *writer);
static inline void stream_writer_close_pointer(struct stream_writer **writer) { stream_writer_close(*writer); }
#define STREAM_AUTO_WRITER SU_CLEANUP(stream_writer_close_pointer)
/* Parses one message (STREAM_JSON arrays and STREAM_NDJSON: several records, a row each).  False: it can't be taken, the
 * batch is as before.  SU_LIMIT with slug "batch-full": commit first, then add it again. */
bool stream_writer_add(struct stream_writer *writer, const struct stream_arrival *arrival, struct su_err *err);
/* Exactly one record, whatever the format says of arrays (push has taken them apart already). */
bool stream_writer_add_one(struct stream_writer *writer, const struct stream_arrival *arrival, struct su_err *err);
/* Into the dead letters, with the same commit. */
bool stream_writer_add_dead(struct stream_writer *writer, const struct stream_arrival *arrival,
                const struct su_err *why, struct su_err *err);
/* A row of values, for derived streams and system events: fields are set on the builder, which has a row begun. */
struct block_builder *stream_writer_begin_row(struct stream_writer *writer);
bool stream_writer_end_row(struct stream_writer *writer, int64_t time_us, struct su_str key,
                struct su_str body, struct su_err *err);
/* Says that event time has come this far: a row that readers skip. */
bool stream_writer_punctuate(struct stream_writer *writer, int64_t time_us, struct su_err *err);
uint32_t stream_writer_rows(const struct stream_writer *writer);
size_t stream_writer_bytes(const struct stream_writer *writer);
bool stream_writer_is_idle(const struct stream_writer *writer);  /* neither rows nor dead letters */

struct stream_appended { uint64_t first, count; bool is_repeated; /* the idempotency key had been used */ };
struct stream_commit {
    const char *idempotency_key;    /* or NULL; kept for a day, per stream */
    /* Runs in the same transaction, after the append: false undoes all. May be NULL.  An empty batch runs it too. */
    bool (*also)(struct sql *db, void *arg, const struct stream_appended *appended, struct su_err *err);
    void *also_arg;
};
/* True: on disk, followers are told, the writer is empty again.  False: nothing was appended, the writer is as before.
 * SU_LIMIT with slug "backpressure": too much waits for the disk, try again in a second.  SU_CONFLICT when the stream is
 * gone.  Blocks; not inside a job. */
bool stream_writer_commit(struct stream_writer *writer, const struct stream_commit *commit,
                struct stream_appended *ret, struct su_err *err);
/* Several writers in one transaction: all or none. */
void stream_writer_clear(struct stream_writer *writer);

/* Is this message id among the newest 100,000 of the stream?  Remembers it if not.  Rebuilt from the log when first asked. */
bool stream_seen_id(struct streams *streams, struct stream *stream, struct su_str id, bool *ret_seen,
                struct su_err *err);

/* The ids of a batch that was not committed after all were remembered too early: the next question reads the log again. */
void stream_forget_ids(struct streams *streams, struct stream *stream);

/* --- time and places -------------------------------------------------------- */

/* "earliest", "latest", an offset, an RFC 3339 time or a duration before now ("60s"): the offset to read from. */
bool stream_position(struct streams *streams, struct stream *stream, struct sql *db, const char *text,
                uint64_t *ret, struct su_err *err);
/* A range as queries give it: from, to (each as stream_position takes it; times are event times), last ("60s" before the
 * largest event time). NULL: none.  All of them NULL: everything. */
bool stream_range(struct streams *streams, struct stream *stream, struct sql *db, const char *from,
                const char *to, const char *last,
                  struct log_range *ret, struct su_err *err);
