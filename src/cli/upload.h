/* What other commands need of notebooks.  Layer cli; main thread. */
#pragma once
#include "cli/command.h"

/* Store a local file under name; caller owns the record. */
bool upload_notebook(struct invocation *in, const char *file, const char *name, json_t **ret, struct su_err *err);
/* A table of declared parameters. */
void output_parameters(const json_t *parameters);
