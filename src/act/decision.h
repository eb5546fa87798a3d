/* Decisions: what was decided about a window or an event, each a row for ever, and the outbox of those to be delivered.
 * Layer act; any thread, what takes a struct sql inside a writer job.
 *
 * A decision is made in the transaction that moves its maker on (a follower's or a watch's
 * window, a trigger's event), so it is made exactly once.  Its row says on what grounds:
 * stream, window with its offsets and revision, value, score and what normal would have been, the
 * models by version, the code that decided, the run.  It waits in the outbox until
 * its action has got it or never will: delivery is at least once, in order for each action, under
 * one idempotency key, the decision's id.
 *
 * States: noted (there is nothing to deliver); else what guards say (guard.h), in the same transaction: stopped,
 * held (for a person's word, approval.h), or pending (in the outbox); then sent, failed (a dead letter) or expired. */
#pragma once
#include "base/json.h"
#include "base/random.h"
#include "aggregate/window.h"
#include "store/store.h"

extern const struct store_migration decision_migrations[];

enum { DECISION_REASON_MAX = 2000, DECISION_PARAMETERS_MAX = 64 * 1024, DECISION_KEY_MAX = 1024 };

/* Texts may be NULL but for tenant, user, reason; JSON may be NULL. */
struct decision {
    const char *tenant, *user, *reason;
    const char *id;                     /* NULL: a new one; else one that follows from the grounds (decision_id) */
    const char *stream, *consumer;      /* of a window */
    const char *watch, *key, *event, *level;    /* of a watch: which of its keys, which step (watch_event_name), to which level */
    const char *trigger, *run;
    const char *action;                 /* its name; NULL: none, or target says it inline */
    const json_t *target;               /* an action's definition without a name (a trigger's run) */
    const json_t *parameters;           /* object */
    const json_t *grounds;              /* {"value","score","expected","low","high",…} */
    const json_t *models;               /* [{"name","version"}] that it was made with */
    const char *code;                   /* "seasonal/1", "notebook load@7", "trigger nightly@3" */
    struct window window;               /* all 0: of no window */
    int64_t epoch, iteration;
    bool is_dry;                        /* its maker is in dry run: nothing is delivered */
    int64_t keys;                       /* how many the watch has, for the blast radius; 0: nobody knows */
};
/* Inside a job: the row with its guards' trace, and its place in the outbox.  *ret_is_new (may be NULL) false: a decision of this id had been made
 * before, and nothing happens. */
bool decision_insert(struct sql *db, const struct decision *decision, char ret_id[static SU_ID_SIZE], bool *ret_is_new,
                     struct su_err *err);
/* Pure: the id that follows from these texts in this order (SHA-256, in the letters of su_id). */
void decision_id(const char *const *parts, size_t count, char ret[static SU_ID_SIZE]);

/* Through db: is it still to be delivered (it waits for its turn, a person or a receiver)?  False for one that is not there. */
bool decision_is_open(struct sql *db, const char *tenant, const char *id, bool *ret, struct su_err *err);

struct decision_list {
    const char *tenant, *stream, *consumer, *action, *run, *state, *watch, *key, *trigger, *cursor;
    const char *id;                 /* how it begins */
    int64_t from_us, to_us;             /* windows that end in (from, to]; both 0: any */
    int64_t decided_from_ms, decided_to_ms;     /* made in [from, to); 0: any */
    size_t limit;
};
/* Newest first; *ret_next NULL at the end (caller frees). */
bool decision_list(struct store *store, const struct decision_list *list, json_t **ret_items, char **ret_next, struct su_err *err);
/* With "log", every attempt to deliver it, and "waiting" {"due_at","deferred"} or null (outbox.h). */
bool decision_get(struct store *store, const char *tenant, const char *id, json_t **ret, struct su_err *err);

/* What a tenant's decisions of the last day come to. */
enum { DECISION_TOTAL_MINUTES = 60 };
struct decision_totals {
    int64_t decisions_24h, failed, held /* for a person */, waiting /* in the outbox, of any age */;
    uint64_t per_m[DECISION_TOTAL_MINUTES];     /* made in each minute, newest last */
    json_t *failures;                           /* the last ten: {"at","name","message","id"} (new reference) */
};
bool decision_totals(struct store *store, const char *tenant, struct decision_totals *ret, struct su_err *err);

/* The decision of that number, for its delivery: without "log", and when it was decided.  *ret_attempts so far. */
bool decision_load(struct sql *db, int64_t number, json_t **ret, int64_t *ret_decided_ms, int64_t *ret_attempts, struct su_err *err);
