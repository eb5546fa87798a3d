/* Replays: tables that are sent into streams at their own pace, by the server.  Layer aggregate; any thread; the work is
 * done by the thread "replays".
 *
 * A replay is a row of `replays`.  How far it came is written in the transaction that appends its rows: a server
 * that was killed goes on where it was, and no row is there twice or missing.  The row's version of the object is what is
 * sent, whatever becomes of the name.  Times, order and pace are those of `suricate replay` (docs/how-to/replay-a-table.md).
 *
 * Events on topic "tenant/<tenant>": "replay.started", "replay.ended" {id, object, stream, state}. */
#pragma once
#include "stream.h"
#include "table.h"

struct replays;
struct replays_options { uint64_t running_max; /* of all tenants; 0: 16 */ };
extern const struct store_migration replay_migrations[];
bool replays_open(struct streams *streams, struct objects *objects, struct tables *tables, const struct replays_options *options,
                  struct replays **ret, struct su_err *err);
void replays_close(struct replays *replays);

struct replay_start {
    const char *tenant, *user;
    const char *object, *stream;
    const char *time;           /* column; NULL: found */
    double speed;               /* 0: the whole table in about a minute */
    bool is_loop;
};
/* Makes the stream when there is none, with the table's time as its event time.  SU_CONFLICT when it is one that can't be
 * pushed to or takes its time from elsewhere, SU_INVALID when the object is no table, SU_LIMIT when too many run.
 * *ret: as replay_get gives it. */
bool replay_start(struct replays *replays, const struct replay_start *start, json_t **ret, struct su_err *err);
/* {"id","object","version","stream","time","speed","loop","state","message","rows","sent","rounds","refused",…} (new
 * reference); states: running, done, failed, stopped. */
bool replay_get(struct replays *replays, const char *tenant, const char *id, json_t **ret, struct su_err *err);
/* Newest first. */
bool replay_list(struct replays *replays, const char *tenant, const char *cursor, size_t limit, json_t **ret_items, char **ret_next,
                 struct su_err *err);
/* One that runs is stopped, and stays in the list; one that has ended is forgotten. */
bool replay_delete(struct replays *replays, const char *tenant, const char *id, struct su_err *err);
