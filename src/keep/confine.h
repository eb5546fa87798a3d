/* What a keeper gives up before it listens to its kernel.  Layer keep.
 *
 * From then on foreign frames reach libzmq in this process, so it keeps only what its work needs: no new
 * programs, no new privileges, the file system below its own folders, and as root a handful of capabilities. */
#pragma once
#include "base/json.h"

/* The folders it may still write are spec's.  Best effort: an older system lacks a part, and the rest holds. */
void confine_keeper(const json_t *spec);
