/* Every group of commands, in the order of the help.  Layer cli. */
#include "cli/groups.h"

const struct command_group command_groups[] = {
    {"Objects", object_commands},
    {"Notebooks and runs", notebook_commands},
    {"", run_commands},
    {"Recipes", recipe_commands},
    {"Streams", stream_commands},
    {"", push_commands},
    {"", tail_commands},
    {"", replay_commands},
    {"", sql_commands},
    {"", consumer_commands},
    {"Acting", watch_commands},
    {"", detector_commands},
    {"", model_commands},
    {"", trigger_commands},
    {"", action_commands},
    {"", silence_commands},
    {"", decision_commands},
    {"", why_commands},
    {"", secret_commands},
    {"Who may do what", account_commands},
    {"The server", server_commands},
    {"Help", help_commands},
    {NULL, NULL},
};
