/* What the files of triggers share: rows, firings, the job that makes decisions of them.  Layer act. */
#pragma once
#include "base/random.h"
#include "trigger.h"
#include "trigger_definition.h"

struct triggers { struct store *store; struct su_bus *bus; struct streams *streams; struct runs *runs; };

/* --- rows: trigger_table.c ---------------------------------------------------------------- */

/* A trigger and where it stands.  Texts are its own. */
struct trigger_row {
    char *tenant, *name, *generation, *changed_by, *created_by;
    json_t *definition;
    int64_t version, created_ms, changed_ms;
    bool has_secret;
    /* where it stands */
    int64_t since_us;           /* when the generation began */
    int64_t stream, offset;     /* number of the stream it follows, and the next message's; stream 0: not there yet */
    int64_t looked_us;          /* ticks up to then are settled */
    int64_t fired, dropped, skipped, missed, last_fired_ms, last_dropped_ms;
    int64_t rate_start_ms, rate_count;
    char active[SU_ID_SIZE];    /* the decision that may be under way; "": none */
    char *error;                /* or NULL */
    bool is_stopped;
    int64_t queued;
};
void trigger_row_done(struct trigger_row *row);
#define TRIGGER_AUTO_ROW SU_CLEANUP(trigger_row_done)
bool trigger_load(struct sql *db, const char *tenant, const char *name, struct trigger_row *ret, struct su_err *err);
/* Each trigger of a tenant (NULL: of all), by tenant and name; the row is taken over (trigger_row_done). */
bool trigger_each(struct sql *db, const char *tenant, void (*each)(void *arg, struct trigger_row *row), void *arg, struct su_err *err);
/* Inside a job: where it stands now. */
bool trigger_keep(struct sql *db, const struct trigger_row *row, struct su_err *err);
bool trigger_name_check(const char *name, struct su_err *err);
json_t *trigger_row_json(struct triggers *triggers, struct sql *db, const struct trigger_row *row);

/* --- firings: trigger_fire.c ------------------------------------------------------------------ */

/* What a trigger fires for.  Owned by whoever made it. */
struct trigger_firing {
    char id[SU_ID_SIZE];        /* of the decision it becomes */
    json_t *event;              /* what the templates saw, shortened when it is large */
    json_t *parameters, *chain; /* chain: names of the triggers that led here */
    char *object;               /* of a recipe's run, or NULL */
    char *reason, *fault;       /* fault: it can't be made, and why; or NULL */
    const char *stream;         /* of a message, or NULL; borrowed */
    int64_t offset, time_us;
    bool is_tick;               /* of a schedule: bounded already, the rate does not count it */
};
void trigger_firing_done(struct trigger_firing *firing);
/* From an event; occasion: what it is, once in a generation.  Takes event. */
void trigger_firing_make(const struct trigger_row *row, const struct trigger_definition *definition, const char *occasion, json_t *event,
                         const json_t *given, struct trigger_firing *ret);

/* One transaction: firings, and the position after them. */
struct trigger_step {
    struct triggers *triggers;
    const char *tenant, *name, *generation;
    const struct trigger_definition *definition;
    struct trigger_firing *firings;
    size_t count;
    int64_t now_ms;
    bool moves;                 /* the position changes to: */
    int64_t stream, offset, looked_us, missed;
    const char *stop;           /* it is stopped, for this reason; or NULL */
    /* What came of it. */
    enum trigger_verdict { TRIGGER_FIRED, TRIGGER_QUEUED, TRIGGER_SKIPPED, TRIGGER_DROPPED, TRIGGER_KNOWN, TRIGGER_FAULTY } *verdicts;
    char cancel[SU_ID_SIZE];    /* a run that is to make place; "": none */
    bool has_news, has_dropped; /* decisions were made; the first was dropped in this period */
    int64_t dropped;
};
/* SU_CONFLICT: the generation is over, or it is not enabled or stopped.  Tells everybody after the commit. */
bool trigger_step(struct trigger_step *step, struct su_err *err);
/* Makes decisions of what waits in the queue, as far as its turn has come; *ret_left: still waiting. */
bool trigger_release(struct triggers *triggers, const char *tenant, const char *name, bool *ret_left, struct su_err *err);

/* --- causes: trigger_cause.c --------------------------------------------------------------------- */

/* The triggers that led to an event of `_events`, the oldest first: through its decision, or its run's (new reference). */
bool trigger_chain(struct triggers *triggers, const char *tenant, const json_t *event, json_t **ret, struct su_err *err);
/* Would firing close a circle, or make the chain too long?  Says so (caller frees); NULL: no. */
char *trigger_circle(const json_t *chain, const char *name);
