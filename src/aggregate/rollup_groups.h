/* Dense numbers for the keys of rows.  Layer aggregate; private to rollup*.c. */
#pragma once
#include "rollup.h"

struct groups;
struct groups *groups_new(char *const *by, size_t by_count, uint32_t max);
void groups_free(struct groups *groups);
void groups_clear(struct groups *groups);
uint32_t groups_count(const struct groups *groups);
/* The group of each of these rows; `is_new`: the block is another one. SU_LIMIT when there are too many. */
bool groups_of(struct groups *groups, const struct block *block, bool is_new, uint32_t from, uint32_t count,
               uint32_t *ret, struct su_err *err);
struct block_value groups_key(const struct groups *groups, uint32_t group, size_t by);
/* null < numbers < texts; by all keys. */
int groups_compare(const struct groups *groups, uint32_t a, uint32_t b);

/* The column that a path names: a field, "x:bool", "x:json", or "_key"; NULL: the block has none. */
const struct block_column *rollup_column(const struct block *block, struct su_str path);
