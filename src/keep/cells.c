/* See cells.h.  Layer keep; pure. */
#include "keep/cells.h"
#include <stdlib.h>
#include <string.h>

enum { KNOWN_MIN = 2048, KNOWN_MAX = 4096 };

static void free_code(struct cell *cell) {
    free(cell->code);
    cell->code = NULL;
}

void cells_done(struct cells *cells) {
    for (size_t i = 0; i < cells->count - cells->gone; i++) {
        free_code(&cells->list[i]);
        free(cells->list[i].id);
    }
    free(cells->list);
    *cells = (struct cells){0};
}

static bool is_known(const struct cells *cells, const char *id) {
    for (size_t i = cells->count - cells->gone; i-- > 0;)
        if (strcmp(cells->list[i].id, id) == 0) return true;
    return false;
}

static bool check_one(const json_t *item, struct su_err *err) {
    const char *id = su_json_string(item, "cell", "");
    if (!*id || strlen(id) > CELLS_ID_MAX) return su_fail_field(err, SU_INVALID, "/cells", "every cell needs an id of 1 to %d bytes", CELLS_ID_MAX);
    if (!json_is_string(json_object_get(item, "code"))) return su_fail_field(err, SU_INVALID, "/cells", "cell %s has no code", id);
    return true;
}

bool cells_add(struct cells *cells, const json_t *list, struct su_err *err) {
    size_t i;
    const json_t *item;
    if (!json_is_array(list)) return su_fail_field(err, SU_INVALID, "/cells", "cells must be a list");
    json_array_foreach(list, i, item)
        if (!check_one(item, err)) return false;
    json_array_foreach(list, i, item) {
        const char *id = su_json_string(item, "cell", "");
        if (is_known(cells, id)) continue;
        if (cells->count - cells->gone == cells->capacity) {
            cells->capacity = cells->capacity ? cells->capacity * 2 : 32;
            cells->list = su_realloc(cells->list, cells->capacity * sizeof *cells->list);
        }
        cells->list[cells->count++ - cells->gone] = (struct cell){.id = su_strdup(id), .code = su_strdup(su_json_string(item, "code", "")),
            .allow_error = su_json_bool(item, "allow_error", false), .is_silent = su_json_bool(item, "silent", false),
            .has_stdin = su_json_bool(item, "stdin", false)};
    }
    return true;
}

const struct cell *cells_take(struct cells *cells, size_t *ret_index) {
    if (cells_is_empty(cells)) return NULL;
    *ret_index = cells->next++;
    return cells_at(cells, *ret_index);
}

const struct cell *cells_at(const struct cells *cells, size_t index) {
    return index >= cells->gone && index < cells->count ? &cells->list[index - cells->gone] : NULL;
}

void cells_forget(struct cells *cells) {
    if (cells->next - cells->gone <= KNOWN_MAX) return;
    size_t drop = cells->next - cells->gone - KNOWN_MIN;
    for (size_t i = 0; i < drop; i++) {
        free_code(&cells->list[i]);
        free(cells->list[i].id);
    }
    cells->gone += drop;
    memmove(cells->list, cells->list + drop, (cells->count - cells->gone) * sizeof *cells->list);
}

void cells_finish(struct cells *cells, size_t index) { free_code(&cells->list[index - cells->gone]); }

void cells_clear(struct cells *cells) {
    for (; cells->next < cells->count; cells->next++) free_code(&cells->list[cells->next - cells->gone]);
}

bool cells_is_empty(const struct cells *cells) { return cells->next >= cells->count; }
