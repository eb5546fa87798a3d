/* Parameters of a run as given on the command line.  Layer cli; pure.
 *
 * "name=value": the value is JSON when it reads as a number, true, false, null,
 * a list or an object, else text.  "name:=json" must be JSON; that is also how
 * to give text that looks like a number: name:='"2013"'. */
#pragma once
#include "base/json.h"

bool assignment_parameter(json_t *parameters, const char *assignment, struct su_err *err);
/* All members of the JSON object in the file; those already there are kept. */
bool assignment_file(json_t *parameters, const char *path, struct su_err *err);
/* "time=60s", "memory=2g", "processes=64", "scratch=1g", "output=100m" → the API's limits. */
bool assignment_limit(json_t *limits, const char *assignment, struct su_err *err);
