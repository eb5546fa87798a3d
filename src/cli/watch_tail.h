/* watch tail: a watch's decisions as they are made.  Layer cli; main thread. */
#pragma once
#include "cli/command.h"

command_fn watch_run_tail;
