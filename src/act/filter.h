/* Filters: which messages of a stream are meant.  Layer act; pure; a filter may be shared by threads.
 *
 * Conditions on fields, all of which must hold: {"field": value} for equality, or
 * {"field": {"above": 3, "below": 9}} with any of above, at_least, below, at_most (numbers), in (a list of values),
 * not (a value, or a list of them), prefix (of a text), exists (true or false).  Fields are named by path
 * ("user.name"); "_key" is the message's key.  A field that is absent or null is equal to null only, and no other
 * condition but "not" and {"exists": false} holds for it.  A text that is a number counts as that number, and
 * the other way round: which of them a column holds depends on the messages beside (block.h widens). */
#pragma once
#include "base/json.h"
#include "store/block.h"

enum { FILTER_CONDITIONS_MAX = 32, FILTER_VALUES_MAX = 1000, FILTER_FIELD_MAX = 256 };

struct filter;
/* where: an object (copied), or NULL for every message.  SU_INVALID names `field` and the member. */
bool filter_new(const json_t *where, const char *field, struct filter **ret, struct su_err *err);
void filter_free(struct filter *filter);
/* Finds the columns of a block once; then rows are cheap.  Borrows both. */
struct filter_rows;
struct filter_rows *filter_rows_new(const struct filter *filter, const struct block *block);
void filter_rows_free(struct filter_rows *rows);
bool filter_takes(const struct filter_rows *rows, uint32_t row);
