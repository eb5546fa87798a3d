/* What the files of the runs service share.  Layer interact.
 *
 *   run.c        the service: opening, the line, the thread "runs", cancel
 *   run_work.c   what blocks: starting a kernel, finding it again, the end; threads "run-work"
 *   run_live.c   a run under way: recorder, log of events, what readers see of them
 *   run_table.c  rows
 *   run_paces.c  what runs that follow did lately
 *   run_totals.c numbers for an overview
 *   run_read.c   the reading half of run.h */
#pragma once
#include "base/thread.h"
#include "compute/kernel.h"
#include "recorder.h"
#include "run.h"
#include "run_pace.h"

/* ---- run_live.c ---- */

/* What a worker is to do with a run it was handed. */
enum run_job { RUN_JOB_START, RUN_JOB_RESUME, RUN_JOB_RECONNECT, RUN_JOB_FINISH };
/* What the thread "runs" is to do with a run that comes back. */
enum run_message { RUN_FOLLOW, RUN_FINISH_LATER, RUN_GONE, RUN_AGAIN };

/* A run from its turn in the line to its end.  One owner at a time (a worker, or
 * the thread "runs") holds it and moves it on through a queue; readers look at
 * what stands under `lock`. */
struct live {
    struct live *next;              /* in runs->lives, under runs->lock */
    int references;                 /* under runs->lock: the list, and readers */
    char *tenant, *id;              /* fixed */
    int64_t attempt;                /* fixed: a new attempt is a new struct live */
    bool is_follow;                 /* fixed */
    bool is_replay;                 /* set by the first job */
    char kernel[KERNEL_ID_MAX + 1]; /* fixed */

    /* The owner's. */
    enum run_job job;
    enum run_message message;
    struct live *next_message;      /* in runs->messages, under runs->lock */
    char *user, *notebook;
    json_t *parameters, *limits;
    bool is_network;
    int64_t retries, created_ms;
    int64_t failures, due_ms;       /* of a following run: in a row; when to begin again (since 1970) */
    const char *last_error;         /* while it is written down that it begins again */
    const char *last_window;        /* the same: the window it had in its hands, JSON, or NULL */
    struct keeper *keeper;
    uint64_t next_seq;
    bool is_cancel_sent, is_watched, wants_write;
    bool is_lost;                   /* the keeper is gone */
    json_t *ended;                  /* its last event */
    struct su_err *failure;         /* why the run could not be started */
    int64_t again_ms;               /* of the thread "runs": when to try the end again (monotonic), 0: no */
    struct su_buf unwritten;        /* events for the log, not yet in the file */

    struct su_lock lock;
    enum run_state state;
    int64_t started_ms;
    bool is_cancelled;              /* a cancel was asked for */
    struct recorder *recorder;      /* NULL before the notebook was read */
    json_t *executed;               /* the executed notebook: at the end in the recorder's stead */
    struct su_buf log;
    int events_fd;
    uint64_t events_length;
    int64_t recorded_seq;           /* the last event that the recorder knows */
};

struct live *live_new(const char *tenant, const char *id, int64_t attempt, enum run_job job);
/* Frees: called by runs_unref when nobody holds it any more. */
void live_free(struct live *live);
/* A line of the run's log. */
void live_log(struct live *live, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Make the file of events below dir, anew. */
bool live_events_open(struct live *live, const char *dir, struct su_err *err);
/* Add an event (seq 0: of our own); visible after live_events_flush. */
void live_event(struct live *live, int64_t seq, const char *name, const char *data);
void live_events_flush(struct live *live);
bool live_events_read(struct live *live, struct run_cursor *cursor, size_t enough, run_event_fn *each, void *arg,
                      struct su_err *err);
/* An event's data as text; an output longer than max is told by its size ("too_large"): readers then ask for the
 * outputs. */
char *run_event_text(const json_t *data, size_t max);
/* One event of the keeper: recorded, and told to those who follow. */
void live_record(struct live *live, const json_t *event);

/* ---- run_table.c ---- */

struct run_row {
    char *tenant, *id, *user, *notebook, *recipe, *object, *replay_of;
    char source_sha256[SU_SHA256_HEX];
    enum run_state state;
    int64_t attempt, retries, created_ms, started_ms, failures;
    bool is_network, is_cancelled, is_follow;
    json_t *parameters, *limits;
};
void run_row_done(struct run_row *row);
#define RUN_AUTO_ROW SU_CLEANUP(run_row_done)
bool run_table_get(struct sql *db, const char *tenant, const char *id, struct run_row *ret, struct su_err *err);
/* Each run that has not ended, in order of arrival. */
struct run_open { const char *tenant, *id; enum run_state state; int64_t attempt, due_ms; bool is_follow; };
typedef void run_table_fn(void *arg, const struct run_open *run);
bool run_table_open_runs(struct sql *db, run_table_fn *each, void *arg, struct su_err *err);
/* The run of the REST API from its row. SU_NOT_FOUND. */
bool run_table_json(struct sql *db, const char *tenant, const char *id, json_t **ret, struct su_err *err);
bool run_table_list(struct sql *db, const struct run_list *list, json_t **ret, struct su_err *err);
bool run_table_lineage(struct sql *db, const char *tenant, const char *id, json_t **ret, struct su_err *err);
/* One text column of a run; *ret NULL when it is null. column is one of ours, never input. */
bool run_table_text(struct sql *db, const char *tenant, const char *id, const char *column, char **ret,
                    struct su_err *err);

struct run_insert {
    const char *tenant, *id, *user;
    const struct run_source *source;
    const struct run_options *options;
    const char *parameters, *limits;
    int64_t created_ms;
    char known[SU_ID_SIZE];     /* filled: the run that this decision started before; "": it is new */
};
/* Stores it, unless its decision has started a run before: then `known` says which, and nothing happens. */
bool run_table_insert(struct sql *db, struct run_insert *insert, struct su_err *err);

struct run_figure_row { char name[32]; const char *type; char *cell; uint64_t bytes; char sha256[SU_SHA256_HEX]; };
/* Everything the end of a run writes; NULL members are not written. */
struct run_ending {
    const char *tenant, *id;
    enum run_state state;
    const char *reason;
    int64_t started_ms, ended_ms;
    struct recorder_progress progress;
    char *result, *error, *cost, *log, *environment;
    char executed_sha256[SU_SHA256_HEX];    /* "": none */
    uint64_t executed_bytes;
    struct run_figure_row *figures;
    size_t n_figures;
};
bool run_table_end(struct sql *db, const struct run_ending *ending, struct su_err *err);
/* run.c: the same as a job (arg: a run_ended), with the promise to tell of it. */
struct run_ended { struct runs *runs; const struct run_ending *ending; };
bool runs_end_job(struct sql *db, void *arg, struct su_err *err);
/* State (and, running, the time) of a run that has not ended. */
bool run_table_state(struct sql *db, const char *tenant, const char *id, enum run_state state, int64_t started_ms,
                     struct su_err *err);
/* Queued again, not before due_ms; last_error and last_window (JSON) may be NULL. */
struct run_again { const char *tenant, *id, *last_error, *last_window; int64_t attempt, failures, due_ms, at_ms; };
bool run_table_again(struct sql *db, const struct run_again *again, struct su_err *err);
/* *ret: did a run that has not ended take the mark? */
bool run_table_cancel(struct sql *db, const char *tenant, const char *id, bool *ret, struct su_err *err);
/* What a run's kernel read (mode "read") or wrote ("write"); "fetch": name is the address. */
struct run_touch { char *tenant, *run, *name, *sha256; const char *mode; int64_t version, at_ms, next; };
bool run_table_touch(struct sql *db, const struct run_touch *touch, struct su_err *err);
/* Offsets [version, next) of the stream `name` were read. */
bool run_table_stream(struct sql *db, const struct run_touch *touch, struct su_err *err);

/* A window of a stream that a run's kernel committed. */
struct run_consumed { char *tenant, *run, *stream, *consumer; int64_t from, to, decisions; };
bool run_table_consumed(struct sql *db, const struct run_consumed *consumed, struct su_err *err);

/* ---- run.c ---- */

/* What a run under way that follows streams did lately, over all its attempts. */
struct run_pace { struct run_pace *next; char *tenant, *id; struct pace *pace; };

struct waiting { struct waiting *next; char *tenant, *id; int64_t attempt, due_ms; bool is_follow; };
struct line { struct waiting *first, **last; };

struct runs {
    struct store *store;
    struct su_bus *bus;
    struct compute *compute;
    struct run_tokens tokens;
    struct runs_config config;
    char *events_dir;
    json_t *environment;
    struct su_bus_subscription *subscription;

    struct su_lock lock;                /* the members up to the next blank line */
    struct live *lives;
    uint64_t n_lives, n_following, n_waiting, n_finished;   /* n_following: of the lives */
    struct line lines[2];               /* [1]: of following runs, which have places of their own */
    struct live *messages;
    struct run_pace *paces;
    bool is_closing;

    struct su_queue *work;              /* struct live, to the workers */
    struct su_thread thread, workers[3];
    int epoll_fd, wake_fd;
};

/* Store a new run, durably, and put it at the end of the line. */
bool runs_enqueue(struct runs *runs, struct run_insert *insert, struct su_err *err);
/* From a worker, back to the thread "runs". */
void runs_message(struct runs *runs, struct live *live, enum run_message message);
/* The run, if it is under way; give it back with runs_unref. */
struct live *runs_find(struct runs *runs, const char *tenant, const char *id);
void runs_unref(struct runs *runs, struct live *live);
/* With runs->lock held: no reference is taken. */
struct live *lives_find(struct runs *runs, const char *tenant, const char *id);
/* Tell the bus: event is "run.queued" … */
void runs_publish(struct runs *runs, const char *tenant, const char *id, const char *event, enum run_state state);
/* Set a run's state where readers see it, write it down without waiting, tell the bus. */
void runs_set_state(struct runs *runs, struct live *live, enum run_state state, int64_t at_ms);

/* ---- run_paces.c ---- */

/* Its pace as pace_json has it, or null (new reference). */
json_t *runs_pace(struct runs *runs, const char *tenant, const char *id, bool with_iterations);
/* The window in the run's hands: JSON (caller frees), or NULL. */
char *runs_window(struct runs *runs, const char *tenant, const char *id);
/* A window was handed to a run or committed by it: the detail of pace_offer or pace_commit, with "tenant" and "run". */
void paces_note(struct runs *runs, const json_t *detail, bool is_commit);
/* With runs->lock held: an attempt is over; the run is. */
void paces_drop(struct runs *runs, const char *tenant, const char *id);
void paces_forget(struct runs *runs, const char *tenant, const char *id);

/* ---- run_work.c ---- */
void run_work(void *arg);               /* a worker's life */
