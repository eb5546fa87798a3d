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
extern const struct command watch_commands[];       /* watch.c */
extern const struct command detector_commands[];    /* detector.c */
extern const struct command model_commands[];       /* model.c */
extern const struct command trigger_commands[];     /* trigger.c */
extern const struct command action_commands[];      /* action.c */
extern const struct command silence_commands[];     /* silence.c: silence, switch */
extern const struct command decision_commands[];    /* decision.c */
extern const struct command why_commands[];         /* why.c */
extern const struct command secret_commands[];      /* secret.c */
extern const struct command recipe_commands[];      /* recipe.c */
extern const struct command account_commands[];     /* account.c */
extern const struct command server_commands[];      /* admin.c: serve, status, backup, restore, doctor */
extern const struct command help_commands[];        /* help.c */
