/* A recipe's declaration: what a notebook says about itself and its input.  Layer interact; pure, any thread.
 *
 * notebook.metadata.suricate.recipe = {"name","title","summary","version","author","licence","input":{"any_of":[…]}};
 * a way is {"columns":[{"name","type"}]} (each must be there, in any order) or {"at_least":{"text":1,"numeric":2}}
 * (so many columns of a type), or both.  Types: those of a preview, "numeric" (integer or number), "category" (text,
 * or few distinct values), "any"; a declared number takes an integer column. */
#pragma once
#include "base/json.h"

enum { RECIPE_NAME_MAX = 100, RECIPE_WAYS_MAX = 32, RECIPE_COLUMNS_MAX = 256 };

/* Lower-case letters, digits and "-". */
bool recipe_name_check(const char *name, struct su_err *err);
/* The declaration (borrowed) of a notebook that is a recipe: complete, with a parameter `object`.  SU_INVALID points
 * at what is missing. */
bool recipe_check(const json_t *notebook, const json_t **ret, struct su_err *err);
/* {"name","title","summary","version","author","licence","input","parameters"} (new reference); parameters without
 * `object`. */
json_t *recipe_info(const json_t *declaration, const json_t *parameters);
/* Does a table with this preview fit?  False fills reason with what the nearest way lacks. */
bool recipe_fits(const json_t *input, const json_t *preview, char *reason, size_t size);
