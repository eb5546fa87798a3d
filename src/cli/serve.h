/* The server's composition and life, as one command.  Layer cli; main thread. */
#pragma once
#include "cli/command.h"

/* argv[0] is "serve"; returns the process's exit status. */
int serve_main(int argc, char **argv);
/* The options of serve, for its help and the completion; ends with a NULL name. */
extern const struct option_spec serve_options[];
