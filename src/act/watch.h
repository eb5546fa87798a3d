/* Watches: a detector on the windows of a stream, per key, and what follows from it.  Layer act; any thread.
 *
 * A watch goes through the closed windows of its stream in order, each once: every
 * key's values are scored by its detector, the score moves the key's state machine
 * (watch_machine.h), and a step of that is a decision.  Decisions and the watch's
 * position are one transaction; a decision's id follows from watch, key, step and window,
 * so it can't be made twice.
 *
 * What the keys have learned is in memory and is kept now and then as a checkpoint (a blob).
 * After a crash the watch goes on from its newest checkpoint: windows before its position are gone
 * through again with their decisions suppressed and compared with those that were made.
 * Retention of the stream never passes the checkpoint of a watch that is not stopped.
 *
 * A watch whose detector has a model uses another version from the window on at which it found it
 * live; which that was is kept, so a replay changes at the same window.
 *
 * When the scores under a model lie far above the half that they would average on what it was learned from, for
 * about a hundred windows, the model has drifted: model_drifted says so, once, until they are back.
 *
 * Two threads, "watches-0" and "watches-1", share the watches.  Events on "tenant/<tenant>":
 * "watch.changed", "watch.deleted" {name, user}, "decision.made", "anomaly.opened", "anomaly.resolved" {watch, key, level, decision}. */
#pragma once
#include "aggregate/stream.h"
#include "watch_definition.h"

struct watches;
struct models;
struct actions;
extern const struct store_migration watch_migrations[];
/* models may be NULL (then no watch can use one). */
bool watches_open(struct streams *streams, struct models *models, struct watches **ret, struct su_err *err);
/* Checkpoints are written; what is under way is given up. */
void watches_close(struct watches *watches);

/* Makes or changes it; *ret as watch_get gives it.  Conditions as HTTP has them, or NULL.  A change that learns the same goes on from
 * where it is; another one learns anew; another "from" begins again there. */
bool watch_put(struct watches *watches, const char *tenant, const char *name, const json_t *given, const char *if_match,
               const char *if_none_match, const char *user, json_t **ret, bool *ret_is_new, struct su_err *err);
/* The definition, and {"name","code","state","error","position","lag","keys","firing","worst","unwatched","model","mean_score","created_at",
 * "created_by","changed_at","changed_by","version","etag"} (new reference). */
bool watch_get(struct watches *watches, const char *tenant, const char *name, json_t **ret, struct su_err *err);
bool watch_list(struct watches *watches, const char *tenant, json_t **ret_items, struct su_err *err);
bool watch_delete(struct watches *watches, const char *tenant, const char *name, const char *user, struct su_err *err);

/* Keys as they are now, by name after cursor; state: of watch_state_name, "open", or NULL. */
struct watch_key_list { const char *tenant, *name, *state, *part, *cursor; size_t limit; };
bool watch_key_list(struct watches *watches, const struct watch_key_list *list, json_t **ret_items, char **ret_next, struct su_err *err);

/* What a tenant's watches come to. */
struct watch_totals { int64_t watches, stopped, keys, firing; int64_t lag_ms_max; enum watch_level worst; };
bool watch_totals(struct watches *watches, const char *tenant, struct watch_totals *ret, struct su_err *err);

/* The same code over a range of the past, in dry run.  definition: members that replace the watch's own, or all of one (name NULL).
 * from, to, last: as stream_range takes them.  version: of the model instead of the one that was live; 0: that one.
 * *ret: {"windows","messages","keys","decisions":[…],"decisions_total","truncated","scores","compared"} (new reference). */
enum { WATCH_BACKTEST_DECISIONS = 1000, WATCH_BACKTEST_POINTS = 10000 };
struct watch_backtest {
    const char *tenant, *name, *from, *to, *last, *key /* whose scores are wanted */;
    const json_t *definition;
    int64_t model_version;
    bool with_scores, with_decisions;
};
bool watch_backtest(struct watches *watches, const struct watch_backtest *backtest, json_t **ret, struct su_err *err);
