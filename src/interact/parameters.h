/* A notebook's parameters, by papermill's conventions.  Layer interact; pure, any thread.
 *
 * The cell tagged `parameters` holds lines `name[: annotation] = value  # [type: T] help`.
 * Types are str, int, float, bool, list, dict and any; an annotation wins over a
 * type comment, that over the default's own type.  Optional[T], `T | None` and a
 * default of None take null as well. */
#pragma once
#include "base/json.h"
#include "base/str.h"

enum { PARAMETERS_MAX = 256 };

/* New reference: [{"name","type","optional","default","help"}].  A default that is no
 * literal is null, with its text in "default_text".  A later line of one name wins. */
json_t *parameters_discover(const json_t *notebook);
/* Holds given values (NULL: none) against the list; *ret is a new object of the
 * values to inject (an int given for a float becomes one).  SU_INVALID names the
 * parameter and, for an unknown one, those there are. */
bool parameters_check(const json_t *declared, const json_t *given, json_t **ret, struct su_err *err);
/* Put the cell `injected-parameters` in place of an old one, else behind the
 * parameters cell, else first.  No values and no old cell: nothing is added. */
void parameters_inject(json_t *notebook, const json_t *values);
