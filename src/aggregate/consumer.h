/* Consumers: names that follow a stream window by window.  Layer aggregate; any thread.
 *
 * A consumer belongs to a stream.  It has a window specification, fixed with it,
 * and a position: which window comes next.  Whoever claims it gets an epoch; only
 * the last epoch may ask for the next window and commit it (fencing), so that of
 * two followers of one name only one goes on.
 *
 * What comes next is a function of the log and the position alone: the least
 * window not committed yet that has closed.  A consumer that asked for revisions
 * gets, when a window closes at offset c', first those earlier windows again
 * for which messages came late between the previous closing offset and c', in
 * order of start, with all their messages below c' and revision + 1.
 *
 * Retention keeps what a consumer has not committed yet while the consumer is
 * alive: while it was claimed, asked or committed within the last day.
 * After that the stream's retention goes on without it, and its next windows
 * hold what is left.  A stream whose consumer was heard of within the last minute is
 * deleted only when forced.  A consumer goes with its stream. */
#pragma once
#include "stream.h"
#include "window.h"

enum { CONSUMER_NAME_MAX = 128, CONSUMERS_MAX = 1000 /* of one stream */ };

struct consumers;
extern const struct store_migration consumer_migrations[];
bool consumers_open(struct streams *streams, struct consumers **ret, struct su_err *err);
void consumers_close(struct consumers *consumers);

/* Makes it, or changes its window (then whoever has claimed it is fenced off).  settings: {"every","slide","delay","from",
 * "revisions","empty"}; "from" counts when it is made.  *ret is the consumer as consumer_get gives it. */
bool consumer_put(struct consumers *consumers, struct stream *stream, const char *name, const json_t *settings, const char *user,
                  json_t **ret, bool *ret_is_new, struct su_err *err);
extern const struct su_field consumer_fields[];
/* {"name","stream","every","slide","delay","from","revisions","empty","position":{"offset","window_start"},
 *  "lag":{"messages","seconds"},"epoch","late","iterations","created_at","claimed_at","claimed_by"} (new reference). */
bool consumer_get(struct consumers *consumers, struct stream *stream, const char *name, json_t **ret, struct su_err *err);
bool consumer_list(struct consumers *consumers, struct stream *stream, json_t **ret_items, struct su_err *err);
bool consumer_delete(struct consumers *consumers, struct stream *stream, const char *name, struct su_err *err);

/* How far each consumer that was heard of within the last day is behind, in seconds of event time beyond the window that is open
 * anyway.  For who watches over them all. */
bool consumer_lags(struct consumers *consumers, void (*each)(void *arg, const char *tenant, double seconds), void *arg, struct su_err *err);

/* From now on only *ret_epoch may go on.  who: a user, or "run <id>".  Wakes the stream's topic, so that a fenced one that
 * waits learns it. */
bool consumer_claim(struct consumers *consumers, struct stream *stream, const char *name, const char *who, int64_t *ret_epoch, struct su_err *err);
/* The owner's: go on from "earliest", "latest", an offset or a time (then with the first window that starts there).
 * Bumps the epoch. */
bool consumer_seek(struct consumers *consumers, struct stream *stream, const char *name, const char *to, int64_t *ret_epoch, struct su_err *err);

/* Where a consumer stands; what a commit changes. */
struct consumer_position {
    uint64_t offset_min;        /* messages before it do not count */
    int64_t next_us;            /* no fresh window starts before it; INT64_MIN: the first with a message */
    int64_t least_us;           /* windows that start earlier are not revised; INT64_MAX: as long as none was committed */
    uint64_t closing;           /* what came before this offset has been looked at */
    int64_t revised_us;         /* start of the last revision among the late messages after closing; INT64_MIN: none */
    uint64_t keep_from;         /* no later window needs what came before it */
    int64_t late;
};
/* A window that is to be handled next. */
struct consumer_offer {
    struct window window;
    int64_t consumer, epoch, iteration;     /* iteration: the number it will have, from 1 */
    struct consumer_position after;         /* once it is committed */
    uint64_t schema_version, definition_version;
};
/* SU_CONFLICT "fenced" when the epoch is over. */
bool consumer_next(struct consumers *consumers, struct stream *stream, const char *name, int64_t epoch,
                   struct consumer_offer *ret, bool *ret_found, struct su_err *err);
/* {"start","end","start_us","end_us","from","to","messages","revision"} (new reference). */
json_t *consumer_window_json(const struct window *window);
/* What a replay needs: stream, consumer, offsets, versions of schema and definition, revision (new reference). */
json_t *consumer_manifest(const struct stream *stream, const char *name, const struct consumer_offer *offer);

/* Before a commit, outside of the writer: the offer that (start_us, revision) names; SU_CONFLICT when another is next.
 * *ret_answer is not NULL when just this window was committed last under this epoch: what was answered then (caller frees). */
bool consumer_prepare(struct consumers *consumers, struct stream *stream, const char *name, int64_t epoch, int64_t start_us,
                      int64_t revision, struct consumer_offer *ret, char **ret_answer, struct su_err *err);
/* Inside a writer job: the position moves past the offer; false undoes nothing by itself, the job's savepoint does.
 * answer is kept for a repeated commit.  SU_CONFLICT when the consumer has moved or was claimed since. */
bool consumer_commit(struct sql *db, const struct consumer_offer *offer, const char *answer, struct su_err *err);
