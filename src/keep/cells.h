/* The queue of cells to run, and what every request of ours belongs to.  Layer keep; pure. */
#pragma once
#include <stdint.h>
#include "base/json.h"

enum { CELLS_ID_MAX = 128 };

struct cell { char *id, *code; bool allow_error, is_silent, has_stdin; };

/* Cells in the order they came, numbered for ever; those before `next` are through or dropped, those before `gone` forgotten. */
struct cells { struct cell *list; size_t count, capacity, next, gone; };

void cells_done(struct cells *cells);
/* Queue the cells of an execute message; those whose id was seen before are ignored. */
bool cells_add(struct cells *cells, const json_t *list, struct su_err *err);
/* The next cell to run, NULL when there is none; ret_index names it for ever. */
const struct cell *cells_take(struct cells *cells, size_t *ret_index);
/* Forget the code of a cell that is through: only its id is still needed. */
void cells_finish(struct cells *cells, size_t index);
/* A cell by its number; NULL when it is forgotten or never was. */
const struct cell *cells_at(const struct cells *cells, size_t index);
/* Forget the oldest that are through, when there are many: some thousand stay known. */
void cells_forget(struct cells *cells);
/* Drop all that wait. */
void cells_clear(struct cells *cells);
bool cells_is_empty(const struct cells *cells);
