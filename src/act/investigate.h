/* A notebook that looks at one decision: its window and what came before it, loaded, plotted and judged again.
 * Layer act; pure.
 *
 * Its cells: the facts (text), parameters, the messages, a picture of value and score with what normal would have been,
 * and the decision made once more by the same code.  Texts of others stand in it as literals and escaped Markdown only. */
#pragma once
#include "base/json.h"

enum { INVESTIGATE_WINDOWS_BEFORE = 60, INVESTIGATE_WINDOWS_AFTER = 10 };

/* decision as decision_get gives it; watch as watch_get gives the one that made it, or NULL: of none, or gone.
 * *ret: nbformat 4.5, the same for the same input (new reference).  SU_INVALID: a decision about no window. */
bool investigate_notebook(const json_t *decision, const json_t *watch, json_t **ret, struct su_err *err);
/* "investigate/<id>"; caller frees. */
char *investigate_name(const json_t *decision);
