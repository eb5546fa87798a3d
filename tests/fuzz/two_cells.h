/* A notebook for fuzzers: two code cells, "a" and "b".  Tests. */
#pragma once
#include "interact/notebook.h"

static inline json_t *two_cells(void)
{
    json_t *notebook = json_pack("{s:i, s:i, s:{}, s:[]}", "nbformat", 4, "nbformat_minor", 5, "metadata", "cells");
    for (const char *id = "ab"; *id; id++) {
        json_t *cell = notebook_code_cell(SU_STR("x"), NULL);
        json_object_set_new(cell, "id", json_stringn(id, 1));
        json_array_append_new(json_object_get(notebook, "cells"), cell);
    }
    return notebook;
}
