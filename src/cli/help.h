/* Help, man page, completion and reference, all from the table of commands.  Layer cli; main thread. */
#pragma once
#include <stdio.h>
#include "cli/command.h"

/* Everything at a glance; with a word, only the commands that begin with it. */
void help_overview(FILE *to, const char *first_word);
void help_command(FILE *to, const struct command *command);
