/* Triggers: when something happens, something starts.  Layer act; any thread.
 *
 * A trigger's firing is a decision (decision.h), made in one transaction with the trigger's position, under an id
 * that follows from the trigger's generation and from what it fired for: a message's offset, a tick of its
 * schedule, a caller's key.  So each is fired for exactly once, wherever the server was killed.  The decision starts
 * a run or goes to an action, like any other.
 *
 * A generation begins when a trigger is made, when its `when` changes and when it is enabled again: from then on counts
 * what happens.  While a trigger that queues has a firing under way (its decision not delivered yet, or the run that
 * it started not ended), further firings wait in the trigger's queue and become decisions when their turn comes.
 *
 * Bounds: a rate (what is over is dropped and counted), a queue of TRIGGER_QUEUE_MAX, and a circle: a decision's
 * grounds name the triggers that led to it, and one that would fire for what it has itself caused is stopped,
 * with the circle as its error, until it is put or enabled again.
 *
 * Events on topic "tenant/<tenant>": "trigger.changed", "trigger.deleted" {name, user}; "trigger.stopped" {name, error};
 * "trigger.dropped" {name, dropped} once in a period; "cron.tick" {trigger, tick, decision};
 * "decision.made" {decision, trigger, action}.  Topic "triggers" is published when the scheduler has to look again. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "store/store.h"

enum {
    TRIGGER_QUEUE_MAX = 1000,
    TRIGGER_CHAIN_MAX = 8,          /* triggers that lead to one another */
    TRIGGER_PARAMETERS_MAX = 64 * 1024,
    TRIGGER_SECRET_SIZE = 44,       /* 43 characters, 256 bits, and NUL */
    TRIGGER_KEY_MAX = 255,
};

struct runs;
struct streams;
struct triggers;
extern const struct store_migration trigger_migrations[];
bool triggers_open(struct store *store, struct su_bus *bus, struct streams *streams, struct runs *runs, struct triggers **ret,
                   struct su_err *err);
void triggers_close(struct triggers *triggers);

/* Makes or changes it (trigger_definition.h); *ret as trigger_get gives it. */
bool trigger_put(struct triggers *triggers, const char *tenant, const char *name, const json_t *definition, const char *user,
                 json_t **ret, bool *ret_is_new, struct su_err *err);
/* The definition and {"name","state":"waiting|working|paused|stopped","error","next_at","last_fired","fired","dropped",
 * "skipped","missed","queued","last_dropped","under_way","position","has_secret_url","version","created_at","changed_at","changed_by"}
 * (new reference). */
bool trigger_get(struct triggers *triggers, const char *tenant, const char *name, json_t **ret, struct su_err *err);
/* By name (new reference). */
bool trigger_list(struct triggers *triggers, const char *tenant, json_t **ret_items, struct su_err *err);
/* What waits in its queue goes with it; decisions stay. */
bool trigger_delete(struct triggers *triggers, const char *tenant, const char *name, const char *user, struct su_err *err);
/* Those that wait, the newest first, then those that are decisions: {"at","state":"queued|fired|skipped|faulty","decision",
 * "delivery": the decision's state or null,"run": id or null,"reason","event","parameters"}.  *ret_next NULL at the end (caller
 * frees). */
bool trigger_firings(struct triggers *triggers, const char *tenant, const char *name, const char *cursor, size_t limit, json_t **ret_items,
                     char **ret_next, struct su_err *err);
struct trigger_totals { int64_t triggers, stopped, queued; };
bool trigger_totals(struct triggers *triggers, const char *tenant, struct trigger_totals *ret, struct su_err *err);

/* Fires it now, whatever its kind.  parameters: an object or NULL; they stand in event.parameters, and go along where
 * the definition does not say otherwise.  key: asked again with the same one it is the same firing; or NULL.
 * *ret: {"decision": id, "state": "fired|queued|skipped"} (new reference).
 * SU_LIMIT "rate-limited" past its rate; SU_CONFLICT when it is not enabled or has been stopped. */
struct trigger_call { const char *tenant, *name, *user, *key; const json_t *parameters; };
bool trigger_fire(struct triggers *triggers, const struct trigger_call *call, json_t **ret, struct su_err *err);

/* A new secret for the trigger's own address; the one before ends.  Only its hash is kept. */
bool trigger_secret_new(struct triggers *triggers, const char *tenant, const char *name, const char *user,
                        char ret[static TRIGGER_SECRET_SIZE], struct su_err *err);
bool trigger_secret_end(struct triggers *triggers, const char *tenant, const char *name, const char *user, struct su_err *err);
/* Fires the trigger whose secret it is (call: tenant, name and user are not looked at).  An unknown one costs what a known
 * one costs and is SU_NOT_FOUND. */
bool trigger_fire_secret(struct triggers *triggers, const char *secret, const struct trigger_call *call, json_t **ret, struct su_err *err);
