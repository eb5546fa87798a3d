/* Where the parts of an installation are.  Layer cli; main thread. */
#pragma once
#include "base/str.h"

/* Holds sdk/ and recipes/: given, else $SURICATE_SHARE, else the source tree above the program's folder, else
 * ../share/suricate beside it.  Caller frees. */
char *locate_share(const char *given);
/* The kernels' Python environment: given, else $SURICATE_ENV, else the one that packaging/environment makes of
 * SHARE/packaging/requirements.lock, else the newest one there is.  Caller frees; NULL when there is none. */
char *locate_environment(const char *given, const char *share);
