/* Models: what was learned, named and versioned, with a stage that says which version is in use.  Layer act; any thread,
 * what takes a struct sql through that connection (writing: inside a writer job).
 *
 * A model is an object "models/<name>", tagged "model"; a version of it is that object's version and a row here: kind,
 * format, metrics, and what made it (run, notebook and its version, window, sources).
 *
 * Stages.  live: the one that is used where a model is asked for by name; at most one.  candidate: may become it.
 * retired: was live, or was withdrawn.  The first version is live at once; later ones are candidates, unless whoever saves
 * asks for a stage, or the model's promotion policy finds them better than the live one.  Promoting, rolling back (to what was
 * live before) and retiring move a pointer; each is a line of the model's history, and none changes content.
 *
 * Formats.  json: any JSON, among it the native kinds of detector.h; skops: scikit-learn, read without running what is in it;
 * bytes: whatever else, for readers of its own; pickle: only where the tenant's owner allows it, because whoever loads one
 * runs it (neither saved nor given out otherwise).
 *
 * Only the newest MODEL_VERSIONS_MAX versions stay, beside the live one and what the last MODEL_BACK_MAX changes were about.
 *
 * Events on "tenant/<tenant>": "model.saved" {name, version, stage, kind, run, user}, "model.promoted" {name, version, before, user},
 * "model.retired" {name, version, user}, "model.deleted" {name, user}, "model.drift" {name, version, stream, watch, score}.
 * Topic "models" gets {"tenant","name"} whenever another version (or none) is live. */
#pragma once
#include "aggregate/window.h"
#include "base/bus.h"
#include "base/hash.h"
#include "base/json.h"
#include "store/store.h"

enum {
    MODEL_NAME_MAX = 200,           /* bytes */
    MODEL_BYTES_MAX = 1 << 30,      /* of one version */
    MODEL_JSON_MAX = 48 << 20,      /* of one in JSON */
    MODEL_NATIVE_MAX = 8 << 20,     /* of JSON that a detector begins with */
    MODEL_METRICS_MAX = 64,
    MODEL_METRIC_NAME_MAX = 64,     /* bytes */
    MODEL_SOURCES_MAX = 64,
    MODEL_SOURCE_MAX = 2048,        /* bytes of one as compact JSON */
    MODEL_KIND_MAX = 64,            /* bytes */
    MODEL_VERSIONS_MAX = 1000,      /* kept of one model */
    MODEL_BACK_MAX = 10,            /* changes of the live version that can be rolled back however old the versions are */
    MODELS_MAX = 10000,             /* of one tenant */
};

enum model_stage { MODEL_STAGE_POLICY /* as the model's promotion says */, MODEL_CANDIDATE, MODEL_LIVE, MODEL_RETIRED, MODEL_STAGE_COUNT };
const char *model_stage_name(enum model_stage stage);
/* "live" or "candidate"; NULL leaves it to the policy. */
bool model_stage_parse(const char *text, enum model_stage *ret, struct su_err *err);

struct objects;
struct models;
extern const struct store_migration model_migrations[];
bool models_open(struct store *store, struct su_bus *bus, struct objects *objects, struct models **ret, struct su_err *err);
void models_close(struct models *models);

/* The name without a leading "models/": borrowed from name. */
const char *model_bare_name(const char *name);

/* --- saving ---------------------------------------------------------------------------- */

/* Everything is copied by begin. */
struct model_save {
    const char *tenant, *name, *user;
    const char *run, *code;         /* the run, and "notebook load@7"; NULL: saved by a person or a program */
    const char *format;             /* NULL: as the media type says, else bytes */
    const char *kind;               /* NULL: as the format suggests */
    const char *type;               /* media type; NULL: the format's own */
    const json_t *metrics;          /* object of numbers, or NULL */
    const json_t *metadata, *tags;  /* the object's, or NULL */
    const json_t *sources;          /* list: what it was learned from, objects or texts; or NULL */
    enum model_stage stage;
    const char *stream, *consumer;  /* the iteration that made it, or NULL */
    struct window window;
    int64_t epoch, iteration;
    uint64_t size_hint;             /* announced bytes, 0 unknown */
};
/* begin checks, add brings content (in as many pieces as there are), finish makes the version: true when it is on disk.
 * *ret as model_version gives it.  close always, finished or not; NULL is fine. */
struct model_saving;
bool model_save_begin(struct models *models, const struct model_save *save, struct model_saving **ret, struct su_err *err);
bool model_save_add(struct model_saving *saving, const void *data, size_t len, struct su_err *err);
bool model_save_finish(struct model_saving *saving, json_t **ret, struct su_err *err);
void model_saving_close(struct model_saving *saving);
static inline void model_saving_close_pointer(struct model_saving **saving) { model_saving_close(*saving); }
#define MODEL_AUTO_SAVING SU_CLEANUP(model_saving_close_pointer)
/* Instead of finish, as part of a larger transaction: ready (the content is checked and on disk), job inside the writer job (the
 * stage is decided there), and done after the commit, which tells of it.  What was made is known after the job. */
bool model_save_ready(struct model_saving *saving, struct su_err *err);
bool model_save_job(struct sql *db, struct model_saving *saving, struct su_err *err);
void model_save_done(struct model_saving *saving);
struct model_saved { const char *name, *object; int64_t version; enum model_stage stage; };
struct model_saved model_saved(const struct model_saving *saving);

/* --- reading --------------------------------------------------------------------------- */

/* {"name","object","kind","live","candidate","promotion","versions_total","etag","created_at","changed_at","changed_by","drift"}, and in
 * model_get "versions" (the newest 100) and "history" (the last 20).  New references. */
bool model_get(struct models *models, const char *tenant, const char *name, json_t **ret, struct su_err *err);
struct model_list { const char *tenant, *prefix, *cursor; size_t limit; };
bool model_list(struct models *models, const struct model_list *list, json_t **ret_items, char **ret_next, struct su_err *err);
/* Newest first. */
bool model_versions(struct models *models, const char *tenant, const char *name, const char *cursor, size_t limit, json_t **ret_items,
                    char **ret_next, struct su_err *err);
/* which: a number, "live" or "candidate" (the newest one). */
bool model_version(struct models *models, const char *tenant, const char *name, const char *which, json_t **ret, struct su_err *err);
/* {"name","a","b","metrics":[{"metric","a","b","difference","better"}],"is_same_content"}; 0 for a: the live one, for b: the newest
 * candidate (or the newest version). */
bool model_compare(struct models *models, const char *tenant, const char *name, int64_t a, int64_t b, json_t **ret, struct su_err *err);

/* Which of these objects ([{"object","version"}] each, as a run's lineage has them) are versions of models:
 * {"used":[{"name","version","kind","stage"}],"made":[…]} (new reference). */
bool model_lineage(struct models *models, const char *tenant, const json_t *reads, const json_t *writes, json_t **ret, struct su_err *err);

/* Its content: a descriptor that the caller closes.  SU_DENIED for a pickle where none is allowed. */
struct model_content {
    int fd;
    uint64_t bytes;
    int64_t version, live;          /* live: the number that is live now, 0: none */
    char etag[40], sha256[SU_SHA256_HEX], format[16];
    char *type, *kind;
};
bool model_content(struct models *models, const char *tenant, const char *name, const char *which, struct model_content *ret, struct su_err *err);
void model_content_done(struct model_content *content);     /* not the descriptor */
#define MODEL_AUTO_CONTENT SU_CLEANUP(model_content_done)

/* The live version; 0: there is none. */
bool model_live(struct sql *db, const char *tenant, const char *name, int64_t *ret_version, struct su_err *err);
/* The JSON of a version (0: the live one) whose kind is `kind` (NULL: any); new reference.  SU_INVALID names what was expected. */
bool model_native(struct models *models, const char *tenant, const char *name, int64_t version, const char *kind, json_t **ret,
                  int64_t *ret_version, struct su_err *err);

/* --- stages ---------------------------------------------------------------------------- */

/* if_match: the model's etag, or NULL; a miss is "precondition-failed".  *ret as model_get gives it. */
struct model_change { const char *tenant, *name, *user, *if_match; };
bool model_promote(struct models *models, const struct model_change *change, int64_t version, json_t **ret, struct su_err *err);
/* To what was live before and was not withdrawn since; SU_CONFLICT when there is nothing. */
bool model_rollback(struct models *models, const struct model_change *change, json_t **ret, struct su_err *err);
/* A live one leaves the model without a live version. */
bool model_retire(struct models *models, const struct model_change *change, int64_t version, json_t **ret, struct su_err *err);

/* {"metric","better","at_least","at_most"}; NULL or {}: no policy.  The model need not have a version yet. */
extern const struct su_field model_promotion_fields[];
bool model_promotion_put(struct models *models, const struct model_change *change, const json_t *policy, json_t **ret, struct su_err *err);
/* With its versions and their content. */
bool model_delete(struct models *models, const struct model_change *change, struct su_err *err);
/* Inside a job that deletes an object: SU_CONFLICT when a model's version would go with it. */
bool model_guards_object(struct sql *db, const char *tenant, const char *object, int64_t version, struct su_err *err);

/* Inside a job: a decision was made with these, [{"name","version"}]; counted with each version that is still there. */
bool model_decided(struct sql *db, const char *tenant, const json_t *models, struct su_err *err);

/* May this tenant keep and load pickles? */
bool model_pickle_get(struct models *models, const char *tenant, bool *ret, struct su_err *err);
bool model_pickle_put(struct models *models, const char *tenant, bool is_allowed, const char *user, struct su_err *err);

/* A watch found that what a version was learned from is no longer what it sees: noted with the model, and told. */
struct model_drift { const char *tenant, *name, *stream, *watch; int64_t version; double score; };
bool model_drifted(struct models *models, const struct model_drift *drift, struct su_err *err);
