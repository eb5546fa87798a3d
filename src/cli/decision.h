/* Finding one decision as people name it.  Layer cli; main thread. */
#pragma once
#include "base/json.h"

struct invocation;
/* By its id, by how its id begins, or "last": the newest of those that the options select. */
bool decision_find(struct invocation *in, const char *name, json_t **ret, struct su_err *err);
/* Find the one that the first argument names and print it; exit status. */
int decision_print(struct invocation *in, void (*print)(const json_t *), struct su_err *err);
extern const char *const decision_filters[];
#define DECISION_FILTER_OPTIONS                                                                     \
    {.name = "watch", .value = "NAME", .help = "only those of this watch"},                         \
    {.name = "key", .value = "KEY", .help = "only those about this key of it"},                     \
    {.name = "stream", .value = "STREAM", .help = "only those made on this stream"},                \
    {.name = "consumer", .value = "NAME", .help = "only those of this consumer"},                   \
    {.name = "trigger", .value = "NAME", .help = "only those of this trigger"},                     \
    {.name = "run", .value = "RUN", .help = "only those of this run"},                              \
    {.name = "action", .value = "NAME", .help = "only those for this action"},                      \
    {.name = "state", .value = "STATE", .help = "only those that are pending, held, stopped, sent, failed, expired or noted"}
