/* What the files of watches share: watch.c (rows), watch_run.c (threads), watch_worker.c, watch_turn.c,
 * watch_pass.c (windows of a range into an engine), watch_checkpoint.c, watch_backtest.c.  Layer act. */
#pragma once
#include <stdatomic.h>
#include "base/bus.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/thread.h"
#include "watch.h"
#include "watch_engine.h"

enum { WATCH_THREADS = 2, WATCHES_MAX = 1000 /* of one tenant */, WATCH_MODELS_MAX = 1000 /* changes of model that are kept */ };

/* A row of `watches`.  Texts are owned. */
struct watch_row {
    int64_t number;                 /* identity: decisions' ids hang on it */
    char *tenant, *name, *definition, *stopped, *created_by, *changed_by;
    int64_t generation;             /* of the definition, from 1 */
    int64_t stream;                 /* id of the stream that positions are about; 0: none yet */
    int64_t base_us;                /* it learns from here; INT64_MIN: from the log's first message */
    int64_t from_us;                /* it decides from here; INT64_MIN: at once */
    int64_t next_us;                /* committed: the next window; INT64_MIN: none yet */
    int64_t since_us;               /* this generation's first window */
    int64_t created_ms, changed_ms;
};
void watch_row_done(struct watch_row *row);
#define WATCH_AUTO_ROW SU_CLEANUP(watch_row_done)
/* SU_NOT_FOUND says how to make it. */
bool watch_row_load(struct sql *db, const char *tenant, const char *name, struct watch_row *ret, struct su_err *err);
bool watch_row_load_number(struct sql *db, int64_t number, struct watch_row *ret, struct su_err *err);

/* A version of the model, used from that window on. */
struct watch_model { int64_t from_us, version; };

struct pending;                     /* watch_decisions.c: decisions of a turn */
struct watch_worker {
    struct watches *watches;
    _Atomic int references;
    int64_t number;
    char *tenant, *name;
    int64_t generation;
    struct su_bus_subscription *appends, *models;
    char *topic;                    /* of the stream that is listened to */
    bool is_due, is_stopped, has_model_changed;     /* is_due, has_model_changed: under watches->lock */
    int64_t retry_ms;
    struct su_lock lock;            /* what follows, against readers; only the owning thread changes it */
    struct watch_definition *definition;
    struct watch_engine *engine;    /* NULL: not begun */
    int64_t stream_id, from_us, base_us;
    int64_t committed_us;           /* next_us as it is on disk */
    int64_t committed_ms, checkpoint_ms, checkpoint_us;     /* when, at which window */
    int64_t high_us;                /* the log's largest event time */
    int64_t shown_us;               /* windows before it have been gone through, and what they decided is on disk */
    bool has_drifted;               /* told of its model's present version */
    uint64_t differing;             /* decisions of a replay that had not been made */
    struct watch_model *model_changes;
    size_t model_count, model_next;     /* model_next: the first that the engine does not use yet */
    const char *state;
    char *message;
    struct pending *pending;
};
void watch_worker_unref(struct watch_worker *worker);
static inline void watch_worker_unref_pointer(struct watch_worker **worker) { watch_worker_unref(*worker); }
#define WATCH_AUTO_WORKER SU_CLEANUP(watch_worker_unref_pointer)

/* --- a worker (watch_worker.c), only for the thread that owns it ---------------------------- */

enum { WATCH_COMMIT_MS = 5000 };    /* a position without decisions is written so often */
struct watch_worker *watch_worker_new(struct watches *watches, const struct watch_row *row);
struct watch_worker *watch_worker_ref(struct watch_worker *worker);     /* NULL gives NULL */
/* No more wake-ups; the last reference frees it. */
void watch_worker_end(struct watch_worker *worker);
void watch_listen_to(struct watch_worker *worker, const char *topic);
void watch_say(struct watch_worker *worker, const char *state, const char *message);
/* The row's definition from now on.  If it learns the same, the watch goes on where it is, from a checkpoint of this moment. */
void watch_take_definition(struct watch_worker *worker, const struct watch_row *row);

/* --- its turn (watch_turn.c) ----------------------------------------------------------------- */

/* What has closed by now, up to a batch; faults are said in its state. */
void watch_run_turn(struct watch_worker *worker);
/* Position and checkpoint, now. */
void watch_save(struct watch_worker *worker);
void watch_drop_engine(struct watch_worker *worker);

struct watches {
    struct streams *streams;
    struct store *store;
    struct su_bus *bus;
    struct models *models;
    struct su_thread threads[WATCH_THREADS];
    struct su_bus_subscription *definitions;
    struct su_lock lock;
    bool is_started, is_closing, has_changed[WATCH_THREADS];
    struct watch_worker **workers;
    size_t worker_count, worker_capacity;
};
/* NULL: it has not been begun yet. */
struct watch_worker *watches_find(struct watches *watches, const char *tenant, const char *name);
/* The definitions are looked at again; the threads start if they have not. */
void watches_changed(struct watches *watches);
bool watches_run_start(struct watches *watches, struct su_err *err);
void watches_run_stop(struct watches *watches);

/* --- windows into an engine (watch_pass.c) -------------------------------------------- */

struct watch_pass {
    struct watches *watches;
    const char *tenant;
    const struct stream *stream;
    const struct watch_definition *definition;
    struct watch_engine *engine;
    int64_t base_us;
    const struct watch_model *models;   /* by from_us */
    size_t model_count, model_next;     /* the first that is not in use yet */
    int64_t count_from_us;          /* windows that start earlier are not counted */
    int64_t window_count;
    uint64_t messages;
};
/* Where an engine that was just made begins: the first closed window with a message from base_us on; INT64_MIN: none yet. */
bool watch_pass_begin(const struct watch_pass *pass, struct sql *db, int64_t *ret_start, struct su_err *err);
/* All windows up to the one that starts at last_us, which must be closed. */
bool watch_pass_to(struct watch_pass *pass, struct sql *db, int64_t last_us, struct su_err *err);
/* The windows' specification with the stream's delay. */
struct window_spec watch_windows(const struct watch_definition *definition, const struct stream *stream);
/* The detector with that version of its model (0: none is asked for). */
bool watch_detector(struct watches *watches, const char *tenant, const struct watch_definition *definition, int64_t version,
                    struct detector **ret, struct su_err *err);
/* The live version of its model; SU_UNAVAILABLE when there is none. */
bool watch_live_model(struct watches *watches, struct sql *db, const char *tenant, const struct watch_definition *definition, int64_t *ret,
                      struct su_err *err);
/* Policies of its actions of kind "scale". */
bool watch_policies(struct sql *db, const char *tenant, const struct watch_definition *definition, struct scale_policy ret[WATCH_ACTIONS_MAX],
                    struct su_err *err);
/* Which version was used from where on (caller frees). */
bool watch_models_load(struct sql *db, int64_t number, struct watch_model **ret, size_t *ret_count, struct su_err *err);
/* Index of the first change after start_us, and the version in use before it (0: none); the first is in use from the beginning. */
size_t watch_models_at(const struct watch_model *models, size_t count, int64_t start_us, int64_t *ret_version);

/* The id of a decision of that watch. */
void watch_decision_id(int64_t number, const struct watch_emitted *emitted, char ret[static SU_ID_SIZE]);

/* --- checkpoints (watch_checkpoint.c) ---------------------------------------------------- */

/* The newest one whose next window starts at or before start_us; *ret_next_us INT64_MIN: there is none. */
bool watch_checkpoint_find(struct sql *db, int64_t number, int64_t start_us, int64_t *ret_next_us, char ret_sha256[static SU_SHA256_HEX],
                           struct su_err *err);
/* It, into an engine that was just made; *ret_fits false: it is not of this engine, which is to be dropped. */
bool watch_checkpoint_load(struct watches *watches, const char *sha256, struct watch_engine *engine, bool *ret_fits, struct su_err *err);
struct watch_checkpoint { int64_t number, generation; const char *tenant; const struct stream *stream; const struct watch_engine *engine; };
/* Does nothing when the definition has changed since. */
bool watch_checkpoint_save(struct watches *watches, const struct watch_checkpoint *checkpoint, struct su_err *err);
/* Inside a job: all of them. */
bool watch_checkpoints_drop(struct sql *db, const char *tenant, int64_t number, struct su_err *err);
