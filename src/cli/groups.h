/* The command groups, one per file.  Layer cli. */
#pragma once
#include "cli/command.h"
#include "cli/exit_status.h"

extern const struct command object_commands[];      /* object.c */
extern const struct command notebook_commands[];    /* notebook.c */
extern const struct command run_commands[];         /* run.c */
extern const struct command recipe_commands[];      /* recipe.c */
extern const struct command account_commands[];     /* account.c */
extern const struct command server_commands[];      /* admin.c: serve, status, backup, restore, doctor */
extern const struct command help_commands[];        /* help.c */
