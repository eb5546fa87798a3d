/* Starting runs and watching them to their end.  Layer cli; main thread. */
#pragma once
#include "cli/command.h"

/* Options of every command that starts a run (run, recipe run). */
#define RUN_START_OPTIONS \
    {.name = "parameter", .letter = 'p', .value = "NAME=VALUE", .is_repeated = true, \
     .help = "a parameter; JSON if it reads as a number, bool, null, list or object, else text; NAME:=JSON forces JSON"}, \
    {.name = "parameters", .letter = 'f', .value = "FILE", .help = "a JSON object of parameters; -p goes first"}, \
    {.name = "limit", .letter = 'l', .value = "WHAT=VALUE", .is_repeated = true, \
     .help = "time=60s, memory=2g, processes=64, scratch=1g or output=100m"}, \
    {.name = "label", .value = "TEXT", .help = "a remark kept with the run"}, \
    {.name = "wait", .letter = 'w', .help = "wait for its end, showing what it prints"}, \
    {.name = "output", .letter = 'o', .value = "FILE", .help = "write the executed notebook to FILE (waits)"}

/* Add "parameters", "limits" and "label" to the body of a POST from the options above. */
bool start_read_options(const struct invocation *in, json_t *body, struct su_err *err);
/* After the POST: print the accepted run, or wait for it as the options ask and print its end. Exit status. */
int start_finish(struct invocation *in, const json_t *accepted, struct su_err *err);
/* EXIT_DONE for a run that succeeded. */
int start_status_of(const json_t *run);
/* The executed notebook into a file, or to standard output when it is NULL. */
bool start_fetch_notebook(struct invocation *in, const char *id, const char *file, struct su_err *err);
