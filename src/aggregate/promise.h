/* Promised events: those that must not get lost between a change and the telling of it.  Layer aggregate.
 *
 * What happens is published after its commit and appended to the tenant's stream `_events` a moment later; a server that
 * is killed in that moment would never tell.  So whoever changes something that others react to notes the event in the
 * transaction of the change (event_promise), publishes the same detail after it, and the thread that appends the
 * event takes the note away in the same commit.  Notes that a server left are appended when the next one starts.
 *
 * Modules get event_promise as a function at their construction; one that gets none promises nothing. */
#pragma once
#include "base/json.h"
#include "store/store.h"

extern const struct store_migration promise_migrations[];
typedef bool event_promise_fn(struct sql *db, const char *tenant, const char *event, const json_t *detail, struct su_err *err);
/* Inside a job. */
bool event_promise(struct sql *db, const char *tenant, const char *event, const json_t *detail, struct su_err *err);
/* Inside the job that appends it: it has been told; one that was not promised is fine. */
bool event_promise_keep(struct sql *db, const char *tenant, const char *event, const json_t *detail, struct su_err *err);
/* Those that are left, in order of their time (when they happened). */
bool event_promise_each(struct sql *db, void (*each)(void *arg, const char *tenant, const char *event, json_t *detail, int64_t at_us),
                        void *arg, struct su_err *err);
