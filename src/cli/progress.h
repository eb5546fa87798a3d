/* A progress line on a terminal, for what takes more than a second.  Layer cli; main thread. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label;
    int64_t began_ms, drawn_ms;
    uint64_t first;
    bool is_off, is_drawn;
};
/* Nothing is drawn when is_quiet, or when standard error is no terminal. */
void progress_begin(struct progress *progress, const char *label, bool is_quiet);
/* Bytes; total 0 while unknown. Draws at most ten times a second. */
void progress_bytes(struct progress *progress, uint64_t done, uint64_t total);
/* A fraction from 0 to 1 and a few words. */
void progress_fraction(struct progress *progress, double fraction, const char *text);
/* Take the line away (before other output). */
void progress_clear(struct progress *progress);
