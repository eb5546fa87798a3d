/* A user's settings of the page: one JSON object.  Layer api.  The table is `settings`. */
#pragma once
#include "store/store.h"

enum { SETTINGS_BYTES_MAX = 16 * 1024 };
extern const struct store_migration settings_migrations[];
