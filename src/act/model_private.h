/* What model.c (reading), model_save.c and model_stage.c share.  Layer act. */
#pragma once
#include "aggregate/object.h"
#include "model.h"

struct models { struct store *store; struct su_bus *bus; struct objects *objects; };

bool model_name_check(const char *name, struct su_err *err);
/* "models/<name>"; the caller frees. */
char *model_object_name(const char *name);

/* A model's own row; texts are freed by model_row_done. */
struct model_row { int64_t live, revision; char *promotion; bool is_there; };
void model_row_done(struct model_row *row);
#define MODEL_AUTO_ROW SU_CLEANUP(model_row_done)
/* is_there false: no such model. */
bool model_row_load(struct sql *db, const char *tenant, const char *name, struct model_row *ret, struct su_err *err);
bool model_missing(const char *name, struct su_err *err);
bool model_version_missing(const char *name, int64_t version, struct su_err *err);

/* --- inside writer jobs: model_stage.c --- */

/* The model's row, if it is not there yet; SU_LIMIT when there are too many. */
bool model_make(struct sql *db, const char *tenant, const char *name, const char *user, struct su_err *err);
/* Another version (0: none) is live from now on, and the history says so.  back: the history's entry that a rollback goes to;
 * -1: the newest one. */
struct model_move { const char *tenant, *name, *user, *why; int64_t version, before, back; };
bool model_move_live(struct sql *db, const struct model_move *move, struct su_err *err);
bool model_touch(struct sql *db, const char *tenant, const char *name, const char *user, struct su_err *err);
/* After the commit. */
void model_tell_promoted(struct models *models, const char *tenant, const char *name, int64_t version, int64_t before, const char *user);
void model_tell(struct models *models, const char *tenant, const char *event, json_t *detail);
