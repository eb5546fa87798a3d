/* The recipes at hand: those shipped with the server and a tenant's own.  Layer interact; any thread.
 *
 * Shipped ones are read from a folder of .ipynb files when the server starts:
 * every tenant sees them, nobody changes them.  A tenant's own are objects of
 * kind "recipe" under the declared name; a shipped name can't be taken. */
#pragma once
#include "aggregate/object.h"
#include "aggregate/preview.h"
#include "run.h"

struct recipes;

/* A file in dir that is no recipe is logged and left out; dir may be absent. */
bool recipes_open(struct objects *objects, struct previews *previews, const char *dir, struct recipes **ret,
                  struct su_err *err);
void recipes_close(struct recipes *recipes);

/* All recipes by name.  With the name of an object each also has "fits" and, when it does not, "reason". */
bool recipes_list(struct recipes *recipes, const char *tenant, const char *object, json_t **ret_items,
                  struct su_err *err);
bool recipes_info(struct recipes *recipes, const char *tenant, const char *name, json_t **ret, struct su_err *err);
/* The .ipynb, whole. */
bool recipes_text(struct recipes *recipes, const char *tenant, const char *name, struct su_buf *ret,
                  struct su_err *err);
/* Store a tenant's recipe; name NULL takes the declared one, else they must be equal. put: tenant, user, conditions. */
bool recipes_put(struct recipes *recipes, const struct object_put *put, struct su_str text, json_t **ret_info,
                 char ret_etag[static OBJECT_ETAG_SIZE], bool *ret_is_new, struct su_err *err);
bool recipes_delete(struct recipes *recipes, const struct object_delete *what, struct su_err *err);
/* For run_create: the object must exist and fit (`SU_INVALID` says why it does not). */
bool recipes_source(struct recipes *recipes, const char *tenant, const char *name, const char *object,
                    struct run_source *ret, struct su_err *err);
