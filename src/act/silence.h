/* Silences: what a person does not want to be acted upon for a while, and recurring maintenance.  Layer act; any thread.
 *
 * A silence has matchers (globs; all that are given must match), an end, an author and a reason.  With `every` it holds
 * only in those hours of the week (hours.h).  A decision is silenced when what it is about, or the moment it is made,
 * lies in the silence: so work that is caught up on afterwards stays silent too.
 *
 * Event on topic "tenant/<tenant>": "silence.made", "silence.ended" {id, reason, user}. */
#pragma once
#include "base/bus.h"
#include "base/json.h"
#include "base/random.h"
#include "store/store.h"

enum { SILENCES_MAX = 1000 /* of one tenant that have not ended */, SILENCE_REASON_MAX = 1000, SILENCE_MAX_DAYS = 366 };

extern const struct store_migration silence_migrations[];
/* {"matchers","from","until","reason","every"} */
extern const struct su_field silence_fields[];
bool silence_make(struct store *store, struct su_bus *bus, const char *tenant, const json_t *given, const char *user, json_t **ret, struct su_err *err);
/* Those that have not ended, the next to end first; with is_ended also those of the last 30 days (new reference). */
bool silence_list(struct store *store, const char *tenant, bool is_ended, json_t **ret_items, struct su_err *err);
bool silence_end(struct store *store, struct su_bus *bus, const char *tenant, const char *id, const char *user, struct su_err *err);

/* What is matched; texts may be NULL. */
struct silence_about { const char *watch, *key, *level, *event, *action, *trigger, *stream; };
/* Through db: *ret a text of why it is silenced (caller frees), or NULL. */
bool silence_find(struct sql *db, const char *tenant, const struct silence_about *about, int64_t at_us, int64_t now_us, char **ret, struct su_err *err);
