/* What this machine needs to run kernels.  Layer cli; main thread. */
#pragma once
#include "cli/command.h"

int doctor_run(struct invocation *in, struct su_err *err);
