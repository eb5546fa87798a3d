/* Documents generated from the table of commands.  Layer cli; main thread. */
#pragma once
#include <stdio.h>

void manual_man(FILE *to);          /* packaging/man/suricate.1 */
void manual_completion(FILE *to);   /* packaging/completion/suricate.bash */
void manual_markdown(FILE *to);     /* the reference part of docs/cli.md */
