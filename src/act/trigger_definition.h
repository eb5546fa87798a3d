/* What a trigger is: when it fires, and what it starts.  Layer act; pure; read once, then shared by whoever holds it.
 *
 * {"when": {"kind": …}, "then": {"run": {…}} or {"action": name, "parameters": {…}},
 *  "concurrency", "rate_limit", "enabled", "description"}.  Parameters (and a run's object) are templates over
 * {"event": {…}, "trigger": {"name", "kind", "fired_at"}}. */
#pragma once
#include "base/json.h"
#include "cron.h"
#include "filter.h"

enum { TRIGGER_NAME_MAX = 128, TRIGGERS_MAX = 1000 /* of one tenant */, TRIGGER_DEFINITION_MAX = 64 * 1024 };
enum trigger_kind { TRIGGER_API, TRIGGER_CRON, TRIGGER_OBJECT, TRIGGER_EVENT, TRIGGER_RUN, TRIGGER_DRIFT, TRIGGER_KIND_COUNT };
const char *trigger_kind_name(enum trigger_kind kind);

/* What happens when it fires while what the last firing started still goes on. */
enum trigger_concurrency {
    TRIGGER_QUEUE,          /* it waits its turn */
    TRIGGER_SKIP,           /* it is noted and passed by */
    TRIGGER_REPLACE,        /* the run is cancelled; only the newest firing waits for that */
    TRIGGER_PARALLEL,       /* both go on */
    TRIGGER_CONCURRENCY_COUNT
};
extern const char *const trigger_concurrency_names[TRIGGER_CONCURRENCY_COUNT];

enum { TRIGGER_RATE_COUNT = 60, TRIGGER_RATE_MS = 60 * 1000, TRIGGER_RATE_COUNT_MAX = 10000 };

struct trigger_definition {
    enum trigger_kind kind;
    struct cron cron;
    const struct su_zone *zone;
    enum cron_catch_up catch_up;
    const char *stream;             /* that it follows; NULL: none */
    struct filter *filter;          /* of that stream */
    const char *tag, *notebook;     /* further conditions, or NULL: of an object; of a run (a notebook's or recipe's name) */
    bool on_created, on_changed;    /* of an object */
    const json_t *run, *parameters; /* borrowed from json; run NULL: an action */
    const char *action;
    enum trigger_concurrency concurrency;
    int64_t rate_count, rate_per_ms;
    bool is_enabled;
    json_t *json;                   /* as given, with defaults filled in */
};
extern const struct su_field trigger_fields[];
/* Reads and checks; what it names (notebooks, actions, streams) need not be there yet. */
bool trigger_definition_read(const json_t *given, struct trigger_definition *ret, struct su_err *err);
void trigger_definition_done(struct trigger_definition *definition);
#define TRIGGER_AUTO_DEFINITION SU_CLEANUP(trigger_definition_done)

/* Of an event that the filter took: do the further conditions hold? */
bool trigger_definition_takes(const struct trigger_definition *definition, const json_t *event);
/* Fills the templates: *ret_parameters (an object) and *ret_object (NULL: none; caller frees). */
bool trigger_definition_fill(const struct trigger_definition *definition, const json_t *values, json_t **ret_parameters,
                             char **ret_object, struct su_err *err);
