/* Templates: JSON with places to be filled from another value.  Layer act; pure.
 *
 * Any text in the template may hold places:
 *   {{ key }}   {{ grounds.value }}   {{ grounds.values.0 }}   {{ parameters."a.b" }}   {{ "literal" }}
 *   {{ parameters.x | 5 }}   {{ parameters.x | "none" }}   {{ parameters.x | none }}
 * A path goes through objects by name and arrays by number.  Behind "|" stands what to take when the
 * path leads nowhere or to null: JSON, or else plain text.  A text that is one place and nothing else
 * keeps the type of what it finds ({"n": "{{ parameters.n }}"} gives {"n": 3}); inside a longer
 * text, texts go in as they are and everything else as JSON.  Names of members are not filled.
 * A path that leads nowhere and has no default fails with SU_INVALID, and the message names it. */
#pragma once
#include "base/json.h"

enum { TEMPLATE_DEPTH_MAX = 32, TEMPLATE_PLACES_MAX = 1000, TEMPLATE_PATH_MAX = 256, TEMPLATE_RESULT_MAX = 256 * 1024 };

/* Is it well formed?  Errors name `field` and where in it. */
bool template_check(const json_t *template, const char *field, struct su_err *err);
/* *ret: a new value.  values: an object. */
bool template_fill(const json_t *template, const json_t *values, json_t **ret, struct su_err *err);
/* One text, whatever stands in it; caller frees. */
bool template_fill_text(const char *template, const json_t *values, char **ret, struct su_err *err);
