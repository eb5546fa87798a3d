/* The command groups, one per file.  Layer cli. */
#pragma once
#include "cli/command.h"
#include "cli/exit_status.h"

extern const struct command object_commands[];      /* object.c */
extern const struct command notebook_commands[];    /* notebook.c */
extern const struct command run_commands[];         /* run.c */
extern const struct command stream_commands[];      /* stream.c */
extern const struct command push_commands[];        /* push.c */
extern const struct command tail_commands[];        /* tail.c */
extern const struct command replay_commands[];      /* replay.c */
extern const struct command sql_commands[];         /* sql.c */
extern const struct command consumer_commands[];    /* consumer.c */
extern const struct command action_commands[];      /* action.c: action, secret */
extern const struct command recipe_commands[];      /* recipe.c */
extern const struct command account_commands[];     /* account.c */
extern const struct command server_commands[];      /* admin.c: serve, status, backup, restore, doctor */
extern const struct command help_commands[];        /* help.c */
