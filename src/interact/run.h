/* Runs: notebooks executed on the server's account.  Layer interact; every function from any thread.
 *
 * A run is accepted (durable when run_create returns), waits in line, gets a
 * kernel under a keeper, and is recorded as its outputs arrive; readers see them
 * at once.  The keeper runs the cells by itself, so a run goes on while no
 * server is there; runs_open finds its runs again and misses nothing.  At the
 * end the executed notebook, its figures and the run's record are committed
 * together, and only then is the keeper let go.
 *
 * A run that follows (a stream) has no time limit and is begun again after a
 * failure of its kernel, its keeper or the server, until it is cancelled: 1 s
 * later, doubled up to 5 min while it keeps failing within a minute.
 *
 * Bus: "run.queued", "run.started", "run.progress", "run.finished" with
 * {"run","state",…} on the topics "run/<id>" and (progress excepted)
 * "tenant/<tenant>".  What kernels read and write comes in on the topics
 * "run-reads" and "run-writes" ({tenant,run,name,version,sha256}), and as the
 * objects' own events; what they read of streams on "run-reads" too, as "stream.read" {tenant,run,stream,from,to};
 * which windows they committed on "run-consumed" {tenant,run,stream,consumer,from,to,decisions}. */
#pragma once
#include "aggregate/promise.h"
#include "base/bus.h"
#include "base/json.h"
#include "base/hash.h"
#include "base/random.h"
#include "run_state.h"
#include "store/store.h"

struct compute;
struct runs;

extern const struct store_migration run_migrations[];

/* What the layers above give: tokens for kernels. */
struct run_tokens {
    void *arg;
    /* A token for objects in the run's name; *ret is freed by the caller. */
    bool (*issue)(void *arg, const char *tenant, const char *run, const char *user, int64_t lifetime_ms, char **ret,
                  struct su_err *err);
    void (*end)(void *arg, const char *tenant, const char *run);
};

struct runs_config {
    uint64_t parallel;      /* runs at once; 0: 4 */
    uint64_t queued;        /* runs in line; 0: 10000 */
    uint64_t following;     /* following runs at once, beside the others; 0: 16 */
    event_promise_fn *promise;  /* of "run.finished"; NULL: it is published only */
};

/* Finds the runs that a server before this one left, and goes on with them. */
bool runs_open(struct store *store, struct su_bus *bus, struct compute *compute, const struct run_tokens *tokens,
    const struct runs_config *config, struct runs **ret, struct su_err *err);
/* Lets go; runs under way go on under their keepers. */
void runs_close(struct runs *runs);

/* What is to be run: notebooks.h and recipe.h fill it from what they keep.  Born as {0}. */
struct run_source {
    char *notebook;         /* its name */
    int64_t version;        /* 0 for a shipped recipe */
    char sha256[SU_SHA256_HEX];
    struct su_buf text;     /* the .ipynb as stored */
    char *recipe, *recipe_version, *object; /* NULL unless it is a recipe's run */
};
void run_source_done(struct run_source *source);
#define RUN_AUTO_SOURCE SU_CLEANUP(run_source_done)

/* The body of POST /v1/runs, as far as it is about the run itself. */
struct run_options {
    const json_t *parameters;   /* object, or NULL */
    const json_t *limits;       /* object: time_s, memory_mb, processes, scratch_mb, output_mb; or NULL */
    bool network;
    int64_t retries;            /* after an interruption */
    bool follow;                /* no time limit; begun again, with back-off, however it ends but by success or a cancel */
    const char *label;
    const char *replay_of;      /* run_replay's own */
    const char *decision;       /* that starts it, by its id: a decision starts one run, asked again it gives the same; or NULL */
};
enum { RUN_RETRIES_MAX = 10, RUN_LABEL_MAX = 200 };
extern const struct su_field run_limit_fields[];

/* Checks parameters and limits, stores the run; on disk when true. */
bool run_create(struct runs *runs, const char *tenant, const char *user, const struct run_source *source,
    const struct run_options *options, char ret_id[static SU_ID_SIZE], struct su_err *err);
/* The same notebook version, parameters and limits again; its reads get the object versions of the original. */
bool run_replay(struct runs *runs, const char *tenant, const char *user, const char *id, char ret_id[static SU_ID_SIZE],
                struct su_err *err);
/* Queued: cancelled at once.  Under way: the kernel is interrupted, then terminated, then killed. SU_CONFLICT when
 * it has already ended another way. */
bool run_cancel(struct runs *runs, const char *tenant, const char *id, struct su_err *err);

/* The run of the REST API as it is now (new reference); *ret_final (may be NULL): has it ended? */
bool run_get(struct runs *runs, const char *tenant, const char *id, json_t **ret, bool *ret_final, struct su_err *err);
/* Through db: how many of a tenant's runs wait in line. */
bool run_queued(struct sql *db, const char *tenant, int64_t *ret, struct su_err *err);
/* Through db: the run that this decision started ("": none), and whether it has ended. */
bool run_of_decision(struct sql *db, const char *tenant, const char *decision, char ret_id[static SU_ID_SIZE], bool *ret_final,
                     struct su_err *err);
enum run_list_kind { RUN_LIST_ALL, RUN_LIST_FOLLOWING, RUN_LIST_OTHERS };
struct run_list { const char *tenant, *state, *notebook, *recipe, *cursor; enum run_list_kind kind; size_t limit; };
/* Newest first; *ret_next is the next cursor or NULL, freed by the caller. */
bool run_list(struct runs *runs, const struct run_list *list, json_t **ret_items, char **ret_next, struct su_err *err);

/* {"cells":[…]}: what has been put out so far, or all of it. */
bool run_outputs(struct runs *runs, const char *tenant, const char *id, struct su_buf *ret, struct su_err *err);
/* What happened, a line each, and what the kernel wrote to its standard error. */
bool run_log(struct runs *runs, const char *tenant, const char *id, struct su_buf *ret, struct su_err *err);
bool run_lineage(struct runs *runs, const char *tenant, const char *id, json_t **ret, struct su_err *err);
/* A file of the ended run; the caller closes *ret_fd.  SU_CONFLICT while the run goes on. */
struct run_file { int fd; uint64_t size; char sha256[SU_SHA256_HEX]; char type[32]; };
bool run_notebook(struct runs *runs, const char *tenant, const char *id, struct run_file *ret, struct su_err *err);
bool run_figure(struct runs *runs, const char *tenant, const char *id, const char *name, struct run_file *ret,
                struct su_err *err);
/* First figure of that media type of the recipe's last successful run. */
bool run_latest_figure(struct runs *runs, const char *tenant, const char *recipe, const char *type,
                       struct run_file *ret, struct su_err *err);

/* Following a run.  Begin with a cursor of {0}, or run_cursor_parse of the last
 * id seen.  run_events hands over what is new, until about `enough` bytes are;
 * *ret_over: that was the end ("finished" with the run as data).  Ids are
 * "<attempt>-<number of the keeper's event>", NULL where a client can't resume. */
struct run_cursor { int64_t attempt, after; uint64_t offset; int state; };
void run_cursor_parse(const char *id, struct run_cursor *ret);
typedef void run_event_fn(void *arg, const char *id, const char *event, const char *data);
bool run_events(struct runs *runs, const char *tenant, const char *id, struct run_cursor *cursor, size_t enough,
    run_event_fn *each, void *arg, bool *ret_over, struct su_err *err);

/* What code a run runs: "notebook load@7", "recipe passes@1.2"; *ret NULL (caller frees): there is no such run. */
bool run_code(struct runs *runs, const char *tenant, const char *id, char **ret, struct su_err *err);
/* Which version of an object a run must read: true for a replay, when the original read that object. */
bool run_pinned_version(struct runs *runs, const char *tenant, const char *run, const char *object, int64_t *ret);
/* What a tenant's runs come to, of the last day. */
enum { RUN_TOTAL_MINUTES = 60 };
struct run_totals {
    int64_t queued, running, following, finished_1h, failed_1h;     /* following: among the first two */
    uint64_t per_m[RUN_TOTAL_MINUTES];      /* ended in each minute, newest last */
    json_t *failures;                       /* the last ten: {"at","name","message","run"} (new reference) */
};
bool run_totals(struct runs *runs, const char *tenant, struct run_totals *ret, struct su_err *err);
/* Queued, running now, and started since the server's start. */
struct runs_stats { uint64_t queued, running, finished; };
void runs_stats(struct runs *runs, struct runs_stats *ret);
